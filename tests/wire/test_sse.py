"""Server-sent events: every cut, every line end, and the limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import Event, Failed, Finished, TextDelta
from dragoman.wire.base import DecodeContext, StreamDecoder
from dragoman.wire.sse import SSEReader, comment, frame, frames

PLAIN = (
    b"\xef\xbb\xbf: hello\n\ndata: one\n\nevent: named\ndata: two\n\ndata:no space\n\n"
    + "data: zwei Zeilen é\ndata: 中文 🎉\n\nid: 7\nretry: 5\nunknown line\ndata: last\n\n\n\ndata\n\n".encode()
)
EXPECTED = [
    ("", b"one"),
    ("named", b"two"),
    ("", b"no space"),
    ("", "zwei Zeilen é\n中文 🎉".encode()),
    ("", b"last"),
    ("", b""),
]


def read(*pieces: bytes, limit: int = 1 << 20) -> tuple[list[tuple[str, bytes]], SSEReader]:
    reader = SSEReader(limit)
    out: list[tuple[str, bytes]] = []
    for piece in pieces:
        out += reader.feed(piece)
    return out + reader.end(), reader


@pytest.mark.req(22)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_whole(newline: bytes) -> None:
    events, reader = read(PLAIN.replace(b"\n", newline))
    assert events == EXPECTED
    assert reader.comments == 1


@pytest.mark.req(21, 22)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_every_single_cut(newline: bytes) -> None:
    data = PLAIN.replace(b"\n", newline)
    for at in range(len(data) + 1):
        assert read(data[:at], data[at:])[0] == EXPECTED, at


@pytest.mark.req(21)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_byte_by_byte(newline: bytes) -> None:
    data = PLAIN.replace(b"\n", newline)
    events, reader = read(*[data[i : i + 1] for i in range(len(data))])
    assert events == EXPECTED
    assert reader.comments == 1


LINES = st.sampled_from(["data: a", "data:", "data: é🎉", "event: x", ": c", "", "", "junk", "data:b", "\ufeffdata: q"])


@pytest.mark.req(21, 22)
@given(
    st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"]))),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_any_cuts_of_any_mixture(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    data = "".join(line + end for line, end in lines).encode()
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    whole, by_bytes, cut = read(data), read(*[data[i : i + 1] for i in range(len(data))]), read(*pieces)
    assert whole[0] == by_bytes[0] == cut[0]
    assert whole[1].comments == by_bytes[1].comments == cut[1].comments


@pytest.mark.req(22)
@pytest.mark.parametrize("tail", ["data: end", "data: end\n", "data: end\r\n", "data: end\r", "data:end"])
def test_a_last_event_without_its_blank_line_counts(tail: str) -> None:
    assert read(b"data: a\n\n" + tail.encode())[0] == [("", b"a"), ("", b"end")]


def test_the_name_belongs_to_one_event_only() -> None:
    assert read(b"event: x\n\nevent: y\ndata: 1\n\ndata: 2\n\n")[0] == [("y", b"1"), ("", b"2")]


def test_a_byte_order_mark_counts_only_at_the_start() -> None:
    assert read(b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n")[0] == [("", b"1")]


@pytest.mark.req(21)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_the_limit_is_the_same_under_every_cut(newline: bytes) -> None:
    fits = newline.join([b"data: " + b"x" * 4, b"data: " + b"y" * 7, b"", b""])
    too_long = newline.join([b"data: " + b"x" * 4, b"data: " + b"y" * 8, b"", b""])
    after = b"data: 2" + newline * 2
    for body, expected in ((fits, [("", b"xxxx\nyyyyyyy"), ("", b"2")]), (too_long, [])):
        data = body + after
        for at in range(len(data) + 1):
            events, reader = read(data[:at], data[at:], limit=24)
            assert events == expected, at
            assert (reader.broken is not None) == (expected == [])


def test_events_before_the_one_over_the_limit_are_given() -> None:
    reader = SSEReader(10)
    assert reader.feed(b"data: 1\n\ndata: 12345678\n\ndata: 3\n\n") == [("", b"1")]
    assert reader.broken is not None
    assert reader.broken.kind == "protocol"
    assert reader.feed(b"data: 4\n\n") == []
    assert reader.end() == []


@pytest.mark.parametrize("piece", [b"x" * 7, b"\n" + b"data: 1", b": c\n"], ids=["one line", "lines", "comments"])
def test_what_waits_for_its_end_is_bounded(piece: bytes) -> None:
    reader = SSEReader(100)
    reader.feed(b"data: ")
    for _ in range(40):
        reader.feed(piece)
    assert reader.broken is not None
    assert len(reader._buffer) + sum(map(len, reader._pieces)) + sum(map(len, reader._data)) <= 101


def test_writing() -> None:
    assert frame("", b"{}") == b"data: {}\n\n"
    assert frame("ping", b"{}") == b"event: ping\ndata: {}\n\n"
    assert frame(":", b"alive") == b": alive\n\n"
    assert comment("a\nb") == b": a\n: b\n\n"
    assert comment("") == b": \n\n"
    assert frames([("a", b"1"), ("", b"2")]) == b"event: a\ndata: 1\n\ndata: 2\n\n"


@given(st.lists(st.tuples(st.sampled_from(["", "a", "response.created"]), st.binary(max_size=20))))
def test_what_is_written_is_read_back(items: list[tuple[str, bytes]]) -> None:
    items = [(name, data.replace(b"\n", b"").replace(b"\r", b"")) for name, data in items]
    assert read(frames(items))[0] == items


@given(st.lists(st.tuples(st.sampled_from(["", "a", "a", "b", ":"]), st.text("x\n{}", max_size=6).map(str.encode))))
def test_many_at_once_are_as_one_by_one(items: list[tuple[str, bytes]]) -> None:
    assert frames(items) == b"".join(frame(name, data) for name, data in items)


class Words(StreamDecoder):
    """A wire whose every event is a word; `stop` ends it and `bad` cannot be read."""

    def on_event(self, name: str, data: bytes, out: list[Event]) -> None:
        from dragoman.wire.base import Malformed

        if data == b"stop":
            self.finish(Finished(), out)
        elif data == b"bad":
            raise Malformed("bad")
        elif data == b"call":
            self.assembler.call(out, index=0, id="c", name="f", arguments="{")
        else:
            self.assembler.text(data.decode(), out)


def words(data: bytes) -> list[Event]:
    decoder = Words(DecodeContext(provider="v"))
    return decoder.feed(data) + decoder.end()


@pytest.mark.req(10)
def test_the_base_gives_exactly_one_end_and_nothing_after_it() -> None:
    decoder = Words(DecodeContext())
    first = decoder.feed(b"data: a\n\ndata: stop\n\ndata: b\n\n")
    assert [type(e) for e in first][-1] is Finished
    assert TextDelta("b") not in first
    assert decoder.feed(b"data: c\n\n") == []
    assert decoder.end() == []


@pytest.mark.req(18)
def test_a_stream_that_just_stops_is_truncated() -> None:
    last = words(b"data: a\n\n")[-1]
    assert isinstance(last, Failed)
    assert last.error.kind == "truncated"
    assert last.error.provider == "v"


@pytest.mark.req(25)
@pytest.mark.parametrize(("count", "fails"), [(5, False), (6, True)])
def test_malformed_events_are_skipped_up_to_a_number(count: int, fails: bool) -> None:
    events = words(b"data: a\n\n" + b"data: bad\n\n" * count + b"data: stop\n\n")
    assert isinstance(events[-1], Failed if fails else Finished)
    if fails:
        assert events[-1].error.kind == "protocol"


@pytest.mark.req(25)
def test_a_malformed_event_while_a_call_is_open_fails_the_stream() -> None:
    assert isinstance(words(b"data: call\n\ndata: bad\n\ndata: stop\n\n")[-1], Failed)


def test_an_event_over_the_limit_fails_the_stream_after_what_came_before() -> None:
    decoder = Words(DecodeContext())
    decoder._reader = SSEReader(12)
    events = decoder.feed(b"data: a\n\ndata: " + b"x" * 20)
    assert TextDelta("a") in events
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "protocol"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_data_of_several_lines_stays_one_event(end: bytes) -> None:
    data = b'{"a":' + end + b'  "b"}'
    items = SSEReader().feed(frame("e", data) + frame("", b"{}"))
    assert [(name, json.loads(payload)) for name, payload in items] == [("e", {"a": "b"}), ("", {})]
