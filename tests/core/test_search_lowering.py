"""A declared web search under each search mode: what goes upstream, and what a call of it becomes again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import Raw

from dragoman.core.events import ArgumentsDelta, BlockEnd, BlockStart, Event, Finished
from dragoman.core.fold import fold
from dragoman.core.lowering import Lowered, lower
from dragoman.core.messages import ToolCall
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.restore import RestoreTools
from dragoman.core.search import NativeSearch, SearchMode, SearchWish
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.errors import InvalidRequest

AUTO_ONLY = Profile(tool_choices=frozenset({"auto"}))
SEARCH = Tool("web_search", "web_search", hosted_type="web_search", options=Raw(b'{"type":"web_search","limit":3}'))
PREVIEW = Tool(
    "web_search", "web_search", hosted_type="web_search_preview", options=Raw(b'{"type":"web_search_preview"}')
)
NAMED = ToolChoice("named", ToolRef("web_search", "web_search"))
BY_NAME = ToolChoice("named", ToolRef("web_search"))


def own(tool: Tool, wish: SearchWish) -> NativeSearch:
    form: Mapping[str, Any] = {"type": "find", "force": wish.force, "limit": wish.limit}
    return NativeSearch(form, ("user_location",) if wish.place else ())


def low(*tools: Tool, mode: SearchMode, choice: ToolChoice | None = None, profile: Profile = Profile()) -> Lowered:
    return lower(Request("m", (), tools=tools, tool_choice=choice), profile, mode, own)


def codes(lowered: Lowered) -> list[str]:
    return [note.code for note in lowered.notes]


@pytest.mark.case("G10")
@pytest.mark.req(147)
def test_off_leaves_it_out_and_fail_refuses() -> None:
    lowered = low(SEARCH, Tool("f"), mode="off")
    assert ([t.name for t in lowered.tools], codes(lowered), lowered.wish) == (["f"], ["search_absent"], None)
    with pytest.raises(InvalidRequest) as caught:
        low(SEARCH, mode="fail")
    assert (caught.value.info.param, caught.value.info.code) == ("tools", "web_search_unavailable")
    with pytest.raises(InvalidRequest):
        low(SEARCH, mode="off", choice=NAMED)
    assert low(Tool("f"), mode="fail").tools[0].name == "f"


@pytest.mark.case("G10")
@pytest.mark.req(147)
def test_the_client_gets_a_plain_function_call() -> None:
    lowered = low(SEARCH, mode="client", choice=NAMED)
    (tool,) = lowered.tools
    assert (tool.kind, tool.name, codes(lowered)) == ("function", "web_search", ["search_absent"])
    assert lowered.choice == ToolChoice("named", ToolRef("web_search"))
    assert lowered.table.identity
    own_function = low(Tool("web_search", schema=Raw(b'{"type":"object"}')), SEARCH, mode="client")
    assert [bytes(t.schema or b"") for t in own_function.tools] == [b'{"type":"object"}']
    assert codes(own_function) == ["tool_duplicate"]


@pytest.mark.req(147)
def test_managed_is_a_function_whose_calls_come_back_as_searches() -> None:
    lowered = low(SEARCH, Tool("f"), mode="managed")
    tool = lowered.tools[0]
    assert (tool.kind, tool.name, lowered.wish) == ("function", "web_search", SearchWish(limit=3))
    assert list(json.loads(bytes(tool.schema or b""))["properties"]) == ["query"]
    assert codes(lowered) == []
    (call,) = back(lowered, "web_search", '{"query":"q"}')
    assert (call.kind, call.name, call.arguments, call.invalid) == ("web_search", "web_search", '{"query":"q"}', False)
    (bad,) = back(lowered, "web_search", '{"quest":"q"}')
    assert (bad.kind, bad.invalid) == ("web_search", True)
    (other,) = back(lowered, "f", "{}")
    assert other.kind == "function"


def back(lowered: Lowered, name: str, arguments: str, complete: bool = True) -> tuple[ToolCall, ...]:
    """What the client's side gets for an upstream call."""
    call = ToolCall("c", name)
    events: list[Event] = [BlockStart(0, call)]
    events += [ArgumentsDelta(arguments[:5]), ArgumentsDelta(arguments[5:])]
    whole = ToolCall("c", name, arguments)
    stage = RestoreTools(lowered.table)
    out = [made for event in [*events, BlockEnd(0, whole, complete), Finished()] for made in stage.feed([event])]
    assert "".join(e.text for e in out if isinstance(e, ArgumentsDelta)) == arguments
    return fold(out).message.calls


@pytest.mark.parametrize(
    ("mode", "told"), [("managed", ["param_dropped"]), ("native", ["param_dropped"]), ("client", ["search_absent"])]
)
def test_a_search_that_should_read_nothing_new_does_and_it_is_told(mode: SearchMode, told: list[str]) -> None:
    """The Responses protocol can ask for a search in what was read before, and nothing else."""
    options = Raw(b'{"type":"web_search","external_web_access":false}')
    assert codes(low(Tool("web_search", "web_search", hosted_type="web_search", options=options), mode=mode)) == told


def test_a_cut_search_is_not_called_invalid_and_stays_cut() -> None:
    (call,) = back(low(SEARCH, mode="managed"), "web_search", '{"query":', complete=False)
    assert (call.kind, call.invalid) == ("web_search", False)


@pytest.mark.req(147)
def test_a_clients_own_function_of_that_name_keeps_it() -> None:
    lowered = low(Tool("web_search"), SEARCH, mode="managed")
    assert [t.name for t in lowered.tools] == ["web_search", "web_search_2"]
    assert [back(lowered, t.name, '{"query":"q"}')[0].kind for t in lowered.tools] == ["function", "web_search"]
    named = low(Tool("web_search"), SEARCH, mode="managed", choice=BY_NAME)
    assert named.choice == ToolChoice("named", ToolRef("web_search"))
    hosted = low(Tool("web_search"), SEARCH, mode="managed", choice=NAMED)
    assert hosted.choice == ToolChoice("named", ToolRef("web_search_2"))


def test_a_search_is_offered_once() -> None:
    for mode in ("managed", "native", "client"):
        lowered = low(SEARCH, PREVIEW, mode=mode)  # type: ignore[arg-type]
        assert len(lowered.tools) == 1
        assert "tool_duplicate" in codes(lowered)


@pytest.mark.req(147)
@pytest.mark.parametrize("choice", [NAMED, BY_NAME], ids=["by type", "by name"])
def test_a_forced_search(choice: ToolChoice) -> None:
    managed = low(SEARCH, Tool("f"), mode="managed", choice=choice)
    assert managed.choice == ToolChoice("named", ToolRef("web_search"))
    weak = low(SEARCH, Tool("f"), mode="managed", choice=choice, profile=AUTO_ONLY)
    assert (weak.choice, codes(weak)) == (ToolChoice(), ["tool_choice_weakened"])
    native = low(SEARCH, Tool("f"), mode="native", choice=choice, profile=AUTO_ONLY)
    assert (native.choice, codes(native)) == (ToolChoice(), [])
    assert json.loads(bytes(native.tools[0].options or b""))["force"] is True


@pytest.mark.parametrize(
    ("choice", "tools", "force"),
    [
        (ToolChoice("required"), (SEARCH,), True),
        (ToolChoice("required"), (SEARCH, Tool("f")), False),
        (
            ToolChoice("allowed", allowed=(ToolRef("web_search", "web_search"),), required=True),
            (SEARCH, Tool("f")),
            True,
        ),
        (ToolChoice("allowed", allowed=(ToolRef("web_search", "web_search"),)), (SEARCH, Tool("f")), False),
        (ToolChoice("named", ToolRef("f")), (SEARCH, Tool("f")), False),
        (ToolChoice(), (SEARCH,), False),
        (None, (SEARCH,), False),
    ],
)
def test_when_a_native_search_is_forced(choice: ToolChoice | None, tools: tuple[Tool, ...], force: bool) -> None:
    lowered = low(*tools, mode="native", choice=choice, profile=AUTO_ONLY)
    assert json.loads(bytes(lowered.tools[0].options or b""))["force"] is force


@pytest.mark.req(147)
def test_native_is_the_vendors_own_form_beside_functions() -> None:
    place = Tool("web_search", "web_search", hosted_type="web_search",
                 options=Raw(b'{"type":"web_search","user_location":{"city":"Rome"}}'))  # fmt: skip
    lowered = low(place, Tool("f"), mode="native")
    assert [t.kind for t in lowered.tools] == ["web_search", "function"]
    assert [(n.code, n.field) for n in lowered.notes] == [("param_dropped", "tools[web_search].user_location")]


def test_a_provider_that_takes_the_clients_tool_gets_it_whatever_the_mode() -> None:
    for mode in ("off", "native", "managed", "client", "fail"):
        lowered = low(SEARCH, mode=mode, profile=Profile(hosted_tools=True))  # type: ignore[arg-type]
        assert lowered.tools == (SEARCH,)
        assert lowered.wish is None


@pytest.mark.case("F05")
def test_another_hosted_tool_is_no_search() -> None:
    image = Tool("image_generation", "hosted", hosted_type="image_generation")
    assert low(image, mode="managed").tools == ()
    with pytest.raises(InvalidRequest):
        low(image, mode="managed", choice=ToolChoice("named", ToolRef("image_generation", "hosted")))
