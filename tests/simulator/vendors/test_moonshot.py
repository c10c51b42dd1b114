"""Moonshot: fixed sampling, thinking by model, the reasoning of calls, names, rate headers, one model on Messages."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.moonshot import MOONSHOT
from tests.simulator.conftest import simulated
from tests.simulator.vendors.test_every import SHELL, TASK, USED, history, rules, used

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "r"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "what?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def said(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "kimi-k2.6", "messages": copy.deepcopy(list(messages) or [USER]), **fields}


def read(body: dict[str, Any], model: str = "kimi-k2.6") -> Ask:
    card = MOONSHOT.card(model)
    assert card is not None and MOONSHOT.chat is not None
    return MOONSHOT.chat.read({**body, "model": model}, card, Account())


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], "name": name}}


BAD = [
    ("temperature", said(temperature=0.7), "sampling_fixed", "invalid temperature: only 1 is allowed for this model"),
    ("cool while thinking", said(temperature=0.6), "sampling_fixed", "invalid temperature: only 1 is allowed"),
    ("warm without thinking", said(temperature=1, thinking={"type": "disabled"}), "sampling_fixed", "only 0.6"),
    ("top_p", said(top_p=1), "sampling_fixed", "invalid top_p: only 0.95 is allowed for this model"),
    ("n", said(n=2), "sampling_fixed", "invalid n: only 1"),
    ("penalty", said(presence_penalty=0.5), "sampling_fixed", "invalid presence_penalty: only 0"),
    ("effort", said(reasoning_effort="high"), "unknown_field", "reasoning_effort"),
    ("keep", said(thinking={"type": "enabled", "keep": "some"}), "field_value", "keep"),
    ("seed", said(seed=1), "unknown_field", "seed"),
    ("parallel", said(parallel_tool_calls=True), "unknown_field", "parallel_tool_calls"),
    ("choice required", said(tools=[TOOL], tool_choice="required"), "field_value", "tool_choice"),
    ("digit first", said(tools=[tool("1f")]), "tool_name", "function name is invalid, must start with a letter"),
    ("underscore first", said(tools=[tool("_f")]), "tool_name", "must start with a letter"),
    ("name too long", said(tools=[tool("f" * 65)]), "tool_name", "must start with a letter"),
    ("tool twice", said(tools=[TOOL, TOOL]), "tool_twice", "duplicated"),
    ("foreign builtin", said(tools=[{"type": "builtin_function", "function": {"name": "$files"}}]), "field_value", "name"),
    ("developer", said({**USER, "role": "developer"}), "role", "developer"),
    ("empty user", said({**USER, "content": ""}), "text_not_set", "message at position 0 with role 'user' must not be"),
    ("empty answer", said(USER, {"role": "assistant", "content": ""}, USER), "blank", "at position 1 with role 'assistant'"),
    ("prefix in the middle", said(USER, {"role": "assistant", "content": "x", "partial": True}, USER), "prefix", "partial"),
    ("unanswered", said(USER, CALLED, USER), "call_unanswered", "must be followed by tool messages"),
    ("orphan", said(USER, RESULT), "result_orphan", "is not found"),
    ("schema", said(response_format={"type": "json_schema"}), "field_value", "response_format"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused_in_the_vendors_words(body: dict[str, Any], rule: str, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert caught.value.rule == rule
    failure = MOONSHOT.told(caught.value, "chat")
    assert (failure.status, failure.kind) == (400, "invalid_request_error")
    assert words in failure.message


GOOD = [
    ("everything", said({"role": "system", "content": "S"}, USER, max_completion_tokens=262_144, stream=True,
                        stream_options={"include_usage": True}, temperature=1, top_p=0.95, n=1, presence_penalty=0,
                        frequency_penalty=0, stop=["x"], response_format={"type": "text"}, tool_choice="none",
                        tools=[TOOL, {"type": "builtin_function", "function": {"name": "$web_search"}}],
                        prompt_cache_key="k", thinking={"type": "enabled", "keep": "all"})),
    ("cool without thinking", said(temperature=0.6, thinking={"type": "disabled"})),
    ("loop", said(USER, CALLED, RESULT)),
    ("media", said({**USER, "content": [IMAGE, TEXT]})),
    ("prefix", said(USER, {"role": "assistant", "content": "{", "partial": True})),
    ("max_tokens", said(max_tokens=10)),
]  # fmt: skip


@pytest.mark.parametrize("body", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any]) -> None:
    assert len(read(body).said) == len(body["messages"])


def test_thinking_by_model() -> None:
    off = said(thinking={"type": "disabled"})
    assert not read(off).thinking
    with pytest.raises(Rejected, match="field_value"):
        read(off, "kimi-k2.7-code")
    with pytest.raises(Rejected, match="unknown_field"):
        read(off, "kimi-k3")
    for word in ("low", "high", "max"):
        assert read(said(reasoning_effort=word), "kimi-k3").thinking
        assert read(said(reasoning_effort=word), "kimi-k3.1-pro").thinking
    for word in ("none", "minimal", "medium", "xhigh"):
        with pytest.raises(Rejected, match="field_value"):
            read(said(reasoning_effort=word), "kimi-k3")


# -- reasoning


async def test_calls_without_reasoning_are_refused_by_their_place() -> None:
    async with simulated("moonshot", model="kimi-k2.6") as client:
        turns = [{"role": "system", "content": "S"}, *await history(client)]
        for value in (None, "", ...):
            broken = copy.deepcopy(turns)
            broken[2]["reasoning_content"] = value
            if value is ...:
                del broken[2]["reasoning_content"]
            got = await client.chat(broken, tools=[SHELL])
            assert got.status == 400
            assert got.json == {
                "error": {
                    "message": "thinking is enabled but reasoning_content is missing in assistant tool call message "
                    "at index 2",
                    "type": "invalid_request_error",
                }
            }
            off = await client.chat(broken, tools=[SHELL], thinking={"type": "disabled"})
            assert off.status == 200
        assert rules(client) == ["reasoning_missing"] * 3


async def test_changed_reasoning_and_a_placeholder() -> None:
    async with simulated("moonshot") as client:
        turns = await history(client)
        turns[1]["reasoning_content"] += " "
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert rules(client) == ["reasoning_changed"]
        turns[1]["reasoning_content"] = "(lost)"
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert client.sim.verdict().placeholders == 1


async def test_keep_all_wants_the_reasoning_of_answers_too() -> None:
    async with simulated("moonshot", model="kimi-k2.6") as client:
        first = (await client.chat("Say hello.")).json["choices"][0]["message"]
        turns = [{"role": "user", "content": "Say hello."}, first, USER]
        keep = {"thinking": {"type": "enabled", "keep": "all"}}
        assert (await client.chat(turns, **keep)).status == 200
        assert client.sim.verdict().ok
        del turns[1]["reasoning_content"]
        await client.chat(turns)
        assert client.sim.verdict().ok
        await client.chat(turns, **keep)
        assert rules(client) == ["reasoning_dropped"]


# -- answers and errors


async def test_reasoning_comes_first_and_usage_when_asked_for() -> None:
    async with simulated("moonshot") as client:
        got = await client.chat(TASK, stream=True, tools=[SHELL], stream_options={"include_usage": True})
        order = [
            next(k for k in ("reasoning_content", "tool_calls", "role", "") if d.get(k) or not k) for d in got.deltas
        ]
        assert list(dict.fromkeys(order)) == ["role", "reasoning_content", "tool_calls", ""]
        assert got.chunks[-1]["choices"] == []
        usage = got.chunks[-1]["usage"]
        assert usage["cached_tokens"] == usage["prompt_tokens_details"]["cached_tokens"]
        silent = await client.chat("hi", stream=True)
        assert all("usage" not in chunk for chunk in silent.chunks)


@pytest.mark.parametrize(
    ("fault", "kind", "limits"),
    [
        ("429", "rate_limit_reached_error", True),
        ("overload", "engine_overloaded_error", True),
        ("quota", "exceeded_current_quota_error", False),
        ("balance", "exceeded_current_quota_error", False),
    ],
)
async def test_the_kinds_of_429_and_their_headers(fault: str, kind: str, limits: bool) -> None:
    async with simulated("moonshot") as client:
        got = await client.chat(f"hi [sim:fault={fault}]")
        assert (got.status, got.json["error"]["type"]) == (429, kind)
        assert set(got.json["error"]) == {"message", "type"}
        assert ("retry-after" in got.headers) is limits
        assert ("x-ratelimit-remaining-requests" in got.headers) is limits
    async with simulated("moonshot") as client:
        assert (await client.chat("hi [sim:fault=429:7]")).headers["retry-after"] == "7"


async def test_moderation_has_its_own_type() -> None:
    async with simulated("moonshot") as client:
        got = await client.chat("hi [sim:fault=moderation]")
        assert (got.status, got.json["error"]["type"]) == (400, "content_filter")


async def test_unknown_and_retired_models() -> None:
    async with simulated("moonshot") as client:
        for name in ("kimi-k9", "kimi-k2.5"):
            got = await client.post(said() | {"model": name})
            assert got.status == 404
            assert got.json["error"]["type"] == "resource_not_found_error"
            assert f"Not found the model {name} or" in got.json["error"]["message"]


async def test_messages_is_for_one_model() -> None:
    async with simulated("moonshot", model="kimi-k2.6") as client:
        got = await client.messages("hi", max_tokens=100)
        assert got.status == 404
        assert got.json["type"] == "error"
        client.model = "kimi-k3"
        assert (await client.messages("hi", max_tokens=100, output_config={"effort": "low"})).status == 200
        assert (await client.messages("hi", max_tokens=100, output_config={"effort": "medium"})).status == 400
        assert (await client.messages("hi", max_tokens=100, thinking={"type": "disabled"})).status == 400


async def test_messages_wants_its_thinking_blocks() -> None:
    async with simulated("moonshot") as client:
        turns = await used(client)
        del turns[1]["content"][0]
        got = await client.messages(turns, tools=[USED], max_tokens=4000)
        assert got.status == 400
        assert got.json["error"]["message"].endswith("is missing in assistant tool call message at index 1")


async def test_the_model_list_tells_windows() -> None:
    async with simulated("moonshot") as client:
        async with client.session.get(client.sim.url + "/v1/models", headers=client.headers) as answer:
            rows = {row["id"]: row for row in (await answer.json())["data"]}
        assert rows["kimi-k2.6"]["context_length"] == 262_144
        assert rows["kimi-k3"]["supports_reasoning"] is True
