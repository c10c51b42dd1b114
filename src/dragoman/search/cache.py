"""Search results that were found a moment ago: bounded in number, and in age."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from dragoman.core.messages import SearchSource
from dragoman.search.engine import SearchAsk

MAX_ENTRIES = 512


class SearchCache:
    """ttl: seconds that a result is kept; 0 keeps nothing. The least recently used goes first."""

    def __init__(self, ttl: float, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._max = max_entries
        self._clock = clock
        self._kept: OrderedDict[tuple[str, SearchAsk], tuple[float, tuple[SearchSource, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...] | None:
        """What was found for the same query and way of searching; spacing and case do not count."""
        key = _key(query, ask)
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= self._clock():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, query: str, ask: SearchAsk, sources: tuple[SearchSource, ...]) -> None:
        """Keeps a result."""
        if self._ttl <= 0:
            return
        key = _key(query, ask)
        self._kept[key] = (self._clock() + self._ttl, sources)
        self._kept.move_to_end(key)
        while len(self._kept) > self._max:
            self._kept.popitem(last=False)


def _key(query: str, ask: SearchAsk) -> tuple[str, SearchAsk]:
    return " ".join(query.casefold().split()), ask
