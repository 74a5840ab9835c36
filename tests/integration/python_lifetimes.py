#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tracking keeps nothing alive and leaks nothing; it stands threads, signals, forks, garbage cycles,
finalizers that do as they like, and several interpreters in one process."""

import gc
import os
import signal
import sys
import textwrap
import threading
import types
import weakref
from contextlib import closing

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture.classtracker import ClassTracker


class Node:
    def __init__(self, value=None):
        self.value = value


class Bare:
    pass


def raises(error, call, *args):
    try:
        call(*args)
    except error:
        return
    raise AssertionError(f"{call} raised no {error.__name__}")


def program(text, *options, **more):
    """Runs a program of its own; its output."""
    result = cases.run(sys.executable, *options, "-c", textwrap.dedent(text), **more)
    cases.equal((result.returncode, result.stderr), (0, ""))
    return result.stdout


def use_everything():
    tracker = ClassTracker()
    tracker.track_class(Node, name="node", resolution_level=1)
    tracker.track_class(Bare, trace=True)
    objects = [Node(str(number)) for number in range(20)] + [Bare() for _ in range(20)]
    one = Node([])
    one.value.append(one)
    tracker.track_object(use_everything, keep=True)
    tracker.track_change(one, 3)
    tracker.create_snapshot("one", compute_total=False)
    del objects[::2]
    tracker.create_snapshot("two")
    for found in tracker.objects.values():
        str((found.ref(), found.repr, found.trace, found.snapshots, found.size, found.tsize, found.name))
    str((tracker.index, tracker.history, tracker.snapshots, tracker.index["node"][2:5]))
    for mapping in tracker.index, tracker.objects, tracker.history:
        list(mapping.values()), list(mapping.items()), mapping == dict(mapping), mapping.get(5)
    for call, *arguments in ((tracker.track_object, 5), (tracker.detach_class, int), (tracker.track_class, int),
                             (tracker.track_change, 7), (tracker.track_object, Bare, 5), (Bare, 1),
                             (tracker.track_class, 5), (Node, 1, 2)):
        try:
            call(*arguments)
        except (TypeError, KeyError):
            pass
    tracker.detach_class(Node)
    tracker.detach_all()
    Node()
    tracker.track_class(Node)
    Node()
    tracker.clear()
    tracker.track_class(Bare)
    Bare()
    tracker.close()


def nothing_is_leaked():
    blocks = []
    for _ in range(7):
        for _ in range(100):
            use_everything()
        gc.collect()
        blocks.append(sys.getallocatedblocks())
    # Less than one a time: the interpreter keeps empty tuples and dicts for later, now more, now fewer.
    growth = [after - before for before, after in zip(blocks, blocks[1:])]
    cases.equal(sorted(growth)[0] < 90, True, growth)
    before = [sys.getrefcount(thing) for thing in (Node, Bare, None, ClassTracker, Node.__init__)]
    for _ in range(10):
        use_everything()
    gc.collect()
    after = [sys.getrefcount(thing) for thing in (Node, Bare, None, ClassTracker, Node.__init__)]
    cases.equal([b - a < 5 for a, b in zip(before, after)], [True] * 5, (before, after))


def what_objects_showed_before_is_not_kept():
    class Changing:
        def __repr__(self):
            return f"{step} {id(self)} " + "x" * 100

    objects = [Changing() for _ in range(1000)]
    with closing(ClassTracker()) as tracker:
        for one in objects:
            tracker.track_object(one)
        for step in range(60):
            tracker.create_snapshot()
        cases.equal([found.repr for found in tracker.index["Changing"]], [repr(one) for one in objects])
        shots = tracker.snapshots
        grown = (shots[-1].overhead - shots[9].overhead) / 50 / len(objects)
        cases.equal(grown < 40, True, grown)
        tracker.track_object(Node, name=repr(objects[0]))
        tracker.track_object(Bare, name="x")
        step = 60
        tracker.create_snapshot(repr(objects[1]))
        step = 61
        tracker.create_snapshot("")
        cases.equal((list(tracker.index)[1:], shots[-2].desc), ([f"59 {id(objects[0])} " + "x" * 100, "x"],
                                                                f"60 {id(objects[1])} " + "x" * 100))
        del objects[::2], one
        step = 62
        tracker.create_snapshot()
        cases.equal([found.repr[:2] for found in tracker.index["Changing"]][:4], ["61", "62", "61", "62"])


def references_are_those_of_before():
    things = [Node(1), Node, Node.__dict__["__init__"], Bare()]
    before = [sys.getrefcount(thing) for thing in things]
    with closing(ClassTracker()) as tracker:
        for one in things[0], things[3]:
            tracker.track_object(one)
        del one
        tracker.create_snapshot()
        cases.equal([sys.getrefcount(thing) for thing in things], before)
        found = tracker.objects[id(things[0])]
        found.snapshots, found.repr, found.ref()
        cases.equal(sys.getrefcount(things[0]), 2)
        tracker.track_class(Node)
        made = Node(5)
        cases.equal(sys.getrefcount(made), 2)
        tracker.track_object(made)
    cases.equal([sys.getrefcount(things[at]) for at in (0, 2, 3)], [before[at] - 1 for at in (0, 2, 3)])


def a_tracker_that_is_dropped_works_on_and_goes_with_its_classes():
    class Local:
        def __init__(self):
            self.on = True

    tracker = ClassTracker()
    gone = weakref.ref(tracker)
    tracker.track_class(Local, name="local")
    Local()
    del tracker
    gc.collect()
    cases.equal(len(gone().index["local"]), 1)
    Local()
    cases.equal(len(gone().index["local"]), 2)
    del Local
    gc.collect()
    cases.equal(gone(), None)
    tracker = ClassTracker()
    gone = weakref.ref(tracker)
    tracker.track_object(Node(), keep=True)
    del tracker
    cases.equal(gone(), None)


def a_tracker_in_a_cycle_is_collected():
    for views in False, True:
        tracker = ClassTracker()
        one = Node(tracker)
        tracker.track_object(one, keep=True)
        tracker.view = [tracker.index, tracker.objects, tracker.objects[id(one)]] if views else None
        gone = weakref.ref(tracker), weakref.ref(one)
        del tracker, one
        gc.collect()
        cases.equal([ref() for ref in gone], [None, None])


def cycles_of_tracked_objects_die_and_are_counted():
    with closing(ClassTracker()) as tracker:
        tracker.track_class(Node, name="node")
        held = []
        for number in range(1000):
            one = Node()
            one.value = one
            if number % 7 == 0:
                held.append(tracker.objects[id(one)].ref)
        del one
        gc.collect()
        cases.equal((tracker.history["node"][-1][1], {ref() for ref in held}), (0, {None}))
        gc.freeze()
        some = [Node() for _ in range(100)]
        gc.unfreeze()
        for one in some:
            one.value = one
        held = [tracker.objects[id(one)].ref for one in some]
        del some, one
        gc.collect()
        cases.equal((tracker.history["node"][-1][1], {ref() for ref in held}), (0, {None}))


def finalizers_may_do_anything():
    class Rising:
        def __del__(self):
            risen.append(self)

    class Tracking:
        def __del__(self):
            tracker.track_object(keep[0], name="by a finalizer")
            tracker.create_snapshot("by a finalizer")
            Node()

    class Detaching:
        def __init__(self):
            self.me = self

        def __del__(self):
            tracker.detach_all()

    risen, keep, tracker = [], [Bare()], ClassTracker()
    for cls in Rising, Tracking, Detaching, Node:
        tracker.track_class(cls, name=cls.__name__)
    Rising()
    cases.equal((tracker.objects[id(risen[0])].ref(), len(tracker.history["Rising"])), (risen[0], 1))
    one = Rising()
    one.me = one
    del one
    gc.collect()
    cases.equal((len(risen), tracker.history["Rising"][-1][1]), (2, 1))
    Tracking()
    cases.equal((tracker.objects[id(keep[0])].name, tracker.snapshots[0].desc), ("by a finalizer",) * 2)
    gc.disable()
    Detaching()
    gc.enable()
    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        made = [Node() for _ in range(100)]
    finally:
        gc.set_threshold(*threshold)
    cases.equal((len(tracker.objects) < 100, len(made)), (True, 100))
    tracker.clear()
    risen.clear()


def a_dying_object_is_not_tracked_again():
    class Last:
        def __init__(self):
            self.other = Node()

        def __del__(self):
            cases.equal(tracker.objects[id(self)].ref() is self, True)
            tracker.track_object(self)

    with closing(ClassTracker()) as tracker:
        tracker.track_class(Last, name="last")
        Last()
        cases.equal([count for _, count in tracker.history["last"]], [1, 0])


def threads_create_and_drop_while_snapshots_are_taken():
    tracker = ClassTracker()
    tracker.track_class(Node, name="node", trace=True)
    tracker.track_class(Bare, name="bare")
    kept, failures = [], []

    def work(number):
        try:
            mine = []
            for step in range(3000):
                mine.append(Node([number, step]))
                Bare()
                if step % 3 == 0:
                    del mine[:2]
                if step % 1000 == 500:
                    mine[0].value.append(mine)
                if step % 1500 == 700 and number == 0:
                    tracker.create_snapshot(f"{number} {step}")
            kept.append(mine)
        except BaseException as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            tracker.create_snapshot("main")
            for found in tracker.index["node"][-20:]:
                found.snapshots, found.trace, found.ref()
            len(tracker.history["bare"])
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    cases.equal(failures, [])
    gc.collect()
    tracker.create_snapshot("end")
    alive = sum(map(len, kept))
    cases.equal((len(tracker.index["node"]), len(tracker.index["bare"])), (24000, 24000))
    cases.equal((tracker.history["node"][-1][1], tracker.history["bare"][-1][1]), (alive, 0))
    cases.equal(len(tracker.history["bare"]), 48000)
    end = tracker.snapshots[-1]
    sizes = [found.get_size_at_time(end.timestamp) for found in tracker.index["node"]]
    cases.equal((sum(size > 0 for size in sizes), sum(sizes)), (alive, end.tracked_total))
    cases.equal([shot.timestamp for shot in tracker.snapshots], sorted({shot.timestamp for shot in tracker.snapshots}))
    tracker.clear()


def snapshots_of_several_threads_wait_for_each_other():
    tracker = ClassTracker()
    inside, go, order = threading.Event(), threading.Event(), []

    class Slow:
        def __repr__(self):
            order.append("begin")
            inside.set()
            go.wait(30)
            order.append("end")
            return "slow"

    slow = Slow()
    tracker.track_object(slow)
    threads = [threading.Thread(target=tracker.create_snapshot, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
    inside.wait(30)
    cases.equal(order, ["begin"])
    tracker.track_object(Node())
    go.set()
    for thread in threads:
        thread.join()
    cases.equal((order, len(tracker.snapshots)), (["begin", "end"] * 3, 3))
    cases.equal(len(tracker.objects[id(slow)].snapshots), 4)
    tracker.clear()


def a_signal_ends_a_snapshot():
    class Alarm(Exception):
        pass

    def ring(number, frame):
        raise Alarm

    tracker = ClassTracker()
    objects = [Node([number]) for number in range(200000)]
    for one in objects:
        tracker.track_object(one)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        raises(Alarm, tracker.create_snapshot)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    cases.equal((tracker.snapshots, len(tracker.index["Node"][0].snapshots)), ([], 1))
    tracker.create_snapshot()
    cases.equal([len(tracker.index["Node"][at].snapshots) for at in (0, -1)], [2, 2])
    tracker.clear()


def a_forked_child_works_on():
    tracker = ClassTracker()
    tracker.track_class(Node, name="node")
    objects = [Node(number) for number in range(10)]
    inside, go = threading.Event(), threading.Event()

    class Slow:
        def __repr__(self):
            inside.set()
            go.wait(30)
            return "slow"

    slow = Slow()
    tracker.track_object(slow)
    thread = threading.Thread(target=tracker.create_snapshot)
    thread.start()
    inside.wait(30)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            go.set()
            del objects[:5]
            more = Node()
            tracker.create_snapshot("child")
            tracker.start_periodic_snapshots(3600)
            tracker.stop_periodic_snapshots()
            counts = tracker.history["node"][-1][1], len(tracker.snapshots), len(tracker.objects[id(more)].snapshots)
            status = 0 if counts == (6, 2, 3) else 2
        finally:
            os._exit(status)
    cases.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    go.set()
    thread.join()
    cases.equal((len(tracker.objects[id(slow)].snapshots), tracker.history["node"][-1][1]), (2, 10))
    tracker.clear()


def a_program_that_ends_with_trackers_ends_well():
    text = """
        import sys, gc
        from memcapture.classtracker import ClassTracker
        class Node:
            def __init__(self): self.me = self
            def __repr__(self): return "node"
            def __del__(self): print("gone", file=sys.stderr) if sys is None else None
        tracker = ClassTracker()
        tracker.track_class(Node, trace=True)
        tracker.start_periodic_snapshots(0.001)
        objects = [Node() for _ in range(1000)]
        held = [tracker.objects[id(one)].ref for one in objects]
        sys.tracker = tracker
        other = ClassTracker()
        other.track_object(objects[0], keep=True)
        view = other.objects[id(objects[0])]
        tracker.create_snapshot()
        print(len(tracker.index["__main__.Node"]))
    """
    cases.equal(program(text), "1000\n")
    cases.equal(program(text, "-X", "dev", "-W", "ignore"), "1000\n")
    environment = dict(os.environ, PYTHONMALLOC="debug")
    cases.equal(program(text, env=environment), "1000\n")


def interpreters_share_nothing():
    text = """
        try:
            import _interpreters as interpreters
            options = ("legacy",)
        except ImportError:
            import _xxsubinterpreters as interpreters
            options = ()
        from memcapture.classtracker import ClassTracker
        class Node: pass
        tracker = ClassTracker()
        tracker.track_class(Node)
        one = Node()
        code = '''
        from memcapture.classtracker import ClassTracker
        import memcapture._capture as c
        class Node:
            def __init__(self): self.me = self
        tracker = ClassTracker()
        tracker.track_class(Node, trace=True)
        some = [Node() for _ in range(100)]
        tracker.create_snapshot()
        assert len(tracker.objects) == 100
        assert tracker.objects[id(some[0])].snapshots[0][0] < 60
        '''
        import textwrap, sys
        for _ in range(3):
            other = interpreters.create(*options) if options else (
                interpreters.create(isolated=False) if sys.version_info >= (3, 9) else interpreters.create())
            failed = interpreters.run_string(other, textwrap.dedent(code))
            assert failed is None, failed
            interpreters.destroy(other)
            another = Node()
        tracker.create_snapshot()
        print(len(tracker.objects) in (3, 4), tracker.history["__main__.Node"][-1][1])
    """
    cases.equal(program(text), "True 2\n")


cases.main(*[function for name, function in list(globals().items())
             if isinstance(function, types.FunctionType) and function.__module__ == "__main__"
             and name not in ("raises", "program", "use_everything")])
