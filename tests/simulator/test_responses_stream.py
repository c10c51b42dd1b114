"""MiMo's Responses endpoint answers: order, numbers, ends, faults, and the reasoning that must come back."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from dragoman.simulator import Call, Simulator, Turn
from tests.simulator.conftest import Client, Got

PATH = "/v1/responses"
SCHEMA = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
SHELL = {"type": "function", "name": "exec_command", "parameters": SCHEMA}
PATCH = {"type": "custom", "name": "apply_patch"}
TASK = "Run one shell command that writes the word blue into a file named sky.txt."
DOCUMENTED = {
    "created", "in_progress", "output_item.added", "output_item.done", "content_part.added", "content_part.done",
    "output_text.delta", "output_text.done", "reasoning_text.delta", "reasoning_text.done",
    "function_call_arguments.delta", "function_call_arguments.done", "custom_tool_call_input.delta",
    "custom_tool_call_input.done", "completed", "incomplete",
}  # fmt: skip


async def ask(client: Client, given: Any, **fields: Any) -> Got:
    return await client.post({"model": "mimo-v2.6-pro", "input": given, **fields}, path=PATH)


def kinds(got: Got) -> list[str]:
    """Event types without their prefix, repetitions of deltas left out."""
    out: list[str] = []
    for event in got.chunks:
        kind = event["type"].removeprefix("response.")
        if not out or out[-1] != kind:
            out.append(kind)
    return out


def items(got: Got) -> list[dict[str, Any]]:
    return [event["item"] for event in got.chunks if event["type"] == "response.output_item.done"]


async def test_a_stream_in_the_documented_order(client: Client) -> None:
    got = await ask(client, "Say hello.", stream=True)
    assert kinds(got) == [
        "created", "in_progress",
        "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "completed",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in got.chunks] == list(range(len(got.chunks)))
    assert "[DONE]" not in got.records
    thought, message = items(got)
    assert set(thought) == {"id", "type", "content"}
    assert message["content"][0]["text"].startswith("Hello")
    response = got.chunks[-1]["response"]
    assert response["output"] == [thought, message]
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"]["reasoning_tokens"] > 0
    assert usage["input_tokens_details"] == {"cached_tokens": 0}


async def test_the_event_line_names_the_type(client: Client) -> None:
    got = await ask(client, "Say hello.", stream=True)
    names = [line[7:] for line in got.raw.decode().split("\n") if line.startswith("event: ")]
    assert names == [event["type"] for event in got.chunks]


async def test_the_whole_answer_says_the_same(client: Client) -> None:
    streamed = (await ask(client, "Say hello.", stream=True)).chunks[-1]["response"]
    whole = (await ask(client, "Say hello.")).json
    assert whole["status"] == streamed["status"] == "completed"
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][1]["content"] == streamed["output"][1]["content"]
    assert set(whole) == set(streamed)


async def test_no_reasoning_when_it_is_off(client: Client) -> None:
    whole = (await ask(client, "Say hello.", reasoning={"effort": "none"})).json
    assert [item["type"] for item in whole["output"]] == ["message"]


async def test_a_call_and_its_arguments(client: Client) -> None:
    got = await ask(client, TASK, stream=True, tools=[SHELL])
    call = items(got)[-1]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "exec_command", "completed")
    deltas = [e["delta"] for e in got.chunks if e["type"] == "response.function_call_arguments.delta"]
    done = next(e for e in got.chunks if e["type"] == "response.function_call_arguments.done")
    assert len(deltas) > 3
    assert "".join(deltas) == done["arguments"] == call["arguments"]
    assert done["name"] == "exec_command"
    assert json.loads(call["arguments"])["cmd"].endswith("sky.txt")


async def test_a_custom_tool_takes_raw_text(client: Client) -> None:
    got = await ask(client, "Write the word blue into sky.txt", stream=True, tools=[PATCH])
    call = items(got)[-1]
    assert call["type"] == "custom_tool_call"
    assert call["input"] == "*** Begin Patch\n*** Add File: sky.txt\n+blue\n*** End Patch\n"
    deltas = [e["delta"] for e in got.chunks if e["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == call["input"]


async def test_a_tool_of_a_namespace(client: Client) -> None:
    group = {"type": "namespace", "name": "local", "description": "d", "tools": [SHELL]}
    got = await ask(client, TASK, stream=True, tools=[group])
    call = items(got)[-1]
    assert (call["namespace"], call["name"]) == ("local", "exec_command")


@pytest.mark.parametrize("stream", [False, True])
async def test_two_calls_at_once(client: Client, stream: bool) -> None:
    got = await ask(client, TASK + " Do it twice in parallel.", stream=stream, tools=[SHELL])
    output = got.chunks[-1]["response"]["output"] if stream else got.json["output"]
    assert [item["type"] for item in output] == ["reasoning", "function_call", "function_call"]
    assert len({item["call_id"] for item in output[1:]}) == len({item["id"] for item in output[1:]}) == 2


async def test_only_documented_events(client: Client) -> None:
    seen: set[str] = set()
    for task, tools in (("Say hello.", None), (TASK, [SHELL]), ("Write x into y.txt", [PATCH])):
        for fault in ("", " [sim:fault=length]", " [sim:fault=length_call]", " [sim:fault=repetition]"):
            fields = {"tools": tools} if tools else {}
            seen |= set(kinds(await ask(client, task + fault, stream=True, **fields)))
    assert seen == DOCUMENTED


# -- reasoning


async def called(client: Client) -> list[dict[str, Any]]:
    """A history that ends with a tool's output."""
    output = (await ask(client, TASK, tools=[SHELL])).json["output"]
    result = {"type": "function_call_output", "call_id": output[1]["call_id"], "output": ""}
    return [{"role": "user", "content": TASK}, *output, result]


async def test_unchanged_reasoning_is_counted(client: Client, sim: Simulator) -> None:
    history = await called(client)
    got = await ask(client, history, tools=[SHELL])
    assert got.json["output"][-1]["content"][0]["text"] == "done: sky.txt holds blue"
    assert sim.verdict().reasoning_checked == 1
    assert sim.verdict().ok


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_reasoning_is_refused_in_the_words_of_chat(client: Client, sim: Simulator, stream: bool) -> None:
    history = await called(client)
    del history[1]
    got = await ask(client, history, tools=[SHELL], stream=stream)
    assert got.status == 400
    error = json.loads(got.raw.removeprefix(b"data:"))["error"]
    assert error["param"] == "The reasoning_content in the thinking mode must be passed back to the API."
    assert (error["code"], error["message"]) == ("400", "Param Incorrect")
    assert [v.rule for v in sim.violations] == ["reasoning_missing"]
    assert (await ask(client, history, tools=[SHELL], reasoning={"effort": "none"})).status == 200


async def test_it_is_refused_for_old_turns_too(client: Client) -> None:
    history = await called(client)
    history += [{"role": "assistant", "content": "done"}, {"role": "user", "content": "Say hello."}]
    assert (await ask(client, history, tools=[SHELL])).status == 200
    assert (await ask(client, [history[0], *history[2:]], tools=[SHELL])).status == 400


async def test_reasoning_behind_its_call_is_missing(client: Client) -> None:
    user, thought, call, result = await called(client)
    assert (await ask(client, [user, call, thought, result], tools=[SHELL])).status == 400


@pytest.mark.parametrize("spoil", [str.strip, lambda r: r + " ", lambda r: r.replace("思考", "")])
async def test_changed_reasoning_is_a_violation(client: Client, sim: Simulator, spoil: Any) -> None:
    history = await called(client)
    part = history[1]["content"][0]
    part["text"] = spoil(part["text"])
    assert (await ask(client, history, tools=[SHELL])).status == 200
    assert [v.rule for v in sim.violations] == ["reasoning_changed"]


async def test_a_placeholder_is_recorded_apart(client: Client, sim: Simulator) -> None:
    history = await called(client)
    history[1]["content"][0]["text"] = "(lost)"
    await ask(client, history, tools=[SHELL])
    assert (sim.verdict().placeholders, sim.violations) == (1, [])


async def test_a_custom_call_comes_back_with_its_reasoning(client: Client, sim: Simulator) -> None:
    output = (await ask(client, "Write the word blue into sky.txt", tools=[PATCH])).json["output"]
    result = {"type": "custom_tool_call_output", "call_id": output[1]["call_id"], "output": "ok"}
    user = {"role": "user", "content": "Write the word blue into sky.txt"}
    assert (await ask(client, [user, *output, result], tools=[PATCH])).status == 200
    assert (sim.verdict().reasoning_checked, sim.violations) == (1, [])


# -- ends and faults


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("length", "max_output_tokens"), ("repetition", "max_output_tokens"), ("content_filter", "content_filter")],
)
async def test_an_answer_that_is_not_whole(client: Client, fault: str, reason: str) -> None:
    got = await ask(client, f"hi [sim:fault={fault}]", stream=True)
    assert kinds(got)[-1] == "incomplete"
    response = got.chunks[-1]["response"]
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert response["output"][-1]["status"] == "incomplete"
    assert (await ask(client, f"hi [sim:fault={fault}]")).json["incomplete_details"] == {"reason": reason}


async def test_a_cut_call(client: Client) -> None:
    got = await ask(client, TASK + " [sim:fault=length_call]", stream=True, tools=[SHELL])
    call = got.chunks[-1]["response"]["output"][-1]
    assert call["status"] == "incomplete"
    with pytest.raises(ValueError, match=r"Unterminated|delimiter|Expecting"):
        json.loads(call["arguments"])


async def test_the_output_limit_counts_reasoning(client: Client) -> None:
    got = (await ask(client, "Say hello.", max_output_tokens=5)).json
    assert got["incomplete_details"] == {"reason": "max_output_tokens"}
    assert got["usage"]["output_tokens"] == 5
    assert [item["type"] for item in got["output"]] == ["reasoning"]


async def test_a_broken_stream_breaks_without_a_word(client: Client) -> None:
    for fault in ("drop_text", "network_error"):
        got = await ask(client, f"hi [sim:fault={fault}]", stream=True)
        assert got.broken
        assert got.chunks[0]["type"] == "response.created"
        assert not {"completed", "incomplete", "failed"} & set(kinds(got))
    call = await ask(client, TASK + " [sim:fault=drop_call]", stream=True, tools=[SHELL])
    assert call.broken
    assert kinds(call)[-1] == "function_call_arguments.delta"
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(client, "hi [sim:fault=reset]", stream=True)


async def test_an_error_object_in_mid_stream(client: Client) -> None:
    got = await ask(client, "hi [sim:fault=error_mid]", stream=True)
    last = json.loads(got.records[-1])
    assert last["error"]["message"] == "upstream exploded"
    assert "type" not in last


async def test_there_is_no_failed_response(client: Client) -> None:
    got = await ask(client, "hi [sim:fault=failed]", stream=True)
    assert got.status == 400
    assert b"no such end" in got.raw


async def test_other_faults(client: Client) -> None:
    empty = await ask(client, "hi [sim:fault=empty]", stream=True)
    assert kinds(empty) == ["completed"]
    assert empty.chunks[0]["response"]["output"] == []
    no_end = await ask(client, "hi [sim:fault=no_done]", stream=True)
    assert not no_end.broken
    assert kinds(no_end)[-1] == "output_item.done"
    open_items = await ask(client, "hi [sim:fault=no_finish]", stream=True)
    assert "output_item.done" not in kinds(open_items)
    bad = await ask(client, "hi [sim:fault=bad_json]", stream=True)
    assert '{"broken": tru' in bad.records
    whole = await ask(client, "hi [sim:fault=json]", stream=True)
    assert whole.json["object"] == "response"


async def test_usage_faults(client: Client) -> None:
    async def usage(fault: str) -> Any:
        return (await ask(client, f"hi [sim:fault={fault}]", stream=True)).chunks[-1]["response"]["usage"]

    assert await usage("usage_none") is None
    assert (await usage("usage_null"))["input_tokens_details"] is None
    assert (await usage("usage_bad"))["input_tokens"] == "many"


async def test_fragments_of_two_calls_alternate(client: Client) -> None:
    got = await ask(client, TASK + " Do it twice in parallel. [sim:fault=interleave]", stream=True, tools=[SHELL])
    order = [e["output_index"] for e in got.chunks if e["type"] == "response.function_call_arguments.delta"]
    assert order[:4] == [1, 2, 1, 2]
    assert [event["sequence_number"] for event in got.chunks] == list(range(len(got.chunks)))


@pytest.mark.parametrize("fault", ["429", "500", "503", "overflow"])
async def test_errors_have_mimos_body(client: Client, sim: Simulator, fault: str) -> None:
    got = await ask(client, f"hi [sim:fault={fault}]")
    assert set(got.json["error"]) >= {"code", "message", "type"}
    assert sim.violations == []


async def test_scripts(client: Client, sim: Simulator) -> None:
    sim.script.append(Turn(reasoning="why", calls=(Call("f", '{"a":1}'),)))
    output = (await ask(client, "go")).json["output"]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "why"}]
    assert (output[1]["name"], output[1]["arguments"]) == ("f", '{"a":1}')


async def test_nothing_is_kept(client: Client) -> None:
    made = (await ask(client, "hi")).json["id"]
    async with client.session.get(f"{client.sim.url}{PATH}/{made}", headers={"api-key": "sk-sim"}) as answer:
        assert answer.status == 404
