"""The three endpoints behind one face: how to ask the same thing of each, and how to read what came back.

`Read` is neutral: text, reasoning, calls and how it ended, so that one table of upstream behaviours can be checked on
every endpoint, streamed and whole. Streams also pass the strict grammar validator of their protocol.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.world import Got, World
from tests.validators import chat as chat_grammar
from tests.validators import messages as messages_grammar
from tests.validators import responses as responses_grammar

ENDPOINTS = ("responses", "chat", "messages")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@dataclass
class Call:
    """A tool call as the client saw it."""

    id: str
    name: str
    arguments: str
    complete: bool = True


@dataclass
class Read:
    """A neutral reading of an answer. end: completed, length, content_filter, failed."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    end: str = ""
    error: str = ""
    usage: tuple[int, int, int] | None = None
    order: list[str] = field(default_factory=list)
    status: int = 200


async def ask(w: World, endpoint: str, *, stream: bool, tools: bool = False, **more: Any) -> Got:
    """The same question on any endpoint."""
    base: dict[str, Any] = {"model": "xiaomi/m", "stream": stream}
    if endpoint == "responses":
        body = {**base, "input": "hi", "reasoning": {"effort": "medium"}}
        if tools:
            body["tools"] = [{"type": "function", "name": n, "parameters": SCHEMA} for n in ("f", "g")]
        return await w.post("/v1/responses", {**body, **more})
    if endpoint == "chat":
        body = {**base, "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "medium"}
        if stream:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in ("f", "g")]
        return await w.post("/v1/chat/completions", {**body, **more})
    body = {
        **base,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "adaptive"},
    }
    if tools:
        body["tools"] = [{"name": n, "input_schema": SCHEMA} for n in ("f", "g")]
    return await w.post("/v1/messages", {**body, **more})


def read(endpoint: str, got: Got, *, stream: bool) -> Read:
    """Reads an answer; a stream must also obey its grammar."""
    if got.status != 200:
        error = got.json["error"]
        return Read(end="failed", error=error["message"], status=got.status)
    if endpoint == "responses":
        if stream:
            responses_grammar.validate(got.body)
        return _responses(got.events[-1]["response"] if stream else got.json, _types(got) if stream else [])
    if endpoint == "chat":
        if stream:
            chat_grammar.validate(got.body)
            return _chat_stream(got)
        return _chat_whole(got.json)
    if stream:
        messages_grammar.validate(got.body)
        return _messages_stream(got)
    return _messages_whole(got.json)


def _types(got: Got) -> list[str]:
    return [e["item"]["type"] for e in got.events if e.get("type") == "response.output_item.added"]


def _responses(r: dict[str, Any], order: list[str]) -> Read:
    out = Read(order=order)
    for item in r["output"]:
        if item["type"] == "message":
            out.text += "".join(p.get("text", "") for p in item["content"])
        elif item["type"] == "reasoning":
            out.reasoning += "".join(p["text"] for p in (item.get("content") or item.get("summary") or []))
        elif item["type"] == "function_call":
            out.calls.append(Call(item["call_id"], item["name"], item["arguments"], item["status"] == "completed"))
    out.end = r["status"]
    if r["status"] == "incomplete":
        out.end = {"max_output_tokens": "length"}.get(
            r["incomplete_details"]["reason"], r["incomplete_details"]["reason"]
        )
    if r.get("error"):
        out.error = r["error"]["message"]
    if usage := r.get("usage"):
        out.usage = (usage["input_tokens"], usage["output_tokens"], usage["input_tokens_details"]["cached_tokens"])
    return out


def _chat_end(finish: str | None) -> str:
    return {"stop": "completed", "tool_calls": "completed", "length": "length", "content_filter": "content_filter"}.get(
        finish or "", "failed"
    )


def _chat_usage(usage: dict[str, Any] | None) -> tuple[int, int, int] | None:
    if not usage:
        return None
    return (
        usage["prompt_tokens"],
        usage["completion_tokens"],
        (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
    )


def _chat_stream(got: Got) -> Read:
    out = Read()
    finish = None
    calls: dict[int, Call] = {}
    for e in got.events:
        if "error" in e:
            out.error = e["error"]["message"]
            continue
        out.usage = _chat_usage(e.get("usage")) or out.usage
        for choice in e["choices"]:
            delta = choice["delta"]
            out.text += delta.get("content") or ""
            out.reasoning += delta.get("reasoning_content") or ""
            for c in delta.get("tool_calls") or []:
                made = calls.setdefault(c["index"], Call(c.get("id", ""), c["function"].get("name", ""), ""))
                made.arguments += c["function"].get("arguments") or ""
            finish = choice.get("finish_reason") or finish
    out.calls = [calls[i] for i in sorted(calls)]
    out.end = _chat_end(finish)
    for made in out.calls:
        made.complete = out.end == "completed"
    return out


def _chat_whole(body: dict[str, Any]) -> Read:
    choice = body["choices"][0]
    said = choice["message"]
    calls = [Call(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in said.get("tool_calls") or []]
    return Read(
        said.get("content") or "",
        said.get("reasoning_content") or "",
        calls,
        _chat_end(choice["finish_reason"]),
        usage=_chat_usage(body.get("usage")),
    )


_STOPS = {
    "end_turn": "completed",
    "tool_use": "completed",
    "stop_sequence": "completed",
    "max_tokens": "length",
    "refusal": "content_filter",
}


def _messages_usage(usage: dict[str, Any]) -> tuple[int, int, int]:
    cached = usage.get("cache_read_input_tokens") or 0
    return (usage.get("input_tokens") or 0) + cached, usage["output_tokens"], cached


def _messages_stream(got: Got) -> Read:
    out = Read()
    open_call: Call | None = None
    for e in got.events:
        match e["type"]:
            case "content_block_start":
                block = e["content_block"]
                out.order.append(block["type"])
                open_call = Call(block["id"], block["name"], "", False) if block["type"] == "tool_use" else None
                if open_call:
                    out.calls.append(open_call)
            case "content_block_delta":
                delta = e["delta"]
                out.text += delta.get("text", "")
                out.reasoning += delta.get("thinking", "")
                if open_call:
                    open_call.arguments += delta.get("partial_json", "")
            case "message_delta":
                out.end = _STOPS[e["delta"]["stop_reason"]]
                out.usage = _messages_usage(e["usage"])
            case "error":
                out.end, out.error = "failed", e["error"]["message"]
    for made in out.calls:
        made.complete = out.end == "completed"
        made.arguments = made.arguments or "{}"
    return out


def _messages_whole(body: dict[str, Any]) -> Read:
    out = Read(end=_STOPS[body["stop_reason"]], usage=_messages_usage(body["usage"]))
    for block in body["content"]:
        if block["type"] == "text":
            out.text += block["text"]
        elif block["type"] == "thinking":
            out.reasoning += block["thinking"]
        elif block["type"] == "tool_use":
            out.calls.append(Call(block["id"], block["name"], json.dumps(block["input"], separators=(",", ":"))))
    return out
