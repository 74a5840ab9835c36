#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: yes
"""Programs that track objects, under memrecord: all of it is in the one log,
however they end, and nothing that they do harms memrecord."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from recording import EXITED, MEMRECORD, SAMPLER, SIGNALLED, TRACKER, is_whole, processes, record, start, wait_for

RECORDED = os.path.join(cases.BUILD, "fixtures/recorded")
HOSTILE = os.path.join(cases.BUILD, "fixtures/hostile_channel")


def births(process):
    return len(process.stream.rows["BIRTHS"])


def sampler_of(tracker):
    """The sampler's account of the process that TRACKER tells of."""
    found = [process for process in processes(source=SAMPLER)
             if all(process.identity[key] == tracker.identity[key]
                    for key in ("boot_id_high", "boot_id_low", "pid", "start_ticks"))]
    cases.equal(len(found), 1, "streams of the same run")
    return found[0]


def one_log_whatever_the_end():
    for how, status, end in [("close", 0, (EXITED, 0)), ("exit", 3, (EXITED, 3)), ("kill", 137, (SIGNALLED, 9)),
                             ("crash", 139, (SIGNALLED, 11))]:
        result = record(RECORDED, "50000", how)
        cases.equal((result.returncode, result.stdout), (status, "ready\n"), how)
        is_whole()
        cases.equal(os.path.exists("own.dat"), False, "a log of its own")
        trackers = processes(source=TRACKER)
        cases.equal(len(trackers), 1, how)
        cases.equal(births(trackers[0]), 50000, how)
        cases.equal([row["count"] for row in trackers[0].snapshots], [25000], how)
        cases.equal(sampler_of(trackers[0]).exits, [end], how)


def more_than_the_rings_hold():
    result = record(RECORDED, "1500000", "kill")
    cases.equal(result.returncode, 137)
    cases.equal(births(processes(source=TRACKER)[0]), 1500000)


def threads_each_with_a_ring():
    record(RECORDED, "30000", "threads")
    tracker = processes(source=TRACKER)[0]
    cases.equal(births(tracker), 150000)
    cases.equal(len({row["object"] for row in tracker.stream.rows["BIRTHS"]}), 150000)


def a_forked_child_and_an_exec():
    record(RECORDED, "1000", "fork")
    trackers = processes(source=TRACKER)
    cases.equal(sorted(births(tracker) for tracker in trackers), [10, 1000])
    child = min(trackers, key=births)
    cases.equal(sampler_of(child).exits, [(EXITED, 7)])
    record(RECORDED, "1000", "exec")
    trackers = processes(source=TRACKER)
    cases.equal([births(tracker) for tracker in trackers], [1000, 1000])
    cases.equal(len({tracker.pid for tracker in trackers}), 1)
    sampler_of(trackers[0])


def several_programs_at_once():
    record("sh", "-c", f"for i in 1 2 3 4 5; do {RECORDED} 5000 kill & done; wait; exit 0")
    trackers = processes(source=TRACKER)
    cases.equal([births(tracker) for tracker in trackers], [5000] * 5)
    for tracker in trackers:
        sampler_of(tracker)


def turned_off_by_the_user():
    result = record(RECORDED, "1000", "close", env={**os.environ, "MEMCAPTURE_LOG": "off"})
    cases.equal((result.returncode, result.stdout), (0, "ready\n"))
    cases.equal((processes(source=TRACKER), os.path.exists("own.dat")), ([], False))


def memrecord_is_killed():
    recorder = start(RECORDED, "1000", "wait", stdin=subprocess.PIPE)
    try:
        cases.equal(recorder.stdout.readline(), "ready\n")
        wait_for(lambda: [births(tracker) for tracker in processes(source=TRACKER)] == [1000], "objects in the log")
    finally:
        recorder.kill()
        recorder.wait(timeout=30)
    recorder.stdin.write("\n")
    recorder.stdin.close()
    # The program closes its capture and ends: the pipe that it holds does, too.
    cases.equal(recorder.stdout.read(), "")
    is_whole()
    cases.equal(births(processes(source=TRACKER)[0]), 1000)


def folders_are_removed():
    result = record("sh", "-c", "echo $MEMCAPTURE_CHANNEL; ls -ld $MEMCAPTURE_CHANNEL", options=["-q"])
    folder, listing = result.stdout.splitlines()
    cases.equal(listing.startswith("drwx------"), True, listing)
    cases.equal(os.path.exists(folder), False)
    os.makedirs("runtime", exist_ok=True)
    environment = {**os.environ, "XDG_RUNTIME_DIR": os.path.abspath("runtime")}
    result = record("sh", "-c", "echo $MEMCAPTURE_CHANNEL", options=["-q"], env=environment)
    cases.equal(result.stdout.startswith(os.path.abspath("runtime")), True, result.stdout)
    cases.equal(os.listdir("runtime"), [])
    result = record("true", env={**os.environ, "XDG_RUNTIME_DIR": "/no/such/folder"})
    cases.equal(result.returncode, 0)


def hostile_channels():
    for seed in range(1, 7):
        result = record(HOSTILE, "60", seed)
        cases.equal(result.returncode, 5, result.stderr)
        cases.contains(result.stderr, "not all tracked objects are in the log")
        is_whole()
        cases.equal(processes(source=SAMPLER)[0].exits, [(EXITED, 5)])


def hostile_channels_of_the_heap():
    """The same where the interposer's channels are looked for."""
    for seed in range(1, 7):
        script = f'LD_PRELOAD= MEMCAPTURE_CHANNEL="$MEMCAPTURE_CHANNEL/heap" exec {HOSTILE} 60 {seed}'
        result = cases.run(MEMRECORD, "-o", "t.dat", "--", "sh", "-c", script)
        cases.equal(result.returncode, 5, result.stderr)
        cases.contains(result.stderr, "not all allocations are in the log")
        is_whole()
        cases.equal(processes(source=SAMPLER)[0].exits, [(EXITED, 5)])


def max_size_ends_detail():
    result = record(RECORDED, "1500000", "close", options=["--max-size", "256K"])
    cases.equal(result.returncode, 0)
    cases.contains(result.stderr, "--max-size")
    is_whole()
    cases.equal(os.path.getsize("t.dat") <= 256 << 10, True, os.path.getsize("t.dat"))
    tracker = processes(source=TRACKER)[0]
    cases.equal(0 < births(tracker) < 1500000, True)
    cases.equal(sampler_of(tracker).exits, [(EXITED, 0)])


def a_full_disk():
    if os.geteuid() != 0:
        raise cases.Skip("only root can mount a small file system")
    os.makedirs("small", exist_ok=True)
    if cases.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "small").returncode != 0:
        raise cases.Skip("no tmpfs to be had here")
    try:
        result = record(RECORDED, "1500000", "close", log="small/t.dat")
        cases.equal((result.returncode, result.stdout), (0, "ready\n"))
        cases.contains(result.stderr, "No space left on device")
        cases.equal(result.stderr.count("\n"), 1, result.stderr)
        is_whole("small/t.dat")
    finally:
        cases.run("umount", "small")


cases.main(one_log_whatever_the_end, more_than_the_rings_hold, threads_each_with_a_ring, a_forked_child_and_an_exec,
           several_programs_at_once, turned_off_by_the_user, memrecord_is_killed, folders_are_removed,
           hostile_channels, hostile_channels_of_the_heap, max_size_ends_detail, a_full_disk)
