"""JSON Schema: what is wrong with a schema, and what is wrong with a value. Loads `jsonschema` when first used.

References are followed inside the schema only: one that points elsewhere would make us fetch what a stranger names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dragoman.errors import InvalidRequest

MAX_FAULTS = 5
"""Faults of one value that are told."""
_MAX_TEXT = 300
"""Characters of one fault: the library quotes the value, which may be long."""


def check_schema(schema: Any, field: str) -> None:
    """Raises InvalidRequest, naming `field`, for what is no JSON Schema and for references that lead out of it."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise InvalidRequest(f"{field} must be a JSON Schema, an object", param=field)
    from jsonschema import SchemaError

    try:
        _kind(schema).check_schema(schema)
    except SchemaError as error:
        where = path(error.absolute_path, "its root")
        raise InvalidRequest(
            f"{field} is no JSON Schema: {where}: {error.message[:_MAX_TEXT]}", param=field, code="invalid_schema"
        ) from None
    except RecursionError:
        raise InvalidRequest(f"{field} is nested too deeply", param=field, code="invalid_schema") from None
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, specification_with

    draft = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    resolver = Registry().with_resource("", draft.create_resource(schema)).resolver()
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError):
            raise InvalidRequest(
                f"{field}: {reference[:100]!r} refers to nothing in the schema; put what it names under $defs",
                param=field,
                code="invalid_schema",
            ) from None


def faults(schema: Mapping[str, Any] | bool, value: Any, root: str = "arguments") -> list[str]:
    """What is wrong with `value`, each fault with its path (`items[2].name: ...`); at most `MAX_FAULTS`.

    root: what a fault of the whole value is told of.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = Draft202012Validator if isinstance(schema, bool) else _kind(schema)
    try:
        found = sorted(
            kind(schema, registry=Registry()).iter_errors(value), key=lambda error: list(map(str, error.absolute_path))
        )
    except Unresolvable as error:
        return [f"{root}: a reference of the schema cannot be followed: {error}"]
    except RecursionError:
        return [f"{root}: nested too deeply"]
    return [f"{path(error.absolute_path, root)}: {error.message[:_MAX_TEXT]}" for error in found[:MAX_FAULTS]]


def path(steps: Iterable[str | int], root: str = "arguments") -> str:
    """A path as a person writes it; `root` where there are no steps."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or root


def _kind(schema: Mapping[str, Any]) -> Any:
    """The validator for the draft that the schema names, else the current one."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _references(node: Any) -> Iterator[str]:
    """Every `$ref` of a schema. A property that is named so holds a schema, no string."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                yield reference
            stack.extend(value for key, value in node.items() if key not in ("const", "enum", "default", "examples"))
        elif isinstance(node, list):
            stack.extend(node)
