"""Thinking between tags in a Chat answer: blocks, order, what is told once, and what goes back upstream."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Noted,
    ReasoningDelta,
    TextDelta,
    UsageSeen,
)
from dragoman.core.fold import Reply, fold
from dragoman.core.messages import Message, ProviderState, Reasoning, Text, ToolCall
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.shape import Shape
from dragoman.errors import ErrorInfo
from dragoman.wire.chat_completions import Decoder, decode_whole, encode_request
from dragoman.wire.chat_completions.inline import Once, inline_text
from dragoman.wire.think_tags import TagRules
from tests.core.test_assemble import check_order
from tests.wire.chat.chunks import DONE, USAGE, call, chunk, context, sse, usage

STOP = chunk({}, "stop")
TAGS = TagRules()
PROFILE = Profile(think_tags=True, reasoning_details=True, reasoning_field="reasoning_details")


def text(*pieces: str) -> list[dict[str, Any]]:
    return [chunk({"content": piece}) for piece in pieces]


def events(
    *items: Any, apart: bool = False, tags: TagRules | None = TAGS, error: Any = None, **more: Any
) -> list[Event]:
    decoder = Decoder(context(tags=tags, **more))
    out: list[Event] = []
    for data in [sse(item) for item in items] if apart else [sse(*items)]:
        out += decoder.feed(data)
    out += decoder.end(error)
    check_order(out)
    return out


def reply(*items: Any, **more: Any) -> Reply:
    return fold(events(*items, STOP, DONE, **more))


def shown(got: Reply) -> list[tuple[str, str]]:
    names = {Reasoning: "thinking", Text: "text", ToolCall: "call"}
    return [(names[type(b)], b.arguments if isinstance(b, ToolCall) else b.text) for b in got.message.content]  # type: ignore[union-attr,index]


def sent(message: Message, profile: Profile = PROFILE) -> dict[str, Any]:
    """The message as it goes back upstream."""
    user = Message("user", (Text("q"),))
    body = encode_request(Request("m", (user, message)), Shape("m", profile))
    return dict(json.loads(body)["messages"][1])


@pytest.mark.case("B15")
@pytest.mark.parametrize("apart", [False, True])
def test_tags_split_over_chunks_are_never_visible(apart: bool) -> None:
    got = reply(*text("<thi", "nk>a", "b</thi", "nk>T"), apart=apart)
    assert shown(got) == [("thinking", "ab"), ("text", "T")]


@pytest.mark.req(38)
def test_without_the_flag_tags_pass_unchanged() -> None:
    pieces = ("<thi", "nk>a</think>", "\n\nT")
    assert shown(reply(*text(*pieces), tags=None)) == [("text", "".join(pieces))]


@pytest.mark.req(20)
@pytest.mark.parametrize(
    "content",
    [
        "<think>\na\n</think>\n\nT",
        "T only",
        "<think>\n\n</think>\n\nT",
        "<think>cut",
        "<think>a</think><think>b</think>T<think>c</think>U",
        "see `<think>` here",
    ],
)
def test_a_whole_answer_reads_as_its_stream(content: str) -> None:
    body = {"id": "up", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": content}}]}
    whole = fold(decode_whole(json.dumps(body).encode(), context(tags=TAGS)))
    assert whole.message == reply(*text(content)).message == reply(*text(*content), apart=True).message


@pytest.mark.req(27)
@given(st.data())
def test_any_cut_of_the_text_gives_the_same_message(data: st.DataObject) -> None:
    words = st.sampled_from(["<think>", "</think>", "<th", "ink>", "`", "\n", " ", "a", "b c"])
    content = "".join(data.draw(st.lists(words, min_size=1, max_size=12)))
    places = sorted(data.draw(st.sets(st.integers(1, len(content)), max_size=5)))
    pieces = [p for a, b in zip([0, *places], [*places, len(content)], strict=True) if (p := content[a:b])]
    # Cumulative text is another matter: here pieces are pieces.
    whole, many, apart = (
        reply(*text(*cut), cumulative="never", apart=a)
        for cut, a in (([content], False), (pieces, False), (pieces, True))
    )
    assert whole.message == many.message == apart.message
    assert whole.notes == many.notes == apart.notes


@pytest.mark.req(41)
def test_adjacent_thinking_makes_separate_blocks_and_goes_back_byte_for_byte() -> None:
    content = "<think>\na</think>\n<think>b </think>\n\nT\n<think>c</think> U"
    got = reply(*text(*content))
    assert shown(got) == [
        ("thinking", "\na"),
        ("thinking", "b "),
        ("text", "T\n"),
        ("thinking", "c"),
        ("text", "U"),
    ]
    assert sent(got.message) == {"role": "assistant", "content": content}


@pytest.mark.req(41)
def test_adjacent_thinking_is_separate_while_a_call_waits() -> None:
    got = reply(
        chunk(call(0, "i", "f", '{"a":')), *text("<think>a</think><think>b</think>T"), chunk(call(0, args="1}"))
    )
    assert shown(got) == [("call", '{"a":1}'), ("thinking", "a"), ("thinking", "b"), ("text", "T")]
    assert sent(got.message)["content"] == "<think>a</think><think>b</think>T"


@pytest.mark.req(30)
@pytest.mark.parametrize(("finish", "codes"), [("stop", ["thinking_unclosed"]), ("length", [])])
def test_unclosed_thinking_is_kept_and_noted(finish: str, codes: list[str]) -> None:
    got = fold(events(*text("<think>never ", "closed"), chunk({}, finish), DONE))
    assert shown(got) == [("thinking", "never closed")]
    assert [n.code for n in got.notes] == codes
    assert sent(got.message)["content"] == "<think>never closed"


@pytest.mark.req(34)
def test_stray_close_tags_are_left_out_and_noted_once() -> None:
    got = reply(*text("a</think>b", "</think>"))
    assert shown(got) == [("text", "ab")]
    assert [(n.code, n.message[0]) for n in got.notes] == [("tag_dropped", "2")]


@pytest.mark.req(31, 32)
def test_empty_thinking_and_the_white_space_after_it_make_no_block() -> None:
    got = reply(*text("<think>", "\n\n", "</think>", "\n\n", "T"))
    assert shown(got) == [("text", "T")]
    assert not any(isinstance(e, BlockStart) for e in events(*text("<think>\n</think>\n\n"), STOP, DONE))


# -- order


@pytest.mark.req(39)
@pytest.mark.parametrize("start", ["", "<think>a"])
@pytest.mark.parametrize("apart", [False, True])
def test_held_text_comes_before_a_call(start: str, apart: bool) -> None:
    got = reply(*text(*filter(None, [start]), "x</th"), chunk(call(0, "i", "f", "{}")), apart=apart)
    kind = "thinking" if start else "text"
    assert shown(got) == [(kind, start.removeprefix("<think>") + "x</th"), ("call", "{}")]


@pytest.mark.req(39)
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_details"])
def test_held_text_comes_before_explicit_reasoning(field: str) -> None:
    got = reply(*text("x <"), chunk({field: "R"}), *text("y"))
    assert shown(got) == [("text", "x <"), ("thinking", "R"), ("text", "y")]


@pytest.mark.req(39)
def test_held_text_comes_before_usage_and_a_tag_may_be_split_by_a_report() -> None:
    report = usage(USAGE)
    got = events(*text("x<"), report, *text("y"), STOP, DONE)
    kinds = [type(e) for e in got if isinstance(e, TextDelta | UsageSeen)]
    assert kinds == [TextDelta, TextDelta, UsageSeen]
    late = events(*text("x<"), report, error=ErrorInfo("network", "gone"))
    assert [type(e) for e in late if isinstance(e, TextDelta | UsageSeen)][-1] is UsageSeen
    for last in (chunk({"content": "x<"}, "stop", usage=USAGE), [*text("x<"), STOP, report]):
        done = events(*(last if isinstance(last, list) else [last]), DONE)
        assert [type(e) for e in done if isinstance(e, TextDelta | UsageSeen)][-1] is UsageSeen
    split = reply(*[{**c, "usage": USAGE} for c in text("<thi", "nk>a</th", "ink>T")])
    assert shown(split) == [("thinking", "a"), ("text", "T")]


@pytest.mark.req(39)
def test_thinking_goes_on_after_a_call_in_a_block_of_its_own() -> None:
    got = reply(*text("<think>a"), chunk(call(0, "i", "f", "{}")), *text("b</think>T"))
    assert shown(got) == [("thinking", "a"), ("call", "{}"), ("thinking", "b"), ("text", "T")]
    assert sent(got.message)["content"] == "<think>ab</think>T"


# -- the same thinking in two places


WAYS: dict[str, list[dict[str, Any]]] = {
    "one chunk": [chunk({"reasoning_content": "ab c", "content": "<think>\nab c\n</think>\n\nT"})],
    "side by side": [
        chunk({"reasoning_content": "a", "content": "<think>\na"}),
        chunk({"reasoning_content": "b", "content": "b"}),
        chunk({"reasoning_content": " c", "content": " c\n</think>\n\nT"}),
    ],
    "field first": [chunk({"reasoning_content": "ab "}), chunk({"reasoning_content": "c"}), *text("<think>ab c</think>", "T")],
    "field later": [*text("<think>\nab c\n", "</think>"), chunk({"reasoning_content": "ab c"}), *text("T")],
    "details": [
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ab"}], "content": "<think>ab"}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": " c"}], "content": " c</think>T"}),
    ],
}  # fmt: skip


@pytest.mark.req(47)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_the_same_reasoning_inline_and_in_a_field_appears_once(way: str, apart: bool) -> None:
    got = reply(*WAYS[way], apart=apart)
    assert "".join(t for kind, t in shown(got) if kind == "thinking").split() == ["ab", "c"]
    assert got.text == "T"


@pytest.mark.req(47, 66)
def test_the_field_is_what_goes_back_where_both_came() -> None:
    got = sent(reply(*WAYS["details"]).message)
    assert got["content"] == "T"
    assert got["reasoning_details"] == [{"type": "reasoning.text", "index": 0, "text": "ab c"}]


def test_other_thinking_in_the_text_is_not_lost() -> None:
    got = reply(chunk({"reasoning_content": "ab"}), *text("<think>a", "xy</think>", "T"))
    assert shown(got) == [("thinking", "ab"), ("thinking", "axy"), ("text", "T")]


@pytest.mark.req(48)
def test_details_and_plain_reasoning_of_one_chunk_are_told_once_and_both_go_back() -> None:
    details = [{"type": "reasoning.text", "id": "reasoning-text-1", "index": 0, "text": "R"}]
    got = reply(chunk({"reasoning_details": details, "reasoning_content": "R", "content": "T"}))
    assert shown(got) == [("thinking", "R"), ("text", "T")]
    assert sent(got.message) == {
        "role": "assistant",
        "content": "T",
        "reasoning_details": details,
        "reasoning_content": "R",
    }


@given(st.lists(st.text("ab \n", max_size=6), max_size=6), st.lists(st.text("ab \n", max_size=6), max_size=6))
def test_once_tells_everything_of_the_first_and_what_differs_of_the_second(one: list[str], two: list[str]) -> None:
    once = Once()
    first = "".join(once.take("a", piece) for piece in one)
    second = "".join(once.take("b", piece) for piece in two)
    assert first == "".join(one)
    said, repeated = "".join(first.split()), "".join("".join(two).split())
    if said.startswith(repeated):
        assert second.split() == []
    elif repeated.startswith(said):
        assert "".join(second.split()) == repeated[len(said) :]
    else:
        assert "".join(second.split()) == repeated


# -- what goes back


@pytest.mark.req(66)
@pytest.mark.parametrize(
    "content",
    ["<think>\nwhy\n</think>\n\nT\n", "<think>a</think>", "<think>\n\n\n\n\n\n\n\n\n\n\n\n why</think>   ", "<think>a"],
)
def test_inline_thinking_goes_back_byte_for_byte(content: str) -> None:
    for pieces in ([content], list(content)):
        got = reply(*text(*pieces), chunk(call(0, "call_function_1", "f", '{"a":1}')))
        back = sent(got.message)
        assert back["content"] == content
        assert [c["id"] for c in back["tool_calls"]] == ["call_function_1"]
        assert not {"reasoning_content", "reasoning_details"} & set(back)


@pytest.mark.req(66)
def test_inline_thinking_survives_being_stored() -> None:
    block = reply(*text("<think>\na</think>\n\nT")).message.content[0]
    again = msgspec.json.decode(msgspec.json.encode(block), type=Reasoning)
    assert inline_text(again) == "<think>\na</think>\n\n"
    assert inline_text(Reasoning("a", state=ProviderState("v", "f", "chat", Raw(b'[{"dragoman":"inline"}]')))) is None


@pytest.mark.req(38, 66)
def test_inline_thinking_is_plain_text_to_a_server_without_tags() -> None:
    message = reply(*text("<think>a</think>T")).message
    assert sent(message, Profile()) == {"role": "assistant", "content": "T", "reasoning_content": "a"}


@pytest.mark.req(43, 66)
@pytest.mark.parametrize(
    "details",
    [
        [{"type": "reasoning.text", "id": "r", "index": 0, "text": "a"}],
        {"type": "reasoning.text", "id": "r", "text": "a"},
        "a",
    ],
)
def test_details_go_back_in_the_form_in_which_they_came(details: Any) -> None:
    got = reply(chunk({"reasoning_details": details}), *text("T"))
    assert shown(got) == [("thinking", "a"), ("text", "T")]
    assert sent(got.message) == {"role": "assistant", "content": "T", "reasoning_details": details}


@pytest.mark.req(43)
def test_null_details_are_none_and_cost_nothing_else() -> None:
    got = reply(chunk({"reasoning_details": None, "content": "<think>a</think>T"}))
    assert shown(got) == [("thinking", "a"), ("text", "T")]


def piece(words: str) -> dict[str, Any]:
    return chunk({"reasoning_details": [{"type": "reasoning.text", "id": "r", "index": 0, "text": words}]})


@pytest.mark.req(45, 66)
@pytest.mark.parametrize(
    "words",
    [
        ("The user", " asks", ".</think>"),
        ("The user", " asks.", "</think>"),
        ("The user", " asks.</thi", "nk>"),
        ("The", "The user", "The user asks", "The user asks.</think>"),
        ("The</think>", "The user</think>", "The user asks.</think>"),
        ("The user asks.</think>",),
    ],
)
def test_a_close_tag_at_the_end_of_details_is_not_shown_but_goes_back(words: tuple[str, ...]) -> None:
    for apart in (False, True):
        got = reply(*map(piece, words), *text("T"), apart=apart)
        assert shown(got) == [("thinking", "The user asks."), ("text", "T")]
        assert sent(got.message)["reasoning_details"][0]["text"] == "The user asks.</think>"


def test_a_close_tag_inside_details_is_text() -> None:
    got = reply(piece("so </think> "), piece("ends it"), *text("T"))
    assert shown(got)[0] == ("thinking", "so </think> ends it")
    got = reply(piece("so </think>"), piece(" ends it"), *text("T"))
    assert shown(got)[0] == ("thinking", "so </think> ends it")


def test_details_of_plain_text_have_the_documented_form() -> None:
    back = sent(
        Message("assistant", (Reasoning("R"), Text("T"))), msgspec.structs.replace(PROFILE, details_format="F-1")
    )
    assert back["reasoning_details"] == [
        {"type": "reasoning.text", "id": "reasoning-text-1", "format": "F-1", "index": 0, "text": "R"}
    ]


# -- faults


@pytest.mark.req(15, 30)
def test_a_broken_stream_keeps_the_thinking_so_far() -> None:
    got = events(*text("<think>half a th", "ought </th"), error=ErrorInfo("network", "reset"))
    assert isinstance(got[-1], Failed)
    ends = [e for e in got if isinstance(e, BlockEnd)]
    assert [(e.block.text, e.complete) for e in ends if isinstance(e.block, Reasoning)] == [
        ("half a thought </th", False)
    ]
    assert not any(isinstance(e, Noted) for e in got)


@pytest.mark.req(36)
def test_an_answer_may_begin_inside_thinking() -> None:
    rules = TagRules(starts_in_thinking=True)
    for apart in (False, True):
        got = reply(*text("a", "b</thi", "nk>\n\nT"), tags=rules, apart=apart)
        assert shown(got) == [("thinking", "ab"), ("text", "T")]
        assert sent(got.message)["content"] == "ab</think>\n\nT"


def test_the_short_way_gives_the_events_of_the_long_one() -> None:
    words = [
        "<think>",
        "why",
        " so",
        " then",
        "</think>",
        "\n\n",
        "well",
        " then",
        ",\nnew line",
        " `code`",
        " and `<t",
        "hink>`",
    ]
    for extra in ({}, {"reasoning_content": None}):
        items = [chunk({"content": w, **extra}) for w in words]
        fast, slow = events(*items, STOP, DONE), events(*items, STOP, DONE, apart=True)
        assert fast == slow
    field = [chunk({"reasoning_content": w}) for w in ("why", " so", " <", "x")] + text("T", "U")
    assert events(*field, STOP, DONE) == events(*field, STOP, DONE, apart=True)
    assert [e.text for e in events(*field, STOP, DONE) if isinstance(e, ReasoningDelta)] == ["why", " so", " ", "<x"]
