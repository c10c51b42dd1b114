"""Canonical conversation values: messages and the blocks they are made of. Pure, frozen, no wire and no vendor.

A `Message` has a role and a tuple of blocks. Everything that an assistant said in one upstream turn is **one** message
(reasoning, text and calls together), whatever the client's protocol splits it into; tool results stand in messages of
role `tool`. Two things exist only so that replay is exact:

- reasoning has a *presence* (a vendor may require the field though it was empty), a *turn* id and a *segment* number:
  segments of one upstream turn are joined with nothing, different turns with a newline;
- any block may carry `state`: raw vendor data (signatures, encrypted details), tagged with provider, model family and
  wire, sent back only to the same provider and family.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw

from dragoman.core.tools import ToolKind

Role = Literal["system", "developer", "user", "assistant", "tool"]
Presence = Literal["absent", "empty", "text", "opaque"]
MediaKind = Literal["image", "audio", "video", "document"]
WireName = Literal["chat", "responses", "messages"]


NO_DATA = Raw(b"")
"""Stands in a `ProviderState` that says only who made the block."""


class ProviderState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Raw vendor data that only the same provider and model family may see again.

    wire: the upstream wire it was received on. data: the JSON exactly as received; nothing where only the origin of
    the block is known.
    """

    provider: str
    family: str
    wire: WireName
    data: Raw = NO_DATA


class Text(msgspec.Struct, frozen=True, omit_defaults=True, tag="text"):
    """Visible text. `cache` is the client's cache mark (raw JSON); `annotations` are citations, raw, in order."""

    text: str
    cache: Raw | None = None
    annotations: tuple[Raw, ...] = ()
    refusal: bool = False
    state: ProviderState | None = None


class Media(msgspec.Struct, frozen=True, omit_defaults=True, tag="media"):
    """An image, a sound, a film or a document: by `url`, by base64 `data` with its `media_type`, or by `file_id`.

    detail: the client's resolution hint. name: file name. options: further raw fields (fps, media_resolution, ...).
    """

    kind: MediaKind
    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    file_id: str | None = None
    detail: str | None = None
    name: str | None = None
    text: str | None = None
    options: Raw | None = None
    cache: Raw | None = None


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True, tag="reasoning"):
    """A segment of the model's thinking.

    presence: `absent` (the field was not there), `empty` (there but empty), `text`, or `opaque` (encrypted by the
    vendor; see `state`). turn: id of the upstream turn it came from, "" if unknown. segment: its number in that turn.
    signature: what the vendor, or the client's history, gave as signature. seal: our own sealed copy (a
    block is sealed once). item_id: the id that the client knows. summary: the text is only a vendor's summary.
    placeholder: the text was made up by us because the real one is lost; never sealed, never shown.
    """

    text: str = ""
    presence: Presence = "text"
    turn: str = ""
    segment: int = 0
    signature: str | None = None
    seal: str | None = None
    item_id: str | None = None
    summary: bool = False
    placeholder: bool = False
    state: ProviderState | None = None


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, tag="call"):
    """A call that the model made.

    id: pairs the call with its result. name and namespace: as the client knows them. arguments: the raw text - JSON
    for every kind but `custom`, where it is the freeform input itself. invalid: the model's JSON does not parse (the
    raw text is kept). item_id: the client's item id (Responses). state: vendor data to send back with the call.
    """

    id: str
    name: str
    arguments: str = ""
    kind: ToolKind = "function"
    namespace: str | None = None
    item_id: str | None = None
    invalid: bool = False
    status: str | None = None
    state: ProviderState | None = None
    cache: Raw | None = None


class ToolReference(msgspec.Struct, frozen=True, omit_defaults=True, tag="reference"):
    """A tool search found this deferred tool: it is to be offered from now on."""

    name: str


ResultPart: TypeAlias = Text | Media | ToolReference


class ToolResult(msgspec.Struct, frozen=True, omit_defaults=True, tag="result"):
    """What a tool gave back. `name` only where the client says it. `kind` is the kind of the call it answers.

    was_text: the client sent a plain string rather than a list of parts.
    """

    call_id: str
    content: tuple[ResultPart, ...] = ()
    is_error: bool = False
    kind: ToolKind = "function"
    name: str | None = None
    was_text: bool = False
    item_id: str | None = None
    cache: Raw | None = None


class Opaque(msgspec.Struct, frozen=True, omit_defaults=True, tag="opaque"):
    """A block or item kind that we keep but do not read (hosted calls, unknown kinds). `wire` is where it came from.

    provider and family: who made it, where an upstream did; "" when it came from a client.
    """

    kind: str
    data: Raw
    wire: WireName
    provider: str = ""
    family: str = ""


class Compaction(msgspec.Struct, frozen=True, omit_defaults=True, tag="compaction"):
    """A compacted history, as the opaque blob that the client carries."""

    blob: str
    item_id: str | None = None


class SearchSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page that a web search found. text: what the model was shown of it. published: as the engine says it."""

    url: str
    title: str = ""
    text: str = ""
    published: str | None = None
    site: str | None = None


class WebSearch(msgspec.Struct, frozen=True, omit_defaults=True, tag="search"):
    """A web search that a server ran while the model answered: the vendor, or the managed search here.

    id: as the client knows it. error: why it failed. state: the vendor's own form of it, raw.
    """

    id: str = ""
    queries: tuple[str, ...] = ()
    status: Literal["in_progress", "completed", "failed"] = "completed"
    sources: tuple[SearchSource, ...] = ()
    error: str | None = None
    state: ProviderState | None = None


Block: TypeAlias = Text | Media | Reasoning | ToolCall | ToolResult | Opaque | Compaction | WebSearch


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of one party. `name` is the speaker's name where a protocol has one.

    failed: an answer that ended in an error or was aborted. It is kept for people; replay leaves it out.
    """

    role: Role
    content: tuple[Block, ...]
    name: str | None = None
    failed: bool = False

    @property
    def text(self) -> str:
        """All visible text, joined."""
        return "".join(b.text for b in self.content if isinstance(b, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(b for b in self.content if isinstance(b, ToolCall))


def join_reasoning(blocks: tuple[Reasoning, ...] | list[Reasoning]) -> str | None:
    """The reasoning text of one assistant message as a vendor wants it back, or None where there was none.

    Segments of one upstream turn are joined with nothing, byte for byte; different turns with a newline.
    A present but empty reasoning gives "".
    """
    out: list[str] = []
    last: str | None = None
    found = False
    for block in blocks:
        if block.presence in ("absent", "opaque") and not block.text:
            continue
        found = True
        if any(out) and block.text and not (block.turn and block.turn == last):
            out.append("\n")
        out.append(block.text)
        last = block.turn
    return "".join(out) if found else None
