# SPDX-License-Identifier: MIT
"""Garbage: objects that only refer to each other, and that the collector has to find.

    >>> from memcapture.garbagegraph import GarbageGraph, start_debug_garbage, end_debug_garbage
    >>> start_debug_garbage()
    >>> ring = []; ring.append(ring); del ring
    >>> GarbageGraph().print_stats()                         # doctest: +SKIP
    >>> end_debug_garbage()

The collector keeps what it finds in `gc.garbage`; so does a graph, as long as it lives.
"""

import gc
import sys

from ._text import pp, trunc
from .refgraph import ReferenceGraph

__all__ = ["GarbageGraph", "start_debug_garbage", "end_debug_garbage"]

_before = []    # the collector's flags, and whether it was on, before any of this


def _remember():
    if not _before:
        _before[:] = gc.get_debug(), gc.isenabled()


def _line(text, width):
    """A text on one line of a terminal."""
    return trunc("".join(char if char.isprintable() or char == "\n" else "?" for char in text), width)


class GarbageGraph(ReferenceGraph):
    """The references between the objects that a collection finds.

    The collector is set to keep what it finds (gc.DEBUG_SAVEALL), and stays so until
    end_debug_garbage(); then it runs.  Without `collectable` only what it cannot free is told.  With
    `reduce`, only what leads to a cycle.  Best while the collector is off: see start_debug_garbage().
    """

    _kind = "garbage"

    def __init__(self, reduce=False, collectable=True):
        _remember()
        gc.set_debug(gc.DEBUG_SAVEALL if collectable else 0)
        gc.collect()
        super().__init__(gc.garbage, reduce)

    def print_stats(self, stream=None):
        """Prints the objects, the largest first, and their number and size, to sys.stdout or `stream`."""
        stream = stream or sys.stdout
        stream.write("%-10s %8s %-12s %-46s\n" % ("id", "size", "type", "representation"))
        for node in sorted(self.metadata, key=lambda node: -node.size):
            stream.write("0x%08x %8d %-12s %-46s\n" % (node.id, node.size, _line(node.type, 12),
                                                       _line(node.str, 46)))
        stream.write("Garbage: %8d collected objects (%s in cycles): %12s\n" %
                     (self.count, self.num_in_cycles, pp(self.total_size)))


def start_debug_garbage():
    """Frees the garbage that there is and turns the collector off: what comes then stays to be looked at."""
    _remember()
    gc.collect()
    gc.disable()


def end_debug_garbage():
    """Sets the collector as it was before start_debug_garbage() or the first GarbageGraph.

    Without either of them before it, it is turned on and keeps nothing.  gc.garbage is left as it is.
    """
    debug, enabled = _before or (0, True)
    _before.clear()
    gc.set_debug(debug)
    if enabled:
        gc.enable()
    else:
        gc.disable()
