"""A turn as a Chat Completions answer: a stream, or one JSON body. `ChatVoice` is the shape that most vendors share.

A vendor's file overrides what its server does otherwise: which keys a chunk has, where usage stands, how reasoning and
calls are cut, and the words for an end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.speech import Count, Step, StepKind, fragments
from dragoman.simulator.vendor import Vendor

PREFIX = "chatcmpl-"
"""How answer ids begin."""


def error(vendor: Vendor) -> bytes:
    """What an error in mid-stream looks like."""
    return b"data: " + vendor.body(vendor.failures["exploded"], "chat", "") + b"\n\n"


def words(vendor: Vendor) -> Mapping[str, str]:
    """The vendor's words for the ends that faults ask for."""
    return _voice(vendor).words


def sign(turn: Turn, vendor: Vendor) -> str | None:
    """Chat has no place for a signature."""
    return None


def stream(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int, vendor: Vendor) -> list[Step]:
    """The records of the stream, in the vendor's order."""
    return _voice(vendor).stream(ask, turn, spent, _Head(ask, answer_id, created))


def whole(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int, vendor: Vendor) -> bytes:
    """The answer as one JSON body."""
    return _voice(vendor).whole(ask, turn, spent, _Head(ask, answer_id, created))


def _voice(vendor: Vendor) -> ChatVoice:
    assert vendor.chat_voice is not None
    return vendor.chat_voice


class _Head(dict[str, Any]):
    """The keys that every chunk of one answer repeats."""

    def __init__(self, ask: Ask, answer_id: str, created: int) -> None:
        super().__init__(id=answer_id, created=created, model=ask.model)


def url_citations(turn: Turn) -> list[dict[str, Any]]:
    """The sources of a search as url citations."""
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


def woven(calls: list[list[Step]]) -> list[Step]:
    """Fragments of the calls in turn."""
    longest = max(map(len, calls), default=0)
    return [call[i] for i in range(longest) for call in calls if i < len(call)]


class ChatVoice:
    """How one vendor answers on Chat Completions.

    words: end of the answer -> finish reason, for the ends that this vendor has beside stop and tool_calls. usage_at:
    in a chunk of its own always, or only when asked for, or in the last chunk of the choice. keep_alive: what the
    server sends while a request waits, in a stream and before a body.
    """

    words: Mapping[str, str] = {"length": "length", "content_filter": "content_filter"}
    usage_at: Literal["always", "asked", "finish"] = "asked"
    keep_alive: tuple[bytes, bytes] = (b"", b"")

    def finish_reason(self, turn: Turn) -> str:
        """The vendor's word for the end of the turn; a word that it has no translation for is taken as it is."""
        return self.words.get(turn.finish, turn.finish) or ("tool_calls" if turn.calls else "stop")

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        """The usage report."""
        if turn.fault == "usage_bad":
            return {"prompt_tokens": "many", "completion_tokens": [], "total_tokens": {}}
        nulls = turn.fault == "usage_null"
        return {
            "prompt_tokens": spent.prompt,
            "completion_tokens": spent.output,
            "total_tokens": spent.prompt + spent.output,
            "completion_tokens_details": None if nulls else {"reasoning_tokens": spent.reasoning},
            "prompt_tokens_details": None if nulls else {"cached_tokens": spent.cached},
        }

    # -- streams

    def chunk(self, kind: StepKind, head: Mapping[str, Any], body: Mapping[str, Any]) -> Step:
        """A record."""
        data = {"object": "chat.completion.chunk", **head, **body}
        return Step(kind, b"data: " + msgspec.json.encode(data) + b"\n\n")

    def choice(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        """The one choice of a chunk."""
        return {"index": 0, "delta": delta, "finish_reason": finish}

    def delta(self, ask: Ask, **fields: Any) -> dict[str, Any]:
        """What the delta of this vendor always holds, with these fields."""
        return fields

    def stream(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> list[Step]:
        """All records."""

        def say(kind: StepKind, fields: dict[str, Any], finish: str | None = None, **more: Any) -> Step:
            choice = self.choice(self.delta(ask, **fields), finish)
            return self.chunk(kind, head, {"choices": [choice], **self.no_usage(ask), **more})

        steps = [Step("start", self.keep_alive[0])] * (3 if "queued" in turn.manners and self.keep_alive[0] else 0)
        steps += [say("start", fields) for fields in self.opening(ask, turn)]
        steps += [say("reasoning", fields) for fields in self.reasoning(ask, turn)]
        steps += [say("text", fields) for fields in self.text(ask, turn)]
        calls = [
            [say("call", {"tool_calls": [piece]}) for piece in self.call(ask, call, index)]
            for index, call in enumerate(turn.calls)
        ]
        steps += woven(calls) if turn.fault == "interleave" else [step for call in calls for step in call]
        final = {"usage": self.usage(spent, turn)} if turn.fault != "usage_none" else {}
        at_finish = final if self.finishes_with_usage(ask) else {}
        steps.append(say("finish", self.closing(ask, turn), self.finish_reason(turn), **at_finish))
        if self.usage_at == "always" or (self.usage_at == "asked" and "usage" in ask.options):
            steps.append(self.chunk("usage", head, {"choices": [], "usage": self.usage(spent, turn)}))
        return [*steps, *self.ending(ask, turn, spent, head), Step("done", b"data: [DONE]\n\n")]

    def finishes_with_usage(self, ask: Ask) -> bool:
        """Whether the chunk with the finish reason holds usage."""
        return self.usage_at == "finish"

    def no_usage(self, ask: Ask) -> dict[str, Any]:
        """What stands for usage in chunks that have none."""
        return {"usage": None} if "usage" in ask.options else {}

    def opening(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        """Deltas before anything is said."""
        yield {"role": "assistant", "content": ""}

    def reasoning(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        """Deltas of the reasoning."""
        for piece in fragments(turn.reasoning):
            yield {"reasoning_content": piece}

    def text(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        """Deltas of the text."""
        for piece in fragments(turn.text):
            yield {"content": piece}

    def call(self, ask: Ask, call: Call, index: int) -> Iterator[dict[str, Any]]:
        """Pieces of one call: id and name first, then the arguments."""
        yield {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        for piece in fragments(call.arguments):
            yield {"index": index, "function": {"arguments": piece}}

    def closing(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        """The delta beside the finish reason."""
        return {}

    def ending(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> list[Step]:
        """Records between the last chunk and the end marker."""
        return []

    # -- whole answers

    def whole(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> bytes:
        """One JSON body."""
        waiting = self.keep_alive[1] * 3 if "queued" in turn.manners else b""
        return waiting + msgspec.json.encode(self.completion(ask, turn, spent, head))

    def completion(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> dict[str, Any]:
        """The body as an object."""
        choices = [{"index": 0, "finish_reason": self.finish_reason(turn), "message": self.message(ask, turn)}]
        empty = turn.fault in ("empty", "no_choices")
        body: dict[str, Any] = {"object": "chat.completion", **head, "choices": [] if empty else choices}
        if turn.fault != "usage_none":
            body["usage"] = self.usage(spent, turn)
        return body

    def message(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        """The message of a whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": turn.text}
        if turn.reasoning:
            message["reasoning_content"] = turn.reasoning
        if turn.calls:
            message["tool_calls"] = [self.whole_call(call, index) for index, call in enumerate(turn.calls)]
        return message

    def whole_call(self, call: Call, index: int) -> dict[str, Any]:
        """A call of a whole answer."""
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
