"""The hooks that a vendor's own file may fill. Each has a default that changes nothing."""

from __future__ import annotations

from typing import Any

from dragoman.core.messages import WireName
from dragoman.core.profile import ModelFacts
from dragoman.core.shape import Thinking
from dragoman.errors import ErrorInfo


class Vendor:
    """The behaviour of one provider."""

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """A failure as the wire read it, told more exactly. body: the vendor's own bytes."""
        return info

    def extra_body(self, wire: WireName, model: ModelFacts, thinking: Thinking) -> dict[str, Any]:
        """Fields of the vendor's own that every such request wants, merged into the body."""
        return {}
