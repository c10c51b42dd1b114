"""Reading JSON that is not whole yet.

`InputDecoder` takes the argument text of a call piece by piece and gives the decoded characters of one string member
as soon as they are certain: escapes and surrogate pairs may be cut anywhere. `parse_partial` shows what the arguments
are so far, for display; `is_json` says whether they are whole. None raises for any input, or knows of tools or events.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_STOP = re.compile(r'["\\]')
_SPACE = " \t\r\n"
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = re.compile(r"[0-9a-fA-F]{4}")


def is_json(text: str) -> bool:
    """Whether `text` is one whole JSON value."""
    if not text or text.isspace():
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


class InputDecoder:
    """Decodes the string member `key` of a JSON object out of pieces of its text.

    found: the member's value has begun. done: it is closed. failed: the text is no object with such a string; what
    was given out until then stays true. Unknown escapes are taken literally, as models write them in patches.
    """

    __slots__ = ("_depth", "_escape", "_high", "_key", "_mode", "_name", "_string", "_want", "done", "failed", "found")

    def __init__(self, key: str = "input") -> None:
        self._want = key
        self._mode = "start"
        self._name: list[str] = []
        self._key = ""
        self._escape = ""
        self._high = ""
        self._depth = 0
        self._string = False
        self.found = False
        self.done = False
        self.failed = False

    def feed(self, text: str) -> str:
        """The characters of the member that `text` makes certain."""
        out: list[str] = []
        at, size = 0, len(text)
        while at < size and not (self.done or self.failed):
            if self._mode == "value":
                at = self._read_value(text, at, out)
            elif self._mode == "skip":
                at = self._skip_value(text, at)
            else:
                self._structure(text[at])
                at += 1
        return "".join(out)

    def _structure(self, char: str) -> None:
        """One character outside of values."""
        mode = self._mode
        if mode == "name":
            self._read_name(char)
        elif char in _SPACE:
            return
        elif mode == "start" and char == "{":
            self._mode = "member"
        elif mode == "member" and char == '"':
            self._mode, self._name = "name", []
        elif mode == "colon" and char == ":":
            self._mode = "before"
        elif mode == "before":
            self._begin_value(char)
        else:
            self.failed = True

    def _read_name(self, char: str) -> None:
        if self._escape:
            self._escape = ""
        elif char == "\\":
            self._escape = char
        elif char == '"':
            try:
                self._key = msgspec.json.decode('"' + "".join(self._name) + '"', type=str)
            except msgspec.DecodeError:
                self._key = ""
            self._mode = "colon"
            return
        self._name.append(char)

    def _begin_value(self, char: str) -> None:
        if self._key == self._want:
            if char == '"':
                self._mode, self.found = "value", True
            else:
                self.failed = True
            return
        self._mode, self._depth, self._string = "skip", 0, False
        self._skip_char(char)

    def _skip_value(self, text: str, at: int) -> int:
        while at < len(text) and self._mode == "skip" and not self.failed:
            self._skip_char(text[at])
            at += 1
        return at

    def _skip_char(self, char: str) -> None:
        """One character of a member that nobody asked for."""
        if self._string:
            if self._escape:
                self._escape = ""
            elif char == "\\":
                self._escape = char
            elif char == '"':
                self._string = False
        elif char == '"':
            self._string = True
        elif char in "{[":
            self._depth += 1
        elif char in "}]":
            self._depth -= 1
            self.failed = self._depth < 0
        elif char == "," and self._depth == 0:
            self._mode = "member"

    def _read_value(self, text: str, at: int, out: list[str]) -> int:
        if self._escape:
            return self._read_escape(text, at, out)
        stop = _STOP.search(text, at)
        end = stop.start() if stop else len(text)
        if end > at:
            self._lone(out)
            out.append(text[at:end])
        if stop is None:
            return end
        if stop.group() == "\\":
            self._escape = "\\"
        else:
            self._lone(out)
            self.done = True
        return end + 1

    def _read_escape(self, text: str, at: int, out: list[str]) -> int:
        """Takes characters until the escape that was begun is whole."""
        self._escape += text[at]
        if self._escape[1] != "u":
            self._lone(out)
            out.append(_ESCAPES.get(self._escape[1], self._escape))
            self._escape = ""
        elif len(self._escape) == 6:
            self._unicode(self._escape, out)
            self._escape = ""
        elif len(self._escape) > 2 and text[at] not in "0123456789abcdefABCDEF":
            self._lone(out)
            out.append(self._escape[:-1])
            self._escape = ""
            return at
        return at + 1

    def _unicode(self, escape: str, out: list[str]) -> None:
        if not _HEX.fullmatch(escape, 2):
            self._lone(out)
            out.append(escape)
            return
        code = int(escape[2:], 16)
        if 0xDC00 <= code <= 0xDFFF and self._high:
            high, self._high = ord(self._high), ""
            out.append(chr(0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)))
            return
        self._lone(out)
        if 0xD800 <= code <= 0xDBFF:
            self._high = chr(code)
        else:
            out.append("\ufffd" if 0xDC00 <= code <= 0xDFFF else chr(code))

    def _lone(self, out: list[str]) -> None:
        """A high surrogate without its other half is a replacement character."""
        if self._high:
            out.append("\ufffd")
            self._high = ""


def parse_partial(text: str) -> Any:
    """What a JSON text says so far: open strings, lists and objects are closed, a half member is left out.

    None where nothing can be read yet. Costs the length of the text.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    for candidate in _closings(text):
        try:
            return msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError):
            continue
    return None


def _closings(text: str) -> list[str]:
    """Texts that may be the whole value, the one that keeps most first."""
    stack: list[str] = []
    cuts: list[tuple[int, str]] = []
    string = escape = False
    begin = 0
    for at, char in enumerate(text):
        if string:
            if escape:
                escape = False
            elif char == "\\":
                escape = True
            elif char == '"':
                string = False
        elif char == '"':
            string, begin = True, at
        elif char in "{[":
            stack.append("}" if char == "{" else "]")
            cuts.append((at + 1, "".join(reversed(stack))))
        elif char in "}]":
            if not stack:
                return []
            stack.pop()
            cuts.append((at + 1, "".join(reversed(stack))))
        elif char == ",":
            cuts.append((at, "".join(reversed(stack))))
    tail = "".join(reversed(stack))
    out = []
    if string:
        cut = re.sub(r"\\(u[0-9a-fA-F]{0,3})?$", "", text) if escape or "\\u" in text[begin:][-6:] else text
        cut = re.sub(r"\\u[dD][89abAB][0-9a-fA-F]{2}$", "", cut)
        out.append(cut + '"' + tail)
    else:
        out.append(text + tail)
        out += [text + word + tail for word in ("e", "ue", "rue", "se", "lse", "alse", "l", "ll", "ull")]
    return out + [text[:at] + closing for at, closing in reversed(cuts[-3:])]
