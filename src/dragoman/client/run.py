"""One run: attempts until one of them ends for good, watched over by one timer, told to one sink.

In: plans, and what attempts report. Out: batches of events to the client's sink, exactly one terminal event, last.
Events before the first content are held, so that an attempt that fails there can be made again unseen (law 16). Stages
given by the caller stand behind that hold and see one attempt only. Everything is synchronous but `wait`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from dragoman.client.attempt import Attempt, CallPlan, internal
from dragoman.client.retry import RetryPolicy, Timeouts, retry_after
from dragoman.client.transport import Exchange, HttpCall, Transport
from dragoman.core.events import CONTENT, TERMINAL, Event, Failed, Noted, RawFrame, Started
from dragoman.core.notes import Note
from dragoman.core.stage import Stage
from dragoman.errors import DragomanError, ErrorInfo
from dragoman.wire.base import Mint

MAX_RAW = 2048
"""Characters of a vendor's own error text that are kept."""
_CONTENT = frozenset(CONTENT)
_ENDS = frozenset(TERMINAL)
_NEVER = float("inf")


class EventSink(Protocol):
    """Where a run's events go. Never called before `Engine.start` has returned."""

    @property
    def committed(self) -> bool:
        """Whether the client has been sent lifecycle frames already."""
        ...

    def upstream_ok(self) -> None:
        """The vendor answered 2xx; again at each attempt that gets so far."""
        ...

    def events(self, batch: list[Event]) -> None:
        """More events. After a batch that ends in a terminal event nothing comes."""
        ...


class Means(msgspec.Struct, frozen=True):
    """What runs are made with. chance: between 0 and 1. now: seconds since 1970."""

    transport: Transport
    timeouts: Timeouts
    retry: RetryPolicy
    mint: Mint
    chance: Callable[[], float]
    now: Callable[[], float]


def clean(info: ErrorInfo, plan: CallPlan | None) -> ErrorInfo:
    """The error as it may be told: who failed is named, raw text is short, and no key of the plan's is in it."""
    message, raw = info.message, info.raw
    for secret in getattr(plan, "secrets", ()):
        if secret:
            message = message.replace(secret, "[key]")
            raw = raw and raw.replace(secret, "[key]")
    return msgspec.structs.replace(
        info,
        message=message,
        raw=raw and raw[:MAX_RAW],
        provider=info.provider or (plan.provider if plan else None),
        account=info.account or (plan.account if plan else None) or None,
    )


class Run:
    """A run under way. `pause` and `resume` pass back pressure on; `abort` ends it; `wait` waits for its end."""

    __slots__ = (
        "_attempt", "_content", "_crash", "_done", "_exchange", "_extra", "_held", "_late", "_loop", "_means",
        "_notes", "_over", "_paused", "_plan", "_sink", "_started", "_timer", "attempts", "plan",
    )  # fmt: skip

    def __init__(
        self, means: Means, plan: CallPlan | Callable[[int], CallPlan], sink: EventSink, stages: Sequence[Stage]
    ) -> None:
        self._means = means
        self._plan = plan
        self._sink = sink
        self._extra = tuple(stages)
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._done = asyncio.Event()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._attempt: Attempt | None = None
        self._exchange: Exchange | None = None
        self._held: list[Event] = []
        self._notes: list[Event] = []
        self._content = False
        self._over = False
        self._paused = False
        self._late = 0
        self._crash: Exception | None = None
        self.attempts = 0
        """Calls made so far."""
        self.plan: CallPlan | None = None
        """The plan of the current attempt."""
        self._begin()

    # -- the caller's face

    @property
    def over(self) -> bool:
        """Whether the terminal event was delivered."""
        return self._over

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the vendor's latest answer."""
        return self._attempt.headers if self._attempt is not None else {}

    async def wait(self) -> None:
        """Waits for the end. Raises only what the sink itself raised. Cancelled, it aborts the run."""
        try:
            await self._done.wait()
        except asyncio.CancelledError:
            self.abort()
            raise
        if self._crash is not None:
            raise self._crash

    def pause(self) -> None:
        """The client cannot take more for now."""
        self._paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client can take more."""
        if not self._paused:
            return
        self._paused = False
        if self._attempt is not None:
            self._attempt.life = self._loop.time()
        if self._exchange is not None:
            self._exchange.resume()

    def abort(self, error: ErrorInfo | None = None) -> None:
        """Ends the run now; the sink gets its terminal event before this returns, and the connection is closed."""
        self._stop(error or ErrorInfo("aborted", "the call was cancelled", retryable=False))

    # -- attempts

    def _begin(self) -> None:
        self._timer = None
        try:
            plan = self._plan(self.attempts) if callable(self._plan) else self._plan
        except DragomanError as error:
            self._timer = self._loop.call_soon(self._stop, error.info)
            return
        except Exception as error:  # boundary: called from the loop, where nobody would hear it
            self._timer = self._loop.call_soon(self._stop, internal(error, "planning").error)
            return
        self.plan = plan
        self.attempts += 1
        means = self._means
        self._attempt = Attempt(plan, self, means.mint, self._loop.time)
        call = HttpCall(plan.url, dict(plan.headers), plan.body, means.timeouts.connect)
        self._exchange = means.transport.open(call, self._attempt)
        if self._paused:
            self._exchange.pause()
        limits = means.timeouts
        self._watch(
            min([self._attempt.began + limit for limit in (limits.first_byte, limits.idle) if limit] or [_NEVER])
        )

    def answered(self) -> None:
        """An attempt's head came with 2xx."""
        if not self._over:
            self._sink.upstream_ok()

    def events(self, attempt: Attempt | None, batch: list[Event]) -> None:
        """An attempt's events."""
        if self._over or attempt is not self._attempt:
            return
        if self._content:
            self._deliver(batch)
            return
        held = self._held
        held += batch
        if any(type(event) in _CONTENT for event in batch):
            self._content = True
        else:
            last = batch[-1]
            if type(last) not in _ENDS or (isinstance(last, Failed) and self._again(last.error)):
                return
        self._deliver(self._unhold())

    def _unhold(self) -> list[Event]:
        held, self._held = self._held, []
        if self._notes:
            at = next((i for i, event in enumerate(held) if type(event) is not RawFrame), 0)
            if type(held[at]) is Started:
                at += 1
            held[at:at] = self._notes
            self._notes = []
        return held

    def _again(self, error: ErrorInfo) -> bool:
        """Arranges another attempt, if the failure and the policy allow one."""
        policy = self._means.retry
        if error.retry_after is None and self._attempt is not None:
            wait = retry_after(self._attempt.headers, self._means.now())
            if wait is not None:
                error = msgspec.structs.replace(error, retry_after=wait)
                self._held[-1] = Failed(error)
        if self.attempts >= policy.attempts or not policy.allows(error):
            return False
        if self._sink.committed:
            if self._late:
                return False
            self._late += 1
        delay = policy.delay(self.attempts - 1, error, self._means.chance())
        total = self._means.timeouts.total
        if total and self._loop.time() + delay >= self._started + total:
            return False
        self._drop_exchange(keep=bool(error.upstream_status))
        self._attempt = None
        self._held = []
        self._notes.append(Noted(Note("retried", "", f"attempt {self.attempts} failed: {error.code or error.kind}")))
        self._cancel_timer()
        self._timer = self._loop.call_later(delay, self._begin)
        return True

    # -- the end

    def _deliver(self, batch: list[Event]) -> None:
        """Passes a batch through the caller's stages to the sink; closes the run when the batch ends it."""
        if self._extra:
            batch = self._staged(batch)
            if not batch:
                return
        if type(batch[-1]) in _ENDS:
            self._finish(batch)
            return
        try:
            self._sink.events(batch)
        except Exception as error:  # boundary: the sink is the caller's; `wait` raises it there
            self._crash = error
            self._close(keep=False)

    def _staged(self, batch: list[Event]) -> list[Event]:
        owed = type(batch[-1]) in _ENDS
        try:
            for stage in self._extra:
                batch = stage.feed(batch)
        except Exception as error:  # boundary: a defect in a stage must not leave the client without an end
            return [internal(error, "a stage")]
        if owed and not (batch and type(batch[-1]) in _ENDS):
            return [*batch, Failed(ErrorInfo("internal", "a stage swallowed the end", retryable=False))]
        return batch

    def _finish(self, batch: list[Event]) -> None:
        last = batch[-1]
        if isinstance(last, Failed):
            batch[-1] = msgspec.structs.replace(last, error=clean(last.error, self.plan))
        self._over = True
        try:
            self._sink.events(batch)
        except Exception as error:  # boundary: as above
            self._crash = error
        finally:
            self._close(keep=not isinstance(last, Failed))

    def _close(self, *, keep: bool) -> None:
        self._over = True
        self._cancel_timer()
        self._drop_exchange(keep=keep)
        self._done.set()

    def _drop_exchange(self, *, keep: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if keep:
            exchange.release()
        else:
            exchange.abort()

    def _stop(self, error: ErrorInfo) -> None:
        """Ends the current attempt, or the wait between two, with `error`."""
        if self._over:
            return
        attempt = self._attempt
        self._drop_exchange(keep=False)
        if attempt is None:
            self._held.append(Failed(error))
            self._deliver(self._unhold())
            return
        batch = attempt.finish(error)
        self.events(attempt, batch or [Failed(error)])

    # -- the one timer

    def _watch(self, soonest: float) -> None:
        """Wakes at `soonest` or when the total time is up. Bytes move no timer: the tick looks how old the last is."""
        total = self._means.timeouts.total
        when = min(soonest, self._started + total if total else _NEVER)
        self._cancel_timer()
        if when < _NEVER:
            self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        attempt, limits, now = self._attempt, self._means.timeouts, self._loop.time()
        if limits.total and now >= self._started + limits.total:
            self._stop(_timeout("total", limits.total, "the answer was not whole"))
            return
        if attempt is None:
            return
        limit = limits.idle if attempt.headed else limits.first_byte
        if limit:
            due = (now if self._paused else attempt.life) + limit
        else:
            due = now + limits.idle if limits.idle else _NEVER
        if now < due:
            self._watch(due)
        elif attempt.headed:
            self._stop(_timeout("idle", limit, "the upstream was silent"))
        else:
            self._stop(_timeout("first_byte", limit, "the upstream did not answer"))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _timeout(which: str, seconds: float, what: str) -> ErrorInfo:
    return ErrorInfo("timeout", f"{what} within {seconds:g} s (timeouts.{which})", code=f"{which}_timeout")
