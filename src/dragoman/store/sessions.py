"""Stored responses: the contract, and its in-memory backend. `previous_response_id` and GET /v1/responses/{id}.

A response is kept as the client's own wire items with the id of the one before it, under its tenant; a chain is read by
walking back. Reading a chain makes all its links recent, so that a link is never forgotten before what follows it.
Bounded by count, bytes and age. Knows no canonical messages.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec
from msgspec import Raw

FORMAT = 1
"""Version of the stored form; a record of another version is not read."""

Status = Literal["completed", "incomplete", "failed"]


class StoredResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One response. input: the items of its own request. output: its items. response: the final object. created: s."""

    id: str
    tenant: str
    status: Status
    input: tuple[Raw, ...] = ()
    output: tuple[Raw, ...] = ()
    response: Raw = Raw(b"null")
    previous: str | None = None
    created: int = 0
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes kept."""
        items = sum(len(memoryview(item)) for item in (*self.input, *self.output))
        return 500 + len(self.id) + items + len(memoryview(self.response))


class SessionStore(Protocol):
    """Where responses are kept."""

    def put(self, record: StoredResponse) -> Awaitable[None] | None:
        """Keeps a response; None when that is done at once. Raises (or the awaitable does) when it cannot be kept."""
        ...

    async def get(self, tenant: str, id: str) -> StoredResponse | None:
        """A response of this tenant."""
        ...

    async def item(self, tenant: str, id: str) -> Raw | None:
        """The output item of this id, of any response of this tenant that is kept."""
        ...

    async def delete(self, tenant: str, id: str) -> bool:
        """Forgets a response; False where there was none."""
        ...

    async def close(self) -> None:
        """Nothing more is asked."""
        ...


class _Named(msgspec.Struct):
    id: str | None = None


def item_id(item: Raw) -> str | None:
    """The id of an item; None where it has none."""
    try:
        return msgspec.json.decode(item, type=_Named).id
    except msgspec.DecodeError:
        return None


class StoreFull(Exception):
    """The record alone is larger than the store may become."""


class MemorySessions:
    """Responses within the process. ttl: seconds since the last use. clock: monotonic seconds."""

    def __init__(
        self,
        max_bytes: int,
        ttl: float,
        *,
        max_count: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max = max_bytes
        self._ttl = ttl
        self._count = max_count
        self._clock = clock
        self._records: OrderedDict[tuple[str, str], tuple[StoredResponse, float, int]] = OrderedDict()
        self._holders: dict[tuple[str, str], str] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: StoredResponse) -> None:
        """Keeps a response; done at once. Raises StoreFull."""
        key = (record.tenant, record.id)
        self._drop(key)
        size = record.size
        if size > self._max:
            raise StoreFull(f"the response holds {size} bytes; the session store takes {self._max}")
        self._records[key] = (record, self._clock() + self._ttl, size)
        self.size += size
        for item in record.output:
            if name := item_id(item):
                self._holders[record.tenant, name] = record.id
        self._trim()

    async def get(self, tenant: str, id: str) -> StoredResponse | None:
        """A response of this tenant; it becomes recent."""
        key = (tenant, id)
        found = self._records.get(key)
        if found is None:
            return None
        record, expires, size = found
        if expires <= self._clock() or record.format != FORMAT:
            self._drop(key)
            return None
        self._records[key] = (record, self._clock() + self._ttl, size)
        self._records.move_to_end(key)
        return record

    async def item(self, tenant: str, id: str) -> Raw | None:
        """The output item of this id; its response becomes recent."""
        holder = self._holders.get((tenant, id))
        record = await self.get(tenant, holder) if holder is not None else None
        return next((item for item in record.output if item_id(item) == id), None) if record is not None else None

    async def delete(self, tenant: str, id: str) -> bool:
        """Forgets a response."""
        found = await self.get(tenant, id) is not None
        self._drop((tenant, id))
        return found

    async def close(self) -> None:
        """Forgets everything."""
        self._records.clear()
        self._holders.clear()
        self.size = 0

    def _trim(self) -> None:
        now = self._clock()
        while self._records:
            key, (_, expires, _size) = next(iter(self._records.items()))
            if self.size <= self._max and len(self._records) <= self._count and expires > now:
                return
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        found = self._records.pop(key, None)
        if found is None:
            return
        self.size -= found[2]
        tenant, id = key
        for item in found[0].output:
            if (name := item_id(item)) and self._holders.get((tenant, name)) == id:
                del self._holders[tenant, name]
