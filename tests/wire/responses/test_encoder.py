"""What a client is told of canonical events, block by block and end by end."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import Opaque, ProviderState, Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.tools import ToolKind
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo, ErrorKind
from dragoman.wire.responses import encode_compaction
from dragoman.wire.sse import frames
from tests.validators.responses import validate, validate_response
from tests.wire.responses.road import ask, call, encoder, mint, told, view

DONE = Finished(usage=Usage(2, 1, None, 2))


def text(said: str, index: int = 0, complete: bool = True) -> list[Event]:
    return [BlockStart(index, Text("")), TextDelta(said), BlockEnd(index, Text(said), complete)]


def thought(block: Reasoning, index: int = 0, complete: bool = True) -> list[Event]:
    deltas = [ReasoningDelta(block.text)] if block.text else []
    return [BlockStart(index, Reasoning("")), *deltas, BlockEnd(index, block, complete)]


@pytest.mark.case("A01")
def test_text_is_told_in_full_order() -> None:
    events = [BlockStart(0, Text("")), TextDelta("He"), TextDelta("llo"), BlockEnd(0, Text("Hello")), DONE]
    parsed = told(events)
    assert parsed.types == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert parsed.deltas("output_text") == ["He", "llo"]
    usage = parsed.response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (3, 2, 5)
    assert usage["input_tokens_details"]["cached_tokens"] == 1


@pytest.mark.case("A08")
def test_the_request_is_echoed() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}]
    asked = {
        "instructions": "be brief",
        "temperature": 0.5,
        "top_p": 0.25,
        "tools": tools,
        "tool_choice": "required",
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "store": False,
        "user": "u",
        "parallel_tool_calls": False,
        "truncation": "auto",
        "previous_response_id": "resp_0",
        "prompt_cache_key": "k",
        "max_output_tokens": 100,
        "service_tier": "flex",
    }
    parsed = told([*text("x"), DONE], view(**asked))
    for event in (parsed.events[0], parsed.events[1], parsed.events[-1]):
        assert {name: event["response"][name] for name in asked} == asked
    assert parsed.response["model"] == "m"


def test_what_was_not_sent_is_echoed_as_the_official_default() -> None:
    response = told([DONE]).response
    assert response["tools"] == [] and response["tool_choice"] == "auto" and response["store"] is True
    assert response["parallel_tool_calls"] is True and response["text"] == {"format": {"type": "text"}}
    assert response["instructions"] is None and response["metadata"] == {}


def test_null_counts_as_absent_in_the_echo() -> None:
    response = told([DONE], view(tools=None, tool_choice=None, reasoning=None, metadata=None)).response
    assert response["tools"] == [] and response["tool_choice"] == "auto"


def test_a_request_laid_out_over_lines_does_not_break_the_frames() -> None:
    body = json.dumps({"model": "m", "input": "hi", "metadata": {"a": "b"}, "tools": [{"type": "shell"}]}, indent=2)
    from dragoman.wire.responses import decode_request

    seen = decode_request(body.encode())[1]
    parsed = told([Noted(Note("event_skipped")), DONE], seen)
    assert parsed.response["metadata"]["a"] == "b" and parsed.response["tools"] == [{"type": "shell"}]


@pytest.mark.case("B01")
def test_reasoning_is_closed_before_the_message_opens() -> None:
    parsed = told([*thought(Reasoning("think")), *text("ans", 1), DONE])
    assert parsed.types.index("output_item.done") < parsed.types.index("content_part.added", 6)
    assert [item["type"] for item in parsed.output] == ["reasoning", "message"]
    assert parsed.output[0]["content"] == [{"type": "reasoning_text", "text": "think"}]
    assert parsed.output[0]["summary"] == []


@pytest.mark.parametrize("word", ["auto", "concise", "detailed"])
def test_an_asked_summary_shows_reasoning_as_summary(word: str) -> None:
    parsed = told([*thought(Reasoning("think")), DONE], view(reasoning={"summary": word}))
    assert parsed.output[0]["summary"] == [{"type": "summary_text", "text": "think"}]
    assert "content" not in parsed.output[0]
    assert parsed.deltas("reasoning_summary_text") == ["think"] and not parsed.deltas("reasoning_text")


def test_a_vendors_summary_is_shown_as_one_even_unasked() -> None:
    block = Reasoning("short", summary=True)
    parsed = told([BlockStart(0, Reasoning("", summary=True)), ReasoningDelta("short"), BlockEnd(0, block), DONE])
    assert parsed.output[0]["summary"][0]["text"] == "short"


@pytest.mark.req(107)
@pytest.mark.parametrize("include", [[], ["reasoning.encrypted_content"]])
def test_a_seal_travels_as_encrypted_content(include: list[str]) -> None:
    parsed = told([*thought(Reasoning("think", seal="dgm1.k.x")), DONE], view(include=include, store=False))
    assert parsed.of("output_item.done")[0]["item"]["encrypted_content"] == "dgm1.k.x"
    assert parsed.output[0]["encrypted_content"] == "dgm1.k.x"
    assert "encrypted_content" not in parsed.of("output_item.added")[0]["item"]


def test_sealed_reasoning_without_text_is_an_item_with_an_empty_summary() -> None:
    for presence in ("opaque", "empty"):
        parsed = told([*thought(Reasoning("", presence, seal="dgm1.k.x")), DONE])
        assert parsed.output[0]["summary"] == [] and parsed.output[0]["encrypted_content"] == "dgm1.k.x"
        assert parsed.types[2:4] == ["output_item.added", "output_item.done"]


def test_a_vendors_own_encryption_passes_where_nothing_sealed_it() -> None:
    state = ProviderState("v", "f", "responses", Raw(b'{"type":"reasoning","encrypted_content":"gAAA"}'))
    assert told([*thought(Reasoning("", "opaque", state=state)), DONE]).output[0]["encrypted_content"] == "gAAA"


@pytest.mark.req(14)
def test_empty_blocks_are_not_shown() -> None:
    empty: list[Event] = [BlockStart(1, Text("")), TextDelta(""), BlockEnd(1, Text(""))]
    assert told([*thought(Reasoning("", "empty")), *empty, DONE]).output == []


def test_a_placeholder_is_never_shown() -> None:
    assert told([BlockStart(0, Reasoning("")), BlockEnd(0, Reasoning("x", placeholder=True)), DONE]).output == []


@pytest.mark.case("D01")
def test_a_call_is_told_in_fragments() -> None:
    parsed = told([*call(ToolCall("call_1", "f", '{"a":1}')), Finished("tool_calls")])
    added = parsed.of("output_item.added")[0]["item"]
    assert (added["arguments"], added["status"], added["name"]) == ("", "in_progress", "f")
    assert len(parsed.deltas("function_call_arguments")) == 2
    done = parsed.of("function_call_arguments.done")[0]
    assert (done["name"], done["arguments"]) == ("f", '{"a":1}')
    assert parsed.calls[0]["call_id"] == "call_1" and parsed.status == "completed"


@pytest.mark.case("E10")
def test_a_namespaced_call_keeps_name_and_namespace() -> None:
    parsed = told([*call(ToolCall("c", "read.file", "{}", namespace="mcp__fs")), DONE])
    for item in (parsed.of("output_item.added")[0]["item"], parsed.calls[0]):
        assert (item["type"], item["name"], item["namespace"]) == ("function_call", "read.file", "mcp__fs")


@pytest.mark.case("E07")
def test_a_custom_call_streams_its_input() -> None:
    made = ToolCall("c", "apply_patch", "*** Begin Patch", "custom")
    parsed = told([*call(made), DONE])
    assert parsed.types[2:] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    assert parsed.calls[0]["input"] == "*** Begin Patch" and "arguments" not in parsed.calls[0]


@pytest.mark.parametrize(
    ("kind", "arguments", "field", "value"),
    [
        pytest.param(
            "local_shell",
            '{"command":["ls"],"env":{"A":"b"},"working_directory":"/t","timeout_ms":5}',
            "action",
            {"type": "exec", "command": ["ls"], "env": {"A": "b"}, "working_directory": "/t", "timeout_ms": 5},
            marks=pytest.mark.case("E01", "E02"),
        ),
        pytest.param(
            "shell",
            '{"commands":["ls","pwd"],"timeout_ms":5,"max_output_length":9}',
            "action",
            {"commands": ["ls", "pwd"], "timeout_ms": 5, "max_output_length": 9},
            marks=pytest.mark.case("E03"),
        ),
        pytest.param(
            "apply_patch",
            '{"type":"update_file","path":"a","diff":"@@"}',
            "operation",
            {"type": "update_file", "path": "a", "diff": "@@"},
            marks=pytest.mark.case("E05"),
        ),
        pytest.param(
            "apply_patch",
            '{"type":"delete_file","path":"a"}',
            "operation",
            {"type": "delete_file", "path": "a"},
            marks=pytest.mark.case("E05"),
        ),
        pytest.param("tool_search", '{"query":"x"}', "arguments", {"query": "x"}),
    ],
)
def test_built_in_calls_come_back_as_their_own_items(kind: ToolKind, arguments: str, field: str, value: object) -> None:
    parsed = told([*call(ToolCall("c", kind, arguments, kind)), DONE])
    added, done = parsed.of("output_item.added")[0]["item"], parsed.calls[0]
    assert added["type"] == done["type"] == f"{kind}_call"
    assert done[field] == value and done["status"] == "completed" and done["call_id"] == "c"
    assert not parsed.deltas("function_call_arguments")
    if kind == "tool_search":
        assert done["execution"] == "client"


@pytest.mark.case("E05")
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("apply_patch", '{"type":"rename","path":"a"}'),
        ("apply_patch", '{"type":"create_file","path":"a"}'),
        ("shell", '{"commands":"ls"}'),
        ("local_shell", "not json"),
        ("tool_search", "[1]"),
    ],
)
def test_arguments_out_of_form_come_as_a_function_call(kind: ToolKind, arguments: str) -> None:
    parsed = told([*call(ToolCall("c", kind, arguments, kind)), DONE])
    assert (parsed.calls[0]["type"], parsed.calls[0]["arguments"]) == ("function_call", arguments)


@pytest.mark.case("E09")
def test_a_custom_call_without_input_closes_once() -> None:
    parsed = told([*call(ToolCall("c", "p", "", "custom")), DONE])
    assert parsed.types.count("custom_tool_call_input.done") == 1 and parsed.calls[0]["input"] == ""


@pytest.mark.case("C01")
@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("length", "max_output_tokens"),
        ("context_window", "max_output_tokens"),
        ("content_filter", "content_filter"),
    ],
)
def test_an_early_end_is_incomplete(reason: str, word: str) -> None:
    parsed = told([*text("half", complete=False), Incomplete(reason)])  # type: ignore[arg-type]
    assert parsed.status == "incomplete" and parsed.response["incomplete_details"] == {"reason": word}
    assert parsed.output[0]["status"] == "incomplete" and parsed.text == "half"


@pytest.mark.case("C05")
def test_a_repetition_is_explained() -> None:
    parsed = told([*text("again", complete=False), Incomplete("repetition")])
    assert parsed.response["incomplete_details"] == {"reason": "max_output_tokens"} and parsed.text == "again"
    assert json.loads(parsed.response["metadata"]["dragoman_notes"]) == [{"code": "repetition_cut", "field": ""}]


@pytest.mark.case("C15")
def test_a_broken_text_is_closed_as_incomplete_then_failed() -> None:
    parsed = told([*text("par", complete=False), Failed(ErrorInfo("network", "reset"))])
    assert parsed.output[0]["status"] == "incomplete"
    assert parsed.response["error"] == {"code": "server_error", "message": "reset"}


@pytest.mark.case("C16", "C17")
@pytest.mark.parametrize("kind", ["function", "custom", "local_shell", "shell", "apply_patch", "tool_search"])
@pytest.mark.parametrize("end", [Incomplete("length"), Failed(ErrorInfo("truncated", "cut"))])
def test_a_cut_call_is_never_completed(kind: ToolKind, end: Event) -> None:
    parsed = told([*call(ToolCall("c", kind, '{"a":', kind), complete=False), end])
    assert [item["status"] for item in parsed.calls] == ["incomplete"]
    assert parsed.status in ("incomplete", "failed")


def test_a_terminal_event_closes_a_block_that_nobody_closed() -> None:
    parsed = told([BlockStart(0, Text("")), TextDelta("ab"), Failed(ErrorInfo("server", "x"))])
    assert parsed.output[0]["status"] == "incomplete" and parsed.text == "ab"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("overloaded", "server_error"),
        ("timeout", "server_error"),
        ("protocol", "server_error"),
        ("internal", "server_error"),
        ("overflow", "context_length_exceeded"),
        ("rate_limit", "rate_limit_exceeded"),
        ("billing", "insufficient_quota"),
        ("invalid_request", "invalid_prompt"),
    ],
)
def test_failures_have_the_codes_that_codex_reads(kind: ErrorKind, code: str) -> None:
    assert told([Failed(ErrorInfo(kind, "why"))]).response["error"]["code"] == code


def test_a_rate_limit_says_when_to_try_again() -> None:
    def message(info: ErrorInfo) -> str:
        return str(told([Failed(info)]).response["error"]["message"])

    assert message(ErrorInfo("rate_limit", "Slow.", retry_after=2.5)) == "Slow. Please try again in 2.5s."
    assert message(ErrorInfo("rate_limit", "Slow.", retry_after=20)) == "Slow. Please try again in 20s."
    assert message(ErrorInfo("rate_limit", "Please try again in 1s.", retry_after=1)) == "Please try again in 1s."
    assert message(ErrorInfo("rate_limit", "Slow.")) == "Slow."


def test_citations_are_told_and_flattened() -> None:
    nested = Raw(b'{"type":"url_citation","url_citation":{"url":"https://example.org","title":"T"}}')
    other = Raw(b'{"type":"file_path","file_id":"f","index":1}')
    block = Text("see", annotations=(nested, other))
    events = [BlockStart(0, Text("")), TextDelta("see"), AnnotationSeen(nested), BlockEnd(0, block), DONE]
    parsed = told(events)
    flat = {"type": "url_citation", "start_index": 0, "end_index": 3, "title": "T", "url": "https://example.org"}
    assert [e["annotation"]["type"] for e in parsed.of("output_text.annotation.added")] == ["url_citation", "file_path"]
    assert parsed.output[0]["content"][0]["annotations"] == [flat, json.loads(bytes(other))]


def test_a_search_is_told_step_by_step() -> None:
    def item(status: str) -> Opaque:
        action = {"type": "search", "query": "q"}
        data = {"id": "ws_1", "type": "web_search_call", "status": status, "action": action}
        return Opaque("web_search_call", Raw(json.dumps(data, indent=1).encode()), "responses")

    parsed = told([BlockStart(0, item("in_progress")), BlockEnd(0, item("completed")), *text("x", 1), DONE])
    assert parsed.types[2:7] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    failed = told([BlockStart(0, item("in_progress")), BlockEnd(0, item("failed")), DONE])
    assert failed.output[0]["status"] == "failed" and "web_search_call.completed" not in failed.types


def test_ids_stay_unique_over_several_upstream_rounds() -> None:
    item = Opaque(
        "web_search_call",
        Raw(b'{"id":"ws_0","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}'),
        "responses",
    )
    parsed = told([BlockStart(0, item), BlockEnd(0, item), BlockStart(0, item), BlockEnd(0, item), DONE])
    assert len({i["id"] for i in parsed.output}) == 2


def test_a_block_of_another_wire_is_dropped_with_a_note() -> None:
    block = Opaque("server_tool_use", Raw(b"{}"), "messages")
    parsed = told([BlockStart(0, block), BlockEnd(0, block), DONE])
    assert parsed.output == [] and "item_dropped" in parsed.response["metadata"]["dragoman_notes"]


def test_notes_stand_beside_the_clients_metadata() -> None:
    events: list[Event] = [Noted(Note("usage_unknown", "usage")), Noted(Note("event_skipped")), DONE]
    metadata = told(events, view(metadata={"a": "b"})).response["metadata"]
    assert metadata["a"] == "b" and isinstance(metadata["dragoman_notes"], str)
    assert json.loads(metadata["dragoman_notes"]) == [
        {"code": "usage_unknown", "field": "usage"},
        {"code": "event_skipped", "field": ""},
    ]


@pytest.mark.req(16)
def test_usage_seen_before_the_end_is_told_at_the_end() -> None:
    usage = told([UsageSeen(Usage(5, None, None, 7, 3)), Finished()]).response["usage"]
    assert usage["input_tokens"] == 5 and usage["output_tokens_details"]["reasoning_tokens"] == 3


@pytest.mark.parametrize("usage", [None, Usage(None, None, None, 3), Usage(3)])
def test_unknown_usage_is_null(usage: Usage | None) -> None:
    assert told([Finished(usage=usage)]).response["usage"] is None


def test_a_keepalive_is_a_real_event_with_the_next_number() -> None:
    made = encoder()
    out = made.keepalive()
    assert [name for name, _ in out] == ["response.created", "response.in_progress", "response.in_progress"]
    out += made.encode([*text("x")]) + made.keepalive() + made.encode([DONE])
    parsed = validate(frames(out))
    assert parsed.types.count("in_progress") == 3
    assert made.keepalive() == [] and made.encode(text("more", 1)) == []


def test_the_preamble_is_given_once_and_never_forgotten() -> None:
    made = encoder()
    assert len(made.preamble()) == 2 and made.preamble() == []
    assert validate(frames(encoder().encode([DONE]))).status == "completed"


def test_the_encoder_keeps_what_a_store_needs() -> None:
    made = encoder()
    made.encode([*text("x"), *call(ToolCall("c", "f", "{}"), index=1), DONE])
    assert made.ended and made.final is not None
    final = validate_response(json.loads(bytes(made.final)))
    assert final["output"] == [json.loads(bytes(item)) for item in made.output]
    assert final["completed_at"] == 1700000000


def test_a_compaction_is_one_item() -> None:
    seen = ask(input=[{"type": "message", "role": "user", "content": "x"}, {"type": "compaction_trigger"}])[1]
    assert seen.compaction
    sent = encode_compaction(seen, "dgm1.blob", Usage(3, None, None, 2), mint(), 1, "resp_1", True)
    assert isinstance(sent, list)
    parsed = validate(frames(sent))
    assert [(i["type"], i["encrypted_content"]) for i in parsed.output] == [("compaction", "dgm1.blob")]
    assert parsed.status == "completed" and parsed.response["usage"]["total_tokens"] == 5
    body = encode_compaction(seen, "dgm1.blob", Usage(3, None, None, 2), mint(), 1, "resp_1", False)
    assert isinstance(body, bytes)
    whole = json.loads(body)
    assert validate_response(whole) == parsed.response


def test_a_compaction_item_also_passes_as_an_opaque_block() -> None:
    block = Opaque("compaction", Raw(b'{"type":"compaction","encrypted_content":"dgm1.blob"}'), "responses")
    parsed = told([BlockStart(0, block), BlockEnd(0, block), DONE])
    assert parsed.output[0]["encrypted_content"] == "dgm1.blob" and parsed.output[0]["id"].startswith("cmp_")


def test_a_refusal_is_a_refusal_part() -> None:
    block = Text("No.", refusal=True)
    parsed = told([BlockStart(0, Text("", refusal=True)), TextDelta("No."), BlockEnd(0, block), DONE])
    assert parsed.output[0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert parsed.deltas("refusal") == ["No."]
