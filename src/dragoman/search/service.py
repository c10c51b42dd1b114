"""One search as everybody here makes it: cache, quota, engine within its time, and clean sources out.

In: a query. Out: sources with bounded texts and without control characters, each page once; or SearchError. Whatever an
engine raises becomes a SearchError here. Where pages are read too, the text of the first ones takes the place of
the engine's extract.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from dragoman.core.messages import SearchSource
from dragoman.core.search import UNSEEN
from dragoman.search.cache import SearchCache
from dragoman.search.domains import is_wanted, wanted
from dragoman.search.engine import (
    MAX_QUERY,
    BadQuery,
    SearchAsk,
    SearchEngine,
    SearchError,
    SearchTimeout,
    SearchUnavailable,
)
from dragoman.search.pages import PageReader
from dragoman.search.quota import Quota

MAX_TITLE = 300
MAX_EXTRACT = 2000
"""Longest text of a source that was not read as a page (characters)."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udfff]")


class Searcher:
    """Searches with one engine. timeout: seconds for one search, the reading of pages included.

    reader: reads the first `pages` results; None reads none. Closes engine and reader with itself.
    """

    def __init__(
        self,
        engine: SearchEngine,
        *,
        timeout: float = 15.0,
        cache: SearchCache | None = None,
        quota: Quota | None = None,
        reader: PageReader | None = None,
        pages: int = 0,
    ) -> None:
        self.engine = engine
        self._timeout = timeout
        self._cache = SearchCache(0) if cache is None else cache
        self._quota = Quota() if quota is None else quota
        self._reader = reader
        self._pages = pages if reader is not None else 0

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        """Sources, best first, at most `ask.limit`. Raises SearchError."""
        query = " ".join(query.split())
        if not query:
            raise BadQuery("the query is empty")
        if len(query) > MAX_QUERY:
            raise BadQuery(f"the query is longer than {MAX_QUERY} characters")
        known = self._cache.get(query, ask)
        if known is not None:
            return known
        self._quota.take()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                found = await self.engine.search(query, ask)
                sources = clean(wanted(found, ask.allowed, ask.blocked))[: ask.limit]
        except TimeoutError:
            raise SearchTimeout(f"the search took longer than {self._timeout:g} s") from None
        except SearchError:
            raise
        except Exception as error:  # boundary: an engine is somebody's plug-in
            raise SearchUnavailable(f"the search engine failed ({type(error).__name__})") from error
        if self._pages:
            sources = await self._with_pages(sources, ask, limit.when())
        result = tuple(sources)
        self._cache.put(query, ask, result)
        return result

    async def _with_pages(
        self, sources: list[SearchSource], ask: SearchAsk, deadline: float | None
    ) -> list[SearchSource]:
        """The sources with the text of the first pages; one that cannot be read in time keeps its extract."""
        out = list(sources)

        async def read(at: int) -> None:
            out[at] = await self._read(out[at], ask)

        try:
            async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
                for at in range(min(self._pages, len(out))):
                    group.create_task(read(at))
        except TimeoutError:
            pass
        return out

    async def _read(self, source: SearchSource, ask: SearchAsk) -> SearchSource:
        assert self._reader is not None
        try:
            page = await self._reader.read(source.url)
        except SearchError:
            return source
        if not page.text or not is_wanted(page.url, ask.allowed, ask.blocked):
            return source
        title = source.title or plain(page.title)[:MAX_TITLE]
        return msgspec.structs.replace(source, text=plain(page.text, lines=True), title=title)

    async def close(self) -> None:
        """Closes engine and reader."""
        await self.engine.close()
        if self._reader is not None:
            await self._reader.close()


def plain(text: str, *, lines: bool = False) -> str:
    """Text without control, direction and invisible characters, on one line unless `lines`."""
    text = _CONTROL.sub(" ", UNSEEN.sub("", text))
    return text.strip() if lines else " ".join(text.split())


def clean(sources: Iterable[SearchSource]) -> list[SearchSource]:
    """Each page once, with a web address, bounded and plain texts, and the name of its site."""
    out: dict[str, SearchSource] = {}
    for source in sources:
        url = source.url.strip()
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            continue
        if parts.scheme not in ("http", "https") or not host or plain(url) != url or " " in url or len(url) > 2048:
            continue
        out.setdefault(
            url,
            SearchSource(
                url,
                plain(source.title)[:MAX_TITLE] or host,
                plain(source.text)[:MAX_EXTRACT],
                plain(source.published)[:40] if source.published else None,
                plain(source.site)[:100] if source.site else host.removeprefix("www."),
            ),
        )
    return list(out.values())
