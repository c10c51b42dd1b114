"""Calls come back under the name, kind and namespace that the client knows, whatever the cut."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Finished,
    Noted,
    Started,
    TextDelta,
    UsageSeen,
)
from dragoman.core.fold import Folder
from dragoman.core.lowering import lower
from dragoman.core.messages import Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.restore import RestoreTools
from dragoman.core.tools import Tool, ToolKind
from dragoman.core.usage import Usage

TOOLS = (
    Tool("plain"),
    Tool("read.file", namespace="mcp__fs"),
    Tool("apply patch", "custom"),
    Tool("local_shell", "local_shell"),
    Tool("shell", "shell"),
    Tool("apply_patch", "apply_patch"),
    Tool("tool_search", "tool_search"),
)


def stage() -> RestoreTools:
    return RestoreTools(lower(Request("m", (), tools=TOOLS), Profile()).table)


def call(name: str, *pieces: str, complete: bool = True, index: int = 0) -> list[Event]:
    whole = "".join(pieces)
    return [
        BlockStart(index, ToolCall("c1", name)),
        *[ArgumentsDelta(piece) for piece in pieces],
        BlockEnd(index, ToolCall("c1", name, whole), complete),
    ]


def restored(events: list[Event]) -> tuple[ToolCall, str, list[Event]]:
    """The call at the end, the joined deltas, and all events."""
    out = stage().feed(events)
    (end,) = [e for e in out if isinstance(e, BlockEnd)]
    (start,) = [e for e in out if isinstance(e, BlockStart)]
    assert isinstance(end.block, ToolCall) and isinstance(start.block, ToolCall)
    assert (start.block.name, start.block.kind, start.block.namespace) == (
        end.block.name,
        end.block.kind,
        end.block.namespace,
    )
    deltas = "".join(e.text for e in out if isinstance(e, ArgumentsDelta))
    assert deltas == end.block.arguments
    return end.block, deltas, out


def test_a_plain_call_passes_untouched() -> None:
    events = call("plain", '{"a":', "1}")
    assert stage().feed(events) == events


@pytest.mark.case("E10")
def test_a_namespaced_call_is_split_again() -> None:
    block, deltas, _ = restored(call("mcp__fs__read_file", '{"path"', ':"x"}'))
    assert (block.name, block.namespace, block.kind, deltas) == ("read.file", "mcp__fs", "function", '{"path":"x"}')


@pytest.mark.case("E07")
def test_custom_input_streams_as_it_arrives() -> None:
    _, _, out = restored(call("apply_patch", '{"input":"*** Beg', 'in"}'))
    assert out == [
        BlockStart(0, ToolCall("c1", "apply patch", kind="custom")),
        ArgumentsDelta("*** Beg"),
        ArgumentsDelta("in"),
        BlockEnd(0, ToolCall("c1", "apply patch", "*** Begin", kind="custom")),
    ]


@pytest.mark.case("E09")
@pytest.mark.parametrize("raw", ['{"patch":"x"}', "*** Begin Patch", '{"input":5}', "{", '["x"]'])
def test_custom_without_readable_input_gives_the_raw_text_once(raw: str) -> None:
    block, deltas, out = restored(call("apply_patch", *raw))
    assert (block.kind, deltas, block.invalid) == ("custom", raw, True)
    assert sum(isinstance(e, BlockEnd) for e in out) == 1


@pytest.mark.case("E09")
def test_custom_cut_in_its_input_keeps_what_was_shown() -> None:
    block, deltas, out = restored(call("apply_patch", '{"input":"half', complete=False))
    assert (deltas, block.invalid) == ("half", True)
    assert isinstance(out[-1], BlockEnd) and not out[-1].complete


def test_custom_without_any_arguments_is_empty() -> None:
    block, deltas, _ = restored(call("apply_patch"))
    assert (deltas, block.invalid) == ("", False)


@pytest.mark.case("E01", "E02")
def test_local_shell_has_its_kind_from_the_start() -> None:
    arguments = '{"command":["ls","-l"],"env":{"A":"1"},"working_directory":"/tmp"}'
    block, deltas, _ = restored(call("local_shell", *arguments))
    assert (block.kind, deltas) == ("local_shell", arguments)


@pytest.mark.case("E03")
def test_shell_keeps_all_three_fields() -> None:
    arguments = '{"commands":["ls"],"timeout_ms":1000,"max_output_length":10}'
    block, deltas, _ = restored(call("shell", arguments))
    assert (block.kind, json.loads(deltas)) == ("shell", json.loads(arguments))


OPERATIONS = [
    {"type": "create_file", "path": "a", "diff": "+x"},
    {"type": "update_file", "path": "a", "diff": "@@\n-x\n+y"},
    {"type": "delete_file", "path": "a"},
]


@pytest.mark.case("E05")
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_apply_patch_operations(operation: dict[str, str], wrapped: bool) -> None:
    name = lower(Request("m", (), tools=TOOLS), Profile()).table.address("apply_patch", None, "apply_patch")[0]
    assert name == "apply_patch_2"
    block, deltas, _ = restored(call(name, json.dumps({"operation": operation} if wrapped else operation)))
    assert (block.kind, block.name, json.loads(deltas)) == ("apply_patch", "apply_patch", operation)


@pytest.mark.case("E05")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("apply_patch_2", '{"type":"rename_file","path":"a"}'),
        ("apply_patch_2", '{"type":"create_file","path":"a"}'),
        ("apply_patch_2", '{"type":"create_file","path":"","diff":"x"}'),
        ("apply_patch_2", "nonsense"),
        ("local_shell", '{"command":"ls"}'),
        ("local_shell", '{"command":[]}'),
        ("shell", '{"commands":'),
        ("tool_search", "[]"),
    ],
)
def test_a_call_that_does_not_fit_stays_a_function_call(name: str, arguments: str) -> None:
    block, deltas, _ = restored(call(name, arguments))
    assert (block.kind, deltas) == ("function", arguments)


@pytest.mark.case("E13")
def test_tool_search_comes_back_as_itself() -> None:
    block, deltas, _ = restored(call("tool_search", '{"query":"x"', ',"limit":2}'))
    assert (block.kind, deltas) == ("tool_search", '{"query":"x","limit":2}')


def test_a_cut_built_in_is_never_complete() -> None:
    block, _, out = restored(call("shell", '{"commands":["rm', complete=False))
    assert block.kind == "function"
    assert isinstance(out[-1], BlockEnd) and not out[-1].complete


def test_an_unknown_name_passes_as_it_is() -> None:
    events = call("never.offered", "{}")
    assert stage().feed(events) == events


def test_other_events_pass_while_a_call_is_held() -> None:
    note, usage = Noted(Note("event_skipped")), UsageSeen(Usage(1, output=1))
    one, two, three = call("shell", '{"commands":["ls"]}')
    out = stage().feed([Started("x"), one, note, two, usage, three, Finished()])
    assert [type(e).__name__ for e in out] == [
        "Started", "Noted", "UsageSeen", "BlockStart", "ArgumentsDelta", "BlockEnd", "Finished",
    ]  # fmt: skip


def test_text_after_a_call_is_text() -> None:
    text: list[Event] = [BlockStart(1, Text("")), TextDelta("x"), BlockEnd(1, Text("x"))]
    assert stage().feed([*call("apply_patch", '{"input":"a"}'), *text])[-3:] == text


CALLS: list[tuple[str, ToolKind, str]] = [
    ("plain", "function", '{"a":"\\u00e9"}'),
    ("mcp__fs__read_file", "function", "{}"),
    ("apply_patch", "custom", '{"why":[1,{"x":"}"}],"input":"a\\"b\\\\n\\ud83d\\ude00\\n"}'),
    ("shell", "shell", '{"commands":["ls"]}'),
    ("apply_patch_2", "apply_patch", '{"type":"delete_file","path":"a"}'),
]


@pytest.mark.req(12)
@given(st.lists(st.sampled_from(CALLS), min_size=1, max_size=4), st.data())
def test_the_cut_law_holds_for_the_stage(calls: list[tuple[str, ToolKind, str]], data: st.DataObject) -> None:
    """However the arguments are cut and the events are batched, the folded answer is the same."""
    whole: list[Event] = []
    cut: list[Event] = []
    for index, (name, _, arguments) in enumerate(calls):
        whole += call(name, arguments, index=index)
        at = sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=5)))
        edges = [0, *at, len(arguments)]
        cut += call(name, *[arguments[a:b] for a, b in pairwise(edges)], index=index)
    once, many = Folder(), Folder()
    once.feed(stage().feed([*whole, Finished()]))
    piecewise = stage()
    for event in [*cut, Finished()]:
        many.feed(piecewise.feed([event]))
    assert once.reply().message == many.reply().message
    assert [c.kind for c in many.reply().calls] == [kind for _, kind, _ in calls]


def test_namespaced_calls_come_back_to_their_namespace() -> None:
    tools = (Tool("read", namespace="fs"), Tool("read"), Tool("patch", "custom"))
    table = lower(Request("m", (), tools=tools), Profile(custom_tools=True, namespaces=True)).table
    assert not table.identity
    told = [
        (ToolCall("c1", "read", "{}", namespace="fs"), ("fs", "read", "function", "{}")),
        (ToolCall("c1", "read", "{}"), (None, "read", "function", "{}")),
        (ToolCall("c1", "fs__read", "{}"), ("fs", "read", "function", "{}")),
        (ToolCall("c1", "patch", "*", kind="custom"), (None, "patch", "custom", "*")),
        (ToolCall("c1", "patch", '{"input":"*"}'), (None, "patch", "custom", "*")),
    ]
    for call, expected in told:
        bare = msgspec.structs.replace(call, arguments="")
        out = RestoreTools(table).feed([BlockStart(0, bare), ArgumentsDelta(call.arguments), BlockEnd(0, call)])
        (end,) = [e.block for e in out if isinstance(e, BlockEnd)]
        assert isinstance(end, ToolCall)
        assert (end.namespace, end.name, end.kind, end.arguments) == expected
