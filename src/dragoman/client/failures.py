"""What exceptions of the network mean, told without their own words: those may quote URLs and headers."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.errors import ErrorInfo, ErrorKind

Meaning = tuple[type[BaseException], ErrorKind, str, str]
"""An exception, and the kind, code and text of the failure that it stands for."""
_FINAL = frozenset({"tls_failed", "invalid_url", "invalid_call"})
"""Codes of failures that another attempt would only meet again."""


def failure(error: BaseException, host: str, table: Sequence[Meaning]) -> ErrorInfo:
    """The failure by the first row that fits. The text names the host only."""
    for cls, kind, code, text in table:
        if isinstance(error, cls):
            return ErrorInfo(kind, f"{host}: {text}", code=code, retryable=False if code in _FINAL else None)
    return ErrorInfo("internal", f"{host}: unexpected {type(error).__name__} in the transport", retryable=False)
