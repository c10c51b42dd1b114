"""What the agent may do: one decision per tool call, made before the tool runs.

Modes: `read-only` lets it look; `ask` asks a person for every change and command; `auto` lets it work inside the
workspace. In every mode a path outside the workspace, or a command that reaches for the network, is put to a person -
and refused where nobody can be asked.

The check of a command reads its words; it is a fence for an honest model, not a sandbox: a script that the command
starts is not read. Run untrusted work in a container. The environment that commands see holds no keys (`scrub`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from dragoman.agent.workspace import OutsideWorkspace, Workspace

Mode = Literal["read-only", "ask", "auto"]
Effect = Literal["read", "write", "command"]
Ask = Callable[[str], bool]
"""Puts a question to a person; True is yes."""

NETWORK = frozenset(
    {
        *("curl", "wget", "nc", "ncat", "netcat", "socat", "telnet", "ssh", "scp", "sftp", "rsync", "ftp", "tftp"),
        *("lynx", "w3m", "aria2c", "nslookup", "dig", "host", "ping", "traceroute", "nmap"),
    }
)
NETWORK_PAIRS: dict[str, frozenset[str]] = {
    "git": frozenset(["clone", "fetch", "pull", "push", "ls-remote", "submodule"]),
    "pip": frozenset({"install", "download", "index"}),
    "pip3": frozenset({"install", "download", "index"}),
    "uv": frozenset({"pip", "add", "sync", "tool"}),
    "npm": frozenset(["install", "i", "ci", "add", "update", "publish", "view", "exec"]),
    "npx": frozenset(),
    "pnpm": frozenset({"install", "add", "dlx"}),
    "yarn": frozenset({"install", "add", "dlx"}),
    "cargo": frozenset({"install", "fetch", "add", "publish"}),
    "go": frozenset({"get", "install"}),
    "apt": frozenset({"install", "update", "upgrade"}),
    "apt-get": frozenset({"install", "update", "upgrade"}),
    "docker": frozenset({"pull", "push", "run", "build"}),
}
"""Commands that use the network with these subcommands; an empty set means always."""

WRAPPERS = frozenset(
    {
        *("sudo", "doas", "env", "nohup", "time", "nice", "exec", "command", "xargs", "timeout", "stdbuf", "setsid"),
        "busybox",
    }
)
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "eval"})
SYSTEM_PROGRAMS = ("/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/", "/opt/")
HARMLESS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/zero", "/dev/urandom"})
SEPARATORS = re.compile(r"\n|;|&&|\|\||[|&()`]|\$\(")
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH", re.I)
SECRET_VALUE = re.compile(r"^(sk|tp|ttp|rk|pk)-[A-Za-z0-9_-]{8,}|^gh[pousr]_|^xox[abp]-|^AKIA[0-9A-Z]{12}")


class Decision(msgspec.Struct, frozen=True):
    """Whether a call may run; `reason` is told to the model when it may not."""

    allowed: bool
    reason: str = ""


def scrub(environment: Mapping[str, str], secrets: Collection[str] = ()) -> dict[str, str]:
    """The environment without anything that is, looks like, or holds a key."""
    known = [secret for secret in secrets if secret]
    return {
        name: value
        for name, value in environment.items()
        if not SECRET_NAME.search(name)
        and not SECRET_VALUE.search(value)
        and not any(secret in value for secret in known)
        and not name.startswith("DRAGOMAN_")
    }


def _words(command: str) -> list[list[str]]:
    """The simple commands of a shell line, each as its words. Unbalanced quotes fall back to white space."""
    out = []
    for part in SEPARATORS.split(command):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            words = part.split()
        if words:
            out.append(words)
    return out


def _program(words: list[str]) -> tuple[str, list[str]]:
    rest = list(words)
    while rest:
        first = rest[0].rsplit("/", 1)[-1]
        if re.match(r"^[A-Za-z_]\w*=", rest[0]) or first in WRAPPERS or (len(rest) > 1 and rest[0].startswith("-")):
            rest = rest[1:]
            continue
        if re.fullmatch(r"\d+[smhd]?", first):
            rest = rest[1:]
            continue
        return first, rest[1:]
    return "", []


def network_use(command: str) -> str | None:
    """The program of `command` that reaches for the network, if one does."""
    if "/dev/tcp/" in command or "/dev/udp/" in command:
        return "a shell socket"
    for words in _words(command):
        name, rest = _program(words)
        if name in NETWORK:
            return name
        pairs = NETWORK_PAIRS.get(name)
        if pairs is not None and (not pairs or any(word in pairs for word in rest)):
            return f"{name} {next((w for w in rest if w in pairs), '')}".strip()
        if name in SHELLS and rest:
            inner = network_use(" ".join(word for word in rest if not word.startswith("-")))
            if inner:
                return inner
    return None


def _expanded(piece: str, workspace: Workspace) -> str:
    """The piece with the variables that name a folder put in; others are not known before the shell runs."""
    known = {"HOME": str(Path.home()), "PWD": str(workspace.root), "OLDPWD": "..", "TMPDIR": "/tmp"}
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: known.get(m[1] or m[2], m[0]), piece)


def outside_path(command: str, workspace: Workspace) -> str | None:
    """A word of `command` that names a path outside the workspace, or one that is closed in it, if there is one."""
    for words in _words(command):
        name, rest = _program(words)
        if name in SHELLS and rest:
            inner = outside_path(" ".join(word for word in rest if not word.startswith("-")), workspace)
            if inner:
                return inner
        for at, word in enumerate(words):
            for piece in re.split(r"[=<>,:]+", word):
                if not piece or piece in HARMLESS or (at == 0 and piece.startswith(SYSTEM_PROGRAMS)):
                    continue
                if at > 0 and ":" in word and piece.startswith("//"):
                    continue  # the rest of a URL
                if not workspace.contains(_expanded(piece, workspace)):
                    return piece
    return None


class Permissions:
    """Decides on tool calls. ask: puts a question to a person; None where nobody is there."""

    def __init__(self, mode: Mode, workspace: Workspace, ask: Ask | None = None) -> None:
        self.mode = mode
        self.workspace = workspace
        self._ask = ask

    def path(self, effect: Effect, path: str) -> Decision:
        """May the tool read or write this path?"""
        try:
            real = self.workspace.resolve(path)
        except OutsideWorkspace as error:
            if "closed to the agent" in str(error):
                return Decision(False, str(error))
            return self._put(f"{effect} {path} (outside the workspace)?", str(error))
        if effect == "read":
            return Decision(True)
        return self._change(f"{effect} {self.workspace.show(real)}?")

    def command(self, command: str) -> Decision:
        """May this shell command run?"""
        if self.mode == "read-only":
            return Decision(False, "commands are not allowed in read-only mode")
        if program := network_use(command):
            return self._put(
                f"run a command that uses the network ({program}): {command}", f"{program} uses the network"
            )
        if path := outside_path(command, self.workspace):
            return self._put(f"run a command that names {path}: {command}", f"{path} is outside the workspace")
        return self._change(f"run: {command}")

    def _change(self, question: str) -> Decision:
        if self.mode == "read-only":
            return Decision(False, "changes are not allowed in read-only mode")
        return Decision(True) if self.mode == "auto" else self._put(question, "nobody is there to allow it")

    def _put(self, question: str, reason: str) -> Decision:
        if self.mode != "read-only" and self._ask is not None and self._ask(question):
            return Decision(True)
        said = "the person said no" if self._ask is not None and self.mode != "read-only" else "not allowed here"
        return Decision(False, f"{said}: {reason}")
