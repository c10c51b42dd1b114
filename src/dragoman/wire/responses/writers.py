"""What becomes of one item of an upstream's Responses stream: the blocks that it is written as.

A writer takes the operations of one item in order. `done` is the truth: what the deltas left out is added, and
arguments that differ from what was streamed are a failure, because they cannot be unsaid.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.assemble import is_json
from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Noted,
    ReasoningDelta,
    TextDelta,
)
from dragoman.core.messages import Opaque, Presence, ProviderState, Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.errors import InvalidRequest
from dragoman.wire.base import DecodeContext
from dragoman.wire.parse import absent
from dragoman.wire.responses.items import CALLS, Item, call_arguments, thoughts


class Contradiction(Exception):
    """The done item says other arguments than its deltas did."""


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None


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


class _Call(Writer):
    call = True

    def __init__(self, shared: Counters, item: Item, raw: Raw) -> None:
        super().__init__(shared, item, raw)
        self.block = -1
        self.head: ToolCall | None = None

    def begin(self, out: list[Event]) -> None:
        if self.item.name:
            self._open(self.item, out)

    def _open(self, item: Item, out: list[Event]) -> None:
        self.block = self.shared.next_block()
        call_id = item.call_id or self.shared.context.mint("call_")
        kind = CALLS[self.item.type or "function_call"]
        self.head = ToolCall(call_id, item.name or kind, "", kind, item.namespace)
        out.append(BlockStart(self.block, self.head))
        if self.parts:
            out.append(ArgumentsDelta("".join(self.parts)))

    def arguments(self, text: str, out: list[Event]) -> None:
        self.parts.append(text)
        if self.head is not None:
            out.append(ArgumentsDelta(text))

    def settle(self, text: str, out: list[Event]) -> None:
        said = "".join(self.parts)
        if text == said:
            return
        if text.startswith(said):
            self.arguments(text[len(said) :], out)
        elif text and not _same_json(text, said):
            raise Contradiction

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        if self.head is None:
            if not item.name:
                self.closed = True
                out.append(Noted(Note("fragment_dropped", "", "a tool call came without a name")))
                return
            self._open(item, out)
        kind = CALLS[self.item.type or "function_call"]
        if not absent(item.input if kind == "custom" else item.arguments):
            self.settle(call_arguments(item, kind, "item"), out)
        self.closed = True
        self._end(item.status != "incomplete", out)

    def _end(self, complete: bool, out: list[Event]) -> None:
        if self.head is None:
            return
        text = "".join(self.parts)
        bad = self.head.kind != "custom" and bool(text) and not is_json(text)
        out.append(BlockEnd(self.block, msgspec.structs.replace(self.head, arguments=text, invalid=bad), complete))

    def cut(self, complete: bool, out: list[Event]) -> None:
        self.closed = True
        whole = self.head is not None and (self.head.kind == "custom" or is_json("".join(self.parts)))
        self._end(complete and whole, out)


class _BuiltIn(Writer):
    """A built-in call: its item is whole or nothing."""

    call = True

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        self.closed = True
        kind = CALLS[self.item.type or ""]
        text = call_arguments(item, kind, "item")
        head = ToolCall(item.call_id or item.id or self.shared.context.mint("call_"), kind, "", kind)
        block = self.shared.next_block()
        out.append(BlockStart(block, head))
        if text:
            out.append(ArgumentsDelta(text))
        whole = msgspec.structs.replace(head, arguments=text, invalid=not is_json(text))
        out.append(BlockEnd(block, whole, item.status not in ("incomplete", "in_progress")))


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


def writer_for(shared: Counters, item: Item, raw: Raw) -> Writer:
    """The writer for an item of this type."""
    kind = item.type
    if kind in ("message", None):
        return _Message(shared, item, raw)
    if kind == "reasoning":
        return _Thought(shared, item, raw)
    if kind in ("function_call", "custom_tool_call"):
        return _Call(shared, item, raw)
    if kind in CALLS and item.execution != "server":
        return _BuiltIn(shared, item, raw)
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


def _same_json(a: str, b: str) -> bool:
    try:
        return bool(msgspec.json.decode(a) == msgspec.json.decode(b))
    except (msgspec.DecodeError, RecursionError):
        return False
