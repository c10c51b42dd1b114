"""A strict reading of what a Messages client may be sent: `validate` asserts the grammar and gives back what was said.

Written from the protocol's documents, not from the encoder: it parses the bytes with a reader of its own, and every
event must fit the types of the official SDK.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

STOP_REASONS = {
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
}
ERRORS = {
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "timeout_error",
    "overloaded_error",
}
DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}
_OFFICIAL: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@dataclass
class Parsed:
    """What a client puts together from a stream. blocks: as the SDK would build them; `partial` of a cut call's input."""

    message: dict[str, Any] = field(default_factory=dict)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    done: bool = False
    notes: list[dict[str, str]] = field(default_factory=list)
    pings: int = 0

    @property
    def text(self) -> str:
        """All visible text."""
        return "".join(b["text"] for b in self.blocks if b["type"] == "text")

    @property
    def thinking(self) -> str:
        """All thinking."""
        return "".join(b["thinking"] for b in self.blocks if b["type"] == "thinking")

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls that were closed."""
        pairs = zip(self.blocks, self.stopped, strict=True)
        return [b for b, stopped in pairs if b["type"] == "tool_use" and stopped]


def validate(data: bytes) -> Parsed:
    """Reads a whole client stream."""
    parsed = Parsed()
    text = data.decode("utf-8")
    assert "\r" not in text
    assert text.endswith("\n\n"), "the last event is closed by a blank line"
    for block in text[:-2].split("\n\n"):
        if block.startswith(":"):
            assert "\n" not in block
            assert block.isascii()
            if block.startswith(": dragoman-notes "):
                assert not parsed.stop_reason, "notes stand before the end"
                parsed.notes += json.loads(block[len(": dragoman-notes ") :])
            continue
        lines = block.split("\n")
        assert len(lines) == 2, f"an event line and a data line: {block!r}"
        assert lines[0].startswith("event: ")
        assert lines[1].startswith("data: ")
        value = json.loads(lines[1][6:])
        assert value["type"] == lines[0][7:]
        _event(parsed, value)
    assert parsed.done or parsed.error is not None, "the stream has an end"
    return parsed


def _event(parsed: Parsed, value: dict[str, Any]) -> None:
    kind = value["type"]
    assert not parsed.done, f"{kind} after message_stop"
    assert parsed.error is None, f"{kind} after error"
    if kind == "error":
        assert value["error"]["type"] in ERRORS
        assert isinstance(value["error"]["message"], str)
        parsed.error = value["error"]
        return
    if kind == "ping":
        assert parsed.message
        parsed.pings += 1
        return
    _OFFICIAL.validate_json(json.dumps(value))
    if kind == "message_start":
        _start(parsed, value["message"])
        return
    assert parsed.message, f"{kind} before message_start"
    if kind.startswith("content_block"):
        assert parsed.stop_reason is None, f"{kind} after message_delta"
        _block(parsed, value)
    elif kind == "message_delta":
        assert parsed.stop_reason is None, "one message_delta"
        assert all(parsed.stopped), "no block is open at the end"
        assert value["delta"]["stop_reason"] in STOP_REASONS
        assert isinstance(value["usage"]["output_tokens"], int)
        parsed.stop_reason = value["delta"]["stop_reason"]
        parsed.stop_sequence = value["delta"].get("stop_sequence")
        parsed.usage = value["usage"]
        _calls_are_whole(parsed)
    else:
        assert kind == "message_stop", kind
        assert parsed.stop_reason is not None
        parsed.done = True


def _start(parsed: Parsed, message: dict[str, Any]) -> None:
    assert not parsed.message, "one message_start"
    assert message["role"] == "assistant"
    assert message["content"] == []
    assert message["stop_reason"] is None
    assert message["id"]
    for name in ("input_tokens", "output_tokens"):
        assert type(message["usage"][name]) is int
    parsed.message = message


def _block(parsed: Parsed, value: dict[str, Any]) -> None:
    kind, index = value["type"], value["index"]
    if kind == "content_block_start":
        assert index == len(parsed.blocks), "blocks are numbered from 0"
        assert all(parsed.stopped), "one block at a time"
        block = dict(value["content_block"])
        if block["type"] == "tool_use":
            assert block["input"] == {}
            assert block["id"]
            assert block["name"]
            block["partial"] = ""
        elif block["type"] == "server_tool_use":
            assert block["id"]
            assert block["input"] == {} or block["name"] != "web_search", "a search's input comes in deltas"
            block["partial"] = ""
        elif block["type"] == "web_search_tool_result":
            _search_result(parsed, block)
        parsed.blocks.append(block)
        parsed.stopped.append(False)
        return
    assert index == len(parsed.blocks) - 1
    assert not parsed.stopped[index]
    block = parsed.blocks[index]
    if kind == "content_block_stop":
        if block["type"] == "thinking":
            assert block["signature"], "thinking closes with a signature"
        parsed.stopped[index] = True
        return
    assert kind == "content_block_delta"
    delta = value["delta"]
    assert delta["type"] in DELTAS.get(block["type"], set()), f"a {block['type']} block has no {delta['type']}"
    if block["type"] == "thinking":
        assert not block["signature"], "nothing after the signature"
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            assert delta["signature"]
            block["signature"] = delta["signature"]
        case "citations_delta":
            if delta["citation"]["type"] == "web_search_result_location":
                assert delta["citation"]["encrypted_index"], "a citation that cannot be sent back"
            if not block.get("citations"):
                block["citations"] = []
            block["citations"].append(delta["citation"])
        case "input_json_delta":
            block["partial"] += delta["partial_json"]


def _search_result(parsed: Parsed, block: dict[str, Any]) -> None:
    """A result follows its search, and holds what clients send back to have the pages cited again."""
    uses = [b["id"] for b in parsed.blocks if b["type"] == "server_tool_use"]
    assert block["tool_use_id"] in uses, "a result without its search"
    if isinstance(block["content"], dict):
        assert block["content"]["type"] == "web_search_tool_result_error"
        assert block["content"]["error_code"]
        return
    for page in block["content"]:
        assert page["type"] == "web_search_result"
        assert page["url"]
        assert page["title"]
        assert page["encrypted_content"], "a page without content cannot be sent back"


def _calls_are_whole(parsed: Parsed) -> None:
    """Every call is a whole object; only the last block may have been cut, and then the end says so."""
    for number, block in enumerate(parsed.blocks):
        if block["type"] not in ("tool_use", "server_tool_use"):
            continue
        partial = block.pop("partial")
        try:
            block["input"] = json.loads(partial) if partial else block["input"]
            assert isinstance(block["input"], dict)
        except ValueError:
            assert number == len(parsed.blocks) - 1
            assert parsed.stop_reason not in ("end_turn", "tool_use")
            block["cut"] = partial
