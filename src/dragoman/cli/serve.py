"""`dragoman serve`: the gateway. Reads the settings, says what is wrong with them, and gives them to the server.

Exit codes: 2 it could not start. Stopped by a signal it ends as that signal says: 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from dragoman.config import Settings, load
from dragoman.errors import ConfigError


def run(
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="3724")] = None,
    config: Annotated[str | None, typer.Option(help="The configuration file.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; more than one needs shared stores.")] = 1,
) -> None:
    """Run the gateway: Responses, Chat Completions and Messages on one port.

    A provider's key in the environment is enough to start.
    """
    settings = load(config, flags={"server.host": host, "server.port": port})
    refuse_workers(settings, workers)
    refuse_circles(settings)
    from dragoman.gateway.security import check_bind
    from dragoman.gateway.server import serve

    check_bind(settings.server.host, settings.server.api_key)
    for problem in settings.problems:
        typer.echo(f"dragoman: warning: {problem}", err=True)
    serve(settings)


def refuse_workers(settings: Settings, workers: int) -> None:
    """Raises ConfigError for more than one worker: reasoning, sessions and limits live in one process's memory."""
    if workers <= 1:
        return
    if not (settings.stores.url and settings.stores.redis_url):
        raise ConfigError("--workers above 1 needs shared stores; set [stores] url and redis_url, or use one worker")
    raise ConfigError("--workers above 1 is not available here; run one process per port behind a proxy")


def refuse_circles(settings: Settings) -> None:
    """Raises ConfigError for a provider that is this gateway: it would call itself without end.

    `OPENAI_BASE_URL` and its kin, set for a client in the same shell, are read as the address of the vendor, too.
    """
    from dragoman.gateway.security import is_loopback

    for name, account in settings.accounts.items():
        url = urlsplit(account.base_url)
        host = url.hostname or ""
        ours = host == settings.server.host or (is_loopback(host) and is_loopback(settings.server.host))
        if ours and url.port == settings.server.port:
            told = f"providers.{name}.base_url {account.base_url} is this gateway itself"
            raise ConfigError(f"{told}; unset the variable that names it, or choose another --port")
