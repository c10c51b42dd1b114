"""JSON as vendors really send it. Knows no protocol."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_SURROGATES = re.compile("[\ud800-\udfff]")


def read_json(data: bytes) -> Any:
    """Any JSON. Unlike the strict reader it takes a lone surrogate escape, which becomes a replacement character."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = json.loads(data.decode("utf-8"))
        return json.loads(_SURROGATES.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
