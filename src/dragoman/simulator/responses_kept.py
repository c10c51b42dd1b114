"""Answers that a server of the Responses protocol keeps, and the paths at which they are read and deleted."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.simulator.ask import Rejected
from dragoman.simulator.vendor import Account, Vendor


class Kept(msgspec.Struct, frozen=True):
    """A kept answer: the response object, and all items of the conversation up to its end."""

    response: dict[str, Any]
    items: tuple[Any, ...]


def extra(method: str, path: str, raw: bytes, vendor: Vendor, account: Account) -> tuple[int, bytes] | None:
    """Kept answers, where the vendor keeps any: `GET` and `DELETE /v1/responses/ID`, `GET .../ID/input_items`.

    None for other paths.
    """
    base = next((p for p, wire in vendor.paths.items() if wire == "responses"), None)
    style = vendor.responses
    if base is None or style is None or not style.keeps or not path.startswith(f"{base}/"):
        return None
    answer_id, _, below = path.removeprefix(f"{base}/").partition("/")
    if method not in ("GET", "DELETE") or (below and (below, method) != ("input_items", "GET")):
        return None
    kept = account.stored.get(answer_id)
    if kept is None:
        told = f"Response with id '{answer_id}' not found."
        raise Rejected("response_unknown", "", told, status=404, message=told)
    if below:
        return 200, _listed(kept)
    if method == "GET":
        return 200, msgspec.json.encode(kept.response)
    del account.stored[answer_id]
    return 200, msgspec.json.encode({"id": answer_id, "object": "response", "deleted": True})


def _listed(kept: Kept) -> bytes:
    """What an answer was made from, the newest first."""
    items = list(reversed(kept.items[: len(kept.items) - len(kept.response["output"])]))
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return msgspec.json.encode({"object": "list", "data": items, **ends, "has_more": False})
