"""`dragoman demo` shows the whole road, needs nothing of the person's, and fails when something does not hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.cli import demo
from dragoman.cli.demo_clients import ChatDialect
from dragoman.simulator import brain


@pytest.mark.req(104)
def test_the_demo_holds_without_a_key(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not re.search(r"KEY|TOKEN|BASE_URL|^DRAGOMAN", k)}
    environment |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    (tmp_path / "dragoman.toml").write_text("this is not a configuration")
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", "demo"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for shown in (
        "done: marker.txt holds made-by-tool",
        "done: responses.txt holds made-by-tool-r",
        "done: completions.txt holds made-by-tool-c",
        "done: messages.txt holds made-by-tool-m",
        "vault_recalled",
        "cache_mark_dropped",
        "14 requests, 14 answered, 0 violations",
        "reasoning passed back unchanged: 13 turns; placeholders: 0",
        "1 page(s)",
        "demo: everything held",
    ):
        assert shown in done.stdout
    assert len(re.findall(r"cost 0\.\d+ USD", done.stdout)) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["dragoman.toml"]


def test_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    shell = tmp_path / "bash"  # one that is not over before the signal comes
    shell.write_text("#!/bin/sh\nexec sleep 60\n")
    shell.chmod(0o755)
    words = [sys.executable, "-m", "dragoman", "demo"]
    here = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=tmp_path, env=here, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("> bash"):
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "FAILED" not in out
    assert "verdict" not in out
    assert err == ""


async def test_a_client_that_spoils_a_result_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ChatDialect, "results", lambda self, outputs: [])
    problems = await demo.show(tmp_path)
    assert any(problem.startswith("Chat Completions") for problem in problems)


async def test_a_wrong_answer_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(brain, "_final", lambda *arguments: "no idea")
    problems = await demo.show(tmp_path)
    assert [problem.split(":")[0] for problem in problems] == ["Responses", "Chat Completions", "Messages"]
