"""Media through the whole gateway, from each client to the strict simulators of vendors that take them.

Every rule of a vendor holds: no violation, and nothing that it would have refused. A picture that a tool gave back
(D16) is seen or told of, on all three endpoints; a conversation goes on with it in the history.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.protocols import SCHEMA
from tests.e2e.street import Street
from tests.providers.test_media import FORMS, PNG, ROADS, TEXT

MIMO = ("image by url", "image", "image of a wrong type", "sound", "sound by url", "film by url", "film")
PICTURES = ("image by url", "image", "image of a wrong type")
PICTURES_AND_FILMS = (*PICTURES, "film by url", "film")
TEXTS = ("table", "plain text")
TAKES: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("xiaomi", "mimo-v2.6-pro", "chat"): MIMO,
    ("xiaomi", "mimo-v2.6-pro", "responses"): MIMO,
    ("xiaomi", "mimo-v2.6-pro", "messages"): MIMO,
    ("xiaomi", "mimo-v2.5-pro", "chat"): (),
    ("minimax", "MiniMax-M3", "chat"): PICTURES_AND_FILMS,
    ("minimax", "MiniMax-M3", "messages"): PICTURES,
    ("deepseek", "deepseek-flash", "chat"): PICTURES,
    ("deepseek", "deepseek-v4-pro", "chat"): (),
    ("zhipu", "glm-5v-turbo", "chat"): (*PICTURES_AND_FILMS, "pdf by url"),
    ("moonshot", "kimi-k3", "chat"): PICTURES_AND_FILMS,
    ("openai", "gpt-6.1-sol", "chat"): (*PICTURES, "pdf"),
    ("openai", "gpt-6.1-sol", "responses"): (*PICTURES, "pdf", "pdf by url"),
    ("anthropic", "claude-sonnet-5-5", "messages"): (*PICTURES, "pdf", "pdf by url"),
}
"""What each model takes over each wire; text files go everywhere, as text."""


def street(tmp_path: Path, vendor: str, wire: str, more: str = "") -> Street:
    """The vendor alone, spoken to over this wire; not on its own native lane, where nothing is translated."""
    return Street(tmp_path, f'{more}\n[providers.{vendor}]\nwire = "{wire}"\nnative = []\n', [vendor])


def body(road: str, model: str, items: list[Any], *, stream: bool = False) -> dict[str, Any]:
    """A request of the road with this conversation."""
    made: dict[str, Any] = {"model": model, "stream": stream, "input" if road == "responses" else "messages": items}
    if road == "responses":
        made["tools"] = [{"type": "function", "name": "view", "parameters": SCHEMA}]
    elif road == "chat":
        made["tools"] = [{"type": "function", "function": {"name": "view", "parameters": SCHEMA}}]
    else:
        made |= {"max_tokens": 4096, "tools": [{"name": "view", "input_schema": SCHEMA}]}
    return made


def looked(road: str, *parts: Any) -> list[Any]:
    """A user's question about these parts."""
    return [{"role": "user", "content": [{"type": TEXT[road], "text": "look"}, *parts]}]


def given_back(road: str, *parts: Any) -> list[Any]:
    """A question, two calls, and their results: the first holds these parts, the second a text."""
    asked: dict[str, Any] = {"role": "user", "content": "look at it"}
    if road == "responses":
        calls = [
            {"type": "function_call", "call_id": f"c{n}", "name": "view", "arguments": '{"q":"a"}'} for n in (1, 2)
        ]
        return [
            asked,
            *calls,
            {"type": "function_call_output", "call_id": "c1", "output": list(parts)},
            {"type": "function_call_output", "call_id": "c2", "output": "second"},
        ]
    if road == "chat":
        made = [
            {"id": f"c{n}", "type": "function", "function": {"name": "view", "arguments": '{"q":"a"}'}} for n in (1, 2)
        ]
        return [
            asked,
            {"role": "assistant", "content": None, "tool_calls": made},
            {"role": "tool", "tool_call_id": "c1", "content": list(parts)},
            {"role": "tool", "tool_call_id": "c2", "content": "second"},
        ]
    uses = [{"type": "tool_use", "id": f"c{n}", "name": "view", "input": {"q": "a"}} for n in (1, 2)]
    found = [
        {"type": "tool_result", "tool_use_id": "c1", "content": list(parts)},
        {"type": "tool_result", "tool_use_id": "c2", "content": "second"},
    ]
    return [asked, {"role": "assistant", "content": uses}, {"role": "user", "content": found}]


@pytest.mark.req(64, 124)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("aim", TAKES, ids=":".join)
async def test_what_a_model_takes_is_taken_and_the_rest_is_never_sent(
    tmp_path: Path, aim: tuple[str, str, str], road: str
) -> None:
    vendor, model, wire = aim
    place = street(tmp_path, vendor, wire)
    for form, spelt in FORMS.items():
        sent = len(place.sims[vendor].requests)
        got = await place.ask(road, body(road, f"{vendor}:{model}", looked(road, spelt[road])))
        if form in TAKES[aim] or form in TEXTS:
            assert got.status == 200, (form, got.body)
            assert len(place.sims[vendor].requests) == sent + 1
        else:
            assert got.status == 400, (form, got.body)
            assert model in got.json["error"]["message"]
            assert len(place.sims[vendor].requests) == sent, "it was refused before any call"
    assert place.complaints() == []


@pytest.mark.case("D16")
@pytest.mark.req(127)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("aim", TAKES, ids=":".join)
async def test_a_picture_that_a_tool_gave_back(
    tmp_path: Path, aim: tuple[str, str, str], road: str, stream: bool
) -> None:
    vendor, model, wire = aim
    place = street(tmp_path, vendor, wire)
    items = given_back(road, {"type": TEXT[road], "text": "first"}, FORMS["image"][road])
    got = await place.ask(road, body(road, f"{vendor}:{model}", items, stream=stream))
    assert got.status == 200, got.body
    before = place.last(vendor)
    text = json.dumps(before)
    assert (PNG in text) is bool(TAKES[aim])
    assert text.index("first") < text.index("second")
    if not TAKES[aim]:
        assert "an image was left out" in text
    # The conversation goes on: what was sent stays what it was.
    more = [*items, {"role": "assistant", "content": "seen"}, {"role": "user", "content": "and now?"}]
    got = await place.ask(road, body(road, f"{vendor}:{model}", more, stream=stream))
    assert got.status == 200, got.body
    assert place.complaints() == []
    key = "input" if wire == "responses" else "messages"
    was, now = unmarked(before[key]), unmarked(place.last(vendor)[key])
    assert now[: len(was)] == was


def unmarked(value: Any) -> Any:
    """Without cache marks, which stand at the end of what is to be cached and move with it."""
    if isinstance(value, list):
        return [unmarked(one) for one in value]
    if isinstance(value, dict):
        return {name: unmarked(one) for name, one in value.items() if name != "cache_control"}
    return value


@pytest.mark.case("D16")
@pytest.mark.parametrize("road", ROADS)
async def test_where_a_tools_picture_stands(tmp_path: Path, road: str) -> None:
    items = given_back(road, FORMS["image"][road])
    for wire in ("chat", "messages", "responses"):
        place = street(tmp_path, "xiaomi", wire)
        got = await place.ask(road, body(road, "xiaomi:mimo-v2.6-pro", items))
        assert got.status == 200, got.body
        told = {note["code"] for note in json.loads(got.headers.get("x-dragoman-notes", "[]"))}
        sent = place.last("xiaomi")
        if wire == "chat":
            assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "tool", "tool", "user"]
            assert all(isinstance(m["content"], str) and m["content"] for m in sent["messages"][2:4])
            assert "media_moved" in told
        else:
            assert "media_moved" not in told
        if wire == "messages":
            first, second = sent["messages"][-1]["content"]
            assert (first["content"][0]["type"], second["content"]) == ("image", "second")
        if wire == "responses":
            assert sent["input"][-2]["output"][0]["type"] == "input_image"
        assert place.complaints() == []


@pytest.mark.req(75, 127)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("aim", TAKES, ids=":".join)
async def test_documents_and_sounds_that_a_tool_gave_back(tmp_path: Path, aim: tuple[str, str, str], road: str) -> None:
    vendor, model, wire = aim
    place = street(tmp_path, vendor, wire)
    parts = [FORMS[form][road] for form in ("pdf", "table", "sound")]
    got = await place.ask(road, body(road, f"{vendor}:{model}", given_back(road, *parts)))
    assert got.status == 200, got.body
    text = json.dumps(place.last(vendor), ensure_ascii=False)
    kept = aim in (("openai", "gpt-6.1-sol", "responses"), ("anthropic", "claude-sonnet-5-5", "messages"))
    assert ("a document (a.pdf) was left out" in text) is not kept
    assert ("a sound was left out" in text) is (model != "mimo-v2.6-pro")
    assert "größe,1" in text
    assert place.complaints() == []


@pytest.mark.req(74, 126)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("wire", ROADS)
async def test_a_picture_alone_gets_words_beside_it(tmp_path: Path, wire: str, road: str) -> None:
    place = street(tmp_path, "xiaomi", wire)
    items: list[Any] = [{"role": "user", "content": [FORMS["image"][road]]}]
    got = await place.ask(road, body(road, "xiaomi:mimo-v2.6-pro", items))
    assert got.status == 200, got.body
    assert place.complaints() == []


@pytest.mark.req(64)
@pytest.mark.parametrize("road", ROADS)
async def test_the_setting_makes_a_note_of_the_refusal(tmp_path: Path, road: str) -> None:
    asked = body(road, "xiaomi:mimo-v2.5-pro", looked(road, FORMS["image"][road]))
    strict = street(tmp_path, "xiaomi", "chat")
    assert (await strict.ask(road, asked)).status == 400
    soft = street(tmp_path, "xiaomi", "chat", '[media]\nunsupported = "note"\n')
    got = await soft.ask(road, asked)
    assert got.status == 200, got.body
    assert "media_dropped" in {note["code"] for note in json.loads(got.headers["x-dragoman-notes"])}
    assert "an image was left out" in json.dumps(soft.last("xiaomi"))
    assert soft.complaints() == []


@pytest.mark.parametrize("road", ROADS)
async def test_data_that_are_none_are_refused_in_the_clients_own_shape(tmp_path: Path, road: str) -> None:
    place = street(tmp_path, "xiaomi", "chat")
    part = json.loads(json.dumps(FORMS["image"][road]).replace(PNG, "@@@@"))
    got = await place.ask(road, body(road, "xiaomi:mimo-v2.6-pro", looked(road, part)))
    assert got.status == 400
    where = "input[0].content[1].image_url" if road == "responses" else "messages[0].content[1]."
    assert where in got.json["error"]["message"]
    assert place.sims["xiaomi"].requests == []
