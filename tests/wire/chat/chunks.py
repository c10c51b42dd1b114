"""Upstream chunks, written short."""

from __future__ import annotations

import json
from typing import Any

from dragoman.core.events import Event
from dragoman.core.fold import Reply, fold
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext
from dragoman.wire.chat_completions import Decoder

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = "[DONE]"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "up", "object": "chat.completion.chunk", "created": 1, "model": "vm", "choices": [choice], **top}


def usage(report: Any) -> dict[str, Any]:
    """A usage-only chunk."""
    return {"id": "up", "choices": [], "usage": report}


def call(index: int | None = None, id: str | None = None, name: str | None = None, args: Any = None) -> dict[str, Any]:
    """A delta with one call fragment."""
    function = {k: v for k, v in (("name", name), ("arguments", args)) if v is not None}
    fragment = {k: v for k, v in (("index", index), ("id", id)) if v is not None}
    return {"tool_calls": [{**fragment, "function": function}]}


def sse(*items: dict[str, Any] | str) -> bytes:
    """The stream of these chunks."""
    lines = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in items]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def context(**more: Any) -> DecodeContext:
    """A vendor `v`, family `fam`, turn `t`."""
    return DecodeContext(**{"provider": "v", "family": "fam", "turn": "t", "mint": lambda p: p + "new", **more})


def events(*items: dict[str, Any] | str, error: ErrorInfo | None = None, **more: Any) -> list[Event]:
    """The events of the stream of these chunks."""
    decoder = Decoder(context(**more))
    return decoder.feed(sse(*items)) + decoder.end(error)


def reply(*items: dict[str, Any] | str, **more: Any) -> Reply:
    """The folded answer of the stream of these chunks."""
    return fold(events(*items, **more))
