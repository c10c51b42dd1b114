"""Stages: synchronous transforms that stand between a decoder and an encoder.

A stage takes the events that one read gave and returns those that go on. It may hold events back, but never past the
terminal event, and it never changes how many terminal events there are. Stages know no wire and do no I/O; each is
made for one stream and thrown away with it.
"""

from __future__ import annotations

from typing import Protocol

from dragoman.core.events import Event


class Stage(Protocol):
    """One transform of one stream."""

    def feed(self, events: list[Event]) -> list[Event]:
        """The events that go on, in order. Never raises for what a vendor sent."""
        ...
