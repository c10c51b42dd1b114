"""Moonshot's Responses endpoint: thinking as a summary, apply_patch as the only freeform tool, nothing kept."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.simulator.vendors.moonshot import MOONSHOT
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

K3 = "kimi-k3"
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "r"}]}


@pytest.mark.parametrize("field", sorted(set(UNSUPPORTED) - {"store", "prompt_cache_key"}))
def test_a_field_that_is_not_listed_is_refused(field: str) -> None:
    error = refused(MOONSHOT, K3, asked(**{field: UNSUPPORTED[field]}))
    assert (error.rule, error.field) == ("unknown_field", field)
    assert MOONSHOT.told(error, "responses").kind == "invalid_request_error"


MARK = {"prompt_cache_breakpoint": {"type": "ephemeral"}}
BAD = [
    ("store", asked(store=True), "field_value"),
    ("store 0", asked(store=0), "field_type"),
    ("temperature", asked(temperature=0.5), "sampling_fixed"),
    ("top_p", asked(top_p=1), "sampling_fixed"),
    ("effort", asked(reasoning={"effort": "medium"}), "field_value"),
    ("off", asked(reasoning={"effort": "none"}), "field_value"),
    ("schema", asked(text={"format": {"type": "json_schema"}}), "field_value"),
    ("json without the word", asked(text={"format": {"type": "json_object"}}), "json_word"),
    ("breakpoint in a part", asked(said([{**TEXT, **MARK}])), "unknown_field"),
    ("breakpoint in a picture", asked(said([{**IMAGE, **MARK}, TEXT])), "unknown_field"),
    ("another custom tool", asked(tools=[{**PATCH, "name": "note"}]), "field_value"),
    ("another custom call", asked(USER, {**PATCHED, "name": "note"}, PATCH_RESULT), "field_value"),
    ("custom in a group", asked(tools=[{**GROUP, "tools": [PATCH]}]), "tool_type"),
    ("name that begins with a digit", asked(tools=[{**TOOL, "name": "3d"}]), "tool_name"),
    ("group that begins with a dash", asked(tools=[{**GROUP, "name": "_x"}]), "tool_name"),
    ("forced", asked(tools=[TOOL], tool_choice="required"), "field_value"),
    ("thought as content", asked(USER, {"type": "reasoning", "id": "r",
                                        "content": [{"type": "reasoning_text", "text": "r"}]}), "unknown_field"),
    ("thought without words", asked(USER, {**THOUGHT, "summary": []}), "field_range"),
    ("parts in a result", asked(USER, CALL, {**RESULT, "output": [TEXT]}), "field_type"),
    ("unanswered", asked(USER, THOUGHT, CALL), "call_unanswered"),
    ("orphan", asked(USER, RESULT), "result_orphan"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused(body: dict[str, Any], rule: str) -> None:
    error = refused(MOONSHOT, K3, body)
    assert error.rule == rule
    failure = MOONSHOT.told(error, "responses")
    assert (failure.status, failure.kind) == (400, "invalid_request_error")


GOOD = [
    ("a text", asked() | {"input": "hi"}, 1),
    ("everything", asked(instructions="I", max_output_tokens=1, temperature=1, top_p=0.95, stream=True, store=False,
                         reasoning={"effort": "max"}, tools=[TOOL, PATCH, GROUP, SEARCH], tool_choice="none",
                         prompt_cache_key="k", text={"format": {"type": "text"}}), 1),
    ("json", asked(said("JSON, please"), text={"format": {"type": "json_object"}}), 1),
    ("loop", asked(USER, THOUGHT, REPLAY, CALL, PATCHED, RESULT, PATCH_RESULT), 4),
    ("picture alone", asked(said([IMAGE])), 1),
]  # fmt: skip


@pytest.mark.parametrize(("body", "turns"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any], turns: int) -> None:
    assert len(read(MOONSHOT, K3, body).said) == turns


@pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k2.7-code"])
def test_older_models_know_no_effort_and_think(model: str) -> None:
    assert refused(MOONSHOT, model, asked(reasoning={"effort": "high"})).field == "reasoning"
    assert read(MOONSHOT, model, asked()).thinking


async def test_a_call_without_its_summary_is_an_error() -> None:
    async with responding("moonshot") as client:
        turns = await loop(client)
        assert set(turns[1]) == {"id", "type", "summary"}
        assert (await ask(client, turns)).status == 200
        assert (client.sim.verdict().ok, client.sim.verdict().reasoning_checked) == (True, 1)
        got = await ask(client, [turns[0], *turns[2:]])
        assert (got.status, rules(client)) == (400, ["reasoning_missing"])
        assert "reasoning_content is missing" in got.json["error"]["message"]


async def test_the_events_of_a_summary() -> None:
    async with responding("moonshot") as client:
        kinds = [e["type"].removeprefix("response.") for e in events(await ask(client, "[sim:say=hi]", stream=True))]
        assert kinds[2:4] == ["output_item.added", "reasoning_summary_part.added"]
        assert "reasoning_summary_text.delta" in kinds and "reasoning_text.delta" not in kinds
        assert kinds[-1] == "completed"


async def test_errors_and_ends() -> None:
    async with responding("moonshot") as client:
        got = await ask(client, "hi [sim:fault=429]")
        assert (got.status, got.json["error"]["type"]) == (429, "rate_limit_reached_error")
        assert got.headers["retry-after"] == "1"
        failed = events(await ask(client, "hi [sim:fault=failed]", stream=True))[-1]
        assert (failed["type"], failed["response"]["error"]["code"]) == ("response.failed", "server_error")
        async with client.session.get(client.sim.url + "/v1/responses/resp_1", headers=client.headers) as answer:
            assert answer.status == 404
