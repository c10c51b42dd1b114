"""Everything of a request that is neither conversation nor tools, made fit for a profile.

In: the client's request. Out: sampling, limits, format and parameters that the provider documents; each one that was
left out or moved is a note. Unknown fields can be a 400 at strict vendors, so nothing passes that is not listed.
"""

from __future__ import annotations

import hashlib
import math
import re
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
_PARALLEL_FIELDS: dict[WireName, str] = {
    "chat": "parallel_tool_calls",
    "responses": "parallel_tool_calls",
    "messages": "tool_choice.disable_parallel_tool_use",
}
_OF_CHAT = frozenset({"frequency_penalty", "presence_penalty", "seed"})
_UNSAID: dict[WireName, frozenset[str]] = {
    "chat": frozenset(),
    "responses": _OF_CHAT | {"stop"},
    "messages": _OF_CHAT,
}
"""Parameters of the Chat protocol that another one has no field for."""
_NOTHING = frozenset({b"null", b"false", b"[]", b"{}", b'""'})
"""Values that ask for nothing: leaving them out changes nothing."""
_OURS = frozenset({"stream_options", "stream"})
"""Fields that are answered here, whatever the upstream is asked."""
_USER = ("safety_identifier", "user")
_DIALECTAL = frozenset({"metadata", "service_tier", "context_management"})
"""Parameters that have one name and two meanings: in the Messages protocol, and in OpenAI's."""
_AT_THE_VENDOR = {
    "conversation": "conversations are not kept here; use previous_response_id, or send the history as input",
    "prompt": "a stored prompt is at the vendor that keeps it; send its text as instructions and input",
}
"""Parameters without which the question is another one."""
_LEAST_LIMIT = 4096
"""Output tokens to ask for where the vendor insists on a limit and the model's own is not known."""
_SHARE = 8
"""Part of the window to ask for where a list gives the whole window as the output limit."""
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
        return _largest(context.model) if context.profile.max_tokens_required else None
    if asked < 1:
        raise InvalidRequest(f"{field} must be at least 1", param=field)
    if most is not None and asked > most:
        notes.append(Note("param_clamped", field, f"{asked} is over the model's {most}"))
        return most
    return asked


def _largest(model: ModelFacts) -> int:
    """A limit for vendors that insist on one (tokens): the model's largest that leaves room for a prompt."""
    most = model.max_output or model.default_max_output or _LEAST_LIMIT
    if model.context is not None and most >= model.context:
        return max(model.context // _SHARE, 1)
    return most


def shape_params(request: Request, context: Context, notes: list[Note]) -> dict[str, Any]:
    """The fields of the upstream request that differ from the client's, ready for `structs.replace`.

    Raises InvalidRequest for numbers that are none, and for more stop sequences than the provider takes.
    """
    profile = context.profile
    return {
        "temperature": _sampled("temperature", request.temperature, profile.temperature, context, notes),
        "top_p": _sampled("top_p", request.top_p, profile.top_p, context, notes),
        "stop": _stop(request, context, notes),
        "parallel_tool_calls": _parallel(request, profile, notes),
        "params": _params(request, context, notes),
        "extra": _extra(request, context, notes),
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
        notes.append(_forced(name))
        return None
    if span.low <= value <= span.high:
        return value
    moved = min(max(value, span.low), span.high)
    notes.append(Note("param_clamped", name, f"{value:g} was sent as {moved:g}"))
    return moved


def _forced(name: str) -> Note:
    return Note("param_forced", name, "the provider sets it while the model thinks")


def _dropped(name: str) -> Note:
    return Note("param_dropped", name, f"the provider does not take {name}")


def _takes(name: str, context: Context) -> bool:
    """Whether the provider documents the parameter, and the wire has a field for it."""
    return name in context.profile.params and name not in _UNSAID[context.wire]


def _stop(request: Request, context: Context, notes: list[Note]) -> tuple[str, ...]:
    field, profile = _STOP_FIELDS[request.wire], context.profile
    if not request.stop:
        return ()
    if not _takes("stop", context):
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
    notes.append(_dropped(_PARALLEL_FIELDS[request.wire]))
    return None


def _params(request: Request, context: Context, notes: list[Note]) -> dict[str, Raw]:
    profile = context.profile
    out: dict[str, Raw] = {}
    user = _end_user(request, profile)
    for name, value in request.params.items():
        if profile.user_field and name in user:
            continue
        if name == "top_k" and profile.forced_sampling and context.thinking and name in profile.params:
            notes.append(_forced(name))
        elif name in _AT_THE_VENDOR and name not in profile.params:
            raise InvalidRequest(f"{name}: {_AT_THE_VENDOR[name]}", param=name)
        elif _takes(name, context) and not (name in _DIALECTAL and _dialect(request.wire) != _dialect(context.wire)):
            out[name] = value
        elif name not in _OURS and bytes(value) not in _NOTHING and not (name == "n" and bytes(value) == b"1"):
            notes.append(_dropped(name))
    if context.wire == "responses":
        asked = {"summary": request.reasoning.summary, "context": request.reasoning.context}
        lost = [name for name, value in asked.items() if value is not None and name not in profile.reasoning_asks]
        notes += [_dropped(f"reasoning.{name}") for name in lost]
    if request.store and request.wire != "responses" and "store" not in out:
        notes.append(_dropped("store"))
    out = {name: value for name, value in out.items() if _fits(name, value, profile, notes)}
    if profile.user_field:
        _place_user(user, profile, out, notes)
    if context.session and "prompt_cache_key" in profile.params and "prompt_cache_key" not in out:
        out["prompt_cache_key"] = Raw(msgspec.json.encode(context.session))
    return out


def _fits(name: str, value: Raw, profile: Profile, notes: list[Note]) -> bool:
    """Whether a text parameter has the form that the provider asks for."""
    pattern = profile.param_patterns.get(name)
    if pattern is None or _matches(pattern, value):
        return True
    notes.append(Note("param_dropped", name, f"the provider takes only {name} of the form {pattern}"))
    return False


def _matches(pattern: str, value: Raw) -> bool:
    try:
        text = msgspec.json.decode(value, type=str)
    except msgspec.DecodeError:
        return False
    return re.fullmatch(pattern, text) is not None


def _end_user(request: Request, profile: Profile) -> dict[str, Raw]:
    """The client's fields that name the end user, with the id in each: the vendor's own name for it, where the client
    knows that, before those of the protocol. A Messages client has it in `metadata`."""
    if request.wire != "messages":
        own = {name: value for name, value in request.extra.items() if name == profile.user_field}
        return own | {name: request.params[name] for name in _USER if name in request.params}
    if "metadata" in profile.params or "metadata" not in request.params:
        return {}
    try:
        said = msgspec.json.decode(request.params["metadata"], type=_Metadata).user_id
    except msgspec.DecodeError:
        return {}
    return {"metadata": Raw(msgspec.json.encode(_lasting(said)))} if said else {}


class _Metadata(msgspec.Struct):
    user_id: str | None = None


def _lasting(id: str) -> str:
    """The id without its session: Claude Code's is `{"device_id", "account_uuid", "session_id"}` as text, in former
    years `user_X_account_Y_session_Z`. Vendors keep a cache for each user, and every session would start with none."""
    try:
        said = msgspec.json.decode(id)
    except msgspec.DecodeError:
        said = None
    if isinstance(said, dict) and said.pop("session_id", None) is not None:
        return msgspec.json.encode(said).decode()
    return id.partition("_session_")[0]


def _place_user(user: Mapping[str, Raw], profile: Profile, out: dict[str, Raw], notes: list[Note]) -> None:
    """The end user's id under the provider's own name, which may lie one level deep; hashed where its form is wrong."""
    name = next((name for name in user if bytes(user[name]) not in _NOTHING), None)
    field = profile.user_field or ""
    if name is None:
        return
    value = user[name]
    outer, dot, inner = field.partition(".")
    pattern = profile.param_patterns.get(field)
    if pattern is not None and not _matches(pattern, value):
        value = Raw(msgspec.json.encode("user_" + hashlib.sha256(bytes(value)).hexdigest()[:32]))
        notes.append(Note("param_clamped", name, f"the provider takes only ids of the form {pattern}: a hash is sent"))
    out[outer] = Raw(msgspec.json.encode({inner: value})) if dot else value


def _dialect(wire: WireName) -> str:
    """Chat and Responses share the names and meanings of their parameters."""
    return "messages" if wire == "messages" else "openai"


def _extra(request: Request, context: Context, notes: list[Note]) -> dict[str, Raw]:
    """Fields that the client's protocol does not know: those that the provider documents, or all where all may pass
    and the client speaks the protocol that the provider is spoken to in."""
    profile = context.profile
    if profile.extra_passthrough and request.wire == context.wire:
        return request.extra
    placed = None if request.wire == "messages" else profile.user_field
    names = [name for name, value in request.extra.items() if bytes(value) != b"null" and name != placed]
    known = {name: request.extra[name] for name in names if name in profile.params}
    for name in [name for name in names if name not in known][:_MAX_UNKNOWN]:
        notes.append(Note("unknown_field", name[:80], "the field is not known and was left out"))
    return {name: value for name, value in known.items() if _fits(name, value, profile, notes)}


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
