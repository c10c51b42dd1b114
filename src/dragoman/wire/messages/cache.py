"""Cache marks of an upstream request.

A client of this protocol places its own marks, and they are kept, at most four. For a client of another protocol marks
are placed on the system text and on the first and last user message. Works on the plain objects that are about to be
written; thinking never carries a mark.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

MAX_MARKS = 4
"""Most marks that one request may carry."""

EPHEMERAL = Raw(b'{"type":"ephemeral"}')


def limit_marks(body: dict[str, Any]) -> None:
    """Takes away marks over the most. The last ones save most, so the earliest of the conversation go first."""
    holders = _holders(body)
    over = len(holders) - MAX_MARKS
    fixed = sum(1 for where, _ in holders if where != "messages")
    order = holders[fixed:] + holders[:fixed]
    for _, block in order[: max(over, 0)]:
        block.pop("cache_control", None)


def place_marks(body: dict[str, Any]) -> None:
    """Marks the system text and the first and last user message, where the request carries no mark yet."""
    if _holders(body):
        return
    system = body.get("system")
    if isinstance(system, str):
        body["system"] = [{"type": "text", "text": system, "cache_control": EPHEMERAL}]
    elif system:
        system[-1]["cache_control"] = EPHEMERAL
    users = [m for m in body["messages"] if m["role"] == "user"]
    for message in users[:1] + users[1:][-1:]:
        content = message["content"]
        if isinstance(content, str):
            message["content"] = [{"type": "text", "text": content, "cache_control": EPHEMERAL}]
        elif content and isinstance(content[-1], dict):
            content[-1]["cache_control"] = EPHEMERAL


def _holders(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All objects that carry a mark, in the order in which the vendor reads them."""
    found: list[tuple[str, dict[str, Any]]] = []
    for where in ("tools", "system"):
        value = body.get(where)
        if isinstance(value, list):
            found += [(where, item) for item in value if isinstance(item, dict) and "cache_control" in item]
    for message in body["messages"]:
        content = message["content"]
        for item in content if isinstance(content, list) else []:
            if not isinstance(item, dict):
                continue
            if "cache_control" in item:
                found.append(("messages", item))
            inner = item.get("content")
            found += [
                ("messages", part)
                for part in (inner if isinstance(inner, list) else [])
                if isinstance(part, dict) and "cache_control" in part
            ]
    return found
