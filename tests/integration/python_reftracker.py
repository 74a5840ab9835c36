#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memcapture.reftracker as users of Reftracker know it: what diff() prints and finds, checked against what
this program knows that it made and dropped; and that the tracker is not in its own picture."""

import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import tracemalloc
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import reftracker
from memcapture.reftracker import GarbageWatcher, ObjTracker

EXAMPLE = """
from memcapture.reftracker import ObjTracker

class LargeObject(object):
    def __init__(self):
        self.data = [0] * 1000000

leaks = []

def do_work():
    global leaks
    data = LargeObject()
    leaks.append(data)
    return data

ot = ObjTracker()
x = do_work()
ot.diff()
x = do_work()
ot.diff()
ot.findPersistent('LargeObject').describe(0)
"""


class Thing:
    def __init__(self, value=None):
        self.value = value


class Small:
    __slots__ = ("__weakref__",)


class Rude:
    """Whatever one asks of it fails."""

    def __repr__(self):
        raise RuntimeError("repr")

    def __len__(self):
        raise RuntimeError("len")

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __hash__(self):
        raise RuntimeError("hash")

    def __getattribute__(self, name):
        raise RuntimeError("getattribute")

    def __sizeof__(self):
        raise RuntimeError("sizeof")


class RudeMeta(type):
    def __repr__(cls):
        raise RuntimeError("repr of the class")

    def __getattribute__(cls, name):
        raise RuntimeError("getattribute of the class")


def printed(call, *args, **options):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        call(*args, **options)
    return text.getvalue()


def rows(changes, kind, name):
    return [row[1:] for row in getattr(changes, kind) if row[0] == name]


def the_original_example_finds_its_leak():
    result = cases.run(os.environ["MR_PYTHON"], "-c", EXAMPLE)
    cases.equal((result.returncode, result.stderr), (0, ""))
    each = 2 if sys.version_info >= (3, 11) else 3  # before, an instance has a dict from the start
    parts = result.stdout.split("Collecting list of all objects...\n")
    cases.equal(len(parts), 3)
    for at, section in enumerate(parts[1:]):
        lines = section.splitlines()
        assert re.fullmatch(r"All objects: \d+   Tracked objects: \d+", lines[0]), lines[0]
        cases.equal(lines[1], "----------- Count changes since start: ----------")
        assert f"  {at + 1:<10}<class '__main__.LargeObject'>" in lines, lines
        cases.contains(section, "-----------  0 Deleted since last diff: ------------\n")
        cases.contains(section, f"-----------  {each} Created since last diff: ------------\n")
        cases.contains(section, f"-----------  {each * at} Created since start (persistent): ------------\n")
        cases.contains(section, "  1\t8000056\t<class 'list'>")
    assert "__main__.leaks[0]" in result.stdout.splitlines(), result.stdout


def created_deleted_and_persistent_are_what_the_program_did():
    held = [Thing() for _ in range(5)]
    tracker = ObjTracker()
    held += [Thing([1, 2, 3]) for _ in range(7)]
    one = tracker.compare()
    cases.equal([row[0] for row in rows(one, "created", "__main__.Thing")], [7])
    cases.equal(rows(one, "created", "list")[0][0], 7)
    cases.equal(rows(one, "created", "list")[0][1], sum(sys.getsizeof(thing.value) for thing in held[5:]))
    cases.equal((rows(one, "deleted", "__main__.Thing"), rows(one, "persistent", "__main__.Thing")), ([], []))
    cases.equal(one.counts["__main__.Thing"], 7)
    del held[3:6]  # two of the baseline, one that was made since
    held.append(Thing())
    two = tracker.compare()
    cases.equal([rows(two, kind, "__main__.Thing")[0][0] for kind in ("created", "deleted", "persistent")], [1, 3, 6])
    cases.equal(two.counts["__main__.Thing"], 5)
    cases.equal(two.number, 2)
    del held[:]
    three = tracker.compare()
    cases.equal([rows(three, kind, "__main__.Thing") for kind in ("created", "persistent")], [[], []])
    cases.equal(rows(three, "deleted", "__main__.Thing")[0][0], 10)
    cases.equal(three.counts["__main__.Thing"], -5)
    tracker.start()
    cases.equal(tracker.compare().counts, {})


def sizes_are_those_of_now():
    held = [[]]
    tracker = ObjTracker()
    grown = []
    held.append(grown)
    tracker.compare()
    grown.extend(range(1000))
    changes = tracker.compare()
    cases.equal(rows(changes, "persistent", "list"), [(1, sys.getsizeof(grown))])


def nothing_happens_between(tracker):
    for _ in range(3):
        changes = tracker.compare()
    for _ in range(5):
        changes = tracker.compare()
        cases.equal((changes.created, changes.deleted, changes.persistent, changes.counts), ([], [], [], {}))


def the_tracker_does_not_see_itself():
    tracker = ObjTracker()
    nothing_happens_between(tracker)
    tracker.start()
    nothing_happens_between(tracker)


def it_does_not_see_what_it_gave():
    held = [Thing(), None, None, None, None]
    tracker = ObjTracker()
    printed(tracker.diff)
    tracker.start()
    held[0] = Thing([])
    tracker.compare()
    before = tracker.compare()
    held[1] = before
    held[2] = tracker.findPersistent("Thing|list")
    held[3] = tracker.findNew("list")
    for _ in range(4):
        held[4] = tracker.compare()
        cases.equal((held[4].created, held[4].deleted, held[4].persistent, held[4].counts),
                    ([], [], before.persistent, before.counts))


def it_does_not_see_itself_when_it_prints():
    with open("printed.txt", "w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        tracker = ObjTracker()
        for _ in range(2):
            tracker.diff()
        tracker.start()
        for _ in range(5):
            tracker.diff()
    with open("printed.txt", encoding="utf-8") as file:
        reports = file.read().split("Collecting list of all objects...\n")[1:]
    cases.equal(len(reports), 7)
    for report in reports[2:]:
        assert report.count("-----------  0 ") == 3 and len(report.splitlines()) == 5, report


def it_does_not_see_its_log():
    tracker = ObjTracker(log="own.dat")
    nothing_happens_between(tracker)
    tracker.close()


def in_a_thread_nothing_is_created():
    found = []

    def work():
        tracker = ObjTracker()
        for _ in range(100):  # until the other thread has come to rest, and waits for this one
            tracker.start()
            if not tracker.compare() and not tracker.compare().counts:
                break
        tracker.start()
        nothing_happens_between(tracker)
        found.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    cases.equal(found, [True])


def no_reference_is_made():
    held = [Thing(), [], {}]
    tracker = ObjTracker()
    held.append(Thing())
    counts = [sys.getrefcount(one) for one in held]
    tracker.compare()
    tracker.compare()
    cases.equal([sys.getrefcount(one) for one in held], counts)
    cases.equal([weakref.getweakrefcount(held[0]), weakref.getweakrefcount(held[3])], [0, 0])
    ref = weakref.ref(held.pop())
    cases.equal(ref(), None)


def objects_are_found_largest_first():
    held = []
    tracker = ObjTracker()
    held += [[0] * 10, [0] * 1000, [0] * 100, Thing()]
    tracker.compare()
    found = tracker.findNew("^<class 'list'>$", weak=False)
    cases.equal([len(one) for _, one in found[:3]], [1000, 100, 10])
    cases.equal([size for size, _ in found[:3]], [sys.getsizeof(one) for _, one in found[:3]])
    assert found[0][1] is held[1]
    found = None
    cases.equal(tracker.findPersistent("Thing", weak=False), [])
    tracker.compare()
    cases.equal([one is held[3] for _, one in tracker.findPersistent("Thing", weak=False)], [True])
    cases.equal([one is held[3] for _, one in tracker.findTypes(tracker.newRefs, "Thing", weak=False)], [True])
    cases.equal(tracker.findTypes(tracker.startRefs, "__main__.Thing", weak=False), [])
    cases.equal([one is held[3] for _, one in
                 tracker.findTypes({id(held[3]): None}, re.compile("thing", re.IGNORECASE), weak=False)], [True])


def a_watcher_keeps_nothing_alive():
    held = []
    tracker = ObjTracker()
    held += [[0] * 1000, Small(), {"a": 1}, (Small, held)]
    tracker.compare()
    tracker.compare()
    watcher = tracker.findPersistent("list|Small|dict|tuple")
    names = {id(watcher[name]): name for name in range(len(watcher))}
    assert set(map(id, held)) <= set(names), (names, held)
    list_name, thing_name = names[id(held[0])], names[id(held[1])]
    count = len(watcher)
    assert watcher[list_name] is held[0] and watcher[thing_name] is held[1]
    del held[0:2]
    cases.equal(len(watcher), count - 2)
    for name in list_name, thing_name:
        with cases.raises(KeyError):
            watcher[name]
    text = printed(watcher.check)
    dead, alive = re.fullmatch(r"Deleted objects: \[(.*)\]\nLive objects: \[(.*)\]\n", text).groups()
    cases.equal(sorted(map(int, dead.split(", "))), sorted([list_name, thing_name]))
    cases.equal(len(alive.split(", ")), count - 2)


def a_watched_list_is_not_mistaken_for_the_next():
    held = [[1]]
    watcher = GarbageWatcher()
    watcher["first"] = held[0]
    others = [None] * 20000
    address = id(held[0])
    held[0] = None
    for at in range(len(others)):
        others[at] = []
        if id(others[at]) == address:
            break
    else:
        raise cases.Skip("no list got the address of the one before")
    with cases.raises(KeyError, "first"):
        watcher["first"]
    watcher["second"] = others[at]
    with cases.raises(KeyError, "first"):
        watcher["first"]
    assert watcher["second"] is others[at]
    cases.equal(len(watcher), 1)
    cases.equal(watcher.allNames, ["first", "second"])
    with cases.raises(KeyError, "third"):
        watcher["third"]


def the_mappings_tell_what_there_is():
    held = [Thing()]
    tracker = ObjTracker()
    held.append(Thing())
    tracker.compare()
    cases.equal([id(held[0]) in tracker.startRefs, id(held[1]) in tracker.startRefs], [True, False])
    cases.equal([id(held[0]) in tracker.newRefs, id(held[1]) in tracker.newRefs], [False, True])
    cases.equal(id(held[1]) in tracker.persistentRefs, False)
    tracker.compare()
    cases.equal(id(held[1]) in tracker.persistentRefs, True)
    cases.equal(tracker.objTypes[id(held[1])], "<class '__main__.Thing'>")
    cases.equal(tracker.startCount["<class '__main__.Thing'>"], 1)
    assert tracker.lookup(id(held[1])) is held[1]
    cases.equal(tracker.lookup(12345), None)
    cases.contains(printed(tracker.report, tracker.persistentRefs, showIDs=True),
                   f"<class '__main__.Thing'>\t{id(held[1])}\n")
    cases.equal((ObjTracker.isObjVar(tracker), ObjTracker.isObjVar(held)), (True, False))


def ids_are_shown_on_demand():
    held = [None]
    tracker = ObjTracker()
    held[0] = Thing()
    cases.contains(printed(tracker.diff, showIDs=True), f"<class '__main__.Thing'>\t{id(held[0])}\n")
    address = id(held[0])
    held[0] = None
    cases.contains(printed(tracker.diff, True), f"[del] <class '__main__.Thing'>\t{address}\n")


def rude_objects_do_no_harm():
    held = []
    tracker = ObjTracker()
    held.append(Rude())
    held.append(RudeMeta("Made", (), {})())
    changes = tracker.compare()
    cases.equal([rows(changes, "created", f"__main__.{name}")[0][0] for name in ("Rude", "Made")], [1, 1])
    printed(tracker.diff)
    cases.equal(len(tracker.findNew("Rude'|Made", weak=False)), 2)
    reftracker.objectSize(held[0])
    reftracker.objectSize(held[0], recursive=True)
    cases.contains(reftracker.objString(held[0]), "Rude")


def names_of_types_merge_and_survive_their_types():
    def one():
        class Same:
            pass
        return Same()

    held = [one(), one()]
    tracker = ObjTracker()
    name = type(held[0]).__module__ + "." + type(held[0]).__qualname__
    held.append(one())
    cases.equal(rows(tracker.compare(), "created", name)[0][0], 1)
    del held[:]
    changes = tracker.compare()
    cases.equal(rows(changes, "deleted", name)[0][0], 3)
    other = type("Ünïcode\n", (), {"__module__": "mödule"})
    held.append(other())
    cases.equal(rows(tracker.compare(), "created", "mödule.Ünïcode\n")[0][0], 1)


def a_million_in_one_cycle_is_seen_and_goes():
    count = 20_000 if os.environ.get("MR_SANITIZED") else 1_000_000
    tracker = ObjTracker()
    first = last = Thing()
    for _ in range(count - 1):
        last.value = Thing()
        last = last.value
    last.value = first
    cases.equal(rows(tracker.compare(), "created", "__main__.Thing")[0][0], count)
    cases.equal(rows(tracker.compare(), "persistent", "__main__.Thing")[0][0], count)
    first = last = None
    cases.equal(rows(tracker.compare(), "deleted", "__main__.Thing")[0][0], count)


def finalizers_may_use_the_tracker():
    tracker = ObjTracker()
    seen = []

    class Loud:
        def __init__(self):
            self.me = self

        def __del__(self):
            seen.append(tracker.compare().number)

    Loud()
    number = tracker.compare().number
    cases.equal(seen, [number - 1])


def holders_are_named():
    tracker = ObjTracker()
    a_list_that_leaks.extend([Thing([1]), Thing([2])])
    tracker.compare()
    tracker.compare()
    found = {holder.path: holder for holder in tracker.holders()}
    holder = found["__main__.a_list_that_leaks[*]"]
    cases.equal((holder.type, holder.root, holder.count), ("__main__.Thing", "module", 2))
    assert holder.example in ("__main__.a_list_that_leaks[0]", "__main__.a_list_that_leaks[1]"), holder
    cases.contains(str(holder), "<class '__main__.Thing'>\t__main__.a_list_that_leaks[*]")
    cases.equal(found["__main__.a_list_that_leaks[*].value"].count, 2)


a_list_that_leaks = []


def sizes_of_objects():
    thing = Thing([1, 2, 3])
    cases.equal(reftracker.objectSize(thing), sys.getsizeof(thing))
    whole = reftracker.objectSize(thing, recursive=True)
    assert whole >= sys.getsizeof(thing) + sys.getsizeof(thing.value), whole
    cases.equal(reftracker.objectSize(thing, ignore={id(thing): None}), 0)
    cases.equal(reftracker.objectSize([thing, thing], recursive=True),
                sys.getsizeof([thing, thing]) + sys.getsizeof(thing))
    cases.contains(printed(reftracker.objectSize, thing, recursive=True, verbose=True), "value")
    cases.equal(reftracker.typeStr(thing), "<class '__main__.Thing'>")


def all_objects_are_found_by_their_ids():
    thing, text = Thing(), "some text %d" % os.getpid()
    keep = [thing, text]
    objects = reftracker.get_all_objects()
    assert objects[id(thing)] is thing and objects[id(text)] is text and objects[id(keep)] is keep
    assert id(objects) not in objects and not any(type(one) is int for one in objects.values())
    assert reftracker.lookup(id(thing)) is thing and reftracker.lookup(id(thing), objects) is thing
    with cases.raises(KeyError, "12345"):
        reftracker.lookup(12345)


def a_log_tells_it_all():
    if os.environ.get("MR_SANITIZED"):
        raise cases.Skip("in the other run")
    held = []
    tracker = ObjTracker(log="census.dat", traces=5)
    a_list_that_leaks[:] = [Thing([]) for _ in range(10)]
    held.append(Thing())
    tracker.compare("made")
    del held[:]
    a_list_that_leaks.append(Thing())
    tracker.compare("dropped")
    tracker.close()
    tracemalloc.stop()
    result = cases.run("memstats", "diff", "census.dat", "--filter", "__main__.Thing", "--format", "ndjson")
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.contains(result.stdout, "__main__.Thing")
    result = cases.run("memstats", "holders", "census.dat")
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.contains(result.stdout, "__main__.a_list_that_leaks[*]")
    result = cases.run("memstats", "objects", "census.dat", "--filter", "__main__.Thing")
    cases.equal(result.returncode, 0)
    cases.contains(result.stdout, "python_reftracker.py")
    cases.equal(cases.run("memstats", "verify", "census.dat").returncode, 0)


def the_sample_finds_its_leak():
    result = cases.run(os.environ["MR_PYTHON"], os.path.join(cases.ROOT, "samples/leaking.py"))
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.contains(result.stdout, "<class '__main__.Session'>\tmain().shop.listeners[*].__self__\n")
    cases.equal(os.path.exists("leaking.dat"), True)


def the_environment_asks_for_a_log():
    code = "from memcapture.reftracker import ObjTracker as T; t = T(); a = [1]; t.compare('named'); t.compare()"
    result = subprocess.run([os.environ["MR_PYTHON"], "-c", code], env=dict(os.environ, MEMCAPTURE_LOG="asked.dat"),
                            capture_output=True, text=True, check=False)
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.equal(os.path.exists("asked.dat"), True)


cases.main(the_original_example_finds_its_leak,
           created_deleted_and_persistent_are_what_the_program_did,
           sizes_are_those_of_now,
           the_tracker_does_not_see_itself,
           it_does_not_see_what_it_gave,
           it_does_not_see_itself_when_it_prints,
           it_does_not_see_its_log,
           in_a_thread_nothing_is_created,
           no_reference_is_made,
           objects_are_found_largest_first,
           a_watcher_keeps_nothing_alive,
           a_watched_list_is_not_mistaken_for_the_next,
           the_mappings_tell_what_there_is,
           ids_are_shown_on_demand,
           rude_objects_do_no_harm,
           names_of_types_merge_and_survive_their_types,
           a_million_in_one_cycle_is_seen_and_goes,
           finalizers_may_use_the_tracker,
           holders_are_named,
           sizes_of_objects,
           all_objects_are_found_by_their_ids,
           a_log_tells_it_all,
           the_sample_finds_its_leak,
           the_environment_asks_for_a_log)
