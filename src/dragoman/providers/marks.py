"""Cache marks of the Messages protocol: at most four, on tools, system text and user turns, never on thinking.

The client's own marks win; a client that knows no marks gets them on the system text and on the first and the last
user message, for providers that take them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from dragoman.core.messages import Block, Media, Message, Text, ToolCall, ToolResult
from dragoman.core.tools import Tool

MOST = 4
"""Marks that one request may hold."""
_MARK = Raw(b'{"type":"ephemeral"}')


def shape_marks(messages: Sequence[Message], tools: Sequence[Tool]) -> tuple[Message, ...]:
    """`messages` with the marks that the request should carry."""
    taken = sum(tool.cache is not None for tool in tools)
    marked = sum(_count(block) for message in messages for block in message.content)
    if marked:
        return _thin(messages, marked + taken - MOST) if marked + taken > MOST else tuple(messages)
    return tuple(messages) if taken else _place(messages)


def _count(block: Block) -> int:
    own = isinstance(block, Text | Media | ToolCall | ToolResult) and block.cache is not None
    parts = block.content if isinstance(block, ToolResult) else ()
    return own + sum(p.cache is not None for p in parts if isinstance(p, Text | Media))


def _thin(messages: Sequence[Message], surplus: int) -> tuple[Message, ...]:
    """Without the earliest `surplus` marks after the system text: the late ones cover more of the prompt."""
    out = []
    for message in messages:
        blocks: list[Block] = []
        for block in message.content:
            if surplus > 0 and message.role not in ("system", "developer") and _count(block):
                surplus -= _count(block)
                block = _bare(block)
            blocks.append(block)
        out.append(msgspec.structs.replace(message, content=tuple(blocks)))
    return tuple(out)


def _bare(block: Block) -> Block:
    if isinstance(block, ToolResult):
        parts = tuple(
            msgspec.structs.replace(p, cache=None) if isinstance(p, Text | Media) else p for p in block.content
        )
        return msgspec.structs.replace(block, content=parts, cache=None)
    return msgspec.structs.replace(block, cache=None) if isinstance(block, Text | Media | ToolCall) else block


def _place(messages: Sequence[Message]) -> tuple[Message, ...]:
    out = list(messages)
    leading = 0
    while leading < len(out) and out[leading].role in ("system", "developer"):
        leading += 1
    users = [at for at, message in enumerate(out) if message.role == "user"]
    for at in sorted({*([leading - 1] if leading else []), *users[:1], *users[-1:]}):
        out[at] = _mark_last(out[at])
    return tuple(out)


def _mark_last(message: Message) -> Message:
    """The message with a mark on its last text."""
    for at in range(len(message.content) - 1, -1, -1):
        block = message.content[at]
        if isinstance(block, Text):
            marked = msgspec.structs.replace(block, cache=_MARK)
            return msgspec.structs.replace(message, content=(*message.content[:at], marked, *message.content[at + 1 :]))
    return message
