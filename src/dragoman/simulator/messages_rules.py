"""The Messages protocol as the vendor documents it: a subset of the original, without cache marks and metadata.

Body in, `Ask` out, or `Rejected`. The reasoning rule needs memory and stands in `memory`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call, Offered, Rejected, Said
from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    integer,
    mapping,
    matching,
    number,
    one_of,
    record,
    string,
    tagged,
    text,
    text_part,
)
from dragoman.simulator.vendor import ModelCard, Vendor

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp")


def _source(*types: str, **further: Rule) -> Rule:
    media_type = one_of(*types) if types else string
    return tagged(
        {
            "base64": record(
                {"type": string, "media_type": media_type, "data": text, **further}, ("media_type", "data")
            ),
            "url": record({"type": string, "url": text, **further}, ("url",)),
        },
        "source_type",
    )


_MEDIA: dict[str, Rule] = {
    "image": record({"type": string, "source": _source(*_IMAGES)}, ("source",)),
    "audio": record({"type": string, "source": _source()}, ("source",)),
    "video": record(
        {"type": string, "source": _source(fps=number(0.1, 10), media_resolution=one_of("default", "max"))},
        ("source",),
    ),
}
_RESULT = record(
    {
        "type": string,
        "tool_use_id": text,
        "content": either(string, array(tagged({"text": text_part, **_MEDIA}))),
        "is_error": boolean,
    },
    ("tool_use_id",),
)
_USE = record({"type": string, "id": text, "name": text, "input": mapping}, ("id", "name", "input"))
_THINKING = record({"type": string, "thinking": string, "signature": string}, ("thinking",))
_BLOCKS: dict[str, Rule] = {
    "system": tagged({"text": text_part}),
    "user": tagged({"text": text_part, **_MEDIA, "tool_result": _RESULT}),
    "assistant": tagged({"text": text_part, "thinking": _THINKING, "tool_use": _USE}),
}


@lru_cache
def _table(vendor: Vendor, card: ModelCard) -> Rule:
    schema = record({"type": one_of("object"), "properties": mapping, "required": array(string)}, ())
    tool = record(
        {
            "type": one_of("custom"),
            "name": matching(vendor.tool_name, "tool_name"),
            "description": string,
            "input_schema": _loose(schema),
        },
        ("name", "input_schema"),
    )
    choice = record({"type": string, "disable_parallel_tool_use": boolean, "name": string}, ("type",))
    return record(
        {
            "model": string,
            "messages": array(mapping, 1),
            "max_tokens": integer(1, card.max_output),
            "system": either(string, array(tagged({"text": text_part}), 1)),
            "stop_sequences": array(string),
            "stream": boolean,
            "temperature": number(*vendor.temperature),
            "top_p": number(*vendor.top_p),
            "thinking": record({"type": one_of("enabled", "disabled")}, ("type",)),
            "tools": array(tool, 1, vendor.max_tools),
            "tool_choice": choice,
        },
        ("model", "messages"),
    )


def _loose(known: Rule) -> Rule:
    """A JSON Schema: its documented keys by `known`, further keywords of the language as they are."""

    def rule(value: Any, path: str) -> None:
        mapping(value, path)
        if value.get("type") != "object":
            raise Rejected("tool_schema", f"{path}.type", f"{path}.type: Input should be 'object'")
        known({k: v for k, v in value.items() if k in ("type", "properties", "required")}, path)

    return rule


def read(body: dict[str, Any], vendor: Vendor, card: ModelCard) -> Ask:
    """The request, checked."""
    _table(vendor, card)(body, "")
    thinking = body.get("thinking", {}).get("type", "enabled" if card.thinking else "disabled") == "enabled"
    said = _conversation(body["messages"], card)
    system = body.get("system", "")
    if not isinstance(system, str):
        system = "\n".join(block["text"] for block in system)
    system = "\n".join([system, *(s.text for s in said if s.role == "system")]).strip()
    return Ask(
        "messages",
        card.id,
        said,
        system=system,
        tools=_offered(body.get("tools", [])),
        stream=bool(body.get("stream")),
        thinking=thinking,
        limit=body.get("max_tokens") or card.default_output,
        stop=tuple(body.get("stop_sequences", ())),
        ignored=_ignored(body, vendor, thinking),
        prompt=msgspec.json.encode([body.get("tools", []), body.get("system", ""), body["messages"]]),
    )


def _ignored(body: dict[str, Any], vendor: Vendor, thinking: bool) -> tuple[tuple[str, str], ...]:
    out = []
    if body.get("tool_choice", {}).get("type", "auto") != "auto":
        out.append(("tool_choice", msgspec.json.encode(body["tool_choice"]).decode()))
    if thinking:
        out += [(f, str(body[f])) for f, forced in vendor.forced if f in body and body[f] != forced]
    return tuple(out)


def _offered(tools: list[dict[str, Any]]) -> tuple[Offered, ...]:
    out: list[Offered] = []
    for tool in tools:
        if any(known.name == tool["name"] for known in out):
            raise Rejected("tool_twice", "tools", f"tools contains duplicate names: {tool['name']}")
        out.append(Offered(tool["name"], tool.get("description", ""), tool["input_schema"]))
    return tuple(out)


def _conversation(messages: list[dict[str, Any]], card: ModelCard) -> tuple[Said, ...]:
    said: list[Said] = []
    owed: list[str] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        one = _message(message, path, card)
        _answers(one, owed, path)
        said.append(one)
        owed = [call.id for call in one.calls]
    if owed:
        raise Rejected("call_unanswered", "messages", f"`tool_use` ids without `tool_result` blocks: {', '.join(owed)}")
    return tuple(said)


def _answers(one: Said, owed: list[str], path: str) -> None:
    """The results of a turn stand in the message right after it, all of them and no others."""
    given = [call_id for call_id, _ in one.results]
    for call_id in given:
        if call_id not in owed:
            raise Rejected(
                "result_orphan", path, f"`tool_result` {call_id!r} has no `tool_use` in the previous message"
            )
        owed.remove(call_id)
    if owed:
        raise Rejected("call_unanswered", path, f"`tool_use` ids without `tool_result` blocks: {', '.join(owed)}")


def _message(message: dict[str, Any], path: str, card: ModelCard) -> Said:
    role = message.get("role")
    rule = _BLOCKS.get(role) if isinstance(role, str) else None
    if rule is None or not isinstance(role, str):
        raise Rejected("role", f"{path}.role", f"{path}.role: {role!r} is not supported")
    if message.get("content") is None:
        raise Rejected("content_null", f"{path}.content", "`text` is not set")
    record({"role": string, "content": either(text, array(rule, 1))}, ("content",))(message, path)
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    _check_blocks(blocks, path, role, card)
    thinking = [b for b in blocks if b["type"] == "thinking"]
    uses = [b for b in blocks if b["type"] == "tool_use"]
    if len({b["id"] for b in uses}) != len(uses):
        raise Rejected("call_id_twice", path, "two tool_use blocks have the same id")
    return Said(
        role,
        "".join(b["text"] for b in blocks if b["type"] == "text"),
        tuple(Call(b["name"], msgspec.json.encode(b["input"]).decode(), b["id"]) for b in uses),
        tuple((b["tool_use_id"], _result_text(b.get("content", ""))) for b in blocks if b["type"] == "tool_result"),
        reasoning="".join(b["thinking"] for b in thinking) if thinking else None,
        signature="".join(b.get("signature", "") for b in thinking) if thinking else None,
        path=path,
    )


def _check_blocks(blocks: list[dict[str, Any]], path: str, role: str, card: ModelCard) -> None:
    kinds = [b["type"] for b in blocks]
    media = [k for k in kinds if k in _MEDIA]
    if media and not card.media:
        raise Rejected("no_media", path, "", status=404, message="No endpoints found that support image input")
    if role == "user" and media and not {"text", "tool_result"} & set(kinds):
        raise Rejected("media_alone", f"{path}.content", "`text` is not set")
    first_other = next((i for i, k in enumerate(kinds) if k != "tool_result"), len(kinds))
    if "tool_result" in kinds[first_other:]:
        raise Rejected("result_order", path, "`tool_result` blocks must stand before other content")
    first_use = kinds.index("tool_use") if "tool_use" in kinds else len(kinds)
    if "thinking" in kinds[first_use:]:
        raise Rejected("thinking_order", path, "`thinking` blocks must stand before `tool_use` blocks")


def _result_text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")
