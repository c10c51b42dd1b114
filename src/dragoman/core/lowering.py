"""Lowering: the client's tools and tool choice made fit for one upstream.

In: a request and a profile. Out: tools of kinds that the upstream takes, under legal names, the choice that it takes,
and a table that `core.restore` uses to undo it all in the answer, and `core.lowered_history` to do it to the history.
Schemas pass as raw JSON. What is left out is a note; a forced tool that cannot be had is an InvalidRequest.
Deterministic, so that a prompt cache keeps its prefix. Knows no vendor and no wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dragoman.core.builtin_tools import EMPTY_SCHEMA, as_function
from dragoman.core.messages import ToolReference, ToolResult, WireName
from dragoman.core.notes import Note
from dragoman.core.offers import BUILT_IN, SERVER, Offer, is_meant, left_out, named_tool
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.search import OwnSearch, SearchMode, SearchWish
from dragoman.core.search_offer import SearchOffer
from dragoman.core.tool_choice import choose
from dragoman.core.tools import Tool, ToolChoice, ToolKind
from dragoman.core.tooltable import ToolEntry, ToolTable, flat_name
from dragoman.errors import InvalidRequest

_PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code keeps its deferred loading alive with this tool; no model may call it."""


class Lowered(msgspec.Struct, frozen=True):
    """Tools as they go upstream, the choice among them (None: say nothing), and the way back.

    wish: what the client's web search asks, where one is offered by other means than the provider's own tool list.
    """

    table: ToolTable
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    notes: tuple[Note, ...] = ()
    wish: SearchWish | None = None


def declares_search(tools: Iterable[Tool]) -> bool:
    """Whether a web search that a server is to run is among the declared tools."""
    return any(tool.kind == "web_search" for tool in tools)


def lower(
    request: Request,
    profile: Profile,
    search: SearchMode = "off",
    own: OwnSearch | None = None,
    wire: WireName | None = None,
) -> Lowered:
    """Makes tools and tool choice fit for `profile`.

    search: who runs a declared web search, where the provider does not take the declaration as it is. own: the
    vendor's form of it, for `native`. wire: the upstream's; None is the client's own. Raises InvalidRequest for more
    tools than the upstream takes, and for a forced tool that cannot be had.
    """
    notes: list[Note] = []
    keep = _kept_kinds(profile, wire in (None, request.wire))
    table = ToolTable(profile.tool_name_max, keep, profile.tool_name_letter, profile.namespaces, profile.custom_only)
    tools = _once(request.tools, notes)
    finder = SearchOffer(request, tools, search, own, notes)
    ranks = _ranks(request)
    searchable = any(_is_search(tool) for tool in tools)
    forced = named_tool(request.tool_choice)
    now: list[Offer] = []
    later: list[Offer] = []
    waiting: list[str] = []
    for tool in tools:
        if tool.kind == "web_search" and "web_search" not in keep:
            now += finder.offer(tool, table)
            continue
        if _unrunnable(tool, keep):
            notes.append(left_out(tool))
            continue
        entry = table.add(tool, table.taken_kind(tool.kind, tool.name, tool.namespace))
        loaded = tool.loaded or _rank(tool, ranks) is not None
        if tool.deferred and not loaded and not is_meant(tool, forced) and (searchable or tool.name == _PLACEHOLDER):
            waiting.append(tool.name)
            continue
        (later if tool.deferred and loaded else now).append(Offer(tool, entry, _lowered(tool, entry, profile)))
    # In the order of loading and behind the rest, so that the tools before them stay where the prompt cache has them.
    later.sort(key=lambda offer: _rank(offer.tool, ranks) or 0)
    offers = _neighbours(now + later)
    _tell(offers, later, waiting, profile, notes)
    offers, choice = choose(request.tool_choice, offers, profile, notes)
    if profile.max_tools is not None and len(offers) > profile.max_tools:
        raise InvalidRequest(
            f"the request offers {len(offers)} tools, the provider takes at most {profile.max_tools}; offer fewer",
            param="tools",
        )
    return Lowered(table, tuple(offer.lowered for offer in offers), choice, tuple(notes), finder.wish)


def _neighbours(offers: list[Offer]) -> list[Offer]:
    """The offers with those of one namespace side by side: a namespace is declared once."""
    places: dict[str | None, int] = {}
    for at, offer in enumerate(offers):
        places.setdefault(offer.entry.upstream_namespace, at)
    space = [o.entry.upstream_namespace for o in offers]
    order = sorted(range(len(offers)), key=lambda at: at if space[at] is None else places[space[at]])
    return [offers[at] for at in order]


def _kept_kinds(profile: Profile, same_wire: bool) -> frozenset[ToolKind]:
    """The kinds that go upstream as they are. A declaration in another protocol's form cannot be handed on."""
    kinds: set[ToolKind] = {"function"}
    if profile.custom_tools:
        kinds.add("custom")
    if profile.hosted_tools:
        kinds.add("web_search")
    if profile.hosted_tools and same_wire:
        kinds |= BUILT_IN | SERVER | {"custom"}
    return frozenset(kinds)


def _ranks(request: Request) -> dict[str, int]:
    """The tools that results of tool searches name, in the order of loading."""
    named: dict[str, int] = {}
    for message in request.messages:
        for block in message.content:
            if isinstance(block, ToolResult):
                for part in block.content:
                    if isinstance(part, ToolReference):
                        named.setdefault(part.name, len(named))
    return named


def _rank(tool: Tool, ranks: dict[str, int]) -> int | None:
    return ranks.get(tool.name, ranks.get(flat_name(tool.name, tool.namespace)))


def _once(tools: Iterable[Tool], notes: list[Note]) -> list[Tool]:
    """Each tool once. A later declaration only counts for having been loaded."""
    out: dict[tuple[str | None, str, ToolKind, str | None], Tool] = {}
    for tool in tools:
        key = (tool.namespace, tool.name, tool.kind, tool.hosted_type)
        first = out.get(key)
        if first is None:
            out[key] = tool
        elif first.deferred and tool.loaded and not first.loaded:
            out[key] = msgspec.structs.replace(tool, deferred=True)
        else:
            notes.append(Note("tool_duplicate", f"tools[{tool.name}]", f"{tool.name} is declared twice"))
    return list(out.values())


def _is_search(tool: Tool) -> bool:
    """Whether the client can load deferred tools with it: its own tool search, or Claude Code's function for it."""
    if tool.kind == "tool_search":
        return not _server_run(tool)
    return tool.kind == "function" and tool.name.replace("_", "").lower() == "toolsearch"


class _Execution(msgspec.Struct):
    execution: str | None = None


def _server_run(tool: Tool) -> bool:
    """A tool search that the client expects the server to run; nobody here can."""
    if tool.kind != "tool_search" or tool.options is None:
        return False
    try:
        return msgspec.json.decode(tool.options, type=_Execution).execution == "server"
    except msgspec.DecodeError:
        return False


def _unrunnable(tool: Tool, keep: frozenset[ToolKind]) -> bool:
    return tool.kind not in keep and (tool.kind in SERVER or _server_run(tool))


def _lowered(tool: Tool, entry: ToolEntry, profile: Profile) -> Tool:
    """The tool as it goes upstream."""
    if entry.upstream_kind in SERVER:
        return msgspec.structs.replace(tool, deferred=False, loaded=False)
    strict = tool.strict if profile.strict_tools else None
    cache = tool.cache if profile.cache_marks else None
    space = entry.upstream_namespace
    about = None if space is None else tool.namespace_description or f"Tools of {tool.namespace}."
    if entry.upstream_kind != "function":
        return msgspec.structs.replace(
            tool, name=entry.upstream, namespace=space, namespace_description=about, strict=strict, cache=cache,
            deferred=False, loaded=False, options=tool.options if profile.hosted_tools else None,
        )  # fmt: skip
    if tool.kind == "function":
        schema = tool.schema if tool.schema is not None and bytes(tool.schema) != b"null" else EMPTY_SCHEMA
        return Tool(entry.upstream, "function", tool.description, schema, strict, space, about, cache=cache)
    description, schema = as_function(tool)
    return Tool(entry.upstream, "function", description, schema, None, space, about, cache=cache)


def _tell(
    offers: Sequence[Offer], later: Sequence[Offer], waiting: Sequence[str], profile: Profile, notes: list[Note]
) -> None:
    """Notes on what was done to the tools that are offered, and on those that wait."""
    for offer in offers:
        tool, entry = offer.tool, offer.entry
        if entry.kind not in (entry.upstream_kind, "web_search"):
            notes.append(Note("tool_degraded", f"tools[{tool.name}]", f"{tool.kind} is offered as a function"))
        sent = flat_name(entry.upstream, entry.upstream_namespace)
        if sent != flat_name(tool.name, tool.namespace) and entry.upstream_kind not in SERVER:
            notes.append(Note("tool_renamed", f"tools[{tool.name}]", f"goes upstream as {sent}"))
    if not profile.strict_tools and any(offer.tool.strict for offer in offers):
        notes.append(Note("param_dropped", "tools.strict", "the provider does not check arguments against schemas"))
    if waiting:
        notes.append(Note("tool_deferred", "tools", "not loaded yet: " + ", ".join(waiting)))
    if later:
        notes.append(Note("tool_loaded", "tools", "loaded: " + ", ".join(offer.tool.name for offer in later)))
