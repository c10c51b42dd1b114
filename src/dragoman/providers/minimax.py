"""MiniMax: what its errors mean, and the form in which its reasoning is asked for. All else is data in the catalogue.

A failure comes as an HTTP error (`{"type": "error", "error": {"type": ..., "message": "... (2013)"}}`), or as a 200
with `base_resp.status_code`. Statuses and types are coarse and not documented; the number is the reliable key, at the
end of the message in round brackets or in `base_resp` (error code page and clients, summer 2026).
"""

from __future__ import annotations

import re
from typing import Any

from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts
from dragoman.core.shape import Thinking
from dragoman.errors import ErrorInfo
from dragoman.providers.vendor import Vendor, told
from dragoman.wire.upstream_errors import is_overflow, status_kind

_CODE = re.compile(r"\((\d{4})\)\s*$")
_AGAIN = frozenset({1000, 1001, 1002, 1013, 1041, 2045})
"""Worth another try. 2056, a plan that is used up, is too, but only after the moment that its text names."""


class MiniMax(Vendor):
    """The split form of reasoning on the Chat wire, and the error codes on every wire."""

    def extra_body(self, wire: WireName, model: ModelFacts, thinking: Thinking) -> dict[str, Any]:
        """`reasoning_split` for every model that can think: it changes the form only, not whether the model thinks."""
        return {"reasoning_split": True} if wire == "chat" and model.thinking != "none" else {}

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """The failure by its number."""
        return self.refine_stream(info)

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """As `refine_error`, for a failure inside a 200."""
        number = _number(info)
        kind = None if number is None else status_kind(number)
        if kind is None:
            if info.upstream_status in (400, 422) and "new_sensitive" in info.message:
                return told(info, "content_filter", info.message, "content_filter", retryable=False)
            return info
        if kind == "invalid_request" and is_overflow(info.message):
            return told(info, "overflow", info.message, "context_length_exceeded", retryable=False)
        code = {"auth": "upstream_auth", "content_filter": "content_filter"}.get(kind, str(number))
        return told(info, kind, info.message, code, retryable=number in _AGAIN)


def _number(info: ErrorInfo) -> int | None:
    """The vendor's number of this failure."""
    found = _CODE.search(info.message)
    if found is not None:
        return int(found[1])
    code = info.code or ""
    return int(code) if re.fullmatch(r"[12]\d{3}", code) else None
