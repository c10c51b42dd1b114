"""Lowering: the client's tools and tool choice made fit for one upstream, and the history's calls with them.

In: a request and a profile. Out: tools of kinds that the upstream takes, under legal names, the choice that it takes,
and a table that `core.restore` uses to undo it all in the answer. Schemas pass as raw JSON. What is left out is a
note; a forced tool that cannot be had is an InvalidRequest. Deterministic, so that a prompt cache keeps its prefix.
Knows no vendor and no wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dragoman.core.builtin_tools import EMPTY_SCHEMA, as_function
from dragoman.core.messages import Message, ResultPart, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.notes import Note
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.tools import Tool, ToolChoice, ToolKind, ToolRef
from dragoman.core.tooltable import ToolEntry, ToolTable, flat_name
from dragoman.errors import InvalidRequest

BUILT_IN: frozenset[ToolKind] = frozenset({"local_shell", "shell", "apply_patch", "tool_search"})
_SERVER: frozenset[ToolKind] = frozenset({"web_search", "hosted"})
_PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code keeps its deferred loading alive with this tool; no model may call it."""


class Lowered(msgspec.Struct, frozen=True):
    """Tools as they go upstream, the choice among them (None: say nothing), and the way back."""

    table: ToolTable
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    notes: tuple[Note, ...] = ()


class _Offer(msgspec.Struct):
    """One client tool that is offered, beside what goes upstream for it."""

    tool: Tool
    entry: ToolEntry
    lowered: Tool


def lower(request: Request, profile: Profile) -> Lowered:
    """Makes tools and tool choice fit for `profile`.

    Raises InvalidRequest for more tools than the upstream takes, and for a forced tool that cannot be had.
    """
    notes: list[Note] = []
    keep = _kept_kinds(profile)
    table = ToolTable(profile.tool_name_max, keep)
    tools = _once(request.tools, notes)
    ranks = _ranks(request)
    searchable = any(_is_search(tool) for tool in tools)
    forced = _forced(request.tool_choice)
    now: list[_Offer] = []
    later: list[_Offer] = []
    waiting: list[str] = []
    for tool in tools:
        if _unrunnable(tool, keep):
            notes.append(_dropped(tool))
            continue
        entry = table.add(tool, tool.kind if tool.kind in keep else "function")
        loaded = tool.loaded or _rank(tool, ranks) is not None
        if tool.deferred and not loaded and not _is(tool, forced) and (searchable or tool.name == _PLACEHOLDER):
            waiting.append(tool.name)
            continue
        (later if tool.deferred and loaded else now).append(_Offer(tool, entry, _lowered(tool, entry, profile)))
    # In the order of loading and behind the rest, so that the tools before them stay where the prompt cache has them.
    later.sort(key=lambda offer: _rank(offer.tool, ranks) or 0)
    offers = now + later
    _tell(offers, later, waiting, profile, notes)
    offers, choice = _choose(request, offers, profile, notes)
    if profile.max_tools is not None and len(offers) > profile.max_tools:
        raise InvalidRequest(
            f"the request offers {len(offers)} tools, the provider takes at most {profile.max_tools}; offer fewer",
            param="tools",
        )
    return Lowered(table, tuple(offer.lowered for offer in offers), choice, tuple(notes))


def _kept_kinds(profile: Profile) -> frozenset[ToolKind]:
    kinds: set[ToolKind] = {"function"}
    if profile.custom_tools:
        kinds.add("custom")
    if profile.hosted_tools:
        kinds |= BUILT_IN | _SERVER | {"custom"}
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
    return tool.kind not in keep and (tool.kind in _SERVER or _server_run(tool))


def _dropped(tool: Tool) -> Note:
    what = tool.hosted_type or tool.name or tool.kind
    if tool.kind == "web_search":
        return Note("search_absent", f"tools[{what}]", "no search engine is configured")
    return Note("tool_dropped", f"tools[{what}]", f"{what} is run by a server, and none here can run it")


def _lowered(tool: Tool, entry: ToolEntry, profile: Profile) -> Tool:
    """The tool as it goes upstream."""
    if entry.upstream_kind in _SERVER:
        return msgspec.structs.replace(tool, deferred=False, loaded=False)
    strict = tool.strict if profile.strict_tools else None
    cache = tool.cache if profile.cache_marks else None
    if entry.upstream_kind != "function":
        return msgspec.structs.replace(
            tool, name=entry.upstream, namespace=None, namespace_description=None, strict=strict, cache=cache,
            deferred=False, loaded=False,
        )  # fmt: skip
    if tool.kind == "function":
        schema = tool.schema if tool.schema is not None and bytes(tool.schema) != b"null" else EMPTY_SCHEMA
        return Tool(entry.upstream, "function", tool.description, schema, strict, cache=cache)
    description, schema = as_function(tool)
    return Tool(entry.upstream, "function", description, schema, cache=cache)


def _tell(
    offers: Sequence[_Offer], later: Sequence[_Offer], waiting: Sequence[str], profile: Profile, notes: list[Note]
) -> None:
    """Notes on what was done to the tools that are offered, and on those that wait."""
    for offer in offers:
        tool, entry = offer.tool, offer.entry
        if entry.kind != entry.upstream_kind:
            notes.append(Note("tool_degraded", f"tools[{tool.name}]", f"{tool.kind} is offered as a function"))
        if entry.upstream != flat_name(tool.name, tool.namespace) and entry.upstream_kind not in _SERVER:
            notes.append(Note("tool_renamed", f"tools[{tool.name}]", f"goes upstream as {entry.upstream}"))
    if not profile.strict_tools and any(offer.tool.strict for offer in offers):
        notes.append(Note("param_dropped", "tools.strict", "the provider does not check arguments against schemas"))
    if waiting:
        notes.append(Note("tool_deferred", "tools", "not loaded yet: " + ", ".join(waiting)))
    if later:
        notes.append(Note("tool_loaded", "tools", "loaded: " + ", ".join(offer.tool.name for offer in later)))


def _forced(choice: ToolChoice | None) -> ToolRef | None:
    return choice.tool if choice is not None and choice.mode == "named" else None


def _is(tool: Tool, ref: ToolRef | None) -> bool:
    """Whether a tool choice means this tool."""
    if ref is None:
        return False
    if tool.kind in _SERVER or ref.kind in _SERVER:
        return tool.kind == ref.kind and ref.name in (tool.name, tool.hosted_type)
    if ref.kind in BUILT_IN:
        return tool.kind == ref.kind
    if ref.kind not in ("function", tool.kind):
        return False
    if ref.namespace is not None:
        return tool.key == (ref.namespace, ref.name)
    return ref.name in (tool.name, flat_name(tool.name, tool.namespace))


def _choose(
    request: Request, offers: list[_Offer], profile: Profile, notes: list[Note]
) -> tuple[list[_Offer], ToolChoice | None]:
    """The tools that may be called and the choice among them that goes upstream."""
    choice = request.tool_choice or ToolChoice()
    takes = profile.tool_choices
    if choice.mode == "none":
        return (offers, ToolChoice("none")) if offers and "none" in takes else ([], None)
    if choice.mode == "named":
        return offers, _named(choice.tool, offers, takes, notes)
    required = choice.mode == "required" or (choice.mode == "allowed" and choice.required)
    if choice.mode == "allowed":
        offers = [offer for offer in offers if any(_is(offer.tool, ref) for ref in choice.allowed)]
        if not offers:
            raise InvalidRequest("none of the allowed tools can be offered; allow one that is declared",
                                 param="tool_choice.tools")  # fmt: skip
    if required:
        if not offers:
            raise InvalidRequest("a tool call is required, but no tool can be offered; declare one that this "
                                 "provider takes, or ask for auto", param="tool_choice")  # fmt: skip
        if "required" in takes:
            return offers, ToolChoice("required")
        notes.append(_weakened("a call cannot be required here"))
    return offers, _auto(offers, profile)


def _auto(offers: Sequence[_Offer], profile: Profile) -> ToolChoice | None:
    return ToolChoice() if offers and profile.send_auto_choice and "auto" in profile.tool_choices else None


def _weakened(why: str) -> Note:
    return Note("tool_choice_weakened", "tool_choice", why)


def _named(
    ref: ToolRef | None, offers: Sequence[_Offer], takes: frozenset[str], notes: list[Note]
) -> ToolChoice | None:
    """A tool that must be called."""
    match = next((offer for offer in offers if _is(offer.tool, ref)), None)
    if match is None or ref is None:
        name = ref.name if ref else ""
        raise InvalidRequest(
            f"tool_choice asks for {name!r}, which is not among the tools that can be offered; declare it, or ask for "
            "auto", param="tool_choice",
        )  # fmt: skip
    if "named" in takes:
        return ToolChoice("named", ToolRef(match.entry.upstream, match.entry.upstream_kind))
    notes.append(_weakened("a single tool cannot be forced here"))
    return ToolChoice() if "auto" in takes else None


def lower_history(messages: Sequence[Message], table: ToolTable, profile: Profile) -> tuple[Message, ...]:
    """The calls and results of a prepared history under their upstream names and kinds. Mutates nothing."""
    out: list[Message] = []
    names: dict[str, str] = {}
    for message in messages:
        if message.role == "assistant" and message.calls:
            blocks = tuple(_call(b, table) if isinstance(b, ToolCall) else b for b in message.content)
            names.update({b.id: b.name for b in blocks if isinstance(b, ToolCall)})
            message = msgspec.structs.replace(message, content=blocks)
        elif message.role == "tool":
            results = tuple(
                _result(b, table, names, profile) if isinstance(b, ToolResult) else b for b in message.content
            )
            message = msgspec.structs.replace(message, content=results)
        out.append(message)
    return tuple(out)


def _call(call: ToolCall, table: ToolTable) -> ToolCall:
    kind = table.upstream_kind(call.name, call.namespace, call.kind)
    name = table.upstream_name(call.name, call.namespace, call.kind)
    arguments = call.arguments
    if call.kind == "custom" and kind == "function":
        arguments = msgspec.json.encode({"input": arguments}).decode()
    return msgspec.structs.replace(call, name=name, namespace=None, kind=kind, arguments=arguments)


def _result(result: ToolResult, table: ToolTable, names: dict[str, str], profile: Profile) -> ToolResult:
    kind: ToolKind = result.kind if result.kind in table.history_kinds else "function"
    content: tuple[ResultPart, ...] = result.content
    if not profile.hosted_tools:
        if any(isinstance(part, ToolReference) for part in content):
            content = tuple(_reference(part) if isinstance(part, ToolReference) else part for part in content)
        if not content and result.kind == "tool_search":
            content = (Text("The tools that were found can be called now."),)
    name = names.get(result.call_id, result.name) if profile.tool_result_names else None
    return msgspec.structs.replace(result, kind=kind, content=content, name=name)


def _reference(part: ToolReference) -> Text:
    return Text(f"The tool {part.name} can be called now.")
