# SPDX-License-Identifier: MIT
"""How much memory all objects take up, at places in the code.

    >>> from memcapture.mprofile import MProfiler
    >>> profiler = MProfiler(codepoints=[(None, "work", None)], events=["return"])
    >>> profiler.run("def work(): pass\\nwork()").memories    # doctest: +SKIP
    {('<string>', 'work', 1): [1, 1823741, 1823741, 0]}

A measurement is a garbage collection and a walk over all objects, in C, by `memcapture._capture`.
The collection takes most of the time; without it (collect=False), garbage counts until the collector
comes to it by itself.
"""

import sys

from . import _capture

__all__ = ["MProfiler"]


class MProfiler(_capture.CodepointProfiler):
    """Measures all objects whenever one of some events comes at one of some codepoints.

    A codepoint is (file, function, line), of which None stands for any: (None, "work", None) is
    every function of that name.  Events are those of sys.setprofile(): call, return, c_call, c_return,
    c_exception.  Without either of the two, all of them count.

    `memories` tells for each codepoint [times, least, most, 0], sizes in bytes; the last is always 0.
    The profiler and what it keeps are not in them.
    """

    def __init__(self, codepoints=None, events=None, collect=True):
        self.codepoints = codepoints
        self.events = events
        self.collect = bool(collect)

    def run(self, cmd):
        """Runs source or a code object in the main module, and gives the profiler."""
        namespace = sys.modules["__main__"].__dict__
        before = sys.getprofile()
        sys.setprofile(self.profile)
        try:
            exec(cmd, namespace)
        finally:
            sys.setprofile(before)
        return self
