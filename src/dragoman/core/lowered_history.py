"""The history's calls and results under the names and kinds that one upstream knows.

In: a prepared history, and the table that lowering the tools gave. Out: messages; nothing is changed in place. Knows no
vendor and no wire.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.messages import Message, ResultPart, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.profile import Profile
from dragoman.core.tools import ToolKind
from dragoman.core.tooltable import ToolTable


def lower_history(messages: Sequence[Message], table: ToolTable, profile: Profile) -> tuple[Message, ...]:
    """The calls and results of a prepared history under their upstream names and kinds. Mutates nothing."""
    out: list[Message] = []
    calls: dict[str, ToolCall] = {}
    for message in messages:
        if message.role == "assistant" and message.calls:
            blocks = tuple(_call(b, table) if isinstance(b, ToolCall) else b for b in message.content)
            calls.update({b.id: b for b in blocks if isinstance(b, ToolCall)})
            message = msgspec.structs.replace(message, content=blocks)
        elif message.role == "tool":
            results = tuple(
                _result(b, table, calls, profile) if isinstance(b, ToolResult) else b for b in message.content
            )
            message = msgspec.structs.replace(message, content=results)
        out.append(message)
    return tuple(out)


def _call(call: ToolCall, table: ToolTable) -> ToolCall:
    kind = table.upstream_kind(call.name, call.namespace, call.kind)
    name, space = table.address(call.name, call.namespace, call.kind)
    arguments = call.arguments
    if call.kind == "custom" and kind == "function":
        arguments = msgspec.json.encode({"input": arguments}).decode()
    return msgspec.structs.replace(call, name=name, namespace=space, kind=kind, arguments=arguments)


def _result(result: ToolResult, table: ToolTable, calls: dict[str, ToolCall], profile: Profile) -> ToolResult:
    call = calls.get(result.call_id)
    # A result goes as what its call went: a client of another protocol does not say what kind it answers.
    kind: ToolKind = call.kind if call else result.kind if result.kind in table.history_kinds else "function"
    content: tuple[ResultPart, ...] = result.content
    if not profile.hosted_tools:
        if any(isinstance(part, ToolReference) for part in content):
            content = tuple(_reference(part) if isinstance(part, ToolReference) else part for part in content)
        if not content and result.kind == "tool_search":
            content = (Text("The tools that were found can be called now."),)
    name = (call.name if call else result.name) if profile.tool_result_names else None
    return msgspec.structs.replace(result, kind=kind, content=content, name=name)


def _reference(part: ToolReference) -> Text:
    return Text(f"The tool {part.name} can be called now.")
