"""A simulator on a loopback port and a small client that reads what it sends, byte by byte if need be."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from dragoman.simulator import Simulator, running_simulator

KEY = "sk-sim"


@dataclass
class Got:
    """An answer as it came: the pieces of the body, and whether the connection broke."""

    status: int
    headers: dict[str, str]
    pieces: list[bytes] = field(default_factory=list)
    broken: bool = False

    @property
    def raw(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def records(self) -> list[str]:
        """The `data` of each whole SSE record."""
        text = self.raw.decode("utf-8", "ignore")
        return [
            line.removeprefix("data: ")
            for block in text.split("\n\n")[:-1]
            for line in block.split("\n")
            if line.startswith("data: ")
        ]

    @property
    def chunks(self) -> list[Any]:
        return [json.loads(record) for record in self.records if record != "[DONE]"]

    @property
    def deltas(self) -> list[dict[str, Any]]:
        return [c["choices"][0]["delta"] for c in self.chunks if c.get("choices") and "delta" in c["choices"][0]]

    def joined(self, name: str) -> str:
        return "".join(delta.get(name) or "" for delta in self.deltas)

    @property
    def finish(self) -> str | None:
        reasons = [c["choices"][0].get("finish_reason") for c in self.chunks if c.get("choices")]
        return next((reason for reason in reasons if reason), None)


class Client:
    """Asks the simulator as a client of the vendor would. chat_path, messages_path: its first path of that wire."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession, model: str = "mimo-v2.6-pro") -> None:
        self.sim = sim
        self.session = session
        self.model = model
        self.chat_path = next((p for p, wire in sim.vendor.paths.items() if wire == "chat"), "")
        self.messages_path = next((p for p, wire in sim.vendor.paths.items() if wire == "messages"), "")
        self.headers = {"api-key": KEY}

    async def post(self, body: Any, *, path: str = "", headers: dict[str, str] | None = None) -> Got:
        path = path or self.chat_path
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = self.headers if headers is None else headers
        async with self.session.post(self.sim.url + path, data=io.BytesIO(data), headers=sent) as answer:
            got = Got(answer.status, {k.lower(): v for k, v in answer.headers.items()})
            try:
                async for piece, _ in answer.content.iter_chunks():
                    got.pieces.append(piece)
            except aiohttp.ClientPayloadError:
                got.broken = True
            return got

    async def chat(self, text: str | list[dict[str, Any]], **fields: Any) -> Got:
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        return await self.post({"model": self.model, "messages": messages, **fields})

    async def messages(self, text: str | list[dict[str, Any]], **fields: Any) -> Got:
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        return await self.post({"model": self.model, "messages": messages, **fields}, path=self.messages_path)


MODELS = {
    "minimax": "MiniMax-M3",
    "deepseek": "deepseek-v4-pro",
    "zhipu": "glm-5.2",
    "moonshot": "kimi-k3",
}


@asynccontextmanager
async def simulated(profile: str, model: str = "", **switches: Any) -> AsyncIterator[Client]:
    """A client of one profile's simulator."""
    async with running_simulator(profile, KEY, **switches) as sim, aiohttp.ClientSession() as session:
        client = Client(sim, session, model or MODELS[profile])
        client.headers = {"Authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"}
        yield client


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(key=KEY) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(sim, session)
