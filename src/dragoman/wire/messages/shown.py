"""What a client of the Messages protocol is shown, for streams and whole answers alike.

Pure rules: the word for an end, which reasoning is hidden, how a call's input and a citation look. No framing.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.citations import read_citation
from dragoman.core.events import Finished, Incomplete
from dragoman.core.messages import Reasoning, ToolCall
from dragoman.wire.messages.search import location, own_citations

RAW_ARGUMENTS = "raw_arguments"
"""Key under which a whole answer shows arguments that are not a JSON object: `input` must be one."""

_FINISHED = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "stop_sequence": "stop_sequence",
    "pause": "pause_turn",
}
_INCOMPLETE = {
    "length": "max_tokens",
    "repetition": "max_tokens",
    "content_filter": "refusal",
    "context_window": "model_context_window_exceeded",
}
CITATIONS = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    }
)
"""The protocol's own kinds of citations."""


def stop_reason_of(end: Finished | Incomplete, *, called: bool) -> tuple[str, str | None]:
    """The stop reason and the stop sequence. A normal end with calls is `tool_use`, whatever the vendor called it."""
    if isinstance(end, Incomplete):
        return _INCOMPLETE[end.reason], None
    if end.reason in ("stop", "tool_calls"):
        return ("tool_use" if called else "end_turn"), None
    return _FINISHED[end.reason], end.sequence if end.reason == "stop_sequence" else None


def hidden(block: Reasoning) -> bool:
    """Whether the client is not to see this reasoning: made up by us, or with nothing to show or carry."""
    if block.placeholder:
        return True
    return not (block.text or block.seal or block.signature or redacted(block) is not None)


def redacted(block: Reasoning) -> Raw | None:
    """The vendor's own hidden-thinking block, where that is all there is."""
    state = block.state
    if block.text or block.seal or state is None or state.wire != "messages":
        return None
    return state.data if _type_of(state.data) == "redacted_thinking" else None


def _type_of(raw: Raw) -> str:
    class_ = msgspec.json.decode(raw, type=dict[str, Raw]).get("type", Raw())
    return bytes(class_).decode().strip('"')


def tool_head(call: ToolCall) -> dict[str, Any]:
    """The opening of a call, its input still empty."""
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}


def input_shown(call: ToolCall) -> Any:
    """The input of a whole call. Freeform input is wrapped; what is no JSON object is shown as raw text."""
    if call.kind == "custom":
        return {"input": call.arguments}
    text = call.arguments.strip()
    if not text:
        return {}
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {RAW_ARGUMENTS: call.arguments}
    return Raw(text.encode())


def citation_of(data: Raw) -> Any:
    """A citation in the protocol's own form, or None where it has no such form."""
    if own_citations((data,), CITATIONS):
        return data
    citation = read_citation(data)
    return None if citation is None else location(citation)
