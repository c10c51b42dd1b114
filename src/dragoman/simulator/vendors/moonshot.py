"""Moonshot / Kimi: sampling fixed to one value, reasoning wanted with every call, names that start with a letter.

Only one model answers on the Messages protocol; on the Responses protocol thinking comes as a summary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.simulator.ask import Ask, Rejected, Said
from dragoman.simulator.bodies import anthropic_error, openai_error
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
    nullable,
    one_of,
    record,
    string,
    text,
)
from dragoman.simulator.memory import Broken, ReasoningMemory, dropped, require
from dragoman.simulator.messages_compat import CompatibleMessages
from dragoman.simulator.messages_stream import MessagesVoice
from dragoman.simulator.speech import Count
from dragoman.simulator.vendor import Account, Failure, ModelCard, Vendor, WireName, bearer_or_x_api_key
from dragoman.simulator.vendors import moonshot_responses
from dragoman.simulator.vendors.moonshot_responses import EFFORTS, TOOL_NAME, only

REASONING = "thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"

_MEDIA: dict[str, Rule] = {
    kind: record({"type": string, kind: record({"url": text}, ("url",))}, (kind,))
    for kind in ("image_url", "video_url")
}
_TEXTS = either(string, text_parts())
_BUILTIN = record(
    {"type": string, "function": record({"name": one_of("$web_search")}, ("name",))},
    ("function",),
)


class _Chat(ChatRules):
    limits = ("max_completion_tokens", "max_tokens")
    null_content = ("assistant",)
    empty_text = False

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        switch = one_of("enabled") if card.thinking == "forced" else one_of("enabled", "disabled")
        thinking: dict[str, Rule] = {"type": switch, "keep": nullable(one_of("all"))}
        own: dict[str, Rule] = {"thinking": record(thinking, ("type",))}
        if card.family == "k3":
            own = {"reasoning_effort": one_of(*EFFORTS)}
        tools = {"function": function_tool(TOOL_NAME), "builtin_function": _BUILTIN}
        return {
            "model": string,
            "messages": array(mapping, 1),
            "max_completion_tokens": nullable(integer(1, card.max_output)),
            "max_tokens": nullable(integer(1, card.max_output)),
            "stream": nullable(boolean),
            "stream_options": nullable(record({"include_usage": boolean})),
            "temperature": only(1) if card.thinking == "forced" else only(1, 0.6),
            "top_p": only(0.95),
            "n": only(1),
            "presence_penalty": only(0),
            "frequency_penalty": only(0),
            "stop": nullable(either(string, array(string, 0, 5))),
            "response_format": record({"type": one_of("text", "json_object")}, ("type",)),
            "tools": tools_array(tools),
            "tool_choice": one_of("auto", "none"),
            "prompt_cache_key": string,
            "safety_identifier": string,
            **own,
        }

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        kinds = {kind: rule for kind, rule in _MEDIA.items() if kind.removesuffix("_url") in card.media}
        assistant = {
            "role": string,
            "content": nullable(_TEXTS),
            "name": string,
            "partial": boolean,
            "tool_calls": array(CALL, 1),
            "reasoning_content": nullable(string),
        }
        named = {"role": string, "name": string}
        return {
            "system": record({**named, "content": _TEXTS}, ("content",)),
            "user": record({**named, "content": either(string, text_parts(kinds))}, ("content",)),
            "assistant": record(assistant),
            "tool": record({**named, "content": _TEXTS, "tool_call_id": text}, ("content", "tool_call_id")),
        }

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        """Nothing said is empty, and a prefix stands last; the fixed temperature depends on thinking."""
        last = len(said) - 1
        for index, one in enumerate(said):
            if one.role == "assistant" and not one.text and not one.calls:
                told = f"message at position {index} with role 'assistant' must not be empty"
                raise Rejected("blank", one.path, f"Invalid request: {told}")
            if body["messages"][index].get("partial") and index != last:
                raise Rejected("prefix", one.path, "Invalid request: partial is for the last message only")
        wanted = 1 if self.thinking(body, card) else 0.6
        if body.get("temperature", wanted) != wanted:
            told = f"invalid temperature: only {wanted:g} is allowed for this model"
            raise Rejected("sampling_fixed", "temperature", told)

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        kept = {"kept"} if body.get("thinking", {}).get("keep") == "all" else set()
        return super().options(body, card) | kept

    def hosted(self, tool: dict[str, Any], path: str, account: Account) -> bool:
        return False


class _Messages(CompatibleMessages):
    thinks = ("enabled", "adaptive")
    choices = ("auto", "none")
    tool_name = TOOL_NAME
    marks = False

    def efforts(self, card: ModelCard) -> tuple[str, ...]:
        return EFFORTS

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        return {**super().table(card), "temperature": only(1), "top_p": only(0.95)}


class _ChatVoice(ChatVoice):
    """Usage in a chunk of its own, when asked for; the cached tokens stand at its top."""

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        report = super().usage(spent, turn)
        if turn.fault not in ("usage_bad", "usage_null"):
            report["cached_tokens"] = spent.cached
        return report


_BAD = "invalid_request_error"
_WORDS = {
    "auth": "Invalid Authentication",
    "path": "The requested resource was not found",
    "text_not_set": "Invalid request: message at position {index} with role 'user' must not be empty",
    "content_missing": "Invalid request: message at position {index} must not be empty",
    "tool_name": "Invalid request: function name is invalid, must start with a letter and can contain letters, "
    "numbers, underscores, and dashes",
    "tool_twice": "Invalid request: function name is duplicated",
    "call_unanswered": "Invalid request: an assistant message with 'tool_calls' must be followed by tool messages "
    "responding to each 'tool_call_id'",
    "result_orphan": "Invalid request: tool_call_id  is not found",
}


def _told(error: Rejected, wire: WireName) -> Failure:
    if error.rule == "auth":
        return Failure(401, _WORDS["auth"], kind="invalid_authentication_error")
    if error.rule == "path":
        return Failure(404, _WORDS["path"], kind="resource_not_found_error")
    if error.rule in ("model_unknown", "model_gone"):
        told = f"Not found the model {error.reason.partition(' is')[0].strip(chr(39))} or Permission denied"
        return Failure(404, told, kind="resource_not_found_error")
    index = error.field.partition("[")[2].partition("]")[0]
    words = _WORDS.get(error.rule, "").format(index=index)
    if not words:
        own = error.rule in ("reasoning_missing", "sampling_fixed", "overflow", "blank", "prefix")
        words = error.reason if own else f"Invalid request: {error.reason}"
    return Failure(400, words, kind=_BAD)


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    if wire == "messages":
        return anthropic_error(failure, request, failure.kind)
    return openai_error(failure, nulls=False)


def _overflow(card: ModelCard, prompt: int) -> Failure:
    told = f"Invalid request: Your request exceeded model token limit: {card.context} (requested: {prompt})"
    return Failure(400, told, kind=_BAD)


def _replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """Every call keeps its reasoning while thinking is on; `keep: all` wants that of every turn."""
    require(memory, ask, REASONING)
    return dropped(memory, ask, range(len(ask.said))) if ask.thinking and "kept" in ask.options else ()


_LIMITS = (
    ("retry-after", "1"),
    ("x-ratelimit-limit-requests", "500"),
    ("x-ratelimit-remaining-requests", "0"),
    ("x-ratelimit-reset-requests", "1s"),
)
_SUSPENDED = "Your account org-sim is suspended, please check your plan and billing details"
_RATE = "Your account org-sim request reached organization max RPM: 500, please try again after 1 seconds"
_BUSY = "The engine is currently overloaded, please try again later"
_FAILURES = {
    "400": Failure(400, "Invalid request: a parameter is wrong", kind=_BAD),
    "401": Failure(401, "Invalid Authentication", kind="invalid_authentication_error"),
    "403": Failure(403, "The API you are accessing is not open", kind="permission_denied_error"),
    "404": Failure(404, "Not found the model or Permission denied", kind="resource_not_found_error"),
    "429": Failure(429, _RATE, kind="rate_limit_reached_error", headers=_LIMITS),
    "500": Failure(500, "Internal server error", kind="server_error"),
    "503": Failure(503, "Service unavailable", kind="server_error"),
    "overload": Failure(429, _BUSY, kind="engine_overloaded_error", headers=_LIMITS),
    "quota": Failure(429, _SUSPENDED, kind="exceeded_current_quota_error"),
    "balance": Failure(429, _SUSPENDED, kind="exceeded_current_quota_error"),
    "moderation": Failure(400, "The request was rejected because it was considered high risk", kind="content_filter"),
    "overflow": Failure(400, "Invalid request: Your request exceeded model token limit", kind=_BAD),
    "exploded": Failure(500, "upstream exploded", kind="server_error"),
}


def _listed(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "object": "model",
        "created": 1_780_000_000,
        "owned_by": "moonshot",
        "context_length": card.context,
        "supports_image_in": "image" in card.media,
        "supports_video_in": "video" in card.media,
        "supports_reasoning": True,
    }


_SEES = ("image", "video")

MOONSHOT = Vendor(
    id="moonshot",
    owner="moonshot",
    models=(
        ModelCard("kimi-k3", max_output=1_048_576, default_output=131_072, media=_SEES, thinking="forced", family="k3"),
        ModelCard(
            "kimi-k3.1-pro",
            max_output=1_048_576,
            media=("image",),
            thinking="forced",
            family="k3",
            wires=("chat", "responses"),
        ),
        ModelCard(
            "kimi-k2.7-code",
            context=262_144,
            max_output=262_144,
            default_output=32_768,
            media=_SEES,
            thinking="forced",
            family="k2.7",
            wires=("chat", "responses"),
        ),
        ModelCard(
            "kimi-k2.6",
            context=262_144,
            max_output=262_144,
            default_output=32_768,
            media=_SEES,
            family="k2",
            wires=("chat", "responses"),
        ),
    ),
    # Ended on 2026-08-31.
    retired=("kimi-k2.5", "moonshot-v1-8k", "moonshot-v1-32k", "moonshot-v1-128k"),
    paths={
        "/v1/chat/completions": "chat",
        "/anthropic/v1/messages": "messages",
        "/v1/responses": "responses",
    },
    listed=_listed,
    key=bearer_or_x_api_key,
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    replay=_replay,
    chat=_Chat(),
    chat_voice=_ChatVoice(),
    messages=_Messages(),
    messages_voice=MessagesVoice(),
    responses=moonshot_responses.STYLE,
)
