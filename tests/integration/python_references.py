#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call of the package, again and again, with good arguments and with bad ones: references to what
it was given, to what it gave and to what everybody shares (None, numbers, types, names) are as many
after it as before."""

import array
import gc
import os
import sys
import tempfile
import warnings

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import _capture, _report, asizeof
from memcapture.classtracker import ClassTracker
from memcapture.classtracker_stats import ConsoleStats, HtmlStats, Stats

TIMES = 40


class Plain:
    def __init__(self, value=None):
        self.value = value


class Bare:
    pass


class Slots:
    __slots__ = ("value", "__weakref__")

    def __init__(self, value=1000001):
        self.value = value


class Fails:
    """Fails wherever it is asked for anything."""

    def fail(self, *_):
        raise ArithmeticError("asked")

    __repr__ = __str__ = __bool__ = __index__ = __int__ = __float__ = __len__ = __iter__ = __fspath__ = fail
    __sizeof__ = __eq__ = __gt__ = __lt__ = fail
    __hash__ = object.__hash__


def types_of(module):
    return [value for value in vars(module).values() if isinstance(value, type)]


TEXT = "".join(["a text", " of its own"])
NUMBER = int("123456789012345678901234567890")
THINGS = [None, True, False, 0, 1, NUMBER, 2.5, 1j, TEXT, b"bytes", (), (TEXT,), [TEXT], {TEXT: NUMBER}, {TEXT}]
THINGS += [Plain, Plain(TEXT), Bare(), Slots(NUMBER), Fails(), int, type, print, len, os, sys, lambda: None]
THINGS += [range(3), slice(1, NUMBER), iter([TEXT]), ValueError(TEXT), gc.collect, Plain.__init__, Plain(1).__init__]
THINGS += [memoryview(b"x"), bytearray(b"x"), property(len), object(), Ellipsis, NotImplemented, float("nan"), -1]
SHARED = [None, True, False, 0, 1, 8, TEXT, NUMBER, "", "__init__", "name", "size", (), int, str, type, object, dict,
          list]
SHARED += [tuple, set, Plain, Bare, Slots, Fails, Plain.__init__, "Plain", "__main__.Plain", "__dict__", "__class__"]
SHARED += types_of(_capture) + types_of(_report) + [_capture, _report, asizeof, sys.getsizeof, ArithmeticError]


def settle():
    """Collects, and empties the cache of attributes, which refers to names, and to None where it is empty."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        sys._clear_type_cache()


def leaks_of(call):
    """What has more references after TIMES calls, and by how many a call."""
    probes = SHARED + THINGS
    counts = array.array("q", bytes(8 * len(probes)))  # which refers to none of them
    for _ in range(3):
        call()
    settle()
    for i, probe in enumerate(probes):
        counts[i] = sys.getrefcount(probe)
    for _ in range(TIMES):
        call()
    settle()
    found = []
    for i, probe in enumerate(probes):
        change = sys.getrefcount(probe) - counts[i]
        if change >= TIMES // 2 or change <= -TIMES // 2:
            found.append((type(probe).__name__, getattr(probe, "__name__", probe if type(probe) is str else None),
                          change / TIMES))
    return found


def check(calls):
    wrong = {}
    for name, call in calls.items():

        def quiet():
            try:
                call()
            except Exception:
                pass

        found = leaks_of(quiet)
        if found:
            wrong[name] = found
    cases.equal(wrong, {})


def with_everything(function, *first):
    """FUNCTION with each thing as its argument after FIRST, and with none, and with too many."""

    def calls():
        for thing in THINGS:
            try:
                function(*first, thing)
            except Exception:
                pass
        for rest in ((), tuple(THINGS)):
            try:
                function(*first, *rest)
            except Exception:
                pass
        try:
            function(*first, no_such_argument=TEXT)
        except Exception:
            pass

    return calls


def methods_of(thing, but=()):
    """Each public method, and each attribute as something that is read, written and deleted."""
    calls = {}
    for name in dir(type(thing)):
        if name in but or name in ("__class__", "__init_subclass__", "__subclasshook__", "__del__", "__new__"):
            continue

        def look(name=name):
            return getattr(thing, name)

        def write(name=name):
            for value in (None, TEXT):
                try:
                    setattr(thing, name, value)
                except Exception:
                    pass

        calls[f"{type(thing).__name__}.{name}"] = look
        try:
            value = look()
        except Exception:
            continue
        if not name.startswith("__") and callable(value):
            calls[f"{type(thing).__name__}.{name}()"] = with_everything(value)
        elif not name.startswith("_"):
            calls[f"{type(thing).__name__}.{name} ="] = write
    for what, call in (("repr", repr), ("str", str), ("hash", hash), ("len", len), ("list", list), ("bool", bool)):
        calls[f"{what}({type(thing).__name__})"] = lambda call=call: call(thing)
    calls[f"{type(thing).__name__}[]"] = with_everything(lambda key: thing[key])
    calls[f"in {type(thing).__name__}"] = with_everything(lambda key: key in thing)
    calls[f"{type(thing).__name__} =="] = with_everything(lambda other: (thing == other, thing != other))
    return calls


def functions_of_sizes():
    calls = {}
    for name in dir(_capture):
        function = getattr(_capture, name)
        if type(function) is type(len):
            calls[name] = with_everything(function)
    for name in asizeof.__all__:
        function = getattr(asizeof, name)
        if not isinstance(function, type) and callable(function) and name not in (
                "test", "asizeof", "asizesof", "asized"):
            calls[f"asizeof.{name}"] = with_everything(function)
    for options in ({}, {"code": True}, {"derive": True, "infer": True}, {"limit": 1}, {"align": 3},
                    {"stats": Fails()}):
        for name in ("asizeof", "asizesof", "asized"):
            call = getattr(asizeof, name)
            calls[f"{name} {list(options)}"] = lambda call=call, options=options: [
                call(one, **options) for one in THINGS]
            calls[f"{name} all {list(options)}"] = lambda call=call, options=options: call(*THINGS, **options)
    calls["asized detail"] = lambda: asizeof.asized(*THINGS, detail=3)
    check(calls)


def asizers():
    def one():
        asizer = asizeof.Asizer(stats=2, above=1, code=True)
        asizer.exclude_types(Plain, int)
        asizer.exclude_refs(*THINGS)
        asizer.exclude_objs(TEXT)
        asizer.asized(*THINGS, detail=2)
        return asizer._ranks(), asizer._profiles(), asizer._typedefs(), asizer._facts(), asizer.excluded

    calls = {"an Asizer": one, "Asizer()": with_everything(asizeof.Asizer)}
    with open(os.devnull, "w") as nothing:
        asizer = asizeof.Asizer(stats=2, above=1, stream=nothing)
        asizer.asizeof(*THINGS)
        takes = ("exclude_types", "exclude_objs", "exclude_refs", "asizeof", "asizesof", "asized")
        calls.update(methods_of(asizer, but=takes))
        check(calls)


def asizeds():
    asized = asizeof.asized(Plain([TEXT]), detail=3)
    calls = {"Asized()": with_everything(asizeof.Asized), "Asized(1)": with_everything(asizeof.Asized, 1, 1)}
    calls.update(methods_of(asized, but=("size", "flat", "name", "refs")))
    calls["__init__"] = lambda: asizeof.Asized(1, 1).__init__(TEXT, NUMBER, [TEXT], TEXT)
    check(calls)


def trackers():
    kept = [Plain(i) for i in range(3)]
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nothing:
        tracker = ClassTracker(stream=nothing)

        def life(trace=False, keep=False):
            for cls in (Plain, Bare, Slots):
                tracker.track_class(cls, name="Plain", trace=trace, keep=keep, resolution_level=2)
            made = [Plain(TEXT), Bare(), Slots(), Plain(value=NUMBER)]
            for one in (Plain.__init__, Bare.__init__):
                repr(one), one.__doc__, hash(one), one == one, one.__get__(made[0]), one.__reduce_ex__(2)
            for bad in (lambda: Bare(1), lambda: Plain(1, 2), lambda: Plain.__init__(), lambda: Bare.__init__(1)):
                try:
                    bad()
                except TypeError:
                    pass
            tracker.create_snapshot(TEXT)
            tracker.create_snapshot(TEXT)
            view = tracker.objects[id(made[0])]
            view.snapshots, view.trace, view.repr, view.name, view.ref, view.__getstate__(), view.__reduce__()
            tracker.index["Plain"][:], tracker.history["Plain"], list(tracker.objects), repr(tracker.index)
            tracker.stats.print_summary()
            tracker.stats.dump_stats(os.path.join(directory, "dump.dat"))
            tracker.detach_all()
            tracker.clear()

        def by_hand():
            for thing in THINGS:
                try:
                    tracker.track_object(thing, name="thing", keep=True, trace=True)
                except TypeError:
                    pass
            tracker.create_snapshot()
            tracker.create_snapshot()
            tracker.clear()

        check({"life": life, "life with trace": lambda: life(True), "life kept": lambda: life(True, True),
               "by hand": by_hand})
        # What takes things is not called with them: a tracker keeps what it was told of.
        takes = ("track_object", "track_class", "create_snapshot", "start_periodic_snapshots", "_snapshot")
        takes += ("_take_snapshot", "_open_log", "_dump", "mark", "snapshots")
        for one in kept:
            tracker.track_object(one, name="Plain", trace=True, resolution_level=1)
        tracker.create_snapshot(TEXT)
        calls = methods_of(tracker, but=takes + ("clear", "detach_all", "_forget_all", "detach_all_classes", "close"))
        for view in (tracker.index["Plain"][0], tracker.index["Plain"], tracker.index, tracker.objects,
                     tracker.history):
            calls.update(methods_of(view))
        calls["track_object badly"] = lambda: tracker.track_object(kept[0], Fails())
        calls["track_object unreferenced"] = with_everything(
            lambda thing: tracker.track_object(thing, resolution_level=Fails()))
        calls["track_class badly"] = with_everything(lambda thing: tracker.track_class(Plain, thing, Fails()))
        calls["track_class of what is none"] = with_everything(lambda thing: tracker.track_class(int))
        calls["snapshot badly"] = with_everything(lambda thing: tracker._take_snapshot(thing, Fails(), Fails()))
        calls["logs badly"] = lambda: tracker._open_log("/no/such/folder")
        calls["dump badly"] = with_everything(lambda thing: tracker._dump("/no/such/folder/" + TEXT))
        check(calls)
        tracker.close()


def statistics():
    tracker = ClassTracker()
    kept = [Plain(i) for i in range(30)]
    for one in kept:
        tracker.track_object(one, name="Plain", trace=True, resolution_level=2)
    tracker.create_snapshot(TEXT)
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nothing:
        path = os.path.join(directory, "dump.dat")
        tracker.stats.dump_stats(path)
        with open(path, "rb") as file:
            data = file.read()

        def whole():
            for stats in (ConsoleStats(filename=path, stream=nothing), ConsoleStats(tracker=tracker, stream=nothing)):
                stats.sort_stats("size", "birth").reverse_order()
                stats.print_stats(), stats.print_summary()
                view = stats.sorted[0]
                view.snapshots, view.trace, view.size, view.repr, view.ref(), repr(view)
            HtmlStats(filename=path).create_html(os.path.join(directory, "page.html"))

        log = _report.Log(path)
        objects = log.objects()
        calls = {"statistics": whole, "Log()": with_everything(_report.Log), "Log(bytes)": lambda: _report.Log(data)}
        calls["Log(bad bytes)"] = lambda: _report.Log(data[:100], "name")
        calls["Log(pickle)"] = lambda: _report.Log(b"\x80\x02]q\x00.", "name")
        calls["Stats()"] = with_everything(Stats)
        calls.update(methods_of(log, but=("page", "chart", "copy", "objects", "index")))
        calls["objects of a log"] = lambda: (list(log.objects()), log.index(), log.objects(Plain)[0], log.index(len))
        calls["made badly"] = lambda: list(log.objects(Fails().fail))
        calls["rows"] = lambda: (log.rows("objects", "class,size,birth"), log.rows("objects", "class", "size>1"))
        calls["rows badly"] = with_everything(log.rows, "objects")
        calls["chart badly"] = with_everything(log.chart, os.path.join(directory, "a.png"))
        calls["written badly"] = lambda: log.page("/no/such/folder/x")
        for one in (objects, objects[0], iter(objects)):
            calls.update(methods_of(one))
        check(calls)


if __name__ == "__main__":
    cases.main(functions_of_sizes, asizers, asizeds, trackers, statistics)
