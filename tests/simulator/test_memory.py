"""The reasoning rule: what was streamed must come back, byte for byte, while thinking is on."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.simulator import Simulator
from dragoman.simulator.memory import common_prefix
from tests.simulator.conftest import Client
from tests.simulator.test_streams import SHELL, TASK

USED = {"name": "exec_command", "input_schema": SHELL["function"]["parameters"]}


async def called(client: Client, **fields: Any) -> list[dict[str, Any]]:
    """A history that ends with a tool's result."""
    got = await client.chat(TASK, tools=[SHELL], **fields)
    message = got.json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": ""}
    return [{"role": "user", "content": TASK}, message, result]


async def test_unchanged_reasoning_is_counted(client: Client, sim: Simulator) -> None:
    history = await called(client)
    got = await client.chat(history, tools=[SHELL])
    assert got.json["choices"][0]["message"]["content"] == "done: sky.txt holds blue"
    assert sim.verdict().reasoning_checked == 1
    assert sim.verdict().ok


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_reasoning_is_refused_in_the_vendors_words(client: Client, sim: Simulator, stream: bool) -> None:
    history = await called(client)
    del history[1]["reasoning_content"]
    got = await client.chat(history, tools=[SHELL], stream=stream)
    assert got.status == 400
    assert got.raw.startswith(b"data:" if stream else b"{")
    assert b"\n" not in got.raw
    error = got.json["error"] if not stream else __import__("json").loads(got.raw[5:])["error"]
    assert error == {
        "code": "400",
        "message": "Param Incorrect",
        "param": "The reasoning_content in the thinking mode must be passed back to the API.",
        "type": "",
    }
    assert [v.rule for v in sim.violations] == ["reasoning_missing"]


async def test_missing_reasoning_is_fine_when_thinking_is_off(client: Client, sim: Simulator) -> None:
    history = await called(client)
    del history[1]["reasoning_content"]
    assert (await client.chat(history, tools=[SHELL], thinking={"type": "disabled"})).status == 200
    assert sim.violations == []


async def test_it_is_refused_for_old_turns_too(client: Client) -> None:
    history = await called(client)
    history += [{"role": "assistant", "content": "done"}, {"role": "user", "content": "Say hello."}]
    assert (await client.chat(history, tools=[SHELL])).status == 200
    history[1]["reasoning_content"] = ""
    assert (await client.chat(history, tools=[SHELL])).status == 400


@pytest.mark.parametrize("spoil", [str.strip, lambda r: r + " ", lambda r: r.replace("思考", "")])
async def test_changed_reasoning_is_a_violation(client: Client, sim: Simulator, spoil: Any) -> None:
    history = await called(client)
    history[1]["reasoning_content"] = spoil(history[1]["reasoning_content"])
    assert (await client.chat(history, tools=[SHELL])).status == 200
    assert [v.rule for v in sim.violations] == ["reasoning_changed"]


async def test_another_turns_reasoning_is_a_violation(client: Client, sim: Simulator) -> None:
    history, other = await called(client), await called(client)
    history[1]["reasoning_content"] = other[1]["reasoning_content"]
    await client.chat(history, tools=[SHELL])
    assert [v.rule for v in sim.violations] == ["reasoning_changed"]


async def test_a_placeholder_is_recorded_apart(client: Client, sim: Simulator) -> None:
    history = await called(client)
    history[1]["reasoning_content"] = "(lost)"
    await client.chat(history, tools=[SHELL])
    assert sim.verdict().placeholders == 1
    assert sim.violations == []


async def test_the_same_call_ids_in_every_turn(client: Client, sim: Simulator) -> None:
    sim.fixed_ids = True
    task = TASK + " Then read it back."
    history: list[dict[str, Any]] = [{"role": "user", "content": task}]
    for _ in range(2):
        message = (await client.chat(history, tools=[SHELL])).json["choices"][0]["message"]
        assert message["tool_calls"][0]["id"] == "call_0"
        history += [message, {"role": "tool", "tool_call_id": "call_0", "content": "blue"}]
    await client.chat(history, tools=[SHELL])
    assert sim.verdict().reasoning_checked == 3
    assert sim.violations == []


async def test_messages_wants_thinking_and_signature(client: Client, sim: Simulator) -> None:
    content = (await client.messages(TASK, tools=[USED])).json["content"]
    result = {"type": "tool_result", "tool_use_id": content[1]["id"], "content": "ok"}
    history = [
        {"role": "user", "content": TASK},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    assert (await client.messages(history, tools=[USED])).status == 200
    assert sim.verdict().reasoning_checked == 1
    del content[0]["signature"]
    assert (await client.messages(history, tools=[USED])).status == 200
    assert [v.rule for v in sim.violations] == ["reasoning_changed"]
    del content[0]
    assert (await client.messages(history, tools=[USED])).status == 400
    assert [v.rule for v in sim.violations] == ["reasoning_changed", "reasoning_missing"]


def test_common_prefix() -> None:
    assert common_prefix(b"abcd", b"abxd") == 2
    assert common_prefix(b"", b"a") == 0
    assert common_prefix(b"same", b"same") == 4
