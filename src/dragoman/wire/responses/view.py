"""What the answer to one Responses request needs to know of it: names, display flags and the slices to echo.

Made by `decode_request`, read only by the encoders. It must not steer anything between them.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.notes import Note
from dragoman.wire.responses.fields import flat

ECHO_DEFAULTS: dict[str, bytes] = {
    "background": b"false",
    "instructions": b"null",
    "max_output_tokens": b"null",
    "max_tool_calls": b"null",
    "parallel_tool_calls": b"true",
    "previous_response_id": b"null",
    "prompt_cache_key": b"null",
    "reasoning": b'{"effort":null,"summary":null}',
    "safety_identifier": b"null",
    "service_tier": b'"default"',
    "store": b"true",
    "temperature": b"1.0",
    "text": b'{"format":{"type":"text"}}',
    "tool_choice": b'"auto"',
    "tools": b"[]",
    "top_logprobs": b"0",
    "top_p": b"1.0",
    "truncation": b'"disabled"',
    "user": b"null",
}
"""The request fields that a response object repeats, with what stands there when the request left them out."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as far as its answer depends on it.

    model: the name as asked. notes: what was degraded while reading. echo: the request's own slices, by field.
    summary: reasoning is shown as summary parts (the request asked for one), else as reasoning text. metadata: the
    client's, to which notes are added at the end. input_items: the request's own input, an item a slice, for a store.
    compaction: the answer is to be one compaction item. references: the input names items by their ids.
    """

    model: str
    stream: bool = False
    notes: tuple[Note, ...] = ()
    echo: dict[str, Raw] = {}
    metadata: Raw | None = None
    summary: bool = False
    include: tuple[str, ...] = ()
    store: bool | None = None
    background: bool = False
    previous_response_id: str | None = None
    input_items: tuple[Raw, ...] = ()
    compaction: bool = False
    references: bool = False

    def echoed(self) -> bytes:
        """The echo fields as the inside of a JSON object. Costs their size: make it once a stream."""
        echo = self.echo
        return b",".join(
            b'"%b":%b' % (name.encode(), flat(bytes(echo[name])) if name in echo else default)
            for name, default in ECHO_DEFAULTS.items()
        )
