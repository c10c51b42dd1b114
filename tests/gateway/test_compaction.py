"""Compaction: one item in place of a history, readable only here, and put back in the next request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.events import Finished, Incomplete
from dragoman.core.messages import Compaction, Media, Message, Text, ToolCall, ToolResult
from dragoman.errors import CompactionUnreadable
from dragoman.gateway.box import KeyBox
from dragoman.gateway.compaction import CompactionStage, expand, kept
from dragoman.wire.seal import Payload, seal
from tests.gateway.asgi import Call, body_for, chat, exchanges, make, reply

BOX = KeyBox([b"k" * 32])
TRIGGER = {"type": "compaction_trigger"}
WHOLE = b'{"choices":[{"message":{"content":"THE SUMMARY"},"finish_reason":"stop"}],"usage":{"prompt_tokens":900,"completion_tokens":40,"total_tokens":940}}'


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def history(words: int = 300) -> list[dict[str, Any]]:
    return [
        {"role": "developer", "content": "be exact"},
        {"role": "user", "content": "the goal " + "g" * 2000},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "OLD " * words}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "RESULT " * words},
        {"role": "user", "content": "the last wish"},
    ]


async def compacted(app: Any, stream: bool, upstream: bytes, **more: Any) -> tuple[Call, dict[str, Any]]:
    call = Call(app, "/v1/responses", body_for("responses", stream, input=[*history(), TRIGGER], store=False, **more))
    exchange = await reply(app, call, upstream)
    return call, json.loads(exchange.call.body)


def item_of(call: Call, stream: bool) -> dict[str, Any]:
    response = call.events[-1]["response"] if stream else call.json
    assert response["status"] == "completed"
    (item,) = response["output"]
    assert item["type"] == "compaction"
    return dict(item)


@pytest.mark.parametrize("stream", [True, False])
async def test_one_item_one_call_and_its_usage(tmp_path: Path, stream: bool) -> None:
    app = make(tmp_path)
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    usage = '{"choices":[],"usage":{"prompt_tokens":900,"completion_tokens":40,"total_tokens":940}}'
    upstream = chat("THE ", "SUMMARY", done=False) + f"data: {usage}\n\ndata: [DONE]\n\n".encode() if stream else WHOLE
    call, sent = await compacted(app, stream, upstream, tools=tools)
    item = item_of(call, stream)
    assert item["encrypted_content"].startswith("dgm1.")
    assert "SUMMARY" not in call.body.decode()
    if stream:
        done = [e["item"] for e in call.events if e["type"] == "response.output_item.done"]
        assert done == [item]
        assert [e["sequence_number"] for e in call.events] == list(range(len(call.events)))
    response = call.events[-1]["response"] if stream else call.json
    assert response["usage"]["input_tokens"] == 900
    assert len(exchanges(app).exchanges) == 1
    assert sent["messages"][-1]["role"] == "user"
    assert "summary" in sent["messages"][-1]["content"]
    assert "compaction_trigger" not in json.dumps(sent)
    (line,) = app.lines()  # type: ignore[attr-defined]
    assert line["tokens"]["output"] == 40


async def test_the_next_turn_has_the_summary_and_the_last_user_message(tmp_path: Path) -> None:
    app = make(tmp_path)
    call, _ = await compacted(app, False, WHOLE)
    item = item_of(call, False)
    asked = [{"role": "developer", "content": "be exact"}, item, {"role": "user", "content": "go on"}]
    exchange = await reply(app, Call(app, "/v1/responses", body_for("responses", input=asked)), chat("x"))
    sent = json.loads(exchange.call.body)["messages"]
    text = json.dumps(sent)
    assert sent[0]["role"] == "system"
    assert "THE SUMMARY" in text and "the last wish" in text and "go on" in text
    assert "OLD" not in text and "RESULT" not in text and "ggg" not in text


async def test_a_user_message_that_the_client_still_sends_is_not_said_twice(tmp_path: Path) -> None:
    app = make(tmp_path)
    call, _ = await compacted(app, False, WHOLE)
    asked = [{"role": "user", "content": "the last wish"}, item_of(call, False), {"role": "user", "content": "go on"}]
    exchange = await reply(app, Call(app, "/v1/responses", body_for("responses", input=asked)), chat("x"))
    assert exchange.call.body.count(b"the last wish") == 1


@pytest.mark.parametrize(
    "blob",
    [
        "gAAAA-foreign",
        "dgm1.k.AAAA",
        seal(BOX, Payload(summary="s"), purpose="compaction", tenant="default"),
    ],
    ids=["foreign", "unreadable", "another-key"],
)
async def test_an_item_that_is_not_ours_is_a_400_before_any_call(tmp_path: Path, blob: str) -> None:
    app = make(tmp_path)
    asked = [{"type": "compaction", "encrypted_content": blob}, {"role": "user", "content": "go on"}]
    call = await Call(app, "/v1/responses", body_for("responses", input=asked)).run()
    assert (call.status, call.error["code"], call.error["param"]) == (400, "compaction_unreadable", "input")
    assert exchanges(app).exchanges == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "upstream",
    [
        '{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}',
        '{"choices":[{"message":{"content":"half"},"finish_reason":"length"}]}',
    ],
)
async def test_no_summary_is_a_failure_not_an_empty_item(tmp_path: Path, stream: bool, upstream: str) -> None:
    app = make(tmp_path, "[retry]\nattempts = 1\n")
    call, _ = await compacted(app, stream, upstream.encode())
    assert (call.status, call.error["code"]) == (502, "compaction_failed")


# -- what is kept word for word


@pytest.mark.parametrize("total", [100, 1000, 10_000])
def test_at_most_a_fifth_is_kept(total: int) -> None:
    messages = [user("u" * 40 + str(i)) for i in range(total // 50)] + [Message("assistant", (Text("a" * total),))]
    size = sum(len(m.text) for m in messages)
    assert sum(len(m.text) for m in kept(messages)) <= size * 0.2


def test_the_newest_are_kept_in_order_as_text() -> None:
    picture = Media("image", data="A" * 5000)
    messages = [
        user("first " * 100),
        Message("assistant", (Text("a" * 1000), ToolCall("c", "f", "{}"))),
        Message("tool", (ToolResult("c", (Text("r" * 1000),)),)),
        user("second"),
        Message("user", (picture, Text("third"))),
    ]
    assert [m.text for m in kept(messages)] == ["second", "third"]
    assert all(isinstance(b, Text) for m in kept(messages) for b in m.content)
    assert kept([]) == ()
    blob = seal(BOX, Payload(summary="all of it"), purpose="compaction", tenant="t")
    folded = expand([Message("user", (Compaction(blob),))], BOX, "t")
    assert kept([*folded, *messages]) == kept(messages), "the new summary takes the old one in"


def test_expand_keeps_what_stands_around() -> None:
    blob = seal(BOX, Payload(summary="S", kept=(user("k"),)), purpose="compaction", tenant="t")
    mixed = Message("user", (Text("before"), Compaction(blob), Text("after")))
    out = expand([user("u"), mixed], BOX, "t")
    assert [m.text for m in out[:2]] == ["u", "before"]
    assert out[2].text.endswith("S")
    assert [m.text for m in out[3:]] == ["k", "after"]
    with pytest.raises(CompactionUnreadable):
        expand([mixed], BOX, "other")


def test_the_stage_ends_once_and_shows_nothing_of_the_summary() -> None:
    stage = CompactionStage(BOX, "t", [user("x")], lambda prefix: prefix + "1")
    assert [type(e).__name__ for e in stage.feed([Finished()])] == ["Failed"]
    assert [type(e).__name__ for e in stage.feed([Incomplete("length")])] == ["Failed"]
