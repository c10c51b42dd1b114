"""A gateway before a street of simulated vendors, all in one process and without sockets.

`Street(tmp_path)` makes the gateway with a key for every vendor; `street.sims["xiaomi"]` is the strict simulator that
answers at that vendor's real host. `street.ask(...)` is one request of a client. Time and ids are the real ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dragoman.client.transport import HttpCall, Sink
from dragoman.errors import ErrorInfo
from dragoman.simulator import Simulator
from dragoman.simulator.vendors import VENDORS
from tests.gateway.asgi import ROADS, Call, make

MODELS = {
    "xiaomi": "mimo-v2.6-pro",
    "minimax": "MiniMax-M3",
    "deepseek": "deepseek-flash",
    "zhipu": "glm-5.2",
    "moonshot": "kimi-k3",
    "openai": "gpt-6.1-sol",
    "anthropic": "claude-sonnet-5-5",
}
"""The model of each vendor that tests ask for."""
PROFILES = tuple(name for name in MODELS if name in VENDORS)
"""The vendors that there are simulators of; the rest of the tests grows with it."""


def served(vendor: str, wire: str) -> bool:
    """Whether there is a simulator of this vendor on this wire."""
    known = VENDORS[vendor]
    return {"chat": known.chat, "messages": known.messages, "responses": known.responses}[wire] is not None


HOSTS = {
    "api.xiaomimimo.com": "xiaomi",
    "api.minimax.io": "minimax",
    "api.deepseek.com": "deepseek",
    "api.z.ai": "zhipu",
    "api.moonshot.ai": "moonshot",
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
}
KEYS = {
    "MIMO_API_KEY": "sk-mimo-0123456789",
    "MIMO_BASE_URL": "",
    "MINIMAX_API_KEY": "minimax-0123456789",
    "DEEPSEEK_API_KEY": "sk-deepseek-0123456789",
    "ZHIPU_API_KEY": "zhipu.0123456789",
    "MOONSHOT_API_KEY": "sk-moonshot-0123456789",
    "OPENAI_API_KEY": "sk-openai-0123456789",
    "ANTHROPIC_API_KEY": "sk-ant-0123456789",
}


class _Exchange:
    """One call of an ASGI application."""

    def __init__(self, app: Any, call: HttpCall, sink: Sink) -> None:
        self._app = app
        self._call = call
        self._sink: Sink | None = sink
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        url = urlsplit(self._call.url)
        headers = {name.lower(): value for name, value in self._call.headers.items()} | {"host": "127.0.0.1"}
        scope = {
            "type": "http",
            "method": "POST",
            "path": url.path,
            "query_string": url.query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
        unread = [{"type": "http.request", "body": self._call.body, "more_body": False}]
        whole = False

        async def receive() -> dict[str, Any]:
            if unread:
                return unread.pop()
            await asyncio.Event().wait()
            raise AssertionError("never reached")

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal whole
            if self._sink is None:
                return
            if message["type"] == "http.response.start":
                self._sink.head(message["status"], {k.decode(): v.decode() for k, v in message["headers"]})
                return
            if message.get("body"):
                self._sink.feed(message["body"])
            whole = not message.get("more_body", False)

        await self._app(scope, receive, send)
        if self._sink is not None:
            self._sink.end(None if whole else ErrorInfo("network", "the connection was closed"))

    def pause(self) -> None:
        """Nothing: the whole answer is there at once."""

    def resume(self) -> None:
        """Nothing."""

    def release(self) -> None:
        """The sink hears nothing more."""
        self._sink = None

    def abort(self) -> None:
        """The call is cancelled."""
        self._sink = None
        self._task.cancel()


class StreetTransport:
    """A transport that finds the application by the host of the URL."""

    def __init__(self, apps: Mapping[str, Any]) -> None:
        self._apps = apps

    def open(self, call: HttpCall, sink: Sink) -> _Exchange:
        """Starts the call."""
        return _Exchange(self._apps[urlsplit(call.url).hostname or ""], call, sink)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Street:
    """The gateway and its vendors. config: text of dragoman.toml."""

    folder: Path
    config: str = ""
    profiles: Iterable[str] = PROFILES
    fixed_ids: bool = False
    sims: dict[str, Simulator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sims = {name: Simulator(name, split=False, fixed_ids=self.fixed_ids) for name in self.profiles}
        self.apps = {host: self.sims[name] for host, name in HOSTS.items() if name in self.sims}
        self.app = make(self.folder, self.config, KEYS, transport=StreetTransport(self.apps))

    async def ask(self, road: str, body: dict[str, Any], **headers: str) -> Call:
        """One request of a client, to its end."""
        return await Call(self.app, ROADS[road], body, headers=headers).run()

    def last(self, vendor: str) -> Any:
        """The last body that a vendor was sent."""
        return self.sims[vendor].requests[-1].body

    def complaints(self) -> list[str]:
        """Every broken rule, and every request that a vendor refused."""
        out = []
        for name, sim in self.sims.items():
            out += [f"{name}: {v}" for v in sim.violations]
            out += [
                f"{name}: {seen.status} for {json.dumps(seen.body, ensure_ascii=False)[:2000]}"
                for seen in sim.requests
                if seen.status != 200
            ]
        return out


def output(got: Call) -> list[dict[str, Any]]:
    """The items of a streamed Responses answer."""
    return list(got.events[-1]["response"]["output"])


def again(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items as Codex sends them back: without ids."""
    return [{k: v for k, v in item.items() if k != "id"} for item in items]
