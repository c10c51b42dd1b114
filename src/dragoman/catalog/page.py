"""The page of all models as Markdown, made from the catalogue so that it can never disagree with it."""

from __future__ import annotations

from decimal import Decimal

from dragoman.catalog.loader import Catalogue
from dragoman.catalog.rows import ModelRow, ProviderRow

_HEAD = """# Models

Made from the catalogue by `dragoman models docs`; a test checks that it is fresh.

Prices are in USD per million tokens unless another currency stands beside them: fresh input, read from cache, written
to cache, output. A dash is not known, which is never the same as free. `provider:model` is the name that always works.
A retired model stays selectable with a warning: a self-hosted server may still serve it. To change or add a fact, write
a record of the same shape into `models.toml` beside your `dragoman.toml` (see [configuration](configuration.md)).
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
)


def tokens(count: int | None) -> str:
    """A number of tokens as people write it: 1M, 128K, 204800."""
    if count is None:
        return "-"
    for size, unit in ((1024 * 1024, "M"), (1_000_000, "M"), (1024, "K"), (1000, "K")):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


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
    lines = [
        f"## {provider.name}",
        "",
        f"Provider `{provider.id}`{aliases}; key in {names}; base URL `{provider.base_url}` "
        f"(`{provider.base_url_env}`); wires {', '.join(provider.wires)}.",
        "",
    ]
    if not rows:
        return "\n".join([*lines, "Any model that it serves can be named; none is listed here.", ""])
    lines += [
        "| " + " | ".join(_COLUMNS) + " |",
        "|---|---:|---:|---:|---|---|---:|---:|---:|---:|---|",
        *(_model(row) for row in rows),
        "",
    ]
    remarks = [remark for row in rows for remark in _remarks(row)]
    return "\n".join([*lines, *remarks, *([""] if remarks else [])])


def _model(row: ModelRow) -> str:
    facts = row.facts
    price = row.prices[-1] if row.prices else None
    prices = price.prices if price else None
    unit = "" if price is None or price.currency == "USD" else f" {price.currency}"
    status = facts.status + (f" {facts.retire_date}" if facts.status == "retired" and facts.retire_date else "")
    cells = (
        f"`{facts.id}`",
        tokens(facts.context),
        tokens(facts.max_output),
        tokens(facts.default_max_output),
        ", ".join(["text", *sorted(facts.inputs)]),
        facts.thinking,
        *(_amount(getattr(prices, name, None), unit) for name in ("input", "cache_read", "cache_write", "output")),
        f"{status}, see `{facts.successor}`" if facts.successor else status,
    )
    return "| " + " | ".join(cells) + " |"


def _amount(value: Decimal | None, unit: str) -> str:
    return "-" if value is None else f"{value:f}{unit}"


def _remarks(row: ModelRow) -> list[str]:
    out = []
    price = row.prices[-1] if row.prices else None
    if row.notes:
        out.append(f"- `{row.facts.id}`: {row.notes}")
    for tier in price.tiers if price else ():
        rates = tier.prices
        out.append(
            f"- `{row.facts.id}`: over {tier.above} input tokens {_amount(rates.input, '')} fresh, "
            f"{_amount(rates.cache_read, '')} cached, {_amount(rates.output, '')} out."
        )
    if price and price.off_peak:
        rates = price.off_peak.prices
        hours = "; ".join(f"weekdays {days} {start}-{end}" for days, start, end in price.off_peak.windows)
        out.append(
            f"- `{row.facts.id}`: off-peak (UTC, ISO {hours}) {_amount(rates.input, '')} fresh, "
            f"{_amount(rates.cache_read, '')} cached, {_amount(rates.output, '')} out."
        )
    return out
