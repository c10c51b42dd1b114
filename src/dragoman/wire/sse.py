"""Server-sent events: one bounded incremental reader, one writer. Knows no protocol.

The reader accepts LF, CRLF and CR line ends, comments, a missing space after the colon, several `data` lines, a byte
order mark and a last event without its blank line. Events may be cut anywhere, also inside a UTF-8 character.
"""

from __future__ import annotations

from collections.abc import Iterable

from dragoman.errors import ErrorInfo, UpstreamError

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Longest event that is taken (bytes); a longer one is a protocol failure of the vendor."""


class SSEReader:
    """Bytes in, `(event name, data)` out. `comments` counts the comment lines seen (a sign of life)."""

    __slots__ = ("_bom", "_buffer", "_data", "_event", "_limit", "_scanned", "_skip_lf", "_slow", "comments")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._buffer = b""
        self._scanned = 0
        self._limit = limit
        self._slow = False
        self._skip_lf = False
        self._bom = True
        self._event = ""
        self._data: list[bytes] = []
        self.comments = 0

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The events that are whole now. Raises UpstreamError when an event grows over the limit."""
        if self._bom:
            data = self._buffer + data
            self._buffer = b""
            if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
                self._buffer = data
                return []
            self._bom = False
            if data.startswith(b"\xef\xbb\xbf"):
                data = data[3:]
        out: list[tuple[str, bytes]] = []
        if not self._slow and b"\r" in data:
            self._slow = True
        if self._slow:
            self._feed_lines(data, out)
        else:
            self._feed_blocks(data, out)
        return out

    def _feed_blocks(self, data: bytes, out: list[tuple[str, bytes]]) -> None:
        """The common case: only LF. Whole events are split in C."""
        if self._buffer:
            data = self._buffer + data
        blocks = data.split(b"\n\n")
        self._buffer = blocks.pop()
        self._check(len(self._buffer))
        for block in blocks:
            if block[:6] == b"data: " and b"\n" not in block:
                out.append(("", block[6:]))
            elif block:
                self._block(block, out)

    def _block(self, block: bytes, out: list[tuple[str, bytes]]) -> None:
        for line in block.split(b"\n"):
            self._line(line, out)
        self._dispatch(out)

    def _feed_lines(self, data: bytes, out: list[tuple[str, bytes]]) -> None:
        """Any line end. A CR at the end of a read may be half of a CRLF."""
        if self._skip_lf and data:
            if data[:1] == b"\n":
                data = data[1:]
            self._skip_lf = False
        data = self._buffer + data
        if data.endswith(b"\r"):
            self._skip_lf = True
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            self._line(line, out)
        self._check(len(self._buffer) + sum(map(len, self._data)))

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
            self._check(sum(map(len, self._data)))
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")

    def _dispatch(self, out: list[tuple[str, bytes]]) -> None:
        if self._data:
            out.append((self._event, b"\n".join(self._data)))
            self._data = []
        self._event = ""

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise UpstreamError(ErrorInfo("protocol", f"the upstream sent an event of over {self._limit} bytes"))

    def end(self) -> list[tuple[str, bytes]]:
        """The bytes are over: a last event without its blank line counts."""
        out: list[tuple[str, bytes]] = []
        rest, self._buffer = self._buffer, b""
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
