"""The managed loop: searches that a model asks for are run here, and the model goes on with what they found.

A conductor (see `client.rounds`; this package stands beside it and only fits its shape). In: the events of each round,
in which a search is a `ToolCall` of kind `web_search`. Out: those events without such calls; in their place
`WebSearch` blocks, once they are run, and citations in the texts that follow. Between two rounds the turn goes back to
the model whole: its reasoning byte for byte, its text, its calls, and a result for each search.

Where the model calls other tools beside a search, the searches are run and shown and the turn ends: those calls are the
client's to answer. The next request's history then brings both results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw

from dragoman.core.citations import annotation, cite
from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    TextDelta,
)
from dragoman.core.messages import Block, Message, SearchSource, Text, ToolCall, ToolResult, WebSearch
from dragoman.core.notes import Note
from dragoman.core.request import Request
from dragoman.core.search import SEARCH_NAME, as_call, read_queries
from dragoman.core.search_replay import told_sources
from dragoman.core.tools import Tool, ToolChoice
from dragoman.search.engine import SearchAsk, SearchError
from dragoman.search.service import Searcher

MAX_PARALLEL = 8
"""Queries of one round that run at the same time."""
MAX_QUERIES = 4
"""Queries of one call that are run."""
MAX_CITED = 150
"""Longest extract of a page in a citation (characters)."""
_DELTAS = frozenset({TextDelta, ReasoningDelta, ArgumentsDelta})

PlanT = TypeVar("PlanT")
Plan_co = TypeVar("Plan_co", covariant=True)


class Talk(Protocol[Plan_co]):
    """The request as it grows; `client.rounds.Dialogue` is one."""

    request: Request

    def plan(self, messages: Sequence[Message], **changes: Any) -> Plan_co:
        """The call that continues with these messages, and with these other fields of the request."""
        ...


class Bounds(msgspec.Struct, frozen=True):
    """rounds: calls of the model that may end in searches. uses: searches in one answer; None is no limit."""

    rounds: int = 5
    uses: int | None = None


class ManagedSearch(Generic[PlanT]):
    """The searches of one answer. mint: makes ids."""

    def __init__(
        self,
        searcher: Searcher,
        talk: Talk[PlanT],
        ask: SearchAsk = SearchAsk(),
        bounds: Bounds = Bounds(),
        *,
        mint: Callable[[str], str],
    ) -> None:
        self._searcher = searcher
        self._talk = talk
        self._ask = ask
        self._bounds = bounds
        self._mint = mint
        self._sources: list[SearchSource] = []
        self._shown: list[SearchSource] = []
        self._rounds = 0
        self.searches = 0
        """Searches that were run."""
        self._final = False
        self._fresh()

    def go_on(self, messages: Sequence[Message]) -> None:
        """Numbers on from the pages that these messages tell of, and cites them too: a turn that ended with calls of
        the client's is one answer with the next."""
        self._learn(told_sources(messages))

    def _learn(self, sources: Sequence[SearchSource]) -> None:
        self._sources += sources
        self._shown += (msgspec.structs.replace(s, text=s.text[:MAX_CITED]) for s in sources)

    def _fresh(self) -> None:
        self._said: list[Block] = []
        self._wanted: list[ToolCall] = []
        self._skipping = False
        self._calls = False
        self._end: Finished | None = None

    # -- the conductor

    def feed(self, events: list[Event]) -> list[Event]:
        """What goes on: all but calls of the search, and the end of a round that asked for one."""
        if not self._skipping and all(type(event) in _DELTAS for event in events):
            return events
        out: list[Event] = []
        for event in events:
            if isinstance(event, BlockStart):
                self._skipping = self._is_search(event.block)
                if not self._skipping:
                    out.append(event)
            elif isinstance(event, BlockEnd):
                self._close(event, out)
            elif self._skipping and type(event) is ArgumentsDelta:
                continue
            elif isinstance(event, Finished | Incomplete | Failed):
                self._over(event, out)
            else:
                out.append(event)
        return out

    async def next(self, emit: Callable[[list[Event]], None]) -> PlanT | None:
        """Runs the round's searches, shows them, and gives the next call; none where the client has calls to answer."""
        end = self._end
        assert end is not None
        self._rounds += 1
        done = await self._run([self._search_of(call) for call in self._wanted], emit)
        if self._calls:
            emit([msgspec.structs.replace(end, reason="tool_calls", usage=None)])
            return None
        request = self._talk.request
        spent = self._rounds >= self._bounds.rounds or self._uses_left() <= 0
        calls, results = self._told(done, last=spent)
        messages = (*request.messages, Message("assistant", self._turn(calls)), Message("tool", results))
        self._fresh()
        changes: dict[str, Any] = {"tool_choice": _later(request.tool_choice)}
        if spent:
            self._final = True
            changes |= _without_search(request)
        return self._talk.plan(messages, **changes)

    # -- one round's events

    def _is_search(self, block: object) -> bool:
        if not isinstance(block, ToolCall):
            return False
        if block.kind == "web_search":
            return True
        # When the tool is offered no more, a call of it comes back under its plain name.
        return (
            self._final
            and block.name == SEARCH_NAME
            and not any(tool.name == SEARCH_NAME and tool.kind == "function" for tool in self._talk.request.tools)
        )

    def _close(self, event: BlockEnd, out: list[Event]) -> None:
        block = event.block
        if self._skipping and isinstance(block, ToolCall):
            self._skipping = False
            if event.complete:
                self._wanted.append(block)
                self._said.append(block)
            return
        if isinstance(block, Text):
            found = self._citations(block.text)
            if found:
                out += [AnnotationSeen(raw) for raw in found]
                block = msgspec.structs.replace(block, annotations=(*block.annotations, *found))
                event = BlockEnd(event.index, block, event.complete)
        self._calls = self._calls or isinstance(block, ToolCall)
        if not isinstance(block, WebSearch):
            self._said.append(block)
        out.append(event)

    def _citations(self, text: str) -> tuple[Raw, ...]:
        """What a text cites by number or address. What it does not name it may not have used at all."""
        if not self._sources:
            return ()
        return tuple(annotation(found) for found in cite(text, self._shown) if found.start != found.end)

    def _over(self, end: Finished | Incomplete | Failed, out: list[Event]) -> None:
        if not isinstance(end, Finished) or not self._wanted:
            # A round that was cut or broke is the end of the answer: its searches were perhaps not whole.
            out.append(end)
        elif self._final:
            out += [Noted(Note("search_limit", "", "the model went on searching after its last search"))]
            out.append(msgspec.structs.replace(end, reason="tool_calls" if self._calls else "stop"))
        else:
            self._end = end

    # -- searching

    def _uses_left(self) -> int:
        uses = self._bounds.uses
        return 1 if uses is None else uses - self.searches

    def _search_of(self, call: ToolCall) -> tuple[WebSearch, bool]:
        """The search that a call means, and whether it may be run."""
        queries = tuple(" ".join(query.split()) for query in read_queries(call.arguments))[:MAX_QUERIES]
        search = WebSearch(self._mint(""), queries, "in_progress")
        if not queries:
            return _failed(search, "invalid_tool_input"), False
        if self._uses_left() <= 0:
            return _failed(search, "max_uses_exceeded"), False
        self.searches += 1
        return search, True

    async def _run(
        self, searches: Sequence[tuple[WebSearch, bool]], emit: Callable[[list[Event]], None]
    ) -> list[WebSearch]:
        """Runs them together and shows them one after another, in the order of the calls."""
        gate = asyncio.Semaphore(MAX_PARALLEL)
        done: list[WebSearch] = []
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(search, gate)) if go else None for search, go in searches]
            for (search, _), task in zip(searches, tasks, strict=True):
                emit([BlockStart(0, WebSearch(search.id, search.queries, "in_progress"))])
                done.append(search if task is None else await task)
                emit([BlockEnd(0, done[-1])])
        return done

    async def _one(self, search: WebSearch, gate: asyncio.Semaphore) -> WebSearch:
        """One call: its queries together. It failed when none of them gave an answer."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._query(query, gate)) for query in search.queries]
        found = [task.result() for task in tasks]
        lists = [sources for sources in found if not isinstance(sources, SearchError)]
        if not lists:
            error = next(error for error in found if isinstance(error, SearchError))
            return _failed(search, error.told)
        return WebSearch(search.id, search.queries, "completed", _merged(lists, self._ask.limit))

    async def _query(self, query: str, gate: asyncio.Semaphore) -> tuple[SearchSource, ...] | SearchError:
        async with gate:
            try:
                return await self._searcher.search(query, self._ask)
            except SearchError as error:
                return error

    # -- what goes back to the model

    def _turn(self, calls: Sequence[ToolCall]) -> tuple[Block, ...]:
        """The round as the model said it, each call of a search under its search's id."""
        left = iter(calls)
        return tuple(next(left) if self._is_search(block) else block for block in self._said)

    def _told(self, done: Sequence[WebSearch], *, last: bool) -> tuple[list[ToolCall], tuple[Block, ...]]:
        """Calls and results of the searches, in the very form in which a later request's history tells them."""
        calls: list[ToolCall] = []
        results: list[ToolResult] = []
        for search in done:
            call, result = as_call(search, len(self._sources) + 1)
            self._learn(search.sources)
            calls.append(call)
            results.append(result)
        if last:
            end = results[-1]
            told = Text("This was the last search of this answer. Answer now with what is known.")
            results[-1] = msgspec.structs.replace(end, content=(*end.content, told), was_text=False)
        return calls, tuple(results)


def _failed(search: WebSearch, why: str) -> WebSearch:
    return WebSearch(search.id, search.queries, "failed", error=why)


def _merged(lists: Sequence[Sequence[SearchSource]], limit: int) -> tuple[SearchSource, ...]:
    """The lists as one, best first of each in turn, each page once."""
    if len(lists) == 1:
        return tuple(lists[0])
    rows = (source for row in zip_longest(*lists) for source in row if source is not None)
    return tuple({source.url: source for source in reversed(list(rows))}.values())[::-1][: limit * 2]


def _later(choice: ToolChoice | None) -> ToolChoice | None:
    """The choice after the first round: what was forced was done, or the model would have to search for ever."""
    if choice is None or choice.mode in ("auto", "none"):
        return choice
    if choice.mode == "allowed":
        return msgspec.structs.replace(choice, required=False)
    return ToolChoice()


def _without_search(request: Request) -> dict[str, Any]:
    """The changes that leave no search to be called; other tools stay."""
    others: tuple[Tool, ...] = tuple(tool for tool in request.tools if tool.kind != "web_search")
    if not others:
        # The declaration stays where the upstream takes `none`: some want tools declared that the history calls.
        return {"tool_choice": ToolChoice("none")}
    choice = _later(request.tool_choice)
    if choice is not None and choice.mode == "allowed":
        kept = tuple(ref for ref in choice.allowed if ref.kind != "web_search")
        choice = msgspec.structs.replace(choice, allowed=kept) if kept else ToolChoice("none")
    return {"tools": others, "tool_choice": choice}
