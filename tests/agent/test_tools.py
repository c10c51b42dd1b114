"""read, write, edit and bash do what they say, and tell what went wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from dragoman.agent.permissions import Permissions, scrub
from dragoman.agent.tools import BashTool, EditTool, Outcome, ReadTool, Surroundings, WriteTool
from dragoman.agent.workspace import Workspace


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    place = Workspace(tmp_path)
    environment = scrub({**os.environ, "MIMO_API_KEY": "sk-secret-123456"})
    return Surroundings(place, Permissions("auto", place), environment, output_limit=2000)


async def run(tool: Any, around: Surroundings, **arguments: Any) -> Outcome:
    outcome: Outcome = await tool.run(arguments, around)
    return outcome


async def test_write_read_edit(around: Surroundings) -> None:
    root = around.workspace.root
    assert not (await run(WriteTool(), around, path="new/a.txt", content="one\ntwo\ntwo\n")).is_error
    assert (await run(ReadTool(), around, path="new/a.txt", offset=2, limit=1)).text == "2\ttwo\n[1 more lines]"
    twice = await run(EditTool(), around, path="new/a.txt", old="two", new="2")
    assert twice.is_error and "2 times" in twice.text
    done = await run(EditTool(), around, path="new/a.txt", old="one\n", new="1\n")
    assert not done.is_error and "+1" in done.text
    assert (await run(EditTool(), around, path="new/a.txt", old="two", new="2", all=True)).is_error is False
    assert (root / "new" / "a.txt").read_text() == "1\n2\n2\n"
    assert sorted(p.name for p in (root / "new").iterdir()) == ["a.txt"]


async def test_missing_and_binary_files_are_errors_for_the_model(around: Surroundings) -> None:
    (around.workspace.root / "b.bin").write_bytes(b"\0\1")
    assert (await run(ReadTool(), around, path="none.txt")).is_error
    assert "not a text file" in (await run(ReadTool(), around, path="b.bin")).text
    assert (await run(EditTool(), around, path="none.txt", old="a", new="b")).is_error


async def test_write_keeps_the_mode(around: Surroundings) -> None:
    path = around.workspace.root / "run.sh"
    path.write_text("a")
    path.chmod(0o755)
    await run(WriteTool(), around, path="run.sh", content="b")
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.req(161)
async def test_bash_tells_output_and_exit_code(around: Surroundings) -> None:
    good = await run(BashTool(), around, command="echo hi; pwd")
    assert good == Outcome(f"hi\n{around.workspace.root}\n[exit code 0]")
    bad = await run(BashTool(), around, command="echo oops >&2; exit 3")
    assert bad == Outcome("oops\n[exit code 3]", True)


@pytest.mark.req(161)
async def test_bash_keeps_head_and_tail_of_any_bytes(around: Surroundings) -> None:
    got = await run(BashTool(), around, command="printf '\\377start'; yes x | head -c 100000; printf 'the-end'")
    assert "start" in got.text and "the-end" in got.text and "characters left out" in got.text
    assert len(got.text) < 3000


@pytest.mark.req(161)
async def test_bash_kills_the_whole_group_when_time_is_up(around: Surroundings) -> None:
    pids = around.workspace.root / "pid"
    got = await run(BashTool(), around, command=f"sleep 60 & echo $! > {pids.name}; echo begun; wait", timeout=0.5)
    assert got.is_error and "begun" in got.text and "stopped after 0.5 seconds" in got.text
    await _gone(int(pids.read_text()))


@pytest.mark.req(161)
async def test_bash_dies_with_its_task(around: Surroundings) -> None:
    pids = around.workspace.root / "pid"
    task = asyncio.create_task(run(BashTool(), around, command=f"echo $$ > {pids.name}; sleep 60"))
    while not (pids.exists() and pids.read_text().strip()):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path(f"/proc/{pids.read_text().strip()}").exists(), "killed, but never waited for"


async def _gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while (
            Path(f"/proc/{pid}").exists()
            and "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        ):
            await asyncio.sleep(0.01)


@pytest.mark.req(162)
async def test_bash_sees_no_key(around: Surroundings) -> None:
    got = await run(BashTool(), around, command="env")
    assert "sk-secret" not in got.text and "MIMO_API_KEY" not in got.text


@pytest.mark.req(161)
async def test_what_a_command_leaves_behind_ends_with_it(around: Surroundings) -> None:
    pids = around.workspace.root / "pid"
    got = await run(BashTool(), around, command=f"sleep 60 >/dev/null 2>&1 & echo $! > {pids.name}")
    assert got == Outcome("[exit code 0]")
    await _gone(int(pids.read_text()))


@pytest.mark.req(161)
async def test_a_process_that_flees_does_not_hold_the_tool(around: Surroundings) -> None:
    pids = around.workspace.root / "pid"
    got = await run(BashTool(), around, command=f"setsid sleep 60 & echo $! > {pids.name}; echo said; sleep 0.2")
    assert got == Outcome("said\n[exit code 0]")
    pid = int(pids.read_text())
    os.kill(pid, 9)
    await _gone(pid)


@pytest.mark.req(161)
async def test_a_killed_command_says_so(around: Surroundings) -> None:
    assert await run(BashTool(), around, command="kill -9 $$") == Outcome("[killed by signal 9]", True)
