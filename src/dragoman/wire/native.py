"""The native lane: the upstream speaks the client's own protocol, and its frames are passed on.

In: events that carry the vendor's raw frames. Out: those frames, in which a wire touches only what names the model and
the answer. The one end still holds: a stream that breaks without a frame that says so gets one from us.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from dragoman.core.events import Event, Failed, Finished, Incomplete, RawFrame, Terminal
from dragoman.wire.base import Frame

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a frame that is no JSON raises."""
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


class NativeLane(ABC):
    """Passes raw frames on. A wire says what a frame becomes, and how it tells an end that the vendor did not tell.

    ended: the end was told; then nothing more comes out.
    """

    ended = False

    def preamble(self) -> list[Frame]:
        """Nothing: the vendor's own first frame opens the stream."""
        return []

    def keepalive(self) -> list[Frame]:
        """Nothing: a frame of ours would stand among the vendor's. The caller sends a comment."""
        return []

    def encode(self, events: list[Event]) -> list[Frame]:
        """The raw frames among these events, and an end where the vendor gave none."""
        out: list[Frame] = []
        for event in events:
            if self.ended:
                break
            kind = type(event)
            if kind is RawFrame:
                self.frame(event, out)  # type: ignore[arg-type]
            elif kind is Finished or kind is Incomplete or kind is Failed:
                self.ended = True
                self.close(event, out)  # type: ignore[arg-type]
            else:
                self.heard(event)
        return out

    # -- to be implemented by a wire

    @abstractmethod
    def frame(self, frame: RawFrame, out: list[Frame]) -> None:
        """One frame of the vendor's."""

    @abstractmethod
    def close(self, end: Terminal, out: list[Frame]) -> None:
        """The stream is over: adds what the client's protocol still wants."""

    def heard(self, event: Event) -> None:  # noqa: B027  # a wire may leave it out
        """What the frames meant; nothing is made of it where the frames say enough."""


def fields_of(data: bytes) -> dict[str, Raw] | None:
    """The fields of a frame, or None where it is no JSON object."""
    try:
        return _FIELDS.decode(data)
    except UNREADABLE:
        return None


def patch(model: str, id: str) -> dict[str, Raw]:
    """What is made the client's own: the model's name and, where one is given, the answer's id."""
    own = {"model": Raw(msgspec.json.encode(model))}
    if id:
        own["id"] = Raw(msgspec.json.encode(id))
    return own


def patched(fields: dict[str, Raw], own: Mapping[str, Raw]) -> bytes:
    """The object with these fields replaced where it has them."""
    for name, value in own.items():
        if name in fields:
            fields[name] = value
    return msgspec.json.encode(fields)
