"""Error bodies in the shapes that several vendors share."""

from __future__ import annotations

import msgspec

from dragoman.simulator.vendor import Failure


def openai_error(failure: Failure, *, nulls: bool = True) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`. nulls: param and code stand there even without a word."""
    error: dict[str, str | None] = {"message": failure.message, "type": failure.kind or None}
    if nulls or failure.param:
        error["param"] = failure.param or None
    if nulls or failure.code:
        error["code"] = failure.code or None
    return msgspec.json.encode({"error": error})


KINDS: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
"""The error types of the Messages protocol by status; any other is an `api_error`."""


def anthropic_error(failure: Failure, request: str, kind: str = "") -> bytes:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`. kind: in place of the status's own."""
    told = {"type": kind or KINDS.get(failure.status, "api_error"), "message": failure.message}
    body: dict[str, object] = {"type": "error", "error": told}
    if request:
        body["request_id"] = request
    return msgspec.json.encode(body)
