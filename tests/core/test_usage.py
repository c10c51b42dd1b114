"""Usage in disjoint buckets: normalised, merged within a call, added over calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.usage import Tokens, Usage, add, from_inclusive, merge

counts = st.none() | st.integers(0, 10**9)
usages = st.builds(Usage, counts, counts, counts, counts, counts, counts)
known = st.builds(Usage, st.integers(0, 10**6), counts, counts, st.integers(0, 10**6), counts, counts)
FIELDS = ("input", "cache_read", "cache_write", "output", "reasoning", "searches")


@pytest.mark.req(87)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_buckets_are_disjoint_and_sum_to_what_the_vendor_said(fresh: int, read: int, written: int, output: int) -> None:
    usage = from_inclusive(fresh + read + written, output, cached=read, written=written, reasoning=output // 2)
    assert (usage.input, usage.cache_read, usage.cache_write, usage.output) == (fresh, read, written, output)
    assert usage.prompt == fresh + read + written
    assert usage.total == fresh + read + written + output
    assert usage.known


@pytest.mark.req(87, 89)
def test_what_is_unknown_stays_unknown() -> None:
    assert from_inclusive(None, 2) == Usage(None, None, None, 2)
    assert (from_inclusive(None, 2).prompt, from_inclusive(None, 2).total, from_inclusive(None, 2).known) == (
        None,
        None,
        False,
    )
    assert from_inclusive(3, None).total is None
    assert from_inclusive(3, 2).cache_read is None
    assert from_inclusive(3, 2, cached=9).input == 0


@pytest.mark.req(88)
@given(usages, usages)
def test_two_reports_of_one_call_are_merged_never_added(a: Usage, b: Usage) -> None:
    merged = merge(a, b)
    assert merged is not None
    for name in FIELDS:
        one, two = getattr(a, name), getattr(b, name)
        said = [value for value in (one, two) if value is not None]
        assert getattr(merged, name) == (max(said) if said else None)
    assert merge(a, a) == a
    assert merge(merged, b) == merged


@pytest.mark.req(88, 89)
def test_the_start_and_the_end_of_a_stream() -> None:
    start, end = Usage(10, 5, None, 1), Usage(None, None, 2, 40, 7, cost="0.1", currency="USD")
    assert merge(start, end) == Usage(10, 5, 2, 40, 7, cost="0.1", currency="USD")
    assert merge(None, end) is end
    assert merge(start, None) is start
    assert merge(None, None) is None


@pytest.mark.req(90)
@given(st.lists(known, min_size=1, max_size=6))
def test_totals_over_turns_are_the_sum_of_the_turns(turns: list[Usage]) -> None:
    total: Usage | None = None
    for turn in turns:
        total = add(total, turn)
    assert total is not None
    for name in FIELDS:
        said = [getattr(turn, name) for turn in turns if getattr(turn, name) is not None]
        assert getattr(total, name) == (sum(said) if said else None)
    assert total.total == sum(turn.total or 0 for turn in turns)


@pytest.mark.req(90)
def test_an_unknown_turn_makes_the_total_unknown() -> None:
    total = add(Usage(1, output=1), Usage(None, output=2))
    assert total is not None
    assert (total.input, total.output, total.total) == (None, 3, None)
    assert total.parts == (Tokens(1, output=1), Tokens(None, output=2))
    assert add(None, None) is None
