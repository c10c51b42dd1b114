"""The canonical request, written as an upstream's Chat body.

In: a request that planning has prepared (history made fit, tools lowered, parameters filtered) and the `Shape` that
says how this upstream wants to be spoken to. Out: bytes. A field that has no value is left out; null is written only
where the profile says that it is taken. Pure: the same request gives the same bytes, so that prompt caches hold.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.profile import Profile
from dragoman.core.request import Request, ResponseFormat
from dragoman.core.shape import Shape, Thinking
from dragoman.core.tools import Tool, ToolChoice, ToolRef
from dragoman.wire.chat_completions.messages_out import write_messages
from dragoman.wire.chat_completions.tools_in import SEARCH_OPTIONS

_OFF_WORD = "none"


def encode_request(request: Request, shape: Shape) -> bytes:
    """The upstream body."""
    profile = shape.profile
    body: dict[str, Any] = {"model": shape.model, "messages": write_messages(request.messages, profile)}
    tools = [tool for tool in request.tools if tool.hosted_type != SEARCH_OPTIONS]
    for tool in request.tools:
        if tool.hosted_type == SEARCH_OPTIONS and tool.options is not None:
            body[SEARCH_OPTIONS] = tool.options
    if tools:
        body["tools"] = [_tool(tool, profile) for tool in tools]
        if request.parallel_tool_calls is not None and profile.parallel_tool_calls:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    _choice(request, profile, body)
    _sampling(request, profile, body)
    if request.response_format is not None:
        body["response_format"] = _format(request.response_format)
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
        if profile.tool_stream and request.tools:
            body["tool_stream"] = True
    _thinking(shape.thinking, profile, body)
    for source in (request.params, request.extra):
        for name, raw in source.items():
            body[name] = _joined(body[name], raw) if name in body else raw
    return msgspec.json.encode(body)


def _joined(ours: Any, theirs: Raw) -> Any:
    """Two values for one key: objects are merged, ours winning; anything else stays ours."""
    if not isinstance(ours, dict):
        return ours
    try:
        return {**msgspec.json.decode(theirs, type=dict[str, Raw]), **ours}
    except msgspec.DecodeError:
        return ours


def _sampling(request: Request, profile: Profile, body: dict[str, Any]) -> None:
    if request.max_output_tokens is not None:
        body[profile.max_tokens_field] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)


def _tool(tool: Tool, profile: Profile) -> Any:
    if tool.options is not None and tool.kind in ("web_search", "hosted"):
        return tool.options
    if tool.kind == "custom" and profile.custom_tools:
        return _marked({"type": "custom", "custom": _custom(tool)}, tool, profile)
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None and profile.strict_tools:
        function["strict"] = tool.strict
    return _marked({"type": "function", "function": function}, tool, profile)


def _marked(out: dict[str, Any], tool: Tool, profile: Profile) -> dict[str, Any]:
    if tool.cache is not None and profile.cache_marks:
        out["cache_control"] = tool.cache
    return out


def _custom(tool: Tool) -> dict[str, Any]:
    custom: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    grammar = tool.grammar
    if grammar is not None and grammar.syntax == "text":
        custom["format"] = {"type": "text"}
    elif grammar is not None:
        custom["format"] = {
            "type": "grammar",
            "grammar": {"syntax": grammar.syntax, "definition": grammar.definition},
        }
    return custom


def _choice(request: Request, profile: Profile, body: dict[str, Any]) -> None:
    """Without tools a choice means nothing, and several vendors refuse one."""
    choice = request.tool_choice
    if choice is None or not request.tools:
        return
    if choice.mode == "auto" and not profile.send_auto_choice:
        return
    body["tool_choice"] = _choice_value(choice, profile)


def _choice_value(choice: ToolChoice, profile: Profile) -> Any:
    if choice.mode == "named" and choice.tool is not None:
        return _ref(choice.tool, profile)
    if choice.mode == "allowed":
        mode = "required" if choice.required else "auto"
        return {
            "type": "allowed_tools",
            "allowed_tools": {"mode": mode, "tools": [_ref(ref, profile) for ref in choice.allowed]},
        }
    return choice.mode if choice.mode in ("none", "required") else "auto"


def _ref(ref: ToolRef, profile: Profile) -> dict[str, Any]:
    if ref.kind in ("web_search", "hosted"):
        return {"type": ref.name}
    kind = "custom" if ref.kind == "custom" and profile.custom_tools else "function"
    return {"type": kind, kind: {"name": ref.name}}


def _format(asked: ResponseFormat) -> dict[str, Any]:
    if asked.kind != "json_schema":
        return {"type": asked.kind}
    fields = {
        "name": asked.name or "output",  # not optional, and Messages has no name
        "description": asked.description,
        "schema": asked.schema,
        "strict": asked.strict,
    }
    return {"type": "json_schema", "json_schema": {k: v for k, v in fields.items() if v is not None}}


def _thinking(thinking: Thinking, profile: Profile, body: dict[str, Any]) -> None:
    """The switch, in the form that the profile names."""
    style = profile.thinking
    if thinking.mode == "unset" or style == "none":
        return
    on = thinking.mode == "on"
    if style in ("type", "adaptive", "type_effort", "budget"):
        switched: dict[str, Any] = {"type": ("adaptive" if style == "adaptive" else "enabled") if on else "disabled"}
        if on and style == "budget" and thinking.budget is not None:
            switched["budget_tokens"] = thinking.budget
        body["thinking"] = {**switched, **profile.thinking_fields} if on else switched
        if on and style == "type_effort" and thinking.effort is not None:
            body["reasoning_effort"] = thinking.effort
    elif style == "effort":
        effort = thinking.effort if on else thinking.effort or _OFF_WORD
        if effort is not None:
            body["reasoning_effort"] = effort
    else:
        body["reasoning"] = _reasoning_object(thinking, on)


def _reasoning_object(thinking: Thinking, on: bool) -> dict[str, Any]:
    if not on:
        return {"effort": thinking.effort or _OFF_WORD}
    if thinking.effort is not None:
        return {"effort": thinking.effort}
    return {"enabled": True} if thinking.budget is None else {"max_tokens": thinking.budget}
