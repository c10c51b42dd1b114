"""Puts the items of an upstream's Responses stream in order, so that their blocks do not interleave.

One item is live; what comes for another waits until the live one is done. How an item is written is `writers`' matter.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from dragoman.core.events import Event, Noted
from dragoman.core.notes import Note
from dragoman.wire.base import DecodeContext
from dragoman.wire.responses.fields import NOTHING
from dragoman.wire.responses.item_writer import Counters, Writer
from dragoman.wire.responses.items import Item
from dragoman.wire.responses.writers import writer_for

_IMPLIED = {
    "text": "message",
    "cite": "message",
    "think": "reasoning",
}
"""What an operation without an `output_item.added` must belong to. Arguments without a name belong to nothing."""


class Order:
    """The items of one stream. Operations go to the live item at once, to others when their time comes."""

    def __init__(self, context: DecodeContext) -> None:
        self.shared = Counters(context)
        self.called = False
        self.live: Writer | None = None
        self.live_index: int | None = None
        self._waiting: dict[int, Writer] = {}
        self._seen: set[int] = set()
        self._ids: set[str] = set()

    @property
    def open_call(self) -> bool:
        """Whether a call is open or waiting."""
        return (self.live is not None and self.live.call) or any(w.call for w in self._waiting.values())

    @property
    def count(self) -> int:
        """How many items were seen."""
        return len(self._seen)

    def seen(self, index: int, id: str | None) -> bool:
        """Whether the item at this place, or of this id, came by."""
        return index in self._seen or (id is not None and id in self._ids)

    def is_open(self, index: int) -> bool:
        """Whether the item at this place came by and is not done."""
        return index == self.live_index or index in self._waiting

    def added(self, index: int, item: Item, raw: Raw, out: list[Event]) -> None:
        """A new item."""
        if index in self._seen:
            return
        self._seen.add(index)
        if item.id:
            self._ids.add(item.id)
        writer = writer_for(self.shared, item, raw)
        self.called = self.called or writer.call
        if self.live is None:
            self._promote(index, writer, out)
        else:
            self._waiting[index] = writer

    def push(self, index: int | None, operation: str, args: tuple[Any, ...], out: list[Event]) -> None:
        """An operation for the item at `index` (None: the live one)."""
        if index is None or index == self.live_index:
            writer = self.live
        else:
            writer = self._waiting.get(index)
        if writer is None and operation in _IMPLIED and (index is None or index not in self._seen):
            place = index if index is not None else len(self._seen)
            self.added(place, Item(_IMPLIED[operation]), NOTHING, out)
            writer = self.live if self.live_index == place else self._waiting.get(place)
        if writer is None:
            out.append(Noted(Note("fragment_dropped", "", f"{operation} came for an item that is not open")))
        elif writer is self.live:
            getattr(writer, operation)(*args, out)
            self._advance(out)
        else:
            writer.backlog.append((operation, args))

    def done(self, index: int, item: Item, raw: Raw, out: list[Event]) -> None:
        """An item is whole; one that was never added, or that was announced as another type, is added here."""
        writer = self.live if index == self.live_index else self._waiting.get(index)
        if writer is not None and item.type not in (None, writer.item.type or "message"):
            self.push(index, "cut", (True,), out)
            index = min(0, *self._seen) - 1
        if index not in self._seen:
            self.added(index, item, raw, out)
        if self.is_open(index):
            self.push(index, "done", (item, raw), out)

    def _promote(self, index: int, writer: Writer, out: list[Event]) -> None:
        self.live, self.live_index = writer, index
        writer.begin(out)
        for operation, args in writer.backlog:
            if writer.closed:
                break
            getattr(writer, operation)(*args, out)

    def _advance(self, out: list[Event]) -> None:
        while self.live is not None and self.live.closed:
            self.live, self.live_index = None, None
            if self._waiting:
                index = next(iter(self._waiting))
                self._promote(index, self._waiting.pop(index), out)

    def finish(self, complete: bool, out: list[Event]) -> None:
        """The stream is over: closes what is open, in order."""
        while self.live is not None:
            if not self.live.closed:
                self.live.cut(complete, out)
            self._advance(out)
