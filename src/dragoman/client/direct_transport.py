"""The transport for the common case: HTTP/1.1 without a proxy, on asyncio's own protocols and a C parser.

All body bytes that one read of the socket brings go to the sink in one call, whatever HTTP chunks they came in, and a
kept connection is used again without a task switch. Calls through a proxy are left to the aiohttp transport. Redirects
are never followed, cookies never kept, TLS always verified.

A kept connection that the server closed while the call was on its way is replaced once, as long as not a byte of the
answer had come: the server cannot have begun to answer on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import zlib
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import httptools

from dragoman.client.aiohttp_transport import DRAIN, GRACE, AiohttpTransport, proxy_for
from dragoman.client.transport import Exchange, HttpCall, Sink
from dragoman.errors import ErrorInfo, ErrorKind

MAX_HEAD = 64 * 1024
"""Bytes of response headers that are taken."""
INFLATE_STEP = 1 << 20
"""Most bytes that one step of decompression gives."""

_Origin = tuple[str, str, int]

_DIAL_ERRORS: tuple[tuple[type[BaseException], ErrorKind, str, str], ...] = (
    (ssl.SSLCertVerificationError, "network", "tls_failed", "the certificate could not be verified"),
    (ssl.SSLError, "network", "tls_failed", "the TLS handshake failed"),
    (socket.gaierror, "network", "dns_failed", "the host name could not be resolved"),
    (TimeoutError, "timeout", "connect_timeout", "could not connect in time"),
    (OSError, "network", "connect_failed", "could not connect"),
    (ValueError, "config", "invalid_call", "the call's URL or headers cannot be sent; check base_url and headers"),
)
_FINAL = frozenset({"tls_failed", "invalid_call"})


def dial_error(error: BaseException, host: str) -> ErrorInfo:
    """Why a connection could not be made. The text names the host only."""
    for cls, kind, code, text in _DIAL_ERRORS:
        if isinstance(error, cls):
            return ErrorInfo(kind, f"{host}: {text}", code=code, retryable=False if code in _FINAL else None)
    return ErrorInfo("internal", f"{host}: unexpected {type(error).__name__} in the transport", retryable=False)


def request_bytes(call: HttpCall, host: str, target: str) -> bytes:
    """The request as it goes over the wire. Raises ValueError for headers that would break it."""
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}"]
    names = set()
    for name, value in call.headers.items():
        if not name or any(c in "\r\n\0" for c in name + value) or any(c in ": \t" for c in name):
            raise ValueError("a header holds a line break")
        names.add(name.lower())
        lines.append(f"{name}: {value}")
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    lines.append(f"Content-Length: {len(call.body)}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1") + call.body


class _Head(dict[str, str]):
    """Response headers; names are lower case and found in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


class _Connection(asyncio.Protocol):
    """One socket. Serves one exchange at a time; the parser's callbacks are its `on_` methods."""

    def __init__(self, origin: _Origin) -> None:
        self.origin = origin
        self.exchange: DirectExchange | None = None
        self.transport: asyncio.Transport | None = None
        self.idle: asyncio.TimerHandle | None = None
        self.used = False
        self.closed = False
        self.received = False
        self.over = True
        self._parser = httptools.HttpResponseParser(self)
        self._head = _Head()
        self._head_size = 0
        self._body: list[bytes] = []
        self._until_close = False
        self._lives = False

    def begin(self, exchange: DirectExchange, data: bytes) -> None:
        """Sends a request."""
        if self.idle is not None:
            self.idle.cancel()
            self.idle = None
        self.exchange = exchange
        self.over = self.received = False
        self._until_close = self._lives = False
        self._parser = httptools.HttpResponseParser(self)
        assert self.transport is not None
        self.transport.write(data)

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
            except httptools.HttpParserError:
                bad = True
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
        if self.idle is not None:
            self.idle.cancel()
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

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD:
            raise httptools.HttpParserError("too many headers")
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        self._head[key] = f"{self._head[key]}, {text}" if key in self._head else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        head, self._head, self._head_size = self._head, _Head(), 0
        if status < 200:
            return
        coded = "chunked" in (head.get("transfer-encoding") or "").lower()
        self._until_close = not coded and "content-length" not in head and status not in (204, 304)
        if self.exchange is not None:
            self.exchange.answered(status, head)

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self.over = True
            self._lives = self._parser.should_keep_alive()

    # -- between the two

    def _flush(self, exchange: DirectExchange) -> None:
        body = self._body
        if body:
            self._body = []
            exchange.body(body[0] if len(body) == 1 else b"".join(body))

    def _finished(self, exchange: DirectExchange) -> None:
        """The answer is whole. The exchange hears of it last: it may start the next call at once."""
        self.exchange = None
        if self._lives and not self.closed:
            exchange.transport.keep(self)
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
        if self.idle is not None:
            self.idle.cancel()
        if self.transport is not None:
            self.transport.abort()


class DirectExchange:
    """One call under way on a connection, or waiting for one."""

    def __init__(self, transport: DirectTransport, call: HttpCall, sink: Sink, origin: _Origin) -> None:
        self.transport = transport
        self.host = f"{origin[1]}:{origin[2]}"
        self._call = call
        self._sink: Sink | None = sink
        self._origin = origin
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._inflate: zlib._Decompress | None = None
        self._paused = False
        self._ended = False
        self._spare = DRAIN
        self._data = b""

    # -- towards the caller

    def pause(self) -> None:
        """Stops reading the socket."""
        if not self._paused and self._connection is not None and self._connection.transport is not None:
            self._connection.transport.pause_reading()
        self._paused = True

    def resume(self) -> None:
        """Reads on."""
        if self._paused and self._connection is not None and self._connection.transport is not None:
            self._connection.transport.resume_reading()
        self._paused = False

    def release(self) -> None:
        """Nothing more is wanted; the rest is dropped for a moment, so that the connection can be used again."""
        if self._sink is None:
            return
        self._sink = None
        self.resume()
        if not self._ended:
            self._grace = asyncio.get_running_loop().call_later(GRACE, self.abort)

    def abort(self) -> None:
        """Closes the connection now."""
        self._sink = None
        self._close()

    def _close(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._grace is not None:
            self._grace.cancel()
        if self._task is not None:
            self._task.cancel()
        connection, self._connection = self._connection, None
        if connection is not None and connection.exchange is self:
            connection.kill()
        self.transport.forget(self)

    # -- from the transport

    def start(self) -> None:
        """Takes a kept connection, or dials."""
        try:
            parts = urlsplit(self._call.url)
            target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
            self._data = request_bytes(self._call, parts.netloc, target)
        except ValueError as error:
            asyncio.get_running_loop().call_soon(self.ended, dial_error(error, self.host))
            return
        connection = self.transport.kept(self._origin)
        if connection is None:
            self._task = asyncio.get_running_loop().create_task(self._dial())
        else:
            self._use(connection)

    def dial_again(self) -> None:
        """The kept connection was dead: once more, on a new one."""
        self._connection = None
        if not self._ended:
            self._task = asyncio.get_running_loop().create_task(self._dial())

    def _use(self, connection: _Connection) -> None:
        self._connection = connection
        connection.begin(self, self._data)
        if self._paused and connection.transport is not None:
            connection.transport.pause_reading()

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(self._call.connect_timeout or None):
                connection = await self.transport.dial(self._origin)
        except (OSError, TimeoutError, ValueError) as error:
            self._task = None
            self.ended(dial_error(error, self.host))
            return
        self._task = None
        if self._ended:
            connection.kill()
        else:
            self._use(connection)

    # -- from the connection

    def answered(self, status: int, head: Mapping[str, str]) -> None:
        """The head of the answer."""
        coding = (head.get("content-encoding") or "").strip().lower()
        if coding in ("gzip", "x-gzip", "deflate"):
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        elif coding not in ("", "identity"):
            self._broken(f"the answer is compressed with {coding[:20]!r}, which was not asked for")
            return
        if self._sink is not None:
            self._sink.head(status, head)

    def body(self, data: bytes) -> None:
        """Bytes of the body."""
        if self._sink is None:
            self._spare -= len(data)
            if self._spare < 0:
                self.abort()
            return
        if self._inflate is None:
            self._sink.feed(data)
            return
        try:
            while data and self._sink is not None:
                made = self._inflate.decompress(data, INFLATE_STEP)
                data = self._inflate.unconsumed_tail
                if made:
                    self._sink.feed(made)
        except zlib.error:
            self._broken("the compressed answer is damaged")

    def _broken(self, text: str) -> None:
        connection = self._connection
        if connection is not None:
            connection.kill()
        self.ended(ErrorInfo("protocol", f"{self.host}: {text}", code="bad_http"))

    def ended(self, error: ErrorInfo | None) -> None:
        """The answer is over. The sink hears it once."""
        sink, self._sink = self._sink, None
        if not self._ended:
            self._close()
        if sink is not None:
            sink.end(error)


class DirectTransport:
    """Opens exchanges on kept or new connections; hands those that need a proxy to `AiohttpTransport`.

    keepalive: seconds that an idle connection is kept. tls: another context than the system's, for own authorities.
    """

    def __init__(self, *, keepalive: float = 30.0, tls: ssl.SSLContext | None = None) -> None:
        self._keepalive = keepalive
        self._tls = tls
        self._fallback = AiohttpTransport(keepalive=keepalive, tls=tls)
        self._kept: dict[_Origin, list[_Connection]] = {}
        self._open: set[DirectExchange] = set()
        self._origins: dict[str, _Origin | None] = {}
        self._closed = False

    def open(self, call: HttpCall, sink: Sink) -> Exchange:
        """Starts the call. Never calls the sink before it returns."""
        origin = self._origin(call.url)
        if origin is None or self._closed:
            return self._fallback.open(call, sink)
        exchange = DirectExchange(self, call, sink, origin)
        self._open.add(exchange)
        exchange.start()
        return exchange

    def _origin(self, url: str) -> _Origin | None:
        """Where to connect; None where the other transport must do it: a proxy, or a URL that needs a diagnosis."""
        if url in self._origins:
            return self._origins[url]
        origin: _Origin | None = None
        with contextlib.suppress(ValueError):
            parts = urlsplit(url)
            host = parts.hostname
            port = parts.port or (443 if parts.scheme == "https" else 80)
            plain = parts.scheme in ("http", "https") and not parts.username
            if host and plain and proxy_for(parts.scheme, parts.netloc)[0] is None:
                origin = (parts.scheme, host, port)
        if len(self._origins) > 1000:
            self._origins.clear()
        self._origins[url] = origin
        return origin

    @property
    def under_way(self) -> int:
        """Exchanges that hold a connection or are about to."""
        return len(self._open) + self._fallback.under_way

    def forget(self, exchange: DirectExchange) -> None:
        """Called by an exchange when it has given its connection back."""
        self._open.discard(exchange)

    def kept(self, origin: _Origin) -> _Connection | None:
        """A connection that waits to be used again."""
        waiting = self._kept.get(origin)
        while waiting:
            connection = waiting.pop()
            if not connection.closed and connection.transport is not None and not connection.transport.is_closing():
                connection.used = True
                return connection
        return None

    def keep(self, connection: _Connection) -> None:
        """Keeps a connection whose answer is whole."""
        if self._closed or self._keepalive <= 0:
            connection.kill()
            return
        self._kept.setdefault(connection.origin, []).append(connection)
        connection.idle = asyncio.get_running_loop().call_later(self._keepalive, self._expire, connection)

    def _expire(self, connection: _Connection) -> None:
        waiting = self._kept.get(connection.origin, [])
        if connection in waiting:
            waiting.remove(connection)
        connection.kill()

    async def dial(self, origin: _Origin) -> _Connection:
        """A new connection."""
        scheme, host, port = origin
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(origin), host, port, ssl=self._tls if scheme == "https" else None
        )
        return connection

    async def close(self) -> None:
        """Ends everything. Sinks of calls under way hear `aborted`."""
        self._closed = True
        for exchange in list(self._open):
            exchange.ended(ErrorInfo("aborted", "the transport was closed"))
        for waiting in self._kept.values():
            for connection in waiting:
                connection.kill()
        self._kept.clear()
        await self._fallback.close()
        # A socket that was aborted is closed at the loop's next turn.
        await asyncio.sleep(0)
