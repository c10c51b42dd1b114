"""Who runs a declared web search: one decision for library, gateway and `explain`, and the conductors that follow.

In: settings, a request, a target. Out: the search mode that the plan is made with, and the conductors of the answer.
Learns which accounts a vendor refuses its own search, for a while, so that later requests do not try again.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dragoman.client.rounds import Conductor, Dialogue, Emit
from dragoman.config.settings import Search
from dragoman.core.events import CONTENT, Event, Failed, Noted, Started
from dragoman.core.lowering import declares_search
from dragoman.core.notes import Note
from dragoman.core.request import Request
from dragoman.core.search import SearchMode, SearchWish
from dragoman.errors import ErrorInfo
from dragoman.providers.plan import Plan
from dragoman.providers.target import Target
from dragoman.providers.wire_choice import can_search
from dragoman.wire.base import Mint

if TYPE_CHECKING:
    from dragoman.search.engine import SearchAsk, SearchEngine
    from dragoman.search.managed import ManagedSearch
    from dragoman.search.service import Searcher

REFUSED = "web_search_disabled"
"""The code of a vendor's refusal of its own search."""
FORGET_S = 3600.0
"""Seconds after which a refused search is tried again: a person may have switched the vendor's plug-in on."""
MAX_LEARNED = 1000
_MISSING: dict[str, SearchMode] = {"fail": "fail", "ignore": "off", "client": "client"}
_LIMITS = {"low": 3, "medium": 5, "high": 10}
"""Context size -> sources of one search."""
_CONTENT = frozenset(CONTENT)
_SPEAKS_OF_IT = re.compile(r"web.?search|联网|\btools?\b.{0,80}\bfunction\b", re.I | re.S)


class Refusals:
    """Accounts whose vendor refused its own search. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def learn(self, provider: str, account: str) -> None:
        """The vendor refused."""
        self._until[provider, account] = self._clock() + FORGET_S
        self._until.move_to_end((provider, account))
        while len(self._until) > MAX_LEARNED:
            self._until.popitem(last=False)

    def knows(self, provider: str, account: str) -> bool:
        """Whether it refused a while ago."""
        until = self._until.get((provider, account))
        if until is not None and until <= self._clock():
            del self._until[provider, account]
            return False
        return until is not None


class Searching:
    """The web search of one process. engine: a program's own; else the configured one is made when it is needed."""

    def __init__(
        self,
        settings: Search,
        engine: SearchEngine | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.refusals = Refusals(clock)
        self._engine = engine
        self._clock = clock
        self._searcher: Searcher | None = None

    @property
    def engine(self) -> str:
        """The engine's name, "" for none."""
        return self._engine.name if self._engine is not None else self.settings.engine

    def mode(
        self, request: Request, target: Target, setting: str | None = None, *, refused: bool = False
    ) -> SearchMode:
        """How the plan is to treat a declared search. setting: instead of the configured mode. refused: the vendor
        has just refused its own."""
        if not declares_search(request.tools):
            return "off"
        wanted = setting or self.settings.mode
        if wanted in ("native", "auto") and not refused and can_search(target):
            if not self.refusals.knows(target.provider.id, target.account):
                return "native"
            refused = True
        if self.engine and (wanted in ("managed", "auto") or (wanted == "native" and refused)):
            return "managed"
        return _MISSING[self.settings.missing]

    def begin(self, request: Request, target: Target, setting: str | None = None) -> SearchRun:
        """The search of one answer."""
        return SearchRun(self, target, self.mode(request, target, setting), setting)

    @property
    def searcher(self) -> Searcher:
        """Makes the searches. Raises ConfigError for an engine that cannot be made."""
        if self._searcher is None:
            # Imported here: only those who search pay for it.
            from dragoman.search.cache import SearchCache
            from dragoman.search.engine import EngineOptions
            from dragoman.search.quota import Quota
            from dragoman.search.registry import make_engine
            from dragoman.search.service import Searcher

            set_ = self.settings
            engine = self._engine
            if engine is None:
                engine = make_engine(set_.engine, EngineOptions(set_.url, set_.file, set_.timeout_s))
            self._searcher = Searcher(
                engine,
                timeout=set_.timeout_s,
                cache=SearchCache(set_.cache_ttl_s, clock=self._clock),
                quota=Quota(set_.per_minute, set_.per_day, self._clock),
                reader=_reader(set_.timeout_s) if set_.fetch else None,
                pages=set_.fetch,
            )
        return self._searcher

    async def close(self) -> None:
        """Closes engine and connections."""
        searcher, self._searcher = self._searcher, None
        if searcher is not None:
            await searcher.close()
        elif self._engine is not None:
            await self._engine.close()


def _reader(timeout: float) -> Any:
    from dragoman.search.pages import PageReader

    return PageReader(timeout=timeout)


class SearchRun:
    """The search of one answer. mode: what the next plan of it is made with."""

    def __init__(self, searching: Searching, target: Target, mode: SearchMode, setting: str | None) -> None:
        self.mode: SearchMode = mode
        self._searching = searching
        self._target = target
        self._setting = setting
        self._managed: ManagedSearch[Any] | None = None

    @property
    def searches(self) -> int:
        """Searches that were run here so far."""
        return self._managed.searches if self._managed is not None else 0

    def conductors(self, plan: Plan, dialogue: Dialogue, mint: Mint) -> tuple[Conductor, ...]:
        """What runs beside the answer. plan: its first call. mint: makes ids. Raises ConfigError."""
        if plan.native or plan.search not in ("native", "managed"):
            return ()
        out: list[Conductor] = []
        if plan.search == "native":
            out.append(NativeFallback(self, plan, dialogue))
        if plan.search == "managed" or self._searching.engine:
            from dragoman.search.managed import Bounds, ManagedSearch

            wish = plan.wish or SearchWish()
            self._managed = ManagedSearch(
                self._searching.searcher,
                dialogue,
                _ask(wish, self._searching.settings.language),
                Bounds(self._searching.settings.max_rounds, wish.max_uses),
                mint=mint,
            )
            if plan.search == "managed":
                self._managed.go_on(dialogue.request.messages)
            out.append(self._managed)
        return tuple(out)

    def refused(self, request: Request) -> None:
        """The vendor refused its own search: `mode` is another one from now on."""
        self.mode = self._searching.mode(request, self._target, self._setting, refused=True)
        if self.mode == "managed" and self._managed is not None:
            self._managed.go_on(request.messages)

    def learn(self) -> None:
        """It was the search that was refused: the next requests of this account do not ask for it."""
        self._searching.refusals.learn(self._target.provider.id, self._target.account)


class NativeFallback:
    """A conductor: an answer whose vendor refuses its own search is asked for once more without it.

    Where the vendor has no plain word for it, a 400 that speaks of searching or of tools without a function counts too
    (a GLM model refused "any tool without a function", 2026); then only an answer to the second call shows that it was
    the search.
    """

    def __init__(self, run: SearchRun, plan: Plan, dialogue: Dialogue) -> None:
        self._run = run
        self._plan = plan
        self._dialogue = dialogue
        self._open = True
        self._guessed = False
        self._owed: list[Event] = []

    def feed(self, events: list[Event]) -> list[Event]:
        """All events but the refusal."""
        if self._owed:
            # Not told at once: the next call may fail, and then the client must still get a real HTTP error.
            owed, self._owed = self._owed, []
            at = int(isinstance(events[0], Started))
            events = [*events[:at], *owed, *events[at:]]
        if not self._open and not self._guessed:
            return events
        last = events[-1]
        if any(type(event) in _CONTENT for event in events):
            if self._guessed:
                self._run.learn()
            self._open = self._guessed = False
        elif self._open and isinstance(last, Failed) and self._refuses(last.error):
            return events[:-1]
        return events

    def _refuses(self, error: ErrorInfo) -> bool:
        if error.code == REFUSED:
            self._run.learn()
            return True
        self._guessed = error.kind == "invalid_request" and _SPEAKS_OF_IT.search(error.message) is not None
        return self._guessed

    async def next(self, emit: Emit) -> Any:
        """The same request without the vendor's search."""
        self._open = False
        request = self._dialogue.request
        self._run.refused(request)
        told = [Note("search_refused", "tools[web_search]", "the vendor refuses its own web search to this account")]
        made = self._dialogue.plan(request.messages)
        known = {(note.code, note.field) for note in self._plan.notes}
        if isinstance(made, Plan):
            told += [note for note in made.notes if (note.code, note.field) not in known]
        self._owed = [Noted(note) for note in told]
        return made


def _ask(wish: SearchWish, language: str) -> SearchAsk:
    """What the engine is told of the client's wish."""
    from dragoman.search.engine import DEFAULT_LIMIT, SearchAsk

    place = wish.place
    return SearchAsk(
        min(wish.limit or _LIMITS.get(wish.context or "", DEFAULT_LIMIT), 20),
        wish.allowed,
        wish.blocked,
        language,
        (place and place.country) or "",
        (place and place.region) or "",
        (place and place.city) or "",
        (place and place.timezone) or "",
        wish.recency or "",
    )
