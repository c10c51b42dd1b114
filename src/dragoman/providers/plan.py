"""The plan: one request made ready for one model, account and wire, with everything that was not done as asked.

In: a canonical request and a target. Out: URL, headers, body, the decoder and stages for the answer, and the notes.
Pure: no clock, no environment, no I/O; two plans of the same request are equal byte for byte. Everything that is
wrong with request or configuration is raised here, before any call.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from dragoman.catalog import ProviderRow
from dragoman.core.events import Event
from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.core.profile import ModelFacts, Profile
from dragoman.core.request import Request, ResponseFormat
from dragoman.core.restore import RestoreTools
from dragoman.core.search import SearchMode, SearchWish
from dragoman.core.shape import Thinking
from dragoman.core.stage import Stage
from dragoman.core.tooltable import ToolTable
from dragoman.errors import BodyTooLarge, ErrorInfo
from dragoman.providers.codecs import codec
from dragoman.providers.ends import Ends
from dragoman.providers.params import merge_body
from dragoman.providers.target import Target
from dragoman.providers.translate import Translated, translate
from dragoman.providers.urls import FORBIDDEN_HEADERS, build_headers, check_key, endpoint
from dragoman.providers.vendors import vendor
from dragoman.providers.wire_choice import choose_wire
from dragoman.wire.base import DecodeContext, Mint, StreamDecoder
from dragoman.wire.think_tags import TagRules


class _Tiered(msgspec.Struct):
    service_tier: object = None


def tag_rules(profile: Profile, thinks: bool = True) -> TagRules | None:
    """How thinking stands in a Chat answer's text. A model whose thinking is off does not begin inside it."""
    if not profile.think_tags:
        return None
    begins = profile.starts_in_thinking and thinks
    return TagRules(profile.think_names, begins, profile.think_depth, profile.think_loose)


class Plan(msgspec.Struct, frozen=True):
    """One upstream call, ready to be made. Its repr shows neither headers nor body.

    thinking: what is sent about it. table: the way back for tool names. response_format: what the client asked, for
    the schema check. secrets: what no error text may hold. profile_name: whose behaviour the vendor shows. search: how
    a declared web search is carried out, "off" where none is offered; wish: what the client asks of it.
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
    search: SearchMode = "off"
    wish: SearchWish | None = None

    def __repr__(self) -> str:
        return f"Plan({self.provider}:{self.model} by {self.account!r} over {self.wire}, {len(self.body)} bytes)"

    @property
    def service_tier(self) -> str | None:
        """The service tier that the call asks for, in the vendor's word; it may change the price."""
        if b'"service_tier"' not in self.body:
            return None
        tier = msgspec.json.decode(self.body, type=_Tiered).service_tier
        return tier if isinstance(tier, str) else None

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
            tags=tag_rules(self.profile, self.thinking.mode != "off") if self.wire == "chat" else None,
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
        if self.native:
            return []
        own = vendor(self.profile_name)
        out: list[Stage] = own.stages(self.wire, self.provider, self.family)
        if not self.table.identity:
            out.append(RestoreTools(self.table))
        out.append(Ends(own, self.facts.context if self.facts is not None else None))
        return out

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
        """What the vendor's HTTP error means."""
        info = codec(self.wire).decode_error(status, headers, body)
        info = vendor(self.profile_name).refine_error(info, body)
        return msgspec.structs.replace(info, provider=self.provider, account=self.account or info.account)


def plan(
    request: Request,
    target: Target,
    *,
    session: str = "",
    client_headers: Mapping[str, str] | None = None,
    search: SearchMode = "off",
) -> Plan:
    """One call of `target` for `request`.

    session: the conversation's id, for vendors that route their cache by one. client_headers: of which only those
    pass that the provider's row names. search: who runs a web search that the client declares, where the provider
    does not take the client's own declaration (see `can_search` for `native`). Raises InvalidRequest for what the
    target cannot do, ConfigError for what is wrong with the configuration.
    """
    row, facts = target.provider, target.model
    wire, native = choose_wire(request, target, search)
    url = endpoint(row, wire, target.base_url)
    check_key(row, target.key, url)
    headers = build_headers(row, wire, target.key, stream=request.stream, more=target.headers)
    headers |= _forwarded(row, client_headers or {})
    notes = _model_notes(facts)
    if native:
        body, made = _pass_through(request, facts.id), Translated()
    else:
        body, made = translate(request, target, wire, session, search, url)
    return Plan(
        provider=row.id,
        account=target.account,
        model=facts.id,
        family=facts.family,
        wire=wire,
        url=url,
        headers=headers,
        body=_bounded(merge_body(body, target.extra_body), row, wire),
        stream=request.stream,
        native=native,
        notes=_distinct((*notes, *made.notes)),
        table=made.table,
        thinking=made.thinking,
        profile=row.profile_on(wire),
        facts=facts,
        response_format=request.response_format,
        strict_usage=target.strict_usage,
        secrets=(target.key,) if target.key else (),
        profile_name=row.profile_name,
        search=search if made.wish is not None else "off",
        wish=made.wish,
    )


def _bounded(body: bytes, row: ProviderRow, wire: WireName) -> bytes:
    """The body, where it is no larger than the provider takes."""
    limit = row.profile_on(wire).body_limit
    if limit and len(body) > limit:
        size = f"{len(body) / 2**20:.1f} MB"
        raise BodyTooLarge(f"the request is {size} and {row.id} takes {limit >> 20} MB; send media by URL, or fewer")
    return body


def _forwarded(row: ProviderRow, client: Mapping[str, str]) -> dict[str, str]:
    """The client's headers that the row names."""
    if not row.forward_headers:
        return {}
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
