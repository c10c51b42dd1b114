"""A canonical request, as the body of an upstream Messages call.

In: a request that the plan has prepared (history made fit, tools lowered, parameters filtered) and the `Shape`. Out:
bytes. Roles are merged so that they alternate, tool results stand first; a key that has nothing to say is left out,
never null. Knows no vendor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import Message, Text
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.shape import Shape
from dragoman.core.tools import Tool
from dragoman.wire.messages.blocks_out import BESIDE_MEDIA, NO_CONTENT, Part, parts_out, text_out
from dragoman.wire.messages.search import declaration

SYSTEM_JOINT = "\n\n"
"""Stands between system texts where they become one string."""

_MEDIA = frozenset({"image", "audio", "video", "document"})


def encode_request(request: Request, shape: Shape) -> bytes:
    """The upstream body."""
    profile = shape.profile
    system, messages = _conversation(request.messages, profile)
    body: dict[str, Any] = {"model": shape.model}
    if request.max_output_tokens is not None:
        body["max_tokens"] = request.max_output_tokens
    if system:
        body["system"] = system
    body["messages"] = messages
    _tools(request, profile, body)
    _thinking(request, shape, body)
    if request.stream:
        body["stream"] = True
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    for key, raw in (*request.params.items(), *request.extra.items()):
        body.setdefault(key, raw)
    return msgspec.json.encode(body)


# -- the conversation


def _conversation(messages: Sequence[Message], profile: Profile) -> tuple[Any, list[dict[str, Any]]]:
    """System text, and the messages in roles that alternate."""
    system: list[Text] = []
    turns: list[tuple[str, list[Part]]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            texts = [b for b in message.content if isinstance(b, Text) and b.text]
            if profile.merge_system or not turns:
                system += texts
            elif texts:
                turns.append(("system", [p for t in texts if (p := text_out(t, profile)) is not None]))
            continue
        role = "assistant" if message.role == "assistant" else "user"
        parts = [p for block in message.content for p in parts_out(block, role, profile)]
        if role == "assistant" and not parts:
            continue
        if message.role == "tool" and [turn[0] for turn in turns[-2:]] == ["assistant", "system"]:
            turns.insert(-1, (role, parts))  # results must follow their calls at once
        elif turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return _system(system, profile), [_turn(role, parts, profile) for role, parts in turns]


def _system(texts: list[Text], profile: Profile) -> Any:
    if not texts:
        return None
    if not profile.cache_marks or (len(texts) == 1 and texts[0].cache is None):
        return SYSTEM_JOINT.join(t.text for t in texts)
    return [part for t in texts if (part := text_out(t, profile)) is not None]


def _type(part: Part) -> str:
    return str(part["type"]) if isinstance(part, dict) else ""


def _turn(role: str, parts: list[Part], profile: Profile) -> dict[str, Any]:
    """One message: results first, and text beside media where the vendor wants it."""
    if role == "user":
        if not parts:
            return {"role": role, "content": NO_CONTENT}
        parts.sort(key=lambda part: _type(part) != "tool_result")
        kinds = {_type(part) for part in parts}
        if profile.media_needs_text and "text" not in kinds and kinds & _MEDIA:
            parts.append({"type": "text", "text": BESIDE_MEDIA})
    elif role == "system" and not profile.cache_marks:
        return {"role": role, "content": SYSTEM_JOINT.join(p["text"] for p in parts if isinstance(p, dict))}
    only = parts[0] if len(parts) == 1 else None
    if isinstance(only, dict) and set(only) == {"type", "text"}:
        return {"role": role, "content": only["text"]}
    return {"role": role, "content": parts}


# -- tools


def _tools(request: Request, profile: Profile, body: dict[str, Any]) -> None:
    """Tools and the choice among them; a choice without tools is left out."""
    choice, known = request.tool_choice, profile.tool_choices
    tools = [t for tool in request.tools if (t := _tool(tool, profile)) is not None]
    silent = choice is not None and choice.mode == "none" and "none" not in known
    if not tools or silent:
        return
    body["tools"] = tools
    out: dict[str, Any] | None = None
    if choice is None:
        # A vendor that knows only `auto` is told so whenever there are tools.
        if not known & {"required", "named"} and "auto" in known and profile.send_auto_choice:
            out = {"type": "auto"}
    elif choice.mode == "none":
        out = {"type": "none"}
    elif choice.mode == "named" and choice.tool is not None and "named" in known:
        out = {"type": "tool", "name": choice.tool.name}
    elif "required" in known and (choice.mode == "required" or (choice.mode == "allowed" and choice.required)):
        out = {"type": "any"}
    elif profile.send_auto_choice or choice.mode == "auto":
        out = {"type": "auto"}
    if request.parallel_tool_calls is not None and profile.parallel_tool_calls and (out or {}).get("type") != "none":
        out = out or {"type": "auto"}
        out["disable_parallel_tool_use"] = not request.parallel_tool_calls
    if out is not None:
        body["tool_choice"] = out


def _tool(tool: Tool, profile: Profile) -> Any:
    """One declaration, or None for a kind that this upstream has no word for."""
    if tool.kind == "web_search":
        return declaration(tool) if profile.hosted_tools else None
    if tool.kind == "hosted":
        return tool.options if profile.hosted_tools else None
    out: dict[str, Any] = {"name": tool.name}
    if tool.description:
        out["description"] = tool.description
    out["input_schema"] = tool.schema if tool.schema is not None else {"type": "object", "properties": {}}
    if tool.strict is not None and profile.strict_tools:
        out["strict"] = tool.strict
    if tool.deferred and profile.hosted_tools:
        out["defer_loading"] = True
    if tool.cache is not None and profile.cache_marks:
        out["cache_control"] = tool.cache
    if tool.options is not None and profile.extra_passthrough:
        for key, raw in msgspec.json.decode(tool.options, type=dict[str, Raw]).items():
            out.setdefault(key, raw)
    return out


# -- thinking and format


def _thinking(request: Request, shape: Shape, body: dict[str, Any]) -> None:
    """`thinking`, and `output_config` with effort and answer format, as far as the vendor takes them."""
    style, decided, asked = shape.profile.anthropic_thinking, shape.thinking, request.reasoning
    config: dict[str, Any] = {}
    if style in ("type", "effort") and decided.mode != "unset":
        word = "adaptive" if shape.profile.thinking == "adaptive" else "enabled"
        body["thinking"] = {"type": word if decided.mode == "on" else "disabled"}
        if style == "effort" and decided.mode == "on" and decided.effort is not None:
            config["effort"] = decided.effort
    if style == "full":
        off = decided.mode == "off" or (decided.mode == "unset" and asked.asked and asked.effort == "none")
        effort = asked.effort if decided.mode == "unset" else decided.effort
        if effort and effort != "none":
            config["effort"] = effort
        thinking: dict[str, Any] | None = None
        if off:
            thinking = {"type": "disabled"}
        elif decided.mode == "on" or asked.asked:
            budget = decided.budget or asked.budget
            thinking = {"type": "adaptive"} if decided.free else _thinking_on(request, budget)
        if thinking is not None:
            if asked.display and (not off or decided.mode == "unset"):
                thinking["display"] = asked.display
            body["thinking"] = thinking
    format_ = request.response_format
    if format_ is not None and format_.kind == "json_schema" and "json_schema" in shape.profile.response_formats:
        config["format"] = {"type": "json_schema", "schema": format_.schema}
    if config:
        body["output_config"] = config


def _thinking_on(request: Request, budget: int | None) -> dict[str, Any]:
    if budget is not None and not request.reasoning.adaptive:
        return {"type": "enabled", "budget_tokens": budget}
    # A vendor that takes the full object wants a budget with `enabled`; without one it is to choose by itself.
    plain = request.wire == "messages" and not request.reasoning.adaptive and request.reasoning.asked
    return {"type": "enabled" if plain else "adaptive"}
