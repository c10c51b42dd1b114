"""Failures on the Responses wire.

HTTP bodies look as on the Chat wire, for vendors and for clients, and are read and written there. What is particular
here are the codes that stand inside a stream: in `response.failed` and in `error` events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.errors import ErrorInfo, ErrorKind
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.upstream_errors import base_resp_error
from dragoman.wire.upstream_errors import decode_error as _decode_error
from dragoman.wire.upstream_errors import stream_error as _stream_error

__all__ = ["base_resp_error", "decode_error", "decode_failure", "encode_error", "stream_error"]

_READ: dict[str, ErrorKind] = {
    "invalid_prompt": "invalid_request",
    "server_error": "server",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "usage_limit_reached": "billing",
    "usage_not_included": "billing",
}
_WRITTEN: dict[str, str] = {
    "overflow": "context_length_exceeded",
    "rate_limit": "rate_limit_exceeded",
    "billing": "insufficient_quota",
    "invalid_request": "invalid_prompt",
    "content_filter": "invalid_prompt",
    "auth": "upstream_auth",
}


def _known(info: ErrorInfo) -> ErrorInfo:
    kind = _READ.get(info.code or "")
    return info if kind is None or kind == info.kind else msgspec.structs.replace(info, kind=kind)


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
    """What a vendor's HTTP error means. Never raises."""
    return _known(_decode_error(status, headers, body))


def decode_failure(value: Any) -> ErrorInfo:
    """What an error object inside of an answer means."""
    return _known(_stream_error(value) or ErrorInfo("server", "the upstream failed and does not say why"))


def stream_error(info: ErrorInfo) -> dict[str, Any]:
    """What `response.failed` says. Codex gives up on overload and quota codes, and retries `server_error`."""
    code = _WRITTEN.get(info.kind, "server_error")
    message = info.message
    if info.code == "insufficient_quota":
        code = "insufficient_quota"
    if code == "rate_limit_exceeded" and info.retry_after is not None and "try again in" not in message.lower():
        message = f"{message.rstrip('. ')}. Please try again in {info.retry_after:g}s."
    return {"code": code, "message": message}
