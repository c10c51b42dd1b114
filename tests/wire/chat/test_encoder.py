"""The Chat encoder: the grammar for every stream, and ends."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
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
)
from dragoman.core.fold import fold, unfold
from dragoman.core.messages import Block, Message, Reasoning, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo
from dragoman.wire.chat_completions import Decoder, Encoder, View, encode_whole
from dragoman.wire.sse import frames
from tests.strategies import event_streams
from tests.validators.chat import Parsed, validate
from tests.wire.chat.chunks import DONE, USAGE, chunk, context, events

VIEW = View("asked", True, True)


def encoder(view: View = VIEW) -> Encoder:
    return Encoder(view, lambda prefix: prefix + "1", 7)


def told(items: list[Event], view: View = VIEW) -> Parsed:
    one = encoder(view)
    return validate(frames(one.preamble() + one.encode(items)), usage_asked=view.include_usage)


def text(value: str = "x") -> list[Event]:
    return [BlockStart(0, Text("")), TextDelta(value), BlockEnd(0, Text(value))]


def paragraphs(blocks: Sequence[Block]) -> str:
    """The text of a message as this protocol tells it: its rounds of web search are paragraphs."""
    text, searched = "", False
    for block in blocks:
        if isinstance(block, Text):
            apart = searched and text and not text[-1].isspace()
            text += ("\n\n" if apart else "") + block.text
            searched = False
        searched = searched or isinstance(block, WebSearch)
    return text


# -- the grammar


@pytest.mark.req(10, 11, 12)
@given(event_streams(), st.booleans(), st.integers(1, 5))
def test_every_legal_stream_gives_a_legal_stream_with_the_same_content(
    items: list[Event], asked: bool, size: int
) -> None:
    view = View("asked", True, asked)
    one = encoder(view)
    sent = one.preamble()
    for at in range(0, len(items), size):
        sent += one.encode(items[at : at + size])
    assert one.ended
    parsed = validate(frames(sent), usage_asked=asked)
    answer = fold(items)
    assert (parsed.model, parsed.id, parsed.created) == ("asked", "chatcmpl-1", 7)
    assert parsed.text == paragraphs(answer.message.content)
    thoughts = [b.text for b in answer.message.content if isinstance(b, Reasoning) and b.text]
    assert parsed.reasoning == "\n".join(thoughts)
    assert [(c.id, c.name, c.arguments) for c in parsed.calls] == [(c.id, c.name, c.arguments) for c in answer.calls]
    assert [c.type for c in parsed.calls] == ["custom" if c.kind == "custom" else "function" for c in answer.calls]
    assert (parsed.error is not None) == isinstance(answer.end, Failed)
    assert parsed.done != isinstance(answer.end, Failed)
    assert len(parsed.notes) == len(answer.notes)


@given(event_streams(blocks=("text", "reasoning", "call"), calls=("function", "custom")))
def test_what_is_encoded_decodes_to_the_same_answer(items: list[Event]) -> None:
    """Law 4 for events: our own stream, read by our own decoder, up to how blocks of one kind are joined."""
    sent = frames(encoder().encode(items))
    decoder = Decoder(context(cumulative="never"))
    before, after = fold(items), fold(decoder.feed(sent) + decoder.end())
    assert after.text == before.text
    assert [(c.id, c.name, c.arguments, c.kind) for c in after.calls] == [
        (c.id, c.name, c.arguments, c.kind) for c in before.calls
    ]
    assert isinstance(after.end, Failed) == isinstance(before.end, Failed)
    if isinstance(before.end, Finished | Incomplete) and before.usage is not None:
        assert after.usage is not None
        assert (after.usage.prompt, after.usage.output) == (before.usage.prompt, before.usage.output)


@pytest.mark.req(20)
@given(event_streams())
def test_the_whole_answer_says_what_the_stream_says(items: list[Event]) -> None:
    """Law 3 on the client's side."""
    parsed = told(items)
    answer = fold(items)
    body = json.loads(encode_whole(VIEW, answer, lambda prefix: prefix + "1", 7))
    if isinstance(answer.end, Failed):
        assert body == {"error": parsed.error}
        return
    assert (body["id"], body["object"], body["created"], body["model"]) == ("chatcmpl-1", "chat.completion", 7, "asked")
    choice = body["choices"][0]
    message = choice["message"]
    assert choice["finish_reason"] == parsed.finish_reason
    assert message["role"] == "assistant"
    assert (message["content"] or "") == parsed.text
    assert message.get("reasoning_content", "") == parsed.reasoning
    assert message.get("annotations", []) == parsed.annotations
    calls = [
        (c["id"], c["type"], c[c["type"]]["name"], c[c["type"]].get("arguments", c[c["type"]].get("input")))
        for c in message.get("tool_calls", [])
    ]
    assert calls == [(c.id, c.type, c.name, c.arguments) for c in parsed.calls]
    assert body.get("usage") == parsed.usage


def test_content_is_null_only_beside_calls() -> None:
    for blocks, content in (((ToolCall("i", "f", "{}"),), None), ((), ""), ((Text("a"),), "a")):
        reply = fold(unfold_of(*blocks))
        body = json.loads(encode_whole(VIEW, reply, lambda prefix: prefix, 7, id="mine"))
        assert body["choices"][0]["message"]["content"] == content
        assert body["id"] == "mine"
        assert "usage" not in body


def unfold_of(*blocks: Text | Reasoning | ToolCall) -> list[Event]:
    from dragoman.core.fold import Reply

    return unfold(Reply(Message("assistant", blocks), Finished()))


# -- ends


@pytest.mark.parametrize(
    ("end", "word"),
    [
        (Finished("stop"), "stop"),
        (Finished("stop_sequence"), "stop"),
        (Finished("pause"), "stop"),
        (Incomplete("length"), "length"),
        (Incomplete("repetition"), "length"),
        (Incomplete("context_window"), "length"),
        (Incomplete("content_filter"), "content_filter"),
    ],
)
def test_how_each_end_is_shown(end: Event, word: str) -> None:
    parsed = told([Started(), *text(), end])
    assert (parsed.finish_reason, parsed.done) == (word, True)


@pytest.mark.req(23, 105)
@pytest.mark.case("C11")
def test_a_failure_is_an_error_object_and_nothing_after_it() -> None:
    one = encoder()
    sent = one.encode([Started(), *text("half"), Failed(ErrorInfo("server", "upstream exploded"), Usage(1, output=2))])
    sent += one.encode([TextDelta("more"), Finished()])
    parsed = validate(frames(sent))
    assert parsed.text == "half"
    assert parsed.error == {
        "message": "upstream exploded",
        "type": "server_error",
        "code": "upstream_error",
        "param": None,
    }
    assert (parsed.finish_reason, parsed.done, parsed.usage) == (None, False, None)


def test_unknown_usage_is_not_shown_as_zero() -> None:
    assert told([*text(), Finished(usage=None)]).usage is None
    assert told([*text(), Finished(usage=Usage(3))]).usage is None
    assert told([*text(), Finished(usage=Usage(3, output=4))]).usage == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
    }


@pytest.mark.req(87)
def test_usage_is_told_in_the_protocols_own_terms() -> None:
    parsed = told([*text(), Finished(usage=Usage(2, 5, 1, 4, 3))])
    assert parsed.usage == {
        "prompt_tokens": 8,
        "completion_tokens": 4,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def test_notes_are_a_comment_before_the_end() -> None:
    one = encoder()
    sent = one.encode([Noted(Note("event_skipped", "é")), *text(), Finished()])
    assert [name for name, _ in sent[-3:]] == [":", "", ""]
    assert validate(frames(sent)).notes == [{"code": "event_skipped", "field": "é"}]


def test_the_preamble_comes_once_and_is_made_up_for() -> None:
    one = encoder()
    assert len(one.preamble()) == 1
    assert one.preamble() == []
    assert one.keepalive() == []
    assert told([*text(), Finished()]).text == "x"
    assert validate(frames(encoder().encode([*text(), Finished()]))).text == "x"


@pytest.mark.req(10)
@pytest.mark.parametrize("end", [Finished(), Incomplete("length"), Failed(ErrorInfo("server", "m"))])
def test_after_the_end_nothing_comes(end: Event) -> None:
    made = encoder()
    out = made.encode([*text("a"), end, *text("b"), Finished()]) + made.encode([*text("c"), end]) + made.keepalive()
    assert out == encoder().encode([*text("a"), end])


@pytest.mark.req(41)
def test_segments_of_thinking_are_never_glued() -> None:
    items: list[Event] = [
        BlockStart(0, Reasoning("")),
        ReasoningDelta("a"),
        BlockEnd(0, Reasoning("a")),
        BlockStart(1, Reasoning("", "empty")),
        BlockEnd(1, Reasoning("", "empty")),
        BlockStart(2, Reasoning("")),
        ReasoningDelta("b"),
        ReasoningDelta("c"),
        BlockEnd(2, Reasoning("bc")),
        Finished(),
    ]
    assert told(items).reasoning == "a\nbc"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (
            b'{"type":"url_citation","url":"u","title":"t"}',
            {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "u"}},
        ),
        (
            b'{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1,"n":2}}',
            {
                "type": "url_citation",
                "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1, "n": 2},
            },
        ),
        (
            b'{"type":"web_search_result_location","url":"u","title":"t","cited_text":"c","encrypted_index":"e"}',
            {
                "type": "url_citation",
                "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "u", "summary": "c"},
            },
        ),
        (b'{"type":"other"}', {"type": "other"}),
    ],
)
def test_citations_have_the_protocols_form(raw: bytes, shown: dict[str, object]) -> None:
    items: list[Event] = [BlockStart(0, Text("")), AnnotationSeen(Raw(raw)), TextDelta("x"), BlockEnd(0, Text("x"))]
    assert told([*items, Finished()]).annotations == [shown]


def test_strings_are_escaped() -> None:
    nasty = 'a"b\\c\n\r\u2028\x00é🎉'
    items: list[Event] = [
        *text(nasty),
        BlockStart(1, ToolCall('i"', "n\\")),
        ArgumentsDelta(nasty),
        BlockEnd(1, ToolCall('i"', "n\\", nasty)),
        Finished("tool_calls"),
    ]
    parsed = told(items, View('m"', True, False))
    assert (parsed.text, parsed.calls[0].arguments, parsed.calls[0].id, parsed.model) == (nasty, nasty, 'i"', 'm"')


# -- the validator itself refuses what is wrong

GOOD = frames(encoder().encode(events(chunk({"content": "x"}), chunk({}, "stop", usage=USAGE), DONE)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"data: [DONE]\n\n", b""),
        (b'"finish_reason":"stop"', b'"finish_reason":null'),
        (b'"role":"assistant",', b""),
        (b'"content":"x"', b'"content":"x","role":"assistant"'),
        (b'"created":7', b'"created":8'),
        (b"data: [DONE]\n\n", b"data: [DONE]\n\ndata: [DONE]\n\n"),
        (b"data: [DONE]\n\n", b'data: {"error":{"message":"m","type":"t","code":null,"param":null}}\n\n'),
        (b'"total_tokens":5', b'"total_tokens":6'),
        (b'"content":"x"', b'"content":""'),
        (
            b'"content":"x"',
            b'"tool_calls":[{"index":1,"id":"i","type":"function","function":{"name":"f","arguments":""}}]',
        ),
    ],
)
def test_the_validator_refuses(old: bytes, new: bytes) -> None:
    validate(GOOD, usage_asked=True)
    assert GOOD.count(old) >= 1
    with pytest.raises(AssertionError):
        validate(GOOD.replace(old, new, 1))


@pytest.mark.req(7)
def test_a_routers_own_cost_is_told_in_its_digits() -> None:
    usage = Usage(3, output=4, cost="0.10000000000000001")
    one = encoder()
    sent = frames(one.preamble() + one.encode([*text(), Finished(usage=usage)]))
    assert b'"cost":0.10000000000000001}' in sent
    spoilt = told([*text(), Finished(usage=Usage(3, output=4, cost="1,5"))]).usage
    assert spoilt is not None and "cost" not in spoilt


def test_the_validator_knows_who_asked_for_usage() -> None:
    with pytest.raises(AssertionError):
        validate(GOOD, usage_asked=False)
