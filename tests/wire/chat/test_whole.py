"""Whole answers of a Chat upstream: the same message as the stream would give, and every way to be broken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import TERMINAL, Event, Failed, Finished, Incomplete, RawFrame
from dragoman.core.fold import Reply, fold
from dragoman.core.messages import Reasoning, Text, ToolCall
from dragoman.wire.chat_completions import decode_whole
from tests.core.test_assemble import check_order
from tests.wire.chat.chunks import DONE, USAGE, chunk, context, events, sse, usage


def body(message: dict[str, Any] | None, finish: str | None = "stop", **top: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "up", "created": 1, "model": "vm", "choices": [choice], "usage": USAGE, **top}).encode()


def whole(data: bytes, **more: Any) -> list[Event]:
    found = decode_whole(data, context(**more))
    assert [isinstance(e, TERMINAL) for e in found].count(True) == 1
    assert isinstance(found[-1], TERMINAL)
    check_order(found)
    return found


def answer(data: bytes, **more: Any) -> Reply:
    return fold(whole(data, **more))


@pytest.mark.case("A02", "D09")
def test_reasoning_text_and_call() -> None:
    calls = [{"id": "i", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    got = answer(
        body({"role": "assistant", "content": "T", "reasoning_content": "R", "tool_calls": calls}, "tool_calls")
    )
    assert got.message.content == (Reasoning("R", turn="t"), Text("T"), ToolCall("i", "f", "{}"))
    assert got.end == Finished("tool_calls", "tool_calls", got.usage)
    assert (got.id, got.model, got.created) == ("up", "vm", 1)
    assert got.usage is not None
    assert got.usage.output == 2


WORDS = st.text("abé🎉 \n", max_size=12)
CALLS = st.lists(st.tuples(st.sampled_from(["f", "g"]), st.sampled_from(["{}", '{"a":1}', "", "{bad"])), max_size=3)


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.req(20)
@given(
    WORDS,
    st.none() | WORDS,
    CALLS,
    st.integers(1, 5),
    st.sampled_from(["stop", "tool_calls", "length", "content_filter", "network_error", "odd"]),
    st.sampled_from([None, USAGE, {**USAGE, "prompt_tokens_details": {"cached_tokens": 1}}, "bad"]),
)
def test_the_stream_folds_to_the_whole_answer(
    text: str, thought: str | None, calls: list[tuple[str, str]], size: int, finish: str, report: Any
) -> None:
    """Law 3: the same answer, streamed in pieces of any size or sent whole, is the same reply."""
    entries = [
        {"id": f"i{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text, "tool_calls": entries or None, "reasoning_content": thought}
    data = {
        "id": "up",
        "created": 1,
        "model": "vm",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    items: list[Any] = [chunk({"role": "assistant", "content": "", "reasoning_content": "" if thought == "" else None})]
    items += [chunk({"reasoning_content": piece}) for piece in cut(thought or "", size)]
    items += [chunk({"content": piece}) for piece in cut(text, size)]
    for n, entry in enumerate(entries):
        first = {"index": n, **entry, "function": {"name": calls[n][0], "arguments": ""}}
        items.append(chunk({"tool_calls": [first]}))
        items += [chunk({"tool_calls": [{"index": n, "function": {"arguments": p}}]}) for p in cut(calls[n][1], size)]
    items += [chunk({}, finish), usage(report), DONE]
    streamed = fold(events(*items, cumulative="never"))
    at_once = answer(json.dumps({**data, "usage": report}).encode())
    assert streamed == at_once


@pytest.mark.case("J09")
@pytest.mark.parametrize("choices", [[], None])
def test_no_choices_is_a_failure(choices: Any) -> None:
    end = whole(body(None, choices=choices))[-1]
    assert isinstance(end, Failed)
    assert end.error.kind == "protocol"
    assert "no choices" in end.error.message
    assert end.usage is not None


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"<html>", b"{", b'{"choices":', b"\xff\xfe"])
def test_what_is_no_answer_is_a_failure(data: bytes) -> None:
    assert isinstance(whole(data)[-1], Failed)


@pytest.mark.req(24)
def test_errors_inside_a_200() -> None:
    end = whole(b'{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}')[-1]
    assert isinstance(end, Failed)
    assert (end.error.kind, end.error.message) == ("billing", "insufficient balance")
    end = whole(b'{"error":{"message":"m","code":"c"}}')[-1]
    assert isinstance(end, Failed)
    assert (end.error.message, end.error.code) == ("m", "c")


def test_a_prefix_blank_lines_or_a_whole_stream_are_tolerated() -> None:
    plain = answer(body({"role": "assistant", "content": "x"}))
    assert answer(b"\n\n \n" + body({"role": "assistant", "content": "x"})) == plain
    assert answer(b"data: " + body({"role": "assistant", "content": "x"})).text == "x"
    assert answer(b": wait\n\n" + sse(chunk({"content": "x"}), chunk({}, "stop"), DONE)).text == "x"
    end = whole(b'data:{"error":{"code":"400","message":"Param Incorrect"}}')[-1]
    assert isinstance(end, Failed)
    assert end.error.message == "Param Incorrect"


def test_calls_with_one_id_stay_apart() -> None:
    calls = [{"id": "call_0", "function": {"name": n, "arguments": "{}"}} for n in "fg"]
    assert [c.name for c in answer(body({"content": "", "tool_calls": calls}, "stop")).calls] == ["f", "g"]


def test_a_missing_finish_reason_beside_content_is_noted() -> None:
    got = answer(body({"content": "x"}, None))
    assert isinstance(got.end, Finished)
    assert [n.code for n in got.notes] == ["unexpected_status"]
    assert isinstance(whole(body({"content": ""}, None))[-1], Failed)
    assert isinstance(whole(body(None, None))[-1], Failed)


def test_snapshots_are_not_looked_for_and_length_is_incomplete() -> None:
    got = answer(body({"content": "x"}, "length"))
    assert isinstance(got.end, Incomplete)
    assert got.complete == (False,)


def test_strict_usage_and_the_native_frame() -> None:
    assert isinstance(whole(body({"content": "x"}, usage="bad"), strict_usage=True)[-1], Failed)
    data = body({"content": "x"})
    assert whole(data, native=True)[0] == RawFrame("", data)


@given(st.binary(max_size=200))
def test_noise_never_raises(noise: bytes) -> None:
    whole(noise)
