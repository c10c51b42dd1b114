"""An upstream's Messages answer, streamed or whole, as canonical events.

In: server-sent events, or one JSON body. Out: events; whatever comes, exactly one of them is terminal. The end is told
by `message_delta` (the stop reason) and `message_stop`; a stream that stops after the former is finished, one that
stops before it is truncated. Fields of a wrong type are ignored one by one. Knows no vendor.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import Event, Finished, Incomplete, Noted, RawFrame, Started, Terminal, UsageSeen
from dragoman.core.notes import Note
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext, Malformed, StreamDecoder
from dragoman.wire.lenient import read_json
from dragoman.wire.messages.errors import info_of, refusal_in
from dragoman.wire.messages.search import RESULT, USE, id_of_result, is_search
from dragoman.wire.messages.sequence import Kind, Open, Sequence, nameless
from dragoman.wire.messages.usage import later, usage_of
from dragoman.wire.upstream_errors import broken_off, error_event

_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    citation: Raw = Raw()
    stop_details: Raw = Raw()


_NO_DELTA = _Delta()


class _Frame(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Raw = Raw()
    message: Raw = Raw()
    usage: Raw = Raw()
    error: Raw = Raw()
    base_resp: Raw = Raw()


_READ = msgspec.json.Decoder(_Frame)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_KINDS: dict[str, Kind] = {"text": "text", "thinking": "thinking", "tool_use": "call"}
_STOPS: dict[str, Terminal] = {
    "end_turn": Finished("stop"),
    "stop": Finished("stop"),
    "tool_use": Finished("tool_calls"),
    "tool_calls": Finished("tool_calls"),
    "stop_sequence": Finished("stop_sequence"),
    "pause_turn": Finished("pause"),
    "max_tokens": Incomplete("length"),
    "length": Incomplete("length"),
    "repetition_truncation": Incomplete("repetition"),
    "refusal": Incomplete("content_filter"),
    "content_filter": Incomplete("content_filter"),
    "sensitive": Incomplete("content_filter"),
    "model_context_window_exceeded": Incomplete("context_window"),
}


class Decoder(StreamDecoder):
    """The decoder of one upstream call."""

    wire = "messages"

    def __init__(self, context: DecodeContext) -> None:
        super().__init__(context)
        self.blocks = Sequence(context)
        self._end: Terminal | None = None
        self._began = False

    def in_call(self) -> bool:
        """Whether a tool call is open."""
        return self.blocks.in_call

    def close_blocks(self, out: list[Event], *, complete: bool) -> None:
        """Closes what is open."""
        self._start({}, out)
        self.blocks.finish(out, complete=complete, broken=not isinstance(self._end, Incomplete))

    def on_event(self, name: str, data: bytes, out: list[Event]) -> None:
        """Reads one event. Raises Malformed when it is not JSON."""
        if name == "error" and b'"error"' not in data:
            self.fail(error_event(data), out)  # only the event's name says what it is
            return
        try:
            frame = _READ.decode(data)
        except _BAD:
            if data.strip() == b"[DONE]":
                return
            frame = _lenient(data)
        if frame.type == "content_block_delta":
            if frame.delta is not None:
                self._delta(frame.index, frame.delta, out)
        else:
            self._other(frame, name, out)

    def on_eof(self, out: list[Event]) -> None:
        """The bytes are over: done, if the stop reason was told."""
        if self._end is not None:
            self.finish(self._end, out)

    def end(self, error: ErrorInfo | None = None) -> list[Event]:
        """The upstream is over. A connection that breaks after the stop reason has told everything."""
        return super().end(error if self._end is None else None)

    # -- events

    def _delta(self, index: int, delta: _Delta, out: list[Event]) -> None:
        block = self.blocks.live
        if block is None or block.index != index:
            block = self.blocks.find(index)
            if block is None:
                self._start({}, out)
        text = delta.text
        if text is not None and (block is None or block.kind == "text"):
            if text:
                self.blocks.add(block or self.blocks.start("text", index, {}, out), text, out)
        elif delta.thinking is not None and (block is None or block.kind == "thinking"):
            if delta.thinking:
                self.blocks.add(block or self.blocks.start("thinking", index, {}, out), delta.thinking, out)
        elif delta.partial_json is not None:
            if block is None:
                out.append(Noted(Note("fragment_dropped", "", "tool input came for a block that never started")))
            elif delta.partial_json:
                self.blocks.add(block, delta.partial_json, out)
        elif delta.signature is not None and block is not None:
            block.signature += delta.signature
        elif bytes(delta.citation)[:1] == b"{" and block is not None and block.kind == "text":
            self.blocks.annotate(block, delta.citation.copy(), out)

    def _other(self, frame: _Frame, name: str, out: list[Event]) -> None:
        kind = frame.type
        if kind == "content_block_start":
            self._start({}, out)
            self.block(frame.index, _fields(frame.content_block), out)
        elif kind == "content_block_stop":
            self.blocks.stop(frame.index, out)
        elif kind == "message_start":
            self.begin(_fields(frame.message), out)
        elif kind == "message_delta":
            self.report(frame.usage, out)
            if frame.delta is not None and frame.delta.stop_reason:
                self.decide(frame.delta, out)
        elif kind == "message_stop":
            self.conclude(out)
        elif kind == "error" or name == "error" or (not kind and bytes(frame.error) not in (b"", b"null")):
            self.fail(info_of(frame.error), out)
        elif refused := refusal_in(frame.base_resp):
            self.fail(refused, out)

    def begin(self, message: dict[str, Raw], out: list[Event]) -> None:
        """The message starts."""
        self._start(message, out)
        self.report(message.get("usage", Raw()), out)

    def _start(self, message: dict[str, Raw], out: list[Event]) -> None:
        """Tells of the start once: with `message_start`, else before whatever comes first."""
        if not self._began:
            self._began = True
            out.append(Started(_text(message, "id"), _text(message, "model")))

    def block(self, index: int, fields: dict[str, Raw], out: list[Event]) -> Open | None:
        """A block starts, perhaps with content."""
        kind = _KINDS.get(_text(fields, "type"), "opaque")
        if not fields:
            return None
        if kind == "opaque":
            raw = Raw(msgspec.json.encode(fields))
            if _text(fields, "type") == RESULT and self.blocks.found(id_of_result(raw), raw, out):
                return None
            if _text(fields, "type") == USE and is_search(raw):
                kind = "search"
        if kind == "call" and not _text(fields, "name"):
            nameless(out)
            return None
        block = self.blocks.start(kind, index, fields, out)
        if kind == "text":
            if text := _text(fields, "text"):
                self.blocks.add(block, text, out)
            for citation in _list(fields.get("citations", Raw())):
                self.blocks.annotate(block, citation.copy(), out)
        elif kind == "thinking":
            if text := _text(fields, "thinking"):
                self.blocks.add(block, text, out)
            block.signature = _text(fields, "signature")
        elif kind in ("call", "search"):
            given = bytes(fields.get("input", Raw()))
            block.whole = "" if given in (b"", b"null", b"{}") else given.decode()
        return block

    def report(self, raw: Raw, out: list[Event]) -> None:
        """A usage report. The last one knows best; none is ever added to another."""
        if bytes(raw) in (b"", b"null"):
            return
        usage, fault = usage_of(raw)
        if fault:
            self.bad_usage(fault, out)
        if usage is not None and not self.ended:
            self.usage = later(self.usage, usage)
            out.append(UsageSeen(self.usage))

    def decide(self, delta: _Delta, out: list[Event]) -> None:
        """The stop reason is told; the terminal event waits for `message_stop`, since usage may still come."""
        raw = delta.stop_reason or ""
        error = broken_off(raw)
        if error is not None:
            self.fail(error, out)
            return
        end = _STOPS.get(raw)
        if end is None:
            out.append(Noted(Note("unexpected_status", "stop_reason", f"the upstream ended with {raw[:80]!r}")))
            end = Finished("stop")
        if isinstance(end, Incomplete):
            if end.reason == "repetition":
                out.append(Noted(Note("repetition_cut", "", "the upstream cut the answer: it repeated itself")))
            message = _text(_fields(delta.stop_details), "explanation") or None
            self._end = Incomplete(end.reason, raw, message=message)
        elif isinstance(end, Finished):
            reason = "tool_calls" if end.reason == "stop" and self.blocks.called else end.reason
            self._end = Finished(reason, raw, sequence=delta.stop_sequence)

    def conclude(self, out: list[Event]) -> None:
        """The message is over."""
        if self._end is not None:
            self.finish(self._end, out)
        else:
            self.fail(ErrorInfo("truncated", "the upstream ended its message without a stop reason"), out)


def _lenient(data: bytes) -> _Frame:
    """A frame in which some field has a wrong type: the others count."""
    try:
        try:
            fields = _FIELDS.decode(data)
        except _BAD:  # half of a surrogate pair, perhaps: models are cut between tokens
            fields = _FIELDS.decode(msgspec.json.encode(read_json(data)))
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    index = _value(fields.get("index", Raw()))
    delta = {key: _value(raw) for key, raw in _fields(fields.get("delta", Raw())).items()}
    words = {key: value for key, value in delta.items() if key in _WORDS and isinstance(value, str)}
    raw_delta = _fields(fields.get("delta", Raw()))
    return _Frame(
        type=_text(fields, "type"),
        index=index if isinstance(index, int) and not isinstance(index, bool) else 0,
        delta=_Delta(
            **words, citation=raw_delta.get("citation", Raw()), stop_details=raw_delta.get("stop_details", Raw())
        ),
        **{key: fields[key] for key in _SLICES if key in fields},
    )


_SLICES = ("content_block", "message", "usage", "error", "base_resp")
_WORDS = frozenset({"type", "text", "thinking", "partial_json", "signature", "stop_reason", "stop_sequence"})


def _value(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except _BAD:
        return None


def _fields(raw: Raw) -> dict[str, Raw]:
    """The fields of an object; none where it is something else."""
    if bytes(raw)[:1] != b"{":
        return {}
    try:
        return {key: value.copy() for key, value in _FIELDS.decode(raw).items()}
    except _BAD:
        return {}


def _list(raw: Raw) -> list[Raw]:
    if bytes(raw)[:1] != b"[":
        return []
    try:
        return msgspec.json.decode(raw, type=list[Raw])
    except _BAD:
        return []


def _text(fields: dict[str, Raw], name: str) -> str:
    value = _value(fields[name]) if name in fields else None
    return value if isinstance(value, str) else ""


def decode_whole(body: bytes, context: DecodeContext) -> list[Event]:
    """The events of a whole answer: those of the same answer streamed. Never raises; the last one is terminal."""
    decoder = Decoder(context)
    if body.lstrip()[:6] in (b"event:", b"data: ") or body.lstrip()[:5] == b"data:":
        return [*decoder.feed(body), *decoder.end()]
    out: list[Event] = [RawFrame("message", body)] if context.native else []
    try:
        fields = _FIELDS.decode(body)
        body.decode()
    except _BAD as error:
        decoder.fail(ErrorInfo("protocol", f"the upstream's answer is not a JSON object: {error}"), out)
        return out
    refused = refusal_in(fields.get("base_resp", Raw()))
    if _text(fields, "type") == "error" or ("error" in fields and "content" not in fields):
        refused = info_of(fields.get("error", Raw()))
    if refused is not None:
        decoder.fail(refused, out)
        return out
    decoder.begin({key: raw for key, raw in fields.items() if key != "usage"}, out)
    for index, raw in enumerate(_list(fields.get("content", Raw()))):
        if decoder.block(index, _fields(raw), out) is not None:
            decoder.blocks.stop(index, out)
    decoder.report(fields.get("usage", Raw()), out)
    delta = _Delta(
        stop_reason=_text(fields, "stop_reason") or None,
        stop_sequence=_text(fields, "stop_sequence") or None,
        stop_details=fields.get("stop_details", Raw()),
    )
    if delta.stop_reason:
        decoder.decide(delta, out)
    if not decoder.ended:
        decoder.conclude(out)
    return out
