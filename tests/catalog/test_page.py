"""The page of all models says what the catalogue says."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.catalog import Document, load
from dragoman.catalog.page import hours, render, tokens


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (1_000_000, "1M"),
        (1_048_576, "1M"),
        (128_000, "128K"),
        (131_072, "128K"),
        (512_000, "512K"),
        (204_800, "200K"),
        (196_608, "192K"),
        (65_535, "65535"),
        (7, "7"),
    ],
)
def test_tokens_as_people_write_them(count: int | None, text: str) -> None:
    assert tokens(count) == text


def test_hours_as_people_write_them() -> None:
    windows = [("1-5", "00:00", "01:00"), ("1-5", "04:00", "06:00"), ("6-7", "00:00", "24:00"), ("3", "10:00", "11:00")]
    assert hours(windows) == "UTC, Mon-Fri 00:00-01:00, 04:00-06:00; Sat-Sun all day; Wed 10:00-11:00"


def test_a_page_tells_prices_tiers_hours_status_successor_and_source() -> None:
    lists: list[dict[str, Any]] = [
        {"from": "2026-01-01", "input": "9"},
        {
            "from": "2026-02-01",
            "input": "1",
            "output": "2",
            "searches": "5",
            "tiers": [{"above": 100, "input": "3"}],
            "off_peak": {"windows": [["6-7", "00:00", "24:00"]], "input": "0.5"},
            "service_tiers": {"fast": "1.5"},
        },
        {"from": "2026-02-01", "currency": "CNY", "input": "7"},
    ]
    record = {
        "provider": "home", "id": "m", "context": 128_000, "status": "retired", "retire_date": "2026-03-01",
        "successor": "n", "notes": "A remark.", "date": "2026-02-02", "price": lists,
    }  # fmt: skip
    home = {"base_url": "http://127.0.0.1:1", "key_env": ["HOME_KEY"], "source": "its page"}
    known = load(documents=[Document("", {"provider": {"home": home}, "model": [record]})])
    page = render(known)
    section = page[page.index("## home") :]
    assert "key in `HOME_KEY`" in section
    assert "Read in: its page." in section
    row = next(line for line in section.splitlines() if line.startswith("| `m`"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "`m`", "128K", "-", "-", "text", "unknown", "1", "-", "-", "2", "retired 2026-03-01, see `n`", "2026-02-02",
    ]  # fmt: skip
    assert [line.removeprefix("- `m`: ") for line in section.splitlines() if line.startswith("- ")] == [
        "A remark.",
        "over 100 input tokens: 3 fresh, - cached, - out.",
        "off-peak (UTC, Sat-Sun all day): 0.5 fresh, - cached, - out.",
        "service tier `fast`: token prices times 1.5.",
        "5 per 1000 searches.",
        "until 2026-02-01: 9 fresh, - cached, - out.",
        "in CNY from 2026-02-01: 7 fresh, - cached, - out.",
    ]
