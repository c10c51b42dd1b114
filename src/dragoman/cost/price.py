"""What a call cost, from its usage and the model's price list. Decimal arithmetic, never floats.

Usage comes in disjoint buckets; each is priced once. What is unknown - a count, a price - makes the amount None and is
named; it is never taken for 0. A cost that the vendor itself reports wins. Pure: the moment is given by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from dragoman.catalog import ModelRow, PriceRow, Prices
from dragoman.catalog.prices import price_row_at, rates_for, served
from dragoman.core.usage import Tokens, Usage

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


def price(usage: Usage, model: ModelRow, when: datetime, *, service_tier: str | None = None) -> Cost:
    """The cost of one call of `model` that ended at `when` (aware; a naive time is taken as UTC).

    Of several calls that were added up, each is priced by itself: a tier is chosen by the size of a single request.
    service_tier: the vendor's word for how the calls were served; None is the ordinary way. A tier that the list does
    not know makes the amount unknown.
    """
    if usage.parts:
        return _total([_of_call(part, model, when, service_tier) for part in usage.parts])
    return _of_call(usage, model, when, service_tier)


def _of_call(usage: Tokens, model: ModelRow, when: datetime, service_tier: str | None) -> Cost:
    row = price_row_at(model, when)
    if usage.cost is not None:
        reported = _reported(usage, row)
        if reported is not None:
            return reported
    if row is None:
        return Cost(None, unknown=("price",))
    rates = served(row, rates_for(row, when, usage.prompt or 0), service_tier)
    if rates is None:
        return Cost(None, row.currency, row.id, ("price.service_tier",))
    missing: list[str] = []
    if usage.input is None:
        missing.append("usage.input")
    if usage.output is None:
        missing.append("usage.output")
    long = min(usage.cache_write_1h or 0, usage.cache_write or 0)
    parts = (
        _part("input", usage.input, rates.input, _MILLION, missing),
        _part("cache_read", usage.cache_read, rates.cache_read, _MILLION, missing),
        _part("cache_write", (usage.cache_write or 0) - long, rates.cache_write, _MILLION, missing),
        _part("cache_write_1h", long, rates.cache_write_1h, _MILLION, missing),
        _part("output", usage.output, rates.output, _MILLION, missing),
        _part("searches", usage.searches, row.prices.searches, _THOUSAND, missing),
    )
    amount = None if missing else sum(parts, Decimal(0))
    return Cost(amount, row.currency, row.id, tuple(missing), _saved(usage, rates))


def _total(costs: Sequence[Cost]) -> Cost:
    """Costs of several calls of one model added up; one that is unknown makes the sum unknown."""
    amounts, savings = [cost.amount for cost in costs], [cost.saved for cost in costs]
    unknown = tuple(dict.fromkeys(name for cost in costs for name in cost.unknown))
    known = [amount for amount in amounts if amount is not None]
    saved = [amount for amount in savings if amount is not None]
    mixed = len({cost.currency for cost in costs}) > 1
    return Cost(
        sum(known, Decimal(0)) if len(known) == len(costs) and not mixed else None,
        "" if mixed else costs[0].currency,
        costs[0].price_id,
        (*unknown, "currency") if mixed else unknown,
        sum(saved, Decimal(0)) if len(saved) == len(costs) and not mixed else None,
        all(cost.reported for cost in costs),
    )


def _reported(usage: Tokens, row: PriceRow | None) -> Cost | None:
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


def _saved(usage: Tokens, rates: Prices) -> Decimal | None:
    if not usage.cache_read:
        return Decimal(0) if usage.cache_read == 0 else None
    if rates.input is None or rates.cache_read is None:
        return None
    return Decimal(usage.cache_read) * (rates.input - rates.cache_read) / _MILLION
