"""The contract of a search engine, and how a search may fail.

In: a query and how to search. Out: sources, best first. An engine is one file with a function `make(EngineOptions)`
and, where it has settings, `check(EngineOptions)`; see `registry`. Time-out, cache, quota and cleaning are not its
business: `service` does them for all. Knows no model and no wire.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from dragoman.core.messages import SearchSource
from dragoman.errors import DragomanError, ErrorKind

Recency = Literal["", "day", "week", "month", "year"]
DEFAULT_LIMIT = 5
"""Sources that are asked for when the client says nothing."""
MAX_QUERY = 2000
"""Longest query (characters)."""


class SearchAsk(msgspec.Struct, frozen=True):
    """How to search. limit: sources wanted. allowed, blocked: domains, subdomains included; `allowed` empty is any.

    language: a tag such as `de` or `en-US`. country: two letters. city, region, timezone: where the user roughly is.
    """

    limit: int = DEFAULT_LIMIT
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    language: str = ""
    country: str = ""
    region: str = ""
    city: str = ""
    timezone: str = ""
    recency: Recency = ""


class SearchError(DragomanError):
    """A search that gave nothing. code: one word for it. The message is told to the model and to the client."""

    kind: ErrorKind = "server"
    word = "unavailable"

    @property
    def code(self) -> str:
        """timeout, unavailable, bad_answer, bad_query, quota or forbidden."""
        return self.word

    @property
    def told(self) -> str:
        """What the model and the client are told: a word of the protocols where they have one, else the message."""
        return self.message


class SearchTimeout(SearchError):
    """The engine did not answer in time."""

    kind: ErrorKind = "timeout"
    word = "timeout"


class SearchUnavailable(SearchError):
    """The engine cannot be reached, or refuses."""


class BadSearchAnswer(SearchError):
    """The engine answered with something that is no list of results."""

    kind: ErrorKind = "protocol"
    word = "bad_answer"


class BadQuery(SearchError):
    """The query is empty or too long."""

    kind: ErrorKind = "invalid_request"
    word = "bad_query"

    @property
    def told(self) -> str:
        """The protocols' word."""
        return "query_too_long" if "long" in self.message else "invalid_tool_input"


class SearchQuota(SearchError):
    """More searches than this process may make. `wait`: seconds until the next one."""

    kind: ErrorKind = "rate_limit"
    word = "quota"

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait

    @property
    def told(self) -> str:
        """The protocols' word."""
        return "too_many_requests"


class EngineOptions(msgspec.Struct, frozen=True):
    """What a person set for the engine. url: where it is served. file: what it reads. timeout: seconds."""

    url: str = ""
    file: str = ""
    timeout: float = 15.0


class EngineProblem(msgspec.Struct, frozen=True):
    """A setting that the engine cannot work with. key: its name in `[search]`."""

    key: str
    message: str
    fix: str


class SearchEngine(Protocol):
    """Something that finds pages. Used by many requests at once."""

    @property
    def name(self) -> str:
        """A word for logs."""
        ...

    async def search(self, query: str, ask: SearchAsk) -> tuple[SearchSource, ...]:
        """Pages for `query`, best first, at most `ask.limit`; none found is an empty tuple.

        Honours `allowed` and `blocked`. Raises SearchError; cancelled, it gives everything back.
        """
        ...

    async def close(self) -> None:
        """Gives connections back. Nothing is asked afterwards."""
        ...
