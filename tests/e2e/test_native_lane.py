"""The native lane end to end: the vendor's own frames pass, with only `model` and the id touched, and law 2 holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_messages_upstream import PART, START, STOP, end, frames, text
from tests.e2e.world import RESET, Answer, World, chunk, sse, usage_chunk, world

HI = [{"role": "user", "content": "hi"}]


@asynccontextmanager
async def native(tmp_path: Path, config: str = "") -> AsyncIterator[World]:
    """A world in which OpenAI and Anthropic live on the scripted upstream too."""
    env = {
        "OPENAI_API_KEY": "sk-openai-0123456789", "OPENAI_BASE_URL": "$UPSTREAM/v1",
        "ANTHROPIC_API_KEY": "sk-ant-0123456789", "ANTHROPIC_BASE_URL": "$UPSTREAM",
    }  # fmt: skip
    async with world("[retry]\nattempts = 1\n" + config, tmp=tmp_path, env=env) as made:
        yield made


def unheard(got: list[dict[str, Any]], sent: list[dict[str, Any]]) -> list[Any]:
    """Pairs of events that differ."""
    return [pair for pair in zip(got, sent, strict=True) if pair[0] != pair[1]]


async def test_messages_frames_pass_untouched(tmp_path: Path) -> None:
    odd = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "He"},
        "novel": {"a": [1]},
    }
    sent = [START, {"type": "ping"}, PART[1], odd, text(0, "x")[-1], end(surprise=1), STOP]
    async with native(tmp_path) as w:
        w.upstream.push(Answer([frames(*sent)]))
        body = {
            "model": "anthropic/claude-x", "max_tokens": 9, "messages": HI, "stream": True, "novel_field": {"b": 1},
            "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}], "top_k": 3,
        }  # fmt: skip
        got = await w.post("/v1/messages", body)
        head = w.upstream.heads[-1]
    assert got.status == 200
    assert head.startswith("POST /v1/messages ") and "x-api-key: sk-ant-0123456789" in head.lower()
    assert w.upstream.last == {**body, "model": "claude-x"}
    events = got.events
    assert events[0]["message"].pop("model") == "anthropic/claude-x"
    first = json.loads(json.dumps(START))
    del first["message"]["model"]
    events[0]["message"]["id"] = first["message"]["id"]
    assert unheard(events, [first, *sent[1:]]) == []


@pytest.mark.req(18)
@pytest.mark.parametrize("tail", [[], [0.05, RESET]])
async def test_a_cut_messages_stream_is_told(tmp_path: Path, tail: list[Any]) -> None:
    async with native(tmp_path) as w:
        w.upstream.push(Answer([frames(*PART), *tail]))
        got = await w.post(
            "/v1/messages", {"model": "anthropic/claude-x", "max_tokens": 9, "messages": HI, "stream": True}
        )
    assert got.types[-1] == "error"
    assert "message_stop" not in got.types


CREATED = {
    "type": "response.created", "sequence_number": 0,
    "response": {"id": "resp_up", "object": "response", "status": "in_progress", "model": "gpt-x", "output": [], "odd": 1},
}  # fmt: skip
ADDED = {
    "type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
    "item": {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []},
}  # fmt: skip
DELTA = {
    "type": "response.output_text.delta", "sequence_number": 2, "item_id": "msg_1", "output_index": 0,
    "content_index": 0, "delta": "part", "obfuscation": "zz",
}  # fmt: skip


@pytest.mark.req(18)
async def test_a_cut_responses_stream_is_told(tmp_path: Path) -> None:
    async with native(tmp_path) as w:
        w.upstream.push(Answer([frames(CREATED, ADDED, DELTA), 0.05, RESET]))
        body = {"model": "openai:gpt-x", "input": "hi", "stream": True, "store": False, "odd": [1]}
        got = await w.post("/v1/responses", body)
        head = w.upstream.heads[-1]
    assert head.startswith("POST /v1/responses ") and "authorization: bearer sk-openai-0123456789" in head.lower()
    assert w.upstream.last == {**body, "model": "gpt-x"}
    assert got.types[:3] == [CREATED["type"], ADDED["type"], DELTA["type"]]
    assert got.types[-1] == "response.failed"
    assert got.events[2]["obfuscation"] == "zz"
    assert got.events[0]["response"]["model"] == "openai:gpt-x"
    assert [e["sequence_number"] for e in got.events] == list(range(len(got.events)))


@pytest.mark.req(137)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
async def test_a_refused_key_is_not_the_clients(tmp_path: Path, path: str) -> None:
    async with native(tmp_path) as w:
        w.upstream.push(
            Answer(status=401, json={"error": {"type": "x", "message": "bad sk-ant-0123456789 sk-openai-0123456789"}})
        )
        model = "anthropic/claude-x" if "messages" in path else "openai/gpt-x"
        got = await w.post(path, {"model": model, "max_tokens": 9, "messages": HI} if "messages" in path else {"model": model, "input": "hi"})  # fmt: skip
    assert got.status == 502
    assert got.headers["x-should-retry"] == "false"
    assert b"0123456789" not in got.body


@pytest.mark.req(1)
@pytest.mark.parametrize("key", ["", 'api_key = "sk-custom-0123456789"\n'])
async def test_a_custom_server_with_and_without_a_key(tmp_path: Path, key: str) -> None:
    config = f'[providers.mine]\nbase_url = "$UPSTREAM/api"\n{key}'
    async with native(tmp_path, config) as w:
        for path, body in (
            ("/v1/responses", {"input": "hi"}),
            ("/v1/chat/completions", {"messages": HI}),
            ("/v1/messages", {"messages": HI, "max_tokens": 9}),
        ):
            w.upstream.push(Answer([sse(chunk(role="assistant", content="hey"), chunk("stop"), usage_chunk())]))
            got = await w.post(path, {"model": "mine/any:thing-1", "stream": True, **body})
            assert (got.status, got.headers["x-dragoman-model"]) == (200, "mine:any:thing-1")
            assert b"hey" in got.body
            assert w.upstream.last["model"] == "any:thing-1"
            head = w.upstream.heads[-1].lower()
            assert ("authorization: bearer sk-custom-0123456789" in head) is bool(key)
            assert "sk-" not in head or key


FOLDED = {"type": "compaction", "encrypted_content": "gAAAA-by-the-vendor"}


@pytest.mark.req(150)
@pytest.mark.parametrize("orphan", [False, True], ids=["native", "translated"])
async def test_what_the_vendor_folded_goes_back_to_it(tmp_path: Path, orphan: bool) -> None:
    """With `context_management` the server folds a history by itself; nobody else can read what comes of it."""
    items: list[Any] = [FOLDED, {"role": "user", "content": "go on"}]
    if orphan:
        items.append({"type": "function_call_output", "call_id": "gone", "output": "r"})
    async with native(tmp_path) as w:
        w.upstream.push(Answer(json={"id": "resp_up", "object": "response", "status": "completed", "output": []}))
        await w.post("/v1/responses", {"model": "openai:gpt-x", "input": items})
        assert w.upstream.last["input"][0] == FOLDED
        other = await w.post("/v1/responses", {"model": "xiaomi:m", "input": items})
    assert (other.status, other.json["error"]["code"]) == (400, "compaction_unreadable")
    assert other.json["error"]["param"] == "input"
    assert len(w.upstream.requests) == 1
