"""The simulated upstream as a plain ASGI application.

`Simulator` answers the protocols that its vendor serves, and the model list; what it makes of a request is `judge`'s
matter. Control endpoints for tests stand under `/_sim/`. It knows nothing of the package's codecs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from dragoman.simulator import wires
from dragoman.simulator.ask import Rejected
from dragoman.simulator.brain import Turn
from dragoman.simulator.directives import STATUS_FAULTS
from dragoman.simulator.doors import Connection, plain_error, read_request, refuse_host
from dragoman.simulator.judge import Judge, Plan
from dragoman.simulator.requests import Script, ScriptEntry, Seen
from dragoman.simulator.speech import Step, spoil
from dragoman.simulator.vendor import Failure, ModelCard, WireName

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

KEPT_BODIES = 5000
"""How many of the last requests keep their bodies for the log."""


class Simulator(Judge):
    """One simulated vendor.

    profile: a name of `vendors.VENDORS`. key: the only key that is taken; None takes any. script: turns that are played
    before the brain is asked. search: the account's web search plugin is on. fixed_ids: call ids repeat in each turn.
    split: cut the bytes of a stream in uneven pieces. manners: names of `directives.MANNERS`, for every answer; raises
    ValueError for one that the vendor does not have.
    """

    def __init__(
        self,
        profile: str = "xiaomi",
        key: str | None = None,
        *,
        script: Iterable[ScriptEntry] = (),
        search: bool = False,
        fixed_ids: bool = False,
        split: bool = True,
        manners: Iterable[str] = (),
    ) -> None:
        super().__init__(profile, key, script=script, search=search, fixed_ids=fixed_ids, manners=manners)
        self.split = split
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            return
        connection = Connection(scope, receive, send, split=self.split)
        refused = refuse_host(connection.headers)
        if refused is not None:
            await connection.json(refused[0], plain_error(*refused))
            return
        path: str = scope["path"]
        if path.startswith("/_sim/"):
            await self._control(connection, path.removeprefix("/_sim/"))
        elif connection.method == "GET" and path in self.vendor.models_paths:
            await self._models(connection)
        elif (wire := self._below(path)) is not None:
            await self._extra(connection, path, wire)
        elif connection.method == "POST":
            await self._post(connection, path)
        else:
            await connection.json(404, plain_error(404, "Not Found"))

    def _below(self, path: str) -> WireName | None:
        """The wire whose path this one continues."""
        return next((wire for at, wire in self.vendor.paths.items() if path.startswith(at + "/")), None)

    # -- control

    async def _control(self, connection: Connection, name: str) -> None:
        match connection.method, name:
            case "GET", "log":
                body: Any = {"requests": [seen.row() for seen in self.requests]}
            case "GET", "verdict":
                body = self.verdict()
            case "POST", "script":
                try:
                    turns = msgspec.json.decode(await read_request(connection), type=Script)
                except msgspec.DecodeError as error:
                    await connection.json(400, plain_error(400, str(error)))
                    return
                self.script.extend(turns)
                body = {"queued": len(self.script)}
            case "POST", "reset":
                self.reset()
                body = {"queued": 0}
            case _:
                await connection.json(404, plain_error(404, "Not Found"))
                return
        await connection.json(200, msgspec.json.encode(body))

    async def _models(self, connection: Connection) -> None:
        try:
            self.authorise(connection.headers, "chat")
        except Rejected as error:
            failure = self.vendor.told(error, "chat")
            await connection.json(failure.status, self.vendor.body(failure, "chat", "0"))
            return
        listed = self.vendor.listed or self._listed
        data = [listed(card) for card in self.vendor.models]
        await connection.json(200, msgspec.json.encode({"object": "list", "data": data}))

    def _listed(self, card: ModelCard) -> dict[str, Any]:
        return {"id": card.id, "object": "model", "owned_by": self.vendor.owner}

    async def _extra(self, connection: Connection, path: str, wire: WireName) -> None:
        """A path below a wire's own, as far as its module serves it."""
        seen = await self._seen(connection, path)
        self.account.headers = connection.headers
        hook = getattr(wires.rules(wire), "extra", None) if self._serves(wire) else None
        try:
            self.authorise(connection.headers, wire)
            found = hook(connection.method, path, seen.raw, self.vendor, self.account) if hook else None
            if found is None:
                raise Rejected("path", path, f"no such endpoint: {path}", status=404)
        except Rejected as error:
            await self._rejected(connection, seen, error, wire)
            return
        seen.status = found[0]
        await connection.json(*found)
        seen.finish("done")

    def _serves(self, wire: WireName) -> bool:
        return {"chat": self.vendor.chat, "messages": self.vendor.messages}.get(wire, self.vendor.responses) is not None

    # -- the roads

    async def _seen(self, connection: Connection, path: str) -> Seen:
        raw = await read_request(connection)
        seen = Seen(len(self.requests) + 1, connection.method, path, connection.shown_headers(), raw)
        self.requests.append(seen)
        if len(self.requests) > KEPT_BODIES:
            self.requests[-KEPT_BODIES - 1].raw = b""
        self.ledger.requests += 1
        return seen

    async def _post(self, connection: Connection, path: str) -> None:
        seen = await self._seen(connection, path)
        wire = self.vendor.wire(path)
        try:
            if wire is None or not self._serves(wire):
                raise Rejected("path", path, f"no such endpoint: {path}", status=404)
            plan = self.plan(seen, connection.headers, wire)
        except Rejected as error:
            await self._rejected(connection, seen, error, wire or "chat")
            return
        except ValueError as error:
            failure = Failure(400, f"simulator: {error}", param=f"simulator: {error}")
            await self._refuse(connection, seen, failure, wire or "chat")
            return
        if plan.directive.wait:
            await connection.pause(plan.directive.wait)
        if plan.turn.fault:
            self.ledger.faults[plan.turn.fault] += 1
        if plan.turn.fault in STATUS_FAULTS:
            await self._fail(connection, seen, plan)
        else:
            await self._answer(connection, seen, plan)

    # -- answers

    async def _fail(self, connection: Connection, seen: Seen, plan: Plan) -> None:
        failure = self.vendor.failures[plan.turn.fault]
        card = self.vendor.card(plan.ask.model)
        if plan.turn.fault == "overflow" and card is not None:
            failure = self.vendor.overflow(card, card.context + 51_424)
        after = {"retry-after": f"{plan.turn.value:g}"} if plan.turn.value else {}
        await self._refuse(connection, seen, failure, plan.ask.wire, after)

    async def _rejected(self, connection: Connection, seen: Seen, error: Rejected, wire: WireName) -> None:
        rule = "model" if error.rule.startswith("model_") else error.rule
        self.ledger.violation(seen.number, rule, error.field, error.reason or error.message, error.status)
        failure = self.vendor.told(error, wire)
        await self._refuse(connection, seen, failure, wire)

    async def _refuse(
        self,
        connection: Connection,
        seen: Seen,
        failure: Failure,
        wire: WireName,
        headers: dict[str, str] | None = None,
    ) -> None:
        """An error. Some vendors put a 400 of a streamed request into half of an SSE record."""
        seen.status = failure.status
        request = f"{seen.number:032x}"
        body = self.vendor.body(failure, wire, request)
        kind = "application/json"
        if seen.wants_stream and failure.status == 200:
            kind, body = "text/event-stream", b"data: " + body + b"\n\n"
        elif seen.wants_stream and self.vendor.half_record and failure.status == 400:
            kind, body = "text/event-stream", b"data:" + body
        merged = {"content-type": kind, self.vendor.request_id: request, **dict(failure.headers), **(headers or {})}
        await connection.json(failure.status, body, merged)
        seen.finish("done")

    async def _answer(self, connection: Connection, seen: Seen, plan: Plan) -> None:
        ask, turn = plan.ask, plan.turn
        speech = wires.speech(ask.wire)
        form = next((o.removeprefix("form:") for o in ask.options if o.startswith("form:")), "")
        self.memory.sent(ask, turn.text, turn.calls, turn.reasoning, speech.sign(turn, self.vendor), form)
        seen.status = 200
        self.ledger.answered += 1
        answer_id = f"{speech.PREFIX}{seen.number:08x}"
        told = (ask, turn, plan.spent, answer_id, int(time.time()), self.vendor)
        keep = getattr(speech, "keep", None)
        body = speech.whole(*told)
        if keep is not None:
            keep(ask, turn, answer_id, body, self.account)
        if not ask.stream or turn.fault == "json":
            await self._whole(connection, seen, body, turn)
            return
        if turn.raw:
            steps = [Step("text", record) for record in turn.raw]
        else:
            steps = spoil(speech.stream(*told), turn, speech.error(self.vendor))
        if turn.fault == "reset":
            connection.abort()
            seen.finish("dropped")
            return
        seen.finish(await connection.stream(steps, first=plan.directive.first, pace=plan.directive.pace))

    async def _whole(self, connection: Connection, seen: Seen, body: bytes, turn: Turn) -> None:
        if turn.fault == "reset":
            connection.abort()
            seen.finish("dropped")
        elif turn.fault.startswith("drop"):
            seen.finish(await connection.half(body))
        else:
            if turn.value:
                await connection.pause(turn.value)
            await connection.json(200, body[:-9] if turn.fault == "bad_json" else body)
            seen.finish("client_gone" if connection.gone.is_set() else "done")


async def wait_for(seen: Seen, seconds: float = 10.0) -> str:
    """Waits until a request has ended and says how: done, dropped or client_gone."""
    await asyncio.wait_for(seen.ended.wait(), seconds)
    return seen.outcome
