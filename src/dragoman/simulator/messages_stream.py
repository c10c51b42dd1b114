"""A turn as a Messages answer: the documented events, or one JSON body. `MessagesVoice` is what vendors share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.speech import Count, Step, StepKind, fragments
from dragoman.simulator.vendor import Vendor

PREFIX = "msg-"
"""How answer ids begin."""


def error(vendor: Vendor) -> bytes:
    """What an error in mid-stream looks like."""
    return b"event: error\ndata: " + vendor.body(vendor.failures["exploded"], "messages", "") + b"\n\n"


def words(vendor: Vendor) -> Mapping[str, str]:
    """The vendor's words for the ends that faults ask for."""
    return _voice(vendor).words


def sign(turn: Turn, vendor: Vendor) -> str | None:
    """The signature of the turn's thinking block."""
    return _voice(vendor).sign(turn.reasoning)


def signature(reasoning: str) -> str:
    """The signature of a thinking block."""
    return "sig-" + hashlib.sha256(reasoning.encode()).hexdigest()[:40]


def stream(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int, vendor: Vendor) -> list[Step]:
    """The records of the stream, in the documented order. created is not part of this protocol."""
    return _voice(vendor).stream(ask, turn, spent, answer_id)


def whole(ask: Ask, turn: Turn, spent: Count, answer_id: str, created: int, vendor: Vendor) -> bytes:
    """The answer as one JSON body."""
    return _voice(vendor).whole(ask, turn, spent, answer_id)


def _voice(vendor: Vendor) -> MessagesVoice:
    assert vendor.messages_voice is not None
    return vendor.messages_voice


def event(kind: StepKind, name: str, **body: Any) -> Step:
    """One record."""
    data = msgspec.json.encode({"type": name, **body})
    return Step(kind, b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")


def block(kind: StepKind, index: int, start: dict[str, Any], deltas: list[dict[str, Any]]) -> list[Step]:
    """One content block: its start, its deltas and its end."""
    return [
        event(kind, "content_block_start", index=index, content_block=start),
        *(event(kind, "content_block_delta", index=index, delta=delta) for delta in deltas),
        event("close", "content_block_stop", index=index),
    ]


class MessagesVoice:
    """How one vendor answers on the Messages protocol.

    words: end of the answer -> stop reason. ping: sends pings. keep_alive: as in `ChatVoice`.
    """

    words: Mapping[str, str] = {"length": "max_tokens", "content_filter": "refusal"}
    ping: bool = False
    keep_alive: tuple[bytes, bytes] = (b"", b"")

    def sign(self, reasoning: str) -> str:
        """The signature of a thinking block with this text."""
        return signature(reasoning)

    def stop_reason(self, turn: Turn) -> str:
        """The vendor's word for the end of the turn; a word without translation is taken as it is."""
        return self.words.get(turn.finish, turn.finish) or ("tool_use" if turn.calls else "end_turn")

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        """The usage report: input without the cached tokens."""
        if turn.fault == "usage_bad":
            return {"input_tokens": "many", "output_tokens": [], "cache_read_input_tokens": {}}
        return {
            "input_tokens": spent.prompt - spent.cached,
            "output_tokens": spent.output,
            "cache_read_input_tokens": None if turn.fault == "usage_null" else spent.cached,
        }

    def head(self, ask: Ask, answer_id: str) -> dict[str, Any]:
        """What message_start and a whole answer have in common."""
        return {"id": answer_id, "type": "message", "role": "assistant", "model": ask.model}

    def stream(self, ask: Ask, turn: Turn, spent: Count, answer_id: str) -> list[Step]:
        """All records."""
        first = msgspec.structs.replace(spent, output=0)
        message = {**self.head(ask, answer_id), "content": [], "stop_reason": None, "stop_sequence": None}
        steps = [Step("start", self.keep_alive[0])] * (3 if "queued" in turn.manners and self.keep_alive[0] else 0)
        steps.append(event("start", "message_start", message={**message, "usage": self.usage(first, turn)}))
        if self.ping:
            steps.append(event("start", "ping"))
        for index, (kind, start, deltas) in enumerate(self.spoken(turn)):
            steps += block(kind, index, start, deltas)
        ending: dict[str, Any] = {"delta": {"stop_reason": self.stop_reason(turn), "stop_sequence": None}}
        if turn.fault != "usage_none":
            ending["usage"] = self.usage(spent, turn)
        steps.append(event("finish", "message_delta", **ending))
        steps.append(event("done", "message_stop"))
        return steps

    def spoken(self, turn: Turn) -> list[tuple[StepKind, dict[str, Any], list[dict[str, Any]]]]:
        """The blocks: the kind, what starts it, and its deltas."""
        out: list[tuple[StepKind, dict[str, Any], list[dict[str, Any]]]] = []
        if turn.reasoning:
            deltas: list[dict[str, Any]] = [
                {"type": "thinking_delta", "thinking": p} for p in fragments(turn.reasoning)
            ]
            deltas.append({"type": "signature_delta", "signature": self.sign(turn.reasoning)})
            out.append(("reasoning", {"type": "thinking", "thinking": "", "signature": ""}, deltas))
        if turn.text:
            deltas = [{"type": "text_delta", "text": p} for p in fragments(turn.text)]
            out.append(("text", {"type": "text", "text": ""}, deltas))
        for call in turn.calls:
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in fragments(call.arguments)]
            out.append(("call", {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas))
        return out

    def whole(self, ask: Ask, turn: Turn, spent: Count, answer_id: str) -> bytes:
        """One JSON body."""
        content: list[dict[str, Any]] = []
        if turn.reasoning:
            content.append({"type": "thinking", "thinking": turn.reasoning, "signature": self.sign(turn.reasoning)})
        if turn.text:
            content.append({"type": "text", "text": turn.text})
        content += [{"type": "tool_use", "id": c.id, "name": c.name, "input": _input(c)} for c in turn.calls]
        body: dict[str, Any] = {
            **self.head(ask, answer_id),
            "content": [] if turn.fault == "empty" else content,
            "stop_reason": self.stop_reason(turn),
            "stop_sequence": None,
        }
        if turn.fault != "usage_none":
            body["usage"] = self.usage(spent, turn)
        waiting = self.keep_alive[1] * 3 if "queued" in turn.manners else b""
        return waiting + msgspec.json.encode(body)


def _input(call: Call) -> Any:
    try:
        return msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return {}
