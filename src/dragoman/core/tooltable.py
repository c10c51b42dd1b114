"""Names: what each tool of the client is called upstream, and back.

The table is made once for a request, from the client's declarations in their order, so that the same declarations
give the same names in every turn. Upstream names are legal (`[A-Za-z0-9_-]`, at most 64 long unless the profile says
otherwise) and unique. It knows nothing of wires, messages or events.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from dragoman.core.tools import Tool, ToolKind

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_HASH = 8


class ToolEntry(msgspec.Struct, frozen=True):
    """One tool: its upstream name and kind, and the name, namespace and kind that the client knows."""

    upstream: str
    name: str
    namespace: str | None = None
    kind: ToolKind = "function"
    upstream_kind: ToolKind = "function"

    @property
    def plain(self) -> bool:
        """Whether a call needs no change on its way back."""
        return self.upstream == self.name and self.namespace is None and self.kind == self.upstream_kind


def flat_name(name: str, namespace: str | None) -> str:
    """`namespace__name`, without tripling an underscore that the namespace ends with."""
    if not namespace:
        return name
    if namespace.endswith("__"):
        return namespace + name
    return f"{namespace}{'_' if namespace.endswith('_') else '__'}{name}"


def legal_name(name: str, limit: int = 64) -> str:
    """`name` with illegal characters replaced; one that is too long is shortened and ends in a hash of the whole."""
    legal = _ILLEGAL.sub("_", name) or "tool"
    if len(legal) <= limit:
        return legal
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{legal[: limit - _HASH - 1]}_{digest}"


def _unique(name: str, taken: Iterable[str], limit: int) -> str:
    used = set(taken)
    count, candidate = 2, name
    while candidate in used:
        tail = f"_{count}"
        candidate = name[: limit - len(tail)] + tail
        count += 1
    return candidate


class ToolTable:
    """The tools of one request, by both of their names."""

    __slots__ = ("_bare", "_by_client", "_by_key", "_by_upstream", "_limit", "history_kinds")

    def __init__(self, limit: int = 64, history_kinds: frozenset[ToolKind] = frozenset()) -> None:
        self._limit = limit
        self._by_upstream: dict[str, ToolEntry] = {}
        self._by_client: dict[tuple[str | None, str, ToolKind], ToolEntry] = {}
        self._by_key: dict[tuple[str | None, str], ToolEntry] = {}
        self._bare: dict[str, list[ToolEntry]] = {}
        self.history_kinds = history_kinds

    def add(self, tool: Tool, upstream_kind: ToolKind) -> ToolEntry:
        """Gives `tool` its upstream name. The same tool twice gives the same entry."""
        key = (tool.namespace, tool.name, tool.kind)
        if key in self._by_client:
            return self._by_client[key]
        name = legal_name(flat_name(tool.name, tool.namespace), self._limit)
        name = _unique(name, self._by_upstream, self._limit)
        entry = ToolEntry(name, tool.name, tool.namespace, tool.kind, upstream_kind)
        self._by_upstream[name] = entry
        self._by_client[key] = entry
        self._by_key.setdefault(tool.key, entry)
        self._bare.setdefault(tool.name, []).append(entry)
        return entry

    def restore(self, upstream: str) -> ToolEntry | None:
        """The tool that the upstream means, or None for a name that was never offered."""
        return self._by_upstream.get(upstream)

    def find(self, name: str, namespace: str | None = None, kind: ToolKind = "function") -> ToolEntry | None:
        """The tool that the client means. Kind and namespace may be missing where the name alone is enough."""
        entry = self._by_client.get((namespace, name, kind)) or self._by_key.get((namespace, name))
        if entry is None and namespace is None:
            alone = self._bare.get(name, [])
            entry = alone[0] if len(alone) == 1 else None
        return entry

    def upstream_name(self, name: str, namespace: str | None = None, kind: ToolKind = "function") -> str:
        """What a call in the history is called upstream; legal also when the tool is not offered any more."""
        entry = self.find(name, namespace, kind)
        return entry.upstream if entry else legal_name(flat_name(name, namespace), self._limit)

    def upstream_kind(self, name: str, namespace: str | None, kind: ToolKind) -> ToolKind:
        """As what a call in the history goes upstream."""
        entry = self.find(name, namespace, kind)
        if entry is not None and entry.kind == kind:
            return entry.upstream_kind
        return kind if kind in self.history_kinds else "function"

    @property
    def identity(self) -> bool:
        """Whether every call comes back under the name and kind that it went up with."""
        return all(entry.plain for entry in self._by_upstream.values())

    def mapping(self) -> dict[str, dict[str, str | None]]:
        """Upstream name -> what the client knows, for a person to read."""
        return {
            entry.upstream: {"name": entry.name, "namespace": entry.namespace, "kind": entry.kind}
            for entry in self._by_upstream.values()
        }
