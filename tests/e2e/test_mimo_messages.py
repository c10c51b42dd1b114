"""MiMo spoken to over its Anthropic-compatible wire, from all three endpoints: what the catalogue makes of a request.

The codec's own tests use a hand-made profile; here the shipped row decides. What is not documented is absent, not null.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, read
from tests.e2e.world import Answer, Got, World, world

CONFIG = '[providers.xiaomi]\nwire = "messages"\n'
PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
everywhere = pytest.mark.parametrize("endpoint", ENDPOINTS)
PNG = "iVBORw0KGgo" + "A" * 33
MARK = {"cache_control": {"type": "ephemeral"}}
WHOLE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 2},
}  # fmt: skip


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(CONFIG, tmp=tmp_path, env={"MIMO_BASE_URL": "$UPSTREAM"}) as made:
        made.upstream.default = lambda body: Answer(json=WHOLE)
        yield made


async def ask(w: World, endpoint: str, turns: Any = "hi", system: str = "", **more: Any) -> dict[str, Any]:
    """What goes upstream for this."""
    body: dict[str, Any] = {"model": "xiaomi/mimo-v2.5"}
    if isinstance(turns, str):
        turns = [{"role": "user", "content": turns}]
    if endpoint == "responses":
        body |= {"input": turns} | ({"instructions": system} if system else {})
    elif endpoint == "chat":
        body |= {"messages": [*([{"role": "system", "content": system}] if system else []), *turns]}
    else:
        body |= {"messages": turns, "max_tokens": 8192} | ({"system": system} if system else {})
    got: Got = await w.post(PATHS[endpoint], {**body, **more})
    assert read(endpoint, got, stream=False).text == "Hello", got.body
    return w.upstream.last


def function(endpoint: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}}
    if endpoint == "messages":
        return {"name": "f", "input_schema": schema}
    bare = {"name": "f", "parameters": schema}
    return {"type": "function", **bare} if endpoint == "responses" else {"type": "function", "function": bare}


@pytest.mark.req(70, 119, 120, 128)
@everywhere
async def test_a_plain_question_has_nothing_undocumented(w: World, endpoint: str) -> None:
    sent = await ask(w, endpoint, system="Be helpful.")
    # A Responses client takes an answer that the vendor's usual limit cut for a failure: it gets the largest one.
    limit = {"messages": {"max_tokens": 8192}, "responses": {"max_tokens": 131072}}.get(endpoint, {})
    off = {"thinking": {"type": "disabled"}} if endpoint == "responses" else {}
    said = {"system": "Be helpful.", "messages": [{"role": "user", "content": "hi"}]}
    assert sent == {"model": "mimo-v2.5", **said, **limit, **off}
    assert "system" not in await ask(w, endpoint)
    name = {"responses": "max_output_tokens"}.get(endpoint, "max_tokens")
    assert (await ask(w, endpoint, **{name: 4096}))["max_tokens"] == 4096
    for head in w.upstream.heads:
        assert head.startswith("POST /anthropic/v1/messages ")
        low = head.lower()
        assert [low.count(f"\r\n{name}:") for name in ("authorization", "api-key", "x-api-key")] == [1, 0, 0]


@pytest.mark.req(70, 82, 121)
async def test_no_cache_mark_of_the_client_goes_up(w: World) -> None:
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "a", **MARK}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}, **MARK}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x", **MARK}]},
    ]
    await ask(w, "messages", turns, tools=[{**function("messages"), **MARK}], system="S")
    await ask(w, "chat", "hi", system="S")
    assert all(b"cache_control" not in raw for raw in w.upstream.raw)


ASKED: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "responses": [
        ({"reasoning": {"effort": "none"}}, {"type": "disabled"}),
        *(({"reasoning": {"effort": e}}, {"type": "enabled"}) for e in ("minimal", "low", "medium", "high", "xhigh")),
    ],
    "chat": [
        ({}, None),
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        *(({"reasoning_effort": e}, {"type": "enabled"}) for e in ("minimal", "low", "medium", "high", "xhigh")),
    ],
    "messages": [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"type": "enabled"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, {"type": "enabled"}),
    ],
}


@pytest.mark.req(70, 122)
@everywhere
async def test_thinking_is_a_type_and_nothing_else(w: World, endpoint: str) -> None:
    for asked, expected in ASKED[endpoint]:
        sent = await ask(w, endpoint, **asked)
        assert sent.get("thinking") == expected
        assert not {"output_config", "reasoning_effort"} & set(sent)


CALL: dict[str, list[Any]] = {
    "responses": [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{oops"},
        {"type": "function_call_output", "call_id": "c", "output": "one"},
    ],
    "chat": [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{oops"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "one"},
    ],
    "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "one", "is_error": True}]},
    ],
}


@pytest.mark.req(70, 72, 77, 127, 129)
@everywhere
async def test_results_stand_first_and_input_is_an_object(w: World, endpoint: str) -> None:
    hi = {"role": "user", "content": "hi"}
    off = {"responses": {"reasoning": {"effort": "none"}}, "chat": {"reasoning_effort": "none"}}.get(endpoint, {})
    sent = await ask(w, endpoint, [hi, hi, *CALL[endpoint], hi], tools=[function(endpoint)], **off)
    assert sent["tool_choice"] == {"type": "auto"}
    first, turn, last = sent["messages"]
    two = [{"type": "text", "text": "hi"}] * 2
    assert first == {"role": "user", "content": two}
    assert [b["input"] for b in turn["content"] if b["type"] == "tool_use"] == [{}]
    result, words = last["content"]
    assert (result["type"], result["tool_use_id"], result["content"]) == ("tool_result", "c", "one")
    assert ("is_error" in result) is (endpoint == "messages")
    assert words == {"type": "text", "text": "hi"}
    assert "tool_choice" not in await ask(w, endpoint)


FORCED: dict[str, list[Any]] = {
    "responses": ["required", {"type": "function", "name": "f"}],
    "chat": ["required", {"type": "function", "function": {"name": "f"}}],
    "messages": [{"type": "any"}, {"type": "tool", "name": "f"}],
}


@pytest.mark.req(70, 71, 129)
@everywhere
async def test_no_call_is_forced(w: World, endpoint: str) -> None:
    for choice in FORCED[endpoint]:
        sent = await ask(w, endpoint, tools=[function(endpoint)], tool_choice=choice)
        assert sent["tool_choice"] == {"type": "auto"} and len(sent["tools"]) == 1
    none: Any = {"type": "none"} if endpoint == "messages" else "none"
    assert not {"tools", "tool_choice"} & set(await ask(w, endpoint, tools=[function(endpoint)], tool_choice=none))


PICTURE: dict[str, Any] = {
    "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
    "chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
}


@pytest.mark.req(70, 74, 126)
@everywhere
async def test_a_picture_alone_gets_words(w: World, endpoint: str) -> None:
    sent = await ask(w, endpoint, [{"role": "user", "content": [PICTURE[endpoint]]}])
    [turn] = sent["messages"]
    assert [part["type"] for part in turn["content"]] == ["image", "text"]
    assert turn["content"][0]["source"] == PICTURE["messages"]["source"] and turn["content"][1]["text"].strip()


@pytest.mark.req(70, 75, 127)
async def test_a_document_of_a_tool_is_words(w: World) -> None:
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}}
    parts = [{"type": "text", "text": "see"}, PICTURE["messages"], pdf]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": parts}]},
    ]
    sent = await ask(w, "messages", turns, tools=[function("messages")])
    [result] = sent["messages"][2]["content"]
    assert [part["type"] for part in result["content"]] == ["text", "image", "text"]
    assert "document" in result["content"][2]["text"]
    assert "JVBERi0x" not in json.dumps(sent)
