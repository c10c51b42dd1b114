"""What a declared web search loses where it goes to a server that searches by itself, in another protocol's form.

In: the declared tools, the client's protocol and the server's. Out: notes. The form is written by the wire's
`search.declaration`; here stands what it has words for (tool references of both, November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable

from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.core.offers import tool_path
from dragoman.core.search import read_wish
from dragoman.core.tools import Tool

_WORDS: dict[WireName, frozenset[str]] = {
    "responses": frozenset({"search_context_size", "allowed_domains", "user_location"}),
    "messages": frozenset({"allowed_domains", "blocked_domains", "max_uses", "user_location"}),
}


def losses(tools: Iterable[Tool], client: WireName, wire: WireName) -> list[Note]:
    """A note for each wish that the server's form has no word for. Raises InvalidRequest for one that is no wish."""
    words = _WORDS.get(wire)
    if client == wire or words is None:
        return []
    notes: list[Note] = []
    for tool in tools:
        if tool.kind == "web_search":
            asked = _asked(tool)
            # The Messages protocol takes one of the two lists.
            taken = words - {"blocked_domains"} if "allowed_domains" in asked else words
            notes += [
                Note("param_dropped", f"{tool_path(tool)}.{field}", "the server's web search does not take it")
                for field in asked
                if field not in taken
            ]
    return notes


def _asked(tool: Tool) -> list[str]:
    wish = read_wish(tool)
    asked = {
        "search_context_size": wish.context,
        "limit": wish.limit,
        "max_keyword": wish.keywords,
        "allowed_domains": wish.allowed,
        "blocked_domains": wish.blocked,
        "max_uses": wish.max_uses,
        "recency": wish.recency,
        "force_search": wish.force,
        "user_location": wish.place,
        "external_web_access": wish.offline,
    }
    return [name for name, value in asked.items() if value]
