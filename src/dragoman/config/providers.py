"""The person's providers laid over the catalogue's: rows, keys, accounts.

A provider that the catalogue does not know becomes a custom row. The host of its URL - equal or a subdomain, never a
substring - suggests the profile of the vendor whose host it is; every explicit setting wins over the suggestion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dragoman.catalog import Catalogue, Limits, ProviderRow, host_matches, near_names
from dragoman.catalog.loader import provider_names
from dragoman.catalog.records import DEFAULT_PROFILE, check_urls, chosen_profile
from dragoman.config.settings import Account, Problem, ProviderSettings
from dragoman.config.sources import Sources
from dragoman.core.profile import Profile
from dragoman.errors import ConfigError


def build_rows(
    base: Catalogue,
    providers: Mapping[str, ProviderSettings],
    env: Mapping[str, str],
    sources: Sources,
    problems: list[Problem],
) -> list[ProviderRow]:
    """The rows that differ from those of `base`, the catalogue before any setting."""
    shipped, profiles = base.providers, base.profiles
    rows: list[ProviderRow] = []
    for name in (*shipped, *(name for name in providers if name not in shipped)):
        settings = _with_environment(shipped.get(name), providers.get(name, ProviderSettings()), env, sources)
        try:
            row = shipped.get(name)
            made = _custom(name, settings, shipped, profiles) if row is None else _adjusted(row, settings, profiles)
            check_urls(made)
        except ConfigError as error:
            key = f"providers.{name}" + (f".{error.info.param}" if error.info.param else "")
            place = sources.place(tuple(key.split(".")))
            problems.append(Problem(key, error.message, "see [providers.X] in docs/configuration.md", place))
            continue
        if made is not row:
            rows.append(made)
    return rows


def _with_environment(
    row: ProviderRow | None, settings: ProviderSettings, env: Mapping[str, str], sources: Sources
) -> ProviderSettings:
    """The vendor's own base-URL variable comes before the file, and after a variable of ours."""
    if row is None or not row.base_url_env:
        return settings
    value = env.get(row.base_url_env, "").strip()
    if not value or _from_our_environment(row.id, "base_url", sources):
        return settings
    sources.places[f"providers.{row.id}.base_url"] = row.base_url_env
    return msgspec.structs.replace(settings, base_url=value)


def _from_our_environment(provider: str, key: str, sources: Sources) -> bool:
    return sources.places.get(f"providers.{provider}.{key}", "").startswith(("DRAGOMAN_", "flag "))


def _adjusted(row: ProviderRow, settings: ProviderSettings, profiles: Mapping[str, Profile]) -> ProviderRow:
    changes = _explicit(settings, row, profiles)
    return msgspec.structs.replace(row, **changes) if changes else row


def _custom(
    name: str,
    settings: ProviderSettings,
    shipped: Mapping[str, ProviderRow],
    profiles: Mapping[str, Profile],
) -> ProviderRow:
    url = settings.base_url or next(iter(settings.urls.values()), "")
    if not url:
        near = near_names(name, provider_names())
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"there is no provider {name!r}, and a new one needs base_url{hint}", param="base_url")
    vendor = suggested(url, shipped)
    if vendor is None:
        base = ProviderRow(id=name, name=name, profile_name=DEFAULT_PROFILE)
    else:
        base = msgspec.structs.replace(
            vendor, id=name, name=name, aliases=(), patterns=(), key_env=(), base_url_env="", urls={}
        )
    changes = _explicit(settings, base, profiles)
    if settings.wire is None and vendor is None and settings.urls and "chat" not in settings.urls:
        changes.setdefault("wire", next(iter(settings.urls)))
    models_from = _models_from(vendor, settings, shipped)
    row = msgspec.structs.replace(base, **changes)
    return msgspec.structs.replace(
        row,
        custom=True,
        keyless=vendor is None,
        base_url=settings.base_url or "",
        models_from=models_from,
        same_prices=vendor is not None and vendor.id == models_from,
        source="the person's configuration",
    )


def suggested(url: str, shipped: Mapping[str, ProviderRow]) -> ProviderRow | None:
    """The vendor whose host `url` lies on, or None."""
    host = urlsplit(url if "://" in url else "//" + url).hostname or ""
    return next((row for row in shipped.values() if host_matches(host, row.hosts)), None)


def _models_from(vendor: ProviderRow | None, settings: ProviderSettings, shipped: Mapping[str, ProviderRow]) -> str:
    """Whose models these probably are: those of the host's owner, or of the vendor whose profile was chosen."""
    if vendor is not None:
        return vendor.id
    chosen = settings.profile.get("base") if isinstance(settings.profile, dict) else settings.profile
    return str(chosen) if chosen in shipped else ""


def _explicit(settings: ProviderSettings, row: ProviderRow, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """What the person said, as fields of the row."""
    changes: dict[str, Any] = {}
    for field in ("base_url", "auth", "wire", "native", "thinking_default", "foreign_reasoning"):
        value = getattr(settings, field)
        if value is not None:
            changes[field] = value
    if settings.urls:
        changes["urls"] = dict(settings.urls)
    if settings.headers:
        changes["headers"] = dict(settings.headers)
    if settings.limits is not None:
        changes["limits"] = settings.limits or Limits()
    if settings.profile is not None:
        changes["profile"], changes["profile_name"] = chosen_profile(
            settings.profile, profiles, row.profile, row.profile_name
        )
    if settings.currency is not None:
        changes["currency"] = settings.currency
    return changes


def build_accounts(
    known: Catalogue, providers: Mapping[str, ProviderSettings], env: Mapping[str, str], sources: Sources
) -> dict[str, Account]:
    """One account for each provider that can be called: it has a key, or its server may want none."""
    accounts: dict[str, Account] = {}
    for row in known.providers.values():
        key = _key(row, providers.get(row.id, ProviderSettings()), env, sources)
        if key or row.keyless or row.custom:
            accounts[row.id] = Account(row.id, row.id, key, row.base_url, row.limits)
    return accounts


def _key(row: ProviderRow, settings: ProviderSettings, env: Mapping[str, str], sources: Sources) -> str | None:
    """The key, in the one order of precedence. A reference `env:NAME` in the file names a variable of its own choice,
    and so stands before the usual one."""
    table = sources.values.get("providers", {}).get(row.id)
    referenced = isinstance(table, dict) and str(table.get("api_key", "")).startswith("env:")
    ours = _from_our_environment(row.id, "api_key", sources)
    if settings.api_key and (referenced or ours):
        return settings.api_key.strip()
    for name in row.key_env:
        value = env.get(name, "").strip()
        if value:
            sources.places[f"providers.{row.id}.api_key"] = name
            return value
    return settings.api_key.strip() if settings.api_key else None
