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
