"""MiniMax through the whole gateway: what the client sees, and that a tool loop's thinking goes back as it came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, read
from tests.e2e.protocols import CLIENTS, Assistant, Results, User
from tests.e2e.street import Street
from tests.e2e.world import CLOSE, Answer, Got, World, call, chunk, message, sse, usage_chunk, world
from tests.gateway.asgi import ROADS

INLINE = """
[providers.minimax.profile]
base = "openai-compatible"
think_tags = true
max_tokens_field = "max_completion_tokens"
tool_choices = ["auto"]
send_auto_choice = false
params = ["temperature", "top_p"]
"""
"""The same server spoken to as one that knows no split form: its thinking comes inline."""
ENV = {"MINIMAX_API_KEY": "mm-key-0123456789", "MINIMAX_BASE_URL": "$UPSTREAM"}
ENTRY = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0}
CALL = {"id": "call_function_p4x_1", "type": "function", "function": {"name": "look_up", "arguments": '{"q":"x"}'}}
pytestmark = pytest.mark.parametrize("endpoint", ENDPOINTS)


# -- against the simulator, which knows what it sent


@pytest.mark.req(41, 60, 66)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "config", "manner"),
    [
        ("MiniMax-M3", "", ""),
        ("MiniMax-M2.7", "", ""),
        ("MiniMax-M2.7", INLINE, ""),
        ("MiniMax-M3", "", "cumulative"),
        ("MiniMax-M3", "", "tail"),
        ("MiniMax-M3", "", "repeat"),
    ],
)
async def test_a_tool_loop_brings_all_reasoning_back(
    tmp_path: Path, endpoint: str, model: str, stream: bool, config: str, manner: str
) -> None:
    street = Street(tmp_path, config, profiles=["minimax"])
    client = CLIENTS[endpoint]()
    sim = f"[sim:manner={manner}] " if manner else ""
    client.add(User(f"{sim}use look_up twice: run it and read it back"))
    for _ in range(4):
        said = client.take(await street.ask(endpoint, client.body(f"minimax:{model}", stream=stream)), stream=stream)
        assert "think>" not in said.text
        if not said.calls:
            break
        client.add(Results(tuple((c.id, "found", False) for c in said.calls)))
    client.add(User("thank you"))
    client.take(await street.ask(endpoint, client.body(f"minimax:{model}", stream=stream)), stream=stream)
    assert street.complaints() == []
    sent = [m for m in street.last("minimax")["messages"] if m["role"] == "assistant"]
    assert any(m.get("tool_calls") for m in sent)
    for message_ in sent:
        if config:
            assert message_["content"].startswith("<think>\n")
            assert "reasoning_details" not in message_
        else:
            assert message_["reasoning_details"]
            assert "<think>" not in message_["content"]


@pytest.mark.req(79, 80)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_loop_on_the_messages_wire(tmp_path: Path, endpoint: str, stream: bool) -> None:
    street = Street(tmp_path, '[providers.minimax]\nwire = "messages"\n', profiles=["minimax"])
    client = CLIENTS[endpoint]()
    client.add(User("use look_up: run it"))
    for _ in range(3):
        said = client.take(await street.ask(endpoint, client.body("minimax:MiniMax-M3", stream=stream)), stream=stream)
        if not said.calls:
            break
        client.add(Results(tuple((c.id, "found", False) for c in said.calls)))
    assert street.complaints() == []
    sent = [m["content"] for m in street.last("minimax")["messages"] if m["role"] == "assistant"]
    assert [block["type"] for block in sent[0]][:1] == ["thinking"]
    assert sent[0][-1]["type"] == "tool_use"


# -- against scripted answers, byte for byte


def inline_answer(content: str, *, stream: bool) -> Answer:
    if not stream:
        return Answer(json=message(content, "tool_calls", tool_calls=[{**CALL, "index": 0}]))
    pieces = [content[i : i + 3] for i in range(0, len(content), 3)]
    fragment = chunk(**call(0, CALL["id"], "look_up", '{"q":"x"}'))  # type: ignore[arg-type]
    return Answer.stream(*(chunk(content=p) for p in pieces), fragment, chunk("tool_calls"), usage_chunk())


def split_answer(*, stream: bool) -> Answer:
    details = [{**ENTRY, "text": "\nwhy so "}]
    if not stream:
        fields = {"reasoning_content": "\nwhy so ", "reasoning_details": details, "tool_calls": [CALL]}
        return Answer(json=message("T", "tool_calls", **fields))
    thought = [chunk(reasoning_content=t, reasoning_details=[{**ENTRY, "text": t}]) for t in ("\nwhy", " so ")]
    fragment = chunk(**call(0, CALL["id"], "look_up", '{"q":"x"}'))  # type: ignore[arg-type]
    return Answer.stream(*thought, chunk(content="T"), fragment, chunk("tool_calls"), usage_chunk())


class _Posted:
    """A posted answer in the form that the clients read."""

    def __init__(self, got: Got) -> None:
        self.body, self.events = got.body, got.events
        self.json = None if got.body[:1] != b"{" else got.json


async def turn(w: World, client: Any, endpoint: str, *, stream: bool) -> Assistant:
    got = await w.post(ROADS[endpoint], client.body("minimax:MiniMax-M2.7", stream=stream))
    assert got.status == 200, got.body
    return client.take(_Posted(got), stream=stream)  # type: ignore[no-any-return]


async def second_turn(tmp_path: Path, endpoint: str, answer: Answer, *, stream: bool, keeps: bool) -> Any:
    """What the vendor is sent as the assistant's message in the second turn; and what the client saw."""
    async with world(tmp=tmp_path, env=ENV) as w:
        client = CLIENTS[endpoint](keeps=keeps)
        client.add(User("q"))
        w.upstream.push(answer)
        said = await turn(w, client, endpoint, stream=stream)
        client.add(Results(((CALL["id"], "found", False),)))  # type: ignore[arg-type]
        w.upstream.push(
            Answer(json=message("done")) if not stream else Answer.stream(chunk(content="done"), chunk("stop"))
        )
        await turn(w, client, endpoint, stream=stream)
        sent = [m for m in w.upstream.last["messages"] if m["role"] == "assistant"]
    return said, sent


def _calls(sent: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Takes the calls out of the only message; clients write arguments in their own way."""
    assert len(sent) == 1
    calls = [call["function"] for call in sent[0].pop("tool_calls")]
    return [(function["name"], json.loads(function["arguments"])) for function in calls]


@pytest.mark.req(31, 32, 41, 66)
@pytest.mark.case("B15")
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<think>\nwhy\n</think>\n\nT", "T"),
        ("<think> why </think>", ""),
        ("<think>a</think>\nOne line of text, which is long.\n<think>b</think>  Two lines.", None),
        ("<think>a</think><think>\n\nb\n</think>\n\n\nT", "T"),
    ],
)
async def test_inline_thinking_goes_back_byte_for_byte(
    tmp_path: Path, endpoint: str, stream: bool, content: str, text: str | None, keeps: bool
) -> None:
    said, sent = await second_turn(
        tmp_path, endpoint, inline_answer(content, stream=stream), stream=stream, keeps=keeps
    )
    assert said.text == ("One line of text, which is long.\nTwo lines." if text is None else text)
    assert _calls(sent) == [("look_up", {"q": "x"})]
    assert sent == [{"role": "assistant", "content": content}]


@pytest.mark.req(48, 66)
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_split_thinking_goes_back_as_it_came(tmp_path: Path, endpoint: str, stream: bool, keeps: bool) -> None:
    said, sent = await second_turn(tmp_path, endpoint, split_answer(stream=stream), stream=stream, keeps=keeps)
    assert said.text == "T"
    assert _calls(sent) == [("look_up", {"q": "x"})]
    assert sent == [
        {
            "role": "assistant",
            "content": "T",
            "reasoning_details": [{**ENTRY, "text": "\nwhy so "}],
            "reasoning_content": "\nwhy so ",
        }
    ]


@pytest.mark.req(24)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("number", "words", "status"),
    [
        (1004, "login fail", 502),
        (1008, "insufficient balance", 402),
        (1027, "output new_sensitive", 400),
        (2013, "invalid params, context window exceeds limit", 400),
        (1002, "rate limit", 429),
    ],
)
async def test_a_failure_inside_a_200(
    tmp_path: Path, endpoint: str, stream: bool, number: int, words: str, status: int
) -> None:
    body = {"id": "x", "choices": None, "base_resp": {"status_code": number, "status_msg": words}}
    async with world("[retry]\nattempts = 1\n", tmp=tmp_path, env=ENV) as w:
        w.upstream.push(Answer.stream(body) if stream else Answer(json=body))
        got = await w.post(
            ROADS[endpoint], {**CLIENTS[endpoint]().body("minimax:MiniMax-M3", stream=stream), **_ask(endpoint)}
        )
    assert got.status == status
    assert words in got.body.decode() or number in (1004, 2013)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_used_up_plan_tells_how_long_to_wait(tmp_path: Path, endpoint: str, stream: bool) -> None:
    text = "usage limit exceeded, resets at 2999-05-15T15:00:00Z"
    answers = (
        Answer(json={"choices": None, "base_resp": {"status_code": 2056, "status_msg": text}}),
        Answer(status=429, json={"type": "error", "error": {"type": "rate_limit_error", "message": f"{text} (2056)"}}),
    )
    for answer in answers:
        async with world(tmp=tmp_path, env=ENV) as w:
            w.upstream.push(answer)
            body = {**CLIENTS[endpoint]().body("minimax:MiniMax-M3", stream=stream), **_ask(endpoint)}
            got = await w.post(ROADS[endpoint], body)
            assert len(w.upstream.requests) == 1
        assert got.status == 402
        assert int(got.headers["retry-after"]) > 86400


def _ask(endpoint: str) -> dict[str, Any]:
    return {"input": "q"} if endpoint == "responses" else {"messages": [{"role": "user", "content": "q"}]}


@pytest.mark.req(118)
@pytest.mark.parametrize(
    ("pieces", "end"),
    [
        ([sse(chunk(content="<think>half"), done=False), 0.05, CLOSE], "failed"),
        ([sse(chunk(content="<think>half"), {"error": {"message": "exploded (1013)"}})], "failed"),
        ([sse(chunk(content="<think>ha"), "{not json", chunk(content="lf</th"), chunk(content="ink>T"), chunk("stop"))], "completed"),
        ([sse(chunk(content="<th"), done=False), 0.2, sse(chunk(content="ink>half</think>T"), chunk("stop"))], "completed"),
        ([sse(chunk(content="<think>half"), chunk("length"))], "length"),
        ([sse(chunk(content="<think>half</think>"), chunk("content_filter"))], "content_filter"),
    ],
)  # fmt: skip
async def test_faults_in_inline_thinking(tmp_path: Path, endpoint: str, pieces: list[Any], end: str) -> None:
    async with world("[retry]\nattempts = 1\n", tmp=tmp_path, env=ENV) as w:
        w.upstream.push(Answer(pieces))
        body = {**CLIENTS[endpoint]().body("minimax:MiniMax-M2.7", stream=True), **_ask(endpoint)}
        seen = read(endpoint, await w.post(ROADS[endpoint], body), stream=True)
    assert (seen.reasoning, seen.text, seen.end) == ("half", "T" if end == "completed" else "", end)
    assert json.dumps(seen.reasoning + seen.text).count("think") == 0
