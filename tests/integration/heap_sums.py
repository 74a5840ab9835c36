#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables of a heap recording agree with each other: the sites of each snapshot add up
to it, single allocations to the sites, threads and histograms to the totals; the
account of memory reconciles; what was cut off is told and repaired."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PROGRAM = """
import threading, time
kept = {}
def work(name):
    for i in range(3000):
        kept[name, i % 700] = [str(i)] * (i % 50)
        if i % 1000 == 999:
            time.sleep(0.05)
threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
for thread in threads: thread.start()
for thread in threads: thread.join()
del kept["a", 1]
"""
FIGURES = ("live", "live_count", "peak", "total", "count", "temporary")


def rows(table, log, *query):
    made = cases.run("memstats", "-q", table, log, *query, "--format", "json")
    cases.equal(made.returncode, 0, made.stderr)
    return json.loads(made.stdout)["rows"]


def record():
    environment = dict(os.environ, PYTHONMALLOC="malloc")
    made = cases.run("memrecord", "--events", "-o", "run.dat", "--", sys.executable, "-S", "-c", PROGRAM,
                     env=environment)
    cases.equal(made.returncode, 0, made.stderr)


def snapshots(log="run.dat"):
    return [row for row in rows("heap", log) if row["snapshot"] is not None]


def only_run():
    """The run that allocated most: a python3 may be a script that starts the real one."""
    return max(rows("runs", "run.dat"), key=lambda row: row["allocations"] or 0)["run"]


def sites_add_up_to_each_snapshot():
    run = only_run()
    found = [row for row in snapshots() if row["run"] == run]
    assert found, "there is a snapshot"
    for snapshot in found:
        sites = [row for row in rows("sites", f"run.dat@{snapshot['snapshot']}") if row["run"] == run]
        for figure in FIGURES:
            cases.equal(sum(site[figure] for site in sites), snapshot[figure], f"{figure} of {snapshot['snapshot']}")


def allocations_add_up_to_sites():
    run = only_run()
    sites = [row for row in rows("sites", "run.dat") if row["run"] == run]
    single = [row for row in rows("allocations", "run.dat", "--columns", "run,size,death") if row["run"] == run]
    cases.equal(len(single), sum(site["count"] for site in sites), "allocations")
    cases.equal(sum(row["size"] for row in single), sum(site["total"] for site in sites), "bytes")


def the_last_image_leaks_what_is_alive():
    sites = [row for row in rows("sites", "run.dat") if row["run"] == only_run()]
    cases.equal(sum(site["leaked"] for site in sites),
                next(row["leaked"] for row in rows("runs", "run.dat") if row["run"] == only_run()))
    # Allocations of images that exec ended have no end either: only of one image do both agree.
    if len([row for row in snapshots() if row["run"] == only_run() and row["reason"] == "end"]) == 1:
        alive = [row for row in rows("allocations", "run.dat", "--columns", "run,size,death")
                 if row["death"] is None and row["run"] == only_run()]
        cases.equal(sum(row["size"] for row in alive), sum(site["leaked"] for site in sites), "alive")


def few_rows_are_the_same_rows():
    every = rows("allocations", "run.dat", "--sort", "size,birth")[:5]
    cases.equal(rows("allocations", "run.dat", "--sort", "size,birth", "--limit", "5"), every)


def threads_and_histograms_add_up():
    sites = rows("sites", "run.dat")
    threads = rows("threads", "run.dat")
    buckets = [row for row in rows("histogram", "run.dat") if row["measure"] == "allocation size"]
    for figure in ("count", "total"):
        cases.equal(sum(row[figure] for row in threads), sum(site[figure] for site in sites), f"{figure} of threads")
    cases.equal(sum(row["count"] for row in buckets), sum(site["count"] for site in sites), "histogram")
    cases.equal(sum(row["size"] for row in buckets), sum(site["total"] for site in sites), "bytes of the histogram")


def account_reconciles():
    parts = ("slack", "files", "stacks", "recorder", "shared", "anonymous")
    for row in rows("account", "run.dat"):
        cases.equal(row["live"] - row["untouched"] + sum(row[part] for part in parts), row["rss"], str(row))


def modules_hold_all_of_it():
    for run in {row["run"] for row in rows("sites", "run.dat")}:
        sites = [row for row in rows("sites", "run.dat") if row["run"] == run]
        modules = [row for row in rows("modules", "run.dat") if row["run"] == run]
        for own, figure in (("self_peak", "peak"), ("self_total", "total"), ("self_count", "count")):
            cases.equal(sum(row[own] for row in modules), sum(site[figure] for site in sites), f"{own} of run {run}")


def cut_logs_keep_what_they_have():
    with open("run.dat", "rb") as file:
        whole = file.read()
    for part in (0.3, 0.6, 0.95):
        with open("cut.dat", "wb") as file:
            file.write(whole[:int(len(whole) * part)])
        checked = cases.run("memstats", "verify", "cut.dat", "--repair", "whole.dat")
        cases.contains(checked.stdout, "cut short")
        cases.equal(cases.run("memstats", "verify", "whole.dat").returncode, 0, f"repaired at {part}")
        for snapshot in snapshots("whole.dat"):
            sites = [row for row in rows("sites", f"whole.dat@{snapshot['snapshot']}")
                     if row["run"] == snapshot["run"]]
            cases.equal(sum(site["live"] for site in sites), snapshot["live"], f"live at {part}")


record()
cases.main(sites_add_up_to_each_snapshot, allocations_add_up_to_sites, the_last_image_leaks_what_is_alive,
           few_rows_are_the_same_rows, threads_and_histograms_add_up, account_reconciles, modules_hold_all_of_it,
           cut_logs_keep_what_they_have)
