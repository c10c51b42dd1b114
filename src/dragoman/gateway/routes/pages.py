"""The ordinary pages: models, token counts, stored responses, health. Each answers in the client's own shape."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from dragoman.core.messages import WireName
from dragoman.errors import DragomanError, InvalidRequest
from dragoman.gateway import answers, counting, sessions
from dragoman.gateway.body import Gone, mend_letters, read_body
from dragoman.gateway.flow import as_refusal
from dragoman.gateway.gate import TENANT, Gate
from dragoman.gateway.intake import find_model, open_history
from dragoman.gateway.models import Shape, model_list, one_model
from dragoman.gateway.wires import wire

Page = Callable[[HttpRequest], Awaitable[Response]]
_VERSION = re.compile(r"^/v1(?=/|$)")


def shape_of(path: str, headers: Any) -> WireName:
    """Whose error shape a path's client reads."""
    path = _VERSION.sub("", path)
    if path.startswith("/messages") or "anthropic-version" in headers:
        return "messages"
    return "chat" if path.startswith("/chat") else "responses"


def _list_shape(request: HttpRequest) -> Shape:
    """Whose list of models the client reads: Codex names its version, Anthropic's clients that of the API."""
    if "anthropic-version" in request.headers:
        return "anthropic"
    return "codex" if "client_version" in request.query_params else "openai"


def json_response(value: Any, status: int = 200, headers: answers.Headers | None = None) -> Response:
    """A JSON answer."""
    out = Response(msgspec.json.encode(value), status, media_type="application/json")
    out.raw_headers.extend(headers or [])
    return out


def error_response(gate: Gate, error: DragomanError, name: WireName) -> Response:
    """An error in the client's shape."""
    request_id = gate.mint("req_")
    info = answers.presentable(as_refusal(error), gate.redact)
    status, body, headers = answers.error_answer(info, name, request_id)
    out = Response(body, status, media_type="application/json")
    out.raw_headers.extend([*answers.id_headers(name, request_id), *headers])
    return out


class Pages:
    """The pages of one gateway."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def guarded(self, page: Page) -> Page:
        """The page, with its errors told in the client's shape."""

        async def safe(request: HttpRequest) -> Response:
            try:
                return await page(request)
            except DragomanError as error:
                return error_response(self._gate, error, shape_of(request.url.path, request.headers))
            except Gone:
                return Response(status_code=499)

        return safe

    async def root(self, request: HttpRequest) -> Response:
        """Says what answers here."""
        return json_response(
            {"name": "dragoman", "endpoints": ["/v1/responses", "/v1/chat/completions", "/v1/messages"]}
        )

    async def healthz(self, request: HttpRequest) -> Response:
        """Whether the process is alive."""
        return json_response({"status": "ok"})

    async def readyz(self, request: HttpRequest) -> Response:
        """Whether requests can be served: some provider is configured, and we are not about to stop."""
        gate = self._gate
        problem = "stopping" if gate.closing else "" if gate.enabled else "no provider has a key"
        return json_response({"status": problem or "ready", "providers": sorted(gate.enabled)}, 503 if problem else 200)

    async def models(self, request: HttpRequest) -> Response:
        """All models: `?status=retired`, another status or `all` for those that are hidden otherwise."""
        return json_response(model_list(self._gate, _list_shape(request), request.query_params))

    async def model(self, request: HttpRequest) -> Response:
        """One model."""
        name = request.path_params["name"]
        return json_response(one_model(self._gate, name, _list_shape(request)))

    async def count_messages(self, request: HttpRequest) -> Response:
        """Input tokens of a Messages request, estimated."""
        from dragoman.wire import messages

        body, _ = mend_letters(await read_body(request.scope, request.receive, self._gate.max_body))
        asked, view = messages.decode_request(body, counting=True)
        return await self._counted(asked, view, "messages")

    async def count_responses(self, request: HttpRequest) -> Response:
        """Input tokens of a Responses request, estimated."""
        body, _ = mend_letters(await read_body(request.scope, request.receive, self._gate.max_body))
        asked, view = wire("responses").decode_request(body)
        return await self._counted(asked, view, "responses")

    async def _counted(self, asked: Any, view: Any, name: WireName) -> Response:
        gate = self._gate
        resolved = find_model(gate, asked.model)
        opened = await open_history(gate, asked, view)
        tokens = gate.calibration.corrected(resolved.name, counting.estimate(opened.request))
        value: dict[str, Any] = {"input_tokens": tokens}
        if name == "responses":
            value["object"] = "response.input_tokens"
        headers = [*answers.id_headers(name, gate.mint("req_")), *answers.told(resolved.name, view.notes)]
        return json_response(value, headers=[*headers, (b"x-dragoman-estimate", b"true")])

    # -- stored responses

    async def _stored(self, request: HttpRequest) -> Any:
        gate, id = self._gate, request.path_params["id"]
        record = await gate.sessions.get(TENANT, id) if gate.sessions is not None else None
        if record is None:
            raise InvalidRequest(
                f"Response with id '{id}' not found.", code="response_not_found", param="response_id", status=404
            )
        return record

    async def get_response(self, request: HttpRequest) -> Response:
        """A stored response."""
        record = await self._stored(request)
        return Response(bytes(record.response), media_type="application/json")

    async def delete_response(self, request: HttpRequest) -> Response:
        """Forgets a stored response."""
        record = await self._stored(request)
        assert self._gate.sessions is not None
        await self._gate.sessions.delete(TENANT, record.id)
        return json_response({"id": record.id, "object": "response", "deleted": True})

    async def input_items(self, request: HttpRequest) -> Response:
        """The input items of a stored response, a page at a time."""
        record = await self._stored(request)
        number = iter(range(1_000_000))
        items = sessions.with_ids(record.input, lambda prefix: f"{prefix}{record.id}_{next(number)}")
        return json_response(sessions.page_of(items, sessions.read_page(dict(request.query_params))))

    async def upgrade(self, request: HttpRequest) -> Response:
        """GET on the collection. An attempt to open a WebSocket gets 426: Codex then falls back to POST at once."""
        if "upgrade" in (request.headers.get("connection") or "").lower() or "upgrade" in request.headers:
            error = InvalidRequest("WebSocket is not spoken here; use POST", code="upgrade_required", status=426)
        else:
            error = InvalidRequest(
                "responses are made with POST; GET needs an id", code="method_not_allowed", status=405
            )
        return error_response(self._gate, error, "responses")
