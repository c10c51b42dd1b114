"""What a call cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.catalog import ModelRow, load
from dragoman.core.usage import Usage
from dragoman.cost import price

KNOWN = load()
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRO = KNOWN.model("xiaomi", "mimo-v2.6-pro")
M3 = KNOWN.model("minimax", "MiniMax-M3")


def made(**fields: object) -> ModelRow:
    """A model with one price list."""
    record = {"provider": "xiaomi", "id": "x", "price": [{"from": "2026-01-01", **fields}]}
    return load(overrides=[record]).model("xiaomi", "x")


@pytest.mark.req(6)
def test_buckets_are_priced_once_each() -> None:
    cost = price(Usage(input=1_000_000, cache_read=2_000_000, cache_write=5, output=3_000_000, reasoning=9), PRO, NOW)
    assert cost.amount == Decimal("0.435") + 2 * Decimal("0.0036") + 3 * Decimal("0.87")
    assert (cost.currency, cost.price_id) == ("USD", "xiaomi:mimo-v2.6-pro@2026-09-21")
    assert cost.saved == 2 * (Decimal("0.435") - Decimal("0.0036"))


@pytest.mark.req(6)
@pytest.mark.parametrize("missing", ["input", "output", "cache_read", "cache_write"])
def test_a_missing_price_is_unknown_and_not_nothing(missing: str) -> None:
    prices = {"input": "1", "output": "1", "cache_read": "1", "cache_write": "1"}
    row = made(**{key: value for key, value in prices.items() if key != missing})
    cost = price(Usage(input=1, cache_read=1, cache_write=1, output=1), row, NOW)
    assert cost.amount is None
    assert cost.unknown == (f"price.{missing}",)
    without = Usage(**{**dict.fromkeys(prices, 1), missing: 0})
    assert price(without, row, NOW).amount == Decimal(3) / 1_000_000


@pytest.mark.req(6)
def test_a_model_without_prices_costs_an_unknown_amount() -> None:
    for row in (KNOWN.model("xiaomi", "m"), KNOWN.model("minimax-cn", "MiniMax-M3")):
        cost = price(Usage(input=1, output=1), row, NOW)
        assert (cost.amount, cost.unknown) == (None, ("price",))


@pytest.mark.parametrize("usage", [Usage(), Usage(input=1), Usage(output=1)])
def test_an_unknown_count_is_an_unknown_cost(usage: Usage) -> None:
    assert price(usage, PRO, NOW).amount is None


def test_free_is_known() -> None:
    assert price(Usage(input=5, output=5), KNOWN.model("zhipu", "glm-4.7-flash"), NOW).amount == 0


@pytest.mark.req(7)
@pytest.mark.parametrize(
    ("usage", "rate"),
    [
        (Usage(input=512_000, output=0), "0.3"),
        (Usage(input=512_001, output=0), "0.6"),
        (Usage(input=1, cache_read=511_999, output=0), "0.3"),
        (Usage(input=1, cache_read=512_000, output=0), "0.6"),
    ],
)
def test_the_tier_is_chosen_by_all_input_with_the_cache(usage: Usage, rate: str) -> None:
    cached = {"0.3": "0.06", "0.6": "0.12"}[rate]
    expected = (usage.input or 0) * Decimal(rate) + (usage.cache_read or 0) * Decimal(cached)
    assert price(usage, M3, NOW).amount == expected / 1_000_000


@pytest.mark.req(7)
def test_a_tier_does_not_borrow_prices_that_it_lacks() -> None:
    row = made(input="1", output="1", cache_read="1", tiers=[{"above": 10, "input": "2", "output": "2"}])
    assert price(Usage(input=11, output=1), row, NOW).amount == Decimal(24) / 1_000_000
    assert price(Usage(input=11, cache_read=1, output=1), row, NOW).unknown == ("price.cache_read",)


@pytest.mark.req(7)
def test_what_the_vendor_reports_wins() -> None:
    cost = price(Usage(input=1, output=1, cost="0.5", currency="EUR"), PRO, NOW)
    assert (cost.amount, cost.currency, cost.price_id) == (Decimal("0.5"), "EUR", "reported")
    assert price(Usage(cost="0.25"), KNOWN.model("openrouter", "x"), NOW).amount == Decimal("0.25")


@pytest.mark.parametrize("nonsense", ["", "much", "NaN", "-1", "Infinity"])
def test_a_report_that_is_no_amount_is_passed_over(nonsense: str) -> None:
    cost = price(Usage(input=1_000_000, output=0, cost=nonsense), PRO, NOW)
    assert (cost.amount, cost.reported) == (Decimal("0.435"), False)


@pytest.mark.req(4)
def test_retired_models_are_still_priced() -> None:
    cost = price(Usage(input=1_000_000, output=0), KNOWN.model("xiaomi", "mimo-v2-flash"), NOW)
    assert cost.amount == Decimal("0.14")


@pytest.mark.req(144)
def test_the_list_that_held_on_the_day_is_used() -> None:
    record = {
        "provider": "xiaomi",
        "id": "x",
        "price": [{"from": "2026-06-01", "input": "2"}, {"from": "2026-01-01", "input": "1"}],
    }
    row = load(overrides=[record]).model("xiaomi", "x")
    usage = Usage(input=1_000_000, output=0)
    for day, amount in (("2026-05-31", 1), ("2026-06-01", 2), ("2025-01-01", 1)):
        cost = price(usage, row, datetime.fromisoformat(day))
        assert cost.amount == amount


@pytest.mark.req(144)
@pytest.mark.parametrize(
    ("when", "rate"),
    [
        (datetime(2026, 11, 18, 0, 59, tzinfo=UTC), "0.15"),
        (datetime(2026, 11, 18, 1, 0, tzinfo=UTC), "0.3"),
        (datetime(2026, 11, 18, 4, 0, tzinfo=UTC), "0.15"),
        (datetime(2026, 11, 18, 6, 0, tzinfo=UTC), "0.3"),
        (datetime(2026, 11, 18, 23, 59, tzinfo=UTC), "0.15"),
        (datetime(2026, 11, 21, 8, 0, tzinfo=UTC), "0.15"),
        (datetime(2026, 11, 18, 9, 0, tzinfo=timezone(timedelta(hours=8))), "0.3"),
    ],
)
def test_off_peak_hours_are_utc(when: datetime, rate: str) -> None:
    row = KNOWN.model("deepseek", "deepseek-flash")
    assert price(Usage(input=1_000_000, output=0), row, when).amount == Decimal(rate)


@pytest.mark.req(144)
def test_searches_are_priced_by_the_thousand() -> None:
    assert price(Usage(input=0, output=0, searches=3), PRO, NOW).amount == Decimal("0.015")


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_tokens_never_cost_less(a: int, b: int, c: int) -> None:
    less = price(Usage(input=a, cache_read=b, output=c), M3, NOW).amount
    more = price(Usage(input=a + 1, cache_read=b, output=c + 1), M3, NOW).amount
    assert less is not None
    assert more is not None
    assert more > less >= 0
