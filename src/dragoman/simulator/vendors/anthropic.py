"""Anthropic: the Messages protocol itself, with signed thinking, cache marks, and a web search that the server runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.bodies import KINDS
from dragoman.simulator.memory import Broken, ReasoningMemory, calling, dropped, open_turn
from dragoman.simulator.vendor import Failure, ModelCard, Vendor, WireName, bearer_key
from dragoman.simulator.vendors.anthropic_rules import Rules
from dragoman.simulator.vendors.anthropic_voice import Voice


def _key(headers: Mapping[str, str], wire: WireName) -> str | None:
    """Either header; but a request without a version is not read at all."""
    key = headers.get("x-api-key") or bearer_key(headers)
    if key is not None and not headers.get("anthropic-version"):
        raise Rejected("version", "anthropic-version", "anthropic-version: header is required")
    return key


def _replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """Inside an open tool loop thinking comes back; where the model decides on it, the server cannot tell."""
    return dropped(memory, ask, calling(ask, open_turn(ask))) if ask.thinking else ()


def _dotted(path: str) -> str:
    return re.sub(r"\[(\d+)\]", r".\1", path)


def _told(error: Rejected, wire: WireName) -> Failure:
    path = _dotted(error.field)
    reason = _dotted(error.reason).removeprefix(f"{path}: ")
    message = {
        "auth": "invalid x-api-key",
        "model_unknown": f"model: {error.reason.split()[0]}",
        "text_not_set": "messages: text content blocks must be non-empty",
        "call_unanswered": f"{path}: {reason}. Each `tool_use` block must have a corresponding `tool_result` block "
        "in the next message.",
        "path": "Not Found",
        "json": "The request body is not valid JSON",
        "overflow": error.reason,
        "cache_marks": error.reason,
    }.get(error.rule, f"{path}: {reason}" if path else reason)
    return Failure(error.status, error.message or message)


_KINDS = {**KINDS, 504: "timeout_error"}


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    error = {"type": failure.kind or _KINDS.get(failure.status, "api_error"), "message": failure.message}
    body: dict[str, Any] = {"type": "error", "error": error}
    return msgspec.json.encode({**body, "request_id": f"req_{request}"} if request else body)


def _overflow(card: ModelCard, prompt: int) -> Failure:
    return Failure(400, f"prompt is too long: {prompt} tokens > {card.context} maximum")


def _listed(card: ModelCard) -> dict[str, Any]:
    return {"type": "model", "id": card.id, "display_name": card.id, "created_at": "2026-09-01T00:00:00Z"}


_FAILURES = {
    "400": Failure(400, "messages: Input should be another"),
    "401": Failure(401, "invalid x-api-key"),
    "402": Failure(402, "Your credit balance is too low to access the API."),
    "403": Failure(403, "Your API key does not have permission to use the specified resource."),
    "404": Failure(404, "model: not found"),
    "413": Failure(413, "Request exceeds the maximum size"),
    "429": Failure(429, "This request would exceed your account's rate limit. Please try again later."),
    "500": Failure(500, "Internal server error"),
    "504": Failure(504, "Request timed out"),
    "529": Failure(529, "Overloaded"),
    "overflow": Failure(400, ""),
    "exploded": Failure(529, "upstream exploded"),
}
_WIRES: tuple[WireName, ...] = ("messages",)
_MEDIA = ("image", "document")

ANTHROPIC = Vendor(
    id="anthropic",
    owner="anthropic",
    models=(
        *(
            ModelCard(name, 1_000_000, 128_000, 128_000, _MEDIA, wires=_WIRES)
            for name in (
                "claude-opus-5-5",
                "claude-sonnet-5-5",
                "claude-haiku-5-5",
                "claude-fable-5-1",
                "claude-opus-5",
                "claude-sonnet-5",
                "claude-opus-4-8",
                "claude-opus-4-7",
                "claude-opus-4-6",
                "claude-sonnet-4-6",
            )
        ),
        *(
            ModelCard(name, 200_000, 64_000, 64_000, _MEDIA, wires=_WIRES)
            for name in ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")
        ),
    ),
    paths={"/v1/messages": "messages"},
    key=_key,
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    listed=_listed,
    replay=_replay,
    manners=("redacted",),
    request_id="request-id",
    messages=Rules(),
    messages_voice=Voice(),
)
"""Anthropic."""
