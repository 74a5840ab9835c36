#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the heap's recorder survives in a program, with its figures right: each program of
tests/fixtures/heap_*.c knows what it allocates, and says so."""

import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

FIXTURES = os.path.join(cases.BUILD, "fixtures")
LOG = "heap.dat"
NO_STACK = "(unknown)"


def fixture(name):
    return os.path.join(FIXTURES, name)


def record(program, *arguments, options=(), exit_status=0, **run_options):
    """The lines that the program wrote, after it ran under memrecord."""
    if os.path.exists(LOG):
        os.remove(LOG)
    result = cases.run("memrecord", "-o", LOG, *options, "--", fixture(program), *arguments, **run_options)
    cases.equal(result.returncode, exit_status, result.stderr)
    return result.stdout


def table(name, *query):
    result = cases.run("memstats", name, LOG, "--format", "json", *query)
    cases.equal((result.returncode, result.stderr), (0, ""), name)
    return json.loads(result.stdout)["rows"]


def expected(text):
    sums = {}
    for line in text.splitlines():
        name, *figures = line.split()
        before = sums.get(name, (0, 0, 0, 0))
        sums[name] = tuple(a + int(b) for a, b in zip(before, figures))
    return sums


def recorded():
    """Of each function in which allocations were made: count, bytes, and how many and how much is left."""
    sums = {}
    for row in table("sites"):
        name = re.split(r" \(| in |\+0x", row["site"])[0]
        before = sums.get(name, (0, 0, 0, 0))
        figures = (row["count"], row["total"], row["live_count"], row["leaked"])
        sums[name] = tuple(a + b for a, b in zip(before, figures))
    return sums


def facts():
    sums = {}
    for row in table("health"):
        if row["item"].startswith("heap.") and row["value"] is not None:
            sums[row["item"]] = sums.get(row["item"], 0) + row["value"]
    return sums


def agree(text):
    wanted = expected(text)
    actual = recorded()
    assert wanted, "the program said nothing"
    cases.equal({name: actual.get(name, (0, 0, 0, 0)) for name in wanted}, wanted)


def lost_events():
    return {
        name: value
        for name, value in facts().items()
        if value and re.search("unrecorded|lost|dropped|broken", name)
    }


def nothing_lost():
    cases.equal(lost_events(), {})


def survives(program, *arguments, **options):
    agree(record(program, *arguments, **options))
    nothing_lost()


def all_of_the_family():
    survives("heap_family")


def threads_that_hand_over_and_end():
    survives("heap_threads")
    # However early a thread read the clock: no free is left without its block, and no block without its free.
    cases.equal({name: facts().get(name, 0) for name in ("heap.unknown_frees", "heap.unseen_frees")},
                {"heap.unknown_frees": 0, "heap.unseen_frees": 0})


def more_threads_than_rings():
    if shutil.disk_usage("/dev/shm").free < 1 << 30:
        raise cases.Skip("a thousand rings need more memory than there is in /dev/shm")
    wanted = expected(record("heap_threads", "many"))["one_of_many"][0]
    count = recorded()["one_of_many"][0]
    assert 1000 < count < wanted, count
    assert facts()["heap.threads_unrecorded"] >= wanted - count


def names_of_threads():
    survives("heap_threads", "names")
    names = {row["thread"] for row in table("threads")}
    assert {"reader", "worker", "writer"} <= names, names


def children_of_every_kind():
    survives("heap_children")


def images_that_replace_each_other():
    survives("heap_children", "exec")


def lost_by_handlers():
    """Allocations and frees that found no room beside an append that waited for room itself; they are counted."""
    lost = lost_events()
    nested = lost.pop("heap.nested_lost", 0)
    allocations = lost.pop("heap.unrecorded_allocs", 0)
    frees = lost.pop("heap.unrecorded_frees", 0)
    cases.equal(allocations + frees, nested)
    cases.equal(lost, {})
    return allocations, frees


def of_handlers(actual, name):
    return tuple(map(sum, zip(*(actual[function] for function in (name, NO_STACK) if function in actual))))


def handlers_at_any_moment():
    """A handler's event that comes while the recorder is busy with another one has no stack."""
    wanted = expected(record("heap_signals"))
    actual = recorded()
    cases.equal(actual["main_makes"], wanted["main_makes"])
    sums = of_handlers(actual, "handler_makes")
    assert facts()["heap.nested_events"] > 0
    allocations, frees = lost_by_handlers()
    if (allocations, frees) == (0, 0):
        cases.equal(sums, wanted["handler_makes"])
    cases.equal(sums[0] + allocations, wanted["handler_makes"][0])


def handlers_that_jump():
    agree(record("heap_signals", "jump"))
    # The program sees to it that none is refused; a jump out of the midst of one may take it along.
    *marks, told = [row["text"] for row in table("marks")]
    cases.equal(set(marks), {"jumped"})
    assert 0 < int(told.removeprefix("marked ")) <= len(marks) <= 300, (told, len(marks))
    lost_by_handlers()


def handlers_whose_blocks_others_free():
    """While the handler is still at it, and the mark that it interrupted not set."""
    wanted = expected(record("heap_signals", "hand-over"))["hands_over"]
    assert facts()["heap.nested_events"] > 0
    cases.equal(of_handlers(recorded(), "hands_over"), wanted)
    cases.equal(facts().get("heap.unknown_frees", 0), 0)
    nothing_lost()


def libraries_that_come_and_go():
    for name in ("plugin_even.so", "plugin_odd.so"):
        shutil.copy(fixture("heap_plugin.so"), name)
    survives("heap_loading", os.getcwd())


def frees_that_nobody_saw():
    """Blocks whose address was given out again are gone, and are counted as what was not seen."""
    record("heap_unseen")
    count, total, live_count, _ = recorded()["makes_unseen"]
    cases.equal((count, total, live_count), (11, 11000, 1), "the last one may still be there, for all we know")
    cases.equal(facts()["heap.unseen_frees"], 9)
    texts = [row["text"] for row in table("health") if row["item"] == "heap.unseen_frees"]
    cases.equal(texts, ["blocks whose free was not seen: others got their address"])


def moments_before_and_after_main():
    for way in ("return", "exit"):
        survives("heap_moments", way, exit_status=3)


def ends_of_every_kind():
    for way, status in (("_exit", 3), ("quick_exit", 3), ("abort", 134), ("kill", 137), ("threads", 3)):
        survives("heap_moments", way, exit_status=status)


def a_daemon_that_closes_all():
    said = record("heap_closing", "report")
    with open("report", encoding="utf-8") as report:
        agree(said + report.read())
    # The process between the two forks did not allocate: nobody heard of it.
    lost = {**lost_events(), "heap.unrecorded": 0}
    assert not any(lost.values()), lost


def exceptions_and_thread_local_objects():
    survives("heap_exceptions")


def mappings_on_request():
    survives("heap_maps", options=("--mmap",))
    record("heap_maps")
    assert "maps" not in recorded()


def marks_snapshots_and_names():
    survives("heap_marks")
    cases.equal([row["text"] for row in table("marks")], ["worked"])
    described = [row["description"] for row in table("heap") if row["reason"] == "mark"]
    cases.equal(described, ["loaded", "done"])
    assert "worker of the warehouse" in {row["thread"] for row in table("threads")}


def objects_and_heap_are_one_run():
    survives("heap_marks", "tracked")
    cases.equal(len(table("runs")), 1)
    cases.equal([row["text"] for row in table("marks")], ["worked"])
    cases.equal([row["description"] for row in table("snapshots")], ["loaded", "done"])
    described = [row["description"] for row in table("heap") if row["reason"] == "mark"]
    cases.equal(described, ["loaded", "done"])


cases.main(
    all_of_the_family,
    threads_that_hand_over_and_end,
    more_threads_than_rings,
    names_of_threads,
    children_of_every_kind,
    images_that_replace_each_other,
    handlers_at_any_moment,
    handlers_that_jump,
    handlers_whose_blocks_others_free,
    libraries_that_come_and_go,
    moments_before_and_after_main,
    frees_that_nobody_saw,
    ends_of_every_kind,
    a_daemon_that_closes_all,
    exceptions_and_thread_local_objects,
    mappings_on_request,
    marks_snapshots_and_names,
    objects_and_heap_are_one_run,
)
