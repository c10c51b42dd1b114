"""Reading reasoning out of deltas whose fragments may be cumulative.

`Snapshots` decides whether fragments of one field are pieces or repeat all text so far. `Tailed` does so for servers
that leave a close tag at the end of the field. Neither is told anything of the vendor.
"""

from __future__ import annotations

END_TAG = "</think>"
_MOST_WAITING = 8
"""Fragments that may wait for a second sign."""
_LONG = 8
"""Characters that no two pieces begin with by chance."""


class Snapshots:
    """One field's fragments, perhaps cumulative. `take` gives the new text; `held` is what waits.

    A fragment that repeats everything so far and goes on is held until the next one confirms it: only two in a row
    make the field cumulative. One that is nothing but the first fragment over and over (a rule of dashes, growing
    indentation) says neither that the field is cumulative nor that it is not. `mode` "likely" is for servers that are
    known to send snapshots: one fragment that repeats everything so far is enough, unless that is short. "always"
    believes the first fragment, "never" turns the detection off.
    """

    __slots__ = ("_confirmed", "_last", "_likely", "_seen", "_signs", "_waiting", "held", "plain")

    def __init__(self, mode: str = "detect") -> None:
        self._seen = ""
        self._last = ""
        self._signs = 0
        self._waiting = 0
        self._confirmed = mode == "always"
        self._likely = mode == "likely"
        self.held = ""
        self.plain = mode == "never"
        """The field is known not to be cumulative: nothing need pass through here any more."""

    @property
    def begun(self) -> bool:
        """Whether there was any text yet."""
        return bool(self._seen)

    def repeats(self, text: str) -> bool:
        """Whether `text` is a snapshot that tells nothing new."""
        if self._confirmed:
            return self._seen.startswith(text)
        return self._likely and not self.plain and len(text) >= _LONG and text == self._seen

    def take(self, text: str) -> str:
        """The part of `text` that is new, "" while that is not known."""
        if self.plain:
            return text
        if self._confirmed:
            return self._grow(text)
        seen = self._seen
        if not seen:
            self._seen = self._last = text
            return text
        if self._likely and len(seen) >= _LONG and not self._waiting and text.startswith(seen):
            self._confirmed = True
            return self._grow(text)
        if len(text) <= len(self._last) or not text.startswith(self._last) or self._waiting == _MOST_WAITING:
            self.plain = True
            return self.release() + text
        if text != (seen * (len(text) // len(seen) + 1))[: len(text)]:
            self._signs += 1
        if self._signs == 2:
            self._confirmed = True
            self.held, self._seen = "", text
            return text[len(seen) :]
        self.held += text
        self._last = text
        self._waiting += 1
        return ""

    def _grow(self, text: str) -> str:
        text = text.removesuffix(END_TAG)
        seen = self._seen
        if text.startswith(seen):
            self._seen = text
            return text[len(seen) :]
        if seen.startswith(text):
            return ""
        self._seen = seen + text
        return text

    def release(self) -> str:
        """What waits, as it came: no two signs followed each other, so that these are pieces."""
        held, self.held = self.held, ""
        self.plain = self.plain or bool(held)
        return held


class Tailed:
    """As `Snapshots`, for a field at whose end the close tag may stand. `tail`: it, or its begin; it is never shown.

    A tag that is followed by more is a part of the text. A snapshot's tag belongs to that snapshot only.
    """

    __slots__ = ("_snapshots", "tail")

    def __init__(self, mode: str = "detect") -> None:
        self._snapshots = Snapshots(mode)
        self.tail = ""

    @property
    def plain(self) -> bool:
        """Text without the begin of a tag need not pass through here."""
        return self._snapshots.plain and not self.tail

    @property
    def held(self) -> str:
        """The fragment that waits for another to confirm it."""
        return self._snapshots.held

    def take(self, text: str) -> str:
        """The part of `text` that is new, "" while that is not known."""
        snapshots = self._snapshots
        pieces = snapshots.plain
        if pieces:
            shown, self.tail = _cut_tail(self.tail + text)
            return shown
        if not snapshots.begun and not text.startswith(self.tail):
            text = self.tail + text
        body, tail = _cut_tail(text)
        fresh = snapshots.take(body)
        if snapshots.plain:
            shown, self.tail = _cut_tail(self.tail + fresh + tail)
            return shown
        self.tail = tail
        return fresh

    def repeats(self, text: str) -> bool:
        """As in `Snapshots`, of a text without its tail."""
        return self._snapshots.repeats(text)

    def release(self) -> str:
        """What waits, as in `Snapshots`; not the tail."""
        return self._snapshots.release()


def _cut_tail(text: str) -> tuple[str, str]:
    """The text, and the close tag or the begin of one at its end."""
    at = text.rfind("<", max(0, len(text) - len(END_TAG)))
    if at < 0 or not END_TAG.startswith(text[at:]):
        return text, ""
    return text[:at], text[at:]
