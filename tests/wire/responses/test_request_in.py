"""What a client may send, field by field, and what is refused with the path of the fault."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.messages import Message, Text
from dragoman.core.request import ReasoningAsk, ResponseFormat
from dragoman.core.tools import Grammar, Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest
from dragoman.wire.responses import decode_request, encode_error
from tests.wire.responses.road import ask


def refused(**body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        ask(**body)
    assert caught.value.info.http_status == 400
    return caught.value


def test_a_string_is_one_user_message() -> None:
    request, view = ask(input="hë")
    assert request.messages == (Message("user", (Text("hë"),)),)
    assert [json.loads(bytes(i)) for i in view.input_items] == [{"type": "message", "role": "user", "content": "hë"}]
    assert (request.model, view.model, request.stream, request.wire) == ("m", "m", False, "responses")


@pytest.mark.case("A04")
def test_instructions_come_first() -> None:
    assert [m.role for m in ask(instructions="I")[0].messages] == ["system", "user"]


@pytest.mark.case("A05")
def test_developer_messages_keep_their_place() -> None:
    said = [{"role": r, "content": t} for r, t in (("developer", "D1"), ("user", "u"), ("developer", "D2"))]
    request = ask(instructions="I", input=said)[0]
    assert [(m.role, m.text) for m in request.messages] == [
        ("system", "I"),
        ("developer", "D1"),
        ("user", "u"),
        ("developer", "D2"),
    ]


@pytest.mark.case("A06")
def test_no_input_is_refused_by_name() -> None:
    for body in (b'{"model":"m"}', b'{"model":"m","input":null}', b'{"model":"m","input":[]}'):
        with pytest.raises(InvalidRequest) as caught:
            decode_request(body)
        assert caught.value.info.param == "input"
    assert ask(input=[], previous_response_id="resp_1")[0].messages == ()


@pytest.mark.case("A07")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"nul", b'{"model":"\xff"}', b'{"a":1}x', b"[" * 9000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    error = json.loads(encode_error(caught.value.info))["error"]
    assert error["code"] and error["message"] and error["type"] == "invalid_request_error"


@pytest.mark.parametrize("depth", [60, 200])
def test_nesting_has_a_limit(depth: int) -> None:
    schema = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"model":"m","input":"[[[[","tools":[{"type":"function","name":"f","parameters":' + schema + b"}]}"
    if depth > 64:
        with pytest.raises(InvalidRequest, match="64"):
            decode_request(body)
    else:
        assert decode_request(body)[0].tools[0].schema is not None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"role": "critic", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 3}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": ["x", {"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "compaction"}]}, "input[0].encrypted_content"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "tools": []}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}, "tools[0].tools[0].name"),
        ({"tools": [{"type": "custom", "name": "c", "format": {"type": "x"}}]}, "tools[0].format.type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"metadata": []}, "metadata"),
        ({"include": "all"}, "include"),
    ],
)
def test_a_fault_is_named_by_its_path(body: dict[str, Any], param: str) -> None:
    error = refused(**body)
    assert error.info.param == param
    assert param.split("[", maxsplit=1)[0].split(".", maxsplit=1)[0] in error.message


@pytest.mark.case("I13")
def test_conversation_excludes_previous_response_id() -> None:
    assert refused(conversation="conv_1", previous_response_id="resp_1").info.param == "conversation"
    assert "conversation" in ask(conversation="conv_1")[0].params


def test_reasoning_null_is_not_asked_and_an_object_is() -> None:
    assert ask(reasoning=None)[0].reasoning == ReasoningAsk()
    assert ask()[0].reasoning == ReasoningAsk()
    assert ask(reasoning={})[0].reasoning == ReasoningAsk(asked=True)
    full = ask(reasoning={"effort": "high", "summary": "auto", "context": "all_turns", "mode": "pro"})[0]
    assert full.reasoning == ReasoningAsk(True, "high", summary="auto", context="all_turns")
    assert bytes(full.params["reasoning.mode"]) == b'"pro"'
    ultra, view = ask(reasoning={"effort": "ultra"})
    assert ultra.reasoning.effort == "max" and [n.code for n in view.notes] == ["effort_coerced"]


def test_text_format_and_verbosity() -> None:
    schema = {"type": "json_schema", "name": "out", "strict": True, "schema": {"type": "object"}}
    request = ask(text={"format": schema, "verbosity": "low"})[0]
    form = request.response_format
    assert form is not None and (form.kind, form.name, form.strict) == ("json_schema", "out", True)
    assert json.loads(bytes(form.schema or b"")) == {"type": "object"}
    assert bytes(request.params["verbosity"]) == b'"low"'
    assert ask(text={"format": {"type": "json_object"}})[0].response_format == ResponseFormat("json_object")
    assert ask(text={"verbosity": "low"})[0].response_format is None


def test_known_fields_are_params_and_unknown_ones_extra() -> None:
    known = {
        "background": True,
        "include": [],
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "service_tier": "flex",
        "truncation": "auto",
        "user": "u",
        "client_metadata": {"x": "y"},
        "top_logprobs": 2,
    }
    request, view = ask(**known, stream_options=None, warp=[9], seed=1)
    assert {k: json.loads(bytes(v)) for k, v in request.params.items()} == known
    assert {k: json.loads(bytes(v)) for k, v in request.extra.items()} == {"warp": [9], "seed": 1}
    assert view.background


def test_sampling_and_limits() -> None:
    request = ask(temperature=1, top_p=0.5, max_output_tokens=1024, parallel_tool_calls=False, store=False)[0]
    assert (request.temperature, request.top_p, request.max_output_tokens) == (1.0, 0.5, 1024)
    assert request.parallel_tool_calls is False and request.store is False
    empty = ask(temperature=None, top_p=None, max_output_tokens=None, store=None, stream=None)[0]
    assert (empty.temperature, empty.max_output_tokens, empty.store, empty.stream) == (None, None, None, False)


def test_the_body_is_kept_for_the_native_lane() -> None:
    body = b'{"model": "m",  "input": "hi"}'
    assert bytes(decode_request(body)[0].body or b"") == body


# -- tools


def tools(*declared: dict[str, Any]) -> tuple[Tool, ...]:
    return ask(tools=list(declared))[0].tools


def test_functions_flat_and_nested() -> None:
    flat = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": None}
    nested = {"type": "function", "function": {k: v for k, v in flat.items() if k != "type"}}
    for tool in (*tools(flat), *tools(nested)):
        assert (tool.name, tool.kind, tool.description, tool.strict) == ("f", "function", "d", None)
        assert bytes(tool.schema or b"") == b'{"type": "object"}'
    assert tools({"type": "function", "name": "f", "parameters": None})[0].schema is None
    assert tools({"type": "function", "name": "f", "defer_loading": True})[0].deferred


@pytest.mark.case("E06")
def test_custom_tools_with_a_grammar_in_both_forms() -> None:
    flat = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}
    chat = {"type": "custom", "custom": {"name": "a.b", "format": nested}}
    for tool in tools({"type": "custom", "name": "a.b", "format": flat}, chat):
        assert (tool.name, tool.kind, tool.grammar) == ("a.b", "custom", Grammar("lark", "start: x"))
    assert tools({"type": "custom", "name": "c", "format": {"type": "text"}})[0].grammar == Grammar("text")
    assert tools({"type": "custom", "name": "c"})[0].grammar is None


@pytest.mark.case("E10")
def test_namespaces_are_flattened() -> None:
    children = [{"type": "function", "name": "read.file"}, {"type": "custom", "name": "patch"}]
    space = {"type": "namespace", "name": "mcp__fs", "description": "files", "tools": children}
    assert [(t.key, t.kind, t.namespace_description) for t in tools(space)] == [
        (("mcp__fs", "read.file"), "function", "files"),
        (("mcp__fs", "patch"), "custom", "files"),
    ]


def test_built_in_and_hosted_tools() -> None:
    for kind in ("local_shell", "shell", "apply_patch", "tool_search"):
        assert (tools({"type": kind})[0].kind, tools({"type": kind})[0].name) == (kind, kind)
    for kind in ("web_search", "web_search_preview", "web_search_preview_2025_03_11"):
        tool = tools({"type": kind, "search_context_size": "high"})[0]
        assert (tool.kind, tool.name, tool.hosted_type) == ("web_search", "web_search", kind)
        assert json.loads(bytes(tool.options or b""))["search_context_size"] == "high"
    for kind in ("image_generation", "code_interpreter", "file_search", "computer", "computer_use_preview", "novel"):
        assert (tools({"type": kind})[0].kind, tools({"type": kind})[0].hosted_type) == ("hosted", kind)
    assert tools({"type": "mcp", "server_label": "wiki"})[0].name == "wiki"


def test_tool_choices() -> None:
    f = {"type": "function", "name": "f"}
    assert ask(tool_choice="auto")[0].tool_choice == ToolChoice("auto")
    assert ask(tool_choice="required")[0].tool_choice == ToolChoice("required")
    assert ask(tool_choice=None)[0].tool_choice is None
    for named in (f, {"type": "function", "function": {"name": "f"}}):
        assert ask(tools=[f], tool_choice=named)[0].tool_choice == ToolChoice("named", ToolRef("f"))
    custom = ask(tool_choice={"type": "custom", "name": "c"})[0].tool_choice
    assert custom == ToolChoice("named", ToolRef("c", "custom"))
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [f, {"type": "shell"}]}
    assert ask(tool_choice=allowed)[0].tool_choice == ToolChoice(
        "allowed", allowed=(ToolRef("f"), ToolRef("shell", "shell")), required=True
    )


@pytest.mark.case("F05")
@pytest.mark.parametrize("kind", ["web_search_preview", "image_generation", "file_search", "code_interpreter", "mcp"])
def test_a_forced_hosted_tool_must_be_declared(kind: str) -> None:
    assert refused(tool_choice={"type": kind}, tools=[{"type": "function", "name": "f"}]).info.param == "tool_choice"
    choice = ask(tool_choice={"type": kind}, tools=[{"type": kind}])[0].tool_choice
    assert choice is not None and choice.mode == "named"


# -- never anything but InvalidRequest

_KEYS = st.sampled_from(
    ["type", "role", "content", "text", "name", "tools", "output", "call_id", "id", "arguments", "summary", "action"]
)
_TYPES = st.sampled_from(
    [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "local_shell_call",
        "tool_search_output",
        "input_text",
        "input_image",
        "input_file",
        "custom",
        "function",
        "namespace",
        "additional_tools",
        "json_schema",
        "grammar",
        "allowed_tools",
        "x",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | _TYPES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["input", "tools", "tool_choice", "reasoning", "text", "metadata"]), _JSON))
def test_any_json_is_read_or_refused(body: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidRequest):
        assert decode_request(json.dumps({"model": "m", "input": "x", **body}).encode())[0].model == "m"


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_request(body)
