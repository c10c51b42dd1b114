"""Calls and results of a history under the names and kinds that the upstream knows."""

from __future__ import annotations

import json

import pytest

from dragoman.core.lowered_history import lower_history
from dragoman.core.lowering import Lowered, lower
from dragoman.core.messages import Message, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.tools import Tool, ToolChoice

SPACES = Profile(custom_tools=True, namespaces=True)


def low(
    *tools: Tool, profile: Profile = Profile(), choice: ToolChoice | None = None, messages: tuple[Message, ...] = ()
) -> Lowered:
    return lower(Request("m", messages, tools=tools, tool_choice=choice), profile)


def found(*tools: str) -> Message:
    return Message("tool", (ToolResult("c", tuple(ToolReference(t) for t in tools)),))


@pytest.mark.case("E16")
def test_history_goes_up_under_upstream_names_and_as_functions() -> None:
    tools = (Tool("read.file", namespace="fs"), Tool("patch", "custom"))
    history = (
        Message(
            "assistant",
            (
                ToolCall("1", "read.file", "{}", namespace="fs"),
                ToolCall("2", "patch", 'say "hi"\n', "custom"),
                ToolCall("3", "local_shell", '{"command":["ls"]}', "local_shell"),
                ToolCall("4", "gone.tool", "{}"),
            ),
        ),
        Message(
            "tool",
            tuple(
                ToolResult(str(i), (Text("ok"),), kind=k)
                for i, k in ((1, "function"), (2, "custom"), (3, "local_shell"), (4, "function"))
            ),
        ),  # type: ignore[arg-type]
    )
    assistant, results = lower_history(history, low(*tools).table, Profile())
    assert [(c.name, c.kind, c.namespace) for c in assistant.calls] == [
        ("fs__read_file", "function", None),
        ("patch", "function", None),
        ("local_shell", "function", None),
        ("gone_tool", "function", None),
    ]
    assert json.loads(assistant.calls[1].arguments) == {"input": 'say "hi"\n'}
    assert {r.kind for r in results.content if isinstance(r, ToolResult)} == {"function"}


def test_a_bare_name_finds_its_only_namespace() -> None:
    table = low(Tool("exec", "custom", namespace="functions")).table
    assert table.address("exec", None, "custom")[0] == "functions__exec"


def test_references_become_words() -> None:
    (message,) = lower_history((found("WebFetch"),), low().table, Profile())
    assert isinstance(message.content[0], ToolResult)
    assert message.content[0].content == (Text("The tool WebFetch can be called now."),)


@pytest.mark.req(97)
def test_results_name_their_function_from_the_call_where_wanted() -> None:
    history = (
        Message("assistant", (ToolCall("functions.other:0", "a.b", "{}"),)),
        Message("tool", (ToolResult("functions.other:0", (Text("x"),), name="lie"),)),
    )
    table = low(Tool("a.b")).table
    named = lower_history(history, table, Profile(tool_result_names=True))[1].content[0]
    plain = lower_history(history, table, Profile())[1].content[0]
    assert isinstance(named, ToolResult) and named.name == "a_b"
    assert isinstance(plain, ToolResult) and plain.name is None


def test_history_of_namespaces_and_of_tools_that_are_gone() -> None:
    table = low(Tool("read", namespace="mcp.fs"), profile=SPACES).table
    calls = (ToolCall("c1", "read", "{}", namespace="mcp.fs"), ToolCall("c2", "old.one", "{}", namespace="gone.ns"))
    (message,) = lower_history([Message("assistant", calls)], table, SPACES)
    assert [(c.namespace, c.name) for c in message.calls] == [("mcp_fs", "read"), ("gone_ns", "old_one")]
    (flat,) = lower_history([Message("assistant", calls)], low().table, Profile())
    assert [(c.namespace, c.name) for c in flat.calls] == [(None, "mcp_fs__read"), (None, "gone_ns__old_one")]


def test_a_result_goes_as_what_its_call_went() -> None:
    """A client of another protocol does not say what kind of call it answers."""
    history = [
        Message("assistant", (ToolCall("c1", "patch", "text", "custom"), ToolCall("c2", "f", "{}"))),
        Message("tool", (ToolResult("c1", (Text("a"),)), ToolResult("c2", (Text("b"),), kind="custom"))),
    ]
    native = lower_history(history, low(Tool("patch", "custom"), profile=SPACES).table, SPACES)
    assert [b.kind for b in native[1].content if isinstance(b, ToolResult)] == ["custom", "function"]
    plain = lower_history(history, low(Tool("patch", "custom")).table, Profile())
    assert [b.kind for b in plain[1].content if isinstance(b, ToolResult)] == ["function", "function"]


@pytest.mark.req(97)
def test_the_names_of_results_come_from_the_calls() -> None:
    profile = Profile(tool_result_names=True)
    history = [
        Message("assistant", (ToolCall("call_1", "read.file", "{}"),)),
        Message("tool", (ToolResult("call_1", (Text("a"),), name="call_1"),)),
    ]
    (_, answered) = lower_history(history, low(Tool("read.file")).table, profile)
    assert [b.name for b in answered.content if isinstance(b, ToolResult)] == ["read_file"]
