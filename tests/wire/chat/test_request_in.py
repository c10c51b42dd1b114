"""What Chat clients send, read into the canonical request; and everything malformed refused by name."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.messages import Media, Message, ProviderState, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.request import ReasoningAsk, Request, ResponseFormat
from dragoman.core.tools import Grammar, Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest
from dragoman.wire.chat_completions import View, decode_request

USER = {"role": "user", "content": "hi"}


def read(*messages: Any, **fields: Any) -> Request:
    body = {"model": "m", "messages": list(messages) or [USER], **fields}
    return decode_request(json.dumps(body).encode())[0]


def refused(body: Any) -> InvalidRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidRequest) as caught:
        decode_request(data)
    assert caught.value.info.http_status == 400
    assert caught.value.message
    return caught.value


# -- envelope


def test_the_smallest_request() -> None:
    request, view = decode_request(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    assert request == Request("m", (Message("user", (Text("hi"),)),), body=request.body)
    assert view == View("m")
    assert request.body is not None
    assert bytes(request.body).startswith(b'{"model"')


def test_the_view() -> None:
    body = {"model": "m", "messages": [USER], "stream": True, "stream_options": {"include_usage": True}}
    assert decode_request(json.dumps(body).encode())[1] == View("m", True, True)


def test_every_field_has_its_place() -> None:
    request = read(
        max_completion_tokens=5,
        temperature=0,
        top_p=0.5,
        stop=["a", "b"],
        n=1,
        parallel_tool_calls=False,
        store=True,
        seed=7,
        logit_bias={"1": 2},
        top_logprobs=2,
        metadata={"a": "b"},
        frequency_penalty=None,
        vendor_knob=[1],
    )
    assert (request.max_output_tokens, request.temperature, request.top_p) == (5, 0.0, 0.5)
    assert (request.stop, request.parallel_tool_calls, request.store) == (("a", "b"), False, True)
    assert {k: bytes(v) for k, v in request.params.items()} == {
        "store": b"true",
        "seed": b"7",
        "logit_bias": b'{"1": 2}',
        "top_logprobs": b"2",
        "metadata": b'{"a": "b"}',
    }
    assert request.extra == {"vendor_knob": Raw(b"[1]")}


def test_limits_and_stop_in_their_other_forms() -> None:
    assert read(max_tokens=3).max_output_tokens == 3
    assert read(max_tokens=3, max_completion_tokens=4).max_output_tokens == 4
    assert read(stop="x").stop == ("x",)
    assert read(stop=None, tools=None, tool_choice=None, response_format=None, stream=None).stop == ()


@pytest.mark.parametrize(
    ("fields", "ask"),
    [
        ({}, ReasoningAsk()),
        ({"reasoning_effort": "high"}, ReasoningAsk(True, "high")),
        ({"reasoning_effort": "none"}, ReasoningAsk(True, "none")),
        ({"thinking": {"type": "enabled"}}, ReasoningAsk(True)),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, ReasoningAsk(True, budget=9)),
        ({"thinking": {"type": "adaptive"}}, ReasoningAsk(True, adaptive=True)),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, ReasoningAsk(True, "none")),
        ({"enable_thinking": True}, ReasoningAsk(True)),
        ({"enable_thinking": False}, ReasoningAsk(True, "none")),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, ReasoningAsk(True, "low", summary="auto")),
        ({"reasoning": {"max_tokens": 9}}, ReasoningAsk(True, budget=9)),
        ({"reasoning": {}}, ReasoningAsk(True)),
        ({"reasoning": {"enabled": False}}, ReasoningAsk(True, "none")),
        ({"reasoning": None, "thinking": None}, ReasoningAsk()),
    ],
)
def test_the_wish_for_thinking(fields: dict[str, Any], ask: ReasoningAsk) -> None:
    assert read(**fields).reasoning == ask


def test_response_formats() -> None:
    assert read(response_format={"type": "text"}).response_format == ResponseFormat("text")
    assert read(response_format={"type": "json_object"}).response_format == ResponseFormat("json_object")
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    assert read(response_format=schema).response_format == ResponseFormat(
        "json_schema", "n", Raw(b'{"type": "object"}'), True
    )


# -- tools


def test_tools() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}
    request = read(
        tools=[
            {"type": "function", "function": function},
            {"type": "function", "function": {"name": "g", "strict": None, "parameters": None}},
            {"type": "custom", "custom": {"name": "p", "format": grammar}},
            {"type": "custom", "custom": {"name": "q", "description": "d", "format": {"type": "text"}}},
            {"type": "web_search", "limit": 3},
            {"type": "mcp", "server": "s"},
        ]
    )
    assert request.tools == (
        Tool("f", description="d", schema=Raw(b'{"type": "object"}'), strict=True),
        Tool("g"),
        Tool("p", "custom", grammar=Grammar("lark", "start: A")),
        Tool("q", "custom", "d", grammar=Grammar("text")),
        Tool("web_search", "web_search", hosted_type="web_search", options=Raw(b'{"type": "web_search", "limit": 3}')),
        Tool("mcp", "hosted", hosted_type="mcp", options=Raw(b'{"type": "mcp", "server": "s"}')),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", ToolRef("f"))),
        ({"type": "function", "name": "f"}, ToolChoice("named", ToolRef("f"))),
        ({"type": "custom", "custom": {"name": "p"}}, ToolChoice("named", ToolRef("p", "custom"))),
        ({"type": "web_search"}, ToolChoice("named", ToolRef("web_search", "web_search"))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "p"}},
                    ],
                },
            },
            ToolChoice("allowed", allowed=(ToolRef("f"), ToolRef("p", "custom")), required=True),
        ),
    ],
)
def test_tool_choice(choice: Any, expected: ToolChoice) -> None:
    assert read(tool_choice=choice).tool_choice == expected


# -- messages


def test_roles_keep_their_place() -> None:
    request = read(
        {"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}], "name": "bob"},
        {"role": "developer", "content": [{"type": "text", "text": "D", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": ""},
    )
    assert request.messages == (
        Message("system", (Text("S"),)),
        Message("user", (Text("a"),), "bob"),
        Message("developer", (Text("D", cache=Raw(b'{"type": "ephemeral"}')),)),
        Message("assistant", ()),
        Message("user", ()),
    )


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"type": "image_url", "image_url": {"url": "https://e/x.png"}}, Media("image", url="https://e/x.png")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            Media("image", data="AAAA", media_type="image/png", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://e/x"}, Media("image", url="https://e/x")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%3E"}},
            Media("image", data="PHN2Zz4=", media_type="image/svg+xml"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            Media("audio", data="AAAA", media_type="audio/mpeg"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,AAAA"}},
            Media("audio", data="AAAA", media_type="audio/wav"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "https://e/x.wav"}}, Media("audio", url="https://e/x.wav")),
        (
            {"type": "video_url", "video_url": {"url": "https://e/v"}, "fps": 2, "media_resolution": "max"},
            Media("video", url="https://e/v", options=Raw(b'{"fps":2,"media_resolution":"max"}')),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "x.pdf"}},
            Media("document", data="AAAA", media_type="application/pdf", name="x.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "f1"}}, Media("document", file_id="f1")),
        ({"type": "file_url", "file_url": {"url": "https://e/f"}}, Media("document", url="https://e/f")),
    ],
)
def test_media(part: dict[str, Any], media: Media) -> None:
    assert read({"role": "user", "content": [part]}).messages[0].content == (media,)


def test_an_assistant_turn_is_reasoning_then_content_then_calls() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "custom", "custom": {"name": "p", "input": "raw"}},
        {"type": "function", "function": {"name": "g", "arguments": {"y": 2}}, "extra_content": {"s": 1}},
    ]
    message = {"role": "assistant", "tool_calls": calls, "content": "T", "reasoning_content": "R"}
    assert read(message).messages[0].content == (
        Reasoning("R"),
        Text("T"),
        ToolCall("a", "f", '{"x": 1}'),
        ToolCall("b", "p", "raw", "custom"),
        ToolCall("call_0_2", "g", '{"y":2}', state=ProviderState("", "", "chat", Raw(b'{"s": 1}'))),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_content": "R"}, (Reasoning("R"),)),
        ({"reasoning": "R"}, (Reasoning("R"),)),
        ({"reasoning_text": "R"}, (Reasoning("R"),)),
        ({"reasoning_content": "", "reasoning": "R"}, (Reasoning("R"),)),
        ({"reasoning_content": ""}, (Reasoning("", "empty"),)),
        ({"reasoning_content": None}, ()),
        ({"content": [{"type": "thinking", "thinking": "R"}]}, (Reasoning("R"),)),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "R"}], "reasoning": "plain"},
            (Reasoning("R", state=ProviderState("", "", "chat", Raw(b'[{"type": "reasoning.text", "text": "R"}]'))),),
        ),
        (
            {"reasoning_details": [{"data": "e"}]},
            (Reasoning("", "opaque", state=ProviderState("", "", "chat", Raw(b'[{"data": "e"}]'))),),
        ),
        ({"refusal": "no"}, (Text("no", refusal=True),)),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, (Text("no", refusal=True),)),
    ],
)
def test_what_an_assistant_message_carries(fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert read({"role": "assistant", **fields}).messages[0].content == expected


@pytest.mark.case("D10", "D11")
def test_adjacent_tool_messages_are_one() -> None:
    request = read(
        {"role": "assistant", "tool_calls": [{"id": "b", "type": "custom", "custom": {"name": "p", "input": ""}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "y"}], "name": "p"},
        USER,
        {"role": "tool", "tool_call_id": "c", "content": None},
    )
    assert request.messages[1:] == (
        Message(
            "tool",
            (
                ToolResult("a", (Text("x"),), was_text=True),
                ToolResult("b", (Text("y"),), kind="custom", name="p"),
            ),
        ),
        Message("user", (Text("hi"),)),
        Message("tool", (ToolResult("c", (), was_text=True),)),
    )


def test_the_legacy_function_pair() -> None:
    request = read(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "x"},
    )
    assert request.messages[1].content == (ToolCall("call_1", "f", "{}"),)
    assert request.messages[2].content == (ToolResult("call_1", (Text("x"),), name="f", was_text=True),)


# -- refusals


@pytest.mark.case("A06", "A07")
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'"x"', None),
        (b'{"model":"\xff","messages":[]}', None),
        ({"messages": [USER]}, "model"),
        ({"model": "", "messages": [USER]}, "model"),
        ({"model": 7, "messages": [USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": None}, "messages"),
        ({"model": "m", "messages": {"role": "user"}}, "messages"),
        ({"model": "m", "messages": ["hi"]}, "messages[0]"),
        ({"model": "m", "messages": [USER, {"content": "x"}]}, "messages[1].role"),
        ({"model": "m", "messages": [USER, {"role": "bot", "content": "x"}]}, "messages[1].role"),
        ({"model": "m", "messages": [USER, {"role": "user", "content": 7}]}, "messages[1].content"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "odd"}]}]}, "messages[0].content[0].type"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}]},
            "messages[0].tool_calls[0].function",
        ),
        ({"model": "m", "messages": [USER], "n": 2}, "n"),
        ({"model": "m", "messages": [USER], "stream": "yes"}, "stream"),
        ({"model": "m", "messages": [USER], "temperature": "hot"}, "temperature"),
        ({"model": "m", "messages": [USER], "temperature": True}, "temperature"),
        ({"model": "m", "messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"model": "m", "messages": [USER], "max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"model": "m", "messages": [USER], "stop": [1]}, "stop[0]"),
        ({"model": "m", "messages": [USER], "reasoning_effort": "huge"}, "reasoning_effort"),
        ({"model": "m", "messages": [USER], "reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"model": "m", "messages": [USER], "thinking": {"type": "maybe"}}, "thinking.type"),
        ({"model": "m", "messages": [USER], "functions": []}, "functions"),
        ({"model": "m", "messages": [USER], "tools": {}}, "tools"),
        ({"model": "m", "messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"model": "m", "messages": [USER], "tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"model": "m", "messages": [USER], "tools": [{"type": "function", "function": {"name": ""}}]},
            "tools[0].function.name",
        ),
        (
            {
                "model": "m",
                "messages": [USER],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}],
            },
            "tools[0].function.parameters",
        ),
        ({"model": "m", "messages": [USER], "tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"model": "m", "messages": [USER], "tool_choice": "sometimes"}, "tool_choice"),
        ({"model": "m", "messages": [USER], "tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"model": "m", "messages": [USER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        ({"model": "m", "messages": [USER], "response_format": {"type": "yaml"}}, "response_format.type"),
        ({"model": "m", "messages": [USER], "response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_what_is_wrong_is_named(body: Any, param: str | None) -> None:
    error = refused(body)
    assert error.info.param == param
    if param is not None:
        assert param in error.message


@pytest.mark.req(145)
def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b'{"model":"m","messages":[{"role":"user","content":"[[[{{{"}],"x":%b1%b}' % (b"[" * depth, b"]" * depth)

    assert decode_request(nested(63))[0].extra["x"]
    for depth in (64, 100, 100_000):
        assert "nested" in refused(nested(depth)).message
    assert refused(b"[" * 100_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "name", "function", "url", "id"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "model",
        "messages",
        "tools",
        "tool_choice",
        "stop",
        "stream",
        "response_format",
        "reasoning",
        "thinking",
        "n",
        "x",
    ]
)


@given(
    st.dictionaries(NAMES, JSON),
    st.lists(
        st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "reasoning_details", "name"]), JSON
        )
    ),
)
def test_nothing_but_a_refusal_is_ever_raised(fields: dict[str, Any], messages: list[Any]) -> None:
    for body in (fields, {"model": "m", "messages": messages}, {"model": "m", "messages": [USER], **fields}):
        data = json.dumps(body).encode()
        with contextlib.suppress(InvalidRequest):
            request, view = decode_request(data)
            assert request.model == view.model
