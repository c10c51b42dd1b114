"""The simulated upstream as a plain ASGI application.

`Simulator` keeps the state of a run - rules, memory, script, log, verdict - and answers Chat Completions, Messages and
the model list. Control endpoints for tests stand under `/_sim/`. It knows nothing of the package's codecs.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from dragoman.simulator import chat_rules, chat_stream, directives, messages_rules, messages_stream
from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.brain import Turn, decide, task
from dragoman.simulator.directives import STATUS_FAULTS, Directive
from dragoman.simulator.doors import Connection, read_request, refuse_host
from dragoman.simulator.memory import PrefixCache, ReasoningMemory, tokens
from dragoman.simulator.requests import Script, ScriptEntry, Seen, error_body
from dragoman.simulator.speech import Count, Step, count, faulty, limited, spoil
from dragoman.simulator.vendor import VENDORS, ModelCard, Vendor
from dragoman.simulator.verdict import Ledger, Verdict, Violation

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CHAT = "/v1/chat/completions"
MESSAGES = "/anthropic/v1/messages"
KEPT_BODIES = 5000
"""How many of the last requests keep their bodies for the log."""


class _Plan(msgspec.Struct):
    """What one accepted request is answered with."""

    ask: Ask
    turn: Turn
    directive: Directive
    spent: Count


class Simulator:
    """One simulated vendor.

    profile: a name of `vendor.VENDORS`. key: the only key that is taken; None takes any. script: turns that are played
    before the brain is asked. search: the account's web search plugin is on. fixed_ids: call ids repeat in each turn.
    split: cut the bytes of a stream in uneven pieces.
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
    ) -> None:
        self.vendor: Vendor = VENDORS[profile]
        self.key = key
        self.search = search
        self.fixed_ids = fixed_ids
        self.split = split
        self.url = ""
        self.reset()
        self.script.extend(script)

    def reset(self) -> None:
        """Forgets everything that was seen, sent and judged."""
        self.script: deque[ScriptEntry] = deque()
        self.requests: list[Seen] = []
        self.ledger = Ledger()
        self.memory = ReasoningMemory()
        self.prompts = PrefixCache()
        self._used: Counter[str] = Counter()

    @property
    def violations(self) -> list[Violation]:
        """The broken rules so far."""
        return self.ledger.violations

    def verdict(self) -> Verdict:
        """The judgement so far."""
        return self.ledger.verdict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            return
        connection = Connection(scope, receive, send, split=self.split)
        refused = refuse_host(connection.headers)
        if refused is not None:
            await connection.json(refused[0], error_body(str(refused[0]), refused[1]))
            return
        path: str = scope["path"]
        if path.startswith("/_sim/"):
            await self._control(connection, path.removeprefix("/_sim/"))
        elif scope["method"] == "GET" and path == "/v1/models":
            await self._models(connection)
        elif scope["method"] == "POST":
            await self._post(connection, path)
        else:
            await connection.json(404, error_body("404", "Not Found"))

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
                    await connection.json(400, error_body("400", str(error)))
                    return
                self.script.extend(turns)
                body = {"queued": len(self.script)}
            case "POST", "reset":
                self.reset()
                body = {"queued": 0}
            case _:
                await connection.json(404, error_body("404", "Not Found"))
                return
        await connection.json(200, msgspec.json.encode(body))

    async def _models(self, connection: Connection) -> None:
        try:
            self._authorise(connection)
        except Rejected as error:
            await connection.json(error.status, error_body(str(error.status), error.message, error.reason))
            return
        data = [{"id": card.id, "object": "model", "owned_by": self.vendor.owner} for card in self.vendor.models]
        await connection.json(200, msgspec.json.encode({"object": "list", "data": data}))

    # -- the two roads

    async def _post(self, connection: Connection, path: str) -> None:
        raw = await read_request(connection)
        seen = Seen(len(self.requests) + 1, connection.method, path, connection.shown_headers(), raw)
        self.requests.append(seen)
        if len(self.requests) > KEPT_BODIES:
            self.requests[-KEPT_BODIES - 1].raw = b""
        self.ledger.requests += 1
        try:
            plan = self._plan(connection, seen, path)
        except Rejected as error:
            self.ledger.violation(seen.number, error.rule, error.field, error.reason or error.message, error.status)
            await self._refuse(connection, seen, error.status, (error.message, error.reason, ""))
            return
        except ValueError as error:
            await self._refuse(connection, seen, 400, ("Param Incorrect", f"simulator: {error}", ""))
            return
        if plan.directive.wait:
            await connection.pause(plan.directive.wait)
        if plan.turn.fault:
            self.ledger.faults[plan.turn.fault] += 1
        if plan.turn.fault in STATUS_FAULTS:
            await self._fail(connection, seen, plan)
        else:
            await self._answer(connection, seen, plan)

    def _plan(self, connection: Connection, seen: Seen, path: str) -> _Plan:
        """Rules first; what the client asked the simulator to do wrong comes after."""
        if path not in (CHAT, MESSAGES):
            raise Rejected("path", path, f"no such endpoint: {path}", status=404, message="Not Found")
        self._authorise(connection)
        body = seen.decode()
        card = self._card(body)
        ask = self._read(path, body, card)
        self.memory.require(ask)
        self._judge(seen, ask)
        cached = self.prompts.cached(ask.model, ask.prompt)
        prompt = tokens(ask.prompt)
        if prompt > card.context:
            raise Rejected("overflow", "messages", _overflow(card, prompt))
        self.ledger.prompt_tokens += prompt
        self.ledger.cached_tokens += cached
        directive = self._directive(connection, body, ask)
        turn = self._turn(ask, directive, seen.number)
        seen.turn = turn
        return _Plan(ask, turn, directive, count(turn, prompt, cached))

    def _authorise(self, connection: Connection) -> None:
        """Exactly one of the two documented headers."""
        bearer = connection.headers.get("authorization", "")
        plain = connection.headers.get("api-key", "")
        if bool(bearer) == bool(plain):
            given = "both headers" if bearer else "no key"
            raise Rejected("auth", "headers", f"{given} were sent", status=401, message="Invalid API Key")
        key = plain or bearer.removeprefix("Bearer ")
        if not key or (bearer and not bearer.startswith("Bearer ")) or (self.key is not None and key != self.key):
            raise Rejected("auth", "headers", "the key is not valid", status=401, message="Invalid API Key")

    def _card(self, body: dict[str, Any]) -> ModelCard:
        model = body.get("model")
        if not isinstance(model, str):
            raise Rejected("model", "model", "model: Field required")
        name = directives.without(model)
        card = self.vendor.card(name)
        if card is None:
            gone = "Unsupported model" if name in self.vendor.retired else "Model not found"
            raise Rejected("model", "model", f"{name!r} is not served", status=404, message=gone)
        return card

    def _read(self, path: str, body: dict[str, Any], card: ModelCard) -> Ask:
        if path == CHAT:
            return chat_rules.read(body, self.vendor, card, search=self.search)
        return messages_rules.read(body, self.vendor, card)

    def _judge(self, seen: Seen, ask: Ask) -> None:
        """What the vendor takes without a word, and we do not."""
        for field, value in ask.ignored:
            if field == "tool_choice":
                self.ledger.violation(seen.number, "tool_choice", field, f"{value} is dropped: only auto is known", 200)
            else:
                self.ledger.ignored[field] += 1
        self.ledger.tolerated.update(ask.tolerated)
        for index, one in enumerate(ask.said):
            if one.role != "assistant" or not one.reasoning:
                continue
            match self.memory.match(ask, index):
                case "same":
                    self.ledger.reasoning_checked += 1
                case "changed":
                    told = "the reasoning passed back is not the one that was sent"
                    self.ledger.violation(seen.number, "reasoning_changed", one.path, told, 200)
                case "placeholder":
                    self.ledger.placeholders += 1
                case "unknown":
                    pass

    def _directive(self, connection: Connection, body: dict[str, Any], ask: Ask) -> Directive:
        _, text, index = task(ask.said)
        directive = directives.find(text, connection.headers.get("x-sim", ""), body["model"])
        step = sum(1 for said in ask.said[index + 1 :] if said.calls) + 1
        late = directive.turn and directive.turn != step
        if not late:
            self._used[directive.text] += 1
        if late or (directive.times >= 0 and self._used[directive.text] > directive.times):
            return msgspec.structs.replace(directive, fault="", value=0.0, wait=0.0, first=0.0)
        return directive

    def _turn(self, ask: Ask, directive: Directive, number: int) -> Turn:
        if self.script:
            entry = self.script.popleft()
            turn = entry(ask) if callable(entry) else entry
            ids = [call.id or f"call_{number:04x}{i:02x}" for i, call in enumerate(turn.calls)]
            calls = tuple(msgspec.structs.replace(c, id=i) for c, i in zip(turn.calls, ids, strict=True))
            turn = msgspec.structs.replace(turn, calls=calls, reasoning=turn.reasoning if ask.thinking else "")
        else:
            if self.fixed_ids:
                directive = msgspec.structs.replace(directive, fixed_ids=True)
            turn = decide(ask, directive, number)
            turn = msgspec.structs.replace(turn, fault=directive.fault, value=directive.value)
        return limited(faulty(turn), ask)

    # -- answers

    async def _fail(self, connection: Connection, seen: Seen, plan: _Plan) -> None:
        status, message, param, kind = STATUS_FAULTS[plan.turn.fault]
        if plan.turn.fault == "overflow":
            param = _overflow(self._card({"model": plan.ask.model}), 1_100_000)
        after = {"retry-after": f"{plan.turn.value:g}"} if plan.turn.value else {}
        await self._refuse(connection, seen, status, (message, param, kind), after)

    async def _refuse(
        self,
        connection: Connection,
        seen: Seen,
        status: int,
        told: tuple[str, str, str],
        headers: dict[str, str] | None = None,
    ) -> None:
        """An error. On streamed requests a 400 comes as half of an SSE record, as the vendor's does."""
        seen.status = status
        body = error_body(str(status), *told)
        streamed = status == 400 and seen.wants_stream
        kind = "text/event-stream" if streamed else "application/json"
        await connection.json(status, b"data:" + body if streamed else body, {"content-type": kind, **(headers or {})})
        seen.finish("done")

    async def _answer(self, connection: Connection, seen: Seen, plan: _Plan) -> None:
        ask, turn = plan.ask, plan.turn
        chat = ask.wire == "chat"
        wire = chat_stream if chat else messages_stream
        sign = None if chat else messages_stream.signature(turn.reasoning)
        self.memory.sent(ask, turn.text, turn.calls, turn.reasoning, sign)
        seen.status = 200
        self.ledger.answered += 1
        answer_id = f"{'chatcmpl' if chat else 'msg'}-{seen.number:08x}"
        created = int(time.time())
        if not ask.stream or turn.fault == "json":
            await self._whole(connection, seen, wire.whole(ask, turn, plan.spent, answer_id, created), turn)
            return
        if turn.raw:
            steps = [Step("text", record) for record in turn.raw]
        else:
            steps = spoil(wire.stream(ask, turn, plan.spent, answer_id, created), turn, wire.ERROR)
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


def _overflow(card: ModelCard, prompt: int) -> str:
    return (
        f"This endpoint's maximum context length is {card.context} tokens. However, you requested about {prompt} tokens"
    )


async def wait_for(seen: Seen, seconds: float = 10.0) -> str:
    """Waits until a request has ended and says how: done, dropped or client_gone."""
    await asyncio.wait_for(seen.ended.wait(), seconds)
    return seen.outcome
