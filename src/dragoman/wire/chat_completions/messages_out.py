"""Canonical messages, written as the `messages` of an upstream's Chat body.

In: prepared messages and the profile. Out: a list ready for JSON, in which raw slices stay raw. Every key has a fixed
place and depends on its own message only, so that turn n is a byte prefix of turn n+1 (but for merged system text).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import (
    Media,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    join_reasoning,
)
from dragoman.core.profile import Profile
from dragoman.wire.chat_completions.media import audio_word, data_url
from dragoman.wire.chat_completions.reasoning import details_list

_NOTHING_SAID = "(empty)"
_BESIDE_MEDIA = "See the attached media."


def write_messages(messages: tuple[Message, ...], profile: Profile) -> list[dict[str, Any]]:
    """The whole conversation."""
    out: list[dict[str, Any]] = []
    if profile.merge_system:
        system = [m for m in messages if m.role in ("system", "developer")]
        text = "\n\n".join(t for t in map(_system_text, system) if t)
        if text:
            out.append({"role": profile.system_role, "content": text})
        messages = tuple(m for m in messages if m.role not in ("system", "developer"))
    for message in messages:
        if message.role == "tool":
            out.extend(_result(b, profile) for b in message.content if isinstance(b, ToolResult))
        elif message.role == "assistant":
            out.append(_named(_assistant(message, profile), message))
        elif message.role == "user":
            out.append(_named({"role": "user", "content": _user(message, profile)}, message))
        else:
            content = _texts(message, profile, "\n")
            out.append(_named({"role": profile.system_role, "content": content}, message))
    return out


def _named(out: dict[str, Any], message: Message) -> dict[str, Any]:
    if message.name:
        out["name"] = message.name
    return out


def _system_text(message: Message) -> str:
    return "\n".join(b.text for b in message.content if isinstance(b, Text) and b.text)


# -- content


def _texts(message: Message, profile: Profile, glue: str) -> Any:
    """Text-only content: one string, or a list of parts where that is taken and says more."""
    blocks = [b for b in message.content if isinstance(b, Text) and b.text]
    if _needs_list(blocks, profile):
        return [_text_part(block, profile) for block in blocks]
    return glue.join(block.text for block in blocks)


def _needs_list(blocks: list[Text], profile: Profile) -> bool:
    if not profile.content_parts:
        return False
    return len(blocks) > 1 or any(b.refusal or (b.cache is not None and profile.cache_marks) for b in blocks)


def _text_part(block: Text, profile: Profile) -> dict[str, Any]:
    if block.refusal:
        return {"type": "refusal", "refusal": block.text}
    part: dict[str, Any] = {"type": "text", "text": block.text}
    return _mark(part, block.cache, profile)


def _mark(part: dict[str, Any], cache: Raw | None, profile: Profile) -> dict[str, Any]:
    if cache is not None and profile.cache_marks:
        part["cache_control"] = cache
    return part


def _user(message: Message, profile: Profile) -> Any:
    """A user's content is never empty: several vendors answer 400 to that."""
    if not any(isinstance(b, Media) for b in message.content):
        return _texts(message, profile, "\n") or _NOTHING_SAID
    parts = _parts(message.content, profile)
    if profile.media_needs_text and not any(part["type"] == "text" for part in parts):
        parts.insert(0, {"type": "text", "text": _BESIDE_MEDIA})
    return parts


def _parts(blocks: tuple[Any, ...], profile: Profile) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if isinstance(block, Text) and block.text:
            parts.append(_text_part(block, profile))
        elif isinstance(block, Media):
            parts.append(_mark(_media(block, profile), block.cache, profile))
        elif isinstance(block, ToolReference):
            parts.append({"type": "text", "text": _reference(block)})
    return parts


def _reference(block: ToolReference) -> str:
    return f"The tool {block.name} is now available."


def _media(block: Media, profile: Profile) -> dict[str, Any]:
    if block.kind == "audio":
        return {"type": "input_audio", "input_audio": _audio(block, profile)}
    url = block.url or data_url(block.media_type, block.data or "")
    if block.kind == "image":
        image: dict[str, Any] = {"url": url}
        if block.detail is not None:
            image["detail"] = block.detail
        return {"type": "image_url", "image_url": image}
    if block.kind == "video":
        video: dict[str, Any] = {"type": "video_url", "video_url": {"url": url}}
        return {**video, **_options(block.options)}
    if block.text is not None and block.data is None and block.url is None and block.file_id is None:
        return {"type": "text", "text": block.text}
    if block.url is not None:
        return {"type": "file_url", "file_url": {"url": block.url}}
    file: dict[str, Any] = {}
    if block.data is not None:
        file["file_data"] = data_url(block.media_type, block.data) if block.media_type else block.data
    if block.file_id is not None:
        file["file_id"] = block.file_id
    if block.name is not None:
        file["filename"] = block.name
    return {"type": "file", "file": file}


def _audio(block: Media, profile: Profile) -> dict[str, Any]:
    """The protocol wants bare base64 and a format word; some vendors document a URL or a data URL instead."""
    if block.url is None and profile.audio_data_url:
        return {"data": data_url(block.media_type or "audio/wav", block.data or "")}
    audio: dict[str, Any] = {"data": block.url or block.data or ""}
    if block.media_type is not None:
        audio["format"] = audio_word(block.media_type)
    return audio


def _options(raw: Raw | None) -> dict[str, Raw]:
    if raw is None:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Raw])
    except msgspec.DecodeError:
        return {}


# -- assistant and tools


def _assistant(message: Message, profile: Profile) -> dict[str, Any]:
    calls = [_call(block, profile) for block in message.content if isinstance(block, ToolCall)]
    content = _texts(message, profile, "")
    if not content and calls and profile.null_content:
        content = None
    out: dict[str, Any] = {"role": "assistant", "content": content}
    _reasoning([b for b in message.content if isinstance(b, Reasoning)], profile, out)
    if calls:
        out["tool_calls"] = calls
    return out


def _reasoning(blocks: list[Reasoning], profile: Profile, out: dict[str, Any]) -> None:
    """Raw details in the form received, where they are kept; beside them, or instead, the plain text."""
    if not blocks or profile.reasoning_field == "none":
        return
    text = join_reasoning(blocks)
    field = profile.reasoning_field
    if profile.reasoning_details or field == "reasoning_details":
        details = [b.state.data for b in blocks if b.state is not None and b.state.wire == "chat"]
        if details:
            out["reasoning_details"] = details[0] if len(details) == 1 else _concatenated(details)
            if field == "reasoning_details":
                return
    if text is None:
        return
    if field == "reasoning_details":
        out[field] = [{"type": "reasoning.text", "id": "reasoning-text-1", "index": 0, "text": text}] if text else []
    else:
        out[field] = text


def _concatenated(details: list[Raw]) -> list[Any]:
    return [item for raw in details for item in details_list(raw)]


def _call(call: ToolCall, profile: Profile) -> dict[str, Any]:
    out: dict[str, Any]
    if call.kind == "custom" and profile.custom_tools:
        out = {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        arguments = call.arguments
        if call.kind == "custom":
            arguments = msgspec.json.encode({"input": arguments}).decode()
        out = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
    if call.state is not None and call.state.wire == "chat":
        out["extra_content"] = call.state.data
    return out


def _result(result: ToolResult, profile: Profile) -> dict[str, Any]:
    """A string, which every server takes, unless the result holds media or the client's own parts may stand."""
    out: dict[str, Any] = {"role": "tool", "tool_call_id": result.call_id}
    media = any(isinstance(part, Media) for part in result.content)
    if (media and profile.media_in_tool_results) or (profile.content_parts and not result.was_text):
        out["content"] = _parts(result.content, profile)
    else:
        pieces = []
        for part in result.content:
            if isinstance(part, Text):
                pieces.append(part.text)
            elif isinstance(part, ToolReference):
                pieces.append(_reference(part))
        out["content"] = "\n".join(piece for piece in pieces if piece)
    if result.name and profile.tool_result_names:
        out["name"] = result.name
    return out
