"""Token usage in disjoint buckets. A count that is unknown is None, never 0."""

from __future__ import annotations

import msgspec
from msgspec import Raw


class Tokens(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one upstream call used.

    input: fresh input, without what came from or went to a cache. cache_read, cache_write: the rest of the prompt.
    output: everything generated; reasoning is the part of it that was thinking. searches: web search calls billed.
    cost: what the vendor itself says that it cost, as a decimal string in `currency`. cache_write_1h: the part of
    cache_write that is kept for an hour, which costs more.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    searches: int | None = None
    cost: str | None = None
    currency: str | None = None
    cache_write_1h: int | None = None

    @property
    def known(self) -> bool:
        """Whether the vendor gave at least input and output."""
        return self.input is not None and self.output is not None

    @property
    def prompt(self) -> int | None:
        """All input tokens: fresh, read from cache and written to it."""
        if self.input is None:
            return None
        return self.input + (self.cache_read or 0) + (self.cache_write or 0)

    @property
    def total(self) -> int | None:
        """Prompt and output."""
        prompt = self.prompt
        return None if prompt is None or self.output is None else prompt + self.output


class Usage(Tokens, frozen=True, omit_defaults=True):
    """What an answer used: one upstream call, or several added up.

    raw: the vendor's object. parts: of a sum, the calls in it; prices may depend on the size of each.
    """

    raw: Raw | None = None
    parts: tuple[Tokens, ...] = ()


def from_inclusive(
    prompt: int | None,
    output: int | None,
    *,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
    raw: Raw | None = None,
    searches: int | None = None,
    cost: str | None = None,
) -> Usage:
    """Usage from a wire whose prompt count includes the cached part (Chat, Responses)."""
    fresh = None if prompt is None else max(prompt - (cached or 0) - (written or 0), 0)
    return Usage(fresh, cached, written, output, reasoning, searches, cost, raw=raw)


def _pick(a: int | None, b: int | None) -> int | None:
    if a is None:
        return b
    return a if b is None else max(a, b)


def merge(a: Usage | None, b: Usage | None) -> Usage | None:
    """Two reports about the *same* call (start and end of a stream): per field the larger, never the sum."""
    if a is None or b is None:
        return b if a is None else a
    return Usage(
        _pick(a.input, b.input),
        _pick(a.cache_read, b.cache_read),
        _pick(a.cache_write, b.cache_write),
        _pick(a.output, b.output),
        _pick(a.reasoning, b.reasoning),
        _pick(a.searches, b.searches),
        b.cost if b.cost is not None else a.cost,
        b.currency or a.currency,
        _pick(a.cache_write_1h, b.cache_write_1h),
        b.raw if b.raw is not None else a.raw,
    )


def _plus(a: int | None, b: int | None) -> int | None:
    return None if a is None and b is None else (a or 0) + (b or 0)


def add(a: Usage | None, b: Usage | None) -> Usage | None:
    """Two *different* calls added up. Input or output unknown in one of them is unknown in the sum."""
    if a is None or b is None:
        return b if a is None else a
    both_in = None if a.input is None or b.input is None else a.input + b.input
    both_out = None if a.output is None or b.output is None else a.output + b.output
    return Usage(
        both_in,
        _plus(a.cache_read, b.cache_read),
        _plus(a.cache_write, b.cache_write),
        both_out,
        _plus(a.reasoning, b.reasoning),
        _plus(a.searches, b.searches),
        cache_write_1h=_plus(a.cache_write_1h, b.cache_write_1h),
        parts=(*_parts(a), *_parts(b)),
    )


def _parts(usage: Usage) -> tuple[Tokens, ...]:
    return usage.parts or (Tokens(*(getattr(usage, name) for name in Tokens.__struct_fields__)),)
