"""Canonical events to the events of a Responses stream.

In: a view, and batches of events in the order of `core.events`. Out: frames `(event type, JSON)`, numbered from 0
(`frames`). The encoder outlives any decoder and never looks at an upstream.

Items open late: a block that turns out to hold nothing is never shown. Built-in calls are shown when they are whole,
because their items cannot be half-filled. What a server ran is written by `hosted_items`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.citations import is_placed
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
from dragoman.core.messages import Opaque, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.wire.base import Frame, Mint, missing_arguments
from dragoman.wire.responses.frames import Frames
from dragoman.wire.responses.hosted_items import HostedItems
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
        self.final: Raw | None = None
        self._view = view
        self._mint = mint
        self._frames = Frames(mint)
        self.output = self._frames.output
        self._object = ResponseObject(view, id, now)
        self._hosted = HostedItems(self._frames, view)
        self._begun = False
        self._notes: list[Note] = []
        self._usage: Usage | None = None
        self._reset()

    def _reset(self) -> None:
        self._frames.reset()
        self._block: StreamBlock | None = None
        self._parts: list[str] = []
        self._annotations: list[Raw] = []
        self._late = False  # a citation waits for the whole text, and those behind it with it
        self._summary = False

    # -- lifecycle

    def preamble(self) -> list[Frame]:
        """`response.created` and `response.in_progress`; nothing when they were given before."""
        if self._begun:
            return []
        self._begun = True
        out: list[Frame] = []
        body = self._object.running()
        for name in ("response.created", "response.in_progress"):
            self._frames.lifecycle(out, name, body)
        return out

    def keepalive(self) -> list[Frame]:
        """A repeated `response.in_progress`: Codex counts only real events against its idle limit (2026-11)."""
        if self.ended:
            return []
        out = self.preamble()
        self._frames.lifecycle(out, "response.in_progress", self._object.running())
        return out

    def compact(self, blob: str, usage: Usage | None) -> list[Frame]:
        """The frames of an answer that is one compaction item."""
        out = self.preamble()
        item = {"id": self._mint(PREFIXES["compaction"]), "type": "compaction", "encrypted_content": blob}
        self._frames.added(item, out)
        self._frames.done(item, out)
        self._end(Finished(usage=usage), out)
        return out

    def encode(self, events: list[Event]) -> list[Frame]:
        """The frames for these events. After the terminal event nothing more comes out."""
        out = [] if self._begun else self.preamble()
        frames = self._frames
        for event in events:
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta or kind is ArgumentsDelta:
                text: str = event.text  # type: ignore[union-attr]
                if not text or self.ended:
                    continue
                self._parts.append(text)
                if not frames.delta and not self._open(out):
                    continue
                # `Frames.text`, written out: one call less for each delta of every stream.
                seq = frames.seq
                frames.seq = seq + 1
                out.append((frames.delta, b"%b%b%b%d}" % (frames.head, encode(text), frames.tail, seq)))
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
                    self._late = self._late or not is_placed(event.data)
                    if not self._late:
                        self._cite(event.data, 0, out)
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
        elif isinstance(block, WebSearch) or (isinstance(block, Opaque) and block.wire == "responses"):
            self._hosted.open(block, out)

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
        item = message_item(Text(""), self._frames.new("message"), (), "in_progress")
        self._frames.added({**item, "content": []}, out)
        self._frames.part(out, "response.content_part.added", "content_index", text_part("", (), block.refusal))
        if block.refusal:
            self._frames.template("response.refusal.delta", b',"content_index":0')
        else:
            self._frames.template("response.output_text.delta", b',"content_index":0', b',"logprobs":[]')

    def _open_reasoning(self, block: Reasoning, out: list[Frame]) -> None:
        self._summary = self._view.summary or block.summary
        self._frames.added(reasoning_item(Reasoning(""), self._frames.new("reasoning"), False, "in_progress"), out)
        if self._summary:
            part = {"type": "summary_text", "text": ""}
            self._frames.part(out, "response.reasoning_summary_part.added", "summary_index", part)
            self._frames.template("response.reasoning_summary_text.delta", b',"summary_index":0')
        else:
            self._frames.part(
                out, "response.content_part.added", "content_index", {"type": "reasoning_text", "text": ""}
            )
            self._frames.template("response.reasoning_text.delta", b',"content_index":0')

    def _open_call(self, block: ToolCall, out: list[Frame]) -> None:
        bare = msgspec.structs.replace(block, arguments="")
        kind = "custom_tool_call" if block.kind == "custom" else "function_call"
        self._frames.added(call_item(bare, self._frames.new(kind), "in_progress"), out)
        if block.kind == "custom":
            self._frames.template("response.custom_tool_call_input.delta")
        else:
            self._frames.template("response.function_call_arguments.delta")

    def _close(self, block: StreamBlock, complete: bool, out: list[Frame]) -> None:
        status = "completed" if complete else "incomplete"
        match block:
            case Text():
                self._close_text(block, status, out)
            case Reasoning():
                self._close_reasoning(block, status, out)
            case ToolCall():
                self._close_call(block, status, out)
            case Opaque() if block.wire != "responses":
                self._notes.append(Note("item_dropped", "", f"a {block.kind} block has no form here"))
            case Opaque() | WebSearch():
                self._hosted.close(block, complete, out)
        self._reset()

    def _close_text(self, block: Text, status: str, out: list[Frame]) -> None:
        if not self._frames.item:
            if not block.text and not block.annotations:
                return
            self._block = block
            self._open_text(block, out)
            if block.text:
                self._frames.text(block.text, out)
        for raw in block.annotations[len(self._annotations) :]:
            self._cite(raw, len(block.text), out)
        if block.refusal:
            self._frames.part(out, "response.refusal.done", "content_index", block.text, "refusal")
        else:
            self._frames.event(
                out,
                "response.output_text.done",
                {**self._frames.place, "content_index": 0, "text": block.text, "logprobs": []},
            )
        part = text_part(block.text, self._annotations, block.refusal)
        self._frames.part(out, "response.content_part.done", "content_index", part)
        self._frames.done(message_item(block, self._frames.item, self._annotations, status), out)

    def _close_reasoning(self, block: Reasoning, status: str, out: list[Frame]) -> None:
        if block.placeholder:
            return
        if not self._frames.item:
            if not (block.text or block.seal or block.presence == "opaque"):
                return
            self._block = block
            if block.text:
                self._open_reasoning(block, out)
                self._frames.text(block.text, out)
            else:
                self._frames.added(
                    reasoning_item(Reasoning(""), self._frames.new("reasoning"), False, "in_progress"), out
                )
        if block.text and self._summary:
            self._frames.part(out, "response.reasoning_summary_text.done", "summary_index", block.text, "text")
            part = {"type": "summary_text", "text": block.text}
            self._frames.part(out, "response.reasoning_summary_part.done", "summary_index", part)
        elif block.text:
            self._frames.part(out, "response.reasoning_text.done", "content_index", block.text, "text")
            part = {"type": "reasoning_text", "text": block.text}
            self._frames.part(out, "response.content_part.done", "content_index", part)
        self._frames.done(reasoning_item(block, self._frames.item, self._summary, status), out)

    def _close_call(self, block: ToolCall, status: str, out: list[Frame]) -> None:
        if block.kind in BUILT_IN_ITEMS:
            fields = structured(block) if status == "completed" else None
            if fields is not None:
                item_id = self._frames.new(BUILT_IN_ITEMS[block.kind])
                self._frames.added(built_in_item(block, item_id, fields, "in_progress"), out)
                self._frames.done(built_in_item(block, item_id, fields, status), out)
                return
            block = msgspec.structs.replace(block, kind="function")
        if not self._frames.item:
            self._block = block
            self._open_call(block, out)
            if block.arguments:
                self._frames.text(block.arguments, out)
        missing = missing_arguments(block) if status == "completed" else ""
        if missing:
            self._frames.text(missing, out)
            block = msgspec.structs.replace(block, arguments=block.arguments + missing)
        place = self._frames.place
        if block.kind == "custom":
            self._frames.event(out, "response.custom_tool_call_input.done", {**place, "input": block.arguments})
        else:
            done = {**place, "name": block.name, "arguments": block.arguments}
            self._frames.event(out, "response.function_call_arguments.done", done)
        self._frames.done(call_item(block, self._frames.item, status), out)

    def _cite(self, raw: Raw, length: int, out: list[Frame]) -> None:
        if not self._frames.item:
            self._open(out)
        raw = annotation(raw, length)
        body = {**self._frames.place, "content_index": 0, "annotation_index": len(self._annotations), "annotation": raw}
        self._frames.event(out, "response.output_text.annotation.added", body)
        self._annotations.append(raw)

    # -- the end

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
        self._frames.lifecycle(out, f"response.{name}", body)
