"""Serving the app: uvicorn on uvloop and httptools, one process, draining its streams when it is asked to stop."""

from __future__ import annotations

import socket
import sys

import uvicorn

from dragoman.config import Settings
from dragoman.errors import ConfigError
from dragoman.gateway.app import create_app
from dragoman.gateway.security import check_bind

DRAIN_S = 30
"""How long (seconds) running answers may go on once a stop was asked for."""

KEEP_ALIVE_S = 75
"""How long (seconds) an idle connection is kept: longer than clients' pools keep theirs, so that none closes on us."""


class GatewayServer(uvicorn.Server):
    """A server that says on standard error where it listens and what it can serve. Port 0 takes a free one."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Binds, then tells."""
        await super().startup(sockets)
        if not self.started:
            return
        host = self._settings.server.host
        shown = f"[{host}]" if ":" in host else host
        ports = {s.getsockname()[1] for server in self.servers for s in server.sockets}
        names = ", ".join(sorted(self._settings.enabled_providers())) or "none has a key yet"
        for port in sorted(ports):
            print(f"dragoman: listening on http://{shown}:{port} (providers: {names})", file=sys.stderr, flush=True)


def make_server(settings: Settings) -> uvicorn.Server:
    """The server, not yet started. Raises ConfigError when the settings must not be served."""
    check_bind(settings.server.host, settings.server.api_key)
    if not 0 <= settings.server.port <= 65535:
        raise ConfigError(f"server.port is {settings.server.port}; give a port from 0 to 65535")
    config = uvicorn.Config(
        create_app(settings),
        host=settings.server.host,
        port=settings.server.port,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    return GatewayServer(config, settings)


def serve(settings: Settings) -> None:
    """Serves until a signal asks to stop. Raises ConfigError."""
    make_server(settings).run()
