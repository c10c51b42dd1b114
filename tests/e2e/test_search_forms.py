"""Web searches that a vendor's server ran, as each endpoint shows them, and as they come back with the next request.

The road is the whole translation - plan, decoder, stages, encoder - without sockets: one table of vendors, each
streamed and whole, against all three endpoints.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import pytest

from dragoman.catalog import load, resolve
from dragoman.core.fold import fold
from dragoman.core.search import render_results
from dragoman.providers import Plan, Target, plan
from dragoman.wire import chat_completions, messages, responses
from dragoman.wire.sse import frames
from tests.e2e.world import chunk, message, sse, usage_chunk
from tests.validators import chat as chat_grammar
from tests.validators import messages as messages_grammar
from tests.validators import responses as responses_grammar

CATALOGUE = load()
WIRES: dict[str, Any] = {"chat": chat_completions, "responses": responses, "messages": messages}
ENDPOINTS = ("responses", "chat", "messages")
TOOLS = {
    "responses": [{"type": "web_search"}],
    "chat": [{"type": "web_search"}],
    "messages": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
}
URLS = ["https://example.org/a", "https://example.org/b"]
SAID = "Alpha is out [1]."
ASKED = "What is new?"


# -- what the vendors answer


def citation(url: str, title: str) -> dict[str, Any]:
    more = {"summary": f"About {title}.", "site_name": "Example", "publish_time": "2026-10-01", "logo_url": ""}
    return {"type": "url_citation", "url": url, "title": title, **more}


def page(url: str, title: str, refer: str) -> dict[str, Any]:
    more = {"content": f"About {title}.", "media": "Example", "icon": "", "refer": refer, "publish_date": "2026-10-01"}
    return {"title": title, "link": url, **more}


ANNOTATIONS = [citation(URLS[0], "Alpha"), citation(URLS[1], "Beta")]
PAGES = [page(URLS[0], "Alpha", "ref_1"), page(URLS[1], "Beta", "ref_2")]
COUNT = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
SEARCHED = {"web_search_usage": {"tool_usage": 2, "page_usage": 10}}


def mimo(stream: bool) -> bytes:
    if not stream:
        whole = message(SAID, annotations=ANNOTATIONS, usage={**COUNT, **SEARCHED})
        return json.dumps(whole).encode()
    return sse(
        chunk(role="assistant", content="", annotations=ANNOTATIONS),
        chunk(content="Alpha is out"),
        chunk(content=" [1]."),
        chunk("stop"),
        usage_chunk(9, 7, 0, **SEARCHED),
    )


def zhipu(stream: bool) -> bytes:
    text = "Alpha is out [ref_1]."
    if not stream:
        return json.dumps({**message(text, usage=COUNT), "web_search": PAGES}).encode()
    first = {**chunk(role="assistant", content=""), "web_search": PAGES}
    return sse(first, chunk(content="Alpha is out "), chunk(content="[ref_1]."), chunk("stop", COUNT))


OPENAI_ITEMS: list[dict[str, Any]] = [
    {
        "id": "ws_up",
        "type": "web_search_call",
        "status": "completed",
        "action": {
            "type": "search",
            "query": "alpha",
            "queries": ["alpha"],
            "sources": [{"type": "url", "url": u} for u in URLS],
        },
    },
    {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [
            {
                "type": "output_text",
                "text": SAID,
                "logprobs": [],
                "annotations": [
                    {"type": "url_citation", "start_index": 13, "end_index": 16, "title": "Alpha", "url": URLS[0]}
                ],
            }
        ],
    },
]


def openai(stream: bool) -> bytes:
    usage = {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16}
    done = {"id": "resp_up", "object": "response", "model": "m", "status": "completed", "usage": usage,
            "created_at": 1, "output": OPENAI_ITEMS}  # fmt: skip
    if not stream:
        return json.dumps(done).encode()
    search, said = OPENAI_ITEMS
    place = {"item_id": "msg_up", "output_index": 1, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**done, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0,
         "item": {**search, "status": "in_progress", "action": {"type": "search", "query": "alpha"}}},
        {"type": "response.web_search_call.searching", "item_id": "ws_up", "output_index": 0},
        {"type": "response.output_item.done", "output_index": 0, "item": search},
        {"type": "response.output_item.added", "output_index": 1, "item": {**said, "status": "in_progress", "content": []}},
        {"type": "response.output_text.delta", **place, "delta": SAID},
        {"type": "response.output_text.annotation.added", **place, "annotation_index": 0,
         "annotation": said["content"][0]["annotations"][0]},
        {"type": "response.output_item.done", "output_index": 1, "item": said},
        {"type": "response.completed", "response": done},
    ]  # fmt: skip
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


CLAUDE_BLOCKS: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_up", "name": "web_search", "input": {"query": "alpha"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_up",
        "content": [
            {"type": "web_search_result", "url": u, "title": t, "encrypted_content": f"E{t}", "page_age": None}
            for u, t in zip(URLS, ("Alpha", "Beta"), strict=True)
        ],
    },
    {
        "type": "text",
        "text": SAID,
        "citations": [
            {
                "type": "web_search_result_location",
                "url": URLS[0],
                "title": "Alpha",
                "cited_text": "About Alpha.",
                "encrypted_index": "EI",
            }
        ],
    },
]


def claude(stream: bool) -> bytes:
    usage = {"input_tokens": 9, "output_tokens": 7, "server_tool_use": {"web_search_requests": 1}}
    head: dict[str, Any] = {"id": "msg_up", "type": "message", "role": "assistant", "model": "m"}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    if not stream:
        return json.dumps({**head, "content": CLAUDE_BLOCKS, **ended, "usage": usage}).encode()
    use, result, said = CLAUDE_BLOCKS
    start = {
        **head,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {**use, "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"query":'}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '"alpha"}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": result},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "", "citations": []}},
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "citations_delta", "citation": said["citations"][0]},
        },
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": SAID}},
        {"type": "content_block_stop", "index": 2},
        {"type": "message_delta", "delta": ended, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


VENDORS: dict[str, tuple[str, Any]] = {
    "mimo": ("xiaomi:mimo-v2.6-pro", mimo),
    "zhipu": ("zhipu:glm-5.2", zhipu),
    "openai": ("openai:gpt-5.5", openai),
    "claude": ("anthropic:claude-sonnet-5-5", claude),
}
CASES = [(vendor, endpoint, stream) for vendor in VENDORS for endpoint in ENDPOINTS for stream in (True, False)]
ALL = pytest.mark.parametrize(("vendor", "endpoint", "stream"), CASES)


# -- the road


def target(name: str) -> Target:
    found = resolve(name, CATALOGUE, enabled=[name.partition(":")[0]])
    return Target(found.provider, found.model, "sk-key", native=False)


def ask(endpoint: str, stream: bool, said: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """A question, or the next one after an answer that said this."""
    user = {"role": "user", "content": ASKED}
    turns = [user] if said is None else [user, *said, {"role": "user", "content": "And then?"}]
    body: dict[str, Any] = {"model": "any:model", "stream": stream, "tools": TOOLS[endpoint], **more}
    if endpoint == "responses":
        return {**body, "input": turns}
    if endpoint == "messages":
        body["max_tokens"] = 1000
    return {**body, "messages": turns}


def planned(endpoint: str, body: dict[str, Any], vendor: str, search: Any = "native") -> Plan:
    request, _ = WIRES[endpoint].decode_request(json.dumps(body).encode())
    return plan(request, target(VENDORS[vendor][0]), search=search)


def mint() -> Any:
    count = itertools.count(1)
    return lambda prefix: f"{prefix}{next(count)}"


@dataclass
class Shown:
    """What a client got: the answer's content as it would be sent back, and the raw bytes."""

    said: list[Any]
    body: bytes
    usage: dict[str, Any]


def answer(vendor: str, endpoint: str, stream: bool) -> Shown:
    body = ask(endpoint, stream)
    made = planned(endpoint, body, vendor)
    raw = VENDORS[vendor][1](stream)
    new = mint()
    if stream:
        decoder = made.decoder(new, "turn")
        events = decoder.feed(raw) + decoder.end()
    else:
        events = made.whole(raw, new, "turn")
    for stage in made.stages():
        events = stage.feed(events)
    package = WIRES[endpoint]
    _, view = package.decode_request(json.dumps(body).encode())
    if stream:
        encoder = package.Encoder(view, new, 1700000000, "id_1")
        out = frames(encoder.preamble()) + b"".join(frames(encoder.encode([event])) for event in events)
    else:
        out = package.encode_whole(view, fold(events), new, 1700000000, "id_1")
    return read(endpoint, stream, out)


def read(endpoint: str, stream: bool, out: bytes) -> Shown:
    if endpoint == "responses":
        final = responses_grammar.validate(out).response if stream else json.loads(out)
        responses_grammar.validate_response(final)
        return Shown(final["output"], out, final["usage"])
    if endpoint == "messages":
        if stream:
            parsed = messages_grammar.validate(out)
            return Shown([{"role": "assistant", "content": parsed.blocks}], out, parsed.usage)
        whole = json.loads(out)
        return Shown([{"role": "assistant", "content": whole["content"]}], out, whole["usage"])
    if stream:
        told = chat_grammar.validate(out)
        said = {"role": "assistant", "content": told.text, "annotations": told.annotations}
        return Shown([said], out, told.usage or {})
    body = json.loads(out)
    return Shown([body["choices"][0]["message"]], out, body["usage"])


# -- forms


def text_of(vendor: str) -> str:
    return SAID if vendor != "zhipu" else "Alpha is out [ref_1]."


@ALL
@pytest.mark.case("G02", "G03")
@pytest.mark.req(147)
def test_the_search_and_its_citations_in_the_clients_own_form(vendor: str, endpoint: str, stream: bool) -> None:
    shown = answer(vendor, endpoint, stream)
    query = "alpha" if vendor in ("openai", "claude") else ""
    place = (0, len(text_of(vendor))) if vendor == "claude" else (13, 16 if vendor != "zhipu" else 20)
    if endpoint == "responses":
        search, said = shown.said
        assert (search["type"], search["status"]) == ("web_search_call", "completed")
        assert search["action"]["query"] == query
        assert [source["url"] for source in search["action"]["sources"]] == URLS
        (part,) = said["content"]
        cited = [(c["url"], c["start_index"], c["end_index"]) for c in part["annotations"]]
        assert {c["type"] for c in part["annotations"]} == {"url_citation"}
        text = part["text"]
    elif endpoint == "messages":
        use, result, said = shown.said[0]["content"]
        assert (use["type"], use["name"], use["input"]) == ("server_tool_use", "web_search", {"query": query})
        assert (result["type"], result["tool_use_id"]) == ("web_search_tool_result", use["id"])
        assert [p["url"] for p in result["content"]] == URLS
        assert all(p["title"] and p["encrypted_content"] for p in result["content"])
        assert {c["type"] for c in said["citations"]} == {"web_search_result_location"}
        assert all(c["encrypted_index"] for c in said["citations"])
        cited, text = [(c["url"], *place) for c in said["citations"]], said["text"]
        assert shown.usage["server_tool_use"]["web_search_requests"] == (2 if vendor == "mimo" else 1)
    else:
        said = shown.said[0]
        nested = [c["url_citation"] for c in said["annotations"]]
        assert {c["type"] for c in said["annotations"]} == {"url_citation"}
        cited, text = [(c["url"], c["start_index"], c["end_index"]) for c in nested], said["content"]
        assert b"server_tool_use" not in shown.body and b"web_search_call" not in shown.body
    assert text == text_of(vendor)
    assert cited[0] == (URLS[0], *place)
    # Every annotation of this vendor is a citation; the page without a place stands at the end.
    assert [c[0] for c in cited] == (URLS if vendor == "mimo" else URLS[:1])


@pytest.mark.case("G03")
@pytest.mark.req(147)
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_steps_of_a_search_in_a_responses_stream(vendor: str) -> None:
    parsed = responses_grammar.validate(answer(vendor, "responses", True).body)
    types = [t for t in parsed.types if "search" in t or "annotation" in t or "item" in t]
    assert types[:5] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    assert types.count("output_text.annotation.added") == (2 if vendor == "mimo" else 1)


@ALL
@pytest.mark.req(20)
def test_streamed_and_whole_say_the_same(vendor: str, endpoint: str, stream: bool) -> None:
    if stream:
        assert answer(vendor, endpoint, True).said == without_partial(answer(vendor, endpoint, False).said, endpoint)


def without_partial(said: list[Any], endpoint: str) -> list[Any]:
    """The whole answer as the stream's reader builds it up."""
    if endpoint == "chat":
        return [{k: v for k, v in said[0].items() if k in ("role", "content", "annotations")}]
    return said


@pytest.mark.req(147)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_search_that_failed_at_the_vendor(endpoint: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(stream: bool) -> bytes:
        if not stream:
            return json.dumps(message("I could not.", error_message="busy")).encode()
        return sse(chunk(role="assistant", content="", error_message="busy"), chunk(content="I could not."), chunk("stop"),
                   usage_chunk())  # fmt: skip

    monkeypatch.setitem(VENDORS, "failing", ("xiaomi:mimo-v2.6-pro", failing))
    shown = answer("failing", endpoint, stream)
    if endpoint == "responses":
        assert [item.get("status") for item in shown.said] == ["failed", "completed"]
        assert b"web_search_call.completed" not in shown.body
    elif endpoint == "messages":
        error = {"type": "web_search_tool_result_error", "error_code": "unavailable"}
        assert [b["type"] for b in shown.said[0]["content"]] == ["server_tool_use", "web_search_tool_result", "text"]
        assert shown.said[0]["content"][1]["content"] == error
        assert "server_tool_use" not in shown.usage
    else:
        assert shown.said[0]["content"] == "I could not."


# -- back again


@pytest.mark.req(78, 147)
@pytest.mark.parametrize(("vendor", "endpoint"), [("openai", "responses"), ("claude", "messages")])
@pytest.mark.parametrize("stream", [True, False])
def test_to_its_own_vendor_a_search_goes_back_as_it_came(vendor: str, endpoint: str, stream: bool) -> None:
    shown = answer(vendor, endpoint, stream)
    body = json.loads(planned(endpoint, ask(endpoint, stream, shown.said), vendor).body)
    if vendor == "openai":
        assert OPENAI_ITEMS[0] in body["input"]
    else:
        assert body["messages"][1]["content"][:2] == CLAUDE_BLOCKS[:2]
        assert body["messages"][1]["content"][2]["citations"] == CLAUDE_BLOCKS[2]["citations"]


@pytest.mark.req(147)
@pytest.mark.parametrize("endpoint", ["responses", "messages"])
@pytest.mark.parametrize("vendor", ["mimo", "zhipu"])
@pytest.mark.parametrize("other", ["deepseek:deepseek-v4-pro", "openai:gpt-5.5", "anthropic:claude-sonnet-5-5"])
def test_another_model_is_told_what_was_found(endpoint: str, vendor: str, other: str) -> None:
    shown = answer(vendor, endpoint, True)
    request, _ = WIRES[endpoint].decode_request(json.dumps(ask(endpoint, True, shown.said)).encode())
    body = json.loads(plan(request, target(other), search="managed").body)
    sources = fold_sources()
    told = render_results("", sources)
    text = json.dumps(body, ensure_ascii=False)
    assert json.dumps(told, ensure_ascii=False)[1:-1] in text
    assert "dgs1." not in text and "srvtoolu_" not in text
    assert [c for c in ("server_tool_use", "web_search_call") if f'"{c}"' in text] == []


def fold_sources() -> Any:
    made = planned("chat", ask("chat", True), "mimo")
    decoder = made.decoder(mint(), "turn")
    return fold(decoder.feed(mimo(True)) + decoder.end()).message.content[0].sources  # type: ignore[union-attr]


@pytest.mark.req(147)
def test_the_vendor_that_searches_by_itself_gets_only_the_text_back() -> None:
    for endpoint in ENDPOINTS:
        shown = answer("mimo", endpoint, True)
        body = json.loads(planned(endpoint, ask(endpoint, True, shown.said), "mimo").body)
        turns = body["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert turns[1]["content"] == SAID and "tool_calls" not in turns[1]


@pytest.mark.req(147)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_stores_nothing_gets_no_page_texts_it_cannot_send_back(stream: bool) -> None:
    package = WIRES["responses"]
    for more, has in (
        ({"store": False}, False),
        ({"store": False, "include": ["web_search_call.results"]}, True),
        ({}, True),
    ):
        body = ask("responses", stream, **more)
        _, view = package.decode_request(json.dumps(body).encode())
        made = planned("responses", body, "mimo")
        decoder = made.decoder(mint(), "t")
        encoder = package.Encoder(view, mint(), 1, "resp_1")
        encoder.encode(decoder.feed(mimo(True)) + decoder.end())
        item = json.loads(bytes(encoder.output[0]))
        assert ("results" in item) is has
        assert [s["url"] for s in item["action"]["sources"]] == URLS
