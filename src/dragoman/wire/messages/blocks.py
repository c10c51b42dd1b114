"""Content blocks of a client's request, as canonical blocks.

In: raw slices of `content`, each with its path. Out: blocks of `core.messages`; kinds that the protocol may grow are
kept as they are (`Opaque`). Knows which blocks may stand in which role, and nothing of messages or of upstreams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from dragoman.core.messages import (
    Block,
    Media,
    MediaKind,
    Opaque,
    ProviderState,
    Reasoning,
    ResultPart,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)
from dragoman.errors import InvalidRequest
from dragoman.wire.media import inline, linked
from dragoman.wire.messages.marker import LABEL, SEAL, read_label
from dragoman.wire.messages.search import citation_back, join_searches
from dragoman.wire.parse import absent, dump, is_object, is_string, present, read

Filled = Annotated[str, Meta(min_length=1)]


class _Kind(msgspec.Struct):
    type: str


class _Text(msgspec.Struct):
    text: str
    cache_control: Raw = Raw()
    citations: Raw = Raw()


class _Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Raw = Raw()
    fps: Raw = Raw()
    media_resolution: Raw = Raw()


class _Media(msgspec.Struct):
    source: _Source
    title: str | None = None
    context: Raw = Raw()
    citations: Raw = Raw()
    cache_control: Raw = Raw()


class _Search(msgspec.Struct):
    content: list[_Text]
    source: str = ""
    title: str = ""
    cache_control: Raw = Raw()


class _Thinking(msgspec.Struct):
    thinking: str = ""
    signature: str | None = None


class _ToolUse(msgspec.Struct):
    id: Filled
    name: Filled
    input: Raw = Raw()
    cache_control: Raw = Raw()


class _ToolResult(msgspec.Struct):
    tool_use_id: Filled
    content: Raw = Raw()
    is_error: bool | None = None
    cache_control: Raw = Raw()


class _Reference(msgspec.Struct):
    tool_name: Filled


_MEDIA: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video", "document": "document"}
_ROLE_OF = {"tool_use": "assistant", "thinking": "assistant", "redacted_thinking": "assistant", "tool_result": "user"}


def text_of(raw: Raw, path: str) -> Text:
    """A text block."""
    block = read(raw, _Text, path)
    cited = [] if absent(block.citations) else read(block.citations, list[Raw], path)
    return Text(block.text, present(block.cache_control), tuple(citation_back(c.copy()) for c in cited))


def media_of(kind: MediaKind, raw: Raw, path: str) -> Media:
    """An image, sound, film or document."""
    block = read(raw, _Media, path)
    source, where = block.source, f"{path}.source"
    options: dict[str, Raw] = {}
    for key, value in (
        ("context", block.context),
        ("citations", block.citations),
        ("fps", source.fps),
        ("media_resolution", source.media_resolution),
    ):
        if not absent(value):
            options[key] = value
    url = data = text = file_id = None
    media_type = source.media_type
    if source.type == "base64":
        data, media_type = inline(_need(source.data, where, "data"), f"{where}.data", media_type)
    elif source.type == "url":
        found = linked(kind, _need(source.url, where, "url"), f"{where}.url", media_type=media_type)
        url, data, media_type = found.url, found.data, found.media_type
    elif source.type == "file":
        file_id = _need(source.file_id, where, "file_id")
    elif source.type == "text" and kind == "document":
        text = _need(source.data, where, "data")
    elif source.type == "content" and kind == "document":
        text = _inner_text(source.content, f"{where}.content")
        options["content"] = source.content
    else:
        known = "base64, url, file, text or content" if kind == "document" else "base64, url or file"
        raise InvalidRequest(
            f"{where}.type: {source.type!r} is no source of a {kind}; use {known}", param=f"{where}.type"
        )
    return Media(
        kind,
        url=url,
        data=data,
        media_type=media_type,
        file_id=file_id,
        name=block.title,
        text=text,
        options=dump(options) if options else None,
        cache=present(block.cache_control),
    )


def _need(value: str | None, path: str, field: str) -> str:
    if not value:
        raise InvalidRequest(f"{path}.{field}: this source needs it; send a non-empty string", param=f"{path}.{field}")
    return value


def _inner_text(raw: Raw, path: str) -> str:
    """The text of a document that is made of blocks."""
    if is_string(raw):
        return read(raw, str, path)
    parts = []
    for index, item in enumerate(read(raw, list[Raw], path)):
        here = f"{path}[{index}]"
        kind = read(item, _Kind, here).type
        parts.append(read(item, _Text, here).text if kind == "text" else f"[{kind} was left out]")
    return "\n".join(parts)


def _search_result(raw: Raw, path: str) -> Text:
    """A search result is text for every other vendor; the block itself is kept for those that know it."""
    found = read(raw, _Search, path)
    head = f"{found.title} ({found.source})" if found.source else found.title
    text = "\n".join([head, *(part.text for part in found.content)]).strip()
    return Text(text, present(found.cache_control), state=ProviderState("", "", "messages", raw.copy()))


def thinking_of(raw: Raw, path: str) -> Reasoning:
    """A thinking block, with our seal, a vendor's signature, or neither."""
    block = read(raw, _Thinking, path)
    signature = block.signature or None
    if signature is not None and signature.startswith(SEAL):
        return Reasoning(block.thinking, "text" if block.thinking else "opaque", seal=signature)
    if signature is not None and signature.startswith(LABEL):
        turn, segment = read_label(signature)
        return Reasoning(block.thinking, "text" if block.thinking else "empty", turn, segment)
    if block.thinking:
        return Reasoning(block.thinking, signature=signature)
    return Reasoning("", "opaque" if signature else "empty", signature=signature)


def call_of(raw: Raw, path: str) -> ToolCall:
    """A call in the history; its input stays as the client wrote it."""
    block = read(raw, _ToolUse, path)
    if not block.input:
        raise InvalidRequest(f"{path}.input is missing; add the object that the tool was given", param=f"{path}.input")
    arguments = "{}" if absent(block.input) else bytes(block.input).decode()
    return ToolCall(block.id, block.name, arguments, cache=present(block.cache_control))


def result_of(raw: Raw, path: str) -> ToolResult:
    """A tool's result."""
    block = read(raw, _ToolResult, path)
    where, content = f"{path}.content", block.content
    was_text = is_string(content)
    parts: tuple[ResultPart, ...] = ()
    if was_text:
        text = read(content, str, where)
        parts = (Text(text),) if text else ()
    elif not absent(content):
        items = read(content, list[Raw], where)
        parts = tuple(_result_part(item, f"{where}[{i}]") for i, item in enumerate(items))
    return ToolResult(
        block.tool_use_id, parts, bool(block.is_error), was_text=was_text, cache=present(block.cache_control)
    )


def _result_part(raw: Raw, path: str) -> ResultPart:
    kind = read(raw, _Kind, path).type
    if kind == "text":
        return text_of(raw, path)
    if kind in _MEDIA:
        return media_of(_MEDIA[kind], raw, path)
    if kind == "tool_reference":
        return ToolReference(read(raw, _Reference, path).tool_name)
    if kind == "search_result":
        return _search_result(raw, path)
    return Text(bytes(raw).decode(), state=ProviderState("", "", "messages", raw.copy()))


def _redacted(raw: Raw, path: str) -> Reasoning:
    return Reasoning("", "opaque", state=ProviderState("", "", "messages", raw.copy()))


_READERS: dict[str, Callable[[Raw, str], Block]] = {
    "text": text_of,
    "thinking": thinking_of,
    "redacted_thinking": _redacted,
    "tool_use": call_of,
    "tool_result": result_of,
    "search_result": _search_result,
}


def block_of(raw: Raw, role: str, path: str) -> Block:
    """One block of a user or assistant message. A kind that is not known is kept as it is."""
    if not is_object(raw):
        raise InvalidRequest(f"{path}: a content block must be an object with a `type`", param=path)
    kind = read(raw, _Kind, path).type
    if _ROLE_OF.get(kind, role) != role:
        raise InvalidRequest(
            f"{path}.type: a {kind} block cannot stand in a message of role {role}; move it to the {_ROLE_OF[kind]}",
            param=f"{path}.type",
        )
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(raw, path)
    if kind in _MEDIA:
        return media_of(_MEDIA[kind], raw, path)
    return Opaque(kind, raw.copy(), "messages")


def blocks_of(content: Raw, role: str, path: str) -> list[Block]:
    """The blocks of a message's content: a string or a list."""
    if is_string(content):
        return [Text(read(content, str, path))]
    return join_searches([block_of(raw, role, f"{path}[{i}]") for i, raw in enumerate(read(content, list[Raw], path))])


def system_of(content: Raw, path: str) -> tuple[Text, ...]:
    """System text: a string or text blocks."""
    if is_string(content):
        return (Text(read(content, str, path)),)
    out = []
    for index, raw in enumerate(read(content, list[Raw], path)):
        here = f"{path}[{index}]"
        kind = read(raw, _Kind, here).type
        if kind != "text":
            raise InvalidRequest(f"{here}.type: system text has only text blocks, not {kind!r}", param=f"{here}.type")
        out.append(text_of(raw, here))
    return tuple(out)
