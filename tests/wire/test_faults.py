"""Faults in every golden transcript, after every event of it: the connection drops, an error is told, a line is no
JSON, comments come while the vendor is slow. Whatever happens there is one end, last, every block is closed, and each
client gets a stream that its protocol allows."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dragoman.catalog import load
from dragoman.core.events import BlockEnd, BlockStart, Event, Failed, Finished, Incomplete, Noted
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext, StreamDecoder
from dragoman.wire.sse import frames
from tests.validators import chat as chat_grammar
from tests.validators import messages as messages_grammar
from tests.validators import responses as responses_grammar
from tests.wire.test_cut_with_stages import ASKS, CASES, DECODERS

GRAMMARS: dict[str, Any] = {"chat": chat_grammar, "messages": messages_grammar, "responses": responses_grammar}
ENDS = (Finished, Incomplete, Failed)
ERRORS = {
    "chat": b'data: {"error":{"message":"too busy","type":"overloaded_error","code":"overloaded_error"}}\n\n',
    "messages": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"too busy"}}\n\n',
    "responses": b'event: error\ndata: {"type":"error","code":"server_is_overloaded","message":"too busy"}\n\n',
}
BROKEN = b'data: {"choices":[{"index":0,"del\n\n'
COMMENT = b": still working\n\n"
NAMES = pytest.mark.parametrize(
    ("wire", "path"), CASES, ids=lambda v: v if isinstance(v, str) else f"{v.parent.name}-{v.stem}"
)


def pieces(path: Path) -> list[bytes]:
    """The transcript's events."""
    return [piece + b"\n\n" for piece in path.read_bytes().replace(b"\r\n", b"\n").split(b"\n\n") if piece]


def decode(wire: str, *data: bytes, error: ErrorInfo | None = None) -> list[Event]:
    """The events of a stream that comes in these reads and ends so."""
    decoder = DECODERS[wire](DecodeContext(provider="p", family="f", turn="t", mint=lambda prefix: prefix + "0"))
    out: list[Event] = []
    for read in data:
        out += decoder.feed(read)
    return out + decoder.end(error)


def check(events: list[Event]) -> Event:
    """The laws that hold for every answer; gives its end."""
    assert [type(e) in ENDS for e in events].count(True) == 1
    assert isinstance(events[-1], ENDS)
    open_now: int | None = None
    for event in events:
        if isinstance(event, BlockStart):
            assert open_now is None
            open_now = event.index
        elif isinstance(event, BlockEnd):
            assert event.index == open_now
            open_now = None
    assert open_now is None
    for name, (package, body) in ASKS.items():
        _, view = package.decode_request(json.dumps(body).encode())
        number = count()
        encoder = package.Encoder(view, lambda prefix: f"{prefix}{next(number)}", 0, "id")  # noqa: B023
        GRAMMARS[name].validate(frames(encoder.preamble()) + frames(encoder.encode(list(events))))
    return events[-1]


def opened(wire: str, prefix: bytes) -> tuple[StreamDecoder, list[Event]]:
    """A decoder that has read so much, and the events so far."""
    decoder = DECODERS[wire](DecodeContext(provider="p", family="f", turn="t", mint=lambda prefix: prefix + "0"))
    return decoder, decoder.feed(prefix)


@pytest.mark.req(118)
def test_every_provider_has_transcripts() -> None:
    named = {path.parent.name.partition("_")[0] for _, path in CASES}
    protocols = {"openai": "responses", "anthropic": "messages"}  # whose documents are the protocol's own
    profiles = {row.profile_name for row in load().providers.values()}
    assert len(profiles) > 8
    for profile in profiles:
        if profile in protocols:
            assert len([path for wire, path in CASES if wire == protocols[profile]]) > 5
        else:
            assert {"xiaomi": "mimo"}.get(profile, profile) in named, f"record transcripts of {profile}"


@pytest.mark.req(118)
@NAMES
def test_the_connection_drops(wire: str, path: Path) -> None:
    events = pieces(path)
    for at in range(len(events)):
        prefix = b"".join(events[:at])
        end = check(decode(wire, prefix, error=ErrorInfo("network", "the connection broke")))
        said = decode(wire, prefix)[-1]  # what the upstream had told by then
        if isinstance(said, Failed) and said.error.kind == "truncated":
            assert isinstance(end, Failed) and end.error.kind == "network", at
        else:
            assert end == said, at
        half = events[at][: len(events[at]) // 2]
        check(decode(wire, prefix + half, error=ErrorInfo("network", "the connection broke")))


@pytest.mark.req(118)
@NAMES
def test_an_error_is_told(wire: str, path: Path) -> None:
    events = pieces(path)
    for at in range(len(events)):
        prefix = b"".join(events[:at])
        ended = [e for e in opened(wire, prefix)[1] if isinstance(e, ENDS)]
        end = check(decode(wire, prefix, ERRORS[wire], b"".join(events[at:])))
        if ended:
            assert end == ended[0], at
        else:
            assert isinstance(end, Failed) and end.error.kind == "overloaded", at


@pytest.mark.req(118)
@NAMES
def test_a_line_is_no_json(wire: str, path: Path) -> None:
    events = pieces(path)
    whole = decode(wire, b"".join(events))
    for at in range(len(events)):
        prefix = b"".join(events[:at])
        found = decode(wire, prefix, BROKEN, b"".join(events[at:]))
        end = check(found)
        decoder, _ = opened(wire, prefix)
        if decoder.in_call() and not decoder.ended:
            # A piece of the arguments may be gone: better no call than a wrong one.
            assert isinstance(end, Failed) and end.error.kind == "protocol", at
        else:
            assert [e for e in found if not is_skip(e)] == [e for e in whole if not is_skip(e)], at


def is_skip(event: Event) -> bool:
    """Whether this is the note on an event that could not be read."""
    return isinstance(event, Noted) and event.note.code == "event_skipped"


@pytest.mark.req(118)
@NAMES
def test_comments_while_the_vendor_is_slow(wire: str, path: Path) -> None:
    events = pieces(path)
    slow = [read for event in events for read in (COMMENT, event)]
    found = decode(wire, *slow, COMMENT)
    check(found)
    assert found == decode(wire, b"".join(events))
