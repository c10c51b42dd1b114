"""Golden transcripts of the Chat wire: each folder is a request, an upstream's answer and what the client is told."""

from __future__ import annotations

import pytest

from dragoman.core.events import Event
from dragoman.wire.chat_completions import Decoder
from tests.validators.chat import validate
from tests.wire.chat.golden import CASES, ROOT, context, decode, encode, events_json, upstream_request

MARKS = {
    "a01_text": [pytest.mark.case("A01")],
    "b01_reasoning_then_text": [pytest.mark.case("B01")],
    "b_details_by_index": [pytest.mark.req(44, 48)],
    "b_cumulative_details": [pytest.mark.req(45)],
    "b_empty_reasoning_before_call": [pytest.mark.req(14)],
    "c01_length": [pytest.mark.case("C01")],
    "c02_content_filter": [pytest.mark.case("C02"), pytest.mark.req(17)],
    "c04_network_error": [pytest.mark.case("C04"), pytest.mark.req(17)],
    "c05_repetition": [pytest.mark.case("C05")],
    "c06_done_without_finish": [pytest.mark.case("C06")],
    "c07_finish_without_done": [pytest.mark.case("C07")],
    "c09_usage_with_finish": [pytest.mark.case("C09")],
    "c11_error_in_stream": [pytest.mark.case("C11"), pytest.mark.req(23)],
    "c13_only_done": [pytest.mark.case("C13")],
    "c17_length_in_call": [pytest.mark.case("C17")],
    "c22_null_details": [pytest.mark.case("C22")],
    "c23_empty_name_later": [pytest.mark.case("C23"), pytest.mark.req(51)],
    "d01_call_in_fragments": [pytest.mark.case("D01")],
    "d02_interleaved_calls": [pytest.mark.case("D02"), pytest.mark.req(50)],
    "d04_null_id_and_name": [pytest.mark.case("D04")],
    "d07_stop_with_calls": [pytest.mark.case("D07")],
    "g03_annotations_before_thinking": [pytest.mark.case("G03"), pytest.mark.req(147)],
    "g04_pages_beside_choices": [pytest.mark.req(147)],
    "g_pages_after_the_answer": [pytest.mark.req(147)],
    "g_search_failed": [pytest.mark.req(147)],
    "minimax_inline_split": [pytest.mark.case("B15"), pytest.mark.req(27, 32)],
    "minimax_inline_interleaved": [pytest.mark.req(31, 41)],
    "minimax_inline_unclosed": [pytest.mark.req(30)],
    "minimax_inline_and_field": [pytest.mark.req(47, 48)],
    "minimax_tags_in_code": [pytest.mark.req(35)],
    "minimax_details_incremental": [pytest.mark.req(44, 48)],
    "minimax_details_cumulative_with_tail": [pytest.mark.req(45)],
    "minimax_base_resp_failure": [pytest.mark.req(24)],
    "minimax_sensitive": [pytest.mark.req(17)],
}
MARKED = [pytest.param(name, marks=MARKS.get(name, [])) for name in CASES]


def test_every_marked_case_exists() -> None:
    assert set(MARKS) <= set(CASES)


@pytest.mark.parametrize("name", MARKED)
def test_what_the_upstream_said(name: str) -> None:
    folder = ROOT / name
    events = decode((folder / "upstream.sse").read_bytes(), name)
    assert events_json(events) == (folder / "events.json").read_text()


@pytest.mark.parametrize("name", MARKED)
def test_what_the_client_is_told(name: str) -> None:
    folder = ROOT / name
    events = decode((folder / "upstream.sse").read_bytes(), name)
    client = encode((folder / "request.json").read_bytes(), events)
    assert client == (folder / "client.sse").read_bytes()
    validate(client)


@pytest.mark.parametrize("name", CASES)
def test_what_the_upstream_is_asked(name: str) -> None:
    folder = ROOT / name
    body = upstream_request((folder / "request.json").read_bytes(), name)
    assert body == (folder / "upstream_request.json").read_bytes().rstrip(b"\n")


@pytest.mark.req(21)
@pytest.mark.parametrize("name", CASES)
def test_a_cut_at_every_byte_gives_the_same_events(name: str) -> None:
    data = (ROOT / name / "upstream.sse").read_bytes()
    whole = decode(data, name)
    for at in range(1, len(data)):
        decoder = Decoder(context(name))
        cut: list[Event] = decoder.feed(data[:at]) + decoder.feed(data[at:]) + decoder.end()
        assert cut == whole, at


@pytest.mark.req(21)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_byte_by_byte_with_any_line_end(name: str, newline: bytes) -> None:
    data = (ROOT / name / "upstream.sse").read_bytes()
    decoder = Decoder(context(name))
    events: list[Event] = []
    for byte in data.replace(b"\n", newline):
        events += decoder.feed(bytes([byte]))
    assert events + decoder.end() == decode(data, name)
