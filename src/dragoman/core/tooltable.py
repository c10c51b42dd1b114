"""Names: what each tool of the client is called upstream, and back.

The table is made once for a request, from the client's declarations in their order, so that the same declarations
give the same names in every turn. Upstream names are legal (`[A-Za-z0-9_-]`, at most 64 long unless the profile says
otherwise) and unique. A namespace becomes a part of the name, or stays one where the upstream has namespaces. It knows
nothing of wires, messages or events.
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
    """One tool: its upstream name, namespace and kind, and the name, namespace and kind that the client knows."""

    upstream: str
    name: str
    namespace: str | None = None
    kind: ToolKind = "function"
    upstream_kind: ToolKind = "function"
    upstream_namespace: str | None = None

    @property
    def plain(self) -> bool:
        """Whether a call needs no change on its way back."""
        named = self.upstream == self.name and self.upstream_namespace == self.namespace
        return named and self.kind == self.upstream_kind


def flat_name(name: str, namespace: str | None) -> str:
    """`namespace__name`, without tripling an underscore that the namespace ends with."""
    if not namespace:
        return name
    if namespace.endswith("__"):
        return namespace + name
    return f"{namespace}{'_' if namespace.endswith('_') else '__'}{name}"


def legal_name(name: str, limit: int = 64, letter: bool = False) -> str:
    """`name` with illegal characters replaced; one that is too long is shortened and ends in a hash of the whole.

    letter: it must start with a letter.
    """
    legal = _ILLEGAL.sub("_", name) or "tool"
    if letter and not legal[0].isalpha():
        legal = f"tool_{legal.lstrip('_')}"
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

    __slots__ = (
        "_bare", "_by_client", "_by_key", "_by_upstream", "_custom", "_letter", "_limit", "_spaces", "history_kinds",
    )  # fmt: skip

    def __init__(
        self,
        limit: int = 64,
        history_kinds: frozenset[ToolKind] = frozenset(),
        letter: bool = False,
        spaces: bool = False,
        custom: frozenset[str] = frozenset(),
    ) -> None:
        """limit: longest name. history_kinds: of calls that may stand in the history. spaces: namespaces stay.

        custom: the only names under which freeform tools stay what they are; none is any.
        """
        self._limit = limit
        self._letter = letter
        self._spaces = spaces
        self._custom = custom
        self._by_upstream: dict[tuple[str | None, str], ToolEntry] = {}
        self._by_client: dict[tuple[str | None, str, ToolKind], ToolEntry] = {}
        self._by_key: dict[tuple[str | None, str], ToolEntry] = {}
        self._bare: dict[str, list[ToolEntry]] = {}
        self.history_kinds = history_kinds

    def add(self, tool: Tool, upstream_kind: ToolKind) -> ToolEntry:
        """Gives `tool` its upstream name. The same tool twice gives the same entry."""
        key = (tool.namespace, tool.name, tool.kind)
        if key in self._by_client:
            return self._by_client[key]
        name, space = self._address(tool.name, tool.namespace)
        name = _unique(name, (taken for within, taken in self._by_upstream if within == space), self._limit)
        entry = ToolEntry(name, tool.name, tool.namespace, tool.kind, upstream_kind, space)
        self._by_upstream[space, name] = entry
        self._by_client[key] = entry
        self._by_key.setdefault(tool.key, entry)
        self._bare.setdefault(tool.name, []).append(entry)
        return entry

    def _address(self, name: str, namespace: str | None) -> tuple[str, str | None]:
        """The legal name and namespace under which a tool goes upstream."""
        if self._spaces and namespace:
            return legal_name(name, self._limit, self._letter), legal_name(namespace, self._limit, self._letter)
        return legal_name(flat_name(name, namespace), self._limit, self._letter), None

    def restore(self, upstream: str, namespace: str | None = None) -> ToolEntry | None:
        """The tool that the upstream means, or None for a name that was never offered.

        A model that leaves the namespace out, or writes it into the name, is understood where only one tool fits.
        """
        entry = self._by_upstream.get((namespace or None, upstream))
        if entry is None and not namespace and self._spaces:
            fits = [e for e in self._by_upstream.values() if upstream in (e.upstream, flat_name(e.name, e.namespace))]
            entry = fits[0] if len(fits) == 1 else None
        return entry

    def find(self, name: str, namespace: str | None = None, kind: ToolKind = "function") -> ToolEntry | None:
        """The tool that the client means. Kind and namespace may be missing where the name alone is enough."""
        entry = self._by_client.get((namespace, name, kind)) or self._by_key.get((namespace, name))
        if entry is None and namespace is None:
            alone = self._bare.get(name, [])
            entry = alone[0] if len(alone) == 1 else None
        return entry

    def address(self, name: str, namespace: str | None, kind: ToolKind) -> tuple[str, str | None]:
        """Name and namespace of a call in the history as it goes upstream; legal also without such a tool."""
        entry = self.find(name, namespace, kind)
        return (entry.upstream, entry.upstream_namespace) if entry else self._address(name, namespace)

    def upstream_kind(self, name: str, namespace: str | None, kind: ToolKind) -> ToolKind:
        """As what a call in the history goes upstream."""
        entry = self.find(name, namespace, kind)
        if entry is not None and entry.kind == kind:
            return entry.upstream_kind
        return self.taken_kind(kind, name, namespace)

    def taken_kind(self, kind: ToolKind, name: str, namespace: str | None) -> ToolKind:
        """As what a tool of this kind and name can go upstream: itself, or a function."""
        if kind == "custom" and self._custom and (namespace or name not in self._custom):
            return "function"
        return kind if kind in self.history_kinds else "function"

    @property
    def identity(self) -> bool:
        """Whether every call comes back under the name and kind that it went up with.

        Not with namespaces and freeform tools: models write calls of those in other ways than they were offered.
        """
        known = self._by_upstream.values()
        return all(e.plain and e.upstream_namespace is None and e.upstream_kind == "function" for e in known)

    def mapping(self) -> dict[str, dict[str, str | None]]:
        """Upstream name -> what the client knows, for a person to read."""
        return {
            flat_name(entry.upstream, entry.upstream_namespace): {
                "name": entry.name,
                "namespace": entry.namespace,
                "kind": entry.kind,
            }
            for entry in self._by_upstream.values()
        }
