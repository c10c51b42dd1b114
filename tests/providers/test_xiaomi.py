"""What MiMo's errors mean: the reason stands in `param`, the code is a string, moderation comes under 400."""

from __future__ import annotations

import json

import pytest

from dragoman.catalog import load, resolve
from dragoman.core.messages import Message, Text
from dragoman.core.request import Request
from dragoman.errors import ErrorInfo
from dragoman.providers import Plan, Target, plan

FOUND = resolve("xiaomi:mimo-v2.6-pro", load(), enabled=["xiaomi"])


def made(wire: str = "chat") -> Plan:
    request = Request("m", (Message("user", (Text("hi"),)),))
    return plan(request, Target(FOUND.provider, FOUND.model, "sk-1", "main", wire))  # type: ignore[arg-type]


def read(
    status: int,
    code: str,
    message: str = "Param Incorrect",
    param: str | None = None,
    *,
    prefix: bytes = b"",
    wire: str = "chat",
) -> ErrorInfo:
    error = {"code": code, "message": message, "type": ""} | ({"param": param} if param is not None else {})
    return made(wire).error(status, {}, prefix + json.dumps({"error": error}).encode())


@pytest.mark.req(98)
@pytest.mark.parametrize("prefix", [b"", b"data:", b"data: "])
@pytest.mark.parametrize("wire", ["chat", "messages", "responses"])
def test_missing_reasoning_is_told_apart(prefix: bytes, wire: str) -> None:
    reason = "The reasoning_content in the thinking mode must be passed back to the API."
    info = read(400, "400", param=reason, prefix=prefix, wire=wire)
    assert (info.kind, info.code, info.param) == ("invalid_request", "reasoning_missing", None)
    assert reason in info.message
    assert (info.provider, info.account) == ("xiaomi", "main")


@pytest.mark.req(98)
@pytest.mark.parametrize(("status", "code"), [(400, "421"), (400, "441"), (421, "421"), (421, "")])
def test_moderation_and_risk_control_are_content_filter(status: int, code: str) -> None:
    info = read(status, code, param="sensitive content")
    assert (info.kind, info.message, info.can_retry) == ("content_filter", "sensitive content", False)


@pytest.mark.req(98)
@pytest.mark.parametrize(
    ("status", "message", "param", "kind", "code"),
    [
        (
            400,
            "web search tool found in the request body, but webSearchEnabled is false",
            "",
            "invalid_request",
            "web_search_disabled",
        ),
        (400, "Param Incorrect", "Unsupported model mimo-v2-flash", "not_found", "model_not_found"),
        (404, "Unsupported model", "", "not_found", "model_not_found"),
        (404, "No endpoints found that support image input", "", "invalid_request", "unsupported_media"),
        (
            400,
            "Param Incorrect",
            "This endpoint's maximum context length is 1048576 tokens.",
            "overflow",
            "context_length_exceeded",
        ),
    ],
)
def test_kinds_by_reason(status: int, message: str, param: str, kind: str, code: str) -> None:
    info = read(status, str(status), message, param)
    assert (info.kind, info.code) == (kind, code)


@pytest.mark.req(98, 100)
def test_statuses_keep_their_meaning() -> None:
    assert read(402, "402", "Upstream request failed: Insufficient account funds").kind == "billing"
    assert read(401, "401", "Invalid API Key").kind == "auth"
    limited = read(429, "429", "Too many requests")
    assert (limited.kind, limited.can_retry) == ("rate_limit", True)
    assert read(503, "503", "busy").can_retry


def test_other_bad_requests_say_why() -> None:
    info = read(400, "400", param="`text` is not set")
    assert (info.kind, info.message, info.param) == ("invalid_request", "Param Incorrect: `text` is not set", None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"data:", b"[]", b'{"error":"no"}', b'{"error":{"code":{}}}'])
def test_what_cannot_be_read_is_left_to_the_wire(body: bytes) -> None:
    assert made().error(500, {}, body).kind == "server"
