"""The Messages protocol: what every vendor's reading of a request has in common. The tables are the vendor's.

Body in, `Ask` out, or `Rejected`. `MessagesRules` is filled and overridden by the files in `vendors/`; rules on
reasoning need memory and stand in `memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Call, Offered, Rejected, Said
from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    mapping,
    matching,
    one_of,
    record,
    string,
    tagged,
    text,
)
from dragoman.simulator.memory import tokens
from dragoman.simulator.vendor import Account, ModelCard, Vendor

MEDIA = ("image", "audio", "video", "document")
"""Blocks that are media, by their type."""


def read(body: dict[str, Any], vendor: Vendor, card: ModelCard, account: Account) -> Ask:
    """The request, checked by the vendor's rules."""
    assert vendor.messages is not None
    return vendor.messages.read(body, card, account)


def extra(method: str, path: str, raw: bytes, vendor: Vendor, account: Account) -> tuple[int, bytes] | None:
    """`count_tokens`, where the vendor has it: the same request without a limit. None for other paths."""
    if vendor.messages is None or not vendor.messages.counts or method != "POST" or not path.endswith("/count_tokens"):
        return None
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Rejected("json", "", f"{error}"[:200]) from None
    card = vendor.card(body["model"]) if isinstance(body, dict) and isinstance(body.get("model"), str) else None
    if card is None:
        raise Rejected("model_unknown", "model", "the model is not served", status=404)
    if "max_tokens" in body:
        raise Rejected("unknown_field", "max_tokens", "max_tokens: Extra inputs are not permitted")
    ask = vendor.messages.read({**body, "max_tokens": card.max_output}, card, account)
    return 200, msgspec.json.encode({"input_tokens": tokens(ask.prompt)})


def source(*types: str, **further: Rule) -> Rule:
    """Where a medium comes from: base64 of one of these media types, or a URL."""
    media_type = one_of(*types) if types else string
    return tagged(
        {
            "base64": record(
                {"type": string, "media_type": media_type, "data": text, **further}, ("media_type", "data")
            ),
            "url": record({"type": string, "url": text, **further}, ("url",)),
        },
        "source_type",
    )


def loose_schema(value: Any, path: str) -> None:
    """A JSON Schema of an object: its documented keys are checked, further keywords of the language are taken."""
    mapping(value, path)
    if value.get("type") != "object":
        raise Rejected("tool_schema", f"{path}.type", f"{path}.type: Input should be 'object'")
    _SCHEMA({k: v for k, v in value.items() if k in ("type", "properties", "required")}, path)


_SCHEMA = record({"type": one_of("object"), "properties": mapping, "required": array(string)})


def client_tool(tool_name: str, **further: Rule) -> Rule:
    """A tool of the client's, its name by a pattern."""
    return record(
        {
            "type": one_of("custom"),
            "name": matching(tool_name, "tool_name"),
            "description": string,
            "input_schema": loose_schema,
            **further,
        },
        ("name", "input_schema"),
    )


CHOICE = record({"type": string, "disable_parallel_tool_use": boolean, "name": string}, ("type",))
"""A tool choice whose values the vendor does not check."""


def tool_choice(*types: str) -> Rule:
    """A tool choice of one of these types; `tool` wants a name."""

    def rule(value: Any, path: str) -> None:
        CHOICE(value, path)
        one_of(*types)(value["type"], f"{path}.type")
        if value["type"] == "tool" and not value.get("name"):
            raise Rejected("field_missing", f"{path}.name", f"{path}.name: Field required")

    return rule


@lru_cache(maxsize=256)
def _body_rule(rules: MessagesRules, card: ModelCard) -> Rule:
    return record(rules.table(card), rules.required)


@lru_cache(maxsize=256)
def _block_rules(rules: MessagesRules, card: ModelCard) -> Mapping[str, Rule]:
    return {role: tagged(blocks) for role, blocks in rules.blocks(card).items()}


class MessagesRules:
    """How one vendor reads the Messages protocol. A vendor's file overrides what is its own.

    forced, ignored: as in `ChatRules`. silent_choice: a tool choice other than auto is dropped without a word.
    counts: there is `count_tokens`.
    """

    required: tuple[str, ...] = ("model", "messages", "max_tokens")
    forced: tuple[tuple[str, float | None], ...] = ()
    ignored: tuple[str, ...] = ()
    silent_choice: bool = False
    counts: bool = False

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        """The fields of the body."""
        raise NotImplementedError

    def blocks(self, card: ModelCard) -> Mapping[str, Mapping[str, Rule]]:
        """The content blocks, by role and type."""
        raise NotImplementedError

    def read(self, body: dict[str, Any], card: ModelCard, account: Account) -> Ask:
        """The request, checked."""
        _body_rule(self, card)(body, "")
        thinking = self.thinking(body, card)
        said = self.conversation(body["messages"], card)
        self.check(body, said, card)
        system = body.get("system", "")
        if not isinstance(system, str):
            system = "\n".join(block["text"] for block in system)
        system = "\n".join([system, *(s.text for s in said if s.role == "system")]).strip()
        return Ask(
            "messages",
            card.id,
            said,
            system=system,
            tools=self.offered(body.get("tools", [])),
            stream=bool(body.get("stream")),
            thinking=thinking,
            limit=body.get("max_tokens") or card.default_output,
            stop=() if "stop_sequences" in self.ignored else tuple(body.get("stop_sequences", ())),
            ignored=self.unheeded(body, thinking),
            options=self.options(body, card),
            prompt=msgspec.json.encode([body.get("tools", []), body.get("system", ""), body["messages"]]),
        )

    def thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        """Whether the model thinks: `thinking.type`, on by default."""
        if card.thinking in ("none", "forced"):
            return card.thinking == "forced"
        return bool(body.get("thinking", {}).get("type", "enabled") != "disabled")

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        """The vendor's further rules on the whole request."""

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        """Words for the vendor's voice and its rules on replay."""
        return frozenset()

    def unheeded(self, body: dict[str, Any], thinking: bool) -> tuple[tuple[str, str], ...]:
        """Fields that are taken and not heeded, as (field, value)."""
        out = []
        if self.silent_choice and body.get("tool_choice", {}).get("type", "auto") != "auto":
            out.append(("tool_choice", msgspec.json.encode(body["tool_choice"]).decode()))
        out += [(name, str(body[name])) for name in self.ignored if name in body]
        if thinking:
            out += [(f, str(body[f])) for f, forced in self.forced if f in body and body[f] != forced]
        return tuple(out)

    def offered(self, tools: list[dict[str, Any]]) -> tuple[Offered, ...]:
        """The client's tools."""
        out: list[Offered] = []
        for tool in tools:
            if any(known.name == tool["name"] for known in out):
                raise Rejected("tool_twice", "tools", f"tools contains duplicate names: {tool['name']}")
            out.append(Offered(tool["name"], tool.get("description", ""), tool["input_schema"]))
        return tuple(out)

    # -- messages

    def conversation(self, messages: list[dict[str, Any]], card: ModelCard) -> tuple[Said, ...]:
        """The messages in order; each use is answered in the message right after it."""
        said: list[Said] = []
        owed: list[str] = []
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            one = self.message(message, path, card)
            _answers(one, owed, path)
            said.append(one)
            owed = [call.id for call in one.calls]
        if owed:
            raise _unanswered(owed, "messages")
        return tuple(said)

    def message(self, message: dict[str, Any], path: str, card: ModelCard) -> Said:
        """One message."""
        role = message.get("role")
        rule = _block_rules(self, card).get(role) if isinstance(role, str) else None
        if rule is None or not isinstance(role, str):
            raise Rejected("role", f"{path}.role", f"{path}.role: {role!r} is not supported")
        if message.get("content") is None:
            raise Rejected("content_null", f"{path}.content", "`text` is not set")
        further = self.beside(role)
        least = 0 if message.keys() & further.keys() else 1
        fields = {"role": string, "content": either(text, array(rule, least)), **further}
        record(fields, ("content",))(message, path)
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        self.check_blocks(blocks, path, role, card)
        thinking = [b for b in blocks if b["type"] == "thinking"]
        uses = [b for b in blocks if b["type"] == "tool_use"]
        if len({b["id"] for b in uses}) != len(uses):
            raise Rejected("call_id_twice", path, "two tool_use blocks have the same id")
        return Said(
            role,
            "".join(b["text"] for b in blocks if b["type"] == "text"),
            tuple(Call(b["name"], msgspec.json.encode(b["input"]).decode(), b["id"]) for b in uses),
            tuple((b["tool_use_id"], _result_text(b.get("content", ""))) for b in blocks if b["type"] == "tool_result"),
            reasoning="".join(b["thinking"] for b in thinking) if thinking else None,
            signature="".join(b.get("signature", "") for b in thinking) if thinking else None,
            path=path,
            parts=tuple(b["text"] for b in blocks if b["type"] == "text"),
        )

    def beside(self, role: str) -> Mapping[str, Rule]:
        """Fields that a message of this role may have beside its content; with one of them it needs no content."""
        return {}

    def check_blocks(self, blocks: list[dict[str, Any]], path: str, role: str, card: ModelCard) -> None:
        """The order of blocks, and the rules on media."""
        kinds = [b["type"] for b in blocks]
        media = tuple(k for k in kinds if k in MEDIA)
        if media:
            self.media(media, bool({"text", "tool_result"} & set(kinds)), role, path, card)
        first_other = next((i for i, k in enumerate(kinds) if k != "tool_result"), len(kinds))
        if "tool_result" in kinds[first_other:]:
            raise Rejected("result_order", path, "`tool_result` blocks must stand before other content")
        first_use = kinds.index("tool_use") if "tool_use" in kinds else len(kinds)
        if "thinking" in kinds[first_use:]:
            raise Rejected("thinking_order", path, "`thinking` blocks must stand before `tool_use` blocks")

    def media(self, kinds: tuple[str, ...], texts: bool, role: str, path: str, card: ModelCard) -> None:
        """The vendor's rules on pictures, sound and film. texts: there is text or a result beside them."""
        wrong = [kind for kind in kinds if kind not in card.media]
        if wrong:
            raise Rejected("no_media", path, f"{path}: {card.id} takes no {wrong[0]}")


def _answers(one: Said, owed: list[str], path: str) -> None:
    """The results of a turn stand in the message right after it, all of them and no others."""
    given = [call_id for call_id, _ in one.results]
    for call_id in given:
        if call_id not in owed:
            raise Rejected(
                "result_orphan", path, f"`tool_result` {call_id!r} has no `tool_use` in the previous message"
            )
        owed.remove(call_id)
    if owed:
        raise _unanswered(owed, path)


def _unanswered(owed: list[str], path: str) -> Rejected:
    return Rejected("call_unanswered", path, f"`tool_use` ids without `tool_result` blocks: {', '.join(owed)}")


def _result_text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if part["type"] == "text")
