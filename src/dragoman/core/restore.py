"""The way back of `core.lowering`: calls under upstream names become the client's calls again.

A plain function passes; a renamed one changes its name; the input of a custom tool is decoded out of its JSON as it
arrives; calls of built-ins wait until they are whole, because only then it is certain that they fit - one that does
not stays a function call, for the client to answer with an error that the model can mend. A web search that was
offered as a function comes back whole as a call of that kind, for the managed loop. Names that were never offered pass
as they are.
"""

from __future__ import annotations

import msgspec

from dragoman.core.builtin_tools import read_builtin
from dragoman.core.events import ArgumentsDelta, BlockEnd, BlockStart, Event
from dragoman.core.messages import ToolCall
from dragoman.core.partial_json import InputDecoder
from dragoman.core.search import read_queries
from dragoman.core.tooltable import ToolEntry, ToolTable


class RestoreTools:
    """A stage: events with upstream calls in, events with the client's calls out."""

    __slots__ = ("_decoder", "_entry", "_mode", "_parts", "_start", "_table")

    def __init__(self, table: ToolTable) -> None:
        self._table = table
        self._mode = "pass"
        self._entry: ToolEntry | None = None
        self._start: BlockStart | None = None
        self._decoder = InputDecoder()
        self._parts: list[str] = []

    def feed(self, events: list[Event]) -> list[Event]:
        """The events with every call restored."""
        if self._mode == "pass":
            for event in events:
                if type(event) is BlockStart:
                    break
            else:
                return events
        out: list[Event] = []
        for event in events:
            kind = type(event)
            if kind is BlockStart:
                self._begin(event, out)  # type: ignore[arg-type]
            elif kind is ArgumentsDelta and self._mode == "custom":
                self._input(event.text, out)  # type: ignore[union-attr]
            elif kind is ArgumentsDelta and self._mode == "whole":
                continue
            elif kind is BlockEnd and self._mode != "pass":
                self._end(event, out)  # type: ignore[arg-type]
            else:
                out.append(event)
        return out

    def _begin(self, event: BlockStart, out: list[Event]) -> None:
        call = event.block
        entry = self._table.restore(call.name, call.namespace) if isinstance(call, ToolCall) else None
        if entry is None or not isinstance(call, ToolCall) or _is_plain(call, entry):
            self._mode = "pass"
            out.append(event)
            return
        self._entry = entry
        if call.kind != "function" or entry.kind == "function":
            self._mode = "rename"
            out.append(BlockStart(event.index, _named(call, entry)))
        elif entry.kind == "custom":
            self._mode, self._decoder, self._parts = "custom", InputDecoder(), []
            out.append(BlockStart(event.index, _as(call, entry, "")))
        else:
            self._mode, self._start = "whole", event

    def _input(self, text: str, out: list[Event]) -> None:
        piece = self._decoder.feed(text)
        if piece:
            self._parts.append(piece)
            out.append(ArgumentsDelta(piece))

    def _end(self, event: BlockEnd, out: list[Event]) -> None:
        mode, self._mode = self._mode, "pass"
        call, entry = event.block, self._entry
        if not isinstance(call, ToolCall) or entry is None:
            out.append(event)
        elif mode == "rename":
            out.append(BlockEnd(event.index, _named(call, entry), event.complete))
        elif mode == "custom":
            self._end_custom(event, call, entry, out)
        else:
            self._end_whole(event, call, entry, out)

    def _end_custom(self, event: BlockEnd, call: ToolCall, entry: ToolEntry, out: list[Event]) -> None:
        """Without a readable `input` the raw arguments are the input: some models write the text itself."""
        if not self._decoder.found and call.arguments:
            self._parts = [call.arguments]
            out.append(ArgumentsDelta(call.arguments))
        whole = self._decoder.done or not call.arguments
        restored = _as(call, entry, "".join(self._parts))
        restored = msgspec.structs.replace(restored, invalid=not whole)
        out.append(BlockEnd(event.index, restored, event.complete))

    def _end_whole(self, event: BlockEnd, call: ToolCall, entry: ToolEntry, out: list[Event]) -> None:
        search = entry.kind == "web_search"
        arguments = read_builtin(entry.kind, call.arguments) if event.complete and not search else None
        if search:
            # Never a function call for the client, who knows no such function: the managed loop answers a bad one.
            restored = msgspec.structs.replace(
                _as(call, entry, call.arguments), invalid=event.complete and not read_queries(call.arguments)
            )
        elif arguments is None:
            restored = msgspec.structs.replace(call, name=entry.name, namespace=entry.namespace)
        else:
            restored = _as(call, entry, arguments)
        start = self._start.block if self._start else call
        id = start.id if isinstance(start, ToolCall) else call.id
        restored = msgspec.structs.replace(restored, id=id)
        out.append(BlockStart(event.index, msgspec.structs.replace(restored, arguments="", invalid=False)))
        if restored.arguments:
            out.append(ArgumentsDelta(restored.arguments))
        out.append(BlockEnd(event.index, restored, event.complete))


def _is_plain(call: ToolCall, entry: ToolEntry) -> bool:
    """Whether the call is the client's as it stands. A model may have written it other than it was offered."""
    return entry.plain and (call.kind, call.namespace, call.name) == (entry.kind, entry.namespace, entry.name)


def _named(call: ToolCall, entry: ToolEntry) -> ToolCall:
    return msgspec.structs.replace(call, name=entry.name, namespace=entry.namespace)


def _as(call: ToolCall, entry: ToolEntry, arguments: str) -> ToolCall:
    return msgspec.structs.replace(
        call, name=entry.name, namespace=entry.namespace, kind=entry.kind, arguments=arguments, invalid=False
    )
