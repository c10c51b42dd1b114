"""Media where the model can see it, and a sentence where it cannot: the part of replay that is about pictures.

In history and in tool results media that the model does not take becomes a sentence with a note; in the newest user
turn it is an InvalidRequest, because its loss would change the question. Media in tool results moves into a user
message right after them where the provider takes only text there. Also takes off cache marks. Knows no vendor.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dragoman.core.messages import (
    Block,
    Media,
    MediaKind,
    Message,
    ResultPart,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.core.profile import Profile
from dragoman.errors import InvalidRequest


def drop_cache_marks(block: Block, note: Callable[[str, str, str], None]) -> Block:
    """The block without the client's cache marks."""
    if isinstance(block, Text | Media | ToolCall) and block.cache is not None:
        block = msgspec.structs.replace(block, cache=None)
    elif isinstance(block, ToolResult):
        inner = tuple(
            msgspec.structs.replace(p, cache=None) if isinstance(p, Text | Media) and p.cache is not None else p
            for p in block.content
        )
        if block.cache is None and all(a is b for a, b in zip(inner, block.content, strict=True)):
            return block
        block = msgspec.structs.replace(block, content=inner, cache=None)
    else:
        return block
    note("cache_mark_dropped", "cache_control", "the provider takes no cache marks")
    return block


class Viewer:
    """Goes through a paired history and leaves only media that the model can take, where the provider takes it."""

    def __init__(
        self,
        profile: Profile,
        inputs: frozenset[MediaKind],
        model: str,
        unsupported: str,
        note: Callable[[str, str, str], None],
    ) -> None:
        self._profile = profile
        self._inputs = inputs
        self._model = model or "the model"
        self._strict = unsupported == "error"
        self._note = note

    def see(self, messages: list[Message]) -> list[Message]:
        """The messages with media dealt with. Raises InvalidRequest for the newest user turn."""
        newest = len(messages)
        while newest and messages[newest - 1].role not in ("assistant", "tool"):
            newest -= 1
        out: list[Message] = []
        for at, message in enumerate(messages):
            if message.role == "tool":
                self._tool(message, out)
            elif any(isinstance(b, Media) for b in message.content):
                out.append(self._spoken(message, at, at >= newest and message.role == "user"))
            else:
                out.append(message)
        return out

    def _sees(self, media: Media) -> bool:
        return media.kind in self._inputs and bool(media.url or media.data or self._profile.hosted_tools)

    def _spoken(self, message: Message, at: int, newest: bool) -> Message:
        blocks: list[Block] = []
        for block in message.content:
            if not isinstance(block, Media) or self._sees(block):
                blocks.append(block)
            elif block.kind == "document" and block.text is not None:
                blocks.append(_document_text(block))
            elif newest and self._strict:
                raise InvalidRequest(
                    f"{self._model} does not take {_word(block)}; leave it out, or ask a model that does",
                    code="unsupported_media", param=f"messages[{at}].content",
                )  # fmt: skip
            else:
                self._dropped(block)
                blocks.append(_sentence(block))
        return msgspec.structs.replace(message, content=tuple(blocks))

    def _tool(self, message: Message, out: list[Message]) -> None:
        results: list[Block] = []
        moved: list[Block] = []
        for block in message.content:
            if isinstance(block, ToolResult) and any(isinstance(p, Media) for p in block.content):
                block = self._result(block, moved)
            results.append(block)
        out.append(msgspec.structs.replace(message, content=tuple(results)))
        if moved:
            self._note("media_moved", "", "media of a tool result stands in a user message after it")
            out.append(Message("user", tuple(moved)))

    def _result(self, result: ToolResult, moved: list[Block]) -> ToolResult:
        parts: list[ResultPart] = []
        for part in result.content:
            if not isinstance(part, Media):
                parts.append(part)
            elif part.kind == "document":
                parts.append(self._document(part))
            elif not self._sees(part):
                self._dropped(part)
                parts.append(_sentence(part))
            elif self._profile.media_in_tool_results:
                parts.append(part)
            else:
                parts.append(Text(f"[the {part.kind} follows in the next message]"))
                moved += [Text(f"The {part.kind} that the tool gave back:"), part]
        return msgspec.structs.replace(result, content=tuple(parts), was_text=False)

    def _document(self, part: Media) -> ResultPart:
        if part.text is not None:
            return _document_text(part)
        if self._sees(part) and self._profile.documents_in_tool_results:
            return part
        self._dropped(part)
        return _sentence(part)

    def _dropped(self, media: Media) -> None:
        self._note("media_dropped", "", f"{self._model} was not given {_word(media)}")


def _word(media: Media) -> str:
    return {"image": "an image", "audio": "a sound", "video": "a video", "document": "a document"}[media.kind]


def _sentence(media: Media) -> Text:
    name = f" ({media.name})" if media.name else ""
    return Text(f"[{_word(media)}{name} was left out: the model cannot take it]")


def _document_text(media: Media) -> Text:
    return Text(f"{media.name}:\n{media.text}" if media.name else media.text or "")
