# SPDX-License-Identifier: MIT
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

__all__ = ["format_", "get_diff", "print_", "representations", "summarize"]

representations: dict[type, Sequence[Callable[[Any], str]]]

def summarize(objects: Iterable[Any]) -> list[list[Any]]: ...
def get_diff(left: Iterable[Sequence[Any]], right: Iterable[Sequence[Any]]) -> list[list[Any]]: ...
def format_(rows: Iterable[Sequence[Any]], limit: int = 15, sort: str = "size",
            order: str = "descending") -> Iterator[str]: ...
def print_(rows: Iterable[Sequence[Any]], limit: int = 15, sort: str = "size",
           order: str = "descending") -> None: ...
