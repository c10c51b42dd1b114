"""Three clients that carry their history the way real ones do, and what of it can be seen.

`ResponsesClient` keeps the items of each answer without their ids, `encrypted_content` included (Codex);
`MessagesClient` the blocks with their signatures (Claude Code); `ChatClient` the messages, with or without the
reasoning field. `visible` is the conversation that a person sees; `opened_with` begins a client of another protocol
with it, as a person does who changes tools in the middle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.asgi import Call
from tests.validators import chat as chat_grammar
from tests.validators import messages as messages_grammar
from tests.validators import responses as responses_grammar

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
TOOLS = ("look_up", "count_words", "mcp__files__read")


@dataclass(frozen=True)
class Made:
    """A tool call as a client sees it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class User:
    """What the person said; perhaps with a picture."""

    text: str
    image: bool = False


@dataclass(frozen=True)
class Assistant:
    """What the model said and called."""

    text: str
    calls: tuple[Made, ...] = ()


@dataclass(frozen=True)
class Results:
    """What the tools gave back: (call id, text, whether it is an error)."""

    results: tuple[tuple[str, str, bool], ...]


Visible = User | Assistant | Results


@dataclass
class Protocol:
    """A client. effort: asked with every request; None says nothing of it."""

    effort: str | None = "medium"
    keeps: bool = True
    history: list[Any] = field(default_factory=list)
    visible: list[Visible] = field(default_factory=list)
    road = ""

    @classmethod
    def opened_with(cls, visible: list[Visible], **more: Any) -> Protocol:
        """A client whose history is what could be seen of another's."""
        made = cls(**more)
        for entry in visible:
            made.add(entry)
        return made

    def add(self, entry: Visible) -> None:
        """One more entry of the conversation, written in this protocol."""
        self.visible.append(entry)
        match entry:
            case User():
                self._user(entry)
            case Assistant():
                self._assistant(entry)
            case Results():
                self._results(entry)

    def body(self, model: str, *, stream: bool) -> dict[str, Any]:
        """The request."""
        raise NotImplementedError

    def take(self, call: Call, *, stream: bool, strict: bool = True) -> Assistant:
        """Reads an answer and puts it into the history. strict: the stream is ours, and must obey the grammar."""
        raise NotImplementedError

    def _user(self, entry: User) -> None:
        raise NotImplementedError

    def _assistant(self, entry: Assistant) -> None:
        raise NotImplementedError

    def _results(self, entry: Results) -> None:
        raise NotImplementedError


class ResponsesClient(Protocol):
    """Codex: the items of each answer are sent again; ids go, sealed reasoning stays."""

    road = "responses"

    def body(self, model: str, *, stream: bool) -> dict[str, Any]:
        asked = {} if self.effort is None else {"reasoning": {"effort": self.effort, "summary": "auto"}}
        tools = [{"type": "function", "name": n, "parameters": SCHEMA, "strict": False} for n in TOOLS]
        return {
            "model": model, "instructions": "Be brief.", "input": self.history, "tools": tools, "tool_choice": "auto",
            "parallel_tool_calls": True, "store": False, "stream": stream, "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "thread-1", **asked,
        }  # fmt: skip

    def take(self, call: Call, *, stream: bool, strict: bool = True) -> Assistant:
        if stream:
            if strict:
                responses_grammar.validate(call.body)
            response = call.events[-1]["response"]
        else:
            response = call.json
        assert response["status"] == "completed", response
        text, calls = "", []
        for item in response["output"]:
            kept = {k: v for k, v in item.items() if k not in ("id", "status")}
            if item["type"] == "message":
                text += "".join(p.get("text") or p.get("refusal") or "" for p in item["content"])
            elif item["type"] == "function_call":
                calls.append(Made(item["call_id"], item["name"], item["arguments"]))
            if item["type"] != "reasoning" or self.keeps:
                self.history.append(kept)
        said = Assistant(text, tuple(calls))
        self.visible.append(said)
        return said

    def _user(self, entry: User) -> None:
        parts: list[Any] = [{"type": "input_text", "text": entry.text}]
        if entry.image:
            parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "high"})
        self.history.append({"type": "message", "role": "user", "content": parts})

    def _assistant(self, entry: Assistant) -> None:
        if entry.text:
            part = {"type": "output_text", "text": entry.text}
            self.history.append({"type": "message", "role": "assistant", "content": [part]})
        self.history += [
            {"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.arguments} for c in entry.calls
        ]

    def _results(self, entry: Results) -> None:
        self.history += [
            {"type": "function_call_output", "call_id": id, "output": text} for id, text, _ in entry.results
        ]


class MessagesClient(Protocol):
    """Claude Code: blocks come back with their signatures, results before text."""

    road = "messages"

    def body(self, model: str, *, stream: bool) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        if self.effort == "none":
            asked = {"thinking": {"type": "disabled"}}
        elif self.effort is not None:
            asked = {"thinking": {"type": "adaptive"}, "output_config": {"effort": self.effort}}
        return {
            "model": model, "max_tokens": 32000, "messages": self.history, "stream": stream,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": n, "description": n, "input_schema": SCHEMA} for n in TOOLS],
            **asked,
        }  # fmt: skip

    def take(self, call: Call, *, stream: bool, strict: bool = True) -> Assistant:
        if stream:
            if strict:
                messages_grammar.validate(call.body)
            content = _blocks(call.events)
        else:
            content = call.json["content"]
        kept = [b for b in content if self.keeps or b["type"] not in ("thinking", "redacted_thinking")]
        self.history.append({"role": "assistant", "content": kept})
        text = "".join(b["text"] for b in content if b["type"] == "text")
        calls = [
            Made(b["id"], b["name"], json.dumps(b["input"], ensure_ascii=False))
            for b in content
            if b["type"] == "tool_use"
        ]
        said = Assistant(text, tuple(calls))
        self.visible.append(said)
        return said

    def _put(self, blocks: list[Any]) -> None:
        if self.history and self.history[-1]["role"] == "user":
            self.history[-1]["content"] += blocks
        else:
            self.history.append({"role": "user", "content": blocks})

    def _user(self, entry: User) -> None:
        blocks: list[Any] = [{"type": "text", "text": entry.text}]
        if entry.image:
            source = {"type": "base64", "media_type": "image/png", "data": PNG}
            blocks.append({"type": "image", "source": source})
        self._put(blocks)

    def _assistant(self, entry: Assistant) -> None:
        blocks: list[Any] = [{"type": "text", "text": entry.text}] if entry.text else []
        blocks += [
            {"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)} for c in entry.calls
        ]
        self.history.append({"role": "assistant", "content": blocks})

    def _results(self, entry: Results) -> None:
        self._put(
            [
                {"type": "tool_result", "tool_use_id": id, "content": text, **({"is_error": True} if failed else {})}
                for id, text, failed in entry.results
            ]
        )


class ChatClient(Protocol):
    """A Chat client: it keeps the reasoning field (opencode, Qwen Code) or not (most)."""

    road = "chat"

    def body(self, model: str, *, stream: bool) -> dict[str, Any]:
        tools = [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in TOOLS]
        asked = {} if self.effort is None else {"reasoning_effort": self.effort}
        more = {"stream_options": {"include_usage": True}} if stream else {}
        system = {"role": "system", "content": "Be brief."}
        return {"model": model, "messages": [system, *self.history], "tools": tools, "stream": stream, **asked, **more}

    def take(self, call: Call, *, stream: bool, strict: bool = True) -> Assistant:
        if stream:
            if strict:
                chat_grammar.validate(call.body)
            text, reasoning, calls = _chunks(call.events)
        else:
            said = call.json["choices"][0]["message"]
            text, reasoning = said.get("content") or "", said.get("reasoning_content") or ""
            calls = [
                Made(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in said.get("tool_calls") or []
            ]
        made = Assistant(text, tuple(calls))
        self._assistant(made)
        if self.keeps and reasoning:
            self.history[-1]["reasoning_content"] = reasoning.rstrip()  # some clients trim it
        self.visible.append(made)
        return made

    def _user(self, entry: User) -> None:
        content: Any = entry.text
        if entry.image:
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
            content = [{"type": "text", "text": entry.text}, image]
        self.history.append({"role": "user", "content": content})

    def _assistant(self, entry: Assistant) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": entry.text or None}
        if entry.calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for c in entry.calls
            ]
        self.history.append(message)

    def _results(self, entry: Results) -> None:
        self.history += [{"role": "tool", "tool_call_id": id, "content": text} for id, text, _ in entry.results]


CLIENTS: dict[str, type[Protocol]] = {
    "responses": ResponsesClient,
    "messages": MessagesClient,
    "chat": ChatClient,
}


def _blocks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of a Messages stream."""
    out: list[dict[str, Any]] = []
    pieces = ""
    for e in events:
        if e["type"] == "content_block_start":
            out.append(dict(e["content_block"]))
            pieces = ""
        elif e["type"] == "content_block_delta":
            delta = e["delta"]
            match delta["type"]:
                case "text_delta":
                    out[-1]["text"] += delta["text"]
                case "thinking_delta":
                    out[-1]["thinking"] += delta["thinking"]
                case "signature_delta":
                    out[-1]["signature"] = delta["signature"]
                case "input_json_delta":
                    pieces += delta["partial_json"]
        elif e["type"] == "content_block_stop" and out[-1]["type"] == "tool_use":
            out[-1]["input"] = json.loads(pieces or "{}")
    return out


def _chunks(events: list[dict[str, Any]]) -> tuple[str, str, list[Made]]:
    """Text, reasoning and calls of a Chat stream."""
    text = reasoning = ""
    calls: dict[int, list[str]] = {}
    for e in events:
        for choice in e.get("choices") or []:
            delta = choice["delta"]
            text += delta.get("content") or ""
            reasoning += delta.get("reasoning_content") or ""
            for c in delta.get("tool_calls") or []:
                made = calls.setdefault(c["index"], [c.get("id", ""), c["function"].get("name", ""), ""])
                made[2] += c["function"].get("arguments") or ""
    return text, reasoning, [Made(*calls[i]) for i in sorted(calls)]
