"""Golden transcripts: each folder is a request, a Responses upstream's answer and what a client is told of it.

`request.json`, `upstream_request.json` (for a server that takes everything), `upstream.sse`, `events.json` (one event a
line) and `client.sse`.
"""

from __future__ import annotations

import pytest

from dragoman.core.events import Event, Failed
from dragoman.core.fold import fold
from dragoman.core.shape import Shape
from dragoman.wire.responses import Decoder, decode_request, decode_whole, encode_request
from tests.validators.responses import validate
from tests.wire.responses.road import CASES, GOLDEN, context, decode, events_json, stream

ROOT = GOLDEN / "streams"
MARKS = {
    "a01_text": [pytest.mark.case("A01")],
    "b01_reasoning_then_text": [pytest.mark.case("B01")],
    "c01_length": [pytest.mark.case("C01")],
    "c02_content_filter": [pytest.mark.case("C02")],
    "c11_failed_in_stream": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "c11_error_event": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "c13_only_done": [pytest.mark.case("C13")],
    "c15_cut_in_text": [pytest.mark.case("C15"), pytest.mark.req(18)],
    "c16_cut_in_call": [pytest.mark.case("C16"), pytest.mark.req(18)],
    "c17_length_in_call": [pytest.mark.case("C17")],
    "d01_call_in_fragments": [pytest.mark.case("D01")],
    "d02_interleaved_calls": [pytest.mark.case("D02"), pytest.mark.req(11, 50)],
    "e07_custom_call": [pytest.mark.case("E07")],
    "e10_namespace": [pytest.mark.case("E10")],
    "mimo_c01_length": [pytest.mark.case("C01")],
    "mimo_c11_error_object": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "mimo_custom_and_namespace": [pytest.mark.case("E07", "E10")],
    "mimo_thinking_text_and_calls": [pytest.mark.case("B01")],
    "minimax_c01_summary_beside_text": [pytest.mark.case("C01")],
    "minimax_c11_error_event": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "minimax_thinking_text_and_calls": [pytest.mark.case("B01")],
    "moonshot_c11_error_object": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "moonshot_summary_text_and_calls": [pytest.mark.case("B01", "E07", "E10")],
    "zhipu_c11_failed_by_number": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "zhipu_thinking_custom_and_namespace": [pytest.mark.case("B01", "E07", "E10")],
}
MARKED = [pytest.param(name, marks=MARKS.get(name, [])) for name in CASES]


def test_every_marked_case_exists() -> None:
    assert set(MARKS) <= set(CASES)


@pytest.mark.parametrize("name", MARKED)
def test_what_the_upstream_said(name: str) -> None:
    events = decode((ROOT / name / "upstream.sse").read_bytes())
    assert events_json(events) == (ROOT / name / "events.json").read_text()


@pytest.mark.parametrize("name", MARKED)
def test_what_the_client_is_told(name: str) -> None:
    _, view = decode_request((ROOT / name / "request.json").read_bytes())
    client = stream(decode((ROOT / name / "upstream.sse").read_bytes()), view)
    assert client == (ROOT / name / "client.sse").read_bytes()
    validate(client)


@pytest.mark.parametrize("name", CASES)
def test_what_the_upstream_is_asked(name: str) -> None:
    request, _ = decode_request((ROOT / name / "request.json").read_bytes())
    body = encode_request(request, Shape.full("up"))
    assert body == (ROOT / name / "upstream_request.json").read_bytes().rstrip(b"\n")


@pytest.mark.req(21)
@pytest.mark.parametrize("name", CASES)
def test_a_cut_at_every_byte_gives_the_same_events(name: str) -> None:
    data = (ROOT / name / "upstream.sse").read_bytes()
    whole = decode(data)
    for at in range(1, len(data)):
        decoder = Decoder(context())
        cut: list[Event] = decoder.feed(data[:at]) + decoder.feed(data[at:]) + decoder.end()
        assert cut == whole, at


@pytest.mark.req(21, 22)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_byte_by_byte_with_any_line_end(name: str, newline: bytes) -> None:
    data = (ROOT / name / "upstream.sse").read_bytes()
    decoder = Decoder(context())
    events: list[Event] = []
    for byte in data.replace(b"\n", newline):
        events += decoder.feed(bytes([byte]))
    assert events + decoder.end() == decode(data)


@pytest.mark.req(18)
@pytest.mark.parametrize("name", CASES)
def test_a_stream_that_stops_anywhere_has_one_end(name: str) -> None:
    data = (ROOT / name / "upstream.sse").read_bytes()
    _, view = decode_request((ROOT / name / "request.json").read_bytes())
    last = data.rindex(b"event: ") if b"event: " in data else 0
    for at in range(0, last, 7):
        events = decode(data[:at])
        assert isinstance(events[-1], Failed), at
        assert validate(stream(events, view)).status == "failed", at


@pytest.mark.req(20)
@pytest.mark.parametrize("name", [c for c in CASES if "cut" not in c and "c11" not in c and "c13" not in c])
def test_the_terminal_object_alone_gives_the_same_reply(name: str) -> None:
    events = decode((ROOT / name / "upstream.sse").read_bytes())
    data = (ROOT / name / "upstream.sse").read_text().rsplit("data: ", 1)[1]
    body = data[data.index('"response": ') + 12 : data.rindex(', "sequence_number"')].encode()
    streamed, whole = fold(events), fold(decode_whole(body, context()))
    assert whole.message == streamed.message
    assert whole.end == streamed.end
    assert whole.complete == streamed.complete
