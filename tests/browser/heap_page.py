#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report of a recorded heap in a browser: the flame graph's sums close and it
switches, turns, zooms, searches and takes keys; sites lie behind tabs that need
no script; and all of it can be read without one."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/browser"))
import cases
import devtools
import heap_logs

FUNCTIONS = ["parse_node", "read_all", "ns::Table<int>::grow(int const&)"]


def page(name="heap", **options):
    if not os.path.exists(name + ".html"):
        made = {"heap": {}, "clean": {"leaks": False, "account": False, "pid": 88}}[name]
        heap_logs.heap(FUNCTIONS, **made).write(name + ".dat")
        result = cases.run("memreport", name + ".dat", "-o", name + ".html")
        cases.equal((result.returncode, result.stderr), (0, ""))
    return devtools.shared().open(name + ".html", **options)


def boxes(shown):
    """Name and left edge of the boxes, row by row."""
    return shown.evaluate("""[...document.querySelectorAll('.box')].map(b => [b.row, b.hint.split('\\n')[0]])""")


def sums_close_in_both_trees():
    data = json.loads(page().evaluate("document.querySelector('.flame .data').textContent"))
    wanted = json.loads(cases.run("memstats", "sites", "heap.dat", "--format", "json").stdout)["rows"]
    for end in ("outer", "inner"):
        tree = data[end]
        for number, (cost, _, _) in enumerate(data["costs"]):
            costs = tree["cost"][number]
            cases.equal(costs[0], sum(row[cost] for row in wanted), f"{end}, {cost}")
            below = [0] * len(costs)
            for node, back in enumerate(tree["parent"]):
                if back:
                    below[node - back] += costs[node]
            cases.equal([node for node, sum_below in enumerate(below) if sum_below > costs[node]], [], end)


def flame_graph_folds_recursion_and_turns():
    shown = page()
    names = boxes(shown)
    cases.equal(names[:2], [[0, "all"], [1, "main"]])
    cases.equal([row for row, name in names if name == "parse_node"], [2], "once, whatever its depth")
    shown.evaluate("""(() => { const s = document.querySelectorAll('.controls select')[1];
        s.value = 'inner'; s.dispatchEvent(new Event('change')); })()""")
    names = boxes(shown)
    cases.equal(sorted(name for row, name in names if row == 1), sorted(FUNCTIONS))
    cases.equal({name for row, name in names if row == 2}, {"main"})


def flame_graph_switches_what_it_costs():
    shown = page()
    cases.contains(shown.evaluate("document.querySelector('.flame .line').textContent"), "held at the peak, 100 %")
    shown.evaluate("""(() => { const s = document.querySelector('.controls select');
        s.value = '1'; s.dispatchEvent(new Event('change')); })()""")
    cases.contains(shown.evaluate("document.querySelector('.flame .line').textContent"), "1.25 MiB leaked")
    cases.equal(boxes(shown), [[0, "all"], [1, "main"], [2, "parse_node"]])
    clean = page("clean")
    cases.equal(clean.evaluate("document.querySelector('.controls option[value=\"1\"]').disabled"), True)


def flame_graph_zooms_and_searches():
    shown = page()
    shown.evaluate("[...document.querySelectorAll('.box')].find(b => b.hint.startsWith('read_all')).click()")
    cases.equal(boxes(shown), [[0, "all"], [1, "main"], [2, "read_all"]])
    width = "document.querySelector('.boxes').clientWidth - document.querySelectorAll('.box')[2].offsetWidth"
    cases.equal(shown.evaluate(width) <= 2, True)
    shown.evaluate("document.querySelector('.controls button').click()")
    cases.equal(len(boxes(shown)), 5)
    shown.evaluate("""(() => { const s = document.querySelector('.controls input');
        s.value = 'PARSE'; s.dispatchEvent(new Event('input')); })()""")
    cases.equal(shown.evaluate("[...document.querySelectorAll('.box.hit')].map(b => b.hint.split('\\n')[0])"),
                ["parse_node"])
    cases.contains(shown.evaluate("document.querySelector('.found').textContent"), "50 %")


def flame_graph_takes_keys():
    shown = page()
    focused = "(document.activeElement.hint || '').split('\\n')[0]"
    shown.evaluate("document.querySelector('.box[tabindex=\"0\"]').focus()")
    for key, wanted in (("ArrowDown", "main"), ("ArrowDown", "parse_node"), ("ArrowRight", FUNCTIONS[2]),
                        ("ArrowLeft", "parse_node"), ("ArrowUp", "main"), ("Home", "all"), ("ArrowDown", "main"),
                        ("Enter", "main"), ("Escape", "all")):
        shown.evaluate(f"""document.activeElement.dispatchEvent(
            new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))""")
        cases.equal(shown.evaluate(focused), wanted, key)


def sites_lie_behind_tabs_without_a_script():
    shown = page(scripts=False)
    panes = "[...document.querySelectorAll('.pane')].map(p => p.getBoundingClientRect().height > 0)"
    cases.equal(shown.evaluate(panes), [True, False, False, False, False])
    spot = shown.evaluate("""(b => ({ x: b.x + 5, y: b.y + 5 }))(
        (l => { l.scrollIntoView({ behavior: 'instant', block: 'center' }); return l.getBoundingClientRect(); })(
        document.querySelectorAll('.bar label')[1]))""")
    for kind in ("mousePressed", "mouseReleased"):
        shown.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **spot)
    cases.equal(shown.evaluate(panes), [False, True, False, False, False])


def all_can_be_read_without_a_script():
    shown = page(scripts=False)
    cases.equal(shown.evaluate("document.querySelector('.flame svg').getBoundingClientRect().height > 50"), True)
    titles = shown.evaluate("[...document.querySelectorAll('.flame .wide .hints title')].map(t => t.textContent)")
    cases.equal(titles[0].split("\n")[0], "all of the program")
    cases.equal(any(title.startswith("parse_node\napp\n") and "50 %" in title for title in titles), True, titles)
    text = shown.evaluate("document.body.textContent")
    for part in ("holds 1.25 MiB in 1,280 blocks at exit (100 % of what is leaked)", "Live heap",
                 "waited for the recorder 2 times", "Of the resident memory at its peak"):
        cases.contains(text, part)
    cases.contains(page("clean", scripts=False).evaluate("document.body.textContent"), "Nothing was leaked.")


def figures_agree_with_memstats():
    shown = page()
    figures = dict(shown.evaluate("""[...document.querySelectorAll('.figures div')].map(d =>
        [d.querySelector('dt').textContent, d.querySelector('dd').title])"""))
    rows = json.loads(cases.run("memstats", "sites", "heap.dat", "--format", "json").stdout)["rows"]
    cases.equal(figures["Peak heap"], str(sum(row["peak"] for row in rows)))
    cases.equal(figures["Leaked"], str(sum(row["leaked"] for row in rows)))
    cases.equal(figures["Allocations"], str(sum(row["count"] for row in rows)))


def two_logs_are_compared_by_place():
    page()
    page("clean")
    cases.equal(cases.run("memreport", "heap.dat", "clean.dat", "-o", "compared.html").returncode, 0)
    shown = devtools.shared().open("compared.html")
    rows = shown.evaluate("""[...document.querySelectorAll('#sites-compared tbody tr')].map(row =>
        [...row.cells].map(cell => cell.textContent))""")
    cases.equal([(row[0].split(" ")[0], row[2], row[-1]) for row in rows], [("parse_node", "shrunk", "\u22121.25 MiB")])


def goes_on_paper():
    page()
    cases.equal(cases.run("memreport", "heap.dat", "-o", "heap.pdf").returncode, 0)
    text = cases.run("pdftotext", "-layout", "heap.pdf", "-").stdout
    for part in ("Peak heap", "Suspects", "Where it was allocated", "parse_node", "Flame graph", "Threads"):
        cases.contains(text, part)
    cases.equal(cases.run("memreport", "heap.dat", "-o", "heap.png").returncode, 0)


cases.main(sums_close_in_both_trees, flame_graph_folds_recursion_and_turns, flame_graph_switches_what_it_costs,
           flame_graph_zooms_and_searches, flame_graph_takes_keys, sites_lie_behind_tabs_without_a_script,
           all_can_be_read_without_a_script, figures_agree_with_memstats, two_logs_are_compared_by_place,
           goes_on_paper)
