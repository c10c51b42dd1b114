"""A whole answer written as a Chat completion object, for a client that did not ask for a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import Failed
from dragoman.core.fold import Reply
from dragoman.core.messages import Reasoning, Text, ToolCall
from dragoman.wire.base import Mint
from dragoman.wire.chat_completions.encoder import citation, finish_reason, patched
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.chat_completions.usage import write_usage
from dragoman.wire.chat_completions.view import View


def encode_whole(view: View, reply: Reply, mint: Mint, now: int, id: str = "") -> bytes:
    """The completion object. A failed reply gives the error object instead; its HTTP status is the gateway's."""
    end = reply.end
    if isinstance(end, Failed):
        return encode_error(end.error)
    body: dict[str, Any] = {
        "id": id or mint("chatcmpl-"),
        "object": "chat.completion",
        "created": now,
        "model": view.model,
        "choices": [{"index": 0, "message": _message(reply), "finish_reason": finish_reason(end)}],
    }
    usage = write_usage(reply.usage)
    if usage is not None:
        body["usage"] = usage
    return msgspec.json.encode(body)


def _message(reply: Reply) -> dict[str, Any]:
    blocks = reply.message.content
    thoughts = [block.text for block in blocks if isinstance(block, Reasoning) and block.text]
    calls = [_call(block) for block in blocks if isinstance(block, ToolCall)]
    texts = [block for block in blocks if isinstance(block, Text)]
    text = "".join(block.text for block in texts)
    message: dict[str, Any] = {"role": "assistant", "content": None if calls and not text else text}
    if thoughts:
        message["reasoning_content"] = "\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    annotations = [citation(data) for block in texts for data in block.annotations]
    if annotations:
        message["annotations"] = annotations
    return message


def _call(call: ToolCall) -> dict[str, Any]:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def native_whole(view: View, body: bytes, id: str = "") -> bytes:
    """The vendor's own completion object with only `model`, and the id where one is given, replaced."""
    fields = msgspec.json.decode(body, type=dict[str, Raw])
    patch = {"model": Raw(msgspec.json.encode(view.model))}
    if id:
        patch["id"] = Raw(msgspec.json.encode(id))
    return patched(fields, patch)
