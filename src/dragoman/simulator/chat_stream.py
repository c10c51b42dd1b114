"""A turn as a Chat Completions answer: the documented stream, or one JSON body."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.simulator.ask import Ask
from dragoman.simulator.brain import Turn
from dragoman.simulator.speech import Count, Step, fragments

ERROR = b'data: {"error":{"code":"500","message":"upstream exploded","param":"","type":""}}\n\n'
"""What an error in mid-stream looks like."""


def finish_reason(turn: Turn) -> str:
    """The vendor's word for the end of the turn."""
    return turn.finish or ("tool_calls" if turn.calls else "stop")


def usage(spent: Count, fault: str = "") -> dict[str, Any]:
    """The usage report."""
    if fault == "usage_bad":
        return {"prompt_tokens": "many", "completion_tokens": [], "total_tokens": {}}
    report: dict[str, Any] = {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.output,
        "total_tokens": spent.prompt + spent.output,
        "completion_tokens_details": None if fault == "usage_null" else {"reasoning_tokens": spent.reasoning},
        "prompt_tokens_details": None if fault == "usage_null" else {"cached_tokens": spent.cached},
    }
    if spent.searches:
        report["web_search_usage"] = {"tool_usage": spent.searches, "page_usage": 2 * spent.searches}
    return report


def _annotations(turn: Turn) -> list[dict[str, Any]]:
    return [
        {
            "type": "url_citation",
            "url": url,
            "title": title,
            "summary": f"{title}: a summary.",
            "site_name": "example",
            "publish_time": "2026-01-01",
            "logo_url": "",
        }
        for url, title in turn.sources
    ]


class _Chunks:
    """Writes chunks of one answer: the same id and time in each."""

    def __init__(self, ask: Ask, answer_id: str, created: int) -> None:
        self._head = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": ask.model}
        self._nulls: dict[str, Any] = {"role": None, "content": None, "tool_calls": None}
        if ask.thinking:
            self._nulls["reasoning_content"] = None

    def delta(self, kind: Any, finish: str | None = None, **fields: Any) -> Step:
        """A chunk whose delta has these fields and null in the others."""
        choice = {"delta": {**self._nulls, **fields}, "finish_reason": finish, "index": 0}
        return self.record(kind, {"choices": [choice], "usage": None})

    def record(self, kind: Any, body: dict[str, Any]) -> Step:
        """A chunk with this body."""
        return Step(kind, b"data: " + msgspec.json.encode({**self._head, **body}) + b"\n\n")


def stream(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int) -> list[Step]:
    """The records of the stream, in the documented order."""
    chunks = _Chunks(ask, answer_id, created)
    opening: dict[str, Any] = {"role": "assistant", "content": ""}
    if turn.sources:
        opening["annotations"] = _annotations(turn)
    steps = [chunks.delta("start", **opening)]
    steps += [chunks.delta("reasoning", reasoning_content=piece) for piece in fragments(turn.reasoning)]
    steps += [chunks.delta("text", content=piece) for piece in fragments(turn.text)]
    calls = [_call(chunks, turn, index) for index in range(len(turn.calls))]
    steps += _woven(calls) if turn.fault == "interleave" else [step for call in calls for step in call]
    steps.append(chunks.delta("finish", finish_reason(turn)))
    steps.append(chunks.record("usage", {"choices": [], "usage": usage(spent, turn.fault)}))
    steps.append(Step("done", b"data: [DONE]\n\n"))
    return steps


def _call(chunks: _Chunks, turn: Turn, index: int) -> list[Step]:
    call = turn.calls[index]
    first = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    return [
        chunks.delta("call", tool_calls=[first]),
        *(
            chunks.delta("call", tool_calls=[{"index": index, "function": {"arguments": piece}}])
            for piece in fragments(call.arguments)
        ),
    ]


def _woven(calls: list[list[Step]]) -> list[Step]:
    """Fragments of the calls in turn."""
    longest = max(map(len, calls), default=0)
    return [call[i] for i in range(longest) for call in calls if i < len(call)]


def whole(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int) -> bytes:
    """The answer as one JSON body."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text, "tool_calls": None}
    if turn.calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in turn.calls
        ]
    if ask.thinking:
        message["reasoning_content"] = turn.reasoning
    if turn.sources:
        message["annotations"] = _annotations(turn)
    choices = [{"index": 0, "finish_reason": finish_reason(turn), "message": message}]
    body: dict[str, Any] = {
        "id": answer_id,
        "object": "chat.completion",
        "created": created,
        "model": ask.model,
        "choices": [] if turn.fault in ("empty", "no_choices") else choices,
    }
    if turn.fault != "usage_none":
        body["usage"] = usage(spent, turn.fault)
    return msgspec.json.encode(body)
