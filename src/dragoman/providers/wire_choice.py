"""Which wire a call goes over, and whether the client's body passes through untouched.

A native lane is taken only where nothing in the body needs us: no seals, no history of ours, nothing that the target
would not understand.
"""

from __future__ import annotations

from dragoman.core.lowering import declares_search
from dragoman.core.messages import Block, Compaction, Reasoning, Text, WebSearch, WireName
from dragoman.core.replay import passes, survey
from dragoman.core.request import Request
from dragoman.core.search import SearchMode
from dragoman.errors import ConfigError
from dragoman.providers.target import Target, replay_target
from dragoman.providers.urls import endpoint
from dragoman.providers.vendors import vendor
from dragoman.wire.seal import PREFIX


def choose_wire(request: Request, target: Target, search: SearchMode = "off") -> tuple[WireName, bool]:
    """The upstream wire, and whether the body passes through untouched."""
    row, serves = target.provider, target.model.wires
    client = request.wire
    searching = declares_search(request.tools)
    if target.native and client in row.native and target.wire in (None, client) and (not serves or client in serves):
        takes = not searching or row.profile_on(client).hosted_tools
        if request.body is not None and not _ours(request) and takes and _passes(request, target):
            return client, True
    wire = target.wire or row.wire
    wire = serves[0] if serves and wire not in serves and target.wire is None else wire
    if search == "native" and searching and not row.profile_on(wire).hosted_tools:
        wire = _searching_wire(target, wire) or wire
    return wire, False


def _passes(request: Request, target: Target) -> bool:
    """Whether the vendor would take the history, and think on from where it ends, as the client wrote it."""
    aim, ask = replay_target(target, request.wire), request.reasoning
    budgeted = ask.asked and ask.effort != "none" and not ask.adaptive
    if budgeted and aim.wire == "messages" and aim.sealed_only and survey(request.messages, aim).bare_loop:
        return False
    return passes(request.messages, aim)


def can_search(target: Target) -> bool:
    """Whether the vendor's own web search can be asked for: by this account, on a wire that the target may use."""
    row, serves = target.provider, target.model.wires
    wire = target.wire or row.wire
    return _searching_wire(target, serves[0] if serves and wire not in serves else wire) is not None


def _searching_wire(target: Target, first: WireName) -> WireName | None:
    """The wire on which the vendor searches, the usual one before others; None where there is none."""
    row = target.provider
    others = [] if target.wire else [w for w in row.wires if not target.model.wires or w in target.model.wires]
    own = vendor(row.profile_name)
    for wire in (first, *others):
        try:
            if own.searches(wire, endpoint(row, wire, target.base_url), target.key):
                return wire
        except ConfigError:  # a wire without an address
            continue
    return None


def _ours(request: Request) -> bool:
    """Whether the body holds what only we can read: seals, compacted history, searches, a stored conversation."""
    if request.previous_response_id is not None or request.compaction:
        return True
    return any(_only_ours(b, request.wire) for message in request.messages for b in message.content)


def _only_ours(block: Block, wire: WireName) -> bool:
    if isinstance(block, Text):  # our citations stand in the canonical form, which this wire does not have
        return wire == "messages" and any(b'"url_citation"' in bytes(raw) for raw in block.annotations)
    if isinstance(block, WebSearch):
        return block.state is None
    if isinstance(block, Compaction):
        return block.blob.startswith(PREFIX)
    return isinstance(block, Reasoning) and block.seal is not None
