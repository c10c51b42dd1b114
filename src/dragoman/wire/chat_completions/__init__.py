"""Chat Completions, both directions: what clients ask of us, and how we ask an upstream.

`decode_request`, `Encoder`, `encode_whole` and `encode_error` face a client; `encode_request`, `Decoder`,
`decode_whole` and `decode_error` face an upstream. All are synchronous, without I/O, clock or randomness, and know no
vendor by name: deviations come as flags of `core.profile` or are tolerated from anyone.
"""

from __future__ import annotations

from dragoman.wire.chat_completions.decoder import Decoder, decode_whole
from dragoman.wire.chat_completions.encoder import Encoder
from dragoman.wire.chat_completions.errors import encode_error
from dragoman.wire.chat_completions.native import NativeEncoder
from dragoman.wire.chat_completions.request_in import decode_request
from dragoman.wire.chat_completions.request_out import encode_request
from dragoman.wire.chat_completions.view import View
from dragoman.wire.chat_completions.whole import encode_whole
from dragoman.wire.upstream_errors import decode_error

__all__ = [
    "Decoder",
    "Encoder",
    "NativeEncoder",
    "View",
    "decode_error",
    "decode_request",
    "decode_whole",
    "encode_error",
    "encode_request",
    "encode_whole",
]
