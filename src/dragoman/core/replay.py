"""Replay: a client's history made fit for one model (laws 8 and 13). Pure, idempotent, mutates nothing.

In: the messages as the client's codec gave them, and what the target takes. Out: messages in which every call has its
result right after it, arguments are JSON objects, reasoning is there where the vendor wants it and absent where it is
another's, media is only where the model can see it, and nothing is empty. Each step depends only on what stands
before it, so that the messages of one turn are a prefix of those of the next. Names of tools are not touched here
(see `core.lowering.lower_history`). Knows no vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from dragoman.core.media import Viewer, drop_cache_marks
from dragoman.core.messages import (
    Block,
    Compaction,
    Message,
    Opaque,
    Reasoning,
    ResultPart,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.core.notes import Note
from dragoman.core.ownership import History, ReplayTarget, is_foreign, passes, stamped, survey, usable
from dragoman.core.pairing import pair
from dragoman.core.profile import Profile
from dragoman.core.search_replay import expand_searches
from dragoman.errors import CompactionUnreadable

__all__ = ["PLACEHOLDER", "History", "Prepared", "ReplayTarget", "is_foreign", "passes", "prepare", "stamped", "survey"]

PLACEHOLDER = "(the reasoning of this step is not available)"
"""Stands where a vendor insists on reasoning that is lost. Fixed: a changed byte would cost the prompt cache."""
_GO_ON = "Please go on."
"""The user's word where only system text stands."""
_OPEN, _CLOSE = "<system-reminder>", "</system-reminder>"
_VOLATILE = "x-anthropic-billing-header:"
"""Claude Code's first system block; its value changes from call to call."""


class Prepared(msgspec.Struct, frozen=True):
    """History fit for the target, and what was done to it."""

    messages: tuple[Message, ...]
    notes: tuple[Note, ...] = ()


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
    out = expand_searches(out, target.ran, target.search != "native", notes.add)
    out = _join_assistants(pair(out, target.profile, notes.add), target)
    out = _reason(out, target, notes.add)
    out = Viewer(target.sight, notes.add).see(out)
    out = _fill(out, target, notes.add)
    out = _named(out, target, notes.add)
    out = _systems(out, target.profile, notes.add)
    out = _asked(out, target, notes.add)
    out = _alternate(out, target)
    return Prepared(tuple(out), notes.all())


def _clean(messages: Iterable[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """Without volatile blocks, unreadable items, foreign raw data and marks that nobody would understand."""
    out = []
    gone: set[str] = set()
    for message in messages:
        if message.failed:
            gone = {call.id for call in message.calls}
            note("history_repaired", "", "a turn that had failed was left out with its results")
            continue
        if message.role == "assistant" and message.calls:
            gone = set()
        elif gone:
            message = _without(message, gone)
            if not message.content:
                continue
        blocks: list[Block] = []
        for block in message.content:
            kept = None if _says_nothing(block, target) else _clean_block(block, message.role, target, note)
            if kept is not None:
                blocks.append(kept)
        if all(map(_blank, blocks)):
            blocks = []
        if blocks:
            out.append(_with(message, blocks))
        elif not any(isinstance(b, Text) and b.text.startswith(_VOLATILE) for b in message.content):
            note("history_repaired", "", f"an empty {message.role} message was left out")
    return out


def _says_nothing(block: Block | ResultPart, target: ReplayTarget) -> bool:
    """A text that is not sent: the empty one, and the blank one where the vendor refuses a block that is no more."""
    if not isinstance(block, Text):
        return False
    return not block.text or (_blank(block) and not target.profile.blank_text)


def _without(message: Message, calls: set[str]) -> Message:
    """The message without the results of these calls."""
    kept = [b for b in message.content if not (isinstance(b, ToolResult) and b.call_id in calls)]
    changed = _with(message, kept)
    return msgspec.structs.replace(changed, role="user") if changed.role == "tool" and not _results(kept) else changed


def _results(blocks: Sequence[Block]) -> bool:
    return any(isinstance(b, ToolResult) for b in blocks)


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
        if target.wire == "responses" and target.profile.hosted_tools:
            return block  # the vendor folds histories itself, and knows its own
        raise CompactionUnreadable(
            "the compacted history cannot be read here; start a new conversation, or send the history itself",
            code="compaction_unreadable",
            param="input",
        )
    if isinstance(block, Opaque):
        own = block.provider == target.provider and block.family in ("", target.family)
        if block.wire == target.wire and (own or (not block.provider and target.profile.hosted_tools)):
            return block
        note("item_dropped", block.kind, f"{block.kind} was left out of the history")
        return None
    if isinstance(block, ToolResult) and not block.was_text:
        parts = tuple(part for part in block.content if not _says_nothing(part, target))
        if not parts or len(parts) < len(block.content):
            # An empty list is a 400 where an empty text is not.
            block = msgspec.structs.replace(block, content=parts, was_text=not parts)
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
    wanted = wanted and (rule != "always" or target.tools)
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
            elif usable(block, target):
                if wanted:
                    have = True
                    blocks.append(_own(block, target))
                elif rule == "never" and block.text:
                    note("thinking_dropped", "", "the provider takes no thinking back")
            elif not block.placeholder and block.presence not in ("absent", "empty"):
                if target.foreign_reasoning == "text" and block.text.strip():
                    note("thinking_dropped", "", "another model's thinking became a part of its answer")
                    blocks.append(Text(block.text))
                else:
                    note("thinking_dropped", "", "another model's thinking was left out")
        if not have and target.placeholders:
            blocks[:0] = _stand_in(message, rule, note)
        out.append(_with(message, blocks))
    return out


def _own(block: Reasoning, target: ReplayTarget) -> Reasoning:
    """The block as this target may see it: our seal never, a signature only where the vendor issues them."""
    signature = block.signature if target.profile.signatures else None
    # Of an empty one nothing else tells that it is not lost.
    state = block.state if target.owns(block.state) or block.presence == "empty" else None
    if block.seal is None and signature == block.signature and state is block.state:
        return block
    return msgspec.structs.replace(block, seal=None, signature=signature, state=state)


def _stand_in(message: Message, rule: str, note: Callable[[str, str, str], None]) -> list[Block]:
    """What stands for lost reasoning: a sentence, or the empty text where the vendor is known to take it."""
    if message.calls:
        note("thinking_placeholder", "", "the reasoning of a tool-call turn is lost")
    if rule == "always":
        return [Reasoning("", "empty", placeholder=True)]
    return [Reasoning(PLACEHOLDER, placeholder=True)] if message.calls else []


def _blank(block: Block | ResultPart) -> bool:
    return isinstance(block, Text) and not block.text.strip()


def _fill(messages: list[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """No assistant message that is only thinking, and no user message that is only media where text is wanted."""
    out = []
    for message in messages:
        if message.role == "assistant" and all(isinstance(b, Reasoning) or _blank(b) for b in message.content):
            note("history_repaired", "", "an assistant message with nothing to send was left out")
            continue
        if message.role == "user" and target.profile.media_needs_text:
            if not any(isinstance(b, Text) and not _blank(b) for b in message.content):
                message = _with(message, (*message.content, Text("(see the attachment)")))
        out.append(message)
    return out


def _named(messages: list[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """Who speaks, in the text of a user's message where the upstream has no field for it."""
    if target.wire == "responses" or (target.wire == "chat" and target.profile.message_names):
        return messages
    out: list[Message] = []
    for message in messages:
        if message.name is not None:
            said = message.content
            if message.role == "user":
                said = (Text(f"From {message.name}:"), *said)
            else:
                note("param_dropped", "messages.name", "the provider has no field for the name of a speaker")
            message = msgspec.structs.replace(message, content=said, name=None)
        out.append(message)
    return out


def _systems(messages: list[Message], profile: Profile, note: Callable[[str, str, str], None]) -> list[Message]:
    """System text at its place, or for vendors that take one system message: merged in front, later ones as user text.

    A later one is never moved to the front: that would change the prompt's prefix in every turn. It is marked, since
    nobody asked what stands in it: Claude Code's surroundings come right behind the first task (November 2026).
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
            note("system_as_user", "messages", "system text behind the beginning goes in a user message, marked")
            out.append(msgspec.structs.replace(message, role="user", content=_marked(message.content)))
    return out


def _marked(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """System text between the tags in which agents put reminders; text that has them already stays as it is."""
    first, last = blocks[0], blocks[-1]
    if not isinstance(first, Text) or not isinstance(last, Text) or first.text.startswith(_OPEN):
        return blocks
    opened = (msgspec.structs.replace(first, text=f"{_OPEN}\n{first.text}"), *blocks[1:])
    end = opened[-1]
    assert isinstance(end, Text)
    return (*opened[:-1], msgspec.structs.replace(end, text=f"{end.text}\n{_CLOSE}"))


def _asked(messages: list[Message], target: ReplayTarget, note: Callable[[str, str, str], None]) -> list[Message]:
    """System text alone, as a question: as the user's where the vendor refuses a request that asks nothing, and with
    a word of the user's on the Messages wire, where a conversation cannot be empty."""
    if not messages or any(message.role not in ("system", "developer") for message in messages):
        return messages
    if target.profile.needs_content:
        note("history_repaired", "messages", "the request holds system text alone; it was sent as the user's")
        return [msgspec.structs.replace(message, role="user") for message in messages]
    if target.wire == "messages":
        note("history_repaired", "messages", "the request holds system text alone; a word of the user's was added")
        return [*messages, Message("user", (Text(_GO_ON),))]
    return messages


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
