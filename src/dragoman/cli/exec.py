"""`dragoman exec`: gives one task to the agent. Reads the command line and standard input, asks on a terminal.

What happens is printed by `agent.exec`; this file finds the settings, the prompt and the person, and turns signals and
failures into the documented exit codes - on every path with the terminal line that the output form promises.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dragoman.agent.exec import Job, OutputForm, Reporter, execute
from dragoman.agent.loop import Ended
from dragoman.agent.permissions import Ask, Mode
from dragoman.client import Client
from dragoman.client.ids import new_id
from dragoman.config import Settings, load
from dragoman.errors import DragomanError


class Output(StrEnum):
    """How the run is printed."""

    text = "text"
    json = "json"
    jsonl = "jsonl"


class Permission(StrEnum):
    """What the agent may do."""

    read_only = "read-only"
    ask = "ask"
    auto = "auto"


FORMS: dict[Output, OutputForm] = {Output.text: "text", Output.json: "json", Output.jsonl: "jsonl"}
MODES: dict[Permission, Mode] = {Permission.read_only: "read-only", Permission.ask: "ask", Permission.auto: "auto"}


def run(
    prompt: Annotated[str | None, typer.Option("-p", "--prompt", help="The task; without it stdin is read.")] = None,
    model: Annotated[str | None, typer.Option("-m", "--model", help="provider:model, or a name it stands for.")] = None,
    output: Annotated[Output, typer.Option(help="Streamed text, one object, or one event a line.")] = Output.text,
    permission: Annotated[Permission, typer.Option(help="What the agent may do.")] = Permission.auto,
    max_turns: Annotated[int, typer.Option(min=1, help="How often the model may be asked.")] = 50,
    config: Annotated[Path | None, typer.Option(help="Another dragoman.toml.")] = None,
) -> None:
    """Give one task to the agent and print its answer."""
    given = prompt
    thread = new_id("thread_")
    try:
        settings = load(config)
        name = model or settings.default_choice()
        prompt = _prompt(given)
    except DragomanError as error:
        reporter = Reporter(FORMS[output], model or "", thread)
        raise typer.Exit(reporter.ended(Ended("refused", "", error.message, error=error.info))) from None
    reporter = Reporter(FORMS[output], name, thread)
    if not prompt.strip():
        raise typer.Exit(reporter.ended(Ended("refused", "", "there is no task: give -p, or pipe it in")))
    job = Job(prompt, name, MODES[permission], Path.cwd(), os.environ, max_turns)
    ask = _question if output is Output.text and given is not None and _person_is_there() else None
    try:
        ended = asyncio.run(_work(settings, job, reporter, ask))
    except KeyboardInterrupt:
        ended = Ended("interrupted", "", "stopped by the person")
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    raise typer.Exit(reporter.ended(ended))


async def _work(settings: Settings, job: Job, reporter: Reporter, ask: Ask | None) -> Ended:
    """Runs the job; SIGINT and SIGTERM end it in an orderly way."""
    working = asyncio.create_task(_with_client(settings, job, reporter, ask))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # no signal handlers on a Windows event loop
            loop.add_signal_handler(number, working.cancel)
    try:
        return await working
    except asyncio.CancelledError:  # before the loop of the agent had begun, or after it was over
        return Ended("interrupted", "", "stopped by a signal")


async def _with_client(settings: Settings, job: Job, reporter: Reporter, ask: Ask | None) -> Ended:
    async with Client(settings=settings) as client:
        return await execute(client, job, reporter, ask)


def _prompt(given: str | None) -> str:
    """The task: what was given, or all of standard input unless a person sits there."""
    if given is not None:
        return given
    return "" if sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8", "replace")


def _person_is_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _question(question: str) -> bool:
    """Asks on the terminal; only a clear yes is one. Ctrl-C at the question ends the run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(f"allow: {question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    finally:
        signal.signal(signal.SIGINT, before)
