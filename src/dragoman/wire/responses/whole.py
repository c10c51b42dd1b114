"""Answers that are not streamed, and answers that are one compaction item.

The whole form is the terminal object of the stream that the same reply would have made, so that the two never differ.
"""

from __future__ import annotations

import msgspec

from dragoman.core.fold import Reply, unfold
from dragoman.core.usage import Usage
from dragoman.wire.base import Frame, Mint
from dragoman.wire.responses.encoder import Encoder
from dragoman.wire.responses.view import View


def encode_whole(view: View, reply: Reply, mint: Mint, now: int, id: str) -> bytes:
    """The response object of a whole reply. A failed one gives a failed object; over HTTP an error is more apt."""
    encoder = Encoder(view, mint, now, id)
    events = unfold(reply)
    if reply.usage is not None and reply.end.usage is None:
        events[-1] = msgspec.structs.replace(reply.end, usage=reply.usage)
    encoder.encode(events)
    return bytes(encoder.final or b"")


def encode_compaction(
    view: View, blob: str, usage: Usage | None, mint: Mint, now: int, id: str, stream: bool
) -> bytes | list[Frame]:
    """An answer that is one compaction item: the frames of a stream, or the response object.

    For a stream that has begun already use `Encoder.compact`.
    """
    encoder = Encoder(view, mint, now, id)
    frames = encoder.compact(blob, usage)
    return frames if stream else bytes(encoder.final or b"")
