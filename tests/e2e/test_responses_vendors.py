"""MiniMax, Zhipu and Moonshot over their own Responses wires (`wire = "responses"`), against their strict simulators.

Zero complaints is the judgement: what one of them does not list must not be sent. `test_vendor_loops` has the plain
loops; here stand the forms in which each wants things, the ends and the errors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.replay import PLACEHOLDER
from dragoman.simulator.ask import Call as SaidCall
from dragoman.simulator.brain import Turn
from tests.e2e.protocols import CLIENTS, Results, User
from tests.e2e.street import Street, again, output
from tests.gateway.asgi import Call
from tests.validators.responses import validate
from tests.wire.responses.road import CODEX, GOLDEN

MODELS = {
    "minimax": "MiniMax-M3",
    "zhipu": "glm-5.2",
    "moonshot": "kimi-k3",
}
VENDORS = list(MODELS)
PATHS = {"minimax": "/v1/responses", "zhipu": "/api/v1/responses", "moonshot": "/v1/responses"}
CALLED = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def street_of(folder: Path, vendor: str, more: str = "") -> Street:
    return Street(folder, f'[providers.{vendor}]\nwire = "responses"\n{more}\n[retry]\nattempts = 1\n', (vendor,))


async def codex(street: Street, vendor: str, *turns: Turn, model: str = "", **body: Any) -> Call:
    """One request of a Responses client, streamed and valid; the model says `turns`."""
    street.sims[vendor].script.extend(turns)
    asked = {"input": "hi", "stream": True, "store": False, **body, "model": f"{vendor}:{model or MODELS[vendor]}"}
    got = await street.ask("responses", asked)
    assert got.status == 200, (got.body, street.complaints())
    validate(got.body)
    return got


@pytest.mark.req(91)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", CODEX)
async def test_every_captured_request_of_codex_is_taken(tmp_path: Path, vendor: str, name: str) -> None:
    street = street_of(tmp_path, vendor)
    body = json.loads((GOLDEN / "codex" / f"{name}.json").read_bytes())
    history = [i for i in body["input"] if not str(i.get("encrypted_content", "")).startswith("dgm1.")]
    got = await street.ask("responses", {**body, "model": f"{vendor}:{MODELS[vendor]}", "input": history})
    text = str(got.body)
    if vendor == "zhipu" and got.status == 400 and "does not take an image" in text:
        assert street.sims[vendor].requests == []  # a model that sees nothing is not asked
        return
    assert got.status == 200, (got.body, street.complaints())
    assert street.complaints() == []
    assert street.sims[vendor].requests[-1].path == PATHS[vendor]


FULL: dict[str, Any] = {
    "instructions": "Be brief.", "parallel_tool_calls": False, "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread", "text": {"verbosity": "low"}, "reasoning": {"effort": "high", "summary": "auto"},
    "service_tier": "priority", "metadata": {"a": "b"}, "user": "u", "truncation": "disabled", "tool_choice": "none",
    "novel": {"x": 1}, "client_metadata": {"a": "b"}, "top_logprobs": 2, "max_tool_calls": 3, "temperature": 0.0,
    "top_p": 0.5, "tools": [{**TOOL, "strict": True}], "max_output_tokens": 4000, "store": True,
}  # fmt: skip
COMMON: dict[str, Any] = {
    "instructions": "Be brief.",
    "input": [{"type": "message", "role": "user", "content": "hi"}],
    "tools": [TOOL],
    "tool_choice": "none",
    "max_output_tokens": 4000,
    "reasoning": {"effort": "high"},
    "stream": True,
}
OWN: dict[str, dict[str, Any]] = {
    "minimax": {"parallel_tool_calls": False, "temperature": 0.01, "top_p": 0.5, "metadata": {"a": "b"},
                "prompt_cache_key": "thread", "truncation": "disabled", "service_tier": "priority"},
    "zhipu": {"temperature": 0.0, "top_p": 0.5},
    "moonshot": {"prompt_cache_key": "thread"},
}  # fmt: skip


@pytest.mark.req(83)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_only_what_the_vendor_lists_is_sent(tmp_path: Path, vendor: str) -> None:
    street = street_of(tmp_path, vendor)
    got = await codex(street, vendor, **FULL)
    assert street.complaints() == []
    assert street.last(vendor) == {**COMMON, **OWN[vendor], "model": MODELS[vendor]}
    noted = {note["field"] for note in json.loads(got.headers["x-dragoman-notes"])}
    silent = {"instructions", "tools", "tool_choice", "max_output_tokens", "store", "text", "reasoning"}
    sent = set(OWN[vendor]) - {"temperature"}
    assert noted >= set(FULL) - silent - sent - ({"temperature"} if vendor == "zhipu" else set())
    assert {"verbosity", "reasoning.summary", "tools.strict"} <= noted


@pytest.mark.req(83)
@pytest.mark.parametrize("tier", ["standard", "priority", "flex"])
async def test_minimax_takes_two_tiers_and_one_truncation(tmp_path: Path, tier: str) -> None:
    street = street_of(tmp_path, "minimax")
    more = {"service_tier": tier, "truncation": "auto", "temperature": 1.7}
    got = await street.ask("responses", {"model": "minimax:MiniMax-M3", "input": "hi", **more})
    assert got.status == 200 and street.complaints() == []
    sent = street.last("minimax")
    assert sent.get("service_tier") == (None if tier == "flex" else tier)
    assert "truncation" not in sent and sent["temperature"] == 1.0


# Thinking


EFFORTS = [
    ("minimax", "MiniMax-M3", ["none", "minimal", "low", "medium", "high", "high", "high"]),
    ("minimax", "MiniMax-M2.7", ["minimal", "minimal", "low", "medium", "high", "high", "high"]),
    ("minimax", "MiniMax-M3.1-Flash-Preview", ["low", "low", "low", "medium", "high", "xhigh", "max"]),
    ("zhipu", "glm-5.3", ["low", "low", "low", "high", "high", "max", "max"]),
    ("zhipu", "glm-5.2", ["none", "none", "high", "high", "high", "max", "max"]),
    ("zhipu", "glm-5.1", [None] * 7),
    ("zhipu", "glm-4.7", [None] * 7),
    ("moonshot", "kimi-k3", ["low", "low", "low", "high", "high", "max", "max"]),
    ("moonshot", "kimi-k3.1-pro", ["low", "low", "low", "high", "high", "max", "max"]),
    ("moonshot", "kimi-k2.7-code", [None] * 7),
    ("moonshot", "kimi-k2.6", [None] * 7),
]
WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@pytest.mark.case("B10", "B11", "B14")
@pytest.mark.req(85, 86)
@pytest.mark.parametrize(("vendor", "model", "sent"), EFFORTS, ids=[m for _, m, _ in EFFORTS])
async def test_the_words_for_effort(tmp_path: Path, vendor: str, model: str, sent: list[str | None]) -> None:
    street = street_of(tmp_path, vendor)
    for asked, word in zip(WORDS, sent, strict=True):
        got = await codex(street, vendor, model=model, reasoning={"effort": asked})
        body = street.last(vendor)
        assert body.get("reasoning") == (None if word is None else {"effort": word}), asked
        if word != asked:
            assert got.notes & {"effort_coerced", "param_dropped"}, asked
        thought = any(item["type"] == "reasoning" for item in output(got))
        assert thought is (word not in ("none",)), asked
    await codex(street, vendor, model=model)
    assert "reasoning" not in street.last(vendor)
    assert street.complaints() == []
    assert street.sims[vendor].ledger.ignored == {}  # nobody was told to stop who cannot


@pytest.mark.req(84)
@pytest.mark.parametrize("road", CLIENTS)
async def test_m3_thinks_only_for_those_who_ask(tmp_path: Path, road: str) -> None:
    street = street_of(tmp_path, "minimax")
    for effort, thinks in ((None, False), ("medium", True), ("none", False)):
        client = CLIENTS[road](effort=effort)
        client.add(User("go"))
        street.sims["minimax"].script.append(Turn("a thought", "done"))
        client.take(await street.ask(road, client.body("minimax:MiniMax-M3", stream=True)), stream=True)
        made = street.sims["minimax"].requests[-1].turn
        assert made is not None and bool(made.reasoning) is thinks
    assert street.complaints() == []


FORM = {
    "minimax": ({"type", "id", "summary", "content"}, "content", "reasoning_text"),
    "zhipu": ({"type", "id", "content"}, "content", "reasoning_text"),
    "moonshot": ({"type", "id", "summary"}, "summary", "summary_text"),
}


@pytest.mark.req(78, 80, 107)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("road", CLIENTS)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_thinking_comes_back_as_the_items_that_were_sent(
    tmp_path: Path, vendor: str, road: str, stream: bool
) -> None:
    street = street_of(tmp_path, vendor)
    sim = street.sims[vendor]
    client = CLIENTS[road]()
    client.add(User("look it up", image=vendor != "zhipu"))
    calls = (SaidCall("look_up", '{"q": "a"}'), SaidCall("count_words", '{"q":"b"}'))
    said = [
        Turn("weigh 思考\n", "I look.", calls),
        Turn("again  ", "", (SaidCall("look_up", '{"q": "c"}'),)),
        Turn("so", "Done."),
    ]
    sim.script.extend(said)
    for _ in range(3):
        got = await street.ask(road, client.body(f"{vendor}:{MODELS[vendor]}", stream=stream))
        assert got.status == 200, (got.body, street.complaints())
        answer = client.take(got, stream=stream)
        if answer.calls:
            client.add(Results(tuple((c.id, "fine", n == 1) for n, c in enumerate(answer.calls))))
    client.add(User("and now?"))
    assert (await street.ask(road, client.body(f"{vendor}:{MODELS[vendor]}", stream=stream))).status == 200
    assert street.complaints() == []
    # Each turn's thinking was compared byte for byte, and nothing had to be made up.
    assert (sim.ledger.reasoning_checked, sim.ledger.placeholders) == (6, 0)
    keys, field, word = FORM[vendor]
    thoughts = [i for i in street.last(vendor)["input"] if i.get("type") == "reasoning"]
    # A Messages or Chat client gives back text alone: an id is made up where the form wants one.
    assert all(set(t) <= keys and t[field] for t in thoughts)
    assert [t[field] for t in thoughts] == [[{"type": word, "text": turn.reasoning}] for turn in said]


@pytest.mark.req(93, 107)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_another_vendors_thinking_is_not_told(tmp_path: Path, vendor: str) -> None:
    config = f'[providers.{vendor}]\nwire = "responses"\n'
    street = Street(tmp_path, config, ("xiaomi", vendor))
    client = CLIENTS["responses"]()
    client.add(User("go"))
    street.sims["xiaomi"].script.append(Turn("a secret of MiMo", "", (SaidCall("look_up", '{"q": "a"}'),)))
    said = client.take(await street.ask("responses", client.body("xiaomi:mimo-v2.6-pro", stream=True)), stream=True)
    client.add(Results(((said.calls[0].id, "fine", False),)))
    got = await street.ask("responses", client.body(f"{vendor}:{MODELS[vendor]}", stream=True))
    assert got.status == 200 and street.complaints() == []
    sent = json.dumps(street.last(vendor), ensure_ascii=False)
    assert "a secret of MiMo" not in sent and "dgm1." not in sent
    assert (PLACEHOLDER in sent) is (vendor == "moonshot")  # only there a call without its reasoning is an error


@pytest.mark.req(107)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_thread_of_the_chat_wire_goes_on_here(tmp_path: Path, vendor: str) -> None:
    """The same vendor on another wire: its thinking is its own, in the form of this wire."""
    client = CLIENTS["responses"]()
    client.add(User("go"))
    for wire in ("chat", "responses", "chat", "responses"):
        street = Street(tmp_path, f'[providers.{vendor}]\nwire = "{wire}"\n', (vendor,))
        street.sims[vendor].script.append(Turn(f"thought over {wire}", "", (SaidCall("look_up", '{"q": "a"}'),)))
        got = await street.ask("responses", client.body(f"{vendor}:{MODELS[vendor]}", stream=True))
        assert got.status == 200, (got.body, street.complaints())
        said = client.take(got, stream=True)
        client.add(Results(((said.calls[0].id, "fine", False),)))
        assert street.complaints() == []
    sent = json.dumps(street.last(vendor), ensure_ascii=False)
    assert "thought over chat" in sent and "thought over responses" in sent and PLACEHOLDER not in sent


# Tools

PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits.",
         "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}}  # fmt: skip
NOTE = {"type": "custom", "name": "note", "description": "Writes down.", "format": {"type": "text"}}
SPACE = {"type": "namespace", "name": "mcp__files", "description": "Files.", "tools": [{**TOOL, "name": "read"}]}
KINDS = {
    "minimax": ["function", "function", "function", "function", "function"],
    "zhipu": ["custom", "custom", "namespace", "function", "function"],
    "moonshot": ["custom", "function", "namespace", "function", "function"],
}


@pytest.mark.case("E07", "E10")
@pytest.mark.parametrize("vendor", VENDORS)
async def test_each_kind_of_tool_goes_as_far_as_the_vendor_knows_it(tmp_path: Path, vendor: str) -> None:
    street = street_of(tmp_path, vendor)
    asked = {"tools": [PATCH, NOTE, SPACE, TOOL, {"type": "local_shell"}], "reasoning": {"effort": "medium"}}
    patch = "*** Begin Patch\n+é\n*** End Patch"
    read = "mcp__files__read" if vendor == "minimax" else "mcp__files.read"
    turn = Turn("hm", "", (
        SaidCall("apply_patch", json.dumps({"input": patch})), SaidCall("note", json.dumps({"input": "so"})),
        SaidCall(read, '{"q": 1}'), SaidCall("f", "{}"),
    ))  # fmt: skip
    first = {"type": "message", "role": "user", "content": "go"}
    got = await codex(street, vendor, turn, input=[first], **asked)
    assert [t["type"] for t in street.last(vendor)["tools"]] == KINDS[vendor]
    assert ("tool_degraded" in got.notes) is True  # the shell at least
    said = output(got)
    kinds = ["reasoning", "custom_tool_call", "custom_tool_call", "function_call", "function_call"]
    assert [i["type"] for i in said] == kinds
    assert [said[1]["input"], said[2]["input"]] == [patch, "so"]
    assert (said[3]["name"], said[3]["namespace"]) == ("read", "mcp__files")
    answers = [
        {"type": f"{'custom_tool' if i['type'] == 'custom_tool_call' else 'function'}_call_output",
         "call_id": i["call_id"], "output": "ok"}
        for i in said[1:]
    ]  # fmt: skip
    await codex(street, vendor, Turn("", "done"), input=[first, *again(said), *answers], **asked)
    # The tools are gone, the calls of them are not.
    more = [first, *again(said), *answers, {"role": "assistant", "content": "done"}, {"role": "user", "content": "?"}]
    await codex(street, vendor, input=more, reasoning={"effort": "medium"})
    assert street.complaints() == []
    assert street.sims[vendor].ledger.reasoning_checked == 2


@pytest.mark.req(83)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "f"}])
async def test_no_call_can_be_forced(tmp_path: Path, vendor: str, choice: Any) -> None:
    street = street_of(tmp_path, vendor)
    got = await codex(street, vendor, tools=[TOOL], tool_choice=choice)
    assert "tool_choice_weakened" in got.notes and street.complaints() == []
    assert street.last(vendor).get("tool_choice", "auto") == "auto"


@pytest.mark.req(148)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
async def test_json_is_asked_for_in_the_form_that_there_is(tmp_path: Path, vendor: str, kind: str) -> None:
    street = street_of(tmp_path, vendor)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": kind} if kind == "json_object" else {"type": kind, "name": "n", "strict": True, "schema": schema}
    await codex(street, vendor, Turn("", '{"a": 1}'), text={"format": form})
    sent = street.last(vendor)
    assert street.complaints() == []
    assert sent.get("text") == (None if vendor == "minimax" else {"format": {"type": "json_object"}})
    assert "json" in json.dumps(sent).lower()


@pytest.mark.req(64)
@pytest.mark.parametrize(("vendor", "model"), [("minimax", ""), ("zhipu", "glm-5.3-flash"), ("moonshot", "")])
async def test_pictures_go_and_films_do_not(tmp_path: Path, vendor: str, model: str) -> None:
    street = street_of(tmp_path, vendor)
    image = {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"}
    film = {"type": "input_video", "video_url": "https://example.org/a.mp4"}
    result = {**RESULT, "output": [{"type": "input_text", "text": "seen"}, image]}
    history = [{"role": "user", "content": [image]}, CALLED, result, {"role": "user", "content": "and?"}]
    got = await codex(street, vendor, model=model, input=history, reasoning={"effort": "low"})
    assert street.complaints() == []
    assert "media_moved" in got.notes
    pictures = [p for i in street.last(vendor)["input"] for p in i.get("content", ()) if isinstance(p, dict)]
    found = [p for p in pictures if p["type"] == "input_image"]
    assert found == [{"type": "input_image", "image_url": "https://example.org/a.png"}] * 2
    ask = {"model": f"{vendor}:{model or MODELS[vendor]}", "input": [{"role": "user", "content": [film]}]}
    refused = await street.ask("responses", ask)
    assert (refused.status, refused.json["error"]["code"]) == (400, "unsupported_media")
    assert len(street.sims[vendor].requests) == 1


async def test_minimax_gets_one_system_text_and_nothing_blank(tmp_path: Path) -> None:
    street = street_of(tmp_path, "minimax")
    history = [
        {"role": "developer", "content": "Be kind."}, {"role": "user", "content": "go"}, CALLED,
        {**RESULT, "output": ""}, {"role": "system", "content": "And quick."}, {"role": "user", "content": "  "},
        {**CALLED, "call_id": "c1"}, RESULT, {"role": "user", "content": "?"},
    ]  # fmt: skip
    await codex(street, "minimax", instructions="Be brief.", input=history)
    assert street.complaints() == []
    await codex(street, "minimax", instructions="Only this.", input=[])
    assert street.complaints() == []


# Ends and errors


@pytest.mark.case("C01", "C02", "C11", "C15", "C16", "C17")
@pytest.mark.parametrize(
    ("fault", "end", "reason"),
    [
        ("length", "incomplete", "max_output_tokens"),
        ("length_call", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("failed", "failed", None),
        ("error_mid", "failed", None),
        ("drop_text", "failed", None),
        ("drop_call", "failed", None),
        ("no_done", "failed", None),
        ("usage_null", "completed", None),
        ("usage_none", "completed", None),
        ("interleave", "completed", None),
        ("json", "completed", None),
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_ends(tmp_path: Path, vendor: str, fault: str, end: str, reason: str | None) -> None:
    street = street_of(tmp_path, vendor)
    calls = (SaidCall("look_up", '{"q": "a long argument of a call"}'), SaidCall("look_up", '{"q": "b"}'))
    called = calls if fault in ("length_call", "drop_call", "interleave") else ()
    turn = Turn("thinking of it", "a text of some length", called, fault=fault)
    client = CLIENTS["responses"]()
    client.add(User("go"))
    street.sims[vendor].script.append(turn)
    got = await street.ask("responses", client.body(f"{vendor}:{MODELS[vendor]}", stream=True))
    validate(got.body)
    response = got.events[-1]["response"]
    assert response["status"] == end
    assert (response["incomplete_details"] or {}).get("reason") == reason
    if end == "completed" and fault != "usage_none":
        assert (
            response["usage"]["total_tokens"] == response["usage"]["input_tokens"] + response["usage"]["output_tokens"]
        )
        assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == (0 if fault == "usage_null" else 4)
    if fault in ("failed", "error_mid"):
        assert response["error"]["code"] == "server_error"


@pytest.mark.req(23, 98)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("vendor", "fault", "status", "code"),
    [
        ("minimax", "429", 429, None),
        ("minimax", "quota", 402, None),
        ("minimax", "balance", 402, None),
        ("minimax", "401", 502, "upstream_auth"),
        ("minimax", "moderation", 400, "content_filter"),
        ("minimax", "overflow", 400, "context_length_exceeded"),
        ("minimax", "base_resp", 502, None),
        ("zhipu", "429", 429, None),
        ("zhipu", "balance", 402, None),
        ("zhipu", "overload", 502, None),
        ("zhipu", "401", 502, "upstream_auth"),
        ("zhipu", "overflow", 400, "context_length_exceeded"),
        ("zhipu", "moderation", 400, "content_filter"),
        ("moonshot", "429", 429, None),
        ("moonshot", "balance", 402, None),
        ("moonshot", "overload", 502, None),
        ("moonshot", "401", 502, "upstream_auth"),
        ("moonshot", "overflow", 400, "context_length_exceeded"),
        ("moonshot", "moderation", 400, "content_filter"),
    ],
)
async def test_errors_have_one_meaning_on_every_wire(
    tmp_path: Path, vendor: str, fault: str, status: int, code: str | None, stream: bool
) -> None:
    asked = {"model": f"{vendor}:{MODELS[vendor]}", "input": "hi", "stream": stream}
    seen = []
    for wire in ("responses", "chat"):
        street = Street(tmp_path, f'[providers.{vendor}]\nwire = "{wire}"\n[retry]\nattempts = 1\n', (vendor,))
        street.sims[vendor].script.append(Turn("", "x", fault=fault))
        got = await street.ask("responses", asked)
        error = got.json["error"] if got.status != 200 else got.events[-1]["response"]["error"]
        seen.append((got.status, error["code"], error["message"]))
    assert seen[0] == seen[1]
    assert seen[0][0] == status and code in (None, seen[0][1])
