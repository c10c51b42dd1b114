"""An engine without a network: answers from a JSON file. For tests, demonstrations and machines that are offline.

The file: `{"queries": {"some words": [SOURCE, ...] or FAILURE}, "default": [SOURCE, ...] or FAILURE}`. A SOURCE has
`url`, `title`, `text`, and may have `published` and `site`. A FAILURE is `{"error": "timeout" | "unavailable" |
"bad_answer"}`; instead of a list there may also be `{"results": [...], "delay_s": 0.5}`. A query finds the entry whose
words it has: the same words first, then the entry most of whose words it holds. What is found nowhere gives nothing.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec

from dragoman.core.messages import SearchSource
from dragoman.errors import ConfigError
from dragoman.search.domains import wanted
from dragoman.search.engine import (
    BadSearchAnswer,
    EngineOptions,
    EngineProblem,
    SearchAsk,
    SearchError,
    SearchTimeout,
    SearchUnavailable,
)

_ERRORS: dict[str, type[SearchError]] = {
    "timeout": SearchTimeout,
    "unavailable": SearchUnavailable,
    "bad_answer": BadSearchAnswer,
}


class _Entry(msgspec.Struct):
    results: list[SearchSource] = []
    error: str = ""
    delay_s: float = 0.0


class _File(msgspec.Struct):
    queries: dict[str, list[SearchSource] | _Entry] = {}
    default: list[SearchSource] | _Entry = []


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))


class FixtureEngine:
    """Answers from what was read once."""

    name = "fixture"

    def __init__(self, data: bytes) -> None:
        """data: the file's bytes. Raises ConfigError when they are not in the form above."""
        try:
            file = msgspec.json.decode(data, type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"the search fixture cannot be read: {error}", param="search.file") from None
        self._entries = [(_words(query), _entry(found)) for query, found in file.queries.items()]
        self._default = _entry(file.default)

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        """What the file has for the query."""
        entry = self._find(_words(query))
        if entry.delay_s:
            await asyncio.sleep(entry.delay_s)
        if entry.error:
            raise _ERRORS.get(entry.error, SearchUnavailable)(f"the search engine failed: {entry.error}")
        return tuple(wanted(entry.results, ask.allowed, ask.blocked)[: ask.limit])

    async def close(self) -> None:
        """Holds nothing."""

    def _find(self, words: tuple[str, ...]) -> _Entry:
        for known, entry in self._entries:
            if known == words:
                return entry
        said = set(words)
        held = [(len(set(known)), entry) for known, entry in self._entries if known and set(known) <= said]
        return max(held, key=lambda pair: pair[0])[1] if held else self._default


def _entry(found: list[SearchSource] | _Entry) -> _Entry:
    return _Entry(found) if isinstance(found, list) else found


def check(options: EngineOptions) -> list[EngineProblem]:
    """Whether the file is named and there."""
    if not options.file:
        return [EngineProblem("file", "the fixture engine needs a file", "set [search] file to a JSON file")]
    if not Path(options.file).expanduser().is_file():
        return [EngineProblem("file", f"{options.file} is no file", "correct [search] file")]
    return []


def make(options: EngineOptions) -> FixtureEngine:
    """The engine on `options.file`. Raises ConfigError for a file that cannot be read."""
    try:
        return FixtureEngine(Path(options.file).expanduser().read_bytes())
    except OSError as error:
        raise ConfigError(f"{options.file} cannot be read: {error.strerror}", param="search.file") from None
