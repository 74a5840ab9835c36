# SPDX-License-Identifier: MIT
from collections.abc import Container, Iterable, Sequence
from types import CodeType, FrameType
from typing import Any, TypeVar

__all__ = ["MProfiler"]

Self = TypeVar("Self", bound="MProfiler")

class MProfiler:
    """Measures all objects whenever one of some events comes at one of some codepoints."""

    codepoints: Iterable[Sequence[Any]] | None
    events: Container[str] | None
    collect: bool
    @property
    def memories(self) -> dict[tuple[str, str, int], list[int]]: ...
    def __init__(self, codepoints: Iterable[Sequence[Any]] | None = None,
                 events: Container[str] | None = None, collect: bool = True) -> None: ...
    def codepoint_included(self, codepoint: Sequence[Any], /) -> bool: ...
    def profile(self, frame: FrameType, event: str, arg: object, /) -> None: ...
    def run(self: Self, cmd: str | bytes | CodeType) -> Self: ...
