"""Tools and the choice among them on all three endpoints, streamed and whole: names, freeform tools, limits, force."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, Read, read
from tests.e2e.world import Answer, Got, World, call, chunk, message, usage_chunk, world
from tests.validators import chat as chat_grammar

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
everywhere = pytest.mark.parametrize("endpoint", ENDPOINTS)
freeform = pytest.mark.parametrize("endpoint", ["responses", "chat"])
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
GRAMMAR = {"syntax": "lark", "definition": "start: LINE"}
DEEPSEEK = "deepseek/deepseek-v4-pro"
PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    keys = {"DEEPSEEK_API_KEY": "sk-test-key-2345678901", "DEEPSEEK_BASE_URL": "$UPSTREAM"}
    async with world(tmp=tmp_path, env=keys) as made:
        yield made


def function(endpoint: str, name: str) -> dict[str, Any]:
    """A declaration in the protocol's form."""
    if endpoint == "responses":
        return {"type": "function", "name": name, "parameters": SCHEMA}
    if endpoint == "chat":
        return {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
    return {"name": name, "input_schema": SCHEMA}


def custom(endpoint: str, name: str) -> dict[str, Any]:
    """A freeform tool with a grammar, where the protocol has such."""
    if endpoint == "chat":
        return {"type": "custom", "custom": {"name": name, "format": {"type": "grammar", "grammar": GRAMMAR}}}
    return {"type": "custom", "name": name, "format": {"type": "grammar", **GRAMMAR}}


def choice(endpoint: str, mode: str, name: str = "") -> Any:
    """`required`, or one tool by name."""
    if endpoint == "messages":
        return {"type": "any"} if mode == "required" else {"type": "tool", "name": name}
    if mode == "required":
        return mode
    kind = "custom" if mode == "custom" else "function"
    return {"type": kind, "name": name} if endpoint == "responses" else {"type": kind, kind: {"name": name}}


def calls(stream: bool, *made: tuple[str, str, tuple[str, ...]]) -> Answer:
    """The upstream calls these tools: id, name, pieces of the arguments."""
    if not stream:
        whole = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": "".join(pieces)}}
            for id, name, pieces in made
        ]
        return Answer(json=message("", "tool_calls", tool_calls=whole))
    chunks = []
    for at, (id, name, pieces) in enumerate(made):
        chunks.append(chunk(**call(at, id, name, pieces[0])))
        chunks += [chunk(**call(at, None, None, piece)) for piece in pieces[1:]]
    return Answer.stream(*chunks, chunk("tool_calls"), usage_chunk())


async def ask(w: World, endpoint: str, stream: bool, tools: list[Any], **more: Any) -> Got:
    """A question with these tools."""
    hi = [{"role": "user", "content": "hi"}]
    body: dict[str, Any] = {"model": "xiaomi/m", "stream": stream, "tools": tools}
    body |= {"input": hi} if endpoint == "responses" else {"messages": hi}
    body |= {"max_tokens": 4096} if endpoint == "messages" else {}
    return await w.post(PATHS[endpoint], {**body, **more})


async def put(w: World, endpoint: str, stream: bool, tools: list[Any], **more: Any) -> tuple[Got, Read]:
    got = await ask(w, endpoint, stream, tools, **more)
    return got, read(endpoint, got, stream=stream)


def offered(w: World) -> dict[str, dict[str, Any]]:
    """The functions that went upstream."""
    return {tool["function"]["name"]: tool["function"] for tool in w.upstream.last.get("tools", [])}


def inputs(endpoint: str, got: Got, stream: bool) -> tuple[list[dict[str, str]], list[str]]:
    """Freeform calls as the client sees them - id, name, input - and the pieces in which the input came."""
    if endpoint == "responses":
        output = (got.events[-1]["response"] if stream else got.json)["output"]
        found = [
            {"id": item["call_id"], "name": item["name"], "input": item["input"]}
            for item in output
            if item["type"] == "custom_tool_call"
        ]
        deltas = (
            [e["delta"] for e in got.events if e["type"].endswith("custom_tool_call_input.delta")] if stream else []
        )
        return found, deltas
    if not stream:
        made = got.json["choices"][0]["message"].get("tool_calls") or []
        return [{"id": c["id"], **c["custom"]} for c in made if c["type"] == "custom"], []
    parsed = chat_grammar.validate(got.body)
    said = [{"id": c.id, "name": c.name, "input": c.arguments} for c in parsed.calls if c.type == "custom"]
    deltas = [
        c["custom"]["input"]
        for e in got.events
        for one in e["choices"]
        for c in one["delta"].get("tool_calls") or []
        if "custom" in c and c["custom"]["input"]
    ]
    return said, deltas


@pytest.mark.case("E06", "E07")
@freeform
@both
async def test_a_freeform_tool_is_one_string_and_streams_as_text(w: World, endpoint: str, stream: bool) -> None:
    w.upstream.push(calls(stream, ("call_a", "apply_patch", ('{"input":"*** Beg', 'in"}'))))
    got = await ask(w, endpoint, stream, [custom(endpoint, "apply.patch")])
    assert got.status == 200, got.body
    [(name, declared)] = offered(w).items()
    assert (name, declared["parameters"]["required"]) == ("apply_patch", ["input"])
    assert {k: v["type"] for k, v in declared["parameters"]["properties"].items()} == {"input": "string"}
    assert json.dumps(w.upstream.last).count("start: LINE") == 1
    found, pieces = inputs(endpoint, got, stream)
    assert found == [{"id": "call_a", "name": "apply.patch", "input": "*** Begin"}]
    assert pieces == (["*** Beg", "in"] if stream else [])
    assert b"function_call_arguments" not in got.body and b'"function":' not in got.body


@pytest.mark.case("E09")
@freeform
@both
async def test_freeform_input_out_of_form_closes_once(w: World, endpoint: str, stream: bool) -> None:
    for arguments in ('{"other":1}', "not json", '{"input":"cut', "{}"):
        w.upstream.push(calls(stream, ("call_a", "apply_patch", (arguments,))))
        got = await ask(w, endpoint, stream, [custom(endpoint, "apply.patch")])
        assert got.status == 200, got.body
        [found], _ = inputs(endpoint, got, stream)
        assert found["input"] == ("cut" if "input" in arguments else arguments)
        if endpoint == "responses" and stream:
            done = [t for t in got.types if t.endswith(("input.done", "arguments.done"))]
            assert done == ["response.custom_tool_call_input.done"]


@pytest.mark.case("E11")
@everywhere
@both
async def test_names_that_fall_together_come_back_apart(w: World, endpoint: str, stream: bool) -> None:
    third = function(endpoint, "a b") if endpoint == "messages" else custom(endpoint, "a b")
    upstream = [("c1", "a_b", ('{"a":1}',)), ("c2", "a_b_2", ('{"a":2}',)), ("c3", "a_b_3", ('{"input":"3"}',))]
    w.upstream.push(calls(stream, *upstream))
    got = await ask(w, endpoint, stream, [function(endpoint, "a.b"), function(endpoint, "a/b"), third])
    assert got.status == 200, got.body
    assert list(offered(w)) == ["a_b", "a_b_2", "a_b_3"]
    if endpoint == "messages":
        named = [(c.id, c.name) for c in read(endpoint, got, stream=stream).calls]
        assert named == [("c1", "a.b"), ("c2", "a/b"), ("c3", "a b")]
        return
    assert inputs(endpoint, got, stream)[0] == [{"id": "c3", "name": "a b", "input": "3"}]
    assert plain_calls(endpoint, got, stream) == [("c1", "a.b", '{"a":1}'), ("c2", "a/b", '{"a":2}')]


def plain_calls(endpoint: str, got: Got, stream: bool) -> list[tuple[str, str, str]]:
    """Calls of functions: id, name, arguments."""
    if endpoint == "responses":
        return [(c.id, c.name, c.arguments) for c in read(endpoint, got, stream=stream).calls]
    if stream:
        return [(c.id, c.name, c.arguments) for c in chat_grammar.validate(got.body).calls if c.type == "function"]
    made = got.json["choices"][0]["message"]["tool_calls"]
    return [(c["id"], *c["function"].values()) for c in made if c["type"] == "function"]


HOSTED = {
    "responses": [
        {"type": "image_generation"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "mcp", "server_label": "s", "server_url": "https://x.example"},
    ],
    "chat": [{"type": "image_generation"}, {"type": "code_interpreter"}, {"type": "mcp", "server_label": "s"}],
    "messages": [
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "web_fetch_20250910", "name": "web_fetch"},
    ],
}


@pytest.mark.case("E14")
@everywhere
@both
async def test_hosted_tools_are_left_out_and_the_client_is_told(w: World, endpoint: str, stream: bool) -> None:
    got, said = await put(w, endpoint, stream, [*HOSTED[endpoint], function(endpoint, "f")])
    assert (said.end, said.text) == ("completed", "Hello")
    assert list(offered(w)) == ["f"]
    told = [n["field"] for n in json.loads(got.headers["x-dragoman-notes"]) if n["code"] == "tool_dropped"]
    assert told == [f"tools[{tool['type']}]" for tool in HOSTED[endpoint]]


@pytest.mark.case("E15")
@everywhere
@both
async def test_one_tool_too_many_is_refused_before_the_call(w: World, endpoint: str, stream: bool) -> None:
    tools = [function(endpoint, f"f{at}") for at in range(129)]
    got, said = await put(w, endpoint, stream, tools)
    assert got.status == 400 and "128" in said.error and w.upstream.requests == []
    got, said = await put(w, endpoint, stream, tools[:128])
    assert said.end == "completed" and len(offered(w)) == 128


# -- the choice among them


@pytest.mark.req(71)
@pytest.mark.case("F01")
@everywhere
@both
async def test_force_is_weakened_with_a_note_where_only_auto_is_known(w: World, endpoint: str, stream: bool) -> None:
    for mode in ("required", "named"):
        wanted = choice(endpoint, mode, "f")
        got, said = await put(w, endpoint, stream, [function(endpoint, "f")], tool_choice=wanted)
        assert said.end == "completed"
        assert w.upstream.last["tool_choice"] == "auto"
        assert "tool_choice_weakened" in got.notes


@pytest.mark.req(63)
@pytest.mark.case("F02")
@everywhere
@both
async def test_required_stays_required_where_it_is_known(w: World, endpoint: str, stream: bool) -> None:
    got, said = await put(
        w, endpoint, stream, [function(endpoint, "f")], model=DEEPSEEK, tool_choice=choice(endpoint, "required")
    )
    assert (said.end, w.upstream.last["tool_choice"]) == ("completed", "required")
    assert "tool_choice_weakened" not in got.notes


@pytest.mark.req(63)
@pytest.mark.case("F04")
@everywhere
@both
async def test_a_named_tool_is_forced_under_its_upstream_name(w: World, endpoint: str, stream: bool) -> None:
    mode, tool = ("named", function(endpoint, "a.b")) if endpoint == "messages" else ("custom", custom(endpoint, "a.b"))
    tools = [function(endpoint, "f"), tool]
    _, said = await put(w, endpoint, stream, tools, model=DEEPSEEK, tool_choice=choice(endpoint, mode, "a.b"))
    assert said.end == "completed"
    assert w.upstream.last["tool_choice"] == {"type": "function", "function": {"name": "a_b"}}


UNDECLARED = {
    "responses": [{"type": "image_generation"}, {"type": "function", "name": "g"}],
    "chat": [{"type": "image_generation"}, {"type": "function", "function": {"name": "g"}}],
    "messages": [{"type": "tool", "name": "code_execution"}, {"type": "tool", "name": "g"}],
}


@pytest.mark.case("F05")
@everywhere
@both
async def test_a_forced_tool_that_nobody_declared_is_refused(w: World, endpoint: str, stream: bool) -> None:
    for wanted in UNDECLARED[endpoint]:
        got, said = await put(w, endpoint, stream, [function(endpoint, "f")], tool_choice=wanted)
        assert (got.status, w.upstream.requests) == (400, [])
        assert "tool_choice" in said.error or got.json["error"].get("param", "").startswith("tool_choice")


@pytest.mark.case("F06")
@freeform
@both
async def test_only_the_allowed_tools_go_up_and_the_mode_is_kept(w: World, endpoint: str, stream: bool) -> None:
    for mode in ("auto", "required"):
        allowed: dict[str, Any] = {"mode": mode, "tools": [{"type": "function", "name": "g"}]}
        if endpoint == "chat":
            allowed = {"allowed_tools": {"mode": mode, "tools": [{"type": "function", "function": {"name": "g"}}]}}
        tools, wanted = [function(endpoint, "f"), function(endpoint, "g")], {"type": "allowed_tools", **allowed}
        _, said = await put(w, endpoint, stream, tools, model=DEEPSEEK, tool_choice=wanted)
        assert (said.end, list(offered(w))) == ("completed", ["g"])
        assert w.upstream.last.get("tool_choice", "auto") == mode


@pytest.mark.req(71)
@everywhere
@both
async def test_none_takes_the_tools_away(w: World, endpoint: str, stream: bool) -> None:
    none: Any = {"type": "none"} if endpoint == "messages" else "none"
    _, said = await put(w, endpoint, stream, [function(endpoint, "f")], tool_choice=none)
    assert said.end == "completed"
    assert not {"tools", "tool_choice"} & set(w.upstream.last)
