"""What really becomes of each thing that a client may send: one probe at a time, planned for several targets.

`PROBES` holds values for every row of the table in `dragoman.providers.fates`; `observe` plans a request with and
without the probe and says what happened to it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec

from dragoman.catalog import load
from dragoman.core.search import SearchMode
from dragoman.errors import InvalidRequest
from dragoman.gateway.wires import wire as package
from dragoman.providers.plan import Plan, plan
from dragoman.providers.target import Target

CATALOGUE = load()
TARGETS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "responses": (
        ("xiaomi", "mimo-v2.6-pro", "chat"),
        ("minimax", "MiniMax-M2.7", "chat"),
        ("deepseek", "deepseek-v4-pro", "chat"),
        ("xiaomi", "mimo-v2.5-pro", "chat"),
        ("openai", "gpt-6-sol", "responses"),
        ("anthropic", "claude-sonnet-5-5", "messages"),
    ),
    "chat": (
        ("xiaomi", "mimo-v2.6-pro", "chat"),
        ("minimax", "MiniMax-M2.7", "chat"),
        ("deepseek", "deepseek-v4-pro", "chat"),
        ("xiaomi", "mimo-v2.5-pro", "chat"),
        ("openai", "gpt-6-sol", "chat"),
        ("openrouter", "any/model", "chat"),
        ("anthropic", "claude-sonnet-5-5", "messages"),
    ),
    "messages": (
        ("xiaomi", "mimo-v2.6-pro", "messages"),
        ("minimax", "MiniMax-M2.7", "messages"),
        ("xiaomi", "mimo-v2.6-pro", "chat"),
        ("xiaomi", "mimo-v2.5-pro", "chat"),
        ("deepseek", "deepseek-v4-pro", "chat"),
        ("openai", "gpt-6-sol", "responses"),
        ("anthropic", "claude-sonnet-5-5", "messages"),
    ),
}
TOOL_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
BASES: dict[str, dict[str, Any]] = {
    "responses": {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "name": "f", "parameters": TOOL_SCHEMA}],
    },
    "chat": {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": TOOL_SCHEMA}}],
    },
    "messages": {
        "model": "m",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": TOOL_SCHEMA}],
    },
}


@cache
def target(provider: str, model: str, upstream: str) -> Target:
    """A target with a key, off the native lane."""
    row = CATALOGUE.provider(provider)
    assert row is not None
    found = CATALOGUE.model(provider, model)
    fitted = msgspec.structs.replace(row, profile=CATALOGUE.profile_for(row, found))
    return Target(fitted, found.facts, key="sk-test-1234567890", wire=upstream, native=False)  # type: ignore[arg-type]


def planned(wire: str, body: dict[str, Any], aim: Target, search: SearchMode = "off") -> tuple[Plan, set[str]]:
    """The plan for a body, and the codes of all notes on it. search: who runs a declared web search."""
    request, view = package(wire).decode_request(json.dumps(body).encode())  # type: ignore[arg-type]
    made = plan(request, aim, search=search)
    return made, {note.code for note in (*view.notes, *made.notes)}


_NOT_OF_THE_PROBE = frozenset({"thinking_forced", "thinking_placeholder"})
"""Notes about reasoning that a probe of something else does not have."""


def observe(
    wire: str,
    base: dict[str, Any],
    probed: dict[str, Any],
    probe: Any,
    name: str,
    aim: Target,
    search: SearchMode = "off",
) -> str:
    """What became of the probe at one target, in the words of the table."""
    before, told_before = planned(wire, base, aim, search)
    try:
        after, told = planned(wire, probed, aim, search)
    except InvalidRequest:
        return "refused"
    one, two = json.loads(before.body), json.loads(after.body)
    fresh = told - told_before
    if "param_clamped" in fresh:
        return "clamped"
    if one == two:
        return "dropped" if fresh - _NOT_OF_THE_PROBE else "answered"
    if fresh - _NOT_OF_THE_PROBE:
        return "degraded"
    return "native" if _holds(two, probe, name) else "mapped"


def _holds(body: Any, probe: Any, name: str) -> bool:
    """Whether the probe stands in the body as it was sent."""
    if isinstance(body, dict):
        if name in body and body[name] == probe:
            return True
        if isinstance(probe, dict) and probe and probe.items() <= body.items():
            return True
        return any(_holds(value, probe, name) for value in body.values())
    return isinstance(body, list) and any(_holds(value, probe, name) for value in body)


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WORDS = "data:text/plain;base64,d29yZHM="
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
_FORM = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
_FUNCTION = {"type": "function", "name": "g", "parameters": TOOL_SCHEMA}
_CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
_OUT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
_MANY = list("abcdefgh")

FIELDS: dict[str, dict[str, list[Any]]] = {
    "responses": {
        "input": ["hello there", 7],
        "model": ["other"],
        "instructions": ["Be brief."],
        "max_output_tokens": [100, 10_000_000],
        "temperature": [0.5, 2],
        "top_p": [0.5, 0.001],
        "reasoning": [{"effort": "high"}, {"effort": "none"}, {"effort": "minimal"}, {"summary": "auto"}],
        "text": [{"verbosity": "low"}, {"format": {"type": "json_object"}}, {"format": _FORM}],
        "tools": [[{**_FUNCTION, "name": "h"}]],
        "tool_choice": [
            "auto",
            "none",
            "required",
            {"type": "function", "name": "f"},
            {"type": "function", "name": "z"},
        ],
        "parallel_tool_calls": [False],
        "stream": [True],
        "stream_options": [{"include_obfuscation": False}],
        "store": [True, False],
        "previous_response_id": ["resp_1"],
        "conversation": ["conv_1"],
        "prompt": [{"id": "pmpt_1"}],
        "background": [True],
        "metadata": [{"a": "b"}],
        "include": [["reasoning.encrypted_content"]],
        "user": ["u"],
        "safety_identifier": ["u"],
        "service_tier": ["priority"],
        "prompt_cache_key": ["k"],
        "prompt_cache_retention": ["24h"],
        "prompt_cache_options": [{"x": 1}],
        "truncation": ["auto"],
        "max_tool_calls": [3],
        "top_logprobs": [3],
        "context_management": [[{"type": "compaction", "compact_threshold": 1000}]],
        "moderation": [{"x": 1}],
        "client_metadata": [{"a": "b"}],
        "access_programs": [["x"]],
        "image": [{"x": 1}],
        "*": [1],
    },
    "chat": {
        "messages": [[{"role": "user", "content": "hello"}], 7],
        "model": ["other"],
        "max_completion_tokens": [100, 10_000_000],
        "max_tokens": [100, 10_000_000],
        "temperature": [0.5, 2],
        "top_p": [0.5, 0.001],
        "stop": ["x", ["a", "b"], _MANY],
        "reasoning_effort": ["high", "none", "minimal"],
        "reasoning": [{"effort": "high"}, {"enabled": False}, {"max_tokens": 2000}],
        "thinking": [{"type": "enabled"}, {"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}],
        "enable_thinking": [True, False],
        "thinking_budget": [1000],
        "response_format": [
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        ],
        "tools": [[{"type": "function", "function": {"name": "h", "parameters": TOOL_SCHEMA}}]],
        "tool_choice": [
            "auto",
            "none",
            "required",
            {"type": "function", "function": {"name": "f"}},
            {"type": "function", "function": {"name": "z"}},
        ],
        "parallel_tool_calls": [False],
        "stream": [True],
        "stream_options": [{"include_usage": True}],
        "n": [1, 2],
        "user": ["u"],
        "safety_identifier": ["u"],
        "metadata": [{"a": "b"}],
        "store": [True],
        "service_tier": ["priority"],
        "prompt_cache_key": ["k"],
        "prompt_cache_retention": ["24h"],
        "prompt_cache_options": [{"x": 1}],
        "frequency_penalty": [1],
        "presence_penalty": [1],
        "repetition_penalty": [1.1],
        "logit_bias": [{"1": 2}],
        "seed": [3],
        "top_k": [5],
        "min_p": [0.1],
        "verbosity": ["low"],
        "prediction": [{"type": "content", "content": "x"}],
        "moderation": [{"x": 1}],
        "web_search_options": [{"search_context_size": "low"}],
        "logprobs": [True],
        "top_logprobs": [3],
        "audio": [{"voice": "x", "format": "wav"}],
        "modalities": [["text"], ["text", "audio"]],
        "cache_prompt": [True],
        "functions": [[{"name": "f"}]],
        "function_call": ["auto"],
        "*": [1],
    },
    "messages": {
        "messages": [[{"role": "user", "content": "hello"}], 7],
        "model": ["other"],
        "max_tokens": [100, 10_000_000],
        "system": ["Be brief."],
        "temperature": [0.5, 2],
        "top_p": [0.5, 0.001],
        "top_k": [5],
        "stop_sequences": [["x"], _MANY],
        "thinking": [{"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}, {"type": "adaptive"}],
        "output_config": [
            {"effort": "high"},
            {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            {"z": 1},
        ],
        "output_format": [{"type": "json_schema", "schema": {"type": "object"}}],
        "tools": [[{"name": "h", "input_schema": TOOL_SCHEMA}]],
        "tool_choice": [
            {"type": "auto"},
            {"type": "none"},
            {"type": "any"},
            {"type": "tool", "name": "f"},
            {"type": "tool", "name": "z"},
        ],
        "stream": [True],
        "metadata": [{"user_id": "u"}],
        "service_tier": ["standard_only"],
        "cache_control": [{"type": "ephemeral"}],
        "container": ["c"],
        "context_management": [{"edits": []}],
        "mcp_servers": [[{"type": "url", "url": "https://x", "name": "x"}]],
        "betas": [["x"]],
        "inference_geo": ["us"],
        "diagnostics": [{"x": 1}],
        "fallbacks": [[{"model": "x"}]],
        "speed": ["fast"],
        "user_profile_id": ["u"],
        "workspace_id": ["w"],
        "*": [1],
    },
}


def _hosted(kind: str, **more: Any) -> list[Any]:
    return [{"type": kind, "id": f"{kind}_1", "status": "completed", **more}]


ITEMS: dict[str, list[list[Any]]] = {
    "message": [
        [{"type": "message", "role": "user", "content": "x"}],
        [{"type": "message", "role": "developer", "content": "x"}],
        [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "x", "annotations": []}],
            }
        ],
    ],
    "reasoning": [
        [
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            _CALL,
            _OUT,
        ],
        [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}, _CALL, _OUT],
    ],
    "function_call": [[_CALL, _OUT]],
    "function_call_output": [[_CALL, _OUT], [_OUT]],
    "custom_tool_call": [
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "raw"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
        ]
    ],
    "local_shell_call": [
        [
            {
                "type": "local_shell_call",
                "id": "ls",
                "call_id": "c1",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}},
            },
            {"type": "local_shell_call_output", "call_id": "c1", "output": "ok"},
        ]
    ],
    "shell_call": [
        [
            {"type": "shell_call", "call_id": "c1", "action": {"commands": ["ls"]}, "status": "completed"},
            {
                "type": "shell_call_output",
                "call_id": "c1",
                "output": [{"stdout": "x", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
            },
        ]
    ],
    "apply_patch_call": [
        [
            {
                "type": "apply_patch_call",
                "call_id": "c1",
                "operation": {"type": "delete_file", "path": "a"},
                "status": "completed",
            },
            {"type": "apply_patch_call_output", "call_id": "c1", "status": "completed", "output": "ok"},
        ]
    ],
    "tool_search_call": [
        [
            {
                "type": "tool_search_call",
                "call_id": "c1",
                "execution": "client",
                "arguments": {"q": "x"},
                "status": "completed",
            },
            {"type": "tool_search_output", "call_id": "c1", "execution": "client", "tools": [_FUNCTION]},
        ]
    ],
    "additional_tools": [[{"type": "additional_tools", "role": "developer", "tools": [_FUNCTION]}]],
    "agent_message": [[{"type": "agent_message", "author": "a", "recipient": "b", "content": "x"}]],
    "web_search_call": [
        _hosted("web_search_call", action={"type": "search", "query": "x"}),
        _hosted("web_search_call", action={"type": "search", "query": "x"}, results=[{"url": "u", "title": "t"}]),
    ],
    "file_search_call": [_hosted("file_search_call", queries=["x"], results=None)],
    "computer_call": [
        [
            *_hosted("computer_call", call_id="c1", action={"type": "screenshot"}, pending_safety_checks=[]),
            {
                "type": "computer_call_output",
                "call_id": "c1",
                "output": {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{PNG}"},
            },
        ]
    ],
    "image_generation_call": [_hosted("image_generation_call", result=PNG)],
    "code_interpreter_call": [_hosted("code_interpreter_call", container_id="c", code="1", outputs=[])],
    "mcp_list_tools": [_hosted("mcp_list_tools", server_label="s", tools=[])],
    "mcp_approval_request": [_hosted("mcp_approval_request", server_label="s", name="n", arguments="{}")],
    "mcp_approval_response": [[{"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}]],
    "mcp_call": [_hosted("mcp_call", server_label="s", name="n", arguments="{}")],
    "program": [_hosted("program", call_id="c1", code="1")],
    "program_output": [_hosted("program_output", call_id="c1", result="1")],
    "configuration_update": [[{"type": "configuration_update", "tools": []}]],
    "item_reference": [[{"type": "item_reference", "id": "rs_1"}]],
    "compaction": [[{"type": "compaction", "encrypted_content": "x"}]],
    "compaction_trigger": [[{"type": "compaction_trigger"}]],
    "*": [[{"type": "something_new", "x": 1}]],
}
SAME_AS = {
    name + "_output": name
    for name in ("custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call")
} | {"tool_search_output": "tool_search_call"}
"""Rows whose probes stand in the row of the call that they answer."""

USER_PARTS: dict[str, dict[str, Any]] = {
    "responses": {
        "input_text": {"type": "input_text", "text": "x"},
        "output_text": None,
        "text": {"type": "text", "text": "x"},
        "refusal": {"type": "refusal", "refusal": "no"},
        "input_image": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        "input_image.file_id": {"type": "input_image", "file_id": "file_1"},
        "input_file": [
            {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
            {"type": "input_file", "filename": "a.txt", "file_data": WORDS},
        ],
        "input_file.file_id": {"type": "input_file", "file_id": "file_1"},
        "input_audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        "*": {"type": "something_new", "x": 1},
    },
    "chat": {
        "text": {"type": "text", "text": "x"},
        "refusal": None,
        "image_url": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        "input_audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        "video_url": {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        "file": [
            {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
            {"type": "file", "file": {"filename": "a.txt", "file_data": WORDS}},
        ],
        "file.file_id": {"type": "file", "file": {"file_id": "file_1"}},
        "file_url": {"type": "file_url", "file_url": {"url": "https://example.com/a.pdf"}},
        "*": {"type": "something_new", "x": 1},
    },
    "messages": {
        "text": {"type": "text", "text": "x"},
        "image": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        "image.file": {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        "document": [
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        ],
        "search_result": {
            "type": "search_result",
            "source": "https://example.com",
            "title": "t",
            "content": [{"type": "text", "text": "words"}],
        },
        "container_upload": {"type": "container_upload", "file_id": "f"},
        "*": {"type": "something_new"},
    },
}
_SEARCHED = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://example.com",
                "title": "t",
                "encrypted_content": "e",
                "page_age": None,
            }
        ],
    },
]
_USED = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}


def _served(kind: str, name: str) -> list[Any]:
    return [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": name, "input": {}},
        {"type": kind, "tool_use_id": "srvtoolu_1", "content": {"type": "x"}},
    ]


TURNS: dict[str, list[list[Any]]] = {
    "thinking": [[{"type": "thinking", "thinking": "hm", "signature": "sig"}, _USED, _RESULT]],
    "redacted_thinking": [[{"type": "redacted_thinking", "data": "x"}, _USED, _RESULT]],
    "tool_use": [[_USED, _RESULT]],
    "tool_result": [[_USED, _RESULT], [_RESULT]],
    "server_tool_use": [_SEARCHED, _served("web_fetch_tool_result", "web_fetch")],
    "web_search_tool_result": [_SEARCHED],
    "web_fetch_tool_result": [_served("web_fetch_tool_result", "web_fetch")],
    "code_execution_tool_result": [_served("code_execution_tool_result", "code_execution")],
    "bash_code_execution_tool_result": [_served("bash_code_execution_tool_result", "bash_code_execution")],
    "text_editor_code_execution_tool_result": [
        _served("text_editor_code_execution_tool_result", "text_editor_code_execution")
    ],
    "tool_search_tool_result": [_served("tool_search_tool_result", "tool_search_tool_bm25")],
}
"""Blocks of an assistant's turn; a result goes into the user message after it."""

CHAT_ITEMS: dict[str, list[list[Any]]] = {
    "system": [[{"role": "system", "content": "x"}]],
    "developer": [[{"role": "developer", "content": "x"}]],
    "user": [[{"role": "user", "content": "x"}]],
    "assistant": [[{"role": "assistant", "content": "x"}]],
    "assistant.reasoning_content": [
        [
            {
                "role": "assistant",
                "content": "",
                "reasoning_content": "hm",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ]
    ],
    "assistant.reasoning_details": [
        [
            {
                "role": "assistant",
                "content": "",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ]
    ],
    "assistant.tool_calls": [
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ]
    ],
    "tool": [
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ],
        [{"role": "tool", "tool_call_id": "c9", "content": "ok"}],
    ],
    "function": [[{"role": "function", "name": "f", "content": "x"}]],
    "*": [[{"role": "somebody", "content": "x"}]],
}

TOOLS: dict[str, dict[str, Any]] = {
    "responses": {
        "function": [{**_FUNCTION, "strict": True}, _FUNCTION],
        "custom": {
            "type": "custom",
            "name": "g",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"},
        },
        "namespace": {"type": "namespace", "name": "ns", "description": "d", "tools": [_FUNCTION]},
        "local_shell": {"type": "local_shell"},
        "shell": {"type": "shell"},
        "apply_patch": {"type": "apply_patch"},
        "tool_search": {"type": "tool_search", "execution": "client"},
        "web_search": {"type": "web_search"},
        "web_search_preview": {"type": "web_search_preview"},
        "image_generation": {"type": "image_generation"},
        "code_interpreter": {"type": "code_interpreter", "container": {"type": "auto"}},
        "file_search": {"type": "file_search", "vector_store_ids": ["v"]},
        "computer": {"type": "computer"},
        "computer_use_preview": {
            "type": "computer_use_preview",
            "display_width": 1,
            "display_height": 1,
            "environment": "linux",
        },
        "mcp": {"type": "mcp", "server_label": "s", "server_url": "https://example.com"},
        "programmatic_tool_calling": {"type": "programmatic_tool_calling"},
        "*": {"type": "something_new"},
    },
    "chat": {
        "function": [
            {"type": "function", "function": {"name": "g", "parameters": TOOL_SCHEMA, "strict": True}},
            {"type": "function", "function": {"name": "g", "parameters": TOOL_SCHEMA}},
        ],
        "custom": {"type": "custom", "custom": {"name": "g"}},
        "web_search": {"type": "web_search"},
        "*": {"type": "something_new"},
    },
    "messages": {
        "custom": [
            {"name": "g", "input_schema": TOOL_SCHEMA},
            {"name": "g", "input_schema": TOOL_SCHEMA, "strict": True},
        ],
        "web_search": {"type": "web_search_20250305", "name": "web_search"},
        "web_fetch": {"type": "web_fetch_20250910", "name": "web_fetch"},
        "code_execution": {"type": "code_execution_20250825", "name": "code_execution"},
        "bash": {"type": "bash_20250124", "name": "bash"},
        "text_editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
        "memory": {"type": "memory_20250818", "name": "memory"},
        "computer": {"type": "computer_toolset_20260801", "name": "computer"},
        "browser": {"type": "browser_toolset_20260801", "name": "browser"},
        "tool_search_tool": {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
        "*": {"type": "something_new_2030", "name": "something_new"},
    },
}


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def pairs(wire: str, part: str, name: str) -> list[tuple[dict[str, Any], dict[str, Any], Any, str]]:
    """For a row: bodies without and with each probe, the probe, and the name to look for."""
    base = BASES[wire]
    if part == "field":
        key = "something_unknown" if name == "*" else name
        return [(base, {**base, key: value}, value, key) for value in FIELDS[wire][name]]
    if part == "tool":
        tools = base["tools"]
        return [(base, {**base, "tools": [*tools, value]}, value, name) for value in _listed(TOOLS[wire][name])]
    if part == "item" and wire == "responses":
        return [_in_history(base, "input", items) for items in ITEMS[SAME_AS.get(name, name)]]
    if part == "item":
        return [_in_history(base, "messages", items) for items in CHAT_ITEMS[name]]
    if name in TURNS:
        return [_in_turn(base, blocks) for blocks in TURNS[name]]
    if name in ("output_text", "refusal") and wire != "messages":
        block = {"type": name, "text" if name == "output_text" else "refusal": "x"}
        key = "input" if wire == "responses" else "messages"
        return [_in_history(base, key, [{"role": "assistant", "content": [block]}])]
    text = {"type": "input_text" if wire == "responses" else "text", "text": "hi"}
    key = "input" if wire == "responses" else "messages"
    before = {**base, key: [{"role": "user", "content": [text]}]}
    return [
        (before, {**base, key: [{"role": "user", "content": [text, value]}]}, value, name)
        for value in _listed(USER_PARTS[wire][name])
    ]


def _in_history(base: dict[str, Any], key: str, items: list[Any]) -> tuple[dict[str, Any], dict[str, Any], Any, str]:
    first, last = {"role": "user", "content": "q"}, {"role": "user", "content": "hi"}
    # Thinking is probed on a turn that would be there without it.
    there = items[1:] if items[0].get("type") == "reasoning" else []
    for name in ("reasoning_content", "reasoning_details"):
        if name in items[0]:
            there = [{k: v for k, v in items[0].items() if k != name}, *items[1:]]
    return {**base, key: [first, *there, last]}, {**base, key: [first, *items, last]}, items[0], ""


def _in_turn(base: dict[str, Any], blocks: list[Any]) -> tuple[dict[str, Any], dict[str, Any], Any, str]:
    def talk(said: list[Any], results: list[Any]) -> list[Any]:
        text = {"type": "text", "text": "a"}
        return [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [*said, text] if not results else [text, *said]},
            {"role": "user", "content": [*results, {"type": "text", "text": "hi"}]},
        ]

    results = [block for block in blocks if block["type"] == "tool_result"]
    said = [block for block in blocks if block["type"] != "tool_result"]
    thinking = [block for block in said if "thinking" in block["type"]]
    rest = [block for block in said if block not in thinking]
    after = talk(rest, results)
    after[1]["content"] = [*thinking, *after[1]["content"]]
    probe = results[0] if results and not said else (thinking or said)[0]
    before = talk(rest, results) if thinking else talk([], [])
    return {**base, "messages": before}, {**base, "messages": after}, probe, ""
