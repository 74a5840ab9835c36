# SPDX-License-Identifier: MIT
"""Tracks objects of a program: how many there are of a class, how large they are, how long they live.

    >>> from memcapture.classtracker import ClassTracker
    >>> class Document:
    ...     def __init__(self, text):
    ...         self.lines = text.splitlines()
    >>> tracker = ClassTracker()
    >>> tracker.track_class(Document)
    >>> document = Document("one, two, three")
    >>> tracker.create_snapshot("loaded")
    >>> len(tracker.index["__main__.Document"])             # doctest: +SKIP
    1
    >>> tracker.stats.print_summary()                       # doctest: +SKIP

The work is done in C, by `memcapture._capture`; here is what holds it together.
"""

import collections.abc
import os
import threading
import weakref

from . import _capture
from .process import ProcessMemoryInfo

__all__ = ["ClassTracker"]

TrackedObject = _capture.TrackedObject

collections.abc.Mapping.register(_capture.TrackedMapping)
collections.abc.Sequence.register(_capture.ObjectList)


class TrackedObjectRecord:
    """What a TrackedObject becomes when it is pickled or copied: the same without the object."""

    id = repr = name = birth = death = trace = None
    snapshots = ()
    _resolution_level = 0

    def __setstate__(self, state):
        self.__dict__.update(state)

    def ref(self):
        """As a weak reference whose object is gone."""
        return None

    @property
    def size(self):
        """The largest size that was ever found."""
        return self.get_max_size()

    @property
    def classname(self):
        """The name that it was tracked under."""
        return self.name

    def get_max_size(self):
        """The largest size that was ever found."""
        return max(asized.size for _, asized in self.snapshots)

    def get_size_at_time(self, timestamp):
        """The size in the snapshot of that time; 0 when it was not alive then."""
        sizes = [asized.size for time, asized in self.snapshots if time == timestamp]
        return sizes[-1] if sizes else 0

    def set_resolution_level(self, resolution_level):
        """Noted, but nothing will be sized again."""
        self._resolution_level = resolution_level


class Snapshot:
    """What one snapshot found in all.

    `tracked_total` is the size of all tracked objects, `asizeof_total` that of everything (0 unless
    it was asked for), `overhead` what the tracker itself takes, all in bytes; `timestamp` is in
    seconds, `system_total` a ProcessMemoryInfo, `desc` the description, and `classes` the sums by
    class, once the statistics have been asked for them.
    """

    def __init__(self, timestamp, description=""):
        self.tracked_total = 0
        self.asizeof_total = 0
        self.overhead = 0
        self.timestamp = timestamp
        self.system_total = ProcessMemoryInfo()
        self.desc = description
        self.classes = None
        self._number = 0  # in the tracker's own account

    @property
    def total(self):
        """The process's virtual size, or where that is not known the next best."""
        if self.system_total.available:
            return self.system_total.vsz
        return self.asizeof_total or self.tracked_total

    @property
    def label(self):
        """The description with the time, or the time alone."""
        if not self.desc:
            return "%.3fs" % self.timestamp
        return "%s (%.3fs)" % (self.desc, self.timestamp)

    def __repr__(self):
        return "<%s %s>" % (type(self).__name__, self.label)


class PeriodicThread(threading.Thread):
    """Takes a snapshot, waits `interval` seconds, and again, until it is told to stop."""

    def __init__(self, tracker, interval):
        super().__init__(name="BackgroundMonitor", daemon=True)
        self.interval = interval
        self.tracker = tracker
        self._stopped = threading.Event()

    def run(self):
        """Until stop() is called."""
        while True:
            self.tracker._snapshot("", periodic=True)
            if self._stopped.wait(self.interval):
                return

    def stop(self):
        """Ends the wait; a snapshot that is being taken is finished."""
        self._stopped.set()


_trackers = weakref.WeakSet()


class ClassTracker(_capture.Tracker):
    """Observes objects and classes.

    `stream` is where `stats` prints (default: standard output).  With `log`, a path, everything is
    also written there as it happens, in the format that memstats and memreport read; without, that
    is so when MEMCAPTURE_LOG or memrecord asks for it.

    `snapshots` is a list of what create_snapshot() found; index, objects and history tell of the
    objects.
    """

    def __init__(self, stream=None, log=None):
        super().__init__()
        self.snapshots = []
        self._stream = stream
        self._periodic_thread = None
        self._snapshot_lock = threading.RLock()
        self._snapshot_owner = None
        _trackers.add(self)
        self._open_log(log)

    @property
    def stats(self):
        """The statistics of what was found so far: a ConsoleStats."""
        from .classtracker_stats import ConsoleStats

        return ConsoleStats(tracker=self, stream=self._stream)

    def clear(self):
        """Detaches from everything, and forgets the objects and the snapshots."""
        self._forget_all()
        self.snapshots[:] = []

    def close(self):
        """Detaches from all classes, and ends the log where there is one.

        For `with contextlib.closing(ClassTracker()) as tracker`.
        """
        try:
            self.detach_all_classes()
        finally:
            self._close_log()

    def start_periodic_snapshots(self, interval=1.0):
        """Takes a snapshot now and every `interval` seconds, in a thread of its own.

        When that is being done already, the interval is changed.
        """
        if interval < 0:
            raise ValueError("the interval is %r: less than no time" % interval)
        thread = self._periodic_thread
        if thread is not None and thread.is_alive():
            thread.interval = interval
            return
        self._periodic_thread = PeriodicThread(self, interval)
        self._periodic_thread.start()

    def stop_periodic_snapshots(self):
        """Ends what start_periodic_snapshots() began, and waits for a snapshot that is being taken."""
        thread = self._periodic_thread
        if thread is None:
            return
        self._periodic_thread = None
        thread.stop()
        if thread is not threading.current_thread():
            thread.join()

    def create_snapshot(self, description="", compute_total=False):
        """Sizes all tracked objects that are alive, and notes what the process takes.

        With `compute_total`, everything that the garbage collector knows is sized too, which takes
        its time.  Snapshots in several threads wait for each other; within one (from a __repr__)
        another cannot be taken: RuntimeError.
        """
        self._snapshot(str(description), compute_total)

    def _snapshot(self, description, compute_total=False, periodic=False):
        total = _everything if compute_total else None
        with self._snapshot_lock:
            owner, self._snapshot_owner = self._snapshot_owner, threading.get_ident()
            try:
                number, timestamp, tracked, everything, overhead, rss, vsz = self._take_snapshot(
                    description, total, periodic
                )
            finally:
                self._snapshot_owner = owner
            snapshot = Snapshot(timestamp, description)
            snapshot._number = number
            snapshot.tracked_total = tracked
            snapshot.asizeof_total = everything
            snapshot.overhead = overhead
            if snapshot.system_total.available:
                snapshot.system_total.rss = rss
                snapshot.system_total.vsz = vsz
            self.snapshots.append(snapshot)

    def _after_fork(self):
        """In a forked child the thread that was taking a snapshot is not there any more.

        It may have had the lock before it was noted as the owner, or after that: only a lock of
        this thread's own is kept.
        """
        if self._snapshot_owner != threading.get_ident():
            self._snapshot_owner = None
            self._snapshot_lock = threading.RLock()
            self._give_up_snapshot()


def _everything():
    from .asizeof import asizeof

    return asizeof(all=True, code=True)


def _after_fork():
    for tracker in list(_trackers):
        tracker._after_fork()


os.register_at_fork(after_in_child=_after_fork)
