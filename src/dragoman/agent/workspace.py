"""The folder that the agent works in, and the one question that everything asks: is this path inside?

Symbolic links and `..` are resolved before the answer, also for files that do not exist yet. Dragoman's own data folder
is never inside, wherever it lies: it holds keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class OutsideWorkspace(Exception):
    """The path lies outside the workspace, or in a folder that is closed to the agent."""


class Workspace:
    """A root folder. closed: folders within it that the agent must not read or write."""

    def __init__(self, root: Path, closed: Sequence[Path] = ()) -> None:
        self.root = root.resolve()
        self.closed = tuple(path.resolve() for path in closed)

    def resolve(self, path: str) -> Path:
        """The real path of `path`, relative ones taken from the root. Raises OutsideWorkspace."""
        if not path or "\0" in path:
            raise OutsideWorkspace("the path is empty or holds a NUL character")
        given = Path(path).expanduser()
        real = (given if given.is_absolute() else self.root / given).resolve()
        if not real.is_relative_to(self.root):
            raise OutsideWorkspace(f"{path} is outside the workspace {self.root}")
        if any(real.is_relative_to(closed) for closed in self.closed):
            raise OutsideWorkspace(f"{path} is closed to the agent: it may hold keys")
        return real

    def contains(self, path: str) -> bool:
        """Whether `path` is inside."""
        try:
            self.resolve(path)
        except (OutsideWorkspace, OSError, RuntimeError):
            return False
        return True

    def show(self, path: Path) -> str:
        """The path as a person reads it: relative to the root."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
