"""Failures in the Messages protocol: written for a client, and read from an upstream.

Out: the error object with the protocol's own types; a context overflow begins as clients expect it, so that they
compact their history. In: any of the shapes that vendors use on this wire - its own, the Chat one, and an envelope
with a status of its own - by the one reader that both wires share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from dragoman.errors import ErrorInfo
from dragoman.wire.upstream_errors import BaseResp, base_resp_error, stream_error
from dragoman.wire.upstream_errors import decode_error as _decode_error

_TYPES: dict[str, str] = {
    "invalid_request": "invalid_request_error",
    "overflow": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "aborted": "invalid_request_error",
    "not_found": "not_found_error",
    "access": "authentication_error",
    "billing": "billing_error",
    "rate_limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
    "too_large": "request_too_large",
}
_TOO_LONG = "prompt is too long"
"""Claude Code compacts its history when a 400 begins with this."""
_MAXIMUM = re.compile(r"(?:maximum|limit|window|max)[^0-9]{0,60}?(\d[\d,_]{3,})", re.I)
_NUMBER = re.compile(r"\d[\d,_]{3,}")


def type_of(info: ErrorInfo) -> str:
    """The protocol's word for a failure."""
    if info.kind == "access" and info.http_status in (403, 421):
        return "permission_error"
    return _TYPES.get(info.kind, "api_error")


def text_of(info: ErrorInfo) -> str:
    """What a client is told. An overflow is told in the words that clients look for, with the numbers where known."""
    if info.kind != "overflow" or info.message.startswith(_TOO_LONG):
        return info.message
    most = _MAXIMUM.search(info.message)
    if most:
        limit = _number(most.group(1))
        asked = max(map(_number, _NUMBER.findall(info.message)))
        if asked > limit:
            return f"{_TOO_LONG}: {asked} tokens > {limit} maximum"
    return f"{_TOO_LONG}: {info.message}"


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def encode_error(info: ErrorInfo, request_id: str = "") -> bytes:
    """The error object: an HTTP body, or the data of an `error` event."""
    error = {"type": type_of(info), "message": text_of(info)}
    body: dict[str, object] = {"type": "error", "error": error}
    if request_id:
        body["request_id"] = request_id
    return msgspec.json.encode(body)


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
    """The failure that an HTTP answer other than 200 tells of. Never raises."""
    return _decode_error(status, headers, body)


def info_of(raw: Raw) -> ErrorInfo:
    """The failure that the `error` field of an event, or of a 200 body, tells of."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    return stream_error(value) or ErrorInfo("server", "the upstream reported an error without saying which")


def refusal_in(raw: Raw) -> ErrorInfo | None:
    """The failure that a status envelope inside a 200 tells of; None where there is none, or it is fine."""
    if bytes(raw)[:1] != b"{":
        return None
    try:
        return base_resp_error(msgspec.json.decode(raw, type=BaseResp))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
