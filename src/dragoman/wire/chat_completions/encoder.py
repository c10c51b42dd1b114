"""Canonical events written as the chunks of a Chat stream, for a client.

In: events. Out: frames `("", json)`. The fixed parts of a chunk are built once; a delta costs one string escape and
one join. A failed stream ends with an error object and nothing after it: no finish reason, no `[DONE]`.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.citations import is_placed, read_citation
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
from dragoman.core.messages import Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.wire.base import Frame, Mint, missing_arguments
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.chat_completions.finish import finish_reason
from dragoman.wire.chat_completions.usage import write_usage
from dragoman.wire.chat_completions.view import View

DONE: Frame = ("", b"[DONE]")

PARAGRAPH = "\n\n"
"""What stands between the text before a web search and the text behind it, as this protocol shows no search: the model
ended a sentence before it and begins another one."""

_json = msgspec.json.encode
_END = b'},"finish_reason":null}]}'


def notes_frame(notes: list[Note]) -> Frame:
    """Notes that were made while the stream ran, as a comment: ASCII, on one line."""
    items = [{"code": note.code, "field": note.field} for note in notes]
    return (":", b"dragoman-notes " + json.dumps(items, separators=(",", ":")).encode("ascii"))


def citation(data: Raw, before: int, length: int) -> Raw:
    """A citation in this protocol's form, whose positions count from the start of the whole message.

    before: characters of the text blocks before this one. length: of this one; all of it is cited by a citation that
    names no place. What is no citation of a web page stays as it is.
    """
    found = read_citation(data)
    if found is None:
        return data
    if not before and found.title and found.end is not None and b'"url_citation":{' in bytes(data):
        return data  # it is in form, and may say more than we read
    start, end = (found.start, found.end) if found.start is not None and found.end is not None else (0, length)
    fields: dict[str, Any] = {
        "start_index": before + start,
        "end_index": before + end,
        "title": found.title,
        "url": found.url,
    }
    if found.text:
        fields["summary"] = found.text
    return Raw(_json({"type": "url_citation", "url_citation": fields}))


def gap(text: str) -> str:
    """What is to be put between `text`, which stood before a web search, and the text behind the search."""
    return PARAGRAPH if text and not text[-1].isspace() else ""


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
        self._before = 0  # characters of the text that is told
        self._last = ""  # the text block that was told last
        self._between = ""  # what is to be told before the next one
        self._cited: list[Raw] = []

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
                self._end(event, out)  # type: ignore[arg-type]
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
                if self._between and isinstance(event.block, Text):
                    out.append(("", self._content + _json(self._between) + _END))
                    self._before += len(self._between)
                    self._between = ""
        elif isinstance(event, AnnotationSeen):
            if is_placed(event.data) and not self._cited:
                self._annotation(citation(event.data, self._before, 0), out)
            else:
                self._cited.append(event.data)
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

    def _end(self, event: BlockEnd, out: list[Frame]) -> None:
        """Citations that name no place can be told only when their text is whole."""
        block = event.block
        if type(block) is ToolCall and event.complete and (missing := missing_arguments(block)):
            out.append(("", self._arguments + _json(missing) + self._arguments_end))
        elif type(block) is Text:
            for data in self._cited:
                self._annotation(citation(data, self._before, len(block.text)), out)
            self._cited = []
            self._before += len(block.text)
            self._last = block.text or self._last
        elif type(block) is WebSearch:
            self._between = gap(self._last)

    def _annotation(self, data: Raw, out: list[Frame]) -> None:
        out.append(("", self._start + b'"annotations":[' + bytes(data) + b"]" + _END))

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
