"""The vault's contract, and its in-memory backend: each assistant turn's reasoning, found again by what the turn said.

In: entries under opaque keys, and blobs under names. Every write gives None when it is done at once, else an awaitable;
so a caller on the hot road pays no task switch for memory. Bounded by bytes and by age; the least recently used goes
first. Knows nothing of messages, tenants or wires: keys are made by the gateway.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

MAX_VARIANTS = 8
"""Different entries kept under one key; the oldest goes first."""


class VaultEntry(msgspec.Struct, frozen=True):
    """One remembered reasoning. before: digest of the message that preceded the turn. data: the reasoning, encoded."""

    before: str
    data: bytes


class Vault(Protocol):
    """Where reasoning is remembered."""

    def put(self, key: str, entry: VaultEntry) -> Awaitable[None] | None:
        """Adds an entry under a key. The same entry again only becomes recent."""
        ...

    async def get(self, keys: Sequence[str]) -> list[tuple[VaultEntry, ...]]:
        """What stands under each key, in the order of the keys."""
        ...

    def put_blob(self, name: str, data: bytes) -> Awaitable[None] | None:
        """Keeps bytes under a name."""
        ...

    async def get_blob(self, name: str) -> bytes | None:
        """The bytes under a name."""
        ...

    async def close(self) -> None:
        """Nothing more is asked."""
        ...


class _Slot:
    __slots__ = ("entries", "expires", "size")

    def __init__(self, entries: tuple[VaultEntry, ...], size: int, expires: float) -> None:
        self.entries = entries
        self.size = size
        self.expires = expires


_OVERHEAD = 200


class MemoryVault:
    """A vault within the process. max_bytes: bound on what is kept. ttl: seconds since the last use; 0 keeps nothing.

    clock: monotonic seconds.
    """

    def __init__(self, max_bytes: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = max_bytes
        self._ttl = ttl
        self._clock = clock
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, key: str, entry: VaultEntry) -> None:
        """Adds an entry; done at once."""
        slot = self._live(key)
        entries = slot.entries if slot is not None else ()
        if entry in entries:
            entries = tuple(e for e in entries if e != entry)
        self._set(key, (*entries, entry)[-MAX_VARIANTS:])

    async def get(self, keys: Sequence[str]) -> list[tuple[VaultEntry, ...]]:
        """What stands under each key."""
        found = []
        for key in keys:
            slot = self._live(key)
            if slot is not None:
                slot.expires = self._clock() + self._ttl
                self._slots.move_to_end(key)
            found.append(() if slot is None else slot.entries)
        return found

    def put_blob(self, name: str, data: bytes) -> None:
        """Keeps bytes; done at once."""
        self._set("blob\x00" + name, (VaultEntry("", data),))

    async def get_blob(self, name: str) -> bytes | None:
        """The bytes under a name."""
        (entries,) = await self.get(["blob\x00" + name])
        return entries[0].data if entries else None

    async def close(self) -> None:
        """Forgets everything."""
        self._slots.clear()
        self.size = 0

    def _live(self, key: str) -> _Slot | None:
        slot = self._slots.get(key)
        if slot is not None and slot.expires <= self._clock():
            self._drop(key)
            return None
        return slot

    def _set(self, key: str, entries: tuple[VaultEntry, ...]) -> None:
        self._drop(key)
        size = _OVERHEAD + len(key) + sum(len(e.data) + len(e.before) + _OVERHEAD for e in entries)
        if size > self._max or self._ttl <= 0:
            return
        self._slots[key] = _Slot(entries, size, self._clock() + self._ttl)
        self.size += size
        self._trim()

    def _trim(self) -> None:
        now = self._clock()
        while self._slots:
            key, slot = next(iter(self._slots.items()))
            if self.size <= self._max and slot.expires > now:
                return
            self._drop(key)

    def _drop(self, key: str) -> None:
        slot = self._slots.pop(key, None)
        if slot is not None:
            self.size -= slot.size
