"""Serving an ASGI application with uvicorn, in this process: for `dragoman simulate`, the demo and tests.

`serving` binds first and reports readiness, so nobody has to guess a port or wait. Signals stay with the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from typing import Any

import uvicorn

from dragoman.simulator.app import Simulator
from dragoman.simulator.requests import ScriptEntry

App = Callable[[Any, Any, Any], Awaitable[None]]


class _Server(uvicorn.Server):
    """A server that leaves signals alone and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.over = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """No handlers are installed: the caller owns the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As the base does, then reports."""
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Waits for the end instead of asking ten times a second."""
        await self.on_tick(0)
        await self.over.wait()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes a free one. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def serving(
    app: App, host: str = "127.0.0.1", port: int = 0, *, grace: int = 1, lifespan: bool = False
) -> AsyncIterator[str]:
    """Serves `app` while the block runs and gives its base URL.

    grace: seconds that open streams get at the end. lifespan: the application wants to hear of start and end.
    """
    listener = bind(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="on" if lifespan else "off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=grace,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{listener.getsockname()[1]}"
    finally:
        ready.cancel()
        server.should_exit = True
        server.over.set()
        await task
        listener.close()


@contextlib.asynccontextmanager
async def running_simulator(
    profile: str = "xiaomi",
    key: str | None = None,
    *,
    script: Iterable[ScriptEntry] = (),
    search: bool = False,
    fixed_ids: bool = False,
    split: bool = True,
    manners: Iterable[str] = (),
    port: int = 0,
) -> AsyncIterator[Simulator]:
    """A simulator on a loopback port while the block runs; `sim.url` is what stands before the vendor's paths."""
    simulator = Simulator(profile, key, script=script, search=search, fixed_ids=fixed_ids, split=split, manners=manners)
    async with serving(simulator, port=port) as url:
        simulator.url = url
        yield simulator
