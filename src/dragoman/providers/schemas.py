"""JSON Schemas that a provider takes, in tools and in the form of the answer: without the keywords that it refuses.

In: raw schemas and the profile's list. Out: the same schemas, or smaller ones and a note. Names of properties are never
taken for keywords, values of `enum` and `default` are never looked into. A refused `const` that is a string becomes an
`enum` of one, which says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.notes import Note
from dragoman.core.request import ResponseFormat
from dragoman.core.tools import Tool

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords that hold schemas by name."""
_NESTED = frozenset(
    {"items", "prefixItems", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "contains", "additionalProperties"}
)
"""Keywords that hold a schema or a list of them."""


def shape_schemas(
    tools: Sequence[Tool], asked: ResponseFormat | None, refused: frozenset[str], notes: list[Note]
) -> tuple[tuple[Tool, ...], ResponseFormat | None]:
    """Tools and answer format with schemas that the provider takes."""
    if not refused:
        return tuple(tools), asked
    gone: set[str] = set()
    out = []
    for tool in tools:
        schema = _reduced(tool.schema, refused, gone)
        out.append(tool if schema is tool.schema else msgspec.structs.replace(tool, schema=schema))
    if gone:
        notes.append(_note("tools", gone))
    gone = set()
    if asked is not None:
        schema = _reduced(asked.schema, refused, gone)
        asked = asked if schema is asked.schema else msgspec.structs.replace(asked, schema=schema)
    if gone:
        notes.append(_note("response_format", gone))
    return tuple(out), asked


class _Root(msgspec.Struct):
    type: object = None


def object_schemas(tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """Tools whose schemas say that arguments are an object: the Messages protocol refuses a schema that does not."""
    return tuple(_of_object(tool) for tool in tools)


def _of_object(tool: Tool) -> Tool:
    if tool.schema is None:
        return tool
    try:
        said = msgspec.json.decode(tool.schema, type=_Root).type
    except msgspec.DecodeError:
        return tool
    if said is not None and not (isinstance(said, list) and "object" in said):
        return tool
    fields = msgspec.json.decode(tool.schema, type=dict[str, Raw]) | {"type": Raw(b'"object"')}
    return msgspec.structs.replace(tool, schema=Raw(msgspec.json.encode(fields)))


def _note(field: str, gone: set[str]) -> Note:
    return Note("schema_reduced", field, "left out of the schema: " + ", ".join(sorted(gone)))


def _reduced(raw: Raw | None, refused: frozenset[str], gone: set[str]) -> Raw | None:
    """The schema without what is refused; the very same bytes where nothing is. gone: what was left out."""
    if raw is None:
        return None
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw
    found: set[str] = set()
    value = _walk(value, refused, found)
    gone |= found
    return Raw(msgspec.json.encode(value)) if found else raw


def _walk(schema: Any, refused: frozenset[str], gone: set[str]) -> Any:
    if isinstance(schema, list):
        return [_walk(item, refused, gone) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in refused:
            gone.add(key)
            if key == "const" and isinstance(value, str):
                out.setdefault("enum", [value])
        elif key in _NAMED and isinstance(value, dict):
            out[key] = {name: _walk(item, refused, gone) for name, item in value.items()}
        else:
            out[key] = _walk(value, refused, gone) if key in _NESTED else value
    return out
