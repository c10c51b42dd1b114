"""The vault's contract, run on every backend."""

from __future__ import annotations

import inspect

import pytest

from dragoman.store.vault import MAX_VARIANTS, MemoryVault, Vault, VaultEntry


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory"])
def vault(request: pytest.FixtureRequest, clock: Clock) -> Vault:
    return MemoryVault(100_000, 60, clock)


async def put(vault: Vault, key: str, data: bytes, before: str = "b") -> None:
    waiting = vault.put(key, VaultEntry(before, data))
    if waiting is not None:
        await waiting


async def test_entries_are_found_in_the_order_of_the_keys(vault: Vault) -> None:
    await put(vault, "k1", b"one")
    await put(vault, "k2", b"two")
    found = await vault.get(["k2", "nothing", "k1"])
    assert [[e.data for e in entries] for entries in found] == [[b"two"], [], [b"one"]]


async def test_the_same_entry_is_kept_once_and_others_side_by_side(vault: Vault) -> None:
    for data, before in ((b"a", "x"), (b"b", "x"), (b"a", "x"), (b"a", "y")):
        await put(vault, "k", data, before)
    (entries,) = await vault.get(["k"])
    assert {(e.data, e.before) for e in entries} == {(b"a", "x"), (b"b", "x"), (b"a", "y")}
    assert len(entries) == 3


async def test_variants_of_one_key_are_bounded(vault: Vault) -> None:
    for i in range(MAX_VARIANTS + 5):
        await put(vault, "k", b"%d" % i)
    (entries,) = await vault.get(["k"])
    assert [e.data for e in entries] == [b"%d" % i for i in range(5, MAX_VARIANTS + 5)]


async def test_entries_expire_after_their_last_use(vault: Vault, clock: Clock) -> None:
    await put(vault, "used", b"u")
    await put(vault, "idle", b"i")
    clock.now += 40
    await vault.get(["used"])
    clock.now += 40
    used, idle = await vault.get(["used", "idle"])
    assert [e.data for e in used] == [b"u"]
    assert idle == ()


async def test_blobs_are_kept_apart_from_entries(vault: Vault) -> None:
    waiting = vault.put_blob("k", b"blob")
    if inspect.isawaitable(waiting):
        await waiting
    assert await vault.get_blob("k") == b"blob"
    assert await vault.get_blob("other") is None
    assert await vault.get(["k"]) == [()]


async def test_the_least_recently_used_goes_first(clock: Clock) -> None:
    vault = MemoryVault(5_000, 60, clock)
    for i in range(4):
        vault.put(f"k{i}", VaultEntry("", b"x" * 500))
    await vault.get(["k0"])
    while vault.size < 4_500:
        vault.put(f"more{vault.size}", VaultEntry("", b"x" * 500))
    vault.put("last", VaultEntry("", b"x" * 500))
    first, second = await vault.get(["k0", "k1"])
    assert first and not second


async def test_the_size_is_bounded_and_counted_right(clock: Clock) -> None:
    vault = MemoryVault(20_000, 60, clock)
    for i in range(500):
        vault.put(f"key{i % 70}", VaultEntry(str(i), b"x" * (i % 300)))
        assert vault.size <= 20_000
    assert 0 < len(vault) < 70
    clock.now += 61
    vault.put("fresh", VaultEntry("", b"x"))
    assert len(vault) == 1
    await vault.close()
    assert (len(vault), vault.size) == (0, 0)


async def test_what_is_larger_than_the_vault_is_not_kept(clock: Clock) -> None:
    vault = MemoryVault(1_000, 60, clock)
    vault.put("k", VaultEntry("", b"x" * 2_000))
    assert await vault.get(["k"]) == [()]
    assert vault.size == 0
