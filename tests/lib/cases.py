# SPDX-License-Identifier: MIT
"""For integration tests in Python.

    import os, sys
    sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
    import cases

    def totals_add_up():
        result = cases.run("memstats", "summary", log)
        cases.equal(result.returncode, 0)

    cases.main(totals_add_up, ...)

A case is a function; it fails by raising.  `raise cases.Skip("why")` skips it.
"""

import contextlib
import os
import subprocess
import sys
import traceback

ROOT = os.environ.get("MR_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("MR_BUILD", os.path.join(ROOT, "build"))


class Skip(Exception):
    pass


def run(*command, **options):
    """Runs a command with its output kept as text (bytes with text=False)."""
    options.setdefault("text", True)
    options.setdefault("errors", "replace" if options["text"] else None)
    options.setdefault("timeout", 120)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def needed_libraries(path):
    """The libraries that the one at PATH is linked with, the C library and the dynamic linker apart."""
    lines = run("readelf", "-d", path).stdout.splitlines()
    names = [line.split()[-1].strip("[]") for line in lines if "(NEEDED)" in line]
    assert any(name.startswith("libc.so") for name in names), names
    return [name for name in names if not name.startswith(("libc.so", "ld-linux"))]


def shown_names(path):
    """What the library at PATH shows to others; the version of a version script is an absolute symbol."""
    lines = [line.split() for line in run("nm", "-D", "--defined-only", path).stdout.splitlines()]
    return {words[-1].split("@")[0] for words in lines if words[-2] != "A"}


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what}{': ' if what else ''}{actual!r} is not {expected!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text[:2000]!r}")


@contextlib.contextmanager
def raises(kind, text=""):
    """What is in the block raises an error of that kind, whose message holds the text."""
    try:
        yield
    except kind as error:
        contains(str(error), text)
    else:
        raise AssertionError(f"no {kind.__name__}")


def main(*functions):
    failed = False
    for function in functions:
        name = function.__name__
        try:
            function()
            print(f"ok {name}")
        except Skip as reason:
            print(f"skip {name}: {reason}")
        except Exception:
            failed = True
            print(traceback.format_exc())
            print(f"not ok {name}")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
