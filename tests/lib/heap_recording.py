# SPDX-License-Identifier: MIT
"""The heap in logs that memrecord leaves, as figures, and an exact count of the same by
tests/fixtures/exact_count.c to hold them against."""

import collections
import glob
import os
import struct
import tempfile

import cases
import log_reading
from recording import MEMRECORD, Process, start_words

HEAP = 3
KNOWN = os.path.join(cases.BUILD, "fixtures/heap_known")
EXACT_COUNT = os.path.join(cases.BUILD, "fixtures/exact_count.so")
EXACT_NAMES = ("count total frees strangers live live_count peak temporary temporary_reallocs reallocs grown "
               "failed").split()
# Counters of what the log does not have.
EARLY_ALLOCATIONS, EARLY_FREES = "heap.early_allocs", "heap.early_frees"
UNRECORDED_ALLOCATIONS = "heap.unrecorded_allocs"


class Image(Process):
    """One heap stream: an image of a process, from its start or an exec to its end."""

    def __init__(self, stream):
        super().__init__(stream)
        self.heap_snapshots = sorted(stream.rows["HEAP_SNAPSHOTS"], key=lambda row: row["number"])
        self.last = self.heap_snapshots[-1] if self.heap_snapshots else collections.defaultdict(int)
        self.start = self.identity["clock_monotonic"]

    def figures(self, *names):
        return {name: self.last[name] for name in names}

    def sites(self):
        """{stack: its figures} at the last snapshot."""
        found = {}
        keys = {row["number"] for row in self.heap_snapshots if row["flags"] & log_reading.KEY_SNAPSHOT}
        for row in sorted(self.stream.rows["HEAP_SITES"], key=lambda row: row["snapshot"]):
            if row["snapshot"] in keys:
                keys.discard(row["snapshot"])
                found.clear()
            found[row["stack"]] = row
        return found


def images(log="t.dat"):
    """In the order in which they began."""
    found = [Image(stream) for stream in log_reading.streams(log)
             if stream.rows["STREAM"] and stream.rows["STREAM"][0]["source"] == HEAP]
    return sorted(found, key=lambda image: (image.start, image.pid))


def record(*words, log="t.dat", options=(), **more):
    return cases.run(MEMRECORD, "-o", log, *options, "--", *words, **more)


def start(*words, log="t.dat", options=(), **more):
    """The same, and does not wait."""
    return start_words(["-o", log, *options, "--", *map(str, words)], more)


class Exact:
    """What exact_count.so found, by pid: the images of that process, in order."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="exact-", dir=".")
        self.environment = {"EXACT_COUNT": os.path.abspath(self.folder), "LD_PRELOAD": EXACT_COUNT}

    def images(self):
        found = collections.defaultdict(list)
        for path in glob.glob(os.path.join(self.folder, "*")):
            pid, number = (int(word) for word in os.path.basename(path).split("."))
            with open(path, "rb") as file:
                content = file.read()
            figures = dict(zip(EXACT_NAMES, struct.unpack_from("<12Q", content)))
            cases.equal(figures["failed"], 0, f"exact_count.so in {pid}")
            figures["name"] = content[12 * 8:].split(b"\0")[0].decode()
            if figures["name"] != "memrecord":  # which has it preloaded too
                found[pid].append((number, figures))
        return {pid: [figures for _, figures in sorted(rows, key=lambda row: row[0])] for pid, rows in found.items()}

    def only(self):
        """The figures of a run of one program."""
        found = self.images()
        cases.equal(len(found), 1, f"processes: {found}")
        return next(iter(found.values()))[-1]
