"""Canonical events, as the frames of a Messages stream.

In: events, in batches. Out: `(event name, data)` frames. Owns the index of blocks and the one end. Thinking always
closes with exactly one signature, never an empty one; reasoning that has nothing to show or to carry is left out. A
call that a failure cut is not closed, so that no client runs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import Opaque, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.wire.base import Frame, Mint
from dragoman.wire.messages.errors import encode_error
from dragoman.wire.messages.marker import signature_of
from dragoman.wire.messages.request_in import View
from dragoman.wire.messages.search import raw_blocks, result_block, server_id, use_block
from dragoman.wire.messages.shown import citation_of, hidden, redacted, stop_reason_of, tool_head
from dragoman.wire.messages.usage import shown

_json = msgspec.json.Encoder().encode
_DELTA = "content_block_delta"
_STOP = b'{"type":"message_stop"}'
_ALWAYS = (Failed, Noted)
_PING: Frame = ("ping", b'{"type":"ping"}')


class Encoder:
    """The encoder of one client stream. id: the message's id ("" mints one). `ended` is True after the end."""

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self.view = view
        self.id = id or mint("msg_")
        self.ended = False
        self._started = False
        self._usage: Usage | None = None
        self._notes: list[Note] = []
        self._index = -1  # of the block that was opened last
        self._open = False
        self._called = False
        self._custom = False
        self._sent = False
        self._head = b""
        self._mute = False
        self._mint = mint
        self._search_id: Any = ""  # of the search that is open, as the client knows it
        self._searches = 0
        self._actions: dict[type[Any], Callable[[Any, list[Frame]], None]] = {
            ReasoningDelta: self._reasoning,
            ArgumentsDelta: self._arguments,
            BlockStart: self._start,
            BlockEnd: self._end_block,
            AnnotationSeen: self._annotation,
            Noted: self._noted,
            Finished: self._finished,
            Incomplete: self._finished,
            Failed: self._failed,
        }

    # -- the seam

    def preamble(self) -> list[Frame]:
        """`message_start`, once; the usage so far, zeros where nothing is known yet."""
        if self._started or self.ended:
            return []
        self._started = True
        message: dict[str, Any] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.view.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": shown(self._usage, start=True),
        }
        return [("message_start", _json({"type": "message_start", "message": message}))]

    def encode(self, events: list[Event]) -> list[Frame]:
        """The frames for these events. After the terminal one nothing more comes out."""
        out: list[Frame] = []
        if self.ended or not events:
            return out
        if not self._started:
            for event in events:
                if type(event) is UsageSeen:
                    self._usage = event.usage
            if type(events[-1]) is not Failed or len(events) > 1:
                out += self.preamble()
        failing = type(events[-1]) is Failed
        for event in events:
            kind = type(event)
            if kind is TextDelta:
                out.append((_DELTA, self._head + _json(event.text) + b"}}"))  # type: ignore[union-attr]
            elif kind is UsageSeen:
                self._usage = event.usage  # type: ignore[union-attr]
            elif failing and self._cut(event):
                self._mute = True
            elif (action := self._actions.get(kind)) is not None and (not self._mute or kind in _ALWAYS):
                action(event, out)
        return out

    def keepalive(self) -> list[Frame]:
        """A ping; nothing before the message has started."""
        return [_PING] if self._started and not self.ended else []

    # -- blocks

    def _cut(self, event: Event) -> bool:
        """Whether this is the end of a call that a failure cut."""
        return type(event) is BlockEnd and not event.complete and type(event.block) is ToolCall

    def _begin(self, block: Any, out: list[Frame]) -> None:
        self._index += 1
        self._open, self._sent = True, False
        data = b'{"type":"content_block_start","index":%d,"content_block":%b}' % (self._index, _json(block))
        out.append(("content_block_start", data))

    def _put(self, kind: bytes, field: bytes, value: Any, out: list[Frame]) -> None:
        data = b'{"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}'
        out.append((_DELTA, data % (self._index, kind, field, _json(value))))
        self._sent = True

    def _finish_block(self, out: list[Frame]) -> None:
        out.append(("content_block_stop", b'{"type":"content_block_stop","index":%d}' % self._index))
        self._open = False

    def _start(self, event: BlockStart, out: list[Frame]) -> None:
        block = event.block
        if type(block) is Text:
            self._begin({"type": "text", "text": ""}, out)
            head = b'{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
            self._head = head % self._index
        elif type(block) is ToolCall:
            self._called = True
            self._custom = block.kind == "custom"
            self._begin(tool_head(block), out)
        elif type(block) is WebSearch:
            self._search(block, out)

    def _search(self, block: WebSearch, out: list[Frame]) -> None:
        """The search is told as it begins; its result when it ends."""
        raws = raw_blocks(block)
        use: dict[str, Any] = use_block(block, server_id(block.id) or self._mint("srvtoolu_"))
        if raws:
            use = msgspec.json.decode(raws[0], type=dict[str, Raw])
        self._search_id = use["id"]
        self._begin({**use, "input": {}}, out)
        self._put(b"input_json_delta", b"partial_json", _json(use["input"]).decode(), out)
        self._finish_block(out)

    def _end_search(self, block: WebSearch, complete: bool, out: list[Frame]) -> None:
        if not self._search_id:
            self._search(block, out)
        raws = raw_blocks(block)
        # Without a result the client sees that the search was cut, or that it may be gone on with.
        if complete and block.status != "in_progress":
            self._begin(raws[1] if len(raws) > 1 else result_block(block, self._search_id), out)
            self._finish_block(out)
            self._searches += block.status == "completed"
        self._search_id = ""

    def _reasoning(self, event: ReasoningDelta, out: list[Frame]) -> None:
        if not self._open:
            self._begin({"type": "thinking", "thinking": "", "signature": ""}, out)
        if self.view.show_thinking and event.text:
            self._put(b"thinking_delta", b"thinking", event.text, out)

    def _arguments(self, event: ArgumentsDelta, out: list[Frame]) -> None:
        text = event.text
        if self._custom:
            opening = "" if self._sent else '{"input":"'
            self._put(b"input_json_delta", b"partial_json", opening + _inside(text), out)
            return
        if not self._sent:
            text = text.lstrip()
        if text:
            self._put(b"input_json_delta", b"partial_json", text, out)

    def _annotation(self, event: AnnotationSeen, out: list[Frame]) -> None:
        citation = citation_of(event.data)
        if citation is not None and self._open:
            self._put(b"citations_delta", b"citation", citation, out)

    def _end_block(self, event: BlockEnd, out: list[Frame]) -> None:
        block = event.block
        if type(block) is Reasoning:
            self._end_thinking(block, out)
        elif type(block) is Opaque:
            if block.wire == "messages":
                self._begin(block.data, out)
                self._finish_block(out)
        elif type(block) is WebSearch:
            self._end_search(block, event.complete, out)
        elif self._open:
            if type(block) is ToolCall:
                self._end_call(block, event.complete, out)
            self._finish_block(out)

    def _end_thinking(self, block: Reasoning, out: list[Frame]) -> None:
        if not self._open:
            if hidden(block):
                return
            raw = redacted(block)
            if raw is not None:
                self._begin(raw, out)
                self._finish_block(out)
                return
            self._reasoning(ReasoningDelta(block.text), out)
        self._put(b"signature_delta", b"signature", signature_of(block), out)
        self._finish_block(out)

    def _end_call(self, block: ToolCall, complete: bool, out: list[Frame]) -> None:
        """What the deltas did not say yet. No delta at all means an empty object; a cut call stays cut."""
        if not complete:
            return
        if block.kind == "custom":
            if not self._sent:
                self._arguments(ArgumentsDelta(block.arguments), out)
            self._put(b"input_json_delta", b"partial_json", '"}', out)
        elif not self._sent and block.arguments.strip() not in ("", "{}"):
            self._arguments(ArgumentsDelta(block.arguments), out)

    def _noted(self, event: Noted, out: list[Frame]) -> None:
        self._notes.append(event.note)

    # -- ends

    def _told(self, out: list[Frame]) -> None:
        if self._notes:
            notes = [{"code": note.code, "field": note.field} for note in self._notes]
            # One line of ASCII: a comment must not break the framing.
            out.append((":", b"dragoman-notes " + _ascii(notes)))

    def _finished(self, event: Finished | Incomplete, out: list[Frame]) -> None:
        self.ended = True
        if event.usage is not None:
            self._usage = event.usage
        reason, sequence = stop_reason_of(event, called=self._called)
        self._told(out)
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": shown(self._usage, start=False, searches=self._searches),
        }
        out.append(("message_delta", _json(delta)))
        out.append(("message_stop", _STOP))

    def _failed(self, event: Failed, out: list[Frame]) -> None:
        self.ended = True
        self._told(out)
        out.append(("error", encode_error(event.error)))


def _inside(text: str) -> str:
    """`text` as the inside of a JSON string."""
    return _json(text)[1:-1].decode()


def _ascii(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
