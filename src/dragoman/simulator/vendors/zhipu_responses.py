"""Zhipu's Responses endpoint: thinking as plain text, kept answers for those who ask for it, no `[DONE]` at the end.

Its address is not a sibling of the Chat one. Efforts are the words of the model's family; older families have none,
and then nothing can be said of thinking. Answers are kept only with `store`.
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    integer,
    mapping,
    matching,
    number,
    one_of,
    record,
    string,
    text,
)
from dragoman.simulator.responses_compat import (
    ENDS,
    FILE,
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

TOOL_NAME = "[A-Za-z0-9_-]{1,64}"
ALL_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
EFFORTS = {"5.3": ("low", "high", "max"), "5.2": ALL_EFFORTS}
"""What an effort may be, by family; older ones do not know the field."""
_FUNCTION = function_tool(TOOL_NAME, "parameters")
_CUSTOM = custom_tool(matching(TOOL_NAME, "tool_name"))
_INNER = {"function": _FUNCTION, "custom": _CUSTOM}


def _fields(card: ModelCard) -> Mapping[str, Rule]:
    known = EFFORTS.get(card.family)
    effort = {"reasoning": record({"effort": one_of(*known)})} if known else {}
    return {
        "model": string,
        "input": either(text, array(mapping, 1)),
        "instructions": string,
        "max_output_tokens": integer(1, card.max_output),
        "temperature": number(0, 1),
        "top_p": number(0.01, 1),
        "stream": boolean,
        "tools": tools({**_INNER, "namespace": namespace_tool(TOOL_NAME, _INNER), "web_search": SEARCH}),
        "tool_choice": one_of("none", "auto"),
        "text": record({"format": record({"type": one_of("text", "json_object")}, ("type",))}),
        "store": boolean,
        "previous_response_id": text,
        **effort,
    }


STYLE = ResponsesStyle(
    owner="zhipu",
    fields=_fields,
    items={
        **calls(namespaces=True, custom=text),
        "reasoning": reasoning(summary=False, content=True),
        "web_search_call": SEARCH_CALL,
    },
    messages=messages(("input_image", IMAGE), ("input_file", FILE)),
    error=b'data: {"error":{"code":"1234","message":"upstream exploded"}}\n\n',
    searches=("web_search",),
    alone=True,
    offs=("none", "minimal"),
    json_word=False,
    keeps=True,
    words=ENDS,
    failed={"failed": ("1234", "Internal network error, please contact customer service.")},
    echo=(
        ("instructions", None),
        ("max_output_tokens", None),
        ("temperature", 1.0),
        ("text", {"format": {"type": "text"}}),
        ("tools", []),
        ("top_p", 0.95),
    ),
    total=False,
)
"""Zhipu's Responses."""
