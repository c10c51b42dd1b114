"""Law 12 with a search between two calls: cancelled or left at any step, search and calls are let go, one line is logged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.messages import SearchSource
from dragoman.gateway.app import Gateway
from dragoman.search.engine import SearchAsk
from tests.e2e.world import call as fragment
from tests.e2e.world import chunk, sse
from tests.fakes import MemoryExchange, MemoryTransport, settle
from tests.gateway.asgi import ROADS, Call, body_for, make
from tests.harness import cancel_at_every_step

CONFIG = '[search]\nmode = "managed"\nengine = "searxng"\nurl = "http://127.0.0.1:9"\n'
DECLARED: dict[str, dict[str, Any]] = {
    "responses": {"type": "web_search"},
    "chat": {"type": "web_search"},
    "messages": {"type": "web_search_20250305", "name": "web_search"},
}
ROUNDS = [
    [
        sse(chunk(reasoning_content="why"), done=False),
        sse(chunk(content="Looking."), chunk(**fragment(0, "c1", "web_search", '{"query": "x"}')), done=False),
        sse(chunk("tool_calls")),
    ],
    [sse(chunk(content="Found [1]."), done=False), sse(chunk("stop"))],
]
WHOLE = [
    [
        b'{"choices":[{"message":{"content":"Looking.","tool_calls":[{"id":"c1","type":"function","function":'
        b'{"name":"web_search","arguments":"{\\"query\\":\\"x\\"}"}}]},"finish_reason":"tool_calls"}]}'
    ],
    [b'{"choices":[{"message":{"content":"Found [1]."},"finish_reason":"stop"}]}'],
]


class Engine:
    """Takes a few turns of the loop for each search. running: those under way."""

    name = "toy"

    def __init__(self) -> None:
        self.running = 0
        self.closed = 0

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        self.running += 1
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            return (SearchSource("https://a.example/", "A", "text"),)
        finally:
            self.running -= 1

    async def close(self) -> None:
        self.closed += 1


class Scripted(MemoryTransport):
    """Answers each call with its round, a piece per turn of the loop."""

    def __init__(self, rounds: list[list[bytes]]) -> None:
        super().__init__()
        self.rounds = list(rounds)

    def open(self, call: Any, sink: Any) -> MemoryExchange:
        exchange = super().open(call, sink)
        loop = asyncio.get_running_loop()
        pieces = self.rounds.pop(0)
        steps = [lambda: exchange.head(200), *(lambda p=p: exchange.feed(p) for p in pieces), exchange.end]

        def step() -> None:
            steps.pop(0)()
            if steps and exchange.live:
                loop.call_soon(step)

        loop.call_soon(step)
        return exchange


def built(tmp_path: Path, stream: bool) -> tuple[Gateway, Scripted, Engine]:
    transport, engine = Scripted(ROUNDS if stream else WHOLE), Engine()
    return make(tmp_path, CONFIG, transport=transport, engine=engine), transport, engine


@pytest.mark.req(12, 139, 147)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("stream", [True, False])
async def test_cancelled_at_every_step_nothing_is_left(tmp_path: Path, road: str, stream: bool) -> None:
    made: list[tuple[Gateway, Scripted, Engine, Call]] = []
    before = asyncio.all_tasks()

    async def once(k: int) -> None:
        app, transport, engine = built(tmp_path, stream)
        call = Call(app, ROADS[road], body_for(road, stream, tools=[DECLARED[road]]))
        made.append((app, transport, engine, call))
        await call.run()

    async def check(k: int, cancelled: bool) -> None:
        app, transport, engine, call = made[-1]
        await settle(20)
        assert all(not e.live for e in transport.exchanges), f"step {k}: an upstream call lives on"
        assert engine.running == 0, f"step {k}: a search runs on"
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}, f"step {k}: a task lives on"
        lines = [line for line in app.lines() if line["event"] == "request"]  # type: ignore[attr-defined]
        if transport.exchanges:
            assert len(lines) == 1, f"step {k}: {len(lines)} lines in the log"
        if not cancelled:
            assert (call.status, call.whole, len(transport.exchanges)) == (200, True, 2)
            assert (lines[0]["attempts"], lines[0]["searches"]) == (2, 1)

    assert await cancel_at_every_step(once, check) > 5
    app, _, engine, _ = made[-1]
    await app.gate.close()
    assert engine.closed == 1


@pytest.mark.req(147)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_at_any_turn_takes_the_search_with_it(
    tmp_path: Path, road: str, stream: bool
) -> None:
    for turns in range(0, 60, 2):
        app, transport, engine = built(tmp_path, stream)
        call = Call(app, ROADS[road], body_for(road, stream, tools=[DECLARED[road]]))
        task = call.start()
        await settle(turns)
        call.leave()
        await task
        await settle(20)
        assert all(not e.live for e in transport.exchanges), f"after {turns} turns"
        assert engine.running == 0, f"after {turns} turns"
