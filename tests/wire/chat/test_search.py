"""What a vendor's own search found, read from Chat streams and told to Chat clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from dragoman.core.citations import Citation, annotation
from dragoman.core.events import AnnotationSeen, BlockEnd, BlockStart, Event, Finished, TextDelta
from dragoman.core.fold import Reply, fold
from dragoman.core.messages import Text, ToolCall, WebSearch
from dragoman.core.shape import Shape
from dragoman.wire.chat_completions import Decoder, Encoder, decode_request, decode_whole, encode_request, encode_whole
from dragoman.wire.sse import frames
from tests.e2e.world import chunk, message, sse
from tests.validators.chat import validate
from tests.wire.chat.golden import context


def source(name: str, **more: object) -> dict[str, Any]:
    return {"type": "url_citation", "url": f"https://e.org/{name}", "title": name, "summary": f"about {name}", **more}


def run(*chunks: Any) -> Reply:
    decoder = Decoder(context())
    return fold(decoder.feed(sse(*chunks)) + decoder.end())


def kinds(reply: Reply) -> list[str]:
    return [type(block).__name__ for block in reply.message.content]


@pytest.mark.req(147)
def test_pages_in_several_packets_are_one_search() -> None:
    reply = run(
        chunk(annotations=[source("a")]),
        chunk(annotations=[source("b")], content=""),
        chunk(content="x"),
        chunk("stop"),
    )
    assert kinds(reply) == ["WebSearch", "Text"]
    assert [page.title for page in reply.message.content[0].sources] == ["a", "b"]  # type: ignore[union-attr]


def test_pages_that_come_after_text_are_only_cited() -> None:
    reply = run(chunk(content="x [2]"), chunk(annotations=[source("a"), source("b")]), chunk("stop"))
    (said,) = reply.message.content
    assert isinstance(said, Text)
    places = [(json.loads(bytes(a))["title"], json.loads(bytes(a))["start_index"]) for a in said.annotations]
    assert places == [("b", 2), ("a", 5)]


def test_a_search_between_thinking_and_a_call() -> None:
    reply = run(
        chunk(reasoning_content="hm"),
        chunk(annotations=[source("a")]),
        chunk(tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
        chunk("tool_calls"),
    )
    assert kinds(reply) == ["Reasoning", "WebSearch", "ToolCall"]
    assert not reply.notes
    late = run(
        chunk(tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}]),
        chunk(annotations=[source("a")]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
        chunk("tool_calls"),
    )
    assert late.message.content == (ToolCall("c", "f", "{}"),)


def test_citations_with_places_stay_as_their_vendor_sent_them() -> None:
    placed = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
    reply = run(chunk(content="x", annotations=[placed]), chunk("stop"))
    assert reply.message.content == (Text("x", annotations=reply.message.content[0].annotations),)  # type: ignore[union-attr]
    assert [json.loads(bytes(a)) for a in reply.message.content[0].annotations] == [placed]  # type: ignore[union-attr]


@pytest.mark.req(26)
@pytest.mark.parametrize("pages", ["x", {"a": 1}, [1, None, "s", {"title": "no address"}], [], None])
def test_a_list_of_pages_that_is_none_costs_nothing(pages: object) -> None:
    reply = run({**chunk(content="x"), "web_search": pages}, chunk("stop"))
    assert (kinds(reply), reply.text) == (["Text"], "x")
    assert isinstance(reply.end, Finished)


def test_a_failure_after_text_is_a_note() -> None:
    reply = run(chunk(content="x"), chunk(error_message="busy"), chunk("stop"))
    assert kinds(reply) == ["Text"]
    assert [(n.code, n.message) for n in reply.notes] == [("search_failed", "busy")]
    shown = run(chunk(error_message="busy", content=""), chunk(annotations=[source("a")]), chunk("stop"))
    (search,) = shown.message.content
    assert isinstance(search, WebSearch) and search.status == "completed"  # it found something all the same


@pytest.mark.req(20)
def test_a_whole_answer_is_read_like_a_stream() -> None:
    found = [source("a"), source("b")]
    whole = fold(decode_whole(json.dumps(message("see [2]", annotations=found)).encode(), context()))
    streamed = run(chunk(role="assistant", content="", annotations=found), chunk(content="see [2]"), chunk("stop"))
    assert whole.message == streamed.message


@pytest.mark.req(147)
@pytest.mark.parametrize("stream", [True, False])
def test_places_count_from_the_start_of_the_message(stream: bool) -> None:
    first = annotation(Citation("https://e.org/a", "a", "", 0, 2))
    loose = Raw(b'{"type":"web_search_result_location","url":"u","title":"t","cited_text":"","encrypted_index":"x"}')
    events: list[Event] = [
        BlockStart(0, Text("")), TextDelta("one"), AnnotationSeen(first), BlockEnd(0, Text("one", annotations=(first,))),
        BlockStart(1, WebSearch()), BlockEnd(1, WebSearch()),
        BlockStart(2, Text("")), AnnotationSeen(loose), AnnotationSeen(first), TextDelta("four"),
        BlockEnd(2, Text("four", annotations=(loose, first))),
        Finished(),
    ]  # fmt: skip
    _, view = decode_request(b'{"model":"m","messages":[{"role":"user","content":"q"}],"stream":true}')
    if stream:
        encoder = Encoder(view, lambda p: p + "1", 1)
        out = frames(encoder.preamble()) + b"".join(frames(encoder.encode([e])) for e in events)
        told = validate(out).annotations
    else:
        told = json.loads(encode_whole(view, fold(events), lambda p: p + "1", 1))["choices"][0]["message"][
            "annotations"
        ]
    places = [(a["url_citation"]["start_index"], a["url_citation"]["end_index"]) for a in told]
    assert places == [(0, 2), (5, 9), (5, 7)], "the paragraph between the rounds counts"


@pytest.mark.req(147)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ((Text("Look."), WebSearch(), Text("Found.")), "Look.\n\nFound."),
        ((Text("Look. "), WebSearch(), WebSearch(), Text("Found.")), "Look. Found."),
        ((Text("Look."), WebSearch(), WebSearch(), Text(" Found.")), "Look.\n\n Found."),
        ((WebSearch(), Text("Found.")), "Found."),
        ((Text("Look."), WebSearch()), "Look."),
        ((Text("One "), Text("text.")), "One text."),
        ((Text("A"), WebSearch(), Text("B"), WebSearch(), Text("C")), "A\n\nB\n\nC"),
    ],
)
def test_rounds_of_a_search_are_paragraphs(blocks: tuple[Text | WebSearch, ...], text: str, stream: bool) -> None:
    events: list[Event] = []
    for at, block in enumerate(blocks):
        begun = Text("") if isinstance(block, Text) else block
        words = [TextDelta(block.text)] if isinstance(block, Text) else []
        events += [BlockStart(at, begun), *words, BlockEnd(at, block)]
    events.append(Finished())
    _, view = decode_request(b'{"model":"m","messages":[{"role":"user","content":"q"}],"stream":true}')
    if stream:
        encoder = Encoder(view, lambda p: p + "1", 1)
        assert validate(frames(encoder.preamble()) + frames(encoder.encode(events))).text == text
    else:
        whole = json.loads(encode_whole(view, fold(events), lambda p: p + "1", 1))
        assert whole["choices"][0]["message"]["content"] == text


def test_the_parameter_that_declares_a_search() -> None:
    def asked(**more: object) -> Any:
        body = {"model": "m", "messages": [{"role": "user", "content": "q"}], **more}
        return decode_request(json.dumps(body).encode())[0]

    request = asked(web_search_options={"search_context_size": "low"})
    (tool,) = request.tools
    assert (tool.name, tool.kind, tool.hosted_type) == ("web_search", "web_search", "web_search_options")
    sent = json.loads(encode_request(request, Shape.full("m")))
    assert sent["web_search_options"] == {"search_context_size": "low"} and "tools" not in sent
    declared = asked(web_search_options={}, tools=[{"type": "web_search_preview"}])
    assert [tool.hosted_type for tool in declared.tools] == ["web_search_preview"]
    assert asked(web_search_options=None).tools == ()
