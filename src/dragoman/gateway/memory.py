"""Reasoning on its way in and out: seals that clients carry, and the vault for what clients drop.

Going in: sealed blocks are opened, and turns whose reasoning is missing or trimmed get it back from the vault. Going
out: each turn is remembered before the client can act on it (law 15). The vault may be slow or away: then it is
skipped with a note, never waited for longer than `PATIENCE` seconds. Knows no wire and no vendor.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence

import msgspec
from msgspec import Raw

from dragoman.core.events import BlockEnd
from dragoman.core.messages import Block, Compaction, Message, ProviderState, Reasoning, Text, WebSearch
from dragoman.core.notes import Note
from dragoman.core.ownership import is_unstamped, stamped
from dragoman.core.stage import Stage
from dragoman.gateway import recall
from dragoman.store.vault import Vault, VaultEntry
from dragoman.wire import seal as seals
from dragoman.wire.seal import Box, Payload, SealStage

PATIENCE = 0.25
"""Seconds that the vault is waited for."""


class Scope(msgspec.Struct, frozen=True):
    """Whose reasoning: the tenant, and the provider and model family that made it."""

    tenant: str
    provider: str
    family: str


class Opened(msgspec.Struct, frozen=True):
    """Messages with their reasoning back. sealed: whether any block was a seal of ours.

    learned: whether the vault knew more than the client: the reasoning of a tool turn that it dropped, or whose the
    reasoning is that it shows.
    """

    messages: tuple[Message, ...]
    notes: tuple[Note, ...] = ()
    sealed: bool = False
    learned: bool = False


class Memory:
    """Seals and vault of one gateway. A vault of None remembers nothing."""

    def __init__(self, box: Box, vault: Vault | None) -> None:
        self._box = box
        self._vault = vault

    @property
    def box(self) -> Box:
        """What seals."""
        return self._box

    # -- going in

    async def open(self, messages: Sequence[Message], tenant: str) -> Opened:
        """The messages with every reasoning seal opened; one that does not open is ignored with a note."""
        out: list[Message] = []
        ignored = sealed = False
        for message in messages:
            if not any(isinstance(b, Reasoning) and b.seal for b in message.content):
                out.append(message)
                continue
            sealed = True
            blocks: list[Block] = []
            for block in message.content:
                if not isinstance(block, Reasoning) or not block.seal:
                    blocks.append(block)
                    continue
                payload = await self._payload(block.seal, tenant)
                if payload is not None:
                    blocks += seals.reasoning_of(payload, block)
                    continue
                ignored = True
                if block.text:
                    blocks.append(msgspec.structs.replace(block, seal=None))
            if blocks:
                out.append(msgspec.structs.replace(message, content=tuple(blocks)))
        notes = (Note("seal_ignored", "", "a sealed reasoning block could not be opened"),) if ignored else ()
        return Opened(tuple(out), notes, sealed)

    async def _payload(self, blob: str, tenant: str) -> Payload | None:
        payload = seals.open_seal(self._box, blob, purpose="reasoning", tenant=tenant)
        if payload is None or not payload.ref:
            return payload
        if self._vault is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                packed = await self._vault.get_blob(payload.ref)
        except Exception:  # boundary: any store may stand behind the vault; what it fails at is skipped with a note
            return None
        return None if packed is None else seals.unpack(packed)

    async def recall(self, messages: Sequence[Message], scope: Scope, makers: Sequence[tuple[str, str]] = ()) -> Opened:
        """The messages with the reasoning that the vault remembers of them.

        makers: every (provider, family) that may have answered before. Thinking that a client sends without its seal
        is looked for among theirs, so that one model's is not taken for another's.
        """
        wanted = [(i, digest) for i, m in enumerate(messages) if (digest := self._lacks(m))]
        if self._vault is None or not wanted:
            return Opened(tuple(messages))
        keys = [recall.vault_key(scope.tenant, scope.provider, scope.family, digest) for _, digest in wanted]
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._vault.get(keys)
        except Exception:  # boundary: as above
            return Opened(tuple(messages), (Note("vault_skipped", "", "the vault did not answer in time"),))
        out = list(messages)
        origin = ProviderState(scope.provider, scope.family, "chat", Raw(b""))
        back = ambiguous = lacking = 0
        for (i, _), entries in zip(wanted, found, strict=True):
            data, several = _match(messages, i, entries)
            ambiguous += several
            kept = recall.unpack(data) if data is not None else ()
            if kept:
                back += not _own(out[i])
                lacking += bool(out[i].calls) and not any(isinstance(b, Reasoning) for b in out[i].content)
                out[i] = recall.put_back(out[i], kept, origin)
        others = [maker for maker in makers if maker != (scope.provider, scope.family)]
        lost = [(i, digest) for i, digest in wanted if any(map(is_unstamped, out[i].content))]
        labelled = others and lost and await self._label(messages, out, lost, others, scope.tenant)
        return Opened(tuple(out), _told(back, ambiguous), learned=bool(lacking or labelled))

    async def _label(
        self,
        messages: Sequence[Message],
        out: list[Message],
        turns: list[tuple[int, str]],
        makers: list[tuple[str, str]],
        tenant: str,
    ) -> int:
        """Says in `out` of thinking whose it is, where one of `makers` is known to have made the turn; how many."""
        keys = [recall.vault_key(tenant, *maker, digest) for _, digest in turns for maker in makers]
        assert self._vault is not None
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._vault.get(keys)
        except Exception:  # boundary: as above; what is not known to be another's stays
            return 0
        count = 0
        for n, (i, _) in enumerate(turns):
            for maker, entries in zip(makers, found[n * len(makers) :], strict=False):
                if _match(messages, i, entries)[0] is not None:
                    out[i] = stamped(out[i], *maker, "chat")
                    count += 1
                    break
        return count

    @staticmethod
    def _lacks(message: Message) -> str:
        """The digest of a turn that the vault may know more of; "" where the seal has told all."""
        if message.role != "assistant":
            return ""
        thoughts = [b for b in message.content if isinstance(b, Reasoning)]
        bare = any(isinstance(b, WebSearch) and not any(s.text for s in b.sources) for b in message.content)
        if thoughts and not bare and all(b.state is not None and b.state.provider for b in thoughts):
            return ""
        return recall.turn_digest(message)

    # -- going out

    def turn(self, scope: Scope, messages: Sequence[Message]) -> Turn:
        """Watches one answer to `messages`."""
        return Turn(self._vault, scope, recall.before_digest(messages))

    def stage(self, scope: Scope, turn: Turn) -> Stage:
        """Seals the answer's reasoning."""
        return SealStage(self._box, scope.provider, scope.family, scope.tenant, turn.keep)


def _own(turn: Message) -> str:
    """The thinking that the client itself sent with a turn."""
    return "".join(b.text for b in turn.content if isinstance(b, Reasoning))


def _match(messages: Sequence[Message], at: int, entries: Sequence[VaultEntry]) -> tuple[bytes | None, bool]:
    """What `entries` say of the turn at this place, and whether several of them would fit. Most turns have none."""
    if not entries:
        return None, False
    turn = messages[at]
    return recall.choose(entries, recall.before_digest(messages[:at]), _own(turn), recall.is_distinctive(turn))


def _told(back: int, ambiguous: int) -> tuple[Note, ...]:
    notes: list[Note] = []
    if back:
        notes.append(Note("vault_recalled", "", f"the reasoning of {back} turn(s) was put back"))
    if ambiguous:
        notes.append(Note("vault_ambiguous", "", f"{ambiguous} turn(s) match several remembered reasonings"))
    return tuple(notes)


class Turn:
    """The answer being given, as the vault will know it. `pending` holds writes that are not done yet."""

    def __init__(self, vault: Vault | None, scope: Scope, before: str) -> None:
        self._vault = vault
        self._scope = scope
        self._before = before
        self._kept: list[recall.Kept] = []
        self._others: list[Block] = []
        self._packed = b""
        self._told = ""
        self.failed = False
        self.pending: list[Awaitable[None]] = []

    def block(self, event: BlockEnd) -> None:
        """A block is whole."""
        block = event.block
        if isinstance(block, Reasoning):
            if not block.placeholder and block.presence != "absent":
                self._hold(msgspec.structs.replace(block, seal=None, item_id=None))
        elif isinstance(block, WebSearch) and block.state is None:
            # Run here. Clients send back of a search no more than its query and addresses, some nothing at all.
            self._hold(block)
        elif event.complete or isinstance(block, Text):
            if isinstance(block, Text) and not block.text.isspace():
                self._lead(len(block.text) - len(block.text.lstrip()))
            self._others.append(block)

    def _hold(self, block: Reasoning | WebSearch) -> None:
        others = self._others
        self._kept.append(recall.Kept(len(others), block, recall.text_chars(others), recall.trailing_space(others)))
        self._packed = b""

    def _lead(self, spaces: int) -> None:
        """The text behind what is held begins with so much white space."""
        for i, kept in enumerate(self._kept):
            if kept.lead < 0:
                self._kept[i] = msgspec.structs.replace(kept, lead=spaces)
                self._packed = b""

    def remember(self) -> None:
        """The turn so far is put into the vault; what is not done at once is added to `pending`."""
        if self._vault is None or not self._kept:
            return
        digest = recall.turn_digest(Message("assistant", tuple(self._others)))
        if not digest or (digest == self._told and self._packed):
            return
        self._told = digest
        self._packed = self._packed or recall.pack(self._kept)
        key = recall.vault_key(self._scope.tenant, self._scope.provider, self._scope.family, digest)
        entry = VaultEntry(self._before, self._packed)
        vault = self._vault
        self._write(lambda: vault.put(key, entry))

    def keep(self, packed: bytes) -> str:
        """Keeps bytes that are too large for a seal, under a name that only their content gives."""
        name = hashlib.sha256(self._scope.tenant.encode() + b"\x00" + packed).hexdigest()
        vault = self._vault
        if vault is not None:
            self._write(lambda: vault.put_blob(name, packed))
        return name

    def _write(self, write: Callable[[], Awaitable[None] | None]) -> None:
        try:
            waiting = write()
        except Exception:  # boundary: a store that refuses is one that is away
            self.failed = True
            return
        if waiting is not None:
            self.pending.append(waiting)

    async def settle(self) -> None:
        """Waits for the pending writes, no longer than `PATIENCE`. Sets `failed` where one was not done by then."""
        writes, self.pending = self.pending, []
        if not writes:
            return
        tasks = [asyncio.ensure_future(w) for w in writes]
        try:
            done, late = await asyncio.wait(tasks, timeout=PATIENCE)
            self.failed = self.failed or bool(late) or any(t.cancelled() or t.exception() is not None for t in done)
        finally:
            for task in tasks:
                task.cancel()

    def discard(self) -> None:
        """Nobody will wait for the pending writes any more."""
        writes, self.pending = self.pending, []
        for write in writes:
            if isinstance(write, Coroutine):
                write.close()

    def take_failure(self) -> tuple[Note, ...]:
        """The note that is owed for writes that were skipped; owed once."""
        if not self.failed:
            return ()
        self.failed = False
        return (Note("vault_skipped", "", "the vault did not take this turn in time"),)


def compactions(messages: Sequence[Message]) -> bool:
    """Whether the history holds a compaction item that was sealed here."""
    return any(isinstance(b, Compaction) and b.blob.startswith(seals.PREFIX) for m in messages for b in m.content)
