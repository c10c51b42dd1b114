"""What only the answer to a Chat client needs of its request."""

from __future__ import annotations

import msgspec

from dragoman.core.notes import Note


class View(msgspec.Struct, frozen=True):
    """model: the name as asked, shown in every chunk. include_usage: the client asked for a usage chunk.

    notes: made while the request was read.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    notes: tuple[Note, ...] = ()
