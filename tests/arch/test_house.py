"""The rules of the house, as tests: names of vendors, sizes, docstrings, no promises, nothing of this machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "dragoman"
SOURCES = sorted(SRC.rglob("*.py"))
VENDORS = re.compile(r"xiaomi|mimo|minimax|deepseek|zhipu|moonshot|openrouter", re.I)
VENDOR_ROOMS = {"catalog", "providers", "simulator"}


def _rel(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _strings(tree: ast.Module) -> list[tuple[int, str]]:
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_vendor_names_stand_only_where_vendors_live() -> None:
    # The demo may name the model that it runs.
    allowed = {SRC / "cli" / "demo.py"}
    found = [
        f"{_rel(path)}:{line} {text!r}"
        for path in SOURCES
        if not VENDOR_ROOMS & set(path.relative_to(SRC).parts) and path not in allowed
        for line, text in _strings(ast.parse(path.read_text()))
        if VENDORS.search(text)
    ]
    assert found == []


def test_no_file_is_a_maze() -> None:
    assert [(_rel(p), n) for p in SOURCES if (n := len(p.read_text().splitlines())) > 600] == []


def test_functions_fit_a_screen() -> None:
    long = [
        f"{_rel(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 80
    ]
    assert long == []


def test_public_names_are_explained() -> None:
    bare = [
        f"{_rel(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_modules_say_what_they_are_for() -> None:
    assert [_rel(p) for p in SOURCES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))] == []


def test_no_promises_in_the_source() -> None:
    promise = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError\(\))")
    found = [
        f"{_rel(p)}:{i}"
        for p in SOURCES
        for i, line in enumerate(p.read_text().splitlines(), 1)
        if promise.search(line)
    ]
    assert found == []


def test_nothing_of_a_machine_or_a_registry_is_tracked() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    machine = re.compile(r"(?<![\w.])/(?:work|root|farm|home/\w+)/|pypi\.org|registry\.npmjs|deb\.debian")
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".sse", ""}
            and path.is_file()
            and path != Path(__file__)
        ):
            found += [
                f"{name}:{i}"
                for i, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
                if machine.search(line)
            ]
    assert found == []


@pytest.mark.parametrize("layer", ["core", "wire", "providers"])
def test_pure_parts_know_no_clock_and_no_socket(layer: str) -> None:
    banned = {"time", "os", "random", "secrets", "uuid", "socket", "asyncio", "aiohttp", "datetime", "pathlib"}
    found = []
    for path in sorted((SRC / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [(node.module or "").split(".")[0]]
            found += [f"{_rel(path)}:{node.lineno} {name}" for name in names if name in banned]
    assert found == []
