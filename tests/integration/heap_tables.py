#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables of call stacks from real recordings: figures of functions and of the tree
against what the program is known to allocate, and two builds of it compared."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

# Nothing in it may be inlined or left out, so that both builds have the same functions.
PROGRAM = """
#include <stdlib.h>
#include <string.h>
#define KEPT __attribute__((noinline, noclone))
static void *volatile kept[64];
static volatile int sink;
KEPT static void *xmalloc(size_t size) { void *block = malloc(size); sink++; return block; }
KEPT static void fill(void) { for (int i = 0; i < 10; i++) { kept[i] = xmalloc(1000); sink++; } }
KEPT static void descend(int depth) { kept[20 + depth] = malloc(100); if (depth > 0) descend(depth - 1); sink++; }
KEPT static void churn(void) { for (int i = 0; i < 50; i++) { kept[40] = malloc(64); free(kept[40]); } sink++; }
/* So that the most is held at the same place in both builds. */
KEPT static void last(void) { kept[43] = malloc(50000); sink++; }
KEPT static void copy(void) { kept[41] = strdup("twelve bytes"); sink++; }
#ifdef LATER
KEPT static void extra(void) { kept[42] = malloc(4321); sink++; }
#endif
int main(void)
{
    fill();
    descend(4);
    churn();
    copy();
#ifdef LATER
    extra();
    free(kept[0]);
#endif
    last();
    return sink == 0;
}
"""
COMPILER = os.environ.get("CC", "cc").split()


def build(name, lines, *flags):
    """NAME.dat: a recording of the program, LINES further down in its source, compiled with FLAGS."""
    os.makedirs(name)
    source = os.path.join(name, "program.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write("\n" * lines + PROGRAM)
    program = os.path.join(name, "program")
    made = cases.run(*COMPILER, "-g", "-fno-optimize-sibling-calls", "-o", program, source, *flags)
    cases.equal(made.returncode, 0, made.stderr)
    recorded = cases.run("memrecord", "-o", f"{name}.dat", "--", program)
    cases.equal(recorded.returncode, 0, recorded.stderr)


def table(*arguments):
    result = cases.run("memstats", *arguments, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""), " ".join(arguments))
    return json.loads(result.stdout)["rows"]


def functions_have_what_they_allocate():
    rows = {row["function"]: row for row in table("functions", "first.dat")}
    expected = {  # self_leaked, leaked, self_count, count, temporary
        "fill": (10000, 10000, 10, 10, 0),  # xmalloc is passed over
        "descend": (500, 500, 5, 5, 0),  # however deep it goes
        "churn": (0, 0, 50, 50, 50),
        "copy": (13, 13, 1, 1, 0),  # so is strdup
        "main": (0, 60513, 0, 67, 50),
    }
    for name, figures in expected.items():
        row = rows[name]
        cases.equal((row["self_leaked"], row["leaked"], row["self_count"], row["count"], row["temporary"]), figures,
                    name)
        cases.equal(os.path.basename(row["file"]), "program.c", name)
        cases.equal(row["module"], "program", name)
    assert "xmalloc" not in rows and "malloc" not in rows, sorted(rows)


def figures_close():
    """A row's figures are its own and those of the rows below it, either end up."""
    sites = table("sites", "first.dat")
    for options in ([], ["--invert"], ["--focus", "descend"], ["--hide", "main"]):
        rows = table("tree", "first.dat", *options)
        below = {}
        for row in rows:
            for figure in ("peak", "live", "leaked", "total", "count", "temporary"):
                below[row["parent"], figure] = below.get((row["parent"], figure), 0) + row[figure]
        for row in rows:
            for figure in ("peak", "live", "leaked", "total", "count", "temporary"):
                cases.equal(row[figure], row["self_" + figure] + below.get((row["node"], figure), 0),
                            f"{options} {row}")
        if options != ["--focus", "descend"]:
            for figure in ("peak", "live", "leaked", "total", "count", "temporary"):
                cases.equal(below[None, figure], sum(site[figure] for site in sites), f"{options}: {figure}")


def recursion_is_one_row():
    rows = table("tree", "first.dat", "--focus", "descend")
    cases.equal([row["function"] for row in rows if row["function"] == "descend"], ["descend"])
    inverted = table("tree", "first.dat", "--focus", "descend", "--invert")
    cases.equal([row["function"] for row in inverted][:2], ["descend", "main"])


def two_builds_compare():
    rows = table("diff", "first.dat", "later.dat")
    changed = {row["stack"].split(" < ")[0]: row for row in rows if "< main" in row["stack"] and
               row["verdict"] != "same"}
    cases.equal({name: row["verdict"] for name, row in changed.items()}, {"extra": "new", "fill": "shrunk"})
    cases.equal(changed["extra"]["size_change"], 4321)
    cases.equal(changed["fill"]["size_change"], -1000)
    cases.equal([row["calls_change"] for row in rows if row["stack"].startswith("descend <")], [0])


def the_same_log_twice_is_the_same():
    rows = table("diff", "first.dat", "again.dat")
    cases.equal({row["verdict"] for row in rows if "< main" in row["stack"]}, {"same"})


build("first", 0, "-O0")
build("again", 3, "-O0")
build("later", 40, "-O2", "-DLATER")
cases.main(functions_have_what_they_allocate, figures_close, recursion_is_one_row, two_builds_compare,
           the_same_log_twice_is_the_same)
