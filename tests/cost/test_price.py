"""What a call cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.catalog import ModelRow, load
from dragoman.core.usage import Usage, add
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


@pytest.mark.req(6, 144)
def test_what_the_cache_keeps_for_an_hour_has_its_own_price() -> None:
    million = 1_000_000
    opus = KNOWN.model("anthropic", "claude-opus-5")
    cost = price(Usage(input=0, cache_write=3 * million, cache_write_1h=million, output=0), opus, NOW)
    assert cost.amount == 2 * Decimal("6.25") + Decimal(10)
    assert price(Usage(input=0, cache_write=million, output=0), opus, NOW).amount == Decimal("6.25")
    row = made(input="1", output="1", cache_write="1")
    cost = price(Usage(input=1, cache_write=2, cache_write_1h=1, output=1), row, NOW)
    assert (cost.amount, cost.unknown) == (None, ("price.cache_write_1h",))
    calls = add(Usage(input=1, cache_write=2, cache_write_1h=2, output=1), Usage(input=1, cache_write=4, output=1))
    assert calls is not None
    assert (calls.cache_write, calls.cache_write_1h) == (6, 2)
    assert price(calls, opus, NOW).amount == (2 * 5 + 2 * 25 + 2 * 10 + 4 * Decimal("6.25")) / million


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


@pytest.mark.req(7)
def test_calls_that_were_added_up_are_priced_one_by_one() -> None:
    small, large = Usage(input=400_000, output=10), Usage(input=600_000, output=10)
    total = price(add(add(small, small), large), M3, NOW)  # type: ignore[arg-type]
    apart = [price(usage, M3, NOW).amount for usage in (small, small, large)]
    assert total.amount == sum(amount for amount in apart if amount is not None)
    assert apart[0] != apart[2]
    assert price(add(small, Usage(input=1)), M3, NOW).amount is None  # type: ignore[arg-type]


WED, FRI, SAT, SUN, MON = (datetime(2026, 11, day, tzinfo=UTC) for day in (18, 20, 21, 22, 23))


@pytest.mark.req(144)
@pytest.mark.parametrize("day", [WED, FRI, MON])
@pytest.mark.parametrize(
    ("clock", "off_peak"),
    [
        ("00:00:00", True),
        ("00:59:59", True),
        ("01:00:00", False),
        ("03:59:59", False),
        ("04:00:00", True),
        ("05:59:59", True),
        ("06:00:00", False),
        ("09:59:59", False),
        ("10:00:00", True),
        ("23:59:59", True),
    ],
)
def test_the_edges_of_off_peak_windows_on_a_weekday(day: datetime, clock: str, off_peak: bool) -> None:
    hour, minute, second = (int(part) for part in clock.split(":"))
    row = KNOWN.model("deepseek", "deepseek-v4-pro")
    cost = price(Usage(input=1_000_000, output=0), row, day.replace(hour=hour, minute=minute, second=second))
    assert cost.amount == (Decimal("0.66") if off_peak else Decimal("1.32"))


@pytest.mark.req(144)
@pytest.mark.parametrize("day", [SAT, SUN])
@pytest.mark.parametrize("hour", [0, 2, 8, 23])
def test_the_weekend_is_off_peak_all_day(day: datetime, hour: int) -> None:
    row = KNOWN.model("deepseek", "deepseek-flash")
    usage = Usage(input=0, cache_read=1_000_000, output=1_000_000)
    cost = price(usage, row, day.replace(hour=hour, minute=59))
    assert cost.amount == Decimal("0.003") + Decimal("0.6")
    assert cost.saved == Decimal("0.15") - Decimal("0.003")


@pytest.mark.req(144)
def test_the_weekday_is_that_of_utc() -> None:
    row = KNOWN.model("deepseek", "deepseek-flash")
    beijing = timezone(timedelta(hours=8))
    monday_there_sunday_here = datetime(2026, 11, 23, 7, 30, tzinfo=beijing)
    assert price(Usage(input=1_000_000, output=0), row, monday_there_sunday_here).amount == Decimal("0.15")
    assert price(
        Usage(input=1_000_000, output=0), row, datetime(2026, 11, 23, 9, 30, tzinfo=beijing)
    ).amount == Decimal("0.3")


@pytest.mark.req(7)
def test_a_tier_goes_before_off_peak_prices() -> None:
    off_peak = {"windows": [["1-7", "00:00", "24:00"]], "input": "1"}
    row = made(input="2", output="2", off_peak=off_peak, tiers=[{"above": 10, "input": "5"}])
    assert price(Usage(input=10, output=0), row, NOW).amount == Decimal(10) / 1_000_000
    assert price(Usage(input=11, output=0), row, NOW).amount == Decimal(55) / 1_000_000


@pytest.mark.req(7)
def test_the_highest_tier_that_is_passed_holds() -> None:
    row = made(input="1", output="1", tiers=[{"above": 100, "input": "3"}, {"above": 10, "input": "2"}])
    for count, rate in ((10, 1), (11, 2), (100, 2), (101, 3)):
        assert price(Usage(input=count, output=0), row, NOW).amount == Decimal(count * rate) / 1_000_000


@pytest.mark.req(144)
def test_a_service_tier_multiplies_token_prices_and_nothing_else() -> None:
    row = made(
        input="1",
        output="2",
        cache_read="0.1",
        searches="5",
        tiers=[{"above": 100, "input": "2", "output": "4", "cache_read": "0.2"}],
        service_tiers={"priority": "1.5"},
    )
    usage = Usage(input=50, cache_read=10, output=10, searches=1000)
    tokens = Decimal("50") + Decimal("1") + Decimal("20")
    assert price(usage, row, NOW).amount == tokens / 1_000_000 + 5
    for word in ("standard", "default", "auto", ""):
        assert price(usage, row, NOW, service_tier=word) == price(usage, row, NOW)
    fast = price(usage, row, NOW, service_tier="priority")
    assert fast.amount == tokens * Decimal("1.5") / 1_000_000 + 5
    assert fast.saved == 10 * Decimal("0.9") * Decimal("1.5") / 1_000_000
    large = price(Usage(input=101, output=0), row, NOW, service_tier="priority")
    assert large.amount == 101 * 2 * Decimal("1.5") / 1_000_000
    assert price(add(usage, usage), row, NOW, service_tier="priority").amount == 2 * (fast.amount or 0)  # type: ignore[arg-type]


@pytest.mark.req(6)
def test_a_service_tier_that_the_list_does_not_know_is_an_unknown_cost() -> None:
    cost = price(Usage(input=1, output=1), PRO, NOW, service_tier="priority")
    assert (cost.amount, cost.unknown) == (None, ("price.service_tier",))
    assert price(Usage(input=1, output=1, cost="0.5"), PRO, NOW, service_tier="priority").amount == Decimal("0.5")


@pytest.mark.req(6, 144)
def test_the_currency_of_the_list_is_kept() -> None:
    provider = msgspec.structs.replace(KNOWN.providers["xiaomi"], currency="CNY")
    row = load([provider]).model("xiaomi", "mimo-v2.6-pro")
    cost = price(Usage(input=1_000_000, cache_read=1_000_000, output=1_000_000, searches=1000), row, NOW)
    assert (cost.amount, cost.currency) == (Decimal("3") + Decimal("0.025") + Decimal("6") + Decimal("16"), "CNY")
    assert cost.price_id == "xiaomi:mimo-v2.6-pro@2026-09-21/CNY"


@pytest.mark.req(144)
@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (Usage(input=1, cache_read=1_000_000, output=1), Decimal("0.435") - Decimal("0.0036")),
        (Usage(input=1, cache_read=0, output=1), Decimal(0)),
        (Usage(input=1, output=1), None),
    ],
)
def test_what_the_cache_saved(usage: Usage, saved: Decimal | None) -> None:
    assert price(usage, PRO, NOW).saved == saved


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=5),
    st.datetimes(min_value=datetime(2026, 10, 1), max_value=datetime(2027, 1, 1)),
)
def test_a_sum_of_calls_costs_what_they_cost_apart(calls: list[tuple[int, int, int]], when: datetime) -> None:
    usages = [Usage(input=a, cache_read=b, output=c) for a, b, c in calls]
    total: Usage | None = None
    for usage in usages:
        total = add(total, usage)
    assert total is not None
    together, apart = price(total, M3, when), [price(usage, M3, when) for usage in usages]
    assert together.amount == sum((cost.amount for cost in apart if cost.amount is not None), Decimal(0))
    assert together.saved == sum((cost.saved for cost in apart if cost.saved is not None), Decimal(0))
