"""Think tags: every rule, any cut of the text, and how little is held back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ThinkTagParser
from dragoman.wire.think_fragments import Gathered, ThinkFragment
from dragoman.wire.think_tags import TagRules

OPEN, CLOSE = "<think>", "</think>"


def join_fragments(fragments: list[ThinkFragment]) -> list[ThinkFragment]:
    """Neighbours of one kind as one; thinking of different blocks stays apart."""
    out = Gathered()
    for fragment in fragments:
        out.put(fragment.kind, fragment.block, fragment.text, fragment.raw)
    return out.take()


def run(*pieces: str, **rules: object) -> tuple[list[tuple[str, str]], ThinkTagParser]:
    """Kind and text of all fragments, joined, and the parser."""
    parser = ThinkTagParser(**rules)  # type: ignore[arg-type]
    out: list[ThinkFragment] = []
    for piece in pieces:
        out += parser.push(piece)
    out += parser.flush()
    return [(f.kind, f.text) for f in join_fragments(out)], parser


def told(*pieces: str, **rules: object) -> list[tuple[str, str]]:
    return run(*pieces, **rules)[0]


@pytest.mark.req(27)
@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        (("<thi", "nk>reasoning</think>"), [("thinking", "reasoning")]),
        (("<thx>text",), [("text", "<thx>text")]),
        (
            ("<think>t1</think>text1<think>t2</think>text2",),
            [("thinking", "t1"), ("text", "text1"), ("thinking", "t2"), ("text", "text2")],
        ),
        (("<think>a", "b</thi", "nk>T"), [("thinking", "ab"), ("text", "T")]),
        (("a < b <t", "hink", ">c</think>"), [("text", "a < b "), ("thinking", "c")]),
        (("<<think>a<</think>b",), [("text", "<"), ("thinking", "a<"), ("text", "b")]),
        (("<think><think>",), [("thinking", "<think>")]),
        (("",), []),
    ],
)
def test_text_and_thinking_are_told_apart(pieces: tuple[str, ...], wanted: list[tuple[str, str]]) -> None:
    assert told(*pieces) == wanted
    assert told(*"".join(pieces)) == wanted


@pytest.mark.req(28)
@pytest.mark.parametrize(
    ("before", "piece", "given"),
    [
        ("", "hello <", "hello "),
        ("", "hello <th", "hello "),
        ("", "hello <tx", "hello <tx"),
        ("", "  hello\n", "  hello\n"),
        ("", "`<think>` <", "`<think>` "),
        (OPEN, "why </thi", "why "),
        (OPEN, "why <thi", "why <thi"),
        (OPEN, "why\n\n", "why\n\n"),
    ],
)
def test_only_what_may_become_a_tag_is_withheld(before: str, piece: str, given: str) -> None:
    parser = ThinkTagParser()
    parser.push(before)
    assert "".join(f.text for f in parser.push(piece)) == given


@pytest.mark.req(29)
@pytest.mark.parametrize("prefix", ["<", "<t", "<think"])
def test_an_unfinished_tag_is_text(prefix: str) -> None:
    assert told("a" + prefix) == [("text", "a" + prefix)]


@pytest.mark.req(29, 30)
@pytest.mark.parametrize("prefix", ["<", "</", "</think"])
def test_an_unfinished_tag_inside_is_thinking(prefix: str) -> None:
    fragments, parser = run(OPEN + "a" + prefix)
    assert (fragments, parser.truncated) == ([("thinking", "a" + prefix)], True)


@pytest.mark.req(30)
def test_unclosed_thinking_stays_thinking_and_is_flagged() -> None:
    fragments, parser = run("<think>unfinished")
    assert (fragments, parser.truncated) == ([("thinking", "unfinished")], True)
    assert run("<think>done</think>")[1].truncated is False


@pytest.mark.req(31)
@pytest.mark.parametrize("empty", ["", " ", "\n\n", " \t\n" * 500])
def test_empty_thinking_makes_no_block(empty: str) -> None:
    assert told(OPEN + empty + CLOSE + "T") == [("text", "T")]
    assert told(*(OPEN + empty + CLOSE + "T")) == [("text", "T")]
    assert told("a" + OPEN + empty + CLOSE + "b") == [("text", "ab")]
    assert told(OPEN + empty) == []


@pytest.mark.req(27)
def test_white_space_at_the_start_of_thinking_is_kept_up_to_the_longest_tag() -> None:
    assert told("<think>\n a </think>b") == [("thinking", "\n a "), ("text", "b")]
    long = " " * 1000
    assert told(OPEN + long + "a") == told(OPEN, *long, "a") == [("thinking", " " * len(CLOSE) + "a")]


@pytest.mark.req(32)
@pytest.mark.parametrize("space", [" ", "\n\n", "\r\n \t", "\n" * 300])
def test_white_space_after_a_close_tag_is_dropped(space: str) -> None:
    for pieces in (("<think>a</think>" + space + "b c\n",), ("<think>a</think>", *space, "b c\n")):
        assert told(*pieces) == [("thinking", "a"), ("text", "b c\n")]
    assert told("<think>a</think>" + space) == [("thinking", "a")]
    assert told("<think>a</think>" + space + "<think>b</think>") == [("thinking", "a"), ("thinking", "b")]


@pytest.mark.req(33)
def test_an_open_tag_inside_is_literal_and_the_first_close_ends() -> None:
    assert told("<think>a <think> b</think>c</think>d") == [("thinking", "a <think> b"), ("text", "cd")]


@pytest.mark.req(33)
def test_depth_is_counted_only_by_flag() -> None:
    assert told("<think>a<think>b</think>c</think>d", depth=True) == [
        ("thinking", "a<think>b</think>c"),
        ("text", "d"),
    ]


@pytest.mark.req(34, 36)
def test_starting_in_thinking() -> None:
    assert told("a", "b</thi", "nk>c", starts_in_thinking=True) == [("thinking", "ab"), ("text", "c")]
    fragments, parser = run("a</think>b</think>c", starts_in_thinking=True)
    assert (fragments, parser.stray) == ([("thinking", "a"), ("text", "bc")], 1)
    fragments, parser = run("never closed", starts_in_thinking=True)
    assert (fragments, parser.truncated) == ([("thinking", "never closed")], True)
    assert told("\n<think>\na</think>b", starts_in_thinking=True) == [("thinking", "\n\na"), ("text", "b")]
    assert told("a<think>b</think>c", starts_in_thinking=True) == [("thinking", "a<think>b"), ("text", "c")]


@pytest.mark.req(34)
def test_a_stray_close_tag_is_left_out_and_counted() -> None:
    fragments, parser = run("a</think> b", "</think>")
    assert (fragments, parser.stray) == ([("text", "a b")], 2)
    fragments, parser = run("<think>a</think>\n</think>\nb")
    assert (fragments, parser.stray) == ([("thinking", "a"), ("text", "b")], 1)


@pytest.mark.req(35)
@pytest.mark.parametrize(
    "literal",
    [
        "```\n<think>x</think>\n```\n",
        "```py\n<think>\n",
        "``` <think> ```",
        "  ```html\n<think>x</think>\n  ```\n",
        "~~~\n```\n<think>x</think>\n~~~\n",
        "````\n```\n<think>x</think>\n```\n<think>\n````\n",
        "1. ```\n   <think>x</think>\n   ```\n",
        "> ```\n> <think>\n> ```\n",
        "say `<think>` and `</think>`.",
        "``a ` <think>``",
        "a `<think> to the end of the line",
    ],
)
def test_tags_in_code_of_the_answer_are_literal(literal: str) -> None:
    for before in ("", "Look:\n", "<think>t</think>\n\n"):
        wanted = [("thinking", "t")] if "think" in before else []
        shown = literal.lstrip() if "think" in before else before + literal
        assert told(before + literal) == [*wanted, ("text", shown)]
        assert told(*(before + literal)) == told(before + literal)


@pytest.mark.req(35)
@pytest.mark.parametrize(
    "answer",
    [
        "```\ncode\n```\n",
        "~~~\ncode\n~~~~\n",
        "`code` ",
        "``a ` b`` ",
        "`open to the end\n",
        "text ``` not at the start\n",
        "```inline``` ",
        "~~struck~~ ~ ",
    ],
)
def test_after_code_tags_count_again(answer: str) -> None:
    for pieces in ((answer + "<think>t</think>b",), tuple(answer + "<think>t</think>b")):
        assert told(*pieces) == [("text", answer), ("thinking", "t"), ("text", "b")]


@pytest.mark.req(33, 35)
def test_code_inside_thinking_hides_no_close_tag() -> None:
    for code in ("`a\n```\n", "`", "`a", "```\n</thin`", "~~~\n"):
        for pieces in ((f"<think>{code}</think>b",), tuple(f"<think>{code}</think>b")):
            assert told(*pieces) == [("thinking", code), ("text", "b")]


@pytest.mark.req(37)
@pytest.mark.parametrize("name", ["think", "thinking", "thought", "reasoning"])
def test_names_are_configurable(name: str) -> None:
    names = ("think", "thinking", "thought", "reasoning")
    text = f"<{name}>a</{name}>b"
    assert told(text, names=names) == told(*text, names=names) == [("thinking", "a"), ("text", "b")]
    assert told(f"<{name}>a</other>b</{name}>", names=names) == [("thinking", "a</other>b")]
    only = told(text)
    assert only == ([("thinking", "a"), ("text", "b")] if name == "think" else [("text", text)])


@pytest.mark.req(37)
@pytest.mark.parametrize(
    "text", ["<THINK>a</Think>b", "< think >a</ think >b", "<think >a< / think>b", "<\tthink>a</think\t>b"]
)
def test_case_and_spaces_only_by_flag(text: str) -> None:
    assert told(text, loose=True) == told(*text, loose=True) == [("thinking", "a"), ("text", "b")]
    assert told(text) != [("thinking", "a"), ("text", "b")]


@pytest.mark.req(37, 40)
def test_loose_tags_have_a_longest_form() -> None:
    assert told("<" + " " * 50 + "think>a", loose=True) == [("text", "<" + " " * 50 + "think>a")]


@pytest.mark.req(33, 36, 37)
def test_what_is_not_asked_for_is_off() -> None:
    for text in ("<think>a<think>b</think>c", "<THINK>a", "< think>a", "<thinking>a", "a</think>b"):
        parser = TagRules().parser()
        plain = [(f.kind, f.text) for f in join_fragments([*parser.push(text), *parser.flush()])]
        assert plain == told(text)
    assert told("<think>a<think>b</think>c") == [("thinking", "a<think>b"), ("text", "c")]
    assert told("<thinking>a") == [("text", "<thinking>a")]


def test_names_must_be_there() -> None:
    for names in ((), ("",)):
        with pytest.raises(ValueError, match="name"):
            ThinkTagParser(names)


@pytest.mark.req(39)
def test_release_gives_what_is_held_and_goes_on() -> None:
    parser = ThinkTagParser()
    assert parser.push("<thi") == []
    assert parser.held
    assert [f.text for f in parser.release()] == ["<thi"]
    assert [(f.kind, f.text) for f in parser.push("nk><think>a")] == [("text", "nk>"), ("thinking", "a")]
    assert [f.text for f in parser.push("</th")] == []
    assert [(f.kind, f.text) for f in parser.release()] == [("thinking", "</th")]
    assert parser.inside and not parser.held


@pytest.mark.req(41)
def test_adjacent_thinking_is_never_glued() -> None:
    parser = ThinkTagParser()
    fragments = parser.push("<think>a</think><think>b</think>")
    assert [(f.text, f.block) for f in fragments] == [("a", 1), ("b", 2)]


# -- properties

WORDS = st.sampled_from(
    [OPEN, CLOSE, "<think", "</", "<", ">", "think>", "`", "``", "```", "~~~", "\n", " ", "\t", "a", "é", "b c", "/", "- ",
     "<thinking>", "</thinking>", "<THINK>", "</ think >"]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=24).map("".join)
RULES = st.builds(
    TagRules,
    names=st.sampled_from([("think",), ("think", "thinking")]),
    starts_in_thinking=st.booleans(),
    depth=st.booleans(),
    loose=st.booleans(),
)


@st.composite
def cut(draw: st.DrawFn) -> tuple[TagRules, list[str]]:
    """Rules, and a text in pieces."""
    text = draw(TEXTS)
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return draw(RULES), [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def parsed(rules: TagRules, pieces: list[str]) -> tuple[list[ThinkFragment], ThinkTagParser]:
    parser = rules.parser()
    out = [fragment for piece in pieces for fragment in parser.feed(piece)]
    out += parser.release()
    parser.flush()
    return out, parser


@pytest.mark.req(27)
@given(cut())
def test_any_cut_gives_the_same(case: tuple[TagRules, list[str]]) -> None:
    rules, pieces = case
    many, first = parsed(rules, pieces)
    whole, second = parsed(rules, ["".join(pieces)])
    shown = [f for f in many if f.text], [f for f in whole if f.text]
    assert [(f.kind, f.block, f.text) for f in join_fragments(shown[0])] == [
        (f.kind, f.block, f.text) for f in join_fragments(shown[1])
    ]
    assert (first.stray, first.truncated) == (second.stray, second.truncated)


EVERY_RULE = (
    "T <<think> \n a</thi</think>\n\n b</think> `<think>` c\n```\n<think>x</think>\n```\n<think>d</think> e <thi",
    "\n a<think>b</think> c",
    "<think></think> <think> \t</think>a<think>b</think><think>c",
)


@pytest.mark.req(27)
@pytest.mark.parametrize("text", EVERY_RULE)
@pytest.mark.parametrize("rules", [TagRules(), TagRules(starts_in_thinking=True), TagRules(depth=True, loose=True)])
def test_every_cut_of_a_text_with_every_rule_gives_the_same(text: str, rules: TagRules) -> None:
    whole = join_fragments([f for f in parsed(rules, [text])[0] if f.text])
    for size in (1, 2, 3):
        for at in range(len(text)):
            rest = text[at + size :]
            pieces = [text[:at], text[at : at + size], rest]
            some = join_fragments([f for f in parsed(rules, pieces)[0] if f.text])
            assert [(f.kind, f.block, f.text) for f in some] == [(f.kind, f.block, f.text) for f in whole], pieces


@given(cut())
def test_nothing_is_lost_in_raw(case: tuple[TagRules, list[str]]) -> None:
    rules, pieces = case
    assert "".join(f.raw for f in parsed(rules, pieces)[0]) == "".join(pieces)


@pytest.mark.req(31)
@given(cut())
def test_thinking_blocks_are_never_blank(case: tuple[TagRules, list[str]]) -> None:
    shown = join_fragments([f for f in parsed(*case)[0] if f.text])
    assert all(f.text.strip() for f in shown if f.kind == "thinking")


@pytest.mark.req(28, 40)
@given(cut())
def test_what_waits_is_the_beginning_of_a_tag(case: tuple[TagRules, list[str]]) -> None:
    rules, pieces = case
    parser = rules.parser()
    longest = max(map(len, rules.names)) + 3 + (12 if rules.loose else 0)
    fed = given_back = ""
    for piece in pieces:
        fed += piece
        given_back += "".join(f.raw for f in parser.feed(piece))
        waits = fed.removeprefix(given_back)
        assert len(waits) < longest
        assert waits[:1] in ("", "<")
        assert bool(waits) is parser.held
        if not rules.loose:
            tags = [t for name in rules.names for t in (f"<{name}>", f"</{name}>")]
            assert not waits or any(tag.startswith(waits) for tag in tags)


@pytest.mark.req(40)
def test_memory_does_not_grow_with_the_stream() -> None:
    def kept(parser: ThinkTagParser) -> int:
        return sum(
            len(value) for name in ("_buffer", "_gap") if isinstance(value := getattr(parser, name), str)
        )  # all strings that a parser holds between two calls

    strings = [n for n in ThinkTagParser.__slots__ if isinstance(getattr(ThinkTagParser(), n, None), str)]
    assert sorted(strings) == ["_buffer", "_gap"]
    for piece in (" ", "\n", "<", "</think", "a", "`", "<think> ", "</think> "):
        for start in ("", OPEN, OPEN + "a", OPEN + "a" + CLOSE):
            parser = ThinkTagParser()
            parser.push(start)
            for _ in range(300):
                parser.push(piece)
                assert kept(parser) <= 2 * len(CLOSE)


@given(cut())
def test_the_short_way_agrees_with_the_long_one(case: tuple[TagRules, list[str]]) -> None:
    rules, pieces = case
    short, long = rules.parser(), rules.parser()
    for piece in pieces:
        inside = short.inside
        whole = long.feed(piece)
        if piece and short.plain(piece):
            assert [(f.kind, f.text, f.raw) for f in whole] == [("thinking" if inside else "text", piece, piece)]
        else:
            assert short.feed(piece) == whole
    assert short.release() == long.release()
