"""One answer that is not streamed: the events are folded, kept, and told as one JSON body.

The same laws as for a stream: the client's leaving aborts the call, what the next turn needs is kept before the body
leaves, and a failure is a real HTTP error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Raw
from starlette.types import Receive, Send

from dragoman.client.running import Running
from dragoman.core.events import BlockEnd, Event, Failed, Noted
from dragoman.core.fold import Folder, Reply
from dragoman.errors import ErrorInfo
from dragoman.gateway import answers, keep
from dragoman.gateway.intake import Ask
from dragoman.gateway.result import Result
from dragoman.gateway.wires import wire
from dragoman.store.sessions import SessionStore
from dragoman.wire.base import Mint

_GONE = ErrorInfo("aborted", "the client went away", retryable=False)


class WholeAnswer:
    """The engine's sink, and what tells the client."""

    committed = False

    def __init__(
        self,
        ask: Ask,
        *,
        store: SessionStore | None,
        present: Callable[[ErrorInfo], ErrorInfo],
        mint: Mint,
        now: Callable[[], float],
    ) -> None:
        self.result = Result()
        self._ask = ask
        self._store = store if ask.store else None
        self._present = present
        self._mint = mint
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._fold = Folder()
        self._done = asyncio.Event()
        self._gone = False
        self._run: Running | None = None

    def upstream_ok(self) -> None:
        """The vendor answered 200."""
        if self.result.first_byte is None:
            self.result.first_byte = self._loop.time() - self._began

    def events(self, batch: list[Event]) -> None:
        """More events of the answer."""
        try:
            self._take(batch)
        except Exception as error:  # boundary: a defect of ours must not leave the client without an answer
            self.result.defect = error
            self._done.set()

    def _take(self, batch: list[Event]) -> None:
        turn = self._ask.turn
        self._fold.feed(batch)
        for event in batch:
            if isinstance(event, BlockEnd) and turn is not None:
                turn.block(event)
            elif isinstance(event, Noted):
                self.result.notes.append(event.note)
        if self._fold.end is not None:
            self._done.set()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._done.is_set():
            self._gone = True
            if self._run is not None:
                self._run.abort(_GONE)
            self._done.set()

    async def serve(
        self,
        start: Callable[[WholeAnswer], Running],
        receive: Receive,
        send: Send,
        headers: Callable[[], answers.Headers],
    ) -> None:
        """Gives the answer. headers: the answer's own, asked for when all notes are known."""
        watcher: asyncio.Task[None] | None = None
        try:
            self._run = start(self)
            watcher = self._loop.create_task(self._watch(receive))
            await self._done.wait()
            reply = self._fold.reply()
            self.result.end, self.result.usage = reply.end, reply.usage
            if self._gone:
                self.result.status = 499
            else:
                await self._tell(reply, send, headers)
        finally:
            await self._release(watcher)

    async def _tell(self, reply: Reply, send: Send, headers: Callable[[], answers.Headers]) -> None:
        error = reply.end.error if isinstance(reply.end, Failed) else None
        body = b""
        if error is None or self.result.defect is not None:
            try:
                body, error = await self._make(reply)
            except Exception as defect:  # boundary: as in events
                self.result.defect = self.result.defect or defect
                error = ErrorInfo("internal", "the gateway failed on this answer; its log says where")
        if error is not None:
            self.result.end = Failed(error, self.result.usage)
            await self._error(error, send, headers)
            return
        self.result.status = 200
        await answers.send_json(send, 200, body, headers())

    async def _make(self, reply: Reply) -> tuple[bytes, ErrorInfo | None]:
        """The body, once what the next turn needs is kept; or why there is none."""
        if self.result.defect is not None:
            raise self.result.defect
        turn = self._ask.turn
        if turn is not None:
            turn.remember()
            await turn.settle()
            self.result.notes += turn.take_failure()
        body = wire(self._ask.wire).encode_whole(self._ask.view, reply, self._mint, int(self._now()), self._ask.id)
        if self._store is not None:
            item = keep.record(self._ask, reply.end, keep.output_of(body), Raw(body), int(self._now()))
            waiting = keep.put(self._store, item)
            if waiting is not None and not await keep.kept(waiting):
                return b"", keep.failure()
        return body, None

    async def _error(self, error: ErrorInfo, send: Send, headers: Callable[[], answers.Headers]) -> None:
        status, body, own = answers.error_answer(self._present(error), self._ask.wire, self._ask.request_id)
        self.result.status = status
        await answers.send_json(send, status, body, [*headers(), *own])

    async def _release(self, watcher: asyncio.Task[None] | None) -> None:
        run = self._run
        if run is not None:
            run.abort(_GONE)
            self.result.attempts = run.attempts
        if self.result.end is None:
            self.result.end = self._fold.end
            self.result.usage = self._fold.usage
        if self._ask.turn is not None:
            self._ask.turn.discard()
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])
