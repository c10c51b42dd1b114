"""What odd Chat upstreams send, as the clients of all three endpoints see it, streamed and whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, Read, read
from tests.e2e.scripted import Scripted
from tests.e2e.world import call, chunk, message, sse, usage_chunk

pytestmark = pytest.mark.parametrize("endpoint", ENDPOINTS)
STOP = [chunk("stop"), usage_chunk()]
CALLED = [chunk("tool_calls"), usage_chunk()]
WHOLE_CALL = {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.fixture
def at(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path)


def stream(*deltas: dict[str, Any]) -> bytes:
    return sse(*(chunk(**delta) for delta in deltas), *STOP)


# -- bytes and events


THOUGHT = [chunk(role="assistant", content=""), chunk(reasoning_content="nach🎉"), chunk(content="dénk🎉\n")]
TALK = sse(*THOUGHT, chunk(**call(arguments='{"a":1}')), *CALLED)


def check_talk(got: Read) -> None:
    assert (got.reasoning, got.text, got.end, got.usage) == ("nach🎉", "dénk🎉\n", "completed", (3, 2, 1))
    assert [(c.id, c.name, c.arguments) for c in got.calls] == [("call_a", "f", '{"a":1}')]


@pytest.mark.req(21)
async def test_letters_and_events_cut_anywhere(at: Scripted, endpoint: str) -> None:
    raw = TALK.decode().encode().replace(b"\\u00e9", "é".encode()).replace(b"\\ud83c\\udf89", "🎉".encode())
    assert "🎉".encode() in raw
    for size in (1, 2, 3, 7):
        got = await at.got(endpoint, [raw[i : i + size] for i in range(0, len(raw), size)])
        assert "�".encode() not in got.body
        assert got.body.count("🎉".encode()) >= 2
    check_talk(await at.read(endpoint, [raw[i : i + 1] for i in range(len(raw))]))


@pytest.mark.req(22)
async def test_every_way_to_write_an_event(at: Scripted, endpoint: str) -> None:
    laid_out = b"".join(
        b"".join(b"data: " + line.encode() + b"\n" for line in json.dumps(item, indent=1).splitlines()) + b"\n"
        for item in (*THOUGHT, chunk(**call(arguments='{"a":1}')), *CALLED)
    )
    for data in (
        TALK.replace(b"\n", b"\r\n"),
        TALK.replace(b"data: ", b"data:"),
        b": hello\n\n" + TALK.replace(b"\n\n", b"\n\n: alive\n\n"),
        TALK.replace(b"data: [DONE]\n\n", b"data: [DONE]"),
        TALK.replace(b"\n\ndata: [DONE]\n\n", b""),
        laid_out + b"data: [DONE]\n\n",
        laid_out.replace(b"\n", b"\r\n"),
    ):
        check_talk(await at.read(endpoint, data))
        check_talk(await at.read(endpoint, [data[i : i + 5] for i in range(0, len(data), 5)]))


@pytest.mark.req(23)
async def test_an_error_in_the_stream_is_told(at: Scripted, endpoint: str) -> None:
    error = {"error": {"message": "upstream exploded", "code": "rate_limit_exceeded"}}
    part = chunk(content="part")
    for data in (
        sse(part, error, *STOP),
        sse(part, done=False) + b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n",
        sse(part, {"object": "error", **error["error"]}),
    ):
        got = await at.got(endpoint, data)
        last = got.events[-1]
        said = last["response"]["error"] if endpoint == "responses" else last["error"]
        assert "upstream exploded" in said["message"]
        assert "rate_limit" in f"{said.get('code')} {said.get('type')}", said


@pytest.mark.req(24)
async def test_a_refusal_inside_a_200(at: Scripted, endpoint: str) -> None:
    refused = {"base_resp": {"status_code": 1026, "status_msg": "input is sensitive"}}
    for said in (sse(refused), sse(chunk(content="part"), {**chunk("stop"), **refused}), {**message("x"), **refused}):
        got = await at.read(endpoint, said)
        assert got.end == "failed" and "input is sensitive" in got.error
    fine = await at.read(endpoint, {**message("x"), "base_resp": {"status_code": 0, "status_msg": ""}})
    assert (fine.text, fine.end) == ("x", "completed")


@pytest.mark.req(25)
async def test_a_malformed_event(at: Scripted, endpoint: str) -> None:
    outside = await at.got(endpoint, sse(chunk(content="a"), "{oops", chunk(content="b"), *STOP))
    assert b"event_skipped" in outside.body
    seen = await at.read(endpoint, sse(chunk(content="a"), "{oops", chunk(content="b"), *STOP))
    assert (seen.text, seen.end) == ("ab", "completed")
    fragments = [chunk(**call(arguments='{"a":')), "{oops", chunk(**call(id=None, name=None, arguments="1}"))]
    inside = await at.read(endpoint, sse(*fragments, *CALLED))
    assert inside.end == "failed" and not any(c.complete for c in inside.calls)
    many = await at.read(endpoint, sse(chunk(content="a"), *["{oops"] * 6, *STOP))
    assert (many.text, many.end) == ("a", "failed")


@pytest.mark.req(26)
async def test_unknown_fields_and_wrong_types(at: Scripted, endpoint: str) -> None:
    novel = {**chunk(content="a", novel=[1]), "obfuscation": "zz", "service": {"x": 1}}
    novel["choices"][0]["novel"] = True
    odd = [
        chunk(reasoning_content="R", content="b", refusal=7),
        {**chunk(content="c"), "created": "soon", "model": 5},
        chunk(content="d", tool_calls="none"),
        chunk(content="e", annotations={"x": 1}),
        chunk(**call(arguments={"a": 1})),  # type: ignore[arg-type]
    ]
    got = await at.read(endpoint, sse(novel, {"type": "novel"}, *odd, *CALLED))
    assert (got.text, got.reasoning, got.end) == ("abcde", "R", "completed")
    assert [(c.name, json.loads(c.arguments)) for c in got.calls] == [("f", {"a": 1})]
    whole = {**message("b", novel=1, reasoning_content="R", refusal=7), "created": "soon", "obfuscation": "z"}
    got = await at.read(endpoint, whole)
    assert (got.text, got.reasoning, got.end) == ("b", "R", "completed")


# -- ends


@pytest.mark.req(17)
async def test_ends_that_are_no_normal_end(at: Scripted, endpoint: str) -> None:
    for finish, end in (
        ("network_error", "failed"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
        ("sensitive", "content_filter"),
    ):
        for said in (sse(chunk(content="part"), chunk(finish), usage_chunk()), message("part", finish)):
            got = await at.read(endpoint, said)
            assert got.end == end, finish
            assert got.error or end != "failed"
    refused = await at.read(endpoint, sse(chunk(refusal="I will not."), *STOP))
    assert refused.end == "content_filter"


@pytest.mark.req(16, 18)
@pytest.mark.case("C06")
async def test_a_stream_that_just_stops_is_failed(at: Scripted, endpoint: str) -> None:
    for data in (
        sse(chunk(content="part")),
        sse(chunk(content="part"), done=False),
        sse(chunk(content="part"), usage_chunk()),
    ):
        got = await at.read(endpoint, data)
        assert (got.text, got.end) == ("part", "failed")
        assert "finish" in got.error or "done" in got.error


# -- reasoning


async def check(at: Scripted, endpoint: str, reasoning: str, text: str, *deltas: dict[str, Any], **whole: Any) -> None:
    """The deltas as a stream and, where they are one, as a whole answer."""
    said: list[Any] = [stream(*deltas)]
    if len(deltas) == 1:
        said.append(message(deltas[0].get("content", ""), **{k: v for k, v in deltas[0].items() if k != "content"}))
    for one in said:
        got = await at.read(endpoint, one)
        assert (got.reasoning, got.text, got.end) == (reasoning, text, "completed"), one
        assert got.order in ([], ["reasoning", "message"], ["thinking", "text"], ["message"], ["text"])


def details(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "reasoning.text", "index": 0, "text": text, **more}]


@pytest.mark.req(42, 43, 48)
async def test_the_fields_of_reasoning(at: Scripted, endpoint: str) -> None:
    for delta, reasoning in (
        ({"reasoning_content": "a", "reasoning": "b", "reasoning_text": "c"}, "a"),
        ({"reasoning_content": "", "reasoning": "b", "reasoning_text": "c"}, "b"),
        ({"reasoning": "", "reasoning_text": "c"}, "c"),
        ({"reasoning_details": details("d"), "reasoning_content": "d"}, "d"),
        ({"reasoning_details": details(""), "reasoning_content": "a"}, "a"),
        ({"reasoning_details": details("d")[0]}, "d"),
        ({"reasoning_details": "d"}, "d"),
        ({"reasoning_details": None, "reasoning_content": "a"}, "a"),
        ({"reasoning_details": 7, "reasoning_content": "a"}, "a"),
    ):
        await check(at, endpoint, reasoning, "T", {**delta, "content": "T"})


@pytest.mark.req(45, 46)
async def test_snapshots_and_pieces(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path, '[providers.xiaomi.profile]\ncumulative_reasoning = "detect"\n')

    def every(*values: str) -> list[tuple[str, list[dict[str, Any]]]]:
        return [
            ("reasoning", [{"reasoning_content": v} for v in values]),
            ("reasoning", [{"reasoning_details": details(v)} for v in values]),
            ("text", [{"content": v} for v in values]),
        ]

    for values, whole in ((("The", "The user", "The user asks"), "The user asks"), (("ha", "haha", "!"), "hahaha!"),
                          (("a", "ab"), "aab")):  # fmt: skip
        for where, deltas in every(*values):
            reasoning, text = (whole, "T") if where == "reasoning" else ("", whole)
            await check(at, endpoint, reasoning, text, *deltas, *([{"content": "T"}] if where == "reasoning" else []))


@pytest.mark.req(45, 46)
@pytest.mark.parametrize(("flag", "whole"), [("always", "ab"), ("detect", "aab"), ("never", "aab")])
async def test_the_flag_of_a_vendor_that_is_known_to_repeat(
    tmp_path: Path, endpoint: str, flag: str, whole: str
) -> None:
    at = Scripted(tmp_path, f'[providers.xiaomi.profile]\ncumulative_reasoning = "{flag}"\n')
    await check(at, endpoint, whole, "T", {"reasoning_content": "a"}, {"reasoning_content": "ab"}, {"content": "T"})
    three = "abc" if flag != "never" else "aababc"
    pieces = [{"reasoning_content": text} for text in ("a", "ab", "abc")]
    await check(at, endpoint, three, "T", *pieces, {"content": "T"})


@pytest.mark.req(47)
async def test_thinking_that_comes_inline_and_in_a_field_appears_once(tmp_path: Path, endpoint: str) -> None:
    at = Scripted(tmp_path, "[providers.xiaomi.profile]\nthink_tags = true\n")
    await check(at, endpoint, "because", "T", {"reasoning_content": "because", "content": "<think>because</think>T"})
    await check(
        at, endpoint, "because", "T",
        {"reasoning_content": "bec", "content": "<think>bec"}, {"reasoning_content": "ause", "content": "ause</thi"},
        {"content": "nk>\n\nT"},
    )  # fmt: skip


@pytest.mark.req(49)
async def test_the_order_within_one_chunk(at: Scripted, endpoint: str) -> None:
    both = chunk(content="SAID", reasoning_content="THOUGHT")
    got = await at.got(endpoint, sse(both, *STOP))
    assert 0 < got.body.index(b"THOUGHT") < got.body.index(b"SAID")
    later = chunk(content="SAID", reasoning_content="THOUGHT", **call(id=None, name=None, arguments=":12345}"))
    got = await at.got(endpoint, sse(chunk(**call(arguments='{"a"')), later, *CALLED))
    assert 0 < got.body.index(b":12345}") < got.body.index(b"THOUGHT") < got.body.index(b"SAID")


# -- calls


@pytest.mark.req(50, 51, 53)
async def test_fragments_find_their_call(at: Scripted, endpoint: str) -> None:
    a, b = ("call_a", "f", '{"a":1}'), ("call_b", "g", '{"a":2}')
    for chunks, wanted in (
        (  # by index, whatever the id says
            [call(0, "call_a", "f", '{"a"'), call(1, "call_b", "g", '{"a"'), call(0, "call_b", None, ":1}"), call(1, "", "", ":2}")],
            [a, b],
        ),
        (  # by id, where there is no index
            [call(None, "call_a", "f", '{"a"'), call(None, "call_b", "g", '{"a"'), call(None, "call_a", None, ":1}"), call(None, "call_b", None, ":2}")],
            [a, b],
        ),
        ([call(None, "call_a", "f", '{"a"'), call(None, None, None, ":1}")], [a]),  # the last open call
        ([call(None, None, None, ":1}"), call(0, "call_a", "f", '{"a":1}')], [a]),  # nobody's fragment
    ):  # fmt: skip
        got = await at.read(endpoint, sse(*(chunk(**c) for c in chunks), *CALLED))
        assert [(c.id, c.name, c.arguments) for c in got.calls] == wanted
    orphan = await at.got(endpoint, sse(chunk(**call(None, None, None, ":1}")), chunk(content="T"), *STOP))
    assert b"fragment_dropped" in orphan.body


@pytest.mark.req(54)
async def test_arguments_that_do_not_parse_are_never_empty(at: Scripted, endpoint: str) -> None:
    broken = '{"a": oops'
    whole = {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": broken}}
    for said in (sse(chunk(**call(arguments=broken)), *CALLED), message("", "tool_calls", tool_calls=[whole])):
        got = await at.got(endpoint, said)
        if endpoint == "messages" and isinstance(said, bytes):  # the text was sent already, piece by piece
            shown = "".join(e["delta"]["partial_json"] for e in got.events if "partial_json" in e.get("delta", {}))
        elif endpoint == "messages":
            shown = got.json["content"][0]["input"]["raw_arguments"]
        else:
            [made] = read(endpoint, got, stream=isinstance(said, bytes)).calls
            shown = made.arguments
        assert shown == broken


def answered(endpoint: str, seen: Read) -> dict[str, Any]:
    """The next request: the client sends back the calls that it saw, and their results."""
    if endpoint == "responses":
        calls = [
            {"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.arguments} for c in seen.calls
        ]
        outputs = [{"type": "function_call_output", "call_id": c.id, "output": "done"} for c in seen.calls]
        return {"input": [{"role": "user", "content": "hi"}, *calls, *outputs]}
    if endpoint == "chat":
        made = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in seen.calls
        ]
        results = [{"role": "tool", "tool_call_id": c.id, "content": "done"} for c in seen.calls]
        said = {"role": "assistant", "content": None, "tool_calls": made}
        return {"messages": [{"role": "user", "content": "hi"}, said, *results]}
    used = [{"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)} for c in seen.calls]
    results = [{"type": "tool_result", "tool_use_id": c.id, "content": "done"} for c in seen.calls]
    return {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": used},
            {"role": "user", "content": results},
        ]
    }


@pytest.mark.req(52)
async def test_a_made_up_id_is_unique_and_stays(at: Scripted, endpoint: str) -> None:
    nameless = [{"type": "function", "function": {"name": n, "arguments": '{"a":1}'}} for n in ("f", "g")]
    for said in (
        sse(chunk(**call(0, None, "f", '{"a":1}')), chunk(**call(1, "", "g", '{"a":1}')), *CALLED),
        message("", "tool_calls", tool_calls=nameless),
    ):
        seen = await at.read(endpoint, said)
        ids = [c.id for c in seen.calls]
        assert len(set(ids)) == 2 and all(ids)
        for turn in (sse(chunk(content="T"), *STOP), message("T")):
            await at.read(endpoint, turn, **answered(endpoint, seen))
            sent = at.sent[-1]["messages"]
            assert [c["id"] for c in sent[1]["tool_calls"]] == ids
            assert [m["tool_call_id"] for m in sent[2:]] == ids


@pytest.mark.req(14)
async def test_empty_fragments_are_not_shown_and_an_empty_field_is_remembered(at: Scripted, endpoint: str) -> None:
    got = await at.read(endpoint, stream({"content": "", "reasoning_content": ""}, {"content": "T"}, {"content": ""}))
    assert (got.text, got.reasoning, got.end) == ("T", "", "completed")
    assert got.order in ([], ["message"], ["text"])
    for said in (
        sse(chunk(reasoning_content=""), chunk(**call(arguments='{"a":1}')), *CALLED),
        message("", "tool_calls", reasoning_content="", tool_calls=[WHOLE_CALL]),
    ):
        seen = await at.read(endpoint, said)
        assert not seen.reasoning
        await at.read(endpoint, sse(chunk(content="T"), *STOP), **answered(endpoint, seen))
        assert at.sent[-1]["messages"][1]["reasoning_content"] == ""


# -- cases in each protocol's own terms


@pytest.mark.case("C05")
async def test_a_repetition_is_explained(at: Scripted, endpoint: str) -> None:
    for said in (
        sse(chunk(content="part"), chunk("repetition_truncation"), usage_chunk()),
        message("part", "repetition_truncation"),
    ):
        got = await at.got(endpoint, said)
        assert "repetition_cut" in got.notes or b"repetition_cut" in got.body


@pytest.mark.case("D09")
async def test_the_order_of_a_whole_answer(at: Scripted, endpoint: str) -> None:
    body = (await at.got(endpoint, message("T", "tool_calls", reasoning_content="R", tool_calls=[WHOLE_CALL]))).json
    if endpoint == "responses":
        assert [item["type"] for item in body["output"]] == ["reasoning", "message", "function_call"]
    elif endpoint == "messages":
        assert [block["type"] for block in body["content"]] == ["thinking", "text", "tool_use"]
    else:
        said = body["choices"][0]["message"]
        assert (said["reasoning_content"], said["content"], len(said["tool_calls"])) == ("R", "T", 1)


@pytest.mark.case("D01")
async def test_a_call_is_told_in_the_fragments_that_came(at: Scripted, endpoint: str) -> None:
    rest = [chunk(**call(id=None, name=None, arguments=part)) for part in ('{"a"', ":1}")]
    got = await at.got(endpoint, sse(chunk(**call(arguments="")), *rest, *CALLED))
    if endpoint == "responses":
        fragments = [e["delta"] for e in got.events if e["type"] == "response.function_call_arguments.delta"]
        added = next(e["item"] for e in got.events if e["type"] == "response.output_item.added")
        done = next(e for e in got.events if e["type"] == "response.function_call_arguments.done")
        assert (added["arguments"], done["name"], done["arguments"]) == ("", "f", '{"a":1}')
    elif endpoint == "chat":
        calls = [c for e in got.events for choice in e["choices"] for c in choice["delta"].get("tool_calls") or []]
        assert [("id" in c, "name" in c["function"]) for c in calls] == [(True, True), (False, False), (False, False)]
        fragments = [c["function"]["arguments"] for c in calls if c["function"].get("arguments")]
    else:
        fragments = [e["delta"]["partial_json"] for e in got.events if "partial_json" in e.get("delta", {})]
    assert fragments == ['{"a"', ":1}"]


@pytest.mark.case("D07")
async def test_a_finish_of_stop_with_calls_still_asks_for_them(at: Scripted, endpoint: str) -> None:
    streamed = sse(chunk(content="T"), chunk(**call(arguments='{"a":1}')), *STOP)
    for said in (streamed, message("T", "stop", tool_calls=[WHOLE_CALL])):
        got = await at.got(endpoint, said)
        body = {} if said is streamed else got.json
        if endpoint == "responses":
            final = body or got.events[-1]["response"]
            assert (final["status"], final["output"][-1]["type"]) == ("completed", "function_call")
        elif endpoint == "messages":
            ends = [e["delta"]["stop_reason"] for e in got.events if e["type"] == "message_delta"]
            assert (body["stop_reason"] if body else ends[-1]) == "tool_use"
        else:
            choices = body["choices"] if body else [choice for e in got.events for choice in e["choices"]]
            assert choices[-1]["finish_reason"] == "tool_calls"


@pytest.mark.case("B01")
async def test_reasoning_is_told_in_the_pieces_that_came_and_ends_before_the_text(at: Scripted, endpoint: str) -> None:
    got = await at.got(endpoint, stream({"reasoning_content": "th"}, {"reasoning_content": "ink"}, {"content": "ans"}))
    if endpoint == "responses":
        pieces = [e["delta"] for e in got.events if e["type"] == "response.reasoning_text.delta"]
        types = [
            (e["type"].removeprefix("response.output_item."), e["item"]["type"]) for e in got.events if "item" in e
        ]
        assert types == [("added", "reasoning"), ("done", "reasoning"), ("added", "message"), ("done", "message")]
    elif endpoint == "messages":
        pieces = [e["delta"]["thinking"] for e in got.events if "thinking" in e.get("delta", {})]
        edges = [
            (e["type"], e["index"]) for e in got.events if e["type"] in ("content_block_start", "content_block_stop")
        ]
        assert edges == [(f"content_block_{edge}", index) for index in (0, 1) for edge in ("start", "stop")]
    else:
        deltas = [choice["delta"] for e in got.events for choice in e["choices"]]
        pieces = [d["reasoning_content"] for d in deltas if d.get("reasoning_content")]
        assert [bool(d.get("content")) for d in deltas].index(True) > [
            d.get("reasoning_content") for d in deltas
        ].index("ink")
    assert pieces == ["th", "ink"]


@pytest.mark.req(11, 12, 15)
@pytest.mark.case("C15", "C16", "C17")
async def test_what_was_open_is_closed_and_never_whole(at: Scripted, endpoint: str) -> None:
    text = [chunk(reasoning_content="R"), chunk(content="par"), chunk(content="t")]
    for tail, end in (([], "failed"), ([chunk("length"), usage_chunk()], "length")):
        for chunks in (text, [*text, chunk(**call(arguments='{"a":'))]):
            got = await at.got(endpoint, sse(*chunks, *tail, done=bool(tail)))
            seen = read(endpoint, got, stream=True)
            assert (seen.reasoning, seen.text, seen.end) == ("R", "part", end)
            assert all(not c.complete for c in seen.calls) and len(seen.calls) == len(chunks) - 3
            if endpoint == "responses":
                output = got.events[-1]["response"]["output"]
                assert output[-1]["status"] == "incomplete"
                assert output[-1]["type"] == ("function_call" if seen.calls else "message")
            if endpoint == "messages" and end == "failed":  # a call that is never closed is never run
                stopped = [e["index"] for e in got.events if e["type"] == "content_block_stop"]
                assert stopped == [0, 1]
