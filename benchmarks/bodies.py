"""Request bodies for the benchmark, in the three client protocols: `small` (0.2 KB) and `agent` (about 46 KB)."""

from __future__ import annotations

import json
from typing import Any

WORDS = "the gateway reads the request, plans the call, carries the stream and counts what it cost; "


def _schema(i: int) -> dict[str, Any]:
    fields = {f"field_{j}": {"type": "string", "description": WORDS * 2} for j in range(6)}
    return {
        "type": "object",
        "properties": {**fields, "n": {"type": "integer"}},
        "required": ["field_0"],
        "title": f"tool {i}",
    }


def body(wire: str, size: str, model: str, stream: bool) -> bytes:
    """One request body."""
    agent = size == "agent"
    system = (WORDS * 90)[:8000] if agent else "Be brief."
    rounds = (
        [(f"call_{i}", f"tool_{i % 12}", json.dumps({"field_0": WORDS}), WORDS * 4) for i in range(12)] if agent else []
    )
    tools = [(f"tool_{i}", WORDS * 3, _schema(i)) for i in range(12)] if agent else []
    return json.dumps(
        {"chat": _chat, "responses": _responses, "messages": _messages}[wire](model, stream, system, rounds, tools)
    ).encode()


def _chat(model: str, stream: bool, system: str, rounds: list[Any], tools: list[Any]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": system},
        {"role": "user", "content": "Say something long."},
    ]
    for id_, name, arguments, result in rounds:
        call = {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        messages.append({"role": "assistant", "content": "", "reasoning_content": WORDS, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": id_, "content": result})
    out: dict[str, Any] = {"model": model, "messages": messages, "stream": stream}
    if tools:
        out["tools"] = [
            {"type": "function", "function": {"name": n, "description": d, "parameters": s}} for n, d, s in tools
        ]
    return out


def _responses(model: str, stream: bool, system: str, rounds: list[Any], tools: list[Any]) -> dict[str, Any]:
    items: list[dict[str, Any]] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say something long."}]}
    ]
    for id_, name, arguments, result in rounds:
        items.append({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": WORDS}]})
        items.append({"type": "function_call", "call_id": id_, "name": name, "arguments": arguments})
        items.append({"type": "function_call_output", "call_id": id_, "output": result})
    out: dict[str, Any] = {"model": model, "instructions": system, "input": items, "stream": stream, "store": False}
    if tools:
        out["tools"] = [
            {"type": "function", "name": n, "description": d, "parameters": s, "strict": False} for n, d, s in tools
        ]
    return out


def _messages(model: str, stream: bool, system: str, rounds: list[Any], tools: list[Any]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Say something long."}]
    for id_, name, arguments, result in rounds:
        use = {"type": "tool_use", "id": id_, "name": name, "input": json.loads(arguments)}
        messages.append(
            {"role": "assistant", "content": [{"type": "thinking", "thinking": WORDS, "signature": "x"}, use]}
        )
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_, "content": result}]})
    out: dict[str, Any] = {"model": model, "system": system, "messages": messages, "stream": stream, "max_tokens": 4096}
    if tools:
        out["tools"] = [{"name": n, "description": d, "input_schema": s} for n, d, s in tools]
    return out
