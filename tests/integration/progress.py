#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Commands that work for long say so, on a terminal only, and leave nothing of it behind."""

import os
import pty
import select
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import golden_logs

TIMEOUT_S = 60


def log():
    if not os.path.exists("factory.dat"):
        golden_logs.write_all()
    with open("factory.dat", "rb") as file:
        return file.read()


class Waiting:
    """A command that waits for its log on standard input, its standard error a terminal."""

    def __init__(self, *command, **environment):
        self.terminal, end = pty.openpty()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=end,
                                        env=dict(os.environ, **environment))
        os.close(end)

    def read(self):
        """What the terminal gets next; nothing once the command has ended."""
        ready, _, _ = select.select([self.terminal], [], [], TIMEOUT_S)
        if not ready:
            raise AssertionError("nothing comes from the command")
        try:
            return os.read(self.terminal, 4096).decode()
        except OSError:
            return ""

    def feed(self):
        """Lets the command have its log; all that the terminal gets from then on."""
        self.process.stdin.write(log())
        self.process.stdin.close()
        self.output = self.process.stdout.read()
        text = ""
        while part := self.read():
            text += part
        os.close(self.terminal)
        cases.equal(self.process.wait(), 0)
        return text


def on_screen(text):
    """What a terminal shows in the end of TEXT, a line that is written over."""
    line = ""
    for part in text.split("\r"):
        line = part + line[len(part):]
    return line.rstrip()


def a_terminal_sees_a_line_that_goes_away():
    for command in (("memstats", "-"), ("memstats", "verify", "-"), ("memreport", "-", "-o", "page.html")):
        waiting = Waiting(*command, TERM="xterm")
        shown = waiting.read()
        cases.equal(shown.startswith(f"\r{command[0]}: reading, "), True, repr(shown))
        shown += waiting.feed()
        cases.equal(on_screen(shown), "", f"{command}: {shown!r}")
        cases.equal("\x1b" in shown, False, "no escapes")


def nothing_is_shown_to_others():
    """The command waits for as long as the first one takes to show its line."""
    quiet = Waiting("memstats", "--quiet", "-", TERM="xterm")
    dumb = Waiting("memstats", "-", TERM="dumb")
    with subprocess.Popen(["memstats", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as piped:
        shown = Waiting("memstats", "-", TERM="xterm")
        cases.contains(shown.read(), "reading")
        shown.feed()
        cases.equal(quiet.feed(), "")
        cases.equal(dumb.feed(), "")
        output, errors = piped.communicate(log(), timeout=TIMEOUT_S)
        cases.equal(errors, b"")
        cases.equal(output, shown.output)


cases.main(a_terminal_sees_a_line_that_goes_away, nothing_is_shown_to_others)
