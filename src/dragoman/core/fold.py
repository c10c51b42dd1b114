"""Folding events into the message that they tell of. A whole answer is decoded into the same events as a stream."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dragoman.core.events import (
    TERMINAL,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Noted,
    ReasoningDelta,
    Started,
    StreamBlock,
    Terminal,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import Message, Opaque, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. complete[i] says whether block i of the message was closed properly."""

    message: Message
    end: Terminal
    id: str = ""
    model: str = ""
    created: int = 0
    usage: Usage | None = None
    notes: tuple[Note, ...] = ()
    complete: tuple[bool, ...] = ()

    @property
    def text(self) -> str:
        """The visible text."""
        return self.message.text

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return self.message.calls

    @property
    def reasoning(self) -> str:
        """The thinking, joined."""
        return "".join(b.text for b in self.message.content if isinstance(b, Reasoning))


class Folder:
    """Folds events one at a time. `snapshot` gives the answer so far at any moment; `reply` the whole at the end."""

    __slots__ = ("_blocks", "_complete", "_notes", "_open", "_parts", "_started", "_usage", "end")

    def __init__(self) -> None:
        self._blocks: list[StreamBlock] = []
        self._complete: list[bool] = []
        self._notes: list[Note] = []
        self._open: StreamBlock | None = None
        self._parts: list[str] = []
        self._started = Started()
        self._usage: Usage | None = None
        self.end: Terminal | None = None

    def add(self, event: Event) -> None:
        """Takes the next event."""
        kind = type(event)
        if kind is TextDelta or kind is ReasoningDelta or kind is ArgumentsDelta:
            self._parts.append(event.text)  # type: ignore[union-attr]
        elif isinstance(event, BlockStart):
            self._open, self._parts = event.block, []
        elif isinstance(event, BlockEnd):
            self._open = None
            self._blocks.append(event.block)
            self._complete.append(event.complete)
        elif isinstance(event, UsageSeen):
            self._usage = event.usage
        elif isinstance(event, Started):
            self._started = event
        elif isinstance(event, Noted):
            self._notes.append(event.note)
        elif isinstance(event, TERMINAL):
            self.end = event
            if event.usage is not None:
                self._usage = event.usage

    def feed(self, events: Iterable[Event]) -> None:
        """Takes several events."""
        for event in events:
            self.add(event)

    @property
    def usage(self) -> Usage | None:
        """Usage so far."""
        return self._usage

    def snapshot(self) -> Message:
        """The message so far, an open block included. Costs its length: ask when you need it, not at each delta."""
        blocks = list(self._blocks)
        if self._open is not None:
            text = "".join(self._parts)
            match self._open:
                case Text() | Reasoning() as block:
                    blocks.append(msgspec.structs.replace(block, text=text))
                case ToolCall() as call:
                    blocks.append(msgspec.structs.replace(call, arguments=text))
                case Opaque() | WebSearch() as other:
                    blocks.append(other)
        return Message("assistant", tuple(blocks))

    def reply(self) -> Reply:
        """The whole answer. A stream without a terminal event folds to a failed one."""
        end = self.end or Failed(ErrorInfo("truncated", "the stream stopped without a terminal event"), self._usage)
        message = self.snapshot()
        return Reply(
            msgspec.structs.replace(message, failed=True) if isinstance(end, Failed) else message,
            end,
            self._started.id,
            self._started.model,
            self._started.created,
            self._usage,
            tuple(self._notes),
            tuple(self._complete),
        )


def fold(events: Iterable[Event]) -> Reply:
    """The whole answer that `events` tell of."""
    folder = Folder()
    folder.feed(events)
    return folder.reply()


def unfold(reply: Reply) -> list[Event]:
    """Events that fold to `reply`: one delta a block."""
    events: list[Event] = [Started(reply.id, reply.model, reply.created)]
    for index, block in enumerate(reply.message.content):
        complete = reply.complete[index] if index < len(reply.complete) else True
        match block:
            case Text():
                events.append(BlockStart(index, Text("")))
                if block.text:
                    events.append(TextDelta(block.text))
            case Reasoning():
                events.append(BlockStart(index, msgspec.structs.replace(block, text="", seal=None)))
                if block.text:
                    events.append(ReasoningDelta(block.text))
            case ToolCall():
                events.append(BlockStart(index, msgspec.structs.replace(block, arguments="", invalid=False)))
                if block.arguments:
                    events.append(ArgumentsDelta(block.arguments))
            case Opaque():
                events.append(BlockStart(index, block))
            case WebSearch():
                events.append(BlockStart(index, WebSearch(block.id, block.queries, "in_progress")))
            case _:
                continue
        events.append(BlockEnd(index, block, complete))
    events.extend(Noted(note) for note in reply.notes)
    events.append(reply.end)
    return events
