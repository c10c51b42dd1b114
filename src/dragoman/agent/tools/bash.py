"""bash: one shell command in the workspace, in a process group of its own, with a time-out.

The group is killed when the time is up or the agent is cancelled. Output of any bytes is decoded; of a long one head
and tail are kept. The exit code is always told. The environment comes scrubbed of keys.
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


class BashTool:
    """Runs a shell command."""

    name = "bash"
    effect: Effect = "command"
    description = "Run one shell command in the workspace. Output is cut in the middle when long. No network."
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
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", arguments["command"],
            cwd=around.workspace.root, env=dict(around.environment), start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        reading = asyncio.ensure_future(_read(process.stdout))
        try:
            async with asyncio.timeout(limit):
                await process.wait()
        except TimeoutError:
            _kill(process.pid)
            await process.wait()
            text = clip(await reading, around.output_limit)
            return Outcome(f"{text}\n[stopped after {limit:g} seconds]", True)
        except BaseException:
            _kill(process.pid)
            reading.cancel()
            await asyncio.wait({reading})
            raise
        # A background child may hold the pipe open; what it says later is not ours to wait for.
        done, _ = await asyncio.wait({reading}, timeout=1.0)
        if not done:
            _kill(process.pid)
        text = clip(await reading, around.output_limit).rstrip("\n")
        code = process.returncode or 0
        return Outcome(f"{text}\n[exit code {code}]".lstrip("\n"), code != 0)


async def _read(stream: asyncio.StreamReader) -> str:
    head, tail = bytearray(), bytearray()
    while data := await stream.read(65536):
        room = MAX_KEPT // 2 - len(head)
        head += data[: max(room, 0)]
        tail += data[max(room, 0) :]
        del tail[: max(len(tail) - MAX_KEPT // 2, 0)]
    return (head + tail).decode("utf-8", "replace")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
