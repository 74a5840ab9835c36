#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page about objects that stayed: its sentences and tables agree with memstats, who
holds them is drawn and can be read without a script, it says so where nothing stayed,
and what was tracked is not mixed with what was found."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/browser"))
import cases
import census_logs
import devtools

def page(name, **options):
    if not os.path.exists(name + ".html"):
        if not os.path.exists("census.dat"):
            census_logs.write_all(["<b>bold</b>", "'quoted'", "{name}"])
        result = cases.run("memreport", name + ".dat", "-o", name + ".html")
        cases.equal((result.returncode, result.stderr), (0, ""))
    return devtools.shared().open(name + ".html", **options)


def rows_of(table, log):
    return json.loads(cases.run("memstats", table, log, "--format", "json").stdout)["rows"]


def sentences(shown):
    return shown.evaluate("""[...document.querySelectorAll('.held > summary .said')].map(said =>
        said.textContent.trim().replace(/\\s+/g, ' '))""")


def says_what_stayed_and_who_holds_it():
    said = sentences(page("census", scripts=False))
    cases.equal(said, [
        "tuple 25 objects, 1.56 KiB, are still there. The local variable <app.main>.rows[*] holds 20 of them.",
        "app.models.Session 2 objects, 96 B, made between \"as it began\" and census #3, are still there. "
        "app.views.sessions[*] holds them. With them: 2 dict, 592 B.",
        "app.models.Node 2 objects, 128 B, made between census #2 and census #3, are still there. Nothing but "
        "themselves holds them, and the collector has not been there: <app.models.Node>.other leads back.",
        "dict 2 objects, 592 B, made between \"as it began\" and census #3, are still there. They belong to "
        "app.models.Session above."])
    verdict = page("census").evaluate("document.querySelector('.run .verdicts .bad').textContent")
    cases.equal(verdict, "Objects that stayed: 20 of 25 tuple, held by <app.main>.rows[*].")


def tables_agree_with_memstats():
    shown = page("census")
    wanted = {row["class"]: [row["created"], row["created_size"], row["deleted"], row["deleted_size"],
                             row["persistent"], row["persistent_size"]]
              for row in rows_of("diff", "census.dat") if row["kind"] == "type"}
    table = shown.evaluate("""[...document.querySelectorAll('[aria-label^="What came"] tbody tr')].map(row =>
        [row.cells[0].textContent, ...[...row.cells].slice(1).map(cell =>
            Number(cell.dataset.v ?? cell.textContent.replace(/,/g, '')))])""")
    cases.equal(len(table), 5)
    cases.equal({row[0]: row[1:] for row in table}, {name: wanted[name] for name in (row[0] for row in table)})
    ways = shown.evaluate("""[...document.querySelectorAll('.held [aria-label^="What holds"] tbody tr')].map(row =>
        [row.querySelector('th span').textContent, Number(row.cells[1].textContent), row.cells[3].textContent])""")
    wanted = [[row["path"], row["count"], row["root"]] for row in rows_of("holders", "census.dat")]
    cases.equal(sorted(ways), sorted(wanted))


def holders_and_graphs_are_drawn_and_listed():
    shown = page("census", scripts=False)
    texts = shown.evaluate("""[...document.querySelectorAll('.graph svg')].map(svg =>
        [...svg.querySelectorAll('text')].map(text => text.textContent))""")
    cases.equal(len(texts), 3)
    for part in ("app.views.sessions", "[*]", "app.models.Session", "2 objects, 96 B", ".__dict__", "where it begins"):
        cases.equal(part in texts[0], True, f"{part}: {texts[0]}")
    cases.equal({"<Node left>", "<Node right>", "leads to itself"} <= set(texts[1]), True, texts[1])
    lists = shown.evaluate("""[...document.querySelectorAll('.references')].map(list =>
        [...list.querySelectorAll('li')].map(item => item.textContent))""")
    cases.equal("app.views.sessions \u2192 app.models.Session by [*] (2)" in lists[0], True, lists[0])
    cases.equal(lists[1], ["<Node left> \u2192 <Node right> by other", "<Node right> \u2192 <Node left> by other"])
    described = shown.evaluate("document.querySelector('.graph svg desc').textContent")
    cases.contains(described, "app.views.sessions refers to app.models.Session by [*].")


def nothing_is_said_of_what_is_not_known():
    for name, wanted, tone in (("quiet1", "There is one census only", "note"),
                               ("quiet2", "There are two censuses only", "note"),
                               ("quiet3", "No object stayed", "good")):
        shown = page(name, scripts=False)
        cases.equal(sentences(shown), [])
        cases.contains(shown.evaluate("document.querySelector('[id$=-persistent]').textContent"), wanted)
        cases.contains(shown.evaluate(f"document.querySelector('.run .verdicts .{tone}').textContent"), wanted)
        cases.equal(shown.evaluate("document.querySelectorAll('.run .verdicts .bad').length"), 0)


def tracked_objects_are_told_from_all_objects():
    shown = page("mixed")
    cases.equal(len(sentences(shown)), 4)
    cases.equal(shown.evaluate("""[...document.querySelectorAll('#run-1-classes > .scroll tbody tr')].map(row =>
        [row.cells[0].textContent, row.cells[9].textContent])"""), [["app.models.Session", "3"]])
    snapshots = "[...document.querySelectorAll('#run-1-snapshots > .scroll tbody tr')].map(r => r.cells[2].textContent)"
    cases.equal(shown.evaluate(snapshots), ["2", "3"])
    cases.equal(shown.evaluate("""[...document.querySelectorAll('[aria-label=Censuses] tbody th')].map(h =>
        h.textContent)"""), ["as it began", "census #2", "census #3", "after the third request"])


def censuses_are_the_snapshots_where_nothing_was_tracked():
    shown = page("census")
    cases.equal(shown.evaluate("document.querySelectorAll('[aria-label=Censuses]').length"), 0, "shown twice")
    cases.equal(shown.evaluate("document.querySelectorAll('#run-1-snapshots > .scroll tbody tr').length"), 4)
    heads = shown.evaluate("""[...document.querySelectorAll('table')].filter(table =>
        table.rows.length > 1 && /Persistent/.test(table.tHead.textContent) &&
        [...table.tBodies[0].rows].some(row => /\\d/.test(row.cells[3].textContent))).length""")
    cases.equal(heads, 1, "tables that tell what stayed")
    figures = dict(shown.evaluate("""[...document.querySelectorAll('.figures div')].map(d =>
        [d.querySelector('dt').textContent, d.querySelector('.value').textContent])"""))
    cases.equal((figures["Objects that stayed"], figures["All objects at most"]), ("31", "3.08 MiB"))
    cases.equal("Objects tracked" in figures, False, figures)


def hundreds_of_types_stay_readable():
    shown = page("large_census")
    cases.equal(len(sentences(shown)), 20)
    text = shown.evaluate("document.body.textContent")
    for part in ("380 types more stayed, with 72,390 objects", "360 types more", "2 graphs are more in the log",
                 "60 of its 500 nodes are drawn"):
        cases.contains(text, part)
    cases.equal(os.path.getsize("large_census.html") < 1000000, True)


def logs_that_are_compared_have_what_holders_say():
    page("census")
    page("quiet3")
    result = cases.run("memreport", "census.dat", "quiet3.dat", "-o", "two.html")
    cases.equal((result.returncode, result.stderr), (0, ""))
    shown = devtools.shared().open("two.html")
    cases.equal([text.split(" ")[0] for text in sentences(shown)],
                ["tuple", "app.models.Session", "app.models.Node", "dict"])
    cases.contains(shown.evaluate("document.querySelector('#run-2-persistent').textContent"),
                   "What stayed is not known where logs are compared")


def goes_on_paper():
    page("census")
    page("evil_census")
    cases.equal(cases.run("memreport", "census.dat", "-o", "census.pdf").returncode, 0)
    text = " ".join(cases.run("pdftotext", "-layout", "census.pdf", "-").stdout.split())
    for part in ("Objects that stayed", "app.views.sessions[*] holds them.", "Who holds what stayed",
                 "What came, went and stayed", "<Node left>"):
        cases.contains(text, part)
    for out in ("large_census.pdf", "evil_census.pdf", "quiet1.pdf", "census.png"):
        cases.equal(cases.run("memreport", out.rsplit(".", 1)[0] + ".dat", "-o", out).returncode, 0, out)


cases.main(says_what_stayed_and_who_holds_it, tables_agree_with_memstats, holders_and_graphs_are_drawn_and_listed,
           nothing_is_said_of_what_is_not_known, tracked_objects_are_told_from_all_objects,
           censuses_are_the_snapshots_where_nothing_was_tracked, hundreds_of_types_stay_readable,
           logs_that_are_compared_have_what_holders_say, goes_on_paper)
