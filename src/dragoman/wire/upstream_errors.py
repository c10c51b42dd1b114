"""Failures of an upstream read as `ErrorInfo`, for every wire: vendors send the same few shapes over all of them.

In: status, headers and body of an HTTP answer, or an error object that stands inside a 200. Out: what it means.
Status first, then code and type, then the text: a body may say more than its status (a plan that is used up under 429,
moderation under 400), or nothing at all. Texts about tokens under 429 are rate limits, not context overflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.errors import ErrorInfo, ErrorKind
from dragoman.wire.lenient import read_json
from dragoman.wire.waits import answered_at, details_wait, reset_wait, retry_after, said_wait

RAW_LIMIT = 2048
"""Characters of a vendor's body that are kept."""
_MESSAGE_LIMIT = 2000

_STATUS: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "auth",
    402: "billing",
    403: "auth",
    404: "not_found",
    408: "timeout",
    409: "server",
    413: "too_large",
    421: "content_filter",
    422: "invalid_request",
    429: "rate_limit",
    500: "server",
    502: "server",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_WORDS: dict[str, ErrorKind] = {
    "insufficient_quota": "billing",
    "exceeded_current_quota_error": "billing",
    "insufficient_balance": "billing",
    "billing_error": "billing",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "rate_limit_reached_error": "rate_limit",
    "limitation": "rate_limit",
    "engine_overloaded_error": "overloaded",
    "overloaded_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "context_length_exceeded": "overflow",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "permission_error": "auth",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "resource_not_found_error": "not_found",
    "invalid_request_error": "invalid_request",
    "bad_request_error": "invalid_request",
    "timeout_error": "timeout",
    "server_error": "server",
    "api_error": "server",
    "internal_error": "server",
    "network_error": "server",
    # The words of google.rpc.Code, which stand in `status` beside a numeric code.
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "NOT_FOUND": "not_found",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "INTERNAL": "server",
}
_BASE_RESP: dict[int, ErrorKind] = {
    1000: "server",
    1001: "timeout",
    1002: "rate_limit",
    1004: "auth",
    1008: "billing",
    1013: "server",
    1026: "content_filter",
    1027: "content_filter",
    1039: "rate_limit",
    1041: "rate_limit",
    2013: "invalid_request",
    2045: "rate_limit",
    2049: "auth",
    2056: "billing",
    2062: "billing",
}
"""Codes documented for `base_resp`; every other one is a server failure."""
_BROKEN = frozenset({"network_error", "insufficient_system_resource", "error"})
_OVERFLOW = re.compile(
    r"context[ _](?:length|window)|maximum context|prompt (?:is )?too long|input (?:is )?too long"
    r"|reduce the length|exceeds? (?:the )?(?:model'?s )?(?:max(?:imum)? )?(?:input|context)"
    r"|exceeds? the maximum number of (?:input )?tokens|prompt exceeds (?:max|the)",
    re.I,
)
_QUOTA = re.compile(
    r"insufficient (?:account )?(?:balance|funds|quota|credits?)|no balance|arrears|out of credits", re.I
)


class BaseResp(msgspec.Struct, gc=False):
    """A status inside a 200 (documented for one vendor's whole and streamed answers)."""

    status_code: int | None = None
    status_msg: str | None = None


class _Said(msgspec.Struct):
    """What an error body says. wait: seconds, where the body tells them."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    wait: float | None = None


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _read(value: Any) -> _Said | None:
    """An error object in any of its known forms; None when it says nothing."""
    if isinstance(value, str):
        return _Said(value) if value.strip() else None
    if isinstance(value, list):
        return next((said for said in map(_read, value) if said is not None), None)
    if not isinstance(value, dict) or not value:
        return None
    inner = value.get("error")
    if isinstance(inner, dict | str | list) and inner:
        said = _read(inner)
        if said is not None and said.type is None and isinstance(inner, str):
            said.code = _word(value.get("code"))
        return said
    message = next((value[k] for k in ("message", "msg", "detail", "error_message") if value.get(k)), "")
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    status_word = _word(value.get("status"))
    type_ = _word(value.get("type")) or (status_word if status_word in _WORDS else None)
    said = _Said(
        message, _word(value.get("code")), type_, _word(value.get("param")), details_wait(value.get("details"))
    )
    status = value.get("base_resp")
    if isinstance(status, dict) and not message:
        return _Said(_word(status.get("status_msg")) or "", _word(status.get("status_code")))
    _add_reason(said, value.get("metadata"))
    return said if said.message or said.code or said.type else None


def _add_reason(said: _Said, metadata: Any) -> None:
    """Some vendors put the true reason into `param`; a router puts its provider's body into `metadata.raw`."""
    if said.param and " " in said.param:
        said.message = f"{said.message}: {said.param}" if said.message else said.param
        said.param = None
    if not isinstance(metadata, dict):
        return
    raw = metadata.get("raw")
    inner = _read(_parse(raw.encode("utf-8", "replace")) if isinstance(raw, str) else raw)
    reason = inner.message if inner is not None and inner.message else raw[:500] if isinstance(raw, str) else ""
    who = metadata.get("provider_name")
    if reason:
        named = f"{who}: {reason}" if isinstance(who, str) and who else reason
        said.message = f"{said.message}: {named}" if said.message else named


def _kind(said: _Said, status: int) -> ErrorKind:
    codes = {said.code or "", said.type or ""}
    if status in (401, 402):
        return _STATUS[status]
    if codes & {"421", "441"} and status < 500:
        return "content_filter"
    words: list[ErrorKind] = [_WORDS[c] for c in (said.code, said.type) if c in _WORDS]
    specific = [w for w in words if w not in ("invalid_request", "server")]
    if status == 429 or "rate_limit" in specific or "429" in codes:
        if "billing" in specific or _QUOTA.search(said.message):
            return "billing"
        return "overloaded" if "overloaded" in specific else "rate_limit"
    if specific:
        return specific[0]
    if status in (0, 400, 413, 422) and _OVERFLOW.search(said.message):
        return "overflow"
    if status in (0, 400, 403) and _QUOTA.search(said.message):
        return "billing"
    if not status and said.code and said.code.isdecimal():
        status = int(said.code)
    if status in _STATUS:
        return _STATUS[status]
    if 400 <= status < 500:
        return "invalid_request"
    return words[0] if words and not status else "server"


def _info(said: _Said, status: int, raw: str | None, wait: float | None) -> ErrorInfo:
    kind = _kind(said, status)
    code = said.code or (said.type if said.type in _WORDS else None)
    if kind == "auth":
        code = "upstream_auth"
    elif kind == "overflow":
        code = "context_length_exceeded"
    if wait is None and kind in ("rate_limit", "overloaded"):
        wait = said.wait if said.wait is not None else said_wait(said.message)
    return ErrorInfo(
        kind,
        said.message[:_MESSAGE_LIMIT],
        code=code,
        param=said.param,
        upstream_status=status or None,
        retry_after=wait,
        raw=raw,
    )


def _parse(body: bytes) -> Any:
    """The JSON of a body. On errors, one vendor sends `data:` before it, though the answer is no stream."""
    text = body.strip()
    if text.startswith(b"event:"):
        text = text.partition(b"\n")[2].strip()
    text = text.removeprefix(b"data:").strip()
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return None


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
    """The failure that an HTTP answer other than 200 tells of. Never raises."""
    text = body[: RAW_LIMIT * 4].decode("utf-8", "replace")
    said = _read(_parse(body)) or _Said()
    if not said.message:
        plain = text.strip()
        short = plain[:200] if plain and plain[:1] not in "<{[" and "\n" not in plain else ""
        said.message = f"the upstream answered {status}" + (f": {short}" if short else "")
    now = answered_at(headers)
    wait = retry_after(headers, now)
    if wait is None and now is not None and status in (402, 403, 429):
        wait = reset_wait(said.message, now)
    return _info(said, status, text[:RAW_LIMIT] or None, wait)


def stream_error(value: Any) -> ErrorInfo | None:
    """The failure that an error object inside a 200 tells of, or None where it says nothing."""
    said = _read(value)
    if said is None:
        return None
    if not said.message:
        said.message = "the upstream reported an error in its stream"
    info = _info(said, 0, None, None)
    if info.kind == "invalid_request" and not (said.type or said.code):
        return msgspec.structs.replace(info, kind="server")
    return info


def error_event(data: bytes) -> ErrorInfo:
    """The failure that an SSE event named `error` tells of."""
    value = _parse(data)
    if value is None:
        value = data.decode("utf-8", "replace")
    return stream_error(value) or ErrorInfo("server", "the upstream sent an error event")


def status_kind(code: int) -> ErrorKind | None:
    """What a `base_resp` code means, None for one that is not documented."""
    return _BASE_RESP.get(code)


def is_overflow(message: str) -> bool:
    """Whether a refusal's text speaks of the context window."""
    return _OVERFLOW.search(message) is not None


def base_resp_error(status: BaseResp) -> ErrorInfo | None:
    """The failure that a `base_resp` tells of: any status but 0."""
    if not status.status_code:
        return None
    kind = _BASE_RESP.get(status.status_code, "server")
    message = status.status_msg or f"the upstream reported status {status.status_code}"
    if kind == "invalid_request" and is_overflow(message):
        kind = "overflow"
    code = {"auth": "upstream_auth", "overflow": "context_length_exceeded"}.get(kind, str(status.status_code))
    return ErrorInfo(kind, message[:_MESSAGE_LIMIT], code=code)


def broken_off(word: str) -> ErrorInfo | None:
    """The failure that a finish reason tells of, where it is none: the answer is not whole, and nobody knows where it
    was cut. Vendors use the same words over all protocols."""
    if word not in _BROKEN:
        return None
    return ErrorInfo("server", f"the upstream broke its answer off: {word}")
