"""Token counts in the Messages protocol's words, both directions.

The protocol counts fresh input without the cached part, so the buckets map one to one. A count that a vendor does not
give is unknown (None), never 0.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.usage import Usage
from dragoman.wire.parse import count

_MINUTES, _HOUR = "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"


def usage_of(raw: Raw) -> tuple[Usage | None, str]:
    """The usage report, and what is wrong with it ("" if nothing). Fields that can be read are kept."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return None, "the report is not an object"
    faults: list[str] = []
    fresh = count(value, "input_tokens", faults)
    read = count(value, "cache_read_input_tokens", faults)
    written = count(value, "cache_creation_input_tokens", faults)
    kept: int | None = None
    if isinstance(ttl := value.get("cache_creation"), dict):
        kept = count(ttl, _HOUR, faults) or None
        if written is None:
            written = sum(count(ttl, key, faults) or 0 for key in ttl) if ttl else None
    if fresh == 0 and not read and not written:
        fresh = None  # no prompt is empty: some vendors open with zeros before they know
    usage = Usage(
        fresh,
        read,
        written,
        count(value, "output_tokens", faults),
        count(value.get("output_tokens_details"), "thinking_tokens", faults),
        count(value.get("server_tool_use"), "web_search_requests", faults),
        cache_write_1h=kept,
        raw=raw.copy(),
    )
    return usage, ", ".join(faults)


def later(before: Usage | None, now: Usage) -> Usage:
    """Two reports about one call: the later wins, per field, where it says more than nothing."""
    if before is None:
        return now
    return Usage(
        now.input or before.input,
        now.cache_read or before.cache_read if now.cache_read is not None else before.cache_read,
        now.cache_write or before.cache_write if now.cache_write is not None else before.cache_write,
        max(now.output or 0, before.output or 0) if now.output is not None or before.output is not None else None,
        now.reasoning if now.reasoning is not None else before.reasoning,
        now.searches if now.searches is not None else before.searches,
        cache_write_1h=now.cache_write_1h or before.cache_write_1h,
        raw=now.raw,
    )


def shown(usage: Usage | None, *, start: bool, searches: int = 0) -> dict[str, Any]:
    """The report towards a client. At the start every number must be there, though it may not be known yet.

    searches: those that the client was shown, which count where the vendor counts none.
    """
    usage = usage or Usage()
    out: dict[str, Any] = {}
    if start or usage.input is not None:
        out["input_tokens"] = usage.input or 0
    if start or usage.cache_write is not None:
        out["cache_creation_input_tokens"] = usage.cache_write or 0
    if usage.cache_write and usage.cache_write_1h:
        out["cache_creation"] = {_MINUTES: usage.cache_write - usage.cache_write_1h, _HOUR: usage.cache_write_1h}
    if start or usage.cache_read is not None:
        out["cache_read_input_tokens"] = usage.cache_read or 0
    out["output_tokens"] = usage.output or 0
    if usage.reasoning is not None:
        out["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.searches is not None or searches:
        made = searches if usage.searches is None else usage.searches
        out["server_tool_use"] = {"web_search_requests": made, "web_fetch_requests": 0}
    return out
