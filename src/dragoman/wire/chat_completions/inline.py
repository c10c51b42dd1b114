"""Thinking that stands in an answer's text, between tags: how it is kept for replay, and how it is told only once.

`InlineThinking` reads the text of one answer. `InlineState` keeps what the model wrote, tags and white space included,
in the reasoning block's state; `inline_text` reads it again. `Once` compares what several channels tell (details, a
plain field, tags), because some servers send the same thinking in two of them. None knows a vendor.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from dragoman.core.assemble import Assembler, Flow
from dragoman.core.events import Event, Noted
from dragoman.core.messages import ProviderState, Reasoning
from dragoman.core.notes import Note
from dragoman.wire.think_fragments import ThinkFragment
from dragoman.wire.think_tags import ThinkTagParser

_TRIM = 4096
"""Characters that both channels have told and that are kept all the same."""


class _Inline(msgspec.Struct, tag="inline", tag_field="dragoman"):
    """The state of thinking that came inline. The tag field tells it from what a vendor sends as details."""

    text: str


_decode = msgspec.json.Decoder(_Inline).decode
_MARK = b'"dragoman":"inline"'


class InlineState:
    """Collects the text of one inline thinking block as it came."""

    __slots__ = ("_family", "_provider", "_raw")

    def __init__(self, provider: str, family: str, raw: list[str]) -> None:
        self._provider = provider
        self._family = family
        self._raw = raw

    def add(self, raw: str) -> None:
        """More of it."""
        self._raw.append(raw)

    def build(self) -> ProviderState | None:
        """The state of the block."""
        data = msgspec.json.encode(_Inline("".join(self._raw)))
        return ProviderState(self._provider, self._family, "chat", Raw(data))


def inline_text(block: Reasoning) -> str | None:
    """What the model wrote for this block into its answer's text; None where it told it otherwise."""
    state = block.state
    if state is None or state.wire != "chat" or _MARK not in bytes(state.data)[:32]:
        return None
    try:
        return _decode(state.data).text
    except msgspec.DecodeError:
        return None


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _after(text: str, count: int) -> str:
    """`text` without its first `count` characters that are no white space."""
    for at, char in enumerate(text):
        if not count:
            return text[at:]
        count -= not char.isspace()
    return ""


class Once:
    """Thinking of one turn that may come over several channels. `take` gives what was not told yet.

    Channels are compared without regard to white space. While what one says is what another has said at the same
    place, it is held back; when they part, what was held is given and nothing is compared any more.
    """

    __slots__ = ("_apart", "_at", "_base", "_held", "_lead", "_told", "only")

    def __init__(self) -> None:
        self.only = ""
        """The one channel that has spoken; "" before any has, and once two have."""
        self._told: list[str] = []
        self._at: dict[str, int] = {}
        self._base = 0
        self._held: dict[str, list[str]] = {}
        self._lead = ""
        self._apart = False

    def told(self, text: str) -> None:
        """The only channel says more."""
        self._told.append(text)

    def take(self, channel: str, text: str) -> str:
        """The part of `text` that is new, with what was held back where it was no repetition."""
        if not self._at:
            if self.only in ("", channel):
                self.only = channel
                self._told.append(text)
                return text
            self._told = [_squeeze("".join(self._told))]
            self._at = {self.only: len(self._told[0])}
            self._lead, self.only = self.only, ""
        if self._apart or (channel not in self._at and self._base):
            return self._part(channel, text)
        return self._compare(channel, text)

    def _compare(self, channel: str, text: str) -> str:
        told = self._told[0]
        at = self._at.setdefault(channel, 0) - self._base
        piece = _squeeze(text)
        known = told[at : at + len(piece)]
        if piece[: len(known)] != known:
            return self._part(channel, text)
        if len(known) == len(piece) and (piece or channel != self._lead):
            self._at[channel] += len(piece)
            self._held.setdefault(channel, []).append(text)
            self._trim()
            return ""
        self._told[0] = told + piece[len(known) :]
        self._at[channel] = self._base + len(self._told[0])
        self._lead = channel
        self._held.pop(channel, None)
        return _after(text, len(known))

    def _part(self, channel: str, text: str) -> str:
        self._apart = True
        return "".join([*self._held.pop(channel, []), text])

    def _trim(self) -> None:
        """Lets go of what every channel has told."""
        common = min(self._at.values()) - self._base
        if common > _TRIM:
            self._told[0] = self._told[0][common:]
            self._base += common
            self._held.clear()


class InlineThinking:
    """The text of one answer, in which thinking may stand between tags.

    settle: lets out thinking that another channel still holds, before anything of the text is shown. once: what all
    channels have told. later: usage that came while the beginning of a tag was held; it is told after that text.
    """

    __slots__ = (
        "_assembler",
        "_block",
        "_family",
        "_parser",
        "_provider",
        "_raw",
        "_settle",
        "_state",
        "later",
        "once",
    )

    def __init__(
        self,
        parser: ThinkTagParser,
        assembler: Assembler,
        provider: str,
        family: str,
        settle: Callable[[list[Event]], None],
    ) -> None:
        self._parser = parser
        self._assembler = assembler
        self._provider = provider
        self._family = family
        self._settle = settle
        self._state: InlineState | None = None
        self._block = 0
        self._raw: list[str] = []
        self.once = Once()
        self.later: list[Event] = []

    @property
    def inside(self) -> bool:
        """Whether the text is inside thinking."""
        return self._parser.inside

    @property
    def held(self) -> bool:
        """Whether the beginning of a tag waits."""
        return self._parser.held

    @property
    def spoke(self) -> bool:
        """Whether any thinking stood in the text."""
        return self._block > 0

    def grows(self, text: str, flow: Flow, field: bool) -> bool:
        """Whether this piece only makes the live block longer. If so it counts as read.

        field: it came in a field of its own.
        """
        if field:
            # "details" are never read this way, so the only channel can be the plain field.
            if self._parser.held or self.once.only != "field" or self._state is not None or "<" in text:
                return False
            self.once.told(text)
            return True
        if not flow.thinking:
            return self._parser.plain(text)
        if self._state is None or self.once.only != "tags" or not self._parser.plain(text):
            return False
        self._state.add(text)
        self.once.told(text)
        return True

    def content(self, text: str, out: list[Event]) -> None:
        """More of the text."""
        self._tell(self._parser.feed(text), out)
        self._tell_later(out)

    def release(self, out: list[Event], *, over: bool = False) -> None:
        """Something else comes: what is held was no tag, and a block of inline thinking ends. over: it is the end."""
        self._tell(self._parser.release(), out)
        self._tell_later(out)
        if not over:
            self._part(out)

    def end(self, complete: bool) -> list[Event]:
        """The notes that are owed at the end of the answer. complete: it was not cut."""
        out: list[Event] = []
        if self._parser.inside and complete:
            out.append(Noted(Note("thinking_unclosed", "", "the answer ended inside thinking, which is kept as such")))
        if self._parser.stray:
            message = f"{self._parser.stray} closing think tag(s) without any thinking were left out of the text"
            out.append(Noted(Note("tag_dropped", "", message)))
        return out

    def _part(self, out: list[Event]) -> None:
        """What follows does not go into the thinking block that is open."""
        if self._state is not None:
            self._state = None
            self._assembler.split(out)

    def _tell_later(self, out: list[Event]) -> None:
        if self.later and not self._parser.held:
            out += self.later
            self.later.clear()

    def _tell(self, fragments: list[ThinkFragment], out: list[Event]) -> None:
        for fragment in fragments:
            if fragment.kind == "thinking":
                self._thinking(fragment, out)
            elif fragment.text:
                self._settle(out)
                self._state = None
                self._raw = []
                self._assembler.text(fragment.text, out)

    def _thinking(self, fragment: ThinkFragment, out: list[Event]) -> None:
        if fragment.block != self._block:
            self._block = fragment.block
            self._part(out)
        shown = self.once.take("tags", fragment.text) if fragment.text else ""
        if self._state is not None:
            self._state.add(fragment.raw)
        else:
            self._raw.append(fragment.raw)
            if not shown:
                return
            self._settle(out)
            # Thinking in another block, or from a field, stays apart.
            self._assembler.split(out)
            raw, self._raw = self._raw, []
            state = InlineState(self._provider, self._family, raw)
            self._assembler.reasoning_builder(lambda: state, out)
            self._state = state
        self._assembler.reasoning(shown, out)
