"""What a client asks about thinking, and the history that it sends: the same upstream request from every endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS
from tests.e2e.scripted import Scripted
from tests.e2e.world import message

pytestmark = pytest.mark.parametrize("endpoint", ENDPOINTS)
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def body(endpoint: str, **more: Any) -> dict[str, Any]:
    """The smallest request, which says nothing about thinking."""
    base: dict[str, Any] = {"model": "xiaomi/m", **more}
    if endpoint == "responses":
        return {"input": "hi", **base}
    asked = {"messages": [{"role": "user", "content": "hi"}], **base}
    return {"max_tokens": 4096, **asked} if endpoint == "messages" else asked


async def sent(at: Scripted, endpoint: str, **more: Any) -> dict[str, Any]:
    """What went upstream for this request."""
    paths = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
    at.push(message("ok"))
    got = await at.post(paths[endpoint], body(endpoint, **more))
    assert got.status == 200, got.body
    return dict(at.sent[-1])


def effort(endpoint: str, word: str) -> dict[str, Any]:
    """How this protocol asks for an effort."""
    if endpoint == "responses":
        return {"reasoning": {"effort": word}}
    if endpoint == "chat":
        return {"reasoning_effort": word}
    if word == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": word}}


@pytest.mark.case("B03", "B05")
async def test_efforts_on_mimo(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path)
    for word, kind in (("medium", "enabled"), ("high", "enabled"), ("none", "disabled")):
        up = await sent(at, endpoint, **effort(endpoint, word))
        assert up["thinking"] == {"type": kind}
        assert not {"reasoning_effort", "reasoning", "output_config"} & set(up)


@pytest.mark.case("B04")
@pytest.mark.parametrize("default", ["auto", "off", "vendor"])
async def test_nothing_said_about_thinking(tmp_path: Path, endpoint: str, default: str) -> None:
    at = Scripted(tmp_path, f'[providers.xiaomi]\nthinking_default = "{default}"\n')
    off = default == "off" or (default == "auto" and endpoint == "responses")
    assert (await sent(at, endpoint)).get("thinking") == ({"type": "disabled"} if off else None)
    if endpoint == "responses":
        assert (await sent(at, endpoint, reasoning={}))["thinking"] == {"type": "enabled"}
        assert (await sent(at, endpoint, reasoning={"summary": "auto"}))["thinking"] == {"type": "enabled"}


def history(endpoint: str, *turns: dict[str, Any]) -> dict[str, Any]:
    """A conversation. A turn has `user`, or `thoughts`, `text`, `calls` and `late` (text after calls), or `results`."""
    out: list[Any] = []
    for turn in turns:
        if "user" in turn:
            out.append({"role": "user", "content": turn["user"]})
        elif "results" in turn:
            out += _results(endpoint, turn["results"])
        else:
            out += _said(endpoint, turn)
    return {"input" if endpoint == "responses" else "messages": out}


def _said(endpoint: str, turn: dict[str, Any]) -> list[Any]:
    thoughts, calls = turn.get("thoughts", []), turn.get("calls", [])
    if endpoint == "responses":
        items: list[Any] = [
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": t}]} for t in thoughts
        ]
        for key in ("text", "late"):
            if key == "late":
                items += [{"type": "function_call", "call_id": c, "name": "f", "arguments": '{"a":1}'} for c in calls]
            if turn.get(key):
                items.append({"role": "assistant", "content": [{"type": "output_text", "text": turn[key]}]})
        return items
    text = turn.get("text", "")
    if endpoint == "chat":
        made = [{"id": c, "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}} for c in calls]
        said: dict[str, Any] = {"role": "assistant", "content": text or turn.get("late", "")}
        if thoughts:
            said["reasoning_content"] = "\n".join(thoughts)
        return [{**said, "tool_calls": made} if made else said]
    blocks: list[Any] = [{"type": "thinking", "thinking": t, "signature": ""} for t in thoughts]
    blocks += [{"type": "text", "text": text}] if text else []
    blocks += [{"type": "tool_use", "id": c, "name": "f", "input": {"a": 1}} for c in calls]
    blocks += [{"type": "text", "text": turn["late"]}] if turn.get("late") else []
    return [{"role": "assistant", "content": blocks}]


def _results(endpoint: str, results: dict[str, Any]) -> list[Any]:
    """`text`, or PNG for an image."""
    if endpoint == "responses":
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
        return [
            {
                "type": "function_call_output",
                "call_id": c,
                "output": [image if t == PNG else {"type": "input_text", "text": t}],
            }
            for c, t in results.items()
        ]
    if endpoint == "chat":
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        return [
            {"role": "tool", "tool_call_id": c, "content": [image if t == PNG else {"type": "text", "text": t}]}
            for c, t in results.items()
        ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    blocks = [
        {"type": "tool_result", "tool_use_id": c, "content": [image if t == PNG else {"type": "text", "text": t}]}
        for c, t in results.items()
    ]
    return [{"role": "user", "content": blocks}]


def tools(endpoint: str) -> list[Any]:
    if endpoint == "responses":
        return [{"type": "function", "name": "f", "parameters": SCHEMA}]
    if endpoint == "chat":
        return [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
    return [{"name": "f", "input_schema": SCHEMA}]


@pytest.mark.case("B06", "B07")
async def test_reasoning_in_the_history(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path)
    for thoughts in (["R"], ["one", "two"]):
        talk = history(endpoint, {"user": "q"}, {"thoughts": thoughts, "text": "A"}, {"user": "n"})
        up = await sent(at, endpoint, **talk)
        said = up["messages"][1]
        assert (said["role"], said["reasoning_content"], said["content"]) == ("assistant", "\n".join(thoughts), "A")
        assert up["thinking"] == {"type": "enabled"}


@pytest.mark.case("D10", "D11", "D12")
async def test_calls_and_results_in_the_history(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path)
    talk = history(
        endpoint,
        {"user": "q"},
        {"thoughts": ["R"], "text": "T", "calls": ["c1", "c2"]},
        {"results": {"c1": "one", "c2": "two"}},
        {"user": "n"},
    )
    up = await sent(at, endpoint, **talk, tools=tools(endpoint), **effort(endpoint, "high"))
    assert [m["role"] for m in up["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    said = up["messages"][1]
    assert (said["reasoning_content"], said["content"]) == ("R", "T")
    assert [(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in said["tool_calls"]] == [
        ("c1", "f", {"a": 1}),
        ("c2", "f", {"a": 1}),
    ]
    assert [(m["tool_call_id"], m["content"]) for m in up["messages"][2:4]] == [("c1", "one"), ("c2", "two")]


@pytest.mark.case("D13")
async def test_text_after_calls_is_folded_into_their_message(tmp_path: Path, endpoint: str) -> None:
    talk = history(endpoint, {"user": "q"}, {"calls": ["c1"], "late": "T"}, {"results": {"c1": "one"}}, {"user": "n"})
    up = await sent(Scripted(tmp_path), endpoint, **talk, tools=tools(endpoint), **effort(endpoint, "none"))
    assert [m["role"] for m in up["messages"]] == ["user", "assistant", "tool", "user"]
    assert (up["messages"][1]["content"], len(up["messages"][1]["tool_calls"])) == ("T", 1)


@pytest.mark.case("D16")
@pytest.mark.parametrize(("model", "sees"), [("mimo-v2.6-pro", True), ("mimo-v2.5-pro", False)])
async def test_an_image_in_a_result(tmp_path: Path, endpoint: str, model: str, sees: bool) -> None:
    talk = history(endpoint, {"user": "q"}, {"calls": ["c1"]}, {"results": {"c1": PNG}})
    asked = {"model": f"xiaomi/{model}", **talk, "tools": tools(endpoint), **effort(endpoint, "none")}
    up = await sent(Scripted(tmp_path), endpoint, **asked)
    assert [m["role"] for m in up["messages"]] == ["user", "assistant", "tool", *(["user"] if sees else [])]
    assert isinstance(up["messages"][2]["content"], str) and up["messages"][2]["content"]
    assert (PNG in json.dumps(up["messages"][3:])) is sees
    assert PNG not in json.dumps(up["messages"][:3])
