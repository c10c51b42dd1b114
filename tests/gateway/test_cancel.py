"""Law 12 for a whole request: cancelled at any step, the upstream is let go, nothing runs on, and the log has a line."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway.app import Gateway
from tests.e2e.world import call as fragment
from tests.e2e.world import chunk, sse
from tests.fakes import MemoryExchange, MemoryTransport, settle
from tests.gateway.asgi import ROADS, Call, body_for, make
from tests.gateway.test_stream import SlowSessions, SlowVault, tools
from tests.harness import cancel_at_every_step

STREAM = [
    sse(chunk(reasoning_content="why"), done=False),
    sse(chunk(content="text"), done=False),
    sse(chunk(**fragment(0, "c1", "f", "{}")), done=False),
    sse(chunk("tool_calls")),
]
WHOLE = [b'{"choices":[{"message":{"content":"text","reasoning_content":"why"},', b'"finish_reason":"stop"}]}']


class Scripted(MemoryTransport):
    """Answers every call by itself, a piece per turn of the loop."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__()
        self.pieces = pieces

    def open(self, call: Any, sink: Any) -> MemoryExchange:
        exchange = super().open(call, sink)
        loop = asyncio.get_running_loop()
        steps = [lambda: exchange.head(200), *(lambda p=p: exchange.feed(p) for p in self.pieces), exchange.end]

        def step() -> None:
            steps.pop(0)()
            if steps:
                loop.call_soon(step)

        loop.call_soon(step)
        return exchange


async def free(app: Gateway) -> None:
    """Lets the slow stores go on after a few turns of the loop."""
    await settle(12)
    for store in (app.gate.vault, app.gate.sessions):
        store.free.set()  # type: ignore[union-attr]


@pytest.mark.req(12, 108, 139)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("stream", [True, False])
async def test_cancelled_at_every_step_nothing_is_left(tmp_path: Path, road: str, stream: bool) -> None:
    made: list[tuple[Gateway, Scripted, Call]] = []
    before = asyncio.all_tasks()

    async def once(k: int) -> None:
        transport = Scripted(STREAM if stream else WHOLE)
        app = make(tmp_path, transport=transport, vault=SlowVault(), sessions=SlowSessions())
        call = Call(app, ROADS[road], body_for(road, stream, **tools(road)))
        made.append((app, transport, call))
        helper = asyncio.get_running_loop().create_task(free(app))
        try:
            await call.run()
        finally:
            helper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await helper

    async def check(k: int, cancelled: bool) -> None:
        app, transport, call = made[-1]
        await settle()
        assert all(not e.live for e in transport.exchanges), f"step {k}: the upstream call lives on"
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}, f"step {k}: a task lives on"
        lines = [line for line in app.lines() if line["event"] == "request"]  # type: ignore[attr-defined]
        if transport.exchanges:
            assert len(lines) == 1, f"step {k}: {len(lines)} lines in the log"
        if not cancelled:
            assert call.whole
            assert call.status == 200

    rounds = await cancel_at_every_step(once, check)
    assert rounds > 5
    assert made[-1][2].whole
