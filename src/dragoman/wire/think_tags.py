"""Thinking that a model writes between tags in its answer: `<think>...</think>` told apart from the answer itself.

In: the answer's text in any pieces. Out: fragments of text and of thinking, at once. Only what may still become a tag
waits for the next piece, so the memory is bounded by the longest tag. However the text is cut, the same fragments come
out once neighbours of one kind are joined, and the `raw` of all fragments together is the input, byte for byte.

White space, where it touches a rule: right after a close tag it is dropped, never held. At the start of thinking it is
held, because thinking of nothing else makes no block; a run that is longer than the longest tag is cut to that length.
Everywhere else it is passed on at once.
"""

from __future__ import annotations

import msgspec

from dragoman.wire.code_marks import MARKS, SPECIAL, CodeMarks
from dragoman.wire.think_fragments import Gathered, ThinkFragment

_GAP = 4
"""Spaces that may stand at each place inside a tag where tags are read loosely."""
_PART = -1
_NO = 0


class TagRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one model writes its thinking. Each field is explained at `ThinkTagParser`."""

    names: tuple[str, ...] = ("think",)
    starts_in_thinking: bool = False
    depth: bool = False
    loose: bool = False

    def parser(self) -> ThinkTagParser:
        """A fresh parser for one answer."""
        return ThinkTagParser(
            self.names, starts_in_thinking=self.starts_in_thinking, depth=self.depth, loose=self.loose
        )


class ThinkTagParser:
    """Reads one answer. `push` each piece of its text, `flush` at its end; both give fragments that are not empty.

    names: of the tags. starts_in_thinking: the answer begins inside thinking, its open tag was part of the prompt; one
    that comes first all the same is taken as such. depth: open tags inside thinking are counted; else they are text and
    the first close tag ends the thinking. loose: letter case and a few spaces in a tag do not matter.

    Tags in code of the answer are text: fenced code whose fence begins a line, and code within one line. A close tag
    without an open one is left out of the text and counted in `stray`. After `flush`, `truncated` says that thinking
    was still open.
    """

    __slots__ = (
        "_after", "_buffer", "_close_here", "_code", "_deep", "_depth", "_gap", "_lead", "_limit",
        "_loose", "_number", "_open_here", "_out", "_shown", "_text_tags", "_thinking", "names", "stray", "truncated",
    )  # fmt: skip

    def __init__(
        self,
        names: tuple[str, ...] | list[str] = ("think",),
        *,
        starts_in_thinking: bool = False,
        depth: bool = False,
        loose: bool = False,
    ) -> None:
        if not names or not all(names):
            raise ValueError("think tags need at least one name, and no name may be empty")
        self.names = tuple(name.lower() if loose else name for name in names)
        self.stray = 0
        """Close tags that closed nothing."""
        self.truncated = False
        """The answer ended inside thinking."""
        self._loose = loose
        self._depth = depth
        self._limit = max(map(len, self.names)) + 3 + (3 * _GAP if loose else 0)
        self._text_tags = tuple((close, name) for close in (False, True) for name in self.names)
        self._out = Gathered()
        self._buffer = ""
        self._code = CodeMarks()
        self._after = False
        self._thinking = starts_in_thinking
        self._number = 1 if starts_in_thinking else 0
        self._lead = starts_in_thinking
        self._deep = 0
        self._gap = ""
        self._shown = False
        self._close_here: tuple[tuple[bool, str], ...] = ()
        self._open_here: tuple[tuple[bool, str], ...] = ()
        self._expect(self.names)

    # -- the face

    def push(self, text: str) -> list[ThinkFragment]:
        """What this piece tells."""
        return [fragment for fragment in self.feed(text) if fragment.text]

    def flush(self) -> list[ThinkFragment]:
        """What was held, now that the answer is over."""
        out = self.release()
        self.truncated = self._thinking
        return [fragment for fragment in out if fragment.text]

    def feed(self, text: str) -> list[ThinkFragment]:
        """As `push`, with the fragments that only have `raw`: tags, and white space that is not shown (yet)."""
        text = self._buffer + text
        self._buffer = ""
        at, end = 0, len(text)
        while at < end:
            at = self._read_thinking(text, at) if self._thinking else self._read_text(text, at)
        return self._taken()

    def release(self) -> list[ThinkFragment]:
        """What is held as the beginning of a tag, as text: something else comes now, it was none."""
        held, self._buffer = self._buffer, ""
        if held and self._thinking:
            self._think(held)
        elif held:
            self._say(held)
        return self._taken()

    @property
    def held(self) -> bool:
        """Whether the beginning of a tag waits for the rest."""
        return bool(self._buffer)

    @property
    def inside(self) -> bool:
        """Whether the answer is inside thinking."""
        return self._thinking

    def plain(self, text: str) -> bool:
        """Whether this piece is one fragment of what was given last, just as it is. Then it counts as read."""
        if self._buffer or self._after:
            return False
        if self._thinking:
            return self._shown and "<" not in text
        code = self._code
        if not code.quiet or (MARKS.search(text) if not code.fenced else "`" in text or "~" in text):
            return False
        code.lines(text)
        return True

    # -- inside thinking

    def _read_thinking(self, text: str, at: int) -> int:
        start = text.find("<", at)
        if start < 0:
            self._think(text[at:])
            return len(text)
        if start > at:
            self._think(text[at:start])
        tags = self._close_here
        if self._depth or self._lead:
            tags = tags + self._open_here
        end, close, name = self._match(text, start, tags)
        if end == _PART:
            self._buffer = text[start:]
            return len(text)
        if end == _NO:
            self._think("<")
            return start + 1
        tag = text[start:end]
        if not close and self._lead:
            self._lead = False
            self._expect((name,))
            self._raw(tag)
        elif not close:
            self._deep += 1
            self._think(tag)
        elif self._deep:
            self._deep -= 1
            self._think(tag)
        else:
            self._raw(tag)
            self._leave()
        return end

    def _think(self, text: str) -> None:
        if self._shown:
            self._out.put("thinking", self._number, text, text)
            return
        rest = text.lstrip()
        gap = (self._gap + text[: len(text) - len(rest)])[: self._limit]
        if not rest:
            self._gap = gap
            self._raw(text)
            return
        self._gap = ""
        self._shown = True
        self._lead = False
        self._out.put("thinking", self._number, gap + rest, text)

    def _raw(self, text: str) -> None:
        self._out.put("thinking", self._number, "", text)

    def _expect(self, names: tuple[str, ...]) -> None:
        self._close_here = tuple((True, name) for name in names)
        self._open_here = tuple((False, name) for name in names)

    def _enter(self, name: str) -> None:
        self._thinking = True
        self._after = self._shown = False
        self._number += 1
        self._gap = ""
        self._deep = 0
        self._expect((name,))

    def _leave(self) -> None:
        self._thinking = self._lead = False
        self._gap = ""
        self._after = True
        self._code.restart()

    # -- in the answer

    def _read_text(self, text: str, at: int) -> int:
        if self._after:
            rest = len(text) - len(text[at:].lstrip())
            if rest > at:
                self._raw(text[at:rest])
            if rest == len(text):
                return rest
            at = rest
        found = SPECIAL.search(text, at)
        start = found.start() if found else len(text)
        if start > at:
            self._say(text[at:start])
        if found is None:
            return len(text)
        mark = text[start]
        if mark == "<" and not self._code.inside:
            return self._tag(text, start)
        if mark == "<":
            self._say(mark)
            return start + 1
        if mark == "\n":
            self._code.newline()
        else:
            self._code.mark(mark)
        self._show(mark)
        return start + 1

    def _tag(self, text: str, start: int) -> int:
        end, close, name = self._match(text, start, self._text_tags)
        if end == _PART:
            self._buffer = text[start:]
            return len(text)
        if end == _NO:
            self._say("<")
            return start + 1
        if close:
            self.stray += 1
            self._out.put("text", 0, "", text[start:end])
        else:
            self._enter(name)
            self._raw(text[start:end])
        return end

    def _say(self, text: str) -> None:
        self._code.plain(text)
        self._show(text)

    def _show(self, text: str) -> None:
        self._after = False
        self._out.put("text", 0, text, text)

    # -- tags

    def _match(self, text: str, start: int, tags: tuple[tuple[bool, str], ...]) -> tuple[int, bool, str]:
        """The tag that begins at `start`: where it ends, or `_PART` where it may still become one, or `_NO`."""
        part = False
        for close, name in tags:
            end = self._ends(text, start + 1, (("/", name, ">") if close else (name, ">")))
            if end > 0:
                return end, close, name
            part = part or end == _PART
        return (_PART if part else _NO), False, ""

    def _ends(self, text: str, at: int, parts: tuple[str, ...]) -> int:
        for part in parts:
            if self._loose:
                most = at + _GAP
                while at < most and text[at : at + 1] in (" ", "\t"):
                    at += 1
            piece = text[at : at + len(part)]
            if self._loose:
                piece = piece.lower()
            if piece != part:
                return _PART if at + len(piece) == len(text) and part.startswith(piece) else _NO
            at += len(part)
        return at

    def _taken(self) -> list[ThinkFragment]:
        out, self._out = self._out, Gathered()
        return out.take()
