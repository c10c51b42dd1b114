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
from dragoman.wire.chat_completions.details import details_of, joined_details
from dragoman.wire.chat_completions.inline import inline_text
from dragoman.wire.chat_completions.media import write_media

_NOTHING_SAID = "(empty)"
_NO_OUTPUT = "(no output)"
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
            parts.append(_mark(write_media(block, profile), block.cache, profile))
        elif isinstance(block, ToolReference):
            parts.append({"type": "text", "text": _reference(block)})
    return parts


def _reference(block: ToolReference) -> str:
    return f"The tool {block.name} is now available."


# -- assistant and tools


def _assistant(message: Message, profile: Profile) -> dict[str, Any]:
    calls = [_call(block, profile) for block in message.content if isinstance(block, ToolCall)]
    content, thoughts = _said(message, profile)
    if not content and calls and profile.null_content:
        content = None
    out: dict[str, Any] = {"role": "assistant", "content": content}
    _reasoning(thoughts, profile, out)
    if calls:
        out["tool_calls"] = calls
    return out


def _said(message: Message, profile: Profile) -> tuple[Any, list[Reasoning]]:
    """An assistant's content, and the thinking that is told beside it.

    Thinking that came inline goes back inline, byte for byte and at its place among the text.
    """
    thoughts = [b for b in message.content if isinstance(b, Reasoning)]
    raw = {id(b): text for b in thoughts if profile.think_tags and (text := inline_text(b)) is not None}
    if not raw:
        return _texts(message, profile, ""), thoughts
    said = [raw.get(id(b)) or (b.text if isinstance(b, Text) else "") for b in message.content]
    return "".join(said), [b for b in thoughts if id(b) not in raw]


def _reasoning(blocks: list[Reasoning], profile: Profile, out: dict[str, Any]) -> None:
    """Raw details in the form received, where they are kept; beside them, or instead, the plain text."""
    if not blocks or profile.reasoning_field == "none":
        return
    text = join_reasoning(blocks)
    field = profile.reasoning_field
    if profile.reasoning_details or field == "reasoning_details":
        kept = [
            details_of(b.state.data)
            for b in blocks
            if b.state is not None and b.state.wire == "chat" and bytes(b.state.data) and inline_text(b) is None
        ]
        if kept:
            out["reasoning_details"] = kept[0][0] if len(kept) == 1 else joined_details([raw for raw, _ in kept])
            beside = next((name for _, name in kept if name), "")
            if field == "reasoning_details":
                if beside and text:
                    out[beside] = text
                return
    if text is None:
        return
    if field == "reasoning_details":
        out[field] = _as_details(text, profile)
    else:
        out[field] = text


def _as_details(text: str, profile: Profile) -> list[dict[str, Any]]:
    """Plain text in the form of details, for a vendor that reads only these."""
    if not text:
        return []
    entry: dict[str, Any] = {"type": "reasoning.text", "id": "reasoning-text-1"}
    if profile.details_format:
        entry["format"] = profile.details_format
    return [{**entry, "index": 0, "text": text}]


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
    if profile.needs_content and (not out["content"] or (isinstance(out["content"], str) and out["content"].isspace())):
        out["content"] = _NO_OUTPUT
    if result.name and profile.tool_result_names:
        out["name"] = result.name
    return out
