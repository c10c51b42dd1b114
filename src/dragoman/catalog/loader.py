"""Reads the shipped catalogue and lays the person's own facts over it, field by field.

In: the two TOML files of this package, override records, extra provider rows. Out: a frozen `Catalogue`. Problems of
single records are collected in `Catalogue.problems`; only a broken shipped file raises.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from dragoman.catalog.records import ModelRecord, ProviderRecord, merged_profile, model_row, provider_row
from dragoman.catalog.rows import ModelRow, ProviderRow
from dragoman.core.profile import ModelFacts, Profile
from dragoman.errors import ConfigError


class Catalogue(msgspec.Struct, frozen=True):
    """Everything that is known. providers: by id. models: by `provider:model`. problems: records that were skipped.

    folded: names in one letter case, so that a look-up costs nothing. fitted: profiles of models that differ from
    their provider's.
    """

    providers: dict[str, ProviderRow]
    models: dict[str, ModelRow]
    profiles: dict[str, Profile]
    problems: tuple[str, ...] = ()
    folded: dict[str, str] = {}
    fitted: dict[str, Profile] = {}

    def provider(self, name: str) -> ProviderRow | None:
        """The provider of this id or alias, letter case aside."""
        row = self.providers.get(name)
        if row is not None:
            return row
        wanted = self.folded.get(name.casefold())
        return None if wanted is None else self.providers.get(wanted)

    def model(self, provider_id: str, model_id: str) -> ModelRow:
        """The model's row; for a name that is not known, a careful one with that provider's defaults.

        Raises ConfigError when there is no such provider.
        """
        provider = self.provider(provider_id)
        if provider is None:
            raise ConfigError(f"there is no provider {provider_id!r}")
        row = self.find(provider.id, model_id)
        if row is None and provider.models_from:
            row = self.find(provider.models_from, model_id)
            if row is not None:
                return _moved(row, provider)
        return row if row is not None else _unknown_model(provider, model_id)

    def find(self, provider_id: str, model_id: str) -> ModelRow | None:
        """The row of a model that is known, letter case aside, or None."""
        name = f"{provider_id}:{model_id}"
        row = self.models.get(name)
        if row is not None:
            return row
        return self.models.get(self.folded.get(name.casefold(), ""))

    def all(self) -> tuple[ModelRow, ...]:
        """All models in the catalogue's order."""
        return tuple(self.models.values())

    def profile_for(self, provider: ProviderRow, model: ModelRow) -> Profile:
        """The provider's flags with those that differ for this model."""
        if not model.profile:
            return provider.profile
        ready = self.fitted.get(model.id)
        return ready if ready is not None else merged_profile(provider.profile, model.profile)


def _moved(row: ModelRow, provider: ProviderRow) -> ModelRow:
    """The same model at another provider's address. Its price is only the same on the vendor's own host."""
    facts = msgspec.structs.replace(row.facts, provider=provider.id)
    return msgspec.structs.replace(row, facts=facts, prices=row.prices if provider.same_prices else ())


def _unknown_model(provider: ProviderRow, model_id: str) -> ModelRow:
    defaults = provider.model_defaults
    facts = ModelFacts(
        id=model_id,
        provider=provider.id,
        family=defaults.family or provider.id,
        inputs=defaults.inputs,
        thinking=defaults.thinking,
        thinking_switchable=defaults.thinking_switchable and defaults.thinking not in ("forced", "none"),
    )
    return ModelRow(facts=facts, name=model_id, source="not in the catalogue", known=False)


def _tables(name: str) -> dict[str, Any]:
    return tomllib.loads(files("dragoman.catalog").joinpath(name).read_text(encoding="utf-8"))


@cache
def shipped_provider_tables() -> tuple[dict[str, ProviderRecord], dict[str, Profile]]:
    """The records of `providers.toml` and the profiles, by name."""
    raw = _tables("providers.toml")
    profiles = {name: merged_profile(Profile(), flags) for name, flags in raw["profile"].items()}
    records = {name: msgspec.convert(table, ProviderRecord) for name, table in raw["provider"].items()}
    return records, profiles


@cache
def _shipped_models() -> tuple[dict[str, Any], ...]:
    return tuple(_tables("models.toml")["model"])


def shipped_providers() -> dict[str, ProviderRow]:
    """The rows of the shipped providers, before any setting of the person."""
    records, profiles = shipped_provider_tables()
    return {name: provider_row(name, record, profiles) for name, record in records.items()}


def provider_names() -> dict[str, str]:
    """Every id and alias of the shipped providers -> the id; in one letter case, a dash written as one or as `_`."""
    out: dict[str, str] = {}
    for name, record in shipped_provider_tables()[0].items():
        for other in (name, *record.aliases):
            out.setdefault(other.casefold(), name)
            out.setdefault(other.casefold().replace("-", "_"), name)
    return out


def _names_of(record: object) -> tuple[str, str]:
    if isinstance(record, Mapping):
        return str(record.get("provider", "?")), str(record.get("id", "?"))
    return "?", "?"


def _overlay(base: dict[str, dict[str, Any]], overrides: Iterable[object], problems: list[str]) -> None:
    """Lays records over records, field by field; `price` is replaced as a whole."""
    for record in overrides:
        provider, model = _names_of(record)
        if not isinstance(record, Mapping) or "?" in (provider, model):
            problems.append(f"a model record without id or provider was skipped: {str(record)[:80]}")
            continue
        name = f"{provider}:{model}"
        candidate = {**base.get(name, {}), **record}
        error = _unreadable(candidate)
        if error:
            problems.append(f"the record of {name} was skipped: {error}")
        else:
            base[name] = candidate


def _unreadable(record: Mapping[str, Any]) -> str:
    try:
        row = model_row(msgspec.convert(record, ModelRecord))
        if row.profile:
            merged_profile(Profile(), row.profile)
    except KeyError as error:
        return f"{error.args[0]} is missing"
    except (msgspec.ValidationError, ConfigError) as error:
        return str(error)
    return ""


def load(
    extra_providers: Iterable[ProviderRow] = (),
    overrides: Iterable[object] = (),
) -> Catalogue:
    """The catalogue with the person's own facts.

    extra_providers: rows that replace or join the shipped ones, by id. overrides: model records in the shape of
    `models.toml`; a field that stands in one replaces the shipped field, all others stay. A record that cannot be read
    is reported in `problems` and skipped.
    """
    records, profiles = shipped_provider_tables()
    providers = shipped_providers()
    problems: list[str] = []
    models: dict[str, dict[str, Any]] = {}
    _overlay(models, _shipped_models(), problems)
    for name, record in records.items():
        if record.models_from:
            # The same models at another address; what they cost there is another matter.
            twins = [table for table in models.values() if table["provider"] == record.models_from]
            _overlay(models, ({**table, "provider": name, "price": []} for table in twins), problems)
    if problems:
        raise ConfigError(f"the shipped catalogue is broken: {problems[0]}")
    for row in extra_providers:
        providers[row.id] = row
    _overlay(models, _canonical(overrides, providers), problems)
    rows = {name: model_row(msgspec.convert(table, ModelRecord)) for name, table in models.items()}
    folded = {name.casefold(): name for name in (*rows, *providers)}
    for row in providers.values():
        folded.update((alias.casefold(), row.id) for alias in row.aliases if alias not in providers)
    fitted = {
        name: merged_profile(providers[model.facts.provider].profile, model.profile)
        for name, model in rows.items()
        if model.profile and model.facts.provider in providers
    }
    return Catalogue(providers, rows, dict(profiles), tuple(problems), folded, fitted)


def _canonical(overrides: Iterable[object], providers: Mapping[str, ProviderRow]) -> Iterable[object]:
    aliases = {alias: row.id for row in providers.values() for alias in row.aliases}
    for record in overrides:
        if isinstance(record, Mapping) and record.get("provider") in aliases:
            yield {**record, "provider": aliases[str(record["provider"])]}
        else:
            yield record
