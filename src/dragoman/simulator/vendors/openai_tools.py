"""OpenAI's tools and schemas: what a client may declare, and what strict mode demands."""

from __future__ import annotations

from typing import Any

from dragoman.simulator.ask import Rejected
from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    loose,
    mapping,
    matching,
    nullable,
    one_of,
    record,
    string,
    tagged,
    text,
)

NAME = "[A-Za-z0-9_-]{1,64}"
"""Names of tools and schemas."""
SEARCHES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
"""Tool types that are the server's web search."""


def strict_schema(schema: Any, path: str) -> None:
    """What strict mode demands of a schema: objects name all their properties as required and allow no others."""
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        missing = set(properties or ()) - set(schema.get("required") or ())
        if schema.get("additionalProperties") is not False:
            raise Rejected("strict_schema", path, "'additionalProperties' is required to be supplied and to be false.")
        if missing:
            told = f"'required' is required to be an array including every key in properties. Missing '{min(missing)}'."
            raise Rejected("strict_schema", path, told)
    for name, inner in (properties or {}).items():
        strict_schema(inner, f"{path}.properties.{name}")
    strict_schema(schema.get("items"), f"{path}.items")
    for index, inner in enumerate(schema.get("anyOf") or ()):
        strict_schema(inner, f"{path}.anyOf[{index}]")
    for key in ("$defs", "definitions"):
        for name, inner in (schema.get(key) or {}).items():
            strict_schema(inner, f"{path}.{key}.{name}")


def _strictly(inner: Rule, field: str) -> Rule:
    """An object whose schema is held to strict mode where it says so."""

    def rule(value: Any, path: str) -> None:
        inner(value, path)
        if value.get("strict"):
            strict_schema(value.get(field) or {}, f"{path}.{field}")

    return rule


def json_schema(path_of_name: str = NAME) -> Rule:
    """A `json_schema` format: name, schema, and strictness."""
    table = {
        "type": string,
        "name": matching(path_of_name, "schema_name"),
        "schema": mapping,
        "strict": nullable(boolean),
        "description": string,
    }
    return _strictly(record(table, ("name", "schema")), "schema")


_SHARED: dict[str, Rule] = {
    "defer_loading": boolean,
    "async": boolean,
    "allowed_callers": nullable(array(one_of("direct", "programmatic"))),
}
_FUNCTION = _strictly(
    record(
        {
            "type": string,
            "name": matching(NAME, "tool_name"),
            "description": nullable(string),
            "parameters": nullable(mapping),
            "strict": nullable(boolean),
            "output_schema": nullable(mapping),
            **_SHARED,
        },
        ("name",),
    ),
    "parameters",
)
_CUSTOM = record(
    {
        "type": string,
        "name": matching(NAME, "tool_name"),
        "description": string,
        "format": tagged(
            {
                "text": record({"type": string}),
                "grammar": record(
                    {"type": string, "syntax": one_of("lark", "regex"), "definition": text}, ("syntax", "definition")
                ),
            },
            "format_type",
        ),
        **_SHARED,
    },
    ("name",),
)
_SEARCH = record(
    {
        "type": string,
        "search_context_size": one_of("low", "medium", "high"),
        "user_location": nullable(
            record(
                {
                    "type": one_of("approximate"),
                    "city": nullable(string),
                    "country": nullable(string),
                    "region": nullable(string),
                    "timezone": nullable(string),
                }
            )
        ),
        "filters": nullable(
            record({"allowed_domains": nullable(array(string)), "blocked_domains": nullable(array(string))})
        ),
        "external_web_access": boolean,
        "search_content_types": array(one_of("text", "image")),
    }
)
_INNER = tagged({"function": _FUNCTION, "custom": _CUSTOM}, "tool_type")
_HOSTED = (
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
    "image_generation",
    "code_interpreter",
    "file_search",
    "computer",
    "computer_use_preview",
    "mcp",
    "programmatic_tool_calling",
)
TOOLS = array(
    tagged(
        {
            "function": _FUNCTION,
            "custom": _CUSTOM,
            "namespace": record(
                {"type": string, "name": matching(NAME, "tool_name"), "description": string, "tools": array(_INNER, 1)},
                ("name", "description", "tools"),
            ),
            **dict.fromkeys(SEARCHES, _SEARCH),
            **dict.fromkeys(_HOSTED, loose({})),
        },
        "tool_type",
    )
)
CHOICE = either(
    one_of("none", "auto", "required"),
    tagged(
        {
            "function": record({"type": string, "name": text}, ("name",)),
            "custom": record({"type": string, "name": text}, ("name",)),
            "allowed_tools": record(
                {"type": string, "mode": one_of("auto", "required"), "tools": array(mapping, 1)}, ("mode", "tools")
            ),
            **dict.fromkeys((*SEARCHES, *_HOSTED), loose({})),
        },
        "choice_type",
    ),
)
