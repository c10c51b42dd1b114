"""Which call a fragment belongs to: index, then id, then the call that was spoken of last."""

from __future__ import annotations

import pytest

from dragoman.core.call_routes import CallRoutes
from dragoman.core.open_block import OpenBlock


def call(key: int | None = None, id: str = "", name: str = "f") -> OpenBlock:
    block = OpenBlock("call", key)
    block.id, block.name = id, name
    return block


@pytest.fixture
def two() -> tuple[CallRoutes, OpenBlock, OpenBlock]:
    """Two calls that the vendor numbers and names."""
    routes, first, second = CallRoutes(), call(0, "a"), call(1, "b")
    for block in (first, second):
        routes.add(block)
        routes.spoke(block)
    return routes, first, second


def test_an_index_finds_its_call_whatever_was_spoken_of_last(two: tuple[CallRoutes, OpenBlock, OpenBlock]) -> None:
    routes, first, second = two
    assert routes.find(0, None, None) is first
    assert routes.find(1, "", "") is second
    assert routes.find(2, None, None) is None


def test_an_id_finds_its_call_without_an_index(two: tuple[CallRoutes, OpenBlock, OpenBlock]) -> None:
    routes, first, _ = two
    assert routes.find(None, "a", None) is first
    assert routes.find(None, "c", None) is None


def test_a_fragment_without_marks_is_for_the_last_call(two: tuple[CallRoutes, OpenBlock, OpenBlock]) -> None:
    routes, first, second = two
    assert routes.find(None, None, None) is second
    routes.spoke(first)
    assert routes.find(None, "", "") is first
    assert routes.find(None, None, "g") is None


def test_the_same_index_is_another_call_only_with_another_id_and_a_name(
    two: tuple[CallRoutes, OpenBlock, OpenBlock],
) -> None:
    routes, first, _ = two
    assert routes.find(0, "z", "f") is None
    assert routes.find(0, "z", None) is first
    assert routes.find(0, "a", "f") is first


def test_what_is_forgotten_is_found_no_more(two: tuple[CallRoutes, OpenBlock, OpenBlock]) -> None:
    routes, _, second = two
    routes.forget(second)
    assert routes.find(None, None, None) is None
    assert routes.find(1, None, None) is None
    assert routes.any
    assert routes.has_id("a")
    assert not routes.has_id("b")
