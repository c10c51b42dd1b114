"""Server-sent events: one bounded incremental reader, one writer. Knows no protocol.

The reader accepts LF, CRLF and CR line ends, comments, a missing space after the colon, several `data` lines, a byte
order mark and a last event without its blank line. Events may be cut anywhere, also inside a UTF-8 character.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from dragoman.errors import ErrorInfo

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Longest event that is taken (bytes); a longer one is a protocol failure of the vendor."""


class SSEReader:
    """Bytes in, `(event name, data)` out.

    comments: comment lines seen (a sign of life). broken: set when an event grew over the limit; nothing is read after.
    """

    __slots__ = (
        "_bom",
        "_buffer",
        "_data",
        "_event",
        "_limit",
        "_pieces",
        "_plain",
        "_size",
        "_skip_lf",
        "broken",
        "comments",
    )

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._buffer = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._limit = limit
        self._plain = False
        self._skip_lf = False
        self._bom = True
        self._event = ""
        self._data: list[bytes] = []
        self.comments = 0
        self.broken: ErrorInfo | None = None

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The events that are whole now. When one grew over the limit, those before it, and `broken` is set."""
        if self._plain and data.find(b"\r") < 0:
            end = len(data) - 2
            if data.find(b"\n") == end and data[:6] == b"data: " and not self._buffer and end <= self._limit:
                if data[end:] == b"\n\n" and not self._pieces:
                    return [("", data[6:end])]
            return self._feed_blocks(data)
        if self.broken is not None:
            return []
        if self._bom:
            data = self._buffer + data
            self._buffer = b""
            if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
                self._buffer = data
                return []
            self._bom = False
            if data.startswith(b"\xef\xbb\xbf"):
                data = data[3:]
            if b"\r" not in data:
                self._plain = True
                return self._feed_blocks(data)
        self._plain = False
        if self._pieces:
            self._buffer += b"".join(self._pieces)
            self._pieces, self._size = [], 0
        return self._feed_lines(data)

    def _hold(self, data: bytes) -> None:
        """A piece of a long line. Pieces are joined once, or a large event would cost its square."""
        self._pieces.append(data)
        self._size += len(data)
        self._check(len(self._buffer) + self._size - 1)

    def _feed_blocks(self, data: bytes) -> list[tuple[str, bytes]]:
        """The common case: only LF. Whole events are split in C."""
        out: list[tuple[str, bytes]] = []
        if self._buffer or self._pieces:
            if b"\n" not in data:
                self._hold(data)
                return out
            data = self._buffer + b"".join(self._pieces) + data
            self._pieces, self._size = [], 0
        end = data.rfind(b"\n\n")
        if end > 0 and data[:6] == b"data: " and len(data) <= self._limit:
            # What most vendors send: one data line an event. Then two line ends an event are all that there are.
            parts = data[6:end].split(b"\n\ndata: ")
            if data.count(b"\n", 0, end + 2) == 2 * len(parts):
                self._buffer = data[end + 2 :]
                return [("", part) for part in parts]
        blocks = data.split(b"\n\n")
        self._buffer = rest = blocks.pop()
        limit = self._limit
        for block in blocks:
            if len(block) > limit:
                self._check(len(block))
                return out
            if block[:6] == b"data: " and b"\n" not in block:
                out.append(("", block[6:]))
                continue
            if block[:7] == b"event: ":
                name, found, value = block[7:].partition(b"\ndata: ")
                if found and b"\n" not in name and b"\n" not in value:
                    out.append((name.decode("utf-8", "replace"), value))
                    continue
            if block:
                for line in block.split(b"\n"):
                    self._line(line, out)
                self._dispatch(out)
        if rest:
            self._check(len(rest) - 1)
        return out

    def _feed_lines(self, data: bytes) -> list[tuple[str, bytes]]:
        """Any line end. A CR at the end of a read may be half of a CRLF. `_size` counts the event's finished lines."""
        out: list[tuple[str, bytes]] = []
        if self._skip_lf and data:
            if data[:1] == b"\n":
                data = data[1:]
            self._skip_lf = False
        if data.endswith(b"\r"):
            self._skip_lf = True
        data = self._buffer + data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            self._size = self._size + len(line) + 1 if line else 0
            if self._size > self._limit + 1:
                self._check(self._size)
                return out
            self._line(line, out)
        self._check(self._size + len(self._buffer) - 1)
        return out

    def _line(self, line: bytes, out: list[tuple[str, bytes]]) -> None:
        if not line:
            self._dispatch(out)
            return
        if line[:1] == b":":
            self.comments += 1
            return
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")

    def _dispatch(self, out: list[tuple[str, bytes]]) -> None:
        if self._data:
            out.append((self._event, b"\n".join(self._data)))
            self._data = []
        self._event = ""

    def _check(self, size: int) -> None:
        """What is not over yet may end in a line end, which is not counted: hence the callers' `- 1`."""
        if size > self._limit:
            self._buffer, self._pieces, self._data = b"", [], []
            self._plain = False
            self.broken = ErrorInfo("protocol", f"the upstream sent an event of over {self._limit} bytes")

    def end(self) -> list[tuple[str, bytes]]:
        """The bytes are over: a last event without its blank line counts."""
        out: list[tuple[str, bytes]] = []
        if self.broken is not None:
            return out
        rest = self._buffer + b"".join(self._pieces)
        self._buffer, self._pieces = b"", []
        if rest:
            for line in rest.split(b"\n"):
                self._line(line, out)
        self._dispatch(out)
        return out


def frame(name: str, data: bytes) -> bytes:
    """One event. An empty name leaves the event line out; the name ":" makes a comment of the data."""
    if name == ":":
        return comment(data.decode())
    if b"\n" in data:
        # Raw slices of a body that was laid out over several lines: every line of an event needs its own field.
        data = b"\ndata: ".join(data.splitlines())
    return b"%b%b\n\n" % (_lead(name), data)


@lru_cache(maxsize=256)
def _lead(name: str) -> bytes:
    """What stands before the data of an event; a protocol has a few dozen names."""
    return b"event: %b\ndata: " % name.encode() if name else b"data: "


def frames(items: Sequence[tuple[str, bytes]]) -> bytes:
    """Several events in one piece.

    Nearly always each is one line of data: that is looked at once for all of them, when they are joined.
    """
    pieces: list[bytes] = []
    last: str | None = None
    lead = b""
    lines = 2 * len(items)
    named = 0
    for name, data in items:
        if name is not last:
            if name == ":":
                break
            lead, named, last = _lead(name), 1 if name else 0, name
        lines += named
        pieces += (lead, data, b"\n\n")
    else:
        whole = b"".join(pieces)
        if whole.count(b"\n") == lines:
            return whole
    return b"".join([frame(name, data) for name, data in items])


def comment(text: str) -> bytes:
    """A comment; it keeps a connection alive and no parser sees it."""
    return b"".join(b": " + line.encode() + b"\n" for line in (text.splitlines() or [""])) + b"\n"
