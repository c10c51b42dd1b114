"""Real programs before the whole street: every simulated vendor and three gateways as processes, shared by many tests.

`Lab` starts them; `lab.watch(gate, vendors)` gives what one test did, apart from what others did before it; `Codex` and
`Claude` are one person's program with a home and a folder of its own, whose sessions can be resumed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.programs import CODEX, claude, clean_environment, codex, free_port, wait_for
from tests.e2e.street import KEYS, MODELS, PROFILES

KEY = "sk-any"
TIMEOUT = 120
"""Seconds for one run of a program: far more than it needs."""
PAGE = {"url": "https://example.org/mimo", "title": "MiMo", "text": "MiMo is a model."}
_COMPATIBLE = ("xiaomi", "minimax", "deepseek", "zhipu", "moonshot")


def _on(wire: str, *vendors: str) -> str:
    return "".join(f'[providers.{vendor}]\nwire = "{wire}"\n' for vendor in vendors)


GATES = {
    "own": '[search]\nmode = "native"\n',
    "messages": _on("messages", *_COMPATIBLE[1:])
    + _on("chat", "openai")
    + _on("messages", "xiaomi")
    + 'thinking_default = "vendor"\n'
    + '[search]\nmode = "managed"\nengine = "fixture"\nfile = "PAGES"\n',
    "responses": _on("responses", "xiaomi", "minimax", "zhipu", "moonshot")
    + '[aliases]\n"claude-*" = "deepseek:deepseek-v4-pro"\n"gpt-*" = "deepseek:deepseek-flash"\n',
}
"""The gateways by the wire on which they speak to vendors that have several; each runs web searches in its own way."""


@dataclass
class Watch:
    """What happened behind one gateway since the watch began. `done()` reads it; then the fields are there.

    lines: the gateway's log. sent: the bodies that each vendor got. verdicts: the vendors' judgements.
    """

    log: Path
    sims: dict[str, str]
    start: int
    before: dict[str, dict[str, Any]]
    lines: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def done(self) -> Watch:
        """Waits for the gateway's last lines and reads everything."""
        for name, url in self.sims.items():
            now, was = _get(url + "/_sim/verdict"), self.before[name]
            for count in ("requests", "answered", "reasoning_checked", "placeholders"):
                now[count] -= was[count]
            now["violations"] = now["violations"][len(was["violations"]) :]
            self.verdicts[name] = now
            rows = _get(url + "/_sim/log")["requests"][was["requests"] :]
            self.sent[name] = [row["body"] for row in rows if isinstance(row["body"], dict)]
        asked = sum(verdict["requests"] for verdict in self.verdicts.values())
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with self.log.open() as log:
                log.seek(self.start)
                self.lines = [json.loads(line) for line in log if line.endswith("\n")]
            if sum(line["attempts"] for line in self.lines) >= asked:
                break
            time.sleep(0.05)
        return self

    @property
    def codes(self) -> set[str]:
        """The codes of all notes."""
        return {note.partition(":")[0] for line in self.lines for note in line.get("notes", ())}

    @property
    def checked(self) -> int:
        """Turns whose reasoning came back to its maker unchanged."""
        return sum(int(verdict["reasoning_checked"]) for verdict in self.verdicts.values())


@dataclass
class Lab:
    """Addresses of what runs. sims: by vendor. gates: by name, with their logs."""

    sims: dict[str, str]
    gates: dict[str, str]
    logs: dict[str, Path]

    def watch(self, gate: str, vendors: Sequence[str]) -> Watch:
        """From now on."""
        sims = {vendor: self.sims[vendor] for vendor in vendors}
        before = {vendor: _get(url + "/_sim/verdict") for vendor, url in sims.items()}
        return Watch(self.logs[gate], sims, self.logs[gate].stat().st_size, before)


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@contextmanager
def laboratory(home: Path) -> Iterator[Lab]:
    """Every vendor's strict simulator and the gateways, as processes that end with the block."""
    pages = home / "pages.json"
    pages.write_text(json.dumps({"default": [PAGE]}))
    lab = Lab({}, {}, {})
    started: list[tuple[int, subprocess.Popen[str]]] = []
    names = {"xiaomi": "MIMO"}
    env = {f"{names.get(vendor, vendor.upper())}_API_KEY": "" for vendor in PROFILES}
    assert env.keys() <= KEYS.keys()
    for vendor in PROFILES:
        port, prefix = free_port(), names.get(vendor, vendor.upper())
        lab.sims[vendor] = f"http://127.0.0.1:{port}"
        env |= {f"{prefix}_API_KEY": f"sk-{vendor}", f"{prefix}_BASE_URL": lab.sims[vendor]}
        search = ["--search"] if vendor == "xiaomi" else []
        options = ["--profile", vendor, "--port", str(port), "--key", f"sk-{vendor}", *search]
        started.append((port, _start(["simulate", *options], home / f"{vendor}.log", clean_environment())))
    for gate, config in GATES.items():
        port = free_port()
        lab.gates[gate], lab.logs[gate] = f"http://127.0.0.1:{port}", home / f"{gate}.log"
        file = home / f"{gate}.toml"
        text = config.replace("PAGES", str(pages))
        tomllib.loads(text)
        file.write_text(text)
        own = clean_environment(**env, DRAGOMAN_HOME=str(home / gate))
        started.append((port, _start(["serve", "--port", str(port), "--config", str(file)], lab.logs[gate], own)))
    try:
        for port, process in started:
            wait_for(port, process)
        yield lab
    finally:
        for _, process in started:
            process.send_signal(signal.SIGTERM)
        for _, process in started:
            process.wait(30)


def _start(arguments: list[str], log: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    with log.open("w") as out:
        command = [sys.executable, "-m", "dragoman", *arguments]
        return subprocess.Popen(command, env=env, stdout=out, stderr=out, text=True)


@dataclass(frozen=True)
class Said:
    """One run. text: the last answer. usage: what the program says that it used. session: for resuming."""

    code: int
    text: str
    usage: dict[str, Any]
    session: str
    printed: str


class Codex:
    """`codex exec` of one person. base: the gateway. version: of the program."""

    def __init__(self, folder: Path, base: str, version: str = CODEX) -> None:
        self.work = folder / "work"
        self._home = folder / "codex-home"
        self._base = base
        self._program = codex(version)
        for made in (self.work, self._home):
            made.mkdir(parents=True)

    def run(
        self, model: str, prompt: str, session: str = "", *, settings: str = 'model_reasoning_effort = "high"'
    ) -> Said:
        """One task, in a session that goes on where one is named. settings: lines of config.toml."""
        (self._home / "config.toml").write_text(
            f'model = "{model}"\nmodel_provider = "gw"\napproval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
            f"check_for_update_on_startup = false\n{settings}\n[analytics]\nenabled = false\n"
            f'[model_providers.gw]\nname = "gateway"\nbase_url = "{self._base}/v1"\nwire_api = "responses"\n'
            'env_key = "GATEWAY_KEY"\n'
        )
        last = self._home / "last.txt"
        last.unlink(missing_ok=True)
        resumed = ["resume", session] if session else []
        command = [str(self._program), "exec", "--skip-git-repo-check", "--json", "-o", str(last), *resumed, prompt]
        code, out, printed = _run(command, self.work, clean_environment(CODEX_HOME=str(self._home), GATEWAY_KEY=KEY))
        events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        usage = next((e["usage"] for e in reversed(events) if e["type"] == "turn.completed"), {})
        thread = next((str(e["thread_id"]) for e in events if e["type"] == "thread.started"), session)
        return Said(code, last.read_text() if last.exists() else "", usage, thread, printed)


class Claude:
    """`claude -p` of one person."""

    def __init__(self, folder: Path, base: str) -> None:
        self.work = folder / "work"
        self._home = folder / "claude-home"
        self._base = base
        for made in (self.work, self._home):
            made.mkdir(parents=True)

    def run(self, model: str, prompt: str, session: str = "", **environment: str) -> Said:
        """One task, in a session that goes on where one is named."""
        roles = ("MODEL", "SMALL_FAST_MODEL", "DEFAULT_HAIKU_MODEL", "DEFAULT_SONNET_MODEL", "DEFAULT_OPUS_MODEL")
        env = clean_environment(
            HOME=str(self._home), CLAUDE_CONFIG_DIR=str(self._home / "config"), ANTHROPIC_BASE_URL=self._base,
            ANTHROPIC_AUTH_TOKEN=KEY, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_TELEMETRY="1",
            DISABLE_ERROR_REPORTING="1", DISABLE_AUTOUPDATER="1", DISABLE_BUG_COMMAND="1", IS_SANDBOX="1",
            **{f"ANTHROPIC_{role}": model for role in roles}, **environment,
        )  # fmt: skip
        resumed = ["--resume", session] if session else []
        allowed = ["--allowedTools", "Bash(*)", "Write", "Edit", "Read", "WebSearch"]
        command = [str(claude()), "-p", prompt, "--model", model, "--output-format", "json", *resumed, *allowed]
        code, out, printed = _run(command, self.work, env)
        try:
            answer = json.loads(out)
        except json.JSONDecodeError:
            return Said(code or 1, "", {}, session, printed)
        answer = answer[-1] if isinstance(answer, list) else answer
        text = "" if answer.get("is_error") else str(answer.get("result") or "")
        return Said(code, text, answer.get("usage") or {}, str(answer.get("session_id") or session), printed)


def _run(command: list[str], folder: Path, env: dict[str, str]) -> tuple[int, str, str]:
    """Exit code, standard output, and everything that was printed."""
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )  # fmt: skip
    return done.returncode, done.stdout, done.stdout + done.stderr


def model_of(vendor: str) -> str:
    """The model of a vendor that tests ask for, as a client names it."""
    return f"{vendor}/{MODELS[vendor]}"
