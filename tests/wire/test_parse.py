"""The depth of a body is the depth of its JSON: brackets in strings count for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import InvalidRequest
from dragoman.wire.parse import MAX_DEPTH, check_depth

TEXT = st.text(alphabet='ab"\\{}[]/né\n', max_size=8)
VALUES = st.recursive(
    st.none() | TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


def wrapped(value: Any, depth: int) -> Any:
    for n in range(depth):
        value = [value] if n % 2 else {'}"]\\': value}
    return value


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.integers(MAX_DEPTH - 6, MAX_DEPTH + 1), st.booleans(), TEXT)
def test_depth_is_counted_outside_of_strings(value: Any, around: int, ascii: bool, text: str) -> None:
    filler = ["[{" * MAX_DEPTH, text + "\\"]
    whole = {"filler": filler, "value": wrapped(value, around), "last": filler}
    body = json.dumps(whole, ensure_ascii=ascii).encode()
    if depth_of(whole) <= MAX_DEPTH:
        check_depth(body)
    else:
        with pytest.raises(InvalidRequest, match="nested deeper than 64"):
            check_depth(body)
