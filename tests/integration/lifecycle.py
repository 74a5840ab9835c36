#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libmemcapture in programs that fork, clone, start many threads, end in all
ways and run into limits; and what the library shows of itself."""

import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_reading

PROGRAM = os.path.join(cases.BUILD, "fixtures/lifecycle")
END_EXIT = 2


def lifecycle(how, status=0):
    """Runs the program; the stream of its log."""
    log = how + ".dat"
    result = cases.run(PROGRAM, how, log)
    cases.equal((result.stderr, result.returncode), ("", status), how)
    streams = log_reading.streams(log)
    cases.equal(len(streams), 1, "streams")
    return streams[0]


def end_reason(log):
    content = cases.run("zstd", "-dcq", log, text=False).stdout
    return [rows[0]["reason"] for name, rows in log_reading.blocks(content) if name == "END"]


def returning_from_main_ends_the_log():
    stream = lifecycle("return")
    cases.equal(len(stream.rows["BIRTHS"]), 100)
    cases.equal(end_reason("return.dat"), [END_EXIT])


def exit_in_another_thread_ends_the_log():
    lifecycle("exit-thread")
    cases.equal(end_reason("exit-thread.dat"), [END_EXIT])


def a_forked_child_is_silent():
    stream = lifecycle("fork")
    cases.equal(len(stream.rows["BIRTHS"]), 100)
    cases.equal(len(stream.rows["DEATHS"]), 0)
    cases.equal(len(stream.rows["SNAPSHOTS"]), 0)
    cases.equal(end_reason("fork.dat"), [END_EXIT])


def a_cloned_child_is_silent():
    stream = lifecycle("clone")
    cases.equal(len(stream.rows["BIRTHS"]), 100)
    cases.equal(len(stream.rows["MARKS"]), 0)


def a_forked_child_may_have_a_log_of_its_own():
    stream = lifecycle("fork-own")
    cases.equal(len(stream.rows["BIRTHS"]), 100)
    child = log_reading.streams("child.dat")[0]
    cases.equal(len(child.rows["BIRTHS"]), 7)
    cases.equal(len(child.rows["SNAPSHOTS"]), 1)
    cases.equal(end_reason("child.dat"), [END_EXIT])
    if child.rows["STREAM"][0]["pid"] == stream.rows["STREAM"][0]["pid"]:
        raise AssertionError("the child says that it is its parent")


def forking_among_busy_threads_works():
    lifecycle("fork-threads")
    cases.equal(len(log_reading.streams("child.dat")[0].rows["BIRTHS"]), 7)


def threads_that_end_leave_their_rings_to_others():
    stream = lifecycle("threads")
    cases.equal(len(stream.rows["BIRTHS"]), 1000)


def a_limit_on_file_sizes_is_survived():
    result = cases.run(PROGRAM, "limit", "limit.dat")
    cases.equal((result.stderr, result.returncode), ("", 0))
    if os.path.getsize("limit.dat") > 4096:
        raise AssertionError("the limit was not there")


def several_captures_may_be_open():
    result = cases.run(PROGRAM, "several", "unused.dat")
    cases.equal((result.stderr, result.returncode), ("", 0))
    for i in range(5):
        stream = log_reading.streams(f"several.{i}.dat")[0]
        cases.equal(len(stream.rows["BIRTHS"]), i + 1)


def an_aborted_program_leaves_what_was_written():
    result = cases.run(PROGRAM, "abort", "abort.dat")
    cases.equal(result.returncode, -6)
    with open("abort.dat", "rb") as log:
        cases.equal(log.read(16)[8:16], b"memreplg")


LOADED = """
import _ctypes, ctypes, sys
library = ctypes.CDLL(sys.argv[1])
capture = ctypes.c_void_p()
assert library.memcapture_open(ctypes.byref(capture), b"loaded.dat", None) == 0
assert library.memcapture_mark(capture, b"loaded") == 0
_ctypes.dlclose(library._handle)
"""


def a_library_that_is_unloaded_stays_and_ends_its_log():
    result = cases.run(sys.executable, "-c", LOADED, os.path.join(cases.BUILD, "libmemcapture.so"))
    cases.equal((result.stderr, result.returncode), ("", 0))
    cases.equal(len(log_reading.streams("loaded.dat")[0].rows["MARKS"]), 1)
    cases.equal(end_reason("loaded.dat"), [END_EXIT])


def the_library_shows_its_public_names_only():
    names = cases.shown_names(os.path.join(cases.BUILD, "libmemcapture.so"))
    alien = sorted(name for name in names if not name.startswith("memcapture_"))
    cases.equal(alien, [])
    for needed in ("memcapture_open", "memcapture_track_at", "memcapture_visit"):
        if needed not in names:
            raise AssertionError(f"{needed} is not shown")


def the_archive_shows_its_public_names_only():
    shown = cases.run("nm", "-g", "--defined-only", os.path.join(cases.BUILD, "libmemcapture.a")).stdout
    names = {line.split()[-1] for line in shown.splitlines() if len(line.split()) == 3}
    cases.equal(sorted(name for name in names if not name.startswith("memcapture_")), [])


def the_library_needs_nothing_but_the_c_library():
    cases.equal(cases.needed_libraries(os.path.join(cases.BUILD, "libmemcapture.so")), [])


cases.main(returning_from_main_ends_the_log, exit_in_another_thread_ends_the_log, a_forked_child_is_silent,
           a_cloned_child_is_silent, a_forked_child_may_have_a_log_of_its_own, forking_among_busy_threads_works,
           threads_that_end_leave_their_rings_to_others, a_limit_on_file_sizes_is_survived,
           several_captures_may_be_open, an_aborted_program_leaves_what_was_written,
           a_library_that_is_unloaded_stays_and_ends_its_log, the_library_shows_its_public_names_only,
           the_archive_shows_its_public_names_only,
           the_library_needs_nothing_but_the_c_library)
