#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""asizeof: sizes against a plain reckoning of the rules in Python and sys.getsizeof(), names, options,
statistics, and what must not happen: a dict that is made by looking, an effect of an attribute,
a reference that stays.  Where pympler is importable, it is compared with too."""

import array
import collections
import copy
import ctypes
import enum
import gc
import io
import os
import pickle
import signal
import sys
import threading
import time
import types
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import asizeof
from memcapture.asizeof import Asized, Asizer

try:
    from pympler import asizeof as original
except ImportError:
    original = None
try:
    import numpy
except ImportError:
    numpy = None


class Plain:
    def __init__(self, *values, **named):
        for number, value in enumerate(values):
            setattr(self, f"a{number}", value)
        for name, value in named.items():
            setattr(self, name, value)


class Slots:
    __slots__ = ("x", "__private")

    def __init__(self, x=None, private=None):
        self.x = x
        self.__private = private


class MoreSlots(Slots):
    __slots__ = "whole"     # one name, not five

    def __init__(self):
        super().__init__([1.5], "abc")
        self.whole = {"k": [1]}


class SlotsAndDict(MoreSlots):
    def __init__(self):
        super().__init__()
        self.more = [4, 5]


class _Hidden:
    __slots__ = ("__x", "__kept__")

    def __init__(self):
        self.__x = [1000]
        self.__kept__ = [2000]


class List(list):
    pass


class Dict(dict):
    pass


class Failure(Exception):
    pass


class Called:
    def __init__(self):
        self.x = [1, 2]

    def __call__(self):
        raise AssertionError("an object was called")


Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1


# ---- A plain reckoning ------------------------------------------------------------------------


def aligned(size):
    return (size + 7) & ~7


def slots_of(obj):
    found = {}
    for cls in type(obj).__mro__:
        names = cls.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{cls.__name__.lstrip('_')}{name}"
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                found.setdefault(name, getattr(obj, name))
    return found


def referents(obj):
    """Those of the types that the tests here use; this makes dicts, so it comes after the C code."""
    kind = type(obj)
    if kind in (list, tuple, set, frozenset):
        return list(obj)
    if isinstance(obj, dict):
        return [part for item in dict.items(obj) for part in item]
    if isinstance(obj, types.CellType):
        return [obj.cell_contents]
    if isinstance(obj, weakref.ref):
        return [obj()]
    if isinstance(obj, Exception):
        return [getattr(obj, name) for name in ("args", "filename", "lineno", "msg", "text") if hasattr(obj, name)]
    if kind in (int, float, str, bool, type(None), complex, bytearray, range, array.array) or callable(obj) \
            and not hasattr(kind, "x") and kind is not Called:
        return []
    found = [] if isinstance(obj, tuple) or not hasattr(obj, "__dict__") else [obj.__dict__]
    found += [kind, *slots_of(obj).values()]
    return found + list(obj) if isinstance(obj, tuple) else found


def reckon(*objs, limit=100):
    seen = {id(obj) for obj in objs}
    total = 0

    def walk(obj, deep):
        nonlocal total
        if isinstance(obj, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
            return          # code
        total += aligned(sys.getsizeof(obj))
        if deep < limit:
            for part in referents(obj):
                if id(part) not in seen:
                    seen.add(id(part))
                    walk(part, deep + 1)

    for obj in objs:
        walk(obj, 0)
    return total


def grown_list(count):
    grown = []
    for number in range(count):
        grown.append(number + 1000)
    return grown


def with_deleted():
    obj = Plain(1000, 2000, 3000)
    del obj.a1
    obj.a1 = [5]
    del obj.a0
    return obj


def with_attribute(obj):
    obj.extra = [9]
    return obj


def cycle():
    first = Plain([1])
    first.other = Plain(first)
    return first


def shared():
    part = [1, 2, 3]
    return [part, part, {"x": part}, (part,)]


def nested(depth):
    inner = []
    for _ in range(depth):
        inner = [inner]
    return inner


def closure(value):
    return (lambda: value).__closure__[0]


def error():
    try:
        open("/nowhere/at/all")
    except OSError as caught:
        return caught


OBJECTS = {
    "numbers": lambda: [0, 1, -1, 2**15, 2**30 - 1, 2**30, -2**30, 2**60, -2**100, 10**100, 1.5, 1j, True, None],
    "strings": lambda: ["", "a", "é", "日本", "😀", "x" * 1000, "é" * 100, bytearray(b"xyz")],
    "lists": lambda: [[], [1], grown_list(100), (), (1, [2])],
    "dicts": lambda: [{}, {1: 2}, {"a": [1]}, {number: str(number) for number in range(100)}],
    "sets": lambda: [set(), {1, "a"}, set(range(100)), frozenset([1, 2])],
    "plain": lambda: Plain(1, "two", [3]),
    "bare": lambda: Plain(),
    "many": lambda: [Plain(number, str(number), [number]) for number in range(300)],
    "wide": lambda: [Plain(*range(1000, 1029)), Plain(*range(1000, 1031)), Plain(*range(1000, 1040))],
    "deleted": with_deleted,
    "slots": lambda: [Slots(1000, [2]), Slots(), MoreSlots(), SlotsAndDict(), _Hidden()],
    "subclasses": lambda: [Dict(a=[1]), with_attribute(Dict()), collections.defaultdict(list, {1: [2]})],
    "list subclass": lambda: with_attribute(List([1000])),
    "named tuple": lambda: Point(1000, [2]),
    "enum": lambda: Colour.RED,
    "called": Called,
    "cycle": cycle,
    "shared": shared,
    "deep": lambda: nested(150),
    "closure": lambda: closure([1] * 100),
    "weak": lambda: (lambda obj: [obj, weakref.ref(obj)])(Plain(1)),
    "errors": lambda: [error(), ValueError("x", [1]), Failure(3)],
    "arrays": lambda: [array.array("i", [1] * 100), array.array("d", [1.5] * 50)],
}


def sizes_are_those_of_a_plain_reckoning():
    for name, make in OBJECTS.items():
        for limit in (0, 1, 2, 3, 5, 100, 200):
            obj = make()
            cases.equal(asizeof.asizeof(obj, limit=limit), reckon(obj, limit=limit), f"{name}, limit {limit}")


def many_random_objects_are_sized_alike():
    import random
    rng = random.Random(7)
    leaves = ["x" * number for number in range(20)] + [1.5, 2**70, None, True, 12345]

    def make(depth):
        kind = rng.randrange(9) if depth else 8
        if kind == 0:
            return [make(depth - 1) for _ in range(rng.randrange(5))]
        if kind == 1:
            return tuple(make(depth - 1) for _ in range(rng.randrange(5)))
        if kind == 2:
            return {rng.choice(leaves): make(depth - 1) for _ in range(rng.randrange(5))}
        if kind == 3:
            return Plain(*[make(depth - 1) for _ in range(rng.randrange(6))])
        if kind == 4:
            return Slots(make(depth - 1), make(depth - 1))
        if kind == 5:
            return Point(make(depth - 1), make(depth - 1))
        if kind == 6:
            return {rng.choice(leaves) for _ in range(5)}
        if kind == 7:
            return SlotsAndDict()
        return rng.choice(leaves)

    for number in range(40):
        obj = [make(6) for _ in range(20)]
        limit = rng.choice((2, 3, 4, 100))
        cases.equal(asizeof.asizeof(obj, limit=limit), reckon(obj, limit=limit), f"object {number}")


def each_object_counts_once_for_the_first():
    part = [1] * 100
    first, second = [part], [part]
    sizes = asizeof.asizesof(first, second, first)
    cases.equal(sizes[0] - sizes[1], asizeof.asizeof(part))
    cases.equal(sizes[2], sizes[0])
    cases.equal(asizeof.asizeof(first, second), sum(sizes[:2]))
    # One that is given counts for itself, not for what refers to it.
    cases.equal(asizeof.asizesof(first, part), (64, asizeof.asizeof(part)))


def counts_are_kept_over_calls():
    sizer = Asizer()
    text = "unladen swallow"
    holder = [text]
    sizer.asizeof(text)
    cases.equal((sizer.total, sizer.seen, sizer.sized, sizer.duplicate), (asizeof.asizeof(text), 1, 1, 0))
    sizer.asizeof(holder, holder)
    cases.equal((sizer.total, sizer.seen, sizer.sized, sizer.duplicate), (asizeof.asizeof(text, holder), 4, 2, 2))
    sizer.reset()
    cases.equal((sizer.total, sizer.seen, sizer.sized, sizer.duplicate, sizer.missed), (0, 0, 0, 0, 0))


def instances_of_one_class_count_their_names_and_class_each_time():
    sizer = Asizer()
    sizer.asizeof([Plain(number + 1000, number + 5000) for number in range(50)])
    # the list; and for each: itself, its dict, its class, two names and two values
    cases.equal(sizer.seen, 1 + 50 * 7)
    cases.equal(sizer.sized, 1 + 50 * 4 + 3)
    cases.equal(sizer.duplicate, 3)


def a_dict_that_is_not_made_is_sized_as_it_would_be():
    for count in (0, 1, 3, 6, 29, 30, 31, 40):
        class Fresh:
            pass
        looked, made = Fresh(), Fresh()
        for obj in (looked, made):
            for number in range(count):
                setattr(obj, f"name{number}", None)
        size = asizeof.asized(looked, detail=1).get("__dict__").flat
        cases.equal(size, aligned(sys.getsizeof(made.__dict__)), f"{count} attributes")


def names_come_in_the_order_of_a_dict():
    obj = Plain()
    for name in ("zebra", "ant", "mole", "bee"):
        setattr(obj, name, name * 2)
    del obj.ant
    obj.ant = "back"
    told = [ref.name for ref in asizeof.asized(obj, detail=2).get("__dict__").refs]
    cases.equal(told[1::2], [f"[V] {name}: {value!r}" for name, value in vars(obj).items()])


def raw_words(obj):
    return bytes((ctypes.c_char * 32).from_address(id(obj) - 32))[:16]


def looking_makes_no_dict():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise cases.Skip("where the dict would be is not known for this version")
    objs = [Plain(1, "two", [3]), Plain(), SlotsAndDict()]
    before = [raw_words(obj) for obj in objs]
    repr([1])               # the interpreter makes a note of its own at the first one
    gc.collect()
    tracked = len(gc.get_objects())
    for obj in objs:
        asizeof.asizeof(obj, code=True)
        asizeof.asized(obj, detail=5)
        asizeof.asized(obj, detail=5, code=True)
        asizeof.named_refs(obj)
        list(asizeof.refs(obj))
        asizeof.flatsize(obj)
        Asizer(stats=3, above=1).asizeof(obj)
    cases.equal([raw_words(obj) for obj in objs], before)
    gc.collect()
    cases.equal(len(gc.get_objects()) <= tracked + 1, True, "objects of the collector")
    # The test would notice: it does when the dict is asked for.
    vars(objs[0])
    if raw_words(objs[0]) == before[0]:
        raise AssertionError("a dict that was made is not seen by this test")


# ---- No effects -----------------------------------------------------------------------------------


class Touchy:
    """All that it can say of itself is an error."""

    def __init__(self):
        object.__setattr__(self, "kept", [1, 2])

    def _refuse(self, *args):
        raise AssertionError("an attribute was asked for")

    __getattr__ = __getattribute__ = __len__ = __iter__ = __eq__ = __bool__ = __dir__ = _refuse
    __hash__ = object.__hash__
    __class__ = __dict__ = prop = property(_refuse)

    def __sizeof__(self):
        raise ValueError("no size")

    def __repr__(self):
        raise ValueError("no repr")

    __str__ = __repr__


def objects_that_lie_do_no_harm():
    obj = Touchy()
    cases.equal(asizeof.asizeof(obj) >= asizeof.basicsize(obj) + asizeof.asizeof([1, 2]), True)
    told = asizeof.asized([obj, {"k": obj}, {obj: 1}], detail=3)
    cases.equal(told.refs[0].name, "N/A")
    cases.equal([ref.name for ref in told.refs[2].refs], ["[K] N/A", "[V] N/A: 1"])
    sizer = Asizer(stats=3, above=1, stream=io.StringIO())
    sizer.asizeof(obj, [obj])
    sizer.print_stats((obj,))
    asizeof.named_refs(obj)


def a_size_of_ones_own_is_asked_for():
    class Says:
        __slots__ = ()
        answer = 77

        def __sizeof__(self):
            return self.answer

    header = sys.getsizeof(Says()) - 77
    cases.equal(asizeof.asizeof(Says(), align=1), 77 + header)
    for wrong in (-5, 1.5, "large", 2**70):
        Says.answer = wrong
        cases.equal(asizeof.asizeof([Says(), Says()]), 72 + 2 * aligned(asizeof.basicsize(Says())), repr(wrong))


def generators_go_on_where_they_were():
    def count():
        number = 0
        while True:
            yield number
            number += 1

    numbers = count()
    for expected in range(4):
        asizeof.asizeof(numbers, code=True)
        cases.equal(next(numbers), expected)
    iterator = iter([1, 2, 3])
    asizeof.asized(iterator, detail=2)
    cases.equal(list(iterator), [1, 2, 3])


class Changes:
    """Changes what is being walked, at the worst of times."""

    def __init__(self, change):
        self.change = change

    def __sizeof__(self):
        self.change()
        gc.collect()
        return 40

    def __repr__(self):
        self.change()
        return "changes"


def containers_that_change_do_no_harm():
    def build():
        items, entries, members, obj = [], {}, set(), Plain(1, [2])

        def change():
            items.clear()
            entries.clear()
            members.clear()
            vars(obj).clear()
            items.extend(range(3))

        items[:] = [[1], Changes(change), [[2]], entries, members, obj, "x" * 50]
        entries.update(a=Changes(change), b=[3], c="y" * 50)
        entries[Changes(change)] = [4]
        members.update((Changes(change), (1, 2), "z" * 50))
        obj.late = Changes(change)
        obj.last = [5]
        return items, entries, members, obj

    for turn in range(30):
        for part in range(4):
            asizeof.asizeof(build()[part])
            asizeof.asized(build()[part], detail=4)
            Asizer(stats=2, above=1).asizeof(build()[part])
    for make in (lambda evil: [evil, [1]], lambda evil: (evil, [1]), lambda evil: {evil: [1], "k": [2]},
                 lambda evil: Plain(evil, [1]), lambda evil: Point(evil, [1]), lambda evil: Slots(evil, [1])):
        holder = []
        holder[:] = [[make(Changes(holder.clear)), "x" * 50], [1]]
        asizeof.asizeof(holder)
        holder[:] = [[make(Changes(holder.clear)), "x" * 50], [1]]
        asizeof.asized(holder, detail=5)


def an_instance_that_gets_its_dict_on_the_way_is_sized_whole():
    obj = Plain(1)
    obj.asks = Changes(lambda: vars(obj))
    obj.rest = ["x" * 1000]
    cases.equal(asizeof.asizeof(obj) > 1000, True)


def lists_a_million_deep_are_walked():
    deep = nested(1_000_000)
    cases.equal(asizeof.asizeof(deep), 101 * 64)
    cases.equal(asizeof.asizeof(deep, limit=10**7), 1_000_000 * 64 + 56)
    told = asizeof.asized(nested(400), detail=500, limit=10**7)
    depth = 0
    while told.refs:
        told = told.refs[0]
        depth += 1
    cases.equal(depth, 400)
    while deep:             # taken apart here, not by the interpreter's own recursion
        deep = deep[0]


def interrupts_are_heard():
    class Interrupts:
        def __sizeof__(self):
            raise KeyboardInterrupt

    with cases.raises(KeyboardInterrupt):
        asizeof.asizeof([[Interrupts()]])
    many = [[number] for number in range(200_000)]
    sizer = Asizer()

    def stop(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with cases.raises(KeyboardInterrupt):
            while True:
                sizer.reset()
                sizer.asizeof(many)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    cases.equal(asizeof.asizeof(many[:100]), reckon(many[:100]))


def threads_can_share_a_sizer():
    sizer = Asizer()

    class Yields:
        def __sizeof__(self):
            time.sleep(0)
            return 16

    def work():
        for _ in range(30):
            sizer.asizeof([[Yields(), [Yields(), Plain(Yields(), [Yields()])]] for _ in range(3)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    class Resets:
        def __sizeof__(self):
            with cases.raises(RuntimeError, "is sizing"):
                other.reset()
            return 1000

    other = Asizer()
    cases.equal(other.asizeof(Resets()) >= 1000, True)


def nothing_is_kept():
    class Kept:
        pass

    obj = Plain(Kept(), [1])
    samples = [obj, [1], {"a": 1}, Slots(1, 2), Point(1, 2), lambda: obj, iter([1]), Kept, sys.flags]

    def look():
        for sample in samples:
            for options in ({}, {"code": True}, {"ignored": False}):
                asizeof.asizeof(sample, **options)
                asizeof.asizesof(sample, sample, **options)
                asizeof.asized(sample, detail=3, **options)
            asizeof.basicsize(sample), asizeof.flatsize(sample), asizeof.itemsize(sample), asizeof.leng(sample)
            asizeof.named_refs(sample), list(asizeof.refs(sample))
        sizer = Asizer(stats=3, above=1, stream=io.StringIO())
        sizer.exclude_types(Point)
        sizer.asized(*samples, detail=2)
        sizer.print_stats(samples)

    def references():
        gc.collect()
        watched = [*samples, Kept, Plain, Slots, Point, int, str, dict, list, Asized, Asizer]
        return [sys.getrefcount(one) for one in watched]

    look()
    before = references()
    objects = len(gc.get_objects())
    for _ in range(20):
        look()
    cases.equal(references(), before)
    cases.equal(len(gc.get_objects()), objects, "objects of the collector")
    dies = weakref.ref(Kept)
    del Kept, samples, obj, look, references
    gc.collect()
    cases.equal(dies(), None, "a class that was sized")


def a_sizer_in_a_cycle_is_collected():
    class Known:
        pass

    Known.sizer = Asizer(stats=2, above=1)
    Known.sizer.asizeof(Known(), [Known()])
    dies = weakref.ref(Known)
    del Known
    gc.collect()
    cases.equal(dies(), None)


# ---- Asized --------------------------------------------------------------------------------------------


def referents_are_told_by_name():
    obj = Plain(42)
    told = asizeof.asized(obj, detail=2)
    cases.equal([ref.name for ref in told.refs], ["__dict__", "__class__"])
    cases.equal([ref.name for ref in told.get("__dict__").refs], ["[K] a0", "[V] a0: 42"])
    cases.equal(told.get("__dict__").refs[1].size, asizeof.asizeof(42))
    cases.equal(told.get("nothing"), None)
    cases.equal(told.get("nothing", 7), 7)
    told = asizeof.asized([Plain, len, sys, "text", [1] * 100, {"k": "é\n"}, Point(1, 2)], detail=2)
    cases.equal([ref.name for ref in told.refs[:4]], ["Plain", "len", "sys", "'text'"])
    cases.equal(told.refs[4].name, repr([1] * 100)[:38] + "...." + repr([1] * 100)[-38:])
    cases.equal([ref.name for ref in told.refs[5].refs], ["[K] k", "[V] k: 'é\\n'"])
    cases.equal([ref.name for ref in told.refs[6].refs], ["__class__", "1", "2"])
    slots = asizeof.asized(SlotsAndDict(), detail=1)
    cases.equal([ref.name for ref in slots.refs], ["__dict__", "__class__", "whole", "x", "_Slots__private"])
    cases.equal([ref.name for ref in asizeof.asized(_Hidden(), detail=1).refs],
                ["__class__", "_Hidden__x", "__kept__"])


def sizes_of_referents_add_up():
    for name, make in OBJECTS.items():
        obj = make()
        told = asizeof.asized(obj, detail=4)
        cases.equal(told.size, asizeof.asizeof(obj), name)
        waiting = [(told, 0)]
        while waiting:
            one, level = waiting.pop()
            if level < 4:
                cases.equal(one.size, one.flat + sum(ref.size for ref in one.refs), f"{name}: {one}")
            waiting += [(ref, level + 1) for ref in one.refs]


def asized_is_a_plain_value():
    leaf = Asized(3, 2, name="leaf")
    one = Asized(10, 4, (leaf, Asized(3, 3, [], "other")), "root")
    cases.equal(str(one), "size 10, flat 4, refs[2], name 'root'")
    cases.equal(one.format(), "root size=10 flat=4\n    leaf size=3 flat=2\n    other size=3 flat=3")
    cases.equal(one.format("%(name)s", depth=0), "root")
    cases.equal(one.format("%(name)s", order_by="flat", indent="  "), "  root\n      other\n      leaf")
    for other in (copy.deepcopy(one), copy.copy(one), *(pickle.loads(pickle.dumps(one, level)) for level in range(6))):
        cases.equal(other.format(), one.format())
        cases.equal(type(other), Asized)
    one.size = 99
    one.refs = ()
    cases.equal(str(one), "size 99, flat 4, refs[0], name 'root'")
    with cases.raises(TypeError):
        Asized(1)
    with cases.raises(AttributeError):
        one.format(order_by="nothing", depth=0) and copy.copy(one).nothing


# ---- Options -----------------------------------------------------------------------------------------------


def options_are_checked():
    for call in (asizeof.asizeof, asizeof.asizesof, asizeof.asized):
        with cases.raises(KeyError, "invalid option: reset(colour='red')"):
            call(1, colour="red")
        with cases.raises(ValueError, "invalid option: set(align=3)"):
            call(1, align=3)
        with cases.raises(ValueError, "invalid option: set(stats=-1)"):
            call(1, stats=-1)
    with cases.raises(KeyError, "invalid options: reset(a=1, b=2)"):
        Asizer(b=2, a=1)
    with cases.raises(KeyError):
        asizeof.asized(all=True)
    with cases.raises(ValueError, "asizeof(all=5)"):
        asizeof.asizeof(all=5)
    with cases.raises(ValueError, "invalid option: flatsize(align=6)"):
        asizeof.flatsize(1, align=6)
    with cases.raises(TypeError):
        Asizer().set(colour="red")
    with cases.raises(TypeError):
        Asizer(limit="deep")
    cases.equal((asizeof.asizeof(), asizeof.asizesof(), asizeof.asized()), (0, (), ()))


def options_show_as_properties():
    sizer = Asizer(above=7, align=16, clip=20, code=True, cutoff=3, derive=True, detail=2, frames=True,
                   ignored=False, infer=True, limit=5, stats=2.25)
    cases.equal((sizer.above, sizer.align, sizer.clip, sizer.code, sizer.cutoff, sizer.derive, sizer.detail),
                (7, 16, 20, True, 3, True, 2))
    cases.equal((sizer.frames, sizer.ignored, sizer.infer, sizer.limit, sizer.stats), (True, False, True, 5, 2))
    sizer.set(stats=1.25, limit=7, align=1)
    cases.equal((sizer.stats, sizer.cutoff, sizer.limit, sizer.align), (1, 25, 7, 1))
    sizer.reset()
    cases.equal((sizer.above, sizer.align, sizer.clip, sizer.code, sizer.cutoff, sizer.limit, sizer.ignored),
                (1024, 8, 80, False, 10, 100, True))


def alignment_and_limits():
    for align in (0, 1, 2, 8, 16, 64):
        step = max(align, 1)
        cases.equal(asizeof.asizeof("abc", align=align), (sys.getsizeof("abc") + step - 1) // step * step)
    deep = nested(300)
    for limit in (0, 1, 50, 100, 200, 299, 300, 301, 10**9, float("inf")):
        cases.equal(asizeof.asizeof(deep, limit=limit), min(limit, 300) * 64 + (56 if limit >= 300 else 64),
                    f"limit {limit}")


def code_and_ignored_types():
    cases.equal((asizeof.asizeof(len), asizeof.asizeof(int), asizeof.asizeof(Plain), asizeof.asizeof(object())),
                (0, 0, 0, 0))
    cases.equal(asizeof.asizeof(lambda: 0), 0)
    cases.equal(asizeof.asizeof(lambda: 0, code=True) > 500, True)
    cases.equal(asizeof.asizeof(Plain, code=True) > sys.getsizeof(Plain), True)
    cases.equal(asizeof.asizeof(object(), ignored=False, code=True), 16)
    frame = sys._getframe()
    cases.equal(asizeof.asizeof(frame), 0)
    cases.equal(asizeof.asizeof(frame, frames=True, limit=0), aligned(sys.getsizeof(frame)))
    # Modules in a list are not walked into.
    cases.equal(asizeof.asizeof([sys]), 64 + aligned(sys.getsizeof(sys)))
    cases.equal(asizeof.asizeof(sys) > 10_000, True)


def objects_references_and_types_can_be_left_out():
    part = [1] * 100
    sizer = Asizer()
    sizer.exclude_objs(part)
    cases.equal((sizer.asizeof([part]), sizer.asizeof(part)), (64, 0))
    sizer = Asizer()
    sizer.exclude_refs(part)
    cases.equal((sizer.asizeof([part]), sizer.asizeof(part) > 800), (64, True))
    sizer = Asizer()
    sizer.exclude_types(Plain, int, 5)
    cases.equal(sizer.asizeof(Plain(1), [1, Plain]), 72)
    cases.equal(sizer.excluded[1::2], (Plain, int))  # between them, the classes as objects
    sizer.reset()
    cases.equal(sizer.asizeof(Plain(1)), 0)
    sizer = Asizer()
    first, second = Plain(1), Plain(1000)
    sizer.asizeof(first)
    sizer.exclude_types(dict)
    cases.equal(sizer.asizeof(second), aligned(sys.getsizeof(second)))


def classes_like_dicts():
    class Like:
        def __len__(self):
            return 1

        def get(self, *args):
            return None

        has_key = get

        def items(self):
            return iter([("key", "x" * 1000)])

        keys = values = items

    class Unlike:
        pass

    # The first object of a class decides for all of them.
    cases.equal(asizeof.asizeof(type("Instance", (Like,), {})()) < 1000, True)
    cases.equal(asizeof.asizeof(type("Inferred", (Like,), {})(), infer=True) > 1000, True)
    cases.equal(asizeof.adict(Unlike), False)
    cases.equal(asizeof.adict(Like), True)
    cases.equal(asizeof.asizeof(Like()) > 1000, True)
    keys = [Plain(1)]
    weak = weakref.WeakKeyDictionary({keys[0]: "x" * 1000})
    cases.equal(asizeof.asizeof(weak) > 1000, True)

    def broken(self):
        raise ValueError("no items")

    Like.items = broken
    sizer = Asizer()
    sizer.asizeof(Like())
    cases.equal(sizer.missed, 1)


def functions_of_one_object():
    for obj in (1, "", "a", True, None):
        cases.equal(asizeof.basicsize(obj), type(obj).__basicsize__)
    for obj in ([], (), {}):
        cases.equal(asizeof.basicsize(obj) - asizeof._sizeof_CPyGC_Head, type(obj).__basicsize__)
    cases.equal([asizeof.itemsize(obj) for obj in (1, (), [], {}, set(), array.array("d"))], [4, 8, 8, 24, 16, 8])
    cases.equal(asizeof.leng([1, 2, 3, 4]), 8)
    cases.equal([asizeof.leng(obj) for obj in ((1, 2), "spam", 42, 2**64, 1.5, array.array("d", [1, 2]))],
                [2, 5, 1, 3, None, 2])
    cases.equal(asizeof.flatsize([1, 2]), sys.getsizeof([1, 2]))
    cases.equal(asizeof.flatsize("abc", align=64), 64)
    cases.equal(list(asizeof.refs([1, 2])), [1, 2])
    cases.equal(asizeof.refs(1), None)
    cases.equal(list(asizeof.refs(Plain(5))), [{"a0": 5}, Plain])
    cases.equal(asizeof.named_refs(Plain(5)), [("__dict__", {"a0": 5}), ("__class__", Plain)])
    cases.equal(asizeof.named_refs(Slots(1, 2)), [("__class__", Slots), ("x", 1), ("_Slots__private", 2)])
    cases.equal(dict(asizeof.named_refs(os.stat("/")))["st_mode"], os.stat("/").st_mode)
    cases.equal([name for name, _ in asizeof.named_refs(enumerate([]))], ["__doc__"])
    with cases.raises(TypeError):
        asizeof.basicsize(1, colour="red")
    before = asizeof.amapped(50)
    cases.equal((before, asizeof.amapped(1000), asizeof.amapped(before), asizeof.amapped()), (1.0, 50.0, 100.0, 1.0))


# ---- Statistics ------------------------------------------------------------------------------------------------


def printed(stats, *objs, **options):
    stream = io.StringIO()
    asizeof.asizeof(*objs, stats=stats, stream=stream, **options)
    return stream.getvalue().splitlines()


def statistics_are_printed():
    objs = ([1000] * 200, {"a": "x" * 2000})
    lines = printed(1, *objs)
    cases.equal(lines[0], "")
    cases.contains(lines[1], "asizeof(([1000, 1000")
    total = asizeof.asizeof(*objs)
    body = [line.strip() for line in lines[2:]]
    cases.equal(body[:11], [f"{total} bytes or {total / 1024:.1f} KiB", "8 byte aligned", "8 byte sizeof(void*)",
                            "2 objects given", "5 objects sized", "204 objects seen", "3 objects ranked",
                            "0 objects missed", "1 duplicate", "1 deepest recursion", ""])
    cases.equal(body[11], "3 largest objects (of 3 over 1024 bytes or 1.0 KiB)")
    cases.contains(body[12], "class dict: {'a': '")
    cases.contains(body[13], "class str: 'xxx")
    cases.contains(body[13], " leng 2001!, ix 1 (at 1), pix 0")
    cases.contains(body[14], "class list: [1000, ")
    lines = printed(2, *objs)
    profiles = [line for line in lines if "profile" in line]
    cases.equal([line.strip() for line in profiles],
                ["4 profiles:  total (% of grand total), average, and largest flat size:  largest object"])
    cases.equal(len([line for line in lines if " object:  " in line or " objects:  " in line]), 4)
    lines = printed(3, *objs)
    kinds = [line.split()[1] for line in lines if "basicsize, itemsize" in line]
    cases.equal(kinds, ["static"])
    cases.equal(any(line.strip() == "class list:  72, 8, _len_list, _seq_refs" for line in lines), True)
    cases.contains("\n".join(lines), "weakref:  (WeakKeyDictionary, WeakValueDictionary)")


def the_largest_are_ranked():
    objs = [bytearray(2000 + number * 10) for number in range(300)]
    sizer = Asizer(stats=1, above=2500, stream=io.StringIO())
    sizer.asizeof(objs)
    sizes = sorted((aligned(sys.getsizeof(obj)) for obj in objs), reverse=True)
    cases.equal(sizer.ranked, 1 + sum(size > 2500 for size in sizes))
    ranks = sizer._ranks()
    cases.equal(len(ranks), 100)
    cases.equal([rank[3] for rank in ranks[1:]], sizes[:99])


def sizes_of_all_that_is_known():
    size = asizeof.asizeof(all=True)
    cases.equal(size > 1_000_000, True)
    cases.equal(asizeof.asizeof(all=True, code=True) > size, True)
    gc.collect()
    gc.disable()
    try:
        asizeof.asizeof(all=True, code=True, frames=True)
        cases.equal(gc.collect() < 5, True, "cycles that were made by looking")
    finally:
        gc.enable()


# ---- Beside the original -----------------------------------------------------------------------------------------


def outcome(module, make, options):
    """In a process of its own: what is known of types outlives a call of the original."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            gc.disable()
            sizer = module.Asizer(**options)
            obj = make()
            result = (sizer.asizeof(obj), sizer.seen, sizer.sized, sizer.duplicate)
            os.write(writing, repr(result).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return text


def sizes_are_the_originals():
    if original is None:
        raise cases.Skip("pympler is not here")
    makes = dict(OBJECTS, module=lambda: types.SimpleNamespace(a=[1]), proxy=lambda: types.MappingProxyType({1: [2]}),
                 bytes=lambda: [b"", b"abc"], iterators=lambda: [iter([1, [2]]), iter({1: 2}.items()), reversed([1])])
    if numpy:
        makes.update({"numpy": lambda: numpy.arange(1000), "numpy types": lambda: [numpy.float64(1), numpy.int8(2)],
                      "numpy views": lambda: [numpy.arange(1000), numpy.arange(1000)[::2]],
                      "numpy objects": lambda: numpy.array([[1], "a"], dtype=object),
                      "numpy map": lambda: numpy.memmap(sys.executable, mode="r"),
                      "numpy text": lambda: numpy.str_("abc")})
    del makes["slots"]      # the original misses string __slots__ and private names of _Hidden
    for name, make in makes.items():
        for options in ({}, {"limit": 0}, {"limit": 2}, {"limit": 200}, {"ignored": False}, {"align": 1},
                        {"infer": True}):
            cases.equal(outcome(asizeof, make, options), outcome(original, make, options), f"{name} {options}")


def numpy_arrays_count_their_data():
    if numpy is None:
        raise cases.Skip("numpy is not here")
    whole = numpy.arange(1000)
    cases.equal(asizeof.asizeof(whole), aligned(sys.getsizeof(whole)) + sys.getsizeof(None))    # its base
    cases.equal(asizeof.itemsize(whole), whole.itemsize)
    cases.equal(asizeof.leng(whole), 1000)
    view = whole[:]
    cases.equal(asizeof.asizeof([whole, view]) - asizeof.asizeof([whole]) > whole.nbytes, True)
    # Of a view alone, what it shows is sized too.
    cases.equal(asizeof.asizeof(view) > whole.nbytes, True)
    mapped = numpy.memmap(sys.executable, mode="r")
    small = asizeof.asizeof(mapped)
    before = asizeof.amapped(100)
    cases.equal(asizeof.asizeof(mapped) - small > mapped.nbytes // 2, True)
    asizeof.amapped(before)


cases.main(sizes_are_those_of_a_plain_reckoning,
           many_random_objects_are_sized_alike,
           each_object_counts_once_for_the_first,
           counts_are_kept_over_calls,
           instances_of_one_class_count_their_names_and_class_each_time,
           a_dict_that_is_not_made_is_sized_as_it_would_be,
           names_come_in_the_order_of_a_dict,
           looking_makes_no_dict,
           objects_that_lie_do_no_harm,
           a_size_of_ones_own_is_asked_for,
           generators_go_on_where_they_were,
           containers_that_change_do_no_harm,
           an_instance_that_gets_its_dict_on_the_way_is_sized_whole,
           lists_a_million_deep_are_walked,
           interrupts_are_heard,
           threads_can_share_a_sizer,
           nothing_is_kept,
           a_sizer_in_a_cycle_is_collected,
           referents_are_told_by_name,
           sizes_of_referents_add_up,
           asized_is_a_plain_value,
           options_are_checked,
           options_show_as_properties,
           alignment_and_limits,
           code_and_ignored_types,
           objects_references_and_types_can_be_left_out,
           classes_like_dicts,
           functions_of_one_object,
           statistics_are_printed,
           the_largest_are_ranked,
           sizes_of_all_that_is_known,
           sizes_are_the_originals,
           numpy_arrays_count_their_data)
