"""bash: one shell command in the workspace, in a process group of its own, with a time-out.

The whole group is killed when the command is over, when its time is up, or when the agent is cancelled, and the shell
is waited for in each case: nothing that a command left in the background outlives it. Output of any bytes is decoded;
of a long one head and tail are kept. The exit code is always told. The environment comes scrubbed of keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Any

from dragoman.agent.permissions import Decision, Effect
from dragoman.agent.tools.base import Outcome, Surroundings, clip, object_schema

MAX_KEPT = 4 * 1024 * 1024
"""Bytes of output that are held in memory; what lies between head and tail is dropped."""
LAST_WORDS = 1.0
"""Seconds that are waited for output after the command and its group are gone: a process that fled into a session of
its own may hold the pipe open for ever."""


class _Output(asyncio.Protocol):
    """The head and the tail of what comes through the pipe."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.dropped = 0
        self._head = bytearray()
        self._tail = bytearray()

    def data_received(self, data: bytes) -> None:
        """Keeps the beginning and the end."""
        room = max(MAX_KEPT // 2 - len(self._head), 0)
        self._head += data[:room]
        self._tail += data[room:]
        surplus = max(len(self._tail) - MAX_KEPT // 2, 0)
        self.dropped += surplus
        del self._tail[:surplus]

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody writes any more."""
        self.closed.set()

    def text(self, limit: int) -> str:
        """What was said, at most `limit` characters."""
        head, tail = bytes(self._head), bytes(self._tail)
        if self.dropped:
            said = head.decode("utf-8", "replace")
            return clip(f"{said}\n[... {self.dropped} bytes left out ...]\n{tail.decode('utf-8', 'replace')}", limit)
        return clip((head + tail).decode("utf-8", "replace"), limit)


class BashTool:
    """Runs a shell command."""

    name = "bash"
    effect: Effect = "command"
    description = (
        "Run one shell command in the workspace. Output is cut in the middle when long. No network; background "
        "processes end with the command."
    )
    schema = object_schema(
        ("command",),
        command={"type": "string", "minLength": 1, "description": "the command line, for bash"},
        timeout={"type": "number", "exclusiveMinimum": 0, "maximum": 600, "description": "seconds; the default is 120"},
    )

    def decide(self, arguments: dict[str, Any], around: Surroundings) -> Decision:
        """The command must be allowed."""
        return around.permissions.command(arguments["command"])

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> Outcome:
        """Output and exit code."""
        limit = float(arguments.get("timeout", around.command_timeout))
        output, code = await _run(arguments["command"], around, limit)
        text = output.text(around.output_limit).rstrip("\n")
        if code is None:
            return Outcome(f"{text}\n[stopped after {limit:g} seconds]".lstrip("\n"), True)
        ending = f"[exit code {code}]" if code >= 0 else f"[killed by signal {-code}]"
        return Outcome(f"{text}\n{ending}".lstrip("\n"), code != 0)


async def _run(command: str, around: Surroundings, limit: float) -> tuple[_Output, int | None]:
    """The output and the exit code; None when the time was up."""
    output = _Output()
    reading_end, writing_end = os.pipe()
    pipe = os.fdopen(reading_end, "rb", 0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: output, pipe)
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                "bash", "-c", command,
                cwd=around.workspace.root, env=dict(around.environment), start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=writing_end, stderr=writing_end,
            )  # fmt: skip
        finally:
            os.close(writing_end)
        code: int | None = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    code = await process.wait()
        finally:
            _kill(process.pid)
            await process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await output.closed.wait()
    finally:
        transport.close()
    return output, code


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
