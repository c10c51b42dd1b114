"""The assembler: blocks never interleave, whatever the vendor mixes, and every call keeps its identity."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.assemble import Assembler
from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Noted,
    ReasoningDelta,
    TextDelta,
)
from dragoman.core.messages import ProviderState, Reasoning, Text, ToolCall


class Run:
    """An assembler with its output."""

    def __init__(self) -> None:
        self.out: list[Event] = []
        self.minted = 0
        self.it = Assembler("t", self._mint)

    def _mint(self) -> str:
        self.minted += 1
        return f"call_new{self.minted}"

    def text(self, text: str) -> Run:
        self.it.text(text, self.out)
        return self

    def think(self, text: str) -> Run:
        self.it.reasoning(text, self.out)
        return self

    def call(self, **parts: Any) -> Run:
        self.it.call(self.out, **parts)
        return self

    def finish(self, complete: bool = True) -> list[Event]:
        self.it.finish(self.out, complete=complete)
        return self.out

    def ends(self, complete: bool = True) -> list[BlockEnd]:
        return [e for e in self.finish(complete) if isinstance(e, BlockEnd)]

    def calls(self) -> list[tuple[str, str, str]]:
        return [(e.block.id, e.block.name, e.block.arguments) for e in self.ends() if isinstance(e.block, ToolCall)]

    def notes(self) -> list[str]:
        return [e.note.code for e in self.out if isinstance(e, Noted)]


def check_order(events: list[Event]) -> None:
    """Blocks do not interleave; indexes count; the deltas of a block join to its end."""
    live: BlockStart | None = None
    said = ""
    count = 0
    for event in events:
        match event:
            case BlockStart():
                assert live is None
                assert event.index == count
                live, said, count = event, "", count + 1
            case TextDelta() | ReasoningDelta() | ArgumentsDelta():
                assert live is not None
                kinds = {TextDelta: Text, ReasoningDelta: Reasoning, ArgumentsDelta: ToolCall}
                assert isinstance(live.block, kinds[type(event)])
                assert event.text
                said += event.text
            case BlockEnd():
                assert live is not None
                assert type(event.block) is type(live.block)
                assert event.index == live.index
                whole = event.block.arguments if isinstance(event.block, ToolCall) else getattr(event.block, "text", "")
                assert whole == said
                live = None
    assert live is None


@pytest.mark.req(11, 12)
def test_reasoning_text_and_call_follow_each_other() -> None:
    run = Run().think("a").think("b").text("c").call(index=0, id="i", name="f", arguments="{}")
    assert [e.block for e in run.ends()] == [Reasoning("ab", turn="t"), Text("c"), ToolCall("i", "f", "{}")]
    check_order(run.out)


@pytest.mark.req(12)
def test_white_space_at_the_ends_of_a_block_is_a_part_of_it() -> None:
    run = (
        Run()
        .think("\n a ")
        .think("\n")
        .text(" c\n")
        .text("\n ")
        .call(index=0, id="i", name="f", arguments=' {"a":1}\n')
    )
    assert [e.block for e in run.ends()] == [
        Reasoning("\n a \n", turn="t"),
        Text(" c\n\n "),
        ToolCall("i", "f", ' {"a":1}\n'),
    ]
    check_order(run.out)


@pytest.mark.req(14)
def test_empty_fragments_neither_open_nor_extend_a_block() -> None:
    run = Run().text("").think("").text("a").text("").think("")
    assert run.finish() == [BlockStart(0, Text("")), TextDelta("a"), BlockEnd(0, Text("a"))]


def test_a_later_reasoning_is_a_segment_of_its_own() -> None:
    run = Run().think("a").text("b").think("c")
    assert [e.block for e in run.ends()] == [
        Reasoning("a", turn="t", segment=0),
        Text("b"),
        Reasoning("c", turn="t", segment=1),
    ]


@pytest.mark.req(50)
def test_interleaved_calls_by_index() -> None:
    run = Run().call(index=0, id="a", name="f", arguments='{"x"').call(index=1, id="b", name="g", arguments='{"y"')
    run.call(index=0, arguments=":1}").call(index=1, arguments=":2}")
    assert run.calls() == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]
    check_order(run.out)


@pytest.mark.req(50)
def test_index_goes_before_id() -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{").call(index=1, id="b", name="g", arguments="{")
    run.call(index=0, id="b", arguments="}").call(index=1, id="a", arguments=" }")
    assert run.calls() == [("a", "f", "{}"), ("b", "g", "{ }")]


@pytest.mark.req(50)
def test_without_index_the_id_routes_and_without_both_the_last_open_call() -> None:
    run = Run().call(id="a", name="f", arguments="{").call(id="b", name="g", arguments="{")
    run.call(id="a", arguments='"x":').call(arguments="1}").call(id="b", arguments="}")
    assert run.calls() == [("a", "f", '{"x":1}'), ("b", "g", "{}")]


@pytest.mark.req(51)
@pytest.mark.parametrize("empty", ["", None])
def test_a_later_empty_id_or_name_changes_nothing(empty: str | None) -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{").call(index=0, id=empty, name=empty, arguments="}")
    assert run.calls() == [("a", "f", "{}")]


def test_a_later_name_never_replaces_a_known_one() -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{").call(index=0, id="a", name="g", arguments="}")
    assert run.calls() == [("a", "f", "{}")]


@pytest.mark.req(50)
def test_the_same_index_with_another_id_and_a_name_is_another_call() -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{}").call(index=0, id="b", name="g", arguments="{")
    run.call(index=0, arguments="}")
    assert run.calls() == [("a", "f", "{}"), ("b", "g", "{}")]


@pytest.mark.req(50)
def test_arguments_may_come_before_the_name() -> None:
    run = Run().call(index=0, arguments='{"a"').call(index=0, id="i", name="f", arguments=":1}")
    assert run.calls() == [("i", "f", '{"a":1}')]
    assert run.notes() == []


@pytest.mark.req(52)
def test_missing_ids_are_minted_once_and_differ() -> None:
    run = Run().call(index=0, name="f", arguments="{").call(index=1, name="g", arguments="{}")
    run.call(index=0, arguments="}")
    assert run.calls() == [("call_new1", "f", "{}"), ("call_new2", "g", "{}")]


@pytest.mark.req(52)
def test_two_calls_never_share_an_id() -> None:
    run = Run().call(index=0, id="call_0", name="f", arguments="{}").call(index=1, id="call_0", name="g", arguments="{")
    run.call(index=1, arguments="}")
    assert run.calls() == [("call_0", "f", "{}"), ("call_new1", "g", "{}")]


@pytest.mark.req(53)
def test_a_fragment_without_identity_is_dropped_with_a_note() -> None:
    run = Run().text("a").call(arguments="{}")
    assert run.calls() == []
    assert run.notes() == ["fragment_dropped"]


@pytest.mark.req(53)
def test_a_call_that_never_gets_a_name_is_dropped_with_a_note() -> None:
    run = Run().call(index=0, id="a", arguments="{}").text("after")
    assert [e.block for e in run.ends()] == [Text("after")]
    assert run.notes() == ["fragment_dropped"]
    assert not run.it.called


def test_a_fragment_of_nothing_opens_nothing() -> None:
    run = Run().call(index=0).call().call(index=1, arguments="")
    assert run.finish() == []
    assert not run.it.open_call


def test_a_fragment_for_a_closed_call_is_dropped_and_closes_nothing_else() -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{}").text("x")
    run.call(index=0, arguments="").call(index=0, id="", arguments=" ").text("y").call(index=0, arguments="{}")
    assert [e.block for e in run.ends()] == [ToolCall("a", "f", "{}"), Text("xy")]
    assert run.notes() == ["fragment_dropped"]


def test_text_waits_for_a_call_that_is_not_whole() -> None:
    run = Run().call(index=0, id="a", name="f", arguments='{"x"').text("late").think("later")
    assert not any(isinstance(e, TextDelta) for e in run.out)
    run.call(index=0, arguments=":1}")
    assert [e.block for e in run.ends()] == [ToolCall("a", "f", '{"x":1}'), Text("late"), Reasoning("later", turn="t")]
    check_order(run.out)


def test_white_space_after_whole_arguments_does_not_hide_that_they_are_whole() -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{}").call(index=0, arguments="\n ").text("x")
    assert run.out[-1] == TextDelta("x")


@pytest.mark.req(54)
def test_arguments_that_do_not_parse_stay_as_they_are_and_are_marked() -> None:
    run = Run().call(index=0, id="a", name="f", arguments="{'x': 1}").call(index=1, id="b", name="g")
    assert [e.block for e in run.ends()] == [ToolCall("a", "f", "{'x': 1}", invalid=True), ToolCall("b", "g", "")]


def test_custom_arguments_are_text_and_never_judged() -> None:
    run = Run().call(index=0, id="a", name="p", arguments="*** Begin", kind="custom").text("x")
    assert [e.block for e in run.ends()] == [ToolCall("a", "p", "*** Begin", "custom"), Text("x")]


@pytest.mark.req(56)
def test_a_call_that_comes_whole() -> None:
    run = Run().call(index=0, id="a", name="f", arguments='{"x":1}')
    assert run.calls() == [("a", "f", '{"x":1}')]


@pytest.mark.req(15)
@pytest.mark.case("C16", "C17")
def test_what_is_open_when_the_stream_breaks_is_not_complete() -> None:
    run = Run().think("a").call(index=0, id="a", name="f", arguments='{"x":1}')
    assert [(type(e.block), e.complete) for e in run.ends(False)] == [(Reasoning, True), (ToolCall, False)]
    run = Run().text("half")
    assert run.finish(False)[-1] == BlockEnd(0, Text("half"), False)


class Collected:
    def __init__(self) -> None:
        self.items = 0

    def build(self) -> ProviderState | None:
        return ProviderState("v", "f", "chat", Raw(b"[%d]" % self.items))


def test_raw_state_is_collected_while_reasoning_is_open_and_built_at_its_end() -> None:
    run = Run()
    builder = run.it.reasoning_builder(Collected, run.out)
    run.think("a")
    assert run.it.reasoning_builder(Collected, run.out) is builder
    assert isinstance(builder, Collected)
    builder.items = 2
    run.text("b")
    assert run.it.reasoning_builder(Collected, run.out) is not builder
    blocks = [e.block for e in run.ends()]
    assert blocks[0] == Reasoning("a", turn="t", state=ProviderState("v", "f", "chat", Raw(b"[2]")))
    assert blocks[2] == Reasoning("", "opaque", "t", 1, state=ProviderState("v", "f", "chat", Raw(b"[0]")))
    check_order(run.out)


def test_citations_stand_in_the_text_they_came_with_or_in_the_next() -> None:
    run = Run()
    run.it.annotation(Raw(b"1"), run.out)
    run.text("a")
    run.it.annotation(Raw(b"2"), run.out)
    assert [e.data for e in run.out if isinstance(e, AnnotationSeen)] == [Raw(b"1"), Raw(b"2")]
    assert run.ends()[0].block == Text("a", annotations=(Raw(b"1"), Raw(b"2")))


def test_citations_without_any_text_are_noted() -> None:
    run = Run()
    run.it.annotation(Raw(b"1"), run.out)
    run.finish()
    assert run.notes() == ["item_dropped"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.sampled_from(["", "a", "bc"])),
        st.tuples(st.just("think"), st.sampled_from(["", "r", "st"])),
        st.tuples(
            st.just("call"),
            st.fixed_dictionaries(
                {
                    "index": st.sampled_from([None, 0, 1, 2]),
                    "id": st.sampled_from([None, "", "i0", "i1"]),
                    "name": st.sampled_from([None, "", "f", "g"]),
                    "arguments": st.sampled_from([None, "", "{", "}", "{}", '"x":1', " "]),
                }
            ),
        ),
    ),
    max_size=14,
)


@pytest.mark.req(11, 12)
@given(STEPS, st.booleans())
def test_any_mixture_comes_out_in_order(steps: list[tuple[str, Any]], complete: bool) -> None:
    run = Run()
    texts = {"text": "", "think": ""}
    for what, value in steps:
        if what == "call":
            run.call(**value)
        else:
            texts[what] += value
            (run.text if what == "text" else run.think)(value)
    events = run.finish(complete)
    check_order(events)
    ends = [e.block for e in events if isinstance(e, BlockEnd)]
    assert "".join(b.text for b in ends if isinstance(b, Text)) == texts["text"]
    assert "".join(b.text for b in ends if isinstance(b, Reasoning)) == texts["think"]
    assert all(b.id and b.name for b in ends if isinstance(b, ToolCall))


@pytest.mark.req(50)
@given(
    st.lists(st.text("abc", max_size=6), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), max_size=40),
)
def test_calls_split_and_mixed_at_will_come_back_whole(values: list[str], order: list[int]) -> None:
    wholes = [f'{{"v":"{value}"}}' for value in values]
    rest = dict(enumerate(wholes))
    run = Run()
    for index in range(len(wholes)):
        run.call(index=index, id=f"i{index}", name=f"f{index}")
    for index in [*order, *sorted(rest)]:
        if rest.get(index):
            size = len(rest[index]) if index not in order else 3
            run.call(index=index, arguments=rest[index][:size])
            rest[index] = rest[index][size:]
    for index, left in rest.items():
        run.call(index=index, arguments=left)
    assert run.calls() == [(f"i{n}", f"f{n}", whole) for n, whole in enumerate(wholes)]
    check_order(run.out)
