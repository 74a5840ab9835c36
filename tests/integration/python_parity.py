#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ways in which programs written for the original use it that are easily overlooked; and, where
pympler is installed, sizes of many kinds of objects beside its own."""

import array
import collections
import datetime
import fractions
import functools
import gc
import importlib
import os
import sys
import types

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import asizeof
from memcapture.classtracker import ClassTracker


class DictLike:
    """Has what a dict has, and the has_key() that adict() asks for."""

    def __init__(self):
        self.data = {"key": [1] * 100}

    def items(self):
        return self.data.items()

    def keys(self):
        return self.data.keys()

    def values(self):
        return self.data.values()

    def get(self, key, default=None):
        return self.data.get(key, default)

    def has_key(self, key):
        return key in self.data

    def __len__(self):
        return len(self.data)


class Item:
    def __init__(self, number=0):
        self.number = number


def first_object_decides_how_a_class_is_walked():
    early, late, inferred = (type(name, (DictLike,), {})() for name in ("Early", "Late", "Inferred"))
    as_instance = asizeof.asizeof(early)
    assert asizeof.adict(type(early))
    cases.equal(asizeof.asizeof(early), as_instance, "adict() after the first object")
    cases.equal(asizeof.asizeof(early, infer=True), as_instance, "infer after the first object")
    names = [name for name, _ in asizeof.named_refs(early)]
    cases.equal(names, ["__dict__", "__class__"])
    assert asizeof.adict(type(late))
    asizeof.asizeof(late)
    cases.equal([name for name, _ in asizeof.named_refs(late)],
                ["[K] key", "[V] key: " + repr([1] * 100)[:38] + "...." + repr([1] * 100)[-38:]])
    as_dict = asizeof.asizeof(inferred, infer=True)
    cases.equal(asizeof.asizeof(inferred), as_dict, "without infer, after it")
    # Looking at one object alone decides nothing.
    looked_at = type("LookedAt", (DictLike,), {})()
    asizeof.basicsize(looked_at)
    assert asizeof.adict(type(looked_at))
    cases.equal(asizeof.itemsize(looked_at), asizeof.itemsize({}))


def classes_are_not_kept_by_what_is_known_of_them():
    for round_number in range(3):
        for number in range(20):
            asizeof.asizeof(type("Passing", (DictLike,), {})())
            asizeof.asizeof(type("PassingArray", (array.array,), {})("i", [number]))
        gc.collect()
        left = [cls.__name__ for cls in DictLike.__subclasses__() + array.array.__subclasses__()]
        assert "Passing" not in left and "PassingArray" not in left, left


def arrays_have_the_base_of_the_first():
    kind = type("Numbers", (array.array,), {})
    first = kind("i", [1, 2, 3])
    beside = sys.getsizeof(first) - 3 * first.itemsize
    cases.equal(asizeof.flatsize(first), beside + 3 * first.itemsize)
    asizeof.asizeof(first)
    second = kind("d", range(50))
    cases.equal(asizeof.flatsize(second), beside + 400)
    cases.equal(asizeof.asizeof(second, limit=0, align=1), beside + 400)


def lists_of_objects_can_be_added():
    tracker = ClassTracker()
    tracker.track_class(Item, name="item")
    items = [Item(number) for number in range(5)]
    tracker.create_snapshot()
    tracker.detach_all_classes()
    objects = tracker.stats.sort_stats("birth").sorted
    for some in (objects, tracker.index["item"]):
        both = some[:2] + some[3:]
        assert type(both) is list
        cases.equal([tobj.id for tobj in both], [id(items[at]) for at in (0, 1, 3, 4)])
        cases.equal(len([] + some), 5)
        cases.equal(len(some + [some[0]]), 6)
        try:
            some + 3
        except TypeError:
            pass
        else:
            raise AssertionError("a list and a number were added")


def subclass_sees_each_object_that_is_tracked():
    class Watching(ClassTracker):
        def __init__(self):
            super().__init__()
            self.calls = []

        def track_object(self, instance, name=None, resolution_level=0, keep=False, trace=False):
            self.calls.append((name, resolution_level, keep, trace))
            super().track_object(instance, name, resolution_level, keep, trace)

    tracker = Watching()
    tracker.track_class(Item, name="item", resolution_level=2, trace=True)
    item = Item(1)
    tracker.track_class(Item, name="kept", keep=True)
    another = Item(2)
    tracker.detach_all_classes()
    cases.equal(tracker.calls, [("item", 2, False, True), ("kept", 0, True, False)])
    cases.equal([tobj.id for tobj in tracker.index["item"]], [id(item)])
    cases.equal([tobj.id for tobj in tracker.index["kept"]], [id(another)])

    class Refusing(ClassTracker):
        def track_object(self, *args, **options):
            raise RuntimeError("no")

    refusing = Refusing()
    refusing.track_class(Item)
    try:
        Item(3)
    except RuntimeError as error:
        cases.equal(str(error), "no")
    else:
        raise AssertionError("the error was lost")
    refusing.close()


def nothing_tracked_has_no_overhead():
    tracker = ClassTracker()
    tracker.create_snapshot("nothing")
    item = Item()
    tracker.track_object(item)
    tracker.create_snapshot("something")
    cases.equal(tracker.snapshots[0].overhead, 0)
    assert tracker.snapshots[1].overhead > 0


def excluded_types_are_listed_as_class_and_as_type():
    sizer = asizeof.Asizer()
    sizer.exclude_types(list, 3, Item)
    cases.equal([str(key) for key in sizer.excluded],
                ["<class 'list' def>", "<class 'list'>", f"<class '{__name__}.Item' def>",
                 f"<class '{__name__}.Item'>"])
    cases.equal(sizer.asizeof([1], Item()), 0)


# ---- Beside pympler ----------------------------------------------------------------------------

def kinds_of_objects():
    def generate():
        yield [1, 2]

    generator = generate()
    next(generator)
    named = collections.namedtuple("Named", "first second")
    samples = [1, 2 ** 100, True, 1.5, 1j, "a", "\u20ac", "\U0001f600", b"x", bytearray(10), [], [1] * 100, (), (1,),
               {}, {1: [2]}, set(), set(range(100)), frozenset("abc"), None, ..., NotImplemented, range(10),
               slice(0, 9, 2),
               object(), type, Item, Item(3), len, [].append, Item().__init__, generate, generator, generate.__code__,
               (lambda value: (lambda: value))([5]).__closure__[0], named(1, [2]), property(len), ValueError("a", [1]),
               OSError(2, "no", "file"), types.SimpleNamespace(a=[1]), types.MappingProxyType({1: 2}),
               memoryview(b"ab"),
               array.array("d", range(9)), collections.deque([1, [2]]), collections.OrderedDict(a=[1]),
               collections.defaultdict(list, {1: [2]}), collections.Counter("aab"), collections.ChainMap({1: 2}),
               collections.UserDict({1: 2}), iter([1, [2]]), iter({1: 2}), reversed([1]), enumerate([1]), zip([1]),
               map(str, [1]), {1: 2}.keys(), {1: [2]}.values(), datetime.datetime(2020, 1, 1), fractions.Fraction(1, 3),
               functools.partial(len, [1]), os.stat("/"), os.statvfs("/"), sys.version_info, Item.__dict__, os.environ,
               DictLike()]
    return samples + random_part_of_the_heap()


def random_part_of_the_heap():
    """Some objects of each type that the collector knows, those apart whose attributes are made up when asked for."""
    made_up = {"GenericAlias", "ForwardRef", "_local", "LibraryLoader", "_RunningLoop", "uname_result", "frame"}
    by_type = {}
    for thing in gc.get_objects():
        kind = type(thing)
        if isinstance(thing, types.ModuleType) and thing.__name__.split(".")[0] in ("memcapture", "pympler"):
            continue  # each leaves out its own
        if kind.__name__ not in made_up and kind.__module__ in ("builtins", "collections", "functools", "enum"):
            by_type.setdefault(kind, []).append(thing)
    return [thing for things in list(by_type.values()) for thing in things[::max(1, len(things) // 20)]
            if thing is not by_type and thing is not things]


def flattened(asized, level=0):
    yield level, asized.size, asized.flat
    for ref in asized.refs:
        yield from flattened(ref, level + 1)


def sizes_are_pymplers_where_it_is_there():
    try:
        original = importlib.import_module("pympler.asizeof")
    except ImportError:
        raise cases.Skip("pympler is not installed")
    compared = 0
    for thing in kinds_of_objects():
        for name in ("basicsize", "itemsize", "flatsize", "leng"):
            cases.equal(getattr(asizeof, name)(thing), getattr(original, name)(thing), f"{name} of a {type(thing)}")
        for options in ({}, {"limit": 0}, {"limit": 1, "ignored": False}, {"limit": 1, "align": 1},
                        {"infer": True, "limit": 1}):
            if type(thing) in (list, tuple, dict, types.ModuleType, types.FunctionType) and "limit" not in options:
                continue  # what they lead to is the whole heap, and things that are made up
            cases.equal(asizeof.asizeof(thing, **options), original.asizeof(thing, **options),
                        f"{type(thing)}, {options}")
            compared += 1
        cases.equal(list(flattened(asizeof.asized(thing, detail=1, limit=1))),
                    list(flattened(original.asized(thing, detail=1, limit=1))), f"referents of a {type(thing)}")
    assert compared > 200, compared


cases.main(first_object_decides_how_a_class_is_walked, classes_are_not_kept_by_what_is_known_of_them,
           arrays_have_the_base_of_the_first, lists_of_objects_can_be_added, subclass_sees_each_object_that_is_tracked,
           nothing_tracked_has_no_overhead, excluded_types_are_listed_as_class_and_as_type,
           sizes_are_pymplers_where_it_is_there)
