"""Errors, headers and notes as clients see them, and the log line of each request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dragoman.catalog import load
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.cost import price
from dragoman.errors import ErrorInfo
from dragoman.gateway.answers import client_status, error_headers, presentable
from dragoman.gateway.notes import HEADER_MAX, header, unique
from dragoman.telemetry.redaction import Redactor
from tests.e2e.world import chunk, sse
from tests.gateway.asgi import KEY, ROADS, Call, answered, body_for, chat, exchanges, make

ONE_TRY = "[retry]\nattempts = 1\n"


async def refused(
    tmp_path: Path, road: str, status: int, body: bytes, stream: bool = True, **headers: str
) -> tuple[Any, Call]:
    app = make(tmp_path, ONE_TRY)
    call = Call(app, ROADS[road], body_for(road, stream))
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(status, {k.replace("_", "-"): v for k, v in headers.items()})
    up.feed(body)
    up.end()
    await task
    return app, call


@pytest.mark.req(102, 137)
@pytest.mark.case("J04")
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [401, 403])
async def test_the_vendors_refusal_of_our_key_is_not_the_clients(
    tmp_path: Path, road: str, stream: bool, status: int
) -> None:
    body = json.dumps({"error": {"message": f"Invalid API Key {KEY} given"}}).encode()
    app, call = await refused(tmp_path, road, status, body, stream)
    assert call.status == 502
    assert call.headers["x-should-retry"] == "false"
    assert "xiaomi" in call.error["message"]
    if road != "messages":
        assert call.error["code"] == "upstream_auth"
    assert KEY not in call.body.decode()
    assert KEY not in json.dumps(app.lines())


@pytest.mark.case("J06")
@pytest.mark.parametrize("road", ROADS)
async def test_a_rate_limit_keeps_its_retry_after(tmp_path: Path, road: str) -> None:
    _, call = await refused(tmp_path, road, 429, b'{"error":{"message":"slow"}}', retry_after="17")
    assert call.status == 429
    assert call.headers["retry-after"] == "17"
    assert "x-should-retry" not in call.headers


@pytest.mark.case("J05")
@pytest.mark.parametrize("road", ROADS)
async def test_an_overflow_in_the_clients_words(tmp_path: Path, road: str) -> None:
    body = b'{"error":{"message":"This model\'s maximum context length is 1000 tokens. However, you requested 2000 tokens"}}'
    _, call = await refused(tmp_path, road, 400, body)
    assert call.status == 400
    if road == "messages":
        assert call.error["message"].startswith("prompt is too long")
    else:
        assert call.error["code"] == "context_length_exceeded"


@pytest.mark.req(145)
@pytest.mark.parametrize("road", ROADS)
async def test_a_vendors_text_is_short_and_holds_no_key(tmp_path: Path, road: str) -> None:
    text = f"failed with {KEY} and Bearer abcdefghijklmnop " + "x" * 50_000
    app, call = await refused(tmp_path, road, 500, json.dumps({"error": {"message": text}}).encode())
    assert call.status == 502
    assert len(call.error["message"]) <= 2048
    for secret in (KEY, "abcdefghijklmnop"):
        assert secret not in call.body.decode()
        assert secret not in json.dumps(app.lines())


@pytest.mark.parametrize(
    ("info", "road", "status"),
    [
        (ErrorInfo("overloaded", "m", upstream_status=503), "responses", 502),
        (ErrorInfo("overloaded", "m", upstream_status=529), "messages", 529),
        (ErrorInfo("overloaded", "m", upstream_status=529), "chat", 502),
        (ErrorInfo("rate_limit", "m", upstream_status=429), "chat", 429),
        (ErrorInfo("timeout", "m"), "chat", 504),
        (ErrorInfo("invalid_request", "m", status=415), "chat", 415),
    ],
)
def test_statuses(info: ErrorInfo, road: Any, status: int) -> None:
    assert client_status(info, road) == status


def test_an_auth_error_names_provider_and_account_once() -> None:
    shown = presentable(ErrorInfo("auth", "bad key", provider="p", account="work", raw="secret"), Redactor())
    assert "p" in shown.message and "work" in shown.message
    assert (shown.code, shown.raw) == ("upstream_auth", None)
    assert presentable(shown, Redactor()) == shown


def test_headers_that_sdks_obey() -> None:
    assert dict(error_headers(ErrorInfo("rate_limit", "m", retry_after=2.1))) == {b"retry-after": b"3"}
    assert dict(error_headers(ErrorInfo("rate_limit", "m", retry_after=0))) == {b"retry-after": b"0"}
    assert dict(error_headers(ErrorInfo("rate_limit", "m"))) == {b"retry-after": b"5"}, "the vendor named no time"
    assert dict(error_headers(ErrorInfo("overloaded", "m"))) == {}
    assert (b"x-should-retry", b"false") in error_headers(ErrorInfo("server", "m", retryable=False))
    assert error_headers(ErrorInfo("server", "m")) == []


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("stream", [True, False])
async def test_headers_of_every_answer(tmp_path: Path, road: str, stream: bool) -> None:
    whole = b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'
    call = await answered(make(tmp_path), road, chat("x") if stream else whole, stream, temperature=2)
    names = [name for name, _ in call.messages[0]["headers"]]
    assert len(names) == len(set(names))
    assert call.headers["x-request-id"].startswith("req_")
    assert ("request-id" in call.headers) == (road == "messages")
    assert call.headers["x-dragoman-model"] == "xiaomi:m"
    assert call.notes & {"param_clamped", "param_forced"}
    if stream:
        assert call.headers["content-type"].startswith("text/event-stream")
        assert (call.headers["cache-control"], call.headers["x-accel-buffering"]) == ("no-cache", "no")


async def test_a_note_of_the_shape(tmp_path: Path) -> None:
    app = make(tmp_path)
    call = Call(app, ROADS["chat"], body_for("responses", background=True))
    task = call.start()
    up = await exchanges(app).opened(1)
    up.head(200)
    up.feed(chat("x"))
    await task
    assert call.events[-1]["type"] == "response.completed"
    assert {"shape_detected", "background_absent"} <= call.notes


# -- the notes header


def test_no_notes_no_header() -> None:
    assert header(()) == b""


def test_notes_are_a_json_array_in_ascii() -> None:
    notes = [
        Note("param_dropped", "metadata", "text for a person"),
        Note("unknown_field", "\u00fc\u4e2d\U0001f600\x7f\n"),
    ]
    value = header(notes)
    assert value.isascii() and b"\n" not in value and b"\x7f" not in value
    assert json.loads(value) == [
        {"code": "param_dropped", "field": "metadata"},
        {"code": "unknown_field", "field": "\u00fc\u4e2d\U0001f600\x7f\n"},
    ]


@pytest.mark.parametrize("count", [10, 120, 200, 5000])
def test_the_header_is_bounded_and_counts_the_rest(count: int) -> None:
    value = header([Note("param_dropped", f"field_{i}") for i in range(count)])
    assert len(value) <= HEADER_MAX
    items = json.loads(value)
    if count == 10:
        assert len(items) == 10
    else:
        assert items[-1] == f"more:{count - len(items) + 1}"


def test_a_single_enormous_note_is_counted() -> None:
    assert json.loads(header([Note("param_dropped", "x" * 9000)])) == ["more:1"]


def test_repeated_notes_are_told_once() -> None:
    assert unique([Note("param_dropped", "a", "1"), Note("param_dropped", "a", "2"), Note("param_dropped", "b")]) == (
        Note("param_dropped", "a", "1"),
        Note("param_dropped", "b"),
    )


# -- redaction and the log


def test_redaction() -> None:
    redact = Redactor(["hunter2-hunter2", "abc", "hunter2-hunter2-longer"])
    assert redact("a hunter2-hunter2-longer b hunter2-hunter2 c abc") == "a [redacted] b [redacted] c abc"
    assert redact("key sk-proj-abcdefghijklmnop and tp-0123456789abcdef") == "key [redacted] and [redacted]"
    assert redact("Authorization: Bearer abc.def-ghi_jkl012") == "Authorization: Bearer [redacted]"
    assert redact("the sk-8 model, and tokens per second") == "the sk-8 model, and tokens per second"


@pytest.mark.req(102, 108)
async def test_the_log_has_one_line_with_all_that_matters_and_no_content(tmp_path: Path) -> None:
    app = make(tmp_path)
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
    call = await answered(app, "responses", usage + chat("SECRET ANSWER"), input="SECRET QUESTION", temperature=2)
    (line,) = app.lines()  # type: ignore[attr-defined]
    assert line["id"] == call.headers["x-request-id"]
    expected = {"event": "request", "wire": "responses", "model": "xiaomi/m", "used": "xiaomi:m", "status": 200}
    assert expected.items() <= line.items()
    assert (line["outcome"], line["stream"], line["attempts"]) == ("finished", True, 1)
    assert line["tokens"] == {"input": 5, "cache_read": 4, "cache_write": None, "output": 2, "reasoning": None}
    assert line["cost"] == {"amount": None, "unknown": ["price"]}
    assert "param_clamped:temperature" in line["notes"]
    assert line["ms"] >= 0
    assert "SECRET" not in json.dumps(line)
    assert KEY not in json.dumps(line)


async def test_the_log_tells_what_the_call_cost(tmp_path: Path) -> None:
    app = make(tmp_path)
    counts = {"prompt_tokens": 1_000_000, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 600_000}}
    usage = f"data: {json.dumps({'choices': [], 'usage': counts})}\n\n".encode()
    await answered(app, "chat", usage + chat("hi"), model="xiaomi/mimo-v2.6-pro", stream=False)
    (line,) = app.lines()  # type: ignore[attr-defined]
    row = load().model("xiaomi", "mimo-v2.6-pro")
    assert price(Usage(400_000, 600_000, 0, 2), row, datetime.now(UTC)).amount == Decimal(line["cost"]["amount"])
    assert (line["cost"]["currency"], line["cost"]["list"][:22]) == ("USD", "xiaomi:mimo-v2.6-pro@2")


@pytest.mark.req(102, 145)
@pytest.mark.parametrize("road", ROADS)
async def test_an_error_in_mid_stream_holds_no_key_either(tmp_path: Path, road: str) -> None:
    other = "another-configured-secret-key"
    app = make(tmp_path, ONE_TRY, env={"DEEPSEEK_API_KEY": other})
    upstream = sse(chunk(content="part"), {"error": {"message": f"exploded on {KEY} and {other}"}}, done=False)
    call = await answered(app, road, upstream)
    assert b"part" in call.body and b"exploded" in call.body
    for secret in (KEY, other):
        assert secret not in call.body.decode()
        assert secret not in json.dumps(app.lines())  # type: ignore[attr-defined]
