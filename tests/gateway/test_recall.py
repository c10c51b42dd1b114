"""What a turn is known by: everything that clients change without meaning it must not matter, all else must."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from dragoman.core.events import BlockEnd
from dragoman.core.messages import (
    Media,
    Message,
    ProviderState,
    Reasoning,
    SearchSource,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    WebSearch,
)
from dragoman.gateway import recall
from dragoman.gateway.memory import Scope, Turn
from dragoman.gateway.recall import (
    Kept,
    before_digest,
    choose,
    is_distinctive,
    pack,
    put_back,
    turn_digest,
    unpack,
    vault_key,
)
from dragoman.store.vault import MemoryVault, VaultEntry

ARGUMENTS = '{"b": 1.0, "a": {"x": [1, "\\u00e9", null]}, "big": 1e3}'


def turn(text: str = "Hi there", arguments: str = ARGUMENTS, **more: object) -> Message:
    fields = {"id": "call_0", "name": "f", "arguments": arguments, **more}
    return Message("assistant", (Text(text), ToolCall(**fields)))  # type: ignore[arg-type]


SAME = turn_digest(turn())


@pytest.mark.parametrize(
    "same",
    [
        turn(" Hi there\n"),
        turn("Hi  there"),
        turn(arguments=json.dumps(json.loads(ARGUMENTS))),
        turn(arguments='{"a":{"x":[1,"é",null]},"big":1000,"b":1}'),
        turn(item_id="fc_other", status="completed", kind="function"),
        Message("assistant", (Reasoning("thinking"), *turn().content)),
        Message("assistant", (Text("Hi "), Text("there"), turn().content[1])),
        Message("assistant", (turn().content[1], Text("Hi there"))),
    ],
)
def test_what_clients_change_does_not_matter(same: Message) -> None:
    assert turn_digest(same) == SAME


@pytest.mark.parametrize(
    "other",
    [
        turn("Hi, there"),
        turn(arguments='{"a":{"x":[1,"é",null]},"big":1000,"b":2}'),
        turn(arguments='{"a":{"x":["é",1,null]},"big":1000,"b":1}'),
        turn(id="call_1"),
        turn(name="g"),
        turn(namespace="n"),
        Message("assistant", (Text("Hi there"),)),
        Message("assistant", (*turn().content, turn().content[1])),
        turn(arguments=ARGUMENTS[:-1]),
    ],
)
def test_what_was_said_does(other: Message) -> None:
    assert turn_digest(other) not in (SAME, "")


def test_boundaries_between_parts_count() -> None:
    one = Message("assistant", (ToolCall("ab", "c"),))
    assert turn_digest(one) != turn_digest(Message("assistant", (ToolCall("a", "bc"),)))


def test_no_arguments_are_an_empty_object() -> None:
    assert turn_digest(turn(arguments="")) == turn_digest(turn(arguments="{}"))


def test_custom_input_is_text_whose_spaces_count() -> None:
    assert turn_digest(turn(arguments="a  b\n", kind="custom")) == turn_digest(turn(arguments="a  b", kind="custom"))
    assert turn_digest(turn(arguments="a  b", kind="custom")) != turn_digest(turn(arguments="a b", kind="custom"))


@pytest.mark.parametrize("message", [Message("assistant", ()), Message("assistant", (Reasoning("only"), Text(" \n")))])
def test_a_turn_that_says_nothing_has_no_digest(message: Message) -> None:
    assert turn_digest(message) == ""


def test_broken_arguments_and_odd_text_have_a_digest() -> None:
    for arguments in ("{", "[" * 5000, '"\ud800"', "\ud800"):
        assert turn_digest(turn(arguments=arguments))


# -- the message before


def test_system_text_before_a_turn_does_not_count() -> None:
    user = Message("user", (Text("q"),))
    assert before_digest([user]) == before_digest([user, Message("system", (Text("moved"),))])
    assert before_digest([user]) != before_digest([Message("user", (Text("other"),))])
    assert before_digest([]) == ""


def test_every_kind_of_content_before_a_turn_counts() -> None:
    image = Media("image", data="AAAA", media_type="image/png")
    messages = [
        Message("user", (Text("q"),)),
        Message("assistant", (Text("q"),)),
        Message("user", (image,)),
        Message("user", (Media("image", url="https://x/y.png"),)),
        Message("tool", (ToolResult("c1", (Text("q"),)),)),
        Message("tool", (ToolResult("c2", (Text("q"),)),)),
        Message("tool", (ToolResult("c1", (image,)),)),
        Message("tool", (ToolResult("c1", (ToolReference("q2"),)),)),
        Message("assistant", (ToolCall("c1", "f", "{}"),)),
    ]
    assert len({before_digest([m]) for m in messages}) == len(messages)


# -- choosing


def entry(text: str, before: str = "b") -> VaultEntry:
    return VaultEntry(before, pack([Kept(0, Reasoning(text))]))


def chosen(*entries: VaultEntry, before: str = "b", own: str = "", distinctive: bool = True) -> tuple[str | None, bool]:
    data, ambiguous = choose(entries, before, own, distinctive)
    return (None if data is None else unpack(data)[0].block.text), ambiguous


def test_one_entry_is_taken() -> None:
    assert chosen(entry("one")) == ("one", False)
    assert chosen(entry("one", "elsewhere")) == ("one", False)
    assert chosen(entry("one", "x"), entry("one", "y")) == ("one", False)
    assert chosen() == (None, False)


def test_a_turn_that_anyone_may_have_said_counts_only_in_its_place() -> None:
    assert chosen(entry("one"), distinctive=False) == ("one", False)
    assert chosen(entry("one", "elsewhere"), distinctive=False) == (None, False)
    assert chosen(entry("one\n", "elsewhere"), own="one", distinctive=False) == ("one\n", False)


@pytest.mark.parametrize(
    ("message", "distinctive"),
    [
        (Message("assistant", (Text("Done."),)), False),
        (Message("assistant", (Text("Done. " * 20),)), True),
        (Message("assistant", (ToolCall("call_0", "f"),)), False),
        (Message("assistant", (ToolCall("call_00_hS8Qv1r", "f"),)), True),
    ],
)
def test_what_is_distinctive(message: Message, distinctive: bool) -> None:
    assert is_distinctive(message) is distinctive


def test_the_message_before_breaks_a_tie() -> None:
    assert chosen(entry("one", "x"), entry("two", "b")) == ("two", False)


def test_what_stays_ambiguous_is_a_miss() -> None:
    assert chosen(entry("one"), entry("two")) == (None, True)
    assert chosen(entry("one", "x"), entry("two", "y")) == (None, True)


def test_the_clients_own_trimmed_copy_decides_between_equals() -> None:
    assert chosen(entry("one\n"), entry("two\n"), own="two") == ("two\n", False)
    assert chosen(entry("one\n"), entry("two\n"), own="three") == (None, True)


def test_unreadable_entries_are_nothing() -> None:
    assert unpack(b"junk") == ()


def test_keys_depend_on_every_part() -> None:
    keys = {
        vault_key(*parts)
        for parts in (
            ("t", "p", "f", "d"),
            ("t2", "p", "f", "d"),
            ("t", "p2", "f", "d"),
            ("t", "p", "f2", "d"),
            ("t", "p", "f", "d2"),
            ("tp", "", "f", "d"),
        )
    }
    assert len(keys) == 6


def test_reasoning_goes_back_to_its_place_with_its_origin() -> None:
    state = ProviderState("p", "f", "messages", Raw(b'{"type":"thinking"}'))
    kept = [Kept(0, Reasoning("first", segment=0, state=state)), Kept(1, Reasoning("second", segment=1))]
    origin = ProviderState("p", "f", "chat", Raw(b""))
    back = put_back(Message("assistant", (Text("a"), Reasoning("trimmed"), ToolCall("c", "f"))), kept, origin)
    assert [type(b).__name__ for b in back.content] == ["Reasoning", "Text", "Reasoning", "ToolCall"]
    first, _, second, _ = back.content
    assert isinstance(first, Reasoning) and isinstance(second, Reasoning)
    assert (first.text, second.text) == ("first", "second")
    assert first.state == state
    assert second.state == origin


def test_reasoning_that_stood_last_stays_last() -> None:
    origin = ProviderState("p", "f", "chat", Raw(b""))
    back = put_back(Message("assistant", (Text("a"),)), [Kept(5, Reasoning("late"))], origin)
    assert [type(b).__name__ for b in back.content] == ["Text", "Reasoning"]
    assert recall.unpack(recall.pack([Kept(5, Reasoning("late"))])) == (Kept(5, Reasoning("late")),)


@pytest.mark.req(66)
def test_thinking_between_texts_finds_its_place_in_the_one_text_that_a_client_made_of_them() -> None:
    one, two, three = Reasoning("a", segment=0), Reasoning("b", segment=1), Reasoning("c", segment=2)
    call = ToolCall("call_0", "f", "{}")
    origin = ProviderState("p", "fam", "chat", Raw(b""))
    kept = [Kept(0, one, 0), Kept(1, two, 10), Kept(3, three, 17)]

    def texts(message: Message) -> list[str]:
        return [b.text if isinstance(b, Text | Reasoning) else b.id for b in message.content]  # type: ignore[union-attr]

    whole = Message("assistant", (Text("First text.\n"), Text("Second.\n"), call, Text("Third")))
    assert texts(put_back(whole, kept, origin)) == [
        "a", "First text.\n", "b", "Second.\n", "call_0", "c", "Third",
    ]  # fmt: skip
    merged = Message("assistant", (Text("First text.\nSecond.\nThird"), call))
    assert texts(put_back(merged, kept, origin)) == ["a", "First text.\n", "b", "Second.\n", "c", "Third", "call_0"]
    old = [Kept(0, one), Kept(1, two)]
    assert texts(put_back(merged, old, origin)) == ["a", "First text.\nSecond.\nThird", "b", "call_0"]
    assert unpack(pack(kept)) == tuple(kept)


# -- searches that were run here


def test_a_search_is_put_back_where_a_client_made_one_text_of_two_rounds() -> None:
    search = WebSearch("s1", ("q",), "completed", (SearchSource("https://a.example/", "A", "page"),))
    kept = [
        Kept(0, Reasoning("one"), 0),
        Kept(1, search, 10),
        Kept(1, Reasoning("two"), 10),
    ]
    back = put_back(Message("assistant", (Text("Let me look. Found it."),)), kept, ProviderState("p", "f", "chat"))
    assert [getattr(b, "text", "search") for b in back.content] == [
        "one",
        "Let me look. ",
        "search",
        "two",
        "Found it.",
    ]
    assert unpack(pack(kept)) == tuple(kept)


@pytest.mark.parametrize(
    ("one", "shown", "two"),
    [
        ("Let me look.", "\n\n", "Found it."),
        ("Let me look. ", "", "Found it."),
        ("Let me look.", "", "\n Found it."),
        ("Let me look.", "\n\n", "\n\nFound it."),
        ("Let me look.\n", "", " Found it."),
    ],
)
async def test_white_space_at_the_border_is_as_the_model_wrote_it(one: str, shown: str, two: str) -> None:
    search = WebSearch("s1", ("q",), "completed", (SearchSource("https://a.example/", "A", "page"),))
    vault = MemoryVault(max_bytes=10_000, ttl=60)
    watched = Turn(vault, Scope("t", "p", "f"), "")
    for at, block in enumerate((Text(one), search, Text(two))):
        watched.block(BlockEnd(at, block))
    watched.remember()
    joined = Message("assistant", (Text(one + shown + two),))
    [[entry]] = await vault.get([vault_key("t", "p", "f", turn_digest(joined))])
    back = put_back(joined, unpack(entry.data), ProviderState("p", "f", "chat"))
    assert back.content == (Text(one), search, Text(two))


def test_a_search_takes_the_place_of_the_clients_own_copy() -> None:
    search = WebSearch("s1", ("q",), "completed", (SearchSource("https://a.example/", "A", "page"),))
    said = Message(
        "assistant",
        (Text("a"), WebSearch("ws_9", ("q",), "completed", (SearchSource("https://a.example/"),)), Text("b")),
    )
    back = put_back(said, [Kept(1, search, 1)], ProviderState("p", "f", "chat"))
    assert back.content == (Text("a"), search, Text("b"))


def test_a_turn_remembered_twice_counts_once_when_the_later_memory_holds_the_earlier() -> None:
    search = WebSearch("s1", ("q",))
    first = VaultEntry("b", pack([Kept(0, Reasoning("why"))]))
    later = VaultEntry("b", pack([Kept(0, Reasoning("why")), Kept(1, search, 3)]))
    assert choose((first, later), "b", "", True) == (later.data, False)
    other = VaultEntry("b", pack([Kept(0, Reasoning("else")), Kept(1, search, 3)]))
    assert choose((first, other), "b", "", True) == (None, True)
