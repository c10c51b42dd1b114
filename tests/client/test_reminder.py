"""Reminders through the library: where they stand on each wire, behind every cache mark, and never in a history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman import Client, Message, Text, ToolCall
from dragoman.config import load
from dragoman.core.messages import ToolResult
from tests.e2e.world import Answer, Upstream, message

WHOLE = {
    "chat": message(),
    "messages": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 2},
    },
}  # fmt: skip
USER = Message("user", (Text("Actual user"),))
DONE = (Message("assistant", (ToolCall("c", "f", "{}"),)), Message("tool", (ToolResult("c", (Text("out"),)),)))
WIRES = pytest.mark.parametrize("wire", ["chat", "messages"])


@asynccontextmanager
async def mimo(tmp: Path, wire: str, vendor: str = "xiaomi") -> AsyncIterator[tuple[Upstream, Client]]:
    """A client of one provider, asked over `wire`."""
    upstream = Upstream()
    port = await upstream.start()
    upstream.default = lambda body: Answer(json=WHOLE[wire])
    file = tmp / "my.toml"
    table = (
        f'[providers.{vendor}]\nbase_url = "http://127.0.0.1:{port}"\napi_key = "sk-test-1234567890"\nwire = "{wire}"\n'
    )
    file.write_text(table)
    try:
        async with Client(settings=load(file, {"HOME": str(tmp)})) as client:
            yield upstream, client
    finally:
        await upstream.stop()


async def sent(pair: tuple[Upstream, Client], *messages: Message, reminder: str = "R", **more: Any) -> list[Any]:
    """The messages that went upstream."""
    upstream, client = pair
    answer = await client.complete(model=more.pop("model", "xiaomi:m"), messages=messages, reminder=reminder, **more)
    assert ("reminder_appended" in {note.code for note in answer.notes}) is bool(reminder.strip())
    return [m for m in upstream.last["messages"] if m["role"] != "system"]


@pytest.mark.req(81, 125)
@WIRES
async def test_it_stands_last_and_is_nobodys(tmp_path: Path, wire: str) -> None:
    history = (USER, *DONE)
    before = msgspec.json.encode(history)
    async with mimo(tmp_path, wire) as pair:
        [first] = await sent(pair, USER)
        parts = first["content"]
        assert parts == (
            [{"type": "text", "text": "Actual user"}, {"type": "text", "text": "R"}]
            if wire == "messages"
            else "Actual user\nR"
        )
        plain = await sent(pair, USER, reminder=" ")
        assert plain == [{"role": "user", "content": "Actual user"}], "an empty one is skipped"
        after = await sent(pair, USER, Message("assistant", (Text("yes"),)))
        assert after[-1] == {"role": "user", "content": "R"}
        last = (await sent(pair, *history))[-1]
        if wire == "messages":
            assert [part["type"] for part in last["content"]] == ["tool_result", "text"], "roles alternate"
        else:
            assert last == {"role": "user", "content": "R"}
    assert msgspec.json.encode(history) == before


@pytest.mark.req(81)
async def test_it_stands_behind_every_cache_mark(tmp_path: Path) -> None:
    async with mimo(tmp_path, "messages", "anthropic") as pair:
        model = "anthropic:claude-sonnet-5-5"
        [first] = await sent(pair, USER, model=model, system="S")
    assert [part["text"] for part in first["content"]] == ["Actual user", "R"]
    assert ["cache_control" in part for part in first["content"]] == [True, False]


@pytest.mark.req(121)
async def test_no_mark_is_sent_where_none_is_taken(tmp_path: Path) -> None:
    async with mimo(tmp_path, "messages") as pair:
        await sent(pair, USER, system="S")
        assert b"cache_control" not in pair[0].raw[-1]
