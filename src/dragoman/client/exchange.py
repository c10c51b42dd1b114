"""What the exchanges of both transports share: who still listens, and that a connection is given back exactly once.

An exchange ends in one of three ways. The answer is over: the sink hears it. The caller releases it: the rest is
dropped for a moment, so that the connection may be used again. The caller aborts it: the connection is closed.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from dragoman.client.transport import Sink
from dragoman.errors import ErrorInfo

GRACE = 1.0
"""Seconds that a released connection may take to come to its end before it is closed."""
DRAIN = 64 * 1024
"""Bytes that a released connection may still bring."""


class OpenExchange(ABC):
    """One call under way. sink: None once nobody listens. over: the connection was given back. paused: as asked."""

    __slots__ = ("_grace", "_spare", "over", "paused", "sink")

    def __init__(self, sink: Sink) -> None:
        self.sink: Sink | None = sink
        self.paused = False
        self.over = False
        self._grace: asyncio.TimerHandle | None = None
        self._spare = DRAIN

    # -- to be implemented by a transport

    @abstractmethod
    def pause(self) -> None:
        """Stops reading."""

    @abstractmethod
    def resume(self) -> None:
        """Reads on."""

    @abstractmethod
    def let_go(self) -> None:
        """Gives the connection back; called once."""

    # -- shared

    def release(self) -> None:
        """Nothing more is wanted; the rest is read and dropped for a moment, so that the connection can be reused."""
        if self.sink is None:
            return
        self.sink = None
        self.resume()
        if not self.over:
            self._grace = asyncio.get_running_loop().call_later(GRACE, self.abort)

    def abort(self) -> None:
        """Closes the connection now."""
        self.sink = None
        self.close()

    def close(self) -> None:
        """Gives the connection back, where that was not done before."""
        if self.over:
            return
        self.over = True
        if self._grace is not None:
            self._grace.cancel()
        self.let_go()

    def end(self, error: ErrorInfo | None) -> None:
        """The answer is over. The sink hears it once, after the connection was given back."""
        self.close()
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.end(error)

    def may_drop(self, data: bytes) -> bool:
        """Whether bytes that nobody wants may come, for the connection's sake."""
        self._spare -= len(data)
        return self._spare >= 0
