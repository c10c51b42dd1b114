"""Reading reasoning out of deltas: cumulative snapshots, and structured details that are merged and kept raw.

`Snapshots` decides whether fragments of one field are pieces or repeat all text so far. `Tailed` does so for servers
that leave a close tag at the end of the field. `Details` merges the fragments of `reasoning_details` by index and gives
them back raw, for replay. None of them is told anything of the vendor.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import ProviderState
from dragoman.wire.lenient import read_json

_END_TAG = "</think>"
_MOST_WAITING = 8
"""Fragments that may wait for a second sign."""
_MERGED = ("text", "summary", "data")


class Snapshots:
    """One field's fragments, perhaps cumulative. `take` gives the new text; `held` is what waits.

    A fragment that repeats everything so far and goes on is held until the next one confirms it: only two in a row
    make the field cumulative. One that is nothing but the first fragment over and over (a rule of dashes, growing
    indentation) says neither that the field is cumulative nor that it is not. `mode` "always" believes the first
    fragment, "never" turns the detection off.
    """

    __slots__ = ("_confirmed", "_last", "_seen", "_signs", "_waiting", "held", "plain")

    def __init__(self, mode: str = "detect") -> None:
        self._seen = ""
        self._last = ""
        self._signs = 0
        self._waiting = 0
        self._confirmed = mode == "always"
        self.held = ""
        self.plain = mode == "never"
        """The field is known not to be cumulative: nothing need pass through here any more."""

    @property
    def cumulative(self) -> bool:
        """The field is known to be cumulative."""
        return self._confirmed

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
        text = text.removesuffix(_END_TAG)
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
        body, tail = _cut_tail(text)
        fresh = snapshots.take(body)
        if snapshots.plain:
            shown, self.tail = _cut_tail(self.tail + fresh + tail)
            return shown
        self.tail = tail
        return fresh

    def release(self) -> str:
        """What waits, as in `Snapshots`; not the tail."""
        return self._snapshots.release()


def _cut_tail(text: str) -> tuple[str, str]:
    """The text, and the close tag or the begin of one at its end."""
    at = text.rfind("<", max(0, len(text) - len(_END_TAG)))
    if at < 0 or not _END_TAG.startswith(text[at:]):
        return text, ""
    return text[:at], text[at:]


class Details:
    """`reasoning_details` of one reasoning block. `add` gives the text that a fragment shows.

    tailed: a close tag at the end of a text is not shown, but goes back with it. beside: the plain field that came with
    the same text, and goes back with them; "" where none did.
    """

    __slots__ = ("_entries", "_family", "_forms", "_keys", "_mode", "_provider", "_snapshots", "_tailed", "beside")

    def __init__(self, provider: str, family: str, mode: str, tailed: bool = False) -> None:
        self._provider = provider
        self._family = family
        self._mode = mode
        self._tailed = tailed
        self._keys: list[object] = []
        self._entries: list[dict[str, Any]] = []
        self._snapshots: list[Snapshots | Tailed] = []
        self._forms: set[str] = set()
        self.beside = ""

    def add(self, items: list[Any], form: str = "list") -> str:
        """Merges the entries of one chunk. form: how they came (see `details_form`)."""
        self._forms.add(form)
        return "".join([self._merge(item) for item in items])

    def _merge(self, item: Any) -> str:
        if isinstance(item, str):
            item = {"type": "reasoning.text", "text": item}
        if not isinstance(item, dict):
            return ""
        position = self._place(item)
        entry, snapshots = self._entries[position], self._snapshots[position]
        shown = ""
        for key, value in item.items():
            if key in _MERGED and isinstance(value, str):
                fresh = snapshots.take(value) if key != "data" and value else value
                entry[key] = _join(entry.get(key), fresh)
                if key != "data":
                    shown += fresh
            elif value is not None or key not in entry:
                entry[key] = value
        return shown

    def _place(self, item: dict[str, Any]) -> int:
        """The entry that this fragment belongs to: same index, else same id, and of the same type."""
        name = item.get("index")
        if not isinstance(name, int):
            name = item.get("id")
        key = (item.get("type"), name)
        if key in self._keys:
            return self._keys.index(key)
        if item.get("type") is None and self._keys:
            return len(self._keys) - 1
        self._keys.append(key)
        self._entries.append({})
        self._snapshots.append(Tailed(self._mode) if self._tailed else Snapshots(self._mode))
        return len(self._keys) - 1

    def release(self) -> str:
        """Text that was held back in any entry."""
        shown = ""
        for entry, snapshots in zip(self._entries, self._snapshots, strict=True):
            held = snapshots.release()
            if held:
                field = "text" if isinstance(entry.get("text"), str) else "summary"
                entry[field] = _join(entry.get(field), held)
                shown += held
        return shown

    def build(self) -> ProviderState | None:
        """The merged details, raw, in the form in which they came."""
        if not self._entries:
            return None
        for entry, snapshots in zip(self._entries, self._snapshots, strict=True):
            if isinstance(snapshots, Tailed) and snapshots.tail:
                field = "summary" if isinstance(entry.get("summary"), str) else "text"
                entry[field] = _join(entry.get(field), snapshots.tail)
                snapshots.tail = ""
        value: Any = self._entries
        if len(self._entries) == 1 and self._forms == {"object"}:
            value = self._entries[0]
        elif self._forms == {"string"}:
            value = "".join(entry["text"] for entry in self._entries)
        if self.beside:
            value = _Beside(Raw(msgspec.json.encode(value)), self.beside)
        return ProviderState(self._provider, self._family, "chat", Raw(msgspec.json.encode(value)))


class _Beside(msgspec.Struct, tag="details", tag_field="dragoman"):
    """Details that came beside a plain field. The tag field tells it from what a vendor sends as details."""

    details: Raw
    beside: str


_decode_beside = msgspec.json.Decoder(_Beside).decode
_MARK = b'"dragoman":"details"'


def details_of(data: Raw) -> tuple[Raw, str]:
    """The details that a block's state holds, as they came, and the plain field that came beside them ("" for none)."""
    if _MARK not in bytes(data)[:32]:
        return data, ""
    try:
        kept = _decode_beside(data)
    except msgspec.DecodeError:
        return data, ""
    return kept.details, kept.beside


def details_form(raw: Raw) -> str:
    """How a `reasoning_details` field came: "list", "object" or "string"."""
    return {b"{": "object", b'"': "string"}.get(bytes(raw).lstrip()[:1], "list")


def _join(old: Any, new: str) -> str:
    return old + new if isinstance(old, str) else new


def details_list(raw: Raw) -> list[Any]:
    """The entries of a `reasoning_details` field, which may be a list, one object or a string."""
    try:
        value = read_json(bytes(raw))
    except (ValueError, RecursionError):
        return []
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict | str) and item]
    return [value] if isinstance(value, dict | str) and value else []


def details_text(items: list[Any]) -> str:
    """The text that whole details show."""
    return Details("", "", "never").add(items)
