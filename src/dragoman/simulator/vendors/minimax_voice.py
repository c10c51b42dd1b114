"""How MiniMax answers on Chat: reasoning in tags or in pieces, and keys of its own in every chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.chat_stream import ChatVoice
from dragoman.simulator.speech import Count, Step, fragments

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"
_DETAIL = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0}
SENSITIVE = {
    "input_sensitive": False,
    "output_sensitive": False,
    "input_sensitive_type": 0,
    "output_sensitive_type": 0,
    "output_sensitive_int": 0,
}


class Voice(ChatVoice):
    """Every chunk has the vendor's own keys; the last one holds text, finish reason and usage together."""

    usage_at = "finish"

    def usage(self, spent: Count, turn: Turn) -> dict[str, Any]:
        return {"total_characters": 0, **super().usage(spent, turn)}

    def finishes_with_usage(self, ask: Ask) -> bool:
        return "usage" in ask.options

    def no_usage(self, ask: Ask) -> dict[str, Any]:
        return {"usage": None, **SENSITIVE}

    def choice(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = super().choice(delta, finish)
        return choice if finish else {"index": 0, "delta": delta}

    def delta(self, ask: Ask, **fields: Any) -> dict[str, Any]:
        return {"role": "assistant", "name": "MiniMax AI", "content": "", "audio_content": "", **fields}

    def opening(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        return iter(())

    def reasoning(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        if not turn.reasoning:
            return
        if "form:inline" in ask.options:
            yield {"content": OPEN + turn.reasoning[:3]}
            for piece in fragments(turn.reasoning[3:] + CLOSE):
                yield {"content": piece}
            return
        so_far = ""
        pieces = list(fragments(turn.reasoning))
        for index, piece in enumerate(pieces):
            so_far += piece
            told = so_far if "cumulative" in turn.manners else piece
            if "tail" in turn.manners and index == len(pieces) - 1:
                told += "</think>"
            yield {"reasoning_content": piece, "reasoning_details": [{**_DETAIL, "text": told}]}

    def text(self, ask: Ask, turn: Turn) -> Iterator[dict[str, Any]]:
        pieces = list(fragments(turn.text))
        for piece in pieces if turn.calls else pieces[:-1]:
            yield {"content": piece}

    def closing(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        pieces = list(fragments(turn.text))
        return {} if turn.calls or not pieces else {"content": pieces[-1]}

    def ending(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> list[Step]:
        if "repeat" not in turn.manners:
            return []
        return [Step("usage", b"data: " + msgspec.json.encode(self.completion(ask, turn, spent, head)) + b"\n\n")]

    def completion(self, ask: Ask, turn: Turn, spent: Count, head: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().completion(ask, turn, spent, head), **SENSITIVE, "base_resp": base_resp(0, "")}

    def message(self, ask: Ask, turn: Turn) -> dict[str, Any]:
        message = {"name": "MiniMax AI", "audio_content": "", **super().message(ask, turn)}
        if turn.reasoning and "form:inline" in ask.options:
            del message["reasoning_content"]
            message["content"] = OPEN + turn.reasoning + CLOSE + turn.text
        elif turn.reasoning:
            told = turn.reasoning + ("</think>" if "tail" in turn.manners else "")
            message["reasoning_details"] = [{**_DETAIL, "text": told}]
        return message

    def whole_call(self, call: Call, index: int) -> dict[str, Any]:
        return {**super().whole_call(call, index), "index": index}


def base_resp(code: int, message: str) -> dict[str, Any]:
    """The status that stands in every answer."""
    return {"status_code": code, "status_msg": message}
