"""Tools and tool choice made fit for an upstream: names, kinds, schemas, limits and notes."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.lowered_history import lower_history
from dragoman.core.lowering import Lowered, lower
from dragoman.core.messages import Message, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.tools import Grammar, Tool, ToolChoice
from dragoman.errors import InvalidRequest

AUTO_ONLY = Profile(tool_choices=frozenset({"auto"}))


def low(
    *tools: Tool, profile: Profile = Profile(), choice: ToolChoice | None = None, messages: tuple[Message, ...] = ()
) -> Lowered:
    return lower(Request("m", messages, tools=tools, tool_choice=choice), profile)


def names(lowered: Lowered) -> list[str]:
    return [tool.name for tool in lowered.tools]


def codes(lowered: Lowered) -> list[str]:
    return [note.code for note in lowered.notes]


def schema(tool: Tool) -> dict[str, object]:
    assert tool.schema is not None
    return json.loads(bytes(tool.schema))


@pytest.mark.case("E11")
def test_names_are_legal_and_unique_and_map_back() -> None:
    lowered = low(Tool("a.b"), Tool("a/b"), Tool("a b", "custom"))
    assert names(lowered) == ["a_b", "a_b_2", "a_b_3"]
    back = [lowered.table.restore(name) for name in names(lowered)]
    assert [(e.name, e.kind) for e in back if e] == [("a.b", "function"), ("a/b", "function"), ("a b", "custom")]
    assert codes(lowered).count("tool_renamed") == 3


@pytest.mark.case("E10")
@pytest.mark.parametrize(
    ("namespace", "name", "upstream"),
    [("mcp__fs", "read.file", "mcp__fs__read_file"), ("mcp__fs__", "x", "mcp__fs__x"), ("ns_", "x", "ns__x")],
)
def test_namespaces_are_flattened(namespace: str, name: str, upstream: str) -> None:
    lowered = low(Tool(name, namespace=namespace))
    assert names(lowered) == [upstream]
    entry = lowered.table.restore(upstream)
    assert entry is not None and (entry.name, entry.namespace) == (name, namespace)


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=90), st.none() | st.text(min_size=1, max_size=40)),
        max_size=12,
        unique=True,
    ),
    st.integers(12, 64),
)
def test_any_names_become_legal_unique_and_stable(keys: list[tuple[str, str | None]], limit: int) -> None:
    tools = [Tool(name, namespace=space) for name, space in keys]
    table = low(*tools, profile=Profile(tool_name_max=limit)).table
    upstream = [table.address(t.name, t.namespace, "function")[0] for t in tools]
    assert len(set(upstream)) == len(tools)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= limit for name in upstream)
    for tool, name in zip(tools, upstream, strict=True):
        entry = table.restore(name)
        assert entry is not None and (entry.namespace, entry.name) == tool.key
    longer = low(*tools, Tool("one more"), profile=Profile(tool_name_max=limit)).table
    assert [longer.address(t.name, t.namespace, "function")[0] for t in tools] == upstream


@pytest.mark.case("E06")
def test_a_custom_tool_is_one_required_string_and_its_grammar_stands_once() -> None:
    definition = 'start: "x" rest'
    lowered = low(Tool("my.patch", "custom", "Patches.", grammar=Grammar("lark", definition)))
    (tool,) = lowered.tools
    assert (tool.kind, tool.name, tool.grammar) == ("function", "my_patch", None)
    assert schema(tool)["required"] == ["input"]
    assert list(schema(tool)["properties"]) == ["input"]  # type: ignore[call-overload]
    assert schema(tool)["properties"]["input"]["type"] == "string"  # type: ignore[index]
    assert msgspec.json.encode(tool).decode().count(json.dumps(definition)[1:-1]) == 1
    assert "tool_degraded" in codes(lowered)


def test_a_custom_tool_stays_one_where_the_upstream_has_them() -> None:
    grammar = Grammar("lark", "start: x")
    (tool,) = low(Tool("p", "custom", grammar=grammar), profile=Profile(custom_tools=True)).tools
    assert (tool.kind, tool.grammar) == ("custom", grammar)


@pytest.mark.case("E01", "E03", "E05")
@pytest.mark.parametrize(
    ("kind", "properties", "required"),
    [
        ("local_shell", {"command", "env", "working_directory", "timeout_ms", "user"}, ["command"]),
        ("shell", {"commands", "timeout_ms", "max_output_length"}, ["commands"]),
        ("apply_patch", {"type", "path", "diff"}, ["type", "path"]),
        ("tool_search", {"query", "limit"}, ["query"]),
    ],
)
def test_built_ins_are_functions_with_their_schema(kind: str, properties: set[str], required: list[str]) -> None:
    lowered = low(Tool(kind, kind))  # type: ignore[arg-type]
    (tool,) = lowered.tools
    assert (tool.kind, set(schema(tool)["properties"]), schema(tool)["required"]) == ("function", properties, required)  # type: ignore[call-overload]
    assert codes(lowered) == ["tool_degraded"]


def test_patch_operations_are_named() -> None:
    (tool,) = low(Tool("apply_patch", "apply_patch")).tools
    assert schema(tool)["properties"]["type"]["enum"] == ["create_file", "update_file", "delete_file"]  # type: ignore[index]


@pytest.mark.case("E13")
def test_tool_search_keeps_its_own_parameters_and_other_tools_stay() -> None:
    own = Raw(b'{"type":"object","properties":{"q":{"type":"string"}}}')
    lowered = low(Tool("f"), Tool("tool_search", "tool_search", schema=own), Tool("g", namespace="ns"))
    assert names(lowered) == ["f", "tool_search", "ns__g"]
    assert bytes(lowered.tools[1].schema or b"") == bytes(own)


@pytest.mark.case("E14")
def test_hosted_tools_are_dropped_with_a_note_each() -> None:
    kinds = ("image_generation", "code_interpreter", "mcp")
    lowered = low(Tool("f"), *[Tool(kind, "hosted", hosted_type=kind) for kind in kinds])
    assert names(lowered) == ["f"]
    assert [(n.code, n.field) for n in lowered.notes] == [("tool_dropped", f"tools[{kind}]") for kind in kinds]


def test_web_search_without_an_engine_is_dropped_with_its_own_note() -> None:
    lowered = low(Tool("web_search", "web_search", hosted_type="web_search"))
    assert (lowered.tools, lowered.choice, codes(lowered)) == ((), None, ["search_absent"])


def test_hosted_tools_stay_where_the_provider_has_them() -> None:
    tool = Tool("web_search", "web_search", hosted_type="web_search", options=Raw(b'{"type":"web_search"}'))
    assert low(tool, profile=Profile(hosted_tools=True)).tools == (tool,)


@pytest.mark.case("E15")
def test_one_tool_too_many_is_refused_by_name_of_the_limit() -> None:
    tools = [Tool(f"t{i}") for i in range(129)]
    with pytest.raises(InvalidRequest, match="at most 128") as error:
        low(*tools, profile=Profile(max_tools=128))
    assert error.value.info.param == "tools"
    assert len(low(*tools[:128], profile=Profile(max_tools=128)).tools) == 128


def test_schemas_pass_untouched_and_missing_ones_are_made() -> None:
    odd = Raw(b'{ "type":"object", "$schema":"x" }')
    lowered = low(Tool("a", schema=odd), Tool("b"), Tool("c", schema=Raw(b"null")))
    assert bytes(lowered.tools[0].schema or b"") == bytes(odd)
    assert [schema(tool) for tool in lowered.tools[1:]] == [{"type": "object", "properties": {}}] * 2


def test_strict_goes_only_where_it_is_known() -> None:
    assert low(Tool("a", strict=True), profile=Profile(strict_tools=True)).tools[0].strict is True
    dropped = low(Tool("a", strict=True))
    assert dropped.tools[0].strict is None
    assert [(n.code, n.field) for n in dropped.notes] == [("param_dropped", "tools.strict")]


def test_duplicates_are_left_out_once_noted() -> None:
    lowered = low(Tool("a"), Tool("a", description="again"), Tool("a", namespace="n"), Tool("a", "custom"))
    assert names(lowered) == ["a", "n__a", "a_2"]
    assert codes(lowered).count("tool_duplicate") == 1


SEARCH = Tool("ToolSearch")


def found(*tools: str) -> Message:
    return Message("tool", (ToolResult("c", tuple(ToolReference(t) for t in tools)),))


def test_deferred_tools_wait_for_a_reference() -> None:
    tools = (SEARCH, Tool("WebFetch", deferred=True), Tool("Read"), Tool("DeferredToolPlaceholder", deferred=True))
    before = low(*tools)
    assert names(before) == ["ToolSearch", "Read"]
    assert "tool_deferred" in codes(before)
    after = low(*tools, messages=(found("WebFetch"),))
    assert names(after) == ["ToolSearch", "Read", "WebFetch"]
    assert "tool_loaded" in codes(after)


def test_tools_of_a_search_result_are_offered() -> None:
    tools = (
        Tool("tool_search", "tool_search"),
        Tool("x", namespace="n", deferred=True),
        Tool("x", namespace="n", loaded=True),
    )
    lowered = low(*tools)
    assert names(lowered) == ["tool_search", "n__x"]
    assert "tool_duplicate" not in codes(lowered)


def test_deferred_tools_that_nobody_could_load_are_offered() -> None:
    server = Tool("tool_search", "tool_search", options=Raw(b'{"type":"tool_search","execution":"server"}'))
    lowered = low(server, Tool("x", deferred=True), Tool("DeferredToolPlaceholder", deferred=True))
    assert names(lowered) == ["x"]
    assert codes(lowered) == ["tool_dropped", "tool_deferred"]


def test_loading_does_not_rename() -> None:
    tools = (SEARCH, Tool("a.b", deferred=True), Tool("a/b"))
    assert names(low(*tools)) == ["ToolSearch", "a_b_2"]
    assert names(low(*tools, messages=(found("a.b"),))) == ["ToolSearch", "a_b_2", "a_b"]


# Namespaces that the upstream knows, and kinds of results

SPACES = Profile(custom_tools=True, namespaces=True)


@pytest.mark.case("E10")
def test_namespaces_stay_where_the_upstream_has_them() -> None:
    lowered = low(
        Tool("read", namespace="mcp.fs", namespace_description="Files."), Tool("read"),
        Tool("read", namespace="b"), Tool("edit", "custom", namespace="mcp.fs"), profile=SPACES,
    )  # fmt: skip
    sent = [(t.namespace, t.name, t.kind, t.namespace_description) for t in lowered.tools]
    assert sent == [
        ("mcp_fs", "read", "function", "Files."), ("mcp_fs", "edit", "custom", "Tools of mcp.fs."),
        (None, "read", "function", None), ("b", "read", "function", "Tools of b."),
    ]  # fmt: skip
    assert codes(lowered) == ["tool_renamed", "tool_renamed"]
    found = [lowered.table.restore(t.name, t.namespace) for t in lowered.tools]
    assert [(e.namespace, e.name) for e in found if e] == [
        ("mcp.fs", "read"), ("mcp.fs", "edit"), (None, "read"), ("b", "read"),
    ]  # fmt: skip


@pytest.mark.case("E10")
def test_a_namespace_that_the_model_left_out_is_found_where_one_tool_fits() -> None:
    table = low(Tool("read", namespace="fs"), Tool("x", namespace="a"), Tool("x", namespace="b"), profile=SPACES).table
    for name in ("read", "fs__read"):
        entry = table.restore(name)
        assert entry is not None and (entry.namespace, entry.name) == ("fs", "read")
    assert table.restore("x") is None and table.restore("read", "b") is None


def test_fields_that_only_the_client_knows_stay_here() -> None:
    odd = Tool("p", "custom", options=Raw(b'{"type":"custom","name":"p","novel":1}'))
    assert low(odd, profile=SPACES).tools[0].options is None


def test_freeform_tools_stay_only_under_the_names_that_the_upstream_knows() -> None:
    profile = Profile(custom_tools=True, namespaces=True, custom_only=frozenset({"apply_patch"}))
    tools = (Tool("apply_patch", "custom"), Tool("note", "custom"), Tool("apply_patch", "custom", namespace="ns"))
    lowered = low(*tools, profile=profile)
    assert [t.kind for t in lowered.tools] == ["custom", "function", "function"]
    assert [n.field for n in lowered.notes if n.code == "tool_degraded"] == ["tools[note]", "tools[apply_patch]"]
    calls = (
        ToolCall("c1", "apply_patch", "p", "custom"), ToolCall("c2", "note", "n", "custom"),
        ToolCall("c3", "gone", "g", "custom"), ToolCall("c4", "apply_patch", "q", "custom", "ns"),
    )  # fmt: skip
    results = Message("tool", tuple(ToolResult(c.id, (Text("ok"),), kind="custom") for c in calls))
    for table in (lowered.table, low(profile=profile).table):  # the tools declared, and not any more
        said, answered = lower_history([Message("assistant", calls), results], table, profile)
        assert [c.kind for c in said.calls] == ["custom", "function", "function", "function"]
        assert [c.arguments for c in said.calls] == ["p", '{"input":"n"}', '{"input":"g"}', '{"input":"q"}']
        kinds = [b.kind for b in answered.content if isinstance(b, ToolResult)]
        assert kinds == ["custom", "function", "function", "function"]
