"""`dragoman simulate`: the strict upstream as a server of its own. With `--check` it ends with a verdict.

Exit codes: 0 stopped (with `--check`: no rule was broken); 1 rules were broken; 2 it could not start.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import Annotated, NoReturn

import typer

from dragoman.simulator import Simulator, serving
from dragoman.simulator.doors import loopback_name
from dragoman.simulator.vendors import VENDORS


def run(
    host: Annotated[str, typer.Option(help="Address to bind. Anything but loopback needs --key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 3725,
    profile: Annotated[str, typer.Option(help="Which vendor's rules to enforce.")] = next(iter(VENDORS)),
    key: Annotated[str | None, typer.Option(help="The only key that is taken; without it any.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Print a verdict at the end; exit 1 on violations.")] = False,
    search: Annotated[bool, typer.Option("--search", help="The account's web search plugin is on.")] = False,
    fixed_ids: Annotated[bool, typer.Option("--fixed-ids", help="Call ids repeat in every turn.")] = False,
    manner: Annotated[
        list[str] | None, typer.Option(help="An odd way to answer that the vendor is known for, always. Repeatable.")
    ] = None,
) -> None:
    """An upstream that enforces a vendor's documented rules; needs no key and no network."""
    if profile not in VENDORS:
        _stop(f"unknown profile {profile!r}; there is: {', '.join(sorted(VENDORS))}")
    if not loopback_name(host) and not key:
        _stop(f"refusing to bind {host}: a public address needs --key")
    try:
        simulator = Simulator(profile, key, search=search, fixed_ids=fixed_ids, manners=manner or ())
    except ValueError as error:
        _stop(str(error))
    try:
        asyncio.run(_serve(simulator, host, port))
    except OSError as error:
        _stop(f"cannot bind {host}:{port}: {error.strerror}; choose another --port")
    if check:
        verdict = simulator.verdict()
        print("\n".join(verdict.lines()), flush=True)
        raise typer.Exit(0 if verdict.ok else 1)


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # no signal handlers on a Windows event loop
            loop.add_signal_handler(number, stop.set)
    async with serving(simulator, host, port) as url:
        simulator.url = url
        served = ", ".join(f"{wire} {path}" for path, wire in simulator.vendor.paths.items())
        print(f"simulating {simulator.vendor.id} on {url}  ({served})", flush=True)
        await stop.wait()


def _stop(message: str) -> NoReturn:
    print(f"dragoman simulate: {message}", file=sys.stderr)
    raise typer.Exit(2)
