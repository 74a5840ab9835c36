# SPDX-License-Identifier: MIT
"""What has changed between two moments: in summaries of all objects, or object by object.

    >>> from memcapture.tracker import SummaryTracker
    >>> tracker = SummaryTracker()
    >>> kept = [object() for _ in range(1000)]
    >>> tracker.print_diff()                                # doctest: +SKIP
        types |   # objects |   total size
    ========= | =========== | ============
       object |        1000 |   15.62 KB
         list |           1 |    8.65 KB

Neither the trackers nor what they hold is counted, so where nothing has changed a diff is empty.
"""

from . import _capture, summary

__all__ = ["ObjectTracker", "SummaryTracker"]


class SummaryTracker:
    """Compares summaries of all objects.

    A summary is made at once; each diff() makes the next.  Summaries hold none of the objects
    that they count.  Without `ignore_self` what the tracker holds is counted, too.
    """

    def __init__(self, ignore_self=True):
        self.ignore_self = ignore_self
        self.summaries = {}
        self.s0 = self.create_summary()

    def create_summary(self):
        """A summary of all objects."""
        return summary._of_all(not self.ignore_self)

    def diff(self, summary1=None, summary2=None):
        """What has changed: from the last summary to a new one, from `summary1` to a new one, or
        from `summary1` to `summary2`."""
        if summary2 is None:
            self.s1 = self.create_summary()
            rows = summary.get_diff(self.s0 if summary1 is None else summary1, self.s1)
            self.s0 = self.s1
        elif summary1 is None:
            raise ValueError("You cannot provide summary2 without summary1.")
        else:
            rows = summary.get_diff(summary1, summary2)
        return summary._Rows(summary._sweep(rows))

    def print_diff(self, summary1=None, summary2=None):
        """Prints a table of diff()."""
        summary.print_(self.diff(summary1, summary2))

    def format_diff(self, summary1=None, summary2=None):
        """The lines of a table of diff()."""
        return summary.format_(self.diff(summary1, summary2))

    def store_summary(self, key):
        """Makes a summary and stores it as `summaries[key]`."""
        self.summaries[key] = self.create_summary()


class _Held(list):
    """Objects that a tracker holds."""

    __slots__ = ()


class ObjectTracker:
    """Compares which objects there are.

    The tracker refers to all objects that it has seen, so none of them is freed, nor does its
    finalizer run, before the diff after the one that tells of its going.  What only the tracker
    still holds counts as gone; but not what refers to itself in a circle, which the collector
    cannot free either as long as it is held.  Meant for a part of a program that should leave
    nothing behind, while it is being looked into.
    """

    def __init__(self):
        self.o0 = self._get_objects()

    def _get_objects(self, ignore=()):
        """All objects but frames and those in `ignore`, by identity."""
        objects = _capture.muppy_objects(True, True)
        if ignore:
            objects = _capture.muppy_diff(list(ignore), objects)["+"]
        return _Held(objects)

    def get_diff(self, ignore=()):
        """{'+': objects that are new, '-': objects that are gone} since the last call, but for those
        in `ignore`."""
        self.o1 = self._get_objects(ignore)
        diff = _capture.muppy_diff(self.o0, self.o1)
        self.o0 = self.o1
        return diff

    def print_diff(self, ignore=()):
        """Prints the lines of format_diff()."""
        for line in self.format_diff(ignore):
            print(line)

    def format_diff(self, ignore=()):
        """The lines of two tables: added objects, removed objects."""
        diff = self.get_diff(ignore)
        return ["Added objects:", *summary.format_(summary.summarize(diff["+"])),
                "Removed objects:", *summary.format_(summary.summarize(diff["-"]))]
