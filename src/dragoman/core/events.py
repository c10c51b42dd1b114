"""The one event protocol between decoders, stages, taps and encoders.

Order: `Started` once; then blocks, one at a time - `BlockStart`, deltas, `BlockEnd` - with `UsageSeen` and `Noted`
anywhere between; then exactly one terminal event: `Finished`, `Incomplete` or `Failed`. A block that was started is
always ended, also when the stream breaks: then `BlockEnd.complete` is False.

`BlockEnd.block` holds the whole block. The text of the deltas, joined, equals it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw

from dragoman.core.messages import Opaque, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo

FinishReason = Literal["stop", "tool_calls", "stop_sequence", "pause"]
IncompleteReason = Literal["length", "content_filter", "repetition", "context_window"]
StreamBlock: TypeAlias = Text | Reasoning | ToolCall | Opaque | WebSearch


class Started(msgspec.Struct, frozen=True, gc=False, tag="started"):
    """The upstream began to answer. id and model are the vendor's own words; created is in seconds since 1970."""

    id: str = ""
    model: str = ""
    created: int = 0


class BlockStart(msgspec.Struct, frozen=True, gc=False, tag="block_start"):
    """A block opens. `block` is empty but for what is known at once (a call's id and name). index counts from 0."""

    index: int
    block: StreamBlock


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text_delta"):
    """More visible text for the open block."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False, tag="reasoning_delta"):
    """More thinking for the open block."""

    text: str


class ArgumentsDelta(msgspec.Struct, frozen=True, gc=False, tag="arguments_delta"):
    """More of the open call's arguments (JSON text; freeform text for a restored custom call)."""

    text: str


class AnnotationSeen(msgspec.Struct, frozen=True, gc=False, tag="annotation"):
    """A citation for the open text block, raw, as the vendor gave it."""

    data: Raw


class BlockEnd(msgspec.Struct, frozen=True, gc=False, tag="block_end"):
    """The block closes; `block` is whole. complete is False when it was cut."""

    index: int
    block: StreamBlock
    complete: bool = True


class UsageSeen(msgspec.Struct, frozen=True, gc=False, tag="usage"):
    """Usage so far of this upstream call (already merged, not a difference)."""

    usage: Usage


class Noted(msgspec.Struct, frozen=True, gc=False, tag="note"):
    """Something was degraded while the stream ran."""

    note: Note


class RawFrame(msgspec.Struct, frozen=True, gc=False, tag="frame"):
    """Native lane only: the vendor's own frame, standing before the events that it gave."""

    name: str
    data: bytes


class Finished(msgspec.Struct, frozen=True, gc=False, tag="finished"):
    """Terminal: the answer is whole. raw: the vendor's own word. sequence: the stop sequence, where known."""

    reason: FinishReason = "stop"
    raw: str | None = None
    usage: Usage | None = None
    sequence: str | None = None


class Incomplete(msgspec.Struct, frozen=True, gc=False, tag="incomplete"):
    """Terminal: the vendor ended the answer early, for a reason."""

    reason: IncompleteReason
    raw: str | None = None
    usage: Usage | None = None
    message: str | None = None


class Failed(msgspec.Struct, frozen=True, gc=False, tag="failed"):
    """Terminal: the answer broke. What came before it is kept; usage is what was known so far."""

    error: ErrorInfo
    usage: Usage | None = None


Terminal: TypeAlias = Finished | Incomplete | Failed
Event: TypeAlias = (
    Started
    | BlockStart
    | TextDelta
    | ReasoningDelta
    | ArgumentsDelta
    | AnnotationSeen
    | BlockEnd
    | UsageSeen
    | Noted
    | RawFrame
    | Finished
    | Incomplete
    | Failed
)
TERMINAL = (Finished, Incomplete, Failed)
CONTENT = (TextDelta, ReasoningDelta, ArgumentsDelta, BlockStart)
"""Events that carry content in the sense of law 16: after one of them reached a client nothing is retried."""
