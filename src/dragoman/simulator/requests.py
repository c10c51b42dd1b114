"""What the simulator keeps of each request, and the scripts that tests give it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.brain import Turn

ScriptEntry: TypeAlias = Turn | Callable[[Ask], Turn]
"""A turn, or what makes one of the request."""
Script: TypeAlias = list[Turn]
Outcome = Literal["running", "done", "dropped", "client_gone"]


class Seen:
    """One request as it came, and what became of it. Headers that hold a key are hidden."""

    def __init__(self, number: int, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        self.number = number
        self.method = method
        self.path = path
        self.headers = headers
        self.raw = raw
        self.status = 0
        self.turn: Turn | None = None
        self.outcome: Outcome = "running"
        self.ended = asyncio.Event()

    @property
    def body(self) -> Any:
        """The decoded body; None where it is not JSON."""
        try:
            return msgspec.json.decode(self.raw)
        except (msgspec.DecodeError, RecursionError):
            return None

    @property
    def wants_stream(self) -> bool:
        """Whether the body asks for a stream."""
        body = self.body
        return isinstance(body, dict) and body.get("stream") is True

    def decode(self) -> dict[str, Any]:
        """The body as an object."""
        try:
            body = msgspec.json.decode(self.raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Rejected("json", "", f"{error}"[:200]) from None
        if not isinstance(body, dict):
            raise Rejected("json", "", "Input should be a valid dictionary")
        return body

    def finish(self, outcome: Outcome) -> None:
        """The request is over."""
        self.outcome = outcome
        self.ended.set()

    def row(self) -> dict[str, Any]:
        """The request for the log."""
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": self.body,
            "status": self.status,
            "outcome": self.outcome,
        }
