"""Messages as values: JSON there and back, and how reasoning is joined for a vendor."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.client.tools import result
from dragoman.core.messages import (
    Compaction,
    Media,
    Message,
    Opaque,
    ProviderState,
    Reasoning,
    SearchSource,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    WebSearch,
    join_reasoning,
)
from dragoman.core.notes import CODES, Note
from dragoman.core.persist import from_json, to_json
from dragoman.core.request import ReasoningAsk, Request, ResponseFormat
from dragoman.core.tools import Grammar, Tool, ToolChoice, ToolRef
from dragoman.core.usage import Usage

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
raws = st.sampled_from([Raw(b'{"a":[1,2]}'), Raw(b"[]"), Raw(b'"x"')])
states = st.builds(ProviderState, words, words, st.sampled_from(["chat", "responses", "messages"]), raws)
texts = st.builds(
    Text, words, st.none() | raws, st.lists(raws, max_size=2).map(tuple), st.booleans(), st.none() | states
)
media = st.builds(
    Media,
    st.sampled_from(["image", "audio", "video", "document"]),
    st.none() | words,
    st.none() | st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode()),
    st.none() | words,
    options=st.none() | raws,
)
thoughts = st.builds(
    Reasoning,
    words,
    st.sampled_from(["absent", "empty", "text", "opaque"]),
    words,
    st.integers(0, 5),
    st.none() | words,
    st.none() | words,
    summary=st.booleans(),
    state=st.none() | states,
)
calls = st.builds(
    ToolCall,
    words,
    words,
    words,
    st.sampled_from(["function", "custom", "shell"]),
    st.none() | words,
    invalid=st.booleans(),
    state=st.none() | states,
)
results = st.builds(
    ToolResult, words, st.lists(texts | media | st.builds(ToolReference, words), max_size=3).map(tuple), st.booleans()
)
blocks = (
    texts
    | media
    | thoughts
    | calls
    | results
    | st.builds(Opaque, words, raws, st.just("messages"))
    | st.builds(Compaction, words)
    | st.builds(
        WebSearch,
        words,
        st.lists(words, max_size=2).map(tuple),
        st.sampled_from(["in_progress", "completed", "failed"]),
        st.lists(st.builds(SearchSource, words, words, words, st.none() | words), max_size=2).map(tuple),
        st.none() | words,
        st.none() | states,
    )
)
messages = st.builds(
    Message,
    st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    st.lists(blocks, max_size=4).map(tuple),
    st.none() | words,
    st.booleans(),
)


@pytest.mark.req(8)
@given(messages)
def test_every_message_goes_through_json_unchanged(message: Message) -> None:
    data = to_json(message)
    again = from_json(data, Message)
    assert again == message
    assert to_json(again) == data


@pytest.mark.req(8)
def test_so_do_requests_and_usage_with_their_raw_slices() -> None:
    raw = Raw(b'{"a": [1,  2.50]}')
    request = Request(
        "m",
        (Message("user", (Text("hi", cache=raw),)),),
        tools=(Tool("f", schema=raw), Tool("g", grammar=Grammar("lark", "x"))),
        tool_choice=ToolChoice("named", ToolRef("f")),
        reasoning=ReasoningAsk(True, "high"),
        response_format=ResponseFormat("json_schema", "n", raw),
        params={"seed": raw},
        body=raw,
    )
    again = from_json(to_json(request), Request)
    assert again == request
    assert again.tools[0].schema is not None
    assert bytes(again.tools[0].schema) == bytes(raw)
    assert from_json(to_json(Usage(1, output=2, raw=raw)), Usage) == Usage(1, output=2, raw=raw)
    assert from_json(b'{"text":"x","type":"text","cache":null}', Text) == Text("x")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"role":"user"}', b'{"role":"bot","content":[]}'])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(data, Message)


@pytest.mark.req(8)
def test_every_kind_of_block_goes_through_json_unchanged() -> None:
    state = ProviderState("p", "fam", "chat", Raw(b'{"a": [1,  2]}'))
    kinds = (
        Text("t", Raw(b'{"type":"ephemeral"}'), (Raw(b'{"url":"u"}'),), True, state),
        Media("image", data="aGk=", media_type="image/png", detail="high", options=Raw(b'{"fps":1}')),
        Media("document", data="aGk=", media_type="application/pdf", name="a.pdf", text="t"),
        Reasoning("r", "text", "turn", 1, "sig", "dgm1.x", "rs_1", True, False, state),
        Reasoning("", "opaque", state=state),
        ToolCall("i", "f", '{"a":1}', "custom", "ns", "item", True, "incomplete", state, Raw(b"{}")),
        ToolResult(
            "i", (Text("t"), Media("image", url="u"), ToolReference("n")), True, "shell", "f", True, "item", Raw(b"{}")
        ),
        Opaque("k", Raw(b'{"z": 1}'), "messages", "p", "fam"),
        Compaction("blob", "item"),
        WebSearch("id", ("q",), "failed", (SearchSource("u", "t", "x", "2026", "s"),), "why", state),
    )
    message = Message("assistant", kinds, "n", True)
    again = from_json(to_json(message), Message)
    assert again == message
    for before, after in zip(kinds, again.content, strict=True):
        for field in type(before).__struct_fields__:
            assert getattr(after, field) == getattr(before, field), (type(before), field)


@pytest.mark.req(8)
@given(messages)
def test_a_message_is_a_value_that_cannot_be_changed(message: Message) -> None:
    with pytest.raises(AttributeError):
        message.role = "user"  # type: ignore[misc]


@pytest.mark.req(9)
@given(st.binary(min_size=1, max_size=40))
def test_binary_content_is_base64_text_and_never_numbers(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    image = Message("user", (Media("image", data=text, media_type="image/png"),))
    for encoded in (to_json(image), msgspec.json.encode(image)):
        plain = msgspec.json.decode(encoded)
        assert plain["content"][0]["data"] == text
        assert base64.b64decode(plain["content"][0]["data"]) == data
    for outcome in (data, {"data": data}, [data]):  # what a tool gives back
        told = result("i", outcome).content[0]
        assert isinstance(told, Text)
        assert text in told.text


def test_text_and_calls_of_a_message() -> None:
    call = ToolCall("i", "f")
    message = Message("assistant", (Reasoning("r"), Text("a"), call, Text("b")))
    assert (message.text, message.calls) == ("ab", (call,))


@pytest.mark.req(41)
@pytest.mark.parametrize(
    ("segments", "joined"),
    [
        ([], None),
        ([Reasoning("", "absent")], None),
        ([Reasoning("", "opaque")], None),
        ([Reasoning("", "empty")], ""),
        ([Reasoning("a", turn="1"), Reasoning("b", turn="1", segment=1)], "ab"),
        ([Reasoning("a\n", turn="1"), Reasoning(" b", turn="1", segment=1)], "a\n b"),
        ([Reasoning("a", turn="1"), Reasoning("b", turn="2")], "a\nb"),
        ([Reasoning("a"), Reasoning("b")], "a\nb"),
        ([Reasoning("", "empty", turn="1"), Reasoning("b", turn="2")], "b"),
        ([Reasoning("a", turn="1"), Reasoning("", "empty", turn="2")], "a"),
        ([Reasoning("a", turn="1"), Reasoning("", "opaque", turn="1"), Reasoning("b", turn="1")], "ab"),
    ],
)
def test_how_reasoning_is_joined(segments: list[Reasoning], joined: str | None) -> None:
    assert join_reasoning(segments) == joined


def test_notes_come_from_the_documented_list() -> None:
    assert Note(next(iter(CODES))).message == ""
    with pytest.raises(ValueError, match="documented list"):
        Note("made_up")
