"""What the vendors' tests share: a client's body planned for a model, and an HTTP error read by that plan."""

from __future__ import annotations

import json
from typing import Any

from dragoman.catalog import load, resolve
from dragoman.core.events import Event
from dragoman.errors import ErrorInfo
from dragoman.providers import Plan, Target, plan
from dragoman.wire import chat_completions, messages, responses

CATALOGUE = load()
WIRES: dict[str, Any] = {"chat": chat_completions, "responses": responses, "messages": messages}


def target(name: str, **more: Any) -> Target:
    """The shipped `provider:model`, with a key."""
    found = resolve(name, CATALOGUE, enabled=[name.partition(":")[0]])
    return Target(found.provider, found.model, "sk-key", "main", **more)


def made(
    name: str | Target, body: dict[str, Any], wire: str = "chat", session: str = ""
) -> tuple[Plan, dict[str, Any]]:
    """The plan and its body, for a client's body; a question is added where it has none."""
    question: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
    if wire == "responses":
        question = {"input": "hi"}
    elif wire == "messages":
        question["max_tokens"] = 4096
    request, _ = WIRES[wire].decode_request(json.dumps({"model": "x", **question, **body}).encode())
    done = plan(request, target(name) if isinstance(name, str) else name, session=session)
    return done, json.loads(done.body)


def notes(done: Plan) -> set[tuple[str, str]]:
    """Code and field of every note."""
    return {(note.code, note.field) for note in done.notes}


def failure(name: str, status: int, body: Any, **headers: str) -> ErrorInfo:
    """What an HTTP error of this vendor means."""
    done, _ = made(name, {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return done.error(status, {key.replace("_", "-"): value for key, value in headers.items()}, data)


def said(message: str, **more: Any) -> dict[str, Any]:
    """An error body of the common form."""
    return {"error": {"message": message, **more}}


def stream(done: Plan, *chunks: Any) -> list[Event]:
    """The events of a stream, behind the plan's own stages."""
    lines = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    decoder = done.decoder(lambda prefix: prefix + "new", "turn_1")
    stages = done.stages()
    out: list[Event] = []
    for batch in (decoder.feed(lines), decoder.end()):
        for stage in stages:
            batch = stage.feed(batch)
        out += batch
    return out


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a Chat stream."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return {"id": "up", "created": 1, "model": "m", "choices": [choice]}


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
LOOP: list[dict[str, Any]] = [
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "", "reasoning_content": "why", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
]
"""A question, a call that was thought about, and its result."""
