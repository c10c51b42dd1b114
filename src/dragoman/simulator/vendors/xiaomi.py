"""Xiaomi MiMo: strict fields, one reasoning rule for all protocols, error bodies that keep the reason in `param`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.brain import Turn
from dragoman.simulator.chat_rules import CALL, ChatRules, function_tool, text_parts, tools_array
from dragoman.simulator.chat_stream import ChatVoice, url_citations
from dragoman.simulator.fields import (
    Rule,
    anything,
    array,
    boolean,
    either,
    integer,
    mapping,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
    text,
    text_part,
)
from dragoman.simulator.memory import Broken, ReasoningMemory, require
from dragoman.simulator.messages_rules import CHOICE, MessagesRules, client_tool, source
from dragoman.simulator.messages_stream import MessagesVoice
from dragoman.simulator.speech import Count
from dragoman.simulator.vendor import Account, Failure, ModelCard, Vendor, WireName, bearer_key
from dragoman.simulator.vendors import xiaomi_responses

TOOL_NAME = "[A-Za-z0-9_-]{1,64}"
FORCED: tuple[tuple[str, float | None], ...] = (("temperature", 1.0), ("top_p", 0.95))
_TEMPERATURE = number(0.0, 1.5)
_TOP_P = number(0.01, 1.0)
_THINKING = record({"type": one_of("enabled", "disabled")}, ("type",))

_MEDIA: dict[str, Rule] = {
    "image_url": record({"type": string, "image_url": record({"url": text}, ("url",))}, ("image_url",)),
    "input_audio": record({"type": string, "input_audio": record({"data": text}, ("data",))}, ("input_audio",)),
    "video_url": record(
        {
            "type": string,
            "video_url": record({"url": text}, ("url",)),
            "fps": number(0.1, 10),
            "media_resolution": one_of("default", "max"),
        },
        ("video_url",),
    ),
}
_LOCATION = record(
    {
        "type": one_of("approximate"),
        "country": string,
        "region": string,
        "city": string,
        "district": string,
        "longitude": number(-180, 180),
        "latitude": number(-90, 90),
    }
)
_WEB_SEARCH = record(
    {
        "type": string,
        "max_keyword": integer(1, 50),
        "limit": integer(1, 50),
        "force_search": boolean,
        "user_location": _LOCATION,
    }
)
_TEXTS = either(string, text_parts())
_PARTS = either(string, text_parts(_MEDIA))
_SYSTEM = record({"role": string, "content": _TEXTS, "name": string}, ("content",))


class _Chat(ChatRules):
    forced = FORCED
    tolerated = ("stream_options",)
    empty_text = False

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        penalty = nullable(number(-2, 2))
        tools = {"function": function_tool(TOOL_NAME), "web_search": _WEB_SEARCH}
        return {
            "model": string,
            "messages": array(mapping, 1),
            "max_completion_tokens": nullable(integer(1, card.max_output)),
            "temperature": _TEMPERATURE,
            "top_p": _TOP_P,
            "frequency_penalty": penalty,
            "presence_penalty": penalty,
            "stop": nullable(either(string, array(string, 0, 4))),
            "stream": nullable(boolean),
            "stream_options": nullable(record({"include_usage": boolean})),
            "thinking": _THINKING,
            "response_format": record({"type": one_of("text", "json_object")}, ("type",)),
            "tools": tools_array(tools),
            "tool_choice": anything,
        }

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        assistant = {
            "role": string,
            "content": _TEXTS,
            "name": string,
            "tool_calls": array(CALL, 1),
            "reasoning_content": string,
        }
        return {
            "system": _SYSTEM,
            "developer": _SYSTEM,
            "user": record({"role": string, "content": _PARTS, "name": string}, ("content",)),
            "assistant": record(assistant),
            "tool": record({"role": string, "content": _PARTS, "tool_call_id": text}, ("content", "tool_call_id")),
        }

    def unheeded(self, body: dict[str, Any], thinking: bool) -> tuple[tuple[str, str], ...]:
        choice = body.get("tool_choice", "auto")
        out = [] if choice == "auto" else [("tool_choice", msgspec.json.encode(choice).decode())]
        return (*out, *super().unheeded(body, thinking))

    def hosted(self, tool: dict[str, Any], path: str, account: Account) -> bool:
        if not account.search:
            told = "web search tool found in the request body, but webSearchEnabled is false"
            raise Rejected("search_off", "tools", told)
        return True

    def media(self, kinds: tuple[str, ...], texts: bool, role: str, path: str, card: ModelCard) -> None:
        if not card.media:
            if role == "tool":
                raise Rejected("tool_media", path, "`text` is not set")
            raise _no_media(path)
        if not texts and role == "user":
            raise Rejected("media_alone", path, "`text` is not set")


def _no_media(path: str) -> Rejected:
    return Rejected("no_media", path, "", status=404, message="No endpoints found that support image input")


_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp")
_BLOCK_MEDIA: dict[str, Rule] = {
    "image": record({"type": string, "source": source(*_IMAGES)}, ("source",)),
    "audio": record({"type": string, "source": source()}, ("source",)),
    "video": record(
        {"type": string, "source": source(fps=number(0.1, 10), media_resolution=one_of("default", "max"))},
        ("source",),
    ),
}


class _Messages(MessagesRules):
    required = ("model", "messages")
    forced = FORCED
    silent_choice = True

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        return {
            "model": string,
            "messages": array(mapping, 1),
            "max_tokens": integer(1, card.max_output),
            "system": either(string, array(tagged({"text": text_part}), 1)),
            "stop_sequences": array(string),
            "stream": boolean,
            "temperature": _TEMPERATURE,
            "top_p": _TOP_P,
            "thinking": _THINKING,
            "tools": array(client_tool(TOOL_NAME), 1, 128),
            "tool_choice": CHOICE,
        }

    def blocks(self, card: ModelCard) -> Mapping[str, Mapping[str, Rule]]:
        result = record(
            {
                "type": string,
                "tool_use_id": text,
                "content": either(string, array(tagged({"text": text_part, **_BLOCK_MEDIA}))),
                "is_error": boolean,
            },
            ("tool_use_id",),
        )
        use = record({"type": string, "id": text, "name": text, "input": mapping}, ("id", "name", "input"))
        thinking = record({"type": string, "thinking": string, "signature": string}, ("thinking",))
        return {
            "system": {"text": text_part},
            "user": {"text": text_part, **_BLOCK_MEDIA, "tool_result": result},
            "assistant": {"text": text_part, "thinking": thinking, "tool_use": use},
        }

    def media(self, kinds: tuple[str, ...], texts: bool, role: str, path: str, card: ModelCard) -> None:
        if not card.media:
            raise _no_media(path)
        if role == "user" and not texts:
            raise Rejected("media_alone", f"{path}.content", "`text` is not set")


_WORDS = {
    "content_filter": "content_filter",
    "repetition": "repetition_truncation",
    "network_error": "network_error",
}


class _ChatVoice(ChatVoice):
    """Every delta has every key, null where it says nothing; usage always comes in a chunk of its own."""

    words: Mapping[str, str] = {"length": "length", **_WORDS}
    usage_at = "always"

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        report = super().usage(spent, turn)
        if spent.searches and turn.fault != "usage_bad":
            report["web_search_usage"] = {"tool_usage": spent.searches, "page_usage": 2 * spent.searches}
        return report

    def no_usage(self, ask: Ask) -> dict[str, Any]:
        return {"usage": None}

    def delta(self, ask: Ask, **fields: Any) -> dict[str, Any]:
        nulls: dict[str, Any] = {"role": None, "content": None, "tool_calls": None}
        if ask.thinking:
            nulls["reasoning_content"] = None
        return {**nulls, **fields}

    def opening(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        found = {"annotations": url_citations(turn)} if turn.sources else {}
        yield {"role": "assistant", "content": "", **found}

    def message(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        message = {"role": "assistant", "content": turn.text, "tool_calls": None, **super().message(ask, turn)}
        if ask.thinking:
            message["reasoning_content"] = turn.reasoning
        if turn.sources:
            message["annotations"] = url_citations(turn)
        return message


class _MessagesVoice(MessagesVoice):
    words: Mapping[str, str] = {"length": "max_tokens", **_WORDS}


def _key(headers: Mapping[str, str], wire: WireName) -> str | None:
    """Exactly one of the two documented headers."""
    plain = headers.get("api-key")
    if plain and headers.get("authorization"):
        return None
    return plain or bearer_key(headers)


def _told(error: Rejected, wire: WireName) -> Failure:
    message = {
        "auth": "Invalid API Key",
        "path": "Not Found",
        "model_unknown": "Model not found",
        "model_gone": "Unsupported model",
    }.get(error.rule, "Param Incorrect")
    return Failure(error.status, error.message or message, param=error.reason)


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    """The code is a string, the true reason often stands in `param`."""
    error = {"code": failure.code or str(failure.status), "message": failure.message, "type": failure.kind}
    if wire == "messages" and failure.code == "500" and not request:
        return msgspec.json.encode({"type": "error", "error": {"type": "api_error", "message": failure.message}})
    if failure.param or not request:
        error["param"] = failure.param
    return msgspec.json.encode({"error": error})


def _overflow(card: ModelCard, prompt: int) -> Failure:
    told = (
        f"This endpoint's maximum context length is {card.context} tokens. However, you requested about {prompt} tokens"
    )
    return Failure(400, "Param Incorrect", param=told)


def _replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """Both protocols speak of reasoning_content."""
    require(memory, ask, "The reasoning_content in the thinking mode must be passed back to the API.")
    return ()


_RISK = "The request was rejected because it was considered high risk"
_FAILURES = {
    "400": Failure(400, "Param Incorrect", param="Input should be another"),
    "401": Failure(401, "Invalid API Key", param="Please provide a valid API key"),
    "402": Failure(402, "Upstream request failed: Insufficient account funds"),
    "403": Failure(403, "Access denied"),
    "404": Failure(404, "Unsupported model"),
    "421": Failure(421, _RISK),
    "429": Failure(429, "Too many requests", kind="limitation"),
    "500": Failure(500, "Internal server error"),
    "503": Failure(503, "Service overloaded"),
    "overload": Failure(503, "Service overloaded"),
    "quota": Failure(429, "Token plan quota exhausted", kind="limitation"),
    "balance": Failure(402, "Insufficient account balance"),
    "moderation": Failure(400, "Param Incorrect", param=_RISK),
    "overflow": Failure(400, "Param Incorrect"),
    "exploded": Failure(500, "upstream exploded", code="500"),
}

XIAOMI = Vendor(
    id="xiaomi",
    owner="xiaomi",
    models=(
        ModelCard("mimo-v2.6-pro"),
        ModelCard("mimo-v2.6-flash"),
        ModelCard("mimo-v2.6-pro-ultraspeed"),
        # Announced to stop on 2026-10-21; whether they did is not known, and self-hosted servers still have them.
        ModelCard("mimo-v2.5-pro", media=()),
        ModelCard("mimo-v2.5", default_output=32_768),
    ),
    retired=("mimo-v2-pro", "mimo-v2-omni", "mimo-v2-flash"),
    paths={"/v1/chat/completions": "chat", "/anthropic/v1/messages": "messages", "/v1/responses": "responses"},
    key=_key,
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    replay=_replay,
    half_record=True,
    chat=_Chat(),
    chat_voice=_ChatVoice(),
    messages=_Messages(),
    messages_voice=_MessagesVoice(),
    responses=xiaomi_responses.STYLE,
)
