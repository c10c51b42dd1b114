"""Which price list holds at a moment, and which of its prices hold for one request.

In: a model's row, the moment, the size of the request. Out: the list, its token prices. Pure: the caller has the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from dragoman.catalog.rows import ModelRow, OffPeak, PriceRow, Prices

BASE_TIERS = frozenset({"", "auto", "default", "standard", "standard_only"})
"""Words for the service tier that list prices are made for."""


def price_row_at(model: ModelRow, when: datetime) -> PriceRow | None:
    """The list that holds at `when`: the last that began by then, else the oldest that is known, or None."""
    day = _utc(when).date()
    begun = [row for row in model.prices if row.valid_from <= day]
    return begun[-1] if begun else (model.prices[0] if model.prices else None)


def rates_for(row: PriceRow, when: datetime, prompt: int) -> Prices:
    """The token prices for a request with `prompt` input tokens, cache included. A tier goes before off-peak prices."""
    rates = row.off_peak.prices if row.off_peak is not None and is_off_peak(row.off_peak, when) else row.prices
    for tier in row.tiers:
        if prompt > tier.above:
            rates = tier.prices
    return rates


def served(row: PriceRow, rates: Prices, service_tier: str | None) -> Prices | None:
    """`rates` as this service tier is billed; None when the list does not know the tier."""
    if service_tier is None or service_tier in BASE_TIERS:
        return rates
    factor = row.service_tiers.get(service_tier)
    return None if factor is None else multiplied(rates, factor)


def multiplied(rates: Prices, factor: Decimal) -> Prices:
    """The token prices times `factor`; searches and hours of audio stay."""
    names = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
    tokens = {name: getattr(rates, name) for name in names}
    return msgspec.structs.replace(
        rates, **{name: None if value is None else value * factor for name, value in tokens.items()}
    )


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
