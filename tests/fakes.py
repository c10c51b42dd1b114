"""Fakes that many tests share: a scripted upstream on a raw socket, a transport in memory, a toy plan, an event log.

`async with Upstream() as up` listens on loopback; `up.push(Answer(...))` scripts what the next requests get, byte by
byte; `up.requests` holds what came. Nothing here waits for time: pieces may be `asyncio.Event`s to wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from dragoman.client.transport import HttpCall, Sink
from dragoman.core.events import Event, Failed, Finished, Noted, Started
from dragoman.core.notes import Note
from dragoman.core.stage import Stage
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext, Malformed, Mint, StreamDecoder

RESET = object()
"""A piece: the connection is reset here."""
CLOSE = object()
"""A piece: the connection is closed here, in the middle of the body."""
STALL = object()
"""A piece: nothing more comes, and the connection stays."""

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


class Answer:
    """One scripted answer. pieces: bytes, RESET, CLOSE, STALL, or an asyncio.Event that is waited for.

    framing: `chunked`, `length` (needs bytes only), `close` (the body ends with the connection), `none` (the pieces
    are the whole raw answer, status line included).
    """

    def __init__(
        self,
        *pieces: Any,
        status: int = 200,
        headers: Mapping[str, str] = SSE,
        framing: str = "chunked",
    ) -> None:
        self.pieces = pieces
        self.status = status
        self.headers = dict(headers)
        self.framing = framing


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """A whole JSON answer."""
    body = json.dumps(value).encode()
    more = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(body, status=status, headers={**JSON, **more}, framing="length")


def sse(*payloads: Any, done: bool = True) -> bytes:
    """SSE data lines: each payload an object, or raw text."""
    lines = [b"data: " + (p.encode() if isinstance(p, str) else json.dumps(p).encode()) + b"\n\n" for p in payloads]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


class Got(msgspec.Struct):
    """One request as it came. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class _Connection(asyncio.Protocol):
    def __init__(self, up: Upstream) -> None:
        self.up = up
        self.buffer = b""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.number = self.up.connections
        self.up.connections += 1
        self.up.open.add(self)
        self.up.changed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.up.open.discard(self)
        if self.tasks:
            self.up.disconnects += 1
        for task in list(self.tasks):
            task.cancel()
        self.up.changed()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return
        self.buffer = rest[size:]
        method, path, _ = first.split(" ", 2)
        self.up.requests.append(Got(method, path, headers, rest[:size], self.number))
        self.up.changed()
        task = asyncio.get_running_loop().create_task(self.answer(self.up.next()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, answer: Answer) -> None:
        headers = dict(answer.headers)
        if answer.framing == "chunked":
            headers["transfer-encoding"] = "chunked"
        elif answer.framing == "length":
            headers["content-length"] = str(sum(map(len, answer.pieces)))
        elif answer.framing == "close":
            headers["connection"] = "close"
        if answer.framing != "none":
            lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
            self.transport.write("\r\n".join(lines).encode("latin-1"))
        for piece in answer.pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif piece is RESET:
                self.transport.abort()
                return
            elif piece is CLOSE:
                self.transport.close()
                return
            elif piece is STALL:
                await asyncio.get_running_loop().create_future()
            elif answer.framing == "chunked":
                self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                self.transport.write(piece)
        if answer.framing == "chunked":
            self.transport.write(b"0\r\n\r\n")
        elif answer.framing in ("close", "none"):
            self.transport.close()


class Upstream:
    """A scripted HTTP/1.1 server on loopback.

    connections: how many were accepted. open: those that are. disconnects: connections that the client closed while
    an answer was under way.
    """

    def __init__(self) -> None:
        self.requests: list[Got] = []
        self.connections = 0
        self.disconnects = 0
        self.open: set[Any] = set()
        self.always: Callable[[], Answer] | None = None
        self._answers: list[Answer] = []
        self._changed = asyncio.Event()
        self._server: Any = None

    async def __aenter__(self) -> Upstream:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for connection in list(self.open):
            connection.transport.abort()
        await self.until(lambda: not self.open)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def push(self, *answers: Answer) -> None:
        """Scripts the answers to the next requests."""
        self._answers.extend(answers)

    def next(self) -> Answer:
        """The answer for a request that has come."""
        if self._answers:
            return self._answers.pop(0)
        return self.always() if self.always else json_answer({"error": {"message": "nothing scripted"}}, status=418)

    def changed(self) -> None:
        """Wakes those who wait."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds; it is looked at whenever a connection or request comes or goes."""
        while not condition():
            await self._changed.wait()


# -- in memory


class MemoryExchange:
    """An exchange that the test drives: `sink.head`, `sink.feed`, `sink.end` are called by hand."""

    def __init__(self, call: HttpCall, sink: Sink) -> None:
        self.call = call
        self.target = sink
        self.live = True
        self.log: list[str] = []

    def pause(self) -> None:
        self.log.append("pause")

    def resume(self) -> None:
        self.log.append("resume")

    def release(self) -> None:
        self._over("release")

    def abort(self) -> None:
        self._over("abort")

    def _over(self, how: str) -> None:
        if self.live:
            self.live = False
            self.log.append(how)

    # driven by the test

    def head(self, status: int = 200, headers: Mapping[str, str] = SSE) -> None:
        if self.live:
            self.target.head(status, headers)

    def feed(self, data: bytes) -> None:
        if self.live:
            self.target.feed(data)

    def end(self, error: ErrorInfo | None = None) -> None:
        if self.live:
            self.live = False
            self.log.append("ended")
            self.target.end(error)


class MemoryTransport:
    """A transport without sockets. `exchanges` holds all that were opened; `await opened(n)` waits for the n-th."""

    def __init__(self) -> None:
        self.exchanges: list[MemoryExchange] = []
        self._changed = asyncio.Event()

    def open(self, call: HttpCall, sink: Sink) -> MemoryExchange:
        exchange = MemoryExchange(call, sink)
        self.exchanges.append(exchange)
        self._changed.set()
        return exchange

    async def opened(self, number: int) -> MemoryExchange:
        while len(self.exchanges) < number:
            self._changed.clear()
            await self._changed.wait()
        return self.exchanges[number - 1]

    async def close(self) -> None:
        for exchange in self.exchanges:
            exchange.end(ErrorInfo("aborted", "closed"))


class ToyDecoder(StreamDecoder):
    """A toy wire: `{"text": ..}`, `{"think": ..}`, `{"usage": [in, out]}`, `{"error": kind}`, `{"stop": word}`."""

    def on_event(self, name: str, data: bytes, out: list[Event]) -> None:
        if data == b"[DONE]":
            return
        try:
            value = json.loads(data)
        except ValueError as error:
            raise Malformed(str(error)) from None
        if "start" in value:
            out.append(Started(value["start"]))
        if "think" in value:
            self.assembler.reasoning(value["think"], out)
        if "text" in value:
            self.assembler.text(value["text"], out)
        if "call" in value:
            self.assembler.call(out, **value["call"])
        if "usage" in value:
            self.saw_usage(Usage(value["usage"][0], output=value["usage"][1]), out)
        if "note" in value:
            out.append(Noted(Note(value["note"])))
        if "error" in value:
            self.fail(ErrorInfo(value["error"], "in the stream"), out)
        if "stop" in value:
            self.finish(Finished(raw=value["stop"]), out)


class ToyPlan:
    """A plan for the toy wire."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:9/v1",
        *,
        stream: bool = True,
        stages: Callable[[], Sequence[Stage]] = lambda: (),
        key: str = "sk-toy-0123456789",
        account: str = "main",
    ) -> None:
        self.provider = "toy"
        self.account = account
        self.url = url
        self.headers: Mapping[str, str] = {"Authorization": f"Bearer {key}", "content-type": "application/json"}
        self.body = b'{"hello":true}'
        self.stream = stream
        self.secrets = (key,)
        self._stages = stages

    def decoder(self, mint: Mint, turn: str) -> StreamDecoder:
        return ToyDecoder(DecodeContext(provider="toy", turn=turn, mint=mint))

    def whole(self, body: bytes, mint: Mint, turn: str) -> list[Event]:
        decoder = self.decoder(mint, turn)
        return [*decoder.feed(b"data: " + body.strip() + b"\n\n"), *decoder.end()]

    def stages(self) -> Sequence[Stage]:
        return self._stages()

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
        kinds: dict[int, Any] = {400: "invalid_request", 401: "auth", 402: "billing", 403: "auth", 404: "not_found"}
        kind = kinds.get(status, "rate_limit" if status == 429 else "server")
        return ErrorInfo(kind, f"refused: {body.decode()}", upstream_status=status, raw=body.decode())


class EventLog:
    """A sink that remembers. `committed` may be set by the test; `ends` counts the terminal events."""

    def __init__(self) -> None:
        self.committed = False
        self.batches: list[list[Event]] = []
        self.ok = 0
        self._changed = asyncio.Event()

    def upstream_ok(self) -> None:
        self.ok += 1

    def events(self, batch: list[Event]) -> None:
        self.batches.append(list(batch))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds; it is looked at after each batch."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    @property
    def all(self) -> list[Event]:
        """Every event, in order."""
        return [event for batch in self.batches for event in batch]

    @property
    def names(self) -> list[str]:
        """The events' class names."""
        return [type(event).__name__ for event in self.all]

    @property
    def ends(self) -> int:
        """How many terminal events came."""
        return sum(name in ("Finished", "Incomplete", "Failed") for name in self.names)

    @property
    def error(self) -> ErrorInfo:
        """The error of the terminal event, which must be a failure."""
        last = self.all[-1]
        assert isinstance(last, Failed), last
        return last.error


async def settle(turns: int = 10) -> None:
    """Lets everything run that is ready to."""
    for _ in range(turns):
        await asyncio.sleep(0)


@contextlib.contextmanager
def environment(monkeypatch: Any, **values: str) -> Any:
    """Sets environment variables for a block."""
    with monkeypatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield
