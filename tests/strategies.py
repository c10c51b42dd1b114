"""Hypothesis strategies for canonical values: legal event streams, blocks, usage, tools.

What comes out obeys the event protocol of `core.events`: `Started` once, blocks one at a time whose deltas join to the
content of their `BlockEnd`, exactly one terminal event. A cut block is the last one and is followed by `Incomplete` or
`Failed`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.events import (
    AnnotationSeen,
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    ReasoningDelta,
    Started,
    StreamBlock,
    TextDelta,
    UsageSeen,
)
from dragoman.core.messages import Opaque, Reasoning, SearchSource, Text, ToolCall, WebSearch
from dragoman.core.notes import Note
from dragoman.core.tools import ToolKind
from dragoman.core.usage import Usage
from dragoman.errors import ErrorInfo, ErrorKind

BLOCKS = ("text", "refusal", "cited", "reasoning", "sealed", "opaque", "empty", "call", "search")
"""Kinds of blocks that `event_streams` knows, beside `hosted` (a web search call in the Responses form)."""

CALLS: tuple[ToolKind, ...] = ("function", "custom", "local_shell", "shell", "apply_patch", "tool_search")
"""Kinds of calls that a client can be given."""

ERRORS: tuple[ErrorKind, ...] = (
    "rate_limit",
    "overloaded",
    "overflow",
    "server",
    "network",
    "timeout",
    "truncated",
    "protocol",
    "billing",
)

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
"""Short texts of any character that UTF-8 can carry."""

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10)
"""Legal tool names."""

ids = st.text("0123456789abcdef", min_size=4, max_size=8).map(lambda x: "call_" + x)
"""Call ids."""

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)

json_objects = st.dictionaries(words, _values, max_size=3)
"""Small JSON objects."""


def compact(value: object) -> str:
    """JSON text without needless space, non-ASCII kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@st.composite
def pieces(draw: st.DrawFn, whole: str) -> list[str]:
    """`whole` cut into non-empty pieces at any places."""
    if not whole:
        return []
    cuts = sorted(set(draw(st.lists(st.integers(1, len(whole)), max_size=4))) | {len(whole)})
    return [whole[a:b] for a, b in zip([0, *cuts[:-1]], cuts, strict=True)]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usage with known input and output; the finer counts may be unknown."""
    count = st.integers(0, 10**6)
    maybe = st.none() | count
    output = draw(count)
    return Usage(draw(count), draw(maybe), draw(maybe), output, draw(st.none() | st.integers(0, output)))


@st.composite
def arguments(draw: st.DrawFn, kind: ToolKind) -> str:
    """Well-formed arguments of a call of this kind."""
    if kind == "custom":
        return draw(words)
    if kind == "local_shell":
        return compact({"command": draw(st.lists(words, max_size=3)), "env": {}, "timeout_ms": 1000})
    if kind == "shell":
        return compact({"commands": draw(st.lists(words, max_size=3)), "timeout_ms": 5, "max_output_length": 10})
    if kind == "apply_patch":
        operation = draw(st.sampled_from(["create_file", "update_file", "delete_file"]))
        patch = {"type": operation, "path": draw(words)}
        return compact(patch if operation == "delete_file" else {**patch, "diff": draw(words)})
    return compact(draw(json_objects))


@st.composite
def tool_calls(draw: st.DrawFn, kinds: Sequence[ToolKind] = CALLS) -> ToolCall:
    """A whole, valid call."""
    kind = draw(st.sampled_from(list(kinds)))
    name = kind if kind not in ("function", "custom") else draw(names)
    namespace = draw(st.none() | names) if kind == "function" else None
    return ToolCall(draw(ids), name, draw(arguments(kind)), kind=kind, namespace=namespace)


@st.composite
def _block(draw: st.DrawFn, kind: str, calls: Sequence[ToolKind], segment: int) -> StreamBlock:
    match kind:
        case "refusal":
            return Text(draw(words), refusal=True)
        case "cited":
            url = "https://example.org/" + draw(names)
            note = {"type": "url_citation", "start_index": 0, "end_index": 1, "title": "t", "url": url}
            return Text(draw(words), annotations=(Raw(compact(note).encode()),))
        case "reasoning":
            return Reasoning(draw(words), turn="turn_1", segment=segment)
        case "sealed":
            return Reasoning(draw(words), turn="turn_1", segment=segment, seal="dgm1." + draw(names))
        case "opaque":
            return Reasoning("", "opaque", "turn_1", segment, seal="dgm1." + draw(names))
        case "empty":
            return Reasoning("", "empty", "turn_1", segment)
        case "call":
            return draw(tool_calls(calls))
        case "search":
            pages = st.builds(SearchSource, names.map("https://example.org/{}".format), words, st.just("") | words)
            status = draw(st.sampled_from(["completed", "failed"]))
            found = draw(st.lists(pages, max_size=3)) if status == "completed" else []
            error = None if found or status == "completed" else draw(words)
            queries = draw(st.lists(words, max_size=2, unique=True))
            return WebSearch(draw(st.just("") | ids), tuple(queries), status, tuple(found), error)
        case "hosted":
            item = {
                "id": "ws_" + draw(names),
                "type": "web_search_call",
                "status": draw(st.sampled_from(["completed", "failed"])),
                "action": {"type": "search", "query": draw(words)},
            }
            return Opaque("web_search_call", Raw(compact(item).encode()), "responses")
        case _:
            return Text(draw(words))


@st.composite
def _cut(draw: st.DrawFn, block: StreamBlock) -> StreamBlock:
    """`block` as it looks when the stream ends inside it."""
    match block:
        case Text():
            return Text(block.text[: draw(st.integers(0, len(block.text)))], refusal=block.refusal)
        case Reasoning():
            text = block.text[: draw(st.integers(0, len(block.text)))]
            presence = "text" if text else "empty"
            return msgspec.structs.replace(block, text=text, presence=presence, seal=None)
        case ToolCall():
            text = block.arguments[: draw(st.integers(0, max(len(block.arguments) - 1, 0)))]
            return msgspec.structs.replace(block, arguments=text, invalid=bool(text) and block.kind != "custom")
    return block


def _opening(block: StreamBlock) -> StreamBlock:
    match block:
        case Text():
            return Text("", refusal=block.refusal)
        case Reasoning():
            return Reasoning("", turn=block.turn, segment=block.segment)
        case ToolCall():
            return ToolCall(block.id, block.name, kind=block.kind, namespace=block.namespace)
        case WebSearch():
            return WebSearch(block.id, block.queries, "in_progress")
    return block


@st.composite
def _events_of(draw: st.DrawFn, index: int, block: StreamBlock, complete: bool) -> list[Event]:
    out: list[Event] = [BlockStart(index, _opening(block))]
    match block:
        case Text():
            out.extend(TextDelta(p) for p in draw(pieces(block.text)))
            out.extend(AnnotationSeen(a) for a in block.annotations)
        case Reasoning():
            out.extend(ReasoningDelta(p) for p in draw(pieces(block.text)))
        case ToolCall():
            out.extend(ArgumentsDelta(p) for p in draw(pieces(block.arguments)))
    out.append(BlockEnd(index, block, complete))
    return out


@st.composite
def terminals(draw: st.DrawFn, called: bool = False) -> Event:
    """Any terminal event, with or without usage."""
    usage = draw(st.none() | usages())
    match draw(st.sampled_from(["finished", "incomplete", "failed"])):
        case "finished":
            return Finished("tool_calls" if called else "stop", usage=usage)
        case "incomplete":
            reason = draw(st.sampled_from(["length", "content_filter", "repetition", "context_window"]))
            return Incomplete(reason, usage=usage)
        case _:
            wait = draw(st.none() | st.sampled_from([1.5, 20.0]))
            return Failed(ErrorInfo(draw(st.sampled_from(ERRORS)), draw(words), retry_after=wait), usage)


@st.composite
def event_streams(
    draw: st.DrawFn,
    blocks: Sequence[str] = BLOCKS,
    calls: Sequence[ToolKind] = CALLS,
    max_blocks: int = 5,
) -> list[Event]:
    """A legal canonical event stream. blocks: kinds to draw from (see `BLOCKS`); calls: kinds of calls."""
    kinds = draw(st.lists(st.sampled_from(list(blocks)), max_size=max_blocks))
    whole = [draw(_block(kind, calls, n)) for n, kind in enumerate(kinds)]
    used: set[str] = set()
    for n, block in enumerate(whole):
        if isinstance(block, ToolCall):
            if block.id in used:
                whole[n] = msgspec.structs.replace(block, id=f"{block.id}_{n}")
            used.add(block.id)
    end = draw(terminals(any(isinstance(b, ToolCall) for b in whole)))
    cut = not isinstance(end, Finished) and bool(whole) and draw(st.booleans())
    out: list[Event] = [Started("up_1", "vendor-model", 1)]
    for n, block in enumerate(whole):
        last = cut and n == len(whole) - 1 and not isinstance(block, Opaque | WebSearch)
        out += draw(_events_of(n, draw(_cut(block)) if last else block, not last))
        if draw(st.integers(0, 9)) == 0:
            out.append(Noted(Note("event_skipped", "", draw(names))))
        if draw(st.integers(0, 9)) == 0:
            out.append(UsageSeen(draw(usages())))
    out.append(end)
    return out
