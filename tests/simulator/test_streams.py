"""Streams have the documented order and shape, on both protocols, and are cut where it hurts."""

from __future__ import annotations

import json
from typing import Any

from dragoman.simulator import Simulator
from dragoman.simulator.speech import cut, fragments
from tests.simulator.conftest import Client

SHELL = {
    "type": "function",
    "function": {
        "name": "exec_command",
        "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
    },
}
TASK = "Run one shell command that writes the word blue into a file named sky.txt."


def phases(deltas: list[dict[str, Any]]) -> list[str]:
    """Which kind of thing each chunk carries, repetitions left out."""
    found: list[str] = []
    for delta in deltas:
        kind = next((k for k in ("reasoning_content", "content", "tool_calls", "role") if delta.get(k)), "nothing")
        if not found or found[-1] != kind:
            found.append(kind)
    return found


async def test_a_text_stream_has_the_documented_order(client: Client) -> None:
    got = await client.chat("Say hello.", stream=True)
    assert got.headers["content-type"] == "text/event-stream"
    assert got.records[-1] == "[DONE]"
    assert phases(got.deltas) == ["role", "reasoning_content", "content", "nothing"]
    first, last = got.chunks[0], got.chunks[-1]
    assert first["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "",
        "tool_calls": None,
        "reasoning_content": None,
    }
    assert got.chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    assert {(c["id"], c["created"]) for c in got.chunks} == {(first["id"], first["created"])}


async def test_the_stream_says_what_the_whole_answer_says(client: Client) -> None:
    streamed = await client.chat("Say hello.", stream=True)
    whole = (await client.chat("Say hello.")).json
    message = whole["choices"][0]["message"]
    assert streamed.joined("content") == message["content"]
    assert streamed.joined("reasoning_content").replace("1", "2") == message["reasoning_content"]
    assert whole["usage"]["completion_tokens"] == streamed.chunks[-1]["usage"]["completion_tokens"]


async def test_no_reasoning_key_when_thinking_is_off(client: Client) -> None:
    off = {"thinking": {"type": "disabled"}}
    assert "reasoning_content" not in (await client.chat("Say hello.", **off)).json["choices"][0]["message"]
    streamed = await client.chat("Say hello.", stream=True, **off)
    assert all("reasoning_content" not in delta for delta in streamed.deltas)


async def test_a_call_comes_in_fragments_by_index(client: Client) -> None:
    got = await client.chat(TASK, stream=True, tools=[SHELL])
    assert phases(got.deltas) == ["role", "reasoning_content", "tool_calls", "nothing"]
    pieces = [call for delta in got.deltas for call in delta["tool_calls"] or ()]
    assert pieces[0]["function"] == {"name": "exec_command", "arguments": ""}
    assert len(pieces) > 5
    assert json.loads("".join(p["function"]["arguments"] for p in pieces)) == {"cmd": "printf '%s\\n' blue > sky.txt"}
    assert got.finish == "tool_calls"


async def test_messages_events_in_the_documented_order(client: Client) -> None:
    tool = {"name": "exec_command", "input_schema": SHELL["function"]["parameters"]}
    got = await client.messages(TASK, stream=True, tools=[tool])
    events = got.chunks
    assert events[0]["type"] == "message_start"
    assert [e["type"] for e in events][-2:] == ["message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    starts = [e["content_block"]["type"] for e in events if e["type"] == "content_block_start"]
    assert starts == ["thinking", "tool_use"]
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    assert json.loads("".join(d.get("partial_json", "") for d in deltas))["cmd"].endswith("sky.txt")
    assert [d["type"] for d in deltas].count("signature_delta") == 1
    usage = events[-2]["usage"]
    assert set(usage) == {"input_tokens", "output_tokens", "cache_read_input_tokens"}


async def test_records_and_characters_are_split_over_writes(client: Client) -> None:
    got = await client.chat("Say hello.", stream=True)
    whole_records = [piece for piece in got.pieces if piece.endswith(b"\n\n") and piece.startswith(b"data: ")]
    assert len(got.pieces) > len(whole_records)
    assert any(_cuts_a_character(piece) for piece in got.pieces)


def _cuts_a_character(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


def test_cut_and_fragments_lose_nothing() -> None:
    text = "é汉字🙂 plain" * 500
    assert b"".join(cut(text.encode())) == text.encode()
    assert "".join(fragments(text)) == text
    assert list(fragments("")) == []
    assert list(cut(b"abc", enabled=False)) == [b"abc"]


async def test_the_output_limit_counts_reasoning(client: Client) -> None:
    got = (await client.chat("Say hello.", max_completion_tokens=5)).json
    choice = got["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == ""
    assert got["usage"]["completion_tokens"] == 5


async def test_stop_text_is_not_returned(client: Client) -> None:
    got = (await client.chat("[sim:say=one two three]", stop=["two"])).json
    assert got["choices"][0]["message"]["content"] == "one "
    assert got["choices"][0]["finish_reason"] == "stop"


async def test_cached_tokens_are_the_common_prefix(client: Client, sim: Simulator) -> None:
    history = [{"role": "system", "content": "S" * 4000}, {"role": "user", "content": "hi"}]
    first = (await client.chat(history)).json["usage"]
    second = (await client.chat([*history, {"role": "assistant", "content": "x"}, history[1]])).json["usage"]
    other = (await client.chat([{"role": "system", "content": "T" * 4000}, history[1]])).json["usage"]
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert 1000 <= second["prompt_tokens_details"]["cached_tokens"] <= second["prompt_tokens"]
    assert other["prompt_tokens_details"]["cached_tokens"] < 16
    assert sim.verdict().cached_tokens == second["prompt_tokens_details"]["cached_tokens"]
