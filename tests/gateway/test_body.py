"""Reading bodies: encodings, limits, bombs; and which protocol a body speaks."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from dragoman.errors import BodyTooLarge, InvalidRequest
from dragoman.gateway import body as reading
from dragoman.gateway.body import Gone, detect, read_body
from tests.gateway.asgi import ROADS, Call, body_for, exchanges, make

zstd = reading._zstd()
TEXT = json.dumps({"a": "x" * 5000}).encode()


def raw_deflate(data: bytes) -> bytes:
    pack = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return pack.compress(data) + pack.flush()


def zstd_pack(data: bytes) -> bytes:
    return bytes(zstd.compress(data))


def gzip_members(data: bytes) -> bytes:
    return gzip.compress(data[:99]) + gzip.compress(data[99:])


def zstd_frames(data: bytes) -> bytes:
    return zstd_pack(data[:99]) + zstd_pack(data[99:])


def call(data: bytes, encoding: str | None = None, size: int = 700, **headers: str) -> Call:
    parts = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
    given = {"content-encoding": encoding} if encoding else {}
    return Call(None, "/", parts=parts, headers={**given, **{k.replace("_", "-"): v for k, v in headers.items()}})


async def read(one: Call, limit: int = 10_000) -> bytes:
    return await read_body(one.scope, one.receive, limit)


@pytest.mark.req(145)
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        (None, bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("gzip", gzip_members),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("zstd", zstd_pack),
        ("zstd", zstd_frames),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_every_encoding_gives_the_same_bytes(encoding: str | None, pack: Any, size: int) -> None:
    assert await read(call(pack(TEXT), encoding, size)) == TEXT


async def test_an_empty_body_is_empty() -> None:
    assert await read(call(b"")) == b""


@pytest.mark.req(145)
@pytest.mark.parametrize(
    ("encoding", "pack"), [(None, bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd_pack)]
)
async def test_the_limit_is_on_the_decoded_size(encoding: str | None, pack: Any) -> None:
    data = pack(b"x" * 10_000)
    assert len(await read(call(data, encoding))) == 10_000
    with pytest.raises(BodyTooLarge) as caught:
        await read(call(pack(b"x" * 10_001), encoding))
    assert caught.value.info.http_status == 413


@pytest.mark.req(145)
async def test_a_bomb_is_stopped_before_it_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    real = reading._Decoder._keep

    def keep(self: Any, data: bytes) -> None:
        nonlocal made
        made += len(data)
        real(self, data)

    monkeypatch.setattr(reading._Decoder, "_keep", keep)
    for encoding, pack in (("gzip", gzip.compress), ("zstd", zstd_pack)):
        made = 0
        with pytest.raises(BodyTooLarge):
            await read(call(pack(b"\0" * 50_000_000), encoding, 100_000))
        assert made <= 10_001


async def test_a_declared_length_over_the_limit_is_refused_and_the_rest_read_away() -> None:
    one = call(b"x" * 20_000, content_length="20000")
    with pytest.raises(BodyTooLarge):
        await read(one)
    assert one.read == len(one.parts)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip"),
        (gzip.compress(TEXT, mtime=0) + b"more", "gzip"),
        (b"\xff\xff", "deflate"),
        (b"", "gzip"),
        (b"plain", "zstd"),
        (zstd_pack(TEXT)[:-3], "zstd"),
        (b"", "zstd"),
    ],
)
async def test_what_is_not_what_it_says_is_a_400(data: bytes, encoding: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await read(call(data, encoding))
    assert (caught.value.info.http_status, caught.value.info.param) == (400, "content-encoding")


@pytest.mark.parametrize("encoding", ["br", "gzip, deflate", "compress"])
async def test_an_unknown_encoding_is_a_415(encoding: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await read(call(TEXT, encoding))
    assert caught.value.info.http_status == 415


async def test_a_client_that_goes_while_sending_is_gone() -> None:
    one = call(b"x")
    one.leave()
    one.parts.clear()
    with pytest.raises(Gone):
        await read(one)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.req(145)
async def test_limits_are_told_in_the_clients_shape(tmp_path: Path, road: str) -> None:
    app = make(tmp_path, "[server]\nmax_body_mb = 0.001\n")
    big = body_for(road, user="x" * 5000)
    one = await Call(app, ROADS[road], big).run()
    assert one.status == 413
    assert "max_body_mb" in one.error["message"]
    one = await Call(
        app, ROADS[road], gzip.compress(json.dumps(big).encode()), headers={"content-encoding": "gzip"}
    ).run()
    assert one.status == 413
    one = await Call(app, ROADS[road], b"x", headers={"content-encoding": "br"}).run()
    assert one.status == 415
    assert exchanges(app).exchanges == []


# -- shapes


@pytest.mark.req(104)
@pytest.mark.parametrize(
    ("path", "body", "wire"),
    [
        ("chat", {"messages": []}, "chat"),
        ("chat", {"input": "x"}, "responses"),
        ("chat", {"input": "x", "messages": []}, "chat"),
        ("chat", {}, "chat"),
        ("responses", {"input": "x"}, "responses"),
        ("responses", {"messages": []}, "chat"),
        ("responses", {"previous_response_id": "r"}, "responses"),
        ("messages", {"input": "x"}, "messages"),
        ("messages", {"messages": []}, "messages"),
    ],
)
def test_the_shape_decides(path: Any, body: Any, wire: str) -> None:
    found, notes = detect(path, json.dumps(body).encode())
    assert found == wire
    assert [n.code for n in notes] == (["shape_detected"] if wire != path else [])


@pytest.mark.parametrize("body", [b"", b"[", b"[1]", b"[" * 100_000, b"\xff"])
def test_what_cannot_be_read_is_left_to_the_paths_own_codec(body: bytes) -> None:
    assert detect("chat", body) == ("chat", ())
