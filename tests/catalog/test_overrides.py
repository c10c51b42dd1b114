"""A person's own facts laid over the shipped ones: field by field, and never more lost than one record."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.catalog import Catalogue, Document, load, read_document
from dragoman.catalog.tables import laid_over
from dragoman.errors import ConfigError

PRO = "xiaomi:mimo-v2.6-pro"


def over(*models: object, **more: Any) -> Catalogue:
    """The catalogue with one document over it."""
    return load(documents=[Document("mine.toml", {"model": list(models), **more})])


def mimo(**fields: object) -> Catalogue:
    return over({"provider": "xiaomi", "id": "mimo-v2.6-pro", **fields})


# -- one rule: tables are laid over, everything else replaces


@pytest.mark.req(3)
def test_one_price_changes_without_the_list_being_written_again() -> None:
    before = load().models[PRO].prices[0]
    row = mimo(price={"output": "0.5"}).models[PRO]
    assert len(row.prices) == 1
    after = row.prices[0]
    assert after.prices.output == Decimal("0.5")
    assert (after.prices.input, after.prices.cache_read, after.prices.searches) == (
        before.prices.input,
        before.prices.cache_read,
        before.prices.searches,
    )
    assert (after.id, after.valid_from, after.currency) == (before.id, before.valid_from, before.currency)
    assert row.other_prices == load().models[PRO].other_prices


@pytest.mark.req(3, 144)
def test_a_price_from_a_later_day_is_a_new_list_that_inherits() -> None:
    row = mimo(price={"from": "2026-12-01", "output": "0.5"}).models[PRO]
    old, new = row.prices
    assert (old.prices.output, new.prices.output) == (Decimal("0.87"), Decimal("0.5"))
    assert (new.prices.input, str(new.valid_from)) == (Decimal("0.435"), "2026-12-01")


@pytest.mark.req(3, 144)
def test_a_price_of_a_day_changes_the_list_of_that_day() -> None:
    """The newest list is not the one that holds then."""
    announced = {"from": "2027-01-01", "output": "9", "service_tiers": {"fast": "2"}}
    now = {"from": date(2026, 9, 21), "input": "7"}
    tables = [{"provider": "xiaomi", "id": "mimo-v2.6-pro", "price": change} for change in (announced, now)]
    documents = [Document("mine.toml", {"model": [table]}) for table in tables]
    old, new = load(documents=documents).models[PRO].prices
    assert (str(old.valid_from), old.prices.input, old.prices.output) == ("2026-09-21", Decimal(7), Decimal("0.87"))
    assert (str(new.valid_from), new.prices.input, new.prices.output) == ("2027-01-01", Decimal("0.435"), Decimal(9))
    assert old.service_tiers == {}
    between = {"provider": "xiaomi", "id": "mimo-v2.6-pro", "price": {"from": "2026-12-01", "input": "8"}}
    lists = load(documents=[*documents, Document("more.toml", {"model": [between]})]).models[PRO].prices
    assert [(one.prices.input, one.prices.output) for one in lists] == [
        (Decimal(7), Decimal("0.87")),
        (Decimal(8), Decimal("0.87")),
        (Decimal("0.435"), Decimal(9)),
    ]


@pytest.mark.req(3)
def test_a_price_in_a_new_currency_inherits_no_numbers() -> None:
    row = mimo(price={"currency": "EUR", "output": "0.5"}).models[PRO]
    (euro,) = [one for one in row.price_lists if one.currency == "EUR"]
    assert (euro.prices.output, euro.prices.input) == (Decimal("0.5"), None)
    assert row.prices[0].currency == "USD"


@pytest.mark.req(3)
def test_a_list_of_prices_replaces_all_lists() -> None:
    row = mimo(price=[{"from": "2026-12-01", "input": "1"}]).models[PRO]
    assert [(str(one.valid_from), one.prices.output) for one in row.price_lists] == [("2026-12-01", None)]


@pytest.mark.req(3)
def test_off_peak_prices_change_one_by_one() -> None:
    record = {"provider": "deepseek", "id": "deepseek-flash", "price": {"off_peak": {"output": "0.7"}}}
    (row,) = over(record).models["deepseek:deepseek-flash"].prices
    assert row.off_peak is not None
    assert (row.off_peak.prices.output, row.off_peak.prices.input) == (Decimal("0.7"), Decimal("0.15"))
    assert len(row.off_peak.windows) == 4


def test_flags_and_limits_are_laid_over_and_lists_are_replaced() -> None:
    first = {"profile": {"max_tools": 3, "on": {"responses": {"stop_max": 1}}}, "limits": {"rpm": 5}}
    second = {"profile": {"stop_max": 2}, "limits": {"tpm": 7}, "inputs": ["image"]}
    name = {"provider": "xiaomi", "id": "mimo-v2.6-pro"}
    known = load(
        documents=[Document("a", {"model": [{**name, **first}]}), Document("b", {"model": [{**name, **second}]})]
    )
    row = known.models[PRO]
    profile = known.profile_for(known.providers["xiaomi"], row)
    assert (profile.max_tools, profile.stop_max, profile.at("responses").stop_max) == (3, 2, 1)
    assert row.limits is not None
    assert (row.limits.rpm, row.limits.tpm) == (5, 7)
    assert row.facts.inputs == {"image"}


def test_names_may_be_written_in_any_case_and_by_alias() -> None:
    known = over({"provider": "MIMO", "id": "MiMo-V2.6-Pro", "context": 5})
    assert known.models[PRO].facts.context == 5
    assert len(known.models) == len(load().models)


def _tables(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)


_VALUES = st.recursive(
    st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2) | _tables(inner), max_leaves=6
)


@given(_tables(_VALUES), _tables(_VALUES))
def test_laying_over_keeps_what_is_not_named_and_takes_what_is(base: dict[str, Any], table: dict[str, Any]) -> None:
    frozen = repr(base)
    out = laid_over(base, table)
    assert set(out) == {*base, *table}
    for key, value in out.items():
        if key not in table:
            assert value == base[key]
        elif not isinstance(table[key], dict) or not isinstance(base.get(key), dict):
            assert value == table[key]
        else:
            assert value == laid_over(base[key], table[key])
    assert laid_over(out, table) == out
    assert repr(base) == frozen


# -- new providers, new profiles


def test_a_provider_and_a_profile_are_tables_too() -> None:
    known = over(
        {"provider": "home", "id": "q", "context": 9},
        provider={"home": {"base_url": "http://127.0.0.1:1", "profile": "house", "aliases": ["h"]}},
        profile={"house": {"max_tools": 4}},
    )
    assert known.problems == ()
    row = known.provider("H")
    assert row is not None
    assert (row.id, row.profile.max_tools, row.profile_name, row.custom) == ("home", 4, "house", False)
    assert known.model("home", "q").facts.context == 9
    assert known.find("home", "Q") is not None


def test_one_field_of_a_shipped_provider_can_be_changed() -> None:
    known = over(provider={"xiaomi": {"limits": {"rpm": 7}}, "mimo": {"name": "Mine"}})
    before, row = load().providers["xiaomi"], known.providers["xiaomi"]
    assert (row.limits.rpm, row.limits.tpm, row.name) == (7, before.limits.tpm, "Mine")
    assert (row.paths, row.profile, row.key_env) == (before.paths, before.profile, before.key_env)


def test_a_flag_of_a_shipped_profile_holds_for_all_that_use_it() -> None:
    known = over(profile={"minimax": {"max_tools": 2}})
    assert known.providers["minimax"].profile.max_tools == 2
    assert known.providers["minimax-cn"].profile.max_tools == 2
    assert known.providers["minimax"].profile.think_tags is load().providers["minimax"].profile.think_tags


def test_a_provider_that_borrows_models_has_them_without_prices() -> None:
    known = over(provider={"mirror": {"base_url": "http://127.0.0.1:1", "models_from": "minimax"}})
    row = known.models["mirror:MiniMax-M3"]
    assert row.facts.context == known.models["minimax:MiniMax-M3"].facts.context
    assert row.price_lists == ()


@pytest.mark.req(3)
def test_a_record_of_a_borrowed_model_keeps_its_other_facts() -> None:
    """In one file with the provider that borrows it."""
    mirror = {"mirror": {"base_url": "http://127.0.0.1:1", "models_from": "deepseek", "profile": "deepseek"}}
    record = {"provider": "mirror", "id": "deepseek-flash", "price": [{"input": "1", "output": "2"}]}
    known = over(record, provider=mirror)
    theirs, row = known.models["deepseek:deepseek-flash"], known.models["mirror:deepseek-flash"]
    assert row.facts == msgspec.structs.replace(theirs.facts, provider="mirror")
    assert (row.profile, row.limits) == (theirs.profile, theirs.limits)
    assert [one.prices.input for one in row.prices] == [Decimal(1)]
    assert "mirror:deepseek-v4-pro" in known.models


# -- currencies


def test_the_currency_of_the_account_chooses_the_list() -> None:
    plain = load().models[PRO]
    assert ([one.currency for one in plain.prices], [one.currency for one in plain.other_prices]) == (["USD"], ["CNY"])
    row = over(provider={"xiaomi": {"currency": "CNY"}}).models[PRO]
    assert ([one.currency for one in row.prices], [one.currency for one in row.other_prices]) == (["CNY"], ["USD"])
    assert (row.prices[0].prices.input, row.prices[0].id) == (Decimal(3), f"{PRO}@2026-09-21/CNY")


def test_without_a_list_in_that_currency_the_vendors_own_holds() -> None:
    known = over(provider={"xiaomi": {"currency": "EUR"}, "deepseek": {"currency": "CNY"}})
    assert known.models["deepseek:deepseek-flash"].prices[0].currency == "USD"
    assert len({one.currency for one in known.models[PRO].prices}) == 1


# -- what cannot be read


@pytest.mark.parametrize(
    ("fields", "field", "remedy"),
    [
        ({"contxt": 5}, "contxt", "did you mean 'context'"),
        ({"context": "many"}, "context", "whole number"),
        ({"context": 0}, "context", "left out"),
        ({"max_output": -5}, "max_output", "left out"),
        ({"inputs": "image"}, "inputs", "a list"),
        ({"thinking": "sometimes"}, "thinking", "on, off, auto, adaptive, forced, none"),
        ({"inputs": ["image", "text"]}, "inputs[1]", "one of image, audio, video, document"),
        ({"retire_date": "soon"}, "retire_date", "2026-11-21"),
        ({"profile": {"max_tool": 1}}, "profile", "did you mean 'max_tools'"),
        ({"profile": {"on": {"smtp": {}}}}, "profile", "chat, responses, messages"),
        ({"price": "cheap"}, "price", "[[model.price]]"),
        ({"price": [{"input": "cheap"}]}, "price[0].input", "mend"),
        ({"price": [{}, {"input": "-1"}]}, "price[1].input", "no amount"),
        ({"price": [{"input": "NaN"}]}, "price[0].input", "no amount"),
        ({"price": [{"inputt": "1"}]}, "price[0].inputt", "did you mean 'input'"),
        ({"price": [{"from": "yesterday"}]}, "price[0].from", "2026-11-21"),
        ({"price": [{"currency": "yuan"}]}, "price[0].currency", "three capital letters"),
        ({"price": [{"tiers": [{"input": "1"}]}]}, "price[0].tiers[0].above", "how many"),
        ({"price": [{"tiers": [{"above": 5, "output": []}]}]}, "price[0].tiers[0].output", "decimal"),
        ({"price": [{"off_peak": {"windows": [["1-5", "9", "10:00"]]}}]}, "price[0].off_peak.windows", "ISO weekdays"),
        ({"price": [{"off_peak": {"windows": [["1-5", "23:00", "01:00"]]}}]}, "price[0].off_peak.windows", "two"),
        ({"price": [{"off_peak": {"windows": [["1-8", "23:00", "24:00"]]}}]}, "price[0].off_peak.windows", "ISO"),
        ({"price": [{"off_peak": {"input": "1"}}]}, "price[0].off_peak.windows", "names its windows"),
        ({"price": [{"service_tiers": {"priority": "x"}}]}, "price[0].service_tiers", "mend"),
        ({"price": [{"service_tiers": {"priority": "-1"}}]}, "price[0].service_tiers.priority", "no amount"),
    ],
)
def test_a_record_that_cannot_be_read_names_file_record_field_and_remedy(
    fields: dict[str, Any], field: str, remedy: str
) -> None:
    known = mimo(**fields)
    (finding,) = known.problems
    assert (finding.file, finding.record, finding.level) == ("mine.toml", PRO, "error")
    assert finding.field.startswith(field)
    assert remedy in str(finding)
    assert "skipped" in finding.message
    assert known.models[PRO] == load().models[PRO], "the shipped row stays as it was"


@pytest.mark.parametrize("part", ["provider", "profile"])
def test_a_value_in_place_of_a_table_costs_no_other_table(part: str) -> None:
    good = {"provider": {"base_url": "http://127.0.0.1:1"}, "profile": {"max_tools": 3}}[part]
    known = load(documents=[Document("mine.toml", {part: {"bad": 3, "good": good}})])
    assert [(one.record, one.field) for one in known.problems] == [("bad", part)]
    assert "good" in (known.providers if part == "provider" else known.profiles)


@pytest.mark.parametrize(
    ("tables", "remedy"),
    [
        ({"models": []}, "model"),
        ({"provider": "x"}, "[provider.NAME]"),
        ({"provider": {"home": "x"}}, "[provider.home]"),
        ({"profile": {"house": 1}}, "[profile.house]"),
        ({"provider": {"home": {}}}, "base_url"),
        ({"provider": {"home": {"base_url": "ftp://x"}}}, "http"),
        ({"provider": {"home": {"base_url": "http://x", "custom": True}}}, "no field 'custom'"),
        ({"provider": {"home": {"base_url": "http://x", "profile": "xiaomy"}}}, "did you mean 'xiaomi'"),
        ({"profile": {"house": {"nonsense": 1}}}, "no profile flag"),
        ({"model": ["text"]}, "[[model]]"),
        ({"model": [{"id": "m"}]}, 'provider = "..."'),
        ({"model": [{"provider": "xiaomi"}]}, 'id = "..."'),
    ],
)
def test_a_table_that_cannot_be_read_costs_nothing_else(tables: dict[str, Any], remedy: str) -> None:
    known = load(documents=[Document("mine.toml", tables)])
    assert len(known.problems) == 1
    assert remedy in str(known.problems[0])
    assert known.models == load().models
    assert known.providers == load().providers


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    ["id", "provider", "context", "inputs", "thinking", "profile", "limits", "price", "date", "wires", "status", "what"]
)


@pytest.mark.req(3)
@settings(max_examples=200, deadline=None)
@given(damage=st.dictionaries(_FIELDS, _JUNK, min_size=1, max_size=4) | _JUNK, place=st.integers(0, 2))
def test_damage_to_one_record_leaves_all_others(damage: Any, place: int) -> None:
    if isinstance(damage, dict):
        damage = {"provider": "spoilt", "id": "m", **damage}
    records: list[Any] = [
        {"provider": "xiaomi", "id": "good-1", "context": 11},
        {"provider": "xiaomi", "id": "good-2", "price": {"input": "2"}},
    ]
    records.insert(place, damage)
    known = over(*records)
    assert known.models["xiaomi:good-1"].facts.context == 11
    assert known.models["xiaomi:good-2"].prices[0].prices.input == 2
    shipped = load().models
    assert {name: known.models[name] for name in shipped} == shipped
    rest = set(known.models) - set(shipped) - {"xiaomi:good-1", "xiaomi:good-2"}
    assert len(rest) + len(known.problems) == 1, "read, or reported"


@pytest.mark.req(3)
@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["input", "tiers", "off_peak", "from", "currency", "x"]), _JUNK, min_size=1))
def test_damage_to_a_price_never_reaches_pricing(table: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    from dragoman.core.usage import Usage
    from dragoman.cost import price

    row = mimo(price=[table]).models[PRO]
    cost = price(Usage(input=1, output=0), row, datetime(2026, 11, 18, 12, tzinfo=UTC))
    assert cost.amount is None or cost.amount >= 0


def test_an_incomplete_record_loads_with_unknowns() -> None:
    known = over({"provider": "xiaomi", "id": "mimo-v3", "price": {"output": "1"}})
    row = known.models["xiaomi:mimo-v3"]
    assert known.problems == ()
    assert (row.facts.context, row.facts.thinking, row.prices[0].prices.input) == (None, "unknown", None)
    assert (row.facts.family, row.name) == ("xiaomi", "mimo-v3")


def test_a_model_that_stands_twice_is_one_with_a_warning() -> None:
    first = {"provider": "xiaomi", "id": "m", "context": 5}
    known = over(first, {"provider": "mimo", "id": "M", "max_output": 3})
    assert (known.models["xiaomi:m"].facts.context, known.models["xiaomi:m"].facts.max_output) == (5, 3)
    assert [(one.level, one.record) for one in known.problems] == [("warning", "xiaomi:m")]


def test_days_may_stand_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        '[[model]]\nprovider = "xiaomi"\nid = "m"\ndate = 2026-11-01\nretire_date = 2027-01-01\n'
        "[model.price]\nfrom = 2026-11-02\ninput = 0.1\noutput = 2\n"
    )
    known = load(documents=[read_document(file)])
    assert known.problems == ()
    row = known.models["xiaomi:m"]
    assert (row.date, row.facts.retire_date, row.prices[0].id) == ("2026-11-01", "2027-01-01", "xiaomi:m@2026-11-02")
    assert (row.prices[0].prices.input, row.prices[0].prices.output) == (Decimal("0.1"), 2)


@pytest.mark.parametrize("text", ["[[model", "\xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "models.toml"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"models\.toml cannot be read"):
        read_document(file)
    with pytest.raises(ConfigError, match=r"none\.toml"):
        read_document(tmp_path / "none.toml")
