"""Small help for reading JSON slices of this protocol, on top of `wire.parse`."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.errors import InvalidRequest

NOTHING = Raw(b"")
"""Stands in typed structs for a raw field that is absent: msgspec has no optional Raw."""


def invalid(param: str, message: str, code: str = "invalid_request") -> InvalidRequest:
    """A refusal that names the field and says what would be right."""
    return InvalidRequest(message, code=code, param=param)


def flat(data: bytes) -> bytes:
    """`data` on one line. A client's or vendor's slice may be laid out over several, which would break an SSE frame."""
    if b"\n" in data or b"\r" in data:
        return msgspec.json.format(data, indent=-1)
    return data


def text_of(raw: Raw) -> str:
    """A JSON slice as text, as the client wrote it."""
    return bytes(raw).decode()
