"""Zhipu's Responses endpoint: an address of its own, efforts by family, kept answers for those who ask, no `[DONE]`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.simulator.vendors.zhipu import ZHIPU
from tests.simulator.vendors.items import (
    CALL,
    GROUP,
    IMAGE,
    PATCH,
    PATCH_RESULT,
    PATCHED,
    REPLAY,
    RESULT,
    SEARCH,
    TEXT,
    TOOL,
    UNSUPPORTED,
    USER,
    ask,
    asked,
    events,
    loop,
    read,
    refused,
    responding,
    rules,
    said,
)

GLM = "glm-5.2"
THOUGHT = {"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "r"}]}


@pytest.mark.parametrize("field", sorted(set(UNSUPPORTED) - {"store", "previous_response_id"}))
def test_a_field_that_is_not_listed_is_refused(field: str) -> None:
    error = refused(ZHIPU, GLM, asked(**{field: UNSUPPORTED[field]}))
    assert (error.rule, error.field, ZHIPU.told(error, "responses").code) == ("unknown_field", field, "1210")


BAD = [
    ("hot", asked(temperature=1.1), "field_range", "1210"),
    ("top_p zero", asked(top_p=0), "field_range", "1210"),
    ("effort", asked(reasoning={"effort": "ultra"}), "field_value", "1210"),
    ("summary", asked(reasoning={"effort": "low", "summary": "auto"}), "unknown_field", "1210"),
    ("schema", asked(text={"format": {"type": "json_schema"}}), "field_value", "1210"),
    ("forced", asked(tools=[TOOL], tool_choice="required"), "field_value", "1210"),
    ("function without parameters", asked(tools=[{"type": "function", "name": "f"}]), "field_missing", "1210"),
    ("local shell", asked(tools=[{"type": "local_shell"}]), "tool_type", "1212"),
    ("group in a group", asked(tools=[{**GROUP, "tools": [GROUP]}]), "tool_type", "1212"),
    ("tool twice", asked(tools=[TOOL, TOOL]), "tool_twice", "1210"),
    ("thought with a summary", asked(USER, {**THOUGHT, "summary": []}), "unknown_field", "1214"),
    ("sealed thought", asked(USER, {**THOUGHT, "encrypted_content": "x"}), "unknown_field", "1214"),
    ("thought without content", asked(USER, {"type": "reasoning", "id": "r"}), "field_missing", "1214"),
    ("parts in a result", asked(USER, CALL, {**RESULT, "output": [TEXT]}), "field_type", "1214"),
    ("unanswered", asked(USER, CALL), "call_unanswered", "1214"),
    ("orphan", asked(USER, RESULT), "result_orphan", "1214"),
    ("reference", asked(USER, {"type": "item_reference", "id": "rs_1"}), "item_type", "1214"),
    ("film", asked(said([{"type": "input_video", "video_url": "x"}, TEXT])), "part_type", "1214"),
    ("an answer that is not there", asked(previous_response_id="resp_x"), "previous_response_not_found", "1210"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule", "code"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused_with_a_code_as_a_string(body: dict[str, Any], rule: str, code: str) -> None:
    error = refused(ZHIPU, GLM, body)
    assert error.rule == rule
    failure = ZHIPU.told(error, "responses")
    assert failure.status == 400
    assert json.loads(ZHIPU.body(failure, "responses", "r"))["error"]["code"] == code


FILE = {"type": "input_file", "file_url": "https://example.org/a.pdf"}
GOOD = [
    ("a text", asked() | {"input": "hi"}, 1),
    ("everything", asked(instructions="I", max_output_tokens=1, temperature=0, top_p=0.01, stream=True,
                         reasoning={"effort": "max"}, tools=[TOOL, PATCH, GROUP, SEARCH], tool_choice="none",
                         text={"format": {"type": "json_object"}}, store=True), 1),
    ("loop", asked(USER, THOUGHT, REPLAY, CALL, PATCHED, RESULT, PATCH_RESULT), 4),
    ("freeform call of a group", asked(USER, {**PATCHED, "name": "any", "namespace": "files"}, PATCH_RESULT), 3),
    ("all roles", asked(said("x", "system"), said("x", "developer"), USER, said("x", "assistant"), USER), 5),
    ("a file", asked(said([FILE, TEXT])), 1),
]  # fmt: skip


@pytest.mark.parametrize(("body", "turns"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any], turns: int) -> None:
    assert len(read(ZHIPU, GLM, body).said) == turns


@pytest.mark.parametrize(
    ("model", "taken", "refused_words"),
    [
        ("glm-5.3", ["low", "high", "max"], ["none", "minimal", "medium", "xhigh"]),
        ("glm-5.2", ["none", "minimal", "low", "medium", "high", "xhigh", "max"], ["ultra"]),
        ("glm-4.7", [], ["none", "high"]),
    ],
)
def test_efforts_by_family(model: str, taken: list[str], refused_words: list[str]) -> None:
    for word in taken:
        off = word in ("none", "minimal")
        assert read(ZHIPU, model, asked(reasoning={"effort": word})).thinking is not off
    for word in refused_words:
        refused(ZHIPU, model, asked(reasoning={"effort": word}))
    assert read(ZHIPU, model, asked()).thinking


def test_media_by_model() -> None:
    assert read(ZHIPU, "glm-5.3-flash", asked(said([IMAGE]))).said
    assert refused(ZHIPU, GLM, asked(said([IMAGE, TEXT]))).rule == "no_media"


async def test_a_stream_ends_with_its_last_event_and_counts_no_sum() -> None:
    async with responding("zhipu") as client:
        got = await ask(client, "[sim:say=hello]", stream=True)
        assert "[DONE]" not in got.records
        found = events(got)
        last = found[-1]
        assert (last["type"], last["response"]["status"]) == ("response.completed", "completed")
        assert set(last["response"]["usage"]) == {
            "input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details",
        }  # fmt: skip
        assert any(e["type"] == "response.reasoning_text.delta" for e in found)


async def test_answers_are_kept_for_those_who_ask() -> None:
    async with responding("zhipu") as client:
        base = client.sim.url + "/api/v1/responses/"
        plain = (await ask(client, "Say hello.")).json
        assert (await ask(client, "And?", previous_response_id=plain["id"])).status == 400
        kept = (await ask(client, "Say hello.", store=True)).json
        more = (await ask(client, "And?", previous_response_id=kept["id"], store=True)).json
        async with client.session.get(base + kept["id"], headers=client.headers) as answer:
            assert (await answer.json()) == kept
        async with client.session.get(base + more["id"] + "/input_items", headers=client.headers) as answer:
            listed = await answer.json()
        assert listed["data"][0]["content"] == "And?"
        assert [item["role"] for item in listed["data"] if "role" in item] == ["user", "assistant", "user"]
        async with client.session.post(base + kept["id"] + "/cancel", headers=client.headers) as answer:
            assert answer.status == 404
        async with client.session.delete(base + kept["id"], headers=client.headers) as answer:
            assert (await answer.json())["deleted"] is True
        async with client.session.get(base + kept["id"], headers=client.headers) as answer:
            assert answer.status == 404
        assert client.sim.verdict().reasoning_checked == 1


async def test_the_open_loop_wants_its_reasoning_and_gets_no_error() -> None:
    async with responding("zhipu") as client:
        turns = await loop(client)
        assert (await ask(client, turns)).status == 200
        assert (client.sim.verdict().ok, client.sim.verdict().reasoning_checked) == (True, 1)
        assert (await ask(client, [turns[0], *turns[2:]])).status == 200
        assert rules(client) == ["reasoning_dropped"]


async def test_errors_and_ends() -> None:
    async with responding("zhipu") as client:
        got = await ask(client, "hi [sim:fault=quota]")
        assert (got.status, got.json["error"]["code"]) == (429, "1308")
        failed = events(await ask(client, "hi [sim:fault=failed]", stream=True))[-1]
        assert (failed["type"], failed["response"]["error"]["code"]) == ("response.failed", "1234")
        cut = (await ask(client, "hi [sim:fault=content_filter]")).json
        assert cut["incomplete_details"] == {"reason": "content_filter"}
