"""The session store's contract, run on every backend."""

from __future__ import annotations

import pytest
from msgspec import Raw

from dragoman.store.sessions import FORMAT, MemorySessions, SessionStore, StoredResponse, StoreFull
from tests.store.test_vault import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory"])
def store(request: pytest.FixtureRequest, clock: Clock) -> SessionStore:
    return MemorySessions(1_000_000, 60, clock=clock)


def response(id: str, tenant: str = "t", size: int = 10, **more: object) -> StoredResponse:
    fields = {"input": (Raw(b'{"a":1}'),), "output": (Raw(b'"%b"' % (b"x" * size)),), "response": Raw(b"{}"), **more}
    return StoredResponse(id, tenant, "completed", **fields)  # type: ignore[arg-type]


async def keep(store: SessionStore, record: StoredResponse) -> None:
    waiting = store.put(record)
    if waiting is not None:
        await waiting


async def test_what_was_put_is_found_whole(store: SessionStore) -> None:
    record = response("r1", previous="r0", created=7)
    await keep(store, record)
    found = await store.get("t", "r1")
    assert found is not None
    assert (found.id, found.previous, found.created, found.format) == ("r1", "r0", 7, FORMAT)
    assert [bytes(i) for i in found.input] == [b'{"a":1}']


@pytest.mark.req(110)
async def test_another_tenant_sees_nothing(store: SessionStore) -> None:
    await keep(store, response("r1"))
    assert await store.get("other", "r1") is None
    assert await store.delete("other", "r1") is False
    assert await store.get("t", "r1") is not None


async def test_deleting_is_told_once(store: SessionStore) -> None:
    await keep(store, response("r1"))
    assert await store.delete("t", "r1") is True
    assert await store.delete("t", "r1") is False
    assert await store.get("t", "r1") is None


@pytest.mark.req(110)
async def test_reading_makes_recent_and_age_forgets(store: SessionStore, clock: Clock) -> None:
    await keep(store, response("used"))
    await keep(store, response("idle"))
    clock.now += 40
    await store.get("t", "used")
    clock.now += 40
    assert await store.get("t", "used") is not None
    assert await store.get("t", "idle") is None


@pytest.mark.req(110)
async def test_memory_is_bounded_by_bytes_and_count(clock: Clock) -> None:
    store = MemorySessions(20_000, 60, max_count=8, clock=clock)
    for i in range(50):
        store.put(response(f"r{i}", size=100))
        assert len(store) <= 8
    big = MemorySessions(20_000, 60, clock=clock)
    for i in range(50):
        big.put(response(f"r{i}", size=2_000))
        assert big.size <= 20_000
    assert await big.get("t", "r49") is not None
    assert await big.get("t", "r0") is None


def test_what_can_never_fit_is_refused(clock: Clock) -> None:
    with pytest.raises(StoreFull):
        MemorySessions(1_000, 60, clock=clock).put(response("r", size=2_000))


async def test_a_record_of_another_format_is_not_read(clock: Clock) -> None:
    store = MemorySessions(20_000, 60, clock=clock)
    store.put(response("r", format=FORMAT + 1))
    assert await store.get("t", "r") is None


@pytest.mark.req(110)
async def test_an_output_item_is_found_by_its_id(store: SessionStore, clock: Clock) -> None:
    kept = (Raw(b'{"id":"msg_1","n":1}'), Raw(b'{"n":2}'))
    await keep(store, response("r1", output=kept))
    assert await store.item("t", "msg_1") == kept[0]
    assert await store.item("t", "msg_2") is None
    assert await store.item("other", "msg_1") is None
    await store.delete("t", "r1")
    assert await store.item("t", "msg_1") is None
    await keep(store, response("r2", output=kept))
    clock.now += 61
    assert await store.item("t", "msg_1") is None


async def test_an_id_that_stands_in_two_responses_outlives_the_first(store: SessionStore) -> None:
    for id in ("r1", "r2"):
        await keep(store, response(id, output=(Raw(b'{"id":"msg_1"}'),)))
    await store.delete("t", "r1")
    assert await store.item("t", "msg_1") == Raw(b'{"id":"msg_1"}')
