"""Canonical events to the events of a Responses stream.

In: a view, and batches of events in the order of `core.events`. Out: frames `(event type, JSON)`, numbered from 0. The
encoder owns sequence numbers, output indexes and item ids; it outlives any decoder and never looks at an upstream.

Items open late: a block that turns out to hold nothing is never shown. Built-in calls are shown when they are whole,
because their items cannot be half-filled. Deltas are the hot road: their frames are cut from templates that are made
when the item opens.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    StreamBlock,
    Terminal,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import Opaque, Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.wire.base import Mint
from dragoman.wire.responses.fields import flat
from dragoman.wire.responses.output import (
    BUILT_IN_ITEMS,
    PREFIXES,
    ResponseObject,
    annotation,
    built_in_item,
    call_item,
    encode,
    message_item,
    reasoning_item,
    structured,
    text_part,
)
from dragoman.wire.responses.view import View

Frame = tuple[str, bytes]


class _HostedItem(msgspec.Struct):
    id: str | None = None
    status: str | None = None


class Encoder:
    """One stream towards a client.

    mint: makes item ids. now: seconds since 1970 when the response was made; may be moved on, the end is stamped with
    it. id: the response's id. ended: the terminal event was given. output: the done items, as they were sent. final:
    the terminal response object.
    """

    def __init__(self, view: View, mint: Mint, now: int, id: str) -> None:
        self.now = now
        self.id = id
        self.ended = False
        self.output: list[Raw] = []
        self.final: Raw | None = None
        self._view = view
        self._mint = mint
        self._object = ResponseObject(view, id, now)
        self._seq = 0
        self._begun = False
        self._notes: list[Note] = []
        self._usage: Usage | None = None
        self._ids: set[str] = set()
        self._block: StreamBlock | None = None
        self._reset()

    def _reset(self) -> None:
        self._block = None
        self._item = ""
        self._parts: list[str] = []
        self._annotations: list[Raw] = []
        self._summary = False
        self._delta = ""
        self._head = b""
        self._tail = b""

    # -- lifecycle

    def preamble(self) -> list[Frame]:
        """`response.created` and `response.in_progress`; nothing when they were given before."""
        if self._begun:
            return []
        self._begun = True
        out: list[Frame] = []
        body = self._object.running()
        for name in ("response.created", "response.in_progress"):
            self._lifecycle(out, name, body)
        return out

    def keepalive(self) -> list[Frame]:
        """A repeated `response.in_progress`: Codex counts only real events against its idle limit (2026-11)."""
        if self.ended:
            return []
        out = self.preamble()
        self._lifecycle(out, "response.in_progress", self._object.running())
        return out

    def compact(self, blob: str, usage: Usage | None) -> list[Frame]:
        """The frames of an answer that is one compaction item."""
        out = self.preamble()
        item = {"id": self._mint(PREFIXES["compaction"]), "type": "compaction", "encrypted_content": blob}
        self._event(out, "response.output_item.added", {"output_index": len(self.output), "item": item})
        self._finish_item(item, out)
        self._end(Finished(usage=usage), out)
        return out

    def encode(self, events: list[Event]) -> list[Frame]:
        """The frames for these events. After the terminal event nothing more comes out."""
        out = [] if self._begun else self.preamble()
        for event in events:
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta or kind is ArgumentsDelta:
                text: str = event.text  # type: ignore[union-attr]
                if not text or self.ended:
                    continue
                self._parts.append(text)
                if not self._delta and not self._open(out):
                    continue
                seq = self._seq
                self._seq = seq + 1
                out.append((self._delta, b"%b%b%b%d}" % (self._head, encode(text), self._tail, seq)))
            elif not self.ended:
                self._other(event, out)
        return out

    def _other(self, event: Event, out: list[Frame]) -> None:
        match event:
            case BlockStart():
                self._start(event.block, out)
            case BlockEnd():
                self._close(event.block, event.complete, out)
            case AnnotationSeen():
                if isinstance(self._block, Text):
                    self._cite(event.data, out)
            case UsageSeen():
                self._usage = event.usage
            case Noted():
                self._notes.append(event.note)
            case Finished() | Incomplete() | Failed():
                self._end(event, out)

    # -- blocks

    def _start(self, block: StreamBlock, out: list[Frame]) -> None:
        if self._block is not None:
            self._close(self._so_far(), False, out)
        self._reset()
        self._block = block
        if isinstance(block, ToolCall) and block.kind not in BUILT_IN_ITEMS:
            self._open(out)
        elif isinstance(block, Opaque) and block.wire == "responses":
            self._open_hosted(block, out)

    def _so_far(self) -> StreamBlock:
        """The open block with what its deltas gave: for a stream that ends inside of it."""
        text = "".join(self._parts)
        block = self._block
        if isinstance(block, Text | Reasoning):
            return msgspec.structs.replace(block, text=text)
        if isinstance(block, ToolCall):
            return msgspec.structs.replace(block, arguments=text)
        assert block is not None
        return block

    def _open(self, out: list[Frame]) -> bool:
        """Shows the item of the open block. False for a block that is shown only when it is whole."""
        block = self._block
        if isinstance(block, Text):
            self._open_text(block, out)
        elif isinstance(block, Reasoning):
            self._open_reasoning(block, out)
        elif isinstance(block, ToolCall) and block.kind not in BUILT_IN_ITEMS:
            self._open_call(block, out)
        else:
            return False
        return True

    def _open_text(self, block: Text, out: list[Frame]) -> None:
        item = message_item(Text(""), self._new("message"), (), "in_progress")
        self._added({**item, "content": []}, out)
        self._part(out, "response.content_part.added", "content_index", text_part("", (), block.refusal))
        if block.refusal:
            self._template("response.refusal.delta", b',"content_index":0', b"")
        else:
            self._template("response.output_text.delta", b',"content_index":0', b',"logprobs":[]')

    def _open_reasoning(self, block: Reasoning, out: list[Frame]) -> None:
        self._summary = self._view.summary or block.summary
        self._added(reasoning_item(Reasoning(""), self._new("reasoning"), False, "in_progress"), out)
        if self._summary:
            part = {"type": "summary_text", "text": ""}
            self._part(out, "response.reasoning_summary_part.added", "summary_index", part)
            self._template("response.reasoning_summary_text.delta", b',"summary_index":0', b"")
        else:
            self._part(out, "response.content_part.added", "content_index", {"type": "reasoning_text", "text": ""})
            self._template("response.reasoning_text.delta", b',"content_index":0', b"")

    def _open_call(self, block: ToolCall, out: list[Frame]) -> None:
        bare = msgspec.structs.replace(block, arguments="")
        kind = "custom_tool_call" if block.kind == "custom" else "function_call"
        self._added(call_item(bare, self._new(kind), "in_progress"), out)
        if block.kind == "custom":
            self._template("response.custom_tool_call_input.delta", b"", b"")
        else:
            self._template("response.function_call_arguments.delta", b"", b"")

    def _close(self, block: StreamBlock, complete: bool, out: list[Frame]) -> None:
        status = "completed" if complete else "incomplete"
        match block:
            case Text():
                self._close_text(block, status, out)
            case Reasoning():
                self._close_reasoning(block, status, out)
            case ToolCall():
                self._close_call(block, status, out)
            case Opaque():
                self._close_hosted(block, complete, out)
        self._reset()

    def _close_text(self, block: Text, status: str, out: list[Frame]) -> None:
        if not self._item:
            if not block.text and not block.annotations:
                return
            self._block = block
            self._open_text(block, out)
            if block.text:
                self._one_delta(block.text, out)
        for raw in block.annotations[len(self._annotations) :]:
            self._cite(raw, out)
        if block.refusal:
            self._part(out, "response.refusal.done", "content_index", block.text, "refusal")
        else:
            self._event(
                out,
                "response.output_text.done",
                {
                    "item_id": self._item,
                    "output_index": len(self.output),
                    "content_index": 0,
                    "text": block.text,
                    "logprobs": [],
                },
            )
        part = text_part(block.text, self._annotations, block.refusal)
        self._part(out, "response.content_part.done", "content_index", part)
        self._finish_item(message_item(block, self._item, self._annotations, status), out)

    def _close_reasoning(self, block: Reasoning, status: str, out: list[Frame]) -> None:
        if block.placeholder:
            return
        if not self._item:
            if not (block.text or block.seal or block.presence == "opaque"):
                return
            self._block = block
            if block.text:
                self._open_reasoning(block, out)
                self._one_delta(block.text, out)
            else:
                self._added(reasoning_item(Reasoning(""), self._new("reasoning"), False, "in_progress"), out)
        if block.text and self._summary:
            self._part(out, "response.reasoning_summary_text.done", "summary_index", block.text, "text")
            part = {"type": "summary_text", "text": block.text}
            self._part(out, "response.reasoning_summary_part.done", "summary_index", part)
        elif block.text:
            self._part(out, "response.reasoning_text.done", "content_index", block.text, "text")
            part = {"type": "reasoning_text", "text": block.text}
            self._part(out, "response.content_part.done", "content_index", part)
        self._finish_item(reasoning_item(block, self._item, self._summary, status), out)

    def _close_call(self, block: ToolCall, status: str, out: list[Frame]) -> None:
        if block.kind in BUILT_IN_ITEMS:
            fields = structured(block) if status == "completed" else None
            if fields is not None:
                item_id = self._new(BUILT_IN_ITEMS[block.kind])
                self._added(built_in_item(block, item_id, fields, "in_progress"), out)
                self._finish_item(built_in_item(block, item_id, fields, status), out)
                return
            block = msgspec.structs.replace(block, kind="function")
        if not self._item:
            self._block = block
            self._open_call(block, out)
            if block.arguments:
                self._one_delta(block.arguments, out)
        place = {"item_id": self._item, "output_index": len(self.output)}
        if block.kind == "custom":
            self._event(out, "response.custom_tool_call_input.done", {**place, "input": block.arguments})
        else:
            done = {**place, "name": block.name, "arguments": block.arguments}
            self._event(out, "response.function_call_arguments.done", done)
        self._finish_item(call_item(block, self._item, status), out)

    # -- hosted items, which pass as they are

    def _open_hosted(self, block: Opaque, out: list[Frame]) -> None:
        raw = msgspec.json.decode(block.data, type=dict[str, Raw])
        known = msgspec.json.decode(block.data, type=_HostedItem)
        # Several upstream rounds may share one client stream, and a vendor may number its items anew in each.
        fresh = known.id not in self._ids
        self._item = known.id if known.id and fresh else self._mint(PREFIXES.get(block.kind, "item_"))
        self._ids.add(self._item)
        opening = "in_progress" if block.kind == "web_search_call" else known.status
        status = {} if opening is None else {"status": opening}
        self._added({**raw, "id": self._item, "type": block.kind, **status}, out)
        if block.kind == "web_search_call":
            for step in ("in_progress", "searching"):
                self._search_step(step, out)

    def _close_hosted(self, block: Opaque, complete: bool, out: list[Frame]) -> None:
        if block.wire != "responses":
            self._notes.append(Note("item_dropped", "", f"a {block.kind} block has no form here"))
            return
        if not self._item:
            self._open_hosted(block, out)
        raw = msgspec.json.decode(block.data, type=dict[str, Raw])
        item: dict[str, Any] = {**raw, "id": self._item, "type": block.kind}
        status = msgspec.json.decode(block.data, type=_HostedItem).status
        if not complete and "status" in item:
            item["status"] = status = "incomplete"
        elif status in ("in_progress", "searching"):
            item["status"] = status = "completed"
        if block.kind == "web_search_call" and status == "completed":
            self._search_step("completed", out)
        self._finish_item(item, out)

    def _search_step(self, step: str, out: list[Frame]) -> None:
        place = {"item_id": self._item, "output_index": len(self.output)}
        self._event(out, f"response.web_search_call.{step}", place)

    # -- frames

    def _new(self, kind: str) -> str:
        self._item = self._mint(PREFIXES[kind])
        self._ids.add(self._item)
        return self._item

    def _template(self, name: str, before: bytes, after: bytes) -> None:
        self._delta = name
        self._head = b'{"type":"%b","item_id":%b,"output_index":%d%b,"delta":' % (
            name.encode(),
            encode(self._item),
            len(self.output),
            before,
        )
        self._tail = after + b',"sequence_number":'

    def _one_delta(self, text: str, out: list[Frame]) -> None:
        out.append((self._delta, b"%b%b%b%d}" % (self._head, encode(text), self._tail, self._seq)))
        self._seq += 1

    def _cite(self, raw: Raw, out: list[Frame]) -> None:
        if not self._item:
            self._open(out)
        raw = annotation(raw)
        place = {"item_id": self._item, "output_index": len(self.output), "content_index": 0}
        body = {**place, "annotation_index": len(self._annotations), "annotation": raw}
        self._event(out, "response.output_text.annotation.added", body)
        self._annotations.append(raw)

    def _part(self, out: list[Frame], name: str, index: str, value: Any, key: str = "part") -> None:
        self._event(out, name, {"item_id": self._item, "output_index": len(self.output), index: 0, key: value})

    def _added(self, item: dict[str, Any], out: list[Frame]) -> None:
        self._event(out, "response.output_item.added", {"output_index": len(self.output), "item": item})

    def _finish_item(self, item: dict[str, Any], out: list[Frame]) -> None:
        raw = Raw(flat(encode(item)))
        self._event(out, "response.output_item.done", {"output_index": len(self.output), "item": raw})
        self.output.append(raw)

    def _event(self, out: list[Frame], name: str, body: dict[str, Any]) -> None:
        out.append((name, flat(encode({"type": name, **body, "sequence_number": self._seq}))))
        self._seq += 1

    def _lifecycle(self, out: list[Frame], name: str, body: bytes) -> None:
        data = b'{"type":"%b","response":%b,"sequence_number":%d}' % (name.encode(), body, self._seq)
        out.append((name, data))
        self._seq += 1

    def _end(self, end: Terminal, out: list[Frame]) -> None:
        if self._block is not None:
            self._close(self._so_far(), False, out)
        if end.usage is None and self._usage is not None:
            end = msgspec.structs.replace(end, usage=self._usage)
        repeated = isinstance(end, Incomplete) and end.reason == "repetition"
        if repeated and all(note.code != "repetition_cut" for note in self._notes):
            self._notes.append(Note("repetition_cut", "", "the model repeated itself"))
        name = "completed" if isinstance(end, Finished) else "incomplete" if isinstance(end, Incomplete) else "failed"
        body = self._object.ended(end, self.output, self._notes, self.now)
        self.final = Raw(body)
        self.ended = True
        self._lifecycle(out, f"response.{name}", body)
