"""What an outside examiner tried on all three endpoints: values of a wrong type, calls without arguments, odd letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, ask
from tests.e2e.scripted import Said, Scripted
from tests.e2e.world import call, chunk, message, sse, usage_chunk

pytestmark = pytest.mark.parametrize("endpoint", ENDPOINTS)


@pytest.fixture
def at(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path)


WRONG: dict[str, dict[str, list[Any]]] = {
    "responses": {
        "user": [7, {"a": 1}],
        "safety_identifier": [[]],
        "service_tier": [5],
        "prompt_cache_key": [{"k": 1}],
        "truncation": [True],
        "metadata": ["x", []],
        "client_metadata": ["x"],
        "max_tool_calls": ["many"],
        "top_logprobs": [True],
        "stream_options": ["x"],
        "context_management": [5],
        "prompt_cache_retention": [24],
    },
    "chat": {
        "user": [7, {"a": 1}],
        "seed": ["x", True],
        "frequency_penalty": ["high"],
        "presence_penalty": [[]],
        "logit_bias": [[1]],
        "logprobs": ["yes"],
        "top_logprobs": ["2"],
        "service_tier": [{}],
        "metadata": ["x"],
        "prompt_cache_key": [1],
        "modalities": ["text"],
        "audio": ["wav"],
        "prediction": ["x"],
        "verbosity": [1],
        "safety_identifier": [1.5],
        "top_k": ["x"],
    },
    "messages": {
        "top_k": ["x", True],
        "service_tier": [1],
        "metadata": ["u"],
        "cache_control": ["ephemeral"],
        "context_management": ["x"],
        "mcp_servers": ["http://x"],
        "betas": ["a,b"],
        "inference_geo": [1],
    },
}


async def test_a_value_of_a_wrong_type_is_refused_by_its_name(at: Scripted, endpoint: str) -> None:
    for field, values in WRONG[endpoint].items():
        for value in values:
            got = await ask(at, endpoint, stream=False, **{field: value})  # type: ignore[arg-type]
            assert got.status == 400, (field, value)
            assert field in got.json["error"]["message"], (field, value)
            assert got.json["error"].get("param", field) == field
    assert not at.sent


async def test_null_is_no_value_of_a_wrong_type(at: Scripted, endpoint: str) -> None:
    await at.got(endpoint, message("ok"), **dict.fromkeys(WRONG[endpoint]))
    assert len(at.sent) == 1


def whole_call(arguments: str | None) -> dict[str, Any]:
    """A whole answer that is one call."""
    made = {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return message("", "tool_calls", tool_calls=[made])


def streamed_call(arguments: str | None) -> bytes:
    """The same answer as a stream."""
    return sse(chunk(**call(arguments=arguments)), chunk("tool_calls"), usage_chunk())


@pytest.mark.parametrize("make", [streamed_call, whole_call])
@pytest.mark.parametrize("arguments", ["", None, " "])
async def test_a_call_without_arguments_has_an_empty_object(
    at: Scripted, endpoint: str, make: Any, arguments: str | None
) -> None:
    """Clients parse the arguments of every call; many models write none for a tool without parameters."""
    said: Said = make(arguments)
    got = await at.read(endpoint, said)
    assert [json.loads(c.arguments) for c in got.calls] == [{}]
    assert got.end == "completed"


@pytest.mark.req(26)
async def test_half_of_a_surrogate_pair_is_a_replacement_character(at: Scripted, endpoint: str) -> None:
    half = '{"choices":[{"index":0,"delta":{"content":"a\\ud83d b"}}]}'
    got = await at.read(endpoint, sse(half, chunk("stop"), usage_chunk()))
    assert (got.text, got.end) == ("a\ufffd b", "completed")


async def test_half_of_a_letter_in_a_request_does_not_end_a_conversation(at: Scripted, endpoint: str) -> None:
    """A client that cuts a tool's output in the middle of an emoji sends the half in every request that follows."""
    said = r'{"role":"user","content":"a\ud83d b \ud83d\ude00 \\ud83d \ude00\n"}'
    field = "input" if endpoint == "responses" else "messages"
    path = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}[endpoint]
    at.push(message("ok"))
    got = await at.post(path, f'{{"model":"xiaomi/m","max_tokens":9,"{field}":[{said}]}}'.encode())
    assert got.status == 200
    assert "letters_replaced" in got.notes
    assert at.sent[0]["messages"][-1]["content"] == "a\ufffd b \U0001f600 \\ud83d \ufffd\n"


NOTHING: dict[str, list[Any]] = {
    "responses": [
        "",
        "  ",
        [{"role": "user", "content": ""}],
        [{"type": "function_call_output", "call_id": "x", "output": "o"}],
    ],
    "chat": [[{"role": "user", "content": ""}], [{"role": "tool", "tool_call_id": "x", "content": "r"}]],
    "messages": [[{"role": "user", "content": []}], [{"role": "user", "content": [{"type": "text", "text": ""}]}]],
}


@pytest.mark.req(64)
async def test_a_request_of_which_nothing_is_left_is_not_sent(at: Scripted, endpoint: str) -> None:
    """Vendors answer a list of no messages with errors of their own, of which nobody can tell the reason."""
    field = "input" if endpoint == "responses" else "messages"
    for value in NOTHING[endpoint]:
        at.push(message("ok"))
        got = await ask(at, endpoint, stream=False, **{field: value})  # type: ignore[arg-type]
        assert got.status == 400, value
        assert field in got.json["error"]["message"]
        assert got.json["error"].get("param", field) == field
    assert not at.sent
