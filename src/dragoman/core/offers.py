"""Tools as they are offered: what the client declared beside what goes upstream for it.

Here stands what the steps of lowering share: kinds of tools by who runs them, which tool a choice means, and how a tool
that a server runs is named in notes.
"""

from __future__ import annotations

import msgspec

from dragoman.core.notes import Note
from dragoman.core.tools import Tool, ToolChoice, ToolKind, ToolRef
from dragoman.core.tooltable import ToolEntry, flat_name

BUILT_IN: frozenset[ToolKind] = frozenset({"local_shell", "shell", "apply_patch", "tool_search"})
"""Run by the client, in a form of their own."""
SERVER: frozenset[ToolKind] = frozenset({"web_search", "hosted"})
"""Run by a server."""


class Offer(msgspec.Struct):
    """One client tool that is offered, beside what goes upstream for it. forced: its own form says that it must run."""

    tool: Tool
    entry: ToolEntry
    lowered: Tool
    forced: bool = False


def named_tool(choice: ToolChoice | None) -> ToolRef | None:
    """The one tool that must be called, if the choice names one."""
    return choice.tool if choice is not None and choice.mode == "named" else None


def is_meant(tool: Tool, ref: ToolRef | None) -> bool:
    """Whether a tool choice means this tool."""
    if ref is None:
        return False
    if tool.kind in SERVER and ref.kind == "function":
        return ref.namespace is None and ref.name == tool.name  # Messages names a server's tool like any other
    if tool.kind in SERVER or ref.kind in SERVER:
        return tool.kind == ref.kind and ref.name in (tool.name, tool.hosted_type)
    if ref.kind in BUILT_IN:
        return tool.kind == ref.kind
    if ref.kind not in ("function", tool.kind):
        return False
    if ref.namespace is not None:
        return tool.key == (ref.namespace, ref.name)
    return ref.name in (tool.name, flat_name(tool.name, tool.namespace))


def tool_path(tool: Tool) -> str:
    """Where the client declared a server's tool. Chat has a parameter that declares a search without a tool."""
    what = tool.hosted_type or tool.name
    return what if what.endswith("_options") else f"tools[{what}]"


def left_out(tool: Tool) -> Note:
    """The note on a tool that nobody here can run."""
    what = tool.hosted_type or tool.name or tool.kind
    if tool.kind == "web_search":
        return Note("search_absent", tool_path(tool), "no search engine is configured")
    return Note("tool_dropped", f"tools[{what}]", f"{what} is run by a server, and none here can run it")
