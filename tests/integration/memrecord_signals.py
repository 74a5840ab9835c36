#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: yes
"""Signals: what memrecord passes on, what the terminal sends to both, snapshots on
request, job control; and what remains when one side is killed."""

import os
import pty
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from recording import (EXITED, MEMRECORD, PYTHON, SIGNALLED, is_whole, processes, python, record, start, wait_for)

# Says "ready", and then what signals come, until one ends it.
LISTENER = ("import os, signal, sys, time\n"
            "def tell(number, frame):\n"
            "    os.write(1, b'got %d\\n' % number)\n"
            "    if number != signal.SIGHUP: sys.exit(40 + number)\n"
            "for name in ('SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR2'):\n"
            "    signal.signal(getattr(signal, name), tell)\n"
            "os.write(1, b'ready\\n')\n"
            "while True: time.sleep(0.05)\n")


def ready(recorder):
    cases.equal(recorder.stdout.readline(), "ready\n")


def passes_on_what_it_gets():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2):
        recorder = start(*python(LISTENER))
        ready(recorder)
        recorder.send_signal(number)
        out, err = recorder.communicate(timeout=30)
        cases.equal((recorder.returncode, out), (40 + number, f"got {int(number)}\n"), err)
        is_whole()
        cases.equal(processes()[0].exits, [(EXITED, 40 + number)])
    recorder = start(*python(LISTENER))
    ready(recorder)
    recorder.send_signal(signal.SIGHUP)
    cases.equal(recorder.stdout.readline(), "got 1\n")
    cases.equal(recorder.poll(), None, "it goes on after SIGHUP")
    recorder.terminate()
    recorder.communicate(timeout=30)
    cases.equal(recorder.returncode, 40 + signal.SIGTERM)


def a_signal_that_kills_the_command():
    recorder = start("sh", "-c", "echo ready; exec sleep 30")
    ready(recorder)
    recorder.terminate()
    recorder.communicate(timeout=30)
    cases.equal(recorder.returncode, 128 + signal.SIGTERM)
    cases.equal(processes()[0].exits, [(SIGNALLED, signal.SIGTERM)])


def snapshots_on_request():
    recorder = start("sh", "-c", "sleep 30 & echo ready; read line; kill $!", stdin=subprocess.PIPE)
    ready(recorder)
    time.sleep(0.2)
    for count in (1, 2):
        recorder.send_signal(signal.SIGUSR1)
        wait_for(lambda: cases.run("zstd", "-dcq", "t.dat", text=False).stdout.count(b"requested") >= count * 2,
                 f"snapshot {count} in the log")
    recorder.communicate("\n", timeout=30)
    cases.equal(recorder.returncode, 0)
    found = [process for process in processes() if process.snapshots]
    cases.equal(len(found), 2, "the shell and the program that it started")
    for process in found:
        cases.equal([row["number"] for row in process.snapshots], [1, 2])
        for row in process.snapshots:
            cases.equal(row["flags"] & 4, 4)
            cases.equal(process.stream.string(row["description"]), "requested by a signal")
            for column in ("rss", "vsz", "pss", "uss", "swap", "data", "stack", "code"):
                cases.equal(row[column] > 0, True, column)
        times = {row["time"]: row for row in process.samples}
        for row in process.snapshots:
            cases.equal(times[row["time"]]["pss"], row["pss"], "a full sample at the same time")


def memrecord_is_killed():
    recorder = start("sh", "-c", "echo ready; read line; echo still here; exit 0", stdin=subprocess.PIPE)
    ready(recorder)
    wait_for(lambda: os.path.getsize("t.dat") > 300, "the first frames")
    recorder.kill()
    recorder.wait(timeout=30)
    recorder.stdin.write("\n")
    recorder.stdin.flush()
    cases.equal(recorder.stdout.readline(), "still here\n")
    recorder.communicate(timeout=30)
    is_whole()
    found = processes()[0]
    cases.equal(found.names[-1], "sh")
    cases.equal(len(found.samples) > 0, True)
    cases.equal(found.exits, [])


def the_command_is_killed():
    recorder = start("sh", "-c", "echo $$; read line", stdin=subprocess.PIPE)
    pid = int(recorder.stdout.readline())
    os.kill(pid, signal.SIGKILL)
    recorder.communicate(timeout=30)
    cases.equal(recorder.returncode, 137)
    is_whole()
    cases.equal(processes()[0].exits, [(SIGNALLED, 9)])


class Terminal:
    """A command on a terminal of its own, as a shell would start it."""

    def __init__(self, *words):
        try:
            self.pid, self.fd = pty.fork()
        except OSError as error:
            raise cases.Skip(f"no terminal to be had: {error}") from error
        if self.pid == 0:
            # What runs in the background of a script ignores these, and so would the command.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGQUIT, signal.SIG_DFL)
            os.execv(words[0], words)
        self.seen = ""

    def wait_for_text(self, text):
        while text not in self.seen:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"{text!r} did not come: {self.seen!r}")
            self.seen += data.decode()

    def type(self, text):
        os.write(self.fd, text.encode())

    def status(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def the_interrupt_key_ends_the_command_only():
    for key, number in (("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)):
        terminal = Terminal(MEMRECORD, "--sample-only", "-o", "t.dat", *python(LISTENER))
        terminal.wait_for_text("ready")
        terminal.type(key)
        terminal.wait_for_text("memrecord: t.dat:")
        cases.equal(terminal.status(), 40 + number)
        cases.equal(terminal.seen.count(f"got {int(number)}"), 1, "once, from the terminal")
        is_whole()
    terminal = Terminal(MEMRECORD, "--sample-only", "-o", "t.dat", "sh", "-c", "echo ready; exec sleep 30")
    terminal.wait_for_text("ready")
    terminal.type("\x03")
    cases.equal(terminal.status(), 130)
    is_whole()
    cases.equal(processes()[0].exits, [(SIGNALLED, 2)])


def the_command_has_the_terminal():
    terminal = Terminal(MEMRECORD, "--sample-only", "-q", "-o", "t.dat", "sh", "-c",
                        "test -t 0 && test -t 1 && test -t 2 && read line && echo \"read $line\"")
    terminal.type("words\n")
    terminal.wait_for_text("read words")
    cases.equal(terminal.status(), 0)


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def both_stop_and_go_on_together():
    terminal = Terminal("/bin/bash", "--norc", "-i", "-c", "set -m; PS1=; " +
                        f"{MEMRECORD} --sample-only -q -o t.dat sh -c 'echo pid $$; read line; exit 6'; "
                        "echo stopped $?; fg >/dev/null; echo ended $?")
    terminal.wait_for_text("pid ")
    terminal.wait_for_text("\n")
    pid = int(terminal.seen.split("pid ")[1].split()[0])
    terminal.type("\x1a")
    terminal.wait_for_text("stopped 148")
    wait_for(lambda: state_of(pid) in "TtS", "the command to stop or go on")
    terminal.type("\n")
    terminal.wait_for_text("ended 6")
    terminal.status()
    is_whole()
    cases.equal(processes()[0].exits, [(EXITED, 6)])


cases.main(passes_on_what_it_gets, a_signal_that_kills_the_command, snapshots_on_request, memrecord_is_killed,
           the_command_is_killed, the_interrupt_key_ends_the_command_only, the_command_has_the_terminal,
           both_stop_and_go_on_together)
