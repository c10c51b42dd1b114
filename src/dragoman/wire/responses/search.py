"""Web searches as items of this protocol: `web_search_call`, read and written, and the tool's declaration.

An item that a server of this protocol made is kept raw beside what is read of it. Pages stand in `action.sources`; what
the model was shown of them stands in `results`, where the client asks for it or may send it back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw

from dragoman.core.messages import ProviderState, SearchSource, WebSearch
from dragoman.core.search import SearchWish, read_wish
from dragoman.core.tools import Tool

ITEM = "web_search_call"
RESULTS = "web_search_call.results"
"""What `include` says when the client wants the pages' texts."""
SOURCES = "web_search_call.action.sources"
"""What `include` says when the client wants the pages' addresses."""


class _Page(msgspec.Struct, omit_defaults=True):
    url: str = ""
    title: str = ""
    text: str = ""
    published: str | None = None
    site: str | None = None


class _Action(msgspec.Struct):
    type: str = "search"
    query: str | None = None
    queries: list[str] | None = None
    sources: list[_Page] | None = None
    url: str | None = None


class _Item(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    action: _Action | None = None
    results: list[_Page] | None = None
    error: str | None = None


_STATUS: dict[str, Literal["in_progress", "completed", "failed"]] = {
    "in_progress": "in_progress",
    "searching": "in_progress",
    "incomplete": "in_progress",
    "failed": "failed",
}


def search_of(raw: Raw, provider: str = "", family: str = "") -> WebSearch:
    """The search that an item tells of. provider, family: whose server made it, "" when it came from a client.

    An item with `results` is one of ours, which no other server may be sent.
    """
    try:
        item = msgspec.json.decode(raw, type=_Item)
    except (msgspec.DecodeError, UnicodeDecodeError):
        item = _Item()
    action = item.action or _Action()
    pages = item.results or action.sources or ([_Page(action.url)] if action.url else [])
    queries = action.queries or ([action.query] if action.query else [])
    ours = item.results is not None
    return WebSearch(
        (item.id or "").removeprefix("ws_") if ours else item.id or "",
        tuple(queries),
        _STATUS.get(item.status or "", "completed"),
        tuple(SearchSource(p.url, p.title, p.text, p.published, p.site) for p in pages if p.url),
        item.error,
        None if ours else ProviderState(provider, family, "responses", raw),
    )


def raw_item(search: WebSearch) -> Raw | None:
    """The item as a server of this protocol made it."""
    state = search.state
    return state.data if state is not None and state.wire == "responses" and bytes(state.data) else None


def search_item(search: WebSearch, item_id: str, status: str, *, results: bool = False) -> dict[str, Any]:
    """A search as an item. results: with what the model was shown of the pages."""
    action: dict[str, Any] = {"type": "search", "query": search.queries[0] if search.queries else ""}
    if search.queries:
        action["queries"] = list(search.queries)
    item: dict[str, Any] = {"id": item_id, "type": ITEM, "status": status, "action": action}
    if status == "in_progress":
        return item
    action["sources"] = [{"type": "url", "url": source.url} for source in search.sources]
    if results and any(source.text or source.title for source in search.sources):
        item["results"] = [_Page(s.url, s.title, s.text, s.published, s.site) for s in search.sources]
    return item


# -- declarations

_OFFICIAL = re.compile(r"web_search(_preview)?(_\d{4}_\d\d_\d\d)?")
_FOREIGN = frozenset(
    {"max_keyword", "limit", "force_search", "web_search", "approximate", "allowed_domains", "max_uses"}
)


def is_official(tool: Tool) -> bool:
    """Whether the declaration is one of this protocol, and not another protocol's or vendor's."""
    if tool.options is None or not _OFFICIAL.fullmatch(tool.hosted_type or ""):
        return False
    return not _FOREIGN & msgspec.json.decode(tool.options, type=dict[str, Raw]).keys()


def declaration(tool: Tool) -> Any:
    """A web search's declaration for a server of this protocol."""
    if is_official(tool):
        return tool.options
    wish = read_wish(tool)
    out: dict[str, Any] = {"type": "web_search"}
    if wish.context is not None:
        out["search_context_size"] = wish.context
    if wish.allowed:
        out["filters"] = {"allowed_domains": list(wish.allowed)}
    place = _place(wish)
    if place:
        out["user_location"] = {"type": "approximate", **place}
    return out


def _place(wish: SearchWish) -> dict[str, str]:
    place = wish.place
    if place is None:
        return {}
    known = {"country": place.country, "region": place.region, "city": place.city, "timezone": place.timezone}
    return {name: value for name, value in known.items() if value}


def declared_type(tool: Tool) -> str:
    """The type under which `declaration` declares it."""
    return tool.hosted_type or "web_search" if is_official(tool) else "web_search"


def with_sources(include: Raw | None, tools: Sequence[Tool]) -> Raw | None:
    """`include`, with the pages asked for where a web search is declared: other protocols show them."""
    if not any(tool.kind == "web_search" for tool in tools):
        return include
    try:
        asked = msgspec.json.decode(include, type=list[str]) if include is not None else []
    except msgspec.DecodeError:
        return include
    return Raw(msgspec.json.encode(list(dict.fromkeys([*asked, SOURCES]))))
