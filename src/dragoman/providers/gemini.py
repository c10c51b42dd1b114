"""Google Gemini on its OpenAI-compatible path: thought signatures of tool calls, and what its errors mean.

A call comes with `extra_content.google.thought_signature`, which must stand on the same call when the history is sent
again; without one the answer is 400. No client protocol has a place for it, so that a stage puts the signatures of an
answer into a closed reasoning block behind it, which every client carries or the vault remembers; `history` takes them
out again. Calls that another model made get the value that Google documents for them (by way of clients, 2026).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from dragoman.core.events import BlockEnd, BlockStart, Event, Finished, Incomplete
from dragoman.core.messages import Message, ProviderState, Reasoning, ToolCall, WireName
from dragoman.core.notes import Note
from dragoman.core.replay import ReplayTarget
from dragoman.core.stage import Stage
from dragoman.errors import ErrorInfo
from dragoman.providers.vendor import Vendor, told

_FOREIGN = Raw(b'{"google":{"thought_signature":"skip_thought_signature_validator"}}')
_OVERFLOW = re.compile(r"exceeds the maximum number of tokens", re.I)
_KEY = re.compile(r"API key (?:not valid|expired)|API_KEY_INVALID", re.I)


class _Carried(msgspec.Struct):
    """What the closed block holds: extra content by call id."""

    tool_calls: dict[str, Raw]


class Signatures:
    """A stage: at the end of an answer, one closed reasoning block with what its calls must be sent back with."""

    def __init__(self, provider: str, family: str) -> None:
        self._provider = provider
        self._family = family
        self._next = 0
        self._turn = ""
        self._segment = 0
        self._found: dict[str, Raw] = {}

    def feed(self, events: list[Event]) -> list[Event]:
        """The events, and before the terminal one the block, if there is anything to carry."""
        for event in events:
            if isinstance(event, BlockEnd):
                self._seen(event)
        if not self._found or not isinstance(events[-1], Finished | Incomplete):
            return events
        state = ProviderState(self._provider, self._family, "chat", Raw(msgspec.json.encode(_Carried(self._found))))
        self._found = {}
        block = Reasoning("", "opaque", self._turn, self._segment, state=state)
        start = BlockStart(self._next, Reasoning("", "opaque", self._turn, self._segment))
        return [*events[:-1], start, BlockEnd(self._next, block), events[-1]]

    def _seen(self, event: BlockEnd) -> None:
        self._next = event.index + 1
        block = event.block
        if isinstance(block, Reasoning):
            self._turn, self._segment = block.turn, block.segment + 1
        elif isinstance(block, ToolCall) and block.state is not None and event.complete:
            self._found[block.id] = block.state.data


class Gemini(Vendor):
    """Thought signatures on the Chat wire, and error reading."""

    def stages(self, wire: WireName, provider: str, family: str) -> list[Stage]:
        """What carries the signatures."""
        return [Signatures(provider, family)] if wire == "chat" else []

    def history(self, messages: Sequence[Message], target: ReplayTarget, notes: list[Note]) -> Sequence[Message]:
        """Every call with its signature; a turn of calls without any gets the one for foreign history."""
        out: list[Message] = []
        for message in messages:
            if message.role == "assistant" and target.wire == "chat":
                message = _signed(message, target, notes)
            out.append(message)
        return out

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """A bad key is 400 here, and overflow has words of its own."""
        return self.refine_stream(info)

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """As for an HTTP error."""
        if info.kind == "invalid_request" and _KEY.search(info.message):
            return told(info, "auth", info.message, "upstream_auth")
        if info.kind == "invalid_request" and _OVERFLOW.search(info.message):
            return told(info, "overflow", info.message, "context_length_exceeded")
        return info


def _signed(message: Message, target: ReplayTarget, notes: list[Note]) -> Message:
    carried: dict[str, Raw] = {}
    rest = []
    for block in message.content:
        found = _carried(block, target) if isinstance(block, Reasoning) else None
        carried |= found or {}
        if found is None:
            rest.append(block)
    calls = [block for block in rest if isinstance(block, ToolCall)]
    for call in calls:
        if call.state is not None and _bears(call.state, target):
            carried[call.id] = call.state.data
    if calls and not any(call.id in carried for call in calls):
        notes.append(Note("thinking_placeholder", "", "a tool call without a thought signature got a stand-in"))
        carried[calls[0].id] = _FOREIGN
    for at, block in enumerate(rest):
        if isinstance(block, ToolCall) and block.id in carried:
            state = ProviderState(target.provider, target.family, "chat", carried[block.id])
            rest[at] = msgspec.structs.replace(block, state=state)
    return msgspec.structs.replace(message, content=tuple(rest))


def _bears(state: ProviderState, target: ReplayTarget) -> bool:
    """Whether a call came with its signature: as we kept it, or from a Chat client that sends all it was given."""
    return target.owns(state) or (not state.provider and state.wire == "chat")


def _carried(block: Reasoning, target: ReplayTarget) -> dict[str, Raw] | None:
    """What a closed block of `Signatures` holds, or None where it is something else."""
    if block.state is None or not target.owns(block.state):
        return None
    try:
        return msgspec.json.decode(block.state.data, type=_Carried).tool_calls
    except msgspec.DecodeError:
        return None
