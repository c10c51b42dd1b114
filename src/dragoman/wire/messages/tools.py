"""Tool declarations and tool choice of a client's request, as canonical values.

In: raw slices with their paths. Out: `Tool`, `ToolChoice`. A declaration without `type`, or of type `custom`, is an
ordinary function here; every other type is run or defined by the vendor and is kept whole in `options`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest
from dragoman.wire.messages.blocks import Filled
from dragoman.wire.parse import absent, dump, is_object, present, read

_OWN = frozenset({"type", "name", "description", "input_schema", "strict", "defer_loading", "cache_control"})


class _Tool(msgspec.Struct):
    name: Filled
    description: str | None = None
    input_schema: Raw = Raw()
    strict: bool | None = None
    defer_loading: bool | None = None
    cache_control: Raw = Raw()


class _Hosted(msgspec.Struct):
    type: Filled
    name: str | None = None
    defer_loading: bool | None = None
    cache_control: Raw = Raw()


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _TypeOnly(msgspec.Struct):
    type: str | None = None


def tool_of(raw: Raw, path: str) -> Tool:
    """One declaration."""
    if not is_object(raw):
        raise InvalidRequest(f"{path}: a tool must be an object with a `name`", param=path)
    kind = read(raw, _TypeOnly, path).type
    if kind not in (None, "custom"):
        hosted = read(raw, _Hosted, path)
        return Tool(
            hosted.name or hosted.type,
            "web_search" if hosted.type.startswith("web_search") else "hosted",
            deferred=bool(hosted.defer_loading),
            hosted_type=hosted.type,
            options=raw.copy(),
            cache=present(hosted.cache_control),
        )
    tool = read(raw, _Tool, path)
    if not absent(tool.input_schema) and not is_object(tool.input_schema):
        where = f"{path}.input_schema"
        raise InvalidRequest(f"{where}: must be a JSON Schema object", param=where)
    further = {k: v for k, v in read(raw, dict[str, Raw], path).items() if k not in _OWN}
    return Tool(
        tool.name,
        description=tool.description,
        schema=present(tool.input_schema),
        strict=tool.strict,
        deferred=bool(tool.defer_loading),
        options=dump(further) if further else None,
        cache=present(tool.cache_control),
    )


def tools_of(raw: Raw) -> tuple[Tool, ...]:
    """All declarations."""
    if absent(raw):
        return ()
    return tuple(tool_of(item, f"tools[{i}]") for i, item in enumerate(read(raw, list[Raw], "tools")))


def choice_of(raw: Raw) -> tuple[ToolChoice | None, bool | None]:
    """Tool choice, and whether parallel calls are allowed (None: not said)."""
    if absent(raw):
        return None, None
    choice = read(raw, _Choice, "tool_choice")
    parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    if choice.type == "auto":
        return ToolChoice("auto"), parallel
    if choice.type == "any":
        return ToolChoice("required"), parallel
    if choice.type == "none":
        return ToolChoice("none"), parallel
    if choice.type == "tool":
        if not choice.name:
            raise InvalidRequest("tool_choice.name: name the tool that is to be called", param="tool_choice.name")
        return ToolChoice("named", ToolRef(choice.name)), parallel
    raise InvalidRequest(
        f"tool_choice.type: {choice.type!r} is unknown; use auto, any, tool or none", param="tool_choice.type"
    )
