#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a snapshot sums up is what its events say, object by object, however many
threads were at work, and whatever ended the program."""

import collections
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_reading

CHURN = os.path.join(cases.BUILD, "fixtures/churn")


def derive(stream):
    """{snapshot: {class id: [count, size, flat]}} from births, deaths, changes and sizes."""
    sizes_of_classes = {row["id"]: row["size"] for row in stream.rows["CLASSES"]}
    deaths = {row["object"]: row["time"] for row in stream.rows["DEATHS"]}
    changes = collections.defaultdict(list)
    for row in stream.rows["CHANGES"]:
        if row["class"]:
            changes[row["object"]].append((row["time"], row["class"] - 1))
    for rows in changes.values():
        rows.sort()
    stated_at = collections.defaultdict(list)
    for row in stream.rows["SIZES"]:
        stated_at[row["snapshot"]].append(row)
    derived, stated = {}, {}
    for number, snapshot in stream.snapshots().items():
        if snapshot["flags"] & log_reading.KEY_SNAPSHOT:
            stated.clear()
        for row in stated_at[number]:
            stated[row["object"]] = (row["size"], row["flat"])
        totals = collections.defaultdict(lambda: [0, 0, 0])
        time = snapshot["time"]
        for birth in stream.rows["BIRTHS"]:
            identity = birth["object"]
            if birth["time"] > time or deaths.get(identity, time + 1) <= time:
                continue
            klass = birth["class"]
            for changed, new in changes[identity]:
                if changed <= time:
                    klass = new
            size = sizes_of_classes[klass]
            size, flat = stated.get(identity, (size, size))
            total = totals[klass]
            total[0] += 1
            total[1] += size
            total[2] += flat
        derived[number] = {klass: tuple(total) for klass, total in totals.items()}
    return derived


def check(log, at_least):
    streams = log_reading.streams(log)
    cases.equal(len(streams), 1, "streams")
    stream = streams[0]
    derived = derive(stream)
    if len(derived) < at_least:
        raise AssertionError(f"only {len(derived)} snapshots")
    summed = collections.defaultdict(dict)
    for row in stream.rows["CLASS_TOTALS"]:
        if row["count"]:
            summed[row["snapshot"]][row["class"]] = (row["count"], row["size"], row["flat"])
    for number, totals in derived.items():
        cases.equal(totals, summed[number], f"snapshot {number}")
        cases.equal(stream.snapshots()[number]["count"], sum(total[0] for total in totals.values()), "count")
        cases.equal(stream.snapshots()[number]["size"], sum(total[1] for total in totals.values()), "size")
    objects = [row["object"] for row in stream.rows["BIRTHS"]]
    cases.equal(len(objects), len(set(objects)), "births of an object")
    cases.equal(len(stream.rows["DEATHS"]), len({row["object"] for row in stream.rows["DEATHS"]}), "deaths")
    return stream


def one_thread():
    cases.equal(cases.run(CHURN, "one.dat", 1, 40, "close").stderr, "")
    stream = check("one.dat", 40)
    cases.equal(len(stream.rows["BIRTHS"]), len(stream.rows["DEATHS"]), "all are gone")


def many_threads():
    cases.equal(cases.run(CHURN, "many.dat", 4, 40, "close").stderr, "")
    stream = check("many.dat", 40)
    cases.equal(len(stream.rows["BIRTHS"]), len(stream.rows["DEATHS"]), "all are gone")
    cases.equal(cases.run("zstd", "-tq", "many.dat").returncode, 0, "zstd -t")


def left_open_at_exit():
    cases.equal(cases.run(CHURN, "exit.dat", 2, 10, "exit").stderr, "")
    check("exit.dat", 10)
    cases.equal(cases.run("zstd", "-tq", "exit.dat").returncode, 0, "zstd -t")


def killed():
    cases.equal(cases.run(CHURN, "killed.dat", 3, 50, "kill").returncode, -9)
    with open("killed.dat", "rb") as log:
        whole = log.read()
    if len(whole) < 1000:
        raise AssertionError(f"{len(whole)} bytes")
    check("killed.dat", 50)


cases.main(one_thread, many_threads, left_open_at_exit, killed)
