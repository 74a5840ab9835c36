# SPDX-License-Identifier: MIT
"""The rows of `make bench` on the heap's recorder: each program alone, under memrecord
and under heaptrack, in turns, and what is made of the logs.  Used by tests/bench/run.

Wall time is that of the whole command, from its start until the recording is complete;
processor time that of everything that it started too.  A factor is that time divided by
the program's own; targets are on what a recorder adds, the factor less one.
"""

import os
import shutil
import statistics
import subprocess

import heap_programs

HEAD = f"  {'':46} {'target':>9} {'ours':>9} {'heaptrack':>10} {'ratio':>7}"


def middle(rows, name):
    values = [row[name] for row in rows if row and name in row]
    return statistics.median(values) if values else None


def share(ours, theirs):
    return ours / theirs if ours is not None and theirs else None


class Rows:
    def __init__(self, bench):
        self.bench = bench
        self.heaptrack = shutil.which("heaptrack")
        self.data = os.path.join(bench.build, "bench/data")
        self.log = os.path.join(bench.scratch, "heap.dat")
        self.page = os.path.join(bench.scratch, "heap.html")
        self.theirs = os.path.join(bench.scratch, "heaptrack")

    def took(self, words, environment=None):
        """Seconds of wall and processor time, and bytes, of one run; None when it fails."""
        figures = self.bench.once(self.bench.program("bench_run"), *words,
                                  environment={**self.bench.environment, **(environment or {})})
        return figures and {"wall": figures["wall"] / 1e9, "cpu": figures["cpu"] / 1e9, "peak": figures["peak"]}

    # ---- a line ----------------------------------------------------------------

    def line(self, what, ours, theirs=None, target=None, digits=2, unit="", ratio=None):
        missed = target is not None and ours is not None and ours > target
        self.bench.missed += missed

        def cell(value, width):
            return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"

        verdict = "" if target is None or ours is None else "  MISSED" if missed else "  met"
        print(f"  {what:46} {'' if target is None else f'<= {target:.{digits}f}':>9} {cell(ours, 9)} "
              f"{cell(theirs, 10)} {'' if ratio is None else f'{ratio:6.2f}':>7}  {unit}{verdict}", flush=True)

    def factor_line(self, what, ours, theirs, native, part, most=None):
        """PART: the part of heaptrack's addition that is ours at most, unless MOST is said."""
        mine, other = share(ours, native), share(theirs, native)
        target = most or (1 + (other - 1) * part if other is not None else None)
        added = share(mine - 1, other - 1) if mine is not None and other is not None and other > 1 else None
        self.line(what, mine, other, target, 2, "times", added)

    # ---- a program ------------------------------------------------------------------

    def runs(self, program):
        native, ours, theirs = [], [], []
        for _ in range(self.bench.repeat):  # in turns, so that a slow minute hits all
            native.append(self.took(program.words, program.environment))
            ours.append(self.took(["memrecord", "-q", "-o", self.log, "--", *program.words], program.environment))
            if self.heaptrack:
                theirs.append(self.took(["heaptrack", "-o", self.theirs, *program.words], program.environment))
        return native, ours, theirs

    def program_rows(self, program):
        native, ours, theirs = self.runs(program)
        wall = middle(native, "wall")
        print(f"\n  {program.what}" + (f": {wall:.2f} s alone" if wall else ": not measured"), flush=True)
        if not wall:
            return
        self.factor_line("time", middle(ours, "wall"), middle(theirs, "wall"), wall, 1 / 3, program.factor)
        self.factor_line("processor time of everything", middle(ours, "cpu"), middle(theirs, "cpu"),
                         middle(native, "cpu"), 1 / 2)
        if middle(ours, "wall") is not None:
            self.log_rows(theirs)
        for path in (self.log, self.page, self.theirs + ".zst", self.theirs + ".gz"):
            if os.path.exists(path):
                os.unlink(path)

    def log_rows(self, theirs):
        their_log = next((path for path in (self.theirs + ".zst", self.theirs + ".gz") if os.path.exists(path)), None)
        their_size = os.path.getsize(their_log) / 1e3 if their_log else None
        size = os.path.getsize(self.log) / 1e3
        self.line("log", size, their_size, their_size and their_size / 10, 1, "KB", share(size, their_size))
        sites, printed, report = [], [], []
        for _ in range(self.bench.repeat):
            sites.append(self.took(["memstats", "sites", self.log, "--sort", "peak", "--limit", "10"]))
            report.append(self.took(["memreport", "-q", self.log, "-o", self.page]))
            if their_log:
                printed.append(self.took(["heaptrack_print", "-f", their_log, "-n", "10"]))
        mine, other = middle(sites, "wall"), middle(printed, "wall")
        self.line("memstats sites, heaptrack_print", mine, other, other and other / 10, 3, "s", share(mine, other))
        self.line("memreport", middle(report, "wall"), None, 0.5, 3, "s")
        if os.path.exists(self.page):
            self.line("  its page", os.path.getsize(self.page) / 1e6, None, 1, 3, "MB")

    # ---- memory ------------------------------------------------------------------------

    def memory_of(self, blocks):
        """Resident bytes of memrecord's own (private) and in common with the program, while it holds that many
        blocks; then the program's own beyond what it has alone."""
        known = os.path.join(self.bench.build, "fixtures/heap_known")
        words = [known, "blocks", str(blocks)]
        found = []
        for command in (["memrecord", "-q", "-o", self.log, "--", *words], words):
            process = subprocess.Popen(command, cwd=self.bench.scratch, env=self.bench.environment, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdout.readline()
            pid = process.pid
            if command is not words:
                subprocess.run(["sleep", "1"], check=True)  # until the rings are empty
                found.append(status_of(pid))
                with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                    pid = int(file.read().split()[0])
            found.append(status_of(pid))
            process.communicate("\n")
        return found

    def memory(self):
        print("\n  Memory, of a program with 1,000,000 live blocks of 40 bytes", flush=True)
        if shutil.which("memrecord", path=self.bench.environment["PATH"]) is None:
            return
        few, many = self.memory_of(1000), self.memory_of(1_000_000)
        self.line("memrecord, for each block", (many[0]["RssAnon"] - few[0]["RssAnon"]) / 999_000, None, 64, 1, "B")
        self.line("memrecord, all else", few[0]["RssAnon"] / 1e6, None, 64, 1, "MB")
        self.line("rings, which both have", few[0]["RssShmem"] / 1e6, None, None, 1, "MB")
        own = (many[1]["RssAnon"] - many[2]["RssAnon"]) / 1e6
        self.line("the recorder's private memory in the program", own, None, None, 1, "MB")

    def all(self):
        print("\nThe heap of programs: memrecord and heaptrack, as factors of the program's own time")
        if not self.heaptrack:
            print("  heaptrack is not installed, so there is nothing to compare with")
        print(HEAD, flush=True)
        heap_programs.make_data(self.data)
        for program in heap_programs.programs(self.data, self.bench.program("bench_threads")):
            if program.missing:
                print(f"\n  {program.what}: not measured, {program.missing}")
            else:
                self.program_rows(program)
        self.memory()


def status_of(pid):
    """Bytes of each kind of memory in /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[-1] == "kB"}


def measure(bench):
    Rows(bench).all()
