"""One request's life: read, take in, answer, log. The plain ASGI side of the three POST roads.

In: an ASGI scope with `receive` and `send`. Out: exactly one answer in the client's own protocol, and one log line.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from dragoman.client.running import EventSink, Running
from dragoman.core.events import Failed, Finished, Incomplete
from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.cost import price
from dragoman.errors import ConfigError, DragomanError, ErrorInfo
from dragoman.gateway import answers, counting
from dragoman.gateway.body import Gone, detect, mend_letters, read_body
from dragoman.gateway.gate import Gate
from dragoman.gateway.intake import Ask, take_in
from dragoman.gateway.notes import unique
from dragoman.gateway.result import Result
from dragoman.gateway.stream import StreamAnswer
from dragoman.gateway.whole import WholeAnswer
from dragoman.gateway.wires import ID_PREFIX, wire
from dragoman.telemetry.log import Line


class Flow:
    """One request on the road of one protocol."""

    def __init__(self, gate: Gate, road: WireName, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate = gate
        self._road = road
        self._wire: WireName = road
        self._scope = scope
        self._receive = receive
        self._send = send
        self._id = gate.mint("req_")
        self._began = gate.clock()
        self._ask: Ask | None = None
        self._result = Result()

    async def run(self) -> None:
        """Answers the request."""
        refused: ErrorInfo | None = None
        try:
            try:
                ask = self._ask = await self._take_in()
            except Gone:
                self._result.status, refused = 499, ErrorInfo("aborted", "the client went away")
            except DragomanError as error:
                refused = as_refusal(error)
                self._result.status = await self._refuse(refused)
            except Exception as error:  # boundary: a defect of ours is told in the client's own shape
                self._gate.log.trouble("defect", error, id=self._id, path=self._scope["path"])
                refused = ErrorInfo("internal", "the gateway failed on this request; its log says where")
                self._result.status = await self._refuse(refused)
            else:
                await self._answer(ask)
        finally:
            if self._result.defect is not None:
                self._gate.log.trouble("defect", self._result.defect, id=self._id, path=self._scope["path"])
            self._log(refused)

    async def _take_in(self) -> Ask:
        body = await read_body(self._scope, self._receive, self._gate.max_body)
        body, mended = mend_letters(body)
        self._wire, notes = detect(self._road, body)
        return await take_in(
            self._gate,
            self._wire,
            body,
            headers=_headers(self._scope),
            id=self._gate.mint(ID_PREFIX[self._wire]),
            request_id=self._id,
            notes=(*mended, *notes),
        )

    async def _answer(self, ask: Ask) -> None:
        """Gives the answer."""
        gate = self._gate

        def start(sink: EventSink) -> Running:
            return gate.engine.start(ask.plan, sink, stages=ask.stages, conductors=ask.conductors)

        if not ask.stream:
            whole = WholeAnswer(ask, store=gate.sessions, present=self._present, mint=gate.mint, now=gate.now)
            self._result = whole.result
            await whole.serve(start, self._receive, self._send, lambda: self._headers(ask, whole.result.notes))
            return
        package = wire(ask.wire)
        make = package.NativeEncoder if ask.plan.native else package.Encoder
        stream = StreamAnswer(
            ask,
            make(ask.view, gate.mint, int(gate.now()), ask.id),
            gate.settings.timeouts,
            store=gate.sessions,
            present=self._present,
            headers=self._headers(ask, ()),
            now=gate.now,
        )
        self._result = stream.result
        await stream.serve(start, self._receive, self._send)

    def _headers(self, ask: Ask, late: tuple[Note, ...] | list[Note]) -> answers.Headers:
        return [*answers.id_headers(ask.wire, self._id), *answers.told(ask.resolved.name, (*ask.notes, *late))]

    def _present(self, info: ErrorInfo) -> ErrorInfo:
        return answers.presentable(info, self._gate.redact)

    async def _refuse(self, info: ErrorInfo) -> int:
        status, body, headers = answers.error_answer(self._present(info), self._wire, self._id)
        await answers.send_json(self._send, status, body, [*answers.id_headers(self._wire, self._id), *headers])
        return status

    # -- the log

    def _log(self, refused: ErrorInfo | None) -> None:
        ask, result = self._ask, self._result
        end = result.end
        error = refused or (end.error if isinstance(end, Failed) else None)
        self._learn(result)
        self._gate.log.request(
            Line(
                id=self._id,
                wire=self._wire,
                path=self._scope["path"],
                asked=ask.view.model if ask else "",
                used=ask.resolved.name if ask else "",
                account=ask.plan.account if ask else "",
                status=result.status,
                outcome=outcome(result, refused),
                stream=ask.stream if ask else False,
                usage=result.usage,
                notes=unique((*(ask.notes if ask else ()), *result.notes)),
                error=error,
                latency=self._gate.clock() - self._began,
                first_byte=result.first_byte,
                attempts=result.attempts,
                searches=ask.search.searches if ask and ask.search else 0,
                cost=self._cost(ask, result),
            )
        )

    def _cost(self, ask: Ask | None, result: Result) -> dict[str, Any] | None:
        """What the call cost as the log tells it; an amount that is not known is null, with what is missing."""
        if ask is None or result.usage is None:
            return None
        when = datetime.fromtimestamp(self._gate.now(), UTC)
        row = self._gate.catalogue.model(ask.resolved.provider.id, ask.resolved.model.id)
        cost = price(result.usage, row, when, service_tier=ask.plan.service_tier)
        if cost.amount is None:
            return {"amount": None, "unknown": list(cost.unknown)}
        return {"amount": f"{cost.amount:f}", "currency": cost.currency, "list": cost.price_id}

    def _learn(self, result: Result) -> None:
        """Compares the vendor's prompt count with our estimate."""
        ask, calibration = self._ask, self._gate.calibration
        prompt = result.usage.prompt if result.usage is not None else None
        if ask is not None and prompt is not None and calibration.wants(ask.resolved.name):
            calibration.observe(ask.resolved.name, counting.estimate(ask.request), prompt)


def _headers(scope: Scope) -> dict[str, str]:
    """The client's headers, names in lower case as ASGI has them; of one that comes twice the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def as_refusal(error: DragomanError) -> ErrorInfo:
    """An error before the call as the client sees it. What is wrong in the configuration cannot be mended by asking
    again, so it is no 5xx, on which clients insist."""
    if isinstance(error, ConfigError):
        return msgspec.structs.replace(error.info, status=400, code=error.info.code or "gateway_config")
    return error.info


def outcome(result: Result, refused: ErrorInfo | None) -> str:
    """How the request ended, in a word."""
    if refused is not None:
        return "refused"
    if isinstance(result.end, Finished):
        return "finished"
    if isinstance(result.end, Incomplete):
        return "incomplete"
    return "aborted" if isinstance(result.end, Failed) and result.end.error.kind == "aborted" else "failed"
