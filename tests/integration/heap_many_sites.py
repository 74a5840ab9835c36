#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program of very many call stacks: the small ones are told together unless --all-sites
is given; what they come to is the same, what is live stands by itself, and the log says
how many they are."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PROGRAM = os.path.join(cases.BUILD, "fixtures/heap_many_sites")
FIGURES = ("live", "live_count", "peak", "peak_count", "total", "count", "temporary", "reallocs", "grown")
SMALLER = "(smaller ones)"
said = {}


def rows(table, log, *query):
    made = cases.run("memstats", "-q", table, log, *query, "--format", "json")
    cases.equal(made.returncode, 0, made.stderr)
    return json.loads(made.stdout)["rows"]


def record(log, *options):
    made = cases.run("memrecord", "-q", *options, "-o", log, "--", PROGRAM)
    cases.equal(made.returncode, 0, made.stderr)
    said[log] = [int(word) for word in made.stdout.split()]


def sums(log):
    sites = rows("sites", log)
    return {figure: sum(site[figure] for site in sites) for figure in FIGURES}


def folded(log):
    return sum(int(row["value"]) for row in rows("health", log) if row["item"] == "heap.sites_folded")


def both_come_to_the_same():
    for log in ("folded.dat", "all.dat"):
        record(log, *(["--all-sites"] if log == "all.dat" else []))
        count, size, leaked_count, leaked = said[log]
        mine = [site for site in rows("sites", log) if "leaf" in site["stack"] or SMALLER in site["stack"]]
        cases.equal(sum(site["count"] for site in mine), count, f"allocations in {log}")
        cases.equal(sum(site["total"] for site in mine), size, f"bytes in {log}")
        cases.equal(sum(site["live_count"] for site in mine), leaked_count, f"leaks in {log}")
        cases.equal(sum(site["leaked"] for site in mine), leaked, f"bytes of leaks in {log}")
    cases.equal(sums("folded.dat"), sums("all.dat"))


def small_ones_are_told_together():
    cases.equal(folded("all.dat"), 0)
    assert len(rows("sites", "all.dat")) > 32768, "all have rows"
    few = rows("sites", "folded.dat")
    together = [site for site in few if SMALLER in site["stack"]]
    assert together, "some are told together"
    cases.equal(len(few) - len(together) + folded("folded.dat"), len(rows("sites", "all.dat")), "each is told once")
    cases.equal({(site["live"], site["peak"]) for site in together}, {(0, 0)}, "they hold nothing")
    whole = sums("folded.dat")
    assert sum(site["count"] for site in together) <= whole["count"] // 20, "at most one of twenty"
    assert sum(site["total"] for site in together) <= whole["total"] // 50, "at most one of fifty bytes"


def what_is_live_stands_by_itself():
    def live(log):
        return sorted((site["stack"], site["leaked"], site["peak"]) for site in rows("sites", log)
                      if site["leaked"] or site["peak"])
    cases.equal(live("folded.dat"), live("all.dat"))


def every_frame_that_remains_has_its_sum():
    def functions(log):
        return {row["function"]: (row["total"], row["count"], row["live"]) for row in rows("functions", log)
                if row["function"] in ("main", "left", "right")}
    cases.equal(functions("folded.dat"), functions("all.dat"))


cases.main(both_come_to_the_same, small_ones_are_told_together, what_is_live_stands_by_itself,
           every_frame_that_remains_has_its_sum)
