"""MiniMax: one system message, calls that must fit together, reasoning in tags or in pieces, codes in round brackets.

Without `reasoning_split` the reasoning stands in the text between think tags; with it the stream has
`reasoning_details` in pieces and `reasoning_content`. The whole assistant message is to come back as it was sent; the
server does not complain when it does not, but we do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.memory import Broken, ReasoningMemory, calling, dropped
from dragoman.simulator.messages_stream import MessagesVoice
from dragoman.simulator.vendor import Failure, ModelCard, Vendor, WireName, bearer_or_x_api_key
from dragoman.simulator.vendors import minimax_responses
from dragoman.simulator.vendors.minimax_rules import Chat, Messages
from dragoman.simulator.vendors.minimax_voice import SENSITIVE, Voice, base_resp


def _quoted(reason: str) -> str:
    """The first word that the reason quotes."""
    found = re.search(r"'([^']*)'", reason)
    return found.group(1) if found else ""


def _told(error: Rejected, wire: WireName) -> Failure:
    """Nearly everything is 2013; what is wrong stands before the code."""
    word = _quoted(error.reason)
    match error.rule:
        case "auth":
            return Failure(401, "invalid api key", code="2049", kind="authentication_error")
        case "path":
            return Failure(404, "404 page not found", kind="not_found_error")
        case "result_orphan":
            reason = f"tool result's tool id({word}) not found"
        case "call_unanswered":
            reason = "tool call result does not follow tool call"
        case "call_id_twice":
            reason = "duplicate tool_call id"
        case "field_missing" if error.field.endswith(".parameters"):
            reason = "function parameters is empty"
        case "tool_type":
            reason = f"invalid tool type: {word}"
        case "role":
            reason = f"chat content has invalid message role: {word}"
        case "model_unknown" | "model_gone":
            reason = f"unknown model '{word}'"
        case "text_not_set" | "content_null" | "content_missing":
            reason = "chat content is empty"
        case "overflow":
            reason = "context window exceeds limit"
        case "no_media":
            reason = "this model does not support the media"
        case _:
            reason = error.reason
    return Failure(400, f"invalid params, {reason}", code="2013", kind="bad_request_error")


def _key(headers: Mapping[str, str], wire: WireName) -> str | None:
    """Bearer or, on Messages, x-api-key; there the protocol's version is wanted, too."""
    if wire == "messages" and headers.get("anthropic-version") != "2023-06-01":
        raise Rejected("version", "anthropic-version", "anthropic-version header is required")
    return bearer_or_x_api_key(headers, wire)


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    """One shape on all protocols, the code in round brackets at the end; HTTP 200 puts it into base_resp."""
    if failure.status == 200:
        told = {"id": request, "choices": None, "created": 0, "model": "", "object": "", "usage": None, **SENSITIVE}
        return msgspec.json.encode({**told, "base_resp": base_resp(int(failure.code), failure.message)})
    message = f"{failure.message} ({failure.code})" if failure.code else failure.message
    error = {"type": failure.kind or "api_error", "message": message, "http_code": str(failure.status)}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request})


def _overflow(card: ModelCard, prompt: int) -> Failure:
    return Failure(400, "invalid params, context window exceeds limit", code="2013", kind="bad_request_error")


def _replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """Turns with calls come back whole, with what they thought. Nothing is refused."""
    return dropped(memory, ask, calling(ask)) if ask.thinking else ()


_LIMIT = "usage limit exceeded, 5-hour usage limit reached for Token Plan, resets at 2026-05-15T15:00:00Z"
_FAILURES = {
    "400": Failure(400, "invalid params", code="2013", kind="bad_request_error"),
    "401": Failure(401, "login fail: Please carry the API secret key", code="1004", kind="authentication_error"),
    "422": Failure(422, "output new_sensitive", code="1027", kind="unprocessable_entity_error"),
    "429": Failure(429, "rate limit exceeded", code="1002", kind="rate_limit_error"),
    "500": Failure(500, "unknown error, 520", code="1000", kind="api_error"),
    "503": Failure(503, "internal error", code="1013", kind="api_error"),
    "overload": Failure(529, "connection limit exceeded", code="1041", kind="overloaded_error"),
    "quota": Failure(429, _LIMIT, code="2056", kind="rate_limit_error"),
    "balance": Failure(429, "insufficient balance", code="1008", kind="insufficient_balance_error"),
    "moderation": Failure(400, "input new_sensitive", code="1026", kind="bad_request_error"),
    "overflow": Failure(400, "invalid params, context window exceeds limit", code="2013", kind="bad_request_error"),
    "base_resp": Failure(200, "internal error", code="1013"),
    "exploded": Failure(500, "upstream exploded", code="1013", kind="api_error"),
}


def _m2(name: str, context: int = 204_800) -> ModelCard:
    return ModelCard(
        name, context=context, max_output=204_800, default_output=65_536, media=(), thinking="forced", family="M2"
    )


MINIMAX = Vendor(
    id="minimax",
    owner="minimax",
    models=(
        ModelCard("MiniMax-M3", max_output=524_288, media=("image", "video"), thinking="adaptive", family="M3"),
        ModelCard("MiniMax-M3.1-Flash-Preview", media=("image",), thinking="forced", family="M3.1"),
        *(_m2(f"MiniMax-{name}{speed}") for name in ("M2.7", "M2.5", "M2.1") for speed in ("", "-highspeed")),
        _m2("MiniMax-M2", 196_608),
    ),
    paths={
        "/v1/chat/completions": "chat",
        "/anthropic/v1/messages": "messages",
        "/v1/responses": "responses",
    },
    key=_key,
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    replay=_replay,
    manners=("cumulative", "tail", "repeat"),
    chat=Chat(),
    chat_voice=Voice(),
    messages=Messages(),
    messages_voice=MessagesVoice(),
    responses=minimax_responses.STYLE,
)
