"""From a table of a catalogue file to a row. The rows of `rows` are the only definition of what a table may hold.

In: plain mappings, as TOML gives them. Out: rows. What a table leaves out is unknown. Raises ConfigError whose `param`
is the dotted field that cannot be read; a table is read alone, so that one bad record never takes the file down.
Opens no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from dragoman.catalog.price_records import price_row
from dragoman.catalog.rows import UNDATED, ModelRow, PriceRow, ProviderRow
from dragoman.catalog.tables import near_names, read_table, refuse_strangers, written_day
from dragoman.catalog.urls import split_base
from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts, Profile
from dragoman.errors import ConfigError

DEFAULT_PROFILE = "openai-compatible"

PROVIDER_FIELDS = tuple(name for name in ProviderRow.__struct_fields__ if name not in ProviderRow.MADE)
_FACTS = ModelFacts.__struct_fields__
_ABOUT = tuple(name for name in ModelRow.__struct_fields__ if name not in ("facts", "prices", "other_prices", "known"))
MODEL_FIELDS = (*_FACTS, *_ABOUT, "price")


def provider_row(provider_id: str, table: Mapping[str, Any], profiles: Mapping[str, Profile]) -> ProviderRow:
    """The row of one `[provider.ID]` table. Raises ConfigError."""
    refuse_strangers(table, PROVIDER_FIELDS, "a provider")
    profile, profile_name = chosen_profile(table.get("profile", DEFAULT_PROFILE), profiles)
    fields = {**table, "id": provider_id, "name": table.get("name") or provider_id}
    row = read_table({**fields, "profile": profile, "profile_name": profile_name}, ProviderRow)
    check_urls(row)
    return row


def check_urls(row: ProviderRow) -> None:
    """Raises ConfigError when the provider cannot be reached with these URLs."""
    for wire, url in row.urls.items():
        try:
            split_base(url)
        except ConfigError as error:
            raise ConfigError(error.message, param=f"urls.{wire}") from None
    if row.base_url:
        try:
            row.endpoint(row.wire)
        except ConfigError as error:
            raise ConfigError(error.message, param="base_url") from None
    elif row.wire not in row.urls:
        raise ConfigError(f"there is no base_url and no urls.{row.wire}", param="base_url")


def chosen_profile(
    wanted: object, profiles: Mapping[str, Profile], current: Profile | None = None, current_name: str = DEFAULT_PROFILE
) -> tuple[Profile, str]:
    """The profile that `wanted` means - a name, or a table of flags with an optional `base` - and its name.

    current: what flags without a `base` are laid over. Raises ConfigError with near names.
    """
    flags: dict[str, Any] = {}
    name: object = wanted
    if isinstance(wanted, Mapping):
        flags = {key: value for key, value in wanted.items() if key != "base"}
        name = wanted.get("base")
    profile = current if current is not None else profiles.get(current_name, Profile())
    if name is not None:
        if not isinstance(name, str) or name not in profiles:
            near = near_names(str(name), profiles)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"there is no profile {name!r}; {hint}there are {', '.join(sorted(profiles))}", param="profile"
            )
        profile, current_name = profiles[name], name
    return (merged_profile(profile, flags) if flags else profile), current_name


def merged_profile(base: Profile, flags: Mapping[str, object]) -> Profile:
    """`base` with single flags replaced, on every wire; those under `on.WIRE` on that wire only.

    Raises ConfigError naming the flag that does not exist or does not fit.
    """
    plain = {name: value for name, value in flags.items() if name != "on"}
    made = _replaced(base, plain)
    wires = {wire: _replaced(own, plain) for wire, own in base.on.items()}
    special = flags.get("on", {})
    if not isinstance(special, Mapping) or not all(isinstance(own, Mapping) for own in special.values()):
        message = "a profile's `on` holds one table of flags for each wire, as in on.responses"
        raise ConfigError(message, param="profile")
    for wire, own in special.items():
        if wire not in get_args(WireName):
            raise ConfigError(
                f"a profile's `on` has no wire {wire!r}; there are {', '.join(get_args(WireName))}", param="profile"
            )
        wires[wire] = _replaced(wires.get(wire, made), own)
    return msgspec.structs.replace(made, on=wires)


def _replaced(base: Profile, flags: Mapping[str, object]) -> Profile:
    """`base` with these flags and nothing special on any wire."""
    known = tuple(name for name in Profile.__struct_fields__ if name != "on")
    unknown = sorted(set(flags) - set(known))
    if unknown:
        near = near_names(unknown[0], known)
        hint = f"did you mean {near[0]!r}?" if near else f"the flags are {', '.join(known)}"
        raise ConfigError(f"there is no profile flag {unknown[0]!r}; {hint}", param="profile")
    bare = msgspec.structs.replace(base, on={})
    if not flags:
        return bare
    try:
        return msgspec.convert({**msgspec.to_builtins(bare), **flags}, Profile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"a profile flag does not fit: {error}", param="profile") from None


def model_row(table: Mapping[str, Any]) -> ModelRow:
    """The row of one `[[model]]` table, every price list in `prices`. Raises ConfigError."""
    refuse_strangers(table, MODEL_FIELDS, "a model")
    table = {**table, **{name: written_day(table[name], name) for name in ("date", "retire_date") if name in table}}
    facts = read_table({name: table[name] for name in _FACTS if name in table}, ModelFacts)
    for name in ("context", "max_output", "default_max_output"):
        count = getattr(facts, name)
        if count is not None and count < 1:
            raise ConfigError(f"{count} tokens cannot be; what is not known is left out", param=name)
    facts = msgspec.structs.replace(
        facts,
        family=facts.family or facts.provider,
        thinking_switchable=facts.thinking_switchable and facts.thinking not in ("forced", "none"),
    )
    about = {name: table[name] for name in _ABOUT if name in table}
    row = read_table({**about, "facts": facts, "name": about.get("name") or facts.id}, ModelRow)
    merged_profile(Profile(), row.profile)
    lists = table.get("price", [])
    if not isinstance(lists, list):
        raise ConfigError("price lists stand in [[model.price]], one table for each", param="price")
    read = [_price_at(number, row, entry) for number, entry in enumerate(lists)]
    return msgspec.structs.replace(row, prices=tuple(sorted(read, key=lambda price: price.valid_from)))


def _price_at(number: int, row: ModelRow, table: object) -> PriceRow:
    try:
        return price_row(row.id, table, row.date or UNDATED.isoformat())
    except ConfigError as error:
        field = error.info.param
        raise ConfigError(error.message, param=f"price[{number}]" + (f".{field}" if field else "")) from None
