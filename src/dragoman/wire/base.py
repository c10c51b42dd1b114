"""What every stream decoder shares: framing, the one terminal event, and patience with malformed data.

A wire's decoder subclasses `StreamDecoder` and implements `on_event`. The base owns law 2 (one end): whatever the
upstream does, exactly one terminal event comes out, and blocks that are open are closed before it.

Malformed JSON is skipped with a note only while no tool call is open and at most `MAX_BAD_EVENTS` times: a lost
fragment of a call's arguments would make another call of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from dragoman.core.assemble import Assembler
from dragoman.core.events import Event, Failed, Incomplete, Noted, RawFrame, UsageSeen
from dragoman.core.messages import ToolCall
from dragoman.core.notes import Note
from dragoman.core.usage import Usage, merge
from dragoman.errors import ErrorInfo
from dragoman.wire.sse import SSEReader
from dragoman.wire.think_tags import TagRules

MAX_BAD_EVENTS = 5
"""Malformed events that one stream may hold."""

Mint = Callable[[str], str]
"""Makes an id with the given prefix: `mint("msg_")`. Given by the caller, so that codecs are deterministic."""
Frame = tuple[str, bytes]
"""A payload frame of a client's stream: the event's name, "" where the protocol has none, and its data."""


class DecodeContext(msgspec.Struct, frozen=True):
    """What a decoder may know of the call: who serves it, and the quirks that concern reading.

    turn: id of this upstream turn (reasoning segments carry it). native: emit each raw frame before its events.
    strict_usage: a malformed usage report fails the stream instead of being unknown. tags: how thinking stands in the
    answer's text, None where tags are only text.
    """

    provider: str = ""
    family: str = ""
    turn: str = ""
    mint: Mint = lambda prefix: prefix + "0"
    native: bool = False
    strict_usage: bool = False
    cumulative: str = "detect"
    reasoning_details: bool = False
    tags: TagRules | None = None


class Malformed(Exception):
    """One event could not be read."""


class StreamDecoder:
    """Bytes of an upstream stream in, canonical events out. Sans-IO; never raises for what the upstream sends."""

    wire = "chat"

    def __init__(self, context: DecodeContext) -> None:
        self.context = context
        self.assembler = Assembler(context.turn, lambda: context.mint("call_"))
        self.usage: Usage | None = None
        self.ended = False
        self._reader = SSEReader()
        self._bad = 0

    # -- to be implemented by a wire

    def on_event(self, name: str, data: bytes, out: list[Event]) -> None:
        """Reads one SSE event. Raises Malformed when it cannot be read."""
        raise NotImplementedError

    def on_eof(self, out: list[Event]) -> None:
        """The bytes are over without a failure: a wire that has seen its finish closes here with `finish`."""

    def in_call(self) -> bool:
        """Whether a tool call is open. A wire that orders its own blocks answers for them."""
        return self.assembler.open_call

    def close_blocks(self, out: list[Event], *, complete: bool) -> None:
        """Closes what is open, before the terminal event."""
        self.assembler.finish(out, complete=complete)

    def on_events(self, items: list[tuple[str, bytes]], out: list[Event]) -> None:
        """Reads the events of one read. A wire may put a faster loop for its commonest event in this one's place."""
        for name, payload in items:
            self._one(name, payload, out)
            if self.ended:
                return

    # -- driven by the caller

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. After the terminal event nothing more comes out."""
        out: list[Event] = []
        if self.ended:
            return out
        self.on_events(self._reader.feed(data), out)
        if self._over():
            return out
        if self._reader.broken is not None:
            self.fail(self._reader.broken, out)
        return out

    def end(self, error: ErrorInfo | None = None) -> list[Event]:
        """The upstream is over: normally (None), or broken by `error`. Gives the terminal event if it is still owed."""
        out: list[Event] = []
        if self.ended:
            return out
        if error is None:
            for name, payload in self._reader.end():
                self._one(name, payload, out)
                if self._over():
                    return out
            self.on_eof(out)
            if self._over():
                return out
            error = ErrorInfo("truncated", "the upstream closed the stream before it said that it was done")
        self.fail(error, out)
        return out

    def _over(self) -> bool:
        return self.ended

    # -- for the wires

    def finish(self, terminal: Event, out: list[Event]) -> None:
        """Closes open blocks and appends the terminal event (a Finished, Incomplete or Failed without usage)."""
        if self.ended:
            return
        cut = isinstance(terminal, Incomplete | Failed)
        self.close_blocks(out, complete=not cut)
        self.ended = True
        out.append(msgspec.structs.replace(terminal, usage=self.usage))

    def fail(self, error: ErrorInfo, out: list[Event]) -> None:
        """Ends the stream as failed."""
        if error.provider is None and self.context.provider:
            error = msgspec.structs.replace(error, provider=self.context.provider)
        self.finish(Failed(error), out)

    def saw_usage(self, usage: Usage | None, out: list[Event]) -> None:
        """Merges a usage report."""
        if usage is None:
            return
        self.usage = merge(self.usage, usage)
        if self.usage is not None:
            out.append(UsageSeen(self.usage))

    def bad_usage(self, detail: str, out: list[Event]) -> None:
        """The usage report cannot be read: unknown with a note, or with `strict_usage` a failure."""
        if self.context.strict_usage:
            self.fail(ErrorInfo("protocol", f"malformed usage report: {detail}", code="malformed_usage"), out)
        else:
            out.append(Noted(Note("usage_unknown", "usage", detail)))

    def _one(self, name: str, payload: bytes, out: list[Event]) -> None:
        if self.context.native:
            out.append(RawFrame(name, payload))
        try:
            self.on_event(name, payload, out)
        except Malformed as error:
            self._bad += 1
            if self.in_call() or self._bad > MAX_BAD_EVENTS:
                self.fail(ErrorInfo("protocol", f"the upstream sent a malformed event: {error}"), out)
            else:
                out.append(Noted(Note("event_skipped", "", str(error))))


class StreamEncoder(Protocol):
    """Canonical events in, payload frames `(name, data)` of a client protocol out. Owns indexes and sequence numbers.

    `preamble` is called once, at commit. `keepalive` gives frames that reset the client's idle timer, or nothing where
    a comment must do. `tail` gives what stands after the terminal frames (`[DONE]`).
    """

    def preamble(self) -> list[Frame]:
        """The frames that open a stream."""
        ...

    def encode(self, events: list[Event]) -> list[Frame]:
        """The frames for these events."""
        ...

    def keepalive(self) -> list[Frame]:
        """Frames that show life without meaning anything."""
        ...


def missing_arguments(call: ToolCall) -> str:
    """What a finished call lacks to have JSON arguments: many models write nothing for a tool without parameters, and
    clients parse what they get."""
    return "" if call.kind == "custom" or call.arguments.strip() else "{}"
