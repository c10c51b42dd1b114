"""What is neither conversation nor tools, on all three endpoints, streamed and whole: limits, sampling, envelope, form."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, read
from tests.e2e.world import Answer, Got, World, chunk, message, usage_chunk, world

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
everywhere = pytest.mark.parametrize("endpoint", ENDPOINTS)
DEEPSEEK = "deepseek/deepseek-v4-pro"
PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    keys = {"DEEPSEEK_API_KEY": "sk-test-key-2345678901", "DEEPSEEK_BASE_URL": "$UPSTREAM"}
    async with world(tmp=tmp_path, env=keys) as made:
        yield made


async def ask(w: World, endpoint: str, stream: bool, turns: list[Any] | None = None, **more: Any) -> Got:
    """A question, thinking off, so that nothing is forced on the sampling; it has to be answered well."""
    body: dict[str, Any] = {"model": "xiaomi/m", "stream": stream}
    body |= {"input": turns or HI} if endpoint == "responses" else {"messages": turns or HI}
    if endpoint == "messages":
        body |= {"max_tokens": 4096, "thinking": {"type": "disabled"}}
    else:
        body |= {"reasoning": {"effort": "none"}} if endpoint == "responses" else {"reasoning_effort": "none"}
    got = await w.post(PATHS[endpoint], {**body, **more})
    assert read(endpoint, got, stream=stream).end == "completed", got.body
    return got


def told(got: Got) -> list[tuple[str, str]]:
    """The notes that the client is shown: code, field."""
    return [(note["code"], note["field"]) for note in json.loads(got.headers.get("x-dragoman-notes", "[]"))]


LIMIT = {"responses": "max_output_tokens", "chat": "max_tokens", "messages": "max_tokens"}


@pytest.mark.case("F07")
@everywhere
@both
async def test_the_limit_goes_under_the_vendors_name(w: World, endpoint: str, stream: bool) -> None:
    names = [LIMIT[endpoint], *(["max_completion_tokens"] if endpoint == "chat" else [])]
    for name in names:
        await ask(w, endpoint, stream, **{name: 1024})
        assert w.upstream.last["max_completion_tokens"] == 1024
        assert not {"max_tokens", "max_output_tokens"} & set(w.upstream.last)


@pytest.mark.case("F08")
@everywhere
@both
async def test_the_end_user_goes_where_the_vendor_takes_it_or_is_told(w: World, endpoint: str, stream: bool) -> None:
    asked: dict[str, Any] = {"user": "u", "safety_identifier": "s"}
    fields, sent = {"user", "safety_identifier"}, "s"
    if endpoint == "messages":
        asked, fields, sent = {"metadata": {"user_id": "u"}}, {"metadata"}, "u"
    got = await ask(w, endpoint, stream, **asked)
    assert not {"user", "safety_identifier", "user_id", "metadata"} & set(w.upstream.last)
    assert {field for _, field in told(got)} >= fields
    got = await ask(w, endpoint, stream, model=DEEPSEEK, **asked)
    assert w.upstream.last["user_id"] == sent
    assert not {"user", "safety_identifier", "metadata"} & set(w.upstream.last)
    assert not fields & {field for _, field in told(got)}


@pytest.mark.case("F08")
async def test_the_user_of_claude_code_is_the_same_in_every_session(w: World) -> None:
    now = '{"device_id":"d","account_uuid":"a","session_id":"%d"}'
    for form in (now, "user_x_account_y_session_%d"):
        seen = set()
        for session in (1, 2):
            await ask(w, "messages", False, model=DEEPSEEK, metadata={"user_id": form % session})
            seen.add(w.upstream.last["user_id"])
        [user] = seen
        assert user == "user_x_account_y" or re.fullmatch("user_[0-9a-f]{32}", user)


@pytest.mark.case("F09")
@everywhere
@both
async def test_temperature_is_clamped_and_told(w: World, endpoint: str, stream: bool) -> None:
    got = await ask(w, endpoint, stream, temperature=2)
    assert w.upstream.last["temperature"] == 1.5
    assert ("param_clamped", "temperature") in told(got)
    got = await ask(w, endpoint, stream, temperature=0.5)
    assert w.upstream.last["temperature"] == 0.5
    assert "param_clamped" not in got.notes


ENVELOPE: dict[str, dict[str, Any]] = {
    "responses": {
        "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k", "truncation": "auto",
        "include": ["reasoning.encrypted_content"], "parallel_tool_calls": True,
    },
    "chat": {
        "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k", "parallel_tool_calls": True,
        "store": True, "logit_bias": {"1": 2}, "verbosity": "low",
    },
    "messages": {
        "metadata": {"user_id": "u"}, "service_tier": "auto", "top_k": 4, "container": "c", "inference_geo": "eu",
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    },
}  # fmt: skip


@pytest.mark.case("F10")
@everywhere
@both
async def test_the_envelope_does_not_leak_and_every_field_is_told_once(w: World, endpoint: str, stream: bool) -> None:
    envelope = ENVELOPE[endpoint]
    got = await ask(w, endpoint, stream, **envelope)
    known = {"model", "messages", "stream", "max_completion_tokens", "thinking"}
    assert set(w.upstream.last) <= known
    fields = [field for code, field in told(got) if code == "param_dropped"]
    answered_here = {"metadata", "include"} if endpoint == "responses" else set()
    for name in envelope.keys() - answered_here:
        assert fields.count(name) == 1, (name, told(got))


ODD: dict[str, list[Any]] = {
    "responses": [
        {"role": "user", "content": [{"type": "text", "text": "plain"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I would not"}]},
        {"type": "item_reference", "id": "rs_1"},
        *HI,
    ],
    "chat": [
        {"role": "user", "content": [{"type": "text", "text": "plain"}, {"type": "input_text", "text": "odd"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I would not"}]},
        {"role": "assistant", "content": None, "refusal": "nor that"},
        *HI,
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "plain"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "I would not"}, {"type": "novelty", "x": 1}]},
        *HI,
    ],
}


@pytest.mark.case("F11")
@everywhere
@both
async def test_odd_parts_are_accepted_and_what_they_say_stays(w: World, endpoint: str, stream: bool) -> None:
    got = await ask(w, endpoint, stream, turns=ODD[endpoint])
    sent = [(m["role"], m["content"]) for m in w.upstream.last["messages"]]
    assert sent[0][0] == "user" and sent[0][1].startswith("plain")
    assert sent[1][0] == "assistant" and "I would not" in sent[1][1]
    assert sent[-1] == ("user", "hi")
    if endpoint != "chat":
        assert "item_dropped" in got.notes


# -- the form of the answer

FORM = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
GOOD = '{"answer":"x"}'


def wanted(endpoint: str) -> dict[str, Any]:
    """The field with which each protocol asks for the form."""
    form: dict[str, Any] = {"type": "json_schema", "name": "n", "schema": FORM, "strict": True}
    if endpoint == "messages":
        return {"output_config": {"format": {"type": "json_schema", "schema": FORM}}}
    if endpoint == "responses":
        return {"text": {"format": form}}
    return {"response_format": {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}}


@pytest.mark.req(148)
@pytest.mark.case("H01")
@everywhere
@both
async def test_a_schema_stands_at_the_end_of_the_system_text_in_every_turn(
    w: World, endpoint: str, stream: bool
) -> None:
    answer = Answer.stream(chunk(content=GOOD), chunk("stop"), usage_chunk()) if stream else Answer(json=message(GOOD))
    w.upstream.push(answer, answer)
    system = {"responses": {"instructions": "Be good."}, "messages": {"system": "Be good."}}.get(endpoint, {})
    first = [{"role": "system", "content": "Be good."}, *HI] if endpoint == "chat" else HI
    for turns in (first, [*first, {"role": "assistant", "content": GOOD}, *HI]):
        got = await ask(w, endpoint, stream, turns=turns, **wanted(endpoint), **system)
        assert "format_degraded" in got.notes
    one, two = w.upstream.requests
    assert one["response_format"] == two["response_format"] == {"type": "json_object"}
    assert two["messages"][: len(one["messages"])] == one["messages"]
    [text] = [m["content"] for m in one["messages"] if m["role"] == "system"]
    assert text.startswith("Be good.") and json.loads(text[text.index("{") :]) == FORM
