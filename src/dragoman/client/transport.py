"""The seam to the outside world: one POST out, bytes pushed into a sink. The only door to a vendor's socket.

In: an `HttpCall`. Out: calls on a `Sink` - `head` at most once, `feed` as bytes come, `end` exactly once. Calls on a
sink are synchronous and happen one after another. After `abort` or `release` the sink hears nothing more: the caller
ended it and needs no telling. A transport knows nothing of providers, protocols, retries or idle time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from dragoman.errors import ErrorInfo


class HttpCall(msgspec.Struct, frozen=True):
    """One POST. connect_timeout: seconds for DNS, TCP and TLS together; 0 is no limit."""

    url: str
    headers: dict[str, str]
    body: bytes
    connect_timeout: float = 10.0

    def __repr__(self) -> str:
        """Names the URL only: headers hold a key, the body a conversation."""
        return f"HttpCall({self.url!r}, {len(self.body)} bytes)"


class Sink(Protocol):
    """What receives one answer."""

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers; names are found in any case."""
        ...

    def feed(self, data: bytes) -> None:
        """Bytes of the body, in order, decompressed."""
        ...

    def end(self, error: ErrorInfo | None) -> None:
        """The answer is over: whole as far as HTTP can tell (None), or broken."""
        ...


class Exchange(Protocol):
    """One call that is under way. Every method may be called at any time, also from within the sink, and again."""

    def pause(self) -> None:
        """Stops reading: the vendor feels the back pressure."""
        ...

    def resume(self) -> None:
        """Reads on."""
        ...

    def release(self) -> None:
        """Nothing more is wanted. A connection that is about to become free is kept for reuse, else it is closed."""
        ...

    def abort(self) -> None:
        """Closes the connection now."""
        ...


class Transport(Protocol):
    """Opens exchanges."""

    def open(self, call: HttpCall, sink: Sink) -> Exchange:
        """Starts the call. Never raises for what the network does and never calls the sink before it returns."""
        ...

    async def close(self) -> None:
        """Aborts what is under way, tells those sinks so, and closes all connections."""
        ...
