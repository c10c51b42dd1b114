"""One search as everybody makes it: cache, quota, time, clean sources, pages that are read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.core.messages import SearchSource
from dragoman.search.cache import SearchCache
from dragoman.search.domains import is_wanted
from dragoman.search.engine import (
    MAX_QUERY,
    BadQuery,
    SearchAsk,
    SearchQuota,
    SearchTimeout,
    SearchUnavailable,
)
from dragoman.search.pages import Page
from dragoman.search.quota import Quota
from dragoman.search.service import MAX_EXTRACT, MAX_TITLE, Searcher, clean

pytestmark = pytest.mark.req(147)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Engine:
    """Gives `found`, raises it, or waits for it."""

    name = "toy"

    def __init__(self, *found: Any) -> None:
        self.found = list(found)
        self.asked: list[tuple[str, SearchAsk]] = []
        self.closed = 0

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        self.asked.append((query, ask))
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, asyncio.Event):
            await found.wait()
        if isinstance(found, Exception):
            raise found
        return tuple(found) if isinstance(found, list) else ()

    async def close(self) -> None:
        self.closed += 1


def pages(*names: str) -> list[SearchSource]:
    return [SearchSource(f"https://{name}.example/", name) for name in names]


async def test_the_same_search_is_made_once_while_it_is_fresh():
    clock, engine = Clock(), Engine(pages("a"))
    searcher = Searcher(engine, cache=SearchCache(60, clock=clock))
    first = await searcher.search("Rome  weather", SearchAsk())
    assert await searcher.search("rome weather", SearchAsk()) == first
    assert len(engine.asked) == 1
    await searcher.search("rome weather", SearchAsk(limit=3))
    assert len(engine.asked) == 2, "another way of searching is another search"
    clock.now = 61
    await searcher.search("rome weather", SearchAsk())
    assert len(engine.asked) == 3


def test_the_cache_is_bounded():
    cache = SearchCache(60, max_entries=2)
    for n in range(3):
        cache.put(str(n), SearchAsk(), ())
        cache.get("0", SearchAsk())
    assert (len(cache), cache.get("1", SearchAsk()), cache.get("0", SearchAsk())) == (2, None, ())
    off = SearchCache(0)
    off.put("x", SearchAsk(), ())
    assert len(off) == 0


async def test_a_failure_is_not_kept():
    searcher = Searcher(Engine(SearchUnavailable("away"), pages("a")), cache=SearchCache(60))
    with pytest.raises(SearchUnavailable):
        await searcher.search("x", SearchAsk())
    assert len(await searcher.search("x", SearchAsk())) == 1


async def test_the_quota_counts_what_the_cache_does_not_answer():
    clock = Clock()
    engine = Engine(pages("a"))
    searcher = Searcher(engine, cache=SearchCache(1000, clock=clock), quota=Quota(2, 3, clock))
    for query in ("a", "a", "b", "b"):
        await searcher.search(query, SearchAsk())
    with pytest.raises(SearchQuota, match="2 searches a minute") as caught:
        await searcher.search("c", SearchAsk())
    assert caught.value.wait == 60
    clock.now = 60
    await searcher.search("c", SearchAsk())
    with pytest.raises(SearchQuota, match="3 searches a day"):
        await searcher.search("d", SearchAsk())
    clock.now = 24 * 3600
    await searcher.search("d", SearchAsk())
    assert [query for query, _ in engine.asked] == ["a", "b", "c", "d"]


async def test_a_search_has_its_time():
    searcher = Searcher(Engine(asyncio.Event()), timeout=0.01)
    with pytest.raises(SearchTimeout):
        await searcher.search("x", SearchAsk())


async def test_what_a_plug_in_raises_is_a_search_error_without_its_text():
    searcher = Searcher(Engine(RuntimeError("secret-token")))
    with pytest.raises(SearchUnavailable) as caught:
        await searcher.search("x", SearchAsk())
    assert "secret-token" not in caught.value.message


@pytest.mark.parametrize("query", ["", "  \n ", "x" * (MAX_QUERY + 1)])
async def test_queries_that_are_none(query: str):
    engine = Engine(pages("a"))
    with pytest.raises(BadQuery):
        await Searcher(engine).search(query, SearchAsk())
    assert engine.asked == []


def test_sources_are_clean():
    [made] = clean(
        [
            SearchSource("javascript:alert(1)", "no"),
            SearchSource("https://a b/", "no"),
            SearchSource("https://[broken/", "no"),
            SearchSource("https://www.a.example/x", "T\x00i\u202et\nle" + "x" * 999, "\x1b[31mred\ud800 " + "y" * 9999),
            SearchSource("https://www.a.example/x", "again"),
        ]
    )
    assert made.title.startswith("T i t lex")
    assert (len(made.title), len(made.text), made.site) == (MAX_TITLE, MAX_EXTRACT, "a.example")
    assert not any(c in made.title + made.text for c in "\x00\x1b\u202e\ud800\n")


async def test_the_lists_hold_even_where_an_engine_forgets_them():
    searcher = Searcher(Engine(pages("a", "b", "c")))
    found = await searcher.search("x", SearchAsk(limit=1, blocked=("a.example",)))
    assert [s.title for s in found] == ["b"]


@pytest.mark.parametrize(
    ("url", "rule", "matches"),
    [
        ("https://example.com/x", "example.com", True),
        ("https://docs.example.com/x", "example.com", True),
        ("https://docs.example.com/x", "*.example.com", True),
        ("https://EXAMPLE.com:8443/x", "https://Example.com/", True),
        ("https://example.com/docs/a", "example.com/docs", True),
        ("https://example.com/docsx", "example.com/docs", False),
        ("https://example.com/x", "example.com/*", True),
        ("https://example.com/en/docs/a", "example.com/*/docs", True),
        ("https://example.com/en/docsx", "example.com/*/docs", False),
        ("https://badexample.com/", "example.com", False),
        ("https://example.com.evil.net/", "example.com", False),
        ("https://example.com@evil.net/", "example.com", False),
        ("https://x/", "", False),
    ],
)
def test_domain_rules(url: str, rule: str, matches: bool):
    assert is_wanted(url, (rule,), ()) is matches
    assert is_wanted(url, (), (rule,)) is not matches


class Reader:
    def __init__(self, **pages: Any) -> None:
        self.pages = pages
        self.closed = False

    async def read(self, url: str) -> Page:
        found = self.pages.get(url.removeprefix("https://").partition(".")[0], SearchUnavailable("gone"))
        if isinstance(found, asyncio.Event):
            await found.wait()
        if isinstance(found, Exception):
            raise found
        return Page(url, "T", found)

    async def close(self) -> None:
        self.closed = True


async def test_first_pages_are_read_and_others_keep_their_extract():
    engine = Engine([SearchSource(s.url, s.title, "extract") for s in pages("a", "b", "c", "d")])
    reader = Reader(a="whole page", c="not asked for")
    searcher = Searcher(engine, reader=reader, pages=2)  # type: ignore[arg-type]
    found = await searcher.search("x", SearchAsk())
    assert [s.text for s in found] == ["whole page", "extract", "extract", "extract"]
    await searcher.close()
    assert (reader.closed, engine.closed) == (True, 1)


async def test_a_page_that_takes_too_long_costs_only_itself():
    reader = Reader(a=asyncio.Event(), b="read")
    searcher = Searcher(Engine(pages("a", "b")), reader=reader, pages=2, timeout=0.05)  # type: ignore[arg-type]
    before = asyncio.all_tasks()
    found = await searcher.search("x", SearchAsk())
    assert [s.text for s in found] == ["", "read"]
    assert asyncio.all_tasks() == before
