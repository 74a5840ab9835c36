#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An address that is used again is another object: for each kind of object, one is freed and others are
made until one has its address, and the tracker must tell them apart."""

import collections
import contextvars
import os
import subprocess
import sys
import tracemalloc

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture.reftracker import ObjTracker

TRIES = 20_000
MANY = 3_000
SANITIZED = "MR_SANITIZED" in os.environ  # freed memory is not used again for a while


class Plain:
    def __init__(self, value=0):
        self.value = value


class Slots:
    __slots__ = ("value",)


class WeakSlots:
    __slots__ = ("value", "__weakref__")


class ListChild(list):
    pass


class TupleChild(tuple):
    pass


class DictChild(dict):
    pass


class FloatChild(float):
    pass


Pair = collections.namedtuple("Pair", "left right")

number = 0.5


def new_context():
    return contextvars.Context()


# What makes an object of each kind; the same contents each time, so that nothing but the identity differs.
KINDS = {
    "instance": Plain,
    "instance with slots": Slots,
    "instance with slots and weak references": WeakSlots,
    "dict": lambda: {"a": Plain},
    "empty dict": lambda: {},
    "list": lambda: [Plain],
    "empty list": lambda: [],
    "tuple": lambda: (Plain, len(sys.argv)),
    "long tuple": lambda: (Plain,) * (len(sys.argv) + 40),
    "str": lambda: "text" * (3 + len(sys.argv)),
    "large str": lambda: "text" * (3000 + len(sys.argv)),
    "bytes": lambda: b"text" * (3 + len(sys.argv)),
    "float": lambda: number * len(sys.argv),
    "complex": lambda: complex(number, len(sys.argv)),
    "set": lambda: {Plain},
    "slice": lambda: slice(number, None),
    "context": new_context,
    "bytearray": lambda: bytearray(100),
    "subclass of list": ListChild,
    "subclass of tuple": TupleChild,
    "subclass of dict": DictChild,
    "subclass of float": lambda: FloatChild(0.5),
    "named tuple": lambda: Pair(Plain, Slots),
    "function": lambda: lambda: None,
    "object": object,
    "MemoryError": MemoryError,
}


def free_and_make(held, make):
    """Frees what HELD has, and puts an object there that has its address, or None.

    Those that are made and have another address stay alive meanwhile, in places that are there before:
    nothing else may take the memory.
    """
    others = [None] * TRIES
    address = id(held[0])
    held[0] = None
    for at in range(TRIES):
        others[at] = make()
        if id(others[at]) == address:
            held[0] = others[at]
            return True
    return False


def replace_all(held, make):
    """Puts other objects into HELD, of which some at least lie where some of those before lay."""
    before = frozenset(map(id, held))
    for at in range(len(held)):
        held[at] = None
    for at in range(len(held)):
        held[at] = make()
    assert SANITIZED or any(id(one) in before for one in held)


def count(rows, name):
    return sum(row[1] for row in rows if row[0] == name)


def name_of(make):
    kind = type(make())
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def is_told_apart(make):
    def of(rows):
        return [row[1] for row in rows if row[0] == name]

    held = [None]
    name = name_of(make)
    tracker = ObjTracker()
    held[0] = make()
    before = tracker.compare()
    cases.equal(of(before.created), [1], "created")
    cases.equal(of(tracker.compare().persistent), [1], "persistent")
    if not free_and_make(held, make):
        return False
    after = tracker.compare()
    cases.equal((of(after.deleted), of(after.created), of(after.persistent)), ([1], [1], []), "replaced")
    cases.equal(of(tracker.compare().persistent), [1], "the second one")
    tracker.close()
    return True


def case_of(what, make):
    def case():
        if not is_told_apart(make):
            raise cases.Skip("no object got the address of the one before")
    case.__name__ = "an_address_used_again_by_a_" + what.replace(" ", "_")
    return case


def objects_in_memory_of_other_kinds_are_new():
    """Where many objects were, as many of another kind are made, in the same memory."""
    kinds = ("list", "tuple", "instance", "instance with slots", "object", "complex", "float", "empty dict", "bytes")
    number_of_objects, same = MANY, 0
    for first in kinds:
        for second in kinds:
            held = [None] * number_of_objects
            for at in range(number_of_objects):
                held[at] = KINDS[first]()
            tracker = ObjTracker()
            before = frozenset(map(id, held))
            for at in range(number_of_objects):
                held[at] = None
            for at in range(number_of_objects):
                held[at] = KINDS[second]()
            same += sum(id(one) in before for one in held)
            changes = tracker.compare()
            cases.equal((count(changes.deleted, name_of(KINDS[first])), count(changes.created, name_of(KINDS[second]))),
                        (number_of_objects, number_of_objects), f"{first}, {second}")
            tracker.close()
            before = None
    assert SANITIZED or same > number_of_objects, same


def floats_used_up_by_arithmetic_are_told_apart():
    """The interpreter frees an operand of an addition of floats by a way of its own."""
    held = [[number * 3], None]

    def add(values):
        return values.pop() + 1.25

    for _ in range(100):
        add([number * 5])
    tracker = ObjTracker()
    cases.equal(tracker.compare().created, [])
    address = id(held[0][0])
    add(held[0])
    others = []
    for i in range(TRIES):
        one = number * (i + 7)
        if id(one) == address:
            held[1] = one
            break
        others.append(one)
    others.clear()
    one = None
    if held[1] is None:
        raise cases.Skip("no float got the address of the one before")
    changes = tracker.compare()
    cases.equal(([row[1] for row in changes.deleted if row[0] == "float"],
                 [row[1] for row in changes.created if row[0] == "float"]), ([1], [1]))


def an_object_that_gets_another_class_is_the_same():
    class One:
        pass

    class Two:
        pass

    held = [One()]
    tracker = ObjTracker()
    held[0].__class__ = Two
    changes = tracker.compare()
    cases.equal([row for row in changes.created + changes.deleted if "<locals>" in row[0]], [])
    cases.equal(sorted(name.rpartition(".")[2] for name in changes.counts if "<locals>" in name), ["One", "Two"])


def two_trackers_know_the_same_object_each_on_its_own():
    held = [Plain() for _ in range(MANY)]
    first = ObjTracker()
    replace_all(held, Plain)
    second = ObjTracker()
    cases.equal(count(second.compare().created, "__main__.Plain"), 0)
    changes = first.compare()
    cases.equal((count(changes.created, "__main__.Plain"), count(changes.deleted, "__main__.Plain")), (MANY, MANY))
    second.close()
    cases.equal(count(first.compare().persistent, "__main__.Plain"), MANY)


def a_lost_allocator_is_noticed_and_mended():
    tracemalloc.start()
    tracker = ObjTracker()
    cases.equal(tracker.compare().exact, True)
    tracemalloc.stop()  # puts back the allocator that was there before it started
    held = [Plain() for _ in range(MANY)]
    changes = tracker.compare()
    cases.equal(changes.exact, False)
    cases.contains(str(changes), "deaths were not noticed")
    tracker.start()
    replace_all(held, Plain)
    changes = tracker.compare()
    cases.equal((changes.exact, count(changes.created, "__main__.Plain"), count(changes.deleted, "__main__.Plain")),
                (True, MANY, MANY))


def an_allocator_put_on_top_later_does_no_harm():
    tracker = ObjTracker()
    tracemalloc.start()
    held = [Plain() for _ in range(MANY)]
    cases.equal(count(tracker.compare().created, "__main__.Plain"), MANY)
    tracker.close()  # its hook stays, and passes on
    another = ObjTracker()
    replace_all(held, Plain)
    changes = another.compare()
    cases.equal((changes.exact, count(changes.created, "__main__.Plain")), (True, MANY))
    tracemalloc.stop()
    cases.equal(another.compare().exact, True)


def deep_containers_are_freed_without_deep_recursion():
    tracker = ObjTracker()
    for wrap in (lambda inner: [inner], lambda inner: (inner,), lambda inner: {"a": inner}):
        nested = None
        for _ in range(300_000):
            nested = wrap(nested)
        del nested
    mixed = None
    for i in range(300_000):
        mixed = ([mixed], {"a": mixed}, (mixed,), ListChild([mixed]), TupleChild((mixed,)), DictChild(a=mixed))[i % 6]
    del mixed
    kinds = "list", "tuple", "dict", "__main__.ListChild", "__main__.TupleChild", "__main__.DictChild"
    created = tracker.compare().created
    cases.equal([row for row in created if row[0] in kinds], [])


def deallocators_are_given_back():
    code = """if 1:
        import ctypes, sys
        from memcapture.reftracker import ObjTracker
        at = type.__basicsize__ and 6 * ctypes.sizeof(ctypes.c_void_p)
        def dealloc(kind):
            return ctypes.c_void_p.from_address(id(kind) + at).value
        kinds = tuple, list, dict, float, slice
        before = [dealloc(kind) for kind in kinds]
        one, two = ObjTracker(), ObjTracker()
        during = [dealloc(kind) for kind in kinds]
        one.close()
        assert [dealloc(kind) for kind in kinds] == during
        two.close()
        assert [dealloc(kind) for kind in kinds] == before
        assert not set(before) & set(during)
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    cases.equal((result.returncode, result.stderr), (0, ""))


def a_tracker_that_is_never_closed_does_no_harm_at_exit():
    code = "from memcapture.reftracker import ObjTracker as T; a = T(); b = T(); a.me = a\n" \
           "a.compare(); import builtins; builtins.kept = b"
    code = code.replace("a.me = a", "import sys; sys.kept = a")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    cases.equal((result.returncode, result.stderr), (0, ""))


def a_forked_child_goes_on():
    held = [Plain() for _ in range(100)]
    tracker = ObjTracker()
    child = os.fork()
    if child == 0:
        del held[50:]
        changes = tracker.compare()
        numbers = [count(rows, "__main__.Plain") for rows in (changes.deleted, changes.created)]
        os._exit(0 if numbers == [50, 0] else 1)
    cases.equal(os.waitpid(child, 0)[1], 0)
    cases.equal(count(tracker.compare().deleted, "__main__.Plain"), 0)


cases.main(*(case_of(what, make) for what, make in KINDS.items()),
           objects_in_memory_of_other_kinds_are_new,
           floats_used_up_by_arithmetic_are_told_apart,
           an_object_that_gets_another_class_is_the_same,
           two_trackers_know_the_same_object_each_on_its_own,
           a_lost_allocator_is_noticed_and_mended,
           an_allocator_put_on_top_later_does_no_harm,
           deep_containers_are_freed_without_deep_recursion,
           deallocators_are_given_back,
           a_tracker_that_is_never_closed_does_no_harm_at_exit,
           a_forked_child_goes_on)
