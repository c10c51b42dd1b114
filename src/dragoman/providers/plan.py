"""The plan: one request made ready for one model, account and wire, with everything that was not done as asked.

In: a canonical request and a target. Out: URL, headers, body, the decoder and stages for the answer, and the notes.
Pure: no clock, no environment, no I/O; two plans of the same request are equal byte for byte. Everything that is
wrong with request or configuration is raised here, before any call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.catalog import ProviderRow
from dragoman.core.events import Event
from dragoman.core.lowering import lower, lower_history
from dragoman.core.messages import Compaction, Message, Reasoning, WireName
from dragoman.core.notes import Note
from dragoman.core.profile import ModelFacts, Profile, ThinkingDefault
from dragoman.core.replay import ReplayTarget, prepare, survey
from dragoman.core.request import Request, ResponseFormat
from dragoman.core.restore import RestoreTools
from dragoman.core.shape import Shape, Thinking
from dragoman.core.stage import Stage
from dragoman.core.tools import Tool, ToolChoice
from dragoman.core.tooltable import ToolTable
from dragoman.errors import ErrorInfo
from dragoman.providers.codecs import codec
from dragoman.providers.formats import shape_format
from dragoman.providers.marks import shape_marks
from dragoman.providers.params import Context, merge_body, output_limit, shape_params
from dragoman.providers.thinking import Case, Decision, decide
from dragoman.providers.urls import FORBIDDEN_HEADERS, build_headers, check_key, endpoint
from dragoman.providers.vendors import vendor
from dragoman.wire.base import DecodeContext, Mint, StreamDecoder


class Target(msgspec.Struct, frozen=True):
    """Who is to answer.

    provider, model: from the catalogue. key: the account's, never shown. account: its name. wire: None leaves the
    choice to the rows. base_url: the account's own. headers: the account's further headers. extra_body: merged into
    the body. thinking_default: the person's, before that of the rows. strict_usage: a malformed usage report fails the
    call. native: the body may pass through where the row allows it.
    """

    provider: ProviderRow
    model: ModelFacts
    key: str | None = None
    account: str = ""
    wire: WireName | None = None
    base_url: str | None = None
    headers: Mapping[str, str] = {}
    extra_body: Mapping[str, Any] = {}
    thinking_default: ThinkingDefault | None = None
    strict_usage: bool = False
    native: bool = True

    def __repr__(self) -> str:
        return f"Target({self.provider.id}:{self.model.id}, account={self.account!r})"


class Plan(msgspec.Struct, frozen=True):
    """One upstream call, ready to be made. Its repr shows neither headers nor body.

    thinking: what is sent about it. table: the way back for tool names. response_format: what the client asked, for
    the schema check. secrets: what no error text may hold. profile_name: whose behaviour the vendor shows.
    """

    provider: str
    account: str
    model: str
    family: str
    wire: WireName
    url: str
    headers: dict[str, str]
    body: bytes
    stream: bool = False
    native: bool = False
    notes: tuple[Note, ...] = ()
    table: ToolTable = ToolTable()
    thinking: Thinking = Thinking()
    profile: Profile = Profile()
    facts: ModelFacts | None = None
    response_format: ResponseFormat | None = None
    strict_usage: bool = False
    secrets: tuple[str, ...] = ()
    profile_name: str = ""

    def __repr__(self) -> str:
        return f"Plan({self.provider}:{self.model} by {self.account!r} over {self.wire}, {len(self.body)} bytes)"

    def context(self, turn: str, mint: Mint) -> DecodeContext:
        """What a decoder of this call's answer may know. turn: the id of this upstream turn."""
        return DecodeContext(
            provider=self.provider,
            family=self.family,
            turn=turn,
            mint=mint,
            native=self.native,
            strict_usage=self.strict_usage,
            cumulative=self.profile.cumulative_reasoning,
            reasoning_details=self.profile.reasoning_details,
        )

    def decoder(self, mint: Mint, turn: str) -> StreamDecoder:
        """A fresh decoder for the answer's stream."""
        return codec(self.wire).Decoder(self.context(turn, mint))

    def whole(self, body: bytes, mint: Mint, turn: str) -> list[Event]:
        """The events of an answer that was not streamed, before the stages."""
        context = msgspec.structs.replace(self.context(turn, mint), native=False)
        return codec(self.wire).decode_whole(body, context)

    def stages(self) -> list[Stage]:
        """Fresh stages for one answer, in order."""
        return [] if self.native or self.table.identity else [RestoreTools(self.table)]

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
        """What the vendor's HTTP error means."""
        info = codec(self.wire).decode_error(status, headers, body)
        info = vendor(self.profile_name).refine_error(info, body)
        return msgspec.structs.replace(info, provider=self.provider, account=self.account or info.account)


def choose_wire(request: Request, target: Target) -> tuple[WireName, bool]:
    """The upstream wire, and whether the body passes through untouched."""
    row, serves = target.provider, target.model.wires
    client = request.wire
    if target.native and client in row.native and target.wire in (None, client) and (not serves or client in serves):
        if request.body is not None and not _ours(request):
            return client, True
    wire = target.wire or row.wire
    return (serves[0] if serves and wire not in serves and target.wire is None else wire), False


def _ours(request: Request) -> bool:
    """Whether the body holds what only we can read: seals, compacted history, a stored conversation."""
    if request.previous_response_id is not None or request.compaction:
        return True
    return any(
        isinstance(b, Compaction) or (isinstance(b, Reasoning) and b.seal is not None)
        for message in request.messages
        for b in message.content
    )


def plan(
    request: Request,
    target: Target,
    *,
    session: str = "",
    client_headers: Mapping[str, str] | None = None,
) -> Plan:
    """One call of `target` for `request`.

    session: the conversation's id, for vendors that route their cache by one. client_headers: of which only those
    pass that the provider's row names. Raises InvalidRequest for what the target cannot do, ConfigError for what is
    wrong with the configuration.
    """
    row, facts = target.provider, target.model
    wire, native = choose_wire(request, target)
    url = endpoint(row, wire, target.base_url)
    check_key(row, target.key, url)
    headers = build_headers(row, wire, target.key, stream=request.stream, more=target.headers)
    headers |= _forwarded(row, client_headers or {})
    notes = _model_notes(facts)
    if native:
        body, made = _pass_through(request, facts.id), _Made()
    else:
        body, made = _translate(request, target, wire, session)
    return Plan(
        provider=row.id,
        account=target.account,
        model=facts.id,
        family=facts.family,
        wire=wire,
        url=url,
        headers=headers,
        body=merge_body(body, target.extra_body),
        stream=request.stream,
        native=native,
        notes=_distinct((*notes, *made.notes)),
        table=made.table,
        thinking=made.thinking,
        profile=row.profile,
        facts=facts,
        response_format=request.response_format,
        strict_usage=target.strict_usage,
        secrets=(target.key,) if target.key else (),
        profile_name=row.profile_name,
    )


class _Made(msgspec.Struct, frozen=True):
    """What translating gave beside the body."""

    notes: tuple[Note, ...] = ()
    table: ToolTable = ToolTable()
    thinking: Thinking = Thinking()


def _forwarded(row: ProviderRow, client: Mapping[str, str]) -> dict[str, str]:
    """The client's headers that the row names."""
    named = {name.lower() for name in row.forward_headers} - FORBIDDEN_HEADERS
    return {name.lower(): value for name, value in client.items() if name.lower() in named}


def _model_notes(facts: ModelFacts) -> tuple[Note, ...]:
    if facts.status != "retired":
        return ()
    ended = f" since {facts.retire_date}" if facts.retire_date else ""
    successor = f"; its successor is {facts.successor}" if facts.successor else ""
    return (Note("model_retired", "model", f"{facts.id} is retired{ended}{successor}"),)


def _distinct(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    return tuple({(note.code, note.field): note for note in reversed(notes)}.values())[::-1]


def _pass_through(request: Request, model: str) -> bytes:
    """The client's body with the vendor's model id."""
    body = msgspec.json.decode(request.body or b"{}", type=dict[str, Raw])
    body["model"] = Raw(msgspec.json.encode(model))
    return msgspec.json.encode(body)


def _translate(request: Request, target: Target, wire: WireName, session: str) -> tuple[bytes, _Made]:
    """The upstream body by way of the canonical request."""
    row, facts = target.provider, target.model
    profile = row.profile
    notes: list[Note] = []
    lowered = lower(request, profile)
    notes += lowered.notes
    limit = output_limit(request, Context(wire, profile, facts), notes)
    aim = ReplayTarget(row.id, facts.family, wire, profile, facts.id, facts.inputs)
    default = target.thinking_default or row.thinking_default or profile.thinking_default
    history = survey(request.messages, aim)
    thought = decide(Case(request.reasoning, request.wire, profile, facts, history, default, limit, wire))
    notes += thought.notes
    prepared = prepare(request.messages, msgspec.structs.replace(aim, thinking=thought.active))
    notes += prepared.notes
    messages = lower_history(prepared.messages, lowered.table, profile)
    format, messages = shape_format(request.response_format, messages, profile, request.wire, notes)
    messages = _marked(messages, request, lowered.tools, profile, notes)
    context = Context(wire, profile, facts, thought.active, session)
    shaped = msgspec.structs.replace(
        request,
        model=facts.id,
        messages=messages,
        tools=lowered.tools,
        tool_choice=_choice(lowered.choice, thought, profile, notes),
        max_output_tokens=limit,
        response_format=format,
        body=None,
        **shape_params(request, context, notes),
    )
    body = codec(wire).encode_request(shaped, Shape(facts.id, profile, thought.shape))
    body = merge_body(body, vendor(row.profile_name).extra_body(wire, facts, thought.shape))
    return body, _Made(tuple(notes), lowered.table, thought.shape)


def _choice(choice: ToolChoice | None, thought: Decision, profile: Profile, notes: list[Note]) -> ToolChoice | None:
    """The tool choice, weakened where thinking forbids force."""
    forced = choice is not None and choice.mode in ("required", "named")
    if forced and thought.active and not profile.forced_choice_thinking:
        notes.append(Note("tool_choice_weakened", "tool_choice", "no call can be forced while the model thinks"))
        return ToolChoice()
    return choice


def _marked(
    messages: tuple[Message, ...], request: Request, tools: tuple[Tool, ...], profile: Profile, notes: list[Note]
) -> tuple[Message, ...]:
    """Cache marks where the provider takes them."""
    if profile.cache_marks:
        return shape_marks(messages, tools)
    if any(tool.cache is not None for tool in request.tools):
        notes.append(Note("cache_mark_dropped", "cache_control", "the provider takes no cache marks"))
    return messages
