#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The walk over all objects: it finds what there is, each once, leaves no trace and does not
stumble over odd objects.  Seen through muppy, which lists what the walk visits."""

import collections
import gc
import os
import sys
import types
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import muppy, summary
from memcapture.classtracker import ClassTracker


class Plain:
    def __init__(self, number):
        self.number = number


class Slotted:
    __slots__ = ("left", "right")


def ids_of(objects):
    return {id(item) for item in objects}


def reference_objects():
    """What the interpreter's own functions say there is."""
    gc.collect()
    tracked = [item for item in gc.get_objects() if type(item) is not types.FrameType]
    referents = [item for holder in tracked for item in gc.get_referents(holder)
                 if not gc.is_tracked(item) and type(item) is not types.FrameType]
    return {id(item): item for item in tracked + referents}


def is_of_package(item):
    """Of memcapture by what it says, or what modules, functions and classes of memcapture hold."""
    return str(getattr(type(item), "__module__", "")).startswith("memcapture") or \
        str(getattr(item, "__module__", "")).startswith("memcapture")


def same_objects_as_the_collector():
    kept = [Plain(1), Slotted(), {"key": [1.5, "text" * 3]}, {1, 2, 3}, (1, (2, [3])), collections.deque([b"bytes"])]
    found = muppy.get_objects()
    expected = reference_objects()
    ours = ids_of(found)
    cases.equal(len(ours), len(found), "each object once")
    ignored = {id(found), id(kept), id(ours)}
    odd = [item for at, item in expected.items() if at not in ours and at not in ignored and not is_of_package(item)]
    # What memcapture alone holds has no name of its own; there is not much of it, and none is this file's.
    program = [item for item in odd if isinstance(item, (Plain, Slotted, types.FrameType))]
    cases.equal(program, [])
    cases.equal(all(id(item) in ours for item in kept), True)
    # What is frozen (some interpreters do that with what never goes) is no object to gc.get_objects().
    may_be_frozen = gc.get_freeze_count() > 0
    cases.equal([item for item in found if id(item) not in expected and
                 not (may_be_frozen and gc.is_tracked(item))], [])


def nothing_shows_of_the_observer():
    watched = [Plain(number) for number in range(100)]
    text = "a text of its own" + str(len(watched))
    before = [sys.getrefcount(item) for item in (*watched, text, watched)]
    for _ in range(3):
        muppy.get_objects()
        summary.summarize(watched)
    cases.equal([sys.getrefcount(item) for item in (*watched, text, watched)], before)
    cases.equal([weakref.getweakrefcount(item) for item in watched], [0] * 100)


def no_dict_is_made():
    watched = Plain(5)
    cases.equal(any(type(item) is dict for item in gc.get_referents(watched)), sys.version_info < (3, 11))
    muppy.get_objects()
    cases.equal(any(type(item) is dict for item in gc.get_referents(watched)), sys.version_info < (3, 11))


def own_objects_are_left_out():
    tracker = ClassTracker()
    watched = Plain(1)
    tracker.track_object(watched, name="a name that only the tracker has".upper())
    objects = muppy.get_objects()
    cases.equal([item for item in objects if type(item).__module__.startswith("memcapture")], [])
    cases.equal([item for item in objects
                 if isinstance(item, types.ModuleType) and item.__name__.startswith("memcapture")], [])
    cases.equal([item for item in objects
                 if isinstance(item, types.FunctionType) and str(item.__module__).startswith("memcapture")], [])
    cases.equal(any(item is watched for item in objects), True)
    tracker.close()


def long_chains_and_rings():
    chain = None
    for _ in range(1_000_000):
        chain = (chain,)
    ring = [None]
    last = ring
    for _ in range(300_000):
        last = [last]
    ring[0] = last
    objects = muppy.get_objects()
    cases.equal(len(objects) > 300_000, True)
    cases.equal(any(item is ring for item in objects), True)
    del objects
    cases.equal(len(muppy.get_referents(ring, level=1_000_000)), 300_001)
    ring.clear()


class Broken:
    """Whatever is asked of it fails."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("repr")

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __hash__(self):
        raise RuntimeError("hash")

    def __len__(self):
        raise RuntimeError("len")

    def __sizeof__(self):
        raise RuntimeError("sizeof")


class Liar:
    @property
    def __class__(self):
        return int


class Meta(type):
    def __eq__(cls, other):
        raise RuntimeError("eq of a class")

    def __hash__(cls):
        raise RuntimeError("hash of a class")

    def __repr__(cls):
        raise RuntimeError("repr of a class")


class OddClass(metaclass=Meta):
    pass


def odd_objects():
    short = Plain(1)
    proxy = weakref.proxy(short)
    del short
    broken, liar, odd = Broken(), Liar(), OddClass()
    objects = muppy.get_objects()
    ids = ids_of(objects)
    cases.equal([id(item) in ids for item in (broken, liar, odd)], [True] * 3)
    cases.equal(any(type(item) is weakref.ProxyType for item in objects), True)
    rows = summary.summarize([broken, liar, odd, proxy])
    cases.equal([row[1] for row in rows], [1] * 4)
    cases.equal(all(row[2] >= 16 for row in rows), True)
    cases.equal(muppy.get_size([broken]), object.__sizeof__(broken) + (16 if sys.version_info < (3, 11) else 32))
    cases.equal([type(item) for item in muppy.filter([broken, liar, odd, proxy], Type=Plain)], [])


def types_that_are_torn_down():
    """A class whose parts are gone while an instance's finalizer looks at all objects."""
    seen = []

    class Gone:
        def __del__(self):
            seen.append(len(muppy.get_objects()))
            seen.append(summary.summarize([self])[0][1])

    for _ in range(3):
        ring = Gone()
        ring.ring = ring
        ring.cls = type("Torn", (Gone,), {"__slots__": ("part",)})
        ring.other = ring.cls()
        ring.other.part = ring
        del ring
    gc.collect()
    cases.equal(len(seen), 12)
    cases.equal(all(seen), True)


def frozen_objects_are_objects():
    gc.unfreeze()
    kept = [Plain(1)]
    gc.freeze()
    try:
        cases.equal(id(kept) in ids_of(muppy.get_objects()), True)
    finally:
        gc.unfreeze()


def the_collector_stays_as_it_was():
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        muppy.get_objects()
        cases.equal(gc.isenabled(), enabled)
    gc.enable()


cases.main(same_objects_as_the_collector, nothing_shows_of_the_observer, no_dict_is_made, own_objects_are_left_out,
           long_chains_and_rings, odd_objects, types_that_are_torn_down, frozen_objects_are_objects,
           the_collector_stays_as_it_was)
