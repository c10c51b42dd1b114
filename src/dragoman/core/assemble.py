"""Orders vendor fragments into blocks that never interleave.

Vendors send reasoning, text and fragments of several calls in any mixture; clients need one block after another. The
assembler keeps one block live and passes its deltas on at once. Fragments of other blocks wait in order. A live call
gives way when its arguments are a whole JSON value (nothing but white space may follow), else at the end.

Rules: call fragments are routed by index, then id, then to the last open call. A later empty id or name never
overwrites a known one. The same index with another id *and* a name is a new call. Arguments may come before the name.
Fragments without identity, and fragments of a call that is closed, are dropped with a note. A call without an id, or
with that of another call, gets one from `mint`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Noted,
    ReasoningDelta,
    TextDelta,
)
from dragoman.core.messages import ProviderState, Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.tools import ToolKind

_Kind = Literal["text", "reasoning", "call"]


class StateBuilder(Protocol):
    """Collects raw vendor state while a reasoning block is open; asked once, when the block closes."""

    def build(self) -> ProviderState | None:
        """The state, or None where nothing was collected."""
        ...


class _Open:
    """A block that is being put together, live or waiting."""

    __slots__ = (
        "annotations",
        "arguments_done",
        "builder",
        "checked",
        "closed",
        "emitted",
        "id",
        "index",
        "key",
        "kind",
        "name",
        "parts",
        "signature",
        "started",
        "state",
        "tool_kind",
    )

    def __init__(self, kind: _Kind, key: int | None = None) -> None:
        self.kind = kind
        self.key = key
        self.index = -1
        self.id = ""
        self.name = ""
        self.parts: list[str] = []
        self.emitted = 0
        self.started = False
        self.arguments_done = False
        self.signature: str | None = None
        self.state: ProviderState | None = None
        self.builder: StateBuilder | None = None
        self.annotations: list[Raw] = []
        self.closed = False
        self.checked = 0
        self.tool_kind: ToolKind = "function"

    @property
    def whole_json(self) -> bool:
        """Whether the arguments so far are one JSON value. The same parts are never judged twice."""
        parts = self.parts
        if len(parts) == self.checked or self.tool_kind == "custom":
            return False
        self.checked = len(parts)
        tail = next((part for part in reversed(parts) if not part.isspace()), "").rstrip()
        if parts[0][:1] == "{" and tail[-1:] != "}":
            return False
        return is_json("".join(parts))


def is_json(text: str) -> bool:
    """Whether `text` is one whole JSON value."""
    if not text or text.isspace():
        return False
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


class Flow(NamedTuple):
    """A live text or reasoning block, for a decoder that has looked at the delta itself: it appends to `parts`."""

    parts: list[str]
    thinking: bool


class Assembler:
    """One upstream turn being put in order. Every method appends events to `out`.

    turn: id given to the reasoning segments. mint: makes ids for calls that come without one.
    """

    __slots__ = ("_annotations", "_calls", "_last_call", "_live", "_mint", "_next", "_segment", "_waiting", "turn")

    def __init__(self, turn: str, mint: Callable[[], str]) -> None:
        self.turn = turn
        self._mint = mint
        self._live: _Open | None = None
        self._waiting: list[_Open] = []
        self._calls: list[_Open] = []
        self._last_call: _Open | None = None
        self._next = 0
        self._segment = 0
        self._annotations: list[Raw] = []

    @property
    def open_call(self) -> bool:
        """Whether a call is open or waiting."""
        live = self._live
        return (live is not None and live.kind == "call") or any(w.kind == "call" for w in self._waiting)

    @property
    def in_reasoning(self) -> bool:
        """Whether more thinking would go into a block that is open."""
        return self._find("reasoning") is not None

    @property
    def blocks(self) -> int:
        """How many blocks were started."""
        return self._next

    @property
    def called(self) -> bool:
        """Whether any call was seen."""
        return bool(self._calls)

    def flow(self) -> Flow | None:
        """The live block where a delta of its own kind would only make it longer."""
        live = self._live
        if live is None or live.kind == "call" or not live.started or self._waiting:
            return None
        return Flow(live.parts, live.kind == "reasoning")

    # -- text and reasoning

    def text(self, text: str, out: list[Event]) -> None:
        """More visible text. An empty fragment changes nothing."""
        if not text:
            return
        live = self._live
        if live is not None and live.kind == "text" and live.started and not self._waiting:
            live.parts.append(text)
            out.append(TextDelta(text))
            return
        self._flow("text", text, out)

    def reasoning(self, text: str, out: list[Event]) -> None:
        """More thinking. An empty fragment changes nothing."""
        if not text:
            return
        live = self._live
        if live is not None and live.kind == "reasoning" and live.started and not self._waiting:
            live.parts.append(text)
            out.append(ReasoningDelta(text))
            return
        self._flow("reasoning", text, out)

    def reasoning_mark(
        self, out: list[Event], *, signature: str | None = None, state: ProviderState | None = None
    ) -> None:
        """A signature or raw state for the reasoning block that is open; opens an opaque one where none is."""
        block = self._find("reasoning") or self._open("reasoning", out)
        if signature:
            block.signature = (block.signature or "") + signature
        if state is not None:
            block.state = state

    def reasoning_builder(self, make: Callable[[], StateBuilder], out: list[Event]) -> StateBuilder:
        """What collects raw state for the reasoning block that is open; opens a block where none is."""
        block = self._find("reasoning") or self._open("reasoning", out)
        if block.builder is None:
            block.builder = make()
        return block.builder

    def reasoning_empty(self, out: list[Event]) -> None:
        """Remembers that the vendor's reasoning was there but empty. For the end of a turn: no block may be open."""
        block = Reasoning("", "empty", self.turn, self._segment)
        out.append(BlockStart(self._next, block))
        out.append(BlockEnd(self._next, block))
        self._next += 1
        self._segment += 1

    def annotation(self, data: Raw, out: list[Event]) -> None:
        """A citation for the text that is open; kept for the next text block where none is."""
        block = self._find("text")
        if block is None or not block.started:
            self._annotations.append(data)
            return
        block.annotations.append(data)
        out.append(AnnotationSeen(data))

    def _find(self, kind: _Kind) -> _Open | None:
        if self._waiting:
            return self._waiting[-1] if self._waiting[-1].kind == kind else None
        live = self._live
        return live if live is not None and live.kind == kind else None

    def _flow(self, kind: _Kind, text: str, out: list[Event]) -> None:
        block = self._find(kind) or self._open(kind, out)
        block.parts.append(text)
        self._emit(block, out)

    def split(self, out: list[Event]) -> None:
        """Ends the live text or reasoning block (the vendor said that its block is over)."""
        if self._waiting or self._live is None or self._live.kind == "call":
            return
        self._close_live(True, out)

    # -- calls

    def call(
        self,
        out: list[Event],
        *,
        index: int | None = None,
        id: str | None = None,
        name: str | None = None,
        arguments: str | None = None,
        state: ProviderState | None = None,
        kind: ToolKind = "function",
    ) -> None:
        """A fragment of a call. Any of its parts may be missing or empty. kind `custom`: arguments are free text."""
        block = self._route(index, id, name)
        if block is None:
            if not id and not name and index is None:
                if not arguments:
                    return
                out.append(Noted(Note("fragment_dropped", "", "a tool-call fragment came without index, id or name")))
                return
            if not id and not name and not arguments:
                return
            block = self._open("call", out, key=index)
            block.tool_kind = kind
            self._calls.append(block)
        elif block.closed:
            if arguments and not arguments.isspace():
                out.append(Noted(Note("fragment_dropped", "", f"a fragment came after call {block.id!r} was closed")))
            return
        self._last_call = block
        if id and not block.id:
            block.id = self._mint() if any(other.id == id for other in self._calls) else id
        if name and not block.name:
            block.name = name
        if state is not None:
            block.state = state
        if arguments:
            block.parts.append(arguments)
        self._emit(block, out)

    def call_done(self, out: list[Event], *, index: int | None = None, id: str | None = None) -> None:
        """The vendor says that this call is whole."""
        block = self._route(index, id, None)
        if block is None or block.closed:
            return
        block.arguments_done = True
        if block is self._live:
            self._close_live(True, out)
            self._promote(out)

    def _route(self, index: int | None, id: str | None, name: str | None) -> _Open | None:
        if index is not None:
            for block in reversed(self._calls):
                if block.key == index:
                    fresh = bool(id) and bool(block.id) and id != block.id and bool(name)
                    return None if fresh else block
            if not id and not name:
                return None
        if id:
            for block in reversed(self._calls):
                if block.id == id:
                    return None if index is not None and name and block.key is not None else block
            return None
        if index is None and not name:
            return self._last_call
        return None

    # -- the machine

    def _open(self, kind: _Kind, out: list[Event], key: int | None = None) -> _Open:
        block = _Open(kind, key)
        live = self._live
        if live is not None and not self._waiting and (live.kind != "call" or self._ready(live)):
            self._close_live(True, out)
            live = None
        if live is None:
            self._live = block
        else:
            self._waiting.append(block)
        return block

    @staticmethod
    def _ready(block: _Open) -> bool:
        return bool(block.name) and (block.arguments_done or block.whole_json)

    def _emit(self, block: _Open, out: list[Event]) -> None:
        """Passes on what the block has, when it is the live one; a waiting block may make the live one give way."""
        if block is not self._live:
            live = self._live
            if live is not None and (live.kind != "call" or self._ready(live)):
                self._close_live(True, out)
                self._promote(out)
            return
        if not block.started:
            if block.kind == "call" and not block.name:
                return
            self._start(block, out)
        parts = block.parts
        if block.emitted < len(parts):
            text = parts[block.emitted] if len(parts) - block.emitted == 1 else "".join(parts[block.emitted :])
            block.emitted = len(parts)
            if block.kind == "text":
                out.append(TextDelta(text))
            elif block.kind == "reasoning":
                out.append(ReasoningDelta(text))
            else:
                out.append(ArgumentsDelta(text))

    def _start(self, block: _Open, out: list[Event]) -> None:
        block.started = True
        block.index = self._next
        self._next += 1
        if block.kind == "text":
            out.append(BlockStart(block.index, Text("")))
            block.annotations, self._annotations = self._annotations, []
            out.extend(AnnotationSeen(data) for data in block.annotations)
        elif block.kind == "reasoning":
            out.append(BlockStart(block.index, Reasoning("", turn=self.turn, segment=self._segment)))
        else:
            if not block.id:
                block.id = self._mint()
            out.append(BlockStart(block.index, ToolCall(block.id, block.name, kind=block.tool_kind)))

    def _close_live(self, complete: bool, out: list[Event]) -> None:
        block = self._live
        if block is None:
            return
        self._live = None
        block.closed = True
        text = "".join(block.parts)
        if block.kind == "call" and not block.name:
            self._calls.remove(block)
            if self._last_call is block:
                self._last_call = None
            out.append(Noted(Note("fragment_dropped", "", "a tool call came without a name")))
            return
        if block.kind == "text" and not block.parts:
            return
        if not block.started:
            self._live = block
            self._emit(block, out)
            if not block.started:
                self._start(block, out)
            self._live = None
        if block.kind == "text":
            out.append(BlockEnd(block.index, Text(text, annotations=tuple(block.annotations)), complete))
        elif block.kind == "reasoning":
            if block.builder is not None:
                block.state = block.builder.build() or block.state
            presence: Literal["text", "opaque", "empty"] = (
                "text" if text else ("opaque" if block.state or block.signature else "empty")
            )
            out.append(
                BlockEnd(
                    block.index,
                    Reasoning(text, presence, self.turn, self._segment, signature=block.signature, state=block.state),
                    complete,
                )
            )
            self._segment += 1
        else:
            invalid = bool(text) and block.tool_kind != "custom" and not is_json(text)
            call = ToolCall(block.id, block.name, text, block.tool_kind, invalid=invalid, state=block.state)
            out.append(BlockEnd(block.index, call, complete))

    def _promote(self, out: list[Event]) -> None:
        """Lets waiting blocks flow, as far as those before them are whole."""
        while self._live is None and self._waiting:
            self._live = self._waiting.pop(0)
            self._emit(self._live, out)
            if self._waiting and (self._live.kind != "call" or self._ready(self._live)):
                self._close_live(True, out)

    def finish(self, out: list[Event], *, complete: bool = True) -> None:
        """The turn is over: closes what is open and lets out what waits.

        With complete False (cut by length, or a broken stream) a text or reasoning block that was still open is
        incomplete, and so is every call that had not been closed before.
        """
        while True:
            live = self._live
            if live is None:
                if not self._waiting:
                    self._loose_annotations(out)
                    return
                self._live = self._waiting.pop(0)
                self._emit(self._live, out)
                continue
            whole = complete or live.arguments_done or (bool(self._waiting) and live.kind != "call")
            self._close_live(whole, out)

    def _loose_annotations(self, out: list[Event]) -> None:
        if self._annotations:
            out.append(Noted(Note("item_dropped", "", f"{len(self._annotations)} citations came without any text")))
            self._annotations = []
