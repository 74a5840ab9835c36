# SPDX-License-Identifier: MIT
"""Statistics of a ClassTracker: to be saved and loaded, sorted, printed, made into a page.

    >>> from memcapture.classtracker_stats import ConsoleStats
    >>> stats = ConsoleStats(filename="profile.dat")            # doctest: +SKIP
    >>> stats.sort_stats("size").print_stats(limit=10)          # doctest: +SKIP

A file is a log, the same that memrecord and libmemcapture write and that memstats and
memreport read; what pympler's Stats.dump_stats() wrote is read as well.  Reading a file
runs nothing of it.
"""

import collections.abc
import os
import sys
import warnings

from . import _report
from ._capture import Asized
from ._text import pp, pp_timestamp, trunc
from .classtracker import Snapshot as _Snapshot
from .process import ProcessMemoryInfo

__all__ = ["ConsoleStats", "HtmlStats", "Stats"]

collections.abc.Sequence.register(_report.ObjectList)

# What objects are sorted by, in the order that decides when none is named, and the column
# of the log that holds it.
_CRITERIA = {
    "classname": "class",
    "tsize": "tsize",
    "birth": "birth",
    "death": "death",
    "name": "name",
    "repr": "repr",
    "size": "size",
}

_WARNINGS_SHOWN = 10

_SNAPSHOT_COLUMNS = "time,description,size,total,overhead,rss,vsz,faults,data,code,shared,stack"


class Snapshot(_Snapshot):
    """A snapshot of a log: when it was taken, and what was known of the process then."""

    def __init__(self, timestamp, description, tracked_total, asizeof_total, overhead, system_total):
        self.timestamp = timestamp
        self.desc = description
        self.tracked_total = tracked_total
        self.asizeof_total = asizeof_total
        self.overhead = overhead
        self.system_total = system_total
        self.classes = None


def _whole(snapshot):
    """What percentages are of: resident memory, or all that is tracked where that is more."""
    if snapshot.system_total.available:
        return max(snapshot.system_total.rss, snapshot.tracked_total)
    return snapshot.asizeof_total or snapshot.tracked_total


def _read_snapshots(log):
    snapshots = []
    for time, description, size, total, overhead, rss, vsz, *segments in log.rows("snapshots", _SNAPSHOT_COLUMNS):
        faults, data, code, shared, stack = segments
        memory = ProcessMemoryInfo._known(rss, vsz, faults, data, code, shared, stack)
        snapshots.append(Snapshot(time, description or "", size or 0, total or 0, overhead or 0, memory))
    return snapshots


def _referent_key(name):
    return str(name).split(":")[0]


def _merged(parts, name=None):
    """The Asized of all `parts` together, referents of one name as one."""
    referents = {}
    for part in parts:
        for ref in part.refs:
            referents.setdefault(_referent_key(ref.name), []).append(ref)
    return Asized(sum(part.size for part in parts), sum(part.flat for part in parts),
                  tuple(_merged(refs, key) for key, refs in referents.items()), name)


def _format_trace(trace):
    """A trace as indented text: each line of source above the place that it is at."""
    lines = []
    for file, line, function, source, _ in trace:
        lines.extend("    " + text.strip() + "\n" for text in source or ())
        lines.append("  %s:%4d in %s\n" % (file, line, function))
    return "".join(lines)


def _name_of(file):
    """What messages call an open file."""
    name = getattr(file, "name", None)
    return name.encode("utf-8", "replace").decode().replace("\0", "?") if isinstance(name, str) else "the file"


def _write_whole(path, write):
    """Lets `write` make a file beside `path` that then takes its place."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        write(target)  # a fifo, a terminal: nothing to put another file in the place of
        return
    partial = "%s.%d.part" % (target, os.getpid())
    try:
        write(partial)
        os.replace(partial, target)
    except BaseException as error:
        if os.path.lexists(partial):
            os.unlink(partial)
        if isinstance(error, OSError) and error.filename == partial:
            error.filename = os.fspath(path)  # the file that was asked for
        raise


class Stats:
    """What a ClassTracker gathered, or what a file tells of one.

    `index` is a dict of a list of objects for each class, `snapshots` a list; `sorted` holds
    all objects in the order asked for, once an order was.
    """

    def __init__(self, tracker=None, filename=None, stream=None):
        """Takes the data of `tracker`, or those of the file `filename`.

        `stream` is what is printed to, sys.stdout if None.
        """
        self.stream = sys.stdout if stream is None else stream
        self.tracker = tracker
        self.index = {}
        self.snapshots = []
        self.sorted = []
        self._loaded = None  # the log of a file
        self._live = None    # the log of the tracker, as it was at a revision
        self._revision = None
        self._totals = None  # sums of classes of a log
        self._wholes = None  # what percentages are of, by time, where a file says so
        if tracker is not None:
            self.index = tracker.index
            self.snapshots = tracker.snapshots
            self.history = tracker.history
        if filename is not None:
            self.load_stats(filename)

    # ---- Files -------------------------------------------------------------------

    def load_stats(self, fdump):
        """Loads a dump: `fdump` is a path, or a binary file that is read to its end.

        OSError where it cannot be read, ValueError where it is neither a log nor a dump of
        pympler's.  A damaged log gives what is whole in it, and a RuntimeWarning.
        """
        if hasattr(fdump, "read"):
            data = fdump.read()
            if isinstance(data, str):
                raise TypeError("a dump is read from a binary file, not from one of text")
            log = _report.Log(bytes(data), _name_of(fdump))
        else:
            path = os.fsdecode(fdump)
            os.stat(path)
            log = _report.Log(path)
        for sentence in log.warnings[:_WARNINGS_SHOWN]:
            warnings.warn(sentence, RuntimeWarning, stacklevel=2)
        self._loaded = log
        self._live = self._totals = self._wholes = None
        self.index = log.index()
        self.snapshots = _read_snapshots(log)
        self.sorted = []

    def dump_stats(self, fdump, close=True):
        """Writes the data to a path or a binary file, as a log; stops periodic snapshots.

        A file at a path is replaced when all of it is written.  A file object is closed unless
        `close` is false.
        """
        if self.tracker is not None:
            self.tracker.stop_periodic_snapshots()
        if not hasattr(fdump, "write"):
            if self._loaded is not None:
                self._loaded.copy(os.fsdecode(fdump))
            else:
                _write_whole(os.fsdecode(fdump), self._dump)
            return
        with _memory_file() as (file, path):
            if self._loaded is not None:
                self._loaded.copy(file.fileno())
            else:
                self._dump(path)
            file.seek(0)
            for chunk in iter(lambda: file.read(1 << 20), b""):
                fdump.write(chunk)
        if close:
            fdump.close()

    def _dump(self, path):
        if self.tracker is not None:
            self.tracker._dump(path)
        else:
            from .classtracker import ClassTracker
            ClassTracker()._dump(path)

    def _log(self):
        """The log that all questions are put to: that of the file, or the tracker's as of now."""
        if self._loaded is not None:
            return self._loaded
        revision = None if self.tracker is None else self.tracker._revision
        if self._live is None or revision != self._revision:
            with _memory_file() as (file, path):
                self._dump(path)
                file.seek(0)
                self._live = _report.Log(file.read(), "tracker in memory")
            self._revision = revision
            self._totals = None
        return self._live

    # ---- Orders ------------------------------------------------------------------

    def _objects(self):
        """All objects, those of a class together: of a tracker its own, of a file what the file tells."""
        if self._loaded is not None:
            return self._loaded.objects()
        objects = [] if self.tracker is None else self._log().objects()
        if not objects:
            return objects
        # A view, so that they are the same objects after the tracker has let go of them.
        some = self.tracker._object(objects.number(0))
        return self._log().objects(some._sibling)

    def _init_sort(self):
        if not self.sorted:
            self.sorted = self._objects()

    def sort_stats(self, *args):
        """Sorts all objects into `sorted`; gives the Stats itself, so that calls can be chained.

        Criteria, the first one decides, the others where it holds objects equal:
        'classname', 'name', 'repr' (text, ascending), 'birth', 'death' (times, ascending; what
        is alive comes last), 'size' (the largest that was measured), 'tsize' (the size at the
        snapshot at which all objects together were largest; sizes descending).  Objects that
        all of them hold equal stay as they stand.  Other criteria are a ValueError.
        """
        if not set(_CRITERIA).issuperset(args):
            raise ValueError("Invalid sort criteria")
        self._init_sort()
        criteria = args or tuple(_CRITERIA)
        if isinstance(self.sorted, _report.ObjectList):
            self.sorted.sort(",".join(_CRITERIA[name] for name in criteria))
        else:  # somebody put objects of their own choice there
            self.sorted.sort(key=lambda tobj: tuple(_sort_key(tobj, name) for name in criteria))
        return self

    def reverse_order(self):
        """Turns the order of `sorted` round; gives the Stats itself."""
        self._init_sort()
        self.sorted.reverse()
        return self

    # ---- Sums --------------------------------------------------------------------

    def annotate(self):
        """Gives each snapshot its `classes`: see annotate_snapshot()."""
        for snapshot in self.snapshots:
            self.annotate_snapshot(snapshot)

    def annotate_snapshot(self, snapshot):
        """Gives `snapshot` its `classes`, unless it has them; returns them.

        A dict for each class: 'active' (instances alive), 'sum' (bytes of all of them), 'avg',
        'pct' (of the process's resident memory, or of all that is tracked where that is
        more) and 'merged', an Asized of all of them together.
        """
        if snapshot.classes is None:
            snapshot.classes = {}
        for name in self.index:
            if name not in snapshot.classes:
                snapshot.classes[name] = self._summarize(snapshot, name)
        return snapshot.classes

    def _summarize(self, snapshot, classname):
        log = self._log()
        if self._totals is None:
            self._totals = log.totals()
        totals = self._totals.get((round(snapshot.timestamp * 1e9), classname), ())
        merged = _merged([sized for _, sized in totals])
        active = sum(count for count, _ in totals)
        whole = self._whole(snapshot)
        return {
            "sum": merged.size,
            "avg": merged.size / active if active else 0,
            "pct": merged.size * 100.0 / whole if whole else 0,
            "active": active,
            "merged": merged,
        }

    def _whole(self, snapshot):
        """What percentages are of.  A file decides that itself: in pympler's it is virtual memory."""
        if self._loaded is None:
            return _whole(snapshot)
        if self._wholes is None:
            self._wholes = dict(self._loaded.rows("summary", "time,total"))
        return self._wholes.get(snapshot.timestamp) or _whole(snapshot)

    @property
    def tracked_classes(self):
        """The names of all tracked classes, sorted."""
        return sorted(self.index.keys())


def _sort_key(tobj, name):
    value = getattr(tobj, name, "")
    if name in ("size", "tsize"):
        return -int(value)
    if name == "death":
        return (value is None, value or 0)
    return value


class _memory_file:
    """A file in memory, and a path by which it can be opened, until the end of the `with`."""

    def __enter__(self):
        self.file = os.fdopen(os.memfd_create("memcapture", os.MFD_CLOEXEC), "w+b")
        return self.file, "/proc/self/fd/%d" % self.file.fileno()

    def __exit__(self, *unused):
        self.file.close()


class ConsoleStats(Stats):
    """Prints statistics as text, to `stream`."""

    def _print_refs(self, refs, total, prefix="    ", level=1, minsize=0, minpct=0.1):
        """Referents that hold more than `minpct` percent of `total`, the largest first."""
        # The last one first where several have one size.
        for ref in reversed(sorted(refs, key=lambda ref: ref.size)):
            if ref.size > minsize and ref.size * 100.0 / total > minpct:
                self.stream.write("%-50s %-14s %3d%% [%d]\n" % (
                    trunc(prefix + str(ref.name), 50), pp(ref.size), int(ref.size * 100.0 / total), level))
                self._print_refs(ref.refs, total, prefix=prefix + "  ", level=level + 1)

    def print_object(self, tobj):
        """Prints what is known of an object: where it was made, and its sizes at each snapshot."""
        where = "0x%08x" % tobj.id if not tobj.death else "( free )  "
        self.stream.write("%-32s %s %-35s\n" % (trunc(tobj.name, 32, left=True), where, trunc(tobj.repr, 35)))
        trace = tobj.trace
        if trace:
            self.stream.write(_format_trace(trace))
        for timestamp, size in tobj.snapshots:
            self.stream.write("  %-30s %s\n" % (pp_timestamp(timestamp), pp(size.size)))
            self._print_refs(size.refs, size.size)
        if tobj.death is not None:
            self.stream.write("  %-30s finalize\n" % pp_timestamp(tobj.death))

    def print_stats(self, clsname=None, limit=1.0):
        """Prints objects, in the order of `sorted`; stops periodic snapshots.

        `clsname`: only those whose class's name holds this text.  `limit`: how many of them at
        most; below 1 that part of them, but at least one; 1.0 (a float): all.
        """
        if self.tracker is not None:
            self.tracker.stop_periodic_snapshots()
        if not self.sorted:
            self.sort_stats()
        objects = self.sorted
        if clsname:
            if isinstance(objects, _report.ObjectList):
                objects = objects.of_class(clsname)
            else:
                objects = [tobj for tobj in objects if clsname in tobj.classname]
        if limit < 1 or isinstance(limit, float) and limit == 1.0:
            limit = max(1, int(len(objects) * limit))
        for tobj in objects[:int(limit)]:
            self.print_object(tobj)

    def print_summary(self):
        """Prints, for each snapshot, how many instances of each class there were, and their sizes."""
        classes = self.tracked_classes
        self.stream.write("---- SUMMARY " + "-" * 66 + "\n")
        for snapshot in self.snapshots:
            summary = self.annotate_snapshot(snapshot)
            self.stream.write("%-35s %11s %12s %12s %5s\n" % (
                trunc(snapshot.desc, 35), "active", pp(snapshot.asizeof_total), "average", "pct"))
            for name in classes:
                info = summary[name]
                self.stream.write("  %-33s %11d %12s %12s %4d%%\n" % (
                    trunc(name, 33), info["active"], pp(info["sum"]), pp(info["avg"]), info["pct"]))
        self.stream.write("-" * 79 + "\n")


class HtmlStats(Stats):
    """Makes pages and drawings of statistics."""

    def create_html(self, fname, title="ClassTracker Statistics"):
        """Writes a page about all of it to `fname`.

        The page is one file that needs nothing else: style, drawings and classes are in it, and
        there is no folder of further files beside it.  It appears whole or not at all.
        """
        self._log().page(os.fspath(fname), title)

    def create_title_page(self, filename, title=""):
        """The same as create_html(): all of it is one page."""
        self.create_html(filename, title or "ClassTracker Statistics")

    def print_class_details(self, fname, classname):
        """Writes a page to `fname` that has `classname` as its title.

        What is known of a class is a part of the one page.  KeyError where no such class is tracked.
        """
        if classname not in self.index:
            raise KeyError(classname)
        self.create_html(fname, classname)

    def create_snapshot_chart(self, filename=""):
        """Draws memory and tracked classes over time; PNG, PDF or SVG by the ending of `filename`.

        Returns an img element that shows the file.
        """
        self._log().chart(filename)
        return self._image(filename)

    def create_pie_chart(self, snapshot, filename=""):
        """Draws the shares that classes have in a snapshot; otherwise as create_snapshot_chart().

        Nothing is drawn, and '' returned, where the snapshot holds no tracked object.
        """
        if not snapshot.tracked_total:
            return ""
        times = [round(time * 1e9) for time, in self._log().rows("snapshots", "time")]
        self._log().chart(filename, snapshot=times.index(round(snapshot.timestamp * 1e9)))
        return self._image(filename)

    def create_lifetime_chart(self, classname, filename=""):
        """Draws how many instances of a class there were when; otherwise as create_snapshot_chart()."""
        if classname not in self.index:
            raise KeyError(classname)
        self._log().chart(filename, classname=classname)
        return self._image(filename)

    def relative_path(self, filepath, basepath=None):
        """`filepath` as seen from the folder `basepath`, if it is in there; `basepath` None: as it is."""
        filepath = os.fspath(filepath)
        if not basepath:
            return filepath
        folder = os.path.join(os.fspath(basepath), "")
        return filepath[len(folder):] if filepath.startswith(folder) else filepath

    def _image(self, filename):
        from html import escape
        return '<img src="%s">\n' % escape(os.path.basename(os.fspath(filename)))
