"""JSON Schema: what is wrong with a schema, and what is wrong with a value. Loads `jsonschema` when first used.

References are followed inside the schema only: one that points elsewhere would make us fetch what a stranger names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from dragoman.errors import InvalidRequest

MAX_FAULTS = 5
"""Faults of one value that are told."""
_MAX_TEXT = 300
"""Characters of one fault: the library quotes the value, which may be long."""
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords that hold schemas by name."""
_VALUES = frozenset({"const", "enum", "default", "examples"})
"""Keywords that hold no schemas."""
_FURTHER = frozenset({"additionalProperties", "unevaluatedProperties"})
"""Keywords for the names that no other keyword has spoken of."""


def check_schema(schema: Any, field: str) -> None:
    """Raises InvalidRequest, naming `field`, for what is no JSON Schema and for references that lead out of it."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise InvalidRequest(f"{field} must be a JSON Schema, an object", param=field)
    from jsonschema import SchemaError

    try:
        _kind(schema).check_schema(schema, format_checker=None)
    except SchemaError as error:
        where = path(error.absolute_path, "its root")
        raise InvalidRequest(
            f"{field} is no JSON Schema: {where}: {error.message[:_MAX_TEXT]}", param=field, code="invalid_schema"
        ) from None
    except RecursionError:
        raise InvalidRequest(f"{field} is nested too deeply", param=field, code="invalid_schema") from None
    lost = _lost_reference(schema)
    if lost is not None:
        raise InvalidRequest(
            f"{field}: {lost[:100]!r} refers to nothing in the schema; put what it names under $defs",
            param=field,
            code="invalid_schema",
        )


def faults(schema: Mapping[str, Any] | bool, value: Any, root: str = "arguments") -> list[str]:
    """What is wrong with `value`, each fault with its path (`items[2].name: ...`); at most `MAX_FAULTS`.

    schema: one that `check_schema` takes. root: what a fault of the whole value is told of. A pattern that Python
    cannot read is not judged.
    """
    from referencing.exceptions import Unresolvable

    try:
        try:
            found = _errors(schema, value)
        except re.error:
            found = _errors(_readable(schema), value)
    except Unresolvable as error:
        return [f"{root}: a reference of the schema cannot be followed: {error}"]
    except RecursionError:
        return [f"{root}: nested too deeply"]
    return [f"{path(error.absolute_path, root)}: {error.message[:_MAX_TEXT]}" for error in found[:MAX_FAULTS]]


def _errors(schema: Mapping[str, Any] | bool, value: Any) -> list[Any]:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    kind = _exact(Draft202012Validator if isinstance(schema, bool) else _kind(schema))
    errors = kind(schema, registry=Registry()).iter_errors(value)
    return sorted(errors, key=lambda error: list(map(str, error.absolute_path)))


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

    named = isinstance(schema.get("$schema"), str)
    return validator_for(schema, default=Draft202012Validator) if named else Draft202012Validator


@cache
def _exact(kind: Any) -> Any:
    """The validator with decimal steps: by binary fractions 19.99 is no multiple of 0.01."""
    from jsonschema import ValidationError
    from jsonschema.validators import extend

    def multiple_of(validator: Any, step: Any, value: Any, schema: Any) -> Iterator[Any]:
        if validator.is_type(value, "number") and (_decimal(value) / _decimal(step)).denominator != 1:
            yield ValidationError(f"{value!r} is not a multiple of {step}")

    return extend(kind, {"multipleOf": multiple_of})  # type: ignore[no-untyped-call]


def _decimal(number: float) -> Fraction:
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def _lost_reference(schema: dict[str, Any]) -> str | None:
    """The first `$ref` that leads to no schema inside this one, if any."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, specification_with

    draft = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    stack: list[Any] = [(schema, Registry().with_resource("", draft.create_resource(schema)).resolver())]
    while stack:
        node, resolver = stack.pop()
        if isinstance(node, list):
            stack += [(item, resolver) for item in node]
        if not isinstance(node, dict):
            continue
        name, reference = node.get("$id", node.get("id")), node.get("$ref")
        try:
            if isinstance(name, str):
                resolver = resolver.in_subresource(draft.create_resource(node))
            if isinstance(reference, str) and not isinstance(resolver.lookup(reference).contents, dict | bool):
                return reference
        except (Unresolvable, ValueError):
            return reference if isinstance(reference, str) else name
        for key, value in node.items():
            if key in _NAMED and isinstance(value, dict):
                stack += [(item, resolver) for item in value.values()]
            elif key not in _VALUES:
                stack.append((value, resolver))
    return None


def _readable(schema: Any) -> Any:
    """The schema without the patterns that Python cannot read: the language's own are ECMAScript's. Where names are
    told apart by such a pattern, further names cannot be judged."""
    if isinstance(schema, list):
        return [_readable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    blind = False
    for key, value in schema.items():
        if key == "pattern" and isinstance(value, str) and not _reads(value):
            continue
        if key in _NAMED and isinstance(value, dict):
            by_pattern = key == "patternProperties"
            out[key] = {name: _readable(item) for name, item in value.items() if not by_pattern or _reads(name)}
            blind = blind or len(out[key]) < len(value)
        else:
            out[key] = value if key in _VALUES else _readable(value)
    return {key: value for key, value in out.items() if not blind or key not in _FURTHER}


def _reads(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
