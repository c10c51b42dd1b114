"""Makes runs: the one place where library, gateway and agent start a call to a vendor.

In: a plan (or a function that makes one for each attempt), a sink, further stages. Out: a `Run`. Holds a transport, the
limits and the retry policy; owns none of the conversation, and closes nothing that it was given.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from dragoman.client.attempt import CallPlan
from dragoman.client.ids import new_id
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.client.rounds import Conductor, Rounds
from dragoman.client.run import Run
from dragoman.client.running import EventSink, Means, Running
from dragoman.client.transport import Transport
from dragoman.core.stage import Stage
from dragoman.wire.base import Mint


class Engine:
    """Starts runs on one transport.

    chance and now are injected for tests: the spread of the waits, and the clock that HTTP dates are measured by.
    """

    def __init__(
        self,
        transport: Transport,
        timeouts: Timeouts = Timeouts(),
        retry: RetryPolicy = RetryPolicy(),
        mint: Mint = new_id,
        *,
        chance: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._means = Means(transport, timeouts, retry, mint, chance, now)

    def start(
        self,
        plan: CallPlan | Callable[[int], CallPlan],
        sink: EventSink,
        *,
        stages: Sequence[Stage] = (),
        conductors: Sequence[Conductor] = (),
    ) -> Running:
        """Starts an answer. plan: for every attempt, or a function of the attempt's number (from 0) that may choose
        another account and may raise DragomanError, which becomes the end. conductors: what may make several rounds of
        it, in the order in which events pass them. stages: behind the plan's own and behind the conductors."""
        if conductors:
            return Rounds(self._means, plan, sink, stages, conductors)
        return Run(self._means, plan, sink, stages)

    async def run(
        self,
        plan: CallPlan | Callable[[int], CallPlan],
        sink: EventSink,
        *,
        stages: Sequence[Stage] = (),
        conductors: Sequence[Conductor] = (),
    ) -> None:
        """Starts an answer and waits for its end. Cancelled, it delivers `Failed` (aborted) before it raises."""
        await self.start(plan, sink, stages=stages, conductors=conductors).wait()
