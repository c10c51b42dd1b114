"""From the name that a client asks for to a provider and a model.

Order: `provider:model` or `provider/model`; an exact alias; the person's alias patterns, the most specific first; the
catalogue; the providers' name patterns; the person's `"*"`. Only providers that are enabled answer to a bare name. A
name that nothing serves is an error with near names; it never goes to some default vendor. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase

import msgspec

from dragoman.catalog.loader import Catalogue
from dragoman.catalog.rows import ModelRow, ProviderRow
from dragoman.catalog.tables import near_names
from dragoman.core.notes import Note
from dragoman.core.profile import ModelFacts
from dragoman.errors import ModelNotFound

_WINDOW_SUFFIX = "[1m]"
"""Claude Code marks the large window so; no vendor's API knows it."""


class Resolved(msgspec.Struct, frozen=True):
    """provider: the row, its profile made fit for this model. asked: the client's name. row: facts with prices."""

    provider: ProviderRow
    model: ModelFacts
    asked: str
    row: ModelRow
    notes: tuple[Note, ...] = ()

    @property
    def name(self) -> str:
        """`provider:model`."""
        return self.row.id


def resolve(
    name: str,
    catalogue: Catalogue,
    *,
    aliases: Mapping[str, str] | None = None,
    enabled: Collection[str] = (),
    today: date | None = None,
) -> Resolved:
    """The provider and model that serve `name`. Raises ModelNotFound, which suggests near names.

    aliases: the person's `[aliases]`. enabled: ids of the providers that may answer to a bare name. today: lets an
    announced end that has passed be noted for a model whose row still calls it current.
    """
    asked = name.strip()
    bare = asked[: -len(_WINDOW_SUFFIX)] if asked.endswith(_WINDOW_SUFFIX) else asked
    table = aliases or {}
    found = (
        _qualified(bare, catalogue)
        or _aliased(asked, bare, catalogue, table, enabled)
        or _listed(bare, catalogue, enabled)
        or _patterned(bare, catalogue, enabled)
        or _passed(bare, catalogue, table)
    )
    if found is None:
        raise _not_found(asked, catalogue, table, enabled)
    provider, row = found
    fitted = msgspec.structs.replace(provider, profile=catalogue.profile_for(provider, row))
    return Resolved(fitted, row.facts, name, row, _notes(row, today))


_Found = tuple[ProviderRow, ModelRow]


def _qualified(name: str, catalogue: Catalogue) -> _Found | None:
    """`provider:model` before `provider/model`: OpenRouter's ids hold slashes of their own."""
    for separator in (":", "/"):
        head, found, model = name.partition(separator)
        if found and model.strip() and model != "*":
            provider = catalogue.provider(head.strip())
            if provider is not None:
                return provider, catalogue.model(provider.id, model.strip())
    return None


def _aliased(
    asked: str, bare: str, catalogue: Catalogue, aliases: Mapping[str, str], enabled: Collection[str]
) -> _Found | None:
    for key in (asked, bare):
        if key in aliases and key != "*":
            return _target(aliases[key], bare, catalogue, enabled)
    globs = [key for key in aliases if key != "*" and ("*" in key or "?" in key) and fnmatchcase(bare, key)]
    if not globs:
        return None
    best = max(globs, key=lambda key: len(key.replace("*", "").replace("?", "")))
    return _target(aliases[best], bare, catalogue, enabled)


def _target(target: str, asked: str, catalogue: Catalogue, enabled: Collection[str]) -> _Found | None:
    """What an alias points at. `provider:*` passes the asked name through. An alias never points at an alias."""
    head, found, model = target.partition(":")
    if found and model.strip() == "*":
        provider = catalogue.provider(head.strip())
        return None if provider is None else (provider, catalogue.model(provider.id, asked))
    return (
        _qualified(target, catalogue) or _listed(target, catalogue, enabled) or _patterned(target, catalogue, enabled)
    )


def _listed(name: str, catalogue: Catalogue, enabled: Collection[str]) -> _Found | None:
    for provider in catalogue.providers.values():
        if provider.id in enabled:
            row = catalogue.find(provider.id, name)
            if row is not None:
                return provider, row
    return None


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def _patterned(name: str, catalogue: Catalogue, enabled: Collection[str]) -> _Found | None:
    for provider in catalogue.providers.values():
        if provider.id in enabled and _matches(name, provider.patterns):
            return provider, catalogue.model(provider.id, name)
    return None


def _passed(name: str, catalogue: Catalogue, aliases: Mapping[str, str]) -> _Found | None:
    target = aliases.get("*")
    return _target(target, name, catalogue, tuple(catalogue.providers)) if target and name else None


def _notes(row: ModelRow, today: date | None) -> tuple[Note, ...]:
    facts = row.facts
    over = today is not None and facts.retire_date is not None and facts.retire_date <= today.isoformat()
    if facts.status != "retired" and not over:
        return ()
    when = f" on {facts.retire_date}" if facts.retire_date else ""
    next_one = f"; its successor is {facts.successor}" if facts.successor else ""
    return (Note("model_retired", "model", f"{facts.id} was announced to end{when}{next_one}"),)


def _not_found(name: str, catalogue: Catalogue, aliases: Mapping[str, str], enabled: Collection[str]) -> ModelNotFound:
    rows = [row for row in catalogue.all() if row.facts.provider in enabled]
    names = [key for key in aliases if "*" not in key] + [row.facts.id for row in rows] + [row.id for row in rows]
    near = near_names(name, names)
    parts = [f"there is no model {name!r}" if name else "no model was named"]
    if near:
        parts.append(f"near names: {', '.join(near)}")
    head = name.partition(":")[0].strip()
    asleep = _asleep(name, catalogue, enabled)
    if asleep is not None:
        remedy = f"set {asleep.key_env[0]}" if asleep.key_env else "configure it"
        parts.append(f"{asleep.id} serves it but is not configured: {remedy}")
    elif not near and ":" in name and catalogue.provider(head) is None:
        parts.append(f"{head!r} is no provider; `dragoman models list` shows what is there, [providers.NAME] adds one")
    elif not near:
        parts.append("name it provider:model, or set an alias; `dragoman models list` shows what is there")
    return ModelNotFound("; ".join(parts), code="model_not_found", param="model")


def _asleep(name: str, catalogue: Catalogue, enabled: Collection[str]) -> ProviderRow | None:
    """The provider that would serve `name` if it had a key."""
    rest = [item for item in catalogue.providers if item not in enabled]
    found = _listed(name, catalogue, rest) or _patterned(name, catalogue, rest)
    return found[0] if found else None
