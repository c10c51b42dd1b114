"""The native lane of Chat: the vendor's chunks pass with only `model` and the id touched.

`[DONE]` goes out when the canonical stream ended well, whether or not the vendor sent it; a failure of which the vendor
told nothing gets our own error object.
"""

from __future__ import annotations

from dragoman.core.events import Failed, RawFrame, Terminal
from dragoman.wire.base import Frame, Mint
from dragoman.wire.chat_completions.encoder import DONE
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.chat_completions.view import View
from dragoman.wire.native import NativeLane, fields_of, patch, patched


class NativeEncoder(NativeLane):
    """Passes chunks on. id: the answer's id; "" keeps the vendor's own."""

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self._view = view
        self._own = patch(view.model, id)
        self._told_error = False

    def frame(self, frame: RawFrame, out: list[Frame]) -> None:
        """One chunk; usage that the client did not ask for stays here."""
        if frame.data[:6] == b"[DONE]" or self._told_error:
            return
        fields = fields_of(frame.data)
        if fields is None:
            return
        error = fields.get("error")
        self._told_error = frame.name == "error" or (error is not None and bytes(error) != b"null")
        if not self._view.include_usage and bytes(fields.get("choices", b"")) == b"[]" and not self._told_error:
            return
        out.append((frame.name, patched(fields, self._own)))

    def close(self, end: Terminal, out: list[Frame]) -> None:
        """`[DONE]`, or the failure that the vendor did not tell."""
        if not isinstance(end, Failed):
            out.append(DONE)
        elif not self._told_error:
            out.append(("", encode_error(end.error)))
