"""The page of all models as Markdown, made from the catalogue so that it can never disagree with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from dragoman.catalog.loader import Catalogue
from dragoman.catalog.rows import ModelRow, PriceRow, Prices, ProviderRow

_HEAD = """# Models

Made from the catalogue by `dragoman models docs`; a test checks that it is fresh.

Prices are in USD per million tokens unless another currency stands beside them: fresh input, read from cache, written
to cache, output. A dash is not known, which is never the same as free. `provider:model` is the name that always works.
A retired model stays selectable with a warning: a self-hosted server may still serve it. `read` is the day when the
facts of a row were read. What a price depends on beside the model - the size of the request, the hour, the currency of
the account - stands below each table.

To change or add a fact, write a record of the same shape into `models.toml` beside your `dragoman.toml` (see
[configuration](configuration.md)); `dragoman models check` says what is wrong, missing or old.
"""

_COLUMNS = (
    "model",
    "context",
    "most output",
    "default output",
    "input",
    "thinking",
    "fresh",
    "cached",
    "written",
    "out",
    "status",
    "read",
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def tokens(count: int | None) -> str:
    """A number of tokens as people write it: 1M, 128K (128000 and 131072 alike), 400."""
    if count is None:
        return "-"
    for size, unit in ((1_000_000, "M"), (1024 * 1024, "M"), (1000, "K"), (1024, "K")):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def hours(windows: Iterable[Sequence[str]]) -> str:
    """Windows as people write them: `UTC, Mon-Fri 00:00-01:00, 04:00-06:00; Sat-Sun all day`."""
    by_days: dict[str, list[str]] = {}
    for days, start, end in windows:
        span = "all day" if (start, end) == ("00:00", "24:00") else f"{start}-{end}"
        by_days.setdefault("-".join(_DAYS[int(day) - 1] for day in days.split("-")), []).append(span)
    return "UTC, " + "; ".join(f"{days} {', '.join(spans)}" for days, spans in by_days.items())


def render(known: Catalogue) -> str:
    """The whole page."""
    parts = [_HEAD]
    for provider in known.providers.values():
        rows = [row for row in known.all() if row.facts.provider == provider.id]
        parts.append(_provider(provider, rows))
    return "\n".join(parts)


def _provider(provider: ProviderRow, rows: list[ModelRow]) -> str:
    names = " or ".join(f"`{name}`" for name in provider.key_env)
    aliases = f" (also `{'`, `'.join(provider.aliases)}`)" if provider.aliases else ""
    variable = f" (`{provider.base_url_env}`)" if provider.base_url_env else ""
    lines = [
        f"## {provider.name}",
        "",
        f"Provider `{provider.id}`{aliases}; key in {names}; base URL `{provider.base_url}`{variable}; "
        f"wires {', '.join(provider.wires)}. Read in: {provider.source}.",
        "",
    ]
    if not rows:
        return "\n".join([*lines, "Any model that it serves can be named; none is listed here.", ""])
    lines += [
        "| " + " | ".join(_COLUMNS) + " |",
        "|---|---:|---:|---:|---|---|---:|---:|---:|---:|---|---|",
        *(_model(row) for row in rows),
        "",
    ]
    borrowed = bool(provider.models_from)
    if borrowed:
        lines += [f"The models of `{provider.models_from}` at another address; its prices do not hold here.", ""]
    remarks = [remark for row in rows for remark in _remarks(row, borrowed=borrowed)]
    return "\n".join([*lines, *remarks, *([""] if remarks else [])])


def _model(row: ModelRow) -> str:
    facts = row.facts
    price = row.prices[-1] if row.prices else None
    prices = price.prices if price else None
    unit = "" if price is None or price.currency == "USD" else f" {price.currency}"
    day = f" {facts.retire_date}" if facts.retire_date else ""
    status = facts.status + (day if facts.status == "retired" else f", ends{day}" if day else "")
    cells = (
        f"`{facts.id}`",
        tokens(facts.context),
        tokens(facts.max_output),
        tokens(facts.default_max_output),
        ", ".join(["text", *sorted(facts.inputs)]),
        facts.thinking,
        *(_amount(getattr(prices, name, None), unit) for name in ("input", "cache_read", "cache_write", "output")),
        f"{status}, see `{facts.successor}`" if facts.successor else status,
        row.date,
    )
    return "| " + " | ".join(cells) + " |"


def _amount(value: Decimal | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:f}{unit}"


def _remarks(row: ModelRow, *, borrowed: bool) -> list[str]:
    """What does not fit into the row. borrowed: its notes stand under its own provider."""
    out = [] if borrowed or not row.notes else [row.notes]
    if row.prices:
        newest = row.prices[-1]
        out += [*_conditions(newest), *(f"{text}." for text in _extras(newest.prices))]
    out += [f"until {later.valid_from}: {_rates(one.prices)}." for one, later in pairwise(row.prices)]
    for one in row.other_prices:
        texts = (_rates(one.prices), *_extras(one.prices))
        out.append(f"in {one.currency} from {one.valid_from}: {', '.join(texts)}.")
        out += [f"in {one.currency}, {text}" for text in _conditions(one)]
    return [f"- `{row.facts.id}`: {text}" for text in out]


def _conditions(price: PriceRow) -> list[str]:
    """What else the prices of a list depend on."""
    out = [f"over {tier.above} input tokens: {_rates(tier.prices)}." for tier in price.tiers]
    if price.off_peak:
        out.append(f"off-peak ({hours(price.off_peak.windows)}): {_rates(price.off_peak.prices)}.")
    out += [f"service tier `{name}`: token prices times {factor:f}." for name, factor in price.service_tiers.items()]
    return out


def _extras(rates: Prices) -> list[str]:
    """What has no column."""
    extra = (
        (rates.cache_write_1h, "written to a cache that keeps it for an hour"),
        (rates.searches, "per 1000 searches"),
        (rates.audio_hour, "per hour of audio"),
    )
    return [f"{_amount(value)} {what}" for value, what in extra if value is not None]


def _rates(rates: Prices) -> str:
    if rates.input is None and rates.output is None and rates.audio_hour is not None:
        return "not by tokens"
    written = f"{_amount(rates.cache_write)} written, " if rates.cache_write is not None else ""
    return f"{_amount(rates.input)} fresh, {_amount(rates.cache_read)} cached, {written}{_amount(rates.output)} out"
