"""The limits of `[timeouts]`, each by itself: which one ends a call says its message, on every endpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dragoman import Client, DragomanError
from dragoman.config import load
from tests.e2e.endpoints import ENDPOINTS, ask, read
from tests.e2e.world import Answer, Upstream, chunk, sse, world

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
everywhere = pytest.mark.parametrize("endpoint", ENDPOINTS)
LONG = {"connect": 60, "first_byte": 60, "idle": 60, "total": 0}


def limits(**short: float) -> str:
    """The section with one short limit and long others."""
    lines = [f"{name} = {value}" for name, value in {**LONG, **short}.items()]
    return "[retry]\nattempts = 1\n[timeouts]\n" + "\n".join(lines) + "\n"


async def deaf() -> tuple[asyncio.Server, str]:
    """A server that takes a request and never answers."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.req(103)
@everywhere
@both
async def test_the_first_byte(tmp_path: Path, endpoint: str, stream: bool) -> None:
    server, url = await deaf()
    async with world(limits(first_byte=0.1), tmp=tmp_path, env={"MIMO_BASE_URL": url}) as w:
        said = read(endpoint, await ask(w, endpoint, stream=stream), stream=stream)
    server.close()
    assert (said.end, "timeouts.first_byte" in said.error) == ("failed", True)


@pytest.mark.req(103)
@everywhere
@both
async def test_silence_and_the_whole(tmp_path: Path, endpoint: str, stream: bool) -> None:
    for name in ("idle", "total"):
        async with world(limits(**{name: 0.2}), tmp=tmp_path) as w:
            w.upstream.push(Answer([sse(chunk(content="x"), done=False), asyncio.Event()]))
            said = read(endpoint, await ask(w, endpoint, stream=stream), stream=stream)
        assert (said.end, f"timeouts.{name}" in said.error) == ("failed", True)


@pytest.mark.req(103)
async def test_the_library_takes_them_from_the_same_file(tmp_path: Path) -> None:
    upstream = Upstream()
    port = await upstream.start()
    server, url = await deaf()
    for name, where in (
        ("first_byte", url),
        ("idle", f"http://127.0.0.1:{port}"),
        ("total", f"http://127.0.0.1:{port}"),
    ):
        file = tmp_path / f"{name}.toml"
        file.write_text(limits(**{name: 0.2}) + f'[providers.mine]\nbase_url = "{where}"\n')
        upstream.push(Answer([sse(chunk(content="x"), done=False), asyncio.Event()]))
        async with Client(settings=load(file, {"HOME": str(tmp_path)})) as client:
            with pytest.raises(DragomanError) as caught:
                await client.complete(model="mine:m", messages="hi")
        assert (caught.value.info.kind, caught.value.info.code) == ("timeout", f"{name}_timeout")
    server.close()
    await upstream.stop()
