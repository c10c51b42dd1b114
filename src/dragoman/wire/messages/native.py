"""The native lane of Messages: the vendor's frames pass with only the model's name and the message's id touched."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.events import Failed, RawFrame, Terminal
from dragoman.wire.base import Frame, Mint
from dragoman.wire.messages.errors import encode_error
from dragoman.wire.messages.request_in import View
from dragoman.wire.native import UNREADABLE, NativeLane, fields_of, patch, patched


class _Type(msgspec.Struct):
    type: str = ""


_TYPE = msgspec.json.Decoder(_Type)


class NativeEncoder(NativeLane):
    """Passes raw frames on. id: the message's id; "" keeps the vendor's own."""

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self._own = patch(view.model, id)
        self._started = False
        self._last = ""

    def keepalive(self) -> list[Frame]:
        """A ping; nothing before the message has started."""
        return [("ping", b'{"type":"ping"}')] if self._started and not self.ended else []

    def frame(self, frame: RawFrame, out: list[Frame]) -> None:
        """One frame; a vendor that leaves the events' names out has them in the data."""
        name, data = frame.name, frame.data
        if not name:
            try:
                name = _TYPE.decode(data).type
            except UNREADABLE:
                return
        if name == "message_start":
            self._started = True
            data = self._opened(data)
        self._last = name
        out.append((name, data))

    def close(self, end: Terminal, out: list[Frame]) -> None:
        """The frame that the vendor left out: `error` for a failure, else `message_stop`."""
        if isinstance(end, Failed):
            if self._last != "error":
                out.append(("error", encode_error(end.error)))
        elif self._last != "message_stop":
            out.append(("message_stop", b'{"type":"message_stop"}'))

    def _opened(self, data: bytes) -> bytes:
        """`message_start` with the client's own names in it."""
        fields = fields_of(data) or {}
        message = fields_of(bytes(fields.get("message", b"")))
        if message is None:
            return data
        fields["message"] = Raw(patched(message, self._own))
        return msgspec.json.encode(fields)
