"""Xiaomi MiMo: what its errors mean, and where it searches the web. Everything else about it is data in the catalogue.

Bodies are `{"error": {"code": "400", "message": "Param Incorrect", "param": "<the reason>", "type": ""}}`, at times
with `data:` in front: the code is a string, and the true reason stands in `param`, which is no field's name.
Moderation ("421") and risk control ("441") come under HTTP 400 as well (error codes page, May 2026; MiMo-Code).
"""

from __future__ import annotations

import re

import msgspec

from dragoman.catalog.urls import host_of
from dragoman.core.messages import WireName
from dragoman.core.search import NativeSearch, SearchWish
from dragoman.core.tools import Tool
from dragoman.errors import ErrorInfo, ErrorKind
from dragoman.providers import xiaomi_search
from dragoman.providers.vendor import Vendor

_OVERFLOW = re.compile(r"maximum context length|context window|too many tokens|prompt is too long", re.I)
_MODEL = re.compile(r"unsupported model|model.{0,80}(not found|not exist|not supported)|no such model", re.I)
_MODERATED = frozenset({"421", "441"})


class _Body(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Body


class Xiaomi(Vendor):
    """Error reading and web search for MiMo."""

    def searches(self, wire: WireName, url: str, key: str | None) -> bool:
        """Only on the Chat wire: the other two have no such tool in their lists."""
        return wire == "chat" and xiaomi_search.can_search(host_of(url), key)

    def search_tool(self, tool: Tool, wish: SearchWish) -> NativeSearch | None:
        """The flat declaration."""
        return xiaomi_search.search_tool(wish)

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """The reason out of `param`, and the kind out of status, code and reason."""
        found = _read(body)
        if found is None:
            return info
        status = info.upstream_status or info.status
        code = str(found.code) if found.code is not None else ""
        reason = found.param or ""
        text = ": ".join(part for part in (found.message, reason) if part) or info.message
        if status == 421 or code in _MODERATED:
            message = reason or found.message or info.message
            return _told(info, "content_filter", message, "content_filter", retryable=False)
        if status == 404:
            return _not_found(info, text)
        if status != 400:
            return msgspec.structs.replace(info, message=text) if reason else info
        if "reasoning_content" in text:
            return _told(info, "invalid_request", text, "reasoning_missing")
        if "webSearchEnabled" in text:
            return _told(info, "invalid_request", text, "web_search_disabled")
        if _OVERFLOW.search(text):
            return _told(info, "overflow", text, "context_length_exceeded")
        if _MODEL.search(text):
            return _told(info, "not_found", text, "model_not_found")
        return msgspec.structs.replace(info, message=text, param=None)


def _not_found(info: ErrorInfo, text: str) -> ErrorInfo:
    """404 means a model that is unknown or retired, or one that does not see images."""
    if "image input" in text.lower():
        return _told(info, "invalid_request", text, "unsupported_media")
    return _told(info, "not_found", text, "model_not_found")


def _told(info: ErrorInfo, kind: ErrorKind, text: str, code: str, *, retryable: bool | None = None) -> ErrorInfo:
    return msgspec.structs.replace(info, kind=kind, message=text, code=code, param=None, status=0, retryable=retryable)


def _read(body: bytes) -> _Body | None:
    text = body.strip()
    if text.startswith(b"data:"):
        text = text[5:].split(b"\n", 1)[0].strip()
    try:
        return msgspec.json.decode(text, type=_Envelope).error
    except (msgspec.DecodeError, RecursionError):
        return None
