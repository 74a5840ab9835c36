#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Graphs of objects: who refers to whom and by what name, cycles, connected parts, sizes, and what is
written and drawn of them; and objects that do their worst."""

import copy
import gc
import json
import os
import random
import re
import sys
import types
import weakref

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import asizeof
from memcapture.refgraph import ReferenceGraph, _Edge


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Bare:
    pass


class Slotted:
    __slots__ = ("one", "two")

    def __init__(self, one, two):
        self.one = one
        self.two = two


def pairs(graph):
    return {(edge.src, edge.dst) for edge in graph.edges}


def labels(graph):
    return {(edge.src, edge.dst): edge.label for edge in graph.edges}


def expected_pairs(objects):
    """By the collector's own function."""
    known = {id(one) for one in objects}
    return {(id(one), id(other)) for one in objects for other in gc.get_referents(one) if id(other) in known}


def some_world(count, seed):
    chosen = random.Random(seed)
    objects = []
    for number in range(count):
        one = chosen.choice(objects) if objects and chosen.random() < 0.7 else [number]
        other = chosen.choice(objects) if objects else number
        objects.append(chosen.choice((
            lambda: [one, other], lambda: {"one": one, 2: other}, lambda: (one, other), lambda: Plain(one=one),
            lambda: Slotted(one, other), lambda: (lambda: one), lambda: {"only": one}.items(), lambda: str(number),
        ))())
    for one in objects:
        if isinstance(one, list):
            one.append(chosen.choice(objects))
    return objects


# ---- What it is made of --------------------------------------------------------


def edges_are_what_the_collector_finds():
    for seed in range(5):
        objects = some_world(200, seed)
        graph = ReferenceGraph(objects)
        cases.equal(pairs(graph), expected_pairs(objects))
        cases.equal(len(graph.edges), len(pairs(graph)))


def edges_have_the_names_of_keys_attributes_and_slots():
    held, kept = ["held"], ["kept"]
    dictionary = {"name": held, 7: kept, (1, 2): dictionary_of(kept)}
    slotted, listed = Slotted(held, kept), [held]
    instance = Bare()
    instance.attribute = held
    cell = (lambda: held).__closure__[0]
    made = Plain(attribute=held)
    own = made.__dict__
    graph = ReferenceGraph([held, kept, dictionary, instance, slotted, listed, cell, made, own])
    found = labels(graph)
    for source, target, label in (
        (dictionary, held, "name"), (dictionary, kept, 7), (slotted, held, "one"), (slotted, kept, "two"),
        (listed, held, ""), (cell, held, "cell_contents"),
    ):
        cases.equal(found.get((id(source), id(target)), "none"), label, type(source))
    # How an instance refers to its attributes differs from version to version.
    for source, target, label in (instance, held, "attribute"), (made, own, "__dict__"), (own, held, "attribute"):
        there = any(one is target for one in gc.get_referents(source))
        cases.equal(found.get((id(source), id(target)), "none"), label if there else "none", type(source))
    assert _Edge(id(dictionary), id(held), "name") in graph.edges
    assert _Edge(id(dictionary), id(held), "other") not in graph.edges
    assert _Edge(id(held), id(dictionary), "name") not in graph.edges
    assert "no edge" not in graph.edges


def dictionary_of(value):
    return {"value": value}


def looking_makes_no_dicts():
    instance = Plain()
    instance.attribute = held = [1]
    before = sys.getsizeof(gc.get_referents(instance))
    graph = ReferenceGraph([instance, held])
    list(graph.edges)
    cases.equal(sys.getsizeof(gc.get_referents(instance)), before)
    references = sys.getrefcount(held)
    del graph
    cases.equal(sys.getrefcount(held), references - 1)


def sizes_are_those_of_asizesof():
    objects = some_world(300, 9)
    graph = ReferenceGraph(objects)
    cases.equal([node.size for node in graph.metadata], list(asizeof.asizesof(*objects)))
    cases.equal(graph.total_size, asizeof.asizeof(*objects))


def metadata_tells_the_objects():
    objects = [[1, 2], Plain(), "text", Slotted, sys._getframe()]
    nodes = ReferenceGraph(objects).metadata
    cases.equal([node.id for node in nodes], [id(one) for one in objects])
    cases.equal([node.type for node in nodes], ["list", "Plain", "str", "type", "frame"])
    cases.equal([node.str for node in nodes[:3]], ["[1, 2]", repr(objects[1]), "'text'"])
    cases.equal([node.cycle for node in nodes], [False] * 5)


def texts_are_those_of_repr():
    loop = [1]
    loop.append(loop)
    mapping = {"a": 1}
    mapping["self"] = mapping
    pair = ([],)
    pair[0].append(pair)
    for one in ([], (), {}, set(), frozenset(), (1,), [(1, 2), {3}], {1: [2]}, frozenset({1}), loop, mapping, pair,
                "quote ' and \"", b"bytes", [None, 1.5, ...], {"k": ("v", {"w"})}):
        cases.equal(ReferenceGraph([one]).metadata[0].str, repr(one))


def long_texts_are_cut():
    long = "x" * 1000
    for one in (long, [long], list(range(1000)), {"key": long}, "y" * 10000, b"z" * 10000, (long, long)):
        text = ReferenceGraph([one]).metadata[0].str
        cases.equal(len(text), 128)
        cases.equal(text[:124], repr(one)[:124])
        cases.contains(text[-4:], "..")


def a_generator_and_duplicates_are_taken():
    shared = ["shared"]
    graph = ReferenceGraph(one for one in (shared, shared, [shared], shared))
    cases.equal((graph.count, len(graph.metadata), len(graph.objects), len(graph.edges)), (4, 4, 4, 1))
    cases.equal([one is shared for one in graph.objects], [True, True, False, True])
    cases.equal(graph.total_size, asizeof.asizeof(shared, graph.objects[2]))
    parts = graph.split_and_sort()
    cases.equal([part.count for part in parts], [2])


def nothing_is_a_graph_too():
    graph = ReferenceGraph([])
    cases.equal((graph.count, graph.objects, len(graph.edges), graph.metadata, graph.total_size), (0, [], 0, [], 0))
    cases.equal((graph.reduce_to_cycles(), graph.num_in_cycles, list(graph.split())), (None, 0, []))
    cases.equal(graph.render("nothing.svg"), False)
    assert not os.path.exists("nothing.svg")
    with cases.raises(TypeError):
        ReferenceGraph(7)


# ---- Parts -----------------------------------------------------------------------


def leaves_are_eliminated_again_and_again():
    first, second = [], []
    first.append(second)
    second.append(first)
    tail = [[[[]]]]
    chain = [tail, tail[0], tail[0][0], tail[0][0][0]]
    leads_there = [first]
    second.append(tail)
    itself = {}
    itself["me"] = itself
    graph = ReferenceGraph([first, second, leads_there, itself] + chain)
    cases.equal(graph.num_in_cycles, "N/A")
    reduced = graph.reduce_to_cycles()
    cases.equal([id(one) for one in reduced.objects], [id(one) for one in (first, second, leads_there, itself)])
    cases.equal((graph.num_in_cycles, reduced.num_in_cycles, graph.count), (4, 4, 8))
    cases.equal({node.cycle for node in reduced.metadata}, {True})
    assert graph.reduce_to_cycles() is reduced and reduced.reduce_to_cycles() is reduced
    straight = ReferenceGraph(graph.objects, reduce=True)
    cases.equal((straight.count, straight.num_in_cycles, len(straight.metadata)), (8, 4, 4))
    cases.equal(straight.total_size, asizeof.asizeof(*reduced.objects))


def without_a_cycle_there_is_none():
    graph = ReferenceGraph([[], [[]]])
    cases.equal((graph.reduce_to_cycles(), graph.num_in_cycles), (None, 0))
    empty = ReferenceGraph([[]], reduce=True)
    cases.equal((empty.count, empty.num_in_cycles, empty.objects, empty.render("none.svg")), (1, 0, [], False))


def expected_parts(objects):
    """Sizes of the connected parts, found in another way."""
    neighbours = {id(one): set() for one in objects}
    for source, target in expected_pairs(objects):
        neighbours[source].add(target)
        neighbours[target].add(source)
    left, sizes = set(neighbours), []
    while left:
        part, front = set(), {left.pop()}
        while front:
            part |= front
            front = set().union(*(neighbours[one] for one in front)) - part
        left -= part
        sizes.append(len(part))
    return sorted(sizes, reverse=True)


def parts_are_what_is_connected():
    for seed in range(5):
        objects = some_world(150, seed)
        graph = ReferenceGraph(objects)
        parts = list(graph.split())
        cases.equal([part.index for part in parts], list(range(len(parts))))
        cases.equal(sum(part.total_size for part in parts), graph.total_size)
        cases.equal(sum(len(part.edges) for part in parts), len(graph.edges))
        for part in parts:
            cases.equal(pairs(part), expected_pairs(part.objects))
            cases.equal({node.group for node in part.metadata}, {part.index})
        ordered = graph.split_and_sort()
        cases.equal([part.count for part in ordered], expected_parts(objects))
        cases.equal([part.index for part in ordered], list(range(len(parts))))
        groups = {node.id: node.group for node in graph.metadata}
        cases.equal({(groups[edge.src], groups[edge.dst]) for edge in graph.edges},
                    {(edge.group, edge.group) for edge in graph.edges})


def a_chain_given_backwards_is_one_part():
    chain = [[]]
    for _ in range(50):
        chain.append([chain[-1]])
    random.Random(3).shuffle(chain)
    cases.equal([part.count for part in ReferenceGraph(chain).split()], [51])


def a_part_is_a_graph_of_its_kind():
    class Own(ReferenceGraph):
        pass

    ring = []
    ring.append(ring)
    graph = Own([ring, [1]])
    graph.note = "kept"
    ring_part, other = graph.split_and_sort()
    cases.equal((type(ring_part), ring_part.note), (Own, "kept"))
    cases.equal(ring_part.reduce_to_cycles().count, 1)
    cases.equal(other.reduce_to_cycles(), None)
    cases.equal([again.count for again in ring_part.split()], [1])
    cases.equal(len(copy.copy(graph).edges), 1)


# ---- Files -----------------------------------------------------------------------


def written(objects, name="graph.dot"):
    ReferenceGraph(objects).write_graph(name)
    with open(name, encoding="utf-8") as file:
        return file.read()


def graphviz_text_has_the_form():
    inner = [1]
    outer = {"name": inner}
    holder = Plain()
    holder.__dict__["x"] = 1
    own = holder.__dict__
    frame = sys._getframe()
    cases.equal(written([inner, outer, holder, own, frame]).splitlines(), [
        "// Process this file with graphviz", "digraph G {", "    node [shape=box];",
        f'    "X{hex(id(inner))[1:]}" [ label = "[1]\\nlist"  ];',
        f'    "X{hex(id(outer))[1:]}" [ label = "{{\'name\': [1]}}\\ndict"  ];',
        f'    "X{hex(id(holder))[1:]}" [ label = "{repr(holder)}\\nPlain"  ];',
        f'    "X{hex(id(own))[1:]}" [ label = "{{\'x\': 1}}\\ndict"  ];',
        f'    "X{hex(id(frame))[1:]}" [ label = "{repr(frame)[:45]}...\\nframe" , color=orange ];',
    ] + [line for line in written([inner, outer, holder, own, frame]).splitlines() if " -> " in line] + ["}"])
    edges = [line for line in written([inner, outer, holder, own]).splitlines() if " -> " in line]
    cases.equal(edges, [f'    X{hex(id(outer))[1:]} -> X{hex(id(inner))[1:]} [label="name"];',
                        f'    X{hex(id(holder))[1:]} -> X{hex(id(own))[1:]} [label="__dict__",weight=100];'])


def strings_of(text):
    """The quoted strings of a Graphviz file; all else must be what the form allows."""
    strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    rest = re.sub(r'"(?:[^"\\\n]|\\.)*"', "S", text)
    if not re.fullmatch(r"[\w\s/{}\[\];=,>-]*", rest):
        raise AssertionError(rest)
    return strings


def hostile_names_stay_within_their_quotes():
    target = ["here"]
    names = ['"];X [label="evil', "back\\", "line\nbreak", "\x00\x1b[31m\x7f\x9f", "\ud800", "<b>html</b>", "é€😀",
             "\u2028"]

    class Shown:
        def __init__(self, text):
            self.text = text

        def __repr__(self):
            return self.text

    for name in names:
        evil = type("evil", (), {})
        evil.__name__ = "a\"b\\c\nd"
        text = written([{name: target}, target, Shown(name), evil()])
        strings = strings_of(text)
        cases.equal(len(strings), 9)
        if re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", text):
            raise AssertionError(ascii(text))
    cases.contains(written([{"é€😀": target}, target]), '[label="é€😀"]')
    cases.contains(written([{'say "hi"\\': target}, target]), '[label="say \\"hi\\"\\\\"]')
    cases.contains(written([{"\ud800\n\x01": target}, target]), '[label="\\\\ud800\\\\n\\\\x01"]')


def drawings_need_no_other_program():
    ring = Plain(name="<script>&\"'")
    ring.me = ring
    graph = ReferenceGraph([ring])
    path = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        for name, start in ("g.svg", b"<svg "), ("g.png", b"\x89PNG"), ("g.pdf", b"%PDF"), ("g.ps", b"%!PS-Adobe"), \
                ("g.eps", b"%!PS-Adobe-3.0 EPSF"), ("g.other", b"%!PS-Adobe"):
            cases.equal(graph.render(name), True)
            with open(name, "rb") as file:
                cases.equal(file.read(len(start)), start)
        cases.equal(graph.render("g.eps", unflatten=True), True)
        cases.equal(graph.render("g.dat", format="svg"), True)
        with open("g.dat", encoding="utf-8") as file:
            cases.contains(file.read(), "1 object")
        with cases.raises(ValueError, "jpeg2000"):
            graph.render("g.x", format="jpeg2000")
        with cases.raises(OSError):
            graph.render("g.x", cmd="no-such-program")
        with cases.raises(OSError):
            graph.render("no/such/folder/g.svg")
    finally:
        os.environ["PATH"] = path


def another_program_gets_the_text():
    with open("drawer", "w") as file:
        file.write('#!/bin/sh\necho "$@" >arguments\ncat >given\nexit ${STATUS:-0}\n')
    os.chmod("drawer", 0o755)
    graph = ReferenceGraph([[1], {"a": []}])
    cases.equal(graph.render("out.gif", cmd="./drawer", format="gif"), True)
    with open("arguments") as file:
        cases.contains(file.read(), "-Tgif -o out.gif -N")
    graph.write_graph("expected")
    with open("given") as given, open("expected") as expected:
        cases.equal(given.read(), expected.read())
    os.environ["STATUS"] = "3"
    try:
        cases.equal(graph.render("out.gif", cmd="./drawer"), False)
    finally:
        del os.environ["STATUS"]
    with open("unflatten", "w") as file:
        file.write("#!/bin/sh\nsed s/digraph/flattened/\n")
    os.chmod("unflatten", 0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = os.getcwd() + os.pathsep + path
    try:
        cases.equal(graph.render("out.gif", cmd="drawer", unflatten=True), True)
    finally:
        os.environ["PATH"] = path
    with open("given") as file:
        cases.contains(file.read(), "flattened G {")


def of_large_graphs_a_connected_part_is_drawn():
    hub = [[number] for number in range(2000)]
    graph = ReferenceGraph([[lonely] for lonely in range(700)] + hub + [hub])
    cases.equal(graph.render("large.svg"), True)
    with open("large.svg", encoding="utf-8") as file:
        text = file.read()
    cases.contains(text, "512 of 2701 objects")
    nodes, edges = graph._graph.drawing(512, 2048)
    cases.equal((len(nodes), len(edges)), (512, 511))
    cases.equal({source for source, *_ in edges}, {1})


def a_log_takes_graphs_too():
    ring = {"name": "ring"}
    ring["me"] = ring
    other = [ring]
    graph = ReferenceGraph([ring, other])
    cases.equal(graph.dump(), False)
    cases.equal(graph.dump("graph.dat", "what is held"), True)
    result = cases.run("memstats", "graph_nodes", "graph.dat", "--format", "json")
    cases.equal((result.returncode, result.stderr), (0, ""))
    rows = {row["node"]: row for row in json.loads(result.stdout)["rows"]}
    cases.equal({(row["type"], row["size"], row["flags"]) for row in rows.values()},
                {("dict", graph.metadata[0].size, "cycle"), ("list", graph.metadata[1].size, None)})
    result = cases.run("memstats", "graph_edges", "graph.dat", "--format", "json")
    found = {(rows[row["from"]]["type"], row["label"] or "", rows[row["to"]]["type"])
             for row in json.loads(result.stdout)["rows"]}
    cases.equal(found, {("dict", "me", "dict"), ("list", "", "dict")})


# ---- The worst --------------------------------------------------------------------


def a_repr_that_raises_is_not_available():
    class Raises:
        def __repr__(self):
            raise RuntimeError("no")

    class NoText:
        def __repr__(self):
            return 7

    nodes = ReferenceGraph([Raises(), NoText(), [Raises()], {1: NoText()}]).metadata
    cases.equal([node.str for node in nodes], ["N/A", "N/A", "[N/A]", "{1: N/A}"])
    cases.contains(written([Raises()]), '"N/A\\nRaises"')


def a_repr_that_takes_away_what_is_shown_does_no_harm():
    class Acts:
        def __repr__(self):
            for one in listed, keyed, grouped:
                one.clear()
            return "acted"

    listed = [Acts(), [1] * 100]
    keyed = {number: Acts() for number in range(50)}
    grouped = {Acts() for _ in range(50)}
    nodes = ReferenceGraph([listed, keyed, grouped]).metadata
    cases.equal(nodes[0].str, "[acted]")
    graph = ReferenceGraph([[Acts(), listed], listed])
    listed.append(graph)
    cases.equal(graph.metadata[0].str, "[acted, []]")


def ctrl_c_in_a_repr_is_heard():
    class Interrupted:
        def __repr__(self):
            raise KeyboardInterrupt

    graph = ReferenceGraph([[Interrupted()], Interrupted()])
    for call in (lambda: graph.metadata, lambda: graph.write_graph("cut.dot"), lambda: graph.render("cut.svg")):
        with cases.raises(KeyboardInterrupt):
            call()
    cases.equal(graph.count, 2)


def a_class_that_lies_is_called_by_its_type():
    class Liar:
        __class__ = property(lambda self: int)

    class Raises:
        @property
        def __class__(self):
            raise RuntimeError("no")

        def __getattribute__(self, name):
            raise RuntimeError("nothing")

    cases.equal([node.type for node in ReferenceGraph([Liar(), Raises()]).metadata], ["Liar", "Raises"])


def dead_proxies_are_objects():
    class Dead:
        pass

    one = Dead()
    proxy, reference = weakref.proxy(one), weakref.ref(one)
    del one
    gc.collect()
    graph = ReferenceGraph([proxy, reference])
    cases.equal([node.type for node in graph.metadata], [type(proxy).__name__, type(reference).__name__])
    cases.contains(graph.metadata[0].str, "weakproxy at")
    written([proxy, reference])


def objects_without_a_collector_s_header_are_nodes():
    graph = ReferenceGraph([1, "s", 2.5, None, int, len, ..., sys.modules["sys"]])
    cases.equal(graph.count, 8)
    assert all(node.size >= 0 and node.str for node in graph.metadata)


def a_type_is_taken_away_from_its_objects():
    class Before:
        pass

    class After:
        pass

    changing = Before()
    graph = ReferenceGraph([changing, Before])
    changing.__class__ = After
    cases.equal(graph.metadata[0].type, "After")
    torn = type("torn", (), {})
    instance = torn()
    torn.me = instance
    graph = ReferenceGraph([torn, instance])
    del torn, instance
    gc.collect()
    cases.equal([node.type for node in graph.metadata], ["type", "torn"])


def a_sizeof_that_changes_the_heap_does_no_harm():
    class Acts:
        def __sizeof__(self):
            listed.clear()
            gc.collect()
            return 100

    listed = [Acts()]
    graph = ReferenceGraph([listed, listed[0]])
    cases.equal((graph.count, len(graph.edges)), (2, 1))
    cases.equal(list(graph.edges)[0].label, "")
    keyed = {"gone": [1]}
    graph = ReferenceGraph([keyed, keyed["gone"]])
    keyed.clear()
    cases.equal([edge.label for edge in graph.edges], [""])


def graphs_in_cycles_are_garbage_like_others():
    class Watched(list):
        pass

    held = Watched()
    held.append(ReferenceGraph([held]))
    held[0].metadata, list(held[0].edges)
    seen = weakref.ref(held)
    del held
    gc.collect()
    cases.equal(seen(), None)


def a_graph_keeps_its_objects_and_its_metadata_does_not():
    class Watched(list):
        pass

    held = Watched()
    seen = weakref.ref(held)
    graph = ReferenceGraph([held])
    nodes = graph.metadata
    del held
    assert seen() is not None
    del graph
    cases.equal((seen(), nodes[0].type), (None, "Watched"))


def a_million_in_one_cycle():
    count = 1000000
    ring = [[] for _ in range(count)]
    for number, one in enumerate(ring):
        one.append(ring[number - 1])
    graph = ReferenceGraph(ring)
    cases.equal((graph.count, len(graph.edges)), (count, count))
    reduced = graph.reduce_to_cycles()
    cases.equal(reduced.num_in_cycles, count)
    cases.equal([part.count for part in reduced.split_and_sort()], [count])
    cases.equal(graph.total_size, count * asizeof.flatsize(ring[0], align=8))
    cases.equal(next(iter(graph.edges)).label, "")
    cases.equal(graph.render("million.svg"), True)
    with open("million.svg", encoding="utf-8") as file:
        cases.contains(file.read(), "512 of 1000000 objects")
    del graph, reduced
    for one in ring:
        one.clear()


def a_long_chain_is_no_recursion():
    chain = []
    everything = [chain]
    for _ in range(200000):
        chain = [chain]
        everything.append(chain)
    graph = ReferenceGraph(everything)
    cases.equal((graph.reduce_to_cycles(), len(list(graph.split()))), (None, 1))
    cases.equal(graph.render("chain.svg"), True)
    cases.equal(graph._graph.metadata(False)[-1].str[:10], "[[[[[[[[[[")
    del graph
    while everything:
        everything.pop().clear()


def the_loops_that_are_drawn_are_those_of_another_search():
    """A node is in a cycle when it reaches itself."""
    for seed in range(4):
        objects = some_world(60, seed + 20)
        objects += [one for one in objects if isinstance(one, list)]
        nodes, edges = ReferenceGraph(objects)._graph.drawing(512, 2048)
        targets = {node[0]: {target for source, target, *_ in edges if source == node[0]} for node in nodes}
        for node in nodes:
            reached, front = set(), targets[node[0]]
            while front:
                reached |= front
                front = set().union(*(targets[one] for one in front)) - reached
            cases.equal(bool(node[5]), node[0] in reached)


def modules_and_functions_are_objects_too():
    module = types.ModuleType("made")
    module.value = held = [1]
    graph = ReferenceGraph([module, vars(module), held, written, written.__globals__])
    found = labels(graph)
    cases.equal(found[id(vars(module)), id(held)], "value")
    assert (id(written), id(written.__globals__)) in found
    assert (id(written.__globals__), id(written)) in found


cases.main(
    edges_are_what_the_collector_finds,
    edges_have_the_names_of_keys_attributes_and_slots,
    looking_makes_no_dicts,
    sizes_are_those_of_asizesof,
    metadata_tells_the_objects,
    texts_are_those_of_repr,
    long_texts_are_cut,
    a_generator_and_duplicates_are_taken,
    nothing_is_a_graph_too,
    leaves_are_eliminated_again_and_again,
    without_a_cycle_there_is_none,
    parts_are_what_is_connected,
    a_chain_given_backwards_is_one_part,
    a_part_is_a_graph_of_its_kind,
    graphviz_text_has_the_form,
    hostile_names_stay_within_their_quotes,
    drawings_need_no_other_program,
    another_program_gets_the_text,
    of_large_graphs_a_connected_part_is_drawn,
    a_log_takes_graphs_too,
    a_repr_that_raises_is_not_available,
    a_repr_that_takes_away_what_is_shown_does_no_harm,
    ctrl_c_in_a_repr_is_heard,
    a_class_that_lies_is_called_by_its_type,
    dead_proxies_are_objects,
    objects_without_a_collector_s_header_are_nodes,
    a_type_is_taken_away_from_its_objects,
    a_sizeof_that_changes_the_heap_does_no_harm,
    graphs_in_cycles_are_garbage_like_others,
    a_graph_keeps_its_objects_and_its_metadata_does_not,
    a_million_in_one_cycle,
    a_long_chain_is_no_recursion,
    the_loops_that_are_drawn_are_those_of_another_search,
    modules_and_functions_are_objects_too,
)
