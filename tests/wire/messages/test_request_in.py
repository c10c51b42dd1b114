"""What Messages clients send, read into canonical values; and everything malformed, refused with its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.messages import Media, Message, Opaque, Reasoning, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.request import ReasoningAsk, Request
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest
from dragoman.wire.messages import View, decode_request

EPHEMERAL = {"type": "ephemeral"}
CACHE = Raw(b'{"type":"ephemeral"}')
SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {}}


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def raw(value: Any) -> Raw:
    return Raw(dump(value))


def decode(**fields: Any) -> tuple[Request, View]:
    base: dict[str, Any] = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    return decode_request(dump({**base, **fields}))


def blocks(*content: Any, role: str = "user") -> tuple[Any, ...]:
    request, _ = decode(messages=[{"role": role, "content": list(content)}])
    return tuple(b for m in request.messages for b in m.content)


def agent_turn(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A request in the form of a coding agent of 2026, cut down."""
    return {
        "model": "any-model",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>r</system-reminder>"},
                    {"type": "text", "text": "go"},
                ],
            },
            {"role": "system", "content": [{"type": "text", "text": "# Environment", "cache_control": EPHEMERAL}]},
            *more,
        ],
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=9;"},
            {"type": "text", "text": "You are an agent.", "cache_control": EPHEMERAL},
        ],
        "tools": [
            {"name": "Bash", "description": "Runs a command.", "input_schema": SCHEMA},
            {"name": "Placeholder", "description": "d", "input_schema": SCHEMA, "defer_loading": True},
        ],
        "metadata": {"user_id": '{"session_id":"s"}'},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
        **fields,
    }


class TestAgents:
    """Whole requests as coding agents send them."""

    def test_the_first_turn(self) -> None:
        request, view = decode_request(dump(agent_turn()))
        assert [m.role for m in request.messages] == ["system", "user", "system"]
        assert request.messages[2] == Message("system", (Text("# Environment", CACHE),))
        assert request.reasoning == ReasoningAsk(True, "high", None, True, display="omitted")
        assert (request.max_output_tokens, request.stream, request.wire) == (32000, True, "messages")
        assert request.params == {
            "metadata": raw({"user_id": '{"session_id":"s"}'}),
            "context_management": raw({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
        }
        assert request.extra == {}
        assert [(t.name, t.kind, t.deferred) for t in request.tools] == [
            ("Bash", "function", False),
            ("Placeholder", "function", True),
        ]
        assert request.tools[0].schema == raw(SCHEMA)
        assert view == View(model="any-model", stream=True, show_thinking=False)

    def test_the_second_turn_with_a_sealed_thinking_and_a_result(self) -> None:
        body = agent_turn(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "", "signature": "dgm1.sealed"},
                    {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "and"},
                    {
                        "tool_use_id": "t1",
                        "type": "tool_result",
                        "content": "out",
                        "is_error": False,
                        "cache_control": EPHEMERAL,
                    },
                ],
            },
        )
        body["messages"][1]["content"] = "# Environment"
        request, _ = decode_request(dump(body))
        assert request.messages[2:] == (
            Message("system", (Text("# Environment"),)),
            Message(
                "assistant", (Reasoning("", "opaque", seal="dgm1.sealed"), ToolCall("t1", "Bash", '{"command":"ls"}'))
            ),
            Message("tool", (ToolResult("t1", (Text("out"),), was_text=True, cache=CACHE),)),
            Message("user", (Text("and"),)),
        )

    def test_a_tool_search_loads_a_deferred_tool(self) -> None:
        result = {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "tool_reference", "tool_name": "WebFetch"}],
        }
        use = {"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {"query": "select:WebFetch"}}
        body = agent_turn({"role": "assistant", "content": [use]}, {"role": "user", "content": [result]})
        request, _ = decode_request(dump(body))
        assert request.messages[-1].content == (ToolResult("t1", (ToolReference("WebFetch"),)),)

    def test_web_search_as_a_server_tool(self) -> None:
        tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
        request, _ = decode(tools=[tool], tool_choice={"type": "auto"}, output_config={"effort": "high"})
        assert request.tools == (
            Tool("web_search", "web_search", hosted_type="web_search_20250305", options=raw(tool)),
        )
        assert request.tool_choice == ToolChoice("auto")
        assert request.reasoning == ReasoningAsk(effort="high")

    def test_counting_needs_no_limit(self) -> None:
        request, _ = decode_request(
            dump({"model": "m", "messages": [{"role": "user", "content": "t"}], "tools": []}), True
        )
        assert request.max_output_tokens is None
        with pytest.raises(InvalidRequest, match="max_tokens"):
            decode_request(dump({"model": "m", "messages": [{"role": "user", "content": "t"}]}))


class TestBlocks:
    """Each kind of block."""

    def test_text_and_its_mark(self) -> None:
        assert blocks({"type": "text", "text": "a", "cache_control": EPHEMERAL}) == (Text("a", CACHE),)
        cite = {"type": "page_location"}
        assert blocks({"type": "text", "text": "a", "citations": [cite]}, role="assistant") == (
            Text("a", annotations=(raw(cite),)),
        )

    @pytest.mark.parametrize(
        ("block", "media"),
        [
            (
                {"type": "base64", "media_type": "image/png", "data": "QQ=="},
                Media("image", data="QQ==", media_type="image/png"),
            ),
            ({"type": "url", "url": "https://e.org/i"}, Media("image", url="https://e.org/i")),
            ({"type": "file", "file_id": "f1"}, Media("image", file_id="f1")),
        ],
    )
    def test_images(self, block: dict[str, Any], media: Media) -> None:
        assert blocks({"type": "image", "source": block}) == (media,)

    def test_documents(self) -> None:
        pdf = {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}
        assert blocks({"type": "document", "title": "T", "source": pdf, "context": "c"}) == (
            Media("document", data="QQ==", media_type="application/pdf", name="T", options=raw({"context": "c"})),
        )
        text = {"type": "text", "media_type": "text/plain", "data": "words"}
        assert blocks({"type": "document", "source": text}) == (
            Media("document", media_type="text/plain", text="words"),
        )
        inner = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        assert blocks({"type": "document", "source": {"type": "content", "content": inner}}) == (
            Media("document", text="a\nb", options=raw({"content": inner})),
        )

    def test_video_options_stay(self) -> None:
        source = {"type": "url", "url": "https://e.org/v", "fps": 2, "media_resolution": "max"}
        assert blocks({"type": "video", "source": source}) == (
            Media("video", url="https://e.org/v", options=raw({"fps": 2, "media_resolution": "max"})),
        )

    def test_search_results_become_text(self) -> None:
        block = {
            "type": "search_result",
            "source": "https://e.org",
            "title": "T",
            "content": [{"type": "text", "text": "x"}],
        }
        (found,) = blocks(block)
        assert found.text == "T (https://e.org)\nx"

    @pytest.mark.parametrize(
        ("block", "reasoning"),
        [
            ({"thinking": "a", "signature": "dgm1.s"}, Reasoning("a", seal="dgm1.s")),
            ({"thinking": "", "signature": "dgm1.s"}, Reasoning("", "opaque", seal="dgm1.s")),
            ({"thinking": "a", "signature": "vendor"}, Reasoning("a", signature="vendor")),
            ({"thinking": "", "signature": "vendor"}, Reasoning("", "opaque", signature="vendor")),
            ({"thinking": "a", "signature": ""}, Reasoning("a")),
            ({"thinking": "a"}, Reasoning("a")),
            ({"thinking": "a", "signature": "dgm0.turn.x.3"}, Reasoning("a", turn="turn.x", segment=3)),
            ({"thinking": "", "signature": "dgm0.rubbish"}, Reasoning("", "empty")),
        ],
    )
    def test_signatures(self, block: dict[str, Any], reasoning: Reasoning) -> None:
        assert blocks({"type": "thinking", **block}, role="assistant") == (reasoning,)

    @pytest.mark.req(107)
    def test_hidden_thinking_is_kept(self) -> None:
        block = {"type": "redacted_thinking", "data": "E"}
        (found,) = blocks(block, role="assistant")
        assert found.presence == "opaque"
        assert found.state.data == raw(block)

    def test_server_and_unknown_blocks_are_kept(self) -> None:
        for kind in ("server_tool_use", "web_search_tool_result", "news"):
            block = {"type": kind, "x": [1]}
            assert blocks(block, role="assistant") == (Opaque(kind, raw(block), "messages"),)

    def test_tool_results_of_every_form(self) -> None:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}
        assert blocks({"type": "tool_result", "tool_use_id": "a"}) == (ToolResult("a"),)
        assert blocks({"type": "tool_result", "tool_use_id": "a", "content": "", "is_error": True}) == (
            ToolResult("a", is_error=True, was_text=True),
        )
        (found,) = blocks(
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}, image]}
        )
        assert found.content == (Text("x"), Media("image", data="QQ==", media_type="image/png"))


class TestTools:
    """Declarations and choices."""

    def test_types_and_further_fields(self) -> None:
        request, _ = decode(
            tools=[
                {
                    "type": "custom",
                    "name": "a",
                    "strict": True,
                    "cache_control": EPHEMERAL,
                    "eager_input_streaming": True,
                },
                {"type": "bash_20250124", "name": "bash"},
                {"type": "text_editor_20250728", "name": "edit"},
            ]
        )
        assert request.tools[0] == Tool("a", strict=True, options=raw({"eager_input_streaming": True}), cache=CACHE)
        assert [(t.kind, t.hosted_type) for t in request.tools[1:]] == [
            ("hosted", "bash_20250124"),
            ("hosted", "text_editor_20250728"),
        ]

    @pytest.mark.parametrize(
        ("choice", "expected", "parallel"),
        [
            ({"type": "auto"}, ToolChoice("auto"), None),
            ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
            ({"type": "tool", "name": "f"}, ToolChoice("named", ToolRef("f")), None),
            ({"type": "none"}, ToolChoice("none"), None),
            (None, None, None),
        ],
    )
    def test_choices(self, choice: Any, expected: Any, parallel: bool | None) -> None:
        request, _ = decode(tool_choice=choice)
        assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


class TestFields:
    """Everything at the top of the body."""

    @pytest.mark.parametrize(
        ("fields", "ask"),
        [
            ({}, ReasoningAsk()),
            ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, ReasoningAsk(True, budget=2048)),
            ({"thinking": {"type": "adaptive"}}, ReasoningAsk(True, adaptive=True)),
            ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, ReasoningAsk(True, "none")),
        ],
    )
    @pytest.mark.req(85)
    def test_thinking(self, fields: dict[str, Any], ask: ReasoningAsk) -> None:
        assert decode(**fields)[0].reasoning == ask

    def test_the_answers_format(self) -> None:
        for fields in (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
        ):
            format_ = decode(**fields)[0].response_format
            assert format_ is not None
            assert (format_.kind, format_.schema) == ("json_schema", raw(SCHEMA))

    def test_known_and_unknown_fields(self) -> None:
        request, view = decode(top_k=4, service_tier="auto", brand_new={"a": 1}, betas=None, output_config={"new": 1})
        assert request.params == {"top_k": raw(4), "service_tier": raw("auto")}
        assert request.extra == {"brand_new": raw({"a": 1})}
        assert [(n.code, n.field) for n in view.notes] == [("unknown_field", "output_config.new")]

    def test_null_is_absence(self) -> None:
        names = (
            "system",
            "tools",
            "tool_choice",
            "thinking",
            "temperature",
            "stop_sequences",
            "stream",
            "output_config",
        )
        request, _ = decode(**dict.fromkeys(names))
        plain, _ = decode()
        assert request.messages == plain.messages
        assert (request.tools, request.temperature, request.stop, request.params) == ((), None, (), {})

    def test_the_suffix_for_a_long_window(self) -> None:
        request, view = decode(model="big[1m]")
        assert (request.model, view.model) == ("big", "big[1m]")
        assert [(n.code, n.field) for n in view.notes] == [("param_dropped", "model")]


@pytest.mark.case("A06", "A07")
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 4}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "b"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "b"}]}]},
            "messages[0].content[0].id",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": ""}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages[0].content[0].source.data",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "fax"}}]}]},
            "messages[0].content[0].source.type",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}],
                    }
                ]
            },
            "messages[0].content[0].content[0].text",
        ),
        ({"messages": [{"role": "system", "content": [{"type": "image"}]}]}, "messages[0].content[0].type"),
        ({"system": 4}, "system"),
        ({"tools": [{"description": "x"}]}, "tools[0].name"),
        ({"tools": [{"name": "x", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": "x"}, "metadata"),
    ],
)
def test_malformed_fields_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(**fields)
    assert caught.value.info.param == param
    assert caught.value.info.http_status == 400
    assert param in caught.value.message


@pytest.mark.req(145)
def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        inner = b"[" * (depth - 1) + b"]" * (depth - 1)
        return b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"[[{"}],"x":' + inner + b"}"

    decode_request(nested(64))
    for depth in (65, 5000, 100_000):
        with pytest.raises(InvalidRequest):
            decode_request(nested(depth))


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["user", "assistant", "text", "tool_result", "tool_use", "image", "document", "system", "base64", "x", ""]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "source", "id", "name", "tool_use_id", "input", "data", "thinking"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "messages", "max_tokens", "system", "tools", "tool_choice", "thinking"]), _json
    ),
    _json,
)
def test_nothing_but_a_refusal_is_ever_raised(body: dict[str, Any], content: Any) -> None:
    good = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}], **body}
    for value in (body, good, content, {**good, "messages": [{"role": "assistant", "content": [content]}]}):
        try:
            request, _ = decode_request(json.dumps(value).encode())
        except InvalidRequest:
            continue
        assert {m.role for m in request.messages} <= {"system", "user", "assistant", "tool"}


@given(st.binary(max_size=80))
def test_any_bytes(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_request(body)
