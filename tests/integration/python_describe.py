#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""describeObj() and natural names of references: every kind of holder, cycles, limits, objects whose own
code fails, and that looking leaves no trace.  Where Reftracker is importable, it is compared with too."""

import collections
import contextlib
import gc
import io
import os
import re
import sys
import types
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture._capture import describeObj, object_string, refPathString, referrer_paths

try:
    import reftracker as original
except ImportError:
    original = None

THIS = __name__
DICTS = sys.version_info < (3, 11)  # attributes are in a dict of their own, one step more


class Thing:
    pass


class Slotted:
    __slots__ = ("first", "__hidden")

    def __init__(self, first):
        self.first = first
        self.__hidden = [first]


class Hostile:
    """Nothing of it may run."""


def failing(name):
    def fail(*args):
        raise RuntimeError(f"the program's {name} ran")
    return fail


for attribute in ("repr", "str", "eq", "len", "iter", "getattr", "sizeof", "bool"):
    setattr(Hostile, f"__{attribute}__", failing(attribute))


class KeyOf(Hostile):
    def __hash__(self):
        return 1


leaks = []


def lines(obj, depth=4, path=None, ignore=None):
    """What is told of an object, but for what this test's own functions see of the module."""
    return [line for line in referrer_paths(obj, depth, path, ignore)
            if "__globals__" not in line and "<frame" not in line]


def only(obj, depth=4):
    found = lines(obj, depth)
    cases.equal(len(found), 1, found)
    return found[0]


def natural_names():
    leaks[:] = [Thing(), Thing()]
    cases.equal(lines(leaks[1]), [f"{THIS}.leaks[1]"])
    leaks[0].data = Thing()
    cases.equal(only(leaks[0].data, depth=5 + DICTS), f"{THIS}.leaks[0].data")
    leaks[0].__dict__["other"] = Thing()     # a dict of its own
    cases.equal(only(leaks[0].other, depth=6), f"{THIS}.leaks[0].other")
    leaks[1] = {"name": Thing(), 3: Thing(), 1.5: [Thing()], "x" * 60: Thing()}
    cases.equal(only(leaks[1]["name"], depth=5), f"{THIS}.leaks[1][name]")
    cases.equal(only(leaks[1][3], depth=5), f"{THIS}.leaks[1][3]")
    cases.equal(only(leaks[1][1.5][0], depth=6), f"{THIS}.leaks[1][1.5][0]")
    cases.equal(only(leaks[1]["x" * 60], depth=5), f"{THIS}.leaks[1][\"{'x' * 50}...\"]")
    key = Thing()
    leaks[1] = {key: 1}
    line = only(key, depth=5)
    cases.equal(line, f"{THIS}.leaks[1][key:<Thing Thing>]")
    leaks.clear()


def kinds_of_holders():
    def told(holder, obj, expected):
        cases.equal(refPathString([holder, obj]), object_string(holder) + expected)

    thing = Thing()
    slotted = Slotted(thing)
    told(slotted, thing, ".first")
    cases.equal(refPathString([slotted, slotted._Slotted__hidden, thing]),
                "<Slotted Slotted>._Slotted__hidden[0]")
    told((1, thing), thing, "[1]")
    told({thing}, thing, "{...}")
    told(frozenset([thing]), thing, "{...}")
    told(collections.deque([0, thing]), thing, "[1]")

    def closure():
        return thing
    cell = closure.__closure__[0]
    told(cell, thing, ".cell_contents")
    cases.equal(refPathString([closure, closure.__closure__, cell, thing]),
                "<function function>.__closure__[0].cell_contents")
    told(closure, globals(), ".__globals__")

    def defaults(value=(thing,)):
        return value
    cases.equal(refPathString([defaults, defaults.__defaults__, defaults.__defaults__[0], thing]),
                "<function function>.__defaults__[0][0]")
    method = types.MethodType(defaults, thing)
    told(method, thing, ".__self__")
    told(method, defaults, ".__func__")
    told([].append, thing, " ? ")
    cls = type("Holder", (Thing,), {"attribute": thing})
    told(cls, thing, ".attribute")
    told(cls, Thing, ".__base__")
    told(cls(), cls, ".__class__")
    told(sys, sys.path, ".path")

    def callback(_):
        pass
    told(weakref.ref(thing, callback), callback, ".__callback__")
    told(types.MappingProxyType({"k": thing}), thing, " ? ")

    def generator():
        local = thing
        yield local
    running = generator()
    next(running)
    told(running, thing, ".local")
    cases.equal(refPathString([running.gi_frame, thing]), "<frame frame>.local")
    error = ValueError(thing)
    cases.equal(refPathString([error, error.args, thing]), "<ValueError ValueError>.args[0]")
    named = {"k": thing}
    told(named.values(), named, ".mapping")
    cases.equal(refPathString([list, list.append]), "<type type>.append", "a dict of the interpreter's")
    cases.equal(refPathString([thing]), "<Thing Thing>")


def cycles_and_dead_ends():
    thing = Thing()
    thing.me = thing
    thing.list = [thing]
    cases.equal([line for line in lines(thing) if line.startswith("Cyclic")],
                ["Cyclic reference: <Thing Thing>.me", "Cyclic reference: <Thing Thing>.list[0]"])
    alone = [Thing()]
    cases.equal(lines(alone[0], ignore={id(alone): None}), ["Dead end: <Thing Thing>"])
    cases.equal(lines(alone[0])[-1], "Dead end: <list [Thing]>[0]")
    # A path that was begun elsewhere goes on.
    cases.equal(lines(alone, path=[alone, alone[0]])[-1], "Dead end: <list [Thing]>[0]")
    shell = {"_": [Thing()]}
    cases.equal(lines(shell["_"][0], depth=3), [])    # what the interactive interpreter keeps


def a_thousand_paths():
    target = Thing()
    holders = [[target] for _ in range(1000)]
    found = lines(target, depth=3)
    cases.equal(len([line for line in found if line.endswith("][0]")]), 1000)
    cases.equal(sorted(int(re.search(r"\[(\d+)\]\[0\]", line)[1]) for line in found if line.endswith("][0]")),
                list(range(1000)))
    limited = referrer_paths(target, depth=3, limit=10)
    cases.equal(len(limited), 11)
    cases.contains(limited[-1], "... and ")
    cases.contains(limited[-1], " more paths")
    del holders


def prints_the_same():
    out = io.StringIO()
    leaks.append(Thing())
    with contextlib.redirect_stdout(out):
        cases.equal(describeObj(leaks[0]), None)
    cases.equal([line for line in out.getvalue().splitlines() if "__globals__" not in line], [f"{THIS}.leaks[0]"])
    leaks.clear()
    with cases.raises(TypeError, "unexpected keyword"):
        describeObj(1, deep=3)
    with cases.raises(TypeError, "missing"):
        describeObj()
    with cases.raises(TypeError, "at most"):
        describeObj(1, 2, 3, 4, 5, 6)
    with cases.raises(ValueError, "at least one"):
        refPathString([])


def nothing_runs():
    hostile = Hostile()
    holder = {KeyOf(): hostile, "plain": [hostile]}
    found = lines(hostile, depth=2)
    cases.equal(len(found), 2, found)
    cases.contains("\n".join(found), "[<KeyOf KeyOf>]")
    cases.equal(object_string(hostile), "<Hostile Hostile>")

    class Number(int):
        def __str__(self):
            raise RuntimeError("the program's code ran")
        __repr__ = __str__

    class Text(str):
        __str__ = __repr__ = __len__ = Number.__str__

    cases.equal(object_string(Number(7)), "7")
    cases.equal(object_string(Text("t")), "t")
    cases.equal(object_string("\udc80é"), "\udc80é")
    cases.equal(object_string({1: 2, "a": 3}), "<dict {1,a}>")
    cases.equal(object_string([1] * 9), "<list [int,int,int,int,int,...]>")
    cases.equal(object_string(sys), "sys")
    cases.equal(object_string(1.5), "1.5")
    del holder


def leaves_no_trace():
    thing = Thing()
    thing.data = [1]
    held = [thing, {"k": thing}]
    referrer_paths(thing)
    gc.collect()
    before = (sys.getrefcount(thing), sys.getrefcount(held), weakref.getweakrefcount(thing),
              len(gc.get_referrers(thing)), len(gc.get_objects()))
    for _ in range(5):
        referrer_paths(thing)
        refPathString(held)
    gc.collect()
    cases.equal((sys.getrefcount(thing), sys.getrefcount(held), weakref.getweakrefcount(thing),
                 len(gc.get_referrers(thing)), len(gc.get_objects())), before)
    text = "é" * 40
    size = sys.getsizeof(text)
    object_string(text)
    cases.equal(sys.getsizeof(text), size)


def deep_and_wide():
    """A list of many objects that refer to one another: no recursion, and not each path's own walk."""
    first = last = Thing()
    for _ in range(200_000):
        last.next = Thing()
        last = last.next
    cases.equal(only(last, depth=6 + 5 * DICTS), "<Thing Thing>" + ".next" * 5)
    wide = [Thing() for _ in range(20_000)]
    target = Thing()
    for thing in wide:
        thing.to = target
    found = [line for line in lines(target, depth=3 + DICTS) if line.endswith(".to")]
    cases.equal(len(found), 20_000)
    cases.equal(set(found), {f"<list [{'Thing,' * 5}...]>[{number}].to" for number in range(20_000)})
    while first is not None:      # or freeing it would go deep
        first = first.__dict__.pop("next", None)


def as_the_original():
    if original is None:
        raise cases.Skip("Reftracker is not importable")
    leaks[:] = [Thing(), [Thing()], {"k": Thing(), 4: [Thing()]}]
    leaks[0].list = [leaks[0]]
    for obj in (leaks[0], leaks[1][0], leaks[2]["k"], leaks[2][4][0], leaks[2][4], leaks):
        for depth in (1, 2, 3, 4, 5):
            out = io.StringIO()
            whole = False
            with contextlib.redirect_stdout(out), contextlib.suppress(TypeError):
                original.describeObj(obj, depth=depth)    # which fails where a path begins at a class
                whole = True
            theirs = out.getvalue().splitlines()
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                describeObj(obj, depth=depth)
            ours = out.getvalue().splitlines()
            ours = ours if whole else ours[:len(theirs)]
            cases.equal(len(ours), len(theirs), (depth, ours, theirs))
            for mine, other in zip(ours, theirs):
                # It knows fewer names: each of its question marks is a name here, or one too.
                pattern = ".*".join(re.escape(part) for part in other.split(" ? "))
                if not re.fullmatch(pattern, mine):
                    raise AssertionError(f"{mine!r} is not {other!r}")
    leaks.clear()


if __name__ == "__main__":
    cases.main(natural_names, kinds_of_holders, cycles_and_dead_ends, a_thousand_paths, prints_the_same, nothing_runs,
               leaves_no_trace, deep_and_wide, as_the_original)
