"""The decision on thinking: what is asked, what the history shows, what the provider's default is."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.profile import ModelFacts, Profile
from dragoman.core.replay import History
from dragoman.core.request import EFFORTS, Effort, ReasoningAsk
from dragoman.core.shape import Thinking
from dragoman.providers.thinking import Case, Decision, decide

ON_OFF = Profile(thinking="type", replay="tool_turns")
MODEL = ModelFacts("m", "acme", thinking="on")
NO_HISTORY = History()
OWN = History(2, 2, 2)
SOME = History(2, 1, 1)
LOST = History(2, 0, 0)


def ask(effort: Effort | None = None, *, asked: bool | None = None, **more: Any) -> ReasoningAsk:
    return ReasoningAsk(asked=effort is not None if asked is None else asked, effort=effort, **more)


def run(
    said: ReasoningAsk = ReasoningAsk(),
    *,
    client: Any = "responses",
    profile: Profile = ON_OFF,
    model: ModelFacts = MODEL,
    **more: Any,
) -> Decision:
    return decide(Case(said, client, profile, model, **more))


def codes(decision: Decision) -> list[str]:
    return [note.code for note in decision.notes]


@pytest.mark.case("B03", "B05")
@pytest.mark.req(85, 122)
@pytest.mark.parametrize("effort", EFFORTS)
def test_an_effort_is_on_and_none_is_off(effort: Effort) -> None:
    decision = run(ask(effort))
    assert decision.shape == Thinking("off" if effort == "none" else "on")
    assert decision.active is (effort != "none")
    assert codes(decision) == ([] if effort == "none" else ["effort_coerced"])


@pytest.mark.case("B04")
@pytest.mark.parametrize(
    ("default", "client", "mode"),
    [
        ("auto", "responses", "off"),
        ("auto", "chat", "unset"),
        ("auto", "messages", "unset"),
        ("off", "responses", "off"),
        ("off", "chat", "off"),
        ("vendor", "responses", "unset"),
        ("vendor", "messages", "unset"),
    ],
)
def test_saying_nothing_means_the_default(default: Any, client: Any, mode: str) -> None:
    decision = run(client=client, default=default)
    assert (decision.shape.mode, decision.active) == (mode, mode == "unset")


@pytest.mark.case("B04")
def test_an_ask_without_effort_means_on() -> None:
    assert run(ask(asked=True), default="auto").shape.mode == "on"


@pytest.mark.case("B06")
@pytest.mark.parametrize("history", [OWN, SOME, History(0, 0, 1)])
def test_own_reasoning_in_history_switches_on(history: History) -> None:
    decision = run(history=history, default="auto")
    assert (decision.shape.mode, codes(decision)) == ("on", ["thinking_forced"])
    assert codes(run(history=history, client="chat", default="auto")) == []


def test_a_clear_no_wins_over_history() -> None:
    decision = run(ask("none"), history=OWN)
    assert (decision.shape.mode, decision.active) == ("off", False)


def test_lost_reasoning_leaves_it_to_the_request() -> None:
    assert run(history=LOST, default="auto").shape.mode == "off"
    assert run(ask("high"), history=LOST).shape.mode == "on"
    assert run(history=LOST, default="vendor") == Decision(Thinking(), True)


def test_history_forces_nothing_where_the_vendor_does_not_ask_for_it() -> None:
    assert run(history=OWN, profile=Profile(thinking="type", replay="kept"), default="auto").shape.mode == "off"


@pytest.mark.req(85, 86)
@pytest.mark.parametrize(
    ("effort", "word", "noted"),
    [
        ("minimal", "high", True),
        ("low", "high", True),
        ("high", "high", False),
        ("xhigh", "max", True),
        ("max", "max", False),
    ],
)
def test_efforts_are_coerced_to_the_nearest_and_told_once(effort: Effort, word: str, noted: bool) -> None:
    profile = Profile(thinking="type_effort", efforts={"high": "high", "max": "max"})
    decision = run(ask(effort), profile=profile)
    assert decision.shape == Thinking("on", word)
    assert codes(decision) == ["effort_coerced"] * noted


@pytest.mark.req(85)
def test_none_is_not_unset() -> None:
    profile = Profile(thinking="effort", efforts={"none": "none", "low": "low"})
    assert run(ask("none"), profile=profile, client="chat").shape == Thinking("off", "none")
    assert run(profile=profile, client="chat").shape == Thinking()


@pytest.mark.req(86)
def test_off_is_the_least_effort_where_there_is_no_off() -> None:
    profile = Profile(thinking="effort", efforts={"low": "low", "high": "high"})
    decision = run(ask("none"), profile=profile)
    assert (decision.shape, codes(decision)) == (Thinking("on", "low"), ["effort_coerced"])
    assert run(profile=profile, default="off").shape == Thinking()


@pytest.mark.parametrize(
    "model", [ModelFacts("m", "a", thinking="forced"), ModelFacts("m", "a", thinking="on", thinking_switchable=False)]
)
def test_a_model_that_always_thinks_is_not_told_to_stop(model: ModelFacts) -> None:
    decision = run(ask("none"), model=model)
    assert (decision.shape, decision.active, codes(decision)) == (Thinking(), True, ["effort_coerced"])
    assert run(model=model, default="off") == Decision(Thinking(), True)


def test_a_model_that_never_thinks_says_so() -> None:
    model = ModelFacts("m", "a", thinking="none")
    decision = run(ask("high"), model=model)
    assert (decision.shape, decision.active, codes(decision)) == (Thinking(), False, ["param_dropped"])
    assert run(ask("none"), model=model) == Decision(Thinking(), False)


def test_a_provider_without_the_field_says_so() -> None:
    decision = run(ask("high"), profile=Profile())
    assert (decision.shape, codes(decision)) == (Thinking(), ["param_dropped"])
    assert run(profile=Profile()).notes == ()


@pytest.mark.req(84)
@pytest.mark.parametrize(
    ("budget", "limit", "sent"),
    [(5000, 32000, 5000), (32000, 32000, 24000), (9000, 1500, 1125), (None, 100_000, 16384)],
)
def test_a_budget_leaves_room_for_the_answer(budget: int | None, limit: int, sent: int) -> None:
    said = ReasoningAsk(asked=True, effort="high", budget=budget)
    decision = run(said, profile=Profile(thinking="budget"), max_tokens=limit)
    assert decision.shape.budget == sent
    assert sent < limit
    assert ("param_clamped" in codes(decision)) is (budget is not None and budget != sent)


@pytest.mark.req(84)
@pytest.mark.parametrize("limit", [1, 1000, 1024])
@pytest.mark.parametrize(
    "profile",
    [Profile(thinking="budget"), Profile(thinking="adaptive", anthropic_thinking="full")],
    ids=["budget", "full"],
)
def test_a_limit_below_the_least_budget_leaves_no_thinking(limit: int, profile: Profile) -> None:
    said = ReasoningAsk(asked=True, budget=2000)
    decision = run(said, profile=profile, max_tokens=limit, wire="messages", client="messages")
    assert (decision.shape, decision.active, codes(decision)) == (Thinking("off"), False, ["param_dropped"])
    more = run(said, profile=profile, max_tokens=1025, wire="messages", client="messages")
    assert (more.shape.mode, more.shape.budget) == ("on", 1024)


@pytest.mark.req(84, 86)
@pytest.mark.parametrize("style", ["type", "adaptive", "effort", "type_effort"])
def test_a_budget_that_cannot_be_said_is_told(style: Any) -> None:
    said = ReasoningAsk(asked=True, budget=2000)
    decision = run(said, profile=Profile(thinking=style, efforts={"low": "low"}), client="messages")
    assert (decision.shape, codes(decision)) == (Thinking("on"), ["param_dropped"])
    fixed = run(said, profile=Profile(thinking=style), model=ModelFacts("m", "acme", thinking="forced"))
    assert (fixed.active, codes(fixed)) == (True, ["param_dropped"])


def test_the_responses_wire_says_on_with_an_effort() -> None:
    assert run(ask(asked=True), wire="responses").shape == Thinking("on", "medium")


WORDS = Profile(efforts={"none": "none", "minimal": "none", "low": "high", "max": "max"}, thinking="type_effort")


@pytest.mark.req(85)
@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_an_effort_whose_word_means_off_is_off(wire: Any) -> None:
    decision = run(ask("minimal"), profile=WORDS, wire=wire)
    assert (decision.shape, decision.active) == (Thinking("off", "none"), False)
    assert codes(decision) == ["effort_coerced"]


@pytest.mark.req(85)
@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_a_model_that_always_thinks_is_asked_for_the_least_that_is_not_off(wire: Any) -> None:
    forced = ModelFacts("m", "acme", thinking="forced")
    decision = run(ask("none"), profile=WORDS, model=forced, wire=wire)
    assert (decision.shape, decision.active, codes(decision)) == (Thinking("on", "high"), True, ["effort_coerced"])


@pytest.mark.req(85)
@pytest.mark.parametrize("effort", EFFORTS)
def test_a_wire_without_an_effort_says_nothing_of_thinking(effort: Effort) -> None:
    mute = Profile(thinking="type", reasoning_effort=False, efforts={"none": "none", "low": "low"})
    decision = run(ask(effort), profile=mute, wire="responses")
    assert (decision.shape, decision.active, codes(decision)) == (Thinking(), True, ["param_dropped"])
    assert run(profile=mute, wire="responses", default="off") == Decision(Thinking(), True)
    # The flag is about that wire's field alone.
    assert run(ask("low"), profile=mute, wire="chat").shape.mode == "on"
