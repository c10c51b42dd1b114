"""A client's Messages request, as a canonical request.

In: the body of `POST /v1/messages` (or of `count_tokens`). Out: `core.Request` and the `View` that the answer needs.
Everything malformed is `InvalidRequest` with the path of the field; what the protocol does not know goes to `extra`.
Knows nothing of upstreams.
"""

from __future__ import annotations

from typing import TypeVar, cast, get_args

import msgspec
from msgspec import Raw

from dragoman.core.messages import Block, Message, ToolResult
from dragoman.core.notes import Note
from dragoman.core.request import Effort, ReasoningAsk, Request, ResponseFormat
from dragoman.errors import InvalidRequest
from dragoman.wire.messages.blocks import blocks_of, system_of
from dragoman.wire.messages.tools import choice_of, tools_of
from dragoman.wire.parse import absent, check_kinds, is_object, present, read, read_object

_HERE = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "stream",
        "stop_sequences",
        "temperature",
        "top_p",
    }
)
_PARAMS = frozenset(
    {
        "metadata",
        "top_k",
        "service_tier",
        "cache_control",
        "container",
        "inference_geo",
        "context_management",
        "mcp_servers",
        "betas",
        "diagnostics",
        "fallbacks",
        "speed",
    }
)
_KINDS = {
    "metadata": "object",
    "top_k": "number",
    "service_tier": "string",
    "cache_control": "object",
    "container": "string or object",
    "inference_geo": "string",
    "context_management": "object",
    "mcp_servers": "list",
    "betas": "list",
    "diagnostics": "object",
    "speed": "string",
}
_LONG = "[1m]"
T = TypeVar("T")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What only the answer needs. model: the name as asked. show_thinking: False when the client asked to omit it."""

    model: str
    stream: bool = False
    notes: tuple[Note, ...] = ()
    show_thinking: bool = True


class _Message(msgspec.Struct):
    role: str
    content: Raw


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: Raw = Raw()


def decode_request(body: bytes, counting: bool = False) -> tuple[Request, View]:
    """The request and the view of its answer. counting: a count_tokens body, which needs no `max_tokens`.

    Raises InvalidRequest, with the path of the field at fault, and nothing else.
    """
    fields = read_object(body)
    notes: list[Note] = []
    asked = _text(fields, "model")
    if not asked:
        raise InvalidRequest("model: name the model to use, for example provider:model", param="model")
    check_kinds(fields, _KINDS)
    messages = _messages(fields)
    choice, parallel = choice_of(fields.get("tool_choice", Raw()))
    reasoning, format_ = _thinking(fields, notes)
    stream = _optional(fields, "stream", bool) or False
    request = Request(
        model=_model(asked, notes),
        messages=messages,
        wire="messages",
        stream=stream,
        tools=tools_of(fields.get("tools", Raw())),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_output_tokens=_max_tokens(fields, counting),
        temperature=_optional(fields, "temperature", float),
        top_p=_optional(fields, "top_p", float),
        stop=tuple(_optional(fields, "stop_sequences", list[str]) or ()),
        reasoning=reasoning,
        response_format=format_,
        params=_rest(fields, known=True),
        extra=_rest(fields, known=False),
        body=Raw(body),
    )
    view = View(model=asked, stream=stream, notes=tuple(notes), show_thinking=reasoning.display != "omitted")
    return request, view


def _optional(fields: dict[str, Raw], name: str, kind: type[T]) -> T | None:
    raw = fields.get(name)
    return None if raw is None or absent(raw) else read(raw, kind, name)


def _text(fields: dict[str, Raw], name: str) -> str | None:
    return _optional(fields, name, str)


def _model(asked: str, notes: list[Note]) -> str:
    """The name without the suffix by which some clients ask for a long window; vendors do not know it."""
    if asked.lower().endswith(_LONG) and len(asked) > len(_LONG):
        notes.append(Note("param_dropped", "model", f"the suffix {_LONG} is not part of the model's name"))
        return asked[: -len(_LONG)]
    return asked


def _max_tokens(fields: dict[str, Raw], counting: bool) -> int | None:
    value = _optional(fields, "max_tokens", int)
    if value is None:
        if counting:
            return None
        raise InvalidRequest("max_tokens: required; send the most tokens that may be generated", param="max_tokens")
    if value < 1:
        raise InvalidRequest(f"max_tokens: must be at least 1, not {value}", param="max_tokens")
    return value


def _rest(fields: dict[str, Raw], *, known: bool) -> dict[str, Raw]:
    """Fields without a place of their own: those of the protocol, or those it does not know."""
    out: dict[str, Raw] = {}
    for key, raw in fields.items():
        if key in _HERE or (key in _PARAMS) is not known or absent(raw):
            continue
        if key == "metadata" and not is_object(raw):
            raise InvalidRequest("metadata: must be an object", param="metadata")
        out[key] = raw.copy()
    return out


def _thinking(fields: dict[str, Raw], notes: list[Note]) -> tuple[ReasoningAsk, ResponseFormat | None]:
    """What `thinking` and `output_config` ask for."""
    config = _optional(fields, "output_config", dict[str, Raw]) or {}
    for key in config:
        if key not in ("effort", "format"):
            notes.append(Note("unknown_field", f"output_config.{key}"))
    format_ = _format(config.get("format"), "output_config.format") or _format(
        fields.get("output_format"), "output_format"
    )
    effort: Effort | None = None
    raw = config.get("effort")
    if raw is not None and not absent(raw):
        word = read(raw, str, "output_config.effort")
        if word not in get_args(Effort):
            raise InvalidRequest(
                f"output_config.effort: {word!r} is unknown; use one of {', '.join(get_args(Effort))}",
                param="output_config.effort",
            )
        effort = cast(Effort, word)
    thinking = _optional(fields, "thinking", _Thinking)
    if thinking is None:
        return ReasoningAsk(effort=effort), format_
    if thinking.type == "disabled":
        return ReasoningAsk(asked=True, effort="none", display=thinking.display), format_
    if thinking.type not in ("enabled", "adaptive"):
        raise InvalidRequest(
            f"thinking.type: {thinking.type!r} is unknown; use enabled, adaptive or disabled", param="thinking.type"
        )
    if thinking.budget_tokens is not None and thinking.budget_tokens < 1:
        raise InvalidRequest("thinking.budget_tokens: must be positive", param="thinking.budget_tokens")
    ask = ReasoningAsk(
        asked=True,
        effort=effort,
        budget=thinking.budget_tokens,
        adaptive=thinking.type == "adaptive",
        display=thinking.display,
    )
    return ask, format_


def _format(raw: Raw | None, path: str) -> ResponseFormat | None:
    if raw is None or absent(raw):
        return None
    wanted = read(raw, _Format, path)
    if wanted.type == "json_schema":
        if not is_object(wanted.schema):
            raise InvalidRequest(f"{path}.schema: must be a JSON Schema object", param=f"{path}.schema")
        return ResponseFormat("json_schema", schema=present(wanted.schema))
    if wanted.type == "json_object":
        return ResponseFormat("json_object")
    if wanted.type == "text":
        return None
    raise InvalidRequest(f"{path}.type: {wanted.type!r} is unknown; use json_schema", param=f"{path}.type")


def _messages(fields: dict[str, Raw]) -> tuple[Message, ...]:
    """The conversation, system text first."""
    out: list[Message] = []
    system = fields.get("system")
    if system is not None and not absent(system):
        texts = system_of(system, "system")
        if any(t.text for t in texts):
            out.append(Message("system", texts))
    raw = fields.get("messages")
    if raw is None or absent(raw):
        raise InvalidRequest("messages: required; send at least one message", param="messages")
    items = read(raw, list[Raw], "messages")
    if not items:
        raise InvalidRequest("messages: empty; send at least one message", param="messages")
    for index, item in enumerate(items):
        out += _message(read(item, _Message, f"messages[{index}]"), f"messages[{index}]")
    return tuple(out)


def _message(message: _Message, path: str) -> list[Message]:
    role, content, where = message.role, message.content, f"{path}.content"
    if role == "system":
        texts = system_of(content, where)
        return [Message("system", texts)] if any(t.text for t in texts) else []
    if role == "assistant":
        return [Message("assistant", tuple(blocks_of(content, role, where)))]
    if role != "user":
        raise InvalidRequest(f"{path}.role: {role!r} is unknown; use user, assistant or system", param=f"{path}.role")
    results: list[Block] = []
    rest: list[Block] = []
    for block in blocks_of(content, role, where):
        (results if isinstance(block, ToolResult) else rest).append(block)
    out = [Message("tool", tuple(results))] if results else []
    if rest or not results:
        out.append(Message("user", tuple(rest)))
    return out
