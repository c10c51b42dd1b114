"""Three small clients for the demo, one for each endpoint of the gateway, each driving a streamed tool loop.

They behave as such clients do: the Responses one keeps `encrypted_content`, the Messages one keeps `thinking` blocks
with their signatures, and the Chat one throws the reasoning away. They know nothing of the vendor behind the gateway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import aiohttp
import msgspec

from dragoman.core.usage import Usage, from_inclusive
from dragoman.wire.sse import SSEReader

Show = Callable[[str], None]
"""Prints a piece of text as it comes."""
RunTool = Callable[[str, dict[str, Any]], str]
"""Runs a tool of the client: name and arguments in, result out."""


class Turn(msgspec.Struct):
    """One answer of the gateway. items: what the client puts into its history. done: it ended as whole."""

    items: list[dict[str, Any]] = []
    calls: list[tuple[str, str, str]] = []
    text: str = ""
    pieces: int = 0
    thought: int = 0
    usage: Usage | None = None
    done: bool = False


class Loop(msgspec.Struct):
    """A whole tool loop. calls: names in order. notes: what the gateway degraded."""

    text: str = ""
    calls: list[str] = []
    usages: list[Usage | None] = []
    notes: set[str] = set()
    model: str = ""
    pieces: int = 0
    thought: int = 0
    error: str = ""


class Dialect(Protocol):
    """How one endpoint is spoken to."""

    title: str
    path: str

    def open(self, task: str) -> list[dict[str, Any]]:
        """The first history."""
        ...

    def body(self, model: str, history: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        """A streaming request. tools: name, description and parameters each."""
        ...

    def read(self, turn: Turn, name: str, event: dict[str, Any], show: Show) -> None:
        """One event of the answer."""
        ...

    def results(self, outputs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """History items for the tools' results: (call id, text) each."""
        ...


class ResponsesDialect:
    """The Responses API without storage, as Codex uses it."""

    title = "Responses"
    path = "/v1/responses"

    def open(self, task: str) -> list[dict[str, Any]]:
        """One message item."""
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": task}]}]

    def body(self, model: str, history: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        """The request."""
        return {
            "model": model,
            "instructions": "Be brief.",
            "input": history,
            "tools": [{"type": "function", "strict": False, **tool} for tool in tools],
            "reasoning": {"effort": "medium"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "stream": True,
        }

    def read(self, turn: Turn, name: str, event: dict[str, Any], show: Show) -> None:
        """Items are kept as they are done."""
        kind = event.get("type", "")
        if kind == "response.output_text.delta":
            _say(turn, event["delta"], show)
        elif kind.startswith("response.reasoning") and kind.endswith(".delta"):
            turn.thought += len(event["delta"])
        elif kind == "response.output_item.done":
            item = event["item"]
            turn.items.append(item)
            if item["type"] == "function_call":
                turn.calls.append((item["call_id"], item["name"], item["arguments"]))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            turn.done = kind == "response.completed"
            used = event["response"].get("usage")
            if used:
                turn.usage = from_inclusive(
                    used["input_tokens"],
                    used["output_tokens"],
                    cached=used["input_tokens_details"]["cached_tokens"],
                    reasoning=used["output_tokens_details"]["reasoning_tokens"],
                )

    def results(self, outputs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """One item a result."""
        return [{"type": "function_call_output", "call_id": call, "output": text} for call, text in outputs]


class ChatDialect:
    """Chat Completions, with a client that forgets the reasoning."""

    title = "Chat Completions"
    path = "/v1/chat/completions"

    def open(self, task: str) -> list[dict[str, Any]]:
        """System and user."""
        return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": task}]

    def body(self, model: str, history: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        """The request."""
        return {
            "model": model,
            "messages": history,
            "tools": [{"type": "function", "function": tool} for tool in tools],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def read(self, turn: Turn, name: str, event: dict[str, Any], show: Show) -> None:
        """Deltas; fragments of calls are put together by index."""
        used = event.get("usage")
        if used:
            turn.usage = from_inclusive(
                used["prompt_tokens"],
                used["completion_tokens"],
                cached=(used.get("prompt_tokens_details") or {}).get("cached_tokens"),
                reasoning=(used.get("completion_tokens_details") or {}).get("reasoning_tokens"),
            )
        for choice in event.get("choices", ()):
            delta = choice.get("delta", {})
            _say(turn, delta.get("content") or "", show)
            turn.thought += len(delta.get("reasoning_content") or "")
            for fragment in delta.get("tool_calls") or ():
                self._fragment(turn, fragment)
            if choice.get("finish_reason"):
                turn.done = choice["finish_reason"] in ("stop", "tool_calls")
                turn.items = [self._message(turn)]

    @staticmethod
    def _fragment(turn: Turn, fragment: dict[str, Any]) -> None:
        at, function = fragment["index"], fragment.get("function", {})
        while len(turn.calls) <= at:
            turn.calls.append(("", "", ""))
        call, name, arguments = turn.calls[at]
        turn.calls[at] = (
            fragment.get("id") or call,
            function.get("name") or name,
            arguments + (function.get("arguments") or ""),
        )

    @staticmethod
    def _message(turn: Turn) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
        if turn.calls:
            message["tool_calls"] = [
                {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call, name, arguments in turn.calls
            ]
        return message

    def results(self, outputs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """One tool message a result."""
        return [{"role": "tool", "tool_call_id": call, "content": text} for call, text in outputs]


class MessagesDialect:
    """Messages with adaptive thinking and cache marks, as Claude Code sends them."""

    title = "Messages"
    path = "/v1/messages"

    def open(self, task: str) -> list[dict[str, Any]]:
        """One user message."""
        mark = {"type": "ephemeral"}
        return [{"role": "user", "content": [{"type": "text", "text": task, "cache_control": mark}]}]

    def body(self, model: str, history: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        """The request."""
        declared = [
            {"name": t["name"], "description": t["description"], "input_schema": t["parameters"]} for t in tools
        ]
        return {
            "model": model,
            "max_tokens": 4096,
            "system": "Be brief.",
            "messages": history,
            "tools": declared,
            "thinking": {"type": "adaptive"},
            "metadata": {"user_id": "demo"},
            "stream": True,
        }

    def read(self, turn: Turn, name: str, event: dict[str, Any], show: Show) -> None:
        """Blocks are built up and kept, thinking with its signature."""
        kind = event.get("type")
        if kind == "content_block_start":
            if not turn.items:
                turn.items = [{"role": "assistant", "content": []}]
            turn.items[0]["content"].append({**event["content_block"]})
        elif kind == "content_block_delta":
            self._delta(turn, turn.items[0]["content"][-1], event["delta"], show)
        elif kind == "content_block_stop":
            block = turn.items[0]["content"][-1]
            if block["type"] == "tool_use":
                arguments = block.pop("partial", "") or "{}"
                block["input"] = msgspec.json.decode(arguments)
                turn.calls.append((block["id"], block["name"], arguments))
        elif kind in ("message_start", "message_delta"):
            used = event.get("usage") or event.get("message", {}).get("usage") or {}
            cached = used.get("cache_read_input_tokens")
            turn.usage = Usage(used.get("input_tokens"), cached, None, used.get("output_tokens"))
            turn.done = event.get("delta", {}).get("stop_reason") in ("end_turn", "tool_use")

    @staticmethod
    def _delta(turn: Turn, block: dict[str, Any], delta: dict[str, Any], show: Show) -> None:
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
                _say(turn, delta["text"], show)
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
                turn.thought += len(delta["thinking"])
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            case "input_json_delta":
                block["partial"] = block.get("partial", "") + delta["partial_json"]

    def results(self, outputs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """All results in one user message."""
        blocks = [{"type": "tool_result", "tool_use_id": call, "content": text} for call, text in outputs]
        return [{"role": "user", "content": blocks}]


def _say(turn: Turn, text: str, show: Show) -> None:
    if text:
        turn.text += text
        turn.pieces += 1
        show(text)


async def drive(
    session: aiohttp.ClientSession,
    dialect: Dialect,
    ask: tuple[str, str, str],
    tools: tuple[list[dict[str, Any]], RunTool],
    show: Show,
) -> Loop:
    """A tool loop to its end. ask: base URL, model, task. tools: the declarations, and what runs them."""
    base, model, task = ask
    declared, run = tools
    history = dialect.open(task)
    loop = Loop()
    for _ in range(6):
        turn = await _turn(session, dialect, base, dialect.body(model, history, declared), loop, show)
        loop.usages.append(turn.usage)
        loop.pieces += turn.pieces
        loop.thought += turn.thought
        if loop.error or not turn.done:
            loop.error = loop.error or "the answer did not end as whole"
            return loop
        history += turn.items
        if not turn.calls:
            loop.text = turn.text
            return loop
        loop.calls += [name for _, name, _ in turn.calls]
        history += dialect.results(
            [(call, run(name, msgspec.json.decode(arguments))) for call, name, arguments in turn.calls]
        )
    loop.error = "the loop found no end"
    return loop


async def _turn(
    session: aiohttp.ClientSession, dialect: Dialect, base: str, body: dict[str, Any], loop: Loop, show: Show
) -> Turn:
    turn = Turn()
    reader = SSEReader()
    async with session.post(base + dialect.path, json=body) as answer:
        loop.model = answer.headers.get("x-dragoman-model", "")
        noted = msgspec.json.decode(answer.headers.get("x-dragoman-notes", "[]"))
        loop.notes |= {f"{n['code']} {n.get('field', '')}".strip() if isinstance(n, dict) else str(n) for n in noted}
        if answer.status != 200:
            loop.error = f"HTTP {answer.status}: {(await answer.text())[:300]}"
            return turn
        async for data in answer.content.iter_any():
            for name, payload in reader.feed(data):
                if payload != b"[DONE]":
                    dialect.read(turn, name, msgspec.json.decode(payload), show)
    return turn
