"""What holds for each of the four profiles: both protocols answer, errors have the vendor's own body, faults its words."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.simulator.directives import STATUS_FAULTS
from dragoman.simulator.vendors import VENDORS
from tests.simulator.conftest import MODELS, Client, Got, simulated
from tests.simulator.test_streams import SHELL, TASK

PROFILES = sorted(MODELS)
USED = {"name": "exec_command", "input_schema": SHELL["function"]["parameters"]}


def reason(message: dict[str, Any]) -> str:
    return str(message.get("reasoning_content") or "")


async def history(client: Client, **fields: Any) -> list[dict[str, Any]]:
    """A conversation with one call and its result."""
    message = (await client.chat(TASK, tools=[SHELL], **fields)).json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "ok"}
    return [{"role": "user", "content": TASK}, message, result]


async def used(client: Client, **fields: Any) -> list[dict[str, Any]]:
    """The same on the Messages protocol."""
    content = (await client.messages(TASK, tools=[USED], max_tokens=4000, **fields)).json["content"]
    use = next(block for block in content if block["type"] == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "ok"}
    return [
        {"role": "user", "content": TASK},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]


def rules(client: Client) -> list[str]:
    return [violation.rule for violation in client.sim.violations]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_tool_loop_on_chat_ends_with_a_clean_verdict(profile: str) -> None:
    async with simulated(profile) as client:
        said = await history(client)
        last = await client.chat(said, tools=[SHELL])
        assert "sky.txt holds blue" in last.json["choices"][0]["message"]["content"]
        verdict = client.sim.verdict()
        assert (verdict.ok, verdict.reasoning_checked, verdict.answered) == (True, 1, 2)


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_tool_loop_on_messages_ends_with_a_clean_verdict(profile: str) -> None:
    async with simulated(profile) as client:
        said = await used(client)
        last = await client.messages(said, tools=[USED], max_tokens=4000)
        assert "sky.txt holds blue" in last.json["content"][-1]["text"]
        verdict = client.sim.verdict()
        assert (verdict.ok, verdict.reasoning_checked, verdict.answered) == (True, 1, 2)


async def test_no_two_vendors_give_the_same_call_id() -> None:
    ids = []
    for profile in PROFILES:
        async with simulated(profile) as client:
            ids += [call["id"] for said in await history(client) for call in said.get("tool_calls", ())]
    assert len(set(ids)) == len(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
async def test_streams_say_what_whole_answers_say(profile: str) -> None:
    async with simulated(profile, script=[]) as client:
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        streamed = await client.chat("[sim:say=one two three]", **asked)
        whole = (await client.chat("[sim:say=one two three]")).json
        message = whole["choices"][0]["message"]
        assert streamed.records[-1] == "[DONE]"
        assert streamed.joined("content").replace(" 1 ", " 2 ") == message["content"]
        assert streamed.joined("reasoning_content").replace(" 1 ", " 2 ") == reason(message)
        assert streamed.finish == whole["choices"][0]["finish_reason"] == "stop"
        reports = [chunk["usage"] for chunk in streamed.chunks if chunk.get("usage")]
        assert [r["completion_tokens"] for r in reports] == [whole["usage"]["completion_tokens"]]


@pytest.mark.parametrize("profile", PROFILES)
async def test_messages_streams_have_the_order_of_the_protocol(profile: str) -> None:
    async with simulated(profile) as client:
        got = await client.messages(TASK, stream=True, tools=[USED], max_tokens=4000)
        kinds = [event["type"] for event in got.chunks if event["type"] != "content_block_delta"]
        block = ["content_block_start", "content_block_stop"]
        assert kinds == ["message_start", *block, *block, "message_delta", "message_stop"]
        assert got.chunks[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("wire", ["chat", "messages"])
async def test_unknown_fields_and_models_and_keys_are_refused(profile: str, wire: str) -> None:
    async with simulated(profile) as client:
        ask = client.chat if wire == "chat" else client.messages
        path = client.chat_path if wire == "chat" else client.messages_path
        fields = {} if wire == "chat" else {"max_tokens": 100}
        assert (await ask("hi", colour="red", **fields)).status == 400
        body = {"model": "no-such-model", "messages": [{"role": "user", "content": "hi"}], **fields}
        assert (await client.post(body, path=path)).status in (400, 404)
        wrong = {**client.headers, "Authorization": "Bearer sk-other"}
        assert (await client.post({**body, "model": client.model}, path=path, headers=wrong)).status == 401
        assert rules(client) == ["unknown_field", "model", "auth"]


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_sdk_header_is_for_messages_only(profile: str) -> None:
    async with simulated(profile) as client:
        client.headers = {"x-api-key": "sk-sim", "anthropic-version": "2023-06-01"}
        assert (await client.messages("hi", max_tokens=100)).status == 200
        assert (await client.chat("hi")).status == 401


FAULTS = [(p, f) for p in PROFILES for f in sorted(VENDORS[p].failures) if f in STATUS_FAULTS]


def told(got: Got) -> str:
    """The message of an error, wherever it stands."""
    body = got.json
    return str(body["base_resp"]["status_msg"] if "base_resp" in body else body["error"]["message"])


@pytest.mark.parametrize(("profile", "fault"), FAULTS)
@pytest.mark.parametrize("wire", ["chat", "messages"])
async def test_errors_on_demand_have_the_vendors_body(profile: str, fault: str, wire: str) -> None:
    async with simulated(profile) as client:
        text = f"hi [sim:fault={fault}]"
        got = await (client.chat(text) if wire == "chat" else client.messages(text, max_tokens=100))
        failure = client.sim.vendor.failures[fault]
        assert got.status == failure.status
        words = failure.message if fault != "overflow" else told(got)
        assert words in told(got)
        assert client.sim.verdict().ok
        assert client.sim.verdict().faults == {fault: 1}


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_prompt_beyond_the_window_is_refused_as_the_overflow_fault_is(profile: str) -> None:
    small = {"zhipu": "glm-4.5v", "minimax": "MiniMax-M2", "moonshot": "kimi-k2.6"}
    async with simulated(profile, model=small.get(profile, "")) as client:
        card = client.sim.vendor.card(client.model)
        assert card is not None
        got = await client.chat("x" * (card.context * 4 + 4000))
        asked = await client.chat("hi [sim:fault=overflow]")
        assert got.status == asked.status == 400
        assert told(got)[:20] == told(asked)[:20]
        assert rules(client) == ["overflow"]


@pytest.mark.parametrize("profile", PROFILES)
async def test_streams_break_where_they_are_told_to(profile: str) -> None:
    async with simulated(profile) as client:
        text = await client.chat("hi [sim:fault=drop_text]", stream=True)
        assert text.broken
        assert text.finish is None
        call = await client.chat(TASK + " [sim:fault=drop_call]", stream=True, tools=[SHELL])
        assert call.broken
        bad = await client.chat("hi [sim:fault=bad_json]", stream=True)
        assert '{"broken": tru' in bad.records
        silent = await client.chat("hi [sim:fault=no_finish]", stream=True)
        assert silent.finish is None
        exploded = await client.chat("hi [sim:fault=error_mid]", stream=True)
        assert "upstream exploded" in exploded.records[-1]
        assert "[DONE]" not in exploded.records
        event = await client.messages("hi [sim:fault=error_mid]", stream=True, max_tokens=1000)
        assert b"event: error\n" in event.raw
        assert "upstream exploded" in event.records[-1]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_fault_that_the_vendor_does_not_have_is_told(profile: str) -> None:
    async with simulated(profile) as client:
        got = await client.chat("hi [sim:fault=421]")
        assert got.status == 400
        assert b"has no error 421" in got.raw
        assert client.sim.verdict().faults == {}
        manner = await client.chat("hi [sim:manner=tail]")
        assert (manner.status == 200) == (profile == "minimax")


async def test_a_manner_that_the_vendor_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="moonshot has no manner 'repeat'"):
        async with simulated("moonshot", manners=["repeat"]):
            pass
