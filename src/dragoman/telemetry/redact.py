"""Redaction: no key leaves in a text, whether it is one of ours or only looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST = 6
"""A configured key shorter than this is not searched for: it would blacken ordinary words."""
_LOOKS = re.compile(r"\b(?:sk|tp|pk|rk)-[A-Za-z0-9_\-]{12,}|\bBearer\s+[A-Za-z0-9._~+/\-]{12,}=*", re.I)
MARK = "[key]"


class Redactor:
    """Replaces every configured key, and what has the look of a key."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        known = sorted({k for k in keys if len(k) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without keys."""
        if self._known is not None:
            text = self._known.sub(MARK, text)
        return _LOOKS.sub(MARK, text)
