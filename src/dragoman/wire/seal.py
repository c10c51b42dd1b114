"""Seals: the model's thinking, or a compacted history, as a string that a client carries and cannot read or change.

`dgm1.` + key id + `.` + base64url of (nonce + authenticated encryption of a deflated JSON payload). The purpose and the
tenant are associated data: a blob made for one purpose or one tenant never opens for another. A payload too large to be
carried is kept elsewhere, and the seal holds its reference. The cipher is an injected `Box`; this module knows no keys.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec
from msgspec import Raw

from dragoman.core.events import BlockEnd, Event
from dragoman.core.messages import Message, ProviderState, Reasoning

PREFIX = "dgm1."
MAX_SEAL = 256 * 1024
"""Longest seal (bytes) that a client is given to carry; what is longer stays here and the seal refers to it."""
MAX_PLAIN = 32 * 1024 * 1024
"""Most bytes that a seal may inflate to."""

Purpose = Literal["reasoning", "compaction"]


class Box(Protocol):
    """Authenticated encryption under named keys."""

    def seal(self, plain: bytes, bound: bytes) -> tuple[str, bytes]:
        """Encrypts with the current key. bound: associated data. Gives the key's id, and nonce + ciphertext."""
        ...

    def open(self, key_id: str, sealed: bytes, bound: bytes) -> bytes | None:
        """Decrypts; None where the key is unknown or too old, or the bytes were not made by it for `bound`."""
        ...


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a seal holds. ref: the content is kept elsewhere under this name. summary, kept: a compacted history."""

    version: int = 1
    provider: str = ""
    family: str = ""
    turn: str = ""
    segment: int = 0
    blocks: tuple[Reasoning, ...] = ()
    summary: str = ""
    kept: tuple[Message, ...] = ()
    ref: str = ""


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Payload)


def _bound(purpose: Purpose, tenant: str) -> bytes:
    return b"dragoman\x00%b\x00%b" % (purpose.encode(), tenant.encode())


def pack(payload: Payload) -> bytes:
    """The payload as deflated JSON."""
    return zlib.compress(_encode(payload), 6)


def unpack(data: bytes) -> Payload | None:
    """The payload again; None where the bytes are not one of a version that is known, or inflate beyond measure."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data, MAX_PLAIN)
        if inflate.unconsumed_tail or not inflate.eof:
            return None
        payload = _decoder.decode(plain)
    except (zlib.error, msgspec.DecodeError, RecursionError):
        return None
    return payload if payload.version == 1 else None


def _write(box: Box, packed: bytes, purpose: Purpose, tenant: str) -> str:
    key_id, sealed = box.seal(packed, _bound(purpose, tenant))
    return f"{PREFIX}{key_id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def seal(
    box: Box,
    payload: Payload,
    *,
    purpose: Purpose,
    tenant: str,
    keep: Callable[[bytes], str] | None = None,
) -> str:
    """The payload as a seal. keep: stores packed bytes that are too large to be carried and gives their name."""
    packed = pack(payload)
    blob = _write(box, packed, purpose, tenant)
    if len(blob) <= MAX_SEAL or keep is None:
        return blob
    reference = Payload(
        provider=payload.provider,
        family=payload.family,
        turn=payload.turn,
        segment=payload.segment,
        ref=keep(packed),
    )
    return _write(box, pack(reference), purpose, tenant)


def open_seal(box: Box, blob: str, *, purpose: Purpose, tenant: str) -> Payload | None:
    """What the seal holds, or None: forged, foreign, changed, of another purpose or tenant, or under a key too old."""
    if not blob.startswith(PREFIX):
        return None
    key_id, dot, body = blob[len(PREFIX) :].partition(".")
    if not dot or not key_id.isascii() or len(key_id) > 64:
        return None
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    packed = box.open(key_id, sealed, _bound(purpose, tenant))
    return None if packed is None else unpack(packed)


def reasoning_of(payload: Payload, carrier: Reasoning) -> tuple[Reasoning, ...]:
    """The sealed thinking, marked with its origin, in place of the client's `carrier`."""
    origin = ProviderState(payload.provider, payload.family, "chat", Raw(b""))
    return tuple(
        msgspec.structs.replace(
            block,
            turn=block.turn or payload.turn,
            seal=None,
            item_id=carrier.item_id,
            state=origin if block.state is None else block.state,
        )
        for block in payload.blocks
    )


class SealStage:
    """Gives each finished reasoning block its seal, once: whoever encodes the block writes the same bytes.

    keep: as in `seal`. A placeholder was made up by us and is never sealed.
    """

    def __init__(self, box: Box, provider: str, family: str, tenant: str, keep: Callable[[bytes], str]) -> None:
        self._box = box
        self._provider = provider
        self._family = family
        self._tenant = tenant
        self._keep = keep

    def feed(self, events: list[Event]) -> list[Event]:
        """The same events; reasoning that ends carries its seal."""
        for i, event in enumerate(events):
            if type(event) is BlockEnd and type(event.block) is Reasoning:
                block = event.block
                if not block.placeholder and block.seal is None and block.presence != "absent":
                    events[i] = BlockEnd(event.index, self._seal(block), event.complete)
        return events

    def _seal(self, block: Reasoning) -> Reasoning:
        bare = msgspec.structs.replace(block, item_id=None)
        payload = Payload(
            provider=self._provider, family=self._family, turn=block.turn, segment=block.segment, blocks=(bare,)
        )
        blob = seal(self._box, payload, purpose="reasoning", tenant=self._tenant, keep=self._keep)
        return msgspec.structs.replace(block, seal=blob)
