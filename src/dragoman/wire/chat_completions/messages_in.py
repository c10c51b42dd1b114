"""The `messages` of a Chat request, read into canonical messages.

In: the raw list. Out: messages in order; adjacent tool messages become one. An assistant message holds its reasoning
first, then its content, then its calls. Raises InvalidRequest with the path of the field at fault.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import (
    Block,
    Media,
    Message,
    ProviderState,
    Reasoning,
    ResultPart,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.errors import InvalidRequest
from dragoman.wire.chat_completions.details import details_list, details_text
from dragoman.wire.chat_completions.media import Audio, File, Url, missing, read_audio, read_file, read_link
from dragoman.wire.chat_completions.shapes import ABSENT, sent
from dragoman.wire.parse import present, read

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    thinking: str | None = None
    reasoning: str | None = None
    image_url: str | Url | None = None
    input_audio: Audio | None = None
    video_url: str | Url | None = None
    fps: Raw = ABSENT
    media_resolution: Raw = ABSENT
    file: File | None = None
    file_url: str | Url | None = None
    cache_control: Raw = ABSENT


class _FunctionIn(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class _CustomIn(msgspec.Struct):
    name: str
    input: str = ""


class _CallIn(msgspec.Struct):
    id: str | None = None
    type: str = "function"
    function: _FunctionIn | None = None
    custom: _CustomIn | None = None
    extra_content: Raw = ABSENT


class _MessageIn(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_CallIn] | None = None
    function_call: _FunctionIn | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    reasoning_details: Raw = ABSENT
    refusal: str | None = None


def read_messages(raw: Raw | None) -> tuple[Message, ...]:
    """The whole conversation."""
    found = None if raw is None else read(raw, list[Raw], "messages")
    if not found:
        raise InvalidRequest("messages must be a list with at least one message", param="messages")
    out: list[Message] = []
    for index, piece in enumerate(found):
        path = f"messages[{index}]"
        item = read(piece, _MessageIn, path)
        role = _ROLES.get(item.role)
        if role is None:
            message = f"{path}.role {item.role!r} is unknown; use system, developer, user, assistant or tool"
            raise InvalidRequest(message, param=f"{path}.role")
        if role == "tool":
            result = _result(item, path, out)
            if out and out[-1].role == "tool":
                out[-1] = Message("tool", (*out[-1].content, result))
            else:
                out.append(Message("tool", (result,)))
        elif role == "assistant":
            out.append(Message("assistant", _assistant(item, path, index), item.name))
        else:
            out.append(Message(role, tuple(_content(item, path)), item.name))
    return tuple(out)


# -- content


def _content(item: _MessageIn, path: str) -> list[Block]:
    content = item.content
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    blocks: list[Block] = []
    for index, part in enumerate(content):
        block = _part(part, f"{path}.content[{index}]")
        if block is not None:
            blocks.append(block)
    return blocks


def _part(part: _Part, path: str) -> Text | Media | Reasoning | None:
    """One content part; an empty text part is nothing (several vendors answer 400 to one)."""
    cache = present(part.cache_control)
    kind = part.type
    if kind in ("text", "input_text", "output_text"):
        if part.text is None:
            raise missing(path, "text")
        return Text(part.text, cache=cache) if part.text else None
    if kind == "refusal":
        return Text(part.refusal or part.text or "", refusal=True)
    if kind in ("thinking", "reasoning"):
        thought = part.thinking or part.reasoning or part.text
        return Reasoning(thought) if thought else None
    if kind in ("image_url", "input_image"):
        return read_link("image", part.image_url, path, "image_url", cache)
    if kind == "video_url":
        options = {k: v for k, v in (("fps", part.fps), ("media_resolution", part.media_resolution)) if sent(v)}
        raw = Raw(msgspec.json.encode(options)) if options else None
        return read_link("video", part.video_url, path, "video_url", cache, raw)
    if kind == "file_url":
        return read_link("document", part.file_url, path, "file_url", cache)
    if kind == "input_audio":
        return read_audio(part.input_audio, path, cache)
    if kind in ("file", "input_file"):
        return read_file(part.file, path, cache)
    message = f"{path}.type {kind!r} is unknown; use text, image_url, input_audio, video_url, file or refusal"
    raise InvalidRequest(message, param=f"{path}.type")


# -- assistant and tool messages


def _assistant(item: _MessageIn, path: str, index: int) -> tuple[Block, ...]:
    content = _content(item, path)
    blocks: list[Block] = []
    thought = _reasoning(item)
    if thought is not None:
        blocks.append(thought)
        content = [block for block in content if not isinstance(block, Reasoning)]
    blocks.extend(sorted(content, key=lambda block: not isinstance(block, Reasoning)))
    if item.refusal:
        blocks.append(Text(item.refusal, refusal=True))
    blocks.extend(_call(call, f"{path}.tool_calls[{i}]", i, index) for i, call in enumerate(item.tool_calls or ()))
    legacy = item.function_call
    if legacy is not None:
        blocks.append(ToolCall(f"call_{index}", legacy.name, _arguments(legacy)))
    return tuple(blocks)


def _reasoning(item: _MessageIn) -> Reasoning | None:
    details = details_list(item.reasoning_details) if sent(item.reasoning_details) else []
    plain = item.reasoning_content or item.reasoning or item.reasoning_text
    if details:
        text = details_text(details) or plain or ""
        state = ProviderState("", "", "chat", item.reasoning_details.copy())
        return Reasoning(text, "text" if text else "opaque", state=state)
    if plain:
        return Reasoning(plain)
    if "" in (item.reasoning_content, item.reasoning, item.reasoning_text):
        return Reasoning("", "empty")
    return None


def _arguments(function: _FunctionIn) -> str:
    arguments = function.arguments
    return msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def _call(call: _CallIn, path: str, position: int, index: int) -> ToolCall:
    id = call.id or f"call_{index}_{position}"
    state = None
    if sent(call.extra_content):
        state = ProviderState("", "", "chat", call.extra_content.copy())
    if call.type == "custom" or (call.custom is not None and call.function is None):
        if call.custom is None:
            raise missing(path, "custom")
        return ToolCall(id, call.custom.name, call.custom.input, "custom", state=state)
    if call.function is None:
        raise missing(path, "function")
    return ToolCall(id, call.function.name, _arguments(call.function), state=state)


def _result(item: _MessageIn, path: str, before: list[Message]) -> ToolResult:
    content = [block for block in _content(item, path) if isinstance(block, Text | Media)]
    parts: tuple[ResultPart, ...] = tuple(content)
    call_id = item.tool_call_id or (_legacy_id(item.name, before) if item.role == "function" else None)
    if not call_id:
        where = f"{path}.tool_call_id"
        raise InvalidRequest(f"{where} is missing; it names the call that this result answers", param=where)
    call = next((c for m in reversed(before) for c in m.calls if c.id == call_id), None)
    kind = "function" if call is None else call.kind
    return ToolResult(call_id, parts, kind=kind, name=item.name, was_text=not isinstance(item.content, list))


def _legacy_id(name: str | None, before: list[Message]) -> str | None:
    """The call that an old-style function message answers: the last one, of its name where it has one."""
    calls = [call for message in before for call in message.calls if not name or call.name == name]
    return calls[-1].id if calls else None
