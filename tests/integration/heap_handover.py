#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Blocks that threads hand over to each other, against the books of the program that does it
(tests/fixtures/heap_handover.c), whatever its allocator."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from heap_recording import images, record
from recording import is_whole

HANDOVER = os.path.join(cases.BUILD, "fixtures/heap_handover")
UNKNOWN_FREES = "heap.unknown_frees"
LIBRARIES = "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"
ALLOCATORS = "libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2.0", "libmimalloc.so.2"


def functions_of(log):
    """memstats' table of functions, by name."""
    result = cases.run("memstats", "functions", log, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""))
    return {row["function"]: row for row in json.loads(result.stdout)["rows"]}


def check(books, image, what):
    """The last of the barriers at which all is there is the high-water mark: more is kept each time."""
    rows = functions_of("t.dat")
    for name, own in books.items():
        row = rows[name]
        left = own["total"] if name == "keeps" else 0
        cases.equal((row["count"], row["total"], row["leaked"]), (own["count"], own["total"], left), f"{what}: {name}")
    cases.equal(rows["keeps"]["peak"], books["keeps"]["total"], f"{what}: kept at the peak")
    cases.equal(image.counters.get(UNKNOWN_FREES, 0), 0, f"{what}: unknown frees")
    cases.equal(image.last["frees"], image.last["count"] - image.last["live_count"], what)


def run_threads(what, words, count, rounds, steps, options=(), **more):
    result = record(*words, HANDOVER, "threads", count, rounds, steps, options=options, **more)
    cases.equal(result.returncode, 0, result.stderr)
    is_whole()
    image = images()[-1]
    books = json.loads(result.stdout)
    check(books, image, what)
    filled = books["fills"]["total"] // rounds
    cases.equal(functions_of("t.dat")["fills"]["peak"], filled, f"{what}: filled at the peak")


def threads():
    for count, rounds, steps in ((2, 40, 300), (8, 10, 400), (64, 3, 100)):
        run_threads(f"{count} threads", (), count, rounds, steps)


def one_processor_and_little_time():
    run_threads("one processor", ("taskset", "-c", sorted(os.sched_getaffinity(0))[0]), 8, 5, 500)
    run_threads("nice", ("nice", "-n", "19"), 4, 10, 500)


def every_event():
    run_threads("--events", (), 4, 5, 500, options=("--events",))


def one_arena():
    """So that blocks go from thread to thread by way of the allocator as well."""
    more = {"MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
    run_threads("one arena", (), 8, 5, 500, env={**os.environ, **more})


def other_allocators():
    found = [path for path in (os.path.join(folder, name) for folder in LIBRARIES for name in ALLOCATORS)
             if os.path.exists(path)]
    if not found:
        raise cases.Skip("there is no other allocator")
    for path in found:
        run_threads(path, (), 4, 5, 500, env={**os.environ, "LD_PRELOAD": path})


def a_child_that_frees_what_it_inherited():
    """What it gets at the addresses is not taken for what it freed."""
    result = record(HANDOVER, "inherits", 1000)
    cases.equal(result.returncode, 0, result.stderr)
    books = json.loads(result.stdout)
    parent, child = images()
    row = functions_of("t.dat")["keeps"]
    cases.equal((row["count"], row["total"], row["leaked"]), (books["count"], books["total"], books["total"]))
    cases.equal(child.counters.get(UNKNOWN_FREES, 0), 1000)
    cases.equal(parent.counters.get(UNKNOWN_FREES, 0), 0)


CASES = [threads, one_processor_and_little_time, every_event, one_arena, other_allocators,
         a_child_that_frees_what_it_inherited]
if __name__ == "__main__":
    cases.main(*CASES)
