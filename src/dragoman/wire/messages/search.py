"""Web searches as blocks of this protocol: `server_tool_use` and `web_search_tool_result`, read and written.

The two blocks are one canonical search. What a server of this protocol made is kept raw. Of a search that was run here
or by another vendor the client gets blocks of the same form; their encrypted fields hold, under a mark of ours, what
the model was shown of each page, so that a later request can tell the model again. They are not secret, and never go
to a server that would try to decrypt them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.citations import Citation, annotation
from dragoman.core.messages import Block, Opaque, ProviderState, SearchSource, WebSearch
from dragoman.core.search import SEARCH_NAME, read_queries, read_wish
from dragoman.core.tools import Tool

USE = "server_tool_use"
RESULT = "web_search_tool_result"
MARK = "dgs1."
"""How encrypted fields of ours begin."""
_PREFIX = "srvtoolu_"
_CODES = frozenset(
    {
        "invalid_tool_input",
        "unavailable",
        "max_uses_exceeded",
        "too_many_requests",
        "query_too_long",
        "request_too_large",
    }
)
_CITED = 150
"""Most characters of a page that a citation quotes."""


# -- what our encrypted fields hold


class _Kept(msgspec.Struct, omit_defaults=True):
    text: str = ""
    site: str | None = None
    start: int | None = None
    end: int | None = None


def _seal(kept: _Kept) -> str:
    return MARK + base64.urlsafe_b64encode(msgspec.json.encode(kept)).decode().rstrip("=")


def _open(sealed: str) -> _Kept | None:
    """What a field of ours holds; None for another server's, or one that was damaged."""
    if not sealed.startswith(MARK):
        return None
    text = sealed[len(MARK) :]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Kept)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None


# -- reading


class _Use(msgspec.Struct):
    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")


class _Page(msgspec.Struct):
    url: str = ""
    title: str | None = None
    encrypted_content: str = ""
    page_age: str | None = None


class _Error(msgspec.Struct):
    error_code: str = "unavailable"


class _Result(msgspec.Struct):
    tool_use_id: str = ""
    content: list[_Page] | _Error = []


def is_search(raw: Raw) -> bool:
    """Whether a `server_tool_use` block is a web search."""
    return bool(_read(raw, _Use()).name == SEARCH_NAME)


def _read(raw: Raw, empty: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=type(empty))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return empty


def id_of_result(raw: Raw) -> str:
    """The search that a result belongs to."""
    return str(_read(raw, _Result()).tool_use_id)


def search_of(use: Raw, result: Raw | None = None, provider: str = "", family: str = "") -> WebSearch:
    """The search that these blocks tell of. provider, family: whose server made them, "" when a client sent them."""
    asked = _read(use, _Use())
    queries = read_queries(bytes(asked.input).decode())
    raws = [use] if result is None else [use, result]
    state = ProviderState(provider, family, "messages", Raw(msgspec.json.encode(raws)))
    if result is None:
        return WebSearch(asked.id, queries, "in_progress", state=state)
    found = _read(result, _Result()).content
    if isinstance(found, _Error):
        return WebSearch(asked.id, queries, "failed", error=found.error_code, state=state)
    kept = [_open(page.encrypted_content) for page in found]
    sources = tuple(
        SearchSource(page.url, page.title or "", ours.text if ours else "", page.page_age, ours.site if ours else None)
        for page, ours in zip(found, kept, strict=True)
        if page.url
    )
    if any(page.encrypted_content.startswith(MARK) for page in found):
        return WebSearch(asked.id.removeprefix(_PREFIX), queries, "completed", sources)
    return WebSearch(asked.id, queries, "completed", sources, state=state)


def join_searches(blocks: list[Block]) -> list[Block]:
    """A client's blocks with each search and its result as one. What stands alone stays as it is."""
    uses = {i: b for i, b in enumerate(blocks) if isinstance(b, Opaque) and b.kind == USE and is_search(b.data)}
    if not uses:
        return blocks
    results = {id_of_result(b.data): i for i, b in enumerate(blocks) if isinstance(b, Opaque) and b.kind == RESULT}
    gone: set[int] = set()
    out = list(blocks)
    for i, block in uses.items():
        place = results.get(_read(block.data, _Use()).id)
        result = out[place] if place is not None else None
        if place is not None and isinstance(result, Opaque):
            out[i] = search_of(block.data, result.data)
            gone.add(place)
    return [block for i, block in enumerate(out) if i not in gone]


class _Location(msgspec.Struct):
    type: str = ""
    url: str = ""
    title: str | None = None
    cited_text: str = ""
    encrypted_index: str = ""


def citation_back(raw: Raw) -> Raw:
    """A citation that a client sends back: one of ours in the canonical form again, any other as it is."""
    location = _read(raw, _Location())
    if not location.encrypted_index.startswith(MARK):
        return raw
    kept = _open(location.encrypted_index) or _Kept()
    return annotation(Citation(location.url, location.title or "", location.cited_text, kept.start, kept.end))


# -- writing


def raw_blocks(search: WebSearch) -> list[Raw]:
    """The blocks as a server of this protocol made them; none for any other search."""
    state = search.state
    if state is None or state.wire != "messages" or not bytes(state.data):
        return []
    return msgspec.json.decode(state.data, type=list[Raw])


def server_id(id: str) -> str:
    """The id under which a client knows the search."""
    return id if not id or id.startswith(_PREFIX) else _PREFIX + id


def use_input(search: WebSearch) -> dict[str, Any]:
    """What the model asked for; several queries of one search stand in one text."""
    return {"query": "; ".join(search.queries)}


def use_block(search: WebSearch, id: str) -> dict[str, Any]:
    """The search as it is begun."""
    return {"type": USE, "id": id, "name": SEARCH_NAME, "input": use_input(search)}


def result_block(search: WebSearch, id: str) -> dict[str, Any]:
    """What the search found, or why it failed."""
    content: Any = [_page(source) for source in search.sources]
    if search.status == "failed":
        code = search.error if search.error in _CODES else "unavailable"
        content = {"type": "web_search_tool_result_error", "error_code": code}
    return {"type": RESULT, "tool_use_id": id, "content": content}


def _page(source: SearchSource) -> dict[str, Any]:
    return {
        "type": "web_search_result",
        "url": source.url,
        "title": source.title or source.url,
        "encrypted_content": _seal(_Kept(source.text, source.site)),
        "page_age": source.published,
    }


def location(citation: Citation) -> dict[str, Any]:
    """A citation of a page as this protocol shows it."""
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.text[:_CITED],
        "encrypted_index": _seal(_Kept(start=citation.start, end=citation.end)),
    }


# -- declarations

_OFFICIAL = re.compile(r"web_search_\d+")
_OLDEST = "web_search_20250305"


def declaration(tool: Tool) -> Any:
    """A web search's declaration for a server of this protocol. It takes one of the two lists of domains."""
    if tool.options is not None and _OFFICIAL.fullmatch(tool.hosted_type or ""):
        return tool.options
    wish = read_wish(tool)
    out: dict[str, Any] = {"type": _OLDEST, "name": SEARCH_NAME}
    if wish.allowed:
        out["allowed_domains"] = list(wish.allowed)
    elif wish.blocked:
        out["blocked_domains"] = list(wish.blocked)
    if wish.max_uses is not None:
        out["max_uses"] = wish.max_uses
    place = wish.place
    if place is not None:
        known = {"city": place.city, "region": place.region, "country": place.country, "timezone": place.timezone}
        out["user_location"] = {"type": "approximate", **{k: v for k, v in known.items() if v}}
    return out


def own_citations(annotations: Sequence[Raw], kinds: frozenset[str]) -> list[Raw]:
    """The citations that a server of this protocol made itself."""
    return [raw for raw in annotations if _read(raw, _Location()).type in kinds]
