# SPDX-License-Identifier: MIT
from collections.abc import Callable
from typing import IO, Any

__all__ = ["ConsoleBrowser", "FileBrowser", "InteractiveBrowser", "RefBrowser", "StreamBrowser",
           "gui_default_str_function"]

class _Node:
    """An object in a tree, and its referrers: nodes, or other objects, which are leaves."""

    o: Any
    children: list[Any]
    str_func: Callable[[Any], str] | None
    def __init__(self, o: Any, str_func: Callable[[Any], str] | None = None) -> None: ...

class RefBrowser:
    """Finds what refers to an object; other browsers show it."""

    root: Any
    maxdepth: int
    str_func: Callable[[Any], str]
    repeat: bool
    stream: IO[str] | None
    ignore: list[Any]
    already_included: set[int]
    def __init__(self, rootobject: Any, maxdepth: int = 3, str_func: Callable[[Any], str] = ...,
                 repeat: bool = True, stream: IO[str] | None = None) -> None: ...
    def get_tree(self) -> _Node: ...
    def graph(self) -> tuple[list[tuple[int, str, str, int, int, int]], list[tuple[int, int, str, int]], bool]: ...

class StreamBrowser(RefBrowser):
    """Writes the tree to a stream; what its lines are made of can be changed."""

    hline: str
    vline: str
    cross: str
    space: str
    def print_tree(self, tree: Any = None) -> None: ...

class ConsoleBrowser(StreamBrowser):
    """Writes the tree to standard output, unless it is given a stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class FileBrowser(StreamBrowser):
    """Writes the tree to a file."""

    def print_tree(self, filename: str, tree: Any = None) -> None: ...  # type: ignore[override]

def gui_default_str_function(o: Any) -> str:
    """The text of an object with its id."""

class InteractiveBrowser(RefBrowser):
    """A window with the tree; there is none here."""

    def __init__(self, rootobject: Any, maxdepth: int = 3,
                 str_func: Callable[[Any], str] = ..., repeat: bool = True) -> None: ...
    def main(self, standalone: bool = False) -> None: ...
