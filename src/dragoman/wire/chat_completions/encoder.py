"""Canonical events written as the chunks of a Chat stream, for a client.

In: events. Out: frames `("", json)`. The fixed parts of a chunk are built once; a delta costs one string escape and
one join. A failed stream ends with an error object and nothing after it: no finish reason, no `[DONE]`.
"""

from __future__ import annotations

import json
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
    RawFrame,
    ReasoningDelta,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import ToolCall
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.wire.base import Mint
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.chat_completions.usage import write_usage
from dragoman.wire.chat_completions.view import View

Frame = tuple[str, bytes]
DONE: Frame = ("", b"[DONE]")

_json = msgspec.json.encode
_END = b'},"finish_reason":null}]}'


def finish_reason(end: Finished | Incomplete) -> str:
    """The protocol's word for an end that is no failure."""
    if isinstance(end, Finished):
        return "tool_calls" if end.reason == "tool_calls" else "stop"
    return "content_filter" if end.reason == "content_filter" else "length"


def notes_frame(notes: list[Note]) -> Frame:
    """Notes that were made while the stream ran, as a comment: ASCII, on one line."""
    items = [{"code": note.code, "field": note.field} for note in notes]
    return (":", b"dragoman-notes " + json.dumps(items, separators=(",", ":")).encode("ascii"))


def citation(data: Raw) -> Raw:
    """A citation in this protocol's form. Some vendors send its fields flat beside `type`."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data
    if not isinstance(value, dict) or value.get("type") != "url_citation" or "url_citation" in value:
        return data
    fields = {key: item for key, item in value.items() if key != "type"}
    fields = {"start_index": 0, "end_index": 0, "title": "", **fields}
    return Raw(_json({"type": "url_citation", "url_citation": fields}))


class Encoder:
    """One client stream. `ended` is True once the terminal frames were given; then nothing more comes out."""

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self.ended = False
        self._view = view
        head: dict[str, Any] = {
            "id": id or mint("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": now,
            "model": view.model,
        }
        self._head = _json(head)[:-1]
        start = self._head + b',"choices":[{"index":0,"delta":{'
        self._start = start
        self._content = start + b'"content":'
        self._thought = start + b'"reasoning_content":'
        self._arguments = b""
        self._arguments_end = b""
        self._calls = 0
        self._opened = False
        self._thinking = False
        self._gap = False
        self._notes: list[Note] = []
        self._usage: Usage | None = None

    def preamble(self) -> list[Frame]:
        """The chunk that tells the role. Given once."""
        if self._opened:
            return []
        self._opened = True
        return [("", self._start + b'"role":"assistant","content":""' + _END)]

    def encode(self, events: list[Event]) -> list[Frame]:
        """The frames for these events."""
        out: list[Frame] = [] if self._opened else self.preamble()
        for event in events:
            if self.ended:
                break
            kind = type(event)
            if kind is TextDelta:
                out.append(("", self._content + _json(event.text) + _END))  # type: ignore[union-attr]
            elif kind is ReasoningDelta:
                self._reasoning(event.text, out)  # type: ignore[union-attr]
            elif kind is ArgumentsDelta:
                out.append(("", self._arguments + _json(event.text) + self._arguments_end))  # type: ignore[union-attr]
            elif kind is BlockEnd:
                continue
            else:
                self._other(event, out)
        return out

    def keepalive(self) -> list[Frame]:
        """The protocol has no event that means nothing: a comment must do."""
        return []

    def _reasoning(self, text: str, out: list[Frame]) -> None:
        if self._gap:
            self._gap = False
            text = "\n" + text
        self._thinking = True
        out.append(("", self._thought + _json(text) + _END))

    def _other(self, event: Event, out: list[Frame]) -> None:
        if isinstance(event, BlockStart):
            if isinstance(event.block, ToolCall):
                self._call(event.block, out)
            else:
                self._gap = self._thinking
        elif isinstance(event, AnnotationSeen):
            out.append(("", self._start + b'"annotations":[' + bytes(citation(event.data)) + b"]" + _END))
        elif isinstance(event, Noted):
            self._notes.append(event.note)
        elif isinstance(event, UsageSeen):
            self._usage = event.usage
        elif isinstance(event, Failed):
            self._tail_notes(out)
            out.append(("", encode_error(event.error)))
            self.ended = True
        elif isinstance(event, Finished | Incomplete):
            self._finish(event, out)

    def _call(self, call: ToolCall, out: list[Frame]) -> None:
        """The first fragment of a call: the only one with id, type and name."""
        index = b'"tool_calls":[{"index":%d,' % self._calls
        self._calls += 1
        custom = call.kind == "custom"
        group, field = (b"custom", b"input") if custom else (b"function", b"arguments")
        out.append(
            (
                "",
                self._start
                + index
                + b'"id":%b,"type":"%b","%b":{"name":%b,"%b":""}}]'
                % (_json(call.id), group, group, _json(call.name), field)
                + _END,
            )
        )
        self._arguments = self._start + index + b'"%b":{"%b":' % (group, field)
        self._arguments_end = b"}}]" + _END

    def _finish(self, end: Finished | Incomplete, out: list[Frame]) -> None:
        self._tail_notes(out)
        out.append(("", self._start + b'},"finish_reason":"%b"}]}' % finish_reason(end).encode()))
        if self._view.include_usage:
            self._report(end.usage or self._usage, out)
        out.append(DONE)
        self.ended = True

    def _report(self, usage: Usage | None, out: list[Frame]) -> None:
        report = write_usage(usage)
        if report is not None:
            out.append(("", self._head + b',"choices":[],"usage":' + _json(report) + b"}"))

    def _tail_notes(self, out: list[Frame]) -> None:
        if self._notes:
            out.append(notes_frame(self._notes))


class NativeEncoder:
    """The vendor's own frames with only `model` and the response id touched; its end is still ours to guard.

    `[DONE]` goes out when the canonical stream ended well, whether or not the vendor sent it; a failure of which the
    vendor told nothing gets our own error object.
    """

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self.ended = False
        self._view = view
        self._patch: dict[str, Raw] = {"model": Raw(_json(view.model))}
        if id:
            self._patch["id"] = Raw(_json(id))
        self._told_error = False

    def preamble(self) -> list[Frame]:
        """Nothing: the vendor's first frame opens the stream."""
        return []

    def keepalive(self) -> list[Frame]:
        """Nothing: a comment must do."""
        return []

    def encode(self, events: list[Event]) -> list[Frame]:
        """The frames for these events."""
        out: list[Frame] = []
        for event in events:
            if self.ended:
                break
            if isinstance(event, RawFrame):
                self._frame(event, out)
            elif isinstance(event, Finished | Incomplete):
                out.append(DONE)
                self.ended = True
            elif isinstance(event, Failed):
                if not self._told_error:
                    out.append(("", encode_error(event.error)))
                self.ended = True
        return out

    def _frame(self, frame: RawFrame, out: list[Frame]) -> None:
        if frame.data[:6] == b"[DONE]" or self._told_error:
            return
        try:
            fields = msgspec.json.decode(frame.data, type=dict[str, Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        error = fields.get("error")
        self._told_error = frame.name == "error" or (error is not None and bytes(error) != b"null")
        if not self._view.include_usage and bytes(fields.get("choices", b"")) == b"[]" and not self._told_error:
            return
        out.append((frame.name, patched(fields, self._patch)))


def patched(fields: dict[str, Raw], patch: dict[str, Raw]) -> bytes:
    """The object with the patch's fields replaced where it has them."""
    for name, value in patch.items():
        if name in fields:
            fields[name] = value
    return _json(fields)
