"""OpenAI's Responses API, as the types of its own SDK describe it.

Thinking is a summary beside an encrypted blob; the blob comes back as it was sent or not at all. Ids of items begin
with the letters of their kind. Answers are kept unless `store` is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.simulator.ask import Rejected
from dragoman.simulator.fields import (
    Rule,
    anything,
    array,
    boolean,
    either,
    integer,
    mapping,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
)
from dragoman.simulator.responses_rules import ResponsesStyle
from dragoman.simulator.vendor import ModelCard
from dragoman.simulator.vendors.openai_items import ITEMS, MESSAGES
from dragoman.simulator.vendors.openai_tools import CHOICE, SEARCHES, TOOLS, json_schema

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How hard the model can be asked to think."""
_INCLUDE = (
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
)


def _strings(value: Any, path: str) -> None:
    mapping(value, path)
    for name, item in value.items():
        string(item, f"{path}.{name}")


def _unserved(what: str) -> Rule:
    """A documented field of which this simulator has nothing: refused aloud rather than taken and forgotten."""

    def rule(value: Any, path: str) -> None:
        if value:
            raise Rejected("not_simulated", path, f"{what} is not simulated", message=f"{what} is not simulated")

    return rule


def _fields(card: ModelCard) -> Mapping[str, Rule]:
    return {
        "model": string,
        "input": nullable(either(string, array(mapping))),
        "instructions": nullable(string),
        "tools": nullable(TOOLS),
        "tool_choice": nullable(CHOICE),
        "parallel_tool_calls": nullable(boolean),
        "max_tool_calls": nullable(integer(1, 1 << 31)),
        "max_output_tokens": nullable(integer(16, card.max_output)),
        "reasoning": nullable(
            record(
                {
                    "effort": nullable(one_of(*EFFORTS)),
                    "summary": nullable(one_of("auto", "concise", "detailed")),
                    "context": nullable(one_of("auto", "current_turn", "all_turns")),
                    "mode": one_of("standard", "pro"),
                }
            )
        ),
        "text": nullable(
            record(
                {
                    "format": tagged(
                        {
                            "text": record({"type": string}),
                            "json_object": record({"type": string}),
                            "json_schema": json_schema(),
                        },
                        "format_type",
                    ),
                    "verbosity": nullable(one_of("low", "medium", "high")),
                }
            )
        ),
        "include": nullable(array(one_of(*_INCLUDE))),
        "store": nullable(boolean),
        "previous_response_id": nullable(string),
        "stream": nullable(boolean),
        "stream_options": nullable(record({"include_obfuscation": boolean})),
        "temperature": nullable(number(0, 2)),
        "top_p": nullable(number(0, 1)),
        "top_logprobs": nullable(integer(0, 20)),
        "truncation": nullable(one_of("auto", "disabled")),
        "service_tier": nullable(one_of("auto", "default", "flex", "scale", "priority")),
        "metadata": nullable(_strings),
        "client_metadata": nullable(_strings),
        "access_programs": anything,
        "moderation": anything,
        "prompt_cache_key": nullable(string),
        "prompt_cache_options": nullable(mapping),
        "prompt_cache_retention": nullable(string),
        "safety_identifier": nullable(string),
        "user": nullable(string),
        "context_management": nullable(array(mapping)),
        "background": _unserved("background"),
        "conversation": _unserved("conversation"),
        "prompt": _unserved("prompt"),
    }


def fixed_sampling(body: dict[str, Any], thinks: bool) -> None:
    """Sampling cannot be set while the model reasons."""
    for name in ("temperature", "top_p"):
        if thinks and body.get(name) not in (None, 1):
            told = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Rejected("unsupported_parameter", name, told, message=told)


def _check(body: dict[str, Any]) -> None:
    fixed_sampling(body, (body.get("reasoning") or {}).get("effort") != "none")
    if body.get("input") is None and body.get("previous_response_id") is None:
        raise Rejected("field_missing", "input", "input: Field required")


STYLE = ResponsesStyle(
    owner="openai",
    fields=_fields,
    items=ITEMS,
    messages=MESSAGES,
    # The number only has to be higher than those before it; where the error falls is not known here.
    error=b"event: error\ndata: "
    b'{"type":"error","sequence_number":99999,"code":"server_error","message":"upstream exploded","param":null}\n\n',
    required=("model",),
    reasoning="sealed",
    searches=SEARCHES,
    alone=True,
    check=_check,
    keeps=True,
    stores=True,
    words={
        "length": "max_output_tokens",
        "content_filter": "content_filter",
        "refusal": "",
        "network_error": "break",
        "failed": "failed",
        "failed_rate": "failed",
        "failed_overflow": "failed",
        "failed_quota": "failed",
    },
    echo=(
        ("background", False),
        ("instructions", None),
        ("max_output_tokens", None),
        ("metadata", {}),
        ("parallel_tool_calls", True),
        ("previous_response_id", None),
        ("prompt_cache_key", None),
        ("reasoning", {"effort": "medium", "summary": None}),
        ("service_tier", "default"),
        ("store", True),
        ("temperature", 1.0),
        ("text", {"format": {"type": "text"}}),
        ("tool_choice", "auto"),
        ("tools", []),
        ("top_p", 1.0),
        ("truncation", "disabled"),
    ),
    logprobs=True,
    cache_writes=True,
)
"""OpenAI's Responses."""
