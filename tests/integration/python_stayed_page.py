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


def page():
    """The text of the page, tags left out."""
    if not os.path.exists("leak.html"):
        with open("leak.py", "w", encoding="utf-8") as file:
            file.write(LEAK)
        result = cases.run(sys.executable, "leak.py")
        cases.equal((result.returncode, result.stderr), (0, ""))
        cases.equal(cases.run(os.path.join(cases.BUILD, "memreport"), "leak.dat").returncode, 0)
    with open("leak.html", encoding="utf-8") as file:
        return file.read()


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


cases.main(leak_is_found_with_who_holds_it, leak_is_found_with_where_it_was_made,
           leak_is_in_the_headline_and_in_the_picture)
