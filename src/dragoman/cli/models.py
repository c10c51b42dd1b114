"""`dragoman models`: what can be asked for, what it can do, what it costs, whether there is a key for it.

`check` says whether the catalogue, with the person's own facts and names, is in order.

Exit codes of `check`: 0 no errors (warnings do not count, unless --strict); 1 something is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from dragoman import catalog
from dragoman.catalog import Catalogue, ModelRow, PriceRow, Resolved, near_names, reasoning_levels, resolve
from dragoman.catalog.check import check as judge
from dragoman.catalog.page import hours, render, tokens
from dragoman.catalog.prices import is_off_peak, price_row_at
from dragoman.catalog.rows import UNDATED
from dragoman.config import Settings, examine, load
from dragoman.core.profile import Profile
from dragoman.errors import ConfigError

app = typer.Typer(no_args_is_help=True)
_File = Annotated[str | None, typer.Option("--config", help="The configuration file.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable output; its fields stay.")]
_Provider = Annotated[str | None, typer.Option(help="Only this provider, by id or alias.")]
_STATUS = ("current", "preview", "alias", "retired", "unknown")


@app.command("list")
def list_models(
    as_json: _Json = False,
    provider: _Provider = None,
    status: Annotated[list[str] | None, typer.Option(help="Only models of this status; can be repeated.")] = None,
    ready: Annotated[bool, typer.Option("--ready", help="Only models whose provider has a key.")] = False,
    config: _File = None,
) -> None:
    """List the models of the catalogue, those with a key first."""
    settings = load(config)
    for word in status or ():
        if word not in _STATUS:
            raise typer.BadParameter(f"there is no status {word!r}; there are {', '.join(_STATUS)}")
    rows = [
        row
        for row in _chosen(settings, provider)
        if (not status or row.facts.status in status) and (not ready or row.facts.provider in settings.accounts)
    ]
    if as_json:
        typer.echo(json.dumps([describe(row, settings) for row in rows], indent=2))
    elif rows:
        _table(rows, settings)
    else:
        typer.echo("No model fits; without --provider, --status and --ready all are listed.")


def _chosen(settings: Settings, provider: str | None) -> list[ModelRow]:
    try:
        rows = catalog.models(provider, known=settings.catalogue())
    except ConfigError as error:
        raise typer.BadParameter(error.message) from None
    return sorted(rows, key=lambda row: row.facts.provider not in settings.accounts)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="A model, as provider:model or by any name that a client may use.")],
    as_json: _Json = False,
    config: _File = None,
) -> None:
    """Show all about one model, and what a client that asks for this name would get."""
    settings = load(config)
    known = settings.catalogue()
    now = datetime.now(UTC)
    found = resolve(
        model,
        known,
        aliases=settings.aliases,
        enabled=[*settings.enabled_providers(), *known.providers],
        today=now.date(),
    )
    facts = {**describe(found.row, settings, now), **_more(found, known, now)}
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    del facts["price"]
    lists = facts.pop("prices")
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        if value not in (None, [], "", {}):
            words = isinstance(value, list) and all(isinstance(word, str) for word in value)
            shown = ", ".join(value) if words else value if isinstance(value, str | int) else json.dumps(value)
            typer.echo(f"{key:<{width}}  {shown}")
    typer.echo(f"{'prices':<{width}}  per million tokens" if lists else f"{'prices':<{width}}  not known")
    for one in lists:
        for line in _price_lines(one):
            typer.echo(f"  {line}")


def _more(found: Resolved, known: Catalogue, now: datetime) -> dict[str, Any]:
    """What `show` tells beside the facts: how it is reached, how it is spoken to, every price list."""
    provider = found.provider
    wires = found.model.wires or provider.wires
    limits = found.row.limits or provider.limits
    base = known.profiles.get(provider.profile_name, Profile())
    return {
        "key_env": list(provider.key_env),
        "wires": list(wires),
        "endpoint": provider.endpoint(provider.wire),
        "endpoints": {wire: provider.endpoint(wire) for wire in wires},
        "limits": msgspec.to_builtins(limits),
        "reasoning_levels": list(reasoning_levels(found.row, provider.profile_on(provider.wire))),
        "profile": provider.profile_name,
        "profile_flags": _flags(provider.profile),
        "profile_flags_here": _changed(provider.profile, base),
        "prices": [_list(row, found.row, now) for row in found.row.price_lists],
        "remarks": [*(note.message for note in found.notes), *_stranger(found, known)],
    }


def _stranger(found: Resolved, known: Catalogue) -> list[str]:
    """Said of a name that nobody lists: it may be a new model, or a slip."""
    if found.row.known:
        return []
    near = near_names(found.model.id, [row.facts.id for row in catalog.models(found.provider.id, known=known)])
    hint = f"; near names: {', '.join(near)}" if near else ""
    return [f"{found.model.id} is not in the catalogue: it can be asked for, but nothing is known of it{hint}"]


def _flags(profile: Profile) -> dict[str, Any]:
    """The flags that differ from a plain compatible server; what a wire has of its own stands under `on`."""
    wires = {wire: _differing(own, profile) for wire, own in profile.on.items()}
    own = {wire: flags for wire, flags in wires.items() if flags}
    return {**_differing(profile, Profile()), **({"on": own} if own else {})}


def _changed(profile: Profile, base: Profile) -> dict[str, Any]:
    """The flags that the model or the person's settings changed in the provider's profile."""
    changed = _differing(profile, base)
    wires = {wire: _differing(profile.at(wire), base.at(wire)) for wire in {**base.on, **profile.on}}
    own = {wire: {n: v for n, v in flags.items() if changed.get(n) != v} for wire, flags in wires.items()}
    own = {wire: flags for wire, flags in own.items() if flags}
    return {**changed, **({"on": own} if own else {})}


def _differing(profile: Profile, base: Profile) -> dict[str, Any]:
    names = (name for name in Profile.__struct_fields__ if name != "on")
    return {
        name: msgspec.to_builtins(getattr(profile, name), order="sorted")
        for name in names
        if getattr(profile, name) != getattr(base, name)
    }


@app.command()
def check(
    as_json: _Json = False,
    provider: _Provider = None,
    max_age: Annotated[int, typer.Option(help="Days after which a price is old.", min=0)] = 180,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    config: _File = None,
) -> None:
    """Check the catalogue with your own facts and aliases; name each record, field and remedy. Calls nobody."""
    settings, problems = examine(config)
    if settings is None:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    known = settings.catalogue()
    names = {f"aliases.{name}": target for name, target in settings.aliases.items()}
    if settings.default_model and settings.default_model not in settings.aliases:
        names["default_model"] = settings.default_model
    found = judge(known, today=datetime.now(UTC).date(), max_age=max_age, names=names)
    if provider is not None:
        _chosen(settings, provider)  # a name that means nobody is refused
        wanted = known.provider(provider)
        found = tuple(one for one in found if wanted is not None and one.record.partition(":")[0] == wanted.id)
    bad = [one for one in found if strict or one.level == "error"]
    if as_json:
        report = {
            "ok": not bad,
            "models": len(known.models),
            "findings": [msgspec.structs.asdict(one) for one in found],
        }
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for one in sorted(found, key=lambda finding: finding.level):
            typer.echo(f"{one.level}: {one}")
        errors = sum(one.level == "error" for one in found)
        typer.echo(f"{len(known.models)} models: {errors} errors, {len(found) - errors} warnings")
    raise typer.Exit(1 if bad else 0)


@app.command()
def docs() -> None:
    """Print the page of all models as Markdown, from the shipped catalogue alone."""
    typer.echo(render(catalog.load()), nl=False)


def describe(row: ModelRow, settings: Settings, now: datetime | None = None) -> dict[str, Any]:
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
        "price": _price(price_row_at(row, now or datetime.now(UTC))),
        "notes": row.notes,
        "source": row.source,
        "date": row.date,
    }


def _price(row: PriceRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    found: dict[str, Any] = {"id": row.id, "currency": row.currency, **msgspec.to_builtins(row.prices)}
    if row.tiers:
        found["tiers"] = [{"above": tier.above, **msgspec.to_builtins(tier.prices)} for tier in row.tiers]
    if row.off_peak is not None:
        found["off_peak"] = {"windows": row.off_peak.windows, **msgspec.to_builtins(row.off_peak.prices)}
    if row.service_tiers:
        found["service_tiers"] = msgspec.to_builtins(row.service_tiers)
    return found


def _list(row: PriceRow, model: ModelRow, now: datetime) -> dict[str, Any]:
    """One price list with its day, its source, and whether it holds now."""
    found = _price(row) or {}
    if row.off_peak is not None:
        found["off_peak"] = {**found["off_peak"], "holds": is_off_peak(row.off_peak, now)}
    holds = row == price_row_at(model, now)
    return {**found, "from": row.valid_from.isoformat(), "source": row.source or model.source, "holds": holds}


def _price_lines(one: dict[str, Any]) -> list[str]:
    peak = one.get("off_peak")
    now = " (holds now)" if one["holds"] and not (peak and peak["holds"]) else ""
    start = "undated," if one["from"] == UNDATED.isoformat() else f"from {one['from']}"
    source = f"; source: {one['source']}" if one["source"] else ""
    lines = [f"{start} in {one['currency']}{now}: {_rates(one)}{source}"]
    lines += [f"  over {tier['above']} input tokens: {_rates(tier)}" for tier in one.get("tiers", [])]
    if peak:
        holds = " (holds now)" if one["holds"] and peak["holds"] else ""
        lines.append(f"  off-peak{holds}: {_rates(peak)}; {hours(peak['windows'])}")
    lines += [
        f"  service tier {name}: token prices x {factor}" for name, factor in one.get("service_tiers", {}).items()
    ]
    return lines


_RATES = {
    "input": "fresh",
    "cache_read": "cached",
    "cache_write": "written",
    "cache_write_1h": "written for an hour",
    "output": "out",
    "searches": "per 1000 searches",
    "audio_hour": "per hour of audio",
}


def _rates(table: dict[str, Any]) -> str:
    known = [f"{table[name]} {word}" for name, word in _RATES.items() if table.get(name) is not None]
    return ", ".join(known) or "not known"


_NUMBERS = ("context", "output", "input", "cached", "out")
_NAME = 32
_LEAST_WANTED = ("thinking", "output", "cached", "context", "status", "key")
"""What a narrow terminal goes without, in this order, so that the name keeps its `_NAME` characters."""


def _table(rows: Sequence[ModelRow], settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a pipe has no width; what reads it wants whole lines
    now = datetime.now(UTC)
    cells = [_cells(row, settings, now) for row in rows]
    shown = _fitting(cells, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in shown:
        number = title in _NUMBERS
        table.add_column(title, justify="right" if number else "left", no_wrap=title != "model", overflow="fold")
    for row, cell in zip(rows, cells, strict=True):
        table.add_row(*(cell[title] for title in shown), style="dim" if row.facts.status == "retired" else None)
    console.print(table)
    left_out = [title for title in _LEAST_WANTED if title not in shown]
    typer.echo(
        "Prices per million tokens (input, read from cache, output), in USD where nothing else stands beside them, "
        "without tiers and off-peak hours; - is not known or not set."
        + (f" A wider terminal shows {', '.join(left_out)}, too." if left_out else "")
    )


def _cells(row: ModelRow, settings: Settings, now: datetime) -> dict[str, str]:
    """One line of the table, by the titles of its columns."""
    listed = price_row_at(row, now)
    prices = listed.prices if listed else None
    unit = "" if listed is None or listed.currency == "USD" else f" {listed.currency}"
    return {
        "model": row.id,
        "context": tokens(row.facts.context),
        "output": tokens(row.facts.max_output),
        "input": _money(getattr(prices, "input", None), unit),
        "cached": _money(getattr(prices, "cache_read", None), unit),
        "out": _money(getattr(prices, "output", None), unit),
        "thinking": row.facts.thinking,
        "key": "set" if row.facts.provider in settings.accounts else "-",
        "status": row.facts.status,
    }


def _fitting(cells: Sequence[dict[str, str]], width: int) -> list[str]:
    """The titles of the columns for which there is room."""
    widest = {title: max(len(title), *(len(cell[title]) for cell in cells)) for title in cells[0]}
    widest["model"] = min(widest["model"], _NAME)  # a longer name goes on in the next line
    for title in _LEAST_WANTED:
        if sum(widest.values()) + 2 * (len(widest) - 1) <= width:
            break
        del widest[title]
    return list(widest)


def _money(value: Decimal | None, unit: str) -> str:
    return "-" if value is None else f"{value:f}{unit}"
