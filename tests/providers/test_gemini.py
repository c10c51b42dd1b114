"""Gemini's OpenAI-compatible path: signatures of calls, schemas, names of results, errors that come as a list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from dragoman.core.events import BlockEnd, BlockStart, Finished
from dragoman.core.fold import fold
from dragoman.core.messages import Message, ProviderState, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.request import Request
from dragoman.core.tools import Tool
from dragoman.providers import plan
from dragoman.wire import chat_completions
from tests.providers.road import LOOP, delta, failure, made, notes, said, stream, target

FLASH = "gemini:gemini-3.8-flash"
SIGNED = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
DUMMY = {"google": {"thought_signature": "skip_thought_signature_validator"}}
RESULTS = Message("tool", (ToolResult("a", (Text("ok"),)), ToolResult("b", (Text("ok"),))))


def part(index: int, id: str, **more: Any) -> dict[str, Any]:
    return {"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}, **more}


def answered() -> Message:
    """What a turn of two calls, of which the first is signed, is for the client."""
    done, _ = made(FLASH, {"stream": True, "tools": [{"type": "function", "function": {"name": "f"}}]})
    chunk = {"index": 0, "delta": {"tool_calls": [part(0, "a", extra_content=SIGNED), part(1, "b")]}}
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    events = stream(done, {"choices": [chunk]}, {"choices": [last]})
    starts, ends = [e for e in events if isinstance(e, BlockStart)], [e for e in events if isinstance(e, BlockEnd)]
    assert [e.index for e in starts] == [e.index for e in ends] == [0, 1, 2]
    assert isinstance(events[-1], Finished)
    return fold(events).message


def sent(history: tuple[Message, ...], name: str = FLASH) -> list[dict[str, Any]]:
    question = Message("user", (Text("q"),))
    body = json.loads(plan(Request("m", (question, *history), tools=(Tool("f"),)), target(name)).body)
    calls: list[dict[str, Any]] = body["messages"][1]["tool_calls"]
    return calls


def test_a_signature_goes_back_on_its_call() -> None:
    calls = sent((answered(), RESULTS))
    assert [call.get("extra_content") for call in calls] == [SIGNED, None]


@pytest.mark.req(107)
def test_a_client_that_knows_no_signatures_carries_them_in_a_closed_block() -> None:
    said_ = answered()
    stripped = tuple(ToolCall(b.id, b.name, b.arguments) if isinstance(b, ToolCall) else b for b in said_.content)
    assert isinstance(stripped[-1], Reasoning) and stripped[-1].presence == "opaque"
    calls = sent((Message("assistant", stripped), RESULTS))
    assert [call.get("extra_content") for call in calls] == [SIGNED, None]


def test_foreign_history_gets_the_documented_stand_in() -> None:
    foreign = ToolCall("a", "f", "{}", state=ProviderState("other", "x", "chat", Raw(b'{"o":1}')))
    history = (Message("assistant", (foreign, ToolCall("b", "f", "{}"))), RESULTS)
    assert [call.get("extra_content") for call in sent(history)] == [DUMMY, None]
    done, _ = made(FLASH, {"messages": LOOP})
    assert ("thinking_placeholder", "") in notes(done)
    assert "extra_content" not in sent(history, "deepseek:deepseek-v4-pro")[0]


def test_a_chat_client_may_carry_the_signature_itself() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": SIGNED}
    history = [
        LOOP[0],
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    _, body = made(FLASH, {"messages": history})
    assert body["messages"][1]["tool_calls"][0]["extra_content"] == SIGNED


@pytest.mark.req(97)
def test_results_bear_the_name_of_their_call() -> None:
    _, body = made(FLASH, {"messages": LOOP})
    assert (body["messages"][2]["role"], body["messages"][2]["name"]) == ("tool", "f")


def test_schemas_are_reduced_to_what_is_taken() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "const": {"type": "string", "const": "x"},
            "deep": {"anyOf": [{"type": "object", "additionalProperties": {}, "properties": {}}, {"const": 3}]},
            "list": {"type": "array", "items": {"type": "string", "default": {"const": 1}}},
        },
        "required": ["const"],
    }
    reduced = {
        "type": "object",
        "properties": {
            "const": {"type": "string", "enum": ["x"]},
            "deep": {"anyOf": [{"type": "object", "properties": {}}, {}]},
            "list": {"type": "array", "items": {"type": "string", "default": {"const": 1}}},
        },
        "required": ["const"],
    }
    format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    done, body = made(FLASH, {"tools": [tool], "response_format": format})
    assert body["tools"][0]["function"]["parameters"] == reduced
    assert body["response_format"]["json_schema"]["schema"] == reduced
    assert {("schema_reduced", "tools"), ("schema_reduced", "response_format")} <= notes(done)
    _, whole = made("deepseek:deepseek-v4-pro", {"tools": [tool]})
    assert whole["tools"][0]["function"]["parameters"] == schema


def test_a_schema_that_is_taken_stays_as_it_was_written() -> None:
    text = '{"messages":[{"role":"user","content":"q"}],"model":"x","tools":[{"type":"function","function":{"name":"f","parameters":{ "type" : "object" }}}]}'
    request, _ = chat_completions.decode_request(text.encode())
    done = plan(request, target(FLASH))
    assert b'{ "type" : "object" }' in done.body
    assert not [note for note in done.notes if note.code == "schema_reduced"]


@pytest.mark.req(98, 100, 101)
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("status", "error", "kind", "wait"),
    [
        (400, {"message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}, "auth", None),
        (400, {"message": "Function call is missing a thought_signature", "status": "INVALID_ARGUMENT"}, "invalid_request", None),
        (400, {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
               "status": "INVALID_ARGUMENT"}, "overflow", None),
        (403, {"message": "no", "status": "PERMISSION_DENIED"}, "auth", None),
        (404, {"message": "models/x is not found", "status": "NOT_FOUND"}, "not_found", None),
        (429, {"message": "You exceeded your current quota, please check your plan: input tokens per minute",
               "status": "RESOURCE_EXHAUSTED",
               "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}, "rate_limit", 34.5),
        (503, {"message": "The model is overloaded.", "status": "UNAVAILABLE"}, "overloaded", None),
    ],
)  # fmt: skip
def test_errors(status: int, error: dict[str, Any], kind: str, wait: float | None, listed: bool) -> None:
    body = said(**{"code": status, **error})
    info = failure(FLASH, status, [body] if listed else body)
    assert (info.kind, info.retry_after) == (kind, wait)
    assert info.message == error["message"]


@pytest.mark.req(87)
def test_thinking_that_is_counted_beside_the_answer_is_output() -> None:
    done, _ = made(FLASH, {"stream": True})
    report = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 35,
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    end = stream(
        done, {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "usage": report}
    )[-1]
    assert isinstance(end, Finished) and end.usage is not None
    assert (end.usage.input, end.usage.output, end.usage.reasoning, end.usage.total) == (10, 25, 20, 35)


def test_thoughts_in_the_text_are_thinking() -> None:
    done, _ = made(FLASH, {"stream": True})
    text = ["<tho", "ught>pl", "an</thou", "ght>do", "ne <think>"]
    reply = fold(stream(done, *[delta(content=piece) for piece in text], delta("stop")))
    assert [block.text for block in reply.message.content if isinstance(block, Reasoning)] == ["plan"]
    assert reply.message.text == "done <think>"
