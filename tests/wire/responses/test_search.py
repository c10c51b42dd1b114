"""Web searches as items of the Responses protocol."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from dragoman.core.events import BlockEnd, BlockStart, Event, Failed, Finished
from dragoman.core.messages import ProviderState, SearchSource, WebSearch
from dragoman.core.tools import Tool
from dragoman.errors import ErrorInfo
from dragoman.wire.responses.search import declaration, declared_type, search_item, search_of
from tests.validators.responses import Parsed, validate
from tests.wire.responses.road import stream, view

PAGE = SearchSource("https://a.org", "A", "text", "2026-10-01", "Site")


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def told(*searches: WebSearch, complete: bool = True, end: Event = Finished(), **body: Any) -> Parsed:
    events: list[Event] = []
    for n, search in enumerate(searches):
        events += [BlockStart(n, WebSearch(search.id, search.queries, "in_progress")), BlockEnd(n, search, complete)]
    return validate(stream([*events, end], view(**body)))


@pytest.mark.req(147)
def test_a_search_of_ours_comes_back_whole_where_its_results_were_told() -> None:
    search = WebSearch("c1", ("q", "r"), "completed", (PAGE,))
    item = search_item(search, "ws_c1", "completed", results=True)
    assert search_of(raw(item)) == search
    bare = search_of(raw(search_item(search, "ws_c1", "completed")))
    assert (bare.queries, bare.sources) == (("q", "r"), (SearchSource("https://a.org"),))
    assert bare.state is not None


@pytest.mark.parametrize(
    ("item", "search"),
    [
        ({"id": "w", "status": "completed", "action": {"type": "open_page", "url": "u"}}, ((), ["u"], "completed")),
        ({"id": "w", "status": "completed", "action": {"type": "find_in_page", "url": "u", "pattern": "p"}},
         ((), ["u"], "completed")),
        ({"id": "w", "status": "failed", "action": {"type": "search", "query": "q"}}, (("q",), [], "failed")),
        ({"id": "w", "status": "searching"}, ((), [], "in_progress")),
        ({"id": "w", "action": None}, ((), [], "completed")),
        ({"id": 7, "action": "?"}, ((), [], "completed")),
    ],
)  # fmt: skip
def test_items_of_a_server(item: dict[str, Any], search: tuple[Any, ...]) -> None:
    found = search_of(raw(item), "p", "f")
    assert (found.queries, [s.url for s in found.sources], found.status) == search
    assert found.state == ProviderState("p", "f", "responses", found.state.data)  # type: ignore[union-attr]
    assert json.loads(bytes(found.state.data)) == item  # type: ignore[union-attr]


@pytest.mark.req(147)
def test_ids_are_unique_and_of_the_protocols_form() -> None:
    parsed = told(WebSearch("a", ("q",)), WebSearch("a", ("q",)), WebSearch("", ("q",)), WebSearch("ws_b"))
    ids = [item["id"] for item in parsed.output]
    assert ids[0] == "ws_a" and ids[3] == "ws_b"
    assert all(id.startswith("ws_") for id in ids)


@pytest.mark.case("G09")
def test_a_failed_search_is_done_without_having_completed() -> None:
    parsed = told(WebSearch("a", ("q",), "failed", error="timeout"))
    assert [item["status"] for item in parsed.output] == ["failed"]
    assert "web_search_call.completed" not in parsed.types


def test_a_search_that_a_break_cut_is_incomplete() -> None:
    end = Failed(ErrorInfo("network", "gone"))
    parsed = told(WebSearch("a", ("q",), "in_progress"), complete=False, end=end)
    assert [item["status"] for item in parsed.output] == ["incomplete"]
    events = [BlockStart(0, WebSearch("a", ("q",), "in_progress")), end]
    assert validate(stream(events, view())).output[0]["status"] == "incomplete"


def test_declarations_of_other_protocols() -> None:
    own = Tool("web_search", "web_search", hosted_type="web_search_preview_2025_03_11", options=raw({"new": 1}))
    assert json.loads(bytes(declaration(own))) == {"new": 1}
    assert declared_type(own) == "web_search_preview_2025_03_11"
    theirs = {"type": "web_search_20250305", "blocked_domains": ["b"], "max_uses": 2}
    tool = Tool("web_search", "web_search", hosted_type="web_search_20250305", options=raw(theirs))
    assert (declaration(tool), declared_type(tool)) == ({"type": "web_search"}, "web_search")
    flat = Tool("web_search", "web_search", hosted_type="web_search", options=raw({"type": "web_search", "limit": 3}))
    assert declaration(flat) == {"type": "web_search"}
