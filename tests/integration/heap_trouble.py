#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The heap's recorder in bad times: many threads, many children, killed and stopped
processes, no room for the log or for the rings, long runs.  The program goes on as it
would without, and the log holds what was."""

import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from heap_recording import EARLY_ALLOCATIONS, KNOWN, UNRECORDED_ALLOCATIONS, Exact, images, record, start
from recording import MEMRECORD, SIGNALLED, is_whole, processes, wait_for

TINY_LOG = 100_000  # bytes


def only_image(log="t.dat"):
    found = [image for image in images(log) if image.last["count"] > 0]
    cases.equal(len(found), 1, "images that allocated")
    return found[0]


def readable(log="t.dat"):
    """memstats reads what is there: its exit status and the rows of its table of the heap."""
    result = cases.run("memstats", "heap", log, "--format", "ndjson")
    cases.equal(result.returncode, 0, result.stderr)
    return result.stdout.splitlines()


def sixty_four_threads_to_the_end():
    """All at once, with rings that are full most of the time: nothing is lost."""
    exact = Exact()
    result = record(KNOWN, "sums", 64, 20000, env=dict(os.environ, **exact.environment))
    cases.equal(result.returncode, 0, result.stderr)
    image, figures = only_image(), exact.only()
    names = ["count", "total", "frees", "live", "live_count"]
    cases.equal(image.figures(*names), {name: figures[name] for name in names})
    cases.equal(len(image.stream.rows["HEAP_THREADS"]) >= 64, True, "a row a thread")
    is_whole()


def a_thousand_children():
    result = record(KNOWN, "forks", 1000)
    cases.equal(result.returncode, 0, result.stderr)
    is_whole()
    children = [image for image in images() if image.last["count"] > 0]
    cases.equal(sorted(image.last["total"] for image in children), [10 * (1000 + i) for i in range(1000)])
    for image in children:
        cases.equal((image.last["count"], image.last["frees"], image.last["live_count"]), (10, 4, 6))
    cases.equal(len({image.pid for image in children}), 1000, "processes")


def killed_at_random_moments():
    """Whatever the program had done when it was killed is in the log; at most the one event of each thread
    that was about to be written is not."""
    generator = random.Random(11)
    for threads in (1, 2, 2, 1, 3):
        exact = Exact()
        recorder = start(KNOWN, "forever", threads, env=dict(os.environ, **exact.environment))
        cases.equal(recorder.stdout.readline(), "ready\n", "it runs")
        time.sleep(generator.random() * 0.3)
        victim = next(int(pid) for pid, rows in exact.images().items() if rows[-1]["name"] == "heap_known")
        os.kill(victim, signal.SIGKILL)
        _, err = recorder.communicate(timeout=60)
        cases.equal(recorder.returncode, 128 + signal.SIGKILL, err)
        is_whole()
        image, figures = only_image(), exact.images()[victim][-1]
        for name in ("count", "frees"):
            difference = figures[name] - image.last[name]
            cases.equal(-threads <= difference <= threads, True, f"{name}: {figures[name]}, {image.last[name]}")
        cases.equal(image.last["live_count"], image.last["count"] - image.last["frees"])
        cases.equal(processes()[0].exits, [(SIGNALLED, 9)])


def allocations_so_far():
    """In the log, while it is being written."""
    try:
        return images()[0].last["count"]
    except (IndexError, OSError, subprocess.CalledProcessError):
        return 0


def memrecord_is_killed():
    """The program does not notice, and the log can be read up to the last frame."""
    recorder = start(KNOWN, "blocks", 100000, stdin=subprocess.PIPE)
    cases.equal(recorder.stdout.readline(), "ready\n")
    wait_for(lambda: allocations_so_far() >= 100001, "a snapshot in the log, after an interval")
    recorder.kill()
    recorder.wait(timeout=30)
    recorder.stdin.write("\n")
    recorder.stdin.flush()
    cases.equal(recorder.stdout.read(), "", "it ends")
    recorder.communicate(timeout=30)
    is_whole()
    image = images()[0]
    cases.equal(image.last["count"] >= 100001, True, f"allocations in the log: {image.last['count']}")
    cases.equal(len(readable()) > 0, True)
    cases.equal(cases.run("memreport", "t.dat", "-o", "t.html").returncode, 0)


def memrecord_is_killed_while_threads_allocate():
    recorder = start(KNOWN, "loop", 30_000_000)
    wait_for(lambda: os.path.exists("t.dat") and os.path.getsize("t.dat") > 0, "the log")
    time.sleep(0.1)
    recorder.kill()
    # The program's end of the pipe closes when it is done.
    cases.equal(recorder.stdout.read(), "")
    recorder.wait(timeout=60)
    is_whole()


def memrecord_is_stopped():
    """For two seconds: the program waits a second at most, goes on unrecorded, and that is counted."""
    recorder = start(KNOWN, "loop", 20_000_000)
    wait_for(lambda: os.path.exists("t.dat") and os.path.getsize("t.dat") > 0, "the log")
    recorder.send_signal(signal.SIGSTOP)
    time.sleep(2)
    recorder.send_signal(signal.SIGCONT)
    _, err = recorder.communicate(timeout=120)
    cases.equal(recorder.returncode, 0, err)
    is_whole()
    image = only_image()
    lost = image.counters.get(UNRECORDED_ALLOCATIONS, 0)
    cases.equal(image.last["count"] + lost + image.counters.get(EARLY_ALLOCATIONS, 0), 10_000_000, err)


def in_small_places(places, *words, **more):
    """Runs a command with a tmpfs of so many bytes mounted at each of the places, for it alone."""
    if cases.run("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt").returncode != 0:
        raise cases.Skip("may not mount a tmpfs")
    mounts = "".join(f"mount -t tmpfs -o size={size} tmpfs {place} && " for place, size in places.items())
    return cases.run("unshare", "-m", "sh", "-c", mounts + 'exec "$@"', "sh", *words, **more)


def a_full_disk():
    """The program ends as it would; memrecord says what happened; the log holds what there was room for."""
    os.makedirs("disk", exist_ok=True)
    program = "import json, sys; kept = [json.dumps({'a': i}) for i in range(100000)]; print(len(kept)); sys.exit(5)"
    for size in ("4k", "8k", "16k"):
        # The mount goes when the last of its processes does: a copy is what remains.
        script = f'{MEMRECORD} -o disk/t.dat -- python3 -c "$0"; code=$?; cp disk/t.dat t.dat; exit $code'
        result = in_small_places({"disk": size}, "sh", "-c", script, program)
        cases.equal((result.returncode, result.stdout), (5, "100000\n"), result.stderr)
        cases.contains(result.stderr, "No space left on device")
        # What was completed before can be read; where not even that was possible, one line says so.
        code = cases.run("memstats", "heap", "t.dat").returncode
        cases.equal(code in (0, 3), True, f"memstats: {code}")


def a_log_that_cannot_be_made():
    result = record(KNOWN, "sums", 1, 10, log="no/such/folder/t.dat")
    cases.equal(result.returncode, 125)
    cases.equal(result.stdout, "", "nothing ran")


def no_room_for_rings():
    """There is room for what memrecord needs to start, none for rings: unrecorded, and we say so."""
    where = {**os.environ, "TMPDIR": "/dev/shm"}
    words = [MEMRECORD, "-o", "t.dat", "--", KNOWN, "sums", "2", "1000"]
    result = in_small_places({"/dev/shm": "64k"}, *words, env=where)
    cases.equal((result.returncode, '"count": 2000' in result.stdout), (0, True), result.stderr)
    cases.contains(result.stderr, "not recorded")
    is_whole()
    result = in_small_places({"/dev/shm": "4k"}, *words, env=where)
    cases.equal((result.returncode, result.stdout), (125, ""), "no room to start in")
    cases.contains(result.stderr, "No space left on device")


def closed_descriptors():
    exact = Exact()
    result = record(KNOWN, "closes", env=dict(os.environ, **exact.environment))
    cases.equal(result.returncode, 0, result.stderr)
    names = ["count", "total", "frees", "live", "peak"]
    figures = exact.only()
    cases.equal(only_image().figures(*names), {name: figures[name] for name in names})


def a_long_run_in_a_small_log():
    result = record(KNOWN, "loop", 20_000_000)
    cases.equal(result.returncode, 0, result.stderr)
    image = only_image()
    lost = image.counters.get(EARLY_ALLOCATIONS, 0)
    cases.equal((image.last["count"] + lost, image.last["live"]), (10_000_000, 0))
    cases.equal(os.path.getsize("t.dat") < TINY_LOG, True, f"bytes in the log: {os.path.getsize('t.dat')}")


def no_descriptors_left():
    """A program that has used all of its descriptors when it forks."""
    program = ("import os, resource, subprocess\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n"
               "while True:\n"
               "    try: os.dup(0)\n"
               "    except OSError: break\n"
               "pid = os.fork()\n"
               "if pid == 0:\n"
               "    kept = [bytearray(1000) for _ in range(1000)]\n"
               "    os._exit(7)\n"
               "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n")
    result = record("python3", "-c", program)
    cases.equal((result.returncode, result.stdout), (0, "7\n"), result.stderr)
    is_whole()


if __name__ == "__main__":
    cases.main(sixty_four_threads_to_the_end, a_thousand_children, killed_at_random_moments, memrecord_is_killed,
               memrecord_is_killed_while_threads_allocate, memrecord_is_stopped, a_full_disk,
               a_log_that_cannot_be_made, no_room_for_rings, closed_descriptors, a_long_run_in_a_small_log,
               no_descriptors_left)
