#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ClassTracker as its users know it: what it tells of objects that live and that are gone, of snapshots
and of classes, checked against what this program knows of its own objects."""

import collections.abc
import copy
import gc
import inspect
import os
import pickle
import sys
import time
import types
from contextlib import closing

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import classtracker
from memcapture.asizeof import Asized, asizeof
from memcapture.classtracker import ClassTracker


class Foo:
    def __init__(self):
        self.foo = "foo"


class Bar(Foo):
    def __init__(self):
        Foo.__init__(self)
        self.bar = "bar"


class Slots:
    __slots__ = ("value", "__weakref__")

    def __init__(self, value=None):
        self.value = value


class Shown:
    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def raises(error, call, *args, **options):
    try:
        call(*args, **options)
    except error as what:
        return what
    raise AssertionError(f"{call} raised no {error.__name__}")


def an_object_is_found_by_id_and_by_name():
    with closing(ClassTracker()) as tracker:
        foo, bar, named = Foo(), Bar(), Foo()
        tracker.track_object(foo)
        tracker.track_object(bar)
        tracker.track_object(named, name="other", resolution_level=2)
        tracker.track_object(foo, name="again")
        for one, name in (foo, "Foo"), (bar, "Bar"), (named, "other"):
            found = tracker.objects[id(one)]
            cases.equal((found.ref(), found.name, found.classname, found.id, found.death, found.trace, found.repr),
                        (one, name, name, id(one), None, None, ""))
            cases.equal(list(tracker.index[name]), [found])
            cases.equal(isinstance(found, classtracker.TrackedObject), True)
        cases.equal(list(tracker.index), ["Foo", "Bar", "other"])
        cases.equal(list(tracker.objects), [id(foo), id(bar), id(named)])
        cases.equal(tracker.objects[id(named)]._resolution_level, 2)
        births = [found.birth for found in tracker.objects.values()]
        cases.equal(births, sorted(set(births)))


def an_object_that_died_stays_until_its_id_is_used_again():
    with closing(ClassTracker()) as tracker:
        kept, gone = Foo(), Bar()
        tracker.track_object(kept, keep=True)
        tracker.track_object(gone)
        here, there, ref = id(kept), id(gone), tracker.objects[id(gone)].ref
        del kept, gone
        cases.equal(tracker.objects[here].ref().foo, "foo")
        cases.equal((tracker.objects[there].ref(), ref(), tracker.objects[there].death > 0), (None, None, True))
        cases.equal([found.death is None for found in tracker.index["Bar"]], [False])
        for _ in range(1000):
            again = Slots()
            tracker.track_object(again)
            if len(tracker.objects) < 2 + len(tracker.index["Slots"]):
                break
        cases.equal(tracker.objects[id(again)].ref() is again, True)
        cases.equal(len({found.id for found in tracker.index["Slots"]} | {here, there}), len(tracker.objects))


def the_mappings_are_as_dicts_that_cannot_be_changed():
    with closing(ClassTracker()) as tracker:
        objects = [Foo(), Foo(), Bar()]
        for one in objects:
            tracker.track_object(one)
        foos, bars = list(tracker.index["Foo"]), list(tracker.index["Bar"])
        cases.equal(tracker.index, {"Foo": foos, "Bar": bars})
        cases.equal(tracker.index == {"Foo": foos}, False)
        cases.equal(tracker.objects, {id(one): tracker.objects[id(one)] for one in objects})
        cases.equal(tracker.index, tracker.index)
        for mapping in tracker.index, tracker.objects, tracker.history:
            cases.equal(isinstance(mapping, collections.abc.Mapping), True)
            plain = dict(mapping)
            cases.equal((list(mapping), list(mapping.keys()), len(mapping)), (list(plain), list(plain), len(plain)))
            cases.equal((list(mapping.items()), list(mapping.values())), (list(plain.items()), list(plain.values())))
            cases.equal((mapping.copy(), repr(mapping)), (plain, repr(plain)))
            first = next(iter(mapping))
            cases.equal((first in mapping, mapping.get(first), mapping.get("x", 5), "x" in mapping),
                        (True, plain[first], 5, False))
            raises(TypeError, mapping.__class__)
            raises(TypeError, hash, mapping)
            raises(TypeError, lambda: mapping.__setitem__(1, 2) if hasattr(mapping, "__setitem__") else len(1))
        cases.equal((list(tracker.index["x"]), tracker.history["x"], len(tracker.index)), ([], [], 2))
        cases.equal(raises(KeyError, lambda: tracker.objects[5]).args, (5,))
        for key in "x", None, 1.5, -1, 1 << 70:
            raises(KeyError, lambda: tracker.objects[key])
        match tracker.index:
            case {"Foo": [one, _]}:
                cases.equal(one, foos[0])
            case _:
                raise AssertionError("no match")


def a_list_of_objects_is_as_a_list():
    with closing(ClassTracker()) as tracker:
        objects = [Foo() for _ in range(10)]
        for one in objects:
            tracker.track_object(one)
        found = tracker.index["Foo"]
        plain = [tracker.objects[id(one)] for one in objects]
        cases.equal(found, plain)
        cases.equal(plain == found, True)
        cases.equal((len(found), found[0], found[-1], found[2:5], found[::-3]),
                    (10, plain[0], plain[-1], plain[2:5], plain[::-3]))
        cases.equal((list(reversed(found)), plain[3] in found, found.index(plain[3]), found.count(plain[0])),
                    (plain[::-1], True, 3, 1))
        cases.equal((sorted(found, key=lambda one: -one.birth), found.copy()), (plain[::-1], plain))
        for at in 10, -11:
            raises(IndexError, lambda: found[at])
        raises(TypeError, lambda: found["a"])
        more = Foo()
        tracker.track_object(more)
        cases.equal((len(found), found[10].ref()), (11, more))
        cases.equal(isinstance(found, collections.abc.Sequence), True)


def views_of_one_object_are_equal():
    with closing(ClassTracker()) as tracker, closing(ClassTracker()) as other:
        foo = Foo()
        tracker.track_object(foo)
        other.track_object(foo)
        a, b, c = tracker.objects[id(foo)], tracker.index["Foo"][0], other.objects[id(foo)]
        cases.equal((a == b, a != b, hash(a) == hash(b), a == c, a == 5), (True, False, True, False, False))
        cases.equal(len({a, b, c}), 2)
        cases.contains(repr(a), "Foo")
        raises(AttributeError, setattr, a, "name", "x")
        raises(TypeError, type(a))


def the_history_counts_births_and_deaths():
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Foo, name="Foo")
        one, two, three = Foo(), Foo(), Foo()
        cases.equal([count for _, count in tracker.history["Foo"]], [1, 2, 3])
        del one, two
        four = Foo()
        del three, four
        cases.equal([count for _, count in tracker.history["Foo"]], [1, 2, 3, 2, 1, 2, 1, 0])
        times = [time for time, _ in tracker.history["Foo"]]
        cases.equal(times, sorted(set(times)))
        five = Foo()
        tracker.detach_all()
        cases.equal([count for _, count in tracker.history["Foo"]][-1], 1)
        cases.equal((len(tracker.index), len(tracker.objects), "Foo" in tracker.history), (0, 0, True))
        tracker.track_class(Foo, name="Foo")
        six = Foo()
        del six
        cases.equal([count for _, count in tracker.history["Foo"]][-3:], [1, 2, 1])
        tracker.track_object(five, name="other")
        cases.equal(list(tracker.history), ["Foo", "other"])
        tracker.clear()
        cases.equal(list(tracker.history), ["Foo", "other"])


def snapshots_are_told_by_time_and_description():
    with closing(ClassTracker()) as tracker:
        foo, bar = Foo(), Bar()
        tracker.track_object(foo)
        tracker.track_object(bar)
        tracker.create_snapshot()
        tracker.create_snapshot("alpha")
        tracker.create_snapshot(description="beta")
        tracker.create_snapshot(42)
        tracker.create_snapshot("\udc80\0 \u20ac")
        shots = tracker.snapshots
        cases.equal([shot.desc for shot in shots], ["", "alpha", "beta", "42", "\udc80\0 \u20ac"])
        cases.equal([shots[0].label, shots[1].label, shots[3].label],
                    ["%.3fs" % shots[0].timestamp, "alpha (%.3fs)" % shots[1].timestamp,
                     "42 (%.3fs)" % shots[3].timestamp])
        for found in tracker.objects.values():
            cases.equal([when for when, _ in found.snapshots], [found.birth] + [shot.timestamp for shot in shots])
            cases.equal(found.birth < shots[0].timestamp, True)
        cases.equal([type(shot).__name__ for shot in shots], ["Snapshot"] * 5)
        cases.equal((type(shots), shots[0].classes), (list, None))
        class Unwilling:
            def __str__(self):
                raise LookupError("no")
        raises(LookupError, tracker.create_snapshot, Unwilling())
        cases.equal(len(shots), 5)


def a_snapshot_knows_the_process_and_the_sums():
    with closing(ClassTracker()) as tracker:
        objects = [Foo() for _ in range(100)]
        tracker.create_snapshot("nothing is tracked")
        for one in objects:
            tracker.track_object(one)
        tracker.create_snapshot()
        tracker.create_snapshot(compute_total=True)
        none, some, all_ = tracker.snapshots
        cases.equal((none.tracked_total, none.asizeof_total, none.system_total.vsz > 0), (0, 0, True))
        cases.equal(some.tracked_total, sum(found.snapshots[-1][1].size for found in tracker.index["Foo"]))
        cases.equal(some.asizeof_total, 0)
        cases.equal(all_.asizeof_total >= all_.tracked_total > 0, True)
        info = some.system_total
        cases.equal((some.total, info.vsz >= info.rss > 0, info.vsz > some.overhead > 100 * 96), (info.vsz, True, True))
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
        cases.equal(abs(pages * info.pagesize - all_.total) < 1 << 26, True)
        some.system_total.available = False
        cases.equal((some.total, all_.system_total.available), (some.tracked_total, True))


def sizes_are_those_of_asizeof():
    with closing(ClassTracker()) as tracker:
        foo = Foo()
        foo.list = [str(number) * 10 for number in range(1000, 1100)]
        tracker.track_object(foo)
        tracker.create_snapshot()
        found = tracker.objects[id(foo)]
        (born, first), (when, sized) = found.snapshots
        cases.equal((born, when), (found.birth, tracker.snapshots[0].timestamp))
        cases.equal((sized.size, isinstance(sized, Asized), first.size == first.flat), (asizeof(foo), True, True))
        cases.equal((found.get_max_size(), found.size, found.tsize), (sized.size,) * 3)
        cases.equal([found.get_size_at_time(at) for at in (born, when, when + 1, 0, None)],
                    [first.size, sized.size, 0, 0, 0])
        before = sized.size
        foo.list = None
        tracker.create_snapshot()
        cases.equal(found.snapshots[-1][1].size, asizeof(foo))
        cases.equal((found.get_max_size(), found.tsize, found.snapshots[-1][1].size < before), (before, before, True))
        cases.equal(found.get_size_at_time(tracker.snapshots[-1].timestamp), asizeof(foo))


def what_is_shared_counts_once_for_the_first_born():
    with closing(ClassTracker()) as tracker:
        shared = ["x" * 1000, "y" * 1000]
        first, second, owner = Slots(shared), Slots(shared), Slots()
        owner.value = first
        for one in first, second, owner:
            tracker.track_object(one)
        tracker.create_snapshot()
        sizes = [found.snapshots[-1][1].size for found in tracker.index["Slots"]]
        flat = asizeof(Slots(5)) - asizeof(5)
        cases.equal(sizes, [flat + asizeof(shared), flat, flat])
        cases.equal(tracker.snapshots[0].tracked_total, sum(sizes))


def the_dead_are_not_in_snapshots():
    with closing(ClassTracker()) as tracker:
        one, two = Slots(1), Slots(2)
        tracker.track_object(one)
        tracker.track_object(two)
        tracker.create_snapshot()
        total = tracker.snapshots[0].tracked_total
        del one
        tracker.create_snapshot()
        tracker.create_snapshot()
        cases.equal([len(found.snapshots) for found in tracker.index["Slots"]], [2, 4])
        cases.equal(tracker.snapshots[1].tracked_total < total, True)
        gone = tracker.index["Slots"][0]
        cases.equal([gone.get_size_at_time(shot.timestamp) > 0 for shot in tracker.snapshots], [True, False, False])


def referents_are_told_down_to_the_level():
    with closing(ClassTracker()) as tracker:
        foo = Foo()
        tracker.track_object(foo, resolution_level=1)
        tracker.create_snapshot()
        found = tracker.objects[id(foo)]

        def dict_of():
            return [ref for ref in found.snapshots[-1][1].refs if ref.name == "__dict__"][0]

        cases.equal((dict_of().refs, dict_of().size > 0, dict_of().flat > 0), ((), True, True))
        tracker.track_change(foo, resolution_level=2)
        tracker.create_snapshot()
        names = [ref.name for ref in dict_of().refs]
        cases.contains(names, "[K] foo")
        cases.contains(names, "[V] foo: 'foo'")
        found.set_resolution_level(0)
        tracker.create_snapshot()
        cases.equal([len(sized.refs) > 0 for _, sized in found.snapshots], [False, True, True, False])
        cases.equal([type(sized.refs) for _, sized in found.snapshots], [tuple] * 4)
        cases.equal(len({sized.size for _, sized in found.snapshots[1:]}), 1)
        deep = []
        for _ in range(300):
            deep = [deep]
        foo.foo = deep
        tracker.track_change(foo, 1 << 40)
        tracker.create_snapshot()
        depth, at = 0, found.snapshots[-1][1]
        while at.refs:
            depth, at = depth + 1, max(at.refs, key=lambda ref: ref.size)
        cases.equal(depth >= 90, True)
        cases.equal(raises(KeyError, tracker.track_change, Foo()).args[0] > 0, True)
        raises(TypeError, tracker.track_change, foo, "a")


def objects_show_themselves_at_each_snapshot():
    class Failing:
        def __repr__(self):
            raise LookupError

    class Odd:
        pass

    Odd.__qualname__ = "\u20ac <odd>"
    Long = type("Long" * 50, (), {})
    with closing(ClassTracker()) as tracker:
        objects = [Foo(), Shown("as is"), Shown("\udcff\0\u20ac"), Shown("x" * 200), Failing(), Odd(), Long(), Shown(5)]
        for one in objects:
            tracker.track_object(one)
        tracker.create_snapshot()
        shown = [tracker.objects[id(one)].repr for one in objects]
        long = repr(objects[6])
        cases.equal(shown, [repr(objects[0]), "as is", "\udcff\0\u20ac", "x" * 124 + ".." + "xx", "N/A",
                            repr(objects[5]), long[:124] + ".." + long[-2:], "N/A"])
        objects[1].text = "something else"
        objects[0].__class__ = Bar
        tracker.create_snapshot()
        cases.equal([tracker.objects[id(one)].repr for one in objects[:2]], [repr(objects[0]), "something else"])
        here, there = id(objects[0]), id(objects[1])
        name = repr(objects[0])
        del objects[:2], one
        tracker.create_snapshot()
        cases.equal([tracker.objects[at].repr for at in (here, there)], [name, "something else"])


def an_object_that_changes_its_class_stays_tracked():
    class Before:
        pass

    class After:
        pass

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Before, name="before")
        tracker.track_class(After, name="after")
        one = Before()
        one.__class__ = After
        tracker.create_snapshot()
        found = tracker.objects[id(one)]
        cases.equal((found.name, found.ref() is one, found.repr), ("before", True, repr(one)))
        one.__init__()
        cases.equal(len(tracker.objects), 1)


def make(cls):
    return cls()


def traces_are_as_inspect_tells_them():
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Foo, name="Foo", trace=True)
        tracker.track_class(Slots, name="Slots")
        foo = Foo()
        stack = [frame[1:] for frame in inspect.stack()][::-1]
        bar = Bar()
        made = make(Foo)
        plain = Slots()
        tracker.track_object(direct := Bar.__new__(Bar), trace=True)
        trace = tracker.objects[id(foo)].trace
        cases.equal(trace[:-1], stack[:-1])
        cases.equal((trace[-1][0], trace[-1][1], trace[-1][2], trace[-1][3], trace[-1][4]),
                    (stack[-1][0], stack[-1][1] - 1, stack[-1][2], ["        foo = Foo()\n"], 0))
        cases.equal([entry[2] for entry in tracker.objects[id(bar)].trace[-2:]],
                    ["traces_are_as_inspect_tells_them", "__init__"])
        cases.equal([entry[3][0].strip() for entry in tracker.objects[id(made)].trace[-2:]],
                    ["made = make(Foo)", "return cls()"])
        cases.equal(tracker.objects[id(plain)].trace, None)
        cases.contains(tracker.objects[id(direct)].trace[-1][3][0], "direct := ")
        space = {"Foo": Foo}
        exec(compile("one = Foo()\n", "<nowhere>", "exec"), space)
        cases.equal(tracker.objects[id(space["one"])].trace[-1], ("<nowhere>", 1, "<module>", None, None))


def views_are_pickled_without_their_object():
    with closing(ClassTracker()) as tracker:
        foo = Foo()
        tracker.track_object(foo, resolution_level=2, trace=True)
        tracker.create_snapshot()
        found = tracker.objects[id(foo)]
        for twin in [pickle.loads(pickle.dumps(found, number)) for number in range(2, 6)] + [copy.deepcopy(found)]:
            for name in "id", "repr", "name", "birth", "death", "trace", "_resolution_level", "size", "classname":
                cases.equal(getattr(twin, name), getattr(found, name), name)
            cases.equal([(when, sized.size, sized.flat, len(sized.refs)) for when, sized in twin.snapshots],
                        [(when, sized.size, sized.flat, len(sized.refs)) for when, sized in found.snapshots])
            when = tracker.snapshots[0].timestamp
            cases.equal((twin.ref(), twin.get_max_size(), twin.get_size_at_time(when), twin.get_size_at_time(-1)),
                        (None, found.get_max_size(), found.get_size_at_time(when), 0))
        cases.equal(sorted(found.__getstate__()), ["_resolution_level", "birth", "death", "id", "name", "repr",
                                                   "snapshots", "trace"])
        shots = pickle.loads(pickle.dumps(tracker.snapshots))
        cases.equal((shots[0].label, shots[0].total), (tracker.snapshots[0].label, tracker.snapshots[0].total))


def detach_all_and_clear_let_go():
    tracker = ClassTracker()
    tracker.track_class(Foo, name="Foo", keep=True)
    foo = Foo()
    tracker.create_snapshot("one")
    found, listed = tracker.objects[id(foo)], tracker.index["Foo"]
    cases.equal(sys.getrefcount(foo), 3)
    tracker.detach_all()
    cases.equal(sys.getrefcount(foo), 2)
    cases.equal((len(tracker.index), len(tracker.objects), len(tracker.snapshots)), (0, 0, 1))
    cases.equal((found.ref(), len(found.snapshots), len(listed), listed[0] == found), (foo, 2, 1, True))
    Foo()
    tracker.create_snapshot("two")
    cases.equal((len(tracker.objects), len(tracker.snapshots), len(found.snapshots)), (0, 2, 2))
    del foo
    cases.equal((found.ref(), found.death is None), (None, False))
    tracker.track_class(Foo, name="Foo")
    foo = Foo()
    tracker.create_snapshot("three")
    times = [when for when, _ in tracker.objects[id(foo)].snapshots[1:]]
    cases.equal(times, [tracker.snapshots[2].timestamp])
    tracker.clear()
    cases.equal((len(tracker.index), len(tracker.objects), tracker.snapshots), (0, 0, []))
    tracker.create_snapshot("four")
    cases.equal([shot.desc for shot in tracker.snapshots], ["four"])
    raises(KeyError, tracker.detach_class, Foo)


def arguments_can_be_named():
    with closing(ClassTracker(stream=None, log=None)) as tracker:
        tracker.track_class(cls=Foo, name="foo", resolution_level=1, keep=False, trace=False)
        foo, bar = Foo(), Slots()
        tracker.track_object(instance=bar, name="bar", resolution_level=1, keep=True, trace=True)
        tracker.track_change(instance=foo, resolution_level=2)
        tracker.create_snapshot(description="named", compute_total=False)
        found = tracker.objects[id(foo)]
        found.set_resolution_level(resolution_level=1)
        cases.equal(found.get_size_at_time(timestamp=tracker.snapshots[0].timestamp), found.size)
        tracker.mark(text="unheard")
        tracker.detach_class(cls=Foo)
        tracker.start_periodic_snapshots(interval=3600)
        tracker.stop_periodic_snapshots()


def periodic_snapshots_come_and_stop():
    tracker = ClassTracker()
    foo = Foo()
    tracker.track_object(foo)
    cases.equal(tracker._periodic_thread, None)
    tracker.stop_periodic_snapshots()
    tracker.start_periodic_snapshots(0.01)
    thread = tracker._periodic_thread
    cases.equal((thread.interval, thread.name, thread.daemon, thread.is_alive()),
                (0.01, "BackgroundMonitor", True, True))
    for number in range(10):
        tracker.create_snapshot(str(number))
    deadline = time.monotonic() + 30
    while len(tracker.snapshots) < 15 and time.monotonic() < deadline:
        time.sleep(0.005)
    cases.equal(len(tracker.snapshots) >= 15, True)
    tracker.start_periodic_snapshots(3600)
    cases.equal((tracker._periodic_thread is thread, thread.interval), (True, 3600))
    tracker.stop_periodic_snapshots()
    cases.equal((tracker._periodic_thread, thread.is_alive()), (None, False))
    count = len(tracker.snapshots)
    cases.equal([when for when, _ in tracker.objects[id(foo)].snapshots[1:]],
                [shot.timestamp for shot in tracker.snapshots])
    tracker.start_periodic_snapshots()
    cases.equal(tracker._periodic_thread.interval, 1.0)
    tracker.stop_periodic_snapshots()
    cases.equal(len(tracker.snapshots), count + 1)
    tracker.clear()


def objects_may_do_anything_while_they_are_sized():
    done = []

    class Busy:
        def __init__(self, number):
            self.number = number

        def __repr__(self):
            done.append(self.number)
            if self.number == 0:
                raises(RuntimeError, tracker.create_snapshot)
            if self.number == 1:
                keep.append(Busy(100))
            if self.number == 2 and len(keep) > 9:
                keep[3:6] = []
            if self.number == 6:
                tracker.track_object(Foo())
                gc.collect()
            return "busy"

    tracker = ClassTracker()
    tracker.track_class(Busy, name="busy")
    keep = []
    keep += [Busy(number) for number in range(10)]
    tracker.create_snapshot()
    cases.equal(done, [0, 1, 2, 6, 7, 8, 9])
    shot, found = tracker.snapshots[0], tracker.index["busy"]
    cases.equal([len(one.snapshots) for one in found], [2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 1])
    cases.equal(shot.tracked_total, sum(one.get_size_at_time(shot.timestamp) for one in found))
    done.clear()
    tracker.create_snapshot()
    cases.equal([len(one.snapshots) for one in found], [3, 3, 3, 1, 1, 1, 3, 3, 3, 3, 2, 1])

    class Detaching:
        def __repr__(self):
            tracker.detach_all()
            tracker.track_object(self)
            return "detaching"

    one = Detaching()
    tracker.track_object(one)
    tracker.create_snapshot("odd")
    cases.equal((tracker.objects[id(one)].ref(), tracker.snapshots[-1].desc), (one, "odd"))
    tracker.clear()


def a_snapshot_that_is_interrupted_leaves_everything_as_it_was():
    class Stopping:
        def __repr__(self):
            if stop:
                raise KeyboardInterrupt
            return "on"

    tracker = ClassTracker()
    objects = [Slots(number) for number in range(100)] + [Stopping()]
    for one in objects:
        tracker.track_object(one, resolution_level=2)
    stop = False
    tracker.create_snapshot()
    before = [[sized.size for _, sized in found.snapshots] for found in tracker.objects.values()]
    for number in range(100):
        objects[number].value = f"longer than it was, {number}"
    stop = True
    raises(KeyboardInterrupt, tracker.create_snapshot)
    cases.equal([[sized.size for _, sized in found.snapshots] for found in tracker.objects.values()], before)
    cases.equal(len(tracker.snapshots), 1)
    stop = False
    tracker.create_snapshot()
    cases.equal([len(found.snapshots) for found in tracker.objects.values()], [3] * 101)
    cases.equal(tracker.snapshots[1].tracked_total > tracker.snapshots[0].tracked_total, True)
    tracker.clear()


def large_numbers_of_objects_and_names_are_kept_apart():
    tracker = ClassTracker()
    objects = [Slots(number) for number in range(20000)]
    for number, one in enumerate(objects):
        tracker.track_object(one, name=f"name {number % 700}")
    cases.equal((len(tracker.objects), len(tracker.index)), (20000, 700))
    cases.equal([found.ref().value for found in tracker.index["name 5"]], list(range(5, 20000, 700)))
    tracker.create_snapshot()
    del objects[::2], one
    tracker.create_snapshot()
    cases.equal(sum(found.death is None for found in tracker.objects.values()), 10000)
    cases.equal(tracker.history["name 4"][-1][1], 0)
    cases.equal([len(found.snapshots) for found in tracker.index["name 7"]], [3] * len(tracker.index["name 7"]))
    cases.equal(tracker.objects[id(objects[77])].ref() is objects[77], True)
    tracker.clear()


def trackers_can_be_extended_in_python():
    class Own(ClassTracker):
        def __init__(self, more):
            super().__init__()
            self.more = more

    tracker = Own(5)
    tracker.track_class(Foo, name="foo")
    foo = Foo()
    tracker.create_snapshot()
    cases.equal((tracker.more, tracker.objects[id(foo)].ref()), (5, foo))
    tracker.close()


cases.main(*[function for name, function in list(globals().items())
             if isinstance(function, types.FunctionType) and function.__module__ == "__main__"
             and name not in ("raises", "make")])
