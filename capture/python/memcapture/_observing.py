# SPDX-License-Identifier: MIT
"""What `python3 -m memcapture` observes of a program, and when it looks."""

import _thread
import atexit
import builtins
import fnmatch
import os
import shutil
import sys
import threading

from . import _capture
from .classtracker import ClassTracker
from .reftracker import ObjTracker

TRACE_FRAMES = 8  # of objects that are not of a tracked class


class Observer:
    """Observes the instances of classes, all objects, or both.

    `classes` is a list of names of the form MODULE.CLASS, with * and ? for any text; `everything`
    whether all objects are observed; `interval` the seconds between two looks, or None: at the
    program's end only; `trace` whether it is noted where objects are made; `path` that of the log.
    """

    def __init__(self, classes, everything, interval, trace, path):
        self.classes = classes
        self.everything = everything
        self.interval = interval
        self.trace = trace
        self.path = path
        self.path_everything = path + ".objects" if classes else path
        self.tracker = ClassTracker(log=path) if classes else None
        self.objects = None
        self.changes = None
        self.found = set()
        self.untracked = {}  # names of classes that are not tracked, and why
        self._looking = threading.Lock()
        self._stopped = threading.Event()
        self._ended = None  # a lock that the observing thread holds
        self._process = os.getpid()

    def start(self):
        """From here on the program runs, and at_end is called when it is over."""
        if self.classes:
            self._search()
            builtins.__build_class__ = _capture.ClassHook(builtins.__build_class__, self._defined)
        if self.interval is not None:
            # Not one of the threads that the program counts, and may wait for.
            self._ended = threading.Lock()
            self._ended.acquire()
            _thread.start_new_thread(self._look_often, ())
        elif self.everything:
            self._take_baseline()

    def look(self, description=""):
        """Takes a snapshot; of all objects the first is what later ones are compared with."""
        # Not "with": what that keeps on the stack would be seen as the program's.
        self._looking.acquire()
        try:
            if self.tracker is not None:
                self._search()
                self.tracker.create_snapshot(description)
            if self.objects is not None:
                self.changes = self.objects.compare(description)
            elif self.everything:
                self._take_baseline()
        finally:
            self._looking.release()

    def finish(self):
        """The last look, at the program's end: its modules are still there.  False in a forked child."""
        if os.getpid() != self._process:
            return False
        self._stopped.set()
        if self._ended is not None:
            self._ended.acquire()
        if isinstance(builtins.__build_class__, _capture.ClassHook):
            builtins.__build_class__ = builtins.__build_class__.build
        self.look("end")
        try:
            if self.tracker is not None:
                self.tracker.close()
        finally:
            if self.objects is not None:
                self.objects.close()
        self._join()
        return True

    def missing(self):
        """The names in `classes` of which no class was met."""
        return [name for name in self.classes if not any(fnmatch.fnmatchcase(found, name) for found in self.found)]

    def _take_baseline(self):
        self.objects = ObjTracker(log=self.path_everything, traces=TRACE_FRAMES if self.trace else 0)

    def _look_often(self):
        try:
            while not self._stopped.wait(self.interval):
                self.look()
        finally:
            self._ended.release()

    def _defined(self, cls):
        self._track(cls, f"{cls.__module__}.{cls.__qualname__}")
        self._search()

    def _search(self):
        """Tracks the classes that are there by now, as one is that took the place of another."""
        for pattern in self.classes:
            module, _, name = pattern.rpartition(".")
            cls = getattr(sys.modules.get(module), name, None)
            if isinstance(cls, type):
                self._track(cls, pattern)

    def _track(self, cls, name):
        """Tracks CLS where it is one that was asked for; the program goes on where that cannot be done."""
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.classes):
            return
        self.found.add(name)
        if cls.__weakrefoffset__ == 0:
            self.untracked[name] = "its instances cannot be weakly referenced; --diff sees them"
            return
        try:
            self.tracker.track_class(cls, trace=self.trace)
            self.untracked.pop(name, None)
        except TypeError as error:
            self.untracked[name] = str(error)

    def _join(self):
        """Two logs of one run, one behind the other, are one log."""
        if self.path_everything == self.path:
            return
        name = self.path_everything.replace("%p", str(self._process))
        if os.path.exists(name):
            with open(name, "rb") as source, open(self.path.replace("%p", str(self._process)), "ab") as target:
                shutil.copyfileobj(source, target)
            os.unlink(name)


def observe(observer, at_end):
    """Starts OBSERVER; AT_END is called with it at the program's end, after all that it registered itself.

    OSError where the log cannot be made.
    """

    def end():
        try:
            if observer.finish():
                at_end(observer)
        except OSError as error:
            print(f"memcapture: {reason(error)}", file=sys.stderr)

    atexit.register(end)
    try:
        observer.start()
    except OSError:
        atexit.unregister(end)
        raise


def reason(error):
    """An OSError in words."""
    return f"cannot write '{error.filename}': {error.strerror}" if error.filename is not None else str(error)
