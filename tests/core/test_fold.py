"""Folding events into a message, at the end and at any moment before it."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Stream
from dragoman.core.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageSeen,
)
from dragoman.core.fold import Folder, fold, unfold
from dragoman.core.messages import Message, Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo
from tests.strategies import event_streams

CALL = ToolCall("i", "f", '{"a":1}')
TALK: list[Event] = [
    Started("up", "vm", 7),
    BlockStart(0, Reasoning("", turn="t")),
    ReasoningDelta("th"),
    ReasoningDelta("ink"),
    BlockEnd(0, Reasoning("think", turn="t")),
    UsageSeen(Usage(1, output=1)),
    BlockStart(1, Text("")),
    TextDelta("T"),
    BlockEnd(1, Text("T")),
    Noted(Note("event_skipped")),
    BlockStart(2, ToolCall("i", "f")),
    ArgumentsDelta('{"a"'),
    ArgumentsDelta(":1}"),
    BlockEnd(2, CALL),
    Finished("tool_calls", "tool_calls", Usage(3, output=2)),
]


@pytest.mark.req(12, 16)
def test_the_whole_reply() -> None:
    reply = fold(TALK)
    assert reply.message == Message("assistant", (Reasoning("think", turn="t"), Text("T"), CALL))
    assert (reply.text, reply.reasoning, reply.calls) == ("T", "think", (CALL,))
    assert (reply.id, reply.model, reply.created) == ("up", "vm", 7)
    assert reply.usage == Usage(3, output=2)
    assert reply.complete == (True, True, True)
    assert reply.notes == (Note("event_skipped"),)
    assert reply.end == TALK[-1]


@pytest.mark.req(13)
def test_the_snapshot_includes_what_came_so_far() -> None:
    folder = Folder()
    seen = []
    for event in TALK:
        folder.add(event)
        seen.append(folder.snapshot())
    assert seen[0] == Message("assistant", ())
    assert seen[2].content == (Reasoning("th", turn="t"),)
    assert seen[3].content == (Reasoning("think", turn="t"),)
    assert seen[7].text == "T"
    assert seen[11].calls == (ToolCall("i", "f", '{"a"'),)
    assert seen[-1] == fold(TALK).message


@pytest.mark.req(13)
@pytest.mark.parametrize("kind", ["text", "reasoning", "call"])
def test_one_more_delta_never_costs_a_copy_of_all_before_it(kind: str) -> None:
    block, delta = {
        "text": (Text(""), TextDelta),
        "reasoning": (Reasoning(""), ReasoningDelta),
        "call": (ToolCall("i", "f"), ArgumentsDelta),
    }[kind]
    stream = Stream(None, None, None, print)  # type: ignore[arg-type]
    folder = Folder()
    for sink in (folder.feed, stream.events):
        sink([BlockStart(0, block), delta("x" * 1_000_000)])
        tracemalloc.start()
        try:
            for _ in range(50):
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                sink([delta("more")])
                assert tracemalloc.get_traced_memory()[1] - before < 100_000
        finally:
            tracemalloc.stop()
    assert len(folder.snapshot().content) == len(stream._folder.snapshot().content) == 1


@pytest.mark.req(15, 18)
def test_a_stream_without_an_end_is_a_failure_that_keeps_its_text() -> None:
    reply = fold(TALK[:8])
    assert isinstance(reply.end, Failed)
    assert reply.end.error.kind == "truncated"
    assert reply.text == "T"
    assert reply.usage == Usage(1, output=1)


def test_the_last_usage_stays_where_the_end_has_none() -> None:
    assert fold([UsageSeen(Usage(1, output=1)), Incomplete("length")]).usage == Usage(1, output=1)
    assert fold([Failed(ErrorInfo("server", "m"), Usage(2, output=2))]).usage == Usage(2, output=2)


@pytest.mark.req(12, 13)
@given(event_streams(), st.data())
def test_at_every_moment_the_snapshot_is_a_beginning_of_the_whole(events: list[Event], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(events)))
    folder = Folder()
    folder.feed(events[:at])
    soon, whole = folder.snapshot(), fold(events).message
    assert len(soon.content) <= len(whole.content)
    assert soon.content[:-1] == whole.content[: max(len(soon.content) - 1, 0)]
    assert whole.text.startswith(soon.text)


@given(event_streams())
def test_unfolding_a_reply_folds_back_to_it(events: list[Event]) -> None:
    reply = fold(events)
    again = fold(unfold(reply))
    assert again.message == reply.message
    assert (again.end, again.notes, again.complete) == (reply.end, reply.notes, reply.complete)
    assert (again.id, again.model, again.created) == (reply.id, reply.model, reply.created)
