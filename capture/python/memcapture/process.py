# SPDX-License-Identifier: MIT
"""Memory of this process, and its threads, as the kernel and the interpreter know them.

    >>> from memcapture.process import ProcessMemoryInfo
    >>> before = ProcessMemoryInfo()
    >>> dict(ProcessMemoryInfo() - before)                      # doctest: +SKIP
    {'Resident set size (delta)': 4096, 'Virtual size (delta)': 0}

Everything comes from /proc.  Where there is none, a ProcessMemoryInfo says so
(`available`) and its numbers are 0.
"""

import threading
from mmap import PAGESIZE
from os import getpid

from ._text import pp

__all__ = ["ProcessMemoryInfo", "ThreadInfo", "get_current_thread_id", "get_current_threads", "is_available"]

# Fields of /proc/self/stat, counted from the one behind the name of the program, which
# stands in parentheses and may hold anything, more parentheses and spaces included.
_MAJOR_FAULTS = 9
_VIRTUAL_BYTES = 20
_RESIDENT_PAGES = 21

# Lines of /proc/self/status that are shown, and what they are called.
_TITLES = {
    "VmPeak": "Peak virtual memory size",
    "VmSize": "Virtual memory size",
    "VmLck": "Locked memory size",
    "VmHWM": "Peak resident set size",
    "VmRSS": "Resident set size",
    "VmStk": "Size of stack segment",
    "VmData": "Size of data segment",
    "VmExe": "Size of code segment",
    "VmLib": "Shared library code size",
    "VmPTE": "Page table entries size",
}

_SEGMENTS = {
    "VmData": "data_segment",
    "VmExe": "code_segment",
    "VmLib": "shared_segment",
    "VmStk": "stack_segment",
}


class ProcessMemoryInfo:
    """Memory of this process when the object was made, or last updated.

    All sizes are bytes: `vsz` is mapped, `rss` resident; `data_segment`, `code_segment`,
    `shared_segment` (code of libraries) and `stack_segment` are parts of it.  `pagefaults`
    counts those that had to wait for a disk.  `os_specific` is a list of (name, size as
    text).  `available` says whether the numbers are known.
    """

    pagesize = PAGESIZE

    def __init__(self):
        self.pid = getpid()
        self._clear()
        self.available = self.update()

    def __repr__(self):
        return "<%s vsz=%d rss=%d>" % (type(self).__name__, self.vsz, self.rss)

    def __sub__(self, other):
        """What changed since `other`: a list of (name, bytes)."""
        return [
            ("Resident set size (delta)", self.rss - other.rss),
            ("Virtual size (delta)", self.vsz - other.vsz),
        ]

    def update(self):
        """Reads the numbers again.  True where there are any."""
        try:
            with open("/proc/self/stat", errors="replace") as stat:
                with open("/proc/self/status", errors="replace") as status:
                    self._read(stat.read(), status.read())
        except (OSError, ValueError, IndexError):
            return False
        return True

    @classmethod
    def _known(cls, rss=None, vsz=None, pagefaults=None, data=None, code=None, shared=None, stack=None, pid=0):
        """Numbers that were read before, as a snapshot holds them; None: unknown."""
        info = cls.__new__(cls)
        info.pid = pid
        info._clear()
        info.available = rss is not None or vsz is not None
        info.rss = rss or 0
        info.vsz = vsz or 0
        info.pagefaults = pagefaults or 0
        info.data_segment = data or 0
        info.code_segment = code or 0
        info.shared_segment = shared or 0
        info.stack_segment = stack or 0
        return info

    def _clear(self):
        self.rss = self.vsz = self.pagefaults = 0
        self.data_segment = self.code_segment = self.shared_segment = self.stack_segment = 0
        self.os_specific = []
        self.available = False

    def _read(self, stat, status):
        fields = stat[stat.rindex(")") + 1:].split()
        self.pagefaults = int(fields[_MAJOR_FAULTS])
        self.vsz = int(fields[_VIRTUAL_BYTES])
        self.rss = int(fields[_RESIDENT_PAGES]) * self.pagesize
        self.os_specific = []
        for line in status.splitlines():
            key, _, value = line.partition(":")
            if key not in _TITLES:
                continue
            size = int(value.split()[0]) * 1024
            self.os_specific.append((_TITLES[key], pp(size)))
            if key in _SEGMENTS:
                setattr(self, _SEGMENTS[key], size)


def is_available():
    """Whether the memory of processes is known here."""
    return ProcessMemoryInfo().available


class ThreadInfo:
    """`ident`, `name` and `daemon` of a thread that is running."""

    def __init__(self, thread):
        self.ident = thread.ident
        self.name = thread.name
        self.daemon = thread.daemon


def get_current_threads():
    """A list of a ThreadInfo for each thread that the interpreter knows."""
    return [ThreadInfo(thread) for thread in threading.enumerate()]


def get_current_thread_id():
    """The identifier of the thread that calls this."""
    return threading.get_ident()
