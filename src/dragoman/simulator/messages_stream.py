"""A turn as a Messages answer: the documented events, or one JSON body."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.speech import Count, Step, fragments

ERROR = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"upstream exploded"}}\n\n'
"""What an error in mid-stream looks like."""

_STOP = {"length": "max_tokens"}


def signature(reasoning: str) -> str:
    """The signature of a thinking block."""
    return "sig-" + hashlib.sha256(reasoning.encode()).hexdigest()[:40]


def stop_reason(turn: Turn) -> str:
    """The vendor's word for the end of the turn."""
    return _STOP.get(turn.finish, turn.finish) or ("tool_use" if turn.calls else "end_turn")


def usage(spent: Count, fault: str = "") -> dict[str, Any]:
    """The usage report: input without the cached tokens."""
    if fault == "usage_bad":
        return {"input_tokens": "many", "output_tokens": [], "cache_read_input_tokens": {}}
    return {
        "input_tokens": spent.prompt - spent.cached,
        "output_tokens": spent.output,
        "cache_read_input_tokens": None if fault == "usage_null" else spent.cached,
    }


def _event(kind: Any, name: str, **body: Any) -> Step:
    data = msgspec.json.encode({"type": name, **body})
    return Step(kind, b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")


def _block(kind: Any, index: int, start: dict[str, Any], deltas: list[dict[str, Any]]) -> list[Step]:
    return [
        _event(kind, "content_block_start", index=index, content_block=start),
        *(_event(kind, "content_block_delta", index=index, delta=delta) for delta in deltas),
        _event("close", "content_block_stop", index=index),
    ]


def stream(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int) -> list[Step]:
    """The records of the stream, in the documented order. created is not part of this protocol."""
    first = msgspec.structs.replace(spent, output=0)
    message = {**_head(ask, answer_id), "content": [], "stop_reason": None, "stop_sequence": None}
    steps = [_event("start", "message_start", message={**message, "usage": usage(first, turn.fault)})]
    blocks = 0
    if turn.reasoning:
        deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": p} for p in fragments(turn.reasoning)]
        deltas.append({"type": "signature_delta", "signature": signature(turn.reasoning)})
        steps += _block("reasoning", blocks, {"type": "thinking", "thinking": "", "signature": ""}, deltas)
        blocks += 1
    if turn.text:
        deltas = [{"type": "text_delta", "text": p} for p in fragments(turn.text)]
        steps += _block("text", blocks, {"type": "text", "text": ""}, deltas)
        blocks += 1
    for call in turn.calls:
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in fragments(call.arguments)]
        start = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        steps += _block("call", blocks, start, deltas)
        blocks += 1
    delta = {"stop_reason": stop_reason(turn), "stop_sequence": None}
    ending: dict[str, Any] = {"delta": delta}
    if turn.fault != "usage_none":
        ending["usage"] = usage(spent, turn.fault)
    steps.append(_event("finish", "message_delta", **ending))
    steps.append(_event("done", "message_stop"))
    return steps


def whole(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int) -> bytes:
    """The answer as one JSON body."""
    content: list[dict[str, Any]] = []
    if turn.reasoning:
        content.append({"type": "thinking", "thinking": turn.reasoning, "signature": signature(turn.reasoning)})
    if turn.text:
        content.append({"type": "text", "text": turn.text})
    content += [{"type": "tool_use", "id": c.id, "name": c.name, "input": _input(c)} for c in turn.calls]
    body: dict[str, Any] = {
        **_head(ask, answer_id),
        "content": [] if turn.fault == "empty" else content,
        "stop_reason": stop_reason(turn),
        "stop_sequence": None,
    }
    if turn.fault != "usage_none":
        body["usage"] = usage(spent, turn.fault)
    return msgspec.json.encode(body)


def _head(ask: Ask, answer_id: str) -> dict[str, Any]:
    return {"id": answer_id, "type": "message", "role": "assistant", "model": ask.model}


def _input(call: Call) -> Any:
    try:
        return msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return {}
