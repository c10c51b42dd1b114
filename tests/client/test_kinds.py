"""Every kind of failure by its own name, from a vendor that misbehaves on the socket to the caller's exception."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman import Client, DragomanError, Failed, Incomplete, RetryPolicy, TextDelta, Timeouts
from dragoman.config import load
from tests.e2e.world import RESET, Answer, Upstream, chunk, sse

KEY = "sk-test-1234567890"
ONCE = RetryPolicy(attempts=1)


def refusal(status: int, message: str = "no", **more: Any) -> Answer:
    """An HTTP error of the common form."""
    return Answer(json={"error": {"message": message, **more}}, status=status)


def told(**error: Any) -> Answer:
    """An error object inside of a stream."""
    return Answer.stream(chunk(content="x"), {"error": error}, done=False)


FAILURES: list[tuple[str, Callable[[], Answer]]] = [
    ("auth", lambda: refusal(401)),
    ("auth", lambda: refusal(403)),
    ("rate_limit", lambda: refusal(429, "too many tokens in this minute")),
    ("rate_limit", lambda: Answer(json=b"", status=429)),
    ("overloaded", lambda: refusal(503)),
    ("overloaded", lambda: refusal(529)),
    ("overloaded", lambda: told(type="overloaded_error", message="Overloaded")),
    ("overflow", lambda: refusal(400, "This model's maximum context length is 10 tokens")),
    ("overflow", lambda: told(code="context_length_exceeded", message="too much")),
    ("overflow", lambda: told(message="This model's maximum context length is 10 tokens")),
    ("overflow", lambda: refusal(413, "prompt is too long: 300000 tokens > 200000 maximum")),
    ("invalid_request", lambda: refusal(400)),
    ("server", lambda: refusal(500)),
    ("server", lambda: told(message="upstream exploded")),
    ("network", lambda: Answer([RESET])),
    ("timeout", lambda: Answer([asyncio.Event()])),
    ("timeout", lambda: refusal(504)),
    ("content_filter", lambda: refusal(400, code="content_filter")),
]


@asynccontextmanager
async def vendor(tmp: Path, wire: str = "chat") -> AsyncIterator[tuple[Upstream, Client]]:
    """A client of one scripted server that speaks `wire`, and that is asked once."""
    upstream = Upstream()
    port = await upstream.start()
    file = tmp / "my.toml"
    file.write_text(f'[providers.mine]\nbase_url = "http://127.0.0.1:{port}"\napi_key = "{KEY}"\nwire = "{wire}"\n')
    limits = Timeouts(first_byte=5, idle=0.2)
    try:
        async with Client(settings=load(file, {"HOME": str(tmp)}), retry=ONCE, timeouts=limits) as client:
            yield upstream, client
    finally:
        await upstream.stop()


async def kind_of(client: Client, upstream: Upstream, answer: Answer) -> list[str]:
    """The kind of the terminal event of a stream, and of the exception of a whole answer."""
    upstream.push(answer)
    events = [event async for event in client.stream(model="mine:m", messages="hi")]
    last = events[-1]
    assert isinstance(last, Failed)
    upstream.push(answer)
    with pytest.raises(DragomanError) as caught:
        await client.complete(model="mine:m", messages="hi")
    return [last.error.kind, caught.value.info.kind]


@pytest.mark.req(98, 100, 101)
async def test_every_kind_of_failure_has_its_name(tmp_path: Path) -> None:
    async with vendor(tmp_path) as (upstream, client):
        for kind, answer in FAILURES:
            assert await kind_of(client, upstream, answer()) == [kind, kind], (kind, answer())


CUT: dict[str, list[dict[str, Any]]] = {
    "chat": [chunk(content="x")],
    "messages": [
        {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
    ],
    "responses": [
        {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "id": "i", "role": "assistant", "content": [], "status": "in_progress"},
        },
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "x"},
    ],
}


MARKERS = {
    "chat": "data: [DONE]\n\n",
    "messages": 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "responses": "data: [DONE]\n\n",
}


@pytest.mark.req(98)
@pytest.mark.parametrize("wire", CUT)
@pytest.mark.parametrize("done", [True, False], ids=["marker", "closed"])
async def test_a_stream_that_just_stops_is_truncated(tmp_path: Path, wire: str, done: bool) -> None:
    lines = [f"event: {e.get('type', 'x')}\n" if wire != "chat" else "" for e in CUT[wire]]
    body = "".join(f"{line}data: {json.dumps(e)}\n\n" for line, e in zip(lines, CUT[wire], strict=True))
    if done:
        body += MARKERS[wire]
    async with vendor(tmp_path, wire) as (upstream, client):
        assert await kind_of(client, upstream, Answer([body.encode()])) == ["truncated", "truncated"]


@pytest.mark.req(98)
async def test_a_call_that_its_caller_ends_is_aborted(tmp_path: Path) -> None:
    async with vendor(tmp_path) as (upstream, client):
        upstream.push(Answer([sse(chunk(content="x"), done=False), asyncio.Event()]))
        stream = client.stream(model="mine:m", messages="hi")
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        await stream.aclose()
        assert isinstance(stream.end, Failed) and stream.end.error.kind == "aborted"


FULL: dict[str, list[dict[str, Any]]] = {
    "chat": [chunk(content="x"), chunk("model_context_window_exceeded")],
    "messages": [
        *CUT["messages"],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "model_context_window_exceeded"}, "usage": {}},
        {"type": "message_stop"},
    ],
}


@pytest.mark.req(101)
@pytest.mark.parametrize("wire", FULL)
async def test_a_full_window_is_a_reason_to_stop(tmp_path: Path, wire: str) -> None:
    lines = [f"event: {e.get('type', 'x')}\n" if wire != "chat" else "" for e in FULL[wire]]
    body = "".join(f"{line}data: {json.dumps(e)}\n\n" for line, e in zip(lines, FULL[wire], strict=True))
    async with vendor(tmp_path, wire) as (upstream, client):
        upstream.push(Answer([body.encode()]), Answer([body.encode()]))
        events = [event async for event in client.stream(model="mine:m", messages="hi")]
        whole = await client.complete(model="mine:m", messages="hi")
    for end in (events[-1], whole.end):
        assert isinstance(end, Incomplete) and end.reason == "context_window"
    assert whole.text == "x"
