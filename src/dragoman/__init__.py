"""dragoman: the interpreter between coding agents and models.

`Client` is the library's door; the values that go in and come out stand beside it. Names are loaded when they are first
used, so that a part of the package (a codec, the catalogue) can be imported without the HTTP client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dragoman.version import __version__

if TYPE_CHECKING:
    from dragoman.client import (
        Answer,
        Client,
        Engine,
        FunctionTool,
        ModelStatus,
        RetryPolicy,
        Stream,
        Timeouts,
        Toolbox,
        tool,
    )
    from dragoman.config import Settings
    from dragoman.core.events import (
        AnnotationSeen,
        ArgumentsDelta,
        BlockEnd,
        BlockStart,
        Event,
        Failed,
        Finished,
        Incomplete,
        Noted,
        RawFrame,
        ReasoningDelta,
        Started,
        TextDelta,
        UsageSeen,
    )
    from dragoman.core.fold import Reply
    from dragoman.core.messages import (
        Media,
        Message,
        Opaque,
        Reasoning,
        SearchSource,
        Text,
        ToolCall,
        ToolResult,
        WebSearch,
    )
    from dragoman.core.notes import Note
    from dragoman.core.partial_json import parse_partial
    from dragoman.core.persist import from_json, to_json
    from dragoman.core.request import Request, ResponseFormat
    from dragoman.core.tools import Tool, ToolChoice
    from dragoman.core.usage import Usage
    from dragoman.cost import Cost
    from dragoman.errors import (
        ConfigError,
        DragomanError,
        ErrorInfo,
        InvalidRequest,
        ModelNotFound,
        UpstreamError,
    )
    from dragoman.wire.think_fragments import ThinkFragment
    from dragoman.wire.think_tags import ThinkTagParser


_HOME = {
    "dragoman.client": ("Answer Client Engine FunctionTool ModelStatus RetryPolicy Stream Timeouts Toolbox tool"),
    "dragoman.config": "Settings",
    "dragoman.core.events": (
        "AnnotationSeen ArgumentsDelta BlockEnd BlockStart Event Failed Finished Incomplete Noted RawFrame "
        "ReasoningDelta Started TextDelta UsageSeen"
    ),
    "dragoman.core.fold": "Reply",
    "dragoman.core.messages": "Media Message Opaque Reasoning SearchSource Text ToolCall ToolResult WebSearch",
    "dragoman.core.notes": "Note",
    "dragoman.core.partial_json": "parse_partial",
    "dragoman.core.persist": "from_json to_json",
    "dragoman.core.request": "Request ResponseFormat",
    "dragoman.core.tools": "Tool ToolChoice",
    "dragoman.core.usage": "Usage",
    "dragoman.cost": "Cost",
    "dragoman.errors": "ConfigError DragomanError ErrorInfo InvalidRequest ModelNotFound UpstreamError",
    "dragoman.wire.think_fragments": "ThinkFragment",
    "dragoman.wire.think_tags": "ThinkTagParser",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "AnnotationSeen",
    "Answer",
    "ArgumentsDelta",
    "BlockEnd",
    "BlockStart",
    "Client",
    "ConfigError",
    "Cost",
    "DragomanError",
    "Engine",
    "ErrorInfo",
    "Event",
    "Failed",
    "Finished",
    "FunctionTool",
    "Incomplete",
    "InvalidRequest",
    "Media",
    "Message",
    "ModelNotFound",
    "ModelStatus",
    "Note",
    "Noted",
    "Opaque",
    "RawFrame",
    "Reasoning",
    "ReasoningDelta",
    "Reply",
    "Request",
    "ResponseFormat",
    "RetryPolicy",
    "SearchSource",
    "Settings",
    "Started",
    "Stream",
    "Text",
    "TextDelta",
    "ThinkFragment",
    "ThinkTagParser",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Toolbox",
    "UpstreamError",
    "Usage",
    "UsageSeen",
    "WebSearch",
    "__version__",
    "from_json",
    "parse_partial",
    "to_json",
    "tool",
]


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
