"""Laws of the encoder and of the round trip, over any legal event stream."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.events import CONTENT, Event, Failed, Finished, Incomplete
from dragoman.core.fold import fold
from dragoman.core.messages import Reasoning, Text, ToolCall
from dragoman.wire.base import DecodeContext
from dragoman.wire.chat_completions import Decoder as ChatDecoder
from dragoman.wire.chat_completions import decode_whole as chat_whole
from dragoman.wire.responses import Decoder, NativeEncoder, View, decode_whole, encode_whole
from dragoman.wire.sse import frames
from tests.strategies import BLOCKS, event_streams
from tests.validators.responses import validate, validate_response
from tests.wire.responses.road import GOLDEN, context, decode, encoder, mint, stream

ALL = (*BLOCKS, "hosted")
VIEWS = st.builds(View, model=st.just("m"), stream=st.just(True), summary=st.booleans())
CHAT = sorted(path.parent for path in (GOLDEN.parent / "chat").glob("*/upstream.sse"))


@pytest.mark.req(10, 11, 12)
@settings(deadline=None, max_examples=60)
@given(event_streams(ALL), VIEWS)
def test_every_stream_is_valid(events: list[Event], view: View) -> None:
    parsed = validate(stream(events, view))
    wanted = {Finished: "completed", Incomplete: "incomplete", Failed: "failed"}[type(events[-1])]  # type: ignore[index]
    assert parsed.status == wanted
    assert parsed.text == "".join(b.text for b in fold(events).message.content if isinstance(b, Text) and not b.refusal)


@pytest.mark.req(20)
@settings(deadline=None, max_examples=60)
@given(event_streams(ALL), VIEWS)
def test_the_whole_form_is_the_terminal_object(events: list[Event], view: View) -> None:
    streamed = validate(stream(events, view)).response
    whole = json.loads(encode_whole(view, fold(events), mint(), 1700000000, "resp_1"))
    assert validate_response(whole) == streamed


@settings(deadline=None, max_examples=60)
@given(event_streams(ALL), VIEWS, st.randoms())
def test_batches_do_not_matter(events: list[Event], view: View, random: object) -> None:
    one, all_at_once = encoder(view), encoder(view)
    singly = one.preamble() + [frame for event in events for frame in one.encode([event])]
    assert singly == all_at_once.encode(events)


@settings(deadline=None, max_examples=60)
@given(event_streams(ALL), VIEWS)
def test_keepalives_anywhere_keep_the_stream_valid(events: list[Event], view: View) -> None:
    made = encoder(view)
    out = made.preamble()
    for event in events:
        out += made.keepalive() + made.encode([event])
    validate(frames(out))


@settings(deadline=None, max_examples=60)
@given(event_streams(ALL), VIEWS)
def test_what_we_write_reads_back(events: list[Event], view: View) -> None:
    def shown(events: list[Event]) -> list[object]:
        out: list[object] = []
        for block, complete in zip(fold(events).message.content, fold(events).complete, strict=True):
            if isinstance(block, Text) and block.text:
                out.append((block.text, block.refusal, len(block.annotations), complete))
            elif isinstance(block, ToolCall):
                whole = complete or block.kind in ("function", "custom")
                out.append((block.id, block.name, block.arguments if block.kind == "custom" else None, whole))
            elif isinstance(block, Reasoning) and block.text:
                out.append((block.text, complete))
        return out

    def names(items: list[object]) -> list[object]:
        return [i[:2] if isinstance(i, tuple) else i for i in items]

    data = stream(events, view)
    got = decode(data)
    assert names(shown(got)) == names(shown(events))
    assert type(got[-1]) is type(events[-1])
    for before, after in zip(fold(events).message.calls, fold(got).message.calls, strict=True):
        if before.kind == after.kind and not before.invalid:
            assert after.namespace == before.namespace
            if before.kind != "custom" and before.arguments and not after.invalid:
                told, meant = json.loads(after.arguments), json.loads(before.arguments)
                assert {k: v for k, v in told.items() if v != {}} == {k: v for k, v in meant.items() if v != {}} or (
                    before.kind in ("function", "tool_search") and told == meant
                )


@pytest.mark.req(20)
@settings(deadline=None, max_examples=60)
@given(event_streams(ALL), VIEWS)
def test_decoding_the_stream_and_the_whole_agree(events: list[Event], view: View) -> None:
    made = encoder(view)
    data = frames(made.encode(events))
    assert made.final is not None
    streamed, whole = fold(decode(data)), fold(decode_whole(bytes(made.final), context()))
    assert streamed.end.usage is None or whole.end.usage is not None
    assert type(whole.end) is type(streamed.end)
    assert whole.complete == streamed.complete
    assert [type(b) for b in whole.message.content] == [type(b) for b in streamed.message.content]
    assert whole.text == streamed.text and whole.reasoning == streamed.reasoning
    assert whole.calls == streamed.calls


@pytest.mark.req(21)
@settings(deadline=None, max_examples=60)
@given(event_streams(ALL, max_blocks=3), VIEWS, st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(events: list[Event], view: View, data: st.DataObject) -> None:
    raw = stream(events, view)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    decoder = Decoder(context())
    got: list[Event] = []
    for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        got += decoder.feed(raw[a:b])
    assert got + decoder.end() == decode(raw)


@settings(deadline=None, max_examples=60)
@given(event_streams(ALL, max_blocks=3), VIEWS, st.data())
def test_the_native_lane_obeys_the_same_laws(events: list[Event], view: View, data: st.DataObject) -> None:
    """The vendor's stream may break off anywhere: what the client sees is still a valid stream."""
    raw = stream(events, view)
    at = data.draw(st.integers(0, len(raw)))
    native = DecodeContext(provider="v", family="fam", turn="t", mint=mint(), native=True)
    decoder = Decoder(native)
    got = decoder.feed(raw[:at]) + decoder.end()
    encoder = NativeEncoder(View(model="asked"), mint(), 1, "resp_ours")
    parsed = validate(frames(encoder.preamble() + encoder.encode(got)))
    assert parsed.response["id"] == "resp_ours" and parsed.response["model"] == "asked"
    assert encoder.ended and encoder.final is not None
    assert parsed.output == [json.loads(bytes(item)) for item in encoder.output]


@pytest.mark.parametrize("folder", CHAT, ids=lambda p: p.name)
def test_chat_upstreams_are_told_in_this_protocol(folder: object) -> None:
    raw = (folder / "upstream.sse").read_bytes()  # type: ignore[operator]
    decoder = ChatDecoder(DecodeContext(provider="v", family="fam", turn="t", mint=mint()))
    events = decoder.feed(raw) + decoder.end()
    parsed = validate(stream(events))
    assert parsed.status in ("completed", "incomplete", "failed")
    if any(isinstance(e, CONTENT) for e in events):
        assert parsed.output
    assert parsed.text == fold(events).text


@pytest.mark.case("D09")
def test_a_whole_chat_answer_gives_reasoning_message_call() -> None:
    message = {
        "role": "assistant",
        "content": "T",
        "reasoning_content": "R",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    body = {"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    events = chat_whole(json.dumps(body).encode(), context())
    whole = json.loads(encode_whole(View(model="m"), fold(events), mint(), 1, "resp_1"))
    assert [item["type"] for item in validate_response(whole)["output"]] == ["reasoning", "message", "function_call"]
