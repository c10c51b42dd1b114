"""What every writer of an upstream's output items has: the operations of an item, and what a stream's writers share.

Operations come in the order of the stream. A writer takes those that its item can have and passes over the others.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from dragoman.core.events import Event, Noted
from dragoman.core.notes import Note
from dragoman.wire.base import DecodeContext
from dragoman.wire.responses.items import Item


class Counters:
    """What the writers of one stream share: the context, and the numbers of blocks and reasoning segments."""

    def __init__(self, context: DecodeContext) -> None:
        self.context = context
        self._blocks = 0
        self._segments = 0

    def next_block(self) -> int:
        """The index of a new block."""
        self._blocks += 1
        return self._blocks - 1

    def next_segment(self) -> int:
        """The number of a new reasoning segment."""
        self._segments += 1
        return self._segments - 1


class Writer:
    """One item: takes its operations in order and writes its blocks."""

    call = False

    def __init__(self, shared: Counters, item: Item, raw: Raw) -> None:
        self.shared = shared
        self.item = item
        self.raw = raw
        self.backlog: list[tuple[str, tuple[Any, ...]]] = []
        self.parts: list[str] = []
        self.closed = False

    def begin(self, out: list[Event]) -> None:
        """The item is live now."""

    def text(self, part: int, refusal: bool, text: str, out: list[Event]) -> None:
        """Visible text."""

    def cite(self, raw: Raw, out: list[Event]) -> None:
        """A citation."""

    def think(self, summary: bool, part: int, text: str, out: list[Event]) -> None:
        """Thinking."""

    def arguments(self, text: str, out: list[Event]) -> None:
        """Arguments of a call."""

    def settle(self, text: str, out: list[Event]) -> None:
        """The vendor says what the deltas of the open block amount to."""

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        """The item is whole."""
        self.closed = True

    def cut(self, complete: bool, out: list[Event]) -> None:
        """The stream ends without the item's `done`."""
        self.closed = True

    def rest(self, whole: str, out: list[Event]) -> str:
        """What of `whole` was not streamed; a note where the two differ."""
        said = "".join(self.parts)
        if whole.startswith(said):
            return whole[len(said) :]
        out.append(Noted(Note("event_skipped", "", "a done event contradicts its deltas; the deltas stand")))
        return ""
