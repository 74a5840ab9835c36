#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables of a log against what the program was told while it ran: several trackers at once, each with a
log, random programs, baselines that begin anew; and one that makes more objects than a log tells one by one."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PROGRAM = """
import json, random, sys
from memcapture.reftracker import ObjTracker

class Node:
    def __init__(self, *parts):
        self.parts = parts

class Leaf:
    __slots__ = ("value", "__weakref__")

chosen = random.Random(int(sys.argv[1]))
trackers = [ObjTracker(log="%s-%d.dat" % (sys.argv[1], number)) for number in range(3)]
account = [[None] for tracker in trackers]  # None: a baseline
held = []

def change():
    for _ in range(chosen.randrange(400)):
        one = chosen.choice(held) if held else None
        kind = chosen.random()
        if kind < 0.6:
            held.append(chosen.choice((Leaf, lambda: Node(one), lambda: [one] * chosen.randrange(50), lambda: {1: one},
                                       lambda: (one, len(held)), lambda: "text" * len(held), lambda: bytearray(20),
                                       lambda: float(str(len(held)))))())
        elif kind < 0.9 and held:
            held[chosen.randrange(len(held))] = held[-1]
            held.pop()
        elif isinstance(one, (list, bytearray)):
            one.extend([7] * chosen.randrange(100))

def told(rows):
    return {name: [count, size] for name, count, size in rows if count}

for step in range(25):
    change()
    number = chosen.randrange(len(trackers))
    if chosen.random() < 0.15:
        trackers[number].start()
        account[number].append(None)
        continue
    found = trackers[number].compare("step %d" % step)
    ways = {}
    for holder in trackers[number].holders():
        ways.setdefault(holder.type, []).append([*holder[3:], holder.length])
    account[number].append([told(found.created), told(found.deleted), told(found.persistent), found.alive,
                            found.alive_bytes, ways])
    found = ways = holder = None
for tracker in trackers:
    tracker.close()
print(json.dumps(account))
"""

MANY = """
import json, sys
from memcapture.reftracker import ObjTracker
class Node:
    __slots__ = ("next",)
COUNT = (1 << 20) + 50000
held = [None] * COUNT
tracker = ObjTracker(log="many.dat")
account = [None]
def compare():
    found = tracker.compare()
    told = lambda rows: {name: [count, size] for name, count, size in rows}
    account.append([told(found.created), told(found.deleted), told(found.persistent), found.alive,
                    found.alive_bytes, {}])
for at in range(COUNT - 100):
    held[at] = Node()
compare()
for at in range(1000):
    held[at] = held[-200 - at] = None
for at in range(COUNT - 100, COUNT):
    held[at] = Node()
compare()
for at in range(0, COUNT, 2):
    held[at] = None
compare()
print(json.dumps([account]))
"""


def table(name, *words):
    result = cases.run("memstats", name, *words, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""), f"{name} of {words}")
    return json.loads(result.stdout)["rows"]


def ran(program, *words):
    result = cases.run(sys.executable, "-c", program, *words)
    cases.equal((result.returncode, result.stderr), (0, ""))
    return json.loads(result.stdout)


def differences(rows):
    """Created, deleted and persistent, by type."""
    return [{row["class"]: [row[what], row[f"{what}_size"]] for row in rows if row[what]}
            for what in ("created", "deleted", "persistent")]


def is_in_the_log(log, account):
    snapshots = {row["snapshot"]: row for row in table("snapshots", log)}
    cases.equal(sorted(snapshots), list(range(1, len(account) + 1)))
    classes = {}
    for row in table("classes", log):
        sums = classes.setdefault(row["snapshot"], [0, 0])
        sums[0] += row["count"]
        sums[1] += row["size"]
    for number, expected in enumerate(account, 1):
        if expected is None:
            continue
        created, deleted, persistent, alive, alive_bytes, ways = expected
        rows = table("diff", f"{log}@{number - 1}", f"{log}@{number}")
        cases.equal(differences(rows), [created, deleted, persistent], f"{log} at {number}")
        cases.equal(classes[number], [alive, alive_bytes], f"classes of {log} at {number}")
        if ways:
            found = {}
            for row in table("holders", f"{log}@{number}"):
                found.setdefault(row["class"], []).append(
                    [row["count"], row["size"], row["path"], row["example"] or "", row["length"]])
            for kind, held in ways.items():
                cases.equal(sorted(found.get(kind, [])), sorted(held), f"holders of {kind} in {log} at {number}")
            cases.equal(found.keys() - ways.keys(), set(), f"{log} at {number}")


def random_programs():
    for seed in range(3):
        for number, account in enumerate(ran(PROGRAM, seed)):
            is_in_the_log(f"{seed}-{number}.dat", account)


def more_objects_than_a_log_tells_of():
    (account,) = ran(MANY)
    cases.equal(account[1][0]["__main__.Node"][0] > 1 << 20, True)
    is_in_the_log("many.dat", account)


cases.main(random_programs, more_objects_than_a_log_tells_of)
