"""Serving the app: uvicorn on uvloop and httptools, one process, draining its streams when it is asked to stop."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from typing import Any

import uvicorn

from dragoman.config import Settings
from dragoman.errors import ConfigError
from dragoman.gateway.app import create_app
from dragoman.gateway.security import check_bind

DRAIN_S = 30
"""How long (seconds) running answers may go on once a stop was asked for."""

KEEP_ALIVE_S = 75
"""How long (seconds) an idle connection is kept: longer than clients' pools keep theirs, so that none closes on us."""

_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


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
    """Serves until a signal asks to stop. Raises ConfigError, also where the address cannot be had."""
    server = make_server(settings)
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(found) for found in bind(settings.server.host, settings.server.port)]
        server.run(sockets=sockets)


def bind(host: str, port: int) -> list[socket.socket]:
    """A bound socket for each address of the host's name. Left to itself, uvicorn ends the process in its own words.

    An address that this machine lacks is passed over (`localhost` may name ::1 where there is no IPv6) as long as there
    is another one. Raises ConfigError.
    """
    bound: list[socket.socket] = []
    lacking: OSError | None = None
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            # Port 0 takes a free one: the same for every address.
            where = (address[0], bound[0].getsockname()[1], *address[2:]) if bound else address
            try:
                bound.append(_listener(family, kind, protocol, where))
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                lacking = error
        if lacking is not None and not bound:
            raise lacking
    except OSError as error:
        for one in bound:
            one.close()
        remedy = "choose another --port" if error.errno == errno.EADDRINUSE else "give a --host of this machine"
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}; {remedy}") from None
    return bound


def _listener(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it lets two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
