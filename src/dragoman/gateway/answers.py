"""Answers that are no streams: JSON, and errors in the client's own shape with the headers that its SDK obeys.

In: bodies and `ErrorInfo`. Out: ASGI messages. Every error text is redacted and capped here, the last place before it
leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from starlette.types import Send

from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.errors import KIND_STATUS, ErrorInfo
from dragoman.gateway import notes as note_header
from dragoman.gateway.wires import wire
from dragoman.telemetry.redaction import Redactor

MAX_MESSAGE = 2048
"""Characters of an error text that a client is shown."""
RATE_WAIT = 5.0
"""Seconds that a client is asked to wait after a rate limit whose vendor names no time: without a number some clients
come back at once, others not before a minute."""
Headers = list[tuple[bytes, bytes]]
_FINAL = frozenset({"auth", "billing", "config", "internal"})


def client_status(info: ErrorInfo, name: WireName) -> int:
    """The HTTP status towards the client. A vendor's 503 is our 502: the gateway itself is well."""
    if info.status:
        return info.status
    if info.kind == "overloaded" and info.upstream_status:
        return 529 if name == "messages" and info.upstream_status == 529 else 502
    return KIND_STATUS[info.kind]


def presentable(info: ErrorInfo, redact: Redactor) -> ErrorInfo:
    """The error as a client may see it."""
    message = info.message
    code = info.code
    if info.kind == "auth" and info.fault == "upstream":
        who = info.provider or "the provider"
        account = f" (account {info.account})" if info.account else ""
        if who not in message or (info.account and info.account not in message):
            message = f"{who}{account} refused the gateway's key: {message}"
        code = "upstream_auth"
    param = info.param and redact(info.param)[:MAX_MESSAGE]
    code = code and redact(code)[:MAX_MESSAGE]
    return msgspec.structs.replace(info, message=redact(message)[:MAX_MESSAGE], code=code, param=param, raw=None)


def id_headers(name: WireName, request_id: str) -> Headers:
    """The request's id under the names that clients look for."""
    value = request_id.encode()
    ids = [(b"x-request-id", value)]
    if name == "messages":
        ids.append((b"request-id", value))
    return ids


def told(model: str, notes: Sequence[Note]) -> Headers:
    """Which model served, and what was not done as asked."""
    out: Headers = []
    if model:
        out.append((b"x-dragoman-model", model.encode("ascii", "backslashreplace")))
    if value := note_header.header(note_header.unique(notes)):
        out.append((b"x-dragoman-notes", value))
    return out


def error_headers(info: ErrorInfo) -> Headers:
    """What an SDK's retry logic reads."""
    out: Headers = []
    wait = RATE_WAIT if info.retry_after is None and info.kind == "rate_limit" else info.retry_after
    if wait is not None:
        out.append((b"retry-after", str(math.ceil(wait)).encode()))
    if info.kind in _FINAL or info.retryable is False:
        out.append((b"x-should-retry", b"false"))
    return out


async def send_json(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """One JSON answer."""
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": fixed + headers})
    await send({"type": "http.response.body", "body": body})


def error_answer(info: ErrorInfo, name: WireName, request_id: str) -> tuple[int, bytes, Headers]:
    """Status, body and headers of an error that is presentable already."""
    body = wire(name).encode_error(info, request_id)
    return client_status(info, name), body, error_headers(info)
