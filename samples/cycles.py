#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Garbage in cycles, found and drawn.  Pages are parsed to trees, looked at, and
dropped.  Each element knows its parent, so a tree that nobody holds any more is
still held by itself, until the garbage collector comes to it: memory that is
free for the asking, and nobody asks.

    PYTHONPATH=build/python python3 samples/cycles.py
    memstats graph_nodes cycles.dat
    memreport cycles.dat -o cycles.html
    PYTHONPATH=build/python python3 samples/cycles.py --weak

The first prints how many objects wait in how many cycles, and writes one of
them to cycle.svg, for Graphviz to cycle.dot, and to the log cycles.dat.  With
--weak an element refers to its parent weakly: the trees go as they are dropped,
and there is nothing to draw.
"""

import argparse
import weakref

from memcapture.garbagegraph import GarbageGraph, end_debug_garbage, start_debug_garbage

PAGES = 20
PAGE = "html(head(title)body(h1 p(em)p ul(li li li)))"


class Element:
    """A name and what is in it."""

    def __init__(self, name, parent, refer):
        self.name = name
        self.parent = parent and refer(parent)
        self.children = []
        if parent:
            parent.children.append(self)

    def __repr__(self):
        return f"<{self.name}>"


def parse(text, refer):
    """The tree of NAME(NAME NAME(...)...)."""
    root = parent = last = None
    for word in text.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(":
            parent = last
        elif word == ")":
            last, parent = parent, parent_of(parent)
        else:
            last = Element(word, parent, refer)
            root = root or last
    return root


def parent_of(element):
    return element.parent() if isinstance(element.parent, weakref.ref) else element.parent


def count(element):
    return 1 + sum(map(count, element.children))


def main():
    parser = argparse.ArgumentParser(description="Garbage in cycles, found and drawn.")
    parser.add_argument("--weak", action="store_true", help="refer to parents weakly")
    refer = weakref.ref if parser.parse_args().weak else lambda parent: parent
    start_debug_garbage()
    elements = sum(count(parse(PAGE, refer)) for _ in range(PAGES))
    graph = GarbageGraph()
    cycles = graph.split_and_sort()
    print(f"{elements} elements were made, {sum(node.type == 'Element' for node in graph.metadata)} wait "
          f"for the collector, in {len(cycles)} cycles")
    if cycles:
        print(f"{graph.count} objects, {graph.total_size} bytes; the largest cycle:")
        cycles[0].print_stats()
        cycles[0].render("cycle.svg")
        cycles[0].write_graph("cycle.dot")
        cycles[0].dump("cycles.dat", "a page that was dropped")
    end_debug_garbage()


if __name__ == "__main__":
    main()
