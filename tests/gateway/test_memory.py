"""Seals and vault on the road of a request: every client gets its reasoning back, and nobody another's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.messages import Message, Reasoning, Text, ToolCall
from dragoman.gateway import memory as module
from dragoman.gateway.app import Gateway
from dragoman.gateway.box import KeyBox
from dragoman.gateway.memory import Memory, Scope
from dragoman.store.vault import MemoryVault, VaultEntry
from dragoman.wire.seal import MAX_SEAL, Payload, open_seal, seal
from tests.e2e.world import call as fragment
from tests.e2e.world import chunk, sse
from tests.gateway.asgi import ROADS, Call, body_for, exchanges, make, reply
from tests.wire.test_seal import incompressible

SCOPE = Scope("t", "p", "f")
BOX = KeyBox([b"k" * 32])
THOUGHT = "Let me see \u00e9\u4e2d\U0001f600.\n"


def sealed(text: str = THOUGHT, tenant: str = "t", box: KeyBox = BOX, **more: Any) -> str:
    payload = Payload(provider="p", family="f", turn="t1", blocks=(Reasoning(text, turn="t1"),), **more)
    return seal(box, payload, purpose="reasoning", tenant=tenant)


def said(*blocks: Any) -> Message:
    return Message("assistant", tuple(blocks))


def vault() -> MemoryVault:
    return MemoryVault(1_000_000, 60)


@pytest.mark.req(107)
async def test_a_seal_gives_back_what_it_holds() -> None:
    carried = said(Reasoning("summary", summary=True, seal=sealed(), item_id="rs_1"), Text("a"))
    opened = await Memory(BOX, vault()).open([Message("user", (Text("q"),)), carried], "t")
    block = opened.messages[1].content[0]
    assert isinstance(block, Reasoning)
    assert (block.text, block.summary, block.seal) == (THOUGHT, False, None)
    assert opened.sealed
    assert opened.notes == ()


@pytest.mark.parametrize(
    "blob", [sealed(tenant="other"), sealed(box=KeyBox([b"x" * 32])), "dgm1.k.AAAA", sealed()[:-8]]
)
async def test_a_seal_that_does_not_open_is_ignored_with_a_note(blob: str) -> None:
    mem = Memory(BOX, vault())
    opened = await mem.open([said(Reasoning("", "opaque", seal=blob), Text("a"))], "t")
    assert opened.messages == (said(Text("a")),)
    assert [n.code for n in opened.notes] == ["seal_ignored"]
    opened = await mem.open([said(Reasoning("shown", seal=blob))], "t")
    assert opened.messages == (said(Reasoning("shown")),)
    opened = await mem.open([said(Reasoning("", "opaque", seal=blob))], "t")
    assert opened.messages == ()


class Away(MemoryVault):
    """A vault that never answers, or only with an error."""

    def __init__(self, error: bool) -> None:
        super().__init__(1_000_000, 60)
        self.error = error

    async def _nothing(self) -> Any:
        if self.error:
            raise OSError("away")
        await asyncio.get_running_loop().create_future()

    async def get(self, keys: Sequence[str]) -> list[tuple[VaultEntry, ...]]:
        return list(await self._nothing())

    async def get_blob(self, name: str) -> bytes | None:
        return bytes(await self._nothing())


@pytest.mark.parametrize("error", [True, False])
async def test_a_vault_that_is_away_is_skipped(error: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    mem = Memory(BOX, Away(error))
    history = [said(Text("a"), ToolCall("c", "f", "{}"))]
    back = await mem.recall(history, SCOPE)
    assert back.messages == tuple(history)
    assert [n.code for n in back.notes] == ["vault_skipped"]
    blob = seal(BOX, Payload(ref="name"), purpose="reasoning", tenant="t")
    opened = await mem.open([said(Reasoning("", "opaque", seal=blob), Text("a"))], "t")
    assert [n.code for n in opened.notes] == ["seal_ignored"]


async def test_without_a_vault_nothing_is_recalled() -> None:
    back = await Memory(BOX, None).recall([said(Text("a"))], SCOPE)
    assert (back.messages, back.notes) == ((said(Text("a")),), ())


# -- on the road


def tools(road: str) -> dict[str, Any]:
    if road == "messages":
        return {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "thinking": {"type": "adaptive"}}
    if road == "responses":
        return {
            "tools": [{"type": "function", "name": "f", "parameters": {}}],
            "reasoning": {"effort": "high"},
            "store": False,
        }
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "reasoning_effort": "high"}


def thinks(thought: str, id: str = "call_0", arguments: str = '{"a": 1.0, "b":2}') -> bytes:
    return sse(
        chunk(reasoning_content=thought),
        chunk(content="I call. "),
        chunk(**fragment(0, id, "f", arguments)),
        chunk("tool_calls"),
    )


def history(road: str, question: str, id: str = "call_0", **changed: Any) -> dict[str, Any]:
    """The next turn as a client sends it that dropped the reasoning, trimmed the text and rewrote the arguments."""
    text, arguments = changed.get("text", "I call."), changed.get("arguments", '{"b":2,"a":1}')
    if road == "chat":
        made = {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}
        messages = [
            {"role": "user", "content": question},
            {"role": "assistant", "content": text, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": id, "content": "ok"},
        ]
        return {"messages": messages, **tools(road)}
    if road == "messages":
        use = {"type": "tool_use", "id": id, "name": "f", "input": json.loads(arguments)}
        blocks = [{"type": "text", "text": text}, use]
        result = {"type": "tool_result", "tool_use_id": id, "content": "ok"}
        return {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": blocks},
                {"role": "user", "content": [result]},
            ],
            **tools(road),
        }
    items = [
        {"role": "user", "content": question},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]},
        {"type": "function_call", "call_id": id, "name": "f", "arguments": arguments},
        {"type": "function_call_output", "call_id": id, "output": "ok"},
    ]
    return {"input": items, **tools(road)}


def first(road: str, question: str) -> dict[str, Any]:
    asked = {"input": question} if road == "responses" else {"messages": [{"role": "user", "content": question}]}
    return {**asked, **tools(road)}


async def turn(app: Gateway, road: str, upstream: bytes, **more: Any) -> tuple[Call, dict[str, Any]]:
    """One request; the call, and what went upstream."""
    call = Call(app, ROADS[road], body_for(road, **more))
    exchange = await reply(app, call, upstream)
    return call, json.loads(exchange.call.body)


def replayed(sent: dict[str, Any]) -> str | None:
    assistant = next(m for m in sent["messages"] if m["role"] == "assistant")
    found = assistant.get("reasoning_content")
    return None if found is None else str(found)


@pytest.mark.req(107)
@pytest.mark.parametrize("road", ROADS)
async def test_the_vault_remembers_for_every_client(tmp_path: Path, road: str) -> None:
    app = make(tmp_path)
    await turn(app, road, thinks(THOUGHT), **first(road, "q"))
    call, sent = await turn(app, road, thinks("more"), **history(road, "q"))
    assert replayed(sent) == THOUGHT
    assert "vault_recalled" in call.notes


@pytest.mark.parametrize("road", ROADS)
async def test_two_interleaved_conversations_whose_calls_have_one_id(tmp_path: Path, road: str) -> None:
    app = make(tmp_path)
    for name in ("one", "two"):
        await turn(app, road, thinks(f"thought of {name}"), **first(road, name))
    for name in ("two", "one"):
        _, sent = await turn(app, road, thinks("more"), **history(road, name))
        assert replayed(sent) == f"thought of {name}"


async def test_what_is_ambiguous_is_a_miss_with_a_note(tmp_path: Path) -> None:
    app = make(tmp_path)
    for thought in ("this", "that"):
        await turn(app, "chat", thinks(thought), **first("chat", "same"))
    call, sent = await turn(app, "chat", thinks("more"), **history("chat", "same"))
    assert "vault_ambiguous" in call.notes
    assert replayed(sent) not in ("this", "that")


async def test_another_model_family_is_given_nothing(tmp_path: Path) -> None:
    app = make(tmp_path, env={"DEEPSEEK_API_KEY": "sk-other-1234567890", "DEEPSEEK_BASE_URL": "http://127.0.0.1:9"})
    await turn(app, "chat", thinks(THOUGHT), **first("chat", "q"))
    call, sent = await turn(app, "chat", thinks("x"), **{**history("chat", "q"), "model": "deepseek/deepseek-chat"})
    assert THOUGHT not in json.dumps(sent, ensure_ascii=False)
    assert "vault_recalled" not in call.notes


async def test_the_vaults_bytes_win_over_a_trimmed_copy(tmp_path: Path) -> None:
    app = make(tmp_path)
    await turn(app, "chat", thinks(THOUGHT), **first("chat", "q"))
    again = history("chat", "q")
    again["messages"][1]["reasoning_content"] = THOUGHT.strip()
    call, sent = await turn(app, "chat", thinks("x"), **again)
    assert replayed(sent) == THOUGHT
    assert "vault_recalled" not in call.notes


async def test_a_call_that_was_done_before_the_stream_broke_is_remembered(tmp_path: Path) -> None:
    """Codex keeps items that are done and runs their tools, although the stream broke after them."""
    app = make(tmp_path)
    broken = sse(
        chunk(reasoning_content=THOUGHT),
        chunk(**fragment(0, "c1", "f", '{"a":1}')),
        chunk(**fragment(1, "c2", "f", '{"a":')),
        done=False,
    )
    call, _ = await turn(app, "responses", broken, **first("responses", "q"))
    assert call.events[-1]["type"] == "response.failed"
    kept = history("responses", "q", "c1", arguments='{"a":1}')
    del kept["input"][1]
    _, sent = await turn(app, "responses", thinks("x"), **kept)
    assert replayed(sent) == THOUGHT


@pytest.mark.parametrize("road", ["responses", "messages"])
async def test_a_thought_too_long_to_carry_comes_back_by_reference(tmp_path: Path, road: str) -> None:
    app = make(tmp_path)
    long = incompressible(2 * MAX_SEAL)
    call, _ = await turn(app, road, thinks(long), **first(road, "q"))
    if road == "responses":
        item = call.events[-1]["response"]["output"][0]
        blob = item["encrypted_content"]
        carried = {"type": "reasoning", "summary": [], "encrypted_content": blob}
    else:
        blob = next(e["delta"]["signature"] for e in call.events if e.get("delta", {}).get("type") == "signature_delta")
        carried = {"type": "thinking", "thinking": "", "signature": blob}
    assert len(blob) < 2000
    again = history(road, "q")
    if road == "responses":
        again["input"].insert(1, carried)
    else:
        again["messages"][1]["content"].insert(0, carried)
    # Another text, so that only the seal can tell.
    (again["input"][2]["content"] if road == "responses" else again["messages"][1]["content"][1:])[0]["text"] = (
        "changed"
    )
    call, sent = await turn(app, road, thinks("x"), **again)
    assert replayed(sent) == long
    assert "vault_recalled" not in call.notes


async def test_the_same_bytes_seal_a_block_in_every_event(tmp_path: Path) -> None:
    app = make(tmp_path)
    call, _ = await turn(app, "responses", thinks(THOUGHT), **first("responses", "q"))
    done = next(e["item"] for e in call.events if e["type"] == "response.output_item.done")
    assert call.events[-1]["response"]["output"][0] == done
    payload = open_seal(app.gate.memory.box, done["encrypted_content"], purpose="reasoning", tenant="default")
    assert payload is not None
    assert payload.blocks[0].text == THOUGHT
    assert payload.provider == "xiaomi"
    assert exchanges(app).exchanges[0].call.url.endswith("/chat/completions")


async def test_a_placeholder_is_never_sealed_or_remembered(tmp_path: Path) -> None:
    app = make(tmp_path)
    call, _ = await turn(app, "chat", thinks("x"), **history("chat", "q"))
    assert "thinking_placeholder" in call.notes
    assert app.gate.vault.size > 0  # type: ignore[attr-defined]
    _, sent = await turn(app, "chat", thinks("y"), **history("chat", "q"))
    assert replayed(sent) != "x"
