"""A turn that the vendor's server pauses (`pause_turn`): a client whose protocol knows no pause gets the whole turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.client.pauses import MAX_PAUSES
from tests.e2e.endpoints import read
from tests.e2e.world import Answer, Got, World, world

CONFIG = '[providers.anthropic]\napi_key = "sk-test"\nbase_url = "$UPSTREAM"\n[retry]\nattempts = 1\n'
MODEL = "anthropic:claude-opus-4-8"
HEAD: dict[str, Any] = {"id": "msg_up", "type": "message", "role": "assistant", "model": "m"}
THOUGHT = {"type": "thinking", "thinking": "Look it up.", "signature": "sig-1"}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "alpha"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.org/a",
            "title": "A",
            "encrypted_content": "EA",
            "page_age": None,
        }
    ],
}
both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
elsewhere = pytest.mark.parametrize("endpoint", ["responses", "chat"])


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def answer(stream: bool, reason: str, *blocks: dict[str, Any]) -> Answer:
    """A Messages answer that ends so."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    ended = {"stop_reason": reason, "stop_sequence": None}
    if not stream:
        return Answer(json={**HEAD, "content": blocks, **ended, "usage": usage})
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**HEAD, "content": [], "stop_reason": None, "usage": usage}}
    ]
    for index, block in enumerate(blocks):
        at = {"index": index}
        empty, deltas = opened(block)
        events.append({"type": "content_block_start", **at, "content_block": empty})
        events += [{"type": "content_block_delta", **at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", **at})
    events += [{"type": "message_delta", "delta": ended, "usage": usage}, {"type": "message_stop"}]
    return Answer([b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)])


def opened(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as its stream opens it, and the deltas that fill it."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        case "thinking":
            return {**block, "thinking": "", "signature": ""}, [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "server_tool_use":
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            return {**block, "input": {}}, [delta]
    return block, []


async def searched(w: World, endpoint: str, stream: bool, *said: dict[str, Any]) -> Got:
    """A question, or a conversation, with a web search that the vendor runs."""
    talk = list(said) or [{"role": "user", "content": "hi"}]
    body: dict[str, Any] = {"model": MODEL, "stream": stream, "tools": [{"type": "web_search"}]}
    if endpoint == "responses":
        return await w.post("/v1/responses", {**body, "input": talk})
    if endpoint == "chat":
        more = {"stream_options": {"include_usage": True}} if stream else {}
        return await w.post("/v1/chat/completions", {**body, "messages": talk, **more})
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    return await w.post("/v1/messages", {**body, "messages": talk, "tools": tools, "max_tokens": 4096})


@elsewhere
@both
async def test_a_paused_turn_goes_on(tmp_path: Path, endpoint: str, stream: bool) -> None:
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(
            answer(stream, "pause_turn", THOUGHT, said("I look."), USE, FOUND),
            answer(stream, "pause_turn", said("There is more.")),
            answer(stream, "end_turn", said("Alpha is out.")),
        )
        got = await searched(w, endpoint, stream)
        first, second, third = w.upstream.requests
    out = read(endpoint, got, stream=stream)
    assert (out.end, out.error) == ("completed", "")
    assert out.text.split("\n\n") == (
        ["I look.", "There is more.Alpha is out."] if endpoint == "chat" else ["I look.There is more.Alpha is out."]
    )
    assert out.usage is not None and out.usage[:2] == (9, 6), "the sum of the three calls"
    before = len(first["messages"])
    for body, blocks in ((second, [THOUGHT, said("I look."), USE, FOUND]), (third, [said("There is more.")])):
        *history, turn = body["messages"]
        assert history[:before] == first["messages"] and turn["role"] == "assistant"
        assert turn["content"][-len(blocks) :] == blocks, "the turn goes back as it came, and nothing behind it"
        assert body["tools"] == first["tools"]
    assert (
        third["messages"][-1]["content"][: len(second["messages"][-1]["content"])] == second["messages"][-1]["content"]
    )


@both
async def test_a_messages_client_is_told_of_the_pause(tmp_path: Path, stream: bool) -> None:
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(answer(stream, "pause_turn", said("I look."), USE, FOUND))
        got = await searched(w, "messages", stream)
        assert len(w.upstream.requests) == 1
    reasons = (
        [e["delta"]["stop_reason"] for e in got.events if e["type"] == "message_delta"]
        if stream
        else [got.json["stop_reason"]]
    )
    assert reasons == ["pause_turn"]


@elsewhere
@both
async def test_a_turn_without_end_is_no_answer(tmp_path: Path, endpoint: str, stream: bool) -> None:
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.default = lambda body: answer(stream, "pause_turn", said("Still."))
        got = await searched(w, endpoint, stream)
        assert len(w.upstream.requests) == 1 + MAX_PAUSES
    out = read(endpoint, got, stream=stream)
    assert out.end == "failed" and "paused this turn" in out.error


@elsewhere
async def test_the_next_question_finds_the_turn_as_it_was(tmp_path: Path, endpoint: str) -> None:
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(
            answer(False, "pause_turn", THOUGHT, said("I look."), USE, FOUND),
            answer(False, "end_turn", said("Alpha is out.")),
            answer(False, "end_turn", said("Gladly.")),
        )
        got = await searched(w, endpoint, False)
        kept = got.json["output"] if endpoint == "responses" else [got.json["choices"][0]["message"]]
        hi, more = {"role": "user", "content": "hi"}, {"role": "user", "content": "more"}
        last = await searched(w, endpoint, False, hi, *kept, more)
        assert read(endpoint, last, stream=False).text == "Gladly."
        turns = [m["content"] for m in w.upstream.last["messages"] if m["role"] == "assistant"]
    assert turns[0][0] == THOUGHT, "with its signature"


@elsewhere
@both
async def test_a_pause_in_the_middle_of_a_search(tmp_path: Path, endpoint: str, stream: bool) -> None:
    """The call of the server's tool stands in the paused turn, its result comes with the next one."""
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(
            answer(stream, "pause_turn", THOUGHT, said("I look."), USE),
            answer(stream, "end_turn", FOUND, said("Alpha is out.")),
        )
        got = await searched(w, endpoint, stream)
        assert w.upstream.last["messages"][-1] == {"role": "assistant", "content": [THOUGHT, said("I look."), USE]}
    out = read(endpoint, got, stream=stream)
    assert (out.end, out.error, "Alpha is out." in out.text) == ("completed", "", True)
