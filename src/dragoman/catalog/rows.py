"""The rows of the catalogue: what a provider is, what a model is, what a token costs.

Values only. Files are read in `loader`, names are looked up in `resolve`. A fact that is not known is None or empty,
never zero: a context of 0 or a price of 0 would be believed.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from dragoman.catalog.urls import endpoint_url
from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts, Profile, ThinkingDefault

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
    thinking: Literal["on", "off", "auto", "adaptive", "forced", "none", "unknown"] = "unknown"
    thinking_switchable: bool = True
    inputs: frozenset[Literal["image", "audio", "video", "document"]] = frozenset()


class ProviderRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who serves models, and how to reach it.

    base_url: scheme and host, and a path only where the vendor has none of its own in `paths`. urls: full endpoint
    URLs that win over everything. paths: endpoint path per wire, from the host's root. wire: the wire to speak unless
    the model or the plan needs another. native: wires on which a body may pass through untouched. patterns: model
    names (globs) that belong to this provider. headers: sent with every call. key_families: see KeyFamily; they are
    judged on the vendor's own hosts only. thinking_default: None leaves the profile's. custom: made by the person.
    keyless: may be called without a key.
    models_from: the provider whose models these are; same_prices: at its prices too, being its own host.
    """

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
    limits: Limits = Limits()
    model_defaults: ModelDefaults = ModelDefaults()
    models_path: str = ""
    profile_name: str = ""
    custom: bool = False
    keyless: bool = False
    models_from: str = ""
    same_prices: bool = False
    source: str = ""
    forward_headers: tuple[str, ...] = ()
    """Headers of the client that are passed on; never one that authenticates."""

    @property
    def wires(self) -> tuple[WireName, ...]:
        """The wires that can be spoken to this provider, its own first."""
        rest = [wire for wire in (*self.paths, *self.urls) if wire != self.wire]
        return (self.wire, *dict.fromkeys(rest))

    def endpoint(self, wire: WireName) -> str:
        """The URL to post to. Raises ConfigError when the base URL cannot be used."""
        return self.urls.get(wire) or endpoint_url(self.base_url, self.paths, wire)

    def host(self, wire: WireName | None = None) -> str:
        """The host that the endpoint of this wire lies on, in lower case."""
        return (urlsplit(self.endpoint(wire or self.wire)).hostname or "").lower()


class Prices(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices per million tokens. None is unknown. audio_hour: per hour of audio. searches: per 1000 searches."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    searches: Decimal | None = None
    audio_hour: Decimal | None = None


class PriceTier(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices that hold for a whole request once its input, cache included, is over `above` tokens.

    A token price that the tier leaves out is unknown in that tier: vendors raise some prices and not others.
    """

    above: int
    prices: Prices = Prices()


class OffPeak(msgspec.Struct, frozen=True, omit_defaults=True):
    """Other prices at certain hours. windows: ("1-5", "10:00", "24:00") - ISO weekdays, from, to, in UTC."""

    windows: tuple[tuple[str, str, str], ...]
    prices: Prices = Prices()


class PriceRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """The price list of one model from one day on. valid_from: the day that the source was read, if nothing better."""

    id: str
    valid_from: date
    prices: Prices
    currency: str = "USD"
    tiers: tuple[PriceTier, ...] = ()
    off_peak: OffPeak | None = None
    source: str = ""


class ModelRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model at one provider. prices: oldest first; empty means that the price is not known.

    outputs: what it makes. profile: flags that differ from the provider's. date: when the facts were read.
    known: False for a row made up for a name that the catalogue does not have.
    """

    facts: ModelFacts
    name: str = ""
    prices: tuple[PriceRow, ...] = ()
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
