"""Puts the blocks of a Messages stream in order, by the index that the vendor gives them.

In: starts, deltas and stops, each with an index. Out: canonical block events, one block after another. One block is
live and its deltas pass at once; blocks that start while a call is still open wait until it stops, or until its input
is a whole JSON object. A text or thinking block that is never stopped gives way to the next one. The end of a block is
told when the next one starts or the message ends: only then it is known whether the block was whole, since vendors also
stop the block that their length limit cut. A server's web search is live until its result comes; both are one block.
Knows no JSON of events.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Noted,
    ReasoningDelta,
    StreamBlock,
    TextDelta,
)
from dragoman.core.messages import Opaque, ProviderState, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.partial_json import is_json
from dragoman.wire.base import DecodeContext
from dragoman.wire.messages.search import search_of

Kind: TypeAlias = Literal["text", "thinking", "call", "search", "opaque"]
_WHOLE = frozenset({"opaque", "search"})
"""Kinds that are told whole: their deltas are no events."""
PLAIN = {
    "text": {"type", "text", "citations"},
    "thinking": {"type", "thinking", "signature"},
    "call": {"type", "id", "name", "input"},
}
"""The fields of each kind that we read. A block with others is kept as the vendor sent it, for replay."""


class Open:
    """A block that is being received, live or waiting."""

    __slots__ = ("fields", "index", "kind", "notes", "number", "parts", "result", "signature", "stopped", "whole")

    def __init__(self, kind: Kind, index: int, fields: dict[str, Raw]) -> None:
        self.kind = kind
        self.index = index
        self.fields = fields
        self.number = -1
        self.parts: list[str] = []
        self.notes: list[Raw] = []
        self.signature = ""
        self.stopped = False
        self.whole = ""  # input given at the start; used when no delta comes
        self.result: Raw | None = None  # the block in which the server tells what its search found


class Sequence:
    """One upstream turn. Every method appends events to `out`."""

    __slots__ = ("_context", "_next", "_segment", "called", "live", "waiting")

    def __init__(self, context: DecodeContext) -> None:
        self._context = context
        self.live: Open | None = None
        self.waiting: list[Open] = []
        self._next = 0
        self._segment = 0
        self.called = False

    @property
    def in_call(self) -> bool:
        """Whether a call is open or waiting."""
        return any(b.kind == "call" and not b.stopped for b in (self.live, *self.waiting) if b is not None)

    def start(self, kind: Kind, index: int, fields: dict[str, Raw], out: list[Event]) -> Open:
        """A block starts. One of the same index that is still open was forgotten by the vendor, and ends."""
        stale = self.find(index)
        if stale is not None:
            self.stop(index, out)
        block = Open(kind, index, fields)
        self.called = self.called or kind == "call"
        live = self.live
        if live is not None and not self.waiting and _gives_way(live):
            self._close(True, out)
            live = None
        if live is None:
            self.live = block
            if kind == "call":
                self._open(block, out)
        else:
            self.waiting.append(block)
        return block

    def find(self, index: int) -> Open | None:
        """The open block of this index."""
        live = self.live
        if live is not None and live.index == index and not live.stopped:
            return live
        return next((b for b in reversed(self.waiting) if b.index == index and not b.stopped), None)

    def add(self, block: Open, text: str, out: list[Event]) -> None:
        """More text, thinking or arguments."""
        block.parts.append(text)
        if block is self.live and block.kind not in _WHOLE:
            if block.number < 0:
                self._open(block, out)
            out.append(_delta(block.kind, text))

    def annotate(self, block: Open, data: Raw, out: list[Event]) -> None:
        """A citation of a text block."""
        block.notes.append(data)
        if block is self.live:
            if block.number < 0:
                self._open(block, out)
            out.append(AnnotationSeen(data))

    def stop(self, index: int, out: list[Event]) -> None:
        """The vendor says that the block is whole."""
        block = self.find(index)
        if block is None:
            return
        block.stopped = True
        if block.kind == "search" and block is self.live and block.number < 0:
            self._open(block, out)
        self._advance(out)

    def found(self, id: str, result: Raw, out: list[Event]) -> bool:
        """The server tells what a search found; whether such a search is open."""
        blocks = [b for b in (self.live, *self.waiting) if b is not None and b.kind == "search" and b.result is None]
        block = next((b for b in blocks if _string(b.fields, "id") == id), None)
        if block is None:
            return False
        block.stopped, block.result = True, result
        if block is self.live:
            self._close(True, out)
            if self.waiting:
                self._raise(out)
            self._advance(out)
        return True

    def _advance(self, out: list[Event]) -> None:
        while self.live is not None and self.waiting and _gives_way(self.live):
            self._close(True, out)
            self._raise(out)

    def finish(self, out: list[Event], *, complete: bool, broken: bool = False) -> None:
        """The turn is over: closes what is open, and lets out what waits.

        complete False: something was cut. broken: by the connection, so that what was stopped is whole; else by the
        vendor, who stops also the block that it cut - the last one.
        """
        while self.live is not None or self.waiting:
            if self.live is None:
                self._raise(out)
            live = self.live
            if live is not None:
                last = not self.waiting
                whole = live.stopped and (broken or not last or live.kind in _WHOLE)
                if live.kind == "call":
                    whole = live.stopped and _is_object("".join(live.parts) or live.whole or "{}")
                self._close(complete or whole, out)

    # -- the machine

    def _raise(self, out: list[Event]) -> None:
        """The first of the waiting becomes live and gives what it has."""
        block = self.live = self.waiting.pop(0)
        if block.kind == "search" and block.stopped:
            self._open(block, out)
        elif block.kind not in _WHOLE and (block.parts or block.notes or block.kind == "call"):
            self._open(block, out)
            out.extend(AnnotationSeen(note) for note in block.notes)
            if text := "".join(block.parts):
                out.append(_delta(block.kind, text))

    def _open(self, block: Open, out: list[Event]) -> None:
        block.number = self._next
        self._next += 1
        out.append(BlockStart(block.number, self._shell(block)))

    def _shell(self, block: Open) -> StreamBlock:
        if block.kind == "text":
            return Text("")
        if block.kind == "thinking":
            return Reasoning("", turn=self._context.turn, segment=self._segment)
        if block.kind == "search":
            return msgspec.structs.replace(self._search(block, None), status="in_progress")
        call_id, name = _string(block.fields, "id"), _string(block.fields, "name")
        if not call_id:
            call_id = self._context.mint("call_")
            block.fields["id"] = Raw(msgspec.json.encode(call_id))
        return ToolCall(call_id, name)

    def _close(self, complete: bool, out: list[Event]) -> None:
        block = self.live
        self.live = None
        if block is None:
            return
        if block.kind == "opaque":
            self._opaque(block, complete, out)
            return
        if block.kind == "call" and complete and not "".join(block.parts).strip():
            block.parts = [block.whole or "{}"]
            out.append(ArgumentsDelta(block.parts[0]))
        whole = self._whole(block)
        if whole is None:
            return
        if block.number < 0:
            block.number = self._next
            self._next += 1
            empty = msgspec.structs.replace(whole, text="") if isinstance(whole, Reasoning) else whole
            out.append(BlockStart(block.number, empty))
        out.append(BlockEnd(block.number, whole, complete))
        if block.kind == "thinking":
            self._segment += 1

    def _search(self, block: Open, result: Raw | None) -> WebSearch:
        text = "".join(block.parts) or block.whole or "{}"
        use = {**block.fields, "input": Raw(text.encode()) if _is_object(text) else {}}
        return search_of(Raw(msgspec.json.encode(use)), result, self._context.provider, self._context.family)

    def _whole(self, block: Open) -> StreamBlock | None:
        text = "".join(block.parts)
        if block.kind == "search":
            return self._search(block, block.result)
        if block.kind == "text":
            return Text(text, annotations=tuple(block.notes)) if text or block.notes else None
        if block.kind == "call":
            shell = self._shell(block)
            assert isinstance(shell, ToolCall)
            return ToolCall(
                shell.id,
                shell.name,
                text,
                invalid=bool(text) and not is_json(text),
                state=self._call_state(block, text),
            )
        signature = block.signature or None
        state = None
        if signature or not block.fields.keys() <= PLAIN["thinking"]:
            merged: dict[str, Any] = {**block.fields, "thinking": text}
            if signature:
                merged["signature"] = signature
            state = self._state(merged)
        presence: Literal["text", "opaque", "empty"] = "text" if text else "opaque" if state is not None else "empty"
        return Reasoning(text, presence, self._context.turn, self._segment, signature=signature, state=state)

    def _call_state(self, block: Open, text: str) -> ProviderState | None:
        """The raw call, where it carries more than we read and its input is sound."""
        if block.fields.keys() <= PLAIN["call"] or not _is_object(text):
            return None
        return self._state({**block.fields, "input": Raw(text.encode())})

    def _state(self, fields: dict[str, Any]) -> ProviderState:
        return ProviderState(self._context.provider, self._context.family, "messages", Raw(msgspec.json.encode(fields)))

    def _opaque(self, block: Open, complete: bool, out: list[Event]) -> None:
        """A block that we keep but do not read; hidden thinking among them."""
        kind = _string(block.fields, "type")
        fields: dict[str, Any] = dict(block.fields)
        text = "".join(block.parts)
        if text and _is_object(text):
            fields["input"] = Raw(text.encode())
        whole: StreamBlock
        if kind == "redacted_thinking":
            whole = Reasoning("", "opaque", self._context.turn, self._segment, state=self._state(fields))
            self._segment += 1
        else:
            data = Raw(msgspec.json.encode(fields))
            whole = Opaque(kind, data, "messages", self._context.provider, self._context.family)
        number = self._next
        self._next += 1
        out.append(BlockStart(number, whole))
        out.append(BlockEnd(number, whole, complete))


def nameless(out: list[Event]) -> None:
    """A call came without a name: nobody could run it."""
    out.append(Noted(Note("fragment_dropped", "", "a tool call came without a name")))


def _delta(kind: Kind, text: str) -> Event:
    if kind == "text":
        return TextDelta(text)
    return ReasoningDelta(text) if kind == "thinking" else ArgumentsDelta(text)


def _gives_way(block: Open) -> bool:
    """Whether the live block may close because another one is there."""
    if block.kind == "search":
        return block.result is not None
    return block.stopped or block.kind != "call" or _is_object("".join(block.parts))


def _is_object(text: str) -> bool:
    return text.lstrip().startswith("{") and is_json(text)


def _string(fields: dict[str, Raw], name: str) -> str:
    """A string field; "" where it is missing or something else."""
    raw = fields.get(name)
    if raw is None:
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
