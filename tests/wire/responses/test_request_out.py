"""What a native Responses upstream is asked: law 4 for all that the protocol can say, and the plan's word obeyed."""

from __future__ import annotations

import json
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
    WebSearch,
)
from dragoman.core.profile import Profile
from dragoman.core.request import EFFORTS, ReasoningAsk, Request, ResponseFormat
from dragoman.core.shape import Shape, Thinking
from dragoman.core.tools import Grammar, Tool, ToolChoice, ToolKind, ToolRef
from dragoman.wire.responses import decode_request, encode_request
from tests.strategies import CALLS, arguments, compact, json_objects, names, words
from tests.wire.responses.road import CODEX, GOLDEN, ask, items, upstream

raws = json_objects.map(lambda value: Raw(compact(value).encode()))


@st.composite
def tools(draw: st.DrawFn) -> Tool:
    kind: ToolKind = draw(st.sampled_from(["function", "custom", *CALLS[2:], "web_search", "hosted"]))
    if kind == "web_search":
        return Tool("web_search", kind, hosted_type="web_search", options=Raw(b'{"type":"web_search","x":1}'))
    if kind == "hosted":
        return Tool(
            "image_generation", kind, hosted_type="image_generation", options=Raw(b'{"type":"image_generation"}')
        )
    if kind not in ("function", "custom"):
        return Tool(kind, kind)
    space = draw(st.none() | names)
    about = draw(st.none() | words) if space else None
    deferred = draw(st.booleans())
    if kind == "custom":
        grammar = draw(st.none() | st.just(Grammar("text")) | st.builds(Grammar, st.just("lark"), words))
        return Tool(draw(names), kind, draw(st.none() | words), None, None, space, about, grammar, deferred)
    strict, schema = draw(st.none() | st.booleans()), draw(st.none() | raws)
    return Tool(draw(names), kind, draw(st.none() | words), schema, strict, space, about, None, deferred)


@st.composite
def media(draw: st.DrawFn) -> Media:
    detail = draw(st.none() | st.sampled_from(["low", "high"]))
    match draw(st.sampled_from(["url", "data", "file_id", "pdf", "audio"])):
        case "url":
            return Media("image", url="https://example.org/" + draw(names), detail=detail)
        case "data":
            return Media("image", data="QUJD", media_type="image/png", detail=detail)
        case "file_id":
            return Media("image", file_id=draw(names), detail=detail)
        case "pdf":
            return Media("document", data="QUJD", media_type="application/pdf", name=draw(st.none() | names))
        case _:
            return Media("audio", data="QUJD", media_type="audio/wav")


@st.composite
def turn(draw: st.DrawFn, index: int) -> tuple[Message, Message | None]:
    """An assistant turn with the results of its calls."""
    blocks: list[Block] = []
    results: list[Block] = []
    for n in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(["text", "thought", "state", "call", "hosted"])):
            case "text":
                blocks.append(Text(draw(words), refusal=draw(st.booleans())))
            case "thought":
                summary = draw(st.booleans())
                blocks.append(Reasoning(draw(words), item_id=draw(st.none() | names), summary=summary))
            case "state":
                item = {"type": "reasoning", "summary": [], "encrypted_content": draw(names)}
                state = ProviderState("", "", "responses", Raw(compact(item).encode()))
                blocks.append(Reasoning("", "opaque", state=state))
            case "hosted":
                blocks.append(Opaque("mcp_call", Raw(b'{"type":"mcp_call","id":"mcp_1"}'), "responses"))
                raw = Raw(b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"query":"q"}}')
                blocks.append(WebSearch("ws_1", ("q",), state=ProviderState("", "", "responses", raw)))
            case _:
                kind = draw(st.sampled_from(CALLS[:-1]))
                name = draw(names) if kind in ("function", "custom") else kind
                space = draw(st.none() | names) if kind in ("function", "custom") else None
                status = None if kind in ("function", "custom") else "completed"
                made = ToolCall(f"call_{index}_{n}", name, draw(arguments(kind)), kind, space, status=status)
                blocks.append(made)
                results.append(draw(result(made)))
    return Message("assistant", tuple(blocks)), Message("tool", tuple(results)) if results else None


@st.composite
def result(draw: st.DrawFn, call: ToolCall) -> ToolResult:
    if call.kind == "shell":
        return ToolResult(call.id, (Text('[{"stdout":"a","stderr":""}]'),), kind="shell")
    if call.kind in ("local_shell", "apply_patch"):
        failed = call.kind == "apply_patch" and draw(st.booleans())
        item_id = call.id if call.kind == "local_shell" else None
        return ToolResult(call.id, (Text(draw(words)),), failed, call.kind, was_text=True, item_id=item_id)
    if draw(st.booleans()):
        return ToolResult(call.id, (Text(draw(words)),), kind=call.kind, was_text=True)
    return ToolResult(call.id, tuple(draw(st.lists(words.map(Text) | media(), max_size=2))), kind=call.kind)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message("system", (Text(draw(words)),)))
    for n in range(draw(st.integers(0, 3))):
        role = draw(st.sampled_from(["user", "developer", "user"]))
        messages.append(Message(role, tuple(draw(st.lists(words.map(Text) | media(), min_size=1, max_size=2)))))
        said, answered = draw(turn(n))
        messages += [said] if answered is None else [said, answered]
    messages.append(Message("user", (Text(draw(words)),)))
    declared = {(t.kind if t.kind in CALLS[2:] else "", *t.key): t for t in draw(st.lists(tools(), max_size=4))}
    listed = _spaces(list(declared.values()))
    choices: list[ToolChoice | None] = [None, *(ToolChoice(m) for m in ("auto", "none", "required"))]  # type: ignore[arg-type]
    for tool in listed:
        named = ToolRef(tool.name, tool.kind, tool.namespace)
        choices += [ToolChoice("named", named), ToolChoice("allowed", allowed=(named,), required=True)]
    effort = draw(st.none() | st.sampled_from(EFFORTS))
    asked = ReasoningAsk(True, effort, summary=draw(st.none() | st.just("auto")), context=None)
    form = draw(st.none() | st.just(ResponseFormat("json_object")) | st.just(ResponseFormat("text")))
    schema = ResponseFormat("json_schema", "n", Raw(b'{"type":"object"}'), draw(st.none() | st.booleans()))
    return Request(
        "up",
        tuple(messages),
        "responses",
        draw(st.booleans()),
        listed,
        draw(st.sampled_from(choices)),
        draw(st.none() | st.booleans()),
        draw(st.none() | st.integers(1, 9999)),
        draw(st.none() | st.floats(0, 2)),
        draw(st.none() | st.floats(0, 1)),
        (),
        draw(st.sampled_from([ReasoningAsk(), asked])),
        draw(st.sampled_from([form, schema])),
        draw(st.none() | st.booleans()),
        draw(st.none() | names),
        False,
        draw(st.dictionaries(st.sampled_from(["prompt", "metadata", "verbosity", "reasoning.mode"]), raws))
        if asked
        else {},
        draw(st.dictionaries(st.sampled_from(["warp", "seed"]), raws)),
    )


def _spaces(listed: list[Tool]) -> tuple[Tool, ...]:
    """Neighbours of one namespace share its description: they stand in one declaration."""
    out: list[Tool] = []
    for tool in listed:
        if out and tool.namespace is not None and tool.namespace == out[-1].namespace:
            tool = msgspec.structs.replace(tool, namespace_description=out[-1].namespace_description)
        out.append(tool)
    return tuple(out)


def plain(request: Request) -> Request:
    """Without what cannot be said: the mode of reasoning that was not asked for."""
    params = dict(request.params)
    if not request.reasoning.asked:
        params.pop("reasoning.mode", None)
    if "metadata" in params:
        params["metadata"] = Raw(b"{}")
    return msgspec.structs.replace(request, params=params, body=None)


@settings(deadline=None, max_examples=300)
@given(requests())
def test_what_is_written_reads_back(request: Request) -> None:
    request = plain(request)
    read, _ = decode_request(encode_request(request, Shape.full("up")))
    assert plain(read) == request


@pytest.mark.parametrize("name", CODEX)
def test_requests_of_codex_round_trip(name: str) -> None:
    """Ids that another server issued, and statuses, are not sent on; all else is."""

    def bare(request: Request) -> Request:
        def block(b: Block) -> Block:
            if isinstance(b, ToolCall):
                return msgspec.structs.replace(b, item_id=None, status=None)
            if isinstance(b, ToolResult):
                return msgspec.structs.replace(b, item_id=None)
            if isinstance(b, Compaction):
                return Compaction(b.blob)
            if isinstance(b, Reasoning):
                return msgspec.structs.replace(b, state=None)
            return b

        messages = tuple(msgspec.structs.replace(m, content=tuple(map(block, m.content))) for m in request.messages)
        tools = tuple(
            msgspec.structs.replace(t, options=None if t.kind == "function" else t.options) for t in request.tools
        )
        return msgspec.structs.replace(request, messages=messages, tools=tools, body=None, compaction=False)

    request, _ = decode_request((GOLDEN / "codex" / f"{name}.json").read_bytes())
    read, _ = decode_request(encode_request(request, Shape.full(request.model)))
    assert bare(read) == bare(request)
    twice, _ = decode_request(encode_request(read, Shape.full(request.model)))
    assert bare(twice) == bare(read)


def test_nothing_is_written_as_null() -> None:
    for request in (ask()[0], ask(instructions=None, tools=None, reasoning=None, text=None, store=None)[0]):
        body = encode_request(request, Shape("up"))
        assert b"null" not in body
        assert json.loads(body).keys() == {"model", "input"}


def test_the_plan_decides_on_thinking() -> None:
    request = ask(reasoning={"effort": "high", "summary": "auto", "mode": "pro"})[0]
    profile = Profile(reasoning_asks=frozenset({"summary"}))

    def thinking(thinking: Thinking) -> object:
        return upstream(request, Shape("up", profile, thinking)).get("reasoning")

    assert thinking(Thinking("unset")) is None
    assert thinking(Thinking("off")) == {"effort": "none"}
    assert thinking(Thinking("on", "low")) == {"effort": "low", "summary": "auto", "mode": "pro"}
    assert thinking(Thinking("on")) == {"summary": "auto", "mode": "pro"}


def test_a_vendors_own_reasoning_goes_back_as_it_came() -> None:
    item = b'{"id":"rs_1",  "type":"reasoning","summary":[],"encrypted_content":"gAAA"}'
    state = ProviderState("v", "f", "responses", Raw(item))
    request = Request("m", (Message("assistant", (Reasoning("", "opaque", state=state),)),), "responses")
    assert item in encode_request(request, Shape("up"))


def test_seals_and_signatures_never_go_upstream() -> None:
    block = Reasoning("think", seal="dgm1.secret", signature="sig-secret", turn="t")
    body = encode_request(Request("m", (Message("assistant", (block,)),), "responses"), Shape("up"))
    assert b"secret" not in body and b"think" in body
    alone = Request("m", (Message("assistant", (Reasoning("", "opaque", seal="dgm1.secret"),)),), "responses")
    assert upstream(alone, Shape("up"))["input"] == []


def test_hosted_history_goes_only_where_hosted_tools_are_taken() -> None:
    request = items({"role": "user", "content": "u"}, {"type": "web_search_call", "id": "ws", "status": "completed"})
    assert len(upstream(request)["input"]) == 2
    assert len(upstream(request, Shape("up"))["input"]) == 1


def test_found_tools_stand_in_the_search_output_again() -> None:
    name = "0.169.0_tool_search"
    body = json.loads((GOLDEN / "codex" / f"{name}.json").read_bytes())
    again = upstream(decode_request(json.dumps(body).encode())[0])
    assert [t.get("name", t["type"]) for t in again["tools"]] == ["exec_command", "tool_search", "web_search"]
    found = next(i for i in again["input"] if i["type"] == "tool_search_output")
    assert found["tools"][0]["name"] == "multi_agent_v1" and found["tools"][0]["tools"][0]["name"] == "spawn_agent"


# A server that takes only what its page lists

STRICT = Profile(
    custom_tools=True, namespaces=True, loose_messages=True, reasoning_items="text", audio_data_url=True,
    media_in_tool_results=True,
)  # fmt: skip


def strict(*messages: Message, **more: Any) -> list[dict[str, Any]]:
    """The items that such a server is sent."""
    sent: list[dict[str, Any]] = upstream(Request("m", messages, "responses", **more), Shape("up", STRICT))["input"]
    return sent


def test_an_answer_is_said_again_without_id_and_status() -> None:
    phase = ProviderState("", "", "responses", Raw(b'{"phase":"commentary"}'))
    said = Message("assistant", (Text("a", annotations=(Raw(b"{}"),)), Text("b"), Text("c", state=phase)))
    assert strict(said) == [{"role": "assistant", "content": "ab"}, {"role": "assistant", "content": "c"}]


@pytest.mark.req(78)
def test_thinking_goes_back_in_the_documented_fields() -> None:
    parts = b'[{"type": "reasoning_text","text":"a"},{"type":"reasoning_text","text":"b"}]'
    item = b'{"id":"rs_7","type":"reasoning","status":"completed","summary":[],"content":%b}' % parts
    own = Reasoning("ab", state=ProviderState("v", "f", "responses", Raw(item)))
    body = encode_request(Request("m", (Message("assistant", (own, Text("x"))),), "responses"), Shape("up", STRICT))
    assert b'{"type":"reasoning","id":"rs_7","content":%b}' % parts in body


def test_thinking_without_an_id_of_the_vendor_gets_one_that_stays() -> None:
    turns = (Message("assistant", (Reasoning("why", item_id="rs_ours"), ToolCall("c1", "f", "{}"))),)
    later = (*turns, Message("assistant", (Reasoning("why"), Text("x"))))
    first, second = strict(*turns), strict(*later)
    assert second[: len(first)] == first
    ids = [i["id"] for i in second if i.get("type") == "reasoning"]
    assert len(set(ids)) == 2 and "rs_ours" not in ids and all(id.startswith("rs_") for id in ids)
    changed = Reasoning("edited", state=ProviderState("v", "f", "responses", Raw(b'{"id":"rs_7","content":[]}')))
    assert strict(Message("assistant", (changed,))) == [
        {"type": "reasoning", "id": "rs_7", "content": [{"type": "reasoning_text", "text": "edited"}]}
    ]
    assert strict(Message("assistant", (Reasoning("", "opaque"), Text("x")))) == [{"role": "assistant", "content": "x"}]


def as_items(form: Any, *blocks: Any) -> list[dict[str, Any]]:
    """An assistant's blocks for a server that wants its thinking back in this form."""
    profile = Profile(loose_messages=True, reasoning_items=form)
    sent: list[dict[str, Any]] = upstream(
        Request("m", (Message("assistant", blocks),), "responses"), Shape("up", profile)
    )["input"]
    return sent


@pytest.mark.req(78)
def test_thinking_goes_back_as_the_summary_that_it_came_as() -> None:
    parts = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    raw = Raw(json.dumps({"id": "rs_7", "type": "reasoning", "status": "completed", "summary": parts}).encode())
    own = Reasoning("a\n\nb", summary=True, state=ProviderState("v", "f", "responses", raw))
    assert as_items("summary", own) == [{"type": "reasoning", "id": "rs_7", "summary": parts}]
    (changed,) = as_items("summary", Reasoning("c", summary=True, state=own.state))
    assert changed == {"type": "reasoning", "id": "rs_7", "summary": [{"type": "summary_text", "text": "c"}]}
    (plain,) = as_items("summary", Reasoning("why"))
    assert set(plain) == {"type", "id", "summary"} and plain["summary"] == [{"type": "summary_text", "text": "why"}]


@pytest.mark.req(78)
def test_thinking_goes_back_as_content_beside_a_summary() -> None:
    content, summary = [{"type": "reasoning_text", "text": "all of it"}], [{"type": "summary_text", "text": "short"}]
    raw = Raw(json.dumps({"id": "x_rs", "type": "reasoning", "summary": summary, "content": content}).encode())
    state = ProviderState("v", "f", "responses", raw)
    whole = {"type": "reasoning", "id": "x_rs", "content": content, "summary": summary}
    assert as_items("both", Reasoning("all of it", state=state)) == [whole]
    assert as_items("both", Reasoning("short", summary=True, state=state)) == [whole]
    (changed,) = as_items("both", Reasoning("other", state=state))
    assert (changed["content"][0]["text"], changed["summary"]) == ("other", [])
    # What a client kept of another protocol's answer, or of a summary, is content here.
    for block in (Reasoning("why"), Reasoning("why", summary=True)):
        (plain,) = as_items("both", block)
        assert (plain["content"], plain["summary"]) == ([{"type": "reasoning_text", "text": "why"}], [])


def test_a_blank_result_is_told_in_words_where_blank_is_an_error() -> None:
    history = (
        Message("assistant", (ToolCall("c1", "f", "{}"),)),
        Message("tool", (ToolResult("c1", (Text(" "),), was_text=True),)),
    )
    for needs, told in ((True, "(no output)"), (False, " ")):
        sent = upstream(Request("m", history, "responses"), Shape("up", Profile(needs_content=needs)))["input"]
        assert sent[-1]["output"] == told


def test_media_have_no_details_there() -> None:
    options = Raw(b'{"fps":2,"media_resolution":"max","cache":1}')
    image = Media("image", url="https://e.org/a.png", detail="high", options=Raw(b'{"fps":2}'))
    user = Message("user", (image, Media("audio", data="QQ==", media_type="audio/mp3"),
                            Media("video", url="https://e.org/v.mp4", options=options)))  # fmt: skip
    assert strict(user)[0]["content"] == [
        {"type": "input_image", "image_url": "https://e.org/a.png"},
        {"type": "input_audio", "audio_url": "data:audio/mp3;base64,QQ=="},
        {"type": "input_video", "video_url": "https://e.org/v.mp4", "fps": 2, "media_resolution": "max"},
    ]


def test_a_named_speaker_is_not_lost_where_messages_have_no_names() -> None:
    named = Message("user", (Text("hi"),), "scout")
    assert strict(named)[0] == {
        "type": "message", "role": "user",
        "content": [{"type": "input_text", "text": "From scout:"}, {"type": "input_text", "text": "hi"}],
    }  # fmt: skip


def test_instructions_alone_are_still_an_input() -> None:
    sent = upstream(Request("m", (Message("system", (Text("S"),)),), "responses"), Shape("up", STRICT))
    assert sent == {"model": "up", "input": [{"role": "system", "content": "S"}]}


def test_encrypted_thinking_is_asked_for_and_not_kept_there() -> None:
    profile = Profile(encrypted_reasoning=True)
    request = Request("m", (Message("user", (Text("hi"),)),), "responses", params={"include": Raw(b'["a"]')})
    sent = upstream(request, Shape("up", profile))
    assert (sent["store"], sent["include"]) == (False, ["a", "reasoning.encrypted_content"])
