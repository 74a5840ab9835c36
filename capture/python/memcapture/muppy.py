# SPDX-License-Identifier: MIT
"""All objects of the program: lists of them, and what is in such lists.

    >>> from memcapture import muppy
    >>> everything = muppy.get_objects()
    >>> lists = muppy.filter(everything, Type=list)
    >>> muppy.print_summary()                               # doctest: +SKIP

get_objects() gives what the collector tracks and what these objects refer to, each once.  Such a
list keeps all of it alive, and is itself one of the objects that the next call finds: let go of
it.  What belongs to this package is left out, and so are frames.

Sizes are those of sys.getsizeof(): an object without what it refers to.  Where a __sizeof__ that
is written in Python fails, the size is what the class behind it says.

The work is done in C, by `memcapture._capture`.
"""

import sys

from . import _capture, summary

__all__ = ["filter", "get_diff", "get_objects", "get_referents", "get_size", "print_summary", "sort"]

_HAVE_GC = 1 << 14  # in a type's __flags__: its objects are known to the collector


def get_objects(remove_dups=True, include_frames=False):
    """A list of all objects, after gc.collect(): first those that the collector does not track.

    Without `remove_dups` these are in it once for each reference from what the collector tracks.
    With `include_frames` the frames of the caller's callers are in it, too; whoever keeps such a
    list in one of these frames makes a cycle.
    """
    objects = _capture.muppy_objects(remove_dups, False)
    if include_frames:
        frame = sys._getframe(1).f_back
        while frame is not None:
            objects.append(frame)
            frame = frame.f_back
    return objects


def get_size(objects):
    """The sum of the objects' sizes, in bytes."""
    return _capture.muppy_size(objects)


def get_diff(left, right):
    """{'+': what is only in the list `right`, '-': what is only in the list `left`}, by identity."""
    return _capture.muppy_diff(list(left), list(right))


def sort(objects):
    """A new list of the objects, the smallest first."""
    return _capture.muppy_sort(objects)


def filter(objects, Type=None, min=-1, max=-1):
    """A new list of those that are instances of `Type`, and larger than `min` and smaller than `max`
    bytes.  What is left out does not matter."""
    if -1 < max < min:
        raise ValueError("minimum must be smaller than maximum")
    return _capture.muppy_filter(objects, Type, min, max)


def get_referents(object, level=1):
    """A list of what the object refers to, in up to `level` steps, each once."""
    return _capture.muppy_referents(object, level)


def print_summary():
    """Prints how many objects there are of the types that take up most."""
    summary.print_(summary._of_all())


def _get_usage(function, *args):
    """What a call of `function` leaves behind, as rows of a summary; None: nothing.

    It is called twice, and the second call counts, so that what only happens the first time
    does not.  Exact, since neither the summaries nor this function are counted.
    """
    function(*args)
    before = summary._of_all()
    function(*args)
    after = summary._of_all()
    return list(summary._sweep(summary.get_diff(before, after))) or None


def _is_containerobject(o):
    """Can the collector track objects of this type?"""
    return bool(type(o).__flags__ & _HAVE_GC)


def _remove_duplicates(objects):
    """A new list in which each object is once, where it is first."""
    return _capture.muppy_unique(objects)
