"""From a client's body to a call that is ready to be made: decode, resolve, continue, open, recall, plan.

Everything that can be wrong with a request is found here, before any call, and raised as a DragomanError that names the
field. Out: an `Ask`, which holds all that giving the answer needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.catalog import Resolved, resolve
from dragoman.client.opening import open_answer
from dragoman.client.rounds import Conductor
from dragoman.client.searching import SearchRun
from dragoman.core.messages import Message, WireName
from dragoman.core.notes import Note
from dragoman.core.request import Request
from dragoman.core.stage import Stage
from dragoman.gateway import compaction, sessions
from dragoman.gateway.gate import TENANT, Gate
from dragoman.gateway.memory import Scope, Turn, compactions
from dragoman.gateway.notes import unique
from dragoman.gateway.wires import View, responses, wire
from dragoman.providers.plan import Plan, plan
from dragoman.providers.target import Target
from dragoman.providers.wire_choice import choose_wire

_SESSION_HEADERS = (
    "session-id",
    "session_id",
    "thread-id",
    "x-client-request-id",
    "x-claude-code-session-id",
    "x-session-id",
    "x-session-affinity",
)


class Ask(msgspec.Struct, frozen=True):
    """One request that may be sent.

    id: the answer's; request_id: the request's own. request: what is asked of the vendor, before it was made fit.
    turn: None remembers nothing. store: the answer is to be kept under its id. previous: the stored response that it
    continues. input_items: what the request itself brought, as the client's items. search: its web searches.
    """

    id: str
    request_id: str
    wire: WireName
    view: Any
    plan: Plan
    resolved: Resolved
    tenant: str
    request: Request
    notes: tuple[Note, ...]
    stages: tuple[Stage, ...] = ()
    conductors: tuple[Conductor, ...] = ()
    search: SearchRun | None = None
    turn: Turn | None = None
    store: bool = False
    previous: str | None = None
    input_items: tuple[Raw, ...] = ()

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return bool(self.view.stream)


class Opened(msgspec.Struct, frozen=True):
    """A request whose history is whole: continued, expanded and unsealed. input_items: its own, none by reference."""

    request: Request
    notes: tuple[Note, ...] = ()
    input_items: tuple[Raw, ...] = ()


async def take_in(
    gate: Gate,
    name: WireName,
    body: bytes,
    *,
    headers: Mapping[str, str],
    id: str,
    request_id: str,
    notes: Sequence[Note] = (),
) -> Ask:
    """The call that `body` asks for. Raises DragomanError."""
    request, view = wire(name).decode_request(body)
    resolved = find_model(gate, request.model)
    target = target_of(gate, resolved)
    opened = await open_history(gate, request, view)
    asked = opened.request
    scope = Scope(TENANT, resolved.provider.id, resolved.model.family)
    found = [*notes, *view.notes, *resolved.notes, *opened.notes]
    if getattr(view, "background", False):
        found.append(Note("background_absent", "background", "the response is made in the foreground"))
        kept = {name: value for name, value in asked.params.items() if name != "background"}
        asked = msgspec.structs.replace(asked, params=kept)
    native = choose_wire(asked, target)[1]
    recalled = await gate.memory.recall(asked.messages, scope, gate.makers)
    if recalled.learned and native:
        # The client's own words would be refused, or told as another's: the body cannot pass through as it is.
        native, asked = False, msgspec.structs.replace(asked, body=None)
    if not native:
        asked = msgspec.structs.replace(asked, messages=recalled.messages)
        found += recalled.notes
    turn, stages = _watchers(gate, asked, scope, native)
    sent = compaction.ask(asked) if asked.compaction else asked
    session = session_of(headers, asked)
    search = gate.searching.begin(sent, target)

    def make(request: Request) -> Plan:
        return plan(request, target, session=session, client_headers=headers, search=search.mode)

    made, conductors = open_answer(sent, make, search, gate.mint)
    store = name == "responses" and asked.store is not False and gate.sessions is not None
    return Ask(
        id=id,
        request_id=request_id,
        wire=name,
        view=view,
        plan=made,
        resolved=resolved,
        tenant=TENANT,
        request=sent,
        notes=unique((*found, *made.notes)),
        stages=stages,
        conductors=conductors,
        search=search,
        turn=turn,
        store=store,
        previous=request.previous_response_id,
        input_items=opened.input_items,
    )


def find_model(gate: Gate, name: str) -> Resolved:
    """The model that a name stands for. Raises ModelNotFound."""
    return resolve(
        name,
        gate.catalogue,
        aliases=gate.settings.aliases,
        enabled=gate.enabled,
        today=datetime.fromtimestamp(gate.now(), UTC).date(),
    )


def target_of(gate: Gate, resolved: Resolved) -> Target:
    """The account that serves the model. Raises ConfigError when the provider has no key."""
    account = gate.settings.account(resolved.provider.id)
    return Target(
        provider=resolved.provider,
        model=resolved.model,
        key=account.key,
        account=account.name,
        base_url=account.base_url or None,
        media_unsupported=gate.settings.media.unsupported,
    )


async def open_history(gate: Gate, request: Request, view: View) -> Opened:
    """The conversation with what stored responses, compaction items and seals stand for."""
    was = request
    own: tuple[Raw, ...] = getattr(view, "input_items", ())
    if getattr(view, "references", False):
        own = await sessions.resolved(gate.sessions, TENANT, own)
    if request.previous_response_id is not None:
        items = await sessions.history(gate.sessions, TENANT, request.previous_response_id)
        request = responses().with_input(request, view, (*items, *own))
        request = msgspec.structs.replace(request, previous_response_id=None)
    elif own is not getattr(view, "input_items", ()):
        request = responses().with_input(request, view, own)
    messages: tuple[Message, ...] = request.messages
    if compactions(messages):
        messages = compaction.expand(messages, gate.memory.box, TENANT)
    opened = await gate.memory.open(messages, TENANT)
    if was is not request or messages is not request.messages or opened.sealed:
        # The body names what only we can read: it cannot pass through to a vendor as it is.
        request = msgspec.structs.replace(request, messages=opened.messages, body=None)
    return Opened(request, opened.notes, own)


def _watchers(gate: Gate, request: Request, scope: Scope, native: bool) -> tuple[Turn | None, tuple[Stage, ...]]:
    """What looks at the answer: the vault's turn, and the stages behind the plan's own."""
    if request.compaction:
        return None, (compaction.CompactionStage(gate.memory.box, scope.tenant, request.messages, gate.mint),)
    turn = gate.memory.turn(scope, request.messages)
    # On the native lane the client carries the vendor's own blocks; the vault only has to know whose they are.
    return turn, () if native else (gate.memory.stage(scope, turn),)


def session_of(headers: Mapping[str, str], request: Request) -> str:
    """The conversation's id for vendors that route their cache by one; "" when the client gives none."""
    given = next((headers[name] for name in _SESSION_HEADERS if headers.get(name)), "")
    if not given and (key := request.params.get("prompt_cache_key")) is not None:
        given = bytes(key).decode("utf-8", "replace").strip('"')
    if not given or given == "null":
        return ""
    return hashlib.sha256(f"{TENANT}\x00{given}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
