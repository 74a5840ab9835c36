#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The samples that know nothing of memreport, recorded: what they say of their own
blocks is what the log says, under the names that stand in their sources, whether
they were named when they were recorded or later."""

import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

SAMPLES = os.path.join(cases.BUILD, "samples")
NEVER_FREED = re.compile(r"never (?:freed|deleted): (\d+) blocks?, (\d+) bytes")


def record(log, program, *options):
    """What the program prints."""
    result = cases.run("memrecord", "-o", log, "-q", *options, "--", program)
    cases.equal((result.returncode, result.stderr), (0, ""), program)
    return result.stdout


def sites(log, *query):
    result = cases.run("memstats", "sites", log, "--format", "json", *query)
    cases.equal((result.returncode, result.stderr), (0, ""), log)
    return json.loads(result.stdout)["rows"]


def leaks_of(log, name):
    rows = [row for row in sites(log) if row["site"].startswith(name) and row["leaked"]]
    return sum(row["live_count"] for row in rows), sum(row["leaked"] for row in rows)


def words_leaks_what_it_says():
    printed = record("words.dat", os.path.join(SAMPLES, "words"))
    blocks, size = map(int, NEVER_FREED.search(printed).groups())
    cases.equal(leaks_of("words.dat", "remark_on (words.c:"), (blocks, size))


def words_makes_copies_for_a_moment():
    count = int(re.match(r"(\d+) words", record("words.dat", os.path.join(SAMPLES, "words"))).group(1))
    row = next(row for row in sites("words.dat") if row["site"].startswith("lower (words.c:"))
    cases.equal((row["count"], row["leaked"]), (count, 0))
    if not row["temporary"] > count * 0.8:
        raise AssertionError(f"{row['temporary']} of {count} are temporary")


def stock_leaks_what_it_says():
    printed = record("stock.dat", os.path.join(SAMPLES, "stock"))
    blocks, size = map(int, NEVER_FREED.search(printed).groups())
    cases.equal(leaks_of("stock.dat", "main (stock.cpp:"), (blocks, size))
    left = int(re.search(r"(\d+) items left", printed).group(1))
    rows = [row for row in sites("stock.dat") if "std::make_unique<stock::Item>" in row["stack"]]
    cases.equal(sum(row["live_count"] for row in rows), left, "items")


def templates_and_what_is_inlined_have_names():
    record("stock.dat", os.path.join(SAMPLES, "stock"))
    stacks = [row["stack"] for row in sites("stock.dat")]
    for name in ("stock::Shelf<stock::Item>::make(std::string const&)", "stock::fill(stock::Shelf<stock::Item>&)",
                 "std::vector<int, std::allocator<int> >::push_back(int const&)"):
        if not any(name in stack for stack in stacks):
            raise AssertionError(f"{name} is in no stack: {stacks}")


def named_later():
    """Recorded from a program whose debugging information is somewhere else by then."""
    shutil.copy(os.path.join(SAMPLES, "words"), "words")
    cases.equal(cases.run("objcopy", "--only-keep-debug", "words", "words.debug").returncode, 0)
    cases.equal(cases.run("objcopy", "--strip-all", "words").returncode, 0)
    printed = record("later.dat", os.path.abspath("words"))
    blocks, size = map(int, NEVER_FREED.search(printed).groups())
    cases.equal(leaks_of("later.dat", "remark_on"), (0, 0))

    notes = cases.run("readelf", "-n", "words").stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
    folder = os.path.join("debug", ".build-id", build_id[:2])
    os.makedirs(folder)
    shutil.move("words.debug", os.path.join(folder, build_id[2:] + ".debug"))
    environment = dict(os.environ, MEMREPORT_DEBUG_PATH=os.path.abspath("debug"))
    result = cases.run("memstats", "symbolize", "later.dat", "-o", "named.dat", env=environment)
    cases.equal(result.returncode, 0, result.stderr)
    cases.equal(leaks_of("later.dat", "remark_on"), (0, 0), "the log itself stays as it is")
    cases.equal(leaks_of("named.dat", "remark_on (words.c:"), (blocks, size))
    cases.equal(cases.run("memstats", "symbolize", "later.dat", env=environment).returncode, 0)
    cases.equal(leaks_of("later.dat", "remark_on (words.c:"), (blocks, size), "in place")
    cases.equal(cases.run("memstats", "verify", "later.dat").returncode, 0)


def named_on_request_only():
    record("nameless.dat", os.path.join(SAMPLES, "words"), "--no-symbols")
    cases.equal([row["site"] for row in sites("nameless.dat") if "words.c" in row["site"]], [])
    cases.equal(cases.run("memstats", "symbolize", "nameless.dat").returncode, 0)
    if leaks_of("nameless.dat", "remark_on (words.c:") == (0, 0):
        raise AssertionError("symbolize named nothing")


def a_changed_program_is_not_used():
    """What was recorded is not what lies there now: better no names than wrong ones."""
    shutil.copy(os.path.join(SAMPLES, "words"), "changed")
    record("changed.dat", os.path.abspath("changed"), "--no-symbols")
    shutil.copy(os.path.join(SAMPLES, "stock"), "changed.new")
    os.rename("changed.new", "changed")
    result = cases.run("memstats", "symbolize", "changed.dat")
    cases.equal(result.returncode, 0)
    if "another build" not in result.stderr + result.stdout:
        raise AssertionError(result.stderr + result.stdout)
    cases.equal([row["site"] for row in sites("changed.dat")
                 if "words.c" in row["stack"] or "stock.cpp" in row["stack"]], [])


def objects_and_heap_are_one_run():
    shutil.copy(os.path.join(cases.BUILD, "demo/catalogue.xml"), "catalogue.xml")
    result = cases.run("memrecord", "-o", "xml.dat", "-q", "--", os.path.join(SAMPLES, "xml_nodes"), "catalogue.xml")
    cases.equal((result.returncode, result.stderr), (0, ""))
    runs = json.loads(cases.run("memstats", "runs", "xml.dat", "--format", "json").stdout)["rows"]
    cases.equal(len(runs), 1, "runs")
    if not runs[0]["objects_max"] or not runs[0]["heap_peak"]:
        raise AssertionError(str(runs[0]))
    # An element is a block of libxml2's and a tracked object.
    if not any("xmlSAX2StartElementNs" in row["stack"] for row in sites("xml.dat")):
        raise AssertionError("no site of libxml2's")


cases.main(words_leaks_what_it_says, words_makes_copies_for_a_moment, stock_leaks_what_it_says,
           templates_and_what_is_inlined_have_names, named_later, named_on_request_only,
           a_changed_program_is_not_used, objects_and_heap_are_one_run)
