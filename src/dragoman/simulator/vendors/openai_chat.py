"""OpenAI's Chat Completions: what is taken, and how it is answered. Reasoning is never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import CUSTOM_SCHEMA, Ask, Call, Offered, Rejected, Said
from dragoman.simulator.brain import Turn
from dragoman.simulator.chat_rules import CALL, ChatRules, tools_array
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
    tagged,
    text,
)
from dragoman.simulator.responses_stream import custom_input
from dragoman.simulator.speech import Count, fragments
from dragoman.simulator.vendor import Account, ModelCard
from dragoman.simulator.vendors.openai_responses import EFFORTS, fixed_sampling
from dragoman.simulator.vendors.openai_tools import NAME, json_schema, strict_schema

_IMAGE = record(
    {
        "type": string,
        "image_url": record({"url": text, "detail": one_of("auto", "low", "high", "original")}, ("url",)),
    },
    ("image_url",),
)
_FILE = record({"type": string, "file": record({"file_id": text, "file_data": text, "filename": string})}, ("file",))
_TEXT = record({"type": string, "text": string}, ("text",))
_TEXTS = either(string, array(tagged({"text": _TEXT}), 1))
_PARTS = either(string, array(tagged({"text": _TEXT, "image_url": _IMAGE, "file": _FILE}), 1))
_SYSTEM = record({"role": string, "content": _TEXTS, "name": string}, ("content",))
_REFUSAL = record({"type": string, "refusal": string}, ("refusal",))


def _function(value: Any, path: str) -> None:
    inner = record(
        {
            "name": matching(NAME, "tool_name"),
            "description": string,
            "parameters": mapping,
            "strict": nullable(boolean),
        },
        ("name",),
    )
    record({"type": string, "function": inner}, ("function",))(value, path)
    function = value["function"]
    if function.get("strict"):
        strict_schema(function.get("parameters") or {}, f"{path}.function.parameters")


_CUSTOM = record(
    {
        "type": string,
        "custom": record({"name": matching(NAME, "tool_name"), "description": string, "format": mapping}, ("name",)),
    },
    ("custom",),
)
_SAID = record({"name": text, "input": string}, ("name", "input"))
_CALLS = tagged(
    {"function": CALL, "custom": record({"id": text, "type": string, "custom": _SAID}, ("id", "custom"))}, "call_type"
)
_NAMED = record({"type": string, "function": record({"name": text}, ("name",))}, ("function",))
_FORMAT = tagged(
    {
        "text": record({"type": string}),
        "json_object": record({"type": string}),
        "json_schema": record({"type": string, "json_schema": json_schema()}, ("json_schema",)),
    },
    "format_type",
)


class Chat(ChatRules):
    """Chat Completions as OpenAI takes them."""

    limits = ("max_completion_tokens",)
    null_content = ("assistant",)

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        penalty = nullable(number(-2, 2))
        return {
            "model": string,
            "messages": array(mapping, 1),
            "max_completion_tokens": nullable(integer(1, card.max_output)),
            "max_tokens": _old_limit,
            "temperature": nullable(number(0, 2)),
            "top_p": nullable(number(0, 1)),
            "frequency_penalty": penalty,
            "presence_penalty": penalty,
            "n": nullable(integer(1, 1)),
            "seed": nullable(integer(-(1 << 63), 1 << 63)),
            "stop": nullable(either(string, array(string, 0, 4))),
            "logprobs": nullable(boolean),
            "top_logprobs": nullable(integer(0, 20)),
            "logit_bias": nullable(mapping),
            "stream": nullable(boolean),
            "stream_options": nullable(record({"include_usage": boolean, "include_obfuscation": boolean})),
            "reasoning_effort": nullable(one_of(*EFFORTS)),
            "verbosity": nullable(one_of("low", "medium", "high")),
            "response_format": _FORMAT,
            "tools": tools_array({"function": _function, "custom": _CUSTOM}),
            "tool_choice": either(one_of("none", "auto", "required"), tagged({"function": _NAMED}, "choice_type")),
            "parallel_tool_calls": boolean,
            "modalities": nullable(array(one_of("text"))),
            "prediction": nullable(mapping),
            "metadata": nullable(mapping),
            "store": nullable(boolean),
            "service_tier": nullable(one_of("auto", "default", "flex", "scale", "priority")),
            "prompt_cache_key": nullable(string),
            "prompt_cache_options": nullable(mapping),
            "prompt_cache_retention": nullable(string),
            "safety_identifier": nullable(string),
            "user": string,
            "web_search_options": nullable(mapping),
        }

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        said = either(string, array(tagged({"text": _TEXT, "refusal": _REFUSAL}), 1))
        assistant = {
            "role": string,
            "content": nullable(said),
            "name": string,
            "refusal": nullable(string),
            "tool_calls": array(_CALLS, 1),
            "annotations": array(mapping),
        }
        return {
            "system": _SYSTEM,
            "developer": _SYSTEM,
            "user": record({"role": string, "content": _PARTS, "name": string}, ("content",)),
            "assistant": record(assistant),
            "tool": record({"role": string, "content": _TEXTS, "tool_call_id": text}, ("content", "tool_call_id")),
        }

    def thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        return body.get("reasoning_effort") != "none"

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        thinks = self.thinking(body, card)
        fixed_sampling(body, thinks)
        for name in ("stop", "frequency_penalty", "presence_penalty", "logprobs", "logit_bias"):
            if thinks and body.get(name):
                told = f"Unsupported parameter: '{name}' is not supported with this model."
                raise Rejected("unsupported_parameter", name, told, message=told)

    def content(self, message: dict[str, Any], path: str, card: ModelCard) -> str:
        content = message.get("content") or ""
        if isinstance(content, str):
            return content
        if any(part["type"] == "image_url" for part in content) and "image" not in card.media:
            raise Rejected("no_media", f"{path}.content", f"{card.id} takes no image")
        return "".join(part.get("text") or part.get("refusal") or "" for part in content)

    def offered(self, tools: list[dict[str, Any]], account: Account) -> tuple[tuple[Offered, ...], bool]:
        functions, _ = super().offered([tool for tool in tools if tool["type"] == "function"], account)
        free = [tool["custom"] for tool in tools if tool["type"] == "custom"]
        custom = (Offered(t["name"], t.get("description", ""), CUSTOM_SCHEMA, "custom") for t in free)
        return (*functions, *custom), False

    def call(self, call: dict[str, Any], path: str) -> Call:
        if call["type"] != "custom":
            return super().call(call, path)
        said = call["custom"]
        return Call(said["name"], msgspec.json.encode({"input": said["input"]}).decode(), call["id"])

    def read(self, body: dict[str, Any], card: ModelCard, account: Account) -> Ask:
        ask = super().read(body, card, account)
        form = body.get("response_format") or {}
        if form.get("type") == "json_schema":
            schema = msgspec.json.encode(form["json_schema"]["schema"]).decode()
            ask = msgspec.structs.replace(ask, json=True, system=f"{ask.system}\n{schema}")
        if body.get("web_search_options") is not None:
            ask = msgspec.structs.replace(ask, search=True)
        return msgspec.structs.replace(ask, tools=()) if body.get("tool_choice") == "none" else ask


def _old_limit(value: Any, path: str) -> None:
    told = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    raise Rejected("unsupported_parameter", path, told, message=told)


def _is_custom(ask: Ask, call: Call) -> bool:
    return any(tool.name == call.name and tool.kind == "custom" for tool in ask.tools)


class Voice(ChatVoice):
    """Reasoning is counted and never shown; usage comes only when asked for."""

    words: Mapping[str, str] = {"length": "length", "content_filter": "content_filter", "refusal": ""}

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        report = super().usage(spent, turn)
        if turn.fault not in ("usage_bad", "usage_null"):
            report["prompt_tokens_details"]["audio_tokens"] = 0
            report["completion_tokens_details"] |= {"audio_tokens": 0, "accepted_prediction_tokens": 0}
        return report

    def choice(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {**super().choice(delta, finish), "logprobs": None}

    def opening(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": None if turn.calls and not turn.text else "", "refusal": None}

    def reasoning(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        yield from ()

    def text(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        field = "refusal" if turn.finish == "refusal" else "content"
        for piece in fragments(turn.text):
            yield {field: piece}
        if turn.sources:
            yield {"annotations": _citations(turn)}

    def call(self, ask: Ask, call: Call, index: int) -> Iterator[dict[str, Any]]:
        if not _is_custom(ask, call):
            yield from super().call(ask, call, index)
            return
        yield {"index": index, "id": call.id, "type": "custom", "custom": {"name": call.name, "input": ""}}
        for piece in fragments(custom_input(call)):
            yield {"index": index, "custom": {"input": piece}}

    def message(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        message = super().message(ask, turn)
        for index, call in enumerate(turn.calls):
            if _is_custom(ask, call):
                said = {"name": call.name, "input": custom_input(call)}
                message["tool_calls"][index] = {"id": call.id, "type": "custom", "custom": said}
        message.pop("reasoning_content", None)
        refused = turn.finish == "refusal"
        content = None if refused or (turn.calls and not turn.text) else turn.text
        return {
            **message,
            "content": content,
            "refusal": turn.text if refused else None,
            "annotations": _citations(turn),
        }


def _citations(turn: Turn) -> list[dict[str, Any]]:
    end = len(turn.text)
    return [
        {
            "type": "url_citation",
            "url_citation": {"url": url, "title": title, "start_index": 0, "end_index": end},
        }
        for url, title in turn.sources
    ]
