"""Calls and results put side by side: the part of replay that vendors answer with a 400 when it is wrong.

Every call gets its result in one tool message right after the assistant's, in the order of the calls. A call without
a result gets a made-up one; a result without a call is left out. Vendors and clients reuse ids (`call_0` in every
turn), so results are looked for only up to the next assistant message with calls, and equal ids are told apart by
their position. Ids that are used twice, or that the profile does not allow, are replaced, calls and results alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import msgspec
from msgspec import Raw

from dragoman.core.messages import Block, Message, Role, Text, ToolCall, ToolResult
from dragoman.core.profile import Profile

_ABORTED = "aborted: this call was not answered"


class _Ids:
    """Upstream ids: unique in the whole conversation and of the form that the provider takes."""

    def __init__(self, profile: Profile) -> None:
        self._pattern = re.compile(profile.tool_id_pattern) if profile.tool_id_pattern else None
        self._max = profile.tool_id_max
        self._used: set[str] = set()

    def _fits(self, id: str) -> bool:
        if not id or id in self._used or (self._max and len(id) > self._max):
            return False
        return self._pattern is None or self._pattern.fullmatch(id) is not None

    def take(self, id: str) -> str:
        """An id for the next call, `id` itself where it will do."""
        count = 1
        candidates = [id]
        while not any(self._fits(c) for c in candidates):
            digest = hashlib.sha256(f"{count}:{id}".encode("utf-8", "surrogatepass")).hexdigest()
            count += 1
            room = self._max or 24
            tail = f"{id}_{count}" if id else ""
            candidates = [tail, "call_" + digest[: max(room - 5, 0)], digest[:room], digest[:9]]
            if count > 1000:
                candidates = [digest]
                break
        chosen = next((c for c in candidates if self._fits(c)), candidates[0])
        self._used.add(chosen)
        return chosen


def pair(messages: list[Message], profile: Profile, note: Callable[[str, str, str], None]) -> list[Message]:
    """`messages` with calls and results side by side."""
    ids = _Ids(profile)
    out: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        if message.role != "assistant" or not message.calls:
            _outside(message, out, note)
            at += 1
            continue
        end = at + 1
        while end < len(messages) and not (messages[end].role == "assistant" and messages[end].calls):
            end += 1
        _turn(message, messages[at + 1 : end], ids, out, note)
        at = end
    return out


def _outside(message: Message, out: list[Message], note: Callable[[str, str, str], None]) -> None:
    """A message with no call before it: its results answer nothing."""
    kept = tuple(b for b in message.content if not isinstance(b, ToolResult))
    if len(kept) == len(message.content):
        out.append(message)
        return
    note("history_repaired", "", "a result without its call was left out")
    if kept:
        out.append(msgspec.structs.replace(message, content=kept, role=_speaker(message)))


def _speaker(message: Message) -> Role:
    return "user" if message.role == "tool" else message.role


def _turn(
    message: Message,
    window: list[Message],
    ids: _Ids,
    out: list[Message],
    note: Callable[[str, str, str], None],
) -> None:
    """One assistant message with calls, and what stands between it and the next one."""
    waiting: dict[str, list[ToolResult]] = {}
    rest: list[Message] = []
    for other in window:
        others: list[Block] = []
        for block in other.content:
            if isinstance(block, ToolResult):
                waiting.setdefault(block.call_id, []).append(block)
            else:
                others.append(block)
        if others and len(others) < len(other.content):
            rest.append(msgspec.structs.replace(other, content=tuple(others), role=_speaker(other)))
        elif others or not other.content:
            rest.append(other)
    blocks: list[Block] = []
    results: list[Block] = []
    for block in message.content:
        if not isinstance(block, ToolCall):
            blocks.append(block)
            continue
        answers = waiting.get(block.id)
        result = answers.pop(0) if answers else None
        if _was_cut(block, result):
            note("history_repaired", "", "a call that was cut off was left out")
            continue
        call, result = _matched(block, result, ids, note)
        blocks.append(call)
        results.append(result)
    if any(waiting.values()):
        note("history_repaired", "", "a result without its call was left out")
    if blocks:
        out.append(msgspec.structs.replace(message, content=tuple(blocks)))
    if results:
        out.append(Message("tool", tuple(results)))
    out += rest


def _was_cut(call: ToolCall, result: ToolResult | None) -> bool:
    """A call that never arrived whole: by the client's own word, or because it cannot be read and nobody answered it.

    One that was answered was run, whatever its status says.
    """
    broken = call.kind != "custom" and bool(call.arguments.strip()) and not _is_object(call.arguments)
    if call.status in ("incomplete", "in_progress", "failed"):
        return broken or result is None
    return broken and result is None


def _matched(
    call: ToolCall, result: ToolResult | None, ids: _Ids, note: Callable[[str, str, str], None]
) -> tuple[ToolCall, ToolResult]:
    """The call and its result under one upstream id, the call's arguments fit to be read."""
    id = ids.take(call.id)
    arguments = call.arguments
    if call.kind != "custom" and not _is_object(arguments):
        if arguments.strip():
            note("history_repaired", "", "arguments that were not a JSON object were replaced by {}")
        arguments = "{}"
    if id != call.id or arguments != call.arguments or call.invalid:
        call = msgspec.structs.replace(call, id=id, arguments=arguments, invalid=False)
    if result is None:
        note("history_repaired", "", "a call without a result was given one")
        return call, ToolResult(id, (Text(_ABORTED),), is_error=True, kind=call.kind, was_text=True)
    return call, result if result.call_id == id else msgspec.structs.replace(result, call_id=id)


def _is_object(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
