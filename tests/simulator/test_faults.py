"""Faults on demand: each does what its name says, as often as it is told to."""

from __future__ import annotations

import json

import aiohttp
import pytest

from dragoman.simulator import Call, Simulator, Turn, wait_for
from dragoman.simulator.directives import STATUS_FAULTS, Directive, find, parse, without
from dragoman.simulator.vendors.xiaomi import XIAOMI
from tests.simulator.conftest import KEY, Client
from tests.simulator.test_streams import SHELL, TASK


@pytest.mark.parametrize("fault", sorted(set(XIAOMI.failures) & set(STATUS_FAULTS)))
async def test_status_faults(client: Client, sim: Simulator, fault: str) -> None:
    got = await client.chat(f"hi [sim:fault={fault}]")
    failure = XIAOMI.failures[fault]
    assert got.status == failure.status
    assert (got.json["error"]["message"], got.json["error"]["type"]) == (failure.message, failure.kind)
    assert sim.violations == []
    assert sim.verdict().faults == {fault: 1}


async def test_too_many_requests_says_nothing_of_param(client: Client) -> None:
    got = await client.chat("hi [sim:fault=429:2]")
    assert got.json == {"error": {"code": "429", "message": "Too many requests", "type": "limitation"}}
    assert got.headers["retry-after"] == "2"


async def test_overflow_names_the_window(client: Client) -> None:
    got = await client.chat("hi [sim:fault=overflow]")
    assert "maximum context length is 1048576 tokens" in got.json["error"]["param"]


@pytest.mark.parametrize(
    ("fault", "finish"),
    [
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("repetition", "repetition_truncation"),
        ("network_error", "network_error"),
    ],
)
async def test_finish_faults(client: Client, fault: str, finish: str) -> None:
    streamed = await client.chat(f"hi [sim:fault={fault}]", stream=True)
    assert streamed.finish == finish
    whole = await client.chat(f"hi [sim:fault={fault}]")
    assert whole.json["choices"][0]["finish_reason"] == finish


async def test_broken_connections(client: Client, sim: Simulator) -> None:
    text = await client.chat("hi [sim:fault=drop_text]", stream=True)
    assert text.broken
    assert text.joined("content")
    assert text.finish is None
    call = await client.chat(TASK + " [sim:fault=drop_call]", stream=True, tools=[SHELL])
    assert call.broken
    assert any(delta["tool_calls"] for delta in call.deltas)
    early = await client.chat("hi [sim:fault=drop]", stream=True)
    assert early.broken
    assert early.raw == b""
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.chat("hi [sim:fault=reset]", stream=True)
    assert [seen.outcome for seen in sim.requests] == ["dropped"] * 4


async def test_half_streams(client: Client) -> None:
    assert (await client.chat("hi [sim:fault=empty]", stream=True)).raw == b"data: [DONE]\n\n"
    no_finish = await client.chat("hi [sim:fault=no_finish]", stream=True)
    assert no_finish.finish is None
    assert no_finish.records[-1] == "[DONE]"
    no_done = await client.chat("hi [sim:fault=no_done]", stream=True)
    assert no_done.finish == "stop"
    assert "[DONE]" not in no_done.records
    choiceless = await client.chat("hi [sim:fault=no_choices]", stream=True)
    assert all(chunk["choices"] == [] for chunk in choiceless.chunks)


async def test_error_in_mid_stream(client: Client) -> None:
    chat = await client.chat("hi [sim:fault=error_mid]", stream=True)
    assert chat.chunks[-1]["error"]["message"] == "upstream exploded"
    messages = await client.messages("hi [sim:fault=error_mid]", stream=True)
    assert messages.chunks[-1] == {"type": "error", "error": {"type": "api_error", "message": "upstream exploded"}}


async def test_usage_faults(client: Client) -> None:
    nulls = await client.chat("hi [sim:fault=usage_null]", stream=True)
    assert nulls.chunks[-1]["usage"]["prompt_tokens_details"] is None
    bad = await client.chat("hi [sim:fault=usage_bad]", stream=True)
    assert bad.chunks[-1]["usage"]["prompt_tokens"] == "many"
    none = await client.chat("hi [sim:fault=usage_none]", stream=True)
    assert none.chunks[-1]["choices"]


async def test_interleaved_calls(client: Client) -> None:
    got = await client.chat(TASK + " Do it twice in parallel. [sim:fault=interleave]", stream=True, tools=[SHELL])
    order = [call["index"] for delta in got.deltas for call in delta["tool_calls"] or ()]
    assert order[:4] == [0, 1, 0, 1]
    for index in (0, 1):
        pieces = [c for d in got.deltas for c in d["tool_calls"] or () if c["index"] == index]
        assert "printf" in json.loads("".join(p["function"]["arguments"] for p in pieces))["cmd"]


async def test_a_fault_for_the_first_requests_only(client: Client) -> None:
    answers = [await client.chat("hi [sim:fault=500,times=2]") for _ in range(3)]
    assert [a.status for a in answers] == [500, 500, 200]


async def test_a_fault_at_one_step_of_the_task(client: Client) -> None:
    task = TASK + " [sim:fault=503,turn=2]"
    first = await client.chat(task, tools=[SHELL])
    assert first.status == 200
    message = first.json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "ok"}
    second = await client.chat([{"role": "user", "content": task}, message, result], tools=[SHELL])
    assert second.status == 503


async def test_directives_in_the_model_name_and_the_header(client: Client) -> None:
    body = {"model": "mimo-v2.6-pro[sim:fault=402]", "messages": [{"role": "user", "content": "hi"}]}
    assert (await client.post(body)).status == 402
    body["model"] = "mimo-v2.6-pro"
    assert (await client.post(body, headers={"api-key": KEY, "x-sim": "[sim:fault=403]"})).status == 403


async def test_a_client_that_leaves_is_seen(client: Client, sim: Simulator) -> None:
    body = {
        "model": "mimo-v2.6-pro",
        "messages": [{"role": "user", "content": "hi [sim:fault=stall:600]"}],
        "stream": True,
    }
    answer = await client.session.post(sim.url + "/v1/chat/completions", json=body, headers={"api-key": KEY})
    assert await answer.content.readany()
    answer.close()
    assert await wait_for(sim.requests[0]) == "client_gone"


async def test_scripts(client: Client, sim: Simulator) -> None:
    sim.script.append(Turn(reasoning="why", text="because"))
    sim.script.append(lambda ask: Turn(text=ask.said[-1].text.upper()))
    message = (await client.chat("one")).json["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("why", "because")
    assert (await client.chat("two")).json["choices"][0]["message"]["content"] == "TWO"
    sim.script.append(Turn(raw=(b"data: {}\n\n", b"data: [DONE]\n\n")))
    assert (await client.chat("three", stream=True)).raw == b"data: {}\n\ndata: [DONE]\n\n"


async def test_scripts_over_http(client: Client, sim: Simulator) -> None:
    turns = [{"text": "", "calls": [{"name": "f", "arguments": "{}"}]}, {"fault": "503"}]
    async with client.session.post(sim.url + "/_sim/script", json=turns) as answer:
        assert await answer.json() == {"queued": 2}
    call = (await client.chat("go")).json["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["name"] == "f"
    assert call["id"]
    assert (await client.chat("go")).status == 503
    async with client.session.get(sim.url + "/_sim/verdict") as answer:
        assert (await answer.json())["ok"] is True
    async with client.session.post(sim.url + "/_sim/reset") as answer:
        assert answer.status == 200
    assert sim.requests == []
    assert sim.verdict().requests == 0
    async with client.session.post(sim.url + "/_sim/script", json={"text": 1}) as answer:
        assert answer.status == 400
    assert sim.verdict() is not None
    assert sim.script == type(sim.script)()
    assert isinstance(turns[0]["calls"], list)
    assert Call("f", "{}").id == ""


def test_reading_directives() -> None:
    assert parse("fault=stall:1.5,times=3,turn=2") == Directive(
        "stall", 1.5, 3, 2, text="fault=stall:1.5,times=3,turn=2"
    )
    assert find("none", "a [sim:words=5] b [sim:words=6]").words == 6
    assert without("a [sim:words=5] b").split() == ["a", "b"]
    with pytest.raises(ValueError, match="unknown fault"):
        parse("fault=nonsense")
    with pytest.raises(ValueError, match="unknown directive"):
        parse("colour=red")


async def test_a_wrong_directive_is_told(client: Client, sim: Simulator) -> None:
    got = await client.chat("hi [sim:fault=nonsense]")
    assert got.status == 400
    assert "unknown fault" in got.json["error"]["param"]
    assert sim.violations == []
