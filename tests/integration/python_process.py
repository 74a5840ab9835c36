#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memcapture.process: the memory of this process as /proc has it, and its threads."""

import ctypes
import os
import sys
import threading
from unittest import mock

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import process

STATUS = ("Name:\tprogram\nVmPeak:\t 3000 kB\nVmData:\t    2 kB\n"
          "VmExe:\t    4 kB\nVmLib:\t 6 kB\nVmStk:\t 8 kB\nA: b: c\n")


def stat(name):
    fields = [0] * 40
    fields[9], fields[20], fields[21] = 7, 8155136, 221
    return "42 (%s) R %s" % (name, " ".join(str(field) for field in fields[1:]))


def read(name):
    """A ProcessMemoryInfo of a program of that name."""
    files = [mock.mock_open(read_data=text).return_value for text in (stat(name), STATUS)]
    with mock.patch("builtins.open", side_effect=files):
        return process.ProcessMemoryInfo()


def numbers_are_those_of_proc():
    info = process.ProcessMemoryInfo()
    with open("/proc/self/statm") as statm:
        pages = [int(word) for word in statm.read().split()]
    cases.equal(info.available, True)
    cases.equal(info.pid, os.getpid())
    cases.equal(abs(info.vsz - pages[0] * info.pagesize) < 64 << 20, True, (info.vsz, pages))
    cases.equal(abs(info.rss - pages[1] * info.pagesize) < 64 << 20, True, (info.rss, pages))
    cases.equal([name for name, _ in info.os_specific if name == "Resident set size"], ["Resident set size"])
    cases.equal(process.is_available(), True)
    cases.equal(repr(info), "<ProcessMemoryInfo vsz=%d rss=%d>" % (info.vsz, info.rss))


def fields_are_found_behind_any_name():
    for name in ("program", "a b", "a) R 1 (b", ") ) ("):
        info = read(name)
        cases.equal((info.pagefaults, info.vsz, info.rss), (7, 8155136, 221 * info.pagesize), name)
        cases.equal((info.data_segment, info.code_segment, info.shared_segment, info.stack_segment),
                    (2048, 4096, 6144, 8192), name)
        cases.equal(info.os_specific[0], ("Peak virtual memory size", "   2.93 MB"), name)


def a_program_may_call_itself_anything():
    libc = ctypes.CDLL(None)
    before = process.ProcessMemoryInfo()
    for name in (b"x) R (", b"a b c", b"\xff\xfe"):
        libc.prctl(15, name)  # PR_SET_NAME
        info = process.ProcessMemoryInfo()
        cases.equal(info.available, True, name)
        cases.equal(abs(info.vsz - before.vsz) < 64 << 20, True, name)
    libc.prctl(15, b"python3")


def an_update_replaces_what_was_read():
    info = process.ProcessMemoryInfo()
    count = len(info.os_specific)
    cases.equal(info.update(), True)
    cases.equal(len(info.os_specific), count)


def a_difference_is_told_by_name():
    first, second = process.ProcessMemoryInfo(), process.ProcessMemoryInfo()
    first.rss, first.vsz, second.rss, second.vsz = 1000, 2000, 1500, 1800
    cases.equal(second - first, [("Resident set size (delta)", 500), ("Virtual size (delta)", -200)])


def memory_that_is_used_shows():
    before = process.ProcessMemoryInfo()
    block = bytearray(os.urandom(1 << 20) * 32)
    after = process.ProcessMemoryInfo()
    cases.equal(after.rss - before.rss > 16 << 20, True, after - before)
    del block


def without_proc_there_are_no_numbers():
    with mock.patch("builtins.open", side_effect=FileNotFoundError):
        info = process.ProcessMemoryInfo()
        cases.equal(process.is_available(), False)
    cases.equal((info.available, info.rss, info.vsz, info.pagefaults, info.os_specific), (False, 0, 0, 0, []))


def threads_are_listed():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="worker", daemon=True)
    thread.start()
    try:
        threads = {info.name: info for info in process.get_current_threads()}
        cases.equal((threads["worker"].ident, threads["worker"].daemon), (thread.ident, True))
        cases.equal(threads["MainThread"].daemon, False)
    finally:
        stop.set()
        thread.join()
    cases.equal(process.get_current_thread_id(), threading.get_ident())


cases.main(numbers_are_those_of_proc, fields_are_found_behind_any_name, a_program_may_call_itself_anything,
           an_update_replaces_what_was_read, a_difference_is_told_by_name, memory_that_is_used_shows,
           without_proc_there_are_no_numbers, threads_are_listed)
