"""What Zhipu takes: functions and tools of its own, effort by model family, and the coding plan's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Rejected, Said
from dragoman.simulator.chat_rules import INDEXED_CALL, ChatRules, function_tool, text_parts, tools_array
from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    integer,
    mapping,
    number,
    one_of,
    record,
    string,
    text,
)
from dragoman.simulator.messages_compat import CompatibleMessages
from dragoman.simulator.vendor import Account, ModelCard
from dragoman.simulator.vendors.zhipu_responses import ALL_EFFORTS, EFFORTS, TOOL_NAME

CODING = "/api/coding/"
"""Paths of the coding plan begin so."""
_MEDIA: dict[str, Rule] = {
    kind: record({"type": string, kind: record({"url": text}, ("url",))}, (kind,))
    for kind in ("image_url", "video_url", "file_url")
}
_SEARCH = record(
    {
        "enable": boolean,
        "search_engine": one_of("search_std", "search_pro", "search_pro_sogou", "search_pro_quark"),
        "search_query": string,
        "search_intent": boolean,
        "count": integer(1, 50),
        "search_domain_filter": string,
        "search_recency_filter": one_of("oneDay", "oneWeek", "oneMonth", "oneYear", "noLimit"),
        "content_size": one_of("medium", "high"),
        "result_sequence": one_of("before", "after"),
        "search_result": boolean,
        "require_search": boolean,
        "search_prompt": string,
    }
)
_MCP = record(
    {
        "server_label": text,
        "server_url": string,
        "transport_type": one_of("sse", "streamable-http"),
        "allowed_tools": array(string),
        "headers": mapping,
    },
    ("server_label",),
)
_RETRIEVAL = record({"knowledge_id": text, "prompt_template": string}, ("knowledge_id",))


def _nested(name: str, inner: Rule) -> Rule:
    """A tool whose settings stand under its own name."""
    return record({"type": string, name: inner}, (name,))


def _length(low: int, high: int) -> Rule:
    def rule(value: Any, path: str) -> None:
        string(value, path)
        if not low <= len(value) <= high:
            raise Rejected("field_range", path, f"{path}: {len(value)} characters are not in [{low}, {high}]")

    return rule


class Chat(ChatRules):
    """Chat Completions as Zhipu takes them."""

    limits = ("max_tokens",)
    tolerated = ("stream_options",)
    json_word = False
    empty_text = False

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        thinking = {"type": one_of("enabled", "disabled"), "clear_thinking": boolean}
        tools = {
            "function": function_tool(TOOL_NAME, "parameters"),
            "web_search": _nested("web_search", _SEARCH),
            "retrieval": _nested("retrieval", _RETRIEVAL),
            "mcp": _nested("mcp", _MCP),
        }
        effort = {"reasoning_effort": one_of(*ALL_EFFORTS)} if card.family in EFFORTS else {}
        return {
            "model": string,
            "messages": array(mapping, 1),
            "stream": boolean,
            "stream_options": record({"include_usage": boolean}),
            "max_tokens": integer(1, card.max_output),
            "temperature": number(0, 1),
            "top_p": number(0.01, 1),
            "do_sample": boolean,
            "stop": array(string, 1, 4),
            "tools": tools_array(tools),
            "tool_choice": one_of("auto"),
            "response_format": record({"type": one_of("text", "json_object")}, ("type",)),
            "thinking": record(thinking),
            "tool_stream": boolean,
            "request_id": _length(6, 64),
            "user_id": _length(6, 128),
            **effort,
        }

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        kinds = {kind: rule for kind, rule in _MEDIA.items() if kind.removesuffix("_url") in card.media}
        user = either(string, text_parts(kinds)) if kinds else string
        assistant = {
            "role": string,
            "content": string,
            "tool_calls": array(INDEXED_CALL, 1),
            "reasoning_content": string,
        }
        return {
            "system": record({"role": string, "content": string}, ("content",)),
            "user": record({"role": string, "content": user}, ("content",)),
            "assistant": record(assistant),
            "tool": record({"role": string, "content": string, "tool_call_id": text}, ("content", "tool_call_id")),
        }

    def read(self, body: dict[str, Any], card: ModelCard, account: Account) -> Ask:
        ask = super().read(body, card, account)
        coding = account.path.startswith(CODING)
        off = body.get("thinking", {}).get("type") == "disabled"
        effort = body.get("reasoning_effort")
        if not coding and card.family == "5.3" and off:
            raise Rejected("thinking_forced", "thinking.type", f"{card.id} cannot stop thinking")
        if not coding and effort is not None and effort not in EFFORTS[card.family]:
            raise Rejected("field_value", "reasoning_effort", f"reasoning_effort: {card.id} does not know {effort!r}")
        if coding and any(tool["type"] != "function" for tool in body.get("tools", [])):
            raise Rejected("tool_type", "tools", "the coding plan takes functions only")
        kept = not body.get("thinking", {}).get("clear_thinking", not coding)
        return msgspec.structs.replace(ask, options=ask.options | ({"kept"} if kept else set()))

    def thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        if card.thinking == "forced":
            return True
        off = body.get("reasoning_effort") in ("none", "minimal")
        return not off and body.get("thinking", {}).get("type") != "disabled"

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        if not any(one.role == "user" for one in said):
            raise Rejected("no_turn", "messages", "there is no user message")

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        return frozenset({"pieces"} if body.get("tool_stream") else ())

    def unheeded(self, body: dict[str, Any], thinking: bool) -> tuple[tuple[str, str], ...]:
        out = list(super().unheeded(body, thinking))
        if body.get("do_sample") is False:
            out += [(name, str(body[name])) for name in ("temperature", "top_p") if name in body]
        if len(body.get("stop", ())) > 1:
            out.append(("stop", "only the first word is heeded"))
        if thinking and body.get("thinking", {}).get("type") == "disabled":
            out.append(("thinking", "disabled"))
        return tuple(out)

    def hosted(self, tool: dict[str, Any], path: str, account: Account) -> bool:
        return tool["type"] == "web_search" and bool(tool["web_search"].get("enable", True))


class Messages(CompatibleMessages):
    """The address for coding agents: their fields are taken; what the model has no use for is not heeded."""

    ignored = ("top_k", "service_tier", "context_management", "container", "mcp_servers")
    marks = False

    def efforts(self, card: ModelCard) -> tuple[str, ...]:
        return ALL_EFFORTS
