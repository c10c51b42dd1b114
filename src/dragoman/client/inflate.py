"""Decompression of an answer that comes in pieces: gzip, and deflate with its wrapper or without.

In: compressed bytes. Out: plain bytes, at most `STEP` at a time, so that a small answer cannot fill the memory at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

STEP = 1 << 20
"""Most bytes that one step gives."""


class Inflater:
    """The plain form of one body. coding: gzip, x-gzip or deflate."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: zlib._Decompress | None = None

    @property
    def whole(self) -> bool:
        """Whether the compressed data came to its end, or there was none."""
        return self._stream is None or self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes give. Raises zlib.error for what is damaged."""
        while data:
            if self._stream is None or self._stream.eof:
                self._stream = self._begin(data)
            while True:
                made = self._stream.decompress(data, STEP)
                data = self._stream.unconsumed_tail
                if made:
                    yield made
                if self._stream.eof or (not data and len(made) < STEP):
                    break
            data = self._stream.unused_data

    def _begin(self, data: bytes) -> zlib._Decompress:
        # Some servers send "deflate" without the zlib wrapper that RFC 9110 asks for.
        bare = self._coding == "deflate" and data[0] & 0x0F != 8
        return zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
