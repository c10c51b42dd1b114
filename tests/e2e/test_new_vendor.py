"""A vendor that nobody has heard of: one table of data, one golden transcript, and no line of code.

The table is TOML, read by the loader that reads the shipped files. The upstream replays the golden folder
`chat/k_new_vendor`; all three endpoints are driven through a whole gateway.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import ENDPOINTS, ask, read
from tests.e2e.world import Answer, World, message, world
from tests.wire.chat.golden import ROOT

FOLDER = ROOT / "k_new_vendor"
KEY = "ks-0123456789abcdef"
TABLE = """
[provider.kestrel]
name = "Kestrel"
base_url = "https://api.kestrel.example"
key_env = ["KESTREL_API_KEY"]
base_url_env = "KESTREL_BASE_URL"
patterns = ["kestrel-*"]
source = "its documentation, November 2026"
"""
ENV = {"KESTREL_API_KEY": KEY, "KESTREL_BASE_URL": "$UPSTREAM/v1"}


def told(tmp_path: Path, more: str = "") -> Path:
    """The folder of a person who wrote down this vendor."""
    (tmp_path / "models.toml").write_text(TABLE + more)
    return tmp_path


def replay() -> Answer:
    return Answer([(FOLDER / "upstream.sse").read_bytes()])


def sent_to_vendor(w: World) -> tuple[str, dict[str, Any]]:
    return w.upstream.heads[-1], w.upstream.last


@pytest.mark.req(2)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_table_is_all_that_a_plain_vendor_needs(tmp_path: Path, endpoint: str) -> None:
    async with world(tmp=told(tmp_path), env=ENV) as w:
        w.upstream.push(replay())
        got = await ask(w, endpoint, stream=True, tools=True, model="kestrel-large")
        seen = read(endpoint, got, stream=True)
        assert (seen.reasoning, seen.text, seen.end) == ("Rome, now.", "Let me look.", "completed")
        assert [(c.id, c.name, json.loads(c.arguments)) for c in seen.calls] == [("call_k1", "f", {"a": 41})]
        assert seen.usage == (52, 20, 32)
        assert got.headers["x-dragoman-model"] == "kestrel:kestrel-large"
        head, body = sent_to_vendor(w)
        assert head.startswith("POST /v1/chat/completions ")
        assert f"authorization: bearer {KEY}" in head.lower()
        assert (body["model"], body["stream"]) == ("kestrel-large", True)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_it_answers_whole_too(tmp_path: Path, endpoint: str) -> None:
    async with world(tmp=told(tmp_path), env=ENV) as w:
        w.upstream.push(Answer(json=message("It is.", reasoning_content="Rome.")))
        seen = read(endpoint, await ask(w, endpoint, stream=False, model="kestrel:kestrel-large"), stream=False)
        assert (seen.reasoning, seen.text, seen.end, seen.usage) == ("Rome.", "It is.", "completed", (3, 2, 1))


async def test_the_transcript_is_what_the_gateway_sends_and_gives(tmp_path: Path) -> None:
    async with world(tmp=told(tmp_path), env=ENV) as w:
        w.upstream.push(replay())
        got = await w.post("/v1/chat/completions", (FOLDER / "request.json").read_bytes())
        expected = json.loads((FOLDER / "upstream_request.json").read_bytes())
        assert sent_to_vendor(w)[1] == {**expected, "model": "kestrel-large"}
        lines = [line[6:] for line in (FOLDER / "client.sse").read_text().splitlines() if line.startswith("data: {")]
        assert [part["choices"] for part in got.events] == [json.loads(line)["choices"] for line in lines]


async def test_it_stands_in_the_lists_with_what_is_known_of_it(tmp_path: Path) -> None:
    facts = '[[model]]\nprovider = "kestrel"\nid = "kestrel-large"\ncontext = 65536\nstatus = "current"\n'
    async with world(tmp=told(tmp_path, facts), env=ENV) as w:
        shown = {one["id"]: one for one in (await w.request("GET", "/v1/models")).json["data"]}
        assert shown["kestrel:kestrel-large"]["context_window"] == 65536
        assert "price" not in shown["kestrel:kestrel-large"]


async def test_without_its_key_it_is_not_served(tmp_path: Path) -> None:
    async with world(tmp=told(tmp_path), env={"KESTREL_BASE_URL": "$UPSTREAM"}) as w:
        got = await ask(w, "chat", stream=False, model="kestrel-large")
        assert got.status == 404
        assert "KESTREL_API_KEY" in got.json["error"]["message"]


def test_no_code_knows_its_name() -> None:
    source = Path(__file__).parents[2] / "src"
    read_files = [path for path in source.rglob("*") if path.suffix in (".py", ".toml", ".md", ".json")]
    assert len(read_files) > 100
    assert [path for path in read_files if "kestrel" in path.read_text(encoding="utf-8").lower()] == []
