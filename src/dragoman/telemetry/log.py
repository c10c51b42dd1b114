"""The gateway's log: one line of JSON per request. Never a key, never content.

In: a finished `Line`. Out: a structured event on standard error. Texts that a vendor wrote are redacted first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog

from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo
from dragoman.telemetry.redaction import Redactor

_OURS = frozenset(
    {"id", "wire", "account", "status", "outcome", "stream", "ms", "attempts", "first_byte_ms", "tokens", "level"}
    | {"timestamp", "event", "notes", "searches", "cost"}
)
"""Fields whose values are made here and can hold nobody's text."""
_NAMES = frozenset({"path", "model", "used"})
"""Fields that hold the same few words again and again: they are looked through once."""
_SHORT = 200
"""Characters of a name that is remembered."""


def _to_json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value).decode()


class Line(msgspec.Struct, frozen=True):
    """What the log says of one request.

    asked: the model name in the request. used: provider:model. outcome: finished, incomplete, failed or refused (before
    any call). latency, first_byte: seconds. attempts: upstream calls made. searches: web searches run here. cost: its
    fields for the log, None where there is no usage.
    """

    id: str
    wire: str
    path: str
    asked: str = ""
    used: str = ""
    account: str = ""
    status: int = 0
    outcome: str = ""
    stream: bool = False
    usage: Usage | None = None
    notes: tuple[Note, ...] = ()
    error: ErrorInfo | None = None
    latency: float = 0.0
    first_byte: float | None = None
    attempts: int = 0
    searches: int = 0
    cost: Mapping[str, Any] | None = None


class RequestLog:
    """Writes lines. stream: where to; standard error if None."""

    def __init__(self, redact: Redactor | None = None, *, stream: TextIO | None = None) -> None:
        self._redact = redact or Redactor()
        self._name = lru_cache(maxsize=256)(self._redact)
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                self._clean,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
        )

    def request(self, line: Line) -> None:
        """One request is over."""
        fields: dict[str, Any] = {
            "id": line.id,
            "wire": line.wire,
            "path": line.path,
            "model": line.asked,
            "used": line.used,
            "account": line.account,
            "status": line.status,
            "outcome": line.outcome,
            "stream": line.stream,
            "ms": round(line.latency * 1000, 1),
            "attempts": line.attempts,
        }
        if line.first_byte is not None:
            fields["first_byte_ms"] = round(line.first_byte * 1000, 1)
        if line.searches:
            fields["searches"] = line.searches
        if line.usage is not None:
            fields["tokens"] = usage_fields(line.usage)
        if line.cost is not None:
            fields["cost"] = dict(line.cost)
        if line.notes:
            fields["notes"] = [f"{n.code}:{n.field}" if n.field else n.code for n in line.notes]
        if line.error is not None:
            fields["error"] = {"kind": line.error.kind, "code": line.error.code, "message": line.error.message[:2048]}
        ours = line.error is not None and line.error.fault == "us"
        (self._log.error if ours else self._log.info)("request", **fields)

    def event(self, name: str, **fields: Any) -> None:
        """Anything else worth a line."""
        self._log.info(name, **fields)

    def trouble(self, name: str, error: BaseException, **fields: Any) -> None:
        """A defect of our own: the exception's type and place, not its text, which may hold content."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else ""
        self._log.error(name, exception=type(error).__name__, where=where, **fields)

    def _clean(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: value if key in _OURS else self._scrubbed(key, value) for key, value in event.items()}

    def _scrubbed(self, key: str, value: Any) -> Any:
        if key in _NAMES and isinstance(value, str) and len(value) <= _SHORT:
            return self._name(value)
        return self._redact.scrub(value)


def usage_fields(usage: Usage) -> dict[str, int | None]:
    """The buckets; what is unknown stays null."""
    return {
        "input": usage.input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }
