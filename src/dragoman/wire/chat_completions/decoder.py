"""An upstream's Chat stream, or whole answer, read into canonical events.

In: bytes. Out: events in the order of `core.events`. Knows the protocol's order rules and the deviations that servers
of this protocol are documented to have, but no vendor by name.

The terminal is held after the finish reason until `[DONE]` or the end of the bytes, because usage may follow. What an
upstream sends as content after its finish reason is a repetition and is not read.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from dragoman.core.assemble import Flow
from dragoman.core.events import (
    Event,
    Finished,
    Incomplete,
    IncompleteReason,
    Noted,
    RawFrame,
    ReasoningDelta,
    Started,
    TextDelta,
)
from dragoman.core.messages import ProviderState
from dragoman.core.notes import Note
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext, Malformed, StreamDecoder
from dragoman.wire.chat_completions.reasoning import Details, Snapshots, details_list, details_text
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

_INCOMPLETE: dict[str, IncompleteReason] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "repetition_truncation": "repetition",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "model_context_window_exceeded": "context_window",
}
_BROKEN = frozenset({"network_error", "insufficient_system_resource", "error"})
_WHOLE = frozenset({"stop", "tool_calls", "function_call", "stop_sequence"})


class Decoder(StreamDecoder):
    """One upstream answer."""

    wire = "chat"

    def __init__(self, context: DecodeContext) -> None:
        super().__init__(context)
        self._started = False
        self._finish: str | None = None
        self._text = Snapshots("never" if context.cumulative == "never" else "detect")
        self._thought = Snapshots(context.cumulative)
        self._details: Details | None = None
        self._late: list[Any] = []
        self._empty = False
        self._thinking = False
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
        flow = self._flow()
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
            flow = self._flow()

    def _flow(self) -> Flow | None:
        """The block that a plain delta would only grow; None where anything has to be decided first."""
        if self._finish is not None or self._details is not None or self.context.native:
            return None
        flow = self.assembler.flow()
        if flow is None or not (self._thought if flow.thinking else self._text).plain or self._thought.held:
            return None
        return flow

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
        self.saw_usage(usage, out)

    # -- one delta

    def _delta(self, delta: Delta, out: list[Event]) -> None:
        """Reasoning before the text of the same chunk; fragments of a call that is open come first."""
        calls = delta.tool_calls
        if calls and self.assembler.open_call:
            self._calls(calls, out)
            calls = None
        if (
            delta.reasoning_content is not None
            or delta.reasoning is not None
            or delta.reasoning_details is not ABSENT
            or delta.reasoning_text is not None
        ):
            self._reason(delta, out)
        content = delta.content
        if content:
            if self._details is not None or self._thought.held:
                self._settle_thought(out)
            if not self._text.plain:
                content = self._text.take(content)
            self.assembler.text(content, out)
        if calls:
            self._calls(calls, out)
        if delta.annotations is not None or delta.function_call is not None or delta.refusal is not None:
            self._rare(delta, out)

    def _rare(self, delta: Delta, out: list[Event]) -> None:
        for note in delta.annotations or ():
            if sent(note):
                self.assembler.annotation(note.copy(), out)
        if delta.refusal:
            self._settle(out)
            self._refused = True
            self.assembler.text(delta.refusal, out)
        legacy = delta.function_call
        if legacy is not None:
            self._settle(out)
            self.assembler.call(out, index=0, name=legacy.name, arguments=legacy.arguments)

    def _calls(self, calls: list[CallPart], out: list[Event]) -> None:
        self._settle(out)
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

    # -- reasoning

    def _reason(self, delta: Delta, out: list[Event]) -> None:
        """Details first, then the plain fields in their order; an empty one never hides a later one."""
        if delta.reasoning_details is not ABSENT and sent(delta.reasoning_details):
            items = details_list(delta.reasoning_details)
            if items and self._detail(items, out):
                return
        plain = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if not plain:
            self._empty = self._empty or "" in (delta.reasoning_content, delta.reasoning, delta.reasoning_text)
            return
        self._settle_text(out)
        self._thinking = True
        if not self._thought.plain:
            plain = self._thought.take(plain)
        self.assembler.reasoning(plain, out)

    def _detail(self, items: list[Any], out: list[Event]) -> bool:
        """Takes structured details; whether they held text. Sealed details that come after text wait for the end."""
        visible = bool(details_text(items))
        if not visible and self.assembler.blocks and not self.assembler.in_reasoning:
            self._late.extend(items)
            return False
        self._settle_text(out)
        self._thinking = True
        shown = self._builder(out).add(items)
        self.assembler.reasoning(shown, out)
        return visible

    def _builder(self, out: list[Event]) -> Details:
        context = self.context

        def make() -> Details:
            return Details(context.provider, context.family, context.cumulative)

        builder = self.assembler.reasoning_builder(make, out)
        assert isinstance(builder, Details)
        self._details = builder
        return builder

    def _settle(self, out: list[Event]) -> None:
        """Lets out what a snapshot detection still holds, before something else comes."""
        self._settle_thought(out)
        self._settle_text(out)

    def _settle_thought(self, out: list[Event]) -> None:
        if self._thought.held:
            self.assembler.reasoning(self._thought.release(), out)
        if self._details is not None:
            self.assembler.reasoning(self._details.release(), out)
            self._details = None

    def _settle_text(self, out: list[Event]) -> None:
        if self._text.held:
            self.assembler.text(self._text.release(), out)

    # -- the end

    def close_blocks(self, out: list[Event], *, complete: bool) -> None:
        """Closes what is open; sealed details and a present but empty reasoning are told of last."""
        if not self._started:
            self._started = True
            out.append(Started())
        self._settle(out)
        if self._late:
            self.assembler.finish(out, complete=complete)
            self._builder(out).add(self._late)
            self._late = []
        super().close_blocks(out, complete=complete)
        if self._empty and not self._thinking and self.assembler.called:
            self.assembler.reasoning_empty(out)

    def _conclude(self, out: list[Event]) -> None:
        """The terminal event that the finish reason stands for."""
        raw = self._finish or ""
        if raw in _BROKEN:
            self.fail(ErrorInfo("server", f"the upstream broke its answer off: {raw}"), out)
            return
        reason = _INCOMPLETE.get(raw)
        if reason is None and self._refused:
            reason = "content_filter"
        if reason is not None:
            message = None
            if reason == "repetition":
                message = "the upstream cut the answer because it repeated itself"
                out.append(Noted(Note("repetition_cut", "", message)))
            self.finish(Incomplete(reason, raw, message=message), out)
            return
        if raw not in _WHOLE:
            out.append(Noted(Note("unexpected_status", "", f"the upstream's finish reason was {raw[:80]!r}")))
        self.finish(Finished("tool_calls" if self.assembler.called else "stop", raw), out)


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
    whole = DecodeContext(
        context.provider,
        context.family,
        context.turn,
        context.mint,
        context.native,
        context.strict_usage,
        "never",
        context.reasoning_details,
    )
    return Decoder(whole).whole(body)
