"""`dragoman demo`: the main job end to end, without a key and without the network.

Starts the strict simulator and the gateway on free loopback ports in this process, gives `exec` a task, drives a tool
loop over each of the three endpoints, and prints what streamed, what it cost, what was degraded and the simulator's
verdict. Everything lives in a temporary folder. Exit codes: 0 everything held; 1 something did not.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import typer

from dragoman.agent.exec import Job, Reporter, execute
from dragoman.cli.demo_clients import ChatDialect, Dialect, Loop, MessagesDialect, ResponsesDialect, drive
from dragoman.client import Client
from dragoman.config import Settings, load
from dragoman.core.events import BlockEnd, TextDelta
from dragoman.core.messages import SearchSource, WebSearch
from dragoman.cost import price
from dragoman.gateway.app import create_app
from dragoman.search.fixture import FixtureEngine
from dragoman.simulator import running_simulator, serving
from dragoman.telemetry.log import RequestLog
from dragoman.telemetry.redaction import Redactor

MODEL = "mimo:mimo-v2.6-pro"
PAGE = SearchSource("https://dragoman.example/news", "dragoman", "The interpreter for agents and models has a demo.")
LOG = "gateway.log"
KEY = "sk-demo-only-in-this-process"
WORD = "made-by-tool"
DIALECTS: tuple[Dialect, ...] = (ResponsesDialect(), ChatDialect(), MessagesDialect())
STRING = {"type": "string"}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "write_file",
        "description": "Write a text file.",
        "parameters": {
            "type": "object",
            "properties": {"path": STRING, "content": STRING},
            "required": ["path", "content"],
        },
    },
    {
        "name": "read_file",
        "description": "Read a text file.",
        "parameters": {"type": "object", "properties": {"path": STRING}, "required": ["path"]},
    },
]


def run() -> None:
    """Show the gateway at work against the embedded simulator; needs no key."""
    _spare_loopback_from_proxies()
    with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as folder:
        problems = asyncio.run(show(Path(folder)))
        if problems:
            print((Path(folder) / LOG).read_text()[-4000:])
    for problem in problems:
        print(f"FAILED: {problem}")
    print("demo: everything held" if not problems else "demo: it did not hold")
    raise typer.Exit(1 if problems else 0)


async def show(folder: Path) -> list[str]:
    """The whole demo in an empty folder; what did not hold."""
    (folder / "work").mkdir()
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(running_simulator(key=KEY))
        settings = _settings(folder, simulator.url)
        log = stack.enter_context((folder / LOG).open("w"))
        app = create_app(settings, log=RequestLog(Redactor(settings.redactions()), stream=log))
        async with serving(app, lifespan=True) as gateway:
            print(f"simulator (the vendor's documented rules, strict) on {simulator.url}")
            print(f"gateway on {gateway}\n")
            problems = await _exec(settings, folder / "work")
            async with aiohttp.ClientSession() as session:
                for dialect in DIALECTS:
                    problems += await _endpoint(session, dialect, gateway, settings, folder / "work")
            problems += await _search(settings)
        verdict = simulator.verdict()
    print("== the simulator's verdict")
    print("\n".join(verdict.lines()))
    problems += [f"the simulator saw {v.rule} at {v.field}: {v.message}" for v in verdict.violations]
    if not verdict.reasoning_checked or verdict.placeholders:
        problems.append("reasoning did not come back as it was sent")
    return problems


def _settings(folder: Path, simulator: str) -> Settings:
    """Settings of the demo alone: nothing of the person's environment or files."""
    file = folder / "dragoman.toml"
    file.write_text("")
    (folder / "home").mkdir()
    environment = {
        "MIMO_API_KEY": KEY,
        "MIMO_BASE_URL": f"{simulator}/v1",
        "DRAGOMAN_HOME": str(folder / "home"),
    }
    return load(file, env=environment)


async def _exec(settings: Settings, work: Path) -> list[str]:
    task = (
        f"Run one shell command that writes the word {WORD} into a file named marker.txt in the current directory, "
        "then read the file back with a second command, then reply with one sentence."
    )
    print(f"== dragoman exec -m {MODEL} -p {task!r}", flush=True)
    reporter = Reporter("text", MODEL, "demo", sys.stdout, sys.stdout)
    async with Client(settings=settings) as client:
        ended = await execute(client, Job(task, MODEL, "auto", work, os.environ), reporter)
    if ended.reason == "interrupted":  # Ctrl-C was for the whole demo, not for this part of it
        raise asyncio.CancelledError
    code = reporter.ended(ended)
    print()
    problems = [] if code == 0 else [f"exec ended with {code}: {ended.detail}"]
    if _content(work / "marker.txt") != WORD:
        problems.append("exec: marker.txt does not hold what it should")
    return problems


async def _endpoint(
    session: aiohttp.ClientSession, dialect: Dialect, gateway: str, settings: Settings, work: Path
) -> list[str]:
    name = dialect.path.rsplit("/", 1)[-1] + ".txt"
    word = f"{WORD}-{name[0]}"
    task = f"Write the word {word} into a file named {name}, then read it back, then say what it holds."
    print(f"== {dialect.title}: POST {dialect.path}", flush=True)

    def tool(called: str, arguments: dict[str, Any]) -> str:
        path = work / Path(arguments["path"]).name
        print(f"> {called} {path.name}")
        if called == "write_file":
            path.write_text(arguments["content"])
            return f"wrote {path.name}"
        return _content(path)

    loop = await drive(session, dialect, (gateway, MODEL, task), (TOOLS, tool), _show)
    if loop.text:
        print()
    came = f"{len(loop.usages)} answers, text in {loop.pieces} pieces, {loop.thought} characters of reasoning"
    print(f"  {loop.model}: {came}, cost {_cost(loop, settings)}")
    print(f"  notes: {', '.join(sorted(loop.notes)) or 'none'}\n")
    problems = [f"{dialect.title}: {loop.error}"] if loop.error else []
    if loop.calls != ["write_file", "read_file"]:
        problems.append(f"{dialect.title}: the tools called were {loop.calls}")
    if _content(work / name) != word or word not in loop.text:
        problems.append(f"{dialect.title}: {name} or the answer lacks the word")
    return problems


async def _search(settings: Settings) -> list[str]:
    """A search that the vendor does not run: by an engine that answers from a small file."""
    task = "Search the web for news about dragoman, then say what you found."
    print(f"== a managed web search: client.stream(..., tools=[web_search]) with a local engine: {task!r}", flush=True)
    found: list[WebSearch] = []
    engine = FixtureEngine(msgspec.json.encode({"default": [PAGE]}))
    async with Client(settings=settings, search=engine) as client:
        stream = client.stream(model=MODEL, messages=task, tools=[{"type": "web_search"}], search="managed")
        async with stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    _show(event.text)
                elif isinstance(event, BlockEnd) and isinstance(event.block, WebSearch):
                    found.append(event.block)
                    print(f"> web_search {event.block.queries[0]!r}: {len(event.block.sources)} page(s)")
        answer = stream.answer()
        cost = client.cost(answer)
    spent = "unknown" if cost.amount is None else f"{cost.amount:.6f} {cost.currency}"
    print(f"\n  usage of both calls: {answer.usage and answer.usage.total} tokens, cost {spent}\n")
    if answer.error is not None:
        return [f"managed search: {answer.error.message}"]
    return [] if found and found[0].sources else ["managed search: nothing was searched"]


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _content(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _cost(loop: Loop, settings: Settings) -> str:
    provider, _, model = loop.model.partition(":")
    row = settings.catalogue().model(provider, model)
    total = Decimal(0)
    currency = ""
    for usage in loop.usages:
        cost = price(usage, row, datetime.now(UTC)) if usage is not None else None
        if cost is None or cost.amount is None:
            return "unknown"
        total, currency = total + cost.amount, cost.currency
    return f"{total:.6f} {currency}"


def _spare_loopback_from_proxies() -> None:
    """A proxy of the person's has no business between the demo's own two servers."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1,localhost")))
