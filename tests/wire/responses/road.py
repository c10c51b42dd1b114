"""The short road of this wire's tests: a request in, events through, a validated stream out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from dragoman.core.events import ArgumentsDelta, BlockEnd, BlockStart, Event, Started
from dragoman.core.messages import ToolCall
from dragoman.core.request import Request
from dragoman.core.shape import Shape
from dragoman.wire.base import DecodeContext
from dragoman.wire.responses import Decoder, Encoder, View, decode_request, encode_request
from dragoman.wire.sse import frames
from tests.validators.responses import Parsed, validate

GOLDEN = Path(__file__).parents[2] / "golden" / "responses"
CASES = sorted(path.name for path in (GOLDEN / "streams").iterdir() if path.is_dir())
CODEX = sorted(path.stem for path in (GOLDEN / "codex").glob("*.json"))


def mint() -> Callable[[str], str]:
    """Numbered ids."""
    count = itertools.count(1)
    return lambda prefix: f"{prefix}{next(count)}"


def ask(**body: Any) -> tuple[Request, View]:
    """A request with `input: hi` unless it says otherwise."""
    return decode_request(json.dumps({"model": "m", "input": "hi", **body}).encode())


def items(*input: dict[str, Any]) -> Request:
    """The request with these input items."""
    return ask(input=list(input))[0]


def view(**body: Any) -> View:
    """The view of such a request."""
    return ask(stream=True, **body)[1]


def encoder(seen: View | None = None) -> Encoder:
    """An encoder with fixed ids and time."""
    return Encoder(seen or view(), mint(), 1700000000, "resp_1")


def stream(events: list[Event], seen: View | None = None) -> bytes:
    """What a client gets, event by event."""
    made = encoder(seen)
    out = made.preamble()
    for event in events:
        out += made.encode([event])
    return frames(out)


def told(events: list[Event], seen: View | None = None) -> Parsed:
    """What a client is told, validated."""
    return validate(stream([Started(), *events], seen))


def call(made: ToolCall, *, index: int = 0, complete: bool = True) -> list[Event]:
    """The events of one call, its arguments in two pieces."""
    bare = msgspec.structs.replace(made, arguments="", invalid=False)
    half = len(made.arguments) // 2
    pieces = [p for p in (made.arguments[:half], made.arguments[half:]) if p]
    return [BlockStart(index, bare), *map(ArgumentsDelta, pieces), BlockEnd(index, made, complete)]


def context() -> DecodeContext:
    """A vendor `v` of family `fam`, whose turn is `turn_1`."""
    return DecodeContext(provider="v", family="fam", turn="turn_1", mint=mint())


def decode(upstream: bytes) -> list[Event]:
    """The events of a whole upstream stream."""
    decoder = Decoder(context())
    return decoder.feed(upstream) + decoder.end()


def sse(*events: dict[str, Any]) -> bytes:
    """Upstream events as bytes; `type` lacks its common prefix."""
    out = b""
    for number, event in enumerate(events):
        kind = event["type"] if event["type"] == "error" else "response." + event["type"]
        data = {**event, "type": kind, "sequence_number": number}
        out += f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
    return out


def upstream(request: Request, shape: Shape | None = None) -> dict[str, Any]:
    """The upstream body of a request, for a server that takes everything unless a shape is given."""
    body: dict[str, Any] = json.loads(encode_request(request, shape or Shape.full("up")))
    return body


def events_json(events: list[Event]) -> str:
    """The events as JSON, one a line."""
    return "".join(msgspec.json.encode(event).decode() + "\n" for event in events)
