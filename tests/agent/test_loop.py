"""The loop: calls run and come back in order, every error is told to the model, every end has a reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.agent.loop import Ended, Loop, ModelStream
from dragoman.agent.permissions import Decision, Effect, Permissions
from dragoman.agent.tools import AgentTool, Outcome, Surroundings, standard_tools
from dragoman.agent.tools.base import object_schema
from dragoman.agent.workspace import Workspace
from dragoman.client import Answer
from dragoman.core.events import BlockEnd, BlockStart, Event, Failed, Finished, Incomplete, IncompleteReason, UsageSeen
from dragoman.core.fold import fold
from dragoman.core.messages import Message, Reasoning, Text, ToolCall, ToolResult
from dragoman.core.tools import Tool
from dragoman.core.usage import Usage, add
from dragoman.errors import ErrorInfo

USAGE = Usage(input=10, output=5)


def says(*blocks: Any, end: Any = None) -> list[Event]:
    events: list[Event] = []
    for index, block in enumerate(blocks):
        events += [BlockStart(index, msgspec.structs.replace(block)), BlockEnd(index, block)]
    return [*events, UsageSeen(USAGE), end or Finished(usage=USAGE)]


class Stream:
    """A stream of given events."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        self._at = 0

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._at = len(self._events)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        if self._at == len(self._events):
            raise StopAsyncIteration
        self._at += 1
        return self._events[self._at - 1]

    def answer(self) -> Answer:
        reply = fold(self._events)
        return Answer(reply.message, reply.end, usage=reply.usage)


class Model:
    """Plays turns and remembers the histories it was shown."""

    def __init__(self, *turns: list[Event]) -> None:
        self.turns = list(turns)
        self.seen: list[list[Message]] = []
        self.tools: Sequence[Tool] = ()

    def __call__(self, history: Sequence[Message], tools: Sequence[Tool]) -> ModelStream:
        self.seen.append(list(history))
        self.tools = tools
        return Stream(self.turns.pop(0))

    @property
    def results(self) -> list[ToolResult]:
        return [b for b in self.seen[-1][-1].content if isinstance(b, ToolResult)]

    @property
    def texts(self) -> list[str]:
        return ["".join(p.text for p in r.content if isinstance(p, Text)) for r in self.results]


class Watch:
    """Notes what happened in which order."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def event(self, event: Event) -> None:
        self.log.append(type(event).__name__)

    def reply(self, reply: Answer) -> None:
        self.log.append("reply")

    def call(self, call: ToolCall) -> None:
        self.log.append(f"call {call.id}")

    def result(self, call: ToolCall, outcome: Outcome) -> None:
        self.log.append(f"result {call.id}")


class Probe:
    """A tool made of a function."""

    description = "probe"
    schema = object_schema((), n={"type": "integer"})

    def __init__(self, name: str, effect: Effect, run: Callable[[int], Any]) -> None:
        self.name = name
        self.effect: Effect = effect
        self._run = run

    def decide(self, arguments: dict[str, Any], around: Surroundings) -> Decision:
        return Decision(True)

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> Outcome:
        made = self._run(arguments.get("n", 0))
        return await made if asyncio.iscoroutine(made) else made


def call(id: str, name: str, **arguments: Any) -> ToolCall:
    return ToolCall(id, name, json.dumps(arguments))


def loop_of(
    model: Model, root: Path, tools: Sequence[AgentTool] | None = None, watch: Watch | None = None, **more: Any
) -> Loop:
    place = Workspace(root)
    around = Surroundings(place, Permissions(more.pop("mode", "auto"), place), {"PATH": "/usr/bin:/bin"})
    return Loop(model, standard_tools() if tools is None else tools, around, watch or Watch(), **more)


DONE = says(Text("done"))


async def test_a_tool_loop(tmp_path: Path) -> None:
    thinking = Reasoning("why", turn="t1")
    model = Model(says(thinking, call("a", "write", path="x.txt", content="hi")), DONE)
    ended = await loop_of(model, tmp_path).run("write it")
    assert ended == Ended("answered", "done", "", add(USAGE, USAGE), 2)
    assert (tmp_path / "x.txt").read_text() == "hi"
    assert [m.role for m in model.seen[1]] == ["system", "user", "assistant", "tool"]
    assert model.seen[1][2].content[0] == thinking
    assert model.results[0].call_id == "a"
    assert [tool.name for tool in model.tools] == ["read", "write", "edit", "bash"]


@pytest.mark.req(112)
async def test_results_stand_in_call_order_though_they_end_in_another(tmp_path: Path) -> None:
    later = asyncio.Event()

    async def slow(n: int) -> Outcome:
        if n == 1:
            await later.wait()
        else:
            later.set()
        return Outcome(f"read {n}")

    model = Model(says(call("a", "look", n=1), call("b", "look", n=2)), DONE)
    await loop_of(model, tmp_path, [Probe("look", "read", slow)]).run("go")
    assert model.texts == ["read 1", "read 2"]


@pytest.mark.req(112)
async def test_a_change_waits_for_what_stands_before_it(tmp_path: Path) -> None:
    order: list[str] = []

    def tool(name: str) -> Callable[[int], Outcome]:
        def run(n: int) -> Outcome:
            order.append(f"{name}{n}")
            return Outcome("ok")

        return run

    tools = [Probe("look", "read", tool("look")), Probe("change", "write", tool("change"))]
    watch = Watch()
    model = Model(says(call("a", "change", n=1), call("b", "look", n=2), call("c", "change", n=3)), DONE)
    await loop_of(model, tmp_path, tools, watch).run("go")
    assert order == ["change1", "look2", "change3"]
    assert [e for e in watch.log if " " in e] == ["call a", "result a", "call b", "result b", "call c", "result c"]


@pytest.mark.req(112)
async def test_a_tool_that_yields_nothing_is_an_error(tmp_path: Path) -> None:
    model = Model(says(call("a", "look")), DONE)
    await loop_of(model, tmp_path, [Probe("look", "read", lambda n: Outcome(""))]).run("go")
    assert (model.results[0].is_error, model.texts) == (True, ["the tool gave no result"])


def _boom(n: int) -> Outcome:
    raise KeyError("boom")


@pytest.mark.req(114)
async def test_exceptions_and_unknown_names_become_results(tmp_path: Path) -> None:
    model = Model(says(call("a", "look"), call("b", "fly")), DONE)
    ended = await loop_of(model, tmp_path, [Probe("look", "read", _boom)]).run("go")
    assert ended.reason == "answered"
    assert [r.is_error for r in model.results] == [True, True]
    assert "KeyError" in model.texts[0]
    assert "there is no tool 'fly'; there are: look" in model.texts[1]


@pytest.mark.req(57, 167)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"path": "a', "not valid JSON"),
        ("[" * 5000, "not valid JSON"),
        ("[]", "arguments: [] is not of type 'object'"),
        ('{"path": 1, "content": ""}', "path: 1 is not of type 'string'"),
        ('{"path": "a"}', "'content' is a required property"),
        ('{"path": "a", "content": "", "mode": 1}', "'mode' was unexpected"),
    ],
)
async def test_malformed_arguments_go_back_to_the_model(tmp_path: Path, arguments: str, told: str) -> None:
    model = Model(says(ToolCall("a", "write", arguments, invalid=True)), DONE)
    await loop_of(model, tmp_path).run("go")
    assert model.results[0].is_error
    assert told in model.texts[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.req(162)
async def test_what_is_not_permitted_is_told(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    model = Model(
        says(
            call("a", "write", path="../x", content=""),
            call("b", "bash", command="curl http://x"),
            call("c", "read", path="/etc/passwd"),
        ),
        DONE,
    )
    await loop_of(model, tmp_path / "ws").run("go")
    assert all(text.startswith("permission refused: not allowed here") for text in model.texts)
    assert len(model.texts) == 3
    assert not (tmp_path / "x").exists()


@pytest.mark.req(162)
async def test_read_only_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("here")
    model = Model(
        says(
            call("a", "write", path="a.txt", content="gone"),
            call("b", "edit", path="a.txt", old="here", new="gone"),
            call("c", "bash", command="rm a.txt"),
            call("d", "read", path="a.txt"),
        ),
        DONE,
    )
    await loop_of(model, tmp_path, mode="read-only").run("go")
    assert [r.is_error for r in model.results] == [True, True, True, False]
    assert (tmp_path / "a.txt").read_text() == "here"


@pytest.mark.req(111, 167)
async def test_the_turn_cap(tmp_path: Path) -> None:
    model = Model(*[says(call("a", "read", path=".")) for _ in range(3)])
    ended = await loop_of(model, tmp_path, max_turns=3).run("go")
    assert (ended.reason, ended.turns) == ("max_turns", 3)
    assert "3 turns" in ended.detail


@pytest.mark.req(168)
@pytest.mark.parametrize("reason", ["length", "content_filter", "repetition", "context_window"])
async def test_a_cut_answer_is_told(tmp_path: Path, reason: IncompleteReason) -> None:
    ended = await loop_of(Model(says(Text("half"), end=Incomplete(reason))), tmp_path).run("go")
    assert (ended.reason, ended.text) == ("incomplete", "half")
    assert ended.detail.startswith("the answer was cut")


@pytest.mark.req(168)
async def test_an_empty_answer_is_told(tmp_path: Path) -> None:
    ended = await loop_of(Model(says(Reasoning("hm"), Text(" \n"))), tmp_path).run("go")
    assert (ended.reason, ended.detail) == ("empty", "the model gave an empty answer")


async def test_one_unknown_count_makes_the_sum_unknown(tmp_path: Path) -> None:
    silent: list[Event] = [e for e in says(call("a", "read", path="."), end=Finished()) if not isinstance(e, UsageSeen)]
    ended = await loop_of(Model(silent, DONE), tmp_path).run("go")
    assert ended.reason == "answered"
    assert ended.usage is not None
    assert (ended.usage.input, ended.usage.output, ended.usage.known) == (None, None, False)


async def test_a_failure_is_told_with_its_error(tmp_path: Path) -> None:
    error = ErrorInfo("server", "it broke")
    ended = await loop_of(Model(says(end=Failed(error))), tmp_path).run("go")
    assert (ended.reason, ended.detail, ended.error) == ("failed", "it broke", error)


async def test_a_cut_turn_runs_no_tool(tmp_path: Path) -> None:
    turn = says(call("a", "write", path="x", content=""), end=Incomplete("length"))
    ended = await loop_of(Model(turn), tmp_path).run("go")
    assert ended.reason == "incomplete"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.req(117)
def test_two_tools_of_one_name(tmp_path: Path) -> None:
    twice = [Probe("look", "read", _boom), Probe("look", "read", _boom)]
    with pytest.raises(ValueError, match="same name"):
        loop_of(Model(), tmp_path, twice)


async def test_a_cancelled_tool_is_not_an_error_result(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def wait(n: int) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        return Outcome("never")

    model = Model(says(call("a", "look"), call("b", "look")), DONE)
    task = asyncio.create_task(loop_of(model, tmp_path, [Probe("look", "read", wait)]).run("go"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(model.seen) == 1
