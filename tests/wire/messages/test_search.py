"""Web searches as blocks of the Messages protocol: shown, sent back, and kept from servers that did not make them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.messages import Message, Opaque, ProviderState, SearchSource, Text, WebSearch
from dragoman.core.request import Request
from dragoman.core.shape import Shape
from dragoman.core.tools import Tool
from dragoman.wire.messages import decode_request, encode_request
from dragoman.wire.messages.search import MARK, declaration, result_block, search_of, server_id, use_block
from tests.strategies import words

PAGE = SearchSource("https://a.org", "A", "text of a", "2026-10-01", "Site")


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def back(*blocks: dict[str, Any]) -> tuple[Any, ...]:
    """An assistant's blocks as a client sends them back."""
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": list(blocks)}]
    body = {"model": "m", "max_tokens": 9, "messages": turns}
    return decode_request(json.dumps(body).encode())[0].messages[1].content


def shown(search: WebSearch) -> list[dict[str, Any]]:
    id = server_id(search.id) or "srvtoolu_1"
    return [use_block(search, id), result_block(search, id)]


pages = st.builds(
    SearchSource,
    words.map("https://e.org/{}".format),
    words,
    st.just("") | words,
    st.none() | words,
    st.none() | words,
)


@pytest.mark.req(147)
@given(st.lists(pages, min_size=1, max_size=3), words.filter(str.strip))
def test_a_search_of_ours_comes_back_whole(sources: list[SearchSource], query: str) -> None:
    search = WebSearch("call_1", (query.strip(),), "completed", tuple(sources))
    assert back(*shown(search)) == (search,)


def test_a_search_of_another_server_is_kept_raw() -> None:
    use, result = shown(WebSearch("s", ("q",), "completed", (PAGE,)))
    result["content"][0]["encrypted_content"] = "EqgfCioIARgB"
    (search,) = back(use, result)
    assert (search.id, search.queries, search.sources[0].text) == ("srvtoolu_s", ("q",), "")
    assert json.loads(bytes(search.state.data)) == [use, result]


def test_a_damaged_field_of_ours_costs_only_its_text() -> None:
    use, result = shown(WebSearch("s", ("q",), "completed", (PAGE, PAGE)))
    result["content"][0]["encrypted_content"] = MARK + "%%%"
    (search,) = back(use, result)
    assert [source.text for source in search.sources] == ["", "text of a"]
    assert search.state is None


def test_a_damaged_field_of_ours_is_no_other_servers() -> None:
    use, result = shown(WebSearch("s", ("q",), "completed", (PAGE,)))
    result["content"][0]["encrypted_content"] = MARK + "%%%"
    cited = {"type": "web_search_result_location", "url": "https://a.org", "title": "A", "cited_text": "c"}
    search, text = back(use, result, {"type": "text", "text": "x", "citations": [{**cited, "encrypted_index": MARK}]})
    assert search.state is None, "else it would be sent to a server that decrypts"
    assert json.loads(bytes(text.annotations[0])) == {
        "type": "url_citation",
        "url": "https://a.org",
        "title": "A",
        "summary": "c",
    }


def test_failures_and_halves() -> None:
    use, result = shown(WebSearch("s", ("q",), "failed", error="max_uses_exceeded"))
    assert result["content"]["error_code"] == "max_uses_exceeded"
    (failed,) = back(use, result)
    assert (failed.status, failed.error) == ("failed", "max_uses_exceeded")
    other = result_block(WebSearch("s", status="failed", error="the engine's own words"), "x")
    assert other["content"]["error_code"] == "unavailable"
    assert [(type(b), b.kind) for b in back(use)] == [(Opaque, "server_tool_use")]
    assert [(type(b), b.kind) for b in back(result)] == [(Opaque, "web_search_tool_result")]
    assert search_of(raw("no block")).status == "in_progress"


def test_searches_side_by_side_and_text_between() -> None:
    a, b = (WebSearch(id, (id,), "completed", (PAGE,)) for id in "ab")
    use_a, result_a = shown(a)
    use_b, result_b = shown(b)
    text = {"type": "text", "text": "t"}
    assert back(use_a, use_b, result_b, text, result_a) == (a, b, Text("t"))


@pytest.mark.req(78, 79)
def test_only_blocks_of_its_own_go_to_a_server() -> None:
    use, result = shown(WebSearch("s", ("q",), "completed", (PAGE,)))
    state = ProviderState("p", "f", "messages", raw([use, result]))
    cited = Text("t", annotations=(raw({"type": "url_citation", "url": "u"}), raw({"type": "char_location"})))
    turn = Message("assistant", (WebSearch("s", ("q",), state=state), WebSearch("o", ("q",)), cited))
    sent = json.loads(encode_request(Request("m", (turn,), "messages"), Shape.full("m")))["messages"][0]["content"]
    assert sent == [use, result, {"type": "text", "text": "t", "citations": [{"type": "char_location"}]}]
    plain = json.loads(encode_request(Request("m", (turn,), "messages"), Shape("m")))["messages"][0]["content"]
    assert plain == "t"


@pytest.mark.req(147)
def test_citations_of_ours_come_back_with_their_places() -> None:
    from dragoman.core.citations import Citation, annotation
    from dragoman.wire.messages.shown import citation_of

    ours = annotation(Citation("https://a.org", "A", "x" * 500, 2, 5))
    told = citation_of(ours)
    assert len(told["cited_text"]) == 150
    (text,) = back({"type": "text", "text": "abcdef", "citations": [told]})
    assert json.loads(bytes(text.annotations[0])) == {
        "type": "url_citation", "url": "https://a.org", "title": "A", "start_index": 2, "end_index": 5, "summary": "x" * 150,
    }  # fmt: skip
    theirs = {**told, "encrypted_index": "Eo8B"}
    (text,) = back({"type": "text", "text": "abcdef", "citations": [theirs]})
    assert json.loads(bytes(text.annotations[0])) == theirs


def test_declarations_of_other_protocols() -> None:
    def declared(hosted_type: str, **options: object) -> Any:
        return declaration(Tool("web_search", "web_search", hosted_type=hosted_type, options=raw(options)))

    own = declaration(Tool("web_search", "web_search", hosted_type="web_search_20260318", options=raw({"new": 1})))
    assert json.loads(bytes(own)) == {"new": 1}
    assert declared("web_search_2025_08_26", filters={"allowed_domains": ["a.org"]}) == {
        "type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.org"],
    }  # fmt: skip
    both = declared("web_search", allowed_domains=["a"], blocked_domains=["b"], user_location={"city": "Rome"})
    assert "blocked_domains" not in both
    assert both["user_location"] == {"type": "approximate", "city": "Rome"}
