"""A turn that the vendor's server paused goes on by itself where the client's protocol has no word for a pause.

A server that runs its own tools may end a long turn half done, and goes on once it is given that turn back (Messages
protocol, `stop_reason: "pause_turn"`). A Messages client does so itself; to any other a paused answer looks whole.
"""

from __future__ import annotations

from dragoman.client.attempt import CallPlan
from dragoman.client.rounds import Conductor, Dialogue, Emit
from dragoman.core.events import BlockEnd, Event, Failed, Finished
from dragoman.core.messages import Block, Message
from dragoman.core.request import Request
from dragoman.errors import ErrorInfo
from dragoman.providers.plan import Plan

MAX_PAUSES = 10
"""How often one turn is taken up again."""
_OF_SERVERS = frozenset({"web_search", "hosted"})
"""Tools that a server may run."""


def resume_paused(request: Request, plan: Plan, dialogue: Dialogue) -> tuple[Conductor, ...]:
    """The conductor that takes up paused turns, where there may be any. plan: the answer's first call."""
    if plan.wire != "messages" or request.wire == "messages" or not plan.profile.hosted_tools:
        return ()
    return (PausedTurn(dialogue),) if any(tool.kind in _OF_SERVERS for tool in request.tools) else ()


class PausedTurn:
    """Holds back the end of a paused round, and asks on with what was said."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._said: list[Block] = []
        self._left = MAX_PAUSES

    def feed(self, events: list[Event]) -> list[Event]:
        """All but the end of a round that is to go on."""
        for at, event in enumerate(events):
            if isinstance(event, BlockEnd):
                self._said.append(event.block)
            elif isinstance(event, Finished) and event.reason == "pause":
                return events[:at] if self._left and self._said else [*events[:at], _endless(event)]
        return events

    async def next(self, emit: Emit) -> CallPlan:
        """The same turn, taken up where it was left."""
        self._left -= 1
        turn, self._said = Message("assistant", tuple(self._said)), []
        return self._dialogue.plan((*self._dialogue.request.messages, turn))


def _endless(end: Finished) -> Failed:
    told = "the vendor's server paused this turn and does not bring it to an end"
    return Failed(ErrorInfo("protocol", told, code="turn_paused", retryable=False), end.usage)
