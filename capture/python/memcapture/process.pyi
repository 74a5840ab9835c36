# SPDX-License-Identifier: MIT
from threading import Thread

class ProcessMemoryInfo:
    pagesize: int
    pid: int
    rss: int
    vsz: int
    pagefaults: int
    os_specific: list[tuple[str, str]]
    data_segment: int
    code_segment: int
    shared_segment: int
    stack_segment: int
    available: bool
    def __init__(self) -> None: ...
    def __sub__(self, other: ProcessMemoryInfo) -> list[tuple[str, int]]: ...
    def update(self) -> bool: ...

def is_available() -> bool: ...

class ThreadInfo:
    ident: int | None
    name: str
    daemon: bool
    def __init__(self, thread: Thread) -> None: ...

def get_current_threads() -> list[ThreadInfo]: ...
def get_current_thread_id() -> int: ...
