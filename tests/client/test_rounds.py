"""Answers of several rounds: one start, one end, blocks numbered through, usage added up, nothing left running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dragoman.client.attempt import CallPlan
from dragoman.client.engine import Engine
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.client.rounds import Emit
from dragoman.core.events import BlockEnd, BlockStart, Event, Failed, Finished, TextDelta
from dragoman.core.messages import WebSearch
from dragoman.errors import InvalidRequest
from tests.fakes import EventLog, MemoryTransport, ToyPlan, settle, sse
from tests.harness import cancel_at_every_step

QUIET = Timeouts(0, 0, 0, 0)
ONCE = RetryPolicy(attempts=1)


class Again:
    """A conductor that makes another round for each entry of `work`."""

    def __init__(self, *work: Callable[[Emit], Awaitable[CallPlan | None]]) -> None:
        self.work = list(work)
        self.seen: list[Event] = []

    def feed(self, events: list[Event]) -> list[Event]:
        self.seen += events
        if self.work and isinstance(events[-1], Finished):
            return events[:-1]
        return events

    async def next(self, emit: Emit) -> CallPlan | None:
        return await self.work.pop(0)(emit)


async def plainly(emit: Emit) -> CallPlan:
    return ToyPlan("http://127.0.0.1:9/second")


async def searching(emit: Emit) -> CallPlan:
    emit([BlockStart(7, WebSearch("ws_1", ("q",), "in_progress"))])
    await asyncio.sleep(0)
    emit([BlockEnd(7, WebSearch("ws_1", ("q",)))])
    return ToyPlan()


class Rig:
    def __init__(self, *conductors: Any, timeouts: Timeouts = QUIET, retry: RetryPolicy = ONCE) -> None:
        self.wire = MemoryTransport()
        self.log = EventLog()
        self.engine = Engine(self.wire, timeouts, retry, chance=lambda: 0.5)
        self.run = self.engine.start(ToyPlan(), self.log, conductors=conductors)

    async def answer(self, number: int, *payloads: Any) -> None:
        exchange = await self.wire.opened(number)
        exchange.head()
        exchange.feed(sse(*payloads))
        await settle()


async def test_two_rounds_are_one_answer():
    rig = Rig(Again(searching))
    await rig.answer(1, {"start": "up_1"}, {"think": "a"}, {"text": "Let me search."}, {"usage": [5, 2]}, {"stop": "x"})
    await rig.answer(2, {"start": "up_2"}, {"text": "Done."}, {"usage": [9, 3]}, {"stop": "stop"})
    await rig.run.wait()
    assert rig.log.ends == 1
    assert rig.log.names.count("Started") == 1
    starts = [e.index for e in rig.log.all if isinstance(e, BlockStart)]
    assert starts == [e.index for e in rig.log.all if isinstance(e, BlockEnd)] == [0, 1, 2, 3]
    end = rig.log.all[-1]
    assert isinstance(end, Finished) and end.usage is not None
    assert (end.usage.input, end.usage.output, len(end.usage.parts)) == (14, 5, 2)
    assert rig.run.attempts == 2
    assert [x.log for x in rig.wire.exchanges] == [["release"], ["release"]]


async def test_a_failure_of_a_later_round_is_the_answers_end_and_keeps_the_usage():
    rig = Rig(Again(plainly))
    await rig.answer(1, {"text": "a"}, {"usage": [5, 2]}, {"stop": "x"})
    await rig.answer(2, {"text": "b"}, {"usage": [1, 1]}, {"error": "server"})
    await rig.run.wait()
    assert rig.log.error.kind == "server"
    end = rig.log.all[-1]
    assert end.usage.input == 6  # type: ignore[union-attr]


async def refusing(emit: Emit) -> CallPlan:
    raise InvalidRequest("no such thing", param="tools")


async def breaking(emit: Emit) -> CallPlan:
    raise RuntimeError("a defect with sk-toy-0123456789 in it")


async def silent(emit: Emit) -> CallPlan | None:
    return None


@pytest.mark.parametrize(
    ("work", "kind"), [(refusing, "invalid_request"), (breaking, "internal"), (silent, "internal")]
)
async def test_work_that_fails_ends_the_answer(work, kind):
    rig = Rig(Again(work))
    await rig.answer(1, {"text": "a"}, {"stop": "x"})
    await rig.run.wait()
    assert rig.log.ends == 1
    assert rig.log.error.kind == kind
    assert "sk-toy" not in rig.log.error.message


async def test_a_conductor_may_end_the_answer_itself():
    async def ending(emit: Emit) -> None:
        emit([BlockStart(0, WebSearch()), BlockEnd(0, WebSearch()), Finished()])

    rig = Rig(Again(ending))
    await rig.answer(1, {"text": "a"}, {"stop": "x"})
    await rig.run.wait()
    assert isinstance(rig.log.all[-1], Finished)
    assert rig.log.ends == 1


async def test_a_defect_in_a_conductor_ends_the_answer_and_the_call():
    class Broken(Again):
        def feed(self, events: list[Event]) -> list[Event]:
            raise KeyError("oops")

    rig = Rig(Broken())
    exchange = await rig.wire.opened(1)
    exchange.head()
    exchange.feed(sse({"text": "a"}, done=False))
    await rig.run.wait()
    assert rig.log.error.kind == "internal"
    assert exchange.log == ["abort"]


async def test_conductors_stand_in_a_row_and_the_first_that_keeps_the_end_is_asked():
    first, second = Again(plainly), Again(plainly)
    rig = Rig(first, second)
    for number in (1, 2, 3):
        await rig.answer(number, {"text": str(number)}, {"stop": "x"})
    await rig.run.wait()
    assert [e.text for e in rig.log.all if isinstance(e, TextDelta)] == ["1", "2", "3"]
    assert rig.log.ends == 1
    assert [len([e for e in c.seen if isinstance(e, Finished)]) for c in (first, second)] == [3, 2]


async def test_aborted_between_two_rounds_the_work_is_cancelled():
    stopped = asyncio.Event()

    async def forever(emit: Emit) -> CallPlan:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            stopped.set()
        return ToyPlan()

    rig = Rig(Again(forever))
    await rig.answer(1, {"text": "a"}, {"usage": [5, 2]}, {"stop": "x"})
    rig.run.abort()
    await rig.run.wait()
    await stopped.wait()
    assert rig.log.error.kind == "aborted"
    assert rig.log.all[-1].usage.input == 5  # type: ignore[union-attr]
    assert len(rig.wire.exchanges) == 1


@pytest.mark.parametrize("how", ["aborted", "broken", "late"])
async def test_a_search_that_is_cut_off_is_ended_as_every_block(how: str):
    async def work(emit: Emit) -> CallPlan:
        emit([BlockStart(0, WebSearch("ws_1", ("q",), "in_progress"))])
        if how == "broken":
            raise RuntimeError("oops")
        await asyncio.Event().wait()
        raise AssertionError

    rig = Rig(Again(work), timeouts=Timeouts(0, 0, 0, 0.05) if how == "late" else QUIET)
    await rig.answer(1, {"text": "a"}, {"stop": "x"})
    if how == "aborted":
        rig.run.abort()
    await rig.run.wait()
    end, failed = rig.log.all[-2:]
    assert isinstance(failed, Failed)
    assert isinstance(end, BlockEnd)
    assert (end.index, end.complete, isinstance(end.block, WebSearch)) == (1, False, True)


async def test_aborted_within_a_round_no_other_follows():
    class Greedy(Again):
        def feed(self, events: list[Event]) -> list[Event]:
            return events[:-1] if isinstance(events[-1], Finished | Failed) else events

    rig = Rig(Greedy(plainly, plainly))
    exchange = await rig.wire.opened(1)
    exchange.head()
    exchange.feed(sse({"text": "a"}, done=False))
    rig.run.abort()
    await rig.run.wait()
    assert rig.log.error.kind == "aborted"
    assert len(rig.wire.exchanges) == 1


async def test_the_total_time_is_that_of_the_answer():
    async def forever(emit: Emit) -> CallPlan:
        await asyncio.get_running_loop().create_future()
        return ToyPlan()

    rig = Rig(Again(forever), timeouts=Timeouts(0, 0, 0, 0.05))
    await rig.answer(1, {"text": "a"}, {"stop": "x"})
    await rig.run.wait()
    assert rig.log.error.code == "total_timeout"


async def test_a_paused_client_pauses_the_next_call_too():
    rig = Rig(Again(plainly))
    rig.run.pause()
    await rig.answer(1, {"text": "a"}, {"stop": "x"})
    second = await rig.wire.opened(2)
    await settle()
    assert second.log == ["pause"]
    rig.run.resume()
    assert second.log == ["pause", "resume"]
    rig.run.abort()


async def test_cancelled_at_every_step_nothing_is_left():
    logs: list[EventLog] = []
    wires: list[MemoryTransport] = []

    async def one(_: int) -> None:
        wire, log = MemoryTransport(), EventLog()
        wires.append(wire)
        logs.append(log)
        run = Engine(wire, QUIET, ONCE).start(ToyPlan(), log, conductors=[Again(searching)])
        feeder = asyncio.get_running_loop().create_task(_feed(wire))
        try:
            await run.wait()
        finally:
            feeder.cancel()

    async def _feed(wire: MemoryTransport) -> None:
        for number in (1, 2):
            exchange = await wire.opened(number)
            exchange.head()
            exchange.feed(sse({"text": "a"}, {"stop": "x"}))

    async def check(_: int, cancelled: bool) -> None:
        assert logs[-1].ends == 1
        assert not any(x.live for x in wires[-1].exchanges)

    await cancel_at_every_step(one, check)
