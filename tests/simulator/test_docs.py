"""The simulator's page names every fault, every key of a directive and every option."""

from __future__ import annotations

import inspect
from pathlib import Path

from dragoman.cli import simulate
from dragoman.simulator.directives import _KEYS, MANNERS, STATUS_FAULTS, STREAM_FAULTS
from dragoman.simulator.vendors import VENDORS

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def test_every_fault_is_documented() -> None:
    assert [name for name in (*STREAM_FAULTS, *STATUS_FAULTS, *MANNERS) if f"`{name}`" not in PAGE] == []


def test_every_fault_and_manner_belongs_to_somebody() -> None:
    failures = {name for vendor in VENDORS.values() for name in vendor.failures}
    assert sorted(set(STATUS_FAULTS) - failures) == []
    assert sorted(failures - set(STATUS_FAULTS)) == ["exploded"]
    assert {name for vendor in VENDORS.values() for name in vendor.manners} == set(MANNERS)


def test_every_profile_is_documented_with_its_paths() -> None:
    assert [name for name in VENDORS if f"| `{name}` |" not in PAGE] == []
    paths = [path for vendor in VENDORS.values() for path in vendor.paths if "coding" not in path]
    assert [path for path in paths if path not in PAGE] == []


def test_every_key_of_a_directive_is_documented() -> None:
    assert [key for key in _KEYS if f"`{key}=" not in PAGE] == []


def test_every_option_is_documented() -> None:
    options = [name.replace("_", "-") for name in inspect.signature(simulate.run).parameters]
    assert [name for name in options if f"`--{name}`" not in PAGE] == []
