"""Python functions as tools: schema from type hints and docstring, arguments checked, failures told to the model.

In: a function. Out: a declaration for the request, and results for the calls that come back. Nothing that a model
sends and nothing that a function raises gets out of `call`: it becomes an error result, which the model can mend.
Knows no wire; `jsonschema` is loaded when the first arguments are checked.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast, overload

import msgspec
from msgspec import Raw

from dragoman.client.schema import Signature, read
from dragoman.client.validation import faults
from dragoman.core.messages import Media, Message, ResultPart, Text, ToolCall, ToolReference, ToolResult
from dragoman.core.tools import Tool
from dragoman.errors import InvalidRequest


class FunctionTool:
    """A function that a model may call. Calling the object calls the function.

    declaration: what goes into a request. timeout: seconds for one call, None for no limit.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.function = function
        self.timeout = timeout
        self._signature: Signature = read(function)
        self._schema = self._signature.schema
        self.declaration = Tool(
            name or function.__name__,
            description=description or self._signature.description or None,
            schema=Raw(msgspec.json.encode(self._schema)),
        )

    @property
    def name(self) -> str:
        """The name that the model sees."""
        return self.declaration.name

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return self._schema

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    async def call(self, arguments: str, *, call_id: str = "") -> ToolResult:
        """Runs the function on a call's arguments (JSON text). A synchronous function runs in a thread.

        Wrong arguments, exceptions, a time-out and a function that gives nothing become error results.
        """
        try:
            value = msgspec.json.decode(arguments or "{}")
        except msgspec.DecodeError as error:
            return failed(call_id, f"the arguments are not valid JSON: {error}")
        problems = faults(self._schema, value)
        if problems:
            return failed(call_id, "the arguments do not fit the tool: " + "; ".join(problems))
        try:
            async with asyncio.timeout(self.timeout):
                outcome = await self._invoke(self._signature.convert(value))
        except TimeoutError:
            what = (
                "the tool timed out" if self.timeout is None else f"the tool did not finish within {self.timeout:g} s"
            )
            return failed(call_id, what)
        except Exception as error:  # boundary: what a tool raises is for the model to read, not for the loop to die of
            return failed(call_id, f"{type(error).__name__}: {error}")
        return result(call_id, outcome)

    async def _invoke(self, arguments: dict[str, Any]) -> Any:
        args, kwargs = self._signature.bind(arguments)
        if inspect.iscoroutinefunction(self.function):
            return await cast(Awaitable[Any], self.function(*args, **kwargs))
        return await asyncio.to_thread(self.function, *args, **kwargs)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *, name: str | None = None, description: str | None = None, timeout: float | None = None
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Makes a tool of a function: `@tool`, or `@tool(name=..., timeout=...)`.

    Parameters become properties, those with a default are not required. Descriptions come from the docstring's `Args:`
    section or from `Annotated[T, "text"]`. Raises TypeError for a signature that has no schema.
    """
    if function is not None:
        return FunctionTool(function)
    return lambda inner: FunctionTool(inner, name=name, description=description, timeout=timeout)


class Toolbox:
    """Tools under their names. Raises InvalidRequest when a name comes twice."""

    def __init__(self, tools: Iterable[FunctionTool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, FunctionTool] = {}
        for item in tools:
            self.add(item)

    def add(self, item: FunctionTool | Callable[..., Any]) -> FunctionTool:
        """Registers a tool, or a plain function as one."""
        made = item if isinstance(item, FunctionTool) else FunctionTool(item)
        if made.name in self._tools:
            raise duplicate(made.name)
        self._tools[made.name] = made
        return made

    @property
    def declarations(self) -> tuple[Tool, ...]:
        """What goes into a request."""
        return tuple(item.declaration for item in self._tools.values())

    async def run(self, call: ToolCall) -> ToolResult:
        """Answers one call. A name that is not here is an error result."""
        found = self._tools.get(call.name)
        if found is None:
            return failed(call.id, f"there is no tool {call.name!r}; there are: {', '.join(self._tools) or 'none'}")
        return await found.call(call.arguments, call_id=call.id)

    async def answer(self, calls: Sequence[ToolCall]) -> Message:
        """Runs the calls at the same time; the message holds their results in the order of the calls."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.run(call)) for call in calls]
        return Message("tool", tuple(task.result() for task in tasks))


def duplicate(name: str) -> InvalidRequest:
    """The error for a tool name that was declared twice."""
    return InvalidRequest(
        f"two tools are named {name!r}; rename one of them", code="duplicate_tool", param=f"tools[{name}]"
    )


def failed(call_id: str, text: str) -> ToolResult:
    """An error result."""
    return ToolResult(call_id, (Text(text),), is_error=True, was_text=True)


def result(call_id: str, outcome: Any) -> ToolResult:
    """What a function gave, as the result of a call: text as it is, content parts as they are, all else as JSON."""
    if isinstance(outcome, ToolResult):
        return msgspec.structs.replace(outcome, call_id=call_id)
    if outcome is None:
        return failed(call_id, "the tool gave no result")
    if isinstance(outcome, str):
        return ToolResult(call_id, (Text(outcome),), was_text=True)
    parts = outcome if isinstance(outcome, list | tuple) else (outcome,)
    if parts and all(isinstance(part, Text | Media | ToolReference) for part in parts):
        return ToolResult(call_id, tuple(cast("Sequence[ResultPart]", parts)))
    try:
        text = msgspec.json.encode(outcome).decode()
    except TypeError as error:
        return failed(call_id, f"the tool's result has no JSON form: {error}")
    return ToolResult(call_id, (Text(text),), was_text=True)
