"""The values of a Responses answer: output items, usage, error and the response object itself, as bytes.

Shared by the streaming encoder, the whole form and the native lane, so that all of them say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.citations import read_citation
from dragoman.core.events import Failed, Incomplete, Terminal
from dragoman.core.messages import Reasoning, Text, ToolCall
from dragoman.core.notes import Note
from dragoman.core.usage import Usage
from dragoman.wire.responses.errors import stream_error
from dragoman.wire.responses.fields import flat
from dragoman.wire.responses.view import View

encode = msgspec.json.Encoder().encode

PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
    "local_shell_call": "lsh_",
    "shell_call": "sh_",
    "apply_patch_call": "apc_",
    "tool_search_call": "ts_",
    "compaction": "cmp_",
    "web_search_call": "ws_",
}
"""What the ids of each item type begin with."""


class ShellAction(msgspec.Struct, omit_defaults=True):
    """What a local shell call runs."""

    command: list[str]
    env: dict[str, str] | None = None
    working_directory: str | None = None
    timeout_ms: int | None = None
    user: str | None = None


class ShellCommands(msgspec.Struct, omit_defaults=True):
    """What a shell call runs."""

    commands: list[str]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class PatchOperation(msgspec.Struct, omit_defaults=True):
    """One file operation of an apply-patch call."""

    type: str
    path: str
    diff: str | None = None


def structured(call: ToolCall) -> dict[str, Any] | None:
    """The item fields of a built-in call, or None where its arguments do not have the form of its kind."""
    text = call.arguments or "{}"
    try:
        match call.kind:
            case "local_shell":
                action = msgspec.json.decode(text, type=ShellAction)
                body = msgspec.to_builtins(action)
                return {"action": {"type": "exec", **body, "env": action.env or {}}}
            case "shell":
                return {"action": msgspec.to_builtins(msgspec.json.decode(text, type=ShellCommands))}
            case "apply_patch":
                operation = msgspec.json.decode(text, type=PatchOperation)
                known = operation.type == "delete_file" or (
                    operation.type in ("create_file", "update_file") and operation.diff is not None
                )
                return {"operation": msgspec.to_builtins(operation)} if known else None
            case "tool_search":
                return {"execution": "client", "arguments": msgspec.json.decode(text, type=dict[str, Any])}
    except (msgspec.DecodeError, RecursionError):
        return None
    return None


BUILT_IN_ITEMS = {
    "local_shell": "local_shell_call",
    "shell": "shell_call",
    "apply_patch": "apply_patch_call",
    "tool_search": "tool_search_call",
}
"""Call kind -> the item type that it has when its arguments are in form."""


def built_in_item(call: ToolCall, item_id: str, fields: dict[str, Any], status: str) -> dict[str, Any]:
    """A built-in call as an item. fields: what `structured` gave."""
    return {"id": item_id, "type": BUILT_IN_ITEMS[call.kind], "status": status, "call_id": call.id, **fields}


def call_item(call: ToolCall, item_id: str, status: str) -> dict[str, Any]:
    """A function or custom call as an item."""
    custom = call.kind == "custom"
    item: dict[str, Any] = {
        "id": item_id,
        "type": "custom_tool_call" if custom else "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "input" if custom else "arguments": call.arguments,
    }
    if call.namespace is not None:
        item["namespace"] = call.namespace
    return item


def text_part(text: str, annotations: Sequence[Raw], refusal: bool) -> dict[str, Any]:
    """The one content part of a message item."""
    if refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def message_item(block: Text, item_id: str, annotations: Sequence[Raw], status: str) -> dict[str, Any]:
    """A visible text as an item."""
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [text_part(block.text, annotations, block.refusal)],
    }


def reasoning_item(block: Reasoning, item_id: str, summary: bool, status: str) -> dict[str, Any]:
    """Thinking as an item. summary: the text is shown as a summary part, else as reasoning text."""
    item: dict[str, Any] = {"id": item_id, "type": "reasoning", "status": status, "summary": []}
    if block.text and summary:
        item["summary"] = [{"type": "summary_text", "text": block.text}]
    elif block.text:
        item["content"] = [{"type": "reasoning_text", "text": block.text}]
    sealed = block.seal or _encrypted(block)
    if sealed:
        item["encrypted_content"] = sealed
    return item


class _Encrypted(msgspec.Struct):
    encrypted_content: str | None = None


def _encrypted(block: Reasoning) -> str | None:
    """A Responses vendor's own encryption, where nothing sealed it again."""
    if block.state is None or block.state.wire != "responses":
        return None
    try:
        return msgspec.json.decode(block.state.data, type=_Encrypted).encrypted_content
    except msgspec.DecodeError:
        return None


class _Citation(msgspec.Struct, forbid_unknown_fields=True):
    """A citation in the protocol's own form, to the last field."""

    type: str
    start_index: int
    end_index: int
    title: str
    url: str


def annotation(raw: Raw, length: int = 0) -> Raw:
    """A citation in the form of this protocol: flat, with its indexes. Other forms than citations stay as they are.

    length: of the text; all of it is cited by a citation that names no place.
    """
    found = read_citation(raw)
    if found is None or _is_own(raw):
        return raw
    start, end = (found.start, found.end) if found.start is not None and found.end is not None else (0, length)
    body = {"type": "url_citation", "start_index": start, "end_index": end, "title": found.title, "url": found.url}
    return Raw(encode(body))


def _is_own(raw: Raw) -> bool:
    try:
        msgspec.json.decode(raw, type=_Citation)
    except msgspec.DecodeError:
        return False
    return True


def usage_object(usage: Usage | None) -> dict[str, Any] | None:
    """Usage as clients of this protocol parse it: every detail is an integer there, so an unknown detail is 0.

    Where input or output is unknown there is no usage at all.
    """
    if usage is None or not usage.known:
        return None
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read or 0,
            "cache_write_tokens": usage.cache_write or 0,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.total,
    }


def incomplete_reason(end: Incomplete) -> str:
    """The protocol's word for an early end."""
    return "content_filter" if end.reason == "content_filter" else "max_output_tokens"


def with_notes(metadata: Raw | None, notes: Sequence[Note]) -> bytes:
    """The client's metadata, with what was noted while the stream ran as one string beside it."""
    if not notes:
        return flat(bytes(metadata)) if metadata is not None else b"{}"
    body: dict[str, Any] = dict(msgspec.json.decode(metadata, type=dict[str, Raw])) if metadata is not None else {}
    body["dragoman_notes"] = encode([{"code": n.code, "field": n.field} for n in notes]).decode()
    return flat(encode(body))


class ResponseObject:
    """The response object of one stream at any moment. The echo fields are put together once."""

    __slots__ = ("_head", "_tail", "_view")

    def __init__(self, view: View, id: str, created: int) -> None:
        self._view = view
        self._head = b'{"id":%b,"object":"response","created_at":%d,"model":%b,"status":' % (
            encode(id),
            created,
            encode(view.model),
        )
        self._tail = view.echoed()

    def running(self, status: str = "in_progress") -> bytes:
        """The object while nothing is done yet."""
        return (
            b'%b"%b","completed_at":null,"error":null,"incomplete_details":null,"output":[],"usage":null,'
            b'"metadata":%b,%b}'
        ) % (self._head, status.encode(), with_notes(self._view.metadata, ()), self._tail)

    def ended(self, end: Terminal, output: Sequence[Raw], notes: Sequence[Note], completed: int) -> bytes:
        """The object at the end. completed: seconds since 1970; shown only where the answer is whole."""
        error: Any = None
        details: Any = None
        status = b"completed"
        if isinstance(end, Failed):
            status, error = b"failed", stream_error(end.error)
        elif isinstance(end, Incomplete):
            status, details = b"incomplete", {"reason": incomplete_reason(end)}
        at = b"%d" % completed if status == b"completed" else b"null"
        return (
            b'%b"%b","completed_at":%b,"error":%b,"incomplete_details":%b,"output":[%b],"usage":%b,"metadata":%b,%b}'
        ) % (
            self._head,
            status,
            at,
            encode(error),
            encode(details),
            b",".join([bytes(item) for item in output]),
            encode(usage_object(end.usage)),
            with_notes(self._view.metadata, notes),
            self._tail,
        )
