"""Whose thinking it is: the part of replay that keeps one vendor's reasoning from another.

In: history and the target. Out: whether a block is the target's own, another's, or of unknown origin; what that says
of the whole history; and whether a history may go to a vendor as the client wrote it. Pure; knows no vendor.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.media import Sight, can_pass
from dragoman.core.messages import (
    Block,
    Media,
    MediaKind,
    Message,
    ProviderState,
    Reasoning,
    ResultPart,
    Text,
    ToolResult,
    WebSearch,
    WireName,
)
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
    def sight(self) -> Sight:
        """What the target can be shown."""
        strict = self.media_unsupported == "error"
        return Sight(self.profile, self.inputs, self.model, self.wire, self.own_files, strict)

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
    """What the history says of thinking: assistant turns with calls, those of them with reasoning, and any at all.

    bare_loop: results have come for calls of a turn without the model's own reasoning, and it is to go on from there.
    """

    tool_turns: int = 0
    own_tool_turns: int = 0
    own_turns: int = 0
    bare_loop: bool = False


def is_unstamped(block: Block) -> bool:
    """Whether this is thinking of which nobody says who made it."""
    return isinstance(block, Reasoning) and (block.state is None or not block.state.provider)


def stamped(message: Message, provider: str, family: str, wire: WireName) -> Message:
    """A turn whose thinking says who made it, so that another model is not given it as its own.

    What says so already stays as it is. wire: where the thinking came from, if it does not say that itself.
    """
    blocks: list[Block] = []
    for block in message.content:
        if isinstance(block, Reasoning) and is_unstamped(block):
            state = block.state or ProviderState("", "", wire)
            block = msgspec.structs.replace(
                block, state=msgspec.structs.replace(state, provider=provider, family=family)
            )
        blocks.append(block)
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
    if not target.sealed_only and block.text:
        return True
    if not target.sealed_only and block.presence == "empty":
        # Of unknown origin it may as well be lost, and a vendor that insists on it may refuse an empty one.
        return target.profile.replay != "tool_turns" or not is_unstamped(block)
    return target.owns(block.state) or (target.profile.signatures and bool(block.signature))


def survey(messages: Sequence[Message], target: ReplayTarget) -> History:
    """Counts the turns whose reasoning the target would recognise as its own."""
    tools = own_tools = own = 0
    bare = False
    for message in messages:
        if message.role != "assistant" or message.failed:
            continue
        mine = any(isinstance(b, Reasoning) and usable(b, target) for b in message.content)
        own += mine
        if message.calls or (target.search != "native" and told_again(message)):
            tools += 1
            own_tools += mine
        bare = bool(message.calls) and not mine
    return History(tools, own_tools, own, bare)


def passes(messages: Sequence[Message], target: ReplayTarget) -> bool:
    """Whether a history can go to the vendor in its own protocol as the client wrote it.

    It cannot where a thread from elsewhere left thinking that this vendor did not sign, calls and results that do not
    pair, ids or blank texts that it refuses, or media that it does not take.
    """
    repaired: list[str] = []
    history = list(messages)
    paired = pair(history, target.profile, lambda code, field, told: repaired.append(code))
    if repaired or _calls(paired) != _calls(history) or (target.wire != "responses" and not _in_order(history)):
        return False
    if any(message.role == "assistant" and not message.content for message in history):
        return False
    return all(_passes(block, target) for message in history for block in message.content)


def _calls(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(call.id, call.arguments) for message in messages for call in message.calls]


def _in_order(messages: Sequence[Message]) -> bool:
    """Whether the results of a turn stand right behind its calls."""
    after = [*messages[1:], None]
    return all(not m.calls or (n is not None and n.role == "tool") for m, n in zip(messages, after, strict=True))


def _passes(block: Block | ResultPart, target: ReplayTarget) -> bool:
    match block:
        case Reasoning():
            return _native(block, target)
        case Text():
            return target.profile.blank_text or bool(block.text.strip())
        case Media():
            return can_pass(block, target.sight)
        case ToolResult():
            return block.was_text or all(_passes(part, target) for part in block.content)
    return True


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
