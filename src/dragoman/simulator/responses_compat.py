"""The Responses protocol as vendors other than its own serve it: the items and tools that several of them share.

Data in, rules out: a vendor's file says which parts a message may have, which tools are known and in which form
thinking comes back, and gets the tables for its `ResponsesStyle`. The forms are the protocol's own; what a vendor does
not list is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.simulator.fields import (
    Rule,
    array,
    boolean,
    either,
    loose,
    mapping,
    matching,
    one_of,
    record,
    string,
    tagged,
    text,
)
from dragoman.simulator.responses_turns import message_forms

STATUS = one_of("in_progress", "completed", "incomplete")
"""How far an item that comes back had got."""
TEXT = record({"type": string, "text": text}, ("text",))
"""A text of the person."""
IMAGE = record({"type": string, "image_url": text}, ("image_url",))
"""A picture by its URL, which may be a data URL."""
FILE = record({"type": string, "file_url": text, "file_data": text, "filename": text})
"""A file by its URL or as a data URL."""
SEARCH = record(
    {
        "type": string,
        "search_context_size": one_of("low", "medium", "high"),
        "filters": record({"allowed_domains": array(string)}),
        "user_location": mapping,
    }
)
"""The server's web search, declared."""
SEARCH_CALL = loose({"id": string, "status": string, "action": mapping}, ("action",))
"""A web search of the server that comes back."""
ENDS = {"length": "max_output_tokens", "content_filter": "content_filter", "failed": "failed"}
"""How an end shows where a failure is told by the response itself."""

_OUTPUT_TEXT = record(
    {"type": string, "text": text, "annotations": array(mapping), "logprobs": array(mapping)}, ("text",)
)
_ANSWERED = either(string, array(tagged({"input_text": TEXT, "output_text": _OUTPUT_TEXT}), 1))


def messages(*media: tuple[str, Rule]) -> dict[str, Rule]:
    """Messages by their role. media: part types that a person may send beside text."""
    said = either(text, array(tagged({"input_text": TEXT, **dict(media)}), 1))
    told = either(text, array(tagged({"input_text": TEXT}), 1))
    plain = record({"type": string, "role": string, "content": _ANSWERED}, ("role", "content"))
    replayed = record(
        {"type": string, "role": string, "content": _ANSWERED, "id": text, "status": STATUS},
        ("type", "id", "status", "content"),
    )
    return {
        "user": record({"type": string, "role": string, "content": said}, ("role", "content")),
        "system": record({"type": string, "role": string, "content": told}, ("role", "content")),
        "developer": record({"type": string, "role": string, "content": told}, ("role", "content")),
        "assistant": message_forms(plain, replayed),
    }


def calls(*, output: Rule = string, namespaces: bool = False, custom: Rule | None = None) -> dict[str, Rule]:
    """Calls and what came of them. output: of a tool. custom: the name of a freeform tool; None knows none."""
    space: dict[str, Rule] = {"namespace": text} if namespaces else {}
    own: dict[str, Rule] = {"type": string, "id": text, "status": STATUS, "call_id": text}
    result = record({"type": string, "id": text, "status": STATUS, "call_id": text, "output": output},
                    ("call_id", "output"))  # fmt: skip
    out: dict[str, Rule] = {
        "function_call": record({**own, "name": text, "arguments": string, **space}, ("call_id", "name", "arguments")),
        "function_call_output": result,
    }
    if custom is not None:
        freeform = {**own, "name": custom, "input": string, **space}
        out["custom_tool_call"] = record(freeform, ("call_id", "name", "input"))
        out["custom_tool_call_output"] = result
    return out


def reasoning(*, summary: bool, content: bool) -> Rule:
    """A reasoning item. summary, content: the fields that hold its text, each of them wanted."""
    table: dict[str, Rule] = {"type": string, "id": text, "status": STATUS}
    wanted: list[str] = []
    if summary:
        part = record({"type": string, "text": string}, ("text",))
        table["summary"] = array(tagged({"summary_text": part}), 0 if content else 1)
        wanted.append("summary")
    if content:
        part = record({"type": string, "text": string}, ("text",))
        table["content"] = array(tagged({"reasoning_text": part}), 1)
        wanted.append("content")
    return record(table, wanted)


def function_tool(name: str, *required: str) -> Rule:
    """A function in the flat form. name: the pattern of names."""
    table = {
        "type": string,
        "name": matching(name, "tool_name"),
        "description": string,
        "parameters": mapping,
        "strict": boolean,
    }
    return record(table, ("name", *required))


def custom_tool(name: Rule) -> Rule:
    """A freeform tool, perhaps with a grammar."""
    grammar = record({"type": string, "syntax": one_of("lark", "regex"), "definition": text}, ("syntax", "definition"))
    form = tagged({"text": record({"type": string}), "grammar": grammar}, "format_type")
    return record({"type": string, "name": name, "description": string, "format": form}, ("name",))


def namespace_tool(name: str, inner: Mapping[str, Rule]) -> Rule:
    """Tools under a common name. inner: the kinds that may stand in it."""
    table = {
        "type": string,
        "name": matching(name, "tool_name"),
        "description": string,
        "tools": array(tagged(inner, "tool_type"), 1),
    }
    return record(table, ("name", "tools"))


def tools(kinds: Mapping[str, Rule]) -> Rule:
    """The tools of a request, by their kinds."""
    return array(tagged(kinds, "tool_type"), 1, 128)
