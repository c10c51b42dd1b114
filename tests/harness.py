"""Cancels a coroutine at every step that it or any task it starts can make: how law 12 is tested.

`await cancel_at_every_step(make, check)` runs `make(k)` again and again. In round k the task is cancelled at its k-th
suspension - counted over the task and all its children - until a round ends by itself. After each round `check(k,
cancelled)` looks whether everything was given back.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any

MAX_STEPS = 2000


class _Round:
    def __init__(self, target: int) -> None:
        self.target = target
        self.steps = 0
        self.main: asyncio.Task[Any] | None = None
        self.fired = False

    def step(self) -> None:
        if self.steps == self.target and self.main is not None and not self.main.done():
            self.fired = True
            self.main.cancel()
        self.steps += 1


_ROUND: ContextVar[_Round | None] = ContextVar("round", default=None)


@types.coroutine
def _counted(coro: Coroutine[Any, Any, Any], round_: _Round) -> Generator[Any, Any, Any]:
    send: Any = None
    error: BaseException | None = None
    while True:
        try:
            waits_for = coro.throw(error) if error is not None else coro.send(send)
        except StopIteration as stop:
            return stop.value
        send, error = None, None
        round_.step()
        try:
            send = yield waits_for
        except BaseException as thrown:
            error = thrown


async def _stepped(coro: Coroutine[Any, Any, Any], round_: _Round) -> Any:
    return await _counted(coro, round_)


def _factory(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:
    round_ = _ROUND.get()
    if round_ is None:
        return asyncio.Task(coro, loop=loop, **more)
    task: asyncio.Task[Any] = asyncio.Task(_stepped(coro, round_), loop=loop, **more)
    # Cancelled before its first step, only the wrapper hears of it: the coroutine itself is then closed here.
    task.add_done_callback(lambda _: coro.close())
    return task


async def cancel_at_every_step(
    make: Callable[[int], Coroutine[Any, Any, Any]],
    check: Callable[[int, bool], Awaitable[None] | None],
) -> int:
    """Gives the number of rounds. make: a fresh coroutine for round k. check: called after each round.

    An exception of the coroutine other than the cancellation is raised at once.
    """
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(_factory)
    try:
        for k in range(MAX_STEPS):
            round_ = _Round(k)
            token = _ROUND.set(round_)
            try:
                task = round_.main = loop.create_task(make(k))
            finally:
                _ROUND.reset(token)
            await asyncio.wait({task})
            cancelled = task.cancelled()
            if not cancelled:
                task.result()
            outcome = check(k, cancelled)
            if outcome is not None:
                await outcome
            if not round_.fired:
                return k + 1
    finally:
        loop.set_task_factory(before)
    raise AssertionError(f"not over after {MAX_STEPS} steps")
