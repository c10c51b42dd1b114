"""Tool declarations and tool choice of the Responses protocol, read and written.

Reading flattens namespaces, takes the nested Chat form as well, and keeps what it does not understand as `hosted` with
its raw declaration. Writing groups namespaces again. Whether a tool can be had is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.tools import Grammar, Tool, ToolChoice, ToolKind, ToolRef
from dragoman.wire.parse import absent, is_object, is_string, read
from dragoman.wire.responses.fields import NOTHING, invalid
from dragoman.wire.responses.search import declaration, declared_type

BUILT_IN: dict[str, ToolKind] = {
    "local_shell": "local_shell",
    "shell": "shell",
    "apply_patch": "apply_patch",
    "tool_search": "tool_search",
}
"""Tools without a name of their own that the client runs."""


class _Grammar(msgspec.Struct):
    syntax: str = "lark"
    definition: str = ""


class _Format(msgspec.Struct):
    type: str = "text"
    syntax: str | None = None
    definition: str | None = None
    grammar: _Grammar | None = None


class _Tool(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None
    format: _Format | None = None
    defer_loading: bool | None = None
    tools: list[Raw] | None = None
    function: Raw = NOTHING
    custom: Raw = NOTHING
    server_label: str | None = None


_PLAIN = frozenset({"type", "name", "description", "parameters", "strict", "format", "defer_loading"})


class _Group(msgspec.Struct, frozen=True):
    """The namespace that declarations stand in, and how they came."""

    name: str | None = None
    description: str | None = None
    loaded: bool = False


def decode_tools(raws: Iterable[Raw], path: str, *, loaded: bool = False) -> list[Tool]:
    """Declarations in order, those of namespaces flattened. path: where the list stands, for errors."""
    out: list[Tool] = []
    for i, raw in enumerate(raws):
        _tool(raw, f"{path}[{i}]", _Group(loaded=loaded), out)
    return out


def _tool(raw: Raw, path: str, group: _Group, out: list[Tool]) -> None:
    tool = read(raw, _Tool, path)
    kind = tool.type or ("function" if absent(tool.custom) else "custom")
    inner = tool.function if kind == "function" else tool.custom if kind == "custom" else NOTHING
    if not absent(inner):
        path = f"{path}.{kind}"
        deferred = tool.defer_loading
        raw, tool = inner, read(inner, _Tool, path)
        tool.defer_loading = tool.defer_loading if tool.defer_loading is not None else deferred
    if kind == "namespace":
        if not tool.name:
            raise invalid(f"{path}.name", f"{path}: a namespace needs a name; add it")
        inside = _Group(tool.name, tool.description, group.loaded)
        for i, child in enumerate(tool.tools or ()):
            _tool(child, f"{path}.tools[{i}]", inside, out)
    elif kind in ("function", "custom"):
        out.append(_named(tool, kind, raw, path, group))
    elif kind in BUILT_IN:
        out.append(_built_in(tool, kind, raw, group))
    else:
        search = kind.startswith("web_search")
        name = "web_search" if search else (tool.name or tool.server_label or kind)
        out.append(Tool(name, "web_search" if search else "hosted", hosted_type=kind, options=raw, loaded=group.loaded))


def _named(tool: _Tool, kind: str, raw: Raw, path: str, group: _Group) -> Tool:
    if not tool.name:
        raise invalid(f"{path}.name", f"{path}: a {kind} tool needs a name; add it")
    if not absent(tool.parameters) and not is_object(tool.parameters):
        raise invalid(f"{path}.parameters", f"{path}.parameters must be a JSON Schema object")
    further = msgspec.json.decode(raw, type=dict[str, Raw]).keys() - _PLAIN
    return Tool(
        tool.name,
        "custom" if kind == "custom" else "function",
        tool.description,
        None if kind == "custom" or absent(tool.parameters) else tool.parameters,
        tool.strict,
        group.name,
        group.description,
        _grammar(tool.format, f"{path}.format"),
        bool(tool.defer_loading),
        group.loaded,
        options=raw if further else None,
    )


def _built_in(tool: _Tool, kind: str, raw: Raw, group: _Group) -> Tool:
    schema = None if absent(tool.parameters) else tool.parameters
    plain = len(msgspec.json.decode(raw, type=dict[str, Raw])) == 1
    return Tool(
        kind,
        BUILT_IN[kind],
        tool.description,
        schema,
        namespace=group.name,
        namespace_description=group.description,
        loaded=group.loaded,
        options=None if plain else raw,
    )


def _grammar(form: _Format | None, path: str) -> Grammar | None:
    if form is None:
        return None
    if form.type == "text":
        return Grammar("text")
    if form.type != "grammar":
        raise invalid(f"{path}.type", f"{path}.type must be text or grammar, not {form.type!r}")
    inner = form.grammar or _Grammar()
    syntax = form.syntax or inner.syntax
    definition = form.definition if form.definition is not None else inner.definition
    if syntax == "lark":
        return Grammar("lark", definition)
    if syntax == "regex":
        return Grammar("regex", definition)
    raise invalid(f"{path}.syntax", f"{path}.syntax must be lark or regex, not {syntax!r}")


class _Named(msgspec.Struct):
    name: str | None = None
    mode: str | None = None
    tools: list[Raw] | None = None


class _Choice(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: list[Raw] | None = None
    server_label: str | None = None
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Named | None = None


def decode_choice(raw: Raw | None, tools: Iterable[Tool]) -> ToolChoice | None:
    """The tool choice. tools: all that are declared; a hosted tool that is forced must be among them."""
    if raw is None or absent(raw):
        return None
    if is_string(raw):
        word = read(raw, str, "tool_choice")
        if word == "auto":
            return ToolChoice("auto")
        if word == "none":
            return ToolChoice("none")
        if word == "required":
            return ToolChoice("required")
        raise invalid("tool_choice", f"tool_choice must be auto, none, required or an object, not {word!r}")
    choice = read(raw, _Choice, "tool_choice")
    if choice.type == "allowed_tools":
        inner = choice.allowed_tools or _Named(None, choice.mode, choice.tools)
        allowed = tuple(
            _ref(read(tool, _Choice, f"tool_choice.tools[{i}]"), f"tool_choice.tools[{i}]", None)
            for i, tool in enumerate(inner.tools or ())
        )
        return ToolChoice("allowed", allowed=allowed, required=inner.mode == "required")
    return ToolChoice("named", _ref(choice, "tool_choice", tuple(tools)))


def _ref(choice: _Choice, path: str, declared: tuple[Tool, ...] | None) -> ToolRef:
    """One tool that a choice names. declared: what a hosted one must be among, None where it need not be."""
    kind = choice.type or "function"
    if kind in ("function", "custom"):
        inner = choice.function if kind == "function" else choice.custom
        name = choice.name or (inner.name if inner else None)
        if not name:
            raise invalid(f"{path}.name", f"{path} names no tool; add its name")
        return ToolRef(name, "custom" if kind == "custom" else "function", choice.namespace)
    if kind in BUILT_IN:
        return ToolRef(kind, BUILT_IN[kind])
    if kind == "namespace":
        return ToolRef("", "function", choice.name)
    search = kind.startswith("web_search")
    name = "web_search" if search else (choice.name or choice.server_label or kind)
    if declared is not None:
        fits = [t for t in declared if (t.kind == "web_search" and search) or t.hosted_type == kind]
        if not fits:
            raise invalid(path, f"{path} asks for the hosted tool {kind!r}, which tools does not declare; declare it")
        name = fits[0].name
    return ToolRef(name, "web_search" if search else "hosted")


# -- writing


def encode_tools(tools: Iterable[Tool], *, strict: bool) -> list[Any]:
    """Declarations for an upstream. Neighbours of one namespace stand in one namespace tool again."""
    out: list[Any] = []
    group: list[Any] | None = None
    last: str | None = None
    for tool in tools:
        body = _declaration(tool, strict)
        if tool.namespace is None:
            out.append(body)
            group = None
            continue
        if group is None or tool.namespace != last:
            group = []
            space: dict[str, Any] = {"type": "namespace", "name": tool.namespace}
            if tool.namespace_description is not None:
                space["description"] = tool.namespace_description
            out.append({**space, "tools": group})
            last = tool.namespace
        group.append(body)
    return out


def _declaration(tool: Tool, strict: bool) -> Any:
    if tool.kind == "web_search":
        return declaration(tool)
    if tool.kind == "hosted" and tool.options is not None:
        return tool.options
    if tool.kind in BUILT_IN:
        return tool.options if tool.options is not None else {"type": tool.kind}
    body: dict[str, Any] = {}
    if tool.options is not None:
        body = dict(msgspec.json.decode(tool.options, type=dict[str, Raw]))
        body = {k: v for k, v in body.items() if k not in _PLAIN}
    body["type"] = tool.kind
    body["name"] = tool.name
    if tool.description is not None:
        body["description"] = tool.description
    if tool.kind == "custom":
        if tool.grammar is not None and tool.grammar.syntax == "text":
            body["format"] = {"type": "text"}
        elif tool.grammar is not None:
            body["format"] = {
                "type": "grammar",
                "syntax": tool.grammar.syntax,
                "definition": tool.grammar.definition,
            }
    elif tool.schema is not None:
        body["parameters"] = tool.schema
    if strict and tool.strict is not None:
        body["strict"] = tool.strict
    if tool.deferred:
        body["defer_loading"] = True
    return body


def encode_choice(choice: ToolChoice, tools: Iterable[Tool]) -> Any:
    """A tool choice for an upstream. tools: what is declared there, for the types of hosted tools."""
    if choice.mode in ("auto", "none", "required"):
        return choice.mode
    types: dict[tuple[ToolKind, str], str | None] = {
        (t.kind, t.name): declared_type(t) if t.kind == "web_search" else t.hosted_type for t in tools if t.hosted_type
    }
    if choice.mode == "allowed":
        return {
            "type": "allowed_tools",
            "mode": "required" if choice.required else "auto",
            "tools": [_chosen(ref, types) for ref in choice.allowed],
        }
    return _chosen(choice.tool, types) if choice.tool is not None else "auto"


def _chosen(ref: ToolRef, types: dict[tuple[ToolKind, str], str | None]) -> Any:
    if ref.kind in ("function", "custom"):
        if not ref.name and ref.namespace is not None:
            return {"type": "namespace", "name": ref.namespace}
        body = {"type": ref.kind, "name": ref.name}
        return body if ref.namespace is None else {**body, "namespace": ref.namespace}
    if ref.kind in ("hosted", "web_search"):
        kind = types.get((ref.kind, ref.name)) or ref.name
        return {"type": kind, "server_label": ref.name} if kind == "mcp" else {"type": kind}
    return {"type": ref.kind}
