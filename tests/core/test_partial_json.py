"""Incremental reading of JSON: every cut gives the same text, and nothing raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.partial_json import InputDecoder, is_json, parse_partial


def decode(*pieces: str) -> tuple[str, InputDecoder]:
    decoder = InputDecoder()
    return "".join(decoder.feed(piece) for piece in pieces), decoder


@pytest.mark.case("E07")
def test_characters_come_as_soon_as_they_are_certain() -> None:
    decoder = InputDecoder()
    assert [decoder.feed('{"input":"*** Beg'), decoder.feed('in"}')] == ["*** Beg", "in"]
    assert decoder.done


@settings(deadline=None, max_examples=50)
@given(
    st.text(max_size=12),
    st.dictionaries(
        st.text(max_size=3), st.none() | st.integers() | st.lists(st.text(max_size=4), max_size=3), max_size=3
    ),
    st.booleans(),
)
def test_any_cut_gives_the_text(text: str, others: dict[str, object], ascii_only: bool) -> None:
    others.pop("input", None)
    whole = json.dumps({**others, "input": text}, ensure_ascii=ascii_only)
    for cut in range(len(whole) + 1):
        got, decoder = decode(whole[:cut], whole[cut:])
        assert (got, decoder.done, decoder.failed) == (text, True, False)
    assert decode(*whole)[0] == text


def test_a_surrogate_pair_cut_anywhere_is_one_character() -> None:
    whole = '{"input":"a\\ud83d\\ude00b"}'
    assert {decode(whole[:cut], whole[cut:])[0] for cut in range(len(whole))} == {"a😀b"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('"\\ud83dx"', "\ufffdx"),
        ('"\\ud83d"', "\ufffd"),
        ('"\\ude00"', "\ufffd"),
        ('"\\ud83d\\u0041"', "\ufffdA"),
        ('"a\\qb"', "a\\qb"),
        ('"a\\u12zz"', "a\\u12zz"),
        ('"tab\there"', "tab\there"),
    ],
)
def test_broken_escapes_are_taken_literally(body: str, text: str) -> None:
    whole = '{"input":' + body + "}"
    assert {decode(whole[:cut], whole[cut:])[0] for cut in range(len(whole))} == {text}


@pytest.mark.parametrize("text", ["*** Begin", "[1]", '{"a":1}', "{}", '{"input":5}', '{"a"1}', '"input"'])
def test_what_holds_no_input_fails(text: str) -> None:
    got, decoder = decode(text)
    assert (got, decoder.found, decoder.failed) == ("", False, True)


def test_an_escaped_key_is_the_same_key() -> None:
    assert decode('{"\\u0069nput":"x"}')[0] == "x"


def test_a_nested_input_is_not_the_input() -> None:
    assert decode('{"a":{"input":"no"},"b":["input",{"input":"}"}],"input":"yes"}')[0] == "yes"


@pytest.mark.req(55)
@settings(deadline=None, max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=3), c, max_size=3),
        max_leaves=5,
    )
)
def test_partial_arguments_never_raise_and_end_whole(value: object) -> None:
    whole = json.dumps({"a": value})
    for cut in range(len(whole)):
        assert parse_partial(whole[:cut]) is None or isinstance(parse_partial(whole[:cut]), dict)
    assert parse_partial(whole) == {"a": value}


@pytest.mark.req(55)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"path":"src/ma', {"path": "src/ma"}),
        ('{"path":"a","n":1', {"path": "a", "n": 1}),
        ('{"path":"a","n', {"path": "a"}),
        ('{"path":"a","ok":tr', {"path": "a", "ok": True}),
        ('{"list":[1,2,{"x":"y', {"list": [1, 2, {"x": "y"}]}),
        ('{"a":"x\\', {"a": "x"}),
        ('{"a":"x\\ud83d\\u', {"a": "x"}),
        ("}{", None),
        ("", None),
    ],
)
def test_partial_arguments_show_what_is_there(text: str, value: object) -> None:
    assert parse_partial(text) == value


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", False),
        (" ", False),
        ("{}", True),
        ('{"a":1} \n', True),
        ("{}{}", False),
        ("1", True),
        ("{", False),
        ("[" * 100_000, False),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_is_json(text: str, whole: bool) -> None:
    assert is_json(text) is whole
