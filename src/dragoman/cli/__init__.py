"""The command `dragoman`: finds the command that was named and imports that one file, nothing else.

Each command is a file of this package with a `run` function, or an `app` for commands with commands of their own. The
others stand in the help as a name and a line, so that help and errors come at once.

Exit codes: 0 done; 1 the command found something wrong; 2 bad usage or configuration; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import typer

from dragoman import __version__
from dragoman.errors import ConfigError, DragomanError


class Command(NamedTuple):
    """One command: the module that holds it, its line in the help, and whether it has commands of its own."""

    module: str
    summary: str
    group: bool = False


COMMANDS: dict[str, Command] = {
    "serve": Command("serve", "Run the gateway: Responses, Chat Completions and Messages on one port."),
    "exec": Command("exec", "Give one task to the agent and print its answer."),
    "demo": Command("demo", "Show the gateway at work against the embedded simulator; needs no key."),
    "simulate": Command("simulate", "Run an upstream that enforces a vendor's documented rules."),
    "explain": Command("explain", "Show what would be sent upstream for a request, without sending it."),
    "models": Command("models", "List and check models: what each can do, what it costs, who has a key.", group=True),
    "config": Command("config", "Check and show the configuration; renew the seal key.", group=True),
}


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that `arguments` name; the others are only lines in the help."""
    app = typer.Typer(
        name="dragoman",
        help="The interpreter between coding agents and models.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    named = next((word for word in arguments if not word.startswith("-")), "")
    for name, command in COMMANDS.items():
        if name != named:
            app.command(name, help=command.summary)(_stub)
            continue
        module = importlib.import_module(f"dragoman.cli.{command.module}")
        if command.group:
            app.add_typer(module.app, name=name, help=command.summary)
        else:
            app.command(name)(module.run)
    return app


def _stub() -> None:
    """Stands for a command that was not named."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dragoman {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line. Ends the process with the command's exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(words))


def run(words: Sequence[str], build: Callable[[Sequence[str]], typer.Typer] = build) -> int:
    """Runs one command line and gives its exit code; failures of ours are one line on standard error."""
    try:
        build(words)(args=list(words), prog_name="dragoman")
    except DragomanError as error:
        typer.echo(f"dragoman: {error.message}", err=True)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:  # while the command's own modules were still being loaded
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0
