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
import ssl
import zlib
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlsplit

from dragoman.client.aiohttp_transport import AiohttpTransport, proxy_for
from dragoman.client.exchange import OpenExchange
from dragoman.client.http1 import Connection, Origin, dial_error, request_bytes
from dragoman.client.inflate import Inflater
from dragoman.client.transport import Exchange, HttpCall, Sink
from dragoman.errors import ErrorInfo


@lru_cache(maxsize=256)
def _address(url: str) -> tuple[str, str]:
    """What a request to `url` says as its host and its target. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return parts.netloc, path + (f"?{parts.query}" if parts.query else "")


class DirectExchange(OpenExchange):
    """One call under way on a connection, or waiting for one."""

    def __init__(self, transport: DirectTransport, call: HttpCall, sink: Sink, origin: Origin) -> None:
        super().__init__(sink)
        self.transport = transport
        self.host = f"{origin[1]}:{origin[2]}"
        self._call = call
        self._origin = origin
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._inflate: Inflater | None = None
        self._data = b""

    # -- towards the caller

    def pause(self) -> None:
        """Stops reading the socket."""
        self.paused = True
        if self._connection is not None:
            self._connection.hold(True)

    def resume(self) -> None:
        """Reads on."""
        self.paused = False
        if self._connection is not None:
            self._connection.hold(False)

    def let_go(self) -> None:
        """Gives the connection back, or stops dialing; a connection that did not come to its end is closed."""
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
            self._data = request_bytes(self._call, *_address(self._call.url))
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
        if not self.over:
            self._task = asyncio.get_running_loop().create_task(self._dial())

    def _use(self, connection: Connection) -> None:
        if connection.closed:
            self.ended(ErrorInfo("network", f"{self.host}: the connection broke at once", code="connection_lost"))
            return
        self._connection = connection
        connection.begin(self, self._data)
        connection.hold(self.paused)

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(self._call.connect_timeout or None):
                connection = await self.transport.dial(self._origin)
        except (OSError, TimeoutError, ValueError) as error:
            self._task = None
            self.ended(dial_error(error, self.host))
            return
        self._task = None
        if self.over:
            connection.kill()
        else:
            self._use(connection)

    # -- from the connection

    def answered(self, status: int, head: Mapping[str, str]) -> None:
        """The head of the answer."""
        coding = (head.get("content-encoding") or "").strip().lower()
        if coding in ("gzip", "x-gzip", "deflate"):
            self._inflate = Inflater(coding)
        elif coding not in ("", "identity"):
            self._broken(f"the answer is compressed with {coding[:20]!r}, which was not asked for")
            return
        if self.sink is not None:
            self.sink.head(status, head)

    def body(self, data: bytes) -> None:
        """Bytes of the body."""
        if self.sink is None:
            if not self.may_drop(data):
                self.abort()
            return
        if self._inflate is None:
            self.sink.feed(data)
            return
        parts = self._inflate.feed(data)
        while self.sink is not None:
            try:
                made = next(parts, None)
            except zlib.error:
                self._broken("the compressed answer is damaged")
                return
            if made is None:
                return
            self.sink.feed(made)

    def reusable(self, connection: Connection) -> None:
        """The connection may serve another call."""
        self.transport.keep(connection)

    def _broken(self, text: str) -> None:
        connection = self._connection
        if connection is not None:
            connection.kill()
        self.ended(ErrorInfo("protocol", f"{self.host}: {text}", code="bad_http"))

    def ended(self, error: ErrorInfo | None) -> None:
        """The answer is over. The sink hears it once."""
        if error is None and self._inflate is not None and not self._inflate.whole:
            text = f"{self.host}: the compressed answer ends in the middle"
            error = ErrorInfo("network", text, code="connection_lost")
        self.end(error)


class DirectTransport:
    """Opens exchanges on kept or new connections; hands those that need a proxy to `AiohttpTransport`.

    keepalive: seconds that an idle connection is kept. tls: another context than the system's, for own authorities.
    """

    def __init__(self, *, keepalive: float = 30.0, tls: ssl.SSLContext | None = None) -> None:
        self._keepalive = keepalive
        self._tls = tls
        self._fallback = AiohttpTransport(keepalive=keepalive, tls=tls)
        self._kept: dict[Origin, list[Connection]] = {}
        self._open: set[DirectExchange] = set()
        self._origins: dict[str, Origin | None] = {}
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

    def _origin(self, url: str) -> Origin | None:
        """Where to connect; None where the other transport must do it: a proxy, or a URL that needs a diagnosis."""
        if url in self._origins:
            return self._origins[url]
        origin: Origin | None = None
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

    def kept(self, origin: Origin) -> Connection | None:
        """A connection that waits to be used again."""
        waiting = self._kept.get(origin)
        while waiting:
            connection = waiting.pop()
            if not connection.closed and connection.transport is not None and not connection.transport.is_closing():
                connection.used = True
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        """Keeps a connection whose answer is whole."""
        if self._closed or self._keepalive <= 0:
            connection.kill()
            return
        connection.hold(False)
        self._kept.setdefault(connection.origin, []).append(connection)
        connection.idle = asyncio.get_running_loop().call_later(self._keepalive, self._expire, connection)

    def _expire(self, connection: Connection) -> None:
        waiting = self._kept.get(connection.origin, [])
        if connection in waiting:
            waiting.remove(connection)
        connection.kill()

    async def dial(self, origin: Origin) -> Connection:
        """A new connection."""
        scheme, host, port = origin
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(origin), host, port, ssl=self._tls if scheme == "https" else None
        )
        return connection

    async def close(self) -> None:
        """Ends everything. Sinks of calls under way hear `aborted`."""
        self._closed = True
        for exchange in list(self._open):
            exchange.ended(ErrorInfo("aborted", "the transport was closed"))
        for waiting in self._kept.values():
            for connection in waiting:
                if connection.idle is not None:
                    connection.idle.cancel()
                connection.kill()
        self._kept.clear()
        await self._fallback.close()
        # A socket that was aborted is closed at the loop's next turn.
        await asyncio.sleep(0)
