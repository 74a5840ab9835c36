#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reference browsers: trees, how they are printed, graphs; what must not be in them.  Where pympler is
importable, its output is compared with."""

import contextlib
import gc
import io
import os
import sys
import tempfile
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

from memcapture import refbrowser
from memcapture.refbrowser import ConsoleBrowser, FileBrowser, InteractiveBrowser, RefBrowser, StreamBrowser

try:
    from pympler import refbrowser as original
except ImportError:
    original = None


DICTS = sys.version_info < (3, 11)  # attributes are in a dict of their own, one step more


class Thing:
    pass


def type_name(obj):
    return type(obj).__name__


def shape(node):
    """A tree as texts in lists."""
    return [str(node)] + [shape(child) for child in node.children] if isinstance(node, refbrowser._Node) else node


def tree_of(obj, **options):
    return shape(RefBrowser(obj, str_func=type_name, **options).get_tree())


def trees():
    holders = {"target": Thing()}
    pair = (holders, [holders["target"]])
    cases.equal(tree_of(holders["target"], maxdepth=0), ["Thing"])
    cases.equal(sorted(tree_of(holders["target"], maxdepth=1)[1:]), [["dict"], ["list"]])
    two = tree_of(holders["target"], maxdepth=2)
    cases.equal([["dict", ["tuple"]] in two, ["list", ["tuple"]] in two], [True, True], two)
    looped = []
    looped.append(looped)
    cases.equal(tree_of(looped, maxdepth=3), ["list", ["list", ["list", ["list"]]]])
    once = tree_of(looped, maxdepth=3, repeat=False)
    cases.equal(once, ["list", f"list (already included, id {id(looped)})"])
    thing = {}
    thing["me"] = thing
    browser = RefBrowser(thing, maxdepth=2, str_func=type_name)
    tree = browser.get_tree()
    cases.equal([tree.o is thing, tree.children[0].o is thing, browser.already_included], [True, True, {id(thing)}])
    browser.ignore.append(thing)      # the root is not left out, whatever is ignored
    cases.equal(str(browser.get_tree()), "dict")
    listed = [Thing()]
    browser = RefBrowser(listed[0], maxdepth=1, str_func=type_name)
    browser.ignore.append(listed)
    cases.equal(shape(browser.get_tree()), ["Thing"])
    del pair


def printed(tree, maxdepth):
    out = io.StringIO()
    StreamBrowser(None, maxdepth=maxdepth, stream=out).print_tree(tree)
    return out.getvalue()


def node(text, *children):
    made = refbrowser._Node(text)
    made.children.extend(children)
    return made


def printing():
    cases.equal(printed(node("root"), 3), "root\n")
    cases.equal(printed("leaf", 3), "leaf\n")
    tree = node("root", node("one", "a", "b"), node("two", node("three", "c")), "four")
    cases.equal(printed(tree, 5), """\
root-+-one-+-a
     |     +-b
     |
     +-two--three--c
     +-four
""")
    cases.equal(printed(tree, 1), "root-+-one\n     +-two\n     +-four\n")

    class Other(StreamBrowser):
        hline, vline, cross, space = "=", "!", "#", "."

    out = io.StringIO()
    Other(None, maxdepth=5, stream=out).print_tree(tree)
    cases.equal(out.getvalue().splitlines()[:2], ["root=#=one=#=a", ".....!.....#=b"])
    deep = "end"
    for _ in range(3000):
        deep = node("n", deep)
    cases.equal(printed(deep, 10_000), "n--" * 3000 + "end\n")
    out = io.StringIO()
    holder = [Thing()]
    with contextlib.redirect_stdout(out):
        ConsoleBrowser(holder[0], maxdepth=1, str_func=type_name).print_tree()
    cases.equal(out.getvalue(), "Thing--list\n")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "tree.txt")
        browser = FileBrowser(holder[0], maxdepth=1, str_func=type_name)
        browser.print_tree(path)
        with open(path, encoding="utf-8") as file:
            cases.equal(file.read(), "Thing--list\n")
        cases.equal(browser.stream, None)
        with cases.raises(OSError):
            browser.print_tree(os.path.join(directory, "no", "such"))
    with cases.raises(ImportError, "ConsoleBrowser"):
        InteractiveBrowser(1)


def graphs():
    root = Thing()
    root.me = root
    holder = {"key": root, "list": [root]}
    nodes, edges, whole = RefBrowser(root, maxdepth=2).graph()
    cases.equal(nodes[0][1:2] + nodes[0][4:], ("Thing", 1, 4 if DICTS else 1 | 4))
    names = {number: kind for number, kind, *_ in nodes}
    found = sorted((names[start], names[to], label) for start, to, label, _ in edges)
    me = ("dict", "Thing", "['me']") if DICTS else ("Thing", "Thing", ".me")
    cases.equal([("dict", "Thing", "['key']") in found, me in found,
                 ("list", "Thing", "[0]") in found, ("dict", "list", "['list']") in found], [True] * 4, found)
    cases.equal(whole, True)
    cases.equal([number for number, *_ in nodes], list(range(1, len(nodes) + 1)))
    cases.equal({row[3] > 0 for row in nodes}, {True})
    many = [[root] for _ in range(1000)]
    nodes, edges, whole = RefBrowser(root, maxdepth=1).graph()
    cases.equal((len(nodes), whole), (512, False))
    module = [row for row in RefBrowser(globals(), maxdepth=1).graph()[0] if row[1] == "module"]
    cases.equal([row[5] for row in module], [2])
    del holder, many


def without_the_observer():
    class Own(StreamBrowser):
        """A program's own kind of browser is none of what it shows, either."""

    holder = [Thing()]
    for kind in (RefBrowser, StreamBrowser, Own):
        browser = kind(holder[0], maxdepth=2, str_func=type_name, stream=None)
        browser.extra = 1
        vars(browser)     # makes its dict
        kept = browser.get_tree()
        cases.equal(shape(kept)[1][0], "list")
        cases.equal(len(kept.children), 1, shape(kept))
        cases.equal(shape(browser.get_tree()), shape(kept))
    del browser, kept
    gc.collect()
    before = (sys.getrefcount(holder[0]), len(gc.get_referrers(holder[0])), weakref.getweakrefcount(holder[0]))
    for _ in range(3):
        RefBrowser(holder[0]).get_tree()
        RefBrowser(holder[0]).graph()
    cases.equal((sys.getrefcount(holder[0]), len(gc.get_referrers(holder[0])),
                 weakref.getweakrefcount(holder[0])), before)


def what_fails():
    class Hostile:
        def fail(self, *args):
            raise RuntimeError("the program's code ran")
        __repr__ = __eq__ = __len__ = __iter__ = __getattr__ = fail
        __hash__ = object.__hash__

    hostile = Hostile()
    holder = [hostile, Hostile()]
    cases.equal(tree_of(hostile, maxdepth=1)[:2], ["Hostile", ["list"]])
    RefBrowser(hostile).graph()

    def fail(obj):
        raise ValueError("no text")

    with cases.raises(ValueError, "no text"):
        RefBrowser(holder[0], str_func=fail, maxdepth=1, repeat=False, stream=None).get_tree().children[0].__str__()
    looped = [Thing()]
    looped.append(looped)
    with cases.raises(ValueError, "no text"):
        RefBrowser(looped, str_func=fail, repeat=False).get_tree()
    browser = RefBrowser(looped)
    browser.ignore = None
    with cases.raises(TypeError, "ignore"):
        browser.get_tree()
    with cases.raises(TypeError):
        RefBrowser(looped, maxdepth="3").get_tree()


def as_the_original():
    if original is None:
        raise cases.Skip("pympler is not importable")
    root = Thing()
    x = [root, [root]]
    holders = {"root": root, "x": x}
    root.me = root
    pair = (root, holders)
    lists = [[root] for _ in range(3)]
    for obj in (root, x, holders, lists):
        for maxdepth in (0, 1, 2, 3):
            for repeat in (True, False):
                texts = []
                gc.collect()
                for module in (refbrowser, original):
                    out = io.StringIO()
                    browser = module.StreamBrowser(obj, maxdepth, type_name, repeat, out)
                    browser.ignore.append(browser)    # which the original shows since Python 3.11
                    browser.print_tree()
                    browser.ignore.clear()
                    texts.append(out.getvalue())
                    del browser, out
                    gc.collect()
                cases.equal(*texts)
    del pair


if __name__ == "__main__":
    cases.main(trees, printing, graphs, without_the_observer, what_fails, as_the_original)
