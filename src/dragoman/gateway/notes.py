"""Notes on their way to a client: the `x-dragoman-notes` header."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dragoman.core.notes import Note

HEADER_MAX = 4096
"""Longest header value (bytes); further notes are only counted."""
_ROOM = len(',"more:999999"]')


def unique(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Without notes that say the same of the same field."""
    seen: dict[tuple[str, str], Note] = {}
    for note in notes:
        seen.setdefault((note.code, note.field), note)
    return tuple(seen.values())


def header(notes: Sequence[Note]) -> bytes:
    """A JSON array of {code, field} in ASCII; b"" without notes. What does not fit is told as "more:N" at the end."""
    if not notes:
        return b""
    parts: list[bytes] = []
    size = 1
    for i, note in enumerate(notes):
        part = _ascii(msgspec.json.encode({"code": note.code, "field": note.field}))
        if size + len(part) + 1 + _ROOM > HEADER_MAX:
            parts.append(b'"more:%d"' % (len(notes) - i))
            break
        parts.append(part)
        size += len(part) + 1
    return b"[" + b",".join(parts) + b"]"


def _ascii(data: bytes) -> bytes:
    if data.isascii():
        return data.replace(b"\x7f", b"\\u007f")
    units = (data.decode().encode("utf-16-be")[i : i + 2] for i in range(0, len(data.decode().encode("utf-16-be")), 2))
    return b"".join(
        bytes([unit[1]]) if unit[0] == 0 and unit[1] < 127 else b"\\u%04x" % int.from_bytes(unit, "big")
        for unit in units
    )
