#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A recorded heap, read twice: the events that a second reader finds in the log are
replayed here, and the sites, snapshots, histograms and threads that the recorder
summed up, and what memstats prints of them, must be what comes of that."""

import collections
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_reading

LOG = "words.dat"
ALLOC, FREE, REALLOC = 0, 1, 2
recorded = cases.run("memrecord", "--events", "-o", LOG, "--", os.path.join(cases.BUILD, "samples/words"))
streams = log_reading.streams(LOG) if recorded.returncode == 0 else []
heaps = [stream for stream in streams if stream.source() == log_reading.HEAP_RECORDER]
heap = heaps[0] if heaps else None


class Site:
    def __init__(self):
        self.live = self.live_count = self.peak = self.peak_count = self.total = self.count = 0
        self.reallocs = self.grown = self.lifetime = 0

    def figures(self):
        return (self.live, self.live_count, self.peak, self.peak_count, self.total, self.count, self.reallocs,
                self.grown)


class Replay:
    """What the events come to, up to a time."""

    def __init__(self, until):
        self.sites = collections.defaultdict(Site)
        self.blocks = []  # by allocation: (stack, size, time), or None when it is gone
        self.live = self.live_count = self.peak = self.peak_time = 0
        self.lifetimes = []
        for row in heap.rows["HEAP_EVENTS"]:
            if row["time"] > until:
                break
            self.take(row)

    def take(self, row):
        ended = self.end_block(row) if row["kind"] in (FREE, REALLOC) and row["back"] else None
        if row["kind"] in (ALLOC, REALLOC):
            self.begin_block(row, ended)

    def end_block(self, row):
        number = len(self.blocks) - row["back"]
        stack, size, born = self.blocks[number]
        self.blocks[number] = None
        site = self.sites[stack]
        site.live -= size
        site.live_count -= 1
        site.lifetime += row["time"] - born
        self.lifetimes.append(row["time"] - born)
        self.live -= size
        self.live_count -= 1
        return size

    def begin_block(self, row, ended):
        site = self.sites[row["stack"]]
        site.live += row["size"]
        site.live_count += 1
        site.total += row["size"]
        site.count += 1
        if ended is not None:
            site.reallocs += 1
            site.grown += max(0, row["size"] - ended)
        self.blocks.append((row["stack"], row["size"], row["time"]))
        self.live += row["size"]
        self.live_count += 1
        if self.live > self.peak:
            self.peak, self.peak_time = self.live, row["time"]

    def at_peak(self):
        """What each site held when most was live."""
        before = Replay(self.peak_time)
        for stack, site in self.sites.items():
            held = before.sites[stack]
            site.peak, site.peak_count = held.live, held.live_count
        return self


def stated(number):
    """The recorder's own figures of sites at a snapshot."""
    names = ("live", "live_count", "peak", "peak_count", "total", "count", "reallocs", "grown")
    return {stack: tuple(row[name] for name in names) for stack, row in heap.sites_at(number).items()
            if row["count"]}


def table(name, *query):
    result = cases.run("memstats", name, *query, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""), name)
    return json.loads(result.stdout)["rows"]


def the_program_was_recorded():
    cases.equal(recorded.returncode, 0, recorded.stderr)
    cases.equal(len(heaps), 1, "heap streams")
    cases.equal([row["reason"] for row in heap.heap_snapshots().values()][-1], 5, "the last snapshot is the end's")
    cases.equal(heap.heap_snapshots()[1]["flags"] & log_reading.KEY_SNAPSHOT, 1, "the first is a key snapshot")


def sites_are_what_the_events_come_to():
    last = max(heap.heap_snapshots())
    replay = Replay(2**64).at_peak()
    expected = {stack: site.figures() for stack, site in replay.sites.items() if site.count}
    cases.equal(stated(last), expected)
    for stack, row in heap.sites_at(last).items():
        # The recorder counts in ticks of its clock, and each time in the log is rounded to nanoseconds; the sum to
        # seven bits.
        difference = abs(row["lifetime"] - replay.sites[stack].lifetime)
        if difference > 2 * (row["count"] - row["live_count"]) + row["lifetime"] / 128:
            raise AssertionError(f"lifetimes of stack {stack} differ by {difference} ns")
    snapshot = heap.heap_snapshots()[last]
    cases.equal((snapshot["live"], snapshot["live_count"], snapshot["peak"], snapshot["peak_time"]),
                (replay.live, replay.live_count, replay.peak, replay.peak_time))


def snapshots_on_the_way_are_too():
    for number, snapshot in heap.heap_snapshots().items():
        if snapshot["reason"] == 5:
            continue
        replay = Replay(snapshot["time"])
        cases.equal((snapshot["live"], snapshot["live_count"], snapshot["peak"]),
                    (replay.live, replay.live_count, replay.peak), f"snapshot {number}")


def sites_sum_up_to_their_snapshot():
    for number, snapshot in heap.heap_snapshots().items():
        sites = heap.sites_at(number).values()
        for name in ("live", "live_count", "peak", "peak_count", "total", "count", "temporary", "grown"):
            cases.equal(sum(site[name] for site in sites), snapshot[name], f"{name} of snapshot {number}")


def slack(measure, value):
    """What a value may be off by: sizes nothing, lifetimes the rounding of two times and the clock's drift."""
    return 0 if measure == 0 else min(value, 2 + value // 10000)


def histograms_are_of_all_events():
    for measure, values in ((0, [row["size"] for row in heap.rows["HEAP_EVENTS"] if row["kind"] != FREE]),
                            (1, Replay(2**64).lifetimes)):
        found = {row["bucket"]: row["count"] for row in heap.rows["HEAP_HISTOGRAM"]
                 if row["measure"] == measure and row["stack"] == 0}
        cases.equal(sum(found.values()), len(values), f"measure {measure}")
        # Times are rounded in the events, but a lifetime is measured before that: at the edge of a bucket it
        # may be in either.
        lowest = collections.Counter((value - slack(measure, value)).bit_length() for value in values)
        highest = collections.Counter((value + slack(measure, value)).bit_length() for value in values)
        for bucket in range(65):
            below = sum(count for other, count in found.items() if other <= bucket)
            at_least = sum(count for other, count in highest.items() if other <= bucket)
            at_most = sum(count for other, count in lowest.items() if other <= bucket)
            cases.equal(at_least <= below <= at_most, True, f"measure {measure}, up to bucket {bucket}")


def threads_did_it_all():
    threads = {row["thread"]: row for row in heap.rows["HEAP_THREADS"]}
    counts = collections.Counter(row["thread"] for row in heap.rows["HEAP_EVENTS"] if row["kind"] != FREE)
    cases.equal({number: row["count"] for number, row in threads.items()}, dict(counts))


def memstats_says_the_same_of_sites():
    expected = collections.Counter()
    for stack, row in heap.sites_at(max(heap.heap_snapshots())).items():
        names = " < ".join(heap.stack_functions(stack))
        expected[names, row["peak"], row["live"], row["total"], row["count"], row["temporary"], row["grown"]] += 1
    found = collections.Counter()
    for row in table("sites", LOG):
        # The positions that stand behind names.
        names = re.sub(r" \([^()]*:\d+\)", "", row["stack"])
        found[names, row["peak"], row["leaked"], row["total"], row["count"], row["temporary"], row["grown"]] += 1
    cases.equal(found, expected)


def memstats_says_the_same_of_snapshots():
    rows = {row["snapshot"]: row for row in table("heap", LOG) if row["snapshot"]}
    cases.equal(sorted(rows), sorted(heap.heap_snapshots()))
    for number, snapshot in heap.heap_snapshots().items():
        for name in ("live", "live_count", "peak", "total", "count", "temporary"):
            cases.equal(rows[number][name], snapshot[name], f"{name} of snapshot {number}")
        live = sum(row["live"] for row in table("sites", f"{LOG}@{number}"))
        cases.equal(live, snapshot["live"], f"sites of snapshot {number}")


def accounts_are_what_the_kernel_says():
    """Of a program that holds a million blocks and waits."""
    command = ["memrecord", "-q", "-o", "held.dat", "--", os.path.join(cases.BUILD, "fixtures/heap_known"), "blocks",
               "1000000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        said = recorder.stdout.readline()
        child = int(open(f"/proc/{recorder.pid}/task/{recorder.pid}/children", encoding="ascii").read().split()[0])
        kernel = int(re.search(r"^Rss: +(\d+) kB", open(f"/proc/{child}/smaps_rollup", encoding="ascii").read(),
                               re.MULTILINE).group(1)) * 1024
        recorder.send_signal(signal.SIGUSR1)
        for _ in range(150):  # until the log, which is still being written, has an account of all of it
            time.sleep(0.2)
            so_far = cases.run("memstats", "account", "held.dat", "--where", f"rss>={kernel * 0.98:.0f}", "--format",
                               "csv")
            if so_far.returncode == 0 and len(so_far.stdout.splitlines()) > 1:
                break
        recorder.communicate(b"\n")
    cases.equal(recorder.returncode, 0, said)
    stream = next(stream for stream in log_reading.streams("held.dat") if stream.rows["ACCOUNT"])
    parts = ("heap", "files", "stacks", "recorder", "shared", "anonymous")
    for row in stream.rows["ACCOUNT"]:
        cases.equal(sum(row[name] for name in parts), row["rss"])
    row = max(stream.rows["ACCOUNT"], key=lambda row: row["rss"])
    if abs(row["rss"] - kernel) > kernel // 50:
        raise AssertionError(f"{row['rss']} is not {kernel}")
    if not 40_000_000 <= row["live"] <= row["heap"] <= row["heap_mapped"]:
        raise AssertionError(str(row))
    found = table("account", "held.dat")
    cases.equal(len(found), len(stream.rows["ACCOUNT"]))
    largest = max(found, key=lambda row: row["rss"])
    for name in ("rss", "live", "files", "stacks", "recorder", "shared", "anonymous", "swap"):
        cases.equal(largest[name], row[name], name)
    cases.equal(largest["live"] + largest["slack"] - largest["untouched"], row["heap"])


cases.main(the_program_was_recorded, sites_are_what_the_events_come_to, snapshots_on_the_way_are_too,
           sites_sum_up_to_their_snapshot, histograms_are_of_all_events, threads_did_it_all,
           memstats_says_the_same_of_sites, memstats_says_the_same_of_snapshots,
           accounts_are_what_the_kernel_says)
