"""MiMo over its own Responses wire (`wire = "responses"`): everything that the endpoint rejects is planned around.

The upstream is the strict simulator; zero complaints is the judgement. Any client speaks, Codex first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman import Client, Message, Text, ToolResult
from dragoman.config import load
from dragoman.core.replay import PLACEHOLDER
from dragoman.simulator.ask import Call as SaidCall
from dragoman.simulator.brain import Turn
from tests.e2e.protocols import CLIENTS, PNG, Results, User
from tests.e2e.street import KEYS, Street, StreetTransport, again, output
from tests.gateway.asgi import Call
from tests.validators.responses import validate
from tests.wire.responses.road import CODEX, GOLDEN

MODEL = "xiaomi:mimo-v2.6-pro"
CONFIG = '[providers.xiaomi]\nwire = "responses"\n[retry]\nattempts = 1\n'
URL = "https://example.org/a.png"


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path, CONFIG, ("xiaomi",))


async def codex(street: Street, *turns: Turn, **body: Any) -> Call:
    """One request of a Responses client, streamed and valid; the model says `turns`."""
    street.sims["xiaomi"].script.extend(turns)
    asked = {"model": MODEL, "input": "hi", "stream": True, "store": False, **body}
    got = await street.ask("responses", asked)
    assert got.status == 200, (got.body, street.complaints())
    validate(got.body)
    return got


@pytest.mark.req(91)
@pytest.mark.parametrize("name", CODEX)
async def test_every_captured_request_of_codex_is_taken(street: Street, name: str) -> None:
    body = json.loads((GOLDEN / "codex" / f"{name}.json").read_bytes())
    history = [i for i in body["input"] if not str(i.get("encrypted_content", "")).startswith("dgm1.")]
    got = await street.ask("responses", {**body, "model": MODEL, "input": history})
    assert got.status == 200, (got.body, street.complaints())
    assert street.complaints() == []


@pytest.mark.req(78, 80, 107)
@pytest.mark.parametrize("road", CLIENTS)
@pytest.mark.parametrize("stream", [True, False])
async def test_tool_loops_of_every_client(street: Street, road: str, stream: bool) -> None:
    sim = street.sims["xiaomi"]
    client = CLIENTS[road]()
    client.add(User("look it up", image=True))
    sim.script.extend(
        [
            Turn("weigh 思考\n", "I look.", (SaidCall("look_up", '{"q": "a"}'), SaidCall("count_words", '{"q":"b"}'))),
            Turn("again  ", "", (SaidCall("mcp__files__read", '{"q": "c"}'),)),
            Turn("enough", "It is done."),
        ]
    )
    for _ in range(3):
        got = await street.ask(road, client.body(MODEL, stream=stream))
        assert got.status == 200, (got.body, street.complaints())
        said = client.take(got, stream=stream)
        if said.calls:
            client.add(Results(tuple((c.id, "fine", n == 1) for n, c in enumerate(said.calls))))
    assert said.text == "It is done."
    client.add(User("and now?"))
    assert (await street.ask(road, client.body(MODEL, stream=stream))).status == 200
    assert street.complaints() == []
    # Each tool turn's thinking was compared byte for byte, and nothing had to be made up.
    assert (sim.ledger.reasoning_checked, sim.ledger.placeholders) == (6, 0)
    thoughts = [i for i in street.last("xiaomi")["input"] if i.get("type") == "reasoning"]
    assert [t["content"][0]["text"] for t in thoughts] == ["weigh 思考\n", "again  ", "enough"]
    assert all(t.keys() == {"type", "id", "content"} for t in thoughts)
    assert all(seen.path == "/v1/responses" for seen in sim.requests)


async def test_the_body_never_passes_through_as_it_came(street: Street) -> None:
    got = await codex(
        street, instructions="Be brief.", parallel_tool_calls=False, include=["reasoning.encrypted_content"],
        prompt_cache_key="thread", text={"verbosity": "low"}, reasoning={"effort": "high", "summary": "auto"},
        service_tier="auto", metadata={"a": "b"}, user="u", truncation="auto", tool_choice="auto", novel={"x": 1},
        client_metadata={"a": "b"}, top_logprobs=2, max_tool_calls=3,
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
    )  # fmt: skip
    assert street.complaints() == []
    sent = street.last("xiaomi")
    sent.pop("max_output_tokens", None)
    assert sent == {
        "model": "mimo-v2.6-pro",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": "auto",
        "reasoning": {"effort": "high"},
        "stream": True,
    }
    fields = {note["field"] for note in json.loads(got.headers["x-dragoman-notes"])}
    assert fields >= {
        "parallel_tool_calls", "include", "prompt_cache_key", "verbosity", "reasoning.summary", "service_tier",
        "metadata", "truncation", "novel", "client_metadata", "top_logprobs", "max_tool_calls", "tools.strict",
    }  # fmt: skip


@pytest.mark.req(85, 86)
@pytest.mark.parametrize(
    ("asked", "sent"),
    [("none", "none"), ("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "high"),
     ("max", "high"), ("ultra", "high")],
)  # fmt: skip
async def test_the_words_for_effort(street: Street, asked: str, sent: str) -> None:
    got = await street.ask("responses", {"model": MODEL, "input": "hi", "reasoning": {"effort": asked}})
    assert got.status == 200 and street.complaints() == []
    assert street.last("xiaomi")["reasoning"] == {"effort": sent}
    assert ("effort_coerced" in got.notes) is (asked != sent)


@pytest.mark.case("B04")
@pytest.mark.parametrize(
    ("default", "sent"), [("auto", {"effort": "none"}), ("off", {"effort": "none"}), ("vendor", None)]
)
async def test_thinking_that_is_not_asked_for(tmp_path: Path, default: str, sent: Any) -> None:
    config = f'[providers.xiaomi]\nwire = "responses"\nthinking_default = "{default}"\n'
    street = Street(tmp_path, config, ("xiaomi",))
    await codex(street)
    assert street.last("xiaomi").get("reasoning") == sent


@pytest.mark.case("E07", "E10")
async def test_freeform_and_namespaced_tools_are_native(street: Street) -> None:
    tools = [
        {"type": "custom", "name": "apply_patch", "description": "Edits.",
         "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
        {"type": "custom", "name": "note", "format": {"type": "text"}},
        {"type": "namespace", "name": "mcp__files", "description": "Files.",
         "tools": [{"type": "function", "name": "read", "parameters": {"type": "object"}}]},
        {"type": "function", "name": "read", "parameters": {"type": "object"}},
        {"type": "local_shell"},
        {"type": "web_search"},
    ]  # fmt: skip
    patch = "*** Begin Patch\n+é\n*** End Patch"
    turn = Turn("hm", "", (
        SaidCall("apply_patch", json.dumps({"input": patch})), SaidCall("mcp__files.read", '{"q": 1}'),
        SaidCall("read", "{}"), SaidCall("local_shell", '{"command":["ls"],"env":{}}'),
    ))  # fmt: skip
    asked = {"tools": tools, "reasoning": {"effort": "medium"}}
    first = {"type": "message", "role": "user", "content": "go"}
    got = await codex(street, turn, input=[first], **asked)
    sent = street.last("xiaomi")["tools"]
    assert sent[:3] == [
        tools[0], tools[1],
        {**tools[2], "tools": [{"type": "function", "name": "read", "parameters": {"type": "object"}}]},
    ]  # fmt: skip
    assert [t["type"] for t in sent[3:]] == ["function", "function"]
    said = output(got)
    assert [i["type"] for i in said] == [
        "reasoning", "custom_tool_call", "function_call", "function_call", "local_shell_call",
    ]  # fmt: skip
    assert said[1]["input"] == patch
    assert (said[2]["name"], said[2]["namespace"]) == ("read", "mcp__files")
    assert (said[3]["name"], said[3].get("namespace")) == ("read", None)
    answers = [
        {"type": f"{'custom_tool' if i['type'] == 'custom_tool_call' else 'function'}_call_output",
         "call_id": i["call_id"], "output": "ok"}
        for i in said[1:]
    ]  # fmt: skip
    await codex(street, Turn("", "done"), input=[first, *again(said), *answers], **asked)
    assert street.complaints() == []
    back = street.last("xiaomi")["input"]
    assert [i.get("type") for i in back] == [
        "message", "reasoning", "custom_tool_call", "function_call", "function_call", "function_call",
        "custom_tool_call_output", "function_call_output", "function_call_output", "function_call_output",
    ]  # fmt: skip
    assert back[3]["namespace"] == "mcp__files" and "id" not in back[3]
    assert street.sims["xiaomi"].ledger.reasoning_checked == 1


@pytest.mark.req(64)
async def test_media_are_plain_urls_and_may_stand_in_tool_results(street: Street) -> None:
    data = f"data:image/png;base64,{PNG}"
    history = [
        {"role": "user", "content": [{"type": "input_image", "image_url": URL, "detail": "low"}]},
        {"role": "user", "content": [
            {"type": "input_text", "text": "and these"},
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
            {"type": "input_video", "video_url": "https://example.org/a.mp4", "fps": 2, "media_resolution": "max"},
        ]},
        {"type": "function_call", "call_id": "c1", "name": "view", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [
            {"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": data}]},
    ]  # fmt: skip
    got = await codex(street, input=history)
    assert street.complaints() == []
    sent = street.last("xiaomi")["input"]
    assert sent[0]["content"][0] == {"type": "input_image", "image_url": URL}
    assert sent[1]["content"][1:] == [
        {"type": "input_audio", "audio_url": "data:audio/mpeg;base64,QUJD"},
        {"type": "input_video", "video_url": "https://example.org/a.mp4", "fps": 2, "media_resolution": "max"},
    ]
    assert sent[3]["output"] == [{"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": data}]
    assert "media_moved" not in got.notes


async def test_what_agents_tell_each_other_is_read(street: Street) -> None:
    told = {"type": "agent_message", "author": "root", "recipient": "scout"}
    history = [
        {"type": "additional_tools", "role": "developer",
         "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]},
        {**told, "content": [{"type": "input_text", "text": "Look there."}]},
        {**told, "content": [{"type": "encrypted_content", "encrypted_content": "And here."}]},
        {**told, "content": [{"type": "encrypted_content", "encrypted_content": "gAAAAB-not-for-us"}]},
    ]  # fmt: skip
    got = await codex(street, input=history)
    assert street.complaints() == []
    sent = json.dumps(street.last("xiaomi")["input"])
    assert "root" in sent and "Look there." in sent and "And here." in sent and "gAAAA" not in sent
    assert street.last("xiaomi")["tools"][0]["name"] == "f"
    assert "item_dropped" in {n["code"] for n in json.loads(got.headers["x-dragoman-notes"])}


@pytest.mark.req(148)
async def test_a_schema_becomes_an_instruction(street: Street) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "name": "n", "strict": True, "schema": schema}
    got = await codex(street, Turn("", '{"a": 1}'), text={"format": form})
    sent = street.last("xiaomi")
    assert sent["text"] == {"format": {"type": "json_object"}}
    assert "JSON Schema" in sent["instructions"]
    assert "format_degraded" in got.notes and street.complaints() == []


@pytest.mark.req(95)
async def test_calls_without_results_and_results_without_calls(street: Street) -> None:
    history = [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "gone", "output": "x"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": '{"a":', "status": "incomplete"},
        {"role": "user", "content": "and?"},
    ]
    got = await codex(street, input=history, reasoning={"effort": "low"})
    assert street.complaints() == []
    assert PLACEHOLDER in json.dumps(street.last("xiaomi")["input"][1])
    assert {"history_repaired", "thinking_placeholder"} <= got.notes
    assert [i.get("type") for i in street.last("xiaomi")["input"]] == [
        "message", "reasoning", "function_call", "function_call_output", "message",
    ]  # fmt: skip


@pytest.mark.req(23, 98)
@pytest.mark.parametrize(
    ("fault", "status", "says"), [("429", 429, "requests"), ("moderation", 400, ""), ("overflow", 400, "context")]
)
async def test_errors_are_read(street: Street, fault: str, status: int, says: str) -> None:
    sim = street.sims["xiaomi"]
    sim.script.append(Turn("", "x", fault=fault))
    got = await street.ask("responses", {"model": MODEL, "input": "hi", "stream": True})
    assert got.status == status, got.body
    assert says in got.json["error"]["message"].lower()
    assert got.json["error"]["code"] is not None


@pytest.mark.case("C01", "C02", "C11", "C15", "C16", "C17")
@pytest.mark.parametrize(
    ("fault", "end", "reason"),
    [
        ("length", "incomplete", "max_output_tokens"),
        ("length_call", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("error_mid", "failed", None),
        ("drop_text", "failed", None),
        ("drop_call", "failed", None),
    ],
)
@pytest.mark.parametrize("road", CLIENTS)
async def test_ends(street: Street, road: str, fault: str, end: str, reason: str | None) -> None:
    client = CLIENTS[road]()
    client.add(User("go"))
    calls = (SaidCall("look_up", '{"q": "a long argument of a call"}'),) if fault.endswith("call") else ()
    street.sims["xiaomi"].script.append(Turn("thinking of it", "a text of some length", calls, fault=fault))
    got = await street.ask(road, client.body(MODEL, stream=True))
    last = got.events[-1]
    if road == "responses":
        response = last["response"]
        assert response["status"] == end
        assert (response["incomplete_details"] or {}).get("reason") == reason
        if calls and response["output"][-1]["type"] == "function_call":
            assert response["output"][-1]["status"] == "incomplete"
    elif road == "messages":
        stops = [e["delta"]["stop_reason"] for e in got.events if e["type"] == "message_delta"]
        assert stops == ([] if end == "failed" else ["refusal" if reason == "content_filter" else "max_tokens"])
        assert (last["type"] == "error") is (end == "failed")
    else:
        found = [c["finish_reason"] for e in got.events for c in e.get("choices") or [] if c.get("finish_reason")]
        assert found == ([] if end == "failed" else ["content_filter" if reason == "content_filter" else "length"])
        assert ("error" in last) is (end == "failed")


async def test_the_library_speaks_it_on_request(tmp_path: Path) -> None:
    street = Street(tmp_path, profiles=("xiaomi",))
    settings = load(env={**KEYS, "DRAGOMAN_HOME": str(tmp_path)})
    street.sims["xiaomi"].script.extend([Turn("hm", "", (SaidCall("f", '{"q": 1}'),)), Turn("so", "done")])
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    async with Client(settings=settings, transport=StreetTransport(street.apps)) as client:
        history: list[Any] = ["go"]
        for _ in range(2):
            answer = await client.complete(model=MODEL, messages=history, tools=tools, wire="responses", effort="max")
            results = tuple(ToolResult(c.id, (Text("fine"),)) for c in answer.calls)
            history += [answer, Message("tool", results)] if results else [answer]
    assert answer.text == "done" and answer.reasoning == "so"
    assert street.complaints() == [] and street.sims["xiaomi"].ledger.reasoning_checked == 1
    assert street.last("xiaomi")["reasoning"] == {"effort": "high"}
