"""The Responses endpoint of Xiaomi MiMo: a documented subset, read strictly.

The page lists what is processed and warns that other fields can lead to errors, so whatever is not listed is an error
here. Thinking is shown as plain text and wanted back in tool loops. There is no `response.failed`: a broken answer
breaks, or an error object stands in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    integer,
    loose,
    mapping,
    matching,
    number,
    one_of,
    record,
    string,
    tagged,
    text,
)
from dragoman.simulator.responses_rules import ResponsesStyle
from dragoman.simulator.responses_turns import message_forms
from dragoman.simulator.vendor import ModelCard

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""All but the first mean the same: thinking is on."""

_NAME = "[A-Za-z0-9_-]{1,64}"
_STATUS = one_of("in_progress", "completed")
_MEDIA: dict[str, Rule] = {
    "input_image": record({"type": string, "image_url": text}, ("image_url",)),
    "input_audio": record({"type": string, "audio_url": text}, ("audio_url",)),
    "input_video": record(
        {
            "type": string,
            "video_url": text,
            "fps": number(0.1, 10),
            "media_resolution": one_of("default", "max"),
        },
        ("video_url",),
    ),
}
_TEXT = record({"type": string, "text": text}, ("text",))
_OUTPUT_TEXT = record(
    {"type": string, "text": text, "annotations": array(mapping), "logprobs": array(mapping)}, ("text",)
)
_PARTS = either(text, array(tagged({"input_text": _TEXT, **_MEDIA}), 1))
_TEXTS = either(text, array(tagged({"input_text": _TEXT}), 1))
_SAID = either(string, array(tagged({"input_text": _TEXT, "output_text": _OUTPUT_TEXT}), 1))
_OUTPUT = either(string, array(tagged({"input_text": _TEXT, **_MEDIA}), 1))


def _said(role_content: Rule) -> Rule:
    return record({"type": string, "role": string, "content": role_content}, ("role", "content"))


_MESSAGES: dict[str, Rule] = {
    "user": _said(_PARTS),
    "system": _said(_TEXTS),
    "developer": _said(_TEXTS),
    # The replay of an output message has its id and status; the loose form has neither.
    "assistant": message_forms(
        _said(_SAID),
        record(
            {"type": string, "role": string, "content": _SAID, "id": text, "status": _STATUS},
            ("type", "id", "status", "content"),
        ),
    ),
}

_FUNCTION = record(
    {
        "type": string,
        "name": matching(_NAME, "tool_name"),
        "description": string,
        "parameters": mapping,
        "strict": boolean,
    },
    ("name",),
)
_CUSTOM = record(
    {
        "type": string,
        "name": matching(_NAME, "tool_name"),
        "description": string,
        "format": tagged(
            {
                "text": record({"type": string}),
                "grammar": record(
                    {"type": string, "syntax": one_of("lark", "regex"), "definition": text},
                    ("syntax", "definition"),
                ),
            },
            "format_type",
        ),
    },
    ("name",),
)
_INNER = tagged({"function": _FUNCTION, "custom": _CUSTOM}, "tool_type")
_NAMESPACE = record(
    {"type": string, "name": matching(_NAME, "tool_name"), "description": string, "tools": array(_INNER, 1)},
    ("name", "tools"),
)
_TOOLS = array(tagged({"function": _FUNCTION, "custom": _CUSTOM, "namespace": _NAMESPACE}, "tool_type"), 1, 128)

_ITEMS: dict[str, Rule] = {
    "function_call": record(
        {
            "type": string,
            "call_id": text,
            "name": text,
            "arguments": string,
            "namespace": text,
            "id": text,
            "status": _STATUS,
        },
        ("call_id", "name", "arguments"),
    ),
    "function_call_output": record({"type": string, "call_id": text, "output": _OUTPUT}, ("call_id", "output")),
    "custom_tool_call": record(
        # The page names neither id nor status here, but the server's own items have them, and clients send those back.
        {
            "type": string,
            "call_id": text,
            "name": text,
            "input": string,
            "namespace": text,
            "id": text,
            "status": _STATUS,
        },
        ("call_id", "name", "input"),
    ),
    "custom_tool_call_output": record({"type": string, "call_id": text, "output": _OUTPUT}, ("call_id", "output")),
    "reasoning": record(
        {
            "type": string,
            "id": text,
            "content": array(tagged({"reasoning_text": record({"type": string, "text": string}, ("text",))}), 1),
        },
        ("id", "content"),
    ),
    "agent_message": loose(
        {
            "author": text,
            "recipient": text,
            "content": array(
                tagged(
                    {
                        "input_text": _TEXT,
                        # Sealed for others; here the text stands in it as it is.
                        "encrypted_content": record(
                            {"type": string, "encrypted_content": text}, ("encrypted_content",)
                        ),
                    }
                ),
                1,
            ),
        },
        ("author", "recipient", "content"),
    ),
    "additional_tools": record(
        {"type": string, "role": one_of("developer"), "tools": _TOOLS},
        ("role", "tools"),
    ),
}


def _fields(card: ModelCard) -> Mapping[str, Rule]:
    return {
        "model": string,
        "input": either(text, array(mapping, 1)),
        "instructions": string,
        "max_output_tokens": integer(1, card.max_output),
        "stream": boolean,
        "reasoning": record({"effort": one_of(*EFFORTS)}),
        "temperature": number(0.0, 1.5),
        "top_p": number(0.01, 1.0),
        "text": record({"format": record({"type": one_of("text", "json_object")}, ("type",))}),
        "tool_choice": one_of("auto"),
        "tools": _TOOLS,
    }


STYLE = ResponsesStyle(
    owner="xiaomi",
    fields=_fields,
    items=_ITEMS,
    messages=_MESSAGES,
    error=b'data: {"error":{"code":"500","message":"upstream exploded","param":"","type":""}}\n\n',
    # Two reasons are documented; where the other wires say that the answer repeated itself, this one has no word.
    words={
        "length": "max_output_tokens",
        "repetition": "max_output_tokens",
        "content_filter": "content_filter",
        "network_error": "break",
    },
    forced=(("temperature", 1.0), ("top_p", 0.95)),
    echo=(
        ("instructions", None),
        ("temperature", 1.0),
        ("top_p", 0.95),
        ("tool_choice", "auto"),
        ("tools", []),
        ("parallel_tool_calls", True),
        ("text", {"format": {"type": "text"}}),
    ),
)
"""Xiaomi's Responses."""
