"""The client half of the wire packages, behind one face."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

from msgspec import Raw

from dragoman.core.events import Event
from dragoman.core.fold import Reply
from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.core.request import Request
from dragoman.errors import ErrorInfo
from dragoman.wire.base import Mint

_MODULES: dict[WireName, str] = {
    "chat": "dragoman.wire.chat_completions",
    "responses": "dragoman.wire.responses",
    "messages": "dragoman.wire.messages",
}
ID_PREFIX: dict[WireName, str] = {"chat": "chatcmpl-", "responses": "resp_", "messages": "msg_"}
"""How ids of answers begin in each protocol."""


class View(Protocol):
    """What every wire's view has."""

    @property
    def model(self) -> str:
        """The name as asked."""
        ...

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        ...

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was degraded while the request was read."""
        ...


class Encoder(Protocol):
    """A stream towards a client."""

    ended: bool

    def preamble(self) -> list[tuple[str, bytes]]:
        """The frames that open a stream."""
        ...

    def encode(self, events: list[Event]) -> list[tuple[str, bytes]]:
        """The frames for these events."""
        ...

    def keepalive(self) -> list[tuple[str, bytes]]:
        """Frames that show life."""
        ...


class EncoderType(Protocol):
    """Makes encoders."""

    def __call__(self, view: Any, mint: Mint, now: int, id: str) -> Encoder:
        """An encoder for one answer."""
        ...


class Wire(Protocol):
    """A wire package as the gateway uses it."""

    Encoder: EncoderType
    NativeEncoder: EncoderType

    def decode_request(self, body: bytes) -> tuple[Request, View]:
        """The request, and what only its answer needs. Raises InvalidRequest."""
        ...

    def encode_whole(self, view: Any, reply: Reply, mint: Mint, now: int, id: str) -> bytes:
        """A whole answer."""
        ...

    def encode_error(self, info: ErrorInfo, request_id: str = "") -> bytes:
        """An error body."""
        ...


class ResponsesWire(Protocol):
    """What only the Responses package has."""

    def with_history(self, request: Request, view: Any, history: Sequence[Raw]) -> Request:
        """The request with stored items before its own input."""
        ...

    def with_input(self, request: Request, view: Any, items: Sequence[Raw]) -> Request:
        """The request with these items in place of its own input."""
        ...


@cache
def wire(name: WireName) -> Wire:
    """The package of a client protocol."""
    return cast(Wire, import_module(_MODULES[name]))


@cache
def responses() -> ResponsesWire:
    """The Responses package with what only it has."""
    return cast(ResponsesWire, import_module(_MODULES["responses"]))
