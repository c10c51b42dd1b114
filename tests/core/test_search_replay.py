"""Searches of earlier answers: raw to their own server, told of again to others, or left out."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from dragoman.core.lowered_history import lower_history
from dragoman.core.lowering import lower
from dragoman.core.messages import (
    Block,
    Message,
    ProviderState,
    Reasoning,
    SearchSource,
    Text,
    ToolCall,
    ToolResult,
    WebSearch,
)
from dragoman.core.profile import Profile
from dragoman.core.replay import Prepared, ReplayTarget, prepare, survey
from dragoman.core.request import Request
from dragoman.core.search import render_results
from dragoman.core.tools import Tool

PAGE = SearchSource("https://a.org/x", "Alpha", "text a")
SEARCH = WebSearch("c1", ("alpha",), "completed", (PAGE,))
USER = Message("user", (Text("q"),))


def said(*blocks: Block) -> Message:
    return Message("assistant", blocks)


def run(*messages: Message, profile: Profile = Profile(), **more: object) -> Prepared:
    return prepare(messages, ReplayTarget("p", "f", "chat", profile, **more))  # type: ignore[arg-type]


@pytest.mark.req(147)
def test_a_search_whose_pages_are_known_is_told_of_again_as_it_was_told_first() -> None:
    prepared = run(
        USER, said(Reasoning("think"), Text("Let me look."), SEARCH, Reasoning("so"), Text("Done [1].")), USER
    )
    call = ToolCall("c1", "web_search", '{"query":"alpha"}', "web_search")
    told = ToolResult("c1", (Text(render_results("alpha", [PAGE])),), False, "web_search", was_text=True)
    assert prepared.messages == (
        USER,
        said(Reasoning("think"), Text("Let me look."), call),
        Message("tool", (told,)),
        said(Reasoning("so"), Text("Done [1].")),
        USER,
    )
    assert not prepared.notes


@pytest.mark.req(96)
def test_telling_again_is_idempotent_and_keeps_the_prefix() -> None:
    history = [USER, said(Text("a"), SEARCH, Text("b")), USER]
    once = run(*history)
    assert run(*once.messages).messages == once.messages
    longer = run(*history, said(SEARCH, Text("c")), USER)
    assert longer.messages[: len(once.messages)] == once.messages


@pytest.mark.req(147)
def test_numbers_go_on_within_one_answer_and_start_again_with_the_next_question() -> None:
    second = msgspec.structs.replace(SEARCH, id="c2", sources=(PAGE, PAGE))
    third = msgspec.structs.replace(SEARCH, id="c3")
    prepared = run(USER, said(SEARCH, Text("x"), second, Text("y")), USER, said(third, Text("z")))
    texts = [b.content[0].text for m in prepared.messages for b in m.content if isinstance(b, ToolResult)]
    assert ["[1] Alpha" in texts[0], "[2] Alpha" in texts[1], "[3] Alpha" in texts[1], "[1] Alpha" in texts[2]] == [
        True
    ] * 4


@pytest.mark.req(147)
def test_ordinary_calls_beside_a_search_stay_in_its_turn() -> None:
    call = ToolCall("f1", "f", "{}")
    prepared = run(
        USER, said(Text("a"), SEARCH, call), Message("tool", (ToolResult("f1", (Text("r"),)),)), said(Text("b"))
    )
    assert [(m.role, [type(b).__name__ for b in m.content]) for m in prepared.messages] == [
        ("user", ["Text"]),
        ("assistant", ["Text", "ToolCall", "ToolCall"]),
        ("tool", ["ToolResult", "ToolResult"]),
        ("assistant", ["Text"]),
    ]
    assert [c.id for c in prepared.messages[1].calls] == ["c1", "f1"]
    assert [r.call_id for r in prepared.messages[2].content if isinstance(r, ToolResult)] == ["c1", "f1"]


@pytest.mark.case("E16")
def test_a_search_of_which_nothing_is_known_is_left_out_with_a_note() -> None:
    item = WebSearch("w", ("q",), state=ProviderState("", "", "responses", Raw(b"{}")))  # as a client's codec reads it
    for search in (item, WebSearch("w", ("q",), "failed"), WebSearch("w", (), "in_progress")):
        prepared = run(USER, said(search, Text("a")))
        assert prepared.messages == (USER, said(Text("a")))
        assert [(n.code, n.field) for n in prepared.notes] == [("item_dropped", "web_search")]
    assert run(USER, said(item), USER).messages == (USER, USER)


@pytest.mark.req(147)
@pytest.mark.parametrize(
    ("search", "word"),
    [
        (WebSearch("w", ("q",), "failed", error="it is away"), "failed: it is away"),
        (WebSearch("w", ("q",)), "found no pages"),
    ],
)
def test_a_search_of_ours_that_found_nothing_is_told_of_again(search: WebSearch, word: str) -> None:
    prepared = run(USER, said(Text("x"), search, Text("y")), USER)
    assert [m.role for m in prepared.messages] == ["user", "assistant", "tool", "assistant", "user"]
    [result] = prepared.messages[2].content
    assert isinstance(result, ToolResult)
    assert word in str(result.content[0])
    assert not prepared.notes


def test_a_vendor_that_searches_by_itself_gets_no_results_back() -> None:
    prepared = run(USER, said(SEARCH, Text("a")), search="native")
    assert prepared.messages == (USER, said(Text("a")))


@pytest.mark.req(78)
def test_only_its_own_server_gets_a_search_raw() -> None:
    own = Profile(hosted_tools=True)
    for provider, wire, kept in [
        ("p", "chat", True),
        ("other", "chat", False),
        ("", "chat", True),
        ("p", "messages", False),
    ]:
        state = ProviderState(provider, "", wire, Raw(b"{}"))  # type: ignore[arg-type]
        search = msgspec.structs.replace(SEARCH, state=state)
        prepared = run(USER, said(search, Text("a")), profile=own)
        assert (search in prepared.messages[1].content) is kept, (provider, wire)
        assert search not in run(USER, said(search, Text("a"))).messages[1].content


@pytest.mark.req(80)
def test_a_turn_that_searched_counts_as_a_turn_with_calls() -> None:
    rule = Profile(replay="tool_turns")
    target = ReplayTarget("p", "f", "chat", rule)
    found = survey([USER, said(Reasoning("t"), SEARCH, Text("a"))], target)
    assert (found.tool_turns, found.own_tool_turns) == (1, 1)
    lost = run(USER, said(SEARCH, Text("a")), profile=rule)
    assert [b.placeholder for m in lost.messages for b in m.content if isinstance(b, Reasoning)] == [True]


def test_the_call_goes_under_the_name_that_the_search_has_upstream() -> None:
    taken = Request(
        "m", (USER,), tools=(Tool("web_search"), Tool("web_search", "web_search", hosted_type="web_search"))
    )
    table = lower(taken, Profile(), "managed").table
    (_, turn, *_rest) = lower_history(run(USER, said(SEARCH, Text("a"))).messages, table, Profile())
    assert [(c.name, c.kind) for c in turn.calls] == [("web_search_2", "function")]
