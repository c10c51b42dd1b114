"""Checks of JSON fields: small functions that are put together into tables, one a protocol.

A rule takes a value and its path and raises `Rejected` when the documentation does not allow it. `record` refuses
every field that is not in its table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dragoman.simulator.ask import Rejected

Rule = Callable[[Any, str], None]


def _wrong(path: str, wanted: str) -> Rejected:
    return Rejected("field_type", path, f"{path}: Input should be {wanted}")


def anything(value: Any, path: str) -> None:
    """No demand."""


def string(value: Any, path: str) -> None:
    """A string."""
    if not isinstance(value, str):
        raise _wrong(path, "a valid string")


def text(value: Any, path: str) -> None:
    """A string that is not empty. The vendor's words for anything else are "`text` is not set"."""
    if not isinstance(value, str) or not value:
        raise Rejected("text_not_set", path, "`text` is not set")


def boolean(value: Any, path: str) -> None:
    """true or false."""
    if not isinstance(value, bool):
        raise _wrong(path, "a valid boolean")


def mapping(value: Any, path: str) -> None:
    """Any object."""
    if not isinstance(value, dict):
        raise _wrong(path, "a valid dictionary")


def number(low: float, high: float) -> Rule:
    """A number of the closed range."""

    def rule(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(path, "a valid number")
        if not low <= value <= high:
            raise Rejected("field_range", path, f"{path}: {value} is not in [{low}, {high}]")

    return rule


def above_zero(high: float) -> Rule:
    """A number above zero, and not above `high`."""
    inner = number(0, high)

    def rule(value: Any, path: str) -> None:
        inner(value, path)
        if value <= 0:
            raise Rejected("field_range", path, f"{path}: {value} is not in (0, {high}]")

    return rule


def integer(low: int, high: int) -> Rule:
    """An integer of the closed range."""

    def rule(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(path, "a valid integer")
        if not low <= value <= high:
            raise Rejected("field_range", path, f"{path}: {value} is not in [{low}, {high}]")

    return rule


def one_of(*words: str) -> Rule:
    """One of these strings."""

    def rule(value: Any, path: str) -> None:
        if not isinstance(value, str) or value not in words:
            raise Rejected("field_value", path, f"{path}: Input should be {' or '.join(map(repr, words))}")

    return rule


def matching(pattern: str, rule_name: str) -> Rule:
    """A string that matches the pattern in full."""
    compiled = re.compile(pattern)

    def rule(value: Any, path: str) -> None:
        string(value, path)
        if not compiled.fullmatch(value):
            raise Rejected(rule_name, path, f"{path}: {value[:80]!r} does not match {pattern}")

    return rule


def nullable(inner: Rule) -> Rule:
    """null, or what `inner` allows."""

    def rule(value: Any, path: str) -> None:
        if value is not None:
            inner(value, path)

    return rule


def array(inner: Rule, low: int = 0, high: int = 1 << 30) -> Rule:
    """An array of such values."""

    def rule(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong(path, "a valid list")
        if not low <= len(value) <= high:
            raise Rejected("field_range", path, f"{path}: {len(value)} entries are not in [{low}, {high}]")
        for index, item in enumerate(value):
            inner(item, f"{path}[{index}]")

    return rule


def either(first: Rule, second: Rule) -> Rule:
    """A string (by `first`) or something else (by `second`)."""

    def rule(value: Any, path: str) -> None:
        (first if isinstance(value, str) else second)(value, path)

    return rule


def record(table: Mapping[str, Rule], required: Sequence[str] = ()) -> Rule:
    """An object with these fields only."""

    def rule(value: Any, path: str) -> None:
        mapping(value, path)
        dot = f"{path}." if path else ""
        for name in value:
            if name not in table:
                raise Rejected("unknown_field", dot + name, f"{dot}{name}: Extra inputs are not permitted")
        for name in required:
            if name not in value:
                raise Rejected("field_missing", dot + name, f"{dot}{name}: Field required")
        for name, item in value.items():
            table[name](item, dot + name)

    return rule


def loose(table: Mapping[str, Rule], required: tuple[str, ...] = ()) -> Rule:
    """An object whose known fields obey the table; further ones are taken as they are."""
    known = record(table, required)

    def rule(value: Any, path: str) -> None:
        mapping(value, path)
        known({name: item for name, item in value.items() if name in table}, path)

    return rule


def text_part(value: Any, path: str) -> None:
    """A part `{"type": "text", "text": "..."}` with something in it."""
    mapping(value, path)
    text(value.get("text"), f"{path}.text")
    record({"type": string, "text": string})(value, path)


def tagged(tables: Mapping[str, Rule], rule_name: str = "part_type") -> Rule:
    """An object whose `type` selects its rule."""

    def rule(value: Any, path: str) -> None:
        mapping(value, path)
        kind = value.get("type")
        inner = tables.get(kind) if isinstance(kind, str) else None
        if inner is None:
            raise Rejected(rule_name, f"{path}.type", f"{path}.type: {kind!r} is not supported")
        inner(value, path)

    return rule
