"""Finds the line on which each key of a TOML file stands: `tomllib` does not tell, and an error without it is half.

In: the text of a file that parses. Out: a map from key paths to line numbers. Keys inside inline tables and arrays
have the line of the setting that holds them.
"""

from __future__ import annotations

import re

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_PATH = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_PATH})\s*\]\]?")
_ASSIGN = re.compile(rf"\s*({_PATH})\s*=(.*)", re.S)
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')

Lines = dict[tuple[str, ...], int]


def _split(path: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, path))


def _depth(text: str) -> int:
    bare = _STRINGS.sub("", text).split("#", 1)[0]
    return sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")


def key_lines(text: str) -> Lines:
    """Key path -> line, counted from 1. The first line wins where a key stands twice (arrays of tables)."""
    lines: Lines = {}
    table: tuple[str, ...] = ()
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            if quote in line:
                quote = ""
            continue
        if depth > 0:
            depth += _depth(line)
            continue
        if found := _TABLE.match(line):
            table = _split(found[1])
            lines.setdefault(table, number)
        elif found := _ASSIGN.match(line):
            lines.setdefault((*table, *_split(found[1])), number)
            value = found[2]
            quote = next((mark for mark in ('"""', "'''") if value.count(mark) == 1), "")
            depth = 0 if quote else max(_depth(value), 0)
    return lines


def line_of(lines: Lines, path: tuple[str, ...]) -> int | None:
    """The line of `path`, or of the nearest setting that holds it."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None
