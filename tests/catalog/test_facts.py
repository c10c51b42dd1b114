"""The catalogue for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dragoman import catalog
from dragoman.core.profile import Profile
from dragoman.errors import ConfigError, ModelNotFound

WORKDAY = datetime(2026, 11, 18, 12, tzinfo=UTC)


def test_models_of_one_provider_by_any_of_its_names() -> None:
    assert {row.facts.provider for row in catalog.models("mimo")} == {"xiaomi"}
    assert catalog.models("xiaomi") == catalog.models("MIMO")
    assert {row.facts.status for row in catalog.models("xiaomi", status="retired")} == {"retired"}
    assert set(catalog.model("MiniMax-M3").facts.inputs) == {"image", "video"}
    with pytest.raises(ConfigError, match="did you mean 'minimax'"):
        catalog.models("minimx")


def test_one_model_by_its_full_or_bare_name() -> None:
    assert catalog.model("mimo:mimo-v2.6-pro") is catalog.model("mimo-v2.6-pro")
    assert catalog.model("mimo-v2.6-pro").facts.context == 1048576
    with pytest.raises(ModelNotFound, match="near names"):
        catalog.model("mino-v2.6-pro")


def test_what_a_model_costs_at_a_moment() -> None:
    quote = catalog.price("minimax:MiniMax-M3", WORKDAY)
    assert quote is not None
    assert (quote.currency, quote.prices.input, quote.off_peak) == ("USD", Decimal("0.3"), False)
    large = catalog.price("minimax:MiniMax-M3", WORKDAY, prompt=512_001)
    assert large is not None
    assert large.prices.input == Decimal("0.6")
    peak = catalog.price("deepseek-flash", WORKDAY)
    assert peak is not None
    assert (peak.off_peak, peak.prices.input, peak.list.prices.input) == (True, Decimal("0.15"), Decimal("0.3"))
    assert catalog.price("openrouter:anything", WORKDAY) is None
    assert catalog.price("mimo-v2.6-pro") is not None


def test_a_service_tier_that_is_not_known_has_no_price() -> None:
    record = {
        "provider": "xiaomi",
        "id": "m",
        "price": {"input": "2", "searches": "5", "service_tiers": {"fast": "1.5"}},
    }
    known = catalog.load(overrides=[record])
    fast = catalog.price("xiaomi:m", WORKDAY, service_tier="fast", known=known)
    assert fast is not None
    assert (fast.prices.input, fast.prices.output, fast.prices.searches) == (Decimal(3), None, Decimal(5))
    assert catalog.price("xiaomi:m", WORKDAY, service_tier="standard", known=known) is not None
    assert catalog.price("xiaomi:m", WORKDAY, service_tier="slow", known=known) is None


EFFORTS = {"minimal": "low", "low": "low", "medium": "high", "high": "high", "xhigh": "max", "max": "max"}


@pytest.mark.parametrize(
    ("thinking", "profile", "words", "levels"),
    [
        ("on", Profile(thinking="type"), None, ("none", "medium")),
        ("forced", Profile(thinking="type"), None, ()),
        ("none", Profile(thinking="type_effort", efforts=EFFORTS), None, ()),
        ("on", Profile(), None, ()),
        ("on", Profile(thinking="type_effort", efforts=EFFORTS), None, ("none", "low", "high", "max")),
        ("forced", Profile(thinking="type_effort", efforts=EFFORTS), None, ("low", "high", "max")),
        ("on", Profile(thinking="effort", efforts=EFFORTS), None, ("low", "high", "max")),
        ("on", Profile(thinking="effort", efforts={**EFFORTS, "none": "none"}), None, ("none", "low", "high", "max")),
        (
            "on",
            Profile(thinking="type_effort", efforts=EFFORTS),
            ("low", "medium", "xhigh"),
            ("low", "medium", "xhigh"),
        ),
    ],
)
def test_levels_of_thinking_that_make_a_difference(
    thinking: str, profile: Profile, words: tuple[str, ...] | None, levels: tuple[str, ...]
) -> None:
    known = catalog.load(overrides=[{"provider": "xiaomi", "id": "m", "thinking": thinking}])
    row = catalog.model("xiaomi:m", known=known)
    found = catalog.reasoning_levels(row, profile) if words is None else catalog.reasoning_levels(row, profile, words)
    assert found == levels
