"""The simulated Anthropic: strict blocks, signed thinking, cache marks, searches, and errors in its words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic.types import Message

from dragoman.simulator import Simulator, Turn, running_simulator
from dragoman.simulator.vendors.anthropic_rules import OWNER, REDACTED, SIGNATURE, seal
from tests.simulator.conftest import KEY, Client, Got
from tests.validators import messages as streams

PATH = "/v1/messages"
VERSION = {"anthropic-version": "2023-06-01"}
HEADERS = {"x-api-key": KEY, **VERSION}
SCHEMA = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
SHELL = {"name": "exec_command", "input_schema": SCHEMA}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
TASK = "Run one shell command that writes the word blue into a file named sky.txt."
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}
MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator("anthropic", KEY) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(sim, session)


async def ask(client: Client, said: Any, *, headers: dict[str, str] | None = None, **fields: Any) -> Got:
    messages = [user(said)] if isinstance(said, str) else said
    body = {"model": "claude-sonnet-5-5", "max_tokens": 4096, "messages": messages, **fields}
    return await client.post(
        {k: v for k, v in body.items() if v is not None}, path=PATH, headers={**HEADERS, **(headers or {})}
    )


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def thought(words: str = "r", **more: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": seal(words, OWNER, SIGNATURE), **more}


USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


# -- the door


@pytest.mark.parametrize("headers", [{}, {"api-key": KEY}, {"x-api-key": "other"}, {"Authorization": "Bearer no"}])
async def test_wrong_keys(client: Client, headers: dict[str, str]) -> None:
    got = await client.post({}, path=PATH, headers={**headers, **VERSION})
    assert got.status == 401
    assert got.json["error"] == {"type": "authentication_error", "message": "invalid x-api-key"}
    assert got.json["type"] == "error"
    assert got.json["request_id"].startswith("req_")
    assert got.headers["request-id"]


@pytest.mark.parametrize("key", [{"x-api-key": KEY}, {"Authorization": f"Bearer {KEY}"}])
async def test_both_keys_and_the_version(client: Client, key: dict[str, str]) -> None:
    body = {"model": "claude-opus-5-5", "max_tokens": 10, "messages": [user("hi")]}
    assert (await client.post(body, path=PATH, headers={**key, **VERSION})).status == 200
    bare = await client.post(body, path=PATH, headers=key)
    assert (bare.status, bare.json["error"]["message"]) == (400, "anthropic-version: header is required")


async def test_unknown_models(client: Client) -> None:
    got = await ask(client, "hi", model="claude-9")
    assert (got.status, got.json["error"]) == (404, {"type": "not_found_error", "message": "model: 'claude-9'"})


async def test_the_model_list(client: Client) -> None:
    async with client.session.get(client.sim.url + "/v1/models", headers=HEADERS) as answer:
        listed = (await answer.json())["data"]
    assert {"claude-opus-5-5", "claude-haiku-4-5"} <= {model["id"] for model in listed}
    assert listed[0]["type"] == "model"


# -- what is refused

FIVE = [text(**MARK) for _ in range(5)]
BAD = [
    ("no limit", {"max_tokens": None}, "max_tokens: Field required"),
    ("limit zero", {"max_tokens": 0}, "max_tokens: 0 is not in [1, 128000]"),
    ("limit too high", {"max_tokens": 128_001}, "max_tokens: 128001 is not in [1, 128000]"),
    ("unknown field", {"reasoning_effort": "low"}, "reasoning_effort: Extra inputs are not permitted"),
    ("a field of Chat", {"stop": ["x"]}, "stop: Extra inputs are not permitted"),
    ("a beta field without its flag", {"context_management": {}}, "context_management: Extra inputs are not permitted"),
    ("unknown in a block", {"messages": [user([text(x=1)])]}, "messages.0.content.0.x: Extra inputs are not permitted"),
    ("unknown in a message", {"messages": [{**user("x"), "name": "n"}]}, "messages.0.name: Extra inputs are not permitted"),
    ("system role", {"messages": [user("x"), {"role": "system", "content": "s"}]}, 'messages.1.role: Unexpected role "system". Use the top-level `system` parameter instead.'),
    ("tool role", {"messages": [{"role": "tool", "content": "s"}]}, "messages.0.role: 'tool' is not supported"),
    ("empty content", {"messages": [user("")]}, "messages: text content blocks must be non-empty"),
    ("no blocks", {"messages": [user([])]}, None),
    ("empty block", {"messages": [user([text("")])]}, "messages: text content blocks must be non-empty"),
    ("blank block", {"messages": [user([text(" \n")])]}, "messages.0.content.0.text: text content blocks must contain non-whitespace text"),
    ("empty system block", {"system": [text("")]}, "messages: text content blocks must be non-empty"),
    ("hot", {"temperature": 1.1}, None),
    ("unknown thinking", {"thinking": {"type": "auto"}}, None),
    ("small budget", {"thinking": {"type": "enabled", "budget_tokens": 1023}}, None),
    ("budget missing", {"thinking": {"type": "enabled"}}, "thinking.budget_tokens: Field required"),
    ("budget of adaptive", {"thinking": {"type": "adaptive", "budget_tokens": 2000}}, "thinking.budget_tokens: Extra inputs are not permitted"),
    ("budget over the limit", {"max_tokens": 1024, **BUDGET}, "max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`."),
    ("temperature beside thinking", {"temperature": 0.5, **BUDGET}, "temperature: `temperature` may only be set to 1 when thinking is enabled."),
    ("top_k beside thinking", {"top_k": 5, **ADAPTIVE}, "top_k: `top_k` must be unset when thinking is enabled."),
    ("forced beside thinking", {"tools": [TOOL], "tool_choice": {"type": "any"}, **ADAPTIVE}, "tool_choice: Thinking may not be enabled when tool_choice forces tool use."),
    ("named beside thinking", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}, **BUDGET}, "tool_choice: Thinking may not be enabled when tool_choice forces tool use."),
    ("choice without tools", {"tool_choice": {"type": "auto"}}, "tool_choice: tool_choice may only be specified while providing tools."),
    ("unnamed choice", {"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"),
    ("choice of another protocol", {"tools": [TOOL], "tool_choice": "auto"}, None),
    ("five marks", {"messages": [user(FIVE)]}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    ("marks everywhere", {"messages": [user(FIVE[:2])], "system": [text(**MARK)], "tools": [{**TOOL, **MARK}], **MARK}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    ("mark with another life", {"messages": [user([text(cache_control={"type": "ephemeral", "ttl": "2h"})])]}, None),
    ("mark on thinking", {"messages": [user("x"), assistant(thought(**MARK), text()), user("y")]}, "messages.1.content.0.cache_control: Extra inputs are not permitted"),
    ("use unanswered", {"messages": [user("x"), assistant(USE)]}, None),
    ("use answered later", {"messages": [user("x"), assistant(USE), user("y"), user([RESULT])]}, None),
    ("one of two answered", {"messages": [user("x"), assistant(USE, {**USE, "id": "toolu_2"}), user([RESULT])]}, None),
    ("result without use", {"messages": [user([RESULT])]}, None),
    ("result twice", {"messages": [user("x"), assistant(USE), user([RESULT, RESULT])]}, None),
    ("result behind text", {"messages": [user("x"), assistant(USE), user([text(), RESULT])]}, None),
    ("two uses of one id", {"messages": [user("x"), assistant(USE, USE), user([RESULT])]}, None),
    ("id with a dot", {"messages": [user("x"), assistant({**USE, "id": "a.b"}), user([{**RESULT, "tool_use_id": "a.b"}])]}, "messages.1.content.0.id: 'a.b' does not match [a-zA-Z0-9_-]+"),
    ("input no object", {"messages": [user("x"), assistant({**USE, "input": "{}"}), user([RESULT])]}, None),
    ("thinking of the user", {"messages": [user([thought()])]}, None),
    ("thinking without signature", {"messages": [user("x"), assistant({"type": "thinking", "thinking": "r"}), user("y")]}, "messages.1.content.0.signature: Field required"),
    ("reasoning of another vendor", {"messages": [user("x"), {**assistant(text()), "reasoning_content": "r"}]}, "messages.1.reasoning_content: Extra inputs are not permitted"),
    ("image of another kind", {"messages": [user([{"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "AA=="}}])]}, None),
    ("video", {"messages": [user([{"type": "video", "source": {"type": "url", "url": "u"}}])]}, None),
    ("tool name", {"tools": [{**TOOL, "name": "a.b"}]}, None),
    ("tool twice", {"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
    ("schema of no object", {"tools": [{"name": "f", "input_schema": {"type": "string"}}]}, None),
    ("no schema", {"tools": [{"name": "f"}]}, "tools.0.input_schema: Field required"),
    ("function of Chat", {"tools": [{"type": "function", "function": {"name": "f"}}]}, None),
    ("unknown in a search", {"tools": [{**SEARCH, "limit": 3}]}, "tools.0.limit: Extra inputs are not permitted"),
    ("search by another name", {"tools": [{**SEARCH, "name": "search"}]}, None),
    ("format of Chat", {"output_config": {"format": {"type": "json_object"}}}, None),
    ("effort", {"output_config": {"effort": "minimal"}}, None),
    ("search without its result", {"messages": [user("x"), assistant({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}, text()), user("y")]}, None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_refused(client: Client, sim: Simulator, fields: dict[str, Any], message: str | None) -> None:
    got = await ask(client, fields.get("messages", "hi"), **{k: v for k, v in fields.items() if k != "messages"})
    assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")
    assert message is None or got.json["error"]["message"] == message
    assert len(sim.violations) == 1


async def test_an_unanswered_use_is_told_in_anthropics_words(client: Client) -> None:
    told = (await ask(client, [user("x"), assistant(USE)])).json["error"]["message"]
    assert "`tool_use` ids without `tool_result` blocks: toolu_1" in told
    assert "in the next message" in told


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
PAPER = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}, "title": "T"}
GOOD = [
    ("all fields", {"system": [text(**MARK)], "stop_sequences": ["x"], "temperature": 0, "top_p": 1, "top_k": 5, "metadata": {"user_id": "u"}, "service_tier": "auto", "output_config": {"effort": "max"}}),
    ("a budget", {"temperature": 1, **BUDGET}),
    ("no thinking", {"thinking": {"type": "disabled"}, "temperature": 0.5}),
    ("roles need not alternate", {"messages": [user("a"), user("b"), assistant(text()), assistant(text()), user("c")]}),
    ("four marks", {"messages": [user(FIVE[:4])]}),
    ("marks in a schema are words", {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}], "messages": [user(FIVE[:4])]}),
    ("a loop", {"messages": [user("x"), assistant(text(), USE), user([{**RESULT, **MARK}, text()])]}),
    ("a loop with thinking", {"messages": [user("x"), assistant(thought(), USE), user([RESULT])], **BUDGET}),
    ("redacted thinking", {"messages": [user("x"), assistant({"type": "redacted_thinking", "data": seal("r", OWNER, REDACTED)}, USE), user([RESULT])], **BUDGET}),
    ("adaptive thinking may not have thought", {"messages": [user("x"), assistant(USE), user([RESULT])], **ADAPTIVE}),
    ("an old turn without thinking", {"messages": [user("x"), assistant(USE), user([RESULT]), assistant(text()), user("y")], **BUDGET}),
    ("pictures and papers", {"messages": [user([PICTURE, PAPER, text()])]}),
    ("a picture in a result", {"messages": [user("x"), assistant(USE), user([{**RESULT, "content": [PICTURE, text()], "is_error": True}])]}),
    ("no content in a result", {"messages": [user("x"), assistant(USE), user([{"type": "tool_result", "tool_use_id": "toolu_1"}])]}),
    ("a forced choice without thinking", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}}),
    ("tools", {"tools": [{**TOOL, "type": "custom", "strict": True, "defer_loading": False}, {"type": "bash_20250124", "name": "bash"}, SEARCH]}),
]  # fmt: skip


@pytest.mark.parametrize("fields", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
async def test_taken(client: Client, sim: Simulator, fields: dict[str, Any]) -> None:
    got = await ask(client, fields.get("messages", "hi"), **{k: v for k, v in fields.items() if k != "messages"})
    assert (got.status, sim.violations) == (200, [])


async def test_flags_open_what_is_beta(client: Client) -> None:
    flags = {"anthropic-beta": "context-management-2025-06-27,mid-conversation-system-2026-04-07"}
    said = [user("x"), {"role": "system", "content": "s"}, user("y")]
    assert (await ask(client, said, headers=flags, context_management={"edits": []})).status == 200
    assert (await ask(client, said)).status == 400


async def test_an_effort_for_one_turn_needs_its_flag(client: Client, sim: Simulator) -> None:
    """As Claude Code 2.1.329 sends it beside the surroundings of a task."""
    said = [user("x"), {"role": "system", "content": "s", "output_config": {"effort": "high"}}]
    flags = "mid-conversation-tool-changes-2026-07-01"
    refused = await ask(client, said, headers={"anthropic-beta": flags})
    assert (refused.status, sim.violations[0].field) == (400, "messages[1].output_config")
    flags += ",per-turn-control-2026-07-01"
    assert (await ask(client, said, headers={"anthropic-beta": flags})).status == 200
    for wrong in ({**user("x"), "output_config": {"effort": "high"}}, {"role": "system", "content": []}):
        assert (await ask(client, [wrong, user("y")], headers={"anthropic-beta": flags})).status == 400
    nothing_else = {"role": "system", "content": [], "output_config": {"effort": "high"}}
    assert (await ask(client, [user("x"), nothing_else], headers={"anthropic-beta": flags})).status == 200


# -- thinking


async def called(client: Client, **fields: Any) -> list[dict[str, Any]]:
    content = (await ask(client, TASK, tools=[SHELL], **{**BUDGET, **fields})).json["content"]
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "ok"}
    return [user(TASK), assistant(*content), user([result])]


async def test_thinking_comes_back(client: Client, sim: Simulator) -> None:
    history = await called(client)
    got = await ask(client, history, tools=[SHELL], **BUDGET)
    assert got.json["content"][-1]["text"] == "done: sky.txt holds blue"
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])


@pytest.mark.parametrize("spoil", [str.strip, lambda t: t + " ", lambda t: t.replace("思考", "")])
async def test_altered_thinking_is_refused(client: Client, spoil: Any) -> None:
    history = await called(client)
    block = history[1]["content"][0]
    block["thinking"] = spoil(block["thinking"])
    got = await ask(client, history, tools=[SHELL], **BUDGET)
    assert got.status == 400
    assert got.json["error"]["message"] == "messages.1.content.0: Invalid `signature` in `thinking` block"


@pytest.mark.parametrize(
    "signature", [lambda s: s[:-3], lambda s: "sig-1234", lambda s: "", lambda s: seal("r", "openai")]
)
async def test_foreign_signatures_are_refused(client: Client, sim: Simulator, signature: Any) -> None:
    history = await called(client)
    history[1]["content"][0]["signature"] = signature(history[1]["content"][0]["signature"])
    assert (await ask(client, history, tools=[SHELL], **BUDGET)).status == 400
    assert [v.rule for v in sim.violations] == ["signature"]


async def test_a_loop_starts_with_its_thinking(client: Client) -> None:
    history = await called(client)
    del history[1]["content"][0]
    got = await ask(client, history, tools=[SHELL], **BUDGET)
    assert got.status == 400
    assert "Expected `thinking` or `redacted_thinking`, but found `tool_use`" in got.json["error"]["message"]
    assert (await ask(client, history, tools=[SHELL])).status == 200


async def test_adaptive_thinking_that_was_dropped_is_seen(client: Client, sim: Simulator) -> None:
    history = await called(client, **ADAPTIVE)
    del history[1]["content"][0]
    assert (await ask(client, history, tools=[SHELL], **ADAPTIVE)).status == 200
    assert [(v.rule, v.status) for v in sim.violations] == [("reasoning_dropped", 200)]


async def test_another_turns_thinking_is_a_violation(client: Client, sim: Simulator) -> None:
    history, other = await called(client), await called(client)
    history[1]["content"][0] = other[1]["content"][0]
    assert (await ask(client, history, tools=[SHELL], **BUDGET)).status == 200
    assert [v.rule for v in sim.violations] == ["reasoning_changed"]


async def test_omitted_thinking_keeps_its_signature(client: Client, sim: Simulator) -> None:
    omitted = {"thinking": {"type": "adaptive", "display": "omitted"}}
    history = await called(client, **omitted)
    block = history[1]["content"][0]
    assert (block["type"], block["thinking"]) == ("thinking", "")
    assert (await ask(client, history, tools=[SHELL], **omitted)).status == 200
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])


@pytest.mark.parametrize("stream", [False, True])
async def test_redacted_thinking(client: Client, sim: Simulator, stream: bool) -> None:
    task = TASK + " [sim:manner=redacted]"
    got = await ask(client, task, tools=[SHELL], stream=stream, **BUDGET)
    if stream:
        parsed = streams.validate(got.raw)
        content = [{k: v for k, v in block.items() if k != "partial"} for block in parsed.blocks]
    else:
        content = got.json["content"]
    assert [block["type"] for block in content] == ["redacted_thinking", "tool_use"]
    assert "Pens" not in content[0]["data"]
    result = {"type": "tool_result", "tool_use_id": content[1]["id"], "content": "ok"}
    history = [user(task), assistant(*content), user([result])]
    assert (await ask(client, history, tools=[SHELL], **BUDGET)).status == 200
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])
    content[0]["data"] = content[0]["data"][:-4]
    assert (await ask(client, history, tools=[SHELL], **BUDGET)).status == 400


async def test_no_thinking_unless_asked(client: Client) -> None:
    assert [b["type"] for b in (await ask(client, "Say hello.")).json["content"]] == ["text"]
    kinds = [b["type"] for b in (await ask(client, "Say hello.", **ADAPTIVE)).json["content"]]
    assert kinds == ["thinking", "text"]


# -- answers


async def test_events_in_the_documented_order(client: Client) -> None:
    got = await ask(client, TASK, stream=True, tools=[SHELL], **BUDGET)
    parsed = streams.validate(got.raw)
    assert [block["type"] for block in parsed.blocks] == ["thinking", "tool_use"]
    kinds = [event["type"] for event in got.chunks]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    deltas = [event["delta"]["type"] for event in got.chunks if event["type"] == "content_block_delta"]
    assert deltas.index("signature_delta") == deltas.count("thinking_delta")
    assert parsed.calls[0]["input"]["cmd"].endswith("sky.txt")
    assert parsed.stop_reason == "tool_use"
    assert got.chunks[0]["message"]["usage"]["output_tokens"] == 1


async def test_a_whole_answer_that_the_official_type_takes(client: Client) -> None:
    body = (await ask(client, TASK, tools=[SHELL], **BUDGET)).json
    message = Message.model_validate(body)
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    assert (message.stop_reason, message.stop_sequence) == ("tool_use", None)


async def test_a_call_without_arguments_streams_an_empty_piece(client: Client) -> None:
    got = await ask(
        client, "Use the get_goal tool", stream=True, tools=[{"name": "get_goal", "input_schema": {"type": "object"}}]
    )
    pieces = [e["delta"]["partial_json"] for e in got.chunks if e["type"] == "content_block_delta"]
    assert pieces == [""]
    assert streams.validate(got.raw).calls[0]["input"] == {}


async def test_usage_with_the_cache(client: Client) -> None:
    system = [text("S" * 4000, **MARK)]
    first = (await ask(client, "one", system=system)).json["usage"]
    assert first["cache_creation_input_tokens"] > 900
    assert first["cache_creation"]["ephemeral_5m_input_tokens"] == first["cache_creation_input_tokens"]
    got = await ask(client, "two", system=system, stream=True)
    start, end = got.chunks[0]["message"]["usage"], got.chunks[-2]["usage"]
    assert start["cache_read_input_tokens"] > 900
    assert start["input_tokens"] + start["cache_creation_input_tokens"] < 100
    assert {k: v for k, v in end.items() if k != "output_tokens"} == {k: start[k] for k in end if k != "output_tokens"}
    assert end["output_tokens"] > 1


async def test_nothing_is_cached_without_a_mark(client: Client) -> None:
    for _ in range(2):
        usage = (await ask(client, "one", system="S" * 4000)).json["usage"]
        assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (0, 0)
        assert usage["input_tokens"] > 1000


async def test_stop_reasons(client: Client) -> None:
    stopped = (await ask(client, "[sim:say=one two three]", stop_sequences=["two"])).json
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "two")
    assert stopped["content"][0]["text"] == "one "
    assert (await ask(client, "Say hello.", max_tokens=2)).json["stop_reason"] == "max_tokens"
    assert (await ask(client, "Say hello.")).json["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("length", "max_tokens"),
        ("refusal", "refusal"),
        ("pause", "pause_turn"),
        ("context", "model_context_window_exceeded"),
    ],
)
async def test_stop_reasons_of_faults(client: Client, fault: str, reason: str) -> None:
    got = await ask(client, f"hi [sim:fault={fault}]", stream=True)
    assert streams.validate(got.raw).stop_reason == reason


async def test_a_search_of_the_server(client: Client, sim: Simulator) -> None:
    got = await ask(client, "Search the news", stream=True, tools=[SEARCH], **ADAPTIVE)
    types = [e["content_block"]["type"] for e in got.chunks if e["type"] == "content_block_start"]
    assert types == ["thinking", "server_tool_use", "web_search_tool_result", "text"]
    citations = [e["delta"] for e in got.chunks if e.get("delta", {}).get("type") == "citations_delta"]
    assert [c["citation"]["url"] for c in citations] == ["https://example.org/one", "https://example.org/two"]
    assert got.chunks[-2]["usage"]["server_tool_use"]["web_search_requests"] == 1
    body = (await ask(client, "Search the news", tools=[SEARCH])).json
    Message.model_validate(body)
    assert body["content"][0]["input"] == {"query": "Search the news"}
    assert len(body["content"][2]["citations"]) == 2
    history = [user("Search the news"), assistant(*body["content"]), user("And now?")]
    assert (await ask(client, history, tools=[SEARCH])).status == 200
    body["content"][1]["content"][0]["encrypted_content"] += "A"
    assert (await ask(client, history, tools=[SEARCH])).status == 400
    assert [v.rule for v in sim.violations] == ["signature"]


async def test_a_json_answer_fits_its_schema(client: Client) -> None:
    form = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    body = (await ask(client, "Answer", **form)).json
    assert set(json.loads(body["content"][0]["text"])) == {"cmd"}


async def test_no_tool_is_called_when_none_is_chosen(client: Client) -> None:
    body = (await ask(client, TASK, tools=[SHELL], tool_choice={"type": "none"})).json
    assert body["stop_reason"] == "end_turn"


# -- counting


async def test_counting_tokens(client: Client, sim: Simulator) -> None:
    body = {"model": "claude-sonnet-5-5", "messages": [user("x" * 400)]}
    got = await client.post(body, path=PATH + "/count_tokens", headers=HEADERS)
    assert (got.status, set(got.json)) == (200, {"input_tokens"})
    assert got.json["input_tokens"] == (await ask(client, "x" * 400)).json["usage"]["input_tokens"]
    assert sim.violations == []
    bad = await client.post({**body, "x": 1}, path=PATH + "/count_tokens", headers=HEADERS)
    assert bad.json["error"]["message"] == "x: Extra inputs are not permitted"
    limited = await client.post({**body, "max_tokens": 5}, path=PATH + "/count_tokens", headers=HEADERS)
    assert limited.status == 400
    assert (await client.post(body, path=PATH + "/count_tokens", headers=VERSION)).status == 401
    assert (await client.post(body, path=PATH + "/batches", headers=HEADERS)).status == 404


# -- faults


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("400", 400, "invalid_request_error"),
        ("401", 401, "authentication_error"),
        ("402", 402, "billing_error"),
        ("403", 403, "permission_error"),
        ("404", 404, "not_found_error"),
        ("413", 413, "request_too_large"),
        ("429", 429, "rate_limit_error"),
        ("500", 500, "api_error"),
        ("504", 504, "timeout_error"),
        ("529", 529, "overloaded_error"),
    ],
)
async def test_http_errors(client: Client, sim: Simulator, fault: str, status: int, kind: str) -> None:
    got = await ask(client, f"hi [sim:fault={fault}]", stream=True)
    assert (got.status, got.json["type"], got.json["error"]["type"]) == (status, "error", kind)
    assert got.headers["content-type"] == "application/json"
    assert sim.violations == []


async def test_overflow_starts_as_compaction_wants_it(client: Client) -> None:
    told = (await ask(client, "hi [sim:fault=overflow]")).json["error"]["message"]
    assert told.startswith("prompt is too long: ")
    assert told.endswith(" tokens > 1000000 maximum")
    real = await ask(client, "x" * 900_000, model="claude-haiku-4-5")
    assert (real.status, real.json["error"]["message"][:19]) == (400, "prompt is too long:")


async def test_an_error_inside_of_a_stream(client: Client) -> None:
    got = await ask(client, "hi [sim:fault=error_mid]", stream=True)
    assert got.chunks[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "upstream exploded"}}
    assert "message_stop" not in [event["type"] for event in got.chunks]


async def test_broken_streams(client: Client) -> None:
    assert (await ask(client, "hi [sim:fault=drop_text]", stream=True)).broken
    bad = await ask(client, "hi [sim:fault=bad_json]", stream=True)
    assert '{"broken": tru' in bad.records
    cut = await ask(client, TASK + " [sim:fault=drop_call]", stream=True, tools=[SHELL])
    assert cut.broken
    assert cut.chunks[-1]["delta"]["type"] == "input_json_delta"
    limited = await ask(client, "hi [sim:fault=429:3]")
    assert limited.headers["retry-after"] == "3"
    half = await ask(client, "hi [sim:fault=usage_none]", stream=True)
    assert "usage" not in half.chunks[-2]


async def test_faults_of_other_vendors_are_told(client: Client, sim: Simulator) -> None:
    got = await ask(client, "hi [sim:fault=repetition]")
    assert got.status == 400
    assert "no such end" in got.json["error"]["message"]
    assert sim.violations == []


async def test_scripts(client: Client, sim: Simulator) -> None:
    sim.script.append(Turn(reasoning="why", text="because", finish="pause_turn"))
    body = (await ask(client, "go", **ADAPTIVE)).json
    assert (body["content"][0]["thinking"], body["content"][1]["text"], body["stop_reason"]) == (
        "why",
        "because",
        "pause_turn",
    )


async def test_the_official_sdk_gets_through_a_loop(sim: Simulator) -> None:
    async with anthropic.AsyncAnthropic(base_url=sim.url, api_key=KEY, max_retries=0) as sdk:
        said: list[Any] = [user(TASK)]
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        tools: Any = [SHELL]
        for _ in range(2):
            async with sdk.messages.stream(
                model="claude-sonnet-5-5", max_tokens=4096, messages=said, tools=tools, thinking=thinking
            ) as stream:
                message = await stream.get_final_message()
            said.append({"role": "assistant", "content": message.content})
            uses = [block.id for block in message.content if block.type == "tool_use"]
            said.append(user([{"type": "tool_result", "tool_use_id": one, "content": "ok"} for one in uses] or "bye"))
    assert message.stop_reason == "end_turn"
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])
