#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Python programs that are killed while they write a log, at moments that chance picks:
the log is readable, and holds the beginning of what happened, without a hole; under
memrecord it holds all of it."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import recording

ROUNDS = 5
CHANCE = random.Random(20261120)

# Objects die in the order in which they were made; each line says how many were made and how many died.
PROGRAM = """
import itertools, os, sys, threading, time
from memcapture.classtracker import ClassTracker

class Node:
    def __init__(self, number):
        self.number = number

def make(number):
    return Node(number)

tracker = ClassTracker(log=sys.argv[1] if len(sys.argv) > 1 else None)
tracker.track_class(Node, resolution_level=1, trace=True)
made = []
gone = 0
for number in itertools.count(1):
    made.append(make(number))
    if number % 3 == 0:
        made.pop(0)
        gone += 1
    if number % 500 == 0:
        tracker.create_snapshot("at %d" % number)
        for one in made[::7]:
            one.more = [number]
    if number % 50 == 0:
        os.write(1, b"%d %d\\n" % (number, gone))
        time.sleep(0.005)
"""


def rows(name, log):
    result = cases.run("memstats", name, log, "--format", "json", "--quiet")
    cases.equal(result.returncode, 0, f"{name} of {log}: {result.stderr}")
    return json.loads(result.stdout)["rows"]


def run_and_kill(words, seconds, victim=None):
    """What the program had said when it was killed, and how the command ended."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [process.stdout.readline()]
    time.sleep(seconds)
    os.kill(victim(process.pid) if victim else process.pid, signal.SIGKILL)
    rest, errors = process.communicate(timeout=60)
    lines += rest.splitlines(keepends=True)
    # The last line may be half a one.
    said = [tuple(map(int, line.split())) for line in lines if line.endswith(b"\n")]
    return said, process.returncode, errors.decode(errors="replace")


def child_of(pid):
    """The program that memrecord runs."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return int(children.read().split()[0])


def check_beginning(log):
    """Everything that the log says fits together; how many objects it has."""
    objects = sorted(rows("objects", log), key=lambda row: row["object"])
    cases.equal([row["object"] for row in objects], list(range(1, len(objects) + 1)), "births")
    gone = [row["object"] for row in objects if row["state"] == "freed"]
    cases.equal(gone, list(range(1, len(gone) + 1)), "deaths")
    times = [row["birth"] for row in objects]
    cases.equal(times, sorted(times), "times of birth")
    for row in objects:
        cases.equal((row["class"], row["function"]), ("__main__.Node", "make"))
    snapshots = rows("snapshots", log)
    cases.equal([row["snapshot"] for row in snapshots], list(range(1, len(snapshots) + 1)), "snapshots")
    cases.equal([row["description"] for row in snapshots], [f"at {500 * (i + 1)}" for i in range(len(snapshots))])
    sums = collections.Counter()
    counts = collections.Counter()
    for row in rows("sizes", log):
        sums[row["snapshot"]] += row["size"]
        counts[row["snapshot"]] += 1
    for row in snapshots:
        cases.equal((counts[row["snapshot"]], sums[row["snapshot"]]), (row["objects"], row["size"]), log)
    items = {row["item"]: row["value"] for row in rows("health", log)}
    for item in ("frames damaged", "frames missing", "ids without a definition", "rows that contradict others"):
        cases.equal(items[item], 0, item)
    return len(objects), len(gone)


def a_killed_program_leaves_the_beginning_of_its_account():
    for turn in range(ROUNDS):
        log = f"killed.{turn}.dat"
        said, status, errors = run_and_kill([sys.executable, "-c", PROGRAM, log], CHANCE.uniform(0.8, 2.6))
        cases.equal((status, errors), (-signal.SIGKILL, ""))
        told, gone = check_beginning(log)
        made = said[-1][0]
        # It may have made some more before it could say so.
        if told > made + 50 or gone > told:
            raise AssertionError(f"{told} objects, but the program made {made}")


def what_happened_is_in_the_file_soon_although_nobody_closes_it():
    text = PROGRAM.replace("itertools.count(1)", "range(1, 1001)") + "\ntime.sleep(1000)\n"
    process = subprocess.Popen([sys.executable, "-c", text, "waiting.dat"], stdout=subprocess.PIPE)

    def is_there():
        result = cases.run("memstats", "objects", "waiting.dat", "--format", "json", "--quiet")
        return result.returncode == 0 and len(json.loads(result.stdout)["rows"]) == 1000

    try:
        recording.wait_for(is_there, "a thousand objects in the log")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    cases.equal(check_beginning("waiting.dat"), (1000, 333))
    cases.equal(len(rows("snapshots", "waiting.dat")), 2)


def nothing_is_lost_under_memrecord():
    for turn in range(ROUNDS):
        log = f"recorded.{turn}.dat"
        words = [recording.MEMRECORD, "--sample-only", "-o", log, "--", recording.PYTHON, "-c", PROGRAM]
        said, status, errors = run_and_kill(words, CHANCE.uniform(0, 1.0), child_of)
        cases.equal(status, 128 + signal.SIGKILL, errors)
        told, gone = check_beginning(log)
        made, died = said[-1]
        if not made <= told <= made + 50 or not died <= gone <= died + 17:
            raise AssertionError(f"{told} objects and {gone} deaths, but the program said {made} and {died}")


def a_killed_program_with_many_threads_leaves_a_log():
    text = PROGRAM.split("made = []")[0] + """
def work():
    while True:
        [make(i) for i in range(50)]
        time.sleep(0.01)

for i in range(4):
    threading.Thread(target=work, daemon=True).start()
os.write(1, b"0 0\\n")
while True:
    tracker.create_snapshot()
    time.sleep(0.01)
"""
    for turn in range(3):
        log = f"threads.{turn}.dat"
        _, status, errors = run_and_kill([sys.executable, "-c", text, log], CHANCE.uniform(0.8, 1.6))
        cases.equal((status, errors), (-signal.SIGKILL, ""))
        objects = sorted(row["object"] for row in rows("objects", log))
        cases.equal(objects, list(range(1, len(objects) + 1)))


cases.main(a_killed_program_leaves_the_beginning_of_its_account,
           what_happened_is_in_the_file_soon_although_nobody_closes_it, nothing_is_lost_under_memrecord,
           a_killed_program_with_many_threads_leaves_a_log)
