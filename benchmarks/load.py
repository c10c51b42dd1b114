"""A closed-loop load generator: N connections, each asks again as soon as its answer is whole.

Counts whole answers and the `~` marks in them (each upstream text chunk carries one), and the answers that were short or
not 200. Prints one JSON line. Usage: python load.py URL BODY_FILE CONNECTIONS SECONDS MARKS [HEADER...]
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit


class Client(asyncio.Protocol):
    """One keep-alive connection that asks in a loop."""

    def __init__(self, request: bytes, marks: int, tally: dict[str, int], until: float) -> None:
        self.request, self.marks, self.tally, self.until = request, marks, tally, until
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        self.head = b""
        self.length = -1
        self.seen = self.found = 0
        self.tail = b""
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.length == -1:
            self.head += data
            head, split, rest = self.head.partition(b"\r\n\r\n")
            if not split:
                return
            low = head.lower()
            self.ok = head.startswith(b"HTTP/1.1 200")
            at = low.find(b"content-length:")
            self.length = int(low[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else -2
            data = rest
        self.seen += len(data)
        self.found += data.count(b"~")
        self.tail = (self.tail + data)[-5:]
        if self.seen == self.length if self.length >= 0 else self.tail == b"0\r\n\r\n":
            self.answer()

    def answer(self) -> None:
        if not self.ok:
            self.tally["bad"] += 1
        elif self.found < self.marks:
            self.tally["short"] += 1
        self.tally["answers"] += 1
        if time.monotonic() < self.until:
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or time.monotonic() < self.until:
            self.tally["bad"] += 1
        if not self.done.done():
            self.done.set_result(None)


async def main(url: str, body: bytes, connections: int, seconds: float, marks: int, headers: list[str]) -> None:
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json", *headers]
    request = ("\r\n".join([*lines, f"content-length: {len(body)}"]) + "\r\n\r\n").encode() + body
    tally = {"answers": 0, "bad": 0, "short": 0}
    start = time.monotonic()
    made = []
    for _ in range(connections):
        made.append(
            await asyncio.get_running_loop().create_connection(
                lambda: Client(request, marks, tally, start + seconds), parts.hostname, parts.port
            )
        )
    await asyncio.gather(*(client.done for _, client in made))
    print(json.dumps({**tally, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    import uvloop

    url, body, connections, seconds, marks, *headers = sys.argv[1:]
    uvloop.run(main(url, Path(body).read_bytes(), int(connections), float(seconds), int(marks), headers))
