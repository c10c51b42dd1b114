"""A fake Chat Completions upstream that costs next to nothing: every answer is made once and kept as bytes.

The model name says what to send: `bench-n200-d0-b16` is 200 content chunks, 0 ms apart (all in one write), 16 bytes of
text each; `-r5` puts five reasoning chunks before them, `-k5` a tool call in five pieces after them. Each text ends in `~`,
so that the load generator can count what arrived. Usage: python upstream.py PORT
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import lru_cache
from typing import cast

MODEL = re.compile(rb'"model"\s*:\s*"(bench-[a-z0-9-]+)"')
STREAM = re.compile(rb'"stream"\s*:\s*true')
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b\r\n"


def _text(size: int, index: int) -> str:
    body = "".join(chr(97 + (index * 7 + j * 3) % 26) for j in range(size - 2))
    return " " + body + "~"


def _knobs(model: str) -> dict[str, int]:
    found = {"n": 50, "d": 0, "b": 16, "r": 0, "k": 0}
    found.update({m[1]: int(m[2]) for m in re.finditer(r"-([ndbrk])(\d+)", model)})
    return found


def _usage(knobs: dict[str, int]) -> dict[str, object]:
    out = knobs["n"] + knobs["r"] + knobs["k"]
    return {
        "prompt_tokens": 1234,
        "completion_tokens": out,
        "total_tokens": 1234 + out,
        "completion_tokens_details": {"reasoning_tokens": knobs["r"]},
        "prompt_tokens_details": {"cached_tokens": 1024},
    }


@lru_cache(maxsize=64)
def stream(model: str) -> tuple[tuple[bytes, ...], float]:
    """The HTTP pieces of a streamed answer, and the pause between them in seconds."""
    knobs = _knobs(model)
    base = {
        "id": "4c1f9b6d0a7e4f0f9f3a2b1c0d9e8f7a",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": model,
    }

    def chunk(delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
        nulls = {"role": None, "content": None, "tool_calls": None, "reasoning_content": None}
        choice = {"index": 0, "delta": {**nulls, **delta}, "finish_reason": finish}
        return b"data: " + json.dumps({**base, "choices": [choice], **more}, separators=(",", ":")).encode() + b"\n\n"

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"reasoning_content": _text(knobs["b"], i)}) for i in range(knobs["r"])]
    events += [chunk({"content": _text(knobs["b"], i)}) for i in range(knobs["n"])]
    for i in range(knobs["k"]):
        piece = '{"a":"' if i == 0 else ('"}' if i == knobs["k"] - 1 else "xxxxxxxx")
        call: dict[str, object] = {"index": 0, "function": {"arguments": piece}}
        if i == 0:
            call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": piece}}
        events.append(chunk({"tool_calls": [call]}))
    events.append(chunk({}, "tool_calls" if knobs["k"] else "stop", usage=None))
    last = json.dumps({**base, "choices": [], "usage": _usage(knobs)}, separators=(",", ":")).encode()
    events += [b"data: " + last + b"\n\n", b"data: [DONE]\n\n"]
    framed = [b"%x\r\n%b\r\n" % (len(e), e) for e in events]
    framed[-1] += b"0\r\n\r\n"
    head = HEAD % (b"text/event-stream", b"transfer-encoding: chunked\r\n")
    if knobs["d"]:
        return (head, *framed), knobs["d"] / 1000
    return (head + b"".join(framed),), 0.0


@lru_cache(maxsize=64)
def whole(model: str) -> bytes:
    """A whole answer as HTTP bytes."""
    knobs = _knobs(model)
    message = {
        "role": "assistant",
        "content": "".join(_text(knobs["b"], i) for i in range(knobs["n"])),
        "tool_calls": None,
    }
    body = json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1764000000,
            "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": _usage(knobs),
        }
    ).encode()
    return HEAD % (b"application/json", b"content-length: %d\r\n" % len(body)) + body


class Upstream(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self.buffer = b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, split, rest = self.buffer.partition(b"\r\n\r\n")
        if not split:
            return
        found = re.search(rb"content-length:\s*(\d+)", head, re.I)
        length = int(found[1]) if found else 0
        if len(rest) < length:
            return
        body, self.buffer = rest[:length], rest[length:]
        named = MODEL.search(body)
        model = named[1].decode() if named else "bench-n50-d0-b16"
        if not STREAM.search(body):
            self.transport.write(whole(model))
            return
        pieces, pause = stream(model)
        self.send(pieces, 0, pause)

    def send(self, pieces: tuple[bytes, ...], at: int, pause: float) -> None:
        self.transport.write(pieces[at])
        if at + 1 < len(pieces):
            self.timer = asyncio.get_running_loop().call_later(pause, self.send, pieces, at + 1, pause)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1])))
