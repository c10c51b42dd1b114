"""The catalogue judged as a whole: each finding names record, field and remedy."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from dragoman.catalog import Catalogue, Document, Finding, load
from dragoman.catalog.check import check

TODAY = date(2026, 11, 21)
WHOLE = {
    "context": 1000,
    "max_output": 100,
    "thinking": "none",
    "status": "current",
    "source": "here",
    "date": "2026-11-01",
    "price": [{"from": "2026-11-01", "input": "1", "output": "2"}],
}


def over(*models: dict[str, Any], **more: Any) -> Catalogue:
    return load(documents=[Document("mine.toml", {"model": list(models), **more})])


def about(record: str, known: Catalogue, **more: Any) -> list[Finding]:
    return [one for one in check(known, today=TODAY, **more) if one.record == record]


def judged(**fields: Any) -> list[Finding]:
    """The findings on one model that is whole but for these fields; None takes a field away."""
    record = {key: value for key, value in {**WHOLE, **fields}.items() if value is not None}
    return about("xiaomi:m", over({"provider": "xiaomi", "id": "m", **record}))


def test_the_shipped_catalogue_has_no_errors() -> None:
    found = check(load(), today=TODAY)
    assert [str(one) for one in found if one.level == "error"] == []
    assert all(one.record and one.field and one.message and one.fix for one in found)


def test_every_row_of_ours_is_whole() -> None:
    """Status, family, dated prices, source and date stand in every row of the vendors that these tests answer for."""
    known = load()
    for provider in ("xiaomi", "minimax", "deepseek", "openai", "anthropic", "moonshot", "gemini"):
        for row in known.all():
            if row.facts.provider != provider:
                continue
            assert row.facts.family and row.source and row.date
            assert row.facts.context and row.facts.max_output
            assert row.facts.status != "unknown"
            assert row.price_lists or "no list price" in row.notes, row.id
            if row.facts.status in ("retired", "alias"):
                assert row.facts.successor, row.id


def test_a_whole_record_is_not_spoken_of() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("fields", "field", "level"),
    [
        ({"status": "retired", "successor": "mimo-v2.6-pro"}, "retire_date", "warning"),
        ({"status": "retired", "retire_date": "2026-01-01"}, "successor", "warning"),
        ({"retire_date": "2026-11-21"}, "status", "warning"),
        ({"status": "alias"}, "successor", "warning"),
        ({"successor": "mimo-v9"}, "successor", "error"),
        ({"successor": "m"}, "successor", "error"),
        ({"successor": "mimo-v2-flash"}, "successor", "warning"),
        ({"context": None}, "context", "warning"),
        ({"max_output": None}, "max_output", "warning"),
        ({"thinking": None}, "thinking", "warning"),
        ({"source": None}, "source", "warning"),
        ({"max_output": 2000}, "max_output", "warning"),
        ({"default_max_output": 101}, "default_max_output", "warning"),
        ({"price": None}, "price", "warning"),
        ({"price": [{"input": "1"}]}, "price.output", "warning"),
        ({"price": [{"input": "1", "output": "1"}] * 2}, "price", "error"),
        ({"price": [{"input": "1", "output": "1", "tiers": [{"above": 1000}]}]}, "price.tiers", "warning"),
        ({"date": "2026-01-01", "price": [{"input": "1", "output": "1"}]}, "price", "warning"),
    ],
)
def test_what_is_missing_wrong_or_old_is_told(fields: dict[str, Any], field: str, level: str) -> None:
    (finding,) = judged(**fields)
    assert (finding.field, finding.level) == (field, level)
    assert finding.fix


def test_the_end_of_a_model_that_is_still_to_come_is_no_finding() -> None:
    assert judged(retire_date="2026-11-22") == []


def test_the_age_of_a_price_is_an_option_and_retired_models_may_be_old() -> None:
    known = over({"provider": "xiaomi", "id": "m", **WHOLE})
    assert about("xiaomi:m", known, max_age=20) == []
    (old,) = about("xiaomi:m", known, max_age=19)
    assert "20 days ago, on 2026-11-01" in old.message
    assert not [one for one in about("xiaomi:mimo-v2-flash", known, max_age=1) if one.field == "price"]


def test_a_price_of_which_nobody_knows_the_day_is_not_called_old() -> None:
    record = {"provider": "xiaomi", "id": "m", "price": [{"input": "1", "output": "1"}]}
    found = [one.field for one in check(load(overrides=[record]), today=TODAY) if one.record == "xiaomi:m"]
    assert "date" in found
    assert "price" not in found


def test_names_that_mean_two_things_are_errors() -> None:
    table = {"base_url": "http://127.0.0.1:1", "source": "here"}
    known = over(provider={"one": {**table, "aliases": ["same", "minimax"]}, "two": {**table, "aliases": ["same"]}})
    found = [one for one in check(known, today=TODAY) if one.field == "aliases"]
    assert {(one.record, one.level) for one in found} == {("one", "error"), ("two", "error")}


def test_a_model_of_nobody_is_an_error() -> None:
    (finding,) = about("xiaomy:m", over({"provider": "xiaomy", "id": "m", **WHOLE}))
    assert (finding.field, finding.level) == ("provider", "error")
    assert "did you mean 'xiaomi'" in finding.fix


def test_prices_of_borrowed_models_are_one_finding_and_not_one_each() -> None:
    table = {"base_url": "http://127.0.0.1:1", "models_from": "minimax", "source": "here"}
    known = over(provider={"mirror": table})
    assert [one.field for one in about("mirror", known)] == ["price"]
    assert not [one for one in check(known, today=TODAY) if one.record.startswith("mirror:")]
    price = [{"from": "2026-11-01", "input": "1", "output": "1"}]
    record = {"provider": "mirror", "id": "MiniMax-M3", "price": price}
    (rest,) = about("mirror", over(record, provider={"mirror": table}))
    assert "8 of the models of minimax" in rest.message
    wrong = over(provider={"mirror": {**table, "models_from": "minimaks"}})
    assert ("models_from", "error") in [(one.field, one.level) for one in about("mirror", wrong)]


@pytest.mark.parametrize(
    ("target", "level", "remedy"),
    [
        ("xiaomi:mimo-v2.6-pro", None, ""),
        ("mimo-v2.6-pro", None, ""),
        ("xiaomi:*", None, ""),
        ("xiaomy:*", "error", "did you mean 'xiaomi'"),
        ("nobody:thing", "error", "provider:model"),
        ("thing", "error", "provider:model"),
        ("xiaomi:mimo-v2.6-prp", "warning", "did you mean 'mimo-v2.6-pro'"),
        ("mimo-v2-flash", "warning", "xiaomi:mimo-v2.6-flash"),
    ],
)
def test_where_the_names_of_a_person_lead(target: str, level: str | None, remedy: str) -> None:
    found = [one for one in check(load(), today=TODAY, names={"aliases.my.name": target}) if one.record == "aliases"]
    assert [(one.field, one.level) for one in found] == ([("my.name", level)] if level else [])
    assert all(remedy in one.fix for one in found)


def test_records_that_were_skipped_come_first() -> None:
    known = over({"provider": "xiaomi", "id": "m", "colour": "red"})
    assert check(known, today=TODAY)[0] == known.problems[0]
