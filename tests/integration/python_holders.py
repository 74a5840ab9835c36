#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""find_holders(): shortest paths from roots to objects that are held in every way there is, their patterns,
large heaps, objects whose own code fails, and that looking leaves no trace."""

import collections
import contextvars
import ctypes
import functools
import gc
import itertools
import os
import sys
import threading
import types
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture._capture import find_holders

THIS = __name__


class Thing:
    def __init__(self, data=None):
        self.data = data


class Tree:
    def __init__(self, depth):
        self.left = Tree(depth - 1) if depth else None
        self.right = Tree(depth - 1) if depth else None

    def nodes(self):
        yield self
        for child in (self.left, self.right):
            if child:
                yield from child.nodes()


class Slotted:
    __slots__ = ("slot",)


held = {}


def path(obj):
    """The path, and the kind of root, of one object; OBJ is a function that gives it, so that no frame of
    this test holds it."""
    rows = find_holders([obj()])
    cases.equal(len(rows), 1, rows)
    kind, count, size, found, example, root, length = rows[0]
    cases.equal((count, found), (1, example))
    cases.equal(size > 0 and length >= 0, True)
    return found, root


def is_held(obj, expected, root="module"):
    cases.equal(path(obj), (expected, root))


def modules():
    held["list"] = [Thing(), Thing()]
    is_held(lambda: held["list"][1], f"{THIS}.held['list'][1]")
    held["list"][0].data = {"k": (Thing(),), ("a", 1): Thing(), None: Thing(), Thing: Thing(), b"b": Thing()}
    data = f"{THIS}.held['list'][0].data"
    is_held(lambda: held["list"][0].data["k"][0], f"{data}['k'][0]")
    is_held(lambda: held["list"][0].data["a", 1], f"{data}[('a', 1)]")
    is_held(lambda: held["list"][0].data[None], f"{data}[None]")
    is_held(lambda: held["list"][0].data[Thing], f"{data}[Thing]")
    is_held(lambda: held["list"][0].data[b"b"], f"{data}[b'b']")
    is_held(lambda: held, f"{THIS}.held")
    is_held(lambda: Thing, f"{THIS}.Thing")
    is_held(lambda: Thing.__init__, f"{THIS}.Thing.__init__")
    sys.modules["made.up"] = types.ModuleType("another name")
    sys.modules["made.up"].value = Thing()
    is_held(lambda: sys.modules["made.up"].value, "made.up.value")
    del sys.modules["made.up"]
    held.clear()


def kinds_of_holders():
    def closure(value):
        return lambda: value

    def generator(value):
        yield value

    def raised():
        inside = Thing()
        held["inside"] = weakref.ref(inside)
        raise ValueError

    held.update(set={Thing()}, deque=collections.deque([0, Thing()]), partial=functools.partial(print, Thing()),
                closure=closure(Thing()), generator=generator(Thing()), slotted=Slotted(),
                cls=type("Cls", (), {"attribute": Thing()}), bound=types.MethodType(print, Thing()),
                proxy=types.MappingProxyType({"k": Thing()}), chain=itertools.chain([Thing()]),
                default=lambda value=Thing(): value, callback=weakref.ref(Thing, Thing().__init__),
                view={"k": Thing()}.values())
    held["slotted"].slot = Thing()
    next(held["generator"])
    try:
        raised()
    except ValueError as error:
        held["error"] = error
    is_held(lambda: next(iter(held["set"])), f"{THIS}.held['set']{{...}}")
    is_held(lambda: held["deque"][1], f"{THIS}.held['deque'][1]")
    is_held(lambda: held["partial"].args[0], f"{THIS}.held['partial'].args[0]")
    is_held(lambda: held["closure"].__closure__[0].cell_contents,
            f"{THIS}.held['closure'].__closure__[0].cell_contents")
    is_held(lambda: held["generator"].gi_frame.f_locals["value"], f"{THIS}.held['generator'].value")
    is_held(lambda: held["slotted"].slot, f"{THIS}.held['slotted'].slot")
    is_held(lambda: held["cls"].attribute, f"{THIS}.held['cls'].attribute")
    is_held(lambda: held["bound"].__self__, f"{THIS}.held['bound'].__self__")
    is_held(lambda: held["proxy"]["k"], f"{THIS}.held['proxy']['k']")
    is_held(lambda: held["default"].__defaults__[0], f"{THIS}.held['default'].__defaults__[0]")
    is_held(lambda: held["callback"].__callback__.__self__, f"{THIS}.held['callback'].__callback__.__self__")
    is_held(lambda: held["view"].mapping["k"], f"{THIS}.held['view'].mapping['k']")
    is_held(lambda: held["inside"](), f"{THIS}.held['error'].__traceback__.tb_next.tb_frame.inside")
    held.clear()


def frames():
    mine = Thing()
    in_cell = Thing()
    mine.data = [Thing()]
    refs = [weakref.ref(mine), weakref.ref(in_cell), weakref.ref(mine.data[0])]
    is_held(lambda: refs[0](), "frames().mine", "frame")
    is_held(lambda: (in_cell, refs[1]())[1], "frames().in_cell", "frame")
    is_held(lambda: refs[2](), "frames().mine.data[0]", "frame")

    class Worker:
        def run(self):
            local = Thing()
            held["local"] = weakref.ref(local)
            started.set()
            ended.wait()

    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=Worker().run)
    thread.start()
    started.wait()
    found, root = path(lambda: held["local"]())
    cases.equal(root, "frame")
    cases.equal(found in ("Worker.run().local", "run().local"), True, found)
    ended.set()
    thread.join()
    local = threading.local()
    local.value = Thing()
    cases.equal(path(lambda: local.value)[1] in ("frame", "interpreter"), True)
    variable = contextvars.ContextVar("variable")
    variable.set(Thing())
    cases.equal(path(variable.get)[1] in ("frame", "interpreter"), True)
    held.clear()


def outside_and_cycles():
    """C code that shows nothing to the collector; what holds itself."""
    python = ctypes.pythonapi
    thing = Thing()
    thing.data = [Thing()]
    refs = [weakref.ref(thing), weakref.ref(thing.data[0])]
    python.Py_IncRef(ctypes.py_object(thing))
    del thing
    is_held(lambda: refs[0](), "<C code: Thing>", "outside")
    is_held(lambda: refs[1](), "<C code: Thing>.data[0]", "outside")
    python.Py_DecRef(ctypes.py_object(refs[0]()))
    cases.equal(refs[0](), None)
    gc.disable()
    thing = Thing()
    thing.data = {"me": thing, "other": Thing()}
    refs = [weakref.ref(thing), weakref.ref(thing.data["other"])]
    del thing
    is_held(lambda: refs[0](), "<cycle: Thing>", "cycle")
    found, root = path(lambda: refs[1]())
    cases.equal((found.startswith("<cycle: "), found.endswith("['other']"), root), (True, True, "cycle"))
    gc.enable()
    gc.collect()
    cases.equal(refs[0](), None)


def patterns():
    held["things"] = [Thing([number]) for number in range(10)]
    held["by name"] = {name: {"value": Thing()} for name in "abc"}
    rows = find_holders([thing.data for thing in held["things"]])
    cases.equal([(row[1], row[3], row[4], row[6]) for row in rows],
                [(10, f"{THIS}.held['things'][*].data", f"{THIS}.held['things'][0].data", 4)])
    rows = find_holders([entry["value"] for entry in held["by name"].values()])
    cases.equal([(row[1], row[3]) for row in rows], [(3, f"{THIS}.held['by name'][*]['value']")])
    # What is the same in all of them stays.
    rows = find_holders([held["things"][3].data, held["things"][3], held["things"][4]])
    cases.equal([(row[0], row[1], row[3]) for row in rows],
                [(list, 1, f"{THIS}.held['things'][3].data"), (Thing, 2, f"{THIS}.held['things'][*]")])
    # The way that holds most comes first; those too many are one row.
    held.clear()
    for number in range(12):
        setattr(held.setdefault("parts", Thing()), f"part{number}", [Thing() for _ in range(number + 1)])
    objects = [thing for number in range(12) for thing in getattr(held["parts"], f"part{number}")]
    rows = find_holders(objects, ways=3)
    cases.equal([(row[1], row[3]) for row in rows],
                [(12, f"{THIS}.held['parts'].part11[*]"), (11, f"{THIS}.held['parts'].part10[*]"),
                 (10, f"{THIS}.held['parts'].part9[*]"), (45, "(other ways)")])
    cases.equal([row[5] for row in rows], ["module"] * 3 + ["other"])
    cases.equal(len(find_holders(objects, ways=12)), 12)
    cases.equal(find_holders([]), [])
    del objects
    cases.equal(find_holders(held["parts"].part0), find_holders(list(held["parts"].part0)))
    with cases.raises(ValueError, "at least 1"):
        find_holders([1], ways=0)
    with cases.raises(TypeError):
        find_holders(1)
    held.clear()


def what_repeats():
    tree = held["tree"] = Tree(8)
    rows = find_holders(list(tree.nodes()), ways=20)
    cases.equal(sum(row[1] for row in rows), 511)
    cases.contains([row[3] for row in rows], f"{THIS}.held['tree'](.left|.right)*")
    cases.equal(len(rows) <= 7, True, rows)
    held["matrix"] = [[Thing() for _ in range(3)] for _ in range(3)]
    rows = find_holders([thing for row in held["matrix"] for thing in row])
    cases.equal([row[3] for row in rows], [f"{THIS}.held['matrix'][*][*]"])
    held["nested"] = top = Thing([])
    every = []
    for _ in range(6):
        top.data.append(Thing([]))
        top = top.data[0]
        every.append(top)
    rows = find_holders(every)
    cases.equal(sum(row[1] for row in rows), 6)
    cases.equal((rows[0][1], rows[0][3]), (5, f"{THIS}.held['nested'](.data[*])*"))
    held.clear()


def a_million_in_one_cycle():
    """And a list as deep: no recursion, one walk."""
    first = last = Thing()
    for _ in range(999_999):
        last.data = Thing()
        last = last.data
    last.data = first
    middle = first
    for _ in range(5000):
        middle = middle.data
    refs = [weakref.ref(first), weakref.ref(middle)]
    held["ring"] = first
    del first, last, middle
    is_held(lambda: refs[1](), f"{THIS}.held['ring'](.data){{5000}}")
    gc.disable()
    held.clear()
    found, root = path(lambda: refs[1]())
    cases.equal(root, "cycle")
    cases.contains(found, "<cycle: Thing>")
    gc.enable()
    gc.collect()
    cases.equal(refs[0](), None)


def nothing_runs():
    class Hostile:
        def __hash__(self):
            return 1

    def fail(*args):
        raise RuntimeError("the program's code ran")

    key = Hostile()
    held["hostile"] = {key: Hostile()}
    held["hostile"][key].inner = [Hostile()]
    for name in ("repr", "str", "eq", "len", "iter", "getattr", "sizeof", "bool", "getattribute"):
        setattr(Hostile, f"__{name}__", fail)
    is_held(lambda: held["hostile"][key], f"{THIS}.held['hostile'][<Hostile>]")
    is_held(lambda: list(held["hostile"])[0], f"{THIS}.held['hostile']<key <Hostile>>")
    rows = find_holders([object.__getattribute__(held["hostile"][key], "inner")[0]])
    cases.equal(rows[0][3], f"{THIS}.held['hostile'][<Hostile>].inner[0]")
    held["bad\n\x1b[31m\udc80é"] = Thing()
    (row,) = find_holders([held["bad\n\x1b[31m\udc80é"]])
    cases.equal(row[3], f"{THIS}.held['bad\\n\\x1b[31m\\udc80é']")
    setattr(held["bad\n\x1b[31m\udc80é"], "new\nline", [])
    (row,) = find_holders([getattr(held["bad\n\x1b[31m\udc80é"], "new\nline")])
    cases.contains(row[3], ".new\\x0aline")

    class Meta(type):
        __getattribute__ = __repr__ = __instancecheck__ = fail

    torn = Meta("Torn", (), {})
    held["torn"] = [torn()]
    (row,) = find_holders([held["torn"][0]])
    cases.equal(row[3], f"{THIS}.held['torn'][0]")
    held.clear()


def leaves_no_trace():
    thing = held["thing"] = Thing([1])
    objects = [thing, thing.data]
    first = find_holders(objects)
    gc.collect()
    before = (sys.getrefcount(thing), sys.getrefcount(objects), weakref.getweakrefcount(thing),
              len(gc.get_referrers(thing)), len(gc.get_objects()), sys.getrefcount(Thing))
    for _ in range(5):
        cases.equal(find_holders(objects), first)
    gc.collect()
    cases.equal((sys.getrefcount(thing), sys.getrefcount(objects), weakref.getweakrefcount(thing),
                 len(gc.get_referrers(thing)), len(gc.get_objects()), sys.getrefcount(Thing)), before)
    held.clear()


if __name__ == "__main__":
    cases.main(modules, kinds_of_holders, frames, outside_and_cycles, patterns, what_repeats, a_million_in_one_cycle,
               nothing_runs, leaves_no_trace)
