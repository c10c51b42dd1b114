"""The managed conductor by itself: events in, searches between, the turn that goes back, limits, cancellation."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import pytest

from dragoman.core.events import (
    TERMINAL,
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    TextDelta,
)
from dragoman.core.messages import Message, ProviderState, Reasoning, SearchSource, Text, ToolCall, WebSearch
from dragoman.core.request import Request
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import ErrorInfo
from dragoman.search.engine import SearchAsk, SearchUnavailable
from dragoman.search.managed import Bounds, ManagedSearch
from dragoman.search.service import Searcher
from tests.harness import cancel_at_every_step

pytestmark = pytest.mark.req(147)
HI = Message("user", (Text("hi"),))
SEARCH = Tool("web_search", "web_search")
OWN = Tool("f")


class Engine:
    """Answers each query with one page of its name; `waits` are waited for."""

    name = "toy"

    def __init__(self, **waits: asyncio.Event) -> None:
        self.waits = waits
        self.asked: list[str] = []
        self.running = self.most = 0

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        self.asked.append(query)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if query in self.waits:
                await self.waits[query].wait()
            if query == "broken":
                raise SearchUnavailable("it is away")
            return (SearchSource(f"https://{query}.example/", query.title(), "t" * 900),)
        finally:
            self.running -= 1

    async def close(self) -> None:
        pass


class Talk:
    """Remembers what is planned."""

    def __init__(self, *tools: Tool, choice: ToolChoice | None = None) -> None:
        self.request = Request("m", (HI,), tools=tools or (SEARCH,), tool_choice=choice)
        self.plans = 0

    def plan(self, messages: Any, **changes: Any) -> int:
        self.request = msgspec.structs.replace(self.request, messages=tuple(messages), **changes)
        self.plans += 1
        return self.plans


class Rig:
    def __init__(self, talk: Talk | None = None, engine: Engine | None = None, bounds: Bounds = Bounds()) -> None:
        self.talk = talk or Talk()
        self.engine = engine or Engine()
        count = itertools.count()
        self.managed = ManagedSearch(
            Searcher(self.engine), self.talk, bounds=bounds, mint=lambda prefix: f"{prefix}{next(count)}"
        )
        self.out: list[Event] = []

    def round(self, *blocks: Any, end: Event = Finished("tool_calls")) -> bool:
        """Feeds one round, an event at a time; whether its end was kept back."""
        before = len(self.out)
        for event in [*(e for block in blocks for e in events_of(block)), end]:
            self.out += self.managed.feed([event])
        return not any(isinstance(event, TERMINAL) for event in self.out[before:])

    async def next(self) -> int | None:
        return await self.managed.next(self.out.extend)

    @property
    def shown(self) -> list[tuple[str, str, str | None]]:
        return [
            (e.block.queries[0] if e.block.queries else "", e.block.status, e.block.error)
            for e in self.out
            if isinstance(e, BlockEnd) and isinstance(e.block, WebSearch)
        ]


def events_of(block: Any) -> list[Event]:
    empty = {"arguments": ""} if isinstance(block, ToolCall) else {"text": ""}
    delta = ArgumentsDelta(block.arguments) if isinstance(block, ToolCall) else TextDelta(block.text)
    return [BlockStart(0, msgspec.structs.replace(block, **empty)), delta, BlockEnd(0, block)]


def find(query: str, id: str = "call_0") -> ToolCall:
    return ToolCall(id, "web_search", msgspec.json.encode({"query": query}).decode(), "web_search")


async def test_the_turn_goes_back_whole_and_exactly():
    state = ProviderState("p", "fam", "chat", msgspec.Raw(b'{"signed": 1}'))
    thought = Reasoning("  exact \n bytes\n", turn="turn_1", segment=2, signature="sig", state=state)
    rig = Rig()
    assert rig.round(thought, Text("Let me look."), find("alpha"))
    assert await rig.next() == 1
    _, turn, results = rig.talk.request.messages
    assert turn.content[:2] == (thought, Text("Let me look."))
    [call] = turn.calls
    assert (call.kind, call.arguments) == ("web_search", '{"query":"alpha"}')
    assert [r.call_id for r in results.content] == [call.id]  # type: ignore[union-attr]


async def test_nothing_of_the_call_is_shown():
    rig = Rig()
    rig.round(Text("a"), find("alpha"))
    assert not any(isinstance(e, BlockStart | BlockEnd) and isinstance(e.block, ToolCall) for e in rig.out)
    assert not any(isinstance(e, ArgumentsDelta) for e in rig.out)


async def test_text_that_only_streams_is_not_copied():
    batch: list[Event] = [TextDelta("x"), TextDelta("y")]
    assert Rig().managed.feed(batch) is batch


async def test_searches_run_together_and_are_told_in_order():
    first = asyncio.Event()
    rig = Rig(engine=Engine(one=first))
    rig.round(find("one", "a"), find("two", "b"), find("three", "c"))
    task = asyncio.ensure_future(rig.next())
    while rig.engine.most < 3:
        await asyncio.sleep(0)
    assert rig.shown == [], "nobody overtakes the first"
    first.set()
    await task
    assert [query for query, *_ in rig.shown] == ["one", "two", "three"]
    kinds = [type(e).__name__ for e in rig.out if isinstance(e, BlockStart | BlockEnd)]
    assert kinds == ["BlockStart", "BlockEnd"] * 3, "blocks do not interleave"


async def test_citations_name_the_sources_of_all_rounds():
    rig = Rig(bounds=Bounds(rounds=9))
    rig.round(Text("No [1] yet."), find("one"))
    await rig.next()
    rig.round(find("two"))
    await rig.next()
    assert not rig.round(Text("See [2], https://one.example/ and [3]."), end=Finished("stop"))
    raws = [msgspec.json.decode(e.data) for e in rig.out if isinstance(e, AnnotationSeen)]
    assert [raw["url"] for raw in raws] == ["https://two.example/", "https://one.example/"]
    assert all(len(raw.get("summary", "")) <= 150 for raw in raws), "no page is repeated in each citation"
    end = rig.out[-2]
    assert isinstance(end, BlockEnd)
    assert isinstance(end.block, Text)
    assert [bytes(raw) for raw in end.block.annotations] == [
        bytes(e.data) for e in rig.out if isinstance(e, AnnotationSeen)
    ]


@pytest.mark.parametrize(
    "end", [Incomplete("length"), Failed(ErrorInfo("truncated", "cut"))], ids=["incomplete", "failed"]
)
async def test_a_round_that_was_cut_is_the_end(end: Event):
    rig = Rig()
    assert not rig.round(find("alpha"), end=end)
    assert rig.engine.asked == []


async def test_a_call_that_was_cut_is_not_run():
    rig = Rig()
    call = find("alpha")
    rig.out += rig.managed.feed([BlockStart(0, call), BlockEnd(0, call, complete=False), Finished()])
    assert isinstance(rig.out[-1], Finished)


@pytest.mark.parametrize(
    "arguments", ["", "{", "[]", "null", '{"query": ""}', '{"query": 7}', '{"other": "x"}', "alpha"]
)
async def test_a_call_without_a_query_is_answered_with_a_failure(arguments: str):
    rig = Rig()
    rig.round(ToolCall("c", "web_search", arguments, "web_search"))
    assert await rig.next() == 1
    assert rig.shown == [("", "failed", "invalid_tool_input")]
    assert rig.engine.asked == []


async def test_several_queries_of_one_call_are_one_search():
    rig = Rig()
    rig.round(ToolCall("c", "web_search", '{"queries": ["one", "two", "broken"]}', "web_search"))
    await rig.next()
    [end] = [e for e in rig.out if isinstance(e, BlockEnd)]
    assert isinstance(end.block, WebSearch)
    assert end.block.queries == ("one", "two", "broken")
    assert [s.title for s in end.block.sources] == ["One", "Two"]


async def test_the_limit_of_rounds_takes_the_tool_away_and_keeps_the_others():
    rig = Rig(Talk(SEARCH, OWN, choice=ToolChoice("required")), bounds=Bounds(rounds=1))
    rig.round(find("alpha"))
    await rig.next()
    assert (rig.talk.request.tools, rig.talk.request.tool_choice) == ((OWN,), ToolChoice())
    assert "last search" in str(rig.talk.request.messages[-1])
    # The model calls it all the same; the name comes back as a plain function's.
    assert not rig.round(ToolCall("c", "web_search", '{"query":"x"}'), end=Finished("tool_calls"))
    assert [type(e).__name__ for e in rig.out[-2:]] == ["Noted", "Finished"]
    assert rig.out[-1].reason == "stop"  # type: ignore[union-attr]
    assert rig.engine.asked == ["alpha"]


async def test_a_clients_own_function_of_that_name_stays_its_own():
    own = Tool("web_search")
    rig = Rig(Talk(SEARCH, own), bounds=Bounds(rounds=1))
    rig.round(find("alpha"))
    await rig.next()
    assert not rig.round(ToolCall("c", "web_search", "{}"), end=Finished("tool_calls"))
    assert isinstance(rig.out[-2], BlockEnd)
    assert rig.out[-2].block.id == "c"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("choice", "later"),
    [
        (None, None),
        (ToolChoice(), ToolChoice()),
        (ToolChoice("named", ToolRef("web_search", "web_search")), ToolChoice()),
        (ToolChoice("required"), ToolChoice()),
        (
            ToolChoice("allowed", allowed=(ToolRef("web_search", "web_search"),), required=True),
            ToolChoice("allowed", allowed=(ToolRef("web_search", "web_search"),)),
        ),
    ],
)
async def test_a_forced_choice_holds_for_the_first_round_only(choice: Any, later: Any):
    rig = Rig(Talk(SEARCH, choice=choice))
    rig.round(find("alpha"))
    await rig.next()
    assert rig.talk.request.tool_choice == later


async def test_uses_are_counted_over_all_rounds():
    rig = Rig(bounds=Bounds(uses=3))
    rig.round(find("one"), find("broken", "b"))
    await rig.next()
    rig.round(find("two"), find("three"))
    await rig.next()
    assert [(q, s) for q, s, _ in rig.shown] == [
        ("one", "completed"), ("broken", "failed"), ("two", "completed"), ("three", "failed"),
    ]  # fmt: skip
    assert (rig.shown[-1][2], rig.managed.searches) == ("max_uses_exceeded", 3)
    assert rig.talk.request.tool_choice == ToolChoice("none")


async def test_beside_a_call_of_the_clients_own_the_turn_ends():
    rig = Rig(Talk(SEARCH, OWN))
    rig.round(ToolCall("c", "f", "{}"), find("alpha"))
    assert await rig.next() is None
    assert [type(e).__name__ for e in rig.out[-3:]] == ["BlockStart", "BlockEnd", "Finished"]
    assert rig.talk.plans == 0


async def test_cancelled_at_every_step_nothing_runs_on():
    rigs: list[Rig] = []
    before = asyncio.all_tasks()

    async def once(k: int) -> None:
        rig = Rig()
        rigs.append(rig)
        rig.round(
            find("one", "a"), find("two", "b"), ToolCall("c", "web_search", '{"queries":["x","y"]}', "web_search")
        )
        await rig.next()

    def check(k: int, cancelled: bool) -> None:
        assert rigs[-1].engine.running == 0, f"step {k}"
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}, f"step {k}"

    assert await cancel_at_every_step(once, check) > 5
    assert rigs[-1].talk.plans == 1
