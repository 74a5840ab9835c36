# SPDX-License-Identifier: MIT
"""The rows of `make bench` on Python: the package beside pympler, each figure as a
ratio.  python_load.py does the work, in a process of its own each time; here the
figures are put side by side.  Used by tests/bench/run.
"""

import os
import shutil
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
COUNT = 1_000_000
PAGE_COUNT = 100_000
CREATE_COUNT = 300_000
TRACE_COUNT = 100_000
HEAP_COUNT = 14_000_000
# What pympler gets, unless FULL=1; its figures grow with the count, or a little faster.
PYMPLER_COUNT = 50_000
PYMPLER_CREATE_COUNT = 50_000
PYMPLER_TRACE_COUNT = 3_000
REFTRACKER_COUNT = 50_000


def middle(values):
    return statistics.median(values) if values else None


class Side:
    """One package in one interpreter, and how to run it."""

    def __init__(self, bench, package, folder, module=None, load="python_load.py"):
        self.bench = bench
        self.package = package
        self.load = load
        self.interpreter = os.environ.get("PYTHON") or "/usr/bin/python3"
        self.environment = dict(bench.environment, PYTHONPATH=folder or "")
        code = f"import {module or package + '.classtracker'}"
        result = subprocess.run([self.interpreter, "-c", code], env=self.environment,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.present = result.returncode == 0
        self.reason = (result.stderr.strip().splitlines() or [""])[-1]

    def figures(self, mode, count, path="", repeat=None):
        """Each figure that the mode prints, as its median."""
        found = {}
        for _ in range(repeat or self.bench.repeat):
            figures = self.bench.once(self.interpreter, os.path.join(HERE, self.load), self.package, mode,
                                      str(count), path, environment=self.environment) or {}
            for name, value in figures.items():
                found.setdefault(name, []).append(value)
        return {name: middle(values) for name, values in found.items()}


class Rows:
    def __init__(self, bench):
        self.bench = bench
        self.ours = Side(bench, "memcapture", os.path.join(bench.build, "python"))
        self.theirs = Side(bench, "pympler", os.environ.get("PYMPLER"))
        self.full = bool(os.environ.get("FULL"))

    # ---- lines -------------------------------------------------------------------

    def heading(self, text, peer="pympler"):
        print(f"\n{text}")
        print(f"  {'':56} {'target':>9} {'ours':>11} {peer:>11} {'ratio':>8}", flush=True)

    def ratio(self, what, ours, theirs, target=None, unit="s", digits=3):
        """TARGET: how many times better than pympler's."""
        times = theirs / ours if ours and theirs else None
        missed = target is not None and times is not None and times < target
        self.bench.missed += missed
        cells = " ".join("          -" if value is None else f"{value:11.{digits}f}" for value in (ours, theirs))
        print(f"  {what:56} {'' if target is None else f'>= {target}x':>9} {cells}"
              f" {'-' if times is None else f'{times:.1f}x':>8}  {unit}{'  MISSED' if missed else ''}", flush=True)

    def at_most(self, what, ours, theirs, target, unit, digits=2):
        missed = ours is not None and ours > target
        self.bench.missed += missed
        cells = " ".join("          -" if value is None else f"{value:11.{digits}f}" for value in (ours, theirs))
        print(f"  {what:56} {f'<= {target:g}':>9} {cells} {'':8}  {unit}{'  MISSED' if missed else ''}", flush=True)

    # ---- what is measured ------------------------------------------------------------

    def pymplers(self, mode, count, fewer, path="", repeat=1):
        """pympler's figures for COUNT: of fewer objects, scaled up, unless all were asked for."""
        if not self.theirs.present:
            return {}
        given = count if self.full else fewer
        figures = self.theirs.figures(mode, given, path, repeat)
        return {name: value * count / given for name, value in figures.items()}

    def snapshots(self):
        self.heading(f"Python: create_snapshot of {COUNT:,} tracked objects, three attributes and a list each")
        log, dump = os.path.join(self.bench.scratch, "python.dat"), os.path.join(self.bench.scratch, "pympler.dat")
        ours = self.ours.figures("snapshot", COUNT, log)
        theirs = self.pymplers("snapshot", COUNT, PYMPLER_COUNT, dump)
        self.ratio("the time", ours.get("seconds"), theirs.get("seconds"), 50)

        def megabytes(figures, *names):
            return sum(figures[name] for name in names) / 1e6 if figures else None

        self.ratio("memory that it adds, at its peak", megabytes(ours, "peak_bytes"), megabytes(theirs, "peak_bytes"),
                   10, "MB", 0)
        self.ratio("the objects, tracking and the snapshot", megabytes(ours, "tracked_bytes", "peak_bytes"),
                   megabytes(theirs, "tracked_bytes", "peak_bytes"), None, "MB", 0)
        self.ratio("dump_stats", ours.get("dump_seconds"), theirs.get("dump_seconds"))
        # A file grows with the objects in it, apart from a few hundred bytes.
        scale = 1 if self.full else COUNT / PYMPLER_COUNT
        sizes = [os.path.getsize(path) / 1e6 if os.path.exists(path) else None for path in (log, dump)]
        self.ratio("the file", sizes[0], sizes[1] * scale if sizes[1] else None, 50, "MB", 2)
        ours = self.ours.figures("load", COUNT, log)
        theirs = self.pymplers("load", COUNT, PYMPLER_COUNT, dump)
        self.ratio("load it, sort by size, print ten", ours.get("seconds"), theirs.get("seconds"), 50)
        command = self.bench.several(self.bench.program("bench_run"), "memstats", "objects", log, "--sort", "size",
                                     "--limit", "10")
        walls = [wall / 1e9 for wall in command.get("wall", [])]
        self.ratio("the same by memstats, its start included", middle(walls), theirs.get("seconds"), 50)

    def sizes(self):
        self.heading(f"Python: asizeof of the list of {COUNT:,} such objects")
        ours = self.ours.figures("asizeof", COUNT)
        theirs = self.pymplers("asizeof", COUNT, PYMPLER_COUNT)
        for what, name, target in (("in the order of allocation", "ordered", 30), ("shuffled", "shuffled", 10)):
            self.ratio(what, ours.get(name), theirs.get(name), target)

    def creation(self):
        self.heading("Python: creating an instance of a tracked class, beyond an untracked one")
        for what, mode, count, fewer, target in (
                ("tracked", "tracked", CREATE_COUNT, PYMPLER_CREATE_COUNT, 0.5),
                ("with a trace", "traced", TRACE_COUNT, PYMPLER_TRACE_COUNT, 2)):
            plain = self.ours.figures("plain", count)
            ours = self.ours.figures(mode, count)
            given = count if self.full and mode == "tracked" else fewer
            theirs = self.theirs.figures(mode, given, repeat=1) if self.theirs.present else {}

            def beyond(figures, name):
                return figures[name] - plain[name] if name in figures and name in plain else None

            def microseconds(figures):
                extra = beyond(figures, "ns")
                return None if extra is None else extra / 1000

            self.at_most(what, microseconds(ours), microseconds(theirs), target, "us")
            self.at_most(f"{what}: its memory", beyond(ours, "bytes"), beyond(theirs, "bytes"), 200, "B", 0)

    def all_objects(self):
        """Reftracker's own objects and those of the interpreter are in its figures too, so that with few
        objects it seems slower than it is."""
        module = "memcapture.reftracker"
        ours = Side(self.bench, "memcapture", self.ours.environment["PYTHONPATH"], module, "reftracker_load.py")
        theirs = Side(self.bench, "reftracker", os.environ.get("REFTRACKER"), "reftracker", "reftracker_load.py")
        count = COUNT if self.full else REFTRACKER_COUNT
        part = "" if self.full or not theirs.present else f"; Reftracker has {count:,}, scaled up"
        self.heading(f"Python: ObjTracker.diff() over {COUNT:,} objects{part}", "Reftracker")
        if not theirs.present:
            print("  Reftracker is not present (REFTRACKER=DIR says where it is), so there are no ratios")
        found = ours.figures("diff", COUNT)
        other = theirs.figures("diff", count, repeat=1) if theirs.present else {}
        other = {name: value * COUNT / count for name, value in other.items()}
        self.ratio("the first diff, in which they are new", found.get("first"), other.get("first"), 20)
        self.ratio("the next one, in which they are persistent", found.get("second"), other.get("second"), 20)
        sizes = [figures["peak_bytes"] / 1e6 if figures else None for figures in (found, other)]
        self.ratio("memory that they add, at its peak", *sizes, 10, "MB", 0)
        path = os.path.join(self.bench.scratch, "census.dat")
        logged = ours.figures("diff", COUNT, path)
        self.ratio("the first diff, into a log", logged.get("first"), other.get("first"))
        self.at_most("the log", os.path.getsize(path) / 1e6 if logged else None, None, 20, "MB")

    def page_of(self, what, path, theirs, target):
        page = os.path.join(self.bench.scratch, "page.html")
        command = self.bench.several(self.bench.program("bench_run"), "memreport", path, "-o", page)
        walls = [wall / 1e9 for wall in command.get("wall", [])]
        self.ratio(f"memreport on {what}", middle(walls), theirs.get("seconds"), target)
        return os.path.getsize(page) / 1e6 if walls else None

    def pages(self):
        self.heading(f"Python: the page of {PAGE_COUNT:,} objects; pympler's: HtmlStats, without its charts")
        log, dump = os.path.join(self.bench.scratch, "page.dat"), os.path.join(self.bench.scratch, "pickle.dat")
        self.ours.figures("snapshot", PAGE_COUNT, log, 1)
        theirs = {}
        folder = None
        if self.theirs.present:
            self.theirs.figures("snapshot", PAGE_COUNT, dump, 1)
            theirs = self.theirs.figures("html", PAGE_COUNT, dump)
            folder = (size_of(dump + "_files") + size_of(dump + ".html")) / 1e6
            shutil.rmtree(dump + "_files", ignore_errors=True)
        size = self.page_of("our log", log, theirs, 50)
        if self.theirs.present:
            self.page_of("pympler's dump", dump, theirs, 10)
        ours = self.ours.figures("html", PAGE_COUNT, log)
        self.ratio("memcapture's HtmlStats on our log", ours.get("seconds"), theirs.get("seconds"))
        self.at_most("the page", size, folder, 1, "MB")

    def heap(self):
        count = HEAP_COUNT if self.full else HEAP_COUNT // 7
        self.heading(f"Python: all objects of a program with {count:,}, gc.collect() included")
        ours = self.ours.figures("heap", count)
        theirs = self.theirs.figures("heap", count, repeat=1) if self.theirs.present else {}
        self.ratio("muppy.get_objects", ours.get("get_objects"), theirs.get("get_objects"), 20)
        self.ratio("summary.summarize", ours.get("summarize"), theirs.get("summarize"), 20)
        self.ratio("gc.collect() alone", ours.get("collect"), theirs.get("collect"))

    def all(self):
        if not self.ours.present:
            self.heading("Python")
            print(f"  not measured: {self.ours.reason}")
            return
        if not self.theirs.present:
            print("\nPython: pympler is not present (PYMPLER=DIR says where it is), so there are no ratios")
        elif not self.full:
            print(f"\nPython: pympler has {PYMPLER_COUNT:,} objects, scaled up to {COUNT:,}; FULL=1: all of them")
        for part in (self.snapshots, self.sizes, self.creation, self.pages, self.heap, self.all_objects):
            part()


def size_of(path):
    """Of a file, or of all files below a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def measure(bench):
    Rows(bench).all()
