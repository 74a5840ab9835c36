#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Graphs of garbage: what a collection finds, what is printed of it, and that the collector is left as it
was."""

import contextlib
import gc
import io
import os
import re
import sys
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import garbagegraph
from memcapture._text import pp
from memcapture.garbagegraph import GarbageGraph, end_debug_garbage, start_debug_garbage
from memcapture.refgraph import ReferenceGraph


class Leaf:
    pass


class Branch:
    def __init__(self, root):
        self.root = root
        self.leaf = Leaf()


class Root:
    def __init__(self, branches):
        self.branches = [Branch(self) for _ in range(branches)]


@contextlib.contextmanager
def debugging():
    start_debug_garbage()
    try:
        yield
    finally:
        end_debug_garbage()
        gc.garbage.clear()
        gc.collect()


def make_ring(length=1):
    ring = [[] for _ in range(length)]
    for number, one in enumerate(ring):
        one.append(ring[number - 1])


def without_garbage_the_graph_is_empty():
    with debugging():
        graph = GarbageGraph()
        cases.equal((graph.count, graph.render("garbage.svg"), graph.reduce_to_cycles()), (0, False, None))


def garbage_is_found_and_printed():
    with debugging():
        Root(2)
        graph = GarbageGraph()
        assert isinstance(graph, ReferenceGraph)
        types = sorted(node.type for node in graph.metadata if node.type != "dict")
        cases.equal(types, ["Branch", "Branch", "Leaf", "Leaf", "Root", "list"])
        cases.equal(graph.count, len(gc.garbage))
        out = io.StringIO()
        graph.print_stats(out)
        lines = out.getvalue().splitlines()
        cases.equal(lines[0], "id             size type         representation                                ")
        rows = [re.fullmatch(r"0x([0-9a-f]{8,}) +(\d+) (.{12}) (.{46})", line).groups() for line in lines[1:-1]]
        cases.equal(len(rows), graph.count)
        cases.equal({int(row[0], 16): int(row[1]) for row in rows}, {node.id: node.size for node in graph.metadata})
        sizes = [int(row[1]) for row in rows]
        cases.equal(sizes, sorted(sizes, reverse=True))
        cases.equal(lines[-1], "Garbage: %8d collected objects (N/A in cycles): %12s" %
                    (graph.count, pp(graph.total_size)))
        reduced = graph.reduce_to_cycles()
        out = io.StringIO()
        reduced.print_stats(out)
        cases.contains(out.getvalue(), f"collected objects ({reduced.num_in_cycles} in cycles)")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            graph.print_stats()
        cases.contains(printed.getvalue(), "Garbage: ")


def what_is_printed_is_a_line_an_object():
    class Shown:
        def __repr__(self):
            return "\x1b[31m\ud800\nnext"

    with debugging():
        shown = Shown()
        shown.me = shown
        shown.__class__.__name__ = "a\nb"
        del shown
        out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        GarbageGraph().print_stats(out)
        out.flush()
        text = out.buffer.getvalue().decode()
        cases.contains(text, " a|b          ?[31m?|next ")
        cases.equal(len([line for line in text.splitlines() if line.startswith("0x")]), len(gc.garbage))


def reducing_keeps_what_leads_to_cycles():
    with debugging():
        ring = []
        ring.append(ring)
        ring.append(Leaf())
        leaf = id(ring[1])
        del ring
        whole, reduced = GarbageGraph(), GarbageGraph(reduce=True)
        cases.equal((whole.count, reduced.count, reduced.num_in_cycles), (len(gc.garbage), len(gc.garbage), 1))
        assert leaf in {node.id for node in whole.metadata}
        cases.equal([node.type for node in reduced.metadata], ["list"])


def each_cycle_is_a_part():
    with debugging():
        make_ring(5)
        make_ring(2)
        make_ring(9)
        parts = GarbageGraph().split_and_sort()
        cases.equal([type(part) for part in parts], [GarbageGraph] * 3)
        cases.equal([(part.index, part.count, len(part.edges)) for part in parts], [(0, 9, 9), (1, 5, 5), (2, 2, 2)])


def what_can_be_freed_is_not_uncollectable():
    with debugging():
        make_ring(3)
        graph = GarbageGraph(collectable=False)
        cases.equal((graph.count, gc.get_debug(), gc.garbage), (0, 0, []))


def the_collector_is_left_as_it_was():
    was = gc.get_debug(), gc.isenabled()
    cases.equal(was, (0, True))
    start_debug_garbage()
    cases.equal((gc.get_debug(), gc.isenabled()), (0, False))
    GarbageGraph()
    cases.equal((gc.get_debug(), gc.isenabled()), (gc.DEBUG_SAVEALL, False))
    end_debug_garbage()
    cases.equal((gc.get_debug(), gc.isenabled()), was)
    gc.disable()
    gc.set_debug(gc.DEBUG_UNCOLLECTABLE)
    try:
        start_debug_garbage()
        start_debug_garbage()
        GarbageGraph()
        end_debug_garbage()
        cases.equal((gc.get_debug(), gc.isenabled()), (gc.DEBUG_UNCOLLECTABLE, False))
        GarbageGraph()
        end_debug_garbage()
        cases.equal((gc.get_debug(), gc.isenabled()), (gc.DEBUG_UNCOLLECTABLE, False))
        end_debug_garbage()
        cases.equal((gc.get_debug(), gc.isenabled()), (0, True))
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()


def leaves():
    gc.collect()
    return sum(type(one) is Leaf for one in gc.get_objects())


def objects_go_with_the_graph_and_the_list():
    with debugging():
        Root(1)
        graph = GarbageGraph()
        graph.metadata, list(graph.edges), graph.split_and_sort()
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()
        cases.equal(leaves(), 1)
        del graph
        cases.equal(leaves(), 0)


def finalizers_and_weak_references_run_as_ever():
    done = []

    class Final:
        def __del__(self):
            done.append(len(gc.garbage))

    with debugging():
        final = Final()
        final.me = final
        weakref.finalize(final, done.append, "weak")
        del final
        graph = GarbageGraph()
        cases.equal(len(done), 2)
        assert "Final" in {node.type for node in graph.metadata}


def garbage_in_a_log_is_told_as_such():
    with debugging():
        Root(3)
        GarbageGraph().dump("garbage.dat")
    result = cases.run("memstats", "graph_nodes", "garbage.dat")
    cases.equal((result.returncode, result.stderr), (0, ""))
    if not re.search(r"of garbage: \w+, \w+, \w+, \.\.\. -", result.stdout):
        raise AssertionError(result.stdout)


def a_million_in_one_cycle_of_garbage():
    with debugging():
        make_ring(1000000)
        graph = GarbageGraph(reduce=True)
        cases.equal((graph.count, graph.num_in_cycles, len(graph.edges)), (1000000, 1000000, 1000000))
        cases.equal([part.count for part in graph.split_and_sort()], [1000000])


def the_sample_tells_its_cycles():
    sample = os.path.join(cases.ROOT, "samples/cycles.py")
    result = cases.run(sys.executable, sample)
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.contains(result.stdout, "240 elements were made, 240 wait for the collector, in 20 cycles\n")
    for element in "html", "head", "title", "body", "h1", "em", "ul":
        cases.contains(result.stdout, f" Element      <{element}> ")
    with open("cycle.svg", encoding="utf-8") as drawing, open("cycle.dot", encoding="utf-8") as text:
        cases.contains(drawing.read(), "&lt;title&gt;")
        cases.contains(text.read(), '<ul>\\nElement"')
    result = cases.run("memstats", "graph_nodes", "cycles.dat")
    cases.contains(result.stdout, "of garbage: a page that was dropped")
    result = cases.run(sys.executable, sample, "--weak")
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.equal(result.stdout, "240 elements were made, 0 wait for the collector, in 0 cycles\n")


def every_name_is_there():
    cases.equal(sorted(garbagegraph.__all__), ["GarbageGraph", "end_debug_garbage", "start_debug_garbage"])


cases.main(
    without_garbage_the_graph_is_empty,
    garbage_is_found_and_printed,
    what_is_printed_is_a_line_an_object,
    reducing_keeps_what_leads_to_cycles,
    each_cycle_is_a_part,
    what_can_be_freed_is_not_uncollectable,
    the_collector_is_left_as_it_was,
    objects_go_with_the_graph_and_the_list,
    finalizers_and_weak_references_run_as_ever,
    garbage_in_a_log_is_told_as_such,
    a_million_in_one_cycle_of_garbage,
    the_sample_tells_its_cycles,
    every_name_is_there,
)
