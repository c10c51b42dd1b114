"""The last look at an answer's end, before its terminal event leaves the plan.

In: events. Out: the same, but for the last: a failure that was told inside a stream means what the vendor means by it,
and a prompt that was larger than the model's window is noted, since some vendors cut such a prompt without a word.
"""

from __future__ import annotations

from dragoman.core.events import TERMINAL, Event, Failed, Finished, Incomplete, Noted
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.providers.vendor import Vendor

_ENDS = frozenset(TERMINAL)


class Ends:
    """One answer's end. window: the model's context (tokens), None when it is not known."""

    def __init__(self, vendor: Vendor, window: int | None) -> None:
        self._vendor = vendor
        self._window = window

    def feed(self, events: list[Event]) -> list[Event]:
        """The same events, the terminal one read with the vendor's eyes."""
        if not events or type(events[-1]) not in _ENDS:
            return events
        last = events[-1]
        if isinstance(last, Failed):
            events[-1] = Failed(self._vendor.refine_stream(last.error), last.usage)
        elif isinstance(last, Finished | Incomplete) and self._exceeded(last.usage):
            message = (
                f"the prompt was larger than the model's {self._window} tokens; a part of it may not have been read"
            )
            events.insert(-1, Noted(Note("window_exceeded", "", message)))
        return events

    def _exceeded(self, usage: Usage | None) -> bool:
        prompt = usage.prompt if usage is not None else None
        return self._window is not None and prompt is not None and prompt > self._window
