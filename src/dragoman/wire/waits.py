"""How long to wait before a call is made again, as an upstream says it: in headers, in an error's details, in its text.

Pure: what is said as a moment is measured against a time that the caller gives. All waits are seconds, never below 0;
None where nothing is said.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping
from email.utils import parsedate_tz
from typing import Any

_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_DELAY = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")
_AGAIN = re.compile(r"try again in (\d+(?:\.\d+)?) ?(ms|s|m)?", re.I)
_RESETS = re.compile(
    r"resets? (?:at|on):? (\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?", re.I
)


def answered_at(headers: Mapping[str, str]) -> float | None:
    """When the answer was made by its own `Date`, in seconds since 1970: a clock for those that have none."""
    return _moment(next((value for key, value in headers.items() if key.lower() == "date"), ""))


def retry_after(headers: Mapping[str, str], now: float | None) -> float | None:
    """`Retry-After` as number or date, or one of its kin in milliseconds. now: seconds since 1970, for a date."""
    low = {key.lower(): value.strip() for key, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("x-retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = low.get(name, "")
        if _NUMBER.fullmatch(value):
            return float(value) * unit
    moment = _moment(low.get("retry-after", ""))
    return None if moment is None or now is None else max(moment - now, 0.0)


def _moment(date: str) -> float | None:
    try:
        parts = parsedate_tz(date)
        return None if parts is None else float(timegm(parts[:6]) - (parts[9] or 0))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def details_wait(details: Any) -> float | None:
    """google.rpc.RetryInfo among an error's details: `{"retryDelay": "34s"}`."""
    for item in details if isinstance(details, list) else ():
        delay = item.get("retryDelay") if isinstance(item, dict) else None
        match = _DELAY.fullmatch(delay) if isinstance(delay, str) else None
        if match is not None:
            return float(match[1])
    return None


def said_wait(message: str) -> float | None:
    """The wait that a text names ("Please try again in 20s")."""
    match = _AGAIN.search(message)
    if match is None:
        return None
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[(match[2] or "s").lower()]


def reset_wait(message: str, now: float) -> float | None:
    """The wait until the moment at which, as a text says, a limit is lifted ("resets at 2026-05-15T15:00:00Z").

    now: seconds since 1970. A moment without a zone is one on the vendor's wall clock, and says nothing here.
    """
    match = _RESETS.search(message)
    if match is None or match[7] is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    offset = match[7]
    try:
        shift = 0 if offset.upper() in ("Z", "UTC") else int(offset[:3]) * 3600 + int(offset[0] + offset[-2:]) * 60
        moment = timegm((year, month, day, hour, minute, second))
    except ValueError:
        return None
    return max(moment - shift - now, 0.0)
