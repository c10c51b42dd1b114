"""Pieces of an answer whose thinking is told apart: fragments, and how they are gathered."""

from __future__ import annotations

from typing import Literal

import msgspec

FragmentKind = Literal["text", "thinking"]


class ThinkFragment(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer. block: number of the thinking block, from 1; 0 for text. raw: what the model wrote.

    `raw` holds tags and dropped white space too, which `text` does not.
    """

    kind: FragmentKind
    text: str
    raw: str = ""
    block: int = 0


class Gathered:
    """Fragments being gathered; neighbours of one kind become one."""

    __slots__ = ("_block", "_done", "_kind", "_raw", "_text")

    def __init__(self) -> None:
        self._done: list[ThinkFragment] = []
        self._kind: FragmentKind = "text"
        self._block = 0
        self._text: list[str] = []
        self._raw: list[str] = []

    def put(self, kind: FragmentKind, block: int, text: str, raw: str) -> None:
        """One more piece."""
        if kind != self._kind or block != self._block:
            self._close()
            self._kind, self._block = kind, block
        self._text.append(text)
        self._raw.append(raw)

    def _close(self) -> None:
        if self._raw:
            self._done.append(ThinkFragment(self._kind, "".join(self._text), "".join(self._raw), self._block))
            self._text, self._raw = [], []

    def take(self) -> list[ThinkFragment]:
        """All of them."""
        self._close()
        return self._done
