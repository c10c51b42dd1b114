"""Reading reasoning out of deltas: cumulative snapshots, and structured details that are merged and kept raw.

`Snapshots` decides whether fragments of one field are pieces or repeat all text so far. `Details` merges the fragments
of `reasoning_details` by index and gives them back raw, for replay. Both are told nothing of the vendor.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import ProviderState
from dragoman.wire.lenient import read_json

_END_TAG = "</think>"
_MERGED = ("text", "summary", "data")


class Snapshots:
    """One field's fragments, perhaps cumulative. `take` gives the new text; `held` says that a fragment waits.

    A fragment that repeats everything so far and goes on is held until the next one confirms it: only two in a row
    make the field cumulative. `mode` "always" believes the first, "never" turns the detection off.
    """

    __slots__ = ("_confirmed", "_seen", "held", "plain")

    def __init__(self, mode: str = "detect") -> None:
        self._seen = ""
        self._confirmed = mode == "always"
        self.held = ""
        self.plain = mode == "never"
        """The field is known not to be cumulative: nothing need pass through here any more."""

    def take(self, text: str) -> str:
        """The part of `text` that is new, "" while that is not known."""
        if self.plain:
            return text
        if self._confirmed:
            return self._grow(text)
        if self.held:
            return self._judge(text)
        if not self._seen:
            self._seen = text
            return text
        if len(text) > len(self._seen) and text.startswith(self._seen):
            self.held = text
            return ""
        self.plain = True
        return text

    def _judge(self, text: str) -> str:
        held, self.held = self.held, ""
        if len(text) > len(held) and text.startswith(held):
            self._confirmed = True
            fresh = text[len(self._seen) :]
            self._seen = text
            return fresh
        self.plain = True
        return held + text

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
        """What waits, now that nothing more of the field comes before something else: one sign is not enough."""
        held, self.held = self.held, ""
        if held:
            self.plain = True
        return held


class Details:
    """`reasoning_details` of one reasoning block. `add` gives the text that a fragment shows."""

    __slots__ = ("_entries", "_family", "_keys", "_mode", "_provider", "_snapshots")

    def __init__(self, provider: str, family: str, mode: str) -> None:
        self._provider = provider
        self._family = family
        self._mode = mode
        self._keys: list[object] = []
        self._entries: list[dict[str, Any]] = []
        self._snapshots: list[Snapshots] = []

    def add(self, items: list[Any]) -> str:
        """Merges the entries of one chunk."""
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
        self._snapshots.append(Snapshots(self._mode))
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
        """The merged list, raw."""
        if not self._entries:
            return None
        return ProviderState(self._provider, self._family, "chat", Raw(msgspec.json.encode(self._entries)))


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
