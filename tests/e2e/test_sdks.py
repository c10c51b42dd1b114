"""The official OpenAI and Anthropic SDKs through the gateway on the strict simulator: plain, streamed, tools, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.programs import Stack, stack

MODEL = "xiaomi/mimo-v2.6-pro"
ASK = 'Use the write_marker tool once with word "made-by-tool". After the tool result reply with one short sentence.'
SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("sdk")) as running:
        yield running
    assert running.verdict["code"] == 0, running.verdict["output"]


@pytest.fixture
def oai(made: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=made.gateway + "/v1", api_key="sk-any", timeout=60, max_retries=0) as client:
        yield client


@pytest.fixture
def ant(made: Stack) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=made.gateway, api_key="sk-any", timeout=60, max_retries=0) as client:
        yield client


def work(name: str, arguments: str, folder: Path) -> str:
    assert name == "write_marker"
    (folder / "marker.txt").write_text(json.loads(arguments)["word"])
    return "written"


CHAT_TOOL: Any = {
    "type": "function",
    "function": {"name": "write_marker", "description": "Writes the word", "parameters": SCHEMA},
}
RESPONSES_TOOL: Any = {
    "type": "function",
    "name": "write_marker",
    "description": "Writes the word",
    "parameters": SCHEMA,
    "strict": False,
}
MESSAGES_TOOL: Any = {"name": "write_marker", "description": "Writes the word", "input_schema": SCHEMA}


@pytest.mark.req(104)
def test_openai_chat(oai: openai.OpenAI) -> None:
    got = oai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Say hello."}])
    assert got.choices[0].message.content
    assert got.usage and got.usage.total_tokens > 0
    text, finish, usage = "", None, None
    for chunk in oai.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Say hello."}],
        stream=True,
        stream_options={"include_usage": True},
    ):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    assert text == got.choices[0].message.content
    assert finish == "stop"
    assert usage is not None


@pytest.mark.parametrize("keep", [True, False])
def test_openai_chat_tool_loop(oai: openai.OpenAI, tmp_path: Path, keep: bool) -> None:
    """Also when the client drops the reasoning: the gateway remembers it."""
    messages: list[Any] = [{"role": "user", "content": ASK + f" ({keep})"}]
    with oai.chat.completions.stream(model=MODEL, messages=messages, tools=[CHAT_TOOL]) as stream:
        for _ in stream:
            pass
        said = stream.get_final_completion().choices[0].message
    assert said.tool_calls
    turn = said.model_dump(exclude_none=True)
    if not keep:
        turn.pop("reasoning_content", None)
    turn.pop("parsed", None)
    for call in turn["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
    messages.append(turn)
    for call in said.tool_calls:
        messages.append(
            {
                "role": "tool",
                "tool_call_id": call.id,
                "content": work(call.function.name, call.function.arguments, tmp_path),
            }
        )
    final = oai.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
    assert final.choices[0].message.content
    assert (tmp_path / "marker.txt").read_text() == "made-by-tool"


def test_openai_responses(oai: openai.OpenAI) -> None:
    got = oai.responses.create(model=MODEL, input="Say hello.")
    assert got.status == "completed"
    assert got.output_text
    assert oai.responses.retrieve(got.id).output_text == got.output_text
    kinds, text, numbers = [], "", []
    with oai.responses.stream(model=MODEL, input="Say hello.", instructions="Be brief.") as stream:
        for event in stream:
            kinds.append(event.type)
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                text += event.delta
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert numbers == list(range(len(numbers)))
    assert final.output_text == text


@pytest.mark.parametrize("stateless", [True, False])
def test_openai_responses_tool_loop(oai: openai.OpenAI, tmp_path: Path, stateless: bool) -> None:
    asked: dict[str, Any] = {"model": MODEL, "tools": [RESPONSES_TOOL], "reasoning": {"effort": "high"}}
    if stateless:
        asked |= {"store": False, "include": ["reasoning.encrypted_content"]}
    history: list[Any] = [{"role": "user", "content": ASK}]
    with oai.responses.stream(input=history, **asked) as stream:
        for _ in stream:
            pass
        first = stream.get_final_response()
    calls = [item for item in first.output if item.type == "function_call"]
    assert calls
    outputs = [
        {"type": "function_call_output", "call_id": c.call_id, "output": work(c.name, c.arguments, tmp_path)}
        for c in calls
    ]
    if stateless:
        again = [*history, *(item.model_dump(exclude_none=True) for item in first.output), *outputs]
        final = oai.responses.create(input=again, **asked)
    else:
        final = oai.responses.create(input=outputs, previous_response_id=first.id, **asked)
    assert final.output_text
    assert (tmp_path / "marker.txt").read_text() == "made-by-tool"


def test_openai_models_and_errors(oai: openai.OpenAI) -> None:
    assert any("mimo-v2.6-pro" in m.id for m in oai.models.list())
    with pytest.raises(openai.BadRequestError) as failed:
        oai.chat.completions.create(model=MODEL, messages=[])
    assert failed.value.param == "messages"


def test_anthropic_messages(ant: anthropic.Anthropic) -> None:
    got = ant.messages.create(model=MODEL, max_tokens=2048, messages=[{"role": "user", "content": "Say hello."}])
    assert got.stop_reason == "end_turn"
    assert got.usage.output_tokens > 0
    with ant.messages.stream(
        model=MODEL, max_tokens=2048, messages=[{"role": "user", "content": "Say hello."}],
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    ) as stream:  # fmt: skip
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert "message_stop" in kinds
    assert any(block.type == "text" and block.text for block in final.content)


@pytest.mark.req(107)
@pytest.mark.parametrize("think", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_anthropic_tool_loop(ant: anthropic.Anthropic, tmp_path: Path, think: bool, streamed: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": ASK}]
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 4096, "tools": [MESSAGES_TOOL]}
    if think:
        asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}

    def go() -> Any:
        if not streamed:
            return ant.messages.create(messages=messages, **asked)
        with ant.messages.stream(messages=messages, **asked) as stream:
            for _ in stream:
                pass
            return stream.get_final_message()

    first = go()
    assert first.stop_reason == "tool_use"
    messages.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]})
    uses = [b for b in first.content if b.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": b.id, "content": work(b.name, json.dumps(b.input), tmp_path)}
        for b in uses
    ]
    messages.append({"role": "user", "content": results})
    final = go()
    assert "".join(b.text for b in final.content if b.type == "text")
    assert (tmp_path / "marker.txt").read_text() == "made-by-tool"


@pytest.mark.req(149)
def test_anthropic_count_models_and_errors(ant: anthropic.Anthropic) -> None:
    counted = ant.messages.count_tokens(
        model=MODEL, messages=[{"role": "user", "content": "Say hello."}], tools=[MESSAGES_TOOL]
    )
    assert counted.input_tokens > 0
    assert any("mimo-v2.6-pro" in m.id for m in ant.models.list())
    with pytest.raises(anthropic.BadRequestError) as failed:
        ant.messages.create(model=MODEL, max_tokens=10, messages=[])
    assert failed.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index, call-overload]
