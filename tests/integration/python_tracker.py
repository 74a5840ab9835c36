#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tracker: what has changed between two moments, exactly: a diff of nothing is empty."""

import contextlib
import gc
import importlib
import io
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import summary
from memcapture.tracker import ObjectTracker, SummaryTracker


class Thing:
    __slots__ = ("part",)


def count_of(rows, text="__main__.Thing"):
    return sum(row[1] for row in rows if row[0] == text)


def nothing_is_nothing():
    tracker = SummaryTracker()
    first, second, third = tracker.diff(), tracker.diff(), tracker.diff()
    cases.equal((first, second, third), ([], [], []))
    del first, second, third
    for key in range(5):
        tracker.store_summary(("a key of its own", key))
    cases.equal(tracker.diff(), [])
    first = tracker.create_summary()
    second = tracker.create_summary()
    cases.equal(tracker.diff(first, second), [])


FIRST_THING = """
from memcapture.tracker import SummaryTracker
def main():
    tracker = SummaryTracker()
    first = tracker.diff()
    second = tracker.diff()
    print(list(first), list(second))
main()
"""


def nothing_is_nothing_from_the_start():
    """In a program that has just begun, where the collector has not seen much yet."""
    result = subprocess.run([sys.executable, "-c", FIRST_THING], capture_output=True, text=True, check=False)
    cases.equal((result.stdout, result.stderr), ("[] []\n", ""))


def what_came_and_went():
    tracker = SummaryTracker()
    kept = [Thing() for _ in range(1000)]
    diff = tracker.diff()
    size = sys.getsizeof(kept[0])
    cases.equal(sorted(diff), [["__main__.Thing", 1000, 1000 * size], ["list", 1, sys.getsizeof(kept)]])
    kept.pop()
    cases.equal(tracker.diff(), [["__main__.Thing", -1, -size]])
    before = tracker.create_summary()
    kept.pop()
    cases.equal(count_of(tracker.diff(summary1=before)), -1)
    cases.equal(tracker.diff(), [])
    after = tracker.create_summary()
    cases.equal(count_of(tracker.diff(before, after)), -1)
    with cases.raises(ValueError, "without summary1"):
        tracker.diff(summary2=after)
    tracker.store_summary("now")
    cases.equal(count_of(tracker.summaries["now"]), len(kept))


def no_object_is_held():
    tracker = SummaryTracker()
    kept = [Thing()]
    tracker.diff()
    cases.equal(sys.getrefcount(kept[0]), 2)
    cases.equal(gc.get_referrers(kept[0]), [kept])


def what_the_tracker_holds():
    """With ignore_self it is not counted, and without it is."""
    quiet, loud = SummaryTracker(), SummaryTracker(ignore_self=False)
    for tracker, expected in ((quiet, 0), (loud, 1)):
        before = tracker.create_summary()
        tracker.part = Thing()
        cases.equal(count_of(tracker.diff(before)), expected)
    cases.equal(loud.diff() != [], True)


def tables_of_changes():
    tracker = SummaryTracker()
    kept = [Thing() for _ in range(100_000)]
    before = tracker.s0
    printed = io.StringIO()
    lines = list(tracker.format_diff())
    with contextlib.redirect_stdout(printed):
        tracker.print_diff(before)
    for line in (lines[2], printed.getvalue().splitlines()[2]):
        cases.equal([word for word in line.split() if word != "|"][:2], ["__main__.Thing", str(len(kept))])


def objects_one_by_one():
    tracker = ObjectTracker()
    cases.equal(tracker.get_diff(), {"+": [], "-": []})
    thing, text = Thing(), "a text " + str(os.getpid())
    thing.part = text
    diff = tracker.get_diff()
    cases.equal(sorted(map(id, diff["+"])), sorted([id(thing), id(text)]))
    cases.equal(diff["-"], [])
    thing_id, text_id = id(thing), id(text)
    del thing, diff
    diff = tracker.get_diff()
    # Nothing that the collector knows refers to the text any more.
    cases.equal((diff["+"], {id(item) for item in diff["-"]}), ([], {thing_id, text_id}))
    del diff
    cases.equal(tracker.get_diff(), {"+": [], "-": []})


def objects_that_are_ignored():
    tracker = ObjectTracker()
    thing, other = Thing(), Thing()
    cases.equal(any(item is thing for item in tracker._get_objects()), True)
    cases.equal(any(item is thing for item in tracker._get_objects(ignore=(thing,))), False)
    added = tracker.get_diff(ignore=(thing, sys._getframe()))["+"]
    cases.equal([any(item is one for item in added) for one in (thing, other)], [False, True])


def tables_of_objects():
    tracker = ObjectTracker()
    things = [Thing()]
    lines = tracker.format_diff()
    cases.equal(lines[0], "Added objects:")
    cases.equal(lines[lines.index("Removed objects:") + 1:], list(summary.format_([])))
    cases.equal(any("__main__.Thing" in line for line in lines), True)
    things.clear()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tracker.print_diff()
    removed = printed.getvalue().split("Removed objects:")[1]
    cases.contains(removed, "__main__.Thing")


def the_originals_own_tests():
    """Unchanged but for what they import."""
    try:
        importlib.import_module("pympler")
    except ImportError as error:
        raise cases.Skip("pympler is not installed") from error
    folder = os.path.join(os.path.dirname(os.path.dirname(sys.modules["pympler"].__file__)), "test", "muppy")
    if not os.path.isdir(folder):
        raise cases.Skip("pympler is installed without its tests")
    os.makedirs("muppy", exist_ok=True)
    for name in ("muppy", "summary", "tracker"):
        with open(os.path.join(folder, f"test_{name}.py"), encoding="utf-8") as source:
            text = source.read()
        text = text.replace("pympler.muppy", "memcapture.muppy")
        text = text.replace("from pympler import", "from memcapture import")
        with open(f"muppy/test_{name}.py", "w", encoding="utf-8") as copy:
            copy.write(text)
        result = subprocess.run([sys.executable, "-m", "unittest", f"muppy.test_{name}"], capture_output=True,
                                text=True, check=False)
        cases.equal(result.returncode, 0, result.stderr)


cases.main(nothing_is_nothing, nothing_is_nothing_from_the_start, what_came_and_went, no_object_is_held,
           what_the_tracker_holds, tables_of_changes, objects_one_by_one, objects_that_are_ignored, tables_of_objects,
           the_originals_own_tests)
