"""Where an answer is inside code, in which a tag is only text.

In: the answer's marks, line ends and plain text, in order. Out: whether what comes next stands in code.
"""

from __future__ import annotations

import re

MARKS = re.compile(r"[<`~]")
"""What may mean something on a line: the beginning of a tag, and the marks of code."""
SPECIAL = re.compile(r"[<`~\n]")
"""The same, and the line's end."""
_PREFIX = re.compile(r"[ \t>*+\-.)0-9]*")
"""What may stand before a code fence on its line: indentation, marks of lists and quotations."""


class CodeMarks:
    """One answer: a fenced block, or code within one line, may be open.

    A run of marks is judged when it is over. A fence whose line holds another mark was code within the line after all.
    """

    __slots__ = ("_closing", "_fence", "_info", "_inline", "_line_start", "_run", "_run_first", "_run_mark", "_size")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The answer begins, or goes on after thinking: at the start of a line."""
        self._fence = ""
        self._size = 0
        self._info = False
        self._closing = False
        self._inline = 0
        self._line_start = True
        self._run = 0
        self._run_mark = ""
        self._run_first = False

    @property
    def inside(self) -> bool:
        """Whether what comes next stands in code. Ends the run of marks that came last."""
        self._end_run()
        return bool(self._fence or self._inline)

    @property
    def quiet(self) -> bool:
        """Whether text without marks changes nothing here but where the line is."""
        return not (self._run or self._inline or self._info or self._closing)

    @property
    def fenced(self) -> bool:
        """Whether a fenced block is open."""
        return bool(self._fence)

    def plain(self, text: str) -> None:
        """Text without marks and line ends."""
        self._end_run()
        if self._closing and not text.isspace():
            self._closing = False
        if self._line_start:
            self._line_start = _PREFIX.fullmatch(text) is not None

    def lines(self, text: str) -> None:
        """Text without marks that may hold line ends, while `quiet`."""
        tail = text.rpartition("\n")
        if tail[1]:
            self._line_start = True
        if self._line_start:
            self._line_start = _PREFIX.fullmatch(tail[2]) is not None

    def mark(self, mark: str) -> None:
        """One backtick or tilde."""
        if self._run and mark == self._run_mark:
            self._run += 1
            return
        self._end_run()
        self._closing = False
        self._run, self._run_mark, self._run_first = 1, mark, self._line_start
        self._line_start = False

    def newline(self) -> None:
        """The line is over."""
        self._end_run()
        if self._closing:
            self._fence = ""
        self._closing = self._info = False
        self._inline = 0
        self._line_start = True

    def _end_run(self) -> None:
        count, mark = self._run, self._run_mark
        if not count:
            return
        self._run = 0
        if self._fence and not self._info:
            self._closing = self._run_first and mark == self._fence and count >= self._size
            return
        if self._fence and mark == "`" == self._fence:
            self._fence, self._info, self._inline = "", False, self._size
        if self._fence:
            return
        if self._inline:
            if mark == "`" and count == self._inline:
                self._inline = 0
        elif self._run_first and count >= 3:
            self._fence, self._size, self._info = mark, count, True
        elif mark == "`":
            self._inline = count
