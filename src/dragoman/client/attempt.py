"""One HTTP answer turned into canonical events: the transport's sink on one side, the plan's codecs on the other.

The first bytes of a body decide how it is read, not its content type: vendors answer a stream with plain JSON, a whole
call with a stream, and a wrong base URL with a web page. In: head, bytes, end. Out: batches of events to the owner,
one terminal event among them. Knows nothing of retries, clocks or clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from dragoman.core.events import Event, Failed
from dragoman.core.stage import Stage
from dragoman.errors import ErrorInfo
from dragoman.wire.base import Mint, StreamDecoder

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error body that are read."""
MAX_WHOLE_BODY = 64 * 1024 * 1024
"""Longest whole answer (bytes)."""

_Form = Literal["unknown", "stream", "whole", "page", "error"]


class CallPlan(Protocol):
    """What the engine needs of a plan; `providers.plan.Plan` is one."""

    @property
    def provider(self) -> str:
        """Id of the provider."""
        ...

    @property
    def account(self) -> str:
        """Name of the account that pays."""
        ...

    @property
    def url(self) -> str:
        """Where to post."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What to send, the key included."""
        ...

    @property
    def body(self) -> bytes:
        """What to post."""
        ...

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        ...

    def decoder(self, mint: Mint, turn: str) -> StreamDecoder:
        """A fresh decoder."""
        ...

    def whole(self, body: bytes, mint: Mint, turn: str) -> list[Event]:
        """The events of a whole answer."""
        ...

    def stages(self) -> Sequence[Stage]:
        """Fresh stages."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
        """What an HTTP error means."""
        ...


class Owner(Protocol):
    """What an attempt reports to."""

    def answered(self) -> None:
        """The vendor answered 2xx."""
        ...

    def events(self, attempt: Attempt, batch: list[Event]) -> None:
        """More events; a batch is never empty."""
        ...


def internal(error: Exception, where: str) -> Failed:
    """Our own defect, as the end of a stream. The exception's text may hold content, so only its type is told."""
    return Failed(ErrorInfo("internal", f"unexpected {type(error).__name__} in {where}", retryable=False))


def form_of(start: bytes, stream: bool) -> _Form:
    """How a 2xx body is to be read, from its first bytes; "unknown" while more of them are needed."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or b"\xef\xbb\xbf".startswith(text):
        return "unknown"
    first = text[:1]
    if first == b"<":
        return "page"
    if first in (b"{", b"["):
        return "whole"
    if stream or first == b":":
        return "stream"
    if len(text) < 6:
        return "unknown"
    return "stream" if text.startswith((b"data:", b"event:", b"id:", b"retry:")) else "whole"


class Attempt:
    """One call. began, life: loop time of its start and of the last byte. headed: whether a head came."""

    __slots__ = (
        "_clock", "_decode", "_decoder", "_ended", "_form", "_headers", "_mint", "_owner", "_parts", "_size",
        "_stages", "_status", "_turn", "began", "headed", "life", "plan",
    )  # fmt: skip

    def __init__(self, plan: CallPlan, owner: Owner, mint: Mint, clock: Callable[[], float]) -> None:
        self.plan = plan
        self._owner = owner
        self._mint = mint
        self._clock = clock
        self.began = self.life = clock()
        self.headed = False
        self._turn = mint("turn_")
        self._form: _Form = "unknown"
        self._decoder: StreamDecoder | None = None
        self._decode: Callable[[bytes], list[Event]] | None = None
        self._stages: tuple[Stage, ...] = ()
        self._parts: list[bytes] = []
        self._size = 0
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._ended = False

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, empty before they came."""
        return self._headers

    # -- the transport's sink

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers are there."""
        self.life = self._clock()
        self.headed = True
        self._status, self._headers = status, headers
        if 200 <= status < 300:
            self._owner.answered()
        elif status < 400:
            self._push([Failed(self._misplaced(f"a redirect (HTTP {status}), which is never followed"))])
        else:
            self._form = "error"

    def feed(self, data: bytes) -> None:
        """More of the body."""
        self.life = self._clock()
        decode = self._decode
        if decode is None:
            self._collect(data)
            return
        try:
            events = decode(data)
            for stage in self._stages:
                events = stage.feed(events)
        except Exception as error:  # boundary: a defect in a codec must not leave the client without an end
            events = [internal(error, "decoding")]
        if events:
            self._owner.events(self, events)

    def end(self, error: ErrorInfo | None) -> None:
        """The body is over."""
        events = self.finish(error)
        if events:
            self._owner.events(self, events)

    # -- for the owner

    def finish(self, error: ErrorInfo | None) -> list[Event]:
        """The events that are still owed when the answer is over, broken off or no longer wanted."""
        if self._ended:
            return []
        self._ended = True
        try:
            events = self._last(error)
            if self._decoder is None:
                self._stages = tuple(self.plan.stages())
            for stage in self._stages:
                events = stage.feed(events)
        except Exception as defect:  # boundary: as in feed
            return [internal(defect, "decoding")]
        return events

    def _last(self, error: ErrorInfo | None) -> list[Event]:
        if self._decoder is not None:
            return self._decoder.end(error)
        body = b"".join(self._parts)
        if self._form == "error" and (error is None or error.kind != "aborted"):
            return [Failed(self._refusal(body))]
        if error is not None:
            return [Failed(error)]
        if self._form == "page":
            return [Failed(self._misplaced("a web page", body))]
        if self.plan.stream and self._form == "unknown":
            return self.plan.decoder(self._mint, self._turn).end(None)
        return self.plan.whole(body, self._mint, self._turn)

    # -- bodies that are no stream

    def _collect(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._form == "unknown":
            start = data if len(self._parts) == 1 else b"".join(self._parts)
            self._form = form_of(start, self.plan.stream)
            if self._form == "stream":
                self._parts.clear()
                self._start_stream(start)
                return
        if self._form == "whole":
            if self._size > MAX_WHOLE_BODY:
                self.end(ErrorInfo("protocol", f"the upstream sent over {MAX_WHOLE_BODY} bytes", retryable=False))
        elif self._size > MAX_ERROR_BODY:
            self.end(None)

    def _start_stream(self, data: bytes) -> None:
        try:
            self._decoder = self.plan.decoder(self._mint, self._turn)
            self._stages = tuple(self.plan.stages())
        except Exception as error:  # boundary: as in feed
            self._push([internal(error, "decoding")])
            return
        self._decode = self._decoder.feed
        self.feed(data)

    def _push(self, events: list[Event]) -> None:
        self._ended = True
        self._owner.events(self, events)

    def _refusal(self, body: bytes) -> ErrorInfo:
        info = self.plan.error(self._status, self._headers, body[:MAX_ERROR_BODY])
        if info.upstream_status is None:
            info = msgspec.structs.replace(info, upstream_status=self._status)
        return info

    def _misplaced(self, what: str, body: bytes = b"") -> ErrorInfo:
        return ErrorInfo(
            "protocol",
            f"the upstream answered with {what}; check base_url of the provider",
            code="bad_endpoint",
            upstream_status=self._status,
            retryable=False,
            raw=body[:2048].decode("utf-8", "replace") or None,
        )
