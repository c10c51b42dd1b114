"""A Responses server's answer, streamed or whole, to canonical events.

Items that are done are the truth; deltas only show them sooner. Unknown events are ignored, a field of a wrong type
does not cost the rest of its event. The response object at the end gives usage, the reason, and items that no event
announced.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from dragoman.core.events import BlockEnd, Event, Failed, Finished, Incomplete, IncompleteReason, Started
from dragoman.core.usage import Usage, from_inclusive
from dragoman.errors import ErrorInfo, InvalidRequest
from dragoman.wire.base import DecodeContext, Malformed, StreamDecoder
from dragoman.wire.parse import absent, count
from dragoman.wire.responses.call_writers import Contradiction
from dragoman.wire.responses.errors import base_resp_error, decode_failure
from dragoman.wire.responses.fields import NOTHING
from dragoman.wire.responses.items import Item
from dragoman.wire.responses.order import Order
from dragoman.wire.upstream_errors import BaseResp, error_event

S = TypeVar("S", bound=msgspec.Struct)


class _Event(msgspec.Struct):
    type: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    item: Raw = NOTHING
    annotation: Raw = NOTHING
    response: Raw = NOTHING
    error: Raw = NOTHING
    base_resp: BaseResp | None = None


class _Reason(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    id: str = ""
    model: str = ""
    created_at: float | None = None
    status: str = ""
    output: list[Raw] | None = None
    usage: Raw = NOTHING
    error: Raw = NOTHING
    incomplete_details: _Reason | None = None
    base_resp: BaseResp | None = None


_REASONS: dict[str, IncompleteReason] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "repetition_truncation": "repetition",
    "context_window": "context_window",
    "context_length_exceeded": "context_window",
}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})


def _tolerant(data: bytes | Raw, kind: type[S]) -> S:
    """`data` as `kind`; fields of a wrong type count as absent. Raises Malformed for what is no JSON object."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    try:
        fields = msgspec.json.decode(data, type=dict[str, Raw])
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    known: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in fields:
            try:
                known[field.name] = msgspec.json.decode(fields[field.name], type=field.type)
            except msgspec.ValidationError:
                continue
    return kind(**known)


class Decoder(StreamDecoder):
    """One upstream Responses stream. `context.native` puts each raw frame before its events."""

    wire = "responses"

    def __init__(self, context: DecodeContext) -> None:
        super().__init__(context)
        self.order = Order(context)
        self._started = False

    def in_call(self) -> bool:
        """Whether a tool call is open."""
        return self.order.open_call

    def close_blocks(self, out: list[Event], *, complete: bool) -> None:
        """Closes the items that are open, those first that were held back."""
        while True:
            try:
                self.order.finish(complete, out)
                return
            except Contradiction:
                complete = False

    def finish(self, terminal: Event, out: list[Event]) -> None:
        """Ends the stream. A vendor that says completed while a call of it is cut has not completed (law 10)."""
        if not self.ended:
            self._start(None, out)
        mark = len(out)
        super().finish(terminal, out)
        cut = any(isinstance(e, BlockEnd) and not e.complete for e in out[mark:])
        if cut and isinstance(out[-1], Finished):
            error = ErrorInfo("truncated", "the upstream ended the response inside of an item")
            out[-1] = Failed(error, self.usage)

    def on_event(self, name: str, data: bytes, out: list[Event]) -> None:
        """Reads one SSE event."""
        if data == b"[DONE]" or not data:
            return
        if name == "error" and data.lstrip()[:1] != b"{":
            self.fail(error_event(data), out)  # only the event's name says what it is
            return
        event = _tolerant(data, _Event)
        kind = event.type or name
        try:
            self._event(kind, event, data, out)
        except Contradiction:
            message = "the upstream's finished tool call contradicts what it had streamed"
            self.fail(ErrorInfo("protocol", message), out)
        except InvalidRequest as error:
            raise Malformed(error.message) from None

    def _event(self, kind: str, event: _Event, data: bytes, out: list[Event]) -> None:
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            refusal = kind == "response.refusal.delta"
            self._push(event, "text", (event.content_index or 0, refusal, event.delta), event.delta, out)
        elif kind == "response.reasoning_text.delta":
            self._push(event, "think", (False, event.content_index or 0, event.delta), event.delta, out)
        elif kind == "response.reasoning_summary_text.delta":
            self._push(event, "think", (True, event.summary_index or 0, event.delta), event.delta, out)
        elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            self._push(event, "arguments", (event.delta,), event.delta, out)
        elif kind in ("response.output_text.done", "response.refusal.done"):
            self._settle(event, event.refusal if kind == "response.refusal.done" else event.text, out)
        elif kind in ("response.function_call_arguments.done", "response.custom_tool_call_input.done"):
            self._settle(event, event.input if "custom" in kind else event.arguments, out)
        elif kind == "response.output_text.annotation.added":
            if not absent(event.annotation):
                self._push(event, "cite", (event.annotation,), "x", out)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._item(kind, event, out)
        elif kind in _ENDS:
            response = _tolerant(event.response, _Response) if not absent(event.response) else _Response()
            self.response(response, kind.removeprefix("response."), out)
        elif kind in ("response.created", "response.in_progress", "response.queued"):
            if not absent(event.response):
                self._start(_tolerant(event.response, _Response), out)
        elif kind == "error" or (not kind.startswith("response.") and not absent(event.error)):
            self.fail(decode_failure(msgspec.json.decode(data)), out)
        elif not kind and event.base_resp is not None and (broken := base_resp_error(event.base_resp)) is not None:
            # A failure in place of the stream, in the shape of another protocol.
            self.fail(broken, out)

    def _push(
        self, event: _Event, operation: str, args: tuple[Any, ...], content: str | None, out: list[Event]
    ) -> None:
        if content:
            self._start(None, out)
            self.order.push(event.output_index, operation, args, out)

    def _settle(self, event: _Event, whole: str | None, out: list[Event]) -> None:
        index = event.output_index
        if whole and (index is None or index == self.order.live_index):
            self.order.push(index, "settle", (whole,), out)

    def _item(self, kind: str, event: _Event, out: list[Event]) -> None:
        if absent(event.item):
            return
        item = _tolerant(event.item, Item)
        self._start(None, out)
        if kind == "response.output_item.added":
            index = event.output_index if event.output_index is not None else self.order.count
            self.order.added(index, item, event.item, out)
            return
        place = event.output_index if event.output_index is not None else self.order.live_index
        self.order.done(place if place is not None else self.order.count, item, event.item, out)

    def _start(self, response: _Response | None, out: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        if response is None:
            out.append(Started())
        else:
            out.append(Started(response.id, response.model, int(response.created_at or 0)))

    def response(self, response: _Response, status: str, out: list[Event]) -> None:
        """The response object that ends the stream, or that is the whole answer."""
        self._start(response, out)
        for index, raw in enumerate(response.output or ()):
            item = _tolerant(raw, Item)
            if self.order.is_open(index) or not self.order.seen(index, item.id):
                self.order.done(index, item, raw, out)
        if not self._usage(response.usage, out):
            return
        broken = base_resp_error(response.base_resp) if response.base_resp is not None else None
        if broken is not None:
            self.fail(broken, out)
        elif status == "completed":
            self.finish(Finished("tool_calls" if self.order.called else "stop", "completed"), out)
        elif status == "incomplete":
            word = response.incomplete_details.reason if response.incomplete_details else None
            self.finish(Incomplete(_REASONS.get(word or "", "length"), word), out)
        elif not absent(response.error):
            self.fail(decode_failure(msgspec.json.decode(response.error)), out)
        else:
            self.fail(ErrorInfo("server", f"the upstream ended the response as {status or 'nothing'}"), out)

    def _usage(self, raw: Raw, out: list[Event]) -> bool:
        """Takes the usage report in. False when it ended the stream."""
        if absent(raw):
            return True
        usage, fault = _read_usage(raw)
        if fault:
            self.bad_usage(fault, out)
        if not self.ended:
            self.saw_usage(usage, out)
        return not self.ended


def _read_usage(raw: Raw) -> tuple[Usage | None, str]:
    """The usage report, and what is wrong with it ("" if nothing). Counts that can be read are kept."""
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        return None, "the report is not an object"
    faults: list[str] = []
    prompt, output = count(value, "input_tokens", faults), count(value, "output_tokens", faults)
    details = value.get("input_tokens_details")
    usage = from_inclusive(
        prompt,
        output,
        cached=count(details, "cached_tokens", faults),
        written=count(details, "cache_write_tokens", faults),
        reasoning=count(value.get("output_tokens_details"), "reasoning_tokens", faults),
        raw=raw,
    )
    return (None if prompt is None and output is None else usage), ", ".join(faults)


def decode_whole(body: bytes, context: DecodeContext) -> list[Event]:
    """The events of an answer that was not streamed (or was, against what was asked). Always ends in one terminal."""
    decoder = Decoder(context)
    if body.lstrip()[:6] in (b"event:", b"data: ") or body.lstrip()[:5] == b"data:":
        return [*decoder.feed(body), *decoder.end()]
    out: list[Event] = []
    try:
        response = _tolerant(body, _Response)
        if response.output is None and not response.status:
            if absent(response.error) and response.base_resp is None:
                raise Malformed("no response object")
            decoder.fail(decode_failure(msgspec.json.decode(body)), out)
        else:
            status = response.status or ("completed" if absent(response.error) else "failed")
            decoder.response(response, status, out)
    except (Malformed, InvalidRequest) as error:
        decoder.fail(ErrorInfo("protocol", f"the upstream's answer cannot be read: {error}"), out)
    return out
