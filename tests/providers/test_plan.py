"""The plan: what goes upstream for what a client asked, and a note for everything that does not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from dragoman.catalog import ProviderRow, load, resolve
from dragoman.core.messages import Media, Message, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.profile import ModelFacts, Profile
from dragoman.core.request import Request
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import ConfigError, InvalidRequest
from dragoman.providers import Plan, Target, explain, plan
from dragoman.providers.marks import shape_marks
from dragoman.providers.params import merge_body
from dragoman.wire import chat_completions, messages, responses

CATALOGUE = load()
WIRES: dict[str, Any] = {"chat": chat_completions, "responses": responses, "messages": messages}
FULL = ProviderRow("acme", base_url="https://acme.example", keyless=True)
FACTS = ModelFacts("m1", "acme", "m")
HI = (Message("user", (Text("hi"),)),)


def target(name: str = "xiaomi:mimo-v2.6-pro", **more: Any) -> Target:
    found = resolve(name, CATALOGUE, enabled=[name.partition(":")[0]])
    return Target(found.provider, found.model, "sk-key", "main", **more)


def made(body: dict[str, Any], to: Target | None = None, wire: str = "responses") -> tuple[Plan, dict[str, Any]]:
    full = {
        "model": "x",
        **({"input": "hi"} if wire == "responses" else {"messages": [{"role": "user", "content": "hi"}]}),
        **body,
    }
    request, _ = WIRES[wire].decode_request(json.dumps(full).encode())
    done = plan(request, to or target())
    return done, json.loads(done.body)


def notes(done: Plan) -> set[tuple[str, str]]:
    return {(note.code, note.field) for note in done.notes}


# Parameters


@pytest.mark.case("F07")
def test_the_output_limit_goes_under_the_vendors_name() -> None:
    _, body = made({"max_output_tokens": 1024})
    assert body["max_completion_tokens"] == 1024
    assert "max_tokens" not in body


@pytest.mark.case("F09")
def test_temperature_is_clamped_with_a_note() -> None:
    done, body = made({"temperature": 2})
    assert body["temperature"] == 1.5
    assert ("param_clamped", "temperature") in notes(done)


@pytest.mark.req(61)
@pytest.mark.parametrize(("asked", "sent"), [(0.0, 0.01), (0.5, 0.5), (1.0, 1.0), (1.7, 1.0)])
def test_ranges_are_the_profiles(asked: float, sent: float) -> None:
    done, body = made({"temperature": asked}, target("minimax:MiniMax-M2.5"), "chat")
    assert body["temperature"] == sent
    assert (("param_clamped", "temperature") in notes(done)) is (asked != sent)


@pytest.mark.req(61)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("field", ["temperature", "top_p"])
def test_numbers_that_are_none_are_refused(field: str, value: float) -> None:
    request = msgspec.structs.replace(Request("m", HI), **{field: value})
    with pytest.raises(InvalidRequest) as error:
        plan(request, target())
    assert error.value.info.param == field


@pytest.mark.req(67, 83)
def test_sampling_that_the_vendor_forces_is_left_out_while_it_thinks() -> None:
    done, body = made({"temperature": 0.2, "top_p": 0.5}, wire="chat")
    assert not {"temperature", "top_p"} & set(body)
    assert {("param_forced", "temperature"), ("param_forced", "top_p")} <= notes(done)
    _, off = made({"temperature": 0.2, "reasoning_effort": "none"}, wire="chat")
    assert off["temperature"] == 0.2


@pytest.mark.case("F08")
@pytest.mark.req(68)
def test_the_end_user_goes_where_the_vendor_takes_it_or_is_noted() -> None:
    _, body = made({"user": "u", "safety_identifier": "s"}, target("deepseek:deepseek-v4-pro"))
    assert body["user_id"] == "s"
    assert not {"user", "safety_identifier"} & set(body)
    done, body = made({"user": "u", "safety_identifier": "s"})
    assert not {"user", "safety_identifier", "user_id"} & set(body)
    assert {("param_dropped", "user"), ("param_dropped", "safety_identifier")} <= notes(done)


@pytest.mark.case("F10")
def test_the_envelope_does_not_leak_and_each_field_is_noted_once() -> None:
    envelope = {
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "truncation": "auto",
        "include": ["reasoning.encrypted_content"],
        "parallel_tool_calls": True,
    }
    done, body = made(envelope)
    assert not set(envelope) & set(body)
    for field in envelope:
        assert [n.code for n in done.notes if n.field == field] == ["param_dropped"]


def test_values_that_ask_for_nothing_are_not_noted() -> None:
    done, _ = made({"background": False, "metadata": {}, "include": [], "service_tier": None})
    assert done.notes == ()


def test_unknown_fields_are_noted_and_pass_only_by_profile() -> None:
    done, body = made({"wild": 1}, wire="chat")
    assert "wild" not in body
    assert ("unknown_field", "wild") in notes(done)
    passing = msgspec.structs.replace(FULL, profile=Profile(extra_passthrough=True))
    assert made({"wild": 1}, Target(passing, FACTS), "chat")[1]["wild"] == 1


@pytest.mark.req(60)
def test_minimax_gets_what_it_takes_and_nothing_else() -> None:
    asked = {
        "n": 1,
        "store": True,
        "presence_penalty": 1,
        "frequency_penalty": 1,
        "logit_bias": {"1": 2},
        "reasoning_effort": "low",
        "stream": True,
        "max_tokens": 9,
    }
    _, body = made(
        {**asked, "messages": [{"role": "developer", "content": "D"}, {"role": "user", "content": "q"}]},
        target("minimax:MiniMax-M3"),
        "chat",
    )
    assert not {"n", "store", "presence_penalty", "frequency_penalty", "logit_bias", "reasoning_effort"} & set(body)
    assert (body["messages"][0]["role"], body["reasoning_split"], body["stream_options"]) == (
        "system",
        True,
        {"include_usage": True},
    )


def test_stop_sequences_over_the_limit_are_refused() -> None:
    assert made({"stop": ["a", "b", "c", "d"]}, wire="chat")[1]["stop"] == ["a", "b", "c", "d"]
    with pytest.raises(InvalidRequest) as error:
        made({"stop": ["a", "b", "c", "d", "e"]}, wire="chat")
    assert error.value.info.param == "stop"


@pytest.mark.case("F10")
@pytest.mark.parametrize("name", ["acme", "xiaomi"])
def test_what_the_upstream_protocol_has_no_field_for_is_dropped_with_a_note(name: str) -> None:
    """The lists of a profile are those of the Chat wire, unless it says otherwise."""
    asked = {"frequency_penalty": 1, "presence_penalty": 1, "seed": 3, "stop": ["x"], "reasoning_effort": "none"}
    gone = {"frequency_penalty", "presence_penalty", "seed", "stop"}
    for wire, kept in (("messages", {"stop_sequences"}), ("responses", set())):
        to = Target(FULL, FACTS, wire=wire) if name == "acme" else target(wire=wire)  # type: ignore[arg-type]
        done, body = made(asked, to, "chat")
        assert not gone & set(body) and kept <= set(body)
        assert {field for code, field in notes(done) if code == "param_dropped"} >= gone - {"stop"}
        assert (("param_dropped", "stop") in notes(done)) is (wire == "responses")


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({}, {"type": "object"}),
        ({"properties": {"n": {"maximum": 1e22}}}, {"properties": {"n": {"maximum": 1e22}}, "type": "object"}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {}}}, {"$ref": "#/$defs/a", "$defs": {"a": {}}, "type": "object"}),
        ({"type": "string"}, {"type": "string"}),
    ],
)
def test_arguments_are_an_object_by_name_on_the_messages_wire(schema: Any, sent: Any) -> None:
    """Its page wants `type: object` at the root; `parameters: {}` is what many clients send for no parameters."""
    ask = {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    assert made(ask, target(wire="messages"), "chat")[1]["tools"][0]["input_schema"] == sent
    assert made(ask, target(wire="chat"), "chat")[1]["tools"][0]["function"]["parameters"] == schema


def test_calls_side_by_side_are_forbidden_where_the_wire_can_say_so() -> None:
    ask = {"max_tokens": 9, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}
    ask["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
    done, body = made(ask, target(wire="messages"), "messages")
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert not done.notes
    done, body = made(ask, target(wire="chat"), "messages")
    assert body["tool_choice"] == "auto"
    assert ("param_dropped", "tool_choice.disable_parallel_tool_use") in notes(done)


@pytest.mark.parametrize("asked", [{"instructions": "S"}, {"input": [{"role": "developer", "content": "S"}]}])
def test_system_text_alone_is_answered_on_every_wire(asked: dict[str, Any]) -> None:
    """The Messages protocol takes no empty conversation."""
    ask = {"input": [], **asked}
    done, body = made(ask, target(wire="messages"))
    assert body["system"] == "S"
    [turn] = body["messages"]
    assert turn["role"] == "user" and turn["content"]
    assert ("history_repaired", "messages") in notes(done)
    assert made(ask, target(wire="chat"))[1]["messages"] == [{"role": "system", "content": "S"}]
    assert len(made(ask, target(wire="responses"))[1]["input"]) == 1


def test_the_output_limit_is_clamped_and_a_small_default_is_raised() -> None:
    done, body = made({"max_output_tokens": 10_000_000})
    assert body["max_completion_tokens"] == 131072
    assert ("param_clamped", "max_output_tokens") in notes(done)
    small = Target(FULL, msgspec.structs.replace(FACTS, max_output=131072, default_max_output=32768))
    assert made({}, small)[1]["max_tokens"] == 131072
    assert "max_tokens" not in made({}, small, "chat")[1]


@pytest.mark.req(119)
def test_no_limit_is_no_key_unless_the_vendor_insists() -> None:
    system = Request("m", (Message("system", (Text("S"),)),))
    body = json.loads(plan(system, target(wire="messages")).body)
    assert "max_tokens" not in body and body["system"] == "S"
    assert (
        json.loads(plan(msgspec.structs.replace(system, max_output_tokens=8192), target(wire="messages")).body)[
            "max_tokens"
        ]
        == 8192
    )
    row = msgspec.structs.replace(FULL, profile=Profile(max_tokens_required=True))
    assert (
        json.loads(plan(Request("m", HI), Target(row, msgspec.structs.replace(FACTS, max_output=777))).body)[
            "max_tokens"
        ]
        == 777
    )


@pytest.mark.req(65)
def test_extra_body_is_merged_deeply_and_never_touches_headers() -> None:
    assert json.loads(merge_body(b'{"a":{"b":1,"c":2},"d":[1]}', {"a": {"b": 3}, "d": [2]})) == {
        "a": {"b": 3, "c": 2},
        "d": [2],
    }
    extra = {"thinking": {"type": "disabled"}, "authorization": "x", "headers": {"authorization": "y"}}
    plain, done = plan(Request("m", HI), target()), plan(Request("m", HI), target(extra_body=extra))
    assert done.headers == plain.headers
    assert json.loads(done.body)["thinking"] == {"type": "disabled"}


# Thinking, on the wire


@pytest.mark.case("B03", "B04", "B05")
@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        ({"effort": "medium"}, "enabled"),
        ({"effort": "none"}, "disabled"),
        (None, "disabled"),
        ({}, "enabled"),
        ({"summary": "auto"}, "enabled"),
    ],
)
def test_thinking_on_mimo(reasoning: dict[str, Any] | None, thinking: str) -> None:
    _, body = made({"reasoning": reasoning})
    assert body["thinking"] == {"type": thinking}
    assert "reasoning_effort" not in body


@pytest.mark.case("B04")
@pytest.mark.req(122)
@pytest.mark.parametrize(
    ("default", "sent"), [("off", {"type": "disabled"}), ("vendor", None), ("auto", {"type": "disabled"})]
)
def test_the_persons_default_wins_over_the_rows(default: Any, sent: Any) -> None:
    assert made({}, target(thinking_default=default))[1].get("thinking") == sent
    assert "thinking" not in made({"max_tokens": 9}, target(), "messages")[1]


@pytest.mark.case("B06", "B07", "D12")
def test_history_reasoning_comes_back_and_switches_thinking_on() -> None:
    done, body = made(
        {
            "input": [
                {"role": "user", "content": "q"},
                {
                    "type": "reasoning",
                    "id": "r1",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "one"}],
                },
                {
                    "type": "reasoning",
                    "id": "r2",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "two"}],
                },
                {"role": "assistant", "content": "a"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "ok"},
                {"role": "user", "content": "n"},
            ]
        }
    )
    assistant = body["messages"][1]
    assert body["thinking"] == {"type": "enabled"}
    assert (assistant["reasoning_content"], assistant["content"], len(assistant["tool_calls"])) == ("one\ntwo", "a", 1)
    assert ("thinking_forced", "reasoning.effort") in notes(done)


@pytest.mark.case("B10", "B11")
@pytest.mark.parametrize(("effort", "word"), [("medium", "high"), ("xhigh", "max")])
def test_efforts_on_deepseek(effort: str, word: str) -> None:
    _, body = made({"reasoning": {"effort": effort}}, target("deepseek:deepseek-v4-pro"))
    assert (body["thinking"], body["reasoning_effort"]) == ({"type": "enabled"}, word)


@pytest.mark.case("B13")
@pytest.mark.parametrize(
    ("reasoning", "sent"),
    [({"effort": "medium"}, {"type": "adaptive"}), ({"effort": "none"}, {"type": "disabled"}), (None, None)],
)
def test_thinking_on_minimax(reasoning: Any, sent: Any) -> None:
    _, body = made({"reasoning": reasoning}, target("minimax:MiniMax-M3"))
    assert (body.get("thinking"), body["reasoning_split"]) == (sent, True)


@pytest.mark.case("B14")
@pytest.mark.req(68)
def test_thinking_on_zhipu() -> None:
    _, body = made({"reasoning": {"effort": "low"}}, target("zhipu:glm-5.2"))
    assert body["thinking"] == {"type": "enabled", "clear_thinking": False}
    _, body = made({"reasoning": {"effort": "none"}}, target("zhipu:glm-5.2"))
    assert body["thinking"] == {"type": "disabled"}


# Formats


SCHEMA = {
    "type": "json_schema",
    "name": "out",
    "strict": True,
    "schema": {"type": "object", "properties": {"x": {"type": "integer"}}},
}


@pytest.mark.case("H01")
def test_a_schema_is_told_at_the_end_of_the_system_text_the_same_in_every_turn() -> None:
    one, body = made({"instructions": "I", "text": {"format": SCHEMA}})
    assert body["response_format"] == {"type": "json_object"}
    system = body["messages"][0]["content"]
    assert system.startswith("I") and '{"x":{"type":"integer"}}' in system.replace(" ", "") and "JSON" in system
    assert ("format_degraded", "text.format") in notes(one)
    longer = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "again"},
    ]
    _, later = made({"instructions": "I", "text": {"format": SCHEMA}, "input": longer})
    assert later["messages"][0] == body["messages"][0]
    assert made({"text": {"format": SCHEMA}})[1]["messages"][0]["role"] == "system"


def test_the_word_json_is_added_only_where_the_system_text_lacks_it() -> None:
    asked = {"text": {"format": {"type": "json_object"}}}
    done, body = made({**asked, "instructions": "I"})
    assert "JSON" in body["messages"][0]["content"]
    assert ("format_instruction", "text.format") in notes(done)
    quiet, body = made({**asked, "instructions": "Answer in json."})
    assert body["messages"][0]["content"] == "Answer in json."
    assert quiet.notes == ()


def test_json_mode_is_only_told_where_the_protocol_has_no_word_for_it() -> None:
    done, body = made({"response_format": {"type": "json_object"}}, target(wire="messages"), "chat")
    assert "JSON" in body["system"] and not {"response_format", "output_config"} & set(body)
    assert ("format_degraded", "response_format") in notes(done)


def test_a_schema_goes_up_where_it_is_taken() -> None:
    row = msgspec.structs.replace(FULL, profile=Profile(response_formats=frozenset({"json_schema"})))
    _, body = made({"text": {"format": SCHEMA}}, Target(row, FACTS))
    assert body["response_format"]["type"] == "json_schema"


# Tools and history


@pytest.mark.case("D10", "D11", "D13")
def test_calls_are_grouped_and_answered_in_place() -> None:
    calls = [{"type": "function_call", "call_id": i, "name": "f", "arguments": "{}"} for i in "ab"]
    outs = [{"type": "function_call_output", "call_id": i, "output": [{"type": "input_text", "text": i}]} for i in "ab"]
    _, body = made(
        {
            "input": [
                {"role": "user", "content": "q"},
                *calls,
                {"role": "assistant", "content": "T"},
                *outs,
                {"role": "user", "content": "n"},
            ]
        }
    )
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert [c["id"] for c in body["messages"][1]["tool_calls"]] == ["a", "b"]
    assert body["messages"][1]["content"] == "T"
    assert [m["tool_call_id"] for m in body["messages"][2:4]] == ["a", "b"]


@pytest.mark.case("D16")
def test_an_image_in_a_tool_output_is_accepted() -> None:
    items = [
        {"role": "user", "content": "q"},
        {"type": "function_call", "call_id": "a", "name": "view_image", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "a",
            "output": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}],
        },
    ]
    done, body = made({"input": items})
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "tool", "user"]
    assert "image_url" in json.dumps(body["messages"][3]) and isinstance(body["messages"][2]["content"], str)
    assert ("media_moved", "") in notes(done)
    blind, body = made({"input": items}, target("xiaomi:mimo-v2.5-pro"))
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "tool"]
    assert ("media_dropped", "") in notes(blind)


@pytest.mark.case("E16")
def test_a_history_of_every_kind_of_call_is_functions_upstream() -> None:
    items = [
        {"role": "user", "content": "q"},
        {
            "type": "local_shell_call",
            "id": "l",
            "call_id": "1",
            "status": "completed",
            "action": {"type": "exec", "command": ["ls"], "env": {}},
        },
        {"type": "local_shell_call_output", "call_id": "1", "output": "a"},
        {
            "type": "apply_patch_call",
            "id": "p",
            "call_id": "2",
            "status": "completed",
            "operation": {"type": "delete_file", "path": "x"},
        },
        {"type": "apply_patch_call_output", "call_id": "2", "status": "completed", "output": "b"},
        {"type": "custom_tool_call", "call_id": "3", "name": "c.d", "input": "raw"},
        {"type": "custom_tool_call_output", "call_id": "3", "output": "c"},
        {"type": "shell_call", "call_id": "4", "status": "completed", "action": {"commands": ["ls"]}},
        {
            "type": "shell_call_output",
            "call_id": "4",
            "output": [{"stdout": "d", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"role": "user", "content": "n"},
    ]
    _, body = made({"input": items})
    calls = [c for m in body["messages"] for c in m.get("tool_calls", [])]
    answered = [m["tool_call_id"] for m in body["messages"] if m["role"] == "tool"]
    assert [c["id"] for c in calls] == answered == ["1", "2", "3", "4"]
    assert [c["type"] for c in calls] == ["function"] * 4
    assert [sorted(json.loads(c["function"]["arguments"])) for c in calls] == [
        ["command", "env"],
        ["path", "type"],
        ["input"],
        ["commands"],
    ]
    assert "web_search" not in json.dumps(body)


@pytest.mark.case("E15")
def test_129_tools_are_refused_before_the_call() -> None:
    with pytest.raises(InvalidRequest, match="128"):
        made({"tools": [{"type": "function", "name": f"t{i}", "parameters": {}} for i in range(129)]})


@pytest.mark.case("F01")
def test_required_on_mimo_is_auto_with_a_note() -> None:
    done, body = made({"tools": [{"type": "function", "name": "f", "parameters": {}}], "tool_choice": "required"})
    assert body["tool_choice"] == "auto"
    assert ("tool_choice_weakened", "tool_choice") in notes(done)


@pytest.mark.case("F04")
def test_a_custom_choice_on_deepseek_is_a_forced_function() -> None:
    tools = [{"type": "custom", "name": "a b"}]
    _, body = made(
        {"tools": tools, "tool_choice": {"type": "custom", "name": "a b"}}, target("deepseek:deepseek-v4-pro")
    )
    assert body["tool_choice"] == {"type": "function", "function": {"name": "a_b"}}


@pytest.mark.case("F11")
def test_odd_parts_and_items_are_accepted() -> None:
    items = [
        {"role": "user", "content": [{"type": "text", "text": "plain"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "item_reference", "id": "rs_1"},
        {"role": "user", "content": "n"},
    ]
    _, body = made({"input": items})
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]


@pytest.mark.req(83)
def test_force_gives_way_where_it_cannot_stand_beside_thinking() -> None:
    row = msgspec.structs.replace(FULL, profile=Profile(forced_choice_thinking=False))
    request = Request("m", HI, tools=(Tool("f"),), tool_choice=ToolChoice("named", ToolRef("f")))
    done = plan(request, Target(row, msgspec.structs.replace(FACTS, thinking="on")))
    assert json.loads(done.body)["tool_choice"] == "auto"
    assert ("tool_choice_weakened", "tool_choice") in notes(done)
    calm = plan(request, Target(row, msgspec.structs.replace(FACTS, thinking="none")))
    assert json.loads(calm.body)["tool_choice"]["function"]["name"] == "f"


@pytest.mark.req(123)
def test_own_signed_blocks_go_back_over_the_messages_wire_in_order() -> None:
    history = (
        Message("user", (Text("q"),)),
        Message("assistant", (Reasoning("step 1", signature="sig-A"), ToolCall("tu_1", "f", '{"a":1}'))),
        Message("tool", (ToolResult("tu_1", (Text("ok"),)),)),
    )
    row = msgspec.structs.replace(FULL, profile=Profile(signatures=True))
    body = json.loads(plan(Request("m", history), Target(row, FACTS, wire="messages")).body)
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "step 1", "signature": "sig-A"},
        {"type": "tool_use", "id": "tu_1", "name": "f", "input": {"a": 1}},
    ]


def test_a_retired_model_is_noted_with_its_successor() -> None:
    facts = msgspec.structs.replace(FACTS, status="retired", successor="m2", retire_date="2026-10-21")
    (note,) = plan(Request("m", HI), Target(FULL, facts)).notes
    assert (note.code, "m2" in note.message) == ("model_retired", True)


def test_unseen_media_in_the_newest_turn_is_refused_before_the_call() -> None:
    request = Request("m", (Message("user", (Text("see"), Media("image", url="https://x/y.png"))),))
    with pytest.raises(InvalidRequest, match="image"):
        plan(request, Target(FULL, FACTS))


@pytest.mark.req(82)
def test_cache_marks_are_placed_for_clients_that_know_none_and_thinned_to_four() -> None:
    history = [
        Message("system", (Text("S"),)),
        Message("user", (Text("a"),)),
        Message("assistant", (Reasoning("r"), Text("b"))),
        Message("user", (Text("c"),)),
    ]
    marked = shape_marks(history, ())
    assert [m.content[-1].cache is not None for m in marked] == [True, True, False, True]  # type: ignore[union-attr]
    mark = Raw(b'{"type":"ephemeral"}')
    many = [
        Message("system", (Text("S", cache=mark),)),
        *[Message("user", (Text(str(i), cache=mark),)) for i in range(6)],
    ]
    thinned = shape_marks(many, (Tool("t", cache=mark),))
    assert [m.content[0].cache is not None for m in thinned] == [True, False, False, False, False, True, True]  # type: ignore[union-attr]
    assert "cache_control" not in json.dumps(
        made(
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}]}
                ],
                "max_tokens": 9,
            },
            target(wire="messages"),
            "messages",
        )[1]
    )


def test_law_13_the_upstream_messages_only_grow() -> None:
    history = [{"role": "user", "content": "q"}]
    earlier: list[Any] = []
    for turn in range(3):
        _, body = made({"instructions": "I", "input": history, "reasoning": {"effort": "high"}})
        assert body["messages"][: len(earlier)] == earlier
        earlier = body["messages"]
        history += [
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": f"r{turn}"}]},
            {"type": "function_call", "call_id": "call_0", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_0", "output": "ok"},
        ]


# Native lane, headers, secrets


def native_target(**more: Any) -> Target:
    row = msgspec.structs.replace(FULL, native=("messages",), wire="messages", keyless=False, auth="x-api-key", **more)
    return Target(row, FACTS, "sk-secret", "main")


BODY = {"model": "asked", "max_tokens": 5, "wild": {"b": 1, "a": 2}, "messages": [{"role": "user", "content": "hi"}]}


def test_the_native_lane_changes_only_the_model() -> None:
    raw = json.dumps(BODY).encode()
    request, _ = messages.decode_request(raw)
    request = msgspec.structs.replace(request, body=Raw(raw))
    done = plan(request, native_target())
    assert done.native and done.stages() == [] and done.notes == ()
    assert json.loads(done.body) == {**BODY, "model": "m1"}
    assert list(json.loads(done.body)) == list(BODY)
    assert done.context("t", lambda p: p).native


@pytest.mark.parametrize("why", ["another wire", "our seal", "not in the row"])
def test_the_native_lane_is_left_when_only_we_can_read_the_body(why: str) -> None:
    raw = json.dumps(BODY).encode()
    request, _ = messages.decode_request(raw)
    request = msgspec.structs.replace(request, body=Raw(raw))
    to = native_target()
    if why == "our seal":
        sealed = Message("assistant", (Reasoning("x", seal="dgm1.x"), Text("a")))
        request = msgspec.structs.replace(request, messages=(*request.messages, sealed))
    elif why == "another wire":
        to = msgspec.structs.replace(to, wire="chat")
    else:
        to = msgspec.structs.replace(to, provider=msgspec.structs.replace(to.provider, native=()))
    assert not plan(request, to).native


def test_a_model_is_spoken_to_on_a_wire_that_it_has() -> None:
    facts = msgspec.structs.replace(FACTS, wires=("messages",))
    assert plan(Request("m", HI), Target(FULL, facts)).wire == "messages"


def test_client_headers_pass_only_by_name() -> None:
    client = {
        "Anthropic-Beta": "x-1",
        "authorization": "Bearer theirs",
        "x-api-key": "theirs",
        "cookie": "c",
        "x-other": "o",
    }
    closed = plan(Request("m", HI), native_target(), client_headers=client)
    assert "theirs" not in str(closed.headers) and not {"anthropic-beta", "cookie", "x-other"} & set(closed.headers)
    opened = plan(
        Request("m", HI),
        native_target(forward_headers=("anthropic-beta", "authorization", "x-api-key", "cookie")),
        client_headers=client,
    )
    assert opened.headers["anthropic-beta"] == "x-1"
    assert opened.headers["x-api-key"] == "sk-secret"
    assert not {"authorization", "cookie"} & set(opened.headers)


@pytest.mark.req(102)
def test_no_key_is_ever_shown() -> None:
    done = plan(Request("m", HI), target())
    shown = repr(done) + repr(target()) + json.dumps(explain(done))
    assert "sk-key" not in shown
    assert explain(done)["headers"]["authorization"] == "[key]"
    assert done.secrets == ("sk-key",)


@pytest.mark.req(132)
def test_a_key_of_the_wrong_family_stops_the_plan() -> None:
    with pytest.raises(ConfigError, match="tp-"):
        plan(Request("m", HI), msgspec.structs.replace(target(), key="tp-x"))
    local = msgspec.structs.replace(target(), key="tp-x", base_url="http://127.0.0.1:1/v1")
    assert plan(Request("m", HI), local).url == "http://127.0.0.1:1/v1/chat/completions"


def test_two_plans_of_one_request_are_equal_byte_for_byte() -> None:
    request = Request("m", HI, tools=(Tool("a.b"), Tool("a/b"), Tool("c", "custom")))
    first, second = plan(request, target()), plan(request, target())
    assert (first.body, first.headers, first.notes) == (second.body, second.headers, second.notes)


def test_strict_usage_reaches_the_decoder() -> None:
    assert plan(Request("m", HI), target(strict_usage=True)).context("t", lambda p: p).strict_usage
    assert not plan(Request("m", HI), target()).context("t", lambda p: p).strict_usage


@pytest.mark.req(58, 59)
def test_a_custom_row_on_a_vendors_profile_is_shaped_and_read_like_the_vendor() -> None:
    vendor = target("minimax:MiniMax-M3")
    row = ProviderRow("mine", base_url="https://proxy.example", profile=vendor.provider.profile, custom=True)
    done = plan(Request("m", HI, temperature=5.0), Target(row, vendor.model, "k"))
    assert json.loads(done.body)["temperature"] == 2.0
    assert done.context("t", lambda p: p).reasoning_details is vendor.provider.profile.reasoning_details


def test_the_session_is_the_cache_key_where_the_vendor_takes_one() -> None:
    kimi = target("moonshot:kimi-k2.6")
    assert json.loads(plan(Request("m", HI), kimi, session="s1").body)["prompt_cache_key"] == "s1"
    assert "prompt_cache_key" not in json.loads(plan(Request("m", HI), target(), session="s1").body)
