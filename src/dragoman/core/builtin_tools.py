"""Built-in and freeform tools in the clothes of functions: their schemas, and what counts as a valid call of them.

`as_function` gives description and schema for an upstream that has only functions; `read_builtin` turns the JSON
arguments that came back into those of the built-in, or says that they do not fit. Pure; knows no vendor and no wire.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.tools import Tool, ToolKind

EMPTY_SCHEMA = Raw(b'{"type":"object","properties":{}}')
"""For a function without parameters."""

_TEXT = {"type": "string"}
_COUNT = {"type": "integer"}
_WORDS = {"type": "array", "items": _TEXT}


def _schema(required: list[str], **properties: Any) -> Raw:
    return Raw(
        msgspec.json.encode(
            {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        )
    )


_LOCAL_SHELL = _schema(
    ["command"],
    command={**_WORDS, "description": "The program and its arguments, one string each."},
    env={"type": "object", "additionalProperties": _TEXT, "description": "Further environment variables."},
    working_directory={**_TEXT, "description": "Folder to run in."},
    timeout_ms={**_COUNT, "description": "Time limit in milliseconds."},
    user={**_TEXT, "description": "User to run as."},
)
_SHELL = _schema(
    ["commands"],
    commands={**_WORDS, "description": "Command lines, run in this order."},
    timeout_ms={**_COUNT, "description": "Time limit in milliseconds."},
    max_output_length={**_COUNT, "description": "Most characters of output to give back."},
)
_APPLY_PATCH = _schema(
    ["type", "path"],
    type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
    path={**_TEXT, "description": "The file, relative to the workspace."},
    diff={**_TEXT, "description": "The change in V4A diff form; for create_file every line starts with +."},
)
_TOOL_SEARCH = _schema(
    ["query"],
    query={**_TEXT, "description": "What the tool that is looked for should do."},
    limit={**_COUNT, "description": "Most tools to give back."},
)
_CUSTOM = _schema(["input"], input={**_TEXT, "description": "The whole input of the tool, as plain text."})

_BUILT_IN: dict[ToolKind, tuple[str, Raw]] = {
    "local_shell": ("Runs a command on the user's machine and gives back its output.", _LOCAL_SHELL),
    "shell": ("Runs shell commands on the user's machine and gives back their output.", _SHELL),
    "apply_patch": ("Creates, changes or deletes one file.", _APPLY_PATCH),
    "tool_search": ("Searches for further tools and makes them available.", _TOOL_SEARCH),
}


def as_function(tool: Tool) -> tuple[str | None, Raw]:
    """Description and schema under which a tool that is no function is offered as one."""
    if tool.kind == "custom":
        return _with_grammar(tool), _CUSTOM
    description, schema = _BUILT_IN[tool.kind]
    if tool.kind == "tool_search" and tool.schema is not None and bytes(tool.schema) != b"null":
        schema = tool.schema
    return tool.description or description, schema


def _with_grammar(tool: Tool) -> str:
    description = tool.description or f"Takes freeform text ({tool.name})."
    grammar = tool.grammar
    if grammar is None or not grammar.definition:
        return description
    form = "regular expression" if grammar.syntax == "regex" else f"{grammar.syntax} grammar"
    return f"{description}\n\nThe text in `input` must match this {form}:\n{grammar.definition}"


class _LocalShell(msgspec.Struct):
    command: list[str]
    env: dict[str, str] | None = None
    working_directory: str | None = None
    timeout_ms: float | None = None
    user: str | None = None


class _Shell(msgspec.Struct):
    commands: list[str]
    timeout_ms: float | None = None
    max_output_length: float | None = None


class _Operation(msgspec.Struct, omit_defaults=True):
    type: str
    path: str
    diff: str | None = None


class _Wrapped(msgspec.Struct):
    operation: _Operation


def read_builtin(kind: ToolKind, arguments: str) -> str | None:
    """The arguments of a built-in's call, or None when they do not fit it and the call has to stay a function's."""
    try:
        if kind == "apply_patch":
            return _operation(arguments)
        if kind == "local_shell":
            fits = bool(msgspec.json.decode(arguments, type=_LocalShell).command)
        elif kind == "shell":
            fits = bool(msgspec.json.decode(arguments, type=_Shell).commands)
        else:
            msgspec.json.decode(arguments, type=dict[str, Raw])
            fits = True
    except (msgspec.DecodeError, RecursionError):
        return None
    return arguments if fits else None


def _operation(arguments: str) -> str | None:
    """One file operation; models also wrap it the way the client's protocol does."""
    try:
        operation = msgspec.json.decode(arguments, type=_Operation)
    except msgspec.ValidationError:
        operation = msgspec.json.decode(arguments, type=_Wrapped).operation
    if not operation.path or operation.type not in ("create_file", "update_file", "delete_file"):
        return None
    if operation.type != "delete_file" and operation.diff is None:
        return None
    return msgspec.json.encode(operation).decode()
