"""Stored responses as a request sees them: a chain to continue, a record to keep, and what the GET roads show.

In: a store and the client's wire items. Out: history items, oldest first; or InvalidRequest in the official words.
Instructions are not part of what is stored as input, so they are not inherited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.errors import InvalidRequest
from dragoman.store.sessions import SessionStore, StoredResponse

MAX_LINKS = 2000
"""Longest chain of responses that is followed."""
_OFF = "sessions are off here; send the whole history in `input`"


def not_found(id: str, why: str = "") -> InvalidRequest:
    """The error for a response that cannot be continued."""
    text = f"Previous response with id '{id}' not found."
    return InvalidRequest(
        f"{text} {why}".strip(), code="previous_response_not_found", param="previous_response_id", status=400
    )


async def history(store: SessionStore | None, tenant: str, id: str) -> tuple[Raw, ...]:
    """The items of the chain that ends in `id`, oldest first. Raises InvalidRequest."""
    if store is None:
        raise not_found(id, _OFF)
    links: list[StoredResponse] = []
    at: str | None = id
    while at is not None:
        record = await store.get(tenant, at)
        if record is None:
            raise not_found(id, "" if at == id else "A response before it was deleted or has expired.")
        if record.status == "failed":
            raise not_found(id, "It failed; continue from the one before it.")
        links.append(record)
        if len(links) > MAX_LINKS:
            raise not_found(id, f"Its chain is longer than {MAX_LINKS} responses.")
        at = record.previous
    items: list[Raw] = []
    for record in reversed(links):
        items += record.input
        items += record.output
    return tuple(items)


class _Reference(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    role: str | None = None

    @property
    def names(self) -> str | None:
        """The id of the item that it stands for; None for an item that stands for itself."""
        return self.id if self.type == "item_reference" or not (self.type or self.role) else None


async def resolved(store: SessionStore | None, tenant: str, items: Sequence[Raw]) -> tuple[Raw, ...]:
    """The items with each reference replaced by the stored item; one that names nothing known stays as it is."""
    if store is None:
        return tuple(items)
    out = []
    for raw in items:
        id = msgspec.json.decode(raw, type=_Reference).names
        found = await store.item(tenant, id) if id else None
        out.append(raw if found is None else found)
    return tuple(out)


def with_ids(items: Sequence[Raw], mint: Callable[[str], str]) -> list[dict[str, Any]]:
    """Input items as the API lists them: each with an id, message text as parts."""
    out = []
    for raw in items:
        item = msgspec.json.decode(raw)
        if not isinstance(item, dict):
            continue
        kind = item.setdefault("type", "message")
        if kind == "message" and isinstance(item.get("content"), str):
            part = "output_text" if item.get("role") == "assistant" else "input_text"
            item["content"] = [{"type": part, "text": item["content"]}]
            if part == "output_text":
                item["content"][0]["annotations"] = []
        item.setdefault("id", mint("msg_" if kind == "message" else "item_"))
        out.append(item)
    return out


class Page(msgspec.Struct, frozen=True):
    """What of a list is asked for."""

    limit: int = 20
    order: str = "desc"
    after: str | None = None


def read_page(query: dict[str, str]) -> Page:
    """The page that a query string asks for. Raises InvalidRequest."""
    limit = query.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 100):
        raise InvalidRequest("limit must be a number from 1 to 100", param="limit", code="invalid_value")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("order must be asc or desc", param="order", code="invalid_value")
    return Page(int(limit), order, query.get("after"))


def page_of(items: list[dict[str, Any]], page: Page) -> dict[str, Any]:
    """One page of a list, in the API's form. Raises InvalidRequest for an unknown `after`."""
    if page.order == "desc":
        items = items[::-1]
    if page.after is not None:
        at = next((i for i, item in enumerate(items) if item["id"] == page.after), None)
        if at is None:
            raise InvalidRequest(f"no item has the id {page.after!r}", param="after", code="invalid_value")
        items = items[at + 1 :]
    shown = items[: page.limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > page.limit,
    }
