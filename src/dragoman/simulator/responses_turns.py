"""The items of a Responses conversation, read into turns: calls are paired with their outputs, thinking with its turn.

In: items, those that the server kept before those that were sent. Out: what was said, or `Rejected`. What one vendor
takes is an `ItemRules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from dragoman.simulator.ask import Call, Rejected, Said
from dragoman.simulator.fields import Rule, mapping
from dragoman.simulator.seals import unseal
from dragoman.simulator.vendor import Account, ModelCard

ReasoningForm = Literal["text", "summary", "both", "sealed"]
"""How thinking is shown: its text, its text under the name of a summary, its text beside an empty summary, or a summary
beside an encrypted blob."""

_OUTPUTS = {
    "function_call": ("function_call_output",),
    "custom_tool_call": ("custom_tool_call_output",),
    "local_shell_call": ("local_shell_call_output", "function_call_output"),
}
_RESULTS = {name for names in _OUTPUTS.values() for name in names}
_MEDIA = {"input_image": "image", "input_audio": "audio", "input_video": "video", "input_file": "file"}


class ItemRules(msgspec.Struct, frozen=True):
    """Which items a vendor takes; the fields are those of `responses_rules.ResponsesStyle`."""

    owner: str
    items: Mapping[str, Rule]
    messages: Mapping[str, Rule]
    reasoning: ReasoningForm
    alone: bool


def message_forms(plain: Rule, replayed: Rule) -> Rule:
    """A message of the model: with an id or a status it is the replay of an output item, else what somebody wrote."""

    def rule(value: Any, path: str) -> None:
        (replayed if "id" in value or "status" in value else plain)(value, path)

    return rule


def call_id_missing(call_id: str, output: str) -> str:
    """What is said of an output whose call is not there."""
    kind = "custom tool call" if output.startswith("custom") else "function call"
    return f"No tool call found for {kind} output with call_id {call_id}."


def output_missing(call_id: str, call: str) -> str:
    """What is said of a call without an output."""
    kind = "custom tool call" if call.startswith("custom") else "function call"
    return f"No tool output found for {kind} {call_id}."


class Turns:
    """Collects turns while items pass by: neighbouring items of the model are one turn of it."""

    def __init__(self, rules: ItemRules, card: ModelCard, account: Account) -> None:
        self.tools: list[dict[str, Any]] = []
        self.tolerated: list[str] = []
        self._rules = rules
        self._card = card
        self._account = account
        self._said: list[Said] = []
        self._owed: dict[str, str] = {}
        self._clear()

    def _clear(self) -> None:
        self._path = ""
        self._thoughts: list[str] | None = None
        self._texts: list[str] = []
        self._calls: list[Call] = []

    def conversation(self, given: list[Any], before: list[Any]) -> tuple[Said, ...]:
        """All turns of the items. before: those that the server kept."""
        for item in before:
            self._item(item, "previous_response_id", kept=True)
        for index, item in enumerate(given):
            self._item(item, f"input[{index}]")
        self._close()
        for call_id, kind in self._owed.items():
            raise Rejected("call_unanswered", "input", output_missing(call_id, kind))
        return tuple(self._said)

    def _close(self) -> None:
        if self._path:
            thoughts = None if self._thoughts is None else "".join(self._thoughts)
            text = "".join(self._texts)
            self._said.append(Said("assistant", text, tuple(self._calls), reasoning=thoughts, path=self._path))
        self._clear()

    def _item(self, item: Any, path: str, *, kept: bool = False) -> None:
        mapping(item, path)
        kind = item.get("type") or ("message" if "role" in item else "item_reference" if set(item) == {"id"} else None)
        if kind == "message":
            self._message(item, path, kept)
            return
        rule = self._rules.items.get(kind) if isinstance(kind, str) else None
        if rule is None or not isinstance(kind, str):
            raise Rejected("item_type", f"{path}.type", f"{path}.type: {kind!r} is not supported")
        if not kept:
            rule(item, path)
        if kind == "item_reference":
            self._item(self._referred(item["id"], path), path, kept=True)
        elif kind == "reasoning":
            self._reasoning(item, path)
        elif kind in _OUTPUTS:
            self._call(kind, item, path)
        elif kind in _RESULTS:
            self._result(kind, item, path)
        elif kind == "agent_message":
            self._close()
            self._said.append(Said("user", _text(item["content"]), path=path))
        elif kind == "additional_tools":
            self.tools += item["tools"]

    def _referred(self, item_id: str, path: str) -> Any:
        """The kept item with this id."""
        for kept in self._account.stored.values():
            for item in kept.items:
                if item.get("id") == item_id:
                    return item
        told = f"Item with id '{item_id}' not found."
        raise Rejected("item_unknown", path, told, status=404, message=told)

    def _message(self, item: dict[str, Any], path: str, kept: bool) -> None:
        role = item.get("role")
        rule = self._rules.messages.get(role) if isinstance(role, str) else None
        if rule is None or not isinstance(role, str):
            raise Rejected("role", f"{path}.role", f"{path}.role: {role!r} is not supported")
        if item.get("content") is None:
            raise Rejected("content_null", f"{path}.content", "`text` is not set")
        if not kept:
            rule(item, path)
        if role == "assistant":
            self._open(path)
            self._texts.append(_text(item["content"]))
            return
        self._close()
        self._media(item["content"], path, alone=self._rules.alone or role != "user")
        self._said.append(Said(role, _text(item["content"]), path=path))

    def _media(self, content: Any, path: str, *, alone: bool) -> None:
        kinds = [] if isinstance(content, str) else [part["type"] for part in content]
        media = [_MEDIA[kind] for kind in kinds if kind in _MEDIA]
        if not media:
            return
        refused = next((m for m in media if m != "file" and m not in self._card.media), None)
        if refused is not None:
            told = f"No endpoints found that support {refused} input"
            raise Rejected("no_media", f"{path}.content", "", status=404, message=told)
        if not alone and all(kind in _MEDIA for kind in kinds):
            raise Rejected("media_alone", f"{path}.content", "`text` is not set")

    def _open(self, path: str) -> None:
        self._path = self._path or path

    def _reasoning(self, item: dict[str, Any], path: str) -> None:
        """Thinking begins an answer, so it ends a turn that already said or called something."""
        if self._texts or self._calls:
            self._close()
        self._open(path)
        text = self._thought(item, path)
        if text is not None:
            self._thoughts = [*(self._thoughts or ()), text]

    def _thought(self, item: dict[str, Any], path: str) -> str | None:
        match self._rules.reasoning:
            case "text" | "both":
                return "".join(part["text"] for part in item["content"])
            case "summary":
                return "".join(part["text"] for part in item["summary"])
        blob = item.get("encrypted_content")
        if blob is None:
            return None
        found = unseal(blob, self._rules.owner)
        if found is None:
            told = f"The encrypted content {blob[:8]}... could not be verified."
            raise Rejected("invalid_encrypted_content", f"{path}.encrypted_content", told)
        return found

    def _call(self, kind: str, item: dict[str, Any], path: str) -> None:
        call_id = item["call_id"]
        if call_id in self._owed:
            raise Rejected("call_id_twice", f"{path}.call_id", f"two calls have the call_id {call_id}")
        self._open(path)
        self._owed[call_id] = kind
        self._calls.append(_call(kind, item, path))

    def _result(self, kind: str, item: dict[str, Any], path: str) -> None:
        self._close()
        call_id = item.get("call_id") or item.get("id", "")
        if kind not in _OUTPUTS.get(self._owed.get(call_id, ""), ()):
            raise Rejected("result_orphan", f"{path}.call_id", call_id_missing(call_id, kind))
        del self._owed[call_id]
        self._media(item["output"], path, alone=True)
        self._said.append(Said("tool", results=((call_id, _text(item["output"])),), path=path))


def _call(kind: str, item: dict[str, Any], path: str) -> Call:
    if kind == "custom_tool_call":
        arguments = msgspec.json.encode({"input": item["input"]}).decode()
    elif kind == "local_shell_call":
        arguments = msgspec.json.encode(item["action"]).decode()
    else:
        arguments = item["arguments"]
        try:
            value = msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            told = f"unexpected end of data: line 1 column {len(arguments.encode()) + 1}"
            raise Rejected("arguments_json", f"{path}.arguments", told) from None
        mapping(value, f"{path}.arguments")
    name = item.get("name", "local_shell")
    return Call(f"{item['namespace']}.{name}" if item.get("namespace") else name, arguments, item["call_id"])


def _text(content: str | list[dict[str, Any]]) -> str:
    """The words in a content, whatever its parts are called."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or part.get("refusal") or part.get("encrypted_content") or "" for part in content)
