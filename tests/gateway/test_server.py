"""The server as it is served: real sockets, uvicorn, upgrade requests, slow clients, draining at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from dragoman.config import load
from dragoman.errors import ConfigError
from dragoman.gateway.app import create_app
from dragoman.gateway.server import make_server
from tests.e2e.world import chunk, sse
from tests.fakes import STALL, Answer, Upstream

BODY = {"model": "xiaomi/m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


@asynccontextmanager
async def served(tmp_path: Path, up: Upstream, **env: str) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    file = tmp_path / "dragoman.toml"
    file.write_text("[server]\nport = 0\n")
    base = {"MIMO_API_KEY": "sk-x", "MIMO_BASE_URL": up.url, "DRAGOMAN_HOME": str(tmp_path / "home")}
    server = make_server(load(path=file, env={**base, **env}))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.005)
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def post(port: int, body: object = BODY) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    raw = json.dumps(body).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n%b" % (len(raw), raw)
    )
    return reader, writer


def test_the_server_is_the_conventional_one(tmp_path: Path) -> None:
    settings = load(path=None, env={"MIMO_API_KEY": "sk-x", "DRAGOMAN_HOME": str(tmp_path)})
    config = make_server(settings).config
    assert (config.loop, config.http, config.ws) == ("uvloop", "httptools", "none")
    assert (config.host, config.port) == ("127.0.0.1", 3724)


def test_stores_that_are_not_there_are_refused(tmp_path: Path) -> None:
    env = {"MIMO_API_KEY": "sk-x", "DRAGOMAN_HOME": str(tmp_path)}
    for more, word in (
        ({"DRAGOMAN_STORES__REDIS_URL": "redis://127.0.0.1"}, "SEAL_KEYS"),
        ({"DRAGOMAN_SESSIONS__MODE": "sql"}, "memory"),
        ({"DRAGOMAN_STORES__URL": "sqlite:///x.db", "DRAGOMAN_SEAL_KEYS": "correct horse battery"}, "memory"),
    ):
        with pytest.raises(ConfigError, match=word):
            create_app(load(path=None, env={**env, **more}))


@pytest.mark.req(104)
async def test_an_upgrade_over_a_real_socket_is_a_426(tmp_path: Path) -> None:
    async with Upstream() as up, served(tmp_path, up) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b" 426 " in await reader.readline()
        writer.close()


@pytest.mark.req(19, 109)
@pytest.mark.case("C19")
async def test_a_client_that_resets_ends_the_upstream_call(tmp_path: Path) -> None:
    async with Upstream() as up, served(tmp_path, up) as (_, port):
        up.push(Answer(sse(chunk(content="part"), done=False), STALL))
        reader, writer = await post(port)
        await reader.readuntil(b"part")
        writer.transport.abort()
        await asyncio.wait_for(up.until(lambda: up.disconnects == 1), 5)
        assert not up.open


@pytest.mark.req(154)
async def test_a_graceful_stop_lets_answers_end(tmp_path: Path) -> None:
    async with Upstream() as up:
        go_on = asyncio.Event()
        async with served(tmp_path, up) as (server, port):
            up.push(Answer(sse(chunk(content="first"), done=False), go_on, sse(chunk(content="last"), chunk("stop"))))
            reader, writer = await post(port)
            await reader.readuntil(b"first")
            server.should_exit = True
            while server.servers and server.servers[0].is_serving():
                await asyncio.sleep(0.01)
            go_on.set()
            rest = await reader.readuntil(b"[DONE]")
            assert b"last" in rest
            writer.close()


async def test_two_requests_on_one_connection(tmp_path: Path) -> None:
    async with Upstream() as up, served(tmp_path, up) as (_, port):
        up.always = lambda: Answer(sse(chunk(content="hello"), chunk("stop")))
        reader, writer = await post(port)
        await reader.readuntil(b"[DONE]")
        await reader.readuntil(b"0\r\n\r\n")
        raw = json.dumps(BODY).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(raw), raw)
        )
        assert b"hello" in await reader.readuntil(b"[DONE]")
        writer.close()
        assert len(up.requests) == 2
