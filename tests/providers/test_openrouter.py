"""OpenRouter: reasoning details that go back as they came, costs, what a router's errors mean, MiMo behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core.events import BlockEnd, Failed, Finished
from dragoman.core.fold import fold
from dragoman.core.messages import Message, Reasoning, Text, ToolResult
from dragoman.core.replay import PLACEHOLDER
from dragoman.core.request import Request
from dragoman.core.tools import Tool
from dragoman.providers import plan
from tests.providers.road import LOOP, TOOL, delta, failure, made, notes, stream, target

ANY = "openrouter:some/model"
MIMO = "openrouter:xiaomi/mimo-v2.6-pro"
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_reasoning_details_go_back_unmodified() -> None:
    done, _ = made(ANY, {"stream": True, "tools": [TOOL]})
    chunks = [
        delta(
            reasoning="pl", reasoning_details=[{"type": "reasoning.text", "text": "pl", "index": 0, "format": "f-v1"}]
        ),
        delta(
            reasoning="an", reasoning_details=[{"type": "reasoning.text", "text": "an", "index": 0, "format": "f-v1"}]
        ),
        delta(reasoning_details=[{"type": "reasoning.text", "signature": "c2ln", "index": 0, "format": "f-v1"}]),
        delta(
            reasoning_details=[{"type": "reasoning.encrypted", "data": "eA==", "id": "r", "index": 1, "format": "f-v1"}]
        ),
        delta(tool_calls=[CALL]),
        delta("tool_calls"),
    ]
    reply = fold(stream(done, *chunks))
    thought = [block for block in reply.message.content if isinstance(block, Reasoning)]
    assert thought[0].text == "plan"
    history = (
        Message("user", (Text("q"),)),
        reply.message,
        Message("tool", (ToolResult("call_1", (Text("ok"),)),)),
    )
    body = json.loads(plan(Request("m", history, tools=(Tool("f"),)), target(ANY)).body)
    assert body["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "plan", "index": 0, "format": "f-v1", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "data": "eA==", "id": "r", "index": 1, "format": "f-v1"},
    ]


@pytest.mark.req(67)
def test_mimo_behind_the_router_wants_its_reasoning_back() -> None:
    lost = [LOOP[0], {k: v for k, v in LOOP[1].items() if k != "reasoning_content"}, LOOP[2]]
    for model, sent in ((MIMO, PLACEHOLDER), (ANY, None)):
        done, body = made(model, {"messages": lost, "tools": [TOOL]})
        assert body["messages"][1].get("reasoning") == sent
        assert (("thinking_placeholder", "") in notes(done)) is (sent is not None)
    assert made(MIMO, {"messages": LOOP, "tools": [TOOL]})[1]["messages"][1]["reasoning"] == "why"


@pytest.mark.req(87)
def test_the_cost_is_asked_for_and_read() -> None:
    done, body = made(ANY, {"stream": True})
    assert body["usage"] == {"include": True}
    report = {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.00014, "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2}, "cost_details": {"upstream_inference_cost": None},
    }  # fmt: skip
    end = stream(done, delta("stop", content="a"), {"choices": [], "usage": report})[-1]
    assert isinstance(end, Finished) and end.usage is not None
    usage = end.usage
    assert (usage.input, usage.cache_read, usage.cache_write, usage.output, usage.cost) == (3, 4, 3, 5, "0.00014")
    whole = done.whole(
        json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": report}).encode(),
        lambda prefix: prefix, "t",
    )  # fmt: skip
    last = whole[-1]
    assert isinstance(last, Finished) and last.usage is not None and last.usage.cost == "0.00014"


def test_comments_while_it_waits_are_nothing() -> None:
    done, _ = made(ANY, {"stream": True})
    decoder = done.decoder(lambda prefix: prefix, "t")
    assert decoder.feed(b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n") == []


@pytest.mark.req(98)
@pytest.mark.parametrize(
    ("code", "kind", "again"), [(502, "server", True), (429, "rate_limit", True), ("server_error", "server", True)]
)
def test_an_error_in_the_middle_of_a_stream(code: Any, kind: str, again: bool) -> None:
    done, _ = made(ANY, {"stream": True})
    broken = {
        **delta("error", content=""),
        "error": {"code": code, "message": "Provider disconnected", "metadata": {"provider_name": "P"}},
    }
    events = stream(done, delta(content="Par"), broken)
    end = events[-1]
    assert isinstance(end, Failed)
    assert (end.error.kind, end.error.can_retry) == (kind, again)
    assert [e.complete for e in events if isinstance(e, BlockEnd)] == [False]


@pytest.mark.req(98, 100, 101)
@pytest.mark.parametrize(
    ("status", "error", "kind", "again"),
    [
        (400, {"metadata": {"provider_name": "P", "raw": '{"error":{"message":"prompt is too long: 9 tokens > 8"}}'}}, "overflow", False),
        (400, {"metadata": {"provider_name": "P", "raw": "The reasoning_content in the thinking mode must be passed back"}}, "invalid_request", False),
        (401, {}, "auth", False),
        (402, {}, "billing", False),
        (403, {"metadata": {"reasons": ["violence"], "flagged_input": "x", "provider_name": "P"}}, "content_filter", False),
        (403, {}, "auth", False),
        (408, {}, "timeout", True),
        (429, {"metadata": {"provider_name": "P", "raw": "too many tokens per minute"}}, "rate_limit", True),
        (502, {"metadata": {"provider_name": "P", "raw": {"error": {"message": "boom"}}}}, "server", True),
        (503, {}, "overloaded", True),
    ],
)  # fmt: skip
def test_errors(status: int, error: dict[str, Any], kind: str, again: bool) -> None:
    info = failure(ANY, status, {"error": {"code": status, "message": "Provider returned error", **error}})
    assert (info.kind, info.can_retry) == (kind, again)
    raw = error.get("metadata", {}).get("raw")
    if raw:
        assert "P: " in info.message
    assert (info.code == "reasoning_missing") is ("reasoning_content" in str(raw))
    if kind == "content_filter":
        assert "violence" in info.message
