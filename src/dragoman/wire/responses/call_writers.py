"""Calls of an upstream's Responses stream: arguments that stream, and built-in calls, which are whole or nothing."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.events import ArgumentsDelta, BlockEnd, BlockStart, Event, Noted
from dragoman.core.messages import ToolCall
from dragoman.core.notes import Note
from dragoman.core.partial_json import is_json
from dragoman.wire.parse import absent
from dragoman.wire.responses.item_writer import Counters, Writer
from dragoman.wire.responses.items import CALLS, Item, call_arguments


class Contradiction(Exception):
    """The done item says other arguments than its deltas did."""


class CallWriter(Writer):
    """A call of the client's. Arguments may come before its name."""

    call = True

    def __init__(self, shared: Counters, item: Item, raw: Raw) -> None:
        super().__init__(shared, item, raw)
        self.block = -1
        self.head: ToolCall | None = None

    def begin(self, out: list[Event]) -> None:
        if self.item.name:
            self._open(self.item, out)

    def _open(self, item: Item, out: list[Event]) -> None:
        self.block = self.shared.next_block()
        call_id = item.call_id or self.shared.context.mint("call_")
        kind = CALLS[self.item.type or "function_call"]
        self.head = ToolCall(call_id, item.name or kind, "", kind, item.namespace)
        out.append(BlockStart(self.block, self.head))
        if self.parts:
            out.append(ArgumentsDelta("".join(self.parts)))

    def arguments(self, text: str, out: list[Event]) -> None:
        self.parts.append(text)
        if self.head is not None:
            out.append(ArgumentsDelta(text))

    def settle(self, text: str, out: list[Event]) -> None:
        said = "".join(self.parts)
        if text == said:
            return
        if text.startswith(said):
            self.arguments(text[len(said) :], out)
        elif text and not _same_json(text, said):
            raise Contradiction

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        if self.head is None:
            if not item.name:
                self.closed = True
                out.append(Noted(Note("fragment_dropped", "", "a tool call came without a name")))
                return
            self._open(item, out)
        kind = CALLS[self.item.type or "function_call"]
        if not absent(item.input if kind == "custom" else item.arguments):
            self.settle(call_arguments(item, kind, "item"), out)
        self.closed = True
        self._end(item.status != "incomplete", out)

    def _end(self, complete: bool, out: list[Event]) -> None:
        if self.head is None:
            return
        text = "".join(self.parts)
        bad = self.head.kind != "custom" and bool(text) and not is_json(text)
        out.append(BlockEnd(self.block, msgspec.structs.replace(self.head, arguments=text, invalid=bad), complete))

    def cut(self, complete: bool, out: list[Event]) -> None:
        self.closed = True
        whole = self.head is not None and (self.head.kind == "custom" or is_json("".join(self.parts)))
        self._end(complete and whole, out)


class BuiltInWriter(Writer):
    """A built-in call: its item is whole or nothing."""

    call = True

    def done(self, item: Item, raw: Raw, out: list[Event]) -> None:
        self.closed = True
        kind = CALLS[self.item.type or ""]
        text = call_arguments(item, kind, "item")
        head = ToolCall(item.call_id or item.id or self.shared.context.mint("call_"), kind, "", kind)
        block = self.shared.next_block()
        out.append(BlockStart(block, head))
        if text:
            out.append(ArgumentsDelta(text))
        whole = msgspec.structs.replace(head, arguments=text, invalid=not is_json(text))
        out.append(BlockEnd(block, whole, item.status not in ("incomplete", "in_progress")))


def _same_json(a: str, b: str) -> bool:
    try:
        return bool(msgspec.json.decode(a) == msgspec.json.decode(b))
    except (msgspec.DecodeError, RecursionError):
        return False
