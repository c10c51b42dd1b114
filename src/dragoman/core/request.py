"""The canonical request: what a client asks, whatever protocol it spoke."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

from dragoman.core.messages import Message, WireName
from dragoman.core.tools import Tool, ToolChoice

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How hard to think. `none` asks for no thinking, which is not the same as saying nothing."""

EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class ReasoningAsk(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the request says of thinking.

    asked: the client sent a reasoning object at all (an object without effort means on). effort: unset is None.
    budget: thinking tokens. summary: the client's word for how to show it (auto, concise, detailed). display: Messages'
    `summarized` or `omitted`. context: Responses' `current_turn`, `all_turns`.
    """

    asked: bool = False
    effort: Effort | None = None
    budget: int | None = None
    adaptive: bool = False
    summary: str | None = None
    display: str | None = None
    context: str | None = None


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The form that the answer must have. schema: raw JSON Schema for `json_schema`."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: Raw | None = None
    strict: bool | None = None
    description: str | None = None


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request.

    wire: the client's protocol. model: the name as asked. messages: the whole conversation; system text is a message.
    tools: declarations in the client's order, those of namespaces flattened. params: known parameters that have no
    place of their own here (`frequency_penalty`, `seed`, `user`, `metadata`, `service_tier`, ...), raw, under the
    client's field names. extra: fields that the protocol does not know. The plan decides the fate of both.
    store, previous_response_id: Responses only. stop: at most what the client sent.
    """

    model: str
    messages: tuple[Message, ...]
    wire: WireName = "chat"
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    reasoning: ReasoningAsk = ReasoningAsk()
    response_format: ResponseFormat | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    compaction: bool = False
    params: dict[str, Raw] = {}
    extra: dict[str, Raw] = {}
    body: Raw | None = None
    """The client's body as it came, kept for the native lane."""
    reminder: str = ""
    """Text that stands at the end of this one call's prompt, behind every cache mark; no history keeps it."""
