"""Failures written as the Chat protocol's error object."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.errors import ErrorInfo

_TYPES: dict[str, str] = {
    "access": "authentication_error",
    "auth": "upstream_error",
    "billing": "insufficient_quota",
    "rate_limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
    "network": "upstream_error",
    "truncated": "upstream_error",
    "protocol": "upstream_error",
    "server": "server_error",
    "internal": "server_error",
    "config": "server_error",
}
_CODES: dict[str, str] = {
    "auth": "upstream_auth",
    "overflow": "context_length_exceeded",
    "content_filter": "content_filter",
    "rate_limit": "rate_limit_exceeded",
    "billing": "insufficient_quota",
    "overloaded": "overloaded",
    "timeout": "upstream_timeout",
    "truncated": "upstream_truncated",
    "network": "upstream_unreachable",
    "protocol": "upstream_protocol",
    "server": "upstream_error",
    "not_found": "not_found",
    "access": "access_denied",
    "too_large": "body_too_large",
    "aborted": "aborted",
    "config": "config_error",
    "internal": "internal_error",
    "invalid_request": "invalid_request",
}


def encode_error(info: ErrorInfo, request_id: str = "") -> bytes:
    """The error object of the Chat protocol: as an HTTP body, and as the last frame of a stream that failed."""
    body: dict[str, Any] = {
        "error": {
            "message": info.message,
            "type": _TYPES.get(info.kind, "invalid_request_error"),
            "code": info.code or _CODES[info.kind],
            "param": info.param,
        }
    }
    if request_id:
        body["request_id"] = request_id
    return msgspec.json.encode(body)
