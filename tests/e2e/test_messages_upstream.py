"""What a Messages upstream may do, shown on all three endpoints, streamed and whole: MiMo's `/anthropic` face.

The same behaviours as test_upstream_behaviours, told in the other upstream wire (`wire = "messages"`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, Read, ask, read
from tests.e2e.world import CLOSE, RESET, Answer, world

CONFIG = '[providers.xiaomi]\nwire = "messages"\n[retry]\nattempts = 1\n'
START = {
    "type": "message_start",
    "message": {
        "id": "msg_up", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "usage": {"input_tokens": 2, "output_tokens": 1, "cache_read_input_tokens": 1},
    },
}  # fmt: skip
STOP: dict[str, Any] = {"type": "message_stop"}


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def frames(*events: dict[str, Any]) -> bytes:
    """Messages stream events."""
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **value: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **value}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 2, **usage},
    }


def text(index: int, *parts: str) -> list[dict[str, Any]]:
    return [
        begin(index, type="text", text=""),
        *(delta(index, "text_delta", text=p) for p in parts),
        stop(index),
    ]


def thinking(index: int, words: str, signature: str = "sig-A") -> list[dict[str, Any]]:
    return [
        begin(index, type="thinking", thinking="", signature=""),
        delta(index, "thinking_delta", thinking=words),
        delta(index, "signature_delta", signature=signature),
        stop(index),
    ]


def tool(index: int, id: str, name: str, *parts: str) -> list[dict[str, Any]]:
    return [
        begin(index, type="tool_use", id=id, name=name, input={}),
        *(delta(index, "input_json_delta", partial_json=p) for p in parts),
        stop(index),
    ]


def whole_message(content: list[dict[str, Any]], reason: str = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_up", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": reason, "stop_sequence": None,
        "usage": {"input_tokens": 2, "output_tokens": 2, "cache_read_input_tokens": 1},
    }  # fmt: skip


async def asked(tmp_path: Path, endpoint: str, answer: Answer, *, stream: bool) -> Read:
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(answer)
        got = await ask(w, endpoint, stream=stream, tools=True)
        assert w.upstream.heads[0].startswith("POST /anthropic/v1/messages ")
    return read(endpoint, got, stream=stream)


async def streamed(tmp_path: Path, endpoint: str, *pieces: Any) -> Read:
    return await asked(tmp_path, endpoint, Answer(list(pieces)), stream=True)


async def whole(tmp_path: Path, endpoint: str, body: Any) -> Read:
    return await asked(tmp_path, endpoint, Answer(json=body), stream=False)


@pytest.mark.case("A01", "A02")
async def test_text(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(tmp_path, endpoint, frames(START, *text(0, "He", "llo"), end(), STOP))
    assert (got.text, got.end, got.usage) == ("Hello", "completed", (3, 2, 1))
    again = await whole(tmp_path, endpoint, whole_message([{"type": "text", "text": "Hello"}]))
    assert (again.text, again.end, again.usage) == ("Hello", "completed", (3, 2, 1))


@pytest.mark.case("B01", "D09")
@pytest.mark.req(20)
async def test_thinking_text_and_a_call(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(
        tmp_path,
        endpoint,
        frames(
            START, *thinking(0, "R"), *text(1, "T"), *tool(2, "tu_1", "f", "", '{"a"', ":1}"), end("tool_use"), STOP
        ),
    )
    assert (got.reasoning, got.text, got.end, got.usage) == ("R", "T", "completed", (3, 2, 1))
    assert [(c.id, c.name, c.arguments, c.complete) for c in got.calls] == [("tu_1", "f", '{"a":1}', True)]
    again = await whole(
        tmp_path,
        endpoint,
        whole_message(
            [
                {"type": "thinking", "thinking": "R", "signature": "sig-A"},
                {"type": "text", "text": "T"},
                {"type": "tool_use", "id": "tu_1", "name": "f", "input": {"a": 1}},
            ],
            "tool_use",
        ),
    )
    assert (again.reasoning, again.text, again.end, again.usage) == ("R", "T", "completed", (3, 2, 1))
    assert [(c.id, c.name, json.loads(c.arguments)) for c in again.calls] == [("tu_1", "f", {"a": 1})]


@pytest.mark.case("D02")
async def test_parallel_calls_even_interleaved(tmp_path: Path, endpoint: str) -> None:
    first, second = tool(0, "tu_1", "f", '{"a":', "1}"), tool(1, "tu_2", "g", '{"a":', "2}")
    woven = [event for pair in zip(first, second, strict=True) for event in pair]
    for order in ([*first, *second], woven):
        got = await streamed(tmp_path, endpoint, frames(START, *order, end("tool_use"), STOP))
        assert got.end == "completed"
        assert [(c.id, c.name, c.arguments) for c in got.calls] == [("tu_1", "f", '{"a":1}'), ("tu_2", "g", '{"a":2}')]


@pytest.mark.req(56)
async def test_input_given_whole_at_the_start_and_none_at_all(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(
        tmp_path,
        endpoint,
        frames(
            START,
            begin(0, type="tool_use", id="tu_1", name="f", input={"a": 1}), stop(0),
            begin(1, type="tool_use", id="tu_2", name="g", input={}), stop(1),
            end("tool_use"), STOP,
        ),
    )  # fmt: skip
    assert [(c.id, json.loads(c.arguments or "{}")) for c in got.calls] == [("tu_1", {"a": 1}), ("tu_2", {})]
    assert all(c.arguments or endpoint == "messages" for c in got.calls)


@pytest.mark.case("C01", "C02", "C05")
@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("max_tokens", "length"),
        ("repetition_truncation", "length"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
    ],
)
async def test_incomplete(tmp_path: Path, endpoint: str, reason: str, wanted: str) -> None:
    got = await streamed(tmp_path, endpoint, frames(START, *text(0, "part"), end(reason), STOP))
    assert (got.text, got.end) == ("part", wanted)
    again = await whole(tmp_path, endpoint, whole_message([{"type": "text", "text": "part"}], reason))
    assert (again.text, again.end) == ("part", wanted)


@pytest.mark.case("C17")
async def test_length_in_a_call(tmp_path: Path, endpoint: str) -> None:
    cut = tool(0, "tu_1", "f", '{"a":')
    for events in (cut, cut[:-1]):
        got = await streamed(tmp_path, endpoint, frames(START, *events, end("max_tokens"), STOP))
        assert got.end == "length"
        assert endpoint == "messages" or all(not c.complete for c in got.calls)


PART = [START, begin(0, type="text", text=""), delta(0, "text_delta", text="part")]


@pytest.mark.case("C06", "C11", "C15")
@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (
            [frames({"type": "error", "error": {"type": "overloaded_error", "message": "upstream exploded"}})],
            "exploded",
        ),
        ([b'data: {"error":{"message":"upstream exploded"}}\n\n'], "exploded"),
        ([0.05, RESET], ""),
        ([0.05, CLOSE], ""),
        ([], ""),
        ([frames(stop(0))], ""),
        ([frames(stop(0), STOP)], ""),
        ([frames(stop(0), end(None), STOP)], ""),
    ],
)
async def test_failures_after_text(tmp_path: Path, endpoint: str, tail: list[Any], words: str) -> None:
    got = await streamed(tmp_path, endpoint, frames(*PART), *tail)
    assert (got.text, got.end) == ("part", "failed")
    assert got.error and words in got.error


@pytest.mark.case("C16")
@pytest.mark.parametrize("closed", [False, True])
async def test_a_cut_call_never_completes(tmp_path: Path, endpoint: str, closed: bool) -> None:
    events = tool(0, "tu_1", "f", '{"a":')
    got = await streamed(tmp_path, endpoint, frames(START, *(events if closed else events[:-1])), 0.05, RESET)
    assert got.end == "failed"
    assert endpoint == "messages" or all(not c.complete for c in got.calls)


@pytest.mark.case("C07")
async def test_missing_message_stop_is_complete(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(tmp_path, endpoint, frames(START, *text(0, "all"), end()))
    assert (got.text, got.end) == ("all", "completed")


@pytest.mark.case("C08", "C22")
@pytest.mark.req(88, 89)
@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"input_tokens": 2, "cache_read_input_tokens": 1}, (3, 2, 1)),
        ({"input_tokens": 7, "cache_read_input_tokens": None}, (8, 2, 1)),
        ({"input_tokens": None}, (3, 2, 1)),
    ],
)
async def test_usage_on_the_delta(tmp_path: Path, endpoint: str, usage: Any, wanted: Any) -> None:
    got = await streamed(tmp_path, endpoint, frames(START, *text(0, "x"), end(**usage), STOP))
    assert (got.end, got.usage) == ("completed", wanted)


@pytest.mark.case("C13", "C18")
@pytest.mark.parametrize("pieces", [[], [RESET], [CLOSE], [frames(STOP)], [frames({"type": "ping"})]])
async def test_nothing_at_all(tmp_path: Path, endpoint: str, pieces: list[Any]) -> None:
    got = await streamed(tmp_path, endpoint, *pieces)
    assert (got.status, got.end) == (502, "failed")


async def test_pings_and_unknown_events_are_ignored(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(
        tmp_path,
        endpoint,
        frames(START, {"type": "ping"}, {"type": "surprise", "x": 1}, *text(0, "x"), {"type": "ping"}, end(), STOP),
    )
    assert (got.text, got.end) == ("x", "completed")


@pytest.mark.case("J04", "J05", "J06", "J07")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "kind", "words", "wanted"),
    [
        (401, "authentication_error", "bad key", 502),
        (403, "permission_error", "no", 502),
        (400, "invalid_request_error", "prompt is too long: 2000000 tokens > 1048576 maximum", 400),
        (429, "rate_limit_error", "slow", 429),
        (529, "overloaded_error", "busy", 502),
        (500, "api_error", "oops", 502),
    ],
)
async def test_errors(
    tmp_path: Path, endpoint: str, stream: bool, status: int, kind: str, words: str, wanted: int
) -> None:
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(
            Answer(
                status=status,
                json={"type": "error", "error": {"type": kind, "message": words}},
                headers={"retry-after": "0"},
            )
        )
        got = await ask(w, endpoint, stream=stream)
    assert got.status == (529 if status == 529 and endpoint == "messages" else wanted)
    assert "sk-test-key" not in got.body.decode()
    if wanted == 429:
        assert got.headers["retry-after"] == "0"
    if status in (401, 403):
        assert got.headers["x-should-retry"] == "false"
        assert "xiaomi" in got.json["error"]["message"]


@pytest.mark.req(78, 123)
async def test_signatures_come_back_to_the_vendor(tmp_path: Path) -> None:
    """Thinking and its signature survive a Responses client that keeps only `encrypted_content`."""
    first = frames(START, *thinking(0, "R", "sig-A"), *tool(1, "tu_1", "f", '{"a":1}'), end("tool_use"), STOP)
    async with world(CONFIG, tmp=tmp_path) as w:
        w.upstream.push(Answer([first]), Answer([frames(START, *text(0, "ok"), end(), STOP)]))
        got = await ask(w, "responses", stream=True, tools=True, store=False, include=["reasoning.encrypted_content"])
        items = got.events[-1]["response"]["output"]
        for item in items:
            if item["type"] == "reasoning":
                item["content"], item["summary"] = None, []
        again = await ask(
            w, "responses", stream=True, tools=True,
            input=[{"role": "user", "content": "hi"}, *items, {"type": "function_call_output", "call_id": "tu_1", "output": "done"}],
        )  # fmt: skip
        sent = w.upstream.last["messages"]
    assert again.status == 200
    assert sent[1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "R", "signature": "sig-A"},
            {"type": "tool_use", "id": "tu_1", "name": "f", "input": {"a": 1}},
        ],
    }
    assert sent[2]["content"] == [{"type": "tool_result", "tool_use_id": "tu_1", "content": "done"}]
