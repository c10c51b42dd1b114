"""Orders vendor fragments into blocks that never interleave.

Vendors send reasoning, text and fragments of several calls in any mixture; clients need one block after another. The
assembler keeps one block live and passes its deltas on at once. Fragments of other blocks wait in order. A live call
gives way when its arguments are a whole JSON value (nothing but white space may follow), else at the end.

Rules: `call_routes` tells the call that a fragment is for. A later empty id or name never overwrites a known one.
Arguments may come before the name. Fragments without identity, and fragments of a call that is closed, are dropped with
a note. A call without an id, or with that of another call, gets one from `mint`. What a vendor's own search found opens
a block before the text, and is cited when that text closes: only then its markers are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Raw

from dragoman.core.call_routes import CallRoutes
from dragoman.core.citations import annotated
from dragoman.core.events import AnnotationSeen, BlockEnd, BlockStart, Event, Noted, ReasoningDelta, TextDelta
from dragoman.core.messages import ProviderState, Reasoning, SearchSource
from dragoman.core.notes import Note
from dragoman.core.open_block import BlockKind, OpenBlock, StateBuilder
from dragoman.core.tools import ToolKind


class Flow(NamedTuple):
    """A live text or reasoning block, for a decoder that has looked at the delta itself: it appends to `parts`."""

    parts: list[str]
    thinking: bool


class Assembler:
    """One upstream turn being put in order. Every method appends events to `out`.

    turn: id given to the reasoning segments. mint: makes ids for calls that come without one.
    """

    __slots__ = (
        "_annotations",
        "_calls",
        "_found",
        "_live",
        "_mint",
        "_next",
        "_segment",
        "_waiting",
        "turn",
    )

    def __init__(self, turn: str, mint: Callable[[], str]) -> None:
        self.turn = turn
        self._mint = mint
        self._live: OpenBlock | None = None
        self._waiting: list[OpenBlock] = []
        self._calls = CallRoutes()
        self._next = 0
        self._segment = 0
        self._annotations: list[Raw] = []
        self._found: list[tuple[SearchSource, str, bool]] = []

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
        return self._calls.any

    def flow(self) -> Flow | None:
        """The live block where a delta of its own kind would only make it longer."""
        live = self._live
        if live is None or not live.started or self._waiting or live.kind in ("call", "search"):
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

    # -- searches

    def search(
        self, sources: Sequence[SearchSource], out: list[Event], *, labels: Sequence[str] = (), every: bool
    ) -> None:
        """Pages that the vendor's own search found. They stand in a search block where no text and no call is open,
        and are cited in the text that closes next. labels, every: as in `citations.cite`."""
        self._found += [(s, labels[n] if n < len(labels) else "", every) for n, s in enumerate(sources)]
        block = self._search_block(out)
        if block is not None:
            block.sources += sources

    def search_failed(self, error: str, out: list[Event]) -> None:
        """The vendor's own search gave nothing; shown where no text and no call is open."""
        block = self._search_block(out)
        if block is not None:
            block.error = error

    def _search_block(self, out: list[Event]) -> OpenBlock | None:
        block = self._find("search")
        if block is None:
            live = self._live
            if self._waiting or (live is not None and live.kind in ("text", "call")):
                return None
            block = self._open("search", out)
            self._emit(block, out)
        return block

    def _cite(self, block: OpenBlock, out: list[Event]) -> None:
        """The pages that were found, cited in the text that closes."""
        found, self._found = self._found, []
        sources, labels, every = zip(*found, strict=True)
        cited = annotated("".join(block.parts), sources, labels=labels, every=all(every))
        block.annotations += cited
        out.extend(AnnotationSeen(data) for data in cited)

    def _find(self, kind: BlockKind) -> OpenBlock | None:
        if self._waiting:
            last = self._waiting[-1]
            return last if last.kind == kind and not last.closed else None
        live = self._live
        return live if live is not None and live.kind == kind else None

    def _flow(self, kind: BlockKind, text: str, out: list[Event]) -> None:
        block = self._find(kind) or self._open(kind, out)
        block.parts.append(text)
        self._emit(block, out)

    def split(self, out: list[Event]) -> None:
        """Ends the last text or reasoning block (the vendor said that its block is over)."""
        if self._waiting:
            self._waiting[-1].closed = self._waiting[-1].closed or self._waiting[-1].kind != "call"
            return
        if self._live is None or self._live.kind == "call":
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
        block = self._calls.find(index, id, name)
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
            self._calls.add(block)
        elif block.closed:
            if arguments and not arguments.isspace():
                out.append(Noted(Note("fragment_dropped", "", f"a fragment came after call {block.id!r} was closed")))
            return
        self._calls.spoke(block)
        if id and not block.id:
            block.id = self._mint() if self._calls.has_id(id) else id
        if name and not block.name:
            block.name = name
        if state is not None:
            block.state = state
        if arguments:
            block.parts.append(arguments)
        self._emit(block, out)

    # -- the machine

    def _open(self, kind: BlockKind, out: list[Event], key: int | None = None) -> OpenBlock:
        block = OpenBlock(kind, key)
        live = self._live
        if live is not None and not self._waiting and live.gives_way:
            self._close_live(True, out)
            live = None
        if live is None:
            self._live = block
        else:
            self._waiting.append(block)
        return block

    def _emit(self, block: OpenBlock, out: list[Event]) -> None:
        """Passes on what the block has, when it is the live one; a waiting block may make the live one give way."""
        if block is not self._live:
            live = self._live
            if live is not None and live.gives_way:
                self._close_live(True, out)
                self._promote(out)
            return
        if not block.started:
            if block.kind == "call" and not block.name:
                return
            self._start(block, out)
        more = block.more()
        if more is not None:
            out.append(more)

    def _start(self, block: OpenBlock, out: list[Event]) -> None:
        block.index = self._next
        self._next += 1
        if block.kind == "reasoning":
            block.turn, block.segment = self.turn, self._segment
        elif block.kind == "call" and not block.id:
            block.id = self._mint()
        out.append(block.start())
        if block.kind == "text":
            block.annotations, self._annotations = self._annotations, []
            out.extend(AnnotationSeen(data) for data in block.annotations)

    def _close_live(self, complete: bool, out: list[Event]) -> None:
        block = self._live
        if block is None:
            return
        self._live = None
        block.closed = True
        if block.kind == "call" and not block.name:
            self._calls.forget(block)
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
        if block.kind == "text" and self._found:
            self._cite(block, out)
        out.append(block.end(complete))
        if block.kind == "reasoning":
            self._segment += 1

    def _promote(self, out: list[Event]) -> None:
        """Lets waiting blocks flow, as far as those before them are whole."""
        while self._live is None and self._waiting:
            self._live = self._waiting.pop(0)
            self._emit(self._live, out)
            if self._waiting and self._live.gives_way:
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
            whole = complete or (bool(self._waiting) and live.kind != "call")
            self._close_live(whole, out)

    def _loose_annotations(self, out: list[Event]) -> None:
        if self._annotations:
            out.append(Noted(Note("item_dropped", "", f"{len(self._annotations)} citations came without any text")))
            self._annotations = []
