#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Graphs of objects against what Python code finds in the same random graphs: edges by the collector's own
function, connected parts, strongly connected ones by Tarjan, and what is left without leaves."""

import gc
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture.refgraph import ReferenceGraph


class Node:
    __slots__ = ("one", "two")


def build(seed):
    """Objects that refer to each other, sparsely or densely, with loops, twins and islands."""
    chosen = random.Random(seed)
    count = chosen.choice((1, 2, 5, 30, 300))
    objects = [chosen.choice((list, dict, Node))() for _ in range(count)]
    for number in range(int(count * chosen.choice((0.3, 0.7, 1, 2, 4)))):
        source, target = chosen.choice(objects), chosen.choice(objects)
        if type(source) is list:
            source.append(target)
        elif type(source) is dict:
            source[number] = target
        else:
            setattr(source, chosen.choice(source.__slots__), target)
    return objects


def references(objects):
    """Numbers of the objects that each refers to."""
    at = {id(one): number for number, one in enumerate(objects)}
    return [sorted({at[id(other)] for other in gc.get_referents(one) if id(other) in at}) for one in objects]


def without_leaves(edges):
    left = set(range(len(edges)))
    while True:
        kept = {one for one in left if left.intersection(edges[one])}
        if kept == left:
            return left
        left = kept


def connected(edges):
    """The number of the part that each is in: a part is known by its first."""
    first = list(range(len(edges)))

    def of(one):
        while first[one] != one:
            one = first[one]
        return one

    for source, targets in enumerate(edges):
        for target in targets:
            low, high = sorted((of(source), of(target)))
            first[high] = low
    return [of(one) for one in range(len(edges))]


def in_loops(edges):
    """Those that lead to themselves, by Tarjan's strongly connected components."""
    order, low, stack, found = {}, {}, [], set()
    for root in range(len(edges)):
        work = [] if root in order else [(root, iter(edges[root]))]
        if work:
            order[root] = low[root] = len(order)
            stack.append(root)
        while work:
            one, rest = work[-1]
            for other in rest:
                if other not in order:
                    order[other] = low[other] = len(order)
                    stack.append(other)
                    work.append((other, iter(edges[other])))
                    break
                if other in stack:
                    low[one] = min(low[one], order[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[one])
                if low[one] == order[one]:
                    component = stack[stack.index(one):]
                    del stack[stack.index(one):]
                    if len(component) > 1 or one in edges[one]:
                        found.update(component)
    return found


def pairs(graph):
    return {(edge.src, edge.dst) for edge in graph.edges}


def ids(objects, numbers):
    return {id(objects[number]) for number in numbers}


def is_true(seed):
    objects = build(seed)
    edges = references(objects)
    graph = ReferenceGraph(objects)
    expected = {(id(objects[one]), id(objects[other])) for one, others in enumerate(edges) for other in others}
    cases.equal((pairs(graph), len(graph.edges), graph.count), (expected, len(expected), len(objects)))
    cases.equal(sum(node.size for node in graph.metadata), graph.total_size)

    parts = connected(edges)
    islands = list(graph.split())
    found = sorted(sorted(node.id for node in island.metadata) for island in islands)
    cases.equal(found, sorted(sorted(ids(objects, [one for one in range(len(objects)) if parts[one] == part]))
                              for part in set(parts)))
    cases.equal(set().union(*(pairs(island) for island in islands)), expected)
    cases.equal([len(island.metadata) for island in graph.split_and_sort()], sorted(map(len, found), reverse=True))

    left = without_leaves(edges)
    reduced = graph.reduce_to_cycles()
    cases.equal((graph.num_in_cycles, reduced is None), (len(left), not left))
    if reduced is not None:
        cases.equal({id(one) for one in reduced.objects}, ids(objects, left))
        cases.equal(pairs(reduced), {pair for pair in expected if set(pair) <= ids(objects, left)})
    straight = ReferenceGraph(objects, reduce=True)
    cases.equal((straight.num_in_cycles, straight.count), (len(left), len(objects)))
    cases.equal(in_loops(edges) <= left, True)
    cases.equal({node.cycle for node in graph.metadata}, {False})
    for one in objects:
        if type(one) is not Node:
            one.clear()


def random_graphs():
    for seed in range(60):
        is_true(seed)


def logs_of_graphs_tell_what_is_in_a_loop():
    with_loops = 0
    for seed in range(8):
        objects = build(seed)
        edges = references(objects)
        loops = in_loops(edges)
        name = f"graph{seed}.dat"
        cases.equal(ReferenceGraph(objects).dump(name), True)
        nodes = json.loads(cases.run("memstats", "graph_nodes", name, "--format", "json").stdout)["rows"]
        links = json.loads(cases.run("memstats", "graph_edges", name, "--format", "json").stdout)["rows"]
        cases.equal(sum(row["count"] for row in nodes), len(objects))
        cases.equal(sum(row["count"] for row in nodes if "cycle" in (row["flags"] or "")), len(loops), f"seed {seed}")
        cases.equal(sum(row["count"] for row in links), sum(map(len, edges)))
        with_loops += bool(loops)
        for one in objects:
            if type(one) is not Node:
                one.clear()
    cases.equal(with_loops > 2, True)


cases.main(random_graphs, logs_of_graphs_tell_what_is_in_a_loop)
