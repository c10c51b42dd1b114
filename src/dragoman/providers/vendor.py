"""The hooks that a vendor's own file may fill. Each has a default that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman.core.messages import Message, WireName
from dragoman.core.notes import Note
from dragoman.core.profile import ModelFacts
from dragoman.core.replay import ReplayTarget
from dragoman.core.search import NativeSearch, SearchWish
from dragoman.core.shape import Thinking
from dragoman.core.stage import Stage
from dragoman.core.tools import Tool
from dragoman.errors import ErrorInfo, ErrorKind


class Vendor:
    """The behaviour of one provider."""

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """A failure as the wire read it, told more exactly. body: the vendor's own bytes."""
        return info

    def refine_stream(self, info: ErrorInfo) -> ErrorInfo:
        """A failure that was told inside a stream, or in a 200, told more exactly. Applied twice it changes nothing."""
        return info

    def stages(self, wire: WireName, provider: str, family: str) -> list[Stage]:
        """Fresh stages for one answer, before those of the plan."""
        return []

    def history(self, messages: Sequence[Message], target: ReplayTarget, notes: list[Note]) -> Sequence[Message]:
        """The client's history with what only this vendor wants in it; it is made fit for the target afterwards."""
        return messages

    def searches(self, wire: WireName, url: str, key: str | None) -> bool:
        """Whether the vendor's own web search may be asked for on this wire, at this address, with this key."""
        return False

    def search_tool(self, tool: Tool, wish: SearchWish) -> NativeSearch | None:
        """A declared web search in the vendor's own form, for a wire on which `searches` says yes."""
        return None

    def extra_body(self, wire: WireName, model: ModelFacts, thinking: Thinking) -> dict[str, Any]:
        """Fields of the vendor's own that every such request wants, merged into the body."""
        return {}


def told(
    info: ErrorInfo, kind: ErrorKind, message: str, code: str | None, *, retryable: bool | None = None
) -> ErrorInfo:
    """`info` with another meaning; its status towards the client follows from the kind."""
    return msgspec.structs.replace(
        info, kind=kind, message=message, code=code, param=None, status=0, retryable=retryable
    )
