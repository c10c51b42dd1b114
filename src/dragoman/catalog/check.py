"""Judges a catalogue as a whole: what contradicts itself, what is missing, what has grown old.

In: a catalogue, the person's names, today. Out: findings, each with record, field and remedy. Pure: the caller has the
clock. What could not be read at all stands in `Catalogue.problems` already and comes first here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date

from dragoman.catalog.loader import Catalogue
from dragoman.catalog.resolve import resolve
from dragoman.catalog.rows import UNDATED, Finding, ModelRow, ProviderRow
from dragoman.catalog.tables import near_names
from dragoman.errors import ModelNotFound

_FACTS = ("context", "max_output")


def check(
    known: Catalogue, *, today: date, max_age: int = 180, names: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Everything worth telling. max_age: days after which prices are old. names: settings that name models, targets."""
    found = [*known.problems]
    for provider in known.providers.values():
        found += _provider(provider, known)
    found += _doubles(known)
    for row in known.all():
        found += _status(row, known, today)
        found += _facts(row, known)
        found += _prices(row, known.providers.get(row.facts.provider))
        found += _age(row, today, max_age)
    for name, target in (names or {}).items():
        found += _target(name, target, known)
    return tuple(found)


def _provider(row: ProviderRow, known: Catalogue) -> Iterator[Finding]:
    if row.models_from and row.models_from not in known.providers:
        near = near_names(row.models_from, known.providers)
        fix = f"write {near[0]!r}" if near else f"name one of {', '.join(known.providers)}"
        yield Finding(row.id, "models_from", f"there is no provider {row.models_from!r}", fix)
    listed = [model for model in known.all() if model.facts.provider == row.id and model.facts.status != "retired"]
    unpriced = [model for model in listed if not model.price_lists]
    if row.models_from and not row.same_prices and (unpriced or not listed):
        which = "the" if unpriced == listed else f"{len(unpriced)} of the"
        message = f"what {which} models of {row.models_from} cost here is not known"
        fix = "write [[model.price]] in a record of each that you use; without it every cost is unknown"
        yield Finding(row.id, "price", message, fix, "warning")
    if not row.source:
        yield Finding(row.id, "source", "nobody knows where this was read", "say where, and when", "warning")


def _doubles(known: Catalogue) -> Iterator[Finding]:
    """Names that mean two things."""
    owners: dict[str, str] = {name.casefold(): name for name in known.providers}
    for row in known.providers.values():
        for alias in row.aliases:
            owner = owners.setdefault(alias.casefold(), row.id)
            if owner != row.id:
                yield Finding(row.id, "aliases", f"{alias!r} is a name of {owner} too", "take it from one of the two")
    folded = Counter(name.casefold() for name in known.models)
    for name in known.models:
        if folded[name.casefold()] > 1:
            yield Finding(name, "id", "two records differ in letter case only", "make one record of the two")


def _status(row: ModelRow, known: Catalogue, today: date) -> Iterator[Finding]:
    facts = row.facts
    if facts.status == "retired":
        if not facts.retire_date:
            yield Finding(row.id, "retire_date", "retired, but nobody knows since when", "write the day", "warning")
        if not facts.successor:
            yield Finding(row.id, "successor", "retired, and none takes its place", "name a model", "warning")
    elif facts.retire_date and facts.retire_date <= today.isoformat():
        message = f"its end was announced for {facts.retire_date}, and it is still {facts.status}"
        yield Finding(row.id, "status", message, 'write status = "retired" and a successor, or a later day', "warning")
    if facts.status == "alias" and not facts.successor:
        yield Finding(row.id, "successor", "a second name, but nobody knows of what", "name the model", "warning")
    if not facts.successor:
        return
    next_one = known.find(facts.provider, facts.successor)
    if next_one is None:
        same = [other.facts.id for other in known.all() if other.facts.provider == facts.provider]
        near = near_names(facts.successor, same)
        fix = f"did you mean {near[0]!r}?" if near else "name a model of the same provider"
        yield Finding(row.id, "successor", f"{facts.provider} has no model {facts.successor!r}", fix)
    elif next_one.id == row.id:
        yield Finding(row.id, "successor", "a model cannot take its own place", "name another model")
    elif next_one.facts.status == "retired":
        yield Finding(row.id, "successor", f"{facts.successor!r} is retired too", "name one that is alive", "warning")


def _facts(row: ModelRow, known: Catalogue) -> Iterator[Finding]:
    facts = row.facts
    if facts.provider not in known.providers:
        near = near_names(facts.provider, known.providers)
        hint = f"did you mean {near[0]!r}? Else " if near else ""
        fix = f"{hint}add [provider.{facts.provider}] here, or [providers.{facts.provider}] to dragoman.toml"
        yield Finding(row.id, "provider", f"there is no provider {facts.provider!r}", fix)
    for name in _FACTS:
        if getattr(facts, name) is None:
            yield Finding(row.id, name, "it is not known", f"write {name} = TOKENS", "warning")
    for name in ("thinking", "status"):
        if getattr(facts, name) == "unknown":
            yield Finding(row.id, name, "it is not known", f'write {name} = "..."', "warning")
    for name in ("source", "date"):
        if not getattr(row, name):
            yield Finding(row.id, name, "nobody knows where or when this was read", f'write {name} = "..."', "warning")
    for small, large in (("default_max_output", "max_output"), ("max_output", "context")):
        little, much = getattr(facts, small), getattr(facts, large)
        if little is not None and much is not None and little > much:
            yield Finding(
                row.id, small, f"{little} is more than {large}, {much}", f"mend {small} or {large}", "warning"
            )


def _prices(row: ModelRow, provider: ProviderRow | None) -> Iterator[Finding]:
    lists = row.price_lists
    borrowed = provider is not None and bool(provider.models_from)
    if not lists and not borrowed and row.facts.status != "retired":
        fix = "write [[model.price]]; without it every cost is unknown"
        yield Finding(row.id, "price", "it is not known", fix, "warning")
    for id, count in Counter(one.id for one in lists).items():
        if count > 1:
            yield Finding(row.id, "price", f"{count} lists are called {id}", "give each its own `from` or currency")
    for one in lists:
        rates = one.prices
        if rates.audio_hour is None and (rates.input is None or rates.output is None):
            which = "input" if rates.input is None else "output"
            yield Finding(row.id, f"price.{which}", f"{one.id} lacks it", 'write it, "0" where it is free', "warning")
        for tier in one.tiers:
            if row.facts.context is not None and tier.above >= row.facts.context:
                message = f"a tier over {tier.above} tokens can never hold in a context of {row.facts.context}"
                yield Finding(row.id, "price.tiers", message, "mend the tier or the context", "warning")


def _age(row: ModelRow, today: date, max_age: int) -> Iterator[Finding]:
    if row.facts.status == "retired":
        return
    newest = max((one.valid_from for one in row.price_lists), default=UNDATED)
    read = max(row.date, newest.isoformat())
    if newest == UNDATED:
        return
    age = (today - date.fromisoformat(read)).days
    if age > max_age:
        message = f"the prices were read {age} days ago, on {read}"
        yield Finding(row.id, "price", message, "look them up again, and set `date` and `from`", "warning")


def _target(name: str, target: str, known: Catalogue) -> Iterator[Finding]:
    """Where a name of the person leads. `provider:*` passes names on and is no model."""
    record, _, field = name.partition(".")
    head, colon, model = target.partition(":")
    if colon and model.strip() == "*":
        if known.provider(head.strip()) is None:
            near = near_names(head, known.providers)
            fix = f"did you mean {near[0]!r}?" if near else f"name one of {', '.join(known.providers)}"
            yield Finding(record, field, f"{target!r}: there is no provider {head!r}", fix)
        return
    try:
        found = resolve(target, known, enabled=tuple(known.providers))
    except ModelNotFound as error:
        yield Finding(record, field, f"{target!r} leads nowhere: {error.message}", "name a model as provider:model")
        return
    if found.row.facts.status == "retired":
        next_one = found.row.facts.successor
        fix = f"point it at {found.provider.id}:{next_one}" if next_one else "point it at a model that is alive"
        yield Finding(record, field, f"{target!r} is retired", fix, "warning")
    elif not found.row.known:
        same = [row.facts.id for row in known.all() if row.facts.provider == found.provider.id]
        near = near_names(found.model.id, same)
        hint = f"did you mean {near[0]!r}? Else " if near else ""
        message = f"{target!r} is not in the catalogue; its facts and price are unknown"
        yield Finding(record, field, message, f"{hint}add a [[model]] record of it", "warning")
