"""The list of models: the person's aliases, and the models of the providers that are configured.

In: a gate. Out: JSON values in the form of OpenAI, Anthropic or Codex. Patterns and `*` are rules, not models, and stay
hidden; so do retired models, second names and models that write no text, until they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import msgspec

from dragoman.catalog import ModelRow, ProviderRow, price, reasoning_levels, resolve
from dragoman.core.profile import Profile, Status
from dragoman.errors import DragomanError, InvalidRequest, ModelNotFound
from dragoman.gateway.gate import Gate

Shape = Literal["openai", "anthropic", "codex"]
_EPOCH = "2026-01-01"
_HIDDEN = ("retired", "alias")
_TOKENS_PER_PRICE = 1_000_000
_CODEX_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
"""Efforts that every Codex reads. An unknown word fails its whole list."""
_CODEX_INPUTS = ("text", "image")
_CODEX_LEVELS = {
    "none": "No thinking",
    "minimal": "The least thinking",
    "low": "Short thinking",
    "medium": "Balanced thinking",
    "high": "Deep thinking",
    "xhigh": "The deepest thinking",
}
_CODEX_INSTRUCTIONS = (
    "You are a coding agent that works in a terminal on the user's own files. Look at the code before you change it, "
    "keep to its style, make small and complete changes with the tools you are given, and run the checks that exist. "
    "Say shortly what you did, and what you could not do."
)
"""Codex takes a model's instructions from its list and refuses an entry without them."""


class Listed(msgspec.Struct, frozen=True):
    """One model to show. id: the name to ask for. row: its facts; None for an alias that leads nowhere now."""

    id: str
    name: str
    owner: str
    row: ModelRow | None = None
    profile: Profile = Profile()

    @property
    def created(self) -> int:
        """Seconds since 1970 of the day when the facts were read."""
        day = datetime.fromisoformat((self.row.date if self.row is not None else "") or _EPOCH)
        return int(day.replace(tzinfo=UTC).timestamp())

    def facts(self, now: float) -> dict[str, Any]:
        """What is known beside the name. What is not known is left out."""
        row = self.row
        if row is None:
            return {}
        facts = row.facts
        levels = reasoning_levels(row, self.profile)
        known: dict[str, Any] = {
            "context_window": facts.context,
            "max_output_tokens": facts.max_output,
            "input_modalities": ["text", *sorted(facts.inputs)] if row.known else None,
            "output_modalities": list(row.outputs) if row.known else None,
            "reasoning_levels": list(levels) if row.known else None,
            "status": facts.status if row.known else None,
            "retire_date": facts.retire_date,
            "successor": facts.successor,
            "price": _price(row, now),
        }
        return {key: value for key, value in known.items() if value is not None}

    def openai(self, now: float) -> dict[str, Any]:
        """In OpenAI's form."""
        own = {"id": self.id, "object": "model", "created": self.created, "owned_by": self.owner}
        return {**own, **self.facts(now)}

    def anthropic(self, now: float) -> dict[str, Any]:
        """In Anthropic's form."""
        when = datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        own: dict[str, Any] = {"type": "model", "id": self.id, "display_name": self.name, "created_at": when}
        facts = self.facts(now)
        for theirs, ours in (("max_input_tokens", "context_window"), ("max_tokens", "max_output_tokens")):
            if ours in facts:
                own[theirs] = facts[ours]
        return {**own, **facts}

    def codex(self, place: int) -> dict[str, Any]:
        """In Codex's form: every field that some version of it insists on. place: where it stands in the picker."""
        row = self.row
        facts = row.facts if row is not None else None
        levels = reasoning_levels(row, self.profile, _CODEX_EFFORTS) if row is not None else ()
        context = facts.context if facts is not None else None
        return {
            "slug": self.id,
            "display_name": self.name,
            "description": f"{self.owner}, through dragoman",
            "default_reasoning_level": _default_level(levels, facts.thinking if facts is not None else ""),
            "supported_reasoning_levels": [{"effort": one, "description": _CODEX_LEVELS[one]} for one in levels],
            "shell_type": "unified_exec",
            "visibility": "list",
            "supported_in_api": True,
            "priority": place,
            "upgrade": None,
            "base_instructions": _CODEX_INSTRUCTIONS,
            "supports_reasoning_summaries": bool(levels),
            "default_reasoning_summary": "auto",
            "support_verbosity": False,
            "default_verbosity": None,
            "apply_patch_tool_type": "freeform",
            "truncation_policy": {"mode": "tokens", "limit": 10_000},
            "supports_parallel_tool_calls": True,
            "context_window": context,
            "max_context_window": context,
            "auto_compact_token_limit": None,
            "effective_context_window_percent": 90,
            "experimental_supported_tools": [],
            "supports_search_tool": False,
            "input_modalities": [
                kind for kind in _CODEX_INPUTS if kind == "text" or (facts is not None and kind in facts.inputs)
            ],
        }


def _default_level(levels: tuple[str, ...], thinking: str) -> str | None:
    """The level that stands for saying nothing."""
    if thinking == "off" and "none" in levels:
        return "none"
    return next((level for level in ("medium", "high", *levels) if level in levels), None)


def _price(row: ModelRow, now: float) -> dict[str, Any] | None:
    """The token prices that hold now, as decimal texts; those that are not known are left out."""
    quote = price(row, datetime.fromtimestamp(now, UTC))
    if quote is None:
        return None
    return {"currency": quote.currency, "per_tokens": _TOKENS_PER_PRICE, **msgspec.to_builtins(quote.prices)}


def listed(gate: Gate, status: str | None = None) -> list[Listed]:
    """Aliases first, then the catalogue's order. status: models of that status, or `all`, in place of the usual."""
    out = []
    for alias, target in gate.settings.aliases.items():
        if "*" not in alias and "?" not in alias and status in (None, "all"):
            out.append(_alias(gate, alias, target))
    for row in gate.catalogue.all():
        if row.facts.provider in gate.enabled and _shown(row, status):
            out.append(_model(gate, row))
    return list({model.id: model for model in reversed(out)}.values())[::-1]


def _shown(row: ModelRow, status: str | None) -> bool:
    if status is not None:
        return status in ("all", row.facts.status)
    return row.facts.status not in _HIDDEN and "text" in row.outputs


def _model(gate: Gate, row: ModelRow) -> Listed:
    provider = gate.catalogue.providers[row.facts.provider]
    return Listed(
        row.id, row.name or row.facts.id, provider.id, row, gate.catalogue.profile_for(provider, row).at(provider.wire)
    )


def _alias(gate: Gate, alias: str, target: str) -> Listed:
    try:
        found = resolve(alias, gate.catalogue, aliases=gate.settings.aliases, enabled=gate.enabled)
    except DragomanError:
        return Listed(alias, f"{alias} ({target})", target.partition(":")[0])
    return _found(alias, f"{alias} ({target})", found.provider, found.row)


def _found(id: str, name: str, fitted: ProviderRow, row: ModelRow) -> Listed:
    return Listed(id, name, fitted.id, row, fitted.profile_on(fitted.wire))


def model_list(gate: Gate, shape: Shape, query: Mapping[str, str]) -> dict[str, Any]:
    """The whole list; Anthropic's form in pages where the client asks for them. Raises InvalidRequest."""
    models = listed(gate, _status(query))
    now = gate.now()
    if shape == "codex":
        return {"models": [model.codex(place) for place, model in enumerate(models, 1)]}
    if shape == "openai":
        return {"object": "list", "data": [model.openai(now) for model in models]}
    page, more = _page(models, query)
    return {
        "data": [model.anthropic(now) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _status(query: Mapping[str, str]) -> str | None:
    status = query.get("status")
    if status is None or status in ("all", *get_args(Status)):
        return status
    raise InvalidRequest(f"status is all or one of {', '.join(get_args(Status))}", param="status")


def _page(models: list[Listed], query: Mapping[str, str]) -> tuple[list[Listed], bool]:
    """The page that is asked for, and whether there is more beyond it. Without a limit it is everything."""
    ids = [model.id for model in models]
    for name in ("after_id", "before_id"):
        if query.get(name) and query[name] not in ids:
            raise InvalidRequest(f"there is no model {query[name]!r} in the list", param=name)
    text = query.get("limit", "")
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1000):
        raise InvalidRequest("limit is a number from 1 to 1000", param="limit")
    limit = int(text) if text else len(models)
    if query.get("before_id"):
        before = models[: ids.index(query["before_id"])]
        return before[max(len(before) - limit, 0) :], len(before) > limit
    rest = models[ids.index(query["after_id"]) + 1 :] if query.get("after_id") else models
    return rest[:limit], len(rest) > limit


def one_model(gate: Gate, name: str, shape: Shape) -> dict[str, Any]:
    """One model, by any name that a request may use, retired ones too. Raises ModelNotFound."""
    found = next((model for model in listed(gate, "all") if model.id == name), None)
    if found is None:
        at = resolve(name, gate.catalogue, aliases=gate.settings.aliases, enabled=gate.enabled)
        if at.provider.id not in gate.enabled:
            raise ModelNotFound(f"{at.provider.id} is not configured", code="model_not_found", param="model")
        found = _found(name, at.row.name or at.model.id, at.provider, at.row)
    return found.anthropic(gate.now()) if shape == "anthropic" else found.openai(gate.now())
