"""What any search engine must do. A new engine's tests subclass `EngineContract` and give `engine` as a fixture.

The engine under test must know: `alpha` (three pages: one.example/a, docs.two.example/b, three.example/c, in this
order), `nothing` (no page), `broken` (it fails), `slow` (it never answers by itself).
"""

from __future__ import annotations

import asyncio

import pytest

from dragoman.core.messages import SearchSource
from dragoman.search.engine import SearchAsk, SearchEngine, SearchError

PAGES = [
    {"url": "https://one.example/a", "title": "One", "text": "About <b>alpha</b> & more", "published": "2026-11-01"},
    {"url": "https://docs.two.example/b", "title": "Two", "text": "Second"},
    {"url": "https://three.example/c", "title": "Three", "text": "Third"},
]


@pytest.mark.req(147)
class EngineContract:
    """The suite."""

    async def test_pages_come_best_first(self, engine: SearchEngine):
        found = await engine.search("alpha", SearchAsk())
        assert [source.url for source in found] == [page["url"] for page in PAGES]
        assert all(isinstance(source, SearchSource) for source in found)
        assert (found[0].title, found[0].text, found[0].published) == ("One", "About <b>alpha</b> & more", "2026-11-01")
        assert found[1].published is None

    async def test_the_limit_holds(self, engine: SearchEngine):
        assert len(await engine.search("alpha", SearchAsk(limit=2))) == 2

    async def test_nothing_found_is_no_failure(self, engine: SearchEngine):
        assert await engine.search("nothing", SearchAsk()) == ()

    async def test_allowed_domains_hold_with_their_subdomains(self, engine: SearchEngine):
        found = await engine.search("alpha", SearchAsk(allowed=("two.example", "https://three.example/")))
        assert [source.title for source in found] == ["Two", "Three"]

    async def test_blocked_domains_hold(self, engine: SearchEngine):
        found = await engine.search("alpha", SearchAsk(blocked=("two.example",)))
        assert [source.title for source in found] == ["One", "Three"]

    async def test_a_name_that_only_ends_alike_is_another_domain(self, engine: SearchEngine):
        assert await engine.search("alpha", SearchAsk(allowed=("wo.example",))) == ()

    async def test_a_failure_is_a_search_error_with_a_code(self, engine: SearchEngine):
        with pytest.raises(SearchError) as caught:
            await engine.search("broken", SearchAsk())
        assert caught.value.code in ("unavailable", "timeout", "bad_answer")
        assert caught.value.message

    async def test_cancelled_it_stops(self, engine: SearchEngine):
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(engine.search("slow", SearchAsk()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = asyncio.all_tasks() - before
        if left:
            _, late = await asyncio.wait(left, timeout=5)
            assert late == set(), "what a cancelled search began must end by itself"

    async def test_used_by_many_at_once(self, engine: SearchEngine):
        found = await asyncio.gather(*(engine.search("alpha", SearchAsk(limit=n)) for n in (1, 2, 3)))
        assert [len(sources) for sources in found] == [1, 2, 3]

    async def test_closing_twice_is_harmless(self, engine: SearchEngine):
        await engine.search("alpha", SearchAsk())
        await engine.close()
        await engine.close()
