"""The Chat decoder: reasoning in all its forms, usage, ends, and what broken upstreams send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import (
    TERMINAL,
    BlockEnd,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    RawFrame,
    ReasoningDelta,
    Started,
    TextDelta,
)
from dragoman.core.fold import fold
from dragoman.core.messages import Reasoning, Text, ToolCall
from dragoman.errors import ErrorInfo
from dragoman.wire.chat_completions import Decoder
from tests.core.test_assemble import check_order
from tests.wire.chat.chunks import DONE, USAGE, call, chunk, context, events, reply, sse, usage

STOP = chunk({}, "stop")


def notes(found: list[Event]) -> list[str]:
    return [e.note.code for e in found if isinstance(e, Noted)]


# -- reasoning


@pytest.mark.req(42)
@pytest.mark.parametrize(
    ("delta", "text"),
    [
        ({"reasoning_content": "a", "reasoning": "b", "reasoning_text": "c"}, "a"),
        ({"reasoning_content": "", "reasoning": "b", "reasoning_text": "c"}, "b"),
        ({"reasoning_content": None, "reasoning": "", "reasoning_text": "c"}, "c"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "d"}], "reasoning_content": "a"}, "d"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": ""}], "reasoning_content": "a"}, "a"),
        ({"reasoning_details": [], "reasoning": "b"}, "b"),
    ],
)
def test_priority_of_the_fields_and_an_empty_one_masks_nothing(delta: dict[str, Any], text: str) -> None:
    assert reply(chunk(delta), STOP, DONE).reasoning == text


@pytest.mark.req(43)
@pytest.mark.parametrize(
    ("details", "text"),
    [
        ([{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.summary", "summary": "b"}], "ab"),
        ({"type": "reasoning.text", "text": "a"}, "a"),
        ("a", "a"),
        (None, ""),
        (7, ""),
        ([3, None, "a"], "a"),
    ],
)
def test_details_come_in_several_forms(details: Any, text: str) -> None:
    got = reply(chunk({"reasoning_details": details, "content": "T"}), STOP, DONE)
    assert (got.reasoning, got.text) == (text, "T")
    beside = reply(chunk({"reasoning_details": details, "reasoning_content": "r", **call(0, "i", "f", "{}")}), DONE)
    assert (beside.reasoning, [c.name for c in beside.calls]) == (text or "r", ["f"])


@pytest.mark.req(44)
def test_details_are_merged_by_index_and_kept_raw() -> None:
    def part(**fields: Any) -> dict[str, Any]:
        return chunk({"reasoning_details": [fields]})

    got = reply(
        part(type="reasoning.text", index=0, text="a", id="x", format="f"),
        part(type="reasoning.text", index=1, text="c"),
        part(type="reasoning.text", index=0, text="b", signature="sig"),
        part(type="reasoning.encrypted", index=0, data="e"),
        part(type="reasoning.encrypted", index=0, data="f"),
        chunk({"content": "T"}),
        STOP,
        DONE,
    )
    block = got.message.content[0]
    assert isinstance(block, Reasoning)
    assert block.text == "acb"
    assert block.state is not None
    assert (block.state.provider, block.state.family, block.state.wire) == ("v", "fam", "chat")
    assert json.loads(bytes(block.state.data)) == [
        {"type": "reasoning.text", "index": 0, "text": "ab", "id": "x", "format": "f", "signature": "sig"},
        {"type": "reasoning.text", "index": 1, "text": "c"},
        {"type": "reasoning.encrypted", "index": 0, "data": "ef"},
    ]


@pytest.mark.req(44)
def test_sealed_details_alone_make_an_opaque_block_and_late_ones_do_not_split_the_text() -> None:
    sealed = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "index": 0}]}
    got = reply(chunk(sealed), chunk({"content": "T"}), STOP, DONE)
    assert [(type(b), getattr(b, "presence", "")) for b in got.message.content] == [(Reasoning, "opaque"), (Text, "")]
    got = reply(chunk({"content": "T"}), chunk(sealed), chunk({"content": "U"}), STOP, DONE)
    assert [getattr(b, "presence", b.text) for b in got.message.content if not isinstance(b, ToolCall)] == [
        "TU",
        "opaque",
    ]


def fragments(field: str, *texts: str) -> list[Event]:
    return events(*[chunk({field: text}) for text in texts], STOP, DONE)


def said(found: list[Event]) -> list[str]:
    return [e.text for e in found if isinstance(e, TextDelta | ReasoningDelta)]


@pytest.mark.req(45)
@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
def test_cumulative_snapshots_give_only_their_suffix(field: str) -> None:
    assert "".join(said(fragments(field, "The", "The us", "The user", "The user.", "The user."))) == "The user."


@pytest.mark.req(46)
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize(
    "texts",
    [
        ("ha", "haha"),
        ("ha", "ha", "ha"),
        ("a", "ab", "c"),
        ("a", "ab"),
        ("-", "--", "x", "--"),
        ("a", "b", "ab", "abab"),
        ("=", "==", "====", "end"),
        (" ", "  ", "    ", "x", "y"),
        ("#", "##", "### x", " y"),
        ("ha", "haha", "hahahaha!"),
        tuple("-" * n for n in range(1, 30)),
    ],
)
def test_pieces_that_repeat_a_prefix_are_not_swallowed(field: str, texts: tuple[str, ...]) -> None:
    assert "".join(said(fragments(field, *texts))) == "".join(texts)


@pytest.mark.req(45)
@pytest.mark.parametrize(
    "texts", [("*", "**", "**The", "**The us", "**The user"), ("a", "ab", "abc"), ("\n", "\n\nx", "\n\nxy")]
)
def test_snapshots_that_begin_with_a_repeated_letter(texts: tuple[str, ...]) -> None:
    assert "".join(said(fragments("reasoning_content", *texts))) == texts[-1]


@pytest.mark.req(46)
def test_a_flag_believes_the_first_snapshot_or_none_at_all() -> None:
    two = [chunk({"reasoning_content": "The"}), chunk({"reasoning_content": "The user"}), STOP, DONE]
    assert reply(*two, cumulative="always").reasoning == "The user"
    three = [chunk({"reasoning_content": text}) for text in ("a", "ab", "abc")]
    assert reply(*three, STOP, DONE, cumulative="never").reasoning == "aababc"


def test_what_is_held_comes_out_before_anything_else() -> None:
    got = events(
        chunk({"reasoning_content": "a"}), chunk({"reasoning_content": "ab"}), chunk({"content": "T"}), STOP, DONE
    )
    assert said(got) == ["a", "ab", "T"]
    got = events(chunk({"content": "a"}), chunk({"content": "ab"}), chunk(call(0, "i", "f", "{}")), STOP, DONE)
    assert [type(e.block) for e in got if isinstance(e, BlockEnd)] == [Text, ToolCall]
    check_order(got)


@pytest.mark.req(49)
def test_reasoning_stands_before_the_text_of_its_chunk_and_an_open_call_before_both() -> None:
    got = reply(
        chunk({"content": "T", "reasoning_content": "R", **call(0, "i", "f", "{")}),
        chunk({"content": "U", "reasoning_content": "S", **call(0, args="}")}),
        STOP,
        DONE,
    )
    assert [b.arguments if isinstance(b, ToolCall) else b.text for b in got.message.content] == [
        "R",
        "T",
        "{}",
        "S",
        "U",
    ]
    # Arguments that read as whole already: what belongs to the open call is told before anything may close it.
    got = reply(
        chunk(call(0, "i", "f", "1")),
        chunk({"content": "U", "reasoning_content": "S", **call(0, args="2")}),
        STOP,
        DONE,
    )
    assert [b.arguments if isinstance(b, ToolCall) else b.text for b in got.message.content] == ["12", "S", "U"]


@pytest.mark.req(14)
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_present_but_empty_reasoning_is_remembered_beside_calls(field: str) -> None:
    got = reply(chunk({field: ""}), chunk(call(0, "i", "f", "{}")), chunk({}, "tool_calls"), DONE)
    assert Reasoning("", "empty", "t", 0) in got.message.content
    for without in (
        reply(chunk({field: ""}), chunk({"content": "T"}), STOP, DONE),
        reply(chunk({field: None}), chunk(call(0, "i", "f", "{}")), STOP, DONE),
        reply(chunk({field: ""}), chunk({field: "x"}), chunk(call(0, "i", "f", "{}")), STOP, DONE),
    ):
        assert not any(isinstance(b, Reasoning) and b.presence == "empty" for b in without.message.content)


# -- ends


@pytest.mark.req(16, 17)
@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        ("stop", Finished, "stop"),
        ("tool_calls", Finished, "stop"),
        ("length", Incomplete, "length"),
        ("repetition_truncation", Incomplete, "repetition"),
        ("content_filter", Incomplete, "content_filter"),
        ("sensitive", Incomplete, "content_filter"),
        ("refusal", Incomplete, "content_filter"),
        ("model_context_window_exceeded", Incomplete, "context_window"),
    ],
)
def test_finish_reasons(raw: str, kind: type, reason: str) -> None:
    end = events(chunk({"content": "x"}), chunk({}, raw), usage(USAGE), DONE)[-1]
    assert isinstance(end, kind)
    assert (end.reason, end.raw) == (reason, raw)
    assert end.usage is not None
    assert (end.usage.prompt, end.usage.output) == (3, 2)


@pytest.mark.req(17)
@pytest.mark.parametrize("raw", ["network_error", "insufficient_system_resource", "error"])
def test_broken_finishes_are_failures(raw: str) -> None:
    end = events(chunk({"content": "x"}), chunk({}, raw), usage(USAGE), DONE)[-1]
    assert isinstance(end, Failed)
    assert end.error.kind == "server"
    assert raw in end.error.message
    assert end.usage is not None


def test_an_unknown_finish_is_a_normal_end_with_a_note() -> None:
    got = events(chunk({"content": "x"}), chunk({}, "eos_reached"), DONE)
    assert isinstance(got[-1], Finished)
    assert got[-1].raw == "eos_reached"
    assert notes(got) == ["unexpected_status"]


def test_a_refusal_is_shown_and_ends_as_filtered() -> None:
    got = reply(chunk({"refusal": "I will not."}), STOP, DONE)
    assert got.text == "I will not."
    assert isinstance(got.end, Incomplete)
    assert got.end.reason == "content_filter"


@pytest.mark.case("C08")
def test_the_end_waits_for_usage() -> None:
    decoder = Decoder(context())
    assert not any(isinstance(e, TERMINAL) for e in decoder.feed(sse(chunk({"content": "x"}), STOP)))
    decoder.feed(sse(usage(USAGE)))
    end = decoder.feed(sse(DONE))[-1]
    assert isinstance(end, Finished)
    assert end.usage is not None


@pytest.mark.parametrize("error", [None, ErrorInfo("network", "reset")])
def test_after_the_finish_reason_a_broken_connection_has_told_everything(error: ErrorInfo | None) -> None:
    end = events(chunk({"content": "x"}), chunk({}, "stop", usage=USAGE), error=error)[-1]
    assert isinstance(end, Finished)
    assert end.usage is not None


@pytest.mark.req(15, 18)
@pytest.mark.case("C15", "C16")
def test_a_broken_connection_keeps_what_came_and_completes_nothing() -> None:
    broken = ErrorInfo("network", "reset")
    got = events(chunk({"content": "x"}), usage(USAGE), error=broken)
    assert got[-2:] == [BlockEnd(0, Text("x"), False), got[-1]]
    assert isinstance(got[-1], Failed)
    assert (got[-1].error.kind, got[-1].error.message) == ("network", "reset")
    assert got[-1].usage is not None
    got = events(chunk(call(0, "i", "f", '{"a":')), error=broken)
    ends = [e for e in got if isinstance(e, BlockEnd)]
    assert [e.complete for e in ends] == [False]
    assert isinstance(events()[-1], Failed)


@pytest.mark.req(20)
def test_what_comes_after_the_finish_reason_is_not_content() -> None:
    repeated = {
        "id": "up",
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
        "usage": USAGE,
    }
    got = reply(chunk({"content": "x"}), STOP, chunk({"content": "x"}), repeated, DONE)
    assert got.text == "x"
    assert got.usage is not None


def test_a_whole_message_inside_a_stream_counts_once() -> None:
    whole = {
        "id": "up",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
    }
    assert reply(whole, DONE).text == "x"
    assert reply(chunk({"content": "x"}), whole, DONE).text == "x"


def test_only_the_first_choice_is_read() -> None:
    second = chunk({"content": "other"}, "stop")
    second["choices"][0]["index"] = 1
    assert reply(chunk({"content": "x"}), second, STOP, DONE).text == "x"


# -- faults


@pytest.mark.req(23)
@pytest.mark.parametrize(
    ("item", "message", "code"),
    [
        ({"error": {"message": "exploded", "code": "boom", "type": "server_error"}}, "exploded", "boom"),
        ({"error": "exploded"}, "exploded", None),
        (
            {
                "error": {"code": 502, "message": "exploded"},
                "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
            },
            "exploded",
            "502",
        ),
        ({"object": "error", "message": "exploded", "code": 400}, "exploded", "400"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "exploded"}},
            "exploded",
            "overloaded_error",
        ),
    ],
)
def test_an_error_in_the_stream_ends_it(item: dict[str, Any], message: str, code: str | None) -> None:
    got = events(chunk({"content": "x"}), item, chunk({"content": "y"}), STOP, DONE)
    assert isinstance(got[-1], Failed)
    assert got[-1].error.message == message
    assert got[-1].error.code == code
    assert said(got) == ["x"]


@pytest.mark.req(23)
@pytest.mark.parametrize("data", ['{"error":{"message":"exploded"}}', '{"message":"exploded"}', "exploded"])
def test_an_error_event_ends_the_stream(data: str) -> None:
    decoder = Decoder(context())
    end = decoder.feed(f"event: error\ndata: {data}\n\n".encode())[-1]
    assert isinstance(end, Failed)
    assert "exploded" in end.error.message


@pytest.mark.parametrize("nothing", [None, "", {}, False])
def test_an_empty_error_field_is_none(nothing: Any) -> None:
    assert isinstance(events(chunk({"content": "x"}, error=nothing), STOP, DONE)[-1], Finished)


@pytest.mark.req(24)
@pytest.mark.parametrize(
    ("status", "kind"), [(1002, "rate_limit"), (1004, "auth"), (2013, "invalid_request"), (9, "server")]
)
def test_a_status_inside_a_200_is_a_failure(status: int, kind: str) -> None:
    end = events({"id": "x", "choices": None, "base_resp": {"status_code": status, "status_msg": "no"}})[-1]
    assert isinstance(end, Failed)
    assert (end.error.kind, end.error.message) == (kind, "no")
    fine = events(chunk({"content": "x"}, base_resp={"status_code": 0, "status_msg": ""}), STOP, DONE)
    assert isinstance(fine[-1], Finished)


@pytest.mark.req(25)
@pytest.mark.parametrize("bad", ["{", "nonsense", "[1,2]", '"text"', '{"id":"\udcff"}'])
def test_malformed_json_is_skipped_with_a_note(bad: str) -> None:
    raw = (
        sse(chunk({"content": "a"}))
        + b"data: "
        + bad.encode("utf-8", "surrogateescape")
        + b"\n\n"
        + sse(chunk({"content": "b"}), STOP, DONE)
    )
    decoder = Decoder(context())
    got = decoder.feed(raw)
    assert said(got) == ["a", "b"]
    assert notes(got) == ["event_skipped"]
    assert isinstance(got[-1], Finished)


@pytest.mark.req(25)
def test_malformed_json_within_a_call_fails_the_stream() -> None:
    end = events(chunk(call(0, "i", "f", '{"a":')), "{", chunk(call(0, args="1}")), STOP, DONE)[-1]
    assert isinstance(end, Failed)
    assert end.error.kind == "protocol"


@pytest.mark.req(26)
@pytest.mark.parametrize(
    "odd",
    [
        {"id": 7},
        {"created": "now"},
        {"model": ["m"]},
        {"unknown": {"deep": [1]}},
        {"usage": "none"},
        {"base_resp": "ok"},
    ],
)
def test_a_wrong_type_beside_the_delta_loses_nothing(odd: dict[str, Any]) -> None:
    got = reply(chunk({"content": "x", "reasoning_content": "r"}, **odd), STOP, DONE)
    assert (got.text, got.reasoning) == ("x", "r")
    assert isinstance(got.end, Finished)


@pytest.mark.req(26)
@pytest.mark.parametrize(
    "odd",
    [
        {"role": 3},
        {"reasoning_content": {"a": 1}},
        {"reasoning": 7},
        {"tool_calls": "none"},
        {"tool_calls": [7]},
        {"annotations": {"a": 1}},
        {"refusal": False},
        {"function_call": 1},
    ],
)
def test_a_wrong_type_in_the_delta_loses_only_that_field(odd: dict[str, Any]) -> None:
    assert reply(chunk({"content": "x", **odd}), STOP, DONE).text == "x"


@pytest.mark.req(26)
def test_values_of_the_wrong_type_are_read_where_they_are_clear() -> None:
    fragment = {"index": "0", "id": 5, "function": {"name": "f", "arguments": {"a": 1}}}
    got = reply(
        chunk({"content": [{"type": "text", "text": "x"}], "tool_calls": [fragment]}), chunk({}, "tool_calls"), DONE
    )
    assert got.text == "x"
    assert got.calls == (ToolCall("call_new", "f", '{"a":1}'),)


def test_a_legacy_function_call() -> None:
    got = reply(
        chunk({"function_call": {"name": "f", "arguments": "{"}}),
        chunk({"function_call": {"arguments": "}"}}),
        chunk({}, "function_call"),
        DONE,
    )
    assert got.calls == (ToolCall("call_new", "f", "{}"),)


def test_custom_calls_and_vendor_state_of_a_call() -> None:
    custom = {"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "p", "input": "*** "}}]}
    more = {"tool_calls": [{"index": 0, "custom": {"input": "x"}}]}
    assert reply(chunk(custom), chunk(more), STOP, DONE).calls == (ToolCall("c", "p", "*** x", "custom"),)
    signed = call(0, "i", "f", "{}")
    signed["tool_calls"][0]["extra_content"] = {"vendor": {"sig": "s"}}
    state = reply(chunk(signed), STOP, DONE).calls[0].state
    assert state is not None
    assert json.loads(bytes(state.data)) == {"vendor": {"sig": "s"}}


# -- usage


@pytest.mark.req(87, 89)
@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (USAGE, (3, None, None, 2, None)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 2}}, (1, 2, None, 2, None)),
        ({**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}, (3, None, None, 2, None)),
        ({**USAGE, "prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 1}, (1, 2, None, 2, None)),
        ({**USAGE, "cached_tokens": 1}, (2, 1, None, 2, None)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 1}}, (1, 1, 1, 2, None)),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 1}}, (3, None, None, 2, 1)),
        ({"prompt_tokens": 3}, (3, None, None, None, None)),
        ({"prompt_tokens": 3, "total_tokens": 5}, (3, None, None, 2, None)),
        ({"prompt_tokens": 3.0, "completion_tokens": 2}, (3, None, None, 2, None)),
    ],
)
def test_usage_reports(report: dict[str, Any], expected: tuple[int | None, ...]) -> None:
    got = reply(chunk({"content": "x"}), STOP, usage(report), DONE).usage
    assert got is not None
    assert (got.input, got.cache_read, got.cache_write, got.output, got.reasoning) == expected
    assert got.raw is not None
    assert json.loads(bytes(got.raw)) == report


@pytest.mark.req(89)
@pytest.mark.parametrize("cost", ['"1abc"', '"$1"', "-1", "1e300", '{"a":1}', "true", '""'])
def test_a_cost_that_is_no_price_is_unknown(cost: str) -> None:
    report = {"prompt_tokens": 3, "completion_tokens": 2, "cost": json.loads(cost)}
    got = reply(chunk({"content": "x"}), STOP, {"choices": [], "usage": report}, DONE)
    assert got.usage is not None and (got.usage.total, got.usage.cost) == (5, None)


def test_searches_and_the_vendors_own_cost_digit_for_digit() -> None:
    report = '{"prompt_tokens":3,"completion_tokens":2,"cost":0.10000000000000001,"web_search_usage":{"tool_usage":2}}'
    decoder = Decoder(context())
    got = fold(
        decoder.feed(
            sse(chunk({"content": "x"}), STOP)
            + b'data: {"choices":[],"usage":'
            + report.encode()
            + b"}\n\n"
            + sse(DONE)
        )
    )
    assert got.usage is not None
    assert (got.usage.searches, got.usage.cost) == (2, "0.10000000000000001")


def test_usage_inside_the_choice() -> None:
    last = chunk({}, "stop")
    last["choices"][0]["usage"] = USAGE
    got = reply(chunk({"content": "x"}), last, DONE).usage
    assert got is not None
    assert got.output == 2


@pytest.mark.req(88)
def test_running_usage_is_merged_and_never_added() -> None:
    got = reply(
        chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
        chunk({}, "stop", usage=USAGE),
        usage(USAGE),
        DONE,
    ).usage
    assert got is not None
    assert (got.input, got.output) == (3, 2)


@pytest.mark.req(89)
@pytest.mark.parametrize(
    "report",
    [
        "many",
        [1],
        {"prompt_tokens": "three", "completion_tokens": 2},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": True},
    ],
)
def test_a_malformed_report_is_unknown_with_a_note_or_strictly_a_failure(report: Any) -> None:
    items = [chunk({"content": "x"}, usage=report), STOP, DONE]
    got = events(*items)
    assert isinstance(got[-1], Finished)
    assert notes(got) == ["usage_unknown"]
    assert got[-1].usage is None or got[-1].usage.input is None
    strict = events(*items, strict_usage=True)
    assert isinstance(strict[-1], Failed)
    assert strict[-1].error.code == "malformed_usage"


# -- laws


def test_native_frames_stand_before_their_events() -> None:
    got = events(chunk({"content": "x"}), STOP, DONE, native=True)
    assert [type(e) for e in got[:2]] == [RawFrame, Started]
    assert sum(isinstance(e, RawFrame) for e in got) == 3
    assert got[-2].block == Text("x") if isinstance(got[-2], BlockEnd) else False


DELTAS = st.one_of(
    st.fixed_dictionaries({"content": st.sampled_from(["", "a", "ab", "é🎉", "a\nb"])}),
    st.fixed_dictionaries({"reasoning_content": st.sampled_from(["", "r", "rs", None])}),
    st.fixed_dictionaries(
        {"reasoning_details": st.sampled_from([[{"index": 0, "text": "d"}], "x", None, [{"data": "e"}]])}
    ),
    st.builds(
        call,
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, "i", "j"]),
        st.sampled_from([None, "f"]),
        st.sampled_from([None, "{", "}", "{}"]),
    ),
)
ITEMS = st.lists(
    st.one_of(
        st.builds(chunk, DELTAS, st.sampled_from([None, None, None, "stop", "length", "odd"])),
        st.sampled_from([usage(USAGE), usage("bad"), DONE, "{", {"error": {"message": "m"}}, {"choices": []}]),
    ),
    max_size=8,
)


@pytest.mark.req(10, 11, 21)
@given(ITEMS, st.lists(st.integers(0, 2000), max_size=5), st.booleans())
def test_any_stream_under_any_cut_has_one_order_and_one_end(items: list[Any], cuts: list[int], broken: bool) -> None:
    data = sse(*items)
    error = ErrorInfo("network", "reset") if broken else None
    places = sorted({min(cut, len(data)) for cut in cuts})
    decoder = Decoder(context())
    got: list[Event] = []
    for a, b in zip([0, *places], [*places, len(data)], strict=True):
        got += decoder.feed(data[a:b])
    got += decoder.end(error)
    assert got == events(*items, error=error)
    assert [isinstance(e, TERMINAL) for e in got].count(True) == 1
    assert isinstance(got[-1], TERMINAL)
    assert [isinstance(e, Started) for e in got].count(True) == 1
    check_order(got)


@given(st.binary(max_size=300))
def test_noise_never_raises(noise: bytes) -> None:
    decoder = Decoder(context())
    got = decoder.feed(noise) + decoder.feed(b"\n\n") + decoder.end()
    assert isinstance(got[-1], TERMINAL)
