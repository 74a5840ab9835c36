#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What memstats prints, word for word: tests/golden/CASE/{cmd,stdout,stderr,exit}.

cmd is a line for the shell, run where the logs of golden_logs.py, golden_heap.py, golden_family.py and
golden_census.py are.  Without exit the status is 0, without stderr nothing is said.  `make golden-update`
writes what is printed now; look at the difference before you keep it."""

# sanitizers: yes

import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import golden_census
import golden_family
import golden_heap
import golden_logs

FOLDER = os.path.join(cases.ROOT, "tests/golden")
UPDATE = os.environ.get("GOLDEN_UPDATE") == "1"


def read(path, otherwise=""):
    if not os.path.exists(path):
        return otherwise
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def write(path, text, otherwise=""):
    if text == otherwise:
        if os.path.exists(path):
            os.unlink(path)
        return
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def normal(text):
    """Without what depends on the version of zstd that made the logs."""
    text = re.sub(r"\b(byte|first|last) \d+", r"\1 N", text)
    text = re.sub(r"(whole|cut short|damaged): [0-9.]+ \w+,", r"\1: SIZE,", text)
    return re.sub(r"\b\d+ bytes", "N bytes", text)


def check(name):
    folder = os.path.join(FOLDER, name)
    result = cases.run("sh", "-c", read(os.path.join(folder, "cmd")), text=False)
    found = {"stdout": normal(result.stdout.decode("utf-8")), "stderr": normal(result.stderr.decode("utf-8")),
             "exit": f"{result.returncode}\n"}
    for part, text in found.items():
        path = os.path.join(folder, part)
        otherwise = "0\n" if part == "exit" else ""
        if UPDATE:
            write(path, text, otherwise)
        elif text != read(path, otherwise):
            raise AssertionError(f"{part} of {name} is\n{text}\nnot\n{read(path, otherwise)}")


def case(name):
    def function():
        check(name)
    function.__name__ = name.replace("-", "_")
    return function


golden_logs.write_all()
golden_heap.write_all()
golden_family.write_all()
golden_census.write_all()
cases.main(*[case(name) for name in sorted(os.listdir(FOLDER))])
