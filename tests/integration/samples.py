#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each sample says what it knows of its own objects, as
"SNAPSHOT: CLASS N objects, B bytes"; what memstats says of its log must agree.
With the library switched off or compiled out, a sample prints the same."""

import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

KNOWN = re.compile(r"^(.*): (\S+) (\d+) objects?, (\d+) bytes", re.M)
SAMPLES = os.path.join(cases.BUILD, "samples")
DOCUMENT = os.path.join(cases.BUILD, "demo/catalogue.xml")


def run_sample(name, *arguments, **environment):
    result = cases.run(os.path.join(SAMPLES, name), *arguments, env={**os.environ, **environment})
    cases.equal((result.returncode, result.stderr), (0, ""), name)
    return result.stdout


def rows(table, log, *query):
    result = cases.run("memstats", table, log, "--format", "json", *query)
    cases.equal((result.returncode, result.stderr), (0, ""), table)
    return json.loads(result.stdout)["rows"]


def known(printed):
    return {(snapshot, name): (int(count), int(size)) for snapshot, name, count, size in KNOWN.findall(printed)}


def recorded(log):
    """(snapshot's description, class): (count, bytes), for classes that had instances."""
    descriptions = {row["snapshot"]: row["description"] for row in rows("snapshots", log)}
    return {
        (descriptions[row["snapshot"]], row["class"]): (row["count"], row["size"])
        for row in rows("classes", log)
        if row["count"] > 0
    }


def agree(printed, log, *others):
    """OTHERS are classes of which the sample says nothing, and so it may be with snapshots."""
    expected = {key: value for key, value in known(printed).items() if value[0] > 0}
    described = {key[0] for key in expected}
    actual = {key: value for key, value in recorded(log).items() if key[0] in described and key[1] not in others}
    if not expected:
        raise AssertionError("the sample says nothing")
    cases.equal(actual, expected)


def factory_agrees():
    agree(run_sample("factory"), "factory.dat")


def factory_referents_are_told_apart():
    run_sample("factory")
    actual = {
        (row["class"], row["path"]): (row["count"], row["size"])
        for row in rows("referents", "factory.dat", "--where", "snapshot=2")
    }
    names = sum(len(f"Employee {i + 1}") + 1 for i in range(1000))
    cases.equal(
        actual,
        {
            ("Factory", "name"): (1, len("Assembly Line Unlimited") + 1),
            ("Factory", "employees"): (1, 8000),
            ("Employee", "name"): (1000, names),
        },
    )


def leak_agrees():
    agree(run_sample("leak"), "leak.dat", "Question")


def leak_is_found_by_diff():
    printed = known(run_sample("leak"))
    warm, later = (printed[(snapshot, "Answer")][0] for snapshot in ("warm", "after an hour"))
    changes = {row["class"]: row for row in rows("diff", "leak.dat@warm", "leak.dat@after an hour")}
    cases.equal(changes["Answer"]["created"] - changes["Answer"]["deleted"], later - warm)
    if later < 3 * warm:
        raise AssertionError(f"{later} answers after {warm}: there is no leak")
    oldest = rows("objects", "leak.dat", "--where", "class=Answer", "--sort", "birth", "--limit", "1")[0]
    cases.contains(json.dumps(oldest), "make_answer")


def shapes_agree():
    agree(run_sample("shapes"), "shapes.dat")


def xml_nodes_agree():
    agree(run_sample("xml_nodes", DOCUMENT), "xml_nodes.dat")


def xml_nodes_of_a_small_document_agree():
    with open("small.xml", "w") as file:
        file.write(
            '<?xml version="1.0"?>\n<!DOCTYPE r [<!ENTITY e "text"><!ELEMENT r ANY>]>\n<!-- c --><?p i?>'
            '<r xmlns="http://a.example/" xmlns:b="http://b.example/" b:x="1" id="0">t<![CDATA[ < ]]>'
            '<b:s id="1">&e;</b:s><s id="2"/><s id="3"><s id="4">a rather long text, too long for a node</s></s></r>\n'
        )
    agree(run_sample("xml_nodes", "small.xml"), "xml_nodes.dat")


def xml_nodes_have_traces_with_file_and_line():
    run_sample("xml_nodes", DOCUMENT)
    kept = rows("objects", "xml_nodes.dat", "--where", "class=Element", "--sort", "birth", "--limit", "1")[0]
    cases.contains(json.dumps(kept), "xml_nodes.c")


def xml_nodes_callers_have_lines_after_symbolize():
    """Also those whose names the program exports, and no less after a second time."""
    run_sample("xml_nodes", DOCUMENT)
    for _ in range(2):
        cases.equal(cases.run("memstats", "symbolize", "xml_nodes.dat").returncode, 0)
        oldest = ["--where", "class=Element", "--sort", "birth", "--limit", "1"]
        printed = cases.run("memstats", "objects", "xml_nodes.dat", *oldest).stdout
        for function in "node_made", "parse_piece", "main":
            if not re.search(rf"samples/xml_nodes\.c: *\d+ in {function}$", printed, re.M):
                raise AssertionError(f"{function} has no line in\n{printed[:2000]}")


def xml_nodes_refuses_what_it_cannot_read():
    result = cases.run(os.path.join(SAMPLES, "xml_nodes"), "/does/not/exist.xml")
    cases.equal(result.returncode, 1)
    cases.contains(result.stderr, "cannot be parsed")
    cases.equal(cases.run(os.path.join(SAMPLES, "xml_nodes")).returncode, 2)


def switched_off_samples_print_the_same():
    for name, arguments in ("factory", []), ("leak", []), ("shapes", []), ("xml_nodes", [DOCUMENT]):
        shutil.rmtree("off", ignore_errors=True)
        os.mkdir("off")
        on = run_sample(name, *arguments)
        os.chdir("off")
        try:
            cases.equal(run_sample(name, *arguments, MEMCAPTURE_LOG="off"), on, name)
            cases.equal(os.listdir("."), [], "files that were written")
        finally:
            os.chdir("..")


def the_log_goes_where_the_environment_says():
    run_sample("factory", MEMCAPTURE_LOG="elsewhere-%p.dat")
    logs = [name for name in os.listdir(".") if re.fullmatch(r"elsewhere-\d+\.dat", name)]
    cases.equal(len(logs), 1)
    cases.equal(len(rows("snapshots", logs[0])), 2)


def compiled_out_samples_print_the_same():
    """Without the library, and with warnings as errors."""
    cc, cxx = os.environ.get("CC", "cc"), os.environ.get("CXX", "g++")
    xml = cases.run(os.environ.get("PKG_CONFIG", "pkg-config"), "--cflags", "--libs", "libxml-2.0").stdout.split()
    flags = ["-DMEMCAPTURE_DISABLE", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{cases.ROOT}/capture", "-o", "out"]
    for compiler, source, arguments, more in (
        ([cc, "-std=gnu11"], "factory.c", [], []),
        ([cc, "-std=gnu11"], "leak.c", [], []),
        ([cxx, "-std=c++17"], "shapes.cpp", [], []),
        ([cc, "-std=gnu11"], "xml_nodes.c", [DOCUMENT], xml),
    ):
        built = cases.run(*compiler, *flags, f"{cases.ROOT}/samples/{source}", *more)
        cases.equal((built.returncode, built.stderr), (0, ""), source)
        printed = cases.run("./out", *arguments)
        cases.equal((printed.returncode, printed.stderr), (0, ""), source)
        cases.equal(printed.stdout, run_sample(source.split(".")[0], *arguments), source)
        symbols = cases.run("nm", "-u", "out").stdout
        if "memcapture" in symbols:
            raise AssertionError(symbols)


def archived_logs_still_say_the_same():
    """Logs of earlier versions, with what their programs printed beside them."""
    archive = os.path.join(cases.ROOT, "samples/archive")
    logs = [name for name in sorted(os.listdir(archive)) if name.endswith(".dat")]
    for name in logs:
        log = os.path.join(archive, name)
        with open(log.replace(".dat", ".txt")) as file:
            agree(file.read(), log)
        cases.equal(cases.run("memstats", "verify", log).returncode, 0, name)
        made = cases.run("memreport", log, "-o", "archived.html")
        cases.equal((made.returncode, made.stderr), (0, ""), name)
    if not logs:
        raise AssertionError("there are none")


EVERY_MACRO = """
#include "memcapture.h"
struct item { char *text; struct item *next; };
static const struct memcapture_field item_fields[] = { MEMCAPTURE_STRING(struct item, text) };
static const struct memcapture_layout item_layout = { "item", sizeof(struct item), item_fields, 1, 0, 0 };
struct box {
    char *name; void *raw; double *numbers; int number_count; struct item *one, *few, *many; unsigned many_count;
    struct item **fixed, **counted; unsigned char counted_count; struct item *list; struct item inner;
};
static const struct memcapture_field box_fields[] = {
    MEMCAPTURE_STRING(struct box, name), MEMCAPTURE_BLOCK(struct box, raw, 10),
    MEMCAPTURE_COUNTED_BLOCK(struct box, numbers, sizeof(double), number_count),
    MEMCAPTURE_OBJECT(struct box, one, &item_layout), MEMCAPTURE_ARRAY(struct box, few, 3, &item_layout),
    MEMCAPTURE_COUNTED_ARRAY(struct box, many, many_count, &item_layout),
    MEMCAPTURE_POINTERS(struct box, fixed, 2, &item_layout),
    MEMCAPTURE_COUNTED_POINTERS(struct box, counted, counted_count, &item_layout),
    MEMCAPTURE_LIST(struct box, list, struct item, next, &item_layout),
    MEMCAPTURE_EMBEDDED(struct box, inner, &item_layout),
};
static const struct memcapture_layout box_layout = { "box", sizeof(struct box), box_fields, 10, 0, 0 };

int main(void)
{
    struct memcapture *capture = 0;
    struct memcapture_error error;
    struct memcapture_class_options options = { "Box", &box_layout, 0, 1, 1, 1, 0 };
    static struct box box, moved;
    if (memcapture_open(&capture, "box.dat", &error) < 0)
        return 1;
    struct memcapture_class *boxes = memcapture_track_class(capture, &options);
    (void)memcapture_track(boxes, &box);
    (void)memcapture_track_object(capture, &box, &options);
    (void)memcapture_track_change(capture, &box, 2);
    (void)memcapture_morph(boxes, &box);
    (void)memcapture_move(capture, &box, &moved);
    memcapture_hold(capture, &moved);
    memcapture_release(capture, &moved);
    memcapture_forget(capture, &moved);
    memcapture_detach_class(boxes);
    memcapture_detach_all_classes(capture);
    memcapture_detach_all(capture);
    (void)memcapture_clear(capture, &error);
    (void)memcapture_start_periodic_snapshots(capture, 0.5);
    memcapture_stop_periodic_snapshots(capture);
    (void)memcapture_snapshot(capture, 0);
    (void)memcapture_mark(capture, "text");
    (void)memcapture_status(capture, &error);
    return memcapture_count(capture, boxes) != 0 || memcapture_close(capture, &error) < 0;
}
"""


def every_macro_and_call_is_c_and_cpp():
    """In strict C and C++, with the library and without."""
    strict = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{cases.ROOT}/capture", "-o", "box"]
    cc, cxx = os.environ.get("CC", "cc"), os.environ.get("CXX", "g++")
    for compiler, source, standards in (cc, "box.c", ["c11", "c17"]), (cxx, "box.cpp", ["c++11", "c++20"]):
        with open(source, "w") as file:
            file.write(EVERY_MACRO)
        for standard in standards:
            for more in ["-DMEMCAPTURE_DISABLE"], [f"{cases.BUILD}/libmemcapture.a", "-lpthread"]:
                built = cases.run(compiler, f"-std={standard}", *strict, source, *more)
                cases.equal((built.returncode, built.stderr), (0, ""), f"{standard} {more[0]}")
                cases.equal(cases.run("./box").returncode, 0, f"{standard} {more[0]}")


cases.main(
    factory_agrees,
    factory_referents_are_told_apart,
    leak_agrees,
    leak_is_found_by_diff,
    shapes_agree,
    xml_nodes_agree,
    xml_nodes_of_a_small_document_agree,
    xml_nodes_have_traces_with_file_and_line,
    xml_nodes_callers_have_lines_after_symbolize,
    xml_nodes_refuses_what_it_cannot_read,
    switched_off_samples_print_the_same,
    the_log_goes_where_the_environment_says,
    compiled_out_samples_print_the_same,
    archived_logs_still_say_the_same,
    every_macro_and_call_is_c_and_cpp,
)
