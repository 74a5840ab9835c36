#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make bench` measures of trackers of all objects, with the same code.

    reftracker_load.py PACKAGE diff COUNT [FILE]

PACKAGE is memcapture or reftracker, found through PYTHONPATH.  COUNT objects are made after the
baseline; prints lines "NAME VALUE": the seconds of the first and the second diff() after that, and by
how much it raised the process's memory at its peak, in bytes.  With FILE, memcapture writes its log there.
"""

import contextlib
import gc
import io
import sys
import time


class Item:
    """One object for the collector, and no other."""

    __slots__ = ("number",)


def memory(field):
    """VmRSS or VmHWM of this process, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


class Lenient(dict):
    """What is not in it may be deleted."""

    def __delitem__(self, key):
        self.pop(key, None)


def original():
    """Reftracker, as it is but for this: it takes its own frames and its own table out of what it found,
    and they are not there in a Python that does not make objects of running frames."""
    import reftracker

    def get_all_objects():
        gc.collect()
        found = Lenient()
        reftracker._getr(gc.get_objects(), found)
        return found

    reftracker.get_all_objects = get_all_objects
    return reftracker.ObjTracker()


def ours(path):
    from memcapture.reftracker import ObjTracker

    return ObjTracker(log=path)


def main():
    package, _, count = sys.argv[1:4]
    path = sys.argv[4] if len(sys.argv) > 4 and sys.argv[4] else None
    with contextlib.redirect_stdout(io.StringIO()):
        tracker = original() if package == "reftracker" else ours(path)
    items = [Item() for _ in range(int(count))]
    before = memory("VmRSS")
    figures = []
    for name in "first", "second":
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            tracker.diff()
        figures.append((name, time.perf_counter() - started))
    figures.append(("peak_bytes", memory("VmHWM") - before))
    for name, value in figures:
        print(name, value)
    del items


main()
