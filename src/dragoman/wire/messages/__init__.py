"""The Messages protocol, both directions: as clients speak it to us, and as upstreams want it spoken.

In: bytes. Out: canonical values and events, or bytes again. Synchronous and sans-IO: no clock, no ids of its own, no
vendor names - what an upstream wants is read from `core.profile`.
"""

from __future__ import annotations

from dragoman.wire.messages.decoder import Decoder, decode_whole
from dragoman.wire.messages.encoder import Encoder
from dragoman.wire.messages.errors import decode_error, encode_error
from dragoman.wire.messages.native import NativeEncoder
from dragoman.wire.messages.request_in import View, decode_request
from dragoman.wire.messages.request_out import encode_request
from dragoman.wire.messages.whole import encode_count, encode_whole

__all__ = [
    "Decoder",
    "Encoder",
    "NativeEncoder",
    "View",
    "decode_error",
    "decode_request",
    "decode_whole",
    "encode_count",
    "encode_error",
    "encode_request",
    "encode_whole",
]
