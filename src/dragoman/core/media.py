"""Media where the model can take them, and a sentence where it cannot: the part of replay that is about pictures.

In: paired messages, and what the target takes. Out: messages whose media the target's wire has a form for. In history
and in tool results a medium that the model does not take becomes a sentence with a note; in the newest user turn it is
an InvalidRequest, because its loss would change the question. Documents that are text become text. Media of tool
results move into a user message right after them where the provider takes only text there, media of system text
likewise. Also takes off cache marks. Knows no vendor.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.media_data import TEXT_LIMIT, USUAL_TYPES, data_size, document_text, media_options, repaired
from dragoman.core.messages import (
    Block,
    Media,
    MediaKind,
    Message,
    ResultPart,
    Text,
    ToolCall,
    ToolResult,
    WireName,
)
from dragoman.core.profile import Profile
from dragoman.errors import InvalidRequest

_WORDS: dict[MediaKind, str] = {
    "image": "an image",
    "audio": "a sound",
    "video": "a video",
    "document": "a document",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):")
_FILM = ("fps", "media_resolution")
_PICTURES = re.compile(rb'"type":\s*"image"')
_CITED = re.compile(rb'"enabled":\s*true')


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


class Sight(msgspec.Struct, frozen=True):
    """What a target can be shown.

    inputs: the media that the model takes; profile: those that the provider's wire has a form for. files: a file id
    in the history is one of this provider's own. strict: a medium that cannot be shown is an error in the newest user
    turn.
    """

    profile: Profile
    inputs: frozenset[MediaKind] = frozenset()
    model: str = ""
    wire: WireName = "chat"
    files: bool = False
    strict: bool = True


def can_pass(media: Media, sight: Sight) -> bool:
    """Whether a medium can go up in the form in which the client sent it. Of a model that is not known to take any
    media it is not known what it takes: then the provider's own limits decide."""
    true = repaired(media)
    if true.kind != media.kind or (true.kind in sight.profile.media_types and true.media_type != media.media_type):
        return False
    known = sight if sight.inputs else msgspec.structs.replace(sight, inputs=frozenset(_WORDS))
    return not _hindrance(true, msgspec.structs.replace(known, files=sight.profile.file_ids))


def _hindrance(media: Media, sight: Sight) -> str:
    """What keeps the model from taking this, as the rest of a sentence about it; "" if nothing does."""
    kind, profile = media.kind, sight.profile
    word = _WORDS[kind]
    if kind not in sight.inputs:
        return f"does not take {word}"
    if media.data is not None:
        return _data_hindrance(media, media.data, sight)
    if media.url is not None:
        found = _SCHEME.match(media.url)
        scheme = found[1].lower() if found else ""
        if scheme in profile.media_schemes:
            return ""
        if scheme not in ("http", "https"):
            told = f"a {scheme}: URL" if scheme else "what is neither a URL nor base64"
            return f"cannot take {word} from {told}; send an https URL or the data in base64"
        if kind in profile.media_urls:
            return ""
        if kind in profile.media_data:
            return f"cannot fetch {word} from a URL; send its data in base64"
        return f"does not take {word} over the {sight.wire} protocol"
    if media.text is not None:
        return "" if profile.text_documents else "takes no document that is plain text"
    if sight.files and media.file_id:
        return ""
    return f"does not know the file id of {word}, which belongs to another vendor; send the file itself"


def _data_hindrance(media: Media, data: str, sight: Sight) -> str:
    kind, profile = media.kind, sight.profile
    word = _WORDS[kind]
    if kind not in profile.media_data:
        if kind in profile.media_urls:
            return f"takes {word} only by its URL"
        return f"does not take {word} over the {sight.wire} protocol"
    types, media_type = profile.media_types.get(kind), media.media_type or USUAL_TYPES.get(kind)
    if types is not None and media_type not in types:
        return f"does not take {word} of type {media_type or 'unknown'}; it takes {', '.join(sorted(types))}"
    limit, size = profile.media_limits.get(kind), data_size(data)
    if limit and size > limit:
        return f"does not take {word} of more than {limit >> 20} MB (this one has {size / 2**20:.1f})"
    return ""


class Viewer:
    """Goes through a paired history and leaves only media that the model can take, where the provider takes it."""

    def __init__(self, sight: Sight, note: Callable[[str, str, str], None]) -> None:
        self._sight = sight
        self._profile = sight.profile
        self._model = sight.model or "the model"
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
            elif not any(isinstance(b, Media) for b in message.content):
                out.append(message)
            elif message.role == "user":
                out.append(self._user(message, at, at >= newest))
            elif message.role == "assistant":
                blocks = tuple(self._without(b) if isinstance(b, Media) else b for b in message.content)
                out.append(msgspec.structs.replace(message, content=blocks))
            else:
                self._system(message, out)
        return out

    # -- by role

    def _user(self, message: Message, at: int, newest: bool) -> Message:
        blocks: list[Block] = []
        for block in message.content:
            shown = self._shown(block) if isinstance(block, Media) else block
            if not isinstance(shown, str):
                blocks.append(shown)
            elif newest and self._sight.strict and isinstance(block, Media):
                raise InvalidRequest(
                    f'{self._model} {shown}; leave it out, ask a model that takes it, or set unsupported = "note" in '
                    "[media]",
                    code="unsupported_media",
                    param=f"messages[{at}].content",
                )
            elif isinstance(block, Media):
                blocks.append(self._left_out(block, shown))
        return msgspec.structs.replace(message, content=tuple(blocks))

    def _system(self, message: Message, out: list[Message]) -> None:
        """System text has no media anywhere: what the model can take is said by the user instead."""
        texts: list[Block] = []
        moved: list[Block] = []
        for block in message.content:
            shown = self._shown(block) if isinstance(block, Media) else block
            if isinstance(block, Media) and isinstance(shown, str):
                texts.append(self._left_out(block, shown))
            elif isinstance(shown, Media):
                moved += [Text(f"The {shown.kind} that belongs to the instructions:"), shown]
            elif not isinstance(shown, str):
                texts.append(shown)
        if texts:
            out.append(msgspec.structs.replace(message, content=tuple(texts)))
        if moved:
            self._note("media_moved", "", "media of system text stand in a user message after it")
            out.append(Message("user", tuple(moved)))

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
                continue
            shown = self._shown(part, result=True)
            if isinstance(shown, str):
                parts.append(self._left_out(part, shown))
            elif isinstance(shown, Text) or shown.kind == "document" or self._profile.media_in_tool_results:
                parts.append(shown)
            else:
                parts.append(Text(f"[the {shown.kind} follows in the next message]"))
                moved += [Text(f"The {shown.kind} that the tool gave back:"), shown]
        return msgspec.structs.replace(result, content=tuple(parts), was_text=False)

    def _without(self, media: Media) -> Text:
        """No vendor takes back media as the model's own words."""
        text = document_text(repaired(media))
        return self._left_out(media, "takes none in its own turns") if text is None else self._told(media, text)

    # -- one medium

    def _shown(self, media: Media, *, result: bool = False) -> Media | Text | str:
        """The medium as it goes up, the text that stands for it, or what the model cannot do with it."""
        media = repaired(media)
        why = _hindrance(media, self._sight)
        if media.kind == "document":
            if result and not why and not self._profile.documents_in_tool_results:
                why = "takes no document in a tool result"
            # Text is understood everywhere; as a file it is not, even where other files are taken.
            if (why or media.data is not None) and (text := document_text(media)) is not None:
                return self._as_text(media, text, result=result)
            if why and media.data is not None and data_size(media.data) > TEXT_LIMIT:
                why += f", nor can more than {TEXT_LIMIT >> 20} MB be sent as text"
        return why or self._fitted(media)

    def _as_text(self, media: Media, text: str, *, result: bool) -> Media | Text:
        """A document whose text is known: as a plain-text document where there are such, else as text."""
        profile = self._profile
        takes = profile.text_documents and "document" in self._sight.inputs
        if takes and (profile.documents_in_tool_results or not result):
            bare = {"data": None, "url": None, "file_id": None}
            return self._fitted(msgspec.structs.replace(media, text=text, media_type="text/plain", **bare))
        return self._told(media, text)

    def _told(self, media: Media, text: str) -> Text:
        options = media_options(media)
        if _CITED.search(bytes(options.get("citations", Raw(b"")))):
            self._note("param_dropped", "citations", "a document that is sent as text is not cited")
        if _PICTURES.search(bytes(options.get("content", Raw(b"")))):
            self._note("media_dropped", "", f"{self._model} was not given an image inside of a document")
        context = options.get("context")
        head = [media.name] if media.name else []
        if context is not None and bytes(context).startswith(b'"'):
            head.append(msgspec.json.decode(context, type=str))
        return Text(f"{' - '.join(head)}:\n{text}" if head else text, cache=media.cache)

    def _fitted(self, media: Media) -> Media:
        """The medium by one source, without what the client said of it that the provider has no field for."""
        profile = self._profile
        changes: dict[str, Any] = {}
        if media.data is not None or media.url is not None:
            if media.data is not None and media.url is not None:
                changes["url"] = None
            if media.file_id is not None:
                changes["file_id"] = None
        if media.detail is not None and not profile.media_detail:
            changes["detail"] = None
            if media.detail != "auto":
                self._note("param_dropped", "detail", "the provider has no resolution hint")
        if media.data is not None and media.media_type is None and media.kind in USUAL_TYPES:
            changes["media_type"] = USUAL_TYPES[media.kind]
        options = media_options(media)
        kept = {name: raw for name, raw in options.items() if self._takes(name, media.kind)}
        if len(kept) != len(options):
            changes["options"] = Raw(msgspec.json.encode(kept)) if kept else None
            for name in options.keys() - kept.keys():
                if name != "citations" or _CITED.search(bytes(options[name])):
                    self._note("param_dropped", name, f"the provider takes no {name} of {_WORDS[media.kind]}")
        return msgspec.structs.replace(media, **changes) if changes else media

    def _takes(self, option: str, kind: MediaKind) -> bool:
        if option in _FILM:
            return self._profile.media_detail or (self._profile.video_options and kind == "video")
        return self._profile.media_detail or (self._profile.text_documents and kind == "document")

    def _left_out(self, media: Media, why: str) -> Text:
        """What stands for a medium that is not sent. Always the same words: they are a part of the prompt's prefix."""
        self._note("media_dropped", "", f"{self._model} {why}")
        name = f" ({media.name})" if media.name else ""
        return Text(f"[{_WORDS[media.kind]}{name} was left out: the model cannot take it]", cache=media.cache)
