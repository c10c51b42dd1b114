"""Installs real client programs from npm into a cache and starts dragoman's own servers as processes.

The cache is `$DRAGOMAN_CLIENTS_DIR`, else `~/.cache/dragoman-clients`. Processes are ended by their ids.
"""

from __future__ import annotations

import json
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


def _wait(port: int, process: subprocess.Popen[str]) -> None:
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
        _wait(sim_port, simulate)
        _wait(port, serve)
        yield made
    finally:
        serve.send_signal(signal.SIGTERM)
        simulate.send_signal(signal.SIGTERM)
        out, _ = simulate.communicate(timeout=30)
        serve.wait(30)
        log.close()
        made.verdict.update(code=simulate.returncode, output=out)


def run_codex(
    base: str, model: str, prompt: str, work: Path, *, version: str = CODEX, extra: str = "", key: str = "sk-any"
) -> tuple[int, str, str]:
    """Runs `codex exec`; exit code, final text, everything printed."""
    home = work / ".codex-home"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "gw"\napproval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
        f"check_for_update_on_startup = false\n{extra}\n[analytics]\nenabled = false\n"
        f'[model_providers.gw]\nname = "gateway"\nbase_url = "{base}/v1"\nwire_api = "responses"\nenv_key = "GATEWAY_KEY"\n'
    )
    folder = work / "work"
    folder.mkdir()
    last = work / "last.txt"
    done = subprocess.run(
        [str(codex(version)), "exec", "--skip-git-repo-check", "--json", "-o", str(last), prompt],
        cwd=folder, env=clean_environment(CODEX_HOME=str(home), GATEWAY_KEY=key), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, last.read_text() if last.exists() else "", done.stdout + done.stderr


def run_claude(
    base: str, model: str, prompt: str, work: Path, *, key: str = "sk-any", **environment: str
) -> tuple[int, str, str]:
    """Runs `claude -p`; exit code, result text, everything printed."""
    folder = work / "work"
    folder.mkdir(parents=True)
    env = clean_environment(
        HOME=str(work), CLAUDE_CONFIG_DIR=str(work / "config"), ANTHROPIC_BASE_URL=base, ANTHROPIC_AUTH_TOKEN=key,
        ANTHROPIC_MODEL=model, ANTHROPIC_SMALL_FAST_MODEL=model, ANTHROPIC_DEFAULT_HAIKU_MODEL=model,
        ANTHROPIC_DEFAULT_SONNET_MODEL=model, ANTHROPIC_DEFAULT_OPUS_MODEL=model,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_TELEMETRY="1", DISABLE_ERROR_REPORTING="1",
        DISABLE_AUTOUPDATER="1", DISABLE_BUG_COMMAND="1", IS_SANDBOX="1", **environment,
    )  # fmt: skip
    done = subprocess.run(
        [str(claude()), "-p", prompt, "--model", model, "--output-format", "json", "--allowedTools", "Bash(*)", "Write", "Edit", "Read"],
        cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.returncode or 1, "", done.stdout + done.stderr
    answer = answer[-1] if isinstance(answer, list) else answer
    text = "" if answer.get("is_error") else str(answer.get("result") or "")
    return done.returncode, text, done.stdout + done.stderr
