"""Whose thinking it is: the part of replay that keeps one vendor's reasoning from another.

In: history and the target. Out: whether a block is the target's own, another's, or of unknown origin; what that says
of the whole history; and whether a history may go to a vendor as the client wrote it. Pure; knows no vendor.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.messages import MediaKind, Message, ProviderState, Reasoning, WebSearch, WireName
from dragoman.core.pairing import pair
from dragoman.core.profile import ForeignReasoning, Profile, UnsupportedMedia
from dragoman.core.search import SearchMode
from dragoman.core.search_replay import told_again


class ReplayTarget(msgspec.Struct, frozen=True):
    """For whom history is prepared.

    inputs: the media that the model sees. thinking: whether the model will think in this call. placeholders: whether
    lost reasoning must be stood in for. tools: whether the request or its history has any: without them the rule
    `always` sends no reasoning. foreign_reasoning: what becomes of another family's thinking.
    media_unsupported: `error` makes media in the newest user turn that the model cannot take a 400. own_files: a file
    id in the history is one of this provider's own. search: who runs web searches in this call.
    """

    provider: str
    family: str
    wire: WireName
    profile: Profile = Profile()
    model: str = ""
    inputs: frozenset[MediaKind] = frozenset()
    thinking: bool = True
    tools: bool = True
    foreign_reasoning: ForeignReasoning = "drop"
    media_unsupported: UnsupportedMedia = "error"
    search: SearchMode = "off"
    own_files: bool = False

    @property
    def placeholders(self) -> bool:
        """Whether lost reasoning must be stood in for."""
        rule = self.profile.replay
        return self.thinking and (rule == "tool_turns" or (rule == "always" and self.tools))

    @property
    def sealed_only(self) -> bool:
        """Whether the vendor takes back only thinking that it signed or encrypted itself."""
        if self.wire == "messages":
            return self.profile.signatures
        return self.wire == "responses" and self.profile.encrypted_reasoning

    def owns(self, state: ProviderState | None) -> bool:
        """Whether raw vendor data came from this provider and family, on this wire."""
        return state is not None and self.is_kin(state) and state.wire == self.wire and bool(bytes(state.data))

    def ran(self, search: WebSearch) -> bool:
        """Whether a search may go back raw. One of unknown origin may where the server runs searches of this form."""
        state = search.state
        if state is None or not self.profile.hosted_tools or state.wire != self.wire:
            return False
        return self.is_kin(state) or not state.provider

    def is_kin(self, state: ProviderState) -> bool:
        """Whether a block came from this provider and family. Data of unknown origin counts where it is signed."""
        if not state.provider:
            return self.sealed_only and state.wire == self.wire
        return state.provider == self.provider and (not state.family or not self.family or state.family == self.family)


class History(msgspec.Struct, frozen=True):
    """What the history says of thinking: assistant turns with calls, those of them with reasoning, and any at all."""

    tool_turns: int = 0
    own_tool_turns: int = 0
    own_turns: int = 0


def stamped(message: Message, provider: str, family: str, wire: WireName) -> Message:
    """An answer whose thinking says who made it, so that another model is not given it as its own."""
    origin = ProviderState(provider, family, wire)
    blocks = [
        msgspec.structs.replace(b, state=origin) if isinstance(b, Reasoning) and b.state is None else b
        for b in message.content
    ]
    return msgspec.structs.replace(message, content=tuple(blocks))


def is_foreign(block: Reasoning, target: ReplayTarget) -> bool:
    """Whether this thinking is known to come from another provider or model family."""
    state = block.state
    return state is not None and bool(state.provider) and not target.is_kin(state)


def usable(block: Reasoning, target: ReplayTarget) -> bool:
    """Whether the target can be given this block."""
    if block.placeholder or is_foreign(block, target):
        return False
    if block.presence == "absent":
        return False
    if not target.sealed_only and (block.presence == "empty" or block.text):
        return True
    return target.owns(block.state) or (target.profile.signatures and bool(block.signature))


def survey(messages: Sequence[Message], target: ReplayTarget) -> History:
    """Counts the turns whose reasoning the target would recognise as its own."""
    tools = own_tools = own = 0
    for message in messages:
        if message.role != "assistant":
            continue
        mine = any(isinstance(b, Reasoning) and usable(b, target) for b in message.content)
        own += mine
        if message.calls or (target.search != "native" and told_again(message)):
            tools += 1
            own_tools += mine
    return History(tools, own_tools, own)


def passes(messages: Sequence[Message], target: ReplayTarget) -> bool:
    """Whether a history can go to the vendor in its own protocol as the client wrote it.

    It cannot where a thread from elsewhere left thinking that this vendor did not sign, calls and results that do not
    pair, or ids that it refuses.
    """
    repaired: list[str] = []
    history = list(messages)
    paired = pair(history, target.profile, lambda code, field, told: repaired.append(code))
    if repaired or [c.id for m in paired for c in m.calls] != [c.id for m in history for c in m.calls]:
        return False
    return not any(isinstance(b, Reasoning) and not _native(b, target) for m in history for b in m.content)


def _native(block: Reasoning, target: ReplayTarget) -> bool:
    """Whether the vendor can have made this block, for all that can be seen."""
    if is_foreign(block, target) or block.seal is not None:
        return False
    if target.wire == "chat":
        return target.profile.reasoning_field != "none"
    if target.owns(block.state) or not target.sealed_only:
        return True
    if target.wire == "messages":
        return bool(block.signature)
    # An item without its text stands for one that the vendor keeps under its id.
    return not block.text or block.summary
