#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make install` puts in place works: a C and a C++ program are built
against it through pkg-config and run, shared and static; the commands run; the
libraries show no name but their own; and uninstall leaves no file."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PREFIX = "/opt/memreport"
STAGE = os.path.join(os.getcwd(), "stage")
UNDER = STAGE + PREFIX
LIBRARIES = ["memcapture", "memstats", "memreport"]

TRACKING = """
#include <memcapture.h>
#include <stdlib.h>

struct node {
    struct node *next;
    char *name;
};

static struct memcapture_field fields[] = { MEMCAPTURE_STRING(struct node, name) };
static struct memcapture_layout layout = { "node", sizeof(struct node), fields, 1, NULL, NULL };

int main(void)
{
    struct memcapture *capture = NULL;
    struct memcapture_class_options options = { "InstalledNode", &layout, NULL, 1, 0, 0, NULL };
    struct node node = { NULL, NULL };
    if (memcapture_open(&capture, "profile.dat", NULL) < 0)
        return 1;
    struct memcapture_class *nodes = memcapture_track_class(capture, &options);
    if (memcapture_track(nodes, &node) < 0 || memcapture_snapshot(capture, "done") < 0)
        return 1;
    memcapture_forget(capture, &node);
    return memcapture_close(capture, NULL) < 0;
}
"""

READING = """
#include <memstats.h>
#include <memreport.h>
#include <stdio.h>

int main(void)
{
    size_t count = 0;
    const char *path = "profile.dat";
    struct memstats_log *log = NULL;
    struct memstats_table *table = NULL;
    memstats_table_list(&count);
    if (count == 0 || memstats_log_open(&path, 1, &log, NULL) < 0)
        return 1;
    if (memstats_table_new(log, "objects", NULL, &table, NULL) < 0)
        return 1;
    printf("%zu objects\\n", memstats_table_row_count(table));
    memstats_table_free(table);
    memstats_log_close(log);
    return 0;
}
"""


def make(*arguments):
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    return cases.run(os.environ.get("MAKE", "make"), "-C", cases.ROOT, "--no-print-directory", f"B={cases.BUILD}",
                     f"PREFIX={PREFIX}", f"DESTDIR={STAGE}", *arguments, env=environment, timeout=280)


def good(result, what):
    cases.equal(result.returncode, 0, f"{what}: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout


def flags(*arguments):
    environment = dict(os.environ, PKG_CONFIG_PATH=UNDER + "/lib/pkgconfig")
    found = [word for library in LIBRARIES
             for word in (f"--define-variable=prefix={UNDER}", f"--define-variable=libdir={UNDER}/lib",
                          f"--define-variable=includedir={UNDER}/include")]
    result = cases.run(os.environ.get("PKG_CONFIG", "pkg-config"), *found[:3], *arguments, env=environment)
    return good(result, "pkg-config").split()


def build(compiler, name, text, *libraries):
    path = f"{name}.{'cc' if '++' in compiler else 'c'}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    good(cases.run(compiler, "-Wall", "-Wextra", "-Werror", "-o", name, path, *flags("--cflags", *libraries),
                   *flags("--libs", *libraries)), f"building {name}")


def run_installed(*command):
    return cases.run(*command, env=dict(os.environ, LD_LIBRARY_PATH=UNDER + "/lib"))


def install_succeeds():
    good(make("install"), "make install")
    for library in LIBRARIES:
        for name in (f"lib{library}.a", f"lib{library}.so", f"lib{library}.so.1", f"lib{library}.so.1.0.0"):
            assert os.path.exists(f"{UNDER}/lib/{name}"), name
    names = {name for _, _, files in os.walk(STAGE) for name in files}
    for name in ("memrecord", "memstats", "memreport", "memrecord.1", "memstats.1", "memreport.1", "memcapture.h",
                 "memstats.h", "memreport.h"):
        assert name in names, name


def sonames_carry_the_version():
    for library in LIBRARIES:
        dynamic = good(cases.run("readelf", "-d", f"{UNDER}/lib/lib{library}.so"), "readelf")
        cases.contains(dynamic, f"[lib{library}.so.1]")


def a_c_program_tracks_with_it():
    build(os.environ.get("CC", "cc"), "tracking", TRACKING, "libmemcapture")
    good(run_installed("./tracking"), "tracking")
    cases.contains(good(cases.run(UNDER + "/bin/memstats", "objects", "profile.dat"), "memstats"), "InstalledNode")


def a_cxx_program_tracks_with_it():
    os.remove("profile.dat")
    build(os.environ.get("CXX", "g++"), "tracking_cxx", TRACKING, "libmemcapture")
    good(run_installed("./tracking_cxx"), "tracking_cxx")
    cases.contains(good(cases.run(UNDER + "/bin/memstats", "objects", "profile.dat"), "memstats"), "InstalledNode")


def a_c_program_reads_with_it():
    build(os.environ.get("CC", "cc"), "reading", READING, "libmemstats", "libmemreport")
    cases.equal(good(run_installed("./reading"), "reading"), "1 objects\n")


def the_static_archive_needs_nothing_else_of_ours():
    with open("static.c", "w", encoding="utf-8") as file:
        file.write(TRACKING)
    good(cases.run(os.environ.get("CC", "cc"), "-o", "static", "static.c", *flags("--cflags", "libmemcapture"),
                   UNDER + "/lib/libmemcapture.a", "-lpthread"), "static")
    os.remove("profile.dat")
    good(cases.run("./static"), "static")
    assert os.path.getsize("profile.dat") > 0


def libraries_export_their_own_names_only():
    for library in LIBRARIES:
        for kind, path in (("-D", f"lib{library}.so"), ("-g", f"lib{library}.a")):
            listing = good(cases.run("nm", kind, "--defined-only", f"{UNDER}/lib/{path}"), "nm")
            # Three words a name; the version of a version script is an absolute symbol.
            lines = [line.split() for line in listing.splitlines()]
            names = {line[2] for line in lines if len(line) == 3 and line[1] != "A"}
            foreign = {name for name in names if not name.startswith(library + "_")}
            cases.equal(foreign, set(), path)
            assert names, path


def the_installed_commands_run_from_there():
    for command in ("memrecord", "memstats", "memreport"):
        good(cases.run(f"{UNDER}/bin/{command}", "--version"), command)
    good(cases.run(UNDER + "/bin/memreport", "profile.dat", "-o", "report.html"), "memreport")
    with open("report.html", encoding="utf-8") as page:
        cases.contains(page.read(), "InstalledNode")


def uninstall_leaves_no_file():
    good(make("uninstall"), "make uninstall")
    left = [os.path.join(folder, name) for folder, _, files in os.walk(STAGE) for name in files]
    cases.equal(left, [])


cases.main(install_succeeds, sonames_carry_the_version, a_c_program_tracks_with_it, a_cxx_program_tracks_with_it,
           a_c_program_reads_with_it, the_static_archive_needs_nothing_else_of_ours,
           libraries_export_their_own_names_only, the_installed_commands_run_from_there, uninstall_leaves_no_file)
