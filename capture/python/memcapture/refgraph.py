# SPDX-License-Identifier: MIT
"""Objects and which of them refer to which, as a graph that is drawn or written for Graphviz.

    >>> from memcapture.refgraph import ReferenceGraph
    >>> inner = ["in here"]
    >>> graph = ReferenceGraph([inner, {"held as": inner}, []])
    >>> len(graph.edges), [part.count for part in graph.split_and_sort()]
    (1, [2, 1])
    >>> graph.render("graph.svg")                            # doctest: +SKIP
    True

The graph is found in C, by `memcapture._capture`, in time that grows with objects and references:
a million objects in one cycle are no trouble.  What is drawn of a large graph is a part.
"""

import copy
import os
import subprocess
from collections import Counter
from collections.abc import Set
from functools import cached_property

from . import _capture

__all__ = ["ReferenceGraph"]

_NODES_MAX = 512    # what is drawn, and what a log takes
_EDGES_MAX = 2048
_FORMATS = ("png", "svg", "pdf", "ps", "eps")
_STYLE = ("-Nfontsize=10", "-Efontsize=10", "-Nstyle=filled", "-Nfillcolor=#E5EDB8", "-Ncolor=#CCCCCC")


def _types_of(nodes):
    """The three types of a drawing's nodes that take up most."""
    sizes = Counter()
    for _, name, _, size, _, _ in nodes:
        sizes[name] += size
    names = [name for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))]
    return ", ".join(names[:3] + ["..."] * (len(names) > 3))


class _Edge:
    """That the object `src` refers to the object `dst`, both ids, and by what name."""

    __slots__ = ("src", "dst", "label", "group")

    def __init__(self, src, dst, label):
        self.src = src
        self.dst = dst
        self.label = label
        self.group = None

    def __repr__(self):
        return f"<{self.src:08x} => {self.dst:08x}, '{self.label}', {self.group}>"

    def __hash__(self):
        return hash((self.src, self.dst))

    def __eq__(self, other):
        if not isinstance(other, _Edge):
            return NotImplemented
        return (self.src, self.dst, self.label) == (other.src, other.dst, other.label)


class _Edges(Set):
    """The edges of a graph as a set; each is made when it is asked for."""

    def __init__(self, graph):
        self._graph = graph

    @classmethod
    def _from_iterable(cls, edges):
        return set(edges)

    def _edge(self, number):
        src, dst, label, group = self._graph.edge(number)
        edge = _Edge(src, dst, label)
        edge.group = group
        return edge

    def __len__(self):
        return self._graph.edge_count

    def __iter__(self):
        return map(self._edge, range(len(self)))

    def __contains__(self, edge):
        number = self._graph.find(edge.src, edge.dst) if isinstance(edge, _Edge) else -1
        return number >= 0 and self._edge(number) == edge

    def __repr__(self):
        return f"<{len(self)} edges>"


class ReferenceGraph:
    """The references between some objects.

    Attributes: objects (a list), count, num_in_cycles ('N/A' until it is known), edges (a set: src,
    dst, label, group), metadata (a list: size, id, type, str, group, cycle), total_size, and index,
    of a graph that split() gave.  An object that was given twice is one node; sizes are those of
    asizesof().  Names of references and texts of objects are made when they are first asked for.
    """

    _kind = "references"

    def __init__(self, objects, reduce=False):
        """With reduce, only the objects that lead to a cycle; `count` is still that of all."""
        objects = objects if isinstance(objects, (list, tuple)) else list(objects)
        self.count = len(objects)
        self._graph = _capture.ObjectGraph(objects, bool(reduce))
        self._is_reduced = bool(reduce)
        self._reduced = None
        self.total_size = self._graph.total_size
        self.num_in_cycles = self._graph.count if reduce else "N/A"

    def _with(self, graph, is_reduced):
        """A copy of this one that shows another graph."""
        made = copy.copy(self)
        for name in ("objects", "edges", "metadata"):
            made.__dict__.pop(name, None)
        made._graph = graph
        made._is_reduced = is_reduced
        made._reduced = None
        made.total_size = graph.total_size
        made.num_in_cycles = graph.count if is_reduced else "N/A"
        return made

    @cached_property
    def objects(self):
        """The objects, as they were given."""
        return self._graph.objects()

    @cached_property
    def edges(self):
        """Which object refers to which: each has src, dst (ids), label and group."""
        return _Edges(self._graph)

    @cached_property
    def metadata(self):
        """For each object its size, id, type, str (repr), group (of the graph's parts) and cycle."""
        return self._graph.metadata(self._is_reduced)

    def reduce_to_cycles(self):
        """The graph of those objects that lead to a cycle; None when there are none."""
        if self._is_reduced:
            return self if self._graph.count else None
        if self._reduced is None:
            graph = self._graph.reduced()
            self.num_in_cycles = graph.count if graph else 0
            self._reduced = self._with(graph, True) if graph else None
        return self._reduced

    def split(self):
        """Gives a graph for each part that is connected, with its index and total_size."""
        for index in range(self._graph.group_count):
            part = self._with(self._graph.group(index), self._is_reduced)
            part.count = part._graph.count
            part.index = index
            yield part

    def split_and_sort(self):
        """The connected parts as a list, that with the most objects first."""
        parts = sorted(self.split(), key=lambda part: -part.count)
        for index, part in enumerate(parts):
            part.index = index
        return parts

    def _title(self, shown):
        count = self._graph.node_count
        whole = f"{count} object{'' if count == 1 else 's'}"
        return whole if shown == count else f"{shown} of {whole}"

    def render(self, filename, cmd="dot", format=None, unflatten=False):
        """Draws the graph to a file; False when there is nothing to draw, else True.

        The format is png, svg, pdf, ps or eps; without one, what the file's name ends in, or ps.
        No other program is needed.  Of more than 512 objects those next to the most connected one
        are drawn, and the drawing says so.  A `cmd` other than dot is run as that program of
        Graphviz's is (-T FORMAT -o FILE), after `unflatten -l7` where that is wanted; an OSError
        when it cannot be, and False when it fails.
        """
        if not self._graph.count:
            return False
        filename = os.fspath(filename)
        ending = os.path.splitext(filename)[1][1:].lower()
        if format is None:
            format = ending if ending in _FORMATS else "ps"
        if cmd != "dot":
            return self._run(cmd, filename, format, unflatten)
        from . import _report
        nodes, edges = self._graph.drawing(_NODES_MAX, _EDGES_MAX)
        _report.draw_graph(nodes, edges, filename, format, self._title(len(nodes)))
        return True

    def _run(self, cmd, filename, format, unflatten):
        command = (cmd, f"-T{format}", "-o", filename) + _STYLE
        if not unflatten:
            with subprocess.Popen(command, stdin=subprocess.PIPE) as drawing:
                self._graph.write(drawing.stdin.write)
            return drawing.returncode == 0
        with subprocess.Popen(("unflatten", "-l7"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
            with subprocess.Popen(command, stdin=first.stdout) as drawing:
                first.stdout.close()
                self._graph.write(first.stdin.write)
                first.stdin.close()
        return first.returncode == 0 and drawing.returncode == 0

    def write_graph(self, filename):
        """Writes the graph as Graphviz reads it."""
        with open(filename, "wb") as file:
            self._graph.write(file.write)

    def dump(self, path=None, title=None):
        """Adds the graph to a log, which memreport shows: memrecord's, what MEMCAPTURE_LOG names, or path.

        False when there is no log.  A log takes up to 512 objects of a graph.  Without a title the
        types that take up most are named.
        """
        log = _capture.ObjectLog(path)
        active = log.active
        if active:
            nodes, edges = self._graph.drawing(_NODES_MAX, _EDGES_MAX)
            log.graph(self._kind, _types_of(nodes) if title is None else title, nodes, edges, self._graph.node_count,
                      self.total_size)
        log.close()
        return active
