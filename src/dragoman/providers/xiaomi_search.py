"""Xiaomi MiMo's web search, a plugin of the Chat wire that a person switches on in the console.

Pay-as-you-go only: token-plan keys are always refused it (clients, 2026). A declaration is flat; `max_keyword` keywords
may be searched in one round, each billed as a call, with `limit` results each (web search page, spring 2026).
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.core.search import NativeSearch, SearchWish

_DEPTH = {"low": (1, 3), "medium": (2, 4), "high": (3, 5)}
"""Context size -> (keywords, results): what a search may cost grows with what the client wants to read. The vendor's
own default is 5 and 5, more than the largest size, so that both are always sent."""
_MOST = 50
_TOKEN_PLAN = ("tp-", "ttp-")


def can_search(host: str, key: str | None) -> bool:
    """Whether this account is not a token plan's."""
    return not host.startswith("token-plan-") and not (key or "").startswith(_TOKEN_PLAN)


def search_tool(wish: SearchWish) -> NativeSearch:
    """The declaration. The vendor has no word for domains, recency and a time zone."""
    keywords, limit = _DEPTH[wish.context or "medium"]
    keywords = min(wish.keywords or keywords, wish.max_uses or _MOST, _MOST)
    tool: dict[str, Any] = {
        "type": "web_search",
        "max_keyword": keywords,
        "limit": min(wish.limit or limit, _MOST),
        "force_search": wish.force,
    }
    left_out = [name for name, value in (("allowed_domains", wish.allowed), ("blocked_domains", wish.blocked)) if value]
    if wish.recency:
        left_out.append("recency")
    if wish.place is not None:
        place: dict[str, Any] = msgspec.to_builtins(wish.place)
        if place.pop("timezone", None) is not None:
            left_out.append("user_location.timezone")
        if place:
            tool["user_location"] = {"type": "approximate", **place}
    return NativeSearch(tool, tuple(left_out))
