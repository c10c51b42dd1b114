"""The tool choice made fit: kept, weakened with a note, or refused."""

from __future__ import annotations

import pytest

from dragoman.core.lowering import Lowered, lower
from dragoman.core.messages import Message
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest

AUTO_ONLY = Profile(tool_choices=frozenset({"auto"}))


def low(
    *tools: Tool, profile: Profile = Profile(), choice: ToolChoice | None = None, messages: tuple[Message, ...] = ()
) -> Lowered:
    return lower(Request("m", messages, tools=tools, tool_choice=choice), profile)


def names(lowered: Lowered) -> list[str]:
    return [tool.name for tool in lowered.tools]


def codes(lowered: Lowered) -> list[str]:
    return [note.code for note in lowered.notes]


@pytest.mark.case("F01")
@pytest.mark.req(71)
def test_required_is_weakened_where_only_auto_is_known() -> None:
    lowered = low(Tool("f"), profile=AUTO_ONLY, choice=ToolChoice("required"))
    assert lowered.choice == ToolChoice("auto")
    assert [(n.code, n.field) for n in lowered.notes] == [("tool_choice_weakened", "tool_choice")]


@pytest.mark.case("F02")
def test_required_goes_up_where_it_is_known() -> None:
    assert low(Tool("f"), choice=ToolChoice("required")).choice == ToolChoice("required")


@pytest.mark.case("F04")
@pytest.mark.req(63)
def test_a_named_custom_tool_is_forced_under_its_upstream_name() -> None:
    lowered = low(Tool("a.b"), Tool("a b", "custom"), choice=ToolChoice("named", ToolRef("a b", "custom")))
    assert lowered.choice == ToolChoice("named", ToolRef("a_b_2", "function"))


@pytest.mark.req(71)
def test_a_named_tool_is_weakened_where_only_auto_is_known() -> None:
    lowered = low(Tool("f"), profile=AUTO_ONLY, choice=ToolChoice("named", ToolRef("f")))
    assert (lowered.choice, codes(lowered)) == (ToolChoice("auto"), ["tool_choice_weakened"])


@pytest.mark.case("F05")
@pytest.mark.parametrize(
    "ref", [ToolRef("image_generation", "hosted"), ToolRef("web_search", "web_search"), ToolRef("nope")]
)
@pytest.mark.parametrize("profile", [Profile(), AUTO_ONLY])
def test_a_forced_tool_that_cannot_be_had_is_refused(ref: ToolRef, profile: Profile) -> None:
    with pytest.raises(InvalidRequest) as error:
        low(Tool("f"), Tool("web_search", "web_search"), profile=profile, choice=ToolChoice("named", ref))
    assert error.value.info.param == "tool_choice"


@pytest.mark.case("F06")
@pytest.mark.parametrize("required", [False, True])
def test_allowed_tools_go_up_alone_and_keep_their_mode(required: bool) -> None:
    choice = ToolChoice("allowed", allowed=(ToolRef("b"), ToolRef("c", "function", "n")), required=required)
    lowered = low(Tool("a"), Tool("b"), Tool("c", namespace="n"), choice=choice)
    assert names(lowered) == ["b", "n__c"]
    assert lowered.choice == ToolChoice("required" if required else "auto")


def test_allowed_tools_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        low(Tool("a"), choice=ToolChoice("allowed", allowed=(ToolRef("x"),)))


@pytest.mark.req(71, 129)
def test_choice_is_auto_iff_there_are_tools() -> None:
    assert low(Tool("a")).choice == ToolChoice("auto")
    assert low().choice is None
    assert low(Tool("a"), profile=Profile(send_auto_choice=False)).choice is None


@pytest.mark.req(71)
def test_none_goes_up_or_takes_the_tools_away() -> None:
    assert low(Tool("a"), choice=ToolChoice("none")).choice == ToolChoice("none")
    away = low(Tool("a"), profile=AUTO_ONLY, choice=ToolChoice("none"))
    assert (away.tools, away.choice, away.notes) == ((), None, ())


def test_required_without_any_tool_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        low(Tool("web_search", "web_search"), choice=ToolChoice("required"))
