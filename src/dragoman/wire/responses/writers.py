"""What becomes of one item of an upstream's Responses stream: the blocks that it is written as.

A writer takes the operations of one item in order. `done` is the truth: what the deltas left out is added, and
arguments that differ from what was streamed are a failure, because they cannot be unsaid.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.events import AnnotationSeen, BlockEnd, BlockStart, Event, ReasoningDelta, TextDelta
from dragoman.core.messages import Opaque, Presence, ProviderState, Reasoning, Text, WebSearch
from dragoman.errors import InvalidRequest
from dragoman.wire.parse import absent
from dragoman.wire.responses.call_writers import BuiltInWriter, CallWriter
from dragoman.wire.responses.item_writer import Counters, Writer
from dragoman.wire.responses.items import CALLS, Item, thoughts
from dragoman.wire.responses.search import ITEM as SEARCH_ITEM
from dragoman.wire.responses.search import search_of


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None


class _Message(Writer):
    def __init__(self, shared: Counters, item: Item, raw: Raw) -> None:
        super().__init__(shared, item, raw)
        self.part = -1
        self.refusal = False
        self.block = -1
        self.annotations: list[Raw] = []

    def text(self, part: int, refusal: bool, text: str, out: list[Event]) -> None:
        if self.part != part or self.refusal != refusal or self.block < 0:
            self._open(part, refusal, out)
        self.parts.append(text)
        out.append(TextDelta(text))

    def _open(self, part: int, refusal: bool, out: list[Event]) -> None:
        self._end(True, out)
        self.part, self.refusal, self.parts, self.annotations = part, refusal, [], []
        self.block = self.shared.next_block()
        out.append(BlockStart(self.block, Text("", refusal=refusal)))

    def _end(self, complete: bool, out: list[Event]) -> None:
        if self.block < 0:
            return
        text = Text("".join(self.parts), annotations=tuple(self.annotations), refusal=self.refusal)
        out.append(BlockEnd(self.block, text, complete))
        self.block = -1

    def cite(self, raw: Raw, out: list[Event]) -> None:
        if self.block < 0:
            self._open(max(self.part, 0), False, out)
        self.annotations.append(raw)
        out.append(AnnotationSeen(raw))

    def settle(self, text: str, out: list[Event]) -> None:
        if self.block >= 0 and (more := self.rest(text, out)):
            self.text(self.part, self.refusal, more, out)

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        self.closed = True
        for n, part in enumerate(_parts(item.content)):
            refusal = part.type == "refusal"
            if not refusal and part.type not in ("output_text", "text", ""):
                continue
            text = (part.refusal if refusal else part.text) or ""
            if n < self.part or (not text and not part.annotations and n != self.part):
                continue
            if n != self.part or self.block < 0:
                if n == self.part:
                    continue
                self._open(n, refusal, out)
            if more := self.rest(text, out):
                self.text(n, self.refusal, more, out)
            for citation in (part.annotations or [])[len(self.annotations) :]:
                self.cite(citation, out)
        self._end(item.status != "incomplete", out)

    def cut(self, complete: bool, out: list[Event]) -> None:
        self.closed = True
        self._end(complete, out)


class _Thought(Writer):
    def __init__(self, shared: Counters, item: Item, raw: Raw) -> None:
        super().__init__(shared, item, raw)
        self.block = -1
        self.summary: bool | None = None
        self.part = 0
        self.segment = 0

    def think(self, summary: bool, part: int, text: str, out: list[Event]) -> None:
        if self.summary is None:
            self._open(summary, out)
        if self.summary is not summary:
            return
        if summary and part != self.part and self.parts:
            text = "\n\n" + text
        self.part = part
        self.parts.append(text)
        out.append(ReasoningDelta(text))

    def _open(self, summary: bool, out: list[Event]) -> None:
        self.summary = summary
        self.block, self.segment = self.shared.next_block(), self.shared.next_segment()
        turn = self.shared.context.turn
        out.append(BlockStart(self.block, Reasoning("", turn=turn, segment=self.segment, summary=summary)))

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        self.closed = True
        content, found = _thoughts(item.content, "")
        short, _ = _thoughts(item.summary, "\n\n")
        if self.summary is None:
            self._open(bool(short) and not content, out)
        if more := self.rest(short if self.summary else content, out):
            self.parts.append(more)
            out.append(ReasoningDelta(more))
        context = self.shared.context
        state = None
        if item.encrypted_content or found or short:
            state = ProviderState(context.provider, context.family, "responses", raw)
        self._end("opaque" if item.encrypted_content else "empty", state, item.status != "incomplete", out)

    def _end(self, bare: Presence, state: ProviderState | None, complete: bool, out: list[Event]) -> None:
        text = "".join(self.parts)
        block = Reasoning(
            text,
            "text" if text else bare,
            self.shared.context.turn,
            self.segment,
            summary=bool(self.summary),
            state=state,
        )
        out.append(BlockEnd(self.block, block, complete))

    def cut(self, complete: bool, out: list[Event]) -> None:
        self.closed = True
        if self.summary is not None:
            self._end("empty", None, complete, out)


class _Hosted(Writer):
    """An item that the vendor ran itself, or that nobody here knows."""

    def begin(self, out: list[Event]) -> None:
        self.block = self.shared.next_block()
        out.append(BlockStart(self.block, self._opaque(self.raw)))

    def _opaque(self, raw: Raw) -> Opaque:
        context = self.shared.context
        return Opaque(self.item.type or "", raw, "responses", context.provider, context.family)

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        self.closed = True
        out.append(BlockEnd(self.block, self._opaque(raw), item.status != "incomplete"))

    def cut(self, complete: bool, out: list[Event]) -> None:
        self.closed = True
        out.append(BlockEnd(self.block, self._opaque(self.raw), complete))


class _Search(Writer):
    """A web search that the vendor ran."""

    def begin(self, out: list[Event]) -> None:
        self.block = self.shared.next_block()
        begun = msgspec.structs.replace(self._read(self.raw), status="in_progress")
        out.append(BlockStart(self.block, begun))

    def _read(self, raw: Raw) -> WebSearch:
        return search_of(raw, self.shared.context.provider, self.shared.context.family)

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        self.closed = True
        out.append(BlockEnd(self.block, self._read(raw), item.status != "incomplete"))

    def cut(self, complete: bool, out: list[Event]) -> None:
        self.closed = True
        out.append(BlockEnd(self.block, self._read(self.raw), complete))


def writer_for(shared: Counters, item: Item, raw: Raw) -> Writer:
    """The writer for an item of this type."""
    kind = item.type
    if kind in ("message", None):
        return _Message(shared, item, raw)
    if kind == "reasoning":
        return _Thought(shared, item, raw)
    if kind in ("function_call", "custom_tool_call"):
        return CallWriter(shared, item, raw)
    if kind in CALLS and item.execution != "server":
        return BuiltInWriter(shared, item, raw)
    if kind == SEARCH_ITEM:
        return _Search(shared, item, raw)
    return _Hosted(shared, item, raw)


def _parts(raw: Raw) -> list[_Part]:
    if absent(raw):
        return []
    try:
        return msgspec.json.decode(raw, type=list[_Part])
    except msgspec.ValidationError:
        pass
    try:
        return [_Part("output_text", msgspec.json.decode(raw, type=str))]
    except msgspec.ValidationError:
        return []


def _thoughts(raw: Raw, between: str) -> tuple[str, bool]:
    """As for a client's item, but a vendor's malformed parts count as absent."""
    try:
        return thoughts(raw, "", between)
    except InvalidRequest:
        return "", False
