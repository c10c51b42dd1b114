"""The simulated OpenAI: Responses with sealed reasoning and kept answers, Chat Completions, and errors in its words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from dragoman.simulator import Simulator, running_simulator
from dragoman.simulator.ask import Rejected
from dragoman.simulator.seals import seal, unseal
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.openai import OPENAI
from tests.simulator.conftest import KEY, Client, Got
from tests.validators import responses as responses_streams

BEARER = {"Authorization": f"Bearer {KEY}"}
MODEL = "gpt-5.6"
SCHEMA = {
    "type": "object",
    "properties": {"cmd": {"type": "string"}},
    "required": ["cmd"],
    "additionalProperties": False,
}
SHELL = {"type": "function", "name": "exec_command", "parameters": SCHEMA, "strict": True}
CHAT_SHELL = {"type": "function", "function": {"name": "exec_command", "parameters": SCHEMA}}
TASK = "Run one shell command that writes the word blue into a file named sky.txt."
SEALED = {"include": ["reasoning.encrypted_content"], "store": False}
USER = {"role": "user", "content": "hi"}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator("openai", KEY) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(sim, session)


async def ask(client: Client, given: Any, **fields: Any) -> Got:
    return await client.post({"model": MODEL, "input": given, **fields}, path="/v1/responses", headers=BEARER)


async def chat(client: Client, messages: Any, **fields: Any) -> Got:
    said = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return await client.post({"model": MODEL, "messages": said, **fields}, headers=BEARER)


def error(got: Got) -> tuple[int, str, str | None, str | None]:
    found = got.json["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return got.status, found["message"], found["param"], found["code"]


# -- the door


@pytest.mark.parametrize("headers", [{}, {"api-key": KEY}, {"x-api-key": KEY}, {"Authorization": "Bearer sk-other"}])
async def test_only_a_bearer_key_opens(client: Client, headers: dict[str, str]) -> None:
    got = await client.post({"model": MODEL, "input": "hi"}, path="/v1/responses", headers=headers)
    assert (got.status, got.json["error"]["code"]) == (401, "invalid_api_key")


async def test_unknown_models_and_paths(client: Client) -> None:
    found = error(await ask(client, "hi", model="gpt-9"))
    assert found[0] == 404
    assert (found[1], found[3]) == (
        "The model 'gpt-9' does not exist or you do not have access to it.",
        "model_not_found",
    )
    codex = await chat(client, "hi", model="gpt-5.3-codex")
    assert codex.status == 404
    assert (await client.post({}, path="/v1/messages", headers=BEARER)).json["error"]["type"] == "invalid_request_error"


async def test_the_model_list(client: Client) -> None:
    async with client.session.get(client.sim.url + "/v1/models", headers=BEARER) as answer:
        listed = (await answer.json())["data"]
    assert {"gpt-6.1-sol", "gpt-5.6-luna", "gpt-5.3-codex"} <= {model["id"] for model in listed}
    assert set(listed[0]) == {"id", "object", "created", "owned_by"}


# -- Responses: what is refused

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


def items(*given: Any) -> dict[str, Any]:
    return {"input": list(given)}


def form(**fields: Any) -> dict[str, Any]:
    return {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}, **fields}}}


BAD = [
    ("unknown field", {"thinking": {}}, "Unknown parameter: 'thinking'.", "thinking", "unknown_parameter"),
    ("a field of Chat", {"max_tokens": 5}, "Unknown parameter: 'max_tokens'.", "max_tokens", "unknown_parameter"),
    ("unknown inside", {"reasoning": {"budget": 1}}, "Unknown parameter: 'reasoning.budget'.", "reasoning.budget", "unknown_parameter"),
    ("no input", {"input": None}, "Missing required parameter: 'input'.", "input", "missing_required_parameter"),
    ("effort", {"reasoning": {"effort": "huge"}}, None, "reasoning.effort", "invalid_value"),
    ("ultra is no word of the API", {"reasoning": {"effort": "ultra"}}, None, "reasoning.effort", "invalid_value"),
    ("include", {"include": ["everything"]}, None, "include[0]", "invalid_value"),
    ("stream", {"stream": "yes"}, None, "stream", "invalid_type"),
    ("temperature while it thinks", {"temperature": 0.2}, "Unsupported parameter: 'temperature' is not supported with this model.", "temperature", "unsupported_parameter"),
    ("few tokens", {"max_output_tokens": 15}, None, "max_output_tokens", "invalid_value"),
    ("background", {"background": True}, None, "background", "invalid_value"),
    ("unknown answer", {"previous_response_id": "resp_x"}, "Previous response with id 'resp_x' not found.", "previous_response_id", "previous_response_not_found"),
    ("unknown item", items(USER, {"type": "thinking"}), None, "input[1].type", "invalid_value"),
    ("unknown field of an item", items({**USER, "name": "x"}), "Unknown parameter: 'input[0].name'.", "input[0].name", "unknown_parameter"),
    ("input text of the assistant", items({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}), None, "input[0].content[0].type", "invalid_value"),
    ("output text of the user", items({"role": "user", "content": [{"type": "output_text", "text": "x"}]}), None, "input[0].content[0].type", "invalid_value"),
    ("image without source", items({"role": "user", "content": [{"type": "input_image"}]}), None, "input[0].content[0].image_url", "missing_required_parameter"),
    ("message id", items({**USER, "id": "item_1"}), "Invalid 'input[0].id': 'item_1'. Expected an ID that begins with 'msg'.", "input[0].id", "invalid_value"),
    ("reasoning id", items(USER, {**THOUGHT, "id": "msg_1"}), "Invalid 'input[1].id': 'msg_1'. Expected an ID that begins with 'rs'.", "input[1].id", "invalid_value"),
    ("call id for an id", items(USER, {**CALL, "id": "call_1"}, RESULT), "Invalid 'input[1].id': 'call_1'. Expected an ID that begins with 'fc'.", "input[1].id", "invalid_value"),
    ("long call id", items(USER, {**CALL, "call_id": "c" * 65}), None, "input[1].call_id", "invalid_value"),
    ("reasoning without summary", items(USER, {"type": "reasoning", "id": "rs_1"}), None, "input[1].summary", "missing_required_parameter"),
    ("call without output", items(USER, CALL), "No tool output found for function call c1.", "input", None),
    ("output without call", items(USER, RESULT), "No tool call found for function call output with call_id c1.", "input[1].call_id", None),
    ("custom call without output", items(USER, {"type": "custom_tool_call", "call_id": "c1", "name": "p", "input": ""}), "No tool output found for custom tool call c1.", "input", None),
    ("unknown reference", items(USER, {"type": "item_reference", "id": "msg_9"}), "Item with id 'msg_9' not found.", "input[1]", None),
    ("folded elsewhere", items(USER, {"type": "compaction", "encrypted_content": "dgm1.x"}), None, "input[1].encrypted_content", "invalid_encrypted_content"),
    ("nested function", {"tools": [CHAT_SHELL]}, "Unknown parameter: 'tools[0].function'.", "tools[0].function", "unknown_parameter"),
    ("strict but loose", {"tools": [{**TOOL, "strict": True}]}, None, "tools[0].parameters", "invalid_function_parameters"),
    ("strict but optional", {"tools": [{**TOOL, "parameters": LOOSE, "strict": True}]}, None, "tools[0].parameters", "invalid_function_parameters"),
    ("dotted name", {"tools": [{**TOOL, "name": "a.b"}]}, None, "tools[0].name", "invalid_value"),
    ("tool twice", {"tools": [TOOL, TOOL]}, None, "tools", "invalid_value"),
    ("schema name", form(name="a b"), None, "text.format.name", "invalid_value"),
    ("strict format", form(schema={"type": "object"}, strict=True), None, "text.format.schema", "invalid_function_parameters"),
    ("json without the word", {"text": {"format": {"type": "json_object"}}}, None, "text.format", None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message", "param", "code"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
async def test_refused(
    client: Client, sim: Simulator, fields: dict[str, Any], message: str | None, param: str, code: str | None
) -> None:
    status, told, *where = error(
        await ask(
            client,
            **{"given": "hi", **fields}
            if "input" not in fields
            else {"given": fields["input"]} | {k: v for k, v in fields.items() if k != "input"},
        )
    )
    assert where == [param, code]
    assert status == (404 if "Item with id" in told else 400)
    assert message is None or told == message
    assert len(sim.violations) == 1


GOOD = [
    ("documented fields", {"instructions": None, "metadata": {"a": "b"}, "store": None, "user": "u", "truncation": "auto", "service_tier": "flex", "safety_identifier": "s", "prompt_cache_key": "k", "max_tool_calls": 3, "top_logprobs": 0, "client_metadata": {"x": "y"}}),
    ("what Codex sends", {"tool_choice": "auto", "parallel_tool_calls": False, "reasoning": {"effort": "xhigh", "summary": "auto", "context": "all_turns"}, "store": False, "stream": True, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "t", "text": {"verbosity": "low"}}),
    ("sampling without thinking", {"temperature": 0.2, "top_p": 0.5, "reasoning": {"effort": "none"}}),
    ("the default of temperature", {"temperature": 1}),
    ("old turns", items(USER, THOUGHT, {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "x"}]}, CALL, RESULT)),
    ("no reasoning at all", items(USER, {**CALL, "id": "fc_1", "status": "completed"}, {**RESULT, "name": "f"})),
    ("search in the history", items(USER, {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}})),
    ("images", items({"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "original"}]})),
    ("a file", items({"role": "user", "content": [{"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}]})),
    ("a local shell", items(USER, {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}}, {"type": "function_call_output", "call_id": "c", "output": "x"})),
    ("hosted tools", {"tools": [{"type": "web_search", "search_context_size": "low"}, {"type": "local_shell"}, {"type": "mcp", "server_label": "x"}]}),
    ("strict", {"tools": [SHELL]}),
    ("a named choice", {"tools": [SHELL], "tool_choice": {"type": "function", "name": "exec_command"}}),
    ("a schema", form(schema=SCHEMA, strict=True)),
]  # fmt: skip


@pytest.mark.parametrize("fields", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
async def test_taken(client: Client, sim: Simulator, fields: dict[str, Any]) -> None:
    given = fields.get("input", "hi")
    got = await ask(client, given, **{k: v for k, v in fields.items() if k != "input"})
    assert (got.status, sim.violations) == (200, [])


# -- Responses: answers


@pytest.mark.parametrize("summary", [None, "auto"])
async def test_a_stream_that_the_official_types_take(client: Client, summary: str | None) -> None:
    got = await ask(
        client, TASK, stream=True, tools=[SHELL], reasoning={"effort": "high", "summary": summary}, **SEALED
    )
    parsed = responses_streams.validate(got.raw)
    thought, call = parsed.output
    assert thought["type"] == "reasoning"
    assert bool(thought["summary"]) is (summary is not None)
    assert unseal(thought["encrypted_content"], "openai") is not None
    assert json.loads(call["arguments"])["cmd"].endswith("sky.txt")
    assert parsed.response["store"] is False
    assert parsed.response["reasoning"] == {"effort": "high", "summary": summary}


async def test_a_text_and_a_whole_answer(client: Client) -> None:
    parsed = responses_streams.validate((await ask(client, "Say hello.", stream=True)).raw)
    assert parsed.text.startswith("Hello")
    whole = (await ask(client, "Say hello.")).json
    responses_streams.validate_response(whole)
    assert "encrypted_content" not in whole["output"][0]


async def test_a_custom_tool_and_a_namespace(client: Client) -> None:
    custom = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    group = {"type": "namespace", "name": "local", "description": "d", "tools": [custom]}
    got = await ask(client, "Write the word blue into sky.txt", stream=True, tools=[group])
    call = responses_streams.validate(got.raw).output[-1]
    assert (call["type"], call["namespace"], call["name"]) == ("custom_tool_call", "local", "apply_patch")


async def test_a_json_answer_fits_its_schema(client: Client) -> None:
    got = (await ask(client, "Answer about 5 things", **form(schema=SCHEMA))).json
    assert set(json.loads(got["output"][-1]["content"][0]["text"])) == {"cmd"}


async def test_no_tool_is_called_when_none_is_chosen(client: Client) -> None:
    got = (await ask(client, TASK, tools=[SHELL], tool_choice="none")).json
    assert [item["type"] for item in got["output"]] == ["reasoning", "message"]


async def test_a_search_of_the_server(client: Client) -> None:
    fields = {"tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"]}
    parsed = responses_streams.validate((await ask(client, "Search the news", stream=True, **fields)).raw)
    states = [t for t in parsed.types if t.startswith("web_search_call")]
    assert states == ["web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed"]
    search, message = parsed.output[-2:]
    assert search["action"]["query"] == "Search the news"
    assert [source["url"] for source in search["action"]["sources"]] == [
        "https://example.org/one",
        "https://example.org/two",
    ]
    added = [e["annotation"] for e in parsed.of("output_text.annotation.added")]
    assert added == message["content"][0]["annotations"]
    assert added[0]["type"] == "url_citation"


async def test_a_refusal(client: Client) -> None:
    parsed = responses_streams.validate((await ask(client, "hi [sim:fault=refusal]", stream=True)).raw)
    assert parsed.output[-1]["content"][0]["type"] == "refusal"
    assert parsed.status == "completed"


# -- reasoning


async def called(client: Client) -> list[dict[str, Any]]:
    output = (await ask(client, TASK, tools=[SHELL], **SEALED)).json["output"]
    result = {"type": "function_call_output", "call_id": output[1]["call_id"], "output": ""}
    return [{"role": "user", "content": TASK}, *output, result]


async def test_sealed_reasoning_comes_back(client: Client, sim: Simulator) -> None:
    history = await called(client)
    assert (await ask(client, history, tools=[SHELL], **SEALED)).status == 200
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])


async def test_reasoning_may_stay_away(client: Client, sim: Simulator) -> None:
    user, _, call, result = await called(client)
    assert (await ask(client, [user, call, result], tools=[SHELL], **SEALED)).status == 200
    assert sim.violations == []


@pytest.mark.parametrize(
    "blob", [lambda b: b[:-5], lambda b: b + "A", lambda b: b.replace("A", "B"), lambda b: "dgm1." + b, lambda b: "",
             lambda b: seal("foreign", "anthropic")],
)  # fmt: skip
async def test_altered_or_foreign_seals_are_refused(client: Client, sim: Simulator, blob: Any) -> None:
    history = await called(client)
    history[1]["encrypted_content"] = blob(history[1]["encrypted_content"])
    got = await ask(client, history, tools=[SHELL], **SEALED)
    assert (got.status, got.json["error"]["code"]) == (400, "invalid_encrypted_content")
    assert [v.rule for v in sim.violations] == ["invalid_encrypted_content"]


async def test_another_turns_seal_is_a_violation(client: Client, sim: Simulator) -> None:
    history, other = await called(client), await called(client)
    history[1]["encrypted_content"] = other[1]["encrypted_content"]
    assert (await ask(client, history, tools=[SHELL], **SEALED)).status == 200
    assert [v.rule for v in sim.violations] == ["reasoning_changed"]


# -- kept answers


async def test_an_answer_is_kept_and_gone_on_from(client: Client, sim: Simulator) -> None:
    first = (await ask(client, TASK, tools=[SHELL])).json
    result = {"type": "function_call_output", "call_id": first["output"][1]["call_id"], "output": ""}
    second = (await ask(client, [result], tools=[SHELL], previous_response_id=first["id"])).json
    assert second["output"][-1]["content"][0]["text"] == "done: sky.txt holds blue"
    assert second["previous_response_id"] == first["id"]
    assert error(await ask(client, "hi", previous_response_id=first["id"]))[1].startswith("No tool output found")
    reference = {"type": "item_reference", "id": first["output"][1]["id"]}
    assert (await ask(client, [{"role": "user", "content": TASK}, reference, result], tools=[SHELL])).status == 200
    assert [v.rule for v in sim.violations] == ["call_unanswered"]


async def test_kept_answers_can_be_read_and_deleted(client: Client) -> None:
    made = (await ask(client, "hi")).json
    url = f"{client.sim.url}/v1/responses/{made['id']}"
    async with client.session.get(url, headers=BEARER) as answer:
        assert await answer.json() == made
    async with client.session.delete(url, headers=BEARER) as answer:
        assert (await answer.json())["deleted"] is True
    async with client.session.get(url, headers=BEARER) as answer:
        assert answer.status == 404
    async with client.session.get(url) as answer:
        assert answer.status == 401


async def test_nothing_is_kept_without_store(client: Client) -> None:
    made = (await ask(client, "hi", store=False)).json
    assert error(await ask(client, "go on", previous_response_id=made["id"]))[3] == "previous_response_not_found"


# -- faults of Responses


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("failed", "server_error"),
        ("failed_rate", "rate_limit_exceeded"),
        ("failed_overflow", "context_length_exceeded"),
        ("failed_quota", "insufficient_quota"),
    ],
)
async def test_a_failed_response(client: Client, fault: str, code: str) -> None:
    got = await ask(client, f"hi [sim:fault={fault}]", stream=True)
    last = got.chunks[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == code
    assert len(got.chunks) > 4
    assert (await ask(client, f"hi [sim:fault={fault}]")).json["error"]["code"] == code


async def test_a_rate_limit_in_the_stream_says_how_long_to_wait(client: Client) -> None:
    got = await ask(client, "hi [sim:fault=failed_rate]", stream=True)
    assert "try again in 1.5s" in got.chunks[-1]["response"]["error"]["message"]


async def test_a_top_level_error(client: Client) -> None:
    last = (await ask(client, "hi [sim:fault=error_mid]", stream=True)).chunks[-1]
    assert (last["type"], last["code"], last["message"]) == ("error", "server_error", "upstream exploded")
    numbers = [e["sequence_number"] for e in (await ask(client, "x [sim:fault=error_call]", stream=True)).chunks]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(("fault", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_an_incomplete_response(client: Client, fault: str, reason: str) -> None:
    parsed = responses_streams.validate((await ask(client, f"hi [sim:fault={fault}]", stream=True)).raw)
    assert (parsed.status, parsed.response["incomplete_details"]) == ("incomplete", {"reason": reason})


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("401", 401, "invalid_api_key"),
        ("429", 429, "rate_limit_exceeded"),
        ("quota", 429, "insufficient_quota"),
        ("500", 500, None),
        ("503", 503, "server_is_overloaded"),
        ("overflow", 400, "context_length_exceeded"),
        ("moderation", 400, "invalid_prompt"),
    ],
)
async def test_http_errors(client: Client, sim: Simulator, fault: str, status: int, code: str | None) -> None:
    for got in (
        await ask(client, f"hi [sim:fault={fault}]", stream=True),
        await chat(client, f"hi [sim:fault={fault}]"),
    ):
        found = error(got)
        assert (found[0], found[3]) == (status, code)
        assert got.headers["content-type"] == "application/json"
    assert sim.violations == []


async def test_broken_streams(client: Client) -> None:
    assert (await ask(client, "hi [sim:fault=drop_text]", stream=True)).broken
    bad = await ask(client, "hi [sim:fault=bad_json]", stream=True)
    assert '{"broken": tru' in bad.records
    limited = await ask(client, "hi [sim:fault=429:2]")
    assert limited.headers["retry-after"] == "2"


async def test_a_prompt_over_the_window(client: Client) -> None:
    found = error(await ask(client, "x" * 1_100_000, model="gpt-5.4-nano"))
    assert (found[0], found[3]) == (400, "context_length_exceeded")


# -- Chat Completions

CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}
ANSWER = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
CHAT_BAD = [
    ("old limit", {"max_tokens": 5}, "max_tokens", "unsupported_parameter"),
    ("unknown", {"thinking": {"type": "enabled"}}, "thinking", "unknown_parameter"),
    ("top_k", {"top_k": 1}, "top_k", "unknown_parameter"),
    ("hot", {"temperature": 0.2}, "temperature", "unsupported_parameter"),
    ("stop while it thinks", {"stop": ["x"]}, "stop", "unsupported_parameter"),
    ("effort", {"reasoning_effort": "ultra"}, "reasoning_effort", "invalid_value"),
    ("many answers", {"n": 2}, "n", "invalid_value"),
    ("flat tool", {"tools": [SHELL]}, "tools[0].name", "unknown_parameter"),
    ("no tools", {"tools": []}, "tools", "invalid_value"),
    ("format without schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format.json_schema.schema", "missing_required_parameter"),
    ("strict format", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}}, "response_format.json_schema.schema", "invalid_function_parameters"),
    ("reasoning in the history", {"messages": [USER, {**CALLED, "reasoning_content": "r"}, ANSWER]}, "messages[1].reasoning_content", "unknown_parameter"),
    ("role", {"messages": [{"role": "critic", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ("content null of the user", {"messages": [{"role": "user", "content": None}]}, "messages[0].content", "invalid_value"),
    ("call unanswered", {"messages": [USER, CALLED]}, "messages", None),
    ("result without call", {"messages": [USER, ANSWER]}, "messages[1].tool_call_id", None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param", "code"), [c[1:] for c in CHAT_BAD], ids=[c[0] for c in CHAT_BAD])
async def test_chat_refuses(client: Client, fields: dict[str, Any], param: str, code: str | None) -> None:
    found = error(await chat(client, **{"messages": "hi", **fields}))
    assert (found[0], found[2], found[3]) == (400, param, code)


CHAT_GOOD = [
    ("null content beside calls", {"messages": [USER, CALLED, ANSWER]}),
    ("all roles", {"messages": [{"role": "system", "content": "s"}, {"role": "developer", "content": "d"}, USER]}),
    ("sampling without thinking", {"reasoning_effort": "none", "temperature": 0.2, "stop": "x"}),
    ("fields", {"max_completion_tokens": 100, "store": False, "metadata": {"a": "b"}, "seed": 1, "user": "u"}),
    ("image", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example"}}]}]}),
    ("refusal", {"messages": [USER, {"role": "assistant", "refusal": "no", "content": [{"type": "refusal", "refusal": "no"}]}, USER]}),
    ("choice", {"tools": [CHAT_SHELL], "tool_choice": {"type": "function", "function": {"name": "exec_command"}}}),
    ("text", {"response_format": {"type": "text"}}),
]  # fmt: skip


@pytest.mark.parametrize("fields", [case[1] for case in CHAT_GOOD], ids=[case[0] for case in CHAT_GOOD])
async def test_chat_takes(client: Client, sim: Simulator, fields: dict[str, Any]) -> None:
    assert (await chat(client, **{"messages": "hi", **fields})).status == 200
    assert sim.violations == []


@pytest.mark.parametrize("stream", [False, True])
async def test_chat_has_custom_tools(client: Client, sim: Simulator, stream: bool) -> None:
    tool = {"type": "custom", "custom": {"name": "apply_patch", "description": "Edits", "format": {"type": "text"}}}
    got = await chat(client, "Use the apply_patch tool.", tools=[tool], stream=stream)
    if stream:
        pieces = [c for d in got.deltas for c in d.get("tool_calls", ())]
        said = "".join(piece["custom"]["input"] for piece in pieces)
        first = {**pieces[0], "custom": {"name": pieces[0]["custom"]["name"], "input": said}}
    else:
        (first,) = got.json["choices"][0]["message"]["tool_calls"]
    assert (first["type"], first["custom"]["name"]) == ("custom", "apply_patch")
    assert first["custom"]["input"].startswith("*** Begin Patch")
    call = {"id": first["id"], "type": "custom", "custom": first["custom"]}
    back = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}]
    answer = {"role": "tool", "tool_call_id": first["id"], "content": "ok"}
    assert (await chat(client, [*back, answer], tools=[tool])).status == 200
    assert sim.violations == []
    wrong = {**call, "function": {"name": "x", "arguments": "{}"}}
    assert (await chat(client, [USER, {"role": "assistant", "tool_calls": [wrong]}, answer])).status == 400


@pytest.mark.parametrize("asked", [False, True])
async def test_chat_tells_usage_only_when_asked(client: Client, asked: bool) -> None:
    fields = {"stream_options": {"include_usage": True}} if asked else {}
    got = await chat(client, TASK, stream=True, tools=[CHAT_SHELL], **fields)
    assert got.records[-1] == "[DONE]"
    assert got.finish == "tool_calls"
    assert got.joined("reasoning_content") == ""
    reports = [chunk["usage"] for chunk in got.chunks if chunk.get("usage")]
    assert len(reports) == int(asked)
    if asked:
        assert reports[0]["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_chat_never_shows_reasoning(client: Client) -> None:
    whole = (await chat(client, "Say hello.")).json
    assert "reasoning_content" not in whole["choices"][0]["message"]
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_chat_json_schema(client: Client) -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}
    content = (await chat(client, "Answer", response_format=shape)).json["choices"][0]["message"]["content"]
    assert set(json.loads(content)) == {"cmd"}


async def test_chat_refusals_and_faults(client: Client) -> None:
    refused = (await chat(client, "hi [sim:fault=refusal]")).json["choices"][0]["message"]
    assert refused["content"] is None
    assert refused["refusal"]
    cut = await chat(client, "hi [sim:fault=length]", stream=True)
    assert cut.finish == "length"
    exploded = await chat(client, "hi [sim:fault=error_mid]", stream=True)
    assert exploded.chunks[-1]["error"]["code"] == "server_error"


def test_a_seal_belongs_to_its_maker() -> None:
    blob = seal("思考 🙂", "openai")
    assert unseal(blob, "openai") == "思考 🙂"
    assert unseal(blob, "anthropic") is None
    assert unseal(blob[:-1], "openai") is None
    assert unseal("gAAAA!", "openai") is None


def test_rules_are_raised_as_such() -> None:
    assert OPENAI.responses is not None
    card = OPENAI.card(MODEL)
    assert card is not None
    with pytest.raises(Rejected, match="unknown_field"):
        OPENAI.responses.read({"model": MODEL, "input": "x", "y": 1}, card, Account())


async def test_the_official_sdk_gets_through_a_loop(sim: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=sim.url + "/v1", api_key=KEY, max_retries=0) as sdk:
        given: list[Any] = [{"role": "user", "content": TASK}]
        tools: Any = [SHELL]
        for _ in range(2):
            made = await sdk.responses.create(
                model=MODEL, input=given, tools=tools, store=False, include=["reasoning.encrypted_content"]
            )
            given += [item.model_dump(exclude_none=True) for item in made.output]
            given += [
                {"type": "function_call_output", "call_id": item.call_id, "output": "ok"}
                for item in made.output
                if item.type == "function_call"
            ]
    assert made.output_text == "done: sky.txt holds blue"
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])
