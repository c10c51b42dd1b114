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


WHOLE = {"role": "assistant", "content": "", "tool_calls": [CALL]}


def replayed(done: Any, events: list[Any], model: str = ANY) -> dict[str, Any]:
    """The assistant message that goes back to this model, for a history of one answered call."""
    turn = (fold(events).message, Message("tool", (ToolResult("call_1", (Text("ok"),)),)))
    request = Request("m", (Message("user", (Text("q"),)), *turn), tools=(Tool("f"),))
    sent: dict[str, Any] = json.loads(plan(request, target(model)).body)["messages"][1]
    return sent


def whole(message: dict[str, Any], model: str = ANY) -> dict[str, Any]:
    """The same for an answer that does not stream."""
    done, _ = made(ANY, {"tools": [TOOL]})
    body = json.dumps({"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    return replayed(done, done.whole(body.encode(), lambda prefix: prefix, "t"), model)


@pytest.mark.req(44, 78)
@pytest.mark.parametrize(
    "details",
    [
        [{"type": "reasoning.encrypted", "data": "YQ=="}, {"type": "reasoning.encrypted", "data": "Yg=="}],
        [{"type": "reasoning.summary", "summary": "one"}, {"type": "reasoning.summary", "summary": "two"}],
        [
            {"type": "reasoning.text", "text": "one", "signature": "s1", "index": 0},
            {"type": "reasoning.text", "text": "two", "signature": "s2", "index": 0},
        ],
    ],
    ids=["encrypted", "summaries", "one-index"],
)
def test_the_details_of_a_whole_answer_are_never_merged(details: list[Any]) -> None:
    assert whole({**WHOLE, "reasoning_details": details})["reasoning_details"] == details


@pytest.mark.req(44, 78)
def test_another_id_is_another_entry_even_under_one_index() -> None:
    entries = [
        {"type": "reasoning.encrypted", "data": "YQ==", "id": "call_a", "index": 0, "format": "f-v1"},
        {"type": "reasoning.encrypted", "data": "Yg==", "id": "call_b", "index": 0, "format": "f-v1"},
    ]
    done, _ = made(ANY, {"stream": True, "tools": [TOOL]})
    chunks = [*[delta(reasoning_details=[entry]) for entry in entries], delta(tool_calls=[CALL]), delta("tool_calls")]
    assert replayed(done, stream(done, *chunks))["reasoning_details"] == entries


@pytest.mark.req(44, 78)
def test_sealed_data_without_a_mark_of_its_own_is_never_joined() -> None:
    entries = [{"type": "reasoning.encrypted", "data": "YQ=="}, {"type": "reasoning.encrypted", "data": "Yg=="}]
    done, _ = made(ANY, {"stream": True, "tools": [TOOL]})
    chunks = [*[delta(reasoning_details=[entry]) for entry in entries], delta(tool_calls=[CALL]), delta("tool_calls")]
    assert replayed(done, stream(done, *chunks))["reasoning_details"] == entries


@pytest.mark.req(78, 92)
def test_details_go_to_models_of_their_own_maker_only() -> None:
    """A signature of one maker is a 400 at another, though one router serves both."""
    details = [{"type": "reasoning.text", "text": "why", "signature": "c2ln", "index": 0}]
    message = {**WHOLE, "reasoning": "why", "reasoning_details": details}
    assert whole(message, "openrouter:some/other-model")["reasoning_details"] == details
    foreign = whole(message, "openrouter:else/model")
    assert not {"reasoning", "reasoning_details"} & set(foreign)


@pytest.mark.req(67)
def test_mimo_behind_the_router_wants_its_reasoning_back() -> None:
    lost = [LOOP[0], {k: v for k, v in LOOP[1].items() if k != "reasoning_content"}, LOOP[2]]
    for model, sent in ((MIMO, PLACEHOLDER), (ANY, None)):
        done, body = made(model, {"messages": lost, "tools": [TOOL]})
        assert body["messages"][1].get("reasoning") == sent
        assert (("thinking_placeholder", "") in notes(done)) is (sent is not None)
    assert made(MIMO, {"messages": LOOP, "tools": [TOOL]})[1]["messages"][1]["reasoning"] == "why"


@pytest.mark.req(84, 85)
@pytest.mark.parametrize(
    ("ask", "wire", "sent"),
    [
        ({"reasoning": {"max_tokens": 5000}, "max_tokens": 20000}, "chat", {"max_tokens": 5000}),
        ({"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 20000}, "messages", {"max_tokens": 5000}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9000}, "max_tokens": 8000}, "messages", {"max_tokens": 6000}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "max_tokens": 8000}, "messages",
         {"effort": "low"}),
        ({"reasoning": {"max_tokens": 5000, "effort": "low"}}, "chat", {"effort": "low"}),
        ({"reasoning": {"enabled": True}}, "chat", {"enabled": True}),
    ],
)  # fmt: skip
def test_a_thinking_budget_is_the_routers_own_knob(ask: dict[str, Any], wire: str, sent: dict[str, Any]) -> None:
    assert made(ANY, ask, wire)[1]["reasoning"] == sent


@pytest.mark.case("F08")
@pytest.mark.req(84)
def test_the_messages_wire_is_spoken_to_in_its_own_words() -> None:
    to = target(ANY, wire="messages")
    ask = {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 20000, "metadata": {"user_id": "u"}}
    _, body = made(to, ask, "messages")
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 5000}
    assert (body["metadata"], "user" in body) == ({"user_id": "u"}, False)
    done, body = made(to, {"seed": 3, "frequency_penalty": 1, "user": "u", "reasoning_effort": "high", "stop": "x"})
    assert not {"seed", "frequency_penalty", "user"} & set(body)
    assert {("param_dropped", "seed"), ("param_dropped", "frequency_penalty")} <= notes(done)
    assert (body["metadata"], body["stop_sequences"]) == ({"user_id": "u"}, ["x"])
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


def test_the_responses_wire_gets_no_fields_of_chat() -> None:
    done, body = made(target(ANY, wire="responses"), {"seed": 3, "stop": "x", "temperature": 0.5, "user": "u"})
    assert (body["temperature"], body["user"]) == (0.5, "u")
    assert not {"seed", "stop"} & set(body)
    assert {("param_dropped", "seed"), ("param_dropped", "stop")} <= notes(done)


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
