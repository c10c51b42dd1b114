"""DeepSeek: what its errors mean. Everything else about it is data in the catalogue.

Bodies have the common form. What deserves its own word is reasoning that was not sent back, and a queue that gave up:
both come as plain text (error codes and thinking mode pages, 2026).
"""

from __future__ import annotations

from dragoman.errors import ErrorInfo
from dragoman.providers.vendor import Vendor, told


def reasoning_missing(info: ErrorInfo) -> ErrorInfo:
    """The same failure, named where the vendor misses reasoning of an earlier turn; several word it much alike."""
    text = info.message
    if "Content Exists Risk" in text:
        # Moderation has no code of its own: 400 with this sentence (many public reports, 2025 and 2026).
        return told(info, "content_filter", text, "content_filter", retryable=False)
    missing = "reasoning_content" in text and ("passed back" in text or "missing" in text)
    return told(info, "invalid_request", text, "reasoning_missing") if missing else info


class DeepSeek(Vendor):
    """Error reading for DeepSeek."""

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """Missing reasoning by its text."""
        return reasoning_missing(info)

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """As for an HTTP error."""
        return reasoning_missing(info)
