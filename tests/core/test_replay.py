"""History made fit for a target: law 8 (replay) and law 13 (prefix)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.messages import (
    Block,
    Compaction,
    Media,
    Message,
    Opaque,
    ProviderState,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    join_reasoning,
)
from dragoman.core.profile import Profile
from dragoman.core.reminder import append_reminder
from dragoman.core.replay import PLACEHOLDER, Prepared, ReplayTarget, prepare, survey
from dragoman.errors import CompactionUnreadable, InvalidRequest

STRICT = Profile(replay="tool_turns", merge_system=False)
TARGET = ReplayTarget("acme", "a1", "chat", STRICT, "a1-pro", frozenset({"image"}))
PNG = Media("image", data="aGk=", media_type="image/png")


def user(*blocks: Block | str) -> Message:
    return Message("user", tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def said(*blocks: Block | str) -> Message:
    return Message("assistant", tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def call(id: str = "c1", name: str = "f", arguments: str = "{}", **more: Any) -> ToolCall:
    return ToolCall(id, name, arguments, **more)


def result(id: str = "c1", text: str = "ok", **more: Any) -> ToolResult:
    return ToolResult(id, (Text(text),), **more)


def results(*blocks: ToolResult) -> Message:
    return Message("tool", blocks)


def mine(text: str, **more: Any) -> Reasoning:
    return Reasoning(text, state=ProviderState("acme", "a1", "chat", Raw(b"[1]")), **more)


def theirs(text: str, provider: str = "other", family: str = "o1") -> Reasoning:
    return Reasoning(text, signature="sig", state=ProviderState(provider, family, "messages", Raw(b"{}")))


def run(*messages: Message, **changes: Any) -> Prepared:
    profile = changes.pop("profile", None)
    target = msgspec.structs.replace(TARGET, **changes)
    if profile is not None:
        target = msgspec.structs.replace(target, profile=msgspec.structs.replace(STRICT, **profile))
    prepared = prepare(messages, target)
    assert prepare(prepared.messages, target).messages == prepared.messages
    return prepared


def codes(prepared: Prepared) -> list[str]:
    return [note.code for note in prepared.notes]


def reasoning(message: Message) -> list[Reasoning]:
    return [b for b in message.content if isinstance(b, Reasoning)]


# Reasoning


@pytest.mark.case("B06", "D12")
@pytest.mark.req(80)
def test_own_reasoning_comes_back_before_text_and_calls() -> None:
    prepared = run(user("q"), said(Reasoning("why"), "text", call()), results(result()))
    assert prepared.messages[1].content == (Reasoning("why"), Text("text"), call())
    assert prepared.notes == ()


@pytest.mark.req(78)
def test_opaque_state_stays_byte_for_byte_at_home_only() -> None:
    block = Reasoning("", "opaque", state=ProviderState("acme", "a1", "chat", Raw(b'[{"x" : 1}]')))
    home = run(user("q"), said(block, call()), results(result()))
    assert reasoning(home.messages[1]) == [block]
    for change in ({"provider": "other"}, {"family": "a2"}, {"wire": "messages"}):
        away = run(user("q"), said(block, call()), results(result()), **change)
        assert [b.state for b in reasoning(away.messages[1])] == [None]
        assert reasoning(away.messages[1])[0].placeholder
        assert "thinking_dropped" in codes(away)


@pytest.mark.req(78)
def test_blocks_of_unknown_kinds_go_home_only() -> None:
    item = Opaque("novelty", Raw(b'{"type" : "novelty"}'), "chat", "acme", "a1")
    assert run(user("q"), said(item, "a")).messages[1] == said(item, "a")
    for change in ({"provider": "other"}, {"family": "a2"}, {"wire": "messages"}):
        away = run(user("q"), said(item, "a"), **change)
        assert (away.messages[1], codes(away)) == (said("a"), ["item_dropped"])


@pytest.mark.req(79, 92)
def test_another_familys_thinking_is_dropped_or_becomes_text() -> None:
    history = (user("q"), said(theirs("secret"), "answer"), user("next"))
    dropped = run(*history)
    assert dropped.messages[1] == said("answer")
    assert codes(dropped) == ["thinking_dropped"]
    told = run(*history, foreign_reasoning="text")
    assert told.messages[1] == said("secret", "answer")
    cousin = run(user("q"), said(theirs("secret", "acme", "a2"), "answer"), user("next"))
    assert cousin.messages[1] == said("answer"), "another family of the same provider is another model too"
    elsewhere = run(user("q"), said(theirs("mine", "acme", "a1"), "answer"), user("next"))
    [kept] = reasoning(elsewhere.messages[1])
    assert (kept.text, kept.signature, kept.state) == ("mine", None, None), "the same model over another protocol"


@pytest.mark.req(79)
def test_signatures_go_only_to_vendors_that_issue_them() -> None:
    block = Reasoning("x", signature="sig", seal="dgm1.abc")
    plain = run(user("q"), said(block, "a"))
    assert reasoning(plain.messages[1]) == [Reasoning("x")]
    signed = run(user("q"), said(block, "a"), profile={"signatures": True})
    assert reasoning(signed.messages[1]) == [Reasoning("x", signature="sig")]


@pytest.mark.case("B09")
def test_a_summary_is_used_where_nothing_better_is_there() -> None:
    block = Reasoning("short", summary=True, state=ProviderState("", "", "responses", Raw(b'{"type":"reasoning"}')))
    prepared = run(user("q"), said(block, call()), results(result()))
    assert join_reasoning(reasoning(prepared.messages[1])) == "short"
    assert reasoning(prepared.messages[1])[0].state is None
    assert prepared.notes == ()


@pytest.mark.case("B07")
@pytest.mark.req(41)
def test_consecutive_reasoning_is_joined_on_its_message() -> None:
    prepared = run(user("q"), said(Reasoning("one")), said(Reasoning("two")), said("answer"))
    assert len(prepared.messages) == 2
    assert join_reasoning(reasoning(prepared.messages[1])) == "one\ntwo"
    same = run(user("q"), said(Reasoning("one", turn="t"), Reasoning("two", turn="t", segment=1), "a"))
    assert join_reasoning(reasoning(same.messages[1])) == "onetwo"


def test_lost_reasoning_has_a_placeholder_on_call_turns_only() -> None:
    prepared = run(user("q"), said("a", call()), results(result()), said("done"), user("more"))
    assert reasoning(prepared.messages[1]) == [Reasoning(PLACEHOLDER, placeholder=True)]
    assert PLACEHOLDER.strip()
    assert reasoning(prepared.messages[3]) == []
    assert codes(prepared) == ["thinking_placeholder"]


def test_no_placeholder_and_no_reasoning_while_thinking_is_off() -> None:
    prepared = run(user("q"), said(Reasoning("x"), call()), results(result()), thinking=False)
    assert reasoning(prepared.messages[1]) == []
    kept = run(
        user("q"),
        said(Reasoning("x"), call()),
        results(result()),
        thinking=False,
        profile={"replay_only_thinking": False},
    )
    assert reasoning(kept.messages[1]) == [Reasoning("x")]


@pytest.mark.req(14, 67)
def test_a_field_that_was_empty_is_sent_back_empty() -> None:
    own = Reasoning("", "empty", state=ProviderState("acme", "a1", "chat"))
    prepared = run(user("q"), said(own, call()), results(result()))
    assert reasoning(prepared.messages[1]) == [own]
    assert prepared.notes == ()


@pytest.mark.req(14, 67)
def test_an_empty_field_that_nobody_vouches_for_may_be_a_lost_one() -> None:
    """A client whose thinking was omitted, or that keeps no signatures, sends the block without a word."""
    history = (user("q"), said(Reasoning("", "empty"), call()), results(result()))
    prepared = run(*history)
    assert [b.placeholder for b in reasoning(prepared.messages[1])] == [True]
    assert codes(prepared) == ["thinking_placeholder"]
    assert survey(history, TARGET).own_tool_turns == 0
    for rule in ("always", "kept"):
        assert [b.text for b in reasoning(run(*history, profile={"replay": rule}).messages[1])] == [""]


def test_blank_texts_are_left_out_where_they_are_refused() -> None:
    """Models write an empty line before a call. It stays where it is a part of a string: bytes count for the cache."""
    history = (
        user("q", " "),
        said(Reasoning("why"), "\n\n", call()),
        results(ToolResult("c1", (Text(" "), Text("r"), Text("")))),
    )
    kept = run(*history)
    assert (kept.messages[0], kept.messages[1].text) == (user("q", " "), "\n\n")
    bare = run(*history, profile={"blank_text": False})
    assert bare.messages == (
        user("q"),
        said(Reasoning("why"), call()),
        results(ToolResult("c1", (Text("r"),))),
    )


def test_a_loop_is_bare_while_its_last_turn_shows_no_own_thinking() -> None:
    begun = (user("q"), said(theirs("r"), call()), results(result()))
    assert survey(begun, TARGET).bare_loop
    assert not survey((*begun, said("done"), user("next")), TARGET).bare_loop
    assert not survey((user("q"), said(mine("r"), call()), results(result())), TARGET).bare_loop


def test_a_result_without_any_part_is_an_empty_text() -> None:
    for parts in ((), (Text(""),)):
        prepared = run(user("q"), said(mine("r"), call()), results(ToolResult("c1", parts)))
        assert prepared.messages[2] == results(ToolResult("c1", (), was_text=True))


def test_who_speaks_is_said_in_the_text_where_there_is_no_field_for_it() -> None:
    history = (Message("user", (Text("hi"),), "bob"), Message("assistant", (Text("yes"),), "al"), user("more"))
    assert run(*history).messages == history
    assert run(*history, wire="responses").messages == history
    for change in ({"wire": "messages"}, {"profile": {"message_names": False}}):
        told = run(*history, **change)
        assert told.messages == (user("From bob:", "hi"), said("yes"), user("more"))
        assert codes(told) == ["param_dropped"]


@pytest.mark.req(67)
@pytest.mark.parametrize(("rule", "text"), [("never", None), ("kept", None), ("tool_turns", None), ("always", "")])
def test_text_turns_without_reasoning_follow_the_rule(rule: str, text: str | None) -> None:
    prepared = run(user("q"), said("a"), user("b"), profile={"replay": rule})
    assert join_reasoning(reasoning(prepared.messages[1])) == text


def test_a_vendor_that_takes_no_reasoning_gets_none() -> None:
    prepared = run(user("q"), said(Reasoning("x"), call()), results(result()), profile={"replay": "never"})
    assert reasoning(prepared.messages[1]) == []


def test_survey_counts_what_the_target_would_know_again() -> None:
    history = (
        said(mine("x"), call("1")),
        said(theirs("y"), call("2")),
        said(call("3")),
        said(Reasoning(PLACEHOLDER, placeholder=True), call("4")),
        said(Reasoning("z"), "text"),
    )
    found = survey(history, TARGET)
    assert (found.tool_turns, found.own_tool_turns, found.own_turns) == (4, 1, 2)


# Calls and results


@pytest.mark.case("D11")
@pytest.mark.req(73)
def test_results_stand_in_one_message_in_the_order_of_the_calls() -> None:
    prepared = run(
        user("q"),
        said(mine("r"), call("a"), call("b")),
        results(result("b", "B", is_error=True)),
        results(result("a", "A")),
    )
    assert prepared.messages[2] == results(result("a", "A"), result("b", "B", is_error=True))
    assert len(prepared.messages) == 3


@pytest.mark.req(95)
def test_orphan_calls_are_answered_at_once() -> None:
    prepared = run(user("q"), said(mine("r"), call("a"), call("b")), results(result("b")), user("go on"))
    (first, second) = prepared.messages[2].content
    assert isinstance(first, ToolResult) and first.is_error and first.call_id == "a"
    assert isinstance(first.content[0], Text) and "aborted" in first.content[0].text
    assert second == result("b")
    assert prepared.messages[3] == user("go on")
    assert codes(prepared) == ["history_repaired"]


@pytest.mark.req(95)
def test_orphan_results_are_left_out() -> None:
    prepared = run(
        user("q"), results(result("x")), said(mine("r"), call("a")), results(result("a"), result("y")), user("n")
    )
    assert prepared.messages == (user("q"), said(mine("r"), call("a")), results(result("a")), user("n"))
    assert codes(prepared) == ["history_repaired"]


def test_results_behind_other_messages_come_forward() -> None:
    prepared = run(user("q"), said(mine("r"), call()), Message("developer", (Text("d"),)), results(result()), user("n"))
    assert [m.role for m in prepared.messages] == ["user", "assistant", "tool", "developer", "user"]


@pytest.mark.req(62, 93)
def test_ids_that_vendors_use_again_pair_within_their_turn() -> None:
    prepared = run(
        user("q"),
        said(mine("1"), call("call_0", arguments='{"n":1}')),
        results(result("call_0", "first")),
        said(mine("2"), call("call_0", arguments='{"n":2}'), call("call_0", arguments='{"n":3}')),
        results(result("call_0", "second"), result("call_0", "third")),
    )
    pairs = []
    for at in (1, 3):
        answers = {r.call_id: r for r in prepared.messages[at + 1].content if isinstance(r, ToolResult)}
        pairs += [(c.arguments, answers[c.id].content[0].text) for c in prepared.messages[at].calls]  # type: ignore[union-attr]
    assert pairs == [('{"n":1}', "first"), ('{"n":2}', "second"), ('{"n":3}', "third")]
    ids = [c.id for m in prepared.messages for c in m.calls]
    assert ids[0] == "call_0" and len(set(ids)) == 3


@pytest.mark.req(62, 93)
@given(
    st.lists(st.text(max_size=70), min_size=1, max_size=8),
    st.sampled_from([("[a-zA-Z0-9]{9}", 9), ("[A-Za-z0-9_-]+", 40), (None, 12), (None, 0)]),
)
def test_ids_fit_the_target_and_results_follow(ids: list[str], form: tuple[str | None, int]) -> None:
    pattern, most = form
    profile = msgspec.structs.replace(STRICT, tool_id_pattern=pattern, tool_id_max=most)
    target = msgspec.structs.replace(TARGET, profile=profile)
    history = [m for i in ids for m in (said(mine("r"), call(i)), results(result(i, "of " + i)))]
    prepared = prepare(history, target).messages
    sent = [c.id for m in prepared for c in m.calls]
    answered = [r.call_id for m in prepared for r in m.content if isinstance(r, ToolResult)]
    assert sent == answered and len(set(sent)) == len(ids)
    import re

    assert all(pattern is None or re.fullmatch(pattern, i) for i in sent)
    assert all(i and (not most or len(i) <= most) for i in sent)
    assert prepare(prepared, target).messages == prepared


@pytest.mark.req(77, 129)
@pytest.mark.parametrize("bad", ['{"a":', "null", "[]", "nonsense", '"text"'])
def test_arguments_that_are_no_object_become_one(bad: str) -> None:
    prepared = run(user("q"), said(mine("r"), call(arguments=bad, invalid=True)), results(result()))
    assert prepared.messages[1].calls == (call(arguments="{}"),)
    assert codes(prepared) == ["history_repaired"]


def test_freeform_input_is_left_alone() -> None:
    made = call(arguments="*** Begin", kind="custom")
    assert run(user("q"), said(mine("r"), made), results(result(kind="custom"))).messages[1].calls == (made,)


def test_empty_arguments_are_an_empty_object_without_a_note() -> None:
    prepared = run(user("q"), said(mine("r"), call(arguments="")), results(result()))
    assert (prepared.messages[1].calls[0].arguments, prepared.notes) == ("{}", ())


@pytest.mark.req(94)
def test_a_call_that_was_cut_goes_with_its_result() -> None:
    cut = call("x", arguments='{"a":', status="incomplete", invalid=True)
    prepared = run(user("q"), said(mine("r"), cut), results(result("x", "aborted")), user("again"))
    assert prepared.messages == (user("q"), user("again"))


@pytest.mark.case("D13")
def test_text_after_calls_is_part_of_their_message() -> None:
    prepared = run(user("q"), said(mine("r"), call()), said("after"), results(result()))
    assert [m.role for m in prepared.messages] == ["user", "assistant", "tool"]
    assert prepared.messages[1].text == "after"


@pytest.mark.req(64, 76)
def test_nothing_empty_is_sent() -> None:
    prepared = run(user("q"), said(""), user("  "), said(Reasoning("alone")), user("x", ""), said("a"))
    assert prepared.messages == (user("q"), user("x"), said("a"))
    assert set(codes(prepared)) == {"history_repaired"}


# Media


@pytest.mark.case("D16")
def test_an_image_in_a_result_moves_behind_it_when_the_model_sees() -> None:
    history = (user("q"), said(mine("r"), call()), results(ToolResult("c1", (PNG,))))
    prepared = run(*history)
    assert [m.role for m in prepared.messages] == ["user", "assistant", "tool", "user"]
    assert PNG in prepared.messages[3].content
    moved = prepared.messages[2].content[0]
    assert (
        isinstance(moved, ToolResult) and all(isinstance(p, Text) and p.text for p in moved.content) and moved.content
    )
    assert codes(prepared) == ["media_moved"]


@pytest.mark.case("D16")
def test_an_image_in_a_result_is_a_sentence_when_the_model_is_blind() -> None:
    prepared = run(user("q"), said(mine("r"), call()), results(ToolResult("c1", (PNG,))), inputs=frozenset())
    assert [m.role for m in prepared.messages] == ["user", "assistant", "tool"]
    block = prepared.messages[2].content[0]
    assert isinstance(block, ToolResult) and isinstance(block.content[0], Text) and "image" in block.content[0].text
    assert codes(prepared) == ["media_dropped"]


@pytest.mark.req(127)
def test_an_image_in_a_result_stays_where_that_is_allowed() -> None:
    history = (user("q"), said(mine("r"), call()), results(ToolResult("c1", (PNG,))))
    assert run(*history, profile={"media_in_tool_results": True}).messages == history


@pytest.mark.req(64)
def test_unseen_media_is_a_sentence_in_history_and_refused_in_the_newest_turn() -> None:
    old = run(user("see", PNG), said("ok"), user("next"), inputs=frozenset())
    assert old.messages[0].content[0] == Text("see") and isinstance(old.messages[0].content[1], Text)
    assert codes(old) == ["media_dropped"]
    with pytest.raises(InvalidRequest, match="image") as error:
        run(user("q"), said("ok"), user("see", PNG), inputs=frozenset())
    assert error.value.info.http_status == 400
    soft = run(user("see", PNG), inputs=frozenset(), media_unsupported="note")
    assert codes(soft) == ["media_dropped"]


@pytest.mark.req(75, 127)
def test_documents_in_results_are_their_text_or_a_sentence() -> None:
    pdf = Media("document", data="aGk=", media_type="application/pdf", name="a.pdf")
    page = Media("document", text="words", name="b.txt")
    inputs = frozenset({"document"})
    prepared = run(user("q"), said(mine("r"), call()), results(ToolResult("c1", (pdf, page))), inputs=inputs)
    block = prepared.messages[2].content[0]
    assert isinstance(block, ToolResult)
    first, second = block.content
    assert isinstance(first, Text) and "a.pdf" in first.text
    assert isinstance(second, Text) and "words" in second.text
    assert codes(prepared) == ["media_dropped"]


@pytest.mark.req(74, 126)
def test_media_alone_gets_words_where_they_are_wanted() -> None:
    prepared = run(user(PNG), profile={"media_needs_text": True})
    assert prepared.messages[0].content[0] == PNG
    assert isinstance(prepared.messages[0].content[1], Text) and prepared.messages[0].content[1].text.strip()
    assert run(user(PNG)).messages == (user(PNG),)


# Other blocks


def test_volatile_client_blocks_are_stripped() -> None:
    system = Message("system", (Text("x-anthropic-billing-header: cc_version=2.1.x.abc"), Text("You are")))
    prepared = run(system, user("q"))
    assert prepared.messages[0] == Message("system", (Text("You are"),))
    assert codes(prepared) == ["block_stripped"]
    alone = run(Message("system", system.content[:1]), user("q"))
    assert (alone.messages, codes(alone)) == ((user("q"),), ["block_stripped"])


@pytest.mark.case("E16")
def test_items_that_nobody_reads_are_left_out_with_a_note() -> None:
    item = Opaque("web_search_call", Raw(b"{}"), "responses")
    prepared = run(user("q"), said(item, "a"))
    assert prepared.messages[1] == said("a")
    assert [(n.code, n.field) for n in prepared.notes] == [("item_dropped", "web_search_call")]
    kept = run(user("q"), said(item, "a"), wire="responses", profile={"hosted_tools": True})
    assert kept.messages[1] == said(item, "a")


def test_a_closed_compaction_is_refused() -> None:
    with pytest.raises(CompactionUnreadable) as error:
        run(user(Compaction("blob")))
    assert error.value.info.code == "compaction_unreadable" and error.value.info.http_status == 400


@pytest.mark.req(82)
def test_cache_marks_go_only_where_they_are_taken() -> None:
    mark = Raw(b'{"type":"ephemeral"}')
    marked = user(Text("a", cache=mark))
    assert run(marked).messages == (user("a"),)
    assert codes(run(marked, user(Text("b", cache=mark)))) == ["cache_mark_dropped"]
    assert run(marked, profile={"cache_marks": True}).messages == (marked,)


@pytest.mark.req(72, 126)
def test_user_messages_side_by_side_become_one_where_demanded() -> None:
    history = (user("a"), user("b"), said("x"), user("c"))
    assert run(*history).messages == history
    for change in ({"wire": "messages"}, {"profile": {"alternate_roles": True}}):
        assert run(*history, **change).messages == (user("a", "b"), said("x"), user("c"))  # type: ignore[arg-type]


@pytest.mark.case("A05")
def test_one_system_message_in_front_and_later_ones_in_their_place() -> None:
    system, one, two = (
        Message("system", (Text("I"),)),
        Message("developer", (Text("D1"),)),
        Message("developer", (Text("D2"),)),
    )
    merged = run(system, one, user("u"), two, profile={"merge_system": True})
    told = "<system-reminder>\nD2\n</system-reminder>"
    assert [(m.role, m.text) for m in merged.messages] == [("system", "I\n\nD1"), ("user", "u"), ("user", told)]
    assert codes(merged) == ["system_as_user"]
    assert run(system, one, user("u"), two).messages == (system, one, user("u"), two)


@pytest.mark.case("A05")
def test_system_text_that_goes_as_the_users_is_marked_as_a_whole_and_once() -> None:
    """Claude Code sends its surroundings so, behind the task: the model must not take them for the task."""
    late = Message("system", (Text("# Environment"), Text("Today is Friday.")))
    told = Message("user", (Text("<system-reminder>\n# Environment"), Text("Today is Friday.\n</system-reminder>")))
    sent = run(user("u"), late, profile={"merge_system": True})
    assert sent.messages == (user("u"), told)
    marked = Message("system", (Text("<system-reminder>r</system-reminder>"),))
    assert run(user("u"), marked, profile={"merge_system": True}).messages[1].text == marked.text


@pytest.mark.req(81, 125)
def test_a_reminder_is_behind_the_newest_content_and_changes_no_history() -> None:
    history = (user("Actual user"),)
    assert append_reminder(history, "R") == (user("Actual user", "R"),)
    assert history == (user("Actual user"),)
    assert append_reminder((user("q"), said("a")), "R") == (user("q"), said("a"), user("R"))
    answered = (user("q"), said(call()), results(result()))
    assert append_reminder(answered, "R") == (*answered, user("R"))
    assert append_reminder(history, " ") == history


# Laws

_TEXTS = st.sampled_from(["", " ", "a", "b"])
_IDS = st.sampled_from(["call_0", "call_1", "x y", ""])
_BLOCKS = st.one_of(
    st.builds(Text, _TEXTS),
    st.builds(
        Reasoning, _TEXTS, st.sampled_from(["text", "empty", "absent", "opaque"]), signature=st.none() | st.just("s")
    ),
    st.just(theirs("t")),
    st.just(mine("m")),
    st.just(Reasoning(PLACEHOLDER, placeholder=True)),
    st.builds(
        ToolCall,
        _IDS,
        st.sampled_from(["f", "g.h"]),
        st.sampled_from(["{}", "{", "", '{"a":1}']),
        st.sampled_from(["function", "custom"]),
    ),
    st.just(Opaque("x", Raw(b"{}"), "chat")),
)
_PARTS = st.lists(
    st.one_of(st.builds(Text, _TEXTS), st.just(PNG), st.just(Media("document", text="d"))), max_size=2
).map(tuple)
_MESSAGES = st.one_of(
    st.builds(Message, st.just("assistant"), st.lists(_BLOCKS, max_size=4).map(tuple)),
    st.builds(
        Message, st.just("user"), st.lists(st.one_of(st.builds(Text, _TEXTS), st.just(PNG)), max_size=2).map(tuple)
    ),
    st.builds(
        Message, st.sampled_from(["system", "developer"]), st.lists(st.builds(Text, _TEXTS), max_size=1).map(tuple)
    ),
    st.builds(Message, st.just("tool"), st.lists(st.builds(ToolResult, _IDS, _PARTS), max_size=3).map(tuple)),
)
_TARGETS = st.builds(
    ReplayTarget,
    st.just("acme"),
    st.just("a1"),
    st.sampled_from(["chat", "messages", "responses"]),
    st.builds(
        Profile,
        replay=st.sampled_from(["never", "tool_turns", "always", "kept"]),
        merge_system=st.booleans(),
        alternate_roles=st.booleans(),
        media_needs_text=st.booleans(),
        media_in_tool_results=st.booleans(),
        signatures=st.booleans(),
        hosted_tools=st.booleans(),
        tool_id_pattern=st.none() | st.just("[a-z0-9_]+"),
    ),
    inputs=st.sampled_from([frozenset(), frozenset({"image"})]),
    thinking=st.booleans(),
    foreign_reasoning=st.sampled_from(["drop", "text"]),
    media_unsupported=st.just("note"),
)


@pytest.mark.req(91, 95, 96)
@settings(max_examples=300, deadline=None)
@given(st.lists(_MESSAGES, max_size=8), _TARGETS)
def test_law_8_idempotent_balanced_and_nothing_mutated(history: list[Message], target: ReplayTarget) -> None:
    before = msgspec.json.encode(history)
    once = prepare(history, target).messages
    assert msgspec.json.encode(history) == before
    assert prepare(once, target).messages == once
    for at, message in enumerate(once):
        assert message.content
        if message.calls:
            answers = [b.call_id for b in once[at + 1].content if isinstance(b, ToolResult)]
            assert (once[at + 1].role, answers) == ("tool", [c.id for c in message.calls])
        if message.role == "tool":
            assert at and once[at - 1].calls
        if at and target.profile.alternate_roles and message.role in ("user", "assistant"):
            assert once[at - 1].role != message.role


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(_BLOCKS, max_size=4), st.lists(_TEXTS.filter(str.strip), min_size=1, max_size=2)), max_size=4
    ),
    _TARGETS,
)
def test_law_13_a_turn_is_a_prefix_of_the_next(
    turns: list[tuple[list[Block], list[str]]], target: ReplayTarget
) -> None:
    """A client that appends gets a prompt that appends."""
    history: list[Message] = [Message("system", (Text("S"),)), user("start")]
    earlier = prepare(history, target).messages
    for blocks, words in turns:
        history.append(Message("assistant", (Text("said"), *blocks)))
        calls = [b for b in blocks if isinstance(b, ToolCall)]
        if calls:
            history.append(Message("tool", tuple(ToolResult(c.id, (Text("ok"), PNG)) for c in calls)))
            now = prepare(history, target).messages
            assert now[: len(earlier)] == earlier
            earlier = now
            history.append(Message("assistant", (Text("then"),)))
        history += [user(word) for word in words]
        now = prepare(history, target).messages
        assert now[: len(earlier)] == earlier
        earlier = now
