"""A Responses upstream read: what is tolerated, what is truth, and what ends the stream."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.events import (
    TERMINAL,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    RawFrame,
    Started,
    TextDelta,
)
from dragoman.core.fold import fold
from dragoman.core.messages import Opaque, Reasoning, Text, ToolCall
from dragoman.core.usage import Usage
from dragoman.wire.responses import Decoder, decode_whole
from tests.wire.responses.road import context, decode, sse

CALL = {"id": "fc", "type": "function_call", "call_id": "c", "name": "f", "arguments": "", "status": "in_progress"}
SAID = {"id": "msg", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
ADDED = {"type": "output_item.added", "output_index": 0}
DONE = {"type": "output_item.done", "output_index": 0}
ARGS = {"type": "function_call_arguments.delta", "output_index": 0, "item_id": "fc"}
TEXT = {"type": "output_text.delta", "output_index": 0, "item_id": "msg", "content_index": 0}


def end(status: str = "completed", **response: Any) -> dict[str, Any]:
    return {"type": status, "response": {"id": "r", "status": status, "output": [], **response}}


def said(text: str, status: str = "completed") -> dict[str, Any]:
    return {**SAID, "status": status, "content": [{"type": "output_text", "text": text, "annotations": []}]}


def only(events: list[Event]) -> Any:
    return fold(events).message.content[0]


@pytest.mark.req(26)
def test_unknown_events_and_fields_are_ignored() -> None:
    events = decode(
        sse(
            *[{"type": "novel.thing", "a": 1}, {"type": "output_text.news", "output_index": 0, "delta": "x"}] * 4,
            {**ADDED, "item": SAID, "x": []},
            {**TEXT, "delta": "a", "obfuscation": "zz"},
            {"type": "content_part.added", "part": {"type": "output_text"}},
            {**DONE, "item": said("a")},
            end(),
        )
    )
    assert fold(events).text == "a" and isinstance(events[-1], Finished)
    assert fold(events).notes == ()


@pytest.mark.req(26)
def test_a_wrong_type_in_one_field_does_not_cost_the_rest() -> None:
    events = decode(
        sse(
            {**ADDED, "item": {**SAID, "status": 3}},
            {**TEXT, "delta": "a", "content_index": "zero", "summary_index": []},
            {**DONE, "item": said("a")},
            end(usage={"input_tokens": 1, "output_tokens": 2}, created_at="now"),
        )
    )
    assert fold(events).text == "a" and fold(events).usage is not None


def test_what_the_done_item_adds_is_streamed() -> None:
    events = decode(sse({**ADDED, "item": SAID}, {**TEXT, "delta": "He"}, {**DONE, "item": said("Hello")}, end()))
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["He", "llo"]
    quiet = decode(sse({**DONE, "item": said("Hello")}, end()))
    assert [e.text for e in quiet if isinstance(e, TextDelta)] == ["Hello"]


def test_a_text_that_contradicts_its_deltas_keeps_them_with_a_note() -> None:
    events = decode(sse({**ADDED, "item": SAID}, {**TEXT, "delta": "abc"}, {**DONE, "item": said("xyz")}, end()))
    assert fold(events).text == "abc" and [n.code for n in fold(events).notes] == ["event_skipped"]


@pytest.mark.parametrize("done", ['{"a":2}', '{"b":1}', "{}"])
def test_arguments_that_contradict_their_deltas_fail(done: str) -> None:
    item = {**CALL, "arguments": done, "status": "completed"}
    events = decode(sse({**ADDED, "item": CALL}, {**ARGS, "delta": '{"a":1}'}, {**DONE, "item": item}, end()))
    assert isinstance(events[-1], Failed) and events[-1].error.kind == "protocol"
    ends = [e for e in events if isinstance(e, BlockEnd)]
    assert len(ends) == 1 and not ends[0].complete


def test_the_same_arguments_in_other_white_space_are_no_contradiction() -> None:
    item = {**CALL, "arguments": '{"a": 1}', "status": "completed"}
    events = decode(sse({**ADDED, "item": CALL}, {**ARGS, "delta": '{"a":1}'}, {**DONE, "item": item}, end()))
    assert only(events).arguments == '{"a":1}' and isinstance(events[-1], Finished)


def test_a_contradiction_in_a_waiting_call_fails_too() -> None:
    second = {**CALL, "id": "fc2", "call_id": "c2"}
    wrong = {**second, "arguments": '{"a":2}', "status": "completed"}
    events = decode(
        sse(
            {**ADDED, "item": CALL},
            {**ADDED, "output_index": 1, "item": second},
            {**ARGS, "output_index": 1, "delta": '{"a":1}'},
            {**DONE, "output_index": 1, "item": wrong},
            {**ARGS, "delta": "{}"},
            {**DONE, "item": {**CALL, "arguments": "{}", "status": "completed"}},
            end(),
        )
    )
    assert isinstance(events[-1], Failed)
    assert [e.complete for e in events if isinstance(e, BlockEnd)] == [True, False]


def test_an_item_that_turns_out_to_be_of_another_type_is_not_lost() -> None:
    call = {**CALL, "arguments": "{}", "status": "completed"}
    events = decode(sse({**TEXT, "delta": "a"}, {**DONE, "item": call}, end(output=[call])))
    assert fold(events).message.content == (Text("a"), ToolCall("c", "f", "{}"))


@pytest.mark.parametrize("kind", ["shell_call", "custom_tool_call"])
def test_a_done_item_without_type_is_what_it_was_announced_as(kind: str) -> None:
    body = {"call_id": "c", "name": "n", "status": "completed", "action": {"commands": []}, "input": "x"}
    made = only(decode(sse({**ADDED, "item": {**body, "type": kind, "input": ""}}, {**DONE, "item": body}, end())))
    assert (made.kind, made.arguments) == (("shell", '{"commands":[]}') if kind == "shell_call" else ("custom", "x"))


@pytest.mark.req(11)
def test_interleaved_items_come_out_one_after_another() -> None:
    events = decode(
        sse(
            {**ADDED, "item": SAID},
            {**ADDED, "output_index": 1, "item": CALL},
            {**ARGS, "output_index": 1, "delta": "{}"},
            {**TEXT, "delta": "a"},
            {**DONE, "output_index": 1, "item": {**CALL, "arguments": "{}", "status": "completed"}},
            {**TEXT, "delta": "b"},
            {**DONE, "item": said("ab")},
            end(),
        )
    )
    kinds = [type(e).__name__ for e in events]
    assert " ".join(kinds) == (
        "Started BlockStart TextDelta TextDelta BlockEnd BlockStart ArgumentsDelta BlockEnd Finished"
    )


def test_a_call_shows_at_once_and_streams_before_it_is_done() -> None:
    decoder = Decoder(context())
    first = decoder.feed(sse({**ADDED, "item": CALL}))
    assert first[-1] == BlockStart(0, ToolCall("c", "f"))
    assert decoder.feed(sse({**ARGS, "delta": '{"'})) == [ArgumentsDelta('{"')]


@pytest.mark.req(52)
def test_a_call_without_id_gets_one() -> None:
    item = {"type": "function_call", "name": "f", "arguments": "{}"}
    assert only(decode(sse({**DONE, "item": item}, end()))).id.startswith("call_")


def test_deltas_without_an_added_item_still_count() -> None:
    events = decode(
        sse({"type": "output_text.delta", "delta": "a"}, {"type": "output_text.delta", "delta": "b"}, end())
    )
    assert fold(events).text == "ab" and isinstance(events[-1], Finished)


@pytest.mark.req(53)
def test_arguments_that_belong_to_nothing_are_dropped_with_a_note() -> None:
    events = decode(sse({**ARGS, "delta": "{}"}, end()))
    assert [e.note.code for e in events if isinstance(e, Noted)] == ["fragment_dropped"]


@pytest.mark.req(25)
def test_malformed_json_is_skipped_only_while_no_call_is_open() -> None:
    bad = b"event: x\ndata: {broken\n\n"
    good = decode(sse({**ADDED, "item": SAID}, {**TEXT, "delta": "a"}) + bad + sse({**DONE, "item": said("a")}, end()))
    assert isinstance(good[-1], Finished) and [n.code for n in fold(good).notes] == ["event_skipped"]
    inside = decode(sse({**ADDED, "item": CALL}, {**ARGS, "delta": "{"}) + bad)
    assert isinstance(inside[-1], Failed) and inside[-1].error.kind == "protocol"
    many = decode(bad * 6)
    assert isinstance(many[-1], Failed)


@pytest.mark.req(18)
def test_a_completed_response_with_a_cut_call_is_not_completed() -> None:
    events = decode(sse({**ADDED, "item": CALL}, {**ARGS, "delta": '{"a":'}, end()))
    assert isinstance(events[-1], Failed) and events[-1].error.kind == "truncated"


def test_a_call_whose_done_event_never_came_is_whole_by_the_terminal_object() -> None:
    item = {**CALL, "arguments": '{"a":1}', "status": "completed"}
    events = decode(sse({**ADDED, "item": CALL}, {**ARGS, "delta": '{"a":'}, end(output=[item])))
    assert only(events).arguments == '{"a":1}' and isinstance(events[-1], Finished)


def test_several_parts_of_a_message_are_several_blocks() -> None:
    parts = [
        {"type": "output_text", "text": "a"},
        {"type": "refusal", "refusal": "b"},
        {"type": "output_text", "text": "c"},
    ]
    streamed = decode(
        sse(
            {**ADDED, "item": SAID},
            {**TEXT, "delta": "a"},
            {"type": "refusal.delta", "output_index": 0, "content_index": 1, "delta": "b"},
            {**DONE, "item": {**SAID, "status": "completed", "content": parts}},
            end(),
        )
    )
    assert fold(streamed).message.content == (Text("a"), Text("b", refusal=True), Text("c"))


def test_summary_parts_are_joined_and_reasoning_text_wins() -> None:
    item = {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in ("a", "b")]}
    delta = {"type": "reasoning_summary_text.delta", "output_index": 0}
    events = decode(
        sse(
            {**ADDED, "item": {**item, "summary": []}},
            {**delta, "summary_index": 0, "delta": "a"},
            {**delta, "summary_index": 1, "delta": "b"},
            {**DONE, "item": item},
            end(),
        )
    )
    block = only(events)
    assert (block.text, block.summary, block.turn) == ("a\n\nb", True, "turn_1")
    both = {**item, "content": [{"type": "reasoning_text", "text": "long"}]}
    assert (only(decode(sse({**DONE, "item": both}, end()))).text) == "long"


@pytest.mark.req(78)
def test_native_reasoning_keeps_the_raw_item_for_replay() -> None:
    item = {"id": "rs", "type": "reasoning", "summary": [], "encrypted_content": "gAAA", "novel": [1]}
    block = only(decode(sse({**DONE, "item": item}, end())))
    assert isinstance(block, Reasoning) and block.presence == "opaque" and block.state is not None
    assert (block.state.provider, block.state.family, block.state.wire) == ("v", "fam", "responses")
    assert json.loads(bytes(block.state.data)) == item


def test_hosted_items_pass_as_opaque_blocks() -> None:
    item = {"id": "ig", "type": "image_generation_call", "status": "completed", "result": "QUJD"}
    block = only(decode(sse({**ADDED, "item": {**item, "result": None}}, {**DONE, "item": item}, end())))
    assert isinstance(block, Opaque) and (block.kind, block.provider) == ("image_generation_call", "v")
    assert json.loads(bytes(block.data))["result"] == "QUJD"


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 4, 1, 5, 2),
        ),
        pytest.param(
            {"input_tokens": 10, "input_tokens_details": {"cached_tokens": None}, "output_tokens": 5},
            Usage(10, None, None, 5),
            marks=pytest.mark.case("C22"),
        ),
        ({"input_tokens": 10, "input_tokens_details": None, "output_tokens": 5}, Usage(10, None, None, 5)),
        (None, None),
    ],
)
@pytest.mark.req(87, 89)
def test_usage_is_read_into_disjoint_buckets(usage: object, wanted: Usage | None) -> None:
    got = fold(decode(sse(end(usage=usage)))).end.usage
    assert (msgspec.structs.replace(got, raw=None) if got else None) == wanted


@pytest.mark.req(11, 26, 89)
@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"input_tokens": 3.0, "output_tokens": 5}, Usage(3, None, None, 5)),
        ({"input_tokens": 3, "input_tokens_details": [], "output_tokens": 5}, Usage(3, None, None, 5)),
        (
            {"input_tokens": 3, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": "2"}},
            Usage(3, None, None, 5),
        ),
        (
            {"input_tokens": 3, "input_tokens_details": {"cached_tokens": -1}, "output_tokens": 5},
            Usage(3, None, None, 5),
        ),
        ({"input_tokens": -1, "output_tokens": 5}, Usage(None, None, None, 5)),
        ({"input_tokens": None, "output_tokens": None}, None),
    ],
)
def test_one_bad_count_does_not_take_the_others_with_it(usage: object, wanted: Usage | None) -> None:
    got = fold(decode(sse(end(usage=usage)))).end.usage
    assert (msgspec.structs.replace(got, raw=None) if got else None) == wanted


def test_malformed_usage_is_unknown_or_a_failure() -> None:
    data = sse(end(usage={"input_tokens": "many"}))
    events = decode(data)
    assert isinstance(events[-1], Finished) and events[-1].usage is None
    assert [n.code for n in fold(events).notes] == ["usage_unknown"]
    strict = Decoder(msgspec.structs.replace(context(), strict_usage=True))
    last = strict.feed(data)[-1]
    assert isinstance(last, Failed) and last.error.code == "malformed_usage"


@pytest.mark.req(16, 17)
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("repetition_truncation", "repetition"),
        ("novel", "length"),
        (None, "length"),
    ],
)
def test_reasons_of_an_early_end(word: str | None, reason: str) -> None:
    last = decode(sse(end("incomplete", incomplete_details={"reason": word})))[-1]
    assert isinstance(last, Incomplete) and (last.reason, last.raw) == (reason, word)


@pytest.mark.req(16)
def test_a_normal_end_has_its_reason_its_word_and_usage() -> None:
    counts = {"input_tokens": 3, "output_tokens": 2}
    last = decode(sse({**ADDED, "item": SAID}, {**TEXT, "delta": "a"}, end(output=[], usage=counts)))[-1]
    assert isinstance(last, Finished) and (last.reason, last.raw) == ("stop", "completed")
    assert last.usage is not None and (last.usage.input, last.usage.output) == (3, 2)


@pytest.mark.req(14)
def test_empty_fragments_open_and_extend_nothing() -> None:
    bare = [{**TEXT, "delta": ""}, {"type": "reasoning_text.delta", "output_index": 0, "item_id": "r", "delta": ""}]
    assert not {type(e) for e in decode(sse(*bare, end(output=[])))} & {BlockStart, BlockEnd, TextDelta}
    events = decode(sse({**ADDED, "item": SAID}, {**TEXT, "delta": "a"}, bare[0], {**DONE, "item": said("a")}, end()))
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["a"]


@pytest.mark.req(17, 23, 98)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "upstream exploded"}, "server"),
        ({"code": "rate_limit_exceeded", "message": "slow"}, "rate_limit"),
        ({"code": "server_is_overloaded", "message": "full"}, "overloaded"),
        ({"code": "slow_down", "message": "full"}, "overloaded"),
        ({"code": "context_length_exceeded", "message": "long"}, "overflow"),
        ({"code": "insufficient_quota", "message": "pay"}, "billing"),
        ({"code": "usage_limit_reached", "message": "pay"}, "billing"),
        ({"code": "invalid_prompt", "message": "no"}, "invalid_request"),
        ({"message": "anything"}, "server"),
    ],
)
def test_failures_inside_of_a_stream(error: dict[str, str], kind: str) -> None:
    for data in (
        sse(end("failed", error=error)),
        sse({"type": "error", **error}),
        sse({"type": "error", "error": error}),
    ):
        last = decode(data)[-1]
        assert isinstance(last, Failed) and (last.error.kind, last.error.message) == (kind, error["message"])


@pytest.mark.req(23)
@pytest.mark.parametrize("data", [b"upstream exploded", b'{"message":"upstream exploded","code":"server_error"}'])
def test_an_event_named_error_ends_the_stream(data: bytes) -> None:
    events = decode(sse({**ADDED, "item": SAID}, {**TEXT, "delta": "a"}) + b"event: error\ndata: " + data + b"\n\n")
    last = events[-1]
    assert isinstance(last, Failed) and last.error.message == "upstream exploded"
    assert last.error.code == ("server_error" if data[:1] == b"{" else None)
    assert fold(events).text == "a"


@pytest.mark.req(23)
def test_a_bare_error_object_ends_the_stream() -> None:
    last = decode(b'data: {"error":{"message":"upstream exploded","code":"x"}}\n\n')[-1]
    assert isinstance(last, Failed) and last.error.message == "upstream exploded"


@pytest.mark.req(24)
def test_a_status_inside_a_200_is_an_error() -> None:
    base = {"status_code": 1008, "status_msg": "balance"}
    last = decode(sse(end(base_resp=base)))[-1]
    assert isinstance(last, Failed) and last.error.kind == "billing"
    assert isinstance(decode(sse(end(base_resp={"status_code": 0})))[-1], Finished)


def test_done_markers_and_late_events_change_nothing() -> None:
    events = decode(sse(end()) + b"data: [DONE]\n\n" + sse({**TEXT, "delta": "late"}))
    assert [type(e) for e in events] == [Started, Finished]


def test_the_native_lane_gets_each_frame_before_its_events() -> None:
    decoder = Decoder(msgspec.structs.replace(context(), native=True))
    data = sse({"type": "created", "response": {"id": "r"}}, {**ADDED, "item": SAID}, {**TEXT, "delta": "a"}, end())
    kinds = [type(e).__name__ for e in decoder.feed(data)]
    assert " ".join(kinds) == ("RawFrame Started RawFrame RawFrame BlockStart TextDelta RawFrame BlockEnd Finished")
    frame = Decoder(msgspec.structs.replace(context(), native=True)).feed(b'data: {"type":"x"}\n\n')[0]
    assert frame == RawFrame("", b'{"type":"x"}')


# -- whole answers


def whole(**body: Any) -> list[Event]:
    return decode_whole(json.dumps(body).encode(), context())


def test_a_whole_answer() -> None:
    item = {**CALL, "arguments": "{}", "status": "completed"}
    events = whole(id="r", model="v-m", created_at=7, status="completed", output=[said("a"), item])
    reply = fold(events)
    assert events[0] == Started("r", "v-m", 7)
    assert reply.text == "a" and reply.calls[0].name == "f"
    assert isinstance(reply.end, Finished) and reply.end.reason == "tool_calls"


@pytest.mark.req(23)
def test_a_status_of_another_protocol_in_place_of_the_stream_is_its_failure() -> None:
    body = {"id": "r", "choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}
    events = decode(b"data: " + json.dumps(body).encode() + b"\n\n")
    end = events[-1]
    assert isinstance(end, Failed) and (end.error.kind, end.error.code) == ("rate_limit", "1002")
    fine = {**body, "base_resp": {"status_code": 0, "status_msg": ""}}
    end = decode(b"data: " + json.dumps(fine).encode() + b"\n\n")[-1]
    assert isinstance(end, Failed) and end.error.kind == "truncated"


def test_a_whole_answer_that_came_as_a_stream() -> None:
    data = sse({**DONE, "item": said("a")}, end())
    assert fold(decode_whole(data, context())).text == "a"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b'{"a":1}', b'{"output":3}', b'{"status":"completed","output":[3]}', b"\xff"],
)
def test_what_is_no_answer_fails(body: bytes) -> None:
    events = decode_whole(body, context())
    assert isinstance(events[0], Started) and isinstance(events[-1], Failed)


@pytest.mark.req(24)
def test_a_whole_error_under_200_fails() -> None:
    last = whole(error={"code": "rate_limit_exceeded", "message": "slow"})[-1]
    assert isinstance(last, Failed) and last.error.kind == "rate_limit"
    inside = whole(status="failed", output=[], error={"code": "server_error", "message": "x"})[-1]
    assert isinstance(inside, Failed) and inside.error.message == "x"
    for status in ("in_progress", "queued", "cancelled"):
        assert isinstance(whole(status=status, output=[])[-1], Failed)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner),
    max_leaves=4,
)
_ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call", "shell_call", "custom_tool_call", "x"])},
    optional=dict.fromkeys(
        ("id", "status", "call_id", "name", "arguments", "input", "content", "summary", "action"), _VALUES
    ),
)
_EVENT = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "output_item.added",
                "output_item.done",
                "output_text.delta",
                "output_text.done",
                "refusal.delta",
                "reasoning_text.delta",
                "reasoning_summary_text.delta",
                "function_call_arguments.delta",
                "function_call_arguments.done",
                "custom_tool_call_input.delta",
                "output_text.annotation.added",
                "created",
                "completed",
                "incomplete",
                "failed",
                "error",
            ]
        )
    },
    optional={
        "output_index": st.integers(-1, 2) | _VALUES,
        "content_index": st.integers(0, 1) | _VALUES,
        "delta": st.text(max_size=3) | _VALUES,
        "text": _VALUES,
        "arguments": _VALUES,
        "annotation": _VALUES,
        "item": _ITEM | _VALUES,
        "response": st.fixed_dictionaries(
            {}, optional={"status": _VALUES, "output": st.lists(_ITEM) | _VALUES, "usage": _VALUES}
        )
        | _VALUES,
        "error": _VALUES,
    },
)


@pytest.mark.req(10, 11, 12, 18)
@settings(deadline=None, max_examples=300)
@given(st.lists(_EVENT, max_size=8), st.binary(max_size=12))
def test_any_upstream_gives_a_legal_event_stream(sent: list[dict[str, Any]], tail: bytes) -> None:
    events = decode(sse(*sent) + tail)
    assert isinstance(next(e for e in events if not isinstance(e, Noted)), Started)
    assert [isinstance(e, TERMINAL) for e in events].count(True) == 1 and isinstance(events[-1], TERMINAL)
    assert [isinstance(e, Started) for e in events].count(True) == 1
    open_block: BlockStart | None = None
    text = ""
    for event in events:
        if isinstance(event, BlockStart):
            assert open_block is None
            open_block, text = event, ""
        elif isinstance(event, BlockEnd):
            assert open_block is not None and open_block.index == event.index
            if not isinstance(event.block, Opaque):
                whole = event.block.arguments if isinstance(event.block, ToolCall) else event.block.text
                assert whole == text
            open_block = None
        elif hasattr(event, "text"):
            assert open_block is not None
            text += event.text
    assert open_block is None


@settings(deadline=None)
@given(
    _VALUES | st.dictionaries(st.sampled_from(["status", "output", "usage", "error", "id"]), _VALUES | st.lists(_ITEM))
)
def test_any_whole_body_gives_one_end(body: object) -> None:
    events = decode_whole(json.dumps(body).encode(), context())
    assert isinstance(events[0], Started)
    assert [isinstance(e, TERMINAL) for e in events].count(True) == 1 and isinstance(events[-1], TERMINAL)
