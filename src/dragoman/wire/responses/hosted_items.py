"""Items towards a Responses client that a server ran: web searches, and hosted items that pass as they are.

In: blocks that open and close. Out: their frames, between which a web search tells its steps.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import Opaque, WebSearch
from dragoman.wire.base import Frame
from dragoman.wire.responses.frames import Frames
from dragoman.wire.responses.output import PREFIXES
from dragoman.wire.responses.search import ITEM as SEARCH_ITEM
from dragoman.wire.responses.search import RESULTS, raw_item, search_item
from dragoman.wire.responses.view import View


class _Hosted(msgspec.Struct):
    id: str | None = None
    status: str | None = None


class HostedItems:
    """Writes the hosted items of one stream."""

    __slots__ = ("_frames", "_view")

    def __init__(self, frames: Frames, view: View) -> None:
        self._frames = frames
        self._view = view

    def open(self, block: Opaque | WebSearch, out: list[Frame]) -> None:
        """Shows the item. A search that came in this protocol's own form passes in that form."""
        if isinstance(block, Opaque):
            self._open_raw(block.kind, block.data, out)
        elif (raw := raw_item(block)) is not None:
            self._open_raw(SEARCH_ITEM, raw, out)
        else:
            prefix = PREFIXES[SEARCH_ITEM]
            self._frames.take(prefix + block.id.removeprefix(prefix) if block.id else "", prefix)
            self._frames.added(search_item(block, self._frames.item, "in_progress"), out)
            self._begin_search(out)

    def close(self, block: Opaque | WebSearch, complete: bool, out: list[Frame]) -> None:
        """The item is over."""
        if not self._frames.item:
            self.open(block, out)
        if isinstance(block, Opaque):
            self._close_raw(block.kind, block.data, complete, out)
        elif (raw := raw_item(block)) is not None:
            self._close_raw(SEARCH_ITEM, raw, complete, out)
        else:
            self._close_search(block, complete, out)

    def _open_raw(self, kind: str, data: Raw, out: list[Frame]) -> None:
        raw = msgspec.json.decode(data, type=dict[str, Raw])
        known = msgspec.json.decode(data, type=_Hosted)
        self._frames.take(known.id, PREFIXES.get(kind, "item_"))
        opening = "in_progress" if kind == SEARCH_ITEM else known.status
        status = {} if opening is None else {"status": opening}
        self._frames.added({**raw, "id": self._frames.item, "type": kind, **status}, out)
        if kind == SEARCH_ITEM:
            self._begin_search(out)

    def _close_raw(self, kind: str, data: Raw, complete: bool, out: list[Frame]) -> None:
        raw = msgspec.json.decode(data, type=dict[str, Raw])
        item: dict[str, Any] = {**raw, "id": self._frames.item, "type": kind}
        status = msgspec.json.decode(data, type=_Hosted).status
        if not complete and "status" in item:
            item["status"] = status = "incomplete"
        elif status in ("in_progress", "searching"):
            item["status"] = status = "completed"
        if kind == SEARCH_ITEM and status == "completed":
            self._step("completed", out)
        self._frames.done(item, out)

    def _close_search(self, block: WebSearch, complete: bool, out: list[Frame]) -> None:
        status = "incomplete" if not complete else "failed" if block.status == "failed" else "completed"
        if status == "completed":
            self._step("completed", out)
        # A client that stores nothing gets the texts only when it asks: it could not send them back.
        results = RESULTS in self._view.include or self._view.store is not False
        self._frames.done(search_item(block, self._frames.item, status, results=results), out)

    def _begin_search(self, out: list[Frame]) -> None:
        for step in ("in_progress", "searching"):
            self._step(step, out)

    def _step(self, step: str, out: list[Frame]) -> None:
        self._frames.event(out, f"response.web_search_call.{step}", self._frames.place)
