"""The catalogue for programs: three questions that need no `Catalogue` in hand. They ask the shipped facts.

In: names as a person writes them, and the catalogue to ask as `known`, where it is not the shipped one. Out: rows and
prices. Raises ModelNotFound and ConfigError with near names.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache

import msgspec

from dragoman.catalog.loader import Catalogue, load
from dragoman.catalog.prices import is_off_peak, price_row_at, rates_for, served
from dragoman.catalog.resolve import resolve
from dragoman.catalog.rows import ModelRow, PriceRow, Prices
from dragoman.catalog.tables import near_names
from dragoman.core.profile import Profile
from dragoman.core.request import EFFORTS
from dragoman.errors import ConfigError


class Quote(msgspec.Struct, frozen=True):
    """What a model's tokens cost at one moment, per million in `currency`; None in `prices` is unknown.

    list: the price list they are from. off_peak: whether the moment lies in its off-peak hours.
    """

    currency: str
    prices: Prices
    list: PriceRow
    off_peak: bool = False


def models(
    provider: str | None = None, *, status: str | None = None, known: Catalogue | None = None
) -> tuple[ModelRow, ...]:
    """The models of one provider (an id or alias), or of all; with `status` only those, as `current`.

    Raises ConfigError for a provider that is not known.
    """
    found = known or _shipped()
    rows = found.all()
    if provider is not None:
        row = found.provider(provider)
        if row is None:
            near = near_names(provider, found.providers)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"there is no provider {provider!r}; {hint}there are {', '.join(found.providers)}")
        rows = tuple(one for one in rows if one.facts.provider == row.id)
    return tuple(one for one in rows if status is None or one.facts.status == status)


def model(name: str, *, known: Catalogue | None = None) -> ModelRow:
    """The row of `provider:model`, or of a bare name. Raises ModelNotFound with near names."""
    found = known or _shipped()
    return resolve(name, found, enabled=tuple(found.providers)).row


def price(
    name: str | ModelRow,
    when: datetime | None = None,
    *,
    prompt: int = 0,
    service_tier: str | None = None,
    known: Catalogue | None = None,
) -> Quote | None:
    """What a model's tokens cost at `when` (now without it), for a request with `prompt` input tokens, cache included.

    None when the price is not known. Raises ModelNotFound. `dragoman.cost.price` prices a usage by the same lists.
    """
    row = name if isinstance(name, ModelRow) else model(name, known=known)
    moment = when or datetime.now(UTC)
    found = price_row_at(row, moment)
    rates = None if found is None else served(found, rates_for(found, moment, prompt), service_tier)
    if found is None or rates is None:
        return None
    return Quote(found.currency, rates, found, found.off_peak is not None and is_off_peak(found.off_peak, moment))


def reasoning_levels(row: ModelRow, profile: Profile, words: Collection[str] = EFFORTS) -> tuple[str, ...]:
    """The efforts out of `words` that make a difference on this model, least first; empty where nothing can be asked.

    Efforts that are the same to the vendor count once, under the vendor's own word where that is one of `words`. A
    model whose thinking is only on or off has `none` and `medium`. profile: the provider's, fit for this model.
    """
    facts = row.facts
    if facts.thinking == "none" or profile.thinking == "none":
        return ()
    off = ("none",) if facts.thinking_switchable and facts.thinking != "forced" else ()
    graded = profile.thinking in ("effort", "object", "type_effort") or (
        profile.anthropic_thinking == "full" and bool(profile.efforts)
    )
    if not graded or not profile.efforts:
        return (*off, "medium") if off else ()
    if profile.thinking in ("effort", "object") and "none" not in profile.efforts:
        off = ()
    chosen: dict[str, str] = {}
    for effort in EFFORTS:
        word = profile.efforts.get(effort)
        if word is None or word == "none" or effort == "none" or effort not in words:
            continue
        if word not in chosen or effort == word:
            chosen[word] = effort
    return (*(level for level in off if level in words), *sorted(chosen.values(), key=EFFORTS.index))


@cache
def _shipped() -> Catalogue:
    return load()
