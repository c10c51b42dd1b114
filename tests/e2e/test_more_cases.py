"""Neighbours of the listed cases: malformed bodies that once passed, each of which must be told so before any call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, world

PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
HI = [{"role": "user", "content": "hi"}]
BASES: dict[str, dict[str, Any]] = {
    "responses": {"input": "hi"},
    "chat": {"messages": HI},
    "messages": {"messages": HI, "max_tokens": 99},
}
TOOL_USE = [*HI, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]}]
MALFORMED: list[tuple[str, dict[str, Any], str]] = [
    ("responses", {"input": [{"type": "message", "role": "user"}]}, "input[0].content"),
    ("responses", {"input": [{"role": "user", "content": None}]}, "input[0].content"),
    ("responses", {"input": [{"role": "developer"}, {"role": "user", "content": "x"}]}, "input[0].content"),
    ("responses", {"input": [{"type": "message", "role": "assistant"}, *HI]}, "input[0].content"),
    ("responses", {"input": [{"type": "function_call_output", "call_id": "x"}]}, "input[0].output"),
    ("responses", {"input": [{"type": "custom_tool_call_output", "call_id": "x"}]}, "input[0].output"),
    ("responses", {"tools": [{"type": "function", "name": "f", "parameters": "x"}]}, "tools[0].parameters"),
    ("responses", {"tools": [{"type": "function", "name": "f", "parameters": [1]}]}, "tools[0].parameters"),
    ("chat", {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]}, "tools[0].function.parameters"),
    ("messages", {"tools": [{"name": "f", "input_schema": "x"}]}, "tools[0].input_schema"),
    ("messages", {"messages": TOOL_USE}, "messages[1].content[0].input"),
]  # fmt: skip


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp=tmp_path) as made:
        yield made


@pytest.mark.case("A06", "A07")
@pytest.mark.parametrize(("endpoint", "body", "field"), MALFORMED)
async def test_malformed_bodies_are_named_before_any_call(
    w: World, endpoint: str, body: dict[str, Any], field: str
) -> None:
    got = await w.post(PATHS[endpoint], {"model": "xiaomi/m", **BASES[endpoint], **body})
    error = got.json["error"]
    assert (got.status, error["type"]) == (400, "invalid_request_error")
    assert field in (error["message"] if endpoint == "messages" else error["param"])
    assert w.upstream.requests == []


async def test_an_assistant_item_with_null_content_is_survivable(w: World) -> None:
    got = await w.responses(stream=False, input=[*HI, {"role": "assistant", "content": None}, *HI])
    assert got.status == 200
