"""Runs in memory: one end whatever happens, retries only before content, time-outs, back pressure, leases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.client.engine import Engine
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.core.events import BlockEnd, Event, Failed, Finished, TextDelta
from dragoman.errors import ErrorInfo, InvalidRequest
from tests.fakes import JSON, EventLog, MemoryExchange, MemoryTransport, ToyPlan, settle, sse
from tests.harness import cancel_at_every_step

LOST = ErrorInfo("network", "lost", code="connection_lost")
QUIET = Timeouts(0, 0, 0, 0)
FAST = RetryPolicy(attempts=2, base=0.0)


class Rig:
    """An engine on a transport in memory."""

    def __init__(self, timeouts: Timeouts = QUIET, retry: RetryPolicy = FAST, **engine: Any) -> None:
        self.wire = MemoryTransport()
        self.log = EventLog()
        self.engine = Engine(self.wire, timeouts, retry, chance=lambda: 0.5, **engine)

    def start(self, plan: Any = None, **more: Any) -> MemoryExchange:
        self.run = self.engine.start(plan or ToyPlan(), self.log, **more)
        return self.wire.exchanges[-1]

    async def again(self) -> MemoryExchange:
        return await self.wire.opened(len(self.wire.exchanges) + 1)


@pytest.mark.req(10, 16)
async def test_a_stream_is_told_as_it_comes():
    rig = Rig()
    exchange = rig.start()
    exchange.head()
    assert (rig.log.ok, rig.log.batches) == (1, [])
    exchange.feed(sse({"start": "up_1"}, done=False))
    assert rig.log.batches == [], "nothing before content: the attempt can still be made again"
    exchange.feed(sse({"text": "He"}, done=False))
    assert rig.log.names == ["Started", "BlockStart", "TextDelta"]
    exchange.feed(sse({"text": "llo"}, {"usage": [3, 2]}, {"stop": "stop"}))
    await rig.run.wait()
    last = rig.log.all[-1]
    assert isinstance(last, Finished)
    assert (last.raw, last.usage and last.usage.output, rig.log.ends) == ("stop", 2, 1)
    assert exchange.log == ["release"], "a finished stream leaves its connection to be reused"


@pytest.mark.req(10, 15, 18, 99)
@pytest.mark.parametrize("error", [None, LOST], ids=["closed", "reset"])
async def test_a_stream_that_breaks_after_content_keeps_its_text_and_fails_once(error):
    rig = Rig()
    exchange = rig.start()
    exchange.head()
    exchange.feed(sse({"text": "half"}, {"usage": [3, 1]}, done=False))
    exchange.end(error)
    await rig.run.wait()
    assert len(rig.wire.exchanges) == 1, "after content nothing is made again"
    [end] = [e for e in rig.log.all if isinstance(e, BlockEnd)]
    assert (end.block.text, end.complete) == ("half", False)  # type: ignore[union-attr]
    assert rig.log.error.kind == ("network" if error else "truncated")
    assert rig.log.all[-1].usage.output == 1  # type: ignore[union-attr]
    assert rig.log.ends == 1


@pytest.mark.req(99, 136)
@pytest.mark.case("C13", "C18")
@pytest.mark.parametrize("body", [b"", b"data: [DONE]\n\n", sse({"start": "x"}), b": hello\n\n", b"data: nonsense\n\n"])
@pytest.mark.parametrize("error", [None, LOST], ids=["closed", "reset"])
async def test_an_attempt_without_content_is_made_again_unseen(body, error):
    rig = Rig()
    first = rig.start()
    first.head()
    if body:
        first.feed(body)
    first.end(error)
    assert rig.log.batches == []
    second = await rig.again()
    second.head()
    second.feed(sse({"start": "y"}, {"text": "ok"}, {"stop": "stop"}))
    await rig.run.wait()
    assert rig.log.names == ["Started", "Noted", "BlockStart", "TextDelta", "BlockEnd", "Finished"]
    assert rig.log.all[1].note.code == "retried"  # type: ignore[union-attr]
    assert rig.run.attempts == 2


@pytest.mark.case("C13")
async def test_when_no_attempt_is_left_the_failure_is_told():
    rig = Rig()
    rig.start().end(LOST)
    (await rig.again()).end(LOST)
    await rig.run.wait()
    assert rig.log.names == ["Noted", "Failed"]
    assert rig.log.error.kind == "network"


@pytest.mark.req(99)
@pytest.mark.parametrize(
    ("status", "again"),
    [(s, True) for s in (408, 429, 500, 502, 503, 504, 529)]
    + [(s, False) for s in (400, 401, 402, 403, 404, 409, 413, 422)],
)
async def test_which_statuses_are_made_again(status, again):
    rig = Rig(retry=RetryPolicy(attempts=5, base=0.0))
    first = rig.start()
    first.head(status, JSON)
    first.feed(b"{}")
    first.end()
    if again:
        second = await rig.again()
        assert rig.log.batches == []
        second.head()
        second.feed(sse({"text": "ok"}, {"stop": "stop"}))
    await rig.run.wait()
    assert len(rig.wire.exchanges) == (2 if again else 1)
    assert rig.log.ends == 1
    if not again:
        assert rig.log.error.upstream_status == status


@pytest.mark.req(99)
def test_a_conflict_is_made_again_where_the_person_wants_it():
    conflict = ErrorInfo("server", "busy", upstream_status=409)
    assert not RetryPolicy().allows(conflict)
    assert RetryPolicy(conflict=True).allows(conflict)


@pytest.mark.req(99)
def test_a_vendors_own_word_inside_a_200_decides_unless_it_asks_for_patience():
    def timeout(**more):
        return ErrorInfo("timeout", "busy", code="1001", **more)

    assert RetryPolicy().allows(timeout(retryable=True))
    assert RetryPolicy().allows(timeout(retryable=True, retry_after=1.0))
    assert not RetryPolicy().allows(timeout(retryable=True, retry_after=600.0))
    assert not RetryPolicy().allows(timeout(retryable=False))
    assert not RetryPolicy().allows(timeout())
    assert not RetryPolicy().allows(timeout(retryable=True, upstream_status=400))


@pytest.mark.req(99)
def test_waits_double_are_spread_and_never_shorter_than_asked():
    policy = RetryPolicy(base=1.0, cap=4.0)
    failed = ErrorInfo("server", "x")
    assert [policy.delay(n, failed, 1.0) for n in range(4)] == [1.0, 2.0, 4.0, 4.0]
    assert policy.delay(0, failed, 0.0) < policy.delay(0, failed, 1.0)
    asked = ErrorInfo("rate_limit", "x", retry_after=3.0)
    assert policy.delay(0, asked, 0.0) == 3.0
    assert policy.delay(0, asked, 1.0) > 3.0


@pytest.mark.req(99)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "60"}, 60.0),
        ({"retry-after-ms": "90000"}, 90.0),
        ({"retry-after": "Sat, 21 Nov 2026 00:01:00 GMT"}, 60.0),
    ],
)
async def test_a_long_retry_after_is_passed_on_not_waited_for(headers, seconds):
    rig = Rig(now=lambda: 1795219200.0)
    first = rig.start()
    first.head(429, headers)
    first.end()
    await rig.run.wait()
    assert len(rig.wire.exchanges) == 1
    assert rig.log.error.retry_after == seconds


@pytest.mark.req(99)
async def test_a_short_retry_after_is_waited_for():
    rig = Rig()
    first = rig.start()
    first.head(429, {"retry-after-ms": "1"})
    first.end()
    second = await rig.again()
    second.head()
    second.feed(sse({"text": "ok"}, {"stop": "stop"}))
    await rig.run.wait()
    assert rig.log.names[-1] == "Finished"


@pytest.mark.req(99, 136)
async def test_after_the_client_was_told_only_one_more_attempt_is_made():
    rig = Rig(retry=RetryPolicy(attempts=9, base=0.0))
    first = rig.start()
    first.head()
    rig.log.committed = True
    first.end(LOST)
    (await rig.again()).end(LOST)
    await rig.run.wait()
    assert rig.run.attempts == 2
    assert rig.log.error.kind == "network"


async def test_a_plan_may_be_made_for_each_attempt():
    asked: list[int] = []

    def plans(attempt: int) -> ToyPlan:
        asked.append(attempt)
        return ToyPlan(account=f"a{attempt}")

    rig = Rig()
    rig.start(plans).end(LOST)
    (await rig.again()).end(LOST)
    await rig.run.wait()
    assert asked == [0, 1]
    assert (rig.log.error.provider, rig.log.error.account) == ("toy", "a1")


@pytest.mark.parametrize(("error", "kind"), [(InvalidRequest("no"), "invalid_request"), (KeyError("x"), "internal")])
async def test_a_plan_that_cannot_be_made_is_the_end(error, kind):
    def plans(attempt: int) -> ToyPlan:
        raise error

    rig = Rig()
    run = rig.engine.start(plans, rig.log)
    assert rig.log.batches == [], "never before start returned"
    await run.wait()
    assert rig.log.names == ["Failed"]
    assert rig.log.error.kind == kind


# -- forms of answers


@pytest.mark.req(20)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_json_body_is_read_whole_whatever_was_asked(streamed):
    rig = Rig()
    exchange = rig.start(ToyPlan(stream=streamed))
    exchange.head(200, JSON)
    for byte in b'\n {"text":"hi","stop":"stop"}':
        exchange.feed(bytes([byte]))
    assert rig.log.batches == []
    exchange.end()
    await rig.run.wait()
    assert rig.log.names == ["BlockStart", "TextDelta", "BlockEnd", "Finished"]


@pytest.mark.req(20)
@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_a_stream_is_read_as_one_though_none_was_asked(step):
    rig = Rig()
    exchange = rig.start(ToyPlan(stream=False))
    exchange.head(200, JSON)
    body = sse({"text": "hi"}, {"stop": "stop"})
    for at in range(0, len(body), step):
        exchange.feed(body[at : at + step])
    await rig.run.wait()
    assert rig.log.names == ["BlockStart", "TextDelta", "BlockEnd", "Finished"]


async def test_a_web_page_is_a_wrong_base_url():
    rig = Rig()
    exchange = rig.start()
    exchange.head(200, {"content-type": "text/html"})
    exchange.feed(b"<!doctype html><p>welcome</p>")
    exchange.end()
    await rig.run.wait()
    assert (rig.log.error.kind, rig.log.error.code) == ("protocol", "bad_endpoint")
    assert "base_url" in rig.log.error.message


@pytest.mark.req(145)
async def test_a_redirect_is_a_protocol_error_that_names_base_url():
    rig = Rig()
    exchange = rig.start()
    exchange.head(302, {"location": "http://elsewhere.invalid/"})
    await rig.run.wait()
    assert (rig.log.error.kind, len(rig.wire.exchanges)) == ("protocol", 1)
    assert "base_url" in rig.log.error.message
    assert exchange.log == ["abort"]


async def test_an_error_body_without_end_is_cut():
    rig = Rig()
    exchange = rig.start()
    exchange.head(400, JSON)
    exchange.feed(b"x" * 70_000)
    await rig.run.wait()
    assert rig.log.error.upstream_status == 400
    assert exchange.live is False


async def test_an_empty_whole_answer_fails():
    rig = Rig(retry=RetryPolicy(attempts=1))
    exchange = rig.start(ToyPlan(stream=False))
    exchange.head(200, JSON)
    exchange.end()
    await rig.run.wait()
    assert rig.log.names[-1] == "Failed"
    assert rig.log.ends == 1


# -- what errors may say


@pytest.mark.req(102, 145)
async def test_errors_name_the_account_and_hold_no_key():
    key = "sk-toy-0123456789"
    rig = Rig()
    exchange = rig.start(ToyPlan(key=key, account="team"))
    exchange.head(401, JSON)
    exchange.feed(f"Incorrect API key provided: {key}. ".encode() * 200)
    exchange.end()
    await rig.run.wait()
    error = rig.log.error
    assert (error.kind, error.provider, error.account) == ("auth", "toy", "team")
    assert key not in repr(rig.log.all)
    assert key not in repr(exchange.call)
    assert error.raw is not None
    assert len(error.raw) == 2048


# -- ends that the caller or the clock brings


@pytest.mark.req(19)
async def test_abort_keeps_what_was_said_and_closes_the_connection():
    rig = Rig()
    exchange = rig.start()
    exchange.head()
    exchange.feed(sse({"text": "half"}, {"usage": [3, 1]}, done=False))
    rig.run.abort()
    rig.run.abort()
    assert exchange.log == ["abort"]
    assert rig.log.names[-2:] == ["BlockEnd", "Failed"]
    assert (rig.log.error.kind, rig.log.ends) == ("aborted", 1)
    assert rig.log.all[-1].usage.output == 1  # type: ignore[union-attr]
    await rig.run.wait()


@pytest.mark.parametrize("when", ["before_head", "after_head", "in_error_body", "between_attempts"])
async def test_abort_at_any_time_gives_one_end(when):
    rig = Rig(retry=RetryPolicy(attempts=3, base=1000.0, cap=1000.0))
    exchange = rig.start()
    if when == "after_head":
        exchange.head()
    if when == "in_error_body":
        exchange.head(503)
    if when == "between_attempts":
        exchange.end(LOST)
    rig.run.abort()
    await rig.run.wait()
    assert (rig.log.error.kind, rig.log.ends) == ("aborted", 1)
    assert exchange.live is False


async def test_cancelling_the_wait_ends_the_run():
    rig = Rig()
    exchange = rig.start()
    task = asyncio.create_task(rig.run.wait())
    await settle()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert (rig.log.error.kind, exchange.log) == ("aborted", ["abort"])


@pytest.mark.req(103)
@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Timeouts(0, 0.01, 0, 0), "first_byte_timeout"),
        (Timeouts(0, 0.01, 60, 0), "first_byte_timeout"),
        (Timeouts(0, 0, 0, 0.01), "total_timeout"),
    ],
)
async def test_a_vendor_that_does_not_answer(limits, code):
    rig = Rig(limits)
    exchange = rig.start()
    await rig.run.wait()
    assert (rig.log.error.kind, rig.log.error.code) == ("timeout", code)
    assert (exchange.log, len(rig.wire.exchanges)) == (["abort"], 1)


@pytest.mark.req(103)
@pytest.mark.case("C20")
@pytest.mark.parametrize("limits", [Timeouts(0, 60, 0.01, 0), Timeouts(0, 0, 0.01, 60)])
async def test_a_vendor_that_falls_silent(limits):
    rig = Rig(limits)
    exchange = rig.start()
    exchange.head()
    exchange.feed(sse({"text": "half"}, done=False))
    await rig.run.wait()
    assert rig.log.error.code == "idle_timeout"
    assert rig.log.names[-2:] == ["BlockEnd", "Failed"]
    assert exchange.log == ["abort"]


@pytest.mark.req(103)
async def test_idle_time_counts_from_the_last_byte_and_not_while_the_client_is_slow(monkeypatch):
    loop = asyncio.get_running_loop()
    clock = [1000.0]
    monkeypatch.setattr(loop, "time", lambda: clock[0])
    alarms: list[tuple[float, Any]] = []

    class Handle:
        def cancel(self) -> None:
            alarms.clear()

    def call_at(when: float, callback: Any, *args: Any) -> Handle:
        alarms[:] = [(when, callback)]
        return Handle()

    monkeypatch.setattr(loop, "call_at", call_at)

    def advance(to: float) -> None:
        clock[0] = to
        if alarms and alarms[0][0] <= to:
            alarms.pop()[1]()

    rig = Rig(Timeouts(0, 100, 10, 0))
    exchange = rig.start()
    exchange.head()
    clock[0] = 1009.0
    exchange.feed(b": still here\n\n")
    advance(1010.0)
    assert not rig.run.over, "a comment is a sign of life"
    assert alarms[0][0] == 1019.0
    rig.run.pause()
    advance(1019.0)
    advance(1100.0)
    assert not rig.run.over, "the vendor is silent because we do not read"
    rig.run.resume()
    advance(1109.0)
    assert not rig.run.over
    advance(1110.0)
    assert rig.run.over
    assert rig.log.error.code == "idle_timeout"


@pytest.mark.req(103)
async def test_the_connect_limit_goes_to_the_transport_and_its_timeout_is_made_again():
    rig = Rig(Timeouts(7, 0, 0, 0))
    first = rig.start()
    assert first.call.connect_timeout == 7
    first.end(ErrorInfo("timeout", "slow", code="connect_timeout"))
    assert (await rig.again()).live
    rig.run.abort()


async def test_no_attempt_is_begun_that_the_total_time_has_no_room_for():
    rig = Rig(Timeouts(0, 0, 0, 60), RetryPolicy(attempts=3, base=100.0, cap=100.0))
    rig.start().end(LOST)
    await rig.run.wait()
    assert rig.log.error.kind == "network"


async def test_back_pressure_reaches_the_transport_of_every_attempt():
    rig = Rig()
    first = rig.start()
    rig.run.pause()
    first.end(LOST)
    second = await rig.again()
    rig.run.resume()
    assert (first.log, second.log) == (["pause", "ended"], ["pause", "resume"])
    rig.run.abort()


# -- stages and defects


class Shout:
    """Holds text back until the end."""

    def __init__(self) -> None:
        self.held: list[Event] = []

    def feed(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if type(event) is TextDelta:
                self.held.append(TextDelta(event.text.upper()))
            else:
                if type(event) is BlockEnd:
                    out += self.held
                out.append(event)
        return out


@pytest.mark.req(10)
async def test_stages_are_flushed_by_the_end_and_own_stages_see_one_attempt_only():
    seen: list[str] = []

    class Spy:
        def feed(self, events: list[Event]) -> list[Event]:
            seen.extend(type(event).__name__ for event in events)
            return events

    rig = Rig()
    first = rig.start(ToyPlan(stages=lambda: [Shout()]), stages=[Spy()])
    first.head()
    first.feed(sse({"start": "a"}, done=False))
    first.end(LOST)
    second = await rig.again()
    second.head()
    second.feed(sse({"start": "b"}, {"text": "hi"}, done=False))
    second.end(LOST)
    await rig.run.wait()
    assert seen == rig.log.names == ["Started", "Noted", "BlockStart", "TextDelta", "BlockEnd", "Failed"]
    assert rig.log.all[3] == TextDelta("HI")


@pytest.mark.parametrize("where", ["plan", "own"])
async def test_a_defect_in_a_stage_is_a_failure_not_a_silence(where):
    class Broken:
        def feed(self, events: list[Event]) -> list[Event]:
            raise ZeroDivisionError("secret text")

    rig = Rig()
    exchange = rig.start(ToyPlan(stages=lambda: [Broken()] if where == "plan" else []), stages=[Broken()])
    exchange.head()
    exchange.feed(sse({"text": "hi"}, done=False))
    await rig.run.wait()
    assert (rig.log.error.kind, rig.log.ends, exchange.log) == ("internal", 1, ["abort"])
    assert "secret" not in rig.log.error.message


async def test_a_stage_that_swallows_the_end_does_not_swallow_the_law():
    class Swallow:
        def feed(self, events: list[Event]) -> list[Event]:
            return [event for event in events if not isinstance(event, Finished)]

    rig = Rig()
    exchange = rig.start(stages=[Swallow()])
    exchange.head()
    exchange.feed(sse({"text": "hi"}, {"stop": "stop"}))
    await rig.run.wait()
    assert (rig.log.error.kind, rig.log.ends) == ("internal", 1)


async def test_a_stage_may_end_the_stream_early():
    class Judge:
        def feed(self, events: list[Event]) -> list[Event]:
            return [Failed(ErrorInfo("protocol", "not as asked"))]

    rig = Rig()
    exchange = rig.start(stages=[Judge()])
    exchange.head()
    exchange.feed(sse({"text": "hi"}, done=False))
    exchange.feed(sse({"text": "more"}, {"stop": "stop"}))
    await rig.run.wait()
    assert rig.log.names == ["Failed"]
    assert exchange.log == ["abort"]


@pytest.mark.parametrize("at", ["content", "end"])
async def test_a_sink_that_raises_ends_the_run_and_hears_of_it(at):
    class Bad(EventLog):
        def events(self, batch: list[Event]) -> None:
            if (at == "end") == isinstance(batch[-1], Finished):
                raise BrokenPipeError

    rig = Rig()
    rig.log = Bad()
    exchange = rig.start()
    exchange.head()
    exchange.feed(sse({"text": "hi"}, done=False))
    exchange.feed(sse({"stop": "stop"}))
    with pytest.raises(BrokenPipeError):
        await rig.run.wait()
    assert exchange.live is False


# -- law 12


SCRIPTS: dict[str, Any] = {
    "whole road": [(200, sse({"text": "a"}, {"text": "b"}, {"stop": "stop"}), None)],
    "retry": [(200, b"", LOST), (503, b"busy", None), (200, sse({"text": "b"}, {"stop": "stop"}), None)],
    "broken": [(200, sse({"text": "a"}, done=False), LOST)],
    "refused": [(401, b"no", None)],
}


@pytest.mark.req(139)
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_cancelled_at_any_step_each_connection_is_given_back_once_and_one_end_is_told(script):
    rigs: list[Rig] = []

    async def play(rig: Rig) -> None:
        for number, (status, body, error) in enumerate(script, 1):
            exchange = await rig.wire.opened(number)
            await asyncio.sleep(0)
            exchange.head(status)
            for at in range(0, len(body), 8):
                await asyncio.sleep(0)
                exchange.feed(body[at : at + 8])
            await asyncio.sleep(0)
            exchange.end(error)

    async def one(k: int) -> None:
        rig = Rig(retry=RetryPolicy(attempts=3, base=0.0))
        rigs.append(rig)
        player = asyncio.create_task(play(rig))
        try:
            await rig.engine.run(ToyPlan(), rig.log)
        finally:
            player.cancel()
            await asyncio.wait({player})

    def check(k: int, cancelled: bool) -> None:
        rig = rigs[-1]
        opened = rig.wire.exchanges
        assert all(not exchange.live for exchange in opened)
        assert all(len(exchange.log) == 1 for exchange in opened), [e.log for e in opened]
        if opened:
            assert rig.log.ends == 1, (k, rig.log.names)

    rounds = await cancel_at_every_step(one, check)
    assert rounds > 3
    assert rigs[-1].log.ends == 1
