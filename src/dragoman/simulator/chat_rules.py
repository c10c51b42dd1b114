"""Chat Completions as the vendor documents it: which fields and messages are taken, and what is answered to the rest.

Body in, `Ask` out, or `Rejected`. The reasoning rule needs memory and stands in `memory`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call, Offered, Rejected, Said
from dragoman.simulator.fields import (
    Rule,
    anything,
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
    text_part,
)
from dragoman.simulator.vendor import ModelCard, Vendor

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
_TEXTS = either(string, array(tagged({"text": text_part}), 1))
_PARTS = either(string, array(tagged({"text": text_part, **_MEDIA}), 1))
_CALL = record(
    {
        "id": text,
        "type": one_of("function"),
        "function": record({"name": text, "arguments": string}, ("name", "arguments")),
    },
    ("id", "type", "function"),
)
_SYSTEM = record({"role": string, "content": _TEXTS, "name": string}, ("content",))
_MESSAGES: dict[str, Rule] = {
    "system": _SYSTEM,
    "developer": _SYSTEM,
    "user": record({"role": string, "content": _PARTS, "name": string}, ("content",)),
    "assistant": record(
        {
            "role": string,
            "content": _TEXTS,
            "name": string,
            "tool_calls": array(_CALL, 1),
            "reasoning_content": string,
        }
    ),
    "tool": record({"role": string, "content": _PARTS, "tool_call_id": text}, ("content", "tool_call_id")),
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


def _function(vendor: Vendor) -> Rule:
    inner = record(
        {
            "name": matching(vendor.tool_name, "tool_name"),
            "description": string,
            "parameters": mapping,
            "strict": boolean,
        },
        ("name",),
    )
    return record({"type": string, "function": inner}, ("function",))


def _tools(vendor: Vendor) -> Rule:
    web_search = record(
        {
            "type": string,
            "max_keyword": integer(1, 50),
            "limit": integer(1, 50),
            "force_search": boolean,
            "user_location": _LOCATION,
        }
    )
    return array(tagged({"function": _function(vendor), "web_search": web_search}, "tool_type"), 1, vendor.max_tools)


@lru_cache
def _table(vendor: Vendor, card: ModelCard) -> Rule:
    penalty = nullable(number(-2, 2))
    return record(
        {
            "model": string,
            "messages": array(mapping, 1),
            "max_completion_tokens": nullable(integer(1, card.max_output)),
            "temperature": number(*vendor.temperature),
            "top_p": number(*vendor.top_p),
            "frequency_penalty": penalty,
            "presence_penalty": penalty,
            "stop": nullable(either(string, array(string, 0, vendor.max_stop))),
            "stream": nullable(boolean),
            "stream_options": nullable(record({"include_usage": boolean})),
            "thinking": record({"type": one_of("enabled", "disabled")}, ("type",)),
            "response_format": record({"type": one_of("text", "json_object")}, ("type",)),
            "tools": _tools(vendor),
            "tool_choice": anything,
        },
        ("model", "messages"),
    )


def read(body: dict[str, Any], vendor: Vendor, card: ModelCard, *, search: bool) -> Ask:
    """The request, checked. search: the account has the web search plugin switched on."""
    _table(vendor, card)(body, "")
    thinking = body.get("thinking", {}).get("type", "enabled" if card.thinking else "disabled") == "enabled"
    tools, searching = _offered(body.get("tools", []), search)
    said = _conversation(body["messages"], card)
    as_json = body.get("response_format", {}).get("type") == "json_object"
    everything = "\n".join(s.text for s in said)
    if as_json and "json" not in everything.lower():
        raise Rejected("json_word", "response_format", "'messages' must contain the word 'json' in some form")
    stop = body.get("stop") or []
    return Ask(
        "chat",
        card.id,
        said,
        system="\n".join(s.text for s in said if s.role in ("system", "developer")),
        tools=tools,
        stream=bool(body.get("stream")),
        thinking=thinking,
        json=as_json,
        limit=body.get("max_completion_tokens") or card.default_output,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        search=searching,
        ignored=_ignored(body, vendor, thinking),
        tolerated=("stream_options",) if "stream_options" in body else (),
        prompt=msgspec.json.encode([body.get("tools", []), body["messages"]]),
    )


def _ignored(body: dict[str, Any], vendor: Vendor, thinking: bool) -> tuple[tuple[str, str], ...]:
    out = []
    if body.get("tool_choice", "auto") != "auto":
        out.append(("tool_choice", msgspec.json.encode(body["tool_choice"]).decode()))
    if thinking:
        out += [(f, str(body[f])) for f, forced in vendor.forced if f in body and body[f] != forced]
    return tuple(out)


def _offered(tools: list[dict[str, Any]], search: bool) -> tuple[tuple[Offered, ...], bool]:
    out: list[Offered] = []
    searching = False
    for tool in tools:
        if tool["type"] == "web_search":
            if not search:
                raise Rejected(
                    "search_off",
                    "tools",
                    "web search tool found in the request body, but webSearchEnabled is false",
                )
            searching = True
            continue
        function = tool["function"]
        if any(known.name == function["name"] for known in out):
            raise Rejected("tool_twice", "tools", f"tools contains duplicate names: {function['name']}")
        out.append(Offered(function["name"], function.get("description", ""), function.get("parameters", {})))
    return tuple(out), searching


def _conversation(messages: list[dict[str, Any]], card: ModelCard) -> tuple[Said, ...]:
    said: list[Said] = []
    owed: list[str] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        one = _message(message, path, card)
        if owed and one.role != "tool":
            raise Rejected("call_unanswered", path, f"tool_call_ids did not have response messages: {', '.join(owed)}")
        if one.role == "tool":
            _answer(one, owed, path)
        said.append(one)
        owed += [call.id for call in one.calls]
    if owed:
        raise Rejected(
            "call_unanswered", "messages", f"tool_call_ids did not have response messages: {', '.join(owed)}"
        )
    return tuple(said)


def _answer(one: Said, owed: list[str], path: str) -> None:
    call_id = one.results[0][0]
    if call_id not in owed:
        raise Rejected("result_orphan", f"{path}.tool_call_id", f"tool_call_id {call_id!r} has no preceding tool_calls")
    owed.remove(call_id)


def _message(message: dict[str, Any], path: str, card: ModelCard) -> Said:
    role = message.get("role")
    rule = _MESSAGES.get(role) if isinstance(role, str) else None
    if rule is None or not isinstance(role, str):
        raise Rejected("role", f"{path}.role", f"{path}.role: {role!r} is not supported")
    if "content" in message and message["content"] is None:
        raise Rejected("content_null", f"{path}.content", "`text` is not set")
    rule(message, path)
    if role != "assistant" or "tool_calls" not in message:
        if "content" not in message:
            raise Rejected("content_missing", f"{path}.content", "`text` is not set")
    body = _content(message, path, card)
    if role == "tool":
        return Said(role, results=((message["tool_call_id"], body),), path=path)
    calls = tuple(_call(call, f"{path}.tool_calls[{i}]") for i, call in enumerate(message.get("tool_calls", [])))
    if len({call.id for call in calls}) != len(calls):
        raise Rejected("call_id_twice", f"{path}.tool_calls", "two tool_calls have the same id")
    return Said(role, body, calls, reasoning=message.get("reasoning_content"), path=path)


def _content(message: dict[str, Any], path: str, card: ModelCard) -> str:
    """The visible text, with the rules on media applied."""
    content = message.get("content", "")
    role = message["role"]
    if isinstance(content, str):
        if role == "user" and not content:
            raise Rejected("text_not_set", f"{path}.content", "`text` is not set")
        return content
    texts = [part["text"] for part in content if part["type"] == "text"]
    media = [part["type"] for part in content if part["type"] != "text"]
    if media and not card.media:
        if role == "tool":
            raise Rejected("tool_media", f"{path}.content", "`text` is not set")
        raise Rejected(
            "no_media", f"{path}.content", "", status=404, message="No endpoints found that support image input"
        )
    if media and not texts and role == "user":
        raise Rejected("media_alone", f"{path}.content", "`text` is not set")
    return "".join(texts)


def _call(call: dict[str, Any], path: str) -> Call:
    function = call["function"]
    try:
        arguments = msgspec.json.decode(function["arguments"])
    except msgspec.DecodeError:
        column = len(function["arguments"].encode()) + 1
        raise Rejected(
            "arguments_json", f"{path}.function.arguments", f"unexpected end of data: line 1 column {column}"
        ) from None
    mapping(arguments, f"{path}.function.arguments")
    return Call(function["name"], function["arguments"], call["id"])
