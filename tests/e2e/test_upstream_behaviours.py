"""Every behaviour of an upstream, on each of the three endpoints: what the client must see of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, Read, ask, read
from tests.e2e.world import CLOSE, RESET, Answer, call, chunk, message, sse, usage_chunk, world

ROLE = chunk(role="assistant", content="")
THINK = [chunk(reasoning_content="th"), chunk(reasoning_content="ink")]
pytestmark = pytest.mark.parametrize("endpoint", ENDPOINTS)


async def streamed(
    tmp_path: Path, endpoint: str, *answers: Answer, tools: bool = True, config: str = "[retry]\nattempts = 1\n"
) -> Read:
    async with world(config, tmp=tmp_path) as w:
        w.upstream.push(*answers)
        return read(endpoint, await ask(w, endpoint, stream=True, tools=tools), stream=True)


async def whole(tmp_path: Path, endpoint: str, answer: Answer) -> Read:
    async with world("[retry]\nattempts = 1\n", tmp=tmp_path) as w:
        w.upstream.push(answer)
        return read(endpoint, await ask(w, endpoint, stream=False, tools=True), stream=False)


@pytest.mark.case("A01", "C08")
async def test_minimal_text(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(
        tmp_path, endpoint, Answer.stream(ROLE, chunk(content="He"), chunk(content="llo"), chunk("stop"), usage_chunk())
    )
    assert (got.text, got.end, got.usage) == ("Hello", "completed", (3, 2, 1))


@pytest.mark.case("A02", "D09")
async def test_whole_answer_with_everything(tmp_path: Path, endpoint: str) -> None:
    calls = [{"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]
    got = await whole(
        tmp_path, endpoint, Answer(json=message("T", "tool_calls", reasoning_content="R", tool_calls=calls))
    )
    assert (got.text, got.reasoning, got.end, got.usage) == ("T", "R", "completed", (3, 2, 1))
    assert [(c.id, c.name, json.loads(c.arguments)) for c in got.calls] == [("call_a", "f", {"a": 1})]


@pytest.mark.case("B01")
async def test_reasoning_then_text(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(
        tmp_path, endpoint, Answer.stream(ROLE, *THINK, chunk(content="ans"), chunk("stop"), usage_chunk())
    )
    assert (got.reasoning, got.text, got.end) == ("think", "ans", "completed")
    assert got.order in ([], ["reasoning", "message"], ["thinking", "text"])


@pytest.mark.case("C01", "C02", "C05")
@pytest.mark.parametrize(
    ("finish", "end"),
    [
        ("length", "length"),
        ("repetition_truncation", "length"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
    ],
)
async def test_incomplete(tmp_path: Path, endpoint: str, finish: str, end: str) -> None:
    got = await streamed(tmp_path, endpoint, Answer.stream(ROLE, chunk(content="part"), chunk(finish), usage_chunk()))
    assert (got.text, got.end) == ("part", end)
    again = await whole(tmp_path, endpoint, Answer(json=message("part", finish)))
    assert (again.text, again.end) == ("part", end)


async def check_failing(tmp_path: Path, endpoint: str, *pieces: Any, text: str = "part") -> Read:
    got = await streamed(tmp_path, endpoint, Answer(list(pieces)))
    assert got.end == "failed"
    assert got.text == text
    assert got.error
    return got


@pytest.mark.case("C04")
async def test_network_error_finish_fails(tmp_path: Path, endpoint: str) -> None:
    await check_failing(tmp_path, endpoint, sse(ROLE, chunk(content="part"), chunk("network_error"), usage_chunk()))


@pytest.mark.case("C06")
async def test_done_without_finish_fails(tmp_path: Path, endpoint: str) -> None:
    await check_failing(tmp_path, endpoint, sse(ROLE, chunk(content="part")))


@pytest.mark.case("C11")
async def test_error_object_in_the_stream(tmp_path: Path, endpoint: str) -> None:
    got = await check_failing(
        tmp_path, endpoint, sse(ROLE, chunk(content="part"), {"error": {"message": "upstream exploded"}})
    )
    assert "upstream exploded" in got.error


@pytest.mark.case("C15")
@pytest.mark.parametrize("cut", [RESET, CLOSE])
async def test_socket_drop_in_text(tmp_path: Path, endpoint: str, cut: object) -> None:
    await check_failing(tmp_path, endpoint, sse(ROLE, chunk(content="part"), done=False), 0.05, cut)


@pytest.mark.case("C16")
async def test_socket_drop_in_a_call_never_completes_it(tmp_path: Path, endpoint: str) -> None:
    got = await check_failing(
        tmp_path, endpoint, sse(ROLE, chunk(**call(arguments='{"a":')), done=False), 0.05, RESET, text=""
    )
    assert all(not c.complete for c in got.calls)


@pytest.mark.case("C13", "C18")
@pytest.mark.parametrize("pieces", [[sse()], [RESET], [CLOSE], []])
async def test_nothing_at_all_is_an_upstream_error(tmp_path: Path, endpoint: str, pieces: list[Any]) -> None:
    got = await streamed(tmp_path, endpoint, Answer(pieces))
    assert (got.status, got.end) == (502, "failed")


@pytest.mark.case("C07")
async def test_finish_without_done_is_complete(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(tmp_path, endpoint, Answer.stream(ROLE, chunk(content="all"), chunk("stop"), done=False))
    assert (got.text, got.end) == ("all", "completed")


@pytest.mark.case("C09", "C22")
@pytest.mark.parametrize("details", [{"cached_tokens": 1}, {"cached_tokens": None}, None])
async def test_usage_beside_the_finish(tmp_path: Path, endpoint: str, details: dict[str, Any] | None) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": details}
    got = await streamed(tmp_path, endpoint, Answer.stream(ROLE, chunk(content="x"), chunk("stop", usage=usage)))
    assert (got.end, got.usage) == ("completed", (3, 2, 1 if details and details["cached_tokens"] else 0))


@pytest.mark.case("C17")
async def test_length_in_a_call_is_incomplete(tmp_path: Path, endpoint: str) -> None:
    got = await streamed(
        tmp_path, endpoint, Answer.stream(ROLE, chunk(**call(arguments='{"a":')), chunk("length"), usage_chunk())
    )
    assert got.end == "length"
    assert all(not c.complete for c in got.calls)


@pytest.mark.case("C20")
async def test_silence_ends_as_a_timeout(tmp_path: Path, endpoint: str) -> None:
    config = "[timeouts]\nidle = 0.6\nkeepalive = 0.1\n[retry]\nattempts = 1\n"
    async with world(config, tmp=tmp_path) as w:
        w.upstream.push(Answer([sse(ROLE, chunk(content="part"), done=False), 30.0]))
        got = await ask(w, endpoint, stream=True)
        await asyncio.wait_for(w.upstream.closed_early.wait(), 5)
    assert any(line.startswith(b":") for line in got.body.splitlines())
    seen = read(endpoint, got, stream=True)
    assert (seen.text, seen.end) == ("part", "failed")


@pytest.mark.case("C19")
@pytest.mark.req(19, 109)
async def test_client_disconnect_cancels_the_upstream(tmp_path: Path, endpoint: str) -> None:
    async with world(tmp=tmp_path) as w:
        w.upstream.push(Answer([sse(ROLE, chunk(content="part"), done=False), 30.0]))
        paths = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
        body = {"model": "xiaomi/m", "stream": True, "input": "hi"}
        if endpoint != "responses":
            body = {
                "model": "xiaomi/m",
                "stream": True,
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "hi"}],
            }
        async with w.session.post(w.base + paths[endpoint], json=body) as answer:
            while b"part" not in await answer.content.readany():
                pass
        await asyncio.wait_for(w.upstream.closed_early.wait(), 2)
        assert w.upstream.closed_early.is_set()


FRAGMENTS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, str]]]] = {
    "D01 one call in fragments": (
        [
            chunk(**call(arguments="")),
            chunk(**call(id=None, name=None, arguments='{"a"')),
            chunk(**call(id=None, name=None, arguments=":1}")),
        ],
        [("call_a", "f", '{"a":1}')],
    ),
    "D02 two interleaved calls": (
        [
            chunk(**call(0, "call_a", "f", '{"a"')),
            chunk(**call(1, "call_b", "g", '{"a":')),
            chunk(**call(0, None, None, ":1}")),
            chunk(**call(1, None, None, "2}")),
        ],
        [("call_a", "f", '{"a":1}'), ("call_b", "g", '{"a":2}')],
    ),
    "C23 later fragment with empty name and id": (
        [chunk(**call(arguments="")), chunk(**call(id="", name="", arguments='{"a":1}'))],
        [("call_a", "f", '{"a":1}')],
    ),
    "D04 later fragment with null id and name": (
        [chunk(**call(arguments='{"a":')), chunk(**call(id=None, name=None, arguments="1}"))],
        [("call_a", "f", '{"a":1}')],
    ),
    "arguments before the name": (
        [chunk(**call(id="call_a", name=None, arguments='{"a":')), chunk(**call(id=None, name="f", arguments="1}"))],
        [("call_a", "f", '{"a":1}')],
    ),
    "a whole call in one fragment": ([chunk(**call(arguments='{"a":1}'))], [("call_a", "f", '{"a":1}')]),
}


@pytest.mark.case("C23", "D01", "D02", "D04", "D07")
@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
@pytest.mark.parametrize("name", FRAGMENTS)
async def test_calls(tmp_path: Path, endpoint: str, name: str, finish: str) -> None:
    chunks, wanted = FRAGMENTS[name]
    got = await streamed(tmp_path, endpoint, Answer.stream(ROLE, *chunks, chunk(finish), usage_chunk()))
    assert got.end == "completed"
    assert [(c.id, c.name, c.arguments) for c in got.calls] == wanted
    assert all(c.complete for c in got.calls)


@pytest.mark.req(20)
@pytest.mark.case("D09")
async def test_stream_equals_whole(tmp_path: Path, endpoint: str) -> None:
    calls = [{"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]
    first = await whole(
        tmp_path, endpoint, Answer(json=message("T", "tool_calls", reasoning_content="R", tool_calls=calls))
    )
    second = await streamed(
        tmp_path, endpoint,
        Answer.stream(ROLE, chunk(reasoning_content="R"), chunk(content="T"), chunk(**call(arguments='{"a":1}')), chunk("tool_calls"), usage_chunk()),
    )  # fmt: skip
    assert (first.text, first.reasoning, first.calls, first.end, first.usage) == (
        second.text, second.reasoning, second.calls, second.end, second.usage,
    )  # fmt: skip


@pytest.mark.case("J09")
async def test_no_choices_is_a_failure(tmp_path: Path, endpoint: str) -> None:
    got = await whole(tmp_path, endpoint, Answer(json={"id": "x", "object": "chat.completion", "choices": []}))
    assert (got.end, got.status) == ("failed", 502)


def _error(status: int, message_: str, **headers: str) -> Callable[[], Answer]:
    return lambda: Answer(
        status=status,
        json={"error": {"code": str(status), "message": message_, "param": "", "type": ""}},
        headers=headers,
    )


@pytest.mark.case("J04", "J05", "J06", "J07")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("make", "status", "retried"),
    [
        (_error(401, "bad key"), 502, False),
        (_error(403, "blocked"), 502, False),
        (
            _error(
                400,
                "This endpoint's maximum context length is 1048576 tokens. However, you requested about 2000000 tokens",
            ),
            400,
            False,
        ),
        (_error(429, "Too many requests", **{"retry-after": "0"}), 429, True),
        (_error(503, "overloaded"), 502, True),
        (_error(500, "oops"), 502, True),
    ],
)
async def test_upstream_errors(
    tmp_path: Path, endpoint: str, stream: bool, make: Callable[[], Answer], status: int, retried: bool
) -> None:
    async with world("[retry]\nattempts = 2\n", tmp=tmp_path) as w:
        w.upstream.push(make(), make(), make())
        got = await ask(w, endpoint, stream=stream)
        tries = len(w.upstream.requests)
    assert got.status == status
    assert tries == (2 if retried else 1)
    error = got.json["error"]
    assert "sk-test-key" not in got.body.decode()
    if status == 400:
        assert error.get("code") == "context_length_exceeded" or error["message"].startswith("prompt is too long")
    if make().status in (401, 403):
        assert got.headers["x-should-retry"] == "false"
        assert "xiaomi" in error["message"]
        assert error.get("code", "upstream_auth") == "upstream_auth"
    if make().status == 429:
        assert got.headers["retry-after"] == "0"


@pytest.mark.case("J07")
@pytest.mark.req(99)
async def test_a_retry_before_content_is_invisible(tmp_path: Path, endpoint: str) -> None:
    good = Answer.stream(ROLE, chunk(content="ok"), chunk("stop"), usage_chunk())
    got = await streamed(tmp_path, endpoint, _error(503, "busy")(), good, config="[retry]\nattempts = 2\n")
    assert (got.text, got.end) == ("ok", "completed")
