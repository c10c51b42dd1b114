"""Tool declarations and tool choice, as the client made them. Lowering for an upstream lives in `core.lowering`.

`kind` is the client's own type. `function` takes JSON arguments; `custom` takes freeform text, perhaps under a
grammar; `local_shell`, `shell`, `apply_patch` and `tool_search` are built-ins whose arguments have a fixed form;
`web_search` and `hosted` are run by a server, not by the client.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

ToolKind = Literal["function", "custom", "local_shell", "shell", "apply_patch", "tool_search", "web_search", "hosted"]
ChoiceMode = Literal["auto", "none", "required", "named", "allowed"]


class Grammar(msgspec.Struct, frozen=True, omit_defaults=True):
    """The form of a custom tool's input. syntax: lark, regex, or text (free)."""

    syntax: Literal["lark", "regex", "text"]
    definition: str = ""


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """One declared tool.

    schema: the JSON Schema of the arguments, raw and untouched. namespace: the group it was declared in.
    deferred: declared, but not to be shown to the model before a tool search found it. hosted_type: the client's type
    string for `web_search` and `hosted` kinds (`web_search_20250305`, `image_generation`, ...). options: the whole
    raw declaration, for kinds whose further fields matter. loaded: stood in a tool search's result in the history.
    """

    name: str
    kind: ToolKind = "function"
    description: str | None = None
    schema: Raw | None = None
    strict: bool | None = None
    namespace: str | None = None
    namespace_description: str | None = None
    grammar: Grammar | None = None
    deferred: bool = False
    loaded: bool = False
    hosted_type: str | None = None
    options: Raw | None = None
    cache: Raw | None = None

    @property
    def key(self) -> tuple[str | None, str]:
        """What the client knows it by: (namespace, name)."""
        return (self.namespace, self.name)


class ToolRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool named by a tool choice."""

    name: str
    kind: ToolKind = "function"
    namespace: str | None = None


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client wants of tools. tool: for `named`. allowed: for `allowed`, with `required` as its mode."""

    mode: ChoiceMode = "auto"
    tool: ToolRef | None = None
    allowed: tuple[ToolRef, ...] = ()
    required: bool = False
