"""From a decided turn to what goes over the wire, common to both protocols: limits, fragments, steps, faults.

A `Step` is one record of a stream with the kind of thing it carries, so that a fault can say "in the middle of the
text" whatever the protocol. `cut` slices the bytes of a stream at places that respect nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Literal

import msgspec

from dragoman.simulator.ask import Ask, Call
from dragoman.simulator.brain import Turn
from dragoman.simulator.directives import FINISH_FAULTS
from dragoman.simulator.memory import TOKEN_BYTES, tokens

StepKind = Literal["start", "reasoning", "text", "call", "close", "finish", "usage", "done", "drop"]

_FRAGMENTS = (1, 3, 2, 5, 4)
_LEAD = re.compile(rb"[\xc2-\xf4]")
_CUTS = (5, 61, 2, 127, 17, 1, 89, 350)


class Step(msgspec.Struct, frozen=True):
    """One record. pause: seconds of silence before it."""

    kind: StepKind
    data: bytes
    pause: float = 0.0


class Count(msgspec.Struct, frozen=True):
    """Token counts of one answer. prompt holds the cached ones too, output the reasoning."""

    prompt: int
    cached: int
    output: int
    reasoning: int
    searches: int = 0


def count(turn: Turn, prompt: int, cached: int) -> Count:
    """What the turn costs."""
    reasoning = tokens(turn.reasoning.encode())
    calls = sum(tokens((c.name + c.arguments).encode()) for c in turn.calls)
    searches = 1 if turn.sources else 0
    return Count(prompt, cached, reasoning + tokens(turn.text.encode()) + calls, reasoning, searches)


def fragments(text: str) -> Iterator[str]:
    """The text in pieces of a few characters; long texts in larger ones."""
    least = len(text) // 150
    position = 0
    for size in cycle(_FRAGMENTS):
        if position >= len(text):
            return
        yield text[position : position + size + least]
        position += size + least


def cut(data: bytes, enabled: bool = True) -> Iterator[bytes]:
    """The bytes in uneven pieces: records are split, and characters of several bytes wherever one is near."""
    if not enabled:
        yield data
        return
    position = 0
    scale = 1 + len(data) // 50_000
    for size in cycle(_CUTS):
        if position >= len(data):
            return
        end = position + size * scale
        near = _LEAD.search(data, end, end + 80)
        end = near.end() if near else end
        yield data[position:end]
        position = end


def limited(turn: Turn, ask: Ask) -> Turn:
    """The turn under the request's stop sequences and output limit."""
    text = turn.text
    hit = [(at, word) for word in ask.stop if word and (at := text.find(word)) >= 0]
    if hit:
        text = text[: min(hit)[0]]
        turn = msgspec.structs.replace(turn, stopped=min(hit)[1])
    left = ask.limit * TOKEN_BYTES
    reasoning, left = _take(turn.reasoning, left)
    text, left = _take(text, left)
    calls: list[Call] = []
    for call in turn.calls:
        if left <= 0:
            break
        arguments, left = _take(call.arguments, left - len(call.name))
        calls.append(msgspec.structs.replace(call, arguments=arguments))
    kept = msgspec.structs.replace(turn, reasoning=reasoning, text=text, calls=tuple(calls))
    wanted = msgspec.structs.replace(turn, text=text if hit else turn.text)
    if kept == wanted:
        return kept
    return msgspec.structs.replace(kept, finish="length")


def _take(text: str, left: int) -> tuple[str, int]:
    data = text.encode()
    if len(data) <= left:
        return text, left - len(data)
    return data[: max(left, 0)].decode("utf-8", "ignore"), 0


def faulty(turn: Turn) -> Turn:
    """The turn as its fault shapes it before it is written down."""
    fault = turn.fault
    if fault == "length_call" and turn.calls:
        last = turn.calls[-1]
        half = msgspec.structs.replace(last, arguments=last.arguments[: len(last.arguments) // 2])
        turn = msgspec.structs.replace(turn, calls=(*turn.calls[:-1], half))
    elif fault == "bad_arguments" and turn.calls:
        broken = tuple(msgspec.structs.replace(c, arguments=c.arguments[:-1]) for c in turn.calls)
        turn = msgspec.structs.replace(turn, calls=broken)
    elif fault in ("length", "content_filter", "repetition", "context", "refusal"):
        turn = msgspec.structs.replace(turn, calls=(), text=(turn.text or "This is only the beginning of")[:28])
    elif fault in ("drop_text", "error_mid", "bad_json", "stall") and not turn.text:
        turn = msgspec.structs.replace(turn, text="Let me see what there is.")
    if fault in FINISH_FAULTS:
        turn = msgspec.structs.replace(turn, finish="length" if fault == "length_call" else fault)
    return turn


def spoil(steps: list[Step], turn: Turn, error: bytes) -> list[Step]:
    """The records as the turn's fault leaves them. error: the record of an error object in this protocol."""
    text = _middle(steps, "text")
    calling = _middle(steps, "call")
    drop = Step("drop", b"")
    match turn.fault:
        case "drop" | "reset":
            return [drop]
        case "drop_text":
            return [*steps[:text], drop]
        case "drop_call":
            return [*steps[:calling], drop]
        case "error_mid":
            return [*steps[:text], Step("text", error)]
        case "error_call":
            return [*steps[:calling], Step("call", error)]
        case "bad_json":
            return [*steps[:text], Step("text", b'data: {"broken": tru\n\n'), *steps[text:]]
        case "stall":
            return [*steps[:text], Step("text", b"", turn.value), *steps[text:]]
        case "slow":
            return [msgspec.structs.replace(step, pause=turn.value) for step in steps]
        case "empty" | "no_choices":
            return [s for s in steps if s.kind in (("done",) if turn.fault == "empty" else ("usage", "done"))]
        case "no_finish":
            return [s for s in steps if s.kind not in ("finish", "close")]
        case "no_done":
            return [s for s in steps if s.kind != "done"]
        case "usage_none":
            return [s for s in steps if s.kind != "usage"]
        case _:
            return steps


def _middle(steps: list[Step], kind: str) -> int:
    """An index in the middle of the records of that kind, or of all where there are none."""
    places = [i for i, step in enumerate(steps) if step.kind == kind]
    return places[len(places) // 2] if places else len(steps) // 2
