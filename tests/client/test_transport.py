"""Both transports against a raw socket: bytes, ends, releases, and what it must never do."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp import client_exceptions

from dragoman.client.aiohttp_transport import AiohttpTransport, map_error
from dragoman.client.direct_transport import DirectTransport
from dragoman.client.transport import HttpCall, Transport
from dragoman.errors import ErrorInfo
from tests.fakes import CLOSE, RESET, STALL, Answer, Upstream, environment, json_answer


class Ear:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body = b""
        self.reads = 0
        self.ends: list[ErrorInfo | None] = []
        self.over = asyncio.Event()
        self.more = asyncio.Event()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers
        self.more.set()

    def feed(self, data: bytes) -> None:
        self.body += data
        self.reads += 1
        self.more.set()

    def end(self, error: ErrorInfo | None) -> None:
        self.ends.append(error)
        self.over.set()

    async def until(self, size: int) -> None:
        while len(self.body) < size:
            self.more.clear()
            await self.more.wait()


def call(up: Upstream, body: bytes = b"{}", **headers: str) -> HttpCall:
    return HttpCall(up.url + "/v1/chat", {"content-type": "application/json", **headers}, body)


async def fetch(up: Upstream, transport: Transport, **headers: str) -> Ear:
    ear = Ear()
    transport.open(call(up, **headers), ear)
    await ear.over.wait()
    return ear


@pytest.fixture
async def up():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture(params=[AiohttpTransport, DirectTransport])
def kind(request):
    return request.param


@pytest.fixture
async def transport(kind):
    made = kind()
    yield made
    await made.close()


async def test_a_body_comes_whole_and_ends_once(up, transport):
    up.push(Answer(b"one", b"two", b"three", framing="chunked"))
    ear = await fetch(up, transport, authorization="Bearer k")
    assert (ear.status, ear.body, ear.ends) == (200, b"onetwothree", [None])
    assert ear.headers["Content-Type"] == "text/event-stream"
    assert up.requests[0].headers["authorization"] == "Bearer k"
    assert up.requests[0].body == b"{}"


async def test_a_finished_connection_is_used_again(up, transport):
    up.push(json_answer({}), json_answer({}))
    await fetch(up, transport)
    await fetch(up, transport)
    assert up.connections == 1
    assert transport.under_way == 0


@pytest.mark.parametrize("last", [RESET, CLOSE])
async def test_a_broken_body_is_a_network_failure(up, transport, last):
    up.push(Answer(b"some", last))
    ear = await fetch(up, transport)
    assert ear.body == b"some"
    assert [e.kind for e in ear.ends if e] == ["network"]


async def test_a_reset_before_the_head_is_a_network_failure(up, transport):
    up.push(Answer(RESET, framing="none"))
    ear = await fetch(up, transport)
    assert ear.status == 0
    assert [e.kind for e in ear.ends if e] == ["network"]


async def test_what_is_not_http_is_a_protocol_failure(up, transport):
    up.push(Answer(b"SSH-2.0-OpenSSH\r\n\r\n", framing="none"))
    ear = await fetch(up, transport)
    assert [e.kind for e in ear.ends if e] == ["protocol"]


async def test_a_refused_connection_is_a_network_failure(transport):
    async with Upstream() as gone:
        url = gone.url
    ear = Ear()
    transport.open(HttpCall(url, {}, b""), ear)
    await ear.over.wait()
    assert [(e.kind, e.code) for e in ear.ends if e] == [("network", "connect_failed")]


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/x", "http://"])
async def test_a_url_that_cannot_be_used_is_a_configuration_error(transport, url):
    ear = Ear()
    transport.open(HttpCall(url, {}, b""), ear)
    await ear.over.wait()
    assert [(e.kind, e.can_retry) for e in ear.ends if e] == [("config", False)]


async def test_a_header_with_a_line_break_is_never_sent(up, transport):
    ear = await fetch(up, transport, authorization="Bearer k\r\nX-Evil: 1")
    assert [e.kind for e in ear.ends if e] == ["config"]
    assert up.requests == []


@pytest.mark.req(145)
async def test_redirects_are_not_followed(up, transport):
    up.push(Answer(status=307, headers={"location": up.url + "/elsewhere"}))
    ear = await fetch(up, transport)
    assert ear.status == 307
    assert [r.path for r in up.requests] == ["/v1/chat"]


async def test_cookies_are_not_kept(up, transport):
    up.push(Answer(b"{}", headers={"set-cookie": "a=b; Path=/"}), json_answer({}))
    await fetch(up, transport)
    await fetch(up, transport)
    assert "cookie" not in up.requests[1].headers


async def test_netrc_never_touches_the_key(up, transport, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    netrc.chmod(0o600)
    up.push(json_answer({}), json_answer({}))
    with environment(monkeypatch, NETRC=str(netrc)):
        await fetch(up, transport, authorization="Bearer k")
        await fetch(up, transport, **{"x-api-key": "k"})
    assert up.requests[0].headers["authorization"] == "Bearer k"
    assert "authorization" not in up.requests[1].headers


async def test_the_environments_proxy_is_used_with_its_own_credentials(up, kind, monkeypatch):
    up.push(json_answer({"by": "proxy"}))
    transport = kind()
    ear = Ear()
    proxy = up.url.replace("http://", "http://user:p%40ss@")
    with environment(monkeypatch, http_proxy=proxy, no_proxy=""):
        transport.open(HttpCall("http://vendor.invalid/v1", {"authorization": "Bearer k"}, b"{}"), ear)
        await ear.over.wait()
    await transport.close()
    assert ear.body == b'{"by": "proxy"}'
    got = up.requests[0]
    assert (got.path, got.headers["host"]) == ("http://vendor.invalid/v1", "vendor.invalid")
    assert got.headers["authorization"] == "Bearer k"
    assert got.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


async def test_no_proxy_is_respected(up, kind, monkeypatch):
    up.push(json_answer({}))
    transport = kind()
    with environment(monkeypatch, http_proxy="http://127.0.0.1:1", no_proxy="127.0.0.1"):
        ear = await fetch(up, transport)
    await transport.close()
    assert ear.ends == [None]


async def test_certificates_are_verified(up, transport):
    """The fake speaks plain text: a handshake with it fails, it is not given up silently."""
    ear = Ear()
    transport.open(HttpCall(up.url.replace("http:", "https:"), {}, b""), ear)
    await up.until(lambda: up.connections > 0)
    for connection in up.open:
        connection.transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await ear.over.wait()
    assert [e.kind for e in ear.ends if e] == ["network"]
    assert ear.status == 0


async def test_abort_closes_the_connection_and_is_silent(up, transport):
    up.push(Answer(b"first", STALL))
    ear = Ear()
    exchange = transport.open(call(up), ear)
    await ear.until(5)
    exchange.abort()
    exchange.abort()
    await up.until(lambda: up.disconnects == 1)
    assert ear.ends == []
    assert transport.under_way == 0


async def test_abort_from_within_the_sink(up, transport):
    up.push(Answer(b"first", STALL))

    class Quitter(Ear):
        def feed(self, data: bytes) -> None:
            super().feed(data)
            exchange.abort()

    ear = Quitter()
    exchange = transport.open(call(up), ear)
    await up.until(lambda: up.disconnects == 1)
    assert ear.body == b"first"
    assert ear.ends == []


async def test_abort_before_the_call_began(up, transport):
    ear = Ear()
    exchange = transport.open(call(up), ear)
    exchange.abort()
    await asyncio.sleep(0)
    assert (transport.under_way, up.requests, ear.ends) == (0, [], [])


async def test_release_lets_the_connection_be_used_again(up, transport):
    rest = asyncio.Event()
    up.push(Answer(b"all", rest, b"[DONE]"), json_answer({}))
    ear = Ear()
    exchange = transport.open(call(up), ear)
    await ear.until(3)
    exchange.release()
    rest.set()
    while transport.under_way:
        await asyncio.sleep(0)
    assert (ear.body, ear.ends) == (b"all", [])
    await fetch(up, transport)
    assert up.connections == 1


async def test_release_of_a_talker_closes_the_connection(up, transport):
    up.push(Answer(b"all", *[b"x" * 50_000] * 3, STALL))
    ear = Ear()
    exchange = transport.open(call(up), ear)
    await ear.until(3)
    exchange.release()
    await up.until(lambda: up.disconnects == 1)
    assert transport.under_way == 0


async def test_pause_holds_the_vendor_back(up, transport):
    piece = b"x" * 65536
    up.push(Answer(*[piece] * 200))

    class Slow(Ear):
        def feed(self, data: bytes) -> None:
            super().feed(data)
            if self.reads == 1:
                exchange.pause()

    ear = Slow()
    exchange = transport.open(call(up), ear)
    await ear.until(1)
    for _ in range(200):
        await asyncio.sleep(0)
    assert ear.reads == 1
    assert len(ear.body) < len(piece) * 200
    exchange.resume()
    await ear.over.wait()
    assert len(ear.body) == len(piece) * 200


async def test_close_tells_those_under_way(up, kind):
    transport = kind()
    up.push(Answer(b"first", STALL))
    ear, late = Ear(), Ear()
    transport.open(call(up), ear)
    await ear.until(5)
    transport.open(call(up), late)
    await transport.close()
    assert [e.kind for e in (*ear.ends, *late.ends) if e] == ["aborted", "aborted"]
    after = Ear()
    transport.open(call(up), after)
    await after.over.wait()
    assert [e.kind for e in after.ends if e] == ["network"]


async def test_a_sink_that_breaks_still_hears_an_end(up, transport):
    up.push(Answer(b"first", STALL))

    class Broken(Ear):
        def feed(self, data: bytes) -> None:
            raise ZeroDivisionError

    ear = Broken()
    transport.open(call(up), ear)
    await ear.over.wait()
    assert [e.kind for e in ear.ends if e] == ["internal"]
    await up.until(lambda: up.disconnects == 1)


@pytest.mark.req(98)
@pytest.mark.parametrize(
    "cls",
    [c for c in vars(client_exceptions).values() if inspect.isclass(c) and issubclass(c, aiohttp.ClientError)],
    ids=lambda c: c.__name__,
)
def test_every_exception_of_the_http_client_is_mapped(cls):
    info = map_error(cls.__new__(cls), "vendor.example:443")
    assert info.kind in ("network", "timeout", "protocol", "config")
    assert info.message.startswith("vendor.example:443: ")
    assert info.code


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (aiohttp.ConnectionTimeoutError(), "timeout", "connect_timeout"),
        (aiohttp.SocketTimeoutError(), "timeout", "read_timeout"),
        (aiohttp.ServerDisconnectedError(), "network", "connection_lost"),
        (aiohttp.ClientPayloadError(), "network", "connection_lost"),
        (TimeoutError(), "timeout", "connect_timeout"),
        (ConnectionResetError(), "network", "connection_lost"),
        (RuntimeError("sk-secret"), "internal", None),
    ],
)
def test_the_mapping(error, kind, code):
    info = map_error(error, "h")
    assert (info.kind, info.code) == (kind, code)
    assert "secret" not in info.message
