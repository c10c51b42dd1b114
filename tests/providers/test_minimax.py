"""MiniMax: what is asked, thinking per model and wire, what goes back, and what its error numbers mean."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dragoman.catalog import minimax, model, models, price, resolve
from dragoman.core.events import Failed
from dragoman.core.fold import fold
from dragoman.core.messages import Message, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.request import Request
from dragoman.errors import BodyTooLarge, ErrorInfo, InvalidRequest
from dragoman.providers import plan
from dragoman.providers.minimax import MiniMax
from tests.providers.road import CALL, CATALOGUE, LOOP, TOOL, delta, failure, made, notes, stream, target

M3, M2, PREVIEW = "minimax:MiniMax-M3", "minimax:MiniMax-M2.7", "minimax:MiniMax-M3.1-Flash-Preview"
OLD = ("M2", "M2.1", "M2.1-highspeed", "M2.5", "M2.5-highspeed", "M2.7", "M2.7-highspeed")
ALL = [M3, PREVIEW, *(f"minimax:MiniMax-{name}" for name in OLD)]


# -- requests


@pytest.mark.req(60)
@pytest.mark.parametrize("name", ALL)
def test_every_request_has_what_it_wants_and_nothing_else(name: str) -> None:
    strict = {**TOOL, "function": {**TOOL["function"], "strict": True}}
    asked = {
        "stream": True,
        "max_tokens": 9,
        "n": 1,
        "store": True,
        "presence_penalty": 1,
        "frequency_penalty": 1,
        "logit_bias": {"1": 2},
        "reasoning_effort": "low",
        "seed": 3,
        "stop": ["x"],
        "user": "u",
        "parallel_tool_calls": True,
        "tools": [strict],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "messages": [{"role": "developer", "content": "D"}, *LOOP],
    }
    _, body = made(name, asked)
    assert set(body) == {
        "model", "messages", "tools", "max_completion_tokens", "stream", "stream_options", "reasoning_split",
        *(["thinking"] if name == M3 else []),
    }  # fmt: skip
    assert body["reasoning_split"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_completion_tokens"] == 9
    assert "strict" not in body["tools"][0]["function"]
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert all(isinstance(message["content"], str) for message in body["messages"])


@pytest.mark.req(60)
def test_reasoning_split_is_asked_only_of_models_that_think() -> None:
    found = target(M3)
    mute = msgspec.structs.replace(found, model=msgspec.structs.replace(found.model, thinking="none"))
    assert "reasoning_split" not in made(mute, {})[1]
    assert made(found, {"reasoning_effort": "none"})[1]["reasoning_split"] is True
    assert "reasoning_split" not in made(target(M3, wire="messages"), {})[1]


@pytest.mark.req(60)
@pytest.mark.parametrize(("asked", "told"), [(True, False), (False, True)])
def test_a_client_that_asks_for_the_split_form_gets_it_and_hears_nothing(asked: bool, told: bool) -> None:
    done, body = made(M3, {"reasoning_split": asked})
    assert body["reasoning_split"] is True
    assert (("unknown_field", "reasoning_split") in notes(done)) is told


@pytest.mark.req(60)
def test_there_is_one_system_message_and_it_is_first() -> None:
    conversation = [
        {"role": "system", "content": "A"},
        {"role": "developer", "content": "B"},
        {"role": "user", "content": "q"},
        {"role": "system", "content": "later"},
    ]
    _, body = made(M2, {"messages": conversation})
    assert [m["role"] for m in body["messages"]] == ["system", "user", "user"]
    assert body["messages"][0]["content"].split() == ["A", "B"]
    assert body["messages"][2]["content"] == "<system-reminder>\nlater\n</system-reminder>"


@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_system_text_alone_is_asked_as_the_users(wire: Any) -> None:
    done = plan(Request("m", (Message("system", (Text("S"),)),)), target(M2, wire=wire))
    body = json.loads(done.body)
    content = body["messages"][0]["content"]
    assert [m["role"] for m in body["messages"]] == ["user"]
    assert (content if isinstance(content, str) else content[0]["text"]) == "S"
    assert "system" not in body
    assert ("history_repaired", "messages") in notes(done)


def test_no_message_is_blank() -> None:
    conversation = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "  "},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
        {"role": "user", "content": ""},
        {"role": "user", "content": "n"},
    ]
    _, body = made(M2, {"messages": conversation})
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "tool", "user"]
    assert [m["content"] for m in body["messages"] if m["role"] != "assistant"] == ["q", "(no output)", "n"]
    assert body["messages"][1]["content"] == ""


@pytest.mark.case("B13")
@pytest.mark.parametrize(
    ("effort", "sent"), [("medium", {"type": "adaptive"}), ("none", {"type": "disabled"}), (None, None)]
)
def test_thinking_of_m3(effort: str | None, sent: Any) -> None:
    for wire in ("chat", "responses"):
        field = {"reasoning": {"effort": effort}} if wire == "responses" else {"reasoning_effort": effort}
        _, body = made(M3, field if effort else {}, wire)
        assert (body.get("thinking"), body["reasoning_split"]) == (sent, True)
        assert "reasoning_effort" not in body


@pytest.mark.parametrize("effort", ["none", "low", "high"])
def test_models_that_always_think_are_sent_no_thinking_field(effort: str) -> None:
    done, body = made(M2, {"reasoning_effort": effort})
    assert not {"thinking", "reasoning_effort"} & set(body)
    assert ("effort_coerced", "reasoning_effort") in notes(done)


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_efforts_of_the_preview_on_the_wires_that_have_them(effort: str) -> None:
    _, body = made(target(PREVIEW, wire="messages"), {"reasoning_effort": effort})
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": effort})
    _, body = made(target(PREVIEW, wire="responses"), {"reasoning_effort": effort})
    assert body["reasoning"]["effort"] == effort
    assert "output_config" not in made(target(M3, wire="messages"), {"reasoning_effort": effort})[1]


@pytest.mark.parametrize(
    ("effort", "sent"), [("none", "none"), ("minimal", "minimal"), ("xhigh", "high"), ("high", "high"), (None, None)]
)
def test_efforts_of_m3_on_responses(effort: str | None, sent: str | None) -> None:
    _, body = made(target(M3, wire="responses"), {"reasoning_effort": effort} if effort else {})
    assert body.get("reasoning", {}).get("effort") == sent


@pytest.mark.req(61)
@pytest.mark.parametrize(
    ("name", "wire", "asked", "sent"),
    [
        (M2, "chat", 0, 0.01),
        (M2, "chat", 1.5, 1.0),
        (M2, "chat", 0.7, 0.7),
        (M3, "chat", 0, 0),
        (M3, "chat", 1.5, 1.5),
        (M3, "chat", 3, 2.0),
        (M3, "responses", 0, 0.01),
        (M3, "responses", 1.5, 1.0),
        (M3, "messages", 1.5, 1.0),
        ("minimax:MiniMax-M9", "chat", 1.5, 1.0),
    ],
)
def test_temperature_by_model_and_wire(name: str, wire: Any, asked: float, sent: float) -> None:
    done, body = made(target(name, wire=wire), {"temperature": asked})
    assert body["temperature"] == sent
    assert (("param_clamped", "temperature") in notes(done)) is (asked != sent)


@pytest.mark.req(61)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", [M2, M3])
def test_a_temperature_that_is_no_number_is_refused_before_the_call(name: str, value: float) -> None:
    with pytest.raises(InvalidRequest) as error:
        plan(Request("m", (Message("user", (Text("q"),)),), temperature=value), target(name))
    assert error.value.info.param == "temperature"


@pytest.mark.parametrize(
    ("asked", "sent"), [("standard", "standard"), ("priority", "priority"), ("flex", None), ("auto", None)]
)
def test_service_tiers(asked: str, sent: str | None) -> None:
    done, body = made(M3, {"service_tier": asked})
    assert body.get("service_tier") == sent
    assert (("param_dropped", "service_tier") in notes(done)) is (sent is None)


@pytest.mark.parametrize(
    ("wire", "choice", "sent", "tools"),
    [("chat", "auto", None, True), ("chat", "required", None, True), ("chat", "none", None, False),
     ("messages", "auto", None, True), ("messages", "none", {"type": "none"}, True),
     ("messages", "required", None, True),
     ("responses", "none", "none", True), ("responses", "required", None, True)],
)  # fmt: skip
def test_tool_choices_are_sent_conservatively(wire: Any, choice: str, sent: Any, tools: bool) -> None:
    done, body = made(target(M2, wire=wire), {"tools": [TOOL], "tool_choice": choice})
    assert body.get("tool_choice") == sent
    assert ("tools" in body) is tools
    if choice == "required":
        assert ("tool_choice_weakened", "tool_choice") in notes(done)


def test_a_form_is_told_to_the_model_and_never_sent() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "o", "schema": {"type": "object"}}}
    for asked in (schema, {"type": "json_object"}):
        done, body = made(M2, {"response_format": asked})
        assert "response_format" not in body
        assert "JSON" in body["messages"][0]["content"]
        assert ("format_degraded", "response_format") in notes(done)
    assert "response_format" not in made(M2, {"response_format": {"type": "text"}})[1]


def picture(size: int, kind: str = "image") -> dict[str, Any]:
    data = base64.b64encode(bytes(size)).decode()
    media = "image/png" if kind == "image" else "video/mp4"
    return {"type": f"{kind}_url", f"{kind}_url": {"url": f"data:{media};base64,{data}"}}


def test_media_over_the_limit_are_refused_before_the_call() -> None:
    text = {"type": "text", "text": "what is it?"}

    def ask(part: dict[str, Any], name: str = M3) -> dict[str, Any]:
        return made(name, {"messages": [{"role": "user", "content": [text, part]}]})[1]

    assert ask(picture(10 << 20))["messages"][0]["content"][1]["type"] == "image_url"
    assert ask(picture(11 << 20, "video"))["messages"][0]["content"][1]["type"] == "video_url"
    for part in (picture((10 << 20) + 9), picture((50 << 20) + 9, "video")):
        with pytest.raises(InvalidRequest) as error:
            ask(part)
        assert error.value.info.code == "unsupported_media"
        assert "MB" in error.value.message
    with pytest.raises(InvalidRequest):
        ask(picture(9), M2)


def test_a_body_over_the_limit_is_refused_before_the_call() -> None:
    pictures = [picture(10 << 20) for _ in range(5)]
    with pytest.raises(BodyTooLarge, match="64 MB"):
        made(M3, {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, *pictures]}]})


def test_large_media_of_the_past_become_a_sentence() -> None:
    talk = [
        {"role": "user", "content": [{"type": "text", "text": "?"}, picture((10 << 20) + 9)]},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "n"},
    ]
    done, body = made(M3, {"messages": talk})
    assert "left out" in json.dumps(body["messages"][0])
    assert ("media_dropped", "") in notes(done)


# -- the Messages wire


def test_the_messages_wire() -> None:
    body = {
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "adaptive"},
        "metadata": {"user_id": "u"},
        "top_k": 3,
        "stop_sequences": ["x"],
    }
    done, sent = made(target(M3, wire="messages"), body, "messages")
    assert done.url == "https://api.minimax.io/anthropic/v1/messages"
    assert [name for name in done.headers if name in ("authorization", "x-api-key", "api-key")] == ["authorization"]
    assert done.headers["anthropic-version"] == "2023-06-01"
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert sent["thinking"] == {"type": "adaptive"}
    assert sent["metadata"] == {"user_id": "u"}
    assert not {"top_k", "stop_sequences", "output_config"} & set(sent)
    assert done.notes


# -- replay


def back(name: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    """The assistant message as it goes back, after these chunks came."""
    done, _ = made(name, {"stream": True, "tools": [TOOL]})
    reply = fold(stream(done, *content, delta("tool_calls", tool_calls=[{"index": 0, **CALL}])))
    history = (Message("user", (Text("q"),)), reply.message, Message("tool", (ToolResult("call_1", (Text("r"),)),)))
    again = plan(Request("m", history), target(name))
    return dict(json.loads(again.body)["messages"][1])


@pytest.mark.req(66)
@pytest.mark.parametrize("name", [M3, M2])
def test_replay_sends_back_the_form_that_came(name: str) -> None:
    inline = [delta(content=piece) for piece in ("<think>\nwhy", " so\n</thi", "nk>\n\n", "T")]
    assert back(name, inline) == {
        "role": "assistant",
        "content": "<think>\nwhy so\n</think>\n\nT",
        "tool_calls": [CALL],
    }
    entry = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0}
    split = [delta(reasoning_details=[{**entry, "text": t}]) for t in ("why", " so")] + [delta(content="T")]
    assert back(name, split) == {
        "role": "assistant",
        "content": "T",
        "reasoning_details": [{**entry, "text": "why so"}],
        "tool_calls": [CALL],
    }


@pytest.mark.req(66)
def test_thinking_that_was_kept_as_text_only_goes_back_as_details() -> None:
    history = (
        Message("user", (Text("q"),)),
        Message("assistant", (Reasoning("why"), Text("T"), ToolCall("c", "f", "{}"))),
        Message("tool", (ToolResult("c", (Text("r"),)),)),
    )
    body = json.loads(plan(Request("m", history), target(M2)).body)
    assert body["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0, "text": "why"}
    ]


# -- errors


NUMBERS: list[tuple[int, str, bool]] = [
    (1000, "server", True),
    (1001, "timeout", True),
    (1002, "rate_limit", True),
    (1004, "auth", False),
    (1008, "billing", False),
    (1013, "server", True),
    (1026, "content_filter", False),
    (1027, "content_filter", False),
    (1039, "rate_limit", False),
    (1041, "rate_limit", True),
    (2013, "invalid_request", False),
    (2045, "rate_limit", True),
    (2049, "auth", False),
    (2056, "billing", False),
    (2062, "billing", False),
]


@pytest.mark.req(98)
@pytest.mark.parametrize(("number", "kind", "again"), NUMBERS)
@pytest.mark.parametrize("status", [400, 429, 500])
def test_the_number_at_the_end_of_the_message_is_the_key(number: int, kind: str, again: bool, status: int) -> None:
    body = {"type": "error", "error": {"type": "bad_request_error", "message": f"something is wrong ({number})"}}
    info = failure(M3, status, body)
    assert (info.kind, info.can_retry) == (kind, again)
    assert info.upstream_status == status


@pytest.mark.req(24)
@pytest.mark.parametrize(("number", "kind", "again"), NUMBERS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_base_resp_inside_a_200_is_the_same_failure(number: int, kind: str, again: bool, whole: bool) -> None:
    answer = {"id": "x", "choices": None, "base_resp": {"status_code": number, "status_msg": "something is wrong"}}
    done, _ = made(M3, {"stream": not whole})
    events = done.whole(json.dumps(answer).encode(), lambda p: p, "t") if whole else stream(done, answer)
    for stage in done.stages() if whole else ():
        events = stage.feed(events)
    end = events[-1]
    assert isinstance(end, Failed)
    assert (end.error.kind, end.error.can_retry) == (kind, again)
    assert "something is wrong" in end.error.message


@pytest.mark.req(101)
@pytest.mark.parametrize("status", [400, 200])
def test_overflow_by_its_text(status: int) -> None:
    text = "invalid params, context window exceeds limit (2013)"
    if status == 200:
        info = MiniMax().refine_stream(ErrorInfo("invalid_request", text, code="2013"))
    else:
        info = failure(M3, status, {"type": "error", "error": {"type": "bad_request_error", "message": text}})
    assert (info.kind, info.code, info.can_retry) == ("overflow", "context_length_exceeded", False)


@pytest.mark.req(100)
def test_a_rate_limit_that_speaks_of_tokens_is_no_overflow() -> None:
    text = "rate limit exceeded: input tokens per minute exceed the maximum context (1002)"
    assert (
        failure(M3, 429, {"type": "error", "error": {"type": "rate_limit_error", "message": text}}).kind == "rate_limit"
    )
    done, _ = made(M3, {"stream": True})
    for number in (1002, 1039, 1041, 2045):
        answer = {"choices": None, "base_resp": {"status_code": number, "status_msg": text.removesuffix(" (1002)")}}
        end = stream(done, answer)[-1]
        assert isinstance(end, Failed)
        assert end.error.kind == "rate_limit"
    assert failure(M3, 429, b"").kind == "rate_limit"


def test_a_used_up_plan_says_when_it_is_open_again() -> None:
    text = "usage limit exceeded, resets at 2026-05-15T15:00:00Z (2056)"
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": text}, "request_id": "r"}
    info = failure(M3, 429, body, date="Fri, 15 May 2026 14:59:00 GMT")
    assert (info.kind, info.retry_after, info.can_retry) == ("billing", 60.0, False)
    assert failure(M3, 429, body).retry_after is None
    assert failure(M3, 429, body, retry_after="7").retry_after == 7.0


@pytest.mark.parametrize("status", [400, 422])
def test_sensitive_content_without_a_number(status: int) -> None:
    body = {"type": "error", "error": {"type": "unprocessable_entity_error", "message": "output new_sensitive"}}
    assert failure(M3, status, body).kind == "content_filter"


@pytest.mark.parametrize("number", [number for number, _, _ in NUMBERS])
def test_reading_a_failure_twice_changes_nothing(number: int) -> None:
    once = MiniMax().refine_stream(ErrorInfo("server", "x", code=str(number)))
    assert MiniMax().refine_stream(once) == once
    strange = ErrorInfo("protocol", "the upstream sent (9999)")
    assert MiniMax().refine_stream(strange) == strange


# -- the catalogue


@pytest.mark.req(2, 3)
@pytest.mark.parametrize("region", ["minimax", "minimax-cn"])
def test_all_models_are_listed_for_both_regions(region: str) -> None:
    rows = {row.facts.id: row for row in models(region)}
    assert set(rows) == {name.partition(":")[2] for name in ALL}
    for row in rows.values():
        assert row.facts.context and row.facts.max_output and row.source and row.date
    assert rows["MiniMax-M3"].facts.inputs == {"image", "video"}
    assert {name: row.facts.thinking for name, row in rows.items()} == {
        name: "adaptive" if name == "MiniMax-M3" else "forced" for name in rows
    }


@pytest.mark.req(5)
@pytest.mark.parametrize("region", ["minimax", "minimax-cn"])
def test_a_model_that_is_not_listed_goes_to_the_region_that_has_a_key(region: str) -> None:
    for name in ("MiniMax-M3", "MiniMax-M9"):
        found = resolve(name, CATALOGUE, enabled=[region])
        assert (found.provider.id, found.model.id) == (region, name)
    assert resolve("MiniMax-M9", CATALOGUE, enabled=["minimax", "minimax-cn"]).provider.id == "minimax"


@pytest.mark.req(6, 7)
def test_prices_by_tier_and_service() -> None:
    low, high, fast = price(M3, prompt=512_000), price(M3, prompt=512_001), price(M3, service_tier="priority")
    assert low is not None and high is not None and fast is not None
    assert (low.prices.input, low.prices.output, low.prices.cache_read) == (
        Decimal("0.3"),
        Decimal("1.2"),
        Decimal("0.06"),
    )
    assert (high.prices.input, high.prices.output) == (Decimal("0.6"), Decimal("2.4"))
    assert fast.prices.output == Decimal("1.8")
    assert price(PREVIEW) is None
    assert price("minimax-cn:MiniMax-M3") is None
    assert all(model(name).prices for name in ALL if name != PREVIEW)


@pytest.mark.req(3)
def test_the_constants_name_every_model_of_both_regions() -> None:
    names = {value for name, value in vars(minimax).items() if name.startswith("M") and isinstance(value, str)}
    assert names == {row.id for row in minimax.MODELS} == set(ALL)
    assert {minimax.cn(name) for name in names} == {row.id for row in minimax.MODELS_CN}
    assert minimax.cn("MiniMax-M3") == "minimax-cn:MiniMax-M3"
    assert model(minimax.M3) == next(row for row in minimax.MODELS if row.id == minimax.M3)
