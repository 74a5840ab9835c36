#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three accounts of one run agree: what the program knew of its objects, what a
second reader finds in the log, and what memstats prints of it, table by table."""

import collections
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_reading

LOG = "warehouse.dat"
known = cases.run(os.path.join(cases.BUILD, "fixtures/warehouse"), LOG)
streams = log_reading.streams(LOG) if known.returncode == 0 else []
stream = streams[0] if streams else None


def table(name, *query):
    """The rows of a table, as memstats gives them to scripts."""
    result = cases.run("memstats", name, LOG, "--format", "json", *query)
    cases.equal((result.returncode, result.stderr), (0, ""), name)
    return json.loads(result.stdout)["rows"]


def nanoseconds(seconds):
    return round(seconds * 1e9)


def close(actual, expected, what):
    """Times pass through decimal fractions of a second."""
    if abs(actual - expected) > 1:
        raise AssertionError(f"{what}: {actual} is not {expected}")


def per_class(number):
    totals = collections.defaultdict(lambda: [0, 0, 0])
    for name, size, flat in stream.objects_at(number).values():
        total = totals[name]
        total[0] += 1
        total[1] += size
        total[2] += flat
    return {name: tuple(total) for name, total in totals.items()}


def the_program_ran():
    cases.equal((known.returncode, known.stderr), (0, ""))
    cases.equal(len(streams), 1, "streams")
    cases.equal(cases.run("zstd", "-tq", LOG).returncode, 0, "zstd -t")


def the_log_says_what_the_program_knew():
    expected = collections.defaultdict(dict)
    for line in known.stdout.splitlines():
        snapshot, name, count, size, flat = line.split()
        expected[int(snapshot)][name] = (int(count), int(size), int(flat))
    cases.equal(sorted(expected), sorted(stream.snapshots()), "snapshots")
    for number, totals in expected.items():
        cases.equal(per_class(number), totals, f"snapshot {number}")


def totals_in_the_log_are_those_of_its_objects():
    classes = stream.classes()
    for number, snapshot in stream.snapshots().items():
        objects = stream.objects_at(number)
        cases.equal(snapshot["count"], len(objects), f"count of snapshot {number}")
        cases.equal(snapshot["size"], sum(size for _, size, _ in objects.values()), f"size of snapshot {number}")
        totals = {stream.string(classes[row["class"]]["name"]): (row["count"], row["size"], row["flat"])
                  for row in stream.rows["CLASS_TOTALS"] if row["snapshot"] == number and row["count"]}
        cases.equal(totals, per_class(number), f"classes of snapshot {number}")


def referent_totals_are_those_of_the_objects():
    classes = stream.classes()
    for number in stream.snapshots():
        merged = collections.defaultdict(dict)
        for row in stream.rows["REFERENT_TOTALS"]:
            if row["snapshot"] == number:
                name = stream.string(classes[row["class"]]["name"])
                merged[name][stream.path(row["path"])] = (row["count"], row["size"], row["flat"])
        cases.equal(dict(merged), stream.referents_at(number), f"snapshot {number}")


def table_classes():
    found = collections.defaultdict(dict)
    for row in table("classes"):
        if row["count"]:
            found[row["snapshot"]][row["class"]] = (row["count"], row["size"], row["flat"])
        sizes = [size for name, size, _ in stream.objects_at(row["snapshot"]).values() if name == row["class"]]
        if sizes:
            cases.equal((row["min"], row["max"]), (min(sizes), max(sizes)), f"{row['snapshot']} {row['class']}")
    for number in stream.snapshots():
        cases.equal(found[number], per_class(number), f"snapshot {number}")


def table_sizes():
    found = {(row["snapshot"], row["object"]): (row["class"], row["size"], row["flat"]) for row in table("sizes")
             if row["snapshot"]}
    expected = {(number, identity): state for number in stream.snapshots()
                for identity, state in stream.objects_at(number).items()}
    cases.equal(len(found), len(expected), "rows")
    for key, state in expected.items():
        cases.equal(found[key], state, f"snapshot and object {key}")


def table_objects():
    births = {row["object"]: row for row in stream.rows["BIRTHS"]}
    deaths = {row["object"]: row for row in stream.rows["DEATHS"]}
    largest = collections.defaultdict(int)
    for number in stream.snapshots():
        for identity, (_, size, _) in stream.objects_at(number).items():
            largest[identity] = max(largest[identity], size)
    for row in stream.rows["SIZES"]:
        if row["snapshot"] == 0:
            largest[row["object"]] = max(largest[row["object"]], row["size"])
    rows = {row["object"]: row for row in table("objects")}
    cases.equal(sorted(rows), sorted(births), "objects")
    classes = stream.classes()
    for identity, row in rows.items():
        close(nanoseconds(row["birth"]), births[identity]["time"], f"birth of {identity}")
        cases.equal(row["death"] is None, identity not in deaths, f"death of {identity}")
        if identity in deaths:
            close(nanoseconds(row["death"]), deaths[identity]["time"], f"death of {identity}")
        last_class = classes[stream.class_of(identity, 2**64)]
        cases.equal(row["class"], stream.string(last_class["name"]), f"class of {identity}")
        if largest[identity]:
            cases.equal(row["size"], largest[identity], f"size of {identity}")


def table_snapshots():
    rows = {row["snapshot"]: row for row in table("snapshots")}
    expected = stream.snapshots()
    cases.equal(sorted(rows), sorted(expected), "snapshots")
    for number, row in rows.items():
        raw = expected[number]
        close(nanoseconds(row["time"]), raw["time"], f"time of {number}")
        cases.equal(row["objects"], raw["count"])
        cases.equal(row["size"], raw["size"])
        cases.equal(row["description"] or None, stream.string(raw["description"]))
        for name in ("rss", "vsz", "pss", "uss", "swap", "data", "stack", "code"):
            cases.equal(row[name], raw[name] - 1 if raw[name] else None, f"{name} of {number}")


def table_referents():
    last = max(stream.snapshots())
    found = collections.defaultdict(lambda: [0, 0])
    for row in table("referents"):
        if row["snapshot"] == last:
            total = found[row["class"]]
            total[0] += row["count"]
            total[1] += row["flat"]
    expected = {name: [sum(state[0] for state in paths.values()), sum(state[2] for state in paths.values())]
                for name, paths in stream.referents_at(last).items()}
    cases.equal(dict(found), expected)


def table_marks():
    expected = [(row["time"], stream.string(row["text"])) for row in stream.rows["MARKS"]]
    rows = table("marks")
    cases.equal([row["text"] for row in rows], [text for _, text in sorted(expected)])


def table_diff():
    """Between the first and the last snapshot: created, deleted and persistent objects of each class."""
    first, last = min(stream.snapshots()), max(stream.snapshots())
    before, after = stream.objects_at(first), stream.objects_at(last)
    result = cases.run("memstats", "diff", f"{LOG}@{first}", f"{LOG}@{last}", "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""))
    found = {row["class"]: row for row in json.loads(result.stdout)["rows"]}
    for name in {state[0] for state in [*before.values(), *after.values()]}:
        created = [i for i, state in after.items() if state[0] == name and i not in before]
        deleted = [i for i, state in before.items() if state[0] == name and i not in after]
        cases.equal((found[name]["created"], found[name]["deleted"]), (len(created), len(deleted)), name)
        cases.equal((found[name]["created_size"], found[name]["deleted_size"]),
                    (sum(after[i][1] for i in created), sum(before[i][1] for i in deleted)), name)


cases.main(the_program_ran, the_log_says_what_the_program_knew, totals_in_the_log_are_those_of_its_objects,
           referent_totals_are_those_of_the_objects, table_classes, table_sizes, table_objects, table_snapshots,
           table_referents, table_marks, table_diff)
