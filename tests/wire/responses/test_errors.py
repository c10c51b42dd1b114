"""HTTP errors on this wire, read and written."""

from __future__ import annotations

import json

import pytest

from dragoman.errors import ErrorInfo
from dragoman.wire.responses import decode_error, encode_error


def body(**error: object) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.req(98)
@pytest.mark.parametrize(
    ("status", "sent", "kind"),
    [
        (400, body(message="x", type="invalid_request_error", param="input[0]"), "invalid_request"),
        (400, body(message="too long", code="context_length_exceeded"), "overflow"),
        (400, body(message="no", code="invalid_prompt"), "invalid_request"),
        (401, body(message="bad key"), "auth"),
        (429, b"", "rate_limit"),
        (429, body(message="tokens per min (TPM): limit 30000"), "rate_limit"),
        (429, body(message="pay", code="insufficient_quota"), "billing"),
        (429, body(message="plan used up", code="usage_limit_reached", type="usage_limit_reached"), "billing"),
        (503, body(message="full", code="server_is_overloaded"), "overloaded"),
        (503, body(message="full", code="slow_down"), "overloaded"),
        (500, b"<html>", "server"),
    ],
)
def test_vendor_errors_are_classed(status: int, sent: bytes, kind: str) -> None:
    info = decode_error(status, {}, sent)
    assert info.kind == kind and info.upstream_status == status and info.message


def test_waiting_times_and_params_are_kept() -> None:
    assert decode_error(429, {"Retry-After": "7"}, b"").retry_after == 7
    assert decode_error(400, {}, body(message="x", param="tools[0].name")).param == "tools[0].name"


def test_client_errors_have_the_official_shape() -> None:
    sent = json.loads(encode_error(ErrorInfo("invalid_request", "input is missing", param="input"), "req_1"))
    assert sent["error"] == {
        "message": "input is missing",
        "type": "invalid_request_error",
        "param": "input",
        "code": "invalid_request",
    }
    overflow = json.loads(encode_error(ErrorInfo("overflow", "x")))["error"]
    assert overflow["code"] == "context_length_exceeded"
