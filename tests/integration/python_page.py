#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page about a Python program: what it is called, what its instances refer to,
and where they were made, in the order in which Python tells it."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PROGRAM = """
import sys
from memcapture.classtracker import ClassTracker
from memcapture.classtracker_stats import HtmlStats

class Leaf:
    pass

class Petal:
    def __init__(self, number):
        self.number = number

class Flower:
    def __init__(self):
        self.leaves = [Leaf() for _ in range(30)]         # tracked: they count for themselves
        self.petals = [Petal(1000 + n) for n in range(3)]

def plant():
    return Flower()

tracker = ClassTracker(log="flowers.dat")
tracker.track_class(Leaf)
tracker.track_class(Flower, resolution_level=3, trace=True)
flowers = [plant(), plant()]
tracker.create_snapshot("planted")
HtmlStats(tracker).create_html("stats.html")
tracker.close()
"""


def pages():
    """The page that the program writes, and the one that memreport makes of its log."""
    with open("garden.py", "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    result = cases.run(sys.executable, "garden.py")
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.equal(cases.run(os.path.join(cases.BUILD, "memreport"), "flowers.dat", "-o", "log.html").returncode, 0)
    for name in ("stats.html", "log.html"):
        with open(name, encoding="utf-8") as file:
            yield file.read()


def part_of(page, name):
    """From the heading of a class's own part to that of the next."""
    return re.search(rf'<span>__main__\.{name}</span></h4>(.*?)(<details class="item"|</section>)', page, re.DOTALL)[1]


def referents(html):
    """(level, name, count) of each row of the first table of referents in HTML."""
    table = re.search(r'<th scope="col">Referent</th>.*?</tbody>', html, re.DOTALL)[0]
    return [(int(level) + 1, re.sub("&lt;", "<", re.sub("&gt;", ">", name)), int(count)) for level, name, count in
            re.findall(r'class="name indent-(\d)"[^>]*>([^<]*)</th><td class="n">(\d+)</td>', table)]


def a_run_is_called_by_its_script():
    stats, log = pages()
    cases.contains(log, "<h1>garden.py</h1>")
    cases.contains(stats, "<h1>ClassTracker Statistics</h1>")


def referents_are_a_tree_of_what_has_a_size():
    for page in pages():
        rows = referents(part_of(page, "Flower"))
        cases.equal(rows[0], (1, "__dict__", 2))
        names = [name for _, name, _ in rows]
        assert set(names) >= {"[V] leaves", "[V] petals"}, names
        # Petals differ in their addresses alone; the leaves are sized elsewhere.
        petals = names.index("[V] petals")
        cases.equal(rows[petals + 1], (3, "<__main__.Petal object>", 6))
        assert not any("Leaf" in name for name in names), names
        assert [level for level, _, _ in rows][petals] == 2, rows


def a_trace_ends_where_the_object_was_made():
    for page in pages():
        part = part_of(page, "Flower")
        cases.contains(part, "Trace, innermost call last")
        trace = re.search(r'<ol class="trace">(.*?)</ol>', part, re.DOTALL)[1]
        frames = re.findall(r"<li><code>([^<]*)</code> <span [^>]*>([^<]*)</span>", trace)
        made = PROGRAM.split("\n").index("    return Flower()") + 1
        cases.equal((frames[0][0], frames[-1]), ("&lt;module&gt;", ("plant", f"garden.py:{made}")))


cases.main(a_run_is_called_by_its_script, referents_are_a_tree_of_what_has_a_size,
           a_trace_ends_where_the_object_was_made)
