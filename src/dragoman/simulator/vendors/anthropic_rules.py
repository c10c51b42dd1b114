"""What Anthropic demands beyond its tables: beta flags, cache marks, thinking and its signatures, searches.

Thinking is off where nothing is said of it. A thinking block carries a signature that holds what was thought, so a
changed or foreign block is found out; `redacted_thinking` holds nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Offered, Rejected, Said
from dragoman.simulator.fields import Rule
from dragoman.simulator.messages_rules import MessagesRules
from dragoman.simulator.seals import seal, unseal
from dragoman.simulator.vendor import Account, ModelCard
from dragoman.simulator.vendors.anthropic_tables import BLOCKS, OUTPUT, fields, is_search

OWNER = "anthropic"
"""Whose seals are opened."""
SIGNATURE = "EqQB"
REDACTED = "EmwK"
PAGE = "EqgC"
"""What the blobs begin with: of a signature, of redacted thinking, of a search result."""
MARKS = 4
"""How many cache marks a request may have."""

_BETAS = {"context_management": "context-management-", "mcp_servers": "mcp-client-"}


def _marks(node: Any) -> Iterator[Any]:
    """All cache marks in a body, however deep."""
    if isinstance(node, dict):
        if node.get("cache_control") is not None:
            yield node["cache_control"]
        for name, inner in node.items():
            if name not in ("input", "input_schema"):
                yield from _marks(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _marks(inner)


class Rules(MessagesRules):
    """Anthropic reads a request: marks, beta flags, thinking and its signatures, searches with their results."""

    counts = True

    def table(self, card: ModelCard) -> Mapping[str, Any]:
        return fields(card)

    def blocks(self, card: ModelCard) -> Mapping[str, Mapping[str, Any]]:
        return BLOCKS

    def beside(self, role: str) -> Mapping[str, Rule]:
        return {"output_config": OUTPUT} if role == "system" else {}

    def read(self, body: dict[str, Any], card: ModelCard, account: Account) -> Ask:
        """The request, checked; what a beta flag opens needs the flag."""
        flags = account.headers.get("anthropic-beta", "")
        for name, flag in _BETAS.items():
            if name in body and flag not in flags:
                raise Rejected("unknown_field", name, f"{name}: Extra inputs are not permitted")
        messages = body.get("messages")
        for index, message in enumerate(messages if isinstance(messages, list) else ()):
            if isinstance(message, dict) and message.get("role") == "system" and "mid-conversation-" not in flags:
                told = 'Unexpected role "system". Use the top-level `system` parameter instead.'
                raise Rejected("role", f"messages[{index}].role", told)
            if isinstance(message, dict) and "output_config" in message and "per-turn-control-" not in flags:
                path = f"messages[{index}].output_config"
                raise Rejected("unknown_field", path, f"{path}: Extra inputs are not permitted")
        ask = super().read(body, card, account)
        marks = list(_marks(body))
        if len(marks) > MARKS:
            told = f"A maximum of {MARKS} blocks with cache_control may be provided. Found {len(marks)}."
            raise Rejected("cache_marks", "", told)
        schema = (body.get("output_config") or {}).get("format")
        system = ask.system if schema is None else f"{ask.system}\n{msgspec.json.encode(schema['schema']).decode()}"
        choice = (body.get("tool_choice") or {}).get("type")
        return msgspec.structs.replace(
            ask,
            system=system,
            json=schema is not None,
            tools=() if choice == "none" else ask.tools,
            search=any(is_search(tool) for tool in body.get("tools") or ()),
        )

    def thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        return bool((body.get("thinking") or {}).get("type", "disabled") != "disabled")

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        thinking = body.get("thinking") or {}
        found = {"cache"} if any(True for _ in _marks(body)) else set()
        return frozenset(found | ({"omitted"} if thinking.get("display") == "omitted" else set()))

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        choice = (body.get("tool_choice") or {}).get("type", "auto")
        if "tool_choice" in body and not body.get("tools"):
            raise Rejected("tool_choice", "tool_choice", "tool_choice may only be specified while providing tools.")
        if not self.thinking(body, card):
            return
        thinking = body["thinking"]
        if thinking.get("budget_tokens", 0) >= body["max_tokens"]:
            told = "`max_tokens` must be greater than `thinking.budget_tokens`."
            raise Rejected("thinking_budget", "max_tokens", told)
        if body.get("temperature", 1) != 1:
            raise Rejected(
                "thinking_sampling", "temperature", "`temperature` may only be set to 1 when thinking is enabled."
            )
        if "top_k" in body or body.get("top_p", 1) < 0.95:
            name = "top_k" if "top_k" in body else "top_p"
            raise Rejected("thinking_sampling", name, f"`{name}` must be unset when thinking is enabled.")
        if choice in ("any", "tool"):
            raise Rejected(
                "thinking_choice", "tool_choice", "Thinking may not be enabled when tool_choice forces tool use."
            )
        self._loop(body, said)

    def _loop(self, body: dict[str, Any], said: tuple[Said, ...]) -> None:
        """With a thinking budget, the last turn of an open tool loop starts with its thinking."""
        if body["thinking"]["type"] != "enabled" or len(said) < 2 or not said[-1].results:
            return
        index = len(said) - 2
        blocks = body["messages"][index]["content"]
        first = blocks[0]["type"] if isinstance(blocks, list) else "text"
        if first not in ("thinking", "redacted_thinking"):
            told = (
                f"Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is enabled, a final "
                "`assistant` message must start with a thinking block."
            )
            raise Rejected("thinking_missing", f"messages[{index}].content[0].type", told)

    def offered(self, tools: list[dict[str, Any]]) -> tuple[Offered, ...]:
        names: set[str] = set()
        out: list[Offered] = []
        for tool in tools:
            if tool.get("name") in names:
                raise Rejected("tool_twice", "tools", "Tool names must be unique.")
            names.add(tool.get("name", ""))
            if tool.get("type") in (None, "custom"):
                out.append(Offered(tool["name"], tool.get("description", ""), tool["input_schema"]))
        return tuple(out)

    def message(self, message: dict[str, Any], path: str, card: ModelCard) -> Said:
        said = super().message(message, path, card)
        content = message["content"]
        blocks = content if isinstance(content, list) else []
        thoughts = [t for i, b in enumerate(blocks) if (t := _thought(b, f"{path}.content[{i}]")) is not None]
        _searched(blocks, path)
        if not thoughts:
            return said
        reasoning = "".join(thoughts)
        return msgspec.structs.replace(said, reasoning=reasoning, signature=sign(reasoning))


def sign(reasoning: str) -> str:
    """The signature of a thinking block."""
    return seal(reasoning, OWNER, SIGNATURE)


def _thought(found: dict[str, Any], path: str) -> str | None:
    """What was thought in a block; None where it is no thinking."""
    if found["type"] == "thinking":
        text = unseal(found["signature"], OWNER, SIGNATURE)
        # Thinking that was asked for with `omitted` comes back as it went: without a word of it.
        if text is None or found["thinking"] not in ("", text):
            raise Rejected("signature", path, "Invalid `signature` in `thinking` block")
        return text
    if found["type"] == "redacted_thinking":
        text = unseal(found["data"], OWNER, REDACTED)
        if text is None:
            raise Rejected("signature", path, "Invalid `data` in `redacted_thinking` block")
        return text
    return None


def _searched(blocks: list[dict[str, Any]], path: str) -> None:
    """Searches of the server stand in the history with their results, as they were sent."""
    owed: list[str] = []
    for index, found in enumerate(blocks):
        at = f"{path}.content[{index}]"
        if found["type"] == "server_tool_use":
            owed.append(found["id"])
        elif found["type"].endswith("_tool_result"):
            if found["tool_use_id"] not in owed:
                raise Rejected("result_orphan", at, f"no `server_tool_use` with id {found['tool_use_id']}")
            owed.remove(found["tool_use_id"])
            pages = found["content"] if isinstance(found["content"], list) else []
            for number, page in enumerate(pages):
                if "encrypted_content" in page and unseal(page["encrypted_content"], OWNER, PAGE) is None:
                    told = "Invalid `encrypted_content` in `search_result` block"
                    raise Rejected("signature", f"{at}.content[{number}]", told)
    if owed:
        told = f"web_search tool use with id `{owed[0]}` was found without a `web_search_tool_result` block"
        raise Rejected("call_unanswered", path, told)
