"""When a failed call is made again, and how long to wait before it. Pure: time and chance are given by the caller.

Law 16 (only before content, at most once more after the client's stream was committed) is the run's to keep; here
stands which failures deserve another attempt at all.
"""

from __future__ import annotations

import msgspec

from dragoman.errors import ErrorInfo

_KINDS = frozenset({"rate_limit", "overloaded", "server", "network", "truncated", "protocol"})


class Timeouts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of one run, in seconds; 0 is no limit.

    connect: DNS, TCP and TLS. first_byte: from the call to the first byte of the answer's head. idle: silence between
    bytes afterwards; a comment of the vendor's is a sign of life. total: the whole run, retries included.
    """

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 120.0
    total: float = 0.0


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a failed call is repeated.

    attempts: calls in all, the first included. base, cap: seconds; the wait doubles from base and never passes cap.
    retry_after_cap: a vendor that asks for a longer wait than this is not waited for: the failure goes to the client
    with its `retry_after`. conflict: repeat a 409 too.
    """

    attempts: int = 2
    base: float = 0.5
    cap: float = 8.0
    retry_after_cap: float = 5.0
    conflict: bool = False

    def allows(self, error: ErrorInfo) -> bool:
        """Whether this failure may be gone by the next attempt."""
        if error.retryable is False:
            return False
        patient = error.retry_after is None or error.retry_after <= self.retry_after_cap
        if error.retryable and patient and not error.upstream_status:
            # The vendor's own code says so, inside a 200.
            return True
        if error.retry_after is not None and error.retry_after > self.retry_after_cap:
            return False
        status = error.upstream_status or 0
        if status >= 400:
            if error.kind in ("billing", "overflow", "content_filter", "auth"):
                return False
            return status in (408, 429) or status >= 500 or (status == 409 and self.conflict)
        return error.kind in _KINDS or error.code == "connect_timeout"

    def delay(self, attempt: int, error: ErrorInfo, chance: float) -> float:
        """Seconds to wait after the failed attempt (the first is 0); never less than the vendor asks for.

        chance: between 0 and 1, spreads the waits of many callers.
        """
        if error.retry_after is not None:
            return error.retry_after + chance * self.base
        whole = min(self.cap, self.base * float(2**attempt))
        return whole * (0.5 + chance / 2)
