"""MiniMax's Responses endpoint: listed fields only, functions only, off by default, one system text, nothing kept."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.simulator.vendors.minimax import MINIMAX
from tests.simulator.vendors.items import (
    CALL,
    GROUP,
    IMAGE,
    OUTPUT,
    PATCH,
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

M3, M2, FLASH = "MiniMax-M3", "MiniMax-M2.7", "MiniMax-M3.1-Flash-Preview"
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "r"}]}
LISTED = {"metadata", "parallel_tool_calls", "truncation", "service_tier", "prompt_cache_key"}


@pytest.mark.parametrize("field", sorted(set(UNSUPPORTED) - LISTED))
def test_a_field_that_is_not_listed_is_refused(field: str) -> None:
    error = refused(MINIMAX, M3, asked(**{field: UNSUPPORTED[field]}))
    assert (error.rule, error.field) == ("unknown_field", field)
    assert MINIMAX.told(error, "responses").message.startswith("invalid params, ")


BAD = [
    ("cold", asked(temperature=0), "field_range"),
    ("hot", asked(temperature=1.1), "field_range"),
    ("top_p zero", asked(top_p=0), "field_range"),
    ("effort of degrees", asked(reasoning={"effort": "max"}), "field_value"),
    ("summary", asked(reasoning={"effort": "low", "summary": "auto"}), "unknown_field"),
    ("truncation", asked(truncation="auto"), "field_value"),
    ("tier", asked(service_tier="flex"), "field_value"),
    ("metadata of numbers", asked(metadata={"a": 1}), "field_type"),
    ("json", asked(said("json"), text={"format": {"type": "json_object"}}), "field_value"),
    ("verbosity", asked(text={"verbosity": "low"}), "unknown_field"),
    ("forced", asked(tools=[TOOL], tool_choice="required"), "field_value"),
    ("named", asked(tools=[TOOL], tool_choice={"type": "function", "name": "f"}), "field_value"),
    ("custom tool", asked(tools=[PATCH]), "tool_type"),
    ("namespace", asked(tools=[GROUP]), "tool_type"),
    ("function without parameters", asked(tools=[{"type": "function", "name": "f"}]), "field_missing"),
    ("strict null", asked(tools=[{**TOOL, "strict": None}]), "field_type"),
    ("custom call", asked(USER, PATCHED), "item_type"),
    ("namespaced call", asked(USER, {**CALL, "namespace": "n"}, RESULT), "unknown_field"),
    ("parts in a result", asked(USER, CALL, {**RESULT, "output": [TEXT]}), "field_type"),
    ("thought without content", asked(USER, {"type": "reasoning", "id": "r", "summary": []}), "field_missing"),
    ("thought without summary", asked(USER, {k: v for k, v in THOUGHT.items() if k != "summary"}), "field_missing"),
    ("sealed thought", asked(USER, {**THOUGHT, "encrypted_content": "x"}), "unknown_field"),
    ("reference", asked(USER, {"type": "item_reference", "id": "rs_1"}), "item_type"),
    ("detail", asked(said([{**IMAGE, "detail": "low"}, TEXT])), "unknown_field"),
    ("two system texts", asked(said("x", "system"), USER, instructions="I"), "system_twice"),
    ("late system text", asked(USER, said("x", "developer")), "system_late"),
    ("system text alone", asked(said("x", "system")), "no_turn"),
    ("blank", asked(said("  ")), "blank"),
    ("blank result", asked(USER, CALL, {**RESULT, "output": ""}), "blank"),
    ("unanswered", asked(USER, CALL), "call_unanswered"),
    ("orphan", asked(USER, RESULT), "result_orphan"),
    ("an id twice in a history", asked(USER, CALL, RESULT, CALL, RESULT), "call_id_twice"),
    ("too long", asked(max_output_tokens=524_289), "field_range"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused(body: dict[str, Any], rule: str) -> None:
    error = refused(MINIMAX, M3, body)
    assert error.rule == rule
    failure = MINIMAX.told(error, "responses")
    assert (failure.status, failure.code) == (400, "2013")
    assert b"(2013)" in MINIMAX.body(failure, "responses", "r")


GOOD = [
    ("a text", asked() | {"input": "hi"}, 1),
    ("everything", asked(instructions="I", max_output_tokens=1, temperature=0.01, top_p=1, stream=True,
                         reasoning={"effort": "minimal"}, tools=[TOOL, SEARCH], tool_choice="none",
                         parallel_tool_calls=False, metadata={"a": "b"}, prompt_cache_key="k",
                         text={"format": {"type": "text"}}, truncation="disabled", service_tier="priority"), 1),
    ("system first", asked(said("x", "system"), USER), 2),
    ("loop", asked(USER, THOUGHT, REPLAY, {**CALL, "id": "fc_1", "status": "completed"}, RESULT), 3),
    ("loose answer", asked(USER, said("x", "assistant"), USER), 3),
    ("picture alone", asked(said([IMAGE])), 1),
]  # fmt: skip


@pytest.mark.parametrize(("body", "turns"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any], turns: int) -> None:
    assert len(read(MINIMAX, M3, body).said) == turns


@pytest.mark.parametrize(
    ("model", "effort", "thinks", "ignored"),
    [
        (M3, None, False, ()),
        (M3, "none", False, ()),
        (M3, "minimal", True, ()),
        (M3, "high", True, ()),
        (M2, None, True, ()),
        (M2, "none", True, (("reasoning.effort", "none"),)),
        (FLASH, None, True, ()),
        (FLASH, "max", True, ()),
    ],
)
def test_who_thinks(model: str, effort: str | None, thinks: bool, ignored: Any) -> None:
    got = read(MINIMAX, model, asked(**({"reasoning": {"effort": effort}} if effort else {})))
    assert (got.thinking, got.ignored) == (thinks, ignored)


def test_the_newest_has_degrees_and_no_off() -> None:
    for word in ("none", "minimal"):
        assert refused(MINIMAX, FLASH, asked(reasoning={"effort": word})).rule == "field_value"


def test_media_by_model() -> None:
    assert refused(MINIMAX, M2, asked(said([IMAGE, TEXT]))).rule == "no_media"


async def test_a_loop_brings_its_thinking_back() -> None:
    async with responding("minimax") as client:
        turns = await loop(client, reasoning={"effort": "low"})
        thought = turns[1]
        assert thought["summary"] == [] and thought["content"][0]["type"] == "reasoning_text"
        assert (await ask(client, turns, reasoning={"effort": "low"})).status == 200
        assert (client.sim.verdict().ok, client.sim.verdict().reasoning_checked) == (True, 1)
        del turns[1]
        assert (await ask(client, turns, reasoning={"effort": "low"})).status == 200
        assert rules(client) == ["reasoning_dropped"]


async def test_the_response_object() -> None:
    async with responding("minimax") as client:
        got = (await ask(client, "[sim:say=hello]")).json
        assert (got["output_text"], got["store"], got["truncation"]) == ("hello", False, "disabled")
        assert [item["type"] for item in got["output"]] == ["message"]
        assert got["output"][0]["content"] == [{**OUTPUT, "text": "hello"}]
        streamed = await ask(client, "[sim:say=hello]", stream=True, reasoning={"effort": "low"})
        kinds = [e["type"].removeprefix("response.") for e in events(streamed)]
        assert [k for k in kinds if "delta" not in k] == [
            "created", "in_progress", "output_item.added", "content_part.added", "reasoning_text.done",
            "content_part.done", "output_item.done", "output_item.added", "content_part.added", "output_text.done",
            "content_part.done", "output_item.done", "completed",
        ]  # fmt: skip
        assert "reasoning_text.delta" in kinds


async def test_errors_and_ends() -> None:
    async with responding("minimax") as client:
        got = await ask(client, "hi [sim:fault=429]")
        assert (got.status, got.json["error"]["message"]) == (429, "rate limit exceeded (1002)")
        inside = (await ask(client, "hi [sim:fault=base_resp]")).json
        assert inside["base_resp"]["status_code"] == 1013
        failed = events(await ask(client, "hi [sim:fault=failed]", stream=True))[-1]
        assert (failed["type"], failed["response"]["error"]["code"]) == ("response.failed", "1013")
        cut = (await ask(client, "hi [sim:fault=content_filter]")).json
        assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
        assert (await ask(client, "hi [sim:fault=refusal]")).status == 400  # it has no such end
        async with client.session.get(client.sim.url + "/v1/responses/resp_1", headers=client.headers) as answer:
            assert answer.status == 404
