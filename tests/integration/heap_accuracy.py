#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Peak, leaked, totals and counts of real programs, against an exact count by other
means (tests/fixtures/exact_count.c) and against what a program knows of itself.

Each program runs once with both preloaded, so that both see the very same calls;
those that do the same in each run, once more with each alone, in environments of
the same size."""

import json
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from heap_recording import EARLY_ALLOCATIONS, EARLY_FREES, EXACT_COUNT, KNOWN, Exact, images, record
from recording import is_whole

TOTALS = ["count", "total", "frees", "live", "live_count", "grown"]
ONE_THREAD = TOTALS + ["peak", "temporary"]


def words_of(seed, count):
    generator = random.Random(seed)
    names = "heap stack block frame ring page leaf node edge path root tree hash list queue cache".split()
    return [f"{generator.choice(names)}{generator.randrange(1000)}" for _ in range(count)]


def put(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def make_sql():
    rows = "".join(f"INSERT INTO t VALUES({i}, '{word}');\n" for i, word in enumerate(words_of(1, 3000)))
    put("fill.sql", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);\nCREATE INDEX n ON t(name);\nBEGIN;\n" + rows +
        "COMMIT;\nSELECT name, count(*), group_concat(id) FROM t GROUP BY name ORDER BY 2 DESC, 1 LIMIT 5;\n")


def make_xml():
    put("list.xml", "<list>" + "".join(f"<item id='{word}'>{word}<b/></item>\n" for word in words_of(2, 5000)) +
        "</list>\n")


def make_json():
    put("list.json", json.dumps([{"id": i, "name": word} for i, word in enumerate(words_of(3, 5000))]))


def make_repository():
    environment = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")
    subprocess.run(["git", "init", "-q", "-b", "main", "repository"], env=environment, check=True)
    commits = "".join(f"commit refs/heads/main\ncommitter A <a@example.org> {1700000000 + i} +0000\ndata 4\n{i:4}\n"
                      f"M 100644 inline file{i % 7}\ndata 9\nline{i:4}\n\n" for i in range(300))
    subprocess.run(["git", "-C", "repository", "fast-import", "--quiet"], input=commits.encode(), env=environment,
                   check=True)


PYTHON = ("import json\n"
          "data = [{'id': i, 'name': str(i) * (i % 7), 'list': list(range(i % 20))} for i in range(5000)]\n"
          "print(len(json.dumps(json.loads(json.dumps(data)))))\n")
PERL = "my %h; push @{$h{$_ % 97}}, 'x' x $_ for 1..3000; print scalar(keys %h), qq(\\n);"
BASH = "for i in {1..2000}; do a[i]=$i-$i; done; b=${a[*]}; echo ${#b}"

# A program's words, what makes its data, more environment; whether it does the same in each run.
PROGRAMS = {
    "sqlite3": (["sqlite3", ":memory:", ".read fill.sql"], make_sql, {}, True),
    "xmllint": (["xmllint", "--noout", "list.xml"], make_xml, {}, True),
    "jq": (["jq", "map(.name) | sort | unique | length", "list.json"], make_json, {}, True),
    "git": (["git", "-C", "repository", "log", "--stat", "--oneline"], make_repository,
            {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}, True),
    "python3": (["python3", "-c", PYTHON], None, {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}, False),
    "perl": (["perl", "-e", PERL], None, {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}, False),
    "bash": (["bash", "-c", BASH], None, {}, False),
    "a pipe of processes": (["sh", "-c", "sort list.json | grep -c heap; git --version >/dev/null; exec perl -e 1"],
                            make_json, {}, False),
}


def environment_of(more):
    return dict(os.environ, LC_ALL="C", TZ="UTC0", **more)


def compare(image, exact, names, what):
    """An image of memrecord's against one of exact_count's."""
    found = image.figures(*names)
    found["count"] += image.counters.get(EARLY_ALLOCATIONS, 0)
    found["frees"] += image.counters.get(EARLY_FREES, 0)
    expected = {name: exact[name] for name in names}
    # Both leave out of `frees` what was not theirs: a parent's blocks.
    cases.equal(found, expected, f"{what}: {exact['name']}")


def compare_all(found, exact, names, what):
    """Every image of every process that allocated, and no other."""
    by_pid = {}
    for image in found:
        by_pid.setdefault(image.pid, []).append(image)
    for pid, figures in exact.items():
        made = [row for row in figures if row["count"] > 0]
        recorded = [image for image in by_pid.get(pid, []) if image.last["count"] > 0]
        cases.equal(len(recorded), len(made), f"{what}: images of {pid}: {made}")
        for image, row in zip(recorded, made):
            compare(image, row, names, what)
    cases.equal(sorted(pid for pid in by_pid if pid not in exact), [], f"{what}: processes that exact_count has not")


def program(name):
    if shutil.which(PROGRAMS[name][0][0]) is None:
        raise cases.Skip(f"{PROGRAMS[name][0][0]} is not installed")
    return PROGRAMS[name]


def program_in_one_run(name):
    words, make, more, _ = program(name)
    if make:
        make()
    exact = Exact()
    plain = cases.run(*words, env=environment_of(more))
    result = record(*words, env=environment_of({**more, **exact.environment}))
    cases.equal((result.returncode, result.stdout), (plain.returncode, plain.stdout), result.stderr)
    is_whole()
    compare_all(images(), exact.images(), ONE_THREAD, name)


def padded(path, length):
    """A link to PATH whose name has LENGTH bytes."""
    name = "/tmp/" if length < len(os.getcwd()) + 2 else os.getcwd() + "/"
    link = name + "x" * (length - len(name))
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(path, link)
    return link


def program_in_two_runs(name):
    """Alone: what the recorder adds to the environment is there, in the same length, in the other run too."""
    words, _, more, _ = program(name)
    plain = environment_of(more)
    shown = record("env", "-0", env=plain, log="environment.dat")
    added = dict(line.split("=", 1) for line in shown.stdout.split("\0") if "=" in line)
    added = {key: value for key, value in added.items() if plain.get(key) != value}
    cases.equal("LD_PRELOAD" in added, True, "memrecord preloads")
    exact = Exact()
    link = padded(EXACT_COUNT, len(added["LD_PRELOAD"]))
    try:
        environment = {key: "-" * len(value) for key, value in added.items()}
        folder = exact.environment["EXACT_COUNT"]
        cases.run(*words, env={**plain, **environment, "LD_PRELOAD": link, "EXACT_COUNT": folder})
        # In place of EXACT_COUNT, something as long.
        result = record(*words, env={**plain, "EXACT_NOTHI": folder})
    finally:
        os.unlink(link)
    cases.equal(result.returncode, 0, result.stderr)
    found = [image for image in images() if image.last["count"] > 0]
    expected = [row for rows in exact.images().values() for row in rows if row["count"] > 0]
    cases.equal(sorted(tuple(image.figures(*ONE_THREAD).values()) for image in found),
                sorted(tuple(row[key] for key in ONE_THREAD) for row in expected), name)


def exact_count_itself():
    """The judge, against what a program knows of itself."""
    for threads in (1, 4, 64):
        exact = Exact()
        result = cases.run(KNOWN, "sums", threads, 1000, env=environment_of(exact.environment))
        known = json.loads(result.stdout)
        figures = exact.only()
        own = figures["count"] - known["count"] - known["kept_count"]
        cases.equal(0 < own <= 3 * threads, True, f"allocations of the library's own: {own}")
        cases.equal(figures["live"] - known["kept"] >= 0, True, "kept")
        cases.equal(figures["live"] - known["kept"] <= figures["total"] - known["total"] - known["kept"], True)
        cases.equal(figures["peak"] >= known["kept"], True)
        cases.equal(figures["frees"], figures["count"] - figures["live_count"])
    exact = Exact()
    cases.run(KNOWN, "forks", 20, env=environment_of(exact.environment))
    children = sorted(row[0]["total"] for row in exact.images().values() if row[0]["count"])
    cases.equal(children, [10 * (1000 + i) for i in range(20)])


def threads_in_one_run():
    for threads in (1, 4, 64):
        exact = Exact()
        result = record(KNOWN, "sums", threads, 2000, env=environment_of(exact.environment))
        cases.equal(result.returncode, 0, result.stderr)
        image, = images()
        names = ONE_THREAD if threads == 1 else TOTALS
        compare(image, exact.only(), names, f"{threads} threads")


def functions_of(log):
    """memstats' table of functions, by name."""
    result = cases.run("memstats", "functions", log, "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""))
    return {row["function"]: row for row in json.loads(result.stdout)["rows"]}


def a_program_s_own_sums():
    """What known() and keeps() did is told exactly of these functions, threads or not."""
    for threads in (1, 4, 64):
        result = record(KNOWN, "sums", threads, 2000)
        sums = json.loads(result.stdout)
        rows = functions_of("t.dat")
        known, keeps = rows["known"], rows["keeps"]
        cases.equal((known["count"], known["total"], known["leaked"]), (sums["count"], sums["total"], 0))
        cases.equal((keeps["count"], keeps["total"], keeps["leaked"]),
                    (sums["kept_count"], sums["kept"], sums["kept"]))
        cases.equal(keeps["peak"], sums["kept"], "all are there at the peak")


def case(function, name):
    def run():
        function(name)
    run.__name__ = f"{name.replace(' ', '_')}_{'in_one_run' if function is program_in_one_run else 'in_two_runs'}"
    return run


CASES = [exact_count_itself, threads_in_one_run, a_program_s_own_sums]
CASES += [case(program_in_one_run, name) for name in PROGRAMS]
CASES += [case(program_in_two_runs, name) for name, known in PROGRAMS.items() if known[3]]
if __name__ == "__main__":
    cases.main(*CASES)
