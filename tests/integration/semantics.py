#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: yes
"""The tracker keeps ClassTracker's rules: tests/fixtures/semantics.c says what
must come out of each situation."""

import collections
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

LOG = "semantics.dat"
program = cases.run(os.path.join(cases.BUILD, "fixtures/semantics"), LOG)
expected = [line.split() for line in program.stdout.splitlines()]


def rows(table, *query):
    result = cases.run("memstats", table, LOG, "--format", "json", *query)
    cases.equal((result.returncode, result.stderr), (0, ""), table)
    return json.loads(result.stdout)["rows"]


def the_program_ran():
    cases.equal((program.returncode, program.stderr), (0, ""))


def classes_at_each_snapshot():
    names = {row["snapshot"]: row["description"] for row in rows("snapshots")}
    actual = {
        (names[row["snapshot"]], row["class"]): (row["count"], row["size"])
        for row in rows("classes")
        if row["count"] > 0
    }
    cases.equal(
        actual,
        {(words[0], words[1]): (int(words[2]), int(words[3])) for words in expected if len(words) == 4},
    )


def kept_objects_have_their_last_size():
    kept = rows("objects", "--where", "class=Link", "--sort", "birth")
    cases.equal(
        [("kept", row["class"], str(row["last"])) for row in kept],
        [tuple(words) for words in expected if words[0] == "kept"],
    )


def referents_have_the_level_of_each_object():
    summed = collections.defaultdict(lambda: [0, 0])
    for row in rows("referents", "--where", "class=Leaf"):
        summed[row["path"]][0] += row["count"]
        summed[row["path"]][1] += row["size"]
    cases.equal(
        {("referents", "Leaf", path, str(count), str(size)) for path, (count, size) in summed.items()},
        {tuple(words) for words in expected if words[0] == "referents"},
    )


def objects_that_went_say_how():
    states = {(row["class"], row["state"]) for row in rows("objects")}
    cases.contains(states, ("First", "freed"))
    cases.contains(states, ("Part", "detached"))


cases.main(
    the_program_ran,
    classes_at_each_snapshot,
    kept_objects_have_their_last_size,
    referents_have_the_level_of_each_object,
    objects_that_went_say_how,
)
