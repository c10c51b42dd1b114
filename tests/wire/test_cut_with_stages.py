"""The cut law with the stages included: every golden transcript, cut at every byte, through restoration and sealing,
gives the same events and the same bytes towards each client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.core.events import Event
from dragoman.core.lowering import lower
from dragoman.core.profile import Profile
from dragoman.core.request import Request
from dragoman.core.restore import RestoreTools
from dragoman.core.tools import Grammar, Tool
from dragoman.wire import chat_completions, messages, responses
from dragoman.wire.base import DecodeContext, StreamDecoder
from dragoman.wire.seal import SealStage
from dragoman.wire.sse import frames
from dragoman.wire.think_tags import TagRules
from tests.wire.chat import golden

GOLDEN = Path(__file__).parents[1] / "golden"
DECODERS: dict[str, type[StreamDecoder]] = {
    "chat": chat_completions.Decoder,
    "messages": messages.Decoder,
    "responses": responses.Decoder,
}
CASES = sorted(
    (wire, path) for wire in DECODERS for path in (GOLDEN / wire).rglob("*.sse") if path.name != "client.sse"
)
# The names that the transcripts use stand for tools of other kinds, so that restoration has work to do.
TOOLS = (
    Tool("f.x", kind="custom", grammar=Grammar("lark", "start: A")),
    Tool("g", namespace="ns"),
    Tool("shell", kind="shell"),
    Tool("local_shell", kind="local_shell"),
)
ASKS = {
    "responses": (responses, {"model": "m", "input": "hi", "stream": True}),
    "chat": (chat_completions, {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}),
    "messages": (
        messages,
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": True},
    ),
}


class PlainBox:
    """A box without chance: the same content gives the same seal."""

    def seal(self, plain: bytes, bound: bytes) -> tuple[str, bytes]:
        return "k", plain

    def open(self, key_id: str, sealed: bytes, bound: bytes) -> bytes | None:
        return sealed


def rules(path: Path) -> TagRules | None:
    """How thinking stands in the text of this transcript."""
    return golden.context(path.parent.name).tags if path.parent.parent == golden.ROOT else None


def road(wire: str, pieces: list[bytes], tags: TagRules | None = None) -> tuple[list[Event], dict[str, bytes]]:
    """Events and client bytes of a transcript that comes in these pieces."""
    decoder = DECODERS[wire](
        DecodeContext(provider="p", family="f", turn="t", mint=lambda prefix: prefix + "0", tags=tags)
    )
    stages = [
        RestoreTools(lower(Request("m", (), tools=TOOLS), Profile()).table),
        SealStage(PlainBox(), "p", "f", "tenant", lambda packed: "ref"),
    ]
    encoders = {}
    for name, (package, body) in ASKS.items():
        _, view = package.decode_request(json.dumps(body).encode())
        encoders[name] = package.Encoder(view, lambda prefix: prefix + "0", 0, "id")
    out: list[Event] = []
    sent = {name: frames(encoder.preamble()) for name, encoder in encoders.items()}
    for batch in [*(decoder.feed(piece) for piece in pieces), decoder.end()]:
        for stage in stages:
            batch = stage.feed(batch)
        out += batch
        for name, encoder in encoders.items():
            sent[name] += frames(encoder.encode(batch))
    return out, sent


@pytest.mark.req(21, 118)
@pytest.mark.parametrize(
    ("wire", "path"), CASES, ids=lambda v: v if isinstance(v, str) else f"{v.parent.name}-{v.stem}"
)
def test_any_cut_gives_the_same(wire: str, path: Path) -> None:
    data = path.read_bytes()
    tags = rules(path)
    whole = road(wire, [data], tags)
    for at in range(1, len(data)):
        assert road(wire, [data[:at], data[at:]], tags) == whole, f"cut at byte {at}"


@pytest.mark.parametrize(
    ("wire", "path"), CASES, ids=lambda v: v if isinstance(v, str) else f"{v.parent.name}-{v.stem}"
)
def test_byte_by_byte(wire: str, path: Path) -> None:
    data = path.read_bytes()
    tags = rules(path)
    assert road(wire, [data[i : i + 1] for i in range(len(data))], tags) == road(wire, [data], tags)
