"""SearXNG by its JSON API: `GET /search?q=...&format=json` (docs.searxng.org, search API).

The URL is the person's own choice and may lie on a private network. An instance must list `json` under
`search.formats` in its settings.yml; otherwise it answers 403. Redirects are not followed, answers are bounded.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Raw

from dragoman.core.messages import SearchSource
from dragoman.search.domains import wanted
from dragoman.search.engine import (
    BadSearchAnswer,
    EngineOptions,
    EngineProblem,
    SearchAsk,
    SearchTimeout,
    SearchUnavailable,
)

if TYPE_CHECKING:
    import aiohttp

MAX_BODY = 4 * 1024 * 1024
"""Longest answer (bytes)."""
MAX_PAGES = 3
"""Pages of results that are read where the domain lists leave too few."""
_RANGES = {"day": "day", "week": "week", "month": "month", "year": "year"}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class _Result(msgspec.Struct):
    url: str | None = None
    title: str | None = None
    content: str | None = None
    published: str | None = msgspec.field(default=None, name="publishedDate")


class _Answer(msgspec.Struct):
    results: list[Raw]
    unresponsive_engines: list[object] = []


class SearxngEngine:
    """One SearXNG instance. url: its root, or its search address. timeout: seconds for one page of results."""

    name = "searxng"

    def __init__(self, url: str, timeout: float = 15.0) -> None:
        self._url = search_url(url)
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        """Results of all engines of the instance, as it ranks them."""
        found: list[SearchSource] = []
        seen: set[str] = set()
        pages = MAX_PAGES if ask.allowed or ask.blocked else 1
        for page in range(1, pages + 1):
            results = await self._page(query, ask, page)
            fresh = [source for source in results if source.url not in seen]
            seen.update(source.url for source in fresh)
            found += wanted(fresh, ask.allowed, ask.blocked)
            if len(found) >= ask.limit or not fresh:
                break
        return tuple(found[: ask.limit])

    async def close(self) -> None:
        """Closes the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _page(self, query: str, ask: SearchAsk, page: int) -> list[SearchSource]:
        import aiohttp

        params = {"q": query, "format": "json", "pageno": str(page)}
        if _LANGUAGE.fullmatch(ask.language):
            params["language"] = ask.language
        if ask.recency in _RANGES:
            params["time_range"] = _RANGES[ask.recency]
        if self._session is None:
            # Made inside the running loop. Proxies of the environment are not asked: the address is the person's own.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"accept": "application/json"},
            )
        try:
            async with self._session.get(self._url, params=params, allow_redirects=False) as answer:
                body = await _read(answer)
                status = answer.status
        except TimeoutError:
            raise SearchTimeout(f"the search engine did not answer within {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SearchUnavailable(f"the search engine cannot be reached ({type(error).__name__})") from None
        return _sources(status, body)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_chunked(64 * 1024):
        size += len(piece)
        if size > MAX_BODY:
            raise BadSearchAnswer(f"the search engine sent over {MAX_BODY} bytes")
        parts.append(piece)
    return b"".join(parts)


def _sources(status: int, body: bytes) -> list[SearchSource]:
    """The results of one answer. Raises SearchError, with the remedy where one is known."""
    if status == 403:
        raise SearchUnavailable(
            "the search engine refuses JSON (HTTP 403); add json to search.formats in its settings.yml"
        )
    if status == 429:
        raise SearchUnavailable("the search engine limits us (HTTP 429); switch its limiter off for this address")
    if 300 <= status < 400:
        raise SearchUnavailable(f"the search engine redirects (HTTP {status}); set [search] url to the final address")
    if status != 200:
        raise SearchUnavailable(f"the search engine failed (HTTP {status})")
    try:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
            results = _readable(answer.results)
        except msgspec.DecodeError:
            answer = msgspec.json.decode(_mended(body), type=_Answer)
            results = _readable(answer.results)
    except (ValueError, RecursionError):
        raise BadSearchAnswer("the search engine sent no JSON results; is [search] url a SearXNG instance?") from None
    if not answer.results and answer.unresponsive_engines:
        raise SearchUnavailable("none of the search engine's own sources answered")
    return [
        SearchSource(result.url, result.title or "", result.content or "", result.published or None)
        for result in results
        if result.url
    ]


def _mended(body: bytes) -> bytes:
    """The answer as sound JSON: it is written with Python's `json`, which passes NaN, and halves of characters from
    extracts that some source cut. Raises ValueError for what is no JSON at all."""
    value = json.loads(body, parse_constant=lambda word: None)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _readable(rows: list[Raw]) -> list[_Result]:
    """The rows that are results: plugins of an instance may add others. Raises ValidationError where none is one."""
    found: list[_Result] = []
    for row in rows:
        try:
            found.append(msgspec.json.decode(row, type=_Result))
        except msgspec.ValidationError:
            continue
    if rows and not found:
        raise msgspec.ValidationError("no row is a result")
    return found


def search_url(url: str) -> str:
    """The address to ask, from an instance's root or its search address. Raises ValueError for what is no URL."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL")
    _ = parts.port  # raises ValueError for what is no port
    path = parts.path.rstrip("/")
    if not path.endswith("/search"):
        path += "/search"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def check(options: EngineOptions) -> list[EngineProblem]:
    """Whether the URL is one."""
    if not options.url:
        return [EngineProblem("url", "searxng needs the address of an instance", 'set [search] url = "http://..."')]
    try:
        search_url(options.url)
    except ValueError:
        return [EngineProblem("url", f"{options.url!r} is no http or https URL", 'write url = "http://HOST:PORT"')]
    return []


def make(options: EngineOptions) -> SearxngEngine:
    """The engine at `options.url`."""
    return SearxngEngine(options.url, options.timeout)
