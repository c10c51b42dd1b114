"""One streamed answer: events in from the engine, frames out to the client, until exactly one end.

Commit (law 16): nothing is sent before the stream is committed, so that a failure can still be a real HTTP error. Hold
(law 15): events from a call's end or the answer's end on wait, unencoded, until what the next turn needs is kept; the
loop is never blocked. Disconnect (law 14): the run is aborted at once. Back pressure: a client that reads slowly makes
the vendor wait. All frames of one read leave in one send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.types import Receive, Send

from dragoman.client.running import Running
from dragoman.core.events import (
    TERMINAL,
    BlockEnd,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    Terminal,
    UsageSeen,
)
from dragoman.core.messages import ToolCall
from dragoman.errors import ErrorInfo
from dragoman.gateway import answers, keep
from dragoman.gateway.commit import CommitClock, Limits
from dragoman.gateway.intake import Ask
from dragoman.gateway.result import Result
from dragoman.gateway.writer import Outbox
from dragoman.store.sessions import SessionStore
from dragoman.wire.base import StreamEncoder
from dragoman.wire.sse import comment, frames

KEEPALIVE = comment("keepalive")
_HEADERS: answers.Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_GONE = ErrorInfo("aborted", "the client went away", retryable=False)


class StreamAnswer:
    """The engine's sink and the client's writer in one. start: makes the run with this object as its sink."""

    def __init__(
        self,
        ask: Ask,
        encoder: StreamEncoder,
        limits: Limits,
        *,
        store: SessionStore | None,
        present: Callable[[ErrorInfo], ErrorInfo],
        headers: answers.Headers,
        now: Callable[[], float],
    ) -> None:
        self.committed = False
        self.result = Result()
        self._ask = ask
        self._encoder = encoder
        self._limits = limits
        self._store = store if ask.store else None
        self._present = present
        self._headers = headers
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._clock = CommitClock(self._began, limits.commit, limits.commit_headers)
        self._wrote = self._began
        self._held: list[Event] | None = None
        self._over = False
        self._gone = False
        self._refusal: ErrorInfo | None = None
        self._run: Running | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._commit_timer: asyncio.TimerHandle | None = None
        self._alive_timer: asyncio.TimerHandle | None = None
        self._out = Outbox(self._pause, self._resume)

    # -- the engine's sink

    def upstream_ok(self) -> None:
        """The vendor answered 200."""
        if self.result.first_byte is None:
            self.result.first_byte = self._loop.time() - self._began
        if not self.committed and self._clock.upstream_ok(self._loop.time()):
            self._arm()

    def events(self, batch: list[Event]) -> None:
        """More events of the answer."""
        try:
            self._take(batch)
        except Exception as error:  # boundary: a defect of ours must not leave the client without an end
            self._break(error)

    def _take(self, batch: list[Event]) -> None:
        if self._gone:
            self._note_end(batch[-1])
            return
        if not self.committed:
            last = batch[-1]
            if type(last) is Failed and not any(type(e) is BlockEnd for e in batch):
                self._refuse(last, batch)
                return
            self._commit()
        if self._held is not None:
            self._held += batch
        else:
            self._pass(batch)

    def _break(self, error: Exception) -> None:
        """Ends the answer as failed, as well as that can still be said."""
        self.result.defect = error
        failed = Failed(ErrorInfo("internal", "the gateway failed on this answer; its log says where"))
        self._note_end(failed)
        self._held = None
        if not self.committed:
            self._refusal = failed.error
        elif not self._over:
            self._over = True
            try:
                self._send(self._encoder.encode([failed]))
            except Exception:  # boundary: the encoder itself is what broke
                self._wrote = self._loop.time()
        self._out.close()

    def _refuse(self, failed: Failed, batch: list[Event]) -> None:
        self.result.notes += [e.note for e in batch if isinstance(e, Noted)]
        self._note_end(failed)
        self._refusal = failed.error
        self._out.close()

    def _note_end(self, event: Event) -> None:
        if isinstance(event, TERMINAL) and self.result.end is None:
            self.result.end = event
            self.result.usage = event.usage or self.result.usage

    # -- remembered before told

    def _pass(self, batch: list[Event]) -> None:
        """Encodes the batch, up to an event that must wait."""
        turn = self._ask.turn
        for i, event in enumerate(batch):
            kind = type(event)
            if kind is BlockEnd:
                if turn is None:
                    continue
                turn.block(event)  # type: ignore[arg-type]
                if type(event.block) is ToolCall and event.complete:  # type: ignore[union-attr]
                    turn.remember()
            elif kind is Finished or kind is Incomplete or kind is Failed:
                if turn is not None:
                    turn.remember()
                self._note_end(event)
            elif kind is UsageSeen:
                self.result.usage = event.usage  # type: ignore[union-attr]
                continue
            elif kind is Noted:
                self.result.notes.append(event.note)  # type: ignore[union-attr]
                continue
            else:
                continue
            if turn is not None and (turn.pending or turn.failed):
                self._emit(batch[:i])
                self._held = batch[i:]
                self._spawn(self._settle())
                return
        self._emit(batch)

    async def _settle(self) -> None:
        """Waits for the vault, then lets go what was held."""
        turn = self._ask.turn
        assert turn is not None
        await turn.settle()
        held, self._held = self._held or [], None
        owed = turn.take_failure()
        self.result.notes += owed
        self._emit([*(Noted(note) for note in owed), *held[:1]])
        if held[1:]:
            self._pass(held[1:])

    def _emit(self, batch: list[Event]) -> None:
        if not batch or self._over or self._gone:
            return
        last = batch[-1]
        if type(last) is Failed:
            last = Failed(self._present(last.error), last.usage)
            batch = [*batch[:-1], last]
        made = self._encoder.encode(batch)
        if not isinstance(last, TERMINAL):
            self._send(made)
            return
        self._over = True
        final = getattr(self._encoder, "final", None)
        if self._store is None or final is None:
            self._finish(made)
            return
        output = getattr(self._encoder, "output", [])
        waiting = keep.put(self._store, keep.record(self._ask, last, output, final, int(self._now())))
        if waiting is None:
            self._finish(made)
        else:
            self._spawn(self._keep(waiting, made, last))

    async def _keep(self, waiting: Awaitable[None], made: list[tuple[str, bytes]], end: Terminal) -> None:
        if not await keep.kept(waiting) and not isinstance(end, Failed):
            error = keep.failure()
            made = keep.failed_frames(made, error)
            self.result.end = Failed(error, self.result.usage)
        self._finish(made)

    # -- towards the client

    def _send(self, made: list[tuple[str, bytes]]) -> None:
        if made:
            self._wrote = self._loop.time()
            self._out.write(frames(made))

    def _finish(self, made: list[tuple[str, bytes]]) -> None:
        self._send(made)
        self._out.close()

    def _commit(self) -> None:
        if self.committed or self._refusal is not None:
            return
        self.committed = True
        self._send(self._encoder.preamble())
        self._out.wake.set()

    def _arm(self) -> None:
        if self._commit_timer is not None:
            self._commit_timer.cancel()
        self._commit_timer = self._loop.call_at(self._clock.deadline, self._commit)

    def _alive(self) -> None:
        """Shows life when nothing else was sent for a while."""
        period = self._limits.keepalive
        if self.committed and not self._over and not self._out.size and self._loop.time() >= self._wrote + period:
            self._wrote = self._loop.time()
            self._out.write(KEEPALIVE + frames(self._encoder.keepalive()))
        due = self._wrote + period
        self._alive_timer = self._loop.call_at(max(due, self._loop.time() + period / 4), self._alive)

    def _pause(self) -> None:
        if self._run is not None:
            self._run.pause()

    def _resume(self) -> None:
        if self._run is not None:
            self._run.resume()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._break(error)

    async def _watch(self, receive: Receive) -> None:
        """Waits for the client to go, then ends the call."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._out.closed:
            self._gone = True
            if self._run is not None:
                self._run.abort(_GONE)
            self._out.close()

    # -- the request's own task

    async def serve(self, start: Callable[[StreamAnswer], Running], receive: Receive, send: Send) -> None:
        """Gives the answer. Cancelled at any point, the run is aborted and nothing is left running."""
        try:
            self._run = start(self)
            self._arm()
            if self._limits.keepalive > 0:
                self._alive_timer = self._loop.call_later(self._limits.keepalive, self._alive)
            self._spawn(self._watch(receive))
            await self._pump(send)
        finally:
            await self._release()

    async def _pump(self, send: Send) -> None:
        out = self._out
        begun = False
        while True:
            await out.wake.wait()
            out.wake.clear()
            if self._gone:
                self.result.status = self.result.status or 499
                return
            if self._refusal is not None:
                await self._send_error(send, self._refusal)
                return
            if not begun:
                begun = True
                self.result.status = 200
                headers = _HEADERS + self._headers
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            closed = out.closed
            data = out.take()
            if data or closed:
                await send({"type": "http.response.body", "body": data, "more_body": not closed})
                out.sent(len(data))
            if closed:
                return

    async def _send_error(self, send: Send, error: ErrorInfo) -> None:
        shown = self._present(error)
        status, body, headers = answers.error_answer(shown, self._ask.wire, self._ask.request_id)
        self.result.status = status
        await answers.send_json(send, status, body, [*self._headers, *headers])

    async def _release(self) -> None:
        for timer in (self._commit_timer, self._alive_timer):
            if timer is not None:
                timer.cancel()
        run = self._run
        if run is not None:
            self._gone = self._gone or not run.over
            run.abort(_GONE)
            self.result.attempts = run.attempts
        if self._ask.turn is not None:
            self._ask.turn.discard()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
