"""When a client's stream is committed (law 16): 200 and the first lifecycle event are sent, and there is no way back.

Pure: time comes in, a decision goes out. Committed is a stream at its first content, `commit` seconds after the
vendor's 200, or `commit_headers` seconds after the start, whichever is first. Before it a failure is a real HTTP error.
"""

from __future__ import annotations

from typing import Protocol


class Limits(Protocol):
    """The time limits that a stream needs, in seconds."""

    @property
    def commit(self) -> float:
        """After the vendor's 200."""
        ...

    @property
    def commit_headers(self) -> float:
        """Waiting for that 200."""
        ...

    @property
    def keepalive(self) -> float:
        """Between signs of life; 0 is none."""
        ...


class CommitClock:
    """The deadline of one stream. start: loop time at which the call began; limits in seconds."""

    __slots__ = ("_after_ok", "deadline")

    def __init__(self, start: float, after_ok: float, after_start: float) -> None:
        self._after_ok = after_ok
        self.deadline = start + after_start
        """Loop time at which the stream is committed, if nothing else commits it."""

    def upstream_ok(self, now: float) -> bool:
        """The vendor answered 200. Whether the deadline moved nearer."""
        due = now + self._after_ok
        if due >= self.deadline:
            return False
        self.deadline = due
        return True

    def due(self, now: float) -> bool:
        """Whether the deadline has come."""
        return now >= self.deadline
