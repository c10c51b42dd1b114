"""`reasoning_details` of a stream: snapshots that are repeated, pieces over several blocks, and entries without text."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.events import BlockStart
from tests.wire.chat.chunks import DONE, call, chunk
from tests.wire.chat.test_inline import STOP, events, reply, sent, shown, text

ENTRY = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0}


def details(*words: str, **fields: Any) -> list[dict[str, Any]]:
    """One chunk a piece; fields: what else is in each delta."""
    return [chunk({"reasoning_details": [{**ENTRY, "text": word}], **fields}) for word in words]


def told(message: Any) -> list[Any]:
    """The details that go back."""
    return list(sent(message).get("reasoning_details", []))


@pytest.mark.req(45)
@pytest.mark.parametrize("again", ["why so more", "why so more</think>"])
@pytest.mark.parametrize("plain", [{}, {"reasoning_content": ""}, {"reasoning_content": "why so more"}])
def test_a_snapshot_that_stands_beside_the_text_is_told_once(again: str, plain: dict[str, Any]) -> None:
    beside = [c for word in "TUV" for c in details(again, content=word, **plain)]
    got = reply(*details("why", "why so", again), *beside)
    assert shown(got) == [("thinking", "why so more"), ("text", "TUV")]
    assert told(got.message) == [{**ENTRY, "text": again}]


@pytest.mark.req(44, 45, 66)
def test_snapshots_that_go_on_after_the_text_tell_what_is_new() -> None:
    got = reply(*details("why", "why so", "why so more"), *text("T"), *details("why so more again"), *text("U"))
    assert shown(got) == [("thinking", "why so more"), ("text", "T"), ("thinking", " again"), ("text", "U")]
    assert told(got.message) == [{**ENTRY, "text": "why so more again"}]


@pytest.mark.req(44, 66)
def test_pieces_of_one_entry_around_text_and_calls_go_back_as_one() -> None:
    got = reply(*details("a "), *text("T"), *details("b "), chunk(call(0, "c", "f", "{}")), *details("c"))
    assert [block for block in shown(got) if block[0] == "thinking"] == [("thinking", w) for w in ("a ", "b ", "c")]
    assert told(got.message) == [{**ENTRY, "text": "a b c"}]


@pytest.mark.req(44)
@pytest.mark.parametrize("other", [{"index": 1}, {"id": "reasoning-text-2"}, {"signature": "S"}])
def test_other_entries_stay_apart(other: dict[str, Any]) -> None:
    first, second = {**ENTRY, **other, "text": "a"}, {**ENTRY, "text": "b"}
    got = reply(chunk({"reasoning_details": [first]}), *text("T"), chunk({"reasoning_details": [second]}))
    assert told(got.message) == [first, second]


@pytest.mark.req(46)
@pytest.mark.parametrize("field", ["details", "reasoning_content"])
@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (("The user says hi.", "The user says hi. I greet."), "The user says hi. I greet."),
        (("The user says hi.", "The user says hi.</think>"), "The user says hi."),
        (("The user", "The user says hi.", "The user says hi. I greet."), "The user says hi. I greet."),
        (("The", "Then", "."), "TheThen."),
        (("ha", "haha"), "hahaha"),
        (("The user says", " hi."), "The user says hi."),
    ],
)
def test_where_snapshots_are_likely_one_long_sign_is_enough(field: str, words: tuple[str, ...], shows: str) -> None:
    stream = details(*words) if field == "details" else [chunk({field: word}) for word in words]
    assert shown(reply(*stream, *text("T"), cumulative="likely")) == [("thinking", shows), ("text", "T")]


@pytest.mark.req(46)
def test_by_itself_one_sign_is_not_enough() -> None:
    got = reply(*details("The user says hi.", "The user says hi. I greet."))
    assert shown(got) == [("thinking", "The user says hi.The user says hi. I greet.")]


@pytest.mark.req(14)
@pytest.mark.parametrize("empty", ["", "</think>"])
def test_details_without_text_make_no_block(empty: str) -> None:
    assert shown(reply(*details(empty), *text("T"))) == [("text", "T")]
    starts = [e for e in events(*details(empty, content="T"), STOP, DONE) if isinstance(e, BlockStart)]
    assert len(starts) == 1


@pytest.mark.req(14)
def test_details_without_text_beside_a_call_are_remembered_as_empty() -> None:
    got = reply(*details(""), chunk(call(0, "c", "f", "{}")))
    assert [getattr(block, "presence", "call") for block in got.message.content] == ["call", "empty"]


@pytest.mark.req(42, 66)
@pytest.mark.parametrize("entry", [{"text": ""}, {"type": "reasoning.encrypted", "data": "X"}])
def test_a_plain_field_beside_details_without_text_goes_back(entry: dict[str, Any]) -> None:
    got = reply(*[chunk({"reasoning_content": w, "reasoning_details": [{**ENTRY, **entry}]}) for w in ("why", " so")])
    assert shown(got) == [("thinking", "why so")]
    back = sent(got.message)
    assert "why so" in (back.get("reasoning_content"), back["reasoning_details"][0].get("text"))


@pytest.mark.req(43)
@pytest.mark.parametrize("field", ["details", "reasoning_content"])
@pytest.mark.parametrize("words", [("<", "div> is"), ("</", "think is odd"), ("<", "<div>", "<div> i", "<div> is")])
def test_what_looks_like_the_begin_of_a_close_tag_is_not_lost_at_the_front(field: str, words: tuple[str, ...]) -> None:
    stream = details(*words) if field == "details" else [chunk({field: word}) for word in words]
    wanted = words[-1] if words[-1].startswith(words[0]) else "".join(words)
    got = reply(*stream, *text("T"))
    assert shown(got) == [("thinking", wanted), ("text", "T")]
    assert told(got.message)[0]["text"] == wanted


@pytest.mark.req(43)
@pytest.mark.parametrize("odd", [{"id": ["x"]}, {"id": {"a": 1}, "index": None}, {"type": ["t"]}])
def test_odd_names_of_entries_are_taken_as_they_are(odd: dict[str, Any]) -> None:
    got = reply(*[chunk({"reasoning_details": [{**ENTRY, **odd, "text": word}]}) for word in ("a", "b")])
    assert shown(got) == [("thinking", "ab")]
