# SPDX-License-Identifier: MIT
"""Which objects of a program came, went and stayed; and who holds those that should have gone.

    >>> from memcapture.reftracker import ObjTracker
    >>> class Large:
    ...     def __init__(self):
    ...         self.data = [0] * 1000
    >>> leaks = []
    >>> def work():
    ...     leaks.append(Large())
    >>> tracker = ObjTracker()                              # doctest: +SKIP
    >>> work()
    >>> tracker.diff()                                      # doctest: +SKIP
    >>> work()
    >>> tracker.diff()                                      # doctest: +SKIP
    >>> tracker.findPersistent("Large").describe(0)         # doctest: +SKIP
    __main__.leaks[0]

An object is created, deleted or persistent: made since the last diff(), gone since then, or made
after the baseline and before the last diff() and still there.  It is the same object as before
only if it was never gone: an address that is used again is another object.  None is referred to.

The work is done in C, by `memcapture._capture`; here is what holds it together.
"""

import collections
import gc
import os
import re
import sys
import types
import weakref

try:
    from re import _compiler
except ImportError:  # before 3.11
    import sre_compile as _compiler

from . import _capture
from .asizeof import named_refs

__all__ = ["ObjTracker"]

describeObj = _capture.describeObj
refPathString = _capture.refPathString
objString = _capture.object_string


def typeStr(obj):
    """The text of an object's type: "<class 'list'>"."""
    return str(type(obj))


def get_all_objects():
    """All objects that there are but plain ints and frames, by their ids, after a collection."""
    gc.collect()
    return _capture.all_objects()


def lookup(oid, objects=None):
    """The object of an id; KeyError when there is none."""
    return _capture.find_object(oid) if objects is None else objects[oid]


def _class_text(name):
    return "<class '%s'>" % name


class Changes:
    """What a census found to be different.

    `created`, `deleted` and `persistent` are lists of (type name, count, bytes), the smallest first;
    `counts` says by how many objects each type has grown or shrunk since the baseline.  `number` is
    that of the census, `alive` and `alive_bytes` are all that there was in it.  `exact` is False when
    something has kept the tracker from noticing deaths for a while, as tracemalloc.stop() can do: then
    an object may be taken for one that was at its address before.
    """

    __slots__ = ("number", "alive", "alive_bytes", "exact", "created", "deleted", "persistent", "counts", "_ids")

    def __init__(self, summary, totals, ids=None):
        self.number, self.alive, self.alive_bytes, _, _, _, self.exact = summary
        self.created = sorted(((row[0], row[1], row[2]) for row in totals if row[1]), key=_by_size)
        self.deleted = sorted(((row[0], row[3], row[4]) for row in totals if row[3]), key=_by_size)
        self.persistent = sorted(((row[0], row[5], row[6]) for row in totals if row[5]), key=_by_size)
        self.counts = {row[0]: row[7] - row[9] for row in totals if row[7] != row[9]}
        self._ids = ids

    def __bool__(self):
        return bool(self.created or self.deleted or self.persistent)

    def _section(self, what, rows, mark=""):
        lines = ["-----------  %d %s: ------------" % (sum(row[1] for row in rows), what)]
        for name, count, size in rows:
            line = "  %d\t%d\t%s%s" % (count, size, mark, _class_text(name))
            if self._ids is not None:
                line += "\t" + ",".join(map(str, self._ids[what].get(name, ())))
            lines.append(line)
        return lines

    def __str__(self):
        lines = ["----------- Count changes since start: ----------"]
        for name, change in sorted(self.counts.items(), key=lambda item: item[1]):
            lines.append("  %-10d%s" % (change, _class_text(name)))
        lines += self._section("Deleted since last diff", self.deleted, "[del] ")
        lines += self._section("Created since last diff", self.created)
        lines += self._section("Created since start (persistent)", self.persistent)
        if not self.exact:
            lines.append("Some deaths were not noticed: what is persistent may be another object.")
        return "\n".join(lines)

    def __repr__(self):
        counts = [sum(row[1] for row in rows) for rows in (self.created, self.deleted, self.persistent)]
        return "<Changes %d: %d created, %d deleted, %d persistent>" % (self.number, *counts)


class _Text(str):
    """A text that is no part of what is observed: a file that is not flushed keeps it, and a StringIO does."""

    __slots__ = ()

    def __str__(self):
        return self


def _print(text):
    print(_Text(text), flush=True)


def _compiled(regex):
    """Not by re.compile(), which keeps what it makes, so that it would be seen."""
    return regex if isinstance(regex, re.Pattern) else _compiler.compile(regex)


class Holder(collections.namedtuple("Holder", "type root length count bytes path example")):
    """A way in which objects of a type are held: `root` is "module", "frame" (of a running function),
    "interpreter", "outside" (C code), "cycle" (garbage) or "unknown"; `length` counts references."""

    __slots__ = ()

    def __str__(self):
        return "  %d\t%d\t%s\t%s" % (self.count, self.bytes, _class_text(self.type), self.path)


def _by_size(row):
    return row[2], row[0]


class ObjTracker(_capture.ObjectTracker):
    """Tracks all objects of a program.

        tracker = ObjTracker()       # the baseline: all that there is now
        ...
        tracker.diff()               # prints what came and went since
        ...
        tracker.diff()               # the same since the last diff(), and what was made after the
                                     # baseline, before the last diff(), and is still there
        tracker.findPersistent("Document").describe(0)      # who holds the largest of these

    With `log`, a path, the baseline and what each diff() found are also written there, in the format
    that memstats and memreport read; without, that is so when MEMCAPTURE_LOG or memrecord asks for it.
    The log says where objects were made when tracemalloc is tracing; with `traces`, a number of calls
    to be kept for each object, it is made to.
    """

    __slots__ = ()

    def __init__(self, log=None, traces=0):
        if traces:
            import tracemalloc

            if not tracemalloc.is_tracing():
                tracemalloc.start(traces)
        self._open_log(None if log is None else os.fsencode(log))
        self._take(True, None)

    # ---- What a program asks for ----------------------------------------------------

    def start(self):
        """Makes all that there is now the baseline.  Done when a tracker is made, and by hand."""
        self._take(True, None)

    def compare(self, description=None):
        """Finds what has changed since the last time: a Changes.

        `description` names the snapshot in the log.
        """
        self._take(False, None if description is None else str(description))
        return Changes(self._summary(), self._totals())

    def diff(self, showIDs=False, description=None):
        """Prints what has changed since the last time; with `showIDs`, the ids of all the objects."""
        _print("Collecting list of all objects...")
        self._take(False, None if description is None else str(description))
        summary = self._summary()
        _print("All objects: %d   Tracked objects: %d" % (summary[1], summary[1]))
        ids = None
        if showIDs:
            ids = {
                "Deleted since last diff": self._grouped("deleted"),
                "Created since last diff": self._grouped("created"),
                "Created since start (persistent)": self._grouped("persistent"),
            }
        _print(Changes(summary, self._totals(), ids))

    def findNew(self, regex, weak=True):
        """The objects made after the baseline whose type's text matches `regex`, the largest first.

        They are those of the last diff() that are still there: a GarbageWatcher, or without `weak` a
        list of (flat size, object).
        """
        return self._found("new", None, regex, weak)

    def findPersistent(self, regex, weak=True):
        """The objects that were persistent in the last diff() and whose type's text matches `regex`,
        the largest first: a GarbageWatcher, or without `weak` a list of (flat size, object)."""
        return self._found("persistent", None, regex, weak)

    def findTypes(self, refs, regex, weak=True):
        """The same of the objects whose ids are the keys of `refs`: newRefs, persistentRefs, startRefs."""
        return self._found("all", list(refs), regex, weak)

    def holders(self):
        """Who holds what was persistent in the last diff(): a list of Holder, by type, what holds most first.

        Objects of a type that are held in the same way are one of them: `path` is the shortest way from
        a root to them, with a star for what differs, and `example` that of one of them.
        """
        return [Holder(*row) for row in self._holders()]

    # ---- What the last census found, as dicts that are made when they are asked for --------

    @property
    def startRefs(self):
        """The ids of the objects of the baseline that were there in the last census."""
        return self._ids("start", False)

    @property
    def newRefs(self):
        """The ids of the objects that were made since the baseline."""
        return self._ids("new", False)

    @property
    def persistentRefs(self):
        """The ids of the objects that were persistent in the last census."""
        return self._ids("persistent", False)

    @property
    def objTypes(self):
        """The text of the type of each object, by its id."""
        texts = {}
        return {
            oid: texts.get(name) or texts.setdefault(name, _class_text(name))
            for oid, name in self._ids("all", True).items()
        }

    @property
    def startCount(self):
        """How many objects of each type there were at the baseline, by the type's text."""
        return {_class_text(row[0]): row[9] for row in self._totals() if row[9]}

    # ---- Parts of the original that programs may use -----------------------------------

    @classmethod
    def isObjVar(cls, o):
        """Is it a tracker, or one of those that a program has put into `allObjs`?"""
        return type(o) is cls or id(o) in cls.allObjs

    def collect(self):
        """Ids, counts by type, and all objects by their ids; nothing is noted as a diff()."""
        print("Collecting list of all objects...")
        objects = get_all_objects()
        refs = dict.fromkeys(objects)
        count = {}
        for obj in objects.values():
            count[type(obj)] = count.get(type(obj), 0) + 1
        print("All objects: %d   Tracked objects: %d" % (len(objects), len(refs)))
        return refs, count, objects

    def forgetRef(self, ref):
        """Nothing is to be forgotten: a tracker holds no references."""

    def rememberRef(self, ref):
        """Nothing is to be remembered: a tracker does not see what belongs to it."""

    def lookup(self, oid, ref=None, objs=None):
        """The object of an id, if it is the one that the last census knew there, or None."""
        try:
            return self._lookup(oid)
        except KeyError:
            return None

    def report(self, refs, allobjs=None, showIDs=False):
        """Prints count and size by type of the objects whose ids are the keys of `refs`."""
        names = self._ids("all", True)
        groups = {}
        for size, obj in self._select("all", list(refs), frozenset(names.values())):
            group = groups.setdefault(names.get(id(obj)), [0, 0, []])
            group[0] += 1
            group[1] += size
            group[2].append(id(obj))
        for name, (count, size, ids) in sorted(groups.items(), key=lambda item: item[1][1]):
            line = "  %d\t%d\t%s" % (count, size, _class_text(name))
            print(line + "\t" + ",".join(map(str, ids)) if showIDs else line)

    # ---- Inner parts ----------------------------------------------------------------------

    def close(self):
        """Forgets all objects, and ends the log where there is one."""
        self._forget()
        self._close_log()

    def _grouped(self, which):
        groups = {}
        for oid, name in self._ids(which, True).items():
            groups.setdefault(name, []).append(oid)
        return groups

    def _found(self, which, ids, regex, weak):
        matches = _compiled(regex).search
        names = frozenset(row[0] for row in self._totals() if matches(_class_text(row[0])))
        found = self._select(which, ids, names)
        if not weak:
            return found
        watcher = GarbageWatcher()
        for number, (_, obj) in enumerate(found):
            watcher[number] = obj
        return watcher


# Ids that a program does not want to be taken for objects of its own by isObjVar().
ObjTracker.allObjs = {}


class GarbageWatcher:
    """Holds objects by names without keeping them alive, to see whether they have been collected.

        watcher = GarbageWatcher()
        watcher["first"] = document
        watcher.check()                # prints which are gone and which are alive
        watcher.describe("first")      # prints who refers to it

    Objects that cannot be weakly referenced are found again by looking through all objects.
    """

    def __init__(self):
        self.allNames = []
        self._refs = {}
        self._watch = None

    def add(self, obj, name):
        """Watches an object under a name; the one that had the name before is let go."""
        try:
            self._refs[name] = weakref.ref(obj)
        except TypeError:
            if self._watch is None:
                self._watch = _capture.ObjectWatch()
            self._refs[name] = self._watch.add(obj)
        self.allNames.append(name)

    def __setitem__(self, name, obj):
        self.add(obj, name)

    def __getitem__(self, item):
        ref = self._refs[item]
        if isinstance(ref, int):
            try:
                return self._watch.get(ref)
            except LookupError:
                raise KeyError(item) from None
        obj = ref()
        if obj is None:
            raise KeyError(item)
        return obj

    def _alive(self):
        numbers = frozenset(self._watch.alive()) if self._watch is not None else ()
        return [
            name
            for name, ref in self._refs.items()
            if (ref in numbers if isinstance(ref, int) else ref() is not None)
        ]

    def __len__(self):
        return len(self._alive())

    def check(self):
        """Prints which of the objects are gone, and which are alive, after a collection."""
        gc.collect()
        alive = self._alive()
        dead = list(self.allNames)
        for name in alive:
            dead.remove(name)
        print("Deleted objects:", dead)
        print("Live objects:", alive)

    def describe(self, key, depth=4, path=None, ignore=None, limit=None):
        """Prints who refers to an object: see describeObj()."""
        describeObj(self[key], depth=depth, path=path, ignore=ignore, limit=limit)


# ---- How large an object is ------------------------------------------------------------------

_NOT_PARTS = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType)


def objectSize(obj, ignore=None, verbose=False, depth=0, recursive=False):
    """How much memory an object takes: itself, and with `recursive` what it contains and its attributes, too.

    `ignore` is a dict in which the ids of what was counted are put; what is in it already counts 0.
    """
    if ignore is None:
        ignore = {}
    if id(obj) in ignore:
        return 0
    ignore[id(obj)] = obj  # which keeps the id from being used again
    size = _capture.flat_bytes(obj)
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(type(obj), numpy.ndarray):
        size = max(size, obj.nbytes)
    if recursive:
        indent = "  " * depth
        for name, part in _parts(obj):
            more = objectSize(part, ignore=ignore, verbose=verbose, depth=depth + 1)
            if verbose:
                print("%s  + %s %d" % (indent, name, more))
            size += more
    return size


def _parts(obj):
    """What an object contains, and its attributes, with their names; none of its own code runs."""
    if issubclass(type(obj), dict):
        return [(objString(key), value) for key, value in dict.items(obj)]
    if issubclass(type(obj), list):
        return list(enumerate(list.__iter__(obj)))
    if issubclass(type(obj), tuple):
        return list(enumerate(tuple.__iter__(obj)))
    parts = []
    for name, part in named_refs(obj):
        parts += dict.items(part) if name == "__dict__" and type(part) is dict else [(name, part)]
    return [(name, part) for name, part in parts if not issubclass(type(part), _NOT_PARTS)]
