"""Moonshot Kimi: thinking per model, reasoning that must go back, names of tools, the cache key, errors, usage."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.core.events import BlockStart, Finished
from dragoman.core.messages import ToolCall
from dragoman.core.replay import PLACEHOLDER
from tests.providers.road import LOOP, TOOL, delta, failure, made, notes, said, stream, target

K26 = "moonshot:kimi-k2.6"


@pytest.mark.req(68)
def test_earlier_thinking_is_kept_where_the_model_can() -> None:
    _, body = made(K26, {"messages": LOOP, "tools": [TOOL]})
    assert body["thinking"] == {"type": "enabled", "keep": "all"}
    assert body["messages"][1]["reasoning_content"] == "why"
    _, body = made("moonshot:kimi-k2.7-code", {"messages": LOOP, "tools": [TOOL]})
    assert "thinking" not in body and body["messages"][1]["reasoning_content"] == "why"


@pytest.mark.req(68)
@pytest.mark.parametrize("ask", [{"reasoning_effort": "none"}, {}])
def test_a_model_that_always_thinks_is_never_told_to_stop(ask: dict[str, Any]) -> None:
    for default in ("off", "vendor"):
        assert "thinking" not in made(target("moonshot:kimi-k2.7-code", thinking_default=default), ask)[1]


@pytest.mark.req(67)
@pytest.mark.parametrize("name", ["kimi-k2.6", "kimi-k2.7-code", "kimi-k3"])
def test_every_tool_turn_has_reasoning_while_the_model_thinks(name: str) -> None:
    lost = [LOOP[0], {k: v for k, v in LOOP[1].items() if k != "reasoning_content"}, LOOP[2]]
    done, body = made(f"moonshot:{name}", {"messages": lost, "tools": [TOOL]})
    assert body["messages"][1]["reasoning_content"] == PLACEHOLDER
    assert ("thinking_placeholder", "") in notes(done)


@pytest.mark.req(83)
def test_sampling_is_fixed() -> None:
    done, body = made(K26, {"temperature": 0.2, "top_p": 0.5, "presence_penalty": 1, "n": 1, "stop": ["x"]})
    assert not {"temperature", "top_p", "presence_penalty", "n"} & set(body)
    assert body["stop"] == ["x"]
    assert {
        ("param_dropped", "temperature"),
        ("param_dropped", "top_p"),
        ("param_dropped", "presence_penalty"),
    } <= notes(done)


@pytest.mark.req(68)
def test_the_session_is_the_cache_key_and_the_user_agent_is_our_own() -> None:
    done, body = made(K26, {}, session="s-1")
    assert body["prompt_cache_key"] == "s-1"
    assert made(K26, {"prompt_cache_key": "theirs"}, session="s-1")[1]["prompt_cache_key"] == "theirs"
    assert done.headers["user-agent"].startswith("dragoman/")
    code, _ = made("kimi-code:kimi-k2.7-code", {})
    assert code.headers["user-agent"].startswith("dragoman/")
    assert code.url == "https://api.kimi.com/coding/v1/chat/completions"


def test_names_of_tools_start_with_a_letter_and_come_back() -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
             for name in ("_read", "2nd", "tool_read", "ok")]  # fmt: skip
    done, body = made(K26, {"tools": tools, "stream": True})
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert names[3] == "ok" and len(set(names)) == 4
    assert all(name[0].isalpha() for name in names)
    assert ("tool_renamed", "tools[_read]") in notes(done)
    part = {"index": 0, "id": "c", "type": "function", "function": {"name": names[0], "arguments": "{}"}}
    events = stream(done, delta(tool_calls=[part]), delta("tool_calls"))
    called = [e.block for e in events if isinstance(e, BlockStart)]
    assert isinstance(called[0], ToolCall) and called[0].name == "_read"
    assert made("deepseek:deepseek-v4-pro", {"tools": tools})[1]["tools"][0]["function"]["name"] == "_read"


def test_a_call_of_the_history_is_renamed_like_its_tool() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "_gone", "arguments": "{}"}}
    history = [
        LOOP[0],
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    _, body = made(K26, {"messages": history})
    assert body["messages"][1]["tool_calls"][0]["function"]["name"][0].isalpha()


def test_only_k3_is_spoken_to_over_messages() -> None:
    from_messages = target("moonshot:kimi-k3", wire="messages")
    assert made(from_messages, {}, "messages")[0].url == "https://api.moonshot.ai/anthropic/v1/messages"
    for name, wire in (("kimi-k3", "messages"), ("kimi-k2.6", "chat"), ("kimi-k3.1-pro", "chat")):
        to = target(f"moonshot:{name}")
        asked = msgspec.structs.replace(to, provider=msgspec.structs.replace(to.provider, wire="messages"))
        assert made(asked, {}, "messages")[0].wire == wire


@pytest.mark.req(98, 99, 100, 101)
@pytest.mark.parametrize(
    ("status", "body", "kind", "again"),
    [
        (400, said("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
                   type="invalid_request_error"), "invalid_request", False),
        (400, said("Your request exceeded model token limit: 262144", type="invalid_request_error"), "overflow", False),
        (400, said("The request was rejected because it was considered high risk", type="content_filter"),
         "content_filter", False),
        (401, said("Invalid Authentication", type="invalid_authentication_error"), "auth", False),
        (403, said("not allowed", type="permission_denied_error"), "auth", False),
        (404, said("Not found the model", type="resource_not_found_error"), "not_found", False),
        (429, said("overloaded", type="engine_overloaded_error"), "overloaded", True),
        (429, said("Your account is suspended, check your plan", type="exceeded_current_quota_error"), "billing", False),
        (429, said("reached max request, tokens per minute 32000", type="rate_limit_reached_error"), "rate_limit", True),
        (429, b"", "rate_limit", True),
        (500, said("oops", type="server_error"), "server", True),
    ],
)  # fmt: skip
def test_errors(status: int, body: Any, kind: str, again: bool) -> None:
    info = failure("moonshot:kimi-k3", status, body, retry_after="7")
    assert (info.kind, info.can_retry) == (kind, again)
    if kind in ("rate_limit", "overloaded"):
        assert info.retry_after == 7
    assert (info.code == "reasoning_missing") is ("reasoning_content" in str(body))


@pytest.mark.req(87)
def test_cached_tokens_stand_at_the_top() -> None:
    done, _ = made(K26, {"stream": True})
    report = {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24, "cached_tokens": 15}
    end = stream(done, delta("stop", content="a"), {"choices": [{"index": 0, "delta": {}, "usage": report}]})[-1]
    assert isinstance(end, Finished) and end.usage is not None
    assert (end.usage.input, end.usage.cache_read, end.usage.output) == (5, 15, 4)


@pytest.mark.req(119)
def test_a_limit_as_large_as_the_window_leaves_room_for_the_prompt() -> None:
    to = target("moonshot:kimi-k3", wire="messages")
    insists = msgspec.structs.replace(to.provider.profile.at("messages"), max_tokens_required=True)
    row = msgspec.structs.replace(
        to.provider, profile=msgspec.structs.replace(to.provider.profile, on={"messages": insists})
    )
    _, body = made(msgspec.structs.replace(to, provider=row), {})
    assert body["max_tokens"] == 131072
