"""Upstream bodies: a plain server that knows only the documented fields, and one that takes the protocol in full."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.messages import (
    Media,
    Message,
    Opaque,
    ProviderState,
    Reasoning,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)
from dragoman.core.profile import Profile
from dragoman.core.reminder import append_reminder
from dragoman.core.request import ReasoningAsk, Request, ResponseFormat
from dragoman.core.shape import Shape, Thinking
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.wire.messages import decode_request, encode_request

PLAIN = Profile(
    merge_system=False,
    tool_choices=frozenset({"auto"}),
    thinking="type",
    media_in_tool_results=True,
    media_needs_text=True,
)
"""As a vendor that documents thinking.type, tools with auto, and nothing of caching."""

CACHE = Raw(b'{"type":"ephemeral"}')
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}')
TOOL = Tool("f", description="d", schema=SCHEMA)
USER = Message("user", (Text("Hello"),))


def raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


def send(
    *messages: Message, profile: Profile = PLAIN, thinking: Thinking = Thinking(), **fields: Any
) -> dict[str, Any]:
    request = Request("asked", messages, **fields)
    value = json.loads(encode_request(request, Shape("vendor-model", profile, thinking)))
    assert isinstance(value, dict)
    return value


def system(text: str) -> Message:
    return Message("system", (Text(text),))


def full(*messages: Message, **fields: Any) -> dict[str, Any]:
    return send(*messages, profile=Shape.full("m").profile, **fields)


def state(value: Any) -> ProviderState:
    return ProviderState("p", "f", "messages", raw(value))


class TestPlainServer:
    """The cases of a server that refuses undocumented fields: keys are absent, never null."""

    @pytest.mark.req(70, 119)
    def test_nothing_but_a_system_prompt(self) -> None:
        assert send(system("S")) == {"model": "vendor-model", "system": "S", "messages": []}
        assert send(system("S"), max_output_tokens=8192)["max_tokens"] == 8192

    @pytest.mark.req(70, 120)
    def test_the_system_prompt_is_exactly_a_string(self) -> None:
        assert send(system("Be helpful."), USER)["system"] == "Be helpful."
        assert "system" not in send(USER)
        assert "system" not in send(Message("system", (Text(""),)), USER)
        two = Message("system", (Text("A", cache=CACHE), Text("B")))
        assert send(two, USER)["system"] == "A\n\nB"

    @pytest.mark.req(70, 82, 121)
    def test_no_cache_mark_anywhere(self) -> None:
        marked = Message("user", (Text("Hello", cache=CACHE),))
        result = Message("tool", (ToolResult("c", (Text("x", cache=CACHE),), cache=CACHE),))
        call = Message("assistant", (ToolCall("c", "f", "{}", cache=CACHE),))
        tool = msgspec.structs.replace(TOOL, cache=CACHE)
        for messages in ((system("S"), USER), (Message("system", (Text("S", cache=CACHE),)), marked, call, result)):
            body = send(*append_reminder(messages, "R"), tools=(tool,))
            assert "cache_control" not in json.dumps(body)
            assert "R" in json.dumps(body["messages"][-1])

    @pytest.mark.req(70, 122)
    def test_thinking_is_a_type_and_nothing_else(self) -> None:
        ask = ReasoningAsk(True, "high", 4000, display="omitted")
        on = send(USER, thinking=Thinking("on", "high", 4000), reasoning=ask)
        assert on["thinking"] == {"type": "enabled"}
        assert send(USER, thinking=Thinking("off"), reasoning=ask)["thinking"] == {"type": "disabled"}
        assert "thinking" not in send(USER, reasoning=ask)
        for body in (on, send(USER, thinking=Thinking("off")), send(USER)):
            assert "output_config" not in body

    @pytest.mark.req(70, 78, 80, 123)
    def test_the_vendors_own_blocks_win_over_plain_fields(self) -> None:
        thinking = {"type": "thinking", "thinking": "step 1", "signature": "sig-A", "later": {"x": None}}
        use = {"type": "tool_use", "id": "tu_1", "name": "f", "input": {"a": 1}, "extra": True}
        new = {"type": "novelty", "data": [1]}
        turn = Message(
            "assistant",
            (
                Reasoning("something else", signature="sig-B", state=state(thinking)),
                Opaque("novelty", raw(new), "messages", "p", "f"),
                ToolCall("other", "other", '{"a":2}', state=state(use)),
            ),
        )
        body = encode_request(Request("m", (USER, turn)), Shape("m", PLAIN))
        assert raw([thinking, new, use]) in body  # type: ignore[operator]
        assert json.loads(body)["messages"][1] == {"role": "assistant", "content": [thinking, new, use]}

    @pytest.mark.req(74)
    def test_mixed_parts_keep_their_order(self) -> None:
        image = Media("image", data="QQ==", media_type="image/png")
        content = send(Message("user", (Text("a"), image, Text("b"), image)))["messages"][0]["content"]
        assert [part["type"] for part in content] == ["text", "image", "text", "image"]
        assert [part.get("text") for part in content[::2]] == ["a", "b"]

    @pytest.mark.req(80)
    @pytest.mark.parametrize("profile", [PLAIN, Shape.full("m").profile], ids=["plain", "full"])
    def test_thinking_and_what_is_hidden_of_it_stay_in_front_of_their_call(self, profile: Profile) -> None:
        hidden = {"type": "redacted_thinking", "data": "opaque"}
        turn = Message(
            "assistant",
            (
                Reasoning("one", signature="s1"),
                Reasoning("", "opaque", state=state(hidden)),
                Reasoning("two", signature="s2"),
                Text("t"),
                ToolCall("c", "f", "{}"),
            ),
        )
        content = send(USER, turn, profile=profile)["messages"][1]["content"]
        assert [p["type"] for p in content] == ["thinking", "redacted_thinking", "thinking", "text", "tool_use"]
        assert [p["thinking"] for p in content[:3:2]] == ["one", "two"]
        assert content[1] == hidden

    @pytest.mark.req(70, 124)
    def test_a_document_of_the_user(self) -> None:
        pdf = Media("document", data="QUJD", media_type="application/pdf")
        assert send(Message("user", (Text("Read"), pdf)))["messages"][0]["content"] == [
            {"type": "text", "text": "Read"},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}},
        ]

    @pytest.mark.req(70, 81, 125)
    def test_reminders_find_their_place(self) -> None:
        stored = (Message("user", (Text("Actual user"),)),)
        body = send(*append_reminder(stored, "R"))
        assert body["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "Actual user"}, {"type": "text", "text": "R"}]}
        ]
        assert stored == (Message("user", (Text("Actual user"),)),)
        after_assistant = append_reminder((*stored, Message("assistant", (Text("yes"),))), "R")
        assert send(*after_assistant)["messages"][-1] == {"role": "user", "content": "R"}
        call = Message("assistant", (ToolCall("c", "f", "{}"),))
        result = Message("tool", (ToolResult("c", (Text("out"),), was_text=True),))
        last = send(*append_reminder((*stored, call, result), "R"))["messages"][-1]
        assert [part["type"] for part in last["content"]] == ["tool_result", "text"]
        assert append_reminder(stored, "  ") == stored

    @pytest.mark.req(70, 72, 74, 126)
    def test_users_merge_and_text_stays_a_string(self) -> None:
        two = send(Message("user", (Text("A"),)), Message("user", (Text("B"),)))["messages"]
        assert two == [{"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]}]
        assert send(USER)["messages"] == [{"role": "user", "content": "Hello"}]
        for media in (Media("image", data="QQ==", media_type="image/png"), Media("document", data="QQ==")):
            content = send(Message("user", (media,)))["messages"][0]["content"]
            assert [p["type"] for p in content] == [media.kind, "text"]
            assert content[1]["text"]

    @pytest.mark.req(70, 72, 73, 75, 127)
    def test_results_share_one_message_and_stand_first(self) -> None:
        image = Media("image", data="QQ==", media_type="image/png")
        pdf = Media("document", data="QQ==", media_type="application/pdf", name="plan")
        calls = Message("assistant", tuple(ToolCall(i, "f", "{}") for i in "abcd"))
        results = (
            Message("tool", (ToolResult("a", (Text("one"),)),)),
            Message("tool", (ToolResult("b", (Text("x"), image), is_error=True), ToolResult("c", (pdf,)))),
            Message("user", (Text("next"),)),
            Message("tool", (ToolResult("d"),)),
        )
        last = send(USER, calls, *results)["messages"][2]["content"]
        assert [p.get("tool_use_id") for p in last] == ["a", "b", "c", "d", None]
        assert last[0] == {"type": "tool_result", "tool_use_id": "a", "content": "one"}
        assert [p["type"] for p in last[1]["content"]] == ["text", "image"]
        assert last[1]["is_error"] is True
        assert "plan" in last[2]["content"]
        assert last[3]["content"]
        assert last[4] == {"type": "text", "text": "next"}

    @pytest.mark.req(70, 71, 129)
    def test_tool_choice_is_auto_iff_there_are_tools(self) -> None:
        assert "tool_choice" not in send(USER, tool_choice=ToolChoice("required"))
        named = ToolChoice("named", ToolRef("f"))
        for choice in (None, ToolChoice("auto"), ToolChoice("required"), named):
            assert send(USER, tools=(TOOL,), tool_choice=choice)["tool_choice"] == {"type": "auto"}
        none = send(USER, tools=(TOOL,), tool_choice=ToolChoice("none"))
        assert not {"tools", "tool_choice"} & set(none)

    @pytest.mark.req(70, 77, 129)
    @pytest.mark.parametrize("arguments", ["", "{oops", "null", "[1]", '"x"', "5"])
    def test_input_is_always_an_object(self, arguments: str) -> None:
        body = send(USER, Message("assistant", (ToolCall("c", "f", arguments, invalid=True),)))
        assert body["messages"][1]["content"][0]["input"] == {}

    @pytest.mark.req(70, 76)
    def test_nothing_empty_is_sent(self) -> None:
        body = send(USER, Message("assistant", ()), Message("assistant", (Text(""),)), Message("user", (Text("B"),)))
        assert body["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "B"}]}
        ]

    @pytest.mark.req(64)
    def test_an_empty_user_message_still_says_something(self) -> None:
        assert send(Message("user", ()))["messages"][0]["content"]

    @pytest.mark.req(70, 79)
    def test_labels_and_foreign_signatures_never_leave(self) -> None:
        turn = Message(
            "assistant",
            (
                Reasoning("a", signature="dgm0.t.0"),
                Reasoning("b", seal="dgm1.x"),
                Reasoning("c", signature="foreign"),
                Text("t"),
            ),
        )
        body = encode_request(Request("m", (USER, turn)), Shape("m", PLAIN))
        assert b"signature" not in body
        assert b"dgm" not in body
        assert [p.get("thinking") for p in json.loads(body)["messages"][1]["content"]] == ["a", "b", "c", None]

    def test_tools_without_marks_of_other_kinds(self) -> None:
        tool = msgspec.structs.replace(TOOL, strict=True, deferred=True, options=raw({"eager_input_streaming": True}))
        hosted = Tool("web_search", "web_search", hosted_type="web_search_1", options=raw({"type": "web_search_1"}))
        assert send(USER, tools=(tool, hosted))["tools"] == [
            {"name": "f", "description": "d", "input_schema": json.loads(bytes(SCHEMA))}
        ]

    def test_system_text_in_the_middle_keeps_its_place(self) -> None:
        messages = (system("S"), USER, Message("developer", (Text("D"), Text("E", cache=CACHE))))
        body = send(*messages)
        assert body["system"] == "S"
        assert body["messages"][1] == {"role": "system", "content": "D\n\nE"}
        merged = send(*messages, profile=msgspec.structs.replace(PLAIN, merge_system=True))
        assert merged["system"] == "S\n\nD\n\nE"
        assert [m["role"] for m in merged["messages"]] == ["user"]

    @pytest.mark.req(72)
    def test_results_follow_their_calls_at_once(self) -> None:
        call = Message("assistant", (ToolCall("c", "f", "{}"),))
        body = send(USER, call, system("late"), Message("tool", (ToolResult("c", (Text("r"),)),)))
        assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user", "system"]

    def test_a_found_tool_is_told_in_words(self) -> None:
        result = Message("tool", (ToolResult("c", (ToolReference("WebFetch"),)),))
        content = send(USER, Message("assistant", (ToolCall("c", "s", "{}"),)), result)["messages"][2]["content"]
        assert content[0]["content"] == "The tool WebFetch is now available."

    def test_parameters_pass_as_they_are(self) -> None:
        body = send(
            USER,
            temperature=0.5,
            top_p=0.9,
            stop=("X",),
            stream=True,
            params={"top_k": Raw(b"4")},
            extra={"z": Raw(b"[]")},
        )
        assert (body["temperature"], body["top_p"], body["stop_sequences"], body["stream"]) == (0.5, 0.9, ["X"], True)
        assert (body["top_k"], body["z"]) == (4, [])

    def test_media_by_data_url_and_of_unknown_type(self) -> None:
        url = Media("image", url="data:image/gif;base64,R0lGODlh")
        data = Media("image", data="/9j/4AAQ")
        sources = [p["source"] for p in send(Message("user", (url, data, Text("t"))))["messages"][0]["content"][:2]]
        assert sources == [
            {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"},
            {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"},
        ]

    def test_freeform_calls_are_wrapped(self) -> None:
        call = ToolCall("c", "patch", "*** B", kind="custom")
        assert send(USER, Message("assistant", (call,)))["messages"][1]["content"][0]["input"] == {"input": "*** B"}

    @given(st.lists(st.sampled_from(["user", "assistant", "tool", "empty"]), max_size=8))
    @pytest.mark.req(72)
    def test_roles_alternate(self, roles: list[str]) -> None:
        content: dict[str, Any] = {"user": Text("u"), "assistant": Text("a"), "tool": ToolResult("c", (Text("r"),))}
        messages = [Message("assistant", ()) if r == "empty" else Message(r, (content[r],)) for r in roles]  # type: ignore[arg-type]
        sent = [m["role"] for m in send(*messages)["messages"]]
        assert all(a != b for a, b in itertools.pairwise(sent))


class TestFullServer:
    """A server that takes the whole protocol and checks signatures."""

    @pytest.mark.req(79)
    def test_only_signed_thinking_goes_back(self) -> None:
        turn = Message(
            "assistant",
            (Reasoning("a"), Reasoning("b", signature="sig"), Reasoning("c", signature="dgm0.t.0"), Text("t")),
        )
        assert full(USER, turn)["messages"][1]["content"] == [
            {"type": "thinking", "thinking": "b", "signature": "sig"},
            {"type": "text", "text": "t"},
        ]

    @pytest.mark.req(82)
    def test_marks_go_where_they_are_taken_and_never_on_thinking(self) -> None:
        turn = Message("assistant", (Reasoning("r", signature="sig"), ToolCall("c", "f", "{}", cache=CACHE)))
        result = Message("tool", (ToolResult("c", (Text("x"),), was_text=True, cache=CACHE),))
        body = full(
            Message("system", (Text("S", cache=CACHE),)), Message("user", (Text("u", cache=CACHE),)), turn, result
        )
        mark = {"type": "ephemeral"}
        assert body["system"] == [{"type": "text", "text": "S", "cache_control": mark}]
        marks = [p.get("cache_control") for m in body["messages"] for p in m["content"]]
        assert marks == [mark, None, mark, mark]

    @pytest.mark.req(122)
    def test_the_plans_decision_in_full(self) -> None:
        on = full(USER, thinking=Thinking("on", "high"), reasoning=ReasoningAsk(True, "medium"))
        assert on["thinking"] == {"type": "adaptive"}
        assert on["output_config"] == {"effort": "high"}
        budget = full(USER, thinking=Thinking("on", None, 2048), max_output_tokens=9000)
        assert budget["thinking"] == {"type": "enabled", "budget_tokens": 2048}
        assert full(USER, thinking=Thinking("off"))["thinking"] == {"type": "disabled"}

    def test_choices(self) -> None:
        for choice, written in (
            (ToolChoice("auto"), {"type": "auto"}),
            (ToolChoice("required"), {"type": "any"}),
            (ToolChoice("none"), {"type": "none"}),
            (ToolChoice("named", ToolRef("f")), {"type": "tool", "name": "f"}),
        ):
            assert full(USER, tools=(TOOL,), tool_choice=choice)["tool_choice"] == written
        body = full(USER, tools=(TOOL,), tool_choice=ToolChoice("required"), parallel_tool_calls=False)
        assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
        assert "tool_choice" not in full(USER, tools=(TOOL,))


# -- law 4

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=10)
objects = st.dictionaries(words, st.integers() | words | st.none(), max_size=3).map(raw)
marks = st.none() | st.just(CACHE)
texts = st.builds(Text, words, st.none())
images = st.builds(Media, st.just("image"), data=st.just("QQ=="), media_type=st.just("image/png"))
links = st.builds(Media, st.sampled_from(["image", "document", "audio"]), url=st.just("https://example.org/x"))
papers = st.builds(
    Media,
    st.just("document"),
    text=words,
    media_type=st.just("text/plain"),
    name=st.none() | words,
    options=st.none() | st.just(raw({"context": "c"})),
)
results = (
    st.builds(
        ToolResult,
        words,
        st.lists(texts | images | papers | st.builds(ToolReference, words), min_size=1, max_size=3).map(tuple),
        st.booleans(),
        cache=st.none(),
    )
    | st.builds(ToolResult, words, st.tuples(texts), was_text=st.just(True))
    | st.builds(ToolResult, words)
)
assistant_blocks = (
    texts
    | st.builds(Reasoning, words, signature=words.map("sig".__add__))
    | st.builds(lambda s: Reasoning("", "opaque", signature="sig" + s), words)
    | st.builds(ToolCall, words, words, objects.map(lambda r: bytes(r).decode()))
    | st.builds(lambda d: Opaque("server_tool_use", raw({"type": "server_tool_use", "d": d}), "messages"), words)
    | st.builds(
        lambda d: Reasoning(
            "", "opaque", state=ProviderState("", "", "messages", raw({"type": "redacted_thinking", "data": d}))
        ),
        words,
    )
)
asks = st.sampled_from(
    [
        ReasoningAsk(),
        ReasoningAsk(effort="low"),
        ReasoningAsk(True, "none"),
        ReasoningAsk(True, "max", adaptive=True, display="summarized"),
        ReasoningAsk(True, budget=2000, display="omitted"),
        ReasoningAsk(True),
    ]
)
tools = st.lists(
    st.builds(
        Tool,
        words,
        description=st.none() | words,
        schema=objects,
        strict=st.none() | st.booleans(),
        deferred=st.booleans(),
        options=st.none() | st.just(raw({"allowed_callers": ["direct"]})),
    )
    | st.just(
        Tool(
            "web_search",
            "web_search",
            hosted_type="web_search_2",
            options=raw({"type": "web_search_2", "name": "web_search"}),
        )
    ),
    max_size=3,
).map(tuple)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    out = []
    if draw(st.booleans()):
        out.append(Message("system", tuple(draw(st.lists(st.builds(Text, words, marks), min_size=1, max_size=2)))))
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            out.append(Message("tool", tuple(draw(st.lists(results, min_size=1, max_size=2)))))
        out.append(Message("user", tuple(draw(st.lists(texts | images | links | papers, min_size=1, max_size=3)))))
        if draw(st.booleans()):
            out.append(Message("system", tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
        out.append(Message("assistant", tuple(draw(st.lists(assistant_blocks, min_size=1, max_size=4)))))
    return tuple(out)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    declared = draw(tools)
    choice = draw(
        st.sampled_from([None, ToolChoice("auto"), ToolChoice("required"), ToolChoice("named", ToolRef("f"))])
    )
    choice = choice if declared else None
    formats = st.none() | st.builds(ResponseFormat, st.just("json_schema"), schema=objects)
    return Request(
        model="m",
        messages=draw(conversations()),
        wire="messages",
        stream=draw(st.booleans()),
        tools=declared,
        tool_choice=choice,
        parallel_tool_calls=draw(st.none() | st.booleans()) if choice else None,
        max_output_tokens=draw(st.integers(5000, 10**5)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(words, max_size=2))),
        reasoning=draw(asks),
        response_format=draw(formats),
        params=draw(st.sampled_from([{}, {"metadata": raw({"user_id": "u"})}, {"top_k": Raw(b"4")}])),
        extra=draw(st.sampled_from([{}, {"brand_new": Raw(b"[1]")}])),
    )


@given(requests())
def test_law_4_a_request_is_read_back_as_it_was(request: Request) -> None:
    body = encode_request(request, Shape.full("m"))
    again, view = decode_request(body)
    assert msgspec.structs.replace(again, body=None) == request
    assert encode_request(again, Shape.full("m")) == body
    assert view.notes == ()
