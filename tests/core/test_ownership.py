"""A thread that changes its model: whose thinking goes where, and what a failed turn leaves behind (law 8)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from dragoman.core.messages import Media, Message, ProviderState, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.ownership import ReplayTarget, passes, stamped
from dragoman.core.profile import Profile
from tests.core.test_replay import PNG, call, codes, mine, reasoning, result, results, run, said, theirs, user


@pytest.mark.req(94)
def test_a_failed_turn_goes_with_its_results() -> None:
    failed = Message("assistant", (Reasoning("x"), Text("I was"), call("c2"), call("c3")), failed=True)
    prepared = run(
        user("a"), said(call("c1")), results(result("c1")), user("b"), failed, results(result("c2"), result("c3")),
        user("c"), profile={"replay": "kept"},
    )  # fmt: skip
    assert prepared.messages == (user("a"), said(call("c1")), results(result("c1")), user("b"), user("c"))
    assert codes(prepared) == ["history_repaired"]


@pytest.mark.req(94)
def test_the_results_of_a_failed_turn_are_no_others() -> None:
    """Vendors reuse ids: the call before must not get the failed turn's result."""
    failed = Message("assistant", (call("c1"),), failed=True)
    late = Message("tool", (result("c1", "of the failed one"), Text("and a word")))
    prepared = run(user("a"), said(call("c1")), failed, late, user("b"), profile={"replay": "kept"})
    assert "of the failed one" not in msgspec.json.encode(prepared.messages).decode()
    assert user("and a word") in prepared.messages
    again = (said(call("c1")), results(result("c1", "of the second try")))
    prepared = run(user("a"), failed, late, user("b"), *again, profile={"replay": "kept"})
    assert prepared.messages[-2:] == again, "a later call under the same id keeps its result"


@pytest.mark.req(94)
@pytest.mark.parametrize(
    ("cut", "answered", "kept"),
    [
        (call(arguments='{"a":', status="incomplete"), False, False),
        (call(arguments='{"a":', status="incomplete"), True, False),
        (call(arguments='{"a":1}', status="incomplete"), False, False),
        (call(arguments='{"a":1}', status="incomplete"), True, True),
        (call(arguments="half a pa", kind="custom", status="incomplete"), False, False),
        (call(arguments="half a pa", kind="custom", status="in_progress"), True, True),
        (call(arguments='{"a":'), False, False),
        (call(arguments='{"a":'), True, True),
        (call(arguments='{"a":1}'), False, True),
        (call(arguments="{}", status="completed"), False, True),
    ],
)
def test_calls_that_never_arrived_whole(cut: ToolCall, answered: bool, kept: bool) -> None:
    answer = (results(result(kind=cut.kind)),) if answered else ()
    prepared = run(user("a"), said("text", cut), *answer, user("b"), profile={"replay": "kept", "custom_tools": True})
    assert bool(prepared.messages[1].calls) is kept
    assert any(m.role == "tool" for m in prepared.messages) is kept


@pytest.mark.req(79, 92)
def test_vendors_that_sign_their_thinking_are_given_no_other() -> None:
    signing = {"signatures": True, "replay": "kept"}
    home = ProviderState("acme", "a1", "messages", Raw(b'{"type":"thinking","thinking":"x","signature":"s"}'))
    own, plain = Reasoning("x", signature="s", state=home), Reasoning("unsigned")
    prepared = run(user("q"), said(own, plain, "a"), wire="messages", profile=signing)
    assert reasoning(prepared.messages[1]) == [own]
    assert codes(prepared) == ["thinking_dropped"]
    sealing = {"encrypted_reasoning": True, "replay": "kept"}
    blob = Raw(b'{"type":"reasoning","encrypted_content":"gAAA"}')
    mine, theirs_ = ProviderState("acme", "a1", "responses", blob), ProviderState("", "", "responses", blob)
    for state in (mine, theirs_):
        block = Reasoning("short", summary=True, state=state)
        assert reasoning(run(user("q"), said(block, "a"), wire="responses", profile=sealing).messages[1]) == [block]
    assert reasoning(run(user("q"), said(plain, "a"), wire="responses", profile=sealing).messages[1]) == []


@pytest.mark.req(92)
def test_thinking_that_became_text_is_said_in_the_note() -> None:
    told = run(user("q"), said(theirs("why"), "answer"), foreign_reasoning="text")
    assert "part of its answer" in told.notes[0].message
    silent = run(user("q"), said(theirs(""), "answer"), foreign_reasoning="text")
    assert silent.messages[1] == said("answer") and "left out" in silent.notes[0].message


@pytest.mark.req(92)
def test_an_answer_says_who_thought_it() -> None:
    made = stamped(said(Reasoning("why"), mine("raw"), "answer"), "other", "o1", "chat")
    assert [b.state.provider for b in made.content if isinstance(b, Reasoning) and b.state] == ["other", "acme"]
    away = run(user("q"), made, user("next"))
    assert [b.text for b in reasoning(away.messages[1])] == ["raw"]
    home = run(user("q"), made, user("next"), provider="other", family="o1")
    assert [b.text for b in reasoning(home.messages[1])] == ["why"]
    again = msgspec.json.decode(msgspec.json.encode(made), type=Message)
    assert again == made


ANTHROPIC = ReplayTarget(
    "acme", "a1", "messages", Profile(signatures=True, tool_id_pattern="[a-z0-9_]+", blank_text=False)
)
OPENAI = ReplayTarget("acme", "a1", "responses", Profile(encrypted_reasoning=True, tool_id_max=8))
NO_THINKING = ReplayTarget("acme", "a1", "chat", Profile(reasoning_field="none"))
ENCRYPTED = ProviderState("", "", "responses", Raw(b'{"encrypted_content":"g"}'))


@pytest.mark.parametrize(
    ("target", "message", "fit"),
    [
        (ANTHROPIC, said(Reasoning("x", signature="sig"), call()), True),
        (ANTHROPIC, said(Reasoning("x"), call()), False),
        (ANTHROPIC, said(theirs("x"), call()), False),
        (ANTHROPIC, said(Reasoning("x", seal="dgm1.x"), call()), False),
        (ANTHROPIC, said(call("functions.f:0")), False),
        (ANTHROPIC, said(call(arguments="{")), False),
        (OPENAI, said(Reasoning("short", summary=True, state=ENCRYPTED), call()), True),
        (OPENAI, said(Reasoning("", "absent", item_id="rs_1"), call()), True),
        (OPENAI, said(Reasoning("all of it"), call()), False),
        (OPENAI, said(call("a_long_id")), False),
        (NO_THINKING, said("text", call()), True),
        (NO_THINKING, said(Reasoning("x"), call()), False),
        (NO_THINKING, said(" ", call()), True),
        (ANTHROPIC, said("\n", call()), False),
        (NO_THINKING, said(call(arguments=" ")), False),
    ],
)
def test_what_may_pass_as_the_client_wrote_it(target: ReplayTarget, message: Message, fit: bool) -> None:
    answers = results(*(result(c.id) for c in message.calls))
    assert passes([user("q"), message, answers, user("more")], target) is fit
    assert not passes([user("q"), message, user("more")], target)
    assert not passes([user("q"), answers], target)


BETWEEN = [user("q"), said(call()), Message("system", (Text("be brief"),)), results(result()), user("more")]
"""Chat and Messages want the results right behind the calls."""


@pytest.mark.parametrize(
    ("target", "history", "fit"),
    [
        (OPENAI, BETWEEN, True),
        (NO_THINKING, BETWEEN, False),
        (ANTHROPIC, BETWEEN, False),
        (NO_THINKING, [user("q"), said(), user("more")], False),
        (ANTHROPIC, [user("q"), said(call()), results(ToolResult("c1", (Text(" "), Text("r"))))], False),
        (ANTHROPIC, [user("q"), said(call()), results(ToolResult("c1", (Text(" "),), was_text=True))], True),
    ],
)
def test_what_would_be_refused_does_not_pass(target: ReplayTarget, history: list[Message], fit: bool) -> None:
    assert passes(history, target) is fit


PICTURE, FILM = Media("image", data=PNG.data, media_type="image/png"), Media("video", url="https://a.example/b.mp4")
SHOWN = Profile(media_urls=frozenset({"image"}), media_types={"image": frozenset({"image/png"})})


@pytest.mark.parametrize(
    ("media", "inputs", "fit"),
    [
        (PICTURE, {"image"}, True),
        (PICTURE, set(), True),
        (PICTURE, {"video"}, False),
        (FILM, {"image", "video"}, False),
        (FILM, set(), False),
        (Media("image", url="https://a.example/b.png"), {"image"}, True),
        (Media("image", url="mm_file://1"), {"image"}, False),
        (Media("image", data="/9j/AAAA", media_type="image/png"), {"image"}, False),
    ],
    ids=["seen", "unknown model", "blind", "no form", "no form, unknown model", "address", "foreign", "wrong type"],
)
@pytest.mark.parametrize("place", ["user", "result"])
def test_media_that_would_be_refused_do_not_pass(media: Media, inputs: set[Any], fit: bool, place: str) -> None:
    target = ReplayTarget("acme", "a1", "chat", SHOWN, inputs=frozenset(inputs))
    holder = user("see", media) if place == "user" else results(ToolResult("c1", (media,)))
    history = [holder] if place == "user" else [user("q"), said(call()), holder]
    assert passes([*history, said("ok"), user("more")], target) is fit
