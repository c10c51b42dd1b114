"""What a call cost, from its usage and the model's price list. Decimal arithmetic, never floats.

Usage comes in disjoint buckets; each is priced once. What is unknown - a count, a price - makes the amount None and is
named; it is never taken for 0. A cost that the vendor itself reports wins. Pure: the moment is given by the caller.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from dragoman.catalog import ModelRow, OffPeak, PriceRow, Prices
from dragoman.core.usage import Usage

_MILLION = Decimal(1_000_000)
_THOUSAND = Decimal(1_000)
REPORTED = "reported"
"""The price id of a cost that the vendor reported."""
_REPORTED_CURRENCY = "USD"
"""A vendor that reports a cost without a currency does so in dollars (the one that is known to)."""


class Cost(msgspec.Struct, frozen=True):
    """amount: in `currency`, None when unknown. price_id: `provider:model@date` of the list, or `reported`.

    unknown: what was missing. saved: what reading from the cache spared, None when unknown. reported: the vendor's own
    figure.
    """

    amount: Decimal | None
    currency: str = ""
    price_id: str = ""
    unknown: tuple[str, ...] = ()
    saved: Decimal | None = None
    reported: bool = False


def price(usage: Usage, model: ModelRow, when: datetime) -> Cost:
    """The cost of one call of `model` that ended at `when` (aware; a naive time is taken as UTC)."""
    row = price_row_at(model, when)
    if usage.cost is not None:
        reported = _reported(usage, row)
        if reported is not None:
            return reported
    if row is None:
        return Cost(None, unknown=("price",))
    prompt = usage.prompt
    rates = rates_for(row, when, prompt or 0)
    missing: list[str] = []
    if usage.input is None:
        missing.append("usage.input")
    if usage.output is None:
        missing.append("usage.output")
    parts = (
        _part("input", usage.input, rates.input, _MILLION, missing),
        _part("cache_read", usage.cache_read, rates.cache_read, _MILLION, missing),
        _part("cache_write", usage.cache_write, rates.cache_write, _MILLION, missing),
        _part("output", usage.output, rates.output, _MILLION, missing),
        _part("searches", usage.searches, row.prices.searches, _THOUSAND, missing),
    )
    amount = None if missing else sum(parts, Decimal(0))
    return Cost(amount, row.currency, row.id, tuple(missing), _saved(usage, rates))


def price_row_at(model: ModelRow, when: datetime) -> PriceRow | None:
    """The list that holds at `when`: the last that began by then, else the oldest that is known, or None."""
    day = _utc(when).date()
    begun = [row for row in model.prices if row.valid_from <= day]
    return begun[-1] if begun else (model.prices[0] if model.prices else None)


def rates_for(row: PriceRow, when: datetime, prompt: int) -> Prices:
    """The token prices for a request with `prompt` input tokens, cache included."""
    rates = row.off_peak.prices if row.off_peak is not None and is_off_peak(row.off_peak, when) else row.prices
    for tier in row.tiers:
        if prompt > tier.above:
            rates = tier.prices
    return rates


def is_off_peak(off_peak: OffPeak, when: datetime) -> bool:
    """Whether `when` lies in one of the windows; a window's end is not part of it."""
    moment = _utc(when)
    day, minute = moment.isoweekday(), moment.hour * 60 + moment.minute
    for days, start, end in off_peak.windows:
        first, _, last = days.partition("-")
        if int(first) <= day <= int(last or first) and _minutes(start) <= minute < _minutes(end):
            return True
    return False


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes or 0)


def _utc(when: datetime) -> datetime:
    aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC)


def _reported(usage: Usage, row: PriceRow | None) -> Cost | None:
    """The vendor's own figure; None when it is no number."""
    try:
        amount = Decimal(usage.cost or "")
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    currency = usage.currency or (row.currency if row is not None else _REPORTED_CURRENCY)
    return Cost(amount, currency, REPORTED, reported=True)


def _part(name: str, count: int | None, rate: Decimal | None, unit: Decimal, missing: list[str]) -> Decimal:
    if not count:
        return Decimal(0)
    if rate is None:
        missing.append(f"price.{name}")
        return Decimal(0)
    return Decimal(count) * rate / unit


def _saved(usage: Usage, rates: Prices) -> Decimal | None:
    if not usage.cache_read:
        return Decimal(0) if usage.cache_read == 0 else None
    if rates.input is None or rates.cache_read is None:
        return None
    return Decimal(usage.cache_read) * (rates.input - rates.cache_read) / _MILLION
