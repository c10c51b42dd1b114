"""The native lane: the vendor's frames pass, and the laws hold when the vendor breaks off."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman.core.events import Event, Failed
from dragoman.errors import ErrorInfo
from dragoman.wire.responses import Decoder, NativeEncoder, View
from dragoman.wire.sse import frames
from tests.validators.responses import validate
from tests.wire.responses.road import CASES, GOLDEN, context, mint, sse

DIALECTS = ("mimo_", "minimax_", "zhipu_", "moonshot_")
"""Streams of vendors whose objects are not the official ones: they never pass as they are."""


def decode(upstream: bytes) -> list[Event]:
    decoder = Decoder(msgspec.structs.replace(context(), native=True))
    return decoder.feed(upstream) + decoder.end()


def encoder(id: str = "resp_ours") -> NativeEncoder:
    return NativeEncoder(View(model="asked"), mint(), 1, id)


def upstream(name: str) -> bytes:
    return (GOLDEN / "streams" / name / "upstream.sse").read_bytes()


@pytest.mark.parametrize("name", ["a01_text", "d01_call_in_fragments", "e_built_in_calls", "c01_length"])
def test_frames_pass_with_model_and_id_patched(name: str) -> None:
    raw = upstream(name)
    made = encoder()
    got = frames(made.encode(decode(raw)))
    sent = [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: ")]
    told = [json.loads(line[6:]) for line in got.decode().splitlines() if line.startswith("data: ")]
    for event in sent:
        if "response" in event:
            event["response"].update(model="asked", id="resp_ours")
    assert told == sent
    assert made.ended and made.final is not None and json.loads(bytes(made.final)) == told[-1]["response"]


def test_the_vendors_id_stays_where_no_other_is_given() -> None:
    made = encoder("")
    assert b'"id":"resp_up"' in frames(made.encode(decode(upstream("a01_text"))))
    assert made.id == "resp_up"


# The validator wants items one after another, and this vendor interleaves them.
@pytest.mark.parametrize("name", [n for n in CASES if n != "d02_interleaved_calls" and not n.startswith(DIALECTS)])
def test_a_break_anywhere_is_told_as_a_valid_failure(name: str) -> None:
    raw = upstream(name)
    last = raw.rindex(b"event: ") if b"event: " in raw else 0
    for at in range(0, last, 11):
        made = encoder()
        parsed = validate(frames(made.encode(decode(raw[:at]))))
        assert parsed.status == "failed" and made.ended, at
        assert all(item.get("status") != "in_progress" for item in parsed.output)


def test_a_failure_before_anything_came_opens_the_stream_itself() -> None:
    made = encoder()
    parsed = validate(frames(made.encode([Failed(ErrorInfo("timeout", "silent"))])))
    assert parsed.types == ["created", "in_progress", "failed"] and parsed.response["id"] == "resp_ours"
    assert made.final is not None


def test_an_error_event_becomes_a_failed_response() -> None:
    parsed = validate(frames(encoder().encode(decode(upstream("c11_error_event")))))
    assert parsed.status == "failed" and parsed.response["error"]["code"] == "rate_limit_exceeded"
    assert "error" not in parsed.types


def test_frames_over_several_lines_are_made_one() -> None:
    response: dict[str, Any] = {"id": "r", "status": "completed", "output": []}
    pretty = json.dumps({"type": "response.completed", "response": response}, indent=1)
    raw = "event: response.completed\n" + "".join(f"data: {line}\n" for line in pretty.splitlines()) + "\n"
    out = frames(encoder().encode(decode(raw.encode())))
    assert out.count(b"\n") == 3


def test_it_adds_nothing_of_its_own_to_a_running_stream() -> None:
    made = encoder()
    assert made.preamble() == [] and made.keepalive() == []
    made.encode(decode(upstream("a01_text")))
    assert made.encode(decode(sse({"type": "created", "response": {}}))) == []
