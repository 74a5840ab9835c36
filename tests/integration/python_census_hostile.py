#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that do their worst to whoever looks at all their objects: at the interpreter's end, in the
middle of a collection, while objects are being made.  Each runs as a program of its own, and must come
to its end with what it says."""

import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

SANITIZED = bool(os.environ.get("MR_SANITIZED"))


def run(program, *arguments, **environment):
    """What the program printed."""
    result = cases.run(sys.executable, "-c", program, *arguments, env={**os.environ, **environment}, timeout=300)
    cases.equal((result.returncode, result.stderr), (0, ""))
    return result.stdout


# What lives longest is collected after sys.modules is gone.
AT_THE_END = """
import codecs, gc, os
from memcapture import _capture
from memcapture.reftracker import ObjTracker

class Last:
    def __init__(self, call):
        self.call, self.me = call, self
    def __del__(self, write=os.write, error=Exception):    # globals and builtins are gone by then
        try:
            self.call()
            write(1, b"done ")
        except error:
            write(1, b"refused ")

class Handler:
    def __init__(self, *calls):
        self.kept = [Last(call) for call in calls]
    def __call__(self, error):
        return "", 1

gc.disable()
tracker = ObjTracker()
# The registry of error handlers is the interpreter's, and goes away last.
codecs.register_error("last", Handler(
    lambda call=_capture.find_holders: call([1]),
    lambda call=_capture.find_object: call(1),
    _capture.all_objects,
    lambda call=_capture.muppy_objects: call(True, False),
    lambda call=_capture.summary_of_all: call({}, False),
    lambda call=_capture.referrer_paths: call([]),
    lambda tracker=tracker: tracker._take(False, None),
    lambda tracker=tracker: tracker._holders(),
    lambda tracker=tracker, nothing=frozenset(): tracker._select("all", None, nothing),
))
"""


def looking_when_the_interpreter_is_almost_gone():
    words = run(AT_THE_END).split()
    cases.equal(len(words), 9)
    cases.equal(set(words) <= {"done", "refused"}, True)


# The text of an int of 6000 digits is refused, by an error; inside an except block that is an object, for
# which there can be a collection.
COLLECTED = """
import gc, sys
from memcapture import _capture
class Plain: pass
target = Plain()
holders = [{10 ** 6000 + i: target} for i in range(300)]
kept, state = [], [0]
def act(phase, info):
    if phase == "stop" and state[0] == 1:
        state[0] = 2
        kept.extend(Plain() for _ in range(100))
    elif phase == "start" and state[0] == 2:
        state[0] = 3
        for holder in holders:
            holder.clear()
        kept.extend(bytes([255]) * 2700 for _ in range(1000))
gc.collect()
gc.callbacks.append(act)
gc.set_threshold(int(sys.argv[1]))
state[0] = 1
try:
    raise KeyError
except KeyError:
    lines = _capture.referrer_paths(target, 6)
during = state[0]
gc.callbacks.clear()
print(during, len(lines) > 300, gc.isenabled(), gc.get_threshold()[0] == int(sys.argv[1]))
"""


def no_collection_in_the_middle_of_a_description():
    for threshold in (90, 100, 110):
        cases.equal(run(COLLECTED, str(threshold)), "2 True True True\n")


UNFINISHED = """
import gc
from memcapture import _capture, muppy
from memcapture.reftracker import ObjTracker
from memcapture.refgraph import ReferenceGraph
def items():
    yield 1
    found = [each for each in gc.get_objects() if type(each) is tuple and len(each) == 10
             and len(gc.get_referents(each)) < 10]
    graph = ReferenceGraph(found)
    print(len(found), graph.metadata[0].str)
    graph.write_graph("graph.dot")
    print(list(graph.edges), _capture.object_string(found[0]), muppy.get_size(found) > 0)
    tracker.compare()
    tracker.findNew("tuple")
    tracker.holders()
    del found, graph
    yield 2
tracker = ObjTracker()
print(tuple(items()))
"""


def a_tuple_that_is_being_made():
    lines = run(UNFINISHED).splitlines()
    cases.equal(lines[0], "1 (1, " + ", ".join(["<NULL>"] * 9) + ")")
    cases.equal(lines[1:], ["[] <tuple [int]> True", "(1, 2)"])


# Sizes may run Python code, which may find the graph that is being made.
UNFINISHED_GRAPH = """
import gc
from memcapture import _capture
class Curious:
    def __sizeof__(self):
        for each in gc.get_objects():
            if type(each) is _capture.ObjectGraph:
                each.metadata(False)
                each.drawing(9, 9)
                found.append(each)
        return 100
found = []
graph = _capture.ObjectGraph([[Curious()]])
first = len(found)
graph = _capture.ObjectGraph([Curious()])
print(first, len(found), gc.is_tracked(graph), graph.metadata(False)[0].size >= 100)
"""


def a_graph_that_is_being_made():
    cases.equal(run(UNFINISHED_GRAPH), "0 1 True True\n")


# A finalizer that takes a census, of the tracker that is writing down what it found.
REENTERED = """
import gc
from memcapture.reftracker import ObjTracker
class Again:
    def __init__(self):
        self.me = self
    def __del__(self):
        for call in (tracker.compare, tracker.start, tracker.close, tracker.__init__, lambda: tracker.newRefs,
                     lambda: tracker.objTypes, tracker.holders):
            try:
                call()
            except RuntimeError:
                refused.append(call)
        exec("class New%d: pass" % len(made), globals())
        made.append(eval("New%d()" % len(made)))
refused, made = [], []
tracker = ObjTracker()
gc.set_threshold(1)
for _ in range(20):
    Again()
    tracker.compare()
    Again()
    tracker.objTypes
    Again()
    tracker.findNew("New")
gc.set_threshold(700)
print(len(tracker.compare().counts) > 0, tracker.findNew("New", weak=False)[0][1] in made)
"""


def a_census_in_a_finalizer():
    cases.equal(run(REENTERED), "True True\n")
    cases.equal(run(REENTERED, MEMCAPTURE_LOG="again.%p.dat"), "True True\n")


# Objects that only variables hold, of functions that run and of a generator that waits.
VARIABLES = """
from memcapture.reftracker import GarbageWatcher
watcher = GarbageWatcher()
def watch():
    plain, text, number = object(), "text" * len(__name__), int("1" * 40)
    watcher["plain"], watcher["text"], watcher["number"] = plain, text, number
    yield len(watcher)
    yield watcher["plain"] is plain, watcher["text"] is text, watcher["number"] is number
for found in watch():
    print(found, len(watcher))
watch = None
print(len(watcher))
"""


def what_only_a_variable_holds_is_alive():
    cases.equal(run(VARIABLES), "3 3\n(True, True, True) 3\n0\n")


# A StringIO of older versions keeps each text that is written.
KEPT_TEXT = """
import io, sys
from memcapture.reftracker import ObjTracker
sys.stdout = io.StringIO()
sys.stdout.write("it makes its list")
tracker = ObjTracker()
for _ in range(3):
    tracker.diff()
text, sys.stdout = sys.stdout.getvalue(), sys.__stdout__
print([line for line in text.splitlines() if line.startswith("  ")])
"""


def printed_texts_are_no_news():
    cases.equal(run(KEPT_TEXT), "[]\n")


# A list of 20,000 that refer to each other, which no depth is too large for.
DEEP = """
from memcapture import _capture
class Link: pass
first = last = Link()
for _ in range(20_000):
    last.after = Link()
    last = last.after
lines = _capture.referrer_paths(last, 100_000, limit=3)
print(len(lines) <= 4, "more path" in lines[-1])
"""


def a_description_of_any_depth_ends():
    if SANITIZED:
        raise cases.Skip("takes long under sanitizers")
    cases.equal(run(DEEP), "True True\n")


CLASS_PROPERTY = """
import os
from memcapture import muppy
class Hostile:
    @property
    def __class__(self):
        os._exit(7)
objects = [Hostile(), 1, "two", Hostile()]
print(muppy.filter(objects, Type=int), muppy.filter(objects, Type=(int, str)), len(muppy.filter(objects, Type=Hostile)))
"""


def filtering_by_class_asks_no_object():
    cases.equal(run(CLASS_PROPERTY), "[1] [1, 'two'] 2\n")


# What stayed goes away while it is being told: whoever asks tracemalloc runs Python code.
GOING = """
import _tracemalloc, sys
from memcapture.reftracker import ObjTracker
class Leak:
    pass
leaks = []
def is_tracing():
    leaks.clear()
    return False
tracker = ObjTracker(log=sys.argv[1])
leaks.extend(Leak() for _ in range(100))
tracker.compare()
_tracemalloc.is_tracing = is_tracing
print([row for row in tracker.compare().persistent if row[0] == "__main__.Leak"][0][1], len(leaks))
tracker.close()
"""


def what_stayed_goes_away_while_it_is_told():
    cases.equal(run(GOING, "going.dat", PYTHONMALLOC="malloc", MALLOC_PERTURB_="165"), "100 0\n")


SORTED = """
import gc
from memcapture import muppy
class Hostile:
    def __sizeof__(self):
        for found in gc.get_referrers(self):
            if type(found) is list and found is not objects:
                found.clear()
        return 8
objects = [Hostile() for _ in range(100)]
print(len(muppy.sort(objects)), gc.is_tracked(muppy.sort(objects)))
"""


def a_list_that_is_being_sorted():
    cases.equal(run(SORTED), "100 True\n")


cases.main(
    looking_when_the_interpreter_is_almost_gone,
    no_collection_in_the_middle_of_a_description,
    a_tuple_that_is_being_made,
    a_graph_that_is_being_made,
    a_census_in_a_finalizer,
    what_only_a_variable_holds_is_alive,
    printed_texts_are_no_news,
    a_description_of_any_depth_ends,
    filtering_by_class_asks_no_object,
    what_stayed_goes_away_while_it_is_told,
    a_list_that_is_being_sorted,
)
