"""The transport on aiohttp: one session, one task an exchange, at most one wake a read.

Redirects are never followed, cookies never kept, TLS always verified. Proxies are taken from the environment here and
not by the session, whose `trust_env` would also read ~/.netrc and put its password where the plan's key belongs
(aiohttp 3.14, `ClientSession._request`). Every exception of aiohttp is mapped by `map_error`.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp

from dragoman.client.exchange import OpenExchange
from dragoman.client.failures import Meaning, failure
from dragoman.client.transport import HttpCall, Sink
from dragoman.errors import ErrorInfo

_ERRORS: tuple[Meaning, ...] = (
    (aiohttp.ConnectionTimeoutError, "timeout", "connect_timeout", "could not connect in time"),
    (aiohttp.ClientConnectorCertificateError, "network", "tls_failed", "the certificate could not be verified"),
    (aiohttp.ClientConnectorSSLError, "network", "tls_failed", "the TLS handshake failed"),
    (aiohttp.ClientSSLError, "network", "tls_failed", "the TLS handshake failed"),
    (aiohttp.ServerFingerprintMismatch, "network", "tls_failed", "the certificate has another fingerprint"),
    (aiohttp.ClientConnectorDNSError, "network", "dns_failed", "the host name could not be resolved"),
    (aiohttp.ClientProxyConnectionError, "network", "proxy_failed", "could not connect to the proxy"),
    (aiohttp.ClientHttpProxyError, "network", "proxy_failed", "the proxy refused the connection"),
    (aiohttp.ClientConnectorError, "network", "connect_failed", "could not connect"),
    (aiohttp.ServerTimeoutError, "timeout", "read_timeout", "the connection fell silent"),
    (aiohttp.ClientPayloadError, "network", "connection_lost", "the connection broke in the middle of the answer"),
    (aiohttp.InvalidURL, "config", "invalid_url", "the endpoint's URL cannot be used; check base_url"),
    (aiohttp.NonHttpUrlClientError, "config", "invalid_url", "the endpoint's URL cannot be used; check base_url"),
    (aiohttp.ClientResponseError, "protocol", "bad_http", "the answer is not HTTP as it should be; check base_url"),
    (aiohttp.ClientConnectionError, "network", "connection_lost", "the connection was closed without an answer"),
    (aiohttp.ClientError, "network", "connection_lost", "the call failed on its way"),
    (TimeoutError, "timeout", "connect_timeout", "could not connect in time"),
    (OSError, "network", "connection_lost", "the connection broke"),
    (ValueError, "config", "invalid_call", "the call's URL or headers cannot be sent; check base_url and headers"),
)


def map_error(error: BaseException, host: str) -> ErrorInfo:
    """What an exception of the HTTP client means."""
    return failure(error, host, _ERRORS)


def proxy_for(scheme: str, host: str) -> tuple[str | None, dict[str, str]]:
    """The environment's proxy for this host, its credentials taken out into a header."""
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(host):
        return None, {}
    parts = urlsplit(found if "://" in found else "http://" + found)
    if not parts.username:
        return urlunsplit(parts), {}
    address = parts.netloc.rpartition("@")[2]
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    header = {"Proxy-Authorization": "Basic " + base64.b64encode(login).decode("ascii")}
    return urlunsplit(parts._replace(netloc=address)), header


class AiohttpExchange(OpenExchange):
    """One call under way: a task that reads and pushes."""

    __slots__ = ("_call", "_gate", "_response", "_task", "_transport")

    def __init__(self, transport: AiohttpTransport, call: HttpCall, sink: Sink) -> None:
        super().__init__(sink)
        self._transport = transport
        self._call = call
        self._response: aiohttp.ClientResponse | None = None
        self._gate: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def pause(self) -> None:
        """Stops reading; aiohttp stops the socket when its buffer is full."""
        self.paused = True

    def resume(self) -> None:
        """Reads on."""
        self.paused = False
        if self._gate is not None and not self._gate.done():
            self._gate.set_result(None)

    def abort(self) -> None:
        """Closes the connection now."""
        reading = not self.over
        super().abort()
        if reading:
            self._task.cancel()

    def cancel(self) -> None:
        """Ends the call from the transport's side: the sink hears `aborted`."""
        self._task.cancel()

    async def gone(self) -> None:
        """Waits until the task is over. A task that was cancelled before its first step has told nobody yet."""
        await asyncio.wait({self._task})
        self.end(ErrorInfo("aborted", "the transport was closed"))

    def let_go(self) -> None:
        """Gives the connection back. `close` is right in every case: a connection whose answer was read to its end has
        left the response already, and one whose answer was not cannot be used again."""
        response = self._response
        if response is not None:
            connection = response.connection
            if connection is not None and connection.transport is not None:
                connection.transport.abort()
            response.close()
        self._transport.forget(self)

    async def _run(self) -> None:
        host = urlsplit(self._call.url).netloc.rpartition("@")[2] or "the endpoint"
        try:
            self._response = response = await self._transport.post(self._call)
            if self.sink is not None:
                self.sink.head(response.status, response.headers)
            await self._read(response.content)
        except asyncio.CancelledError:
            self.end(ErrorInfo("aborted", "the call was cancelled"))
            raise
        except Exception as error:  # boundary: a task that dies unheard would leave its sink waiting for ever
            self.end(map_error(error, host))
        else:
            self.end(None)

    async def _read(self, content: aiohttp.StreamReader) -> None:
        read = content.readany
        while data := await read():
            sink = self.sink
            if sink is not None:
                sink.feed(data)
            elif not self.may_drop(data):
                return
            while self.paused:
                self._gate = asyncio.get_running_loop().create_future()
                await self._gate


class AiohttpTransport:
    """Opens exchanges on one lazily made `aiohttp.ClientSession`.

    keepalive: seconds that an idle connection is kept. tls: another context than the system's, for own authorities.
    proxy_for: finds the proxy of (scheme, host); the environment's by default, asked once for each host.
    """

    def __init__(
        self,
        *,
        keepalive: float = 30.0,
        tls: ssl.SSLContext | None = None,
        proxy_for: Callable[[str, str], tuple[str | None, Mapping[str, str]]] = proxy_for,
    ) -> None:
        self._keepalive = keepalive
        self._tls = tls
        self.proxy_for = proxy_for
        self._proxies: dict[tuple[str, str], tuple[str | None, Mapping[str, str]]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._open: set[AiohttpExchange] = set()
        self._closed = False

    def open(self, call: HttpCall, sink: Sink) -> AiohttpExchange:
        """Starts the call in a task of its own."""
        exchange = AiohttpExchange(self, call, sink)
        self._open.add(exchange)
        return exchange

    @property
    def under_way(self) -> int:
        """Exchanges that hold a connection or are about to."""
        return len(self._open)

    def forget(self, exchange: AiohttpExchange) -> None:
        """Called by an exchange when it has given its connection back."""
        self._open.discard(exchange)

    async def post(self, call: HttpCall) -> aiohttp.ClientResponse:
        """Sends the call and waits for the head of the answer."""
        parts = urlsplit(call.url)
        at = (parts.scheme, parts.netloc)
        if at not in self._proxies:
            self._proxies[at] = self.proxy_for(parts.scheme, parts.netloc.rpartition("@")[2])
        proxy, credentials = self._proxies[at]
        headers: Mapping[str, str] = call.headers
        if credentials and parts.scheme == "http":
            headers = {**headers, **credentials}
        limit = call.connect_timeout or None
        return await self._ready().request(
            "POST",
            call.url,
            data=call.body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=limit, sock_connect=limit, sock_read=None),
            proxy=proxy,
            proxy_headers=credentials if proxy else None,
        )

    def _ready(self) -> aiohttp.ClientSession:
        if self._closed:
            raise aiohttp.ClientConnectionError("the transport is closed")
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keepalive, ssl=self._tls or True)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("User-Agent",),
            )
        return self._session

    async def close(self) -> None:
        """Ends everything. Sinks of calls under way hear `aborted`."""
        self._closed = True
        exchanges = list(self._open)
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*(exchange.gone() for exchange in exchanges))
        if self._session is not None:
            await self._session.close()
            self._session = None
