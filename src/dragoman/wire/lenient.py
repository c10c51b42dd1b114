"""JSON as vendors really send it. Knows no protocol."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def read_json(data: bytes) -> Any:
    """Any JSON. Unlike the strict reader it takes a lone surrogate escape, which becomes a replacement character."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = json.loads(data.decode("utf-8"))
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
