"""Cases written for the Responses endpoint: lifecycle, reasoning, history, tools, choices and parameters, end to end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import Answer, Got, World, call, chunk, message, sse, usage_chunk, world
from tests.validators.responses import validate

ROLE = chunk(role="assistant", content="")
DONE = [chunk("tool_calls"), usage_chunk()]


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp=tmp_path) as made:
        yield made


def item(got: Got, kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [i for i in output(got) if i["type"] == kind]
    assert len(found) == 1, f"{kind}: {output(got)}"
    return found[0]


def output(got: Got) -> list[dict[str, Any]]:
    body = got.events[-1]["response"] if got.body.startswith(b"event") or b"\nevent: " in got.body else got.json
    return list(body["output"])


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def function(name: str = "f", **more: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
        **more,
    }


# -- A: lifecycle


@pytest.mark.case("A01")
@pytest.mark.req(10, 11, 12)
async def test_a01_the_whole_order(w: World) -> None:
    w.upstream.push(Answer.stream(ROLE, chunk(content="He"), chunk(content="llo"), chunk("stop"), usage_chunk()))
    got = await w.responses()
    validate(got.body)
    assert got.types == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [e["delta"] for e in got.events if e["type"] == "response.output_text.delta"] == ["He", "llo"]
    usage = got.events[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (3, 2, 5)
    assert usage["input_tokens_details"]["cached_tokens"] == 1


@pytest.mark.case("A03")
@pytest.mark.req(136)
async def test_a03_created_comes_before_a_late_first_token(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with world("[timeouts]\ncommit = 0.2\n", tmp=tmp_path) as w:
        w.upstream.push(Answer([sse(ROLE, done=False), go, sse(chunk(content="late"), chunk("stop"))]))
        async with w.session.post(
            w.base + "/v1/responses", json={"model": "xiaomi/m", "input": "hi", "stream": True}
        ) as answer:
            seen = b""
            while b"response.in_progress" not in seen:
                seen += await asyncio.wait_for(answer.content.readany(), 5)
            assert b"output_text" not in seen
            go.set()
            seen += await answer.read()
    validate(seen)
    assert b'"late"' in seen


@pytest.mark.case("A04", "A05")
async def test_a05_system_text_keeps_its_order(w: World) -> None:
    body = [
        {"role": "developer", "content": "D1"},
        {"role": "user", "content": "u"},
        {"role": "developer", "content": "D2"},
    ]
    await w.responses(False, instructions="I", input=body)
    sent = w.upstream.last["messages"]
    flat = json.dumps(sent)
    assert flat.index('"I') < flat.index("D1") < flat.index("D2") or flat.index("D1") < flat.index('"u"') < flat.index(
        "D2"
    )
    assert {m["role"] for m in sent} <= {"system", "user"}
    await w.responses(False, instructions="I", input="u")
    assert [(m["role"], m["content"]) for m in w.upstream.last["messages"]] == [("system", "I"), ("user", "u")]


@pytest.mark.case("A06", "A07")
@pytest.mark.parametrize("body", [{"model": "xiaomi/m"}, b"{", b"[]", b"", b'"x"'])
async def test_a06_bad_bodies(w: World, body: Any) -> None:
    got = await w.post("/v1/responses", body)
    error = got.json["error"]
    assert got.status == 400
    assert {"message", "type", "code"} <= set(error)
    assert w.upstream.requests == []
    if isinstance(body, dict):
        assert error["param"] == "input"


@pytest.mark.case("A08")
@pytest.mark.parametrize("stream", [True, False])
async def test_a08_echo(w: World, stream: bool) -> None:
    asked = {
        "temperature": 0.5, "tools": [function()], "metadata": {"k": "v"}, "reasoning": {"effort": "none", "summary": None},
        "text": {"format": {"type": "text"}}, "store": False, "user": "u1",
    }  # fmt: skip
    got = await w.responses(stream, **asked)
    final = got.events[-1]["response"] if stream else got.json
    for key in ("temperature", "metadata", "store", "user"):
        assert final[key] == asked[key], key
    assert final["reasoning"]["effort"] == "none"
    assert final["text"]["format"] == {"type": "text"}
    assert [t["name"] for t in final["tools"]] == ["f"]
    assert final["model"] == "xiaomi/m"


# -- B: reasoning upstream


@pytest.mark.case("B03", "B05")
@pytest.mark.parametrize(
    ("reasoning", "kind"), [({"effort": "medium"}, "enabled"), ({"effort": "none"}, "disabled"), ({}, "enabled")]
)
async def test_b03_thinking(w: World, reasoning: dict[str, Any], kind: str) -> None:
    await w.responses(False, reasoning=reasoning)
    assert w.upstream.last["thinking"] == {"type": kind}
    assert "reasoning_effort" not in w.upstream.last


@pytest.mark.case("B04")
@pytest.mark.parametrize(
    ("default", "thinking"), [("auto", {"type": "disabled"}), ("off", {"type": "disabled"}), ("vendor", None)]
)
@pytest.mark.parametrize("body", [{}, {"reasoning": None}])
async def test_b04_no_reasoning_object(tmp_path: Path, default: str, thinking: Any, body: dict[str, Any]) -> None:
    async with world(f'[providers.xiaomi]\nthinking_default = "{default}"\n', tmp=tmp_path) as w:
        await w.responses(False, **body)
        assert w.upstream.last.get("thinking") == thinking
        await w.post("/v1/chat/completions", {"model": "xiaomi/m", "messages": [{"role": "user", "content": "hi"}]})
        assert w.upstream.last.get("thinking") == ({"type": "disabled"} if default == "off" else None)


@pytest.mark.case("B06", "B07", "B09")
@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "R"}]}], "R"),
        (
            [
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": "S"}],
                    "encrypted_content": "gAAAopaque",
                }
            ],
            "S",
        ),
        (
            [
                {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "one"}]},
                {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "two"}]},
            ],
            "one\ntwo",
        ),
    ],
)
async def test_b06_reasoning_in_history(w: World, items: list[Any], text: str) -> None:
    said = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "A", "annotations": []}],
    }
    got = await w.responses(False, input=[user("q"), *items, said, user("q2")])
    assert got.status == 200
    assistant = next(m for m in w.upstream.last["messages"] if m["role"] == "assistant")
    assert (assistant["reasoning_content"], assistant["content"]) == (text, "A")
    assert w.upstream.last["thinking"] == {"type": "enabled"}


# -- D: history


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "done"}]}


@pytest.mark.case("D10", "D11", "D12", "D13")
async def test_d10_calls_in_history(w: World) -> None:
    second, answer = {**CALL, "call_id": "c2"}, {"type": "function_call_output", "call_id": "c2", "output": "two"}
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "R"}]}
    text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "T"}]}
    await w.responses(
        False, input=[user("q"), thought, CALL, second, text, RESULT, answer, user("q2")], tools=[function()]
    )
    sent = w.upstream.last["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert (sent[1]["reasoning_content"], sent[1]["content"]) == ("R", "T")
    assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in sent[1]["tool_calls"]] == [
        ("c1", "f", '{"a":1}'), ("c2", "f", '{"a":1}'),
    ]  # fmt: skip
    assert [(m["tool_call_id"], m["content"]) for m in sent[2:4]] == [("c1", "done"), ("c2", "two")]


@pytest.mark.case("D16")
@pytest.mark.parametrize(("model", "moved"), [("xiaomi/mimo-v2.6-pro", True), ("xiaomi/mimo-v2.5-pro", False)])
async def test_d16_image_in_a_tool_output(w: World, model: str, moved: bool) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    got = await w.responses(
        False, model=model, input=[user("q"), CALL, {**RESULT, "output": [image]}], tools=[function()]
    )
    sent = json.dumps(w.upstream.last["messages"])
    assert got.status == 200
    assert ("data:image/png;base64,AAAA" in sent) is moved
    assert ("media_moved" if moved else "media_dropped") in got.notes
    tool = next(m for m in w.upstream.last["messages"] if m["role"] == "tool")
    assert isinstance(tool["content"], str) and tool["content"]


# -- E: tools of coding agents


async def tool_turn(w: World, name: str, *pieces: str, tools: list[Any], stream: bool = True, **more: Any) -> Got:
    """One streamed call upstream."""
    if stream:
        first, rest = (
            chunk(**call(arguments=pieces[0], name=name)),
            [chunk(**call(id=None, name=None, arguments=p)) for p in pieces[1:]],
        )
        w.upstream.push(Answer.stream(ROLE, first, *rest, *DONE))
    else:
        made = [{"id": "call_a", "type": "function", "function": {"name": name, "arguments": "".join(pieces)}}]
        w.upstream.push(Answer(json=message("", "tool_calls", tool_calls=made)))
    got = await w.responses(stream, tools=tools, **more)
    assert got.status == 200, got.body
    if stream:
        validate(got.body)
    return got


def sent_tools(w: World) -> dict[str, dict[str, Any]]:
    return {t["function"]["name"]: t["function"] for t in w.upstream.last["tools"]}


@pytest.mark.case("E01", "E02")
@pytest.mark.parametrize("stream", [True, False])
async def test_e01_local_shell(w: World, stream: bool) -> None:
    arguments = '{"command":["ls","-l"],"env":{"A":"1"},"working_directory":"/w"}'
    got = await tool_turn(
        w, "local_shell", arguments[:20], arguments[20:], tools=[{"type": "local_shell"}], stream=stream
    )
    action = item(got, "local_shell_call")["action"]
    assert action == {"type": "exec", "command": ["ls", "-l"], "env": {"A": "1"}, "working_directory": "/w"}
    if stream:
        added = [e["item"]["type"] for e in got.events if e["type"] == "response.output_item.added"]
        assert added == ["local_shell_call"]


@pytest.mark.case("E03")
@pytest.mark.parametrize("stream", [True, False])
async def test_e03_shell(w: World, stream: bool) -> None:
    arguments = '{"commands":["ls"],"timeout_ms":5,"max_output_length":9}'
    got = await tool_turn(w, "shell", arguments, tools=[{"type": "shell"}], stream=stream)
    assert item(got, "shell_call")["action"] == {"commands": ["ls"], "timeout_ms": 5, "max_output_length": 9}


@pytest.mark.case("E05")
@pytest.mark.parametrize(
    "operation",
    [
        {"type": "create_file", "path": "a", "diff": "+x"},
        {"type": "update_file", "path": "a", "diff": "@@\n-x\n+y"},
        {"type": "delete_file", "path": "a"},
    ],
)
async def test_e05_apply_patch(w: World, operation: dict[str, str]) -> None:
    for stream in (True, False):
        got = await tool_turn(w, "apply_patch", json.dumps(operation), tools=[{"type": "apply_patch"}], stream=stream)
        assert item(got, "apply_patch_call")["operation"] == operation


@pytest.mark.case("E05")
@pytest.mark.parametrize(
    "arguments",
    [
        '{"type":"explode","path":"a","diff":"+x"}',
        '{"type":"update_file","path":"a"}',
        '{"type":"delete_file","path":""}',
    ],
)
async def test_e05_an_invalid_operation_is_a_function_call(w: World, arguments: str) -> None:
    for stream in (True, False):
        got = await tool_turn(w, "apply_patch", arguments, tools=[{"type": "apply_patch"}], stream=stream)
        assert item(got, "function_call")["arguments"] == arguments


GRAMMAR = {
    "type": "custom",
    "name": "apply.patch",
    "description": "Patch",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: LINE"},
}


@pytest.mark.case("E06", "E07")
async def test_e07_custom_tool_streams(w: World) -> None:
    got = await tool_turn(w, "apply_patch", '{"input":"*** Beg', 'in"}', tools=[GRAMMAR])
    declared = sent_tools(w)["apply_patch"]
    assert json.dumps(w.upstream.last).count("start: LINE") == 1
    assert declared["parameters"]["required"] == ["input"]
    assert list(declared["parameters"]["properties"]) == ["input"]
    assert [e["delta"] for e in got.events if e["type"] == "response.custom_tool_call_input.delta"] == ["*** Beg", "in"]
    done = item(got, "custom_tool_call")
    assert (done["name"], done["input"], done["call_id"]) == ("apply.patch", "*** Begin", "call_a")
    assert not any("function_call_arguments" in t for t in got.types)


@pytest.mark.case("E09")
@pytest.mark.parametrize("arguments", ['{"other":1}', "not json", '{"input":"cut'])
async def test_e09_malformed_custom_input_closes_safely(w: World, arguments: str) -> None:
    got = await tool_turn(w, "apply_patch", arguments, tools=[GRAMMAR])
    done = item(got, "custom_tool_call")
    assert done["input"]
    assert got.types.count("response.custom_tool_call_input.done") == 1
    assert got.types[-1] == "response.completed"


@pytest.mark.case("E10")
@pytest.mark.parametrize("stream", [True, False])
async def test_e10_namespace(w: World, stream: bool) -> None:
    tools = [{"type": "namespace", "name": "mcp__fs", "description": "files", "tools": [function("read.file")]}]
    got = await tool_turn(w, "mcp__fs__read_file", '{"a":1}', tools=tools, stream=stream)
    done = item(got, "function_call")
    assert (done["name"], done["namespace"]) == ("read.file", "mcp__fs")
    assert list(sent_tools(w)) == ["mcp__fs__read_file"]


@pytest.mark.case("E11")
async def test_e11_collisions(w: World) -> None:
    tools = [function("a.b"), function("a/b"), {"type": "custom", "name": "a b"}]
    got = await tool_turn(w, "a_b_2", "{}", tools=tools)
    assert list(sent_tools(w)) == ["a_b", "a_b_2", "a_b_3"]
    assert item(got, "function_call")["name"] == "a/b"
    again = await tool_turn(w, "a_b_3", '{"input":"x"}', tools=tools)
    assert item(again, "custom_tool_call")["name"] == "a b"


@pytest.mark.case("E13")
@pytest.mark.parametrize("stream", [True, False])
async def test_e13_tool_search(w: World, stream: bool) -> None:
    search = {
        "type": "tool_search",
        "execution": "client",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    }
    got = await tool_turn(w, "tool_search", '{"query":"x"}', tools=[search, function()], stream=stream)
    done = item(got, "tool_search_call")
    assert (done["arguments"], done["execution"]) == ({"query": "x"}, "client")
    assert set(sent_tools(w)) == {"tool_search", "f"}


@pytest.mark.case("E13")
async def test_e13_found_tools_are_offered(w: World) -> None:
    history = [
        user("q"),
        {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "x"}, "status": "completed"},
        {"type": "tool_search_output", "call_id": "c1", "execution": "client", "status": "completed", "tools": [
            {"type": "namespace", "name": "ns", "tools": [function("found", defer_loading=True)]},
        ]},
    ]  # fmt: skip
    search = {"type": "tool_search", "execution": "client", "parameters": {"type": "object", "properties": {}}}
    got = await w.responses(False, input=history, tools=[search])
    assert got.status == 200
    assert "ns__found" in sent_tools(w)
    assert [m["role"] for m in w.upstream.last["messages"]] == ["user", "assistant", "tool"]


@pytest.mark.case("E14")
@pytest.mark.parametrize(
    "tool",
    [
        {"type": "image_generation"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "mcp", "server_label": "s", "server_url": "https://x"},
    ],
)
async def test_e14_hosted_tools_are_dropped_with_a_note(w: World, tool: dict[str, Any]) -> None:
    got = await w.responses(False, tools=[tool, function()])
    assert got.status == 200
    assert list(sent_tools(w)) == ["f"]
    assert "tool_dropped" in got.notes


@pytest.mark.case("E15")
async def test_e15_129_tools(w: World) -> None:
    got = await w.responses(False, tools=[function(f"f{i}") for i in range(129)])
    assert got.status == 400
    assert "128" in got.json["error"]["message"]
    assert w.upstream.requests == []


@pytest.mark.case("E16")
async def test_e16_codex_history_mix(w: World) -> None:
    items = [
        user("q"),
        {
            "type": "local_shell_call",
            "call_id": "c1",
            "id": "l1",
            "status": "completed",
            "action": {"type": "exec", "command": ["ls"]},
        },
        {"type": "local_shell_call_output", "call_id": "c1", "id": "l1", "output": "out1"},
        {
            "type": "apply_patch_call",
            "call_id": "c2",
            "status": "completed",
            "operation": {"type": "delete_file", "path": "a"},
        },
        {"type": "apply_patch_call_output", "call_id": "c2", "status": "completed", "output": "out2"},
        {"type": "custom_tool_call", "call_id": "c3", "name": "patch", "input": "raw\ntext"},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "out3"},
        {"type": "shell_call", "call_id": "c4", "status": "completed", "action": {"commands": ["ls"]}},
        {
            "type": "shell_call_output",
            "call_id": "c4",
            "output": [{"stdout": "out4", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"type": "search", "query": "x"}},
        user("q2"),
    ]
    got = await w.responses(
        False,
        input=items,
        tools=[
            {"type": "local_shell"},
            {"type": "apply_patch"},
            {"type": "custom", "name": "patch"},
            {"type": "shell"},
        ],
    )
    assert got.status == 200, got.body
    sent = w.upstream.last["messages"]
    calls = [c for m in sent for c in m.get("tool_calls", [])]
    results = [m for m in sent if m["role"] == "tool"]
    assert [c["id"] for c in calls] == [m["tool_call_id"] for m in results] == ["c1", "c2", "c3", "c4"]
    assert all(isinstance(json.loads(c["function"]["arguments"]), dict) for c in calls)
    assert json.loads(calls[2]["function"]["arguments"]) == {"input": "raw\ntext"}
    assert all(f"out{i}" in m["content"] for i, m in enumerate(results, 1))
    assert "w1" not in json.dumps(sent)
    assert sent[-1]["content"] == "q2"


# -- F: choices and parameters


@pytest.mark.case("F01")
@pytest.mark.req(71)
async def test_f01_required_becomes_auto(w: World) -> None:
    got = await w.responses(False, tools=[function()], tool_choice="required")
    assert w.upstream.last.get("tool_choice", "auto") == "auto"
    assert "tool_choice_weakened" in got.notes


@pytest.mark.case("F05")
async def test_f05_undeclared_hosted_choice(w: World) -> None:
    got = await w.responses(False, tools=[function()], tool_choice={"type": "image_generation"})
    assert got.status == 400
    assert got.json["error"]["param"].startswith("tool_choice")
    assert w.upstream.requests == []


@pytest.mark.case("F06")
async def test_f06_allowed_tools(w: World) -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}
    await w.responses(False, tools=[function("f"), function("g")], tool_choice=choice)
    assert list(sent_tools(w)) == ["g"]


@pytest.mark.case("F07", "F09", "F10", "F08")
async def test_f07_parameters(w: World) -> None:
    got = await w.responses(
        False, max_output_tokens=1024, temperature=2, user="u", safety_identifier="s", metadata={"a": "b"}, service_tier="auto",
        prompt_cache_key="k", truncation="auto", include=["reasoning.encrypted_content"], parallel_tool_calls=True,
        reasoning={"effort": "none"},
    )  # fmt: skip
    sent = w.upstream.last
    assert sent["max_completion_tokens"] == 1024
    assert sent["temperature"] == 1.5
    assert set(sent) <= {"model", "messages", "max_completion_tokens", "temperature", "thinking", "stream"}
    fields = {n["field"] for n in json.loads(got.headers["x-dragoman-notes"])}
    assert {"temperature", "user", "safety_identifier", "service_tier", "prompt_cache_key"} <= fields
    assert "param_clamped" in got.notes


@pytest.mark.case("F11")
async def test_f11_odd_parts_are_accepted(w: World) -> None:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "text", "text": "plain"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "item_reference", "id": "rs_1"},
        {"type": "something_new", "x": 1},
        user("q"),
    ]
    got = await w.responses(False, input=items)
    assert got.status == 200, got.body
    assert "plain" in json.dumps(w.upstream.last["messages"])


@pytest.mark.case("H01", "H02")
async def test_h01_json_schema_is_degraded(w: World) -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    w.upstream.push(Answer(json=message('{"answer":"x"}')))
    got = await w.responses(
        False,
        instructions="Be good.",
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}},
    )
    assert w.upstream.last["response_format"] == {"type": "json_object"}
    system = w.upstream.last["messages"][0]
    assert system["role"] == "system"
    assert system["content"].startswith("Be good.") and '"answer"' in system["content"]
    assert "format_degraded" in got.notes
    assert got.json["status"] == "completed"
