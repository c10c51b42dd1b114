"""How many searches this process makes. Counted over sliding windows; a search that the cache answers is none."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from dragoman.search.engine import SearchQuota

_MINUTE = 60.0
_DAY = 24 * 3600.0


class Quota:
    """per_minute, per_day: searches; 0 is no limit. clock: monotonic seconds."""

    def __init__(self, per_minute: int = 0, per_day: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        limits = ((per_minute, _MINUTE, "minute"), (per_day, _DAY, "day"))
        self._windows = [(deque[float](maxlen=n), n, length, word) for n, length, word in limits if n > 0]

    def take(self) -> None:
        """Counts one search. Raises SearchQuota, and counts nothing, where a window is full."""
        now = self._clock()
        for times, limit, length, word in self._windows:
            if len(times) == limit and times[0] > now - length:
                wait = times[0] + length - now
                raise SearchQuota(f"the limit of {limit} searches a {word} is reached", wait)
        for times, *_ in self._windows:
            times.append(now)
