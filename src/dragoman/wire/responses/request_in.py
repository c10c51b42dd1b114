"""A Responses request body, read into the canonical request and the view that its answer needs.

Known parameters without a place in the canonical request are kept raw in `params`, unknown fields in `extra`; null
means absent everywhere. What is malformed is refused with the path of the field. Nothing is decided here about what
an upstream can take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw

from dragoman.core.messages import Message, Text
from dragoman.core.notes import Note
from dragoman.core.request import EFFORTS, Effort, ReasoningAsk, Request, ResponseFormat
from dragoman.wire.parse import absent, check_kinds, is_list, is_string, read, read_object
from dragoman.wire.responses.fields import NOTHING, invalid
from dragoman.wire.responses.items import ItemsDecoded, decode_items
from dragoman.wire.responses.tools import decode_choice, decode_tools
from dragoman.wire.responses.view import ECHO_DEFAULTS, View

T = TypeVar("T")

PARAMS = frozenset(
    {
        "access_programs",
        "background",
        "client_metadata",
        "context_management",
        "conversation",
        "image",
        "include",
        "max_tool_calls",
        "metadata",
        "moderation",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "stream_options",
        "top_logprobs",
        "truncation",
        "user",
    }
)
"""Documented fields that go raw into `Request.params`. `text.verbosity` and `reasoning.mode` join them under the names
`verbosity` and `reasoning.mode`."""

_KINDS = {
    "client_metadata": "object",
    "context_management": "list or object",
    "conversation": "string or object",
    "max_tool_calls": "number",
    "prompt": "object",
    "prompt_cache_key": "string",
    "prompt_cache_options": "object",
    "prompt_cache_retention": "string",
    "safety_identifier": "string",
    "service_tier": "string",
    "stream_options": "object",
    "top_logprobs": "number",
    "truncation": "string",
    "user": "string",
}
"""JSON types of those whose form is settled."""

_HANDLED = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "reasoning",
        "store",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
    }
)


class _Fields:
    """The top-level fields of a body, read one by one; null counts as absent."""

    def __init__(self, body: bytes) -> None:
        self.raw = {name: raw for name, raw in read_object(body).items() if not absent(raw)}

    def get(self, name: str, kind: type[T]) -> T | None:
        """A field as `kind`, or None."""
        raw = self.raw.get(name)
        return None if raw is None else read(raw, kind, name)


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: Raw = NOTHING


class _Form(msgspec.Struct):
    type: str = "text"
    name: str | None = None
    schema: Raw = NOTHING
    strict: bool | None = None
    description: str | None = None
    json_schema: Raw = NOTHING


class _TextOptions(msgspec.Struct):
    format: _Form | None = None
    verbosity: Raw = NOTHING


def decode_request(body: bytes) -> tuple[Request, View]:
    """The request and the view of one body. Raises InvalidRequest, and nothing else, for everything malformed."""
    fields = _Fields(body)
    model = fields.get("model", str)
    if not model:
        raise invalid("model", "model is missing; name the model to use", code="missing_required_parameter")
    previous = fields.get("previous_response_id", str) or None
    if previous and "conversation" in fields.raw:
        raise invalid("conversation", "conversation and previous_response_id exclude each other; send one of them")
    check_kinds(fields.raw, _KINDS)
    items = _input(fields, bool(previous))
    decoded = decode_items(items)
    notes = list(decoded.notes)
    tools = (*decode_tools(fields.get("tools", list[Raw]) or (), "tools"), *decoded.tools)
    params = {name: raw for name, raw in fields.raw.items() if name in PARAMS}
    form = _text(fields, params)
    reasoning = _reasoning(fields, params, notes)
    request = Request(
        model,
        (*_instructions(fields), *decoded.messages),
        "responses",
        bool(fields.get("stream", bool)),
        tools,
        decode_choice(fields.raw.get("tool_choice"), tools),
        fields.get("parallel_tool_calls", bool),
        _limit(fields),
        fields.get("temperature", float),
        fields.get("top_p", float),
        (),
        reasoning,
        form,
        fields.get("store", bool),
        previous,
        decoded.compaction,
        params,
        {name: raw for name, raw in fields.raw.items() if name not in PARAMS and name not in _HANDLED},
        Raw(body),
    )
    return request, _view(fields, request, items, decoded, notes)


def _view(fields: _Fields, request: Request, items: Sequence[Raw], decoded: ItemsDecoded, notes: list[Note]) -> View:
    metadata = fields.get("metadata", dict[str, Raw])
    return View(
        model=request.model,
        stream=request.stream,
        notes=tuple(notes),
        echo={name: raw for name, raw in fields.raw.items() if name in ECHO_DEFAULTS},
        metadata=fields.raw["metadata"] if metadata is not None else None,
        summary=request.reasoning.summary in ("auto", "concise", "detailed"),
        include=tuple(fields.get("include", list[str]) or ()),
        store=request.store,
        background=bool(fields.get("background", bool)),
        previous_response_id=request.previous_response_id,
        input_items=tuple(items),
        compaction=request.compaction,
        references=decoded.references,
    )


def _input(fields: _Fields, continued: bool) -> list[Raw]:
    raw = fields.raw.get("input")
    if raw is None:
        raise invalid("input", "input is missing; send a string or a list of items", code="missing_required_parameter")
    if is_string(raw):
        read(raw, str, "input")
        return [Raw(b'{"type":"message","role":"user","content":' + bytes(raw) + b"}")]
    if not is_list(raw):
        raise invalid("input", "input must be a string or a list of items")
    items = read(raw, list[Raw], "input")
    if not items and not continued and "instructions" not in fields.raw:
        raise invalid("input", "input is empty; send at least one item", code="missing_required_parameter")
    return items


def _instructions(fields: _Fields) -> tuple[Message, ...]:
    raw = fields.raw.get("instructions")
    if raw is None:
        return ()
    if is_list(raw):
        return decode_items(read(raw, list[Raw], "instructions"), "instructions").messages
    text = read(raw, str, "instructions")
    return (Message("system", (Text(text),)),) if text else ()


def _limit(fields: _Fields) -> int | None:
    limit = fields.get("max_output_tokens", int)
    if limit is not None and limit < 1:
        raise invalid("max_output_tokens", f"max_output_tokens must be at least 1, not {limit}")
    return limit


def _reasoning(fields: _Fields, params: dict[str, Raw], notes: list[Note]) -> ReasoningAsk:
    asked = fields.get("reasoning", _Reasoning)
    if asked is None:
        return ReasoningAsk()
    effort: Effort | None = None
    if asked.effort == "ultra":
        effort = "max"
        notes.append(Note("effort_coerced", "reasoning.effort", "ultra is served as max"))
    elif asked.effort is not None:
        effort = next((known for known in EFFORTS if known == asked.effort), None)
        if effort is None:
            raise invalid(
                "reasoning.effort", f"reasoning.effort must be one of {', '.join(EFFORTS)}, not {asked.effort!r}"
            )
    if not absent(asked.mode):
        params["reasoning.mode"] = asked.mode
    summary = asked.summary or asked.generate_summary
    return ReasoningAsk(True, effort, summary=summary, context=asked.context)


def _text(fields: _Fields, params: dict[str, Raw]) -> ResponseFormat | None:
    text = fields.get("text", _TextOptions)
    if text is None:
        return None
    if not absent(text.verbosity):
        params["verbosity"] = text.verbosity
    form = text.format
    if form is None:
        return None
    if form.type == "text":
        return ResponseFormat("text")
    if form.type == "json_object":
        return ResponseFormat("json_object")
    if form.type != "json_schema":
        raise invalid(
            "text.format.type", f"text.format.type must be text, json_object or json_schema, not {form.type!r}"
        )
    if not absent(form.json_schema):
        form = read(form.json_schema, _Form, "text.format.json_schema")
    if absent(form.schema):
        raise invalid("text.format.schema", "text.format.schema is missing; add the JSON Schema")
    return ResponseFormat("json_schema", form.name, form.schema, form.strict, form.description)


def with_history(request: Request, view: View, history: Sequence[Raw]) -> Request:
    """`request` with stored items before its own input. Instructions stay in front: they are not inherited.

    The items are read as one list, so that calls and outputs that stand in different requests meet in one turn.
    """
    return with_input(request, view, (*history, *view.input_items)) if history else request


def with_input(request: Request, view: View, items: Sequence[Raw]) -> Request:
    """`request` with these items in place of its own input. Instructions and declared tools stay."""
    own = decode_items(view.input_items)
    before = len(request.messages) - len(own.messages)
    declared = request.tools[: len(request.tools) - len(own.tools)]
    whole = decode_items(items)
    return msgspec.structs.replace(
        request,
        messages=(*request.messages[:before], *whole.messages),
        tools=(*declared, *whole.tools),
        compaction=own.compaction,
    )
