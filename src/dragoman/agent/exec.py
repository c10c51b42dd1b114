"""`dragoman exec`: one task, no terminal needed. Text to stdout as it comes, or one JSON object, or JSON lines.

Output forms
    text    the answer's text on stdout while it streams; tools, usage and cost on stderr
    json    one object at the end
    jsonl   one event a line: the first names the schema version and the thread, the last is terminal on every path

Exit codes: 0 answered, 1 the model or the network failed, 2 wrong use or configuration, 3 the answer was cut or empty,
4 the turn cap was met, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec

from dragoman.agent.loop import Ended, Loop, StopReason
from dragoman.agent.permissions import Ask, Mode, Permissions, scrub
from dragoman.agent.tools import AgentTool, Outcome, Surroundings, standard_tools
from dragoman.agent.workspace import Workspace
from dragoman.client import Answer, Client, Stream
from dragoman.core.events import Event, Noted, ReasoningDelta, TextDelta
from dragoman.core.messages import Message, ToolCall
from dragoman.core.tools import Tool
from dragoman.core.usage import Usage
from dragoman.cost import Cost
from dragoman.errors import ConfigError, InvalidRequest

OutputForm = Literal["text", "json", "jsonl"]
SCHEMA_VERSION = 1
EXIT: dict[StopReason, int] = {
    "answered": 0,
    "failed": 1,
    "refused": 2,
    "incomplete": 3,
    "empty": 3,
    "max_turns": 4,
    "interrupted": 130,
}


class Ledger:
    """Adds up what the calls of a run cost. One unknown price makes the sum unknown."""

    def __init__(self) -> None:
        self._sum = Decimal(0)
        self._saved: Decimal | None = Decimal(0)
        self._unknown = False
        self._any = False
        self.currency = ""

    def add(self, cost: Cost | None) -> None:
        """Counts one call. Sums of several currencies are not made: they are unknown."""
        if cost is None or cost.amount is None or (self._any and cost.currency != self.currency):
            self._unknown = True
            return
        self._any = True
        self._sum += cost.amount
        self._saved = None if self._saved is None or cost.saved is None else self._saved + cost.saved
        self.currency = cost.currency

    @property
    def amount(self) -> Decimal | None:
        """The sum, or None when a part of it is unknown."""
        return None if self._unknown or not self._any else self._sum

    @property
    def saved(self) -> Decimal | None:
        """What reading from caches spared, or None when a part of it is unknown."""
        return None if self.amount is None else self._saved

    def json(self) -> dict[str, Any] | None:
        """The sum in the words of the JSON output."""
        if self.amount is None:
            return None
        saved = None if self.saved is None else f"{self.saved:f}"
        return {"amount": f"{self.amount:f}", "currency": self.currency, "saved_by_cache": saved}


def usage_object(usage: Usage | None) -> dict[str, Any] | None:
    """Usage in the words of the JSON output."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "total_tokens": usage.total,
    }


class Reporter:
    """Observes a run and prints it in the chosen form. thread: the id of the conversation."""

    def __init__(
        self,
        form: OutputForm,
        model: str,
        thread: str,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.form = form
        self.model = model
        self.thread = thread
        self.ledger = Ledger()
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self._midline = False
        self._notes: list[dict[str, str]] = []
        self._calls: list[dict[str, Any]] = []
        if form == "jsonl":
            self._line({"type": "thread.started", "schema": SCHEMA_VERSION, "thread_id": thread, "model": model})

    def _line(self, value: dict[str, Any]) -> None:
        self.out.write(msgspec.json.encode(value).decode() + "\n")
        self.out.flush()

    def _say(self, text: str) -> None:
        if self._midline:
            self.out.write("\n")
            self.out.flush()
            self._midline = False
        self.err.write(text + "\n")
        self.err.flush()

    # -- the loop's observer

    def event(self, event: Event) -> None:
        """Prints deltas at once."""
        if isinstance(event, TextDelta):
            if self.form == "text":
                self.out.write(event.text)
                self.out.flush()
                self._midline = not event.text.endswith("\n")
            elif self.form == "jsonl":
                self._line({"type": "text.delta", "text": event.text})
        elif isinstance(event, ReasoningDelta):
            if self.form == "jsonl":
                self._line({"type": "reasoning.delta", "text": event.text})
        elif isinstance(event, Noted):
            self.notes([{"code": event.note.code, "field": event.note.field}])

    def notes(self, notes: list[dict[str, str]]) -> None:
        """Tells what was degraded, each thing once."""
        for note in notes:
            if note not in self._notes:
                self._notes.append(note)
                if self.form == "jsonl":
                    self._line({"type": "note", **note})
                elif self.form == "text":
                    self._say(f"note: {note['code']} {note['field']}".rstrip())

    def reply(self, reply: Answer) -> None:
        """Counts what the turn cost."""
        self.ledger.add(reply.cost)
        self.notes([{"code": n.code, "field": n.field} for n in reply.notes])
        if self.form == "jsonl":
            self._line({"type": "turn.completed", "text": reply.text, "usage": usage_object(reply.usage)})

    def call(self, call: ToolCall) -> None:
        """Tells of a call."""
        if self.form == "text":
            self._say(f"> {call.name} {call.arguments}"[:400])
        elif self.form == "jsonl":
            self._line({"type": "tool.started", "id": call.id, "name": call.name, "arguments": call.arguments})

    def result(self, call: ToolCall, outcome: Outcome) -> None:
        """Tells of a result."""
        self._calls.append({"name": call.name, "arguments": call.arguments, "is_error": outcome.is_error})
        if self.form == "text":
            first = outcome.text.strip().splitlines()[:1] or ["(no output)"]
            self._say(f"  {'error: ' if outcome.is_error else ''}{first[0]}"[:200])
        elif self.form == "jsonl":
            fields = {"id": call.id, "name": call.name, "is_error": outcome.is_error, "output": outcome.text}
            self._line({"type": "tool.completed", **fields})

    # -- the end

    def ended(self, ended: Ended) -> int:
        """Prints the end and gives the exit code."""
        code = EXIT[ended.reason]
        if ended.reason == "interrupted":
            self.ledger.add(None)  # what the broken call cost is not known
        if self.form == "text":
            if self._midline:
                self.out.write("\n")
                self.out.flush()
                self._midline = False
            if ended.detail:
                self._say(f"dragoman exec: {ended.reason}: {_told(ended)}")
            if ended.turns:
                self._say(self._summary(ended))
            return code
        body = {
            "status": ended.reason,
            "text": ended.text,
            "thread_id": self.thread,
            "model": self.model,
            "turns": ended.turns,
            "usage": usage_object(ended.usage),
            "cost": self.ledger.json(),
            "error": None
            if not ended.detail
            else {"message": ended.detail, "kind": ended.error.kind if ended.error else ended.reason},
        }
        if self.form == "jsonl":
            self._line({"type": "thread.completed" if code == 0 else "thread.failed", **body})
        else:
            self._line({**body, "tool_calls": self._calls, "notes": self._notes})
        return code

    def _summary(self, ended: Ended) -> str:
        amount = self.ledger.amount
        cost = "cost unknown" if amount is None else f"cost {amount:.6f} {self.ledger.currency or ''}".rstrip()
        if self.ledger.saved:
            cost += f" ({self.ledger.saved:.6f} saved by the cache)"
        usage = ended.usage
        turns = "1 turn" if ended.turns == 1 else f"{ended.turns} turns"
        if usage is None or not usage.known:
            return f"{self.model}: {turns}, usage unknown, {cost}"
        cached = f" ({usage.cache_read} from cache)" if usage.cache_read else ""
        thought = f" ({usage.reasoning} reasoning)" if usage.reasoning else ""
        return f"{self.model}: {turns}, {usage.prompt} tokens in{cached}, {usage.output} out{thought}, {cost}"


def _told(ended: Ended) -> str:
    """Why a run ended: in the vendor's own words, who spoke them, and where to look for a key that was refused."""
    error = ended.error
    if error is None or error.provider is None or error.fault == "client":
        return ended.detail
    who = "" if error.provider in ended.detail else f"{error.provider}: "
    remedy = "; `dragoman config show` tells where its key comes from" if error.kind == "auth" else ""
    return f"{who}{ended.detail}{remedy}"


class Job(msgspec.Struct, frozen=True):
    """One task. root: the workspace. environment: of this process; commands see it scrubbed."""

    prompt: str
    model: str
    mode: Mode
    root: Path
    environment: Mapping[str, str]
    max_turns: int = 50


def tools_for(mode: Mode) -> tuple[AgentTool, ...]:
    """The tools that the mode has a use for: a tool that is always refused only misleads the model."""
    return tuple(tool for tool in standard_tools() if mode != "read-only" or tool.effect == "read")


async def execute(client: Client, job: Job, reporter: Reporter, ask: Ask | None = None) -> Ended:
    """Works on the job. Nothing is raised: a refused request and a cancelled run are ways to end, too."""
    settings = client.settings
    closed = [Path(path) for path in (settings.home, settings.file) if path]
    place = Workspace(job.root, closed)
    environment = scrub(job.environment, settings.redactions())
    around = Surroundings(place, Permissions(job.mode, place, ask), environment)

    def stream(history: Sequence[Message], tools: Sequence[Tool]) -> Stream:
        made = client.stream(model=job.model, messages=history, tools=tools, session=reporter.thread)
        reporter.notes([{"code": note.code, "field": note.field} for note in made.notes])
        return made

    loop = Loop(stream, tools_for(job.mode), around, reporter, max_turns=job.max_turns)
    try:
        return await loop.run(job.prompt)
    except asyncio.CancelledError:
        return Ended("interrupted", "", "stopped by a signal", loop.usage, loop.turns)
    except (ConfigError, InvalidRequest) as error:
        return Ended("refused", "", error.message, loop.usage, loop.turns, error.info)
