"""The short way for text after text gives the events of the long one, whatever else a chunk carries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core.events import Event
from dragoman.wire.base import DecodeContext
from dragoman.wire.chat_completions import Decoder

PIECES = ["Hel", "lo ", "w\u00f6r", "ld \U0001f600"]
EXTRAS: list[dict[str, Any]] = [
    {},
    {"usage": None},
    {"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    {"error": None, "system_fingerprint": "x", "base_resp": {"status_code": 0, "status_msg": ""}},
]


def decoded(field: str, extra: dict[str, Any], others: dict[str, Any], *, apart: bool) -> list[Event]:
    """One stream, in one read or each event in a read of its own, the first of which always takes the long way."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        body = {"id": "i", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **extra}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    reads = [chunk({field: piece, **others}) for piece in PIECES] + [chunk({}, "stop"), b"data: [DONE]\n\n"]
    decoder = Decoder(DecodeContext())
    out: list[Event] = []
    for data in reads if apart else [b"".join(reads)]:
        out += decoder.feed(data)
    return out + decoder.end()


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_nulls_change_nothing(field: str, extra: dict[str, Any]) -> None:
    nulls = {name: None for name in ("role", "content", "reasoning_content", "tool_calls", "refusal") if name != field}
    plain = decoded(field, extra, {}, apart=True)
    assert decoded(field, extra, {}, apart=False) == plain
    assert decoded(field, extra, nulls, apart=False) == plain
    assert decoded(field, extra, nulls, apart=True) == plain
    text = "".join(getattr(event, "text", "") for event in plain)
    assert text == "".join(PIECES)
