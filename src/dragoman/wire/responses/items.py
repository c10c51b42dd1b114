"""Input items of the Responses protocol, read into canonical messages.

All that one assistant turn was split into (reasoning, message, calls) becomes one message again; neighbouring tool
outputs become one tool message. Declarations found inside the history (`additional_tools`, `tool_search_output`) are
handed out beside the messages. An item of unknown type is kept opaque: a newer client must not break.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, get_args

import msgspec
from msgspec import Raw

from dragoman.core.messages import (
    Block,
    Compaction,
    Message,
    Opaque,
    Presence,
    ProviderState,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)
from dragoman.core.notes import Note
from dragoman.core.partial_json import is_json
from dragoman.core.tools import Tool, ToolKind
from dragoman.wire.parse import absent, dump, is_list, is_object, is_string, read
from dragoman.wire.responses.content import decode_output, decode_parts
from dragoman.wire.responses.fields import NOTHING, invalid, text_of
from dragoman.wire.responses.search import ITEM as SEARCH_ITEM
from dragoman.wire.responses.search import search_of
from dragoman.wire.responses.tools import decode_tools

SEAL = "dgm1."
"""What our own sealed reasoning begins with."""

_ROLES = frozenset(get_args(Role)) - {"tool"}


class ItemsDecoded(msgspec.Struct, frozen=True):
    """What a list of items means.

    tools: declared inside of it. compaction: it ends with a `compaction_trigger`. references: an item stands in it by
    its id only.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    notes: tuple[Note, ...] = ()
    compaction: bool = False
    references: bool = False


class _Thought(msgspec.Struct):
    text: str = ""


class Item(msgspec.Struct):
    """The fields of all item types that anything here reads."""

    type: str | None = None
    role: str | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    status: str | None = None
    phase: str | None = None
    author: str | None = None
    content: Raw = NOTHING
    summary: Raw = NOTHING
    encrypted_content: str | None = None
    arguments: Raw = NOTHING
    input: Raw = NOTHING
    action: Raw = NOTHING
    operation: Raw = NOTHING
    output: Raw = NOTHING
    tools: list[Raw] | None = None
    execution: str | None = None


CALLS: dict[str, ToolKind] = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "local_shell_call": "local_shell",
    "shell_call": "shell",
    "apply_patch_call": "apply_patch",
    "tool_search_call": "tool_search",
}
"""Item types that are calls for the client to run."""

_OUTPUTS: dict[str, ToolKind] = {kind + "_output": value for kind, value in CALLS.items()} | {
    "custom_tool_call_output": "custom",
    "tool_search_output": "tool_search",
}


class _Reader:
    """Collects messages while items pass by."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.tools: list[Tool] = []
        self.notes: list[Note] = []
        self.compaction = False
        self.references = False
        self._role: Role = "assistant"
        self._open: list[Block] = []
        self._kinds: dict[str, ToolKind] = {}

    def add(self, role: Role, *blocks: Block) -> None:
        """Blocks that belong to the open message of this role; closes one of another role."""
        if self._open and self._role != role:
            self.close()
        self._role = role
        self._open.extend(blocks)

    def close(self) -> None:
        """The open message is whole."""
        if self._open:
            self.messages.append(Message(self._role, tuple(self._open)))
            self._open = []

    def item(self, raw: Raw, path: str) -> None:
        """Reads one item."""
        item = read(raw, Item, path)
        kind = item.type or ("message" if item.role else "item_reference" if item.id else None)
        if kind is None:
            raise invalid(f"{path}.type", f"{path} has neither a type nor a role; add one")
        if kind in CALLS:
            self._call(item, CALLS[kind], raw, path)
        elif kind in _OUTPUTS:
            self._output(item, kind, path)
        elif kind in _OTHERS:
            _OTHERS[kind](self, item, raw, path)
        else:
            self.references |= kind == "item_reference"
            self.add("assistant", Opaque(kind, raw, "responses"))

    def message(self, item: Item, raw: Raw, path: str) -> None:
        """A message of any role."""
        role = item.role or "user"
        if role not in _ROLES:
            raise invalid(f"{path}.role", f"{path}.role must be user, assistant, system or developer, not {role!r}")
        # Chat clients write an assistant's `null` beside calls; from anyone else it is a question that got lost.
        if not item.content or (role != "assistant" and absent(item.content)):
            raise invalid(f"{path}.content", f"{path}.content is missing; add the text or the parts of the message")
        parts = decode_parts(item.content, f"{path}.content", role, self.notes)
        if role == "assistant":
            state = ProviderState("", "", "responses", dump({"phase": item.phase})) if item.phase else None
            for part in parts:
                if isinstance(part, Text) and not part.text:
                    continue
                if state is not None and isinstance(part, Text):
                    part = msgspec.structs.replace(part, state=state)
                self.add("assistant", part)
            return
        self.close()
        if not parts and role != "user":
            return
        self.messages.append(Message(cast(Role, role), tuple(parts) or (Text(""),)))

    def agent_message(self, item: Item, raw: Raw, path: str) -> None:
        """What another agent said to this one."""
        self.close()
        parts = decode_parts(item.content, f"{path}.content", "tool", self.notes)
        if parts:
            self.messages.append(Message("user", tuple(parts), item.author))

    def reasoning(self, item: Item, raw: Raw, path: str) -> None:
        """Thinking: ours under a seal, a vendor's own under its encryption, or plain."""
        text, found = thoughts(item.content, f"{path}.content", "")
        summary = False
        if not text:
            short, _ = thoughts(item.summary, f"{path}.summary", "\n\n")
            text, summary = short, bool(short)
        sealed = item.encrypted_content or ""
        if sealed.startswith(SEAL):
            self.add(
                "assistant",
                Reasoning(text, "text" if text else "opaque", seal=sealed, item_id=item.id, summary=summary),
            )
        elif sealed:
            state = ProviderState("", "", "responses", raw)
            self.add(
                "assistant",
                Reasoning(text, "text" if text else "opaque", item_id=item.id, summary=summary, state=state),
            )
        else:
            presence: Presence = "text" if text else "empty" if found else "absent"
            self.add("assistant", Reasoning(text, presence, item_id=item.id, summary=summary))

    def _call(self, item: Item, kind: ToolKind, raw: Raw, path: str) -> None:
        call_id = item.call_id or item.id
        if not call_id:
            if kind == "tool_search":
                self.add("assistant", Opaque("tool_search_call", raw, "responses"))
                return
            raise invalid(f"{path}.call_id", f"{path}.call_id is missing; add the id that pairs it with its output")
        name = item.name
        if kind not in ("function", "custom"):
            name = kind
        elif not name:
            raise invalid(f"{path}.name", f"{path}.name is missing; add the name of the tool that was called")
        arguments = call_arguments(item, kind, path)
        self._kinds[call_id] = kind
        bad = kind != "custom" and bool(arguments) and not is_json(arguments)
        self.add(
            "assistant",
            ToolCall(call_id, name or kind, arguments, kind, item.namespace, item.id, bad, item.status),
        )

    def _output(self, item: Item, kind: str, path: str) -> None:
        call_id = item.call_id or item.id
        if not call_id:
            if kind == "tool_search_output":
                self.tools += decode_tools(item.tools or (), f"{path}.tools", loaded=True)
                return
            raise invalid(f"{path}.call_id", f"{path}.call_id is missing; add the id of the call that it answers")
        if not item.output and kind in ("function_call_output", "custom_tool_call_output"):
            raise invalid(f"{path}.output", f"{path}.output is missing; add what the tool gave back, or an empty text")
        content: tuple[Any, ...]
        if kind == "shell_call_output" and is_list(item.output):
            # A list of {stdout, stderr, outcome}: models read it as it stands.
            content, was_text, failed = (Text(text_of(item.output)),), False, False
        else:
            content, was_text, failed = decode_output(item.output, f"{path}.output", self.notes)
        if kind == "tool_search_output":
            found = decode_tools(item.tools or (), f"{path}.tools", loaded=True)
            self.tools += found
            content = (*content, *(ToolReference(tool.name) for tool in found))
        elif kind == "apply_patch_call_output":
            failed = failed or item.status == "failed"
        self.add(
            "tool",
            ToolResult(
                call_id,
                content,
                failed,
                self._kinds.get(call_id, _OUTPUTS[kind]),
                item.name,
                was_text,
                item.id,
            ),
        )

    def search(self, item: Item, raw: Raw, path: str) -> None:
        """A web search that a server ran."""
        self.add("assistant", search_of(raw))

    def compacted(self, item: Item, raw: Raw, path: str) -> None:
        """A history that stands folded in a blob."""
        self.close()
        if not item.encrypted_content:
            raise invalid(f"{path}.encrypted_content", f"{path}.encrypted_content is missing; send the item as it came")
        self.messages.append(Message("user", (Compaction(item.encrypted_content, item.id),)))

    def trigger(self, item: Item, raw: Raw, path: str) -> None:
        """The client asks for compaction."""
        self.compaction = True

    def more_tools(self, item: Item, raw: Raw, path: str) -> None:
        """Declarations that stand in the input."""
        self.tools += decode_tools(item.tools or (), f"{path}.tools")


_OTHERS: dict[str, Callable[[_Reader, Item, Raw, str], None]] = {
    "message": _Reader.message,
    "reasoning": _Reader.reasoning,
    "agent_message": _Reader.agent_message,
    SEARCH_ITEM: _Reader.search,
    "compaction": _Reader.compacted,
    "compaction_summary": _Reader.compacted,
    "context_compaction": _Reader.compacted,
    "compaction_trigger": _Reader.trigger,
    "additional_tools": _Reader.more_tools,
}


def thoughts(raw: Raw, path: str, between: str) -> tuple[str, bool]:
    """The joined texts of reasoning parts, and whether there was any part."""
    if absent(raw):
        return "", False
    if is_string(raw):
        return read(raw, str, path), True
    parts = read(raw, list[_Thought], path)
    return between.join(part.text for part in parts), bool(parts)


def call_arguments(item: Item, kind: ToolKind, path: str) -> str:
    """A call's arguments as text, whatever field the item type keeps them in."""
    field = {"custom": "input", "local_shell": "action", "shell": "action", "apply_patch": "operation"}.get(
        kind, "arguments"
    )
    raw: Raw = getattr(item, field)
    if absent(raw):
        return "" if kind in ("function", "custom") else "{}"
    if is_string(raw):
        return read(raw, str, f"{path}.{field}")
    if kind == "local_shell" and is_object(raw):
        action = read(raw, dict[str, Raw], f"{path}.action")
        action.pop("type", None)
        raw = dump(action)
    return msgspec.json.format(bytes(raw), indent=-1).decode()


def decode_items(items: Sequence[Raw], path: str = "input") -> ItemsDecoded:
    """Items in order, as messages. Raises InvalidRequest for what no client may send."""
    reader = _Reader()
    for i, raw in enumerate(items):
        reader.item(raw, f"{path}[{i}]")
    reader.close()
    return ItemsDecoded(
        tuple(reader.messages), tuple(reader.tools), tuple(reader.notes), reader.compaction, reader.references
    )
