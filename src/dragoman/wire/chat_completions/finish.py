"""Finish reasons, both ways: what an upstream's word means, and the word that a client is told.

Beside the protocol's own words stand those that servers of it are documented to use.
"""

from __future__ import annotations

from dragoman.core.events import Failed, Finished, Incomplete, IncompleteReason
from dragoman.core.notes import Note
from dragoman.wire.upstream_errors import broken_off

_INCOMPLETE: dict[str, IncompleteReason] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "repetition_truncation": "repetition",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "model_context_window_exceeded": "context_window",
}
_WHOLE = frozenset({"stop", "tool_calls", "function_call", "stop_sequence"})


def read_finish(word: str, *, called: bool, refused: bool) -> tuple[Finished | Incomplete | Failed, Note | None]:
    """What the answer ended as, and what is to be told of it.

    called: the answer holds a call, and then waits for its result whatever the word says. refused: it holds a refusal.
    """
    error = broken_off(word)
    if error is not None:
        return Failed(error), None
    reason = _INCOMPLETE.get(word)
    if reason is None and refused:
        reason = "content_filter"
    if reason == "repetition":
        message = "the upstream cut the answer because it repeated itself"
        return Incomplete(reason, word, message=message), Note("repetition_cut", "", message)
    if reason is not None:
        return Incomplete(reason, word), None
    note = None
    if word not in _WHOLE:
        note = Note("unexpected_status", "", f"the upstream's finish reason was {word[:80]!r}")
    return Finished("tool_calls" if called else "stop", word), note


def finish_reason(end: Finished | Incomplete) -> str:
    """The protocol's word for an end that is no failure."""
    if isinstance(end, Finished):
        return "tool_calls" if end.reason == "tool_calls" else "stop"
    return "content_filter" if end.reason == "content_filter" else "length"
