# SPDX-License-Identifier: MIT
"""Reference browsers: what refers to an object, and what refers to that, as a tree.

    >>> from memcapture.refbrowser import ConsoleBrowser
    >>> ConsoleBrowser(some_object, maxdepth=2).print_tree()    # doctest: +SKIP
    <class 'app.Order'>-+-<class 'list'>-+-<class 'app.Cart'>
                        |                +-<class 'dict'>
                        |
                        +-<class 'dict'>---module(app)

The referrers of a whole level of the tree are found in one walk over all objects, in C, by
`memcapture._capture`.  The browser itself, its trees and the frames of its calls are no part of
what it shows.  `RefBrowser.graph` gives the same as a graph, in which each object is one node.
"""

import sys

from . import _capture, summary

__all__ = ["ConsoleBrowser", "FileBrowser", "InteractiveBrowser", "RefBrowser", "StreamBrowser",
           "gui_default_str_function"]


class _Node:
    """An object in a tree, and its referrers: nodes, or other objects, which are leaves."""

    def __init__(self, o, str_func=None):
        self.o = o
        self.children = []
        self.str_func = str_func

    def __str__(self):
        return str(self.o) if self.str_func is None else self.str_func(self.o)


class RefBrowser:
    """Finds what refers to an object; other browsers show it."""

    def __init__(self, rootobject, maxdepth=3, str_func=summary._repr, repeat=True, stream=None):
        """Of the root object, levels to go, texts by str_func(object), the output stream.

        Without repeat an object has one node; further ones are a text that mentions its id.
        """
        self.root = rootobject
        self.maxdepth = maxdepth
        self.str_func = str_func
        self.repeat = repeat
        self.stream = stream
        self.ignore = []               # objects that are left out
        self.already_included = set()  # ids of objects that have a node
        self.ignore.append(self.already_included)

    def get_tree(self):
        """The tree of what refers to the root object."""
        return self._get_tree(self.root, self.maxdepth)

    def graph(self):
        """What refers to the root object as a graph: (nodes, edges, whether that is all of it).

        A node is (id, type, label, size, count, flags), the root object's the first; flags are a sum of
        1: refers to itself, 2: a module, 4: the root object.  An edge is (from, to, label, count) and
        leads from an object to one that it refers to.  The nearest objects come first, at most 512.
        """
        return _capture.referrer_graph(self, self.root, self.maxdepth, self.ignore)

    def _get_tree(self, root, maxdepth):
        return _capture.referrer_tree(self, root, maxdepth, self.ignore, self.repeat, self.str_func,
                                      _Node, self.already_included)


class StreamBrowser(RefBrowser):
    """Writes the tree to a stream; what its lines are made of can be changed."""

    hline = "-"
    vline = "|"
    cross = "+"
    space = " "

    def print_tree(self, tree=None):
        """Writes a tree, the root object's unless another is given."""
        self._print(self.get_tree() if tree is None else tree, "", "")

    def _print(self, tree, prefix, carryon):
        """Writes a tree behind a prefix; carryon goes before its further lines."""
        waiting = []    # (remaining children, carryon) of the nodes above
        while True:
            opened = self._print_vertex(tree, prefix, carryon)
            if opened is not None:
                waiting.append(opened[:2])
                tree, prefix, carryon = opened[2:]
                continue
            while waiting and not waiting[-1][0]:
                carryon = waiting.pop()[1]
                if carryon is not None and carryon.strip(" "):
                    self.stream.write(carryon[:-2].rstrip() + "\n")
            if not waiting:
                return
            children, carryon = waiting[-1]
            tree = children.pop()
            prefix = carryon[:-2] + self.cross + self.hline
            if not children:    # no line down beside the last one
                carryon = carryon[:-2] + 2 * self.space
                waiting[-1] = (children, carryon)

    def _print_vertex(self, tree, prefix, carryon):
        """Writes a leaf's line, for None; of a node gives the children after the first (the next is the
        last), what to write when they are done (None: nothing), and the first with its prefixes."""
        children = tree.children if isinstance(tree, _Node) else []
        level = prefix.count(self.cross) + prefix.count(self.vline)
        text = str(tree)
        prefix += text
        if level == self.maxdepth or not children:
            self.stream.write(prefix + "\n")
            return None
        carryon += self.space * len(text)
        several = len(children) > 1
        prefix += self.hline + (self.cross if several else "") + self.hline
        carryon += self.space + (self.vline if several else "") + self.space
        return children[:0:-1], carryon if several else None, children[0], prefix, carryon


class ConsoleBrowser(StreamBrowser):
    """Writes the tree to standard output, unless it is given a stream."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.stream:
            self.stream = sys.stdout


class FileBrowser(StreamBrowser):
    """Writes the tree to a file."""

    def print_tree(self, filename, tree=None):
        """Writes a tree, the root object's unless another is given, to a file of this name."""
        before = self.stream
        with open(filename, "w") as file:
            self.stream = file
            try:
                super().print_tree(tree=tree)
            finally:
                self.stream = before


def gui_default_str_function(o):
    """The text of an object with its id."""
    return f"{summary._repr(o)}(id={id(o)})"


class InteractiveBrowser(RefBrowser):
    """A window with the tree; there is none here."""

    def __init__(self, rootobject, maxdepth=3, str_func=gui_default_str_function, repeat=True):
        """Raises ImportError, which says where to look instead."""
        raise ImportError("InteractiveBrowser needs a window, which memcapture does not open: "
                          "print the tree with ConsoleBrowser, or look at RefBrowser.graph() or at the "
                          "graphs and holders in the report of memreport")

    def main(self, standalone=False):
        """Not there without a window."""
