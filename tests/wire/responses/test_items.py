"""Input items become messages: turns are put together, kinds kept, nothing refused that a client really sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from dragoman.core.messages import (
    Compaction,
    Media,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    WebSearch,
    join_reasoning,
)
from dragoman.core.tools import ToolKind
from dragoman.wire.responses import decode_items, decode_request, with_history
from tests.wire.responses.road import CODEX, GOLDEN, ask, items, upstream

USER = {"role": "user", "content": "u"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def only(item: dict[str, Any]) -> Any:
    return items(item).messages[0].content[0]


@pytest.mark.case("B07")
def test_consecutive_reasoning_items_stand_on_one_assistant() -> None:
    request = items(USER, thought("a"), thought("b"), {"role": "assistant", "content": "x"})
    assert [m.role for m in request.messages] == ["user", "assistant"]
    blocks = [b for b in request.messages[1].content if isinstance(b, Reasoning)]
    assert join_reasoning(blocks) == "a\nb"


@pytest.mark.case("B09")
def test_a_seal_is_known_and_a_summary_is_a_fallback() -> None:
    summary = [{"type": "summary_text", "text": "short"}]
    sealed = only({"type": "reasoning", "summary": summary, "encrypted_content": "dgm1.k.x", "content": None})
    assert (sealed.seal, sealed.text, sealed.summary, sealed.state) == ("dgm1.k.x", "short", True, None)
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"}
    foreign = only(item)
    assert (foreign.seal, foreign.text, foreign.summary, foreign.item_id) == (None, "short", True, "rs_1")
    assert foreign.state.wire == "responses" and json.loads(bytes(foreign.state.data)) == item
    both = only({**item, "content": [{"type": "reasoning_text", "text": "long"}]})
    assert (both.text, both.summary) == ("long", False)


@pytest.mark.parametrize(
    ("item", "presence"),
    [
        ({"summary": [], "encrypted_content": "gAAA"}, "opaque"),
        ({"summary": [], "encrypted_content": "dgm1.k.x"}, "opaque"),
        ({"summary": [], "content": [{"type": "reasoning_text", "text": ""}]}, "empty"),
        ({"summary": [], "content": None}, "absent"),
        ({}, "absent"),
    ],
)
def test_reasoning_without_text_has_a_presence(item: dict[str, Any], presence: str) -> None:
    assert only({"type": "reasoning", **item}).presence == presence


@pytest.mark.case("D11")
def test_parallel_calls_and_outputs_are_grouped() -> None:
    second = {**CALL, "call_id": "c2"}, {**OUTPUT, "call_id": "c2"}
    request = items(USER, CALL, second[0], OUTPUT, second[1])
    assert [m.role for m in request.messages] == ["user", "assistant", "tool"]
    assert [c.id for c in request.messages[1].calls] == ["c1", "c2"]
    assert [r.call_id for r in request.messages[2].content if isinstance(r, ToolResult)] == ["c1", "c2"]


@pytest.mark.case("D12", "D13")
@pytest.mark.parametrize("text_last", [False, True])
def test_one_turn_is_one_assistant(text_last: bool) -> None:
    text = {"role": "assistant", "content": [{"type": "output_text", "text": "t", "annotations": []}]}
    turn = [thought("r"), CALL, text] if text_last else [thought("r"), text, CALL]
    request = items(USER, *turn, OUTPUT)
    assert [m.role for m in request.messages] == ["user", "assistant", "tool"]
    wanted = [Reasoning, ToolCall, Text] if text_last else [Reasoning, Text, ToolCall]
    assert [type(b) for b in request.messages[1].content] == wanted


@pytest.mark.case("D10")
def test_outputs_are_text_or_parts() -> None:
    assert only(OUTPUT) == ToolResult("c1", (Text("ok"),), was_text=True)
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]
    assert only({**OUTPUT, "output": parts}) == ToolResult(
        "c1", (Text("a"), Media("image", data="QUJD", media_type="image/png"))
    )
    assert only({**OUTPUT, "output": None}).content == ()
    assert only({**OUTPUT, "output": {"content": "x", "success": False}}) == ToolResult("c1", (Text("x"),), True)
    assert only({**OUTPUT, "output": [{"type": "novel", "a": 1}]}).content == (Text('{"type": "novel", "a": 1}'),)


@pytest.mark.parametrize(
    ("item", "kind", "name", "arguments"),
    [
        (
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5}},
            "local_shell",
            "local_shell",
            '{"command":["ls"],"env":{},"timeout_ms":5}',
        ),
        (
            {"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": 5}},
            "shell",
            "shell",
            '{"commands":["ls"],"timeout_ms":5}',
        ),
        (
            {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
            "apply_patch",
            "apply_patch",
            '{"type":"delete_file","path":"a"}',
        ),
        ({"type": "tool_search_call", "arguments": {"query": "q"}}, "tool_search", "tool_search", '{"query":"q"}'),
        ({"type": "custom_tool_call", "name": "p", "input": "*** x"}, "custom", "p", "*** x"),
        ({"type": "function_call", "name": "f", "arguments": {"a": 1}}, "function", "f", '{"a":1}'),
        ({"type": "function_call", "name": "f"}, "function", "f", ""),
    ],
)
def test_calls_of_every_kind(item: dict[str, Any], kind: ToolKind, name: str, arguments: str) -> None:
    assert only({**item, "call_id": "c"}) == ToolCall("c", name, arguments, kind)


@pytest.mark.parametrize(
    ("output", "call", "kind"),
    [
        ({"type": "local_shell_call_output", "output": "x"}, "local_shell_call", "local_shell"),
        ({"type": "function_call_output", "output": "x"}, "local_shell_call", "local_shell"),
        ({"type": "shell_call_output", "output": [{"stdout": "x", "stderr": ""}]}, "shell_call", "shell"),
        ({"type": "apply_patch_call_output", "status": "failed", "output": "x"}, "apply_patch_call", "apply_patch"),
        ({"type": "custom_tool_call_output", "output": "x"}, None, "custom"),
    ],
)
def test_results_have_the_kind_of_their_call(output: dict[str, Any], call: str | None, kind: ToolKind) -> None:
    history = [{"type": call, "call_id": "c"}] if call else []
    result = items(*history, {**output, "call_id": "c"}).messages[-1].content[0]
    assert isinstance(result, ToolResult) and result.kind == kind and result.content
    assert result.is_error == (output.get("status") == "failed")


def test_bad_historic_arguments_are_marked_and_kept() -> None:
    call = only({**CALL, "arguments": '{"cmd": '})
    assert call.invalid and call.arguments == '{"cmd": '


@pytest.mark.case("E16")
def test_the_codex_mix_of_history() -> None:
    request = items(
        USER,
        {"type": "local_shell_call", "call_id": "c1", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "function_call_output", "call_id": "c1", "output": "a"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "b"},
    )
    assert [m.role for m in request.messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert [type(b) for b in request.messages[3].content] == [WebSearch, ToolCall]
    assert request.messages[3].content[0].queries == ("q",)


@pytest.mark.case("F11")
def test_odd_items_and_parts_are_accepted() -> None:
    request = items(
        {"role": "user", "content": [{"type": "text", "text": "plain"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, {"type": "novel"}]},
        {"type": "item_reference", "id": "rs_1"},
        {"id": "msg_1"},
        {"type": "compaction", "encrypted_content": "dgm1.blob"},
        {"type": "program", "code": "x"},
        {"type": "agent_message", "author": "a", "recipient": "b", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "image_generation_call", "id": "ig", "status": "completed", "result": None},
    )
    user, said, folded, program, agent, image = request.messages
    assert user.text == "plain" and agent == Message("user", (Text("hi"),), "a")
    assert said.content[0] == Text("no", refusal=True)
    assert [b.kind for b in said.content[1:] if isinstance(b, Opaque)] == ["novel", "item_reference", "item_reference"]
    assert folded.content == (Compaction("dgm1.blob"),)
    assert [type(m.content[0]) for m in (program, image)] == [Opaque, Opaque]


def test_media_in_every_form() -> None:
    def media(**part: Any) -> Any:
        return items({"role": "user", "content": [part]}).messages[0].content[0]

    assert media(type="input_image", image_url="https://e.org/a.png", detail="low") == Media(
        "image", url="https://e.org/a.png", detail="low"
    )
    assert media(type="input_image", image_url={"url": "https://e.org/a", "detail": "high"}).detail == "high"
    assert media(type="input_image", file_id="file_1") == Media("image", file_id="file_1")
    odd = "data:image/png;charset=x;base64,QUJD"
    assert media(type="input_image", image_url=odd) == Media("image", data="QUJD", media_type="image/png")
    assert media(type="input_file", filename="a.pdf", file_data="data:application/pdf;base64,QUJD") == Media(
        "document", data="QUJD", media_type="application/pdf", name="a.pdf"
    )
    assert media(type="input_file", file_url="https://e.org/a.pdf").url == "https://e.org/a.pdf"
    assert media(type="input_audio", input_audio={"data": "QUJD", "format": "wav"}).media_type == "audio/wav"
    film = media(type="input_video", video_url="https://e.org/v", fps=2)
    assert (film.kind, json.loads(bytes(film.options))) == ("video", {"fps": 2})


def test_the_phase_of_a_message_survives() -> None:
    said = {"type": "message", "role": "assistant", "phase": "commentary", "content": "x"}
    assert upstream(items(said, USER))["input"][0]["phase"] == "commentary"


def test_found_tools_are_declared_and_loaded() -> None:
    found = {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "spawn", "defer_loading": True}]}
    request = items(
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "q"}},
        {"type": "tool_search_output", "call_id": "c", "execution": "client", "tools": [found]},
    )
    assert [(t.key, t.deferred, t.loaded) for t in request.tools] == [(("n", "spawn"), True, True)]
    result = request.messages[1].content[0]
    assert isinstance(result, ToolResult) and result.content == (ToolReference("spawn"),)


def test_additional_tools_join_the_declared_ones() -> None:
    extra = {"type": "additional_tools", "role": "developer", "tools": [{"type": "custom", "name": "exec"}]}
    request = ask(input=[extra, USER], tools=[{"type": "function", "name": "f"}])[0]
    assert [(t.name, t.loaded) for t in request.tools] == [("f", False), ("exec", False)]
    assert [m.role for m in request.messages] == ["user"]


def test_a_compaction_trigger_is_a_wish_not_a_message() -> None:
    request, view = ask(input=[USER, {"type": "compaction_trigger"}])
    assert request.compaction and view.compaction and len(request.messages) == 1


# -- history from a store


@pytest.mark.case("I03", "I06")
def test_stored_items_meet_the_new_ones_in_one_turn() -> None:
    stored = [Raw(json.dumps(i).encode()) for i in (USER, CALL, {**CALL, "call_id": "c2"}, OUTPUT)]
    request, view = ask(
        instructions="I2",
        input=[{**OUTPUT, "call_id": "c2"}, USER],
        previous_response_id="r",
        tools=[{"type": "shell"}],
    )
    whole = with_history(request, view, stored)
    assert [m.role for m in whole.messages] == ["system", "user", "assistant", "tool", "user"]
    assert whole.messages[0].text == "I2"
    assert len(whole.messages[3].content) == 2 and [t.name for t in whole.tools] == ["shell"]
    assert with_history(request, view, []) is request


def test_tools_found_in_stored_history_are_not_lost() -> None:
    found = {"type": "tool_search_output", "call_id": "c", "tools": [{"type": "function", "name": "spawn"}]}
    stored = [Raw(json.dumps({"type": "tool_search_call", "call_id": "c"}).encode()), Raw(json.dumps(found).encode())]
    extra = {"type": "additional_tools", "tools": [{"type": "custom", "name": "exec"}]}
    request, view = ask(input=[extra, USER], tools=[{"type": "shell"}])
    assert [t.name for t in with_history(request, view, stored).tools] == ["shell", "spawn", "exec"]


def test_items_can_be_read_alone() -> None:
    decoded = decode_items([Raw(json.dumps(i).encode()) for i in (USER, CALL, OUTPUT)])
    assert [m.role for m in decoded.messages] == ["user", "assistant", "tool"] and not decoded.compaction


# -- requests as Codex sends them

ROLES = {
    "0.98.0_turn2": ["system", "developer", "user", "user", "user", "assistant", "tool"],
    "0.125.0_turn1": ["system", "developer", "user", "user"],
    "0.169.0_parallel_calls": ["developer", "developer", "user", "user", "assistant", "tool"],
    "0.169.0_namespace_and_image": ["developer", "developer", "user", "user", *["assistant", "tool"] * 2],
    "0.169.0_bad_arguments": ["developer", "developer", "user", "user", *["assistant", "tool"] * 2],
    "0.169.0_custom_patch": ["developer", "developer", "user", "user", "assistant", "tool"],
    "0.169.0_tool_search": ["developer", "developer", "user", "user", *["assistant", "tool"] * 2],
    "0.169.0_mcp_and_schema": ["developer", "developer", "user", "user", "assistant", "tool"],
    "0.169.0_responses_lite": ["developer", "developer", "user", "user", "assistant", "tool"],
    "0.169.0_compaction_trigger": ["developer", "developer", "user", "user", "assistant", "tool"],
    "0.169.0_after_compaction": ["developer", "developer", "user", "user", "user", "user"],
    "0.169.0_local_compaction": ["developer", "user", "assistant", "tool", "user"],
    "0.169.0_after_a_drop": ["developer", "developer", "user", "user", "assistant"],
}


@pytest.mark.parametrize("name", CODEX)
def test_codex_requests_are_understood(name: str) -> None:
    request, view = decode_request((GOLDEN / "codex" / f"{name}.json").read_bytes())
    assert [m.role for m in request.messages] == ROLES[name]
    assert request.extra == {} and view.notes == ()
    assert request.stream and request.store is False
    assert request.reasoning.asked == name.startswith("0.169")
    assert request.compaction == ("trigger" in name)


def test_every_codex_request_is_expected() -> None:
    assert set(ROLES) == set(CODEX)


def test_responses_lite_declares_its_tools_in_the_input() -> None:
    request, view = decode_request((GOLDEN / "codex" / "0.169.0_responses_lite.json").read_bytes())
    assert [t.key for t in request.tools][:2] == [("functions", "exec"), ("functions", "wait")]
    call = request.messages[4].calls[0]
    assert (call.namespace, call.name, call.kind) == ("functions", "exec", "custom")
    assert request.reasoning.context == "all_turns" and "tools" not in view.echo
