"""The simulator's page names every fault, every key of a directive and every option."""

from __future__ import annotations

import inspect
from pathlib import Path

from dragoman.cli import simulate
from dragoman.simulator.directives import _KEYS, STATUS_FAULTS, STREAM_FAULTS

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def test_every_fault_is_documented() -> None:
    assert [name for name in (*STREAM_FAULTS, *STATUS_FAULTS) if f"`{name}`" not in PAGE] == []


def test_every_key_of_a_directive_is_documented() -> None:
    assert [key for key in _KEYS if f"`{key}=" not in PAGE] == []


def test_every_option_is_documented() -> None:
    options = [name.replace("_", "-") for name in inspect.signature(simulate.run).parameters]
    assert [name for name in options if f"`--{name}`" not in PAGE] == []
