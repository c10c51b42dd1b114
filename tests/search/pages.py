"""A small web server on loopback for engines and page reading: handlers by path, every request kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Site:
    """handler: answers everything. asked: what came."""

    handler: Handler | None = None
    asked: list[web.Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)  # type: ignore[arg-type]
        assert self.handler is not None
        return await self.handler(request)  # type: ignore[arg-type]


@asynccontextmanager
async def site(handler: Handler | None = None) -> AsyncIterator[Site]:
    """The server, on a free port."""
    made = Site(handler)
    runner = web.ServerRunner(web.Server(made.answer, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    where = web.TCPSite(runner, "127.0.0.1", 0)
    await where.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
