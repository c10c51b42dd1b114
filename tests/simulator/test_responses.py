"""MiMo's Responses endpoint: each documented rule refuses a request that breaks it and takes the same request mended."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.xiaomi import XIAOMI

PRO = XIAOMI.card("mimo-v2.6-pro")
TEXT_ONLY = XIAOMI.card("mimo-v2.5-pro")
assert PRO is not None and TEXT_ONLY is not None

USER = {"role": "user", "content": "hi"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "r"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
CUSTOM = {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin"}
CUSTOM_RESULT = {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"}
OUTPUT = {"type": "output_text", "text": "done", "annotations": []}
REPLAY = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [OUTPUT]}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
TEXT = {"type": "input_text", "text": "what?"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
PATCH = {"type": "custom", "name": "patch", "description": "Edits", "format": GRAMMAR}
GROUP = {"type": "namespace", "name": "files", "description": "Files", "tools": [TOOL, PATCH]}


def asked(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "mimo-v2.6-pro", "input": copy.deepcopy(list(items) or [USER]), **fields}


def read(body: dict[str, Any], card: Any = PRO) -> Ask:
    assert XIAOMI.responses is not None
    return XIAOMI.responses.read(body, card, Account())


def said(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


UNSUPPORTED = {
    "background": True,
    "previous_response_id": "resp_1",
    "context_management": [],
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "parallel_tool_calls": True,
    "prompt_cache_key": "k",
    "metadata": {},
    "max_tokens": 5,
    "thinking": {"type": "disabled"},
    "stop": ["x"],
    "user": "u",
    "service_tier": "auto",
    "truncation": "auto",
}


@pytest.mark.parametrize("field", UNSUPPORTED)
def test_a_field_that_is_not_listed_is_refused(field: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(asked(**{field: UNSUPPORTED[field]}))
    assert (caught.value.rule, caught.value.field) == ("unknown_field", field)


BAD = [
    ("no input", {"model": "mimo-v2.6-pro"}, "field_missing"),
    ("no items", asked() | {"input": []}, "field_range"),
    ("empty text", asked() | {"input": ""}, "text_not_set"),
    ("input an object", asked() | {"input": {}}, "field_type"),
    ("effort", asked(reasoning={"effort": "huge"}), "field_value"),
    ("effort null", asked(reasoning={"effort": None}), "field_value"),
    ("summary", asked(reasoning={"effort": "low", "summary": "auto"}), "unknown_field"),
    ("verbosity", asked(text={"verbosity": "low"}), "unknown_field"),
    ("json schema", asked(text={"format": {"type": "json_schema", "name": "x", "schema": {}}}), "unknown_field"),
    ("json schema by its type", asked(text={"format": {"type": "json_schema"}}), "field_value"),
    ("json without the word", asked(text={"format": {"type": "json_object"}}), "json_word"),
    ("too many tokens", asked(max_output_tokens=131073), "field_range"),
    ("tokens null", asked(max_output_tokens=None), "field_type"),
    ("hot", asked(temperature=1.6), "field_range"),
    ("top_p", asked(top_p=0), "field_range"),
    ("forced choice", asked(tools=[TOOL], tool_choice="required"), "field_value"),
    ("named choice", asked(tools=[TOOL], tool_choice={"type": "function", "name": "f"}), "field_value"),
    ("stream null", asked(stream=None), "field_type"),
    ("unknown item", asked(USER, {"type": "web_search_call", "id": "ws_1"}), "item_type"),
    ("no kind of item", asked({"content": "x"}), "item_type"),
    ("item reference", asked({"type": "item_reference", "id": "msg_1"}), "item_type"),
    ("local shell", asked(USER, {"type": "local_shell_call", "call_id": "c", "action": {}}), "item_type"),
    ("role", asked(said("x", "tool")), "role"),
    ("content null", asked(said(None)), "content_null"),
    ("empty content", asked(said("")), "text_not_set"),
    ("no parts", asked(said([])), "field_range"),
    ("part of Chat", asked(said([{"type": "text", "text": "x"}])), "part_type"),
    ("image in an object", asked(said([{"type": "input_image", "image_url": {"url": "x"}}, TEXT])), "text_not_set"),
    ("detail", asked(said([{**IMAGE, "detail": "low"}, TEXT])), "unknown_field"),
    ("file", asked(said([{"type": "input_file", "file_id": "f"}, TEXT])), "part_type"),
    ("image alone", asked(said([IMAGE])), "media_alone"),
    ("image in a system message", asked(said([IMAGE, TEXT], "system")), "part_type"),
    ("phase", asked(USER, {**said("x", "assistant"), "phase": "commentary"}), "unknown_field"),
    ("id without status", asked(USER, {**said("x", "assistant"), "type": "message", "id": "m"}), "field_missing"),
    ("status without id", asked(USER, {**said("x", "assistant"), "status": "completed"}), "field_missing"),
    ("incomplete replay", asked(USER, {**REPLAY, "status": "incomplete"}), "field_value"),
    ("refusal part", asked(USER, said([{"type": "refusal", "refusal": "no"}], "assistant")), "part_type"),
    ("summary in a thought", asked(USER, {**THOUGHT, "summary": []}), "unknown_field"),
    ("sealed thought", asked(USER, {**THOUGHT, "encrypted_content": "x"}), "unknown_field"),
    ("thought without id", asked(USER, {"type": "reasoning", "content": THOUGHT["content"]}), "field_missing"),
    ("thought without content", asked(USER, {"type": "reasoning", "id": "rs_1"}), "field_missing"),
    ("call unanswered", asked(USER, THOUGHT, CALL), "call_unanswered"),
    ("output without call", asked(USER, RESULT), "result_orphan"),
    ("output before its call", asked(USER, RESULT, THOUGHT, CALL), "result_orphan"),
    ("two outputs", asked(USER, THOUGHT, CALL, RESULT, RESULT), "result_orphan"),
    ("output of another kind", asked(USER, CALL, {**CUSTOM_RESULT, "call_id": "c1"}), "result_orphan"),
    ("one id for two calls", asked(USER, CALL, CALL, RESULT, RESULT), "call_id_twice"),
    ("arguments cut", asked(USER, {**CALL, "arguments": '{"a": 1'}, RESULT), "arguments_json"),
    ("arguments no object", asked(USER, {**CALL, "arguments": "[]"}, RESULT), "field_type"),
    ("call without call_id", asked(USER, {"type": "function_call", "name": "f", "arguments": "{}"}), "field_missing"),
    ("named output", asked(USER, CALL, {**RESULT, "name": "f"}), "unknown_field"),
    ("output without output", asked(USER, CALL, {"type": "function_call_output", "call_id": "c1"}), "field_missing"),
    ("thought with a status", asked(USER, {**THOUGHT, "status": "completed"}), "unknown_field"),
    ("tools of a user", asked({"type": "additional_tools", "role": "user", "tools": [TOOL]}, USER), "field_value"),
    ("agent without recipient", asked({"type": "agent_message", "author": "a", "content": [TEXT]}), "field_missing"),
    ("search", asked(tools=[{"type": "web_search"}]), "tool_type"),
    ("local shell tool", asked(tools=[{"type": "local_shell"}]), "tool_type"),
    ("mcp", asked(tools=[{"type": "mcp", "server_label": "x"}]), "tool_type"),
    ("nested function", asked(tools=[{"type": "function", "function": {"name": "f"}}]), "unknown_field"),
    ("strict null", asked(tools=[{**TOOL, "strict": None}]), "field_type"),
    ("deferred", asked(tools=[{**TOOL, "defer_loading": True}]), "unknown_field"),
    ("dotted name", asked(tools=[{**TOOL, "name": "a.b"}]), "tool_name"),
    ("tool twice", asked(tools=[TOOL, TOOL]), "tool_twice"),
    ("function and custom of one name", asked(tools=[TOOL, {"type": "custom", "name": "f"}]), "tool_twice"),
    ("unknown grammar", asked(tools=[{**PATCH, "format": {**GRAMMAR, "syntax": "peg"}}]), "field_value"),
    ("grammar without definition", asked(tools=[{**PATCH, "format": {"type": "grammar", "syntax": "lark"}}]), "field_missing"),
    ("group in a group", asked(tools=[{**GROUP, "tools": [GROUP]}]), "tool_type"),
    ("no tools", asked(tools=[]), "field_range"),
    ("too many tools", asked(tools=[{**TOOL, "name": f"f{i}"} for i in range(129)]), "field_range"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused(body: dict[str, Any], rule: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert (caught.value.rule, caught.value.status) == (rule, 400)


VIDEO = {"type": "input_video", "video_url": "https://x.example/v", "fps": 2, "media_resolution": "max"}
AUDIO = {"type": "input_audio", "audio_url": "https://x.example/a"}
SEALED = {"type": "encrypted_content", "encrypted_content": "told"}
GOOD = [
    ("a text", asked() | {"input": "hi"}, 1),
    ("everything", asked(instructions="I", max_output_tokens=1, temperature=1.5, top_p=0.01, stream=True), 1),
    ("off", asked(reasoning={"effort": "none"}), 1),
    ("empty reasoning", asked(reasoning={}), 1),
    ("text", asked(text={"format": {"type": "text"}}), 1),
    ("json", asked(said("Answer in JSON"), text={"format": {"type": "json_object"}}), 1),
    ("json in the instructions", asked(instructions="json", text={"format": {"type": "json_object"}}), 1),
    ("auto", asked(tools=[TOOL], tool_choice="auto"), 1),
    ("all kinds of tools", asked(tools=[{**TOOL, "name": "g", "strict": True}, PATCH, GROUP]), 1),
    ("custom of any kind", asked(tools=[{"type": "custom", "name": "a"}, {**PATCH, "format": {"type": "text"}}]), 1),
    ("all roles", asked(said("x", "system"), said("x", "developer"), USER, said("x", "assistant"), USER), 5),
    ("all media", asked(said([TEXT, IMAGE, AUDIO, VIDEO])), 1),
    ("loose parts", asked(USER, said([{"type": "output_text", "text": "x"}], "assistant"), USER), 3),
    ("replay", asked(USER, THOUGHT, REPLAY, USER), 3),
    ("loop", asked(USER, THOUGHT, {**CALL, "id": "fc_1", "status": "completed"}, RESULT), 3),
    ("no thought at the door", asked(USER, CALL, RESULT), 3),
    ("custom loop", asked(USER, THOUGHT, CUSTOM, CUSTOM_RESULT), 3),
    ("custom call as it came", asked(USER, {**CUSTOM, "id": "ctc_1", "status": "completed"}, CUSTOM_RESULT), 3),
    ("parallel", asked(USER, THOUGHT, CALL, {**CUSTOM, "namespace": "files"}, CUSTOM_RESULT, RESULT), 4),
    ("the same id in another turn", asked(USER, THOUGHT, CALL, RESULT, THOUGHT, CALL, RESULT), 5),
    ("parts in an output", asked(USER, CALL, {**RESULT, "output": [TEXT, IMAGE]}), 3),
    ("image alone in an output", asked(USER, CALL, {**RESULT, "output": [IMAGE]}), 3),
    ("empty output", asked(USER, CALL, {**RESULT, "output": ""}), 3),
    ("agent", asked({"type": "agent_message", "author": "a", "recipient": "b", "content": [SEALED], "x": 1}, USER), 2),
    ("128 tools", asked(tools=[{**TOOL, "name": f"f{i}"} for i in range(128)]), 1),
]  # fmt: skip


@pytest.mark.parametrize(("body", "turns"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any], turns: int) -> None:
    assert len(read(body).said) == turns


@pytest.mark.parametrize(
    ("effort", "thinks"),
    [("none", False), *((word, True) for word in ("minimal", "low", "medium", "high", "xhigh", "max", "ultra"))],
)
def test_effort_only_says_whether_to_think(effort: str, thinks: bool) -> None:
    assert read(asked(reasoning={"effort": effort})).thinking is thinks


def test_items_of_one_answer_are_one_turn() -> None:
    turn = read(asked(USER, THOUGHT, REPLAY, CALL, {**CUSTOM, "namespace": "files"}, RESULT, CUSTOM_RESULT)).said[1]
    assert (turn.reasoning, turn.text) == ("r", "done")
    assert [(c.name, c.arguments) for c in turn.calls] == [("f", "{}"), ("files.patch", '{"input":"*** Begin"}')]
    assert turn.path == "input[1]"


def test_a_thought_begins_a_new_turn() -> None:
    first, second = read(asked(USER, THOUGHT, REPLAY, THOUGHT, CALL, RESULT)).said[1:3]
    assert (first.reasoning, first.text, second.reasoning, second.calls[0].name) == ("r", "done", "r", "f")


def test_tools_in_the_input_are_offered() -> None:
    body = asked({"type": "additional_tools", "role": "developer", "tools": [GROUP]}, USER, tools=[TOOL])
    assert [(t.name, t.kind) for t in read(body).tools] == [
        ("f", "function"),
        ("files.f", "function"),
        ("files.patch", "custom"),
    ]


def test_an_agents_sealed_words_are_plain_here() -> None:
    body = asked({"type": "agent_message", "author": "a", "recipient": "b", "content": [TEXT, SEALED]})
    assert read(body).said[0].text == "what?told"


def test_media_on_a_model_without_it_is_not_found() -> None:
    with pytest.raises(Rejected) as caught:
        read(asked(said([IMAGE, TEXT])), TEXT_ONLY)
    assert (caught.value.status, caught.value.rule) == (404, "no_media")


def test_sampling_that_thinking_overrides_is_told_apart() -> None:
    assert read(asked(temperature=0.2, top_p=0.95)).ignored == (("temperature", "0.2"),)
    assert read(asked(temperature=0.2, reasoning={"effort": "none"})).ignored == ()
