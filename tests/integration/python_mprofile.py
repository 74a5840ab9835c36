#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The size of all objects at places in the code: which places, which events, and the same sizes as those
of muppy at the same moment."""

import gc
import os
import sys
import threading
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import mprofile
from memcapture.mprofile import MProfiler

HERE = __file__


def work():
    kept = [bytearray(100000)]
    return kept


def work_on():
    one = work()
    two = work()
    return one, two


def of_function(profiler, name):
    return {place[2] - globals()[name].__code__.co_firstlineno: row for place, row in profiler.memories.items()
            if place[:2] == (HERE, name)}


def codepoints_are_wanted_by_any_part():
    profiler = MProfiler()
    for wanted, included in (
        (None, True), ([], False), ([(None, None, None)], True), ([("foo", "bar", 42)], True),
        ([("foo", None, None)], True), ([("bar", None, None)], False), ([(None, "bar", None)], True),
        ([(None, "foo", None)], False), ([(None, None, 42)], True), ([(None, None, 0)], False),
        ([("foo", "bar", None)], True), ([("foo", "foo", 0)], False), ([("foo",)], True), ([()], True),
        ([("foo", "bar", 0), ("foo", "bar", 42)], True), ([("a", "b", 0), ("foo", "baz", 42)], False),
        (({"x", "foo"} for _ in range(0)), False),
    ):
        profiler.codepoints = wanted
        cases.equal(profiler.codepoint_included(("foo", "bar", 42)), included)
    profiler.codepoints = [("foo", "bar", 42, "more")]
    with cases.raises(IndexError):
        profiler.codepoint_included(("foo", "bar", 42))
    profiler.codepoints = [7]
    with cases.raises(TypeError):
        profiler.codepoint_included(("foo", "bar", 42))


def each_event_has_its_line():
    profiler = MProfiler([(HERE, "work", None), (HERE, "work_on", None)])
    sys.setprofile(profiler.profile)
    work_on()
    sys.setprofile(None)
    cases.equal({line: row[0] for line, row in of_function(profiler, "work").items()}, {0: 2, 2: 2})
    cases.equal({line: row[0] for line, row in of_function(profiler, "work_on").items()}, {0: 1, 3: 1})


def only_wanted_events_count():
    profiler = MProfiler([(None, "work", None)], ["return"])
    sys.setprofile(profiler.profile)
    work_on()
    sys.setprofile(None)
    cases.equal({place: row[0] for place, row in profiler.memories.items()},
                {(HERE, "work", work.__code__.co_firstlineno + 2): 2})
    profiler = MProfiler(events=[])
    sys.setprofile(profiler.profile)
    work_on()
    sys.setprofile(None)
    cases.equal(profiler.memories, {})


def what_is_kept_is_seen():
    """The second return finds what the first gave."""
    profiler = MProfiler([(None, "work", None)], ["return"])
    sys.setprofile(profiler.profile)
    held = work_on()
    sys.setprofile(None)
    (row,) = profiler.memories.values()
    cases.equal(len(row), 4)
    count, least, most, zero = row
    cases.equal((count, zero), (2, 0))
    assert held
    if not 0 <= most - least < 400000:
        raise AssertionError(row)


def sizes_are_those_of_muppy():
    from memcapture import muppy
    profiler = MProfiler()
    frame = sys._getframe()
    profiler.profile(frame, "call", None)
    expected = muppy.get_size(muppy.get_objects())
    profiler.profile(frame, "call", None)
    rows = list(profiler.memories.values())
    cases.equal(len(rows), 2)
    for row in rows:
        if abs(row[1] - expected) > 4096:   # what the two calls are made of
            raise AssertionError((row, expected))


def the_profiler_does_not_see_itself():
    """However much it keeps."""
    profiler = MProfiler()
    frame = sys._getframe()
    for _ in range(3):
        profiler.profile(frame, "call", None)
    sources = [compile("\n" * number + "profiler.profile(sys._getframe(), 'call', None)", "made", "exec")
               for number in range(300)]
    names = {"profiler": profiler, "sys": sys}
    for source in sources:
        exec(source, names)
    rows = [row for place, row in profiler.memories.items() if place[0] == "made"]
    cases.equal(len(rows), 300)
    sizes = {size for row in rows[10:] for size in row[1:3]}
    if max(sizes) - min(sizes) > 4096:
        raise AssertionError((min(sizes), max(sizes)))


def run_runs_in_the_main_module_and_gives_itself():
    profiler = MProfiler([(HERE, "work", None)], ["call"])
    assert profiler.run("work_on(); made_by_run = 7") is profiler
    cases.equal(globals().pop("made_by_run"), 7)
    cases.equal([row[0] for row in profiler.memories.values()], [2])
    cases.equal(sys.getprofile(), None)
    profiler.run(compile("work()", "code", "exec"))
    cases.equal([row[0] for row in profiler.memories.values()], [3])


def an_error_ends_the_run():
    profiler = MProfiler([("<string>", None, None)])
    with cases.raises(ZeroDivisionError):
        profiler.run("1 / 0")
    cases.equal(sys.getprofile(), None)
    assert {place[0] for place in profiler.memories} == {"<string>"}

    def mine(*_):
        pass

    sys.setprofile(mine)
    profiler.run("pass")
    found = sys.getprofile()
    sys.setprofile(None)
    assert found is mine


def garbage_is_collected_first_unless_it_is_not_wanted():
    class Watched(list):
        pass

    gc.disable()
    try:
        for collect in True, False:
            ring = Watched()
            ring.append(ring)
            seen = weakref.ref(ring)
            del ring
            MProfiler(collect=collect).profile(sys._getframe(), "call", None)
            cases.equal(seen() is None, collect)
            cases.equal(gc.isenabled(), False)
    finally:
        gc.enable()


def codepoints_that_act_do_no_harm():
    class Acts:
        def __eq__(self, other):
            profiler.codepoints = None
            wanted.clear()
            gc.collect()
            return False

        __hash__ = None

    wanted = [(None, Acts(), None) for _ in range(5)]
    profiler = MProfiler(wanted)
    profiler.profile(sys._getframe(), "call", None)
    cases.equal((profiler.memories, profiler.codepoints), ({}, None))

    class Raises:
        def __eq__(self, other):
            raise RuntimeError("compared")

    profiler = MProfiler([(None, Raises(), None)])
    with cases.raises(RuntimeError, "compared"):
        profiler.profile(sys._getframe(), "call", None)
    del profiler.codepoints, profiler.events
    cases.equal(profiler.codepoint_included(("any", "where", 1)), True)
    profiler.profile(sys._getframe(), "call", None)
    cases.equal(len(profiler.memories), 1)


def other_arguments_are_errors():
    profiler = MProfiler()
    for arguments in (), (1, 2, 3), (sys._getframe(),), (None, "call", None):
        with cases.raises(TypeError):
            profiler.profile(*arguments)
    with cases.raises(TypeError):
        MProfiler(events=7).profile(sys._getframe(), "call", None)
    with cases.raises(AttributeError):
        profiler.memories = {}
    cases.equal(profiler.memories, {})


def finalizers_may_measure_too():
    class Final:
        def __del__(self):
            profiler.profile(sys._getframe(), "call", None)

    profiler = MProfiler()
    final = Final()
    final.me = final
    del final
    profiler.profile(sys._getframe(), "call", None)
    cases.equal(sorted(row[0] for row in profiler.memories.values()), [1, 1])


def threads_may_share_one():
    profiler = MProfiler([(HERE, "work", None)], ["return"])
    threading.setprofile(profiler.profile)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.setprofile(None)
    cases.equal([row[0] for row in profiler.memories.values()], [8])


def a_profiler_is_garbage_like_others():
    class Kept(MProfiler):
        pass

    profiler = Kept()
    profiler.codepoints = [profiler]
    profiler.events = {"call": profiler}
    seen = weakref.ref(profiler)
    del profiler
    gc.collect()
    cases.equal(seen(), None)


def every_name_is_there():
    cases.equal(mprofile.__all__, ["MProfiler"])


cases.main(
    codepoints_are_wanted_by_any_part,
    each_event_has_its_line,
    only_wanted_events_count,
    what_is_kept_is_seen,
    sizes_are_those_of_muppy,
    the_profiler_does_not_see_itself,
    run_runs_in_the_main_module_and_gives_itself,
    an_error_ends_the_run,
    garbage_is_collected_first_unless_it_is_not_wanted,
    codepoints_that_act_do_no_harm,
    other_arguments_are_errors,
    finalizers_may_measure_too,
    threads_may_share_one,
    a_profiler_is_garbage_like_others,
    every_name_is_there,
)
