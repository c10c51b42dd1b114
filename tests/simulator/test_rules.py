"""Each documented rule refuses a request that breaks it and takes the same request mended."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.simulator import chat_rules, messages_rules
from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.xiaomi import XIAOMI

PRO = XIAOMI.card("mimo-v2.6-pro")
TEXT_ONLY = XIAOMI.card("mimo-v2.5-pro")
assert PRO is not None and TEXT_ONLY is not None

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "r"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def chat(messages: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "mimo-v2.6-pro", "messages": copy.deepcopy(messages or [USER]), **fields}


def read(body: dict[str, Any], card: Any = PRO, *, search: bool = False) -> Ask:
    return chat_rules.read(body, XIAOMI, card, Account(search=search))


def changed(message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**message, **fields}


def without(message: dict[str, Any], field: str) -> dict[str, Any]:
    return {k: v for k, v in message.items() if k != field}


def function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], **fields}}


CHAT_BAD = [
    ("no messages", chat() | {"messages": []}, "field_range"),
    ("unknown field", chat(max_tokens=5), "unknown_field"),
    ("store", chat(store=False), "unknown_field"),
    ("reasoning_effort", chat(reasoning_effort="high"), "unknown_field"),
    ("parallel_tool_calls", chat(parallel_tool_calls=True), "unknown_field"),
    ("tokens too many", chat(max_completion_tokens=131073), "field_range"),
    ("tokens a float", chat(max_completion_tokens=1.5), "field_type"),
    ("hot", chat(temperature=1.6), "field_range"),
    ("temperature null", chat(temperature=None), "field_type"),
    ("top_p zero", chat(top_p=0), "field_range"),
    ("five stops", chat(stop=list("abcde")), "field_range"),
    ("stream a string", chat(stream="yes"), "field_type"),
    ("thinking adaptive", chat(thinking={"type": "adaptive"}), "field_value"),
    ("thinking budget", chat(thinking={"type": "enabled", "budget_tokens": 9}), "unknown_field"),
    ("json schema", chat(response_format={"type": "json_schema"}), "field_value"),
    ("json without the word", chat(response_format={"type": "json_object"}), "json_word"),
    ("unknown role", chat([changed(USER, role="critic")]), "role"),
    ("content null", chat([USER, changed(CALLED, content=None), RESULT]), "content_null"),
    ("no content, no calls", chat([USER, {"role": "assistant"}]), "content_missing"),
    ("empty user text", chat([changed(USER, content="")]), "text_not_set"),
    ("empty part", chat([changed(USER, content=[{"type": "text", "text": ""}])]), "text_not_set"),
    ("part without text", chat([changed(USER, content=[{"type": "text"}])]), "text_not_set"),
    ("no parts", chat([changed(USER, content=[])]), "field_range"),
    ("image alone", chat([changed(USER, content=[IMAGE])]), "media_alone"),
    ("unknown part", chat([changed(USER, content=[{"type": "file"}])]), "part_type"),
    ("details", chat([USER, changed(CALLED, reasoning_details=[]), RESULT]), "unknown_field"),
    ("call unanswered", chat([USER, CALLED]), "call_unanswered"),
    ("answered too late", chat([USER, CALLED, USER, RESULT]), "call_unanswered"),
    ("result without call", chat([USER, RESULT]), "result_orphan"),
    ("result for another", chat([USER, CALLED, changed(RESULT, tool_call_id="c2")]), "result_orphan"),
    ("result twice", chat([USER, CALLED, RESULT, RESULT]), "result_orphan"),
    ("result without id", chat([USER, CALLED, without(RESULT, "tool_call_id")]), "field_missing"),
    ("named result", chat([USER, CALLED, changed(RESULT, name="f")]), "unknown_field"),
    ("call id twice", chat([USER, changed(CALLED, tool_calls=[CALL, CALL]), RESULT]), "call_id_twice"),
    ("tool twice", chat(tools=[TOOL, TOOL]), "tool_twice"),
    ("strict null", chat(tools=[function(strict=None)]), "field_type"),
    ("tool name with a dot", chat(tools=[function(name="a.b")]), "tool_name"),
    ("tool name too long", chat(tools=[function(name="a" * 65)]), "tool_name"),
    ("too many tools", chat(tools=[function(name=f"f{i}") for i in range(129)]), "field_range"),
    ("custom tool", chat(tools=[{"type": "custom", "custom": {"name": "x"}}]), "tool_type"),
    ("search off", chat(tools=[{"type": "web_search"}]), "search_off"),
]


@pytest.mark.parametrize(("body", "rule"), [case[1:] for case in CHAT_BAD], ids=[case[0] for case in CHAT_BAD])
def test_chat_refuses(body: dict[str, Any], rule: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert caught.value.rule == rule
    assert caught.value.status == 400


CHAT_GOOD = [
    ("plain", chat()),
    ("everything", chat(max_completion_tokens=None, temperature=1.5, top_p=0.01, stop=None, stream=True)),
    ("penalties", chat(frequency_penalty=-2, presence_penalty=None, stop=list("abcd"))),
    ("thinking off", chat(thinking={"type": "disabled"})),
    ("json", chat([changed(USER, content="Answer in JSON")], response_format={"type": "json_object"})),
    ("developer", chat([changed(USER, role="developer"), USER])),
    ("content left out beside calls", chat([USER, without(CALLED, "content"), RESULT])),
    ("image with text", chat([changed(USER, content=[IMAGE, {"type": "text", "text": "what?"}])])),
    ("image in a result", chat([USER, CALLED, changed(RESULT, content=[IMAGE])])),
    ("empty result", chat([USER, CALLED, changed(RESULT, content="")])),
    ("the same id in another turn", chat([USER, CALLED, RESULT, CALLED, RESULT])),
    ("128 tools", chat(tools=[function(name=f"f{i}") for i in range(128)])),
    ("tool without parameters", chat(tools=[{"type": "function", "function": {"name": "a" * 64, "strict": False}}])),
]


@pytest.mark.parametrize("body", [case[1] for case in CHAT_GOOD], ids=[case[0] for case in CHAT_GOOD])
def test_chat_takes(body: dict[str, Any]) -> None:
    ask = read(body)
    assert ask.model == "mimo-v2.6-pro"
    assert len(ask.said) == len(body["messages"])


def test_cut_arguments_are_named_with_their_column() -> None:
    cut = {**CALL, "function": {"name": "f", "arguments": '{"a": 1'}}
    with pytest.raises(Rejected, match="unexpected end of data: line 1 column 8"):
        read(chat([USER, changed(CALLED, tool_calls=[cut]), RESULT]))


def test_null_content_is_answered_in_the_vendors_words() -> None:
    with pytest.raises(Rejected) as caught:
        read(chat([USER, changed(CALLED, content=None), RESULT]))
    failure = XIAOMI.told(caught.value, "chat")
    assert (failure.status, failure.message, failure.param) == (400, "Param Incorrect", "`text` is not set")


def test_media_on_a_model_without_it_is_not_found() -> None:
    with pytest.raises(Rejected) as caught:
        read(chat([changed(USER, content=[IMAGE, {"type": "text", "text": "what?"}])]), TEXT_ONLY)
    assert (caught.value.status, caught.value.rule) == (404, "no_media")


def test_search_is_taken_when_the_plugin_is_on() -> None:
    tool = {
        "type": "web_search",
        "max_keyword": 50,
        "limit": 1,
        "user_location": {"type": "approximate", "city": "Ulm"},
    }
    assert read(chat(tools=[tool]), search=True).search
    with pytest.raises(Rejected):
        read(chat(tools=[{**tool, "max_keyword": 51}]), search=True)


def test_what_the_vendor_overrides_is_told_apart() -> None:
    forced = chat(temperature=0.2, top_p=0.95, tool_choice="required", tools=[TOOL])
    assert read(forced).ignored == (("tool_choice", '"required"'), ("temperature", "0.2"))
    assert read({**forced, "thinking": {"type": "disabled"}}).ignored == (("tool_choice", '"required"'),)
    assert read(chat(stream_options={"include_usage": True})).tolerated == ("stream_options",)


USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
THINK = {"type": "thinking", "thinking": "r", "signature": "s"}
USED = {"role": "assistant", "content": [THINK, USE]}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
RETURNED = {"role": "user", "content": [TOOL_RESULT]}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
MARK = {"cache_control": {"type": "ephemeral"}}
DECLARED = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
TEXT = {"type": "text", "text": "x"}

MESSAGES_BAD = [
    ("metadata", chat(metadata={"user_id": "u"}), "unknown_field"),
    ("output_config", chat(output_config={"effort": "high"}), "unknown_field"),
    ("context_management", chat(context_management={"edits": []}), "unknown_field"),
    ("top_k", chat(top_k=5), "unknown_field"),
    ("cache mark on system", chat(system=[{**TEXT, **MARK}]), "unknown_field"),
    ("cache mark on text", chat([changed(USER, content=[{**TEXT, **MARK}])]), "unknown_field"),
    ("cache mark on a tool", chat(tools=[{**DECLARED, **MARK}]), "unknown_field"),
    ("no system blocks", chat(system=[]), "field_range"),
    ("tokens null", chat(max_tokens=None), "field_type"),
    ("adaptive thinking", chat(thinking={"type": "adaptive"}), "field_value"),
    ("thinking budget", chat(thinking={"type": "enabled", "budget_tokens": 1024}), "unknown_field"),
    ("server tool", chat(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "field_missing"),
    ("deferred tool", chat(tools=[{**DECLARED, "defer_loading": True}]), "unknown_field"),
    ("schema without object", chat(tools=[{"name": "f", "input_schema": {}}]), "tool_schema"),
    ("tool twice", chat(tools=[DECLARED, DECLARED]), "tool_twice"),
    ("empty content", chat([changed(USER, content="")]), "text_not_set"),
    ("no blocks", chat([changed(USER, content=[])]), "field_range"),
    ("content null", chat([changed(USER, content=None)]), "content_null"),
    ("image alone", chat([changed(USER, content=[PICTURE])]), "media_alone"),
    ("document", chat([changed(USER, content=[{"type": "document"}, TEXT])]), "part_type"),
    ("redacted", chat([USER, {"role": "assistant", "content": [{"type": "redacted_thinking"}]}]), "part_type"),
    ("use unanswered", chat([USER, USED]), "call_unanswered"),
    ("answered one later", chat([USER, USED, USER, RETURNED]), "call_unanswered"),
    ("result without use", chat([RETURNED]), "result_orphan"),
    ("result after text", chat([USER, USED, {"role": "user", "content": [TEXT, TOOL_RESULT]}]), "result_order"),
    ("thinking after use", chat([USER, {"role": "assistant", "content": [USE, THINK]}, RETURNED]), "thinking_order"),
    ("input not an object", chat([USER, {"role": "assistant", "content": [{**USE, "input": None}]}]), "field_type"),
    ("developer", chat([changed(USER, role="developer")]), "role"),
]


@pytest.mark.parametrize(("body", "rule"), [c[1:] for c in MESSAGES_BAD], ids=[c[0] for c in MESSAGES_BAD])
def test_messages_refuses(body: dict[str, Any], rule: str) -> None:
    with pytest.raises(Rejected) as caught:
        messages_rules.read(body, XIAOMI, PRO, Account())
    assert caught.value.rule == rule
    assert caught.value.status == 400


MESSAGES_GOOD = [
    ("no max_tokens", chat()),
    ("system string", chat(system="S", max_tokens=8192, temperature=0, top_p=1, stop_sequences=["x"])),
    ("system blocks", chat(system=[TEXT, TEXT])),
    ("system in the list", chat([USER, changed(USER, role="system")])),
    ("thinking", chat(thinking={"type": "disabled"})),
    ("tools", chat(tools=[{**DECLARED, "type": "custom"}], tool_choice={"type": "auto"})),
    ("loop", chat([USER, USED, {"role": "user", "content": [TOOL_RESULT, TEXT]}])),
    ("image in a result", chat([USER, USED, {"role": "user", "content": [{**TOOL_RESULT, "content": [PICTURE]}]}])),
    ("image with text", chat([changed(USER, content=[PICTURE, TEXT])])),
]


@pytest.mark.parametrize("body", [case[1] for case in MESSAGES_GOOD], ids=[case[0] for case in MESSAGES_GOOD])
def test_messages_takes(body: dict[str, Any]) -> None:
    ask = messages_rules.read(body, XIAOMI, PRO, Account())
    assert len(ask.said) == len(body["messages"])


def test_messages_reads_a_turn_whole() -> None:
    ask = messages_rules.read(chat([USER, USED, RETURNED]), XIAOMI, PRO, Account())
    turn = ask.said[1]
    assert (turn.reasoning, turn.signature, turn.calls[0].name) == ("r", "s", "f")
    assert ask.said[2].results == (("t1", "ok"),)
