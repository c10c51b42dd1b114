"""OpenAI: Responses with sealed reasoning, Chat Completions that never shows any, errors with a code and a field."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.simulator.ask import Rejected
from dragoman.simulator.vendor import Failure, ModelCard, Vendor, WireName, bearer_key
from dragoman.simulator.vendors import openai_responses
from dragoman.simulator.vendors.openai_chat import Chat, Voice

_CODES = {
    "unknown_field": "unknown_parameter",
    "field_missing": "missing_required_parameter",
    "field_type": "invalid_type",
    "unsupported_parameter": "unsupported_parameter",
    "invalid_encrypted_content": "invalid_encrypted_content",
    "previous_response_not_found": "previous_response_not_found",
    "strict_schema": "invalid_function_parameters",
    "auth": "invalid_api_key",
    "model_unknown": "model_not_found",
    "model_gone": "model_not_found",
    "overflow": "context_length_exceeded",
}
_PLAIN = ("json", "path", "call_unanswered", "result_orphan", "item_unknown", "response_unknown", "json_word")
"""Rules whose errors have no code."""


def _told(error: Rejected, wire: WireName) -> Failure:
    code = "" if error.rule in _PLAIN else _CODES.get(error.rule, "invalid_value")
    message = {
        "unknown_field": f"Unknown parameter: '{error.field}'.",
        "field_missing": f"Missing required parameter: '{error.field}'.",
        "field_type": f"Invalid type for '{error.field}': {error.reason}",
        "item_type": f"Invalid value: {error.reason}",
        "auth": "Incorrect API key provided.",
        "path": f"Invalid URL (POST {error.field})",
        "model_unknown": f"The model {error.reason.split()[0]} does not exist or you do not have access to it.",
        "json": "We could not parse the JSON body of your request.",
    }.get(error.rule, error.reason or error.message)
    return Failure(error.status, error.message or message, code=code, param=error.field)


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    error = {
        "message": failure.message,
        "type": failure.kind or "invalid_request_error",
        "param": failure.param or None,
        "code": failure.code or None,
    }
    return msgspec.json.encode({"error": error})


def _overflow(card: ModelCard, prompt: int) -> Failure:
    told = "Your input exceeds the context window of this model. Please adjust your input and try again."
    return Failure(400, told, code="context_length_exceeded", param="input")


def _listed(card: ModelCard) -> dict[str, Any]:
    return {"id": card.id, "object": "model", "created": 1_790_000_000, "owned_by": "openai"}


_FAILURES = {
    "400": Failure(400, "Invalid value.", code="invalid_value", param="input"),
    "401": Failure(401, "Incorrect API key provided.", code="invalid_api_key"),
    "403": Failure(
        403, "Country, region, or territory not supported", "unsupported_country_region_territory", "request_forbidden"
    ),
    "404": Failure(404, "The model does not exist or you do not have access to it.", code="model_not_found"),
    "413": Failure(413, "The request body is too large."),
    "429": Failure(429, "Rate limit reached. Please try again in 1.5s.", "rate_limit_exceeded", "requests"),
    "quota": Failure(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "500": Failure(500, "The server had an error while processing your request.", "", "server_error"),
    "503": Failure(
        503, "The engine is currently overloaded, please try again later.", "server_is_overloaded", "server_error"
    ),
    "504": Failure(504, "The request timed out.", "", "server_error"),
    "moderation": Failure(400, "Invalid prompt: it was flagged as violating the usage policy.", "invalid_prompt"),
    "overflow": Failure(400, ""),
    "exploded": Failure(500, "upstream exploded", "server_error", "server_error"),
}

_BOTH: tuple[WireName, ...] = ("chat", "responses")
_MEDIA = ("image", "file")

OPENAI = Vendor(
    id="openai",
    owner="openai",
    models=(
        *(
            ModelCard(name, 922_000, 128_000, 128_000, _MEDIA, wires=_BOTH)
            for name in (
                "gpt-6.1-sol",
                "gpt-6.1-terra",
                "gpt-6-astra",
                "gpt-6-sol",
                "gpt-6-luna",
                "gpt-5.6",
                "gpt-5.6-sol",
                "gpt-5.6-terra",
                "gpt-5.6-luna",
            )
        ),
        *(ModelCard(name, 1_050_000, 128_000, 128_000, _MEDIA, wires=_BOTH) for name in ("gpt-5.5", "gpt-5.4")),
        *(ModelCard(name, 272_000, 128_000, 128_000, _MEDIA, wires=_BOTH) for name in ("gpt-5.4-mini", "gpt-5.4-nano")),
        ModelCard("gpt-5.3-codex", 272_000, 128_000, 128_000, _MEDIA, wires=("responses",)),
    ),
    paths={"/v1/chat/completions": "chat", "/v1/responses": "responses"},
    key=lambda headers, wire: bearer_key(headers),
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    listed=_listed,
    chat=Chat(),
    chat_voice=Voice(),
    responses=openai_responses.STYLE,
)
"""OpenAI."""
