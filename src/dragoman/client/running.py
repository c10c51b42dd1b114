"""An answer under way, as those see it who start it, listen to it and wait for it.

`EventSink` is where its events go, `Running` its handle, `Means` what it is made with. `Awaited` is the end that both
kinds of answers share: one call with its attempts (`run.Run`), and several rounds (`rounds.Rounds`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import msgspec

from dragoman.client.attempt import CallPlan
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.client.transport import Transport
from dragoman.core.events import Event
from dragoman.errors import ErrorInfo
from dragoman.wire.base import Mint

MAX_RAW = 2048
"""Characters of a vendor's own error text that are kept."""


class EventSink(Protocol):
    """Where a run's events go. Never called before `Engine.start` has returned."""

    @property
    def committed(self) -> bool:
        """Whether the client has been sent lifecycle frames already."""
        ...

    def upstream_ok(self) -> None:
        """The vendor answered 2xx; again at each attempt that gets so far."""
        ...

    def events(self, batch: list[Event]) -> None:
        """More events. After a batch that ends in a terminal event nothing comes."""
        ...


class Running(Protocol):
    """An answer under way: one call with its attempts (`Run`), or several rounds (`rounds.Rounds`)."""

    @property
    def attempts(self) -> int:
        """Calls made so far."""
        ...

    @property
    def over(self) -> bool:
        """Whether the terminal event was delivered."""
        ...

    async def wait(self) -> None:
        """Waits for the end. Raises only what the sink itself raised. Cancelled, it aborts the answer."""
        ...

    def pause(self) -> None:
        """The client cannot take more for now."""
        ...

    def resume(self) -> None:
        """The client can take more."""
        ...

    def abort(self, error: ErrorInfo | None = None) -> None:
        """Ends the answer now; the sink gets its terminal event before this returns."""
        ...


class Means(msgspec.Struct, frozen=True):
    """What runs are made with. chance: between 0 and 1. now: seconds since 1970."""

    transport: Transport
    timeouts: Timeouts
    retry: RetryPolicy
    mint: Mint
    chance: Callable[[], float]
    now: Callable[[], float]


class Awaited(ABC):
    """An answer whose end can be waited for. over: the terminal event was delivered. done: everything is let go of.
    crash: what the sink raised, which belongs to whoever waits."""

    __slots__ = ("crash", "done", "over")

    def __init__(self) -> None:
        self.over = False
        self.done = asyncio.Event()
        self.crash: Exception | None = None

    async def wait(self) -> None:
        """Waits for the end. Raises only what the sink itself raised. Cancelled, it aborts the answer."""
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.abort()
            raise
        if self.crash is not None:
            raise self.crash

    @abstractmethod
    def abort(self, error: ErrorInfo | None = None) -> None:
        """Ends the answer now; the sink gets its terminal event before this returns."""


def cancelled() -> ErrorInfo:
    """The end of an answer that nobody wants any more."""
    return ErrorInfo("aborted", "the call was cancelled", retryable=False)


def clean(info: ErrorInfo, plan: CallPlan | None) -> ErrorInfo:
    """The error as it may be told: who failed is named, raw text is short, and no key of the plan's is in it."""
    message, raw = info.message, info.raw
    for secret in getattr(plan, "secrets", ()):
        if secret:
            message = message.replace(secret, "[key]")
            raw = raw and raw.replace(secret, "[key]")
    return msgspec.structs.replace(
        info,
        message=message,
        raw=raw and raw[:MAX_RAW],
        provider=info.provider or (plan.provider if plan else None),
        account=info.account or (plan.account if plan else None) or None,
    )
