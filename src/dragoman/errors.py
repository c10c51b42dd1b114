"""Errors: one struct that describes a failure, and the exceptions that carry it.

    DragomanError                 anything this package raises on purpose
    |-- InvalidRequest            400  the request cannot be carried out as it stands (client's fault)
    |   |-- ModelNotFound         404  no such model; near names are suggested
    |   |-- BodyTooLarge          413  decoded body over the configured limit
    |   `-- CompactionUnreadable  400  a compaction blob that we cannot open: silence would delete the conversation
    |-- AccessDenied              401 / 403 / 421  the inbound key, origin or host is not allowed
    |-- ConfigError                    the person's configuration: names the key and the remedy
    `-- UpstreamError             5xx / 4xx  the vendor failed; `kind` says how

A failure travels as a value (`ErrorInfo`) inside a stream - a stream never raises after it started - and as an
exception outside of one. Every failure knows whose fault it is, the HTTP status it deserves, and whether a retry
can help.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

ErrorKind = Literal[
    "invalid_request",  # the request is wrong: 400
    "not_found",  # model, response or endpoint: 404
    "auth",  # the vendor refused our key: 502 `upstream_auth`
    "access",  # the client may not use us: 401, 403, 421
    "billing",  # the vendor wants money: 402 / insufficient_quota
    "rate_limit",  # too fast: 429
    "overloaded",  # the vendor is at capacity: 503 / 529
    "overflow",  # the context window is exceeded: 400 context_length_exceeded
    "content_filter",  # the vendor refused the content
    "server",  # the vendor broke: 502
    "network",  # could not connect, or the connection broke before content
    "timeout",  # connect, first byte, idle or total time-out: 504
    "aborted",  # the client went away, or the caller cancelled
    "truncated",  # the stream stopped without saying that it was done
    "protocol",  # the vendor sent something that its protocol forbids
    "config",  # the person's configuration
    "too_large",  # body over the limit: 413
    "internal",  # our own fault: 500
]

Fault = Literal["client", "upstream", "us"]

KIND_STATUS: dict[str, int] = {
    "invalid_request": 400,
    "not_found": 404,
    "auth": 502,
    "access": 401,
    "billing": 402,
    "rate_limit": 429,
    "overloaded": 503,
    "overflow": 400,
    "content_filter": 400,
    "server": 502,
    "network": 502,
    "timeout": 504,
    "aborted": 499,
    "truncated": 502,
    "protocol": 502,
    "config": 500,
    "too_large": 413,
    "internal": 500,
}
"""The HTTP status that each kind deserves towards a client when no status is set."""

_CLIENT: frozenset[str] = frozenset(
    {"invalid_request", "not_found", "access", "overflow", "content_filter", "too_large", "aborted"}
)
_RETRYABLE: frozenset[str] = frozenset(
    {"rate_limit", "overloaded", "server", "network", "timeout", "truncated", "protocol"}
)


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One failure, as a value.

    kind: the class of failure. message: for a person; never holds a key. code: machine-readable, in the words of the
    client protocol (`context_length_exceeded`, `upstream_auth`, ...). param: the request field at fault, as a path.
    status: HTTP status towards the client. upstream_status: the vendor's own status, when there was one.
    retry_after: seconds. retryable: whether the same call may succeed later. raw: the vendor's body, capped at 2 KB.
    """

    kind: ErrorKind
    message: str
    code: str | None = None
    param: str | None = None
    status: int = 0
    upstream_status: int | None = None
    retry_after: float | None = None
    retryable: bool | None = None
    provider: str | None = None
    account: str | None = None
    raw: str | None = None

    @property
    def http_status(self) -> int:
        """The status towards the client."""
        return self.status or KIND_STATUS[self.kind]

    @property
    def fault(self) -> Fault:
        """Whose fault it is."""
        if self.kind in _CLIENT:
            return "client"
        return "us" if self.kind in ("internal", "config") else "upstream"

    @property
    def can_retry(self) -> bool:
        """Whether the same call may succeed when it is made again."""
        return self.kind in _RETRYABLE if self.retryable is None else self.retryable


class DragomanError(Exception):
    """Anything that dragoman raises on purpose. `info` is the failure as a value."""

    kind: ErrorKind = "internal"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.info = ErrorInfo(self.kind, message, code=code, param=param, status=status)

    @property
    def message(self) -> str:
        """The text for a person."""
        return self.info.message


class InvalidRequest(DragomanError):
    """The request cannot be carried out as it stands; `info.param` names the field, the message the remedy."""

    kind: ErrorKind = "invalid_request"


class ModelNotFound(InvalidRequest):
    """No provider serves this model name."""

    kind: ErrorKind = "not_found"


class BodyTooLarge(InvalidRequest):
    """The decoded body is over `server.max_body_mb`."""

    kind: ErrorKind = "too_large"


class CompactionUnreadable(InvalidRequest):
    """A compaction item that was not sealed here, or not for this tenant."""


class AccessDenied(DragomanError):
    """The inbound key, Host or Origin is not allowed."""

    kind: ErrorKind = "access"


class ConfigError(DragomanError):
    """A setting is missing or wrong; the message names it and the remedy."""

    kind: ErrorKind = "config"


class UpstreamError(DragomanError):
    """The vendor failed; `info.kind` says how. Raised by the library's `complete`; inside a stream it is an event."""

    def __init__(self, info: ErrorInfo) -> None:
        Exception.__init__(self, info.message)
        self.info = info


def from_info(info: ErrorInfo) -> DragomanError:
    """The exception that carries `info`."""
    kinds: dict[str, type[DragomanError]] = {
        "invalid_request": InvalidRequest,
        "not_found": ModelNotFound,
        "too_large": BodyTooLarge,
        "access": AccessDenied,
        "config": ConfigError,
    }
    cls = kinds.get(info.kind)
    if cls is None or info.upstream_status is not None:
        return UpstreamError(info)
    error = cls(info.message)
    error.info = info
    return error


assert set(KIND_STATUS) == set(get_args(ErrorKind))
