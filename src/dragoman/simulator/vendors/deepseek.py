"""DeepSeek: errors of a JSON deserializer, reasoning that stays with every turn that used tools, cache hit counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.bodies import openai_error
from dragoman.simulator.brain import Turn
from dragoman.simulator.chat_rules import CALL, ChatRules, function_tool, text_parts, tools_array
from dragoman.simulator.chat_stream import ChatVoice
from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    integer,
    mapping,
    matching,
    nullable,
    number,
    one_of,
    record,
    string,
    text,
)
from dragoman.simulator.memory import Broken, ReasoningMemory, dropped, require
from dragoman.simulator.messages_compat import CompatibleMessages
from dragoman.simulator.messages_stream import MessagesVoice
from dragoman.simulator.speech import Count
from dragoman.simulator.vendor import Failure, ModelCard, Vendor, WireName, bearer_or_x_api_key

TOOL_NAME = "[A-Za-z0-9_-]{1,64}"
CHAT_WORDS = "The `reasoning_content` in the thinking mode must be passed back to the API."
MESSAGES_WORDS = "The `content[].thinking` in the thinking mode must be passed back to the API."

_URL = record({"url": text, "detail": string}, ("url",))
_IMAGE: dict[str, Rule] = {"image_url": record({"type": string, "image_url": _URL}, ("image_url",))}
_TEXTS = either(string, text_parts())
_NAMED = record({"type": one_of("function"), "function": record({"name": text}, ("name",))}, ("type", "function"))


def _not_beta(value: Any, path: str) -> None:
    """Strict tools are served at the beta address only."""
    boolean(value, path)
    if value:
        raise Rejected("beta", path, f"{path}: strict mode needs the beta base URL")


class _Chat(ChatRules):
    limits = ("max_tokens",)
    forced = (("temperature", None), ("top_p", None))
    ignored = ("frequency_penalty", "presence_penalty")
    null_content = ("assistant",)

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        return {
            "model": string,
            "messages": array(mapping, 1),
            "thinking": record({"type": one_of("enabled", "disabled")}, ("type",)),
            "reasoning_effort": one_of("low", "medium", "high", "xhigh", "max"),
            "max_tokens": nullable(integer(1, card.max_output)),
            "response_format": nullable(record({"type": one_of("text", "json_object")}, ("type",))),
            "stop": nullable(either(string, array(string, 0, 16))),
            "stream": nullable(boolean),
            "stream_options": nullable(record({"include_usage": boolean})),
            "temperature": nullable(number(0, 2)),
            "top_p": nullable(number(0, 1)),
            "tools": nullable(tools_array({"function": function_tool(TOOL_NAME, strict=_not_beta)})),
            "tool_choice": nullable(either(one_of("none", "auto", "required"), _NAMED)),
            "logprobs": nullable(boolean),
            "top_logprobs": nullable(integer(0, 20)),
            "user_id": matching("[A-Za-z0-9_-]{1,512}", "user_id"),
            "frequency_penalty": nullable(number(-2, 2)),
            "presence_penalty": nullable(number(-2, 2)),
        }

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        parts = either(string, text_parts(_IMAGE if "image" in card.media else None))
        assistant = {
            "role": string,
            "content": nullable(_TEXTS),
            "name": string,
            "tool_calls": nullable(array(CALL, 1)),
            "reasoning_content": nullable(string),
        }
        return {
            "system": record({"role": string, "content": _TEXTS, "name": string}, ("content",)),
            "user": record({"role": string, "content": parts, "name": string}, ("content",)),
            "assistant": record(assistant),
            "tool": record({"role": string, "content": _TEXTS, "tool_call_id": text}, ("content", "tool_call_id")),
        }

    def check(self, body: dict[str, Any], said: tuple[Any, ...], card: ModelCard) -> None:
        if body.get("stream_options") and not body.get("stream"):
            raise Rejected("stream_options", "stream_options", "stream_options should be set along with stream = true")
        named = body.get("tool_choice")
        names = {tool["function"]["name"] for tool in body.get("tools") or []}
        if isinstance(named, dict) and named["function"]["name"] not in names:
            raise Rejected("tool_choice_name", "tool_choice", "tool_choice names a function that is not offered")
        if named == "required" and not names:
            raise Rejected("tool_choice_name", "tool_choice", "tool_choice is set but there are no tools")
        if body.get("top_logprobs") is not None and not body.get("logprobs"):
            raise Rejected("top_logprobs", "top_logprobs", "top_logprobs needs logprobs = true")

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        tools = {"tools"} if body.get("tools") else set()
        return super().options(body, card) | tools


class _Messages(CompatibleMessages):
    temperature = (0.0, 2.0)
    ignored = ("container", "mcp_servers", "service_tier", "top_k")
    marks = False

    def efforts(self, card: ModelCard) -> tuple[str, ...]:
        return ("high", "max")


KEEP_ALIVE = (b": keep-alive\n\n", b"\n")
"""What a queued request gets while it waits: comments in a stream, blank lines before a body."""


class _MessagesVoice(MessagesVoice):
    keep_alive = KEEP_ALIVE


class _ChatVoice(ChatVoice):
    """Both kinds of content in every delta, null where one says nothing; usage in its own chunk, when asked for."""

    words: Mapping[str, str] = {
        "length": "length",
        "content_filter": "content_filter",
        "resource": "insufficient_system_resource",
    }
    usage_at = "asked"
    keep_alive = KEEP_ALIVE

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        if turn.fault == "usage_bad":
            return super().usage(spent, turn)
        nulls = turn.fault == "usage_null"
        return {
            "prompt_tokens": spent.prompt,
            "completion_tokens": spent.output,
            "total_tokens": spent.prompt + spent.output,
            "prompt_cache_hit_tokens": None if nulls else spent.cached,
            "prompt_cache_miss_tokens": None if nulls else spent.prompt - spent.cached,
            "completion_tokens_details": None if nulls else {"reasoning_tokens": spent.reasoning},
        }

    def choice(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {**super().choice(delta, finish), "logprobs": None}

    def opening(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        if ask.thinking:
            yield {"role": "assistant", "content": None, "reasoning_content": ""}
        else:
            yield {"role": "assistant", "content": ""}

    def reasoning(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        for fields in super().reasoning(ask, turn):
            yield {"content": None, **fields}

    def text(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        for fields in super().text(ask, turn):
            yield {**fields, "reasoning_content": None} if ask.thinking else fields

    def closing(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        return {"content": "", "reasoning_content": None} if ask.thinking else {"content": ""}

    def message(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        message = super().message(ask, turn)
        if ask.thinking:
            message["reasoning_content"] = turn.reasoning
        return message


_BAD = "invalid_request_error"
_WORDS = {
    "auth": "Authentication Fails (no such user)",
    "path": "Not Found",
    "model_unknown": "Model Not Exist",
    "model_gone": "Model Not Exist",
    "content_missing": "Invalid assistant message: content or tool_calls must be set",
    "json_word": "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
    "call_unanswered": "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'. (insufficient tool messages following tool_calls message)",
    "result_orphan": "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
    "tool_twice": "Tool names must be unique.",
}


def _told(error: Rejected, wire: WireName) -> Failure:
    status = {"auth": 401, "path": 404, "field_range": 422}.get(error.rule, 400)
    kind = "authentication_error" if error.rule == "auth" else _BAD
    words = _WORDS.get(error.rule)
    if error.rule in ("field_type", "field_missing", "unknown_field", "role", "content_null", "json"):
        words = f"Failed to deserialize the JSON body into the target type: {_serde(error)} at line 1 column 2"
    elif error.rule in ("part_type", "tool_type", "field_value"):
        found = re.search(r"'([^']*)' is not supported", error.reason)
        known = "`text`" if error.rule == "part_type" else "another value"
        place = re.sub(r"\.?content\[\d+\]\.type$|\.type$", "", error.field)
        inner = f"unknown variant `{found.group(1)}`, expected {known}" if found else _serde(error)
        words = f"Failed to deserialize the JSON body into the target type: {place}: {inner} at line 1 column 2"
    elif error.rule == "field_range":
        words = f"Invalid {error.field} value, the valid range of {error.field} is {error.reason.rpartition(' in ')[2]}"
    return Failure(status, error.message or words or error.reason, code=_BAD, kind=kind)


def _serde(error: Rejected) -> str:
    match error.rule:
        case "unknown_field":
            return f"unknown field `{error.field.rpartition('.')[2]}`"
        case "field_missing":
            path, _, name = error.field.rpartition(".")
            return f"{path}: missing field `{name}`" if path else f"missing field `{name}`"
        case "role":
            known = "expected one of `system`, `user`, `assistant`, `tool`"
            found = re.search(r": '?([^']*)'? is not", error.reason)
            return f"{error.field}: unknown variant `{found.group(1) if found else ''}`, {known}"
        case _:
            return error.reason


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    """One shape on both protocols: this server answers Messages errors in the OpenAI shape, too."""
    return openai_error(failure)


def _overflow(card: ModelCard, prompt: int) -> Failure:
    told = (
        f"This model's maximum context length is {card.context} tokens. However, you requested {prompt} tokens "
        f"({prompt} in the messages, 0 in the completion). Please reduce the length of the messages or completion."
    )
    return Failure(400, told, code=_BAD, kind=_BAD)


def _replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """Turns that used tools keep their reasoning for good; with tools on offer every assistant message has the key.

    A turn is everything between two messages of the user's own, its last answer included. The empty string passes the
    server; where reasoning was sent, that is a loss all the same.
    """
    if not ask.thinking:
        return ()
    words = MESSAGES_WORDS if ask.wire == "messages" else CHAT_WORDS
    if ask.wire == "messages":
        require(memory, ask, words)
        return ()
    used = False
    kept = []
    for index, one in enumerate(ask.said):
        if one.role == "user":
            used = False
        used = used or bool(one.calls)
        if used:
            kept.append(index)
        if one.role == "assistant" and one.reasoning is None and (used or "tools" in ask.options):
            raise Rejected("reasoning_missing", one.path, words)
    return dropped(memory, ask, kept)


def _listed(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "object": "model",
        "owned_by": "deepseek",
        "name": card.id,
        "context_window": card.context,
        "max_output_tokens": card.max_output,
        "input_modalities": ["text", *card.media],
        "output_modalities": ["text"],
        "effort": {"supported_levels": ["low", "high", "max"], "default_level": "high"},
        "api_capabilities": ["chat_completions", "anthropic_messages"],
    }


_FAILURES = {
    "400": Failure(400, "Failed to deserialize the JSON body into the target type", code=_BAD, kind=_BAD),
    "401": Failure(401, "Authentication Fails (no such user)", code=_BAD, kind="authentication_error"),
    "402": Failure(402, "Insufficient Balance", code=_BAD, kind="unknown_error"),
    "422": Failure(422, "Invalid max_tokens value, the valid range of max_tokens is [1, 393216]", code=_BAD, kind=_BAD),
    "429": Failure(429, "Too many concurrent requests", code="rate_limit_reached", kind="rate_limit_error"),
    "500": Failure(500, "Internal Server Error", code="internal_error", kind="server_error"),
    "503": Failure(503, "Service is too busy. Please retry later.", code="service_unavailable", kind="server_error"),
    "overload": Failure(503, "Service is too busy.", code="service_unavailable", kind="server_error"),
    "balance": Failure(402, "Insufficient Balance", code=_BAD, kind="unknown_error"),
    "moderation": Failure(400, "Content Exists Risk", code=_BAD, kind=_BAD),
    "overflow": Failure(400, "This model's maximum context length is exceeded", code=_BAD, kind=_BAD),
    "exploded": Failure(500, "upstream exploded", code="internal_error", kind="server_error"),
}

DEEPSEEK = Vendor(
    id="deepseek",
    owner="deepseek",
    models=(
        ModelCard("deepseek-flash", max_output=393_216, default_output=65_536, media=("image",)),
        ModelCard("deepseek-v4-pro", max_output=393_216, default_output=65_536, media=()),
        ModelCard("deepseek-v4-flash", max_output=393_216, default_output=65_536, media=("image",)),
        ModelCard("deepseek-v4-flash-vision-exp", max_output=393_216, default_output=65_536, media=("image",)),
    ),
    # Their end was announced for 2026-07-24.
    retired=("deepseek-chat", "deepseek-reasoner", "deepseek-v3.2"),
    paths={
        "/chat/completions": "chat",
        "/v1/chat/completions": "chat",
        "/anthropic/v1/messages": "messages",
    },
    models_paths=("/models", "/v1/models"),
    listed=_listed,
    key=bearer_or_x_api_key,
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    replay=_replay,
    manners=("queued",),
    chat=_Chat(),
    chat_voice=_ChatVoice(),
    messages=_Messages(),
    messages_voice=_MessagesVoice(),
)
