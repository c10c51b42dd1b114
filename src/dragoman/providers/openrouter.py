"""OpenRouter: a cost in every usage report, and what the errors of a router mean.

Bodies are `{"error": {"code": 502, "message": "...", "metadata": {"provider_name": "...", "raw": ...}}}`: the code is
the HTTP status, the true reason is the upstream provider's and stands in `metadata.raw`. A refusal of the moderation is
403 with `reasons` in the metadata (OpenRouter's errors page, by way of its clients, 2026).
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts
from dragoman.core.shape import Thinking
from dragoman.errors import ErrorInfo
from dragoman.providers.deepseek import reasoning_missing
from dragoman.providers.vendor import Vendor, told


class _Metadata(msgspec.Struct):
    reasons: list[str] | None = None


class _Body(msgspec.Struct):
    metadata: _Metadata | None = None


class _Envelope(msgspec.Struct):
    error: _Body


class OpenRouter(Vendor):
    """Usage with cost, and error reading."""

    def extra_body(self, wire: WireName, model: ModelFacts, thinking: Thinking) -> dict[str, Any]:
        """`usage.include` on the Chat wire: older routes report cost and cached tokens only when asked."""
        return {"usage": {"include": True}} if wire == "chat" else {}

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """Moderation by its metadata, missing reasoning by the provider's own words."""
        if info.upstream_status == 403 and (reasons := _reasons(body)):
            message = f"{info.message} ({', '.join(reasons)})"
            return told(info, "content_filter", message, "content_filter", retryable=False)
        return reasoning_missing(info)

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """Missing reasoning by its text."""
        return reasoning_missing(info)


def _reasons(body: bytes) -> list[str]:
    try:
        metadata = msgspec.json.decode(body, type=_Envelope).error.metadata
    except (msgspec.DecodeError, RecursionError):
        return []
    return (metadata.reasons or []) if metadata is not None else []
