"""How long an upstream asks to wait: headers by a clock or by their own date, details, texts."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.wire.waits import answered_at, details_wait, reset_wait, retry_after, said_wait

HALF_PAST = "Thu, 01 Jan 1970 00:00:30 GMT"


@pytest.mark.case("J06")
@pytest.mark.parametrize(
    ("headers", "now", "wait"),
    [
        ({"Retry-After": "7"}, None, 7.0),
        ({"retry-after": "7", "Retry-After-Ms": "1500"}, None, 1.5),
        ({"x-retry-after-ms": "10"}, None, 0.01),
        ({"retry-after": HALF_PAST}, 10.0, 20.0),
        ({"retry-after": HALF_PAST}, 40.0, 0.0),
        ({"retry-after": HALF_PAST}, None, None),
        ({"retry-after": HALF_PAST.replace("GMT", "-0000")}, 10.0, 20.0),
        ({"retry-after": "-1"}, 0.0, None),
        ({"retry-after": "inf"}, 0.0, None),
        ({}, 0.0, None),
    ],
)
def test_headers(headers: dict[str, str], now: float | None, wait: float | None) -> None:
    assert retry_after(headers, now) == wait


def test_when_an_answer_was_made() -> None:
    assert answered_at({"Date": HALF_PAST}) == 30.0
    assert answered_at({"date": "soon"}) is None
    assert answered_at({}) is None


@pytest.mark.parametrize(
    ("details", "wait"),
    [
        ([{"reason": "x"}, {"retryDelay": "34s"}], 34.0),
        ([{"retryDelay": "0.5s"}], 0.5),
        ([{"retryDelay": 34}, "34s"], None),
        ({"retryDelay": "34s"}, None),
        (None, None),
    ],
)
def test_details(details: Any, wait: float | None) -> None:
    assert details_wait(details) == wait


@pytest.mark.parametrize(
    ("text", "wait"), [("try again in 2.5s", 2.5), ("Try again in 300ms.", 0.3), ("try again in 2m", 120.0), ("", None)]
)
def test_waits_in_a_text(text: str, wait: float | None) -> None:
    assert said_wait(text) == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("resets at 1970-01-01T00:01:00Z", 60.0),
        ("Resets at 1970-01-01 01:01:00+01:00", 60.0),
        ("reset on 1970-01-01T00:01:00.5Z", 60.0),
        ("Your limit will reset at 1970-01-01 00:01:00", None),  # on the vendor's wall clock, wherever that hangs
        ("resets at 1969-12-31T00:00:00Z", 0.0),
        ("resets at 1970-13-01T00:00:00Z", None),
        ("resets at 1970-01-01 00:01:00 UTC", 60.0),
        ("resets soon", None),
    ],
)
def test_moments_in_a_text(text: str, wait: float | None) -> None:
    assert reset_wait(text, 0.0) == wait
