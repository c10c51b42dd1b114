"""`dragoman serve`: the gateway. Reads the settings, says what is wrong with them, and gives them to the server.

Exit codes: 0 stopped; 2 it could not start.
"""

from __future__ import annotations

from typing import Annotated

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
    for problem in settings.problems:
        typer.echo(f"dragoman: warning: {problem}", err=True)
    from dragoman.gateway.server import serve

    serve(settings)


def refuse_workers(settings: Settings, workers: int) -> None:
    """Raises ConfigError for more than one worker: reasoning, sessions and limits live in one process's memory."""
    if workers <= 1:
        return
    if not (settings.stores.url and settings.stores.redis_url):
        raise ConfigError("--workers above 1 needs shared stores; set [stores] url and redis_url, or use one worker")
    raise ConfigError("--workers above 1 is not available here; run one process per port behind a proxy")
