"""The Responses protocol: towards clients (Codex, SDKs) and towards native Responses servers.

In: bodies and streams of bytes, canonical requests and events. Out: the other of the two. Sans-IO; it knows no vendor,
no store and no clock.
"""

from __future__ import annotations

from dragoman.wire.responses.decoder import Decoder, decode_whole
from dragoman.wire.responses.encoder import Encoder
from dragoman.wire.responses.errors import decode_error, encode_error
from dragoman.wire.responses.items import ItemsDecoded, decode_items
from dragoman.wire.responses.native import NativeEncoder
from dragoman.wire.responses.request_in import decode_request, with_history, with_input
from dragoman.wire.responses.request_out import encode_request
from dragoman.wire.responses.view import View
from dragoman.wire.responses.whole import encode_compaction, encode_whole

__all__ = [
    "Decoder",
    "Encoder",
    "ItemsDecoded",
    "NativeEncoder",
    "View",
    "decode_error",
    "decode_items",
    "decode_request",
    "decode_whole",
    "encode_compaction",
    "encode_error",
    "encode_request",
    "encode_whole",
    "with_history",
    "with_input",
]
