"""The tools that the agent has."""

from __future__ import annotations

from dragoman.agent.tools.base import AgentTool, Outcome, Surroundings
from dragoman.agent.tools.bash import BashTool
from dragoman.agent.tools.files import EditTool, ReadTool, WriteTool

__all__ = ["AgentTool", "BashTool", "EditTool", "Outcome", "ReadTool", "Surroundings", "WriteTool", "standard_tools"]


def standard_tools() -> tuple[AgentTool, ...]:
    """read, write, edit, bash."""
    return (ReadTool(), WriteTool(), EditTool(), BashTool())
