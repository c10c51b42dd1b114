"""Canonical blocks, as content blocks of an upstream Messages request.

In: blocks that replay has prepared for the target, and the target's profile. Out: plain objects ready to be written; a
block that cannot be sent gives nothing. Vendor blocks that replay let through (`ProviderState`) go out byte for byte.
Knows no vendor: every difference is a field of the profile.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from dragoman.core.media_data import USUAL_TYPES, repaired
from dragoman.core.messages import (
    Block,
    Media,
    Opaque,
    ProviderState,
    Reasoning,
    ResultPart,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    WebSearch,
)
from dragoman.core.profile import Profile
from dragoman.wire.messages.marker import is_ours
from dragoman.wire.messages.search import own_citations, raw_blocks
from dragoman.wire.messages.shown import CITATIONS

Part: TypeAlias = dict[str, Any] | Raw

NO_OUTPUT = "(no output)"
"""Stands for a tool's empty result where a vendor wants content."""
NO_CONTENT = "(no content)"
"""Stands for an empty user message."""
BESIDE_MEDIA = "See the attachment."
"""Stands beside media where a vendor wants text with it."""


def _replayed(state: ProviderState | None, profile: Profile) -> Raw | None:
    """The vendor's own block. One that only a client vouches for goes to vendors that check it themselves."""
    if state is None or state.wire != "messages" or not (state.provider or profile.signatures):
        return None
    return state.data if bytes(state.data) else None


def text_out(block: Text, profile: Profile) -> Part | None:
    """A text block; an empty one gives nothing."""
    if block.state is not None and profile.hosted_tools and block.state.wire == "messages":
        return block.state.data
    if not block.text:
        return None
    out: dict[str, Any] = {"type": "text", "text": block.text}
    if block.cache is not None and profile.cache_marks:
        out["cache_control"] = block.cache
    if block.annotations and profile.hosted_tools and (own := own_citations(block.annotations, CITATIONS)):
        out["citations"] = own
    return out


def media_out(block: Media, profile: Profile) -> dict[str, Any]:
    """An image, sound, film or document."""
    options = msgspec.json.decode(block.options, type=dict[str, Raw]) if block.options is not None else {}
    source = _source(block, options)
    for key in ("fps", "media_resolution"):
        if key in options:
            source[key] = options[key]
    out: dict[str, Any] = {"type": block.kind, "source": source}
    if block.kind == "document" and block.name:
        out["title"] = block.name
    if profile.cache_marks:
        for key in ("context", "citations"):
            if key in options:
                out[key] = options[key]
        if block.cache is not None:
            out["cache_control"] = block.cache
    return out


def _source(block: Media, options: dict[str, Raw]) -> dict[str, Any]:
    if "content" in options:
        return {"type": "content", "content": options["content"]}
    if block.text is not None:
        return {"type": "text", "media_type": block.media_type or "text/plain", "data": block.text}
    block = repaired(block)
    data, kind, url = block.data, block.media_type, block.url
    if data is not None:
        if block.kind == "document" and kind is not None and kind.startswith("text/"):
            try:
                return {"type": "text", "media_type": "text/plain", "data": base64.b64decode(data).decode()}
            except (binascii.Error, UnicodeDecodeError):
                pass
        return {"type": "base64", "media_type": kind or USUAL_TYPES.get(block.kind, "application/pdf"), "data": data}
    if url is not None:
        return {"type": "url", "url": url}
    return {"type": "file", "file_id": block.file_id or ""}


def thinking_out(block: Reasoning, profile: Profile) -> Part | None:
    """A thinking block. Where the vendor checks signatures only what it issued is sent; a label of ours never is."""
    raw = _replayed(block.state, profile)
    if raw is not None:
        return raw
    signature = block.signature if profile.signatures and not is_ours(block.signature) else None
    if profile.signatures and not signature:
        return None
    if block.presence == "absent" or (block.presence == "opaque" and not block.text and not signature):
        return None
    out: dict[str, Any] = {"type": "thinking", "thinking": block.text}
    if signature:
        out["signature"] = signature
    return out


def input_of(call: ToolCall) -> Any:
    """The input object. Freeform input is wrapped; what is not a JSON object becomes the empty one."""
    if call.kind == "custom":
        return {"input": call.arguments}
    text = call.arguments.strip().encode()
    if not text.startswith(b"{"):
        return {}
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return Raw(text)


def call_out(call: ToolCall, profile: Profile) -> Part:
    """A tool call."""
    raw = _replayed(call.state, profile)
    if raw is not None:
        return raw
    out: dict[str, Any] = {"type": "tool_use", "id": call.id, "name": call.name, "input": input_of(call)}
    if call.cache is not None and profile.cache_marks:
        out["cache_control"] = call.cache
    return out


def result_out(result: ToolResult, profile: Profile) -> dict[str, Any]:
    """A tool's result: one text is a string, else parts in order."""
    out: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id}
    parts = [part for item in result.content if (part := _result_part(item, profile)) is not None]
    only = parts[0] if len(parts) == 1 else None
    as_list = profile.content_parts and not result.was_text
    if isinstance(only, dict) and set(only) == {"type", "text"} and not as_list:
        out["content"] = only["text"]
    elif parts:
        out["content"] = parts
    elif not profile.signatures:
        out["content"] = NO_OUTPUT
    elif result.was_text:
        out["content"] = ""
    if result.is_error:
        out["is_error"] = True
    if result.cache is not None and profile.cache_marks:
        out["cache_control"] = result.cache
    return out


def _result_part(part: ResultPart, profile: Profile) -> Part | None:
    if isinstance(part, Text):
        return text_out(part, profile)
    if isinstance(part, ToolReference):
        if profile.hosted_tools:
            return {"type": "tool_reference", "tool_name": part.name}
        return {"type": "text", "text": f"The tool {part.name} is now available."}
    if part.kind == "document" and not profile.documents_in_tool_results:
        named = f" ({part.name})" if part.name else ""
        return {"type": "text", "text": part.text or f"[A document{named} was left out: it cannot be shown here.]"}
    return media_out(part, profile)


def part_out(block: Block, role: str, profile: Profile) -> Part | None:
    """One block of a user (or tool) or assistant message, or None where there is nothing to send."""
    if isinstance(block, Text):
        return text_out(block, profile)
    if isinstance(block, Opaque):
        ours = block.wire == "messages" and (block.provider or profile.hosted_tools)
        return block.data if ours else None
    if role == "assistant":
        if isinstance(block, ToolCall):
            return call_out(block, profile)
        return thinking_out(block, profile) if isinstance(block, Reasoning) else None
    if isinstance(block, ToolResult):
        return result_out(block, profile)
    return media_out(block, profile) if isinstance(block, Media) else None


def parts_out(block: Block, role: str, profile: Profile) -> list[Part]:
    """The blocks that a canonical block is sent as: a server's web search is two, any other is one or none."""
    if isinstance(block, WebSearch):
        return list(raw_blocks(block)) if role == "assistant" and profile.hosted_tools else []
    part = part_out(block, role, profile)
    return [] if part is None else [part]
