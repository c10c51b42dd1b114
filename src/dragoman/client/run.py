"""One run: attempts until one of them ends for good, watched over by one timer, told to one sink.

In: plans, and what attempts report. Out: batches of events to the client's sink, exactly one terminal event, last.
Events before the first content are held, so that an attempt that fails there can be made again unseen (law 16). Stages
given by the caller stand behind that hold and see one attempt only. Everything is synchronous but `wait`. How long
things may take is `watch`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from dragoman.client.attempt import Attempt, CallPlan, internal
from dragoman.client.running import Awaited, EventSink, Means, cancelled, clean
from dragoman.client.transport import Exchange, HttpCall
from dragoman.client.watch import Watch
from dragoman.core.events import CONTENT, TERMINAL, Event, Failed, Noted, RawFrame, Started
from dragoman.core.notes import Note
from dragoman.core.stage import Stage
from dragoman.errors import DragomanError, ErrorInfo
from dragoman.wire.waits import reset_wait, retry_after

_CONTENT = frozenset(CONTENT)
_ENDS = frozenset(TERMINAL)


class Run(Awaited):
    """A run under way. `pause` and `resume` pass back pressure on; `abort` ends it; `wait` waits for its end."""

    __slots__ = (
        "_attempt", "_content", "_exchange", "_extra", "_held", "_late", "_means", "_notes", "_plan", "_sink", "_watch",
        "attempts", "plan",
    )  # fmt: skip

    def __init__(
        self, means: Means, plan: CallPlan | Callable[[int], CallPlan], sink: EventSink, stages: Sequence[Stage]
    ) -> None:
        super().__init__()
        self._means = means
        self._plan = plan
        self._sink = sink
        self._extra = tuple(stages)
        self._watch = Watch(means.timeouts, self._stop)
        self._attempt: Attempt | None = None
        self._exchange: Exchange | None = None
        self._held: list[Event] = []
        self._notes: list[Event] = []
        self._content = False
        self._late = 0
        self.attempts = 0
        """Calls made so far."""
        self.plan: CallPlan | None = None
        """The plan of the current attempt."""
        self._begin()

    # -- the caller's face

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the vendor's latest answer."""
        return self._attempt.headers if self._attempt is not None else {}

    def pause(self) -> None:
        """The client cannot take more for now."""
        self._watch.paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client can take more."""
        if not self._watch.paused:
            return
        self._watch.paused = False
        if self._attempt is not None:
            self._attempt.life = self._watch.time()
        if self._exchange is not None:
            self._exchange.resume()

    def abort(self, error: ErrorInfo | None = None) -> None:
        """Ends the run now; the sink gets its terminal event before this returns, and the connection is closed."""
        self._stop(error or cancelled())

    # -- attempts

    def _begin(self) -> None:
        try:
            plan = self._plan(self.attempts) if callable(self._plan) else self._plan
        except DragomanError as error:
            self._watch.soon(self._stop, error.info)
            return
        except Exception as error:  # boundary: called from the loop, where nobody would hear it
            self._watch.soon(self._stop, internal(error, "planning").error)
            return
        self.plan = plan
        self.attempts += 1
        means = self._means
        self._attempt = Attempt(plan, self, means.mint, self._watch.time)
        call = HttpCall(plan.url, dict(plan.headers), plan.body, means.timeouts.connect)
        self._exchange = means.transport.open(call, self._attempt)
        if self._watch.paused:
            self._exchange.pause()
        self._watch.over(self._attempt)

    def answered(self) -> None:
        """An attempt's head came with 2xx."""
        if not self.over:
            self._sink.upstream_ok()

    def events(self, attempt: Attempt | None, batch: list[Event]) -> None:
        """An attempt's events."""
        if self.over or attempt is not self._attempt:
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
            if wait is None and error.kind in ("rate_limit", "billing", "overloaded"):
                wait = reset_wait(error.message, self._means.now())
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
        if not self._watch.time_for(delay):
            return False
        self._drop_exchange(keep=bool(error.upstream_status))
        self._attempt = None
        self._held = []
        self._notes.append(Noted(Note("retried", "", f"attempt {self.attempts} failed: {error.code or error.kind}")))
        self._watch.later(delay, self._begin)
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
            self.crash = error
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
        self.over = True
        try:
            self._sink.events(batch)
        except Exception as error:  # boundary: as above
            self.crash = error
        finally:
            self._close(keep=not isinstance(last, Failed))

    def _close(self, *, keep: bool) -> None:
        self.over = True
        self._watch.cancel()
        self._drop_exchange(keep=keep)
        self.done.set()

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
        if self.over:
            return
        attempt = self._attempt
        self._drop_exchange(keep=False)
        if attempt is None:
            self._held.append(Failed(error))
            self._deliver(self._unhold())
            return
        batch = attempt.finish(error)
        self.events(attempt, batch or [Failed(error)])
