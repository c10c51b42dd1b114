"""Runs the gateways in turn and prints CPU per chunk and per request, with ratios to nginx. See README.md beside it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import bodies  # noqa: E402  (a script's neighbour)

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
MODES: dict[str, tuple[str, str, bool, int, int, int]] = {
    # model, body, stream, connections, upstream chunks an answer, marks an answer
    "burst": ("bench-n200-d0-b16", "small", True, 16, 204, 200),
    "paced": ("bench-n100-d10-b16", "small", True, 32, 104, 100),
    "json": ("bench-n50-d0-b16", "small", False, 16, 1, 50),
    "agent": ("bench-n50-d0-b16", "agent", False, 16, 1, 50),
}
NGINX = """worker_processes 1; daemon off; pid {tmp}/nginx.pid; error_log {tmp}/nginx.err warn;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_buffer_size 4m; client_max_body_size 64m;
  client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f; uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s;
  keepalive_requests 1000000000;
  upstream up {{ server 127.0.0.1:{up}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_buffering off; proxy_request_buffering off; }} }} }}
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on {port}")


def cpu_seconds(root: int) -> float:
    """User and system time of a process and its children."""
    found: dict[int, tuple[int, int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            found[int(entry)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    tree, size = {root}, 0
    while size != len(tree):
        size = len(tree)
        tree |= {pid for pid, (parent, _) in found.items() if parent in tree}
    return sum(found[pid][1] for pid in tree if pid in found) / os.sysconf("SC_CLK_TCK")


class Rig:
    """The processes of one benchmark run; all of them are ended by id when it is over."""

    def __init__(self, litellm: str | None) -> None:
        self.tmp = tempfile.mkdtemp(prefix="dragoman-bench-")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.gateways: dict[str, tuple[int, int, str | None]] = {}  # label: (port, pid, fixed path)
        self.up = free_port()
        self.spawn([sys.executable, str(HERE / "upstream.py"), str(self.up)], self.up, core=1)
        if nginx := shutil.which("nginx"):
            port = free_port()
            conf = Path(self.tmp, "nginx.conf")
            conf.write_text(NGINX.format(tmp=self.tmp, up=self.up, port=port))
            self.gateways["nginx"] = (port, self.spawn([nginx, "-c", str(conf)], port), PATHS["chat"])
        self._dragoman()
        if litellm:
            self._litellm(litellm)

    def spawn(self, command: list[str], port: int, core: int = 0, env: dict[str, str] | None = None) -> int:
        pin = ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
        process = subprocess.Popen(
            [*pin, *command], env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        wait_for(port, process)
        return process.pid

    def _dragoman(self) -> None:
        port = free_port()
        config = Path(self.tmp, "dragoman.toml")
        config.write_text('[aliases]\n"*" = "xiaomi:*"\n')
        env = {
            "MIMO_API_KEY": "sk-bench",
            "MIMO_BASE_URL": f"http://127.0.0.1:{self.up}/v1",
            "DRAGOMAN_HOME": self.tmp,
        }
        command = [sys.executable, "-m", "dragoman", "serve", "--port", str(port), "--config", str(config)]
        self.gateways["dragoman"] = (port, self.spawn(command, port, env=env), None)

    def _litellm(self, program: str) -> None:
        port = free_port()
        config = Path(self.tmp, "litellm.yaml")
        config.write_text(
            "model_list:\n  - model_name: '*'\n    litellm_params:\n      model: 'openai/*'\n"
            f"      api_base: 'http://127.0.0.1:{self.up}/v1'\n      api_key: 'sk-bench'\n"
        )
        command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        self.gateways["litellm"] = (port, self.spawn(command, port, env=env), None)

    def measure(self, label: str, wire: str, mode: str, seconds: float) -> dict[str, Any]:
        port, pid, fixed = self.gateways[label]
        model, size, stream, connections, chunks, marks = MODES[mode]
        if label == "litellm":
            connections, seconds = min(connections, 4), seconds * 3
        path = fixed or PATHS[wire]
        kind = "chat" if fixed else wire
        file = Path(self.tmp, f"{kind}-{mode}.json")
        file.write_bytes(bodies.body(kind, size, model, stream))
        before = cpu_seconds(pid)
        pin = ["taskset", "-c", "1"] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
        run = subprocess.run(
            [
                *pin,
                sys.executable,
                str(HERE / "load.py"),
                f"http://127.0.0.1:{port}{path}",
                str(file),
                str(connections),
                str(seconds),
                str(marks),
            ],
            capture_output=True,
            check=True,
        )
        row: dict[str, Any] = json.loads(run.stdout)
        used = cpu_seconds(pid) - before
        self.settle(pid)
        answers = max(row["answers"], 1)
        row |= {
            "label": label,
            "mode": mode,
            "us_per_request": used / answers * 1e6,
            "us_per_chunk": used / answers / chunks * 1e6,
        }
        return row

    def settle(self, pid: int) -> None:
        """A slow gateway goes on working after its load has gone: wait until it is idle."""
        end = time.monotonic() + 20
        last = cpu_seconds(pid)
        while time.monotonic() < end:
            time.sleep(0.3)
            now = cpu_seconds(pid)
            if now - last <= 0.02:
                return
            last = now

    def close(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.tmp, ignore_errors=True)


def table(rows: list[dict[str, Any]], wire: str) -> str:
    """Medians over the rounds, with the ratio to nginx."""
    lines = [
        f"Client protocol: {wire}",
        "",
        "| mode | gateway | us/chunk | us/request | x nginx | answers | bad |",
        "|---|---|---|---|---|---|---|",
    ]
    for mode in dict.fromkeys(row["mode"] for row in rows):
        base: float | None = None
        for label in dict.fromkeys(row["label"] for row in rows):
            mine = [row for row in rows if row["mode"] == mode and row["label"] == label]
            if not mine:
                continue
            request = statistics.median(row["us_per_request"] for row in mine)
            chunk = statistics.median(row["us_per_chunk"] for row in mine)
            base = request if label == "nginx" else base
            ratio = f"{request / base:.2f}" if base else "-"
            bad = sum(row["bad"] + row["short"] for row in mine)
            answers = sum(row["answers"] for row in mine)
            lines.append(f"| {mode} | {label} | {chunk:.2f} | {request:.0f} | {ratio} | {answers} | {bad} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wire", default="responses", choices=list(PATHS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--modes", default="burst,paced,json,agent")
    parser.add_argument("--litellm", default=shutil.which("litellm"), help="path of the litellm program")
    parser.add_argument("--json", help="file for the raw rows")
    options = parser.parse_args()
    if not shutil.which("nginx"):
        print("nginx is not installed (Debian: apt-get install nginx-light): ratios are left out", file=sys.stderr)
    rig = Rig(options.litellm)
    rows: list[dict[str, Any]] = []
    try:
        for _ in range(options.rounds):
            for mode in options.modes.split(","):
                rows += [rig.measure(label, options.wire, mode, options.seconds) for label in rig.gateways]
    finally:
        rig.close()
    if options.json:
        Path(options.json).write_text("\n".join(map(json.dumps, rows)) + "\n")
    print(table(rows, options.wire))


if __name__ == "__main__":
    main()
