"""The one timer of a run: how long the whole answer, its first byte and a silence may take, and when to try again.

In: limits, and the attempt that is under way. Out: one call, either of what is due or of `late` with the time-out that
was passed. Bytes move no timer: when it rings, it looks how old the last one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dragoman.client.attempt import Attempt
from dragoman.client.retry import Timeouts
from dragoman.errors import ErrorInfo

_NEVER = float("inf")


class Watch:
    """A run's timer; whatever is set replaces what was set before.

    limits: seconds, 0 is no limit. late: hears which limit was passed. paused: the client cannot take more, so that a
    silence is not the vendor's.
    """

    __slots__ = ("_attempt", "_late", "_limits", "_loop", "_started", "_timer", "paused")

    def __init__(self, limits: Timeouts, late: Callable[[ErrorInfo], None]) -> None:
        self._limits = limits
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._attempt: Attempt | None = None
        self.paused = False

    def time(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    def time_for(self, delay: float) -> bool:
        """Whether the total time leaves room for a wait of so many seconds."""
        total = self._limits.total
        return not total or self._loop.time() + delay < self._started + total

    def soon(self, call: Callable[[ErrorInfo], None], error: ErrorInfo) -> None:
        """Calls at the loop's next turn."""
        self.cancel()
        self._timer = self._loop.call_soon(call, error)

    def later(self, delay: float, call: Callable[[], None]) -> None:
        """Calls after so many seconds."""
        self.cancel()
        self._timer = self._loop.call_later(delay, call)

    def over(self, attempt: Attempt) -> None:
        """Watches this attempt."""
        self._attempt = attempt
        limits = self._limits
        soonest = [attempt.began + limit for limit in (limits.first_byte, limits.idle) if limit]
        self._wake(min(soonest, default=_NEVER))

    def cancel(self) -> None:
        """Nothing is due any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self, soonest: float) -> None:
        """Looks again at `soonest`, or when the total time is up."""
        total = self._limits.total
        when = min(soonest, self._started + total if total else _NEVER)
        self.cancel()
        if when < _NEVER:
            self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        attempt, limits, now = self._attempt, self._limits, self._loop.time()
        assert attempt is not None
        if limits.total and now >= self._started + limits.total:
            self._late(timed_out("total", limits.total, "the answer was not whole"))
            return
        limit = limits.idle if attempt.headed else limits.first_byte
        if limit:
            due = (now if self.paused else attempt.life) + limit
        else:
            due = now + limits.idle if limits.idle else _NEVER
        if now < due:
            self._wake(due)
        elif attempt.headed:
            self._late(timed_out("idle", limit, "the upstream was silent"))
        else:
            self._late(timed_out("first_byte", limit, "the upstream did not answer"))


def timed_out(which: str, seconds: float, what: str) -> ErrorInfo:
    """The failure of a limit that was passed. which: its name among the settings."""
    return ErrorInfo("timeout", f"{what} within {seconds:g} s (timeouts.{which})", code=f"{which}_timeout")
