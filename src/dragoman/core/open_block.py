"""One block being put together out of a vendor's fragments: what it holds so far, how it begins, what it ends as.

Knows nothing of the blocks beside it: which block is shown when is the assembler's to say.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Raw

from dragoman.core.events import ArgumentsDelta, BlockEnd, BlockStart, Event, ReasoningDelta, StreamBlock, TextDelta
from dragoman.core.messages import ProviderState, Reasoning, SearchSource, Text, ToolCall, WebSearch
from dragoman.core.partial_json import is_json
from dragoman.core.tools import ToolKind

BlockKind = Literal["text", "reasoning", "call", "search"]


class StateBuilder(Protocol):
    """Collects raw vendor state while a reasoning block is open; asked once, when the block closes."""

    def build(self) -> ProviderState | None:
        """The state, or None where nothing was collected."""
        ...


class OpenBlock:
    """A block that is being put together, shown already or waiting.

    key: the vendor's index of a call. index: its own among the blocks that were started, -1 before. turn, segment: of
    a reasoning block. parts: its text or arguments so far, of which `emitted` were passed on. closed: it takes no more.
    """

    __slots__ = (
        "annotations",
        "builder",
        "checked",
        "closed",
        "emitted",
        "error",
        "id",
        "index",
        "key",
        "kind",
        "name",
        "parts",
        "segment",
        "sources",
        "started",
        "state",
        "tool_kind",
        "turn",
    )

    def __init__(self, kind: BlockKind, key: int | None = None) -> None:
        self.kind = kind
        self.key = key
        self.index = -1
        self.id = ""
        self.name = ""
        self.turn = ""
        self.segment = 0
        self.parts: list[str] = []
        self.emitted = 0
        self.started = False
        self.state: ProviderState | None = None
        self.builder: StateBuilder | None = None
        self.annotations: list[Raw] = []
        self.closed = False
        self.checked = 0
        self.tool_kind: ToolKind = "function"
        self.sources: list[SearchSource] = []
        self.error: str | None = None

    @property
    def gives_way(self) -> bool:
        """Whether another block may end this one: a call only when its name and its whole arguments are there."""
        return self.kind != "call" or (bool(self.name) and self._whole_json())

    def _whole_json(self) -> bool:
        """Whether the arguments so far are one JSON value. The same parts are never judged twice."""
        parts = self.parts
        if len(parts) == self.checked or self.tool_kind == "custom":
            return False
        self.checked = len(parts)
        tail = next((part for part in reversed(parts) if not part.isspace()), "").rstrip()
        if parts[0][:1] == "{" and tail[-1:] != "}":
            return False
        return is_json("".join(parts))

    def start(self) -> BlockStart:
        """The event that opens it."""
        self.started = True
        block: StreamBlock
        if self.kind == "text":
            block = Text("")
        elif self.kind == "reasoning":
            block = Reasoning("", turn=self.turn, segment=self.segment)
        elif self.kind == "search":
            block = WebSearch(status="in_progress")
        else:
            block = ToolCall(self.id, self.name, kind=self.tool_kind)
        return BlockStart(self.index, block)

    def more(self) -> Event | None:
        """What was not passed on yet, as one delta."""
        parts, before = self.parts, self.emitted
        if before >= len(parts):
            return None
        text = parts[before] if len(parts) - before == 1 else "".join(parts[before:])
        self.emitted = len(parts)
        if self.kind == "text":
            return TextDelta(text)
        return ReasoningDelta(text) if self.kind == "reasoning" else ArgumentsDelta(text)

    def end(self, complete: bool) -> BlockEnd:
        """The event that closes it, with the whole block."""
        text = "".join(self.parts)
        block: StreamBlock
        if self.kind == "text":
            block = Text(text, annotations=tuple(self.annotations))
        elif self.kind == "reasoning":
            block = self._thought(text)
        elif self.kind == "search":
            failed = self.error is not None and not self.sources
            block = WebSearch(status="failed" if failed else "completed", sources=tuple(self.sources), error=self.error)
            complete = True
        else:
            invalid = bool(text) and self.tool_kind != "custom" and not is_json(text)
            block = ToolCall(self.id, self.name, text, self.tool_kind, invalid=invalid, state=self.state)
        return BlockEnd(self.index, block, complete)

    def _thought(self, text: str) -> Reasoning:
        state = self.state
        if self.builder is not None:
            state = self.builder.build() or state
        presence: Literal["text", "opaque", "empty"] = "text" if text else "opaque" if state else "empty"
        return Reasoning(text, presence, self.turn, self.segment, state=state)
