"""The simulator's side of a connection: reading, refusing strangers, and writing records in uneven pieces."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any

import msgspec

from dragoman.simulator.requests import Outcome
from dragoman.simulator.speech import Step, cut

MAX_BODY = 64 * 1024 * 1024
"""Largest body (bytes)."""
_SECRET = ("authorization", "api-key", "x-api-key", "cookie")


def loopback_name(host: str) -> bool:
    """Whether a Host header names this machine. A port may stand behind it."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def plain_error(code: int, message: str) -> bytes:
    """An error of the simulator's own door, in a shape that every client can read."""
    return msgspec.json.encode({"error": {"code": str(code), "message": message, "type": ""}})


def refuse_host(headers: dict[str, str]) -> tuple[int, str] | None:
    """Web pages have no business here: a foreign Host is 421, any Origin 403."""
    if "origin" in headers:
        return 403, "requests from web pages are not allowed"
    if not loopback_name(headers.get("host", "")):
        return 421, "the Host header must be a loopback name"
    return None


class Connection:
    """One request and its answer. `gone` is set when the client leaves."""

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        *,
        split: bool = True,
    ) -> None:
        self.method: str = scope["method"]
        self.headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        self.gone = asyncio.Event()
        self._receive = receive
        self._send = send
        self._split = split

    def shown_headers(self) -> dict[str, str]:
        """The headers for the log, without keys."""
        return {k: "(hidden)" if k in _SECRET else v for k, v in self.headers.items()}

    async def receive(self) -> MutableMapping[str, Any]:
        """The next message from the server."""
        return await self._receive()

    async def json(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """A whole answer."""
        merged = {"content-type": "application/json", **(headers or {}), "content-length": str(len(body))}
        await self._start(status, merged)
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        raw = [(k.encode(), v.encode()) for k, v in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def pause(self, seconds: float) -> None:
        """Silence, which ends early when the client leaves."""
        watcher = asyncio.create_task(self._watch())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), seconds)
        finally:
            watcher.cancel()

    async def half(self, body: bytes) -> Outcome:
        """Half of a whole answer, then the connection closes."""
        await self._start(200, {"content-type": "application/json", "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        return "dropped"

    async def stream(self, steps: Iterable[Step], *, first: float, pace: float) -> Outcome:
        """The records as an SSE stream. A `drop` step closes the connection without the end of the body."""
        await self._start(200, {"content-type": "text/event-stream", "cache-control": "no-cache"})
        watcher = asyncio.create_task(self._watch())
        try:
            return await self._records(steps, first, pace)
        finally:
            watcher.cancel()

    async def _records(self, steps: Iterable[Step], first: float, pace: float) -> Outcome:
        waiting: list[bytes] = []
        for index, step in enumerate(steps):
            silence = step.pause or (first if index == 1 else 0.0) or (pace if index else 0.0)
            if silence:
                await self._write(waiting)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.gone.wait(), silence)
            if self.gone.is_set():
                return "client_gone"
            if step.kind == "drop":
                await self._write(waiting)
                return "dropped"
            waiting.append(step.data)
        await self._write(waiting)
        if self.gone.is_set():
            return "client_gone"
        await self._send({"type": "http.response.body", "body": b""})
        return "done"

    async def _write(self, waiting: list[bytes]) -> None:
        data = b"".join(waiting)
        waiting.clear()
        for piece in cut(data, self._split) if data else ():
            if self.gone.is_set():
                return
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)

    async def _watch(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return

    def abort(self) -> None:
        """Closes the connection before any header. The ASGI protocol has no word for that, so the server's own
        transport is used; a server without one answers 500 instead."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()


async def read_request(connection: Connection) -> bytes:
    """The body of the request, up to `MAX_BODY`."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await connection.receive()
        if message["type"] == "http.disconnect":
            connection.gone.set()
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body") or size > MAX_BODY:
            return b"".join(parts)
