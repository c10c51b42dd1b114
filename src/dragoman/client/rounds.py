"""One answer made of several calls: a search between two of them, a repair, a second try without a tool.

In: the first plan, a sink, and conductors. Out: to the sink, the events of one answer - started once, blocks numbered
through, usage of all calls added up, one terminal event. A conductor sees the events of each round and says what goes
on; when it keeps a terminal event back, the round is over and the answer is not, and it is asked for the next plan.
Everything but the work between two rounds is synchronous, as in `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from dragoman.client.attempt import CallPlan, internal
from dragoman.client.run import Run
from dragoman.client.running import Awaited, EventSink, Means, cancelled, clean
from dragoman.client.watch import timed_out
from dragoman.core.events import TERMINAL, BlockEnd, BlockStart, Event, Failed, Finished, Incomplete, Started, UsageSeen
from dragoman.core.messages import Message, WebSearch
from dragoman.core.request import Request
from dragoman.core.stage import Stage
from dragoman.core.usage import Usage, add
from dragoman.errors import DragomanError, ErrorInfo

_ENDS = frozenset(TERMINAL)

Emit = Callable[[list[Event]], None]
"""Passes events of a conductor's own to the client."""


class Conductor(Protocol):
    """Decides what a round's events become, and whether another round follows."""

    def feed(self, events: list[Event]) -> list[Event]:
        """The events that go on. A terminal event that is kept back ends the round; `next` is asked then."""
        ...

    async def next(self, emit: Emit) -> CallPlan | None:
        """The plan of the next round, after what had to be done for it. None only where a terminal was emitted.

        emit: passes events of one's own to the client, by way of the conductors behind this one; no terminal but where
        the answer ends with it.

        Raises DragomanError, which becomes the answer's end.
        """
        ...


class Dialogue:
    """The request as it grows over the rounds of one answer, shared by its conductors.

    make: plans a call for the request; may raise DragomanError.
    """

    def __init__(self, request: Request, make: Callable[[Request], CallPlan]) -> None:
        self.request = request
        self._make = make

    def plan(self, messages: Sequence[Message], **changes: Any) -> CallPlan:
        """The call that continues with these messages; they stand from now on. changes: other fields, likewise."""
        self.request = msgspec.structs.replace(self.request, messages=tuple(messages), **changes)
        return self._make(self.request)


class Rounds(Awaited):
    """An answer under way, with the same face as a `Run`."""

    def __init__(
        self,
        means: Means,
        plan: CallPlan | Callable[[int], CallPlan],
        sink: EventSink,
        stages: Sequence[Stage],
        conductors: Sequence[Conductor],
    ) -> None:
        super().__init__()
        self._means = means
        self._sink = sink
        self._stages = tuple(stages)
        self._conductors = tuple(conductors)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._between: asyncio.Task[None] | None = None
        self._spent: Usage | None = None
        self._finished_attempts = 0
        self._blocks = 0
        self._started = self._paused = self._aborting = False
        self._search: WebSearch | None = None  # that was begun between two rounds, and is not over
        self.rounds = 0
        """Calls that were begun, attempts at one of them not counted."""
        self._run = self._start(plan)

    # -- the caller's face

    @property
    def attempts(self) -> int:
        """Calls made so far, in all rounds."""
        return self._finished_attempts + self._run.attempts

    def pause(self) -> None:
        """The client cannot take more for now."""
        self._paused = True
        self._run.pause()

    def resume(self) -> None:
        """The client can take more."""
        self._paused = False
        self._run.resume()

    def abort(self, error: ErrorInfo | None = None) -> None:
        """Ends the answer now; the sink gets its terminal event before this returns."""
        if self.over:
            return
        error = error or cancelled()
        self._aborting = True
        self._run.abort(error)
        if not self.over:
            self._end(error)

    # -- rounds

    def _start(self, plan: CallPlan | Callable[[int], CallPlan]) -> Run:
        self.rounds += 1
        return Run(self._left(), plan, self, ())

    def _left(self) -> Means:
        """What the next call may use: the total time is that of the answer."""
        limits = self._means.timeouts
        if not limits.total or self.rounds == 1:
            return self._means
        left = max(self._began + limits.total - self._loop.time(), 0.001)
        return msgspec.structs.replace(self._means, timeouts=msgspec.structs.replace(limits, total=left))

    # -- the sink of each round

    @property
    def committed(self) -> bool:
        """Whether the client has been sent anything."""
        return self._sink.committed

    def upstream_ok(self) -> None:
        """A call was answered with 2xx."""
        if not self.over:
            self._sink.upstream_ok()

    def events(self, batch: list[Event]) -> None:
        """A round's events: through the conductors and out."""
        if self.over:
            return
        owed = batch[-1] if type(batch[-1]) in _ENDS else None
        taker: Conductor | None = None
        behind: Sequence[Conductor] = ()
        try:
            for position, conductor in enumerate(self._conductors):
                had = bool(batch) and type(batch[-1]) in _ENDS
                batch = conductor.feed(batch) if batch else []
                if had and not (batch and type(batch[-1]) in _ENDS):
                    taker, behind = conductor, self._conductors[position + 1 :]
        except Exception as error:  # boundary: a defect in a conductor must not leave the client without an end
            self._end(internal(error, "a conductor").error)
            return
        if taker is not None and self._aborting and isinstance(owed, Failed):
            batch, taker = [*batch, owed], None
        self._pass(batch)
        if taker is not None and owed is not None and not self.over:
            self._spent = add(self._spent, owed.usage)  # type: ignore[union-attr]
            self._between = self._loop.create_task(self._continue(taker, behind))

    async def _continue(self, taker: Conductor, behind: Sequence[Conductor]) -> None:
        def emit(batch: list[Event]) -> None:
            for conductor in behind:
                batch = conductor.feed(batch) if batch else []
            self._pass(batch)

        limit = self._means.timeouts.total
        try:
            async with asyncio.timeout_at(self._began + limit if limit else None):
                plan = await taker.next(emit)
        except TimeoutError:
            self._end(timed_out("total", limit, "the answer was not whole"))
            return
        except DragomanError as error:
            self._end(error.info)
            return
        except Exception as error:  # boundary: as in events
            self._end(internal(error, "a conductor").error)
            return
        if self.over:
            return
        if plan is None:
            self._end(ErrorInfo("internal", "a conductor gave neither a plan nor an end", retryable=False))
            return
        self._finished_attempts += self._run.attempts
        self._run = self._start(plan)
        if self._paused:
            self._run.pause()

    # -- out

    def _pass(self, batch: list[Event]) -> None:
        """Numbers the events through, and gives them to the caller's stages and the sink."""
        if self.over or not batch:
            return
        out = [made for event in batch if (made := self._numbered(event)) is not None]
        ended = bool(out) and type(out[-1]) in _ENDS
        try:
            for stage in self._stages:
                out = stage.feed(out)
        except Exception as error:  # boundary: as in events
            out, ended = [internal(error, "a stage")], True
        if not out:
            return
        last = out[-1]
        if isinstance(last, Failed):
            out[-1] = msgspec.structs.replace(last, error=clean(last.error, self._run.plan))
        self.over = ended
        try:
            self._sink.events(out)
        except Exception as error:  # boundary: the sink is the caller's; `wait` raises it there
            self.crash = error
            self.over = True
        finally:
            if self.over:
                self._close()

    def _numbered(self, event: Event) -> Event | None:
        match event:
            case Started():
                if self._started:
                    return None
                self._started = True
            case BlockStart():
                self._blocks += 1
                self._search = event.block if isinstance(event.block, WebSearch) else None
                return msgspec.structs.replace(event, index=self._blocks - 1)
            case BlockEnd():
                self._search = None
                return msgspec.structs.replace(event, index=self._blocks - 1)
            case UsageSeen() if self._spent is not None:
                total = add(self._spent, event.usage)
                return None if total is None else UsageSeen(total)
            case Finished() | Incomplete() | Failed() if self._spent is not None:
                return msgspec.structs.replace(event, usage=add(self._spent, event.usage))
        return event

    def _end(self, error: ErrorInfo) -> None:
        """Ends the answer as failed; nothing more is asked of anybody."""
        cut = [] if self._search is None else [BlockEnd(0, self._search, False)]
        self._pass([*cut, Failed(error)])

    def _close(self) -> None:
        if not self._run.over:
            self._run.abort()
        if self._between is not None and self._between is not asyncio.current_task():
            self._between.cancel()
        self.done.set()
