"""Real Codex CLI and real Claude Code finish a two-tool task through the gateway on the strict simulator."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.programs import CODEX, CODEX_OLD, Stack, run_claude, run_codex, stack

pytestmark = [pytest.mark.clients, pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")]

TASK = (
    "Run one shell command that writes the word made-by-tool into a file named marker.txt in the current directory, "
    "then read the file back with a second command, then reply with one sentence."
)


def sim_log(made: Stack) -> list[dict[str, Any]]:
    with urllib.request.urlopen(made.simulator + "/_sim/log") as answer:
        return list(json.load(answer)["requests"])


def check_clean(made: Stack) -> None:
    assert made.verdict["code"] == 0, made.verdict["output"]


def check_reasoning_replayed(requests: list[dict[str, Any]]) -> None:
    """Every tool-call turn of the last request carries reasoning, and no placeholder stands in for it."""
    bodies = [r["body"] for r in requests if isinstance(r.get("body"), dict) and r["body"].get("messages")]
    last = max(bodies, key=lambda b: len(b["messages"]))
    turns = [m for m in last["messages"] if m.get("tool_calls")]
    assert len(turns) >= 2
    assert all(m.get("reasoning_content") for m in turns)


@pytest.mark.parametrize(("version", "default"), [(CODEX, "auto"), (CODEX_OLD, "vendor")])
def test_codex_finishes_a_two_tool_task(tmp_path: Path, version: str, default: str) -> None:
    config = f'[providers.xiaomi]\nthinking_default = "{default}"\n'
    with stack(tmp_path, config) as made:
        code, text, printed = run_codex(
            made.gateway,
            "xiaomi/mimo-v2.6-pro",
            TASK,
            tmp_path,
            version=version,
            extra='model_reasoning_effort = "high"' if version == CODEX else "",
        )
        requests = sim_log(made)
    assert code == 0, printed[-4000:]
    assert (tmp_path / "work" / "marker.txt").read_text().strip() == "made-by-tool"
    assert text.strip()
    check_reasoning_replayed(requests)
    check_clean(made)


@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_claude_code_finishes_a_two_tool_task(tmp_path: Path, wire: str) -> None:
    with stack(tmp_path, f'[providers.xiaomi]\nwire = "{wire}"\n') as made:
        code, text, printed = run_claude(made.gateway, "xiaomi/mimo-v2.6-pro", TASK, tmp_path)
        requests = sim_log(made)
    assert code == 0, printed[-4000:]
    assert (tmp_path / "work" / "marker.txt").read_text().strip() == "made-by-tool"
    assert text.strip()
    if wire == "chat":
        check_reasoning_replayed(requests)
    check_clean(made)
