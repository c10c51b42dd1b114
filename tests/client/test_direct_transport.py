"""The direct transport's own half of HTTP: kept connections, codings, framings, limits, and TLS."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import ssl
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.client.direct_transport import DirectTransport
from dragoman.client.http1 import MAX_HEAD
from dragoman.client.transport import HttpCall
from tests.client.test_transport import Ear, call, fetch
from tests.fakes import CLOSE, STALL, Answer, Upstream, json_answer

PLAIN = b"every byte of it " * 5000


@pytest.fixture
async def up() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def transport() -> AsyncIterator[DirectTransport]:
    made = DirectTransport()
    yield made
    await made.close()


def raw(*pieces: object) -> Answer:
    """The pieces as the whole answer, and the connection stays until the client goes."""
    return Answer(*pieces, STALL, framing="none")


def codes(ear: Ear) -> list[tuple[str, str | None]]:
    return [(error.kind, error.code) for error in ear.ends if error]


# -- kept connections


async def test_a_kept_connection_that_died_is_replaced(up: Upstream, transport: DirectTransport) -> None:
    up.push(json_answer({}), raw(CLOSE), json_answer({"n": 2}))
    await fetch(up, transport)
    ear = await fetch(up, transport)
    assert (ear.body, ear.ends, up.connections) == (b'{"n": 2}', [None], 2)


async def test_it_is_replaced_once_only(up: Upstream, transport: DirectTransport) -> None:
    up.push(json_answer({}), raw(CLOSE), raw(CLOSE))
    await fetch(up, transport)
    ear = await fetch(up, transport)
    assert codes(ear) == [("network", "connection_lost")]
    assert (len(up.requests), up.connections) == (3, 2)


async def test_after_one_byte_it_is_not_replaced(up: Upstream, transport: DirectTransport) -> None:
    up.push(json_answer({}), raw(b"H", CLOSE))
    await fetch(up, transport)
    ear = await fetch(up, transport)
    assert codes(ear) == [("network", "connection_lost")]
    assert len(up.requests) == 2


async def test_a_new_connection_that_dies_is_not_tried_again(up: Upstream, transport: DirectTransport) -> None:
    up.push(raw(CLOSE))
    assert codes(await fetch(up, transport)) == [("network", "connection_lost")]
    assert len(up.requests) == 1


async def test_idle_connections_are_closed(up: Upstream) -> None:
    transport = DirectTransport(keepalive=0.001)
    up.push(json_answer({}), json_answer({}))
    await fetch(up, transport)
    await up.until(lambda: not up.open)
    await fetch(up, transport)
    await transport.close()
    assert up.connections == 2


async def test_a_connection_that_finished_while_paused_serves_the_next_call(
    up: Upstream, transport: DirectTransport
) -> None:
    class Holder(Ear):
        def feed(self, data: bytes) -> None:
            super().feed(data)
            exchange.pause()

    up.push(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), json_answer({}))
    ear = Holder()
    exchange = transport.open(call(up), ear)
    await ear.over.wait()
    second = await fetch(up, transport)
    assert (ear.ends, second.ends, up.connections) == ([None], [None], 1)


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"garbage", b"\r\n\r\nHTTP"])
async def test_bytes_behind_the_end_are_never_the_next_answer(
    up: Upstream, transport: DirectTransport, extra: bytes
) -> None:
    up.push(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + extra), json_answer({"n": 2}))
    first = await fetch(up, transport)
    second = await fetch(up, transport)
    assert (first.status, first.body, first.ends) == (200, b"ok", [None])
    assert (second.body, second.ends, up.connections) == (b'{"n": 2}', [None], 2)


async def test_trailers_do_not_become_headers_of_the_next_answer(up: Upstream, transport: DirectTransport) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    up.push(raw(head + b"2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n"), json_answer({}))
    first = await fetch(up, transport)
    second = await fetch(up, transport)
    assert (first.body, first.ends, second.ends) == (b"ok", [None], [None])
    assert "x-late" not in second.headers


# -- codings


def _bare(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


CODINGS = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
    "Deflate ": _bare(PLAIN),
    "GZIP": gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]),
    "identity": PLAIN,
}


@pytest.mark.parametrize("coding", CODINGS)
async def test_compressed_answers_are_read(up: Upstream, transport: DirectTransport, coding: str) -> None:
    data = CODINGS[coding]
    cut = len(data) // 2
    up.push(Answer(data[:1], data[1:cut], data[cut:], headers={"content-encoding": coding}))
    ear = await fetch(up, transport)
    assert (ear.body, ear.ends) == (PLAIN, [None])


async def test_a_damaged_compressed_answer_fails(up: Upstream, transport: DirectTransport) -> None:
    up.push(Answer(b"\x1f\x8bnothing of the kind", headers={"content-encoding": "gzip"}))
    assert codes(await fetch(up, transport)) == [("protocol", "bad_http")]


async def test_a_compressed_answer_that_lacks_its_end_fails(up: Upstream, transport: DirectTransport) -> None:
    up.push(Answer(gzip.compress(PLAIN)[:-9], headers={"content-encoding": "gzip"}))
    assert codes(await fetch(up, transport)) == [("network", "connection_lost")]


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
async def test_a_coding_that_was_not_asked_for_fails(up: Upstream, transport: DirectTransport, coding: str) -> None:
    up.push(Answer(b"data", headers={"content-encoding": coding}))
    ear = await fetch(up, transport)
    assert (codes(ear), ear.body) == ([("protocol", "bad_http")], b"")
    assert up.requests[0].headers["accept-encoding"] == "identity"


# -- framings and heads


async def test_a_body_may_end_with_the_connection(up: Upstream, transport: DirectTransport) -> None:
    up.push(Answer(b"one", b"two", framing="close"))
    ear = await fetch(up, transport)
    assert (ear.body, ear.ends) == (b"onetwo", [None])


@pytest.mark.parametrize("informal", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"])
async def test_informal_heads_are_passed_over(up: Upstream, transport: DirectTransport, informal: bytes) -> None:
    up.push(raw(informal * 2 + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
    ear = await fetch(up, transport)
    assert (ear.status, ear.body, ear.ends) == (200, b"ok", [None])
    assert "link" not in ear.headers


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_HEAD + 1) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_HEAD * 2),
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * MAX_HEAD,
        b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_HEAD,
    ],
    ids=["long", "endless", "many", "informal"],
)
async def test_heads_have_a_limit(up: Upstream, transport: DirectTransport, head: bytes) -> None:
    up.push(raw(head))
    ear = await fetch(up, transport)
    assert (codes(ear), ear.status) == ([("protocol", "bad_http")], 0)


async def test_any_cut_gives_the_same_body(up: Upstream, transport: DirectTransport) -> None:
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
    for cut in range(1, len(text)):
        gate = asyncio.Event()
        up.push(raw(text[:cut], gate, text[cut:]))
        ear = Ear()
        transport.open(call(up), ear)
        await up.until(lambda: len(up.requests) == cut)  # noqa: B023
        gate.set()
        await ear.over.wait()
        assert (ear.status, ear.body, ear.ends) == (200, b"hello, world", [None])


async def test_a_sink_that_breaks_at_the_head_hears_an_internal_end(up: Upstream, transport: DirectTransport) -> None:
    class Broken(Ear):
        def head(self, status: int, headers: object) -> None:
            raise ZeroDivisionError

    up.push(Answer(b"first", STALL))
    ear = Broken()
    transport.open(call(up), ear)
    await ear.over.wait()
    assert [error.kind for error in ear.ends if error] == ["internal"]


# -- dialing


async def test_abort_while_dialing(up: Upstream, transport: DirectTransport) -> None:
    for turns in range(6):
        ear = Ear()
        exchange = transport.open(call(up), ear)
        for _ in range(turns):
            await asyncio.sleep(0)
        exchange.abort()
        await up.until(lambda: not up.open)
        assert (ear.ends, transport.under_way) == ([], 0)


def _certificate(folder: Path) -> Path:
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_with_an_authority_of_ones_own(tmp_path: Path, trusted: bool) -> None:
    file = _certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    transport = DirectTransport(tls=ssl.create_default_context(cafile=str(file)) if trusted else None)
    ear = Ear()
    transport.open(HttpCall(f"https://127.0.0.1:{port}/v1", {}, b"{}"), ear)
    await ear.over.wait()
    await transport.close()
    listening.close()
    if trusted:
        assert (ear.body, ear.ends) == (b"ok", [None])
    else:
        assert codes(ear) == [("network", "tls_failed")]
