"""The records of the catalogue's files, and how each becomes a row.

A record is read alone: one that cannot be read is a problem with a name, and never takes the file down with it. What a
record leaves out is unknown. Takes plain mappings (as TOML gives them), gives rows; opens no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

import msgspec

from dragoman.catalog.rows import (
    AuthStyle,
    KeyFamily,
    Limits,
    ModelDefaults,
    ModelRow,
    OffPeak,
    PriceRow,
    Prices,
    PriceTier,
    ProviderRow,
)
from dragoman.core.messages import MediaKind, WireName
from dragoman.core.profile import ModelFacts, Profile, ThinkingDefault
from dragoman.errors import ConfigError

ThinkingState = Literal["on", "off", "auto", "adaptive", "forced", "none", "unknown"]
Status = Literal["current", "alias", "retired", "preview", "unknown"]
_PRICE_KEYS = Prices.__struct_fields__


class ProviderRecord(msgspec.Struct, forbid_unknown_fields=True):
    """One `[provider.ID]` table."""

    name: str = ""
    aliases: tuple[str, ...] = ()
    base_url: str = ""
    urls: dict[WireName, str] = {}
    paths: dict[WireName, str] = {}
    hosts: tuple[str, ...] = ()
    key_env: tuple[str, ...] = ()
    base_url_env: str = ""
    auth: AuthStyle = "bearer"
    wire: WireName = "chat"
    native: tuple[WireName, ...] = ()
    profile: str = "openai-compatible"
    patterns: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    key_families: tuple[KeyFamily, ...] = ()
    thinking_default: ThinkingDefault | None = None
    limits: Limits = Limits()
    model_defaults: ModelDefaults = ModelDefaults()
    models_path: str = ""
    models_from: str = ""
    keyless: bool = False
    forward_headers: tuple[str, ...] = ()
    source: str = ""


class ModelRecord(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[model]]` table. `price` is read by `price_row`."""

    id: str
    provider: str
    name: str = ""
    family: str = ""
    context: int | None = None
    max_output: int | None = None
    default_max_output: int | None = None
    inputs: frozenset[MediaKind] = frozenset()
    outputs: tuple[str, ...] = ("text",)
    thinking: ThinkingState = "unknown"
    thinking_switchable: bool = True
    status: Status = "unknown"
    successor: str | None = None
    retire_date: str | None = None
    wires: tuple[WireName, ...] = ()
    profile: dict[str, Any] = {}
    limits: Limits | None = None
    notes: str = ""
    source: str = ""
    date: str = ""
    price: list[dict[str, Any]] = []


def merged_profile(base: Profile, flags: Mapping[str, object]) -> Profile:
    """`base` with single flags replaced. Raises ConfigError naming the flag that does not exist or does not fit."""
    unknown = sorted(set(flags) - set(Profile.__struct_fields__))
    if unknown:
        raise ConfigError(f"there is no profile flag {unknown[0]!r}; the flags are {', '.join(_flags())}")
    try:
        return msgspec.convert({**msgspec.to_builtins(base), **flags}, Profile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"a profile flag does not fit: {error}") from None


def _flags() -> tuple[str, ...]:
    return Profile.__struct_fields__


def provider_row(provider_id: str, record: ProviderRecord, profiles: Mapping[str, Profile]) -> ProviderRow:
    """The row of one provider. Raises ConfigError when its profile does not exist."""
    profile = profiles.get(record.profile)
    if profile is None:
        raise ConfigError(f"provider {provider_id!r}: there is no profile {record.profile!r}")
    fields = {name: getattr(record, name) for name in record.__struct_fields__ if name != "models_from"}
    fields["profile"] = profile
    return ProviderRow(
        id=provider_id,
        profile_name=record.profile,
        **{**fields, "name": record.name or provider_id},
    )


def _prices(table: Mapping[str, Any]) -> Prices:
    return msgspec.convert({key: table[key] for key in _PRICE_KEYS if key in table}, Prices, strict=False)


def _refuse_strangers(table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    strange = sorted(set(table) - {*_PRICE_KEYS, *allowed})
    if strange:
        raise msgspec.ValidationError(f"a price has no field {strange[0]!r}")


def price_row(model: str, table: Mapping[str, Any], fallback_date: str) -> PriceRow:
    """One `[[model.price]]` table of `model` (`provider:model`). Raises msgspec.ValidationError."""
    _refuse_strangers(table, ("from", "currency", "tiers", "off_peak", "source"))
    start = msgspec.convert(table.get("from", fallback_date), date)
    tiers = []
    for tier in table.get("tiers", ()):
        _refuse_strangers(tier, ("above",))
        tiers.append(PriceTier(msgspec.convert(tier["above"], int), _prices(tier)))
    off_peak = None
    if peak := table.get("off_peak"):
        _refuse_strangers(peak, ("windows",))
        windows = msgspec.convert(peak["windows"], tuple[tuple[str, str, str], ...])
        off_peak = OffPeak(windows, _prices(peak))
    return PriceRow(
        id=f"{model}@{start.isoformat()}",
        valid_from=start,
        prices=_prices(table),
        currency=msgspec.convert(table.get("currency", "USD"), str),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above)),
        off_peak=off_peak,
        source=msgspec.convert(table.get("source", ""), str),
    )


def model_row(record: ModelRecord) -> ModelRow:
    """The row of one model. Raises msgspec.ValidationError or KeyError for a price that cannot be read."""
    facts = ModelFacts(
        id=record.id,
        provider=record.provider,
        family=record.family or record.provider,
        context=record.context,
        max_output=record.max_output,
        default_max_output=record.default_max_output,
        inputs=record.inputs,
        thinking=record.thinking,
        thinking_switchable=record.thinking_switchable and record.thinking not in ("forced", "none"),
        status=record.status,
        successor=record.successor,
        retire_date=record.retire_date,
        wires=record.wires,
    )
    name = f"{record.provider}:{record.id}"
    prices = [price_row(name, table, record.date or "1970-01-01") for table in record.price]
    return ModelRow(
        facts=facts,
        name=record.name or record.id,
        prices=tuple(sorted(prices, key=lambda row: row.valid_from)),
        notes=record.notes,
        source=record.source,
        date=record.date,
        outputs=record.outputs,
        limits=record.limits,
        profile=record.profile,
    )
