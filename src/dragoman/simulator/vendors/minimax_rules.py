"""What MiniMax takes: one system message, calls that fit together, reasoning back in the form in which it was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Call, Rejected, Said
from dragoman.simulator.chat_rules import INDEXED_CALL, ChatRules, function_tool, text_parts, tools_array
from dragoman.simulator.fields import (
    Rule,
    above_zero,
    anything,
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
from dragoman.simulator.vendor import ModelCard
from dragoman.simulator.vendors import minimax_responses
from dragoman.simulator.vendors.minimax_responses import TOOL_NAME

EFFORTS = minimax_responses.EFFORTS["M3.1"]
_INLINE = re.compile(r"<think>\n(.*?)\n</think>\n\n(.*)", re.S)
_MEDIA: dict[str, Rule] = {
    "image_url": record(
        {"type": string, "image_url": record({"url": text, "detail": string}, ("url",))}, ("image_url",)
    ),
    "video_url": record({"type": string, "video_url": record({"url": text}, ("url",))}, ("video_url",)),
}
_TEXTS = either(string, text_parts())
_DETAILS = record(
    {
        "type": one_of("reasoning.text"),
        "id": text,
        "format": one_of("MiniMax-response-v1"),
        "index": integer(0, 1000),
        "text": string,
    },
    ("type", "id", "format", "index", "text"),
)


class Chat(ChatRules):
    """Chat Completions as MiniMax takes them."""

    limits = ("max_completion_tokens", "max_tokens")
    ignored = ("presence_penalty", "frequency_penalty", "logit_bias")
    tolerated = ("parallel_tool_calls",)
    empty_text = False
    unique_ids = True

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        thinking = {"M3": one_of("adaptive", "disabled"), "M3.1": one_of("adaptive")}.get(card.family, string)
        effort = {"reasoning_effort": one_of(*EFFORTS)} if card.family == "M3.1" else {}
        return {
            "model": string,
            "messages": array(mapping, 1),
            "stream": boolean,
            "stream_options": record({"include_usage": boolean}),
            "max_completion_tokens": integer(1, card.max_output),
            "max_tokens": integer(1, card.max_output),
            "temperature": above_zero(1) if card.family == "M2" else number(0, 2),
            "top_p": number(0, 1),
            "n": integer(1, 1),
            "tools": tools_array({"function": function_tool(TOOL_NAME, "parameters")}),
            "thinking": record({"type": thinking}, ("type",)),
            "reasoning_split": boolean,
            "service_tier": one_of("standard", "priority"),
            "parallel_tool_calls": boolean,
            **effort,
            **dict.fromkeys(self.ignored, anything),
        }

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        media = {kind: rule for kind, rule in _MEDIA.items() if kind.removesuffix("_url") in card.media}
        assistant = {
            "role": string,
            "content": _TEXTS,
            "name": string,
            "audio_content": string,
            "tool_calls": array(INDEXED_CALL, 1),
            "reasoning_content": string,
            "reasoning_details": array(_DETAILS),
        }
        named = {"role": string, "name": string}
        return {
            "system": record({**named, "content": _TEXTS}, ("content",)),
            "user": record({**named, "content": either(string, text_parts(media))}, ("content",)),
            "assistant": record(assistant),
            "tool": record({**named, "content": _TEXTS, "tool_call_id": text}, ("content", "tool_call_id")),
        }

    def thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        return card.thinking == "forced" or body.get("thinking", {}).get("type") != "disabled"

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        systems = [index for index, one in enumerate(said) if one.role == "system"]
        if len(systems) > 1:
            raise Rejected("system_twice", said[systems[1]].path, "invalid chat setting")
        if systems and systems[0] != 0:
            raise Rejected("system_late", said[systems[0]].path, "chat content has invalid message role: system")
        if not [one for one in said if one.role != "system"]:
            raise Rejected("no_turn", "messages", "chat content is empty")
        for one, message in zip(said, body["messages"], strict=True):
            media = any(isinstance(part, dict) and part["type"] != "text" for part in message.get("content", ""))
            if one.role != "tool" and not (one.text.strip() or one.calls or one.reasoning or media):
                raise Rejected("blank", one.path, "chat content is empty")

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        form = "form:details" if body.get("reasoning_split") else "form:inline"
        return super().options(body, card) | {form}

    def unheeded(self, body: dict[str, Any], thinking: bool) -> tuple[tuple[str, str], ...]:
        out = super().unheeded(body, thinking)
        if "thinking" in body and body["model"].startswith("MiniMax-M2"):
            out = (*out, ("thinking", body["thinking"]["type"]))
        return out

    def call(self, call: dict[str, Any], path: str) -> Call:
        try:
            return super().call(call, path)
        except Rejected as error:
            told = f"invalid function arguments json string, tool_call_id: {call['id']}"
            raise Rejected("arguments_json", error.field, told) from None

    def reasoned(self, message: dict[str, Any], said: Said) -> Said:
        """Details first, then tags in the text, then the plain field."""
        details = message.get("reasoning_details")
        if details:
            # A tail that the server sent may come back or not: the field beside the details has none.
            told = "".join(piece["text"] for piece in details).removesuffix("</think>")
            marks = {(p["type"], p["id"], p["format"], p["index"]) for p in details}
            plain = message.get("reasoning_content", told)
            if len(marks) > 1 or plain != told:
                told = f"{told}\n{plain}"
            return msgspec.structs.replace(said, reasoning=told, form="details")
        found = _INLINE.fullmatch(said.text)
        if found:
            return msgspec.structs.replace(said, reasoning=found.group(1), text=found.group(2), form="inline")
        if said.text.startswith("<think>"):
            told, _, rest = said.text.partition("</think>")
            return msgspec.structs.replace(said, reasoning=told, text=rest.strip(), form="inline")
        plain = message.get("reasoning_content")
        return msgspec.structs.replace(said, reasoning=plain, form="field" if plain else "")


class Messages(CompatibleMessages):
    """The Messages address: fewer choices, and fields that are not heeded."""

    choices = ("auto", "none")
    ignored = ("top_k", "stop_sequences", "mcp_servers", "context_management", "container")

    def efforts(self, card: ModelCard) -> tuple[str, ...]:
        return EFFORTS if card.family == "M3.1" else ()

    def thinking_types(self, card: ModelCard) -> tuple[str, ...]:
        return ("enabled", "adaptive") if card.family == "M3.1" else self.thinks

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        return {**super().table(card), "temperature": above_zero(1)}
