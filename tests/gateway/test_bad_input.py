"""Malformed requests: a 4xx in the client's own shape, the field at fault named, and no call upstream."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.asgi import ROADS, Call, body_for, exchanges, make

DEEP: Any = "x"
for _ in range(80):
    DEEP = [DEEP]

# (road, what is wrong with the small question, the field that the error must name)
WRONG: list[tuple[str, dict[str, Any] | bytes, str]] = [
    # no JSON, or not an object
    *((road, raw, "") for road in ROADS for raw in (b"", b"{", b"not json", b'{"model":"xiaomi/m",}', b"\xff\xfe", b'{"a":"\xff"}')),
    *((road, raw, "") for road in ROADS for raw in (b"[]", b"null", b'"text"', b"7")),
    # the model
    *((road, {"model": None}, "model") for road in ROADS),
    *((road, {"model": 7}, "model") for road in ROADS),
    *((road, {"model": ""}, "model") for road in ROADS),
    *((road, {"model": ["xiaomi/m"]}, "model") for road in ROADS),
    *((road, {"model": "no-such-model-anywhere"}, "model") for road in ROADS),
    # flags and numbers
    *((road, {"stream": "yes"}, "stream") for road in ROADS),
    *((road, {"temperature": "hot"}, "temperature") for road in ROADS),
    *((road, {"top_p": []}, "top_p") for road in ROADS),
    *((road, {"tools": {}}, "tools") for road in ROADS),
    *((road, {"tools": [7]}, "tools") for road in ROADS),
    *((road, {"tool_choice": 7}, "tool_choice") for road in ROADS),
    ("responses", {"max_output_tokens": "many"}, "max_output_tokens"),
    ("chat", {"max_tokens": "many"}, "max_tokens"),
    ("messages", {"max_tokens": "many"}, "max_tokens"),
    ("messages", {"max_tokens": None}, "max_tokens"),
    ("chat", {"n": 3}, "n"),
    # Responses input
    ("responses", {"input": None}, "input"),
    ("responses", {"input": 7}, "input"),
    ("responses", {"input": {}}, "input"),
    ("responses", {"input": [7]}, "input"),
    ("responses", {"input": [{"type": "message", "role": "wizard", "content": "x"}]}, "input"),
    ("responses", {"input": [{"type": "message", "role": "user", "content": [7]}]}, "input"),
    ("responses", {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input"),
    ("responses", {"input": [{"type": "function_call_output", "output": "x"}]}, "input"),
    ("responses", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input"),
    ("responses", {"reasoning": "much"}, "reasoning"),
    ("responses", {"text": 7}, "text"),
    ("responses", {"previous_response_id": 7}, "previous_response_id"),
    ("responses", {"previous_response_id": "resp_unknown"}, "previous_response_id"),
    ("responses", {"input": [{"type": "compaction", "encrypted_content": "gAAAA"}, {"role": "user", "content": "x"}]}, "input"),
    ("responses", {"instructions": 7}, "instructions"),
    ("responses", {"input": [{"role": "user", "content": DEEP}]}, ""),
    ("responses", {"tools": [{"type": "function"}]}, "tools"),
    ("responses", {"tool_choice": {"type": "function", "name": "absent"}}, "tool_choice"),
    # Chat messages
    ("chat", {"messages": None}, "messages"),
    ("chat", {"messages": []}, "messages"),
    ("chat", {"messages": "hi"}, "messages"),
    ("chat", {"messages": [7]}, "messages"),
    ("chat", {"messages": [{"content": "x"}]}, "messages"),
    ("chat", {"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
    ("chat", {"messages": [{"role": "user", "content": 7}]}, "messages"),
    ("chat", {"messages": [{"role": "user", "content": [7]}]}, "messages"),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
    ("chat", {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages"),
    ("chat", {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": DEEP}]}, ""),
    ("chat", {"tools": [{"type": "function", "function": {}}]}, "tools"),
    ("chat", {"tool_choice": {"type": "function", "function": {"name": "absent"}}}, "tool_choice"),
    ("chat", {"response_format": 7}, "response_format"),
    # Messages
    ("messages", {"messages": None}, "messages"),
    ("messages", {"messages": []}, "messages"),
    ("messages", {"messages": "hi"}, "messages"),
    ("messages", {"messages": [7]}, "messages"),
    ("messages", {"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
    ("messages", {"messages": [{"role": "user"}]}, "messages"),
    ("messages", {"messages": [{"role": "user", "content": 7}]}, "messages"),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages"),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages"),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages"),
    ("messages", {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "c"}]}]}, "messages"),
    ("messages", {"messages": [{"role": "user", "content": DEEP}]}, ""),
    ("messages", {"system": 7}, "system"),
    ("messages", {"thinking": 7}, "thinking"),
    ("messages", {"tools": [{"input_schema": {}}]}, "tools"),
    ("messages", {"tool_choice": {"type": "tool", "name": "absent"}}, "tool_choice"),
    ("messages", {"stop_sequences": "x"}, "stop_sequences"),
]  # fmt: skip


def name_of(case: tuple[str, Any, str]) -> str:
    road, wrong, _ = case
    return f"{road}-{wrong!r}"[:70] if isinstance(wrong, bytes) else f"{road}-{json.dumps(wrong)}"[:70]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.mark.case("A06", "A07", "F05", "I05")
@pytest.mark.parametrize("case", WRONG, ids=name_of)
async def test_a_bad_request_is_told_so(home: Path, case: tuple[str, Any, str]) -> None:
    road, wrong, field = case
    app = make(home)
    body = wrong if isinstance(wrong, bytes) else body_for(road) | wrong
    call = Call(app, ROADS[road], body)
    await asyncio.wait_for(call.run(), 5)  # a request that is taken would wait for an upstream for ever
    assert 400 <= call.status < 500, call.body
    assert call.headers["content-type"] == "application/json"
    assert call.headers["x-request-id"].startswith("req_")
    error = call.error
    assert error["message"]
    if road == "messages":
        assert call.json["type"] == "error"
        assert error["type"] in ("invalid_request_error", "not_found_error")
        assert field in error["message"]
        assert call.headers["request-id"] == call.headers["x-request-id"]
    else:
        assert set(error) >= {"message", "type", "param", "code"}
        assert field in (error["param"] or "") + error["message"]
    assert exchanges(app).exchanges == []
    (line,) = app.lines()  # type: ignore[attr-defined]
    assert line["outcome"] == "refused"
    assert line["status"] == call.status


def test_the_table_is_large_enough() -> None:
    assert len(WRONG) >= 60
    assert {road for road, _, _ in WRONG} == set(ROADS)
