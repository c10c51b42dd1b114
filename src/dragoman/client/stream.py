"""The library's stream: an async iterator of canonical events that never raises once it has begun.

In: batches from a run. Out: events one by one, the message so far, and at the end an `Answer`. Leaving the `async with`
block early closes the vendor's connection. A reader that falls behind slows the vendor down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType

from dragoman.catalog import ModelRow
from dragoman.client.engine import Engine
from dragoman.client.rounds import Conductor
from dragoman.client.running import Running
from dragoman.core.events import TERMINAL, Event, Failed, Started, Terminal
from dragoman.core.fold import Folder, Reply
from dragoman.core.messages import Message
from dragoman.core.notes import Note
from dragoman.core.replay import stamped
from dragoman.core.usage import Usage
from dragoman.cost import Cost, price
from dragoman.errors import ErrorInfo
from dragoman.providers.plan import Plan

HIGH_WATER = 4096
"""Unread events at which the vendor is held back."""
LOW_WATER = 512


class Answer(Reply, frozen=True, kw_only=True):
    """A whole answer, and what it took. provider, model_id: who gave it. cost: None where usage is not known at all.

    notes: what was degraded or dropped, in the request as well as in the answer.
    """

    provider: str = ""
    model_id: str = ""
    cost: Cost | None = None

    @property
    def error(self) -> ErrorInfo | None:
        """Why it failed, when it did."""
        return self.end.error if isinstance(self.end, Failed) else None


class Stream:
    """One answer as it comes. Use it as `async with client.stream(...) as stream: async for event in stream: ...`.

    The first event is always `Started`, the last `Finished`, `Incomplete` or `Failed`. Cancelling the reader, leaving
    the block and `aclose` end the call with a `Failed` of kind `aborted`, and close the connection.
    """

    committed = False

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        row: ModelRow,
        started: Callable[[Stream], None],
        conductors: Sequence[Conductor] = (),
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._row = row
        self._on_start = started
        self._conductors = conductors
        self._folder = Folder()
        self._run: Running | None = None
        self._unread: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._keep = True
        self._held_back = False
        self._scoped = False
        self._begun = False

    # -- what is known so far

    @property
    def message(self) -> Message:
        """The message so far, an open block included. Put together when asked for: its cost is its length."""
        return self._stamped(self._folder.snapshot())

    @property
    def usage(self) -> Usage | None:
        """Usage so far."""
        return self._folder.usage

    @property
    def end(self) -> Terminal | None:
        """The terminal event, once it is there."""
        return self._folder.end

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was degraded or dropped when the request was made ready."""
        return self._plan.notes

    @property
    def provider(self) -> str:
        """Id of the provider that answers."""
        return self._plan.provider

    # -- reading

    def start(self) -> Stream:
        """Starts the call, if it was not. `async with` and `async for` do it by themselves."""
        if self._run is None:
            self._run = self._engine.start(self._plan, self, conductors=self._conductors)
            self._on_start(self)
        return self

    async def __aenter__(self) -> Stream:
        self._scoped = True
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Stream:
        return self.start()

    async def __anext__(self) -> Event:
        while not self._unread:
            if self._folder.end is not None:
                raise StopAsyncIteration
            await self._more()
        event = self._unread.popleft()
        if self._held_back and len(self._unread) <= LOW_WATER:
            self._held_back = False
            if self._run is not None:
                self._run.resume()
        return event

    async def _more(self) -> None:
        run = self.start()._run
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            if not self._scoped and run is not None:
                run.abort()
            raise
        finally:
            self._waiter = None

    async def reply(self) -> Answer:
        """Reads to the end and gives the whole answer, failed ones included. Cancelled, it ends the call."""
        self._keep = False
        self._unread.clear()
        run = self.start()._run
        assert run is not None
        run.resume()
        await run.wait()
        return self.answer()

    def answer(self) -> Answer:
        """The answer as far as it has come; of a stream that is still running it is a failed one."""
        reply = self._folder.reply()
        usage = reply.usage
        tier = self._plan.service_tier
        cost = None if usage is None else price(usage, self._row, datetime.now(UTC), service_tier=tier)
        return Answer(
            self._stamped(reply.message),
            reply.end,
            reply.id,
            reply.model,
            reply.created,
            usage,
            (*self._plan.notes, *reply.notes),
            reply.complete,
            provider=self._plan.provider,
            model_id=self._plan.model,
            cost=cost,
        )

    def _stamped(self, message: Message) -> Message:
        return stamped(message, self._plan.provider, self._plan.family, self._plan.wire)

    async def aclose(self) -> None:
        """Ends the call if it is still under way."""
        if self._run is not None:
            self._run.abort()

    # -- the run's sink

    def upstream_ok(self) -> None:
        """Nothing is committed early here: whoever reads gets events only."""

    def events(self, batch: list[Event]) -> None:
        """Takes a batch from the run. A call that ends before the vendor began still has a start."""
        if not self._begun:
            self._begun = any(isinstance(event, Started) for event in batch)
            if not self._begun and isinstance(batch[-1], TERMINAL):
                batch = [Started(), *batch]
        self._folder.feed(batch)
        if self._keep:
            self._unread += batch
            if len(self._unread) > HIGH_WATER and not self._held_back and self._run is not None:
                self._held_back = True
                self._run.pause()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
