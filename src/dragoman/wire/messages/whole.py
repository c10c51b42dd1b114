"""A whole answer as the Messages protocol's message object, and the answer of the token counter.

In: the folded reply. Out: bytes; the same message that the stream of this reply builds up. One thing only the whole
form can do: arguments that are not a JSON object, or that were cut, are shown under `raw_arguments`, because `input`
must be an object; a stream has sent such text already.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.core.events import Failed
from dragoman.core.fold import Reply
from dragoman.core.messages import Block, Opaque, Reasoning, Text, ToolCall, WebSearch
from dragoman.errors import from_info
from dragoman.wire.base import Mint
from dragoman.wire.messages.marker import signature_of
from dragoman.wire.messages.request_in import View
from dragoman.wire.messages.search import raw_blocks, result_block, server_id, use_block
from dragoman.wire.messages.shown import (
    RAW_ARGUMENTS,
    citation_of,
    hidden,
    input_shown,
    redacted,
    stop_reason_of,
    tool_head,
)
from dragoman.wire.messages.usage import shown


def encode_whole(view: View, reply: Reply, mint: Mint, now: int, id: str = "") -> bytes:
    """The message object. A failed reply has none: its error is raised, for the HTTP status that it deserves."""
    end = reply.end
    if isinstance(end, Failed):
        raise from_info(end.error)
    done = reply.complete or (True,) * len(reply.message.content)
    pairs = zip(reply.message.content, done, strict=False)
    content: list[Any] = []
    searches = 0
    for block, whole in pairs:
        if isinstance(block, WebSearch):
            content += _search(block, mint)
            searches += block.status == "completed"
        elif (part := _block(block, whole, view)) is not None:
            content.append(part)
    reason, sequence = stop_reason_of(end, called=bool(reply.calls))
    usage = {**shown(reply.usage, start=True), **shown(reply.usage, start=False, searches=searches)}
    return msgspec.json.encode(
        {
            "id": id or mint("msg_"),
            "type": "message",
            "role": "assistant",
            "model": view.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": usage,
        }
    )


def _search(block: WebSearch, mint: Mint) -> list[Any]:
    """A search and its result."""
    raws = raw_blocks(block)
    if raws:
        return list(raws)
    id = server_id(block.id) or mint("srvtoolu_")
    use = use_block(block, id)
    return [use] if block.status == "in_progress" else [use, result_block(block, id)]


def _block(block: Block, whole: bool, view: View) -> Any:
    if isinstance(block, Text):
        out: dict[str, Any] = {"type": "text", "text": block.text}
        citations = [c for data in block.annotations if (c := citation_of(data)) is not None]
        if citations:
            out["citations"] = citations
        return out
    if isinstance(block, ToolCall):
        return {**tool_head(block), "input": input_shown(block) if whole else {RAW_ARGUMENTS: block.arguments}}
    if isinstance(block, Reasoning):
        if hidden(block):
            return None
        raw = redacted(block)
        if raw is not None:
            return raw
        text = block.text if view.show_thinking else ""
        return {"type": "thinking", "thinking": text, "signature": signature_of(block)}
    if isinstance(block, Opaque) and block.wire == "messages":
        return block.data
    return None


def encode_count(tokens: int) -> bytes:
    """The answer of `count_tokens`."""
    return msgspec.json.encode({"input_tokens": tokens})
