"""OpenAI's input items: messages, thinking, calls and their outputs, with ids that begin as their kind demands."""

from __future__ import annotations

from typing import Any

from dragoman.simulator.ask import Rejected
from dragoman.simulator.fields import (
    Rule,
    anything,
    array,
    boolean,
    either,
    integer,
    loose,
    mapping,
    matching,
    nullable,
    one_of,
    record,
    string,
    tagged,
    text,
)
from dragoman.simulator.vendors.openai_tools import NAME, TOOLS

_STATUS = nullable(one_of("in_progress", "completed", "incomplete"))


def _begins(prefix: str) -> Rule:
    """An item's id."""

    def rule(value: Any, path: str) -> None:
        string(value, path)
        if not value.startswith(f"{prefix}_"):
            told = f"Invalid '{path}': '{value[:64]}'. Expected an ID that begins with '{prefix}'."
            raise Rejected("item_id", path, told, message=told)

    return nullable(rule)


def _call_id(value: Any, path: str) -> None:
    string(value, path)
    if not 1 <= len(value) <= 64:
        told = f"Invalid '{path}': expected a string of 1 to 64 characters, but got one of {len(value)}."
        raise Rejected("call_id_length", path, told, message=told)


_CACHE = {"prompt_cache_breakpoint": mapping}
_TEXT = record({"type": string, "text": string, **_CACHE}, ("text",))


def _one_source(inner: Rule, *names: str) -> Rule:
    """A part that comes from one of these fields."""

    def rule(value: Any, path: str) -> None:
        inner(value, path)
        if not any(value.get(name) for name in names):
            raise Rejected("field_missing", f"{path}.{names[0]}", f"{path}.{names[0]}: Field required")

    return rule


_IMAGE = _one_source(
    record(
        {
            "type": string,
            "image_url": nullable(text),
            "file_id": nullable(text),
            "detail": one_of("low", "high", "auto", "original"),
            **_CACHE,
        }
    ),
    "image_url",
    "file_id",
)
_FILE = _one_source(
    record(
        {
            "type": string,
            "file_data": text,
            "file_url": text,
            "file_id": nullable(text),
            "filename": string,
            "detail": one_of("auto", "low", "high"),
            **_CACHE,
        }
    ),
    "file_data",
    "file_url",
    "file_id",
)
_PARTS = either(string, array(tagged({"input_text": _TEXT, "input_image": _IMAGE, "input_file": _FILE})))
_OUTPUT_TEXT = record(
    {"type": string, "text": string, "annotations": array(mapping), "logprobs": array(mapping)}, ("text",)
)
_REFUSAL = record({"type": string, "refusal": string}, ("refusal",))
_ANSWER = either(string, array(tagged({"output_text": _OUTPUT_TEXT, "refusal": _REFUSAL})))


def _message(content: Rule) -> Rule:
    table = {
        "type": string,
        "role": string,
        "content": content,
        "id": _begins("msg"),
        "status": _STATUS,
        "phase": nullable(one_of("commentary", "final_answer")),
    }
    return record(table, ("role", "content"))


MESSAGES = {
    "user": _message(_PARTS),
    "system": _message(_PARTS),
    "developer": _message(_PARTS),
    "assistant": _message(_ANSWER),
}


def _call(prefix: str, payload: str) -> Rule:
    table = {
        "type": string,
        "call_id": _call_id,
        "name": matching(NAME, "tool_name"),
        payload: string,
        "id": _begins(prefix),
        "namespace": nullable(text),
        "status": _STATUS,
        "caller": mapping,
        "async": boolean,
    }
    return record(table, ("call_id", "name", payload))


_RESULT = record(
    {
        "type": string,
        "call_id": _call_id,
        "output": _PARTS,
        "id": nullable(text),
        "name": nullable(string),
        "namespace": nullable(string),
        "status": _STATUS,
        "caller": mapping,
    },
    ("call_id", "output"),
)
_ACTION = record(
    {
        "type": one_of("exec"),
        "command": array(string, 1),
        "env": mapping,
        "timeout_ms": nullable(integer(0, 1 << 31)),
        "working_directory": nullable(string),
        "user": nullable(string),
    },
    ("type", "command"),
)
_REASONING = record(
    {
        "type": string,
        "id": _begins("rs"),
        "summary": array(tagged({"summary_text": record({"type": string, "text": string}, ("text",))})),
        "content": nullable(array(tagged({"reasoning_text": record({"type": string, "text": string}, ("text",))}))),
        "encrypted_content": nullable(string),
        "status": _STATUS,
    },
    ("summary",),
)


def _no_blob(value: Any, path: str) -> None:
    """A folded history: this server folds none, so it cannot have made the blob."""
    loose({"encrypted_content": string}, ("encrypted_content",))(value, path)
    told = f"The encrypted content {value['encrypted_content'][:8]}... could not be verified."
    raise Rejected("invalid_encrypted_content", f"{path}.encrypted_content", told)


ITEMS: dict[str, Rule] = {
    "function_call": _call("fc", "arguments"),
    "function_call_output": _RESULT,
    "custom_tool_call": _call("ctc", "input"),
    "custom_tool_call_output": _RESULT,
    "local_shell_call": record(
        {"type": string, "id": _begins("lsh"), "call_id": _call_id, "action": _ACTION, "status": _STATUS},
        ("call_id", "action"),
    ),
    "local_shell_call_output": record(
        {"type": string, "id": text, "call_id": _call_id, "output": string, "status": _STATUS}, ("output",)
    ),
    "reasoning": _REASONING,
    "web_search_call": record(
        {
            "type": string,
            "id": _begins("ws"),
            "status": one_of("in_progress", "searching", "completed", "failed", "incomplete"),
            "action": mapping,
            "results": anything,
        },
        ("status",),
    ),
    "agent_message": loose({"author": text, "content": array(mapping, 1)}, ("author", "content")),
    "additional_tools": record(
        {"type": string, "role": one_of("developer"), "tools": TOOLS, "id": nullable(text)}, ("role", "tools")
    ),
    "compaction": _no_blob,
    "item_reference": record({"type": string, "id": text}, ("id",)),
    **dict.fromkeys(
        (
            "tool_search_call",
            "tool_search_output",
            "shell_call",
            "shell_call_output",
            "apply_patch_call",
            "apply_patch_call_output",
            "file_search_call",
            "code_interpreter_call",
            "image_generation_call",
            "computer_call",
            "computer_call_output",
            "mcp_list_tools",
            "mcp_call",
            "mcp_approval_request",
            "mcp_approval_response",
        ),
        loose({}),
    ),
}
