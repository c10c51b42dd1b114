"""Bytes on their way to one client: gathered between two sends, bounded by making the vendor wait.

Whatever is written before the pump runs leaves in one send. Over `HIGH` waiting bytes `full` is called, under `LOW`
`drained`. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HIGH = 256 * 1024
"""Waiting bytes from which on the vendor is made to wait."""
LOW = 64 * 1024
"""Waiting bytes under which it may go on."""


class Outbox:
    """What waits to be sent. `wake` is set whenever there is something to do for the pump."""

    __slots__ = ("_drained", "_full", "_high", "_low", "_parts", "_size", "_throttled", "closed", "wake")

    def __init__(
        self, full: Callable[[], None], drained: Callable[[], None], *, high: int = HIGH, low: int = LOW
    ) -> None:
        self._full = full
        self._drained = drained
        self._high = high
        self._low = low
        self._parts: list[bytes] = []
        self._size = 0
        self._throttled = False
        self.closed = False
        self.wake = asyncio.Event()

    @property
    def size(self) -> int:
        """Waiting bytes."""
        return self._size

    def write(self, data: bytes) -> None:
        """Adds bytes."""
        if not data or self.closed:
            return
        self._parts.append(data)
        self._size += len(data)
        self.wake.set()
        if self._size > self._high and not self._throttled:
            self._throttled = True
            self._full()

    def close(self) -> None:
        """Nothing more will be written."""
        self.closed = True
        self.wake.set()

    def take(self) -> bytes:
        """All that waits. It counts as waiting until `sent`."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def sent(self, size: int) -> None:
        """The transport has taken this many bytes."""
        self._size -= size
        if self._throttled and self._size <= self._low:
            self._throttled = False
            self._drained()
