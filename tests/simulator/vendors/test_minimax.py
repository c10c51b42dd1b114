"""MiniMax: what is refused and in which words, how reasoning goes out and must come back, and the odd manners."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

import pytest

from dragoman.simulator import Turn
from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.minimax import MINIMAX
from tests.simulator.conftest import Client, simulated
from tests.simulator.vendors.test_every import SHELL, TASK, USED, history, rules, used

USER = {"role": "user", "content": "hi"}
SYSTEM = {"role": "system", "content": "S"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
VIDEO = {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}
WORDS = {"type": "text", "text": "what?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def said(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "MiniMax-M3", "messages": copy.deepcopy(list(messages) or [USER]), **fields}


def read(body: dict[str, Any], model: str = "MiniMax-M3") -> Ask:
    card = MINIMAX.card(model)
    assert card is not None and MINIMAX.chat is not None
    return MINIMAX.chat.read({**body, "model": model}, card, Account())


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], **fields}}


BAD = [
    ("two system messages", said(SYSTEM, SYSTEM, USER), "system_twice", "invalid chat setting"),
    ("system late", said(USER, SYSTEM), "system_late", "chat content has invalid message role: system"),
    ("only system", said(SYSTEM), "no_turn", "chat content is empty"),
    ("developer", said({**USER, "role": "developer"}), "role", "invalid message role: developer"),
    ("blank user", said({**USER, "content": "  "}), "blank", "chat content is empty"),
    ("empty user", said({**USER, "content": ""}), "text_not_set", "chat content is empty"),
    ("blank answer", said(USER, {"role": "assistant", "content": ""}, USER), "blank", "chat content is empty"),
    ("content null", said(USER, {**CALLED, "content": None}, RESULT), "content_null", "chat content is empty"),
    ("strict null", said(tools=[tool(strict=None)]), "field_type", "strict"),
    ("tool choice auto", said(tools=[TOOL], tool_choice="auto"), "unknown_field", "tool_choice"),
    ("tool without parameters", said(tools=[{"type": "function", "function": {"name": "f"}}]), "field_missing",
     "function parameters is empty"),
    ("custom tool", said(tools=[{"type": "custom", "custom": {}}]), "tool_type", "invalid tool type: custom"),
    ("search tool", said(tools=[{"type": "web_search"}]), "tool_type", "invalid tool type: web_search"),
    ("same id in a message", said(USER, {**CALLED, "tool_calls": [CALL, CALL]}, RESULT), "call_id_twice",
     "duplicate tool_call id"),
    ("same id in another turn", said(USER, CALLED, RESULT, CALLED, RESULT), "call_id_twice", "duplicate tool_call id"),
    ("result first", said(USER, RESULT, CALLED), "result_orphan", "tool result's tool id(c1) not found"),
    ("call unanswered", said(USER, CALLED, USER), "call_unanswered", "tool call result does not follow tool call"),
    ("cut arguments", said(USER, {**CALLED, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]},
                           RESULT), "arguments_json", "invalid function arguments json string, tool_call_id: c1"),
    ("response_format", said(response_format={"type": "json_object"}), "unknown_field", "response_format"),
    ("stop", said(stop=["x"]), "unknown_field", "stop"),
    ("seed", said(seed=1), "unknown_field", "seed"),
    ("two answers", said(n=2), "field_range", "n"),
    ("too hot", said(temperature=2.1), "field_range", "temperature"),
    ("top_p", said(top_p=1.1), "field_range", "top_p"),
    ("too long", said(max_completion_tokens=524_289), "field_range", "max_completion_tokens"),
    ("thinking enabled", said(thinking={"type": "enabled"}), "field_value", "thinking.type"),
    ("effort", said(reasoning_effort="high"), "unknown_field", "reasoning_effort"),
    ("tier", said(service_tier="auto"), "field_value", "service_tier"),
    ("details of another shape", said(USER, {**CALLED, "reasoning_details": [{"text": "x"}]}, RESULT), "field_missing",
     "reasoning_details"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused_with_2013_and_the_reason(body: dict[str, Any], rule: str, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert caught.value.rule == rule
    failure = MINIMAX.told(caught.value, "chat")
    assert (failure.status, failure.code, failure.kind) == (400, "2013", "bad_request_error")
    told = json.loads(MINIMAX.body(failure, "chat", "r"))["error"]["message"]
    assert told.startswith("invalid params, ")
    assert words in told
    assert told.endswith(" (2013)")


GOOD = [
    ("plain", said()),
    ("everything", said(SYSTEM, USER, stream=True, stream_options={"include_usage": True}, max_tokens=10, n=1,
                        temperature=2, top_p=0, service_tier="priority", parallel_tool_calls=True,
                        thinking={"type": "adaptive"}, reasoning_split=True, tools=[tool(strict=False)])),
    ("loop", said(USER, CALLED, RESULT)),
    ("call without content", said(USER, {k: v for k, v in CALLED.items() if k != "content"}, RESULT)),
    ("empty result", said(USER, CALLED, {**RESULT, "content": ""})),
    ("the whole message back", said(USER, {**CALLED, "name": "MiniMax AI", "audio_content": "",
                                           "tool_calls": [{**CALL, "index": 0}]}, RESULT)),
    ("media", said({**USER, "content": [IMAGE, VIDEO, WORDS]})),
    ("media alone", said({**USER, "content": [IMAGE]})),
]  # fmt: skip


@pytest.mark.parametrize("body", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any]) -> None:
    assert len(read(body).said) == len(body["messages"])


def test_older_models_are_text_only_and_cooler_and_ignore_the_switch() -> None:
    with pytest.raises(Rejected, match="part_type"):
        read(said({**USER, "content": [IMAGE, WORDS]}), "MiniMax-M2.7")
    for value in (0, 1.1):
        with pytest.raises(Rejected, match="field_range"):
            read(said(temperature=value), "MiniMax-M2.7")
    ask = read(said(temperature=1, thinking={"type": "disabled"}), "MiniMax-M2.7")
    assert ask.thinking
    assert ("thinking", "disabled") in ask.ignored
    assert not read(said(thinking={"type": "disabled"})).thinking
    assert read(said()).thinking


def test_the_preview_thinks_always_and_knows_efforts() -> None:
    assert read(said(reasoning_effort="xhigh"), "MiniMax-M3.1-Flash-Preview").thinking
    with pytest.raises(Rejected, match="field_value"):
        read(said(thinking={"type": "disabled"}), "MiniMax-M3.1-Flash-Preview")


def test_what_is_taken_and_not_heeded() -> None:
    ask = read(said(presence_penalty=1, logit_bias={}, parallel_tool_calls=False))
    assert ask.ignored == (("presence_penalty", "1"), ("logit_bias", "{}"))
    assert ask.tolerated == ("parallel_tool_calls",)


# -- reasoning


async def test_reasoning_stands_in_tags_unless_it_is_split() -> None:
    async with simulated("minimax") as client:
        inline = await client.chat("[sim:say=words]", stream=True)
        assert inline.deltas[0]["content"].startswith("<think>\nPen")
        assert inline.joined("content") == f"<think>\n{client.sim.requests[0].turn.reasoning}\n</think>\n\nwords"  # type: ignore[union-attr]
        assert inline.joined("reasoning_content") == ""
        split = await client.chat("[sim:say=words]", stream=True, reasoning_split=True)
        assert split.joined("content") == "words"
        pieces = [piece for delta in split.deltas for piece in delta.get("reasoning_details", ())]
        assert {(p["type"], p["id"], p["format"], p["index"]) for p in pieces} == {
            ("reasoning.text", "reasoning-text-1", "MiniMax-response-v1", 0)
        }
        assert "".join(p["text"] for p in pieces) == split.joined("reasoning_content") != ""


async def test_the_last_chunk_holds_text_and_end_and_usage() -> None:
    async with simulated("minimax") as client:
        got = await client.chat("[sim:say=words]", stream=True, stream_options={"include_usage": True})
        *before, last = got.chunks
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["choices"][0]["delta"]["content"]
        assert last["usage"]["total_tokens"] > 0
        assert {chunk["usage"] for chunk in before} == {None}
        assert all(chunk["input_sensitive"] is False for chunk in got.chunks)
        plain = await client.chat("[sim:say=words]", stream=True)
        assert plain.chunks[-1]["usage"] is None


async def split_history(client: Client) -> list[dict[str, Any]]:
    return await history(client, reasoning_split=True)


async def test_details_and_tags_are_compared_byte_for_byte() -> None:
    async with simulated("minimax") as client:
        said = await split_history(client)
        assert (await client.chat(said, tools=[SHELL], reasoning_split=True)).status == 200
        assert client.sim.verdict().reasoning_checked == 1
        said[1]["reasoning_details"][0]["text"] += " "
        said[1]["reasoning_content"] += " "
        await client.chat(said, tools=[SHELL], reasoning_split=True)
        assert rules(client) == ["reasoning_changed"]
    async with simulated("minimax") as client:
        inline = await history(client)
        assert inline[1]["content"].startswith("<think>\n")
        inline[1]["content"] = inline[1]["content"].replace("\n</think>\n\n", "</think>")
        await client.chat(inline, tools=[SHELL])
        assert rules(client) == ["reasoning_changed"]


async def test_another_form_or_none_at_all_is_a_violation_and_no_error() -> None:
    async with simulated("minimax") as client:
        said = await split_history(client)
        del said[1]["reasoning_details"]
        assert (await client.chat(said, tools=[SHELL], reasoning_split=True)).status == 200
        assert rules(client) == ["reasoning_form"]
        del said[1]["reasoning_content"]
        assert (await client.chat(said, tools=[SHELL], reasoning_split=True)).status == 200
        assert rules(client) == ["reasoning_form", "reasoning_dropped"]


async def test_details_and_the_plain_field_must_agree() -> None:
    async with simulated("minimax") as client:
        said = await split_history(client)
        said[1]["reasoning_content"] = "something else"
        await client.chat(said, tools=[SHELL], reasoning_split=True)
        assert rules(client) == ["reasoning_changed"]


async def test_thinking_blocks_come_back_on_messages() -> None:
    async with simulated("minimax") as client:
        said = await used(client)
        del said[1]["content"][0]
        assert (await client.messages(said, tools=[USED], max_tokens=4000)).status == 200
        assert rules(client) == ["reasoning_dropped"]


# -- manners and errors


async def test_cumulative_details_repeat_the_text_so_far_and_may_end_with_a_tag() -> None:
    async with simulated("minimax", manners=["cumulative", "tail"]) as client:
        got = await client.chat("[sim:say=words]", stream=True, reasoning_split=True)
        texts = [piece["text"] for delta in got.deltas for piece in delta.get("reasoning_details", ())]
        assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
        assert texts[-1] == got.joined("reasoning_content") + "</think>"


async def test_a_tail_may_come_back_as_it_was_sent() -> None:
    async with simulated("minimax", manners=["tail"]) as client:
        said = await split_history(client)
        assert said[1]["reasoning_details"][0]["text"].endswith("</think>")
        await client.chat(said, tools=[SHELL], reasoning_split=True)
        assert (client.sim.verdict().reasoning_checked, rules(client)) == (1, [])


async def test_the_whole_message_can_be_repeated_at_the_end() -> None:
    async with simulated("minimax") as client:
        got = await client.chat("hi [sim:manner=repeat]", stream=True)
        last = got.chunks[-1]
        assert last["object"] == "chat.completion"
        assert last["choices"][0]["message"]["content"] == got.joined("content")
        assert last["base_resp"] == {"status_code": 0, "status_msg": ""}


async def test_a_failure_can_hide_in_http_200() -> None:
    async with simulated("minimax") as client:
        whole = await client.chat("hi [sim:fault=base_resp]")
        assert whole.status == 200
        assert whole.json["choices"] is None
        assert whole.json["base_resp"] == {"status_code": 1013, "status_msg": "internal error"}
        streamed = await client.chat("hi [sim:fault=base_resp]", stream=True)
        assert streamed.headers["content-type"] == "text/event-stream"
        assert streamed.chunks[0]["base_resp"]["status_code"] == 1013


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("429", 429, "1002"),
        ("quota", 429, "2056"),
        ("balance", 429, "1008"),
        ("422", 422, "1027"),
        ("401", 401, "1004"),
    ],
)
async def test_the_code_stands_in_round_brackets(fault: str, status: int, code: str) -> None:
    async with simulated("minimax") as client:
        got = await client.chat(f"hi [sim:fault={fault}]")
        assert got.json["type"] == "error"
        assert got.json["error"]["http_code"] == str(status)
        assert got.json["error"]["message"].endswith(f" ({code})")
        assert got.json["request_id"]


MESSAGES_BAD = [
    {"tool_choice": {"type": "any"}},
    {"tool_choice": {"type": "tool", "name": "f"}},
    {"output_config": {"effort": "high"}},
    {"temperature": 0},
    {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
    {"messages": [{"role": "system", "content": "S"}, USER]},
    {"max_tokens": None},
]


@pytest.mark.parametrize("fields", MESSAGES_BAD, ids=str)
async def test_messages_refuses(fields: dict[str, Any]) -> None:
    async with simulated("minimax") as client:
        body = {"model": "MiniMax-M3", "messages": [USER], "max_tokens": 100, **fields}
        assert (await client.post(body, path=client.messages_path)).status == 400


async def test_messages_takes_marks_and_ignores_some_fields() -> None:
    async with simulated("minimax") as client:
        mark = {"cache_control": {"type": "ephemeral"}}
        fields = {
            "system": [{"type": "text", "text": "S", **mark}],
            "metadata": {"user_id": "u"},
            "thinking": {"type": "adaptive"},
            "tool_choice": {"type": "none"},
            "tools": [{**USED, **mark}],
            "top_k": 5,
            "stop_sequences": ["Hello"],
        }
        got = await client.messages("Say hello.", max_tokens=1000, **fields)
        assert got.json["content"][-1]["text"].startswith("Hello")
        assert client.sim.verdict().ignored == {"top_k": 1, "stop_sequences": 1}
        client.model = "MiniMax-M3.1-Flash-Preview"
        assert (await client.messages("hi", max_tokens=100, output_config={"effort": "max"})).status == 200


async def test_messages_wants_the_protocols_version() -> None:
    async with simulated("minimax") as client:
        del client.headers["anthropic-version"]
        assert (await client.messages("hi", max_tokens=100)).status == 400
        assert (await client.chat("hi")).status == 200
        assert rules(client) == ["version"]


async def test_no_thinking_no_tags() -> None:
    async with simulated("minimax", script=[Turn(reasoning="why", text="because")]) as client:
        got = await client.chat("hi", thinking={"type": "disabled"})
        assert got.json["choices"][0]["message"]["content"] == "because"


async def test_the_loop_in_tags_leaves_the_text_alone() -> None:
    async with simulated("minimax") as client:
        said = await history(client)
        last = (await client.chat(said, tools=[SHELL])).json["choices"][0]["message"]
        following = [*said, last, {"role": "user", "content": "Say hello."}]
        assert (await client.chat(following, tools=[SHELL])).status == 200
        assert client.sim.verdict().reasoning_checked == 3
        assert TASK in json.dumps(following)
