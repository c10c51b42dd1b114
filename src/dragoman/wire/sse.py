"""Server-sent events: one bounded incremental reader, one writer. Knows no protocol.

The reader accepts LF, CRLF and CR line ends, comments, a missing space after the colon, several `data` lines, a byte
order mark and a last event without its blank line. Events may be cut anywhere, also inside a UTF-8 character.
"""

from __future__ import annotations

from collections.abc import Iterable

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
        "_size",
        "_skip_lf",
        "_slow",
        "broken",
        "comments",
    )

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._buffer = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._limit = limit
        self._slow = False
        self._skip_lf = False
        self._bom = True
        self._event = ""
        self._data: list[bytes] = []
        self.comments = 0
        self.broken: ErrorInfo | None = None

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The events that are whole now. When one grew over the limit, those before it, and `broken` is set."""
        out: list[tuple[str, bytes]] = []
        if self.broken is not None:
            return out
        if self._bom:
            data = self._buffer + data
            self._buffer = b""
            if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
                self._buffer = data
                return out
            self._bom = False
            if data.startswith(b"\xef\xbb\xbf"):
                data = data[3:]
        if not self._slow and b"\r" in data:
            self._slow = True
        if b"\n" not in data and not self._slow:
            self._hold(data)
            return out
        if self._pieces:
            self._buffer += b"".join(self._pieces)
            self._pieces, self._size = [], 0
        if self._slow:
            self._feed_lines(data, out)
        else:
            self._feed_blocks(data, out)
        return out

    def _hold(self, data: bytes) -> None:
        """A piece of a long line. Pieces are joined once, or a large event would cost its square."""
        self._pieces.append(data)
        self._size += len(data)
        self._check(len(self._buffer) + self._size)

    def _feed_blocks(self, data: bytes, out: list[tuple[str, bytes]]) -> None:
        """The common case: only LF. Whole events are split in C."""
        if self._buffer:
            data = self._buffer + data
        blocks = data.split(b"\n\n")
        self._buffer = blocks.pop()
        self._size = 0
        for block in blocks:
            if len(block) > self._limit:
                self._check(len(block))
                return
            if block[:6] == b"data: " and b"\n" not in block:
                out.append(("", block[6:]))
            elif block:
                for line in block.split(b"\n"):
                    self._line(line, out)
                self._dispatch(out)
        self._check(len(self._buffer))

    def _feed_lines(self, data: bytes, out: list[tuple[str, bytes]]) -> None:
        """Any line end. A CR at the end of a read may be half of a CRLF. `_size` counts the event's finished lines."""
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
                return
            self._line(line, out)
        self._check(self._size + len(self._buffer))

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
        if size > self._limit:
            self._buffer, self._pieces, self._data = b"", [], []
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
    if name:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
    return b"data: %b\n\n" % data


def frames(items: Iterable[tuple[str, bytes]]) -> bytes:
    """Several events in one piece."""
    return b"".join([frame(name, data) for name, data in items])


def comment(text: str) -> bytes:
    """A comment; it keeps a connection alive and no parser sees it."""
    return b"".join(b": " + line.encode() + b"\n" for line in (text.splitlines() or [""])) + b"\n"
