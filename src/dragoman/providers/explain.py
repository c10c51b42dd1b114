"""A plan as a person may read it: what would be sent where, and what would be lost. Shows no key."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.providers.plan import Plan

_SECRET = frozenset({"authorization", "api-key", "x-api-key"})


def explain(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values. Headers that carry a key, or that a person added, are redacted."""
    return {
        "provider": plan.provider,
        "account": plan.account,
        "model": plan.model,
        "wire": plan.wire,
        "native": plan.native,
        "url": plan.url,
        "headers": {name: _shown(name, value) for name, value in plan.headers.items()},
        "thinking": {
            key: value
            for key, value in (
                ("mode", plan.thinking.mode),
                ("effort", plan.thinking.effort),
                ("budget", plan.thinking.budget),
            )
            if value is not None
        },
        "tools": plan.table.mapping(),
        "notes": [msgspec.to_builtins(note) for note in plan.notes],
        "body": msgspec.json.decode(plan.body),
    }


_PLAIN = frozenset({"content-type", "accept", "user-agent", "anthropic-version", "anthropic-beta"})


def _shown(name: str, value: str) -> str:
    if name in _PLAIN:
        return value
    return "[key]" if name in _SECRET else "[set]"
