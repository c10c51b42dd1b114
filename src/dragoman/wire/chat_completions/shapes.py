"""The upstream's chunk and answer as typed structs, and a patient reading of those that do not fit.

`read_chunk` is the hot road: one typed decode. Only when a field has a wrong type does it fall back to a reading field
by field, in which the wrong field is left out and the rest is kept. Raises Malformed for what is no JSON object.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw

from dragoman.wire.base import Malformed
from dragoman.wire.lenient import read_json
from dragoman.wire.upstream_errors import BaseResp

ABSENT = Raw(b"")
"""Stands for a raw field that was not sent."""


class FunctionPart(msgspec.Struct, gc=False):
    """The function of a tool-call fragment."""

    name: str | None = None
    arguments: str | None = None


class CustomPart(msgspec.Struct, gc=False):
    """The freeform half of a tool-call fragment."""

    name: str | None = None
    input: str | None = None


class CallPart(msgspec.Struct, gc=False):
    """A fragment of a tool call, or a whole one."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionPart | None = None
    custom: CustomPart | None = None
    extra_content: Raw = ABSENT


class Delta(msgspec.Struct, gc=False):
    """What one chunk adds, or the message of a whole answer."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    reasoning_details: Raw = ABSENT
    tool_calls: list[CallPart] | None = None
    function_call: FunctionPart | None = None
    annotations: list[Raw] | None = None
    refusal: str | None = None
    error_message: str | None = None
    """Why the vendor's own web search failed."""


class Choice(msgspec.Struct, gc=False):
    """One alternative. Only the first is ever read: `n` is always 1."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    usage: Raw = ABSENT


class Chunk(msgspec.Struct, gc=False):
    """One chunk of a stream, or a whole answer: they differ only in `delta` and `message`."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    choices: list[Choice] | None = None
    usage: Raw = ABSENT
    error: Raw = ABSENT
    base_resp: BaseResp | None = None
    web_search: Raw = ABSENT
    """The pages that the vendor's own web search found, where they do not come as annotations."""


class _PlainDelta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: None = None
    reasoning_text: None = None
    reasoning_details: None = None
    tool_calls: None = None
    function_call: None = None
    annotations: None = None
    refusal: None = None
    error_message: Literal[""] | None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    index: Literal[0] | None = 0
    finish_reason: None = None
    usage: None = None


class _Plain(msgspec.Struct, gc=False):
    """A chunk that can only be a piece of text or of thinking. Whatever else would mean something is typed `None`, so
    that the decoder itself, at C speed, refuses a chunk that holds it; many servers send all of it as nulls."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None
    base_resp: None = None
    web_search: None = None


_DECODE = msgspec.json.Decoder(Chunk).decode
_DECODE_PLAIN = msgspec.json.Decoder(_Plain).decode


def sent(raw: Raw) -> bool:
    """Whether a raw field was there and not null."""
    return len(raw) > 0 and bytes(raw) != b"null"


def read_chunk(data: bytes) -> Chunk:
    """One chunk or whole answer."""
    try:
        return _DECODE(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _lenient(data, error)


def plain_delta(data: bytes, thinking: bool) -> str | None:
    """The text of a chunk that holds a piece of text (or, with `thinking`, of `reasoning_content`) and nothing else
    that means anything; None for every other chunk."""
    try:
        delta = _DECODE_PLAIN(data).choices[0].delta
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if thinking:
        return None if delta.content else delta.reasoning_content
    return None if delta.reasoning_content is not None else delta.content


def _lenient(data: bytes, cause: Exception) -> Chunk:
    try:
        value = read_json(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {_brief(cause)}") from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    choices = value.get("choices")
    return Chunk(
        _str(value.get("id")),
        _str(value.get("model")),
        _int(value.get("created")),
        [_choice(c) for c in choices if isinstance(c, dict)] if isinstance(choices, list) else None,
        _raw(value.get("usage")),
        _raw(value.get("error")),
        _base_resp(value.get("base_resp")),
        _raw(value.get("web_search")),
    )


def _brief(error: Exception) -> str:
    return str(error)[:200]


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() else None


def _raw(value: Any) -> Raw:
    return ABSENT if value is None else Raw(msgspec.json.encode(value))


def _base_resp(value: Any) -> BaseResp | None:
    if not isinstance(value, dict):
        return None
    return BaseResp(_int(value.get("status_code")), _str(value.get("status_msg")))


def _choice(value: dict[str, Any]) -> Choice:
    delta, message = value.get("delta"), value.get("message")
    return Choice(
        _int(value.get("index")),
        _delta(delta) if isinstance(delta, dict) else None,
        _delta(message) if isinstance(message, dict) else None,
        _str(value.get("finish_reason")),
        _raw(value.get("usage")),
    )


def _delta(value: dict[str, Any]) -> Delta:
    calls, notes, legacy = value.get("tool_calls"), value.get("annotations"), value.get("function_call")
    return Delta(
        _text(value.get("content")),
        _text(value.get("reasoning_content")),
        _text(value.get("reasoning")),
        _text(value.get("reasoning_text")),
        _raw(value.get("reasoning_details")),
        [_call(c) for c in calls if isinstance(c, dict)] if isinstance(calls, list) else None,
        _function(legacy) if isinstance(legacy, dict) else None,
        [_raw(n) for n in notes if n is not None] if isinstance(notes, list) else None,
        _str(value.get("refusal")),
        _str(value.get("error_message")),
    )


def _text(value: Any) -> str | None:
    """A string, or the texts of a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(p["text"] for p in value if isinstance(p, dict) and isinstance(p.get("text"), str))
    return None


def _function(value: dict[str, Any]) -> FunctionPart:
    arguments = value.get("arguments")
    if isinstance(arguments, dict | list):
        arguments = msgspec.json.encode(arguments).decode()
    return FunctionPart(_str(value.get("name")), _str(arguments))


def _call(value: dict[str, Any]) -> CallPart:
    function, custom = value.get("function"), value.get("custom")
    return CallPart(
        _int(value.get("index")),
        _str(value.get("id")),
        _str(value.get("type")),
        _function(function) if isinstance(function, dict) else None,
        CustomPart(_str(custom.get("name")), _str(custom.get("input"))) if isinstance(custom, dict) else None,
        _raw(value.get("extra_content")),
    )
