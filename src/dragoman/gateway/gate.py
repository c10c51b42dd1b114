"""One gateway: everything that its requests share, made once at start and closed at the end.

In: settings, and for tests a transport and clocks. Knows no ASGI.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from dragoman.catalog import Catalogue
from dragoman.client.direct_transport import DirectTransport
from dragoman.client.engine import Engine
from dragoman.client.ids import new_id
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.client.searching import Searching
from dragoman.client.transport import Transport
from dragoman.config import Settings
from dragoman.errors import ConfigError
from dragoman.gateway.box import make_box
from dragoman.gateway.counting import Calibration
from dragoman.gateway.memory import Memory
from dragoman.gateway.security import Doorkeeper
from dragoman.gateway.wires import ID_PREFIX, wire
from dragoman.search.engine import SearchEngine
from dragoman.store.sessions import MemorySessions, SessionStore
from dragoman.store.vault import MemoryVault, Vault
from dragoman.telemetry.log import RequestLog
from dragoman.telemetry.redaction import Redactor
from dragoman.wire.base import Mint

TENANT = "default"
"""The one scope of a gateway without keys, or with the single server key."""
_MB = 1024 * 1024


class Parts(msgspec.Struct, frozen=True):
    """What a gateway is made of where it is not the default. transport: stays the caller's to close.

    engine: searches the web. now: unix seconds. clock: monotonic seconds. mint: makes ids.
    """

    transport: Transport | None = None
    vault: Vault | None = None
    sessions: SessionStore | None = None
    log: RequestLog | None = None
    engine: SearchEngine | None = None
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    mint: Mint = new_id


class Gate:
    """What requests share."""

    def __init__(self, settings: Settings, parts: Parts = Parts()) -> None:
        now, clock, vault, sessions = parts.now, parts.clock, parts.vault, parts.sessions
        _check_stores(settings)
        self.settings = settings
        self.catalogue: Catalogue = settings.catalogue()
        self.enabled = frozenset(settings.enabled_providers())
        self.makers = _makers(self.catalogue, self.enabled)
        self.now = now
        self.clock = clock
        self.mint = parts.mint
        self.redact = Redactor(settings.redactions())
        self.log = RequestLog(self.redact) if parts.log is None else parts.log
        self.door = Doorkeeper(settings.server.api_key, settings.server.allowed_hosts, settings.server.allowed_origins)
        self.max_body = int(settings.server.max_body_mb * _MB)
        box = make_box(settings.seal.keys, Path(settings.home) if settings.home else None, int(now()))
        limit = int(settings.vault.max_mb * _MB)
        self.vault: Vault = MemoryVault(limit, settings.vault.ttl_s, clock) if vault is None else vault
        self.memory = Memory(box, self.vault)
        self.sessions: SessionStore | None = sessions
        if sessions is None and settings.sessions.mode != "off":
            self.sessions = MemorySessions(int(settings.sessions.max_mb * _MB), settings.sessions.ttl_s, clock=clock)
        self.calibration = Calibration()
        self.searching = Searching(settings.search, parts.engine, clock)
        self.transport = parts.transport
        self.closing = False
        for name in ID_PREFIX:
            wire(name)
        self._given = parts.transport
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """Makes the calls. The transport is opened with the first one, inside the running loop."""
        if self._engine is None:
            limits = self.settings.timeouts
            self.transport = self._given or DirectTransport()
            self._engine = Engine(
                self.transport,
                Timeouts(limits.connect, limits.first_byte, limits.idle, limits.total),
                RetryPolicy(attempts=self.settings.retry.attempts),
                self.mint,
                now=self.now,
            )
        return self._engine

    async def close(self) -> None:
        """Closes what this gateway opened; a transport that was given is the caller's."""
        self.closing = True
        if self.transport is not None and self._given is None:
            await self.transport.close()
        await self.searching.close()
        await self.vault.close()
        if self.sessions is not None:
            await self.sessions.close()


def _makers(catalogue: Catalogue, enabled: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Every (provider, model family) that can have answered here."""
    usual = [(row.id, row.model_defaults.family) for row in catalogue.providers.values()]
    known = [(row.facts.provider, row.facts.family) for row in catalogue.all()]
    return tuple(dict.fromkeys(maker for maker in (*usual, *known) if maker[0] in enabled))


def _check_stores(settings: Settings) -> None:
    """Refuses settings that this gateway cannot honour. Raises ConfigError."""
    shared = settings.stores.redis_url or settings.stores.url
    if shared and not settings.seal.keys:
        raise ConfigError("shared stores need one seal key for all instances; set DRAGOMAN_SEAL_KEYS or [seal] keys")
    if settings.sessions.mode == "sql" or shared:
        raise ConfigError(
            'sessions and vault live in memory here; set [sessions] mode = "memory" and leave [stores] empty'
        )
