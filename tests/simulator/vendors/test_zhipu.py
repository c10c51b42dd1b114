"""Zhipu: numbers as error codes, efforts by family, calls in pieces or whole, preserved thinking."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.zhipu import ZHIPU
from tests.simulator.conftest import simulated
from tests.simulator.vendors.test_every import SHELL, TASK, USED, history, rules, used

CODING = "/api/coding/paas/v4/chat/completions"
USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "r"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "what?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SEARCH = {"type": "web_search", "web_search": {"enable": True, "search_engine": "search_pro", "count": 50}}


def said(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "glm-5.2", "messages": copy.deepcopy(list(messages) or [USER]), **fields}


def read(body: dict[str, Any], model: str = "glm-5.2", path: str = "") -> Ask:
    card = ZHIPU.card(model)
    assert card is not None and ZHIPU.chat is not None
    return ZHIPU.chat.read({**body, "model": model}, card, Account(path=path))


BAD = [
    ("unknown field", said(seed=1), "unknown_field", "1210"),
    ("parallel", said(parallel_tool_calls=True), "unknown_field", "1210"),
    ("max_completion_tokens", said(max_completion_tokens=1), "unknown_field", "1210"),
    ("choice required", said(tools=[TOOL], tool_choice="required"), "field_value", "1210"),
    ("choice none", said(tools=[TOOL], tool_choice="none"), "field_value", "1210"),
    ("choice named", said(tools=[TOOL], tool_choice={"type": "function"}), "field_value", "1210"),
    ("hot", said(temperature=1.1), "field_range", "1210"),
    ("top_p zero", said(top_p=0), "field_range", "1210"),
    ("too long", said(max_tokens=131_073), "field_range", "1210"),
    ("stop a string", said(stop="x"), "field_type", "1210"),
    ("five stops", said(stop=list("abcde")), "field_range", "1210"),
    ("schema", said(response_format={"type": "json_schema"}), "field_value", "1210"),
    ("adaptive", said(thinking={"type": "adaptive"}), "field_value", "1210"),
    ("effort unknown", said(reasoning_effort="ultra"), "field_value", "1210"),
    ("short request id", said(request_id="abc"), "field_range", "1210"),
    ("long user id", said(user_id="u" * 129), "field_range", "1210"),
    ("flat search", said(tools=[{"type": "web_search", "enable": True}]), "unknown_field", "1210"),
    ("search of too much", said(tools=[{"type": "web_search", "web_search": {"count": 51}}]), "field_range", "1210"),
    ("function without parameters", said(tools=[{"type": "function", "function": {"name": "f"}}]), "field_missing", "1210"),
    ("custom tool", said(tools=[{"type": "custom"}]), "tool_type", "1212"),
    ("developer", said({**USER, "role": "developer"}), "role", "1214"),
    ("no user", said({"role": "system", "content": "S"}), "no_turn", "1214"),
    ("null content", said(USER, {**CALLED, "content": None}, RESULT), "content_null", "1214"),
    ("parts for a text model", said({**USER, "content": [TEXT]}), "field_type", "1214"),
    ("unanswered", said(USER, CALLED, USER), "call_unanswered", "1214"),
    ("orphan", said(USER, RESULT), "result_orphan", "1214"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule", "code"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused_with_a_code_as_a_string(body: dict[str, Any], rule: str, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert caught.value.rule == rule
    failure = ZHIPU.told(caught.value, "chat")
    assert failure.status == 400
    assert json.loads(ZHIPU.body(failure, "chat", "r"))["error"]["code"] == code


GOOD = [
    ("everything", said({"role": "system", "content": "S"}, USER, stream=True, max_tokens=131_072, temperature=0,
                        top_p=0.01, do_sample=True, stop=["x"], tools=[TOOL, SEARCH], tool_choice="auto",
                        response_format={"type": "json_object"}, thinking={"type": "enabled", "clear_thinking": False},
                        reasoning_effort="max", tool_stream=True, request_id="abcdef", user_id="u" * 128)),
    ("loop", said(USER, CALLED, RESULT)),
    ("mcp and retrieval", said(tools=[
        {"type": "mcp", "mcp": {"server_label": "x", "server_url": "https://example.org", "transport_type": "sse"}},
        {"type": "retrieval", "retrieval": {"knowledge_id": "k"}}])),
]  # fmt: skip


@pytest.mark.parametrize("body", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any]) -> None:
    assert len(read(body).said) == len(body["messages"])


def test_media_by_model() -> None:
    body = said({**USER, "content": [IMAGE, TEXT]})
    assert read(body, "glm-5.3-flash").said
    assert read(body, "glm-5v-turbo").said
    with pytest.raises(Rejected):
        read(body, "glm-5.3")


def test_the_newest_family_cannot_stop_thinking() -> None:
    off = said(thinking={"type": "disabled"})
    with pytest.raises(Rejected, match="thinking_forced"):
        read(off, "glm-5.3")
    with pytest.raises(Rejected, match="thinking_forced"):
        read(off, "glm-5.3-flash")
    assert read(off, "glm-5.3", CODING).thinking
    assert not read(off, "glm-5.2").thinking
    turbo = read(off, "glm-5-turbo")
    assert (turbo.thinking, turbo.ignored) == (True, (("thinking", "disabled"),))


@pytest.mark.parametrize(
    ("model", "taken", "refused"),
    [
        ("glm-5.3", ["low", "high", "max"], ["none", "minimal", "medium", "xhigh"]),
        ("glm-5.2", ["none", "minimal", "low", "medium", "high", "xhigh", "max"], ["ultra"]),
        ("glm-5.1", [], ["low", "high", "max"]),
        ("glm-4.6", [], ["high"]),
    ],
)
def test_effort_words_by_family(model: str, taken: list[str], refused: list[str]) -> None:
    for word in taken:
        assert read(said(reasoning_effort=word), model).model == model
    for word in refused:
        with pytest.raises(Rejected):
            read(said(reasoning_effort=word), model)


def test_effort_none_is_off_and_the_coding_plan_maps_words() -> None:
    assert not read(said(reasoning_effort="none")).thinking
    assert not read(said(reasoning_effort="minimal")).thinking
    assert read(said(reasoning_effort="medium"), "glm-5.3", CODING).thinking


def test_the_coding_plan_takes_functions_only() -> None:
    with pytest.raises(Rejected, match="functions only"):
        read(said(tools=[SEARCH]), path=CODING)
    assert read(said(tools=[SEARCH])).search
    assert not read(said(tools=[{"type": "web_search", "web_search": {"enable": False}}])).search


def test_what_is_not_heeded() -> None:
    ask = read(said(do_sample=False, temperature=0.5, stop=["a", "b"], stream_options={"include_usage": True}))
    assert [field for field, _ in ask.ignored] == ["temperature", "stop"]
    assert ask.tolerated == ("stream_options",)


# -- answers


async def test_calls_come_whole_unless_pieces_are_asked_for() -> None:
    async with simulated("zhipu") as client:
        whole = await client.chat(TASK, stream=True, tools=[SHELL])
        calls = [call for delta in whole.deltas for call in delta.get("tool_calls", ())]
        assert len(calls) == 1
        assert json.loads(calls[0]["function"]["arguments"])["cmd"].endswith("sky.txt")
        assert whole.finish == "tool_calls"
        pieces = await client.chat(TASK, stream=True, tools=[SHELL], tool_stream=True)
        calls = [call for delta in pieces.deltas for call in delta.get("tool_calls", ())]
        assert len(calls) > 5
        assert json.loads("".join(c["function"]["arguments"] for c in calls))["cmd"].endswith("sky.txt")


async def test_chunks_of_this_vendor() -> None:
    async with simulated("zhipu") as client:
        got = await client.chat("hi", stream=True)
        assert all(delta["role"] == "assistant" for delta in got.deltas)
        assert all("object" not in chunk and chunk["request_id"] for chunk in got.chunks)
        *before, last = got.chunks
        assert last["choices"][0]["finish_reason"] == "stop"
        assert set(last["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"}
        assert all("usage" not in chunk for chunk in before)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("content_filter", "sensitive"),
        ("network_error", "network_error"),
        ("context", "model_context_window_exceeded"),
        ("length", "length"),
    ],
)
async def test_finish_words(fault: str, word: str) -> None:
    async with simulated("zhipu") as client:
        assert (await client.chat(f"hi [sim:fault={fault}]", stream=True)).finish == word
        assert (await client.chat(f"hi [sim:fault={fault}]")).json["choices"][0]["finish_reason"] == word


async def test_search_results_stand_at_the_top() -> None:
    async with simulated("zhipu") as client:
        whole = (await client.chat("Search the web for news", tools=[SEARCH])).json
        assert whole["web_search"][0]["link"] == "https://example.org/one"
        streamed = await client.chat("Search the web for news", tools=[SEARCH], stream=True)
        assert [chunk["web_search"] for chunk in streamed.chunks if "web_search" in chunk] == [whole["web_search"]]


# -- reasoning


async def test_the_open_loop_wants_its_reasoning_and_gets_no_error() -> None:
    async with simulated("zhipu") as client:
        turns = await history(client)
        del turns[1]["reasoning_content"]
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert rules(client) == ["reasoning_dropped"]
        turns += [{"role": "assistant", "content": "done"}, USER]
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert rules(client) == ["reasoning_dropped"]


async def test_preserved_thinking_wants_every_turn_complete() -> None:
    async with simulated("zhipu") as client:
        kept = {"thinking": {"type": "enabled", "clear_thinking": False}}
        first = (await client.chat("Say hello.", **kept)).json["choices"][0]["message"]
        turns = [{"role": "user", "content": "Say hello."}, first, USER]
        assert (await client.chat(turns, **kept)).status == 200
        assert client.sim.verdict().reasoning_checked == 1
        changed = copy.deepcopy(turns)
        changed[1]["reasoning_content"] = changed[1]["reasoning_content"].strip()
        await client.chat(changed, **kept)
        assert rules(client) == ["reasoning_changed"]
        del changed[1]["reasoning_content"]
        await client.chat(changed, **kept)
        assert rules(client) == ["reasoning_changed", "reasoning_dropped"]
        await client.chat(changed)
        assert len(rules(client)) == 2
        await client.post(said(*changed), path=CODING)
        assert rules(client)[2:] == ["reasoning_dropped"]


async def test_thinking_blocks_on_messages() -> None:
    async with simulated("zhipu") as client:
        turns = await used(client)
        del turns[1]["content"][0]
        assert (await client.messages(turns, tools=[USED], max_tokens=4000)).status == 200
        assert rules(client) == ["reasoning_dropped"]


# -- errors


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("429", 429, "1302"), ("overload", 429, "1305"), ("quota", 429, "1308"), ("balance", 429, "1113"),
     ("overflow", 400, "1261"), ("moderation", 400, "1301"), ("401", 401, "1001"), ("500", 500, "1234")],
)  # fmt: skip
async def test_the_code_decides_and_not_the_status(fault: str, status: int, code: str) -> None:
    async with simulated("zhipu") as client:
        got = await client.chat(f"hi [sim:fault={fault}]")
        assert (got.status, got.json["error"]["code"]) == (status, code)
        assert set(got.json["error"]) == {"code", "message"}
        messages = await client.messages(f"hi [sim:fault={fault}]", max_tokens=100)
        assert messages.json == {"type": "error", "error": got.json["error"], "request_id": messages.json["request_id"]}


async def test_unknown_models_and_no_model_list() -> None:
    async with simulated("zhipu") as client:
        got = await client.post(said() | {"model": "glm-9"})
        assert (got.status, got.json["error"]["code"]) == (400, "1211")
        async with client.session.get(client.sim.url + "/v1/models", headers=client.headers) as answer:
            assert answer.status == 404
