"""A whole answer written as a Chat completion object, for a client that did not ask for a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import Failed
from dragoman.core.fold import Reply
from dragoman.core.messages import Block, Reasoning, Text, ToolCall, WebSearch
from dragoman.wire.base import Mint, missing_arguments
from dragoman.wire.chat_completions.encoder import citation, gap
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.chat_completions.finish import finish_reason
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
    done = reply.complete or (True,) * len(blocks)
    calls = [_call(b, whole) for b, whole in zip(blocks, done, strict=False) if isinstance(b, ToolCall)]
    text, annotations = _prose(blocks)
    message: dict[str, Any] = {"role": "assistant", "content": None if calls and not text else text}
    if thoughts:
        message["reasoning_content"] = "\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    if annotations:
        message["annotations"] = annotations
    return message


def _prose(blocks: Sequence[Block]) -> tuple[str, list[Raw]]:
    """The text of all blocks, and the citations at their places in it."""
    text = between = ""
    annotations: list[Raw] = []
    for block in blocks:
        if isinstance(block, WebSearch):
            between = gap(text)
        elif isinstance(block, Text):
            text, between = text + between, ""
            annotations += [citation(data, len(text), len(block.text)) for data in block.annotations]
            text += block.text
    return text, annotations


def _call(call: ToolCall, whole: bool) -> dict[str, Any]:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    arguments = call.arguments + (missing_arguments(call) if whole else "")
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
