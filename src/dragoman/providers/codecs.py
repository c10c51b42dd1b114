"""The upstream codecs by the name of their wire. A codec is loaded when a plan first needs it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from dragoman.core.events import Event
from dragoman.core.messages import WireName
from dragoman.core.request import Request
from dragoman.core.shape import Shape
from dragoman.errors import ErrorInfo
from dragoman.wire.base import DecodeContext, StreamDecoder

_MODULES: dict[WireName, str] = {
    "chat": "dragoman.wire.chat_completions",
    "responses": "dragoman.wire.responses",
    "messages": "dragoman.wire.messages",
}


class Codec(Protocol):
    """The upstream half of a wire package."""

    Decoder: type[StreamDecoder]

    def encode_request(self, request: Request, shape: Shape) -> bytes:
        """The upstream body of a prepared request."""
        ...

    def decode_whole(self, body: bytes, context: DecodeContext) -> list[Event]:
        """The events of an answer that was not streamed."""
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ErrorInfo:
        """What an HTTP error says."""
        ...


@cache
def codec(wire: WireName) -> Codec:
    """The codec of `wire`."""
    return cast(Codec, import_module(_MODULES[wire]))
