"""A Chat client's request, read into the canonical one.

In: the body. Out: `Request` and the `View` that its answer needs; `InvalidRequest` names the field of whatever cannot
be read. Nothing is thrown away in silence: known parameters without a place of their own go raw into `params`, fields
that the protocol does not know go raw into `extra`; the plan decides the fate of both.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from msgspec import Raw

from dragoman.core.request import Effort, ReasoningAsk, Request, ResponseFormat
from dragoman.errors import InvalidRequest
from dragoman.wire.chat_completions.messages_in import read_messages
from dragoman.wire.chat_completions.tools_in import SEARCH_OPTIONS, read_tool_choice, read_tools, with_search
from dragoman.wire.chat_completions.view import View
from dragoman.wire.parse import absent, check_kinds, present, read, read_object

PARAMS = frozenset(
    {
        "audio",
        "cache_prompt",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "metadata",
        "min_p",
        "modalities",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "repetition_penalty",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "thinking_budget",
        "top_k",
        "top_logprobs",
        "user",
        "verbosity",
    }
)
"""Parameters that the protocol (or a common extension of it) knows and that have no place of their own."""

_KINDS = {
    "audio": "object",
    "cache_prompt": "boolean",
    "frequency_penalty": "number",
    "logit_bias": "object",
    "logprobs": "boolean or number",
    "metadata": "object",
    "min_p": "number",
    "modalities": "list",
    "prediction": "object",
    "presence_penalty": "number",
    "prompt_cache_key": "string",
    "prompt_cache_retention": "string",
    "repetition_penalty": "number",
    "safety_identifier": "string",
    "seed": "number",
    "service_tier": "string",
    "thinking_budget": "number",
    "top_k": "number",
    "top_logprobs": "number",
    "user": "string",
    "verbosity": "string",
}
"""Their JSON types."""

_OWN = frozenset(
    {
        "enable_thinking",
        "function_call",
        "functions",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "parallel_tool_calls",
        "reasoning",
        "reasoning_effort",
        "response_format",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_p",
        SEARCH_OPTIONS,
    }
)


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Thinking(msgspec.Struct):
    type: str | None = None
    budget_tokens: int | None = None
    display: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    summary: str | None = None


class _Schema(msgspec.Struct):
    name: str | None = None
    schema: Raw = Raw(b"")
    strict: bool | None = None
    description: str | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class Fields:
    """The body's fields, read one at a time; null is the same as absent."""

    def __init__(self, body: bytes) -> None:
        self.raw = read_object(body)

    def get(self, name: str, kind: Any, default: Any = None) -> Any:
        """The field as `kind`, or `default`."""
        raw = self.raw.get(name)
        return default if raw is None or absent(raw) else read(raw, kind, name)

    def slice(self, name: str) -> Raw | None:
        """The field as it stands."""
        raw = self.raw.get(name)
        return None if raw is None else present(raw)


def decode_request(body: bytes) -> tuple[Request, View]:
    """The request that `body` holds, and what its answer needs. Raises InvalidRequest."""
    fields = Fields(body)
    model = fields.get("model", str, "")
    if not model:
        raise InvalidRequest("model is missing; name the model that is to answer", param="model")
    _refuse(fields)
    check_kinds(fields.raw, _KINDS)
    tools = with_search(read_tools(fields.slice("tools")), fields.slice(SEARCH_OPTIONS))
    stream = bool(fields.get("stream", bool, False))
    options = fields.get("stream_options", _StreamOptions)
    request = Request(
        model=model,
        messages=read_messages(fields.slice("messages")),
        wire="chat",
        stream=stream,
        tools=tools,
        tool_choice=read_tool_choice(fields.slice("tool_choice")),
        parallel_tool_calls=fields.get("parallel_tool_calls", bool),
        max_output_tokens=_limit(fields),
        temperature=fields.get("temperature", float),
        top_p=fields.get("top_p", float),
        stop=_stop(fields),
        reasoning=_reasoning(fields),
        response_format=_format(fields),
        store=fields.get("store", bool),
        params={k: v.copy() for k, v in fields.raw.items() if k in PARAMS and not absent(v)},
        extra={k: v.copy() for k, v in fields.raw.items() if k not in PARAMS and k not in _OWN and not absent(v)},
        body=Raw(body),
    )
    return request, View(model, stream, bool(options and options.include_usage))


def _refuse(fields: Fields) -> None:
    """What this gateway cannot carry out at all."""
    if fields.get("n", int, 1) != 1:
        raise InvalidRequest("n must be 1; ask several times for several answers", param="n")
    for name, better in (("functions", "tools"), ("function_call", "tool_choice")):
        if fields.slice(name) is not None:
            raise InvalidRequest(f"{name} is a form that was given up long ago; use {better}", param=name)


def _limit(fields: Fields) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit: int | None = fields.get(name, int)
        if limit is not None:
            if limit < 1:
                raise InvalidRequest(f"{name} must be at least 1", param=name)
            return limit
    return None


def _stop(fields: Fields) -> tuple[str, ...]:
    stop = fields.get("stop", str | list[str])
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _effort(word: str | None, path: str) -> Effort | None:
    if word is None:
        return None
    for effort in get_args(Effort):
        if effort == word:
            return effort  # type: ignore[no-any-return]
    raise InvalidRequest(f"{path} {word!r} is unknown; use one of {', '.join(get_args(Effort))}", param=path)


def _reasoning(fields: Fields) -> ReasoningAsk:
    """One wish out of the four fields that clients send for it. An explicit off wins over an effort."""
    thinking = fields.get("thinking", _Thinking)
    enable = fields.get("enable_thinking", bool)
    asked = fields.get("reasoning", _Reasoning)
    effort = _effort(fields.get("reasoning_effort", str), "reasoning_effort")
    if thinking is None and enable is None and asked is None and effort is None:
        return ReasoningAsk()
    budget, summary, adaptive, display = None, None, False, None
    off = enable is False
    if asked is not None:
        effort = effort or _effort(asked.effort, "reasoning.effort")
        budget, summary = asked.max_tokens, asked.summary
        off = off or asked.enabled is False
    if thinking is not None:
        if thinking.type not in ("enabled", "disabled", "adaptive"):
            raise InvalidRequest("thinking.type must be enabled, disabled or adaptive", param="thinking.type")
        off = off or thinking.type == "disabled"
        adaptive, display = thinking.type == "adaptive", thinking.display
        budget = thinking.budget_tokens if thinking.budget_tokens is not None else budget
    if off:
        return ReasoningAsk(asked=True, effort="none")
    return ReasoningAsk(True, effort, budget, adaptive, summary, display)


def _format(fields: Fields) -> ResponseFormat | None:
    found: _Format | None = fields.get("response_format", _Format)
    if found is None:
        return None
    if found.type in ("text", "json_object"):
        return ResponseFormat("text" if found.type == "text" else "json_object")
    if found.type != "json_schema":
        message = f"response_format.type {found.type!r} is unknown; use text, json_object or json_schema"
        raise InvalidRequest(message, param="response_format.type")
    schema = found.json_schema
    if schema is None:
        raise InvalidRequest("response_format.json_schema is missing", param="response_format.json_schema")
    return ResponseFormat("json_schema", schema.name, present(schema.schema), schema.strict, schema.description)
