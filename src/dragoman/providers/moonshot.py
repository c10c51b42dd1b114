"""Moonshot Kimi: what its errors mean. Everything else about it is data in the catalogue.

Bodies have the common form; the type tells an empty balance (`exceeded_current_quota_error`) from a rate limit, both
429 (platform.kimi.ai, errors page, September 2026). A suspended or unpaid account is 403 with words about it.
"""

from __future__ import annotations

import re

from dragoman.errors import ErrorInfo
from dragoman.providers.deepseek import reasoning_missing
from dragoman.providers.vendor import Vendor, told

_OVERFLOW = re.compile(r"exceeded model token limit|token length too long", re.I)


class Moonshot(Vendor):
    """Error reading for Kimi."""

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """Missing reasoning and overflow by their text."""
        return self.refine_stream(info)

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """As for an HTTP error."""
        if info.kind == "invalid_request" and _OVERFLOW.search(info.message):
            return told(info, "overflow", info.message, "context_length_exceeded")
        return reasoning_missing(info)
