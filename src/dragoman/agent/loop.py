"""The agent's loop: ask the model, run the tools it calls, give the results back, until it answers without a call.

Uses only the library's face and the core. Everything that happens is told to an observer, as it happens. Tool calls are
checked against their schemas and permissions first; errors of any kind become results that the model reads. Reading
calls that stand next to each other run together, others one after another; results enter the history in call order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Literal, Protocol

import msgspec

from dragoman.agent.tools import AgentTool, Outcome, Surroundings
from dragoman.client import Answer
from dragoman.client.validation import faults
from dragoman.core.events import Event, Failed, Finished, Incomplete
from dragoman.core.messages import Message, Text, ToolCall, ToolResult
from dragoman.core.tools import Tool
from dragoman.core.usage import Usage, add
from dragoman.errors import ErrorInfo

StopReason = Literal["answered", "max_turns", "incomplete", "empty", "failed", "refused", "interrupted"]

INSTRUCTIONS = (
    "You are a coding agent in a terminal. Your workspace is {root}. Use the tools to look at files before you change "
    "them, make the change, and check it. Paths are relative to the workspace. When the task is done, say in a few "
    "sentences what you did."
)


class Ended(msgspec.Struct, frozen=True):
    """How a run ended. text: the last answer. detail: for a person, when it did not end well.

    refused: wrong use or configuration, before any call was made.
    """

    reason: StopReason
    text: str = ""
    detail: str = ""
    usage: Usage | None = None
    turns: int = 0
    error: ErrorInfo | None = None


class Observer(Protocol):
    """Sees everything while it happens."""

    def event(self, event: Event) -> None:
        """An event of the model's stream."""
        ...

    def reply(self, reply: Answer) -> None:
        """A whole turn of the model."""
        ...

    def call(self, call: ToolCall) -> None:
        """A tool call is about to run."""
        ...

    def result(self, call: ToolCall, outcome: Outcome) -> None:
        """A tool call gave this."""
        ...


class ModelStream(Protocol):
    """What the loop needs of a stream of the library."""

    async def __aenter__(self) -> ModelStream:
        """The call starts."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The call ends, also early."""
        ...

    def __aiter__(self) -> ModelStream:
        """The events."""
        ...

    async def __anext__(self) -> Event:
        """The next event."""
        ...

    def answer(self) -> Answer:
        """The whole answer, after the last event."""
        ...


StreamMaker = Callable[[Sequence[Message], Sequence[Tool]], ModelStream]
"""Opens a stream over this history with these tools."""


class Loop:
    """One conversation with tools. history grows as it goes; open a new run to continue it."""

    def __init__(
        self,
        open_stream: StreamMaker,
        tools: Sequence[AgentTool],
        around: Surroundings,
        observer: Observer,
        *,
        max_turns: int = 50,
    ) -> None:
        self._open = open_stream
        self._tools: Mapping[str, AgentTool] = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("two tools have the same name")
        self._declared = [
            Tool(tool.name, description=tool.description, schema=msgspec.Raw(msgspec.json.encode(tool.schema)))
            for tool in tools
        ]
        self._around = around
        self._observer = observer
        self._max_turns = max_turns
        text = INSTRUCTIONS.format(root=around.workspace.root)
        self.history: list[Message] = [Message("system", (Text(text),))]
        self.usage: Usage | None = None
        self.turns = 0

    async def run(self, prompt: str) -> Ended:
        """Works on `prompt` until the model answers, a cap is met, or the model fails."""
        self.history.append(Message("user", (Text(prompt),)))
        for turn in range(1, self._max_turns + 1):
            reply = await self._ask()
            self.turns = turn
            self.usage = add(self.usage, reply.usage or Usage())
            if not isinstance(reply.end, Finished):
                return self._broken(reply, turn)
            if reply.message.content:
                self.history.append(reply.message)
            calls = reply.calls
            if not calls:
                if not reply.text.strip():
                    return Ended("empty", "", "the model gave an empty answer", self.usage, turn)
                return Ended("answered", reply.text, "", self.usage, turn)
            self.history.append(Message("tool", tuple(await self._run_calls(calls))))
        return Ended("max_turns", "", f"stopped after {self._max_turns} turns", self.usage, self._max_turns)

    async def _ask(self) -> Answer:
        async with self._open(self.history, self._declared) as stream:
            async for event in stream:
                self._observer.event(event)
            reply = stream.answer()
        self._observer.reply(reply)
        return reply

    def _broken(self, reply: Answer, turn: int) -> Ended:
        if isinstance(reply.end, Failed):
            return Ended("failed", reply.text, reply.end.error.message, self.usage, turn, reply.end.error)
        assert isinstance(reply.end, Incomplete)
        why = {
            "length": "the answer was cut: the output limit was met",
            "content_filter": "the answer was cut by the vendor's content filter",
            "repetition": "the answer was cut: the model repeated itself",
            "context_window": "the answer was cut: the context window is full",
        }[reply.end.reason]
        return Ended("incomplete", reply.text, why, self.usage, turn)

    # -- tools

    async def _run_calls(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        out: list[ToolResult] = []
        for reads, group in groupby(calls, self._reads):
            if reads:
                out += await self._together(list(group))
            else:
                for call in group:
                    out += await self._together([call])
        return out

    async def _together(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        for call in calls:
            self._observer.call(call)
        tasks: list[asyncio.Task[Outcome]] = []
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(self._one(call)) for call in calls]
        out = []
        for call, task in zip(calls, tasks, strict=True):
            outcome = task.result()
            if not outcome.text:
                outcome = Outcome("the tool gave no result", True)
            self._observer.result(call, outcome)
            out.append(ToolResult(call.id, (Text(outcome.text),), outcome.is_error, name=call.name, was_text=True))
        return out

    def _reads(self, call: ToolCall) -> bool:
        tool = self._tools.get(call.name)
        return tool is not None and tool.effect == "read"

    async def _one(self, call: ToolCall) -> Outcome:
        tool = self._tools.get(call.name)
        if tool is None:
            return Outcome(f"there is no tool {call.name!r}; there are: {', '.join(sorted(self._tools))}", True)
        try:
            arguments = msgspec.json.decode(call.arguments or "{}")
        except (msgspec.DecodeError, RecursionError) as error:
            return Outcome(f"the arguments are not valid JSON: {error}", True)
        if problems := faults(tool.schema, arguments):
            return Outcome(f"the arguments do not fit the schema: {'; '.join(problems)}", True)
        try:
            decision = tool.decide(arguments, self._around)
            if not decision.allowed:
                return Outcome(f"permission refused: {decision.reason}", True)
            return await tool.run(arguments, self._around)
        except Exception as error:  # the boundary to tools: whatever breaks there is told to the model
            return Outcome(f"{tool.name} failed: {type(error).__name__}: {error}", True)
