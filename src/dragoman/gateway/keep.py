"""Keeping a Responses answer for its id, before the client is told of its end (law 15).

In: the ask and the finished answer's items. Out: a write that is done, or one to wait for. A response that cannot be
kept is not told as completed: `failed_frames` turns its terminal frame into a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.events import Finished, Incomplete, Terminal
from dragoman.errors import ErrorInfo
from dragoman.gateway.intake import Ask
from dragoman.store.sessions import SessionStore, Status, StoredResponse
from dragoman.wire.base import Frame

PATIENCE = 5.0
"""Seconds that the session store is waited for."""


def record(ask: Ask, end: Terminal, output: Sequence[Raw], final: Raw, now: int) -> StoredResponse:
    """What is kept of a response."""
    status: Status = (
        "completed" if isinstance(end, Finished) else "incomplete" if isinstance(end, Incomplete) else "failed"
    )
    return StoredResponse(
        ask.id, ask.tenant, status, ask.input_items, tuple(output), final, ask.previous, now
    )  # fmt: skip


def put(store: SessionStore, item: StoredResponse) -> Awaitable[None] | None:
    """Starts the write. A failure at once comes as an awaitable that raises."""
    try:
        return store.put(item)
    except Exception as error:  # boundary: whatever a store raises means that the response was not kept
        return _raise(error)


async def _raise(error: Exception) -> None:
    raise error


async def kept(waiting: Awaitable[None]) -> bool:
    """Waits for the write; whether it was done."""
    try:
        async with asyncio.timeout(PATIENCE):
            await waiting
    except Exception:  # boundary: as above
        return False
    return True


def failure() -> ErrorInfo:
    """What the client is told."""
    return ErrorInfo(
        "internal", "the response could not be stored; send it again, or with store: false", code="server_error"
    )


def failed_frames(frames: Sequence[Frame], error: ErrorInfo) -> list[Frame]:
    """The frames with the terminal one made a `response.failed`."""
    _, data = frames[-1]
    event: dict[str, Any] = msgspec.json.decode(data)
    response: dict[str, Any] = event["response"]
    response.update(status="failed", error={"code": error.code, "message": error.message}, incomplete_details=None)
    event["type"] = "response.failed"
    return [*frames[:-1], ("response.failed", msgspec.json.encode(event))]


class _Output(msgspec.Struct):
    output: list[Raw] = []


def output_of(body: bytes) -> list[Raw]:
    """The output items of a whole response object."""
    return msgspec.json.decode(body, type=_Output).output
