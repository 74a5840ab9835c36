# SPDX-License-Identifier: MIT
from typing import TextIO

from .refgraph import ReferenceGraph

__all__ = ["GarbageGraph", "start_debug_garbage", "end_debug_garbage"]

class GarbageGraph(ReferenceGraph):
    """The references between the objects that a collection finds."""

    def __init__(self, reduce: bool = False, collectable: bool = True) -> None: ...
    def print_stats(self, stream: TextIO | None = None) -> None: ...

def start_debug_garbage() -> None: ...
def end_debug_garbage() -> None: ...
