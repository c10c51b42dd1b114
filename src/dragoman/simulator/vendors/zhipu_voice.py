"""How Zhipu answers: usage beside the finish reason, whole calls unless pieces are asked for, found pages first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.chat_stream import ChatVoice
from dragoman.simulator.messages_stream import MessagesVoice
from dragoman.simulator.speech import Count, Step, StepKind


class Voice(ChatVoice):
    """Chunks without `object`, the role in each of them, usage beside the finish reason."""

    words: Mapping[str, str] = {
        "length": "length",
        "content_filter": "sensitive",
        "network_error": "network_error",
        "context": "model_context_window_exceeded",
    }
    usage_at = "finish"

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        report = super().usage(spent, turn)
        report.pop("completion_tokens_details", None)
        return report

    def no_usage(self, ask: Ask) -> dict[str, Any]:
        return {}

    def chunk(self, kind: StepKind, head: Mapping[str, Any], body: Mapping[str, Any]) -> Step:
        data = {**head, "request_id": head["id"], **body}
        return Step(kind, b"data: " + msgspec.json.encode(data) + b"\n\n")

    def choice(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return super().choice(delta, finish) if finish else {"index": 0, "delta": delta}

    def delta(self, ask: Ask, **fields: Any) -> dict[str, Any]:
        return {"role": "assistant", **fields}

    def opening(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        return iter(())

    def stream(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> list[Step]:
        steps = super().stream(ask, turn, spent, head)
        if turn.sources:
            found = {"choices": [{"index": 0, "delta": self.delta(ask, content="")}], "web_search": _results(turn)}
            steps.insert(0, self.chunk("start", head, found))
        return steps

    def call(self, ask: Ask, call: Call, index: int) -> Iterator[dict[str, Any]]:
        if "pieces" in ask.options:
            yield from super().call(ask, call, index)
        else:
            yield {"index": index, **self.whole_call(call, index)}

    def closing(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        return {"content": ""}

    def completion(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> dict[str, Any]:
        body = {**super().completion(ask, turn, spent, head), "request_id": head["id"]}
        del body["object"]
        if turn.sources:
            body["web_search"] = _results(turn)
        return body

    def whole_call(self, call: Call, index: int) -> dict[str, Any]:
        return {**super().whole_call(call, index), "index": index}


def _results(turn: Turn) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            "link": url,
            "content": f"{title}: a summary.",
            "media": "example",
            "icon": "",
            "refer": f"ref_{index}",
            "publish_date": "2026-01-01",
        }
        for index, (url, title) in enumerate(turn.sources, 1)
    ]


class SpokenMessages(MessagesVoice):
    """Messages with the vendor's words for an end."""

    words: Mapping[str, str] = {
        "length": "max_tokens",
        "content_filter": "refusal",
        "context": "model_context_window_exceeded",
    }
