"""Failures: what HTTP answers of upstreams mean, and the error object that a Chat client is shown."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import ErrorInfo, ErrorKind
from dragoman.wire.chat_completions import decode_error, encode_error


def read(status: int, body: Any = b"", **headers: str) -> ErrorInfo:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_error(status, {k.replace("_", "-"): v for k, v in headers.items()}, data)


def said(message: str = "m", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


@pytest.mark.req(98, 100, 101)
@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "retry"),
    [
        (400, said(), "invalid_request", None, False),
        (401, said(code="invalid_api_key"), "auth", "upstream_auth", False),
        (402, said("Insufficient account funds"), "billing", None, False),
        (403, said("region closed"), "auth", "upstream_auth", False),
        (404, said(code="model_not_found"), "not_found", "model_not_found", False),
        (408, b"", "timeout", None, True),
        (413, b"", "too_large", None, False),
        (421, said("moderation"), "content_filter", None, False),
        (422, said(), "invalid_request", None, False),
        (429, b"", "rate_limit", None, True),
        (429, said("Too many requests", code="429", type="limitation"), "rate_limit", "429", True),
        (429, said("tokens per minute: context length budget exceeded"), "rate_limit", None, True),
        (429, said("quota", code="insufficient_quota"), "billing", "insufficient_quota", False),
        (429, said("busy", type="engine_overloaded_error"), "overloaded", "engine_overloaded_error", True),
        (500, b"", "server", None, True),
        (502, b"<html>bad gateway</html>", "server", None, True),
        (503, b"", "overloaded", None, True),
        (504, b"", "timeout", None, True),
        (529, b"", "overloaded", None, True),
        (599, b"", "server", None, True),
        (418, b"", "invalid_request", None, False),
        (400, said("This model's maximum context length is 9 tokens"), "overflow", "context_length_exceeded", False),
        (400, said("context window exceeds limit (2013)"), "overflow", "context_length_exceeded", False),
        (400, said("x", code="context_length_exceeded"), "overflow", "context_length_exceeded", False),
        (413, said("prompt is too long: 9 tokens > 8 maximum"), "overflow", "context_length_exceeded", False),
        (400, said("x", code="421"), "content_filter", "421", False),
        (400, said("x", code="441"), "content_filter", "441", False),
        (400, said("x", code="invalid_request_error"), "invalid_request", "invalid_request_error", False),
        (500, said("x", type="invalid_request_error"), "server", "invalid_request_error", True),
        (400, [{"error": {"code": 400, "message": "m", "status": "INVALID"}}], "invalid_request", "400", False),
        (400, {"detail": [{"loc": ["body"], "msg": "bad"}]}, "invalid_request", None, False),
        (200, {"base_resp": {"status_code": 5, "status_msg": "m"}}, "server", "5", True),
    ],
)
def test_kinds(status: int, body: Any, kind: str, code: str | None, retry: bool) -> None:
    info = read(status, body)
    assert (info.kind, info.code, info.can_retry) == (kind, code, retry)
    assert info.upstream_status == status
    assert info.message


@pytest.mark.case("J04")
def test_a_refused_key_is_not_the_clients_own() -> None:
    info = read(401, said("bad key"))
    assert (info.http_status, info.code, info.fault) == (502, "upstream_auth", "upstream")


@pytest.mark.case("J05")
def test_overflow_is_the_clients_to_mend() -> None:
    info = read(400, said("maximum context length is 1048576 tokens. However, you requested about 2000000"))
    assert (info.http_status, info.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize("prefix", [b"data:", b"data: ", b"event: error\ndata: ", b"\n\ndata:", b""])
def test_the_streams_prefix_is_taken_off_and_the_reason_found_in_param(prefix: bytes) -> None:
    reason = "The reasoning_content in the thinking mode must be passed back to the API."
    body = said("Param Incorrect", code="400", param=reason, type="")
    info = read(400, prefix + json.dumps(body).encode())
    assert (info.kind, info.message, info.code) == ("invalid_request", f"Param Incorrect: {reason}", "400")
    assert info.param is None
    assert read(400, said("m", param="messages[0]")).param == "messages[0]"


def test_what_a_router_was_told_is_told_on() -> None:
    info = read(502, said("Provider returned error", metadata={"provider_name": "p", "raw": "the true reason"}))
    assert info.message == "Provider returned error: p: the true reason"
    nested = {"provider_name": "p", "raw": json.dumps({"error": {"message": "too long a prompt"}})}
    assert read(400, said("Provider returned error", metadata=nested)).message.endswith("error: p: too long a prompt")


def test_bodies_that_are_no_json() -> None:
    assert read(500, b"upstream connect error").message == "the upstream answered 500: upstream connect error"
    assert read(502, b"<html>\n<body>").message == "the upstream answered 502"
    assert read(429, b"").message == "the upstream answered 429"


@pytest.mark.req(145)
def test_the_raw_body_is_kept_but_bounded() -> None:
    info = read(500, b"x" * 10_000)
    assert info.raw is not None
    assert len(info.raw) == 2048
    assert len(read(500, said("y" * 10_000)).message) == 2000


@pytest.mark.case("J06")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert read(429, b"", **headers).retry_after == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("try again in 2.5s", 2.5), ("Please try again in 300ms.", 0.3), ("try again in 2m", 120.0)]
)
def test_a_wait_that_stands_only_in_the_text(text: str, seconds: float) -> None:
    assert read(429, said(text)).retry_after == pytest.approx(seconds)
    assert read(400, said(text)).retry_after is None


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["retry-after", "date", "x"]), st.text(max_size=8)),
    st.binary(max_size=80),
)
def test_nothing_raises(status: int, headers: dict[str, str], body: bytes) -> None:
    assert decode_error(status, headers, body).message


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda x: (
            st.lists(x, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["error", "message", "code", "type", "param", "metadata", "raw", "base_resp", "detail"]
                ),
                x,
                max_size=4,
            )
        ),
    )
)
def test_no_shape_of_a_body_raises(body: Any) -> None:
    assert read(400, body).message


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_has_a_clients_form(kind: ErrorKind) -> None:
    body = json.loads(encode_error(ErrorInfo(kind, "m", param="p")))
    assert set(body) == {"error"}
    error = body["error"]
    assert (error["message"], error["param"]) == ("m", "p")
    assert error["type"]
    assert error["code"]


def test_a_code_of_its_own_and_the_request_id() -> None:
    body = json.loads(encode_error(ErrorInfo("auth", "m", code="mine"), "req_1"))
    assert body["error"]["code"] == "mine"
    assert body["request_id"] == "req_1"
