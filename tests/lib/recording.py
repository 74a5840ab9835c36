# SPDX-License-Identifier: MIT
"""Logs that memrecord leaves, for its integration tests: started here, read with
log_reading.py, which shares nothing with what wrote them."""

import atexit
import os
import subprocess
import sys

import cases
import log_reading

SAMPLER, TRACKER = 2, 1
EXITED, SIGNALLED, UNKNOWN, RUNNING = 1, 2, 3, 4
MEMRECORD = os.path.join(cases.BUILD, "memrecord")
PYTHON = os.path.realpath(sys.executable)  # not a script that starts it


def record(*words, log="t.dat", options=(), **more):
    """Runs memrecord --sample-only on a command: its result, with what it printed."""
    return cases.run(MEMRECORD, "--sample-only", "-o", log, *options, "--", *words, **more)


def python(text):
    """The words that run a Python program."""
    return [PYTHON, "-c", text]


started = []


@atexit.register
def end_leftovers():
    """Recordings that a case which failed has left: they would write into the logs of the next ones."""
    for recorder in started:
        if recorder.poll() is None:
            recorder.terminate()  # passed on to the program
            recorder.communicate()
    started.clear()


def start_words(words, more):
    """Starts memrecord with these words, and does not wait."""
    end_leftovers()
    more.setdefault("stdin", subprocess.DEVNULL)
    started.append(subprocess.Popen([MEMRECORD, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                    **more))
    return started[-1]


def start(*words, log="t.dat", options=(), **more):
    """The same as record(), and does not wait."""
    return start_words(["--sample-only", "-o", log, *options, "--", *words], more)


class Process:
    """One sampler's stream, by name."""

    def __init__(self, stream):
        self.stream = stream
        self.identity = stream.rows["STREAM"][0]
        self.pid = self.identity["pid"]
        self.samples = sorted(stream.rows["SAMPLES"], key=lambda row: row["time"])
        self.images = [{**row, **{key: stream.string(row[key]) for key in ("name", "command", "executable")}}
                       for row in sorted(stream.rows["PROCESS"], key=lambda row: row["time"])]
        self.names = [image["name"] for image in self.images]
        self.command = self.images[-1]["command"] if self.images else None
        self.parent_pid = self.images[-1]["parent_pid"] if self.images else None
        self.exits = [(row["state"], row["value"]) for row in stream.rows["EXIT"]]
        self.snapshots = stream.rows["SNAPSHOTS"]
        self.settings = {stream.string(row["key"]): stream.string(row["value"]) for row in stream.rows["SETTINGS"]}
        self.counters = {stream.string(row["key"]): row["value"] for row in stream.rows["COUNTERS"]}

    def peak(self, column="rss"):
        return max(row[column] for row in self.samples)


def processes(log="t.dat", source=SAMPLER):
    """The processes in a log, in the order in which they were found.  A stream
    that does not say whose it is (its writer was no libmemcapture) is none."""
    return [Process(stream) for stream in log_reading.streams(log)
            if stream.rows["STREAM"] and stream.rows["STREAM"][0]["source"] == source]


def is_whole(log="t.dat"):
    """zstd itself finds nothing wrong with the log."""
    result = cases.run("zstd", "-tq", log)
    cases.equal((result.returncode, result.stderr), (0, ""), f"zstd -t {log}")


def wait_for(condition, what, seconds=30):
    """Waits until CONDITION() is true; for things that happen soon, or never."""
    import time
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited for {seconds} s: {what}")
        time.sleep(0.01)
