"""Tool declarations and tool choice of a Chat client."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

from dragoman.core.tools import ChoiceMode, Grammar, Tool, ToolChoice, ToolKind, ToolRef
from dragoman.errors import InvalidRequest
from dragoman.wire.parse import absent, present, read


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Raw = Raw(b"")
    strict: bool | None = None


class _GrammarIn(msgspec.Struct):
    syntax: Literal["lark", "regex"]
    definition: str


class _FormatIn(msgspec.Struct):
    type: Literal["text", "grammar"]
    grammar: _GrammarIn | None = None


class _Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: _FormatIn | None = None


class _ToolIn(msgspec.Struct):
    type: str
    function: _Function | None = None
    custom: _Custom | None = None
    cache_control: Raw = Raw(b"")


def read_tools(raw: Raw | None) -> tuple[Tool, ...]:
    """The declared tools, in order."""
    if raw is None:
        return ()
    slices = read(raw, list[Raw], "tools")
    return tuple(_tool(piece, f"tools[{index}]") for index, piece in enumerate(slices))


def _tool(raw: Raw, path: str) -> Tool:
    tool = read(raw, _ToolIn, path)
    cache = present(tool.cache_control)
    if tool.type == "function":
        function = tool.function
        if function is None:
            raise InvalidRequest(f"{path}.function is missing; it names the function", param=f"{path}.function")
        _named(function.name, f"{path}.function.name")
        schema = present(function.parameters)
        if schema is not None and bytes(schema).lstrip()[:1] != b"{":
            where = f"{path}.function.parameters"
            raise InvalidRequest(f"{where} must be a JSON Schema object", param=where)
        return Tool(function.name, description=function.description, schema=schema, strict=function.strict, cache=cache)
    if tool.type == "custom":
        custom = tool.custom
        if custom is None:
            raise InvalidRequest(f"{path}.custom is missing; it names the tool", param=f"{path}.custom")
        _named(custom.name, f"{path}.custom.name")
        return Tool(custom.name, "custom", custom.description, grammar=_grammar(custom.format, path), cache=cache)
    _named(tool.type, f"{path}.type")
    search = tool.type.startswith("web_search")
    kind: ToolKind = "web_search" if search else "hosted"
    return Tool("web_search" if search else tool.type, kind, hosted_type=tool.type, options=raw.copy())


SEARCH_OPTIONS = "web_search_options"
"""The parameter that declares a web search without a tool."""


def with_search(tools: tuple[Tool, ...], options: Raw | None) -> tuple[Tool, ...]:
    """The tools, and the search that the parameter declares where no tool does."""
    if options is None or any(tool.kind == "web_search" for tool in tools):
        return tools
    read(options, dict[str, Raw], SEARCH_OPTIONS)
    return (*tools, Tool("web_search", "web_search", hosted_type=SEARCH_OPTIONS, options=options.copy()))


def _named(name: str, path: str) -> None:
    if not name:
        raise InvalidRequest(f"{path} must not be empty", param=path)


def _grammar(form: _FormatIn | None, path: str) -> Grammar | None:
    if form is None:
        return None
    if form.type == "text":
        return Grammar("text")
    if form.grammar is None:
        where = f"{path}.custom.format.grammar"
        raise InvalidRequest(f"{where} is missing; give syntax and definition", param=where)
    return Grammar(form.grammar.syntax, form.grammar.definition)


class _Named(msgspec.Struct):
    name: str | None = None


class _Ref(msgspec.Struct):
    type: str = "function"
    name: str | None = None
    function: _Named | None = None
    custom: _Named | None = None


class _Allowed(msgspec.Struct):
    tools: list[_Ref]
    mode: Literal["auto", "required"] = "auto"


class _Choice(_Ref):
    allowed_tools: _Allowed | None = None


_MODES: dict[str, ChoiceMode] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


def read_tool_choice(raw: Raw | None) -> ToolChoice | None:
    """What the client wants of its tools."""
    if raw is None or absent(raw):
        return None
    if bytes(raw)[:1] == b'"':
        word = read(raw, str, "tool_choice")
        if word not in _MODES:
            message = f"tool_choice {word!r} is unknown; use auto, none, required, or an object that names a tool"
            raise InvalidRequest(message, param="tool_choice")
        return ToolChoice(_MODES[word])
    choice = read(raw, _Choice, "tool_choice")
    if choice.type == "allowed_tools":
        allowed = choice.allowed_tools
        if allowed is None:
            where = "tool_choice.allowed_tools"
            raise InvalidRequest(f"{where} is missing; it lists the tools that may be called", param=where)
        refs = [_ref(ref, f"tool_choice.allowed_tools.tools[{i}]") for i, ref in enumerate(allowed.tools)]
        return ToolChoice("allowed", allowed=tuple(refs), required=allowed.mode == "required")
    return ToolChoice("named", _ref(choice, "tool_choice"))


def _ref(ref: _Ref, path: str) -> ToolRef:
    inner = ref.custom if ref.type == "custom" else ref.function
    name = inner.name if inner is not None and inner.name else ref.name
    if ref.type in ("function", "custom"):
        if not name:
            where = f"{path}.{ref.type}.name"
            raise InvalidRequest(f"{where} is missing; name the tool that is to be called", param=where)
        return ToolRef(name, "custom" if ref.type == "custom" else "function")
    return ToolRef(name or ref.type, "web_search" if ref.type.startswith("web_search") else "hosted")
