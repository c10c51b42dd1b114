"""Replay: a client's history made fit for one model (laws 8 and 13). Pure, idempotent, mutates nothing.

In: the messages as the client's codec gave them, and what the target takes. Out: messages in which every call has its
result right after it, arguments are JSON objects, reasoning is there where the vendor wants it and absent where it is
another's, media is only where the model can see it, and nothing is empty. Each step depends only on what stands
before it, so that the messages of one turn are a prefix of those of the next. Names of tools are not touched here
(see `core.lowering.lower_history`). Knows no vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from dragoman.core.media import Viewer, drop_cache_marks
from dragoman.core.messages import (
    Block,
    Compaction,
    MediaKind,
    Message,
    Opaque,
    ProviderState,
    Reasoning,
    Text,
    ToolCall,
    WireName,
)
from dragoman.core.notes import Note
from dragoman.core.pairing import pair
from dragoman.core.profile import Profile
from dragoman.errors import CompactionUnreadable

PLACEHOLDER = "(the reasoning of this step is not available)"
"""Stands where a vendor insists on reasoning that is lost. Fixed: a changed byte would cost the prompt cache."""
_VOLATILE = "x-anthropic-billing-header:"
"""Claude Code's first system block; its value changes from call to call."""


class ReplayTarget(msgspec.Struct, frozen=True):
    """For whom history is prepared.

    inputs: the media that the model sees. thinking: whether the model will think in this call. placeholders: whether
    lost reasoning must be stood in for. foreign_reasoning: what becomes of another family's thinking.
    media_unsupported: `error` makes media in the newest user turn that the model cannot take a 400.
    """

    provider: str
    family: str
    wire: WireName
    profile: Profile = Profile()
    model: str = ""
    inputs: frozenset[MediaKind] = frozenset()
    thinking: bool = True
    foreign_reasoning: Literal["drop", "text"] = "drop"
    media_unsupported: Literal["error", "note"] = "error"

    @property
    def placeholders(self) -> bool:
        """Whether lost reasoning must be stood in for."""
        return self.thinking and self.profile.replay in ("tool_turns", "always")

    def owns(self, state: ProviderState | None) -> bool:
        """Whether raw vendor data came from this provider and family, on this wire."""
        return state is not None and self.is_kin(state) and state.wire == self.wire and bool(bytes(state.data))

    def is_kin(self, state: ProviderState) -> bool:
        """Whether a block came from this provider and family. Data of unknown origin counts where it is signed."""
        if not state.provider:
            return self.profile.signatures and state.wire == self.wire
        return state.provider == self.provider and (not state.family or not self.family or state.family == self.family)


class Prepared(msgspec.Struct, frozen=True):
    """History fit for the target, and what was done to it."""

    messages: tuple[Message, ...]
    notes: tuple[Note, ...] = ()


class History(msgspec.Struct, frozen=True):
    """What the history says of thinking: assistant turns with calls, those of them with reasoning, and any at all."""

    tool_turns: int = 0
    own_tool_turns: int = 0
    own_turns: int = 0


def is_foreign(block: Reasoning, target: ReplayTarget) -> bool:
    """Whether this thinking is known to come from another provider or model family."""
    state = block.state
    return state is not None and bool(state.provider) and not target.is_kin(state)


def _usable(block: Reasoning, target: ReplayTarget) -> bool:
    """Whether the target can be given this block."""
    if block.placeholder or is_foreign(block, target):
        return False
    if block.presence == "absent":
        return False
    if block.presence == "empty" or block.text:
        return True
    return target.owns(block.state) or (target.profile.signatures and bool(block.signature))


def survey(messages: Sequence[Message], target: ReplayTarget) -> History:
    """Counts the turns whose reasoning the target would recognise as its own."""
    tools = own_tools = own = 0
    for message in messages:
        if message.role != "assistant":
            continue
        mine = any(isinstance(b, Reasoning) and _usable(b, target) for b in message.content)
        own += mine
        if message.calls:
            tools += 1
            own_tools += mine
    return History(tools, own_tools, own)


class _Notes:
    """Notes, one per code and field."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Note] = {}

    def add(self, code: str, field: str = "", message: str = "") -> None:
        self._seen.setdefault((code, field), Note(code, field, message))

    def all(self) -> tuple[Note, ...]:
        return tuple(self._seen.values())


def prepare(messages: Iterable[Message], target: ReplayTarget) -> Prepared:
    """History made fit for `target`.

    Raises CompactionUnreadable when a compacted history is still closed, and InvalidRequest when the newest user turn
    holds media that the model cannot take.
    """
    notes = _Notes()
    out = _clean(messages, target, notes.add)
    out = _join_assistants(out, target)
    out = _join_assistants(pair(out, target.profile, notes.add), target)
    out = _reason(out, target, notes.add)
    out = Viewer(target.profile, target.inputs, target.model, target.media_unsupported, notes.add).see(out)
    out = _fill(out, target, notes.add)
    out = _systems(out, target.profile)
    out = _alternate(out, target)
    return Prepared(tuple(out), notes.all())


def _clean(messages: Iterable[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """Without volatile blocks, unreadable items, foreign raw data and marks that nobody would understand."""
    out = []
    for message in messages:
        blocks: list[Block] = []
        for block in message.content:
            kept = (
                None if isinstance(block, Text) and not block.text else _clean_block(block, message.role, target, note)
            )
            if kept is not None:
                blocks.append(kept)
        if all(map(_blank, blocks)):
            blocks = []
        if blocks:
            out.append(_with(message, blocks))
        elif not any(isinstance(b, Text) and b.text.startswith(_VOLATILE) for b in message.content):
            note("history_repaired", "", f"an empty {message.role} message was left out")
    return out


def _with(message: Message, blocks: Sequence[Block]) -> Message:
    """The message with these blocks; the same object where nothing changed."""
    new = tuple(blocks)
    same = len(new) == len(message.content) and all(a is b for a, b in zip(new, message.content, strict=True))
    return message if same else msgspec.structs.replace(message, content=new)


def _clean_block(block: Block, role: str, target: ReplayTarget, note: Callable[[str, str, str], None]) -> Block | None:
    if isinstance(block, Text) and role == "system" and block.text.startswith(_VOLATILE):
        note("block_stripped", "system", "a billing line that changes from call to call was left out")
        return None
    if isinstance(block, Compaction):
        raise CompactionUnreadable(
            "the compacted history cannot be read here; start a new conversation, or send the history itself",
            code="compaction_unreadable",
        )
    if isinstance(block, Opaque):
        own = block.provider == target.provider and block.family in ("", target.family)
        if block.wire == target.wire and (own or (not block.provider and target.profile.hosted_tools)):
            return block
        note("item_dropped", block.kind, f"{block.kind} was left out of the history")
        return None
    if not target.profile.cache_marks:
        block = drop_cache_marks(block, note)
    if isinstance(block, Text | ToolCall) and block.state is not None and not target.owns(block.state):
        block = msgspec.structs.replace(block, state=None)
    return block


def _join_assistants(messages: list[Message], target: ReplayTarget) -> list[Message]:
    """One message for what an assistant said in one go: text after calls, or thinking that stands alone."""
    out: list[Message] = []
    for message in messages:
        last = out[-1] if out else None
        if message.role == "assistant" and last is not None and last.role == "assistant":
            alone = all(isinstance(b, Reasoning) for b in last.content)
            if last.calls or alone or target.profile.alternate_roles:
                out[-1] = msgspec.structs.replace(last, content=last.content + message.content)
                continue
        out.append(message)
    return out


def _reason(messages: list[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """Every assistant turn with the reasoning that the target wants, and no other."""
    rule = target.profile.replay
    wanted = rule != "never" and (target.thinking or not target.profile.replay_only_thinking)
    out = []
    for message in messages:
        if message.role != "assistant":
            out.append(message)
            continue
        blocks: list[Block] = []
        have = False
        for block in message.content:
            if not isinstance(block, Reasoning):
                blocks.append(block)
            elif _usable(block, target):
                if wanted:
                    have = True
                    blocks.append(_own(block, target))
            elif not block.placeholder and block.presence != "absent":
                note("thinking_dropped", "", "another model's thinking was left out")
                if target.foreign_reasoning == "text" and block.text:
                    blocks.append(Text(block.text))
        if not have and target.placeholders:
            blocks[:0] = _stand_in(message, rule, note)
        out.append(_with(message, blocks))
    return out


def _own(block: Reasoning, target: ReplayTarget) -> Reasoning:
    """The block as this target may see it: our seal never, a signature only where the vendor issues them."""
    signature = block.signature if target.profile.signatures else None
    state = block.state if target.owns(block.state) else None
    if block.seal is None and signature == block.signature and state is block.state:
        return block
    return msgspec.structs.replace(block, seal=None, signature=signature, state=state)


def _stand_in(message: Message, rule: str, note: Callable[[str, str, str], None]) -> list[Block]:
    if message.calls:
        note("thinking_placeholder", "", "the reasoning of a tool-call turn is lost")
        return [Reasoning(PLACEHOLDER, placeholder=True)]
    return [Reasoning("", "empty", placeholder=True)] if rule == "always" else []


def _blank(block: Block) -> bool:
    return isinstance(block, Text) and not block.text.strip()


def _fill(messages: list[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """No assistant message that is only thinking, and no user message that is only media where text is wanted."""
    out = []
    for message in messages:
        if message.role == "assistant" and all(isinstance(b, Reasoning) or _blank(b) for b in message.content):
            note("history_repaired", "", "an assistant message with nothing to send was left out")
            continue
        if message.role == "user" and target.profile.media_needs_text:
            if not any(isinstance(b, Text) for b in message.content):
                message = _with(message, (*message.content, Text("(see the attachment)")))
        out.append(message)
    return out


def _systems(messages: list[Message], profile: Profile) -> list[Message]:
    """System text at its place, or for vendors that take one system message: merged in front, later ones as user text.

    A later one is never moved to the front: that would change the prompt's prefix in every turn.
    """
    if not profile.merge_system:
        return messages
    out: list[Message] = []
    for message in messages:
        if message.role not in ("system", "developer"):
            out.append(message)
        elif not out:
            out.append(_with(message, message.content) if message.role == "system" else _as_system(message))
        elif len(out) == 1 and out[0].role == "system":
            parts: tuple[Block, ...] = (*out[0].content, *_spaced(message.content))
            out[0] = msgspec.structs.replace(out[0], content=parts)
        else:
            out.append(msgspec.structs.replace(message, role="user"))
    return out


def _as_system(message: Message) -> Message:
    return msgspec.structs.replace(message, role="system")


def _spaced(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The blocks of a further system message: set off from those before by an empty line."""
    first = blocks[0]
    if isinstance(first, Text):
        return (msgspec.structs.replace(first, text="\n\n" + first.text), *blocks[1:])
    return blocks


def _alternate(messages: list[Message], target: ReplayTarget) -> list[Message]:
    """User messages that stand side by side become one, where the vendor or the wire demands it."""
    if not target.profile.alternate_roles and target.wire != "messages":
        return messages
    out: list[Message] = []
    for message in messages:
        last = out[-1] if out else None
        if last is not None and message.role == "user" and last.role == "user":
            out[-1] = msgspec.structs.replace(last, content=last.content + message.content)
        else:
            out.append(message)
    return out
