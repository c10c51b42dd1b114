"""A canonical request, prepared by the plan, written as the body for a native Responses server.

Seals and ids that another server issued never go upstream; reasoning that this vendor made goes back as the item that
it sent, or in the documented fields of it. What is absent is left out: null is never written. Knows no vendor: a server
that takes only what its page lists is one whose profile says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import (
    Compaction,
    Media,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    WebSearch,
)
from dragoman.core.request import Request, ResponseFormat
from dragoman.core.shape import Shape
from dragoman.core.tools import Tool
from dragoman.wire.parse import absent, is_list, is_object
from dragoman.wire.responses.content import encode_part
from dragoman.wire.responses.fields import NOTHING
from dragoman.wire.responses.items import thoughts
from dragoman.wire.responses.output import BUILT_IN_ITEMS, structured
from dragoman.wire.responses.search import raw_item, search_item, with_sources
from dragoman.wire.responses.tools import encode_choice, encode_tools

_encode = msgspec.json.Encoder().encode


def encode_request(request: Request, shape: Shape) -> bytes:
    """The upstream body. `request` was lowered and prepared for the target; `shape` says how to write it."""
    profile = shape.profile
    messages = request.messages
    body: dict[str, Any] = {"model": shape.model}
    if messages and _is_instructions(messages[0]):
        body["instructions"] = messages[0].text
        messages = messages[1:]
    found = _found(messages)
    body["input"] = _items(messages, request, shape)
    if not body["input"] and "instructions" in body and not profile.extra_passthrough:
        # Strict servers want at least one item.
        body["input"] = [{"role": "system", "content": body.pop("instructions")}]
    tools = [t for t in request.tools if not (t.loaded and t.name in found)]
    if tools:
        body["tools"] = encode_tools(tools, strict=profile.strict_tools)
    choice = request.tool_choice
    if choice is not None and (profile.send_auto_choice or choice.mode != "auto"):
        body["tool_choice"] = encode_choice(choice, request.tools)
    if request.parallel_tool_calls is not None and profile.parallel_tool_calls:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    _sampling(request, body)
    params = dict(request.params)
    if request.wire != "responses" and (include := with_sources(params.get("include"), tools)) is not None:
        params["include"] = include
    _reasoning(request, shape, params.pop("reasoning.mode", None), body)
    _text(request.response_format, params.pop("verbosity", None), body)
    body.update(params)
    body.update(request.extra)
    if profile.encrypted_reasoning:
        _sealed(body)
    if request.stream:
        body["stream"] = True
    return _encode(body)


def _sampling(request: Request, body: dict[str, Any]) -> None:
    plain = {
        "max_output_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "store": request.store,
        "previous_response_id": request.previous_response_id,
    }
    body.update({name: value for name, value in plain.items() if value is not None})


def _sealed(body: dict[str, Any]) -> None:
    """Reasoning is asked for in the form in which it can be sent back by whoever holds the history."""
    body["store"] = False
    asked = body.get("include", Raw(b"[]"))
    include = msgspec.json.decode(asked, type=list[str]) if is_list(asked) else []
    body["include"] = list(dict.fromkeys([*include, "reasoning.encrypted_content"]))


def _reasoning(request: Request, shape: Shape, mode: Raw | None, body: dict[str, Any]) -> None:
    """The plan's decision on thinking. Only a server that takes everything gets the client's own object instead."""
    asked, thinking = request.reasoning, shape.thinking
    out: dict[str, Any] = {}
    if thinking.mode == "off":
        out["effort"] = "none"
    elif thinking.mode == "on" and thinking.effort is not None:
        out["effort"] = thinking.effort
    elif thinking.mode == "unset":
        if not (asked.asked and shape.profile.extra_passthrough):
            return
        if asked.effort is not None:
            out["effort"] = asked.effort
    if thinking.mode != "off":
        taken = shape.profile.reasoning_asks
        if asked.summary is not None and "summary" in taken:
            out["summary"] = asked.summary
        if asked.context is not None and "context" in taken:
            out["context"] = asked.context
        if mode is not None:
            out["mode"] = mode
    body["reasoning"] = out


def _text(form: ResponseFormat | None, verbosity: Raw | None, body: dict[str, Any]) -> None:
    text: dict[str, Any] = {}
    if form is not None:
        kind: dict[str, Any] = {"type": form.kind}
        if form.kind == "json_schema":
            kind["name"] = form.name or "output"
            kind["schema"] = form.schema or Raw(b"{}")
            if form.strict is not None:
                kind["strict"] = form.strict
            if form.description is not None:
                kind["description"] = form.description
        text["format"] = kind
    if verbosity is not None:
        text["verbosity"] = verbosity
    if text:
        body["text"] = text


# -- input


def _is_instructions(message: Message) -> bool:
    return message.role == "system" and len(message.content) == 1 and isinstance(message.content[0], Text)


def _found(messages: Iterable[Message]) -> set[str]:
    """The tools that tool searches in the history found: they are declared there, not in `tools`."""
    return {
        part.name
        for message in messages
        for block in message.content
        if isinstance(block, ToolResult) and block.kind == "tool_search"
        for part in block.content
        if isinstance(part, ToolReference)
    }


def _items(messages: Iterable[Message], request: Request, shape: Shape) -> list[Any]:
    out: list[Any] = []
    for message in messages:
        if message.role == "assistant":
            _assistant(message, shape, out)
        elif message.role == "tool":
            out.extend(_result(b, request, shape) for b in message.content if isinstance(b, ToolResult))
        else:
            _said(message, shape, out)
    return out


def _said(message: Message, shape: Shape, out: list[Any]) -> None:
    parts = [encode_part(b, message.role, shape.profile) for b in message.content if isinstance(b, Text | Media)]
    for block in message.content:
        if isinstance(block, Compaction):
            out.append({"type": "compaction", "encrypted_content": block.blob})
    if not parts:
        return
    text = message.content[0]
    if message.role == "user" and message.name is not None and not shape.profile.hosted_tools:
        parts.insert(0, {"type": "input_text", "text": f"From {message.name}:"})
    plain = len(parts) == 1 and isinstance(text, Text) and not shape.profile.content_parts
    content: Any = text.text if plain and isinstance(text, Text) else parts
    if message.role == "user" and message.name is not None and shape.profile.hosted_tools:
        out.append({"type": "agent_message", "author": message.name, "content": parts})
    else:
        out.append({"type": "message", "role": message.role, "content": content})


class _Phase(msgspec.Struct):
    phase: str | None = None


def _phase(block: Text) -> str | None:
    """The phase that a client's message had: models that set it want it back."""
    if block.state is None or block.state.wire != "responses":
        return None
    try:
        return msgspec.json.decode(block.state.data, type=_Phase).phase
    except msgspec.DecodeError:
        return None


def _assistant(message: Message, shape: Shape, out: list[Any]) -> None:
    def kind(block: Any) -> tuple[str, str | None]:
        return ("text", _phase(block)) if isinstance(block, Text) else (type(block).__name__, str(id(block)))

    for (name, phase), group in groupby(message.content, kind):
        if name == "text" and shape.profile.loose_messages:
            text = "".join(b.text for b in group if isinstance(b, Text))
            out.append({"role": "assistant", "content": text})
            continue
        if name == "text":
            parts = [encode_part(b, "assistant", shape.profile) for b in group if isinstance(b, Text)]
            item = {"type": "message", "role": "assistant", "content": parts}
            out.append({**item, "phase": phase} if phase is not None else item)
            continue
        for block in group:
            if isinstance(block, Reasoning) and shape.profile.reasoning_items != "raw":
                _plain_thought(block, shape.profile.reasoning_items, out)
            elif isinstance(block, Reasoning):
                _thought(block, out)
            elif isinstance(block, ToolCall):
                out.append(_call(block))
            elif isinstance(block, Opaque) and block.wire == "responses" and shape.profile.hosted_tools:
                out.append(block.data)
            elif isinstance(block, WebSearch) and shape.profile.hosted_tools:
                out.append(raw_item(block) or search_item(block, block.id, block.status))


def _thought(block: Reasoning, out: list[Any]) -> None:
    if block.state is not None and block.state.wire == "responses" and is_object(block.state.data):
        out.append(block.state.data)
        return
    if not block.text and block.presence != "empty":
        return
    item: dict[str, Any] = {"type": "reasoning", "summary": []}
    if block.item_id is not None:
        item["id"] = block.item_id
    if block.summary:
        item["summary"] = [{"type": "summary_text", "text": block.text}]
    else:
        item["content"] = [{"type": "reasoning_text", "text": block.text}]
    out.append(item)


class _Kept(msgspec.Struct):
    id: str | None = None
    content: Raw = NOTHING
    summary: Raw = NOTHING


_FIELDS = {"text": ("content",), "summary": ("summary",), "both": ("content", "summary")}
_PARTS = {"content": ("reasoning_text", ""), "summary": ("summary_text", "\n\n")}
"""Field of a reasoning item -> the type of its parts, and what stands between them."""


def _plain_thought(block: Reasoning, form: str, out: list[Any]) -> None:
    """Reasoning as `{type, id}` with its text in the documented field. The id is the vendor's own; where it gave none,
    as for a placeholder, one is made that stays the same in every turn: the field is not optional."""
    kept = _Kept()
    if block.state is not None and block.state.wire == "responses" and is_object(block.state.data):
        kept = msgspec.json.decode(block.state.data, type=_Kept)
    elif not block.text and block.presence != "empty":
        return
    made = hashlib.sha256(f"{len(out)}:{block.text}".encode("utf-8", "surrogatepass")).hexdigest()
    item: dict[str, Any] = {"type": "reasoning", "id": kept.id or f"rs_{made[:24]}"}
    raw = {"content": kept.content, "summary": kept.summary}
    own = {name for name in raw if not absent(raw[name]) and thoughts(raw[name], "", _PARTS[name][1])[0] == block.text}
    first, *second = _FIELDS[form]
    # Where the vendor said the same thing twice, both ways go back as they came.
    item[first] = raw[first] if own & {first, *second} and not absent(raw[first]) else _parts(first, block.text)
    for name in second:
        item[name] = raw[name] if own and not absent(raw[name]) else []
    out.append(item)


def _parts(field: str, text: str) -> list[Any]:
    return [{"type": _PARTS[field][0], "text": text}]


def _call(call: ToolCall) -> Any:
    if call.kind in BUILT_IN_ITEMS:
        fields = structured(call)
        if fields is not None:
            return {"type": BUILT_IN_ITEMS[call.kind], "call_id": call.id, "status": "completed", **fields}
    custom = call.kind == "custom"
    item = {
        "type": "custom_tool_call" if custom else "function_call",
        "call_id": call.id,
        "name": call.name,
        "input" if custom else "arguments": call.arguments,
    }
    return item if call.namespace is None else {**item, "namespace": call.namespace}


_NO_OUTPUT = "(no output)"
"""Stands for a blank tool result where the vendor refuses one."""
_OUTPUTS = {
    "custom": "custom_tool_call_output",
    "local_shell": "local_shell_call_output",
    "shell": "shell_call_output",
    "apply_patch": "apply_patch_call_output",
    "tool_search": "tool_search_output",
}


def _result(result: ToolResult, request: Request, shape: Shape) -> Any:
    kind = result.kind
    parts = [p for p in result.content if isinstance(p, Text | Media)]
    item: dict[str, Any] = {"type": _OUTPUTS.get(kind, "function_call_output"), "call_id": result.call_id}
    text = "".join(p.text for p in parts if isinstance(p, Text))
    if kind == "tool_search":
        item.update({"execution": "client", "status": "completed", "tools": _loaded(result, request.tools)})
        return {**item, "output": text} if text else item
    if kind == "shell" and not result.was_text and is_list(Raw(text.encode())):
        return {**item, "output": Raw(text.encode())}
    if kind == "local_shell":
        return {**item, "id": result.call_id, "output": text}
    if kind == "apply_patch":
        return {**item, "status": "failed" if result.is_error else "completed", "output": text}
    if result.name is not None and shape.profile.tool_result_names:
        item["name"] = result.name
    media = any(isinstance(p, Media) for p in parts)
    if result.was_text or (not media and not shape.profile.content_parts):
        item["output"] = text if text.strip() or not shape.profile.needs_content else _NO_OUTPUT
    else:
        item["output"] = [encode_part(p, "tool", shape.profile) for p in parts]
    return item


def _loaded(result: ToolResult, tools: Iterable[Tool]) -> list[Any]:
    names = {p.name for p in result.content if isinstance(p, ToolReference)}
    return encode_tools([t for t in tools if t.loaded and t.name in names], strict=True)
