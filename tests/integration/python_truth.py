#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The object tracker against a program that keeps its own books: random programs make, link, grow, drop
and cycle objects of many kinds, and know, not by any address, which of them are new, gone or still there
at each census.  The tracker must say the same of every type, in numbers and in bytes, while addresses are
used again thousands of times."""

import array
import collections
import contextvars
import datetime
import decimal
import fractions
import functools
import gc
import itertools
import os
import random
import re
import sys
import types
import warnings
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture.reftracker import ObjTracker

try:
    import numpy
except ImportError:
    numpy = None

ROOM = 400  # objects at a time
PARTS = 5  # of an object, at most
HAS_DICT = sys.version_info < (3, 11)  # an instance has one from the start


class Plain:
    def __init__(self, one, two):
        self.one = one
        self.two = two


class Bare:
    pass


class Slots:
    __slots__ = ("one", "two")

    def __init__(self, one, two):
        self.one = one
        self.two = two


class WeakSlots(Slots):
    __slots__ = ("__weakref__",)


class DictSlots(Slots):
    __slots__ = ("__dict__",)


class ListChild(list):
    pass


class SlotsListChild(list):
    __slots__ = ()


class TupleChild(tuple):
    __slots__ = ()


class DictChild(dict):
    pass


class StrChild(str):
    pass


class IntChild(int):
    __slots__ = ()


class FloatChild(float):
    __slots__ = ()


class SetChild(set):
    __slots__ = ()


class BytesChild(bytes):
    pass


Pair = collections.namedtuple("Pair", "left right")
VARIABLE = contextvars.ContextVar("variable")
many = len(sys.argv) + 6  # known to no compiler


def generator(one, two):
    yield two
    yield one


@types.coroutine
def waits():
    yield


async def coroutine(one, two):
    await waits()
    return one, two


async def asynchronous_generator(one, two):
    yield one
    yield two


def raises(one):
    raise ValueError(one)


def raised(one):
    try:
        raises(one)
    except ValueError as error:
        return error


def with_dict(made):
    made.__dict__["more"] = Plain  # which the collector tracks, and so the dict
    return made


def started(made):
    made.send(None)
    return made


def only(made):
    return (made,)


def in_context(made):
    made.run(VARIABLE.set, many)
    return made


def of_context(made):
    return made, gc.get_referents(made)[0], gc.get_referents(gc.get_referents(made)[0])[0]


def and_dict(made):
    return made, made.__dict__


def and_dict_from_the_start(made):
    return (made, made.__dict__) if HAS_DICT else (made,)


def and_referents(made):
    return made, *(one for one in gc.get_referents(made) if type(one) in OWNED)


OWNED = (dict, bytearray, list, types.AsyncGeneratorType, type(gc.get_referents(memoryview(b""))[0]))

# What makes an object of a kind, with references to ONE and TWO; all the objects that it is made of; and
# how many of the two it refers to.
KINDS = (
    (Plain, and_dict_from_the_start, 2),
    (lambda one, two: Bare(), and_dict_from_the_start, 0),
    (lambda one, two: with_dict(Plain(one, two)), and_dict, 2),
    (Slots, only, 2),
    (WeakSlots, only, 2),
    (lambda one, two: with_dict(DictSlots(one, two)), and_dict, 2),
    (lambda one, two: [one, two], only, 2),
    (lambda one, two: [], only, 0),
    (lambda one, two: [one] * (many * 9), only, 1),
    (lambda one, two: {"one": one, "two": two}, only, 2),
    (lambda one, two: {}, only, 0),
    (lambda one, two: {1: 2, many: 3}, only, 0),
    (lambda one, two: dict.fromkeys(range(many * 9), one), only, 1),
    (lambda one, two: (one, two), only, 2),
    (lambda one, two: (many, many), only, 0),
    (lambda one, two: ((one, many), (many, (two,))), lambda made: (made, *made, made[1][1]), 2),
    (lambda one, two: (one,) * (many * 9), only, 1),
    (lambda one, two: "text" * many, only, 0),
    (lambda one, two: "\u20ac\U0001f600" * many, only, 0),
    (lambda one, two: "text" * many * 99, only, 0),
    (lambda one, two: b"text" * many, only, 0),
    (lambda one, two: bytearray(many), only, 0),
    (lambda one, two: memoryview(bytearray(many)),
     lambda made: (made, made.obj, *gc.get_referents(made)), 0),
    (lambda one, two: float(str(many)), only, 0),
    (lambda one, two: complex(many, 1), only, 0),
    (lambda one, two: object(), only, 0),
    (lambda one, two: {many, "one"}, only, 0),
    (lambda one, two: frozenset((many, "one")), only, 0),
    (lambda one, two: set(range(many * 9)), only, 0),
    (slice, only, 2),
    (lambda one, two: range(many), only, 0),
    (lambda one, two: ListChild((one, two)), and_dict_from_the_start, 2),
    (lambda one, two: SlotsListChild((one, two)), only, 2),
    (lambda one, two: TupleChild((one, two)), only, 2),
    (lambda one, two: DictChild(one=one, two=two), and_dict_from_the_start, 2),
    (lambda one, two: StrChild("text" * many), and_dict_from_the_start, 0),
    (lambda one, two: IntChild(many), only, 0),
    (lambda one, two: FloatChild(many), only, 0),
    (lambda one, two: SetChild((many, "one")), only, 0),
    (lambda one, two: BytesChild(b"text"), and_dict_from_the_start, 0),
    (Pair, only, 2),
    (lambda one, two: lambda: None, only, 0),
    (lambda one, two: lambda: (one, two), lambda made: (made, made.__closure__, *made.__closure__), 2),
    (lambda one, two: types.MethodType(print, one), only, 1),
    (lambda one, two: "".join, only, 0),
    (lambda one, two: functools.partial(print, one), lambda made: (made, made.args, made.keywords), 1),
    (generator, only, 2),
    (lambda one, two: started(generator(one, two)), only, 2),
    (lambda one, two: started(coroutine(one, two)), lambda made: (made, made.cr_await), 2),
    (asynchronous_generator, only, 2),
    (lambda one, two: asynchronous_generator(one, two).asend(None), and_referents, 2),
    (lambda one, two: raised(one), lambda made: (made, made.args, made.__traceback__, made.__traceback__.tb_next), 1),
    (lambda one, two: MemoryError(), only, 0),
    (lambda one, two: collections.deque((one, two)), only, 2),
    (lambda one, two: collections.OrderedDict(one=one, two=two), only, 2),
    (lambda one, two: collections.defaultdict(None, one=one), only, 1),
    (lambda one, two: decimal.Decimal(many), only, 0),
    (lambda one, two: decimal.Decimal("1" * 100 * many), only, 0),
    (lambda one, two: fractions.Fraction(many, 3), only, 0),
    (lambda one, two: datetime.datetime(2000, 1, many), only, 0),
    (lambda one, two: datetime.timedelta(many), only, 0),
    (lambda one, two: re.match("t", "t"), only, 0),
    (lambda one, two: in_context(contextvars.Context()), of_context, 0),
    (lambda one, two: types.MappingProxyType({"one": one}), and_referents, 1),
    (lambda one, two: types.SimpleNamespace(one=one), and_dict, 1),
    (lambda one, two: iter([one]), and_referents, 1),
    (lambda one, two: {"one": one}.items(), and_referents, 1),
    (lambda one, two: itertools.repeat(one), only, 1),
    (lambda one, two: weakref.ref(Plain, lambda ref: None), lambda made: (made, made.__callback__), 0),
    (lambda one, two: array.array("q", (1, many)), only, 0),
)
if numpy:
    KINDS += (
        (lambda one, two: numpy.zeros(many), only, 0),
        (lambda one, two: numpy.float64(many), only, 0),
        (lambda one, two: numpy.array([one, two], object), only, 2),
    )


def type_name(kind):
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


class Book:
    """What a random program knows of its objects.  Numbers are not counted in a census, so they may be kept."""

    def __init__(self, seed):
        self.chosen = random.Random(seed)
        self.held = [None] * ROOM
        self.names = []  # of types, by number
        self.numbers = {}  # of types
        self.is_used = [0] * ROOM
        self.links = [-1] * (2 * ROOM)  # of each: places of those that it refers to
        self.made = [0] * ROOM  # in which census it was first seen; 0: in none yet
        self.types = [0] * (PARTS * ROOM)
        self.sizes = [0] * (PARTS * ROOM)
        self.told = [0] * (PARTS * ROOM)  # sizes in the last census
        self.part_count = [0] * ROOM
        self.where = [0] * (PARTS * ROOM)  # addresses, to count how many are used again
        self.gone = set()
        self.used_again = 0
        self.since_baseline = collections.Counter()

    # ---- What happens ----

    def some(self):
        """The place of an object that is at hand, or -1."""
        for _ in range(20):
            at = self.chosen.randrange(ROOM)
            if self.held[at] is not None:
                return at
        return -1

    def make(self, kind=None):
        at = self.chosen.randrange(ROOM)
        if self.is_used[at]:
            return
        self.make_at(at, self.chosen.randrange(len(KINDS)) if kind is None else kind)

    def make_at(self, at, kind):
        for link in (2 * at, 2 * at + 1):
            self.links[link] = self.some() if self.chosen.random() < 0.6 else -1
            # A census does not go through frames, so what only they refer to must be tracked.
            if link - 2 * at >= KINDS[kind][2] or not isinstance(self.held[self.links[link]], (Plain, list)):
                self.links[link] = -1
        self.held[at] = KINDS[kind][0](self.linked(2 * at), self.linked(2 * at + 1))
        self.is_used[at] = kind + 1
        self.made[at] = 0
        self.measure(at)

    def measure(self, at):
        parts = KINDS[self.is_used[at] - 1][1](self.held[at])
        self.part_count[at] = len(parts)
        for i in range(len(parts)):
            self.types[PARTS * at + i] = self.numbers[type(parts[i])]
            self.where[PARTS * at + i] = id(parts[i])
            self.sizes[PARTS * at + i] = sys.getsizeof(parts[i])
        parts = None  # an error keeps the frames of its callers, and what these refer to

    def linked(self, link):
        return self.held[self.links[link]] if self.links[link] >= 0 else many

    def drop(self):
        at = self.some()
        if at >= 0:
            self.held[at] = None

    def replace(self):
        """Makes some objects of a kind in the place of others, which are likely to get their addresses."""
        kind, count = self.chosen.randrange(len(KINDS)), 0
        for at in range(ROOM):
            if self.is_used[at] == kind + 1 and self.held[at] is not None:
                self.held[at] = None
                count += 1
        for at in range(ROOM):
            if not self.is_used[at] and count:
                count -= 1
                self.make_at(at, kind)

    def link(self):
        """Lets an object refer to another, or to itself, instead of what it did."""
        at, to = self.some(), self.some()
        if at < 0 or to < 0:
            return
        if type(self.held[at]) in (Plain, Slots, WeakSlots):
            self.held[at].one = self.held[to]
        elif type(self.held[at]) in (ListChild, collections.deque):
            self.held[at][0] = self.held[to]
        else:
            return
        self.links[2 * at] = to

    def grow(self):
        at = self.some()
        if at < 0:
            return
        made = self.held[at]
        if type(made) in (list, ListChild, SlotsListChild, collections.deque):
            for i in range(self.chosen.randrange(40)):
                made.append(many)
        elif type(made) in (dict, DictChild, collections.OrderedDict):
            for i in range(self.chosen.randrange(40)):
                made[i] = many
        elif type(made) in (set, SetChild):
            made.update(range(self.chosen.randrange(40)))
        elif type(made) is bytearray:
            made.extend(bytes(self.chosen.randrange(600)))
        elif type(made) is Plain:
            made.three = many
        self.measure(at)

    # ---- What it comes to ----

    def reached(self):
        reached = [at for at in range(ROOM) if self.held[at] is not None]
        seen = set(reached)
        while reached:
            at = reached.pop()
            for to in self.links[2 * at : 2 * at + 2]:
                if to >= 0 and to not in seen:
                    seen.add(to)
                    reached.append(to)
        return seen

    def settle(self, number):
        """What a census is to say that gets NUMBER; three dicts."""
        for at in range(ROOM):
            if self.held[at] is not None:
                self.measure(at)
        reached = self.reached()
        created, deleted, persistent = (collections.defaultdict(lambda: [0, 0]) for _ in range(3))
        for at in range(ROOM):
            if not self.is_used[at]:
                continue
            is_alive = at in reached
            kept = (created if not self.made[at] else persistent) if is_alive else deleted
            for i in range(PARTS * at, PARTS * at + self.part_count[at]):
                if is_alive or self.made[at]:
                    kept[self.names[self.types[i]]][0] += 1
                    kept[self.names[self.types[i]]][1] += self.sizes[i] if is_alive else self.told[i]
                self.told[i] = self.sizes[i]
                if kept is created:
                    self.since_baseline[self.names[self.types[i]]] += 1
                    self.used_again += self.where[i] in self.gone
                elif kept is deleted and self.made[at]:
                    self.since_baseline[self.names[self.types[i]]] -= 1
                    self.gone.add(self.where[i])
            if is_alive:
                self.made[at] = self.made[at] or number
            else:
                self.is_used[at] = 0
        return created, deleted, persistent


OPERATIONS = Book.make, Book.drop, Book.replace, Book.link, Book.grow


def books_of(seed):
    book = Book(seed)
    for _ in range(40):  # how much room dicts of instances have depends on what earlier ones needed
        for make in Plain, DictSlots, Bare, ListChild, StrChild, DictChild:
            with_dict(make(many, many) if make in (Plain, DictSlots) else make()).three = many
    for at in range(len(KINDS)):  # the numbers of types
        made = KINDS[at][0](many, many)
        for part in KINDS[at][1](made):
            if type(part) not in book.numbers:
                book.numbers[type(part)] = len(book.names)
                book.names.append(type_name(type(part)))
    return book


def is_the_same(changes, expected, book, number, what):
    for kind, of_kind in zip(("created", "deleted", "persistent"), expected):
        found = {name: [count, size] for name, count, size in getattr(changes, kind)}
        wrong = {name: (found.get(name), of_kind.get(name)) for name in found.keys() | of_kind
                 if found.get(name) != of_kind.get(name)}
        cases.equal(wrong, {}, f"{what}, census {number}: {kind}, found and expected")
    cases.equal(changes.counts, {name: count for name, count in book.since_baseline.items() if count}, what)
    cases.equal((changes.number, changes.exact), (number, True), what)


def live(book, tracker, rounds, what):
    """Lets the program of BOOK run for a while; no WHAT: unchecked."""
    for number in range(1, rounds + 1):
        for _ in range(book.chosen.randrange(300)):
            book.chosen.choices(OPERATIONS, (60, 35, 20, 15, 10))[0](book)
        if book.chosen.random() < 0.2:
            book.held[:] = [None] * ROOM
        changes = tracker.compare()  # no closure runs now, whose cells would count
        expected = book.settle(number)
        if what:
            is_the_same(changes, expected, book, number, what)
        changes = expected = None


def random_programs():
    used_again = 0
    for seed in range(8):
        book = books_of(seed)
        tracker = ObjTracker()
        if seed == 0:  # nothing is made for the first time from here on
            live(book, tracker, 3, None)
            book = books_of(seed)
            tracker.start()
        live(book, tracker, 20, f"program {seed}")
        tracker.close()
        used_again += book.used_again
    # AddressSanitizer keeps addresses from being used again; free lists go on doing it.
    expected = 100 if os.environ.get("MR_SANITIZED") else 2000
    cases.equal(used_again > expected, True, f"only {used_again} addresses were used again")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    cases.main(random_programs)
