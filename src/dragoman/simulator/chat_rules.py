"""Chat Completions: what every vendor's reading of a request has in common. The tables are the vendor's.

Body in, `Ask` out, or `Rejected`. `ChatRules` is filled and overridden by the files in `vendors/`; rules on reasoning
need memory and stand in `memory`.
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
    integer,
    mapping,
    matching,
    one_of,
    record,
    string,
    tagged,
    text,
    text_part,
)
from dragoman.simulator.vendor import Account, ModelCard, Vendor

_CALL: dict[str, Rule] = {
    "id": text,
    "type": one_of("function"),
    "function": record({"name": text, "arguments": string}, ("name", "arguments")),
}
CALL = record(_CALL, tuple(_CALL))
"""A tool call of an assistant message."""
INDEXED_CALL = record({**_CALL, "index": integer(0, 1000)}, tuple(_CALL))
"""The same of vendors whose whole answers number the calls."""
KINDS = {"image_url": "image", "input_audio": "audio", "video_url": "video", "file_url": "file"}
"""Which kind of media a part is."""


def read(body: dict[str, Any], vendor: Vendor, card: ModelCard, account: Account) -> Ask:
    """The request, checked by the vendor's rules."""
    assert vendor.chat is not None
    return vendor.chat.read(body, card, account)


def function_tool(tool_name: str, *required: str, strict: Rule = boolean, **further: Rule) -> Rule:
    """A function on offer, its name by a pattern. required: of the inner object, beside the name."""
    inner: dict[str, Rule] = {
        "name": matching(tool_name, "tool_name"),
        "description": string,
        "parameters": mapping,
        "strict": strict,
        **further,
    }
    return record({"type": string, "function": record(inner, ("name", *required))}, ("function",))


@lru_cache(maxsize=256)
def _body_rule(rules: ChatRules, card: ModelCard) -> Rule:
    return record(rules.table(card), rules.required)


@lru_cache(maxsize=256)
def _role_rules(rules: ChatRules, card: ModelCard) -> Mapping[str, Rule]:
    return rules.roles(card)


class ChatRules:
    """How one vendor reads Chat Completions. A vendor's file overrides what is its own.

    required: fields that must be there. limits: fields that hold the output limit, the first that is set counts.
    forced: sampling fields that thinking overrides, with the server's value (None: any value is overridden). ignored:
    fields that are taken and never heeded. json_word: JSON mode wants the word in the messages. empty_text: the empty
    user message is taken. null_content: roles whose content may be null. unique_ids: no call id comes twice in the
    whole history.
    """

    required: tuple[str, ...] = ("model", "messages")
    limits: tuple[str, ...] = ("max_completion_tokens",)
    forced: tuple[tuple[str, float | None], ...] = ()
    ignored: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()
    json_word: bool = True
    empty_text: bool = True
    null_content: tuple[str, ...] = ()
    unique_ids: bool = False

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        """The fields of the body."""
        raise NotImplementedError

    def roles(self, card: ModelCard) -> Mapping[str, Rule]:
        """The messages, by role."""
        raise NotImplementedError

    def read(self, body: dict[str, Any], card: ModelCard, account: Account) -> Ask:
        """The request, checked."""
        _body_rule(self, card)(body, "")
        thinking = self.thinking(body, card)
        tools, searching = self.offered(body.get("tools") or [], account)
        said = self.conversation(body["messages"], card)
        as_json = (body.get("response_format") or {}).get("type") == "json_object"
        if as_json and self.json_word and "json" not in "\n".join(s.text for s in said).lower():
            raise Rejected("json_word", "response_format", "'messages' must contain the word 'json' in some form")
        self.check(body, said, card)
        stop = body.get("stop") or []
        limit = next((body[name] for name in self.limits if body.get(name)), card.default_output)
        return Ask(
            "chat",
            card.id,
            said,
            system="\n".join(s.text for s in said if s.role in ("system", "developer")),
            tools=tools,
            stream=bool(body.get("stream")),
            thinking=thinking,
            json=as_json,
            limit=limit,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            search=searching,
            ignored=self.unheeded(body, thinking),
            tolerated=tuple(name for name in self.tolerated if name in body),
            options=self.options(body, card),
            prompt=msgspec.json.encode([body.get("tools") or [], body["messages"]]),
        )

    def thinking(self, body: dict[str, Any], card: ModelCard) -> bool:
        """Whether the model thinks: `thinking.type`, on by default."""
        if card.thinking in ("none", "forced"):
            return card.thinking == "forced"
        return bool((body.get("thinking") or {}).get("type", "enabled") != "disabled")

    def check(self, body: dict[str, Any], said: tuple[Said, ...], card: ModelCard) -> None:
        """The vendor's further rules on the whole request."""

    def options(self, body: dict[str, Any], card: ModelCard) -> frozenset[str]:
        """What the vendor's voice must know: `usage` where a usage report is asked for, and its own words."""
        asked = (body.get("stream_options") or {}).get("include_usage")
        return frozenset({"usage"} if asked else ())

    def unheeded(self, body: dict[str, Any], thinking: bool) -> tuple[tuple[str, str], ...]:
        """Fields that are taken and not heeded, as (field, value)."""
        out = [(name, str(body[name])) for name in self.ignored if name in body]
        if thinking:
            out += [(f, str(body[f])) for f, forced in self.forced if f in body and body[f] != forced]
        return tuple(out)

    # -- tools

    def offered(self, tools: list[dict[str, Any]], account: Account) -> tuple[tuple[Offered, ...], bool]:
        """The functions on offer, and whether a server-side search is."""
        out: list[Offered] = []
        searching = False
        for index, tool in enumerate(tools):
            if tool["type"] != "function":
                searching = self.hosted(tool, f"tools[{index}]", account) or searching
                continue
            function = tool["function"]
            if any(known.name == function["name"] for known in out):
                raise Rejected("tool_twice", "tools", f"tools contains duplicate names: {function['name']}")
            out.append(Offered(function["name"], function.get("description") or "", function.get("parameters") or {}))
        return tuple(out), searching

    def hosted(self, tool: dict[str, Any], path: str, account: Account) -> bool:
        """Whether a tool that is no function is a search of the server's."""
        return True

    # -- messages

    def conversation(self, messages: list[dict[str, Any]], card: ModelCard) -> tuple[Said, ...]:
        """The messages in order; each call is answered right after its message."""
        said: list[Said] = []
        owed: list[str] = []
        seen: set[str] = set()
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            one = self.message(message, path, card)
            if owed and one.role != "tool":
                raise _unanswered(owed, path)
            if one.role == "tool":
                _answer(one, owed, path)
            if self.unique_ids and seen & {call.id for call in one.calls}:
                raise Rejected(
                    "call_id_twice", f"{path}.tool_calls", "the tool_call id of an earlier message comes again"
                )
            seen |= {call.id for call in one.calls}
            said.append(one)
            owed += [call.id for call in one.calls]
        if owed:
            raise _unanswered(owed, "messages")
        return tuple(said)

    def message(self, message: dict[str, Any], path: str, card: ModelCard) -> Said:
        """One message."""
        role = message.get("role")
        rule = _role_rules(self, card).get(role) if isinstance(role, str) else None
        if rule is None or not isinstance(role, str):
            raise Rejected("role", f"{path}.role", f"{path}.role: {role!r} is not supported")
        if "content" in message and message["content"] is None and role not in self.null_content:
            raise Rejected("content_null", f"{path}.content", "`text` is not set")
        rule(message, path)
        if message.get("content") is None and (role != "assistant" or not message.get("tool_calls")):
            raise Rejected("content_missing", f"{path}.content", "`text` is not set")
        body = self.content(message, path, card)
        if role == "tool":
            return Said(role, results=((message["tool_call_id"], body),), path=path)
        calls = tuple(
            self.call(call, f"{path}.tool_calls[{i}]") for i, call in enumerate(message.get("tool_calls") or [])
        )
        if len({call.id for call in calls}) != len(calls):
            raise Rejected("call_id_twice", f"{path}.tool_calls", "two tool_calls have the same id")
        return self.reasoned(message, Said(role, body, calls, path=path))

    def reasoned(self, message: dict[str, Any], said: Said) -> Said:
        """The message with the reasoning that it brings back."""
        return msgspec.structs.replace(said, reasoning=message.get("reasoning_content"))

    def content(self, message: dict[str, Any], path: str, card: ModelCard) -> str:
        """The visible text, with the rules on media applied."""
        content = message.get("content") or ""
        role = message["role"]
        if isinstance(content, str):
            if role == "user" and not content and not self.empty_text:
                raise Rejected("text_not_set", f"{path}.content", "`text` is not set")
            return content
        texts = [part["text"] for part in content if part["type"] == "text"]
        media = tuple(KINDS[part["type"]] for part in content if part["type"] != "text")
        if media:
            self.media(media, bool(texts), role, f"{path}.content", card)
        return "".join(texts)

    def media(self, kinds: tuple[str, ...], texts: bool, role: str, path: str, card: ModelCard) -> None:
        """The vendor's rules on pictures, sound and film. texts: there is text beside them."""
        wrong = [kind for kind in kinds if kind not in card.media]
        if wrong:
            raise Rejected("no_media", path, f"{path}: {card.id} takes no {wrong[0]}")

    def call(self, call: dict[str, Any], path: str) -> Call:
        """One call of an assistant message."""
        function = call["function"]
        try:
            arguments = msgspec.json.decode(function["arguments"])
        except msgspec.DecodeError:
            column = len(function["arguments"].encode()) + 1
            raise Rejected(
                "arguments_json", f"{path}.function.arguments", f"unexpected end of data: line 1 column {column}"
            ) from None
        mapping(arguments, f"{path}.function.arguments")
        return Call(function["name"], function["arguments"], call["id"])


def _unanswered(owed: list[str], path: str) -> Rejected:
    return Rejected("call_unanswered", path, f"tool_call_ids did not have response messages: {', '.join(owed)}")


def _answer(one: Said, owed: list[str], path: str) -> None:
    call_id = one.results[0][0]
    if call_id not in owed:
        raise Rejected("result_orphan", f"{path}.tool_call_id", f"tool_call_id {call_id!r} has no preceding tool_calls")
    owed.remove(call_id)


def tools_array(tables: Mapping[str, Rule], low: int = 1, high: int = 128) -> Rule:
    """The list of tools, by their type."""
    return array(tagged(tables, "tool_type"), low, high)


def text_parts(media: Mapping[str, Rule] | None = None) -> Rule:
    """Content parts: text, and these media."""
    return array(tagged({"text": text_part, **(media or {})}), 1)
