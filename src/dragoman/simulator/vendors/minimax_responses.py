"""MiniMax's Responses endpoint: the listed fields, functions only, and thinking that is off unless it is asked for.

M3 does not think without an effort; older models always think, whatever is asked, and the newest takes no off. A
reasoning item has an empty summary and its text as content. Nothing is kept: neither `store` nor an earlier response's
id is known. What the Chat endpoint refuses in a conversation is refused here, too: it is the same model behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.simulator.ask import Rejected
from dragoman.simulator.fields import (
    Rule,
    above_zero,
    array,
    boolean,
    either,
    integer,
    mapping,
    one_of,
    record,
    string,
    text,
)
from dragoman.simulator.responses_compat import (
    ENDS,
    IMAGE,
    SEARCH,
    SEARCH_CALL,
    calls,
    function_tool,
    messages,
    reasoning,
    tools,
)
from dragoman.simulator.responses_rules import ResponsesStyle
from dragoman.simulator.vendor import ModelCard

TOOL_NAME = "[A-Za-z0-9_-]{1,64}"
EFFORTS = {"M3.1": ("low", "medium", "high", "xhigh", "max")}
"""The words of a family that has degrees. For all others the first means off, every other word on."""
_EFFORTS = ("none", "minimal", "low", "medium", "high")


def _words(value: Any, path: str) -> None:
    mapping(value, path)
    for name, item in value.items():
        string(item, f"{path}.{name}")


def _fields(card: ModelCard) -> Mapping[str, Rule]:
    return {
        "model": string,
        "input": either(text, array(mapping, 1)),
        "instructions": string,
        "max_output_tokens": integer(1, card.max_output),
        "temperature": above_zero(1),
        "top_p": above_zero(1),
        "stream": boolean,
        "reasoning": record({"effort": one_of(*EFFORTS.get(card.family, _EFFORTS))}),
        "tools": tools({"function": function_tool(TOOL_NAME, "parameters"), "web_search": SEARCH}),
        "tool_choice": one_of("none", "auto"),
        "parallel_tool_calls": boolean,
        "metadata": _words,
        "prompt_cache_key": string,
        "text": record({"format": record({"type": one_of("text")}, ("type",))}),
        "truncation": one_of("disabled"),
        "service_tier": one_of("standard", "priority"),
    }


def _check(body: dict[str, Any]) -> None:
    """One system text and in front, somebody who speaks, nothing blank, each call's id once in the whole history."""
    given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    items = [item for item in given if isinstance(item, dict)]
    systems = [at for at, item in enumerate(items) if item.get("role") in ("system", "developer")]
    if len(systems) + bool(body.get("instructions")) > 1:
        raise Rejected("system_twice", f"input[{systems[-1]}]", "invalid chat setting")
    if systems and systems[0] != 0:
        raise Rejected("system_late", f"input[{systems[0]}]", "chat content has invalid message role: system")
    if len(systems) == len(items):
        raise Rejected("no_turn", "input", "chat content is empty")
    seen: set[str] = set()
    for at, item in enumerate(items):
        for name in ("content", "output"):
            if isinstance(item.get(name), str) and not item[name].strip():
                raise Rejected("blank", f"input[{at}].{name}", "chat content is empty")
        if item.get("type") == "function_call":
            if item.get("call_id") in seen:
                raise Rejected("call_id_twice", f"input[{at}].call_id", f"two calls have the id '{item['call_id']}'")
            seen.add(str(item.get("call_id")))


STYLE = ResponsesStyle(
    owner="minimax",
    fields=_fields,
    items={
        **calls(),
        "reasoning": reasoning(summary=True, content=True),
        "web_search_call": SEARCH_CALL,
    },
    messages=messages(("input_image", IMAGE)),
    error=b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"upstream exploded (1013)",'
    b'"http_code":"500"},"request_id":""}\n\n',
    reasoning="both",
    searches=("web_search",),
    alone=True,
    thinks=False,
    check=_check,
    words=ENDS,
    failed={"failed": ("1013", "internal error (1013)")},
    echo=(
        ("instructions", None),
        ("max_output_tokens", None),
        ("metadata", {}),
        ("parallel_tool_calls", True),
        ("prompt_cache_key", None),
        ("reasoning", {"effort": "none"}),
        ("service_tier", "standard"),
        ("store", False),
        ("temperature", 1.0),
        ("text", {"format": {"type": "text"}}),
        ("tool_choice", "auto"),
        ("tools", []),
        ("top_p", 0.95),
        ("truncation", "disabled"),
    ),
    text=True,
)
"""MiniMax's Responses."""
