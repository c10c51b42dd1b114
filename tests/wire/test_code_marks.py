"""Where an answer is inside code: fences, and code within one line."""

from __future__ import annotations

import pytest

from dragoman.wire.code_marks import SPECIAL, CodeMarks


def read(text: str) -> CodeMarks:
    """The marks after this text, read as the parser reads it."""
    marks, at = CodeMarks(), 0
    while at < len(text):
        found = SPECIAL.search(text, at)
        start = found.start() if found else len(text)
        if start > at:
            marks.plain(text[at:start])
        if found is None:
            break
        if text[start] == "\n":
            marks.newline()
        elif text[start] == "<":
            marks.plain("<")
        else:
            marks.mark(text[start])
        at = start + 1
    return marks


@pytest.mark.req(35)
@pytest.mark.parametrize(
    ("text", "inside", "fenced"),
    [
        ("words", False, False),
        ("`a", True, False),
        ("`a`", False, False),
        ("``a`", True, False),
        ("`a\n", False, False),
        ("```py\ncode", True, True),
        ("> 1. ```\ncode", True, True),
        ("a ```\ncode", False, False),
        ("```\ncode\n```\n", False, False),
        ("```\ncode\n```x\n", True, True),
        ("~~~\n```\n", True, True),
        ("``` a ```", False, False),
    ],
)
def test_where_the_answer_is(text: str, inside: bool, fenced: bool) -> None:
    marks = read(text)
    assert (marks.inside, marks.fenced) == (inside, fenced)
    marks.restart()
    assert not marks.inside


@pytest.mark.req(35)
def test_quiet_text_may_be_passed_without_looking_at_its_lines() -> None:
    marks = read("a `b` ")
    assert marks.quiet
    marks.lines("more\n")
    for mark in "```":
        marks.mark(mark)
    assert not marks.quiet
    marks.newline()
    assert marks.fenced
