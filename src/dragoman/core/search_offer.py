"""A declared web search as it is offered to one upstream, under the request's search mode.

In: the declared tool. Out: an offer - a function for the client or for us to run, or the vendor's own tool - or nothing
and a note; and the wish, where the search is carried out by other means than the provider's own tool list.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from dragoman.core.notes import Note
from dragoman.core.offers import Offer, is_meant, left_out, named_tool, tool_path
from dragoman.core.request import Request
from dragoman.core.search import SEARCH_NAME, OwnSearch, SearchMode, SearchWish, as_search_function, read_wish
from dragoman.core.tools import Tool, ToolChoice
from dragoman.core.tooltable import ToolTable
from dragoman.errors import InvalidRequest


class SearchOffer:
    """Offers a web search once. wish: what the client asks of it, after it was offered."""

    def __init__(
        self, request: Request, tools: Sequence[Tool], mode: SearchMode, own: OwnSearch | None, notes: list[Note]
    ) -> None:
        self.wish: SearchWish | None = None
        self._mode = mode
        self._own = own
        self._notes = notes
        self._taken = any(tool.kind == "function" and tool.key == (None, SEARCH_NAME) for tool in tools)
        self._choice = request.tool_choice or ToolChoice()
        self._alone = all(tool.kind == "web_search" for tool in tools)

    def offer(self, tool: Tool, table: ToolTable) -> list[Offer]:
        """The tool as it goes upstream, or nothing and a note."""
        where = tool_path(tool)
        if self._mode == "fail":
            raise InvalidRequest(
                f"{where} asks for a web search, and no search can be run for this model; configure [search], or leave "
                "the tool out", param="tools", code="web_search_unavailable",
            )  # fmt: skip
        if self._mode == "off":
            self._notes.append(left_out(tool))
            return []
        if self.wish is not None or (self._mode == "client" and self._taken):
            self._notes.append(Note("tool_duplicate", where, "a web search is offered already"))
            return []
        forced = self._isnamed_tool(tool)
        wish = read_wish(tool)
        wish = msgspec.structs.replace(wish, force=wish.force or forced)
        if wish.offline and self._mode == "managed":
            self._notes.append(Note("param_dropped", f"{where}.external_web_access", "this search reads the live web"))
        if self._mode == "native":
            return self._native(tool, wish, forced, table, where)
        self.wish = wish
        if self._mode == "client":
            function = as_search_function()
            self._notes.append(Note("search_absent", where, "it is offered as a function for the client to run"))
            return [Offer(tool, table.add(function, "function"), function)]
        entry = table.add(msgspec.structs.replace(tool, name=SEARCH_NAME), "function")
        return [Offer(tool, entry, as_search_function(entry.upstream))]

    def _isnamed_tool(self, tool: Tool) -> bool:
        """Whether the tool choice leaves the model nothing but this search."""
        choice = self._choice
        if choice.mode == "required":
            return self._alone
        if choice.mode == "allowed":
            return choice.required and all(is_meant(tool, ref) for ref in choice.allowed)
        ref = named_tool(choice)
        return is_meant(tool, ref) and not (self._taken and ref is not None and ref.kind == "function")

    def _native(self, tool: Tool, wish: SearchWish, forced: bool, table: ToolTable, where: str) -> list[Offer]:
        form = self._own(tool, wish) if self._own is not None else None
        if form is None:
            self._notes.append(Note("search_absent", where, "the provider has no web search of its own here"))
            return []
        for field in (*form.left_out, "external_web_access") if wish.offline else form.left_out:
            self._notes.append(Note("param_dropped", f"{where}.{field}", "the provider's web search does not take it"))
        self.wish = wish
        entry = table.add(msgspec.structs.replace(tool, name=SEARCH_NAME), "web_search")
        options = Raw(msgspec.json.encode(form.tool))
        return [Offer(tool, entry, Tool(SEARCH_NAME, "web_search", options=options), forced)]
