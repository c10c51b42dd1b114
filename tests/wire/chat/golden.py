"""The golden transcripts of the Chat wire: where they are, and the road that each of them describes.

A folder holds `request.json` (the client's body), `upstream_request.json` (what goes upstream for a plain server),
`upstream.sse` (what comes back), `events.json` (the canonical events, one a line) and `client.sse`. `profile.txt` names
the catalogue's profile where the server is no plain one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from dragoman.catalog import load
from dragoman.core.events import Event
from dragoman.core.profile import Profile
from dragoman.core.shape import Shape
from dragoman.providers.plan import tag_rules
from dragoman.wire.base import DecodeContext
from dragoman.wire.chat_completions import Decoder, Encoder, decode_request, encode_request
from dragoman.wire.sse import frames

ROOT = Path(__file__).parents[2] / "golden" / "chat"
CASES = sorted(path.name for path in ROOT.iterdir() if path.is_dir())


@cache
def profile(name: str) -> Profile:
    """How the server of this transcript is spoken to."""
    file = ROOT / name / "profile.txt"
    return load().profiles[file.read_text().strip()].at("chat") if name and file.exists() else Profile()


def context(name: str = "") -> DecodeContext:
    """A vendor `v` of family `fam`, whose turn is `turn_1`."""
    flags = profile(name)
    return DecodeContext(
        provider="v",
        family="fam",
        turn="turn_1",
        mint=lambda prefix: prefix + "new",
        cumulative=flags.cumulative_reasoning,
        reasoning_details=flags.reasoning_details,
        tags=tag_rules(flags),
    )


def decode(upstream: bytes, name: str = "") -> list[Event]:
    """The events of a whole upstream stream."""
    decoder = Decoder(context(name))
    return decoder.feed(upstream) + decoder.end()


def encode(body: bytes, events: list[Event]) -> bytes:
    """What the client that sent `body` is told."""
    _, view = decode_request(body)
    encoder = Encoder(view, lambda prefix: prefix + "1", 1700000000)
    out = frames(encoder.preamble())
    return out + b"".join(frames(encoder.encode([event])) for event in events)


def run(body: bytes, upstream: bytes) -> tuple[list[Event], bytes]:
    """The events and the client's stream."""
    events = decode(upstream)
    return events, encode(body, events)


def upstream_request(body: bytes, name: str = "") -> bytes:
    """The upstream body for the server of this transcript."""
    request, _ = decode_request(body)
    return encode_request(request, Shape("m", profile(name)))


def events_json(events: list[Event]) -> str:
    """The events as JSON, one a line."""
    return "".join(msgspec.json.encode(event).decode() + "\n" for event in events)
