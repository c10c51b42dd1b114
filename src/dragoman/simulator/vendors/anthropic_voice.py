"""How Anthropic answers: its blocks in order, pings, usage that comes twice, and searches with their citations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn, task
from dragoman.simulator.memory import CACHE_BLOCK
from dragoman.simulator.messages_stream import MessagesVoice, block, event
from dragoman.simulator.seals import seal
from dragoman.simulator.speech import Count, Step, StepKind, fragments
from dragoman.simulator.vendors.anthropic_rules import OWNER, PAGE, REDACTED, sign

_Block = tuple[StepKind, dict[str, Any], list[dict[str, Any]], dict[str, Any]]
"""A block: what it is, how it starts, its deltas, and how it looks whole."""


class Voice(MessagesVoice):
    """Anthropic answers: signed or redacted thinking, searches and citations, usage by cache marks."""

    words: Mapping[str, str] = {
        "length": "max_tokens",
        "content_filter": "refusal",
        "refusal": "refusal",
        "pause": "pause_turn",
        "context": "model_context_window_exceeded",
    }

    def sign(self, reasoning: str) -> str:
        return sign(reasoning)

    def report(self, ask: Ask, turn: Turn, spent: Count) -> dict[str, Any]:
        """The usage report. Nothing is cached without a mark."""
        if turn.fault == "usage_bad":
            return {"input_tokens": "many", "output_tokens": [], "cache_read_input_tokens": {}}
        cached = spent.cached if "cache" in ask.options else 0
        fresh = spent.prompt - cached
        created = fresh // CACHE_BLOCK * CACHE_BLOCK if "cache" in ask.options else 0
        null = turn.fault == "usage_null"
        found: dict[str, Any] = {
            "input_tokens": fresh - created,
            "cache_creation_input_tokens": None if null else created,
            "cache_read_input_tokens": None if null else cached,
            "cache_creation": None if null else {"ephemeral_5m_input_tokens": created, "ephemeral_1h_input_tokens": 0},
            "output_tokens": spent.output,
            "service_tier": "standard",
        }
        if turn.sources:
            found["server_tool_use"] = {"web_search_requests": 1, "web_fetch_requests": 0}
        return found

    def ending(self, turn: Turn) -> dict[str, Any]:
        """Why the answer is over."""
        if turn.stopped and not turn.finish:
            return {"stop_reason": "stop_sequence", "stop_sequence": turn.stopped}
        return {"stop_reason": self.stop_reason(turn), "stop_sequence": None}

    def stream(self, ask: Ask, turn: Turn, spent: Count, answer_id: str) -> list[Step]:
        """All records."""
        first = self.report(ask, turn, msgspec.structs.replace(spent, output=1))
        message = {**self.head(ask, answer_id), "content": [], "stop_reason": None, "stop_sequence": None}
        steps = [event("start", "message_start", message={**message, "usage": first}), event("start", "ping")]
        for index, (kind, start, deltas, _) in enumerate(_blocks(ask, turn)):
            steps += block(kind, index, start, deltas)
        last: dict[str, Any] = {"delta": self.ending(turn)}
        if turn.fault != "usage_none":
            # The documented total: the numbers of the start come again beside the final output.
            report = self.report(ask, turn, spent)
            last["usage"] = {k: v for k, v in report.items() if k not in ("service_tier", "cache_creation")}
        return [*steps, event("finish", "message_delta", **last), event("done", "message_stop")]

    def whole(self, ask: Ask, turn: Turn, spent: Count, answer_id: str) -> bytes:
        """One JSON body."""
        content = [found for *_, found in _blocks(ask, turn)]
        body = {
            **self.head(ask, answer_id),
            "content": [] if turn.fault == "empty" else content,
            **self.ending(turn),
        }
        if turn.fault != "usage_none":
            body["usage"] = self.report(ask, turn, spent)
        return msgspec.json.encode(body)


def _blocks(ask: Ask, turn: Turn) -> Iterable[_Block]:
    if turn.reasoning:
        yield _thinking(ask, turn)
    if turn.sources:
        yield from _search(ask, turn)
    if turn.text:
        cited = [_citation(turn, url, title) for url, title in turn.sources]
        deltas: list[dict[str, Any]] = [{"type": "citations_delta", "citation": one} for one in cited]
        deltas += [{"type": "text_delta", "text": piece} for piece in fragments(turn.text)]
        found: dict[str, Any] = {"type": "text", "text": turn.text}
        yield "text", {"type": "text", "text": ""}, deltas, {**found, "citations": cited} if cited else found
    for call in turn.calls:
        start = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        # The first piece is empty, as the real server's is; a call without arguments has no other.
        pieces = ["", *(() if call.arguments == "{}" else fragments(call.arguments))]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield "call", start, deltas, {**start, "input": _input(call)}


def _thinking(ask: Ask, turn: Turn) -> _Block:
    if "redacted" in turn.manners:
        found = {"type": "redacted_thinking", "data": seal(turn.reasoning, OWNER, REDACTED)}
        return "reasoning", found, [], found
    text = "" if "omitted" in ask.options else turn.reasoning
    signature = sign(turn.reasoning)
    deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": piece} for piece in fragments(text)]
    deltas.append({"type": "signature_delta", "signature": signature})
    found = {"type": "thinking", "thinking": text, "signature": signature}
    return "reasoning", {"type": "thinking", "thinking": "", "signature": ""}, deltas, found


def _search(ask: Ask, turn: Turn) -> Iterable[_Block]:
    """What the server asked the web, and what it found."""
    query = " ".join(task(ask.said)[0].split()[:8])
    asked = {"query": query}
    use_id = f"srvtoolu_{len(ask.said):04x}"
    start = {"type": "server_tool_use", "id": use_id, "name": "web_search", "input": {}}
    pieces = fragments(msgspec.json.encode(asked).decode())
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    yield "text", start, deltas, {**start, "input": asked}
    pages = [
        {
            "type": "web_search_result",
            "url": url,
            "title": title,
            "encrypted_content": seal(f"{title}: a page.", OWNER, PAGE),
            "page_age": None,
        }
        for url, title in turn.sources
    ]
    result = {"type": "web_search_tool_result", "tool_use_id": use_id, "content": pages}
    yield "text", result, [], result


def _citation(turn: Turn, url: str, title: str) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": url,
        "title": title,
        "encrypted_index": seal(url, OWNER, PAGE),
        "cited_text": f"{title}: a page.",
    }


def _input(call: Call) -> Any:
    try:
        return msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return {}
