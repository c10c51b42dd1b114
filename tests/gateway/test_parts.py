"""The small machines: the commit clock, the outbox, the token estimate, stored chains."""

from __future__ import annotations

import pytest
from msgspec import Raw

from dragoman.core.messages import Media, Message, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.request import Request
from dragoman.core.tools import Tool
from dragoman.errors import InvalidRequest
from dragoman.gateway import sessions
from dragoman.gateway.commit import CommitClock
from dragoman.gateway.counting import Calibration, estimate, text_tokens
from dragoman.gateway.writer import Outbox
from dragoman.store.sessions import MemorySessions, StoredResponse

# -- commit


@pytest.mark.req(136)
@pytest.mark.parametrize(
    ("oks", "deadline"),
    [([], 110), ([101], 102), ([109.5], 110), ([101, 105], 102), ([120], 110)],
)
def test_the_deadline_is_whatever_comes_first(oks: list[float], deadline: float) -> None:
    clock = CommitClock(100, 1, 10)
    for now in oks:
        before = clock.deadline
        assert clock.upstream_ok(now) == (clock.deadline < before)
    assert clock.deadline == deadline
    assert not clock.due(deadline - 0.01)
    assert clock.due(deadline)


# -- the outbox


async def test_the_outbox_asks_once_to_wait_and_once_to_go_on() -> None:
    log: list[str] = []
    out = Outbox(lambda: log.append("full"), lambda: log.append("drained"), high=10, low=4)
    for _ in range(4):
        out.write(b"12345")
    assert (log, out.size) == (["full"], 20)
    data = out.take()
    assert (data, out.size) == (b"12345" * 4, 20)
    out.write(b"67")
    out.sent(len(data))
    assert log == ["full", "drained"]
    assert out.take() == b"67"
    out.sent(2)
    assert (log, out.size) == (["full", "drained"], 0)


async def test_a_closed_outbox_takes_no_more_and_wakes_its_pump() -> None:
    out = Outbox(lambda: None, lambda: None)
    out.write(b"a")
    assert out.wake.is_set()
    out.close()
    out.write(b"b")
    assert out.take() == b"a"
    assert out.take() == b""


# -- counting


@pytest.mark.req(149)
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog. " * 10, 90, 130),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d" * 10, 30, 60),
        ("\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 " * 10, 40, 70),
        ("plain \u4e2d\u6587 mixed", 3, 6),
    ],
)
def test_text_is_counted_by_its_script(text: str, low: float, high: float) -> None:
    assert low <= text_tokens(text) <= high


def request(*blocks: object, tools: tuple[Tool, ...] = ()) -> Request:
    return Request("m", (Message("user", blocks),), tools=tools)  # type: ignore[arg-type]


def test_everything_in_a_request_counts() -> None:
    base = estimate(request(Text("x" * 400)))
    assert base >= 100
    parts = [
        Reasoning("y" * 400),
        ToolCall("c", "f", '{"a":"' + "z" * 400 + '"}'),
        ToolResult("c", (Text("r" * 400),)),
        Media("image", url="https://x/y.png"),
        Media("document", text="d" * 400),
    ]
    for part in parts:
        assert estimate(request(Text("x" * 400), part)) >= base + 90, part
    schema = Raw(b'{"type":"object","description":"%b"}' % (b"s" * 400))
    assert estimate(request(Text("x" * 400), tools=(Tool("f", schema=schema),))) >= base + 100


def test_a_deferred_tool_counts_when_it_is_loaded() -> None:
    hidden = Tool("f", description="d" * 400, deferred=True)
    shown = Tool("f", description="d" * 400, deferred=True, loaded=True)
    assert estimate(request(Text("x"), tools=(hidden,))) < 10
    assert estimate(request(Text("x"), tools=(shown,))) > 100


@pytest.mark.req(149)
def test_calibration_follows_vendors_within_bounds() -> None:
    known = Calibration()
    assert known.corrected("m", 1000) == 1000
    known.observe("m", 1000, 1300)
    assert known.corrected("m", 1000) == 1300
    for _ in range(50):
        known.observe("m", 1000, 900)
    assert known.corrected("m", 1000) == pytest.approx(900, abs=2)
    known.observe("wild", 1000, 90_000)
    assert known.corrected("wild", 1000) == 2000
    known.observe("tiny", 10, 50)
    assert known.corrected("tiny", 10) == 10


def test_calibration_is_bounded_and_grows_lazy() -> None:
    known = Calibration()
    wanted = [known.wants("m") for _ in range(Calibration.EARLY + 4 * Calibration.EVERY)]
    assert all(wanted[: Calibration.EARLY])
    assert sum(wanted[Calibration.EARLY :]) == 4
    assert sum(known.wants(f"m{i}") for i in range(5000)) < Calibration.LIMIT


# -- chains


def record(id: str, previous: str | None = None, **more: object) -> StoredResponse:
    made = (Raw(b'"in %b"' % id.encode()),), (Raw(b'"out %b"' % id.encode()),)
    return StoredResponse(id, "t", "completed", *made, previous=previous, **more)  # type: ignore[arg-type]


@pytest.mark.case("I01")
async def test_a_chain_is_read_oldest_first() -> None:
    store = MemorySessions(1_000_000, 60)
    for id, previous in (("a", None), ("b", "a"), ("c", "b"), ("other", "a")):
        store.put(record(id, previous))
    items = [bytes(i) for i in await sessions.history(store, "t", "c")]
    assert items == [b'"in a"', b'"out a"', b'"in b"', b'"out b"', b'"in c"', b'"out c"']


async def test_a_ring_of_responses_is_no_endless_loop() -> None:
    store = MemorySessions(1_000_000, 60)
    store.put(record("a", "b"))
    store.put(record("b", "a"))
    with pytest.raises(InvalidRequest, match="longer than"):
        await sessions.history(store, "t", "a")


@pytest.mark.req(110)
async def test_another_tenants_response_is_not_found() -> None:
    store = MemorySessions(1_000_000, 60)
    store.put(record("a"))
    with pytest.raises(InvalidRequest) as caught:
        await sessions.history(store, "other", "a")
    assert caught.value.info.code == "previous_response_not_found"
