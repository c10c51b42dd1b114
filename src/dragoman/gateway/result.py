"""What became of one answer: written by the answer, read by log and meter."""

from __future__ import annotations

from dragoman.core.events import Terminal
from dragoman.core.notes import Note
from dragoman.core.usage import Usage


class Result:
    """status: towards the client, 0 before it was told one. first_byte: seconds until the vendor's 200."""

    __slots__ = ("attempts", "defect", "end", "first_byte", "notes", "status", "usage")

    def __init__(self) -> None:
        self.status = 0
        self.end: Terminal | None = None
        self.usage: Usage | None = None
        self.notes: list[Note] = []
        self.first_byte: float | None = None
        self.attempts = 0
        self.defect: Exception | None = None
        """An error of our own that broke the answer."""
