"""`dragoman models`: what can be asked for, what it can do, what it costs, and whether there is a key for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from dragoman import catalog
from dragoman.catalog import ModelRow, PriceRow, resolve
from dragoman.catalog.page import render, tokens
from dragoman.config import Settings, load
from dragoman.cost.price import price_row_at

app = typer.Typer(no_args_is_help=True)
_File = Annotated[str | None, typer.Option("--config", help="The configuration file.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable output; its fields stay.")]


@app.command("list")
def list_models(
    as_json: _Json = False,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    config: _File = None,
) -> None:
    """List the models of the catalogue, those with a key first."""
    settings = load(config)
    rows = _chosen(settings, provider)
    if as_json:
        typer.echo(json.dumps([describe(row, settings) for row in rows], indent=2))
        return
    _table(rows, settings)


def _chosen(settings: Settings, provider: str | None) -> list[ModelRow]:
    known = settings.catalogue()
    rows = list(known.all())
    if provider is not None:
        wanted = known.provider(provider)
        if wanted is None:
            raise typer.BadParameter(f"there is no provider {provider!r}; there are {', '.join(known.providers)}")
        rows = [row for row in rows if row.facts.provider == wanted.id]
    return sorted(rows, key=lambda row: row.facts.provider not in settings.accounts)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="A model, as provider:model or by any name that a client may use.")],
    as_json: _Json = False,
    config: _File = None,
) -> None:
    """Show one model, and what a client that asks for this name would get."""
    settings = load(config)
    known = settings.catalogue()
    found = resolve(
        model,
        known,
        aliases=settings.aliases,
        enabled=[*settings.enabled_providers(), *known.providers],
        today=datetime.now(UTC).date(),
    )
    facts = describe(found.row, settings)
    facts["endpoint"] = found.provider.endpoint(found.provider.wire)
    facts["remarks"] = [note.message for note in found.notes]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        if value not in (None, [], "", {}):
            shown = value if isinstance(value, str | int) else json.dumps(value)
            typer.echo(f"{key:<{width}}  {shown}")


@app.command()
def docs() -> None:
    """Print the page of all models as Markdown, from the shipped catalogue alone."""
    typer.echo(render(catalog.load()), nl=False)


def describe(row: ModelRow, settings: Settings) -> dict[str, Any]:
    """One model as JSON values. Prices are decimal strings per million tokens; None is unknown."""
    facts = row.facts
    return {
        "id": row.id,
        "provider": facts.provider,
        "model": facts.id,
        "name": row.name,
        "status": facts.status,
        "key": "set" if facts.provider in settings.accounts else "missing",
        "context": facts.context,
        "max_output": facts.max_output,
        "default_max_output": facts.default_max_output,
        "inputs": ["text", *sorted(facts.inputs)],
        "outputs": list(row.outputs),
        "thinking": facts.thinking,
        "thinking_switchable": facts.thinking_switchable,
        "family": facts.family,
        "successor": facts.successor,
        "retire_date": facts.retire_date,
        "price": _price(price_row_at(row, datetime.now(UTC))),
        "notes": row.notes,
        "source": row.source,
        "date": row.date,
    }


def _price(row: PriceRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    tiers = [{"above": tier.above, **msgspec.to_builtins(tier.prices)} for tier in row.tiers]
    found: dict[str, Any] = {"id": row.id, "currency": row.currency, **msgspec.to_builtins(row.prices)}
    if tiers:
        found["tiers"] = tiers
    if row.off_peak is not None:
        found["off_peak"] = {"windows": row.off_peak.windows, **msgspec.to_builtins(row.off_peak.prices)}
    return found


def _table(rows: Sequence[ModelRow], settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    for title in ("context", "output", "input", "cached", "out"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("thinking", "key", "status"):
        table.add_column(title, no_wrap=True)
    now = datetime.now(UTC)
    for row in rows:
        list_row = price_row_at(row, now)
        prices = list_row.prices if list_row else None
        key = "set" if row.facts.provider in settings.accounts else "-"
        table.add_row(
            row.id,
            tokens(row.facts.context),
            tokens(row.facts.max_output),
            *(_money(getattr(prices, name, None)) for name in ("input", "cache_read", "output")),
            row.facts.thinking,
            key,
            row.facts.status,
            style="dim" if row.facts.status == "retired" else None,
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a pipe has no width; what reads it wants whole lines
    console.print(table)
    typer.echo("Prices in USD per million tokens (input, read from cache, output); - is not known or not set.")


def _money(value: Decimal | None) -> str:
    return "-" if value is None else format(value, "f")
