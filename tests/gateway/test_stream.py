"""The life of a streamed answer: commit, hold, back pressure, keep-alive, disconnect, defects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.events import TextDelta
from dragoman.gateway.app import Gateway
from dragoman.gateway.writer import HIGH
from dragoman.store.sessions import MemorySessions, StoredResponse
from dragoman.store.vault import MemoryVault, VaultEntry
from tests.e2e.world import call as fragment
from tests.e2e.world import chunk, sse
from tests.fakes import settle
from tests.gateway.asgi import ROADS, Call, answered, body_for, chat, exchanges, make, reply

ALL = pytest.mark.parametrize("road", ROADS)
ONE_TRY = "[retry]\nattempts = 1\n"


def question(app: Gateway, road: str, **more: Any) -> Call:
    return Call(app, ROADS[road], body_for(road, **more))


# -- commit


@ALL
@pytest.mark.req(136)
async def test_nothing_is_sent_before_the_first_content(tmp_path: Path, road: str) -> None:
    app = make(tmp_path, "[timeouts]\ncommit = 100\n")
    call = question(app, road)
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(sse(chunk(role="assistant", content=""), done=False))
    await settle()
    assert call.messages == []
    up.feed(chat("Hello"))
    await task
    assert call.status == 200
    assert call.whole


@pytest.mark.req(136)
@pytest.mark.case("A03")
async def test_the_stream_is_committed_a_while_after_the_vendors_200(tmp_path: Path) -> None:
    app = make(tmp_path, "[timeouts]\ncommit = 0.01\n")
    call = question(app, "responses")
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    await call.until(b"response.in_progress")
    assert [e["type"] for e in call.events] == ["response.created", "response.in_progress"]
    up.feed(chat("late"))
    await task
    assert call.events[-1]["type"] == "response.completed"
    assert [e["type"] for e in call.events].count("response.created") == 1


@pytest.mark.req(136)
async def test_the_stream_is_committed_after_waiting_for_headers(tmp_path: Path) -> None:
    app = make(tmp_path, "[timeouts]\ncommit_headers = 0.01\n" + ONE_TRY)
    call = question(app, "responses")
    task = call.start()
    up = await exchanges(app).opened(1)
    await call.until(b"response.in_progress")
    up.head(503, {})
    up.end()
    await task
    assert call.status == 200
    assert call.events[-1]["type"] == "response.failed"


@ALL
@pytest.mark.req(105, 136)
async def test_a_failure_before_the_commit_is_an_http_error(tmp_path: Path, road: str) -> None:
    app = make(tmp_path, ONE_TRY)
    call = question(app, road)
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(503, {})
    up.feed(b'{"error":{"message":"busy"}}')
    up.end()
    await task
    assert (call.status, call.whole) == (502, True)
    assert call.headers["content-type"] == "application/json"
    assert call.error["message"]


@ALL
@pytest.mark.req(105, 136)
async def test_after_content_nothing_is_retried_and_the_failure_is_in_the_stream(tmp_path: Path, road: str) -> None:
    app = make(tmp_path, "[retry]\nattempts = 5\n")
    call = await answered(app, road, chat("part", finish=None, done=False))
    assert call.status == 200
    assert len(exchanges(app).exchanges) == 1
    assert b"part" in call.body
    assert not any(end in call.body for end in (b"response.completed", b"message_stop", b"[DONE]"))
    assert b"error" in call.body


async def test_lifecycle_frames_are_not_repeated_by_the_retry_after_them(tmp_path: Path) -> None:
    app = make(tmp_path, "[timeouts]\ncommit_headers = 0.01\n[retry]\nattempts = 5\n")
    app.gate._engine = None
    call = question(app, "responses")
    task = call.start()
    first = await exchanges(app).opened(1)
    await call.until(b"response.in_progress")
    first.head(500, {"retry-after": "0"})
    first.end()
    second = await exchanges(app).opened(2)
    second.head(200)
    second.feed(chat("good"))
    await task
    types = [e["type"] for e in call.events]
    assert types.count("response.created") == 1
    assert types[-1] == "response.completed"


# -- one send a read


@ALL
async def test_all_events_of_one_read_leave_in_one_send(tmp_path: Path, road: str) -> None:
    app = make(tmp_path)
    call = question(app, road)
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(sse(*(chunk(content=f"w{i} ") for i in range(50)), done=False))
    await settle()
    assert [m["type"] for m in call.messages] == ["http.response.start", "http.response.body"]
    assert b"w49" in call.body
    up.feed(chat("end"))
    await task
    assert len(call.messages) == 3


# -- keep-alive


@pytest.mark.req(152)
@pytest.mark.parametrize(
    ("road", "sign"), [("responses", b"response.in_progress"), ("messages", b"event: ping"), ("chat", b": keepalive")]
)
async def test_silence_is_filled_with_signs_of_life(tmp_path: Path, road: str, sign: bytes) -> None:
    app = make(tmp_path, "[timeouts]\nkeepalive = 0.02\n")
    call = question(app, road)
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(sse(chunk(content="word"), done=False))
    await call.until(b"word")
    seen = len(call.body)
    await call.until(b": keepalive")
    quiet = call.body[seen:]
    assert quiet.startswith(b": keepalive\n\n")
    assert sign in quiet
    assert all(line.startswith((b":", b"event:", b"data:")) or not line for line in quiet.split(b"\n"))
    up.feed(chat("end"))
    await task
    assert call.whole


@pytest.mark.req(152)
async def test_no_sign_of_life_before_the_commit(tmp_path: Path) -> None:
    app = make(tmp_path, "[timeouts]\nkeepalive = 0.005\ncommit = 50\n")
    call = question(app, "chat")
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    await asyncio.sleep(0.05)
    assert call.messages == []
    up.feed(chat("x"))
    await task


# -- disconnect


@ALL
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.req(19, 108, 109)
@pytest.mark.case("C19")
async def test_when_the_client_goes_the_call_is_cut_and_logged(
    tmp_path: Path, road: str, stream: bool, begun: bool
) -> None:
    app = make(tmp_path)
    call = Call(app, ROADS[road], body_for(road, stream))
    task = call.start()
    up = await exchanges(app).opened(1)
    if begun:
        up.head(200)
        usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
        data = chunk(content="part", usage=usage)
        up.feed(sse(data, done=False) if stream else b'{"choices":')
        await settle()
    call.leave()
    await task
    assert up.log[-1] == "abort"
    (line,) = app.lines()  # type: ignore[attr-defined]
    assert line["outcome"] == "aborted"
    assert not call.whole
    if begun and stream:
        assert line["tokens"]["input"] == 7


# -- back pressure


async def test_a_slow_client_makes_the_vendor_wait(tmp_path: Path) -> None:
    app = make(tmp_path)
    call = question(app, "chat")
    call.slow = asyncio.Event()
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(sse(chunk(content="first"), done=False))
    await settle()
    piece = "x" * 60_000
    fed = 0
    while "pause" not in up.log:
        up.feed(sse(chunk(content=piece), done=False))
        fed += len(piece)
        await settle(2)
        assert fed < 4 * HIGH
    assert fed >= HIGH - 2 * len(piece)
    call.slow.set()
    call.slow = None
    await settle()
    assert up.log == ["pause", "resume"]
    up.feed(chat("end"))
    await task
    assert call.body.count(b"x") >= fed


# -- remembered before told


class SlowVault(MemoryVault):
    """Writes wait until the test lets them. `failing` makes them fail."""

    def __init__(self) -> None:
        super().__init__(1_000_000, 60)
        self.free = asyncio.Event()
        self.failing = False
        self.asked = 0

    async def _later(self, key: str, entry: VaultEntry) -> None:
        await self.free.wait()
        if self.failing:
            raise OSError("the vault is broken")
        super().put(key, entry)

    def put(self, key: str, entry: VaultEntry) -> Any:
        self.asked += 1
        return self._later(key, entry)


CALL = sse(chunk(reasoning_content="why"), chunk(**fragment(0, "c1", "f", "{}")), chunk("tool_calls"))
ENDS = {"responses": b"response.output_item.done", "chat": b'finish_reason":"tool_calls', "messages": b"message_stop"}


def tools(road: str) -> dict[str, Any]:
    if road == "messages":
        return {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}
    function = {"name": "f", "parameters": {"type": "object"}}
    return {"tools": [{"type": "function", **(function if road == "responses" else {"function": function})}]}


@ALL
async def test_a_call_is_told_only_after_the_vault_has_it(tmp_path: Path, road: str) -> None:
    vault = SlowVault()
    app = make(tmp_path, vault=vault)
    call = question(app, road, **tools(road))
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(CALL)
    up.end()
    await settle()
    assert vault.asked == 1
    assert b"why" in call.body
    item_done = [e for e in call.events if e.get("type") == "response.output_item.done"]
    assert [e["item"]["type"] for e in item_done] == (["reasoning"] if road == "responses" else [])
    assert b'tool_calls"}' not in call.body and b"message_stop" not in call.body
    vault.free.set()
    await task
    assert call.whole
    assert len(vault) >= 1
    assert ENDS[road] in call.body


@ALL
@pytest.mark.parametrize("how", ["slow", "failing"])
async def test_a_vault_that_is_away_is_skipped_with_a_note(tmp_path: Path, road: str, how: str) -> None:
    vault = SlowVault()
    if how == "failing":
        vault.failing = True
        vault.free.set()
    app = make(tmp_path, vault=vault)
    call = question(app, road, **tools(road))
    await reply(app, call, CALL)
    assert ENDS[road] in call.body
    assert b"vault_skipped" in call.body
    (line,) = app.lines()  # type: ignore[attr-defined]
    assert "vault_skipped" in line["notes"]
    assert line["outcome"] == "finished"


class SlowSessions(MemorySessions):
    """As SlowVault."""

    def __init__(self, failing: bool = False) -> None:
        super().__init__(1_000_000, 60)
        self.free = asyncio.Event()
        self.failing = failing

    async def _later(self, record: StoredResponse) -> None:
        await self.free.wait()
        if self.failing:
            raise OSError("the disk is full")
        super().put(record)

    def put(self, record: StoredResponse) -> Any:
        return self._later(record)


async def test_the_end_is_told_only_after_the_response_is_stored(tmp_path: Path) -> None:
    store = SlowSessions()
    app = make(tmp_path, sessions=store)
    call = question(app, "responses")
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(chat("text"))
    await settle()
    assert b"text" in call.body
    assert b"response.completed" not in call.body
    store.free.set()
    await task
    assert call.events[-1]["type"] == "response.completed"
    assert len(store) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("late", [True, False])
async def test_a_response_that_cannot_be_stored_fails(tmp_path: Path, stream: bool, late: bool) -> None:
    store: Any = SlowSessions(failing=True)
    store.free.set()
    if not late:

        def put(record: StoredResponse) -> None:
            raise OSError("the disk is full")

        store.put = put
    app = make(tmp_path, sessions=store)
    upstream = chat("text") if stream else b'{"choices":[{"message":{"content":"text"},"finish_reason":"stop"}]}'
    call = await answered(app, "responses", upstream, stream)
    if stream:
        last = call.events[-1]
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["error"]["code"] == "server_error"
        assert [e["sequence_number"] for e in call.events] == list(range(len(call.events)))
    else:
        assert (call.status, call.error["code"]) == (500, "server_error")
    (line,) = app.lines()  # type: ignore[attr-defined]
    assert line["outcome"] == "failed"


# -- defects of our own


class Broken:
    """An encoder that fails at some text."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def encode(self, events: Sequence[Any]) -> Any:
        if any(isinstance(e, TextDelta) and "boom" in e.text for e in events):
            raise RuntimeError("secret content")
        return self.real.encode(list(events))


@ALL
async def test_a_defect_in_mid_stream_is_a_failure_not_a_hang(
    tmp_path: Path, road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.gateway.wires import wire

    package: Any = wire(road)  # type: ignore[arg-type]
    real = package.Encoder
    monkeypatch.setattr(package, "Encoder", lambda *args: Broken(real(*args)))
    app = make(tmp_path)
    call = question(app, road)
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(sse(chunk(content="fine"), done=False))
    up.feed(sse(chunk(content="boom"), done=False))
    await task
    assert b"fine" in call.body
    assert b"error" in call.body
    assert not any(end in call.body for end in (b"response.completed", b"message_stop", b"[DONE]"))
    trouble = next(line for line in app.lines() if line["event"] == "defect")  # type: ignore[attr-defined]
    assert trouble["exception"] == "RuntimeError"
    assert "secret content" not in json.dumps(app.lines())  # type: ignore[attr-defined]


@ALL
async def test_a_defect_in_a_whole_answer_is_a_500_in_the_clients_shape(
    tmp_path: Path, road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.gateway.wires import wire

    def broken(*args: Any) -> bytes:
        raise RuntimeError("secret content")

    monkeypatch.setattr(wire(road), "encode_whole", broken)  # type: ignore[arg-type]
    app = make(tmp_path)
    upstream = b'{"choices":[{"message":{"content":"text"},"finish_reason":"stop"}]}'
    call = await answered(app, road, upstream, stream=False)
    assert call.status == 500
    assert "log" in call.error["message"]
    assert call.headers["x-should-retry"] == "false"
