"""One `[[model.price]]` table made into a price list. Everything that pricing relies on is checked here, at reading.

In: a mapping. Out: a PriceRow. Raises ConfigError whose `param` is the dotted field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from dragoman.catalog.rows import OffPeak, PriceRow, Prices, PriceTier
from dragoman.catalog.tables import read_table, refuse_strangers, written_day
from dragoman.errors import ConfigError

_RATES = Prices.__struct_fields__
_PRICE_FIELDS = ("from", *_RATES, "currency", "tiers", "off_peak", "service_tiers", "source")
_DAYS = re.compile(r"([1-7])(?:-([1-7]))?")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


def price_row(model: str, table: object, fallback_date: str) -> PriceRow:
    """One `[[model.price]]` table of `model` (`provider:model`). Raises ConfigError."""
    if not isinstance(table, Mapping):
        raise ConfigError("a price list is a table")
    refuse_strangers(table, _PRICE_FIELDS, "a price list")
    start = written_day(table.get("from", fallback_date), "from")
    fields = {name: table[name] for name in ("currency", "source", "service_tiers") if name in table}
    tiers = _tables(table.get("tiers", ()), "tiers")
    read = [PriceTier(_above(tier, number), _rates(tier, f"tiers[{number}]")) for number, tier in enumerate(tiers)]
    row = read_table(
        {
            **fields,
            "id": "",
            "valid_from": start,
            "prices": _rates(table),
            "tiers": tuple(sorted(read, key=lambda tier: tier.above)),
            "off_peak": _off_peak(table["off_peak"]) if "off_peak" in table else None,
        },
        PriceRow,
    )
    if not re.fullmatch("[A-Z]{3}", row.currency):
        raise ConfigError(f"{row.currency!r} is no currency; write three capital letters, as USD", param="currency")
    for name, factor in row.service_tiers.items():
        _amount(factor, f"service_tiers.{name}")
    unit = "" if row.currency == "USD" else f"/{row.currency}"
    return msgspec.structs.replace(row, id=f"{model}@{row.valid_from.isoformat()}{unit}")


def _tables(value: object, field: str) -> list[Mapping[str, Any]]:
    if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
        return list(value)
    raise ConfigError(f"{field} is a list of tables", param=field)


def _above(tier: Mapping[str, Any], number: int) -> int:
    refuse_strangers(tier, ("above", *_RATES), "a tier", f"tiers[{number}].")
    above = tier.get("above")
    if not isinstance(above, int) or isinstance(above, bool) or above < 1:
        raise ConfigError("a tier says above how many input tokens it holds", param=f"tiers[{number}].above")
    return above


def _off_peak(table: object) -> OffPeak:
    if not isinstance(table, Mapping):
        raise ConfigError("off_peak is a table of windows and prices", param="off_peak")
    refuse_strangers(table, ("windows", *_RATES), "off_peak", "off_peak.")
    windows = table.get("windows")
    if not isinstance(windows, list | tuple) or not windows:
        raise ConfigError("off_peak names its windows", param="off_peak.windows")
    return OffPeak(tuple(_window(window) for window in windows), _rates(table, "off_peak"))


def _window(window: object) -> tuple[str, str, str]:
    """One window, checked, so that pricing can never meet a clock that it cannot read."""
    if isinstance(window, list | tuple) and len(window) == 3 and all(isinstance(part, str) for part in window):
        days, start, end = window
        span = _DAYS.fullmatch(days)
        if span and int(span[1]) <= int(span[2] or span[1]) and _CLOCK.fullmatch(start) and _CLOCK.fullmatch(end):
            if start < end:
                return days, start, end
            message = f"the window {start}-{end} ends before it begins; one that passes midnight is two"
            raise ConfigError(message, param="off_peak.windows")
    raise ConfigError(
        f'{window!r} is no window; write ["1-5", "10:00", "24:00"]: ISO weekdays, from, to, in UTC',
        param="off_peak.windows",
    )


def _rates(table: Mapping[str, Any], field: str = "") -> Prices:
    try:
        rates = read_table({name: table[name] for name in _RATES if name in table}, Prices, strict=False)
        for name in _RATES:
            _amount(getattr(rates, name), name)
    except ConfigError as error:
        raise ConfigError(error.message, param=".".join(part for part in (field, error.info.param) if part)) from None
    return rates


def _amount(value: Decimal | None, field: str) -> None:
    if value is not None and (not value.is_finite() or value < 0):
        raise ConfigError(f"{value} is no amount", param=field)
