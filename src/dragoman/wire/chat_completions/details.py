"""The field `reasoning_details`: fragments merged by index and kept raw, so that they go back as they came.

`Details` gathers those of one reasoning block, `Told` knows what those of the whole answer have told. Neither is told
anything of the vendor.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import ProviderState
from dragoman.wire.chat_completions.reasoning import END_TAG, Snapshots, Tailed
from dragoman.wire.lenient import read_json

_MERGED = ("text", "summary", "data")
_PLAIN = frozenset({"type", "id", "index", "format", "text", "summary"})
"""Fields of an entry that hold its text, or only its name."""


class Told:
    """The texts of all details of one answer: a snapshot may repeat what stands in an earlier block.

    mode: of their `Snapshots`. tailed: a close tag at the end of a text is not shown, but goes back with it.
    """

    __slots__ = ("_mode", "_snapshots", "_tailed")

    def __init__(self, mode: str, tailed: bool = False) -> None:
        self._mode = mode
        self._tailed = tailed
        self._snapshots: dict[str, Snapshots | Tailed] = {}

    def of(self, item: dict[str, Any]) -> Snapshots | Tailed:
        """The text of the entry that this fragment belongs to."""
        key = repr((*_key(item), item.get("id")))
        if key not in self._snapshots:
            self._snapshots[key] = Tailed(self._mode) if self._tailed else Snapshots(self._mode)
        return self._snapshots[key]

    def nothing_new(self, items: list[Any]) -> bool:
        """Whether these fragments hold no text, or only what was told."""
        return not any(self._new(item) for item in items)

    def _new(self, item: Any) -> bool:
        item = _entry(item)
        if any(item[key] is not None for key in item.keys() - _PLAIN):
            return True
        texts = [text for key in _MERGED if isinstance(text := item.get(key), str)]
        if self._tailed:
            texts = [text.removesuffix(END_TAG) for text in texts]
        return not all(not text or self.of(item).repeats(text) for text in texts)


class Details:
    """`reasoning_details` of one reasoning block. `add` gives the text that a fragment shows.

    told: what the details of the whole answer have told. beside: the plain field that came with them, and goes back
    with them; "" where none did. whole: all of them as they came in one piece, None for a stream's; they go back so,
    byte for byte.
    """

    __slots__ = ("_entries", "_family", "_forms", "_keys", "_provider", "_snapshots", "_told", "beside", "whole")

    def __init__(self, provider: str, family: str, told: Told) -> None:
        self._provider = provider
        self._family = family
        self._told = told
        self._keys: list[object] = []
        self._entries: list[dict[str, Any]] = []
        self._snapshots: list[Snapshots | Tailed] = []
        self._forms: set[str] = set()
        self.beside = ""
        self.whole: Raw | None = None

    def add(self, items: list[Any], form: str = "list") -> str:
        """Merges the entries of one chunk. form: how they came (see `details_form`)."""
        self._forms.add(form)
        return "".join([self._merge(item) for item in items])

    def _merge(self, item: Any) -> str:
        item = _entry(item)
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
        """The entry that this fragment belongs to: same index, else same id, and of the same type.

        Two ids are two entries whatever their index; sealed data with neither is whole, and an entry of its own.
        """
        key, id = _key(item), item.get("id")
        if key[1] is not None or "data" not in item:
            for position in range(len(self._keys) - 1, -1, -1):
                known = self._entries[position].get("id")
                if self._keys[position] == key and (id is None or known is None or id == known):
                    return position
        if item.get("type") is None and self._keys:
            return len(self._keys) - 1
        self._keys.append(key)
        self._entries.append({})
        self._snapshots.append(self._told.of(item))
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
        self._keep_tails()
        return shown

    def _keep_tails(self) -> None:
        for entry, snapshots in zip(self._entries, self._snapshots, strict=True):
            if isinstance(snapshots, Tailed) and snapshots.tail:
                field = "summary" if isinstance(entry.get("summary"), str) else "text"
                entry[field] = _join(entry.get(field), snapshots.tail)
                snapshots.tail = ""

    def build(self) -> ProviderState | None:
        """The merged details, raw, in the form in which they came."""
        if not self._entries:
            return None
        self._keep_tails()
        value: Any = self._entries
        if self.whole is not None:
            value = self.whole
        elif len(self._entries) == 1 and self._forms == {"object"}:
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


def _entry(item: dict[str, Any] | str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": item} if isinstance(item, str) else item


def _key(item: dict[str, Any]) -> tuple[Any, Any]:
    """What tells one entry from another: its type, and its index or else its id."""
    index = item.get("index")
    return item.get("type"), index if isinstance(index, int) else item.get("id")


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


def joined_details(details: list[Raw]) -> list[Any]:
    """The entries of several blocks as one list. Neighbours that differ in their text alone are pieces of one entry."""
    out: list[Any] = []
    for item in (item for raw in details for item in details_list(raw)):
        if out and _continues(out[-1], item):
            out[-1]["text"] += item["text"]
        else:
            out.append(item)
    return out


def _continues(last: Any, item: Any) -> bool:
    if not isinstance(last, dict) or not isinstance(item, dict) or not item.get("id"):
        return False
    texts = isinstance(last.get("text"), str) and isinstance(item.get("text"), str)
    return texts and item.keys() <= _PLAIN and {**last, "text": ""} == {**item, "text": ""}


def details_text(items: list[Any]) -> str:
    """The text that whole details show."""
    fields = (field for item in items for field in _entry(item).items())
    return "".join(value for name, value in fields if name in ("text", "summary") and isinstance(value, str))
