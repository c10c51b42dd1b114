"""Installs real client programs from npm into a cache and starts dragoman's own servers as processes.

The cache is `$DRAGOMAN_CLIENTS_DIR`, else `~/.cache/dragoman-clients`. Processes are ended by their ids.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("DRAGOMAN_CLIENTS_DIR") or Path.home() / ".cache" / "dragoman-clients")
CODEX = "0.169.0"
CODEX_OLD = "0.125.0"
CLAUDE = "2.1.329"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def install(package: str, version: str, program: str) -> Path:
    """The path of a program of an npm package, installed at that version."""
    folder = CACHE / f"{package.replace('/', '_').lstrip('@')}-{version}"
    path = folder / "node_modules" / program
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", f"{package}@{version}"],
            cwd=folder,
            check=True,
            timeout=900,
        )
    return path


def codex(version: str = CODEX) -> Path:
    """OpenAI's Codex CLI."""
    return install("@openai/codex", version, ".bin/codex")


def claude(version: str = CLAUDE) -> Path:
    """Claude Code: the platform package is a self-contained binary."""
    arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x64"
    package = f"@anthropic-ai/claude-code-linux-{arch}"
    return install(package, version, f"{package}/claude")


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without keys, proxies and settings of the person or of another agent."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in PROXIES and not re.search(r"KEY|TOKEN|SECRET|^ANTHROPIC|^OPENAI|^CLAUDE|^CODEX|^DRAGOMAN|^MIMO", k)
    }
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", **more}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Returns when somebody listens on the port; fails when the process ends, or after a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args!r} ended: {process.stdout.read() if process.stdout else ''}"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@dataclass
class Stack:
    """A gateway in front of a strict simulator, as processes."""

    gateway: str
    simulator: str
    home: Path
    verdict: dict[str, Any]
    _simulate: subprocess.Popen[str]


@contextmanager
def stack(home: Path, config: str = "", **environment: str) -> Iterator[Stack]:
    """Starts `dragoman simulate --check` and `dragoman serve`; afterwards `verdict` holds exit code and output."""
    sim_port, port = free_port(), free_port()
    file = home / "dragoman.toml"
    file.write_text(config)
    env = clean_environment(
        MIMO_API_KEY="sk-sim", MIMO_BASE_URL=f"http://127.0.0.1:{sim_port}/v1", DRAGOMAN_HOME=str(home), **environment
    )
    base = [sys.executable, "-m", "dragoman"]
    simulate = subprocess.Popen(
        [*base, "simulate", "--port", str(sim_port), "--key", "sk-sim", "--check"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    log = (home / "gateway.log").open("w")
    serve = subprocess.Popen(
        [*base, "serve", "--port", str(port), "--config", str(file)], env=env, stdout=log, stderr=log, text=True
    )
    made = Stack(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sim_port}", home, {}, simulate)
    try:
        wait_for(sim_port, simulate)
        wait_for(port, serve)
        yield made
    finally:
        serve.send_signal(signal.SIGTERM)
        simulate.send_signal(signal.SIGTERM)
        out, _ = simulate.communicate(timeout=30)
        serve.wait(30)
        log.close()
        made.verdict.update(code=simulate.returncode, output=out)
