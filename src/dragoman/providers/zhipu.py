"""Zhipu GLM: what its errors mean. Everything else about it is data in the catalogue.

Bodies are `{"error": {"code": "1214", "message": "..."}}`. The code says more than the status: an empty balance, a plan
that is used up and a plain rate limit all come as 429 (docs.z.ai, API error codes, autumn 2026). When a plan is open
again stands in the text, without its zone (Beijing's, by clients' reports), and is left there for the person to read.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from dragoman.core.messages import WireName
from dragoman.core.search import NativeSearch, SearchWish
from dragoman.core.tools import Tool
from dragoman.errors import ErrorInfo, ErrorKind
from dragoman.providers import zhipu_search
from dragoman.providers.vendor import Vendor, told

_KINDS: dict[str, ErrorKind] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1005"), "auth"),
    "1113": "billing",
    **dict.fromkeys(("1210", "1212", "1213", "1214"), "invalid_request"),
    "1211": "not_found",
    "1261": "overflow",
    "1301": "content_filter",
    "1302": "rate_limit",
    "1303": "rate_limit",
    "1305": "overloaded",
    "1308": "billing",
    "1309": "billing",
    "1310": "billing",
    "1311": "not_found",
    "1313": "rate_limit",
    "1315": "auth",
    **dict.fromkeys(("500", "1200", "1230", "1234"), "server"),
}
_LATER = frozenset({"1113", "1308", "1309", "1310", "1311", "1313", "1315"})
"""The same call would fail again at once: money, a plan's window or a restriction."""
_CODES: dict[str, str] = {
    "auth": "upstream_auth",
    "overflow": "context_length_exceeded",
    "content_filter": "content_filter",
    "not_found": "model_not_found",
}


class _Body(msgspec.Struct):
    code: str | int | None = None


class _Envelope(msgspec.Struct):
    error: _Body


class Zhipu(Vendor):
    """Error reading and web search for GLM."""

    def searches(self, wire: WireName, url: str, key: str | None) -> bool:
        """On the Chat wire, but not on the coding plan's base."""
        return wire == "chat" and "/coding/" not in urlsplit(url).path

    def search_tool(self, tool: Tool, wish: SearchWish) -> NativeSearch | None:
        """The nested declaration."""
        return zhipu_search.search_tool(tool, wish)

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """The kind by the code in the body."""
        try:
            code = msgspec.json.decode(body, type=_Envelope).error.code
        except (msgspec.DecodeError, RecursionError):
            return info
        return _by_code(info, str(code))

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """The kind by the code that the stream told."""
        return _by_code(info, info.code or "")


def _by_code(info: ErrorInfo, code: str) -> ErrorInfo:
    kind = _KINDS.get(code)
    if kind is None:
        return info
    retryable = False if code in _LATER else None
    return told(info, kind, info.message, _CODES.get(kind, code), retryable=retryable)
