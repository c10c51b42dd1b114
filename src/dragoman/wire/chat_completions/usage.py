"""Usage reports of the Chat protocol, read and written. A count that cannot be read is unknown, never 0."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.usage import Usage, from_inclusive


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Search(msgspec.Struct, gc=False):
    tool_usage: int | None = None


class _Report(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    prompt_cache_miss_tokens: int | None = None
    cached_tokens: int | None = None
    web_search_usage: _Search | None = None
    cost: Raw = Raw(b"")


_PRICE = re.compile(r"\d{1,12}(\.\d{1,40})?([eE][-+]?\d{1,2})?")
_DECODE = msgspec.json.Decoder(_Report).decode


def read_usage(raw: Raw) -> tuple[Usage | None, str]:
    """The usage, and what was wrong with it ("" if nothing). None where no count could be read."""
    data = bytes(raw)
    wrong = ""
    try:
        report = _DECODE(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        wrong = str(error)[:200]
        report = _lenient(data)
    usage, negative = _usage(report, data)
    return usage, wrong or negative


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _usage(report: _Report, data: bytes) -> tuple[Usage | None, str]:
    prompt_details = report.prompt_tokens_details or _PromptDetails()
    output_details = report.completion_tokens_details or _OutputDetails()
    prompt, output, total = report.prompt_tokens, report.completion_tokens, report.total_tokens
    hit, miss = report.prompt_cache_hit_tokens, report.prompt_cache_miss_tokens
    if prompt is None and hit is not None and miss is not None:
        prompt = hit + miss
    if output is None and prompt is not None and total is not None:
        output = total - prompt
    cached = _first(prompt_details.cached_tokens, hit, report.cached_tokens)
    written = _first(prompt_details.cache_write_tokens, prompt_details.cache_creation_tokens)
    reasoning = output_details.reasoning_tokens
    if prompt is not None and output is not None and reasoning and total == prompt + output + reasoning:
        output += reasoning  # some servers count thinking beside the answer, though the total holds both
    searches = report.web_search_usage.tool_usage if report.web_search_usage else None
    counts = [prompt, output, cached, written, reasoning, searches]
    wrong = "a count is negative" if any(count is not None and count < 0 for count in counts) else ""
    prompt, output, cached, written, reasoning, searches = [
        None if count is None or count < 0 else count for count in counts
    ]
    if prompt is None and output is None:
        return None, wrong
    usage = from_inclusive(
        prompt,
        output,
        cached=cached,
        written=written,
        reasoning=reasoning,
        raw=Raw(data),
        searches=searches,
        cost=_cost(report.cost),
    )
    return usage, wrong


def _cost(raw: Raw) -> str | None:
    """The vendor's own price as it stands in the JSON: a number's digits are kept, no float is made of it."""
    text = bytes(raw).decode("ascii", "replace").strip('"')
    return text if _PRICE.fullmatch(text) else None


def _lenient(data: bytes) -> _Report:
    """Every field that can be read."""
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Report()
    if not isinstance(value, dict):
        return _Report()

    def count(owner: Any, key: str) -> int | None:
        found = owner.get(key) if isinstance(owner, dict) else None
        if isinstance(found, float) and found.is_integer():
            return int(found)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    prompt, output = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    return _Report(
        count(value, "prompt_tokens"),
        count(value, "completion_tokens"),
        count(value, "total_tokens"),
        _PromptDetails(
            count(prompt, "cached_tokens"), count(prompt, "cache_write_tokens"), count(prompt, "cache_creation_tokens")
        ),
        _OutputDetails(count(output, "reasoning_tokens")),
        count(value, "prompt_cache_hit_tokens"),
        count(value, "prompt_cache_miss_tokens"),
        count(value, "cached_tokens"),
        _Search(count(value.get("web_search_usage"), "tool_usage")),
        Raw(msgspec.json.encode(value.get("cost"))),
    )


def write_usage(usage: Usage | None) -> dict[str, Any] | None:
    """The `usage` object of an answer, or None where input or output is unknown."""
    if usage is None or not usage.known:
        return None
    out: dict[str, Any] = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
    }
    details: dict[str, Any] = {}
    if usage.cache_read is not None:
        details["cached_tokens"] = usage.cache_read
    if usage.cache_write is not None:
        details["cache_write_tokens"] = usage.cache_write
    if details:
        out["prompt_tokens_details"] = details
    if usage.reasoning is not None:
        out["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    if usage.cost is not None and _PRICE.fullmatch(usage.cost):
        out["cost"] = Raw(usage.cost.encode())  # a router's own figure, as its clients know it
    return out
