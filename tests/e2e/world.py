"""A whole gateway on loopback in front of a scripted upstream: what black-box cases are written against.

`async with world() as w` gives `w.post(path, body)`, `w.upstream` (push `Answer`s, read `requests`) and `w.base`. The
upstream speaks raw HTTP/1.1, so that it can stop, reset and stall at any byte.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from dragoman.config import load
from dragoman.gateway.app import create_app

CHUNK = {"id": "up_1", "object": "chat.completion.chunk", "created": 1764000000, "model": "m"}
RESET = object()
"""In an answer's pieces: the connection is reset here."""
CLOSE = object()
"""In an answer's pieces: the connection is closed in the middle of the body."""


def sse(*payloads: Any, done: bool = True) -> bytes:
    """Chat stream lines; a payload is an object, or raw text."""
    lines = [b"data: " + (p.encode() if isinstance(p, str) else json.dumps(p).encode()) + b"\n\n" for p in payloads]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


def chunk(finish: str | None = None, usage: Any = "absent", **delta: Any) -> dict[str, Any]:
    """One Chat chunk."""
    out: dict[str, Any] = {**CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    if usage != "absent":
        out["usage"] = usage
    return out


def usage_chunk(prompt: int = 3, completion: int = 2, cached: int | None = 1, **more: Any) -> dict[str, Any]:
    """The usage-only chunk at the end."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}
    usage["prompt_tokens_details"] = {"cached_tokens": cached}
    return {**CHUNK, "choices": [], "usage": usage}


def call(
    index: int | None = 0, id: str | None = "call_a", name: str | None = "f", arguments: str | None = ""
) -> dict[str, Any]:
    """One fragment of a tool call, as a delta."""
    made: dict[str, Any] = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    if index is not None:
        made["index"] = index
    return {"tool_calls": [made]}


def message(
    content: str | None = "Hello", finish: str = "stop", *, usage: Any = "default", **more: Any
) -> dict[str, Any]:
    """A whole Chat answer."""
    if usage == "default":
        usage = {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 1},
        }
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **more}}
    return {
        "id": "up_1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


@dataclass
class Answer:
    """What the upstream does with one request.

    pieces: bytes to write, floats or events to wait for, RESET or CLOSE. A dict body is sent as JSON.
    """

    pieces: list[Any] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None

    @classmethod
    def stream(cls, *payloads: Any, done: bool = True, **more: Any) -> Answer:
        """A Chat stream in one piece."""
        return cls([sse(*payloads, done=done)], **more)


class Upstream:
    """The scripted vendor. `script` is used up in order; `default` answers when it is empty."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.default: Callable[[dict[str, Any]], Answer] = lambda body: (
            Answer.stream(chunk(role="assistant", content=""), chunk(content="Hello"), chunk("stop"), usage_chunk())
            if body.get("stream")
            else Answer(json=message())
        )
        self.requests: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.heads: list[str] = []
        self.closed_early = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def push(self, *answers: Answer) -> None:
        """Queues answers."""
        self.script += answers

    @property
    def last(self) -> dict[str, Any]:
        """The last request body."""
        return self.requests[-1]

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                found = re.search(r"content-length:\s*(\d+)", head, re.I)
                raw = await reader.readexactly(int(found[1])) if found else b"{}"
                self.heads.append(head)
                self.raw.append(raw)
                self.requests.append(json.loads(raw))
                answer = self.script.pop(0) if self.script else self.default(self.requests[-1])
                if not await self._answer(answer, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if answer.json is not None:
            body = json.dumps(answer.json).encode() if not isinstance(answer.json, bytes) else answer.json
            headers = {"content-type": "application/json", "content-length": str(len(body)), **answer.headers}
            writer.write(self._head(answer.status, headers) + body)
            await writer.drain()
            return True
        writer.write(
            self._head(
                answer.status, {"content-type": "text/event-stream", "transfer-encoding": "chunked", **answer.headers}
            )
        )
        gone = asyncio.ensure_future(reader.read(1))
        try:
            for piece in answer.pieces:
                if piece is RESET:
                    writer.transport.abort()
                    return False
                if piece is CLOSE:
                    writer.close()
                    return False
                if isinstance(piece, bytes):
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await writer.drain()
                    continue
                waited = asyncio.ensure_future(
                    piece.wait() if isinstance(piece, asyncio.Event) else asyncio.sleep(piece)
                )
                await asyncio.wait({waited, gone}, return_when=asyncio.FIRST_COMPLETED)
                waited.cancel()
                if gone.done():
                    self.closed_early.set()
                    return False
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return not gone.done()
        except ConnectionError:
            self.closed_early.set()
            return False
        finally:
            gone.cancel()
            await asyncio.wait({gone})

    @staticmethod
    def _head(status: int, headers: dict[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class Got:
    """What the client received."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of every SSE event that is JSON, in order."""
        lines = [line[5:].strip() for line in self.body.decode().splitlines() if line.startswith("data:")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def types(self) -> list[str]:
        return [e.get("type", "") for e in self.events]

    @property
    def notes(self) -> set[str]:
        """Codes of the notes in the header."""
        return {n["code"] for n in json.loads(self.headers.get("x-dragoman-notes", "[]")) if isinstance(n, dict)}


@dataclass
class World:
    """One gateway and its upstream."""

    base: str
    upstream: Upstream
    session: aiohttp.ClientSession

    async def post(self, path: str, body: Any, **headers: str) -> Got:
        """Posts a body (an object, or raw bytes) and reads the whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(
            self.base + path, data=data, headers={"content-type": "application/json", **headers}
        ) as answer:
            try:
                read = await answer.read()
            except aiohttp.ClientPayloadError:
                read = b""
            return Got(answer.status, {k.lower(): v for k, v in answer.headers.items()}, read)

    async def request(self, method: str, path: str, **headers: str) -> Got:
        """Any other request."""
        async with self.session.request(method, self.base + path, headers=headers, allow_redirects=False) as answer:
            return Got(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())

    async def responses(self, stream: bool = True, **body: Any) -> Got:
        """A Responses request on model xiaomi/m."""
        return await self.post("/v1/responses", {"model": "xiaomi/m", "input": "hi", "stream": stream, **body})


@asynccontextmanager
async def world(
    config: str = "", home: Path | None = None, env: dict[str, str] | None = None, tmp: Path | None = None
) -> AsyncIterator[World]:
    """Starts both on free ports. config: text of dragoman.toml. env: further environment. Both: `$UPSTREAM` is its URL."""
    upstream = Upstream()
    port = await upstream.start()
    folder = tmp or home
    assert folder is not None, "give a temporary folder"
    file = folder / "dragoman.toml"
    here = f"http://127.0.0.1:{port}"
    file.write_text(config.replace("$UPSTREAM", here))
    base_env = {
        "MIMO_API_KEY": "sk-test-key-1234567890",
        "MIMO_BASE_URL": f"{here}/v1",
        "DRAGOMAN_HOME": str(folder),
    }
    settings = load(
        path=file, env={**base_env, **{name: value.replace("$UPSTREAM", here) for name, value in (env or {}).items()}}
    )
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on", ws="none")
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the gateway did not start"
        await asyncio.sleep(0.005)
    bound = server.servers[0].sockets[0].getsockname()[1]
    session = aiohttp.ClientSession()
    try:
        yield World(f"http://127.0.0.1:{bound}", upstream, session)
    finally:
        await session.close()
        server.should_exit = True
        await upstream.stop()
        await asyncio.wait_for(task, 20)
