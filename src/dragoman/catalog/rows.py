"""The rows of the catalogue: what a provider is, what a model is, what a token costs.

Values only. Files are read in `loader`, names are looked up in `resolve`. A fact that is not known is None or empty,
never zero: a context of 0 or a price of 0 would be believed.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from dragoman.catalog.urls import endpoint_url, host_of
from dragoman.core.messages import WireName
from dragoman.core.profile import ForeignReasoning, ModelFacts, Profile, ThinkingDefault, ThinkingState

AuthStyle = Literal["bearer", "api-key", "x-api-key"]
"""The one header that carries the key: `Authorization: Bearer`, `api-key` or `x-api-key`."""


class KeyFamily(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys with this prefix belong to these hosts, and only there.

    hosts: exact host names. name: what the person calls this kind of key.
    """

    prefix: str
    hosts: tuple[str, ...]
    name: str = ""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Shaping towards one account. rpm: requests per minute. tpm: tokens per minute. None is no limit."""

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


class ModelDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is assumed of a model of this provider that the catalogue does not know."""

    family: str = ""
    thinking: ThinkingState = "unknown"
    thinking_switchable: bool = True
    inputs: frozenset[Literal["image", "audio", "video", "document"]] = frozenset()


class ProviderRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who serves models, and how to reach it. These are also the keys of a `[provider.ID]` table, but for `MADE`.

    base_url: scheme and host, and a path only where the vendor has none of its own in `paths`. urls: full endpoint
    URLs that win over everything. paths: endpoint path per wire, from the host's root. wire: the wire to speak unless
    the model or the plan needs another. native: wires on which a body may pass through untouched. patterns: model
    names (globs) that belong to this provider. headers: sent with every call. key_families: see KeyFamily; they are
    judged on the vendor's own hosts only. thinking_default: None leaves the profile's. custom: made by the person.
    foreign_reasoning: what becomes of another model's thinking in the history.
    keyless: may be called without a key.
    models_from: the provider whose models these are; same_prices: at its prices too, being its own host.
    currency: the currency that the account is billed in, which chooses among a model's price lists.
    profile_name: the profile that the flags came from.
    """

    MADE: ClassVar[frozenset[str]] = frozenset({"id", "profile_name", "custom", "same_prices"})
    """Fields that no file sets: they follow from the rest."""

    id: str
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
    profile: Profile = Profile()
    patterns: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    key_families: tuple[KeyFamily, ...] = ()
    thinking_default: ThinkingDefault | None = None
    foreign_reasoning: ForeignReasoning = "drop"
    limits: Limits = Limits()
    model_defaults: ModelDefaults = ModelDefaults()
    models_path: str = ""
    profile_name: str = ""
    custom: bool = False
    keyless: bool = False
    models_from: str = ""
    same_prices: bool = False
    currency: str = "USD"
    source: str = ""
    forward_headers: tuple[str, ...] = ()
    """Headers of the client that are passed on; never one that authenticates."""

    @property
    def wires(self) -> tuple[WireName, ...]:
        """The wires that can be spoken to this provider, its own first."""
        rest = [wire for wire in (*self.paths, *self.urls) if wire != self.wire]
        return (self.wire, *dict.fromkeys(rest))

    def profile_on(self, wire: WireName) -> Profile:
        """How the provider wants to be spoken to on this wire."""
        return self.profile.at(wire)

    def endpoint(self, wire: WireName) -> str:
        """The URL to post to. Raises ConfigError when the base URL cannot be used."""
        return self.urls.get(wire) or endpoint_url(self.base_url, self.paths, wire)

    def host(self, wire: WireName | None = None) -> str:
        """The host that the endpoint of this wire lies on, in lower case."""
        return host_of(self.endpoint(wire or self.wire))


class Prices(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices per million tokens. None is unknown. audio_hour: per hour of audio. searches: per 1000 searches.

    cache_write_1h: written to a cache that keeps it for an hour.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    searches: Decimal | None = None
    audio_hour: Decimal | None = None
    cache_write_1h: Decimal | None = None


UNDATED = date(1970, 1, 1)
"""From when a price list holds of which nobody knows when it was read: always."""


class PriceTier(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices that hold for a whole request once its input, cache included, is over `above` tokens.

    A token price that the tier leaves out is unknown in that tier: vendors raise some prices and not others.
    """

    above: int
    prices: Prices = Prices()


class OffPeak(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Other prices at certain hours. windows: ("1-5", "10:00", "24:00") - ISO weekdays, from, to, in UTC.

    A window begins with its first minute and ends before its last; it never passes midnight.
    """

    windows: tuple[tuple[str, str, str], ...]
    prices: Prices = Prices()


class PriceRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The price list of one model from one day on. valid_from: the day that the source was read, if nothing better.

    id: `provider:model@day`, with `/CUR` behind it for a list that is not in USD. service_tiers: what token prices are
    multiplied by when a request is served in that tier. source: empty where it is the model's own.
    """

    id: str
    valid_from: date
    prices: Prices
    currency: str = "USD"
    tiers: tuple[PriceTier, ...] = ()
    off_peak: OffPeak | None = None
    service_tiers: dict[str, Decimal] = {}
    source: str = ""


class ModelRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One model at one provider.

    prices: the lists in the currency of the provider's account, oldest first; empty means that the price is not known.
    other_prices: the lists in other currencies. outputs: what it makes. profile: flags that differ from the provider's.
    date: when the facts were read. known: False for a row made up for a name that the catalogue does not have.
    """

    facts: ModelFacts
    name: str = ""
    prices: tuple[PriceRow, ...] = ()
    other_prices: tuple[PriceRow, ...] = ()
    notes: str = ""
    source: str = ""
    date: str = ""
    outputs: tuple[str, ...] = ("text",)
    limits: Limits | None = None
    profile: dict[str, object] = {}
    known: bool = True

    @property
    def id(self) -> str:
        """`provider:model`, the name under which it can always be asked for."""
        return f"{self.facts.provider}:{self.facts.id}"

    @property
    def price_lists(self) -> tuple[PriceRow, ...]:
        """Every list, those of the account's currency first."""
        return (*self.prices, *self.other_prices)


Level = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about one record of the catalogue that a person should know.

    record: `provider:model`, a provider, a profile or an alias. field: dotted, as it is written. fix: the remedy.
    level: an error is wrong or was skipped; a warning is worth a look. file: where the record stands, "" for shipped.
    """

    record: str
    field: str
    message: str
    fix: str
    level: Level = "error"
    file: str = ""

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.record, self.field) if part)
        return f"{place}: {self.message}; fix: {self.fix}"
