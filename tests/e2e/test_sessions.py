"""Stored responses, chains, and the reading of them; compaction; the reasoning that survives each client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_responses_cases import ROLE, function, user
from tests.e2e.world import Answer, World, call, chunk, message, usage_chunk, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp=tmp_path) as made:
        yield made


def talk(sent: dict[str, Any]) -> list[tuple[str, str]]:
    return [(m["role"], m.get("content", "")) for m in sent["messages"]]


@pytest.mark.case("I01", "I02", "I06")
@pytest.mark.parametrize("stream", [True, False])
async def test_i01_two_turns(w: World, stream: bool) -> None:
    first = await w.responses(stream, input="q1", instructions="I1")
    made = first.events[-1]["response"] if stream else first.json
    second = await w.responses(False, input="q2", previous_response_id=made["id"], instructions="I2")
    assert second.status == 200
    assert talk(w.upstream.last) == [("system", "I2"), ("user", "q1"), ("assistant", "Hello"), ("user", "q2")]
    assert "previous_response_id" not in w.upstream.last
    assert second.json["previous_response_id"] == made["id"]


@pytest.mark.case("I03")
async def test_i03_parallel_calls_then_outputs(w: World) -> None:
    w.upstream.push(
        Answer.stream(
            ROLE,
            chunk(**call(0, "c1", "f", "{}")),
            chunk(**call(1, "c2", "g", "{}")),
            chunk("tool_calls"),
            usage_chunk(),
        )
    )
    tools = [function("f"), function("g")]
    first = await w.responses(True, input="q1", tools=tools)
    made = first.events[-1]["response"]["id"]
    outputs = [{"type": "function_call_output", "call_id": c, "output": c} for c in ("c1", "c2")]
    await w.responses(False, input=[*outputs, user("go on")], previous_response_id=made, tools=tools)
    sent = w.upstream.last["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [c["id"] for c in sent[1]["tool_calls"]] == ["c1", "c2"]


@pytest.mark.case("I04", "I05")
async def test_i04_what_was_not_stored_is_not_found(w: World) -> None:
    first = await w.responses(False, store=False)
    for unknown in (first.json["id"], "resp_nothing"):
        got = await w.responses(False, previous_response_id=unknown)
        assert got.status in (400, 404)
        assert got.json["error"]["code"] == "previous_response_not_found"
        assert (await w.request("GET", f"/v1/responses/{unknown}")).status == 404
    assert len(w.upstream.requests) == 1


@pytest.mark.case("I11")
async def test_i11_reasoning_in_a_chain(w: World) -> None:
    made = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    w.upstream.push(Answer(json=message("", "tool_calls", reasoning_content="because", tool_calls=made)))
    first = await w.responses(False, tools=[function()], reasoning={"effort": "high"})
    await w.responses(
        False,
        tools=[function()],
        previous_response_id=first.json["id"],
        input=[{"type": "function_call_output", "call_id": "c1", "output": "ok"}],
    )
    assistant = next(m for m in w.upstream.last["messages"] if m["role"] == "assistant")
    assert assistant["reasoning_content"] == "because"
    assert w.upstream.last["thinking"] == {"type": "enabled"}


@pytest.mark.case("I13")
async def test_i13_conversation_and_previous_response(w: World) -> None:
    got = await w.responses(False, conversation="conv_1", previous_response_id="resp_1")
    assert got.status == 400
    assert w.upstream.requests == []


@pytest.mark.case("J10")
async def test_j10_stored_responses_can_be_read_and_deleted(w: World) -> None:
    made = (await w.responses(False, input="q1")).json
    got = await w.request("GET", f"/v1/responses/{made['id']}")
    assert got.json["output"] == made["output"]
    items = (await w.request("GET", f"/v1/responses/{made['id']}/input_items")).json
    assert "q1" in json.dumps(items["data"])
    assert (await w.request("DELETE", f"/v1/responses/{made['id']}")).status == 200
    assert (await w.request("GET", f"/v1/responses/{made['id']}")).status == 404


# -- reasoning survives


THOUGHT = "Let me think: \u00e9\u4e2d\U0001f600\n"


def two_turns(stream: bool) -> list[Answer]:
    """A turn with reasoning and a call whose id is always the same, then an answer."""
    made = [{"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    if not stream:
        return [
            Answer(json=message("", "tool_calls", reasoning_content=THOUGHT, tool_calls=made)),
            Answer(json=message("done")),
        ]
    first = Answer.stream(
        ROLE,
        chunk(reasoning_content=THOUGHT),
        chunk(**call(0, "call_0", "f", '{"a": 1}')),
        chunk("tool_calls"),
        usage_chunk(),
    )
    return [first, Answer.stream(ROLE, chunk(content="done"), chunk("stop"), usage_chunk())]


def replayed(w: World) -> str:
    assistant = next(m for m in w.upstream.last["messages"] if m["role"] == "assistant")
    return str(assistant["reasoning_content"])


@pytest.mark.req(107)
@pytest.mark.parametrize("stream", [True, False])
async def test_sealed_in_encrypted_content(w: World, stream: bool) -> None:
    w.upstream.push(*two_turns(stream))
    asked = {
        "tools": [function()],
        "reasoning": {"effort": "high"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    first = await w.responses(stream, input=[user("q")], **asked)
    items = first.events[-1]["response"]["output"] if stream else first.json["output"]
    kept = [{k: v for k, v in i.items() if k not in ("id", "status")} for i in items]
    kept[0] = {"type": "reasoning", "summary": [], "encrypted_content": kept[0]["encrypted_content"]}
    if stream:
        done = [
            e["item"]["encrypted_content"]
            for e in first.events
            if e["type"] == "response.output_item.done" and e["item"]["type"] == "reasoning"
        ]
        assert done == [items[0]["encrypted_content"]]
    await w.responses(
        stream, input=[user("q"), *kept, {"type": "function_call_output", "call_id": "call_0", "output": "ok"}], **asked
    )
    assert replayed(w) == THOUGHT
    assert w.upstream.last["thinking"] == {"type": "enabled"}


@pytest.mark.req(107)
@pytest.mark.parametrize("display", ["summarized", "omitted"])
async def test_sealed_in_the_signature(w: World, display: str) -> None:
    w.upstream.push(*two_turns(False))
    asked = {
        "model": "xiaomi/m", "max_tokens": 4096, "thinking": {"type": "adaptive", "display": display},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    }  # fmt: skip
    first = await w.post("/v1/messages", {**asked, "messages": [{"role": "user", "content": "q"}]})
    blocks = first.json["content"]
    assert blocks[0]["signature"].startswith("dgm1.")
    assert blocks[0]["thinking"] == (THOUGHT if display == "summarized" else "")
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "ok"}]}
    await w.post(
        "/v1/messages",
        {**asked, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": blocks}, result]},
    )
    assert replayed(w) == THOUGHT


@pytest.mark.parametrize(
    "trim",
    [lambda m: m.pop("reasoning_content"), lambda m: m.update(reasoning_content=THOUGHT.strip()), lambda m: None],
)
async def test_remembered_for_chat(w: World, trim: Any) -> None:
    w.upstream.push(*two_turns(False))
    asked = {
        "model": "xiaomi/m",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    }
    first = await w.post("/v1/chat/completions", {**asked, "messages": [{"role": "user", "content": "q"}]})
    said = first.json["choices"][0]["message"]
    trim(said)
    said["tool_calls"][0]["function"]["arguments"] = '{"a":1}'
    history = [{"role": "user", "content": "q"}, said, {"role": "tool", "tool_call_id": "call_0", "content": "ok"}]
    await w.post("/v1/chat/completions", {**asked, "messages": history})
    assert replayed(w) == THOUGHT


async def test_two_conversations_with_the_same_call_ids_do_not_mix(w: World) -> None:
    asked = {
        "model": "xiaomi/m",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    }
    made = [{"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    for name in ("one", "two"):
        w.upstream.push(Answer(json=message("", "tool_calls", reasoning_content=f"thought of {name}", tool_calls=made)))
        await w.post("/v1/chat/completions", {**asked, "messages": [{"role": "user", "content": name}]})
    for name in ("one", "two"):
        said = {"role": "assistant", "content": None, "tool_calls": made}
        history = [{"role": "user", "content": name}, said, {"role": "tool", "tool_call_id": "call_0", "content": "ok"}]
        await w.post("/v1/chat/completions", {**asked, "messages": history})
        assert replayed(w) == f"thought of {name}"


async def test_a_forged_seal_is_ignored_with_a_note(w: World) -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "dgm1.k.AAAA"}
    calls = [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]
    got = await w.responses(False, input=[user("q"), thought, *calls], tools=[function()], reasoning={"effort": "high"})
    assert got.status == 200
    assert {"seal_ignored", "thinking_placeholder"} <= got.notes


async def test_compaction_and_the_turn_after_it(w: World) -> None:
    w.upstream.push(
        Answer(json=message("SUMMARY OF THE WORK")),
        Answer.stream(ROLE, chunk(content="SUMMARY OF THE WORK"), chunk("stop"), usage_chunk()),
    )
    old = [
        user("the goal is X " + "x" * 2000),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "OLD " * 800}]},
        user("last wish"),
    ]
    got = await w.responses(False, input=[*old, {"type": "compaction_trigger"}])
    assert got.status == 200, got.body
    compaction = [i for i in got.json["output"] if i["type"] == "compaction"]
    assert len(compaction) == 1 and len(got.json["output"]) == 1
    assert len(w.upstream.requests) == 1
    w.upstream.script.clear()
    await w.responses(False, input=[compaction[0], user("go on")])
    sent = json.dumps(w.upstream.last["messages"])
    assert "SUMMARY OF THE WORK" in sent and "go on" in sent and "last wish" in sent
    assert "OLD OLD" not in sent
    bad = await w.responses(False, input=[{"type": "compaction", "encrypted_content": "dgm1.k.AAAA"}, user("go on")])
    assert (bad.status, bad.json["error"]["code"]) == (400, "compaction_unreadable")


async def test_every_answer_names_its_request(w: World) -> None:
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/healthz"),
        ("HEAD", "/"),
        ("GET", "/v1/responses/none"),
        ("GET", "/nowhere"),
    ):
        assert (await w.request(method, path)).headers["x-request-id"].startswith("req_"), path
