"""Where a text cites a source, and the forms in which citations travel."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.citations import MOST, Citation, annotated, annotation, cite, is_placed, read_citation, read_source
from dragoman.core.messages import SearchSource
from tests.strategies import words

A = SearchSource("https://a.org/x", "Alpha", "about a")
B = SearchSource("https://b.org", "Beta")
C = SearchSource("https://c.org/", "Gamma")


def places(text: str, **more: object) -> list[tuple[str, str]]:
    """(title, what of the text cites it); "" is the end."""
    return [(c.title, text[c.start : c.end]) for c in cite(text, [A, B, C], **more)]  # type: ignore[arg-type]


@pytest.mark.req(147)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x [2] y [1].", [("Beta", "[2]"), ("Alpha", "[1]")]),
        ("x [1][3]", [("Alpha", "[1]"), ("Gamma", "[3]")]),
        ("x [1, 2] y", [("Alpha", "[1, 2]"), ("Beta", "[1, 2]")]),
        ("甲【3】", [("Gamma", "【3】")]),
        ("see https://b.org.", [("Beta", "https://b.org")]),
        ("see https://b.org/other and [1]", [("Alpha", "[1]")]),
        ("see [1](https://a.org/x) and (https://a.org/x)", [("Alpha", "[1]"), ("Alpha", "https://a.org/x")]),
        ("code `list[1]` says [2]", [("Beta", "[2]")]),
        ("```\na[1]\n```\nsays [2]", [("Beta", "[2]")]),
        ("[4] [0] [99]", [("Alpha", ""), ("Beta", ""), ("Gamma", "")]),
        ("nothing", [("Alpha", ""), ("Beta", ""), ("Gamma", "")]),
        ("", [("Alpha", ""), ("Beta", ""), ("Gamma", "")]),
    ],
)
def test_the_place_of_a_citation(text: str, found: list[tuple[str, str]]) -> None:
    assert places(text) == found


def test_a_vendors_labels_and_citations_that_all_count() -> None:
    labels = ("ref_1", "ref_2", "ref_3")
    assert places("x [ref_3] y [REF_1]", labels=labels) == [("Gamma", "[ref_3]"), ("Alpha", "[REF_1]")]
    assert places("x [2]", every=True) == [("Beta", "[2]"), ("Alpha", ""), ("Gamma", "")]
    assert cite("x", []) == []


@given(
    st.lists(st.sampled_from(["[1]", "[2,3]", "https://a.org/x", "`[1]`", "```", "\n", " ", "【1】"]) | words),
    st.booleans(),
)
def test_citations_lie_inside_the_text_in_order(parts: list[str], every: bool) -> None:
    text = "".join(parts)
    found = cite(text, [A, B, C], every=every)
    assert 0 < len(found) <= MOST
    assert all(0 <= c.start <= c.end <= len(text) for c in found)  # type: ignore[operator]
    assert [c.start for c in found] == sorted(c.start for c in found)  # type: ignore[type-var]


def test_a_text_that_repeats_a_marker_is_bounded() -> None:
    assert len(cite("[1] x " * 5000, [A])) == MOST


def test_the_canonical_form_and_back() -> None:
    (raw,) = annotated("x [1]", [A])
    assert json.loads(bytes(raw)) == {
        "type": "url_citation", "url": A.url, "title": "Alpha", "start_index": 2, "end_index": 5, "summary": "about a",
    }  # fmt: skip
    assert read_citation(raw) == Citation(A.url, "Alpha", "about a", 2, 5)
    bare = annotation(Citation("https://b.org"))
    assert not is_placed(bare) and is_placed(raw)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,"end_index":2,"content":"c"}}',
         Citation("u", "t", "c", 1, 2)),
        (b'{"type":"web_search_result_location","url":"u","title":null,"cited_text":"c","encrypted_index":"e"}',
         Citation("u", "", "c")),
        (b'{"type":"url_citation","url":""}', None),
        (b'{"type":"file_path","file_id":"f"}', None),
        (b'{"type":"url_citation","url":3}', None),
        (b"[]", None),
    ],
)  # fmt: skip
def test_forms_of_vendors_and_clients(raw: bytes, found: Citation | None) -> None:
    assert read_citation(Raw(raw)) == found


def test_pages_of_vendors() -> None:
    page = b'{"link":"u","title":"t","content":"c","media":"m","publish_date":"d","refer":"ref_1"}'
    assert read_source(Raw(page)) == SearchSource("u", "t", "c", "d", "m")
    assert read_source(Raw(b'{"title":"t"}')) is None
    assert read_source(Raw(b"7")) is None
