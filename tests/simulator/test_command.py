"""`dragoman simulate`: it says where it listens, and with --check ends with a verdict and an exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

RUN = "import typer, dragoman.cli.simulate as s; typer.run(s.run)"


@contextmanager
def simulate(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.split(" on ")[1].split()[0], process
    finally:
        process.kill()
        process.communicate()


def ask(base: str, **fields: object) -> int:
    body = {"model": "mimo-v2.6-pro", "messages": [{"role": "user", "content": "hi"}], **fields}
    request = urllib.request.Request(
        base + "/v1/chat/completions", json.dumps(body).encode(), {"api-key": "k", "content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_run_ends_with_zero(number: signal.Signals) -> None:
    with simulate("--check", "--key", "k") as (base, process):
        assert ask(base) == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert "verdict: ok: 1 requests" in out
    assert (process.returncode, err) == (0, "")


def test_a_broken_rule_ends_with_one() -> None:
    with simulate("--check") as (base, process):
        assert ask(base, store=False) == 400
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "unknown_field at store" in out


def test_without_check_there_is_no_verdict() -> None:
    with simulate() as (base, process):
        assert ask(base, store=False) == 400
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")


@pytest.mark.req(145)
def test_a_public_address_needs_a_key() -> None:
    done = subprocess.run([sys.executable, "-c", RUN, "--host", "0.0.0.0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--key" in done.stderr


def test_an_unknown_profile_is_told() -> None:
    done = subprocess.run([sys.executable, "-c", RUN, "--profile", "acme"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "xiaomi" in done.stderr


def test_other_profiles_and_their_manners() -> None:
    with simulate("--profile", "minimax", "--manner", "cumulative", "--manner", "repeat", "--check") as (base, process):
        assert ask(base) == 401
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "auth at headers" in out


def test_a_manner_of_another_vendor_is_told() -> None:
    arguments = [sys.executable, "-c", RUN, "--profile", "zhipu", "--manner", "repeat"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "zhipu has no manner" in done.stderr
