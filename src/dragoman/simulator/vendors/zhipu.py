"""Zhipu / Z.ai: errors as numbers in a string, usage in the last chunk, arguments in pieces only with `tool_stream`.

The coding-plan address has rules of its own: it turns thinking down where the other refuses to turn it off, and keeps
earlier thinking unless told otherwise. A reasoning that does not come back is never an error here, only a violation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.memory import Broken, ReasoningMemory, calling, dropped, open_turn
from dragoman.simulator.vendor import Failure, ModelCard, Vendor, WireName, bearer_or_x_api_key
from dragoman.simulator.vendors import zhipu_responses
from dragoman.simulator.vendors.zhipu_rules import Chat, Messages
from dragoman.simulator.vendors.zhipu_voice import SpokenMessages, Voice

_ILLEGAL = "The messages parameter is illegal. Please check the documentation."
_INVALID = "Invalid API parameter, please check the documentation."
_UNKNOWN = "Unknown Model, please check the model code."


def _told(error: Rejected, wire: WireName) -> Failure:
    """The codes say which kind of thing is wrong; the text does not say where."""
    if error.rule == "auth":
        return Failure(401, "Authorization Token is illegal, please confirm that it is correct.", code="1002")
    if error.rule == "path":
        return Failure(404, "Not Found", code="404")
    if error.rule in ("model_unknown", "model_gone"):
        return Failure(400, _UNKNOWN, code="1211")
    if error.rule == "response_unknown":
        return Failure(404, error.message, code="404")
    if error.rule == "overflow":
        return Failure(400, error.reason, code="1261")
    if error.rule in ("thinking_forced", "tool_type"):
        return Failure(400, f"The current model does not support this call. {error.reason}", code="1212")
    if error.field.startswith(("messages", "input")):
        return Failure(400, _ILLEGAL, code="1214")
    return Failure(400, _INVALID, code="1210")


def _body(failure: Failure, wire: WireName, request: str) -> bytes:
    error = {"code": failure.code, "message": failure.message}
    if wire == "messages":
        return msgspec.json.encode({"type": "error", "error": error, "request_id": request})
    return msgspec.json.encode({"error": error})


def _overflow(card: ModelCard, prompt: int) -> Failure:
    return Failure(400, f"Prompt exceeds max length ({prompt} > {card.context} tokens)", code="1261")


def _replay(memory: ReasoningMemory, ask: Ask) -> Iterable[Broken]:
    """In an open tool loop the reasoning of its calls; with preserved thinking that of every turn. Never an error."""
    if not ask.thinking:
        return ()
    if "kept" in ask.options:
        return dropped(memory, ask, range(len(ask.said)))
    return dropped(memory, ask, calling(ask, open_turn(ask)))


_QUOTA = "Usage limit reached for 5 hour. Your limit will reset at 2026-05-15 15:00:00"
_FAILURES = {
    "400": Failure(400, _INVALID, code="1210"),
    "401": Failure(401, "Authentication parameter not received in Header", code="1001"),
    "429": Failure(429, "Rate limit reached for requests", code="1302"),
    "500": Failure(500, "Internal network error, please contact customer service.", code="1234"),
    "503": Failure(503, "The service is temporarily unavailable", code="1230"),
    "overload": Failure(429, "The service may be temporarily overloaded, please try again later", code="1305"),
    "quota": Failure(429, _QUOTA, code="1308"),
    "balance": Failure(429, "Insufficient balance or no resource package. Please recharge.", code="1113"),
    "moderation": Failure(400, "System detected potentially unsafe or sensitive content in input", code="1301"),
    "overflow": Failure(400, "Prompt exceeds max length", code="1261"),
    "exploded": Failure(500, "upstream exploded", code="1234"),
}


def _glm(
    name: str, family: str, thinking: Any, context: int = 204_800, *media: str, output: int = 131_072
) -> ModelCard:
    return ModelCard(
        f"glm-{name}",
        context=context,
        max_output=output,
        default_output=min(65_536, output),
        media=media,
        thinking=thinking,
        family=family,
    )


_1M, _200K, _128K = 1_048_576, 204_800, 131_072
_5V = ("image", "video", "file")

ZHIPU = Vendor(
    id="zhipu",
    owner="z-ai",
    models=(
        _glm("5.3", "5.3", "forced", _1M),
        _glm("5.3-flash", "5.3", "forced", _1M, "image", "video"),
        _glm("5.3-flashx", "5.3", "forced", _1M, "image", "video"),
        _glm("5.2", "5.2", "switch", _1M),
        _glm("5.1", "5", "switch"),
        _glm("5", "5", "switch"),
        _glm("5-turbo", "5", "forced"),
        _glm("5v-turbo", "5", "forced", _200K, *_5V),
        _glm("4.7", "4", "forced"),
        _glm("4.7-flash", "4", "forced"),
        _glm("4.7-flashx", "4", "forced"),
        _glm("4.6", "4", "switch"),
        *(_glm(f"4.5{kind}", "4", "switch", _128K, output=98_304) for kind in ("", "-air", "-x", "-airx", "-flash")),
        _glm("4.5v", "4", "forced", 65_536, *_5V, output=16_384),
    ),
    paths={
        "/api/paas/v4/chat/completions": "chat",
        "/api/coding/paas/v4/chat/completions": "chat",
        "/api/anthropic/v1/messages": "messages",
        "/api/v1/responses": "responses",
    },
    models_paths=(),
    key=bearer_or_x_api_key,
    told=_told,
    body=_body,
    failures=_FAILURES,
    overflow=_overflow,
    replay=_replay,
    chat=Chat(),
    chat_voice=Voice(),
    messages=Messages(),
    messages_voice=SpokenMessages(),
    responses=zhipu_responses.STYLE,
)
