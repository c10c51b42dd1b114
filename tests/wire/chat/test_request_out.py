"""The upstream body: what each flag of the profile changes, and the round trip."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.messages import Media, Message, ProviderState, Reasoning, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.profile import Profile
from dragoman.core.request import EFFORTS, ReasoningAsk, Request, ResponseFormat
from dragoman.core.shape import Shape, Thinking
from dragoman.core.tools import Grammar, Tool, ToolChoice, ToolRef
from dragoman.wire.chat_completions import decode_request, encode_request
from tests.strategies import compact, ids, json_objects, names, words

HI = Message("user", (Text("hi"),))


def write(
    *messages: Message, thinking: Thinking | None = None, flags: dict[str, Any] | None = None, **fields: Any
) -> Any:
    request = Request("asked", messages or (HI,), **fields)
    return json.loads(encode_request(request, Shape("vm", Profile(**(flags or {})), thinking or Thinking())))


def said(*messages: Message, **flags: Any) -> Any:
    return write(*messages, flags=flags)["messages"]


# -- envelope


def test_only_what_has_a_value_is_sent() -> None:
    assert write() == {"model": "vm", "messages": [{"role": "user", "content": "hi"}]}


def test_sampling_limits_and_stop() -> None:
    fields = {"max_output_tokens": 9, "temperature": 0.5, "top_p": 0.1, "stop": ("a",)}
    body = write(**fields)
    assert (body["max_tokens"], body["temperature"], body["top_p"], body["stop"]) == (9, 0.5, 0.1, ["a"])


def test_a_schema_has_a_name_whether_or_not_the_client_gave_one() -> None:
    """OpenAI's protocol wants it; a Messages client cannot say it."""
    for name in ("n", None):
        asked = ResponseFormat("json_schema", name, Raw(b'{"type":"object"}'))
        sent = write(response_format=asked)["response_format"]["json_schema"]
        assert sent == {"name": name or "output", "schema": {"type": "object"}}


@pytest.mark.case("F07")
def test_the_name_of_the_limit() -> None:
    body = write(max_output_tokens=1024, flags={"max_tokens_field": "max_completion_tokens"})
    assert body["max_completion_tokens"] == 1024
    assert "max_tokens" not in body


def test_streams_ask_for_usage_unless_told_not_to() -> None:
    assert write(stream=True)["stream_options"] == {"include_usage": True}
    body = write(stream=True, flags={"stream_usage": False})
    assert body["stream"] is True
    assert "stream_options" not in body


@pytest.mark.req(65)
def test_parameters_and_extras_go_as_they_are_and_no_key_comes_twice() -> None:
    request = Request(
        "asked",
        (HI,),
        params={"seed": Raw(b"7"), "thinking": Raw(b'{"clear_thinking":false,"type":"x"}')},
        extra={"model": Raw(b'"other"'), "knob": Raw(b"1.50")},
    )
    body = encode_request(request, Shape("vm", Profile(thinking="type"), Thinking("on")))
    pairs = json.loads(body, object_pairs_hook=list)
    assert len({key for key, _ in pairs}) == len(pairs)
    fields = json.loads(body)
    assert fields["thinking"] == {"type": "enabled", "clear_thinking": False}
    assert (fields["model"], fields["seed"]) == ("vm", 7)
    assert b'"knob":1.50' in body


@pytest.mark.req(85)
@pytest.mark.parametrize(
    ("style", "thinking", "expected"),
    [
        ("none", Thinking("on", "high"), {}),
        ("type", Thinking(), {}),
        ("type", Thinking("on", "high"), {"thinking": {"type": "enabled"}}),
        ("type", Thinking("off"), {"thinking": {"type": "disabled"}}),
        ("adaptive", Thinking("on"), {"thinking": {"type": "adaptive"}}),
        ("adaptive", Thinking("off"), {"thinking": {"type": "disabled"}}),
        ("effort", Thinking("on", "high"), {"reasoning_effort": "high"}),
        ("effort", Thinking("on"), {}),
        ("effort", Thinking("off"), {"reasoning_effort": "none"}),
        ("object", Thinking("on", "low"), {"reasoning": {"effort": "low"}}),
        ("object", Thinking("on"), {"reasoning": {"enabled": True}}),
        ("object", Thinking("on", None, 5), {"reasoning": {"max_tokens": 5}}),
        ("object", Thinking("off"), {"reasoning": {"effort": "none"}}),
        ("type_effort", Thinking("on", "max"), {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("type_effort", Thinking("off", "max"), {"thinking": {"type": "disabled"}}),
        ("budget", Thinking("on", None, 5), {"thinking": {"type": "enabled", "budget_tokens": 5}}),
        ("budget", Thinking("off", None, 5), {"thinking": {"type": "disabled"}}),
    ],
)
def test_thinking_in_every_style(style: str, thinking: Thinking, expected: dict[str, Any]) -> None:
    body = write(thinking=thinking, flags={"thinking": style})
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == expected


# -- messages


@pytest.mark.case("A04", "A05")
def test_system_text_is_merged_at_the_front_or_keeps_its_place() -> None:
    talk = (
        Message("system", (Text("I"),)),
        Message("developer", (Text("D1"), Text("D2"))),
        HI,
        Message("developer", (Text("D3"),)),
    )
    assert said(*talk) == [{"role": "system", "content": "I\n\nD1\nD2\n\nD3"}, {"role": "user", "content": "hi"}]
    kept = said(*talk, merge_system=False, system_role="developer")
    assert [(m["role"], m["content"]) for m in kept] == [
        ("developer", "I"),
        ("developer", "D1\nD2"),
        ("user", "hi"),
        ("developer", "D3"),
    ]


@pytest.mark.req(64)
def test_a_users_content_is_never_empty() -> None:
    assert all(m["content"] for m in said(Message("user", ()), Message("user", (Text(""),))))


def test_parts_only_where_they_are_taken_or_needed() -> None:
    two = Message("user", (Text("a"), Text("b")))
    assert said(two)[0]["content"] == "a\nb"
    assert said(two, content_parts=True)[0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    marked = Message("user", (Text("a", cache=Raw(b'{"type":"ephemeral"}')),))
    assert said(marked, content_parts=True)[0]["content"] == "a"
    assert said(marked, content_parts=True, cache_marks=True)[0]["content"] == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    ]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            Media("image", url="https://e/x", detail="low"),
            {"type": "image_url", "image_url": {"url": "https://e/x", "detail": "low"}},
        ),
        (
            Media("image", data="AA", media_type="image/png"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
        ),
        (
            Media("audio", data="AA", media_type="audio/mpeg"),
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        ),
        (Media("audio", url="https://e/x"), {"type": "input_audio", "input_audio": {"data": "https://e/x"}}),
        (
            Media("video", url="https://e/v", options=Raw(b'{"fps":2}')),
            {"type": "video_url", "video_url": {"url": "https://e/v"}, "fps": 2},
        ),
        (
            Media("document", data="AA", media_type="application/pdf", name="x"),
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "x"}},
        ),
        (Media("document", text="plain"), {"type": "text", "text": "plain"}),
    ],
)
def test_media(media: Media, part: dict[str, Any]) -> None:
    sent = said(Message("user", (Text("t"), media)), media_detail=True)[0]["content"]
    assert sent == [{"type": "text", "text": "t"}, part]


@pytest.mark.parametrize(("wanted", "named"), [(True, {"filename": "document.pdf"}), (False, {})])
def test_a_file_without_a_name_gets_one_where_the_vendor_wants_it(wanted: bool, named: dict[str, str]) -> None:
    pdf = Media("document", data="AA", media_type="application/pdf")
    part = said(Message("user", (pdf,)), file_names=wanted)[0]["content"][0]
    assert part == {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", **named}}


def test_media_alone_gets_a_text_where_the_vendor_wants_one() -> None:
    alone = Message("user", (Media("image", url="u"),))
    assert [p["type"] for p in said(alone)[0]["content"]] == ["image_url"]
    parts = said(alone, media_needs_text=True)[0]["content"]
    assert [p["type"] for p in parts] == ["text", "image_url"]
    assert parts[0]["text"]


def test_audio_as_a_data_url_where_the_vendor_documents_that() -> None:
    message = Message("user", (Media("audio", data="AA", media_type="audio/wav"),))
    part = said(message, audio_data_url=True)[0]["content"][0]
    assert part == {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,AA"}}


@pytest.mark.case("D12", "D13")
def test_an_assistant_turn() -> None:
    turn = Message("assistant", (Reasoning("R"), Text("a"), ToolCall("i", "f", "{}"), Text("b")))
    assert said(turn)[0] == {
        "role": "assistant",
        "content": "ab",
        "reasoning_content": "R",
        "tool_calls": [{"id": "i", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_null_content_only_where_it_is_taken() -> None:
    turn = Message("assistant", (ToolCall("i", "f", "{}"),))
    assert said(turn)[0]["content"] == ""
    assert said(turn, null_content=True)[0]["content"] is None
    assert said(Message("assistant", ()), null_content=True)[0]["content"] == ""


@pytest.mark.case("B07")
@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ((Reasoning("a", turn="1"), Reasoning("b", turn="1", segment=1)), "ab"),
        ((Reasoning("a", turn="1"), Reasoning("b", turn="2")), "a\nb"),
        ((Reasoning("a"), Reasoning("b")), "a\nb"),
        ((Reasoning("", "empty"),), ""),
        ((Reasoning("", "opaque"),), None),
        ((), None),
    ],
)
def test_reasoning_goes_back_as_one_text(blocks: tuple[Reasoning, ...], text: str | None) -> None:
    assert said(Message("assistant", (*blocks, Text("x"))))[0].get("reasoning_content") == text


def test_the_field_that_carries_reasoning() -> None:
    turn = Message("assistant", (Reasoning("R"), Text("x")))
    assert said(turn, reasoning_field="reasoning")[0]["reasoning"] == "R"
    assert set(said(turn, reasoning_field="none")[0]) == {"role", "content"}
    assert said(turn, reasoning_field="reasoning_details")[0]["reasoning_details"][0]["text"] == "R"


@pytest.mark.req(66)
def test_raw_details_go_back_byte_for_byte_in_the_form_received() -> None:
    raw = Raw(b'[{"type":"reasoning.text","text":"R","n":1.50}]')
    state = ProviderState("v", "f", "chat", raw)
    turn = Message("assistant", (Reasoning("R", state=state), Text("x")))
    body = encode_request(
        Request("m", (turn,)), Shape("vm", Profile(reasoning_details=True, reasoning_field="reasoning"))
    )
    assert bytes(raw) in body
    assert json.loads(body)["messages"][0]["reasoning"] == "R"
    assert "reasoning_details" not in said(turn)[0]
    only = said(turn, reasoning_field="reasoning_details")[0]
    assert set(only) == {"role", "content", "reasoning_details"}
    twice = Message("assistant", (Reasoning("R", state=state), Text("x"), Reasoning("S", segment=1, state=state)))
    assert len(said(twice, reasoning_details=True)[0]["reasoning_details"]) == 2
    foreign = ProviderState("v", "f", "messages", raw)
    other = Message("assistant", (Reasoning("R", state=foreign),))
    assert "reasoning_details" not in said(other, reasoning_details=True)[0]


def test_a_calls_vendor_state_goes_back() -> None:
    call = ToolCall("i", "f", "{}", state=ProviderState("v", "f", "chat", Raw(b'{"sig":1}')))
    assert said(Message("assistant", (call,)))[0]["tool_calls"][0]["extra_content"] == {"sig": 1}


def test_custom_calls_and_tools_where_they_are_taken() -> None:
    turn = Message("assistant", (ToolCall("i", "p", "raw", "custom"),))
    assert said(turn)[0]["tool_calls"][0]["function"] == {"name": "p", "arguments": '{"input":"raw"}'}
    assert said(turn, custom_tools=True)[0]["tool_calls"][0] == {
        "id": "i",
        "type": "custom",
        "custom": {"name": "p", "input": "raw"},
    }
    tools = (Tool("p", "custom", "d", grammar=Grammar("regex", "a+")), Tool("q", "custom", grammar=Grammar("text")))
    assert write(tools=tools, flags={"custom_tools": True})["tools"] == [
        {
            "type": "custom",
            "custom": {
                "name": "p",
                "description": "d",
                "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}},
            },
        },
        {"type": "custom", "custom": {"name": "q", "format": {"type": "text"}}},
    ]


@pytest.mark.case("D11")
def test_tool_results() -> None:
    results = Message(
        "tool",
        (
            ToolResult("a", (Text("x"),), was_text=True),
            ToolResult("b", (Text("y"), Text("z"), ToolReference("find")), name="g"),
            ToolResult("c"),
        ),
    )
    assert said(results) == [
        {"role": "tool", "tool_call_id": "a", "content": "x"},
        {"role": "tool", "tool_call_id": "b", "content": "y\nz\nThe tool find is now available."},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]
    assert said(results, tool_result_names=True)[1]["name"] == "g"
    shown = Message("tool", (ToolResult("a", (Text("x"), Media("image", url="u"))),))
    assert [p["type"] for p in said(shown, media_in_tool_results=True)[0]["content"]] == ["text", "image_url"]
    assert said(shown)[0]["content"] == "x"


# -- tools


def test_function_tools_keep_their_schema_byte_for_byte() -> None:
    schema = Raw(b'{"type": "object",  "properties":{"n":{"minimum":1.0}}}')
    tool = Tool("f", description="d", schema=schema, strict=True)
    body = encode_request(Request("m", (HI,), tools=(tool,)), Shape("vm"))
    assert bytes(schema) in body
    assert "strict" not in json.loads(body)["tools"][0]["function"]
    assert write(tools=(tool,), flags={"strict_tools": True})["tools"][0]["function"]["strict"] is True
    assert write(tools=(Tool("f"),), flags={"strict_tools": True})["tools"] == [
        {"type": "function", "function": {"name": "f"}}
    ]


def test_hosted_tools_go_as_planning_wrote_them() -> None:
    tool = Tool("web_search", "web_search", options=Raw(b'{"type":"web_search","limit":5}'))
    assert write(tools=(tool,))["tools"] == [{"type": "web_search", "limit": 5}]


@pytest.mark.req(63)
@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", ToolRef("f")), {"type": "function", "function": {"name": "f"}}),
        (ToolChoice("named", ToolRef("p", "custom")), {"type": "function", "function": {"name": "p"}}),
    ],
)
def test_tool_choice(choice: ToolChoice, expected: Any) -> None:
    assert write(tools=(Tool("f"),), tool_choice=choice)["tool_choice"] == expected
    assert "tool_choice" not in write(tool_choice=choice)


def test_an_automatic_choice_is_left_out_where_it_is_refused() -> None:
    fields: dict[str, Any] = {"tools": (Tool("f"),), "flags": {"send_auto_choice": False}}
    assert "tool_choice" not in write(tool_choice=ToolChoice("auto"), **fields)
    assert write(tool_choice=ToolChoice("required"), **fields)["tool_choice"] == "required"


def test_parallel_calls_only_beside_tools_and_where_taken() -> None:
    flags = {"parallel_tool_calls": True}
    assert write(parallel_tool_calls=False, tools=(Tool("f"),), flags=flags)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in write(parallel_tool_calls=False, flags=flags)
    assert "parallel_tool_calls" not in write(parallel_tool_calls=False, tools=(Tool("f"),))


# -- laws


def test_turn_n_is_a_byte_prefix_of_turn_n_plus_one() -> None:
    talk = (
        Message("system", (Text("S"),)),
        HI,
        Message("assistant", (Reasoning("R"), ToolCall("i", "f", "{}"))),
        Message("tool", (ToolResult("i", (Text("x"),), was_text=True),)),
        Message("assistant", (Text("done"),)),
        Message("user", (Text("more"),)),
    )
    bodies = [encode_request(Request("m", talk[:n]), Shape("vm")) for n in range(1, len(talk) + 1)]
    for before, after in pairwise(bodies):
        assert after.startswith(before[: before.rindex(b"]")])


caches = st.none() | st.just(Raw(b'{"type":"ephemeral"}'))
texts = st.builds(Text, words, cache=caches)
raws = json_objects.map(lambda value: Raw(compact(value).encode()))
media = st.one_of(
    st.builds(Media, st.just("image"), url=st.just("https://e/x"), detail=st.sampled_from([None, "low"]), cache=caches),
    st.builds(Media, st.sampled_from(["image", "video"]), data=st.just("AAAA"), media_type=st.just("x/y")),
    st.builds(
        Media,
        st.just("audio"),
        data=st.just("AAAA"),
        media_type=st.sampled_from([None, "audio/wav", "audio/mpeg", "audio/flac"]),
    ),
    st.builds(Media, st.just("audio"), url=st.just("https://e/a")),
    st.builds(Media, st.just("video"), url=st.just("https://e/v"), options=st.sampled_from([None, Raw(b'{"fps":2}')])),
    st.builds(
        Media,
        st.just("document"),
        data=st.just("AAAA"),
        media_type=st.sampled_from([None, "a/pdf"]),
        name=st.none() | names,
    ),
    st.builds(Media, st.just("document"), file_id=names, cache=caches),
    st.builds(Media, st.just("document"), url=st.just("https://e/d")),
)
states = st.builds(ProviderState, st.just(""), st.just(""), st.just("chat"), raws)
calls = st.one_of(
    st.builds(ToolCall, ids, names, words, state=st.none() | states),
    st.builds(ToolCall, ids, names, words, st.just("custom")),
)


@st.composite
def reasonings(draw: st.DrawFn) -> list[Reasoning]:
    kind = draw(st.sampled_from(["none", "text", "empty", "details"]))
    if kind == "details":
        text = draw(words)
        raw = Raw(compact([{"type": "reasoning.text", "text": text, "signature": "s"}]).encode())
        return [Reasoning(text, state=ProviderState("", "", "chat", raw))]
    if kind == "text":
        return [Reasoning(draw(words))]
    return [Reasoning("", "empty")] if kind == "empty" else []


@st.composite
def messages(draw: st.DrawFn) -> tuple[Message, ...]:
    out: list[Message] = [Message("user", (draw(texts),))]
    for kind in draw(st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), max_size=5)):
        name = draw(st.none() | names)
        if kind == "assistant":
            said_ = draw(st.lists(st.builds(Text, words, cache=caches, refusal=st.booleans()), max_size=2))
            said_ = [msgspec.structs.replace(t, cache=None) if t.refusal else t for t in said_]
            made = draw(st.lists(calls, max_size=2, unique_by=lambda c: c.id))
            out.append(Message("assistant", (*draw(reasonings()), *said_, *made), name))
        elif kind == "tool":
            if out[-1].role != "tool":
                results = []
                for id in draw(st.lists(ids, min_size=1, max_size=2, unique=True)):
                    was_text = draw(st.booleans())
                    parts = draw(
                        st.lists(st.builds(Text, words) if was_text else texts | media, max_size=1 if was_text else 3)
                    )
                    made_by = next((c for m in reversed(out) for c in m.calls if c.id == id), None)
                    results.append(
                        ToolResult(
                            id, tuple(parts), kind=made_by.kind if made_by else "function", name=name, was_text=was_text
                        )
                    )
                out.append(Message("tool", tuple(results)))
        else:
            parts = draw(st.lists(texts | media if kind == "user" else texts, min_size=1, max_size=3))
            out.append(Message("user" if kind == "user" else "system", tuple(parts), name))
    return tuple(out)


tools = st.one_of(
    st.builds(
        Tool,
        names,
        description=st.none() | words,
        schema=st.none() | raws,
        strict=st.none() | st.booleans(),
        cache=caches,
    ),
    st.builds(
        Tool,
        names,
        st.just("custom"),
        st.none() | words,
        grammar=st.sampled_from([None, Grammar("text"), Grammar("lark", "a")]),
    ),
    st.just(Tool("web_search", "web_search", hosted_type="web_search", options=Raw(b'{"type":"web_search"}'))),
)
refs = st.builds(ToolRef, names, st.sampled_from(["function", "custom"]))
choices = st.one_of(
    st.builds(ToolChoice, st.sampled_from(["auto", "none", "required"])),
    st.builds(ToolChoice, st.just("named"), refs),
    st.builds(ToolChoice, st.just("allowed"), st.none(), st.lists(refs, max_size=2).map(tuple), st.booleans()),
)
formats = st.one_of(
    st.sampled_from([None, ResponseFormat("text"), ResponseFormat("json_object")]),
    st.builds(ResponseFormat, st.just("json_schema"), names, raws, st.none() | st.booleans(), st.none() | words),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    declared = tuple(draw(st.lists(tools, max_size=3)))
    number = st.floats(0, 2, allow_nan=False)
    store = draw(st.none() | st.booleans())
    params = {} if store is None else {"store": Raw(compact(store).encode())}
    if draw(st.booleans()):
        params["seed"] = Raw(b"7")
    return Request(
        "m",
        draw(messages()),
        stream=draw(st.booleans()),
        tools=declared,
        tool_choice=draw(st.none() | choices) if declared else None,
        parallel_tool_calls=draw(st.none() | st.booleans()) if declared else None,
        max_output_tokens=draw(st.none() | st.integers(1, 10**6)),
        temperature=draw(st.none() | number),
        top_p=draw(st.none() | number),
        stop=tuple(draw(st.lists(words, max_size=3))),
        reasoning=draw(st.just(ReasoningAsk()) | st.builds(ReasoningAsk, st.just(True), st.sampled_from(EFFORTS))),
        response_format=draw(formats),
        store=store,
        params=params,
        extra=draw(st.dictionaries(names.map(lambda name: "x_" + name), raws, max_size=2)),
    )


@given(requests())
def test_what_is_written_is_read_back(request: Request) -> None:
    """Law 4 for everything that the wire can say."""
    effort = request.reasoning.effort
    shape = msgspec.structs.replace(
        Shape.full("m"),
        thinking=Thinking() if effort is None else Thinking("off" if effort == "none" else "on", effort),
        profile=msgspec.structs.replace(Shape.full("m").profile, tool_result_names=True),
    )
    body = encode_request(request, shape)
    again = msgspec.structs.replace(decode_request(body)[0], body=None)
    assert again == request
    assert encode_request(again, shape) == body


@given(requests())
def test_a_plain_server_is_never_sent_null_or_an_empty_user(request: Request) -> None:
    body = json.loads(encode_request(msgspec.structs.replace(request, extra={}), Shape("m")))
    for message in body["messages"]:
        assert None not in message.values()
        if message["role"] == "user":
            assert message["content"]
    assert None not in body.values()
