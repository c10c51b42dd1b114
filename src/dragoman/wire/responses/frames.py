"""The frames of one Responses stream: their sequence numbers, the items of the output, and the item that is open.

In: names and bodies. Out: frames `(event type, JSON)` on one line each. Knows the protocol's framing, no canonical
blocks. A delta's frame is cut from a template that is made when the item opens: that is the hot road.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from dragoman.wire.base import Frame, Mint
from dragoman.wire.responses.fields import flat
from dragoman.wire.responses.output import PREFIXES, encode


class Frames:
    """Writes frames, numbered from 0. mint: makes item ids.

    output: the done items, as they were sent. item: id of the open item, "" where none is shown. delta, head, tail: the
    name of its deltas, "" while they have no template, and the bytes around the text and before the number.
    """

    __slots__ = ("_mint", "_taken", "delta", "head", "item", "output", "seq", "tail")

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._taken: set[str] = set()
        self.output: list[Raw] = []
        self.seq = 0
        self.reset()

    def reset(self) -> None:
        """No item is open."""
        self.item = ""
        self.delta = ""
        self.head = b""
        self.tail = b""

    # -- items

    def new(self, kind: str) -> str:
        """A fresh id for the item that opens."""
        return self.take("", PREFIXES[kind])

    def take(self, known: str | None, prefix: str) -> str:
        """The id that the vendor gave the item, where it is still free: several upstream rounds may share one client
        stream, and a vendor may number its items anew in each."""
        self.item = known if known and known not in self._taken else self._mint(prefix)
        self._taken.add(self.item)
        return self.item

    def added(self, item: dict[str, Any], out: list[Frame]) -> None:
        """The item is shown."""
        self.event(out, "response.output_item.added", {"output_index": len(self.output), "item": item})

    def done(self, item: dict[str, Any], out: list[Frame]) -> None:
        """The item is whole."""
        raw = Raw(flat(encode(item)))
        self.event(out, "response.output_item.done", {"output_index": len(self.output), "item": raw})
        self.output.append(raw)

    @property
    def place(self) -> dict[str, Any]:
        """Where the open item stands, for the events that concern it."""
        return {"item_id": self.item, "output_index": len(self.output)}

    def part(self, out: list[Frame], name: str, index: str, value: Any, key: str = "part") -> None:
        """An event of the open item's only part. index: the field that numbers the part."""
        self.event(out, name, {**self.place, index: 0, key: value})

    # -- deltas

    def template(self, name: str, before: bytes = b"", after: bytes = b"") -> None:
        """How deltas of the open item are written. before, after: further fields, each with its comma in front."""
        self.delta = name
        self.head = b'{"type":"%b","item_id":%b,"output_index":%d%b,"delta":' % (
            name.encode(),
            encode(self.item),
            len(self.output),
            before,
        )
        self.tail = after + b',"sequence_number":'

    def text(self, text: str, out: list[Frame]) -> None:
        """One delta."""
        out.append((self.delta, b"%b%b%b%d}" % (self.head, encode(text), self.tail, self.seq)))
        self.seq += 1

    # -- events

    def event(self, out: list[Frame], name: str, body: dict[str, Any]) -> None:
        """One event."""
        out.append((name, flat(encode({"type": name, **body, "sequence_number": self.seq}))))
        self.seq += 1

    def lifecycle(self, out: list[Frame], name: str, body: bytes) -> None:
        """An event that holds the whole response object."""
        out.append((name, b'{"type":"%b","response":%b,"sequence_number":%d}' % (name.encode(), body, self.seq)))
        self.seq += 1
