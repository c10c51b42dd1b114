"""The list of models: the person's aliases, and the current models of the providers that are configured.

In: a gate. Out: JSON values in OpenAI's or Anthropic's form. Patterns and `*` are rules, not models, and stay hidden.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from dragoman.catalog import resolve
from dragoman.errors import DragomanError, ModelNotFound
from dragoman.gateway.gate import Gate

_EPOCH = "2026-01-01"


class Listed(msgspec.Struct, frozen=True):
    """One model to show. date: when its facts were read, as a day."""

    id: str
    name: str
    owner: str
    date: str

    @property
    def created(self) -> int:
        """Seconds since 1970."""
        try:
            day = datetime.fromisoformat(self.date or _EPOCH)
        except ValueError:
            day = datetime.fromisoformat(_EPOCH)
        return int(day.replace(tzinfo=UTC).timestamp())

    def openai(self) -> dict[str, Any]:
        """In OpenAI's form."""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": self.owner}

    def anthropic(self) -> dict[str, Any]:
        """In Anthropic's form."""
        when = datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"type": "model", "id": self.id, "display_name": self.name, "created_at": when}


def listed(gate: Gate) -> list[Listed]:
    """Aliases first, then the catalogue's order."""
    out = []
    for alias, target in gate.settings.aliases.items():
        if "*" not in alias and "?" not in alias:
            out.append(_alias(gate, alias, target))
    for row in gate.catalogue.all():
        if row.facts.provider in gate.enabled and row.facts.status in ("current", "preview"):
            out.append(Listed(row.id, row.name or row.facts.id, row.facts.provider, row.date))
    return list({model.id: model for model in reversed(out)}.values())[::-1]


def _alias(gate: Gate, alias: str, target: str) -> Listed:
    try:
        owner = resolve(alias, gate.catalogue, aliases=gate.settings.aliases, enabled=gate.enabled).provider.id
    except DragomanError:
        owner = target.partition(":")[0]
    return Listed(alias, f"{alias} ({target})", owner, "")


def model_list(gate: Gate, *, anthropic: bool) -> dict[str, Any]:
    """The whole list."""
    models = listed(gate)
    if not anthropic:
        return {"object": "list", "data": [m.openai() for m in models]}
    return {
        "data": [m.anthropic() for m in models],
        "has_more": False,
        "first_id": models[0].id if models else None,
        "last_id": models[-1].id if models else None,
    }


def one_model(gate: Gate, name: str, *, anthropic: bool) -> dict[str, Any]:
    """One model, by any name that a request may use. Raises ModelNotFound."""
    found = next((m for m in listed(gate) if m.id == name), None)
    if found is None:
        row = resolve(name, gate.catalogue, aliases=gate.settings.aliases, enabled=gate.enabled).row
        if row.facts.provider not in gate.enabled:
            raise ModelNotFound(f"{row.facts.provider} is not configured", code="model_not_found", param="model")
        found = Listed(name, row.name or row.facts.id, row.facts.provider, row.date)
    return found.anthropic() if anthropic else found.openai()
