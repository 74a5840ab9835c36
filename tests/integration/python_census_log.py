#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The log of a census: what the program's own tracker of all objects says, what a second
reader finds in the log, and what memstats says of it, agree.  Graphs likewise.  And who gets
a log, where, and when none."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_reading
import recording

PROGRAM = """
import gc, json, os, signal, sys, tracemalloc
from memcapture.reftracker import ObjTracker

class Node:
    def __init__(self, data):
        self.data = data

leaks, buffers = [], [bytearray(10) for i in range(30)]
tracemalloc.start(4)
tracker = ObjTracker(log=sys.argv[1] if len(sys.argv) > 1 else None)
account = []

def diff(description=None):
    changes = tracker.compare(description)
    account.append({what: {row[0]: row[1:] for row in getattr(changes, what)}
                    for what in ("created", "deleted", "persistent")})

def request(number):
    leaks.append(Node(["leaked by %d" % number] * 5))
    local = [Node({i: number}) for i in range(number)]
    diff("request %d" % number)
    return local

for number in range(1, 6):
    kept = request(number)
    del buffers[:number]
leaks[0].data.extend(range(100))
buffers[0].extend(bytes(1000))
diff("grown")
del leaks[1:3]
diff("less")
if len(sys.argv) > 2:
    print(json.dumps(account), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if os.fork() == 0:
    leaks.append(Node("child"))
    diff("in the child")
    os._exit(0)
os.wait()
print(json.dumps(account))
"""
DROPPED = ("rows that contradict others", "ids without a definition", "frames damaged", "bytes lost",
           "tracker.dropped")

with open("program.py", "w", encoding="utf-8") as program:
    program.write(PROGRAM)


def python(text, *arguments, environment=None):
    result = cases.run(sys.executable, "-c", text, *arguments, env={**os.environ, **(environment or {})})
    cases.equal((result.returncode, result.stderr), (0, ""))
    return result.stdout


ran = cases.run(sys.executable, "program.py", "census.dat")
account = json.loads(ran.stdout) if ran.returncode == 0 else []
stream = log_reading.streams("census.dat")[0] if ran.returncode == 0 else None


def table(name, *words):
    result = cases.run("memstats", name, *words, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""), f"{name} of {words}")
    return json.loads(result.stdout)["rows"]


# ---- A census -----------------------------------------------------------------------------------------


def the_program_ran():
    cases.equal((ran.returncode, ran.stderr), (0, ""))
    recording.is_whole("census.dat")
    cases.equal(stream.source(), log_reading.CENSUS)
    cases.equal(len(stream.snapshots()), len(account) + 1, "the child wrote nothing")
    cases.equal([row["flags"] for row in stream.snapshots().values()], [8] + [0] * len(account))
    for row in table("health", "census.dat"):
        if row["item"] in DROPPED:
            cases.equal(row["value"], 0, row["item"])


def the_log_says_what_the_tracker_does():
    """From census to census."""
    for number, expected in enumerate(account, 2):
        found = stream.differences(number - 1, number)
        for what, name in enumerate(("created", "deleted", "persistent")):
            cases.equal({kind: list(amounts[what]) for kind, amounts in found.items() if amounts[what][0]},
                        expected[name], f"{name} at {number}")
    cases.equal(account[4]["created"]["__main__.Node"][0], 6)
    cases.equal(account[4]["deleted"]["bytearray"][0], 4, "of the baseline, which has no births")
    cases.equal(account[-1]["deleted"]["__main__.Node"][0], 2)


def table_diff():
    last = len(account) + 1
    spans = [(number - 1, number) for number in range(2, last + 1)] + [(1, last), (2, 5), (3, last)]
    for first, second in spans:
        rows = table("diff", f"census.dat@{first}", f"census.dat@{second}")
        cases.equal({(row["from"], row["to"], row["kind"]) for row in rows}, {(first, second, "type")})
        found = {row["class"]: [(row["created"], row["created_size"]), (row["deleted"], row["deleted_size"]),
                                (row["persistent"], row["persistent_size"])]
                 for row in rows if row["created"] or row["deleted"] or row["persistent"]}
        cases.equal(found, stream.differences(first, second), f"{first} to {second}")
        for row in rows:
            for column, number in (("before", first), ("after", second)):
                total = stream.types_at(number).get(row["class"], {"count": 0, "size": 0})
                cases.equal((row[f"count_{column}"], row[f"size_{column}"]), (total["count"], total["size"]))
    cases.equal(table("diff", "census.dat"), table("diff", "census.dat@1", f"census.dat@{last}"), "the default")


def totals_hold_what_is_told_and_what_is_not():
    for number, snapshot in stream.snapshots().items():
        totals = stream.types_at(number)
        cases.equal(snapshot["count"], sum(row["count"] for row in totals.values()), f"count at {number}")
        cases.equal(snapshot["size"], sum(row["size"] for row in totals.values()), f"size at {number}")
        told = {}
        for name, size, flat in stream.objects_at(number).values():
            cases.equal(size, flat)
            told[name] = told.get(name, 0) + 1
        for name, count in told.items():
            if count > totals[name]["count"]:
                raise AssertionError(f"{count} of {name} are told at {number}, of {totals[name]['count']}")
        found = {row["class"]: (row["count"], row["size"]) for row in table("classes", "census.dat")
                 if row["snapshot"] == number and row["count"]}
        cases.equal(found, {name: (row["count"], row["size"]) for name, row in totals.items() if row["count"]})


def table_sizes_and_objects():
    found = {(row["snapshot"], row["object"]): (row["class"], row["size"], row["flat"])
             for row in table("sizes", "census.dat") if row["snapshot"]}
    cases.equal(found, {(number, identity): state for number in stream.snapshots()
                        for identity, state in stream.objects_at(number).items()})
    births = {row["object"]: row for row in stream.rows["BIRTHS"]}
    times = {row["time"] for row in stream.snapshots().values()}
    for row in table("objects", "census.dat"):
        cases.equal(row["kind"], "type")
        born = births.pop(row["object"])
        if born["time"] not in times:
            raise AssertionError(f"object {row['object']} is seen first at no census")
        if row["class"] == "__main__.Node":
            cases.contains(row["file"], "program.py")
            cases.contains(PROGRAM.splitlines()[row["line"] - 1], "Node(")
    cases.equal(births, {})


def table_holders():
    last = len(account) + 1
    for number in (last, 4):
        found = [(row["class"], row["count"], row["size"], row["path"], row["example"], row["root"], row["length"])
                 for row in table("holders", f"census.dat@{number}")]
        roots = [None, "module", "local variable", "interpreter", "C code", "only each other"]
        expected = [(*row[:5], roots[row[5]], row[6]) for row in stream.holders_at(number)]
        cases.equal(sorted(found, key=str), sorted(expected, key=str), f"snapshot {number}")
    cases.equal(table("holders", "census.dat"), table("holders", f"census.dat@{last}"))
    ways = {row["path"]: row for row in table("holders", "census.dat") if row["class"] == "__main__.Node"}
    cases.equal(ways["__main__.leaks[*]"]["count"], 3)
    cases.equal(ways["__main__.leaks[*]"]["since"] is not None, True)
    cases.equal(ways["__main__.kept[*]"]["count"], 5)
    held = {}
    for name, count, size, *_ in stream.holders_at(last):
        held[name] = [held.get(name, [0, 0])[0] + count, held.get(name, [0, 0])[1] + size]
    cases.equal(held, account[-1]["persistent"], "each is held in one way")


def a_log_that_is_cut_anywhere_is_read_up_to_there():
    with open("census.dat", "rb") as log:
        whole = log.read()
    for cut in range(57, len(whole), max(1, len(whole) // 25)):
        with open("cut.dat", "wb") as log:
            log.write(whole[:cut])
        for name in ("diff", "holders", "objects", "graph_nodes"):
            result = cases.run("memstats", name, "cut.dat", "--format", "json", "--quiet")
            cases.equal(result.returncode, 0, f"{name}, cut at {cut}: {result.stderr}")
            json.loads(result.stdout)


# ---- Graphs --------------------------------------------------------------------------------------------

GRAPHS = """
import sys
from memcapture._capture import ObjectLog
log = ObjectLog(sys.argv[1] if len(sys.argv) > 1 else None)
log.graph("garbage", "two",
          [(1, "list", "[<Recursion on list>]", 56, 1, 1), (2, "dict", "{'\\udcff\\0': 1}", 64, 1, 5)],
          [(1, 2, "[0]", 1), (2, 1, "", 1)], 2, 120)
count = 3000
nodes = [(i, "type%d" % (i % 7), "", i, 1, 4 * (i == 1)) for i in range(1, count)]
log.graph("references", "a large one", nodes, [(i, i % 10 + 1, "next", 2) for i in range(1, count)], count - 1,
          sum(range(count)))
for i in range(70):
    log.graph("referrers", "one more", [], [], 0, 0)
for wrong in [("nonsense", "", [], [], 0, 0), ("garbage", "", [(1,)], [], 0, 0),
              ("garbage", "", [], [(1, 2, 3, 4)], 0, 0), ("garbage", "", [(2**32, "", "", 0, 0, 0)], [], 0, 0),
              ("garbage", "", [(1, "", "", -1, 0, 0)], [], 0, 0),
              ("garbage", "", 5, [], 0, 0), ("garbage", None, [], [], 0, 0)]:
    try:
        log.graph(*wrong)
    except (TypeError, ValueError, OverflowError):
        continue
    raise AssertionError(wrong)
log.mark("seen \\u00e9")
print(log.active)
log.close()
log.close()
log.graph("garbage", "late", [], [], 0, 0)
print(log.active)
"""


def graphs_in_a_log():
    cases.equal(python(GRAPHS, "graphs.dat").split(), ["True", "False"])
    found = log_reading.streams("graphs.dat")[0]
    cases.equal(len(found.rows["GRAPHS"]), 64)
    counters = {found.string(row["key"]): row["value"] for row in found.rows["COUNTERS"]}
    cases.equal(counters["census.graphs_left_out"], 8)
    for number, objects, size, references in ((1, 2, 120, 2), (2, 2999, sum(range(3000)), 2 * 2999)):
        graph = next(row for row in found.rows["GRAPHS"] if row["id"] == number)
        nodes = [row for row in found.rows["GRAPH_NODES"] if row["graph"] == number]
        edges = [row for row in found.rows["GRAPH_EDGES"] if row["graph"] == number]
        cases.equal((graph["objects"], graph["size"], graph["references"]), (objects, size, references))
        cases.equal((sum(row["count"] for row in nodes), sum(row["size"] for row in nodes)), (objects, size))
        if len(nodes) > 512 or len(edges) > 2048 or len({row["id"] for row in nodes}) != len(nodes):
            raise AssertionError(f"graph {number} has {len(nodes)} nodes and {len(edges)} edges")
        cases.equal({row[end] for row in edges for end in ("from", "to")} - {row["id"] for row in nodes}, set())
    cases.equal(sum(row["count"] for row in edges), references, "here all edges fit once others are joined")
    cases.equal([row["type"] for row in nodes].count(nodes[0]["type"]) > 0, True)
    cases.equal([found.string(row["type"]) for row in nodes].count("(others)"), 1)


def tables_of_graphs():
    rows = table("graph_nodes", "graphs.dat")
    columns = ("graph", "kind", "title", "node", "type", "label", "size", "count", "flags")
    cases.equal([tuple(row[column] for column in columns) for row in rows if row["graph"] == 1],
                [(1, "garbage", "two", 2, "dict", "{'\\xed\\xb3\\xbf", 64, 1, "cycle subject"),
                 (1, "garbage", "two", 1, "list", "[<Recursion on list>]", 56, 1, "cycle")])
    cases.equal(len(rows), 2 + 512)
    edges = table("graph_edges", "graphs.dat")
    cases.equal([(row["from"], row["to"], row["label"], row["count"]) for row in edges if row["graph"] == 1],
                [(1, 2, "[0]", 1), (2, 1, "", 1)])
    cases.equal([row["text"] for row in table("marks", "graphs.dat")], ["seen \u00e9"])


# ---- Who gets a log ---------------------------------------------------------------------------------------

BOTH = """
from memcapture.classtracker import ClassTracker
from memcapture.reftracker import ObjTracker
from memcapture._capture import ObjectLog
class Node: pass
tracker = ClassTracker()
tracker.track_class(Node)
objects = ObjTracker()
nodes = [Node() for i in range(3)]
tracker.create_snapshot("tracked")
objects.compare("all")
log = ObjectLog()
log.graph("garbage", "none", [], [], 0, 0)
"""


def the_environment_names_logs_and_numbers_them():
    python(BOTH, environment={"MEMCAPTURE_LOG": "named.dat"})
    sources = [log_reading.streams(name)[0].source() for name in ("named.dat", "named.2.dat", "named.3.dat")]
    cases.equal(sources, [1, log_reading.CENSUS, log_reading.CENSUS])
    python(GRAPHS, "mine.dat", environment={"MEMCAPTURE_LOG": "theirs.dat"})
    cases.equal((os.path.exists("mine.dat"), os.path.exists("theirs.dat")), (False, True))


def nobody_asks_for_a_log():
    before = set(os.listdir("."))
    cases.equal(python(GRAPHS).split(), ["False", "False"])
    cases.equal(python(GRAPHS, "off.dat", environment={"MEMCAPTURE_LOG": "off"}).split(), ["False", "False"])
    python(BOTH)
    cases.equal(set(os.listdir(".")), before)
    result = cases.run(sys.executable, "-c", GRAPHS, "no/such/folder/graphs.dat")
    cases.equal(result.returncode, 1)
    cases.contains(result.stderr, "FileNotFoundError")


def under_memrecord_a_census_is_of_the_same_run():
    result = recording.record(*recording.python(BOTH), log="recorded.dat")
    cases.equal(result.returncode, 0, result.stderr)
    cases.equal(len(table("runs", "recorded.dat")), 1)
    kinds = {row["description"]: row["kind"] for row in table("snapshots", "recorded.dat")}
    cases.equal((kinds["tracked"], kinds["all"]), ("call", "census"))
    rows = {row["kind"]: row for row in table("diff", "recorded.dat", "--filter", "__main__.Node")}
    cases.equal({kind: row["count_after"] for kind, row in rows.items()}, {"class": 3, "type": 3})
    cases.equal(len(table("objects", "recorded.dat", "--where", "kind=class")), 3)
    # Who filters nothing sees a tracker's classes as if there were no census.
    rows = table("summary", "recorded.dat", "--where", "description=tracked")
    cases.equal([(row["class"], row["active"]) for row in rows], [("__main__.Node", 3)])


def a_killed_program_under_memrecord_loses_nothing():
    with open("program.py", encoding="utf-8") as program:
        text = program.read()
    result = recording.record(recording.PYTHON, "-c", text, "-", "killed", log="killed.dat")
    cases.equal(result.returncode, 128 + signal.SIGKILL)
    said = json.loads(result.stdout)
    found = next(one for one in log_reading.streams("killed.dat") if one.source() == log_reading.CENSUS)
    for number, expected in enumerate(said, 2):
        amounts = found.differences(number - 1, number)
        cases.equal({name: list(amount[0]) for name, amount in amounts.items() if amount[0][0]}, expected["created"],
                    f"created at {number}")


cases.main(the_program_ran, the_log_says_what_the_tracker_does, table_diff, totals_hold_what_is_told_and_what_is_not,
           table_sizes_and_objects, table_holders, a_log_that_is_cut_anywhere_is_read_up_to_there, graphs_in_a_log,
           tables_of_graphs, the_environment_names_logs_and_numbers_them, nobody_asks_for_a_log,
           under_memrecord_a_census_is_of_the_same_run, a_killed_program_under_memrecord_loses_nothing)
