#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""muppy: lists of all objects, and what is asked of such lists; where pympler is installed, beside it."""

import collections
import contextlib
import gc
import importlib
import io
import os
import sys
import types

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import muppy


class Thing:
    def __init__(self, number):
        self.number = number
        self.parts = (number, str(number))


class Heavy:
    def __sizeof__(self):
        return 1000


class Mute:
    def __sizeof__(self):
        raise AttributeError("no size")


def ids_of(objects):
    return [id(item) for item in objects]


def each_object_once_or_for_each_reference():
    text = "shared by two" + str(gc)
    kept = [[text], [text]]
    every = muppy.get_objects(remove_dups=False)
    cases.equal(ids_of(every).count(id(text)), 2)
    del every
    once = muppy.get_objects()
    cases.equal(ids_of(once).count(id(text)), 1)
    cases.equal(ids_of(once).count(id(kept)), 1)
    cases.equal(any(gc.is_tracked(item) for item in once[:100]), False, "those that are not tracked first")


def garbage_is_collected_first():
    ring = [Thing(1)]
    ring.append(ring)
    gc.disable()
    del ring
    left = [item for item in muppy.get_objects() if type(item) is Thing]
    gc.enable()
    cases.equal(left, [])


def no_frames_but_those_asked_for():
    def inner():
        return muppy.get_objects(include_frames=True), muppy.get_objects()

    with_frames, without = inner()
    frames = [item for item in with_frames if isinstance(item, types.FrameType)]
    cases.equal([item for item in without if isinstance(item, types.FrameType)], [])
    cases.equal(frames[0] is sys._getframe(), True, "the caller's caller")
    cases.equal(frames[1] is sys._getframe(1), True)
    del with_frames, without, frames
    gc.collect()


def no_garbage_is_left():
    gc.collect()
    gc.disable()
    muppy.get_objects()
    cases.equal(gc.collect(), 0)
    gc.enable()


def referents_by_level():
    inner = ["three"]
    middle = [inner, "two"]
    outer = [middle, "one", middle]
    cases.equal(ids_of(muppy.get_referents(outer)), ids_of([middle, "one"]))
    cases.equal(len(muppy.get_referents(outer, level=2)), 4)
    cases.equal(len(muppy.get_referents(outer, level=3)), 5)
    inner.append(outer)
    cases.equal(len(muppy.get_referents(outer, level=1000)), 6, "a circle ends")
    cases.equal(muppy.get_referents(5), [])
    inner.clear()


def sizes():
    objects = [1, "two", [3], {4: 5}, {6}, Thing(7), 2 ** 100, 0, -1, "\u20ac", b"8", Thing, int, sys, len, (), 1.5,
               collections.deque(), collections.OrderedDict(a=1), bytearray(100), range(3), Heavy(), frozenset("abc"),
               iter([]), type, Ellipsis, muppy.get_size, lambda: 0, gc, slice(1), memoryview(b""), 1j, Exception("x"),
               collections.namedtuple("Pair", "a b")(1, 2), set(range(1000)), dict.fromkeys(range(1000)), [None] * 77]
    for item in objects:
        cases.equal(muppy.get_size([item]), sys.getsizeof(item), repr(item))
    cases.equal(muppy.get_size(objects), sum(map(sys.getsizeof, objects)))
    cases.equal(muppy.get_size(iter(objects)), sum(map(sys.getsizeof, objects)))
    cases.equal(muppy.get_size([]), 0)
    cases.equal(muppy.get_size([Mute()]) >= object.__sizeof__(Mute()), True)
    cases.equal(ids_of(muppy.sort(objects)), ids_of(sorted(objects, key=sys.getsizeof)))


def sizes_of_all_there_is():
    odd = [item for item in muppy.get_objects()
           if type(item).__sizeof__ is not Mute.__sizeof__ and muppy.get_size([item]) != sys.getsizeof(item)]
    cases.equal([(type(item), muppy.get_size([item]), sys.getsizeof(item)) for item in odd], [])


def filters():
    objects = [1, True, "a", "b" * 100, [], Heavy(), Thing(1)]
    cases.equal(muppy.filter(objects, Type=str), ["a", "b" * 100])
    cases.equal(muppy.filter(objects, Type=int), [1, True])
    cases.equal(muppy.filter(objects, Type=(str, list)), ["a", "b" * 100, []])
    cases.equal(muppy.filter(objects, Type=object), objects)
    cases.equal(muppy.filter(objects, min=500), [objects[5]])
    size = sys.getsizeof("a")
    cases.equal(muppy.filter(["a"], min=size) + muppy.filter(["a"], max=size), [], "neither end is in")
    cases.equal(muppy.filter(["a"], min=size - 1, max=size + 1), ["a"])
    with cases.raises(ValueError, "minimum must be smaller than maximum"):
        muppy.filter(objects, min=17, max=16)
    with cases.raises(TypeError):
        muppy.filter(objects, Type="str")


def differences():
    first, second, third = [1.5], [1.5], [1.5]
    diff = muppy.get_diff([first, second], [second, third, third])
    cases.equal({sign: ids_of(diff[sign]) for sign in diff}, {"+": [id(third)] * 2, "-": [id(first)]})
    cases.equal(muppy.get_diff([], []), {"+": [], "-": []})
    cases.equal(ids_of(muppy._remove_duplicates([first, second, first])), ids_of([first, second]))


def containers():
    cases.equal([muppy._is_containerobject(item) for item in ([], (), {}, int, Thing(1), 1, "", None)],
                [True] * 5 + [False] * 3)


def usage_is_exact():
    kept = []
    cases.equal(muppy._get_usage(lambda: None), None)
    cases.equal(muppy._get_usage(kept.clear), None)

    # The room of the list does not change while there is some.
    kept.extend(range(20))
    left = {row[0]: row[1] for row in muppy._get_usage(lambda number: kept.append(Thing(number)), 77777)}
    cases.equal((left.pop("__main__.Thing"), sum(left.values())), (1, 1), "and what its attributes are in")


def a_summary_is_printed():
    kept = [Thing(number) for number in range(200_000)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        muppy.print_summary()
    lines = printed.getvalue().splitlines()
    cases.equal(lines[0].split(), ["types", "|", "#", "objects", "|", "total", "size"])
    cases.equal(len(lines), 17)
    cases.equal([line.split(" | ")[1].strip() for line in lines if line.strip().startswith("__main__.Thing")],
                [str(len(kept))])


def the_same_as_pympler():
    try:
        original = importlib.import_module("pympler.muppy")
    except ImportError as error:
        raise cases.Skip("pympler is not installed") from error
    kept = [[Thing(number) for number in range(100)], {"a": {1: "b"}, (1, "c"): (1.5, (2.5,))}, {3.5, "d" * 9}]
    objects = None
    for _ in range(2):  # the first time makes what is made once
        ours, theirs = muppy.get_objects(), original.get_objects()
        in_ours, in_theirs = set(ids_of(ours)), set(ids_of(theirs))
        # What is frozen (some interpreters do that with what never goes) is no object to pympler.
        only_ours = [item for item in ours if id(item) not in in_theirs and
                     not (gc.get_freeze_count() and gc.is_tracked(item))]
        only_theirs = [item for item in theirs if id(item) not in in_ours and item is not ours]
        objects = ours
    cases.equal(only_ours, [])
    named = [item for item in only_theirs if isinstance(item, (Thing, types.FunctionType, types.ModuleType, type)) and
             not str(getattr(item, "__module__", None) or item.__name__).startswith("memcapture")]
    cases.equal(named, [], "only what memcapture holds is left out")
    cases.equal(set(ids_of(kept)) <= set(ids_of(objects)), True)
    cases.equal(muppy.get_size(objects), original.get_size(objects))
    cases.equal(ids_of(muppy.sort(objects)), ids_of(original.sort(objects)))
    cases.equal(ids_of(muppy.filter(objects, str, 100, 1000)), ids_of(original.filter(objects, str, 100, 1000)))


cases.main(each_object_once_or_for_each_reference, garbage_is_collected_first, no_frames_but_those_asked_for,
           no_garbage_is_left, referents_by_level, sizes, sizes_of_all_there_is, filters, differences, containers,
           usage_is_exact, a_summary_is_printed, the_same_as_pympler)
