#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tracking a class observes its constructor: every way in which Python makes an instance is seen,
and nothing else that a program can see of the class changes, not while it is tracked, and not after."""

import abc
import builtins
import collections
import copy
import dataclasses
import enum
import functools
import inspect
import os
import pickle
import pydoc
import sys
import types
import typing
import weakref
from contextlib import closing

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture.classtracker import ClassTracker


def tracked(tracker, name=None):
    """How many objects were ever tracked, in all or under a name."""
    return len(tracker.index[name]) if name else sum(len(found) for found in tracker.index.values())


def message_of(call, error=TypeError):
    try:
        call()
    except error as what:
        return str(what)
    raise AssertionError(f"no {error.__name__}")


class Point:
    """A place."""

    def __init__(self, x: int, y: int = 2, *rest, z=3, **more) -> None:
        """Makes a place."""
        self.x, self.y, self.rest, self.z, self.more = x, y, rest, z, more


class Bare:
    pass


class Other:
    def __init__(self, self_, *args, **kwargs):
        self.seen = self_, args, kwargs


def arguments_and_results_pass_unchanged():
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Point, name="p")
        point = Point(1, 5, 6, 7, z=8, a=9)
        cases.equal((point.x, point.y, point.rest, point.z, point.more), (1, 5, (6, 7), 8, {"a": 9}))
        cases.equal((Point(1).y, Point(x=4).x), (2, 4))
        tracker.track_class(Other, name="o")
        keywords = dict(observer=1, instance=2, name=3, cls=4, args=5, _self_=6, _observer_=7, keep=8, trace=9)
        cases.equal(Other("s", 1, **keywords).seen, ("s", (1,), keywords))
        cases.equal(tracked(tracker), 4)
        cases.equal(Point.__init__(point, 9), None)
        cases.equal(point.x, 9)


def errors_are_those_of_the_class():
    class Failing:
        def __init__(self, value):
            raise LookupError(value)

    class Returning:
        def __init__(self):
            return 5

    before = [message_of(Point), message_of(lambda: Point(1, w=1) and Point(y=2)), message_of(Returning)]
    with closing(ClassTracker()) as tracker:
        for cls in Point, Failing, Returning:
            tracker.track_class(cls, name=cls.__name__)
        now = [message_of(Point), message_of(lambda: Point(1, w=1) and Point(y=2)), message_of(Returning)]
        cases.equal(now, before)
        cases.equal(message_of(lambda: Failing("why"), LookupError), "why")
        cases.equal([count for _, count in tracker.history["Failing"]], [1, 0])
        try:
            Failing("where")
        except LookupError as error:
            names = [frame.name for frame in __import__("traceback").extract_tb(error.__traceback__)]
            cases.equal(names, ["errors_are_those_of_the_class", "__init__"])


def a_class_without_a_constructor_refuses_arguments_as_before():
    class Base:
        pass

    class Chosen:
        def __new__(cls, value):
            self = super().__new__(cls)
            self.value = value
            return self

    class Passing(Base):
        def __init__(self, *args):
            super().__init__(*args)

    class Both:
        def __new__(cls, *args):
            return super().__new__(cls)

        def __init__(self, *args):
            super().__init__(*args)

    bare = Bare()
    calls = [lambda: Bare(1), lambda: Bare(x=1), lambda: bare.__init__(1), lambda: Passing(1),
             lambda: Both(1), lambda: Chosen(), lambda: Bare.__init__(bare, 1), lambda: Bare.__init__(),
             lambda: Base(**{"a": 1})]
    before = [message_of(call) for call in calls]
    with closing(ClassTracker()) as tracker:
        for cls in Bare, Base, Chosen, Passing, Both:
            tracker.track_class(cls, name=cls.__name__)
        cases.equal([message_of(call) for call in calls], before)
        cases.equal(tracked(tracker, "Base"), 0)
        cases.equal(Chosen(3).value, 3)
        cases.equal(Chosen(value=4).value, 4)
        Bare()
        Bare().__init__()
        cases.equal(tracked(tracker, "Chosen"), 2)
    cases.equal([message_of(call) for call in calls], before)


def the_next_constructor_is_found_as_super_does():
    order = []

    class A:
        def __init__(self):
            order.append("A")
            super().__init__()

    class B(A):
        pass

    class C(A):
        def __init__(self):
            order.append("C")
            super().__init__()

    class D(B, C):
        pass

    class E(B, C):
        def __init__(self):
            order.append("E")
            super().__init__()

    with closing(ClassTracker()) as tracker:
        plain = {cls: inspect.signature(cls) for cls in (A, B, C, D, E)}
        looks = B.__init__, D.__init__, E.__init__
        tracker.track_class(B, name="B")
        for cls, expected in (B, "A"), (D, "CA"), (E, "ECA"), (A, "A"):
            order.clear()
            cls()
            cases.equal("".join(order), expected, cls.__name__)
            cases.equal(inspect.signature(cls), plain[cls])
        cases.equal((B.__init__, D.__init__, E.__init__), looks)
        cases.equal(D.__init__.__qualname__, C.__init__.__qualname__)
        order.clear()
        D.__init__(D())
        cases.equal("".join(order), "CACA")
        cases.equal(tracked(tracker, "B"), 4)
        tracker.track_class(D, name="D")
        tracker.track_class(C, name="C")
        tracker.track_class(A, name="A")
        order.clear()
        D(), E(), A(), C()
        cases.equal("".join(order), "CAECAACA")
        cases.equal([tracked(tracker, name) for name in "ABCDE"], [1, 5, 1, 1, 0])
    cases.equal([list(vars(cls)).count("__init__") for cls in (A, B, C, D, E)], [1, 0, 1, 0, 1])


def the_most_specialised_class_wins_and_an_object_is_tracked_once():
    class Base:
        def __init__(self):
            self.base = True

    class Derived(Base):
        def __init__(self):
            Base.__init__(self)

    class Late:
        pass

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Base, name="base", resolution_level=1)
        tracker.track_class(Derived, name="derived", resolution_level=2)
        derived, base = Derived(), Base()
        tracker.track_object(derived)
        cases.equal([tracked(tracker, "base"), tracked(tracker, "derived")], [1, 1])
        cases.equal(tracker.objects[id(derived)]._resolution_level, 2)
        cases.equal(tracker.objects[id(base)].name, "base")

        class After(Derived):
            pass

        class Again(After):
            def __init__(self):
                super().__init__()

        After(), Again()
        cases.equal(tracked(tracker, "derived"), 3)
        tracker.detach_class(Derived)
        Derived(), After()
        cases.equal([tracked(tracker, "base"), tracked(tracker, "derived")], [3, 3])


def subclasses_of_builtin_types_are_tracked():
    class List(list):
        pass

    class Dict(dict):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    class Error(Exception):
        pass

    class Text(str):
        def __new__(cls, text, more):
            return super().__new__(cls, text)

    class Set(frozenset):
        pass

    class Counter(collections.Counter):
        pass

    def made():
        return [List([1, 2]), Dict({1: 2}, a=3), Error("a", 2), Text("a", "b"), Set("ab"),
                Counter("aab")]

    classes = List, Dict, Error, Text, Set, Counter
    wrong = [lambda: List(1, 2), lambda: Set(1, 2), lambda: Error(a=1),
             lambda: Text("a")]
    before, errors = made(), [message_of(call) for call in wrong]
    signatures = []
    for cls in classes:
        try:
            signatures.append(inspect.signature(cls))
        except ValueError as error:
            signatures.append(str(error))
    with closing(ClassTracker()) as tracker:
        for cls in classes:
            tracker.track_class(cls, name=cls.__name__)
        objects = made()
        cases.equal([repr(one) for one in objects], [repr(one) for one in before])
        cases.equal([type(one.__class__) for one in objects], [type(one.__class__) for one in before])
        cases.equal([message_of(call) for call in wrong], errors)
        for number, cls in enumerate(classes):
            cases.equal(tracker.objects[id(objects[number])].ref(), objects[number], cls.__name__)
            try:
                signature = inspect.signature(cls)
            except ValueError as error:
                signature = str(error)
            cases.equal(signature, signatures[number], cls.__name__)
        raised = None
        try:
            raise Error("x", 1)
        except Error as error:
            raised = error
        cases.equal(raised.args, ("x", 1))


def instances_that_have_no_place_for_a_weak_reference_are_refused():
    class Number(int):
        pass

    class Pair(collections.namedtuple("Pair", "left right")):
        pass

    expected = [message_of(lambda: weakref.ref(Number(1))), message_of(lambda: weakref.ref(Pair(1, 2)))]
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Number)
        tracker.track_class(Pair)
        cases.equal([message_of(lambda: Number(1)), message_of(lambda: Pair(1, right=2))], expected)
        cases.equal(len(tracker.objects), 0)
    cases.equal((Number(1), Pair(1, 2).right), (1, 2))


def classes_of_every_make_are_tracked():
    @dataclasses.dataclass
    class Data:
        x: int
        y: int = 5

    @dataclasses.dataclass(frozen=True)
    class Frozen:
        x: int

    class Slots:
        __slots__ = ("a", "__weakref__")

        def __init__(self, a):
            self.a = a

    class Abstract(abc.ABC):
        @abc.abstractmethod
        def work(self):
            pass

    class Concrete(Abstract):
        def work(self):
            return 1

    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

        def __init__(self, number):
            self.number = number

    class Generic(typing.Generic[typing.TypeVar("T")]):
        def __init__(self, value):
            self.value = value

    class Meta(type):
        made = []

        def __call__(cls, *args, **kwargs):
            instance = super().__call__(*args, **kwargs)
            Meta.made.append(instance)
            return instance

        def __setattr__(cls, name, value):
            raise RuntimeError("a class that does not want to be changed")

        def __eq__(cls, other):
            raise RuntimeError("nor compared")

        __hash__ = None

    class Single(metaclass=Meta):
        def __init__(self, value):
            self.value = value

    with closing(ClassTracker()) as tracker:
        for cls in Data, Frozen, Slots, Abstract, Concrete, Colour, Generic, Single:
            tracker.track_class(cls, name=cls.__name__)
        objects = [Data(1), Data(x=1, y=2), dataclasses.replace(Data(1), y=7), Frozen(3), Slots(4), Concrete(),
                   Generic[int](5), Generic(6), Single(7)]
        cases.equal((objects[1].y, objects[2].y, objects[3].x, objects[8].value), (2, 7, 3, 7))
        cases.equal(Meta.made, [objects[8]]) if False else cases.equal(Meta.made[0] is objects[8], True)
        cases.contains(message_of(Abstract), "abstract")
        cases.equal([Colour(1), Colour["BLUE"]], [Colour.RED, Colour.BLUE])
        cases.equal({name: len(found) for name, found in tracker.index.items()},
                    {"Data": 4, "Frozen": 1, "Slots": 1, "Concrete": 1, "Generic": 2, "Single": 1})
        cases.equal(repr(dataclasses.fields(Data)[0].name), "'x'")
        tracker.detach_class(Single)
        cases.equal(type.__getattribute__(Single, "__dict__")["__init__"].__name__, "__init__")


def what_cannot_be_tracked_is_refused():
    class Slots:
        __slots__ = ()

    expected = []
    for thing in 1, "a", [], {}, None, (), Slots(), object():
        expected.append(message_of(lambda: weakref.ref(thing)))
    with closing(ClassTracker()) as tracker:
        for thing, message in zip((1, "a", [], {}, None, (), Slots(), object()), expected):
            cases.equal(message_of(lambda: tracker.track_object(thing)), message)
        cases.equal(len(tracker.objects), 0)
        for thing in 1, "a", [], Bare(), None:
            message_of(lambda: tracker.track_class(thing))
        for cls in int, list, object, collections.OrderedDict, types.FunctionType:
            cases.contains(message_of(lambda: tracker.track_class(cls)), cls.__name__)
            cases.equal(message_of(lambda: tracker.detach_class(cls), KeyError), str(cls))
        tracker.track_class(Slots)
        cases.equal(message_of(Slots), expected[6])
        tracker.detach_class(Slots)
        Slots()
        for call in (lambda: tracker.track_object(), lambda: tracker.track_class(Bare, name=5),
                     lambda: tracker.track_object(Bare(), name=5), lambda: tracker.track_class(Bare, level=1),
                     lambda: tracker.track_object(Bare(), resolution_level="a")):
            message_of(call)
        cases.equal((len(tracker.objects), list(tracker.index)), (0, []))


def looks(cls):
    """What a program can see of a class's constructor."""
    init = cls.__init__
    found = {"class": init.__class__, "doc": init.__doc__, "repr": repr(init), "str": str(init),
             "function": inspect.isfunction(init), "routine": inspect.isroutine(init), "callable": callable(init),
             "builtin": inspect.isbuiltin(init), "descriptor": inspect.ismethoddescriptor(init),
             "hash": hash(init), "dir": dir(init), "name": init.__name__, "qualname": init.__qualname__,
             "isinstance": isinstance(init, types.FunctionType), "getdoc": inspect.getdoc(init),
             "bound": repr(type(cls.__dict__.get("__init__", init)) is None)}
    for name in ("__module__", "__defaults__", "__kwdefaults__", "__annotations__", "__code__", "__dict__",
                 "__globals__", "__closure__", "__objclass__", "__text_signature__", "__wrapped__", "own"):
        found[name] = getattr(init, name, "none")
    for name, look in (("signature", lambda: inspect.signature(init)), ("of class", lambda: inspect.signature(cls)),
                       ("source", lambda: inspect.getsource(init)), ("file", lambda: inspect.getsourcefile(init)),
                       ("hints", lambda: typing.get_type_hints(init)),
                       ("spec", lambda: inspect.getfullargspec(init)),
                       ("pickle", lambda: pickle.loads(pickle.dumps(init)) == init)):
        try:
            found[name] = look()
        except Exception as error:
            found[name] = type(error)
    return found


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    wrapper.own = 5
    return wrapper


class Decorated:
    @decorated
    def __init__(self, a, b: str = "x"):
        self.a = a


class Inherited(Point):
    pass


def nothing_of_a_constructor_looks_different():
    classes = Point, Bare, Decorated, Inherited, Other
    own = [cls for cls in classes if "__init__" in vars(cls)]
    functions = {cls: vars(cls)["__init__"] for cls in own}
    before = [looks(cls) for cls in classes]
    pages = [pydoc.render_doc(cls) for cls in own]
    with closing(ClassTracker()) as tracker:
        for cls in classes:
            tracker.track_class(cls)
        for cls, expected in zip(classes, before):
            now = looks(cls)
            cases.equal({name: now[name] for name in now if now[name] != expected[name]}, {}, f"{cls} now")
            cases.equal({name: expected[name] for name in now if now[name] != expected[name]}, {}, f"{cls} before")
        cases.equal([pydoc.render_doc(cls) for cls in own], pages)
        for cls in own:
            for a, b in (cls.__init__, functions[cls]), (functions[cls], cls.__init__), (cls.__init__, cls.__init__):
                cases.equal((a == b, a != b), (True, False))
            cases.equal(cls.__init__ == Bare.__init__, False)
            cases.equal({functions[cls]: 1}[cls.__init__], 1)
            cases.equal(weakref.ref(cls.__init__)() is cls.__init__, True)
            cases.equal(copy.copy(cls.__init__) == functions[cls], True)
        Point.__init__.note = "n"
        cases.equal(functions[Point].note, "n")
        del Point.__init__.note
        cases.equal(hasattr(functions[Point], "note"), False)
        message_of(lambda: setattr(Bare.__init__, "note", 1), AttributeError)
        wraps = functools.wraps(Point.__init__)(lambda *args: None)
        cases.equal((wraps.__name__, wraps.__doc__, inspect.signature(wraps)),
                    ("__init__", "Makes a place.", before[0]["signature"]))
        method = Point(1).__init__
        cases.equal((inspect.ismethod(method), type(method), method.__func__ == functions[Point]),
                    (True, types.MethodType, True))
        cases.contains(repr(method), "<bound method Point.__init__ of <")
        cases.equal(inspect.signature(method), inspect.signature(functions[Point].__get__(Point(1))))
        method(7)
        cases.equal(method.__self__.x, 7)
    cases.equal([looks(cls) for cls in classes], before)
    cases.equal([vars(cls)["__init__"] is functions[cls] for cls in own], [True] * len(own))
    cases.equal("__init__" in vars(Bare), False)


def a_constructor_can_be_any_descriptor():
    calls = []

    class Callable:
        def __call__(self, *args):
            calls.append(args)

    class Bound:
        def __get__(self, instance, owner):
            return (lambda *args: calls.append((instance, owner, args)))

    class Plain:
        __init__ = Callable()

    class Described:
        __init__ = Bound()

    class Static:
        @staticmethod
        def __init__(*args):
            calls.append(args)

    class ClassMethod:
        @classmethod
        def __init__(cls, *args):
            calls.append((cls, args))

    class Partial:
        __init__ = functools.partialmethod(lambda self, a, b: calls.append((a, b)), 1)

    class Borrowed:
        __init__ = Point.__init__

    class Builtin(list):
        __init__ = list.append

    def made():
        calls.clear()
        objects = [Plain(1), Described(2), Static(3), ClassMethod(4), Partial(5), Borrowed(6), Builtin(7)]
        found = [(call[1:] if call and call[0] is objects[1] else call) for call in calls]
        return objects, found, objects[5].x, objects[6]

    _, before, x, items = made()
    classes = Plain, Described, Static, ClassMethod, Partial, Borrowed, Builtin
    own = [vars(cls)["__init__"] for cls in classes]
    with closing(ClassTracker()) as tracker:
        for cls in classes:
            tracker.track_class(cls, name=cls.__name__)
        objects, now, x_now, items_now = made()
        cases.equal((now, x_now, items_now), (before, x, items))
        cases.equal(list(tracker.index), [cls.__name__ for cls in classes])
        calls.clear()
        Static.__init__(1, 2)
        ClassMethod.__init__(3)
        objects[1].__init__(4)
        cases.equal(calls, [(1, 2), (ClassMethod, (3,)), (objects[1], Described, (4,))])
    cases.equal([vars(cls)["__init__"] is init for cls, init in zip(classes, own)], [True] * len(classes))


def detach_gives_back_exactly_what_there_was():
    tracker = ClassTracker()
    init = vars(Point)["__init__"]
    tracker.track_class(Point)
    tracker.track_class(Bare)
    cases.equal(vars(Point)["__init__"] is init, False)
    tracker.detach_class(Point)
    tracker.detach_class(Bare)
    cases.equal((vars(Point)["__init__"] is init, "__init__" in vars(Bare)), (True, False))
    cases.equal(message_of(lambda: tracker.detach_class(Point), KeyError), str(Point))
    tracker.track_class(Point)
    tracker.track_class(Bare)
    tracker.detach_all()
    cases.equal((vars(Point)["__init__"] is init, "__init__" in vars(Bare)), (True, False))


def a_constructor_that_was_assigned_since_stays():
    class Thing:
        def __init__(self):
            self.first = 1

    def second(self):
        self.second = 2

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Thing, name="t")
        Thing()
        saved = Thing.__init__
        Thing.__init__ = second
        cases.equal(vars(Thing()), {"second": 2})
        cases.equal(tracked(tracker), 1)
        tracker.detach_class(Thing)
        cases.equal(Thing.__init__ is second, True)
        tracker.track_class(Thing, name="t")
        cases.equal((vars(Thing()), tracked(tracker)), ({"second": 2}, 2))
        tracker.detach_class(Thing)
        cases.equal(Thing.__init__ is second, True)
        thing = Thing()
        saved(thing)
        cases.equal((vars(thing), tracked(tracker)), ({"second": 2, "first": 1}, 2))
        Thing.__init__ = saved
        cases.equal((vars(Thing()), tracked(tracker)), ({"first": 1}, 2))
        tracker.track_class(Thing, name="t")
        Thing()
        tracker.detach_class(Thing)
        Thing()
        cases.equal(tracked(tracker), 3)
        tracker.track_class(Thing, name="t")
        del Thing.__init__
        cases.equal(vars(Thing()), {})
        tracker.detach_class(Thing)
        cases.equal("__init__" in vars(Thing), False)


def a_wrapper_around_an_observed_constructor_works():
    class Thing:
        def __init__(self, value):
            self.value = value

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Thing, name="t")
        inner = Thing.__init__

        def wrapper(self, value):
            inner(self, value + 1)

        Thing.__init__ = wrapper
        cases.equal((Thing(1).value, tracked(tracker)), (2, 1))
        tracker.track_class(Thing, name="u")
        cases.equal((Thing(1).value, tracked(tracker), tracked(tracker, "u")), (2, 2, 1))
        tracker.detach_class(Thing)
        cases.equal((Thing(1).value, tracked(tracker), Thing.__init__ is wrapper), (2, 2, True))


def several_trackers_share_a_class():
    init = vars(Point)["__init__"]
    for order in (0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0):
        trackers = [ClassTracker() for _ in range(3)]
        for tracker in trackers:
            tracker.track_class(Point, name="p")
        Point(1)
        for step, number in enumerate(order):
            trackers[number].close()
            Point(2)
            cases.equal([tracked(trackers[other]) for other in order[:step + 1]],
                        [1 + other for other in range(step + 1)])
        cases.equal(vars(Point)["__init__"] is init, True)


def instances_that_never_ran_the_constructor_are_not_tracked():
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Point, name="p")
        tracker.track_class(Bare, name="b")
        point = Point(1)
        others = [pickle.loads(pickle.dumps(point)), copy.copy(point), copy.deepcopy(point), Point.__new__(Point),
                  object.__new__(Bare), copy.copy(Bare())]
        cases.equal([id(other) in tracker.objects for other in others[:5]], [False] * 5)
        cases.equal(others[0].x, 1)
        others[3].__init__(5)
        others[4].__init__()
        cases.equal([id(other) in tracker.objects for other in others[3:5]], [True] * 2)


def a_function_that_is_called_with_another_object_is_just_called():
    class Duck:
        pass

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Point, name="p")
        duck = Duck()
        Point.__init__(duck, 1)
        cases.equal((duck.x, tracked(tracker)), (1, 0))
        cases.contains(message_of(lambda: Point.__init__(5, 1), AttributeError), "'int' object has no attribute 'x'")
        cases.contains(message_of(Point.__init__), "missing 2 required positional arguments")


def tracking_again_changes_the_options():
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Point, name="a")
        tracker.track_class(Point, name="b", resolution_level=3, keep=True, trace=True)
        here = id(Point(1))
        cases.equal(list(tracker.index), ["b"])
        found = tracker.objects[here]
        cases.equal((found.ref().x, found._resolution_level, found.trace is None), (1, 3, False))
        tracker.track_class(Point)
        there = id(Point(2))
        cases.equal((list(tracker.index), tracker.objects[there].ref()), (["b", f"{__name__}.Point"], None))
        tracker.track_class(Point, name="")
        Inherited(1)
        cases.equal(list(tracker.index)[2:], ["Inherited"])


def a_subclass_that_is_dropped_is_dropped():
    import gc

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Point, name="p")

        class Short(Point):
            pass

        Short(1)
        gone = weakref.ref(Short)
        del Short
        gc.collect()
        cases.equal((gone(), tracked(tracker)), (None, 1))


cases.main(*[function for name, function in list(globals().items())
             if isinstance(function, types.FunctionType) and function.__module__ == "__main__"
             and name not in ("tracked", "message_of", "looks", "decorated")])
