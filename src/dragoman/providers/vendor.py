"""The hooks that a vendor's own file may fill. Each has a default that changes nothing."""

from __future__ import annotations

from dragoman.errors import ErrorInfo


class Vendor:
    """The behaviour of one provider."""

    def refine_error(self, info: ErrorInfo, body: bytes) -> ErrorInfo:
        """A failure as the wire read it, told more exactly. body: the vendor's own bytes."""
        return info
