"""Searches of earlier answers, made fit for one target: the part of replay that web search needs.

A search that the target's own server ran goes back raw. Of any other one whose pages are still known the model is told
again as the managed loop told it: a call and its result, with the same bytes. The rest is left out with a note: the
answer that was written from it is still there. Pure; `core.replay` decides what is the target's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from dragoman.core.messages import (
    Block,
    Message,
    Opaque,
    Reasoning,
    SearchSource,
    Text,
    ToolCall,
    ToolResult,
    WebSearch,
)
from dragoman.core.search import as_call, is_told


def expand_searches(
    messages: Iterable[Message],
    owns: Callable[[WebSearch], bool],
    tells: bool,
    note: Callable[[str, str, str], None],
) -> list[Message]:
    """`messages` without foreign searches: told of again, or left out. owns: the search may go back raw. tells: False
    where the vendor searches by itself and takes no results back."""
    out: list[Message] = []
    pages = 0  # told in this answer so far: their numbers go on
    for message in messages:
        if message.role not in ("assistant", "tool"):
            pages = 0
        if message.role != "assistant" or not any(isinstance(b, WebSearch) for b in message.content):
            out.append(message)
            continue
        blocks: list[Block] = []
        results: list[ToolResult] = []
        for block in message.content:
            if not isinstance(block, WebSearch) or owns(block):
                if results and isinstance(block, Text | Reasoning | Opaque):
                    _close(message, blocks, results, out)
                    blocks, results = [], []
                blocks.append(block)
            elif tells and is_told(block):
                call, result = as_call(block, pages + 1)
                pages += len(block.sources)
                blocks.append(call)
                results.append(result)
            else:
                note("item_dropped", "web_search", "a web search of an earlier answer was left out of the history")
        _close(message, blocks, results, out)
    return out


def told_sources(messages: Iterable[Message]) -> list[SearchSource]:
    """The pages that the answer which is being given was told of so far, in the order of their numbers."""
    pages: list[SearchSource] = []
    for message in messages:
        if message.role not in ("assistant", "tool"):
            pages.clear()
        for block in message.content:
            if isinstance(block, WebSearch) and is_told(block):
                pages += block.sources
    return pages


def _close(message: Message, blocks: list[Block], results: list[ToolResult], out: list[Message]) -> None:
    if blocks:
        out.append(msgspec.structs.replace(message, content=tuple(blocks)))
    if results:
        out.append(Message("tool", tuple(results)))


def told_again(message: Message) -> bool:
    """Whether a turn will hold calls once its searches are told of again."""
    return any(isinstance(b, ToolCall) or (isinstance(b, WebSearch) and is_told(b)) for b in message.content)
