"""The public names, and what importing them costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dragoman

HEAVY = {
    "sqlalchemy", "cryptography", "uvicorn", "starlette", "typer", "rich", "jsonschema", "structlog", "textual", "mcp",
    "opentelemetry", "prometheus_client", "jinja2", "httptools", "uvloop", "openai", "anthropic", "pydantic",
}  # fmt: skip


def test_the_public_names():
    """A name that is added or taken away here is a visible change: it belongs in the CHANGELOG."""
    assert dragoman.__all__ == sorted(dragoman.__all__)
    assert dragoman.__all__ == [
        "AnnotationSeen", "Answer", "ArgumentsDelta", "BlockEnd", "BlockStart", "Client", "ConfigError", "Cost",
        "DragomanError", "Engine", "ErrorInfo", "Event", "Failed", "Finished", "FunctionTool", "Incomplete",
        "InvalidRequest", "Media", "Message", "ModelNotFound", "ModelStatus", "Note", "Noted", "Opaque", "RawFrame",
        "Reasoning", "ReasoningDelta", "Reply", "Request", "ResponseFormat", "RetryPolicy", "SearchSource",
        "Settings", "Started",
        "Stream", "Text", "TextDelta", "ThinkFragment", "ThinkTagParser", "Timeouts", "Tool", "ToolCall", "ToolChoice", "ToolResult", "Toolbox",
        "UpstreamError", "Usage", "UsageSeen", "WebSearch", "__version__", "from_json", "parse_partial", "to_json", "tool",
    ]  # fmt: skip


@pytest.mark.parametrize("name", dragoman.__all__)
def test_every_public_name_is_there_and_explained(name):
    value = getattr(dragoman, name)
    assert name in dir(dragoman)
    if isinstance(value, type):
        assert value.__doc__


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(dragoman.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(dragoman.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        dragoman.Nothing  # noqa: B018


def loaded(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def test_the_library_loads_nothing_heavy():
    names = loaded("import dragoman\nfor name in dragoman.__all__: getattr(dragoman, name)")
    assert "aiohttp" in names
    assert not names & HEAVY


def test_the_core_loads_no_http_client():
    assert "aiohttp" not in loaded("import dragoman, dragoman.core.fold, dragoman.catalog")
