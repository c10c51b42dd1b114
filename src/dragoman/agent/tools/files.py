"""read, write and edit: files inside the workspace. Writes are atomic: a new file takes the old one's place."""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
from pathlib import Path
from typing import Any

from dragoman.agent.permissions import Decision, Effect
from dragoman.agent.tools.base import Outcome, Surroundings, clip, object_schema, read_text


def write_atomically(path: Path, text: str) -> None:
    """Writes beside the file and renames; a crash leaves the old file whole. Keeps the file's mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def diff(before: str, after: str, name: str, limit: int = 4000) -> str:
    """A unified diff, cut at `limit` characters."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return clip("\n".join(lines), limit)


class _FileTool:
    effect: Effect = "write"

    def decide(self, arguments: dict[str, Any], around: Surroundings) -> Decision:
        """The path must be allowed."""
        return around.permissions.path(self.effect, arguments["path"])


def _real(path: str, around: Surroundings) -> Path:
    given = Path(path).expanduser()
    return (given if given.is_absolute() else around.workspace.root / given).resolve()


class ReadTool(_FileTool):
    """Reads a text file with line numbers."""

    name = "read"
    description = "Read a text file. Lines come with their numbers. Use offset and limit (in lines) for long files."
    effect: Effect = "read"
    schema = object_schema(
        ("path",),
        path={"type": "string", "description": "file path, relative to the workspace"},
        offset={"type": "integer", "minimum": 1, "description": "first line, counted from 1"},
        limit={"type": "integer", "minimum": 1, "description": "how many lines"},
    )

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> Outcome:
        """The numbered lines; a folder gives its names."""
        path = _real(arguments["path"], around)
        if path.is_dir():
            names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in path.iterdir())
            return Outcome("\n".join(names) or "(an empty folder)")
        try:
            lines = read_text(path).splitlines()
        except (OSError, ValueError) as error:
            return Outcome(f"cannot read {arguments['path']}: {error}", True)
        first = arguments.get("offset", 1)
        chosen = lines[first - 1 : first - 1 + arguments.get("limit", 2000)]
        text = "\n".join(f"{number}\t{line}" for number, line in enumerate(chosen, first))
        left = len(lines) - (first - 1 + len(chosen))
        if left > 0:
            text += f"\n[{left} more lines]"
        return Outcome(clip(text, around.output_limit) or "(an empty file)")


class WriteTool(_FileTool):
    """Writes a whole file."""

    name = "write"
    description = "Write a file: its whole content. Folders are made; an existing file is replaced."
    schema = object_schema(
        ("path", "content"),
        path={"type": "string", "description": "file path, relative to the workspace"},
        content={"type": "string", "description": "the whole text of the file"},
    )

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> Outcome:
        """Says what was written, with a diff where the file existed."""
        path = _real(arguments["path"], around)
        try:
            before = read_text(path) if path.exists() else ""
            existed = path.exists()
            write_atomically(path, arguments["content"])
        except (OSError, ValueError) as error:
            return Outcome(f"cannot write {arguments['path']}: {error}", True)
        size = len(arguments["content"].encode())
        shown = around.workspace.show(path)
        return Outcome(
            f"wrote {size} bytes to {shown}" + (f"\n{diff(before, arguments['content'], shown)}" if existed else "")
        )


class EditTool(_FileTool):
    """Replaces one passage of a file."""

    name = "edit"
    description = (
        "Replace a passage of a text file. `old` must stand in the file exactly once, unless `all` is true. "
        "Give enough of the lines around it to make it unique."
    )
    schema = object_schema(
        ("path", "old", "new"),
        path={"type": "string", "description": "file path, relative to the workspace"},
        old={"type": "string", "minLength": 1, "description": "the passage as it stands"},
        new={"type": "string", "description": "what takes its place"},
        all={"type": "boolean", "description": "replace every occurrence"},
    )

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> Outcome:
        """A diff of the change."""
        path = _real(arguments["path"], around)
        try:
            before = read_text(path)
        except (OSError, ValueError) as error:
            return Outcome(f"cannot read {arguments['path']}: {error}", True)
        found = before.count(arguments["old"])
        if not found:
            return Outcome(f"the passage does not stand in {arguments['path']}; read the file again", True)
        if found > 1 and not arguments.get("all"):
            return Outcome(
                f"the passage stands {found} times in {arguments['path']}; give more of its lines or set all", True
            )
        after = before.replace(arguments["old"], arguments["new"])
        try:
            write_atomically(path, after)
        except OSError as error:
            return Outcome(f"cannot write {arguments['path']}: {error}", True)
        return Outcome(diff(before, after, around.workspace.show(path)) or "nothing changed")
