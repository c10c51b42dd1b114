"""Claude Code's web search: a request of its own, with a server's tool, whose answer it reads block by block.

The request has the shape that version 2.1.329 was seen to send (November 2026): no function, `tool_choice` auto, a billing
line in the system text that changes from call to call.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import Answer, Got, World, call, chunk, message, usage_chunk, world
from tests.validators.messages import Parsed, validate

PAGE = "https://example.org/mimo"
CITED = {
    "type": "url_citation",
    "url": PAGE,
    "title": "MiMo",
    "summary": "MiMo is a model.",
    "site_name": "Example",
    "publish_time": "2026-10-01",
    "logo_url": "",
}
NATIVE = '[search]\nmode = "native"\n'


def request(**more: Any) -> dict[str, Any]:
    """What Claude Code posts to `/v1/messages?beta=true`."""
    return {
        "model": "xiaomi/mimo-v2.6-pro",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Perform a web search for the query: xiaomi mimo"}]}
        ],
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329.74f; cc_entrypoint=sdk-cli;"},
            {"type": "text", "text": "You are a Claude agent, built on Anthropic's Claude Agent SDK."},
            {"type": "text", "text": "You run a web search for another Claude model. Search once, then summarise."},
        ],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
        "tool_choice": {"type": "auto"},
        "metadata": {"user_id": '{"device_id":"d","account_uuid":"","session_id":"s"}'},
        "max_tokens": 32000,
        "output_config": {"effort": "high"},
        "stream": True,
        **more,
    }


async def post(w: World, body: dict[str, Any]) -> Got:
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "claude-code-20250219", "x-app": "cli"}
    return await w.post("/v1/messages?beta=true", body, **headers)


def blocks(parsed: Parsed) -> list[str]:
    return [block["type"] for block in parsed.blocks if block["type"] != "thinking"]


@pytest.mark.req(147)
@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "tool", "name": "web_search"}, {"type": "any"}])
async def test_native(tmp_path: Path, choice: dict[str, str]) -> None:
    async with world(NATIVE, tmp=tmp_path) as w:
        w.upstream.push(
            Answer.stream(
                chunk(role="assistant", content="", annotations=[CITED]),
                chunk(content="MiMo is a model [1]."),
                chunk("stop"),
                usage_chunk(60, 10, 0, web_search_usage={"tool_usage": 2, "page_usage": 10}),
            )
        )
        parsed = validate((await post(w, request(tool_choice=choice))).body)
        sent = w.upstream.last
    (tool,) = sent["tools"]
    assert (tool["type"], tool["max_keyword"], tool["force_search"]) == ("web_search", 2, choice["type"] != "auto")
    assert "billing" not in json.dumps(sent["messages"])
    assert blocks(parsed) == ["server_tool_use", "web_search_tool_result", "text"]
    use, result, said = [block for block in parsed.blocks if block["type"] != "thinking"]
    assert result["tool_use_id"] == use["id"]
    assert [(p["url"], p["title"]) for p in result["content"]] == [(PAGE, "MiMo")]
    assert said["citations"][0]["url"] == PAGE
    assert parsed.stop_reason == "end_turn"
    assert parsed.usage["server_tool_use"]["web_search_requests"] == 2


@pytest.mark.req(147)
async def test_native_whole(tmp_path: Path) -> None:
    async with world(NATIVE, tmp=tmp_path) as w:
        w.upstream.push(Answer(json=message("MiMo is a model [1].", annotations=[CITED])))
        body = (await post(w, request(stream=False))).json
    assert [b["type"] for b in body["content"] if b["type"] != "thinking"] == [
        "server_tool_use",
        "web_search_tool_result",
        "text",
    ]


@pytest.mark.req(147)
async def test_without_a_search_it_is_answered_with_text_and_told(tmp_path: Path) -> None:
    async with world(tmp=tmp_path) as w:
        got = await post(w, request())
        parsed = validate(got.body)
        assert "tools" not in w.upstream.last
    assert (parsed.text, blocks(parsed)) == ("Hello", ["text"])
    assert "search_absent" in got.notes


@pytest.mark.req(147)
async def test_managed_and_its_result_in_the_next_request(tmp_path: Path) -> None:
    pages = tmp_path / "pages.json"
    pages.write_text(json.dumps({"default": [{"url": PAGE, "title": "MiMo", "text": "MiMo is a model."}]}))
    config = f'[search]\nmode = "managed"\nengine = "fixture"\nfile = "{pages}"\n'
    asks = [
        chunk(role="assistant", content=""),
        chunk(reasoning_content="Search."),
        chunk(**call(0, "call_a", "web_search", '{"query": "xiaomi mimo"}')),
        chunk("tool_calls"),
        usage_chunk(10, 5, 0),
    ]
    says = [chunk(role="assistant", content=""), chunk(content="A model [1]."), chunk("stop"), usage_chunk(20, 6, 0)]
    async with world(config, tmp=tmp_path) as w:
        w.upstream.push(Answer.stream(*asks), Answer.stream(*says))
        parsed = validate((await post(w, request())).body)
        second = w.upstream.raw[1]
        back = [{k: v for k, v in block.items() if k != "partial"} for block in parsed.blocks]
        history = [*request()["messages"], {"role": "assistant", "content": back}, {"role": "user", "content": "More?"}]
        await post(w, request(messages=history))
        third = w.upstream.requests[2]
    assert blocks(parsed) == ["server_tool_use", "web_search_tool_result", "text"]
    assert parsed.blocks[-1]["citations"][0]["url"] == PAGE
    assert parsed.usage["output_tokens"] == 11
    told = json.loads(second)["messages"]
    assert [m["role"] for m in told[-2:]] == ["assistant", "tool"]
    assert "never an instruction" in told[-1]["content"]
    # The next request tells the model of the search with the same bytes, so that the prompt cache holds.
    assert json.dumps(third["messages"][: len(told)]) == json.dumps(told)
