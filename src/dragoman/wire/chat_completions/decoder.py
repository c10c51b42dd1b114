"""An upstream's Chat stream, or whole answer, read into canonical events.

In: bytes. Out: events in the order of `core.events`. Knows the protocol's order rules and the deviations that servers
of this protocol are documented to have, but no vendor by name.

The terminal is held after the finish reason until `[DONE]` or the end of the bytes, because usage may follow. What an
upstream sends as content after its finish reason is a repetition and is not read.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import Event, Failed, Noted, RawFrame, ReasoningDelta, Started, TextDelta
from dragoman.core.messages import ProviderState
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext, Malformed, StreamDecoder
from dragoman.wire.chat_completions.finish import read_finish
from dragoman.wire.chat_completions.found import take_annotations, take_failure, take_pages
from dragoman.wire.chat_completions.inline import InlineThinking
from dragoman.wire.chat_completions.prose import Prose
from dragoman.wire.chat_completions.shapes import (
    ABSENT,
    CallPart,
    Choice,
    Chunk,
    Delta,
    plain_delta,
    read_chunk,
    sent,
)
from dragoman.wire.chat_completions.usage import read_usage
from dragoman.wire.lenient import read_json
from dragoman.wire.upstream_errors import base_resp_error, error_event, stream_error


class Decoder(StreamDecoder):
    """One upstream answer."""

    wire = "chat"

    def __init__(self, context: DecodeContext) -> None:
        super().__init__(context)
        self._started = False
        self._finish: str | None = None
        self._prose = Prose(context, self.assembler)
        self._refused = False

    # -- framing

    def on_event(self, name: str, data: bytes, out: list[Event]) -> None:
        """Reads one SSE event."""
        if name == "error":
            self.fail(error_event(data), out)
        elif data[:6] == b"[DONE]":
            self._done(out)
        else:
            self._chunk(read_chunk(data), data, out)

    def on_events(self, items: list[tuple[str, bytes]], out: list[Event]) -> None:
        """Text that follows text, and thinking that follows thinking, is most of every stream: it takes a short way,
        which gives the very events of the long one."""
        if self.context.native:
            super().on_events(items, out)
            return
        prose = self._prose
        if prose.tags is not None:
            self._tagged_events(prose.tags, items, out)
            return
        flow = prose.flow() if self._finish is None else None
        for name, data in items:
            if flow is not None and not name:
                text = plain_delta(data, flow.thinking)
                if text:
                    flow.parts.append(text)
                    out.append(ReasoningDelta(text) if flow.thinking else TextDelta(text))
                    continue
            self._one(name, data, out)
            if self.ended:
                return
            flow = prose.flow() if self._finish is None else None

    def _tagged_events(self, tags: InlineThinking, items: list[tuple[str, bytes]], out: list[Event]) -> None:
        """The short way where thinking may stand in the text: for pieces without marks that could mean something."""
        prose = self._prose
        flow, field = prose.tagged_flow(tags) if self._finish is None else (None, False)
        for name, data in items:
            if flow is not None and not name:
                text = plain_delta(data, field)
                if text and tags.grows(text, flow, field):
                    flow.parts.append(text)
                    out.append(ReasoningDelta(text) if flow.thinking else TextDelta(text))
                    continue
            self._one(name, data, out)
            if self.ended:
                return
            flow, field = prose.tagged_flow(tags) if self._finish is None else (None, False)

    def _done(self, out: list[Event]) -> None:
        if self._finish is not None:
            self._conclude(out)
        else:
            self.fail(ErrorInfo("truncated", "the upstream ended its stream without a finish reason"), out)

    def on_eof(self, out: list[Event]) -> None:
        """A finish reason was seen and only `[DONE]` is missing: the answer is whole."""
        if self._finish is not None:
            self._conclude(out)

    def end(self, error: ErrorInfo | None = None) -> list[Event]:
        """The upstream is over. A connection that breaks after the finish reason has told everything."""
        return super().end(error if self._finish is None else None)

    def whole(self, body: bytes) -> list[Event]:
        """A whole answer as events."""
        out: list[Event] = []
        if self.context.native:
            out.append(RawFrame("", body))
        try:
            self._whole(read_chunk(body), body, out)
        except Malformed as error:
            self.fail(ErrorInfo("protocol", f"the upstream's answer cannot be read: {error}"), out)
        return out

    def _whole(self, chunk: Chunk, body: bytes, out: list[Event]) -> None:
        if self._said_error(chunk, body, out):
            return
        self._start(chunk, out)
        if sent(chunk.usage):
            self._usage(chunk.usage, out)
        if self.ended:
            return
        if not chunk.choices:
            self.fail(ErrorInfo("protocol", "the upstream's answer has no choices"), out)
            return
        choice = chunk.choices[0]
        message = choice.message or choice.delta
        self._prose.whole = True
        if chunk.web_search is not ABSENT:
            self._pages(chunk.web_search, out)
        if message is not None:
            if message.tool_calls:
                for position, call in enumerate(message.tool_calls):
                    call.index = position
            self._delta(message, out)
        self._finish = choice.finish_reason or None
        if self._finish is None:
            if not self.assembler.blocks:
                self.fail(ErrorInfo("protocol", "the upstream's answer has neither content nor a finish reason"), out)
                return
            self._finish = "unknown"
        self._conclude(out)

    # -- one chunk

    def _chunk(self, chunk: Chunk, data: bytes, out: list[Event]) -> None:
        choices = chunk.choices
        if (chunk.error is not ABSENT or chunk.base_resp is not None or choices is None) and self._said_error(
            chunk, data, out
        ):
            return
        if not self._started and (choices or chunk.id):
            self._start(chunk, out)
        if chunk.web_search is not ABSENT:
            self._pages(chunk.web_search, out)
        if choices:
            choice = choices[0]
            if self._finish is None and not choice.index:
                delta = choice.delta
                if delta is not None:
                    self._delta(delta, out)
                elif choice.message is not None:
                    self._whole_in_stream(choice, out)
                if choice.finish_reason:
                    self._finish = choice.finish_reason
            if choice.usage is not ABSENT and sent(choice.usage):
                self._usage(choice.usage, out)
        if chunk.usage is not ABSENT and sent(chunk.usage):
            self._usage(chunk.usage, out)

    def _start(self, chunk: Chunk, out: list[Event]) -> None:
        self._started = True
        out.append(Started(chunk.id or "", chunk.model or "", chunk.created or 0))

    def _said_error(self, chunk: Chunk, data: bytes, out: list[Event]) -> bool:
        """Whether the chunk is a failure, which ends the stream."""
        info = None
        if sent(chunk.error):
            info = stream_error(_value(bytes(chunk.error)))
        if info is None and chunk.base_resp is not None:
            info = base_resp_error(chunk.base_resp)
        if info is None and chunk.choices is None and chunk.usage is ABSENT:
            value = _value(data)
            if isinstance(value, dict) and (value.get("object") == "error" or value.get("type") == "error"):
                info = stream_error(value)
        if info is None:
            return False
        self.fail(info, out)
        return True

    def _whole_in_stream(self, choice: Choice, out: list[Event]) -> None:
        """A `message` where a delta belongs: the whole answer, or (documented) a repetition of what was streamed."""
        if not self.assembler.blocks and choice.message is not None:
            self._delta(choice.message, out)

    def _usage(self, raw: Raw, out: list[Event]) -> None:
        usage, wrong = read_usage(raw)
        if wrong:
            self.bad_usage(wrong, out)
            if self.ended:
                return
        tags = self._prose.tags
        if tags is not None and tags.held:
            if self._finish is None:
                self.saw_usage(usage, tags.later)
                return
            tags.release(out, over=True)
        self.saw_usage(usage, out)

    # -- one delta

    def _delta(self, delta: Delta, out: list[Event]) -> None:
        """Reasoning before the text of the same chunk; fragments of a call that is open come first."""
        calls = delta.tool_calls
        if calls and self.assembler.open_call:
            self._calls(calls, out)
            calls = None
        if delta.annotations or delta.error_message:
            self._search(delta, out)
        if (
            delta.reasoning_content is not None
            or delta.reasoning is not None
            or delta.reasoning_details is not ABSENT
            or delta.reasoning_text is not None
        ):
            self._prose.reason(delta, out)
        if delta.content:
            self._prose.text(delta.content, out)
        if calls:
            self._calls(calls, out)
        if delta.annotations is not None or delta.function_call is not None or delta.refusal is not None:
            self._rare(delta, out)

    def _search(self, delta: Delta, out: list[Event]) -> None:
        """What the vendor's own search found, or why it found nothing; citations stay for the text."""
        self._prose.settle(out)
        delta.annotations = take_annotations(delta.annotations or [], self.assembler, out)
        if delta.error_message:
            take_failure(delta.error_message, self.assembler, out)

    def _pages(self, raw: Raw, out: list[Event]) -> None:
        self._prose.settle(out)
        take_pages(raw, self.assembler, out)

    def _rare(self, delta: Delta, out: list[Event]) -> None:
        for note in delta.annotations or ():
            self.assembler.annotation(note, out)
        if delta.refusal:
            self._prose.settle(out)
            self._refused = True
            self.assembler.text(delta.refusal, out)
        legacy = delta.function_call
        if legacy is not None:
            self._prose.settle(out)
            self.assembler.call(out, index=0, name=legacy.name, arguments=legacy.arguments)

    def _calls(self, calls: list[CallPart], out: list[Event]) -> None:
        self._prose.settle(out)
        for part in calls:
            state = None
            if part.extra_content is not ABSENT and sent(part.extra_content):
                state = ProviderState(self.context.provider, self.context.family, "chat", part.extra_content.copy())
            custom = part.custom
            if custom is not None:
                self.assembler.call(
                    out,
                    index=part.index,
                    id=part.id,
                    name=custom.name,
                    arguments=custom.input,
                    state=state,
                    kind="custom",
                )
                continue
            function = part.function
            self.assembler.call(
                out,
                index=part.index,
                id=part.id,
                name=None if function is None else function.name,
                arguments=None if function is None else function.arguments,
                state=state,
                kind="custom" if part.type == "custom" else "function",
            )

    # -- the end

    def close_blocks(self, out: list[Event], *, complete: bool) -> None:
        """Closes what is open; reasoning that was there but empty is told of last."""
        if not self._started:
            self._started = True
            out.append(Started())
        self._prose.close(out, complete=complete)
        if self._prose.empty_thought and self.assembler.called:
            self.assembler.reasoning_empty(out)

    def _conclude(self, out: list[Event]) -> None:
        """The terminal event that the finish reason stands for."""
        end, note = read_finish(self._finish or "", called=self.assembler.called, refused=self._refused)
        if note is not None:
            out.append(Noted(note))
        if isinstance(end, Failed):
            self.fail(end.error, out)
        else:
            self.finish(end, out)


def _value(data: bytes) -> Any:
    try:
        return read_json(data)
    except (ValueError, RecursionError):
        return None


def decode_whole(body: bytes, context: DecodeContext) -> list[Event]:
    """The events of an answer that did not stream. Never raises; the last event is always the one terminal.

    An answer that came as a stream all the same, or with the stream's prefix before one object, is read as a stream.
    """
    if body.lstrip()[:5] in (b"data:", b"event") or body.lstrip()[:1] == b":":
        decoder = Decoder(context)
        return decoder.feed(body) + decoder.end()
    whole = msgspec.structs.replace(context, cumulative="never")
    return Decoder(whole).whole(body)
