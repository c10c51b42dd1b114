"""The native lane of Responses: the vendor's frames pass with only the model's name and the response's id touched.

When the upstream breaks off, items that are open are closed as incomplete, with the content that their deltas gave, and
`response.failed` is written here.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import BlockEnd, Event, Finished, Incomplete, RawFrame, StreamBlock, Terminal
from dragoman.core.messages import Reasoning, Text, ToolCall
from dragoman.wire.base import Frame, Mint
from dragoman.wire.native import UNREADABLE, NativeLane, patch
from dragoman.wire.responses.encoder import Encoder
from dragoman.wire.responses.fields import flat
from dragoman.wire.responses.output import ResponseObject, call_item, encode, message_item, reasoning_item, text_part
from dragoman.wire.responses.view import View

_LIFECYCLE = frozenset(
    {"response.created", "response.in_progress", "response.queued"}
    | (_TERMINAL := {"response.completed", "response.incomplete", "response.failed"})
)
_SEQUENCE = re.compile(rb'"sequence_number":\s*(\d+)')


class _Frame(msgspec.Struct):
    type: str = ""


class _Place(msgspec.Struct):
    output_index: int = 0
    item: Raw = Raw(b"{}")


class _Item(msgspec.Struct):
    id: str = ""
    type: str = ""
    raw: Raw = Raw(b"{}")


class _Index(msgspec.Struct):
    content_index: int | None = None
    summary_index: int | None = None


class NativeEncoder(NativeLane):
    """Passes raw frames on. id: the response's id; "" keeps the vendor's own. The rest as in `Encoder`."""

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self.output: list[Raw] = []
        self.final: Raw | None = None
        self.now = now
        self.id = id
        self._view = view
        self._mint = mint
        self._last = b""
        self._name = ""
        self._open: dict[int, _Item] = {}
        self._cut: list[StreamBlock] = []

    def heard(self, event: Event) -> None:
        """Keeps the content of items that the end cut."""
        if type(event) is BlockEnd and not event.complete:
            self._cut.append(event.block)

    def frame(self, frame: RawFrame, out: list[Frame]) -> None:
        """One frame. The vendor's `error` stays here: clients of this lane know no end but a response that failed."""
        name, data = frame.name, frame.data
        try:
            # Decoded even where the name is known: a stream that breaks inside of a frame must not pass half of it on.
            name = msgspec.json.decode(data, type=_Frame).type or name
            if name in _LIFECYCLE:
                data = self._patched(name, data)
            elif name in ("response.output_item.added", "response.output_item.done"):
                self._track(name, data)
        except (*UNREADABLE, KeyError):
            return
        if name == "error" or not name:
            return
        data = flat(data)
        self._last = data
        self._name = name
        out.append((name, data))

    def _patched(self, name: str, data: bytes) -> bytes:
        fields = msgspec.json.decode(data, type=dict[str, Raw])
        response = msgspec.json.decode(fields["response"], type=dict[str, Raw])
        if not self.id and "id" in response:
            self.id = msgspec.json.decode(response["id"], type=str)
        fields["response"] = Raw(encode(response | patch(self._view.model, self.id)))
        if name in _TERMINAL:
            self.final = fields["response"]
            self.ended = True
        return encode(fields)

    def _track(self, name: str, data: bytes) -> None:
        place = msgspec.json.decode(data, type=_Place)
        if name == "response.output_item.added":
            item = msgspec.json.decode(place.item, type=_Item)
            item.raw = place.item
            self._open[place.output_index] = item
        else:
            self._open.pop(place.output_index, None)
            self.output.append(place.item)

    # -- an end that the vendor did not write

    def close(self, end: Terminal, out: list[Frame]) -> None:
        """The end that the vendor did not write, as a terminal response."""
        if not self._name:
            encoder = Encoder(self._view, self._mint, self.now, self.id or self._mint("resp_"))
            out.extend(encoder.encode([end]))
            self.final = encoder.final
            return
        response = ResponseObject(self._view, self.id, self.now)
        if self._name == "response.created":
            self._write(out, "response.in_progress", {"response": Raw(response.running())})
        for index in sorted(self._open):
            self._parts(index, out)
            item = Raw(encode(self._closed(self._open[index])))
            self.output.append(item)
            self._write(out, "response.output_item.done", {"output_index": index, "item": item})
        name = "completed" if isinstance(end, Finished) else "incomplete" if isinstance(end, Incomplete) else "failed"
        self.final = Raw(response.ended(end, self.output, (), self.now))
        self._write(out, f"response.{name}", {"response": self.final})

    def _parts(self, index: int, out: list[Frame]) -> None:
        """The done events that the open part of an item still lacks, judged by the last frame that passed."""
        item, block = self._open[index], self._cut[0] if self._cut else None
        if self._name == "response.output_item.done" or self._name.endswith("part.done"):
            return
        place: dict[str, Any] = {"item_id": item.id, "output_index": index}
        at = msgspec.json.decode(self._last, type=_Index)
        told = self._name.endswith(".done")
        if isinstance(block, ToolCall) and item.type in ("function_call", "custom_tool_call"):
            custom = item.type == "custom_tool_call"
            key, name = ("input", "custom_tool_call_input") if custom else ("arguments", "function_call_arguments")
            if not told:
                body = (
                    {**place, key: block.arguments} if custom else {**place, "name": block.name, key: block.arguments}
                )
                self._write(out, f"response.{name}.done", body)
        elif isinstance(block, Text) and item.type == "message":
            place["content_index"] = at.content_index or 0
            if not told:
                name, key = ("refusal", "refusal") if block.refusal else ("output_text", "text")
                said: dict[str, Any] = {key: block.text} if block.refusal else {key: block.text, "logprobs": []}
                self._write(out, f"response.{name}.done", {**place, **said})
            part = text_part(block.text, block.annotations, block.refusal)
            self._write(out, "response.content_part.done", {**place, "part": part})
        elif isinstance(block, Reasoning) and item.type == "reasoning":
            self._thought_parts(block, place, at, out)

    def _thought_parts(self, block: Reasoning, place: dict[str, Any], at: _Index, out: list[Frame]) -> None:
        summary = at.summary_index is not None
        place["summary_index" if summary else "content_index"] = at.summary_index or at.content_index or 0
        name, kind = ("reasoning_summary_text", "summary_text") if summary else ("reasoning_text", "reasoning_text")
        if not self._name.endswith(".done"):
            self._write(out, f"response.{name}.done", {**place, "text": block.text})
        part = "reasoning_summary_part" if summary else "content_part"
        self._write(out, f"response.{part}.done", {**place, "part": {"type": kind, "text": block.text}})

    def _closed(self, item: _Item) -> dict[str, Any]:
        """An open item with what its deltas gave."""
        block = self._cut.pop(0) if self._cut else None
        match block:
            case Text() if item.type == "message":
                return message_item(block, item.id, block.annotations, "incomplete")
            case Reasoning() if item.type == "reasoning":
                return reasoning_item(block, item.id, block.summary, "incomplete")
            case ToolCall() if item.type in ("function_call", "custom_tool_call"):
                return call_item(block, item.id, "incomplete")
        return {**msgspec.json.decode(item.raw, type=dict[str, Raw]), "status": "incomplete"}

    def _write(self, out: list[Frame], name: str, body: dict[str, Any]) -> None:
        found = _SEQUENCE.findall(self._last)
        number = int(found[-1]) + 1 if found else 0
        self._last = flat(encode({"type": name, **body, "sequence_number": number}))
        out.append((name, self._last))
