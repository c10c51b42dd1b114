"""The gateway in one process before an upstream that says exactly these bytes: for tables of odd answers.

`Scripted(folder, config)` stands where `tests.e2e.world.World` does for `tests.e2e.endpoints.ask`, without a socket:
`push` queues what the upstream says, a stream as bytes (or pieces of bytes), a whole answer as an object.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.e2e.endpoints import Read, ask, read
from tests.e2e.world import Got
from tests.fakes import SSE
from tests.gateway.asgi import Call, exchanges, make

Said = bytes | list[bytes] | dict[str, Any]


class Scripted:
    """One gateway whose model xiaomi/m says what was pushed. sent: the bodies that went upstream."""

    def __init__(self, folder: Path, config: str = "") -> None:
        self.app = make(folder, "[retry]\nattempts = 1\n" + config)
        self.sent: list[Any] = []
        self._script: list[Said] = []

    def push(self, *answers: Said) -> None:
        """Queues answers."""
        self._script += answers

    async def post(self, path: str, body: Any, **headers: str) -> Got:
        """One request of a client, to its end. One that never gets to the upstream leaves the script as it was."""
        transport = exchanges(self.app)
        call = Call(self.app, path, body, headers=headers)
        number = len(transport.exchanges) + 1
        task = call.start()
        opened = asyncio.ensure_future(transport.opened(number))
        await asyncio.wait({task, opened}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if len(transport.exchanges) >= number:
            exchange = transport.exchanges[number - 1]
            self.sent.append(json.loads(exchange.call.body))
            said = self._script.pop(0)
            exchange.head(200, {"content-type": "application/json"} if isinstance(said, dict) else SSE)
            body = json.dumps(said).encode() if isinstance(said, dict) else said
            for piece in body if isinstance(body, list) else [body]:
                exchange.feed(piece)
            exchange.end()
        await task
        return Got(call.status, {name.lower(): value for name, value in call.headers.items()}, call.body)

    async def read(self, endpoint: str, said: Said, *, tools: bool = True, **more: Any) -> Read:
        """What a client of this endpoint sees when the upstream says this; an object is a whole answer."""
        return read(endpoint, await self.got(endpoint, said, tools=tools, **more), stream=not isinstance(said, dict))

    async def got(self, endpoint: str, said: Said, *, tools: bool = True, **more: Any) -> Got:
        """As `read`, the bytes themselves."""
        self.push(said)
        return await ask(self, endpoint, stream=not isinstance(said, dict), tools=tools, **more)  # type: ignore[arg-type]
