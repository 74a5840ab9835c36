#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""summary: rows of what objects are called, how many, how large; tables and differences of such rows;
where pympler is installed, beside it."""

import contextlib
import importlib
import io
import os
import sys
import types

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import muppy, summary


class Thing:
    pass


class Named(type):
    def __repr__(cls):
        return "<class named at 0x1234abc and more>"


class Shown(metaclass=Named):
    pass


class FailingMeta(type):
    def __repr__(cls):
        raise RuntimeError("no text")


class Failing(metaclass=FailingMeta):
    pass


class Big:
    def __sizeof__(self):
        return 12345


def a_function():
    pass


def texts(objects):
    return sorted(row[0] for row in summary.summarize(objects))


def rows_have_text_count_and_size():
    objects = [1, "a", "b", 5, [], {}, Thing(), Big()]
    expected = [["int", 2, sys.getsizeof(1) + sys.getsizeof(5)], ["str", 2, 2 * sys.getsizeof("a")],
                ["list", 1, sys.getsizeof([])], ["dict", 1, sys.getsizeof({})],
                ["__main__.Thing", 1, sys.getsizeof(Thing())], ["__main__.Big", 1, sys.getsizeof(Big())]]
    cases.equal(sorted(summary.summarize(objects)), sorted(expected))
    cases.equal(sorted(summary.summarize(iter(objects))), sorted(expected))
    cases.equal(sorted(summary.summarize(tuple(objects))), sorted(expected))
    cases.equal(summary.summarize([]), [])
    with cases.raises(TypeError):
        summary.summarize(5)


def texts_of_objects():
    cases.equal(texts([a_function, a_function]), ["function (a_function)"])
    cases.equal(texts([sys]), ["module(sys)"])
    cases.equal(texts([types.ModuleType("m")]), ["module(m)"])
    nameless = types.ModuleType("m")
    del nameless.__dict__["__name__"]
    nameless.__getattr__ = lambda name: 1 / 0
    cases.equal(texts([nameless])[0].startswith("module(nameless, id: "), True)
    cases.equal(texts([Shown()]), ["<class named and more>"], "no addresses")
    cases.equal(texts([Failing()]), ["__main__.Failing"])
    cases.equal(texts([sys._getframe()]), ["frame (codename: texts_of_objects)"])
    cases.equal(texts([Thing]), ["type"])
    local = type("Local thing", (), {})
    cases.equal(texts([local()]), ["<class '__main__.Local thing'>"], "a name with a space stays as it is")
    wide = type("\u20acuro", (), {})
    cases.equal(texts([wide()]), ["__main__.\u20acuro"])


def verbosity():
    cases.equal([summary._repr({1: 2}, level) for level in (0, 1, 2, 3, 100)],
                ["dict", "dict", "dict, len=1", "dict, len=1", "dict, len=1"])
    cases.equal([summary._repr(a_function, level) for level in (0, 1, 2, 9)],
                ["function", "function (a_function)", "function (__main__.a_function)",
                 "function (__main__.a_function)"])
    cases.equal(summary._repr([1, 2], verbosity=2), "list, len=2")
    cases.equal(summary._repr({1}, 2), "set, len=1")
    cases.equal(summary._repr(sys._getframe(), 2), f"frame (codename: verbosity, codeline: "
                f"{verbosity.__code__.co_firstlineno})")
    cases.contains(summary._repr(sys._getframe(), 3), f"filename: {__file__}")


@contextlib.contextmanager
def represented(kind, *functions):
    summary.representations[kind] = functions
    try:
        yield
    finally:
        del summary.representations[kind]


def programs_add_representations():
    one, other = Thing(), Thing()
    one.name, other.name = "one", "other at 0x12ab"
    with represented(Thing, lambda thing: f"Thing {thing.name}"):
        cases.equal(texts([one, other, one]), ["Thing one", "Thing other"])
        kept = [one, other]
        found = {row[0]: row[1] for row in summary._of_all()}
        cases.equal((found["Thing one"], found["Thing other"]), (1, 1))
        cases.equal(len(kept), 2)
    cases.equal(texts([one]), ["__main__.Thing"])
    with represented(Thing, lambda thing: 5), cases.raises(TypeError, "not a str"):
        summary.summarize([one])
    with represented(Thing, lambda thing: 1 / 0), cases.raises(ZeroDivisionError):
        summary.summarize([one])
    with represented(Failing, lambda thing: "failing"):
        cases.equal(texts([Failing()]), ["failing"])


def a_list_that_shrinks_meanwhile():
    objects = [Thing() for _ in range(1000)]

    def shorten(thing):
        del objects[10:]
        summary.representations.clear()
        return "shortened"

    kept = dict(summary.representations)
    with contextlib.suppress(KeyError), represented(Thing, shorten):
        cases.equal([row[:2] for row in summary.summarize(objects)], [["shortened", 10]])
    summary.representations.update(kept)


def differences():
    left = [["a", 3, 30], ["b", 2, 20], ["c", 1, 10]]
    right = [["a", 3, 30], ["b", 1, 25], ["d", 4, 40]]
    diff = summary.get_diff(left, right)
    cases.equal(sorted(diff), [["a", 0, 0], ["b", -1, 5], ["c", -1, -10], ["d", 4, 40]])
    cases.equal(sorted(summary._sweep(diff)), [["b", -1, 5], ["c", -1, -10], ["d", 4, 40]])
    cases.equal(left[0], ["a", 3, 30])
    rows = summary.summarize(["the", "fox", {}])
    summary._subtract(rows, "the")
    summary._subtract(rows, (1,))
    cases.equal(sorted(rows), sorted([["str", 1, sys.getsizeof("fox")], ["dict", 1, sys.getsizeof({})],
                                      ["tuple", -1, -sys.getsizeof((1,))]]))
    met = []
    summary._traverse([["a", 1]], met.append)
    cases.equal(met, [[["a", 1]], ["a", 1], "a", 1])


ROWS = [["str", 3, 5000], ["int", 12, 90], ["a.Type", 2, 3 << 20], ["gone", -1, -2048]]


def tables():
    lines = list(summary.format_(ROWS))
    cases.equal([line.split(" | ")[0].strip() for line in lines[2:]], ["a.Type", "str", "int", "gone"])
    cases.equal([line.split(" | ")[2].split() for line in lines[2:]],
                [["3.00", "MB"], ["4.88", "KB"], ["90", "B"], ["-2048", "B"]])
    cases.equal(len({len(line) for line in lines}), 1)

    def order(**how):
        return [line.split(" | ")[0].strip() for line in list(summary.format_(ROWS, **how))[2:]]

    cases.equal(order(sort="#"), ["int", "str", "a.Type", "gone"])
    cases.equal(order(sort="type", order="ascending"), ["a.Type", "gone", "int", "str"])
    cases.equal(order(sort="size", order="ascending", limit=2), ["gone", "int"])
    for wrong in ({"sort": "colour"}, {"order": "none"}):
        with cases.raises(ValueError, "invalid"):
            summary.format_(ROWS, **wrong)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        summary.print_(ROWS, limit=1)
    cases.equal(printed.getvalue().splitlines(), list(summary.format_(ROWS, limit=1)))
    cases.equal(len(list(summary.format_([]))), 2)


def the_same_as_pympler():
    try:
        original = importlib.import_module("pympler.summary")
    except ImportError as error:
        raise cases.Skip("pympler is not installed") from error
    objects = muppy.get_objects()
    original.summarize(objects)  # its first use fills caches, which are among the objects
    ours, theirs = ({tuple(row) for row in rows.summarize(objects)} for rows in (summary, original))
    cases.equal(ours ^ theirs, set())
    for how in ({}, {"sort": "#", "order": "ascending"}, {"limit": 3}):
        cases.equal(list(summary.format_(ROWS, **how)), list(original.format_(ROWS, **how)))


cases.main(rows_have_text_count_and_size, texts_of_objects, verbosity, programs_add_representations,
           a_list_that_shrinks_meanwhile, differences, tables, the_same_as_pympler)
