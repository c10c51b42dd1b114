"""What one Chat answer says and thinks: the text, and the thinking of several fields, each told once and in order.

In: the text and reasoning fields of deltas. Out: the assembler's text and reasoning. Fragments may be snapshots that
repeat what went before (`Snapshots`), thinking may come as structured details (`Details`) or between tags in the text
(`InlineThinking`), and servers may send the same thinking over two of these. What is held back, because it cannot be
judged yet, is let out before anything else comes.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from dragoman.core.assemble import Assembler, Flow
from dragoman.core.events import Event
from dragoman.wire.base import DecodeContext
from dragoman.wire.chat_completions.details import Details, Told, details_form, details_list, details_text
from dragoman.wire.chat_completions.inline import InlineThinking
from dragoman.wire.chat_completions.reasoning import Snapshots, Tailed
from dragoman.wire.chat_completions.shapes import ABSENT, Delta, sent


class Prose:
    """Text and thinking of one answer.

    tags: thinking between tags in the text; None where tags are only text. whole: the answer comes in one piece.
    """

    __slots__ = (
        "_assembler",
        "_context",
        "_details",
        "_empty",
        "_late",
        "_text",
        "_thinking",
        "_thought",
        "_told",
        "tags",
        "whole",
    )

    def __init__(self, context: DecodeContext, assembler: Assembler) -> None:
        self._context = context
        self._assembler = assembler
        self._text = Snapshots("never" if context.cumulative == "never" else "detect")
        self._thought: Snapshots | Tailed = Snapshots(context.cumulative)
        self._details: Details | None = None
        self._told = Told(context.cumulative, context.tags is not None)
        self._late: list[Any] = []
        self._empty = False
        self._thinking = False
        self.tags: InlineThinking | None = None
        self.whole = False
        if context.tags is not None:
            self._thought = Tailed(context.cumulative)
            parser = context.tags.parser()
            self.tags = InlineThinking(parser, assembler, context.provider, context.family, self._settle_thought)

    # -- the short way

    def flow(self) -> Flow | None:
        """The block that a plain delta would only make longer; None where anything has to be decided first."""
        if self._details is not None:
            return None
        flow = self._assembler.flow()
        if flow is None or not (self._thought if flow.thinking else self._text).plain or self._thought.held:
            return None
        return flow

    def tagged_flow(self, tags: InlineThinking) -> tuple[Flow | None, bool]:
        """The same where thinking may stand in the text, and whether the delta must come in a field of its own."""
        if self._details is not None or self._thought.held:
            return None, False
        flow = self._assembler.flow()
        if flow is None:
            return None, False
        field = flow.thinking and not tags.inside
        return (flow if (self._thought if field else self._text).plain else None), field

    # -- text

    def text(self, content: str, out: list[Event]) -> None:
        """More of the content field."""
        if self.tags is None and (self._details is not None or self._thought.held):
            self._settle_thought(out)
        if not self._text.plain:
            content = self._text.take(content)
        self._say(content, out)

    def _say(self, text: str, out: list[Event]) -> None:
        if self.tags is None:
            self._assembler.text(text, out)
        elif text:
            self.tags.content(text, out)

    # -- thinking

    def reason(self, delta: Delta, out: list[Event]) -> None:
        """The thinking of one delta. Details first, then the plain fields in their order; an empty one never hides a
        later one."""
        if delta.reasoning_details is not ABSENT and sent(delta.reasoning_details):
            if self._detail(delta.reasoning_details, out):
                if self._details is not None and delta.reasoning_content:
                    self._details.beside = "reasoning_content"
                return
        plain = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if not plain:
            self._empty = self._empty or "" in (delta.reasoning_content, delta.reasoning, delta.reasoning_text)
            return
        self._settle_text(out)
        self._thinking = True
        if self._details is not None and delta.reasoning_content:
            self._details.beside = "reasoning_content"
        if self.tags is not None or not self._thought.plain:
            plain = self._thought.take(plain)
        self._think("field", plain, out)

    def _think(self, channel: str, text: str, out: list[Event]) -> None:
        """More thinking from a field; what the text has told already between tags is not told again."""
        if self.tags is not None and text:
            text = self.tags.once.take(channel, text)
        self._assembler.reasoning(text, out)

    def _detail(self, raw: Raw, out: list[Event]) -> bool:
        """Takes structured details; whether they held text. Sealed details that come after text wait for the end."""
        items = details_list(raw)
        if not items:
            return False
        visible = bool(details_text(items))
        if self._details is None and self._told.nothing_new(items):
            self._empty = True
            return visible
        if not visible and self._assembler.blocks and not self._assembler.in_reasoning:
            self._late.extend(items)
            return False
        self._settle_text(out)
        self._thinking = True
        builder = self._builder(out)
        if self.whole:
            builder.whole = raw.copy()
        self._think("details", builder.add(items, details_form(raw)), out)
        return visible

    def _builder(self, out: list[Event]) -> Details:
        context = self._context

        def make() -> Details:
            return Details(context.provider, context.family, self._told)

        builder = self._assembler.reasoning_builder(make, out)
        assert isinstance(builder, Details)
        self._details = builder
        return builder

    # -- what is held back

    def settle(self, out: list[Event]) -> None:
        """Something else comes: lets out what is held."""
        self._settle_thought(out)
        self._settle_text(out)

    def _settle_thought(self, out: list[Event]) -> None:
        if self._thought.held:
            self._think("field", self._thought.release(), out)
        if self._details is not None:
            details, self._details = self._details, None
            self._think("details", details.release(), out)

    def _settle_text(self, out: list[Event], *, over: bool = False) -> None:
        if self._text.held:
            self._say(self._text.release(), out)
        if self.tags is not None:
            self.tags.release(out, over=over)

    # -- the end

    def close(self, out: list[Event], *, complete: bool) -> None:
        """The answer is over: all blocks are closed. Sealed details, and notes on tags, are told of last."""
        self._settle_thought(out)
        self._settle_text(out, over=True)
        if self._late:
            self._assembler.finish(out, complete=complete)
            self._builder(out).add(self._late)
            self._late = []
        self._assembler.finish(out, complete=complete)
        if self.tags is not None:
            out.extend(self.tags.end(complete))

    @property
    def empty_thought(self) -> bool:
        """Whether a reasoning field was there, but nothing was thought in the whole answer."""
        return self._empty and not self._thinking and not (self.tags is not None and self.tags.spoke)
