"""What an assistant turn is known by, so that its reasoning is found again when a client sends the turn back.

Pure. A turn's digest is made of what a client keeps: visible text without regard to white space, and each call's id,
name and arguments as a JSON value (key order, spacing and `1` against `1.0` change nothing). Vendors reuse call ids
between conversations, so the digest of the message before breaks ties.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman.core.messages import (
    Media,
    Message,
    ProviderState,
    Reasoning,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    WebSearch,
)
from dragoman.store.vault import VaultEntry

DISTINCT_ID = 12
"""From this length (characters) a call id is taken to be random; `call_0` is not."""
DISTINCT_TEXT = 60
"""From this length (characters, without white space) a text is taken to be said once."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reasoning block, or a web search that was run here, and how many other blocks of its turn stood before it.

    chars: how many characters of visible text, white space aside, stood before it; -1 where that was not written down.
    tail, lead: how much white space ended the text before it and began the text behind it. A client that makes one text
    of both may have more between them (a paragraph was put there for the eye); -1 where that was not written down.
    """

    at: int
    block: Reasoning | WebSearch
    chars: int = -1
    tail: int = -1
    lead: int = -1


_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode
_kept = msgspec.json.Decoder(tuple[Kept, ...])


def pack(kept: Sequence[Kept]) -> bytes:
    """The reasoning of a turn as bytes for the vault."""
    return _encode(tuple(kept))


def unpack(data: bytes) -> tuple[Kept, ...]:
    """The reasoning again; empty where the bytes are not readable (a store may be older than this program)."""
    try:
        return _kept.decode(data)
    except msgspec.DecodeError:
        return ()


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _plain(value: Any) -> Any:
    """A JSON value with its numbers as any client may rewrite them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value


def canonical_arguments(call: ToolCall) -> bytes:
    """The call's arguments so that every rewriting of the same value gives the same bytes."""
    if call.kind == "custom":
        return call.arguments.strip().encode("utf-8", "surrogatepass")
    try:
        return _canonical(_plain(msgspec.json.decode(call.arguments or "{}")))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _squeeze(call.arguments).encode("utf-8", "surrogatepass")


def turn_digest(message: Message) -> str:
    """What an assistant turn is known by, or "" for a turn that says nothing."""
    text = _squeeze(message.text)
    calls = message.calls
    if not text and not calls:
        return ""
    digest = hashlib.sha256(b"turn\x00")
    _feed(digest, text.encode("utf-8", "surrogatepass"))
    for call in calls:
        for part in (call.id, call.namespace or "", call.name):
            _feed(digest, part.encode("utf-8", "surrogatepass"))
        _feed(digest, canonical_arguments(call))
    return digest.hexdigest()


def _feed(digest: Any, part: bytes) -> None:
    digest.update(len(part).to_bytes(8, "big"))
    digest.update(part)


def before_digest(messages: Sequence[Message]) -> str:
    """What the last message before a turn is known by. System text does not count: clients move it about."""
    for message in reversed(messages):
        if message.role in ("system", "developer"):
            continue
        digest = hashlib.sha256(message.role.encode() + b"\x00")
        for block in message.content:
            match block:
                case Text():
                    _feed(digest, _squeeze(block.text).encode("utf-8", "surrogatepass"))
                case ToolCall():
                    _feed(digest, block.id.encode() + b"\x00" + canonical_arguments(block))
                case ToolResult():
                    _feed(digest, block.call_id.encode("utf-8", "surrogatepass"))
                    for part in block.content:
                        _feed(digest, _part(part))
                case Media():
                    _feed(digest, _part(block))
                case _:
                    continue
        return digest.hexdigest()
    return ""


def _part(part: Text | Media | ToolReference) -> bytes:
    if isinstance(part, Text):
        return _squeeze(part.text).encode("utf-8", "surrogatepass")
    if isinstance(part, Media):
        return (part.url or part.data or part.file_id or "").encode("utf-8", "surrogatepass")
    return part.name.encode("utf-8", "surrogatepass")


def vault_key(tenant: str, provider: str, family: str, digest: str) -> str:
    """The key of a turn in the vault."""
    parts = "\x00".join((tenant, provider, family, digest))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def is_distinctive(message: Message) -> bool:
    """Whether no other conversation is likely to hold the same turn: a call id that looks random, or a long text."""
    return any(len(call.id) >= DISTINCT_ID for call in message.calls) or len(_squeeze(message.text)) >= DISTINCT_TEXT


def choose(entries: Sequence[VaultEntry], before: str, own: str, distinctive: bool) -> tuple[bytes | None, bool]:
    """The reasoning to put back, and whether several would fit.

    before: digest of the message before the turn. own: the reasoning text that the client itself sent. distinctive:
    the turn may be trusted although another message stands before it (clients edit their history); a turn such as
    "Done." may not.
    """
    found = {e.data for e in entries if e.before == before}
    if not found and distinctive:
        found = {e.data for e in entries}
    if own and len(found) != 1:
        same = {e.data for e in entries if _squeeze(_text(e.data)) == _squeeze(own)}
        found = same or found
    if len(found) > 1:
        last = _last(found)
        return last, last is None
    return next(iter(found), None), False


def _last(found: set[bytes]) -> bytes | None:
    """The memory that holds all the others: one turn, remembered at a call's end and again at its own.

    A request that is made again may be answered with the very same turn: only the id of the turn tells the two apart.
    """
    longest = max(found, key=lambda data: (len(data), data))
    whole = _turnless(longest)
    return longest if all(block in whole for data in found for block in _turnless(data)) else None


def _turnless(data: bytes) -> list[Kept]:
    """What is remembered, without the id of the turn that it came in."""
    return [
        msgspec.structs.replace(k, block=msgspec.structs.replace(k.block, turn=""))
        if isinstance(k.block, Reasoning)
        else k
        for k in unpack(data)
    ]


def _text(data: bytes) -> str:
    return "".join(k.block.text for k in unpack(data) if isinstance(k.block, Reasoning))


def put_back(message: Message, kept: Sequence[Kept], origin: ProviderState) -> Message:
    """The turn with what is remembered - reasoning, and searches - in place of whatever the client sent of it.

    origin: who made the reasoning.
    """
    searched = any(isinstance(k.block, WebSearch) for k in kept)
    known = (Reasoning, WebSearch) if searched else (Reasoning,)
    others: list[Any] = [b for b in message.content if not isinstance(b, known)]
    placed: list[tuple[int, Reasoning | WebSearch]] = []
    for k in kept:
        at = k.at
        if k.chars > 0 and text_chars(others[:at]) != k.chars:
            # The client made one text of what stood before and behind this thinking.
            others, at = _split(others, k)
        block = k.block
        if isinstance(block, Reasoning) and not block.state:
            block = msgspec.structs.replace(block, state=origin)
        placed.append((at, block))
    out: list[Any] = []
    for i, block in enumerate(others):
        out += [thought for at, thought in placed if at == i]
        out.append(block)
    out += [thought for at, thought in placed if at >= len(others)]
    return msgspec.structs.replace(message, content=tuple(out))


def trailing_space(blocks: Sequence[Any]) -> int:
    """Characters of white space that end the text of `blocks`."""
    text = next((b.text for b in reversed(blocks) if isinstance(b, Text)), "")
    return len(text) - len(text.rstrip())


def text_chars(blocks: Sequence[Any]) -> int:
    """Characters of visible text, white space aside."""
    return sum(len(_squeeze(b.text)) for b in blocks if isinstance(b, Text))


def _split(blocks: list[Any], kept: Kept) -> tuple[list[Any], int]:
    """The blocks with a border where `kept` stood, and where that is. White space stays before it unless known."""
    chars = kept.chars
    for i, block in enumerate(blocks):
        if not isinstance(block, Text):
            continue
        size = len(_squeeze(block.text))
        if chars >= size:
            chars -= size
            if not chars:
                return blocks, i + 1
            continue
        cut = _border(block.text, chars)
        before, behind = block.text[:cut], block.text[cut:]
        if kept.tail >= 0 and kept.lead >= 0:
            said = before.rstrip()
            space = before[len(said) :]
            before, behind = said + space[: kept.tail], space[max(len(space) - kept.lead, 0) :] + behind
        first = msgspec.structs.replace(block, text=before, annotations=(), cache=None)
        return [*blocks[:i], first, msgspec.structs.replace(block, text=behind), *blocks[i + 1 :]], i + 1
    return blocks, len(blocks)


def _border(text: str, chars: int) -> int:
    """Where the character stands that follows `chars` characters which are no white space."""
    for at, char in enumerate(text):
        if not char.isspace():
            if not chars:
                return at
            chars -= 1
    return len(text)
