#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The man pages: groff has nothing to say about them, they have the usual
sections in order, and they name the options that --help names, no more, no less."""

import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PAGES = {"memrecord": "capture/man/memrecord.1", "memstats": "analyze/man/memstats.1",
         "memreport": "render/man/memreport.1"}
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES",
            "SEE ALSO"]
NEEDED = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]


def pages():
    present = {command: os.path.join(cases.ROOT, path) for command, path in PAGES.items()}
    missing = [path for path in present.values() if not os.path.exists(path)]
    if missing:
        raise AssertionError(f"no such page: {missing}")
    return present.items()


def source(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def plain(path):
    """The page as a reader sees it, without overstriking."""
    result = cases.run("groff", "-man", "-Tutf8", "-P-cbou", "-rLL=200n", path)
    cases.equal(result.returncode, 0)
    # Hyphens and minus signs come out as characters of their own.
    return re.sub("[\u2010\u2011\u2212]", "-", result.stdout)


def groff_has_no_complaints():
    for path in glob.glob(os.path.join(cases.ROOT, "*/man/*.[1-9]")):
        result = cases.run("groff", "-man", "-ww", "-z", "-Tutf8", path)
        cases.equal((result.returncode, result.stderr), (0, ""), path)


def sections_are_in_order():
    for command, path in pages():
        found = [name.strip('"') for name in re.findall(r"^\.SH +(.*?) *$", source(path), re.MULTILINE)]
        cases.equal([name for name in NEEDED if name not in found], [], f"{command}: sections that are missing")
        known = [name for name in found if name in SECTIONS]
        cases.equal(known, sorted(known, key=SECTIONS.index), f"{command}: order of sections")


def options_agree_with_help():
    for command, path in pages():
        result = cases.run(command, "--help")
        cases.equal((result.returncode, result.stderr), (0, ""), f"{command} --help")
        in_help = set(re.findall(r"^ {2,6}(?:-\w, +)?(--[a-z][a-z0-9-]*)", result.stdout, re.MULTILINE))
        section = re.search(r"^OPTIONS$(.*?)^[A-Z]", plain(path), re.MULTILINE | re.DOTALL)
        if not section:
            raise AssertionError(f"{command}: no section OPTIONS")
        in_page = set(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", section.group(1)))
        cases.equal(in_help - in_page, set(), f"{command}: in --help, not under OPTIONS of the page")
        cases.equal(in_page - in_help, set(), f"{command}: in the page, not in --help")


def help_fits_a_terminal():
    for command in PAGES:
        result = cases.run(command, "--help")
        wide = [line for line in result.stdout.splitlines() if len(line) > 79]
        cases.equal(wide, [], f"{command} --help")


def versions_are_the_same():
    for command in PAGES:
        cases.equal(cases.run(command, "--version").stdout, f"{command} (memreport) 1.0.0\n")


cases.main(groff_has_no_complaints, sections_are_in_order, options_agree_with_help, help_fits_a_terminal,
           versions_are_the_same)
