"""Which call a fragment belongs to.

Vendors name calls by index, by id, or not at all. A fragment is routed by index, then by id, then to the call that was
spoken of last. The same index with another id *and* a name is a new call, and so is a known id that comes with a name
under an index of its own.
"""

from __future__ import annotations

from dragoman.core.open_block import OpenBlock


class CallRoutes:
    """The calls of one turn, open and closed, in the order in which they were first heard of."""

    __slots__ = ("_calls", "_last")

    def __init__(self) -> None:
        self._calls: list[OpenBlock] = []
        self._last: OpenBlock | None = None

    @property
    def any(self) -> bool:
        """Whether there was a call."""
        return bool(self._calls)

    def find(self, index: int | None, id: str | None, name: str | None) -> OpenBlock | None:
        """The call that a fragment with these marks is part of; None for a call that was not heard of yet."""
        if index is not None:
            for block in reversed(self._calls):
                if block.key == index:
                    fresh = bool(id) and bool(block.id) and id != block.id and bool(name)
                    return None if fresh else block
            if not id and not name:
                return None
        if id:
            for block in reversed(self._calls):
                if block.id == id:
                    return None if index is not None and name and block.key is not None else block
            return None
        if index is None and not name:
            return self._last
        return None

    def add(self, block: OpenBlock) -> None:
        """A call that is new."""
        self._calls.append(block)

    def spoke(self, block: OpenBlock) -> None:
        """This call was spoken of: a fragment without marks is for it."""
        self._last = block

    def has_id(self, id: str) -> bool:
        """Whether a call bears this id."""
        return any(block.id == id for block in self._calls)

    def forget(self, block: OpenBlock) -> None:
        """This was no call after all."""
        self._calls.remove(block)
        if self._last is block:
            self._last = None
