"""The ASGI application: who may pass, which road a path is, and the life of what requests share.

The three POST roads are plain ASGI callables, dispatched before any router; everything else is Starlette's. In:
settings. Out: an app for any ASGI server.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dragoman.client.transport import Transport
from dragoman.config import Settings
from dragoman.core.messages import WireName
from dragoman.errors import DragomanError, InvalidRequest
from dragoman.gateway.flow import Flow
from dragoman.gateway.gate import Gate, Parts
from dragoman.gateway.routes.pages import Pages, error_response, shape_of

_BARE: dict[str, WireName] = {"/responses": "responses", "/chat/completions": "chat", "/messages": "messages"}
ROADS: dict[str, WireName] = {f"{version}{path}": name for version in ("/v1", "") for path, name in _BARE.items()}
"""The paths of the three roads."""


class Gateway:
    """The app. `gate` holds what its requests share."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._pages = _pages(gate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's scope, as ASGI wants it."""
        if scope["type"] == "lifespan":
            await self._pages(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path, headers = scope["path"], Headers(scope=scope)
        if _preflight(self.gate, scope, headers):
            await _allowed(headers)(scope, receive, _cors_send(send, headers["origin"]))
            return
        denied = self.gate.door.check(path, headers)
        if denied is not None:
            await error_response(self.gate, denied, shape_of(path, headers))(scope, receive, send)
            return
        origin = headers.get("origin")
        if origin is not None and self.gate.door.origin_allowed(origin):
            send = _cors_send(send, origin)
        road = ROADS.get(path.rstrip("/")) if scope["method"] == "POST" else None
        if road is not None:
            await Flow(self.gate, road, scope, receive, send).run()
        else:
            await self._pages(scope, receive, _named_send(send, self.gate.mint("req_")))


def create_app(settings: Settings, *, transport: Transport | None = None, **parts: Any) -> Gateway:
    """The gateway for these settings. transport: in place of real connections. parts: as in `gate.Parts`.

    Raises ConfigError when the settings cannot be served.
    """
    return Gateway(Gate(settings, Parts(transport=transport, **parts)))


def _preflight(gate: Gate, scope: Scope, headers: Headers) -> bool:
    """Whether this asks if a page of an allowed origin may call: it carries no key."""
    return scope["method"] == "OPTIONS" and gate.door.origin_allowed(headers.get("origin") or "")


def _cors_send(send: Send, origin: str) -> Send:
    async def tell(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
                (b"access-control-expose-headers", b"x-request-id, x-dragoman-model, x-dragoman-notes, retry-after"),
                (b"vary", b"origin"),
            ]
        await send(message)

    return tell


def _named_send(send: Send, id: str) -> Send:
    """Gives an answer that has no request id one."""

    async def tell(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if not any(name.lower() == b"x-request-id" for name, _ in headers):
                headers.append((b"x-request-id", id.encode()))
            message["headers"] = headers
        await send(message)

    return tell


def _allowed(headers: Headers) -> Response:
    """The answer to a preflight of an allowed origin."""
    asked = headers.get("access-control-request-headers", "authorization, content-type")
    allowed = {"access-control-allow-methods": "GET, POST, DELETE", "access-control-allow-headers": asked}
    return Response(status_code=204, headers=allowed)


def _pages(gate: Gate) -> ASGIApp:
    pages = Pages(gate)
    table: tuple[tuple[str, list[str], Callable[[HttpRequest], Any]], ...] = (
        ("/messages/count_tokens", ["POST"], pages.count_messages),
        ("/responses/input_tokens", ["POST"], pages.count_responses),
        ("/responses", ["GET"], pages.upgrade),
        ("/responses/{id}", ["GET"], pages.get_response),
        ("/responses/{id}", ["DELETE"], pages.delete_response),
        ("/responses/{id}/input_items", ["GET"], pages.input_items),
        ("/models", ["GET"], pages.models),
        ("/models/{name:path}", ["GET"], pages.model),
    )
    routes = [
        Route(f"{version}{path}", pages.guarded(page), methods=methods)
        for version in ("/v1", "")
        for path, methods, page in table
    ]
    routes += [
        Route("/", pages.root, methods=["GET"]),
        Route("/healthz", pages.healthz, methods=["GET"]),
        Route("/readyz", pages.readyz, methods=["GET"]),
    ]

    async def missing(request: HttpRequest, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return error_response(gate, _unrouted(request, status), shape_of(request.url.path, request.headers))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # A request makes many short-lived values and no cycles to speak of: look for those less often.
        thresholds = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        try:
            yield
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)
            await gate.close()

    async def broken(request: HttpRequest, error: Exception) -> Response:
        gate.log.trouble("defect", error, path=request.url.path)
        defect = DragomanError("the gateway failed on this request; its log says where")
        return error_response(gate, defect, shape_of(request.url.path, request.headers))

    handlers: dict[Any, Any] = {HTTPException: missing, Exception: broken}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def _unrouted(request: HttpRequest, status: int) -> InvalidRequest:
    path = request.url.path
    if (status == 405 or path in ROADS) and not path.endswith("/responses/compact"):
        use = "; use POST" if path in ROADS else ""
        return InvalidRequest(f"{request.method} is not served on {path}{use}", code="method_not_allowed", status=405)
    if path.startswith("/v1/v1/"):
        remedy = "the client adds /v1 by itself; leave it out of its base URL"
    else:
        remedy = f"clients are served on {', '.join(f'/v1{bare}' for bare in _BARE)} and /v1/models"
    return InvalidRequest(f"nothing is served on {path}; {remedy}", code="not_found", status=404)
