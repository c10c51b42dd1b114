"""The gateway driven without sockets: one ASGI call at a time, in front of a transport in memory.

`gate(tmp_path)` makes an app; `Call(app, ...)` is one request whose body, disconnect and sends the test sees; the
upstream's side is `tests.fakes.MemoryTransport`. `chat(...)` writes an upstream's Chat stream.
"""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

from dragoman.config import load
from dragoman.gateway.app import Gateway, create_app
from dragoman.telemetry.log import RequestLog
from dragoman.telemetry.redaction import Redactor
from tests.e2e.world import chunk, sse
from tests.fakes import MemoryExchange, MemoryTransport

KEY = "sk-secret-of-the-account-123456"
ROADS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}


def make(tmp_path: Path, config: str = "", env: dict[str, str] | None = None, **means: Any) -> Gateway:
    """A gateway with one provider, on a memory transport unless `transport` is given. `app.lines()` reads its log."""
    file = tmp_path / "dragoman.toml"
    file.write_text(config)
    base = {"MIMO_API_KEY": KEY, "MIMO_BASE_URL": "http://127.0.0.1:9/v1", "DRAGOMAN_HOME": str(tmp_path / "home")}
    settings = load(path=file, env={**base, **(env or {})})
    means.setdefault("transport", MemoryTransport())
    text = io.StringIO()
    app = create_app(settings, log=RequestLog(Redactor(settings.redactions()), stream=text), **means)
    app.lines = lambda: [json.loads(line) for line in text.getvalue().splitlines()]  # type: ignore[attr-defined]
    return app


def exchanges(app: Gateway) -> MemoryTransport:
    """The app's transport."""
    transport = app.gate._given
    assert isinstance(transport, MemoryTransport)
    return transport


def body_for(road: str, stream: bool = True, **more: Any) -> dict[str, Any]:
    """The same small question on any road."""
    base: dict[str, Any] = {"model": "xiaomi/m", "stream": stream, **more}
    if road == "responses":
        return {"input": "hi", **base}
    asked = {"messages": [{"role": "user", "content": "hi"}], **base}
    return {"max_tokens": 100, **asked} if road == "messages" else asked


def chat(*texts: str, finish: str | None = "stop", done: bool = True, **more: Any) -> bytes:
    """An upstream's stream of text."""
    chunks = [chunk(content=text) for text in texts]
    return sse(*chunks, *([chunk(finish)] if finish else []), done=done)


class Call:
    """One ASGI request. `messages` is what the app sent; `leave()` makes the client go away."""

    def __init__(
        self,
        app: Any,
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        parts: list[bytes] | None = None,
    ) -> None:
        self.app = app
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.parts = [raw] if parts is None else parts
        given = {"host": "127.0.0.1:3724", "content-type": "application/json", **(headers or {})}
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "http",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in given.items() if v is not None],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 3724),
        }
        self.messages: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.changed = asyncio.Event()
        self.slow: asyncio.Event | None = None
        self.read = 0

    async def receive(self) -> dict[str, Any]:
        if self.read < len(self.parts):
            self.read += 1
            more = self.read < len(self.parts)
            return {"type": "http.request", "body": self.parts[self.read - 1], "more_body": more}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.changed.set()
        if self.slow is not None and message["type"] == "http.response.body":
            await self.slow.wait()

    async def run(self) -> Call:
        """The whole request."""
        await self.app(self.scope, self.receive, self.send)
        return self

    def start(self) -> asyncio.Task[Call]:
        """The request in a task of its own."""
        return asyncio.get_running_loop().create_task(self.run())

    def leave(self) -> None:
        """The client goes away."""
        self.gone.set()

    async def until(self, text: bytes) -> None:
        """Waits until the app has sent `text`."""
        while text not in self.body:
            self.changed.clear()
            await self.changed.wait()

    @property
    def status(self) -> int:
        """The status, 0 while there is none."""
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        return {k.decode(): v.decode() for k, v in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        """All that was sent."""
        return b"".join(m.get("body", b"") for m in self.messages[1:])

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def whole(self) -> bool:
        """Whether the answer was ended."""
        return bool(self.messages) and not self.messages[-1].get("more_body", False) and len(self.messages) > 1

    @property
    def events(self) -> list[dict[str, Any]]:
        """The SSE events."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def error(self) -> dict[str, Any]:
        """The error object, of either shape."""
        return dict(self.json["error"])

    @property
    def notes(self) -> set[str]:
        """Codes in the notes header."""
        return {n["code"] for n in json.loads(self.headers.get("x-dragoman-notes", "[]")) if isinstance(n, dict)}


async def ask(app: Any, road: str, stream: bool = True, **more: Any) -> Call:
    """One request that needs no upstream."""
    return await Call(app, ROADS[road], body_for(road, stream, **more)).run()


async def answered(app: Gateway, road: str, upstream: bytes, stream: bool = True, **more: Any) -> Call:
    """One request that the upstream answers with these bytes."""
    call = Call(app, ROADS[road], body_for(road, stream, **more))
    exchange = await reply(app, call, upstream)
    assert exchange is not None
    return call


async def reply(app: Gateway, call: Call, upstream: bytes) -> MemoryExchange:
    """Runs a call to its end; the upstream answers with these bytes."""
    transport = exchanges(app)
    task = call.start()
    exchange = await transport.opened(len(transport.exchanges) + 1)
    exchange.head(200)
    exchange.feed(upstream)
    exchange.end()
    await task
    return exchange
