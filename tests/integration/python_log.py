#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The log of a Python program: what the program knows of its objects, what a second
reader finds in the log that was written as it ran and in the dump of the same tracker,
and what memstats says of both, agree.  And who gets a log, where, and when none."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_reading
import recording

END_CLOSED, END_EXIT = 1, 2
PYTHON_LANGUAGE = 1
TABLES = ("snapshots", "classes", "objects", "sizes", "referents", "summary", "diff", "histogram")

# Snapshots enough for key snapshots in between; objects that come, grow, shrink and go.
PROGRAM = """
import json, sys
from memcapture.classtracker import ClassTracker

class Node:
    def __init__(self, number):
        self.number = number
        self.items = [b"x" * (number % 50)]

class Leaf(Node):
    def __repr__(self):
        return "Leaf \\u00e9 %d, %d" % (self.number, len(self.items))

class Slotted:
    __slots__ = ("left", "right", "__weakref__")

def make(kind, number):
    return kind(number)

early = ClassTracker(log=sys.argv[1])
tracker = early
tracker.track_class(Node, resolution_level=2)
tracker.track_class(Leaf, name="leaves", trace=True)
objects = [make(Node, i) for i in range(60)]
objects += [make(Leaf, i) for i in range(60)]
slotted = [Slotted() for i in range(10)]
for one in slotted:
    tracker.track_object(one, keep=True)
tracker.create_snapshot("begin")
for step in range(1, 64):
    for number, one in enumerate(objects):
        if number % 9 == step % 9:
            one.items.append("y" * step)
        elif number % 31 == step % 31:
            del one.items[1:]
    del objects[step % 40::25]
    objects += [make(Node, 1000 + step), make(Leaf, 2000 + step)]
    if step == 20:
        tracker.track_change(objects[0], 0)
    if step == 40:
        tracker.mark("forty \\u00e9")
    tracker.create_snapshot("step %d" % step)
tracker._dump(sys.argv[2])
account = {}
for name, tracked in tracker.index.items():
    account[name] = [
        {
            "id": one.id, "repr": one.repr, "birth": one.birth, "death": one.death,
            "snapshots": [(time, asized.size, asized.flat, tree(asized)) for time, asized in one.snapshots],
            "trace": [(frame[0], frame[1], frame[2]) for frame in one.trace or []],
        }
        for one in tracked
    ]
print(json.dumps({"account": account, "times": [snapshot.timestamp for snapshot in tracker.snapshots],
                  "totals": [snapshot.tracked_total for snapshot in tracker.snapshots]}))
tracker.close()
""".replace("import json, sys\n", """import json, sys

def tree(asized):
    return [(ref.name, ref.size, ref.flat, tree(ref)) for ref in asized.refs]

""", 1)

with open("program.py", "w", encoding="utf-8") as program:
    program.write(PROGRAM)


def python(text, *arguments, environment=None, status=0, errors=""):
    """Runs a program with the package."""
    result = cases.run(sys.executable, "-c", text, *arguments, env={**os.environ, **(environment or {})})
    if errors is not None:
        cases.equal(result.stderr, errors)
    cases.equal(result.returncode, status)
    return result


ran = cases.run(sys.executable, "program.py", "live.dat", "dump.dat")
known = json.loads(ran.stdout) if ran.returncode == 0 else None


def table(name, log):
    result = cases.run("memstats", name, log, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""), f"{name} of {log}")
    return json.loads(result.stdout)["rows"]


def end_reasons(log):
    content = cases.run("zstd", "-dcq", log, text=False).stdout
    return [rows[0]["reason"] for name, rows in log_reading.blocks(content) if name == "END"]


def only_stream(log):
    streams = log_reading.streams(log)
    cases.equal(len(streams), 1, f"streams in {log}")
    return streams[0]


# ---- What is in a log ------------------------------------------------------------------------


def the_program_ran():
    cases.equal((ran.returncode, ran.stderr), (0, ""))
    for log in ("live.dat", "dump.dat"):
        recording.is_whole(log)
        cases.equal(end_reasons(log), [END_CLOSED], log)
        stream = only_stream(log)
        identity = stream.rows["STREAM"][0]
        cases.equal(identity["language"], PYTHON_LANGUAGE)
        cases.contains(stream.string(identity["creator"]), "memcapture (Python)")


def the_objects_of_a_log_are_the_programs():
    """In the order of their classes' births, with ids, lives and how they show themselves."""
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        classes = stream.classes()
        deaths = {row["object"]: row["time"] / 1e9 for row in stream.rows["DEATHS"]}
        labels = {}
        for row in sorted(stream.rows["LABELS"], key=lambda row: row["snapshot"]):
            labels[row["object"]] = row
        found = {}
        for row in sorted(stream.rows["BIRTHS"], key=lambda row: row["object"]):
            name = stream.string(classes[row["class"]]["name"])
            label = labels.get(row["object"])
            text = stream.string(label["text"]) if label else ""
            if label and label["form"]:
                text += " object at 0x%x>" % row["address"]
            found.setdefault(name, []).append(
                (row["address"], text, row["time"] / 1e9, deaths.get(row["object"])))
        expected = {name: [(one["id"], one["repr"], one["birth"], one["death"]) for one in objects]
                    for name, objects in known["account"].items()}
        cases.equal(sorted(found), sorted(expected), log)
        for name, objects in expected.items():
            cases.equal(len(found[name]), len(objects), f"{name} in {log}")
            for actual, wanted in zip(found[name], objects):
                cases.equal(actual[:2], wanted[:2], log)
                for one, other in zip(actual[2:], wanted[2:]):
                    if (one is None) != (other is None) or (one is not None and abs(one - other) > 2e-9):
                        raise AssertionError(f"{log}: {actual} is not {wanted}")


def sizes_at_birth_are_the_programs():
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        births = {row["address"]: row["size"] - 1 for row in
                  sorted(stream.rows["BIRTHS"], key=lambda row: row["object"])}
        last = {one["id"]: one["snapshots"][0][1] for objects in known["account"].values()
                for one in sorted(objects, key=lambda one: one["birth"])}
        cases.equal(births, last, log)


def sizes_in_a_log_are_the_programs():
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        numbers = {time: number for number, time in enumerate(known["times"], 1)}
        cases.equal(sorted(stream.snapshots()), sorted(numbers.values()))
        expected = {number: {} for number in numbers.values()}
        serial = {}
        for row in sorted(stream.rows["BIRTHS"], key=lambda row: row["object"]):
            serial.setdefault(row["class"], []).append(row["object"])
        names = {stream.string(row["name"]): identity for identity, row in stream.classes().items()}
        for name, objects in known["account"].items():
            for identity, one in zip(serial[names[name]], objects):
                for time, size, flat, _ in one["snapshots"][1:]:
                    expected[numbers[time]][identity] = (name, size, flat)
        for number in (1, 2, 15, 16, 17, 18, 32, 33, 34, 48, 49, 63, 64):
            cases.equal(stream.objects_at(number), expected[number], f"snapshot {number} of {log}")
            cases.equal(stream.snapshots()[number]["size"], known["totals"][number - 1])


def paths_of(tree, above=()):
    for name, size, flat, below in tree:
        yield above + (name,), size, flat
        yield from paths_of(below, above + (name,))


def referents_in_a_log_are_the_programs():
    """One by one, depth first, under the names that they have."""
    last = len(known["times"])
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        serial = {}
        for row in sorted(stream.rows["BIRTHS"], key=lambda row: row["object"]):
            serial.setdefault(row["class"], []).append(row["object"])
        node = next(identity for identity, row in stream.classes().items()
                    if stream.string(row["name"]) == "__main__.Node")
        stated = {}
        for number in range(1, last + 1):
            if stream.snapshots()[number]["flags"] & log_reading.KEY_SNAPSHOT:
                stated.clear()
            for row in stream.rows["SIZES"]:
                if row["snapshot"] == number:
                    stated[row["object"]] = []
            for row in stream.rows["REFERENTS"]:
                if row["snapshot"] == number:
                    stated[row["object"]].append((stream.path(row["path"]), row["size"], row["flat"]))
        told = 0
        for identity, one in zip(serial[node], known["account"]["__main__.Node"]):
            if one["snapshots"][-1][0] == known["times"][-1]:
                tree = list(paths_of(one["snapshots"][-1][3]))
                cases.equal(stated[identity], tree, f"object {identity} in {log}")
                told += len(tree)
        if told < 100:
            raise AssertionError(f"only {told} referents")


def referents_are_summed_up_under_the_names_before_the_colon():
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        names = {identity: stream.string(row["name"]) for identity, row in stream.classes().items()}
        for number in (1, 17, 64):
            expected = {}
            for name, objects in known["account"].items():
                for one in objects:
                    for time, _, _, tree in one["snapshots"][1:]:
                        if time == known["times"][number - 1]:
                            for path, size, flat in paths_of(tree):
                                key = (name, tuple(part.split(":")[0] for part in path))
                                total = expected.get(key, (0, 0, 0))
                                expected[key] = (total[0] + 1, total[1] + size, total[2] + flat)
            found = {(names[row["class"]], stream.path(row["path"])): (row["count"], row["size"], row["flat"])
                     for row in stream.rows["REFERENT_TOTALS"] if row["snapshot"] == number}
            cases.equal(found, expected, f"snapshot {number} of {log}")


def totals_are_those_of_the_objects():
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        names = {identity: stream.string(row["name"]) for identity, row in stream.classes().items()}
        for number in (1, 16, 17, 40, 64):
            expected = {}
            for name, size, flat in stream.objects_at(number).values():
                total = expected.setdefault(name, [0, 0, 0, 2**64, 0])
                expected[name] = [total[0] + 1, total[1] + size, total[2] + flat, min(total[3], size),
                                  max(total[4], size)]
            found = {names[row["class"]]: [row[key] for key in ("count", "size", "flat", "min", "max")]
                     for row in stream.rows["CLASS_TOTALS"] if row["snapshot"] == number}
            cases.equal(found, expected, f"snapshot {number} of {log}")
            cases.equal(stream.snapshots()[number]["count"], sum(total[0] for total in expected.values()))


def traces_are_the_programs():
    for log in ("live.dat", "dump.dat"):
        stream = only_stream(log)
        codes = {row["id"]: row for row in stream.rows["CODE"]}
        stacks = {row["id"]: row for row in stream.rows["STACKS"]}
        traced = 0
        by_address = {}
        for row in sorted(stream.rows["BIRTHS"], key=lambda row: row["object"]):
            frames = []
            stack = row["stack"]
            while stack:
                code = codes[stacks[stack]["code"]]
                frames.append([stream.string(code["file"]), code["line"], stream.string(code["function"])])
                stack = stacks[stack]["parent"]
            by_address[row["address"]] = list(reversed(frames))
        for objects in known["account"].values():
            for one in sorted(objects, key=lambda one: one["birth"]):
                if one["death"] is None:
                    cases.equal(by_address[one["id"]], one["trace"], log)
                    traced += bool(one["trace"])
        if traced < 20:
            raise AssertionError(f"only {traced} traces")
        functions = {frames[-1][2] for frames in by_address.values() if frames}
        cases.equal(functions, {"make"})


def a_log_and_a_dump_are_the_same_tables():
    """But for how long the log reaches, which is the life of what is still alive."""
    for name in TABLES:
        live, dump = table(name, "live.dat"), table(name, "dump.dat")
        for row in live + dump:
            if name == "objects" and row["state"] == "alive":
                del row["lifetime"]
        cases.equal(live, dump, name)
        if not live:
            raise AssertionError(f"{name} has no rows")
    cases.equal([row["text"] for row in table("marks", "live.dat")], ["forty \u00e9"])


def no_row_contradicts_another():
    for log in ("live.dat", "dump.dat"):
        for row in table("health", log):
            if row["item"] in ("rows that contradict others", "ids without a definition", "frames damaged",
                               "bytes lost", "tracker.dropped"):
                cases.equal(row["value"], 0, f"{row['item']} of {log}")


def a_log_that_is_cut_anywhere_is_read_up_to_there():
    with open("live.dat", "rb") as log:
        whole = log.read()
    births = {row["object"]: row for row in table("objects", "live.dat")}
    for cut in range(57, len(whole), max(1, len(whole) // 40)):
        with open("cut.dat", "wb") as log:
            log.write(whole[:cut])
        result = cases.run("memstats", "objects", "cut.dat", "--format", "json", "--quiet")
        cases.equal(result.returncode, 0, f"cut at {cut}: {result.stderr}")
        for row in json.loads(result.stdout)["rows"]:
            for column in ("class", "address", "birth"):
                cases.equal(row[column], births[row["object"]][column], f"cut at {cut}")


# ---- Who gets a log ------------------------------------------------------------------------------

SMALL = """
import sys
from memcapture.classtracker import ClassTracker
class Node: pass
def nodes(count, **options):
    tracker = ClassTracker(**options)
    tracker.track_class(Node)
    made = [Node() for i in range(count)]
    tracker.create_snapshot("there")
    return tracker, made
"""


def births(log):
    return len(only_stream(log).rows["BIRTHS"])


def a_program_that_ends_without_closing_leaves_a_whole_log():
    for how, text in {"end": "", "exit": "sys.exit(0)", "held": "import builtins\nbuiltins.held = held",
                      "cycle": "held.append(held)"}.items():
        log = f"{how}.dat"
        python(SMALL + f"held = [nodes(30, log={log!r})]\n" + text)
        recording.is_whole(log)
        cases.equal((births(log), len(end_reasons(log))), (30, 1), how)


def a_tracker_writes_nothing_unless_it_is_asked_to():
    before = set(os.listdir())
    python(SMALL + "nodes(3)")
    cases.equal(set(os.listdir()), before)


def the_environment_asks_for_a_log():
    python(SMALL + "nodes(7)", environment={"MEMCAPTURE_LOG": "asked.%p.dat"})
    logs = [name for name in os.listdir() if name.startswith("asked.")]
    cases.equal(len(logs), 1)
    stream = only_stream(logs[0])
    cases.equal(logs[0], "asked.%d.dat" % stream.rows["STREAM"][0]["pid"])
    cases.equal(births(logs[0]), 7)


def trackers_of_one_program_have_logs_of_their_own():
    python(SMALL + "a = nodes(4)\nb = nodes(5)\nc = nodes(6)", environment={"MEMCAPTURE_LOG": "many.dat"})
    # Each tracker sees what is made of the class from then on.
    cases.equal([births(log) for log in ("many.dat", "many.2.dat", "many.3.dat")], [15, 11, 6])
    python(SMALL + "a = nodes(4, log='one.dat')\nb = nodes(5, log='two.dat')")
    cases.equal([births(log) for log in ("one.dat", "two.dat")], [9, 5])


def off_turns_all_logs_off():
    before = set(os.listdir())
    python(SMALL + "nodes(3, log='off.dat')[0].close()", environment={"MEMCAPTURE_LOG": "off"})
    cases.equal(set(os.listdir()), before)


def a_log_that_cannot_be_written_is_an_error_where_it_was_asked_for():
    python(SMALL + "import errno\ntry:\n    nodes(3, log='no/such/folder.dat')\n"
           "except FileNotFoundError as error:\n    assert error.errno == errno.ENOENT\nelse:\n    sys.exit(1)")
    python(SMALL + "try:\n    nodes(3, log='/dev/full')\nexcept OSError as error:\n"
           "    assert 'No space' in str(error), error\nelse:\n    sys.exit(1)")
    result = python(SMALL + "print(len(nodes(3)[1]))", environment={"MEMCAPTURE_LOG": "no/such/folder.dat"},
                    errors=None)
    cases.equal(result.stdout, "3\n")
    cases.contains(result.stderr, "RuntimeWarning: there is no log: cannot create 'no/such/folder.dat'")


def a_dump_that_cannot_be_written_is_an_error():
    python(SMALL + "tracker, made = nodes(3)\nfor path in ('no/such/folder.dat', '/dev/full'):\n"
           "    try:\n        tracker._dump(path)\n    except OSError:\n        pass\n"
           "    else:\n        sys.exit(1)")


def a_disk_that_fills_up_ends_the_log_and_not_the_program():
    result = python(SMALL + """
import resource, time
tracker, made = nodes(1000, log="full.dat")
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for i in range(20):
    made += [Node() for j in range(5000)]
    del made[::3]
tracker.create_snapshot("more")
try:
    tracker.close()
except OSError as error:
    print("told:", error)
print(len(made))
""")
    cases.contains(result.stdout, "told: cannot write 'full.dat'")
    if os.path.getsize("full.dat") > 4096:
        raise AssertionError("the limit was not there")


# From 3.12 on Python warns of a fork beside threads, of which the log's writer is one.
FORKING = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}


def a_forked_child_is_silent():
    python(SMALL + """
import os
tracker, made = nodes(50, log="fork.dat")
child = os.fork()
if child == 0:
    made += [Node() for i in range(100)]
    del made[::2]
    tracker.create_snapshot("in the child")
    tracker._dump("child.dat")
    tracker.mark("child")
    tracker.clear()
    tracker.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
made += [Node() for i in range(7)]
tracker.close()
""", environment=FORKING)
    stream = only_stream("fork.dat")
    cases.equal([len(stream.rows[kind]) for kind in ("BIRTHS", "DEATHS", "SNAPSHOTS", "MARKS")], [57, 0, 1, 0])
    child = only_stream("child.dat")
    cases.equal([len(child.rows[kind]) for kind in ("BIRTHS", "DEATHS", "SNAPSHOTS")], [150, 75, 2])
    if child.rows["STREAM"][0]["pid"] == stream.rows["STREAM"][0]["pid"]:
        raise AssertionError("the child says that it is its parent")


def forking_among_busy_threads_works():
    python(SMALL + """
import os, threading
tracker, made = nodes(10, log="busy.dat")
done = threading.Event()
def work():
    while not done.is_set():
        [Node() for i in range(100)]
threads = [threading.Thread(target=work) for i in range(3)]
for thread in threads:
    thread.start()
for i in range(20):
    child = os.fork()
    if child == 0:
        held = [Node() for i in range(100)]
        ClassTracker(log="busy.child.%d.dat" % i).close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
done.set()
for thread in threads:
    thread.join()
tracker.close()
""", environment=FORKING)
    recording.is_whole("busy.dat")
    for i in range(20):
        recording.is_whole(f"busy.child.{i}.dat")


def a_child_waits_for_no_thread_that_it_has_not_got():
    """Another thread can have the lock of snapshots at a fork, also where it is not taking one just then."""
    python(SMALL + """
import os, signal, threading
tracker, made = nodes(3)
held, done = threading.Event(), threading.Event()
def hold():
    with tracker._snapshot_lock:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    tracker.create_snapshot("in the child")
    os._exit(len(tracker.snapshots))
done.set()
thread.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
""")


def clearing_starts_the_log_afresh_and_detaching_does_not():
    python(SMALL + """
tracker, made = nodes(20, log="clear.dat")
tracker.clear()
tracker.track_class(Node)
made = [Node() for i in range(3)]
tracker.create_snapshot("after")
tracker.close()
tracker, made = nodes(20, log="detach.dat")
tracker.detach_all()
tracker.track_class(Node)
made += [Node() for i in range(3)]
tracker.create_snapshot("after")
tracker.close()
""")
    stream = only_stream("clear.dat")
    cases.equal([len(stream.rows[kind]) for kind in ("BIRTHS", "DEATHS", "SNAPSHOTS")], [3, 0, 1])
    stream = only_stream("detach.dat")
    cases.equal([len(stream.rows[kind]) for kind in ("BIRTHS", "DEATHS", "SNAPSHOTS")], [23, 20, 2])
    cases.equal(sorted(len(stream.objects_at(number)) for number in (1, 2)), [3, 20])
    cases.equal({row["reason"] for row in stream.rows["DEATHS"]}, {1})
    states = [row["state"] for row in table("objects", "detach.dat")]
    cases.equal((states.count("detached"), states.count("alive")), (20, 3))


def numbers_go_on_where_there_was_nothing_yet():
    """Of what a tracker has not got, there is none: before a log goes on with another store, and in a dump."""
    program = SMALL + """
import sys
tracker = ClassTracker(log=sys.argv[1] if len(sys.argv) > 1 else None)
tracker._dump("nothing.dat")
tracker.detach_all()
tracker.detach_all()
for i in range(2):
    tracker.track_class(Node)
    made = [Node() for i in range(3)]
    tracker.create_snapshot("before")
    tracker.detach_all()
if len(sys.argv) == 1:
    tracker.clear()
    tracker.track_class(Node)
    made = [Node() for i in range(3)]
    tracker.create_snapshot("after")
tracker.close()
"""
    python(program, "empty.dat")
    stream = only_stream("empty.dat")
    cases.equal([row["object"] for row in stream.rows["BIRTHS"]], [1, 2, 3, 4, 5, 6])
    cases.equal([row["number"] for row in stream.rows["SNAPSHOTS"]], [1, 2])
    snapshots = [row["value"] for row in table("health", "nothing.dat") if row["item"] == "tracker.snapshots"]
    cases.equal(snapshots, [0])

    # What memrecord has written stays, so clear() goes on there.
    result = recording.record(sys.executable, "-c", program, log="cleared.dat")
    cases.equal(result.returncode, 0, result.stderr)
    stream = next(stream for stream in log_reading.streams("cleared.dat")
                  if stream.rows["STREAM"][0]["source"] == recording.TRACKER)
    cases.equal([row["object"] for row in stream.rows["BIRTHS"]], list(range(1, 10)))
    cases.equal([row["number"] for row in stream.rows["SNAPSHOTS"]], [1, 2, 3])


def accounts_of_one_program_are_told_from_copies_of_one():
    python(SMALL + """
a, held = nodes(3)
b, more = nodes(4)
for i in range(3):
    a._dump("a.%d.dat" % i)
    b._dump("b.%d.dat" % i)
""")
    for i in range(3):
        result = cases.run("memstats", "objects", f"a.{i}.dat", f"b.{i}.dat", "--format", "json")
        cases.equal((result.stderr, len(json.loads(result.stdout)["rows"])), ("", 7 + 4))
        cases.equal(len({row["run"] for row in json.loads(result.stdout)["rows"]}), 1, "runs")
    with open("twice.dat", "wb") as both:
        for i in range(2):
            with open("a.0.dat", "rb") as one:
                both.write(one.read())
    result = cases.run("memstats", "objects", "twice.dat", "--format", "json")
    cases.contains(result.stderr, "it is used once")
    cases.equal(len(json.loads(result.stdout)["rows"]), 7)


# ---- Under memrecord -----------------------------------------------------------------------------------


def memrecord_writes_the_log_of_a_python_program():
    result = recording.record(sys.executable, "-c", SMALL + """
tracker, made = nodes(40)
del made[:10]
other, more = nodes(5)
tracker.mark("here")
""", log="recorded.dat", env={**os.environ, "MEMCAPTURE_LOG": "elsewhere.dat"})
    cases.equal(result.returncode, 0, result.stderr)
    recording.is_whole("recorded.dat")
    streams = [stream for stream in log_reading.streams("recorded.dat")
               if stream.rows["STREAM"][0]["source"] == recording.TRACKER]
    # Two trackers are two streams of one run.
    cases.equal(sorted(len(stream.rows["BIRTHS"]) for stream in streams), [5, 45])
    if os.path.exists("elsewhere.dat"):
        raise AssertionError("there is another log beside memrecord's")
    runs = table("runs", "recorded.dat")
    cases.equal((len(runs), runs[0]["snapshots"], runs[0]["code"]), (1, 2, 0))
    if runs[0]["samples"] == 0:
        raise AssertionError("no samples of the same run")
    cases.equal([row["text"] for row in table("marks", "recorded.dat")], ["here"])


def nothing_is_lost_under_memrecord_when_a_program_kills_itself():
    result = recording.record(sys.executable, "-c", SMALL + """
import os
tracker, made = nodes(20000)
del made[::2]
os.kill(os.getpid(), 9)
""", log="suicide.dat")
    cases.equal(result.returncode, 128 + signal.SIGKILL, result.stderr)
    stream = next(stream for stream in log_reading.streams("suicide.dat")
                  if stream.rows["STREAM"][0]["source"] == recording.TRACKER)
    cases.equal([len(stream.rows[kind]) for kind in ("BIRTHS", "DEATHS", "SNAPSHOTS")], [20000, 10000, 1])


cases.main(the_program_ran, the_objects_of_a_log_are_the_programs, sizes_at_birth_are_the_programs,
           sizes_in_a_log_are_the_programs, referents_in_a_log_are_the_programs,
           referents_are_summed_up_under_the_names_before_the_colon, totals_are_those_of_the_objects,
           traces_are_the_programs, a_log_and_a_dump_are_the_same_tables, no_row_contradicts_another,
           a_log_that_is_cut_anywhere_is_read_up_to_there,
           a_program_that_ends_without_closing_leaves_a_whole_log,
           a_tracker_writes_nothing_unless_it_is_asked_to, the_environment_asks_for_a_log,
           trackers_of_one_program_have_logs_of_their_own, off_turns_all_logs_off,
           a_log_that_cannot_be_written_is_an_error_where_it_was_asked_for,
           a_dump_that_cannot_be_written_is_an_error, a_disk_that_fills_up_ends_the_log_and_not_the_program,
           a_forked_child_is_silent, forking_among_busy_threads_works,
           a_child_waits_for_no_thread_that_it_has_not_got,
           clearing_starts_the_log_afresh_and_detaching_does_not, numbers_go_on_where_there_was_nothing_yet,
           accounts_of_one_program_are_told_from_copies_of_one, memrecord_writes_the_log_of_a_python_program,
           nothing_is_lost_under_memrecord_when_a_program_kills_itself)
