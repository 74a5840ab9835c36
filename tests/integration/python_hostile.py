#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that do their worst while they are looked at: Python code that runs in the middle of a call
of this package, in a repr, a comparison, a conversion or a garbage collection, and takes away what the
call works on.  Whatever the result, nothing is read that is not there any more (the tests run under
sanitizers too), and what was said before stays true."""

import contextlib
import gc
import os
import subprocess
import sys
import tempfile
import threading
import types
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import asizeof
from memcapture.classtracker import ClassTracker
from memcapture.classtracker_stats import Stats


class Plain:
    def __init__(self, value=0):
        self.value = value
        self.more = [value]


class Act(str):
    """A str that acts whenever it is hashed or compared."""

    def __new__(cls, text, act):
        made = super().__new__(cls, text)
        made.act = act
        return made

    def __hash__(self):
        self.act()
        return str.__hash__(self)

    def __eq__(self, other):
        self.act()
        return False


class Answers:
    """Answers every conversion, after it has acted."""

    def __init__(self, act, answer=1):
        self.act = act
        self.answer = answer

    def give(self, *_):
        self.act()
        return self.answer

    def flag(self):
        self.act()
        return bool(self.answer)

    __bool__ = flag
    __int__ = __index__ = __fspath__ = __gt__ = __lt__ = __len__ = __repr__ = give

    def __float__(self):
        self.act()
        return float(self.answer)


@contextlib.contextmanager
def collections(act):
    """ACT at every garbage collection, of which there is one for nearly every object that is made."""
    inside = []

    def callback(phase, _):
        if not inside:
            inside.append(phase)
            try:
                act()
            finally:
                inside.clear()

    before = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(callback)


def quietly(call, *args, **options):
    try:
        return call(*args, **options)
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError, IndexError, OSError):
        return None


# ---- The tracker ----------------------------------------------------------------------------------


def fill(tracker, count=20):
    objects = [Plain(i) for i in range(count)]
    for one in objects:
        tracker.track_object(one, name="Plain")
    tracker.track_class(Plain, name="Class")
    tracker.create_snapshot("first")
    return objects


def use_all(tracker, directory):
    """Every call of a tracker."""
    one = Plain(1)
    quietly(tracker.track_object, one, resolution_level=2, keep=True, trace=True)
    quietly(tracker.track_change, one, 1)
    quietly(tracker.track_class, Plain, name="Class", trace=True)
    Plain(2)
    quietly(tracker.create_snapshot, "snapshot")
    quietly(list, tracker.index)
    quietly(list, tracker.objects)
    quietly(list, tracker.history)
    quietly(lambda: tracker.index["Plain"])
    quietly(lambda: tracker.history["Plain"])
    quietly(lambda: [view.snapshots for view in tracker.index["Plain"]])
    quietly(lambda: [(view.trace, view.repr, view.size, view.tsize, view.ref()) for view in tracker.index["Plain"]])
    quietly(lambda: tracker.index["Plain"][::2])
    quietly(repr, tracker.index)
    quietly(tracker.stats.print_summary)
    quietly(tracker.stats.dump_stats, os.path.join(directory, "dump.dat"))
    quietly(tracker.detach_class, Plain)
    quietly(tracker.detach_all_classes)


def collections_do_anything_to_a_tracker():
    acts = [
        lambda tracker: tracker.detach_all(),
        lambda tracker: tracker.clear(),
        lambda tracker: quietly(tracker.track_class, Plain, name="Class"),
        lambda tracker: quietly(tracker.detach_class, Plain),
        lambda tracker: len(tracker.objects) < 100 and tracker.track_object(Plain()),
        lambda tracker: len(tracker.snapshots) < 30 and quietly(tracker.create_snapshot, "inner"),
        lambda tracker: setattr(Plain, "__init__", Plain.__init__),
    ]
    before = Plain.__init__
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nothing:
        for act in acts:
            tracker = ClassTracker(stream=nothing)
            kept = fill(tracker, 5)
            with collections(lambda: act(tracker)):
                use_all(tracker, directory)
                use_all(tracker, directory)
            tracker.clear()
            tracker.close()
            Plain.__init__ = before
            del kept


def conversions_do_anything_to_a_tracker():
    with tempfile.TemporaryDirectory() as directory:
        for name in ("detach_all", "clear"):
            tracker = ClassTracker()
            kept = fill(tracker)
            act = getattr(tracker, name)
            quietly(tracker._open_log, Answers(act, os.path.join(directory, "a.log")))
            quietly(tracker._close_log)
            kept += fill(tracker)
            quietly(tracker._dump, Answers(act, os.path.join(directory, "b.log")))
            kept += fill(tracker)
            quietly(tracker._take_snapshot, "text", None, Answers(act))
            kept += fill(tracker)
            quietly(tracker._take_snapshot, "text", Answers(act).give)
            kept += fill(tracker)
            quietly(tracker.track_object, Plain(), resolution_level=Answers(act), keep=Answers(act))
            quietly(tracker.track_change, kept[-1], Answers(act))
            quietly(tracker.track_class, Plain, trace=Answers(act))
            kept += fill(tracker)
            for mapping in (tracker.index, tracker.history, tracker.objects):
                for key in (Act("Plain", act), Act("Class", act), Answers(act), [], None, 1.5, -1, 1 << 70):
                    quietly(lambda: mapping[key])
                    quietly(lambda: key in mapping)
                    quietly(mapping.get, key)
                    quietly(fill, tracker)
            views = tracker.index["Plain"]
            quietly(lambda: views[Answers(act)])
            quietly(lambda: views[Answers(act) : Answers(act, 10)])
            quietly(views.index, Answers(act))
            tracker.close()


def a_name_that_is_a_str_of_another_class_finds_the_same():
    tracker = ClassTracker()
    kept = fill(tracker, 3)
    cases.equal(len(tracker.index[Act("Plain", lambda: None)]), 3)
    cases.equal(len(tracker.history[Act("Plain", lambda: None)]), 3)
    cases.equal(Act("Plain", lambda: None) in tracker.history, True)
    tracker.detach_all()
    cases.equal(len(tracker.history[Act("Plain", lambda: None)]), 3)
    cases.equal(tracker.history[None], [])
    cases.equal(None in tracker.history, False)
    del kept


def a_snapshot_that_is_not_being_taken_is_not_given_up():
    tracker = ClassTracker()
    kept = fill(tracker)
    tracker._give_up_snapshot()
    for one in kept:
        one.more.extend(range(100))
    tracker.create_snapshot("second")
    tracker._give_up_snapshot()
    sizes = [[asized.size for _, asized in view.snapshots] for view in tracker.index["Plain"]]
    assert all(size[1] < size[2] for size in sizes), sizes
    cases.equal(len(sizes), len(kept))


def objects_that_change_everything_while_they_are_shown():
    tracker = ClassTracker()

    class Other:
        pass

    class Shows:
        def __init__(self, act):
            self.act = act

        def __repr__(self):
            return str(self.act(self))

        def __sizeof__(self):
            self.act(self)
            return 64

    def becomes_other(self):
        self.__class__ = Other

    def loses_dict(self):
        self.__dict__ = {}
        self.act = lambda self: "x"

    def recurses(self):
        return repr([self])

    def kills_itself(self):
        tracker.objects[id(self)].ref.__callback__(tracker.objects[id(self)].ref)

    def grows(self):
        for i in range(50):
            setattr(self, f"attribute{i}", Plain(i))

    acts = [becomes_other, loses_dict, recurses, kills_itself, grows]
    acts += [lambda self: tracker.create_snapshot("inner"), lambda self: tracker.track_object(Plain())]
    acts += [lambda self: tracker.detach_all(), lambda self: tracker.clear(), lambda self: gc.collect()]
    acts += [lambda self: 1 / 0, lambda self: "\ud800\0" * 100, lambda self: "x" * (1 << 20), lambda self: None]
    for level in (0, 3):
        for act in acts:
            kept = [Shows(act) for _ in range(3)]
            for one in kept:
                tracker.track_object(one, resolution_level=level)
            quietly(tracker.create_snapshot, "outer")
            quietly(tracker.create_snapshot, "again")
            quietly(lambda: [view.snapshots for view in tracker.index["Shows"]])
            tracker.detach_all()


def classes_whose_names_act():
    """A class's dict can have keys that compare as they like."""
    tracker = ClassTracker()
    acts = []
    name = Act("__init__", lambda: acts and acts[-1]())
    for bases in ((), (Plain,)):
        Base = type("Base", bases, {})
        Strange = type("Strange", (Base,), {})
        Odd = type("Odd", (Base,), {})
        Last = type("Last", (Strange,), {})
        try:
            Holder = type("Holder", (Strange,), {name: 1})
        except TypeError:
            continue

        def move():
            acts.clear()
            Holder.__bases__ = (Odd,) if Holder.__bases__ == (Strange,) else (Strange,)
            quietly(delattr, Base, "__init__")
            gc.collect()

        tracker.track_class(Holder, name="Holder")
        for _ in range(4):
            acts.append(move)
            quietly(Holder)
            acts.append(move)
            quietly(tracker.track_class, Holder, name="Holder")
            acts.append(move)
            quietly(lambda: Holder.__init__.__doc__)
        acts.append(move)
        quietly(asizeof.asizeof, Holder, Holder(), Last, code=True)
        tracker.detach_all_classes()
        acts.clear()


def observers_of_observers_end():
    tracker = ClassTracker()

    class Wrapped:
        def __init__(self):
            pass

    own = Wrapped.__init__
    for _ in range(20000):
        tracker.track_class(Wrapped)
        inner = Wrapped.__init__
        Wrapped.__init__ = own
        tracker.detach_class(Wrapped)
        next_class = type("Next", (), {"__init__": inner})
        Wrapped, own = next_class, inner
    try:
        Wrapped()
    except RecursionError:
        pass
    else:
        raise AssertionError("20000 calls one within the other")
    del Wrapped, own, inner, next_class
    gc.collect()


def names_of_every_kind():
    tracker = ClassTracker()
    names = ["\ud800", "a\0b", "x" * (1 << 20), "", " ", "\U0010ffff", "\ud83d\ude00"]
    kept = []
    for name in names:
        kept.append(Plain())
        tracker.track_object(kept[-1], name=name)
    tracker.create_snapshot("\ud800\0" * 10)
    for name in names:
        if name:
            cases.equal([view.name for view in tracker.index[name]], [name])
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "names.dat")
        tracker.stats.dump_stats(path)
        stats = Stats(filename=path)
        stats.sort_stats("size")
        cases.equal(len(list(stats.sorted)), len(names))
        for view in stats.sorted:
            repr(view), view.name, view.classname, view.repr, view.trace


# ---- Sizes ------------------------------------------------------------------------------------------


def conversions_do_anything_to_an_asizer():
    for act in (lambda: asizer.reset(), lambda: asizer.set(limit=3), lambda: asizer.exclude_types(int)):
        asizer = asizeof.Asizer(stats=2, above=1)
        for name in ("code", "derive", "frames", "ignored", "infer", "clip", "align", "limit", "detail", "stats",
                     "above"):
            asizer.asizeof([1, 2.5, Plain(), {}])
            quietly(asizer.set, **{name: Answers(act, 8)})
            quietly(asizer.reset, **{name: Answers(act, 8)})
            quietly(asizer.asizeof, [Plain()], **{name: Answers(act, 8)})


def a_repr_resets_the_asizer_that_asks():
    class Shows:
        def __repr__(self):
            quietly(asizer.reset)
            return "shown"

        def __sizeof__(self):
            quietly(asizer.reset)
            return 48

        def __del__(self):
            quietly(asizer.reset)

    asizer = asizeof.Asizer(stats=2, above=1, detail=3)
    for _ in range(3):
        cases.equal(asizer.asized(Shows(), detail=2).name, "shown")
        asizer.asized(Shows(), [Shows(), {Shows(): Shows()}], detail=4)
        asizer.asizesof(Shows(), [Shows()])
        asizer.asizeof(Shows(), [Shows()])
    asizer._ranks(), asizer._profiles(), asizer._typedefs()


def collections_reset_an_asizer():
    asizer = asizeof.Asizer(stats=2, above=1)

    def act():
        quietly(asizer.reset, stats=2, above=1)
        quietly(asizer.asizeof, Plain(), [Plain()])

    act()
    things = [Plain(i) for i in range(50)]
    with collections(act):
        for _ in range(3):
            quietly(asizer.asizeof, *things)
            quietly(asizer.asizesof, *things)
            quietly(asizer.asized, *things, detail=2)
            quietly(asizer.exclude_types, int, str)
            asizer._ranks(), asizer._profiles(), asizer._typedefs(), asizer._facts(), asizer.excluded
            asizeof.refs(things[0]), asizeof.named_refs(things[0])
            list(asizeof.refs(Plain)), asizeof.leng(things), asizeof.flatsize(things)


def classes_that_compare_as_they_like():
    class Meta(type):
        def __eq__(cls, other):
            raise AssertionError("a class was compared")

        __hash__ = None

    class Strange(metaclass=Meta):
        pass

    asizer = asizeof.Asizer()
    asizer.exclude_types(int, Strange)
    count = len(asizer.excluded)
    asizer.exclude_types(Strange, int, Strange)
    cases.equal(len(asizer.excluded), count)
    strange, plain = Strange(), Plain()
    cases.equal(asizer.asizeof(strange), 0)
    assert asizer.asizeof(plain) > 0


def an_asized_is_changed_while_it_is_shown():
    asized = asizeof.Asized(1, 2, (), "name")

    def act():
        asized.size = asized.flat = asized.name = asized.refs = object()

    for name in ("size", "flat", "name"):
        asized.refs = ()
        setattr(asized, name, Answers(act, "text"))
        quietly(str, asized)
    asized.refs = Answers(act, 3)
    quietly(str, asized)
    asized.refs = [asizeof.Asized(1, 1, (), Answers(act, "text"))]
    quietly(asized.get, Act("text", act))
    with collections(act):
        asized.size = 1 << 100
        asized.__reduce__()
    asized.refs = (asized,)
    try:
        asized.format()
    except (RecursionError, TypeError):
        pass
    else:
        raise AssertionError("it has no end")


def depth_does_no_harm():
    deep = []
    for _ in range(1000000):
        deep = [deep]
    cases.equal(asizeof.asizeof(deep, limit=1 << 40) > 1000000 * 56, True)
    one = Plain()
    one.deep = deep
    tracker = ClassTracker()
    tracker.track_object(one, resolution_level=255)
    tracker.create_snapshot("deep")
    # Names are what repr() says, which gives up at this depth.
    assert tracker.objects[id(one)].snapshots[1][1].refs
    made = asizeof.asized(deep, detail=1000, limit=1000)
    for _ in range(999):
        (made,) = made.refs
    asized = asizeof.Asized(1, 1)
    for _ in range(200000):
        asized = asizeof.Asized(1, 1, (asized,))
    try:
        asized.format()
    except RecursionError:
        pass
    del asized, made
    while deep:
        deep = deep[0]


def containers_change_while_they_are_walked():
    class Item:
        def __init__(self, act):
            self.act = act

        def __sizeof__(self):
            self.act()
            return 32

    def shrinks(make, change):
        container = make()
        change_now = lambda: change(container)
        fill_with = [Item(change_now) for _ in range(100)]
        if isinstance(container, list):
            container.extend(fill_with)
        elif isinstance(container, set):
            container.update(fill_with)
        elif isinstance(container, dict):
            container.update((i, item) for i, item in enumerate(fill_with))
        else:
            for i, item in enumerate(fill_with):
                setattr(container, f"a{i}", item)
        del fill_with
        return container

    class Dict(dict):
        pass

    class List(list):
        pass

    def clear(container):
        (container.__dict__ if isinstance(container, Plain) else container).clear()

    def grow(container):
        if isinstance(container, list):
            container.extend(range(1000))
        elif isinstance(container, set):
            container.update(range(1000))
        elif isinstance(container, dict):
            container.update((f"x{i}", i) for i in range(1000))
        else:
            container.__dict__.update((f"x{i}", i) for i in range(1000))

    for make in (list, set, dict, Dict, List, Plain):
        for change in (clear, grow):
            for detail in (0, 2):
                asizeof.asized(shrinks(make, change), detail=detail)
                tracker = ClassTracker()
                holder = Plain()
                holder.held = shrinks(make, change)
                tracker.track_object(holder, resolution_level=detail)
                tracker.create_snapshot("walk")


# ---- Statistics ---------------------------------------------------------------------------------------


def threads_share_an_iterator():
    tracker = ClassTracker()
    kept = fill(tracker, 30000)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "many.dat")
        tracker.stats.dump_stats(path)
        stats = Stats(filename=path)
        stats.sort_stats("size", "birth")
        for _ in range(5):
            found, failures = [], []
            iterator = iter(stats.sorted)

            def walk():
                try:
                    for view in iterator:
                        found.append(view.id)
                except Exception as what:
                    failures.append(what)

            threads = [threading.Thread(target=walk) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            cases.equal(failures, [])
            cases.equal(len(set(found)), len(kept))
    tracker.close()


# ---- The end --------------------------------------------------------------------------------------------


def program(text, *options):
    result = subprocess.run(
        [sys.executable, *options, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
    )
    cases.equal((result.returncode, result.stdout), (0, ""), text)


ENDS = {
    "everything goes at once": """
        del sys.modules["memcapture"], sys.modules["memcapture.classtracker"], sys.modules["memcapture._capture"]
        del sys.modules["memcapture.asizeof"]
        holder = [tracker, Tracked, kept, sizer, asizeof, ClassTracker]
        holder.append(holder)
        del holder, tracker, Tracked, kept, sizer, asizeof, ClassTracker, memcapture
        for _ in range(5): gc.collect()
    """,
    "finalizers without a collector use what is being collected": """
        class Last:
            __slots__ = ()
            def __del__(self, tracker=tracker, Tracked=Tracked, sizer=sizer):
                for call in (Tracked, tracker.create_snapshot, lambda: tracker.track_object(Tracked()),
                             lambda: sizer.asized(1), lambda: list(tracker.index), lambda: tracker.track_class(Tracked),
                             lambda: list(tracker.objects.values()), tracker.detach_all, tracker.stats):
                    try:
                        call()
                    except Exception:
                        pass
        for name in [name for name in sys.modules if name.startswith("memcapture")]:
            del sys.modules[name]
        cells = [[Last()] for _ in range(3)]
        cells += [tracker, Tracked, kept, sizer, asizeof, ClassTracker, cells, [Last()]]
        del Last, cells, tracker, Tracked, kept, sizer, asizeof, ClassTracker, memcapture
        for _ in range(5): gc.collect()
    """,
    "a second import": """
        for name in [name for name in sys.modules if name.startswith("memcapture")]:
            del sys.modules[name]
        from memcapture.classtracker import ClassTracker as Second
        second = Second()
        second.track_class(Tracked)
        second.track_object(kept[0])
        third = Tracked()
        second.create_snapshot()
        tracker.create_snapshot()
        assert len(second.objects) == 2, len(second.objects)
        del third
    """,
    "objects outlive everything": """
        import builtins
        builtins.kept, builtins.tracker, builtins.Tracked = kept, tracker, Tracked
        sys.kept = [kept, Tracked, tracker]
    """,
    "a thread goes on": """
        import threading
        def work():
            while True:
                Tracked()
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        tracker.start_periodic_snapshots(0.001)
    """,
    "frozen": """
        gc.freeze()
        cycle = [Tracked() for _ in range(1000)]
        for one in cycle: one.cycle = cycle
        gc.freeze()
        refs = [view.ref for view in tracker.objects.values()]
        gc.get_referrers(*refs); gc.get_referents(*refs); gc.get_objects()
        gc.unfreeze()
        del cycle, one
        gc.collect()
        assert len(list(tracker.index["Tracked"])) == 1005
        assert sum(view.death is None for view in tracker.index["Tracked"]) == 5
        gc.collect()
        del refs
        gc.collect()
    """,
}


def programs_end_well():
    start = """
        import gc, sys
        import memcapture
        from memcapture import asizeof
        from memcapture.classtracker import ClassTracker
        class Tracked:
            def __init__(self): self.itself = self
        tracker = ClassTracker()
        tracker.track_class(Tracked, name="Tracked", trace=True)
        kept = [Tracked() for _ in range(5)]
        tracker.create_snapshot("one")
        sizer = asizeof.Asizer(stats=2, above=1)
        sizer.asizeof(kept)
        asizeof = asizeof
    """
    for text in ENDS.values():
        whole = "\n".join(line[8:] for part in (start, text) for line in part.splitlines())
        program(whole)
        program(whole, "-X", "dev", "-W", "error")


def generations_of_cycles_are_counted():
    """References leave the collector's lists, and it finds them all the same."""
    tracker = ClassTracker()
    told = []

    class Node:
        def __init__(self):
            self.itself = self

    tracker.track_class(Node, name="Node")
    before = gc.get_threshold()
    gc.set_threshold(50, 3, 3)
    try:
        others, held = [], []
        for i in range(5000):
            node = Node()
            others.append(weakref.ref(node, lambda ref: told.append(1)))
            if i % 7 == 0:
                held.append(tracker.objects[id(node)].ref)
            if i % 500 == 0:
                gc.collect(i // 500 % 3)
                gc.get_objects()
            if i % 1000 == 0:
                gc.freeze()
            if i % 1000 == 500:
                gc.unfreeze()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    del node
    gc.collect()
    cases.equal(len(told), 5000)
    cases.equal(sum(view.death is None for view in tracker.index["Node"]), 0)
    cases.equal([ref() for ref in held], [None] * len(held))
    held += [types.SimpleNamespace(held=held)]
    del held, others
    gc.collect()


cases.main(
    collections_do_anything_to_a_tracker,
    conversions_do_anything_to_a_tracker,
    a_name_that_is_a_str_of_another_class_finds_the_same,
    a_snapshot_that_is_not_being_taken_is_not_given_up,
    objects_that_change_everything_while_they_are_shown,
    classes_whose_names_act,
    observers_of_observers_end,
    names_of_every_kind,
    conversions_do_anything_to_an_asizer,
    a_repr_resets_the_asizer_that_asks,
    collections_reset_an_asizer,
    classes_that_compare_as_they_like,
    an_asized_is_changed_while_it_is_shown,
    depth_does_no_harm,
    containers_change_while_they_are_walked,
    threads_share_an_iterator,
    generations_of_cycles_are_counted,
    programs_end_well,
)
