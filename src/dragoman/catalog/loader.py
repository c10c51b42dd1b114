"""Reads the shipped catalogue and lays the person's own facts over it, field by field.

In: the two TOML files of this package, further documents in the same shape, single model records, ready provider rows.
Out: a frozen `Catalogue`. What is wrong with single records is collected in `Catalogue.problems`; only a broken shipped
file raises.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from dragoman.catalog.records import merged_profile, model_row, provider_row
from dragoman.catalog.rows import Finding, Level, ModelRow, PriceRow, ProviderRow
from dragoman.catalog.tables import Document, laid_over, near_names
from dragoman.core.profile import ModelFacts, Profile
from dragoman.errors import ConfigError

_SHIPPED = ("providers.toml", "models.toml")
_PARTS = ("profile", "provider", "model")


class Catalogue(msgspec.Struct, frozen=True):
    """Everything that is known. providers: by id. models: by `provider:model`. problems: records that were skipped.

    folded: names in one letter case, so that a look-up costs nothing. fitted: profiles of models that differ from
    their provider's.
    """

    providers: dict[str, ProviderRow]
    models: dict[str, ModelRow]
    profiles: dict[str, Profile]
    problems: tuple[Finding, ...] = ()
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
    if provider.same_prices:
        return msgspec.structs.replace(row, facts=facts)
    return msgspec.structs.replace(row, facts=facts, prices=(), other_prices=())


def _unknown_model(provider: ProviderRow, model_id: str) -> ModelRow:
    """A row of the provider's defaults. One that serves models of several makers (`maker/model`) has a family for each:
    what one maker sealed is an error at another."""
    defaults = provider.model_defaults
    maker, slash, _ = model_id.partition("/")
    facts = ModelFacts(
        id=model_id,
        provider=provider.id,
        family=defaults.family or (maker if slash else "") or provider.id,
        inputs=defaults.inputs,
        thinking=defaults.thinking,
        thinking_switchable=defaults.thinking_switchable and defaults.thinking not in ("forced", "none"),
    )
    return ModelRow(facts=facts, name=model_id, source="not in the catalogue", known=False)


def _billed(row: ModelRow, currency: str) -> ModelRow:
    """The row with the lists of this currency in force; with none in it, those of the newest list's currency."""
    lists = row.price_lists
    if not lists:
        return row
    if all(one.currency != currency for one in lists):
        currency = max(lists, key=lambda one: one.valid_from).currency
    rest = tuple(one for one in lists if one.currency != currency)
    ours: tuple[PriceRow, ...] = tuple(one for one in lists if one.currency == currency)
    return msgspec.structs.replace(row, prices=ours, other_prices=rest)


class _Layers:
    """Documents laid over one another. Every record is read at once; one that cannot be read leaves all as it was."""

    def __init__(self, below: _Layers | None = None) -> None:
        self.profiles: dict[str, Profile] = dict(below.profiles) if below else {}
        self.flags: dict[str, dict[str, Any]] = dict(below.flags) if below else {}
        self.providers: dict[str, ProviderRow] = dict(below.providers) if below else {}
        self.provider_tables: dict[str, dict[str, Any]] = dict(below.provider_tables) if below else {}
        self.models: dict[str, ModelRow] = dict(below.models) if below else {}
        self.model_tables: dict[str, dict[str, Any]] = dict(below.model_tables) if below else {}
        self.findings: list[Finding] = []

    def add(self, document: Document) -> None:
        """Lays one document over what is there."""
        tables = document.tables
        for part in tables:
            if part not in _PARTS:
                near = near_names(str(part), _PARTS)
                fix = f"write {near[0]!r}" if near else f"a catalogue file holds {', '.join(_PARTS)}"
                self._report(document, "", str(part), "there is no such table", fix)
        for name, flags in self._named(document, "profile"):
            self._profile(document, name, flags)
            self._fit_again(name)
        for name, table in self._named(document, "provider"):
            self._provider(document, name, table)
        models = tables.get("model", [])
        seen: set[str] = set()
        for table in models if isinstance(models, list) else [models]:
            self._model(document, table, seen)
        for name, _ in self._named(document, "provider", quiet=True):
            self.twins(name)

    def _named(self, document: Document, part: str, *, quiet: bool = False) -> list[tuple[str, Mapping[str, Any]]]:
        """The tables under `[profile.X]` or `[provider.X]`."""
        found = document.tables.get(part, {})
        tables = found if isinstance(found, Mapping) else {"": found}
        for name, table in tables.items():
            if not isinstance(table, Mapping) and not quiet:
                fix = f"write [{part}.{name or 'NAME'}]"
                self._report(document, str(name), part, f"{part} holds one table for each", fix)
        return [(str(name), table) for name, table in tables.items() if isinstance(table, Mapping)]

    def _profile(self, document: Document, name: str, flags: Mapping[str, Any]) -> None:
        whole = laid_over(self.flags.get(name, {}), flags)
        try:
            self.profiles[name] = merged_profile(Profile(), whole)
        except ConfigError as error:
            self._skipped(document, f"profile {name}", error)
            return
        self.flags[name] = whole

    def _fit_again(self, profile: str) -> None:
        """Providers that took this profile take it as it is now."""
        for name, row in self.providers.items():
            if row.profile_name == profile and name in self.provider_tables:
                self.providers[name] = provider_row(name, self.provider_tables[name], self.profiles)

    def _provider(self, document: Document, name: str, table: Mapping[str, Any]) -> None:
        name = self._provider_id(name)
        whole = laid_over(self.provider_tables.get(name, {}), table)
        try:
            self.providers[name] = provider_row(name, whole, self.profiles)
        except ConfigError as error:
            self._skipped(document, name, error)
            return
        self.provider_tables[name] = whole

    def _provider_id(self, name: str) -> str:
        """The id that a provider's name or alias stands for, letter case aside; a new name stands for itself."""
        if name in self.providers:
            return name
        for row in self.providers.values():
            if name.casefold() in (row.id.casefold(), *(alias.casefold() for alias in row.aliases)):
                return row.id
        return name

    def _model(self, document: Document, table: object, seen: set[str]) -> None:
        if not isinstance(table, Mapping):
            message = "a model is a table; the record was skipped"
            self._report(document, str(table)[:60], "", message, "write [[model]] and its fields below")
            return
        for field in ("provider", "id"):
            if not isinstance(table.get(field), str) or not table[field].strip():
                record = f"{table.get('provider', '?')}:{table.get('id', '?')}"
                message = "it is missing; the record was skipped"
                self._report(document, record, field, message, f'write {field} = "..."')
                return
        provider = self._provider_id(table["provider"])
        base = self._table(provider, table["id"]) or self._twin(provider, table["id"])
        model = base.get("id", table["id"])
        name = f"{provider}:{model}"
        if name in seen:
            self._report(document, name, "id", "the model stands twice in this file", "make one record", "warning")
        seen.add(name)
        whole = laid_over(base, {**table, "provider": provider, "id": model})
        try:
            self.models[name] = model_row(whole)
        except ConfigError as error:
            self._skipped(document, name, error)
            return
        self.model_tables[name] = whole

    def _table(self, provider: str, model: str) -> dict[str, Any]:
        """The record of a model that is known, letter case aside; else empty."""
        name = f"{provider}:{model}"
        if name not in self.model_tables:
            name = next((known for known in self.model_tables if known.casefold() == name.casefold()), name)
        return self.model_tables.get(name, {})

    def _twin(self, provider: str, model: str) -> dict[str, Any]:
        """The record of a model that this provider has from another one; empty where it has none.

        What it costs at the other address is another matter, but on the vendor's own host.
        """
        row = self.providers.get(provider)
        table = self._table(row.models_from, model) if row is not None and row.models_from else {}
        if row is None or not table:
            return {}
        return {**table, "provider": provider, **({} if row.same_prices else {"price": []})}

    def twins(self, provider: str) -> None:
        """Adds all models that this provider has from another one."""
        row = self.providers.get(provider)
        if row is None or not row.models_from:
            return
        for theirs in [model for model in self.models.values() if model.facts.provider == row.models_from]:
            name = f"{provider}:{theirs.facts.id}"
            if name not in self.models:
                self.model_tables[name] = self._twin(provider, theirs.facts.id)
                self.models[name] = _moved(theirs, row)

    def _skipped(self, document: Document, record: str, error: ConfigError) -> None:
        field = error.info.param or ""
        fix = f"mend {field}, or remove the record" if field else "mend or remove the record"
        self._report(document, record, field, f"{error.message}; the record was skipped", fix)

    def _report(
        self, document: Document, record: str, field: str, message: str, fix: str, level: Level = "error"
    ) -> None:
        self.findings.append(Finding(record, field, message, fix, level, document.name))


@cache
def _shipped() -> _Layers:
    """The files of this package, read once. Raises ConfigError when they are broken."""
    tables: dict[str, Any] = {}
    for name in _SHIPPED:
        tables |= tomllib.loads(files("dragoman.catalog").joinpath(name).read_text(encoding="utf-8"))
    layers = _Layers()
    layers.add(Document("", tables))
    if layers.findings:
        raise ConfigError(f"the shipped catalogue is broken: {layers.findings[0]}")
    return layers


def provider_names() -> dict[str, str]:
    """Every id and alias of the shipped providers -> the id; in one letter case, a dash written as one or as `_`."""
    out: dict[str, str] = {}
    for name, row in _shipped().providers.items():
        for other in (name, *row.aliases):
            out.setdefault(other.casefold(), name)
            out.setdefault(other.casefold().replace("-", "_"), name)
    return out


def load(
    extra_providers: Iterable[ProviderRow] = (),
    overrides: Iterable[object] = (),
    documents: Iterable[Document] = (),
) -> Catalogue:
    """The catalogue with the person's own facts.

    documents: further files in the shape of the shipped ones (`read_document`), each laid over those before it.
    overrides: single model records, laid over all documents. extra_providers: ready rows that replace or join the
    others, by id. A record that cannot be read is reported in `problems` and skipped.
    """
    layers = _Layers(_shipped())
    extra = {row.id: row for row in extra_providers}
    layers.providers |= extra  # records of models may lean on what these borrow
    for document in documents:
        layers.add(document)
    layers.providers |= extra
    for row in extra.values():
        if row.same_prices:
            layers.twins(row.id)
    for record in overrides:
        layers.add(Document("", {"model": [record]}))
    providers, models = layers.providers, layers.models
    for name, model in models.items():
        provider = providers.get(model.facts.provider)
        if provider is not None:
            models[name] = _billed(model, provider.currency)
    folded = {name.casefold(): name for name in (*models, *providers)}
    for row in providers.values():
        folded.update((alias.casefold(), row.id) for alias in row.aliases if alias not in providers)
    fitted = {
        name: merged_profile(providers[model.facts.provider].profile, model.profile)
        for name, model in models.items()
        if model.profile and model.facts.provider in providers
    }
    return Catalogue(providers, models, layers.profiles, tuple(layers.findings), folded, fitted)
