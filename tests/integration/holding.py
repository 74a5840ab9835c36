#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: yes
"""A program that forgets to release an object that it holds gets to its end, and
a log with what could be sized."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases


def holding(how):
    """What the program prints, and {snapshot: size of all nodes}."""
    log = how + ".dat"
    result = cases.run(os.path.join(cases.BUILD, "fixtures/holding"), how, log, timeout=60)
    cases.equal((result.returncode, result.stderr), (0, ""), how)
    table = cases.run("memstats", "snapshots", log, "--format", "json")
    cases.equal((table.returncode, table.stderr), (0, ""), how)
    sizes = {row["description"]: (row["objects"], row["size"]) for row in json.loads(table.stdout)["rows"]}
    return result.stdout.splitlines(), sizes


BEFORE = (2, 2 * 8 + len("first") + 1 + len("second") + 1)


def exit_with_an_object_held():
    _, sizes = holding("exit")
    cases.equal(sizes["before"], BEFORE)


def a_thread_that_ends_lets_go():
    printed, sizes = holding("thread")
    cases.equal(printed, ["snapshot 0"])
    cases.equal(sizes["held"], BEFORE)


def a_snapshot_of_what_stays_held_has_the_size_before():
    printed, sizes = holding("other")
    limit = -5
    cases.equal(printed, [f"snapshot {limit}", f"status {limit}"])
    cases.equal(sizes, {"before": BEFORE, "held": BEFORE})


def objects_held_crosswise():
    _, sizes = holding("cross")
    cases.equal(sizes, {"before": BEFORE, "released": BEFORE})


cases.main(
    exit_with_an_object_held,
    a_thread_that_ends_lets_go,
    a_snapshot_of_what_stays_held_has_the_size_before,
    objects_held_crosswise,
)
