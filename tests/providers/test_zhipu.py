"""Zhipu GLM: preserved thinking, models that always think, addresses, errors by their code, endings and usage."""

from __future__ import annotations

import pytest

from dragoman.catalog import resolve
from dragoman.core.events import Event, Failed, Finished, Incomplete
from dragoman.errors import InvalidRequest
from tests.providers.road import CATALOGUE, LOOP, TOOL, delta, failure, made, notes, stream, target

KEPT = {"type": "enabled", "clear_thinking": False}
FORCED = ["glm-5.3", "glm-5.3-flash", "glm-5.3-flashx", "glm-5-turbo", "glm-5v-turbo", "glm-4.7", "glm-4.7-flash",
          "glm-4.7-flashx", "glm-4.5v"]  # fmt: skip


# Thinking


@pytest.mark.case("B14")
@pytest.mark.req(68)
@pytest.mark.parametrize("name", [row.facts.id for row in CATALOGUE.all() if row.facts.provider == "zhipu"])
def test_effort_low_is_on_and_keeps_earlier_thinking_on_every_model(name: str) -> None:
    assert made(f"zhipu:{name}", {"reasoning": {"effort": "low"}}, "responses")[1]["thinking"] == KEPT


@pytest.mark.req(68)
@pytest.mark.parametrize("name", FORCED)
def test_a_model_that_always_thinks_is_never_told_to_stop(name: str) -> None:
    for default in ("off", "auto", "vendor"):
        for ask in ({}, {"reasoning": {"effort": "none"}}):
            _, body = made(target(f"zhipu:{name}", thinking_default=default), ask, "responses")
            assert body.get("thinking", {}).get("type") != "disabled"
    done, _ = made(f"zhipu:{name}", {"reasoning_effort": "none"})
    assert ("effort_coerced", "reasoning_effort") in notes(done)


@pytest.mark.req(68)
@pytest.mark.parametrize("name", ["glm-5.3", "glm-5.2", "glm-4.7", "glm-4.6"])
def test_a_history_with_thinking_asks_to_keep_it(name: str) -> None:
    _, body = made(f"zhipu:{name}", {"messages": LOOP, "tools": [TOOL]})
    assert body["thinking"] == KEPT
    assert body["messages"][1]["reasoning_content"] == "why"
    lost = [LOOP[0], {k: v for k, v in LOOP[1].items() if k != "reasoning_content"}, LOOP[2]]
    _, body = made(f"zhipu:{name}", {"messages": lost, "tools": [TOOL]})
    assert "thinking" not in body and "reasoning_content" not in body["messages"][1]


def test_the_persons_off_is_not_overruled_by_the_history() -> None:
    to = target("zhipu:glm-5.2", thinking_default="off")
    assert made(to, {"messages": LOOP, "tools": [TOOL]})[1]["thinking"] == {"type": "disabled"}


def test_the_messages_wire_knows_only_on_and_off() -> None:
    _, body = made(target("zhipu:glm-5.2", wire="messages"), {"reasoning_effort": "high", "user": "some-user"})
    assert body["thinking"] == {"type": "enabled"}
    assert not {"user_id", "reasoning_effort", "output_config", "tool_stream"} & set(body)
    assert body["metadata"] == {"user_id": "some-user"}


# Requests


@pytest.mark.parametrize(
    ("name", "stream", "tools", "sent"),
    [
        ("glm-5.3", True, True, True),
        ("glm-4.6", True, True, True),
        ("glm-4.7", True, True, True),
        ("glm-4.5", True, True, False),
        ("glm-4.5v", True, True, False),
        ("glm-5.3", False, True, False),
        ("glm-5.3", True, False, False),
    ],
)
def test_arguments_are_asked_for_in_pieces(name: str, stream: bool, tools: bool, sent: bool) -> None:
    _, body = made(f"zhipu:{name}", {"stream": stream, **({"tools": [TOOL]} if tools else {})})
    assert body.get("tool_stream", False) is sent


@pytest.mark.case("F01")
def test_no_call_can_be_forced() -> None:
    done, body = made("zhipu:glm-5.3", {"tools": [TOOL], "tool_choice": "required"})
    assert body["tool_choice"] == "auto"
    assert ("tool_choice_weakened", "tool_choice") in notes(done)


def test_ranges_stops_and_ids_have_the_documented_form() -> None:
    done, body = made(
        "zhipu:glm-4.6",
        {"temperature": 1.7, "top_p": 0.0, "stop": ["a"], "do_sample": False, "request_id": "r-123456", "user": "u"},
    )
    assert (body["temperature"], body["top_p"], body["stop"]) == (1.0, 0.01, ["a"])
    assert (body["do_sample"], body["request_id"]) == (False, "r-123456")
    assert 6 <= len(body["user_id"]) <= 128
    assert {("param_clamped", "temperature"), ("param_clamped", "top_p"), ("param_clamped", "user")} <= notes(done)
    done, body = made("zhipu:glm-4.6", {"request_id": "r", "user": "person-17"})
    assert "request_id" not in body and body["user_id"] == "person-17"
    assert ("param_dropped", "request_id") in notes(done)
    with pytest.raises(InvalidRequest, match="takes 4"):
        made("zhipu:glm-4.6", {"stop": list("abcde")})


# Addresses


@pytest.mark.parametrize(
    ("name", "base", "url"),
    [
        ("zhipu:glm-5.3", None, "https://api.z.ai/api/paas/v4/chat/completions"),
        ("zhipu:glm-5.3", "https://api.z.ai/api/coding/paas/v4", "https://api.z.ai/api/coding/paas/v4/chat/completions"),
        ("zhipu-coding:glm-5.3", None, "https://api.z.ai/api/coding/paas/v4/chat/completions"),
        ("zhipu-coding:glm-5.3", "https://open.bigmodel.cn", "https://open.bigmodel.cn/api/coding/paas/v4/chat/completions"),
        ("zhipu-cn:glm-5.3", None, "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
    ],
)  # fmt: skip
def test_addresses(name: str, base: str | None, url: str) -> None:
    assert made(target(name, base_url=base), {})[0].url == url


def test_a_plan_has_no_price_by_the_token() -> None:
    assert resolve("zhipu-coding:glm-5.3", CATALOGUE).row.prices == ()
    assert all(row.currency == "CNY" for row in resolve("zhipu-cn:glm-5.3", CATALOGUE).row.prices)
    assert resolve("zhipu:glm-5.3", CATALOGUE).row.prices


# Errors


ERRORS = [
    (401, "1000", "auth", False),
    (401, "1004", "auth", False),
    (429, "1113", "billing", False),
    (400, "1210", "invalid_request", False),
    (400, "1211", "not_found", False),
    (400, "1214", "invalid_request", False),
    (400, "1261", "overflow", False),
    (400, "1301", "content_filter", False),
    (429, "1302", "rate_limit", True),
    (429, "1303", "rate_limit", True),
    (429, "1305", "overloaded", True),
    (429, "1308", "billing", False),
    (429, "1309", "billing", False),
    (429, "1310", "billing", False),
    (429, "1313", "rate_limit", False),
    (429, "1315", "auth", False),
    (500, "500", "server", True),
    (500, "1234", "server", True),
    (429, "9999", "rate_limit", True),
]


@pytest.mark.req(98, 100, 101)
@pytest.mark.parametrize(("status", "code", "kind", "again"), ERRORS)
def test_the_code_says_what_a_failure_is(status: int, code: str, kind: str, again: bool) -> None:
    text = "Usage limit reached; it will reset at 2026-11-22 03:00:00"
    info = failure("zhipu:glm-5.3", status, {"error": {"code": code, "message": text}})
    assert (info.kind, info.can_retry, info.message) == (kind, again, text)
    assert info.upstream_status == status
    assert failure("zhipu:glm-5.3", status, {"error": {"code": int(code), "message": text}}).kind == kind


@pytest.mark.req(99)
def test_a_moment_on_the_vendors_own_clock_is_no_wait() -> None:
    """`Your limit will reset at 2026-11-22 03:00:00` is Beijing time; read as UTC it would be eight hours too long."""
    text = "Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 03:00:00"
    date = "Sat, 21 Nov 2026 17:00:00 GMT"
    assert failure("zhipu:glm-5.3", 429, {"error": {"code": "1308", "message": text}}, date=date).retry_after is None
    told = failure(
        "zhipu:glm-5.3", 429, {"error": {"code": "1308", "message": text}}, date=date, retry_after_ms="997000"
    )
    assert told.retry_after == 997


@pytest.mark.req(98)
@pytest.mark.parametrize(("status", "code", "kind", "again"), ERRORS[:-1])
def test_and_so_it_does_in_a_stream(status: int, code: str, kind: str, again: bool) -> None:
    done, _ = made("zhipu:glm-5.3", {"stream": True})
    end = stream(done, {"error": {"code": code, "message": "no"}})[-1]
    assert isinstance(end, Failed)
    assert (end.error.kind, end.error.can_retry) == (kind, again)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"no"}', b'{"error":{"code":{}}}'])
def test_what_cannot_be_read_is_left_to_the_wire(body: bytes) -> None:
    assert failure("zhipu:glm-5.3", 500, body).kind == "server"


# Answers


@pytest.mark.req(98, 101)
@pytest.mark.parametrize(
    ("finish", "end"),
    [
        ("stop", Finished),
        ("sensitive", Incomplete),
        ("model_context_window_exceeded", Incomplete),
        ("length", Incomplete),
        ("network_error", Failed),
    ],
)
def test_endings(finish: str, end: type[Event]) -> None:
    done, _ = made("zhipu:glm-5.3", {"stream": True})
    last = stream(done, delta(content="a"), delta(finish))[-1]
    assert type(last) is end
    if isinstance(last, Incomplete):
        assert last.reason == {"sensitive": "content_filter", "length": "length"}.get(finish, "context_window")
    if isinstance(last, Failed):
        assert (last.error.kind, last.error.can_retry) == ("server", True)


@pytest.mark.req(87, 89)
def test_usage_comes_with_the_last_chunk() -> None:
    done, _ = made("zhipu:glm-5.3", {"stream": True})
    report = {
        "prompt_tokens": 50,
        "completion_tokens": 9,
        "total_tokens": 59,
        "prompt_tokens_details": {"cached_tokens": 40},
    }
    end = stream(done, delta(reasoning_content="r"), {**delta("stop", content="a"), "usage": report})[-1]
    assert isinstance(end, Finished) and end.usage is not None
    assert (end.usage.input, end.usage.cache_read, end.usage.output) == (10, 40, 9)
