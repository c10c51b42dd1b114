"""A strict reading of what a Chat client may be sent: `validate` asserts the grammar and gives back what was said.

It is written from the protocol's documents, not from the encoder: it parses the bytes with a reader of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

CHUNK_KEYS = {"id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"}
DELTA_KEYS = {"role", "content", "reasoning_content", "tool_calls", "annotations", "refusal"}
FINISH = {"stop", "length", "tool_calls", "content_filter"}


@dataclass
class Call:
    """One assembled tool call."""

    id: str
    type: str
    name: str
    arguments: str = ""


@dataclass
class Parsed:
    """What a client puts together from a stream."""

    id: str = ""
    model: str = ""
    created: int = 0
    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    annotations: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    done: bool = False
    comments: list[str] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    """Kinds of content in order of appearance, runs folded: reasoning, text, call."""


def _events(data: bytes) -> list[tuple[str, str]]:
    """("data", payload) and (":", comment), in order."""
    text = data.decode("utf-8")
    assert "\r" not in text, "line ends are LF"
    assert text == "" or text.endswith("\n\n"), "the last event is closed by a blank line"
    out = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if block == "":
            continue
        assert len(lines) == 1, f"one line an event: {block!r}"
        line = lines[0]
        if line.startswith(": "):
            out.append((":", line[2:]))
        else:
            assert line.startswith("data: "), f"neither data nor a comment: {line!r}"
            out.append(("data", line[6:]))
    return out


def validate(sse_bytes: bytes, *, usage_asked: bool | None = None) -> Parsed:
    """Asserts the whole grammar of one client stream. usage_asked: None leaves the usage chunk open."""
    parsed = Parsed()
    state = "start"  # start -> open -> finished -> usage -> over
    for kind, payload in _events(sse_bytes):
        if kind == ":":
            assert state != "over", "nothing comes after the end"
            parsed.comments.append(payload)
            if payload.startswith("dragoman-notes "):
                assert payload.isascii()
                parsed.notes.extend(json.loads(payload[len("dragoman-notes ") :]))
            continue
        assert state != "over", f"nothing comes after the end: {payload!r}"
        if payload == "[DONE]":
            assert state in ("finished", "usage"), "[DONE] only after a finish reason"
            parsed.done = True
            state = "over"
            continue
        chunk = json.loads(payload)
        if "error" in chunk:
            assert state in ("start", "open"), "an error object never follows a finish reason"
            _error(chunk, parsed)
            state = "over"
            continue
        state = _chunk(chunk, parsed, state)
        if state == "usage":
            assert usage_asked is not False, "a usage chunk only when it was asked for"
    assert state == "over", "the stream has an end"
    if usage_asked is False:
        assert parsed.usage is None
    return parsed


def _error(chunk: dict[str, Any], parsed: Parsed) -> None:
    assert set(chunk) == {"error"}
    error = chunk["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    parsed.error = error


def _chunk(chunk: dict[str, Any], parsed: Parsed, state: str) -> str:
    assert set(chunk) <= CHUNK_KEYS, f"unknown keys {set(chunk) - CHUNK_KEYS}"
    assert chunk["object"] == "chat.completion.chunk"
    if state == "start":
        parsed.id, parsed.model, parsed.created = chunk["id"], chunk["model"], chunk["created"]
        assert parsed.id
        assert isinstance(parsed.created, int)
    else:
        assert (chunk["id"], chunk["model"], chunk["created"]) == (parsed.id, parsed.model, parsed.created)
    if chunk["choices"] == []:
        assert state == "finished", "the usage chunk follows the finish chunk, once"
        parsed.usage = chunk["usage"]
        assert isinstance(parsed.usage, dict)
        total = parsed.usage["prompt_tokens"] + parsed.usage["completion_tokens"]
        assert parsed.usage["total_tokens"] == total
        return "usage"
    assert state in ("start", "open"), "no choice after the finish reason"
    assert len(chunk["choices"]) == 1
    choice = chunk["choices"][0]
    assert choice["index"] == 0
    assert "finish_reason" in choice
    delta = choice["delta"]
    assert set(delta) <= DELTA_KEYS
    assert ("role" in delta) == (state == "start"), "role in the first chunk and nowhere else"
    if state == "start":
        assert delta["role"] == "assistant"
    reason = choice["finish_reason"]
    if reason is not None:
        assert reason in FINISH
        assert delta == {}, "the finish chunk has an empty delta"
        if reason == "tool_calls":
            assert parsed.calls, "tool_calls only where there was a call"
        parsed.finish_reason = reason
        return "finished"
    _delta(delta, parsed, first=state == "start")
    return "open"


def _seen(parsed: Parsed, kind: str) -> None:
    if not parsed.order or parsed.order[-1] != kind:
        parsed.order.append(kind)


def _delta(delta: dict[str, Any], parsed: Parsed, *, first: bool) -> None:
    kinds = [key for key in DELTA_KEYS - {"role"} if key in delta]
    assert len(kinds) == 1, f"one kind of content a chunk: {delta}"
    if "reasoning_content" in delta:
        assert isinstance(delta["reasoning_content"], str)
        assert delta["reasoning_content"], "no empty fragment"
        parsed.reasoning += delta["reasoning_content"]
        _seen(parsed, "reasoning")
    if "content" in delta:
        assert isinstance(delta["content"], str)
        assert first or delta["content"], "no empty fragment but in the first chunk"
        parsed.text += delta["content"]
        if delta["content"]:
            _seen(parsed, "text")
    if "annotations" in delta:
        for annotation in delta["annotations"]:
            _annotation(annotation)
            parsed.annotations.append(annotation)
    for fragment in delta.get("tool_calls", ()):
        _call(fragment, parsed)
        _seen(parsed, "call")


def _annotation(annotation: dict[str, Any]) -> None:
    """A citation of a web page, in the form of the official SDK. Other kinds pass as their vendors send them."""
    if annotation["type"] != "url_citation":
        return
    cited = annotation["url_citation"]
    assert cited["url"]
    assert isinstance(cited["title"], str)
    assert 0 <= cited["start_index"] <= cited["end_index"]


def _call(fragment: dict[str, Any], parsed: Parsed) -> None:
    index = fragment["index"]
    kind = "custom" if "custom" in fragment else "function"
    field_name = "input" if kind == "custom" else "arguments"
    body = fragment[kind]
    if index == len(parsed.calls):
        assert set(fragment) == {"index", "id", "type", kind}
        assert fragment["type"] == kind
        assert set(body) == {"name", field_name}
        assert fragment["id"]
        assert body["name"]
        assert fragment["id"] not in [call.id for call in parsed.calls], "ids are unique"
        parsed.calls.append(Call(fragment["id"], kind, body["name"], body[field_name]))
        return
    assert index == len(parsed.calls) - 1, "indexes are contiguous and calls do not interleave"
    assert set(fragment) == {"index", kind}, "id, type and name only in the first fragment"
    assert set(body) == {field_name}
    assert parsed.calls[index].type == kind
    parsed.calls[index].arguments += body[field_name]
