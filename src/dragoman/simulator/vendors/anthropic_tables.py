"""Anthropic's tables: the fields of a request, its tools, and the content blocks of each role."""

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
    loose,
    mapping,
    matching,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
    text,
)
from dragoman.simulator.messages_rules import client_tool, tool_choice
from dragoman.simulator.vendor import ModelCard

TOOL_NAME = "[a-zA-Z0-9_-]{1,128}"
ID = "[a-zA-Z0-9_-]+"

_CACHE = {"cache_control": nullable(record({"type": one_of("ephemeral"), "ttl": one_of("5m", "1h")}, ("type",)))}


def _said(value: Any, path: str) -> None:
    """Text with something to see in it."""
    string(value, path)
    if not value:
        raise Rejected("text_not_set", path, "text content blocks must be non-empty")
    if not value.strip():
        raise Rejected("text_blank", path, "text content blocks must contain non-whitespace text")


_CITATION = tagged(
    {
        "web_search_result_location": record(
            {
                "type": string,
                "url": string,
                "title": nullable(string),
                "cited_text": string,
                "encrypted_index": string,
            },
            ("url", "cited_text", "encrypted_index"),
        ),
        **dict.fromkeys(
            ("char_location", "page_location", "content_block_location", "search_result_location"), loose({})
        ),
    },
    "citation_type",
)
_TEXT = record({"type": string, "text": _said, "citations": nullable(array(_CITATION)), **_CACHE}, ("text",))
_IMAGE = record(
    {
        "type": string,
        "source": tagged(
            {
                "base64": record(
                    {
                        "type": string,
                        "media_type": one_of("image/jpeg", "image/png", "image/gif", "image/webp"),
                        "data": text,
                    },
                    ("media_type", "data"),
                ),
                "url": record({"type": string, "url": text}, ("url",)),
                "file": record({"type": string, "file_id": text}, ("file_id",)),
            },
            "source_type",
        ),
        **_CACHE,
    },
    ("source",),
)
_DOCUMENT = record(
    {
        "type": string,
        "source": tagged(
            {
                "base64": record(
                    {"type": string, "media_type": one_of("application/pdf"), "data": text}, ("media_type", "data")
                ),
                "text": record(
                    {"type": string, "media_type": one_of("text/plain"), "data": text}, ("media_type", "data")
                ),
                "content": record({"type": string, "content": anything}, ("content",)),
                "url": record({"type": string, "url": text}, ("url",)),
                "file": record({"type": string, "file_id": text}, ("file_id",)),
            },
            "source_type",
        ),
        "title": nullable(string),
        "context": nullable(string),
        "citations": nullable(record({"enabled": boolean})),
        **_CACHE,
    },
    ("source",),
)
_FOUND = record(
    {
        "type": string,
        "source": string,
        "title": string,
        "content": array(_TEXT, 1),
        "citations": record({"enabled": boolean}),
        **_CACHE,
    },
    ("source", "title", "content"),
)
_REFERENCE = record({"type": string, "tool_name": text, **_CACHE}, ("tool_name",))
_USE_ID = matching(ID, "tool_id")
_RESULT = record(
    {
        "type": string,
        "tool_use_id": _USE_ID,
        "content": either(
            string,
            array(
                tagged(
                    {
                        "text": _TEXT,
                        "image": _IMAGE,
                        "document": _DOCUMENT,
                        "search_result": _FOUND,
                        "tool_reference": _REFERENCE,
                    }
                )
            ),
        ),
        "is_error": boolean,
        **_CACHE,
    },
    ("tool_use_id",),
)
_USE = record(
    {
        "type": string,
        "id": _USE_ID,
        "name": matching("[a-zA-Z0-9_-]{1,200}", "tool_name"),
        "input": mapping,
        "caller": mapping,
        **_CACHE,
    },
    ("id", "name", "input"),
)
# A cache mark is refused on thinking, so it is not in these two tables.
_THINKING = record({"type": string, "thinking": string, "signature": string}, ("thinking", "signature"))
_REDACTED = record({"type": string, "data": text}, ("data",))
_SERVER_USE = record(
    {
        "type": string,
        "id": matching("srvtoolu_[a-zA-Z0-9_]+", "tool_id"),
        "name": text,
        "input": mapping,
        "caller": mapping,
        **_CACHE,
    },
    ("id", "name", "input"),
)
_PAGE = record(
    {
        "type": one_of("web_search_result"),
        "url": string,
        "title": string,
        "encrypted_content": string,
        "page_age": nullable(string),
    },
    ("type", "url", "title", "encrypted_content"),
)


def _pages(value: Any, path: str) -> None:
    """Pages, or why there are none."""
    if isinstance(value, list):
        array(_PAGE)(value, path)
    else:
        record({"type": one_of("web_search_tool_result_error"), "error_code": string}, ("type", "error_code"))(
            value, path
        )


_SEARCHED = record(
    {"type": string, "tool_use_id": text, "content": _pages, "caller": mapping, **_CACHE}, ("tool_use_id", "content")
)

BLOCKS: dict[str, dict[str, Rule]] = {
    "system": {"text": _TEXT},
    "user": {
        "text": _TEXT,
        "image": _IMAGE,
        "document": _DOCUMENT,
        "search_result": _FOUND,
        "tool_result": _RESULT,
    },
    "assistant": {
        "text": _TEXT,
        "thinking": _THINKING,
        "redacted_thinking": _REDACTED,
        "tool_use": _USE,
        "server_tool_use": _SERVER_USE,
        "web_search_tool_result": _SEARCHED,
        "web_fetch_tool_result": loose({"tool_use_id": text, "content": anything}, ("tool_use_id", "content")),
        "code_execution_tool_result": loose({"tool_use_id": text, "content": anything}, ("tool_use_id", "content")),
        "tool_search_tool_result": loose({"tool_use_id": text, "content": anything}, ("tool_use_id", "content")),
    },
}
"""The content blocks of each role."""

_CLIENT = client_tool(
    TOOL_NAME,
    strict=boolean,
    defer_loading=boolean,
    allowed_callers=array(string),
    input_examples=array(mapping),
    eager_input_streaming=nullable(boolean),
    **_CACHE,
)
_SEARCH = record(
    {
        "type": string,
        "name": one_of("web_search"),
        "max_uses": nullable(integer(1, 1 << 31)),
        "allowed_domains": nullable(array(string)),
        "blocked_domains": nullable(array(string)),
        "user_location": nullable(
            record(
                {
                    "type": one_of("approximate"),
                    "city": nullable(string),
                    "region": nullable(string),
                    "country": nullable(string),
                    "timezone": nullable(string),
                },
                ("type",),
            )
        ),
        "allowed_callers": array(string),
        "defer_loading": boolean,
        "strict": boolean,
        **_CACHE,
    },
    ("type", "name"),
)
_SERVER = loose({"name": text}, ("name",))
_SERVERS = ("web_fetch_", "code_execution_", "bash_", "text_editor_", "memory_", "tool_search_tool_", "computer_")
_SEARCHES = ("web_search_20250305", "web_search_20260209", "web_search_20260318")


def is_search(tool: Mapping[str, Any]) -> bool:
    """Whether a tool is the server's web search."""
    return tool.get("type") in _SEARCHES


def _tool(value: Any, path: str) -> None:
    mapping(value, path)
    kind = value.get("type")
    if kind is None or kind == "custom":
        _CLIENT({k: v for k, v in value.items() if k != "type"}, path)
    elif is_search(value):
        _SEARCH(value, path)
    elif isinstance(kind, str) and kind.startswith(_SERVERS):
        _SERVER(value, path)
    else:
        raise Rejected("tool_type", path, f"Input tag {kind!r} found using 'type' does not match any of the known tags")


_THINKING_CONFIG = tagged(
    {
        "enabled": record(
            {
                "type": string,
                "budget_tokens": integer(1024, 1 << 31),
                "display": nullable(one_of("summarized", "omitted")),
            },
            ("budget_tokens",),
        ),
        "adaptive": record({"type": string, "display": nullable(one_of("summarized", "omitted"))}),
        "disabled": record({"type": string}),
    },
    "thinking_type",
)
OUTPUT = record(
    {
        "effort": nullable(one_of("low", "medium", "high", "xhigh", "max")),
        "format": nullable(record({"type": one_of("json_schema"), "schema": mapping}, ("type", "schema"))),
    }
)


def fields(card: ModelCard) -> dict[str, Rule]:
    """The fields of a request."""
    return {
        "model": string,
        "messages": array(mapping, 1),
        "max_tokens": integer(1, card.max_output),
        "system": either(string, array(tagged({"text": _TEXT}))),
        "stop_sequences": array(_said),
        "stream": boolean,
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": integer(0, 1 << 31),
        "thinking": _THINKING_CONFIG,
        "output_config": nullable(OUTPUT),
        "tools": array(_tool),
        "tool_choice": tool_choice("auto", "any", "tool", "none"),
        "metadata": record({"user_id": nullable(string)}),
        "service_tier": one_of("auto", "standard_only"),
        "container": anything,
        "inference_geo": nullable(string),
        "context_management": nullable(mapping),
        "mcp_servers": array(mapping),
        "diagnostics": nullable(mapping),
        "speed": nullable(string),
        **_CACHE,
    }
