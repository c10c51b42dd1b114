"""Everything of a request that is neither conversation nor tools, made fit for a profile.

In: the client's request. Out: sampling, limits, format and parameters that the provider documents; each one that was
left out or moved is a note. Unknown fields can be a 400 at strict vendors, so nothing passes that is not listed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.core.profile import ModelFacts, Profile, Range
from dragoman.core.request import Request
from dragoman.errors import InvalidRequest

_LIMIT_FIELDS: dict[WireName, str] = {
    "chat": "max_tokens",
    "responses": "max_output_tokens",
    "messages": "max_tokens",
}
_STOP_FIELDS: dict[WireName, str] = {"chat": "stop", "responses": "stop", "messages": "stop_sequences"}
_NOTHING = frozenset({b"null", b"false", b"[]", b"{}", b'""'})
"""Values that ask for nothing: leaving them out changes nothing."""
_OURS = frozenset({"stream_options", "stream"})
"""Fields that are answered here, whatever the upstream is asked."""
_USER = ("safety_identifier", "user")
_LEAST_LIMIT = 4096
"""Output tokens to ask for where the vendor insists on a limit and the model's own is not known."""
_MAX_UNKNOWN = 20
"""Most notes about unknown fields."""


class Context(msgspec.Struct, frozen=True):
    """Where the request goes: wire, profile, model, whether the model will think, and the session's cache key."""

    wire: WireName
    profile: Profile
    model: ModelFacts
    thinking: bool = False
    session: str = ""


def output_limit(request: Request, context: Context, notes: list[Note]) -> int | None:
    """The output limit to send (tokens), or None to leave it to the vendor. Raises InvalidRequest below 1."""
    asked, most = request.max_output_tokens, context.model.max_output
    field = _LIMIT_FIELDS[request.wire]
    if asked is None:
        usual = context.model.default_max_output
        if request.wire == "responses" and most is not None and usual is not None and usual < most:
            # Codex treats an answer cut by the vendor's default as fatal (clients/README of the protocol notes).
            return most
        return (most or usual or _LEAST_LIMIT) if context.profile.max_tokens_required else None
    if asked < 1:
        raise InvalidRequest(f"{field} must be at least 1", param=field)
    if most is not None and asked > most:
        notes.append(Note("param_clamped", field, f"{asked} is over the model's {most}"))
        return most
    return asked


def shape_params(request: Request, context: Context, notes: list[Note]) -> dict[str, Any]:
    """The fields of the upstream request that differ from the client's, ready for `structs.replace`.

    Raises InvalidRequest for numbers that are none, and for more stop sequences than the provider takes.
    """
    profile = context.profile
    return {
        "temperature": _sampled("temperature", request.temperature, profile.temperature, context, notes),
        "top_p": _sampled("top_p", request.top_p, profile.top_p, context, notes),
        "stop": _stop(request, profile, notes),
        "parallel_tool_calls": _parallel(request, profile, notes),
        "params": _params(request, context, notes),
        "extra": _extra(request, profile, notes),
        "store": None,
        "previous_response_id": None,
    }


def _sampled(name: str, value: float | None, span: Range, context: Context, notes: list[Note]) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value):
        raise InvalidRequest(f"{name} must be a finite number", param=name)
    if name not in context.profile.params:
        notes.append(_dropped(name))
        return None
    if context.profile.forced_sampling and context.thinking:
        notes.append(Note("param_forced", name, "the provider sets it while the model thinks"))
        return None
    if span.low <= value <= span.high:
        return value
    moved = min(max(value, span.low), span.high)
    notes.append(Note("param_clamped", name, f"{value:g} was sent as {moved:g}"))
    return moved


def _dropped(name: str) -> Note:
    return Note("param_dropped", name, f"the provider does not take {name}")


def _stop(request: Request, profile: Profile, notes: list[Note]) -> tuple[str, ...]:
    field = _STOP_FIELDS[request.wire]
    if not request.stop:
        return ()
    if "stop" not in profile.params:
        notes.append(_dropped(field))
        return ()
    if len(request.stop) > profile.stop_max:
        raise InvalidRequest(
            f"{len(request.stop)} stop sequences are asked for, the provider takes {profile.stop_max}", param=field
        )
    return request.stop


def _parallel(request: Request, profile: Profile, notes: list[Note]) -> bool | None:
    if request.parallel_tool_calls is None or profile.parallel_tool_calls:
        return request.parallel_tool_calls
    notes.append(_dropped("parallel_tool_calls"))
    return None


def _params(request: Request, context: Context, notes: list[Note]) -> dict[str, Raw]:
    profile = context.profile
    out: dict[str, Raw] = {}
    for name, value in request.params.items():
        if name in _USER and profile.user_field is not None:
            continue
        if name in profile.params:
            out[name] = value
        elif name not in _OURS and bytes(value) not in _NOTHING and not (name == "n" and bytes(value) == b"1"):
            notes.append(_dropped(name))
    if request.store and request.wire != "responses":
        notes.append(_dropped("store"))
    if profile.user_field is not None:
        _place_user(request.params, profile.user_field, out)
    if context.session and "prompt_cache_key" in profile.params and "prompt_cache_key" not in out:
        out["prompt_cache_key"] = Raw(msgspec.json.encode(context.session))
    return out


def _place_user(params: Mapping[str, Raw], field: str, out: dict[str, Raw]) -> None:
    """The end user's id under the provider's own name, which may lie one level deep."""
    value = next((params[name] for name in _USER if name in params and bytes(params[name]) not in _NOTHING), None)
    if value is None:
        return
    outer, dot, inner = field.partition(".")
    out[outer] = Raw(msgspec.json.encode({inner: value})) if dot else value


def _extra(request: Request, profile: Profile, notes: list[Note]) -> dict[str, Raw]:
    if profile.extra_passthrough:
        return request.extra
    names = [name for name, value in request.extra.items() if bytes(value) != b"null"]
    for name in names[:_MAX_UNKNOWN]:
        notes.append(Note("unknown_field", name[:80], "the field is not known and was left out"))
    return {}


def merge_body(body: bytes, extra: Mapping[str, Any]) -> bytes:
    """`body` with `extra` merged into it, objects deeply, other values replaced. Every key stays single."""
    if not extra:
        return body
    return msgspec.json.encode(_merge(msgspec.json.decode(body), extra))


def _merge(have: Any, more: Any) -> Any:
    if isinstance(have, dict) and isinstance(more, Mapping):
        out = dict(have)
        for key, value in more.items():
            out[key] = _merge(out[key], value) if key in out else value
        return out
    return more
