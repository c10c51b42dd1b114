"""Orders vendor fragments into blocks that never interleave.

Vendors send reasoning, text and fragments of several calls in any mixture; clients need one block after another. The
assembler keeps one block live and passes its deltas on at once. Fragments of other blocks wait in order. A live call
gives way when its arguments are a whole JSON value (nothing but white space may follow), else at the end.

Rules: call fragments are routed by index, then id, then to the last open call. A later empty id or name never
overwrites a known one. The same index with another id *and* another name or start is a new call. Fragments without
identity are dropped with a note. A call without an id gets one from `mint`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from dragoman.core.events import ArgumentsDelta, BlockEnd, BlockStart, Event, Noted, ReasoningDelta, TextDelta
from dragoman.core.messages import ProviderState, Reasoning, Text, ToolCall
from dragoman.core.notes import Note

_Kind = Literal["text", "reasoning", "call"]


class _Open:
    """A block that is being put together, live or waiting."""

    __slots__ = (
        "arguments_done",
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

    @property
    def whole_json(self) -> bool:
        return is_json("".join(self.parts))


def is_json(text: str) -> bool:
    """Whether `text` is one whole JSON value."""
    if not text or text.isspace():
        return False
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


class Assembler:
    """One upstream turn being put in order. Every method appends events to `out`.

    turn: id given to the reasoning segments. mint: makes ids for calls that come without one.
    """

    __slots__ = ("_calls", "_last_call", "_live", "_mint", "_next", "_segment", "_waiting", "turn")

    def __init__(self, turn: str, mint: Callable[[], str]) -> None:
        self.turn = turn
        self._mint = mint
        self._live: _Open | None = None
        self._waiting: list[_Open] = []
        self._calls: list[_Open] = []
        self._last_call: _Open | None = None
        self._next = 0
        self._segment = 0

    @property
    def open_call(self) -> bool:
        """Whether a call is open or waiting."""
        live = self._live
        return (live is not None and live.kind == "call") or any(w.kind == "call" for w in self._waiting)

    @property
    def blocks(self) -> int:
        """How many blocks were started."""
        return self._next

    @property
    def called(self) -> bool:
        """Whether any call was seen."""
        return bool(self._calls)

    # -- text and reasoning

    def text(self, text: str, out: list[Event]) -> None:
        """More visible text."""
        live = self._live
        if live is not None and live.kind == "text" and not self._waiting:
            live.parts.append(text)
            out.append(TextDelta(text))
            return
        if text:
            self._flow("text", text, out)

    def reasoning(self, text: str, out: list[Event]) -> None:
        """More thinking."""
        live = self._live
        if live is not None and live.kind == "reasoning" and not self._waiting:
            live.parts.append(text)
            out.append(ReasoningDelta(text))
            return
        if text:
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
    ) -> None:
        """A fragment of a call. Any of its parts may be missing or empty."""
        block = self._route(index, id, name)
        if block is None:
            if not id and not name:
                out.append(Noted(Note("fragment_dropped", "", "a tool-call fragment came without index, id or name")))
                return
            block = self._open("call", out, key=index)
            self._calls.append(block)
        self._last_call = block
        if id and not block.id:
            block.id = id
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
        if block is None:
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
            if self._calls and not id and not name:
                return None
        if id:
            for block in reversed(self._calls):
                if block.id == id:
                    return block
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
        elif block.kind == "reasoning":
            out.append(BlockStart(block.index, Reasoning("", turn=self.turn, segment=self._segment)))
        else:
            if not block.id:
                block.id = self._mint()
            out.append(BlockStart(block.index, ToolCall(block.id, block.name)))

    def _close_live(self, complete: bool, out: list[Event]) -> None:
        block = self._live
        if block is None:
            return
        self._live = None
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
            out.append(BlockEnd(block.index, Text(text), complete))
        elif block.kind == "reasoning":
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
            call = ToolCall(block.id, block.name, text, invalid=bool(text) and not is_json(text), state=block.state)
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
                    return
                self._live = self._waiting.pop(0)
                self._emit(self._live, out)
                continue
            whole = complete or live.arguments_done or (bool(self._waiting) and live.kind != "call")
            self._close_live(whole, out)
