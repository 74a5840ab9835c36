#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page about a Python program that leaks: which objects stayed, since when, where
they were made and who holds them."""

import html
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

LEAK = """
from memcapture.reftracker import ObjTracker

class Session:
    def __init__(self, user):
        self.user = user

def serve(users):
    return [Session(user) for user in users]

sessions = []
tracker = ObjTracker(log="leak.dat", traces=4)
for turn in range(3):
    sessions += serve(range(1000, 1040))
    tracker.compare("turn %d" % turn)
tracker.close()
"""


HOLDER = """
class Node:
    def __init__(self, number):
        self.data = [number]

class Holder:
    def __init__(self):
        self.kept = {}

    def work(self, step):
        nodes = [Node(number) for number in range(100)]
        self.kept[step] = nodes[0]

holder = Holder()
for step in range(50):
    holder.work(step)
"""

CLOSURES = """
import time

listeners = []

def register(number):
    def callback(event):
        return number, event
    listeners.append(callback)

for number in range(60):
    register(number)
"""

RING = """
import gc
from memcapture.garbagegraph import GarbageGraph

class Link:
    pass

gc.collect()
gc.disable()
links = [Link() for number in range(300)]
for number, link in enumerate(links):
    link.next = links[number - 1]
del link, links
GarbageGraph().dump("ring.dat")
"""


def page(name="leak", program=LEAK, options=()):
    """The page about a program, as it is."""
    if not os.path.exists(name + ".html"):
        with open(name + ".py", "w", encoding="utf-8") as file:
            file.write(program)
        result = cases.run(sys.executable, *options, name + ".py")
        cases.equal((result.returncode, result.stderr), (0, ""))
        cases.equal(cases.run(os.path.join(cases.BUILD, "memreport"), name + ".dat").returncode, 0)
    with open(name + ".html", encoding="utf-8") as file:
        return file.read()


def observed(name, program):
    return page(name, program, ("-m", "memcapture", "--diff", "--trace", "-q", "-o", name + ".dat"))


def told(page_text):
    """What is said of each type, in order."""
    return [words(part.split("</summary>")[0]) for part in page_text.split('<details class="held"')[1:]]


def words(page_text):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page_text)).split())


def sessions():
    """What is said of the sessions."""
    parts = page().split('<details class="held"')[1:]
    found = [part for part in parts if '<code class="what">__main__.Session</code>' in part]
    cases.equal(len(found), 1, [words(part)[:200] for part in parts])
    return words(found[0])


def leak_is_found_with_who_holds_it():
    said = sessions()
    cases.contains(said, "__main__.Session 80 objects")
    cases.contains(said, 'made between the baseline and "turn 1", are still there. __main__.sessions[*] holds them.')
    cases.contains(said, "as in __main__.sessions[")


def leak_is_found_with_where_it_was_made():
    said = sessions()
    cases.contains(said, "Where they were made")
    cases.contains(said, "leak.py:9")
    cases.contains(said, "leak.py:14")
    cases.equal("+0x0" in said, False, said)


def leak_is_in_the_headline_and_in_the_picture():
    text = words(page())
    cases.contains(text, "Objects that stayed:")
    cases.contains(text, "__main__.Session, held by __main__.sessions[*]")
    cases.contains(words(page().split("<h4>Who holds what stayed</h4>")[1]), "where it begins")


def many_come_before_what_holds_them():
    text = observed("holder", HOLDER)
    types = told(text)
    cases.contains(types[0], "Stayed __main__.Node 50 objects")
    cases.contains(types[0], "__main__.holder.kept[*] holds them.")
    cases.contains(types[0], "With them: 50 list")
    cases.contains(types[1], "Holds __main__.Holder 1 object")
    cases.contains(types[1], "By way of it stay the 50 __main__.Node above.")
    cases.contains(words(text), "Objects that stayed: 50 __main__.Node, held by __main__.holder.kept[*].")


def definitions_are_one_line():
    text = observed("holder", HOLDER)
    cases.contains(words(text), "Definitions: 2 classes, 3 functions and what belongs to them: ")
    names = re.findall('<code class="what">(.*?)</code>', "".join(text.split('<details class="held"')[1:]))
    cases.equal([name for name in names if name in ("type", "function", "code", "getset_descriptor", "tuple")], [])
    drawn = words(text.split("<h4>Who holds what stayed</h4>")[1].split("What came, went and stayed")[0])
    cases.contains(drawn, "__main__.Node")
    cases.equal("__code__" in drawn, False, drawn)


def closures_made_again_and_again_are_told():
    types = told(observed("closures", CLOSURES))
    cases.contains(types[0], "Stayed function 60 objects")
    cases.contains(types[0], "__main__.listeners[*] holds them.")


def program_is_called_by_its_name():
    cases.contains(observed("holder", HOLDER), "<h1>holder.py</h1>")


def graph_without_a_census_is_drawn():
    text = page("ring", RING)
    cases.contains(words(text), "Graphs of objects")
    cases.contains(text, "more Link")
    cases.contains(words(text), "The same as a list: 300 references")


cases.main(many_come_before_what_holds_them, definitions_are_one_line, closures_made_again_and_again_are_told,
           program_is_called_by_its_name, graph_without_a_census_is_drawn,
           leak_is_found_with_who_holds_it, leak_is_found_with_where_it_was_made,
           leak_is_in_the_headline_and_in_the_picture)
