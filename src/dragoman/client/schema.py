"""The JSON Schema of a function's parameters, from its type hints and docstring.

msgspec does the types; here the function becomes a struct type, references are written out in place (several vendors
do not follow `$ref`), and descriptions are added. Pure.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import msgspec

_SECTIONS = re.compile(r"^(args|arguments|parameters|returns?|raises|yields?|examples?|notes?|attributes):\s*$", re.I)
_PARAMETERS = re.compile(r"^(args|arguments|parameters):\s*$", re.I)
_ENTRY = re.compile(r"^(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NO_DEFAULT = inspect.Parameter.empty


class Signature:
    """What a function takes. schema: of an object with its parameters. description: the docstring's first part."""

    def __init__(self, struct: type[msgspec.Struct], schema: dict[str, Any], text: str, positional: list[str]) -> None:
        self.schema = schema
        self.description = text
        self._struct = struct
        self._positional = positional

    def convert(self, value: dict[str, Any]) -> dict[str, Any]:
        """Checked arguments as the hinted types (enums, dataclasses, ...); absent ones are left out.

        Raises msgspec.ValidationError where a type is stricter than its schema.
        """
        made = msgspec.convert(value, self._struct)
        return {name: getattr(made, name) for name in self._struct.__struct_fields__ if name in value}

    def bind(self, arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional-only and other arguments."""
        rest = dict(arguments)
        args = [rest.pop(name) for name in self._positional if name in rest]
        return args, rest


def read(function: Callable[..., Any]) -> Signature:
    """Reads a function. Raises TypeError for `*args`, `**kwargs`, and types without a schema."""
    where = f"tool {getattr(function, '__name__', function)!r}"
    text, described = docstring(inspect.getdoc(function) or "")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{where}: {error}; hints must be importable from the module") from error
    fields: list[Any] = []
    positional: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{where}: *args and **kwargs have no schema; name the parameters")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(name)
        kind = _annotated(hints.get(name, Any), described.get(name))
        if parameter.default is _NO_DEFAULT:
            fields.append((name, kind))
        else:
            fields.append((name, kind, _default(parameter.default)))
    try:
        struct = msgspec.defstruct("Arguments", fields, kw_only=True)
        (outer,), defs = msgspec.json.schema_components([struct], ref_template="{name}")
    except (TypeError, ValueError) as error:
        raise TypeError(f"{where}: {error}") from error
    schema = _inline(outer, defs, ())
    schema.pop("title", None)
    for property_ in schema["properties"].values():
        _relax(property_)
    schema["additionalProperties"] = False
    return Signature(struct, schema, text, positional)


def _default(value: Any) -> Any:
    """A default for a struct field: what may change is made afresh each time. It is for the schema only."""
    return msgspec.field(default_factory=lambda: value) if isinstance(value, list | dict | set) else value


def _annotated(hint: Any, described: str | None) -> Any:
    """The hint with its description in msgspec's form; `Annotated` text goes before the docstring's."""
    text = described
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        words = [extra for extra in extras if isinstance(extra, str)]
        kept = [extra for extra in extras if isinstance(extra, msgspec.Meta)]
        text = words[0] if words else text
        hint = inner
        for meta in kept:
            hint = Annotated[hint, meta]
    return Annotated[hint, msgspec.Meta(description=text)] if text else hint


def _inline(schema: Any, defs: dict[str, Any], inside: tuple[str, ...]) -> Any:
    """The schema with references written out. Raises TypeError for a type that holds itself."""
    if isinstance(schema, list):
        return [_inline(item, defs, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    name = schema.get("$ref")
    if not isinstance(name, str):
        return {key: _inline(value, defs, inside) for key, value in schema.items()}
    if name in inside:
        raise TypeError(f"type {name!r} holds itself; its schema has no end")
    made = _inline(defs[name], defs, (*inside, name))
    made.pop("title", None)
    return {**made, **{key: value for key, value in schema.items() if key != "$ref"}}


def _relax(property_: dict[str, Any]) -> None:
    """An optional parameter whose default is None need not offer null: leaving it out says the same, and not every
    vendor's schema reader takes a union."""
    if property_.get("default", 0) is not None:
        return
    del property_["default"]
    others = [item for item in property_.get("anyOf", ()) if item.get("type") != "null"]
    if len(others) == 1:
        del property_["anyOf"]
        property_.update({**others[0], **property_})


def docstring(text: str) -> tuple[str, dict[str, str]]:
    """The part before the sections, and the descriptions in the `Args:` section (Google style)."""
    summary: list[str] = []
    found: dict[str, str] = {}
    section = last = ""
    indent = 0
    for line in text.splitlines():
        bare = line.strip()
        if line and not line[0].isspace() and _SECTIONS.match(bare):
            section, last = ("args" if _PARAMETERS.match(bare) else "other"), ""
        elif not section:
            summary.append(line)
        elif section == "args" and bare:
            depth = len(line) - len(line.lstrip())
            entry = _ENTRY.match(bare)
            if entry and (not last or depth <= indent):
                last, indent = entry[1].lstrip("*"), depth
                found[last] = entry[2].strip()
            elif last:
                found[last] = f"{found[last]} {bare}".strip()
    return "\n".join(summary).strip(), found
