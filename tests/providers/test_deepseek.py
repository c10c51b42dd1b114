"""DeepSeek: reasoning that goes back, what is sent while it thinks, its errors, its usage and its odd endings."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dragoman.catalog import resolve
from dragoman.catalog.records import merged_profile
from dragoman.core.events import Failed, Finished
from dragoman.core.usage import Usage
from dragoman.cost import price
from tests.providers.road import CALL, CATALOGUE, LOOP, TOOL, delta, failure, made, notes, said, stream, target

PRO = "deepseek:deepseek-v4-pro"


def assistants(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [message for message in body["messages"] if message["role"] == "assistant"]


# Reasoning


@pytest.mark.req(67)
def test_with_tools_every_assistant_message_carries_a_string() -> None:
    history = [
        *LOOP,
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "more"},
        {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "ok"},
    ]
    done, body = made(PRO, {"messages": history, "tools": [TOOL]})
    assert [m["reasoning_content"] for m in assistants(body)] == ["why", "", ""]
    assert ("thinking_placeholder", "") in notes(done)


@pytest.mark.req(67)
def test_calls_in_the_history_are_tools_enough() -> None:
    assert assistants(made(PRO, {"messages": LOOP})[1])[0]["reasoning_content"] == "why"


@pytest.mark.req(67)
def test_without_tools_no_reasoning_is_sent() -> None:
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "reasoning_content": "why"}]
    _, body = made(PRO, {"messages": [*talk, {"role": "user", "content": "n"}]})
    assert "reasoning_content" not in assistants(body)[0]


@pytest.mark.req(67)
def test_switched_off_nothing_of_it_is_sent() -> None:
    _, body = made(PRO, {"messages": LOOP, "tools": [TOOL], "reasoning_effort": "none"})
    assert body["thinking"] == {"type": "disabled"}
    assert "reasoning_content" not in assistants(body)[0]


@pytest.mark.req(67)
def test_another_host_of_the_old_r1_takes_none() -> None:
    to = target(PRO)
    old = merged_profile(to.provider.profile, {"replay": "never"})
    to = msgspec.structs.replace(to, provider=msgspec.structs.replace(to.provider, profile=old))
    _, body = made(to, {"messages": LOOP, "tools": [TOOL]})
    assert "reasoning_content" not in assistants(body)[0]


@pytest.mark.req(67, 83)
def test_sampling_is_left_out_while_it_thinks() -> None:
    done, body = made(PRO, {"temperature": 0.3, "top_p": 0.4})
    assert not {"temperature", "top_p"} & set(body)
    assert {("param_forced", "temperature"), ("param_forced", "top_p")} <= notes(done)
    assert made(PRO, {"temperature": 0.3, "reasoning_effort": "none"})[1]["temperature"] == 0.3


def test_over_messages_thinking_stays_a_block() -> None:
    _, body = made(target(PRO, wire="messages"), {"messages": LOOP, "tools": [TOOL]})
    content = body["messages"][1]["content"]
    assert content[0] == {"type": "thinking", "thinking": "why"}
    assert content[1]["type"] == "tool_use"
    lost = [LOOP[0], {key: value for key, value in LOOP[1].items() if key != "reasoning_content"}, LOOP[2]]
    _, body = made(target(PRO, wire="messages"), {"messages": lost, "tools": [TOOL]})
    assert body["messages"][1]["content"][0]["thinking"]


# Requests


@pytest.mark.case("F02")
@pytest.mark.req(63)
@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
def test_required_stays_required(wire: str) -> None:
    body: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required"}
    if wire == "responses":
        body["tools"] = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    elif wire == "messages":
        body = {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}
    assert made(PRO, body, wire)[1]["tool_choice"] == "required"


@pytest.mark.case("F04")
@pytest.mark.req(63)
def test_a_forced_custom_tool_is_a_function_with_its_encoded_name() -> None:
    ask = {"tools": [{"type": "custom", "name": "apply.it"}], "tool_choice": {"type": "custom", "name": "apply.it"}}
    _, body = made(PRO, ask, "responses")
    name = body["tools"][0]["function"]["name"]
    assert name == "apply_it"
    assert body["tool_choice"] == {"type": "function", "function": {"name": name}}


@pytest.mark.case("F06")
def test_only_the_allowed_tools_go_up() -> None:
    functions = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in "fg"]
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    _, body = made(PRO, {"tools": functions, "tool_choice": choice}, "responses")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "required"


@pytest.mark.case("F08")
@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_the_end_user_is_user_id_of_the_documented_form(wire: str) -> None:
    _, body = made(PRO, {"user": "u", "safety_identifier": "s_1"}, wire)
    assert body["user_id"] == "s_1"
    done, body = made(PRO, {"user": "a.b@example.com"}, wire)
    assert body["user_id"].startswith("user_") and "@" not in body["user_id"]
    assert ("param_clamped", "user") in notes(done)
    assert made(PRO, {"user": "a.b@example.com"}, wire)[1]["user_id"] == body["user_id"]


@pytest.mark.case("F08")
@pytest.mark.parametrize("name", [PRO, "zhipu:glm-5.2"])
@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_a_client_may_know_the_vendors_own_name_for_the_end_user(name: str, wire: str) -> None:
    done, body = made(name, {"user_id": "person-17", "user": "another"}, wire)
    assert (body["user_id"], notes(done)) == ("person-17", set())
    done, body = made(name, {"user_id": "a@b"}, wire)
    assert body["user_id"].startswith("user_") and ("param_clamped", "user_id") in notes(done)
    assert made("gemini:gemini-3.8-flash", {"user_id": "person-17"})[0].notes[0].code == "unknown_field"


@pytest.mark.req(69)
@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_exactly_one_header_carries_the_key(wire: Any) -> None:
    done, _ = made(target(PRO, wire=wire), {})
    carriers = [name for name, value in done.headers.items() if "sk-key" in value]
    assert carriers == ["authorization"]
    assert (
        done.url
        == "https://api.deepseek.com" + {"chat": "/chat/completions", "messages": "/anthropic/v1/messages"}[wire]
    )


@pytest.mark.req(65)
def test_a_persons_extra_body_is_merged_and_keeps_the_key() -> None:
    extra = {"thinking": {"note": 1}, "authorization": "Bearer other"}
    done, body = made(target(PRO, extra_body=extra), {"reasoning_effort": "high"})
    assert body["thinking"] == {"type": "enabled", "note": 1}
    assert done.body.count(b'"thinking"') == 1
    assert done.headers["authorization"] == "Bearer sk-key"


# Errors


@pytest.mark.req(98, 100, 101)
@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "again"),
    [
        (400, said("The `reasoning_content` in the thinking mode must be passed back to the API.",
                   type="invalid_request_error", code="invalid_request_error"),
         "invalid_request", "reasoning_missing", False),
        (400, said("This model's maximum context length is 1048576 tokens. However, you requested 2000000.",
                   type="invalid_request_error"), "overflow", "context_length_exceeded", False),
        (400, said("Content Exists Risk", type="invalid_request_error", code="invalid_request_error"),
         "content_filter", "content_filter", False),
        (400, said("Invalid assistant message: content or tool_calls must be set", type="invalid_request_error"),
         "invalid_request", "invalid_request_error", False),
        (401, said("Authentication Fails (no such user)", type="authentication_error"), "auth", "upstream_auth", False),
        (402, said("Insufficient Balance", type="unknown_error"), "billing", None, False),
        (422, said("Invalid parameters", type="invalid_request_error"), "invalid_request", None, False),
        (429, said("Rate limit reached: too many tokens in flight"), "rate_limit", None, True),
        (429, b"", "rate_limit", None, True),
        (500, said("Server error"), "server", None, True),
        (503, said("The server is overloaded"), "overloaded", None, True),
    ],
)  # fmt: skip
def test_errors(status: int, body: Any, kind: str, code: str | None, again: bool) -> None:
    info = failure(PRO, status, body)
    assert (info.kind, info.can_retry) == (kind, again)
    assert code is None or info.code == code


@pytest.mark.req(98)
@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_missing_reasoning_is_named_on_both_wires(wire: Any) -> None:
    done, _ = made(target(PRO, wire=wire), {})
    body = b'{"error":{"message":"The `reasoning_content` in the thinking mode must be passed back to the API."}}'
    assert done.error(400, {}, body).code == "reasoning_missing"


@pytest.mark.req(98)
def test_an_answer_for_which_the_machines_did_not_suffice_may_be_asked_again() -> None:
    done, _ = made(PRO, {"stream": True})
    end = stream(done, delta(content="Par"), delta("insufficient_system_resource"))[-1]
    assert isinstance(end, Failed)
    assert (end.error.kind, end.error.can_retry) == ("server", True)


# Answers


def test_blank_lines_and_comments_before_an_answer_are_nothing() -> None:
    done, _ = made(PRO, {})
    answer = b'{"id":"x","model":"m","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'
    events = done.whole(b"\n\n\r\n \n" + answer, lambda prefix: prefix, "t")
    assert isinstance(events[-1], Finished)
    decoder = done.decoder(lambda prefix: prefix, "t")
    quiet = decoder.feed(b": keep-alive\n\n: keep-alive\n\n")
    assert quiet == []
    rest = decoder.feed(
        b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    assert isinstance(rest[-1], Finished)


@pytest.mark.req(87, 88)
def test_usage_by_hit_and_miss() -> None:
    done, _ = made(PRO, {"stream": True})
    report = {
        "prompt_tokens": 100, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40, "completion_tokens": 30,
        "completion_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 130,
    }  # fmt: skip
    chunks = [{**delta(content="a"), "usage": None}, {**delta("stop"), "usage": None}, {"choices": [], "usage": report}]
    end = stream(done, *chunks)[-1]
    assert isinstance(end, Finished) and end.usage is not None
    usage = end.usage
    assert (usage.input, usage.cache_read, usage.output, usage.reasoning, usage.total) == (40, 60, 30, 20, 130)


@pytest.mark.req(101)
def test_a_prompt_over_the_window_is_noted() -> None:
    done, _ = made(PRO, {"stream": True})
    usage = {"prompt_tokens": 1_000_001, "completion_tokens": 1, "prompt_cache_hit_tokens": 900_000}
    codes = [e.note.code for e in stream(done, delta("stop", content="a"), {"choices": [], "usage": usage})
             if hasattr(e, "note")]  # fmt: skip
    assert codes == ["window_exceeded"]
    fits = {"choices": [], "usage": {**usage, "prompt_tokens": 1_000_000}}
    assert not [e for e in stream(done, delta("stop", content="a"), fits) if hasattr(e, "note")]


# Prices


@pytest.mark.parametrize(
    ("when", "off_peak"),
    [
        (datetime(2026, 11, 23, 0, 59), True),  # a Monday
        (datetime(2026, 11, 23, 1, 0), False),
        (datetime(2026, 11, 23, 3, 59), False),
        (datetime(2026, 11, 23, 4, 0), True),
        (datetime(2026, 11, 23, 6, 0), False),
        (datetime(2026, 11, 23, 9, 59), False),
        (datetime(2026, 11, 23, 10, 0), True),
        (datetime(2026, 11, 28, 2, 0), True),  # a Saturday
        (datetime(2026, 11, 29, 8, 0), True),
    ],
)
def test_off_peak_hours_cost_half(when: datetime, off_peak: bool) -> None:
    usage = Usage(input=1_000_000, cache_read=1_000_000, output=1_000_000)
    for name, peak in ((PRO, "5.324"), ("deepseek:deepseek-flash", "1.506")):
        row = resolve(name, CATALOGUE, enabled=["deepseek"]).row
        cost = price(usage, row, when.replace(tzinfo=UTC))
        assert cost.amount == Decimal(peak) / (2 if off_peak else 1)
