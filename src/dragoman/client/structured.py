"""Structured output from models that have no JSON schema: the final text is checked for real, and repaired once.

A conductor. Text is held until its round is over, because what was shown cannot be taken back: then the code fence that
some models put around JSON is taken off, the value is checked against the schema, and either shown as the answer or
given back to the model, once, with what is wrong. A turn that calls tools is not an answer and passes unjudged; so does
one that was cut. What does not fit in the end is a failure of the upstream, and none of it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman.client.attempt import CallPlan
from dragoman.client.rounds import Conductor, Dialogue, Emit
from dragoman.client.validation import check_schema, faults
from dragoman.core.events import (
    AnnotationSeen,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    Started,
    StreamBlock,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import Message, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.request import Request, ResponseFormat
from dragoman.errors import ErrorInfo
from dragoman.providers.formats import FIELDS, taken_formats
from dragoman.providers.plan import Plan

_FENCE = re.compile(r"\s*(`{3,}|~{3,})[ \t]*[\w.+/-]*[ \t]*(?:\r?\n|(?=[\[{\"]))(.*?)\1\s*", re.S)
_OBJECT: dict[str, Any] = {"type": "object"}
_SCHEMA_IN = {"chat": ".json_schema.schema", "responses": ".schema", "messages": ".schema"}


def schema_check(request: Request, plan: Plan, dialogue: Dialogue) -> tuple[Conductor, ...]:
    """The check of this request's answer, where the provider does not see to the form itself.

    Raises InvalidRequest for a schema that is none.
    """
    asked = request.response_format
    if asked is None or asked.kind == "text" or plan.native or asked.kind in taken_formats(plan.profile, plan.wire):
        return ()
    schema: Any = _OBJECT
    if asked.kind == "json_schema":
        schema = msgspec.json.decode(asked.schema) if asked.schema is not None else {}
        check_schema(schema, FIELDS[request.wire] + _SCHEMA_IN[request.wire])
    return (SchemaCheck(asked, schema, dialogue),)


def unfenced(text: str) -> str:
    """The text without white space around it and without a code fence around all of it."""
    found = _FENCE.fullmatch(text)
    return (found[2] if found else text).strip()


class SchemaCheck:
    """Judges the final text of one answer. repairs: how often the model is asked again."""

    def __init__(self, asked: ResponseFormat, schema: Any, dialogue: Dialogue, repairs: int = 1) -> None:
        self._asked = asked
        self._schema = schema
        self._dialogue = dialogue
        self._left = repairs
        self._faults: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self._held: list[Event] = []
        self._said: list[StreamBlock] = []
        self._texts: list[Text] = []
        self._called = False

    # -- the conductor

    def feed(self, events: list[Event]) -> list[Event]:
        """What goes on: all but text that may still be judged."""
        out: list[Event] = []
        for event in events:
            kind = type(event)
            if kind is TextDelta and self._held:
                self._held.append(event)
            elif isinstance(event, BlockStart):
                self._open(event, out)
            elif isinstance(event, Finished):
                self._judge(event, out)
            elif kind is UsageSeen or kind is Started or kind is Noted:
                out.append(event)
            elif isinstance(event, Incomplete | Failed):
                out += [*self._release(), event]
            else:
                if isinstance(event, BlockEnd):
                    self._said.append(event.block)
                    if isinstance(event.block, Text):
                        self._texts.append(event.block)
                (self._held or out).append(event)
        return out

    async def next(self, emit: Emit) -> CallPlan:
        """The round in which the model mends its answer."""
        self._left -= 1
        emit([Noted(Note("format_repaired", FIELDS[self._dialogue.request.wire], self._faults[0][:200]))])
        # What was said in a round before a search stands in the request already.
        known = {id(block) for message in self._dialogue.request.messages for block in message.content}
        wrong = Message("assistant", tuple(_told([block for block in self._said if id(block) not in known])))
        told = "\n".join(f"- {fault}" for fault in self._faults)
        ask = (
            f"This answer does not have the form that was asked for:\n{told}\n"
            "Give the corrected answer: one JSON value, no other text, no code fence."
        )
        messages = (*self._dialogue.request.messages, wrong, Message("user", (Text(ask),)))
        self._reset()
        return self._dialogue.plan(messages)

    # -- judging

    def _open(self, event: BlockStart, out: list[Event]) -> None:
        block = event.block
        if isinstance(block, ToolCall):
            self._called = True
        if isinstance(block, ToolCall | WebSearch):
            out += self._release()
        if self._held or (isinstance(block, Text) and not self._called):
            self._held.append(event)
        else:
            out.append(event)

    def _release(self) -> list[Event]:
        held, self._held = self._held, []
        self._texts = []
        return held

    def _judge(self, end: Finished, out: list[Event]) -> None:
        if self._called:
            out.append(end)
            return
        text = "".join(block.text for block in self._texts)
        clean = unfenced(text)
        self._faults = self._wrong(clean)
        if not self._faults:
            out += self._clean(clean, text)
            out.append(end)
        elif self._left > 0:
            return
        elif self._asked.strict is False:
            out += self._clean(clean, text)
            out.append(Noted(Note("format_unmet", FIELDS[self._dialogue.request.wire], self._faults[0][:200])))
            out.append(end)
        else:
            out += [event for event in self._held if not _of_text(event)]
            message = f"the model's answer does not have the form that was asked for: {'; '.join(self._faults)}"
            info = ErrorInfo("protocol", message, code="invalid_structured_output", retryable=False)
            out.append(Failed(info, end.usage))

    def _wrong(self, text: str) -> list[str]:
        if not text:
            return ["the answer is empty"]
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            return [f"the answer is not JSON: {error}"]
        return faults(self._schema, value, "the answer")

    def _clean(self, clean: str, text: str) -> list[Event]:
        """What was held, its text in one block without what stood around the value."""
        if not clean or (clean == text and len(self._texts) == 1):
            return self._release()
        notes = tuple(raw for block in self._texts for raw in block.annotations)
        whole = Text(clean, annotations=notes)
        rest = [event for event in self._held if not _of_text(event)]
        return [*rest, BlockStart(0, Text("")), TextDelta(clean), BlockEnd(0, whole)]


def _of_text(event: Event) -> bool:
    if isinstance(event, BlockStart | BlockEnd):
        return isinstance(event.block, Text)
    return isinstance(event, TextDelta | AnnotationSeen)


def _told(blocks: Sequence[StreamBlock]) -> list[Any]:
    """The turn as the model said it. Something must have been said for it to be mended."""
    kept = [block for block in blocks if not isinstance(block, WebSearch)]
    if not any(isinstance(block, Text) and block.text.strip() for block in kept):
        kept = [block for block in kept if not isinstance(block, Text)]
        kept.append(Text("(no answer)"))
    return kept
