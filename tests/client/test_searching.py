"""Who runs a declared search, what is learned of a refusal, and the library's own use of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import Client, InvalidRequest
from dragoman.client.searching import FORGET_S, MAX_LEARNED, Refusals, Searching
from dragoman.config import load
from dragoman.config.settings import Search
from dragoman.core.messages import Message, Text, WebSearch
from dragoman.core.request import Request
from dragoman.core.tools import Tool
from dragoman.errors import ConfigError
from dragoman.providers.target import Target
from dragoman.search.fixture import FixtureEngine
from tests.fakes import Upstream, json_answer
from tests.search.contract import PAGES

pytestmark = pytest.mark.req(147)
ENGINE = json.dumps({"queries": {"alpha": PAGES}}).encode()
DECLARED = Request("m", (Message("user", (Text("hi"),)),), tools=(Tool("web_search", "web_search"),))
PLAIN = Request("m", DECLARED.messages)


def target(key: str = "sk-12345678", provider: str = "xiaomi", base_url: str = "") -> Target:
    settings = load(env={"HOME": "/nowhere"})
    row = settings.provider(provider)
    assert row is not None
    return Target(row, settings.catalogue().all()[0].facts, key, "acc", base_url=base_url or None)


@pytest.mark.parametrize(
    ("mode", "engine", "who", "expected"),
    [
        ("off", "searxng", target(), "off"),
        ("native", "", target(), "native"),
        ("native", "searxng", target("tp-12345678"), "off"),
        ("managed", "searxng", target(), "managed"),
        ("managed", "", target(), "off"),
        ("auto", "", target(), "native"),
        ("auto", "searxng", target(), "native"),
        ("auto", "searxng", target("tp-12345678"), "managed"),
        ("auto", "", target("tp-12345678"), "off"),
        ("auto", "searxng", target(provider="deepseek"), "managed"),
        ("auto", "searxng", target(provider="zhipu"), "native"),
        ("auto", "searxng", target(provider="zhipu-coding"), "managed"),
    ],
)
def test_the_mode(mode: Any, engine: str, who: Target, expected: str):
    searching = Searching(Search(mode=mode, engine=engine, url="http://s"))
    assert searching.mode(DECLARED, who) == expected
    assert searching.mode(PLAIN, who) == "off", "only a request that declares it"


@pytest.mark.case("G10")
@pytest.mark.parametrize(("missing", "expected"), [("ignore", "off"), ("fail", "fail"), ("client", "client")])
@pytest.mark.parametrize("mode", ["off", "managed"])
def test_what_is_missing(mode: Any, missing: Any, expected: str):
    assert Searching(Search(mode=mode, missing=missing)).mode(DECLARED, target()) == expected


def test_a_refusal_is_forgotten_after_a_while_and_there_is_room_for_so_many():
    now = 0.0
    refusals = Refusals(lambda: now)
    refusals.learn("p", "a")
    assert (refusals.knows("p", "a"), refusals.knows("p", "b"), refusals.knows("q", "a")) == (True, False, False)
    now = FORGET_S
    assert not refusals.knows("p", "a")
    for n in range(MAX_LEARNED + 5):
        refusals.learn("p", str(n))
    assert len(refusals) == MAX_LEARNED


def test_an_engine_that_cannot_be_made_is_told():
    with pytest.raises(ConfigError, match="url"):
        _ = Searching(Search(mode="managed", engine="searxng")).searcher


def calls(query: str) -> dict[str, Any]:
    function = {"name": "web_search", "arguments": json.dumps({"query": query})}
    made = {
        "role": "assistant",
        "content": "Looking.",
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }
    return whole(made, "tool_calls")


def whole(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "u", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


async def test_the_library_searches_with_an_engine_of_the_programs_own():
    class Closing(FixtureEngine):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    engine = Closing(ENGINE)
    async with Upstream() as up:
        client = Client(
            api_keys={"xiaomi": "tp-12345678"}, base_urls={"xiaomi": f"http://127.0.0.1:{up.port}/v1"}, search=engine
        )
        async with client:
            up.push(json_answer(calls("alpha")), json_answer(whole({"content": "It is [1]."})))
            tools = [{"type": "web_search"}]
            answer = await client.complete(model="xiaomi:mimo-v2.6-pro", messages="hi", tools=tools)
            up.push(json_answer(whole({"content": "Yes."})))
            again = await client.complete(model="xiaomi:mimo-v2.6-pro", messages=["hi", answer, "sure?"], tools=tools)
            first, second, third = (request.json() for request in up.requests)
            with pytest.raises(InvalidRequest, match="search"):
                client.stream(model="xiaomi:mimo-v2.6-pro", messages="hi", search="always")  # type: ignore[arg-type]
    assert (answer.text, again.text) == ("Looking.It is [1].", "Yes.")
    [search] = [block for block in answer.message.content if isinstance(block, WebSearch)]
    assert (search.status, search.sources[0].url) == ("completed", PAGES[0]["url"])
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output) == (6, 4)
    assert first["tools"][0]["function"]["name"] == "web_search"
    assert third["messages"][: len(second["messages"])] == second["messages"], "the next turn begins as this one was"
    assert engine.closed == 1


async def test_one_call_may_switch_it_off():
    async with Upstream() as up:
        keys, urls = {"xiaomi": "tp-12345678"}, {"xiaomi": f"http://127.0.0.1:{up.port}/v1"}
        async with Client(api_keys=keys, base_urls=urls, search=FixtureEngine(ENGINE)) as client:
            up.push(json_answer(whole({"content": "No."})))
            answer = await client.complete(
                model="xiaomi:mimo-v2.6-pro", messages="hi", tools=[{"type": "web_search"}], search="off"
            )
            assert "tools" not in up.requests[0].json()
    assert "search_absent" in {note.code for note in answer.notes}
