"""Generated pages of the docs: `python -m tests.pages` writes them, a test checks that they are fresh.

The requirements page lists each requirement number and conformance case with the tests that carry its mark and how many
assertions stand in them, read from the source of the tests.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
NOTES = ROOT / "docs" / "notes.md"
FATES = ROOT / "docs" / "fates.md"


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for decorator in node.decorator_list:
        if (
            isinstance(decorator, ast.Call)
            and isinstance(decorator.func, ast.Attribute)
            and decorator.func.attr in ("req", "case")
        ):
            found += [(decorator.func.attr, arg.value) for arg in decorator.args if isinstance(arg, ast.Constant)]
    return found


def _assertions(node: ast.AST) -> int:
    count = 0
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert):
            count += 1
        elif isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
            count += name in ("raises", "validate") or name.startswith(("check", "assert_"))
    return count


def collect() -> dict[str, dict[object, list[tuple[str, int]]]]:
    """Marks -> numbers -> (test, assertions), for all tests."""
    table: dict[str, dict[object, list[tuple[str, int]]]] = {"req": defaultdict(list), "case": defaultdict(list)}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        file = path.relative_to(ROOT).as_posix()
        for node in tree.body:
            outer = _marks(node) if isinstance(node, ast.ClassDef) else []
            name = f"{file}::{node.name}" if isinstance(node, ast.ClassDef) else file
            tests = node.body if isinstance(node, ast.ClassDef) else [node]
            for test in tests:
                if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test_"):
                    for kind, number in {*outer, *_marks(test)}:
                        table[kind][number].append((f"{name}::{test.name}", _assertions(test)))
    return table


def render() -> str:
    """The page as Markdown."""
    table = collect()
    lines = [
        "# Conformance",
        "",
        "Made by `make docs` from the marks on the tests; a test checks that it is fresh. Requirement and case numbers are",
        "those that the tests carry (`@pytest.mark.req`, `@pytest.mark.case`).",
    ]
    for kind, title in (("req", "Requirements"), ("case", "Cases")):
        lines += ["", f"## {title}", "", "| number | tests | assertions |", "|---|---|---|"]
        for number in sorted(table[kind], key=lambda n: (isinstance(n, str), n)):
            tests = sorted(table[kind][number])
            names = "<br>".join(test for test, _ in tests)
            lines.append(f"| {number} | {names} | {sum(count for _, count in tests)} |")
    return "\n".join(lines) + "\n"


def render_notes() -> str:
    """The page of note codes."""
    from dragoman.core.notes import CODES

    lines = [
        "# Notes",
        "",
        "Made by `make docs` from the source. Nothing is changed silently: what was degraded, clamped or dropped is a note.",
        "Notes known before the call stand in the `x-dragoman-notes` header, a JSON array of `{code, field}`. Later ones come",
        "at the end of the stream: in `metadata.dragoman_notes` of a Responses object, as an SSE comment on the others.",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {meaning} |" for code, meaning in sorted(CODES.items())),
    ]
    return "\n".join(lines) + "\n"


_TITLES = {"responses": "Responses", "chat": "Chat Completions", "messages": "Messages"}
_PARTS = {
    "field": "Fields of the request",
    "item": "Items of the history",
    "block": "Content blocks",
    "part": "Content parts",
    "tool": "Tools",
}


def render_fates() -> str:
    """The page of fates."""
    from dragoman.providers.fates import MEANING, TABLE

    lines = [
        "# What becomes of a request",
        "",
        "Made by `make docs` from the source; a test sends every row to models of different vendors and compares. A row",
        "names every fate that a thing can have; which one it has depends on the model that is asked. `dragoman explain`",
        "shows it for one request. `*` is everything that the protocol does not know.",
        "",
        "| fate | meaning |",
        "|---|---|",
        *(f"| {fate} | {meaning} |" for fate, meaning in MEANING.items()),
    ]
    last = ""
    for (wire, part), rows in TABLE.items():
        if wire != last:
            lines += ["", f"## {_TITLES[wire]}"]
            last = wire
        lines += ["", f"### {_PARTS[part]}", "", "| name | fates | |", "|---|---|---|"]
        lines += [f"| `{row.name}` | {', '.join(row.fates)} | {row.about} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FATES.write_text(render_fates())
    PAGE.write_text(render())
    NOTES.write_text(render_notes())
