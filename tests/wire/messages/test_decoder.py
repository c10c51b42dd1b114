"""An upstream's Messages stream, read: cuts, ends, order, oddities, and the whole form of the same answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
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
from dragoman.core.fold import Reply, fold
from dragoman.core.messages import Opaque, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo
from dragoman.wire import sse
from dragoman.wire.base import DecodeContext
from dragoman.wire.messages import Decoder, Encoder, NativeEncoder, View, decode_error, decode_whole, encode_whole
from dragoman.wire.messages.usage import shown
from tests.core.test_assemble import check_order
from tests.strategies import event_streams
from tests.validators.messages import validate

GOLDEN = Path(__file__).parents[2] / "golden" / "messages"


def counter() -> Any:
    state = [0]

    def mint(prefix: str) -> str:
        state[0] += 1
        return f"{prefix}{state[0]}"

    return mint


def context(**more: Any) -> DecodeContext:
    return DecodeContext("p", "fam", "turn_1", mint=counter(), **more)


def wire(*values: Any, names: bool = True) -> bytes:
    return sse.frames([(v["type"] if names else "", msgspec.json.encode(v)) for v in values])


def run(data: bytes, *, error: ErrorInfo | None = None, **more: Any) -> list[Event]:
    decoder = Decoder(context(**more))
    return [*decoder.feed(data), *decoder.end(error)]


def start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def text(index: int, *parts: str) -> list[dict[str, Any]]:
    deltas = [delta(index, type="text_delta", text=p) for p in parts]
    return [start(index, {"type": "text", "text": ""}), *deltas, stop(index)]


def call(index: int, *parts: str, id: str = "c1", name: str = "f", **more: Any) -> list[dict[str, Any]]:
    deltas = [delta(index, type="input_json_delta", partial_json=p) for p in parts]
    return [start(index, {"type": "tool_use", "id": id, "name": name, "input": {}, **more}), *deltas, stop(index)]


BEGIN = {
    "type": "message_start",
    "message": {"id": "m1", "model": "vm", "usage": {"input_tokens": 9, "output_tokens": 1}},
}


def done(reason: str | None = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage or {"output_tokens": 5}}
    return [end, {"type": "message_stop"}]


def plain(reply: Reply) -> Reply:
    """Without the vendor's raw usage object, which differs between the two forms."""

    def bare(usage: Usage | None) -> Usage | None:
        return None if usage is None else msgspec.structs.replace(usage, raw=None)

    return msgspec.structs.replace(
        reply, usage=bare(reply.usage), end=msgspec.structs.replace(reply.end, usage=bare(reply.end.usage))
    )


def transcripts() -> list[Path]:
    return sorted(GOLDEN.glob("*.sse"))


def test_there_are_transcripts() -> None:
    assert len(transcripts()) >= 5


@pytest.mark.req(21)
@pytest.mark.parametrize("path", transcripts(), ids=lambda p: p.stem)
def test_any_cut_gives_the_same_events(path: Path) -> None:
    data = path.read_bytes()
    expected = run(data)
    for at in range(len(data) + 1):
        decoder = Decoder(context())
        got = [*decoder.feed(data[:at]), *decoder.feed(data[at:]), *decoder.end()]
        assert got == expected, at
    decoder = Decoder(context())
    single = [event for i in range(len(data)) for event in decoder.feed(data[i : i + 1])]
    assert [*single, *decoder.end()] == expected


@pytest.mark.req(20)
@pytest.mark.parametrize("path", transcripts(), ids=lambda p: p.stem)
def test_the_whole_form_folds_to_the_same_answer(path: Path) -> None:
    body = path.with_suffix(".json").read_bytes()
    assert plain(fold(decode_whole(body, context()))) == plain(fold(run(path.read_bytes())))


@pytest.mark.req(10, 11, 12, 18)
@pytest.mark.parametrize("path", transcripts(), ids=lambda p: p.stem)
def test_a_stream_broken_anywhere_has_one_end(path: Path) -> None:
    data = path.read_bytes()
    told = data.index(b'"stop_reason":"')
    for at in range(0, len(data), 7):
        for error in (None, ErrorInfo("network", "reset")):
            decoder = Decoder(context())
            events = [*decoder.feed(data[:at]), *decoder.end(error)]
            assert sum(isinstance(e, Finished | Incomplete | Failed) for e in events) == 1
            started = [e.index for e in events if isinstance(e, BlockStart)]
            assert started == [e.index for e in events if isinstance(e, BlockEnd)] == list(range(len(started)))
            assert sum(isinstance(e, Started) for e in events) == 1
            check_order(events)
            if at < told:
                assert isinstance(events[-1], Failed)


@pytest.mark.req(107)
def test_our_own_stream_is_read_back() -> None:
    @given(event_streams(blocks=("text", "sealed", "call"), calls=("function",)))
    def law(events: list[Event]) -> None:
        before = fold(events)
        encoder = Encoder(View(model="m"), counter(), 1, "msg")
        after = fold(run(sse.frames(encoder.encode(events))))
        assert after.text == before.text
        assert after.reasoning == before.reasoning
        assert isinstance(after.end, type(before.end))
        if not isinstance(before.end, Failed):
            assert [(c.id, c.name) for c in after.calls] == [(c.id, c.name) for c in before.calls]
            whole = decode_whole(encode_whole(View(model="m"), before, counter(), 1, "msg"), context())
            assert fold(whole).text == before.text

    law()


class TestEnds:
    """How streams end, and how they fail to."""

    @pytest.mark.case("C07")
    def test_a_missing_message_stop_is_fine_after_the_stop_reason(self) -> None:
        events = run(wire(BEGIN, *text(0, "a"), done()[0]))
        assert events[-1] == Finished("stop", "end_turn", usage=fold(events).usage)

    @pytest.mark.req(18)
    @pytest.mark.case("C06")
    def test_no_stop_reason_is_truncated(self) -> None:
        for end in ([], [{"type": "message_stop"}], done(None)):
            last = run(wire(BEGIN, *text(0, "a"), *end))[-1]
            assert isinstance(last, Failed)
            assert last.error.kind == "truncated"

    @pytest.mark.case("C13", "C18")
    def test_nothing_at_all(self) -> None:
        assert [type(e) for e in run(b"")] == [Started, Failed]
        assert [type(e) for e in run(b"", error=ErrorInfo("network", "reset"))] == [Started, Failed]

    @pytest.mark.req(10)
    def test_the_start_is_told_once_and_first(self) -> None:
        late = [*text(0, "a"), BEGIN, *done()]
        for frames in ([BEGIN, BEGIN, *text(0, "a"), BEGIN, *done()], late, late[1:], [BEGIN, *call(0, "{}"), *done()]):
            events = run(wire(*frames))
            assert [type(e) for e in events].count(Started) == 1
            assert type(events[0]) is Started
            assert fold(events).id == ("m1" if frames[0] is BEGIN else "")

    @pytest.mark.case("C15")
    def test_a_reset_keeps_the_text(self) -> None:
        events = run(wire(BEGIN, *text(0, "half")[:-1]), error=ErrorInfo("network", "reset"))
        end = events[-2]
        assert isinstance(end, BlockEnd)
        assert (end.block, end.complete) == (Text("half"), False)
        assert isinstance(events[-1], Failed)
        assert events[-1].error.provider == "p"
        assert events[-1].usage is not None

    @pytest.mark.case("C16")
    def test_a_reset_in_a_call(self) -> None:
        reply = fold(run(wire(BEGIN, *call(0, '{"a":')[:-1]), error=ErrorInfo("network", "reset")))
        assert reply.complete == (False,)
        assert reply.calls[0].arguments == '{"a":'

    @pytest.mark.case("C17")
    def test_length_cuts_the_last_block_though_the_vendor_stops_it(self) -> None:
        cut = fold(run(wire(BEGIN, *text(0, "a"), *call(1, '{"a":'), *done("max_tokens"))))
        assert cut.complete == (True, False)
        sound = fold(run(wire(BEGIN, *text(0, "a"), *call(1, '{"a":1}'), *done("max_tokens"))))
        assert sound.complete == (True, True)
        assert fold(run(wire(BEGIN, *text(0, "a"), *done("max_tokens")))).complete == (False,)

    @pytest.mark.req(16, 17)
    @pytest.mark.parametrize(
        ("word", "end"),
        [
            ("end_turn", Finished("stop")),
            ("tool_use", Finished("tool_calls")),
            ("stop_sequence", Finished("stop_sequence")),
            ("pause_turn", Finished("pause")),
            ("max_tokens", Incomplete("length")),
            ("refusal", Incomplete("content_filter")),
            ("content_filter", Incomplete("content_filter")),
            ("sensitive", Incomplete("content_filter")),
            ("model_context_window_exceeded", Incomplete("context_window")),
            ("repetition_truncation", Incomplete("repetition")),
        ],
    )
    @pytest.mark.case("C01", "C02", "C05")
    def test_stop_reasons(self, word: str, end: Any) -> None:
        events = run(wire(BEGIN, *text(0, "a"), *done(word)))
        last: Any = events[-1]
        assert (type(last), last.reason, last.raw) == (type(end), end.reason, word)
        codes = [e.note.code for e in events if isinstance(e, Noted)]
        assert codes == (["repetition_cut"] if word == "repetition_truncation" else [])

    @pytest.mark.req(16, 17)
    @pytest.mark.case("C04")
    def test_a_broken_answer_is_a_failure_with_its_usage(self) -> None:
        body = {
            "content": [{"type": "text", "text": "a"}],
            "stop_reason": "network_error",
            "usage": {"output_tokens": 5},
        }
        streamed = run(wire(BEGIN, *text(0, "a"), *done("network_error")))
        for events in (streamed, decode_whole(json.dumps(body).encode(), context())):
            last = events[-1]
            assert isinstance(last, Failed) and "network_error" in last.error.message
            assert last.usage is not None and last.usage.output == 5
            assert sum(isinstance(e, Failed | Finished | Incomplete) for e in events) == 1

    def test_an_unknown_word_is_a_normal_end_with_a_note(self) -> None:
        reply = fold(run(wire(BEGIN, *text(0, "a"), *done("odd"))))
        assert isinstance(reply.end, Finished)
        assert [n.code for n in reply.notes] == ["unexpected_status"]

    @pytest.mark.case("D07")
    def test_a_normal_word_after_a_call_means_calls(self) -> None:
        last = run(wire(BEGIN, *call(0, "{}"), *done("end_turn")))[-1]
        assert isinstance(last, Finished)
        assert last.reason == "tool_calls"

    @pytest.mark.req(23)
    @pytest.mark.case("C11")
    @pytest.mark.parametrize(
        "data",
        [
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"upstream exploded"}}\n\n',
            b'data: {"error":{"code":"529","type":"overloaded_error","message":"upstream exploded"}}\n\n',
        ],
    )
    def test_an_error_inside_the_stream(self, data: bytes) -> None:
        last = run(wire(BEGIN, *text(0, "x")) + data + wire(*done()))[-1]
        assert isinstance(last, Failed)
        assert last.error.kind == "overloaded"
        assert "upstream exploded" in last.error.message

    @pytest.mark.req(23)
    @pytest.mark.parametrize(
        "data",
        [
            b"upstream exploded",
            b'{"message":"upstream exploded","code":"server_error"}',
            b'{"type":"api_error","message":"upstream exploded","code":"server_error"}',
            b'{"error":{"message":"upstream exploded","code":"server_error"}}',
        ],
    )
    def test_an_event_named_error_ends_the_stream(self, data: bytes) -> None:
        events = run(wire(BEGIN, *text(0, "x")) + b"event: error\ndata: " + data + b"\n\n")
        last = events[-1]
        assert isinstance(last, Failed)
        assert last.error.message == "upstream exploded"
        assert last.error.code == ("server_error" if data[:1] == b"{" else None)

    @pytest.mark.req(24)
    def test_a_status_envelope_inside_a_200(self) -> None:
        bad = b'{"type":"message","content":[],"base_resp":{"status_code":1002,"status_msg":"slow down"}}'
        for events in (decode_whole(bad, context()), run(b'data: {"base_resp":{"status_code":1002}}\n\n')):
            last = events[-1]
            assert isinstance(last, Failed)
            assert last.error.kind == "rate_limit"


class TestCalls:
    """Tool calls in all the ways that vendors send them."""

    @pytest.mark.req(56)
    def test_input_given_whole_at_the_start(self) -> None:
        reply = fold(
            run(
                wire(
                    BEGIN,
                    start(0, {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}),
                    stop(0),
                    *done("tool_use"),
                )
            )
        )
        assert reply.calls == (ToolCall("c", "f", '{"a":1}'),)

    def test_no_input_is_the_empty_object(self) -> None:
        assert fold(run(wire(BEGIN, *call(0, ""), *done("tool_use")))).calls == (ToolCall("c1", "f", "{}"),)

    @pytest.mark.req(50)
    def test_interleaved_calls_come_one_after_the_other(self) -> None:
        a, b = call(0, '{"a":', "1}", id="a"), call(1, '{"b":', "2}", id="b")
        events = run(wire(BEGIN, a[0], b[0], a[1], b[1], b[2], a[2], b[3], a[3], *done("tool_use")))
        assert [(c.id, c.arguments) for c in fold(events).calls] == [("a", '{"a":1}'), ("b", '{"b":2}')]
        order = [e.index for e in events if isinstance(e, BlockStart | BlockEnd)]
        assert order == [0, 0, 1, 1]

    @pytest.mark.req(52)
    def test_a_missing_id_is_minted(self) -> None:
        assert fold(run(wire(BEGIN, *call(0, "{}", id=""), *done("tool_use")))).calls[0].id == "call_1"

    @pytest.mark.req(53)
    def test_fragments_without_identity_are_dropped_with_a_note(self) -> None:
        reply = fold(
            run(wire(BEGIN, delta(4, type="input_json_delta", partial_json="{}"), *call(0, "{}", name=""), *done()))
        )
        assert reply.calls == ()
        assert [n.code for n in reply.notes] == ["fragment_dropped"] * 3

    @pytest.mark.req(54)
    def test_broken_arguments_stay_as_they_are(self) -> None:
        broken = fold(run(wire(BEGIN, *call(0, "{oops"), *done("tool_use")))).calls[0]
        assert (broken.arguments, broken.invalid) == ("{oops", True)

    @pytest.mark.req(78, 123)
    def test_unknown_fields_of_a_call_are_kept_for_replay(self) -> None:
        kept = fold(run(wire(BEGIN, *call(0, '{"a": 1}', extra={"k": [1]}), *done("tool_use")))).calls[0]
        assert kept.state is not None
        assert bytes(kept.state.data) == b'{"type":"tool_use","id":"c1","name":"f","input":{"a": 1},"extra":{"k":[1]}}'


class TestThinking:
    """Signatures, hidden thinking, and what is kept for replay."""

    @pytest.mark.req(78, 107)
    def test_a_signed_block_is_kept_raw(self) -> None:
        frames = [
            start(0, {"type": "thinking", "thinking": "", "signature": ""}),
            delta(0, type="thinking_delta", thinking="wh"),
            delta(0, type="thinking_delta", thinking="y"),
            delta(0, type="signature_delta", signature="si"),
            delta(0, type="signature_delta", signature="g"),
            stop(0),
        ]
        block = fold(run(wire(BEGIN, *frames, *done()))).message.content[0]
        assert isinstance(block, Reasoning)
        assert (block.text, block.signature, block.turn, block.segment) == ("why", "sig", "turn_1", 0)
        assert block.state is not None
        assert bytes(block.state.data) == b'{"type":"thinking","thinking":"why","signature":"sig"}'

    @pytest.mark.req(78, 123)
    def test_unknown_fields_of_thinking_are_kept_for_replay(self) -> None:
        frames = [
            start(0, {"type": "thinking", "thinking": "", "extra": {"k": [1]}}),
            delta(0, type="thinking_delta", thinking="why"),
            stop(0),
        ]
        block = fold(run(wire(BEGIN, *frames, *done()))).message.content[0]
        assert isinstance(block, Reasoning) and block.state is not None
        assert bytes(block.state.data) == b'{"type":"thinking","thinking":"why","extra":{"k":[1]}}'

    def test_an_unsigned_block_is_only_text(self) -> None:
        frames = [
            start(0, {"type": "thinking", "thinking": "a"}),
            delta(0, type="thinking_delta", thinking="b"),
            stop(0),
        ]
        block = fold(run(wire(BEGIN, *frames, *done()))).message.content[0]
        assert block == Reasoning("ab", turn="turn_1")

    @pytest.mark.req(14)
    def test_an_empty_block_is_remembered(self) -> None:
        frames = [start(0, {"type": "thinking", "thinking": ""}), stop(0), *text(1, "", "a")]
        events = run(wire(BEGIN, *frames, *done()))
        assert fold(events).message.content == (Reasoning("", "empty", "turn_1"), Text("a"))
        assert [e.text for e in events if isinstance(e, TextDelta)] == ["a"]

    @pytest.mark.req(14)
    def test_empty_fragments_open_nothing(self) -> None:
        bare = [delta(0, type="text_delta", text=""), delta(1, type="thinking_delta", thinking="")]
        kinds = {type(e) for e in run(wire(BEGIN, *bare, *text(2, "", ""), *done()))}
        assert not kinds & {BlockStart, BlockEnd, TextDelta}

    def test_redacted_thinking_is_opaque(self) -> None:
        block = fold(
            run(wire(BEGIN, start(0, {"type": "redacted_thinking", "data": "E"}), stop(0), *done()))
        ).message.content[0]
        assert isinstance(block, Reasoning)
        assert block.presence == "opaque"
        assert block.state is not None
        assert bytes(block.state.data) == b'{"type":"redacted_thinking","data":"E"}'


class TestTolerance:
    """Vendors err; one field does not spoil the rest."""

    @pytest.mark.req(26)
    def test_pings_unknown_events_and_missing_names(self) -> None:
        news = [{"type": "ping"}, {"type": "news"}, {"type": "content_block_news", "index": 0, "delta": {"x": 1}}] * 3
        frames = [BEGIN, *news, *text(0, "a"), *news, *done()]
        for names in (True, False):
            reply = fold(run(wire(*frames, names=names)))
            assert (reply.text, reply.notes, type(reply.end)) == ("a", (), Finished)

    @pytest.mark.req(26)
    def test_an_unknown_kind_of_block_costs_no_other(self) -> None:
        novel = [start(0, {"type": "novel", "x": [1]}), delta(0, type="novel_delta", x=2), stop(0)]
        for events in (
            run(wire(BEGIN, *novel, *text(1, "a"), *done())),
            decode_whole(
                b'{"content":[{"type":"novel","x":[1]},{"type":"text","text":"a"}],"stop_reason":"end_turn"}', context()
            ),
        ):
            kept, said = fold(events).message.content
            assert isinstance(kept, Opaque) and json.loads(bytes(kept.data)) == {"type": "novel", "x": [1]}
            assert said == Text("a")

    @pytest.mark.req(26)
    def test_a_wrong_type_in_one_field(self) -> None:
        odd = {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "a", "signature": 5},
            "usage": "x",
        }
        assert fold(run(wire(BEGIN, text(0)[0], odd, stop(0), *done()))).text == "a"

    @pytest.mark.req(25)
    def test_malformed_json_is_skipped_outside_of_calls_only(self) -> None:
        good = wire(BEGIN, *text(0, "a")) + b"data: {oops\n\n" + wire(*done())
        assert isinstance(run(good)[-1], Finished)
        bad = wire(BEGIN, *call(0, '{"a"')[:-1]) + b"data: {oops\n\n" + wire(stop(0), *done())
        assert isinstance(run(bad)[-1], Failed)
        many = wire(BEGIN) + b"data: {oops\n\n" * 6 + wire(*done())
        assert isinstance(run(many)[-1], Failed)

    def test_half_of_a_surrogate_pair_is_no_reason_to_fail(self) -> None:
        odd = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"}}\n\n'
        assert fold(run(wire(BEGIN, text(0)[0]) + odd + wire(stop(0), *done()))).text.startswith("a")

    def test_blocks_that_are_never_stopped(self) -> None:
        frames = [f for f in [*text(0, "a"), *call(1, "{}"), *text(2, "b")] if f["type"] != "content_block_stop"]
        content = fold(run(wire(BEGIN, *frames, *done()))).message.content
        assert content == (Text("a"), ToolCall("c1", "f", "{}"), Text("b"))

    def test_deltas_without_a_start(self) -> None:
        assert fold(run(wire(BEGIN, delta(0, type="text_delta", text="a"), *done()))).text == "a"

    def test_server_blocks_are_kept(self) -> None:
        result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
        use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
        frames = [
            start(0, use),
            delta(0, type="input_json_delta", partial_json='{"query":"q"}'),
            stop(0),
            start(1, result),
            stop(1),
        ]
        (search,) = fold(run(wire(BEGIN, *frames, *done()))).message.content
        assert isinstance(search, WebSearch)
        assert (search.id, search.queries, search.status) == ("s", ("q",), "completed")
        assert json.loads(bytes(search.state.data)) == [{**use, "input": {"query": "q"}}, result]

    def test_other_server_blocks_are_kept(self) -> None:
        alone = {"type": "web_search_tool_result", "tool_use_id": "nobody", "content": []}
        use = {"type": "server_tool_use", "id": "s", "name": "web_fetch", "input": {"url": "u"}}
        frames = [start(0, use), stop(0), start(1, alone), stop(1)]
        first, second = fold(run(wire(BEGIN, *frames, *done()))).message.content
        assert first == Opaque("server_tool_use", Raw(msgspec.json.encode(use)), "messages", "p", "fam")
        assert second == Opaque("web_search_tool_result", Raw(msgspec.json.encode(alone)), "messages", "p", "fam")

    def test_searches_side_by_side_do_not_interleave(self) -> None:
        def use(id: str) -> dict[str, Any]:
            return {"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": id}}

        def result(id: str) -> dict[str, Any]:
            page = {"type": "web_search_result", "url": f"https://e.org/{id}", "title": id, "encrypted_content": "x"}
            return {"type": "web_search_tool_result", "tool_use_id": id, "content": [page]}

        frames = [start(0, use("a")), stop(0), start(1, use("b")), stop(1), start(2, result("b")), stop(2)]
        frames += [start(3, result("a")), stop(3), *text(4, "t")]
        events = run(wire(BEGIN, *frames, *done()))
        a, b, said = fold(events).message.content
        assert [(s.queries, s.sources[0].url, s.status) for s in (a, b)] == [
            (("a",), "https://e.org/a", "completed"),
            (("b",), "https://e.org/b", "completed"),
        ]
        assert said == Text("t")
        starts = [e.block.status for e in events if isinstance(e, BlockStart) and isinstance(e.block, WebSearch)]
        assert starts == ["in_progress", "in_progress"]

    def test_a_search_that_failed_and_one_that_was_paused(self) -> None:
        error = {"type": "web_search_tool_result_error", "error_code": "too_many_requests"}
        result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": error}
        use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
        (failed,) = fold(run(wire(BEGIN, start(0, use), stop(0), start(1, result), *done()))).message.content
        assert (failed.status, failed.error) == ("failed", "too_many_requests")
        (paused,) = fold(run(wire(BEGIN, start(0, use), stop(0), *done("pause_turn")))).message.content
        assert (paused.status, json.loads(bytes(paused.state.data))) == ("in_progress", [use])

    def test_citations(self) -> None:
        cite = {"type": "page_location", "cited_text": "x"}
        frames = [
            text(0)[0],
            delta(0, type="text_delta", text="a"),
            delta(0, type="citations_delta", citation=cite),
            stop(0),
        ]
        events = run(wire(BEGIN, *frames, *done()))
        assert AnnotationSeen(Raw(msgspec.json.encode(cite))) in events
        assert fold(events).message.content == (Text("a", annotations=(Raw(msgspec.json.encode(cite)),)),)


class TestUsage:
    """Counted once, in disjoint buckets."""

    @pytest.mark.req(16, 87, 88)
    def test_start_and_end_are_one_report(self) -> None:
        begin = {
            "type": "message_start",
            "message": {"id": "m", "usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1}},
        }
        usage = fold(run(wire(begin, *text(0, "a"), *done(output_tokens=7, input_tokens=20)))).usage
        assert usage is not None
        assert (usage.input, usage.cache_read, usage.cache_write, usage.output) == (20, 5, None, 7)

    @pytest.mark.req(87)
    @pytest.mark.parametrize("whole", [{}, {"cache_creation_input_tokens": 30}])
    def test_what_is_kept_for_an_hour_is_a_part_of_what_was_written(self, whole: dict[str, int]) -> None:
        kept = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
        report = {"input_tokens": 2, **whole, "cache_creation": kept, "output_tokens": 1}
        begin = {"type": "message_start", "message": {"id": "m", "usage": report}}
        usage = fold(run(wire(begin, *text(0, "a"), *done(output_tokens=7)))).usage
        assert usage is not None
        assert (usage.input, usage.cache_write, usage.cache_write_1h, usage.prompt) == (2, 30, 20, 32)
        assert shown(usage, start=False)["cache_creation"] == kept

    @pytest.mark.req(89)
    def test_input_that_is_told_only_at_the_end(self) -> None:
        begin = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 0, "output_tokens": 0}}}
        usage = fold(
            run(wire(begin, *text(0, "a"), *done(output_tokens=7, input_tokens=31, cache_read_input_tokens=None)))
        ).usage
        assert usage is not None
        assert (usage.input, usage.cache_read, usage.output) == (31, None, 7)

    def test_a_prompt_that_was_corrected_downwards(self) -> None:
        usage = fold(
            run(wire(BEGIN, *text(0, "a"), *done(output_tokens=7, input_tokens=4, cache_read_input_tokens=5)))
        ).usage
        assert usage is not None
        assert usage.prompt == 9

    def test_a_malformed_report_is_unknown_with_a_note(self) -> None:
        reply = fold(run(wire({"type": "message_start", "message": {}}, *text(0, "a"), *done(output_tokens="many"))))
        assert [n.code for n in reply.notes] == ["usage_unknown"]
        assert reply.usage is not None
        assert reply.usage.output is None
        strict = run(wire({"type": "message_start", "message": {}}, *done(output_tokens="many")), strict_usage=True)
        assert isinstance(strict[-1], Failed)

    def test_no_report_is_unknown(self) -> None:
        frames = [{"type": "message_start", "message": {"id": "m"}}, *text(0, "a")]
        end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
        assert fold(run(wire(*frames, end))).usage is None


class TestWhole:
    """The non-streamed form never raises and always ends."""

    @given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
    def test_any_bytes(self, body: bytes) -> None:
        events = decode_whole(body, context())
        assert isinstance(events[-1], Finished | Incomplete | Failed)

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.sampled_from(["text", "tool_use", "thinking", "end_turn", "x"]),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["type", "content", "stop_reason", "usage", "text", "id", "name", "input", "error"]
                    ),
                    inner,
                )
            ),
        )
    )
    def test_any_json(self, value: Any) -> None:
        for data in (value, {"type": "message", "content": value, "stop_reason": "end_turn"}):
            assert isinstance(decode_whole(msgspec.json.encode(data), context())[-1], Finished | Incomplete | Failed)
            run(b"data: " + msgspec.json.encode(data) + b"\n\n")
            run(
                b"data: "
                + msgspec.json.encode({"type": "content_block_start", "index": 0, "content_block": data})
                + b"\n\n"
            )

    def test_an_event_stream_where_json_was_asked_for(self) -> None:
        assert fold(decode_whole(wire(BEGIN, *text(0, "a"), *done()), context())).text == "a"

    def test_an_error_body(self) -> None:
        last = decode_whole(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', context())[-1]
        assert isinstance(last, Failed)
        assert last.error.kind == "rate_limit"


class TestNative:
    """Raw frames pass, the laws hold."""

    def test_only_the_name_and_the_id_change(self) -> None:
        data = wire(BEGIN, *text(0, "a"), *done())
        encoder = NativeEncoder(View(model="asked"), counter(), 1, "msg_9")
        decoder = Decoder(context(native=True))
        out = sse.frames(encoder.encode([*decoder.feed(data), *decoder.end()]))
        expected = json.loads(json.dumps(BEGIN))
        expected["message"] |= {"model": "asked", "id": "msg_9"}
        assert out == wire(expected, *text(0, "a"), *done())
        assert encoder.ended

    @pytest.mark.case("C15")
    def test_a_broken_stream_gets_an_end(self) -> None:
        message = {**BEGIN["message"], "type": "message", "role": "assistant", "content": [], "stop_reason": None}  # type: ignore[dict-item]
        data = wire({"type": "message_start", "message": message}, *text(0, "a"))
        encoder = NativeEncoder(View(model="asked"), counter(), 1)
        decoder = Decoder(context(native=True))
        parsed = validate(
            sse.frames(encoder.encode([*decoder.feed(data), *decoder.end(ErrorInfo("network", "reset"))]))
        )
        assert parsed.error == {"type": "api_error", "message": "reset"}
        assert parsed.message["id"] == "m1"
        assert parsed.text == "a"

    def test_the_vendors_own_error_stands_alone(self) -> None:
        data = wire(BEGIN, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}})
        events = run(data, native=True)
        frames = NativeEncoder(View(model="a"), counter(), 1).encode(events)
        assert [name for name, _ in frames] == ["message_start", "error"]

    def test_a_missing_message_stop_is_added(self) -> None:
        events = run(wire(BEGIN, *text(0, "a"), done()[0]), native=True)
        frames = NativeEncoder(View(model="a"), counter(), 1).encode(events)
        assert frames[-1][0] == "message_stop"

    def test_whole_answers_carry_their_frame(self) -> None:
        body = b'{"id":"m","content":[],"stop_reason":"end_turn"}'
        assert decode_whole(body, context(native=True))[0] == RawFrame("message", body)


@pytest.mark.req(23, 98, 100, 101)
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, b"", "rate_limit"),
        (429, b'{"type":"error","error":{"type":"rate_limit_error","message":"too many tokens"}}', "rate_limit"),
        (529, b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', "overloaded"),
        (
            400,
            b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 5 tokens > 4 maximum"}}',
            "overflow",
        ),
        (
            400,
            b'data:{"error":{"code":"400","message":"Param Incorrect","param":"The field is wrong here.","type":""}}',
            "invalid_request",
        ),
        (401, b'{"error":{"message":"bad key"}}', "auth"),
        (500, b"<html>", "server"),
    ],
)
def test_error_bodies_of_any_shape(status: int, body: bytes, kind: str) -> None:
    info = decode_error(status, {"Retry-After": "2"}, body)
    assert info.kind == kind
    assert info.retry_after == 2.0
    assert info.upstream_status == status


def test_deltas_pass_at_once() -> None:
    decoder = Decoder(context())
    decoder.feed(wire(BEGIN, text(0)[0]))
    got = decoder.feed(wire(delta(0, type="text_delta", text="a"), delta(0, type="text_delta", text="b")))
    assert got == [BlockStart(0, Text("")), TextDelta("a"), TextDelta("b")]
    assert decoder.feed(wire(delta(0, type="text_delta", text="c"))) == [TextDelta("c")]
