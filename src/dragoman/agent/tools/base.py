"""What a tool of the agent is: a name, a schema, an effect, and a function from arguments to text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from dragoman.agent.permissions import Decision, Effect, Permissions
from dragoman.agent.workspace import Workspace


class Outcome(msgspec.Struct, frozen=True):
    """What a tool gave back. text is what the model reads; an error is told to it as one."""

    text: str
    is_error: bool = False


class Surroundings(msgspec.Struct, frozen=True):
    """What tools may touch. environment is already scrubbed of keys. command_timeout: seconds."""

    workspace: Workspace
    permissions: Permissions
    environment: Mapping[str, str]
    command_timeout: float = 120.0
    output_limit: int = 30_000


class AgentTool(Protocol):
    """One tool. `schema` is the JSON Schema of the arguments."""

    name: str
    description: str
    effect: Effect
    schema: dict[str, Any]

    def decide(self, arguments: dict[str, Any], around: Surroundings) -> Decision:
        """Whether this call may run."""
        ...

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> Outcome:
        """Runs it. Raises nothing for what the world does wrong: an Outcome says so."""
        ...


def object_schema(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an object without further properties."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def clip(text: str, limit: int) -> str:
    """Head and tail of a long text, with a line that says how much is missing."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def read_text(path: Path) -> str:
    """The text of a file, with a clear error for what is not text."""
    data = path.read_bytes()
    if b"\0" in data[:8192]:
        raise ValueError(f"{path.name} is not a text file")
    return data.decode("utf-8", "replace")
