"""Zhipu's web search on the Chat wire: a tool whose options stand in an object of its own.

Not on the coding plan's base, which refuses it. Results come in a field beside the choices; they are asked for before
the answer, so that a client sees the search first. One domain can be asked for, not several (chat reference, 2026).
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.core.search import NativeSearch, SearchWish
from dragoman.core.tools import Tool

_DEPTH = {
    "low": ("search_std", 5, "medium"),
    "medium": ("search_std", 10, "medium"),
    "high": ("search_pro", 10, "high"),
}
"""Context size -> engine, results, length of each."""
_MOST = 50
_RECENCY = {"day": "oneDay", "week": "oneWeek", "month": "oneMonth", "year": "oneYear"}


class _Own(msgspec.Struct):
    web_search: dict[str, Any] | None = None


def search_tool(tool: Tool, wish: SearchWish) -> NativeSearch:
    """The declaration. Options that the client gave in the vendor's own form are kept."""
    engine, count, size = _DEPTH[wish.context or "medium"]
    options: dict[str, Any] = {
        "enable": True,
        "search_engine": engine,
        "count": min(wish.limit or count, _MOST),
        "content_size": size,
        "result_sequence": "before",
    }
    left_out = []
    if len(wish.allowed) == 1:
        options["search_domain_filter"] = wish.allowed[0]
    elif wish.allowed:
        left_out.append("allowed_domains")
    if wish.recency:
        options["search_recency_filter"] = _RECENCY[wish.recency]
    if wish.force:
        options["require_search"] = True
    asked = {"blocked_domains": wish.blocked, "max_uses": wish.max_uses, "user_location": wish.place}
    left_out += [name for name, value in asked.items() if value]
    own = msgspec.json.decode(tool.options, type=_Own).web_search if tool.options is not None else None
    options |= own or {}
    return NativeSearch({"type": "web_search", "web_search": {**options, "search_result": True}}, tuple(left_out))
