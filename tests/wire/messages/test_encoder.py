"""What a Messages client is sent: grammar, ends, signatures, whole answers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import Raw

from dragoman.core.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageSeen,
)
from dragoman.core.fold import fold
from dragoman.core.messages import Opaque, ProviderState, Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo, ErrorKind, UpstreamError
from dragoman.wire import sse
from dragoman.wire.messages import Encoder, View, encode_count, encode_error, encode_whole
from tests.strategies import event_streams
from tests.validators.messages import Parsed, validate

VIEW = View(model="asked-name", stream=True)


def mint(prefix: str) -> str:
    return prefix + "1"


def stream(events: list[Event], view: View = VIEW, *, one_by_one: bool = False) -> Parsed:
    encoder = Encoder(view, mint, 1, "msg_1")
    frames = encoder.preamble()
    batches = [[e] for e in events] if one_by_one else [events]
    for batch in batches:
        frames += encoder.encode(batch)
    assert encoder.ended
    assert encoder.encode([TextDelta("late")]) == []
    assert encoder.keepalive() == []
    return validate(sse.frames(frames))


def whole(events: list[Event], view: View = VIEW) -> dict[str, Any]:
    value = json.loads(encode_whole(view, fold(events), mint, 1, "msg_1"))
    assert isinstance(value, dict)
    return value


def block(index: int, whole_block: Any, *deltas: Event, complete: bool = True) -> list[Event]:
    empty: Any = whole_block
    if isinstance(whole_block, Text | Reasoning):
        empty = msgspec.structs.replace(whole_block, text="")
    elif isinstance(whole_block, ToolCall):
        empty = msgspec.structs.replace(whole_block, arguments="")
    return [BlockStart(index, empty), *deltas, BlockEnd(index, whole_block, complete)]


@pytest.mark.req(10, 11, 12)
@given(event_streams())
def test_every_stream_keeps_the_grammar(events: list[Event]) -> None:
    parsed = stream(events)
    reply = fold(events)
    assert parsed.done is not isinstance(reply.end, Failed)
    assert parsed.text == reply.text
    assert parsed.message["model"] == "asked-name"
    shown = [b.text for b in reply.message.content if isinstance(b, Reasoning) and b.text]
    assert parsed.thinking == "".join(shown)
    assert len(parsed.notes) == len(reply.notes)


@given(event_streams(calls=("function", "custom")))
def test_batches_do_not_matter(events: list[Event]) -> None:
    one, all_at_once = stream(events, one_by_one=True), stream(events)
    assert one.text == all_at_once.text
    assert one.thinking == all_at_once.thinking
    assert one.stop_reason == all_at_once.stop_reason


@pytest.mark.req(20)
@given(event_streams())
def test_a_whole_answer_is_the_folded_stream(events: list[Event]) -> None:
    reply = fold(events)
    if isinstance(reply.end, Failed):
        with pytest.raises(UpstreamError):
            encode_whole(VIEW, reply, mint, 1)
        return
    parsed, message = stream(events), whole(events)
    assert [b["type"] for b in message["content"]] == [b["type"] for b in parsed.blocks]
    for shown, streamed in zip(message["content"], parsed.blocks, strict=True):
        if "cut" in streamed or (shown["type"] == "tool_use" and "raw_arguments" in shown["input"]):
            continue
        assert shown == {k: v for k, v in streamed.items() if k != "partial"}
    assert message["stop_reason"] == parsed.stop_reason
    assert message["usage"].items() >= parsed.usage.items()


@pytest.mark.req(20)
def test_hidden_thinking_stands_in_both_forms() -> None:
    raw = Raw(b'{"type":"redacted_thinking","data":"E"}')
    hidden = Reasoning("", "opaque", state=ProviderState("anthropic", "claude", "messages", raw))
    events: list[Event] = [BlockStart(0, hidden), BlockEnd(0, hidden), Finished("stop")]
    assert whole(events)["content"] == [json.loads(bytes(raw))] == stream(events).blocks


def test_usage_stands_at_the_start_where_it_is_known_by_then() -> None:
    encoder = Encoder(VIEW, mint, 1, "msg_1")
    events: list[Event] = [Started("u", "m"), UsageSeen(Usage(25, 7, None, 1))]
    frames = encoder.encode(events)
    message = json.loads(frames[0][1])["message"]
    assert message["usage"] == {
        "input_tokens": 25,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 7,
        "output_tokens": 1,
    }
    assert encoder.preamble() == []
    end = encoder.encode([Finished("stop", usage=Usage(25, 7, None, 9, 4, 2))])
    assert json.loads(end[0][1])["usage"] == {
        "input_tokens": 25,
        "cache_read_input_tokens": 7,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    }


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Finished("stop"), "end_turn"),
        (Finished("tool_calls"), "end_turn"),
        (Finished("stop_sequence", sequence="END"), "stop_sequence"),
        (Finished("pause"), "pause_turn"),
        (Incomplete("length"), "max_tokens"),
        (Incomplete("repetition"), "max_tokens"),
        (Incomplete("content_filter"), "refusal"),
        (Incomplete("context_window"), "model_context_window_exceeded"),
    ],
)
@pytest.mark.case("C01", "C02", "C05")
def test_how_an_end_is_shown(end: Any, reason: str) -> None:
    events = [Started(), *block(0, Text("a"), TextDelta("a")), end]
    parsed = stream(events)
    assert parsed.stop_reason == reason == whole(events)["stop_reason"]
    assert parsed.stop_sequence == ("END" if reason == "stop_sequence" else None)


@pytest.mark.case("D07")
def test_a_normal_end_with_a_call_is_tool_use() -> None:
    call = ToolCall("c1", "f", '{"a":1}')
    parsed = stream([Started(), *block(0, call, ArgumentsDelta('{"a"'), ArgumentsDelta(":1}")), Finished("stop")])
    assert parsed.stop_reason == "tool_use"
    assert parsed.calls[0]["input"] == {"a": 1}


class TestThinking:
    """Signatures are never empty, and hidden thinking stays hidden."""

    def test_a_seal_is_the_signature(self) -> None:
        events = [
            Started(),
            *block(0, Reasoning("why", seal="dgm1.x", signature="v"), ReasoningDelta("why")),
            Finished(),
        ]
        assert stream(events).blocks == [{"type": "thinking", "thinking": "why", "signature": "dgm1.x"}]
        assert whole(events)["content"] == stream(events).blocks

    def test_a_vendors_signature_stays(self) -> None:
        events = [Started(), *block(0, Reasoning("why", signature="vendor"), ReasoningDelta("why")), Finished()]
        assert stream(events).blocks[0]["signature"] == "vendor"

    def test_without_either_a_label_names_the_turn(self) -> None:
        events = [Started(), *block(0, Reasoning("why", turn="t9", segment=2), ReasoningDelta("why")), Finished()]
        assert stream(events).blocks[0]["signature"] == "dgm0.t9.2"

    def test_omitted_thinking_still_carries_the_seal(self) -> None:
        view = View(model="m", show_thinking=False)
        events = [Started(), *block(0, Reasoning("why", seal="dgm1.x"), ReasoningDelta("why")), Finished()]
        assert stream(events, view).blocks == [{"type": "thinking", "thinking": "", "signature": "dgm1.x"}]
        assert whole(events, view)["content"] == stream(events, view).blocks

    @pytest.mark.req(14)
    def test_empty_thinking_is_shown_only_where_it_is_sealed(self) -> None:
        empty = Reasoning("", "empty")
        assert stream([Started(), *block(0, empty), Finished()]).blocks == []
        sealed = msgspec.structs.replace(empty, seal="dgm1.x")
        assert stream([Started(), *block(0, sealed), Finished()]).blocks[0]["signature"] == "dgm1.x"

    def test_a_placeholder_is_never_shown(self) -> None:
        assert stream([Started(), *block(0, Reasoning("made up", placeholder=True)), Finished()]).blocks == []

    @pytest.mark.req(107)
    def test_redacted_thinking_goes_through(self) -> None:
        raw = Raw(b'{"type":"redacted_thinking","data":"ENC"}')
        hidden = Reasoning("", "opaque", state=ProviderState("p", "f", "messages", raw))
        events = [Started(), *block(0, hidden), Finished()]
        assert stream(events).blocks == [{"type": "redacted_thinking", "data": "ENC"}] == whole(events)["content"]


class TestCalls:
    """Input is a JSON object whenever the call is whole."""

    def test_no_arguments_at_all(self) -> None:
        events = [Started(), *block(0, ToolCall("c", "f", "")), Finished("tool_calls")]
        assert stream(events).calls[0]["input"] == {} == whole(events)["content"][0]["input"]

    def test_arguments_that_came_without_deltas(self) -> None:
        assert stream([Started(), *block(0, ToolCall("c", "f", '{"a":1}')), Finished()]).calls[0]["input"] == {"a": 1}

    def test_freeform_input_is_wrapped_as_it_streams(self) -> None:
        text = 'say "hi"\n\\ é'
        call = ToolCall("c", "patch", text, kind="custom")
        events = [Started(), *block(0, call, *[ArgumentsDelta(c) for c in text]), Finished("tool_calls")]
        assert stream(events).calls[0]["input"] == {"input": text} == whole(events)["content"][0]["input"]

    @pytest.mark.req(54)
    def test_a_whole_answer_never_hides_broken_arguments(self) -> None:
        call = ToolCall("c", "f", "{oops", invalid=True)
        events = [Started(), *block(0, call, ArgumentsDelta("{oops")), Finished("tool_calls")]
        assert whole(events)["content"][0]["input"] == {"raw_arguments": "{oops"}

    @pytest.mark.case("C16")
    def test_a_call_that_a_failure_cut_is_never_closed(self) -> None:
        cut = ToolCall("c", "f", '{"a":')
        failed = Failed(ErrorInfo("network", "gone"))
        parsed = stream([Started(), *block(0, cut, ArgumentsDelta('{"a":'), complete=False), failed])
        assert parsed.calls == []
        assert parsed.stopped == [False]
        assert parsed.error == {"type": "api_error", "message": "gone"}

    @pytest.mark.case("C17")
    def test_a_call_cut_by_length(self) -> None:
        cut = ToolCall("c", "p", "*** B", kind="custom")
        events = [Started(), *block(0, cut, ArgumentsDelta("*** B"), complete=False), Incomplete("length")]
        parsed = stream(events)
        assert parsed.blocks[0]["cut"] == '{"input":"*** B'
        assert parsed.stop_reason == "max_tokens"
        assert whole(events)["content"][0]["input"] == {"raw_arguments": "*** B"}


def test_citations_of_other_wires_become_the_protocols_own() -> None:
    note = Raw(b'{"type":"url_citation","url":"https://e.org","title":"E","summary":"s"}')
    events = [Started(), *block(0, Text("a", annotations=(note,)), TextDelta("a")), Finished()]
    (told,) = whole(events)["content"][0]["citations"]
    assert told.pop("encrypted_index").startswith("dgs1.")
    assert told == {"type": "web_search_result_location", "url": "https://e.org", "title": "E", "cited_text": "s"}


def test_server_blocks_of_the_protocol_pass_and_foreign_ones_do_not() -> None:
    mine = Opaque(
        "server_tool_use", Raw(b'{"type":"server_tool_use","id":"s","name":"web_search","input":{}}'), "messages"
    )
    other = Opaque("web_search_call", Raw(b'{"type":"web_search_call"}'), "responses")
    parsed = stream([Started(), *block(0, mine), *block(1, other), Finished()])
    assert [b["type"] for b in parsed.blocks] == ["server_tool_use"]


def test_notes_stand_in_a_comment_before_the_end() -> None:
    events = [Started(), Noted(Note("repetition_cut", "é")), Incomplete("repetition")]
    assert stream(events).notes == [{"code": "repetition_cut", "field": "é"}]


@pytest.mark.req(152)
def test_a_ping_keeps_the_client_waiting() -> None:
    encoder = Encoder(VIEW, mint, 1)
    assert encoder.keepalive() == []
    encoder.preamble()
    assert encoder.keepalive() == [("ping", b'{"type":"ping"}')]


@pytest.mark.case("C11", "C15")
def test_a_failure_keeps_the_text_and_has_no_stop() -> None:
    events = [
        Started(),
        *block(0, Text("x"), TextDelta("x"), complete=False),
        Failed(ErrorInfo("overloaded", "upstream exploded")),
    ]
    parsed = stream(events)
    assert parsed.text == "x"
    assert parsed.stopped == [True]
    assert not parsed.done
    assert parsed.error == {"type": "overloaded_error", "message": "upstream exploded"}


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        ("invalid_request", 0, "invalid_request_error"),
        ("access", 401, "authentication_error"),
        ("access", 403, "permission_error"),
        ("billing", 0, "billing_error"),
        ("not_found", 0, "not_found_error"),
        ("too_large", 0, "request_too_large"),
        ("rate_limit", 0, "rate_limit_error"),
        ("auth", 0, "api_error"),
        ("server", 0, "api_error"),
        ("timeout", 0, "timeout_error"),
        ("overloaded", 0, "overloaded_error"),
    ],
)
def test_the_protocols_words_for_errors(kind: ErrorKind, status: int, word: str) -> None:
    body = json.loads(encode_error(ErrorInfo(kind, "m", status=status), "req_1"))
    assert body == {"type": "error", "error": {"type": word, "message": "m"}, "request_id": "req_1"}


@pytest.mark.case("J05")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "This endpoint's maximum context length is 1048576 tokens. However, you requested about 1200345 tokens",
            "prompt is too long: 1200345 tokens > 1048576 maximum",
        ),
        ("prompt is too long: 5 tokens > 4 maximum", "prompt is too long: 5 tokens > 4 maximum"),
        ("context window exceeds limit (2013)", "prompt is too long: context window exceeds limit (2013)"),
    ],
)
def test_an_overflow_is_told_so_that_clients_compact(said: str, told: str) -> None:
    error = json.loads(encode_error(ErrorInfo("overflow", said)))["error"]
    assert error == {"type": "invalid_request_error", "message": told}


def test_the_count() -> None:
    assert encode_count(12) == b'{"input_tokens":12}'
