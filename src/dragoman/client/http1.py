"""HTTP/1.1 on one socket: the request's bytes, and the answer's head and body out of what asyncio reads.

In: a request and reads of the socket. Out: calls on the connection's `Owner` - `answered` once, `body` once a read,
`ended` once. Knows nothing of pools, dialing, compression or proxies.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Protocol

import httptools

from dragoman.client.failures import Meaning, failure
from dragoman.client.transport import HttpCall
from dragoman.errors import ErrorInfo

MAX_HEAD = 64 * 1024
"""Bytes of response headers that are taken."""

Origin = tuple[str, str, int]

_ERRORS: tuple[Meaning, ...] = (
    (ssl.SSLCertVerificationError, "network", "tls_failed", "the certificate could not be verified"),
    (ssl.SSLError, "network", "tls_failed", "the TLS handshake failed"),
    (socket.gaierror, "network", "dns_failed", "the host name could not be resolved"),
    (TimeoutError, "timeout", "connect_timeout", "could not connect in time"),
    (OSError, "network", "connect_failed", "could not connect"),
    (ValueError, "config", "invalid_call", "the call's URL or headers cannot be sent; check base_url and headers"),
)
_BREAKS = re.compile(r"[\r\n\0]")
_BREAKS_NAME = re.compile(r"[\r\n\0: \t]")


def dial_error(error: BaseException, host: str) -> ErrorInfo:
    """Why a connection could not be made."""
    return failure(error, host, _ERRORS)


def request_bytes(call: HttpCall, host: str, target: str) -> bytes:
    """The request as it goes over the wire. Raises ValueError for headers that would break it."""
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}"]
    names = set()
    for name, value in call.headers.items():
        if not name or _BREAKS_NAME.search(name) or _BREAKS.search(value):
            raise ValueError("a header holds a line break")
        names.add(name.lower())
        lines.append(f"{name}: {value}")
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    lines.append(f"Content-Length: {len(call.body)}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1") + call.body


class Head(dict[str, str]):
    """Response headers; names are lower case and found in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


class Owner(Protocol):
    """The call that a connection serves."""

    host: str

    def answered(self, status: int, head: Mapping[str, str]) -> None:
        """The head of the answer."""
        ...

    def body(self, data: bytes) -> None:
        """Bytes of the body, as many as one read brought."""
        ...

    def ended(self, error: ErrorInfo | None) -> None:
        """The answer is over."""
        ...

    def dial_again(self) -> None:
        """The kept connection was dead before a byte of the answer came."""
        ...

    def reusable(self, connection: Connection) -> None:
        """The answer is whole and the connection may serve another call."""
        ...


class Connection(asyncio.Protocol):
    """One socket. Serves one exchange at a time; the parser's callbacks are its `on_` methods."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.exchange: Owner | None = None
        self.transport: asyncio.Transport | None = None
        self.idle: asyncio.TimerHandle | None = None
        self.used = False
        self.closed = False
        self.received = False
        self.over = True
        self._parser = httptools.HttpResponseParser(self)
        self._head = Head()
        self._head_size = 0
        self._body: list[bytes] = []
        self._until_close = False
        self._lives = False
        self._paused = False
        self._headless = 0
        self._extra = False

    def begin(self, exchange: Owner, data: bytes) -> None:
        """Sends a request."""
        if self.idle is not None:
            self.idle.cancel()
            self.idle = None
        self.exchange = exchange
        self.over = self.received = False
        self._until_close = self._lives = self._extra = False
        self._head, self._head_size, self._headless = Head(), 0, 0
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        assert self.transport is not None
        self.transport.write(data)

    def hold(self, paused: bool) -> None:
        """Stops reading the socket, or reads on."""
        if paused == self._paused or self.transport is None or self.transport.is_closing():
            return
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio.Transport

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            # Nothing was asked: whatever this is, the connection cannot be trusted any more.
            self.kill()
            return
        self.received = True
        bad = False
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                cause = error.__context__
                if cause is not None and not isinstance(cause, httptools.HttpParserError):
                    raise cause from None
                bad, self._lives = not self.over, False
            if self._headless >= 0:
                self._headless += len(data)
                bad = bad or self._headless > MAX_HEAD
            self._flush(exchange)
        except Exception as error:  # boundary: the sink is not ours, and must hear an end also when it breaks
            self._fail(dial_error(error, exchange.host))
            return
        if bad:
            text = f"{exchange.host}: the answer is not HTTP as it should be; check base_url"
            self._fail(ErrorInfo("protocol", text, code="bad_http"))
        elif self.over and self.exchange is exchange:
            self._finished(exchange)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.closed = True
        exchange = self.exchange
        if exchange is None or self.over:
            return
        self.exchange = None
        if self._until_close and exc is None:
            self.over = True
            exchange.ended(None)
        elif self.used and not self.received:
            exchange.dial_again()
        else:
            text = "the connection broke in the middle of the answer" if self.received else "no answer came"
            exchange.ended(ErrorInfo("network", f"{exchange.host}: {text}", code="connection_lost"))

    # -- the parser

    def on_message_begin(self) -> None:
        # Bytes behind a whole answer: nobody asked for them, and the connection cannot be trusted any more.
        self._extra = self.over

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._extra:
            return
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD:
            raise httptools.HttpParserError("too many headers")
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        self._head[key] = f"{self._head[key]}, {text}" if key in self._head else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._extra:
            return
        head, self._head, self._head_size = self._head, Head(), 0
        if status < 200:
            return
        self._headless = -1
        coded = "chunked" in (head.get("transfer-encoding") or "").lower()
        self._until_close = not coded and "content-length" not in head and status not in (204, 304)
        if self.exchange is not None:
            self.exchange.answered(status, head)

    def on_body(self, data: bytes) -> None:
        if not self._extra:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._extra:
            self._lives = False
        elif self._parser.get_status_code() >= 200:
            self.over = True
            self._lives = self._parser.should_keep_alive()

    # -- between the two

    def _flush(self, exchange: Owner) -> None:
        body = self._body
        if body:
            self._body = []
            exchange.body(body[0] if len(body) == 1 else b"".join(body))

    def _finished(self, exchange: Owner) -> None:
        """The answer is whole. The exchange hears of it last: it may start the next call at once."""
        self.exchange = None
        if self._lives and not self._extra and not self.closed:
            exchange.reusable(self)
        else:
            self.kill()
        exchange.ended(None)

    def _fail(self, error: ErrorInfo) -> None:
        exchange, self.exchange = self.exchange, None
        self.kill()
        if exchange is not None:
            exchange.ended(error)

    def kill(self) -> None:
        """Closes the socket now."""
        self.closed = True
        self.exchange = None
        if self.transport is not None:
            self.transport.abort()
