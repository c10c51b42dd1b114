"""What is wrong with a schema, and with a value."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.client.validation import MAX_FAULTS, check_schema, faults
from dragoman.errors import InvalidRequest


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "object", "properties": {"$ref": {"type": "string"}}},
        {"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {"const": {"$ref": "https://example.com/not-a-reference"}},
        {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
        {"properties": {"a": {"$id": "https://example.com/a", "$defs": {"s": {}}, "items": {"$ref": "#/$defs/s"}}}},
        {"properties": {"t": {"$id": "T0", "type": "object", "properties": {"next": {"$ref": "T0"}}}}},
        {"pattern": r"^\p{L}+$", "patternProperties": {"^(?<year>[0-9]{4})$": {}}},
    ],
)
def test_schemas_that_are_taken(schema: Any) -> None:
    check_schema(schema, "schema")


@pytest.mark.parametrize(
    "schema",
    [
        "no",
        ["no"],
        {"type": "nothing"},
        {"properties": {"a": {"minimum": "low"}}},
        {"$ref": "https://example.com/a.json"},
        {"$ref": "#/$defs/none"},
        {"$ref": "file:///etc/passwd"},
        {"type": "object", "$ref": "#/type"},
        {"$schema": 5},
        {"$schema": ["https://json-schema.org/draft/2020-12/schema"]},
        {"items": [{"allOf": [{"$ref": "other.json"}]}], "$schema": "http://json-schema.org/draft-07/schema#"},
    ],
)
def test_schemas_that_are_refused_with_the_field(schema: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_schema(schema, "text.format.schema")
    assert caught.value.info.param == "text.format.schema"
    assert "text.format.schema" in caught.value.message


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*args: Any, **more: Any) -> None:
        raise AssertionError("a reference was fetched")

    monkeypatch.setattr("urllib.request.urlopen", reached)
    found = faults({"properties": {"a": {"$ref": "https://example.com/a.json"}}}, {"a": 1}, "the answer")
    assert found and "example.com" in found[0]


@pytest.mark.req(57)
def test_faults_carry_their_path_and_are_bounded() -> None:
    schema = {"type": "array", "items": {"properties": {"name": {"type": "string", "maxLength": 2}}}}
    assert faults(schema, [{"name": "ok"}]) == []
    assert faults(schema, [{}, {"name": 3}]) == ["[1].name: 3 is not of type 'string'"]
    assert faults({"type": "string"}, 1, "the answer") == ["the answer: 1 is not of type 'string'"]
    many = faults(schema, [{"name": n} for n in range(20)])
    assert len(many) == MAX_FAULTS
    assert len(faults({"maxLength": 1}, "x" * 5000)[0]) < 400


def test_values_nested_beyond_reason_do_not_fit() -> None:
    value: Any = None
    for _ in range(5000):
        value = {"next": value}
    schema = {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}
    assert faults(schema, value) == ["arguments: nested too deeply"]


def test_a_pattern_that_only_other_languages_can_read_is_not_judged() -> None:
    """The patterns of JSON Schema are ECMAScript's: zod writes `\\p{...}` and named groups."""
    letters = {"type": "string", "pattern": r"^\p{L}+$", "maxLength": 3}
    assert faults(letters, "1") == []
    assert faults({"items": letters}, ["1", 2, "long"]) == [
        "[1]: 2 is not of type 'string'",
        "[2]: 'long' is too long",
    ]
    named = {"patternProperties": {r"^\p{L}$": {}, "^x": {"type": "string"}}, "additionalProperties": False}
    assert faults(named, {"a": 1, "x": 1}) == ["x: 1 is not of type 'string'"]
    assert faults({"pattern": "^a$", "properties": {"pattern": {"pattern": "^b$"}}}, "b") != []


@pytest.mark.parametrize(
    ("step", "value", "fits"),
    [
        (0.01, 19.99, True),
        (0.01, 0.07, True),
        (0.01, 19.995, False),
        (0.1, 0.3, True),
        (2, 3, False),
        (0.5, 10**30, True),
    ],
)
def test_steps_are_decimal(step: float, value: float, fits: bool) -> None:
    assert (faults({"multipleOf": step}, value) == []) is fits
