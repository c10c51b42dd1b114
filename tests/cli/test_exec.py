"""`dragoman exec` as a process, on the strict simulator: what it prints, what it may do, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dragoman.simulator import Call, Simulator, Turn, running_simulator, wait_for

KEY = "sk-simulated-key-1"
MODEL = "xiaomi:mimo-v2.6-pro"
TASK = (
    "Run one shell command that writes the word made-by-tool into a file named marker.txt in the current directory, "
    "then read the file back with a second command, then reply with one sentence."
)


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """A workspace with a simulator to talk to."""

    def __init__(self, sim: Simulator, root: Path) -> None:
        self.sim = sim
        self.root = root
        self.environment = {
            **{k: v for k, v in os.environ.items() if not re.search(r"KEY|TOKEN|BASE_URL|PROXY|^DRAGOMAN", k, re.I)},
            "MIMO_API_KEY": KEY,
            "MIMO_BASE_URL": f"{sim.url}/v1",
            "DRAGOMAN_HOME": str(root.parent / "home"),
            "DRAGOMAN_CONFIG": "",
            "DEPLOY_SECRET": "hush-hush-123",
        }
        del self.environment["DRAGOMAN_CONFIG"]

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dragoman", "exec", *arguments,
            cwd=self.root, env=self.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *arguments: str, stdin: bytes = b"", model: str = MODEL) -> Done:
        process = await self.start("-m", model, *arguments)
        out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    def bash(self, command: str) -> None:
        """The model will run this command, then answer with what came out of it."""
        self.sim.script.append(Turn("hm", calls=(Call("bash", json.dumps({"command": command})),)))
        self.sim.script.append(lambda ask: Turn("hm", text=ask.said[-1].results[-1][1]))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    (tmp_path / "home").mkdir()
    root = tmp_path / "ws"
    root.mkdir()
    async with running_simulator(key=KEY) as sim:
        yield Desk(sim, root)


@pytest.mark.req(163)
async def test_a_task_in_text(desk: Desk) -> None:
    done = await desk.run("-p", TASK)
    assert (done.code, done.out) == (0, "done: marker.txt holds made-by-tool\n")
    assert (desk.root / "marker.txt").read_text() == "made-by-tool\n"
    assert "> bash" in done.err
    assert re.search(
        r"3 turns, \d+ tokens in \(\d+ from cache\), \d+ out \(\d+ reasoning\), cost 0\.0\d+ USD \(0\.0\d+ saved by the cache\)",
        done.err,
    )
    assert desk.sim.verdict().reasoning_checked == 3
    assert desk.sim.verdict().ok


@pytest.mark.req(163)
async def test_the_prompt_from_stdin_and_one_object(desk: Desk) -> None:
    done = await desk.run("--output", "json", stdin=TASK.encode())
    assert done.code == 0
    body = done.object
    assert (body["status"], body["text"], body["turns"]) == ("answered", "done: marker.txt holds made-by-tool", 3)
    assert body["usage"]["total_tokens"] == desk.sim.verdict().prompt_tokens + body["usage"]["output_tokens"]
    assert float(body["cost"]["amount"]) > 0
    assert float(body["cost"]["saved_by_cache"]) > 0
    assert [call["name"] for call in body["tool_calls"]] == ["bash", "bash"]
    assert done.err == ""


@pytest.mark.req(163)
async def test_json_lines_begin_with_the_thread_and_end_with_a_terminal(desk: Desk) -> None:
    lines = (await desk.run("-p", TASK, "--output", "jsonl")).lines
    assert (lines[0]["type"], lines[0]["schema"]) == ("thread.started", 1)
    assert lines[0]["thread_id"] == lines[-1]["thread_id"]
    assert lines[-1]["type"] == "thread.completed"
    kinds = [line["type"] for line in lines if not line["type"].endswith("delta")]
    turn, tool = ["turn.completed"], ["tool.started", "tool.completed"]
    assert kinds[1:-1] == turn + tool + turn + tool + turn
    assert "".join(line["text"] for line in lines if line["type"] == "text.delta") == lines[-1]["text"]


@pytest.mark.req(163)
@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["-p", "hi [sim:fault=500]"], 1, "failed"),
        (["-p", "hi [sim:fault=drop_text]"], 1, "failed"),
        (["-p", "hi [sim:fault=402]"], 1, "failed"),
        (["-p", "hi [sim:fault=length]"], 3, "incomplete"),
        (["-p", "hi [sim:fault=content_filter]"], 3, "incomplete"),
        (["-p", "hi [sim:fault=repetition]"], 3, "incomplete"),
        (["-p", TASK, "--max-turns", "1"], 4, "max_turns"),
        (["-p", "  "], 2, "refused"),
        ([], 2, "refused"),
        (["-p", "hi", "-m", "nonsense"], 2, "refused"),
        (["-p", "hi", "--config", "missing.toml"], 2, "refused"),
    ],
)
async def test_every_end_has_its_code_and_its_last_line(
    desk: Desk, arguments: list[str], code: int, status: str
) -> None:
    done = await desk.run(*arguments, "--output", "jsonl")
    assert done.code == code
    assert done.lines[0]["type"] == "thread.started"
    assert (done.lines[-1]["type"], done.lines[-1]["status"]) == ("thread.failed", status)
    assert done.lines[-1]["error"]["message"]
    assert sum(line["type"].startswith("thread.") for line in done.lines) == 2


@pytest.mark.req(168)
async def test_an_empty_answer_is_told(desk: Desk) -> None:
    desk.sim.script.append(Turn("thinking only", text=""))
    done = await desk.run("-p", "hi")
    assert done.code == 3
    assert "the model gave an empty answer" in done.err


@pytest.mark.req(168)
async def test_a_cut_answer_is_told_in_text(desk: Desk) -> None:
    done = await desk.run("-p", "hi [sim:fault=length]")
    assert "the answer was cut: the output limit was met" in done.err
    assert done.out.strip()


@pytest.mark.req(163)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted(desk: Desk, number: signal.Signals) -> None:
    process = await desk.start("-m", MODEL, "-p", "hi [sim:fault=stall:600]", "--output", "jsonl")
    assert process.stdout is not None
    lines = []
    while not lines or lines[-1]["type"] != "text.delta":
        lines.append(json.loads(await process.stdout.readline()))
    process.send_signal(number)
    rest, _ = await process.communicate()
    assert process.returncode == 130
    last = json.loads(rest.splitlines()[-1])
    assert (last["type"], last["status"], last["cost"]) == ("thread.failed", "interrupted", None)
    assert await wait_for(desk.sim.requests[0]) == "client_gone"


@pytest.mark.req(162)
async def test_commands_see_no_key(desk: Desk) -> None:
    desk.bash("env")
    done = await desk.run("-p", "go")
    assert "PATH=" in done.out
    assert KEY not in done.out + done.err
    assert "hush-hush" not in done.out


@pytest.mark.req(162)
async def test_key_files_are_closed(desk: Desk) -> None:
    (desk.root.parent / "home" / "seal.key").write_text("key material")
    (desk.root / "dragoman.toml").write_text(f'[providers.xiaomi]\nbase_url = "{desk.sim.url}/v1"\n')
    for path in ("../home/seal.key", "dragoman.toml"):
        desk.sim.script.append(Turn("hm", calls=(Call("read", json.dumps({"path": path})),)))
        desk.sim.script.append(lambda ask: Turn("hm", text=ask.said[-1].results[-1][1]))
        done = await desk.run("-p", "go", "--config", "dragoman.toml")
        assert done.out.startswith("permission refused"), done.err
    desk.bash("cat dragoman.toml")
    assert (await desk.run("-p", "go", "--config", "dragoman.toml")).out.startswith("permission refused")


@pytest.mark.req(162)
@pytest.mark.parametrize("command", ["curl http://127.0.0.1:1/", "cat /etc/hostname", "echo x > ../escaped"])
async def test_auto_stays_inside(desk: Desk, command: str) -> None:
    desk.bash(command)
    done = await desk.run("-p", "go")
    assert done.out.startswith("permission refused: not allowed here")
    assert not (desk.root.parent / "escaped").exists()


@pytest.mark.req(162)
async def test_ask_without_a_terminal_is_no(desk: Desk) -> None:
    desk.bash("touch made")
    done = await desk.run("-p", "go", "--permission", "ask")
    assert done.out.startswith("permission refused: not allowed here: nobody is there to allow it")
    assert not (desk.root / "made").exists()


@pytest.mark.req(162)
async def test_read_only_offers_no_way_to_change(desk: Desk) -> None:
    desk.bash("touch made")
    done = await desk.run("-p", "go", "--permission", "read-only")
    assert "there is no tool 'bash'; there are: read" in done.out
    assert [tool["function"]["name"] for tool in desk.sim.requests[0].body["tools"]] == ["read"]
    assert not (desk.root / "made").exists()


async def test_a_reader_that_leaves(desk: Desk) -> None:
    process = await desk.start("-m", MODEL, "-p", "hi [sim:words=3000,pace=0.001]")
    assert process.stdout is not None
    assert await process.stdout.read(1)
    transport: Any = process._transport  # type: ignore[attr-defined]
    transport.get_pipe_transport(1).close()
    assert await process.wait() == 1
    assert process.stderr is not None
    assert b"Traceback" not in await process.stderr.read()


@pytest.mark.req(102)
async def test_a_wrong_key_is_told_without_the_key(desk: Desk) -> None:
    desk.environment["MIMO_API_KEY"] = "sk-wrong-key-987654"
    done = await desk.run("-p", "hi", "--output", "json")
    assert done.code == 1
    assert "wrong-key" not in done.out + done.err
    assert done.object["error"]["kind"] == "auth"
    done = await desk.run("-p", "hi")
    assert "failed: xiaomi: " in done.err
    assert "`dragoman config show` tells where its key comes from" in done.err
    assert "xiaomi:mimo-v2.6-pro: 1 turn, " in done.err


@pytest.mark.req(162)
@pytest.mark.parametrize(("answer", "made"), [("y\n", True), ("n\n", False), ("\n", False)])
async def test_ask_on_a_terminal(desk: Desk, answer: str, made: bool) -> None:
    desk.bash("touch made")
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dragoman", "exec", "-m", MODEL, "-p", "go", "--permission", "ask",
        cwd=desk.root, env=desk.environment, stdin=theirs, stderr=theirs, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    try:
        shown = await _until(ours, b"[y/N]")
        assert b"allow: run: touch made" in shown
        os.write(ours, answer.encode())
        await process.communicate()
    finally:
        os.close(ours)
    assert process.returncode == 0
    assert (desk.root / "made").exists() is made


async def _until(handle: int, mark: bytes) -> bytes:
    """Reads from a terminal until the mark was shown."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[bytes] = loop.create_future()
    shown = bytearray()

    def read() -> None:
        shown.extend(os.read(handle, 4096))
        if mark in shown and not found.done():
            found.set_result(bytes(shown))

    loop.add_reader(handle, read)
    try:
        async with asyncio.timeout(60):
            return await found
    finally:
        loop.remove_reader(handle)
