"""Small help for reading JSON slices of this protocol, on top of `wire.parse`."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.errors import InvalidRequest

NOTHING = Raw(b"")
"""Stands in typed structs for a raw field that is absent: msgspec has no optional Raw."""

_encode = msgspec.json.Encoder().encode


def invalid(param: str, message: str, code: str = "invalid_request") -> InvalidRequest:
    """A refusal that names the field and says what would be right."""
    return InvalidRequest(message, code=code, param=param)


def is_string(raw: Raw) -> bool:
    """Whether the slice is a JSON string."""
    return bytes(raw).startswith(b'"')


def is_object(raw: Raw) -> bool:
    """Whether the slice is a JSON object."""
    return bytes(raw).startswith(b"{")


def is_list(raw: Raw) -> bool:
    """Whether the slice is a JSON array."""
    return bytes(raw).startswith(b"[")


def dump(value: Any) -> Raw:
    """`value` as a JSON slice."""
    return Raw(_encode(value))


def flat(data: bytes) -> bytes:
    """`data` on one line. A client's or vendor's slice may be laid out over several, which would break an SSE frame."""
    if b"\n" in data or b"\r" in data:
        return msgspec.json.format(data, indent=-1)
    return data


def text_of(raw: Raw) -> str:
    """A JSON slice as text, as the client wrote it."""
    return bytes(raw).decode()
