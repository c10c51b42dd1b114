"""Token counts without a tokenizer: an estimate by kinds of characters, corrected by what vendors really counted.

In: a canonical request. Out: tokens, always at least one. Media cost a fixed amount; every message and tool has its
overhead. The correction is a running ratio per model between vendors' prompt counts and our estimates.
"""

from __future__ import annotations

import math
import re

from dragoman.core.messages import Media, Message, Reasoning, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.request import Request
from dragoman.core.tools import Tool

ASCII_PER_TOKEN = 4.0
CJK_PER_TOKEN = 1.5
OTHER_PER_TOKEN = 2.4
JSON_PER_TOKEN = 3.2
"""Characters that make one token, by kind; measured means over common tokenizers."""
MEDIA_TOKENS = {"image": 1100, "audio": 800, "video": 4000, "document": 1500}
"""Tokens for one medium where its size in tokens cannot be known."""
_MESSAGE = 4
_TOOL = 12
_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_ASCII = re.compile("[\x00-\x7f]+")


def text_tokens(text: str) -> float:
    """Tokens of a text."""
    if text.isascii():
        return len(text) / ASCII_PER_TOKEN
    rest = _ASCII.sub("", text)
    other = len(_CJK.sub("", rest))
    cjk = len(rest) - other
    return (len(text) - len(rest)) / ASCII_PER_TOKEN + cjk / CJK_PER_TOKEN + other / OTHER_PER_TOKEN


def _part(part: object) -> float:
    match part:
        case Text() | Reasoning():
            return text_tokens(part.text)
        case Media():
            return text_tokens(part.text) if part.text else MEDIA_TOKENS[part.kind]
        case ToolCall():
            return _MESSAGE + text_tokens(part.name) + len(part.arguments) / JSON_PER_TOKEN
        case ToolResult():
            return _MESSAGE + sum(map(_part, part.content))
        case ToolReference():
            return _MESSAGE + text_tokens(part.name)
    return 0.0


def _tool(tool: Tool) -> float:
    schema = len(memoryview(tool.schema)) if tool.schema is not None else 0
    described = text_tokens(tool.name) + text_tokens(tool.description or "")
    grammar = len(tool.grammar.definition) if tool.grammar is not None else 0
    return _TOOL + described + (schema + grammar) / JSON_PER_TOKEN


def _message(message: Message) -> float:
    return _MESSAGE + sum(map(_part, message.content))


def estimate(request: Request) -> int:
    """Input tokens of a request, before correction."""
    shown = [t for t in request.tools if not t.deferred or t.loaded]
    return max(1, math.ceil(sum(map(_message, request.messages)) + sum(map(_tool, shown))))


class Calibration:
    """Remembers by how much estimates for a model were off. Bounded: models come from requests."""

    LIMIT = 1000
    WEIGHT = 0.2
    """How much the newest observation counts."""

    EARLY = 32
    """So many observations are all made; later only every `EVERY`-th: an estimate reads the whole prompt."""
    EVERY = 16

    def __init__(self) -> None:
        self._ratio: dict[str, float] = {}
        self._asked: dict[str, int] = {}

    def wants(self, model: str) -> bool:
        """Whether another observation of this model is worth making."""
        if model not in self._asked and len(self._asked) >= self.LIMIT:
            return False
        count = self._asked[model] = self._asked.get(model, -1) + 1
        return count < self.EARLY or count % self.EVERY == 0

    def observe(self, model: str, estimated: int, actual: int) -> None:
        """A vendor counted `actual` prompt tokens where the estimate was `estimated`. Tiny prompts teach nothing."""
        if actual < 200 or estimated < 100 or (model not in self._ratio and len(self._ratio) >= self.LIMIT):
            return
        seen = min(2.0, max(0.5, actual / estimated))
        old = self._ratio.get(model)
        self._ratio[model] = seen if old is None else old + self.WEIGHT * (seen - old)

    def corrected(self, model: str, estimated: int) -> int:
        """The estimate, corrected."""
        return max(1, round(estimated * self._ratio.get(model, 1.0)))
