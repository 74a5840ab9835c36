#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make bench` measures of the Python package and of pympler, with the same code.

    python_load.py PACKAGE MODE COUNT [FILE]

PACKAGE is memcapture or pympler, found through PYTHONPATH.  Prints lines
"NAME VALUE": seconds, bytes, or ns and bytes an object.  Modes:

    snapshot   COUNT tracked objects, create_snapshot; dumped to FILE
    asizeof    the list of COUNT objects, in the order of allocation, then shuffled
    plain      creates COUNT untracked objects
    tracked    creates COUNT tracked ones
    traced     creates COUNT tracked ones with a trace each
    load       loads FILE, sorts by size, prints ten
    html       loads FILE, writes its page to FILE.html
    heap       lists all objects, of which COUNT are ours, and summarizes the list
"""

import gc
import importlib
import io
import random
import sys
import time


class Item:
    """Three attributes and a list."""

    def __init__(self, number):
        self.number = number
        self.name = str(number)
        self.parts = [number]


class Pair:
    """A number and a text."""

    __slots__ = ("number", "name")

    def __init__(self, number):
        self.number = number + 1
        self.name = str(number)


def memory(field):
    """VmRSS or VmHWM of this process, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def forget_peak():
    """VmHWM counts from here."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as control:
        control.write("5")


def show(name, value):
    print(name, value, flush=True)


def module(package, name):
    return importlib.import_module(f"{package}.{name}")


def snapshot(package, count, path):
    tracker = module(package, "classtracker").ClassTracker()
    items = [None] * count
    started = memory("VmRSS")
    tracker.track_class(Item)
    for number in range(count):
        items[number] = Item(number)
    tracked = memory("VmRSS")
    forget_peak()
    before = time.perf_counter()
    tracker.create_snapshot("bench")
    show("seconds", time.perf_counter() - before)
    show("tracked_bytes", tracked - started)
    show("peak_bytes", memory("VmHWM") - tracked)
    show("kept_bytes", memory("VmRSS") - tracked)
    before = time.perf_counter()
    tracker.stats.dump_stats(path)
    show("dump_seconds", time.perf_counter() - before)


def asizeof(package, count, _path):
    sizer = module(package, "asizeof")
    items = [Item(number) for number in range(count)]
    for name in ("ordered", "shuffled"):
        before = time.perf_counter()
        show(f"{name}_size", sizer.asizeof(items))
        show(name, time.perf_counter() - before)
        random.Random(1).shuffle(items)


def create(package, count, trace):
    """Time and memory of COUNT instances; PACKAGE None: of a class that nothing tracks."""
    if package:
        tracker = module(package, "classtracker").ClassTracker()
        tracker.track_class(Item, trace=trace)
    items = [None] * count
    rss = memory("VmRSS")
    before = time.perf_counter()
    for number in range(count):
        items[number] = Item(number)
    show("ns", (time.perf_counter() - before) / count * 1e9)
    show("bytes", (memory("VmRSS") - rss) / count)


def load(package, _count, path):
    before = time.perf_counter()
    stats = module(package, "classtracker_stats").ConsoleStats(filename=path, stream=io.StringIO())
    stats.sort_stats("size")
    # Above 1 a limit is a count of objects.
    stats.print_stats(limit=10)
    show("seconds", time.perf_counter() - before)


def html(package, _count, path):
    sys.modules["matplotlib"] = None  # pympler's drawings need one of 2017
    before = time.perf_counter()
    module(package, "classtracker_stats").HtmlStats(filename=path).create_html(path + ".html")
    show("seconds", time.perf_counter() - before)


def heap(package, count, _path):
    """Of COUNT objects a third are numbers, a third texts, and a third instances with one of each."""
    muppy, summary = module(package, "muppy"), module(package, "summary")
    part = count // 3
    kept = [list(range(1000, 1000 + part)), [str(number) for number in range(part)],
            [Pair(number) for number in range(1000, 1000 + part // 3)]]
    gc.collect()
    before = time.perf_counter()
    gc.collect()
    show("collect", time.perf_counter() - before)
    before = time.perf_counter()
    objects = muppy.get_objects()
    show("get_objects", time.perf_counter() - before)
    before = time.perf_counter()
    summary.summarize(objects)
    show("summarize", time.perf_counter() - before)
    show("objects", len(objects) + len(kept))


MODES = {
    "snapshot": snapshot,
    "asizeof": asizeof,
    "plain": lambda package, count, path: create(None, count, False),
    "tracked": lambda package, count, path: create(package, count, False),
    "traced": lambda package, count, path: create(package, count, True),
    "load": load,
    "html": html,
    "heap": heap,
}


def main():
    package, mode, count = sys.argv[1:4]
    MODES[mode](package, int(count), sys.argv[4] if len(sys.argv) > 4 else None)


if __name__ == "__main__":
    main()
