"""Moonshot's Responses endpoint: thinking under the name of a summary, one freeform tool, nothing kept.

`store` may be said, but only as false. The only custom tool is `apply_patch`; a cache breakpoint in a part is refused.
Efforts are the words of the newest family; older ones know none. Sampling is as fixed as on Chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.simulator.ask import Rejected
from dragoman.simulator.fields import (
    Rule,
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
    custom_tool,
    function_tool,
    messages,
    namespace_tool,
    reasoning,
    tools,
)
from dragoman.simulator.responses_rules import ResponsesStyle
from dragoman.simulator.vendor import ModelCard

TOOL_NAME = "[A-Za-z][A-Za-z0-9_-]{0,63}"
EFFORTS = ("low", "high", "max")
_FUNCTION = function_tool(TOOL_NAME)
_PATCH = one_of("apply_patch")


def only(*allowed: float) -> Rule:
    """A fixed sampling field: its own value is taken, any other is an error."""

    def rule(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Rejected("field_type", path, f"{path}: not a number")
        if value not in allowed:
            raise Rejected("sampling_fixed", path, f"invalid {path}: only {allowed[0]:g} is allowed for this model")

    return rule


def _never(value: Any, path: str) -> None:
    """A switch that can only be said to be off."""
    boolean(value, path)
    if value:
        raise Rejected("field_value", path, f"{path}: only false is supported")


def _fields(card: ModelCard) -> Mapping[str, Rule]:
    effort = {"reasoning": record({"effort": one_of(*EFFORTS)})} if card.family == "k3" else {}
    kinds = {
        "function": _FUNCTION,
        "custom": custom_tool(_PATCH),
        "namespace": namespace_tool(TOOL_NAME, {"function": _FUNCTION}),
        "web_search": SEARCH,
    }
    return {
        "model": string,
        "input": either(text, array(mapping, 1)),
        "instructions": string,
        "max_output_tokens": integer(1, card.max_output),
        "temperature": only(1),
        "top_p": only(0.95),
        "stream": boolean,
        "store": _never,
        "tools": tools(kinds),
        "tool_choice": one_of("none", "auto"),
        "text": record({"format": record({"type": one_of("text", "json_object")}, ("type",))}),
        "prompt_cache_key": string,
        **effort,
    }


STYLE = ResponsesStyle(
    owner="moonshot",
    fields=_fields,
    items={
        **calls(namespaces=True, custom=_PATCH),
        "reasoning": reasoning(summary=True, content=False),
        "web_search_call": SEARCH_CALL,
    },
    messages=messages(("input_image", IMAGE)),
    error=b'data: {"error":{"message":"upstream exploded","type":"server_error"}}\n\n',
    reasoning="summary",
    searches=("web_search",),
    alone=True,
    words=ENDS,
    failed={"failed": ("server_error", "Internal server error")},
    echo=(
        ("instructions", None),
        ("max_output_tokens", None),
        ("parallel_tool_calls", True),
        ("prompt_cache_key", None),
        ("store", False),
        ("temperature", 1.0),
        ("text", {"format": {"type": "text"}}),
        ("tool_choice", "auto"),
        ("tools", []),
        ("top_p", 0.95),
    ),
)
"""Moonshot's Responses."""
