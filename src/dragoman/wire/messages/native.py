"""The native lane: the upstream speaks the client's own protocol, and its frames are passed on.

In: events that carry the vendor's raw frames. Out: those frames, with only the model's name and the message's id made
the client's own. The one end still holds: a stream that breaks without a frame that says so gets one.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.events import Event, Failed, Finished, Incomplete, RawFrame
from dragoman.wire.base import Mint
from dragoman.wire.messages.errors import encode_error
from dragoman.wire.messages.request_in import View

_FIELDS = msgspec.json.Decoder(dict[str, Raw])


class _Type(msgspec.Struct):
    type: str = ""


_TYPE = msgspec.json.Decoder(_Type)


class NativeEncoder:
    """Passes raw frames on. id: the message's id; "" keeps the vendor's own."""

    def __init__(self, view: View, mint: Mint, now: int, id: str = "") -> None:
        self.view = view
        self.id = id
        self.ended = False
        self._started = False
        self._last = ""

    def preamble(self) -> list[tuple[str, bytes]]:
        """Nothing: the vendor's own first frame opens the stream."""
        return []

    def encode(self, events: list[Event]) -> list[tuple[str, bytes]]:
        """The raw frames among these events, and an end where the vendor gave none."""
        out: list[tuple[str, bytes]] = []
        for event in events:
            if self.ended:
                break
            kind = type(event)
            if kind is RawFrame:
                self._frame(event, out)  # type: ignore[arg-type]
            elif kind is Failed:
                self.ended = True
                if self._last != "error":
                    out.append(("error", encode_error(event.error)))  # type: ignore[union-attr]
            elif kind is Finished or kind is Incomplete:
                self.ended = True
                if self._last != "message_stop":
                    out.append(("message_stop", b'{"type":"message_stop"}'))
        return out

    def keepalive(self) -> list[tuple[str, bytes]]:
        """A ping; nothing before the message has started."""
        return [("ping", b'{"type":"ping"}')] if self._started and not self.ended else []

    def _frame(self, frame: RawFrame, out: list[tuple[str, bytes]]) -> None:
        name = frame.name
        if not name:
            try:
                name = _TYPE.decode(frame.data).type
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return
        data = frame.data
        if name == "message_start":
            self._started = True
            data = self._patched(data)
        self._last = name
        out.append((name, data))

    def _patched(self, data: bytes) -> bytes:
        try:
            fields = _FIELDS.decode(data)
            message = fields["message"]
            fields["message"] = Raw(native_whole(bytes(message), self.view, self.id))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return data
        return msgspec.json.encode(fields)


def native_whole(body: bytes, view: View, id: str = "") -> bytes:
    """A whole answer passed on, with the asked model and, if given, our id."""
    try:
        fields = _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    if "model" in fields:
        fields["model"] = Raw(msgspec.json.encode(view.model))
    if id and "id" in fields:
        fields["id"] = Raw(msgspec.json.encode(id))
    return msgspec.json.encode(fields)
