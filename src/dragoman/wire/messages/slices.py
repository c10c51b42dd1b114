"""Small questions about raw JSON slices that the readers of this wire share."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw


def is_string(raw: Raw) -> bool:
    """Whether the slice is a JSON string."""
    return bytes(raw)[:1] == b'"'


def is_object(raw: Raw) -> bool:
    """Whether the slice is a JSON object."""
    return bytes(raw)[:1] == b"{"


def compact(value: Any) -> Raw:
    """`value` as a JSON slice."""
    return Raw(msgspec.json.encode(value))
