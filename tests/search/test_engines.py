"""Both shipped engines pass the contract; and what only SearXNG, or only the fixture, can do wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dragoman.errors import ConfigError
from dragoman.search.engine import BadSearchAnswer, EngineOptions, SearchAsk, SearchError, SearchTimeout
from dragoman.search.fixture import FixtureEngine
from dragoman.search.registry import ENGINES, check_engine, make_engine
from dragoman.search.searxng import MAX_BODY, SearxngEngine, search_url
from tests.search.contract import PAGES, EngineContract
from tests.search.pages import Site, site


def results(pages: list[dict[str, Any]]) -> dict[str, Any]:
    """Pages as SearXNG tells them."""
    named = {"text": "content", "published": "publishedDate"}
    return {"query": "x", "results": [{named.get(k, k): v for k, v in page.items()} for page in pages]}


async def searxng(request: web.Request) -> web.StreamResponse:
    query = request.query["q"]
    if query == "slow":
        await asyncio.Event().wait()
    if query == "broken":
        return web.Response(status=500, text="<html>oops</html>")
    first = request.query["pageno"] == "1"
    return web.json_response(results(PAGES if query == "alpha" and first else []))


class TestSearxng(EngineContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[SearxngEngine]:
        async with site(searxng) as where:
            made = SearxngEngine(where.url)
            yield made
            await made.close()


class TestFixture(EngineContract):
    @pytest.fixture
    def engine(self) -> FixtureEngine:
        queries = {"alpha": PAGES, "broken": {"error": "unavailable"}, "slow": {"delay_s": 3600}}
        return FixtureEngine(json.dumps({"queries": queries}).encode())


@pytest.fixture
async def where() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


async def test_searxng_is_asked_by_its_documented_parameters(where: Site):
    where.handler = searxng
    engine = SearxngEngine(where.url + "/")
    await engine.search("alpha & beta?", SearchAsk(language="de-DE", recency="week"))
    await engine.close()
    [asked] = where.asked
    assert (asked.path, dict(asked.query)) == (
        "/search",
        {"q": "alpha & beta?", "format": "json", "pageno": "1", "language": "de-DE", "time_range": "week"},
    )


async def test_more_pages_of_results_are_read_only_for_domain_lists(where: Site):
    async def paged(request: web.Request) -> web.StreamResponse:
        page = int(request.query["pageno"])
        return web.json_response(results([{"url": f"https://{h}.example/{page}"} for h in ("no", "yes")]))

    where.handler = paged
    engine = SearxngEngine(where.url)
    assert len(await engine.search("x", SearchAsk(limit=3))) == 2
    assert len(where.asked) == 1
    found = await engine.search("x", SearchAsk(limit=2, allowed=("yes.example",)))
    await engine.close()
    assert [source.url for source in found] == ["https://yes.example/1", "https://yes.example/2"]
    assert len(where.asked) == 3


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (web.Response(status=403, text="Forbidden"), "search.formats"),
        (web.Response(status=429, text="Too Many Requests"), "limiter"),
        (web.Response(status=302, headers={"location": "http://169.254.169.254/"}), "final address"),
        (web.Response(text="<html>a page</html>", content_type="text/html"), "SearXNG instance"),
        (web.Response(body=b'{"results": [{"url": 7}]}'), "no JSON results"),
        (web.Response(body=b"[" * 100_000), "no JSON results"),
        (web.Response(body=b'{"results": [], "unresponsive_engines": [["google", "timeout"]]}'), "sources"),
        (web.Response(body=b" " * (MAX_BODY + 1)), "bytes"),
    ],
)
async def test_what_searxng_may_answer_instead(where: Site, answer: web.Response, word: str):
    async def once(request: web.Request) -> web.StreamResponse:
        return answer

    where.handler = once
    engine = SearxngEngine(where.url)
    with pytest.raises(SearchError, match=word):
        await engine.search("x", SearchAsk())
    await engine.close()
    assert len(where.asked) == 1, "a redirect is not followed"


async def test_a_result_of_searxng_that_is_none_does_not_hide_the_others(where: Site):
    """A calculator's answer has no address; a plugin may add anything."""
    rows = [{"url": None, "title": "2 + 2 = 4"}, {"url": 5}, "odd", {"url": "https://a.example/", "title": None}]
    answer = {"results": rows, "unresponsive_engines": [["x", "timeout", None]]}

    async def odd(request: web.Request) -> web.StreamResponse:
        return web.json_response(answer)

    where.handler = odd
    engine = SearxngEngine(where.url)
    try:
        assert [s.url for s in await engine.search("q", SearchAsk(5))] == ["https://a.example/"]
    finally:
        await engine.close()


async def test_what_python_writes_as_json_is_read(where: Site):
    """A source cut an emoji in half; a score is no number."""
    row = b'{"url": "https://a.example/", "title": "cut \\ud83d", "score": NaN}'

    async def odd(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"results": [%b, {"url": "https://b.example/"}]}' % row)

    where.handler = odd
    engine = SearxngEngine(where.url)
    try:
        assert [(s.url, s.title) for s in await engine.search("q", SearchAsk(5))] == [
            ("https://a.example/", "cut ?"),
            ("https://b.example/", ""),
        ]
    finally:
        await engine.close()


async def test_searxng_that_is_silent_or_away(where: Site):
    where.handler = searxng
    engine = SearxngEngine(where.url, timeout=0.05)
    with pytest.raises(SearchTimeout):
        await engine.search("slow", SearchAsk())
    await engine.close()
    away = SearxngEngine("http://127.0.0.1:1")
    with pytest.raises(SearchError) as caught:
        await away.search("x", SearchAsk())
    await away.close()
    assert caught.value.code == "unavailable"
    assert "127.0.0.1" not in caught.value.message, "the person's network is not told to a model"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://s:8080", "http://s:8080/search"),
        ("http://s/", "http://s/search"),
        ("https://s/sx/search", "https://s/sx/search"),
        ("https://s/sx/", "https://s/sx/search"),
    ],
)
def test_the_address_of_an_instance(given: str, asked: str):
    assert search_url(given) == asked


@pytest.mark.parametrize("file", [b"", b"[]", b'{"queries": {"x": [{"title": "no url"}]}}', b"[" * 100_000, b"\xff"])
def test_a_fixture_that_cannot_be_read_is_told(file: bytes):
    with pytest.raises(ConfigError, match="fixture"):
        FixtureEngine(file)


async def test_a_fixture_finds_by_words():
    pages = {name: [{"url": f"https://{name}.example/"}] for name in ("long", "short", "rest")}
    file = {"queries": {"Dragoman MODEL": pages["long"], "model": pages["short"]}, "default": pages["rest"]}
    engine = FixtureEngine(json.dumps(file).encode())

    async def host(query: str) -> str:
        return (await engine.search(query, SearchAsk()))[0].url.split("/")[2].split(".")[0]

    assert await host("dragoman model") == "long"
    assert await host("which model has dragoman?") == "long"
    assert await host("a model") == "short"
    assert await host("weather") == "rest"


async def test_a_fixture_may_fail_in_named_ways():
    engine = FixtureEngine(json.dumps({"default": {"error": "bad_answer"}}).encode())
    with pytest.raises(BadSearchAnswer):
        await engine.search("x", SearchAsk())


def test_every_engine_says_what_it_lacks(tmp_path: Path):
    assert set(ENGINES) == {"searxng", "fixture"}
    for name in ENGINES:
        [problem] = check_engine(name, EngineOptions())
        assert problem.key in ("url", "file")
        assert problem.fix
        with pytest.raises(ConfigError):
            make_engine(name, EngineOptions())
    assert check_engine("searxng", EngineOptions(url="ftp://x"))[0].key == "url"
    assert check_engine("fixture", EngineOptions(file=str(tmp_path)))[0].key == "file"
    assert "searxng or fixture" in check_engine("bing", EngineOptions())[0].fix
    with pytest.raises(ConfigError, match="bing"):
        make_engine("bing", EngineOptions())
