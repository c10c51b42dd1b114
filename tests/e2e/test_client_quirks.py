"""Bodies as real clients send them, replayed: what each leaves out or writes its own way still means the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_responses_cases import ROLE, function
from tests.e2e.world import Answer, World, call, chunk, usage_chunk, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp=tmp_path) as made:
        yield made


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def reference(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "item_reference", "id": item["id"]}


@pytest.mark.case("F11")
@pytest.mark.parametrize("stream", [True, False])
async def test_ai_sdk_names_its_assistant_turns_by_reference(w: World, stream: bool) -> None:
    """@ai-sdk/openai 3, `store` left out: an earlier answer comes back as the id of its item."""
    first = await w.responses(stream, input=[said("Say hello.")])
    made = first.events[-1]["response"] if stream else first.json
    items = [said("Say hello."), *map(reference, made["output"]), said("Again.")]
    second = await w.responses(False, input=items)
    assert [(m["role"], m["content"]) for m in w.upstream.last["messages"]] == [
        ("user", "Say hello."),
        ("assistant", "Hello"),
        ("user", "Again."),
    ]
    assert not second.notes & {"item_dropped", "history_repaired"}
    third = await w.responses(False, input=[said("And again.")], previous_response_id=second.json["id"])
    assert third.status == 200
    assert [m["role"] for m in w.upstream.last["messages"]] == ["user", "assistant", "user", "assistant", "user"]


async def test_ai_sdk_names_reasoning_and_calls_by_reference(w: World) -> None:
    """The same client in a tool loop: reasoning and the call by reference, the output in full."""
    w.upstream.push(
        Answer.stream(
            ROLE,
            chunk(reasoning_content="I look."),
            chunk(**call(0, "c1", "f", '{"a":1}')),
            chunk("tool_calls"),
            usage_chunk(),
        )
    )
    more: dict[str, Any] = {"tools": [function("f")], "reasoning": {"effort": "high", "summary": "auto"}}
    first = await w.responses(True, input=[said("go")], **more)
    output = first.events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    result = {"type": "function_call_output", "call_id": "c1", "output": "done"}
    second = await w.responses(True, input=[said("go"), *map(reference, output), result], **more)
    assert second.status == 200
    turn = w.upstream.last["messages"][1]
    assert (turn["reasoning_content"], turn["tool_calls"][0]["id"]) == ("I look.", "c1")
    assert turn["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}


async def test_a_reference_to_nothing_known_is_left_out(w: World) -> None:
    got = await w.responses(False, input=[said("hi"), {"id": "msg_gone"}, said("there")])
    assert got.status == 200
    assert "item_dropped" in got.notes
