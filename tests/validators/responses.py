"""A strict reader of a Responses stream: it fails on anything that the protocol or a real client would stumble over.

Checks U1 to U6 of the conformance cases, law 5 (items do not interleave), that every event parses with the types of the
official SDK, and what Codex reads: an id in the terminal response, integers in usage, whole items in `done`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, get_args

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_error import ResponseError

TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
CODEX_CODES = {"context_length_exceeded", "insufficient_quota", "upstream_auth"}
"""Error codes that Codex reads, or that we document, and that the SDK's list lacks."""

_EVENTS: dict[str, Any] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(get_args(ResponseStreamEvent)[0])
}
_SDK_CODES = set(get_args(ResponseError.model_fields["code"].annotation))

DELTAS = {
    "response.output_text.delta": ("response.output_text.done", "text"),
    "response.refusal.delta": ("response.refusal.done", "refusal"),
    "response.reasoning_text.delta": ("response.reasoning_text.done", "text"),
    "response.reasoning_summary_text.delta": ("response.reasoning_summary_text.done", "text"),
    "response.function_call_arguments.delta": ("response.function_call_arguments.done", "arguments"),
    "response.custom_tool_call_input.delta": ("response.custom_tool_call_input.done", "input"),
}
_DONES = {done: (delta, key) for delta, (done, key) in DELTAS.items()}


@dataclass
class Parsed:
    """What a valid stream said."""

    events: list[dict[str, Any]]
    comments: list[str] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        """The event types in order, without their common prefix."""
        return [e["type"].removeprefix("response.") for e in self.events]

    @property
    def response(self) -> dict[str, Any]:
        """The terminal response object."""
        found: dict[str, Any] = self.events[-1]["response"]
        return found

    @property
    def status(self) -> str:
        """completed, incomplete or failed."""
        return str(self.response["status"])

    @property
    def output(self) -> list[dict[str, Any]]:
        """The output items."""
        return list(self.response["output"])

    @property
    def text(self) -> str:
        """All visible text."""
        return "".join(p.get("text", "") for item in self.output if item["type"] == "message" for p in item["content"])

    @property
    def reasoning(self) -> str:
        """All reasoning that is shown."""
        return "".join(
            p["text"]
            for item in self.output
            if item["type"] == "reasoning"
            for p in [*item.get("summary", []), *(item.get("content") or [])]
        )

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The items that are calls, of any kind."""
        return [item for item in self.output if item["type"].endswith("_call") and "call_id" in item]

    def deltas(self, kind: str) -> list[str]:
        """The deltas of one kind: `output_text`, `function_call_arguments`, ..."""
        return [e["delta"] for e in self.events if e["type"] == f"response.{kind}.delta"]

    def of(self, type: str) -> list[dict[str, Any]]:
        """The events of one type, given without the common prefix."""
        return [e for e in self.events if e["type"] == "response." + type]


def read(body: bytes) -> Parsed:
    """Splits a stream. Each event has one data line whose JSON names the type of the event line."""
    parsed = Parsed([])
    text = body.decode("utf-8")
    assert text.endswith("\n\n"), "the stream stops inside an event"
    for block in text[:-2].split("\n\n"):
        lines = block.split("\n")
        if lines[0].startswith(":"):
            parsed.comments.append(block)
            continue
        names = [line[7:] for line in lines if line.startswith("event: ")]
        data = [line[6:] for line in lines if line.startswith("data: ")]
        assert len(lines) == 2, f"an event of {len(lines)} lines: {block!r}"
        assert len(names) == len(data) == 1, f"not one event and one data line: {block!r}"
        event = json.loads(data[0])
        assert event["type"] == names[0], f"{names[0]} carries {event['type']}"
        parsed.events.append(event)
    return parsed


def validate(body: bytes) -> Parsed:
    """The stream, or an AssertionError that says what is wrong with it."""
    parsed = read(body)
    events = parsed.events
    assert [e["type"] for e in events[:2]] == ["response.created", "response.in_progress"], "U1: wrong start"
    ends = [i for i, e in enumerate(events) if e["type"] in TERMINAL]
    assert ends == [len(events) - 1], f"U1: terminal events at {ends} of {len(events)}"
    assert [e["sequence_number"] for e in events] == list(range(len(events))), "U2: sequence numbers"
    for event in events:
        _sdk(event)
    _items(events)
    _codex(events)
    return parsed


def validate_response(body: dict[str, Any]) -> dict[str, Any]:
    """A response object that is not streamed."""
    Response.model_validate(_known_code(body), strict=False)
    assert body["object"] == "response"
    _output(body)
    return body


def _known_code(response: dict[str, Any]) -> dict[str, Any]:
    response = {**response, "output": [_cut_patch(item) for item in response["output"]]}
    error = response.get("error")
    if error is None:
        return response
    assert set(error) >= {"code", "message"}, f"an error without code or message: {error}"
    assert error["code"] in _SDK_CODES | CODEX_CODES, f"no client knows the code {error['code']!r}"
    return {**response, "error": {**error, "code": "server_error"}}


def _sdk(event: dict[str, Any]) -> None:
    model = _EVENTS.get(event["type"])
    assert model is not None, f"U6: the SDK does not know {event['type']}"
    if "response" in event:
        event = {**event, "response": _known_code(event["response"])}
    if "item" in event:
        event = {**event, "item": _cut_patch(event["item"])}
    model.model_validate(event)


def _cut_patch(item: dict[str, Any]) -> dict[str, Any]:
    """The official types know no incomplete apply_patch_call; law 10 forbids to call a cut one completed."""
    cut = item["type"] == "apply_patch_call" and item["status"] == "incomplete"
    return {**item, "status": "completed"} if cut else item


def _items(events: list[dict[str, Any]]) -> None:
    """U3, U4, U5 and law 5."""
    opened: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    streamed: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    closed: set[tuple[str, str, int]] = set()
    for event in events:
        kind = event["type"]
        if kind == "response.output_item.added":
            index = event["output_index"]
            assert index == len(opened), f"U3: item {index} opens as number {len(opened)}"
            assert len(done) == len(opened), "law 5: an item opens before the last one closed"
            opened[index] = event["item"]
        elif kind == "response.output_item.done":
            index, item = event["output_index"], event["item"]
            assert index in opened and index not in done, f"U3: done without added, or twice: {index}"
            start = opened[index]
            assert (start["id"], start["type"]) == (item["id"], item["type"]), "U3: id or type changed"
            assert item.get("status") != "in_progress", "U3: a done item is in progress"
            done[index] = item
        elif "output_index" in event:
            assert event["output_index"] == len(opened) - 1 == len(done), f"law 5: {kind} outside of its item"
            assert event["item_id"] == opened[event["output_index"]]["id"], f"U3: {kind} has another item's id"
            _delta(event, streamed, closed)
    assert done.keys() == opened.keys(), "U3: items that never close"
    _searches(events, done)
    output = events[-1]["response"]["output"]
    assert output == [done[i] for i in sorted(done)], "U5: the terminal output is not the done items"
    _output(events[-1]["response"])
    assert not streamed.keys() - closed, f"U4: deltas without a done event: {streamed.keys() - closed}"
    for item in output:
        _whole(item, streamed)


def _searches(events: list[dict[str, Any]], done: dict[int, dict[str, Any]]) -> None:
    """A web search tells its steps in order, and that it is completed exactly where it is."""
    prefix = "response.web_search_call."
    for index, item in done.items():
        told = [e["type"] for e in events if e["type"].startswith(prefix) and e["output_index"] == index]
        steps = [name[len(prefix) :] for name in told]
        if item["type"] != "web_search_call":
            assert not steps, f"steps of a search inside of a {item['type']}"
            continue
        expected = ["in_progress", "searching", "completed"]
        if item["status"] == "incomplete":  # the connection may break between any two steps
            expected = expected[: len(steps)]
        elif item["status"] != "completed":
            expected.pop()
        assert steps == expected, f"the steps of a search: {steps}"
        assert item["action"]["type"] in ("search", "open_page", "find_in_page")


def _delta(event: dict[str, Any], streamed: Any, closed: set[tuple[str, str, int]]) -> None:
    part = event.get("content_index", event.get("summary_index", 0))
    kind = event["type"]
    if kind in DELTAS:
        key = (event["item_id"], kind, part)
        assert key not in closed, f"U4: {kind} after its done event"
        assert event["delta"], f"an empty {kind}"
        streamed[key].append(event["delta"])
    elif kind in _DONES:
        delta, field_name = _DONES[kind]
        key = (event["item_id"], delta, part)
        assert event[field_name] == "".join(streamed[key]), f"U4: {kind} is not its deltas joined"
        closed.add(key)
    elif kind.endswith("_part.done"):
        kinds = (
            ("output_text", "refusal")
            if event["part"]["type"] in ("output_text", "refusal")
            else ("reasoning_text", "reasoning_summary_text")
        )
        said = "".join(t for k in kinds for t in streamed.get((event["item_id"], f"response.{k}.delta", part), []))
        assert event["part"].get("text", event["part"].get("refusal")) == said, f"U4: {kind} is not its deltas joined"


def _whole(item: dict[str, Any], streamed: dict[tuple[str, str, int], list[str]]) -> None:
    """U4: the item's own content is what was streamed for it."""

    def said(delta: str, part: int = 0) -> str:
        return "".join(streamed.get((item["id"], f"response.{delta}.delta", part), []))

    match item["type"]:
        case "message":
            for i, part in enumerate(item["content"]):
                kind = "refusal" if part["type"] == "refusal" else "output_text"
                assert part.get("refusal", part.get("text")) == said(kind, i), "U4: message text"
        case "reasoning":
            for i, part in enumerate(item["summary"]):
                assert part["text"] == said("reasoning_summary_text", i), "U4: summary text"
            for i, part in enumerate(item.get("content") or []):
                assert part["text"] == said("reasoning_text", i), "U4: reasoning text"
        case "function_call":
            assert item["arguments"] == said("function_call_arguments"), "U4: arguments"
        case "custom_tool_call":
            assert item["input"] == said("custom_tool_call_input"), "U4: input"


def _output(response: dict[str, Any]) -> None:
    ids = [item["id"] for item in response["output"]]
    assert len(set(ids)) == len(ids), f"U5: duplicate ids {ids}"
    for item in response["output"]:
        if item["type"] == "message":
            for part in item["content"]:
                assert part["type"] != "output_text" or "annotations" in part, "U6: output_text without annotations"
        if item["type"] == "tool_search_call":
            assert isinstance(item["arguments"], dict), "Codex: tool_search arguments are an object"
        if item["type"].endswith("_call") and "call_id" in item:
            assert item["call_id"], "a call without call_id"
    if response["status"] == "completed":
        partial = [item["type"] for item in response["output"] if item.get("status") == "incomplete"]
        assert not partial, f"law 10: a completed response holds incomplete items {partial}"


def _codex(events: list[dict[str, Any]]) -> None:
    """What Codex reads of a stream."""
    last = events[-1]["response"]
    assert isinstance(last["id"], str) and last["id"], "Codex: response.id"
    assert {e["response"]["id"] for e in events if "response" in e} == {last["id"]}, "the response id changes"
    assert events[-1]["type"] == f"response.{last['status']}", "the terminal event and the status differ"
    assert (last["status"] == "failed") == (last["error"] is not None), "error and status differ"
    assert (last["status"] == "incomplete") == (last["incomplete_details"] is not None), "incomplete without details"
    usage = last.get("usage")
    if usage is not None:
        counts = [usage[k] for k in ("input_tokens", "output_tokens", "total_tokens")]
        counts += [usage["input_tokens_details"]["cached_tokens"], usage["output_tokens_details"]["reasoning_tokens"]]
        assert all(type(n) is int for n in counts), f"Codex: usage holds no integers: {usage}"
        assert counts[0] + counts[1] == counts[2], "usage does not add up"
    for event in events[:2]:
        assert event["response"]["output"] == [], "the response has output before it began"
        assert event["response"]["status"] == "in_progress"
