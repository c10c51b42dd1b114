"""Structured output on a model that has only JSON mode: checked, repaired once, on all three endpoints."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman import Client, Failed, UpstreamError
from tests.e2e.endpoints import ENDPOINTS, Read, ask, read
from tests.e2e.world import Answer, Got, Upstream, World, call, chunk, message, sse, usage_chunk, world

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}
GOOD, BAD = '{"answer":"x"}', '{"answer":7}'
both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
everywhere = pytest.mark.parametrize("endpoint", ENDPOINTS)


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp=tmp_path) as made:
        yield made


def wanted(endpoint: str, schema: Any = SCHEMA, strict: bool | None = True) -> dict[str, Any]:
    """The field with which each protocol asks for the form."""
    form: dict[str, Any] = {"type": "json_schema", "schema": schema}
    if endpoint == "messages":
        return {"output_config": {"format": form}}
    named = {"name": "n", "schema": schema} | ({} if strict is None else {"strict": strict})
    if endpoint == "responses":
        return {"text": {"format": {"type": "json_schema", **named}}}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def says(stream: bool, *texts: str, finish: str = "stop", reasoning: str = "") -> Answer:
    """The upstream says these pieces."""
    if not stream:
        more = {"reasoning_content": reasoning} if reasoning else {}
        return Answer(json=message("".join(texts), finish, **more))
    thought = [chunk(reasoning_content=reasoning)] if reasoning else []
    return Answer([sse(*thought, *(chunk(content=t) for t in texts), chunk(finish), usage_chunk())])


async def put(w: World, endpoint: str, stream: bool, **more: Any) -> tuple[Got, Read]:
    got = await ask(w, endpoint, stream=stream, **{**wanted(endpoint), **more})
    return got, read(endpoint, got, stream=stream)


@pytest.mark.req(148)
@pytest.mark.case("H02")
@everywhere
@both
@pytest.mark.parametrize(
    "pieces",
    [
        (GOOD,),
        ("\n" + GOOD[:5], GOOD[5:]),
        ("```json\n", GOOD, "\n```"),
        ("```\n" + GOOD + "```",),
        ("```json ", GOOD + "```"),
    ],
)
async def test_an_answer_that_fits_is_given_without_what_stands_around_it(
    w: World, endpoint: str, stream: bool, pieces: tuple[str, ...]
) -> None:
    w.upstream.push(says(stream, *pieces, reasoning="hm"))
    _, said = await put(w, endpoint, stream)
    assert (said.end, said.text, said.reasoning) == ("completed", GOOD, "hm")
    assert len(w.upstream.requests) == 1


@pytest.mark.req(148)
@pytest.mark.case("H03")
@everywhere
@both
@pytest.mark.parametrize("wrong", [BAD, "I think it is x.", '{"answer":', "[]", ""])
async def test_one_that_does_not_is_mended_on_the_same_answer(
    w: World, endpoint: str, stream: bool, wrong: str
) -> None:
    w.upstream.push(says(stream, wrong, reasoning="one"), says(stream, GOOD, reasoning="two"))
    got, said = await put(w, endpoint, stream)
    assert (said.end, said.text) == ("completed", GOOD)
    assert said.reasoning.replace("\n", "") == "onetwo"
    assert said.usage is not None and said.usage[:2] == (6, 4), "usage of both calls"
    first, second = (r["messages"] for r in w.upstream.requests)
    assert second[: len(first)] == first, "the prefix stays"
    assistant, told = second[len(first) :]
    assert assistant["role"] == "assistant"
    assert assistant["content"] == (wrong or "(no answer)")
    assert told["role"] == "user" and "form that was asked for" in told["content"]
    assert w.upstream.requests[1]["response_format"] == {"type": "json_object"}
    if not stream:
        assert "format_repaired" in got.notes


@pytest.mark.req(148)
@pytest.mark.case("H03", "H04")
@everywhere
@both
async def test_one_that_cannot_be_mended_is_a_failure_of_the_upstream(w: World, endpoint: str, stream: bool) -> None:
    w.upstream.push(says(stream, BAD), says(stream, BAD))
    got, said = await put(w, endpoint, stream)
    assert (said.end, said.text) == ("failed", "")
    assert "answer: 7 is not of type 'string'" in said.error
    assert len(w.upstream.requests) == 2
    if not stream:
        assert got.status == 502


@pytest.mark.req(148)
@everywhere
@both
async def test_a_turn_that_calls_tools_is_not_judged(w: World, endpoint: str, stream: bool) -> None:
    if stream:
        w.upstream.push(
            Answer(
                [
                    sse(
                        chunk(content="Let me"),
                        chunk(content=" look."),
                        chunk(**call(arguments="{}")),
                        chunk("tool_calls"),
                    )
                ]
            )
        )
    else:
        made = [{"id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        w.upstream.push(Answer(json=message("Let me look.", "tool_calls", tool_calls=made)))
    _, said = await put(w, endpoint, stream, tools=_tools(endpoint))
    assert (said.end, said.text, [c.name for c in said.calls]) == ("completed", "Let me look.", ["f"])
    assert len(w.upstream.requests) == 1


def _tools(endpoint: str) -> list[dict[str, Any]]:
    bare = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    if endpoint == "chat":
        return [{"type": "function", "function": bare}]
    if endpoint == "responses":
        return [{"type": "function", **bare}]
    return [{"name": "f", "input_schema": bare["parameters"]}]


@pytest.mark.req(148)
@pytest.mark.case("H07")
@everywhere
@both
async def test_a_cut_answer_is_incomplete_and_no_format_error(w: World, endpoint: str, stream: bool) -> None:
    w.upstream.push(says(stream, '{"answer":"lo', finish="length"))
    _, said = await put(w, endpoint, stream)
    assert (said.end, said.text) == ("length", '{"answer":"lo')
    assert len(w.upstream.requests) == 1


@pytest.mark.req(148)
async def test_a_broken_stream_keeps_its_text_and_is_not_repaired(w: World) -> None:
    w.upstream.push(Answer([sse(chunk(content='{"ans'), {"error": {"message": "upstream exploded"}}, done=False)]))
    _, said = await put(w, "responses", True)
    assert (said.end, said.text) == ("failed", '{"ans')
    assert "upstream exploded" in said.error


async def test_a_form_that_is_explicitly_not_strict_is_given_with_a_note(w: World) -> None:
    w.upstream.push(says(False, BAD), says(False, "still wrong"))
    got = await ask(w, "responses", stream=False, **wanted("responses", strict=False))
    assert read("responses", got, stream=False).text == "still wrong"
    assert {"format_repaired", "format_unmet"} <= got.notes
    w.upstream.push(says(False, BAD), says(False, f"```json\n{BAD}\n```"))
    got = await ask(w, "responses", stream=False, **wanted("responses", strict=False))
    assert read("responses", got, stream=False).text == BAD, "still without a fence"


@everywhere
@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "nothing"}, "nothing"),
        ({"$ref": "https://example.com/schema.json"}, "example.com"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "#/$defs/none"),
    ],
)
async def test_a_schema_that_is_none_is_refused_before_the_call(
    w: World, endpoint: str, schema: Any, word: str
) -> None:
    got = await ask(w, endpoint, stream=False, **wanted(endpoint, schema))
    assert got.status == 400
    assert word in got.json["error"]["message"] and "schema" in got.json["error"]["message"]
    assert not w.upstream.requests


async def test_references_inside_the_schema_are_followed(w: World) -> None:
    schema = {"$defs": {"s": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/s"}}, "type": "object"}
    w.upstream.push(says(False, '{"a":1}'), says(False, '{"a":"1"}'))
    got = await ask(w, "responses", stream=False, **wanted("responses", schema))
    assert read("responses", got, stream=False).text == '{"a":"1"}'


async def test_json_mode_is_checked_where_the_wire_has_none(tmp_path: Path) -> None:
    async with world('[providers.xiaomi]\nwire = "messages"\n', tmp=tmp_path, env={"MIMO_BASE_URL": "$UPSTREAM"}) as w:
        whole = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
        whole["usage"] = {"input_tokens": 3, "output_tokens": 2}
        for text in ("It is x.", GOOD):
            w.upstream.push(Answer(json={**whole, "content": [{"type": "text", "text": text}]}))
        got = await ask(w, "chat", stream=False, response_format={"type": "json_object"})
        assert read("chat", got, stream=False).text == GOOD
        assert {"format_degraded", "format_repaired"} <= got.notes


async def test_json_mode_is_not_asked_for_where_the_answer_is_no_object(w: World) -> None:
    w.upstream.push(says(False, "[1]"))
    schema = {"type": "array", "items": {"type": "integer"}}
    got = await ask(w, "chat", stream=False, **wanted("chat", schema))
    assert read("chat", got, stream=False).text == "[1]"
    assert "response_format" not in w.upstream.last


async def test_a_pattern_of_another_language_is_no_reason_to_refuse(w: World) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": r"^\p{L}+$"}}}
    w.upstream.push(says(False, '{"name":"x"}'))
    got = await ask(w, "chat", stream=False, **wanted("chat", schema))
    assert read("chat", got, stream=False).text == '{"name":"x"}'


@pytest.mark.req(148)
async def test_the_library_checks_too() -> None:
    upstream = Upstream()
    port = await upstream.start()
    here = {"xiaomi": f"http://127.0.0.1:{port}/v1"}
    async with Client(api_keys={"xiaomi": "sk-test-1234567890"}, base_urls=here) as client:
        upstream.push(says(False, BAD), says(False, GOOD))
        reply = await client.complete(model="xiaomi/m", messages="hi", schema=SCHEMA)
        assert reply.text == GOOD
        assert "format_repaired" in {n.code for n in reply.notes}
        upstream.push(says(True, BAD), says(True, BAD))
        stream = client.stream(model="xiaomi/m", messages="hi", schema=SCHEMA)
        events = [event async for event in stream]
        assert isinstance(events[-1], Failed)
        upstream.push(says(False, BAD), says(False, BAD))
        with pytest.raises(UpstreamError) as caught:
            await client.complete(model="xiaomi/m", messages="hi", schema=SCHEMA)
        assert caught.value.info.code == "invalid_structured_output"
    await upstream.stop()


@pytest.mark.req(148)
@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_text_in_any_pieces_is_shown_once(w: World, size: int) -> None:
    text = json.dumps({"answer": "é😀" * 20}, ensure_ascii=False)
    w.upstream.push(says(True, *(text[i : i + size] for i in range(0, len(text), size))))
    _, said = await put(w, "chat", True)
    assert said.text == text
