"""Reading a request: its body, decoded and bounded, and which protocol it really speaks.

In: an ASGI scope and its `receive`. Out: bytes; or BodyTooLarge, or InvalidRequest for a body that cannot be decoded.
"""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from starlette.types import Receive, Scope

from dragoman.core.messages import WireName
from dragoman.core.notes import Note
from dragoman.errors import BodyTooLarge, InvalidRequest

DRAIN_BYTES = 64 * 1024 * 1024
"""How much of a refused body is still read, so that the client can read the refusal."""
DRAIN_S = 5.0


class Gone(Exception):
    """The client went away before its request was whole."""


def header(scope: Scope, name: bytes) -> str | None:
    """A request header; name in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def _zstd() -> Any:
    """The zstd module: Python's own from 3.14 on, before that its backport."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd
    from backports import zstd

    return zstd


class _Zstd:
    """A zstd body: one frame or several. Codex CLI packs its requests so where a provider allows it (2026)."""

    def __init__(self) -> None:
        self._module = _zstd()
        self._frame: Any = None

    @property
    def whole(self) -> bool:
        """Whether the last frame came to its end."""
        return self._frame is not None and bool(self._frame.eof)

    def feed(self, data: bytes, room: Callable[[], int], keep: Callable[[bytes], None]) -> None:
        """Unpacks at most `room() + 1` bytes at a time. Raises ValueError for what is damaged."""
        try:
            while data:
                if self._frame is None or self._frame.eof:
                    self._frame = self._module.ZstdDecompressor()
                frame = self._frame
                keep(frame.decompress(data, room() + 1))
                while not frame.eof and not frame.needs_input:
                    keep(frame.decompress(b"", room() + 1))
                data = frame.unused_data if frame.eof else b""
        except self._module.ZstdError as error:
            raise ValueError(str(error)) from None


class _Decoder:
    """Undoes one content encoding, never making more than `limit` bytes."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._inflate: zlib._Decompress | None = None
        self._zstd = _Zstd() if encoding == "zstd" else None

    def feed(self, data: bytes) -> None:
        if not data:
            return
        if self._encoding == "identity":
            self._keep(data)
            return
        if self._zstd is not None:
            try:
                self._zstd.feed(data, lambda: self._limit - self._size, self._keep)
            except ValueError:
                raise self._damaged() from None
            return
        try:
            while data:
                if self._inflate is None or self._inflate.eof:
                    self._inflate = self._begun(data)
                self._keep(self._inflate.decompress(data, self._limit - self._size + 1))
                data = self._inflate.unused_data or self._inflate.unconsumed_tail
        except zlib.error:
            raise self._damaged() from None

    def _begun(self, data: bytes) -> zlib._Decompress:
        """A stream that begins here. A gzip body may be several, one behind the other."""
        if self._encoding == "gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        # "deflate" is zlib by RFC 9110, but some clients send the raw stream.
        zlib_like = data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] * 256 + data[1]) % 31 == 0)
        return zlib.decompressobj(zlib.MAX_WBITS if zlib_like else -zlib.MAX_WBITS)

    def _damaged(self) -> InvalidRequest:
        return InvalidRequest(
            f"the body is not valid {self._encoding}, which Content-Encoding says that it is",
            param="content-encoding",
        )

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._parts.append(data)

    def finish(self) -> bytes:
        ended = self._zstd.whole if self._zstd is not None else self._inflate is not None and self._inflate.eof
        if not ended and self._encoding != "identity":
            raise InvalidRequest(f"the {self._encoding} body ends too early", param="content-encoding")
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


def too_large(limit: int) -> BodyTooLarge:
    """The error for a body of over `limit` bytes."""
    return BodyTooLarge(
        f"the request body is over {limit / 1024 / 1024:g} MB (server.max_body_mb); send less, or raise the limit",
        code="request_too_large",
        param="body",
    )


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body, decoded. limit: most bytes after decoding. Raises BodyTooLarge, InvalidRequest, Gone."""
    encoding = (header(scope, b"content-encoding") or "identity").strip().lower()
    encoding = "gzip" if encoding == "x-gzip" else encoding
    more = True
    try:
        if encoding not in ("identity", "gzip", "deflate", "zstd"):
            raise InvalidRequest(
                f"Content-Encoding {encoding!r} is not known here; send the body plain, or as gzip, deflate or zstd",
                code="unsupported_encoding",
                param="content-encoding",
                status=415,
            )
        length = header(scope, b"content-length") or ""
        if length.isdigit() and len(length) < 19 and int(length) > limit:
            raise too_large(limit)
        decoder = _Decoder(encoding, limit)
        while more:
            data, more = await _next(receive)
            decoder.feed(data)
        return decoder.finish()
    except InvalidRequest:
        if more:
            await _drain(receive)
        raise


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return message.get("body", b""), message.get("more_body", False)


async def _drain(receive: Receive) -> None:
    """Reads on for a little while: a client that is still writing does not see an answer that closes on it."""
    seen, more = 0, True
    try:
        async with asyncio.timeout(DRAIN_S):
            while more and seen < DRAIN_BYTES:
                data, more = await _next(receive)
                seen += len(data)
    except TimeoutError:
        return


_LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""Looks like one half of a surrogate pair; the backslash may belong to an escaped one."""
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)


def mend_letters(body: bytes) -> tuple[bytes, tuple[Note, ...]]:
    """The body with a replacement character for each half of a surrogate pair, and a note where there was one.

    Programs that cut text by UTF-16 units (in JavaScript) write such halves, which no JSON reader of a vendor takes.
    """
    if (b"\\ud" not in body and b"\\uD" not in body) or _LONE.search(body) is None:
        return body, ()
    mended = _ESCAPE.sub(lambda found: b"\\ufffd" if found[2] else found[0], body)
    if mended == body:
        return body, ()
    return mended, (Note("letters_replaced", "", "half of a surrogate pair stood in the body"),)


class _Peek(msgspec.Struct):
    """What tells the protocols apart."""

    input: Raw | UnsetType = UNSET
    messages: Raw | UnsetType = UNSET


_peek = msgspec.json.Decoder(_Peek)


def detect(path: WireName, body: bytes) -> tuple[WireName, tuple[Note, ...]]:
    """The protocol that the body speaks, and a note where that is not the path's.

    A body with `input` and no `messages` on the Chat path is Responses, and the reverse. Anything else is the path's.
    """
    if path == "messages":
        return path, ()
    try:
        peek = _peek.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return path, ()
    has_input, has_messages = peek.input is not UNSET, peek.messages is not UNSET
    if path == "chat" and has_input and not has_messages:
        return "responses", (Note("shape_detected", "input", "a Responses body on the Chat path"),)
    if path == "responses" and has_messages and not has_input:
        return "chat", (Note("shape_detected", "messages", "a Chat body on the Responses path"),)
    return path, ()
