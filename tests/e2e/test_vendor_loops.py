"""A tool loop of two rounds and a further question with each vendor, from every client, over every wire of the vendor.

DeepSeek, Zhipu, Moonshot and MiniMax are their strict simulators: not one rule may be broken. OpenRouter and Gemini are scripted
upstreams, since what matters with them is what comes back of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.simulator.ask import Call as SaidCall
from dragoman.simulator.brain import Turn
from tests.e2e.protocols import CLIENTS, Results, User
from tests.e2e.street import Street
from tests.e2e.world import Answer, chunk, usage_chunk, world

LOOPS = [
    ("deepseek", "deepseek-flash", "chat"),
    ("deepseek", "deepseek-v4-pro", "chat"),
    ("deepseek", "deepseek-v4-pro", "messages"),
    ("zhipu", "glm-5.3", "chat"),
    ("zhipu", "glm-5.2", "chat"),
    ("zhipu", "glm-4.7", "chat"),
    ("zhipu", "glm-5.2", "messages"),
    ("moonshot", "kimi-k3", "chat"),
    ("moonshot", "kimi-k2.6", "chat"),
    ("moonshot", "kimi-k2.7-code", "chat"),
    ("moonshot", "kimi-k3", "messages"),
    ("minimax", "MiniMax-M3", "responses"),
    ("minimax", "MiniMax-M2.7", "responses"),
    ("minimax", "MiniMax-M3.1-Flash-Preview", "responses"),
    ("zhipu", "glm-5.3", "responses"),
    ("zhipu", "glm-5.2", "responses"),
    ("zhipu", "glm-4.7", "responses"),
    ("moonshot", "kimi-k3", "responses"),
    ("moonshot", "kimi-k2.6", "responses"),
    ("moonshot", "kimi-k2.7-code", "responses"),
]


@pytest.mark.req(67, 68, 107)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "dropped"])
@pytest.mark.parametrize("road", list(CLIENTS))
@pytest.mark.parametrize(("vendor", "model", "wire"), LOOPS, ids=lambda v: v)
async def test_a_tool_loop_breaks_no_rule(
    tmp_path: Path, vendor: str, model: str, wire: str, road: str, keeps: bool, stream: bool
) -> None:
    street = Street(tmp_path, f'[providers.{vendor}]\nwire = "{wire}"\n', [vendor])
    sim = street.sims[vendor]
    calls = (SaidCall("look_up", '{"q": "a"}', ""), SaidCall("count_words", '{"q": "b"}', ""))
    sim.script.extend([Turn("first thought", "", calls), Turn("second thought", "found"), Turn("third", "bye")])
    client = CLIENTS[road](effort="medium", keeps=keeps)
    client.add(User("look it up"))
    for step in range(3):
        got = await street.ask(road, client.body(f"{vendor}:{model}", stream=stream))
        assert got.status == 200, (got.body, sim.violations)
        said = client.take(got, stream=stream)
        if step == 0:
            assert [call.name for call in said.calls] == ["look_up", "count_words"]
            client.add(Results(tuple((call.id, f"result of {call.name}", False) for call in said.calls)))
        else:
            assert said.text == ("found", "bye")[step - 1]
            client.add(User("and now?"))
    assert sim.violations == []
    verdict = sim.verdict()
    assert (verdict.ok, verdict.answered, verdict.placeholders) == (True, 3, 0)
    assert "first thought" in json.dumps(sim.requests[-1].body)


SIGNED = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
DETAILS = [{"type": "reasoning.text", "text": "why", "index": 0, "format": "x-v1", "signature": "c2ln"}]


@pytest.mark.req(107)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "dropped"])
@pytest.mark.parametrize("road", list(CLIENTS))
@pytest.mark.parametrize("vendor", ["gemini", "openrouter"])
async def test_what_a_vendor_gave_with_a_call_comes_back(
    tmp_path: Path, vendor: str, road: str, keeps: bool, stream: bool
) -> None:
    config = f'[providers.{vendor}]\nbase_url = "$UPSTREAM"\napi_key = "k-1234567890"\n'
    call: dict[str, Any] = {"index": 0, "id": "call_abcdefghijkl", "type": "function"}
    call["function"] = {"name": "look_up", "arguments": '{"q": "a"}'}
    delta: dict[str, Any] = {"role": "assistant", "tool_calls": [call]}
    if vendor == "gemini":
        call["extra_content"] = SIGNED
    else:
        delta |= {"content": "", "reasoning": "why", "reasoning_details": DETAILS}
    paths = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
    async with world(config, tmp=tmp_path) as w:
        whole = {"id": "u", "object": "chat.completion", "created": 1, "model": "m"}
        choice = {"index": 0, "finish_reason": "tool_calls", "message": delta}
        usage = usage_chunk()["usage"]
        first = Answer.stream(chunk(**delta), chunk("tool_calls"), usage_chunk())
        if not stream:
            first = Answer(json={**whole, "choices": [choice], "usage": usage})
        w.upstream.push(first)
        client = CLIENTS[road](effort="medium", keeps=keeps)
        client.add(User("look it up"))
        for step in range(2):
            got = await w.post(paths[road], client.body(f"{vendor}:some-model", stream=stream))
            assert got.status == 200, got.body
            said = client.take(got, stream=stream)  # type: ignore[arg-type]
            if step == 0:
                client.add(Results(((said.calls[0].id, "found", False),)))
        again = next(m for m in w.upstream.last["messages"] if m["role"] == "assistant")
        if vendor == "gemini":
            assert again["tool_calls"][0]["extra_content"] == SIGNED
        else:
            assert again["reasoning_details"] == DETAILS
